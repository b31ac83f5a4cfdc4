/*  =========================================================================
    events - zbroker events: what happened to the brokers lately

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "brokers.h"
#include "commands.h"

#define FOLLOW_EACH 1 //  s
#define ID_MAX 48

static const tool_option_t s_options[] = {{"follow", NULL, "then tell each second what is new, until it is interrupted"},
                                          {"count", "N", "the newest N of each broker (default: 200, which is the most)"},
                                          {"json", NULL, "an object a line"},
                                          BROKERS_WAIT,
                                          TOOL_BROKERS, TOOL_KEY,
                                          {NULL, NULL, NULL}};

typedef struct {
    const tool_t *tool;
    brokers_t brokers;
    int64_t wait;
    int64_t count;
    char last[BROKERS_MAX][ID_MAX]; //  id of the newest event of each that was told, "" = none
    bool silent[BROKERS_MAX];       //  it did not answer when it was asked last
    json_t **event;                 //  to be told
    size_t size;
} events_t;

static void s_keep (events_t *self, json_t *event, const char *node)
{
    self->event = (json_t **) realloc (self->event, (self->size + 1) * sizeof *self->event);
    assert (self->event);
    json_object_set_new (event, "node", json_string (node));
    self->event[self->size++] = json_incref (event);
}

//  Takes one page of one broker.  Returns whether there is more.
static bool s_page (events_t *self, size_t index, json_t *page)
{
    size_t place;
    json_t *event;
    if (brokers_true (page, "missed"))
        fprintf (stderr, "%s: it was started again, or older events are not kept: some may be missing here\n",
                 self->brokers.endpoint[index]);
    json_array_foreach (json_object_get (page, "events"), place, event)
    {
        if (!json_is_object (event))
            continue;
        snprintf (self->last[index], ID_MAX, "%s", brokers_text (event, "id"));
        s_keep (self, event, brokers_text (page, "node"));
    }
    return brokers_true (page, "more") && json_array_size (json_object_get (page, "events")) > 0;
}

//  Asks one broker for what is new.  Returns an exit code.
static int s_ask (events_t *self, size_t index)
{
    bool more = true;
    while (more) {
        char max[21];
        snprintf (max, sizeof max, "%lld", (long long) self->count);
        const char *text =
            zb_client_events (self->brokers.client, index, self->last[index], *self->last[index] ? NULL : max, self->wait);
        if (!text) {
            int error = zb_client_error (self->brokers.client);
            if (!self->silent[index])
                tool_fail (self->tool, TOOL_FAILED, "%s: %s", self->brokers.endpoint[index],
                           zb_client_error_text (self->brokers.client));
            self->silent[index] = true;
            return error == ZB_ERR_TIMEOUT ? TOOL_NO_ANSWER : TOOL_FAILED;
        }
        self->silent[index] = false;
        json_t *page = json_loads (text, 0, NULL);
        more = s_page (self, index, page);
        json_decref (page);
    }
    return TOOL_OK;
}

static int s_by_time (const void *one, const void *other)
{
    long long a = brokers_number (*(json_t *const *) one, "time"), b = brokers_number (*(json_t *const *) other, "time");
    return a < b ? -1 : a > b;
}

//  In one line, and nothing that a terminal would take for a command.
static void s_print_text (const char *text)
{
    for (const unsigned char *byte = (const unsigned char *) text; *byte; byte++) {
        bool control = *byte < ' ' || *byte == 0x7F || (*byte == 0xC2 && byte[1] >= 0x80 && byte[1] < 0xA0);
        byte += control && *byte == 0xC2;
        putchar (control ? '?' : *byte);
    }
}

static void s_print (json_t *event)
{
    long long ms = brokers_number (event, "time");
    time_t seconds = (time_t) (ms / 1000);
    char when[32];
    struct tm parts;
    strftime (when, sizeof when, "%Y-%m-%d %H:%M:%S", localtime_r (&seconds, &parts));
    printf ("%s.%03lld %-7s %-9s ", when, ms % 1000, brokers_text (event, "node"), brokers_text (event, "kind"));
    s_print_text (brokers_text (event, "text"));
    const char *who = brokers_text (event, "principal"), *from = brokers_text (event, "address");
    if (*who || *from) {
        fputs (" (", stdout);
        s_print_text (*who ? who : "somebody");
        printf ("%s%s)", *from ? " at " : "", from);
    }
    if (brokers_number (event, "left_out"))
        printf (" [and %lld more before it]", brokers_number (event, "left_out"));
    putchar ('\n');
}

//  Tells what was kept, the oldest first.
static void s_tell (events_t *self)
{
    if (self->size)
        qsort (self->event, self->size, sizeof *self->event, s_by_time);
    for (size_t index = 0; index < self->size; index++) {
        if (tool_option (self->tool, "json")) {
            json_dumpf (self->event[index], stdout, JSON_COMPACT);
            putchar ('\n');
        }
        else
            s_print (self->event[index]);
        json_decref (self->event[index]);
    }
    self->size = 0;
}

//  Asks all and tells.  Returns 0 if each has answered.
static int s_round (events_t *self)
{
    int code = TOOL_OK;
    size_t silent = 0;
    for (size_t index = 0; index < self->brokers.size; index++) {
        int asked = s_ask (self, index);
        code = asked == TOOL_OK ? code : TOOL_FAILED;
        silent += asked == TOOL_NO_ANSWER;
    }
    s_tell (self);
    return silent == self->brokers.size ? TOOL_NO_ANSWER : code;
}

static int s_run (tool_t *tool)
{
    if (tool->size)
        return tool_misused (tool, "'%s': events takes no arguments", tool->arguments[0]);
    events_t self = {.tool = tool, .wait = 1000, .count = 200};
    if (tool_number (tool, "wait", 1, 600000, &self.wait) || tool_number (tool, "count", 1, 200, &self.count))
        return TOOL_USAGE;
    int code = brokers_open (&self.brokers, tool);
    if (code == TOOL_OK) {
        code = s_round (&self);
        while (tool_option (tool, "follow") && !fflush (stdout) && !ferror (stdout)) {
            nanosleep (&(struct timespec){.tv_sec = FOLLOW_EACH}, NULL);
            code = s_round (&self);
        }
    }
    free (self.event);
    brokers_close (&self.brokers);
    return code;
}

const tool_command_t tool_events = {
    .name = "events",
    .arguments = "",
    .summary = "Show what happened to the brokers lately: roles, splits, operators, refused clients",
    .text = "\n"
            "Each broker remembers the newest 1000; what is shown is that of all that answer, in the order of\n"
            "their clocks.  Ends with 1 if one does not answer, with 6 if none does.\n",
    .options = s_options,
    .run = s_run,
};
