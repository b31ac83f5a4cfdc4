/*  =========================================================================
    access - who may come in, and how much of this broker one may use

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Rights come from the store (core/rights/rights): the engine of an active broker changes
    them, a passive one reads what the other has changed.  Handshakes are judged by a
    thread of their own (io/auth/auth), which is told when they have changed.
*/

#include <stdarg.h>
#include <czmq.h>

#include "io/broker/broker_self.h"

//  Between two looks of a broker that follows at whom the other one knows, ms.
#define RIGHTS_EVERY 500

const zb_principal_t *zb_broker_who (zb_broker_t *self)
{
    if (self->keys && self->who_serial != zb_rights_serial (self->rights)) {
        self->who = zb_rights_find (self->rights, zb_front_key (self->front));
        self->who_serial = zb_rights_serial (self->rights);
    }
    return self->who;
}

void zb_broker_audit (zb_broker_t *self, zb_audit_kind_t kind, const char *verb, zb_frame_t text)
{
    zb_audit (&self->audit, kind, zb_broker_who (self), zb_front_address (self->front), verb, text, self->now);
}

//  Whoever was revoked is here no more; whoever may do less than before begins anew.
static void s_throw_out (void *context, zb_frame_t routing, zb_frame_t key)
{
    zb_broker_t *self = context;
    const zb_principal_t *who = zb_rights_find (self->rights, key);
    if (who && !who->revoked) {
        if (who->narrowed > self->admitted && zb_engine_leads (self->engine))
            zb_engine_dismiss (self->engine, routing, self->now);
        return;
    }
    if (zb_engine_leads (self->engine))
        zb_engine_expel (self->engine, routing, self->now);
    zb_front_end (self->front, routing);
}

void zb_broker_look_at_rights (zb_broker_t *self)
{
    if (!self->keys)
        return;
    bool follows = !zb_engine_leads (self->engine) && self->role.paired && self->ready;
    bool all = self->ready && !(follows && self->role.shared);
    if (self->admitted != zb_rights_serial (self->rights) || self->admitted_all != all) {
        self->admitted_all = all;
        zb_auth_admit (self->auth, ZB_GATE_CLIENTS, self->rights, all);
        if (self->front)
            zb_front_each (self->front, s_throw_out, self);
        self->admitted = zb_rights_serial (self->rights);
    }
    //  Whom a shared store knows can't be read before it is taken over, so that no client could get in to ask for that.
    //  The lock decides in any case.
    if (follows && self->role.shared) {
        int code;
        const char *why;
        zb_role_vote (&self->role, NULL, self->now, &code, &why);
        zb_broker_carry_out (self);
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

//  Its connection is closed, and nothing of it is done.
static bool s_turn_away (zb_broker_t *self, zb_frame_t routing, const char *why)
{
    self->status.crowded++;
    zb_broker_audit (self, ZB_AUDIT_CROWDED, "a connection", zb_frame (why));
    zb_front_shut (self->front, routing);
    return false;
}

bool zb_broker_enters (zb_broker_t *self, zb_frame_t routing)
{
    const zb_principal_t *who = zb_broker_who (self);
    if (!who || who->broker)
        return true;
    if (zb_front_is_new (self->front) && !zb_quota_enter (self->quota, who))
        return s_turn_away (self, routing, "beyond the limit of its principal");
    int64_t owes = zb_quota_owes (self->quota, who, self->now);
    bool held = zb_front_is_held (self->front);
    if (!owes && !zb_front_follows (self->front))
        return true;
    //  A limit that was changed meanwhile is noticed.
    if (!zb_front_hold (self->front, self->now + (owes < ZB_QUOTA_MS ? owes : ZB_QUOTA_MS)))
        return s_turn_away (self, routing, "too much waits of its principal, which has used more than it may");
    self->status.paused += !held;
    return false;
}

void zb_broker_charge (zb_broker_t *self, zb_frame_t routing)
{
    const zb_principal_t *who = zb_broker_who (self);
    if (!who || who->broker || (!who->limit[ZB_LIMIT_REQUESTS] && !who->limit[ZB_LIMIT_BYTES]))
        return;
    size_t visits = zb_engine_leads (self->engine) ? zb_engine_worked (self->engine, routing) : 0;
    zb_quota_use (self->quota, who, zb_front_size (self->front), visits, self->now);
}

//  Connections were refused or closed: a line of the log now and then, and an event.
static void s_crowded (zb_broker_t *self, const char *format, ...) ZB_LOG_FORMAT (2, 3);
static void s_crowded (zb_broker_t *self, const char *format, ...)
{
    va_list arguments;
    va_start (arguments, format);
    char *text = zsys_vprintf (format, arguments);
    va_end (arguments);
    assert (text);
    zb_log_rated (&self->crowded, self->now, ZB_LOG_WARNING, "%s", text);
    zb_events_add (self->events, ZB_EVENT_CROWDED, NULL, 0, text);
    freen (text);
}

void zb_broker_relieve (zb_broker_t *self)
{
    zb_front_relieve (self->front);
    uint64_t cut = zb_front_cut (self->front);
    if (cut != self->status.cut)
        s_crowded (self, "connections were closed whose clients do not read: %" PRIu64 " so far; %zu bytes wait for others",
                   cut, zb_front_waits (self->front));
    self->status.cut = cut;
}

void zb_broker_watch_gate (zb_broker_t *self)
{
    const zb_gate_stats_t before = self->status.gate, *gate = &self->status.gate;
    zb_gate_stats (&self->status.gate);
    if (gate->refused_full != before.refused_full)
        s_crowded (self,
                   "clients are refused: %zu of %zu connections are taken (limits/connections, and the limit of open files)",
                   gate->connections, gate->most);
    if (gate->refused_address != before.refused_address || gate->refused_rate != before.refused_rate)
        s_crowded (self, "clients are refused: one address has more than %zu connections, or makes more than %d a second",
                   self->config->limits.per_address, ZB_CONNECT_RATE);
    if (gate->cut != before.cut)
        s_crowded (self, "connections were closed for what they sent: %" PRIu64 " so far", gate->cut);
}

bool zb_broker_rights (zb_broker_t *self, const zb_found_t *rows, size_t count)
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
