/*  =========================================================================
    role_says - what follows from the state of the role

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Nothing here changes the role: what it means for clients, for the peer, for the
    witness and for operators.
*/

#include <string.h>

#include "core/pair/role_self.h"

bool zb_role_peer_gone (const zb_role_t *self, int64_t now)
{
    return self->dead || now - zb_role_silent_since (self) > self->silence;
}

bool zb_role_peer_leads (const zb_role_t *self, int64_t now)
{
    return self->heard && !zb_role_peer_gone (self, now) && self->peer.state == BSTAR_ACTIVE;
}

bool zb_role_replays (const zb_role_t *self, int64_t now)
{
    return self->diverged && (self->alone || self->keeps) && self->bstar.state == BSTAR_PASSIVE && self->lineage.size &&
           zb_role_peer_leads (self, now) && !*self->misfit;
}

bool zb_role_wish (const zb_role_t *self, witness_event_t *event, uint64_t *epoch)
{
    return zb_consent_wish (&self->consent, zb_role_epoch (self), event, epoch);
}

const char *zb_role_withholds (const zb_role_t *self, int64_t now)
{
    bool probed = now - self->probe_ms >= self->silence;
    if (zb_role_overtaken (self) && (self->phase == ZB_PHASE_SEVERING || (self->phase == ZB_PHASE_PROBING && probed)))
        return "waiting for the peer: this process was stopped, and the peer may have answered meanwhile";
    if (self->phase != ZB_PHASE_PROBING || !probed)
        return NULL;
    if (self->wait)
        return "the other broker does not acknowledge, and peer-loss = wait";
    return zb_role_bound (self) ? zb_consent_why (&self->consent, self->silence, now) : NULL;
}

zb_release_t zb_role_release (const zb_role_t *self, int64_t now, zb_durable_t *durable)
{
    *durable = self->phase == ZB_PHASE_SINGLE  ? self->shared ? ZB_DURABLE_SHARED : ZB_DURABLE_SINGLE
               : self->phase == ZB_PHASE_ALONE ? ZB_DURABLE_SOLO
                                               : ZB_DURABLE_BOTH;
    switch (self->phase) {
    case ZB_PHASE_SINGLE:
        //  A process that was stopped may have lost the lock meanwhile.
        return !self->shared || now - self->proved_ms < self->lease ? ZB_RELEASE_HERE : ZB_RELEASE_HOLD;
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
}

const char *zb_role_why (const zb_role_t *self, int64_t now)
{
    static const char *const phases[ZB_PHASES] = {
        [ZB_PHASE_RISING] = "active: the store is being made the master",
        [ZB_PHASE_RAISING] = "active: the new epoch is on its way to the disk",
        [ZB_PHASE_SINGLE] = "active without a pair",
        [ZB_PHASE_ALONE] = "active without its peer",
        [ZB_PHASE_JOINING] = "active: the peer is catching up",
        [ZB_PHASE_CLEARING] = "active: the peer has caught up",
        [ZB_PHASE_PAIRED] = "active, the peer is in step",
        [ZB_PHASE_PROBING] = "active: the peer does not acknowledge",
        [ZB_PHASE_SEVERING] = "active: telling the peer that it is left behind",
        [ZB_PHASE_DRAINING] = "active: handing over, nothing new is taken",
    };
    if (self->shared && self->phase == ZB_PHASE_RISING)
        return "active: the lock of the shared store is being taken, the fence run, the store recovered";
    if (self->shared && self->phase == ZB_PHASE_SINGLE)
        return "active on the shared store";
    const char *withheld = zb_role_withholds (self, now);
    if (self->bstar.state == BSTAR_ACTIVE && phases[self->phase])
        return withheld ? withheld : phases[self->phase];
    if (!self->opened)
        return "the store is being opened";
    if (self->shared)
        return zb_role_why_shared (self, now);
    if (self->diverged && !self->alone)
        return "diverged: this store holds commits that the peer lacks, as if one of the two had been set back to an older "
               "copy; they are replayed while the peer leads, and nothing is deleted before that";
    if (self->diverged)
        return "diverged: this store holds what was answered without the peer and what the peer lacks; it is replayed "
               "while the peer leads, and nothing is deleted before that";
    if (self->bstar.state == BSTAR_PASSIVE && !zb_role_peer_gone (self, now))
        return self->in_step ? "passive, in step" : "passive, catching up";
    if (zb_role_yields (self, now))
        return "waiting: the role was handed over, the other broker is about to lead";
    if (self->suspect)
        return "waiting for the peer: this store is not trusted, a sync to this disk failed or it was damaged";
    if (!self->complete && !self->fresh)
        return "waiting for the peer: this store is not complete";
    if (self->fresh && !self->heard)
        return "waiting for the peer: a new pair forms when both brokers meet";
    if (zb_role_peer_gone (self, now) && self->wait)
        return "waiting for the peer: peer-loss = wait";
    const char *witness = zb_consent_why (&self->consent, self->silence, now);
    if (zb_role_peer_gone (self, now) && witness)
        return witness;
    if (zb_role_peer_gone (self, now) && self->alone && zb_role_behind (self))
        return "waiting for the peer: it was heard to have led in an epoch that this store lacks; promote --accept-loss "
               "gives up what it holds more";
    if (zb_role_peer_gone (self, now))
        return self->in_step ? "ready to take over"
                             : "waiting for the peer: this broker was not in step when it was "
                               "last heard, so the peer may hold newer messages";
    zb_beat_t own;
    zb_role_tell (self, &own);
    if (*self->misfit)
        return self->misfit;
    if (!zb_beat_same_pair (&own, &self->peer))
        return "waiting: the other broker's store belongs to another pair";
    if (zb_beat_ahead (&self->peer, &own) && (self->peer.suspect || !self->peer.complete))
        return "waiting: the other broker has answered OK what this one lacks, and its store is not trusted";
    return "waiting: the brokers are agreeing who leads";
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
