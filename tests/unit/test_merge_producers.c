/*  =========================================================================
    test_merge_producers - producers after a split: numbers, instances, PUTs that both sides have

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

//  Traces 4 and 6: one PUT sent to both sides is one message; two under one number are two, and one of them goes aside.
static void test_producers (void **state)
{
    (void) state;
    sides_open ();
    sides_say (&sides_winner, "p", "PUT|2|q||same");
    sides_say (&sides_winner, "p", "PUT|3|q||of the winner");
    sides_say (&sides_loser, "p", "PUT|2|q||same");
    sides_say (&sides_loser, "p", "PUT|3|q||of the loser");
    sides_say (&sides_loser, "p", "PUT|4|q||four");
    sides_say (&sides_loser, "p", "PUT|5|q||five");
    sides_replay ("conflict ");
    sides_expect ("one,two,three,till 1,four,five,same,of the winner");
    rig_skip (sides_winner.rig);
    sides_say (&sides_winner, "p2", "HELLO|h|till||1.1");
    rig_expect (sides_winner.rig, "p2> OK|h|1.1|5|tcp://a|tcp://b");
    sides_say (&sides_winner, "p2", "PUT|5|q||five");
    rig_expect (sides_winner.rig, "p2> OK|5|solo|2b:*");
    sides_say (&sides_winner, "p2", "PUT|4|q||other");
    rig_expect (sides_winner.rig, "p2> ERR|4|409|6");
    sides_close ();
}

//  A PUT that takes several rows.
//  One that acknowledges, sent to both sides, is one PUT, too, though its acks are stored nowhere; with other acks it is
//  another one.
static void test_a_put_with_acks_on_both_sides (void **state)
{
    (void) state;
    for (int same = 0; same < 2; same++) {
        sides_open ();
        sides_say (&sides_winner, "p", "PUT|2|q|acks=q 1:1\na=b|made of one");
        sides_say (&sides_loser, "p",
                   same ? "PUT|2|q|acks=q 1:1\na=b|made of one" : "PUT|2|q|acks=q 1:2\na=b|made of one");
        sides_replay (same ? "" : "conflict ");
        assert_int_equal (rig_stats (sides_winner.rig).replayed_twice, same);
        //  What both have named is done; so is what the loser's alone did, whose result was put aside.
        sides_expect (same ? "two,three,till 1,made of one" : "three,till 1,made of one");
        sides_close ();
    }
}

//  A replay brings messages before what was acknowledged.  Who resends a PUT in between is told OK, so that what it took is
//  done as well: nobody is given it who could make the same of it once more.
static void test_a_put_with_acks_is_not_confirmed_by_halves (void **state)
{
    (void) state;
    static const char put[] = "PUT|2|q|acks=q 1:1 1:3|made";
    sides_open ();
    sides_say (&sides_loser, "p", put);
    sides_replay_messages (1);
    rig_skip (sides_winner.rig);
    sides_say (&sides_winner, "p", put);
    rig_expect (sides_winner.rig, "p> OK|2|solo|2b:1|2b:1|duplicate");
    sides_expect ("two,till 1,made");
    sides_replay ("");
    sides_expect ("two,till 1,made");
    sides_close ();
}

static void s_put_large (side_t *self, const char *client, const char *id, size_t count)
{
    rig_put (self->rig, client, id, "q", count, 100 << 10);
    rig_run (self->rig);
}

//  S9: a PUT that takes several rows, sent to both sides, is one PUT: nothing is put aside, nothing is there twice; and
//  another one under its number is another one, as a whole.
static void test_a_put_of_several_rows (void **state)
{
    (void) state;
    sides_open ();
    s_put_large (&sides_winner, "p", "2", 8);
    s_put_large (&sides_loser, "p", "2", 8);
    sides_say (&sides_loser, "p", "PUT|3|q||three");
    sides_replay ("");
    assert_int_equal (rig_stats (sides_winner.rig).replayed_twice, 8);
    assert_int_equal (rig_stats (sides_winner.rig).replayed, 1);
    //  In pieces, some of which the loser has acknowledged: what is left is a duplicate all the same.
    sides_close ();
    sides_open ();
    s_put_large (&sides_winner, "p", "2", 8);
    s_put_large (&sides_loser, "p", "2", 8);
    sides_say (&sides_loser, "c", "ACK|a|q|2b:1..2b:3 2b:5");
    sides_replay ("");
    assert_int_equal (rig_stats (sides_winner.rig).replayed_twice, 4);
    assert_int_equal (rig_stats (sides_winner.rig).replayed, 0);
    sides_close ();
    sides_open ();
    s_put_large (&sides_winner, "p", "2", 7);
    s_put_large (&sides_loser, "p", "2", 8);
    sides_replay ("conflict conflict conflict conflict ");
    assert_int_equal (rig_stats (sides_winner.rig).replayed, 0);
    sides_close ();
}

//  S10: an instance that the loser has given is given to nobody else, used or not, with a PUT or without.
static void test_instances (void **state)
{
    (void) state;
    sides_open ();
    //  Given, and not used yet; given, and used without a PUT.
    sides_say (&sides_loser, "x", "HELLO|h|till||");
    sides_say (&sides_loser, "y", "HELLO|h|taker||");
    sides_say (&sides_loser, "y", "GET|g|q|0|0|");
    sides_say (&sides_loser, "z", "HELLO|h|new||");
    sides_replay ("");
    rig_wait (sides_winner.rig, 5000);
    rig_skip (sides_winner.rig);
    sides_say (&sides_winner, "x2", "HELLO|h|till||");
    rig_expect (sides_winner.rig, "x2> OK|h|2.1|1|*");
    sides_say (&sides_winner, "y2", "HELLO|h|taker||");
    rig_expect (sides_winner.rig, "y2> OK|h|2.2|0|*");
    sides_say (&sides_winner, "z2", "HELLO|h|new||");
    rig_expect (sides_winner.rig, "z2> OK|h|2.3|0|*");
    //  The one of the loser's side has the name as soon as it says more.
    sides_say (&sides_winner, "x", "HELLO|h|till||2b.1");
    sides_say (&sides_winner, "p", "HELLO|h|till||1.1");
    rig_expect (sides_winner.rig, "x> OK|h|2b.1|1|*");
    rig_expect (sides_winner.rig, "p> ERR|h|409|fenced*");
    sides_close ();
}

//  A loser that reads for long, and finds nothing to send, says so, and nobody without a token is let in meanwhile.
static void test_a_loser_that_reads_for_long (void **state)
{
    (void) state;
    char aside[64];
    sides_open ();
    sides_say (&sides_loser, "p", "PUT|2|q||two");
    zb_replayer_t *replayer = zb_replayer_new (sides_secret, &sides_loser.lineage);
    zb_replayer_restart (replayer);
    //  Not before BEGIN was answered: there is one already.
    zb_replayer_still (replayer);
    zb_replayer_stats_t stats;
    for (uint64_t sent = 1; sent <= 4; sent++) {
        assert_int_equal (sides_carry (replayer, 1, aside), ZB_REPLAYER_ON);
        //  BEGIN, a queue, and BEGIN again.
        zb_replayer_stats (replayer, &stats);
        assert_true (sent > 3 || stats.items == (sent > 1));
        rig_wait (sides_winner.rig, 4000);
        rig_skip (sides_winner.rig);
        sides_say (&sides_winner, "p2", "HELLO|h|till||");
        rig_expect (sides_winner.rig, "p2> ERR|h|503|merging*");
        zb_replayer_still (replayer);
    }
    assert_int_equal (sides_carry (replayer, 1000, aside), ZB_REPLAYER_DONE);
    assert_string_equal (aside, "");
    zb_replayer_stats (replayer, &stats);
    assert_int_equal (stats.messages, 1);
    zb_replayer_destroy (&replayer);
    sides_absorb ();
    sides_say (&sides_winner, "p2", "HELLO|h|till||");
    rig_expect (sides_winner.rig, "p2> OK|h|2.1|2|*");
    sides_expect ("one,two,three,till 1,two");
    sides_close ();
}

//  One whose store hangs in a read says nothing: the winner does not wait for it for ever.
static void test_a_loser_whose_store_hangs (void **state)
{
    (void) state;
    char aside[64], mac[ZB_ITEM_MAC_SIZE];
    uint64_t n = 0;
    sides_open ();
    sides_say (&sides_loser, "p", "PUT|2|q||two");
    zb_replayer_t *replayer = zb_replayer_new (sides_secret, &sides_loser.lineage);
    zb_replayer_restart (replayer);
    assert_int_equal (sides_carry (replayer, 1, aside), ZB_REPLAYER_ON);
    for (int round = 0; round < 2; round++) {
        zb_read_t *read = zb_replayer_read (replayer, -2);
        assert_non_null (read);
        //  Once for what has come since it spoke last.
        zb_replayer_still (replayer);
        assert_int_equal (sides_carry (replayer, 1, aside), ZB_REPLAYER_ON);
        zb_replayer_still (replayer);
        assert_null (zb_replayer_item (replayer, &n, mac));
        rig_wait (sides_winner.rig, 5000);
        assert_false (zb_engine_loser_waits (sides_winner.rig->engine));
        fake_store_read (sides_loser.rig->store, read);
        zb_replayer_found (replayer, &read);
        //  A queue is all that it makes of it.
        assert_int_equal (sides_carry (replayer, 1, aside), ZB_REPLAYER_ON);
    }
    assert_int_equal (sides_carry (replayer, 1000, aside), ZB_REPLAYER_DONE);
    zb_replayer_destroy (&replayer);
    sides_absorb ();
    sides_expect ("one,two,three,till 1,two");
    sides_close ();
}

//  S2: a number is used as soon as its message is here, though the merge stops before it comes to names: by a session of
//  before, by a new one, after a restart.
static void test_a_number_is_known_with_its_message (void **state)
{
    (void) state;
    for (int how = 0; how < 3; how++) {
        sides_open ();
        sides_say (&sides_loser, "p", "PUT|2|q||same");
        s_put_large (&sides_loser, "p", "3", 8);
        sides_replay_messages (9);
        if (how == 2)
            sides_lead (&sides_winner);
        rig_wait (sides_winner.rig, how ? 5000 : 0);
        rig_skip (sides_winner.rig);
        if (how) {
            sides_say (&sides_winner, "p2", "HELLO|h|till||1.1");
            rig_expect (sides_winner.rig, "p2> OK|h|1.1|3|*");
        }
        const char *client = how ? "p2" : "p";
        sides_say (&sides_winner, client, "PUT|2|q||same");
        rig_expect (sides_winner.rig, how ? "p2> OK|2|solo|2b:1|2b:1|duplicate" : "p> OK|2|solo|2b:1|2b:1|duplicate");
        s_put_large (&sides_winner, client, "3", 8);
        rig_expect (sides_winner.rig, how ? "p2> OK|3|solo|2b:2|2b:9|duplicate" : "p> OK|3|solo|2b:2|2b:9|duplicate");
        sides_say (&sides_winner, client, "PUT|4|q||four");
        rig_expect (sides_winner.rig, how ? "p2> OK|4|solo|*" : "p> OK|4|solo|*");
        sides_close ();
    }
}

//  The same of a name that the winner has never heard.
static void test_a_number_of_a_new_name (void **state)
{
    (void) state;
    sides_open ();
    sides_say (&sides_loser, "n", "HELLO|h|new||");
    sides_say (&sides_loser, "n", "PUT|1|q||new 1");
    sides_replay_messages (1);
    sides_lead (&sides_winner);
    rig_skip (sides_winner.rig);
    sides_say (&sides_winner, "n", "HELLO|h|new||2b.1");
    rig_expect (sides_winner.rig, "n> OK|h|2b.1|1|*");
    sides_say (&sides_winner, "n", "PUT|1|q||new 1");
    rig_expect (sides_winner.rig, "n> OK|1|solo|2b:1|2b:1|duplicate");
    sides_close ();
}

//  A number between two that came is expected as before, until its message comes.
static void test_a_number_that_is_missing_yet (void **state)
{
    (void) state;
    for (int restart = 0; restart < 2; restart++) {
        sides_open ();
        sides_say (&sides_loser, "c", "QUEUE|r|r|");
        sides_say (&sides_loser, "p", "PUT|2|q||two of both");
        sides_say (&sides_loser, "p", "PUT|3|r||three");
        sides_say (&sides_loser, "p", "PUT|4|q||four");
        sides_replay_messages (2);
        if (restart)
            sides_lead (&sides_winner);
        rig_wait (sides_winner.rig, 5000);
        rig_skip (sides_winner.rig);
        sides_say (&sides_winner, "p2", "HELLO|h|till||1.1");
        rig_expect (sides_winner.rig, "p2> OK|h|1.1|2|*");
        sides_say (&sides_winner, "p2", "PUT|5|q||five");
        rig_expect (sides_winner.rig, "p2> ERR|5|409|3");
        sides_say (&sides_winner, "p2", "PUT|3|r||three");
        rig_expect (sides_winner.rig, restart ? "p2> OK|3|solo|3:1|3:1" : "p2> OK|3|solo|2:1|2:1");
        sides_say (&sides_winner, "p2", "PUT|4|q||four");
        rig_expect (sides_winner.rig, "p2> OK|4|solo|2b:3|2b:3|duplicate");
        sides_replay ("");
        sides_expect_of ("r", "three");
        sides_expect ("one,two,three,till 1,two of both,four");
        sides_close ();
    }
}

//  An active broker that the loser waits for must not be handed over, nor drain for ever: but only until the replay ends.
static void test_nobody_waits_for_a_replay_that_has_ended (void **state)
{
    (void) state;
    sides_open ();
    sides_say (&sides_loser, "p", "PUT|2|q||two");
    sides_replay_messages (1);
    zb_engine_keep (sides_winner.rig->engine, ZB_KEEP_NOTE);
    assert_true (zb_engine_loser_waits (sides_winner.rig->engine));
    zb_engine_keep (sides_winner.rig->engine, ZB_KEEP_WRITE);
    sides_replay ("");
    zb_engine_keep (sides_winner.rig->engine, ZB_KEEP_NOTE);
    assert_false (zb_engine_loser_waits (sides_winner.rig->engine));
    sides_close ();
}

//  A duplicate is not here under the loser's id: what is done of the row around it is not said of it.  Else the only copy
//  of a message would go when roles are swapped.
static void test_a_duplicate_amid_a_row (void **state)
{
    (void) state;
    for (int acked = 0; acked < 2; acked++) {
        sides_open ();
        sides_say (&sides_winner, "p", "PUT|2|q||same");
        //  One commit.
        rig_push (sides_loser.rig, "c", "PUT|1|q||y 1|y 2");
        rig_push (sides_loser.rig, "p", "PUT|2|q||same");
        rig_push (sides_loser.rig, "p", "PUT|3|q||z");
        rig_run (sides_loser.rig);
        sides_replay_messages (3);
        sides_lead (&sides_winner);
        sides_say (&sides_winner, "w", "HELLO|h");
        if (acked) {
            sides_say (&sides_winner, "w", "GET|g|q|100|0|");
            sides_say (&sides_winner, "w", "PURGE|p|q");
        }
        sides_lead_in (&sides_loser, 9);
        sides_say (&sides_loser, "c", "HELLO|h");
        sides_swap ();
        sides_replay ("");
        sides_expect (acked ? "same" : "one,two,three,till 1,y 1,y 2,same,z");
        sides_close ();
    }
}

//  One PUT that both sides have stored has two ids.  What was acknowledged at the loser under its own id leaves no trace
//  there that the winner could use: it is delivered again, once, and not lost.  Acknowledged at the winner, it stays away.
static void test_stored_on_both_and_acknowledged_on_one (void **state)
{
    (void) state;
    sides_open ();
    sides_say (&sides_winner, "p", "PUT|2|q||same");
    sides_say (&sides_loser, "p", "PUT|2|q||same");
    sides_say (&sides_loser, "c", "ACK|a|q|2b:1");
    sides_replay ("");
    sides_expect ("one,two,three,till 1,same");
    sides_close ();
    sides_open ();
    sides_say (&sides_winner, "p", "PUT|2|q||same");
    sides_say (&sides_winner, "c", "ACK|a|q|2:1");
    sides_say (&sides_loser, "p", "PUT|2|q||same");
    sides_replay ("");
    sides_expect ("one,two,three,till 1");
    sides_close ();
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_producers),
        cmocka_unit_test (test_a_put_of_several_rows),
        cmocka_unit_test (test_instances),
        cmocka_unit_test (test_a_loser_that_reads_for_long),
        cmocka_unit_test (test_a_loser_whose_store_hangs),
        cmocka_unit_test (test_a_number_is_known_with_its_message),
        cmocka_unit_test (test_a_number_of_a_new_name),
        cmocka_unit_test (test_a_number_that_is_missing_yet),
        cmocka_unit_test (test_nobody_waits_for_a_replay_that_has_ended),
        cmocka_unit_test (test_a_put_with_acks_on_both_sides),
        cmocka_unit_test (test_a_put_with_acks_is_not_confirmed_by_halves),
        cmocka_unit_test (test_a_duplicate_amid_a_row),
        cmocka_unit_test (test_stored_on_both_and_acknowledged_on_one),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
