/*  =========================================================================
    test_role_copies - a disk is set back to a copy of an earlier moment: is anything lost that was answered OK?

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include "pair_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

//  The backup was alone, and a copy was made of its disk; since then the pair was whole, and has answered, and both are
//  down.
static model_t s_once_alone (void)
{
    model_t model = play_pair (false);
    play (&model, "kill P, time P * 2, hello B * 2, put B, ok B, copy B, start P, time P * 6");
    assert_int_equal (B->role.phase, ZB_PHASE_PAIRED);
    assert_int_equal (B->alone, 0);
    play (&model, "put B, ok B, kill P, kill B");
    assert_int_equal (model.ok[model.token], OK_BOTH);
    return model;
}

//  Both wait: the copy may lead by itself, so it leads; what the other one has more is replayed to it.
static void test_an_old_copy_that_was_alone (void **unused)
{
    (void) unused;
    model_t model = s_once_alone ();
    uint8_t newest = model.token;
    play (&model, "restore B, start B, start P, time P * 3");
    play_leads (B, true);
    assert_true (P->role.diverged && P->alone == 0);
    play (&model, "time P * 3");
    assert_true (P->role.peer_lacks);
    play (&model, "replay P * 3");
    assert_false (P->role.diverged);
    play (&model, "time P * 6");
    assert_true (P->role.in_step && B->role.phase == ZB_PHASE_PAIRED);
    bool held = false;
    for (int index = 0; index < P->size; index++)
        held = held || model.origin[P->log[index]] == newest;
    assert_true (held);
    assert_memory_equal (P->log, B->log, B->size);
}

//  The copy has answered before the other one came.
static void test_an_old_copy_that_serves_first (void **unused)
{
    (void) unused;
    model_t model = s_once_alone ();
    play (&model, "restore B, start B, time P * 2, hello B * 2, put B, ok B, start P, time P * 4");
    play_leads (B, true);
    assert_true (P->role.diverged && P->role.peer_lacks);
    play (&model, "replay P * 3, time P * 6");
    assert_true (P->role.in_step && B->role.phase == ZB_PHASE_PAIRED);
}

//  The other one has led since: the copy hears of an epoch that it lacks, and of two that wait it is not the one to lead.
static void test_an_old_copy_gives_way_to_a_later_epoch (void **unused)
{
    (void) unused;
    model_t model = s_once_alone ();
    play (&model, "start P, start B, time P * 4");
    play_leads (P, true);
    play (&model, "put P, ok P, kill P, kill B, restore B, start B, start P, time P * 5");
    play_leads (P, true);
    assert_true (B->role.in_step && B->alone == 0);
}

//  It has heard of it, and the other one dies before anything came from it.
static void test_a_broker_that_knows_that_it_is_stale_waits (void **unused)
{
    (void) unused;
    model_t model = s_once_alone ();
    play (&model, "start P, start B, time P * 4, put P, ok P, kill B, restore B");
    model.left.quick = false;
    play (&model, "start B, send P, hear B, kill P");
    model.left.quick = true;
    play (&model, "time P * 3, hello B * 3");
    play_leads (B, false);
    assert_true (B->alone != 0 && B->size < P->size);
    //  A peer that starts tells of no epochs before it has opened its store: that takes nothing back.
    zb_role_t role = B->role;
    zb_beat_t beat = {.node = 1, .state = BSTAR_PRIMARY};
    zb_role_beat (&role, &beat, 0, model.now);
    assert_true (zb_role_vote (&role, NULL, model.now + 3 * MODEL_SILENCE, &(int){0}, &(const char *){NULL}) !=
                 ZB_VOTE_SERVE);
    assert_int_not_equal (role.bstar.state, BSTAR_ACTIVE);
    play (&model, "promote B, put B, ok B");
    play_leads (B, true);
}

//  The consent to a roll-back is for one leadership.  The primary was alone, and a copy was made; the backup took over
//  from it in sync.  What the primary has more was not answered, as the backup's epoch says; but the copy is no such
//  proof.
static void test_only_an_heir_is_a_proof (void **unused)
{
    (void) unused;
    zb_lineage_t leader = {0}, ours = {0};
    zb_lineage_raise (&leader, 1, 1);
    leader.epoch[0].run = 7;
    ours = leader;
    assert_int_equal (zb_lineage_tail (&leader, 10, &ours, 10), ZB_TAIL_HELD);
    assert_int_equal (zb_lineage_tail (&leader, 10, &ours, 11), ZB_TAIL_LACKED);
    zb_lineage_raise (&leader, 2, 11);
    assert_int_equal (zb_lineage_tail (&leader, 20, &ours, 10), ZB_TAIL_HELD);
    assert_int_equal (zb_lineage_tail (&leader, 20, &ours, 12), ZB_TAIL_LACKED);
    leader.epoch[1].heir = true;
    assert_int_equal (zb_lineage_tail (&leader, 20, &ours, 12), ZB_TAIL_UNANSWERED);
    //  An epoch that the leader has never seen: older than the heir's, or not.
    zb_lineage_raise (&ours, 1, 11);
    assert_int_equal (zb_lineage_tail (&leader, 20, &ours, 12), ZB_TAIL_LACKED);
    leader.epoch[1].number = 3;
    assert_int_equal (zb_lineage_tail (&leader, 20, &ours, 12), ZB_TAIL_UNANSWERED);
    //  Absorbed; and another one of the same name.
    zb_lineage_absorb (&leader, 2, 1, 0);
    assert_int_equal (zb_lineage_tail (&leader, 20, &ours, 12), ZB_TAIL_HELD);
    ours.epoch[1].run = 9;
    assert_int_equal (zb_lineage_tail (&leader, 20, &ours, 12), ZB_TAIL_LACKED);
    assert_false (zb_lineage_meets (&leader, &ours));
    assert_true (zb_lineage_lacks (&leader, &ours));
    //  An empty store holds nothing.
    assert_int_equal (zb_lineage_tail (&leader, 20, &(zb_lineage_t){0}, 0), ZB_TAIL_HELD);
}

//  One that has not heard its peer may have led from here before: it does not take the next number.
static void test_a_copy_does_not_use_an_epoch_twice (void **unused)
{
    (void) unused;
    uint64_t number[2];
    for (uint32_t process = 0; process < 2; process++) {
        model_t model = play_pair (false);
        play (&model, "kill P, time P * 2, hello B * 2, put B, ok B, kill B, start B, time P * 2");
        B->role.run = process ? UINT32_MAX : UINT32_MAX / 2;
        int code;
        const char *why;
        assert_int_equal (zb_role_vote (&B->role, NULL, model.now, &code, &why), ZB_VOTE_LATER);
        zb_role_led (&B->role, model.now);
        number[process] = zb_lineage_newest (&B->role.lineage).number;
    }
    assert_true (number[0] != number[1] && number[1] > number[0]);
}

//  A follower that was about to go on alone and did not: until its disk has forgotten that, the other one does not get the
//  consent to go on alone.
static void test_consent_goes_back_when_the_disk_says_so (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    zb_role_t role = B->role;
    zb_role_bind (&role);
    role.alone = role.consent.given = zb_lineage_newest (&role.lineage).number + 1;
    zb_role_complete (&role, model.now);
    assert_true (play_does (&role, ZB_DO_SAVE));
    zb_role_tick (&role, false, model.now);
    assert_true (role.alone == 0 && role.consent.given != 0);
    zb_role_saved (&role, model.now);
    zb_role_tick (&role, false, model.now);
    assert_true (role.consent.given == 0 && role.consent.sharing);
}

//  It noted that it goes on alone, raised the epoch, and died: the peer was sent what its own disk has not.  The number is
//  not used again, with other commits.
static void test_what_is_noted_is_spent (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    uint64_t noted = zb_lineage_newest (&P->role.lineage).number + 1;
    play (&model, "kill P, kill B");
    P->alone = noted;
    play (&model, "start P, start B, time P * 4");
    play_leads (P, true);
    assert_true (P->alone == 0 && zb_lineage_newest (&P->role.lineage).number > noted);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_an_old_copy_that_was_alone),
        cmocka_unit_test (test_an_old_copy_that_serves_first),
        cmocka_unit_test (test_an_old_copy_gives_way_to_a_later_epoch),
        cmocka_unit_test (test_a_broker_that_knows_that_it_is_stale_waits),
        cmocka_unit_test (test_only_an_heir_is_a_proof),
        cmocka_unit_test (test_a_copy_does_not_use_an_epoch_twice),
        cmocka_unit_test (test_what_is_noted_is_spent),
        cmocka_unit_test (test_consent_goes_back_when_the_disk_says_so),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
