/*  =========================================================================
    test_merge_delayed - messages that are not due, after a split

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

#include "core/queue/lane.h"
#include "sides.h"

#define WALL 1800000000000 //  the machines' clocks are so far ahead of the monotonic ones

//  Time passes on this side, and both clocks tell it.
static void s_pass (side_t *side, int64_t ms)
{
    rig_t *rig = side->rig;
    zb_engine_time (rig->engine, WALL + rig->now, rig->now);
    rig->now += ms;
    zb_engine_time (rig->engine, WALL + rig->now, rig->now);
    rig_run (rig);
}

//  Both lead alone; both know a queue `d` and its messages, which are due after 1 s and after 100 s.
static void s_open (void)
{
    sides_open_past ();
    side_t *sides[] = {&sides_winner, &sides_loser};
    for (int index = 0; index < 2; index++) {
        s_pass (sides[index], 0);
        sides_say (sides[index], "c", "QUEUE|q|d|delay=1000\nmax-bytes=100000");
        sides_say (sides[index], "c", "PUT|1|d||second");
        sides_say (sides[index], "c", "PUT|1|d|delay=100000|minute");
    }
    for (int index = 0; index < 2; index++) {
        sides_lead (sides[index]);
        s_pass (sides[index], 0);
        sides_say (sides[index], "c", "HELLO|h");
        sides_say (sides[index], "p", "HELLO|h|till||1.1");
        rig_skip (sides[index]->rig);
    }
}

static void s_close (void)
{
    //  Nothing is left that only the index of a lane, or only the lane, knows: rows without their other half.
    size_t due = 0, ids = 0;
    const fake_store_t *store = sides_winner.rig->store;
    for (size_t index = 0; index < fake_store_rows (store, ZB_LOG); index++) {
        size_t size = 0;
        fake_store_key (store, ZB_LOG, index, &size);
        due += size == ZB_LANE_KEY_SIZE;
        ids += size == ZB_LANE_INDEX_SIZE;
    }
    assert_int_equal (due, ids);
    //  And that is what LIST counts.
    uint64_t delayed = 0;
    rig_skip (sides_winner.rig);
    sides_say (&sides_winner, "count", "HELLO|h");
    sides_say (&sides_winner, "count", "LIST|l|*");
    for (const char *text = rig_last (sides_winner.rig)->text; (text = strstr (text, "\ndelayed=")); text++)
        delayed += strtoul (text + strlen ("\ndelayed="), NULL, 10);
    assert_int_equal (delayed, due);
    sides_close ();
}

//  What the winner delivers of a queue now, when what is due has been asked for: a GET does not wait for that if others are
//  ready, and takes what lies in the order of ids.
static void s_expect (const char *queue, const char *bodies)
{
    char line[40];
    snprintf (line, sizeof line, "GET|g|%s|100|0|", queue);
    for (int turn = 0; turn < 4; turn++) {
        sides_say (&sides_winner, "before", "HELLO|h|reader||");
        sides_say (&sides_winner, "before", line);
    }
    sides_expect_of (queue, bodies);
}

static void s_expect_messages (const char *queue, unsigned count)
{
    char line[100], expected[100];
    snprintf (line, sizeof line, "LIST|l|%s", queue);
    snprintf (expected, sizeof expected, "r> OK|l|%s|lease=30000\nmax-messages=0\nmessages=%u\n*", queue, count);
    sides_say (&sides_winner, "r", "HELLO|h");
    rig_skip (sides_winner.rig);
    sides_say (&sides_winner, "r", line);
    rig_expect (sides_winner.rig, expected);
}

static void s_expect_line (const char *queue, const char *expected)
{
    char line[100];
    snprintf (line, sizeof line, "LIST|l|%s", queue);
    rig_skip (sides_winner.rig);
    sides_say (&sides_winner, "r", line);
    const char *text = rig_last (sides_winner.rig)->text;
    if (!strstr (text, expected))
        fail_msg ("%s is not in %s", expected, text);
}

//  What the loser took with a delay is delivered when it is due, not before, and what was due there at once.
static void test_puts_of_the_loser (void **state)
{
    (void) state;
    s_open ();
    sides_say (&sides_loser, "c", "PUT|1|d|delay=50000|theirs");
    sides_say (&sides_loser, "c", "PUT|1|d|delay=10|done");
    sides_say (&sides_loser, "c", "PUT|1|d|delay=20|had");
    sides_say (&sides_loser, "c", "PUT|1|d|delay=0|at once");
    s_pass (&sides_loser, 20);
    sides_say (&sides_loser, "c", "GET|g|d|9|0|");
    sides_say (&sides_loser, "c", "QUEUE|q|e|delay=0");
    sides_say (&sides_loser, "c", "PUT|1|e|delay=30000|new");
    sides_replay ("");
    s_expect_messages ("d", 6);
    s_expect_messages ("e", 1);
    s_expect ("d", "done,had,at once");
    s_expect ("e", "");
    s_pass (&sides_winner, 0);
    s_expect ("d", "second,done,had,at once");
    s_pass (&sides_winner, 30000);
    s_expect ("e", "new");
    s_expect ("d", "second,done,had,at once");
    s_pass (&sides_winner, 20000);
    s_expect ("d", "second,theirs,done,had,at once");
    s_pass (&sides_winner, 50000);
    s_expect ("d", "second,minute,theirs,done,had,at once");
    s_close ();
}

//  What was acknowledged at the loser is done, be it due at the winner, or not; and what was purged there.
static void test_acknowledged_at_the_loser (void **state)
{
    (void) state;
    for (int round = 0; round < 4; round++) {
        s_open ();
        s_pass (&sides_loser, 1000);
        sides_say (&sides_loser, "c", "GET|g|d|9|0|");
        if (round & 1) {
            //  Here it is due as well, and in the log.
            s_pass (&sides_winner, 1000);
            sides_say (&sides_winner, "c", "GET|g|d|9|0|");
        }
        if (round & 2)
            sides_say (&sides_loser, "c", "PURGE|x|d");
        else
            sides_say (&sides_loser, "c", "ACK|a|d|1:5");
        sides_say (&sides_winner, "c", "PUT|1|d|delay=0|mine");
        sides_replay ("");
        s_expect_messages ("d", round & 2 ? 1 : 2);
        s_pass (&sides_winner, 101000);
        s_expect ("d", round & 2 ? "mine" : "minute,mine");
        s_close ();
    }
}

//  The bytes of what the loser took count here, and those of what it acknowledged do not any more.
static void test_its_bytes_count (void **state)
{
    (void) state;
    s_open ();
    sides_say (&sides_loser, "c", "PUT|1|d|delay=50000|theirs");
    s_pass (&sides_loser, 1000);
    sides_say (&sides_loser, "c", "GET|g|d|9|0|");
    sides_say (&sides_loser, "c", "ACK|a|d|1:5");
    sides_replay ("");
    s_expect_messages ("d", 2);
    //  minute and theirs, with their properties.
    s_expect_line ("d", "bytes=35");
    s_close ();
}

//  What became due at the loser, and is not done there, is delivered here once.
static void test_due_at_the_loser (void **state)
{
    (void) state;
    s_open ();
    s_pass (&sides_loser, 1000);
    sides_say (&sides_loser, "c", "GET|g|d|9|0|");
    sides_replay ("");
    s_expect_messages ("d", 2);
    s_pass (&sides_winner, 101000);
    s_expect ("d", "second,minute");
    s_close ();
}

//  An interrupted replay goes on where it was.
static void test_interrupted (void **state)
{
    (void) state;
    for (unsigned messages = 1; messages < 4; messages++) {
        s_open ();
        sides_say (&sides_loser, "c", "PUT|1|d|delay=30|1");
        sides_say (&sides_loser, "c", "PUT|1|d|delay=10|2");
        sides_say (&sides_loser, "c", "PUT|1|d|delay=20|3");
        sides_say (&sides_loser, "c", "PUT|1|q||4");
        sides_replay_messages (messages);
        sides_lead (&sides_winner);
        s_pass (&sides_winner, 0);
        sides_replay ("");
        s_expect_messages ("d", 5);
        s_pass (&sides_winner, 101000);
        s_expect ("d", "second,minute,1,2,3");
        s_close ();
    }
}

//  It was interrupted, and the loser has led again: what was sent from its lane became due there, and comes from its log now.
//  Here it is not due yet, or delivered, or purged.
static void test_interrupted_and_due_since (void **state)
{
    (void) state;
    for (int round = 0; round < 3; round++) {
        s_open ();
        sides_say (&sides_loser, "c", "PUT|1|d|delay=30|1");
        sides_say (&sides_loser, "c", "PUT|1|d|delay=40|2");
        sides_say (&sides_loser, "c", "PUT|1|d|delay=0|3");
        sides_replay_messages (1);
        if (round) {
            s_pass (&sides_winner, 30);
            sides_say (&sides_winner, "c", "GET|g|d|9|0|");
        }
        sides_lead (&sides_loser);
        s_pass (&sides_loser, 0);
        sides_say (&sides_loser, "c", "HELLO|h");
        s_pass (&sides_loser, 100);
        for (int turn = 0; turn < 3; turn++)
            sides_say (&sides_loser, "c", "GET|g|d|9|0|");
        sides_lead (&sides_winner);
        s_pass (&sides_winner, 0);
        if (round == 2) {
            sides_say (&sides_winner, "c", "HELLO|h");
            sides_say (&sides_winner, "c", "PURGE|x|d");
        }
        sides_replay ("");
        s_expect_messages ("d", round == 2 ? 2 : 5);
        s_pass (&sides_winner, 101000);
        s_expect ("d", round == 2 ? "2,3" : "second,minute,1,2,3");
        s_close ();
    }
}

//  A queue that the loser has deleted since, and made again without the option, has it here: there may be something in its lane.
static void test_interrupted_and_deleted_since (void **state)
{
    (void) state;
    for (int round = 0; round < 2; round++) {
        s_open ();
        sides_say (&sides_loser, "c", "QUEUE|q|e|delay=0");
        sides_say (&sides_loser, "c", "PUT|1|e|delay=30000|gone");
        sides_replay_messages (1);
        s_expect_messages ("e", 1);
        sides_lead (&sides_winner);
        s_pass (&sides_winner, 0);
        if (round) {
            sides_say (&sides_winner, "c", "HELLO|h");
            sides_say (&sides_winner, "c", "PUT|1|e|delay=30000|mine");
        }
        sides_lead (&sides_loser);
        s_pass (&sides_loser, 0);
        sides_say (&sides_loser, "c", "HELLO|h");
        sides_say (&sides_loser, "c", "DELETE|x|e");
        sides_say (&sides_loser, "c", "QUEUE|q|e|lease=7000");
        sides_lead (&sides_winner);
        s_pass (&sides_winner, 0);
        sides_replay ("");
        s_pass (&sides_winner, 30000);
        s_expect ("e", round ? "mine" : "");
        sides_say (&sides_winner, "r", "HELLO|h");
        s_expect_line ("e", round ? "\nmessages=1\n" : "\nmessages=0\n");
        s_expect_line ("e", "\ndelay=0");
        s_close ();
    }
}

//  What another PUT of the same number stands in the way of is put aside; what lies behind it comes.
static void test_put_aside (void **state)
{
    (void) state;
    s_open ();
    sides_say (&sides_winner, "p", "PUT|2|q||mine");
    sides_say (&sides_loser, "c", "PUT|1|d|delay=10|1");
    sides_say (&sides_loser, "p", "PUT|2|d|delay=20|other");
    sides_say (&sides_loser, "c", "PUT|1|d|delay=30|2");
    sides_say (&sides_loser, "c", "PUT|1|q||3");
    sides_replay ("conflict ");
    s_pass (&sides_winner, 1000);
    s_expect ("d", "second,1,2");
    s_expect ("q", "one,two,three,till 1,3,mine");
    s_close ();
}

//  The same PUT, sent to both, is there once.
static void test_sent_to_both (void **state)
{
    (void) state;
    s_open ();
    sides_say (&sides_winner, "p", "PUT|2|d|delay=30|one|two");
    sides_say (&sides_loser, "p", "PUT|2|d|delay=30|one|two");
    sides_replay ("");
    s_expect_messages ("d", 4);
    s_pass (&sides_winner, 1000);
    s_expect ("d", "second,one,two");
    s_close ();
}

//  Both sides, with one more message at the loser, and all that it sends before that.
static void s_open_before_a_row (void)
{
    char words[64];
    zb_replayer_stats_t stats;
    uint64_t items = 0;
    for (int round = 0; round < 2; round++) {
        s_open ();
        sides_say (&sides_loser, "c", "PUT|1|d|delay=0|theirs");
        sides_say (&sides_winner, "c", "GET|g|d|9|0|");
        s_pass (&sides_winner, 1000);
        rig_skip (sides_winner.rig);
        for (uint64_t item = 1; round && item < items; item++)
            sides_replay_some (2, words, &stats);
        for (; round == 0 && rig_stats (sides_winner.rig).replayed == 0; items++)
            sides_replay_some (2, words, &stats);
        if (round == 0)
            s_close ();
    }
}

//  Who asks what there is, and what is due can't be taken because rows of the loser are on their way, is told that there is nothing.
static void test_a_get_while_rows_come (void **state)
{
    (void) state;
    char words[64];
    zb_replayer_stats_t stats;
    s_open_before_a_row ();
    rig_t *rig = sides_winner.rig;
    rig->sync_here = rig->sync_there = false;
    sides_replay_some (2, words, &stats);
    assert_int_equal (rig_stats (rig).replayed, 1);
    rig_say (rig, "c", "GET|g|d|9|0|");
    rig_expect (rig, "c> MSG|g|solo|d|");
    rig->sync_here = rig->sync_there = true;
    rig_sync (rig, true, true);
    sides_replay ("");
    s_expect ("d", "second,theirs");
    s_close ();
}

//  A row of the loser waits for the read of what is due, which would be in vain.
static void test_a_row_while_something_becomes_due (void **state)
{
    (void) state;
    char words[64];
    zb_replayer_stats_t stats;
    s_open_before_a_row ();
    rig_t *rig = sides_winner.rig;
    rig->stuck = true;
    rig_say (rig, "c", "GET|g|d|9|5000|");
    sides_replay_some (2, words, &stats);
    assert_int_equal (rig_stats (rig).replayed, 0);
    rig->stuck = false;
    rig_skip (rig);
    rig_run (rig);
    rig_expect (rig, "c> MSG|g|solo|d|1:5 1\n2b:1 1\tdelay=0|second|theirs");
    sides_replay ("");
    s_expect_messages ("d", 3);
    s_close ();
}

//  A row does not wait for what others look up in the lane.
static void test_a_row_while_ids_are_looked_up (void **state)
{
    (void) state;
    char words[64];
    zb_replayer_stats_t stats;
    s_open_before_a_row ();
    rig_t *rig = sides_winner.rig;
    rig_say (rig, "c", "ACK|a|d|1:3");
    rig_skip (rig);
    rig->stuck = true;
    rig_say (rig, "c", "ACK|a|d|1:6");
    assert_int_equal (rig->reads, 1);
    sides_replay_some (2, words, &stats);
    assert_int_equal (rig_stats (rig).replayed, 1);
    rig->stuck = false;
    rig_skip (rig);
    rig_run (rig);
    rig_expect (rig, "c> OK|a|solo");
    sides_replay ("");
    s_close ();
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_puts_of_the_loser),
        cmocka_unit_test (test_acknowledged_at_the_loser),
        cmocka_unit_test (test_its_bytes_count),
        cmocka_unit_test (test_due_at_the_loser),
        cmocka_unit_test (test_interrupted),
        cmocka_unit_test (test_interrupted_and_due_since),
        cmocka_unit_test (test_interrupted_and_deleted_since),
        cmocka_unit_test (test_put_aside),
        cmocka_unit_test (test_sent_to_both),
        cmocka_unit_test (test_a_get_while_rows_come),
        cmocka_unit_test (test_a_row_while_something_becomes_due),
        cmocka_unit_test (test_a_row_while_ids_are_looked_up),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
