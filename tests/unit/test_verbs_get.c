/*  =========================================================================
    test_verbs_get - GET, ACK, NACK and EXTEND: who gets what, and for how long

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
#include "rig.h"

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

static void s_put (rig_t *rig, const char *queue, size_t bodies, size_t size)
{
    rig_put (rig, "c", "1", queue, bodies, size);
    rig_run (rig);
}

//  What a read has brought stays until all who waited for it have had it, though what one of them asks for next needs room.
static void test_acks_that_wait_for_one_read (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.window = limits.windows = 40000;
    for (int needs = 0; needs < 2; needs++) {
        rig_t *rig = rig_ready (&limits);
        rig_say (rig, "c", "QUEUE|q|r|");
        rig_say (rig, "c", "QUEUE|q|z|");
        s_put (rig, "q", 1, 100);  // 1:1
        s_put (rig, "q", 2, 3000); // 1:2, 1:3
        s_put (rig, "r", 1, 1000); // 1:4
        for (int each = 0; each < 15; each++)
            s_put (rig, "z", 1, 2000);
        rig_say (rig, "c", "ACK|a|q|1:2");
        rig_takeover (rig);
        //  Somebody else holds most of the memory.
        rig_say (rig, "h", "HELLO|h");
        for (int each = 0; each < 6; each++)
            rig_say (rig, "h", "GET|g|z|100|0|");
        rig_say (rig, "a", "HELLO|h");
        rig_say (rig, "b", "HELLO|h");
        rig_say (rig, "b", "NACK|n|r|1:4");
        rig_skip (rig);
        rig->stuck = true;
        rig_say (rig, "a", "ACK|1|q|1:2");
        if (needs)
            rig_say (rig, "a", "GET|2|r|10|0|");
        rig_say (rig, "b", "ACK|1|q|1:3");
        rig->stuck = false;
        rig_run (rig);
        rig_expect (rig, "a> OK|1|both");
        rig_expect (rig, "b> OK|1|both");
        rig_takeover (rig);
        rig_say (rig, "y", "HELLO|h");
        rig_say (rig, "y", "GET|g|q|100|0|");
        assert_int_equal (rig_last (rig)->answer.bodies, 1); //  1:1
        rig_destroy (&rig);
    }
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

//  Whatever happens meanwhile, the delay is over when it is over, or with the lead; what is done does not come.
static void test_what_ends_a_delay (void **state)
{
    (void) state;
    static const struct {
        const char *said;
        int64_t wait;
        const char *got;
    } cases[] = {
        {"c|HELLO|h|", 59999, ""},
        {"gone", 59999, ""},
        {"gone", 60000, "1:1 2\n1:2 2|1|2"},
        {"w|ACK|a|q|1:1", 60000, "1:2 2|2"},
        {"w|PUT|a|q|acks=q 1:1|3", 0, "1:3 1|3"},
        {"w|PURGE|a|q", 60000, ""},
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

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_gets_are_served_in_turn),
        cmocka_unit_test (test_max_0_ends_parked_gets),
        cmocka_unit_test (test_gets_of_a_session_are_bounded),
        cmocka_unit_test (test_acks_in_a_get_are_answered_when_durable),
        cmocka_unit_test (test_a_session_that_is_over_gets_nothing),
        cmocka_unit_test (test_ack_is_idempotent_and_takes_anything),
        cmocka_unit_test (test_acks_that_wait_for_one_read),
        cmocka_unit_test (test_leases_end),
        cmocka_unit_test (test_nack_gives_back_at_once),
        cmocka_unit_test (test_nack_with_a_delay),
        cmocka_unit_test (test_what_ends_a_delay),
        cmocka_unit_test (test_a_delay_that_is_refused),
        cmocka_unit_test (test_a_lost_consumer_returns_its_messages),
        cmocka_unit_test (test_what_could_not_be_sent_is_back),
    };
    return cmocka_run_group_tests_name ("verbs_get", tests, NULL, NULL);
}
