/*  =========================================================================
    status - what a broker says of itself, as JSON

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <jansson.h>
#include <unistd.h>
#include <czmq.h>

#include "io/broker/metrics.h"
#include "io/broker/status.h"

const char *zb_status_node (const zb_config_t *config)
{
    static const char *const nodes[] = {"single", "primary", "backup"};
    return nodes[config->as];
}

const char *zb_status_role (const zb_role_t *role)
{
    switch (role->bstar.state) {
    case BSTAR_ACTIVE:
        return "active";
    case BSTAR_PASSIVE:
        return "passive";
    default:
        return "waiting";
    }
}

static const char *s_level (const zb_role_t *role, int64_t now)
{
    zb_durable_t durable;
    zb_release_t rule = zb_role_release (role, now, &durable);
    //  What was answered before is not known to be on a peer that is not level.
    bool proven = rule != ZB_RELEASE_BOTH || role->alone || (role->live && role->there >= role->mark);
    return rule != ZB_RELEASE_HOLD && proven && !zb_role_withholds (role, now) ? zb_durable_name (durable) : "hold";
}

uint64_t zb_status_epoch (const zb_role_t *role)
{
    uint64_t newest = zb_lineage_newest (&role->lineage).number;
    return newest == 0 && role->shared ? role->lock_epoch : newest;
}

//  Whether the passive broker, this one or the other, may take over.
static bool s_in_step (const zb_role_t *role, int64_t now)
{
    bool shared = role->shared && role->phase == ZB_PHASE_SINGLE;
    //  What was granted counts once the other one says so: it may have come before the heartbeat that makes it true.
    return role->in_step || ((shared || role->phase == ZB_PHASE_PAIRED) && role->heard &&
                             !zb_role_peer_gone (role, now) && role->peer.in_step);
}

//  The same while the two hear each other: either machine may be lost now.
static bool s_in_sync (const zb_role_t *role, int64_t now)
{
    return s_in_step (role, now) && role->heard && !zb_role_peer_gone (role, now);
}

static json_t *s_number (uint64_t number)
{
    return json_integer ((json_int_t) number);
}

static json_t *s_peer (const zb_status_t *self)
{
    const zb_role_t *role = self->role;
    if (!role->paired)
        return json_null ();
    bool heard = role->heard && !zb_role_peer_gone (role, self->now);
    bool active = role->bstar.state == BSTAR_ACTIVE;
    uint64_t lag = active && !role->shared && role->closed > role->there ? role->closed - role->there : 0;
    json_t *peer = json_object ();
    json_object_set_new (peer, "heard", json_boolean (heard));
    json_object_set_new (peer, "role", heard ? json_string (bstar_state_name (role->peer.state)) : json_null ());
    json_object_set_new (peer, "version", heard ? json_string (role->peer.level.version) : json_null ());
    json_object_set_new (peer, "live", json_boolean (role->live));
    json_object_set_new (peer, "lag", s_number (lag));
    json_object_set_new (peer, "lag_bytes", s_number (lag ? zb_lag_behind (&self->lag, role->there) : 0));
    json_object_set_new (peer, "lag_ms", s_number (lag ? (uint64_t) (self->now - self->level_ms) : 0));
    json_object_set_new (peer, "pace", self->pace ? s_number (self->pace) : json_null ());
    json_object_set_new (peer, "core_ms", heard ? s_number (role->peer.core_age) : json_null ());
    json_object_set_new (peer, "disk_ms", heard ? s_number (role->peer.disk_age) : json_null ());
    json_object_set_new (peer, "limit_ms", s_number ((uint64_t) zb_patience_limit (&role->patience)));
    json_object_set_new (peer, "silent_ms", role->heard ? s_number ((uint64_t) (self->now - role->heard_ms)) : json_null ());
    return peer;
}

static json_t *s_witness (const zb_status_t *self)
{
    const zb_consent_t *consent = &self->role->consent;
    if (!consent->needed)
        return json_null ();
    json_t *object = json_object ();
    json_object_set_new (object, "endpoint", json_string (self->config->witness));
    json_object_set_new (object, "consent", json_string (zb_consent_name (consent)));
    json_object_set_new (object, "epoch", s_number (consent->seen));
    json_object_set_new (object, "silent_ms",
                         self->witness_heard ? s_number ((uint64_t) (self->now - self->witness_heard)) : json_null ());
    json_object_set_new (object, "challenge",
                         *self->witness_challenge ? json_string (self->witness_challenge) : json_null ());
    return object;
}

//  Each way to the peer and to the witness.
static json_t *s_links (const zb_status_t *self)
{
    if (!self->links)
        return json_null ();
    json_t *object = json_object ();
    for (zb_way_t way = 0; way < ZB_WAYS; way++) {
        zb_links_view_t view;
        if (!zb_links_view (self->links, way, &view))
            continue;
        json_t *one = json_object ();
        json_object_set_new (one, "text", json_string (view.text));
        json_object_set_new (one, "endpoint", json_string (view.endpoint));
        json_object_set_new (one, "open", json_boolean (view.open));
        json_object_set_new (one, "since_ms", s_number ((uint64_t) (self->now - view.since)));
        json_object_set_new (one, "why", view.open ? json_null () : json_string (view.why));
        json_object_set_new (object, view.name, one);
    }
    const char *differs = zb_links_differs (self->links);
    json_object_set_new (object, "differs", differs ? json_string (differs) : json_null ());
    return object;
}

static json_t *s_disk (const zb_status_t *self)
{
    json_t *free_bytes = self->space < UINT64_MAX ? s_number (self->space) : json_null ();
    json_t *object = json_object ();
    json_object_set_new (object, "free", free_bytes);
    json_object_set_new (object, "full", json_boolean (self->full));
    return object;
}

//  What is known of levels (core/base/level.h).
static json_t *s_levels (const zb_status_t *self)
{
    const zb_role_t *role = self->role;
    const zb_level_t *own = &role->level, *peer = &role->peer.level;
    char text[ZB_LEVEL_TEXT];
    bool heard = role->paired && role->heard && !zb_role_peer_gone (role, self->now);
    bool highest = own->store >= own->most;
    const char *lacks = highest ? NULL : zb_role_lacks (role, self->now, text);
    json_t *object = json_object ();
    json_object_set_new (object, "store", own->store ? s_number (own->store) : json_null ());
    json_object_set_new (object, "needs", own->store ? json_string (zb_level_version (own->store)) : json_null ());
    json_object_set_new (object, "reads", json_pack ("[i,i]", (int) own->least, (int) own->most));
    json_object_set_new (object, "peer_reads",
                         heard ? json_pack ("[i,i]", (int) peer->least, (int) peer->most) : json_null ());
    json_object_set_new (object, "may_rise_to",
                         highest || lacks ? json_null () : s_number (zb_level_common (own, peer)));
    json_object_set_new (object, "missing", lacks ? json_string (lacks) : json_null ());
    return object;
}

//  Of a shared store: whether it is open here, and whose the lock is.
static json_t *s_lock (const zb_status_t *self)
{
    const zb_role_t *role = self->role;
    if (!role->shared)
        return json_null ();
    bool open = role->bstar.state == BSTAR_ACTIVE && role->phase != ZB_PHASE_RISING;
    json_t *object = json_object ();
    json_object_set_new (object, "open_here", json_boolean (open));
    json_object_set_new (object, "held", json_boolean (self->held));
    json_object_set_new (object, "host", json_string (self->lock.host));
    json_object_set_new (object, "pid", s_number ((uint64_t) self->lock.pid));
    json_object_set_new (object, "epoch", s_number (self->lock.epoch));
    json_object_set_new (object, "since", s_number ((uint64_t) self->lock.since));
    json_object_set_new (object, "takeover_ms", open ? s_number ((uint64_t) self->took) : json_null ());
    return object;
}

static json_t *s_resync (const zb_status_t *self)
{
    if (!self->resync)
        return json_null ();
    json_t *object = json_object ();
    json_object_set_new (object, "text", json_string (self->resync));
    json_object_set_new (object, "done", s_number (self->done));
    json_object_set_new (object, "total", s_number (self->total));
    //  What is missing grows with what is stored meanwhile: only how it shrinks tells when it ends.
    uint64_t gap = self->total > self->done ? self->total - self->done : 0;
    uint64_t took = (uint64_t) (self->now - self->resync_since);
    bool known = self->total && took && gap < self->resync_gap;
    json_object_set_new (object, "left_ms", known ? s_number (gap * took / (self->resync_gap - gap)) : json_null ());
    return object;
}

//  Of a loser of a split: how far it is with sending what it has.
static json_t *s_replay (const zb_status_t *self)
{
    if (!self->replays)
        return json_null ();
    const zb_replayer_stats_t *stats = &self->replay;
    json_t *object = json_object ();
    json_object_set_new (object, "stage", json_string (stats->stage));
    json_object_set_new (object, "items", s_number (stats->items));
    json_object_set_new (object, "messages", s_number (stats->messages));
    json_object_set_new (object, "acknowledgements", s_number (stats->acks));
    json_object_set_new (object, "aside", s_number (stats->aside));
    json_object_set_new (object, "waits", *stats->waits ? json_string (stats->waits) : json_null ());
    return object;
}

//  Of a winner: what it has taken since it leads.
static json_t *s_merge (const zb_status_t *self)
{
    const zb_engine_stats_t *stats = &self->stats;
    json_t *object = json_object ();
    json_object_set_new (object, "now", json_boolean (stats->merging));
    json_object_set_new (object, "messages", s_number (stats->replayed));
    json_object_set_new (object, "acknowledged", s_number (stats->replayed_acks));
    json_object_set_new (object, "duplicates", s_number (stats->replayed_twice));
    return object;
}

static void s_way_out (json_t *list, zb_reason_t reason, const char *why, const char *text)
{
    const zb_reason_row_t *row = zb_reason_row (reason);
    json_array_append_new (list, json_pack ("{s:s, s:s, s:s}", "reason", row->name, "why", why ? why : row->why, "text",
                                            text ? text : row->way_out));
}

//  A link that refuses what comes, unless that is why the broker waits.
static void s_refused_out (json_t *list, const zb_status_t *self, zb_reason_t known)
{
    for (zb_way_t way = 0; self->links && way < ZB_WAYS; way++) {
        zb_links_view_t view;
        bool told = way == ZB_WAY_WITNESS ? known >= ZB_REASON_WITNESS_SILENT && known <= ZB_REASON_WITNESS_STRANGER
                                          : known == ZB_REASON_MISFIT || known == ZB_REASON_OTHER_PAIR;
        if (told || !zb_links_view (self->links, way, &view) || !view.refused)
            continue;
        char *why = zsys_sprintf ("%s: refused since %" PRId64 " s", view.text, (self->now - view.since) / 1000);
        s_way_out (list, ZB_REASON_LINK_REFUSED, why, view.why);
        zstr_free (&why);
    }
}

//  All that waits for an operator now, and what he can do.
static json_t *s_ways_out (const zb_status_t *self)
{
    json_t *list = json_array ();
    zb_reason_t reason = zb_role_reason (self->role, self->now);
    const char *differs = self->links ? zb_links_differs (self->links) : NULL;
    if (zb_reason_row (reason)->way_out)
        s_way_out (list, reason, zb_role_why (self->role, self->now), NULL);
    s_refused_out (list, self, reason);
    if (differs)
        s_way_out (list, ZB_REASON_SETTINGS_DIFFER, differs, NULL);
    if (self->replays && *self->replay.waits)
        s_way_out (list, ZB_REASON_REPLAY_WAITS, self->replay.waits, NULL);
    if (self->replays && self->replay.aside)
        s_way_out (list, ZB_REASON_PUT_ASIDE, NULL, NULL);
    if (self->full)
        s_way_out (list, ZB_REASON_DISK_FULL, NULL, NULL);
    if (self->gate.most && self->gate.connections >= self->gate.most)
        s_way_out (list, ZB_REASON_CONNECTIONS_FULL, NULL, NULL);
    return list;
}

//  null if none was asked for since this process started.
static json_t *s_backup (const zb_status_t *self)
{
    static const char *const states[] = {"none", "copying", "finishing", "done", "failed"};
    if (self->backup.state == ZB_BACKUP_NONE)
        return json_null ();
    json_t *object = json_object ();
    json_object_set_new (object, "number", s_number (self->backup.serial));
    json_object_set_new (object, "state", json_string (states[self->backup.state]));
    json_object_set_new (object, "folder", json_string (self->backup.folder));
    json_object_set_new (object, "done", s_number (self->backup.done));
    json_object_set_new (object, "total", s_number (self->backup.total));
    json_object_set_new (object, "why", self->backup.why ? json_string (self->backup.why) : json_null ());
    return object;
}

static void s_counts (json_t *object, const zb_status_t *self)
{
    const zb_metric_t *metric;
    for (size_t index = 0; (metric = zb_metric (index)); index++) {
        if (!zb_metric_counts (metric))
            continue;
        json_t *group = metric->group ? json_object_get (object, metric->group) : object;
        if (!group)
            json_object_set_new (object, metric->group, group = json_object ());
        json_object_set_new (group, metric->name, s_number (zb_metric_read (metric, self)));
    }
}

//  Bounds in microseconds, how many took longer than the one before and not longer than this; the last one has none.
static json_t *s_delays (const zb_delays_t *delays)
{
    json_t *bounds = json_array (), *counts = json_array ();
    for (size_t index = 0; index <= ZB_DELAYS; index++) {
        if (index < ZB_DELAYS)
            json_array_append_new (bounds, s_number (zb_delays_bound (index)));
        json_array_append_new (counts, s_number (delays->count[index]));
    }
    return json_pack ("{s:o, s:o, s:o}", "bounds", bounds, "counts", counts, "sum", s_number (delays->sum));
}

void zb_status_error (zb_status_t *self, unsigned code)
{
    static const unsigned codes[ZB_ERRORS_OTHER] = {400, 401, 403, 404, 409, 413, 429, 503, 507};
    size_t index = 0;
    while (index < ZB_ERRORS_OTHER && codes[index] != code)
        index++;
    self->errors[index]++;
}

char *zb_status_json (const zb_status_t *self)
{
    const zb_role_t *role = self->role;
    json_t *object = json_object ();
    json_object_set_new (object, "node", json_string (zb_status_node (self->config)));
    json_object_set_new (object, "role", json_string (zb_status_role (role)));
    json_object_set_new (object, "phase", json_string (zb_phase_name (role->phase)));
    json_object_set_new (object, "why", json_string (zb_role_why (role, self->now)));
    json_object_set_new (object, "reason", json_string (zb_reason_row (zb_role_reason (role, self->now))->name));
    json_object_set_new (object, "way_out", s_ways_out (self));
    json_object_set_new (object, "since_ms", s_number ((uint64_t) (self->now - self->phase_since)));
    json_object_set_new (object, "epoch", s_number (zb_status_epoch (role)));
    json_object_set_new (object, "level", json_string (s_level (role, self->now)));
    json_object_set_new (object, "in_step", json_boolean (s_in_step (role, self->now)));
    json_object_set_new (object, "in_sync", json_boolean (s_in_sync (role, self->now)));
    json_object_set_new (object, "alone", json_boolean (role->alone != 0));
    json_object_set_new (object, "complete", json_boolean (role->complete));
    json_object_set_new (object, "store_level", role->level.store ? s_number (role->level.store) : json_null ());
    json_object_set_new (object, "levels", s_levels (self));
    json_object_set_new (object, "peer", s_peer (self));
    json_object_set_new (object, "witness", s_witness (self));
    json_object_set_new (object, "links", s_links (self));
    json_object_set_new (object, "commit", s_number (role->closed > role->commit ? role->closed : role->commit));
    json_object_set_new (object, "synced_here", s_number (role->here));
    json_object_set_new (object, "synced_there", s_number (role->there));
    json_object_set_new (object, "disk", s_disk (self));
    json_object_set_new (object, "resync", s_resync (self));
    json_object_set_new (object, "lock", s_lock (self));
    json_object_set_new (object, "backup", s_backup (self));
    json_object_set_new (object, "replay", s_replay (self));
    json_object_set_new (object, "merge", s_merge (self));
    s_counts (object, self);
    json_object_set_new (object, "sync_us", s_delays (&self->sync));
    json_object_set_new (object, "put_us", s_delays (&self->put));
    json_object_set_new (object, "uptime_ms", s_number ((uint64_t) (self->now - self->started)));
    json_object_set_new (object, "pid", s_number ((uint64_t) getpid ()));
    json_object_set_new (object, "version", json_string (PACKAGE_VERSION));
    json_t *cautions = json_array ();
    for (size_t index = 0; index < self->cautions; index++)
        json_array_append_new (cautions, json_string (self->caution[index]));
    json_object_set_new (object, "cautions", cautions);
    json_object_set_new (object, "challenge", json_string (self->challenge));
    char *text = json_dumps (object, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref (object);
    return text;
}

char *zb_status_line (const zb_role_t *role, int64_t now)
{
    const char *word = zb_status_role (role);
    bool active = role->bstar.state == BSTAR_ACTIVE;
    char upper[16] = "";
    for (size_t index = 0; word[index]; index++)
        upper[index] = (char) toupper ((unsigned char) word[index]);
    return zsys_sprintf ("%s%s%s epoch %" PRIu64 ": %s", upper, active ? " " : "", active ? s_level (role, now) : "",
                         zb_status_epoch (role), zb_role_why (role, now));
}
