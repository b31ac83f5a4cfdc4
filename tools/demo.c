/*  =========================================================================
    demo - zbroker demo: lose a broker, keep the message

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Starts a pair on loopback in a scratch folder, with this very program, stores a
    message, kills the active broker with SIGKILL and takes the message from the
    other one.
*/

#include <czmq.h>

#include "commands.h"
#include "pair.h"

#define QUEUE "demo"
#define BODY "hello from before the crash"

static const tool_option_t s_options[] = {{NULL, NULL, NULL}};

typedef struct {
    const tool_t *tool;
    pair_t *pair;
    zb_client_t *client;
} demo_t;

static int s_client_fail (const demo_t *self, const char *what)
{
    return tool_client_fail (self->tool, self->client, what);
}

static int s_start_pair (demo_t *self)
{
    int code = pair_start (self->pair);
    for (size_t index = 0; code == TOOL_OK && index < PAIR_SIZE; index++)
        printf ("started the %s at %s, process %d\n", pair_role (self->pair, index), pair_endpoint (self->pair, index),
                (int) pair_pid (self->pair, index));
    return code;
}

static int s_put (demo_t *self)
{
    self->client = zb_client_new (pair_brokers (self->pair));
    if (!self->client)
        return tool_fail (self->tool, TOOL_FAILED, "no client");
    if (zb_client_create_queue (self->client, QUEUE, NULL))
        return s_client_fail (self, "create the queue");
    int code = pair_await_in_step (self->pair, self->client);
    if (code != TOOL_OK)
        return code;
    zb_receipt_t receipt;
    if (zb_client_put (self->client, QUEUE, BODY, strlen (BODY), &receipt))
        return s_client_fail (self, "put");
    printf ("put \"%s\" at %s: OK %s\n", BODY, zb_client_endpoint (self->client), zb_level_name (receipt.level));
    if (receipt.level != ZB_LEVEL_BOTH)
        return tool_fail (self->tool, TOOL_FAILED, "the message is not on both brokers");
    return TOOL_OK;
}

static int s_kill_active (demo_t *self)
{
    for (size_t index = 0; index < PAIR_SIZE; index++)
        if (strcmp (pair_endpoint (self->pair, index), zb_client_endpoint (self->client)) == 0) {
            printf ("kill -9 %d, the %s\n", (int) pair_pid (self->pair, index), pair_role (self->pair, index));
            pair_kill (self->pair, index);
            return TOOL_OK;
        }
    return tool_fail (self->tool, TOOL_FAILED, "no broker is active");
}

static int s_get (demo_t *self, int64_t killed_at)
{
    zb_messages_t *messages = zb_client_get (self->client, QUEUE, 10, 10000, NULL);
    int64_t took = zclock_mono () - killed_at;
    if (!messages)
        return s_client_fail (self, "get");
    const zb_message_t *message = zb_messages_at (messages, 0);
    int code = TOOL_OK;
    if (zb_messages_size (messages) != 1 || message->size != strlen (BODY) ||
        memcmp (message->body, BODY, message->size) != 0)
        code = tool_fail (self->tool, TOOL_FAILED, "got %zu messages, or another one", zb_messages_size (messages));
    else if (zb_client_ack (self->client, QUEUE, zb_messages_ids (messages)))
        code = s_client_fail (self, "ack");
    else {
        printf ("got \"%.*s\" from %s: acknowledged, OK %s\n", (int) message->size, (const char *) message->body,
                zb_client_endpoint (self->client), zb_level_name (zb_client_level (self->client)));
        printf ("the takeover took %" PRIi64 " ms, from the kill to the message in hand\n", took);
    }
    zb_messages_destroy (&messages);
    return code;
}

static int s_tell (demo_t *self)
{
    int code = s_start_pair (self);
    if (code == TOOL_OK)
        code = s_put (self);
    int64_t killed_at = zclock_mono ();
    if (code == TOOL_OK)
        code = s_kill_active (self);
    return code == TOOL_OK ? s_get (self, killed_at) : code;
}

static int s_run (tool_t *tool)
{
    if (tool->size)
        return tool_misused (tool, "'%s': demo takes no arguments", tool->arguments[0]);
    demo_t self = {.tool = tool, .pair = pair_new (tool)};
    if (!self.pair)
        return TOOL_FAILED;
    setvbuf (stdout, NULL, _IOLBF, 0);
    int code = s_tell (&self);
    zb_client_destroy (&self.client);
    return pair_destroy (&self.pair, code);
}

const tool_command_t tool_demo = {
    .name = "demo",
    .arguments = "",
    .summary = "Start a pair here, put a message, kill the active broker, get the message",
    .text = "\n"
            "Uses free ports of 127.0.0.1 and a folder in $TMPDIR or /tmp, and leaves nothing behind.  Prints\n"
            "the time that the takeover took.\n",
    .options = s_options,
    .run = s_run,
};
