/*  =========================================================================
    acts - what operators may do: promote, switch over, raise the level, keys, backups

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The proof comes first (io/broker/operator).  SWITCHOVER and UPGRADE are held until they
    are over: each turn looks whether that is so.
*/

#include <czmq.h>

#include "io/broker/broker_self.h"

//  An operator's SWITCHOVER or UPGRADE is answered after this time at the latest, ms.
#define OPERATE_LONGEST 5000

//  PROMOTE is answered with what may be lost.
static void s_promote (zb_broker_t *self, const zb_request_t *request)
{
    const zb_role_t *role = &self->role;
    char *text = zsys_sprintf ("this broker leads from commit %" PRIu64 " of epoch %" PRIu64 " on; what the other one has "
                               "answered OK after that is not here",
                               role->commit, zb_lineage_newest (&role->lineage).number);
    int code;
    if (self->claimant)
        zb_claimant_prove (self->claimant, request->witness_proof.data, request->witness_proof.size);
    const char *why = zb_role_promote (&self->role, self->now, &code);
    self->promoted = !why;
    zb_broker_carry_out (self);
    if (why)
        zb_broker_refuse (self, request, code, why);
    else {
        zb_log (ZB_LOG_WARNING, "promoted by an operator who accepts loss: %s", text);
        zb_broker_ok (self, request, text);
    }
    zstr_free (&text);
}

//  SWITCHOVER is answered when it is over.
static void s_switchover (zb_broker_t *self, const zb_request_t *request)
{
    int code = ZB_NOT_READY;
    const char *why = zb_operator_since (self->operator) ? "it is being done already"
                                                        : zb_role_yield (&self->role, self->now, &code);
    zb_broker_carry_out (self);
    if (why)
        zb_broker_refuse (self, request, code, why);
    else
        zb_operator_hold (self->operator, request, self->now);
}

//  UPGRADE is answered when the level is on the disks.
static void s_upgrade (zb_broker_t *self, const zb_request_t *request)
{
    char text[ZB_LEVEL_TEXT];
    const char *why = zb_operator_since (self->operator) ? "another operator's request is being done"
                                                         : zb_role_raise (&self->role, self->now, text);
    zb_broker_carry_out (self);
    if (why)
        zb_broker_refuse (self, request, ZB_NOT_READY, why);
    else
        zb_operator_hold (self->operator, request, self->now);
}

void zb_broker_operate (zb_broker_t *self, const zb_request_t *request)
{
    static const char unproven[] = "the proof is wrong: it takes this pair's name and secret, and the newest challenge";
    bool proven = zb_operator_proven (self->operator, request);
    //  A KEY without a change only looks.
    if (!proven)
        zb_broker_audit (self, ZB_AUDIT_UNPROVEN, zb_verb_name (request->verb), zb_frame (unproven));
    else if (request->verb != ZB_KEY || request->options.size)
        zb_broker_audit (self, ZB_AUDIT_DONE, zb_verb_name (request->verb), request->options);
    if (!proven)
        zb_broker_refuse (self, request, ZB_FORBIDDEN, unproven);
    else if (request->verb == ZB_KEY)
        zb_broker_serve (self, request);
    else if (request->verb == ZB_COPY)
        zb_broker_backup (self, request);
    else if (request->verb == ZB_PROMOTE)
        s_promote (self, request);
    else if (request->verb == ZB_UPGRADE)
        s_upgrade (self, request);
    else
        s_switchover (self, request);
}

//  Answers the operator's request that was held.
static void s_operated (zb_broker_t *self, bool done, const char *text)
{
    const zb_hello_t *asked = zb_operator_take (self->operator);
    if (done)
        zb_broker_ok (self, &asked->request, text);
    else
        zb_broker_refuse (self, &asked->request, ZB_NOT_READY, text);
}

//  Tells the operator how the switchover has ended, if it has.
static void s_switched (zb_broker_t *self, int64_t since)
{
    bool leads = self->role.bstar.state != BSTAR_ACTIVE && zb_role_peer_leads (&self->role, self->now);
    bool on = zb_role_drains (&self->role) || (self->role.yields && self->now - since < OPERATE_LONGEST);
    if (on && !leads)
        return;
    char *text = leads ? zsys_sprintf ("%s", zb_broker_peer_endpoint (self))
                       : zsys_sprintf ("the role was not handed over; %s", zb_role_why (&self->role, self->now));
    s_operated (self, leads, text);
    zstr_free (&text);
}

//  The same of the level.
static void s_raised (zb_broker_t *self, int64_t since)
{
    const zb_role_t *role = &self->role;
    bool risen = zb_role_risen (role);
    bool on = role->bstar.state == BSTAR_ACTIVE && (role->target || role->risen) && self->now - since < OPERATE_LONGEST;
    if (on && !risen)
        return;
    char *text = risen
                     ? zsys_sprintf ("%u", role->level.store)
                     : zsys_sprintf ("it is not known to have risen on both disks; %s", zb_role_why (role, self->now));
    s_operated (self, risen, text);
    zstr_free (&text);
}

void zb_broker_look_at_operator (zb_broker_t *self)
{
    int64_t since = zb_operator_since (self->operator);
    if (since && zb_operator_verb (self->operator) == ZB_UPGRADE)
        s_raised (self, since);
    else if (since)
        s_switched (self, since);
}
