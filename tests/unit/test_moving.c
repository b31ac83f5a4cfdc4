/*  =========================================================================
    test_moving - messages that go to another queue: REJECT and dead letters, MOVE

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

#include "rig.h"

//  A queue `q` of four messages; "w" and "v" are consumers, "w" has a name.
static rig_t *s_work (const zb_limits_t *limits)
{
    rig_t *rig = rig_ready (limits);
    rig_say (rig, "c", "PUT|p|q|a=b|1|2|3|4");
    rig_say (rig, "w", "HELLO|h|worker||");
    rig_say (rig, "v", "HELLO|h");
    rig_skip (rig);
    return rig;
}

//  What a queue holds, as a stranger finds it; `lines` is what follows its name in MSG.
static void s_holds (rig_t *rig, const char *queue, const char *lines)
{
    char text[512];
    rig_say (rig, "s", "HELLO|h");
    rig_skip (rig);
    snprintf (text, sizeof text, "GET|g|%s|1000|0|", queue);
    rig_say (rig, "s", text);
    snprintf (text, sizeof text, "s> MSG|g|both|%s|%s", queue, lines);
    rig_expect (rig, text);
}

#define DEAD "\tzb-dead=rejected\tzb-from=q\tzb-tries="

static void test_to_the_dead_letters_at_once (void **state)
{
    (void) state;
    for (int lost = 0; lost < 2; lost++) {
        rig_t *rig = s_work (NULL);
        rig_say (rig, "w", "GET|g|q|2|0|");
        rig_skip (rig);
        size_t batches = rig->batches;
        rig->sync_there = !lost;
        //  In any order, twice, and what nobody has.
        rig_say (rig, "w", "REJECT|r|q|1:4 1:1 1:2 1:1");
        assert_int_equal (rig->batches, batches + 1);
        rig_expect (rig, lost ? NULL : "w> OK|r|both");
        if (lost) {
            rig->sync_there = true;
            rig_takeover (rig);
            s_holds (rig, "q", "1:1 1\ta=b\n1:2 1\ta=b\n1:3 1\ta=b\n1:4 1\ta=b|1|2|3|4");
            rig_say (rig, "s", "GET|g|q.dead|1|0|");
            rig_expect (rig, "s> ERR|g|404|*");
            rig_destroy (&rig);
            continue;
        }
        assert_int_equal (rig_stats (rig).rejected, 3);
        assert_int_equal (rig_stats (rig).acked, 0);
        rig_takeover (rig);
        s_holds (rig, "q", "1:3 1\ta=b|3");
        s_holds (rig, "q.dead", "1:5 1\ta=b" DEAD "1\n1:6 1\ta=b" DEAD "1\n1:7 1\ta=b" DEAD "0|1|2|4");
        rig_destroy (&rig);
    }
}

//  One that got no answer is sent again; nothing is there twice.
static void test_again (void **state)
{
    (void) state;
    rig_t *rig = s_work (NULL);
    for (int takeover = 0; takeover < 2; takeover++) {
        rig_say (rig, "w", "REJECT|r|q|1:1..1:3");
        rig_expect (rig, "w> OK|r|both");
        rig_takeover (rig);
        rig_say (rig, "w", "HELLO|h|worker||1.1");
        rig_skip (rig);
    }
    rig_say (rig, "w", "REJECT|r|q|1:9 5 18446744073709551615");
    rig_expect (rig, "w> OK|r|both");
    s_holds (rig, "q.dead", "1:5 1\ta=b" DEAD "0\n1:6 1\ta=b" DEAD "0\n1:7 1\ta=b" DEAD "0|1|2|3");
    rig_destroy (&rig);
}

static void test_what_is_refused_changes_nothing (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.queues = 2;
    rig_t *rig = s_work (&limits);
    rig_say (rig, "c", "TOPIC|t|t|");
    rig_say (rig, "v", "GET|g|q|1|0|");
    rig_say (rig, "w", "GET|g|q|1|0|");
    rig_skip (rig);
    static const struct {
        const char *line, *answer;
    } cases[] = {
        {"REJECT|r|q|1:2 1:1", "w> ERR|r|410|*"}, //  another one has it
        {"REJECT|r|q|1:2", "w> ERR|r|429|*"},     //  one queue too many
        {"REJECT|r|none|1:2", "w> ERR|r|404|*"},      {"REJECT|r|t|1:2", "w> ERR|r|400|*"},
        {"REJECT|r|q|1:1..1:1001", "w> ERR|r|413|*"}, {"REJECT|r|q|1..18446744073709551615", "w> ERR|r|413|*"},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        rig_say (rig, "w", cases[index].line);
        rig_expect (rig, cases[index].answer);
    }
    zb_engine_full (rig->engine, true);
    rig_say (rig, "w", "REJECT|r|q|1:2");
    rig_expect (rig, "w> ERR|r|507|*");
    zb_engine_full (rig->engine, false);
    zb_engine_level (rig->engine, 2);
    rig_say (rig, "w", "REJECT|r|q|1:2");
    rig_expect (rig, "w> ERR|r|503|the store is of level 2*");
    zb_engine_level (rig->engine, 3);
    rig_say (rig, "c", "LIST|l|q");
    assert_non_null (strstr (rig_last (rig)->text, "messages=4\nleased=2\n"));
    //  It still has what it had.
    rig_say (rig, "w", "ACK|a|q|1:2");
    rig_takeover (rig);
    s_holds (rig, "q", "1:1 1\ta=b\n1:3 1\ta=b\n1:4 1\ta=b|1|3|4");
    rig_destroy (&rig);
}

//  What has died is not moved again, by whatever way it came where it is.
static void test_a_message_dies_once (void **state)
{
    (void) state;
    rig_t *rig = s_work (NULL);
    rig_say (rig, "w", "REJECT|r|q|1:1");
    rig_expect (rig, "w> OK|r|both");
    rig_say (rig, "c", "PUT|p|q.dead||own");
    rig_skip (rig);
    rig_say (rig, "w", "REJECT|r|q.dead|1:5 1:6");
    rig_expect (rig, "w> ERR|r|400|*");
    rig_say (rig, "w", "REJECT|r|q.dead|1:6");
    rig_expect (rig, "w> OK|r|both");
    s_holds (rig, "q.dead", "1:5 1\ta=b" DEAD "0|1");
    s_holds (rig, "q.dead.dead", "1:7 1\tzb-dead=rejected\tzb-from=q.dead\tzb-tries=0|own");
    rig_destroy (&rig);
}

//  However full it is, and the lines of its own that a message has are not doubled.
static void test_where_they_go (void **state)
{
    (void) state;
    rig_t *rig = s_work (NULL);
    rig_say (rig, "c", "QUEUE|o|bin|max-messages=1");
    rig_say (rig, "c", "PUT|p|bin||full");
    rig_say (rig, "c", "PUT|p|q|zb-from=me\nx=y\nzb-tries=7|5");
    rig_say (rig, "c", "QUEUE|o|q|dead-letter=bin");
    rig_skip (rig);
    rig_say (rig, "c", "LIST|l|q");
    assert_non_null (strstr (rig_last (rig)->text, "\ndead-letter=bin"));
    rig_skip (rig);
    //  From now on such names are the broker's.
    rig_say (rig, "c", "PUT|p|q|zb-dead=no|6");
    rig_expect (rig, "c> ERR|p|400|*");
    rig_takeover (rig);
    rig_say (rig, "w", "HELLO|h|worker||1.1");
    rig_skip (rig);
    rig_say (rig, "w", "REJECT|r|q|1:6 1:1");
    rig_expect (rig, "w> OK|r|both");
    rig_takeover (rig);
    s_holds (rig, "bin", "1:5 1\n2:1 1\ta=b" DEAD "0\n2:2 1\tx=y" DEAD "0|full|1|5");
    //  The default again.
    rig_say (rig, "s", "QUEUE|o|q|dead-letter=");
    rig_expect (rig, "s> OK|o");
    rig_say (rig, "s", "REJECT|r|q|1:2");
    rig_expect (rig, "s> OK|r|both");
    s_holds (rig, "q.dead", "3:1 1\ta=b" DEAD "0|2");
    rig_destroy (&rig);
}

//  Where messages expire, and whatever it said of that itself, a dead letter stays.
static void test_a_dead_letter_does_not_expire (void **state)
{
    (void) state;
    rig_t *rig = s_work (NULL);
    zb_engine_time (rig->engine, 1000000, rig->now);
    rig_say (rig, "c", "QUEUE|o|bin|expires=5");
    rig_say (rig, "c", "QUEUE|o|q|dead-letter=bin");
    rig_say (rig, "c", "PUT|p|q|expires=5|5");
    rig_say (rig, "c", "PUT|p|bin||own");
    rig_skip (rig);
    rig_say (rig, "w", "REJECT|r|q|1:5 1:1");
    rig_expect (rig, "w> OK|r|both");
    rig_wait (rig, 120000);
    zb_engine_time (rig->engine, 1120000, rig->now);
    s_holds (rig, "bin", "1:7 1\ta=b" DEAD "0\n1:8 1\texpires=5" DEAD "0|1|5");
    rig_destroy (&rig);
}

static void test_options (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    char name[256], line[600];
    memset (name, 'n', 255);
    name[255] = 0;
    static const char *const wrong[] = {"QUEUE|o|q|dead-letter=q", "QUEUE|o|q|dead-letter=a b",
                                        "QUEUE|o|q|dead-letter=t/s", "QUEUE|o|q|dead-letters=x",
                                        "TOPIC|o|t|dead-letter=x"};
    for (size_t index = 0; index < sizeof wrong / sizeof *wrong; index++) {
        rig_say (rig, "c", wrong[index]);
        rig_expect (rig, "c> ERR|o|400|*");
    }
    //  A name for which the default would be too long.
    snprintf (line, sizeof line, "QUEUE|o|%s|", name);
    rig_say (rig, "c", line);
    rig_expect (rig, "c> OK|o");
    snprintf (line, sizeof line, "PUT|p|%s||x", name);
    rig_say (rig, "c", line);
    rig_skip (rig);
    snprintf (line, sizeof line, "REJECT|r|%s|1:1", name);
    rig_say (rig, "c", line);
    rig_expect (rig, "c> ERR|r|400|*");
    char set[600];
    snprintf (set, sizeof set, "QUEUE|o|%s|dead-letter=q", name);
    rig_say (rig, "c", set);
    rig_expect (rig, "c> OK|o");
    rig_say (rig, "c", line);
    rig_expect (rig, "c> OK|r|both");
    snprintf (set, sizeof set, "1:2 1\tzb-dead=rejected\tzb-from=%s\tzb-tries=0|x", name);
    s_holds (rig, "q", set);
    //  A target of the longest name, and a store of a level that knows none.
    snprintf (line, sizeof line, "QUEUE|o|q|dead-letter=%s", name);
    rig_say (rig, "s", line);
    rig_expect (rig, "s> OK|o");
    zb_engine_level (rig->engine, 2);
    rig_say (rig, "s", "QUEUE|o|z|dead-letter=q");
    rig_expect (rig, "s> ERR|o|503|the store is of level 2*");
    rig_destroy (&rig);
}

//  Of a subscription the message is dead, of its topic's others it is not.
static void test_of_a_subscription (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "c", "TOPIC|t|t|");
    rig_say (rig, "c", "SUB|s|t/a|");
    rig_say (rig, "c", "SUB|s|t/b|dead-letter=q");
    rig_say (rig, "c", "PUT|p|t||one|two");
    rig_skip (rig);
    rig_say (rig, "c", "REJECT|r|t/a|1:3");
    rig_expect (rig, "c> OK|r|both");
    rig_takeover (rig);
    rig_say (rig, "c", "HELLO|h");
    rig_skip (rig);
    rig_say (rig, "c", "REJECT|r|t/b|1:4");
    rig_expect (rig, "c> OK|r|both");
    rig_takeover (rig);
    s_holds (rig, "t/a", "1:4 1\tzb-n=2|two");
    s_holds (rig, "t/b", "1:3 1\tzb-n=1|one");
    s_holds (rig, "t.a.dead", "1:5 1\tzb-dead=rejected\tzb-from=t/a\tzb-tries=0|one");
    s_holds (rig, "q", "2:1 1\tzb-dead=rejected\tzb-from=t/b\tzb-tries=0|two");
    rig_destroy (&rig);
}

//  What is on disk only is read and pinned first, also where there are gaps; others wait for the pins.
static void test_what_is_on_disk_is_read_first (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.window = 4000;
    rig_t *rig = rig_ready (&limits);
    for (int index = 0; index < 100; index++) {
        rig_put (rig, "c", "p", "q", 1, 1000);
        rig_run (rig);
    }
    rig_say (rig, "c", "ACK|a|q|1:20..1:29 1:45 1:81..1:83");
    rig_takeover (rig);
    rig_say (rig, "w", "HELLO|h|worker||");
    rig_say (rig, "v", "HELLO|h");
    rig_skip (rig);
    rig->stuck = true;
    size_t batches = rig->batches;
    rig_say (rig, "w", "REJECT|r|q|1:10 1:15..1:35 1:81..1:90 1:500");
    rig_say (rig, "v", "REJECT|r|q|1:10 1:99");
    rig_expect (rig, NULL);
    rig->stuck = false;
    rig_run (rig);
    rig_expect (rig, "w> OK|r|both");
    rig_expect (rig, "v> OK|r|both");
    assert_true (rig->batches <= batches + 2);
    rig_say (rig, "v", "LIST|l");
    //  100 less 14 done, 1 + 11 + 7 of the first and 1 of the second.
    assert_non_null (strstr (rig_last (rig)->text, "messages=66\n"));
    assert_non_null (strstr (rig_last (rig)->text, "messages=20\n"));
    rig_destroy (&rig);
}

//  More bytes than a request may have are too many, and nothing is done.
static void test_bytes_have_a_bound (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.request = 100000;
    rig_t *rig = rig_ready (&limits);
    for (int index = 0; index < 4; index++)
        rig_put (rig, "c", "p", "q", 1, 40000);
    rig_run (rig);
    rig_skip (rig);
    rig_say (rig, "c", "REJECT|r|q|1:1..1:3");
    rig_expect (rig, "c> ERR|r|413|*");
    rig_say (rig, "c", "REJECT|r|q|1:1..1:2");
    rig_expect (rig, "c> OK|r|both");
    rig_destroy (&rig);
}

//  MOVE

//  Back from the dead letters, as what it was; and it may die again.
static void test_back_where_it_came_from (void **state)
{
    (void) state;
    rig_t *rig = s_work (NULL);
    rig_say (rig, "w", "REJECT|r|q|1:1 1:3");
    rig_skip (rig);
    //  Nothing is moved, and the newest id is told.
    rig_say (rig, "w", "MOVE|m|q.dead|q||0");
    rig_expect (rig, "w> OK|m|both|0|1:6");
    size_t batches = rig->batches;
    rig_say (rig, "w", "MOVE|m|q.dead|q|1:6|1000");
    rig_expect (rig, "w> OK|m|both|2|1:6");
    assert_int_equal (rig->batches, batches + 1);
    rig_say (rig, "w", "MOVE|m|q.dead|q|1:6|1000");
    rig_expect (rig, "w> OK|m|both|0|1:6");
    assert_int_equal (rig_stats (rig).acked, 0);
    rig_takeover (rig);
    s_holds (rig, "q.dead", "");
    s_holds (rig, "q", "1:2 1\ta=b\n1:4 1\ta=b\n1:7 1\ta=b\n1:8 1\ta=b|2|4|1|3");
    rig_say (rig, "s", "REJECT|r|q|1:8");
    rig_expect (rig, "s> OK|r|both");
    rig_destroy (&rig);
}

//  The oldest first, so many, never beyond the last id, and not what a consumer has.
static void test_what_is_moved (void **state)
{
    (void) state;
    rig_t *rig = s_work (NULL);
    rig_say (rig, "c", "QUEUE|o|out|max-messages=3");
    rig_say (rig, "v", "GET|g|q|1|0|");
    rig_skip (rig);
    rig_say (rig, "w", "MOVE|m|q|out|1:3|1");
    rig_expect (rig, "w> OK|m|both|1|1:3");
    rig_say (rig, "w", "MOVE|m|q|out|1:3|9");
    rig_expect (rig, "w> OK|m|both|1|1:3");
    rig_say (rig, "w", "MOVE|m|q|out|1:3|9");
    rig_expect (rig, "w> OK|m|both|0|1:3");
    //  As many as there is room for.
    rig_say (rig, "c", "PUT|p|q||5");
    rig_skip (rig);
    rig_say (rig, "w", "MOVE|m|q|out||9");
    rig_expect (rig, "w> OK|m|both|1|1:7");
    rig_say (rig, "w", "MOVE|m|q|out||9");
    rig_expect (rig, "w> ERR|m|429|*");
    rig_takeover (rig);
    s_holds (rig, "q", "1:1 1\ta=b\n1:7 1|1|5");
    rig_destroy (&rig);
}

static void test_moves_that_are_refused (void **state)
{
    (void) state;
    rig_t *rig = s_work (NULL);
    rig_say (rig, "c", "TOPIC|t|t|");
    rig_say (rig, "c", "QUEUE|o|out|");
    rig_skip (rig);
    static const struct {
        const char *line, *answer;
    } cases[] = {
        {"MOVE|m|q|t|1:3|1", "w> ERR|m|400|*"},   {"MOVE|m|t|out|1:3|1", "w> ERR|m|400|*"},
        {"MOVE|m|none|out|1:3|1", "w> ERR|m|404|*"},
        {"MOVE|m|q|none|1:3|1", "w> ERR|m|404|*"},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        rig_say (rig, "w", cases[index].line);
        rig_expect (rig, cases[index].answer);
    }
    zb_engine_full (rig->engine, true);
    rig_say (rig, "w", "MOVE|m|q|out|1:3|1");
    rig_expect (rig, "w> ERR|m|507|*");
    zb_engine_full (rig->engine, false);
    zb_engine_level (rig->engine, 2);
    rig_say (rig, "w", "MOVE|m|q|out|1:3|1");
    rig_expect (rig, "w> ERR|m|503|the store is of level 2*");
    s_holds (rig, "q", "1:1 1\ta=b\n1:2 1\ta=b\n1:3 1\ta=b\n1:4 1\ta=b|1|2|3|4");
    rig_destroy (&rig);
}

//  Step by step through what is on disk only, of a subscription, too; rows whose messages are done are passed over.
static void test_moves_of_what_is_on_disk (void **state)
{
    (void) state;
    for (int sub = 0; sub < 2; sub++) {
        zb_limits_t limits = ZB_LIMITS_DEFAULT;
        limits.window = 4000;
        rig_t *rig = rig_ready (&limits);
        rig_say (rig, "c", "TOPIC|t|t|");
        rig_say (rig, "c", "SUB|s|t/a|");
        for (int index = 0; index < 60; index++) {
            rig_put (rig, "c", "p", sub ? "t" : "q", 1, 1000);
            rig_run (rig);
        }
        rig_say (rig, "c", "QUEUE|o|out|");
        rig_say (rig, "c", sub ? "ACK|a|t/a|1:10..1:40" : "ACK|a|q|1:10..1:40");
        rig_takeover (rig);
        rig_say (rig, "w", "HELLO|h|worker||");
        rig_skip (rig);
        uint64_t moved = 0, count = 1;
        for (int turn = 0; turn < 100 && count; turn++) {
            rig_say (rig, "w", sub ? "MOVE|m|t/a|out|1:200|20" : "MOVE|m|q|out|1:200|20");
            const zb_answer_t *answer = &rig_last (rig)->answer;
            assert_int_equal (answer->status, ZB_ANSWER_OK);
            assert_true (zb_number_parse (answer->arg[1], 1000, &count));
            moved += count;
        }
        assert_int_equal (moved, 29);
        rig_takeover (rig);
        rig_say (rig, "s", "HELLO|h");
        //  Here, too, the window is small.
        rig_skip (rig);
        char acks[32] = "";
        for (uint64_t found = 0; found < 29; found++) {
            char line[64];
            snprintf (line, sizeof line, "GET|g|out|1|1000|%s", acks);
            rig_say (rig, "s", line);
            snprintf (acks, sizeof acks, "2:%" PRIu64, found + 1);
            snprintf (line, sizeof line, "s> MSG|g|both|out|%s 1|*", acks);
            rig_expect (rig, line);
        }
        rig_say (rig, "s", "GET|g|out|1|0|2:29");
        assert_int_equal (rig_last (rig)->answer.bodies, 0);
        rig_destroy (&rig);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_to_the_dead_letters_at_once),
        cmocka_unit_test (test_again),
        cmocka_unit_test (test_what_is_refused_changes_nothing),
        cmocka_unit_test (test_a_message_dies_once),
        cmocka_unit_test (test_where_they_go),
        cmocka_unit_test (test_a_dead_letter_does_not_expire),
        cmocka_unit_test (test_options),
        cmocka_unit_test (test_of_a_subscription),
        cmocka_unit_test (test_what_is_on_disk_is_read_first),
        cmocka_unit_test (test_bytes_have_a_bound),
        cmocka_unit_test (test_back_where_it_came_from),
        cmocka_unit_test (test_what_is_moved),
        cmocka_unit_test (test_moves_that_are_refused),
        cmocka_unit_test (test_moves_of_what_is_on_disk),
    };
    return cmocka_run_group_tests_name ("moving", tests, NULL, NULL);
}
