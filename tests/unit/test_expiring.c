/*  =========================================================================
    test_expiring - messages whose time is over

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

#include "core/base/bytes.h"
#include "rig.h"

#define WALL 1800000000000 //  the machine's clock is so far ahead of the monotonic one

//  Time passes, and both clocks tell it.
static void s_pass (rig_t *rig, int64_t ms)
{
    zb_engine_time (rig->engine, WALL + rig->now, rig->now);
    rig->now += ms;
    zb_engine_time (rig->engine, WALL + rig->now, rig->now);
    rig_run (rig);
}

//  Who has led for longer than removal rests, and may not have said so yet.
static void s_lead_on (rig_t *rig)
{
    s_pass (rig, 61000);
    rig_say (rig, "c", "HELLO|h");
    rig_skip (rig);
}

//  A queue `t` in which messages may expire.
static rig_t *s_timed (const char *options, const zb_limits_t *limits)
{
    rig_t *rig = rig_ready (limits);
    char line[200];
    s_lead_on (rig);
    snprintf (line, sizeof line, "QUEUE|q|t|%s", options);
    rig_say (rig, "c", line);
    rig_expect (rig, "c> OK|q");
    return rig;
}

static void test_delivered_until_its_time_is_over (void **state)
{
    (void) state;
    rig_t *rig = s_timed ("expires=1000", NULL);
    rig_say (rig, "c", "PUT|p|t||default");
    rig_say (rig, "c", "PUT|p|t|expires=3000|own");
    rig_say (rig, "c", "PUT|p|t|expires=0|never");
    s_pass (rig, 600);
    rig_say (rig, "c", "PUT|p|t||later");
    s_pass (rig, 400);
    rig_skip (rig);
    rig_say (rig, "c", "GET|g|t|9|0|");
    rig_expect (rig, "c> MSG|g|both|t|1:1 1\n1:2 1\texpires=3000\n1:3 1\texpires=0\n1:4 1|default|own|never|later");
    rig_say (rig, "c", "NACK|n|t|1:1..1:4");
    s_pass (rig, 1);
    rig_skip (rig);
    rig_say (rig, "c", "GET|g|t|9|0|");
    rig_expect (rig, "c> MSG|g|both|t|1:2 2\texpires=3000\n1:3 2\texpires=0\n1:4 2|own|never|later");
    assert_int_equal (rig_stats (rig).lapsed, 1);
    s_pass (rig, 40000);
    rig_skip (rig);
    rig_say (rig, "c", "GET|g|t|9|0|");
    rig_expect (rig, "c> MSG|g|both|t|1:3 3\texpires=0|never");
    assert_int_equal (rig_stats (rig).lapsed, 3);
    //  It is on disk, in no journal, and stays so.
    rig_takeover (rig);
    s_lead_on (rig);
    rig_say (rig, "c", "LIST|l|t");
    rig_expect (rig, "c> OK|l|t|lease=30000\nmax-messages=0\nmessages=1\nleased=0\nwaiting=0\ngrace=5000\nexpires=1000");
    rig_destroy (&rig);
}

//  What waits for a message is told of a fresh one, and not of one whose time is over.
static void test_a_get_that_waits (void **state)
{
    (void) state;
    rig_t *rig = s_timed ("expires=0", NULL);
    rig_say (rig, "c", "PUT|p|t|expires=5|old");
    s_pass (rig, 6);
    rig_skip (rig);
    rig_say (rig, "c", "GET|g|t|1|100|");
    rig_expect (rig, NULL);
    rig_say (rig, "c", "PUT|p|t|expires=5|new");
    rig_expect (rig, "c> MSG|g|both|t|1:2 1\texpires=5|new");
    rig_expect (rig, "c> OK|p|both|1:2|1:2");
    rig_say (rig, "c", "GET|g|t|1|100|");
    s_pass (rig, 101);
    rig_expect (rig, "c> MSG|g|both|t|");
    rig_destroy (&rig);
}

//  While the clock may be wrong nothing is dropped, and nothing delivered whose time seems to be over.
static void test_rests_while_the_clock_may_be_wrong (void **state)
{
    (void) state;
    rig_t *rig = s_timed ("expires=0", NULL);
    rig_say (rig, "c", "PUT|p|t|expires=10|old");
    rig_say (rig, "c", "PUT|p|t|expires=3600000|new");
    zb_engine_peer_time (rig->engine, 0, WALL + 61001, WALL);
    s_pass (rig, 100);
    rig_skip (rig);
    rig_say (rig, "c", "GET|g|t|9|0|");
    rig_expect (rig, "c> MSG|g|both|t|1:2 1\texpires=3600000|new");
    rig_say (rig, "c", "ACK|a|t|1:2");
    zb_engine_peer_time (rig->engine, 0, WALL, WALL);
    rig_takeover (rig);
    s_pass (rig, 1000);
    rig_say (rig, "c", "HELLO|h");
    rig_skip (rig);
    rig_say (rig, "c", "GET|g|t|9|0|");
    rig_expect (rig, "c> MSG|g|both|t|");
    assert_int_equal (rig_stats (rig).lapsed, 0);
    rig_say (rig, "c", "LIST|l|t");
    rig_expect (rig, "c> OK|l|t|lease=30000\nmax-messages=0\nmessages=1\n*");
    s_pass (rig, 60000);
    rig_say (rig, "c", "GET|g|t|9|0|");
    rig_expect (rig, "c> MSG|g|both|t|");
    assert_int_equal (rig_stats (rig).lapsed, 1);
    rig_destroy (&rig);
}

//  Elsewhere it is a program's own property, whatever it says; and so is that of what was put before.
static void test_only_where_the_option_was_named (void **state)
{
    (void) state;
    rig_t *rig = s_timed ("lease=0", NULL);
    rig_say (rig, "c", "PUT|p|t|expires=soon|1");
    rig_say (rig, "c", "PUT|p|t|expires=1\nexpires=2|2");
    rig_say (rig, "c", "QUEUE|q|t|expires=5");
    s_pass (rig, 1000);
    rig_skip (rig);
    rig_say (rig, "c", "GET|g|t|9|0|");
    rig_expect (rig, "c> MSG|g|both|t|1:1 1\texpires=soon\n1:2 1\texpires=1\texpires=2|1|2");
    rig_say (rig, "c", "PUT|p|t||3");
    s_pass (rig, 6);
    rig_skip (rig);
    rig_say (rig, "c", "GET|g|t|9|0|");
    rig_expect (rig, "c> MSG|g|both|t|");
    rig_destroy (&rig);
}

static void test_bad_values (void **state)
{
    (void) state;
    rig_t *rig = s_timed ("expires=0", NULL);
    rig_say (rig, "n", "HELLO|h|till||");
    rig_skip (rig);
    static const char *const bad[] = {"expires=", "expires=-1", "expires=1s", "expires=3155760000001",
                                      "expires=18446744073709551616", "expires=1\nexpires=1"};
    for (size_t index = 0; index < sizeof bad / sizeof *bad; index++) {
        char line[100];
        snprintf (line, sizeof line, "PUT|1|t|%s|x", bad[index]);
        rig_say (rig, "n", line);
        rig_expect (rig, "n> ERR|1|400|expires*");
    }
    rig_say (rig, "n", "QUEUE|q|t|expires=3155760000001");
    rig_expect (rig, "n> ERR|q|400|expires is a number of milliseconds, 0 for the default");
    //  The number is still free.
    rig_say (rig, "n", "PUT|1|t|expires=3155760000000|x");
    rig_expect (rig, "n> OK|1|both|1:1|1:1");
    zb_engine_level (rig->engine, 2);
    rig_say (rig, "n", "QUEUE|q|u|expires=0");
    rig_expect (rig, "n> ERR|q|503|*");
    rig_destroy (&rig);
}

static void s_put (rig_t *rig, size_t count, size_t size)
{
    rig_put (rig, "c", "p", "t", count, size);
    rig_run (rig);
}

//  A queue that nobody asks has room again when what is in it is over, be it in memory or not.
static void test_a_full_queue_makes_room (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.window = 20000;
    limits.windows = 100000;
    rig_t *rig = s_timed ("expires=100\nmax-messages=40", &limits);
    for (int put = 0; put < 40; put++)
        s_put (rig, 1, 2000);
    rig_skip (rig);
    s_put (rig, 1, 2000);
    rig_expect (rig, "c> ERR|p|429|the queue is full");
    s_pass (rig, 101);
    s_put (rig, 30, 100);
    rig_expect (rig, "c> OK|p|both|1:41|1:70");
    s_pass (rig, 101);
    rig_takeover_with (rig, &limits);
    s_lead_on (rig);
    for (int put = 0; put < 40; put++)
        s_put (rig, 1, 2000);
    for (int put = 0; put < 40; put++)
        rig_expect (rig, "c> OK|p|both|*");
    s_put (rig, 1, 2000);
    rig_expect (rig, "c> ERR|p|429|the queue is full");
    rig_destroy (&rig);
}

//  A great many are dropped in steps.
static void test_many_are_dropped_in_steps (void **state)
{
    (void) state;
    rig_t *rig = s_timed ("expires=100", NULL);
    for (int put = 0; put < 150; put++)
        rig_put (rig, "c", "p", "t", 1000, 1);
    s_pass (rig, 101);
    rig_skip (rig);
    rig_say (rig, "c", "GET|g|t|9|1000|");
    rig_say (rig, "c", "PUT|p|t||fresh");
    rig_expect (rig, "c> MSG|g|both|t|1:150001 1|fresh");
    rig_expect (rig, "c> OK|p|both|*");
    assert_int_equal (rig_stats (rig).lapsed, 150000);
    assert_true (rig_stats (rig).visited < 250000);
    rig_destroy (&rig);
}

//  What is dropped while a broker is alone goes to no journal: the other side decides for itself.
static void test_no_journal (void **state)
{
    (void) state;
    rig_t *rig = s_timed ("expires=100", NULL);
    rig_say (rig, "c", "PUT|p|t||old");
    zb_engine_epoch (rig->engine, 2);
    zb_engine_keep (rig->engine, ZB_KEEP_WRITE);
    rig_rule (rig, ZB_RELEASE_HERE);
    s_pass (rig, 101);
    rig_skip (rig);
    rig_say (rig, "c", "GET|g|t|9|0|");
    rig_expect (rig, "c> MSG|g|solo|t|");
    assert_int_equal (rig_stats (rig).lapsed, 1);
    assert_int_equal (fake_store_rows (rig->store, ZB_ACKS), 0);
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 0);
    rig_destroy (&rig);
}

//  But what was acknowledged of the same row is told, though what ends the row is that the rest is dropped.
static void test_what_was_acknowledged_of_its_row_is_in_the_journal (void **state)
{
    (void) state;
    rig_t *rig = s_timed ("expires=100", NULL);
    rig_say (rig, "c", "PUT|p|t||1|2|3|4");
    zb_engine_epoch (rig->engine, 2);
    zb_engine_keep (rig->engine, ZB_KEEP_WRITE);
    rig_rule (rig, ZB_RELEASE_HERE);
    rig_say (rig, "c", "ACK|a|t|1:2");
    s_pass (rig, 101);
    rig_say (rig, "c", "GET|g|t|9|0|");
    assert_int_equal (rig_stats (rig).lapsed, 3);
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 0);
    assert_int_equal (fake_store_rows (rig->store, ZB_ACKS), 1);
    size_t size = 0, value_size = 0;
    const uint8_t *key = fake_store_key (rig->store, ZB_ACKS, 0, &size);
    const uint8_t *value = fake_store_get (rig->store, ZB_ACKS, key, size, &value_size);
    assert_int_equal (zb_get64 (key + size - 8), zb_epoch_base (1, 1) + 2);
    assert_int_equal (zb_get64 (value), zb_epoch_base (1, 1) + 2);
    rig_destroy (&rig);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_delivered_until_its_time_is_over),
        cmocka_unit_test (test_a_get_that_waits),
        cmocka_unit_test (test_rests_while_the_clock_may_be_wrong),
        cmocka_unit_test (test_only_where_the_option_was_named),
        cmocka_unit_test (test_bad_values),
        cmocka_unit_test (test_a_full_queue_makes_room),
        cmocka_unit_test (test_many_are_dropped_in_steps),
        cmocka_unit_test (test_no_journal),
        cmocka_unit_test (test_what_was_acknowledged_of_its_row_is_in_the_journal),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
