/*  =========================================================================
    test_lane_reads - reads of what is not due, which come back late

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Between a read of a lane and its answer others purge, acknowledge, and have what is due inserted.
*/

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "topic_kit.h"

#define WALL 1800000000000 //  the machine's clock is so far ahead of the monotonic one

//  Time passes, and both clocks tell it.
static void s_pass (rig_t *rig, int64_t ms)
{
    zb_engine_time (rig->engine, WALL + rig->now, rig->now);
    rig->now += ms;
    zb_engine_time (rig->engine, WALL + rig->now, rig->now);
    rig_run (rig);
}

//  The queue `d`, and the clients c, x and y.
static rig_t *s_open (const zb_limits_t *limits)
{
    rig_t *rig = rig_ready (limits);
    s_pass (rig, 1);
    kit_ok (rig, "QUEUE|q|d|delay=0");
    rig_say (rig, "x", "HELLO|h");
    rig_say (rig, "y", "HELLO|h");
    rig_skip (rig);
    return rig;
}

//  The reads that are on their way come back, the newest first or the oldest first.
static void s_let_go (rig_t *rig, bool newest_first)
{
    for (size_t index = 0; newest_first && index < rig->reads / 2; index++) {
        zb_read_t *read = rig->read[index];
        rig->read[index] = rig->read[rig->reads - 1 - index];
        rig->read[rig->reads - 1 - index] = read;
    }
    rig->stuck = false;
    rig_run (rig);
}

//  The read that is the only one on its way does not come back.
static zb_read_t *s_hold (rig_t *rig)
{
    assert_int_equal (rig->reads, 1);
    rig->reads = 0;
    rig->stuck = false;
    return rig->read[0];
}

//  LIST has so many messages of d; the row of it can be read by the next leader, and no row is left when they are gone.
static void s_has (rig_t *rig, unsigned messages)
{
    char text[100];
    snprintf (text, sizeof text, "c> OK|l|d|lease=30000\nmax-messages=0\nmessages=%u\n*", messages);
    rig_skip (rig);
    rig_say (rig, "c", "LIST|l|d");
    rig_expect (rig, text);
    kit_takeover (rig);
    s_pass (rig, 0);
    rig_skip (rig);
    rig_say (rig, "c", "LIST|l|d");
    rig_expect (rig, text);
    if (messages == 0)
        assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 0);
    rig_say (rig, "c", "PUT|p|d||next");
    rig_skip (rig);
    rig_say (rig, "c", "LIST|l|d");
    snprintf (text, sizeof text, "c> OK|l|d|lease=30000\nmax-messages=0\nmessages=%u\n*", messages + 1);
    rig_expect (rig, text);
}

//  What is purged stays so when the rows of it are read before they are gone, and come back behind that.
static void test_purged_while_it_is_read (void **state)
{
    (void) state;
    for (int round = 0; round < 8; round++) {
        rig_t *rig = s_open (NULL);
        kit_ok (rig, "PUT|p|d|delay=100|one|two|three");
        s_pass (rig, 100);
        rig_skip (rig);
        rig->stuck = true;
        //  They are read for it, or for it and the other one, when the store knows of it, or for the other one before that.
        rig_push (rig, "c", "PURGE|x|d");
        if (round & 1)
            rig_run (rig);
        rig_say (rig, "x", round & 2 ? "ACK|a|d|1:1" : "GET|g|d|9|5000|");
        rig_run (rig);
        s_let_go (rig, round & 4);
        rig_expect (rig, "c> OK|x|both");
        rig_expect (rig, round & 2 ? "x> OK|a|both" : NULL);
        rig_expect (rig, NULL);
        s_has (rig, 0);
        rig_destroy (&rig);
    }
}

//  What is purged is behind what the next leader reads, also while what became due before it is on its way into the log.
static void test_purged_while_something_becomes_due (void **state)
{
    (void) state;
    rig_t *rig = s_open (NULL);
    kit_ok (rig, "PUT|p|d|delay=100|first");
    for (int put = 0; put < 500; put++) {
        rig_skip (rig);
        kit_ok (rig, "PUT|p|d||one");
    }
    rig_say (rig, "x", "GET|g|d|1000|0|");
    rig_skip (rig);
    rig->sync_there = false;
    rig_say (rig, "y", "GET|g|d|9|5000|");
    s_pass (rig, 100);
    //  Nothing is freed before the takeover.
    rig->stuck = true;
    rig_say (rig, "c", "PURGE|x|d");
    rig->sync_there = true;
    rig_sync (rig, true, true);
    rig_run (rig);
    rig_expect (rig, "c> OK|x|both");
    rig_expect (rig, NULL);
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 501);
    rig_takeover (rig);
    //  What is read at the beginning comes back, but not the rows that are purged.
    while (rig->reads > 1) {
        zb_engine_loaded (rig->engine, &rig->read[0], rig->now);
        memmove (rig->read, rig->read + 1, --rig->reads * sizeof *rig->read);
    }
    zb_read_t *boot = s_hold (rig);
    rig->stuck = true;
    zb_engine_loaded (rig->engine, &boot, rig->now);
    rig_run (rig);
    zb_read_t *held = s_hold (rig);
    s_pass (rig, 0);
    rig_say (rig, "c", "HELLO|h");
    rig_skip (rig);
    rig_say (rig, "c", "GET|g|d|1000|0|");
    rig_expect (rig, "c> MSG|g|both|d|");
    zb_engine_loaded (rig->engine, &held, rig->now);
    rig_run (rig);
    s_has (rig, 0);
    rig_destroy (&rig);
}

//  Nobody sees it any more, though its rows are still there when the tombstone goes.
static void test_purged_while_somebody_looks (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.inflight = 1;
    rig_t *rig = s_open (&limits);
    kit_ok (rig, "PUT|p|d|delay=100|one|two|three");
    rig->stuck = true;
    kit_ok (rig, "PURGE|x|d");
    rig->sync_there = false;
    rig_say (rig, "c", "PUT|p|q||in flight");
    rig_skip (rig);
    rig_say (rig, "x", "PEEK|k|d|first|9");
    s_let_go (rig, false);
    rig_expect (rig, "x> MSG|k|both|d|");
    rig_destroy (&rig);
}

//  An ACK that meets what it names on its way into the log is done, also if the two wait for the same read.
static void test_acknowledged_while_it_becomes_due (void **state)
{
    (void) state;
    for (int round = 0; round < 4; round++) {
        rig_t *rig = s_open (NULL);
        kit_ok (rig, "PUT|p|d|delay=100|one|two");
        s_pass (rig, 100);
        rig_skip (rig);
        rig->stuck = true;
        rig_say (rig, "x", "GET|g|d|9|5000|");
        rig_say (rig, "c", "ACK|a|d|1:1");
        if (round & 1)
            rig_say (rig, "y", "ACK|a|d|1:2");
        rig->sync_there = round & 2;
        s_let_go (rig, false);
        rig->sync_there = true;
        rig_sync (rig, true, true);
        rig_run (rig);
        //  A row that is shown is delivered at once.
        rig_skip (rig);
        rig_say (rig, "c", "ACK|a|d|1:1");
        rig_expect (rig, "c> OK|a|both");
        s_has (rig, round & 1 ? 0 : 1);
        rig_say (rig, "y", "HELLO|h");
        rig_skip (rig);
        kit_answers (rig, "y", "GET|g|d|9|0|", round & 1 ? "next" : "two,next");
        rig_destroy (&rig);
    }
}

//  Who names many ids that are looked up one by one lets others in between, and so do two of them.
static void test_many_are_acknowledged (void **state)
{
    (void) state;
    for (int round = 0; round < 2; round++) {
        rig_t *rig = s_open (NULL);
        kit_ok (rig, "PUT|p|d|delay=1000|1|2|3|4|5|6|7|8|9|10|11|12");
        kit_ok (rig, "PUT|p|d|delay=100|due");
        s_pass (rig, 100);
        rig_skip (rig);
        rig_push (rig, "x", "ACK|a|d|1:1 1:3 1:5 1:7 1:9 1:11");
        if (round)
            rig_push (rig, "y", "ACK|a|d|1:2 1:4 1:6 1:8 1:10 1:12");
        rig_push (rig, "c", round ? "ACK|a|d|1:13" : "REJECT|a|d|1:13");
        rig_run (rig);
        rig_expect (rig, round ? "c> OK|a|both" : "c> ERR|a|400|*");
        rig_expect (rig, "x> OK|a|both");
        rig_expect (rig, round ? "y> OK|a|both" : NULL);
        s_has (rig, round ? 0 : 7);
        rig_destroy (&rig);
    }
}

//  Also while the store takes nothing a commit stays small.
static void test_many_are_acknowledged_while_the_store_is_slow (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.inflight = 1;
    limits.batch = 4096;
    rig_t *rig = s_open (&limits);
    for (int put = 0; put < 30; put++) {
        rig_skip (rig);
        kit_ok (rig, "PUT|p|d|delay=1000|1|2|3|4|5|6|7|8|9|10");
    }
    rig->sync_there = false;
    rig_say (rig, "c", "PUT|p|q||in flight");
    rig->most_ops = 0;
    char line[3000] = "ACK|a|d|1:1";
    for (int id = 2; id <= 300; id++)
        snprintf (line + strlen (line), sizeof line - strlen (line), " 1:%d", id);
    rig_skip (rig);
    rig_say (rig, "c", line);
    rig->sync_there = true;
    rig_sync (rig, true, true);
    rig_expect (rig, "c> OK|p|both|1:301|1:301");
    rig_expect (rig, "c> OK|a|both");
    assert_true (rig->most_ops < 250);
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 1);
    rig_destroy (&rig);
}

//  What was purged on its way into the log is not acknowledged once more.
static void test_acknowledged_when_it_was_purged (void **state)
{
    (void) state;
    rig_t *rig = s_open (NULL);
    kit_ok (rig, "PUT|p|d|delay=100|one");
    rig_skip (rig);
    rig->sync_there = false;
    rig_say (rig, "x", "GET|g|d|9|5000|");
    s_pass (rig, 100);
    rig_say (rig, "c", "PURGE|x|d");
    rig_say (rig, "y", "ACK|a|d|1:1");
    rig->sync_there = true;
    rig_sync (rig, true, true);
    rig_run (rig);
    rig_expect (rig, "c> OK|x|both");
    rig_expect (rig, "y> OK|a|both");
    rig_expect (rig, NULL);
    s_has (rig, 0);
    rig_destroy (&rig);
}

//  More tombstones than a leader reads at once: what is not purged is there for an ACK and a REJECT, and is due in its time.
static void test_beside_many_tombstones (void **state)
{
    (void) state;
    static const char *const request[] = {"ACK|a|d|1:1", "REJECT|r|d|1:1", "GET|g|d|9|0|"};
    static const char *const reply[] = {"c> OK|a|both", "c> ERR|r|400|*",
                                        "c> MSG|g|both|d|1:1 1\tdelay=100\n1:2 1\tdelay=100|one|two"};
    char line[40];
    for (int round = 0; round < 3; round++) {
        rig_t *rig = s_open (NULL);
        kit_ok (rig, "PUT|p|d|delay=100|one|two");
        for (int queue = 0; queue < 1100; queue++) {
            snprintf (line, sizeof line, "QUEUE|q|n%d|", queue);
            rig_push (rig, "c", line);
            rig_run (rig);
        }
        //  Nothing is freed.
        rig->stuck = true;
        for (int queue = 0; queue < 1100; queue++) {
            snprintf (line, sizeof line, "DELETE|d|n%d", queue);
            rig_push (rig, "c", line);
        }
        rig_run (rig);
        rig_takeover (rig);
        assert_int_equal (fake_store_rows (rig->store, ZB_QUEUES), 1102);
        //  What is read at the beginning comes back, but not the rows of the first one.
        while (rig->reads > 1) {
            zb_engine_loaded (rig->engine, &rig->read[0], rig->now);
            memmove (rig->read, rig->read + 1, --rig->reads * sizeof *rig->read);
        }
        zb_read_t *boot = s_hold (rig);
        rig->stuck = true;
        zb_engine_loaded (rig->engine, &boot, rig->now);
        rig_run (rig);
        zb_read_t *held = s_hold (rig);
        s_pass (rig, 0);
        rig_say (rig, "c", "HELLO|h");
        s_pass (rig, round == 2 ? 100 : 0);
        rig_skip (rig);
        rig_say (rig, "c", request[round]);
        rig_expect (rig, reply[round]);
        rig_say (rig, "c", "LIST|l|d");
        rig_expect (rig, round ? "c> OK|l|d|lease=30000\nmax-messages=0\nmessages=2\n*"
                               : "c> OK|l|d|lease=30000\nmax-messages=0\nmessages=1\n*");
        zb_engine_loaded (rig->engine, &held, rig->now);
        rig_run (rig);
        s_has (rig, round ? 2 : 1);
        rig_destroy (&rig);
    }
}

//  What was purged and is not freed yet, however much it is, does not keep back what is due behind it.
static void test_behind_what_was_purged (void **state)
{
    (void) state;
    rig_t *rig = s_open (NULL);
    for (int put = 0; put < 10; put++) {
        rig_skip (rig);
        kit_ok (rig,
                "PUT|p|d|delay=90|1|2|3|4|5|6|7|8|9|10|11|12|13|14|15|16|17|18|19|20|21|22|23|24|25|26|27|28|29|30|"
                "31|32|33|34|35|36|37|38|39|40|41|42|43|44|45|46|47|48|49|50");
    }
    kit_ok (rig, "PUT|p|d|delay=95|never");
    s_pass (rig, 40);
    rig->stuck = true;
    kit_ok (rig, "PURGE|x|d");
    zb_read_t *held = s_hold (rig);
    kit_ok (rig, "PUT|p|d|delay=100|late");
    kit_ok (rig, "PUT|p|d|delay=60|soon");
    rig_skip (rig);
    rig_say (rig, "x", "GET|g|d|9|5000|");
    s_pass (rig, 60);
    rig_expect (rig, "x> MSG|g|both|d|1:503 1\tdelay=60|soon");
    rig_say (rig, "y", "ACK|a|d|1:1");
    rig_expect (rig, "y> OK|a|both");
    rig_say (rig, "x", "GET|g|d|9|5000|");
    size_t reads = rig->read_count;
    s_pass (rig, 40);
    rig_expect (rig, "x> MSG|g|both|d|1:502 1\tdelay=100|late");
    assert_true (rig->read_count - reads < 4);
    zb_engine_loaded (rig->engine, &held, rig->now);
    rig_run (rig);
    rig_say (rig, "x", "ACK|a|d|1:502 1:503");
    s_has (rig, 0);
    rig_destroy (&rig);
}

//  Nor does it keep a GET waiting whose time is over.
static void test_late_behind_what_was_purged (void **state)
{
    (void) state;
    for (int round = 0; round < 2; round++) {
        rig_t *rig = s_open (NULL);
        for (int put = 0; put < 20; put++) {
            rig_skip (rig);
            kit_ok (rig,
                    "PUT|p|d|delay=90|1|2|3|4|5|6|7|8|9|10|11|12|13|14|15|16|17|18|19|20|21|22|23|24|25|26|27|28|29|"
                    "30|31|32|33|34|35|36|37|38|39|40|41|42|43|44|45|46|47|48|49|50");
        }
        s_pass (rig, 90);
        rig->stuck = true;
        kit_ok (rig, "PURGE|x|d");
        zb_read_t *held = s_hold (rig);
        kit_ok (rig, "PUT|p|d|delay=100|late");
        s_pass (rig, 100);
        rig_skip (rig);
        rig->stuck = true;
        rig_say (rig, "x", "GET|g|d|9|0|");
        rig_expect (rig, NULL);
        rig->now += round ? 1000 : 100;
        zb_read_t *due = s_hold (rig);
        rig->stuck = true;
        zb_engine_loaded (rig->engine, &due, rig->now);
        rig_run (rig);
        rig_expect (rig, round ? "x> MSG|g|both|d|" : NULL);
        s_let_go (rig, false);
        if (round)
            rig_say (rig, "x", "GET|g|d|9|0|");
        rig_expect (rig, "x> MSG|g|both|d|1:1001 1\tdelay=100|late");
        zb_engine_loaded (rig->engine, &held, rig->now);
        rig_run (rig);
        rig_say (rig, "x", "ACK|a|d|1:1001");
        s_has (rig, 0);
        rig_destroy (&rig);
    }
}

//  What is purged goes, also when the step before it found nothing.
static void test_purged_again_while_nothing_is_found (void **state)
{
    (void) state;
    rig_t *rig = s_open (NULL);
    rig->stuck = true;
    kit_ok (rig, "PURGE|x|d");
    zb_read_t *held = s_hold (rig);
    kit_ok (rig, "PUT|p|d||one");
    kit_ok (rig, "PURGE|x|d");
    zb_engine_loaded (rig->engine, &held, rig->now);
    rig_run (rig);
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 0);
    rig_destroy (&rig);
}

//  Time alone makes something due: who has waited for that waits for the peer then, if the peer does not ack, or nothing may be
//  told without it.
static void test_due_while_the_peer_is_silent (void **state)
{
    (void) state;
    for (int round = 0; round < 6; round++) {
        bool held = round & 1, late = round >= 4;
        rig_t *rig = s_open (NULL);
        kit_ok (rig, "PUT|p|d|delay=100|one");
        rig_skip (rig);
        //  It knows of its head, or not.
        if (round & 2)
            rig_say (rig, "y", "GET|g|d|9|0|");
        rig->sync_there = false;
        rig_say (rig, "x", late ? "GET|g|d|9|99|" : "GET|g|d|9|5000|");
        assert_false (zb_engine_client_waits (rig->engine));
        if (held)
            rig_rule (rig, ZB_RELEASE_HOLD);
        rig_skip (rig);
        s_pass (rig, 50);
        assert_false (zb_engine_client_waits (rig->engine));
        s_pass (rig, 50);
        //  Nobody's answer is owed: a switchover does not wait for it.
        assert_true (zb_engine_client_waits (rig->engine));
        assert_false (zb_engine_owes (rig->engine));
        rig_expect (rig, NULL);
        rig_rule (rig, ZB_RELEASE_HERE);
        assert_false (zb_engine_client_waits (rig->engine));
        rig_expect (rig, "x> MSG|g|solo|d|1:1 1\tdelay=100|one");
        rig_destroy (&rig);
    }
}

//  So it is with what comes back when a lease ends; and of who has gone nothing is left.
static void test_ready_while_nothing_may_be_told (void **state)
{
    (void) state;
    for (int round = 0; round < 2; round++) {
        rig_t *rig = s_open (NULL);
        kit_ok (rig, "PUT|p|q||one");
        rig_say (rig, "y", "GET|g|q|9|0|");
        rig_say (rig, "x", "GET|g|q|9|90000|");
        rig_rule (rig, ZB_RELEASE_HOLD);
        rig_skip (rig);
        s_pass (rig, 29000);
        assert_false (zb_engine_client_waits (rig->engine));
        s_pass (rig, 1000);
        assert_true (zb_engine_client_waits (rig->engine));
        rig_expect (rig, NULL);
        if (round)
            rig_gone (rig, "x");
        assert_int_equal (zb_engine_client_waits (rig->engine), !round);
        rig_rule (rig, ZB_RELEASE_BOTH);
        rig_expect (rig, round ? NULL : "x> MSG|g|both|q|1:1 2|one");
        rig_destroy (&rig);
    }
}

//  What was put while the machine's clock was set back is due before what was read meanwhile, and is delivered, too.
static void test_put_before_what_is_read (void **state)
{
    (void) state;
    for (int round = 0; round < 2; round++) {
        rig_t *rig = s_open (NULL);
        kit_ok (rig, "PUT|p|d|delay=100|first");
        s_pass (rig, 100);
        rig_skip (rig);
        rig->stuck = round;
        rig_say (rig, "x", "GET|g|d|9|5000|");
        zb_engine_time (rig->engine, WALL + rig->now - 5000, rig->now);
        rig_say (rig, "c", "PUT|p|d|delay=10|second");
        zb_engine_time (rig->engine, WALL + rig->now, rig->now);
        s_let_go (rig, false);
        rig_say (rig, "x", "GET|g|d|9|0|");
        rig_expect (rig, round ? "c> OK|p|both|1:2|1:2" : "x> MSG|g|both|d|1:1 1\tdelay=100|first");
        rig_expect (rig, round ? "x> MSG|g|both|d|1:1 1\tdelay=100|first" : "c> OK|p|both|1:2|1:2");
        rig_expect (rig, "x> MSG|g|both|d|1:2 1\tdelay=10|second");
        rig_destroy (&rig);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_purged_while_it_is_read),
        cmocka_unit_test (test_purged_while_something_becomes_due),
        cmocka_unit_test (test_purged_while_somebody_looks),
        cmocka_unit_test (test_acknowledged_while_it_becomes_due),
        cmocka_unit_test (test_many_are_acknowledged),
        cmocka_unit_test (test_many_are_acknowledged_while_the_store_is_slow),
        cmocka_unit_test (test_acknowledged_when_it_was_purged),
        cmocka_unit_test (test_beside_many_tombstones),
        cmocka_unit_test (test_behind_what_was_purged),
        cmocka_unit_test (test_late_behind_what_was_purged),
        cmocka_unit_test (test_purged_again_while_nothing_is_found),
        cmocka_unit_test (test_due_while_the_peer_is_silent),
        cmocka_unit_test (test_ready_while_nothing_may_be_told),
        cmocka_unit_test (test_put_before_what_is_read),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
