/*  =========================================================================
    requests - what clients ask, and how they are answered

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A message is parsed, its sender's right is looked at, and then the verb says who handles
    it: the broker, an operator's act, the role's vote, or the engine.
*/

#include <czmq.h>

#include "io/broker/broker_self.h"

//  Messages that one turn takes from clients before the store is looked at again.
#define TURN_MESSAGES 1000
//  A HELLO waits this long for a broker that is about to lead, ms.
#define HELLO_LONGEST 5000

//  Sends and destroys a reply.  One that is too large for a client that does not read becomes a small one: each request is
//  answered, but by a client that is gone.
static void s_send (zb_broker_t *self, zb_reply_t *reply)
{
    int rc = zb_front_send (self->front, reply);
    if (rc == -1 && errno == ENOBUFS) {
        if (zb_engine_leads (self->engine))
            zb_engine_undelivered (self->engine, reply, self->now);
        zb_reply_spare (&reply, ZB_FRONT_BEHIND);
        self->status.refused += reply->code != 0;
        rc = zb_front_send (self->front, reply);
    }
    if (rc == -1) {
        self->status.undeliverable++;
        if (zb_engine_leads (self->engine))
            zb_engine_gone (self->engine, reply->to.routing, self->now);
    }
    if (reply->code)
        zb_status_error (&self->status, reply->code);
    else if (reply->to.since && reply->kind != ZB_REPLY_PASSIVE)
        zb_delays_add (&self->status.put, zclock_usecs () - reply->to.since);
    zb_news_reply (&self->news, reply, self->now);
    if (reply->kind == ZB_REPLY_FENCED)
        zb_events_add (self->events, ZB_EVENT_FENCED, NULL, 0,
                       "a client was fenced: a newer process has taken its name, and its requests are refused");
    zb_reply_destroy (&reply);
}

void zb_broker_ok (zb_broker_t *self, const zb_request_t *request, const char *text)
{
    s_send (self, zb_reply_say (&request->from, ZB_REPLY_TEXTS, 0, text));
}

static void s_passive (zb_broker_t *self, const zb_request_t *request)
{
    s_send (self, zb_reply_say (&request->from, ZB_REPLY_PASSIVE, 0, zb_broker_active (self)));
}

void zb_broker_refuse (zb_broker_t *self, const zb_request_t *request, unsigned code, const char *why)
{
    s_send (self, zb_reply_say (&request->from, ZB_REPLY_ERROR, code, why));
}

//  The answer to STATUS, to be freed by the caller.
static char *s_tell_status (zb_broker_t *self)
{
    self->status.now = self->now;
    self->status.oversize = zb_front_oversize (self->front);
    self->status.unknown_keys = self->auth ? zb_auth_refused (self->auth) : 0;
    self->status.output = zb_front_waits (self->front);
    self->status.space = zb_store_space (self->store);
    self->status.beats = self->ha ? zb_ha_dropped (self->ha) : 0;
    self->status.challenge = zb_operator_challenge (self->operator);
    self->status.witness_challenge = self->claimant ? zb_claimant_challenge (self->claimant) : "";
    self->status.witness_heard = self->claimant ? zb_claimant_heard (self->claimant) : 0;
    self->status.solo_ms = zb_news_solo (&self->news, self->now);
    zb_engine_stats (self->engine, &self->status.stats);
    self->status.replays = self->courier != NULL;
    if (self->courier)
        zb_courier_stats (self->courier, &self->status.replay);
    return zb_status_json (&self->status);
}

static void s_status (zb_broker_t *self, const zb_request_t *request)
{
    char *json = s_tell_status (self);
    zb_broker_ok (self, request, json);
    free (json);
}

void zb_broker_post (zb_broker_t *self)
{
    bool due = self->now - self->posted_ms >= ZB_BOARD_EVERY || self->status.phase_since > self->posted_ms;
    if (!self->board || !due)
        return;
    char *json = s_tell_status (self);
    if (zb_board_post (self->board, json, self->now))
        self->posted_ms = self->now;
    else
        free (json);
}

//  A HELLO is a client's vote: serve, wait, go elsewhere, or be refused.  Returns whether it waits.
static bool s_vote (zb_broker_t *self, const zb_request_t *request)
{
    int code;
    const char *why;
    const zb_frame_t *token = request->token.size ? &request->token : NULL;
    zb_vote_t vote = zb_role_vote (&self->role, token, self->now, &code, &why);
    zb_broker_carry_out (self);
    switch (vote) {
    case ZB_VOTE_SERVE:
        zb_engine_request (self->engine, request, self->now);
        break;
    case ZB_VOTE_LATER:
        return true;
    case ZB_VOTE_PASSIVE:
        s_passive (self, request);
        break;
    case ZB_VOTE_REFUSE:
        zb_broker_refuse (self, request, code, why);
        break;
    }
    return false;
}

static void s_hello (zb_broker_t *self, const zb_request_t *request)
{
    if (s_vote (self, request) && !zb_hellos_add (self->hellos, request, self->now))
        zb_broker_refuse (self, request, ZB_NOT_READY, "too many clients wait for this broker to lead");
}

void zb_broker_serve (zb_broker_t *self, const zb_request_t *request)
{
    const zb_role_t *role = &self->role;
    zb_reason_t withholds = zb_role_withholds (role, self->now);
    if (request->verb == ZB_REPLAY && (role->target || *role->misfit))
        zb_broker_refuse (self, request, ZB_NOT_READY, role->target ? "the level of the store is being raised" : role->misfit);
    else if (withholds)
        zb_broker_refuse (self, request, ZB_NOT_READY, zb_reason_row (withholds)->why);
    else if (zb_engine_leads (self->engine))
        zb_engine_request (self->engine, request, self->now);
    else
        s_passive (self, request);
}

//  Whether the client may ask this; with keys it has to have the right.  Else it is answered.
static bool s_may (zb_broker_t *self, const zb_request_t *request)
{
    char why[ZB_RIGHTS_WHY];
    const char *lacks = self->keys ? zb_rights_check (zb_broker_who (self), request, why) : NULL;
    if (!lacks)
        return true;
    self->status.refused++;
    zb_broker_audit (self, ZB_AUDIT_DENIED, zb_verb_name (request->verb), zb_frame (lacks));
    zb_broker_refuse (self, request, ZB_FORBIDDEN, lacks);
    return false;
}

static void s_handle (zb_broker_t *self, const zb_request_t *request)
{
    switch (zb_protocol (request->verb)->by) {
    case ZB_BY_BROKER:
        if (request->verb == ZB_STATUS)
            s_status (self, request);
        else if (request->verb == ZB_EVENTS)
            zb_broker_tell_events (self, request);
        else if (request->verb == ZB_CLIENTS)
            zb_broker_tell_clients (self, request);
        else
            zb_broker_ok (self, request, NULL);
        break;
    case ZB_BY_OPERATOR:
        zb_broker_operate (self, request);
        break;
    case ZB_BY_VOTE:
        s_hello (self, request);
        break;
    case ZB_BY_ENGINE:
        zb_broker_serve (self, request);
        break;
    }
}

//  A client's message; of one that is over the limits, `cut`, only the first frames.
static void s_message (zb_broker_t *self, zb_frame_t routing, const zb_frame_t *frames, size_t count, bool cut)
{
    zb_request_t request;
    const char *why;
    int code = zb_request_parse (&request, &self->ids, frames, count, &self->config->limits, &why);
    request.from.routing = routing;
    request.from.since = request.verb == ZB_PUT ? zclock_usecs () : 0;
    if (code == -1) {
        self->status.not_zb1++;
        zb_log_rated (&self->noise, self->now, ZB_LOG_WARNING, "dropped a message that is not ZB1");
        return;
    }
    char limit[96];
    if (cut) {
        code = ZB_TOO_LARGE;
        why = limit;
        snprintf (limit, sizeof limit, "a request has at most %zu bytes in all its frames, and %zu bodies",
                  self->config->limits.request, self->config->limits.bodies);
    }
    //  A whole PUT that is beyond a limit of this broker is for the engine: the other one may have stored it.
    bool over = request.over && !cut;
    if ((!code || over) && zb_front_behind (self->front, routing)) {
        code = ZB_QUEUE_FULL;
        why = ZB_FRONT_BEHIND;
        over = false;
    }
    if (code && !over) {
        self->status.refused++;
        zb_broker_refuse (self, &request, code, why);
    }
    else if (s_may (self, &request))
        s_handle (self, &request);
}

bool zb_broker_waits (const zb_broker_t *self)
{
    return zb_engine_busy (self->engine) || zb_role_drains (&self->role) || zb_role_yields (&self->role, self->now);
}

//  What was kept for clients ends with their connections.
static void s_gone (zb_broker_t *self)
{
    zb_frame_t routing, key;
    while (zb_front_over (self->front, self->now, &routing, &key)) {
        if (self->quota)
            zb_quota_leave (self->quota, key, self->now);
        if (zb_engine_leads (self->engine))
            zb_engine_gone (self->engine, routing, self->now);
    }
}

void zb_broker_clients (zb_broker_t *self)
{
    zb_frame_t routing;
    const zb_frame_t *frames;
    size_t count;
    bool cut;
    int64_t end = zclock_mono () + ZB_READ_MS;
    s_gone (self);
    zb_front_resume (self->front, self->now);
    for (int taken = 0; taken < TURN_MESSAGES && !zb_broker_waits (self) && zclock_mono () <= end
                        && (count = zb_front_recv (self->front, &routing, &frames, &cut)); taken++) {
        self->who_serial = 0;
        if (self->keys && !zb_broker_enters (self, routing))
            continue;
        s_message (self, routing, frames, count, cut);
        if (self->keys)
            zb_broker_charge (self, routing);
        //  What it brought goes at once: the next one is refused if that is too much, and not after a thousand of them.
        zb_broker_replies (self);
    }
}

void zb_broker_hellos (zb_broker_t *self)
{
    if (zb_role_yields (&self->role, self->now))
        return;
    for (size_t left = zb_hellos_size (self->hellos); left > 0; left--) {
        const zb_hello_t *hello = zb_hellos_next (self->hellos);
        if (self->now - hello->since > HELLO_LONGEST)
            zb_broker_refuse (self, &hello->request, ZB_NOT_READY, zb_role_why (&self->role, self->now));
        else if (s_vote (self, &hello->request))
            zb_hellos_again (self->hellos);
    }
}

void zb_broker_replies (zb_broker_t *self)
{
    zb_reply_t *reply;
    zb_front_round (self->front);
    while ((reply = zb_engine_reply (self->engine)))
        s_send (self, reply);
}
