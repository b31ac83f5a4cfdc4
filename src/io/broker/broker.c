/*  =========================================================================
    broker - one broker: the core thread, and the actors around it

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Each turn drains what is there, steps the values, and carries out what they
    want.  Nothing in here waits but the poll at the start of a turn.
*/

#include <assert.h>
#include <sodium.h>
#include <unistd.h>
#include <czmq.h>

#include "core/engine/engine.h"
#include "core/pair/role.h"
#include "core/rights/quota.h"
#include "core/wire/seal.h"
#include "io/auth/auth.h"
#include "io/auth/keys.h"
#include "io/base/gate.h"
#include "io/base/heap.h"
#include "io/base/links.h"
#include "io/base/log.h"
#include "io/base/reach.h"
#include "io/base/service.h"
#include "io/broker/audit.h"
#include "io/broker/broker.h"
#include "io/broker/front.h"
#include "io/broker/held.h"
#include "io/broker/news.h"
#include "io/broker/operator.h"
#include "io/broker/status.h"
#include "io/pair/claimant.h"
#include "io/pair/courier.h"
#include "io/pair/ha.h"
#include "io/store/moment.h"
#include "io/store/salvager.h"
#include "io/store/store.h"

//  Messages that one turn takes from clients before the store is looked at again.
#define TURN_MESSAGES 1000
//  Longest sleep, ms: the role watches the peer's acks and echoes.
#define TURN_PAIRED 20
#define TURN_SINGLE 100
//  And while the role is handed over, for which all clients wait.
#define TURN_DRAINING 1
//  A HELLO waits this long for a broker that is about to lead, ms; and how many may.
#define HELD_LONGEST 5000
#define HELD_MOST 10000
//  An operator's SWITCHOVER or UPGRADE is answered after this time at the latest, ms.
#define OPERATE_LONGEST 5000
//  A store that has not turned for so long stands still, ms: it turns at least every 50.
#define STORE_WELL 250
//  Between two looks at what the links are like, ms.
#define LINKS_EVERY 50
//  Reads of this purpose are the broker's own; the engine's are not negative.
#define READ_META (-1)
#define READ_REPLAY (-2)
#define READ_RIGHTS (-3)
//  Between two looks of a broker that follows at whom the other one knows, ms.
#define RIGHTS_EVERY 500
//  Commits on their way whose time is known, see limits/inflight.
#define GIVEN_MOST 1024

typedef struct {
    const zb_config_t *config;
    zb_keys_t *keys;           //  NULL: all that follows is open to whoever reaches it
    zb_auth_t *auth;           //  NULL without keys
    zb_quota_t *quota;         //  NULL without keys
    uint64_t admitted;         //  the serial of the rights that it was told last
    int64_t learned_ms;        //  when they were asked for last from a store that follows,
    bool learns;               //  and whether the answer is still to come
    zb_front_t *front;
    zb_store_t *store;
    zb_ha_t *ha;               //  NULL without a pair
    zb_claimant_t *claimant;   //  NULL without a witness
    zb_links_t *links;         //  NULL without a pair
    zb_engine_t *engine;
    zb_rights_t *rights;       //  as the store holds them; while this broker leads, as the engine has changed them
    zb_role_t role;
    bool promoted;             //  by an operator, and it has not begun to lead
    uint64_t taken;            //  rows of its tables, as the log was told
    zb_courier_t *courier;     //  this broker lost a split: carries what it has; else NULL
    zb_held_t *held;           //  HELLOs that wait for us to lead
    zb_operator_t *operator;
    zlistx_t *batches;         //  given to the store and not synced here,
    int64_t given[GIVEN_MOST]; //  and when, us, by commit
    zb_status_t status;
    int64_t now;
    int64_t looked_ms;           //  when the links were looked at last
    int64_t heard_ms, echoed_ms; //  the newest that the links were told of
    int64_t resume;            //  ms: the store wants no commit before, so that the peer can catch up
    bool ready;
    zb_release_t rule;         //  as the engine was told last
    zb_durable_t durable;
    zb_log_rate_t noise;       //  of lines about bad input
    zb_audit_t audit;
    zb_news_t news;            //  of what clients meet
    zb_log_rate_t crowded;     //  of lines about connections
    zb_board_t *board;         //  NULL: nobody looks
    int64_t posted_ms;         //  when this broker's status was posted there last, 0 = never
    zb_trimmer_t *trimmer;
    zb_salvager_t *salvager;
    zb_spans_t ids;            //  that the request at hand names
    char *holder, *denied;     //  of a shared store: sentences that the role borrows
} zb_broker_t;

static const zb_host_t *s_own (const zb_broker_t *self)
{
    return &self->config->host[self->config->as];
}

static const char *s_peer_endpoint (const zb_broker_t *self)
{
    switch (self->config->as) {
    case ZB_PRIMARY:
        return self->config->host[ZB_BACKUP].endpoint;
    case ZB_BACKUP:
        return self->config->host[ZB_PRIMARY].endpoint;
    default:
        return "";
    }
}

//  Where a client should go instead: only to whom we hear as active now.
static const char *s_active (const zb_broker_t *self)
{
    return self->config->as != ZB_SINGLE && zb_role_peer_leads (&self->role, self->now) ? s_peer_endpoint (self) : "";
}

//  The store can't be trusted any more: no clean-up, nothing more is written, the peer takes over.
static void s_die (int code, const char *text)
{
    zb_log (ZB_LOG_ERROR, "%s", text);
    zb_log_flush ();
    _exit (code);
}

//  ---------------------------------------------------------------------------------------------------------------
//  What the role wants

static void s_meta_rows (zb_broker_t *self)
{
    uint8_t row[ZB_LINEAGE_MAX * ZB_EPOCH_SIZE];
    const char *key;
    const void *value;
    size_t size;
    for (size_t index = 0; zb_role_row (&self->role, index, row, &key, &value, &size); index++)
        zb_engine_meta (self->engine, key, value, size);
}

//  What the engine needs to know of the pair.
static void s_tell_engine (zb_broker_t *self)
{
    zb_engine_lineage (self->engine, &self->role.lineage);
    zb_engine_level (self->engine, self->role.level.store);
    bool pair = self->role.paired && !self->role.shared;
    zb_engine_keep (self->engine, !pair ? ZB_KEEP_OFF : self->role.alone ? ZB_KEEP_WRITE : ZB_KEEP_NOTE);
}

static void s_read_meta (zb_broker_t *self)
{
    zb_read_t *read = zb_read_new (READ_META, 0);
    zb_read_add (read, ZB_META, "", 0, 0, 100, 1 << 20);
    zb_store_read (self->store, read);
}

static void s_tell_peer (zb_broker_t *self, bool now)
{
    if (!self->ha)
        return;
    zb_beat_t beat;
    zb_role_tell (&self->role, &beat);
    zb_ha_tell (self->ha, &beat, now);
}

static void s_replies (zb_broker_t *self);

//  For those who compare with the tables.
static void s_tell_rows (zb_broker_t *self)
{
    char rows[ZB_ROLE_TAKEN_TEXT];
    uint64_t before = self->taken;
    self->taken = zb_role_taken (&self->role, before, rows);
    if (self->taken != before)
        zb_log (ZB_LOG_DEBUG, "rows taken: %s", rows);
}

//  Why this broker begins to lead.
static zb_takeover_t s_cause (zb_broker_t *self)
{
    const zb_role_t *role = &self->role;
    if (self->promoted) {
        self->promoted = false;
        return ZB_TAKEOVER_PROMOTED;
    }
    if (role->paired && role->heard && role->peer.yields)
        return ZB_TAKEOVER_SWITCHOVER;
    return role->paired && role->heard && role->peer.state == BSTAR_ACTIVE ? ZB_TAKEOVER_LOST : ZB_TAKEOVER_START;
}

static void s_carry_out (zb_broker_t *self)
{
    zb_do_t effect;
    s_tell_rows (self);
    while (zb_role_next (&self->role, &effect)) {
        switch (effect.kind) {
        case ZB_DO_LEAD:
            zb_store_lead (self->store);
            break;
        case ZB_DO_FOLLOW:
            if (effect.rollback && self->role.suspect)
                zb_log (ZB_LOG_WARNING, "this store is not trusted: all is fetched anew, and what it holds up to commit %"
                        PRIu64 " of epoch %" PRIu64 " is given up", self->role.commit,
                        zb_lineage_newest (&self->role.lineage).number);
            zb_store_follow (self->store, effect.rollback);
            break;
        case ZB_DO_START:
            self->status.takeovers[s_cause (self)]++;
            zb_engine_lead (self->engine, effect.epoch, self->role.commit, self->role.secret);
            self->rule = ZB_RELEASE_HOLD;
            s_meta_rows (self);
            s_tell_engine (self);
            break;
        case ZB_DO_RAISE:
            zb_role_newest (&self->role, zb_engine_newest (self->engine));
            zb_engine_epoch (self->engine, effect.epoch);
            s_meta_rows (self);
            s_tell_engine (self);
            break;
        case ZB_DO_SAVE: {
            zb_node_t node = {.suspect = effect.suspect,
                              .alone = effect.alone,
                              .alone_from = effect.alone_from,
                              .level = effect.level};
            zb_store_save (self->store, &node);
            break;
        }
        case ZB_DO_GRANT:
            zb_store_grant (self->store, effect.session, effect.epoch);
            break;
        case ZB_DO_STOP:
            //  What is released goes out now; the rest is told where to go when the peer leads.
            s_replies (self);
            if (zb_engine_leads (self->engine))
                zb_engine_stop (self->engine, self->role.yields ? s_peer_endpoint (self) : s_active (self));
            break;
        case ZB_DO_READ:
            s_read_meta (self);
            break;
        case ZB_DO_BEAT:
            s_tell_peer (self, true);
            break;
        case ZB_DO_LEVEL:
            s_meta_rows (self);
            s_tell_engine (self);
            zb_log (ZB_LOG_NOTICE, "the store is raised to level %u: from now on it takes zbroker %s or later",
                    self->role.level.store, self->role.level.needs);
            break;
        case ZB_DO_SAY: {
            char *line = zb_status_line (&self->role, self->now);
            self->status.phase_since = self->now;
            if (self->ready) {
                zb_log_say ("ROLE", line);
                zb_service_state (line);
                zb_log (ZB_LOG_NOTICE, "%s", line);
            }
            zstr_free (&line);
            break;
        }
        default:
            assert (!"an effect for the broker");
        }
    }
}

//  Tells the engine the rule of this turn.  Asked before anything is answered: if this process was stopped, the peer's
//  echoes are old by now and the answer is to hold.
static void s_apply_rule (zb_broker_t *self)
{
    zb_durable_t durable;
    zb_release_t rule = zb_role_release (&self->role, self->now, &durable);
    if (rule == self->rule && durable == self->durable)
        return;
    self->rule = rule;
    self->durable = durable;
    zb_news_durable (&self->news, durable, self->now);
    if (zb_engine_leads (self->engine))
        zb_engine_release (self->engine, rule, durable);
}

//  ---------------------------------------------------------------------------------------------------------------
//  Clients

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
    zb_news_reply (&self->news, reply, self->now);
    zb_reply_destroy (&reply);
}

static void s_ok (zb_broker_t *self, const zb_request_t *request, const char *text)
{
    s_send (self, zb_reply_say (&request->from, ZB_REPLY_TEXTS, 0, text));
}

static void s_passive (zb_broker_t *self, const zb_request_t *request)
{
    s_send (self, zb_reply_say (&request->from, ZB_REPLY_PASSIVE, 0, s_active (self)));
}

static void s_refuse (zb_broker_t *self, const zb_request_t *request, unsigned code, const char *why)
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
    s_ok (self, request, json);
    free (json);
}

//  For who looks without asking.
static void s_post (zb_broker_t *self)
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

//  A HELLO is a client's vote: serve, wait, go elsewhere, or be refused.
static void s_hello (zb_broker_t *self, const zb_request_t *request)
{
    int code;
    const char *why;
    const zb_frame_t *token = request->token.size ? &request->token : NULL;
    zb_vote_t vote = zb_role_vote (&self->role, token, self->now, &code, &why);
    s_carry_out (self);
    switch (vote) {
    case ZB_VOTE_SERVE:
        zb_engine_request (self->engine, request, self->now);
        break;
    case ZB_VOTE_LATER:
        if (!zb_held_add (self->held, request, self->now))
            s_refuse (self, request, ZB_NOT_READY, "too many clients wait for this broker to lead");
        break;
    case ZB_VOTE_PASSIVE:
        s_passive (self, request);
        break;
    case ZB_VOTE_REFUSE:
        s_refuse (self, request, code, why);
        break;
    }
}

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
    s_carry_out (self);
    if (why)
        s_refuse (self, request, code, why);
    else {
        zb_log (ZB_LOG_WARNING, "promoted by an operator who accepts loss: %s", text);
        s_ok (self, request, text);
    }
    zstr_free (&text);
}

//  SWITCHOVER is answered when it is over.
static void s_switchover (zb_broker_t *self, const zb_request_t *request)
{
    int code = ZB_NOT_READY;
    const char *why = zb_operator_since (self->operator) ? "it is being done already"
                                                        : zb_role_yield (&self->role, self->now, &code);
    s_carry_out (self);
    if (why)
        s_refuse (self, request, code, why);
    else
        zb_operator_hold (self->operator, request, self->now);
}

static void s_serve (zb_broker_t *self, const zb_request_t *request);

//  UPGRADE is answered when the level is on the disks.
static void s_upgrade (zb_broker_t *self, const zb_request_t *request)
{
    char text[ZB_LEVEL_TEXT];
    const char *why = zb_operator_since (self->operator) ? "another operator's request is being done"
                                                         : zb_role_raise (&self->role, self->now, text);
    s_carry_out (self);
    if (why)
        s_refuse (self, request, ZB_NOT_READY, why);
    else
        zb_operator_hold (self->operator, request, self->now);
}

//  Something that this message's sender has done, or tried.
static void s_audit (zb_broker_t *self, zb_audit_kind_t kind, const char *verb, zb_frame_t text)
{
    const zb_principal_t *who = self->keys ? zb_rights_find (self->rights, zb_front_key (self->front)) : NULL;
    zb_audit (&self->audit, kind, who, zb_front_address (self->front), verb, text, self->now);
}

//  BACKUP is answered with its number; STATUS tells the rest.
static void s_copy (zb_broker_t *self, const zb_request_t *request)
{
    zb_status_t *status = &self->status;
    bool busy = status->backup == ZB_BACKUP_COPYING || status->backup == ZB_BACKUP_FINISHING;
    char *folder = strndup (request->options.size ? (const char *) request->options.data : "", request->options.size);
    assert (folder);
    if (*folder && busy)
        s_refuse (self, request, ZB_NOT_READY, "a backup is being made already");
    else if (*folder && zb_engine_leads (self->engine) && status->stats.merging)
        s_refuse (self, request, ZB_NOT_READY,
                  "what the other broker has answered alone is being taken over: wait until that is done");
    else {
        if (*folder) {
            free (status->backup_folder);
            status->backup_folder = strdup (folder);
            freen (status->backup_why);
            status->backup = ZB_BACKUP_COPYING;
            status->backup_done = status->backup_total = 0;
            status->backup_serial++;
        }
        zb_store_backup (self->store, status->backup_serial, folder, request->max);
        char number[21];
        zb_number_format (status->backup_serial, number);
        s_ok (self, request, number);
    }
    free (folder);
}

static void s_copied (zb_broker_t *self, zb_store_event_t *event)
{
    zb_status_t *status = &self->status;
    if (event->serial != status->backup_serial)
        return;
    status->backup = event->backup;
    status->backup_done = event->done;
    status->backup_total = event->total;
    free (status->backup_why);
    status->backup_why = event->text;
    event->text = NULL;
    if (status->backup == ZB_BACKUP_DONE)
        zb_log (ZB_LOG_NOTICE, "the backup %s is complete", status->backup_folder);
    else if (status->backup == ZB_BACKUP_FAILED)
        zb_log (ZB_LOG_WARNING, "the backup %s was given up: %s", status->backup_folder, status->backup_why);
}

static void s_operate (zb_broker_t *self, const zb_request_t *request)
{
    static const char unproven[] = "the proof is wrong: it takes this pair's name and secret, and the newest challenge";
    bool proven = zb_operator_proven (self->operator, request);
    //  A KEY without a change only looks.
    if (!proven)
        s_audit (self, ZB_AUDIT_UNPROVEN, zb_verb_name (request->verb), zb_frame (unproven));
    else if (request->verb != ZB_KEY || request->options.size)
        s_audit (self, ZB_AUDIT_DONE, zb_verb_name (request->verb), request->options);
    if (!proven)
        s_refuse (self, request, ZB_FORBIDDEN, unproven);
    else if (request->verb == ZB_KEY)
        s_serve (self, request);
    else if (request->verb == ZB_COPY)
        s_copy (self, request);
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
        s_ok (self, &asked->request, text);
    else
        s_refuse (self, &asked->request, ZB_NOT_READY, text);
}

//  Tells the operator how the switchover has ended, if it has.
static void s_switched (zb_broker_t *self, int64_t since)
{
    bool leads = self->role.bstar.state != BSTAR_ACTIVE && zb_role_peer_leads (&self->role, self->now);
    bool on = zb_role_drains (&self->role) || (self->role.yields && self->now - since < OPERATE_LONGEST);
    if (on && !leads)
        return;
    char *text = leads ? zsys_sprintf ("%s", s_peer_endpoint (self))
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

static void s_look_at_operator (zb_broker_t *self)
{
    int64_t since = zb_operator_since (self->operator);
    if (since && zb_operator_verb (self->operator) == ZB_UPGRADE)
        s_raised (self, since);
    else if (since)
        s_switched (self, since);
}

//  What the engine of an active broker does.
static void s_serve (zb_broker_t *self, const zb_request_t *request)
{
    const zb_role_t *role = &self->role;
    zb_reason_t withholds = zb_role_withholds (role, self->now);
    if (request->verb == ZB_REPLAY && (role->target || *role->misfit))
        s_refuse (self, request, ZB_NOT_READY, role->target ? "the level of the store is being raised" : role->misfit);
    else if (withholds)
        s_refuse (self, request, ZB_NOT_READY, zb_reason_row (withholds)->why);
    else if (zb_engine_leads (self->engine))
        zb_engine_request (self->engine, request, self->now);
    else
        s_passive (self, request);
}

//  Whether the client may ask this; with keys it has to have the right.  Else it is answered.
static bool s_may (zb_broker_t *self, const zb_request_t *request)
{
    char why[ZB_RIGHTS_WHY];
    const char *lacks = self->keys ? zb_rights_check (zb_rights_find (self->rights, zb_front_key (self->front)), request, why)
                                   : NULL;
    if (!lacks)
        return true;
    self->status.refused++;
    s_audit (self, ZB_AUDIT_DENIED, zb_verb_name (request->verb), zb_frame (lacks));
    s_refuse (self, request, ZB_FORBIDDEN, lacks);
    return false;
}

static void s_handle (zb_broker_t *self, const zb_request_t *request)
{
    switch (zb_protocol (request->verb)->by) {
    case ZB_BY_BROKER:
        if (request->verb == ZB_STATUS)
            s_status (self, request);
        else
            s_ok (self, request, NULL);
        break;
    case ZB_BY_OPERATOR:
        s_operate (self, request);
        break;
    case ZB_BY_VOTE:
        s_hello (self, request);
        break;
    case ZB_BY_ENGINE:
        s_serve (self, request);
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
        s_refuse (self, &request, code, why);
    }
    else if (s_may (self, &request))
        s_handle (self, &request);
}

//  Whether clients' requests are left in their sockets: the store has more than enough to do, or the role is being handed
//  over, which takes a moment; then they learn where to go.
static bool s_waits (const zb_broker_t *self)
{
    return zb_engine_busy (self->engine) || zb_role_drains (&self->role) || zb_role_yields (&self->role, self->now);
}

//  What was held for clients ends with their connections.
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

//  Whoever was revoked is here no more.
static void s_throw_out (void *context, zb_frame_t routing, zb_frame_t key)
{
    zb_broker_t *self = context;
    const zb_principal_t *who = zb_rights_find (self->rights, key);
    if (who && !who->revoked)
        return;
    if (zb_engine_leads (self->engine))
        zb_engine_expel (self->engine, routing, self->now);
    zb_front_end (self->front, routing);
}

//  Those who handshake are judged by what is known now, and those who are here, too.
static void s_look_at_rights (zb_broker_t *self)
{
    if (!self->keys)
        return;
    if (self->admitted != zb_rights_serial (self->rights)) {
        self->admitted = zb_rights_serial (self->rights);
        zb_auth_admit (self->auth, ZB_GATE_CLIENTS, self->rights);
        if (self->front)
            zb_front_each (self->front, s_throw_out, self);
    }
    bool follows = !zb_engine_leads (self->engine) && self->role.paired && self->ready;
    //  Whom a shared store knows can't be read before it is taken over, so that no client could get in to ask for that.
    //  The lock decides in any case.
    if (follows && self->role.shared) {
        int code;
        const char *why;
        zb_role_vote (&self->role, NULL, self->now, &code, &why);
        s_carry_out (self);
    }
    //  What the other one has changed comes with the log, and nobody says so.
    else if (follows && !self->learns && self->now - self->learned_ms >= RIGHTS_EVERY) {
        self->learned_ms = self->now;
        self->learns = true;
        zb_read_t *read = zb_read_new (READ_RIGHTS, 0);
        zb_read_add (read, ZB_META, ZB_META_RIGHTS, strlen (ZB_META_RIGHTS), strlen (ZB_META_RIGHTS), 1, ZB_RIGHTS_MAX);
        zb_store_read (self->store, read);
    }
}

//  Whether the client may come; else its connection ends.  Of brokers, and of whoever is not known, nothing is counted.
static bool s_enters (zb_broker_t *self, zb_frame_t routing)
{
    const zb_principal_t *who = zb_rights_find (self->rights, zb_front_key (self->front));
    if (!who || who->broker || !zb_front_is_new (self->front) || zb_quota_enter (self->quota, who))
        return true;
    s_audit (self, ZB_AUDIT_CROWDED, "a connection", zb_frame ("beyond the limit of its principal"));
    zb_front_end (self->front, routing);
    return false;
}

//  Who has used more than it may is read later.
static void s_charge (zb_broker_t *self, zb_frame_t routing)
{
    const zb_principal_t *who = zb_rights_find (self->rights, zb_front_key (self->front));
    if (!who || who->broker || (!who->limit[ZB_LIMIT_REQUESTS] && !who->limit[ZB_LIMIT_BYTES]))
        return;
    size_t visits = zb_engine_leads (self->engine) ? zb_engine_worked (self->engine, routing) : 0;
    int64_t wait = zb_quota_use (self->quota, who, zb_front_size (self->front), visits, self->now);
    if (wait)
        zb_front_pause (self->front, routing, self->now + (wait < ZB_QUOTA_MS ? wait : ZB_QUOTA_MS));
}

//  Bounded by a number and by time: a single request may have thousands of frames.
static void s_clients (zb_broker_t *self)
{
    zb_frame_t routing;
    const zb_frame_t *frames;
    size_t count;
    bool cut;
    int64_t end = zclock_mono () + ZB_READ_MS;
    s_gone (self);
    zb_front_resume (self->front, self->now);
    for (int taken = 0; taken < TURN_MESSAGES && !s_waits (self) && zclock_mono () <= end
                        && (count = zb_front_recv (self->front, &routing, &frames, &cut)); taken++) {
        if (self->keys && !s_enters (self, routing))
            continue;
        s_message (self, routing, frames, count, cut);
        if (self->keys)
            s_charge (self, routing);
        //  What it brought goes at once: the next one is refused if that is too much, and not after a thousand of them.
        s_replies (self);
    }
}

//  Clients that do not read are hung up on before they have all of the memory.
static void s_relieve (zb_broker_t *self)
{
    zb_front_relieve (self->front);
    uint64_t cut = zb_front_cut (self->front);
    if (cut != self->status.cut)
        zb_log_rated (&self->crowded, self->now, ZB_LOG_WARNING,
                      "connections were closed whose clients do not read: %" PRIu64 " so far; %zu bytes wait for others", cut,
                      zb_front_waits (self->front));
    self->status.cut = cut;
}

//  Tells the operator that connections were refused or cut.
static void s_watch_gate (zb_broker_t *self)
{
    const zb_gate_stats_t before = self->status.gate, *gate = &self->status.gate;
    zb_gate_stats (&self->status.gate);
    if (gate->refused_full != before.refused_full)
        zb_log_rated (&self->crowded, self->now, ZB_LOG_WARNING,
                      "clients are refused: %zu of %zu connections are taken (limits/connections, and the limit of open "
                      "files)", gate->connections, gate->most);
    if (gate->refused_address != before.refused_address || gate->refused_rate != before.refused_rate)
        zb_log_rated (&self->crowded, self->now, ZB_LOG_WARNING,
                      "clients are refused: one address has more than %zu connections, or makes more than %d a second",
                      self->config->limits.per_address, ZB_CONNECT_RATE);
    if (gate->cut != before.cut)
        zb_log_rated (&self->crowded, self->now, ZB_LOG_WARNING,
                      "connections were closed for what they sent: %" PRIu64 " so far", gate->cut);
}

//  Those that waited vote again; who waits too long is told so.
static void s_held (zb_broker_t *self)
{
    zb_held_t *held = self->held;
    if (zb_held_size (held) == 0 || zb_role_yields (&self->role, self->now))
        return;
    self->held = zb_held_new (HELD_MOST);
    const zb_hello_t *hello;
    while ((hello = zb_held_next (held))) {
        if (self->now - hello->since > HELD_LONGEST)
            s_refuse (self, &hello->request, ZB_NOT_READY, zb_role_why (&self->role, self->now));
        else {
            int64_t since = hello->since;
            size_t before = zb_held_size (self->held);
            s_hello (self, &hello->request);
            if (zb_held_size (self->held) > before)
                zb_held_since (self->held, since);
        }
    }
    zb_held_destroy (&held);
}

//  ---------------------------------------------------------------------------------------------------------------
//  The store

#define S_META_DAMAGED "the store's table meta makes no sense. Nothing was changed: see WAYS OUT in zbroker(1)"

//  Takes what the store holds of principals.  Returns false if it makes no sense.  While this broker leads it knows better:
//  the rows were read before.
static bool s_rights (zb_broker_t *self, const zb_found_t *rows, size_t count)
{
    if (zb_engine_leads (self->engine))
        return true;
    zb_frame_t row = zb_frame (ZB_RIGHTS_NOBODY);
    for (size_t index = 0; index < count; index++)
        if (zb_frame_is ((zb_frame_t) { rows[index].key, rows[index].key_size }, ZB_META_RIGHTS))
            row = (zb_frame_t) { rows[index].row->data, rows[index].row->size };
    size_t size;
    char *known = zb_rights_encode (self->rights, &size);
    bool same = zb_frame_eq (row, (zb_frame_t) { known, size });
    free (known);
    return same || zb_rights_decode (self->rights, row.data, row.size) == 0;
}

//  The role is told what the table meta holds; rows that make no sense, or of a level that is not read here, stop the
//  broker.  The level comes first: what else such rows are is not known here.
static void s_meta (zb_broker_t *self, const zb_found_t *rows, size_t count)
{
    zb_level_t level = zb_level_program ();
    bool bad = zb_level_find (&level, rows, count) != 0;
    if (!bad && !zb_level_reads (&level, level.store)) {
        char needs[ZB_LEVEL_TEXT], text[ZB_LEVEL_TEXT + 100];
        zb_level_beyond (&level, needs);
        snprintf (text, sizeof text, "this store is of %s. Nothing in it was changed", needs);
        s_die (ZB_EXIT_USAGE, text);
    }
    if (bad || !s_rights (self, rows, count) || zb_role_meta (&self->role, rows, count, self->now))
        s_die (ZB_EXIT_DAMAGED, S_META_DAMAGED);
}

//  The role is told what a look at the lock of a shared store has found.
static void s_lock (zb_broker_t *self, const zb_store_event_t *event, const char *unread)
{
    self->status.lock = event->holder;
    self->status.held = event->held;
    self->status.took = event->took;
    char *who = zb_holder_text (&event->holder);
    char *text = unread ? strdup (unread) : zsys_sprintf ("waiting: the shared store is locked by %s", who);
    assert (text);
    free (who);
    zb_role_lock (&self->role, event->held, unread ? NULL : event->holder.store, event->holder.epoch, text, self->now);
    free (self->holder);
    self->holder = text;
}

//  The shared store could not be taken over.
static void s_denied (zb_broker_t *self, const zb_store_event_t *event)
{
    char *text = event->text ? strdup (event->text) : NULL;
    if (text)
        zb_log (ZB_LOG_ERROR, "%s", text);
    s_lock (self, event, NULL);
    zb_role_denied (&self->role, text, self->now);
    free (self->denied);
    self->denied = text;
}

static void s_opened (zb_broker_t *self, const zb_store_event_t *event)
{
    if (self->config->shared)
        s_lock (self, event, NULL);
    s_meta (self, event->meta, event->metas);
    for (size_t index = 0; index < event->metas; index++) {
        zb_frame_t key = { event->meta[index].key, event->meta[index].key_size };
        if (!self->role.paired && zb_frame_is (key, "pair"))
            s_die (ZB_EXIT_USAGE, "this store belongs to a pair: start the broker with --as primary or --as backup, or "
                                  "name another folder with --store");
    }
    zb_role_noted (&self->role, event->node.level);
    zb_role_opened (&self->role, event->fresh, event->node.complete, event->node.suspect, event->node.alone,
                    event->node.alone_from, self->now);
    self->ready = true;
    zb_log_say ("READY", s_own (self)->endpoint);
    zb_service_ready ();
    s_carry_out (self);
}

static void s_synced (zb_broker_t *self, const zb_store_event_t *event)
{
    zb_batch_t *batch;
    while ((batch = (zb_batch_t *) zlistx_first (self->batches)) && zb_batch_commit (batch) <= event->here) {
        zb_delays_add (&self->status.sync, zclock_usecs () - self->given[zb_batch_commit (batch) % GIVEN_MOST]);
        zlistx_delete (self->batches, zlistx_cursor (self->batches));
    }
    if (zb_engine_leads (self->engine))
        zb_engine_synced (self->engine, event->here, event->there, self->now);
    zb_role_synced (&self->role, event->here, event->there, self->now);
}

static void s_read_done (zb_broker_t *self, zb_store_event_t *event)
{
    if (event->read->purpose == READ_META)
        s_meta (self, event->read->found[0], event->read->count[0]);
    else if (event->read->purpose == READ_RIGHTS) {
        self->learns = false;
        if (!s_rights (self, event->read->found[0], event->read->count[0]))
            s_die (ZB_EXIT_DAMAGED, S_META_DAMAGED);
    }
    else if (event->read->purpose == READ_REPLAY) {
        if (self->courier)
            zb_courier_found (self->courier, &event->read);
    }
    else if (zb_engine_leads (self->engine))
        zb_engine_loaded (self->engine, &event->read, self->now);
    zb_read_destroy (&event->read);
}

static void s_progress (zb_broker_t *self, const zb_store_event_t *event)
{
    bool same = self->status.resync && event->text && streq (self->status.resync, event->text);
    if (!same || event->done < self->status.done || !self->status.total) {
        self->status.resync_since = self->now;
        self->status.resync_gap = event->total - event->done;
    }
    free (self->status.resync);
    self->status.resync = event->text ? strdup (event->text) : NULL;
    self->status.done = event->done;
    self->status.total = event->total;
}

static void s_store_event (zb_broker_t *self, zb_store_event_t *event)
{
    zb_role_proved (&self->role, event->proved);
    self->status.pace = event->pace;
    self->resume = event->resume;
    switch (event->kind) {
    case ZB_STORE_OPENED:
        s_opened (self, event);
        break;
    case ZB_STORE_FAILED:
        s_die (event->code, event->text);
        break;
    case ZB_STORE_SYNCED:
        s_synced (self, event);
        break;
    case ZB_STORE_READ:
        s_read_done (self, event);
        break;
    case ZB_STORE_LOCK:
        s_lock (self, event, event->text);
        break;
    case ZB_STORE_DENIED:
        s_denied (self, event);
        break;
    case ZB_STORE_LED:
        s_meta (self, event->meta, event->metas);
        zb_role_led (&self->role, self->now);
        break;
    case ZB_STORE_SAVED:
        zb_role_noted (&self->role, event->node.level);
        //  One that was written for the level alone may be older than what the role wants to be on the disk.
        if (event->node.alone == self->role.alone)
            zb_role_saved (&self->role, self->now);
        if (zb_engine_leads (self->engine) && !self->role.alone)
            s_tell_engine (self);
        break;
    case ZB_STORE_LINK:
        zb_role_link (&self->role, event->link == ZB_LINK_LIVE, event->session, self->now);
        if (zb_engine_leads (self->engine))
            zb_engine_synced (self->engine, event->here, self->role.there, self->now);
        break;
    case ZB_STORE_GRANTED:
        zb_role_granted (&self->role, event->granted, event->granted_epoch);
        break;
    case ZB_STORE_COMPLETE:
        s_meta (self, event->meta, event->metas);
        zb_role_complete (&self->role, self->now);
        free (self->status.resync);
        self->status.resync = NULL;
        break;
    case ZB_STORE_BACKUP:
        s_copied (self, event);
        break;
    case ZB_STORE_PROGRESS:
        s_progress (self, event);
        break;
    case ZB_STORE_SPACE:
        self->status.full = event->full;
        zb_engine_full (self->engine, event->full);
        zb_log (ZB_LOG_WARNING, event->full ? "the disk is nearly full: PUT is refused with 507" : "the disk has room again");
        break;
    case ZB_STORE_DIVERGED:
        if (event->metas)
            s_meta (self, event->meta, event->metas);
        zb_role_diverged (&self->role, self->now);
        break;
    case ZB_STORE_FOLLOWS:
        //  Whatever was given to it before is done or thrown away by now.
        zlistx_purge (self->batches);
        break;
    }
    s_carry_out (self);
}

static void s_store (zb_broker_t *self)
{
    zb_store_event_t *event;
    while ((event = zb_store_recv (self->store))) {
        s_store_event (self, event);
        zb_store_event_destroy (&event);
    }
}

static void s_replies (zb_broker_t *self)
{
    zb_reply_t *reply;
    zb_front_round (self->front);
    while ((reply = zb_engine_reply (self->engine)))
        s_send (self, reply);
}

//  The loser of a split has sent the last item: its epochs are known here from now on.
static void s_absorb (zb_broker_t *self)
{
    zb_lineage_t loser;
    if (!zb_engine_absorbs (self->engine, &loser))
        return;
    zb_role_absorb (&self->role, &loser);
    s_meta_rows (self);
    zb_engine_lineage (self->engine, &self->role.lineage);
    s_carry_out (self);
    zb_log (ZB_LOG_NOTICE, "the split is mended: all that the other broker has answered is here");
}

//  As the loser of a split: sends what this store has, as long as the winner leads.
static void s_replay (zb_broker_t *self)
{
    bool replays = zb_role_replays (&self->role, self->now);
    if (!replays)
        zb_courier_destroy (&self->courier);
    else if (!self->courier && !self->role.alone)
        zb_log (ZB_LOG_WARNING, "this store holds commit %" PRIu64 " of epoch %" PRIu64 ", and the other broker does not: one "
                "of the two was set back to an older copy, or its disk has lost writes; nothing is rolled back, what is "
                "here is replayed to it", self->role.commit, zb_lineage_newest (&self->role.lineage).number);
    bool fresh = replays && !self->courier;
    if (fresh)
        self->courier = zb_courier_new (s_peer_endpoint (self), self->config->store, self->salvager, self->role.secret,
                                        &self->role.lineage, self->keys);
    if (!self->courier)
        return;
    if (fresh) {
        size_t size;
        char *row = zb_rights_encode (self->rights, &size);
        if (size > strlen (ZB_RIGHTS_NOBODY))
            zb_courier_rights (self->courier, (zb_frame_t) { row, size });
        free (row);
    }
    bool done = zb_courier_turn (self->courier, self->now);
    zb_read_t *read = done ? NULL : zb_courier_read (self->courier, READ_REPLAY);
    if (read)
        zb_store_read (self->store, read);
    if (zb_courier_fault (self->courier))
        s_die (ZB_EXIT_DAMAGED, zb_courier_fault (self->courier));
    if (!done)
        return;
    zb_replayer_stats_t stats;
    zb_courier_stats (self->courier, &stats);
    zb_courier_destroy (&self->courier);
    zb_log (ZB_LOG_NOTICE, "the other broker has all that was answered here: %" PRIu64 " messages sent, %" PRIu64
            " put aside; this store is brought level with it", stats.messages, stats.aside);
    zb_role_merged (&self->role);
    s_carry_out (self);
}

//  Whether the store takes no commit now: the peer catches up, and must not be run from.  One commit at a time keeps what
//  clients wait for even.
static bool s_paced (const zb_broker_t *self)
{
    return self->status.pace && (self->now < self->resume || zlistx_size (self->batches) > 0);
}

//  What the engine wants written and read, and what it answers.
static void s_engine (zb_broker_t *self)
{
    s_absorb (self);
    zb_batch_t *batch;
    //  Draining ends with the last answer: the engine's own housekeeping is not waited for.
    while ((!zb_role_drains (&self->role) || zb_engine_client_waits (self->engine)) && !s_paced (self)
           && (batch = zb_engine_batch (self->engine))) {
        zlistx_add_end (self->batches, batch);
        self->given[zb_batch_commit (batch) % GIVEN_MOST] = zclock_usecs ();
        zb_role_closed (&self->role, zb_batch_commit (batch));
        zb_store_commit (self->store, batch);
    }
    zb_read_t *read;
    while ((read = zb_engine_read (self->engine)))
        zb_store_read (self->store, read);
    uint64_t question = zb_engine_question (self->engine);
    if (question)
        zb_ha_ask (self->ha, question);
    if (!zb_role_yields (&self->role, self->now))
        s_replies (self);
    const char *fault = zb_engine_fault (self->engine);
    if (fault)
        s_die (ZB_EXIT_DAMAGED, fault);
}

//  ---------------------------------------------------------------------------------------------------------------
//  The peer

//  An epoch that is out of reach is not believed: somebody has lost his mind, or is not who he says he is.
static void s_beyond (zb_broker_t *self, const char *who, uint64_t epoch, uint64_t *count)
{
    ++*count;
    zb_log_rated (&self->noise, self->now, ZB_LOG_WARNING,
                  "%s names epoch %" PRIu64 ", which can't be: the newest here is %" PRIu64 ". It is not believed", who,
                  epoch, zb_lineage_newest (&self->role.lineage).number);
}

static void s_peer (zb_broker_t *self)
{
    if (!self->ha)
        return;
    zb_beat_t beat;
    int64_t echoed;
    uint64_t answered;
    zb_ha_kind_t kind;
    while ((kind = zb_ha_recv (self->ha, &beat, &echoed, &answered)) != ZB_HA_NOTHING) {
        if (kind == ZB_HA_BEAT) {
            if (!zb_role_beat (&self->role, &beat, echoed, self->now))
                s_beyond (self, "the peer's heartbeat", zb_lineage_newest (&beat.tail).number,
                          &self->status.beats_beyond);
            if (self->role.beyond)
                s_die (ZB_EXIT_USAGE, self->role.misfit);
        }
        else
            zb_role_dead (&self->role, self->now);
        s_carry_out (self);
        //  It follows, and has heard what was asked: all that it will answer is still to come.
        if (kind == ZB_HA_BEAT && beat.state == BSTAR_PASSIVE && zb_engine_leads (self->engine))
            zb_engine_answered (self->engine, answered, self->now);
    }
}

//  What the links show when nothing is refused: heartbeats are heard, echoed, and answered by the witness.
static void s_look_at_links (zb_broker_t *self)
{
    if (!self->links || self->now - self->looked_ms < LINKS_EVERY)
        return;
    self->looked_ms = self->now;
    const zb_role_t *role = &self->role;
    zb_beat_t own;
    zb_role_tell (role, &own);
    if (role->heard && !role->dead && *role->misfit)
        zb_links_refused (self->links, ZB_WAY_STATE_IN, role->misfit);
    else if (role->heard && !role->dead && !zb_beat_same_pair (&own, &role->peer))
        zb_links_refused (
            self->links, ZB_WAY_STATE_IN,
            "the other broker's store is that of another pair: look whether each has the right folder; the one "
            "that is to be copied anew is moved away");
    else if (role->heard && !role->dead && role->heard_ms > self->heard_ms) {
        self->heard_ms = role->heard_ms;
        zb_links_passed (self->links, ZB_WAY_STATE_IN, role->heard_ms);
    }
    if (role->echoed_ms > self->echoed_ms) {
        self->echoed_ms = role->echoed_ms;
        zb_links_passed (self->links, ZB_WAY_STATE_OUT, role->echoed_ms);
    }
    if (self->claimant && zb_claimant_verdict (self->claimant) != WITNESS_GRANTED)
        zb_links_refused (self->links, ZB_WAY_WITNESS, zb_claimant_why (self->claimant));
    else if (self->claimant && zb_claimant_heard (self->claimant))
        zb_links_passed (self->links, ZB_WAY_WITNESS, zb_claimant_heard (self->claimant));
    zb_links_look (self->links, self->now);
}

static void s_hear_witness (zb_broker_t *self)
{
    zb_ruling_t ruling;
    while (self->claimant && zb_claimant_recv (self->claimant, &ruling, self->now))
        if (!zb_role_ruled (&self->role, ruling.verdict, &ruling.record))
            s_beyond (self, "the witness", ruling.record.epoch, &self->status.rulings_beyond);
}

static void s_tell_witness (zb_broker_t *self)
{
    witness_event_t event;
    uint64_t epoch;
    if (!self->claimant)
        return;
    if (self->role.formed)
        zb_claimant_name (self->claimant, self->role.pair);
    if (zb_role_wish (&self->role, &event, &epoch))
        zb_claimant_say (self->claimant, event, epoch, self->now);
    else
        zb_claimant_look (self->claimant, self->now);
}

//  ---------------------------------------------------------------------------------------------------------------
//  Life

static void s_batch_free (void **item_p)
{
    zb_batch_destroy ((zb_batch_t **) item_p);
}

static int s_listen_failed (const char *what, const char *endpoint)
{
    if (zb_moment_is (errno)) {
        zb_log (ZB_LOG_ERROR, "can't listen for %s at %s: %s", what, endpoint, zb_moment_text (errno));
        return ZB_EXIT_MOMENT;
    }
    zb_log (ZB_LOG_ERROR, "can't listen for %s at %s: %s%s", what, endpoint, zmq_strerror (errno),
            errno == EADDRINUSE ? "; stop the other process or choose another port" : "");
    return errno == EADDRINUSE ? ZB_EXIT_BUSY : ZB_EXIT_USAGE;
}

static zb_store_t *s_store_new (const zb_config_t *config, const zb_keys_t *keys, zb_links_t *links)
{
    bool paired = config->as != ZB_SINGLE && !config->shared;
    zb_store_args_t args = {
        .dir = config->store, .paired = paired, .shared = config->shared, .fence = config->fence,
        .endpoint = {config->host[ZB_PRIMARY].endpoint, config->host[ZB_BACKUP].endpoint},
        .unfenced_ok = config->unfenced_ok, .lease = config->lease, .node = config->as == ZB_BACKUP ? 2 : 1,
        .bind = paired ? config->host[config->as].ship_bind : NULL,
        .peer = paired ? config->host[config->as == ZB_PRIMARY ? ZB_BACKUP : ZB_PRIMARY].ship : NULL,
        .cache = config->cache, .log_file = config->log_file, .log_keep = config->log_keep,
        .resync_rate = config->resync_rate
    };
    args.links = links;
    args.keys = keys;
    zb_seal_key (args.key, config->pair, config->secret);
    return zb_store_new (&args);
}

//  Before anything listens: who may come in.
static int s_open_keys (zb_broker_t *self)
{
    const zb_config_t *config = self->config;
    char *error = NULL;
    if (zb_keys_load (&self->keys, config, &error)) {
        zb_log (ZB_LOG_ERROR, "%s", error);
        free (error);
        return ZB_EXIT_USAGE;
    }
    if (!self->keys)
        return ZB_EXIT_OK;
    uint8_t hash[ZB_MAP_KEY_SIZE];
    randombytes_buf (hash, sizeof hash);
    self->quota = zb_quota_new (hash);
    self->auth = zb_auth_new ();
    if (!self->auth) {
        zb_log (ZB_LOG_ERROR, "no thread for handshakes: %s", zb_moment_text (errno));
        return ZB_EXIT_MOMENT;
    }
    //  Each broker's key is good for an operator on its machine, and for the replay.
    const zb_keys_t *keys = self->keys;
    const char *own = config->as == ZB_BACKUP ? "$backup" : "$primary";
    const char *other = config->as == ZB_BACKUP ? "$primary" : "$backup";
    zb_rights_broker (self->rights, own, keys->own.public_key);
    if (*keys->own.other_public)
        zb_rights_broker (self->rights, own, keys->own.other_public);
    if (*keys->peer) {
        zb_rights_t *peer = zb_rights_new ();
        for (const char *key = keys->peer; key && *key; key = key == keys->peer ? keys->peer_other : NULL) {
            zb_rights_broker (self->rights, other, key);
            zb_rights_broker (peer, "$peer", key);
        }
        zb_auth_admit (self->auth, ZB_GATE_STATE, peer);
        zb_auth_admit (self->auth, ZB_GATE_SHIP, peer);
        zb_rights_destroy (&peer);
    }
    s_look_at_rights (self);
    return ZB_EXIT_OK;
}

static int s_open (zb_broker_t *self, const zb_config_t *config)
{
    bool paired = config->as != ZB_SINGLE;
    uint8_t entropy[ZB_PAIR_SIZE + ZB_SECRET_SIZE];
    self->config = self->status.config = config;
    self->status.role = &self->role;
    self->now = self->status.started = self->status.phase_since = zclock_mono ();
    self->status.cautions = zb_config_cautions (config, self->status.caution);
    for (size_t index = 0; index < self->status.cautions; index++)
        zb_log (ZB_LOG_WARNING, "%s", self->status.caution[index]);
    randombytes_buf (entropy, sizeof entropy);
    zb_role_init (&self->role, config->as == ZB_BACKUP ? 2 : 1, paired, config->peer_loss_wait, config->silence,
                  config->ack_limit, entropy);
    if (config->shared)
        zb_role_share (&self->role, config->lease);
    self->engine = zb_engine_new (&config->limits, self->role.node);
    self->rights = zb_rights_new ();
    zb_engine_rights (self->engine, self->rights);
    zb_engine_endpoints (self->engine, s_own (self)->endpoint, s_peer_endpoint (self));
    self->held = zb_held_new (HELD_MOST);
    self->operator = zb_operator_new (config);
    self->batches = zlistx_new ();
    zlistx_set_destructor (self->batches, s_batch_free);
    int code = s_open_keys (self);
    if (code)
        return code;
    char why[400];
    if (zb_reach_resolve (s_own (self)->endpoint, why, sizeof why)) {
        zb_log (ZB_LOG_ERROR, "nobody could reach this broker at %s: %s", s_own (self)->endpoint, why);
        return ZB_EXIT_USAGE;
    }
    self->front = zb_front_new (s_own (self)->bind, &config->limits, self->keys);
    if (!self->front)
        return s_listen_failed ("clients", s_own (self)->bind);
    self->links = self->status.links = paired ? zb_links_new (config) : NULL;
    self->store = s_store_new (config, self->keys, self->links);
    self->trimmer = zb_trimmer_new ();
    self->salvager = zb_salvager_new (config->store);
    if (paired) {
        self->ha = zb_ha_new (config, self->keys, self->auth, self->store, self->links);
        if (!self->ha)
            return s_listen_failed ("the peer's heartbeats", s_own (self)->state_bind);
        s_tell_peer (self, false);
        if (config->witness) {
            self->claimant = zb_claimant_new (config, self->keys);
            zb_role_bind (&self->role);
        }
    }
    return ZB_EXIT_OK;
}

static void s_close (zb_broker_t *self)
{
    zb_service_stopping ();
    if (self->engine && zb_engine_leads (self->engine)) {
        zb_engine_stop (self->engine, "");
        s_replies (self);
    }
    zb_trimmer_destroy (&self->trimmer);
    zb_claimant_destroy (&self->claimant);
    zb_courier_destroy (&self->courier);
    zb_salvager_destroy (&self->salvager);
    zb_ha_destroy (&self->ha);
    zb_store_destroy (&self->store);
    zb_links_destroy (&self->links);
    zb_front_destroy (&self->front);
    zb_quota_destroy (&self->quota);
    zb_auth_destroy (&self->auth);
    zb_keys_destroy (&self->keys);
    zb_engine_destroy (&self->engine);
    zb_rights_destroy (&self->rights);
    zb_held_destroy (&self->held);
    zb_operator_destroy (&self->operator);
    zlistx_destroy (&self->batches);
    free (self->status.resync);
    free (self->status.backup_folder);
    free (self->status.backup_why);
    for (size_t index = 0; index < self->status.cautions; index++)
        free (self->status.caution[index]);
    free (self->holder);
    free (self->denied);
    zb_spans_clear (&self->ids);
}

//  Whether somebody waits and the peer may be to blame: not while our own store stands still, for then its acks are not
//  even read.
static bool s_waits_for_peer (const zb_broker_t *self)
{
    return zb_engine_leads (self->engine) && self->now - zb_store_alive (self->store) < STORE_WELL
           && (zb_engine_client_waits (self->engine)
               || (zb_engine_loser_waits (self->engine) && !zb_role_peer_in_step (&self->role)));
}

//  While this broker must not answer, clients who say HELLO are told, also those who have said it before that was known.
static void s_withhold (zb_broker_t *self)
{
    zb_reason_t why = zb_role_withholds (&self->role, self->now);
    if (why && zb_engine_leads (self->engine))
        zb_engine_withhold (self->engine, zb_reason_row (why)->why);
}

static void s_turn (zb_broker_t *self)
{
    self->now = zclock_mono ();
    zb_engine_time (self->engine, zclock_time (), self->now);
    if (self->ha)
        zb_ha_turned (self->ha, self->now);
    s_peer (self);
    s_hear_witness (self);
    s_apply_rule (self);
    s_store (self);
    zb_role_owes (&self->role, zb_engine_asks (self->engine));
    zb_role_tick (&self->role, s_waits_for_peer (self), self->now);
    s_carry_out (self);
    s_apply_rule (self);
    s_look_at_operator (self);
    s_held (self);
    s_clients (self);
    s_look_at_rights (self);
    s_watch_gate (self);
    s_apply_rule (self);
    s_withhold (self);
    s_engine (self);
    s_relieve (self);
    s_tell_witness (self);
    s_look_at_links (self);
    s_replay (self);
    zb_news_tick (&self->news, self->now);
    s_tell_peer (self, false);
    if (self->role.there >= self->role.closed)
        self->status.level_ms = self->now;
    s_post (self);
    zb_service_alive (self->now);
}

int zb_broker_run (const zb_config_t *config, zb_board_t *board)
{
    zsys_init ();
    if (sodium_init () == -1)
        return ZB_EXIT_USAGE;
    size_t files;
    size_t clients = zb_gate_open (&config->limits, &files);
    zb_log (ZB_LOG_INFO, "%zu connections of clients are let in, of %zu open files", clients, files);
    zb_broker_t broker = {.board = board}, *self = &broker;
    int code = s_open (self, config);
    while (code == ZB_EXIT_OK && !zsys_interrupted) {
        int64_t next = zb_engine_leads (self->engine) ? zb_engine_tick (self->engine, self->now) - self->now : INT64_MAX;
        int64_t most = zb_role_drains (&self->role) ? TURN_DRAINING : self->ha ? TURN_PAIRED : TURN_SINGLE;
        int64_t pause = self->resume - self->now;
        if (pause > 0 && pause < most)
            most = pause;
        //  While the store has more than enough to do, clients wait in their sockets.
        zmq_pollitem_t items[] = { { zb_store_socket (self->store), 0, ZMQ_POLLIN, 0 },
                                   { zb_front_socket (self->front), 0, s_waits (self) ? 0 : ZMQ_POLLIN, 0 },
                                   { self->ha ? zb_ha_socket (self->ha) : NULL, 0, ZMQ_POLLIN, 0 },
                                   { NULL, 0, ZMQ_POLLIN, 0 },
                                   { NULL, 0, ZMQ_POLLIN, 0 } };
        int count = self->ha ? 3 : 2;
        if (self->claimant)
            items[count++].socket = zb_claimant_socket (self->claimant);
        if (self->courier)
            items[count++].socket = zb_courier_socket (self->courier);
        int rc = zmq_poll (items, count, (long) (next < 0 ? 0 : next < most ? next : most));
        assert (rc >= 0 || errno == EINTR);
        s_turn (self);
    }
    s_close (self);
    return code;
}
