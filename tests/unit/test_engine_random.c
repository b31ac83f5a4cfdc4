/*  =========================================================================
    test_engine_random - the promise, under random clients, restarts and takeovers

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Producers resend until OK, consumers take, acknowledge, give back, hang up; the
    watermarks move when they like, and now and then the peer leads, with what it
    has.  After each step this must hold:

      - what was acknowledged with OK is never delivered again;
      - a message is stored once: it is delivered under one id only;
      - first deliveries come in the order of their producer;
      - nothing is delivered that somebody else holds a lease of;
      - what was purged with OK does not come back;

    and in the end everything that was answered OK has been delivered.

    ZB_SEED=N replays one seed, ZB_SEEDS=N runs that many.
*/

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "rig.h"

enum { PRODUCERS = 3, CONSUMERS = 4, QUEUES = 3, SCRATCH = QUEUES, MESSAGES = 20000, REQUESTS = 20000, HELD = 40 };

//  One body.
typedef struct {
    int producer; //  -1 = a nameless one
    uint64_t number;
    int queue;
    uint64_t id;   //  under which it was delivered, 0 = never
    bool promised; //  its PUT was answered OK
    int connection; //  nameless: over which it was sent
    bool acking;   //  an acknowledgement was sent,
    bool acked;    //  and answered OK
    int purging;   //  a PURGE or DELETE was sent after it: the request, counted from 1; 0 = none,
    bool swept;    //  or may be: it was sent over an older connection;
    bool purged;   //  and that one was answered OK
    int holder;    //  consumer with a lease, -1 = none
    int64_t until;
} s_message_t;

//  A request that waits for its reply.
typedef struct {
    enum { NOTHING, PUT, ACK, NACK, GET, PURGE } kind;
    int first, count; //  messages of a PUT; count: those before a PURGE
    int ack[8];       //  messages of acks or of a NACK
    int acks;
    int client;
    int queue;
} s_sent_t;

typedef struct {
    char client[16]; //  routing id
    int connection;
    uint64_t instance;
    uint64_t next; //  number of the next PUT
    uint64_t done; //  all up to here were answered
    struct {
        int first, count, queue;
        bool ok;
        char ids[64];
    } put[ZB_WINDOW];
} s_producer_t;

typedef struct {
    char client[16];
    int connection;
    int held[HELD];
    int helds;
} s_consumer_t;

typedef struct {
    rig_t *rig;
    uint64_t random;
    s_message_t message[MESSAGES];
    int messages;
    s_sent_t sent[REQUESTS];
    int requests;
    s_producer_t producer[PRODUCERS];
    s_consumer_t consumer[CONSUMERS];
    uint64_t newest[PRODUCERS][QUEUES + 1]; //  number of the newest PUT whose first delivery was seen
    bool solo;
    size_t delivered, duplicates, leads;
} s_world_t;

static s_world_t s_world;

//  xorshift: the same on every machine.
static unsigned s_random (unsigned below)
{
    s_world.random ^= s_world.random << 13;
    s_world.random ^= s_world.random >> 7;
    s_world.random ^= s_world.random << 17;
    return (unsigned) (s_world.random >> 33) % below;
}

static int s_request (int kind, int client)
{
    assert_true (s_world.requests < REQUESTS);
    s_sent_t *sent = &s_world.sent[s_world.requests];
    memset (sent, 0, sizeof *sent);
    sent->kind = kind;
    sent->client = client;
    return s_world.requests++;
}

//  Clients

static void s_hello (s_producer_t *producer, int index)
{
    char line[64];
    snprintf (producer->client, sizeof producer->client, "p%d.%d", index, producer->connection);
    if (producer->instance)
        snprintf (line, sizeof line, "HELLO|hp%d|till%d||%" PRIu64, index, index, producer->instance);
    else
        snprintf (line, sizeof line, "HELLO|hp%d|till%d||", index, index);
    rig_push (s_world.rig, producer->client, line);
}

static void s_welcome (s_consumer_t *consumer, int index)
{
    char line[64];
    snprintf (consumer->client, sizeof consumer->client, "c%d.%d", index, consumer->connection);
    //  Some have a name, some have none.
    snprintf (line, sizeof line, index % 2 ? "HELLO|hc|worker%d||" : "HELLO|hc", index);
    rig_push (s_world.rig, consumer->client, line);
}

static void s_forget_leases (int holder)
{
    for (int index = 0; index < s_world.messages; index++)
        if (holder < 0 || s_world.message[index].holder == holder)
            s_world.message[index].holder = -1;
}

static void s_hello_all (void)
{
    for (int index = 0; index < PRODUCERS; index++)
        s_hello (&s_world.producer[index], index);
    for (int index = 0; index < CONSUMERS; index++)
        s_welcome (&s_world.consumer[index], index);
}

//  Sends PUT number `number` of a producer, again or for the first time.
static void s_send_put (int index, uint64_t number)
{
    s_producer_t *producer = &s_world.producer[index];
    char line[2048];
    int first = producer->put[number % ZB_WINDOW].first, count = producer->put[number % ZB_WINDOW].count;
    int size = snprintf (line, sizeof line, "PUT|%" PRIu64 "|q%d|%s", number, producer->put[number % ZB_WINDOW].queue,
                         number % 3 ? "" : "colour=red");
    for (int each = 0; each < count; each++)
        size += snprintf (line + size, sizeof line - (size_t) size, "|%d %.*s", first + each, (first + each) % 7 * 20,
                          "....................................................................................."
                          "...................................");
    rig_push (s_world.rig, producer->client, line);
}

static void s_put (int index)
{
    s_producer_t *producer = &s_world.producer[index];
    int count = 1 + (int) s_random (4);
    if (producer->next - producer->done > 12 || s_world.messages + count > MESSAGES)
        return;
    uint64_t number = producer->next++;
    int queue = (int) s_random (QUEUES);
    memset (&producer->put[number % ZB_WINDOW], 0, sizeof producer->put[0]);
    producer->put[number % ZB_WINDOW].first = s_world.messages;
    producer->put[number % ZB_WINDOW].count = count;
    producer->put[number % ZB_WINDOW].queue = queue;
    for (int each = 0; each < count; each++)
        s_world.message[s_world.messages++] =
            (s_message_t){.producer = index, .number = number, .queue = queue, .holder = -1};
    s_send_put (index, number);
}

static void s_resend (int index)
{
    s_producer_t *producer = &s_world.producer[index];
    for (uint64_t number = producer->done + 1; number < producer->next; number++)
        s_send_put (index, number);
}

//  A nameless PUT into the queue that is purged and deleted.
static void s_scratch (void)
{
    if (s_world.messages == MESSAGES)
        return;
    char line[64];
    int request = s_request (PUT, 0);
    s_world.sent[request].first = s_world.messages;
    s_world.sent[request].count = 1;
    snprintf (line, sizeof line, "PUT|r%d|q%d||%d ", request, SCRATCH, s_world.messages);
    s_world.message[s_world.messages++] =
        (s_message_t){.producer = -1, .queue = SCRATCH, .holder = -1, .connection = s_world.consumer[0].connection};
    rig_push (s_world.rig, s_world.consumer[0].client, line);
}

static void s_purge (bool forever)
{
    char line[64];
    int request = s_request (PURGE, 0);
    s_world.sent[request].count = s_world.messages;
    snprintf (line, sizeof line, "%s|r%d|q%d", forever ? "DELETE" : "PURGE", request, SCRATCH);
    for (int index = 0; index < s_world.messages; index++) {
        s_message_t *message = &s_world.message[index];
        if (message->queue != SCRATCH)
            continue;
        //  What an older connection has left behind may come later.
        message->swept = true;
        if (message->purging == 0 && (message->promised || message->connection == s_world.consumer[0].connection))
            message->purging = request + 1;
    }
    rig_push (s_world.rig, s_world.consumer[0].client, line);
    if (forever)
        rig_push (s_world.rig, s_world.consumer[0].client, "QUEUE|again|q3|");
}

//  Takes some held messages of one queue off a consumer; writes them as acks.
static int s_take_held (s_consumer_t *consumer, int *queue, int *taken, char *text, size_t room)
{
    int count = 0;
    size_t size = 0;
    *text = 0;
    for (int index = 0; index < consumer->helds && count < 8;) {
        const s_message_t *message = &s_world.message[consumer->held[index]];
        if ((*queue < 0 || message->queue == *queue) && s_random (4)) {
            *queue = message->queue;
            taken[count++] = consumer->held[index];
            size += (size_t) snprintf (text + size, room - size, "%s%" PRIu64, size ? " " : "", message->id);
            consumer->held[index] = consumer->held[--consumer->helds];
        }
        else
            index++;
    }
    return count;
}

static void s_acking (s_sent_t *sent)
{
    for (int index = 0; index < sent->acks; index++)
        s_world.message[sent->ack[index]].acking = true;
}

static void s_get (int index)
{
    s_consumer_t *consumer = &s_world.consumer[index];
    char acks[512], line[700];
    int request = s_request (GET, index);
    s_sent_t *sent = &s_world.sent[request];
    sent->queue = (int) s_random (QUEUES + 1);
    *acks = 0;
    if (s_random (2))
        sent->acks = s_take_held (consumer, &sent->queue, sent->ack, acks, sizeof acks);
    s_acking (sent);
    snprintf (line, sizeof line, "GET|r%d|q%d|%u|%u|%s", request, sent->queue, s_random (9) ? 1 + s_random (6) : 0,
              s_random (3) * 40, acks);
    rig_push (s_world.rig, consumer->client, line);
}

static void s_ack (int index)
{
    s_consumer_t *consumer = &s_world.consumer[index];
    char acks[512], line[700];
    int request = s_request (ACK, index);
    s_sent_t *sent = &s_world.sent[request];
    sent->queue = -1;
    sent->acks = s_take_held (consumer, &sent->queue, sent->ack, acks, sizeof acks);
    s_acking (sent);
    snprintf (line, sizeof line, "ACK|r%d|q%d|%s", request, sent->queue, acks);
    if (sent->acks)
        rig_push (s_world.rig, consumer->client, line);
}

//  The message may go to others from now on.
static void s_let_go (const s_sent_t *sent)
{
    for (int each = 0; each < sent->acks; each++)
        if (s_world.message[sent->ack[each]].holder == sent->client)
            s_world.message[sent->ack[each]].holder = -1;
}

static void s_nack (int index)
{
    s_consumer_t *consumer = &s_world.consumer[index];
    char acks[512], line[700];
    int request = s_request (NACK, index);
    s_sent_t *sent = &s_world.sent[request];
    sent->queue = -1;
    sent->acks = s_take_held (consumer, &sent->queue, sent->ack, acks, sizeof acks);
    s_let_go (sent);
    snprintf (line, sizeof line, "NACK|r%d|q%d|%s", request, sent->queue, acks);
    if (sent->acks)
        rig_push (s_world.rig, consumer->client, line);
}

static void s_hang_up (int index)
{
    s_consumer_t *consumer = &s_world.consumer[index];
    if (index % 2 == 0 || s_random (2))
        zb_engine_gone (s_world.rig->engine, zb_frame (consumer->client), s_world.rig->now);
    s_forget_leases (index);
    consumer->helds = 0;
    consumer->connection++;
    s_welcome (consumer, index);
}

//  Replies

//  `held`: the consumer has not hung up meanwhile.  `waited`: for what its acks claim, so that later messages may have come
//  to others before.
static void s_delivered (int consumer, bool held, bool waited, uint64_t id, const char *body)
{
    int index = atoi (body);
    assert_true (index >= 0 && index < s_world.messages);
    s_message_t *message = &s_world.message[index];
    if (message->acked)
        fail_msg ("message %d was acknowledged and came back", index);
    if (message->purged)
        fail_msg ("message %d was purged and came back", index);
    if (message->id && message->id != id)
        fail_msg ("message %d is stored twice", index);
    if (message->holder >= 0 && message->until > s_world.rig->now)
        fail_msg ("message %d is leased to %d until %d, now %d", index, message->holder, (int) message->until,
                  (int) s_world.rig->now);
    if (message->id == 0 && message->producer >= 0 && !waited) {
        uint64_t *newest = &s_world.newest[message->producer][message->queue];
        if (message->number < *newest)
            fail_msg ("message %d comes after one of a later PUT", index);
        *newest = message->number;
    }
    message->id = id;
    s_world.delivered++;
    if (!held)
        return;
    message->holder = consumer;
    message->until = s_world.rig->now + 1000;
    s_consumer_t *to = &s_world.consumer[consumer];
    if (to->helds < HELD)
        to->held[to->helds++] = index;
}

static void s_deliveries (zb_frame_t routing, const zb_answer_t *answer)
{
    int consumer = ((const char *) routing.data)[1] - '0';
    bool held = zb_frame_is (routing, s_world.consumer[consumer].client);
    char id[32] = "";
    memcpy (id, answer->id.data, answer->id.size < 31 ? answer->id.size : 31);
    bool waited = *id == 'r' && s_world.sent[atoi (id + 1)].acks;
    size_t cursor = 0;
    zb_index_t line;
    bool bad = false;
    for (size_t index = 0; index < answer->bodies; index++) {
        assert_true (zb_index_next (answer->arg[2], &cursor, &line, &bad));
        uint64_t message = 0;
        assert_true (zb_number_parse (line.id, UINT64_MAX, &message));
        char body[32] = "";
        const zb_frame_t *frame = &answer->body[index];
        memcpy (body, frame->data, frame->size < 31 ? frame->size : 31);
        s_delivered (consumer, held, waited, message, body);
    }
}

static void s_put_answered (s_producer_t *producer, uint64_t number, const rig_reply_t *kept)
{
    const zb_answer_t *answer = &kept->answer;
    if (answer->status != ZB_ANSWER_OK)
        return;
    s_world.duplicates += answer->args == 4;
    assert_true (number < producer->next);
    //  The ids are the same each time.
    char ids[64];
    snprintf (ids, sizeof ids, "%.*s %.*s", (int) answer->arg[1].size, (const char *) answer->arg[1].data,
              (int) answer->arg[2].size, (const char *) answer->arg[2].data);
    int slot = (int) (number % ZB_WINDOW);
    if (producer->put[slot].ok)
        assert_string_equal (ids, producer->put[slot].ids);
    strcpy (producer->put[slot].ids, ids);
    producer->put[slot].ok = true;
    for (int each = 0; each < producer->put[slot].count; each++)
        s_world.message[producer->put[slot].first + each].promised = true;
    while (producer->done + 1 < producer->next && producer->put[(producer->done + 1) % ZB_WINDOW].ok)
        producer->done++;
}

static void s_answered (s_sent_t *sent, const zb_answer_t *answer)
{
    if (answer->status != ZB_ANSWER_OK && answer->status != ZB_ANSWER_MSG)
        return;
    //  It may have been delivered once more before the NACK was read.
    if (sent->kind == NACK)
        s_let_go (sent);
    for (int each = 0; each < sent->acks && sent->kind != NACK; each++)
        s_world.message[sent->ack[each]].acked = true;
    if (sent->kind == PUT)
        s_world.message[sent->first].promised = true;
    if (sent->kind == PURGE)
        for (int index = 0; index < sent->count; index++)
            if (s_world.message[index].purging && s_world.message[index].purging <= (int) (sent - s_world.sent) + 1)
                s_world.message[index].purged = true;
    sent->kind = NOTHING;
}

static void s_read_replies (void)
{
    rig_t *rig = s_world.rig;
    for (size_t index = 0; index < rig->count; index++) {
        zb_frame_t routing = rig->replies[index].reply->to.routing;
        const zb_answer_t *answer = &rig->replies[index].answer;
        const char *client = (const char *) routing.data;
        char id[32] = "";
        memcpy (id, answer->id.data, answer->id.size < 31 ? answer->id.size : 31);
        s_producer_t *producer = &s_world.producer[client[1] - '0'];
        if (*client == 'p' && *id == 'h' && answer->status == ZB_ANSWER_OK) {
            uint64_t last = 0;
            zb_number_parse (answer->arg[0], UINT64_MAX, &producer->instance);
            zb_number_parse (answer->arg[1], UINT64_MAX, &last);
            if (last < producer->done || last >= producer->next)
                fail_msg ("%s is told %" PRIu64 ", it has %" PRIu64, client, last, producer->done);
        }
        else if (*client == 'p' && *id == 'h')
            //  Fenced by a HELLO of its own whose answer was lost: begin anew.
            producer->instance = 0;
        else if (*client == 'p')
            s_put_answered (producer, strtoull (id, NULL, 10), &rig->replies[index]);
        else if (*id == 'r')
            s_answered (&s_world.sent[atoi (id + 1)], answer);
        if (answer->status == ZB_ANSWER_MSG)
            s_deliveries (routing, answer);
    }
    rig_skip (rig);
    assert_null (zb_engine_fault (rig->engine));
}

//  The pair

static void s_change_leader (void)
{
    rig_t *rig = s_world.rig;
    //  Alone, only this broker may go on.
    bool restart = s_world.solo || s_random (3) == 0;
    if (restart)
        rig_restart (rig);
    else
        rig_takeover (rig);
    s_read_replies ();
    s_world.solo = false;
    s_world.leads++;
    s_forget_leases (-1);
    for (int index = 0; index < CONSUMERS; index++)
        s_world.consumer[index].helds = 0;
    s_hello_all ();
    for (int index = 0; index < PRODUCERS; index++)
        s_resend (index);
}

static void s_change_rule (void)
{
    rig_t *rig = s_world.rig;
    if (s_world.solo) {
        rig_sync (rig, true, true);
        rig_rule (rig, ZB_RELEASE_BOTH);
        s_world.solo = false;
    }
    else if (s_random (2)) {
        zb_engine_epoch (rig->engine, ++rig->epoch);
        rig_rule (rig, ZB_RELEASE_HERE);
        s_world.solo = true;
    }
    else {
        rig_rule (rig, ZB_RELEASE_HOLD);
        rig_wait (rig, (int64_t) s_random (100));
        rig_rule (rig, ZB_RELEASE_BOTH);
    }
}

static void s_sync_some (void)
{
    rig_t *rig = s_world.rig;
    uint64_t newest = fake_store_newest (rig->store);
    fake_store_sync_here (rig->store, newest - (newest - fake_store_here (rig->store)) / (1 + s_random (3)));
    if (!s_world.solo && s_random (2))
        fake_store_sync_there (rig->store, newest - (newest - fake_store_there (rig->store)) / (1 + s_random (3)));
    zb_engine_durable (rig->engine, fake_store_here (rig->store), fake_store_there (rig->store), rig->now);
}

static void s_step (void)
{
    rig_t *rig = s_world.rig;
    unsigned what = s_random (1000);
    int producer = (int) s_random (PRODUCERS), consumer = (int) s_random (CONSUMERS);
    if (what < 300)
        s_put (producer);
    else if (what < 520)
        s_get (consumer);
    else if (what < 620)
        s_ack (consumer);
    else if (what < 650)
        s_nack (consumer);
    else if (what < 660)
        s_hang_up (consumer);
    else if (what < 680)
        s_resend (producer);
    else if (what < 720)
        s_scratch ();
    else if (what < 724)
        s_purge (s_random (2));
    else if (what < 727)
        s_change_leader ();
    else if (what < 732)
        s_change_rule ();
    else if (what < 780)
        rig_wait (rig, (int64_t) s_random (60));
    else if (what < 782)
        rig_wait (rig, 1000);
    else if (what < 800) {
        s_producer_t *again = &s_world.producer[producer];
        again->connection++;
        again->instance = s_random (4) ? again->instance : 0;
        s_hello (again, producer);
        s_resend (producer);
    }
    else if (what < 850)
        rig->stuck = !rig->stuck;
    else
        s_sync_some ();
    if (rig->reads > 32)
        rig->stuck = false;
    if (s_random (2))
        rig_run (rig);
    //  A lease begins when its reply is made: the clock must not move between.
    rig_collect (rig);
    s_read_replies ();
}

//  Everything is finished: all is answered, delivered and acknowledged, and the store is empty.
static void s_finish (void)
{
    rig_t *rig = s_world.rig;
    rig->stuck = false;
    rig->sync_here = rig->sync_there = true;
    rig_rule (rig, ZB_RELEASE_BOTH);
    rig_sync (rig, true, true);
    s_hello_all ();
    for (int idle = 0; idle < 20; idle++) {
        size_t delivered = s_world.delivered;
        for (int queue = 0; queue <= QUEUES; queue++) {
            char line[64];
            snprintf (line, sizeof line, "GET|g|q%d|20|0|", queue);
            rig_say (rig, s_world.consumer[0].client, line);
            s_read_replies ();
            while (s_world.consumer[0].helds) {
                s_ack (0);
                rig_run (rig);
                s_read_replies ();
            }
        }
        if (s_world.delivered != delivered)
            idle = 0;
        for (int index = 0; index < PRODUCERS; index++) {
            if (s_world.producer[index].instance == 0)
                s_hello (&s_world.producer[index], index);
            s_resend (index);
        }
        rig_wait (rig, 300);
    }
    for (int index = 0; index < PRODUCERS; index++)
        assert_int_equal (s_world.producer[index].done + 1, s_world.producer[index].next);
    for (int index = 0; index < s_world.messages; index++) {
        const s_message_t *message = &s_world.message[index];
        if (message->promised && !message->id && !message->swept)
            fail_msg ("message %d was answered OK and never delivered", index);
    }
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 0);
    assert_int_equal (fake_store_rows (rig->store, ZB_ACKS), 0);
    assert_int_equal (fake_store_rows (rig->store, ZB_CURSORS), QUEUES + 1);
    assert_int_equal (fake_store_rows (rig->store, ZB_QUEUES), QUEUES + 1);
}

static void s_run_seed (uint64_t seed, int steps)
{
    memset (&s_world, 0, sizeof s_world);
    s_world.random = seed * UINT64_C (0x9E3779B97F4A7C15) + 1;
    //  Small limits, so that little is in memory and all paths are taken.
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.window = 3000 + s_random (5) * 3000;
    limits.windows = limits.window + s_random (3) * 4000;
    limits.bodies = 8;
    limits.batch = 500;
    limits.inflight = 1 + s_random (8);
    limits.request = limits.reply = 4096;
    limits.lease = 1000;
    rig_t *rig = s_world.rig = rig_new (&limits);
    for (int index = 0; index < PRODUCERS; index++)
        s_world.producer[index].next = 1;
    s_hello_all ();
    for (int queue = 0; queue <= QUEUES; queue++) {
        char line[64];
        snprintf (line, sizeof line, "QUEUE|q|q%d|%s", queue, queue == 1 ? "max-messages=50" : "");
        rig_say (rig, s_world.consumer[0].client, line);
    }
    s_read_replies ();
    rig->sync_here = rig->sync_there = false;
    for (int step = 0; step < steps; step++)
        s_step ();
    s_finish ();
    printf ("# seed %" PRIu64 ": %d messages, %zu deliveries, %zu duplicates, %zu leaders, %zu reads, %zu commits\n",
            seed, s_world.messages, s_world.delivered, s_world.duplicates, s_world.leads, rig->read_count,
            rig->batches);
    rig_destroy (&s_world.rig);
}

static void test_the_promise_holds (void **state)
{
    (void) state;
    const char *one = getenv ("ZB_SEED"), *many = getenv ("ZB_SEEDS");
    if (one)
        s_run_seed (strtoull (one, NULL, 10), 4000);
    for (uint64_t seed = 1; !one && seed <= (many ? strtoull (many, NULL, 10) : 10); seed++) {
        print_message ("# seed %" PRIu64 "\n", seed);
        s_run_seed (seed, 4000);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test (test_the_promise_holds)};
    return cmocka_run_group_tests_name ("engine_random", tests, NULL, NULL);
}
