/*  =========================================================================
    exposition - the figures of STATUS as Prometheus and OpenMetrics read them

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "io/broker/metrics.h"
#include "io/http/exposition.h"

#define FAILURES "auth_failures_total"

//  A metric's name without its label: so many of its letters.
static size_t s_name (const char *metric)
{
    return strcspn (metric, "{");
}

//  The lines before the first sample.  OpenMetrics names a counter without its _total there.
static void s_head (FILE *out, const char *metric, size_t size, const char *type, const char *help, bool open)
{
    static const char total[] = "_total";
    size_t ending = sizeof total - 1;
    if (open && strcmp (type, "counter") == 0) {
        assert (size > ending && memcmp (metric + size - ending, total, ending) == 0);
        size -= ending;
    }
    fprintf (out, "# HELP %.*s %s\n# TYPE %.*s %s\n", (int) size, metric, help, (int) size, metric, type);
}

//  A number of STATUS: an integer, or whether something is so.  Returns false if it is neither.
static bool s_number (const json_t *value, unsigned per, double *number)
{
    if (json_is_integer (value))
        *number = (double) json_integer_value (value) / per;
    else if (json_is_boolean (value))
        *number = json_is_true (value);
    else
        return false;
    return true;
}

//  One row for each word.
static void s_states (FILE *out, const zb_metric_t *metric, const char *is)
{
    size_t name = s_name (metric->metric);
    const char *label = metric->metric + name + 1;
    for (const char *word = metric->states; *word; word += strspn (word, " ")) {
        size_t size = strcspn (word, " ");
        bool now = strlen (is) == size && memcmp (is, word, size) == 0;
        fprintf (out, "zbroker_%.*s{%.*s=\"%.*s\"} %d\n", (int) name, metric->metric, (int) strcspn (label, "}"), label,
                 (int) size, word, now);
        word += size;
    }
}

static void s_delays (FILE *out, const zb_metric_t *metric, const json_t *value)
{
    const json_t *bounds = json_object_get (value, "bounds"), *counts = json_object_get (value, "counts");
    json_int_t sum = 0;
    for (size_t index = 0; index < json_array_size (counts); index++) {
        sum += json_integer_value (json_array_get (counts, index));
        char bound[32] = "+Inf";
        if (index < json_array_size (bounds))
            snprintf (bound, sizeof bound, "%.15g",
                      (double) json_integer_value (json_array_get (bounds, index)) / metric->per);
        fprintf (out, "zbroker_%s_bucket{le=\"%s\"} %lld\n", metric->metric, bound, (long long) sum);
    }
    fprintf (out, "zbroker_%s_sum %.15g\nzbroker_%s_count %lld\n", metric->metric,
             (double) json_integer_value (json_object_get (value, "sum")) / metric->per, metric->metric,
             (long long) sum);
}

//  The row's samples, behind their head unless the row before had the same one.
static void s_row (FILE *out, const zb_metric_t *metric, const json_t *value, size_t before_size, const char *before,
                   bool open)
{
    static const char *const types[] = {"gauge", "counter", "gauge", "histogram"};
    double number = 0;
    bool plain = metric->type == ZB_GAUGE || metric->type == ZB_COUNTER;
    if (plain && !s_number (value, metric->per, &number))
        return;
    size_t size = s_name (metric->metric);
    if (size != before_size || memcmp (before, metric->metric, size) != 0) {
        char name[128];
        const char *family = zb_metric_family (metric->metric, size);
        snprintf (name, sizeof name, "zbroker_%.*s", (int) size, metric->metric);
        s_head (out, name, strlen (name), types[metric->type], family ? family : metric->help, open);
    }
    if (plain)
        fprintf (out, "zbroker_%s %.15g\n", metric->metric, number);
    else if (metric->type == ZB_STATES)
        s_states (out, metric, json_string_value (value) ? json_string_value (value) : "");
    else
        s_delays (out, metric, value);
}

static void s_sample (FILE *out, const char *name, const char *type, const char *help, double value, bool open)
{
    s_head (out, name, strlen (name), type, help, open);
    fprintf (out, "%s %.15g\n", name, value);
}

static double s_open_files (void)
{
    double count = 0;
    DIR *folder = opendir ("/proc/self/fd");
    while (folder && readdir (folder))
        count++;
    if (folder)
        closedir (folder);
    //  Less ".", ".." and the folder itself.
    return count > 3 ? count - 3 : 0;
}

static double s_resident (void)
{
    unsigned long pages = 0, resident = 0;
    FILE *file = fopen ("/proc/self/statm", "re");
    if (!file)
        return 0;
    if (fscanf (file, "%lu %lu", &pages, &resident) != 2)
        resident = 0;
    fclose (file);
    return (double) resident * (double) sysconf (_SC_PAGESIZE);
}

//  By the names that all programs use.
static void s_process (FILE *out, double started, bool open)
{
    struct rusage usage;
    struct rlimit files;
    getrusage (RUSAGE_SELF, &usage);
    getrlimit (RLIMIT_NOFILE, &files);
    double cpu = (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    s_sample (out, "process_cpu_seconds_total", "counter", "time of processors that this process has used", cpu, open);
    s_sample (out, "process_resident_memory_bytes", "gauge", "memory of this process", s_resident (), open);
    s_sample (out, "process_open_fds", "gauge", "descriptors that are open", s_open_files (), open);
    s_sample (out, "process_max_fds", "gauge", "descriptors that may be", (double) files.rlim_cur, open);
    s_sample (out, "process_start_time_seconds", "gauge", "when this process began, since 1970", started, open);
}

//  What LIST says of a queue and of a subscription, less what is not in its own line.
static const struct {
    const char *name, *help, *line, *less[3];
} s_queue[] = {
    {"messages", "messages of the queue or subscription that are not acknowledged", "messages", {NULL}},
    {"ready", "of them those that a GET would get", "messages", {"leased", "delayed", "blocked"}},
    {"leased", "of them those that were delivered or wait after a NACK", "leased", {NULL}},
    {"delayed", "of them those that are not due, or not asked for since", "delayed", {NULL}},
    {"blocked", "of them those that wait for another one of their key, as far as they were looked at", "blocked", {NULL}},
    {"gets_waiting", "GETs that wait for a message of it", "waiting", {NULL}},
    {"bytes", "bytes that count in its max-bytes, where that was named", "bytes", {NULL}},
};

//  A label's value: a name may have what would end it.
static void s_label (FILE *out, const char *value)
{
    for (; *value; value++)
        if (*value == '"' || *value == '\\')
            fprintf (out, "\\%c", *value);
        else
            fputc (*value, out);
}

static void s_queues (FILE *out, const json_t *queues, bool open)
{
    for (size_t row = 0; row < sizeof s_queue / sizeof *s_queue; row++) {
        char name[64];
        snprintf (name, sizeof name, "zbroker_queue_%s", s_queue[row].name);
        s_head (out, name, strlen (name), "gauge", s_queue[row].help, open);
        size_t index;
        const json_t *queue;
        json_array_foreach (queues, index, queue)
        {
            //  A topic has no messages of its own.
            const char *kind = json_string_value (json_object_get (queue, "kind"));
            json_int_t value = json_integer_value (json_object_get (queue, s_queue[row].line)), less = 0;
            for (size_t each = 0; each < 3 && s_queue[row].less[each]; each++)
                less += json_integer_value (json_object_get (queue, s_queue[row].less[each]));
            if ((kind && strcmp (kind, "topic") == 0) || !json_object_get (queue, s_queue[row].line))
                continue;
            fprintf (out, "%s{queue=\"", name);
            s_label (out, json_string_value (json_object_get (queue, "name")));
            fprintf (out, "\"} %lld\n", (long long) (value > less ? value - less : 0));
        }
    }
}

char *zb_exposition (const json_t *status, const json_t *queues, bool open, zb_exposed_t more, size_t *size)
{
    char *text = NULL;
    FILE *out = open_memstream (&text, size);
    assert (out);
    const char *version = json_string_value (json_object_get (status, "version"));
    const char *node = json_string_value (json_object_get (status, "node"));
    fprintf (out,
             "# HELP zbroker_build_info which program this is\n# TYPE zbroker_build_info gauge\n"
             "zbroker_build_info{version=\"%s\",node=\"%s\"} 1\n",
             version ? version : "", node ? node : "");
    const zb_metric_t *metric;
    const char *before = "";
    for (size_t index = 0; (metric = zb_metric (index)); index++) {
        if (!metric->metric)
            continue;
        const json_t *group = metric->group ? json_object_get (status, metric->group) : status;
        const json_t *value = json_object_get (group, metric->name);
        s_row (out, metric, value, s_name (before), before, open);
        before = metric->metric;
        //  One more of the same name.
        if (value && strncmp (before, FAILURES, strlen (FAILURES)) == 0)
            fprintf (out, "zbroker_" FAILURES "{reason=\"password\"} %" PRIu64 "\n", more.wrong_passwords);
    }
    if (queues)
        s_queues (out, queues, open);
    s_process (out, more.started, open);
    if (open)
        fputs ("# EOF\n", out);
    fclose (out);
    return text;
}
