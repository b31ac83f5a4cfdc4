/*  =========================================================================
    put - zbroker put: messages into a queue

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    What is stored is the beginning of the input, without a gap.  Under a name each
    message is a PUT whose number is its place in the input: many are in flight, the
    broker refuses what is behind a refused one, and a later process finds its place.
    Without a name one PUT is in flight, of as many messages as have come meanwhile;
    one that is refused is cut in halves, down to the message that can't be stored.
*/

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "commands.h"
#include "input.h"

#define PILE_BODIES 500      //  of a PUT without a name
#define PILE_BYTES (1 << 20) //  of the same, unless one message is larger
#define COMPARED 256         //  PUTs of a name that the broker remembers
#define IN_FLIGHT 256        //  PUTs of a name
#define GLANCE 10            //  ms for answers, until the input is looked at again

static const tool_option_t s_options[] = {
    {"name", "NAME", "put under this producer's name; with the same input again, go on where it was"},
    {"wait-for-room", NULL, "wait while the queue or the disk is full, instead of ending"},
    {"H", "NAME=VALUE", "a property of each message; may be given again"},
    {"file", "FILE", "a message that is this whole file; may be given again"},
    {"null", NULL, "a zero byte ends a message of standard input, not a newline"},
    TOOL_BROKERS, TOOL_KEY,
    TOOL_TIMEOUT,
    {NULL, NULL, NULL}};

typedef struct {
    const tool_t *tool;
    const char *queue;
    char *properties; //  lines
    bool named;
    bool wait;
    zb_client_t *client;
    input_t *input;
    uint64_t taken;  //  messages of the input
    uint64_t done;   //  of these stored; without a name also the next one's place, less one
    uint64_t before; //  stored under this name by an earlier process
    int code;        //  of the first message that was not stored
    bool stop;       //  there is no point in going on

    //  Without a name: what was taken and not stored.
    zb_body_t pile[2 * PILE_BODIES];
    char *copy[2 * PILE_BODIES]; //  what its bodies point to
    size_t piled;
    size_t bytes;
    size_t most; //  bodies of the next PUT
    size_t sent; //  of the PUT in flight; 0 = none is
} put_t;

static void s_stop (put_t *self, int code)
{
    self->code = self->code == TOOL_OK ? code : self->code;
    self->stop = true;
}

static int64_t s_now (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C (1000) + now.tv_nsec / 1000000;
}

//  --- Answers ------------------------------------------------------------------------------------------------------

//  Prints that the next messages are stored.
static void s_stored (put_t *self, const zb_receipt_t *receipt, size_t count)
{
    uint64_t first = strtoull (receipt->first, NULL, 10);
    for (size_t index = 0; index < count; index++)
        printf ("OK %s %" PRIu64 "%s\n", zb_level_name (receipt->level), first ? first + index : 0,
                receipt->duplicate ? " duplicate" : "");
    self->done += count;
}

//  The next message is not stored, or nobody knows.
static void s_refused (put_t *self, const zb_receipt_t *receipt)
{
    if (self->stop)
        return;
    fflush (stdout);
    const char *hint = "";
    if (receipt->error == ZB_ERR_CONFLICT && self->done < self->before)
        hint = "; this is not the input that was put under this name: take another name for it";
    else if (receipt->error == ZB_ERR_QUEUE_FULL || receipt->error == ZB_ERR_DISK_FULL)
        hint = " (--wait-for-room waits)";
    bool known = receipt->error >= ZB_ERR_BAD_REQUEST && receipt->error != ZB_ERR_NOT_READY;
    s_stop (self, tool_fail (self->tool, tool_code (receipt->error), "message %" PRIu64 ": %s%s; %s", self->done + 1,
                             receipt->text, hint,
                             known ? "nothing behind it is stored"
                                   : "whether it and those behind it are stored is not known"));
}

//  An answer to a message that was put under a name.
static void s_answered (const zb_receipt_t *receipt, void *arg)
{
    put_t *self = (put_t *) arg;
    if (receipt->error)
        s_refused (self, receipt);
    else if (receipt->number == self->done + 1)
        s_stored (self, receipt, 1);
    else
        s_stop (self, tool_fail (self->tool, TOOL_FAILED,
                                 "message %" PRIu64 " was stored as number %" PRIu64
                                 " of this name: brokers have forgotten what they had",
                                 self->done + 1, receipt->number));
}

//  An answer to the pile's first messages.
static void s_answered_pile (const zb_receipt_t *receipt, void *arg)
{
    put_t *self = (put_t *) arg;
    size_t count = self->sent;
    self->sent = 0;
    bool refused = receipt->error >= ZB_ERR_BAD_REQUEST && receipt->error != ZB_ERR_NOT_READY;
    if (refused && count > 1) {
        self->most = count / 2;
        return;
    }
    if (receipt->error) {
        s_refused (self, receipt);
        return;
    }
    s_stored (self, receipt, count);
    self->most = self->most < PILE_BODIES / 2 ? self->most * 2 : PILE_BODIES;
    for (size_t index = 0; index < count; index++) {
        self->bytes -= self->pile[index].size;
        free (self->copy[index]);
    }
    self->piled -= count;
    memmove (self->pile, self->pile + count, self->piled * sizeof *self->pile);
    memmove (self->copy, self->copy + count, self->piled * sizeof *self->copy);
}

//  --- Messages -----------------------------------------------------------------------------------------------------

static bool s_busy (const put_t *self)
{
    return self->piled > 0 || zb_client_inflight (self->client) > 0;
}

//  Whether a message can be taken.  What is new waits until the old is known to be the same.
static bool s_room (const put_t *self)
{
    if (!self->named)
        return self->piled < 2 * PILE_BODIES && self->bytes < 2 * PILE_BYTES;
    size_t inflight = zb_client_inflight (self->client);
    return inflight < IN_FLIGHT && (inflight == 0 || self->taken != self->before);
}

static void s_take (put_t *self, const char *data, size_t size)
{
    self->taken++;
    if (!self->named) {
        char *copy = (char *) malloc (size + 1);
        assert (copy);
        memcpy (copy, data, size);
        self->copy[self->piled] = copy;
        self->pile[self->piled++] = (zb_body_t){copy, size};
        self->bytes += size;
        return;
    }
    zb_body_t body = {data, size};
    //  What is stored, and was too long ago to be compared, has been counted.
    if (self->taken > self->done &&
        zb_client_put_async (self->client, self->queue, self->properties, &body, 1, s_answered, self))
        s_stop (self, tool_client_fail (self->tool, self->client, self->queue));
}

//  Sends what can be sent of the pile.
static void s_push (put_t *self)
{
    if (self->piled == 0 || self->sent > 0)
        return;
    size_t bytes = self->pile[0].size;
    size_t count = 1;
    while (count < self->piled && count < self->most && (bytes += self->pile[count].size) <= PILE_BYTES)
        count++;
    zb_client_set_failed (self->client, self->wait && count == 1 ? ZB_FAILED_WAIT : ZB_FAILED_STOP);
    self->sent = count;
    if (zb_client_put_async (self->client, self->queue, self->properties, self->pile, count, s_answered_pile, self))
        s_stop (self, tool_client_fail (self->tool, self->client, self->queue));
}

//  --- The run ------------------------------------------------------------------------------------------------------

//  Finds the place of an earlier process of this name.  The last ones are put again, so that the broker compares.
static void s_resume (put_t *self)
{
    if (zb_client_connect (self->client)) {
        s_stop (self, tool_client_fail (self->tool, self->client, self->queue));
        return;
    }
    self->before = zb_client_last_number (self->client);
    self->done = self->before > COMPARED ? self->before - COMPARED : 0;
    zb_client_resume (self->client, self->done + 1);
    zb_client_set_failed (self->client, self->wait ? ZB_FAILED_WAIT : ZB_FAILED_STOP);
    if (self->before)
        tool_fail (self->tool, TOOL_OK,
                   "%" PRIu64 " messages were put under this name before; the input's first %" PRIu64
                   " are not stored again",
                   self->before, self->before);
}

static int s_flush (put_t *self)
{
    if (fflush (stdout) == 0 && !ferror (stdout))
        return 0;
    if (!self->stop)
        s_stop (self, tool_fail (self->tool, TOOL_FAILED, "standard output: %s", strerror (errno)));
    return -1;
}

//  Puts all that comes.  A signal's end waits for answers no longer than the client's timeout.
static void s_put_all (put_t *self, int64_t timeout)
{
    bool more = true;
    int64_t until = INT64_MAX;
    while (!self->stop && (more || s_busy (self)) && s_now () < until) {
        const char *data;
        size_t size;
        input_event_t event = INPUT_PAUSE;
        if (more && s_room (self)) {
            //  An answer may have come while a message was sent.  Who waits for it before the next line would wait for
            //  ever.
            bool busy = s_busy (self);
            if (!busy)
                s_flush (self);
            event = input_next (self->input, busy ? 0 : -1, &data, &size);
        }
        if (event == INPUT_MESSAGE) {
            s_take (self, data, size);
            continue;
        }
        more = event == INPUT_PAUSE ? more : false;
        if (event == INPUT_FAILED && self->code == TOOL_OK)
            self->code = TOOL_FAILED;
        s_push (self);
        zb_client_poll (self->client, GLANCE);
        s_flush (self);
        if (input_signal (self->input) && until == INT64_MAX && timeout >= 0)
            until = s_now () + timeout;
    }
    s_flush (self);
    if (!self->stop && self->taken < self->before && !input_signal (self->input))
        s_stop (self, tool_fail (self->tool, TOOL_FAILED,
                                 "the input has %" PRIu64 " messages, but %" PRIu64
                                 " were put under this name: take another name for it",
                                 self->taken, self->before));
    else if (!self->stop && s_busy (self))
        s_stop (self, tool_fail (self->tool, TOOL_FAILED,
                                 "stopped; the messages from %" PRIu64 " to %" PRIu64
                                 " were read and are not known to be stored",
                                 self->done + 1, self->taken));
}

//  The properties of the command line as lines; NULL if there are none.
static char *s_properties (const tool_t *tool)
{
    char *lines = NULL;
    size_t used = 0;
    size_t cursor = 0;
    const char *line;
    while ((line = tool_next (tool, "H", &cursor)) != NULL) {
        size_t size = strlen (line);
        lines = (char *) realloc (lines, used + size + 2);
        assert (lines);
        memcpy (lines + used, line, size);
        used += size;
        lines[used++] = '\n';
        lines[used] = 0;
    }
    return lines;
}

static void s_end (put_t *self)
{
    for (size_t index = 0; index < self->piled; index++)
        free (self->copy[index]);
    free (self->properties);
    input_destroy (&self->input);
    zb_client_destroy (&self->client);
}

static int s_run (tool_t *tool)
{
    if (tool->size == 0)
        return tool_misused (tool, "which queue?");
    int64_t timeout = 30000;
    if (tool_number (tool, "timeout", -1, INT64_MAX / 2, &timeout))
        return TOOL_USAGE;
    put_t self = {.tool = tool, .queue = tool->arguments[0], .client = tool_client (tool), .most = PILE_BODIES};
    if (!self.client)
        return TOOL_USAGE;
    //  A reader that goes away is an error of writing here, not the end of the process with messages in flight.
    signal (SIGPIPE, SIG_IGN);
    self.named = tool_option (tool, "name") != NULL;
    self.wait = tool_option (tool, "wait-for-room") != NULL;
    self.properties = s_properties (tool);
    self.input = input_new (tool, 1);
    if (self.named)
        s_resume (&self);
    s_put_all (&self, timeout);
    int number = input_signal (self.input);
    s_end (&self);
    //  What had come is stored; whether more was to come, who sent the signal knows.
    if (number && self.code == TOOL_OK)
        raise (number);
    return self.code;
}

const tool_command_t tool_put = {
    .name = "put",
    .arguments = "QUEUE [BODY...]",
    .summary = "Store messages: the bodies and files given, or one per line of standard input",
    .text = "\n"
            "Prints what each OK said, in the order of the messages: how safe the message is, and its id.\n"
            "  both    synced to disk on both brokers\n"
            "  solo    synced to disk on the one broker that is left of the pair\n"
            "  shared  synced to disk in the one store that both share\n"
            "  single  synced to disk on a broker without a pair\n"
            "Ends at the first message that is refused; none behind it is stored.  What was read is stored\n"
            "when the input pauses or ends, and on SIGTERM.\n"
            "With --name each message is stored once, whatever dies: run it again with the same input.  One\n"
            "input a name.  Without it, messages that were on their way when a broker died, 500 at most, may\n"
            "be stored twice.\n",
    .options = s_options,
    .run = s_run,
};
