/*  =========================================================================
    role - may this broker serve, and why

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/limits.h"
#include "core/pair/role_self.h"

//  Delay until a peer that stalled is taken back, in ms: it doubles, so that a peer at its limit doesn't flap.
#define REJOIN_FIRST 1000
#define REJOIN_MAX 30000
//  A gap between two turns of at least this part of the limit of silence is a stop.  A busy machine makes shorter ones all the
//  time, and between those the heartbeats' thread has its turn.
#define STOP_LEAST 2
//  Of this many numbers one is taken by chance.
#define EPOCH_SPREAD 64
//  ms: a look at the lock of a shared store that is older is not the answer to a client that wants us to lead.
#define LOOK_OLD 20

//  ---------------------------------------------------------------------------------------------------------------
//  Effects

zb_do_t *zb_role_do (zb_role_t *self, zb_do_kind_t kind)
{
    assert (self->todo_size < ZB_DO_MAX);
    zb_do_t *effect = &self->todo[(self->todo_first + self->todo_size++) % ZB_DO_MAX];
    memset (effect, 0, sizeof *effect);
    effect->kind = kind;
    return effect;
}

bool zb_role_next (zb_role_t *self, zb_do_t *effect)
{
    if (self->todo_size == 0)
        return false;
    *effect = self->todo[self->todo_first];
    self->todo_first = (self->todo_first + 1) % ZB_DO_MAX;
    self->todo_size--;
    return true;
}

//  Asks for a fresh look at the table meta, once at a time.
static void s_read (zb_role_t *self)
{
    if (!self->reading)
        zb_role_do (self, ZB_DO_READ);
    self->reading = true;
}

//  Nothing is rolled back before it is known what that would be (s_judge).
static void s_follow (zb_role_t *self)
{
    self->diverged = self->diverged && self->alone;
    self->keeps = false;
    zb_role_do (self, ZB_DO_FOLLOW);
}

//  The epoch of the first commit that the peer may lack.
static uint64_t s_unacked (const zb_role_t *self)
{
    size_t index = self->lineage.size;
    while (index > 1 && self->lineage.epoch[index - 1].first > self->acked + 1)
        index--;
    return index ? self->lineage.epoch[index - 1].number : 0;
}

void zb_role_save_node (zb_role_t *self)
{
    zb_do_t *effect = zb_role_do (self, ZB_DO_SAVE);
    effect->suspect = self->suspect;
    effect->alone = self->alone;
    effect->alone_from = self->alone_from;
    effect->level = self->noting;
}

//  Nothing was answered without the peer, or it has all of it by now.
static void s_not_alone (zb_role_t *self)
{
    self->alone = self->alone_from = 0;
    zb_role_save_node (self);
}

//  The number of the epoch to raise next: above all that this one and its peer have raised.  What heartbeats said is
//  what is raised.  One that may have been set back to an older copy has perhaps led once already from there, alone, so that
//  not even its peer knows: it does not take the next number, but, most likely, one that was never used.  Else ids of
//  messages were used twice, and what is said of one message, by whoever got it before, would be done to another.
static uint64_t s_next_epoch (const zb_role_t *self)
{
    uint64_t newest = zb_role_epoch (self), peer = zb_lineage_newest (&self->known.tail).number;
    if (self->alone > newest)
        return self->alone;
    bool sure = !self->paired || self->shared || newest == 0 || (self->known.tail.size && self->heir);
    uint64_t next = zb_consent_epoch (&self->consent, newest > peer ? newest : peer);
    //  Numbers are not without end.
    sure = sure || next >> (ZB_EPOCH_BITS - 1);
    return sure || self->consent.needed ? next : next + self->run / (UINT32_MAX / EPOCH_SPREAD + 1);
}

//  From now on heartbeats say `alone`: the epoch about to be raised, unless an earlier one stands.
static void s_tell_alone (zb_role_t *self, int64_t now)
{
    if (self->alone)
        return;
    self->alone = s_next_epoch (self);
    self->alone_from = s_unacked (self) << ZB_COUNT_BITS | 1;
    self->alone_since = now;
}

static void s_raise (zb_role_t *self, zb_do_kind_t kind)
{
    self->raising = self->closed + 1;
    uint64_t number = s_next_epoch (self);
    zb_role_do (self, kind)->epoch = zb_lineage_raise_to (&self->lineage, number, self->node, self->raising).number;
    zb_epoch_t *raised = &self->lineage.epoch[self->lineage.size - 1];
    raised->run = self->run;
    raised->heir = self->heir;
    self->heir = true;
    zb_role_newest (self, self->newest_id);
    self->formed = true;
}

//  ---------------------------------------------------------------------------------------------------------------
//  The phase machine

//  Nothing is owed by the peer: it has acked all that was closed, and it hears us.
static bool s_settled_up (const zb_role_t *self, int64_t now)
{
    return self->live && self->there >= self->closed && (self->alone || (zb_role_echo_fresh (self, now) && !self->owes));
}

//  The fresh interval, and the telling of the peer and the disk after it, end with the limit.
static int64_t s_probe_after (const zb_role_t *self)
{
    int64_t after = self->ack_limit - self->silence * 5 / 4;
    return after > self->ack_limit / 4 ? after : self->ack_limit / 4;
}

//  What a process that was stopped believes of its peer may be long over: it listens afresh.  Stopped for nearly as
//  long as an active peer waits for acks, it may have been left behind.
static void s_wake (zb_role_t *self, int64_t now)
{
    int64_t gap = self->ticked_ms ? now - self->ticked_ms : 0;
    if (gap > self->silence) {
        self->awake_ms = self->probe_ms = now;
        self->dead = false;
    }
    //  Stops in slices are one stop, until the peer is known to have heard this one since, or could have for long.
    if (gap >= self->silence / STOP_LEAST) {
        self->stopped = self->ticked_ms - self->stopped_ms < self->silence ? self->stopped + gap : gap;
        self->stopped_ms = now;
    }
    if (self->stopped > s_probe_after (self) + self->silence / 2)
        self->in_step = false;
    //  An active one has to think of the other side, too: a peer that holds a grant and has not heard it for so long
    //  may lead, and may be gone again.  What it answered is on its disk alone, so this one asks it before it goes
    //  alone.  The peer counts from the last heartbeat before the stop, hence the tenth less.
    bool granted = self->granted && (!self->alone || self->phase == ZB_PHASE_SEVERING);
    if (self->stopped > self->silence * 9 / 10 && self->bstar.state == BSTAR_ACTIVE && granted && !self->overtaken_ms &&
        !zb_role_echo_fresh (self, now))
        self->overtaken_ms = now;
}

//  Both answered alone, this one leads and the other one doesn't, but would win: it has led in a newer epoch, and was
//  away or restarted when this one met it.
static bool s_outranked (const zb_role_t *self, int64_t now)
{
    bool serves = self->phase == ZB_PHASE_ALONE || self->phase == ZB_PHASE_JOINING || self->phase == ZB_PHASE_PROBING;
    if (!serves || !self->alone || !self->heard || zb_role_peer_gone (self, now) || self->peer.state == BSTAR_ACTIVE)
        return false;
    zb_beat_t own;
    zb_role_tell (self, &own);
    zb_epoch_t ours = zb_lineage_newest (&own.tail), theirs = zb_lineage_newest (&self->peer.tail);
    return zb_beat_same_pair (&own, &self->peer) &&
           (zb_beat_ahead (&self->peer, &own) || zb_lineage_lacks (&self->lineage, &self->peer.tail)) &&
           zb_epoch_base (theirs.number, theirs.node) > zb_epoch_base (ours.number, ours.node);
}

static unsigned s_bit (zb_phase_if_t fact, bool holds)
{
    return holds ? 1u << fact : 0;
}

//  Facts that stand in any phase.
static unsigned s_standing (const zb_role_t *self)
{
    return s_bit (ZB_IF_SINGLE, !self->paired || self->shared) | s_bit (ZB_IF_ALONE, self->alone) |
           s_bit (ZB_IF_SOLO, self->solo) | s_bit (ZB_IF_GRANTED, zb_role_peer_in_step (self)) |
           s_bit (ZB_IF_WAIT, self->wait || zb_role_overtaken (self)) | s_bit (ZB_IF_BOUND, zb_role_bound (self));
}

//  Facts about the peer and its link.
static unsigned s_facts_of_peer (const zb_role_t *self, int64_t now)
{
    bool forgotten =
        !self->peer.in_step && now - self->granted_ms > self->ack_limit && self->heard_ms > self->granted_ms;
    bool deaf = !zb_role_echo_fresh (self, now) && now - self->awake_ms >= self->silence && !zb_role_overtaken (self);
    return s_bit (ZB_IF_TOLD, self->echoed_ms > self->alone_since || deaf) |
           s_bit (ZB_IF_OUTRANKED, s_outranked (self, now)) |
           s_bit (ZB_IF_BACK, self->live && now >= self->rejoin_ms && zb_role_echo_fresh (self, now)) |
           s_bit (ZB_IF_LIVE, self->live) | s_bit (ZB_IF_CAUGHT_UP, self->live && self->there >= self->mark) |
           s_bit (ZB_IF_LOST, !self->live || self->granted != self->session || forgotten);
}

//  Facts about what is on its way, and for how long.
static unsigned s_facts_of_way (const zb_role_t *self, bool client_waits, int64_t now)
{
    bool raising = self->phase == ZB_PHASE_RAISING || self->phase == ZB_PHASE_SEVERING;
    bool moves = self->progress_ms > self->probe_ms || s_settled_up (self, now);
    return s_bit (ZB_IF_RAISED, self->here >= self->raising) |
           s_bit (ZB_IF_STUCK, client_waits && now - self->progress_ms >= s_probe_after (self)) |
           s_bit (ZB_IF_PROGRESS, self->live && moves) |
           s_bit (ZB_IF_PROBED, client_waits && now - self->probe_ms >= self->silence) |
           s_bit (ZB_IF_LATE, now - self->yield_ms >= self->ack_limit) |
           s_bit (ZB_IF_UNUSED, raising && self->alone >= zb_role_epoch (self));
}

static void s_grant (zb_role_t *self, int64_t now)
{
    zb_do_t *grant = zb_role_do (self, ZB_DO_GRANT);
    grant->session = self->granted = self->session;
    grant->epoch = zb_role_epoch (self);
    self->granted_ms = now;
    zb_consent_share (&self->consent, now);
}

static void s_defer (zb_role_t *self, int64_t now)
{
    if (now - self->granted_ms > REJOIN_MAX)
        self->rejoin_delay = REJOIN_FIRST;
    self->rejoin_ms = now + self->rejoin_delay;
    self->rejoin_delay = self->rejoin_delay * 2 > REJOIN_MAX ? REJOIN_MAX : self->rejoin_delay * 2;
}

static void s_carry_out (zb_role_t *self, zb_do_kind_t kind, int64_t now)
{
    switch (kind) {
    case ZB_DO_TELL:
        s_tell_alone (self, now);
        break;
    case ZB_DO_CLEAR:
        self->alone = self->alone_from = 0;
        break;
    case ZB_DO_MARK:
        self->mark = self->closed;
        break;
    case ZB_DO_PROBE:
        self->probe_ms = now;
        break;
    case ZB_DO_RENEW:
        self->progress_ms = now;
        break;
    case ZB_DO_DEFER:
        s_defer (self, now);
        break;
    case ZB_DO_ASK:
        zb_consent_ask (&self->consent, self->alone, zb_role_epoch (self), now);
        break;
    case ZB_DO_SAVE:
        zb_role_save_node (self);
        break;
    case ZB_DO_START:
    case ZB_DO_RAISE:
        s_raise (self, kind);
        break;
    case ZB_DO_FOLLOW:
        s_follow (self);
        break;
    case ZB_DO_GRANT:
        s_grant (self, now);
        break;
    default:
        zb_role_do (self, kind);
    }
}

static void s_take_row (zb_role_t *self, zb_phase_event_t event, bool client_waits, int64_t now)
{
    unsigned facts = s_standing (self) | s_facts_of_peer (self, now) | s_facts_of_way (self, client_waits, now);
    const zb_phase_row_t *row = zb_phase_row (self->phase, event, facts);
    self->phase = row->next == ZB_PHASES ? self->phase : row->next;
    self->phase_rows |= 1ull << row->number;
    for (zb_do_kind_t kind = 0; kind < ZB_DO_KINDS; kind++)
        if (row->effects & 1u << kind)
            s_carry_out (self, kind, now);
}

void zb_role_phase (zb_role_t *self, zb_phase_event_t event, int64_t now)
{
    s_take_row (self, event, false, now);
}

//  Looks what the facts have become, until no row leads on.
static void s_settle (zb_role_t *self, bool client_waits, int64_t now)
{
    s_wake (self, now);
    zb_phase_t before;
    do {
        before = self->phase;
        s_take_row (self, ZB_PHASE_LOOK, client_waits, now);
    } while (self->phase != before);
    zb_role_rise (self);
}

//  ---------------------------------------------------------------------------------------------------------------
//  Binary Star, with this broker's facts

bool zb_role_entitled (const zb_role_t *self)
{
    zb_beat_t own;
    zb_role_tell (self, &own);
    bool last = zb_beat_last (&own) && !zb_role_behind (self);
    return self->opened && self->complete && !self->suspect && (self->in_step || last);
}

static bool s_may_lead (const zb_role_t *self)
{
    if (self->shared)
        return zb_role_may_take (self);
    return zb_role_entitled (self) && (self->in_step || self->settled);
}

static bstar_facts_t s_facts (const zb_role_t *self, bool may_lead, int64_t now)
{
    zb_beat_t own;
    zb_role_tell (self, &own);
    bool preferred = self->opened && self->heard && zb_beat_rank (&own, &self->peer) > 0;
    //  Only the lock takes a shared store from an active broker.
    if (self->shared)
        preferred = self->opened && self->heard &&
                    (self->bstar.state == BSTAR_ACTIVE || (self->node < self->peer.node && zb_role_may_take (self)));
    return (bstar_facts_t){.peer_gone = zb_role_peer_gone (self, now), .may_lead = may_lead, .preferred = preferred};
}

//  Takes one step of Binary Star and what follows from it.
static const bstar_row_t *s_step (zb_role_t *self, bstar_event_t event, bool may_lead, int64_t now)
{
    bstar_state_t before = self->bstar.state;
    bstar_facts_t facts = s_facts (self, may_lead, now);
    const bstar_row_t *row = bstar_step (&self->bstar, event, &facts);
    self->bstar_rows |= 1ull << row->number;
    bstar_state_t after = self->bstar.state;
    if (after == before)
        return row;
    self->changed_ms = now;
    if (after == BSTAR_ACTIVE) {
        //  From passive, or by a client's vote, the peer is gone: that is going alone.  Two that met go on together.
        //  One that has handed over has all that its peer may answer with it, so that the peer goes on with it.
        bool gone = (before == BSTAR_PASSIVE && !self->peer.yields) || event >= BSTAR_CLIENT_VOTE;
        self->heir = self->in_step;
        self->in_step = self->yields = false;
        self->solo = !self->wait && !self->shared && !zb_role_bound (self) && (self->alone || gone);
        self->diverged = false;
        //  A shared store is not known before it is open.
        if (!self->shared)
            zb_role_form_level (self);
        self->leads++;
        zb_role_phase (self, ZB_PHASE_LEAD, now);
    }
    else if (before == BSTAR_ACTIVE) {
        //  Who has handed over is what a passive one in step is: it lacks nothing that was answered, and until the new
        //  active one says `alone`, nothing is answered without it.
        self->yields = self->in_step = self->settled = event == BSTAR_YIELD;
        self->commit = self->closed;
        self->overtaken_ms = 0;
        zb_role_phase (self, ZB_PHASE_DOWN, now);
    }
    else {
        self->settled = self->yields = false;
        if (after == BSTAR_PASSIVE)
            s_follow (self);
        else
            s_read (self);
        zb_role_do (self, ZB_DO_SAY);
    }
    zb_role_do (self, ZB_DO_BEAT);
    return row;
}

void zb_role_init (zb_role_t *self, unsigned node, bool paired, bool peer_loss_wait, int64_t silence, int64_t ack_limit,
                   const uint8_t entropy[ZB_PAIR_SIZE + ZB_SECRET_SIZE])
{
    assert (node == 1 || node == 2);
    memset (self, 0, sizeof *self);
    self->node = node;
    self->level = zb_level_program ();
    self->paired = paired;
    self->wait = peer_loss_wait;
    self->silence = silence;
    self->ack_limit = ack_limit;
    self->bstar = bstar_fsm (node == 1 ? BSTAR_PRIMARY : BSTAR_BACKUP);
    self->rejoin_delay = REJOIN_FIRST;
    self->run = zb_get32 (entropy) ^ zb_get32 (entropy + 4) ^ zb_get32 (entropy + 8) ^ zb_get32 (entropy + 12);
    if (paired)
        memcpy (self->pair, entropy, ZB_PAIR_SIZE);
    memcpy (self->secret, entropy + ZB_PAIR_SIZE, ZB_SECRET_SIZE);
}

void zb_role_opened (zb_role_t *self, bool fresh, bool complete, bool suspect, uint64_t alone, uint64_t alone_from,
                     int64_t now)
{
    self->opened = self->settled = true;
    self->fresh = fresh;
    self->complete = complete;
    self->suspect = suspect;
    self->alone = alone;
    self->alone_from = alone_from;
    self->changed_ms = now;
    if (self->heard_ms == 0)
        self->heard_ms = now;
    if (alone && !zb_lineage_has (&self->lineage, alone, self->node)) {
        //  The epoch never came to the disk, so nothing was answered in it.
        s_not_alone (self);
    }
    zb_role_note (self, self->level.store);
    zb_role_do (self, ZB_DO_BEAT);
    if (self->paired)
        return;
    self->bstar.state = BSTAR_ACTIVE;
    self->phase = ZB_PHASE_RISING;
    zb_role_led (self, now);
}

//  A grant holds for the epoch in which it was given.  If another one has come over the link since, the active one went
//  on alone, and what it answers may not be here, though no heartbeat has told so yet.
static void s_look_in_step (zb_role_t *self)
{
    zb_epoch_t newest = zb_lineage_newest (&self->lineage);
    if (!self->step_known)
        self->step = newest;
    self->step_known = true;
    if (!self->shared && (newest.number != self->step.number || newest.node != self->step.node))
        self->in_step = false;
}

int zb_role_meta (zb_role_t *self, const zb_found_t *rows, size_t count, int64_t now)
{
    self->reading = false;
    if (self->phase != ZB_PHASE_IDLE && self->phase != ZB_PHASE_RISING)
        return 0; //  an answer from before: what this leadership has raised since is newer
    self->lineage.size = 0;
    self->commit = self->newest_id = 0;
    self->formed = false;
    if (zb_level_find (&self->level, rows, count))
        return -1;
    for (size_t index = 0; index < count; index++) {
        const zb_found_t *found = &rows[index];
        zb_frame_t key = {found->key, found->key_size};
        const uint8_t *data = found->row->data;
        size_t size = found->row->size;
        bool bad = false;
        if (zb_frame_is (key, "commit")) {
            bad = size < 16;
            self->commit = bad ? 0 : zb_get64 (data);
            self->newest_id = bad ? 0 : zb_get64 (data + 8);
        }
        else if (zb_frame_is (key, "lineage"))
            bad = zb_lineage_decode (&self->lineage, data, size) != 0;
        else if (zb_frame_is (key, "pair")) {
            bad = size < ZB_PAIR_SIZE;
            //  A shared store's id is that of its lock.
            if (!bad && !self->shared)
                memcpy (self->pair, data, ZB_PAIR_SIZE);
        }
        else if (zb_frame_is (key, "secret")) {
            bad = size < ZB_SECRET_SIZE;
            if (!bad)
                memcpy (self->secret, data, ZB_SECRET_SIZE);
            self->formed = !bad;
        }
        if (bad)
            return -1;
    }
    //  What a glance has seen is old when the peer, which leads, falls silent.  If it has done so by now, this one waits
    //  for a look that is not.
    bool again = self->glance && self->bstar.state != BSTAR_ACTIVE && self->bstar.state != BSTAR_PASSIVE;
    self->settled = !self->glance;
    self->glance = false;
    if (again)
        s_read (self);
    s_look_in_step (self);
    if (self->opened)
        zb_role_note (self, self->level.store);
    self->closed = self->here = self->commit;
    self->fresh = self->fresh && !self->formed;
    s_settle (self, false, now);
    return 0;
}

void zb_role_led (zb_role_t *self, int64_t now)
{
    if (self->leads)
        self->leads--;
    if (self->phase != ZB_PHASE_RISING || self->leads)
        return; //  of a leadership that was over before the store was the master
    self->settled = true;
    self->complete = true;
    self->denied = NULL;
    self->closed = self->here = self->acked = self->commit;
    self->there = self->session = self->granted = 0;
    self->live = false;
    self->progress_ms = now;
    self->risen = 0;
    zb_role_form_level (self);
    zb_role_phase (self, ZB_PHASE_LED, now);
    self->fresh = false;
}

void zb_role_complete (zb_role_t *self, int64_t now)
{
    self->complete = true;
    self->changed_ms = now;
    self->fresh = self->suspect = self->diverged = false;
    if (self->alone && self->bstar.state == BSTAR_PASSIVE) {
        //  The master has all that was answered here alone, else the store would have diverged.
        s_not_alone (self);
    }
    s_settle (self, false, now);
}

//  Nothing that this store has more than the peer is needed any more.
static void s_give_up (zb_role_t *self)
{
    self->diverged = false;
    if (self->alone)
        s_not_alone (self);
    s_follow (self);
    self->todo[(self->todo_first + self->todo_size - 1) % ZB_DO_MAX].rollback = true;
}

//  What goes if this store is brought level with the peer's?  The peer, which leads, and has heard this one since it
//  diverged, says by its epochs what it holds.
static void s_judge (zb_role_t *self, int64_t now)
{
    if (!self->diverged || self->bstar.state != BSTAR_PASSIVE || !zb_role_peer_leads (self, now) ||
        self->echoed_ms <= self->diverged_ms)
        return;
    zb_tail_t tail = zb_lineage_tail (&self->peer.tail, self->peer.commit, &self->lineage, self->commit);
    //  What was answered alone is replayed, and the answer to that says what the peer holds; but not from a store that is
    //  not trusted if the peer has it all.  What such a store has more, and was not alone, nobody can vouch for.
    if (self->alone ? tail == ZB_TAIL_HELD && self->suspect : tail != ZB_TAIL_LACKED || self->suspect)
        s_give_up (self);
    else
        self->keeps = true;
}

void zb_role_diverged (zb_role_t *self, int64_t now)
{
    self->in_step = self->keeps = false;
    self->diverged = true;
    self->diverged_ms = now;
    self->settled = self->settled && self->bstar.state != BSTAR_PASSIVE;
    zb_role_do (self, ZB_DO_SAY);
    zb_role_do (self, ZB_DO_BEAT);
}

void zb_role_merged (zb_role_t *self)
{
    if (!self->diverged || self->bstar.state != BSTAR_PASSIVE)
        return;
    s_give_up (self);
    zb_role_do (self, ZB_DO_BEAT);
    zb_role_do (self, ZB_DO_SAY);
}

void zb_role_absorb (zb_role_t *self, const zb_lineage_t *loser)
{
    zb_lineage_absorb_all (&self->lineage, loser);
    zb_role_do (self, ZB_DO_BEAT);
}

void zb_role_granted (zb_role_t *self, bool granted, uint64_t epoch)
{
    //  A grant can be late: only one of a peer that is heard, and is not alone, is true.  It can be early, too: it may overtake
    //  the heartbeat that says that the peer is no longer alone.  Whoever goes alone again names a newer epoch.
    bool heard = self->heard && !self->dead && self->ticked_ms - self->heard_ms <= self->silence;
    self->in_step = granted && self->bstar.state == BSTAR_PASSIVE && heard && self->peer.alone <= epoch;
    self->step_from = epoch;
    self->step_known = false;
    if (self->in_step && !self->reading) {
        s_read (self);
        self->glance = true;
    }
    zb_role_do (self, ZB_DO_SAY);
}

void zb_role_saved (zb_role_t *self, int64_t now)
{
    zb_role_phase (self, ZB_PHASE_SAVED, now);
    s_settle (self, false, now);
}

void zb_role_link (zb_role_t *self, bool live, uint64_t session, int64_t now)
{
    if (session != self->session) {
        //  What has acked in the last session may have lost its disk since.
        self->there = 0;
        self->mark = self->closed;
    }
    self->live = live;
    self->session = session;
    s_settle (self, false, now);
}

void zb_role_newest (zb_role_t *self, uint64_t id)
{
    self->newest_id = id;
    self->lineage.epoch[self->lineage.size - 1].before = id;
}

void zb_role_closed (zb_role_t *self, uint64_t commit)
{
    self->closed = commit;
}

void zb_role_synced (zb_role_t *self, uint64_t here, uint64_t there, int64_t now)
{
    if (there > self->there && (self->alone || zb_role_echo_fresh (self, now)))
        self->progress_ms = now;
    self->here = here;
    self->there = there;
    self->acked = there > self->acked ? there : self->acked;
    s_settle (self, false, now);
}

//  Whether this epoch is near those that are known here.  The next one is raised above it, and their numbers end.
static bool s_in_reach (const zb_role_t *self, uint64_t epoch)
{
    uint64_t known = zb_role_epoch (self);
    if (self->alone > known)
        known = self->alone;
    return epoch <= known + ZB_EPOCH_REACH;
}

bool zb_role_beat (zb_role_t *self, const zb_beat_t *beat, int64_t echoed, int64_t now)
{
    if (!s_in_reach (self, beat->alone) || !s_in_reach (self, zb_lineage_newest (&beat->tail).number))
        return false;
    if (beat->node == self->node)
        return true;
    s_wake (self, now);
    self->peer = *beat;
    if (beat->tail.size)
        self->known = *beat;
    self->heard = true;
    self->dead = false;
    self->heard_ms = now;
    if (echoed > self->echoed_ms && self->owes && self->live && self->there >= self->closed)
        self->progress_ms = now;
    self->echoed_ms = echoed;
    if (echoed > self->stopped_ms)
        self->stopped = 0;
    if (self->shared)
        zb_role_compare (self);
    //  A peer that is alone answers what this store lacks; when it is not, all that it answered is here, too.  It was so when
    //  it granted that: then the heartbeat is older.
    if (beat->alone > self->step_from)
        self->in_step = false;
    //  An active one that is about to go alone, and its clients, wait for the echo of this heartbeat.
    if (beat->alone && beat->state == BSTAR_ACTIVE && self->bstar.state == BSTAR_PASSIVE)
        zb_role_do (self, ZB_DO_BEAT);
    //  And that one asks again if the echo is of a heartbeat that left in the millisecond in which it began to tell: it may be
    //  one from before.
    if (self->phase == ZB_PHASE_SEVERING && echoed <= self->alone_since)
        zb_role_do (self, ZB_DO_BEAT);
    bstar_event_t event;
    if (!self->opened || !bstar_event_of_peer ((int) beat->state, &event))
        return true;
    zb_beat_t own;
    zb_role_tell (self, &own);
    if (!zb_role_compare_levels (self, &own) || !zb_beat_same_pair (&own, beat))
        return true;
    //  A peer that answered what this store lacks was active, whatever it is now: this one is left behind.  After a split
    //  this one goes on, unless the peer is active, too.
    if (self->bstar.state == BSTAR_ACTIVE && zb_beat_ahead (beat, &own) && !zb_beat_ahead (&own, beat))
        event = BSTAR_PEER_ACTIVE;
    //  It follows, has heard this one since, and lacks nothing to say of its own: it has not led meanwhile.
    if (self->overtaken_ms && echoed > self->overtaken_ms && beat->state == BSTAR_PASSIVE &&
        !zb_beat_ahead (beat, &own))
        self->overtaken_ms = 0;
    //  Heartbeats may be slower than the link: the peer may have become active since it said that it waits.  It counts
    //  once the peer knows what this one is now: then both decide by the same facts.
    bool waits = event == BSTAR_PEER_PRIMARY || event == BSTAR_PEER_BACKUP;
    if (!waits || self->bstar.state == BSTAR_ACTIVE || echoed > self->changed_ms)
        s_step (self, event, s_may_lead (self), now);
    //  What an active peer sends may be applied at any time: the last look at the store is old.
    if (self->bstar.state == BSTAR_PASSIVE && beat->state == BSTAR_ACTIVE)
        self->settled = false;
    if (self->shared && self->bstar.state != BSTAR_ACTIVE)
        zb_role_judge_share (self);
    s_judge (self, now);
    s_settle (self, false, now);
    return true;
}

void zb_role_dead (zb_role_t *self, int64_t now)
{
    self->dead = true;
    self->held_epoch = 0;
    if (self->bstar.state == BSTAR_PASSIVE)
        s_read (self);
    s_settle (self, false, now);
}

void zb_role_bind (zb_role_t *self)
{
    self->consent.needed = true;
}

bool zb_role_ruled (zb_role_t *self, witness_verdict_t verdict, const witness_record_t *record)
{
    if (!s_in_reach (self, record->epoch))
        return false;
    zb_consent_ruled (&self->consent, verdict, record);
    return true;
}

void zb_role_owes (zb_role_t *self, bool owes)
{
    self->owes = owes;
}

//  Consent that is not needed: the two are together.  What a follower holds alone it will not answer for again before the leader
//  has it; but the leader has to know of it, and to lead all the same, as it does after a split or from a copy.  Else it may go on
//  alone with that consent, without what it lacks.
static void s_hand_back (zb_role_t *self, int64_t now)
{
    bool follows = self->bstar.state == BSTAR_PASSIVE && zb_role_peer_leads (self, now);
    bool known = follows && self->echoed_ms > self->changed_ms;
    if (self->phase == ZB_PHASE_PAIRED || (follows && (!self->alone || known)))
        zb_consent_return (&self->consent, follows, self->in_step || known, now);
}

void zb_role_tick (zb_role_t *self, bool client_waits, int64_t now)
{
    s_wake (self, now);
    self->ticked_ms = now;
    s_hand_back (self, now);
    if (self->phase == ZB_PHASE_PAIRED)
        zb_consent_refresh (&self->consent, now);
    //  The limit and the fresh interval run while the peer owes an ack, or an echo, for which a client waits.
    if (!client_waits || s_settled_up (self, now)) {
        if (self->phase == ZB_PHASE_PROBING)
            self->probe_ms = now;
        else
            self->progress_ms = now;
    }
    s_settle (self, client_waits, now);
    //  The last moment to look: from the heartbeat that says so, the peer leads.
    if (self->phase == ZB_PHASE_DRAINING && !client_waits && self->here >= self->closed &&
        self->there >= self->closed && zb_role_echo_fresh (self, now))
        s_step (self, BSTAR_YIELD, false, now);
}

//  ---------------------------------------------------------------------------------------------------------------
//  Operators

const char *zb_role_yield (zb_role_t *self, int64_t now, int *code)
{
    s_wake (self, now);
    *code = ZB_FORBIDDEN;
    if (!self->paired)
        return "this broker has no pair";
    if (self->shared)
        return "with a shared store the role moves when the active broker is stopped";
    *code = ZB_NOT_READY;
    if (self->bstar.state != BSTAR_ACTIVE)
        return "this broker is not active";
    if (self->phase == ZB_PHASE_DRAINING)
        return "it is being done already";
    if (self->phase != ZB_PHASE_PAIRED)
        return "the other broker is not in step";
    if (zb_role_peer_gone (self, now) || self->peer.state != BSTAR_PASSIVE || !zb_role_echo_fresh (self, now))
        return "the brokers do not hear each other";
    self->yield_ms = now;
    zb_role_phase (self, ZB_PHASE_YIELD, now);
    return NULL;
}

//  Why an operator's word is not needed; NULL if it is.
static const char *s_not_needed (const zb_role_t *self, int64_t now)
{
    if (!self->paired)
        return "not needed: this broker has no pair";
    if (self->shared)
        return "not needed: who has the lock of the shared store leads";
    //  It would go on, or lead, if the witness let it; or the witness has just believed the operator.
    bool refused = zb_role_bound (self) && zb_consent_reason (&self->consent, self->silence, now);
    bool forced = refused || zb_consent_forced (&self->consent);
    if (self->bstar.state == BSTAR_ACTIVE)
        return self->overtaken_ms || forced ? NULL : "not needed: this broker is active";
    if (zb_role_peer_leads (self, now))
        return "not needed: the other broker is active";
    if (zb_role_peer_gone (self, now))
        return s_may_lead (self) && !self->wait && !forced
                   ? "not needed: this broker leads as soon as a client asks for it"
                   : NULL;
    zb_beat_t own;
    zb_role_tell (self, &own);
    if (self->bstar.state == BSTAR_PASSIVE || zb_beat_rank (&own, &self->peer) != 0)
        return "not needed: the other broker is there, and the two agree by themselves";
    return NULL;
}

static const char *s_force (zb_role_t *self, int64_t now)
{
    zb_consent_force (&self->consent, zb_role_epoch (self), now);
    return "the witness is being told, ask again";
}

const char *zb_role_promote (zb_role_t *self, int64_t now, int *code)
{
    s_wake (self, now);
    *code = ZB_NOT_READY;
    if (!self->opened)
        return "the store is being opened";
    const char *why = s_not_needed (self, now);
    *code = why ? ZB_FORBIDDEN : ZB_NOT_READY;
    if (why)
        return why;
    if (self->bstar.state == BSTAR_ACTIVE && !self->overtaken_ms && zb_role_bound (self))
        return s_force (self, now);
    if (self->bstar.state == BSTAR_ACTIVE) {
        self->overtaken_ms = 0;
        s_settle (self, false, now);
        return NULL;
    }
    if (!self->settled) {
        s_read (self);
        return "the store is being read, ask again";
    }
    if (!zb_role_peer_gone (self, now) && (!self->heard || !self->peer.settled))
        return "it is not known yet whether the other broker is there, ask again";
    *code = ZB_FORBIDDEN;
    if (self->wait)
        return "peer-loss = wait: it would lead and answer nothing; start this broker with --peer-loss solo first";
    if (self->suspect)
        return "a sync to this disk failed, its store is not trusted: it can only be fetched anew from the other "
               "broker";
    if (!self->complete)
        return self->fresh ? "this store is empty: a new pair forms when both brokers meet"
                           : "this store is not complete: there is nothing to lead with";
    if (zb_role_bound (self)) {
        *code = ZB_NOT_READY;
        return s_force (self, now);
    }
    s_step (self, BSTAR_PROMOTE, true, now);
    return NULL;
}

//  ---------------------------------------------------------------------------------------------------------------
//  Clients

//  What is wrong with the token; NULL if nothing.
static const char *s_token_refused (const zb_role_t *self, const zb_frame_t *text, int *code)
{
    zb_token_t token;
    if (text == NULL)
        return NULL;
    *code = ZB_FORBIDDEN;
    if (!self->formed || zb_token_parse (&token, self->secret, *text))
        return "the token is not of this pair; say HELLO without one";
    *code = ZB_NOT_READY;
    if (!zb_lineage_has (&self->lineage, token.epoch, token.node))
        return "merging: another broker answered in an epoch that this one lacks";
    //  Commits of what was absorbed long ago can't be compared any more.  All that was ever answered is here, unless this
    //  one has answered alone: then the other one may have, too.
    if (!self->alone && zb_lineage_older (&self->lineage, token.epoch, token.node))
        return NULL;
    uint64_t newest = self->closed > self->commit ? self->closed : self->commit;
    if (!zb_lineage_holds (&self->lineage, newest, token.epoch, token.node, token.commit))
        return "this broker lacks a commit that was answered OK";
    return NULL;
}

zb_vote_t zb_role_vote (zb_role_t *self, const zb_frame_t *token, int64_t now, int *code, const char **why)
{
    s_wake (self, now);
    *code = ZB_NOT_READY;
    if (self->bstar.state == BSTAR_ACTIVE) {
        if (self->phase == ZB_PHASE_RISING || self->phase == ZB_PHASE_IDLE)
            return ZB_VOTE_LATER;
        *why = s_token_refused (self, token, code);
        zb_reason_t withheld = zb_role_withholds (self, now);
        if (*why == NULL && withheld)
            *why = zb_reason_row (withheld)->why;
        return *why ? ZB_VOTE_REFUSE : ZB_VOTE_SERVE;
    }
    if (zb_role_peer_leads (self, now) || (self->bstar.state == BSTAR_PASSIVE && !zb_role_peer_gone (self, now)))
        return ZB_VOTE_PASSIVE;
    *why = zb_role_why (self, now);
    if (!self->opened || !zb_role_peer_gone (self, now) || self->wait)
        return ZB_VOTE_REFUSE;
    //  The lock may have been given back since the last look, or the one whose it was is gone.
    if (self->shared && now - self->looked_ms > LOOK_OLD)
        self->settled = false;
    if (!self->settled) {
        s_read (self);
        return ZB_VOTE_LATER;
    }
    bool may_lead = s_may_lead (self);
    if (may_lead && !self->shared) {
        const char *refused = s_token_refused (self, token, code);
        if (refused) {
            *why = refused;
            return ZB_VOTE_REFUSE;
        }
        if (zb_role_bound (self)) {
            zb_consent_ask (&self->consent, self->alone, zb_role_epoch (self), now);
            zb_reason_t waits = zb_consent_reason (&self->consent, self->silence, now);
            *why = waits ? zb_reason_row (waits)->why : *why;
            return waits ? ZB_VOTE_REFUSE : ZB_VOTE_LATER;
        }
    }
    const bstar_row_t *row = s_step (self, BSTAR_CLIENT_VOTE, may_lead, now);
    return row->verdict == BSTAR_ACCEPT ? ZB_VOTE_LATER : ZB_VOTE_REFUSE;
}
