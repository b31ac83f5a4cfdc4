/*  =========================================================================
    test_undue - what is not due yet, beside other options and verbs

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

#include "topic_kit.h"

static uint64_t s_wall;

//  Time passes, and both clocks tell it; nobody gets.
static void s_pass (rig_t *rig, int64_t ms)
{
    kit_pass (rig, &s_wall, ms);
    rig_run (rig);
}

//  The queue `d` with these options, in a lead whose first minute is over.
static rig_t *s_open (const char *options)
{
    rig_t *rig = rig_ready (NULL);
    char line[200];
    s_wall = 1800000000000;
    s_pass (rig, 1);
    s_pass (rig, 61000);
    snprintf (line, sizeof line, "QUEUE|q|d|%s", options);
    kit_ok (rig, line);
    return rig;
}

static void s_take_over (rig_t *rig)
{
    kit_takeover (rig);
    s_pass (rig, 0);
}

//  LIST has this line of a queue.
static void s_lists (rig_t *rig, const char *queue, const char *expected)
{
    char line[64];
    snprintf (line, sizeof line, "LIST|l|%s", queue);
    rig_skip (rig);
    rig_say (rig, "c", line);
    const char *text = rig_last (rig)->text;
    snprintf (line, sizeof line, "\n%s", expected);
    const char *at = strstr (text, line);
    if (!at || (at[strlen (line)] && at[strlen (line)] != '\n'))
        fail_msg ("%s is not in %s", expected, text);
}

//  It has these, in the order of their ids.
static void s_has (rig_t *rig, const char *queue, const char *bodies)
{
    char line[64];
    snprintf (line, sizeof line, "PEEK|k|%s|first|100", queue);
    kit_answers (rig, "c", line, bodies);
}

static void s_expect (rig_t *rig, const char *line, const char *reply)
{
    rig_skip (rig);
    rig_say (rig, "c", line);
    rig_expect (rig, reply);
}

//  From the PUT on, once, whatever becomes of it.
static void test_its_bytes_count (void **state)
{
    (void) state;
    rig_t *rig = s_open ("delay=0\nmax-bytes=100");
    kit_ok (rig, "PUT|p|d|delay=500|12345|123");
    s_lists (rig, "d", "bytes=26");
    s_lists (rig, "d", "messages=2");
    s_take_over (rig);
    s_lists (rig, "d", "bytes=26");
    kit_refused (rig,
                 "PUT|p|d|delay=500|"
                 "1234567890123456789012345678901234567890123456789012345678901234567890",
                 429);
    //  It is taken back.
    kit_ok (rig, "ACK|a|d|1:2");
    s_lists (rig, "d", "bytes=14");
    //  It is due and delivered, and done.
    s_pass (rig, 500);
    kit_answers (rig, "c", "GET|g|d|9|0|", "12345");
    s_lists (rig, "d", "bytes=14");
    kit_ok (rig, "ACK|a|d|1:1");
    s_lists (rig, "d", "bytes=0");
    s_lists (rig, "d", "messages=0");
    //  It is taken back while it becomes due.
    kit_ok (rig, "PUT|p|d|delay=500|12345");
    rig->sync_there = false;
    rig_say (rig, "x", "HELLO|h");
    rig_say (rig, "x", "GET|g|d|9|5000|");
    s_pass (rig, 500);
    rig_say (rig, "c", "ACK|a|d|2:1");
    rig->sync_there = true;
    rig_run (rig);
    rig_sync (rig, true, true);
    s_lists (rig, "d", "bytes=0");
    s_lists (rig, "d", "messages=0");
    kit_ok (rig, "PUT|p|d|delay=500|12345");
    kit_ok (rig, "PURGE|p|d");
    s_lists (rig, "d", "bytes=0");
    rig_destroy (&rig);
}

//  What was put before max-bytes was named does not count, not due or due.
static void test_named_for_a_queue_with_messages (void **state)
{
    (void) state;
    rig_t *rig = s_open ("delay=0");
    kit_ok (rig, "PUT|p|d|delay=500|12345|123");
    kit_ok (rig, "QUEUE|q|d|max-bytes=100");
    kit_ok (rig, "PUT|p|d|delay=500|1");
    s_lists (rig, "d", "bytes=10");
    kit_ok (rig, "ACK|a|d|1:2");
    s_lists (rig, "d", "bytes=10");
    s_pass (rig, 500);
    kit_answers (rig, "c", "GET|g|d|9|0|", "12345,1");
    kit_ok (rig, "ACK|a|d|1:1");
    s_lists (rig, "d", "bytes=10");
    rig_destroy (&rig);
}

//  What is not due is not dropped; what is due is, also if nobody gets, by its id as all else.
static void test_drop_oldest (void **state)
{
    (void) state;
    rig_t *rig = s_open ("delay=0\nmax-messages=2\nfull=drop-oldest");
    kit_ok (rig, "PUT|p|d|delay=500|a");
    kit_ok (rig, "PUT|p|d|delay=500|b");
    s_expect (rig, "PUT|p|d||c", "c> ERR|p|429|the queue is full, and what is in it consumers have, or is not due");
    kit_ok (rig, "ACK|a|d|1:1");
    kit_ok (rig, "PUT|p|d||c");
    //  Also for one that is not due itself.
    kit_ok (rig, "PUT|p|d|delay=900|d");
    s_has (rig, "d", "b,d");
    kit_refused (rig, "PUT|p|d||e", 429);
    s_take_over (rig);
    kit_refused (rig, "PUT|p|d||e", 429);
    s_pass (rig, 500);
    kit_ok (rig, "PUT|p|d||e");
    s_has (rig, "d", "d,e");
    s_pass (rig, 400);
    kit_ok (rig, "PUT|p|d||f");
    s_has (rig, "d", "e,f");
    s_lists (rig, "d", "messages=2");
    assert_int_equal (rig_stats (rig).dropped, 3);
    //  A consumer has what was due.
    kit_answers (rig, "c", "GET|g|d|9|0|", "e,f");
    kit_refused (rig, "PUT|p|d||g", 429);
    rig_destroy (&rig);
}

//  So many messages of d are due, each before the one that was put before it.
static void s_put_due (rig_t *rig, int messages, const char *properties)
{
    char line[100];
    for (int number = 0; number < messages; number++) {
        snprintf (line, sizeof line, "PUT|p|d|delay=%d%s|due", 200 - number, properties);
        kit_ok (rig, line);
    }
    s_pass (rig, 200);
}

//  However much is due, a PUT and a MOVE wait for one commit of it where that is enough, and for no more than they need.
static void test_amid_much_that_is_due (void **state)
{
    (void) state;
    rig_t *rig = s_open ("delay=0\nmax-messages=40\nfull=drop-oldest");
    kit_ok (rig, "QUEUE|q|e|");
    kit_ok (rig, "PUT|p|d||one");
    s_put_due (rig, 39, "");
    size_t batches = rig->batches;
    kit_ok (rig, "PUT|p|d||two");
    assert_true (rig->batches - batches <= 3);
    batches = rig->batches;
    s_expect (rig, "MOVE|m|d|e||1", "c> OK|m|both|1|*");
    assert_true (rig->batches - batches <= 3);
    batches = rig->batches;
    kit_ok (rig, "PUT|p|d||1|2|3|4|5");
    assert_true (rig->batches - batches <= 8);
    s_lists (rig, "d", "messages=40");
    assert_int_equal (rig_stats (rig).dropped, 5);
    rig_destroy (&rig);
    //  Nothing else is there.
    rig = s_open ("delay=0\nmax-messages=5\nfull=drop-oldest");
    s_put_due (rig, 5, "");
    kit_ok (rig, "PUT|p|d||1|2|3|4");
    s_lists (rig, "d", "messages=5");
    rig_destroy (&rig);
    //  All that is due is over.
    rig = s_open ("delay=0\nexpires=0\nmax-messages=5");
    s_put_due (rig, 5, "\nexpires=400");
    s_pass (rig, 300);
    kit_ok (rig, "PUT|p|d||1|2|3|4|5");
    s_has (rig, "d", "1,2,3,4,5");
    assert_int_equal (rig_stats (rig).lapsed, 5);
    rig_destroy (&rig);
}

//  A PUT waits until what has become due may be dropped.
static void test_dropped_as_soon_as_it_is_safe (void **state)
{
    (void) state;
    rig_t *rig = s_open ("delay=0\nmax-messages=1\nfull=drop-oldest");
    kit_ok (rig, "PUT|p|d|delay=100|a");
    s_pass (rig, 100);
    rig->sync_there = false;
    rig_skip (rig);
    rig_say (rig, "c", "PUT|p|d||b");
    rig_expect (rig, NULL);
    rig->sync_there = true;
    rig_sync (rig, true, true);
    rig_expect (rig, "c> OK|p|both|1:2|1:2");
    s_has (rig, "d", "b");
    rig_destroy (&rig);
}

//  What is over makes room, though nobody has got since it was due; what is not due yet is not over.
static void test_expires (void **state)
{
    (void) state;
    rig_t *rig = s_open ("delay=0\nexpires=0\nmax-messages=2");
    kit_ok (rig, "PUT|p|d|delay=100\nexpires=300|a");
    kit_ok (rig, "PUT|p|d|delay=5000\nexpires=5001|b");
    kit_refused (rig, "PUT|p|d||c", 429);
    s_pass (rig, 300);
    kit_refused (rig, "PUT|p|d||c", 429);
    s_pass (rig, 1);
    kit_ok (rig, "PUT|p|d||c");
    s_has (rig, "d", "b,c");
    assert_int_equal (rig_stats (rig).lapsed, 1);
    //  One that is due is delivered until it is over.
    kit_answers (rig, "c", "GET|g|d|9|0|", "c");
    kit_ok (rig, "ACK|a|d|1:3");
    s_pass (rig, 4699);
    kit_answers (rig, "c", "GET|g|d|9|0|", "b");
    kit_ok (rig, "ACK|a|d|1:2");
    //  Nobody gets in between.
    kit_ok (rig, "PUT|p|d|delay=100\nexpires=300|d");
    s_pass (rig, 301);
    kit_answers (rig, "c", "GET|g|d|9|0|", "");
    s_lists (rig, "d", "messages=0");
    assert_int_equal (rig_stats (rig).lapsed, 2);
    rig_destroy (&rig);
}

//  MOVE takes what is due, whether somebody gets or not, and nothing else.  There it is ready.
static void test_move (void **state)
{
    (void) state;
    rig_t *rig = s_open ("delay=0");
    kit_ok (rig, "QUEUE|q|e|delay=700");
    kit_ok (rig, "PUT|p|d|delay=100|a");
    kit_ok (rig, "PUT|p|d|delay=500|b");
    kit_ok (rig, "PUT|p|d||c");
    s_expect (rig, "MOVE|m|d|e||9", "c> OK|m|both|1|1:3");
    s_expect (rig, "MOVE|m|d|e||9", "c> OK|m|both|0|*");
    s_pass (rig, 100);
    s_expect (rig, "MOVE|m|d|e||9", "c> OK|m|both|1|*");
    s_has (rig, "d", "b");
    kit_answers (rig, "c", "GET|g|e|9|0|", "c,a");
    //  While it is on its way into the log.
    s_pass (rig, 400);
    rig->sync_there = false;
    rig_say (rig, "x", "HELLO|h");
    rig_say (rig, "x", "GET|g|d|0|0|");
    rig_skip (rig);
    rig_say (rig, "c", "MOVE|m|d|e||9");
    rig_expect (rig, NULL);
    rig->sync_there = true;
    rig_sync (rig, true, true);
    rig_expect (rig, "c> OK|m|both|1|*");
    s_has (rig, "d", "");
    rig_destroy (&rig);
}

//  Of an empty queue it moves nothing, also where no memory is left to see that.
static void test_move_from_an_empty_queue (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.window = limits.windows = 8000;
    rig_t *rig = rig_ready (&limits);
    kit_ok (rig, "QUEUE|q|d|");
    kit_ok (rig, "QUEUE|q|a|");
    kit_ok (rig, "QUEUE|q|b|");
    for (int put = 0; put < 9; put++) {
        kit_put (rig, "a", 900);
        kit_put (rig, "b", 900);
    }
    s_take_over (rig);
    //  What consumers have is put out of memory for others now and then only.
    rig_say (rig, "c", "GET|g|a|9|0|");
    rig_say (rig, "c", "GET|g|a|9|0|");
    rig_say (rig, "c", "GET|g|b|9|0|");
    rig_say (rig, "c", "GET|g|b|9|0|");
    rig_say (rig, "c", "GET|g|b|9|0|");
    s_expect (rig, "MOVE|m|a|q||9", "c> ERR|m|503|no memory is left*");
    s_expect (rig, "MOVE|m|d|q||9", "c> OK|m|both|0|*");
    rig_destroy (&rig);
}

//  Nobody has what is not due, so nobody says what becomes of it, but for an ACK.
static void test_reject_nack_and_extend (void **state)
{
    (void) state;
    rig_t *rig = s_open ("delay=0");
    kit_ok (rig, "PUT|p|d|delay=100|a");
    kit_ok (rig, "PUT|p|d||b");
    kit_answers (rig, "c", "GET|g|d|9|0|", "b");
    s_expect (rig, "REJECT|r|d|1:1", "c> ERR|r|400|a message that is named is not due yet*");
    s_expect (rig, "REJECT|r|d|1:1..1:2", "c> ERR|r|400|a message that is named is not due yet*");
    s_has (rig, "d", "a,b");
    s_expect (rig, "NACK|n|d|1:1", "c> OK|n|0");
    s_expect (rig, "EXTEND|n|d|1:1", "c> OK|n|0");
    s_expect (rig, "REJECT|r|d|1:2", "c> OK|r|both");
    //  Sent again it is gone.
    s_expect (rig, "REJECT|r|d|1:2", "c> OK|r|both");
    s_pass (rig, 100);
    kit_answers (rig, "c", "GET|g|d|9|0|", "a");
    s_expect (rig, "REJECT|r|d|1:1", "c> OK|r|both");
    s_has (rig, "d.dead", "b,a");
    //  Of many that are gone each is looked for, and none is there.
    kit_ok (rig, "PUT|p|d|delay=100|later");
    s_expect (rig, "REJECT|r|d|1:1..1:2", "c> OK|r|both");
    s_lists (rig, "d", "messages=1");
    rig_destroy (&rig);
}

//  A PUT acknowledges what somebody may have got.
static void test_acks_of_a_put (void **state)
{
    (void) state;
    rig_t *rig = s_open ("delay=0");
    kit_ok (rig, "PUT|p|d|delay=100|a");
    kit_ok (rig, "PUT|p|d||b");
    rig_say (rig, "n", "HELLO|h|till||");
    rig_skip (rig);
    rig_say (rig, "n", "PUT|1|q|acks=d 1:1|made of a");
    rig_expect (rig, "n> ERR|1|400|a message that is named is not due yet*");
    rig_say (rig, "n", "PUT|1|q|acks=d 1:1 1:2|made of both");
    rig_expect (rig, "n> ERR|1|400|a message that is named is not due yet*");
    s_lists (rig, "d", "messages=2");
    kit_ok (rig, "ACK|a|d|1:2");
    rig_skip (rig);
    rig_say (rig, "n", "PUT|1|q|acks=d 1:2|made of b");
    rig_expect (rig, "n> ERR|1|410|*");
    s_pass (rig, 100);
    rig_say (rig, "n", "GET|g|d|9|0|");
    rig_skip (rig);
    rig_say (rig, "n", "PUT|1|q|acks=d 1:1|made of a");
    rig_expect (rig, "n> OK|1|both|1:3|1:3");
    rig_say (rig, "n", "PUT|1|q|acks=d 1:1|made of a");
    rig_expect (rig, "n> OK|1|both|1:3|1:3|duplicate");
    s_lists (rig, "d", "messages=0");
    rig_destroy (&rig);
}

//  It waits while something that may be meant is on its way into the log, also when it is sent again.
static void test_acks_while_something_becomes_due (void **state)
{
    (void) state;
    rig_t *rig = s_open ("delay=0");
    rig_say (rig, "n", "HELLO|h|till||");
    kit_ok (rig, "PUT|p|d||a");
    kit_ok (rig, "PUT|p|d|delay=100|b");
    rig_say (rig, "n", "GET|g|d|9|0|");
    rig_skip (rig);
    rig->sync_there = false;
    rig_say (rig, "x", "HELLO|h");
    rig_say (rig, "x", "GET|g|d|9|5000|");
    s_pass (rig, 100);
    rig_skip (rig);
    rig_say (rig, "n", "PUT|1|q|acks=d 1:1|made of a");
    rig_say (rig, "n", "PUT|1|q|acks=d 1:1|made of a");
    rig_expect (rig, NULL);
    rig->sync_there = true;
    rig_sync (rig, true, true);
    rig_run (rig);
    rig_expect (rig, "n> OK|1|both|1:3|1:3");
    rig_expect (rig, "x> MSG|g|both|d|1:2 1\tdelay=100|b");
    rig_expect (rig, "n> OK|1|both|1:3|1:3|duplicate");
    rig_destroy (&rig);
}

//  What a REJECT names is looked for in the log again when it has become due meanwhile, where no consumer is yet.
static void test_reject_while_it_becomes_due (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.window = limits.windows = 2 << 20;
    rig_t *rig = rig_ready (&limits);
    s_wall = 1800000000000;
    s_pass (rig, 1);
    s_pass (rig, 61000);
    kit_ok (rig, "QUEUE|q|d|delay=0");
    for (int put = 0; put < 20; put++)
        kit_put (rig, "d", 128 << 10);
    kit_ok (rig, "PUT|p|d|delay=100|late");
    kit_ok (rig, "PUT|p|d||last");
    s_take_over (rig);
    rig_say (rig, "x", "HELLO|h");
    //  It has all that is read on, and waits for more.
    do
        rig_say (rig, "x", "GET|g|d|9|0|");
    while (rig_last (rig)->answer.bodies);
    rig_say (rig, "x", "GET|g|d|9|5000|");
    rig_skip (rig);
    rig->stuck = true;
    rig_say (rig, "c", "REJECT|r|d|1:21");
    s_wall += 100;
    rig->now += 100;
    zb_engine_time (rig->engine, (int64_t) s_wall, rig->now);
    rig_run (rig);
    rig->stuck = false;
    rig_run (rig);
    rig_expect (rig, "c> OK|r|both");
    s_has (rig, "d.dead", "late");
    rig_destroy (&rig);
}

//  It dies of its tries as any other; among the dead letters it is ready.
static void test_dies_of_its_tries (void **state)
{
    (void) state;
    rig_t *rig = s_open ("delay=0\nmax-deliveries=1\ndead-letter=e");
    kit_ok (rig, "QUEUE|q|e|delay=700");
    kit_ok (rig, "PUT|p|d|delay=100|a");
    s_pass (rig, 100);
    kit_answers (rig, "c", "GET|g|d|9|0|", "a");
    kit_ok (rig, "NACK|n|d|1:1");
    rig_wait (rig, 1000);
    rig_run (rig);
    s_expect (rig, "GET|g|e|9|0|", "c> MSG|g|both|e|1:2 1\tdelay=100\tzb-dead=max-deliveries\tzb-from=d\tzb-tries=1|a");
    rig_destroy (&rig);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_its_bytes_count),
        cmocka_unit_test (test_named_for_a_queue_with_messages),
        cmocka_unit_test (test_drop_oldest),
        cmocka_unit_test (test_amid_much_that_is_due),
        cmocka_unit_test (test_dropped_as_soon_as_it_is_safe),
        cmocka_unit_test (test_expires),
        cmocka_unit_test (test_move),
        cmocka_unit_test (test_move_from_an_empty_queue),
        cmocka_unit_test (test_reject_nack_and_extend),
        cmocka_unit_test (test_acks_of_a_put),
        cmocka_unit_test (test_acks_while_something_becomes_due),
        cmocka_unit_test (test_reject_while_it_becomes_due),
        cmocka_unit_test (test_dies_of_its_tries),
    };
    return cmocka_run_group_tests_name ("undue", tests, NULL, NULL);
}
