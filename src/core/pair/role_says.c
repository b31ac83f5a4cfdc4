/*  =========================================================================
    role_says - what follows from the state of the role

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Nothing here changes the role: what it means for clients, for the peer, for the
    witness and for operators.
*/

#include <stdio.h>
#include <string.h>

#include "core/pair/role_self.h"

bool zb_role_peer_gone (const zb_role_t *self, int64_t now)
{
    return self->dead || now - zb_role_silent_since (self) > zb_patience_limit (&self->patience);
}

bool zb_role_peer_leads (const zb_role_t *self, int64_t now)
{
    return self->heard && !zb_role_peer_gone (self, now) && self->peer.state == BSTAR_ACTIVE;
}

bool zb_role_replays (const zb_role_t *self, int64_t now)
{
    return self->diverged && (self->alone || self->peer_lacks) && self->bstar.state == BSTAR_PASSIVE &&
           self->lineage.size && zb_role_peer_leads (self, now) && !*self->misfit;
}

bool zb_role_wish (const zb_role_t *self, witness_event_t *event, uint64_t *epoch)
{
    return zb_consent_wish (&self->consent, zb_role_epoch (self), event, epoch);
}

//  Whether the peer, which is there and does not lead, holds commits that this store lacks: it waits to replay them.
static bool s_lacks_of_peer (const zb_role_t *self, int64_t now)
{
    uint64_t commit = self->closed > self->commit ? self->closed : self->commit;
    return self->heard && !zb_role_peer_gone (self, now) && self->peer.state == BSTAR_PASSIVE && !self->live &&
           zb_lineage_tail (&self->lineage, commit, &self->peer.tail, self->peer.commit) == ZB_TAIL_LACKED;
}

zb_reason_t zb_role_withholds (const zb_role_t *self, int64_t now)
{
    bool probed = now - self->probe_ms >= self->silence;
    if (zb_role_overtaken (self) && (self->phase == ZB_PHASE_SEVERING || (self->phase == ZB_PHASE_PROBING && probed)))
        return ZB_REASON_OVERTAKEN;
    if (self->phase != ZB_PHASE_PROBING || !probed)
        return ZB_REASON_NONE;
    if (self->wait)
        return s_lacks_of_peer (self, now) ? ZB_REASON_PEER_LOSS_REPLAY : ZB_REASON_PEER_LOSS;
    return zb_role_bound (self) ? zb_consent_reason (&self->consent, self->silence, now) : ZB_REASON_NONE;
}

zb_release_t zb_role_release (const zb_role_t *self, int64_t now, zb_durable_t *durable)
{
    *durable = self->phase == ZB_PHASE_SINGLE  ? self->shared ? ZB_DURABLE_SHARED : ZB_DURABLE_SINGLE
               : self->phase == ZB_PHASE_ALONE ? ZB_DURABLE_SOLO
                                               : ZB_DURABLE_BOTH;
    switch (self->phase) {
    case ZB_PHASE_SINGLE:
        //  A process that was stopped may have lost the lock meanwhile.
        return !self->shared || now - self->confirmed_ms < self->lease ? ZB_RELEASE_HERE : ZB_RELEASE_HOLD;
    case ZB_PHASE_ALONE:
        return ZB_RELEASE_HERE;
    case ZB_PHASE_JOINING:
    case ZB_PHASE_CLEARING:
    case ZB_PHASE_PAIRED:
    case ZB_PHASE_PROBING:
    case ZB_PHASE_DRAINING:
        //  A process that was stopped may have been replaced meanwhile: only a peer that hears us and follows proves
        //  otherwise.  One that has just started hears us, too, and does not know yet what it has answered.
        if (self->overtaken_ms && !self->alone)
            return ZB_RELEASE_HOLD;
        return self->alone || zb_role_echo_fresh (self, now) ? ZB_RELEASE_BOTH : ZB_RELEASE_HOLD;
    default:
        return ZB_RELEASE_HOLD;
    }
}

bool zb_role_peer_in_step (const zb_role_t *self)
{
    return self->live && self->granted == self->session;
}

bool zb_role_drains (const zb_role_t *self)
{
    return self->phase == ZB_PHASE_DRAINING;
}

bool zb_role_yields (const zb_role_t *self, int64_t now)
{
    return self->yields && !zb_role_peer_gone (self, now) && now - self->changed_ms < self->silence;
}

void zb_role_tell (const zb_role_t *self, zb_beat_t *beat)
{
    memset (beat, 0, sizeof *beat);
    beat->node = self->node;
    beat->state = self->bstar.state;
    beat->settled = self->opened && self->settled;
    beat->fresh = self->fresh;
    beat->complete = self->complete;
    beat->suspect = self->suspect;
    beat->in_step = self->in_step;
    beat->yields = self->yields;
    beat->serving = self->phase >= ZB_PHASE_SINGLE;
    beat->shared = self->shared;
    if (self->formed || (self->shared && self->opened))
        memcpy (beat->pair, self->pair, ZB_PAIR_SIZE);
    beat->commit = self->closed > self->commit ? self->closed : self->commit;
    beat->alone = self->alone;
    size_t from = self->lineage.size > ZB_BEAT_EPOCHS ? self->lineage.size - ZB_BEAT_EPOCHS : 0;
    beat->tail.size = self->lineage.size - from;
    memcpy (beat->tail.epoch, self->lineage.epoch + from, beat->tail.size * sizeof *beat->tail.epoch);
    beat->level = self->level;
    beat->patience = (uint32_t) zb_patience_told (&self->patience);
    beat->life = self->life;
}

//  Of a broker that is active.
static zb_reason_t s_reason_active (const zb_role_t *self, int64_t now)
{
    static const zb_reason_t phases[ZB_PHASES] = {
        [ZB_PHASE_RISING] = ZB_REASON_RISING,     [ZB_PHASE_RAISING] = ZB_REASON_RAISING,
        [ZB_PHASE_SINGLE] = ZB_REASON_SINGLE,     [ZB_PHASE_ALONE] = ZB_REASON_ALONE,
        [ZB_PHASE_JOINING] = ZB_REASON_JOINING,   [ZB_PHASE_CLEARING] = ZB_REASON_CLEARING,
        [ZB_PHASE_PAIRED] = ZB_REASON_PAIRED,     [ZB_PHASE_PROBING] = ZB_REASON_PROBING,
        [ZB_PHASE_SEVERING] = ZB_REASON_SEVERING, [ZB_PHASE_DRAINING] = ZB_REASON_DRAINING,
    };
    zb_reason_t withheld = zb_role_withholds (self, now);
    if (self->shared && self->phase == ZB_PHASE_RISING)
        return ZB_REASON_TAKING;
    if (self->shared && self->phase == ZB_PHASE_SINGLE)
        return ZB_REASON_SHARED;
    return withheld ? withheld : phases[self->phase];
}

//  Of one that is not, and has no peer that it hears.
static zb_reason_t s_reason_alone (const zb_role_t *self, int64_t now)
{
    zb_reason_t witness = zb_consent_reason (&self->consent, self->silence, now);
    if (self->wait)
        return ZB_REASON_PEER_LOSS_WAITS;
    if (witness)
        return witness;
    if (zb_role_entitled (self))
        return ZB_REASON_READY;
    if (self->diverged)
        return self->alone ? ZB_REASON_DIVERGED_WAITS : ZB_REASON_AHEAD_WAITS;
    return self->alone && zb_role_behind (self) ? ZB_REASON_BEHIND : ZB_REASON_UNKNOWN;
}

zb_reason_t zb_role_reason (const zb_role_t *self, int64_t now)
{
    bool gone = zb_role_peer_gone (self, now);
    bool follows = self->bstar.state == BSTAR_PASSIVE && !gone;
    if (self->bstar.state == BSTAR_ACTIVE && self->phase != ZB_PHASE_IDLE)
        return s_reason_active (self, now);
    if (!self->opened)
        return ZB_REASON_OPENING;
    if (self->shared)
        return zb_role_reason_shared (self, now);
    if (follows && self->diverged)
        return self->alone ? ZB_REASON_DIVERGED : ZB_REASON_AHEAD;
    if (follows)
        return self->in_step ? ZB_REASON_IN_STEP : ZB_REASON_CATCHING_UP;
    if (zb_role_yields (self, now))
        return ZB_REASON_YIELDED;
    if (self->suspect)
        return ZB_REASON_SUSPECT;
    if (!self->complete && !self->fresh)
        return ZB_REASON_INCOMPLETE;
    if (self->fresh && gone)
        return ZB_REASON_NEW;
    if (gone)
        return s_reason_alone (self, now);
    zb_beat_t own;
    zb_role_tell (self, &own);
    if (*self->misfit)
        return ZB_REASON_MISFIT;
    if (!zb_beat_same_pair (&own, &self->peer))
        return ZB_REASON_OTHER_PAIR;
    //  Neither may lead, by what both know of both.
    if (own.settled && self->peer.settled && zb_beat_rank (&own, &self->peer) == 0)
        return self->fresh ? ZB_REASON_PEER_UNFIT : ZB_REASON_PEER_SUSPECT;
    return ZB_REASON_AGREEING;
}

const char *zb_role_why (const zb_role_t *self, int64_t now)
{
    zb_reason_t reason = zb_role_reason (self, now);
    switch (reason) {
    case ZB_REASON_MISFIT:
        return self->misfit;
    case ZB_REASON_LOCK_HELD:
    case ZB_REASON_LOCK_UNREAD:
        return self->holder;
    case ZB_REASON_DENIED:
        return self->denied;
    default:
        return zb_reason_row (reason)->why;
    }
}

uint64_t zb_role_taken (const zb_role_t *self, uint64_t since, char text[ZB_ROLE_TAKEN_TEXT])
{
    size_t used = 0;
    *text = 0;
    if (self->takens - since > ZB_ROLE_TAKEN)
        since = self->takens - ZB_ROLE_TAKEN;
    for (; since < self->takens; since++) {
        bool bstar = self->taken[since % ZB_ROLE_TAKEN].bstar;
        used += (size_t) snprintf (text + used, ZB_ROLE_TAKEN_TEXT - used, "%s%s %u", used ? ", " : "",
                                   bstar ? "star" : "phase", self->taken[since % ZB_ROLE_TAKEN].number);
    }
    return self->takens;
}

bool zb_role_row (const zb_role_t *self, size_t index, uint8_t row[ZB_LINEAGE_MAX * ZB_EPOCH_SIZE], const char **key,
                  const void **value, size_t *size)
{
    switch (index) {
    case 0:
        *key = "lineage";
        *value = row;
        *size = zb_lineage_encode (&self->lineage, row);
        return true;
    case 1:
        *key = "format";
        *value = row;
        *size = zb_level_row_encode (self->level.store, row);
        return true;
    case 2:
        *key = "secret";
        *value = self->secret;
        *size = sizeof self->secret;
        return true;
    case 3:
        *key = "pair";
        *value = self->pair;
        *size = sizeof self->pair;
        return self->paired;
    default:
        return false;
    }
}
