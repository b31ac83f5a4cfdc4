/*  =========================================================================
    test_merge_topics - topics after a split: each subscription, its marks, filters and SEEKs

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

//  The same past of a topic with two subscriptions, and both lead alone from there.  Of four messages the first
//  subscription has done two.
static void s_open_topic (void)
{
    sides_open_past ();
    side_t *sides[] = {&sides_winner, &sides_loser};
    for (int index = 0; index < 2; index++) {
        rig_say (sides[index]->rig, "c", "TOPIC|t|t|");
        rig_say (sides[index]->rig, "c", "SUB|s|t/a|");
        rig_say (sides[index]->rig, "c", "SUB|s|t/b|");
        rig_say (sides[index]->rig, "c", "PUT|1|t||1|2"); //  1:7 and 1:8, as each birth takes an id
        rig_say (sides[index]->rig, "c", "PUT|1|t||3|4");
        rig_say (sides[index]->rig, "c", "GET|g|t/a|2|0|");
        rig_say (sides[index]->rig, "c", "ACK|a|t/a|1:7..1:8");
        rig_skip (sides[index]->rig);
    }
    for (int index = 0; index < 2; index++) {
        sides_lead (sides[index]);
        sides_say (sides[index], "c", "HELLO|h");
        rig_skip (sides[index]->rig);
    }
}

static void s_expect_topic (const char *a, const char *b)
{
    sides_expect_of ("t/a", a);
    sides_expect_of ("t/b", b);
}

//  What the loser has taken is delivered to each subscription, in its place, and what was done before it is not.
static void test_a_topic (void **state)
{
    (void) state;
    for (int restarts = 0; restarts < 2; restarts++) {
        s_open_topic ();
        sides_say (&sides_winner, "c", "PUT|1|t||mine");
        sides_say (&sides_winner, "c", "ACK|a|t/a|1:9..1:10 2:1");
        sides_say (&sides_winner, "c", "PUT|1|t||last");
        sides_say (&sides_loser, "c", "PUT|1|t||theirs|done");
        sides_say (&sides_loser, "c", "ACK|a|t/b|2b:2");
        sides_replay ("");
        if (restarts)
            sides_lead (&sides_winner);
        if (restarts)
            sides_say (&sides_winner, "c", "HELLO|h");
        s_expect_topic ("theirs,done,last", "1,2,3,4,theirs,mine,last");
        sides_say (&sides_winner, "c", "ACK|a|t/a|2b:1 2b:2");
        s_expect_topic ("last", "1,2,3,4,theirs,mine,last");
        sides_lead (&sides_winner);
        sides_say (&sides_winner, "c", "HELLO|h");
        s_expect_topic ("last", "1,2,3,4,theirs,mine,last");
        sides_close ();
    }
}

//  What each subscription has done at the loser is done, of what both had and of what came later: by bitmaps, and by
//  its mark.
static void test_a_subscription_s_acknowledgements (void **state)
{
    (void) state;
    s_open_topic ();
    sides_say (&sides_loser, "c", "PUT|1|t||5|6");
    sides_say (&sides_loser, "c", "ACK|a|t/a|1:9..1:10 2b:2");
    sides_say (&sides_loser, "c", "ACK|a|t/b|1:8");
    sides_say (&sides_winner, "c", "ACK|a|t/b|1:9");
    sides_replay ("");
    s_expect_topic ("5", "1,4,5,6");
    sides_close ();
    s_open_topic ();
    sides_say (&sides_loser, "c", "PURGE|p|t/b");
    sides_say (&sides_winner, "c", "PUT|1|t||mine");
    sides_replay ("");
    s_expect_topic ("3,4,mine", "mine");
    sides_close ();
    s_open_topic ();
    sides_say (&sides_loser, "c", "PURGE|p|t");
    sides_replay ("");
    s_expect_topic ("", "");
    sides_close ();
}

//  What was inserted has numbers behind all others: a position in it says more messages than lie before it.  The store
//  stays readable, and what is done behind the mark stays done.
static void test_a_position_amid_what_was_inserted (void **state)
{
    (void) state;
    for (int all = 0; all < 2; all++) {
        s_open_topic ();
        sides_say (&sides_winner, "c", "PUT|1|t||m1|m2|m3|m4|m5|m6");
        sides_say (&sides_loser, "c", "PUT|1|t||t1");
        sides_say (&sides_loser, "c", "PUT|1|t||t2");
        sides_replay ("");
        sides_say (&sides_winner, "c", "SEEK|s|t/a|1:10");
        sides_expect_of ("t/a", "t1,t2,m1,m2,m3,m4,m5,m6");
        sides_say (&sides_winner, "c", all ? "ACK|a|t/a|2b:1 2b:2 2:1..2:6" : "ACK|a|t/a|2b:1 2:1..2:5");
        for (int again = 0; again < 2; again++) {
            sides_expect_of ("t/a", all ? "" : "t2,m6");
            sides_lead (&sides_winner);
            sides_say (&sides_winner, "c", "HELLO|h");
        }
        sides_say (&sides_winner, "c", "PUT|1|t||new");
        sides_expect_of ("t/a", all ? "new" : "t2,m6,new");
        sides_expect_of ("t/b", "1,2,3,4,t1,t2,m1,m2,m3,m4,m5,m6,new");
        sides_close ();
    }
}

static void s_done_with_b (void)
{
    sides_expect_of ("t/b", "1,2,3,4,late,mine,mine,mine");
    sides_say (&sides_winner, "c", "ACK|a|t/b|1:1..2:3");
}

//  A mark that went back to a late row passes it, and with it what it had passed before: that leaves the store.  The row is
//  in memory, or it is acknowledged alone before the rows behind it are read; the other subscription is done before, or not.
static void test_rows_behind_a_late_one_go (void **state)
{
    (void) state;
    for (int how = 0; how < 4; how++) {
        bool stray = how & 1, first = how & 2;
        s_open_topic ();
        for (int each = 0; each < 3; each++)
            sides_say (&sides_winner, "c", "PUT|1|t||mine");
        sides_expect_of ("t/a", "3,4,mine,mine,mine");
        sides_say (&sides_winner, "c", "ACK|a|t/a|1:1..2:3");
        sides_say (&sides_loser, "c", "PUT|1|t||late");
        sides_replay ("");
        if (!first)
            s_done_with_b ();
        if (stray) {
            sides_lead (&sides_winner);
            sides_say (&sides_winner, "c", "HELLO|h");
        }
        else
            sides_expect_of ("t/a", "late");
        sides_say (&sides_winner, "c", "ACK|a|t/a|2b:1");
        sides_expect_of ("t/a", "");
        if (first)
            s_done_with_b ();
        rig_wait (sides_winner.rig, 100000);
        assert_int_equal (fake_store_rows (sides_winner.rig->store, ZB_LOG), 3); //  q's
        //  Nor do they count in what the topic may hold, and nothing is said to be lost.
        sides_say (&sides_winner, "c", "TOPIC|t|t|max-bytes=100");
        for (unsigned again = 0; again < 2; again++) {
            sides_say (&sides_winner, "c", "PUT|1|t||one more");
            assert_int_equal (rig_last (sides_winner.rig)->answer.status, ZB_ANSWER_OK);
            rig_skip (sides_winner.rig);
            rig_say (sides_winner.rig, "c", "GET|g|t/a|100|0|");
            assert_int_equal (rig_last (sides_winner.rig)->answer.bodies, 1);
            assert_null (strstr (rig_last (sides_winner.rig)->text, "zb-skipped"));
            sides_say (&sides_winner, "c", "GET|g|t/b|100|0|");
            for (const char *sub = "ab"; *sub; sub++) {
                char line[40];
                snprintf (line, sizeof line, "ACK|a|t/%c|1:1..%u:100", *sub, 2 + stray + again);
                sides_say (&sides_winner, "c", line);
            }
            sides_lead (&sides_winner);
            sides_say (&sides_winner, "c", "HELLO|h");
        }
        sides_close ();
    }
}

//  The winner of one split has done rows behind late ones, of which it has done a part, and loses the next one: what it has
//  done stays done.  If that replay is interrupted among its acknowledgements, what was done behind the late rows comes
//  again; what was not done comes in any case.
static void test_done_behind_late_rows (void **state)
{
    (void) state;
    size_t exact = 0, again = 0;
    zb_replayer_next_t next = ZB_REPLAYER_ON;
    for (uint64_t cut = 1; next != ZB_REPLAYER_DONE; cut++) {
        char words[64];
        zb_replayer_stats_t stats;
        s_open_topic ();
        for (int each = 0; each < 3; each++)
            sides_say (&sides_winner, "c", "PUT|1|t||w");
        sides_expect_of ("t/a", "3,4,w,w,w");
        sides_say (&sides_winner, "c", "ACK|a|t/a|1:9..2:2");
        sides_say (&sides_loser, "c", "PUT|1|t||l1");
        sides_say (&sides_loser, "c", "PUT|1|t||l2|l3");
        sides_replay ("");
        sides_say (&sides_winner, "c", "ACK|a|t/a|2b:2");
        sides_expect_of ("t/a", "l1,l3,w");
        sides_lead_in (&sides_loser, 9);
        sides_say (&sides_loser, "c", "HELLO|h");
        sides_swap ();
        next = sides_replay_some (cut, words, &stats);
        if (next == ZB_REPLAYER_DONE)
            sides_absorb ();
        else
            sides_replay ("");
        sides_say (&sides_winner, "r", "HELLO|h");
        sides_say (&sides_winner, "r", "GET|g|t/a|100|0|");
        const char *text = rig_last (sides_winner.rig)->text;
        exact += strstr (text, "|l1|l3|w") && !strstr (text, "|w|w");
        again += strstr (text, "|l1|l3|w|w|w") != NULL;
        assert_int_equal (exact + again, cut);
        sides_expect_of ("t/b", "1,2,3,4,l1,l2,l3,w,w,w");
        sides_close ();
    }
    assert_true (exact > 1);
    assert_true (again > 0);
}

static void test_subscriptions_come_and_go (void **state)
{
    (void) state;
    //  One that was made at the loser gets what was put there, and what the winner has behind its beginning.
    s_open_topic ();
    sides_say (&sides_loser, "c", "SUB|s|t/c|");
    sides_say (&sides_loser, "c", "TOPIC|t|u|max-bytes=1000");
    sides_say (&sides_loser, "c", "SUB|s|u/a|lease=5");
    sides_say (&sides_loser, "c", "PUT|1|t||5|6");
    sides_say (&sides_loser, "c", "PUT|1|u||7");
    sides_say (&sides_loser, "c", "ACK|a|t/c|2b:3");
    sides_say (&sides_winner, "c", "PUT|1|t||mine");
    sides_replay ("");
    sides_expect_of ("t/c", "6,mine");
    sides_expect_of ("u/a", "7");
    sides_close ();
    //  One that was deleted there goes, unless it was asked of here since; so does a topic that holds nothing.
    for (int asked = 0; asked < 2; asked++) {
        s_open_topic ();
        sides_say (&sides_loser, "c", "DELETE|d|t/b");
        if (asked)
            sides_say (&sides_winner, "c", "GET|g|t/b|0|0|");
        sides_replay ("");
        s_expect_topic ("3,4", asked ? "1,2,3,4" : NULL);
        sides_close ();
    }
    s_open_topic ();
    sides_say (&sides_loser, "c", "DELETE|d|t");
    sides_replay ("");
    s_expect_topic (NULL, NULL);
    sides_close ();
    //  What was made again has another birth: what the earlier one has done is not meant.
    s_open_topic ();
    sides_say (&sides_loser, "c", "ACK|a|t/b|1:7..1:10");
    sides_say (&sides_winner, "c", "DELETE|d|t/b");
    sides_say (&sides_winner, "c", "SUB|s|t/b|from=first");
    sides_replay ("");
    s_expect_topic ("3,4", "3,4");
    sides_close ();
    //  What the winner has no topic, or no subscription, for goes aside.
    s_open_topic ();
    sides_say (&sides_loser, "c", "PUT|1|t||5");
    sides_say (&sides_winner, "c", "DELETE|d|t");
    sides_replay ("absent ");
    sides_close ();
}

//  What retention removes each side decides for itself: the winner gives what it has kept, whatever the loser has removed
//  before it was done; and what the loser's subscription has acknowledged stays away.
static void test_a_topic_that_keeps_all (void **state)
{
    (void) state;
    for (int how = 0; how < 3; how++) {
        bool acked = how, told = how == 1;
        const char *b = told ? "8,mine" : acked ? "1,2,3,4,8,mine" : "1,2,3,4,7,8,mine";
        s_open_topic ();
        sides_say (&sides_loser, "c", "TOPIC|t|t|keep=all\nkeep-messages=2");
        sides_say (&sides_winner, "c", "TOPIC|t|t|keep=all");
        sides_say (&sides_loser, "c", "PUT|1|t||5|6");
        sides_say (&sides_loser, "c", "PUT|1|t||7|8");
        rig_wait (sides_loser.rig, 1000);
        sides_say (&sides_winner, "c", "PUT|1|t||mine");
        if (told) {
            sides_say (&sides_loser, "c", "GET|g|t/b|1|0|");
            assert_non_null (strstr (rig_last (sides_loser.rig)->text, "zb-skipped=1:6..2b:2"));
        }
        if (acked)
            sides_say (&sides_loser, "c", "ACK|a|t/b|2b:3");
        sides_replay ("");
        //  Who was told of what was removed and has gone on behind it is done with it.
        s_expect_topic ("3,4,7,8,mine", b);
        sides_lead (&sides_winner);
        sides_say (&sides_winner, "c", "HELLO|h");
        s_expect_topic ("3,4,7,8,mine", b);
        //  What the loser took goes in its place.
        sides_say (&sides_winner, "c", "TOPIC|t|t|keep-messages=3");
        s_expect_topic ("7,8,mine", acked ? "8,mine" : "7,8,mine");
        sides_say (&sides_winner, "c", "TOPIC|t|t|keep-messages=1");
        s_expect_topic ("mine", "mine");
        sides_close ();
    }
    //  One that nobody subscribes to is replayed.
    s_open_topic ();
    sides_say (&sides_loser, "c", "TOPIC|t|u|keep=all\nmax-age=9");
    sides_say (&sides_loser, "c", "PUT|1|u||1");
    sides_say (&sides_loser, "c", "TOPIC|t|t|keep=all");
    sides_say (&sides_winner, "c", "TOPIC|t|t|max-bytes=5");
    sides_replay ("");
    sides_say (&sides_winner, "c", "SUB|s|u/a|from=first");
    sides_expect_of ("u/a", "1");
    sides_say (&sides_winner, "c", "LIST|l|?||9");
    assert_non_null (strstr (rig_last (sides_winner.rig)->text, "|u|keep=all\nmax-bytes=1073741824\nmax-age=9\n"));
    assert_non_null (strstr (rig_last (sides_winner.rig)->text, "|t|keep=subscribed\nmax-bytes=5\n"));
    sides_close ();
}

//  What comes before the first row of such a topic is the first one from then on.
static void test_a_row_before_the_first (void **state)
{
    (void) state;
    s_open_topic ();
    sides_say (&sides_winner, "c", "TOPIC|t|t|keep=all\nmax-age=1000000000\nkeep-messages=3");
    sides_say (&sides_winner, "c", "PUT|1|t||mine|too|three");
    rig_wait (sides_winner.rig, 1000);
    rig_wait (sides_winner.rig, 1000);
    s_expect_topic ("mine,too,three", "mine,too,three");
    sides_say (&sides_loser, "c", "PUT|1|t||theirs");
    sides_replay ("");
    rig_wait (sides_winner.rig, 1000);
    rig_wait (sides_winner.rig, 1000);
    s_expect_topic ("mine,too,three", "mine,too,three");
    sides_close ();
}

//  A SEEK holds after the split, whichever side was asked: what either has acknowledged of the one before it is not meant.
static void test_a_seek_on_one_side (void **state)
{
    (void) state;
    //  The winner's mark has not passed what is sought: it is all there.
    s_open_topic ();
    sides_say (&sides_loser, "c", "SEEK|s|t/a|first");
    sides_say (&sides_loser, "c", "ACK|a|t/a|1:8");
    sides_say (&sides_winner, "c", "ACK|a|t/a|1:9");
    sides_say (&sides_loser, "c", "PUT|1|t||theirs");
    sides_say (&sides_winner, "c", "PUT|1|t||mine");
    sides_replay ("");
    s_expect_topic ("1,3,4,theirs,mine", "1,2,3,4,theirs,mine");
    sides_lead (&sides_winner);
    sides_say (&sides_winner, "c", "HELLO|h");
    s_expect_topic ("1,3,4,theirs,mine", "1,2,3,4,theirs,mine");
    sides_close ();
    s_open_topic ();
    sides_say (&sides_winner, "c", "SEEK|s|t/b|1:9");
    sides_say (&sides_loser, "c", "ACK|a|t/b|1:10");
    sides_replay ("");
    s_expect_topic ("3,4", "4");
    sides_close ();
    //  Both: the winner's.
    s_open_topic ();
    sides_say (&sides_winner, "c", "SEEK|s|t/a|1:9");
    sides_say (&sides_loser, "c", "SEEK|s|t/a|first");
    sides_replay ("");
    s_expect_topic ("4", "1,2,3,4");
    sides_close ();
}

//  A filter is the same at the winner; what it excludes of what the loser took stays away, and has a number all the same.
static void test_a_filter (void **state)
{
    (void) state;
    s_open_topic ();
    sides_say (&sides_loser, "c", "SUB|s|t/f|filter=eu.*\nfrom=1:8");
    sides_say (&sides_loser, "c", "PUT|1|t|subject=eu.de|theirs");
    sides_say (&sides_loser, "c", "PUT|1|t|subject=us|not");
    sides_say (&sides_winner, "c", "PUT|1|t|subject=eu.fr|mine");
    sides_replay ("");
    sides_expect_of ("t/f", "theirs,mine");
    s_expect_topic ("3,4,theirs,not,mine", "1,2,3,4,theirs,not,mine");
    rig_skip (sides_winner.rig);
    rig_say (sides_winner.rig, "c", "READ|r|t|first|10|0");
    const char *text = rig_last (sides_winner.rig)->text;
    assert_non_null (strstr (text, "2b:2 0\tsubject=eu.de\tzb-n=6"));
    assert_non_null (strstr (text, "2b:3 0\tsubject=us\tzb-n=7"));
    assert_non_null (strstr (text, "2:1 0\tsubject=eu.fr\tzb-n=5"));
    sides_close ();
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_a_topic),
        cmocka_unit_test (test_a_topic_that_keeps_all),
        cmocka_unit_test (test_a_row_before_the_first),
        cmocka_unit_test (test_a_seek_on_one_side),
        cmocka_unit_test (test_a_filter),
        cmocka_unit_test (test_a_subscription_s_acknowledgements),
        cmocka_unit_test (test_a_position_amid_what_was_inserted),
        cmocka_unit_test (test_rows_behind_a_late_one_go),
        cmocka_unit_test (test_done_behind_late_rows),
        cmocka_unit_test (test_subscriptions_come_and_go),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
