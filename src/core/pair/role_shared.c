/*  =========================================================================
    role_shared - the role of a broker that shares its store with its peer

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    There is one copy, so nobody answers alone and nothing is replayed: who leads is
    decided by the lock of the store.  What is left to know is whether the folder is the
    one that the peer serves from, and whether its locks reach both machines.

    The proof of both is a lock that is seen held in the epoch in which the peer serves
    (met_epoch), be it before the peer was heard to serve.  A peer that serves before and
    after nobody was seen to hold it is cause for doubt (blind).  What the doubt says
    depends on the proof in the same epoch:

    - Without it the folder may be a copy, made while the peer served, or one whose locks
      stay on a machine.  The peer's death changes neither, so the doubt ends only when
      the lock is seen held.
    - With it the folder is the right one, and the peer has lost its lock: the file was
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
    uint64_t epoch = zb_lineage_newest (&self->peer.tail).number;
    if (!self->peer.serving || self->bstar.state == BSTAR_ACTIVE)
        return;
    if (self->held_epoch >= epoch)
        self->met_epoch = epoch;
    if (self->doubt_ms && self->echoed_ms > self->doubt_ms && self->doubt_epoch == epoch)
        self->blind = true;
}

//  What is wrong with the folder of a shared store, by all that the peer was heard to say; NULL if nothing.
const char *zb_role_other_store (const zb_role_t *self)
{
    zb_beat_t own;
    zb_role_tell (self, &own);
    if (self->unread)
        return self->holder;
    if (!self->heard)
        return NULL;
    if (!self->peer.shared)
        return "waiting: the other broker's store is not a shared one: start both with --shared, or neither";
    if (!zb_beat_same_pair (&own, &self->peer))
        return "waiting: the other broker uses another folder: both must name the same one";
    if (self->lock_epoch < zb_lineage_newest (&self->peer.tail).number)
        return "waiting: the folder holds an older copy of the store that the other broker has served from";
    if (self->blind && self->met_epoch != self->doubt_epoch)
        return "waiting: the other broker serves, and nobody is seen to hold the lock: this is another folder, or the "
               "file system's locks do not reach the other machine";
    if (self->blind && !s_has_ended (self))
        return "waiting: the other broker has lost the lock of the shared store, and has to end before anybody takes "
               "it";
    return NULL;
}

//  A shared store: whoever gets the lock may lead; but nobody begins a new store alone, and nobody takes for the peer's
//  store what is another one.
bool zb_role_may_take (const zb_role_t *self)
{
    bool met = self->heard && memcmp (self->pair, self->peer.pair, ZB_PAIR_SIZE) == 0;
    return self->opened && !self->held && (met || !self->fresh) && !zb_role_other_store (self) &&
           self->ticked_ms >= self->retry_ms;
}

//  In step is a passive broker that has proof: whatever happens to the peer or to its lock, it may take the store over.
void zb_role_judge_share (zb_role_t *self)
{
    bool was = self->in_step;
    self->in_step = self->bstar.state == BSTAR_PASSIVE && self->heard && self->peer.serving && !self->fresh &&
                    !zb_role_other_store (self) && self->met_epoch == zb_lineage_newest (&self->peer.tail).number;
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
    uint64_t served = zb_lineage_newest (&self->peer.tail).number;
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

void zb_role_proved (zb_role_t *self, int64_t proved)
{
    self->proved_ms = proved;
}

//  Why a broker with a shared store does not lead.
const char *zb_role_why_shared (const zb_role_t *self, int64_t now)
{
    const char *other = zb_role_other_store (self);
    bool gone = zb_role_peer_gone (self, now);
    if (other)
        return other;
    if (self->bstar.state == BSTAR_PASSIVE && !gone)
        return self->in_step ? "passive, in step: only the other broker has the shared store open"
               : self->fresh ? "passive: the shared store is new"
                             : "passive: the other broker was not seen yet to hold the lock of this folder and serve";
    if (self->held)
        return self->holder;
    if (self->fresh && !self->heard)
        return "waiting for the peer: a new pair forms when both brokers meet";
    if (self->denied)
        return self->denied;
    return gone ? "ready to take the shared store over" : "waiting: the brokers are agreeing who leads";
}
