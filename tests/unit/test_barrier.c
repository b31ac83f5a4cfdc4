/*  =========================================================================
    test_barrier - a GET is answered by who leads: the peer's word or ack comes first

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "core/base/lineage.h"
#include "rig.h"

//  The peer may lead any time, and two messages are ready; client d has said HELLO.
static rig_t *s_pair (void)
{
    rig_t *rig = rig_ready (NULL);
    zb_engine_keep (rig->engine, ZB_KEEP_NOTE);
    rig_say (rig, "c", "PUT|p|q||x|y");
    rig_say (rig, "d", "HELLO|h");
    rig_skip (rig);
    assert_false (zb_engine_asks (rig->engine));
    return rig;
}

static void s_answer (rig_t *rig, uint64_t question)
{
    zb_engine_answered (rig->engine, question, rig->now);
    rig_run (rig);
}

static void test_a_get_waits_for_the_peers_word (void **state)
{
    (void) state;
    rig_t *rig = s_pair ();
    rig_say (rig, "d", "GET|g|q|1|0|");
    rig_expect (rig, NULL);
    assert_true (zb_engine_client_waits (rig->engine) && zb_engine_asks (rig->engine));
    uint64_t question = zb_engine_question (rig->engine);
    assert_true (question);
    assert_int_equal (zb_engine_question (rig->engine), 0);
    //  A word from before, and one who came when it had been asked for already.
    rig_say (rig, "c", "GET|later|q|1|1000|");
    s_answer (rig, question - 1);
    rig_expect (rig, NULL);
    s_answer (rig, question);
    rig_expect (rig, "d> MSG|g|both|q|1:1 1|x");
    rig_expect (rig, NULL);
    uint64_t next = zb_engine_question (rig->engine);
    assert_true (next > question);
    s_answer (rig, next);
    rig_expect (rig, "c> MSG|later|both|q|1:2 1|y");
    assert_false (zb_engine_client_waits (rig->engine) || zb_engine_asks (rig->engine));
    rig_destroy (&rig);
}

//  The acknowledgement that a GET brings is a commit, and the peer's ack of that is enough: nothing is asked.
static void test_an_ack_is_enough (void **state)
{
    (void) state;
    rig_t *rig = s_pair ();
    rig_say (rig, "d", "GET|g|q|1|0|");
    s_answer (rig, zb_engine_question (rig->engine));
    rig_expect (rig, "d> MSG|g|both|q|1:1 1|x");
    rig->sync_there = false;
    rig_say (rig, "d", "GET|h|q|1|0|1:1");
    rig_expect (rig, NULL);
    assert_int_equal (zb_engine_question (rig->engine), 0);
    rig_sync (rig, false, true);
    rig_expect (rig, "d> MSG|h|both|q|1:2 1|y");
    assert_int_equal (zb_engine_question (rig->engine), 0);
    //  So is that of a PUT for who waits for its message.
    rig_say (rig, "d", "GET|i|q|1|1000|");
    rig_say (rig, "c", "PUT|p|q||z");
    rig_sync (rig, true, true);
    rig_expect (rig, "d> MSG|i|both|q|1:3 1|z");
    rig_destroy (&rig);
}

//  Nothing is asked while a commit is on its way that was closed after the GET came; one from before says nothing.
static void test_an_ack_that_comes_is_waited_for (void **state)
{
    (void) state;
    rig_t *rig = s_pair ();
    rig->sync_there = false;
    rig_say (rig, "c", "PUT|p|q||z");
    rig_say (rig, "d", "GET|g|q|1|0|");
    uint64_t question = zb_engine_question (rig->engine);
    assert_true (question);
    s_answer (rig, question);
    rig_expect (rig, "d> MSG|g|both|q|1:1 1|x");
    rig_say (rig, "d", "GET|h|q|1|0|");
    rig_say (rig, "c", "PUT|r|q||w");
    rig_expect (rig, NULL);
    assert_true (zb_engine_asks (rig->engine));
    assert_int_equal (zb_engine_question (rig->engine), 0);
    rig_sync (rig, true, true);
    rig_expect (rig, "d> MSG|h|both|q|1:2 1|y");
    rig_expect (rig, "c> OK|p|both|*");
    rig_expect (rig, "c> OK|r|both|*");
    assert_false (zb_engine_asks (rig->engine));
    rig_destroy (&rig);
}

static void test_alone_nobody_is_asked (void **state)
{
    (void) state;
    rig_t *rig = s_pair ();
    rig_say (rig, "d", "GET|g|q|1|0|");
    rig_expect (rig, NULL);
    rig_rule (rig, ZB_RELEASE_HOLD);
    rig_expect (rig, NULL);
    assert_true (zb_engine_client_waits (rig->engine));
    zb_engine_keep (rig->engine, ZB_KEEP_WRITE);
    rig_rule (rig, ZB_RELEASE_HERE);
    rig_expect (rig, "d> MSG|g|solo|q|1:1 1|x");
    rig_say (rig, "d", "GET|h|q|1|0|");
    rig_expect (rig, "d> MSG|h|solo|q|1:2 1|y");
    assert_false (zb_engine_asks (rig->engine));
    rig_destroy (&rig);
}

static void test_no_message_needs_no_word (void **state)
{
    (void) state;
    rig_t *rig = s_pair ();
    rig_say (rig, "d", "GET|g|q|9|0|");
    s_answer (rig, zb_engine_question (rig->engine));
    rig_expect (rig, "d> MSG|g|both|q|*");
    rig_say (rig, "d", "GET|h|q|1|0|");
    rig_expect (rig, "d> MSG|h|both|q|");
    assert_false (zb_engine_asks (rig->engine));
    rig_destroy (&rig);
}

static void test_who_waits_is_told_where_to_go (void **state)
{
    (void) state;
    rig_t *rig = s_pair ();
    rig_say (rig, "d", "GET|g|q|1|0|");
    rig_expect (rig, NULL);
    assert_true (zb_engine_question (rig->engine));
    zb_engine_stop (rig->engine, "tcp://b");
    rig_collect (rig);
    rig_expect (rig, "d> PASSIVE|g|tcp://b");
    assert_false (zb_engine_asks (rig->engine));
    rig_destroy (&rig);
}

//  A pair that knows which ids it has given, and whose peer acks nothing yet.
static rig_t *s_pair_with_a_lineage (void)
{
    rig_t *rig = s_pair ();
    zb_lineage_t lineage = {.size = 0};
    zb_lineage_raise (&lineage, 1, 1);
    zb_engine_lineage (rig->engine, &lineage);
    rig->sync_there = false;
    return rig;
}

//  What this broker has never given is gone if the peer has followed all along: the peer's ack of a later commit says so.
static void test_that_an_id_is_gone_waits_for_the_peers_ack (void **state)
{
    (void) state;
    rig_t *rig = s_pair_with_a_lineage ();
    rig_say (rig, "d", "ACK|a|q|9b:1");
    rig_say (rig, "d", "GET|g|q|0|0|1:9");
    rig_sync (rig, true, false);
    rig_expect (rig, NULL);
    rig_sync (rig, true, true);
    rig_expect (rig, "d> OK|a|both");
    rig_expect (rig, "d> MSG|g|both|q|");
    rig_destroy (&rig);
}

//  It goes alone instead: the peer may have led, and may have the message.  What was its own in the same acknowledgement is
//  done, and gone when the client asks again.
static void test_that_an_id_is_gone_is_refused_alone (void **state)
{
    (void) state;
    rig_t *rig = s_pair_with_a_lineage ();
    rig_say (rig, "d", "ACK|a|q|9b:1");
    rig_say (rig, "d", "GET|g|q|1|1000|1:1 9b:1");
    rig_say (rig, "d", "ACK|b|q|1:1");
    rig_expect (rig, NULL);
    zb_engine_keep (rig->engine, ZB_KEEP_WRITE);
    rig_rule (rig, ZB_RELEASE_HERE);
    rig_expect (rig, "d> ERR|a|503|merging*");
    rig_expect (rig, "d> OK|b|*");
    rig_expect (rig, "d> ERR|g|503|merging*");
    rig_expect (rig, NULL);
    rig_destroy (&rig);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_a_get_waits_for_the_peers_word),
        cmocka_unit_test (test_an_ack_is_enough),
        cmocka_unit_test (test_an_ack_that_comes_is_waited_for),
        cmocka_unit_test (test_alone_nobody_is_asked),
        cmocka_unit_test (test_no_message_needs_no_word),
        cmocka_unit_test (test_who_waits_is_told_where_to_go),
        cmocka_unit_test (test_that_an_id_is_gone_waits_for_the_peers_ack),
        cmocka_unit_test (test_that_an_id_is_gone_is_refused_alone),
    };
    return cmocka_run_group_tests_name ("barrier", tests, NULL, NULL);
}
