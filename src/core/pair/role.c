/*  =========================================================================
    role - may this broker serve, and why

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/limits.h"
#include "core/pair/role_self.h"
#include "core/queue/rows.h"

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

void zb_role_note_row (zb_role_t *self, bool bstar, int number)
{
    size_t at = self->takens++ % ZB_ROLE_TAKEN;
    self->taken[at].bstar = bstar;
    self->taken[at].number = (uint8_t) number;
}

//  Asks for a fresh look at the table meta, once at a time.
void zb_role_read (zb_role_t *self)
{
    if (!self->reading)
        zb_role_do (self, ZB_DO_READ);
    self->reading = true;
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

bool zb_role_may_lead (const zb_role_t *self)
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
const bstar_row_t *zb_role_bstar (zb_role_t *self, bstar_event_t event, bool may_lead, int64_t now)
{
    bstar_state_t before = self->bstar.state;
    bstar_facts_t facts = s_facts (self, may_lead, now);
    const bstar_row_t *row = bstar_step (&self->bstar, event, &facts);
    self->bstar_rows |= 1ull << row->number;
    bstar_state_t after = self->bstar.state;
    if (after == before)
        return row;
    zb_role_note_row (self, true, row->number);
    self->changed_ms = now;
    zb_patience_anew (&self->patience, now);
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
        //  Who has handed over is what a passive one in sync is: it lacks nothing that was answered, and until the new
        //  active one says `alone`, nothing is answered without it.
        self->yields = self->in_step = self->settled = event == BSTAR_YIELD;
        self->commit = self->closed;
        self->overtaken_ms = 0;
        zb_role_phase (self, ZB_PHASE_DOWN, now);
    }
    else {
        self->settled = self->yields = false;
        if (after == BSTAR_PASSIVE)
            zb_role_follow (self);
        else
            zb_role_read (self);
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
    zb_patience_init (&self->patience, silence);
    self->ack_limit = ack_limit;
    self->bstar = bstar_fsm (node == 1 ? BSTAR_PRIMARY : BSTAR_BACKUP);
    self->rejoin_delay = ZB_REJOIN_FIRST;
    self->run = zb_get32 (entropy) ^ zb_get32 (entropy + 4) ^ zb_get32 (entropy + 8) ^ zb_get32 (entropy + 12);
    self->life = self->run;
    self->unsent_ms = INT64_MAX;
    if (paired)
        memcpy (self->pair, entropy, ZB_PAIR_SIZE);
    memcpy (self->secret, entropy + ZB_PAIR_SIZE, ZB_SECRET_SIZE);
}

void zb_role_heartbeat (zb_role_t *self, int64_t interval)
{
    self->beat = interval;
}

void zb_role_adapt (zb_role_t *self, int64_t heartbeat, int64_t learn)
{
    zb_role_heartbeat (self, heartbeat);
    zb_patience_adapt (&self->patience, heartbeat, learn);
}

void zb_role_unsent (zb_role_t *self, int64_t ms)
{
    self->unsent_ms = ms;
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
        //  The epoch never came to the disk, so nothing was answered in it.  Its first commit may be on the peer's: the number
        //  is spent.
        zb_consent_saw (&self->consent, alone);
        zb_role_not_alone (self);
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

//  This store was made of a backup.
static void s_restored (zb_role_t *self, const uint8_t data[ZB_FORMER_SIZE])
{
    char commit[21];
    zb_number_format (zb_get64 (data), commit);
    memcpy (self->former, data + 8, ZB_SECRET_SIZE);
    snprintf (self->restored, sizeof self->restored, "restored at commit %s; say HELLO without token and instance",
              commit);
}

int zb_role_meta (zb_role_t *self, const zb_found_t *rows, size_t count, int64_t now)
{
    self->reading = false;
    if (self->phase != ZB_PHASE_IDLE && self->phase != ZB_PHASE_RISING)
        return 0; //  an answer from before: what this leadership has raised since is newer
    self->lineage.size = 0;
    self->commit = self->newest_id = 0;
    self->formed = false;
    *self->restored = 0;
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
        else if (zb_frame_is (key, ZB_META_FORMER)) {
            bad = size < ZB_FORMER_SIZE;
            if (!bad)
                s_restored (self, data);
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
        zb_role_read (self);
    s_look_in_step (self);
    if (self->opened)
        zb_role_note (self, self->level.store);
    self->closed = self->here = self->commit;
    self->fresh = self->fresh && !self->formed;
    zb_role_look (self, false, now);
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
        zb_role_not_alone (self);
    }
    zb_role_look (self, false, now);
}

//  Nothing that this store has more than the peer is needed any more.
static void s_give_up (zb_role_t *self)
{
    self->diverged = false;
    if (self->alone)
        zb_role_not_alone (self);
    zb_role_follow (self);
    self->todo[(self->todo_first + self->todo_size - 1) % ZB_DO_MAX].rollback = true;
}

//  What goes if this store is brought level with the peer's?  The peer, which leads, and has heard this one since it
//  diverged, says by its epochs what it holds.
static void s_judge (zb_role_t *self, int64_t now)
{
    if (!self->diverged || self->bstar.state != BSTAR_PASSIVE || !zb_role_peer_leads (self, now) ||
        self->echoed_ms <= self->diverged_ms)
        return;
    zb_lineage_t peer;
    zb_beat_lineage (&self->peer, &peer);
    zb_tail_t tail = zb_lineage_tail (&peer, self->peer.commit, &self->lineage, self->commit);
    //  What was answered alone is replayed, and the answer to that says what the peer holds; but not from a store that is
    //  not trusted if the peer has it all.  What such a store has more, and was not alone, nobody can vouch for.
    if (self->alone ? tail == ZB_TAIL_HELD && self->suspect : tail != ZB_TAIL_LACKED || self->suspect)
        s_give_up (self);
    else
        self->peer_lacks = true;
}

void zb_role_diverged (zb_role_t *self, int64_t now)
{
    self->in_step = self->peer_lacks = false;
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
    zb_lineage_cut (&self->lineage, zb_role_epochs_most (self));
    zb_role_do (self, ZB_DO_BEAT);
}

void zb_role_granted (zb_role_t *self, bool granted, uint64_t epoch)
{
    //  A grant can be late: only one of a peer that is heard, and is not alone, is true.  It can be early, too: it may
    //  overtake the heartbeat that says that the peer is no longer alone.  Whoever goes alone again names a newer
    //  epoch.
    bool heard = self->heard && !self->dead && self->ticked_ms - self->heard_ms <= zb_patience_limit (&self->patience);
    self->in_step = granted && self->bstar.state == BSTAR_PASSIVE && heard && self->peer.alone <= epoch;
    self->step_from = epoch;
    self->step_known = false;
    if (self->in_step && !self->reading) {
        zb_role_read (self);
        self->glance = true;
    }
    zb_role_do (self, ZB_DO_SAY);
}

void zb_role_saved (zb_role_t *self, int64_t now)
{
    self->saving = false;
    zb_role_phase (self, ZB_PHASE_SAVED, now);
    zb_role_look (self, false, now);
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
    zb_role_look (self, false, now);
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

void zb_role_durable (zb_role_t *self, uint64_t here, uint64_t there, int64_t now)
{
    if (there > self->there && (self->alone || zb_role_echo_fresh (self, now)))
        self->progress_ms = now;
    self->here = here;
    self->there = there;
    self->acked = there > self->acked ? there : self->acked;
    zb_role_look (self, false, now);
}

//  Whether this epoch is near those that are known here.  The next one is raised above it, and their numbers end.
static bool s_in_reach (const zb_role_t *self, uint64_t epoch)
{
    uint64_t known = zb_role_epoch (self);
    if (self->alone > known)
        known = self->alone;
    return epoch <= known + ZB_EPOCH_REACH;
}

//  What this heartbeat says of the link.  A gap counts once the next heartbeat says that the peer's process was not stopped
//  meanwhile: that may not be in the first one yet.
static void s_learn (zb_role_t *self, const zb_beat_t *beat, int64_t echoed, int64_t now)
{
    if (!self->heard || beat->patience == 0 || beat->life != self->peer.life) {
        self->gap_ms = 0;
        self->met_ms = now;
        zb_patience_anew (&self->patience, now);
        return;
    }
    if (self->gap_ms)
        zb_patience_heard (&self->patience, self->gap_ms, self->gap_age, now);
    self->gap_ms = now - zb_role_silent_since (self);
    //  The one before is of a heartbeat that neither stop has held up.
    bool newer = echoed > self->echoed_ms && self->echoed_ms > self->awake_ms && self->echoed_ms > self->met_ms;
    self->gap_age = newer ? now - self->still_ms - self->echoed_ms : 0;
}

bool zb_role_beat (zb_role_t *self, const zb_beat_t *beat, int64_t echoed, int64_t now)
{
    if (!s_in_reach (self, beat->alone) || !s_in_reach (self, zb_beat_newest (beat).number))
        return false;
    if (beat->node == self->node)
        return true;
    bool returns = self->bstar.state == BSTAR_PASSIVE && zb_role_peer_gone (self, now);
    //  A smaller limit was named before it was in force, and may have been in force in a stop that ends with this turn.
    if (beat->patience && beat->patience < zb_role_patience_there (self))
        self->peer.patience = beat->patience;
    //  Whether the peer may have led meanwhile is told by what it has echoed now.
    zb_role_gap (self, now);
    s_learn (self, beat, echoed, now);
    self->peer = *beat;
    if (beat->tail.size)
        self->known = *beat;
    self->heard = true;
    self->dead = false;
    self->heard_ms = now;
    self->still_ms = 0;
    if (echoed > self->echoed_ms && self->owes && self->live && self->there >= self->closed)
        self->progress_ms = now;
    self->echoed_ms = echoed;
    if (echoed > self->stopped_ms)
        self->stopped = 0;
    if (self->shared)
        zb_role_compare (self);
    //  A peer that is alone answers what this store lacks; when it is not, all that it answered is here, too.  It was
    //  so when it granted that: then the heartbeat is older.
    if (beat->alone > self->step_from)
        self->in_step = false;
    //  An active one that is about to go alone, and its clients, wait for the echo of this heartbeat.
    if (beat->alone && beat->state == BSTAR_ACTIVE && self->bstar.state == BSTAR_PASSIVE)
        zb_role_do (self, ZB_DO_BEAT);
    //  And that one asks again if the echo is of a heartbeat that left in the millisecond in which it began to tell: it
    //  may be one from before.
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
    //  It follows and has heard this one since: it has not led meanwhile, or it was a split, which this one has won, and
    //  into which it replays what it has answered.
    if (self->overtaken_ms && echoed > self->overtaken_ms && beat->state == BSTAR_PASSIVE && event != BSTAR_PEER_ACTIVE)
        self->overtaken_ms = 0;
    //  Heartbeats may be slower than the link: the peer may have become active since it said that it waits.  It counts
    //  once the peer knows what this one is now: then both decide by the same facts.
    bool waits = event == BSTAR_PEER_PRIMARY || event == BSTAR_PEER_BACKUP;
    if (!waits || self->bstar.state == BSTAR_ACTIVE || echoed > self->changed_ms)
        zb_role_bstar (self, event, zb_role_may_lead (self), now);
    //  What an active peer sends may be applied at any time: the last look at the store is old.
    if (self->bstar.state == BSTAR_PASSIVE && beat->state == BSTAR_ACTIVE)
        self->settled = false;
    if (self->shared && self->bstar.state != BSTAR_ACTIVE)
        zb_role_judge_share (self);
    s_judge (self, now);
    zb_role_look (self, false, now);
    //  What was said last may have been said while the peer was not heard.
    if (returns && self->bstar.state == BSTAR_PASSIVE)
        zb_role_do (self, ZB_DO_SAY);
    return true;
}

void zb_role_dead (zb_role_t *self, int64_t now)
{
    self->dead = true;
    self->held_epoch = 0;
    if (self->bstar.state == BSTAR_PASSIVE)
        zb_role_read (self);
    zb_role_look (self, false, now);
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

//  Consent that is not needed: the two are together.  What a follower holds alone it will not answer for again before
//  the leader has it; but the leader has to know of it, and to lead all the same, as it does after a split or from a
//  copy.  Else it may go on alone with that consent, without what it lacks.  One that leads only since this disk is not
//  trusted must have all of it before.  And not before the disk says so: the other one may go on alone with it at once.
static void s_hand_back (zb_role_t *self, int64_t now)
{
    if (self->saving)
        return;
    bool follows = self->bstar.state == BSTAR_PASSIVE && zb_role_peer_leads (self, now);
    bool known = follows && self->echoed_ms > self->changed_ms && (!self->suspect || self->peer.alone);
    if (self->phase == ZB_PHASE_PAIRED || (follows && (!self->alone || known)))
        zb_consent_return (&self->consent, follows, self->in_step || known, now);
}

void zb_role_tick (zb_role_t *self, bool client_waits, int64_t now)
{
    zb_role_wake (self, now);
    self->ticked_ms = now;
    zb_patience_look (&self->patience, self->echoed_ms, self->peer.patience > 0, now);
    s_hand_back (self, now);
    if (self->phase == ZB_PHASE_PAIRED)
        zb_consent_refresh (&self->consent, now);
    //  The limit and the fresh interval run while the peer owes an ack, or an echo, for which a client waits.
    if (!client_waits || zb_role_peer_owes_nothing (self, now)) {
        if (self->phase == ZB_PHASE_PROBING)
            self->probe_ms = now;
        else
            self->progress_ms = now;
    }
    zb_role_look (self, client_waits, now);
    //  The last moment to look: from the heartbeat that says so, the peer leads.
    if (self->phase == ZB_PHASE_DRAINING && !client_waits && self->here >= self->closed &&
        self->there >= self->closed && zb_role_echo_fresh (self, now))
        zb_role_bstar (self, BSTAR_YIELD, false, now);
}
