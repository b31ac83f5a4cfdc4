/*  =========================================================================
    test_ranks_random - priorities, while reads come back late and memory is short

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    One queue with priorities.  Clients put, get, acknowledge by id, reject, give back, purge, move and leave, while reads
    come back in any order and the peer's disk when it likes; memory holds a few rows; now and then the peer leads.  At each
    message that is delivered:

      - no message of a higher priority is ready, and none of its own priority with a smaller id;
      - what an ACK or a REJECT was answered OK for, or what is purged with OK, is not delivered any more;

    and in the end all that was answered OK, and of which nobody has asked anything, is delivered, the count is 0, and so
    are the rows of the log, of its bitmaps and of the index.

    Ready is what was answered OK, or was delivered since, and that nobody has, or may have given away: what this broker may
    not know yet counts as not ready.

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

#include "core/base/lineage.h"
#include "rig.h"

#define WALL 1800000000000 //  the machine's clock is so far ahead of the monotonic one
#define LEASE 100
enum { STEPS = 300, MESSAGES = 2000, ASKED = 4000 };

typedef struct {
    uint64_t id;
    unsigned rank;
    bool asked;    //  somebody wants it to be gone,
    bool gone;     //  and was answered OK
    int64_t until; //  somebody has it until then
    bool found;    //  in the end
} s_message_t;

//  A request that makes messages go.
typedef struct {
    size_t first, count; //  of the messages
    bool purge;
} s_asked_t;

static struct {
    rig_t *rig;
    uint64_t random;
    unsigned ranks;
    s_message_t message[MESSAGES];
    size_t messages;
    s_asked_t asked[ASKED];
    size_t asks;
    unsigned rank[MESSAGES]; //  of the bodies of PUTs, by the PUT's number
    size_t puts;
    size_t purged;  //  of these, those that a PURGE may mean
    size_t purging; //  PURGEs that are not answered
    size_t checked; //  deliveries that were compared with others
} s_world;

static uint64_t s_seed;

static void s_look_at_answers (bool last);

static unsigned s_random (unsigned below)
{
    s_world.random ^= s_world.random << 13;
    s_world.random ^= s_world.random >> 7;
    s_world.random ^= s_world.random << 17;
    return (unsigned) (s_world.random >> 33) % below;
}

static void s_tell_time (int64_t ms)
{
    rig_t *rig = s_world.rig;
    //  Leases end one by one, and each end is a moment to deliver.
    for (; ms >= 0; ms--) {
        rig->now += ms > 0;
        zb_engine_time (rig->engine, WALL + rig->now, rig->now);
        rig_run (rig);
        s_look_at_answers (false);
    }
}

static void s_hello (void)
{
    static const char *const client[] = {"c", "p", "a", "b", "g", "h"};
    for (size_t index = 0; index < sizeof client / sizeof *client; index++)
        rig_say (s_world.rig, client[index], "HELLO|h");
}

static s_message_t *s_find (uint64_t id)
{
    for (size_t index = 0; index < s_world.messages; index++)
        if (s_world.message[index].id == id)
            return &s_world.message[index];
    return NULL;
}

//  It is known from its OK, or from its first delivery, whichever comes first.
static s_message_t *s_know (uint64_t id, size_t put)
{
    s_message_t *message = s_find (id);
    if (message || s_world.messages == MESSAGES)
        return message;
    message = &s_world.message[s_world.messages++];
    *message = (s_message_t){.id = id, .rank = s_world.rank[put], .asked = put < s_world.purged};
    return message;
}

//  The PUT's number, which its body is.
static size_t s_put_of (const zb_delivery_t *delivery)
{
    char text[20];
    snprintf (text, sizeof text, "%.*s", (int) delivery->size, (const char *) delivery->row->data + delivery->offset);
    return strtoul (text, NULL, 10);
}

static bool s_is_ready (const s_message_t *message)
{
    return !message->asked && message->until <= s_world.rig->now;
}

static void s_is_given (const zb_reply_t *reply, bool last)
{
    for (size_t index = 0; index < reply->bodies; index++) {
        s_message_t *message = s_know (reply->body[index].id, s_put_of (&reply->body[index]));
        if (!message)
            continue;
        if (message->gone)
            fail_msg ("seed %" PRIu64 ": %" PRIu64 " is there again", s_seed, message->id);
        for (size_t each = 0; each < s_world.messages; each++) {
            const s_message_t *other = &s_world.message[each];
            bool before = other->rank > message->rank || (other->rank == message->rank && other->id < message->id);
            if (before && s_is_ready (other))
                fail_msg ("seed %" PRIu64 ": %" PRIu64 " (%u) before %" PRIu64 " (%u)", s_seed, message->id,
                          message->rank, other->id, other->rank);
            s_world.checked += before;
        }
        message->until = s_world.rig->now + LEASE + 1;
        message->found = last;
    }
}

//  The answers in the order in which they were given.
static void s_look_at_answers (bool last)
{
    rig_t *rig = s_world.rig;
    rig_collect (rig);
    for (size_t index = 0; index < rig->count; index++) {
        const rig_reply_t *kept = &rig->replies[index];
        char id[40];
        snprintf (id, sizeof id, "%.*s", (int) kept->answer.id.size, (const char *) kept->answer.id.data);
        bool ok = kept->answer.status == ZB_ANSWER_OK;
        size_t number = strtoul (id + 1, NULL, 10);
        if (ok && *id == 'p')
            for (uint64_t each = kept->reply->number[0]; each <= kept->reply->number[1]; each++)
                s_know (each, number);
        if (*id == 'x') {
            const s_asked_t *asked = &s_world.asked[number];
            s_world.purging -= asked->purge;
            for (size_t each = asked->first; ok && each < asked->first + asked->count; each++)
                s_world.message[each].gone = true;
        }
        if (*id == 'g')
            s_is_given (kept->reply, last);
    }
    rig_skip (rig);
}

//  What is ready when it is said is what the answers so far have told.
static void s_say (const char *client, const char *line)
{
    rig_push (s_world.rig, client, line);
    if (s_random (2))
        rig_run (s_world.rig);
    s_look_at_answers (false);
}

static void s_put (void)
{
    if (s_world.purging)
        s_world.purged = s_world.puts + 1;
    char line[800], body[200];
    unsigned priority = s_random (3) ? s_random (10) : 0;
    s_world.rank[s_world.puts] = priority < s_world.ranks ? priority : s_world.ranks - 1;
    snprintf (body, sizeof body, "%zu %*s", s_world.puts, (int) s_random (150), "");
    snprintf (line, sizeof line, s_random (3) ? "PUT|p%zu|d|priority=%u|%s" : "PUT|p%zu|d|priority=%u|%s|%s|%s",
              s_world.puts, priority, body, body, body);
    s_world.puts++;
    s_say ("p", line);
}

static size_t s_ask (size_t first, size_t count, bool purge)
{
    assert_true (s_world.asks < ASKED);
    s_world.asked[s_world.asks] = (s_asked_t){first, count, purge};
    s_world.purging += purge;
    for (size_t each = first; each < first + count; each++)
        s_world.message[each].asked = true;
    return s_world.asks++;
}

static void s_settle (void)
{
    char line[80];
    if (s_world.messages == 0)
        return;
    size_t which = s_random ((unsigned) s_world.messages);
    for (size_t tries = 0; tries < 10 && s_world.message[which].asked; tries++)
        which = s_random ((unsigned) s_world.messages);
    snprintf (line, sizeof line, "%s|x%zu|d|%" PRIu64, s_random (8) ? "ACK" : "REJECT", s_ask (which, 1, false),
              s_world.message[which].id);
    s_say (s_random (2) ? "a" : s_random (2) ? "b" : "g", line);
}

static void s_purge (void)
{
    char line[40];
    s_world.purged = s_world.puts;
    size_t number = s_ask (0, s_world.messages, true);
    snprintf (line, sizeof line, "PURGE|x%zu|d", number);
    s_say ("c", line);
}

static void s_get (void)
{
    char line[40];
    snprintf (line, sizeof line, "GET|g|d|%u|%u|", 1 + s_random (5), s_random (2) * s_random (300));
    s_say (s_random (2) ? "g" : "h", line);
}

//  Until it is known whether it was theirs it counts as theirs.
static void s_give_back (void)
{
    char line[80];
    if (s_world.messages == 0)
        return;
    snprintf (line, sizeof line, "NACK|n|d|%" PRIu64, s_world.message[s_random ((unsigned) s_world.messages)].id);
    s_say (s_random (2) ? "g" : "h", line);
}

static void s_let_go (void)
{
    rig_t *rig = s_world.rig;
    if (s_random (3) == 0) {
        rig->stuck = false;
        rig_run (rig);
        return;
    }
    for (unsigned left = 1 + s_random (3); left && rig->reads; left--) {
        size_t which = s_random (3) ? 0 : s_random ((unsigned) rig->reads);
        zb_read_t *read = rig->read[which];
        memmove (rig->read + which, rig->read + which + 1, (--rig->reads - which) * sizeof read);
        zb_engine_loaded (rig->engine, &read, rig->now);
        if (s_random (2))
            rig_run (rig);
    }
}

static void s_flow (void)
{
    rig_t *rig = s_world.rig;
    rig->stuck = false;
    rig->sync_there = true;
    rig_sync (rig, true, true);
    rig_run (rig);
}

//  The peer leads: nobody has anything.  What is not answered may be done there, or not.
static void s_take_over (void)
{
    rig_t *rig = s_world.rig;
    rig->sync_there = true;
    rig_takeover (rig);
    s_look_at_answers (false);
    for (size_t index = 0; index < s_world.messages; index++)
        s_world.message[index].until = 0;
    rig->stuck = false;
    s_tell_time (0);
    rig_run (rig);
    s_hello ();
}

//  The store reads before it has the commits that are made.
static void s_read_first (void)
{
    rig_t *rig = s_world.rig;
    zb_read_t *read = rig->reads < 40 ? zb_engine_read (rig->engine) : NULL;
    if (read) {
        fake_store_read (rig->store, read);
        rig->read[rig->reads++] = read;
    }
}

static void s_step (void)
{
    rig_t *rig = s_world.rig;
    if (s_random (2))
        s_read_first ();
    unsigned what = s_random (100);
    if (what < 25)
        s_put ();
    else if (what < 45)
        s_get ();
    else if (what < 60)
        s_settle ();
    else if (what < 61)
        s_purge ();
    else if (what < 66)
        s_give_back ();
    else if (what < 76)
        s_tell_time (s_random (40));
    else if (what < 82)
        rig->stuck = rig->reads < 40;
    else if (what < 90)
        s_let_go ();
    else if (what < 93)
        rig->sync_there = false;
    else if (what < 97)
        s_flow ();
    else if (what < 98)
        s_take_over ();
    if (s_random (2) || rig->reads > 30)
        rig_run (rig);
    if (rig->reads > 40)
        s_flow ();
    s_look_at_answers (false);
}

//  All that is left is delivered, once more, in its order, and acknowledged.
static void s_end (void)
{
    rig_t *rig = s_world.rig;
    char line[60];
    s_flow ();
    s_look_at_answers (false);
    s_tell_time (1000);
    s_look_at_answers (false);
    if (s_random (2))
        s_take_over ();
    rig_say (rig, "z", "HELLO|h");
    for (int empty = 0; empty < 3;) {
        rig_skip (rig);
        rig_say (rig, "z", "GET|g|d|1000|0|");
        const zb_reply_t *reply = rig_last (rig)->reply;
        size_t bodies = reply->bodies;
        s_is_given (reply, true);
        uint64_t *id = (uint64_t *) calloc (bodies + 1, sizeof *id);
        assert_non_null (id);
        for (size_t index = 0; index < bodies; index++)
            id[index] = reply->body[index].id;
        for (size_t index = 0; index < bodies; index++) {
            snprintf (line, sizeof line, "ACK|a|d|%" PRIu64, id[index]);
            rig_say (rig, "z", line);
        }
        free (id);
        empty = bodies ? 0 : empty + 1;
    }
    for (size_t index = 0; index < s_world.messages; index++)
        if (!s_world.message[index].asked && !s_world.message[index].found)
            fail_msg ("seed %" PRIu64 ": %" PRIu64 " is lost", s_seed, s_world.message[index].id);
    rig_skip (rig);
    rig_say (rig, "z", "LIST|l|d");
    if (!strstr (rig_last (rig)->text, "\nmessages=0\nleased=0\n"))
        fail_msg ("seed %" PRIu64 ": %s", s_seed, rig_last (rig)->text);
    rig_say (rig, "z", "DELETE|d|d.dead");
    rig_run (rig);
    if (fake_store_rows (rig->store, ZB_LOG) || fake_store_rows (rig->store, ZB_ACKS))
        fail_msg ("seed %" PRIu64 ": rows are left", s_seed);
}

static void s_run (uint64_t seed)
{
    char line[60];
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    memset (&s_world, 0, sizeof s_world);
    s_world.random = seed * 0x9e3779b97f4a7c15 + 1;
    s_random (1);
    limits.inflight = 1 + s_random (3);
    if (s_random (2))
        limits.batch = 300;
    if (s_random (3))
        limits.window = limits.windows = 2000 + s_random (4000);
    s_world.rig = rig_ready (&limits);
    s_world.ranks = 2 + s_random (9);
    rig_t *rig = s_world.rig;
    s_tell_time (1);
    snprintf (line, sizeof line, "QUEUE|q|d|priorities=%u\nlease=%d", s_world.ranks, LEASE);
    rig_say (rig, "c", line);
    rig_expect (rig, "c> OK|q");
    s_hello ();
    for (int step = 0; step < STEPS; step++)
        s_step ();
    s_end ();
    rig_destroy (&s_world.rig);
}

static void test_many_seeds (void **state)
{
    (void) state;
    const char *seed = getenv ("ZB_SEED"), *seeds = getenv ("ZB_SEEDS");
    uint64_t from = seed ? strtoull (seed, NULL, 10) : 1, count = seed ? 1 : seeds ? strtoull (seeds, NULL, 10) : 200;
    for (uint64_t each = from; each < from + count; each++) {
        s_seed = each;
        s_run (each);
    }
    assert_true (seed || s_world.checked);
}

int main (void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test (test_many_seeds)};
    return cmocka_run_group_tests (tests, NULL, NULL);
}
