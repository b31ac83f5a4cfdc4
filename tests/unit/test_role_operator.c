/*  =========================================================================
    test_role_operator - does a pair do what an operator says?

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include "core/pair/act.h"
#include "pair_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

//  Every answer on the way is `both`, and the old active one is in sync at the end.
static void test_the_role_is_handed_over (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    play (&model, "put P, ok P, yield P, time P * 5");
    play_leads (P, false);
    play_leads (B, true);
    assert_false (B->role.solo);
    assert_int_equal (B->alone, 0);
    assert_int_equal (B->role.phase, ZB_PHASE_PAIRED);
    assert_true (P->role.in_step && !P->role.yields);
    play (&model, "token B, put B, ok B");
    assert_int_equal (model.ok[model.token], OK_BOTH);
    play (&model, "yield B, time P * 5");
    play_leads (P, true);
    assert_int_equal (P->role.phase, ZB_PHASE_PAIRED);
}

//  What was taken is answered first; nothing new is taken.
static void test_it_drains_before_it_hands_over (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    model.left.quick = false;
    play (&model, "put P, yield P");
    assert_true (zb_role_drains (&P->role));
    assert_false (model_act (&model, ACT_PUT, 0));
    zb_role_tick (&P->role, true, model.now);
    play_leads (P, true);
    play (&model, "execute P, sync P, ship P, ack P, ok P");
    assert_int_equal (model.ok[model.token], OK_BOTH);
    play (&model, "time P");
    play_leads (P, false);
    assert_true (zb_role_yields (&P->role, model.now));
}

//  A peer that does not acknowledge in time gets nothing: clients are served again.
static void test_a_hand_over_is_given_up_after_the_limit (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    model.left.quick = false;
    play (&model, "put P, yield P, time P * 3");
    assert_int_equal (P->role.phase, ZB_PHASE_PROBING);
    play (&model, "execute P, sync P, ship P, ack P, time P, ok P");
    assert_int_equal (P->role.phase, ZB_PHASE_PAIRED);
    model.left.quick = true;
    play (&model, "yield P, kill B, time P");
    play_leads (P, true);
    assert_false (zb_role_drains (&P->role));
}

//  The one that has handed over is as good as a passive one in sync, until the other one answers without it.
static void test_the_peer_dies_when_the_role_is_handed_over (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    play (&model, "yield P");
    //  The heartbeat is not delivered before the peer dies.
    model.left.quick = false;
    zb_role_tick (&P->role, false, model.now);
    assert_true (P->role.yields && P->role.in_step);
    model.left.quick = true;
    play (&model, "kill B, time P * 2, hello P * 2");
    play_leads (P, true);
    assert_int_equal (P->role.phase, ZB_PHASE_ALONE);
}

static void test_a_hand_over_needs_a_peer_in_step (void **unused)
{
    (void) unused;
    int code;
    model_t model = play_pair (false);
    assert_non_null (zb_role_yield (&B->role, model.now, &code));
    assert_int_equal (code, ZB_NOT_READY);
    play (&model, "kill B");
    assert_non_null (zb_role_yield (&P->role, model.now, &code));
    model = play_pair (false);
    play (&model, "cut P, time P * 2");
    assert_non_null (zb_role_yield (&P->role, model.now, &code));
}

static void test_an_operator_promotes_one_that_waits (void **unused)
{
    (void) unused;
    int code;
    model_t model = play_pair (false);
    //  Not needed: the other one leads, or this one does.
    assert_non_null (zb_role_promote (&P->role, model.now, &code));
    assert_int_equal (code, ZB_FORBIDDEN);
    play (&model, "time P * 2");
    model_t both = model;
    play (&model, "kill B, put P, time P * 7, ok P, kill P, start B, time P * 3, hello B * 2");
    play_leads (B, false);
    play (&model, "promote B, time P");
    play_leads (B, true);
    assert_int_equal (B->role.phase, ZB_PHASE_ALONE);
    assert_true (B->alone);
    play (&model, "put B, ok B");
    //  The other one comes back: it keeps what it has answered.
    play (&model, "start P, time P * 6");
    assert_true (P->diverged || B->diverged);
    //  Not needed: in sync, and the active one dead: a client is enough.
    model = both;
    play (&model, "kill P, time P * 3");
    assert_true (zb_role_peer_gone (&B->role, model.now));
    assert_non_null (zb_role_promote (&B->role, model.now, &code));
    assert_int_equal (code, ZB_FORBIDDEN);
}

//  An act is asked for once, and has one answer: not before it is over, and not later than its limit.
static void test_a_switchover_is_answered_when_the_other_one_leads (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    zb_act_t act = zb_act_ask (&B->role, ZB_SWITCHOVER, model.now);
    assert_int_equal (act.state, ZB_ACT_REFUSED);
    assert_int_equal (act.code, ZB_NOT_READY);
    assert_string_equal (act.text, "this broker is not active");
    int64_t since = model.now;
    assert_int_equal (zb_act_ask (&P->role, ZB_SWITCHOVER, since).state, ZB_ACT_ON);
    assert_int_equal (zb_act_look (&P->role, ZB_SWITCHOVER, "tcp://other:1", since, model.now).state, ZB_ACT_ON);
    model_t lost = model;
    play (&model, "time P * 5");
    act = zb_act_look (&P->role, ZB_SWITCHOVER, "tcp://other:1", since, model.now);
    assert_int_equal (act.state, ZB_ACT_DONE);
    assert_string_equal (act.text, "tcp://other:1");
    //  The other one dies: this one leads on, and the operator is told.
    model = lost;
    play (&model, "kill B, time P * 3");
    play_leads (P, true);
    act = zb_act_look (&P->role, ZB_SWITCHOVER, "tcp://other:1", since, model.now);
    assert_int_equal (act.state, ZB_ACT_REFUSED);
    assert_int_equal (act.code, ZB_NOT_READY);
    assert_int_equal (strncmp (act.text, "the role was not handed over; ", 30), 0);
}

//  It has handed the role over, and the other one does not take it.
static void test_a_switchover_is_answered_in_time (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    int64_t since = model.now;
    assert_int_equal (zb_act_ask (&P->role, ZB_SWITCHOVER, since).state, ZB_ACT_ON);
    model.left.quick = false;
    zb_role_tick (&P->role, false, model.now);
    assert_true (P->role.yields);
    assert_int_equal (zb_act_look (&P->role, ZB_SWITCHOVER, "", since, since + ZB_ACT_LONGEST - 1).state, ZB_ACT_ON);
    assert_int_equal (zb_act_look (&P->role, ZB_SWITCHOVER, "", since, since + ZB_ACT_LONGEST).state, ZB_ACT_REFUSED);
}

//  Who promotes a broker is told from where on it leads, as it was before.
static void test_a_promotion_tells_what_may_be_lost (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    zb_act_t act = zb_act_ask (&P->role, ZB_PROMOTE, model.now);
    assert_int_equal (act.state, ZB_ACT_REFUSED);
    assert_int_equal (act.code, ZB_FORBIDDEN);
    assert_string_equal (act.text, "not needed: this broker is active");
    play (&model, "time P * 2, kill B, put P, time P * 7, ok P, kill P, start B, time P * 3, hello B * 2");
    char text[100];
    snprintf (text, sizeof text, "this broker leads from commit %d of epoch %d on; ", (int) B->role.commit,
              (int) zb_lineage_newest (&B->role.lineage).number);
    act = zb_act_ask (&B->role, ZB_PROMOTE, model.now);
    assert_int_equal (act.state, ZB_ACT_DONE);
    assert_int_equal (strncmp (act.text, text, strlen (text)), 0);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_the_role_is_handed_over),
        cmocka_unit_test (test_it_drains_before_it_hands_over),
        cmocka_unit_test (test_a_hand_over_is_given_up_after_the_limit),
        cmocka_unit_test (test_the_peer_dies_when_the_role_is_handed_over),
        cmocka_unit_test (test_a_hand_over_needs_a_peer_in_step),
        cmocka_unit_test (test_an_operator_promotes_one_that_waits),
        cmocka_unit_test (test_a_switchover_is_answered_when_the_other_one_leads),
        cmocka_unit_test (test_a_switchover_is_answered_in_time),
        cmocka_unit_test (test_a_promotion_tells_what_may_be_lost),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
