/*  =========================================================================
    test_leaving - what is held for a client ends with its connection

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

#include "rig.h"

//  A queue of three messages, of which the client "w" has the first two and waits in another queue.
static rig_t *s_held (const char *hello, const char *options)
{
    char line[64];
    rig_t *rig = rig_ready (NULL);
    snprintf (line, sizeof line, "QUEUE|q|q|%s", options);
    rig_say (rig, "c", line);
    rig_say (rig, "c", "QUEUE|o|other|");
    rig_say (rig, "c", "PUT|p|q||1|2|3");
    rig_say (rig, "w", hello);
    rig_say (rig, "w", "GET|g|q|2|0|");
    rig_say (rig, "w", "GET|parked|other|1|100000|");
    rig_skip (rig);
    return rig;
}

static void test_leases_last_for_grace (void **state)
{
    (void) state;
    static const struct {
        const char *options;
        int64_t ms;
    } cases[] = {{"", 5000}, {"grace=300", 300}, {"grace=60000\nlease=2000", 2000}, {"grace=0", 5000}};
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        rig_t *rig = s_held ("HELLO|h", cases[index].options);
        assert_int_equal (rig_stats (rig).sessions, 2);
        rig_gone (rig, "w");
        //  Its session and its waiting GET are gone at once.
        assert_int_equal (rig_stats (rig).sessions, 1);
        assert_int_equal (rig_stats (rig).parked, 0);
        rig_say (rig, "c", "PUT|p|other||x");
        rig_expect (rig, "c> OK|p|*");
        rig_wait (rig, cases[index].ms - 1);
        rig_say (rig, "c", "GET|g|q|9|0|");
        rig_expect (rig, "c> MSG|g|both|q|1:3 1|3");
        rig_wait (rig, 1);
        rig_say (rig, "c", "GET|g|q|9|0|");
        rig_expect (rig, "c> MSG|g|both|q|1:1 2\n1:2 2|1|2");
        //  Whoever says something over that connection now is nobody.
        rig_say (rig, "w", "GET|g|q|1|0|");
        rig_expect (rig, "w> ERR|g|401|*");
        rig_destroy (&rig);
    }
}

//  A consumer that comes back under its name has its messages at once, before all others and in their order.
static void test_a_name_gets_its_messages_back (void **state)
{
    (void) state;
    rig_t *rig = s_held ("HELLO|h|worker||", "");
    rig_gone (rig, "w");
    rig_wait (rig, 1000);
    rig_say (rig, "w2", "HELLO|h|worker||");
    rig_expect (rig, "w2> OK|h|*");
    rig_say (rig, "w2", "GET|g|q|9|0|");
    rig_expect (rig, "w2> MSG|g|both|q|1:1 2\n1:2 2\n1:3 1|1|2|3");
    //  The end of the old connection's grace takes nothing from the new one.
    rig_wait (rig, 10000);
    rig_say (rig, "c", "GET|g|q|9|0|");
    rig_expect (rig, "c> MSG|g|both|q|");
    assert_int_equal (rig_stats (rig).expired, 0);
    rig_destroy (&rig);
}

//  One that has no name acknowledges what it had, if it is back in time; what it does not, goes to others.
static void test_the_nameless_acknowledge_what_they_had (void **state)
{
    (void) state;
    rig_t *rig = s_held ("HELLO|h", "");
    rig_gone (rig, "w");
    rig_say (rig, "w2", "HELLO|h");
    rig_say (rig, "w2", "EXTEND|e|q|1:1..1:2");
    rig_say (rig, "w2", "ACK|a|q|1:1");
    rig_expect (rig, "w2> OK|h|*");
    rig_expect (rig, "w2> OK|e|0");
    rig_expect (rig, "w2> OK|a|both");
    rig_wait (rig, 5000);
    rig_say (rig, "c", "GET|g|q|9|0|");
    rig_expect (rig, "c> MSG|g|both|q|1:2 2\n1:3 1|2|3");
    rig_destroy (&rig);
}

//  What was sent before the end is done, in its order, though nobody hears of it: also what waits for a read, or a commit.
static void test_what_was_sent_is_done (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "c", "PUT|p|q||1|2");
    rig_takeover (rig);
    rig_say (rig, "c", "HELLO|h");
    rig_say (rig, "c", "LIST|l");
    rig_say (rig, "w", "HELLO|h|till||");
    rig_skip (rig);
    rig->stuck = true;
    rig->sync_there = false;
    rig_say (rig, "w", "PUT|1|q||3");
    rig_say (rig, "w", "GET|g|q|1|100000|1:1");
    rig_say (rig, "w", "LIST|l");
    rig_say (rig, "w", "PUT|2|q||4");
    rig_gone (rig, "w");
    assert_int_equal (rig_stats (rig).sessions, 1);
    rig->stuck = false;
    rig_run (rig);
    rig->sync_there = true;
    rig_sync (rig, true, true);
    assert_int_equal (rig_stats (rig).parked, 0);
    rig_skip (rig);
    rig_say (rig, "w2", "HELLO|h|till||");
    rig_expect (rig, "w2> OK|h|*");
    assert_non_null (strstr (rig_last (rig)->text, "|2|tcp"));
    rig_say (rig, "c", "GET|g|q|9|0|");
    rig_expect (rig, "c> MSG|g|both|q|1:2 1\n2:1 1\n2:2 1|2|3|4");
    rig_destroy (&rig);
}

//  A HELLO that succeeds a connection which has left requests behind ends them: what it is told is final.
static void test_a_successor_ends_what_was_left (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "c", "QUEUE|q|other|");
    rig_takeover (rig);
    rig_say (rig, "c", "HELLO|h");
    rig_say (rig, "w", "HELLO|h|till||");
    rig_skip (rig);
    rig->stuck = true;
    rig_say (rig, "w", "PUT|1|q||x");
    rig_gone (rig, "w");
    rig_say (rig, "w2", "HELLO|h|till||");
    rig_expect (rig, "w2> OK|h|*");
    assert_non_null (strstr (rig_last (rig)->text, "|0|tcp"));
    rig->stuck = false;
    rig_run (rig);
    rig_expect (rig, "w> ERR|1|401|*");
    rig_say (rig, "w2", "PUT|1|other||y");
    rig_expect (rig, "w2> OK|1|both|*");
    rig_destroy (&rig);
}

static void test_a_full_table_puts_out_who_needs_nothing (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.sessions = 3;
    rig_t *rig = rig_ready (&limits);
    rig_say (rig, "c", "PUT|p|q||1");
    rig_say (rig, "c", "GET|g|q|1|0|");
    rig_say (rig, "d", "HELLO|h");
    rig_say (rig, "e", "HELLO|h");
    rig_say (rig, "d", "LIST|l");
    rig_skip (rig);
    //  "c" is silent for the longest time and holds a message; the next one is "e".
    rig_say (rig, "f", "HELLO|h");
    rig_expect (rig, "f> OK|h|*");
    rig_say (rig, "e", "LIST|l");
    rig_expect (rig, "e> ERR|l|401|*");
    rig_say (rig, "d", "GET|g|q|1|100000|");
    rig_say (rig, "f", "GET|g|q|1|100000|");
    rig_say (rig, "e", "HELLO|h");
    rig_expect (rig, "e> ERR|h|503|too many clients");
    rig_say (rig, "c", "ACK|a|q|1:1");
    rig_expect (rig, "c> OK|a|both");
    rig_say (rig, "e", "HELLO|h");
    rig_expect (rig, "e> OK|h|*");
    rig_say (rig, "c", "LIST|l");
    rig_expect (rig, "c> ERR|l|401|*");
    rig_destroy (&rig);
}

//  Connections come and go; the table is as large as those that are there.
static void test_short_clients_leave_nothing (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    char client[32], line[64];
    for (int number = 0; number < 60000; number++) {
        snprintf (client, sizeof client, "short%d", number);
        snprintf (line, sizeof line, number % 2 ? "HELLO|h" : "HELLO|h|name%d||", number % 1000);
        rig_push (rig, client, line);
        zb_engine_gone (rig->engine, zb_frame (client), rig->now);
        if (number % 100 == 0) {
            rig_run (rig);
            rig_skip (rig);
        }
    }
    assert_int_equal (rig_stats (rig).sessions, 1);
    rig_destroy (&rig);
}

//  A consumer that holds very much leaves in steps, whether it is succeeded or not.
static void test_many_leases_return_in_steps (void **state)
{
    (void) state;
    enum { HERD = 250000, PART = 500 };
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.window = limits.windows = 256 << 20;
    for (int named = 0; named < 2; named++) {
        rig_t *rig = rig_ready (&limits);
        rig_say (rig, "w", named ? "HELLO|h|worker||" : "HELLO|h");
        for (int count = 0; count < HERD / PART; count++) {
            rig_put (rig, "c", "p", "q", PART, 1);
            rig_say (rig, "w", "GET|g|q|500|0|");
        }
        rig_skip (rig);
        rig_gone (rig, "w");
        if (named) {
            rig_say (rig, "w2", "HELLO|h|worker||");
            rig_expect (rig, "w2> OK|h|*");
        }
        else {
            rig_say (rig, "w2", "HELLO|h");
            rig_wait (rig, 5000);
            rig_expect (rig, "w2> OK|h|*");
        }
        rig_say (rig, "w2", "GET|g|q|1|0|");
        rig_expect (rig, "w2> MSG|g|both|q|1:1 2|x");
        rig_say (rig, "c", "LIST|l");
        rig_expect (rig, "c> OK|l|q|lease=30000\nmax-messages=0\nmessages=250000\nleased=1\n*");
        assert_true (rig_stats (rig).visited <= ZB_TURN_VISITS + 1000);
        rig_destroy (&rig);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_leases_last_for_grace),
        cmocka_unit_test (test_a_name_gets_its_messages_back),
        cmocka_unit_test (test_the_nameless_acknowledge_what_they_had),
        cmocka_unit_test (test_what_was_sent_is_done),
        cmocka_unit_test (test_a_successor_ends_what_was_left),
        cmocka_unit_test (test_a_full_table_puts_out_who_needs_nothing),
        cmocka_unit_test (test_short_clients_leave_nothing),
        cmocka_unit_test (test_many_leases_return_in_steps),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
