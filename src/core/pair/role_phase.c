/*  =========================================================================
    role_phase - the facts that the rows of the phase look at, and what they do

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The table is core/pair/phase.  Here is what it is fed with, and the hands that carry its
    effects out; and the clock: what a process that was stopped has to think of.
*/

#include <assert.h>

#include "core/base/limits.h"
#include "core/pair/role_self.h"

//  Delay until a peer that stalled is taken back, in ms: it doubles, so that a peer at its limit doesn't flap.
#define REJOIN_MAX 30000
//  A gap between two turns of at least this part of the limit of silence is a stop.  A busy machine makes shorter ones
//  all the time, and between those the heartbeats' thread has its turn.
#define STOP_LEAST 2
//  Of a gap between two turns no more than this part of the limit is time in which this process has listened.
#define LISTENED 4
//  Of this many numbers one is taken by chance.
#define EPOCH_SPREAD 64

//  Nothing is rolled back before it is known what that would be (s_judge).
void zb_role_follow (zb_role_t *self)
{
    self->diverged = self->diverged && self->alone;
    self->peer_lacks = false;
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
    self->saving = true;
}

//  Nothing was answered without the peer, or it has all of it by now.
void zb_role_not_alone (zb_role_t *self)
{
    self->alone = self->alone_from = 0;
    zb_role_save_node (self);
}

//  The number of the epoch to raise next: above all that this one and its peer have raised.  What heartbeats said is
//  what is raised.  One that may have been set back to an older copy has perhaps led once already from there, alone, so
//  that not even its peer knows: it does not take the next number, but, most likely, one that was never used.  Else ids
//  of messages were used twice, and what is said of one message, by whoever got it before, would be done to another.
static uint64_t s_next_epoch (const zb_role_t *self)
{
    uint64_t newest = zb_role_epoch (self), peer = zb_beat_newest (&self->known).number;
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
    //  Who was in sync takes over: all before is common.  The peer may raise one, too, and has cut its list at the grant: if the two
    //  lists did not begin with the same one, a replay would look for it in all that is stored.
    if (kind == ZB_DO_START && self->heir)
        zb_lineage_cut (&self->lineage, ZB_LINEAGE_KEPT);
    uint64_t number = s_next_epoch (self);
    zb_role_do (self, kind)->epoch = zb_lineage_raise_to (&self->lineage, number, self->node, self->raising).number;
    zb_epoch_t *raised = &self->lineage.epoch[self->lineage.size - 1];
    raised->run = self->run;
    raised->heir = self->heir;
    zb_lineage_cut (&self->lineage, zb_role_epochs_most (self));
    self->heir = true;
    zb_role_newest (self, self->newest_id);
    self->formed = true;
}

//  Nothing is owed by the peer: it has acked all that was closed, and it hears us.
bool zb_role_peer_owes_nothing (const zb_role_t *self, int64_t now)
{
    return self->live && self->there >= self->closed &&
           (self->alone || (zb_role_echo_fresh (self, now) && !self->owes));
}

//  The fresh interval, and the telling of the peer and the disk after it, end with the limit.
static int64_t s_probe_after (const zb_role_t *self)
{
    int64_t after = self->ack_limit - self->silence * 5 / 4;
    return after > self->ack_limit / 4 ? after : self->ack_limit / 4;
}

//  How long a stop may be in which the peer has not led: it counts from the last heartbeat before.
static int64_t s_stop_most (const zb_role_t *self)
{
    int64_t there = zb_role_patience_there (self);
    int64_t before = self->beat > there / 10 ? self->beat : there / 10;
    return there - (before < there / 2 ? before : there / 2);
}

//  This turn is the first one after a gap.
static void s_wake_once (zb_role_t *self, int64_t gap, int64_t least, int64_t now)
{
    if (gap > least / LISTENED)
        self->still_ms += gap - least / LISTENED;
    //  An active one is taken for gone by the limit that the peer has named, as long as its heartbeats do not come; a passive
    //  one is left behind by that of acks.
    bool active = self->bstar.state == BSTAR_ACTIVE;
    int64_t limit = active ? zb_role_patience_there (self) : self->silence;
    int64_t unheard = gap < self->unsent_ms ? gap : self->unsent_ms, stop = active ? unheard : gap;
    //  Stops in slices are one stop, until the peer is known to have heard this one since, or could have for long.
    if (stop >= limit / STOP_LEAST) {
        self->stopped = self->ticked_ms - self->stopped_ms < self->silence ? self->stopped + stop : stop;
        self->stopped_ms = now;
    }
    if (unheard > s_stop_most (self)) {
        self->life++;
        zb_patience_anew (&self->patience, now);
    }
    self->woken_ms = now;
}

static void s_after_gap (zb_role_t *self, int64_t gap, int64_t now)
{
    int64_t there = zb_role_patience_there (self), limit = zb_patience_limit (&self->patience);
    int64_t least = there < limit ? there : limit;
    if (self->woken_ms <= self->ticked_ms)
        s_wake_once (self, gap, least, now);
    if (gap > least) {
        self->awake_ms = self->probe_ms = now;
        self->still_ms = 0;
    }
    //  After a stop of that length a death is told anew (patterns/heart).
    if (gap > self->silence)
        self->dead = false;
}

void zb_role_gap (zb_role_t *self, int64_t now)
{
    if (self->ticked_ms && now > self->ticked_ms)
        s_after_gap (self, now - self->ticked_ms, now);
    //  Stopped for nearly as long as an active peer waits for acks, it may have been left behind.
    if (self->stopped > s_probe_after (self) + self->silence / 2)
        self->in_step = false;
}

void zb_role_wake (zb_role_t *self, int64_t now)
{
    zb_role_gap (self, now);
    if (!self->stopped)
        return;
    //  An active one has to think of the other side, too: a peer that holds a grant and has not heard it for so long
    //  may lead, and may be gone again.  What it answered is on its disk alone, so this one asks it before it goes
    //  alone.  Only who follows, and has heard this one, is known not to have led: one that has just started hears it, too.
    bool follows = self->peer.state == BSTAR_PASSIVE && zb_role_echo_fresh (self, now);
    bool granted = self->granted && (!self->alone || self->phase == ZB_PHASE_SEVERING);
    if (self->stopped > s_stop_most (self) && self->bstar.state == BSTAR_ACTIVE && granted && !self->overtaken_ms &&
        !follows)
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
    zb_epoch_t ours = zb_beat_newest (&own), theirs = zb_beat_newest (&self->peer);
    return zb_beat_same_pair (&own, &self->peer) &&
           (zb_beat_ahead (&self->peer, &own) || zb_beat_is_news (&self->peer, &self->lineage)) &&
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
           s_bit (ZB_IF_MUST_WAIT, self->wait || zb_role_overtaken (self)) | s_bit (ZB_IF_BOUND, zb_role_bound (self));
}

//  Whether the peer follows in this session of the link.  The link may not know yet that it is dead.
static bool s_is_live (const zb_role_t *self)
{
    return self->live && !self->dead;
}

//  Whether it is dead that was in sync: it had all that was answered, and nothing comes from it any more.  Of one that
//  may hold what this store lacks the death is no reason for haste: it may be back in time.
static bool s_is_no_more (const zb_role_t *self)
{
    return self->dead && self->peer.in_step;
}

//  Facts about the peer and its link.
static unsigned s_facts_of_peer (const zb_role_t *self, int64_t now)
{
    bool forgotten =
        !self->peer.in_step && now - self->granted_ms > self->ack_limit && self->heard_ms > self->granted_ms;
    //  One that was stopped may stay in sync for longer than it waits in silence, by what is configured.
    int64_t there = zb_role_patience_there (self), sure = there > self->silence ? there : self->silence;
    bool deaf = now - self->echoed_ms >= sure && now - self->awake_ms >= sure && !zb_role_overtaken (self);
    return s_bit (ZB_IF_TOLD, self->echoed_ms > self->alone_since || deaf || s_is_no_more (self)) |
           s_bit (ZB_IF_OUTRANKED, s_outranked (self, now)) |
           s_bit (ZB_IF_BACK, s_is_live (self) && now >= self->rejoin_ms && zb_role_echo_fresh (self, now)) |
           s_bit (ZB_IF_LIVE, s_is_live (self)) |
           s_bit (ZB_IF_CAUGHT_UP, s_is_live (self) && self->there >= self->mark) |
           s_bit (ZB_IF_LOST, !s_is_live (self) || self->granted != self->session || forgotten);
}

//  Facts about what is on its way, and for how long.
static unsigned s_facts_of_way (const zb_role_t *self, bool client_waits, int64_t now)
{
    bool raising = self->phase == ZB_PHASE_RAISING || self->phase == ZB_PHASE_SEVERING;
    bool moves = self->progress_ms > self->probe_ms || zb_role_peer_owes_nothing (self, now);
    return s_bit (ZB_IF_RAISED, self->here >= self->raising) |
           s_bit (ZB_IF_STUCK,
                  client_waits && (s_is_no_more (self) || now - self->progress_ms >= s_probe_after (self))) |
           s_bit (ZB_IF_PROGRESS, s_is_live (self) && moves) |
           s_bit (ZB_IF_PROBED, client_waits && (s_is_no_more (self) || now - self->probe_ms >= self->silence)) |
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
    //  The peer has all, so that all is common.  The row follows when an epoch is raised.
    zb_lineage_cut (&self->lineage, ZB_LINEAGE_KEPT);
}

static void s_defer (zb_role_t *self, int64_t now)
{
    //  A death is no stall.
    if (s_is_no_more (self)) {
        self->rejoin_ms = now + ZB_REJOIN_FIRST;
        return;
    }
    if (now - self->granted_ms > REJOIN_MAX)
        self->rejoin_delay = ZB_REJOIN_FIRST;
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
        zb_role_follow (self);
        break;
    case ZB_DO_GRANT:
        s_grant (self, now);
        break;
    default:
        zb_role_do (self, kind);
    }
}

//  Whether the facts are those of the last look, from which nothing followed.
static bool s_rests (const zb_role_t *self, unsigned facts)
{
    return self->rests && self->rested == self->phase && self->rested_facts == facts;
}

static void s_take_row (zb_role_t *self, zb_phase_event_t event, bool client_waits, int64_t now)
{
    unsigned facts = s_standing (self) | s_facts_of_peer (self, now) | s_facts_of_way (self, client_waits, now);
    if (event == ZB_PHASE_LOOK && s_rests (self, facts))
        return;
    const zb_phase_row_t *row = zb_phase_row (self->phase, event, facts);
    if (event == ZB_PHASE_LOOK) {
        self->rests = row->next == ZB_PHASES && !row->effects;
        self->rested = self->phase;
        self->rested_facts = facts;
    }
    if (row->next != ZB_PHASES && row->next != self->phase)
        zb_role_note_row (self, false, row->number);
    self->phase = row->next == ZB_PHASES ? self->phase : row->next;
    self->phase_rows |= 1ull << row->number;
    for (zb_do_kind_t kind = 0; row->effects >> kind; kind++)
        if (row->effects & 1u << kind)
            s_carry_out (self, kind, now);
}

void zb_role_phase (zb_role_t *self, zb_phase_event_t event, int64_t now)
{
    s_take_row (self, event, false, now);
}

//  Looks what the facts have become, until no row leads on.
void zb_role_look (zb_role_t *self, bool client_waits, int64_t now)
{
    zb_role_wake (self, now);
    zb_phase_t before;
    do {
        before = self->phase;
        s_take_row (self, ZB_PHASE_LOOK, client_waits, now);
    } while (self->phase != before);
    zb_role_rise (self);
}
