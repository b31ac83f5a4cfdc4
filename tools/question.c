/*  =========================================================================
    question - zbroker check: one question about the pair, and an exit code that a script can use

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Not check.c: make would build the script tools/check from it.
*/

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "brokers.h"
#include "commands.h"

//  What monitoring programs expect of a check.
enum { GOOD = 0, WARNING = 1, BAD = 2 };

static const tool_option_t s_options[] = {{"warn", "COUNT", "queue: more messages than this are worth a look (default: 1000)"},
                                          {"most", "COUNT", "queue: more than this are bad (default: 10000)"},
                                          {"free", "BYTES", "disk: less than this is worth a look (default: 1073741824)"},
                                          BROKERS_WAIT,
                                          TOOL_BROKERS,
                                          TOOL_KEY,
                                          TOOL_TIMEOUT,
                                          {NULL, NULL, NULL}};

typedef struct {
    const tool_t *tool;
    const brokers_t *brokers;
    const char *queue; //  the question's argument
} asked_t;

//  ---------------------------------------------------------------------------
//  Each question prints a line and returns what it found.

static int s_alive (const asked_t *self)
{
    size_t answers = brokers_answers (self->brokers);
    printf ("%zu of %zu brokers answer\n", answers, self->brokers->size);
    return answers == self->brokers->size ? GOOD : answers ? WARNING : BAD;
}

static int s_ready (const asked_t *self)
{
    json_t *active = brokers_active (self->brokers);
    bool serves = active && strcmp (brokers_text (active, "level"), "hold") != 0;
    printf (serves ? "%s serves\n" : active ? "%s is active, and does not answer clients now: %s\n" : "no broker serves\n",
            active ? brokers_text (active, "node") : "", active ? brokers_text (active, "why") : "");
    return serves ? GOOD : active ? WARNING : BAD;
}

static int s_in_sync (const asked_t *self)
{
    json_t *active = brokers_active (self->brokers);
    if (!active) {
        printf ("no broker serves\n");
        return BAD;
    }
    if (strcmp (brokers_text (active, "level"), "single") == 0) {
        printf ("a broker without a pair: its disk alone has everything\n");
        return WARNING;
    }
    bool in_sync = brokers_true (active, "in_step") && brokers_answers (self->brokers) == self->brokers->size;
    printf (in_sync ? "in sync: the other broker can take over\n" : "not in sync: %s\n", brokers_text (active, "why"));
    return in_sync ? GOOD : WARNING;
}

static int s_disk (const asked_t *self)
{
    int64_t least = INT64_C (1) << 30;
    if (tool_number (self->tool, "free", 0, INT64_MAX, &least))
        return TOOL_USAGE;
    int found = brokers_answers (self->brokers) ? GOOD : BAD;
    for (size_t index = 0; index < self->brokers->size; index++) {
        json_t *status = self->brokers->status[index];
        const char *endpoint = self->brokers->endpoint[index];
        if (!status)
            printf ("%s does not answer\n", endpoint);
        else if (json_is_null (brokers_member (status, "disk.free")))
            printf ("%s does not know what is free\n", endpoint);
        else
            printf ("%s: %lld bytes free%s\n", endpoint, brokers_number (status, "disk.free"),
                    brokers_true (status, "disk.full") ? ", FULL: producers are refused" : "");
        int each = !status ? WARNING : brokers_true (status, "disk.full") ? BAD : brokers_number (status, "disk.free") < least;
        found = each > found ? each : found;
    }
    return found;
}

//  The number of a line name=value of a queue.
static unsigned long long s_count (const char *lines, const char *name)
{
    size_t size = strlen (name);
    for (const char *line = lines; line && *line; line = strchr (line, '\n') ? strchr (line, '\n') + 1 : NULL)
        if (strncmp (line, name, size) == 0 && line[size] == '=')
            return strtoull (line + size + 1, NULL, 10);
    return 0;
}

static int s_queue (const asked_t *self)
{
    int64_t warn = 1000, most = 10000;
    if (tool_number (self->tool, "warn", 0, INT64_MAX, &warn) || tool_number (self->tool, "most", 0, INT64_MAX, &most))
        return TOOL_USAGE;
    zb_queues_t *queues = zb_client_list_queues (self->brokers->client, self->queue);
    if (!queues) {
        printf ("%s: %s\n", self->queue, zb_client_error_text (self->brokers->client));
        return BAD;
    }
    int found = BAD;
    size_t index = 0;
    while (index < zb_queues_size (queues) && strcmp (zb_queues_name (queues, index), self->queue) != 0)
        index++;
    if (index == zb_queues_size (queues))
        printf ("%s: no such queue\n", self->queue);
    else {
        unsigned long long messages = s_count (zb_queues_lines (queues, index), "messages");
        printf ("%s: %llu messages\n", self->queue, messages);
        found = messages > (unsigned long long) most ? BAD : messages > (unsigned long long) warn ? WARNING : GOOD;
    }
    zb_queues_destroy (&queues);
    return found;
}

static const struct {
    const char *name;
    int (*ask) (const asked_t *self);
    bool status, queue; //  what it needs: what the brokers say; an argument
} s_questions[] = {{"alive", s_alive, true, false},
                   {"ready", s_ready, true, false},
                   {"in-sync", s_in_sync, true, false},
                   {"disk", s_disk, true, false},
                   {"queue", s_queue, false, true}};

static int s_run (tool_t *tool)
{
    if (!tool->size)
        return tool_misused (tool, "what is to be checked? alive, ready, in-sync, disk, or queue QUEUE");
    size_t index = 0, questions = sizeof s_questions / sizeof *s_questions;
    while (index < questions && strcmp (s_questions[index].name, tool->arguments[0]) != 0)
        index++;
    if (index == questions)
        return tool_misused (tool, "'%s' can't be checked: alive, ready, in-sync, disk, or queue QUEUE", tool->arguments[0]);
    if (tool->size != 1 + (size_t) s_questions[index].queue)
        return tool_misused (tool, s_questions[index].queue ? "%s wants the name of one queue" : "%s takes no argument",
                             tool->arguments[0]);
    brokers_t brokers;
    asked_t asked = {tool, &brokers, s_questions[index].queue ? tool->arguments[1] : NULL};
    int found = BAD;
    if (brokers_open (&brokers, tool) == TOOL_OK && (!s_questions[index].status || brokers_ask (&brokers, tool) == TOOL_OK))
        found = s_questions[index].ask (&asked);
    brokers_close (&brokers);
    return found;
}

const tool_command_t tool_check = {
    .name = "check",
    .arguments = "alive | ready | in-sync | disk | queue QUEUE",
    .summary = "One question about the pair, answered by the exit code, for monitoring",
    .text = "\n"
            "Prints a line, and ends with 0 if all is well, 1 if it needs a look, 2 if it is bad or nobody can tell.\n"
            "  alive    0: each broker answers; 1: one does; 2: none does\n"
            "  ready    0: a broker serves; 1: one is active, and holds its answers back just now; 2: none is\n"
            "  in-sync  0: the other broker can take over; 1: it can't, or there is none; 2: none serves\n"
            "  disk     2: a disk is full and producers are refused; 1: below --free, or a broker is silent\n"
            "  queue    by its messages: more than --warn 1, more than --most 2; 2 if there is no such queue\n",
    .options = s_options,
    .run = s_run,
};
