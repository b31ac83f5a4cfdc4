/*  =========================================================================
    role_shared - the role of a broker that shares its store with its peer

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    There is one copy, so nobody answers alone and nothing is replayed: who leads is
    decided by the lock of the store.  What is left to know is whether the folder is the
    one that the peer serves from, and whether its locks reach both machines.

    What shows both is a lock that is seen held in the epoch in which the peer serves
    (met_epoch), be it before the peer was heard to serve.  A peer that serves before and
    after nobody was seen to hold it is cause for doubt (blind).  What the doubt says
    depends on whether it was seen held in the same epoch:

    - If not, the folder may be a copy, made while the peer served, or one whose locks
      stay on a machine.  The peer's death changes neither, so the doubt ends only when
      the lock is seen held.
    - If so, the folder is the right one, and the peer has lost its lock: the file was
      removed or replaced, or the file system forgot it.  The peer ends as soon as it
      learns that, within its lease if it runs; till then it may write.  So the doubt
      ends with the peer: proven dead, heard as one that does not serve, or silent for
      a lease.
*/

#include <string.h>

#include "core/pair/role_self.h"

void zb_role_share (zb_role_t *self, int64_t lease)
{
    self->shared = true;
    self->lease = lease;
}

//  A peer that lost its lock writes no more.
static bool s_has_ended (const zb_role_t *self)
{
    return self->dead || !self->peer.serving || self->ticked_ms - zb_role_silent_since (self) > self->lease;
}

void zb_role_compare (zb_role_t *self)
{
    uint64_t epoch = zb_beat_newest (&self->peer).number;
    if (!self->peer.serving || self->bstar.state == BSTAR_ACTIVE)
        return;
    if (self->held_epoch >= epoch)
        self->met_epoch = epoch;
    if (self->doubt_ms && self->echoed_ms > self->doubt_ms && self->doubt_epoch == epoch)
        self->blind = true;
}

//  What is wrong with the folder of a shared store, by all that the peer was heard to say; NONE if nothing.
zb_reason_t zb_role_other_store (const zb_role_t *self)
{
    zb_beat_t own;
    zb_role_tell (self, &own);
    if (self->unread)
        return ZB_REASON_LOCK_UNREAD;
    if (!self->heard)
        return ZB_REASON_NONE;
    if (!self->peer.shared)
        return ZB_REASON_NOT_SHARED;
    if (!zb_beat_same_pair (&own, &self->peer))
        return ZB_REASON_OTHER_FOLDER;
    if (self->lock_epoch < zb_beat_newest (&self->peer).number)
        return ZB_REASON_OLDER_FOLDER;
    if (self->blind && self->met_epoch != self->doubt_epoch)
        return ZB_REASON_LOCK_DOUBT;
    if (self->blind && !s_has_ended (self))
        return ZB_REASON_LOCK_LOST;
    return ZB_REASON_NONE;
}

//  A shared store: whoever gets the lock may lead; but nobody begins a new store alone, and nobody takes for the peer's
//  store what is another one.
bool zb_role_may_take (const zb_role_t *self)
{
    bool met = self->heard && memcmp (self->pair, self->peer.pair, ZB_PAIR_SIZE) == 0;
    return self->opened && !self->held && (met || !self->fresh) && !zb_role_other_store (self) &&
           self->ticked_ms >= self->retry_ms;
}

//  In sync is a passive broker that has seen the lock held: whatever happens to the peer or to its lock, it may lead.
void zb_role_judge_share (zb_role_t *self)
{
    bool was = self->in_step;
    self->in_step = self->bstar.state == BSTAR_PASSIVE && self->heard && self->peer.serving && !self->fresh &&
                    !zb_role_other_store (self) && self->met_epoch == zb_beat_newest (&self->peer).number;
    if (self->in_step != was)
        zb_role_do (self, ZB_DO_SAY);
}

void zb_role_lock (zb_role_t *self, bool held, const uint8_t store[ZB_PAIR_SIZE], uint64_t epoch, const char *holder,
                   int64_t now)
{
    self->unread = store == NULL;
    if (store) {
        memcpy (self->pair, store, ZB_PAIR_SIZE);
        self->lock_epoch = epoch;
    }
    self->held = held;
    self->holder = holder;
    self->looked_ms = now;
    self->settled = true;
    bool doubt = !held && self->heard && self->peer.serving && !zb_role_peer_gone (self, now);
    uint64_t served = zb_beat_newest (&self->peer).number;
    if (!doubt)
        self->doubt_ms = 0;
    else if (!self->doubt_ms || self->doubt_epoch != served) {
        //  What the peer lost with its lock in an older epoch is over.
        self->blind = self->blind && self->met_epoch != self->doubt_epoch;
        self->doubt_ms = now;
        self->doubt_epoch = served;
    }
    if (held && store)
        self->blind = false;
    if (self->bstar.state == BSTAR_ACTIVE)
        return;
    if (held && store)
        self->held_epoch = epoch;
    if (self->heard)
        zb_role_compare (self);
    self->fresh = self->lock_epoch == 0;
    zb_role_judge_share (self);
}

void zb_role_denied (zb_role_t *self, const char *text, int64_t now)
{
    if (self->leads)
        self->leads--;
    if (self->phase != ZB_PHASE_RISING || self->leads)
        return;
    self->denied = text;
    self->retry_ms = text ? now + self->lease : 0;
    self->bstar.state = self->bstar.home;
    self->changed_ms = now;
    zb_role_phase (self, ZB_PHASE_DOWN, now);
}

void zb_role_confirmed (zb_role_t *self, int64_t confirmed)
{
    self->confirmed_ms = confirmed;
}

//  Why a broker with a shared store does not lead.
zb_reason_t zb_role_reason_shared (const zb_role_t *self, int64_t now)
{
    zb_reason_t other = zb_role_other_store (self);
    bool gone = zb_role_peer_gone (self, now);
    if (other)
        return other;
    if (self->bstar.state == BSTAR_PASSIVE && !gone)
        return self->in_step ? ZB_REASON_SHARED_IN_STEP : self->fresh ? ZB_REASON_SHARED_NEW : ZB_REASON_SHARED_UNSEEN;
    if (self->held)
        return ZB_REASON_LOCK_HELD;
    if (self->fresh && !self->heard)
        return ZB_REASON_NEW;
    if (self->denied)
        return ZB_REASON_DENIED;
    return gone ? ZB_REASON_SHARED_READY : ZB_REASON_AGREEING;
}
