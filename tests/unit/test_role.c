/*  =========================================================================
    test_role - does a pair keep each rule?

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Transcripts (pair_play.h).  test_role_walk tries all orders; here the ones that matter
    have a name.
*/

#include "core/base/bytes.h"
#include "pair_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void test_a_new_pair_forms_when_both_meet (void **unused)
{
    (void) unused;
    model_t model;
    model_init (&model, &play_bounds, false, false);
    play (&model, "start B, time P * 5, hello B * 3");
    play_leads (B, false);
    assert_int_equal (play_ask (&model, 1), ZB_VOTE_REFUSE);
    play (&model, "start P, time P * 4");
    play_leads (P, true);
    assert_true (B->role.in_step);
}

static void test_the_passive_takes_over_with_a_client_and_a_death (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    assert_int_equal (play_ask (&model, 1), ZB_VOTE_PASSIVE);
    play (&model, "kill P, hello B * 3");
    play_leads (B, false);
    play (&model, "dead B, time P, hello B, token B");
    play_leads (B, true);
    assert_int_equal (B->role.phase, ZB_PHASE_ALONE);
    play (&model, "put B, ok B");
    assert_int_equal (model.ok[model.token], OK_SOLO);
    play (&model, "start P, time P * 4");
    assert_int_equal (B->role.phase, ZB_PHASE_PAIRED);
    assert_int_equal (B->alone, 0);
    assert_true (P->role.in_step);
}

static void test_trace_1_local_facts_are_not_replicated (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    play (&model, "kill B, put P, time P * 7, ok P");
    assert_int_equal (P->role.phase, ZB_PHASE_ALONE);
    play (&model, "start B, kill P, kill B, start B, time P * 3, hello B");
    assert_int_equal (B->size, P->size);
    assert_int_equal (B->alone, 0);
    play_leads (B, false);
    play (&model, "kill B, start P, time P * 3, hello P");
    play_leads (P, true);
}

static void test_trace_2_the_epoch_is_not_the_tail (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    play (&model, "kill B, put P, time P * 7, ok P, put P, ok P");
    model.left.quick = false;
    play (&model, "start B, link P, ship P, ship P, kill P, time P * 3, token B * 2, hello B * 2");
    play_leads (B, false);
}

static void test_trace_3_a_restarted_node_alone_waits (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    play (&model,
            "kill P, time P * 2, hello B * 2, put B, ok B, kill B, start P, time P * 5, hello P * 3, token P * 3");
    play_leads (P, false);
    play (&model, "start B, time P * 4");
    play_leads (B, true);
}

static void test_trace_4_epochs_are_not_compared_by_size (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    play (&model, "put P, cut P, time P * 2, hello B * 2, put B, ok B, time P * 5, ok P");
    assert_true (model_serves (&model, 0) && model_serves (&model, 1));
    assert_int_equal (P->alone, B->alone);
    //  The newest token is the primary's, of epoch 2: the backup has an epoch 2 of its own, but not that one.
    int code = 0;
    const char *why = NULL;
    assert_int_equal (model.writer[model.token], 0);
    play (&model, "token P, token B");
    char text[ZB_TOKEN_MAX];
    zb_token_t token = {2, 1, P->role.closed, true};
    zb_frame_t frame = {text, zb_token_format (&token, P->role.secret, text)};
    assert_int_equal (zb_role_vote (&B->role, &frame, model.now, &code, &why), ZB_VOTE_REFUSE);
    assert_int_equal (code, ZB_NOT_READY);
    assert_non_null (strstr (why, "merging"));
    //  A forged one is not of this pair.
    text[0]++;
    assert_int_equal (zb_role_vote (&B->role, &frame, model.now, &code, &why), ZB_VOTE_REFUSE);
    assert_int_equal (code, ZB_FORBIDDEN);
    //  They meet: one goes on, the other rests with all that it has answered.
    play (&model, "heal P, time P * 4");
    assert_true (model_serves (&model, 0) && !model_serves (&model, 1));
    assert_true (B->diverged && B->alone);
}

static void test_trace_8_alone_begins_with_what_the_peer_has_not_acked (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    play (&model, "put P, ok P, kill B, put P, time P * 7, ok P");
    assert_int_equal (P->alone, 2);
    assert_int_equal (P->alone_from, 1);
}

static void test_trace_9_an_answer_of_an_earlier_lead_counts_for_nothing (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    model.left.quick = false;
    play (&model, "kill P, time P * 2, hello B, execute B, hello B");
    assert_int_equal (B->role.phase, ZB_PHASE_RISING);
    zb_role_t role = B->role;
    role.leads = 2;
    zb_role_led (&role, model.now);
    assert_int_equal (role.phase, ZB_PHASE_RISING);
    zb_role_led (&role, model.now);
    assert_int_equal (role.phase, ZB_PHASE_RAISING);
}

static void test_trace_10_an_ordinary_kill_rolls_back (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    model.left.quick = false;
    play (&model, "put P, execute P, sync P, kill P");
    model.left.quick = true;
    play (&model, "time P * 2, hello B * 2, put B, ok B, start P, time P * 6");
    assert_true (P->role.in_step && !P->diverged);
    assert_memory_equal (P->log, B->log, B->size);
}

static void test_serious_1_one_that_was_stopped_looks_again (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    play (&model, "put P");
    model.left.quick = true;
    play (&model, "pause P, time P * 20, resume P, turn P");
    assert_false (model_serves (&model, 0));
    assert_true (P->role.phase == ZB_PHASE_PAIRED || P->role.phase == ZB_PHASE_PROBING);
    play (&model, "time P * 2");
    assert_int_equal (P->role.phase, ZB_PHASE_PAIRED);
}

static void test_serious_1_one_that_was_left_behind_steps_down (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    play (&model, "pause P, time P * 2, hello B * 2, put B, ok B, time P * 20, resume P, turn P");
    assert_false (model_serves (&model, 0));
    play (&model, "time P * 6");
    assert_int_equal (B->role.phase, ZB_PHASE_PAIRED);
    assert_true (P->role.in_step);
}

static void test_one_that_was_left_behind_steps_down_before_a_restarted_peer (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    play (&model,
            "pause P, time P * 2, hello B * 2, put B, ok B, kill B, time P, resume P, turn P, start B, time P * 8");
    assert_int_equal (B->role.phase, ZB_PHASE_PAIRED);
    assert_true (P->role.in_step);
}

static void test_serious_2_acks_without_echo_are_not_enough (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    //  The link works, but the peer's heartbeats don't come: whether it hears us is unknown.
    play (&model, "put P, deaf B * 2");
    assert_false (model_act (&model, ACT_OK, 0));
    play (&model, "deaf B * 5, ok P");
    assert_int_equal (P->role.phase, ZB_PHASE_ALONE);
    assert_int_equal (model.ok[model.token], OK_SOLO);
    //  The peer has heard that, and will not lead.
    assert_false (B->role.in_step);
    play (&model, "kill P, time P * 3, hello B * 3");
    play_leads (B, false);
}

static void test_serious_9_peer_loss_wait_answers_503 (void **unused)
{
    (void) unused;
    model_t model = play_pair (true);
    play (&model, "kill P, time P * 3, hello B * 3");
    play_leads (B, false);
    assert_int_equal (play_ask (&model, 1), ZB_VOTE_REFUSE);
    play (&model, "start P, time P * 5");
    assert_true (model_serves (&model, 0) || model_serves (&model, 1));
    assert_false (B->role.solo || P->alone || B->alone);
    model = play_pair (true);
    play (&model, "kill B, put P, time P * 6");
    assert_int_equal (P->role.phase, ZB_PHASE_PROBING);
    assert_true (zb_role_withholds (&P->role, model.now));
    assert_int_equal (play_ask (&model, 0), ZB_VOTE_REFUSE);
    play (&model, "start B, time P * 3, ok P");
    assert_false (zb_role_withholds (&P->role, model.now));
    assert_int_equal (model.ok[model.token], OK_BOTH);
}

//  What a node's own store has to do, it does; the link does nothing.
static void s_alone_in_time (model_t *self, int at, int times)
{
    for (int i = 0; i < times; i++) {
        assert_true (model_act (self, ACT_TIME, at));
        while (model_act (self, ACT_EXECUTE, at) || model_act (self, ACT_SYNC, at))
            ;
        model_check (self);
        assert_null (self->fault);
    }
}

//  One that answered alone and is started again with peer-loss = wait: `alone` still stands, but nothing more is answered
//  alone, neither before its peer is back nor when it dies before it has caught up.
static void test_one_that_was_alone_answers_nothing_alone_under_wait (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    play (&model, "kill B, put P, time P * 7, ok P");
    assert_int_equal (model.ok[model.token], OK_SOLO);
    model.wait = true;
    play (&model, "kill P, start P, time P * 3");
    assert_int_equal (play_ask (&model, 0), ZB_VOTE_REFUSE);
    play_leads (P, false);
    play (&model, "start B");
    model.left.quick = false;
    s_alone_in_time (&model, 0, 4);
    assert_int_equal (P->role.phase, ZB_PHASE_JOINING);
    assert_true (P->alone);
    play (&model, "kill B, put P");
    s_alone_in_time (&model, 0, 8);
    assert_int_equal (P->role.phase, ZB_PHASE_PROBING);
    assert_false (model_act (&model, ACT_OK, 0));
    assert_true (zb_role_withholds (&P->role, model.now));
}

//  A peer that is silent for no longer than the limit is not gone, and its client is sent back to it.
static void test_nobody_takes_over_within_the_limit (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    int code;
    const char *why;
    int64_t last = B->role.heard_ms + MODEL_SILENCE;
    assert_false (zb_role_peer_gone (&B->role, last));
    assert_true (zb_role_peer_gone (&B->role, last + 1));
    B->role.ticked_ms = last;
    assert_int_equal (zb_role_vote (&B->role, NULL, last, &code, &why), ZB_VOTE_PASSIVE);
    play_leads (B, false);
    zb_role_tick (&B->role, false, last);
    assert_int_not_equal (zb_role_vote (&B->role, NULL, last + 1, &code, &why), ZB_VOTE_PASSIVE);
}

static void test_serious_10_only_who_is_heard_active_is_named (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    assert_true (zb_role_peer_leads (&B->role, model.now));
    assert_false (zb_role_peer_leads (&P->role, model.now));
    play (&model, "kill P, dead B");
    assert_false (zb_role_peer_leads (&B->role, model.now));
    model = play_pair (false);
    play (&model, "cut P, time P * 2");
    assert_false (zb_role_peer_leads (&B->role, model.now));
}

static void test_serious_13_a_peer_that_stalls_again_is_taken_back_later (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    int64_t delay = 0;
    for (int i = 0; i < 3; i++) {
        play (&model, "put P, deaf B * 7");
        assert_int_equal (P->role.phase, ZB_PHASE_ALONE);
        assert_true (P->role.rejoin_delay > delay);
        delay = P->role.rejoin_delay;
        play (&model, "ok P, time P * 12");
        assert_int_equal (P->role.phase, ZB_PHASE_PAIRED);
    }
}

static void test_the_peer_is_told_before_alone_is_on_the_disk (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    model.left.quick = false;
    play (&model, "put P, time P * 4");
    assert_int_equal (P->role.phase, ZB_PHASE_SEVERING);
    assert_int_equal (P->alone, 0);
    play (&model, "kill P, time P * 3, start P");
    assert_int_equal (P->role.alone, 0);
}

//  Hears the other one's heartbeat; echoed is when the newest one of its own that was heard had left.  Returns whether it
//  answers with one at once.
static bool s_answers (zb_role_t *self, const zb_role_t *peer, int64_t echoed, int64_t now)
{
    zb_beat_t beat;
    zb_role_tell (peer, &beat);
    zb_role_beat (self, &beat, echoed, now);
    return play_does (self, ZB_DO_BEAT);
}

static void test_going_alone_waits_for_no_heartbeat (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    int64_t now = model.now;
    assert_false (s_answers (&B->role, &P->role, now, now));
    model.left.quick = false;
    play (&model, "put P, time P * 4");
    assert_int_equal (P->role.phase, ZB_PHASE_SEVERING);
    now = model.now;
    //  The passive one echoes at once what it is told.  The echo is no proof if it may be of a heartbeat from before.
    assert_true (s_answers (&B->role, &P->role, now, now));
    zb_role_t active = P->role;
    assert_true (s_answers (&active, &B->role, active.alone_since, now));
    assert_int_equal (active.phase, ZB_PHASE_SEVERING);
    s_answers (&active, &B->role, active.alone_since + 1, now);
    assert_int_equal (active.phase, ZB_PHASE_RAISING);
    assert_false (s_answers (&active, &B->role, active.alone_since + 2, now));
}

//  Probe, full fresh interval and all, it is over within the limit.
static void test_the_limit_of_acks_holds_for_the_whole_of_it (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    int64_t start = model.now, now = start;
    zb_do_t effect;
    model.left.quick = false;
    play (&model, "put P");
    for (; P->role.phase != ZB_PHASE_SEVERING && now < start + 10 * MODEL_ACK_LIMIT; now += 10) {
        s_answers (&P->role, &B->role, now, now);
        zb_role_tick (&P->role, true, now);
        while (zb_role_next (&P->role, &effect))
            ;
    }
    assert_int_equal (P->role.phase, ZB_PHASE_SEVERING);
    assert_true (now - start < MODEL_ACK_LIMIT);
    assert_true (P->role.alone_since - P->role.probe_ms >= MODEL_SILENCE);
}

//  What depends on no proof, LIST say, is told for so long after the peer was last known to hear this one.
static void test_an_echo_is_good_for_the_limit_of_silence (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    zb_durable_t durable;
    int64_t echoed = P->role.echoed_ms;
    assert_int_equal (zb_role_release (&P->role, echoed + MODEL_SILENCE - 1, &durable), ZB_RELEASE_BOTH);
    assert_int_equal (zb_role_release (&P->role, echoed + MODEL_SILENCE, &durable), ZB_RELEASE_HOLD);
}

//  A client waits for the peer's word alone: that is owed like an ack, and each word that comes is progress.
static void test_a_word_is_owed_as_an_ack_is (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    zb_do_t effect;
    int64_t start = model.now, now = start, asked = start;
    for (; now < start + 3 * MODEL_ACK_LIMIT; now += 10) {
        zb_role_owes (&P->role, true);
        zb_role_tick (&P->role, true, now);
        while (zb_role_next (&P->role, &effect))
            ;
        if (now - asked >= 50) {
            s_answers (&P->role, &B->role, asked + 1, now);
            asked = now;
        }
        assert_int_equal (P->role.phase, ZB_PHASE_PAIRED);
    }
    //  None comes any more: by then the peer is not heard either, and needs not be told.
    for (start = now; P->role.phase != ZB_PHASE_RAISING && now < start + 10 * MODEL_ACK_LIMIT; now += 10) {
        zb_role_tick (&P->role, true, now);
        while (zb_role_next (&P->role, &effect))
            ;
    }
    assert_int_equal (P->role.phase, ZB_PHASE_RAISING);
    assert_true (now - start <= MODEL_ACK_LIMIT);
}

static void test_alone_without_its_epoch_is_void (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    model.left.quick = false;
    play (&model, "kill P, time P * 2, hello B, execute B, hello B, execute B, execute B");
    assert_int_equal (B->alone, 2);
    play (&model, "kill B, start B, execute B");
    assert_int_equal (B->alone, 0);
}

static void test_a_late_grant_is_not_believed (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    zb_role_t role = B->role;
    role.in_step = false;
    zb_role_granted (&role, true, 1);
    assert_true (role.in_step);
    role.peer.alone = 2;
    zb_role_granted (&role, true, 1);
    assert_false (role.in_step);
    role.peer.alone = 0;
    role.ticked_ms = role.heard_ms + MODEL_SILENCE + 1;
    zb_role_granted (&role, true, 1);
    assert_false (role.in_step);
}

//  What was said while the peer was not heard is over when it is.
static void test_a_passive_one_says_that_its_peer_is_back (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    zb_role_t role = B->role;
    zb_beat_t beat = role.peer;
    int64_t back = model.now + MODEL_SILENCE + 1;
    role.ticked_ms = back;
    assert_string_equal (zb_role_why (&role, back), "ready to take over");
    play_does (&role, ZB_DO_SAY);
    assert_true (zb_role_beat (&role, &beat, role.echoed_ms, back));
    assert_true (play_does (&role, ZB_DO_SAY));
    assert_string_equal (zb_role_why (&role, back), "passive, in sync");
    assert_true (zb_role_beat (&role, &beat, role.echoed_ms, back + 1));
    assert_false (play_does (&role, ZB_DO_SAY));
}

//  The grant comes over the link, that the peer is no longer alone in its heartbeats: whatever is first, this one is in
//  sync with the grant, and leads if the peer dies then.  One in which the peer goes alone anew ends it.
static void test_a_grant_overtakes_a_heartbeat (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    play (&model, "kill B, put P, time P * 7, ok P, start B, time P * 4");
    assert_int_equal (P->role.phase, ZB_PHASE_PAIRED);
    uint64_t epoch = zb_lineage_newest (&P->role.lineage).number;
    zb_role_t role = B->role;
    zb_beat_t old = role.peer;
    old.alone = epoch;
    role.in_step = false;
    role.peer = old;
    zb_role_granted (&role, true, epoch);
    assert_true (role.in_step);
    int64_t echoed = role.echoed_ms;
    assert_true (zb_role_beat (&role, &old, echoed, model.now));
    assert_true (role.in_step);
    old.alone = epoch + 1;
    assert_true (zb_role_beat (&role, &old, echoed, model.now));
    assert_false (role.in_step);
    zb_role_granted (&role, true, epoch);
    assert_false (role.in_step);
}

//  An epoch that nobody can have reached is not believed, whoever says so: the next one to be raised would be above it, and
//  its number has few bits.
static void test_an_epoch_out_of_reach (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    zb_role_t before = B->role, role = B->role;
    zb_beat_t beat = role.peer;
    uint64_t newest = zb_lineage_newest (&role.lineage).number;
    beat.alone = newest + ZB_EPOCH_REACH + 1;
    assert_false (zb_role_beat (&role, &beat, role.echoed_ms, model.now));
    beat.alone = 0;
    beat.tail.epoch[beat.tail.size - 1].number = newest + ZB_EPOCH_REACH + 1;
    assert_false (zb_role_beat (&role, &beat, role.echoed_ms, model.now));
    assert_memory_equal (&role, &before, sizeof role);
    beat.tail.epoch[beat.tail.size - 1].number = newest + ZB_EPOCH_REACH;
    assert_true (zb_role_beat (&role, &beat, role.echoed_ms, model.now));
    role = before;
    witness_record_t record = {.state = WITNESS_HELD, .holder = 1, .epoch = newest + ZB_EPOCH_REACH + 1};
    assert_false (zb_role_ruled (&role, WITNESS_LATE, &record));
    assert_memory_equal (&role, &before, sizeof role);
    record.epoch--;
    assert_true (zb_role_ruled (&role, WITNESS_LATE, &record));
}

//  The grant's look at the store does not stand for the store when the peer falls silent before another heartbeat of it: a
//  client whose message came in between is served all the same.
static void test_a_grant_is_no_last_look (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    zb_role_granted (&B->role, true, 1);
    assert_true (play_does (&B->role, ZB_DO_READ));
    zb_found_t nothing;
    assert_int_equal (zb_role_meta (&B->role, &nothing, 0, model.now), 0);
    assert_false (B->role.settled);
}

//  What was held back on the link can bring the epoch of an active one that went on alone, before a heartbeat says so.
static void test_a_grant_ends_with_its_epoch (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    uint8_t serial = ++model.serials;
    model.epoch[serial] = 2;
    model.writer[serial] = 0;
    model.raise[serial] = true;
    B->log[B->size++] = serial;
    B->synced = B->size;
    assert_true (B->role.in_step);
    play (&model, "cut P, time P * 3, hello B * 3");
    play_leads (B, false);
    assert_false (B->role.in_step);
}

static void test_one_that_was_stopped_may_not_lead (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    play (&model, "put P, pause B, time P * 7, ok P, kill P, resume B, turn B, time P * 3, hello B * 3");
    play_leads (B, false);
}

static void test_one_that_was_stopped_for_a_moment_listens_afresh (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    play (&model, "pause B, time P * 2, resume B, turn B, hello B * 3");
    assert_true (B->role.in_step);
    play_leads (B, false);
    play (&model, "kill P, time P * 2, hello B * 3");
    play_leads (B, true);
}

//  The backup took over while the primary was stopped, and died before the primary heard of it: who alone knows of it is
//  the backup.
static void test_one_that_was_stopped_does_not_go_alone_unheard (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    play (&model, "pause P, time P * 3, hello B * 3, put B, ok B");
    play_leads (B, true);
    play (&model, "kill B, resume P, turn P, put P, time P * 20");
    assert_false (model_serves (&model, 0));
    assert_int_equal (P->alone, 0);
    int code = 0;
    const char *why = NULL;
    assert_int_equal (zb_role_vote (&P->role, NULL, model.now, &code, &why), ZB_VOTE_REFUSE);
    assert_int_equal (code, ZB_NOT_READY);
    play (&model, "start B, time P * 8");
    play_leads (B, true);
    assert_true (P->role.in_step);
}

//  The same in slices, each of them short: the peer has not heard it between them.
static void test_stops_in_slices_are_one_stop (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    play (&model, "pause P, time P, resume P, turn P, pause P, time P, hello B * 3, put B, ok B");
    play_leads (B, true);
    play (&model, "kill B, resume P, turn P, put P, time P * 20");
    assert_false (model_serves (&model, 0));
    assert_int_equal (P->alone, 0);
    play (&model, "start B, time P * 8");
    play_leads (B, true);
}

//  A stop is counted once, however often it is looked at in a turn.
static void test_a_stop_is_counted_once (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    zb_role_t role = P->role;
    int64_t gap = MODEL_SILENCE / 2 + 10, now = role.ticked_ms + gap;
    zb_role_durable (&role, role.here, role.there, now);
    zb_role_saved (&role, now);
    zb_role_tick (&role, false, now);
    assert_int_equal (role.stopped, gap);
}

//  Stops that are far apart are not: the peer would have heard this one between them.
static void test_stops_far_apart_are_none (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    play (&model, "kill B, pause P, time P, resume P, turn P, time P * 3, pause P, time P, resume P, turn P, put P");
    play (&model, "time P * 9, ok P");
    assert_int_equal (P->role.phase, ZB_PHASE_ALONE);
}

//  Nobody took over while it was stopped, and the peer says so.
static void test_one_that_was_stopped_goes_alone_once_it_has_heard (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    play (&model, "pause P, time P * 3, resume P, turn P, time P * 2, put P, kill B, time P * 9, ok P");
    assert_int_equal (P->role.phase, ZB_PHASE_ALONE);
}

//  One that was stopped, and may have been overtaken, hears that the peer follows, and would replay what it has answered:
//  that is a split which this one has won, and no reason to wait for the peer, which waits for this one.
static void test_one_that_was_stopped_takes_the_losers_replay (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    play (&model, "put P, cut P, time P * 2, hello B * 2, put B, ok B, time P * 5, ok P, heal P, time P * 4");
    play_leads (P, true);
    assert_true (B->diverged);
    P->role.overtaken_ms = model.now;
    play (&model, "time P * 4");
    assert_int_equal (P->role.overtaken_ms, 0);
}

//  Who is proven dead acknowledges nothing any more: no limit is waited for.
static void test_a_dead_passive_one_is_left_at_once (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    play (&model, "put P, kill B, dead P, time P");
    assert_int_equal (P->role.phase, ZB_PHASE_ALONE);
    assert_true (P->alone);
    play (&model, "ok P");
}

//  A death is no stall: whoever starts again is taken back as soon as the first time, however often it dies.
static void test_a_passive_one_that_dies_again_is_taken_back_as_soon (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    for (int i = 0; i < 4; i++) {
        play (&model, "put P, kill B, dead P, time P");
        assert_int_equal (P->role.phase, ZB_PHASE_ALONE);
        assert_in_range (P->role.rejoin_ms - model.now, 0, 1000);
        play (&model, "ok P, start B, time P * 6");
        assert_int_equal (P->role.phase, ZB_PHASE_PAIRED);
    }
    //  Nor is what it stalled before forgotten.
    play (&model, "put P, deaf B * 7");
    assert_int_equal (P->role.phase, ZB_PHASE_ALONE);
    int64_t delay = P->role.rejoin_delay;
    play (&model, "ok P, time P * 12, put P, kill B, dead P, time P");
    assert_int_equal (P->role.rejoin_delay, delay);
}

static void test_a_death_from_before_a_stop_is_not_believed (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    zb_role_t *role = &B->role;
    int64_t now = role->ticked_ms;
    zb_role_dead (role, now);
    assert_true (zb_role_peer_gone (role, now));
    now += 2 * role->silence;
    zb_role_tick (role, false, now);
    assert_false (zb_role_peer_gone (role, now));
}

static void test_one_that_was_alone_but_is_not_trusted_may_not_lead (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    play (&model, "kill P, time P * 2, hello B * 2, put B, ok B, kill B, start B, time P * 2, hello B * 2");
    play_leads (B, true);
    play (&model, "kill B, suspect B, time P * 3, hello B * 3, start P, time P * 5, hello P * 3, hello B * 3");
    play_leads (P, false);
    play_leads (B, false);
}

static void test_the_loser_of_a_split_knows_that_it_lacks_something (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    play (&model, "put P, cut P, time P * 2, hello B * 2, put B, ok B, time P * 5, ok P, heal P, time P * 4");
    assert_true (B->diverged);
    play (&model, "kill P, time P * 3, hello B * 3");
    play_leads (B, false);
}

//  Both have answered; the one that would win was away when the other one met it, follows, and is replayed.  Whoever
//  leads goes on, in an epoch above both.
static void test_who_leads_after_a_split_is_the_winner (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    play (&model, "put P, cut P, time P * 2, hello B * 2, put B, ok B, time P * 5, ok P, kill P, heal P, start P");
    uint64_t both = zb_lineage_newest (&P->role.lineage).number;
    assert_int_equal (zb_lineage_newest (&B->role.lineage).number, both);
    play (&model, "time P * 4");
    play_leads (B, true);
    play_leads (P, false);
    assert_true (P->diverged);
    assert_int_equal (zb_lineage_newest (&B->role.lineage).number, both + 1);
}

//  The winner has led so often since that its heartbeats don't name the loser's epochs any more: that is no proof that it
//  holds what the loser has.  If it says so, the loser's store, which is not trusted, is given up.
static void test_what_was_forgotten_is_not_held (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    play (&model, "put P, cut P, time P * 2, hello B * 2, put B, ok B, time P * 5, ok P, heal P, time P * 4");
    zb_role_t role = B->role;
    assert_true (role.diverged && role.bstar.state == BSTAR_PASSIVE);
    role.suspect = true;
    zb_beat_t beat;
    zb_role_tell (&P->role, &beat);
    zb_epoch_t newest = zb_lineage_newest (&role.lineage);
    zb_lineage_t told;
    zb_beat_lineage (&beat, &told);
    for (uint64_t next = 1; next <= ZB_BEAT_EPOCHS; next++)
        zb_lineage_raise (&told, 1, role.commit + 10 * next);
    zb_beat_tell (&beat, &told);
    beat.commit = role.commit + 1000;
    zb_role_diverged (&role, model.now);
    zb_role_beat (&role, &beat, model.now + 1, model.now + 1);
    assert_true (role.diverged && role.alone);
    memmove (told.epoch, told.epoch + told.size - (ZB_BEAT_EPOCHS - 1), (ZB_BEAT_EPOCHS - 1) * sizeof *told.epoch);
    told.size = ZB_BEAT_EPOCHS - 1;
    zb_lineage_absorb (&told, newest.number, newest.node, newest.run);
    zb_beat_tell (&beat, &told);
    zb_role_beat (&role, &beat, model.now + 1, model.now + 1);
    assert_false (role.diverged || role.alone);
}

//  A client comes with a token of a split of long ago.  The loser had made more commits than the winner had when it led in
//  the oldest epoch that it remembers.  While this broker is not alone, nothing of before can be elsewhere.
static void test_a_token_of_long_ago_locks_nobody_out (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    zb_role_t role = P->role;
    assert_true (role.bstar.state == BSTAR_ACTIVE && role.alone == 0);
    uint64_t newest = zb_lineage_newest (&role.lineage).number, first = zb_lineage_newest (&role.lineage).first;
    zb_lineage_absorb (&role.lineage, newest, 2, 0);
    zb_token_t token = {newest, 2, role.closed + 2 * ZB_LINEAGE_MAX, true};
    char text[ZB_TOKEN_MAX];
    zb_frame_t frame = {text, zb_token_format (&token, role.secret, text)};
    for (uint64_t next = 1; next <= 2 * ZB_LINEAGE_MAX; next++) {
        int code = 0;
        const char *why = NULL;
        assert_int_equal (zb_role_vote (&role, &frame, model.now, &code, &why), ZB_VOTE_SERVE);
        zb_lineage_raise (&role.lineage, 1, first + next);
    }
    //  Alone, it can't tell; and what is newer than the oldest one kept is compared in any case.
    int code = 0;
    const char *why = NULL;
    role.alone = zb_lineage_newest (&role.lineage).number;
    assert_int_equal (zb_role_vote (&role, &frame, model.now, &code, &why), ZB_VOTE_REFUSE);
    role.alone = 0;
    token = (zb_token_t){newest + 2 * ZB_LINEAGE_MAX, 1, first + 1000, false};
    frame.size = zb_token_format (&token, role.secret, text);
    assert_int_equal (zb_role_vote (&role, &frame, model.now, &code, &why), ZB_VOTE_REFUSE);
}

//  Another one leads while `alone` is on its way: nothing was answered in that epoch, so nothing is kept.
static void test_alone_is_given_up_before_it_was_used (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    model.left.quick = false;
    play (&model, "put P, time P * 4");
    assert_int_equal (P->role.phase, ZB_PHASE_SEVERING);
    zb_role_t role = P->role;
    zb_beat_t beat;
    zb_role_tell (&B->role, &beat);
    beat.state = BSTAR_ACTIVE;
    zb_lineage_t told = role.lineage;
    beat.alone = zb_lineage_raise (&told, 2, 9).number + 1;
    zb_lineage_raise (&told, 2, 10);
    zb_beat_tell (&beat, &told);
    zb_role_beat (&role, &beat, 0, model.now);
    assert_int_equal (role.phase, ZB_PHASE_IDLE);
    assert_int_equal (role.alone, 0);
    zb_do_t effect;
    bool saved = false, followed = false;
    while (zb_role_next (&role, &effect)) {
        saved = saved || (effect.kind == ZB_DO_SAVE && effect.alone == 0);
        followed = followed || (effect.kind == ZB_DO_FOLLOW && saved);
    }
    assert_true (followed);
}

static void test_a_new_session_or_lead_starts_afresh (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    zb_role_t role = P->role;
    assert_true (role.mark < role.closed);
    role.phase = ZB_PHASE_JOINING;
    zb_role_link (&role, true, role.session + 1, model.now);
    assert_int_equal (role.mark, role.closed);
    assert_int_equal (role.there, 0);
    assert_int_equal (role.phase, ZB_PHASE_JOINING);
    role = P->role;
    role.phase = ZB_PHASE_RISING;
    role.leads = 1;
    role.commit = role.closed;
    zb_role_led (&role, model.now);
    assert_false (role.live);
}

static void test_a_store_that_is_not_trusted_waits_and_is_replaced (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    play (&model, "kill P, kill B, suspect P, time P * 3, hello P * 3");
    play_leads (P, false);
    play (&model, "start B, time P * 5");
    play_leads (B, true);
    assert_true (P->role.in_step && !P->suspect && !P->role.suspect);
}

static void test_a_broker_without_a_pair_serves_at_once (void **unused)
{
    (void) unused;
    static const uint8_t entropy[ZB_PAIR_SIZE + ZB_SECRET_SIZE] = {1};
    zb_role_t role;
    zb_do_t effect;
    zb_durable_t durable;
    const char *key, *why;
    const void *value;
    size_t size;
    int code;
    uint8_t lineage[ZB_LINEAGE_MAX * ZB_EPOCH_SIZE];
    zb_role_init (&role, 1, false, false, 500, 1000, entropy);
    assert_int_equal (zb_role_meta (&role, NULL, 0, 1), 0);
    zb_role_opened (&role, true, true, false, 0, 0, 1);
    bool started = false;
    while (zb_role_next (&role, &effect))
        started = started || (effect.kind == ZB_DO_START && effect.epoch == 1);
    assert_true (started);
    assert_int_equal (zb_role_release (&role, 1, &durable), ZB_RELEASE_HOLD);
    zb_role_closed (&role, 1);
    zb_role_durable (&role, 1, 0, 2);
    assert_int_equal (role.phase, ZB_PHASE_SINGLE);
    assert_int_equal (zb_role_release (&role, 2, &durable), ZB_RELEASE_HERE);
    assert_int_equal (durable, ZB_DURABLE_SINGLE);
    assert_int_equal (zb_role_vote (&role, NULL, 3, &code, &why), ZB_VOTE_SERVE);
    size_t rows = 0;
    while (zb_role_row (&role, rows, lineage, &key, &value, &size))
        rows++;
    assert_int_equal (rows, 3);
    zb_role_tick (&role, true, 99999);
    assert_int_equal (role.phase, ZB_PHASE_SINGLE);
}

//  A broker that has opened a store of this lineage, level and newest commit, and has heard nobody.
static void s_open_store (zb_role_t *role, unsigned node, const zb_lineage_t *lineage, unsigned level, uint64_t commit,
                          uint64_t alone)
{
    static const uint8_t entropy[ZB_PAIR_SIZE + ZB_SECRET_SIZE] = {0xff};
    static const char *const keys[] = {"lineage", "commit", "pair", "secret", "format"};
    uint8_t format[ZB_LEVEL_ROW_MAX];
    size_t sizes[] = {lineage->size * ZB_EPOCH_SIZE, 16, ZB_PAIR_SIZE, ZB_SECRET_SIZE,
                      zb_level_row_encode (level, format)};
    zb_found_t found[5];
    for (size_t index = 0; index < 5; index++) {
        found[index] = (zb_found_t){.key_size = (uint16_t) strlen (keys[index]), .row = zb_row_new (sizes[index])};
        memcpy (found[index].key, keys[index], found[index].key_size);
        found[index].row->size = (uint32_t) sizes[index];
        memset (found[index].row->data, 1, sizes[index]);
    }
    zb_lineage_encode (lineage, found[0].row->data);
    zb_put64 (found[1].row->data, commit);
    memcpy (found[4].row->data, format, sizes[4]);
    zb_role_init (role, node, true, false, 500, 1000, entropy);
    assert_int_equal (zb_role_meta (role, found, 5, 1), 0);
    for (size_t index = 0; index < 5; index++)
        zb_row_unref (&found[index].row);
    zb_role_opened (role, false, true, false, alone, alone ? 1 : 0, 1);
}

static void s_open_copy (zb_role_t *role, unsigned node, const zb_lineage_t *lineage)
{
    s_open_store (role, node, lineage, 1, 1, 0);
}

static void s_done (zb_role_t *role)
{
    for (zb_do_t effect; zb_role_next (role, &effect);)
        continue;
}

//  A client comes to it, nobody else is there, and it leads alone; what it raises is on its disk at `now`.
static void s_lead_alone (zb_role_t *role, int64_t now)
{
    int code;
    const char *why;
    assert_int_equal (zb_role_vote (role, NULL, now, &code, &why), ZB_VOTE_LATER);
    s_done (role);
    zb_role_led (role, now);
    s_done (role);
    zb_role_closed (role, role->raising);
    zb_role_durable (role, role->raising, 0, now);
    s_done (role);
    assert_int_equal (role->phase, ZB_PHASE_ALONE);
}

//  It has a peer, which is brought level, and is granted `in sync`.
static void s_grant_peer (zb_role_t *role, const zb_role_t *other, int64_t now)
{
    zb_beat_t beat;
    zb_role_tell (other, &beat);
    beat.state = BSTAR_PASSIVE;
    assert_true (zb_role_beat (role, &beat, now, now + 1));
    zb_role_link (role, true, 1, now + 1);
    assert_int_equal (role->phase, ZB_PHASE_JOINING);
    zb_role_durable (role, role->closed, role->closed, now + 1);
    assert_int_equal (role->phase, ZB_PHASE_CLEARING);
    zb_role_saved (role, now + 1);
    assert_int_equal (role->phase, ZB_PHASE_PAIRED);
    s_done (role);
}

//  A broker is restarted 200 times while its peer is away: it remembers all that it has led, back to where they parted,
//  until its peer has all.  In a store of the level before, which older programs read, there are never more than they take.
static void test_a_lineage_grows_while_alone (void **unused)
{
    (void) unused;
    for (unsigned level = ZB_LEVEL_LINEAGE - 1; level <= ZB_LEVEL_LINEAGE; level++) {
        bool grows = level == ZB_LEVEL_LINEAGE;
        static zb_role_t role, other;
        static zb_lineage_t lineage;
        lineage = (zb_lineage_t){0};
        zb_lineage_raise (&lineage, 1, 1);
        s_open_store (&other, 2, &lineage, level, 1, 0);
        zb_lineage_raise (&lineage, 1, 2);
        for (uint64_t time = 1; time <= 200; time++) {
            s_open_store (&role, 1, &lineage, level, 10 * time, 2);
            s_lead_alone (&role, 1000);
            lineage = role.lineage;
            assert_int_equal (lineage.size, grows || time + 2 < ZB_LINEAGE_KEPT ? time + 2 : ZB_LINEAGE_KEPT);
            assert_int_equal (zb_lineage_newest (&lineage).first, 10 * time + 1);
        }
        assert_int_equal (zb_lineage_meets (&lineage, &other.lineage), grows);
        //  What heartbeats say is as long as ever.
        zb_beat_t beat;
        zb_role_tell (&role, &beat);
        assert_int_equal (beat.tail.size, ZB_BEAT_EPOCHS);
        //  That its peer follows is not enough: it may lack a part.
        s_open_store (&role, 1, &lineage, level, 10000, 2);
        s_lead_alone (&role, 1000);
        assert_int_equal (role.lineage.size, grows ? 203 : ZB_LINEAGE_KEPT);
        lineage = role.lineage;
        s_grant_peer (&role, &other, 1000);
        assert_int_equal (role.lineage.size, ZB_LINEAGE_KEPT);
        assert_int_equal (zb_lineage_newest (&role.lineage).first, 10001);
        //  The other one has the row as it was, and takes over.  Its list begins where that of the first one does: no replay looks
        //  behind what both know.
        s_open_store (&other, 2, &lineage, level, 20000, 0);
        other.in_step = true;
        s_lead_alone (&other, 1000);
        assert_int_equal (other.lineage.size, grows ? ZB_LINEAGE_KEPT + 1 : ZB_LINEAGE_KEPT);
        assert_true (!grows || other.lineage.epoch[0].number == role.lineage.epoch[0].number);
        assert_int_equal (zb_lineage_newest (&other.lineage).node, 2);
    }
}

//  What was replayed is no more than a store of its level may hold, either.
static void test_what_is_absorbed_fits_the_level (void **unused)
{
    (void) unused;
    for (unsigned level = ZB_LEVEL_LINEAGE - 1; level <= ZB_LEVEL_LINEAGE; level++) {
        static zb_role_t role;
        zb_lineage_t lineage = {0}, loser;
        zb_lineage_raise (&lineage, 1, 1);
        loser = lineage;
        for (uint64_t number = 2; number <= 200; number++) {
            zb_lineage_raise (&loser, 2, number);
            loser.epoch[loser.size - 1].before = zb_epoch_base (number - 1, number > 2 ? 2 : 1) + 1;
        }
        zb_lineage_raise_to (&lineage, 300, 1, 2);
        s_open_store (&role, 1, &lineage, level, 10, 300);
        s_lead_alone (&role, 1000);
        zb_role_absorb (&role, &loser);
        assert_int_equal (role.lineage.size, level == ZB_LEVEL_LINEAGE ? 202 : ZB_LINEAGE_KEPT);
        assert_true (zb_lineage_absorbed (&role.lineage, 200, 2));
        assert_true (zb_lineage_has (&role.lineage, 2, 2));
    }
}

//  A disk was set back to a time before this broker led alone, so that not even its peer knows of that epoch.  Both
//  wait and meet, and it leads: the next number may be used already, and so may all ids in it.
static void test_an_epoch_that_nobody_knows_of (void **unused)
{
    (void) unused;
    zb_lineage_t lineage = {0};
    zb_lineage_raise (&lineage, 1, 1);
    zb_role_t role, other;
    s_open_copy (&role, 1, &lineage);
    s_open_copy (&other, 2, &lineage);
    zb_beat_t beat;
    zb_role_tell (&other, &beat);
    assert_true (zb_role_beat (&role, &beat, 5, 6));
    assert_int_equal (role.bstar.state, BSTAR_ACTIVE);
    zb_role_led (&role, 7);
    uint64_t epoch = 0;
    for (zb_do_t effect; zb_role_next (&role, &effect);)
        epoch = effect.kind == ZB_DO_START ? effect.epoch : epoch;
    assert_int_equal (epoch, 2 + 63);
}

static void test_damaged_meta_rows_are_refused (void **unused)
{
    (void) unused;
    static const uint8_t entropy[ZB_PAIR_SIZE + ZB_SECRET_SIZE] = {1};
    static const char *const keys[] = {"format", "commit", "lineage", "pair", "secret"};
    for (size_t i = 0; i < 5; i++) {
        zb_role_t role;
        zb_role_init (&role, 1, true, false, 500, 1000, entropy);
        zb_row_t *row = zb_row_new (8);
        row->size = 3;
        zb_found_t found = {.key_size = (uint16_t) strlen (keys[i]), .row = row};
        memcpy (found.key, keys[i], found.key_size);
        assert_int_equal (zb_role_meta (&role, &found, 1, 1), -1);
        zb_row_unref (&row);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_a_new_pair_forms_when_both_meet),
        cmocka_unit_test (test_the_passive_takes_over_with_a_client_and_a_death),
        cmocka_unit_test (test_trace_1_local_facts_are_not_replicated),
        cmocka_unit_test (test_trace_2_the_epoch_is_not_the_tail),
        cmocka_unit_test (test_trace_3_a_restarted_node_alone_waits),
        cmocka_unit_test (test_trace_4_epochs_are_not_compared_by_size),
        cmocka_unit_test (test_trace_8_alone_begins_with_what_the_peer_has_not_acked),
        cmocka_unit_test (test_trace_9_an_answer_of_an_earlier_lead_counts_for_nothing),
        cmocka_unit_test (test_trace_10_an_ordinary_kill_rolls_back),
        cmocka_unit_test (test_serious_1_one_that_was_stopped_looks_again),
        cmocka_unit_test (test_serious_1_one_that_was_left_behind_steps_down),
        cmocka_unit_test (test_one_that_was_left_behind_steps_down_before_a_restarted_peer),
        cmocka_unit_test (test_serious_2_acks_without_echo_are_not_enough),
        cmocka_unit_test (test_serious_9_peer_loss_wait_answers_503),
        cmocka_unit_test (test_one_that_was_alone_answers_nothing_alone_under_wait),
        cmocka_unit_test (test_nobody_takes_over_within_the_limit),
        cmocka_unit_test (test_serious_10_only_who_is_heard_active_is_named),
        cmocka_unit_test (test_serious_13_a_peer_that_stalls_again_is_taken_back_later),
        cmocka_unit_test (test_the_peer_is_told_before_alone_is_on_the_disk),
        cmocka_unit_test (test_going_alone_waits_for_no_heartbeat),
        cmocka_unit_test (test_the_limit_of_acks_holds_for_the_whole_of_it),
        cmocka_unit_test (test_an_echo_is_good_for_the_limit_of_silence),
        cmocka_unit_test (test_a_word_is_owed_as_an_ack_is),
        cmocka_unit_test (test_alone_without_its_epoch_is_void),
        cmocka_unit_test (test_a_late_grant_is_not_believed),
        cmocka_unit_test (test_a_passive_one_says_that_its_peer_is_back),
        cmocka_unit_test (test_a_grant_overtakes_a_heartbeat),
        cmocka_unit_test (test_an_epoch_out_of_reach),
        cmocka_unit_test (test_an_epoch_that_nobody_knows_of),
        cmocka_unit_test (test_a_grant_is_no_last_look),
        cmocka_unit_test (test_a_grant_ends_with_its_epoch),
        cmocka_unit_test (test_one_that_was_stopped_may_not_lead),
        cmocka_unit_test (test_one_that_was_stopped_for_a_moment_listens_afresh),
        cmocka_unit_test (test_one_that_was_stopped_does_not_go_alone_unheard),
        cmocka_unit_test (test_stops_in_slices_are_one_stop),
        cmocka_unit_test (test_a_stop_is_counted_once),
        cmocka_unit_test (test_stops_far_apart_are_none),
        cmocka_unit_test (test_one_that_was_stopped_goes_alone_once_it_has_heard),
        cmocka_unit_test (test_one_that_was_stopped_takes_the_losers_replay),
        cmocka_unit_test (test_a_dead_passive_one_is_left_at_once),
        cmocka_unit_test (test_a_passive_one_that_dies_again_is_taken_back_as_soon),
        cmocka_unit_test (test_a_death_from_before_a_stop_is_not_believed),
        cmocka_unit_test (test_one_that_was_alone_but_is_not_trusted_may_not_lead),
        cmocka_unit_test (test_the_loser_of_a_split_knows_that_it_lacks_something),
        cmocka_unit_test (test_who_leads_after_a_split_is_the_winner),
        cmocka_unit_test (test_what_was_forgotten_is_not_held),
        cmocka_unit_test (test_a_token_of_long_ago_locks_nobody_out),
        cmocka_unit_test (test_alone_is_given_up_before_it_was_used),
        cmocka_unit_test (test_a_new_session_or_lead_starts_afresh),
        cmocka_unit_test (test_a_store_that_is_not_trusted_waits_and_is_replaced),
        cmocka_unit_test (test_a_broker_without_a_pair_serves_at_once),
        cmocka_unit_test (test_damaged_meta_rows_are_refused),
        cmocka_unit_test (test_a_lineage_grows_while_alone),
        cmocka_unit_test (test_what_is_absorbed_fits_the_level),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
