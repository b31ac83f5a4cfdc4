/*  =========================================================================
    test_verbs - every verb of a client, and every refusal

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

#include "core/base/level.h"
#include "core/queue/rows.h"
#include "rig.h"

//  Sessions

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

//  PUT

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

//  GET, ACK, NACK, EXTEND

static void test_gets_are_served_in_turn (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "d", "HELLO|h");
    rig_say (rig, "c", "GET|g1|q|2|500|");
    rig_say (rig, "d", "GET|g2|q|1|500|");
    rig_say (rig, "c", "GET|g3|q|1|400|");
    assert_int_equal (rig_stats (rig).parked, 3);
    rig_skip (rig);
    rig_say (rig, "d", "PUT|p|q||1|2|3");
    rig_expect (rig, "c> MSG|g1|both|q|1:1 1\n1:2 1|1|2");
    rig_expect (rig, "d> MSG|g2|both|q|1:3 1|3");
    rig_expect (rig, "d> OK|p|both|1:1|1:3");
    rig_wait (rig, 399);
    rig_expect (rig, NULL);
    rig_wait (rig, 1);
    rig_expect (rig, "c> MSG|g3|both|q|");
    assert_int_equal (rig_stats (rig).parked, 0);
    rig_say (rig, "c", "GET|g|no|1|0|");
    rig_expect (rig, "c> ERR|g|404|*");
    rig_destroy (&rig);
}

static void test_max_0_ends_parked_gets (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "d", "HELLO|h");
    rig_skip (rig);
    rig_say (rig, "c", "GET|g1|q|1|500|");
    rig_say (rig, "d", "GET|g2|q|1|500|");
    rig_say (rig, "c", "GET|g3|q|0|500|");
    rig_expect (rig, "c> MSG|g1|both|q|");
    rig_expect (rig, "c> MSG|g3|both|q|");
    rig_expect (rig, NULL);
    rig_say (rig, "c", "PUT|p|q||1");
    rig_expect (rig, "d> MSG|g2|both|q|1:1 1|1");
    rig_destroy (&rig);
}

static void test_gets_of_a_session_are_bounded (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    for (int index = 0; index < 256; index++)
        rig_push (rig, "c", "GET|g|q|1|500|");
    rig_say (rig, "c", "GET|one more|q|1|500|");
    rig_expect (rig, "c> ERR|one more|429|*");
    rig_gone (rig, "c");
    assert_int_equal (rig_stats (rig).parked, 0);
    rig_destroy (&rig);
}

static void test_acks_in_a_get_are_answered_when_durable (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "c", "PUT|p|q||1|2");
    rig_say (rig, "c", "GET|g|q|1|0|");
    rig_skip (rig);
    rig->sync_there = false;
    rig_say (rig, "c", "GET|g1|q|1|60000|1:1");
    rig_expect (rig, NULL);
    assert_true (zb_engine_client_waits (rig->engine));
    rig_sync (rig, true, true);
    rig_expect (rig, "c> MSG|g1|both|q|1:2 1|2");
    rig_say (rig, "c", "GET|g2|q|1|60000|1:2");
    rig_expect (rig, NULL);
    rig_sync (rig, true, true);
    rig_expect (rig, "c> MSG|g2|both|q|");
    //  Acks that change nothing are durable already.
    rig_say (rig, "c", "GET|g3|q|1|60000|1:1..1:2");
    rig_expect (rig, "c> MSG|g3|both|q|");
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 0);
    rig_destroy (&rig);
}

//  Its connection was given up while the acknowledgements that came with the GET were on their way to the disks.
static void test_a_session_that_is_over_gets_nothing (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "c", "PUT|1|q||x|y|z");
    rig_say (rig, "a", "HELLO|h|till||");
    rig_say (rig, "a", "GET|g|q|1|0|");
    rig_skip (rig);
    rig->sync_here = rig->sync_there = false;
    rig_say (rig, "a", "GET|late|q|1|0|1:1");
    rig_say (rig, "b", "HELLO|h|till||1.1");
    rig_say (rig, "b", "GET|next|q|10|1000|1:1");
    rig_expect (rig, NULL);
    while (rig_stats (rig).released < rig_stats (rig).commit)
        rig_sync (rig, true, true);
    rig_expect (rig, "b> OK|h|1.1|0|tcp://a|tcp://b");
    rig_expect (rig, "a> MSG|late|both|q|");
    rig_expect (rig, "b> MSG|next|both|q|1:2 1\n1:3 1|y|z");
    rig_destroy (&rig);
}

static void test_ack_is_idempotent_and_takes_anything (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "c", "PUT|p|q||1|2|3|4|5|6|7|8|9");
    rig_skip (rig);
    rig_say (rig, "c", "ACK|a|q|1:9 1:2..1:3 1:3 7 1:100 9:1..9:9 1:5..1:4000000000");
    rig_expect (rig, "c> OK|a|both");
    rig_say (rig, "c", "ACK|a|q|1:9 1:2");
    rig_expect (rig, "c> OK|a|both");
    assert_int_equal (fake_store_rows (rig->store, ZB_ACKS), 1);
    rig_say (rig, "c", "GET|g|q|10|0|");
    rig_expect (rig, "c> MSG|g|both|q|1:1 1\n1:4 1|1|4");
    rig_takeover (rig);
    rig_say (rig, "c", "HELLO|h");
    rig_expect (rig, "c> OK|h*");
    rig_say (rig, "c", "GET|g|q|10|0|");
    rig_expect (rig, "c> MSG|g|both|q|1:1 1\n1:4 1|1|4");
    rig_say (rig, "c", "ACK|a|q|1..18446744073709551615");
    rig_expect (rig, "c> OK|a|both");
    assert_int_equal (fake_store_rows (rig->store, ZB_ACKS), 0);
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 0);
    rig_say (rig, "c", "ACK|a|no|1:1");
    rig_expect (rig, "c> ERR|a|404|*");
    rig_destroy (&rig);
}

static void test_leases_end (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "d", "HELLO|h");
    rig_say (rig, "c", "QUEUE|q|q|lease=1000");
    rig_say (rig, "c", "PUT|p|q||1|2|3|4");
    rig_say (rig, "c", "GET|g|q|3|0|");
    rig_skip (rig);
    rig_say (rig, "d", "GET|g|q|10|0|");
    rig_expect (rig, "d> MSG|g|both|q|1:4 1|4");
    rig_wait (rig, 600);
    rig_say (rig, "c", "EXTEND|e|q|1:2 1:4 1:77");
    rig_expect (rig, "c> OK|e|1");
    rig_wait (rig, 399);
    rig_say (rig, "d", "GET|g|q|10|0|");
    rig_expect (rig, "d> MSG|g|both|q|");
    rig_wait (rig, 1);
    //  1 and 3 are back, in their places; 4 was not c's to extend.
    rig_say (rig, "d", "GET|g|q|10|0|");
    rig_expect (rig, "d> MSG|g|both|q|1:1 2\n1:3 2\n1:4 2|1|3|4");
    assert_int_equal (rig_stats (rig).expired, 3);
    //  A late ACK is good: the message is done, whoever has it now.
    rig_say (rig, "c", "ACK|a|q|1:1");
    rig_expect (rig, "c> OK|a|both");
    rig_wait (rig, 600);
    rig_say (rig, "d", "GET|g|q|10|0|");
    rig_expect (rig, "d> MSG|g|both|q|1:2 2|2");
    rig_wait (rig, 1000);
    rig_say (rig, "d", "GET|g|q|10|0|");
    rig_expect (rig, "d> MSG|g|both|q|1:2 3\n1:3 3\n1:4 3|2|3|4");
    rig_destroy (&rig);
}

static void test_nack_gives_back_at_once (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "d", "HELLO|h");
    rig_say (rig, "c", "PUT|p|q||1|2|3");
    rig_say (rig, "c", "GET|g|q|2|0|");
    rig_skip (rig);
    rig_say (rig, "d", "NACK|n|q|1:1..1:3");
    rig_expect (rig, "d> OK|n|0");
    rig_say (rig, "d", "GET|g|q|3|0|");
    rig_expect (rig, "d> MSG|g|both|q|1:3 1|3");
    rig_say (rig, "d", "GET|g|q|3|100|");
    rig_say (rig, "c", "NACK|n|q|1:2");
    rig_expect (rig, "d> MSG|g|both|q|1:2 2|2");
    rig_expect (rig, "c> OK|n|1");
    rig_destroy (&rig);
}

//  Nobody has them until the delay is over, not even who has given them back; what is behind them is delivered.
static void test_nack_with_a_delay (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "d", "HELLO|h");
    rig_say (rig, "c", "PUT|p|q||1|2|3|4");
    rig_say (rig, "c", "GET|g|q|3|0|");
    rig_skip (rig);
    rig_say (rig, "d", "NACK|n|q|1:1..1:3|500");
    rig_expect (rig, "d> OK|n|0");
    rig_say (rig, "c", "NACK|n|q|1:1 1:2|500");
    rig_expect (rig, "c> OK|n|2");
    rig_say (rig, "c", "NACK|n|q|1:1 1:2");
    rig_expect (rig, "c> OK|n|0");
    rig_say (rig, "c", "EXTEND|n|q|1:1 1:2");
    rig_expect (rig, "c> OK|n|0");
    rig_say (rig, "d", "GET|g|q|9|0|");
    rig_expect (rig, "d> MSG|g|both|q|1:4 1|4");
    rig_say (rig, "d", "GET|late|q|9|60000|");
    rig_say (rig, "c", "LIST|l|q");
    assert_non_null (strstr (rig_last (rig)->text, "messages=4\nleased=4\n"));
    rig_skip (rig);
    rig_wait (rig, 499);
    rig_expect (rig, NULL);
    rig_wait (rig, 1);
    rig_expect (rig, "d> MSG|late|both|q|1:1 2\n1:2 2|1|2");
    rig_destroy (&rig);
}

//  Whatever happens meanwhile, the delay is over when it is over, or with the lead; what is settled does not come.
static void test_what_ends_a_delay (void **state)
{
    (void) state;
    static const struct {
        const char *said;
        int64_t wait;
        const char *got;
    } cases[] = {
        {"c|HELLO|h|", 59999, ""},          {"gone", 59999, ""},
        {"gone", 60000, "1:1 2\n1:2 2|1|2"}, {"w|ACK|a|q|1:1", 60000, "1:2 2|2"},
        {"w|PUT|a|q|acks=q 1:1|3", 0, "1:3 1|3"}, {"w|PURGE|a|q", 60000, ""},
        {"takeover", 0, "1:1 1\n1:2 1|1|2"},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        char want[64];
        rig_t *rig = rig_ready (NULL);
        rig_say (rig, "w", "HELLO|h");
        rig_say (rig, "c", "PUT|p|q||1|2");
        rig_say (rig, "c", "GET|g|q|2|0|");
        rig_say (rig, "c", "NACK|n|q|1:1 1:2|60000");
        if (strcmp (cases[index].said, "gone") == 0)
            rig_gone (rig, "c");
        else if (strcmp (cases[index].said, "takeover") == 0)
            rig_takeover (rig);
        else
            rig_say (rig, *cases[index].said == 'c' ? "c" : "w", cases[index].said + 2);
        rig_wait (rig, cases[index].wait);
        rig_say (rig, "w", "HELLO|h");
        rig_skip (rig);
        rig_say (rig, "w", "GET|g|q|9|0|");
        snprintf (want, sizeof want, "w> MSG|g|both|q|%s", cases[index].got);
        rig_expect (rig, want);
        rig_destroy (&rig);
    }
}

//  It takes a level, and a number; what is refused leaves the messages where they are.
static void test_a_delay_that_is_refused (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "c", "PUT|p|q||1");
    rig_say (rig, "c", "GET|g|q|1|0|");
    zb_engine_level (rig->engine, ZB_LEVEL_NACK_DELAY - 1);
    rig_skip (rig);
    rig_say (rig, "c", "NACK|n|q|1:1|500");
    rig_expect (rig, "c> ERR|n|503|the store is of level 2, and this takes level 3: *");
    rig_say (rig, "c", "EXTEND|n|q|1:1");
    rig_expect (rig, "c> OK|n|1");
    rig_say (rig, "c", "NACK|n|q|1:1|0");
    rig_expect (rig, "c> OK|n|1");
    rig_destroy (&rig);
}

static void test_a_lost_consumer_returns_its_messages (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "c", "PUT|p|q||1|2|3");
    rig_say (rig, "w", "HELLO|h|worker||");
    rig_say (rig, "w", "GET|g|q|2|0|");
    rig_say (rig, "w", "GET|parked|q|0|0|");
    rig_skip (rig);
    rig_say (rig, "w2", "HELLO|h|worker||1.1");
    rig_expect (rig, "w2> OK|h|1.1|0|*");
    rig_say (rig, "w2", "GET|g|q|3|0|");
    rig_expect (rig, "w2> MSG|g|both|q|1:1 2\n1:2 2\n1:3 1|1|2|3");
    rig_gone (rig, "w2");
    rig_wait (rig, 5000);
    rig_say (rig, "c", "GET|g|q|1|0|");
    rig_expect (rig, "c> MSG|g|both|q|1:1 3|1");
    rig_destroy (&rig);
}

static void test_what_could_not_be_sent_is_back (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "c", "QUEUE|q|r|");
    rig_say (rig, "c", "PUT|p|q||1|2");
    rig_say (rig, "c", "GET|r|r|1|9000|");
    rig_skip (rig);
    rig_say (rig, "c", "GET|g|q|1|0|");
    rig_expect (rig, "c> MSG|g|both|q|1:1 1|1");
    //  The messages are back, and the client's GETs that wait are answered, each of them: none is left without a reply.
    rig_reply_t *last = &rig->replies[rig->count - 1];
    const zb_answer_t *answer = &last->answer;
    zb_engine_undelivered (rig->engine, last->reply, rig->now);
    zb_reply_spare (&last->reply, "too much");
    rig_read (last);
    assert_int_equal (answer->status, ZB_ANSWER_MSG);
    assert_int_equal (answer->args, 3);
    assert_true (zb_frame_is (answer->arg[0], "both") && zb_frame_is (answer->arg[1], "q") &&
                 zb_frame_is (answer->arg[2], ""));
    assert_int_equal (answer->bodies, 0);
    assert_true (answer->token.size);
    rig_run (rig);
    rig_expect (rig, "c> MSG|r|both|r|");
    rig_say (rig, "c", "GET|g|q|2|0|");
    rig_expect (rig, "c> MSG|g|both|q|1:1 2\n1:2 1|1|2");
    //  What has done nothing is refused.
    rig_say (rig, "c", "LIST|l|q");
    last = &rig->replies[rig->count - 1];
    answer = &last->answer;
    assert_int_equal (answer->status, ZB_ANSWER_OK);
    zb_reply_spare (&last->reply, "too much");
    rig_read (last);
    assert_int_equal (answer->status, ZB_ANSWER_ERR);
    assert_int_equal (answer->args, 2);
    assert_int_equal (answer->token.size, 0);
    assert_true (zb_frame_is (answer->id, "l") && zb_frame_is (answer->arg[0], "429") &&
                 zb_frame_is (answer->arg[1], "too much"));
    rig_destroy (&rig);
}

//  QUEUE, LIST, PURGE, DELETE

static void test_queue_options (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "c", "QUEUE|1|q|color=red");
    rig_expect (rig, "c> ERR|1|400|the options of a queue are lease, grace, max-messages, expires, retry-delay and dead-letter");
    rig_say (rig, "c", "QUEUE|1|q|lease=soon");
    rig_expect (rig, "c> ERR|1|400|lease is*");
    rig_say (rig, "c", "QUEUE|1|q|max-messages=-1");
    rig_expect (rig, "c> ERR|1|400|max-messages is*");
    rig_say (rig, "c", "QUEUE|1|q|grace=-1");
    rig_expect (rig, "c> ERR|1|400|grace is*");
    rig_say (rig, "c", "QUEUE|1|q|grace=70");
    rig_expect (rig, "c> OK|1");
    rig_say (rig, "c", "QUEUE|1|q|lease=5\nmax-messages=7");
    rig_expect (rig, "c> OK|1");
    rig_say (rig, "c", "QUEUE|1|q|max-messages=8");
    rig_expect (rig, "c> OK|1");
    rig_takeover (rig);
    rig_say (rig, "c", "HELLO|h");
    rig_expect (rig, "c> OK|h*");
    rig_say (rig, "c", "LIST|l");
    rig_expect (rig, "c> OK|l|q|lease=5\nmax-messages=8\nmessages=0\nleased=0\nwaiting=0\ngrace=70");
    rig_destroy (&rig);
}

//  A LIST has read its row before it was deleted, and is answered after that.
static void test_a_deleted_queue_is_not_listed (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "c", "QUEUE|1|r|");
    rig_put (rig, "c", "1", "q", 2, 10);
    rig_put (rig, "c", "1", "r", 1, 10);
    rig_say (rig, "d", "HELLO|h");
    rig_skip (rig);
    rig->stuck = true;
    rig_say (rig, "d", "LIST|l");
    rig_say (rig, "c", "DELETE|d|q");
    rig_expect (rig, "c> OK|d|both");
    rig_say (rig, "c", "PURGE|p|r");
    rig_expect (rig, "c> OK|p|both");
    rig->stuck = false;
    rig_run (rig);
    rig_expect (rig, "d> OK|l|r|lease=30000\nmax-messages=0\nmessages=0\nleased=0\nwaiting=0\ngrace=5000");
    rig_say (rig, "c", "GET|g|q|1|0|");
    rig_expect (rig, "c> ERR|g|404|no such queue");
    rig_destroy (&rig);
}

static void test_queues_are_bounded (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.queues = 2;
    rig_t *rig = rig_ready (&limits);
    rig_say (rig, "c", "QUEUE|1|r|");
    rig_expect (rig, "c> OK|1");
    rig_takeover (rig);
    rig_say (rig, "c", "HELLO|h");
    rig_expect (rig, "c> OK|h*");
    rig_say (rig, "c", "QUEUE|1|s|");
    rig_expect (rig, "c> ERR|1|429|*");
    rig_say (rig, "c", "QUEUE|1|q|");
    rig_expect (rig, "c> OK|1");
    rig_say (rig, "c", "DELETE|1|q");
    rig_expect (rig, "c> OK|1|both");
    rig_say (rig, "c", "QUEUE|1|s|");
    rig_expect (rig, "c> OK|1");
    assert_int_equal (rig_stats (rig).queues, 2);
    rig_destroy (&rig);
}

//  A refusal that tells of an option is answered when that is safe: the next broker may never have heard of it.
static void test_a_refusal_waits_for_the_option (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig->sync_there = false;
    rig_say (rig, "c", "QUEUE|1|q|max-messages=1");
    rig_say (rig, "c", "PUT|2|q||x|y");
    rig_expect (rig, NULL);
    rig->sync_there = true;
    rig_takeover (rig);
    rig_expect (rig, "c> PASSIVE|1|*");
    rig_expect (rig, "c> PASSIVE|2|*");
    rig_say (rig, "c", "HELLO|h");
    rig_expect (rig, "c> OK|h|*");
    rig_say (rig, "c", "PUT|2|q||x|y");
    rig_expect (rig, "c> OK|2|both|*");
    rig_say (rig, "c", "QUEUE|1|q|max-messages=1");
    rig_say (rig, "c", "PUT|3|q||x|y");
    rig_expect (rig, "c> OK|1");
    rig_expect (rig, "c> ERR|3|429|*");
    rig_destroy (&rig);
}

static void test_list_matches_and_counts (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    char line[64];
    for (int index = 0; index < 2500; index++) {
        snprintf (line, sizeof line, "QUEUE|z|n%04d|", index);
        rig_push (rig, "c", line);
    }
    rig_say (rig, "c", "PUT|p|n1234||1|2|3");
    rig_say (rig, "c", "PUT|p|n0007||1|2|3");
    rig_say (rig, "c", "GET|g|n0007|2|0|");
    rig_say (rig, "c", "ACK|a|n0007|1:4");
    rig_say (rig, "c", "GET|g|n0008|1|1000|");
    rig_skip (rig);
    rig_say (rig, "c", "LIST|l|n000?");
    assert_int_equal (rig_last (rig)->answer.args, 20);
    rig_say (rig, "c", "LIST|l|n*7");
    assert_int_equal (rig_last (rig)->answer.args, 500);
    rig_skip (rig);
    rig_say (rig, "c", "LIST|l|*0007");
    rig_expect (rig, "c> OK|l|n0007|lease=30000\nmax-messages=0\nmessages=2\nleased=1\nwaiting=0\ngrace=5000");
    rig_say (rig, "c", "LIST|l|n0008");
    rig_expect (rig, "c> OK|l|n0008|lease=30000\nmax-messages=0\nmessages=0\nleased=0\nwaiting=1\ngrace=5000");
    rig_takeover (rig);
    rig_say (rig, "c", "HELLO|h");
    rig_skip (rig);
    //  Nothing of this is in memory now.
    rig_push (rig, "c", "LIST|l1|n1234");
    rig_push (rig, "c", "LIST|l2|n0007");
    rig_push (rig, "c", "DELETE|d|n0007");
    rig_push (rig, "c", "LIST|l3|n000?");
    rig_say (rig, "c", "LIST|l4|nothing");
    rig_expect (rig, "c> OK|l1|n1234|lease=30000\nmax-messages=0\nmessages=3\nleased=0\nwaiting=0\ngrace=5000");
    rig_expect (rig, "c> OK|l2|n0007|lease=30000\nmax-messages=0\nmessages=2\nleased=0\nwaiting=0\ngrace=5000");
    rig_expect (rig, "c> OK|d|both");
    rig_expect (rig, "c> OK|l3|n0000|*");
    assert_int_equal (rig->replies[rig->count - 2].answer.args, 18);
    rig_expect (rig, "c> OK|l4");
    rig_destroy (&rig);
}

//  A page begins behind a name, and says behind which the next one does; nothing is missed or told twice.
static void test_list_comes_in_pages (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    char line[64];
    for (int number = 0; number < 25; number++) {
        snprintf (line, sizeof line, "QUEUE|q|p%02d|", number * 7 % 25);
        rig_say (rig, "c", line);
    }
    rig_skip (rig);
    //  Some are in memory, the others in the store alone; those whose names do not fit are passed over.
    for (int how = 0; how < 3; how++) {
        char after[8] = "";
        int pages = 0, next = 0;
        do {
            snprintf (line, sizeof line, "LIST|l|p*|%s|10", after);
            rig_say (rig, "c", line);
            const zb_answer_t *answer = &rig_last (rig)->answer;
            assert_int_equal (answer->args % 2, 1);
            for (size_t index = 0; index + 1 < answer->args; index += 2, next++) {
                char name[16], said[256];
                snprintf (name, sizeof name, "p%02d", next);
                assert_true (zb_frame_is (answer->arg[index], name));
                snprintf (said, sizeof said, "%.*s", (int) answer->arg[index + 1].size,
                          (const char *) answer->arg[index + 1].data);
                assert_non_null (strstr (said, "messages=0\nleased=0\nwaiting=0\n"));
                assert_non_null (strstr (said, "\nkind=queue"));
            }
            const zb_frame_t *last = &answer->arg[answer->args - 1];
            snprintf (after, sizeof after, "%.*s", (int) last->size, (const char *) last->data);
            pages++;
        } while (*after);
        assert_int_equal (pages, 3);
        assert_int_equal (next, 25);
        if (how == 0)
            rig_takeover (rig);
        rig_say (rig, "c", "HELLO|h");
        for (int number = 3; how == 1 && number < 25; number += 2) {
            snprintf (line, sizeof line, "GET|g|p%02d|0|0|", number);
            rig_say (rig, "c", line);
        }
        rig_skip (rig);
    }
    //  A page of its own length; the end; behind the end; and without pages it is as it was.
    rig_say (rig, "c", "LIST|l||p22|");
    assert_int_equal (rig_last (rig)->answer.args, 7);
    rig_say (rig, "c", "LIST|l||q|");
    assert_int_equal (rig_last (rig)->answer.args, 1);
    rig_say (rig, "c", "LIST|l|p0*||");
    assert_int_equal (rig_last (rig)->answer.args, 20);
    assert_null (strstr (rig_last (rig)->text, "kind="));
    rig_destroy (&rig);
}

static void test_purge_empties_and_frees_in_steps (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    for (int index = 0; index < 350; index++) {
        rig_push (rig, "c", "PUT|p|q||x|y");
        rig_run (rig);
    }
    rig_say (rig, "c", "GET|g|q|5|0|");
    rig_say (rig, "c", "ACK|a|q|1:1 1:501");
    rig_skip (rig);
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 350);
    //  The tombstone is synced, the next leader does the work.
    rig->stuck = true;
    rig->most_ops = 0;
    rig_say (rig, "c", "PURGE|p|q");
    rig_expect (rig, "c> OK|p|both");
    rig_say (rig, "c", "GET|g|q|5|0|");
    rig_expect (rig, "c> MSG|g|both|q|");
    rig_say (rig, "c", "PUT|p|q||new");
    rig_expect (rig, "c> OK|p|both|1:701|1:701");
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 351);
    assert_int_equal (fake_store_rows (rig->store, ZB_QUEUES), 2);
    rig->stuck = false;
    rig_takeover (rig);
    rig_say (rig, "c", "HELLO|h");
    rig_expect (rig, "c> OK|h*");
    rig_say (rig, "c", "GET|g|q|5|0|");
    rig_expect (rig, "c> MSG|g|both|q|1:701 1|new");
    rig_say (rig, "c", "LIST|l");
    rig_expect (rig, "c> OK|l|q|lease=30000\nmax-messages=0\nmessages=1\nleased=1\nwaiting=0\ngrace=5000");
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 1);
    assert_int_equal (fake_store_rows (rig->store, ZB_ACKS), 0);
    assert_int_equal (fake_store_rows (rig->store, ZB_QUEUES), 1);
    assert_true (rig->most_ops <= 220);
    rig_destroy (&rig);
}

static void test_delete_then_make_again (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "c", "PUT|p|q||x|y");
    rig_say (rig, "c", "GET|g|q|1|0|");
    rig_skip (rig);
    rig_say (rig, "d", "HELLO|h");
    rig_say (rig, "d", "QUEUE|e|empty|");
    rig_say (rig, "d", "GET|g|empty|1|1000|");
    rig_skip (rig);
    rig_push (rig, "c", "PUT|p|q||in the same commit");
    rig_push (rig, "c", "DELETE|d|q");
    rig_push (rig, "c", "PUT|p|q||too late");
    rig_push (rig, "c", "QUEUE|q|q|");
    rig_push (rig, "c", "PUT|p2|q||new");
    rig_push (rig, "c", "DELETE|d2|empty");
    rig_say (rig, "c", "ACK|a|q|1:1");
    rig_expect (rig, "c> OK|p|both|1:3|1:3");
    rig_expect (rig, "c> OK|d|both");
    rig_expect (rig, "c> ERR|p|404|*");
    rig_expect (rig, "c> OK|q");
    rig_expect (rig, "c> OK|p2|both|1:4|1:4");
    rig_expect (rig, "d> ERR|g|404|*");
    rig_expect (rig, "c> OK|d2|both");
    rig_expect (rig, "c> OK|a|both");
    rig_say (rig, "c", "GET|g|q|5|0|");
    rig_expect (rig, "c> MSG|g|both|q|1:4 1|new");
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 1);
    assert_int_equal (fake_store_rows (rig->store, ZB_QUEUES), 1);
    assert_int_equal (fake_store_rows (rig->store, ZB_CURSORS), 1);
    rig_takeover (rig);
    rig_say (rig, "c", "HELLO|h");
    rig_say (rig, "c", "GET|g|q|5|0|");
    rig_skip (rig);
    rig_say (rig, "c", "GET|g|empty|1|0|");
    rig_expect (rig, "c> ERR|g|404|*");
    rig_destroy (&rig);
}

static void test_a_deleted_queue_is_not_read_again (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.inflight = 1;
    limits.batch = 100;
    rig_t *rig = rig_ready (&limits);
    rig->sync_there = false;
    rig_say (rig, "c", "PUT|p1|q||x");
    //  Two commits that the store can't take yet; the second one deletes.
    rig_put (rig, "c", "p2", "q", 1, 200);
    rig_say (rig, "c", "DELETE|d|q");
    rig_sync (rig, true, true);
    rig_say (rig, "c", "PUT|p3|q||x");
    while (rig_stats (rig).released < rig_stats (rig).commit)
        rig_sync (rig, true, true);
    rig_expect (rig, "c> OK|p1|both|*");
    rig_expect (rig, "c> OK|p2|both|*");
    rig_expect (rig, "c> OK|d|both");
    rig_expect (rig, "c> ERR|p3|404|*");
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
        cmocka_unit_test (test_gets_are_served_in_turn),
        cmocka_unit_test (test_max_0_ends_parked_gets),
        cmocka_unit_test (test_gets_of_a_session_are_bounded),
        cmocka_unit_test (test_acks_in_a_get_are_answered_when_durable),
        cmocka_unit_test (test_a_session_that_is_over_gets_nothing),
        cmocka_unit_test (test_ack_is_idempotent_and_takes_anything),
        cmocka_unit_test (test_leases_end),
        cmocka_unit_test (test_nack_gives_back_at_once),
        cmocka_unit_test (test_nack_with_a_delay),
        cmocka_unit_test (test_what_ends_a_delay),
        cmocka_unit_test (test_a_delay_that_is_refused),
        cmocka_unit_test (test_a_lost_consumer_returns_its_messages),
        cmocka_unit_test (test_what_could_not_be_sent_is_back),
        cmocka_unit_test (test_queue_options),
        cmocka_unit_test (test_a_deleted_queue_is_not_listed),
        cmocka_unit_test (test_queues_are_bounded),
        cmocka_unit_test (test_a_refusal_waits_for_the_option),
        cmocka_unit_test (test_list_matches_and_counts),
        cmocka_unit_test (test_list_comes_in_pages),
        cmocka_unit_test (test_purge_empties_and_frees_in_steps),
        cmocka_unit_test (test_delete_then_make_again),
        cmocka_unit_test (test_a_deleted_queue_is_not_read_again),
    };
    return cmocka_run_group_tests_name ("verbs", tests, NULL, NULL);
}
