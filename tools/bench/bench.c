/*  =========================================================================
    bench - zbroker bench: how fast is a pair, beside what the machine could do

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    This file: the modes and their options, from the pair's start to its figures.
    The clients are bench_load, the machine's limits bench_limits, and what is
    printed bench_report.
*/

#include <czmq.h>

#include "core/base/limits.h"
#include "tools/bench/cost.h"
#include "tools/bench/failover.h"
#include "tools/bench/limits.h"
#include "tools/bench/load.h"
#include "tools/bench/report.h"
#include "tools/commands.h"
#include "tools/pair.h"

#define IN_FLIGHT ((size_t) 1 << 30) //  bytes that the PUTs in flight may take here
#define FRAME 64                     //  bytes that a body in flight takes here beside its own, which PUTs share
#define WINDOW 100                   //  PUTs in flight, of each of up to as many producers; more share
#define FILL_BATCH 1000              //  bodies of a PUT that only fills a queue
#define FILL_BYTES (256 << 10)       //  and their bytes, about

static const tool_option_t s_options[] = {
    {"body", "BYTES", "size of a body (default: 100)"},
    {"batch", "BODIES", "bodies of a PUT (default: 100; latency: 1)"},
    {"window", "PUTS", "PUTs in flight, of each producer (default: 100; less with more than 100 producers)"},
    {"producers", "N", "how many clients put (default: 1)"},
    {"consumers", "N", "how many clients get (default: 1)"},
    {"queues", "N", "how many queues (default: 1)"},
    {"subs", "N", "put into a topic, and get from so many subscriptions; beside it, with as many queues"},
    {"gets", "N", "GETs in flight, of each consumer and queue (default: 4)"},
    {"idle", "N", "how many more clients are connected and silent (default: 0)"},
    {"take", "BODIES", "bodies that a GET asks for (default: 1000)"},
    {"messages", "N", "put so many messages (get: default 200000) ..."},
    {"seconds", "S", "... or put for so long (default: 5)"},
    {"backlog", "N", "put, through, failover: store so many messages first; they stay stored (default: 0)"},
    {"rate", "MSG/S", "put at this rate (default: as fast as possible; latency: 1000)"},
    {"named", NULL, "producers give a name: the broker looks for duplicates"},
    {"keys", NULL, "with CURVE on all ports of the pair of its own, and at the relay"},
    {"brokers", "EP[,EP]", "load these brokers (default: a pair of its own, started here)"},
    {"key", "FILE", "with --brokers: whom they take the clients for (default: $ZBROKER_KEY)"},
    {"no-limits", NULL, "do not measure what the machine can do without a broker"},
    BENCH_FAILOVER_OPTIONS,
    {"json", NULL, "print an object for programs"},
    {NULL, NULL, NULL}};

typedef struct {
    const tool_t *tool;
    bench_report_t report;
    bool own;
    pair_t *pair;
    zb_keys_t keys; //  the clients'
    zb_client_t *client;
    bench_limits_t *limiter;
    char queue[64];
} bench_t;

//  ---------------------------------------------------------------------------
//  Options

static int s_count (const tool_t *tool, const char *name, int64_t least, int64_t most, size_t *count)
{
    int64_t number = (int64_t) *count;
    int rc = tool_number (tool, name, least, most, &number);
    *count = (size_t) number;
    return rc;
}

//  Sets what depends on the mode.  Returns 0, or -1 if there is no such mode.
static int s_mode (bench_load_t *load, const char *mode)
{
    load->producers = load->consumers = 1;
    load->batch = 100;
    if (strcmp (mode, "put") == 0)
        load->consumers = 0;
    else if (strcmp (mode, "get") == 0) {
        load->producers = 0;
        load->messages = 200000;
    }
    else if (strcmp (mode, "latency") == 0) {
        load->batch = 1;
        load->rate = 1000;
    }
    else if (strcmp (mode, "through") != 0)
        return -1;
    return 0;
}

static int s_read_counts (const tool_t *tool, bench_load_t *load)
{
    const zb_limits_t most = ZB_LIMITS_DEFAULT;
    load->body = 100;
    load->queues = 1;
    load->gets = 4;
    load->take = most.bodies;
    if (load->producers && s_count (tool, "producers", 1, 20000, &load->producers))
        return TOOL_USAGE;
    load->window = load->producers <= WINDOW ? WINDOW : WINDOW * WINDOW / load->producers + 1;
    if (s_count (tool, "gets", 1, ZB_WINDOW, &load->gets) ||
        s_count (tool, "subs", 1, (int64_t) most.subscriptions, &load->queues))
        return TOOL_USAGE;
    if (load->topic && load->consumers)
        load->consumers = (load->queues - 1) / (ZB_WINDOW / load->gets) + 1;
    return s_count (tool, "body", 0, (int64_t) most.body, &load->body) ||
           s_count (tool, "batch", 1, (int64_t) most.bodies, &load->batch) ||
           s_count (tool, "window", 1, load->named ? ZB_WINDOW : 100000, &load->window) ||
           (load->consumers && s_count (tool, "consumers", 1, 20000, &load->consumers)) ||
           s_count (tool, "idle", 0, 20000, &load->idle) ||
           s_count (tool, "queues", 1, (int64_t) most.queues, &load->queues) ||
           s_count (tool, "take", 1, (int64_t) most.bodies, &load->take);
}

static int s_read_options (bench_t *self, const char *mode)
{
    const tool_t *tool = self->tool;
    bench_load_t *load = &self->report.load;
    int64_t messages = (int64_t) load->messages, seconds = 5, rate = (int64_t) load->rate;
    load->named = tool_option (tool, "named") != NULL;
    load->topic = tool_option (tool, "subs") != NULL;
    if (load->topic && (tool_option (tool, "queues") || tool_option (tool, "backlog") || strcmp (mode, "latency") == 0))
        return tool_misused (tool, "--subs goes without --queues, --backlog and latency");
    if (s_count (tool, "backlog", 0, INT32_MAX, &self->report.backlog) || s_read_counts (tool, load) ||
        tool_number (tool, "messages", 1, INT64_MAX, &messages) ||
        tool_number (tool, "seconds", 1, 1000000, &seconds) || tool_number (tool, "rate", 1, 100000000, &rate))
        return TOOL_USAGE;
    load->messages = (uint64_t) messages;
    load->duration = seconds * 1000000000;
    load->rate = (double) rate;
    if (tool_option (tool, "seconds") && (tool_option (tool, "messages") || !load->producers))
        return tool_misused (tool, load->producers ? "--messages or --seconds, not both" : "get takes --messages");
    if (tool_option (tool, "rate") && !load->producers)
        return tool_misused (tool, "get takes no --rate");
    load->steady = self->report.backlog > 0;
    if (self->report.backlog && (!load->producers || strcmp (mode, "latency") == 0))
        return tool_misused (tool, "--backlog is for put and through");
    if (strcmp (mode, "latency") == 0 && load->body < BENCH_STAMP)
        return tool_misused (tool, "latency needs a --body of at least %d bytes", BENCH_STAMP);
    //  Each GET in flight counts, and a session may have so many.
    if (load->consumers && ((load->queues - 1) / load->consumers + 1) * load->gets > ZB_WINDOW)
        return tool_misused (tool, "more than %d GETs for each consumer: more --consumers, or fewer --queues or --gets",
                             ZB_WINDOW);
    if (load->body * load->batch + 65536 > ((zb_limits_t) ZB_LIMITS_DEFAULT).request)
        return tool_misused (tool, "a PUT of %zu bodies of %zu bytes is too large", load->batch, load->body);
    if ((load->body + load->batch * FRAME) * load->window * load->producers > IN_FLIGHT)
        return tool_misused (tool, "too much in flight: a smaller --window or --body, or fewer --producers");
    return TOOL_OK;
}

//  ---------------------------------------------------------------------------
//  The run

//  Takes the key of the clients, if there is one.
static int s_take_key (bench_t *self)
{
    const char *key = self->own ? pair_key (self->pair) : tool_option (self->tool, "key");
    if (!key && !self->own)
        key = getenv ("ZBROKER_KEY");
    char *error = NULL;
    if (!key || !*key)
        return TOOL_OK;
    if (zb_client_set_key (self->client, key))
        return tool_client_fail (self->tool, self->client, "key");
    if (zb_keys_read (&self->keys.own, key, &error)) {
        int code = tool_fail (self->tool, TOOL_FAILED, "%s", error);
        free (error);
        return code;
    }
    self->report.load.keys = &self->keys;
    return TOOL_OK;
}

//  Makes the topic, and its subscriptions.
static int s_make_topic (bench_t *self)
{
    //  It is to hold what a whole run puts.
    if (zb_client_topic (self->client, self->queue, "max-bytes=1099511627776"))
        return tool_client_fail (self->tool, self->client, self->queue);
    for (size_t index = 0; index < self->report.load.queues && !pair_interrupted (); index++) {
        char name[128];
        snprintf (name, sizeof name, "%s/%zu", self->queue, index);
        if (zb_client_subscribe (self->client, name, "lease=600000"))
            return tool_client_fail (self->tool, self->client, name);
    }
    return TOOL_OK;
}

//  Finds the active broker, and makes the queues; with a topic also that.
static int s_prepare (bench_t *self)
{
    bench_load_t *load = &self->report.load;
    int code = TOOL_OK;
    if (self->own)
        code = tool_option (self->tool, "keys") ? pair_start_keyed (self->pair, "") : pair_start (self->pair);
    if (code != TOOL_OK)
        return code;
    self->client = zb_client_new (self->own ? pair_brokers (self->pair) : tool_option (self->tool, "brokers"));
    if (!self->client)
        return tool_misused (self->tool, "the brokers are not of the form tcp://HOST:PORT[,tcp://HOST:PORT]");
    code = s_take_key (self);
    if (code != TOOL_OK)
        return code;
    snprintf (self->queue, sizeof self->queue, "bench-%d", (int) getpid ());
    load->queue = self->queue;
    code = load->topic ? s_make_topic (self) : TOOL_OK;
    if (code != TOOL_OK)
        return code;
    for (size_t index = 0; index < load->queues && !pair_interrupted (); index++) {
        char name[128];
        snprintf (name, sizeof name, "%s-%zu", self->queue, index);
        //  Nothing is to come twice because this machine was slow.
        if (zb_client_create_queue (self->client, name, "lease=600000"))
            return tool_client_fail (self->tool, self->client, name);
    }
    load->endpoint = zb_client_endpoint (self->client);
    if (load->keys && !zb_keyfile_broker (&load->keys->own, load->endpoint))
        return tool_fail (self->tool, TOOL_FAILED, "the file with the key does not name %s", load->endpoint);
    return self->own ? pair_await_in_step (self->pair, self->client) : TOOL_OK;
}

static void s_clean_up (bench_t *self)
{
    if (!self->own && self->report.load.topic)
        zb_client_delete_queue (self->client, self->queue);
    for (size_t index = 0; !self->own && index < self->report.load.queues; index++) {
        char name[128];
        snprintf (name, sizeof name, "%s-%zu", self->queue, index);
        if (zb_client_delete_queue (self->client, name))
            break;
    }
    zb_client_destroy (&self->client);
    for (size_t index = 0; self->own && index < PAIR_SIZE; index++)
        pair_kill (self->pair, index);
}

//  What our brokers have cost until now.
static void s_cost (const bench_t *self, bench_cost_t cost[PAIR_SIZE])
{
    for (size_t index = 0; self->own && index < PAIR_SIZE; index++)
        cost[index] = bench_cost (self->pair, index);
}

static int s_load (bench_t *self, const bench_load_t *load, bench_result_t *result)
{
    int rc = bench_load (load, result);
    bench_report_progress (NULL);
    if (rc == 0 || pair_interrupted ())
        return rc == 0 ? TOOL_OK : TOOL_FAILED;
    return tool_fail (self->tool, TOOL_FAILED, "%s", result->error);
}

//  What is to be got, or to stay, has to be there.
static int s_fill (bench_t *self, const bench_load_t *into, uint64_t messages, bench_result_t *result)
{
    bench_load_t load = *into;
    size_t batch = FILL_BYTES / (load.body + 1);
    load.messages = messages;
    load.rate = 0;
    load.producers = 1;
    load.consumers = load.idle = 0;
    load.window = 20;
    load.batch = batch < 1 ? 1 : batch < FILL_BATCH ? batch : FILL_BATCH;
    bench_report_phase ("filling");
    int code = s_load (self, &load, result);
    bench_report_phase (NULL);
    return code;
}

//  The same with queues instead of a topic: as much is got from each of as many; what is only put goes into one.
static int s_beside (bench_t *self)
{
    bench_load_t load = self->report.load;
    uint64_t messages = load.producers ? self->report.result.sent : load.messages;
    load.topic = false;
    load.queues = load.consumers ? load.queues : 1;
    load.messages = messages * load.queues;
    load.rate *= (double) load.queues;
    bench_report_phase ("the same with queues");
    int code = load.producers ? TOOL_OK : s_fill (self, &load, load.messages, &self->report.beside);
    if (code == TOOL_OK)
        code = s_load (self, &load, &self->report.beside);
    bench_report_phase (NULL);
    return code;
}

static int s_measure (bench_t *self)
{
    bench_report_t *report = &self->report;
    bench_load_t *load = &report->load;
    int code = s_prepare (self);
    if (code == TOOL_OK && (report->backlog || !load->producers))
        code = s_fill (self, load, report->backlog ? report->backlog : load->messages, &report->result);
    if (code == TOOL_OK) {
        s_cost (self, report->before);
        code = s_load (self, load, &report->result);
        s_cost (self, report->after);
    }
    if (code == TOOL_OK && load->topic)
        code = s_beside (self);
    //  Also after a failure: what was made elsewhere is to go.
    if (self->client)
        s_clean_up (self);
    if (code == TOOL_OK && self->limiter) {
        bench_report_phase ("measuring what the machine does without a broker");
        code = bench_limits_measure (self->limiter, load->body, load->batch,
                                     load->window * (load->producers ? load->producers : 1), &report->limit);
        bench_report_phase (NULL);
    }
    return code;
}

static int s_run (tool_t *tool)
{
    if (tool_option (tool, "failover"))
        return bench_failover (tool);
    const char *mode = tool->size ? tool->arguments[0] : "through";
    //  On the heap for its histograms.
    bench_t *self = (bench_t *) zmalloc (sizeof *self);
    self->tool = tool;
    self->own = tool_option (tool, "brokers") == NULL;
    self->report.mode = mode;
    self->report.own = self->own;
    self->report.limited = tool_option (tool, "no-limits") == NULL;
    self->report.load.progress = isatty (STDERR_FILENO) ? bench_report_progress : NULL;
    int code = TOOL_OK;
    if (tool->size > 1 || s_mode (&self->report.load, mode))
        code = tool_misused (tool, "one of put, get, through and latency, not '%s'", tool->arguments[tool->size - 1]);
    if (code == TOOL_OK && (self->own ? tool_option (tool, "key") : tool_option (tool, "keys")))
        code = tool_misused (tool, "%s", self->own ? "--key is for --brokers" : "--keys is for a pair of its own");
    if (code == TOOL_OK)
        code = s_read_options (self, mode);
    if (code == TOOL_OK) {
        tool_raise_files ();
        self->pair = pair_new (tool);
        code = self->pair ? TOOL_OK : TOOL_FAILED;
    }
    if (code == TOOL_OK && self->report.limited) {
        self->limiter = bench_limits_new (tool, pair_folder (self->pair), tool_option (tool, "keys") != NULL);
        code = self->limiter ? TOOL_OK : TOOL_FAILED;
    }
    if (code == TOOL_OK)
        code = s_measure (self);
    bench_limits_destroy (&self->limiter);
    code = pair_destroy (&self->pair, code);
    if (code == TOOL_OK)
        bench_report_print (&self->report, tool_option (tool, "json") != NULL);
    free (self);
    return code;
}

const tool_command_t tool_bench = {
    .name = "bench",
    .arguments = "[put|get|through|latency]",
    .summary = "Measure how fast a pair is, beside what this machine could do",
    .text = "\n"
            "  put      store messages\n"
            "  get      take and acknowledge messages that are stored already\n"
            "  through  both at once; the default\n"
            "  latency  both at a fixed rate: how long until OK, and until a message is with its consumer,\n"
            "           counted from the time at which it was meant to be sent\n"
            "Starts a pair of its own on free ports of 127.0.0.1 with its store in $TMPDIR or /tmp, and leaves\n"
            "nothing behind.  Then measures the same bytes without a broker: through a ZeroMQ relay, committed\n"
            "by two stores, and synced to a file.\n",
    .options = s_options,
    .run = s_run,
};
