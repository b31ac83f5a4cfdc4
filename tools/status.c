/*  =========================================================================
    status - zbroker status: what both brokers say of themselves

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "brokers.h"
#include "commands.h"

#define COLUMN_MAX 192
#define WATCH_EACH 1 //  s
#define CLEAR "\33[H\33[J"

static const tool_option_t s_options[] = {{"json", NULL, "as a JSON object"},
                                          {"watch", NULL, "again each second, until it is interrupted"},
                                          BROKERS_WAIT,
                                          TOOL_BROKERS, TOOL_KEY,
                                          {NULL, NULL, NULL}};

//  ---------------------------------------------------------------------------
//  The rows of the table: each writes one broker's value, or nothing if the broker does not tell it

typedef void (row_fn) (json_t *status, char *text, size_t size);

static void s_node (json_t *status, char *text, size_t size)
{
    snprintf (text, size, "%s", brokers_text (status, "node"));
}

static void s_role (json_t *status, char *text, size_t size)
{
    snprintf (text, size, "%s", brokers_text (status, "role"));
}

static void s_epoch (json_t *status, char *text, size_t size)
{
    snprintf (text, size, "%lld", brokers_number (status, "epoch"));
}

static bool s_is_shared (json_t *status)
{
    return json_is_object (brokers_member (status, "lock"));
}

static void s_level (json_t *status, char *text, size_t size)
{
    if (brokers_is_active (status))
        snprintf (text, size, "%s", brokers_text (status, "level"));
}

static void s_in_step (json_t *status, char *text, size_t size)
{
    if (strcmp (brokers_text (status, "level"), "single") == 0)
        return;
    snprintf (text, size, "%s", brokers_true (status, "alone") ? "no, alone" : brokers_true (status, "in_step") ? "yes" : "no");
}

//  How long it has been as it is.
static void s_since (json_t *status, char *text, size_t size)
{
    if (!brokers_member (status, "since_ms"))
        return;
    long long seconds = brokers_number (status, "since_ms") / 1000;
    long long days = seconds / 86400, hours = seconds / 3600 % 24, minutes = seconds / 60 % 60;
    if (days)
        snprintf (text, size, "%lld d %lld h", days, hours);
    else if (hours)
        snprintf (text, size, "%lld h %lld min", hours, minutes);
    else if (minutes)
        snprintf (text, size, "%lld min %lld s", minutes, seconds % 60);
    else
        snprintf (text, size, "%lld s", seconds);
}

static void s_peer (json_t *status, char *text, size_t size)
{
    if (!brokers_member (status, "peer") || strcmp (brokers_text (status, "level"), "single") == 0)
        return;
    if (brokers_true (status, "peer.heard"))
        snprintf (text, size, "%s", brokers_text (status, "peer.role"));
    else
        snprintf (text, size, "silent");
}

//  How long the peer may be silent until it is gone.
static void s_silence (json_t *status, char *text, size_t size)
{
    if (brokers_number (status, "peer.limit_ms"))
        snprintf (text, size, "%lld ms, then the peer is gone", brokers_number (status, "peer.limit_ms"));
}

static void s_bytes (double bytes, char *text, size_t size)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    size_t unit = 0;
    while (bytes >= 1024 && unit + 1 < sizeof units / sizeof *units) {
        bytes /= 1024;
        unit++;
    }
    snprintf (text, size, "%.*f %s", unit ? 1 : 0, bytes, units[unit]);
}

static void s_lag (json_t *status, char *text, size_t size)
{
    if (!brokers_is_active (status) || !brokers_true (status, "peer.heard") || s_is_shared (status))
        return;
    int used = snprintf (text, size, "%lld commits", brokers_number (status, "peer.lag"));
    long long pace = brokers_number (status, "peer.pace");
    char bytes[32];
    s_bytes ((double) pace, bytes, sizeof bytes);
    if (pace)
        snprintf (text + used, size - (size_t) used, "; clients are slowed down to %s/s of log for it", bytes);
}

//  A shared store: who has it open.
static void s_store (json_t *status, char *text, size_t size)
{
    if (!s_is_shared (status))
        return;
    time_t since = (time_t) brokers_number (status, "lock.since");
    char when[32], took[32] = "";
    struct tm parts;
    strftime (when, sizeof when, "%Y-%m-%d %H:%M:%S UTC", gmtime_r (&since, &parts));
    if (json_is_integer (brokers_member (status, "lock.takeover_ms")))
        snprintf (took, sizeof took, ", taken in %lld ms", brokers_number (status, "lock.takeover_ms"));
    if (brokers_true (status, "lock.open_here"))
        snprintf (text, size, "shared, open since %s%s", when, took);
    else if (brokers_true (status, "lock.held"))
        snprintf (text, size, "shared, not open; locked by process %lld on %s since %s", brokers_number (status, "lock.pid"),
                  brokers_text (status, "lock.host"), when);
    else
        snprintf (text, size, "shared, not open; nobody has the lock");
}

static void s_synced (json_t *status, char *text, size_t size)
{
    if (brokers_is_active (status))
        snprintf (text, size, "%lld of %lld", brokers_number (status, "synced_here"), brokers_number (status, "commit"));
}

static void s_queues (json_t *status, char *text, size_t size)
{
    if (brokers_is_active (status))
        snprintf (text, size, "%lld queues", brokers_number (status, "queues"));
}

static void s_sessions (json_t *status, char *text, size_t size)
{
    if (brokers_is_active (status))
        snprintf (text, size, "%lld", brokers_number (status, "sessions"));
}

static void s_messages (json_t *status, char *text, size_t size)
{
    if (brokers_is_active (status))
        snprintf (text, size, "%lld in, %lld out, %lld acked", brokers_number (status, "messages_in"),
                  brokers_number (status, "messages_out"), brokers_number (status, "acked"));
}

static void s_disk (json_t *status, char *text, size_t size)
{
    if (!brokers_member (status, "disk"))
        return;
    char free_bytes[32];
    s_bytes ((double) brokers_number (status, "disk.free"), free_bytes, sizeof free_bytes);
    snprintf (text, size, "%s free%s", free_bytes, brokers_true (status, "disk.full") ? ", FULL" : "");
}

static void s_resync (json_t *status, char *text, size_t size)
{
    if (!*brokers_text (status, "resync.text"))
        return;
    char done[32], total[32];
    s_bytes ((double) brokers_number (status, "resync.done"), done, sizeof done);
    s_bytes ((double) brokers_number (status, "resync.total"), total, sizeof total);
    long long left = brokers_number (status, "resync.left_ms");
    int used = snprintf (text, size, "%s, %s", brokers_text (status, "resync.text"), done);
    if (brokers_number (status, "resync.total"))
        used += snprintf (text + used, size - (size_t) used, " of %s", total);
    if (brokers_member (status, "resync.left_ms") && !json_is_null (brokers_member (status, "resync.left_ms")))
        snprintf (text + used, size - (size_t) used, ", %lld s left", (left + 999) / 1000);
}

static void s_process (json_t *status, char *text, size_t size)
{
    snprintf (text, size, "%lld, version %s", brokers_number (status, "pid"), brokers_text (status, "version"));
}

static void s_why (json_t *status, char *text, size_t size)
{
    snprintf (text, size, "%s", brokers_text (status, "why"));
}

static const struct {
    const char *name;
    row_fn *fn;
} s_rows[] = {{"node", s_node},       {"role", s_role},       {"why", s_why},           {"epoch", s_epoch},
              {"OK means", s_level},  {"in sync", s_in_step}, {"for", s_since},         {"peer", s_peer},
              {"silence", s_silence}, {"lag", s_lag},         {"synced", s_synced},     {"resync", s_resync},
              {"store", s_store},     {"in use", s_queues},   {"sessions", s_sessions}, {"messages", s_messages},
              {"disk", s_disk},       {"process", s_process}};
#define ROWS (sizeof s_rows / sizeof *s_rows)

//  ---------------------------------------------------------------------------
//  The whole

#define CLOSED_NEWS 3000 //  ms for which a way has to be closed to be worth a word

//  Whether a way between the brokers, or to the witness, is closed, and not just for a moment.
static bool s_is_closed (json_t *way)
{
    return json_is_object (way) && !brokers_true (way, "open") && brokers_number (way, "since_ms") >= CLOSED_NEWS;
}

//  What each broker says of its links that needs a look, a line each.
static void s_print_links (const brokers_t *self)
{
    for (size_t index = 0; index < self->size; index++) {
        json_t *links = brokers_member (self->status[index], "links");
        const char *name;
        json_t *way;
        json_object_foreach (links, name, way)
        {
            if (s_is_closed (way))
                printf ("%s: %s: closed for %lld s; %s\n", self->endpoint[index], brokers_text (way, "text"),
                        brokers_number (way, "since_ms") / 1000, brokers_text (way, "why"));
        }
        if (*brokers_text (links, "differs"))
            printf ("%s: the two brokers are set up differently: %s\n", self->endpoint[index],
                    brokers_text (links, "differs"));
    }
}

//  What waits for an operator, and the way out.
static void s_print_ways_out (const brokers_t *self)
{
    for (size_t index = 0; index < self->size; index++) {
        size_t which;
        json_t *one;
        json_array_foreach (json_object_get (self->status[index], "way_out"), which, one)
            printf ("%s: %s\n  way out (%s): %s\n", self->endpoint[index], brokers_text (one, "why"), brokers_text (one, "reason"),
                    brokers_text (one, "text"));
    }
}

//  What a pair that is in sync lacks all the same; NULL if nothing.
static const char *s_lacks (const brokers_t *self)
{
    for (size_t index = 0; index < self->size; index++) {
        json_t *links = brokers_member (self->status[index], "links");
        if (s_is_closed (brokers_member (links, "witness")))
            return "the pair is in sync, but the witness can't be reached: a broker whose peer dies now does not go on "
                   "alone; see below";
        if (*brokers_text (links, "differs"))
            return "the pair is in sync, but the two brokers are set up differently; see below";
    }
    return NULL;
}

//  Says in one line how the pair is.  Returns the exit code: 0 only if nothing needs a look.
static int s_verdict (const brokers_t *self, const char **verdict)
{
    size_t answers = brokers_answers (self), actives = 0;
    json_t *active = brokers_active (self);
    for (size_t index = 0; index < self->size; index++)
        actives += brokers_is_active (self->status[index]);
    const char *level = brokers_text (active, "level");
    if (answers == 0) {
        *verdict = "no broker answers";
        return TOOL_NO_ANSWER;
    }
    if (actives > 1)
        *verdict = "two brokers are active: the network between them is cut, or they are two pairs";
    else if (!active)
        *verdict = "no broker is active; one takes over when a client asks for it and it may, see 'why'";
    else if (strcmp (level, "single") == 0) {
        *verdict = "a broker without a pair is active";
        return TOOL_OK;
    }
    else if (strcmp (level, "both") == 0 && brokers_true (active, "in_step")) {
        const char *lacks = s_lacks (self);
        *verdict = lacks ? lacks : "the pair is in sync";
        return lacks ? TOOL_FAILED : TOOL_OK;
    }
    else if (strcmp (level, "shared") == 0 && brokers_true (active, "in_step") && answers == self->size) {
        *verdict = "the pair is in sync, on one shared store";
        return TOOL_OK;
    }
    else if (strcmp (level, "shared") == 0)
        *verdict = "one broker serves from the shared store: the other one is down, or does not see the same store";
    else if (strcmp (level, "solo") == 0)
        *verdict = "one broker serves alone: the other one is down or catches up";
    else
        *verdict = "the active broker is not in sync with the other one yet";
    return TOOL_FAILED;
}

static void s_print_json (const brokers_t *self)
{
    const char *verdict;
    s_verdict (self, &verdict);
    json_t *list = json_array ();
    for (size_t index = 0; index < self->size; index++) {
        json_t *broker = json_object ();
        json_object_set_new (broker, "endpoint", json_string (self->endpoint[index]));
        json_object_set_new (broker, "answers", json_boolean (self->status[index] != NULL));
        if (self->status[index])
            json_object_update (broker, self->status[index]);
        json_array_append_new (list, broker);
    }
    json_t *whole = json_pack ("{s:s, s:o}", "verdict", verdict, "brokers", list);
    json_dumpf (whole, stdout, JSON_INDENT (2));
    putchar ('\n');
    json_decref (whole);
}

static void s_print_row (const char *name, const char *const *texts, const size_t *width, size_t size)
{
    printf ("%-10s", name);
    for (size_t index = 0; index + 1 < size; index++)
        printf ("%-*s  ", (int) width[index], texts[index]);
    puts (texts[size - 1]);
}

static void s_print_table (const brokers_t *self)
{
    static char cell[ROWS][BROKERS_MAX][COLUMN_MAX];
    size_t width[BROKERS_MAX];
    for (size_t index = 0; index < self->size; index++) {
        width[index] = strlen (self->endpoint[index]);
        for (size_t row = 0; row < ROWS; row++) {
            char *text = cell[row][index];
            if (self->status[index])
                s_rows[row].fn (self->status[index], text, COLUMN_MAX);
            else if (s_rows[row].fn == s_role)
                snprintf (text, COLUMN_MAX, "no answer");
            if (width[index] < strlen (text))
                width[index] = strlen (text);
        }
    }
    const char *texts[BROKERS_MAX];
    s_print_row ("", self->endpoint, width, self->size);
    for (size_t row = 0; row < ROWS; row++) {
        bool empty = true;
        for (size_t index = 0; index < self->size; index++)
            empty = empty && !*cell[row][index];
        if (empty)
            continue;
        for (size_t index = 0; index < self->size; index++)
            texts[index] = *cell[row][index] ? cell[row][index] : "-";
        s_print_row (s_rows[row].name, texts, width, self->size);
    }
    const char *verdict;
    s_verdict (self, &verdict);
    printf ("\n%s\n", verdict);
    for (size_t index = 0; index < self->size; index++) {
        size_t which;
        json_t *caution;
        json_array_foreach (json_object_get (self->status[index], "cautions"), which, caution)
            printf ("warning, %s: %s\n", self->endpoint[index], json_string_value (caution));
    }
    s_print_links (self);
    s_print_ways_out (self);
}

static int s_show (const tool_t *tool, const brokers_t *brokers)
{
    const char *verdict;
    int code = s_verdict (brokers, &verdict);
    if (tool_option (tool, "json"))
        s_print_json (brokers);
    else
        s_print_table (brokers);
    return code;
}

static int s_run (tool_t *tool)
{
    if (tool->size)
        return tool_misused (tool, "'%s': status takes no arguments", tool->arguments[0]);
    bool watch = tool_option (tool, "watch") != NULL;
    bool redraws = watch && isatty (STDOUT_FILENO);
    brokers_t brokers;
    int code = brokers_open (&brokers, tool);
    int asked = code;
    while (asked == TOOL_OK && (asked = code = brokers_ask (&brokers, tool)) == TOOL_OK) {
        if (redraws)
            fputs (CLEAR, stdout);
        code = s_show (tool, &brokers);
        if (!watch || fflush (stdout) || ferror (stdout))
            break;
        nanosleep (&(struct timespec){.tv_sec = WATCH_EACH}, NULL);
    }
    brokers_close (&brokers);
    return code;
}

const tool_command_t tool_status = {
    .name = "status",
    .arguments = "",
    .summary = "Show both brokers: role, epoch, in sync or alone, lag, queues, disk",
    .text = "\n"
            "Asks each broker by itself; it votes for nothing and changes nothing.  Ends with 0 if the pair\n"
            "is in sync (or a broker without a pair is active), with 1 if something needs a look, with 6 if\n"
            "no broker answers.\n",
    .options = s_options,
    .run = s_run,
};
