/*  =========================================================================
    bench_failover - how long clients wait when a broker goes, or hands over

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>

#include "core/base/limits.h"
#include "tools/bench/failover.h"
#include "tools/bench/histogram.h"
#include "tools/operate.h"
#include "tools/pair.h"

#define QUEUE "failover"
#define MS 1000000
#define PATIENCE 60000   //  ms for a client to be served again
#define FILL_BODIES 1000 //  of a PUT of the backlog
#define TAKE 200         //  messages that a GET asks for
#define STAMP 8          //  bytes of a body: its number

//  What can become of the active broker, or of the passive one (PASSIVE), in the order in which it does.
typedef enum { KILL, PASSIVE, STOP, SWITCH, EVENTS } event_t;
static const char *const s_events[EVENTS] = {"kill", "passive_kill", "stop", "switchover"};
static const char *const s_texts[EVENTS] = {"kill -9", "passive, kill -9", "SIGSTOP", "switchover"};

//  One client's watch: the time between two OKs.
typedef struct {
    pthread_mutex_t lock;
    int64_t last;     //  OK, or the end of a time in which nothing was asked, ns
    int64_t longest;  //  between two of them since it was armed
    uint64_t less;    //  OKs since then that were less than `both`
    const char *from; //  the active broker before something happens, until one says OK after it; else NULL
    bool alone;       //  that one is it, and the OK is `solo`; else another one
} watch_t;

typedef struct {
    tool_t *tool;
    pair_t *pair;
    zb_client_t *monitor, *producer;
    operate_t operator;
    bool stop;  //  the producer is to end, and nothing will be broken any more
    bool drain; //  the consumer is to end when it has all
    size_t body, window;
    int64_t rate, backlog, rest;
    int64_t events[EVENTS];
    histogram_t put[EVENTS], get[EVENTS];
    watch_t putting, getting;
    uint64_t stored, taken, again; //  messages; of these taken again
    uint64_t expected;             //  number of the next message in order
    uint64_t less;                 //  OKs in switchovers that were less than `both`
    char error[256];               //  of either client
} failover_t;

static int64_t s_now (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C (1000000000) + now.tv_nsec;
}

//  ---------------------------------------------------------------------------
//  The clients

static void s_heard (watch_t *watch, const zb_client_t *client, zb_level_t level)
{
    pthread_mutex_lock (&watch->lock);
    int64_t now = s_now ();
    if (watch->from && now - watch->last > watch->longest)
        watch->longest = now - watch->last;
    watch->last = now;
    watch->less += watch->from && level != ZB_LEVEL_BOTH;
    if (watch->from && (watch->alone ? level == ZB_LEVEL_SOLO : !streq (watch->from, zb_client_endpoint (client))))
        watch->from = NULL;
    pthread_mutex_unlock (&watch->lock);
}

static void s_arm (watch_t *watch, const char *from, bool alone)
{
    pthread_mutex_lock (&watch->lock);
    watch->longest = 0;
    watch->less = 0;
    watch->from = from;
    watch->alone = alone;
    pthread_mutex_unlock (&watch->lock);
}

//  Nobody waits until now: there was nothing to ask for.
static void s_idle (watch_t *watch)
{
    pthread_mutex_lock (&watch->lock);
    watch->last = s_now ();
    pthread_mutex_unlock (&watch->lock);
}

static bool s_is_armed (watch_t *watch)
{
    pthread_mutex_lock (&watch->lock);
    bool armed = watch->from != NULL;
    pthread_mutex_unlock (&watch->lock);
    return armed;
}

static bool s_ended (failover_t *self)
{
    return __atomic_load_n (&self->stop, __ATOMIC_ACQUIRE);
}

static void s_fail (failover_t *self, const char *who, const zb_client_t *client)
{
    if (!*self->error)
        snprintf (self->error, sizeof self->error, "%s: %s", who, zb_client_error_text (client));
    __atomic_store_n (&self->stop, true, __ATOMIC_RELEASE);
}

static void s_stored (const zb_receipt_t *receipt, void *arg)
{
    failover_t *self = arg;
    if (receipt->error) {
        if (!*self->error)
            snprintf (self->error, sizeof self->error, "a PUT: %s", receipt->text);
        __atomic_store_n (&self->stop, true, __ATOMIC_RELEASE);
        return;
    }
    __atomic_add_fetch (&self->stored, 1, __ATOMIC_RELEASE);
    s_heard (&self->putting, self->producer, receipt->level);
}

//  One of this name; NULL: it has none.
static zb_client_t *s_client (const failover_t *self, const char *name)
{
    zb_client_t *client = zb_client_new (pair_brokers (self->pair));
    const char *key = pair_key (self->pair);
    if (client && ((name && zb_client_set_name (client, name)) || (key && zb_client_set_key (client, key)) ||
                   zb_client_set_timeout (client, PATIENCE) || zb_client_set_window (client, self->window)))
        zb_client_destroy (&client);
    assert (client);
    return client;
}

//  Puts at the rate; a body begins with its number.
static void *s_produce (void *arg)
{
    failover_t *self = arg;
    zb_client_t *client = self->producer = s_client (self, "failover-producer");
    char *data = (char *) zmalloc (self->body);
    int64_t start = s_now ();
    for (uint64_t number = 0; !s_ended (self);) {
        uint64_t due = (uint64_t) ((double) (s_now () - start) / 1e9 * (double) self->rate);
        while (number < due && zb_client_inflight (client) < self->window && !s_ended (self)) {
            uint64_t stamp = (uint64_t) self->backlog + number++;
            memcpy (data, &stamp, sizeof stamp);
            zb_body_t body = {data, self->body};
            if (zb_client_put_async (client, QUEUE, NULL, &body, 1, s_stored, self))
                s_fail (self, "the producer", client);
        }
        //  What was not sent because the broker was away is not caught up with: the load stays the same.
        if (number + (uint64_t) self->rate / 10 < due)
            start = s_now () - (int64_t) ((double) number / (double) self->rate * 1e9);
        if (zb_client_inflight (client))
            zb_client_poll (client, 1);
        else
            zclock_sleep (1);
    }
    //  All that was sent is to be found by the consumer.
    if (!*self->error && zb_client_flush (client))
        snprintf (self->error, sizeof self->error, "the producer: %s", zb_client_error_text (client));
    free (data);
    zb_client_destroy (&client);
    return NULL;
}

static bool s_has_all (const failover_t *self)
{
    return __atomic_load_n (&self->drain, __ATOMIC_ACQUIRE) && self->expected == (uint64_t) self->backlog + self->stored;
}

//  Takes as much as is put, so that the backlog stays.
static void *s_consume (void *arg)
{
    failover_t *self = arg;
    zb_client_t *client = s_client (self, "failover-consumer");
    zb_messages_t *done = NULL;
    while (!s_has_all (self) && !*self->error && !pair_interrupted ()) {
        if (!s_ended (self) && self->backlog && self->taken >= __atomic_load_n (&self->stored, __ATOMIC_ACQUIRE)) {
            zclock_sleep (1);
            s_idle (&self->getting);
            continue;
        }
        zb_messages_t *messages = zb_client_get (client, QUEUE, TAKE, 100, zb_messages_ids (done));
        if (!messages) {
            s_fail (self, "the consumer", client);
            break;
        }
        if (done)
            s_heard (&self->getting, client, zb_client_level (client));
        zb_messages_destroy (&done);
        for (size_t index = 0; index < zb_messages_size (messages); index++) {
            const zb_message_t *message = zb_messages_at (messages, index);
            uint64_t number = UINT64_MAX;
            if (message->size == self->body)
                memcpy (&number, message->body, sizeof number);
            if (number == self->expected) {
                self->expected++;
                self->taken++;
            }
            else if (number < self->expected)
                self->again++;
            else if (!*self->error)
                snprintf (self->error, sizeof self->error, "message %" PRIu64 " came instead of %" PRIu64, number,
                          self->expected);
        }
        done = messages;
    }
    zb_messages_destroy (&done);
    zb_client_destroy (&client);
    return NULL;
}

//  ---------------------------------------------------------------------------
//  The run

static int s_fill (failover_t *self)
{
    zb_client_t *client = s_client (self, "failover-backlog");
    char *data = (char *) zmalloc (self->body * FILL_BODIES);
    zb_body_t bodies[FILL_BODIES];
    int rc = 0;
    for (int64_t number = 0; rc == 0 && number < self->backlog && !pair_interrupted ();) {
        size_t count = 0;
        for (; count < FILL_BODIES && number < self->backlog; count++, number++) {
            bodies[count] = (zb_body_t){data + count * self->body, self->body};
            memcpy (data + count * self->body, &number, sizeof number);
        }
        rc = zb_client_put_many (client, QUEUE, NULL, bodies, count, NULL);
    }
    int code = rc ? tool_client_fail (self->tool, client, "the backlog") : TOOL_OK;
    free (data);
    zb_client_destroy (&client);
    return code;
}

//  Waits until both clients are served by the broker that took over, or is left.
static int s_await_service (failover_t *self)
{
    int64_t limit = zclock_mono () + PATIENCE;
    while ((s_is_armed (&self->putting) || s_is_armed (&self->getting)) && !s_ended (self) && !pair_interrupted ()) {
        if (zclock_mono () > limit)
            return tool_fail (self->tool, TOOL_FAILED, "clients were not served for %d s", PATIENCE / 1000);
        zclock_sleep (1);
    }
    return TOOL_OK;
}

//  Hands the role over, as `zbroker switchover` does; once more where the pair has fallen out of step meanwhile.
static int s_switch (failover_t *self, size_t from)
{
    int64_t limit = zclock_mono () + PATIENCE;
    int code = TOOL_OK;
    while (code == TOOL_OK) {
        //  Its time begins with each word; a command says one.
        self->operator.end = zclock_mono () + PATIENCE;
        operate_look (&self->operator, from);
        if (operate_ask (&self->operator, from, ZB_SWITCHOVER, false))
            return TOOL_OK;
        zb_client_t *client = self->operator.brokers.client;
        if (zb_client_error (client) != ZB_ERR_NOT_READY || zclock_mono () > limit)
            return tool_fail (self->tool, TOOL_FAILED, "switchover: %s", zb_client_error_text (client));
        code = pair_await_in_step (self->pair, self->monitor);
    }
    return code;
}

//  One event, until the pair is in sync again.
static int s_strike (failover_t *self, event_t event)
{
    size_t active = 0;
    for (int64_t end = zclock_mono () + self->rest * 1000;
         zclock_mono () < end && !s_ended (self) && !pair_interrupted ();)
        zclock_sleep (50);
    //  At no fixed distance from the last one.
    zclock_sleep (100 + (int) randof (200));
    //  The last thing before it: on a busy machine a pair may have fallen out of step since.
    int code = pair_await_in_step (self->pair, self->monitor);
    if (code == TOOL_OK)
        code = pair_active (self->pair, self->monitor, &active);
    if (code)
        return code;
    size_t victim = event == PASSIVE ? !active : active;
    s_arm (&self->putting, pair_endpoint (self->pair, active), event == PASSIVE);
    s_arm (&self->getting, pair_endpoint (self->pair, active), event == PASSIVE);
    if (event == KILL || event == PASSIVE)
        pair_kill (self->pair, victim);
    else if (event == STOP)
        kill (pair_pid (self->pair, active), SIGSTOP);
    else
        code = s_switch (self, active);
    if (code == TOOL_OK)
        code = s_await_service (self);
    histogram_record (&self->put[event], (uint64_t) self->putting.longest, 1);
    histogram_record (&self->get[event], (uint64_t) self->getting.longest, 1);
    if (event == SWITCH)
        self->less += self->putting.less + self->getting.less;
    else if (event == STOP)
        kill (pair_pid (self->pair, active), SIGCONT);
    else if (code == TOOL_OK)
        code = pair_restart (self->pair, victim);
    return code;
}

static int s_strike_all (failover_t *self)
{
    pthread_t producer, consumer;
    pthread_create (&producer, NULL, s_produce, self);
    pthread_create (&consumer, NULL, s_consume, self);
    int code = TOOL_OK;
    for (int event = 0; event < EVENTS; event++)
        for (int64_t count = 0; code == TOOL_OK && count < self->events[event] && !s_ended (self); count++) {
            if (isatty (STDERR_FILENO))
                fprintf (stderr, "\r%s %" PRId64 " of %" PRId64 "  ", s_texts[event], count + 1, self->events[event]);
            code = pair_interrupted () ? TOOL_FAILED : s_strike (self, (event_t) event);
        }
    if (isatty (STDERR_FILENO))
        fprintf (stderr, "\r\33[K");
    __atomic_store_n (&self->stop, true, __ATOMIC_RELEASE);
    pthread_join (producer, NULL);
    __atomic_store_n (&self->drain, true, __ATOMIC_RELEASE);
    pthread_join (consumer, NULL);
    if (code == TOOL_OK && *self->error)
        code = tool_fail (self->tool, TOOL_FAILED, "%s", self->error);
    return code;
}

static int s_run (failover_t *self)
{
    int code = tool_option (self->tool, "keys") ? pair_start_keyed (self->pair, "") : pair_start (self->pair);
    if (code)
        return code;
    self->monitor = s_client (self, NULL);
    code = operate_open (&self->operator, self->tool, pair_brokers (self->pair), pair_config (self->pair));
    if (code)
        return code;
    if (zb_client_create_queue (self->monitor, QUEUE, NULL))
        return tool_client_fail (self->tool, self->monitor, "the queue");
    code = pair_await_in_step (self->pair, self->monitor);
    if (code == TOOL_OK)
        code = s_fill (self);
    return code == TOOL_OK ? s_strike_all (self) : code;
}

//  ---------------------------------------------------------------------------
//  The report

static double s_ms (const histogram_t *times, double percent)
{
    return (double) histogram_percentile (times, percent) / MS;
}

static void s_print (const failover_t *self)
{
    printf ("failover: a producer at %" PRId64 " messages/s of %zu bytes and a consumer, backlog %" PRId64 "\n", self->rate,
            self->body, self->backlog);
    printf ("%-16s %-9s %6s %9s %9s %9s   ms from the last OK before to the first OK after\n", "", "", "times", "p50",
            "p99", "max");
    for (int event = 0; event < EVENTS; event++) {
        const histogram_t *times[] = {&self->put[event], &self->get[event]};
        for (int index = 0; index < 2 && times[index]->count; index++)
            printf ("%-16s %-9s %6" PRIu64 " %9.1f %9.1f %9.1f\n", s_texts[event], index ? "consumer" : "producer",
                    times[index]->count, s_ms (times[index], 50), s_ms (times[index], 99), s_ms (times[index], 100));
    }
    if (self->put[SWITCH].count)
        printf ("%" PRIu64 " OKs in switchovers were less than both\n", self->less);
    printf ("%" PRIu64 " messages stored, none lost, %" PRIu64 " delivered again, all in order\n", self->stored, self->again);
}

static json_t *s_times (const histogram_t *times)
{
    return json_pack ("{sI sf sf sf}", "count", (json_int_t) times->count, "p50", s_ms (times, 50), "p99", s_ms (times, 99),
                      "max", s_ms (times, 100));
}

static void s_print_json (const failover_t *self)
{
    json_t *whole = json_pack ("{ss sb sI sI sI sI sI sI}", "mode", "failover", "keys", tool_option (self->tool, "keys") != NULL,
                               "rate", (json_int_t) self->rate, "body", (json_int_t) self->body, "backlog",
                               (json_int_t) self->backlog, "stored", (json_int_t) self->stored, "again",
                               (json_int_t) self->again, "less_than_both", (json_int_t) self->less);
    for (int event = 0; event < EVENTS; event++)
        if (self->put[event].count)
            json_object_set_new (whole, s_events[event], json_pack ("{so so}", "put_ms", s_times (&self->put[event]),
                                                                    "get_ms", s_times (&self->get[event])));
    json_dumpf (whole, stdout, JSON_INDENT (2) | JSON_PRESERVE_ORDER);
    puts ("");
    json_decref (whole);
}

int bench_failover (tool_t *tool)
{
    int64_t body = 100, window = 100, rate = 2000, backlog = 0, rest = 0;
    int64_t kills = 50, passive_kills = 50, stops = 50, switchovers = 50;
    if (tool_number (tool, "body", STAMP, 1 << 20, &body) || tool_number (tool, "window", 1, ZB_WINDOW, &window) ||
        tool_number (tool, "rate", 100, 100000, &rate) || tool_number (tool, "kills", 0, 100000, &kills) ||
        tool_number (tool, "passive-kills", 0, 100000, &passive_kills) ||
        tool_number (tool, "stops", 0, 100000, &stops) || tool_number (tool, "switchovers", 0, 100000, &switchovers) ||
        tool_number (tool, "backlog", 0, 100000000, &backlog) || tool_number (tool, "rest", 0, 3600, &rest))
        return TOOL_USAGE;
    if (tool->size || tool_option (tool, "brokers"))
        return tool_misused (tool, "--failover kills a pair of its own: no mode, no --brokers");
    if (body * FILL_BODIES + 65536 > (int64_t) ((zb_limits_t) ZB_LIMITS_DEFAULT).request)
        return tool_misused (tool, "--failover takes bodies up to %d bytes", (16 << 20) / FILL_BODIES - 66);
    //  On the heap for its histograms.
    failover_t *self = (failover_t *) zmalloc (sizeof *self);
    self->tool = tool;
    self->body = (size_t) body;
    self->window = (size_t) window;
    self->rate = rate;
    self->backlog = backlog;
    self->rest = rest;
    self->events[KILL] = kills;
    self->events[PASSIVE] = passive_kills;
    self->events[STOP] = stops;
    self->events[SWITCH] = switchovers;
    pthread_mutex_init (&self->putting.lock, NULL);
    pthread_mutex_init (&self->getting.lock, NULL);
    self->putting.last = self->getting.last = s_now ();
    self->pair = pair_new (tool);
    int code = self->pair ? s_run (self) : TOOL_FAILED;
    operate_close (&self->operator);
    zb_client_destroy (&self->monitor);
    code = pair_destroy (&self->pair, code);
    if (code == TOOL_OK && tool_option (tool, "json"))
        s_print_json (self);
    else if (code == TOOL_OK)
        s_print (self);
    free (self);
    return code;
}
