/*  =========================================================================
    test_engine - when a broker may say what, and what it keeps in memory

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/queue/rows.h"
#include "rig.h"

//  Release

static void test_nothing_is_said_before_both_have_it (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "d", "HELLO|h");
    rig_say (rig, "d", "GET|g|q|1|60000|");
    rig_skip (rig);
    rig->sync_here = rig->sync_there = false;
    rig_say (rig, "c", "PUT|p|q||x");
    rig_expect (rig, NULL);
    rig_sync (rig, true, false);
    rig_expect (rig, NULL);
    assert_true (zb_engine_client_waits (rig->engine));
    rig_sync (rig, false, true);
    rig_expect (rig, "d> MSG|g|both|q|1:1 1|x");
    rig_expect (rig, "c> OK|p|both|1:1|1:1");
    assert_false (zb_engine_client_waits (rig->engine));
    rig_say (rig, "d", "ACK|a|q|1:1");
    rig_sync (rig, true, false);
    rig_expect (rig, NULL);
    //  Going alone: the same commit is said at the level that is true now.
    rig_rule (rig, ZB_RELEASE_HERE);
    rig_expect (rig, "d> OK|a|solo");
    rig_say (rig, "c", "PUT|p|q||y");
    rig_sync (rig, true, false);
    rig_expect (rig, "c> OK|p|solo|1:2|1:2");
    rig_destroy (&rig);
}

//  The peer is back and catches up: what was answered without it is not on its disk because the rule says so.
static void test_both_is_said_of_what_the_peer_has (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig->sync_there = false;
    rig_rule (rig, ZB_RELEASE_HERE);
    zb_engine_keep (rig->engine, ZB_KEEP_WRITE);
    rig_say (rig, "a", "HELLO|h|till||");
    rig_expect (rig, "a> OK|h|1.1|0|tcp://a|tcp://b");
    rig_say (rig, "a", "PUT|1|q||x");
    rig_expect (rig, "a> OK|1|solo|1:1|1:1");
    rig_say (rig, "c", "ACK|a|q|1:1");
    rig_expect (rig, "c> OK|a|solo");
    rig_rule (rig, ZB_RELEASE_BOTH);
    rig_say (rig, "a", "PUT|1|q||x");
    rig_expect (rig, "a> OK|1|solo|1:1|1:1|duplicate");
    rig_say (rig, "c", "ACK|a|q|1:1");
    rig_expect (rig, "c> OK|a|solo");
    rig_sync (rig, true, true);
    rig_say (rig, "a", "PUT|1|q||x");
    rig_expect (rig, "a> OK|1|both|1:1|1:1|duplicate");
    rig_say (rig, "c", "ACK|a|q|1:1");
    rig_expect (rig, "c> OK|a|both");
    rig_destroy (&rig);
}

//  The peer's disk is lost, and it fetches all anew: what it once had is neither on both, nor answered alone.  A level that
//  would be true can't be said, so nothing is, until it has all again, or this broker has gone alone.
static void test_a_level_is_true_when_it_is_said (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "a", "HELLO|h|till||");
    rig_expect (rig, "a> OK|h|1.1|0|tcp://a|tcp://b");
    rig_say (rig, "a", "PUT|1|q||x");
    rig_expect (rig, "a> OK|1|both|1:1|1:1");
    rig_say (rig, "c", "ACK|k|q|1:1");
    rig_expect (rig, "c> OK|k|both");
    rig->sync_there = false;
    zb_engine_durable (rig->engine, fake_store_here (rig->store), 0, rig->now);
    rig_say (rig, "a", "PUT|1|q||x");
    rig_say (rig, "c", "ACK|a|q|1:1");
    rig_say (rig, "c", "GET|g|q|1|0|1:1");
    rig_expect (rig, NULL);
    assert_true (zb_engine_client_waits (rig->engine));
    //  A delivery claims nothing.
    rig_say (rig, "c", "GET|e|q|1|0|");
    rig_expect (rig, "c> MSG|e|both|q|");
    rig_sync (rig, true, true);
    rig_expect (rig, "a> OK|1|both|1:1|1:1|duplicate");
    rig_expect (rig, "c> OK|a|both");
    rig_expect (rig, "c> MSG|g|both|q|");
    //  The same again, and this time the broker goes alone.
    zb_engine_durable (rig->engine, fake_store_here (rig->store), 0, rig->now);
    rig_say (rig, "c", "ACK|b|q|1:1");
    rig_expect (rig, NULL);
    rig_rule (rig, ZB_RELEASE_HERE);
    rig_expect (rig, "c> OK|b|solo");
    rig_destroy (&rig);
}

static void test_hold_says_and_delivers_nothing (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "c", "PUT|p|q||x");
    rig_skip (rig);
    rig_rule (rig, ZB_RELEASE_HOLD);
    rig_push (rig, "c", "GET|g1|q|1|0|");
    rig_push (rig, "c", "PUT|p|q||y");
    rig_push (rig, "c", "ACK|a|q|1:7");
    rig_push (rig, "c", "NACK|n|q|1:7");
    rig_push (rig, "c", "GET|g2|q|0|0|");
    rig_push (rig, "c", "GET|g3|none|0|0|");
    rig_push (rig, "d", "HELLO|h");
    rig_push (rig, "d", "GET|g4|q|1|0|");
    rig_say (rig, "c", "LIST|l");
    rig_wait (rig, 1000);
    rig_expect (rig, NULL);
    rig_rule (rig, ZB_RELEASE_BOTH);
    assert_int_equal (rig->count, 9);
    rig_destroy (&rig);
}

static void test_nothing_is_said_before_the_epoch_stands (void **state)
{
    (void) state;
    rig_t *rig = rig_new (NULL);
    rig->sync_here = rig->sync_there = false;
    rig_takeover (rig);
    rig_say (rig, "c", "HELLO|h");
    rig_expect (rig, NULL);
    rig_sync (rig, true, false);
    rig_expect (rig, NULL);
    rig_sync (rig, true, true);
    rig_expect (rig, "c> OK|h|*");
    assert_non_null (strstr (rig_last (rig)->token, "2.1."));
    rig_destroy (&rig);
}

static void test_the_token_names_what_was_said (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    uint64_t released = rig_stats (rig).released;
    char want[64];
    rig->sync_there = false;
    rig_say (rig, "c", "PUT|p|q||x");
    rig_say (rig, "c", "HELLO|h");
    rig_skip (rig);
    rig_say (rig, "c", "LIST|l");
    snprintf (want, sizeof want, "1.1.%d.p.", (int) released);
    assert_non_null (strstr (rig_last (rig)->token, want));
    zb_engine_epoch (rig->engine, 7);
    rig_run (rig);
    rig_say (rig, "c", "LIST|l");
    assert_non_null (strstr (rig_last (rig)->token, want));
    rig_rule (rig, ZB_RELEASE_HERE);
    rig_say (rig, "c", "PUT|p|q||y");
    snprintf (want, sizeof want, "7.1.%d.a.", (int) rig_stats (rig).released);
    assert_non_null (strstr (rig_last (rig)->token, want));
    assert_non_null (strstr (rig_last (rig)->text, "|solo|7:1|7:1"));
    rig_destroy (&rig);
}

static void test_what_the_peer_lacked_is_lost_and_was_never_said (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "p", "HELLO|h|till||");
    rig_say (rig, "p", "PUT|1|q||kept");
    rig_skip (rig);
    rig->sync_there = false;
    rig_say (rig, "p", "PUT|2|q||lost");
    rig_say (rig, "c", "ACK|a|q|1:1");
    rig_expect (rig, NULL);
    rig->sync_there = true;
    rig_takeover (rig);
    rig_expect (rig, "p> PASSIVE|2|tcp://other");
    rig_expect (rig, "c> PASSIVE|a|tcp://other");
    rig_say (rig, "p", "HELLO|h|till||1.1");
    rig_expect (rig, "p> OK|h|1.1|1|*");
    rig_say (rig, "p", "PUT|2|q||other");
    rig_expect (rig, "p> OK|2|both|2:1|2:1");
    rig_say (rig, "p", "GET|g|q|5|0|");
    rig_expect (rig, "p> MSG|g|both|q|1:1 1\n2:1 1|kept|other");
    rig_destroy (&rig);
}

static void test_stop_answers_all (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "c", "PUT|0|q||x");
    rig_say (rig, "c", "GET|0|q|1|0|");
    rig_say (rig, "c", "GET|parked|q|1|1000|");
    rig_skip (rig);
    rig->sync_there = false;
    rig_say (rig, "c", "PUT|1|q||x");
    rig_say (rig, "c", "GET|acks|q|1|1000|1:1");
    rig->stuck = true;
    rig_say (rig, "c", "GET|waits|r|1|1000|");
    rig_say (rig, "c", "PUT|behind|r||x");
    rig_expect (rig, NULL);
    zb_engine_stop (rig->engine, "");
    assert_false (zb_engine_leads (rig->engine));
    size_t replies = 0;
    for (zb_reply_t *reply = zb_engine_reply (rig->engine); reply; reply = zb_engine_reply (rig->engine)) {
        assert_int_equal (reply->kind, ZB_REPLY_PASSIVE);
        assert_int_equal (reply->texts, 1);
        zb_reply_destroy (&reply);
        replies++;
    }
    assert_int_equal (replies, 5);
    rig_destroy (&rig);
}

static void test_in_flight_is_bounded (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.inflight = 3;
    limits.batch = 10000;
    limits.waiting = 100000;
    rig_t *rig = rig_ready (&limits);
    rig->sync_there = false;
    size_t batches = rig->batches;
    for (int index = 0; index < 20; index++) {
        rig_put (rig, "c", "p", "q", 1, 6000);
        rig_run (rig);
    }
    //  Three on their way; the next ones are kept small; more than limits.waiting is refused.
    assert_int_equal (rig->batches - batches, 3);
    assert_true (zb_engine_busy (rig->engine));
    rig_expect (rig, "c> ERR|p|503|*");
    rig_sync (rig, true, true);
    while (rig_stats (rig).synced_there < rig_stats (rig).commit)
        rig_sync (rig, true, true);
    assert_true (rig->batches - batches > 6);
    assert_false (zb_engine_busy (rig->engine));
    rig_say (rig, "c", "PUT|p|q||x");
    rig_destroy (&rig);
}

//  The window

static void test_a_backlog_stays_on_disk (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.window = 200000;
    limits.windows = 1000000;
    limits.request = limits.reply = 20000;
    limits.bodies = 100;
    rig_t *rig = rig_ready (&limits);
    char line[100];
    enum { PUTS = 500, EACH = 100 };
    for (int index = 0; index < PUTS; index++) {
        rig_put (rig, "c", "p", "q", EACH, 100);
        rig_run (rig);
        rig_skip (rig);
        assert_true (rig_stats (rig).window_bytes <= limits.window * 13 / 10);
    }
    //  A consumer that takes and takes gets no more than the window holds.
    for (int round = 0; round < 100; round++) {
        rig_say (rig, "c", "GET|g|q|77|0|");
        assert_true (rig_stats (rig).window_bytes <= limits.window * 13 / 10);
    }
    assert_int_equal (rig_last (rig)->answer.bodies, 0);
    rig_takeover (rig);
    rig_say (rig, "c", "HELLO|h");
    rig_skip (rig);
    for (int round = 0; round < 2; round++) {
        int want = round * PUTS * EACH / 2;
        for (int left = PUTS * EACH / 2; left > 0;) {
            rig_say (rig, "c", "GET|g|q|77|0|");
            const zb_answer_t *answer = &rig_last (rig)->answer;
            assert_true (answer->bodies > 0);
            int count = left < (int) answer->bodies ? left : (int) answer->bodies;
            snprintf (line, sizeof line, "ACK|a|q|1:%d..1:%d", want + 1, want + count);
            want += count;
            left -= count;
            rig_skip (rig);
            rig_say (rig, "c", line);
            assert_true (rig_stats (rig).window_bytes <= limits.window * 13 / 10);
        }
        rig_takeover (rig);
        rig_say (rig, "c", "HELLO|h");
        rig_skip (rig);
    }
    rig_say (rig, "c", "GET|g|q|77|0|");
    rig_expect (rig, "c> MSG|g|both|q|");
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 0);
    assert_int_equal (fake_store_rows (rig->store, ZB_ACKS), 0);
    rig_destroy (&rig);
}

static void test_acks_reach_what_is_on_disk_only (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.window = 40000;
    rig_t *rig = rig_ready (&limits);
    for (int index = 0; index < 100; index++) {
        rig_put (rig, "c", "p", "q", 10, 100);
        rig_run (rig);
    }
    rig_takeover (rig);
    rig_say (rig, "c", "HELLO|h");
    rig_skip (rig);
    //  Nothing is in memory; the far end, then the middle, then what is between.
    rig_push (rig, "c", "ACK|a1|q|1:1000");
    rig_push (rig, "c", "ACK|a2|q|1:500..1:515 1:999");
    rig_push (rig, "c", "GET|g|q|1|0|1:2");
    rig_push (rig, "c", "ACK|a3|q|1:3..1:990");
    rig_say (rig, "c", "GET|g2|q|100|0|");
    rig_expect (rig, "c> OK|a1|both");
    rig_expect (rig, "c> OK|a2|both");
    rig_expect (rig, "c> MSG|g|both|q|1:1 1|*");
    rig_skip (rig);
    rig_say (rig, "c", "GET|g|q|100|0|");
    rig_say (rig, "c", "LIST|l");
    assert_non_null (strstr (rig_last (rig)->text, "messages=9\nleased=9"));
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 2);
    rig_takeover (rig);
    rig_say (rig, "c", "HELLO|h");
    rig_say (rig, "c", "GET|g|q|100|0|");
    assert_int_equal (rig_last (rig)->answer.bodies, 9);
    rig_say (rig, "c", "ACK|a|q|1:991..1:998 1:1");
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 0);
    assert_int_equal (fake_store_rows (rig->store, ZB_ACKS), 0);
    rig_destroy (&rig);
}

static void test_windows_of_all_queues_are_bounded (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.window = 100000;
    limits.windows = 300000;
    rig_t *rig = rig_ready (&limits);
    char line[64];
    for (int queue = 0; queue < 20; queue++) {
        snprintf (line, sizeof line, "QUEUE|z|n%d|", queue);
        rig_say (rig, "c", line);
        snprintf (line, sizeof line, "n%d", queue);
        for (int index = 0; index < 10; index++) {
            rig_put (rig, "c", "p", line, 10, 1000);
            rig_run (rig);
        }
    }
    for (int round = 0; round < 3; round++)
        for (int queue = 0; queue < 20; queue++) {
            snprintf (line, sizeof line, "GET|g|n%d|10|0|", queue);
            rig_say (rig, "c", line);
            assert_true (rig_stats (rig).window_bytes <= limits.windows + 25000);
        }
    rig_skip (rig);
    //  What is leased stays in memory: others may have to wait, but not for ever.
    for (int queue = 0; queue < 20; queue++) {
        snprintf (line, sizeof line, "GET|g|n%d|70|100000|", queue);
        rig_say (rig, "c", line);
        assert_true (rig_stats (rig).window_bytes <= limits.windows + 25000);
    }
    rig_wait (rig, 31000);
    rig_wait (rig, 31000);
    rig_wait (rig, 31000);
    rig_wait (rig, 31000);
    assert_int_equal (rig_stats (rig).parked, 0);
    rig_destroy (&rig);
}

//  Consumers that keep what they got, at many places, leave memory to others: rows of which something is leased go, too.
static void test_slow_consumers_starve_nobody (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.window = 100000;
    limits.windows = 300000;
    rig_t *rig = rig_ready (&limits);
    char line[64];
    enum { QUEUES = 20 };
    size_t given[QUEUES];
    for (int queue = 0; queue < QUEUES; queue++) {
        snprintf (line, sizeof line, "QUEUE|z|n%d|", queue);
        rig_say (rig, "c", line);
        snprintf (line, sizeof line, "n%d", queue);
        for (int index = 0; index < 10; index++) {
            rig_put (rig, "c", "p", line, 10, 1000);
            rig_run (rig);
        }
    }
    for (int queue = 0; queue < QUEUES; queue++) {
        snprintf (line, sizeof line, "GET|g|n%d|70|20000|", queue);
        rig_skip (rig);
        rig_say (rig, "c", line);
        for (int wait = 0; wait < 3 && rig_stats (rig).parked; wait++)
            rig_wait (rig, 100);
        assert_int_equal (rig_stats (rig).parked, 0);
        given[queue] = rig_last (rig)->answer.bodies;
        assert_true (given[queue] > 0);
        assert_true (rig_stats (rig).window_bytes <= limits.windows + 25000);
    }
    //  Nothing is given twice, or forgotten, though its row is not in memory: an ACK, a NACK, and the rest when leases end.
    for (int queue = 0; queue < QUEUES; queue += 2) {
        snprintf (line, sizeof line, "ACK|a|n%d|1:%d..1:%d", queue, queue * 100 + 1, queue * 100 + (int) given[queue]);
        rig_skip (rig);
        rig_say (rig, "c", line);
        rig_expect (rig, "c> OK|a|both");
    }
    snprintf (line, sizeof line, "c> OK|n|%zu", given[1]);
    rig_skip (rig);
    rig_say (rig, "c", "NACK|n|n1|1:101..1:200");
    rig_expect (rig, line);
    rig_wait (rig, 31000);
    for (int queue = 0; queue < QUEUES; queue++) {
        size_t left = queue % 2 ? 100 : 100 - given[queue];
        for (int tries = 0; left && tries < 300; tries++) {
            snprintf (line, sizeof line, "GET|g|n%d|100|0|", queue);
            rig_say (rig, "c", line);
            size_t more = rig_last (rig)->answer.bodies, first = (size_t) (queue + 1) * 100 - left + 1;
            snprintf (line, sizeof line, "ACK|a|n%d|1:%zu..1:%zu", queue, first, first + more - 1);
            if (more)
                rig_say (rig, "c", line);
            left -= more;
            rig_wait (rig, 100);
        }
        assert_int_equal (left, 0);
    }
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 0);
    rig_destroy (&rig);
}

//  The head of the newest row of the log.
static zb_log_head_t s_newest_head (const rig_t *rig)
{
    size_t key_size = 0, size = 0;
    const void *key = fake_store_key (rig->store, ZB_LOG, fake_store_rows (rig->store, ZB_LOG) - 1, &key_size);
    const void *value = fake_store_get (rig->store, ZB_LOG, key, key_size, &size);
    zb_row_t *row = zb_row_new (size);
    memcpy (row->data, value, size);
    row->size = (uint32_t) size;
    zb_log_head_t head;
    assert_int_equal (zb_log_head (row, &head), 0);
    zb_row_unref (&row);
    return head;
}

//  Rows of the log have the form of the store's level; the long one says when they were begun, in the time of the pair.
static void test_rows_have_the_form_of_the_level (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    static const struct {
        unsigned level;
        int64_t wall, says;
    } put[] = {{1, 5000, 0}, {2, 6000, 5110}, {3, 4000, 5200}, {3, 7000, 5310}};
    for (size_t index = 0; index < sizeof put / sizeof *put; index++) {
        zb_engine_level (rig->engine, put[index].level);
        zb_engine_time (rig->engine, put[index].wall, rig->now);
        rig_say (rig, "c", "PUT|p|q||body");
        zb_log_head_t head = s_newest_head (rig);
        assert_int_equal (head.form, put[index].level > 1 ? 2 : 1);
        assert_int_equal (head.time, put[index].says);
        assert_int_equal (head.bytes, put[index].level > 1 ? 4 : 0);
        rig->now += 100;
    }
    rig_takeover (rig);
    rig_say (rig, "c", "HELLO|h");
    rig_say (rig, "c", "GET|g|q|10|0|");
    assert_int_equal (rig_last (rig)->answer.bodies, 4);
    rig_destroy (&rig);
}

//  Who takes over goes on from the time that the store knows, however late its own clock is; whatever is lost with who led.
static void test_time_does_not_go_back_in_a_takeover (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    uint64_t time = 0;
    int64_t start = rig->now;
    for (int64_t lead = 0; lead < 4; lead++) {
        for (int step = 0; step < 40; step++, rig->now += 70) {
            zb_engine_time (rig->engine, 1000000000 - 100000 * lead, rig->now);
            rig_say (rig, "c", "PUT|p|q||body");
            zb_log_head_t head = s_newest_head (rig);
            assert_true (head.time >= time);
            time = head.time;
        }
        //  It is never far ahead of what was said, either.
        assert_in_range (time, 1000000000, 1000000000 + rig->now - start + lead * 1000);
        rig_takeover (rig);
        rig_say (rig, "c", "HELLO|h");
    }
    rig_destroy (&rig);
}

//  What the peer said of the pair's time is known when it is gone, whatever of it the store knows.  Where nobody has led the
//  time jumps to the earlier clock.
static void test_time_goes_on_from_what_the_peer_said (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    zb_engine_time (rig->engine, 5000, rig->now);
    zb_engine_peer_time (rig->engine, 9000, 5000, 5000);
    rig_takeover (rig);
    zb_engine_time (rig->engine, 5100, rig->now);
    assert_int_equal (zb_engine_pair_time (rig->engine), 9000);
    zb_engine_peer_time (rig->engine, 0, 11000, 100000);
    zb_engine_peer_time (rig->engine, UINT64_MAX, 0, 100000);
    rig_takeover (rig);
    zb_engine_time (rig->engine, 100000, rig->now);
    assert_int_equal (zb_engine_pair_time (rig->engine), 11000);
    assert_int_equal (rig_stats (rig).time, 11000);
    rig_destroy (&rig);
}

//  Nothing is removed by time in a lead's first minute, nor while the clocks of the two machines differ.
static void test_removal_rests (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    static const struct {
        int64_t passes, peer;
        bool rests;
    } step[] = {{0, 0, true},           {59000, 0, true},     {2000, 0, false},  {0, 61001, true}, {0, 60000, false},
                {100000, -60001, true}, {100000, 0, false}};
    for (size_t index = 0; index < sizeof step / sizeof *step; index++) {
        rig->now += step[index].passes;
        zb_engine_tick (rig->engine, rig->now);
        zb_engine_peer_time (rig->engine, 0, (uint64_t) (1000000 + step[index].peer), 1000000);
        assert_int_equal (zb_engine_rests (rig->engine), step[index].rests);
        assert_int_equal (rig_stats (rig).rests, step[index].rests);
    }
    assert_int_equal (rig_stats (rig).apart, 0);
    rig_takeover (rig);
    assert_true (zb_engine_rests (rig->engine));
    rig_destroy (&rig);
}

//  Upkeep and damage

static void test_names_are_forgotten_by_uptime (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.producer_idle = 100000000;
    limits.session_idle = 1000;
    rig_t *rig = rig_ready (&limits);
    rig_say (rig, "p", "HELLO|h|till||");
    rig_say (rig, "p", "PUT|1|q||x");
    rig_skip (rig);
    for (int hour = 0; hour < 20; hour++)
        rig_wait (rig, 3600000);
    //  The time in which nobody led does not count.
    rig->now += 100 * 3600000LL;
    rig_takeover (rig);
    for (int hour = 0; hour < 7; hour++)
        rig_wait (rig, 3600000);
    assert_int_equal (fake_store_rows (rig->store, ZB_PRODUCERS), 2);
    for (int hour = 0; hour < 4; hour++)
        rig_wait (rig, 3600000);
    assert_int_equal (fake_store_rows (rig->store, ZB_PRODUCERS), 0);
    rig_say (rig, "p", "HELLO|h|till||1.1");
    rig_expect (rig, "p> OK|h|1.1|0|*");
    rig_destroy (&rig);
}

static void test_producers_in_memory_are_bounded (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    char line[64], client[64];
    rig->sync_there = false;
    for (int index = 0; index < ZB_PRODUCERS_KEPT + 500; index++) {
        snprintf (line, sizeof line, "HELLO|h|name%d||", index);
        snprintf (client, sizeof client, "client%d", index);
        rig_push (rig, client, line);
        rig_push (rig, client, "PUT|1|q||x");
        if (index % 50 == 49)
            rig_run (rig);
    }
    //  All have a PUT in flight: none may go.
    rig_run (rig);
    assert_int_equal (rig_stats (rig).producers, ZB_PRODUCERS_KEPT + 500);
    rig->sync_there = true;
    rig_sync (rig, true, true);
    rig_skip (rig);
    rig_say (rig, "z", "HELLO|h|another||");
    assert_int_equal (rig_stats (rig).producers, ZB_PRODUCERS_KEPT);
    rig_skip (rig);
    rig_say (rig, "client0", "PUT|2|q||x");
    rig_expect (rig, "client0> OK|2|both|*");
    rig_destroy (&rig);
}

static void test_damage_is_told (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "c", "PUT|p|q||x");
    size_t size = 0;
    const void *key = fake_store_key (rig->store, ZB_LOG, 0, &size);
    uint8_t copy[ZB_LOG_KEY_SIZE];
    memcpy (copy, key, size);
    fake_store_sync_there (rig->store, UINT64_MAX);
    rig_takeover (rig);
    fake_store_put (rig->store, ZB_LOG, copy, size, "\1\0\0\0\0\0\0\1", 8);
    rig_say (rig, "c", "HELLO|h");
    rig_skip (rig);
    rig_say (rig, "c", "GET|g|q|1|0|");
    rig_expect (rig, NULL);
    assert_non_null (zb_engine_fault (rig->engine));
    rig_say (rig, "c", "GET|g|q|1|0|");
    rig_expect (rig, NULL);
    rig_destroy (&rig);
}

static void test_envelopes_come_back (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    zb_frame_t frames[] = {{"\0\0\0\7", 4}, {"", 0},  {"ZB1", 3}, {"GET", 3}, {"g", 1},
                           {"q", 1},        {"1", 1}, {"5", 1},   {"", 0}};
    zb_request_t request;
    zb_spans_t ids = {NULL, 0, 0};
    const char *why;
    assert_int_equal (zb_request_parse (&request, &ids, frames, 9, &rig->limits, &why), 0);
    rig->stuck = true;
    rig_takeover (rig);
    rig->stuck = false;
    rig_push (rig, "c", "HELLO|h");
    request.from.routing = zb_frame ("c");
    zb_engine_request (rig->engine, &request, rig->now);
    rig_run (rig);
    rig_wait (rig, 5);
    rig_expect (rig, "c> OK|h|*");
    rig_expect (rig, "c> MSG|g|both|q|");
    const rig_reply_t *last = rig_last (rig);
    assert_int_equal (last->answer.envelope, 2);
    assert_int_equal (last->frame[0].size, 4);
    assert_memory_equal (last->frame[0].data, "\0\0\0\7", 4);
    assert_int_equal (last->frame[1].size, 0);
    rig_reply_t own = {.reply = zb_reply_say (&request.from, ZB_REPLY_ERROR, 503, "")};
    rig_read (&own);
    assert_int_equal (own.answer.envelope, 2);
    assert_int_equal (own.answer.args, 2);
    assert_int_equal (own.answer.token.size, 0);
    zb_reply_destroy (&own.reply);
    free (own.frame);
    rig_destroy (&rig);
}

static void test_many_wait_for_one_read (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_takeover (rig);
    rig_say (rig, "c", "HELLO|h");
    rig_say (rig, "d", "HELLO|h");
    rig_skip (rig);
    rig->stuck = true;
    size_t reads = rig->read_count;
    for (int index = 0; index < 10; index++) {
        rig_say (rig, "c", "PUT|c|q||x");
        rig_say (rig, "d", "PUT|d|q||x");
    }
    rig_say (rig, "d", "PUT|d|r||x");
    assert_int_equal (rig->read_count - reads, 1);
    rig_expect (rig, NULL);
    assert_true (zb_engine_client_waits (rig->engine));
    rig_gone (rig, "c");
    rig->stuck = false;
    rig_run (rig);
    for (int index = 0; index < 10; index++)
        rig_expect (rig, "c> OK|c|both|*");
    for (int index = 0; index < 10; index++)
        rig_expect (rig, "d> OK|d|both|*");
    rig_expect (rig, "d> ERR|d|404|*");
    rig_expect (rig, NULL);
    rig_destroy (&rig);
}

//  Who has said HELLO before it was known that nothing is answered is told as well.
static void test_hellos_that_wait_are_turned_away (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig->sync_there = false;
    rig_say (rig, "c", "PUT|1|q||x");
    rig_say (rig, "n", "HELLO|h|till||");
    rig_rule (rig, ZB_RELEASE_HOLD);
    rig_say (rig, "d", "HELLO|h");
    rig_expect (rig, NULL);
    zb_engine_withhold (rig->engine, "waiting: the witness does not answer");
    rig_run (rig);
    rig_expect (rig, "d> ERR|h|503|waiting: the witness does not answer");
    rig_expect (rig, "n> ERR|h|503|*");
    //  What may have been done keeps its answer, and who asks again is welcome when it is over.
    rig_expect (rig, NULL);
    rig_rule (rig, ZB_RELEASE_BOTH);
    rig_sync (rig, true, true);
    rig_expect (rig, "c> OK|1|both|1:1|1:1");
    rig_say (rig, "n", "HELLO|h|till||");
    rig_expect (rig, NULL);
    rig_sync (rig, true, true);
    rig_expect (rig, "n> OK|h|1.2|0|*");
    rig_destroy (&rig);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_nothing_is_said_before_both_have_it),
        cmocka_unit_test (test_both_is_said_of_what_the_peer_has),
        cmocka_unit_test (test_a_level_is_true_when_it_is_said),
        cmocka_unit_test (test_hold_says_and_delivers_nothing),
        cmocka_unit_test (test_nothing_is_said_before_the_epoch_stands),
        cmocka_unit_test (test_the_token_names_what_was_said),
        cmocka_unit_test (test_what_the_peer_lacked_is_lost_and_was_never_said),
        cmocka_unit_test (test_stop_answers_all),
        cmocka_unit_test (test_in_flight_is_bounded),
        cmocka_unit_test (test_a_backlog_stays_on_disk),
        cmocka_unit_test (test_acks_reach_what_is_on_disk_only),
        cmocka_unit_test (test_windows_of_all_queues_are_bounded),
        cmocka_unit_test (test_slow_consumers_starve_nobody),
        cmocka_unit_test (test_rows_have_the_form_of_the_level),
        cmocka_unit_test (test_time_does_not_go_back_in_a_takeover),
        cmocka_unit_test (test_time_goes_on_from_what_the_peer_said),
        cmocka_unit_test (test_removal_rests),
        cmocka_unit_test (test_names_are_forgotten_by_uptime),
        cmocka_unit_test (test_producers_in_memory_are_bounded),
        cmocka_unit_test (test_damage_is_told),
        cmocka_unit_test (test_envelopes_come_back),
        cmocka_unit_test (test_many_wait_for_one_read),
        cmocka_unit_test (test_hellos_that_wait_are_turned_away),
    };
    return cmocka_run_group_tests_name ("engine", tests, NULL, NULL);
}
