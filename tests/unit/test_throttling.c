/*  =========================================================================
    test_throttling - do PUTs let acknowledgements go first, and nothing else?

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "rig.h"

static void s_hello (rig_t *rig)
{
    static const char *const who[] = {"c", "p", "s", "w"};
    for (size_t index = 0; index < sizeof who / sizeof *who; index++)
        rig_say (rig, who[index], "HELLO|h|");
}

//  An engine with commits of 10,000 bytes, so many bytes of a queue in memory, and its clients.
static rig_t *s_small_window (size_t window)
{
    static zb_limits_t limits;
    limits = (zb_limits_t) ZB_LIMITS_DEFAULT;
    limits.batch = 10000;
    limits.window = window;
    rig_t *rig = rig_ready (&limits);
    rig_wait (rig, 1000);
    s_hello (rig);
    return rig;
}

static rig_t *s_small_commits (void)
{
    static const zb_limits_t limits = ZB_LIMITS_DEFAULT;
    return s_small_window (limits.window);
}

//  An engine with three PUTs of "p" under way, as many as are let in while a consumer lags.
static rig_t *s_busy (void)
{
    rig_t *rig = s_small_commits ();
    rig_put (rig, "c", "0", "q", 2, 1);
    rig_say (rig, "c", "GET|g|q|1|0|");
    //  It keeps up: nothing but limits.waiting bounds what producers have under way.
    rig_say (rig, "c", "GET|h|q|1|0|1:1");
    rig->sync_there = false;
    for (int index = 0; index < 5; index++)
        rig_put (rig, "p", "p", "q", 1, 1000);
    rig_run (rig);
    assert_int_equal (rig_stats (rig).puts, 6);
    rig_sync (rig, true, true);
    rig->sync_there = true;
    rig_say (rig, "c", "GET|a|q|1|0|1:2");
    rig->sync_there = false;
    for (int index = 0; index < 3; index++)
        rig_put (rig, "p", "p", "q", 1, 1000);
    rig_run (rig);
    assert_int_equal (rig_stats (rig).puts, 9);
    rig_skip (rig);
    return rig;
}

static void test_puts_let_acknowledgements_go_first (void **state)
{
    (void) state;
    rig_t *rig = s_busy ();
    for (int index = 0; index < 3; index++)
        rig_put (rig, "p", "p", "q", 1, 1000);
    for (int index = 0; index < 3; index++)
        rig_put (rig, "s", "s", "q", 1, 1000);
    rig_run (rig);
    assert_int_equal (rig_stats (rig).puts, 9);
    //  Others are asked on.
    rig_say (rig, "c", "NACK|n|q|1:3");
    rig_expect (rig, "c> OK|n|*");
    rig_expect (rig, NULL);
    //  What is released makes room, for both in turn.
    rig_sync (rig, true, true);
    for (int index = 0; index < 3; index++)
        rig_expect (rig, "p> OK|p|both|*");
    rig_expect (rig, NULL);
    assert_int_equal (rig_stats (rig).puts, 12);
    rig_sync (rig, true, true);
    rig_expect (rig, "p> OK|p|both|1:11|1:11");
    rig_expect (rig, "s> OK|s|both|1:12|1:12");
    rig_expect (rig, "p> OK|p|both|1:13|1:13");
    rig_expect (rig, NULL);
    assert_int_equal (rig_stats (rig).puts, 15);
    rig_destroy (&rig);
}

//  A PUT that acknowledges what it was made of goes first, too; and one that has begun to read what others need lets nobody wait.
static void test_a_put_that_acknowledges_does_not_wait (void **state)
{
    (void) state;
    rig_t *rig = s_busy ();
    rig_put (rig, "p", "p", "q", 1, 1000);
    rig_run (rig);
    assert_int_equal (rig_stats (rig).puts, 9);
    uint64_t acked = rig_stats (rig).acked;
    rig_say (rig, "c", "PUT|1|q|acks=q 1:3|made of it");
    rig_run (rig);
    assert_int_equal (rig_stats (rig).puts, 10);
    assert_int_equal (rig_stats (rig).acked, acked + 1);
    rig_destroy (&rig);
}

static void test_a_put_that_reads_holds_up_nobody (void **state)
{
    (void) state;
    rig_t *rig = s_small_commits ();
    rig_say (rig, "c", "QUEUE|u|r|");
    rig_takeover (rig);
    rig_wait (rig, 1000);
    s_hello (rig);
    for (int index = 0; index < 10; index++)
        rig_say (rig, "c", "PUT|1|q||m");
    rig_say (rig, "c", "GET|g|q|1|0|");
    rig_skip (rig);
    //  It reads which queue that is, and meanwhile a consumer is found to lag, and there is no room.
    rig->stuck = true;
    rig_say (rig, "w", "PUT|w|r||result");
    rig_say (rig, "c", "GET|a|q|1|0|2:1");
    rig->sync_there = false;
    for (int index = 0; index < 3; index++)
        rig_put (rig, "p", "p", "q", 1, 1000);
    rig_put (rig, "s", "s", "q", 1, 1000);
    rig_run (rig);
    uint64_t puts = rig_stats (rig).puts;
    rig->stuck = false;
    rig_run (rig);
    assert_int_equal (rig_stats (rig).puts, puts + 1);
    rig_destroy (&rig);
}

//  Who only acknowledges, and has the smallest of backlogs, holds up nobody.
static void test_who_asks_for_nothing_does_not_lag (void **state)
{
    (void) state;
    rig_t *rig = s_small_commits ();
    rig_put (rig, "c", "0", "q", 2, 1);
    rig_say (rig, "c", "GET|g|q|1|0|");
    rig_say (rig, "c", "GET|h|q|0|0|1:1");
    rig->sync_there = false;
    for (int index = 0; index < 5; index++)
        rig_put (rig, "p", "p", "q", 1, 1000);
    rig_run (rig);
    assert_int_equal (rig_stats (rig).puts, 6);
    rig_destroy (&rig);
}

//  Large messages: few of them fill the room that a queue has in memory.
static void test_who_has_more_than_there_is_room_for_lags (void **state)
{
    (void) state;
    rig_t *rig = s_small_window (2000);
    for (int index = 0; index < 6; index++)
        rig_put (rig, "p", "p", "q", 1, 1000);
    rig_say (rig, "c", "GET|g|q|1|0|");
    rig_say (rig, "c", "GET|a|q|100|0|1:1");
    rig->sync_there = false;
    for (int index = 0; index < 5; index++)
        rig_put (rig, "p", "p", "q", 1, 1000);
    rig_run (rig);
    assert_int_equal (rig_stats (rig).puts, 9);
    rig_destroy (&rig);
}

//  What there is room for is leased: the consumers have enough to do.
static void test_who_works_on_all_there_is_room_for_does_not_lag (void **state)
{
    (void) state;
    rig_t *rig = s_small_window (4000);
    for (int index = 0; index < 8; index++)
        rig_put (rig, "p", "p", "q", 1, 1000);
    rig_run (rig);
    rig_sync (rig, true, true);
    rig_say (rig, "c", "GET|1|q|1|0|");
    rig_run (rig);
    rig_say (rig, "c", "GET|2|q|10|0|");
    for (int index = 0; index < 4; index++)
        rig_put (rig, "p", "p", "q", 1, 1000);
    rig_run (rig);
    rig_say (rig, "c", "GET|3|q|1|0|1:1");
    rig->sync_there = false;
    for (int index = 0; index < 5; index++)
        rig_put (rig, "p", "p", "q", 1, 1000);
    rig_run (rig);
    assert_int_equal (rig_stats (rig).puts, 17);
    rig_destroy (&rig);
}

static void test_acknowledgements_hold_up_puts_for_releases_only (void **state)
{
    (void) state;
    //  However many there are, they take no room from PUTs.
    rig_t *rig = s_busy ();
    rig_sync (rig, true, true);
    for (int index = 0; index < 60; index++)
        rig_say (rig, "c", "GET|b|q|1|0|1:3");
    rig_skip (rig);
    rig_put (rig, "s", "s", "q", 3, 1000);
    rig_run (rig);
    assert_int_equal (rig_stats (rig).puts, 10);
    //  The consumers leave, and do not come back.
    rig_put (rig, "s", "s", "q", 1, 1000);
    rig_run (rig);
    assert_int_equal (rig_stats (rig).puts, 10);
    rig_gone (rig, "c");
    rig_wait (rig, 99);
    assert_int_equal (rig_stats (rig).puts, 10);
    assert_int_equal (zb_engine_tick (rig->engine, rig->now), rig->now + 1);
    rig_wait (rig, 1);
    assert_int_equal (rig_stats (rig).puts, 11);
    rig_destroy (&rig);
    //  The peer is gone, and the broker goes on alone.
    rig = s_busy ();
    rig_put (rig, "s", "s", "q", 1, 1000);
    rig_run (rig);
    assert_int_equal (rig_stats (rig).puts, 9);
    rig_skip (rig);
    rig_rule (rig, ZB_RELEASE_HERE);
    assert_int_equal (rig_stats (rig).puts, 10);
    rig_destroy (&rig);
    //  The client goes: what it has sent is done.
    rig = s_busy ();
    rig_put (rig, "p", "p", "q", 1, 1000);
    rig_run (rig);
    rig_gone (rig, "p");
    assert_int_equal (rig_stats (rig).puts, 9);
    rig_sync (rig, true, true);
    assert_int_equal (rig_stats (rig).puts, 10);
    rig_destroy (&rig);
    //  Another one leads.
    rig = s_busy ();
    rig_put (rig, "s", "s", "q", 1, 1000);
    rig_run (rig);
    rig_skip (rig);
    rig_takeover (rig);
    for (int index = 0; index < 3; index++)
        rig_expect (rig, "p> PASSIVE|p|*");
    rig_expect (rig, "s> PASSIVE|s|*");
    rig_expect (rig, NULL);
    rig_destroy (&rig);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_puts_let_acknowledgements_go_first),
        cmocka_unit_test (test_a_put_that_acknowledges_does_not_wait),
        cmocka_unit_test (test_a_put_that_reads_holds_up_nobody),
        cmocka_unit_test (test_who_asks_for_nothing_does_not_lag),
        cmocka_unit_test (test_who_has_more_than_there_is_room_for_lags),
        cmocka_unit_test (test_who_works_on_all_there_is_room_for_does_not_lag),
        cmocka_unit_test (test_acknowledgements_hold_up_puts_for_releases_only),
    };
    return cmocka_run_group_tests_name ("throttling", tests, NULL, NULL);
}
