/*  =========================================================================
    put - zbroker put: messages into a queue

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"

static const tool_option_t s_options[] = {
    {"name", "NAME", "put under this producer's name: nothing is stored twice, also across a failover"},
    TOOL_BROKERS,
    TOOL_TIMEOUT,
    {NULL, NULL, NULL}};

typedef struct {
    const tool_t *tool;
    const char *queue;
    zb_client_t *client;
    int code;  //  of the first message that was not stored
    bool stop; //  nobody reads what we print, or the broker refuses for good
} put_t;

//  Prints what became of one message.
static void s_answered (const zb_receipt_t *receipt, void *arg)
{
    put_t *self = (put_t *) arg;
    if (receipt->error == ZB_ERR_NONE) {
        if (printf ("OK %s %s%s\n", zb_level_name (receipt->level), receipt->first,
                    receipt->duplicate ? " duplicate" : "") < 0)
            self->stop = true;
        return;
    }
    fflush (stdout);
    int code = tool_fail (self->tool, tool_code (receipt->error), "message %llu: %s",
                          (unsigned long long) receipt->number, receipt->text);
    if (self->code == TOOL_OK)
        self->code = code;
    self->stop = true;
}

//  Returns 0, or -1 when there is no point in going on.
static int s_put (put_t *self, const char *data, size_t size)
{
    zb_body_t body = {data, size};
    if (zb_client_put_async (self->client, self->queue, NULL, &body, 1, s_answered, self)) {
        int code = tool_client_fail (self->tool, self->client, self->queue);
        if (self->code == TOOL_OK)
            self->code = code;
        return -1;
    }
    return self->stop ? -1 : 0;
}

static void s_put_lines (put_t *self)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t size;
    while ((size = getline (&line, &room, stdin)) >= 0) {
        if (size && line[size - 1] == '\n')
            size--;
        if (s_put (self, line, (size_t) size))
            break;
    }
    if (ferror (stdin) && self->code == TOOL_OK)
        self->code = tool_fail (self->tool, TOOL_FAILED, "standard input: %s", strerror (errno));
    free (line);
}

static int s_run (tool_t *tool)
{
    if (tool->size == 0)
        return tool_misused (tool, "which queue?");
    put_t self = {.tool = tool, .queue = tool->arguments[0], .client = tool_client (tool)};
    if (!self.client)
        return TOOL_USAGE;
    for (size_t index = 1; index < tool->size; index++)
        if (s_put (&self, tool->arguments[index], strlen (tool->arguments[index])))
            break;
    if (tool->size == 1)
        s_put_lines (&self);
    //  Each failure is told by its callback.
    zb_client_flush (self.client);
    zb_client_destroy (&self.client);
    return self.code;
}

const tool_command_t tool_put = {
    .name = "put",
    .arguments = "QUEUE [BODY...]",
    .summary = "Store messages: the bodies given, or one per line of standard input",
    .text = "\n"
            "Prints what each OK said, in the order of the messages: how safe the message is, and its id.\n"
            "  both    synced to disk on both brokers\n"
            "  solo    synced to disk on the one broker that is left of the pair\n"
            "  single  synced to disk on a broker without a pair\n"
            "Stops at the first message that is refused.  Without --name, a message that was on its way\n"
            "when a broker died may be stored twice.\n",
    .options = s_options,
    .run = s_run,
};
