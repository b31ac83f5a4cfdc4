/*  =========================================================================
    test_deduping - PUTs that were stored before, by their message-id

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

#include "core/base/level.h"
#include "core/queue/dedupe.h"
#include "sides.h"
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

//  The queue `d` with these options besides, in a lead whose first minute is over; and a client x.
static rig_t *s_open (const char *options)
{
    rig_t *rig = rig_ready (NULL);
    char line[200];
    s_pass (rig, 61000);
    snprintf (line, sizeof line, "QUEUE|q|d|dedupe=10000%s", options);
    kit_ok (rig, line);
    rig_say (rig, "x", "HELLO|h");
    rig_skip (rig);
    return rig;
}

static void s_take_over (rig_t *rig)
{
    kit_takeover (rig);
    s_pass (rig, 1);
    rig_say (rig, "x", "HELLO|h");
    rig_skip (rig);
}

static void s_expect (rig_t *rig, const char *client, const char *line, const char *reply)
{
    rig_skip (rig);
    rig_say (rig, client, line);
    rig_expect (rig, reply);
}

//  It has these, in the order of their ids.
static void s_has (rig_t *rig, const char *queue, const char *bodies)
{
    char line[64];
    snprintf (line, sizeof line, "PEEK|k|%s|first|100", queue);
    kit_answers (rig, "c", line, bodies);
}

//  Rows of message-ids in the store.
static size_t s_rows (rig_t *rig)
{
    zb_read_t *read = zb_read_new (0, 0);
    static const uint8_t prefix[] = {0, 0, 0, 0, ZB_DEDUPE_MARK};
    zb_read_add (read, ZB_LOG, prefix, sizeof prefix, sizeof prefix, 100000, SIZE_MAX);
    fake_store_read (rig->store, read);
    size_t rows = read->count[0];
    zb_read_destroy (&read);
    return rows;
}

//  Whoever sends it, and whatever it says besides: the first one is stored, and the second has its ids.
static void test_the_second_is_a_duplicate (void **state)
{
    (void) state;
    rig_t *rig = s_open ("");
    s_expect (rig, "c", "PUT|1|d|message-id=a|one|two", "c> OK|1|both|1:1|1:2");
    s_expect (rig, "x", "PUT|2|d|message-id=a|one|two", "x> OK|2|both|1:1|1:2|duplicate");
    s_expect (rig, "x", "PUT|3|d|colour=red\nmessage-id=a|other", "x> OK|3|both|1:1|1:2|duplicate");
    s_expect (rig, "x", "PUT|4|d|message-id=b|one|two", "x> OK|4|both|1:3|1:4");
    s_expect (rig, "x", "PUT|4|d||one", "x> OK|4|both|1:5|1:5");
    s_expect (rig, "x", "PUT|4|d||one", "x> OK|4|both|1:6|1:6");
    s_has (rig, "d", "one,two,one,two,one,one");
    assert_int_equal (rig_stats (rig).duplicates, 2);
    //  Done, or purged, it is no less stored.
    kit_ok (rig, "ACK|a|d|1:1..1:6");
    s_expect (rig, "x", "PUT|3|d|message-id=a|other", "x> OK|3|both|1:1|1:2|duplicate");
    kit_ok (rig, "PURGE|p|d");
    s_expect (rig, "x", "PUT|3|d|message-id=b|other", "x> OK|3|both|1:3|1:4|duplicate");
    s_has (rig, "d", "");
    //  Without the option it is a property as any other, and each queue is for itself.
    s_expect (rig, "c", "PUT|1|q|message-id=a|one", "c> OK|1|both|1:7|1:7");
    s_expect (rig, "c", "PUT|1|q|message-id=a|one", "c> OK|1|both|1:8|1:8");
    kit_ok (rig, "QUEUE|q|e|dedupe=5");
    s_expect (rig, "c", "PUT|1|e|message-id=a|one", "c> OK|1|both|1:9|1:9");
    rig_destroy (&rig);
}

//  It is remembered for so long after it was stored, by whoever leads; the row goes with a later PUT.
static void test_for_how_long (void **state)
{
    (void) state;
    for (int change = 0; change <= 2; change++) {
        rig_t *rig = s_open ("");
        s_expect (rig, "c", "PUT|1|d|message-id=a|one", "c> OK|1|both|1:1|1:1");
        s_pass (rig, 10000 - (change > 0));
        if (change == 1)
            s_take_over (rig);
        if (change == 2) {
            rig_restart (rig);
            rig_say (rig, "c", "HELLO|h");
            rig_say (rig, "x", "HELLO|h");
            s_pass (rig, 1);
        }
        s_expect (rig, "x", "PUT|2|d|message-id=a|one", "x> OK|2|both|1:1|1:1|duplicate");
        s_pass (rig, 1 + 2000 * (change > 0));
        rig_skip (rig);
        rig_say (rig, "x", "PUT|2|d|message-id=a|one");
        assert_int_equal (rig_last (rig)->answer.args, 3);
        assert_int_equal (s_rows (rig), 1);
        s_has (rig, "d", "one,one");
        s_pass (rig, 10001);
        kit_ok (rig, "PUT|3|d|message-id=b|two");
        assert_int_equal (s_rows (rig), 1);
        //  The option is taken away, and comes back: what is not over is still known.
        kit_ok (rig, "QUEUE|q|d|dedupe=0");
        kit_ok (rig, "PUT|3|d|message-id=b|three");
        kit_ok (rig, "QUEUE|q|d|dedupe=10000");
        rig_skip (rig);
        rig_say (rig, "x", "PUT|2|d|message-id=b|one");
        assert_int_equal (rig_last (rig)->answer.args, 4);
        rig_destroy (&rig);
    }
}

//  The newest ones are remembered, in memory and on the disk.
static void test_how_many (void **state)
{
    (void) state;
    rig_t *rig = s_open ("");
    char line[60];
    for (int number = 0; number <= ZB_DEDUPE_PUTS; number++) {
        snprintf (line, sizeof line, "PUT|1|d|message-id=%d|x", number);
        kit_ok (rig, line);
    }
    assert_int_equal (s_rows (rig), ZB_DEDUPE_PUTS);
    for (int led = 0; led <= 1; led++) {
        //  In several reads.
        size_t reads = rig->read_count;
        s_expect (rig, "x", "PUT|2|d|message-id=1|x", "x> OK|2|both|1:2|1:2|duplicate");
        assert_in_range (rig->read_count - reads, led ? 10 : 0, led ? 20 : 0);
        snprintf (line, sizeof line, "PUT|2|d|message-id=%d|x", ZB_DEDUPE_PUTS);
        s_expect (rig, "x", line, "x> OK|2|both|1:10001|1:10001|duplicate");
        s_take_over (rig);
    }
    rig_say (rig, "x", "PUT|2|d|message-id=0|x");
    assert_int_equal (rig_last (rig)->answer.args, 3);
    //  Deleted they are freed, and another queue of the name has its own.
    kit_ok (rig, "DELETE|d|d");
    for (int step = 0; step < 300 && s_rows (rig); step++)
        s_pass (rig, 100);
    assert_int_equal (s_rows (rig), 0);
    kit_ok (rig, "QUEUE|q|d|dedupe=10000");
    rig_skip (rig);
    rig_say (rig, "x", "PUT|2|d|message-id=5|x");
    assert_int_equal (rig_last (rig)->answer.args, 3);
    rig_destroy (&rig);
}

//  Of many queues those leave memory that were not used the longest, and are read again.
static void test_many_queues (void **state)
{
    (void) state;
    enum { QUEUES = 12, EACH = 9000, IN_MEMORY = 11 };
    rig_t *rig = s_open ("");
    char line[60];
    for (int queue = 0; queue < QUEUES; queue++) {
        snprintf (line, sizeof line, "QUEUE|q|d%d|dedupe=100000000", queue);
        kit_ok (rig, line);
        for (int number = 0; number < EACH; number++) {
            snprintf (line, sizeof line, "PUT|1|d%d|message-id=%d|x", queue, number);
            kit_ok (rig, line);
        }
    }
    for (int queue = QUEUES; queue-- > 0;) {
        size_t reads = rig->read_count;
        snprintf (line, sizeof line, "PUT|1|d%d|message-id=0|x", queue);
        kit_ok (rig, line);
        assert_int_equal (rig_last (rig)->answer.args, 4);
        assert_int_equal (rig->read_count > reads, queue < QUEUES - IN_MEMORY);
    }
    //  One that is not safe yet stays: what is read says nothing of that.
    rig_skip (rig);
    rig->sync_there = false;
    rig_say (rig, "x", "PUT|1|d0|message-id=new|x");
    for (int queue = 1; queue < QUEUES; queue++) {
        snprintf (line, sizeof line, "PUT|1|d%d|message-id=0|x", queue);
        kit_ok (rig, line);
    }
    rig_skip (rig);
    rig_say (rig, "c", "PUT|2|d0|message-id=new|x");
    rig_expect (rig, NULL);
    rig->sync_there = true;
    rig_sync (rig, true, true);
    rig_expect (rig, "x> OK|1|both|*");
    rig_expect (rig, "c> OK|2|both|*");
    rig_destroy (&rig);
}

//  As long as the first one is not safe neither is the second, and if it is lost, so is what is known of it.
static void test_the_first_is_not_safe_yet (void **state)
{
    (void) state;
    for (int lost = 0; lost <= 1; lost++) {
        rig_t *rig = s_open ("");
        kit_ok (rig, "PUT|1|d|message-id=before|x");
        rig_skip (rig);
        rig->sync_there = false;
        rig_say (rig, "c", "PUT|1|d|message-id=a|one");
        rig_say (rig, "x", "PUT|2|d|message-id=a|one");
        rig_expect (rig, NULL);
        if (lost) {
            rig->sync_there = true;
            s_take_over (rig);
        }
        else {
            rig->sync_there = true;
            rig_sync (rig, true, true);
            rig_expect (rig, "c> OK|1|both|1:2|1:2");
            rig_expect (rig, "x> OK|2|both|1:2|1:2|duplicate");
        }
        rig_skip (rig);
        rig_say (rig, "x", "PUT|3|d|message-id=a|one");
        assert_int_equal (rig_last (rig)->answer.status, ZB_ANSWER_OK);
        s_has (rig, "d", "x,one");
        rig_destroy (&rig);
    }
}

//  PUTs wait until it is known, each client's in its order; one that is known already is not asked for.
static void test_while_it_is_read (void **state)
{
    (void) state;
    rig_t *rig = s_open ("");
    kit_ok (rig, "PUT|1|d|message-id=a|one");
    s_take_over (rig);
    kit_ok (rig, "PUT|1|d||two");
    rig_skip (rig);
    rig->stuck = true;
    rig_say (rig, "x", "PUT|1|d|message-id=a|no");
    rig_say (rig, "x", "PUT|2|d|message-id=b|three");
    rig_say (rig, "c", "PUT|3|d|message-id=b|no");
    rig_expect (rig, NULL);
    rig->stuck = false;
    rig_run (rig);
    rig_expect (rig, "x> OK|1|both|1:1|1:1|duplicate");
    rig_expect (rig, "x> OK|2|both|2:2|2:2");
    rig_expect (rig, "c> OK|3|both|2:2|2:2|duplicate");
    //  Deleted meanwhile.
    s_take_over (rig);
    kit_ok (rig, "PUT|1|d||two");
    rig_skip (rig);
    rig->stuck = true;
    rig_say (rig, "x", "PUT|1|d|message-id=a|no");
    rig_say (rig, "c", "DELETE|1|d");
    rig->stuck = false;
    rig_run (rig);
    rig_run (rig);
    rig_expect (rig, "c> OK|1|both");
    rig_expect (rig, "x> ERR|1|404|*");
    //  A broker that stops while it reads.
    kit_ok (rig, "QUEUE|q|d|dedupe=1000");
    s_take_over (rig);
    rig->stuck = true;
    rig_say (rig, "x", "PUT|1|d|message-id=a|no");
    s_take_over (rig);
    rig->stuck = false;
    rig_destroy (&rig);
}

//  A named producer's number is used by a duplicate: sent again it is one, and the next one follows.
static void test_a_number_is_used (void **state)
{
    (void) state;
    rig_t *rig = s_open ("");
    kit_ok (rig, "PUT|1|d|message-id=a|one|two");
    rig_say (rig, "n", "HELLO|h|till||");
    s_expect (rig, "n", "PUT|1|d|message-id=a|one", "n> OK|1|both|1:1|1:2|duplicate");
    s_expect (rig, "n", "PUT|1|d|message-id=a|one", "n> OK|1|both|1:1|1:2|duplicate");
    s_expect (rig, "n", "PUT|1|d|message-id=b|one", "n> ERR|1|409|2");
    s_expect (rig, "n", "PUT|2|d|message-id=b|three", "n> OK|2|both|1:3|1:3");
    //  So it is for who leads next, when the window is long over.
    s_pass (rig, 60000);
    s_take_over (rig);
    rig_say (rig, "n", "HELLO|h|till||1.1");
    s_expect (rig, "n", "PUT|1|d|message-id=a|one", "n> OK|1|both|1:1|1:2|duplicate");
    s_expect (rig, "n", "PUT|3|d|message-id=a|four", "n> OK|3|both|2:1|2:1");
    //  In flight it waits for the number to be safe.
    rig->sync_there = false;
    rig_skip (rig);
    rig_say (rig, "n", "PUT|4|d|message-id=a|four");
    rig_expect (rig, NULL);
    rig->sync_there = true;
    rig_sync (rig, true, true);
    rig_expect (rig, "n> OK|4|both|2:1|2:1|duplicate");
    s_has (rig, "d", "one,two,three,four");
    rig_destroy (&rig);
}

//  It acknowledges what its acks name, be that done, or another consumer's.
static void test_acks_of_a_duplicate (void **state)
{
    (void) state;
    rig_t *rig = s_open ("");
    kit_ok (rig, "PUT|1|q||work|again|more");
    kit_answers (rig, "c", "GET|g|q|9|0|", "work,again,more");
    s_expect (rig, "c", "PUT|1|d|message-id=a\nacks=q 1:1|result", "c> OK|1|both|1:4|1:4");
    s_expect (rig, "c", "PUT|1|d|message-id=a\nacks=q 1:1|result", "c> OK|1|both|1:4|1:4|duplicate");
    s_expect (rig, "c", "PUT|1|d|message-id=a\nacks=q 1:2|result", "c> OK|1|both|1:4|1:4|duplicate");
    s_expect (rig, "x", "PUT|1|d|message-id=a\nacks=q 1:3|result", "x> OK|1|both|1:4|1:4|duplicate");
    s_has (rig, "q", "");
    s_has (rig, "d", "result");
    //  What of it is done is as safe as any ACK.
    kit_ok (rig, "PUT|1|q||last");
    rig_skip (rig);
    rig->sync_there = false;
    rig_say (rig, "x", "PUT|1|d|message-id=a\nacks=q 1:5|result");
    rig_expect (rig, NULL);
    rig->sync_there = true;
    rig_sync (rig, true, true);
    rig_expect (rig, "x> OK|1|both|1:4|1:4|duplicate");
    //  A new one is as strict as ever, and leaves no trace.
    s_expect (rig, "x", "PUT|1|d|message-id=b\nacks=q 1:5|result", "x> ERR|1|410|*");
    s_expect (rig, "x", "PUT|1|d|message-id=b|result", "x> OK|1|both|1:6|1:6");
    //  Its rows are on the disk only.
    kit_ok (rig, "PUT|1|q||cold");
    s_take_over (rig);
    s_expect (rig, "x", "PUT|1|d|message-id=a\nacks=q 1:7|result", "x> OK|1|both|1:4|1:4|duplicate");
    s_has (rig, "q", "");
    rig_destroy (&rig);
}

//  While one waits another one stores the PUT: all that its acks name is done, also what had a delay, and no range.
static void test_acks_of_one_that_waited (void **state)
{
    (void) state;
    rig_t *rig = s_open ("");
    kit_ok (rig, "QUEUE|o|q|delay=0");
    kit_ok (rig, "PUT|1|q|delay=100|one|two|three");
    s_pass (rig, 100);
    kit_answers (rig, "c", "GET|g|q|9|0|", "one,two,three");
    kit_ok (rig, "PUT|1|d|message-id=b|x");
    s_take_over (rig);
    kit_ok (rig, "PUT|1|d|message-id=c|x");
    kit_ok (rig, "QUEUE|o|q|delay=0");
    rig_skip (rig);
    rig->stuck = true;
    rig_say (rig, "x", "PUT|1|d|message-id=a\nacks=q 1:1 1:2 1:3|result");
    rig_expect (rig, NULL);
    rig_say (rig, "c", "PUT|2|d|message-id=a|result");
    rig_expect (rig, "c> OK|2|both|*");
    rig->stuck = false;
    rig_run (rig);
    rig_run (rig);
    rig_expect (rig, "x> OK|1|both|*");
    assert_int_equal (rig_last (rig)->answer.args, 4);
    s_has (rig, "q", "");
    rig_destroy (&rig);
}

//  What is refused is not remembered; a duplicate is one though there is no room.
static void test_what_is_refused (void **state)
{
    (void) state;
    rig_t *rig = s_open ("\nmax-messages=1");
    s_expect (rig, "c", "PUT|1|d|message-id=|one", "c> ERR|1|400|message-id: empty");
    s_expect (rig, "c", "PUT|1|d|message-id=a\nmessage-id=a|one", "c> ERR|1|400|message-id: there are two of them");
    kit_ok (rig, "PUT|1|d|message-id=a|one");
    kit_refused (rig, "PUT|1|d|message-id=b|two", 429);
    zb_engine_full (rig->engine, true);
    s_expect (rig, "c", "PUT|1|d|message-id=a|one", "c> OK|1|both|1:1|1:1|duplicate");
    kit_refused (rig, "PUT|1|d|message-id=b|two", 507);
    zb_engine_full (rig->engine, false);
    kit_ok (rig, "ACK|a|d|1:1");
    s_expect (rig, "c", "PUT|1|d|message-id=b|two", "c> OK|1|both|1:2|1:2");
    //  What goes since the queue is full is remembered.
    kit_ok (rig, "QUEUE|q|d|full=drop-oldest");
    kit_ok (rig, "PUT|1|d|message-id=c|three");
    s_expect (rig, "c", "PUT|1|d|message-id=b|two", "c> OK|1|both|1:2|1:2|duplicate");
    s_has (rig, "d", "three");
    rig_destroy (&rig);
}

//  MOVE and dead letters pass it by; what is not due is as stored as any other.
static void test_other_ways (void **state)
{
    (void) state;
    rig_t *rig = s_open ("\ndelay=0\nexpires=0");
    kit_ok (rig, "QUEUE|q|d.dead|dedupe=10000");
    kit_ok (rig, "PUT|1|d|message-id=a|one");
    s_expect (rig, "c", "MOVE|m|d|q||9", "c> OK|m|both|1|*");
    s_expect (rig, "c", "MOVE|m|q|d||9", "c> OK|m|both|1|*");
    s_has (rig, "d", "one");
    kit_answers (rig, "c", "GET|g|d|9|0|", "one");
    rig_skip (rig);
    rig_say (rig, "c", "REJECT|r|d|1:3");
    s_has (rig, "d.dead", "one");
    s_expect (rig, "c", "MOVE|m|d.dead|d||9", "c> OK|m|both|1|*");
    s_has (rig, "d", "one");
    s_expect (rig, "x", "PUT|1|d|message-id=a|one", "x> OK|1|both|1:1|1:1|duplicate");
    s_expect (rig, "x", "PUT|1|d.dead|message-id=a|one", "x> OK|1|both|1:6|1:6");
    s_expect (rig, "x", "PUT|1|d|message-id=b\ndelay=5000|later", "x> OK|1|both|1:7|1:7");
    s_expect (rig, "x", "PUT|1|d|message-id=b\ndelay=5000|later", "x> OK|1|both|1:7|1:7|duplicate");
    s_expect (rig, "x", "PUT|1|d|message-id=c\nexpires=5|short", "x> OK|1|both|1:8|1:8");
    s_pass (rig, 5000);
    kit_answers (rig, "x", "GET|g|d|9|0|", "one");
    kit_answers (rig, "x", "GET|g|d|9|0|", "later");
    s_expect (rig, "x", "PUT|1|d|message-id=b\ndelay=5000|later", "x> OK|1|both|1:7|1:7|duplicate");
    s_expect (rig, "x", "PUT|1|d|message-id=c\nexpires=5|short", "x> OK|1|both|1:8|1:8|duplicate");
    rig_destroy (&rig);
}

//  Two sides that know the queue d.
static void s_divide (void)
{
    sides_open_past ();
    side_t *sides[] = {&sides_winner, &sides_loser};
    for (int index = 0; index < 2; index++) {
        s_pass (sides[index]->rig, 1);
        sides_say (sides[index], "c", "QUEUE|o|d|dedupe=10000");
        sides_say (sides[index], "c", "PUT|1|d|message-id=common|common");
        sides_lead (sides[index]);
        sides_say (sides[index], "c", "HELLO|h");
        s_pass (sides[index]->rig, 1);
        rig_skip (sides[index]->rig);
    }
}

//  A PUT that both sides have stored is there once; with other contents both are. What the winner has taken it remembers.
static void test_a_split (void **state)
{
    (void) state;
    static const struct {
        const char *winner, *loser, *then, *again;
        bool known;
    } cases[] = {
        {"PUT|1|d|message-id=a|one", "PUT|1|d|message-id=a|one", "common,one", "PUT|2|d|message-id=a|x", true},
        {"PUT|1|d|message-id=a|one", "PUT|1|d|message-id=a|two", "common,two,one", "PUT|2|d|message-id=a|x", true},
        {"PUT|1|d|message-id=a|one", "PUT|1|d|colour=red\nmessage-id=a|one", "common,one,one", "PUT|2|d|message-id=a|x",
         true},
        {"PUT|1|d|message-id=a|one|two", "PUT|1|d|message-id=a|one|two", "common,one,two", "PUT|2|d|message-id=a|x",
         true},
        {"PUT|1|d||one", "PUT|1|d|message-id=a|one", "common,one,one", "PUT|2|d|message-id=a|x", true},
        {"PUT|1|d||one", "PUT|1|d||one", "common,one,one", "PUT|2|d|message-id=a|one", false},
        {"PUT|1|d||one", "PUT|1|d|message-id=common|common", "common,one", "PUT|2|d|message-id=common|x", true}};
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++)
        for (int interrupted = 0; interrupted <= 1; interrupted++) {
            s_divide ();
            sides_say (&sides_winner, "c", cases[index].winner);
            sides_say (&sides_loser, "c", cases[index].loser);
            sides_say (&sides_loser, "c", "PUT|1|q||last");
            if (interrupted)
                sides_replay_messages (1);
            sides_replay ("");
            sides_expect_of ("d", cases[index].then);
            sides_say (&sides_winner, "c", "HELLO|h");
            sides_say (&sides_winner, "c", cases[index].again);
            assert_int_equal (rig_last (sides_winner.rig)->answer.status, ZB_ANSWER_OK);
            assert_int_equal (rig_last (sides_winner.rig)->answer.args, cases[index].known ? 4 : 3);
            sides_close ();
        }
}

//  What the loser took is all there: each message of a PUT that lies in rows of their own, and what MOVE has brought back.
static void test_a_split_loses_nothing (void **state)
{
    (void) state;
    static const struct {
        const char *loser[4], *then;
    } cases[] = {{{"PUT|1|d|message-id=a\ndelay=5000|x|x|x"}, "\nmessages=4\n"},
                 {{"MOVE|1|d|q|1:5|9", "MOVE|2|q|d||9"}, "\nmessages=5\n"},
                 {{"PUT|1|d|message-id=a|x|x", "MOVE|3|d|q||9", "MOVE|4|q|d||9"}, "\nmessages=7\n"},
                 {{"PUT|1|d|message-id=w\ndelay=5000|x|x"}, "\nmessages=3\n"}};
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        s_divide ();
        side_t *sides[] = {&sides_winner, &sides_loser};
        for (int side = 0; side < 2; side++)
            sides_say (sides[side], "c", "QUEUE|o|d|delay=0");
        if (index == 3)
            sides_say (&sides_winner, "c", "PUT|1|d|message-id=w\ndelay=5000|x");
        for (int line = 0; line < 4 && cases[index].loser[line]; line++)
            sides_say (&sides_loser, "c", cases[index].loser[line]);
        sides_replay ("");
        sides_say (&sides_winner, "c", "HELLO|h");
        sides_say (&sides_winner, "c", "LIST|l|d");
        const char *text = rig_last (sides_winner.rig)->text;
        if (!strstr (text, cases[index].then))
            fail_msg ("%zu: not%s: %s", index, cases[index].then, text);
        sides_close ();
    }
}

//  A PUT whose messages lie in rows of their own is remembered with all of them.
static void test_a_split_of_rows (void **state)
{
    (void) state;
    for (int led = 0; led <= 1; led++) {
        s_divide ();
        side_t *sides[] = {&sides_winner, &sides_loser};
        for (int side = 0; side < 2; side++)
            sides_say (sides[side], "c", "QUEUE|o|d|delay=0");
        sides_say (&sides_loser, "c", "PUT|1|d|message-id=a\ndelay=5000|x|y|x");
        sides_say (&sides_loser, "c", "PUT|1|d|message-id=b\ndelay=5000|z");
        sides_replay ("");
        if (led)
            sides_lead (&sides_winner);
        sides_say (&sides_winner, "c", "HELLO|h");
        rig_skip (sides_winner.rig);
        sides_say (&sides_winner, "c", "PUT|1|d|message-id=a\ndelay=5000|x|y|x");
        rig_expect (sides_winner.rig, "c> OK|1|solo|2b:1|2b:3|duplicate");
        sides_say (&sides_winner, "c", "PUT|2|d|message-id=b\ndelay=5000|z");
        rig_expect (sides_winner.rig, "c> OK|2|solo|2b:4|2b:4|duplicate");
        sides_close ();
    }
}

//  While a broker is alone nothing ends, and what was put too long before the other one is another PUT.
static void test_a_long_split (void **state)
{
    (void) state;
    for (int late = 0; late <= 1; late++) {
        s_divide ();
        sides_say (&sides_winner, "c", "PUT|1|d|message-id=a|one");
        s_pass (sides_loser.rig, 8000 + late * 4000);
        sides_say (&sides_loser, "c", "PUT|1|d|message-id=a|one");
        s_pass (sides_winner.rig, 60000);
        rig_skip (sides_winner.rig);
        sides_say (&sides_winner, "c", "PUT|1|d|message-id=a|x");
        assert_int_equal (rig_last (sides_winner.rig)->answer.args, 4);
        sides_say (&sides_winner, "c", "PUT|1|d|message-id=b|two");
        sides_replay ("");
        sides_expect_of ("d", late ? "common,one,one,two" : "common,one,two");
        //  Together again it does.
        zb_engine_keep (sides_winner.rig->engine, ZB_KEEP_NOTE);
        rig_skip (sides_winner.rig);
        sides_say (&sides_winner, "c", "PUT|1|d|message-id=a|x");
        assert_int_equal (rig_last (sides_winner.rig)->answer.args, 3);
        sides_close ();
    }
}

//  What it may be, and where it is told.
static void test_the_option (void **state)
{
    (void) state;
    rig_t *rig = s_open ("");
    static const char *const bad[] = {"3155760000001", "-1", "1s", ""};
    for (size_t index = 0; index < sizeof bad / sizeof *bad; index++) {
        char line[100];
        snprintf (line, sizeof line, "QUEUE|o|d|dedupe=%s", bad[index]);
        s_expect (rig, "c", line, "c> ERR|o|400|dedupe is a number of milliseconds, 0 for none");
    }
    s_take_over (rig);
    kit_ok (rig, "LIST|l|d");
    assert_non_null (strstr (rig_last (rig)->text, "\ndedupe=10000"));
    kit_ok (rig, "QUEUE|o|d|dedupe=0");
    kit_ok (rig, "LIST|l|d");
    assert_null (strstr (rig_last (rig)->text, "dedupe"));
    kit_ok (rig, "QUEUE|o|d|dedupe=3155760000000");
    kit_ok (rig, "TOPIC|t|t|");
    kit_refused (rig, "TOPIC|t|t|dedupe=1", 400);
    kit_refused (rig, "SUB|t|t/s|dedupe=1", 400);
    zb_engine_level (rig->engine, ZB_LEVEL_DEDUPE - 1);
    kit_refused (rig, "QUEUE|o|q|dedupe=1", 503);
    rig_destroy (&rig);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_the_second_is_a_duplicate),
        cmocka_unit_test (test_for_how_long),
        cmocka_unit_test (test_how_many),
        cmocka_unit_test (test_many_queues),
        cmocka_unit_test (test_the_first_is_not_safe_yet),
        cmocka_unit_test (test_while_it_is_read),
        cmocka_unit_test (test_a_number_is_used),
        cmocka_unit_test (test_acks_of_a_duplicate),
        cmocka_unit_test (test_acks_of_one_that_waited),
        cmocka_unit_test (test_what_is_refused),
        cmocka_unit_test (test_other_ways),
        cmocka_unit_test (test_a_split),
        cmocka_unit_test (test_a_split_loses_nothing),
        cmocka_unit_test (test_a_split_of_rows),
        cmocka_unit_test (test_a_long_split),
        cmocka_unit_test (test_the_option),
    };
    return cmocka_run_group_tests_name ("deduping", tests, NULL, NULL);
}
