/*  =========================================================================
    test_lane_random - messages with a delay, while reads come back late

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    One queue, in which some messages have a delay.  Clients put, get, take back by id, reject, give back, purge and look, while
    reads come back in any order and the peer's disk when it likes; now and then the peer leads.  At each answer:

      - what an ACK or a REJECT was answered OK for, or what is purged with OK, is not delivered any more, nor seen;
      - nothing is early;

    and in the end all that was answered OK, and of which nobody has asked anything, is delivered, the count is 0, and so
    are the rows.

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
enum { STEPS = 300, MESSAGES = 2000, ASKED = 4000 };

typedef struct {
    uint64_t id;
    int64_t due;
    bool asked;  //  somebody wants it to be gone,
    bool gone;   //  and was answered OK,
    size_t when; //  in this step
    bool found;  //  in the end
} s_message_t;

//  A request that makes messages go.
typedef struct {
    size_t first, count; //  of the messages
    bool purge;
} s_asked_t;

static struct {
    rig_t *rig;
    uint64_t random;
    s_message_t message[MESSAGES];
    size_t messages;
    s_asked_t asked[ASKED];
    size_t asks;
    int64_t due[MESSAGES]; //  of the bodies of PUTs, by the PUT's number
    size_t step;
    size_t puts;
    size_t purged;  //  of these, those that a PURGE may mean
    size_t purging; //  PURGEs that are not answered
} s_world;

static uint64_t s_seed;

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
    rig->now += ms;
    zb_engine_time (rig->engine, WALL + rig->now, rig->now);
}

static void s_hello (void)
{
    static const char *const client[] = {"c", "p", "a", "b", "g", "h"};
    for (size_t index = 0; index < sizeof client / sizeof *client; index++)
        rig_say (s_world.rig, client[index], "HELLO|h");
}

//  NULL: its PUT was not answered.
static s_message_t *s_find (uint64_t id)
{
    for (size_t index = 0; index < s_world.messages; index++)
        if (s_world.message[index].id == id)
            return &s_world.message[index];
    return NULL;
}

static void s_put_is_answered (const zb_reply_t *reply, size_t put)
{
    for (uint64_t id = reply->number[0]; id <= reply->number[1] && s_world.messages < MESSAGES; id++)
        s_world.message[s_world.messages++] =
            (s_message_t){.id = id, .due = s_world.due[put], .asked = put < s_world.purged};
}

//  What a GET, or a PEEK that was asked in this step, was given.
static void s_is_given (const zb_reply_t *reply, bool delivered, size_t step, bool last)
{
    for (size_t index = 0; index < reply->bodies; index++) {
        s_message_t *message = s_find (reply->body[index].id);
        if (message && message->gone && (delivered || message->when < step))
            fail_msg ("seed %" PRIu64 ": %" PRIu64 " is there again", s_seed, message->id);
        if (message && delivered && s_world.rig->now < message->due)
            fail_msg ("seed %" PRIu64 ": %" PRIu64 " is early", s_seed, message->id);
        if (message)
            message->found = last;
    }
}

static void s_look_at_answers (bool last)
{
    rig_t *rig = s_world.rig;
    rig_collect (rig);
    for (size_t index = 0; index < rig->count; index++) {
        const rig_reply_t *kept = &rig->replies[index];
        char id[40];
        snprintf (id, sizeof id, "%.*s", (int) kept->answer.id.size, (const char *) kept->answer.id.data);
        bool ok = kept->answer.status == ZB_ANSWER_OK;
        if (ok && *id == 'p')
            s_put_is_answered (kept->reply, strtoul (id + 1, NULL, 10));
        if (*id == 'x') {
            const s_asked_t *asked = &s_world.asked[strtoul (id + 1, NULL, 10)];
            s_world.purging -= asked->purge;
            for (size_t each = asked->first; ok && each < asked->first + asked->count; each++)
                if (!s_world.message[each].gone) {
                    s_world.message[each].gone = true;
                    s_world.message[each].when = s_world.step;
                }
        }
        if (*id == 'g' || *id == 'k')
            s_is_given (kept->reply, *id == 'g', strtoul (id + 1, NULL, 10), last);
    }
    rig_skip (rig);
}

static void s_say (const char *client, const char *line)
{
    rig_push (s_world.rig, client, line);
    if (s_random (2))
        rig_run (s_world.rig);
}

static void s_put (void)
{
    if (s_world.purging)
        s_world.purged = s_world.puts + 1;
    char line[80], delay[30] = "";
    unsigned ms = s_random (3) ? s_random (4) * 20 : s_random (200);
    if (s_random (4))
        snprintf (delay, sizeof delay, "delay=%u", ms);
    else
        ms = 0;
    s_world.due[s_world.puts] = s_world.rig->now + ms;
    snprintf (line, sizeof line, "PUT|p%zu|d|%s|%s", s_world.puts++, delay, s_random (3) ? "one" : "one|two|three");
    s_say ("p", line);
}

//  They may be gone from here on: which of them, the answer to the request of this number says.
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
    size_t newest = s_world.messages < 12 ? s_world.messages : 12;
    size_t which = s_world.messages - 1 - s_random ((unsigned) newest);
    snprintf (line, sizeof line, "%s|x%zu|d|%" PRIu64, s_random (8) ? "ACK" : "REJECT", s_ask (which, 1, false),
              s_world.message[which].id);
    s_say (s_random (2) ? "a" : s_random (2) ? "b" : "g", line);
}

static void s_purge (void)
{
    char line[40];
    //  What is not answered yet may go, too, and what is put before this one is.
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

static void s_give_back (void)
{
    char line[80];
    if (s_world.messages == 0)
        return;
    snprintf (line, sizeof line, "NACK|n|d|%" PRIu64, s_world.message[s_random ((unsigned) s_world.messages)].id);
    s_say (s_random (2) ? "g" : "h", line);
}

static void s_peek (void)
{
    char line[40];
    snprintf (line, sizeof line, "PEEK|k%zu|d|first|50", s_world.step);
    s_say ("h", line);
}

//  Some of the reads come back, the oldest first or not; or all, and from then on at once.
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

//  The peer leads.  What is not answered may be done there, or not.
static void s_take_over (void)
{
    rig_t *rig = s_world.rig;
    rig->sync_there = true;
    rig_takeover (rig);
    s_look_at_answers (false);
    rig->stuck = false;
    s_tell_time (0);
    rig_run (rig);
    s_hello ();
}

static void s_step (void)
{
    rig_t *rig = s_world.rig;
    unsigned what = s_random (100);
    if (what < 20)
        s_put ();
    else if (what < 40)
        s_get ();
    else if (what < 55)
        s_settle ();
    else if (what < 58)
        s_purge ();
    else if (what < 62)
        s_peek ();
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

//  All that is left is delivered, once more, and acknowledged.
static void s_end (void)
{
    rig_t *rig = s_world.rig;
    char line[60];
    s_flow ();
    s_tell_time (1000);
    rig_run (rig);
    s_look_at_answers (false);
    if (s_random (2))
        s_take_over ();
    s_tell_time (60000);
    rig_run (rig);
    s_look_at_answers (false);
    rig_say (rig, "z", "HELLO|h");
    for (int empty = 0; empty < 3;) {
        rig_skip (rig);
        rig_say (rig, "z", "GET|g|d|1000|10|");
        s_tell_time (10);
        rig_run (rig);
        const zb_reply_t *reply = rig_last (rig)->reply;
        size_t bodies = reply->bodies;
        s_is_given (reply, true, 0, true);
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
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    memset (&s_world, 0, sizeof s_world);
    s_world.random = seed * 0x9e3779b97f4a7c15 + 1;
    s_random (1);
    limits.inflight = 1 + s_random (3);
    if (s_random (2))
        limits.batch = 300;
    if (s_random (2))
        limits.window = limits.windows = 2000 + s_random (4000);
    s_world.rig = rig_ready (&limits);
    rig_t *rig = s_world.rig;
    s_tell_time (1);
    rig_say (rig, "c", "QUEUE|q|d|delay=0");
    rig_expect (rig, "c> OK|q");
    s_hello ();
    for (; s_world.step < STEPS; s_world.step++)
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
}

int main (void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test (test_many_seeds)};
    return cmocka_run_group_tests (tests, NULL, NULL);
}
