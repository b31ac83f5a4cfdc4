/*  =========================================================================
    get - zbroker get: messages out of a queue

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands.h"
#include "output.h"

#define AT_ONCE 500 //  messages taken with one request
#define WAIT_MAX 86400000

static const tool_option_t s_options[] = {
    {"count", "N", "take N messages (default: 1); 0 = until none came for the time of --wait"},
    {"wait", "MS", "how long to wait for each message (default: 1000)"},
    {"requeue", NULL, "give them back to the queue's head instead of acknowledging them"},
    {"delay", "MS", "with --requeue: nobody gets them before so long (default: 0)"},
    {"untried", NULL, "with --requeue: it counts as no try, for the queue's retry-delay"},
    {"reject", NULL, "move them to the queue's dead letters instead of acknowledging them"},
    {"name", "NAME", "take them under this consumer's name"},
    OUTPUT_OPTIONS,
    TOOL_BROKERS,
    TOOL_KEY,
    TOOL_TIMEOUT,
    {NULL, NULL, NULL}};

//  What was printed and goes back to the queue at the end: earlier, it would come again.
typedef struct {
    zb_messages_t **lists;
    size_t size;
} held_t;

static void s_hold (held_t *self, zb_messages_t *messages)
{
    self->lists = (zb_messages_t **) realloc (self->lists, (self->size + 1) * sizeof *self->lists);
    assert (self->lists);
    self->lists[self->size++] = messages;
}

//  Gives everything back, the last first, so that the order stays.  Returns an exit code.
static int s_give_back (held_t *self, const tool_t *tool, zb_client_t *client, int64_t delay)
{
    int code = TOOL_OK;
    while (self->size) {
        zb_messages_t *messages = self->lists[--self->size];
        const char *queue = zb_messages_queue (messages), *ids = zb_messages_ids (messages);
        //  A broker of 0.1 knows no delay.
        if (code == TOOL_OK &&
            (tool_option (tool, "untried") ? zb_client_nack_untried (client, queue, ids, delay)
             : delay                       ? zb_client_nack_later (client, queue, ids, delay)
                                           : zb_client_nack (client, queue, ids)))
            code = tool_client_fail (tool, client, "not given back, they come again when their lease ends");
        zb_messages_destroy (&messages);
    }
    free (self->lists);
    return code;
}

//  Acknowledges them; what is settled already, of a queue that is one consumer's at a time, or goes by key, is told, and no error.
static int s_ack (const tool_t *tool, zb_client_t *client, const char *queue, const zb_messages_t *messages)
{
    int rc = zb_client_ack (client, queue, zb_messages_ids (messages));
    if (rc == 0 || zb_client_error (client) != ZB_ERR_GONE)
        return rc;
    //  Nothing was done: one by one.
    for (size_t index = 0; index < zb_messages_size (messages); index++) {
        const char *id = zb_messages_at (messages, index)->id;
        rc = zb_client_ack (client, queue, id);
        if (rc && zb_client_error (client) != ZB_ERR_GONE)
            return rc;
        if (rc)
            tool_fail (tool, TOOL_OK, "%s: %s was settled meanwhile, or another consumer has it", queue, id);
    }
    return 0;
}

//  Takes messages until `count` is reached or none came in time.  Returns an exit code.
static int s_get (const tool_t *tool, zb_client_t *client, int64_t count, int64_t wait, output_t *output, held_t *held)
{
    const char *queue = tool->arguments[0];
    bool requeue = tool_option (tool, "requeue") != NULL, reject = tool_option (tool, "reject") != NULL;
    int64_t done = 0;
    while (count == 0 || done < count) {
        size_t max = count && count - done < AT_ONCE ? (size_t) (count - done) : AT_ONCE;
        zb_messages_t *messages = zb_client_get (client, queue, max, wait, NULL);
        if (!messages)
            return tool_client_fail (tool, client, queue);
        size_t size = zb_messages_size (messages);
        if (size == 0) {
            zb_messages_destroy (&messages);
            break;
        }
        int code = output_write (output, messages);
        if (code) {
            zb_client_nack (client, queue, zb_messages_ids (messages));
            zb_messages_destroy (&messages);
            return code;
        }
        done += (int64_t) size;
        if (requeue) {
            s_hold (held, messages);
            continue;
        }
        const char *ids = zb_messages_ids (messages);
        int rc = reject ? zb_client_reject (client, queue, ids) : s_ack (tool, client, queue, messages);
        zb_messages_destroy (&messages);
        if (rc)
            return tool_client_fail (tool, client,
                                     reject ? "printed, but not moved, so that they may come again"
                                            : "printed, but not acknowledged, so that they may come again");
    }
    if (done < count)
        return tool_fail (tool, TOOL_FAILED, "%s had %lld of %lld messages", queue, (long long) done,
                          (long long) count);
    return TOOL_OK;
}

static int s_run (tool_t *tool)
{
    if (tool->size != 1)
        return tool_misused (tool, tool->size ? "one queue at a time" : "which queue?");
    int64_t count = 1, wait = 1000, delay = 0;
    if (tool_number (tool, "count", 0, INT64_MAX, &count) || tool_number (tool, "wait", 0, WAIT_MAX, &wait) ||
        tool_number (tool, "delay", 0, INT32_MAX, &delay))
        return TOOL_USAGE;
    if (tool_option (tool, "delay") && !tool_option (tool, "requeue"))
        return tool_misused (tool, "--delay is for what --requeue gives back");
    if (tool_option (tool, "untried") && !tool_option (tool, "requeue"))
        return tool_misused (tool, "--untried is for what --requeue gives back");
    if (tool_option (tool, "reject") && tool_option (tool, "requeue"))
        return tool_misused (tool, "--reject or --requeue, not both");
    output_t output;
    int code = output_open (&output, tool);
    if (code)
        return code;
    zb_client_t *client = tool_client (tool);
    if (!client)
        return TOOL_USAGE;
    //  A reader that goes away is an error of writing here, not the end of the process with messages in hand.
    signal (SIGPIPE, SIG_IGN);
    held_t held = {NULL, 0};
    code = s_get (tool, client, count, wait, &output, &held);
    int given_back = s_give_back (&held, tool, client, delay);
    zb_client_destroy (&client);
    return code == TOOL_OK ? given_back : code;
}

const tool_command_t tool_get = {
    .name = "get",
    .arguments = "QUEUE",
    .summary = "Take messages: bodies to standard output, one a line",
    .text = "\n"
            "A message is acknowledged after it was written, so that none is lost; after a failure one\n"
            "may come twice, under the same id.  Ends with 1 if fewer than N messages came.\n",
    .options = s_options,
    .run = s_run,
};
