/*  =========================================================================
    acts - what operators ask of a broker

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The proof comes first (io/broker/operator).  Then the verb says who does it: the role (core/pair/act),
    the engine (KEY), or the store (BACKUP).  One request that is not over waits here;
    each turn looks whether it is.
*/

#include <czmq.h>

#include "core/pair/act.h"
#include "io/broker/broker_self.h"

//  Answers it, or holds it until it is over.
static void s_answer (zb_broker_t *self, const zb_request_t *request, const zb_act_t *act)
{
    switch (act->state) {
    case ZB_ACT_ON:
        zb_operator_hold (self->operator, request, self->now);
        break;
    case ZB_ACT_DONE:
        zb_broker_ok (self, request, act->text);
        break;
    case ZB_ACT_REFUSED:
        zb_broker_refuse (self, request, act->code, act->text);
        break;
    }
}

static void s_act (zb_broker_t *self, const zb_request_t *request)
{
    bool promotes = request->verb == ZB_PROMOTE;
    if (!promotes && zb_operator_since (self->operator)) {
        zb_broker_refuse (self, request, ZB_NOT_READY, "another operator's request is being done");
        return;
    }
    if (promotes && self->claimant)
        zb_claimant_prove (self->claimant, request->witness_proof.data, request->witness_proof.size);
    zb_act_t act = zb_act_ask (&self->role, request->verb, self->now);
    if (promotes)
        self->promoted = act.state == ZB_ACT_DONE;
    zb_broker_carry_out (self);
    if (promotes && act.state == ZB_ACT_DONE)
        zb_log (ZB_LOG_WARNING, "promoted by an operator who accepts loss: %s", act.text);
    s_answer (self, request, &act);
}

//  Answered with its number; STATUS tells the rest.
static void s_backup (zb_broker_t *self, const zb_request_t *request)
{
    zb_status_t *status = &self->status;
    const char *why;
    if (request->options.size && zb_engine_leads (self->engine) && status->stats.merging)
        why = "what the other broker has answered alone is being taken over: wait until that is done";
    else
        why = zb_backups_ask (&status->backup, self->store, request->options, request->max);
    char number[21];
    zb_number_format (status->backup.serial, number);
    if (why)
        zb_broker_refuse (self, request, ZB_NOT_READY, why);
    else
        zb_broker_ok (self, request, number);
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
        s_backup (self, request);
    else
        s_act (self, request);
}

void zb_broker_look_at_operator (zb_broker_t *self)
{
    int64_t since = zb_operator_since (self->operator);
    if (!since)
        return;
    zb_act_t act = zb_act_look (&self->role, zb_operator_verb (self->operator), zb_broker_peer_endpoint (self), since,
                                self->now);
    if (act.state != ZB_ACT_ON)
        s_answer (self, &zb_operator_take (self->operator)->request, &act);
}
