/*  =========================================================================
    role_asked - what operators and clients want of the role

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    An operator has the role move, or this broker lead; a client's HELLO is a vote.
*/

#include "core/pair/role_self.h"

//  ms: a look at the lock of a shared store that is older is not the answer to a client that wants us to lead.
#define LOOK_OLD 20

//  ---------------------------------------------------------------------------------------------------------------
//  Operators

const char *zb_role_yield (zb_role_t *self, int64_t now, int *code)
{
    zb_role_wake (self, now);
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
        return "the other broker is not in sync";
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
        return zb_role_may_lead (self) && !self->wait && !forced
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
    zb_role_wake (self, now);
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
        zb_role_look (self, false, now);
        return NULL;
    }
    if (!self->settled) {
        zb_role_read (self);
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
    zb_role_bstar (self, BSTAR_PROMOTE, true, now);
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
    //  What the former pair has answered since the backup is not here: its clients have to know that before they go on.
    if (self->formed && *self->restored && zb_token_parse (&token, self->former, *text) == 0)
        return self->restored;
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
    zb_role_wake (self, now);
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
        zb_role_read (self);
        return ZB_VOTE_LATER;
    }
    bool may_lead = zb_role_may_lead (self);
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
    const bstar_row_t *row = zb_role_bstar (self, BSTAR_CLIENT_VOTE, may_lead, now);
    return row->verdict == BSTAR_ACCEPT ? ZB_VOTE_LATER : ZB_VOTE_REFUSE;
}
