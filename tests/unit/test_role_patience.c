/*  =========================================================================
    test_role_patience - does a role learn the limit of silence, and keep each rule by it?

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Transcripts (pair_play.h), and roles that hear heartbeats made by hand.
*/

#include "pair_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define LEARNED (3 * MODEL_HEARTBEAT)
#define TURN 20 //  ms

//  The active one counts on what the passive one has named.
static void test_an_echo_is_good_for_the_limit_that_was_named (void **unused)
{
    (void) unused;
    model_t model = play_learned ();
    zb_durable_t durable;
    int64_t echoed = P->role.echoed_ms, last = B->role.heard_ms + LEARNED;
    assert_int_equal (zb_role_release (&P->role, echoed + LEARNED - 1, &durable), ZB_RELEASE_BOTH);
    assert_int_equal (zb_role_release (&P->role, echoed + LEARNED, &durable), ZB_RELEASE_HOLD);
    assert_false (zb_role_peer_gone (&B->role, last));
    assert_true (zb_role_peer_gone (&B->role, last + 1));
}

//  The backup took over within a step, while the primary was stopped, and died.
static void test_a_stop_is_measured_by_the_limit_that_was_named (void **unused)
{
    (void) unused;
    model_t model = play_learned ();
    play (&model, "pause P, time P, hello B * 3, put B, ok B");
    play_leads (B, true);
    play (&model, "kill B, resume P, turn P, put P, time P * 20");
    assert_false (model_serves (&model, 0));
    assert_int_equal (P->alone, 0);
    play (&model, "start B, time P * 8");
    play_leads (B, true);
    assert_true (P->role.in_step);
}

//  It counts if the peer may have led in it, by its limit and from the last heartbeat before; in slices, too.
static void test_how_long_a_stop_has_to_be (void **unused)
{
    (void) unused;
    model_t model = play_learned ();
    int64_t most = LEARNED - MODEL_HEARTBEAT, slice = LEARNED / 2 + 1;
    zb_role_t role = P->role;
    role.echoed_ms = role.ticked_ms - LEARNED / 2;
    zb_role_t other = role, sliced = role;
    zb_role_tick (&role, false, role.ticked_ms + most);
    assert_int_equal (role.overtaken_ms, 0);
    assert_int_equal (role.life, P->role.life);
    zb_role_tick (&other, false, other.ticked_ms + most + 1);
    assert_int_equal (other.overtaken_ms, other.ticked_ms);
    assert_int_equal (other.life, P->role.life + 1);
    zb_role_tick (&sliced, false, sliced.ticked_ms + slice);
    assert_int_equal (sliced.overtaken_ms, 0);
    zb_role_tick (&sliced, false, sliced.ticked_ms + TURN);
    zb_role_tick (&sliced, false, sliced.ticked_ms + slice);
    assert_int_equal (sliced.overtaken_ms, sliced.ticked_ms);
}

//  The peer may have learned its limit where this one's is set.
static void test_how_long_a_stop_has_to_be_where_the_limit_is_set (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    zb_role_t role = P->role;
    zb_role_heartbeat (&role, MODEL_HEARTBEAT);
    role.peer.patience = LEARNED;
    role.echoed_ms = role.ticked_ms - LEARNED / 2;
    zb_role_t other = role;
    int64_t most = LEARNED - MODEL_HEARTBEAT;
    zb_role_tick (&role, false, role.ticked_ms + most);
    assert_int_equal (role.overtaken_ms, 0);
    zb_role_tick (&other, false, other.ticked_ms + most + 1);
    assert_int_equal (other.overtaken_ms, other.ticked_ms);
}

//  The core alone has hung, and heartbeats went on: what the peer has echoed meanwhile shows that it has not led.
static void test_a_long_turn_is_no_stop (void **unused)
{
    (void) unused;
    model_t model = play_learned ();
    zb_role_t role = P->role;
    int64_t now = role.ticked_ms + LEARNED;
    zb_beat_t beat = role.peer;
    zb_role_beat (&role, &beat, now - 30, now);
    zb_role_tick (&role, true, now);
    assert_int_equal (role.overtaken_ms, 0);
    //  What it has echoed before does not.
    role = P->role;
    zb_role_beat (&role, &beat, role.ticked_ms - 1, now);
    zb_role_tick (&role, true, now);
    assert_int_equal (role.overtaken_ms, now);
}

//  A peer that has just started hears this one, too, and does not know yet that it has led meanwhile.
static void test_who_has_just_started_does_not_show_that_it_has_not_led (void **unused)
{
    (void) unused;
    model_t model = play_learned ();
    zb_role_t role = P->role;
    int64_t now = role.ticked_ms + 10 * LEARNED;
    zb_beat_t beat = role.peer;
    beat.state = BSTAR_BACKUP;
    beat.settled = beat.in_step = false;
    beat.life++;
    zb_role_beat (&role, &beat, now - 1, now);
    zb_role_tick (&role, true, now);
    assert_int_equal (role.overtaken_ms, now);
    //  Nor later, before it follows.
    zb_role_beat (&role, &beat, now + 1, now + TURN);
    assert_int_equal (role.overtaken_ms, now);
    beat.state = BSTAR_PASSIVE;
    zb_role_beat (&role, &beat, now + 2, now + 2 * TURN);
    assert_int_equal (role.overtaken_ms, 0);
}

//  It has named a smaller limit just before the stop, and has kept that since; this one reads it now.
static void test_a_limit_that_was_not_read_counts_too (void **unused)
{
    (void) unused;
    model_t model = play_learned ();
    zb_role_t role = P->role;
    zb_beat_t beat = role.peer;
    role.peer.patience = MODEL_SILENCE;
    int64_t now = role.ticked_ms + MODEL_SILENCE / 2 - 10;
    assert_true (now - role.ticked_ms > LEARNED - MODEL_HEARTBEAT);
    zb_role_beat (&role, &beat, now - LEARNED - 10, now);
    zb_role_tick (&role, true, now);
    assert_int_equal (role.overtaken_ms, now);
}

//  A passive one that was stopped for so long that it may have been left behind acts on nothing that it hears before it has
//  thought of that.
static void test_one_that_may_be_left_behind_leads_by_no_heartbeat (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    zb_role_t role = B->role;
    int64_t now = role.ticked_ms + 2 * MODEL_ACK_LIMIT;
    zb_beat_t beat = role.peer;
    beat.state = BSTAR_PRIMARY;
    assert_true (role.in_step);
    zb_role_beat (&role, &beat, now - 1, now);
    assert_false (role.in_step);
    assert_int_not_equal (role.bstar.state, BSTAR_ACTIVE);
}

//  One that was stopped may stay in sync for longer than it waits in silence: a peer that must be told waits for that, too.
static void test_who_does_not_hear_is_told_for_as_long_as_configured (void **unused)
{
    (void) unused;
    model_t model = play_learned ();
    zb_role_t role = P->role;
    int64_t now = role.ticked_ms + TURN;
    role.phase = ZB_PHASE_SEVERING;
    role.alone = role.lineage.epoch[role.lineage.size - 1].number + 1;
    role.alone_since = now;
    role.echoed_ms = now - LEARNED - TURN;
    for (; now < role.echoed_ms + MODEL_SILENCE; now += TURN) {
        zb_role_tick (&role, true, now);
        assert_int_equal (role.phase, ZB_PHASE_SEVERING);
    }
    zb_role_tick (&role, true, now);
    assert_int_equal (role.phase, ZB_PHASE_RAISING);
}

//  As long as heartbeats go on, whoever hears them has no cause to lead, though nothing of its own comes any more.
static void test_a_long_turn_is_no_stop_beside_a_death (void **unused)
{
    (void) unused;
    model_t model = play_learned ();
    zb_role_t hung = P->role, stopped = P->role;
    int64_t now = hung.ticked_ms + LEARNED;
    zb_role_unsent (&hung, MODEL_HEARTBEAT);
    zb_role_tick (&hung, true, now);
    assert_int_equal (hung.overtaken_ms, 0);
    assert_int_equal (hung.life, P->role.life);
    //  It has listened to nobody meanwhile all the same.
    assert_int_equal (hung.still_ms, LEARNED - LEARNED / 4);
    zb_role_unsent (&stopped, LEARNED + MODEL_HEARTBEAT / 2);
    zb_role_tick (&stopped, true, now);
    assert_int_equal (stopped.overtaken_ms, now);
    assert_int_equal (stopped.life, P->role.life + 1);
}

//  The same stop is none by the limit that is configured.
static void test_a_short_stop_is_none (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    play (&model, "pause P, time P, hello B * 3");
    play_leads (B, false);
    play (&model, "kill B, resume P, turn P, put P, time P * 20, ok P");
    assert_int_equal (P->role.phase, ZB_PHASE_ALONE);
}

#define EVERY 100
#define LEARN 5000

//  The passive one of a pair hears its peer for so long, and turns meanwhile.  `peer` is what that one says.
static void s_listen (zb_role_t *self, zb_beat_t *peer, int64_t *now, int64_t ms)
{
    for (int64_t end = *now + ms; *now < end;) {
        for (int turn = 0; turn < EVERY / TURN; turn++) {
            *now += TURN;
            zb_role_tick (self, false, *now);
        }
        zb_role_beat (self, peer, *now - 1, *now);
        play_does (self, ZB_DO_BEAT);
    }
}

static int64_t s_limit (const zb_role_t *self)
{
    return zb_patience_limit (&self->patience);
}

//  It says what a newer program says.
static zb_role_t s_learner (const zb_role_t *role, zb_beat_t *peer)
{
    zb_role_t self = *role;
    zb_role_adapt (&self, EVERY, LEARN);
    *peer = self.peer;
    peer->patience = MODEL_SILENCE;
    peer->life = 7;
    return self;
}

static void test_a_good_link_is_learned (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    int64_t now = model.now;
    zb_beat_t peer, own;
    zb_role_t role = s_learner (&B->role, &peer);
    assert_int_equal (s_limit (&role), MODEL_SILENCE);
    s_listen (&role, &peer, &now, LEARN - EVERY);
    assert_int_equal (s_limit (&role), MODEL_SILENCE);
    s_listen (&role, &peer, &now, 10 * EVERY);
    assert_int_equal (s_limit (&role), 3 * EVERY);
    zb_role_tell (&role, &own);
    assert_int_equal (own.patience, 3 * EVERY);
    //  A gap of the link counts, once the next heartbeat has said that the peer was not stopped.
    now += 190;
    role.ticked_ms = now;
    s_listen (&role, &peer, &now, EVERY);
    assert_int_equal (s_limit (&role), 3 * EVERY);
    s_listen (&role, &peer, &now, 2 * EVERY);
    assert_int_equal (s_limit (&role), 290 * 5 / 2);
    //  Also one beyond the limit: that was silence, and no death.
    now += 800;
    role.ticked_ms = now;
    assert_true (zb_role_peer_gone (&role, now));
    s_listen (&role, &peer, &now, 3 * EVERY);
    assert_int_equal (s_limit (&role), 900 * 5 / 2);
}

//  Another process, or one that was stopped, begins anew, and the gap before says nothing of the link.
static void test_a_stop_of_the_peers_is_no_gap (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    int64_t now = model.now;
    zb_beat_t peer;
    zb_role_t role = s_learner (&B->role, &peer);
    s_listen (&role, &peer, &now, 2 * LEARN);
    assert_int_equal (s_limit (&role), 3 * EVERY);
    now += 500;
    role.ticked_ms = now;
    //  The first heartbeat may have left before its core has turned.
    s_listen (&role, &peer, &now, EVERY);
    peer.life++;
    s_listen (&role, &peer, &now, 2 * EVERY);
    assert_int_equal (s_limit (&role), MODEL_SILENCE);
    s_listen (&role, &peer, &now, 2 * LEARN);
    assert_int_equal (s_limit (&role), 3 * EVERY);
}

//  Nor is an echo late that could not come meanwhile: what has piled up at the peer is not heard there, so that its first
//  heartbeats echo what it had heard before.
static void test_a_stop_of_the_peers_is_no_late_echo (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    int64_t now = model.now;
    zb_beat_t peer;
    zb_role_t role = s_learner (&B->role, &peer);
    s_listen (&role, &peer, &now, 2 * LEARN);
    assert_int_equal (s_limit (&role), 3 * EVERY);
    now += MODEL_SILENCE + EVERY;
    role.ticked_ms = now;
    zb_role_beat (&role, &peer, role.echoed_ms, now);
    peer.life++;
    zb_role_beat (&role, &peer, role.echoed_ms, ++now);
    s_listen (&role, &peer, &now, 3 * EVERY);
    assert_int_equal (s_limit (&role), MODEL_SILENCE);
    s_listen (&role, &peer, &now, 2 * LEARN);
    assert_int_equal (s_limit (&role), 3 * EVERY);
}

static void test_with_a_peer_that_names_no_limit_it_is_the_configured_one (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    int64_t now = model.now;
    zb_beat_t peer;
    zb_role_t role = s_learner (&B->role, &peer);
    peer.patience = peer.life = 0;
    s_listen (&role, &peer, &now, 4 * LEARN);
    assert_int_equal (s_limit (&role), MODEL_SILENCE);
    //  And the same is counted on.  Of one that names a long one no more than this one would wait itself.
    zb_durable_t durable;
    int64_t echoed = P->role.echoed_ms;
    zb_role_t active = s_learner (&P->role, &peer);
    active.peer.patience = 0;
    assert_int_equal (zb_role_release (&active, echoed + MODEL_SILENCE - 1, &durable), ZB_RELEASE_BOTH);
    assert_int_equal (zb_role_release (&active, echoed + MODEL_SILENCE, &durable), ZB_RELEASE_HOLD);
    active.peer.patience = 100000;
    assert_int_equal (zb_role_release (&active, echoed + 4 * MODEL_SILENCE - 1, &durable), ZB_RELEASE_BOTH);
    assert_int_equal (zb_role_release (&active, echoed + 4 * MODEL_SILENCE, &durable), ZB_RELEASE_HOLD);
}

//  Its own stops, and the slow turns of a busy machine, are no silence of the peer's: heartbeats wait unread meanwhile.
static void test_who_does_not_listen_hears_no_silence (void **unused)
{
    (void) unused;
    model_t model = play_pair (false);
    int64_t now = model.now;
    zb_beat_t peer;
    zb_role_t role = s_learner (&B->role, &peer);
    uint32_t life = role.life;
    s_listen (&role, &peer, &now, 2 * LEARN);
    now += 290;
    zb_role_tick (&role, false, now);
    now += 60;
    zb_role_tick (&role, false, now);
    assert_false (zb_role_peer_gone (&role, now));
    //  But time in which it turns is: however slowly.
    for (int turn = 0; turn < 3; turn++, now += 150)
        zb_role_tick (&role, false, now);
    assert_true (zb_role_peer_gone (&role, now));
    //  A stop that the peer may have taken for death is told.
    now += MODEL_SILENCE;
    zb_role_tick (&role, false, now);
    assert_int_equal (role.life, life + 1);
    zb_role_tick (&role, false, now + 1);
    assert_int_equal (role.life, life + 1);
    assert_int_equal (s_limit (&role), MODEL_SILENCE);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_an_echo_is_good_for_the_limit_that_was_named),
        cmocka_unit_test (test_a_stop_is_measured_by_the_limit_that_was_named),
        cmocka_unit_test (test_how_long_a_stop_has_to_be),
        cmocka_unit_test (test_how_long_a_stop_has_to_be_where_the_limit_is_set),
        cmocka_unit_test (test_a_long_turn_is_no_stop),
        cmocka_unit_test (test_who_has_just_started_does_not_show_that_it_has_not_led),
        cmocka_unit_test (test_a_limit_that_was_not_read_counts_too),
        cmocka_unit_test (test_one_that_may_be_left_behind_leads_by_no_heartbeat),
        cmocka_unit_test (test_who_does_not_hear_is_told_for_as_long_as_configured),
        cmocka_unit_test (test_a_long_turn_is_no_stop_beside_a_death),
        cmocka_unit_test (test_a_short_stop_is_none),
        cmocka_unit_test (test_a_good_link_is_learned),
        cmocka_unit_test (test_a_stop_of_the_peers_is_no_gap),
        cmocka_unit_test (test_a_stop_of_the_peers_is_no_late_echo),
        cmocka_unit_test (test_with_a_peer_that_names_no_limit_it_is_the_configured_one),
        cmocka_unit_test (test_who_does_not_listen_hears_no_silence),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
