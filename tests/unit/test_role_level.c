/*  =========================================================================
    test_role_level - does the level of a store rise when both are ready, and never below a program's feet?

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include "core/base/bytes.h"
#include "core/pair/act.h"
#include "pair_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

//  What a role wants: bits 1 << kind; the level that the newest SAVE names; whether SAVE came before FOLLOW and START.
typedef struct {
    unsigned kinds, level;
    bool noted_first;
} wants_t;

static wants_t s_take (zb_role_t *role)
{
    wants_t wants = {0};
    zb_do_t effect;
    while (zb_role_next (role, &effect)) {
        if (effect.kind == ZB_DO_SAVE)
            wants.level = effect.level;
        if (effect.kind == ZB_DO_FOLLOW || effect.kind == ZB_DO_START)
            wants.noted_first = wants.level > 0;
        wants.kinds |= 1u << effect.kind;
    }
    return wants;
}

static bool s_wants (wants_t wants, zb_do_kind_t kind)
{
    return wants.kinds & 1u << kind;
}

//  A pair in sync whose store is of level 1; both programs read up to 2 at least.
static model_t s_pair (void)
{
    model_t model = play_pair (false);
    for (int at = 0; at < 2; at++) {
        zb_role_t *role = &model.node[at].role;
        role->level.store = role->level.noted = role->noting = 1;
    }
    return model;
}

//  The other one's heartbeat arrives: it reads up to `most`, its file names `noted`, its store is of level `store`.
static void s_hear (model_t *model, int at, unsigned most, unsigned noted, unsigned store)
{
    zb_beat_t beat;
    zb_role_tell (&model->node[1 - at].role, &beat);
    beat.level = (zb_level_t){1, most, store, noted, "0.9.1", "0.9.0"};
    zb_role_beat (&model->node[at].role, &beat, model->now, model->now);
}

//  Both files name it before it is in the store; then it is written once, and done when both have it.
static void test_it_rises_when_both_are_ready (void **unused)
{
    (void) unused;
    char text[ZB_LEVEL_TEXT];
    model_t model = s_pair ();
    s_hear (&model, 0, 2, 1, 1);
    s_take (&P->role);
    assert_null (zb_role_raise (&P->role, model.now, text));
    wants_t wants = s_take (&P->role);
    assert_true (s_wants (wants, ZB_DO_SAVE));
    assert_int_equal (wants.level, 2);
    assert_int_equal (P->role.level.noted, 1);
    zb_role_noted (&P->role, 2);
    zb_role_tick (&P->role, false, model.now);
    wants = s_take (&P->role);
    assert_true (s_wants (wants, ZB_DO_BEAT) && !s_wants (wants, ZB_DO_LEVEL));
    //  The passive one hears that, and its file names it, too.
    s_hear (&model, 1, 2, 2, 1);
    wants = s_take (&B->role);
    assert_true (s_wants (wants, ZB_DO_SAVE));
    assert_int_equal (wants.level, 2);
    s_hear (&model, 0, 2, 1, 1);
    assert_false (s_wants (s_take (&P->role), ZB_DO_LEVEL));
    s_hear (&model, 0, 2, 2, 1);
    assert_true (s_wants (s_take (&P->role), ZB_DO_LEVEL));
    assert_int_equal (P->role.level.store, 2);
    assert_false (zb_role_risen (&P->role));
    uint64_t commit = P->role.closed + 1;
    zb_role_closed (&P->role, commit);
    zb_role_durable (&P->role, commit, commit - 1, model.now);
    assert_false (zb_role_risen (&P->role));
    zb_role_durable (&P->role, commit, commit, model.now);
    assert_true (zb_role_risen (&P->role));
    assert_false (s_wants (s_take (&P->role), ZB_DO_LEVEL));
    //  The row that every epoch writes has it from now on.
    uint8_t row[ZB_LINEAGE_MAX * ZB_EPOCH_SIZE];
    const char *key;
    const void *value;
    size_t size;
    assert_true (zb_role_row (&P->role, 1, row, &key, &value, &size));
    assert_string_equal (key, "format");
    assert_int_equal (zb_get32 (value), 2);
    //  The passive one looks at its store, which has it.
    s_hear (&model, 1, 2, 2, 2);
    assert_true (s_wants (s_take (&B->role), ZB_DO_READ));
}

//  An operator is answered when both disks have it, or after the limit.
static void test_an_upgrade_is_answered_when_it_is_over (void **unused)
{
    (void) unused;
    model_t model = s_pair ();
    int64_t since = model.now;
    zb_act_t act = zb_act_ask (&B->role, ZB_UPGRADE, since);
    assert_int_equal (act.state, ZB_ACT_REFUSED);
    assert_int_equal (act.code, 503);
    assert_string_equal (act.text, "this broker is not active: the active one raises the level");
    s_hear (&model, 0, 2, 1, 1);
    assert_int_equal (zb_act_ask (&P->role, ZB_UPGRADE, since).state, ZB_ACT_ON);
    zb_role_noted (&P->role, 2);
    s_hear (&model, 0, 2, 2, 1);
    uint64_t commit = P->role.closed + 1;
    zb_role_closed (&P->role, commit);
    zb_role_durable (&P->role, commit, commit - 1, model.now);
    assert_int_equal (zb_act_look (&P->role, ZB_UPGRADE, "", since, since + ZB_ACT_LONGEST - 1).state, ZB_ACT_ON);
    act = zb_act_look (&P->role, ZB_UPGRADE, "", since, since + ZB_ACT_LONGEST);
    assert_int_equal (act.state, ZB_ACT_REFUSED);
    assert_int_equal (strncmp (act.text, "it is not known to have risen on both disks; ", 45), 0);
    zb_role_durable (&P->role, commit, commit, model.now);
    act = zb_act_look (&P->role, ZB_UPGRADE, "", since, model.now);
    assert_int_equal (act.state, ZB_ACT_DONE);
    assert_string_equal (act.text, "2");
}

static void test_it_is_refused (void **unused)
{
    (void) unused;
    char text[ZB_LEVEL_TEXT];
    model_t model = s_pair ();
    s_hear (&model, 0, 1, 1, 1);
    assert_string_equal (zb_role_raise (&P->role, model.now, text),
                         "the other broker is zbroker 0.9.1, which reads levels up to 1: update it first");
    assert_string_equal (zb_role_raise (&B->role, model.now, text),
                         "this broker is not active: the active one raises the level");
    s_hear (&model, 0, ZB_LEVEL_MOST, 1, 1);
    P->role.peer.in_step = false;
    assert_string_equal (zb_role_raise (&P->role, model.now, text), "the two brokers are not in sync");
    P->role.peer.in_step = true;
    assert_string_equal (zb_role_raise (&P->role, model.now + 2000, text), "the other broker is not heard");
    assert_int_equal (P->role.target, 0);
    assert_false (s_wants (s_take (&P->role), ZB_DO_SAVE));
    //  At the highest it has risen.
    P->role.level.store = ZB_LEVEL_MOST;
    assert_null (zb_role_raise (&P->role, model.now, text));
    assert_true (zb_role_risen (&P->role));
}

//  The other one is lost on the way: nothing has changed but the file, and it can be begun anew.
static void test_it_is_given_up_when_the_peer_is_lost (void **unused)
{
    (void) unused;
    char text[ZB_LEVEL_TEXT];
    model_t model = s_pair ();
    s_hear (&model, 0, 2, 1, 1);
    assert_null (zb_role_raise (&P->role, model.now, text));
    zb_role_noted (&P->role, 2);
    zb_role_link (&P->role, false, 0, model.now);
    assert_int_equal (P->role.target, 0);
    assert_false (zb_role_risen (&P->role));
    assert_false (s_wants (s_take (&P->role), ZB_DO_LEVEL));
    assert_int_equal (P->role.level.store, 1);
}

//  Whoever follows notes the level of what is to come before any of it can come.
static void test_it_is_noted_before_anything_is_followed (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    play (&model, "kill B");
    zb_role_t role;
    zb_role_init (&role, 2, true, false, MODEL_SILENCE, MODEL_ACK_LIMIT, model_entropy);
    zb_role_noted (&role, 0);
    zb_role_opened (&role, true, false, false, 0, 0, model.now);
    s_take (&role);
    zb_beat_t beat;
    zb_role_tell (&P->role, &beat);
    beat.level = (zb_level_t){1, 2, 2, 2, "0.2.0", "0.2.0"};
    zb_role_beat (&role, &beat, 0, model.now);
    wants_t wants = s_take (&role);
    assert_true (s_wants (wants, ZB_DO_FOLLOW) && wants.noted_first);
    assert_int_equal (wants.level, 2);
}

//  A new pair forms at the highest level that both read, and the file names it before the first commit.
static void test_a_new_pair_forms_at_what_both_read (void **unused)
{
    (void) unused;
    for (unsigned most = 1; most <= ZB_LEVEL_MOST + 1; most++) {
        model_t model;
        model_init (&model, &play_bounds, false, false);
        zb_role_t role;
        zb_role_init (&role, 1, true, false, MODEL_SILENCE, MODEL_ACK_LIMIT, model_entropy);
        zb_role_opened (&role, true, false, false, 0, 0, 1);
        zb_beat_t beat = {.node = 2, .state = BSTAR_BACKUP, .settled = true, .fresh = true};
        beat.level = (zb_level_t){.least = 1, .most = most};
        zb_role_tick (&role, false, 2);
        zb_role_beat (&role, &beat, 2, 3);
        assert_int_equal (role.bstar.state, BSTAR_ACTIVE);
        zb_role_tell (&role, &beat);
        assert_int_equal (beat.level.store, most < ZB_LEVEL_MOST ? most : ZB_LEVEL_MOST);
        wants_t wants = s_take (&role);
        assert_int_equal (wants.level, most < ZB_LEVEL_MOST ? most : ZB_LEVEL_MOST);
        zb_role_meta (&role, NULL, 0, 4);
        zb_role_led (&role, 4);
        assert_true (s_wants (s_take (&role), ZB_DO_START));
        assert_int_equal (role.level.store, most < ZB_LEVEL_MOST ? most : ZB_LEVEL_MOST);
    }
}

//  A peer of a level that is not read here: whoever is not active is to end, and follows nothing; an active one goes on
//  without it.
static void test_a_higher_peer_is_not_followed (void **unused)
{
    (void) unused;
    model_t model = s_pair ();
    s_hear (&model, 1, 9, 9, 9);
    assert_true (B->role.beyond);
    assert_non_null (strstr (B->role.misfit, "is of level 9, which takes zbroker 0.9.0 or later"));
    wants_t wants = s_take (&B->role);
    assert_false (s_wants (wants, ZB_DO_FOLLOW) || s_wants (wants, ZB_DO_SAVE) || s_wants (wants, ZB_DO_LEAD));
    s_hear (&model, 0, 9, 9, 9);
    assert_false (P->role.beyond);
    assert_non_null (strstr (P->role.misfit, "is of level 9"));
    wants = s_take (&P->role);
    assert_false (s_wants (wants, ZB_DO_STOP) || s_wants (wants, ZB_DO_SAVE));
    //  It has diverged, and nothing of it is replayed to a program that does not read it.
    zb_role_diverged (&B->role, model.now);
    B->role.peer_lacks = true;
    s_hear (&model, 1, 2, 2, 1);
    B->role.peer_lacks = true;
    assert_true (zb_role_replays (&B->role, model.now));
    B->role.level.store = 2;
    s_hear (&model, 1, 1, 1, 1);
    assert_non_null (strstr (B->role.misfit, "this store is of level 2"));
    assert_false (B->role.beyond || zb_role_replays (&B->role, model.now));
    B->role.level.store = 1;
    //  One that reads more, with a store that is read here, is a neighbour.
    s_hear (&model, 1, 9, 2, 1);
    assert_false (B->role.beyond || *B->role.misfit);
    //  What it prepares for beyond that is not for this one.
    s_take (&B->role);
    s_hear (&model, 1, 9, 9, 1);
    assert_int_equal (B->role.noting, 2);
}

//  After a split the winner takes the loser's level before anything of it is replayed.
static void test_a_winner_takes_the_losers_level (void **unused)
{
    (void) unused;
    model_t model = s_pair ();
    play (&model, "kill B, put P, time P * 7, ok P");
    assert_int_equal (P->role.phase, ZB_PHASE_ALONE);
    s_take (&P->role);
    s_hear (&model, 0, 2, 2, 2);
    wants_t wants = s_take (&P->role);
    assert_true (s_wants (wants, ZB_DO_SAVE) && !s_wants (wants, ZB_DO_LEVEL));
    assert_int_equal (P->role.target, 2);
    zb_role_noted (&P->role, 2);
    zb_role_tick (&P->role, false, model.now);
    assert_true (s_wants (s_take (&P->role), ZB_DO_LEVEL));
    assert_int_equal (P->role.level.store, 2);
}

//  Without a pair the file is all that is waited for.
static void test_a_single_broker_raises_its_own (void **unused)
{
    (void) unused;
    char text[ZB_LEVEL_TEXT];
    zb_role_t role;
    zb_role_init (&role, 1, false, false, 500, 1000, model_entropy);
    role.level.store = 1;
    zb_role_noted (&role, 1);
    zb_role_opened (&role, false, true, false, 0, 0, 1);
    s_take (&role);
    assert_string_equal (zb_role_raise (&role, 1, text), "the store is not being served yet");
    zb_role_closed (&role, 1);
    zb_role_durable (&role, 1, 0, 2);
    assert_null (zb_role_raise (&role, 2, text));
    wants_t wants = s_take (&role);
    assert_true (s_wants (wants, ZB_DO_SAVE) && !s_wants (wants, ZB_DO_LEVEL) && wants.level == ZB_LEVEL_MOST);
    zb_role_noted (&role, ZB_LEVEL_MOST);
    zb_role_tick (&role, false, 3);
    assert_true (s_wants (s_take (&role), ZB_DO_LEVEL));
    assert_false (zb_role_risen (&role));
    zb_role_closed (&role, 2);
    zb_role_durable (&role, 2, 0, 4);
    assert_true (zb_role_risen (&role));
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_it_rises_when_both_are_ready),
        cmocka_unit_test (test_an_upgrade_is_answered_when_it_is_over),
        cmocka_unit_test (test_it_is_refused),
        cmocka_unit_test (test_it_is_given_up_when_the_peer_is_lost),
        cmocka_unit_test (test_it_is_noted_before_anything_is_followed),
        cmocka_unit_test (test_a_new_pair_forms_at_what_both_read),
        cmocka_unit_test (test_a_higher_peer_is_not_followed),
        cmocka_unit_test (test_a_winner_takes_the_losers_level),
        cmocka_unit_test (test_a_single_broker_raises_its_own),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
