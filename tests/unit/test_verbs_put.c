/*  =========================================================================
    test_verbs_put - HELLO and PUT: who is served, and what is stored

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

static void test_no_verb_without_hello (void **state)
{
    (void) state;
    static const char *const line[] = {"PUT|1|q||x", "GET|1|q|1|0|", "ACK|1|q|1:1", "NACK|1|q|1:1", "EXTEND|1|q|1:1",
                                       "QUEUE|1|q|", "LIST|1",       "PURGE|1|q",   "DELETE|1|q"};
    rig_t *rig = rig_new (NULL);
    for (size_t index = 0; index < sizeof line / sizeof line[0]; index++) {
        rig_say (rig, "c", line[index]);
        rig_expect (rig, "c> ERR|1|401|say HELLO first");
        assert_string_equal (rig_last (rig)->token, "");
    }
    assert_int_equal (rig_stats (rig).sessions, 0);
    rig_destroy (&rig);
}

static void test_hello_numbers_instances (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "a", "HELLO|h|till||");
    rig_expect (rig, "a> OK|h|1.1|0|tcp://a|tcp://b");
    rig_say (rig, "a", "PUT|1|q||x");
    rig_expect (rig, "a> OK|1|both|1:1|1:1");
    //  The same process on a new connection.
    rig_say (rig, "b", "HELLO|h|till||1.1");
    rig_expect (rig, "b> OK|h|1.1|1|tcp://a|tcp://b");
    //  What the old connection has left behind comes late: it must not take messages that nobody will hear of.
    rig_say (rig, "a", "GET|late|q|10|0|");
    rig_expect (rig, "a> ERR|late|401|*");
    rig_say (rig, "b", "GET|g|q|10|0|");
    rig_expect (rig, "b> MSG|g|both|q|1:1 1|x");
    rig_say (rig, "b", "PUT|2|q||x");
    rig_expect (rig, "b> OK|2|both|1:2|1:2");
    //  A new process fences the older one.
    rig_say (rig, "d", "HELLO|h|till||");
    rig_expect (rig, "d> OK|h|1.2|2|tcp://a|tcp://b");
    rig_say (rig, "b", "PUT|3|q||x");
    rig_expect (rig, "b> ERR|3|401|*");
    rig_say (rig, "d", "GET|3|q|1|0|");
    rig_expect (rig, "d> MSG|3|*");
    rig_say (rig, "e", "HELLO|h|till||1.1");
    rig_expect (rig, "e> ERR|h|409|fenced*");
    rig_say (rig, "e", "LIST|1");
    rig_expect (rig, "e> ERR|1|401|*");
    //  It is known to whoever leads next.
    rig_takeover (rig);
    rig_say (rig, "e", "HELLO|h|till||1.1");
    rig_expect (rig, "e> ERR|h|409|fenced*");
    rig_say (rig, "f", "HELLO|h|till||");
    rig_expect (rig, "f> OK|h|2.1|2|tcp://a|tcp://b");
    rig_destroy (&rig);
}

//  A first HELLO that its client has given up is delivered all the same, on a connection that says nothing more.
static void test_late_first_hello_fences_nobody (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "a", "HELLO|h|till||");
    rig_expect (rig, "a> OK|h|1.1|0|*");
    rig_say (rig, "late1", "HELLO|h|till||");
    rig_expect (rig, "late1> OK|h|1.2|0|*");
    rig_say (rig, "a", "PUT|1|q||x");
    rig_expect (rig, "a> ERR|1|401|*");
    rig_say (rig, "a", "HELLO|h|till||1.1");
    rig_expect (rig, "a> OK|h|1.1|0|*");
    rig_say (rig, "a", "PUT|1|q||x");
    rig_expect (rig, "a> OK|1|both|1:1|1:1");
    rig_say (rig, "late2", "HELLO|h|till||");
    rig_expect (rig, "late2> OK|h|1.3|1|*");
    //  Nor does it for whoever leads next, and no instance is given twice.
    rig_takeover (rig);
    rig_say (rig, "a", "HELLO|h|till||1.1");
    rig_expect (rig, "a> OK|h|1.1|1|*");
    rig_say (rig, "b", "HELLO|h|till||");
    rig_expect (rig, "b> OK|h|2.1|1|*");
    //  A process that lives says more: this counts, and so does presenting what it was given.
    rig_say (rig, "b", "LIST|l");
    rig_expect (rig, "b> OK|l|*");
    rig_say (rig, "a", "HELLO|h|till||1.1");
    rig_expect (rig, "a> ERR|h|409|fenced*");
    rig_say (rig, "d", "HELLO|h|till||");
    rig_expect (rig, "d> OK|h|2.2|1|*");
    rig_say (rig, "e", "HELLO|h|till||2.2");
    rig_expect (rig, "e> OK|h|2.2|1|*");
    rig_takeover (rig);
    rig_say (rig, "b", "HELLO|h|till||2.1");
    rig_expect (rig, "b> ERR|h|409|fenced*");
    rig_destroy (&rig);
}

static void test_hello_waits_for_puts_in_flight (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "a", "HELLO|h|till||");
    rig_expect (rig, "a> OK|h|1.1|0|*");
    rig->sync_there = false;
    rig_say (rig, "a", "PUT|1|q||x");
    rig_say (rig, "b", "HELLO|h|till||1.1");
    rig_expect (rig, NULL);
    rig_sync (rig, true, true);
    rig_expect (rig, "a> OK|1|both|1:1|1:1");
    rig_expect (rig, "b> OK|h|1.1|1|*");
    rig_destroy (&rig);
}

static void test_sessions_are_bounded_and_forgotten (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.sessions = 2;
    rig_t *rig = rig_ready (&limits);
    rig_say (rig, "d", "HELLO|h");
    rig_expect (rig, "d> OK|h|0|0|*");
    rig_say (rig, "d", "GET|g|q|1|100000|");
    rig_say (rig, "c", "GET|g|q|1|100000|");
    rig_say (rig, "e", "HELLO|h");
    rig_expect (rig, "e> ERR|h|503|*");
    rig_gone (rig, "d");
    rig_say (rig, "c", "GET|z|q|0|0|");
    rig_skip (rig);
    rig_say (rig, "e", "HELLO|h");
    rig_expect (rig, "e> OK|h|0|0|*");
    rig_wait (rig, limits.session_idle - 1);
    rig_say (rig, "e", "LIST|l");
    rig_expect (rig, "e> OK|l|*");
    rig_wait (rig, 1);
    assert_int_equal (rig_stats (rig).sessions, 1);
    rig_say (rig, "c", "LIST|l");
    rig_expect (rig, "c> ERR|l|401|*");
    rig_destroy (&rig);
}

static void test_put_stores_in_order (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "c", "PUT|any id|q|colour=red\nsize=5|one|two|");
    rig_expect (rig, "c> OK|any id|both|1:1|1:3");
    rig_say (rig, "c", "PUT|x|q||four");
    rig_expect (rig, "c> OK|x|both|1:4|1:4");
    rig_say (rig, "c", "GET|g|q|10|0|");
    rig_expect (rig, "c> MSG|g|both|q|1:1 1\tcolour=red\tsize=5\n1:2 1\tcolour=red\tsize=5\n"
                     "1:3 1\tcolour=red\tsize=5\n1:4 1|one|two||four");
    rig_destroy (&rig);
}

static void test_put_is_refused (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "p", "HELLO|h|till||");
    rig_expect (rig, "p> OK|h|1.1|0|*");
    rig_say (rig, "p", "PUT|1|no||x");
    rig_expect (rig, "p> ERR|1|404|no such queue");
    rig_say (rig, "p", "PUT|one|q||x");
    rig_expect (rig, "p> ERR|one|400|*");
    rig_say (rig, "p", "PUT|2|q||x");
    rig_expect (rig, "p> ERR|2|409|1");
    zb_engine_full (rig->engine, true);
    rig_say (rig, "p", "PUT|1|q||x");
    rig_expect (rig, "p> ERR|1|507|*");
    rig_say (rig, "p", "QUEUE|z|r|");
    rig_expect (rig, "p> ERR|z|507|*");
    zb_engine_full (rig->engine, false);
    rig_say (rig, "c", "QUEUE|z|q|max-messages=2");
    rig_expect (rig, "c> OK|z");
    rig_say (rig, "p", "PUT|1|q||x|y|z");
    rig_expect (rig, "p> ERR|1|429|*");
    //  No refusal has used the number.
    rig_say (rig, "p", "PUT|1|q||x|y");
    rig_expect (rig, "p> OK|1|both|1:1|1:2");
    rig_say (rig, "p", "PUT|2|q||x");
    rig_expect (rig, "p> ERR|2|429|*");
    //  What was stored is told so even if it were refused now.
    zb_engine_full (rig->engine, true);
    rig_say (rig, "p", "PUT|1|q||x|y");
    rig_expect (rig, "p> OK|1|both|1:1|1:2|duplicate");
    rig_say (rig, "c", "ACK|a|q|1:1");
    rig_expect (rig, "c> OK|a|both");
    zb_engine_full (rig->engine, false);
    rig_say (rig, "p", "PUT|2|q||x");
    rig_expect (rig, "p> OK|2|both|1:3|1:3");
    rig_destroy (&rig);
}

static void test_duplicates (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    char line[64];
    rig_say (rig, "p", "HELLO|h|till||");
    rig_expect (rig, "p> OK|h|1.1|0|*");
    for (int number = 1; number <= 300; number++) {
        snprintf (line, sizeof line, "PUT|%d|q|a=%d|x", number, number);
        rig_say (rig, "p", line);
    }
    rig_skip (rig);
    for (int round = 0; round < 2; round++) {
        rig_say (rig, "p", "PUT|300|q|a=300|x");
        rig_expect (rig, "p> OK|300|both|1:300|1:300|duplicate");
        rig_say (rig, "p", "PUT|45|q|a=45|x");
        rig_expect (rig, "p> OK|45|both|1:45|1:45|duplicate");
        rig_say (rig, "p", "PUT|44|q|a=44|x");
        rig_expect (rig, "p> ERR|44|409|301");
        rig_say (rig, "p", "PUT|300|q|a=300|y");
        rig_expect (rig, "p> ERR|300|409|301");
        rig_say (rig, "p", "PUT|300|q|a=301|x");
        rig_expect (rig, "p> ERR|300|409|301");
        rig_say (rig, "p", "PUT|300|q|a=300|x|");
        rig_expect (rig, "p> ERR|300|409|301");
        rig_say (rig, "p", "PUT|300|r|a=300|x");
        rig_expect (rig, "p> ERR|300|409|301");
        rig_say (rig, "p", "PUT|302|q||x");
        rig_expect (rig, "p> ERR|302|409|301");
        rig_takeover (rig);
        rig_say (rig, "p", "HELLO|h|till||1.1");
        rig_expect (rig, "p> OK|h|1.1|300|*");
    }
    rig_say (rig, "p", "PUT|301|q||x");
    rig_expect (rig, "p> OK|301|both|3:1|3:1");
    rig_destroy (&rig);
}

//  Whether a number was stored is asked before any limit: those of the broker that has stored it may have been larger.
static void test_a_stored_number_knows_no_limits (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "a", "HELLO|h|till||");
    rig_say (rig, "a", "PUT|1|q||a body of 26 bytes, or so,");
    rig_say (rig, "a", "PUT|2|q||1|2|3");
    rig_say (rig, "a", "PUT|3|q|a=of 14 bytes,|x");
    rig_skip (rig);
    zb_limits_t small = ZB_LIMITS_DEFAULT;
    small.body = 10;
    small.bodies = 2;
    small.properties = 10;
    small.queue_messages = 1;
    rig_takeover_with (rig, &small);
    rig_say (rig, "a", "HELLO|h|till||1.1");
    rig_expect (rig, "a> OK|h|1.1|3|*");
    zb_engine_full (rig->engine, true);
    rig_say (rig, "a", "PUT|1|q||a body of 26 bytes, or so,");
    rig_expect (rig, "a> OK|1|both|1:1|1:1|duplicate");
    rig_say (rig, "a", "PUT|2|q||1|2|3");
    rig_expect (rig, "a> OK|2|both|1:2|1:4|duplicate");
    rig_say (rig, "a", "PUT|3|q|a=of 14 bytes,|x");
    rig_expect (rig, "a> OK|3|both|1:5|1:5|duplicate");
    //  Another one under such a number, and a gap, are what they are.
    rig_say (rig, "a", "PUT|2|q||1|2|4");
    rig_expect (rig, "a> ERR|2|409|4");
    rig_say (rig, "a", "PUT|5|q||1|2|3");
    rig_expect (rig, "a> ERR|5|409|4");
    //  A new one gets what the limit says, and its number stays free; so does one of nobody.
    zb_engine_full (rig->engine, false);
    rig_say (rig, "a", "PUT|4|q||a body of 26 bytes, or so,");
    rig_expect (rig, "a> ERR|4|413|body: 26 bytes, the limit is 10");
    rig_say (rig, "a", "PUT|4|q||1|2|3");
    rig_expect (rig, "a> ERR|4|413|bodies: 3, the limit is 2");
    rig_say (rig, "a", "PUT|4|q|a=of 14 bytes,|x");
    rig_expect (rig, "a> ERR|4|413|properties: 14 bytes, the limit is 10");
    rig_say (rig, "c", "HELLO|h");
    rig_say (rig, "c", "PUT|4|q||a body of 26 bytes, or so,");
    rig_expect (rig, "c> OK|h|*");
    rig_expect (rig, "c> ERR|4|413|body: 26 bytes, the limit is 10");
    //  What is stored is delivered.
    rig_say (rig, "c", "GET|g|q|9|0|");
    rig_expect (rig, "c> MSG|g|both|q|1:1 1\n1:2 1|a body of 26 bytes, or so,|1");
    rig_say (rig, "c", "ACK|k|q|1:1..1:5");
    rig_say (rig, "a", "PUT|4|q||x");
    rig_expect (rig, "c> OK|k|both");
    rig_expect (rig, "a> OK|4|both|2:1|2:1");
    rig_destroy (&rig);
}

//  A program may begin with QUEUE: what changes nothing is no reason to refuse it.
static void test_a_queue_that_is_there_needs_no_room (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    zb_engine_full (rig->engine, true);
    rig_say (rig, "c", "QUEUE|1|q|");
    rig_expect (rig, "c> OK|1");
    rig_say (rig, "c", "QUEUE|2|q|lease=7");
    rig_expect (rig, "c> ERR|2|507|*");
    rig_say (rig, "c", "QUEUE|3|r|");
    rig_expect (rig, "c> ERR|3|507|*");
    rig_destroy (&rig);
}

static void test_at_most_256_in_flight (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    char line[64];
    rig_say (rig, "p", "HELLO|h|till||");
    rig_skip (rig);
    rig->sync_here = rig->sync_there = false;
    for (int number = 1; number <= 257; number++) {
        snprintf (line, sizeof line, "PUT|%d|q||x", number);
        rig_push (rig, "p", line);
    }
    rig_run (rig);
    rig_expect (rig, "p> ERR|257|429|*");
    rig_expect (rig, NULL);
    rig_sync (rig, true, true);
    rig_expect (rig, "p> OK|1|both|1:1|1:1");
    rig_skip (rig);
    rig_say (rig, "p", "PUT|257|q||x");
    rig_sync (rig, true, true);
    rig_expect (rig, "p> OK|257|both|1:257|1:257");
    rig_destroy (&rig);
}

static void test_large_puts_make_several_rows (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.reply = limits.request;
    rig_t *rig = rig_ready (&limits);
    rig_put (rig, "c", "big", "q", 1000, 1000);
    rig_run (rig);
    rig_expect (rig, "c> OK|big|both|1:1|1:1000");
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 4);
    rig_put (rig, "c", "huge", "q", 3, 700000);
    rig_run (rig);
    rig_expect (rig, "c> OK|huge|both|1:1001|1:1003");
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 7);
    for (size_t index = 0; index < 7; index++) {
        size_t key_size = 0, size = 0;
        const void *key = fake_store_key (rig->store, ZB_LOG, index, &key_size);
        fake_store_get (rig->store, ZB_LOG, key, key_size, &size);
        assert_true (size <= ZB_ROW_MAX || index >= 4);
    }
    rig_say (rig, "c", "GET|g|q|1000|0|");
    assert_int_equal (rig_last (rig)->answer.bodies, 1000);
    rig_say (rig, "c", "GET|g|q|1000|0|");
    assert_int_equal (rig_last (rig)->answer.bodies, 3);
    rig_destroy (&rig);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_no_verb_without_hello),
        cmocka_unit_test (test_hello_numbers_instances),
        cmocka_unit_test (test_late_first_hello_fences_nobody),
        cmocka_unit_test (test_hello_waits_for_puts_in_flight),
        cmocka_unit_test (test_sessions_are_bounded_and_forgotten),
        cmocka_unit_test (test_put_stores_in_order),
        cmocka_unit_test (test_put_is_refused),
        cmocka_unit_test (test_duplicates),
        cmocka_unit_test (test_a_stored_number_knows_no_limits),
        cmocka_unit_test (test_a_queue_that_is_there_needs_no_room),
        cmocka_unit_test (test_at_most_256_in_flight),
        cmocka_unit_test (test_large_puts_make_several_rows),
    };
    return cmocka_run_group_tests_name ("verbs_put", tests, NULL, NULL);
}
