/*  =========================================================================
    bench_report - the figures of a run, for people and for programs

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <jansson.h>

#include "tools/bench/report.h"

#define SECOND 1e9
#define MS 1e6
#define MIB 1048576.0

static const struct {
    const char *name;
    double percent;
} s_points[] = {{"p50", 50}, {"p90", 90}, {"p99", 99}, {"p99.9", 99.9}, {"max", 100}};

#define POINTS (sizeof s_points / sizeof *s_points)

//  ---------------------------------------------------------------------------
//  Figures

//  The messages whose way is at its end.
static uint64_t s_messages (const bench_report_t *self)
{
    return self->load.consumers ? self->result.acked : self->result.stored;
}

static double s_rate (uint64_t messages, int64_t elapsed)
{
    return elapsed > 0 ? (double) messages * SECOND / (double) elapsed : 0;
}

static double s_rate_of (const bench_report_t *self, const bench_result_t *result)
{
    return self->load.consumers ? s_rate (result->acked, result->elapsed)
                                : s_rate (result->stored, result->put_elapsed);
}

static double s_whole_rate (const bench_report_t *self)
{
    return s_rate_of (self, &self->result);
}

static double s_beside_rate (const bench_report_t *self)
{
    return s_rate_of (self, &self->beside);
}

//  The messages that the brokers had to do with: put, or taken only.
static double s_per_message (const bench_report_t *self, double cost)
{
    uint64_t messages = s_messages (self);
    return messages ? cost / (double) messages : 0;
}

static double s_cpu (const bench_report_t *self)
{
    double cpu = 0;
    for (size_t index = 0; index < PAIR_SIZE; index++)
        cpu += self->after[index].cpu - self->before[index].cpu;
    return s_per_message (self, cpu * 1e6);
}

//  Of the primary; the backup's has the same records, but may have begun anew meanwhile.
static double s_log (const bench_report_t *self)
{
    return s_per_message (self, self->after[0].log - self->before[0].log);
}

static double s_written (const bench_report_t *self, size_t index)
{
    return s_per_message (self, self->after[index].written - self->before[index].written);
}

static double s_lower (const bench_report_t *self)
{
    return self->limit.relay < self->limit.commits ? self->limit.relay : self->limit.commits;
}

//  Whether the load tells of one PUT at a time, so that its time may be set beside that of one commit.
static bool s_alone (const bench_report_t *self)
{
    return self->load.rate == 0 && self->load.producers == 1 && self->load.window == 1;
}

static double s_alone_ratio (const bench_report_t *self)
{
    return (double) histogram_percentile (&self->result.confirm, 50) /
           (double) histogram_percentile (&self->limit.commit, 50);
}

//  ---------------------------------------------------------------------------
//  Text

//  A whole number with commas; the text is good for a few calls more.
static const char *s_number (double number)
{
    static char texts[8][32];
    static unsigned next;
    char digits[32], *text = texts[next++ % 8];
    size_t size = (size_t) snprintf (digits, sizeof digits, "%.0f", number), out = 0;
    for (size_t index = 0; index < size && out + 2 < sizeof texts[0]; index++) {
        if (index && (size - index) % 3 == 0)
            text[out++] = ',';
        text[out++] = digits[index];
    }
    text[out] = 0;
    return text;
}

static void s_print_times (const char *what, const histogram_t *times)
{
    printf ("  %-12s", what);
    for (size_t index = 0; index < POINTS; index++)
        printf ("%s %.2f  ", s_points[index].name, (double) histogram_percentile (times, s_points[index].percent) / MS);
    printf ("ms\n");
}

static void s_print_load (const bench_report_t *self)
{
    const bench_load_t *load = &self->load;
    printf ("%s: bodies of %zu bytes", self->mode, load->body);
    if (load->producers)
        printf (", %zu a PUT, %zu PUTs in flight, %zu producer%s", load->batch, load->window, load->producers,
                load->producers > 1 ? "s" : "");
    if (load->consumers)
        printf (", %zu consumer%s", load->consumers, load->consumers > 1 ? "s" : "");
    printf (", %zu %s%s%s", load->queues, load->topic ? "subscription" : "queue", load->queues > 1 ? "s" : "",
            load->named ? ", named" : "");
    if (load->keys)
        printf (", with CURVE");
    if (load->idle)
        printf (", %zu idle client%s", load->idle, load->idle > 1 ? "s" : "");
    if (self->backlog)
        printf (", behind %s stored", s_number ((double) self->backlog));
    if (load->rate > 0)
        printf (", at %s messages/s", s_number (load->rate));
    printf ("\n");
}

static void s_print_cost (const bench_report_t *self)
{
    printf ("  %-12s%.1f s of CPU per million messages\n", "brokers", s_cpu (self));
    for (size_t index = 0; index < PAIR_SIZE; index++)
        printf ("  %-12s%.0f MiB of memory, %.0f at most; %.0f bytes written to disk per message\n",
                index ? "backup" : "primary", self->after[index].rss / MIB, self->after[index].hwm / MIB,
                s_written (self, index));
    printf ("  %-12s%.0f bytes per message\n", "log", s_log (self));
}

static void s_print_result (const bench_report_t *self)
{
    const bench_result_t *result = &self->result;
    printf ("  %-12s%s messages/s: %s in %.2f s\n", self->mode, s_number (s_whole_rate (self)),
            s_number ((double) s_messages (self)),
            (double) (self->load.consumers ? result->elapsed : result->put_elapsed) / SECOND);
    if (result->stored)
        printf ("  %-12s%s messages/s, %s synced on both brokers\n", "stored",
                s_number (s_rate (result->stored, result->put_elapsed)),
                result->both == result->stored ? "all" : s_number ((double) result->both));
    if (self->load.topic)
        printf ("  %-12s%s messages/s with %s; the topic's are %.2f of that\n", "beside",
                s_number (s_beside_rate (self)), self->load.consumers ? "as many queues" : "a queue",
                s_whole_rate (self) / s_beside_rate (self));
    if (result->again)
        printf ("  %-12s%s messages came again\n", "again", s_number ((double) result->again));
    if (result->confirm.count)
        s_print_times ("until OK", &result->confirm);
    if (result->delivery.count)
        s_print_times ("end to end", &result->delivery);
    if (self->own)
        s_print_cost (self);
}

static void s_print_limits (const bench_report_t *self)
{
    const bench_limit_t *limit = &self->limit;
    double lower = s_lower (self);
    printf ("what this machine did without a broker, right after:\n");
    printf ("  %-12s%s messages/s, one PUT at a time in %.2f ms: its frames from client to client\n", "relay",
            s_number (limit->relay), (double) histogram_percentile (&limit->trip, 50) / MS);
    printf ("  %-12s%s messages/s, one at a time in %.2f ms: a commit for each PUT, synced by two stores\n", "commits",
            s_number (limit->commits), (double) histogram_percentile (&limit->commit, 50) / MS);
    printf ("  %-12s%s messages/s: %s messages in a commit\n", "grouped", s_number (limit->grouped),
            s_number ((double) limit->group));
    printf ("  %-12s%s/s\n", "fdatasync", s_number (limit->syncs));
    if (s_alone (self))
        printf ("ratio: the median time until OK is %.2f times that of one commit\n", s_alone_ratio (self));
    else if (self->load.rate == 0)
        printf ("ratio: %s is %.2f of the lower one, %s\n", self->mode, s_whole_rate (self) / lower,
                lower == limit->relay ? "relay" : "commits");
}

//  ---------------------------------------------------------------------------
//  JSON

static json_t *s_times (const histogram_t *times)
{
    json_t *object = json_pack ("{sI}", "count", (json_int_t) times->count);
    for (size_t index = 0; index < POINTS; index++)
        json_object_set_new (object, s_points[index].name,
                             json_real ((double) histogram_percentile (times, s_points[index].percent) / MS));
    return object;
}

static json_t *s_options (const bench_load_t *load)
{
    return json_pack ("{sI sI sI sI sI sI sI sI sI sf sb sb}", "body", (json_int_t) load->body, "batch",
                      (json_int_t) load->batch, "window", (json_int_t) load->window, "producers",
                      (json_int_t) load->producers, "consumers", (json_int_t) load->consumers, "queues",
                      (json_int_t) load->queues, "gets", (json_int_t) load->gets, "take", (json_int_t) load->take,
                      "idle", (json_int_t) load->idle, "rate", load->rate, "named", (int) load->named,
                      "keys", load->keys != NULL);
}

static json_t *s_limits (const bench_report_t *self)
{
    const bench_limit_t *limit = &self->limit;
    return json_pack ("{sf sf sf sI sf so so}", "relay", limit->relay, "commits", limit->commits, "grouped",
                      limit->grouped, "group", (json_int_t) limit->group, "fdatasync", limit->syncs, "relay_ms",
                      s_times (&limit->trip), "commit_ms", s_times (&limit->commit));
}

static json_t *s_cost (const bench_report_t *self, size_t index)
{
    return json_pack ("{sI sI sf}", "rss", (json_int_t) self->after[index].rss, "hwm",
                      (json_int_t) self->after[index].hwm, "written_per_message", s_written (self, index));
}

static void s_print_json (const bench_report_t *self)
{
    const bench_result_t *result = &self->result;
    json_t *whole =
        json_pack ("{ss so sI sI sI sI sI sI sf sf sf}", "mode", self->mode, "options", s_options (&self->load), "sent",
                   (json_int_t) result->sent, "stored", (json_int_t) result->stored, "both", (json_int_t) result->both,
                   "taken", (json_int_t) result->taken, "again", (json_int_t) result->again, "acked",
                   (json_int_t) result->acked, "seconds", (double) result->elapsed / SECOND, "rate",
                   s_whole_rate (self), "stored_rate", s_rate (result->stored, result->put_elapsed));
    if (result->confirm.count)
        json_object_set_new (whole, "confirm_ms", s_times (&result->confirm));
    if (result->delivery.count)
        json_object_set_new (whole, "delivery_ms", s_times (&result->delivery));
    if (self->load.topic) {
        json_object_set_new (whole, "subs", json_integer ((json_int_t) self->load.queues));
        json_object_set_new (whole, "beside_rate", json_real (s_beside_rate (self)));
        json_object_set_new (whole, "beside_ratio", json_real (s_whole_rate (self) / s_beside_rate (self)));
    }
    json_object_set_new (whole, "backlog", json_integer ((json_int_t) self->backlog));
    if (self->own) {
        json_object_set_new (whole, "cpu_per_million", json_real (s_cpu (self)));
        json_object_set_new (whole, "log_per_message", json_real (s_log (self)));
        json_object_set_new (whole, "primary", s_cost (self, 0));
        json_object_set_new (whole, "backup", s_cost (self, 1));
    }
    if (self->limited) {
        json_object_set_new (whole, "limits", s_limits (self));
        if (s_alone (self))
            json_object_set_new (whole, "alone_ratio", json_real (s_alone_ratio (self)));
        else if (self->load.rate == 0)
            json_object_set_new (whole, "ratio", json_real (s_whole_rate (self) / s_lower (self)));
    }
    json_dumpf (whole, stdout, JSON_INDENT (2) | JSON_REAL_PRECISION (6));
    printf ("\n");
    json_decref (whole);
}

//  ---------------------------------------------------------------------------

void bench_report_print (const bench_report_t *self, bool json)
{
    if (json) {
        s_print_json (self);
        return;
    }
    s_print_load (self);
    s_print_result (self);
    if (self->limited)
        s_print_limits (self);
}

static const char *s_phase = "";
static bool s_shown;

void bench_report_phase (const char *text)
{
    s_phase = text ? text : "";
    if (!isatty (STDERR_FILENO))
        return;
    fprintf (stderr, "\r%s%s\033[K", s_phase, text ? " ..." : "");
    fflush (stderr);
}

void bench_report_progress (const bench_result_t *result)
{
    //  The rate of the last second, so that a stall is seen when it happens.
    static uint64_t before;
    static int64_t since;
    if (!result) {
        if (s_shown)
            fprintf (stderr, "\r\033[K");
        s_shown = false;
        before = 0;
        since = 0;
        return;
    }
    uint64_t done = result->acked ? result->acked : result->stored;
    double rate = done > before ? s_rate (done - before, result->elapsed - since) : 0;
    fprintf (stderr, "\r%s%s%5.1f s  stored %s  acknowledged %s  %s messages/s \033[K", s_phase, *s_phase ? " " : "",
             (double) result->elapsed / SECOND, s_number ((double) result->stored), s_number ((double) result->acked),
             s_number (rate));
    s_shown = true;
    if (result->elapsed - since > (int64_t) SECOND) {
        before = done;
        since = result->elapsed;
    }
}
