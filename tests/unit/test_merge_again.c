/*  =========================================================================
    test_merge_again - splits that come again before the last one is merged, and epochs that a side knows in part

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

#include "sides.h"

//  Trace 8, a second split in the middle: the loser leads again and acknowledges what the winner has taken already.
static void test_split_again_in_the_middle (void **state)
{
    (void) state;
    sides_open ();
    sides_say (&sides_loser, "c", "PUT|1|q||theirs 1");
    sides_say (&sides_loser, "c", "PUT|1|q||theirs 2");
    char words[64];
    zb_replayer_stats_t stats;
    //  BEGIN, the queue, and the first row.
    sides_replay_some (3, words, &stats);
    assert_int_equal (stats.messages, 1);
    sides_lead (&sides_winner);
    sides_lead (&sides_loser);
    sides_say (&sides_loser, "c", "HELLO|h");
    sides_say (&sides_loser, "c", "ACK|a|q|2b:1");
    sides_say (&sides_loser, "c", "PUT|1|q||theirs 3");
    //  What the winner has taken is acknowledged at the winner, too.
    sides_say (&sides_winner, "c", "HELLO|h");
    sides_replay ("");
    sides_expect ("one,two,three,till 1,theirs 2,theirs 3");
    assert_null (fake_store_get (sides_winner.rig->store, ZB_META, "replay.2.2", 10, &(size_t){0}));
    sides_close ();
}

//  A queue u and a queue v of the loser's, and ten messages of one PUT in q; all but END is taken.
static void s_open_unfinished (void)
{
    sides_open ();
    sides_say (&sides_loser, "c", "QUEUE|u|u|");
    sides_say (&sides_loser, "c", "QUEUE|v|v|");
    sides_say (&sides_loser, "c", "PUT|1|u||purged 1");
    sides_say (&sides_loser, "c", "PUT|1|v||deleted 1");
    sides_say (&sides_loser, "c", "PUT|1|q||0|1|2|3|4|5|6|7|8|9");
    sides_replay_messages (12);
}

//  S1: what the winner has taken in a replay that did not end, the loser acknowledges, purges and deletes, leading again.
//  It stays away after the second merge, and after the third.
static void test_done_at_the_loser_after_an_unfinished_replay (void **state)
{
    (void) state;
    for (int rounds = 1; rounds <= 3; rounds++) {
        s_open_unfinished ();
        for (int round = 1; round <= rounds; round++) {
            sides_lead (&sides_winner);
            sides_lead (&sides_loser);
            sides_say (&sides_loser, "c", "HELLO|h");
            sides_say (&sides_winner, "c", "HELLO|h");
            if (round == 1) {
                sides_say (&sides_loser, "c", "ACK|a|q|2b:3..2b:4 2b:8..2b:10");
                sides_say (&sides_loser, "c", "PURGE|p|u");
                sides_say (&sides_loser, "c", "DELETE|d|v");
            }
            sides_say (&sides_loser, "c", "PUT|1|u||later");
            if (round < rounds)
                sides_replay_messages (1);
        }
        sides_say (&sides_loser, "c", "ACK|a|q|2b:11");
        sides_replay ("");
        sides_expect ("one,two,three,till 1,2,3,4,9");
        sides_expect_of ("u", rounds == 1 ? "later" : rounds == 2 ? "later,later" : "later,later,later");
        sides_close ();
    }
}

//  The same by two consumers, one on each side, row by row: each acknowledges a half.
static void test_done_by_both_after_an_unfinished_replay (void **state)
{
    (void) state;
    s_open_unfinished ();
    sides_lead (&sides_winner);
    sides_lead (&sides_loser);
    sides_say (&sides_loser, "c", "HELLO|h");
    sides_say (&sides_winner, "c", "HELLO|h");
    sides_say (&sides_loser, "c", "ACK|a|q|2b:3..2b:7");
    //  It is delivered here; an acknowledgement by name has to wait.
    sides_say (&sides_winner, "w", "HELLO|h");
    sides_say (&sides_winner, "w", "GET|g|q|100|0|");
    sides_say (&sides_winner, "w", "ACK|a|q|1:1..1:4");
    sides_replay ("");
    sides_say (&sides_winner, "w", "ACK|a|q|2b:8..2b:11");
    sides_say (&sides_winner, "w", "NACK|n|q|2b:3..2b:12");
    sides_expect ("9");
    sides_close ();
}

//  Roles are swapped: the winner acknowledges, purges and deletes what it has taken, and loses the next time.
static void test_done_at_the_winner_that_loses_then (void **state)
{
    (void) state;
    s_open_unfinished ();
    sides_lead (&sides_winner);
    sides_say (&sides_winner, "c", "HELLO|h");
    sides_say (&sides_winner, "c", "PUT|1|u||mine");
    sides_say (&sides_winner, "c", "PURGE|p|u");
    sides_say (&sides_winner, "c", "PURGE|p|q");
    sides_say (&sides_winner, "c", "DELETE|d|v");
    sides_lead_in (&sides_loser, 9);
    sides_say (&sides_loser, "c", "HELLO|h");
    sides_say (&sides_loser, "c", "PUT|1|u||theirs");
    sides_swap ();
    sides_replay ("");
    sides_expect ("");
    sides_expect_of ("u", "theirs");
    sides_close ();
}

//  A PURGE is about what the queue has held by then.  What a replay brings later is below its ids, and is not meant: if
//  the broker that has brought it leads again, since it did not hear that all of it was taken, it keeps it.
static void test_a_purge_from_before_the_merge (void **state)
{
    (void) state;
    sides_open ();
    sides_say (&sides_winner, "c", "PUT|1|q||mine");
    sides_say (&sides_winner, "c", "PURGE|p|q");
    sides_say (&sides_loser, "c", "PUT|1|q||theirs");
    sides_replay ("");
    sides_lead_in (&sides_loser, 9);
    sides_say (&sides_loser, "c", "HELLO|h");
    sides_swap ();
    sides_replay ("");
    sides_expect ("theirs");
    sides_close ();
}

//  A merge that waits for the space of what is purged has it freed at once, whatever clients write.
static void test_a_merge_waits_for_no_client (void **state)
{
    (void) state;
    sides_open ();
    for (int row = 0; row < 20; row++) {
        rig_put (sides_winner.rig, "c", "p", "q", 1, 100 << 10);
        rig_run (sides_winner.rig);
    }
    sides_say (&sides_winner, "c", "PURGE|p|q");
    assert_true (fake_store_rows (sides_winner.rig->store, ZB_LOG) > 10);
    sides_say (&sides_loser, "c", "PUT|1|q||theirs");
    char words[64];
    zb_replayer_stats_t stats;
    assert_int_equal (sides_replay_some (1000, words, &stats), ZB_REPLAYER_LATER);
    assert_int_equal (fake_store_rows (sides_winner.rig->store, ZB_LOG), 0);
    sides_replay ("");
    sides_expect ("theirs");
    sides_close ();
}

//  The winner's lineage has the loser's newest epoch, of which it holds the beginning: the rest is replayed, and an
//  acknowledgement of what is to come waits for it.
static void test_a_part_of_an_epoch_is_not_the_epoch (void **state)
{
    (void) state;
    sides_open_promoted ();
    sides_say (&sides_loser, "c", "PUT|1|q||theirs 1");
    sides_say (&sides_loser, "c", "PUT|1|q||theirs 2");
    sides_say (&sides_winner, "c", "PUT|1|q||mine");
    rig_skip (sides_winner.rig);
    sides_say (&sides_winner, "c", "ACK|a|q|1:5");
    rig_expect (sides_winner.rig, "c> ERR|a|503|merging*");
    sides_replay ("");
    sides_say (&sides_winner, "c", "ACK|a|q|1:5");
    rig_expect (sides_winner.rig, "c> OK|a|solo");
    sides_expect ("one,two,three,till 1,theirs 2,mine");
    //  If the answer was lost, the loser asks again.
    char words[64];
    zb_replayer_stats_t stats;
    assert_int_equal (sides_replay_some (UINT64_MAX, words, &stats), ZB_REPLAYER_DONE);
    assert_int_equal (stats.items, 0);
    sides_close ();
}

//  Leads alone so many times more, and answers each time.
static void s_lead_often (side_t *self, int times)
{
    while (times--) {
        sides_lead (self);
        sides_say (self, "c", "HELLO|h");
        sides_say (self, "c", "PUT|1|q||again");
        rig_skip (self->rig);
    }
}

//  Replays if the lists meet; else nothing is taken, nothing is called done, and an operator is told.
static void s_replay_if (bool meets, uint64_t messages)
{
    char words[64];
    zb_replayer_stats_t stats;
    zb_lineage_t loser;
    assert_int_equal (sides_replay_some (UINT64_MAX, words, &stats), meets ? ZB_REPLAYER_DONE : ZB_REPLAYER_LATER);
    assert_int_equal (stats.messages, meets ? messages : 0);
    assert_int_equal (stats.items ? 1 : 0, meets);
    assert_true (meets ? *stats.waits == 0 : strstr (stats.waits, "see salvage in zbroker(1)") != NULL);
    assert_int_equal (zb_engine_absorbs (sides_winner.rig->engine, &loser), meets);
}

//  One of the two was restarted 200 times while it was alone, and answered each time: the merge tells everything.
static void test_one_was_restarted_200_times_alone (void **state)
{
    (void) state;
    for (int loses = 0; loses < 2; loses++) {
        sides_open ();
        side_t *often = loses ? &sides_loser : &sides_winner;
        sides_say (&sides_loser, "c", "ACK|a|q|1:1");
        sides_say (&sides_loser, "c", "QUEUE|u|u|");
        sides_say (&sides_loser, "c", "PUT|1|u||theirs");
        sides_say (&sides_winner, "c", "ACK|a|q|1:2");
        sides_say (&sides_winner, "c", "PUT|1|q||mine");
        s_lead_often (often, 200);
        assert_int_equal (often->lineage.size, 202);
        //  That is for all that this side has held, and for nothing else.
        sides_say (often, "c", "PURGE|p|q");
        sides_say (often, "c", "PUT|1|q||late");
        sides_lead_in (&sides_winner, 2 * ZB_LINEAGE_MAX);
        sides_say (&sides_winner, "c", "HELLO|h");
        s_replay_if (true, loses ? 2 : 1);
        sides_expect (loses ? "mine,late" : "late");
        sides_expect_of ("u", "theirs");
        sides_close ();
    }
}

//  A PURGE writes a row for each of them, and the turn knows what that costs.
static void test_a_purge_of_many_leaderships_is_work (void **state)
{
    (void) state;
    sides_open ();
    s_lead_often (&sides_winner, 200);
    zb_engine_worked (sides_winner.rig->engine, zb_frame ("c"));
    sides_say (&sides_winner, "c", "PURGE|p|q");
    assert_in_range (zb_engine_worked (sides_winner.rig->engine, zb_frame ("c")), 200, 300);
    sides_close ();
}

//  While the loser was away the winner has led so often that it has forgotten where the two parted: that an epoch of the
//  loser's is older than all that it remembers does not mean that it has held it.
static void test_the_winner_has_forgotten_the_fork (void **state)
{
    (void) state;
    for (int more = ZB_LINEAGE_MAX - 2; more <= ZB_LINEAGE_MAX + 1; more++) {
        sides_open ();
        sides_say (&sides_loser, "c", "PUT|1|q||theirs");
        s_lead_often (&sides_winner, more);
        bool forgotten = sides_winner.lineage.epoch[0].number > 1;
        assert_int_equal (forgotten, more > ZB_LINEAGE_MAX - 2);
        s_replay_if (!forgotten, 1);
        sides_close ();
    }
}

//  It is the loser that has: its PURGE, which is for all that it has held, would take what only the winner has.
static void test_the_loser_has_forgotten_the_fork (void **state)
{
    (void) state;
    for (int more = ZB_LINEAGE_MAX - 2; more <= ZB_LINEAGE_MAX + 1; more++) {
        sides_open ();
        sides_say (&sides_winner, "c", "PUT|1|q||mine");
        s_lead_often (&sides_loser, more);
        sides_say (&sides_loser, "c", "PURGE|p|q");
        sides_say (&sides_loser, "c", "PUT|1|q||theirs");
        sides_lead_in (&sides_winner, 2 * ZB_LINEAGE_MAX);
        sides_say (&sides_winner, "c", "HELLO|h");
        bool forgotten = sides_loser.lineage.epoch[0].number > 1;
        assert_int_equal (forgotten, more > ZB_LINEAGE_MAX - 2);
        s_replay_if (!forgotten, 1);
        sides_expect (forgotten ? "one,two,three,till 1,mine" : "mine,theirs");
        sides_close ();
    }
}

//  What the winner raises while it takes a replay may be one too many: the next item is refused, too.
static void test_the_fork_is_forgotten_in_the_middle (void **state)
{
    (void) state;
    sides_open ();
    sides_say (&sides_loser, "c", "PUT|1|q||theirs");
    s_lead_often (&sides_winner, ZB_LINEAGE_MAX - 2);
    char words[64];
    zb_replayer_stats_t stats;
    assert_int_equal (sides_replay_some (2, words, &stats), ZB_REPLAYER_ON);
    s_lead_often (&sides_winner, 1);
    s_replay_if (false, 1);
    sides_close ();
}

//  Long before they parted the pair has forgotten epochs, which are common: they are in nobody's way.
static void test_what_both_have_forgotten_is_common (void **state)
{
    (void) state;
    sides_open_past ();
    side_t *sides[] = {&sides_winner, &sides_loser};
    for (int index = 0; index < 2; index++) {
        unsigned node = sides[index]->node;
        sides[index]->node = 1;
        s_lead_often (sides[index], 2 * ZB_LINEAGE_MAX);
        sides[index]->node = node;
        sides_lead (sides[index]);
        sides_say (sides[index], "c", "HELLO|h");
    }
    sides_say (&sides_loser, "c", "ACK|a|q|1:1..1:5");
    sides_say (&sides_loser, "c", "PUT|1|q||theirs");
    s_replay_if (true, 1);
    sides_close ();
}

//  A split of long ago gave two epochs one number, and of the two the backup's was absorbed, and is forgotten now.  Both
//  have held its messages: the loser's PURGE means them, too.
static void test_a_purge_of_a_forgotten_twin (void **state)
{
    (void) state;
    side_t side[2];
    for (int index = 0; index < 2; index++) {
        sides_open ();
        sides_say (&sides_loser, "c", "PUT|1|q||theirs");
        sides_replay ("");
        side[index] = sides_winner;
        rig_destroy (&sides_loser.rig);
        s_lead_often (&side[index], ZB_LINEAGE_MAX - 2);
        side[index].node = index + 1;
        sides_lead (&side[index]);
        assert_int_equal (side[index].lineage.epoch[0].number, 2);
        assert_int_equal (side[index].lineage.epoch[0].node, 1);
        sides_say (&side[index], "c", "HELLO|h");
    }
    sides_winner = side[0];
    sides_loser = side[1];
    assert_true (zb_lineage_had (&sides_loser.lineage, zb_epoch_base (2, 2) + 1));
    sides_say (&sides_loser, "c", "PURGE|p|q");
    sides_replay ("");
    sides_expect ("");
    sides_close ();
}

//  One of the two was set back, and both have raised one epoch: the loser is told that an operator has to act, also if
//  that epoch is the newest of both, so that none is above the other.
static void test_an_epoch_that_was_used_twice (void **state)
{
    (void) state;
    for (int more = 0; more < 2; more++) {
        sides_open_past ();
        side_t *sides[] = {&sides_winner, &sides_loser};
        sides_winner.node = sides_loser.node;
        for (uint32_t index = 0; index < 2; index++) {
            sides_lead (sides[index]);
            sides[index]->lineage.epoch[sides[index]->lineage.size - 1].run = index + 1;
            zb_engine_lineage (sides[index]->rig->engine, &sides[index]->lineage);
        }
        if (more)
            sides_lead (&sides_winner);
        char words[64];
        zb_replayer_stats_t stats;
        assert_int_equal (sides_replay_some (1000, words, &stats), ZB_REPLAYER_LATER);
        assert_non_null (strstr (stats.waits, "an operator has to"));
        sides_close ();
    }
}

//  A winner loses, is brought level with a store of fewer commits, and wins again: what its last merge has written is of a
//  store that is gone.
static void test_wins_again_with_fewer_commits (void **state)
{
    (void) state;
    sides_open ();
    for (int number = 0; number < 20; number++)
        sides_say (&sides_winner, "c", "PUT|1|q||ours");
    sides_say (&sides_loser, "c", "PUT|1|q||theirs");
    sides_replay ("");
    rig_t *rig = sides_winner.rig, *fresh = rig_new (NULL);
    rig_say (fresh, "c", "HELLO|h");
    rig_say (fresh, "c", "QUEUE|q|q|");
    zb_engine_stop (rig->engine, "tcp://b");
    fake_store_t *store = rig->store;
    rig->store = fresh->store;
    fresh->store = store;
    uint64_t commit = fake_store_newest (rig->store);
    sides_winner.lineage = (zb_lineage_t){0};
    zb_lineage_raise (&sides_winner.lineage, 1, 1);
    zb_lineage_raise_to (&sides_winner.lineage, 9, 1, commit + 1);
    zb_engine_lead (rig->engine, 9, commit, sides_secret);
    zb_engine_lineage (rig->engine, &sides_winner.lineage);
    zb_engine_keep (rig->engine, ZB_KEEP_WRITE);
    rig_rule (rig, ZB_RELEASE_HERE);
    rig_skip (rig);
    sides_replay ("");
    sides_expect ("one,two,three,till 1,theirs");
    rig_destroy (&fresh);
    sides_close ();
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_split_again_in_the_middle),
        cmocka_unit_test (test_wins_again_with_fewer_commits),
        cmocka_unit_test (test_done_at_the_loser_after_an_unfinished_replay),
        cmocka_unit_test (test_done_by_both_after_an_unfinished_replay),
        cmocka_unit_test (test_done_at_the_winner_that_loses_then),
        cmocka_unit_test (test_a_purge_from_before_the_merge),
        cmocka_unit_test (test_a_merge_waits_for_no_client),
        cmocka_unit_test (test_a_part_of_an_epoch_is_not_the_epoch),
        cmocka_unit_test (test_one_was_restarted_200_times_alone),
        cmocka_unit_test (test_a_purge_of_many_leaderships_is_work),
        cmocka_unit_test (test_the_winner_has_forgotten_the_fork),
        cmocka_unit_test (test_the_loser_has_forgotten_the_fork),
        cmocka_unit_test (test_the_fork_is_forgotten_in_the_middle),
        cmocka_unit_test (test_what_both_have_forgotten_is_common),
        cmocka_unit_test (test_a_purge_of_a_forgotten_twin),
        cmocka_unit_test (test_an_epoch_that_was_used_twice),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
