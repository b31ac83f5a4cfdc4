/*  =========================================================================
    test_merge - what the loser of a split sends: messages and acknowledgements, once and wholly

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
#include "sides.h"

//  Messages with their ids, in their place: before what the winner has put since; and those that are done stay done.
static void test_messages_keep_their_ids (void **state)
{
    (void) state;
    sides_open ();
    sides_say (&sides_winner, "c", "PUT|1|q||mine");
    sides_say (&sides_loser, "c", "PUT|1|q||theirs|done|more");
    sides_say (&sides_loser, "c", "ACK|a|q|2b:2");
    sides_replay ("");
    sides_expect ("one,two,three,till 1,theirs,more,mine");
    rig_skip (sides_winner.rig);
    sides_say (&sides_winner, "c", "ACK|a|q|2b:1 2b:3");
    rig_expect (sides_winner.rig, "c> OK|a|solo");
    sides_expect ("one,two,three,till 1,mine");
    sides_close ();
}

//  Trace 7: an acknowledgement of the other side's message, before and after.
static void test_an_id_of_the_other_side_waits (void **state)
{
    (void) state;
    sides_open ();
    sides_say (&sides_winner, "c", "PUT|1|q||mine");
    sides_say (&sides_loser, "c", "PUT|1|q||theirs");
    rig_skip (sides_winner.rig);
    sides_say (&sides_winner, "c", "ACK|a|q|2b:1");
    rig_expect (sides_winner.rig, "c> ERR|a|503|merging*");
    sides_say (&sides_winner, "c", "GET|g|q|1|0|1:1 2b:1..2b:3");
    rig_expect (sides_winner.rig, "c> ERR|g|503|merging*");
    sides_say (&sides_winner, "p", "PUT|2|q|acks=q 2b:1|late");
    rig_expect (sides_winner.rig, "p> ERR|2|503|merging*");
    sides_replay ("");
    sides_say (&sides_winner, "c", "ACK|a|q|2b:1");
    rig_expect (sides_winner.rig, "c> OK|a|solo");
    sides_expect ("one,two,three,till 1,mine");
    sides_close ();
}

//  S3: an epoch above the own one is the other side's as well.  In sync there is no other side: what nobody has is gone.
static void test_an_id_of_a_larger_epoch_waits (void **state)
{
    (void) state;
    sides_open ();
    sides_lead (&sides_loser);
    sides_say (&sides_loser, "c", "HELLO|h");
    sides_say (&sides_loser, "c", "PUT|1|q||theirs");
    static const char *const ids[] = {"3b:1", "1:1 3b:1", "1:1..3b:1", "4:1"};
    for (size_t index = 0; index < sizeof ids / sizeof *ids; index++) {
        char line[40];
        rig_skip (sides_winner.rig);
        snprintf (line, sizeof line, "ACK|a|q|%s", ids[index]);
        sides_say (&sides_winner, "c", line);
        rig_expect (sides_winner.rig, "c> ERR|a|503|merging*");
    }
    sides_say (&sides_winner, "c", "NACK|n|q|3b:1");
    rig_expect (sides_winner.rig, "c> ERR|n|503|merging*");
    sides_say (&sides_winner, "c", "REJECT|r|q|1:1 3b:1");
    rig_expect (sides_winner.rig, "c> ERR|r|503|merging*");
    sides_say (&sides_winner, "c", "MOVE|m|q|r|3b:1|1");
    rig_expect (sides_winner.rig, "c> ERR|m|503|merging*");
    sides_lead_in (&sides_winner, 4);
    sides_say (&sides_winner, "c", "HELLO|h");
    //  What is named is judged, also if a range of known ends has it in its middle.
    rig_skip (sides_winner.rig);
    sides_say (&sides_winner, "c", "ACK|a|q|1:1..4:1 3b:1");
    rig_expect (sides_winner.rig, "c> ERR|a|503|merging*");
    sides_replay ("");
    rig_skip (sides_winner.rig);
    sides_say (&sides_winner, "c", "ACK|a|q|3b:1");
    rig_expect (sides_winner.rig, "c> OK|a|solo");
    sides_expect ("one,two,three,till 1");
    zb_engine_keep (sides_winner.rig->engine, ZB_KEEP_NOTE);
    rig_skip (sides_winner.rig);
    sides_say (&sides_winner, "c", "ACK|a|q|9b:1");
    rig_expect (sides_winner.rig, "c> OK|a|solo");
    sides_close ();
}

//  Trace 8: acknowledgements of messages that both had: of a row that is gone, of a part of one, of a whole queue.
static void test_what_the_loser_acknowledged_stays_away (void **state)
{
    (void) state;
    sides_open ();
    sides_say (&sides_loser, "c", "ACK|a|q|1:2..1:3");
    sides_replay ("");
    sides_expect ("one,till 1");
    sides_close ();
    sides_open ();
    sides_say (&sides_winner, "c", "PUT|1|q||mine");
    sides_say (&sides_loser, "c", "PURGE|p|q");
    sides_say (&sides_loser, "c", "PUT|1|q||theirs");
    sides_replay ("");
    sides_expect ("theirs,mine");
    sides_close ();
    sides_open ();
    sides_say (&sides_loser, "c", "DELETE|d|q");
    sides_say (&sides_winner, "c", "PUT|1|q||mine");
    sides_replay ("");
    sides_expect ("mine");
    sides_close ();
}

//  Trace 8: what was on its way when the loser went alone was answered OK solo, and is in the journal.
static void test_what_was_on_its_way_is_told (void **state)
{
    (void) state;
    sides_open ();
    //  The loser was in sync with nobody: take it back to before, and have it go alone while an ACK is on its way.
    zb_engine_keep (sides_loser.rig->engine, ZB_KEEP_NOTE);
    rig_rule (sides_loser.rig, ZB_RELEASE_BOTH);
    sides_loser.rig->sync_here = false;
    sides_say (&sides_loser, "c", "ACK|a|q|1:3");
    zb_engine_keep (sides_loser.rig->engine, ZB_KEEP_WRITE);
    sides_loser.rig->sync_here = true;
    rig_rule (sides_loser.rig, ZB_RELEASE_HERE);
    sides_say (&sides_loser, "c", "PUT|1|q||theirs");
    sides_replay ("");
    sides_expect ("one,two,till 1,theirs");
    sides_close ();
}

//  What the loser has moved is where it went; what both have moved is there twice, and what one has moved and the other has
//  acknowledged is there.  Nothing is gone, whenever it is interrupted.
static void test_what_was_moved (void **state)
{
    (void) state;
    sides_open ();
    sides_say (&sides_loser, "c", "QUEUE|o|r|");
    sides_say (&sides_loser, "c", "MOVE|m|q|r||2");
    sides_say (&sides_winner, "c", "ACK|a|q|1:1");
    sides_replay_messages (2);
    sides_expect_of ("r", "one,two");
    sides_expect ("two,three,till 1");
    sides_replay ("");
    sides_expect ("three,till 1");
    sides_expect_of ("r", "one,two");
    sides_close ();
    sides_open ();
    sides_say (&sides_winner, "c", "QUEUE|o|r|");
    sides_say (&sides_loser, "c", "QUEUE|o|r|");
    sides_say (&sides_winner, "c", "MOVE|m|q|r||1");
    sides_say (&sides_loser, "c", "MOVE|m|q|r||2");
    sides_replay ("");
    sides_expect_of ("r", "one,two,one");
    sides_expect ("three,till 1");
    sides_close ();
}

//  A leader that dies while its peer catches up may lack what that one has of its epoch, for the log is shipped before it is
//  synced.  What such a commit has taken for what it put is done there, or both are not.
static void test_what_was_taken_for_what_was_put (void **state)
{
    (void) state;
    for (int way = 0; way < 3; way++) {
        bool moves = way == 0, partly = way == 2;
        sides_open_promoted ();
        zb_engine_peer_follows (sides_loser.rig->engine, true);
        sides_say (&sides_loser, "c", "QUEUE|o|r|");
        sides_say (&sides_loser, "c", moves ? "MOVE|m|q|r|1:3|9" : "GET|g|q|9|0|");
        if (!moves)
            sides_say (&sides_loser, "c", partly ? "PUT|1|r|acks=q 1:1|made" : "PUT|1|r|acks=q 1:1 1:2 1:3|made");
        //  What ends the row is no PUT.
        if (partly)
            sides_say (&sides_loser, "c", "ACK|a|q|1:2..1:3");
        sides_replay ("");
        sides_expect ("till 1");
        sides_expect_of ("r", moves ? "one,two,three" : "made");
        sides_close ();
    }
}

//  The peer has followed for a while, was cut off, and was promoted: it has messages of the loser's epoch, and learns which
//  of them the loser has acknowledged since.
static void test_what_was_done_when_the_promoted_one_was_gone (void **state)
{
    (void) state;
    for (int way = 0; way < 2; way++) {
        sides_open_promoted ();
        zb_engine_peer_follows (sides_loser.rig->engine, true);
        zb_engine_peer_follows (sides_loser.rig->engine, false);
        sides_say (&sides_loser, "c", "GET|g|q|9|0|");
        sides_say (&sides_loser, "c", way ? "PUT|1|q|acks=q 1:1 1:2|made" : "ACK|a|q|1:1..1:2");
        sides_replay ("");
        sides_expect (way ? "three,till 1,made" : "three,till 1");
        sides_close ();
    }
}

//  A row of the loser's form comes in that of the winner's level; what the head says of its time goes along.
static void test_rows_take_the_form_of_the_level (void **state)
{
    (void) state;
    for (unsigned level = 1; level <= ZB_LEVEL_MOST; level++) {
        sides_open ();
        zb_engine_time (sides_loser.rig->engine, 5000, sides_loser.rig->now);
        sides_say (&sides_loser, "c", "PUT|1|q||theirs");
        zb_engine_level (sides_winner.rig->engine, level);
        sides_replay ("");
        sides_expect ("one,two,three,till 1,theirs");
        unsigned theirs = 0;
        for (size_t index = 0; index < fake_store_rows (sides_winner.rig->store, ZB_LOG); index++) {
            size_t key_size = 0, size = 0;
            const uint8_t *key = fake_store_key (sides_winner.rig->store, ZB_LOG, index, &key_size);
            const uint8_t *value = fake_store_get (sides_winner.rig->store, ZB_LOG, key, key_size, &size);
            if (zb_epoch_node (zb_get64 (key + 4)) != 2)
                continue;
            theirs++;
            assert_int_equal (value[0], level < ZB_LEVEL_ROW_HEAD ? 1 : 2);
            if (level >= ZB_LEVEL_ROW_HEAD)
                assert_int_equal (zb_get64 (value + 16), 5000);
        }
        assert_int_equal (theirs, 1);
        sides_close ();
    }
}

//  Messages come first: what the loser has acknowledged is open as long as what it has stored is not all here.
static void test_messages_come_before_acknowledgements (void **state)
{
    (void) state;
    sides_open ();
    sides_say (&sides_loser, "c", "PUT|1|q||answer");
    sides_say (&sides_loser, "c", "ACK|a|q|1:1");
    sides_replay_messages (1);
    sides_expect ("one,two,three,till 1,answer");
    sides_replay ("");
    sides_expect ("two,three,till 1,answer");
    sides_close ();
}

//  A replay that the first release has begun stands behind the acknowledgements, its second stage: the log is next.
static void test_a_replay_of_the_first_release (void **state)
{
    (void) state;
    static const uint8_t old[] = {0, 0, 0, 0, 0, 0, 0, 2, ZB_STAGE_OLD_ACKS, 0, 0, 0, 0, 'q', 0,
                                  0, 0, 1, 0, 0, 0, 0, 1};
    sides_open ();
    sides_say (&sides_loser, "c", "ACK|a|q|1:1");
    sides_say (&sides_loser, "c", "PUT|1|q||theirs");
    zb_engine_meta (sides_winner.rig->engine, "replay.2.2", old, sizeof old);
    sides_say (&sides_winner, "c", "PUT|1|q||mine");
    sides_lead (&sides_winner);
    sides_say (&sides_winner, "c", "HELLO|h");
    sides_replay ("");
    sides_expect ("two,three,till 1,theirs,mine");
    sides_close ();
}

//  Interrupted after every number of items, and begun again: all is there once.
static void test_interrupted_anywhere (void **state)
{
    (void) state;
    bool done = false;
    for (uint64_t most = 1; !done; most++) {
        sides_open ();
        sides_say (&sides_loser, "c", "ACK|a|q|1:1");
        for (int number = 0; number < 6; number++)
            sides_say (&sides_loser, "c", "PUT|1|q||theirs");
        sides_say (&sides_loser, "p", "PUT|2|q||till 2");
        char words[64];
        zb_replayer_stats_t stats;
        done = sides_replay_some (most, words, &stats) == ZB_REPLAYER_DONE;
        //  The winner crashes: what was not synced would be gone, and what was told is in its table meta.
        if (!done) {
            sides_lead (&sides_winner);
            assert_int_equal (sides_replay_some (UINT64_MAX, words, &stats), ZB_REPLAYER_DONE);
        }
        sides_absorb ();
        sides_expect ("two,three,till 1,theirs,theirs,theirs,theirs,theirs,theirs,till 2");
        sides_close ();
    }
}

//  A merge brings messages whose ids are older than where a copy of the winner, from before it, and the merged store part.
static void test_a_copy_from_before_a_merge (void **state)
{
    (void) state;
    sides_open_promoted ();
    sides_say (&sides_loser, "c", "PUT|1|q||late");
    sides_say (&sides_winner, "c", "PUT|1|q||mine");
    sides_replay ("");
    sides_say (&sides_winner, "c", "PUT|2|q||after");
    side_t merged = sides_winner;
    rig_destroy (&sides_loser.rig);
    sides_open_promoted ();
    sides_say (&sides_winner, "c", "PUT|1|q||mine");
    rig_destroy (&sides_loser.rig);
    sides_loser = merged;
    sides_lead (&sides_winner);
    sides_say (&sides_winner, "c", "HELLO|h");
    sides_replay ("");
    sides_expect ("one,two,three,till 1,late,mine,after");
    sides_close ();
}

//  Only the pair's other broker is heard, and only by a winner that may lead by itself.
static void test_strangers_are_refused (void **state)
{
    (void) state;
    sides_open ();
    static const uint8_t other[ZB_SECRET_SIZE] = {8};
    uint8_t lineage[ZB_LINEAGE_MAX * ZB_EPOCH_SIZE];
    size_t size = zb_lineage_encode (&sides_loser.lineage, lineage);
    zb_row_t *item = zb_item_new (2, 2, ZB_REPLAY_BEGIN, 0, (zb_frame_t){NULL, 0}, size);
    zb_item_add (item, lineage, size);
    for (int round = 0; round < 3; round++) {
        char mac[ZB_ITEM_MAC_SIZE];
        zb_item_mac ((zb_frame_t){item->data, item->size}, round == 0 ? other : sides_secret, mac);
        zb_frame_t frames[] = {
            zb_frame ("ZB1"), zb_frame ("REPLAY"), zb_frame ("1"), {item->data, item->size}, {mac, sizeof mac}};
        zb_request_t request;
        zb_spans_t ids = {NULL, 0, 0};
        const char *why;
        assert_int_equal (zb_request_parse (&request, &ids, frames, 5, &sides_winner.rig->limits, &why), 0);
        zb_engine_keep (sides_winner.rig->engine, round == 1 ? ZB_KEEP_NOTE : ZB_KEEP_WRITE);
        rig_skip (sides_winner.rig);
        request.from.routing = zb_frame ("x");
        zb_engine_request (sides_winner.rig->engine, &request, sides_winner.rig->now);
        rig_run (sides_winner.rig);
        static const char *const text[] = {"x> ERR|1|403|*", "x> ERR|1|503|*", "x> OK|1|go|0|*"};
        rig_expect (sides_winner.rig, text[round]);
    }
    zb_row_unref (&item);
    sides_close ();
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_messages_keep_their_ids),
        cmocka_unit_test (test_an_id_of_the_other_side_waits),
        cmocka_unit_test (test_an_id_of_a_larger_epoch_waits),
        cmocka_unit_test (test_what_the_loser_acknowledged_stays_away),
        cmocka_unit_test (test_what_was_on_its_way_is_told),
        cmocka_unit_test (test_what_was_moved),
        cmocka_unit_test (test_what_was_taken_for_what_was_put),
        cmocka_unit_test (test_what_was_done_when_the_promoted_one_was_gone),
        cmocka_unit_test (test_rows_take_the_form_of_the_level),
        cmocka_unit_test (test_messages_come_before_acknowledgements),
        cmocka_unit_test (test_a_replay_of_the_first_release),
        cmocka_unit_test (test_interrupted_anywhere),
        cmocka_unit_test (test_a_copy_from_before_a_merge),
        cmocka_unit_test (test_strangers_are_refused),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
