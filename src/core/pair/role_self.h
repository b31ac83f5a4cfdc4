/*  =========================================================================
    role_self - what the files of the class role share

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    role.c has Binary Star, and what is learned; role_phase.c the phase: its facts and
    effects; role_asked.c what operators and clients want; role_shared.c the shared store;
    role_level.c the store's level; role_says.c what follows from the state.  Nobody else
    includes this.
*/

#ifndef ZB_ROLE_SELF_H_INCLUDED
#define ZB_ROLE_SELF_H_INCLUDED

#include <string.h>

#include "core/pair/role.h"

//  Adds an effect and returns it, to be filled.
zb_do_t *zb_role_do (zb_role_t *self, zb_do_kind_t kind);
//  Remembers a row that led on.
void zb_role_note_row (zb_role_t *self, bool bstar, int number);
//  Asks for a fresh look at the table meta, once at a time.
void zb_role_read (zb_role_t *self);

//  Binary Star.  Takes one step, and what follows from it.
const bstar_row_t *zb_role_bstar (zb_role_t *self, bstar_event_t event, bool may_lead, int64_t now);
//  Whether it may lead without asking the peer, but for the token.
bool zb_role_may_lead (const zb_role_t *self);

//  The phase.  Takes the row for this event.
void zb_role_phase (zb_role_t *self, zb_phase_event_t event, int64_t now);
//  Looks what the facts have become, until no row leads on.
void zb_role_look (zb_role_t *self, bool client_waits, int64_t now);
//  The time between this turn and the last one is no time in which the peer was listened to, and what a process that was
//  stopped believes of its peer may be long over: it listens afresh.
void zb_role_gap (zb_role_t *self, int64_t now);
//  That, and the peer may have led meanwhile, by what it was heard to say.
void zb_role_wake (zb_role_t *self, int64_t now);
//  Nothing is owed by the peer: it has acked all that was closed, and it hears us.
bool zb_role_peer_owes_nothing (const zb_role_t *self, int64_t now);
//  The store follows; nothing is rolled back before it is known what that would be.
void zb_role_follow (zb_role_t *self);
//  Nothing was answered without the peer, or it has all of it by now.
void zb_role_not_alone (zb_role_t *self);
//  ms until a peer that stalled is taken back for the first time, or one that died.
#define ZB_REJOIN_FIRST 1000

//  Levels.  An effect that writes the node's own file.
void zb_role_save_node (zb_role_t *self);
//  The store may be of this level soon: the node's file has to name it first.  A shared store's is written by its holder.
void zb_role_note (zb_role_t *self, unsigned level);
//  This broker is about to lead: a store that is new gets the highest level that both brokers read.
void zb_role_form_level (zb_role_t *self);
//  The peer was heard.  Whether the two can be a pair by what they say of levels.
bool zb_role_compare_levels (zb_role_t *self, const zb_beat_t *own);
//  Raises the level if it is to be raised and all is ready for it.
void zb_role_rise (zb_role_t *self);

//  Of a shared store.  The peer was heard: compares what it says with the last look at the lock.
void zb_role_compare (zb_role_t *self);
//  What is wrong with the folder, or with the peer's lock, by all that the peer was heard to say; NONE if nothing.
zb_reason_t zb_role_other_store (const zb_role_t *self);
//  Whether this broker may try to take the lock.
bool zb_role_may_take (const zb_role_t *self);
//  Sets `in sync` of a passive broker by what it knows now.
void zb_role_judge_share (zb_role_t *self);
//  Why this broker does not lead.
zb_reason_t zb_role_reason_shared (const zb_role_t *self, int64_t now);

//  Rules (a) and (b) of who may lead without asking the peer, but for the token: by what was last read of the store.
bool zb_role_entitled (const zb_role_t *self);

//  The number of the newest epoch of this store.
static inline uint64_t zb_role_epoch (const zb_role_t *self)
{
    return zb_lineage_newest (&self->lineage).number;
}

//  The peer was heard to have led, or to have answered alone, in an epoch that this store lacks.
static inline bool zb_role_behind (const zb_role_t *self)
{
    zb_beat_t own = {.node = self->node, .tail = self->lineage, .shared = self->shared};
    memcpy (own.pair, self->pair, ZB_PAIR_SIZE);
    return zb_beat_same_pair (&own, &self->known) &&
           (zb_beat_ahead (&self->known, &own) || zb_lineage_lacks (&self->lineage, &self->known.tail));
}

//  The witness has not consented that this broker goes on alone.
static inline bool zb_role_bound (const zb_role_t *self)
{
    return !zb_consent_given (&self->consent, self->alone, zb_role_epoch (self));
}

//  The peer may have led while this process was stopped.  A witness would have noted it.
static inline bool zb_role_overtaken (const zb_role_t *self)
{
    return self->overtaken_ms && !self->consent.needed;
}

//  When the peer was heard last, or this process, which was stopped, began to listen again.  The clock of this stands still
//  while it does not listen.
static inline int64_t zb_role_silent_since (const zb_role_t *self)
{
    return (self->heard_ms > self->awake_ms ? self->heard_ms : self->awake_ms) + self->still_ms;
}

//  For how long the peer waits at least, from when it has heard a heartbeat of ours, until it may lead.  It names that, and
//  keeps it (core/pair/patience); more than this one would wait is not counted on.
static inline int64_t zb_role_patience_there (const zb_role_t *self)
{
    int64_t named = self->peer.patience;
    if (named == 0)
        return self->silence;
    return named < self->patience.most ? named : self->patience.most;
}

//  The peer hears us, and does not take us for gone yet.
static inline bool zb_role_echo_fresh (const zb_role_t *self, int64_t now)
{
    return self->echoed_ms && now - self->echoed_ms < zb_role_patience_there (self);
}

#endif
