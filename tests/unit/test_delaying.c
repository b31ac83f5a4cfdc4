/*  =========================================================================
    test_delaying - messages that are not due yet

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/base/bytes.h"
#include "core/base/lineage.h"
#include "core/queue/lane.h"
#include "core/queue/timing.h"
#include "rig.h"

#define WALL 1800000000000 //  the machine's clock is so far ahead of the monotonic one

//  Time passes, and both clocks of a machine tell it, whose wall clock is so far ahead.
static void s_pass_at (rig_t *rig, int64_t ahead, int64_t ms)
{
    zb_engine_time (rig->engine, WALL + ahead + rig->now, rig->now);
    rig->now += ms;
    zb_engine_time (rig->engine, WALL + ahead + rig->now, rig->now);
    rig_run (rig);
}

static void s_pass (rig_t *rig, int64_t ms)
{
    s_pass_at (rig, 0, ms);
}

//  A queue `d` in which messages may have a delay.
static rig_t *s_delayed (const char *options, const zb_limits_t *limits)
{
    rig_t *rig = rig_ready (limits);
    char line[200];
    s_pass (rig, 1);
    snprintf (line, sizeof line, "QUEUE|q|d|%s", options);
    rig_say (rig, "c", line);
    rig_expect (rig, "c> OK|q");
    return rig;
}

//  Another one leads.
static void s_take_over (rig_t *rig)
{
    rig_takeover (rig);
    s_pass (rig, 0);
    rig_say (rig, "c", "HELLO|h");
    rig_skip (rig);
}

//  The same by machines whose clocks differ: the one that leads is so far ahead, and its peer's from there.
static void s_take_over_at (rig_t *rig, int64_t ahead, int64_t apart)
{
    int64_t wall = WALL + ahead + rig->now;
    rig_takeover (rig);
    zb_engine_peer_time (rig->engine, 0, (uint64_t) (wall + apart), wall);
    s_pass_at (rig, ahead, 0);
    rig_say (rig, "c", "HELLO|h");
    rig_skip (rig);
}

static void test_the_properties (void **state)
{
    (void) state;
    zb_delay_t delay;
    assert_null (zb_delay_read (&delay, zb_frame ("a=1\ndelay=3155760000000\nb=2")));
    assert_true (delay.told && delay.delay == ZB_DELAY_MOST && delay.due == 0);
    assert_null (zb_delay_read (&delay, zb_frame ("due=253402300799999")));
    assert_true (delay.told && delay.due == ZB_DUE_MOST && delay.delay == 0);
    assert_null (zb_delay_read (&delay, zb_frame ("delayed=1\nDue=2")));
    assert_false (delay.told);
    static const char *const bad[] = {
        "delay=", "delay=-1",         "delay=1s",       "delay=3155760000001", "due=0", "due=253402300800000",
        "due=",   "delay=1\ndelay=1", "delay=1\ndue=2", "due=1\ndue=1"};
    for (size_t index = 0; index < sizeof bad / sizeof *bad; index++) {
        assert_non_null (zb_delay_read (&delay, zb_frame (bad[index])));
        assert_false (delay.told);
    }
}

static void test_the_rows (void **state)
{
    (void) state;
    uint8_t key[ZB_LANE_KEY_SIZE];
    zb_log_head_t head = {.form = 2, .first = 77, .time = 5, .n = 9};
    zb_frame_t body = zb_frame ("body");
    zb_piece_t piece = {.first = 77, .count = 1};
    zb_found_t found = {.row = zb_row_new (200)};
    zb_log_begin (found.row, &head);
    zb_log_append (found.row, &piece, &body);
    zb_lane_key (3, 9, 77, key);
    memcpy (found.key, key, sizeof key);
    found.key_size = sizeof key;
    uint64_t due = 0, id = 0;
    assert_int_equal (zb_lane_decode (&found, 3, &due, &id), 0);
    assert_true (due == 9 && id == 77);
    //  Of another queue, of another time, of another id, cut, or no row.
    assert_int_equal (zb_lane_decode (&found, 4, &due, &id), -1);
    zb_lane_key (3, 8, 77, found.key);
    assert_int_equal (zb_lane_decode (&found, 3, &due, &id), -1);
    zb_lane_key (3, 9, 76, found.key);
    assert_int_equal (zb_lane_decode (&found, 3, &due, &id), -1);
    memcpy (found.key, key, sizeof key);
    found.key_size--;
    assert_int_equal (zb_lane_decode (&found, 3, &due, &id), -1);
    found.key_size++;
    found.row->size = 3;
    assert_int_equal (zb_lane_decode (&found, 3, &due, &id), -1);
    //  In the order of queue, time and id; before all logs.
    uint8_t other[ZB_LANE_KEY_SIZE];
    zb_lane_key (3, 10, 1, other);
    assert_true (memcmp (key, other, sizeof key) < 0);
    zb_lane_key (3, 9, 78, other);
    assert_true (memcmp (key, other, sizeof key) < 0);
    zb_lane_key (4, 1, 1, other);
    assert_true (memcmp (key, other, sizeof key) < 0);
    zb_log_key (1, 0, other);
    assert_true (memcmp (key, other, ZB_LOG_KEY_SIZE) < 0);
    //  The index.
    zb_lane_index_key (3, 77, found.key);
    found.key_size = ZB_LANE_INDEX_SIZE;
    uint32_t bytes = 0;
    found.row->size = 12;
    zb_put64 (found.row->data, 9);
    zb_put32 (found.row->data + 8, 4);
    assert_int_equal (zb_lane_index_decode (&found, 3, &due, &id, &bytes), 0);
    assert_true (due == 9 && id == 77 && bytes == 4);
    assert_int_equal (zb_lane_index_decode (&found, 2, &due, &id, &bytes), -1);
    zb_put64 (found.row->data, 0);
    assert_int_equal (zb_lane_index_decode (&found, 3, &due, &id, &bytes), -1);
    found.row->size = 11;
    assert_int_equal (zb_lane_index_decode (&found, 3, &due, &id, &bytes), -1);
    zb_row_unref (&found.row);
}

static void test_bad_values (void **state)
{
    (void) state;
    rig_t *rig = s_delayed ("delay=0\nexpires=0", NULL);
    rig_say (rig, "n", "HELLO|h|till||");
    rig_say (rig, "c", "TOPIC|t|news|");
    rig_skip (rig);
    rig_say (rig, "n", "PUT|1|d|delay=soon|x");
    rig_expect (rig, "n> ERR|1|400|delay is a number of milliseconds*");
    rig_say (rig, "n", "PUT|1|d|delay=1\ndue=2|x");
    rig_expect (rig, "n> ERR|1|400|delay and due: one of them, and once");
    rig_say (rig, "n", "PUT|1|d|delay=10\nexpires=10|x");
    rig_expect (rig, "n> ERR|1|400|it would expire before it is due");
    rig_say (rig, "n", "PUT|1|news|delay=10|x");
    rig_expect (rig, "n> ERR|1|400|delay and due: not in a topic");
    rig_say (rig, "n", "QUEUE|q|d|delay=3155760000001");
    rig_expect (rig, "n> ERR|q|400|delay is a number of milliseconds, 0 for the default");
    //  The number is still free.
    rig_say (rig, "n", "PUT|1|d|delay=10\nexpires=11|x");
    rig_expect (rig, "n> OK|1|both|1:1|1:1");
    zb_engine_level (rig->engine, 3);
    rig_say (rig, "n", "QUEUE|q|u|delay=0");
    rig_expect (rig, "n> ERR|q|503|the store is of level 3, and this takes level 4*");
    rig_destroy (&rig);
}

//  Elsewhere it is a program's own property, whatever it says.
static void test_only_where_the_option_was_named (void **state)
{
    (void) state;
    rig_t *rig = s_delayed ("lease=0", NULL);
    rig_say (rig, "c", "PUT|p|d|delay=soon\ndue=1\ndue=2|1");
    rig_expect (rig, "c> OK|p|both|1:1|1:1");
    rig_say (rig, "c", "GET|g|d|9|0|");
    rig_expect (rig, "c> MSG|g|both|d|1:1 1\tdelay=soon\tdue=1\tdue=2|1");
    rig_destroy (&rig);
}

//  Nothing is early, and nothing waits behind what is due later.
static void test_delivered_when_it_is_due (void **state)
{
    (void) state;
    rig_t *rig = s_delayed ("delay=0", NULL);
    rig_say (rig, "c", "PUT|p|d|delay=1000|late");
    rig_expect (rig, "c> OK|p|both|1:1|1:1");
    rig_say (rig, "c", "PUT|p|d|delay=100|soon");
    rig_say (rig, "c", "PUT|p|d||now");
    rig_skip (rig);
    rig_say (rig, "c", "GET|g|d|9|0|");
    rig_expect (rig, "c> MSG|g|both|d|1:3 1|now");
    rig_say (rig, "c", "GET|g|d|9|5000|");
    s_pass (rig, 99);
    rig_expect (rig, NULL);
    s_pass (rig, 1);
    rig_expect (rig, "c> MSG|g|both|d|1:2 1\tdelay=100|soon");
    rig_say (rig, "c", "GET|g|d|9|0|");
    rig_expect (rig, "c> MSG|g|both|d|");
    s_pass (rig, 899);
    rig_say (rig, "c", "GET|g|d|9|0|");
    rig_expect (rig, "c> MSG|g|both|d|");
    s_pass (rig, 1);
    rig_say (rig, "c", "GET|g|d|9|0|");
    rig_expect (rig, "c> MSG|g|both|d|1:1 1\tdelay=1000|late");
    rig_say (rig, "c", "ACK|a|d|1:1 1:2 1:3");
    rig_expect (rig, "c> OK|a|both");
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 0);
    rig_destroy (&rig);
}

//  The order is that of time, also of what nobody asked for when it became due.
static void test_in_the_order_of_time (void **state)
{
    (void) state;
    rig_t *rig = s_delayed ("delay=400", NULL);
    char line[100];
    static const int delay[] = {300, 100, 200, 150, 50, 250};
    for (int put = 0; put < 6; put++) {
        snprintf (line, sizeof line, "PUT|p|d|delay=%d|%d", delay[put], delay[put]);
        rig_say (rig, "c", line);
    }
    //  By the wall clock; the default; and one with several messages.
    snprintf (line, sizeof line, "PUT|p|d|due=%" PRId64 "|120", WALL + rig->now + 120);
    rig_say (rig, "c", line);
    rig_say (rig, "c", "PUT|p|d||400|400");
    rig_say (rig, "c", "PUT|p|d|due=1|now");
    s_pass (rig, 400);
    rig_skip (rig);
    static const char *const order[] = {
        "1:10 1\tdue=1|now",    "1:5 1\tdelay=50|50",   "1:2 1\tdelay=100|100", "1:7 1\tdue=*", "1:4 1\tdelay=150|150",
        "1:3 1\tdelay=200|200", "1:6 1\tdelay=250|250", "1:1 1\tdelay=300|300", "1:8 1|400",    "1:9 1|400"};
    for (size_t index = 0; index < sizeof order / sizeof *order; index++) {
        rig_say (rig, "c", "GET|g|d|1|0|");
        snprintf (line, sizeof line, "c> MSG|g|both|d|%s", order[index]);
        rig_expect (rig, line);
    }
    rig_say (rig, "c", "GET|g|d|9|0|");
    rig_expect (rig, "c> MSG|g|both|d|");
    rig_destroy (&rig);
}

//  A backlog does not hold up what is due.
static void test_not_behind_a_backlog (void **state)
{
    (void) state;
    rig_t *rig = s_delayed ("delay=0", NULL);
    rig_say (rig, "c", "PUT|p|d|delay=10|due");
    for (int put = 0; put < 20; put++)
        rig_put (rig, "c", "p", "d", 10, 10);
    s_pass (rig, 10);
    rig_skip (rig);
    rig_say (rig, "c", "GET|g|d|1|0|");
    rig_say (rig, "c", "GET|g|d|1|0|");
    rig_expect (rig, "c> MSG|g|both|d|1:2 1|*");
    rig_expect (rig, "c> MSG|g|both|d|1:1 1\tdelay=10|due");
    rig_destroy (&rig);
}

//  Nor does one that became due before, and is amid the backlog.
static void test_not_behind_one_amid_a_backlog (void **state)
{
    (void) state;
    for (int round = 0; round < 2; round++) {
        rig_t *rig = s_delayed ("delay=0", NULL);
        rig_say (rig, "c", "PUT|p|d|delay=200|second");
        for (int put = 0; put < 10; put++)
            rig_say (rig, "c", "PUT|p|d||x");
        rig_say (rig, "c", "PUT|p|d|delay=100|first");
        for (int put = 0; put < 10; put++)
            rig_say (rig, "c", "PUT|p|d||x");
        s_pass (rig, 100);
        rig_skip (rig);
        rig_say (rig, "c", "GET|g|d|1|0|");
        rig_expect (rig, "c> MSG|g|both|d|1:2 1|x");
        if (round)
            s_take_over (rig);
        s_pass (rig, 100);
        rig_say (rig, "c", "GET|g|d|1|0|");
        rig_say (rig, "c", "GET|g|d|1|0|");
        rig_expect (rig, round ? "c> MSG|g|both|d|1:2 1|x" : "c> MSG|g|both|d|1:3 1|x");
        rig_expect (rig, "c> MSG|g|both|d|1:1 1\tdelay=200|second");
        rig_destroy (&rig);
    }
}

//  Nor where a consumer takes it faster than it is read.
static void test_not_behind_a_backlog_that_is_read (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.window = limits.windows = 40000;
    rig_t *rig = s_delayed ("delay=0", &limits);
    rig_say (rig, "c", "PUT|p|d|delay=100|due");
    for (int put = 0; put < 100; put++) {
        rig_put (rig, "c", "p", "d", 1, 3000);
        rig_run (rig);
    }
    s_take_over (rig);
    s_pass (rig, 100);
    rig->stuck = true;
    rig_say (rig, "c", "GET|g|d|1|90000|");
    bool found = false;
    int reads = 0;
    uint64_t last = zb_epoch_base (1, 1) + 2;
    char line[60];
    for (; !found && rig->reads; reads++) {
        zb_read_t *read = rig->read[0];
        memmove (rig->read, rig->read + 1, --rig->reads * sizeof read);
        zb_engine_loaded (rig->engine, &read, rig->now);
        rig_run (rig);
        for (int get = 0; get < 9; get++)
            rig_say (rig, "c", "GET|g|d|9|90000|");
        //  All that it has.
        for (size_t index = 0; index < rig->count; index++) {
            const zb_reply_t *reply = rig->replies[index].reply;
            uint64_t id = reply->bodies ? reply->body[reply->bodies - 1].id : 0;
            last = id > last ? id : last;
            found = found || strstr (rig->replies[index].text, "|due");
        }
        rig_skip (rig);
        snprintf (line, sizeof line, "ACK|a|d|1:2..%" PRIu64, last);
        rig_say (rig, "c", line);
    }
    assert_true (found);
    assert_true (reads < 9);
    rig_destroy (&rig);
}

//  Nor does one that fills all memory there is, while a consumer has some of it.
static void test_not_behind_a_backlog_that_fills_memory (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.window = 1 << 20;
    rig_t *rig = s_delayed ("delay=0", &limits);
    rig_say (rig, "c", "PUT|p|d|delay=100|due");
    for (int put = 0; put < 100; put++) {
        rig_put (rig, "c", "p", "d", 1, 20000);
        rig_run (rig);
    }
    rig_say (rig, "c", "GET|g|d|1|0|");
    s_pass (rig, 100);
    rig_say (rig, "c", "GET|g|d|1|0|");
    rig_skip (rig);
    rig_say (rig, "c", "GET|g|d|1|0|");
    rig_expect (rig, "c> MSG|g|both|d|1:1 1\tdelay=100|due");
    rig_destroy (&rig);
}

//  What is on disk is all that a new leader needs.
static void test_takeover_and_restart (void **state)
{
    (void) state;
    rig_t *rig = s_delayed ("delay=0", NULL);
    rig_say (rig, "c", "PUT|p|d|delay=1000|one");
    rig_say (rig, "c", "PUT|p|d|delay=500|two");
    s_pass (rig, 300);
    s_take_over (rig);
    rig_say (rig, "c", "GET|g|d|9|5000|");
    s_pass (rig, 199);
    rig_expect (rig, NULL);
    s_pass (rig, 1);
    rig_expect (rig, "c> MSG|g|both|d|1:2 1\tdelay=500|two");
    //  It was inserted, and is in the log now.
    rig_restart (rig);
    s_pass (rig, 0);
    rig_say (rig, "c", "HELLO|h");
    rig_skip (rig);
    rig_say (rig, "c", "GET|g|d|9|0|");
    rig_expect (rig, "c> MSG|g|both|d|1:2 1\tdelay=500|two");
    rig_say (rig, "c", "ACK|a|d|1:2");
    rig_expect (rig, "c> OK|a|both");
    //  Time passes while nobody leads.
    rig->now += 10000;
    s_take_over (rig);
    rig_say (rig, "c", "GET|g|d|9|0|");
    rig_expect (rig, "c> MSG|g|both|d|1:1 1\tdelay=1000|one");
    rig_say (rig, "c", "ACK|a|d|1:1");
    rig_expect (rig, "c> OK|a|both");
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 0);
    rig_destroy (&rig);
}

//  Each lead begins a step ahead of the one before, and many in a row do not make anything early.
static void test_many_leads (void **state)
{
    (void) state;
    rig_t *rig = s_delayed ("delay=0", NULL);
    rig_say (rig, "c", "PUT|p|d|delay=6000|one");
    int64_t begin = rig->now;
    for (int lead = 0; lead < 5; lead++) {
        s_pass (rig, 100);
        rig_say (rig, "c", "PUT|p|q||x");
        s_take_over (rig);
    }
    rig_say (rig, "c", "PUT|p|d|delay=1000|two");
    rig_skip (rig);
    rig_say (rig, "c", "GET|g|d|9|20000|");
    s_pass (rig, 999);
    rig_expect (rig, NULL);
    s_pass (rig, 1);
    rig_expect (rig, "c> MSG|g|both|d|*");
    rig_say (rig, "c", "GET|g|d|9|20000|");
    s_pass (rig, begin + 5999 - rig->now);
    rig_expect (rig, NULL);
    s_pass (rig, 1);
    rig_expect (rig, "c> MSG|g|both|d|1:1 1\tdelay=6000|one");
    rig_destroy (&rig);
}

//  A delay is counted from the pair's time where the other machine, whose clock is ahead, may lead before it is over.
static void test_clocks_that_differ (void **state)
{
    (void) state;
    rig_t *rig = s_delayed ("delay=0", NULL);
    s_pass_at (rig, 5000, 0);
    s_take_over_at (rig, 5000, 0);
    rig_say (rig, "c", "PUT|p|q||x");
    s_take_over_at (rig, 0, 5000);
    rig_say (rig, "c", "PUT|p|d|delay=3000|one");
    s_pass_at (rig, 0, 1000);
    rig_skip (rig);
    s_take_over_at (rig, 5000, -5000);
    rig_say (rig, "c", "GET|g|d|9|20000|");
    s_pass_at (rig, 5000, 1999);
    rig_expect (rig, NULL);
    s_pass_at (rig, 5000, 1001);
    rig_expect (rig, "c> MSG|g|both|d|3:1 1\tdelay=3000|one");
    rig_say (rig, "c", "ACK|a|d|3:1");
    rig_skip (rig);
    //  One that would be over by then is due as if the clocks agreed.
    s_take_over_at (rig, 0, 5000);
    rig_say (rig, "c", "QUEUE|q|d|expires=0");
    rig_say (rig, "c", "PUT|p|d|delay=100\nexpires=1000|two");
    rig_skip (rig);
    rig_say (rig, "c", "GET|g|d|9|20000|");
    s_pass_at (rig, 0, 99);
    rig_expect (rig, NULL);
    s_pass_at (rig, 0, 1);
    rig_expect (rig, "c> MSG|g|both|d|5:1 1\tdelay=100\texpires=1000|two");
    rig_destroy (&rig);
}

//  What the leader before had put into the log goes before what is due later, though its id is larger.
static void test_the_order_over_a_takeover (void **state)
{
    (void) state;
    rig_t *rig = s_delayed ("delay=0", NULL);
    rig_say (rig, "c", "PUT|p|d|delay=300|300");
    rig_say (rig, "c", "PUT|p|d|delay=100|100");
    rig_say (rig, "c", "PUT|p|d|delay=200|200");
    s_pass (rig, 200);
    rig_skip (rig);
    rig_say (rig, "c", "GET|g|d|1|0|");
    rig_expect (rig, "c> MSG|g|both|d|1:2 1\tdelay=100|100");
    s_take_over (rig);
    s_pass (rig, 100);
    static const char *const order[] = {"1:2 1\tdelay=100|100", "1:3 1\tdelay=200|200", "1:1 1\tdelay=300|300"};
    for (size_t index = 0; index < 3; index++) {
        char line[100];
        rig_say (rig, "c", "GET|g|d|1|0|");
        snprintf (line, sizeof line, "c> MSG|g|both|d|%s", order[index]);
        rig_expect (rig, line);
    }
    rig_destroy (&rig);
}

//  What was inserted and is not on the peer is not shown, and is in the lane again if it never gets there.
static void test_a_takeover_amid_the_insertion (void **state)
{
    (void) state;
    rig_t *rig = s_delayed ("delay=0", NULL);
    rig_say (rig, "c", "PUT|p|d|delay=100|one");
    rig_skip (rig);
    rig->sync_there = false;
    rig_say (rig, "c", "GET|g|d|9|5000|");
    s_pass (rig, 100);
    rig_expect (rig, NULL);
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 1);
    rig->sync_there = true;
    s_take_over (rig);
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 2);
    rig_say (rig, "c", "GET|g|d|9|0|");
    rig_expect (rig, "c> MSG|g|both|d|1:1 1\tdelay=100|one");
    rig_destroy (&rig);
}

//  A range does not cover what is not due, nor what became so and nobody has got; an id does.
static void test_acknowledged (void **state)
{
    (void) state;
    rig_t *rig = s_delayed ("delay=0", NULL);
    rig_say (rig, "c", "PUT|p|d||one");
    rig_say (rig, "c", "PUT|p|d|delay=100|two");
    rig_say (rig, "c", "PUT|p|d||three");
    rig_say (rig, "c", "PUT|p|d|delay=100|four");
    rig_skip (rig);
    rig_say (rig, "c", "GET|g|d|9|0|");
    rig_expect (rig, "c> MSG|g|both|d|1:1 1\n1:3 1|one|three");
    rig_say (rig, "c", "ACK|a|d|1:1..1:4");
    rig_expect (rig, "c> OK|a|both");
    //  Not wanted any more.
    rig_say (rig, "c", "ACK|a|d|1:4");
    rig_expect (rig, "c> OK|a|both");
    rig_say (rig, "c", "ACK|a|d|1:4");
    rig_expect (rig, "c> OK|a|both");
    rig_say (rig, "c", "LIST|l|d");
    rig_expect (rig, "c> OK|l|d|lease=30000\nmax-messages=0\nmessages=1\nleased=0\nwaiting=0\ngrace=5000\ndelay=0\n"
                     "delayed=1");
    rig_say (rig, "c", "PUT|p|d||five");
    rig_skip (rig);
    rig_say (rig, "c", "GET|g|d|9|0|");
    rig_expect (rig, "c> MSG|g|both|d|1:5 1|five");
    //  Now it is due and in the log, and still nobody has it.
    s_pass (rig, 100);
    rig_say (rig, "x", "HELLO|h");
    rig_say (rig, "x", "GET|g|d|1|0|");
    rig_skip (rig);
    rig_say (rig, "x", "NACK|n|d|1:2");
    rig_skip (rig);
    rig_say (rig, "c", "ACK|a|d|1:1..1:5");
    rig_expect (rig, "c> OK|a|both");
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 0);
    rig_destroy (&rig);
}

static void test_a_range_over_what_became_due (void **state)
{
    (void) state;
    rig_t *rig = s_delayed ("delay=0", NULL);
    rig_say (rig, "c", "PUT|p|d||one");
    rig_say (rig, "c", "PUT|p|d|delay=100|two");
    rig_say (rig, "c", "PUT|p|d||three");
    rig_skip (rig);
    rig_say (rig, "c", "GET|g|d|9|0|");
    rig_expect (rig, "c> MSG|g|both|d|1:1 1\n1:3 1|one|three");
    rig_say (rig, "c", "PUT|p|d||four");
    rig_say (rig, "c", "PUT|p|d||five");
    rig_skip (rig);
    s_pass (rig, 100);
    //  This one takes four, and has the one that is due inserted.
    rig_say (rig, "c", "GET|g|d|1|0|");
    rig_expect (rig, "c> MSG|g|both|d|1:4 1|four");
    rig_say (rig, "c", "ACK|a|d|1:1..1:4");
    rig_expect (rig, "c> OK|a|both");
    rig_say (rig, "c", "GET|g|d|9|0|");
    rig_expect (rig, "c> MSG|g|both|d|1:2 1\tdelay=100\n1:5 1|two|five");
    rig_say (rig, "c", "ACK|a|d|1:2..1:5");
    rig_expect (rig, "c> OK|a|both");
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 0);
    //  Not wanted any more, when it is on its way into the log, and to who has waited for it.
    rig_say (rig, "c", "PUT|p|d|delay=100|six");
    rig_skip (rig);
    rig->sync_there = false;
    rig_say (rig, "c", "GET|g|d|9|5000|");
    s_pass (rig, 100);
    rig_say (rig, "x", "HELLO|h");
    rig_say (rig, "x", "ACK|a|d|1:6");
    rig->sync_there = true;
    rig_sync (rig, true, true);
    rig_run (rig);
    rig_expect (rig, "x> OK|h|*");
    rig_expect (rig, "c> MSG|g|both|d|1:6 1\tdelay=100|six");
    rig_expect (rig, "x> OK|a|both");
    rig_expect (rig, NULL);
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 0);
    rig_say (rig, "x", "LIST|l|d");
    rig_expect (rig, "x> OK|l|d|lease=30000\nmax-messages=0\nmessages=0\n*");
    rig_destroy (&rig);
}

//  One that was inserted and delivered to nobody is not lost in a range that is sent to the next leader.
static void test_a_range_after_a_takeover (void **state)
{
    (void) state;
    rig_t *rig = s_delayed ("delay=0", NULL);
    rig_say (rig, "c", "PUT|p|d||one");
    rig_say (rig, "c", "PUT|p|d|delay=100|two");
    rig_say (rig, "c", "PUT|p|d||three");
    rig_say (rig, "c", "PUT|p|d||four");
    s_pass (rig, 100);
    rig_skip (rig);
    //  It is in the log when this is answered.
    rig_say (rig, "c", "GET|g|d|1|0|");
    rig_expect (rig, "c> MSG|g|both|d|1:1 1|one");
    s_take_over (rig);
    rig_say (rig, "c", "ACK|a|d|1:1..1:3");
    rig_expect (rig, "c> OK|a|both");
    rig_say (rig, "c", "GET|g|d|9|0|");
    rig_expect (rig, "c> MSG|g|both|d|1:2 1\tdelay=100\n1:4 1|two|four");
    //  Ids that are named one by one are meant.
    s_take_over (rig);
    rig_say (rig, "c", "ACK|a|d|1:2 1:3 1:4");
    rig_expect (rig, "c> OK|a|both");
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 0);
    rig_destroy (&rig);
}

//  LIST says of a queue, whether it is in memory or not, how many of its messages are not due, or not asked for since.
static void s_expect_delayed (rig_t *rig, unsigned messages, unsigned delayed)
{
    char line[200];
    snprintf (
        line, sizeof line,
        "c> OK|l|d|lease=30000\nmax-messages=0\nmessages=%u\nleased=0\nwaiting=0\ngrace=5000\ndelay=0\ndelayed=%u",
        messages, delayed);
    rig_skip (rig);
    rig_say (rig, "c", "LIST|l|d");
    rig_expect (rig, line);
}

static void test_counted (void **state)
{
    (void) state;
    rig_t *rig = s_delayed ("delay=0", NULL);
    s_expect_delayed (rig, 0, 0);
    rig_say (rig, "c", "PUT|p|d|delay=100|one|two|three");
    rig_say (rig, "c", "PUT|p|d|delay=300|four|five");
    rig_say (rig, "c", "PUT|p|d||six|seven");
    s_expect_delayed (rig, 7, 5);
    //  Taken back, and not twice.
    rig_say (rig, "c", "ACK|a|d|1:2 1:5");
    rig_say (rig, "c", "ACK|a|d|1:2");
    s_expect_delayed (rig, 5, 3);
    s_take_over (rig);
    s_expect_delayed (rig, 5, 3);
    //  Due, and nobody gets; then somebody does.
    s_pass (rig, 200);
    s_expect_delayed (rig, 5, 3);
    rig_say (rig, "c", "GET|g|d|1|0|");
    rig_skip (rig);
    rig_say (rig, "c", "NACK|n|d|1:1");
    rig_say (rig, "c", "NACK|n|d|1:6");
    s_expect_delayed (rig, 5, 1);
    rig_restart (rig);
    s_pass (rig, 0);
    rig_say (rig, "c", "HELLO|h");
    s_expect_delayed (rig, 5, 1);
    //  What is purged is not delayed, what is put behind that is.
    rig_say (rig, "c", "PUT|p|d|delay=100|eight");
    rig_say (rig, "c", "PURGE|x|d");
    rig_say (rig, "c", "PUT|p|d|delay=100|nine");
    s_expect_delayed (rig, 1, 1);
    s_take_over (rig);
    s_expect_delayed (rig, 1, 1);
    s_pass (rig, 1000);
    rig_say (rig, "c", "GET|g|d|9|5000|");
    rig_skip (rig);
    rig_say (rig, "c", "ACK|a|d|3:2");
    s_expect_delayed (rig, 0, 0);
    rig_destroy (&rig);
}

static void test_purge_and_delete (void **state)
{
    (void) state;
    rig_t *rig = s_delayed ("delay=100", NULL);
    for (int put = 0; put < 300; put++)
        rig_say (rig, "c", "PUT|p|d||one");
    rig_skip (rig);
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 600);
    rig_say (rig, "c", "PURGE|x|d");
    rig_expect (rig, "c> OK|x|both");
    rig_say (rig, "c", "PUT|p|d||two");
    rig_skip (rig);
    s_pass (rig, 100);
    rig_skip (rig);
    rig_say (rig, "c", "GET|g|d|9|0|");
    rig_expect (rig, "c> MSG|g|both|d|1:301 1|two");
    rig_say (rig, "c", "LIST|l|d");
    rig_expect (rig, "c> OK|l|d|lease=30000\nmax-messages=0\nmessages=1\n*");
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 1);
    rig_say (rig, "c", "PUT|p|d||three|four");
    rig_skip (rig);
    rig_say (rig, "c", "DELETE|x|d");
    rig_expect (rig, "c> OK|x|both");
    rig_say (rig, "c", "QUEUE|q|d|delay=0");
    s_pass (rig, 100);
    rig_skip (rig);
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 0);
    rig_say (rig, "c", "GET|g|d|9|0|");
    rig_expect (rig, "c> MSG|g|both|d|");
    rig_destroy (&rig);
}

//  What is taken out of the lane in a commit that the store has not got yet is not taken out again.
static void test_done_while_the_store_is_slow (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.inflight = 1;
    rig_t *rig = s_delayed ("delay=100", &limits);
    rig_say (rig, "c", "PUT|p|d||one");
    rig_say (rig, "c", "PUT|p|d||two");
    rig_say (rig, "x", "HELLO|h");
    rig_skip (rig);
    rig->sync_there = false;
    rig_say (rig, "c", "PUT|p|q||in flight");
    rig_say (rig, "c", "ACK|a|d|1:1");
    rig_say (rig, "x", "GET|g|d|9|5000|");
    s_pass (rig, 100);
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 5);
    rig_say (rig, "c", "ACK|a|d|1:1");
    rig->sync_there = true;
    rig_sync (rig, true, true);
    rig_run (rig);
    rig_expect (rig, "c> OK|p|both|1:3|1:3");
    rig_expect (rig, "x> MSG|g|both|d|1:2 1|two");
    rig_expect (rig, "c> OK|a|both");
    rig_expect (rig, "c> OK|a|both");
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 2);
    rig_say (rig, "c", "LIST|l|d");
    rig_expect (rig, "c> OK|l|d|lease=30000\nmax-messages=0\nmessages=1\n*");
    rig_destroy (&rig);
}

//  What is purged is gone before its rows are.
static void test_purged_while_the_store_is_slow (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.inflight = 1;
    rig_t *rig = s_delayed ("delay=100", &limits);
    rig_say (rig, "c", "PUT|p|d||one");
    rig_say (rig, "x", "HELLO|h");
    rig_skip (rig);
    rig->sync_there = false;
    rig_say (rig, "c", "PUT|p|q||in flight");
    rig_say (rig, "c", "PURGE|x|d");
    rig_say (rig, "x", "GET|g|d|9|5000|");
    s_pass (rig, 100);
    rig_say (rig, "c", "ACK|a|d|1:1");
    rig->sync_there = true;
    rig_sync (rig, true, true);
    rig_run (rig);
    rig_expect (rig, "c> OK|p|both|1:2|1:2");
    rig_expect (rig, "c> OK|x|both");
    rig_expect (rig, "c> OK|a|both");
    rig_expect (rig, NULL);
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 1);
    rig_say (rig, "c", "LIST|l|d");
    rig_expect (rig, "c> OK|l|d|lease=30000\nmax-messages=0\nmessages=0\n*");
    rig_destroy (&rig);
}

//  Who looks sees them, at their place.
static void test_peek (void **state)
{
    (void) state;
    rig_t *rig = s_delayed ("delay=0", NULL);
    char line[200];
    rig_say (rig, "c", "PUT|p|d|delay=1000|one|two|three|four|five");
    rig_say (rig, "c", "PUT|p|d||six");
    rig_say (rig, "c", "PUT|p|d|delay=100|seven");
    rig_skip (rig);
    int64_t at = rig->now;
    rig_say (rig, "c", "PEEK|k|d|first|9");
    const rig_reply_t *reply = rig_last (rig);
    //  A page may be shorter; behind its last one the next begins.
    assert_int_equal (reply->reply->kind, ZB_REPLY_PEEKED);
    uint64_t seen = 0, position = 0;
    for (int page = 0; page < 9 && (page == 0 || rig_last (rig)->reply->bodies); page++) {
        const zb_reply_t *found = rig_last (rig)->reply;
        for (size_t index = 0; index < found->bodies; index++, seen++) {
            position = found->body[index].id;
            assert_int_equal (position - zb_epoch_base (1, 1), seen + 1);
            bool ready = seen == 5;
            snprintf (line, sizeof line, ready ? "zb-state=ready\n" : "zb-state=delayed\nzb-until=%" PRId64 "\ndelay=",
                      WALL + at + (seen == 6 ? 100 : 1000));
            assert_memory_equal (found->lines[index].data, line, strlen (line));
        }
        snprintf (line, sizeof line, "PEEK|k|d|%" PRIu64 "|9", position);
        rig_skip (rig);
        rig_say (rig, "c", line);
    }
    assert_int_equal (seen, 7);
    rig_skip (rig);
    //  What was acknowledged is not there; what is due is ready.
    rig_say (rig, "c", "ACK|a|d|1:1");
    s_pass (rig, 1000);
    rig_skip (rig);
    rig_say (rig, "c", "PEEK|k|d|first|1");
    rig_expect (rig, "c> MSG|k|both|d|1:2 0\tzb-state=ready\tdelay=1000|two");
    rig_destroy (&rig);
}

//  It counts from its PUT on.
static void test_a_full_queue (void **state)
{
    (void) state;
    rig_t *rig = s_delayed ("delay=100\nmax-messages=3", NULL);
    rig_say (rig, "c", "PUT|p|d||1|2|3");
    rig_expect (rig, "c> OK|p|both|1:1|1:3");
    rig_say (rig, "c", "PUT|p|d||4");
    rig_expect (rig, "c> ERR|p|429|the queue is full");
    s_pass (rig, 100);
    rig_say (rig, "c", "GET|g|d|9|0|");
    rig_expect (rig, "c> MSG|g|both|d|1:1 1\n1:2 1\n1:3 1|1|2|3");
    rig_say (rig, "c", "ACK|a|d|1:1..1:3");
    rig_expect (rig, "c> OK|a|both");
    rig_say (rig, "c", "PUT|p|d||1|2|3");
    rig_expect (rig, "c> OK|p|both|1:4|1:6");
    rig_destroy (&rig);
}

//  Nothing of those that wait is in memory, however many they are; and none is delivered twice, or not.
static void test_a_great_many (void **state)
{
    (void) state;
    rig_t *rig = s_delayed ("delay=100", NULL);
    for (int put = 0; put < 20; put++)
        rig_put (rig, "c", "p", "d", 1000, 100);
    rig_run (rig);
    rig_skip (rig);
    assert_int_equal (rig_stats (rig).window_bytes, 0);
    rig_say (rig, "c", "GET|g|d|1|0|");
    rig_expect (rig, "c> MSG|g|both|d|");
    assert_int_equal (rig_stats (rig).window_bytes, 0);
    s_pass (rig, 100);
    uint64_t got = 0, next = 0;
    while (got < 20000) {
        rig_skip (rig);
        rig_say (rig, "c", "GET|g|d|1000|1000|");
        const rig_reply_t *reply = rig_last (rig);
        assert_non_null (reply->reply);
        assert_true (reply->reply->bodies > 0);
        for (size_t index = 0; index < reply->reply->bodies; index++, got++) {
            assert_true (next == 0 || reply->reply->body[index].id == next);
            next = reply->reply->body[index].id + 1;
        }
    }
    rig_say (rig, "c", "GET|g|d|1|0|");
    rig_skip (rig);
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 20000);
    rig_destroy (&rig);
}

//  What consumers have, and don't acknowledge, is bounded as in any queue.
static void test_a_great_many_that_are_leased (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.window = 1 << 20;
    rig_t *rig = s_delayed ("delay=100", &limits);
    for (int put = 0; put < 4; put++)
        rig_put (rig, "c", "p", "d", 1000, 1000);
    rig_run (rig);
    rig_say (rig, "c", "PUT|p|d|delay=0|last");
    s_pass (rig, 100);
    uint64_t got = 0, turns = 0;
    char line[100];
    for (uint64_t acked = 0; acked < 4001; acked = got, turns++) {
        size_t bodies = 0;
        do {
            rig_skip (rig);
            rig_say (rig, "c", "GET|g|d|1000|0|");
            bodies = rig_last (rig)->answer.bodies;
            got += bodies;
            assert_true (rig_stats (rig).window_bytes <= 2 << 20);
        } while (bodies);
        assert_true (got > acked);
        rig_skip (rig);
        rig_say (rig, "c", "MOVE|m|d|q||9");
        rig_expect (rig, got < 4001 ? "c> ERR|m|503|no memory is left*" : "c> OK|m|both|0|*");
        //  The last one is not delayed.
        snprintf (line, sizeof line, "ACK|a|d|1:1..1:%" PRIu64 " 1:4001", got - 1);
        rig_say (rig, "c", line);
    }
    assert_true (turns > 3 && got == 4001);
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 0);
    rig_destroy (&rig);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_the_properties),
        cmocka_unit_test (test_the_rows),
        cmocka_unit_test (test_bad_values),
        cmocka_unit_test (test_only_where_the_option_was_named),
        cmocka_unit_test (test_delivered_when_it_is_due),
        cmocka_unit_test (test_in_the_order_of_time),
        cmocka_unit_test (test_not_behind_a_backlog),
        cmocka_unit_test (test_not_behind_one_amid_a_backlog),
        cmocka_unit_test (test_not_behind_a_backlog_that_is_read),
        cmocka_unit_test (test_not_behind_a_backlog_that_fills_memory),
        cmocka_unit_test (test_takeover_and_restart),
        cmocka_unit_test (test_many_leads),
        cmocka_unit_test (test_clocks_that_differ),
        cmocka_unit_test (test_the_order_over_a_takeover),
        cmocka_unit_test (test_a_takeover_amid_the_insertion),
        cmocka_unit_test (test_acknowledged),
        cmocka_unit_test (test_a_range_over_what_became_due),
        cmocka_unit_test (test_a_range_after_a_takeover),
        cmocka_unit_test (test_counted),
        cmocka_unit_test (test_purge_and_delete),
        cmocka_unit_test (test_peek),
        cmocka_unit_test (test_done_while_the_store_is_slow),
        cmocka_unit_test (test_purged_while_the_store_is_slow),
        cmocka_unit_test (test_a_full_queue),
        cmocka_unit_test (test_a_great_many),
        cmocka_unit_test (test_a_great_many_that_are_leased),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
