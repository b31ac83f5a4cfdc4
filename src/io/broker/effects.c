/*  =========================================================================
    effects - what the role wants is carried out

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The role (core/pair/role) decides, and touches nothing.  What it wants done lies in a
    queue of its own; here it reaches the store, the engine, the peer and the operator.
*/

#include <assert.h>
#include <czmq.h>

#include "io/base/service.h"
#include "io/broker/broker_self.h"

void zb_broker_meta_rows (zb_broker_t *self)
{
    uint8_t row[ZB_LINEAGE_MAX * ZB_EPOCH_SIZE];
    const char *key;
    const void *value;
    size_t size;
    for (size_t index = 0; zb_role_row (&self->role, index, row, &key, &value, &size); index++)
        zb_engine_meta (self->engine, key, value, size);
}

void zb_broker_tell_engine (zb_broker_t *self)
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

void zb_broker_tell_peer (zb_broker_t *self, bool now)
{
    if (!self->ha)
        return;
    zb_beat_t beat;
    zb_role_tell (&self->role, &beat);
    beat.time = zb_engine_pair_time (self->engine);
    beat.wall = (uint64_t) self->wall;
    zb_ha_tell (self->ha, &beat, now);
}

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

//  A leadership begins here: it is counted, and an event.
static void s_begin (zb_broker_t *self, uint64_t epoch)
{
    static const char *const causes[ZB_TAKEOVERS] = {[ZB_TAKEOVER_START] = "none was heard to lead",
                                                     [ZB_TAKEOVER_LOST] = "the other broker is gone",
                                                     [ZB_TAKEOVER_SWITCHOVER] = "the role was handed over",
                                                     [ZB_TAKEOVER_PROMOTED] = "an operator has promoted it"};
    zb_takeover_t cause = s_cause (self);
    self->status.takeovers[cause]++;
    zb_events_time (self->events, epoch, self->wall, self->now);
    zb_broker_say (self, ZB_EVENT_TAKEOVER, ZB_LOG_INFO, "this broker begins to lead, in epoch %" PRIu64 ": %s", epoch,
                   causes[cause]);
}

void zb_broker_carry_out (zb_broker_t *self)
{
    zb_do_t effect;
    s_tell_rows (self);
    while (zb_role_next (&self->role, &effect)) {
        switch (effect.kind) {
        case ZB_DO_LEAD:
            zb_store_lead (self->store, zb_beat_newest (&self->role.known).number);
            break;
        case ZB_DO_FOLLOW:
            if (effect.rollback && self->role.suspect)
                zb_broker_say (self, ZB_EVENT_RESYNC, ZB_LOG_WARNING,
                               "this store is not trusted: all is fetched anew, and what it holds up to commit %" PRIu64
                               " of epoch %" PRIu64 " is given up",
                               self->role.commit, zb_lineage_newest (&self->role.lineage).number);
            zb_store_follow (self->store, effect.rollback);
            break;
        case ZB_DO_START:
            s_begin (self, effect.epoch);
            zb_engine_lead (self->engine, effect.epoch, self->role.commit, self->role.secret);
            self->rule = ZB_RELEASE_HOLD;
            zb_broker_meta_rows (self);
            zb_broker_tell_engine (self);
            break;
        case ZB_DO_RAISE:
            zb_role_newest (&self->role, zb_engine_newest (self->engine));
            zb_engine_epoch (self->engine, effect.epoch);
            zb_broker_meta_rows (self);
            zb_broker_tell_engine (self);
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
            zb_engine_lineage (self->engine, &self->role.lineage);
            zb_store_grant (self->store, effect.session, effect.epoch);
            break;
        case ZB_DO_STOP:
            //  What is released goes out now; the rest is told where to go when the peer leads.
            zb_broker_replies (self);
            if (zb_engine_leads (self->engine))
                zb_engine_stop (self->engine, self->role.yields ? zb_broker_peer_endpoint (self) : zb_broker_active (self));
            break;
        case ZB_DO_READ:
            s_read_meta (self);
            break;
        case ZB_DO_BEAT:
            zb_broker_tell_peer (self, true);
            break;
        case ZB_DO_LEVEL:
            zb_broker_meta_rows (self);
            zb_broker_tell_engine (self);
            zb_broker_say (self, ZB_EVENT_STORE, ZB_LOG_NOTICE,
                           "the store is raised to level %u: from now on it takes zbroker %s or later",
                           self->role.level.store, self->role.level.needs);
            break;
        case ZB_DO_SAY: {
            char *line = zb_status_line (&self->role, self->now);
            self->status.phase_since = self->now;
            if (self->ready) {
                zb_log_say ("ROLE", line);
                zb_service_state (line);
                zb_broker_say (self, ZB_EVENT_ROLE, ZB_LOG_NOTICE, "%s", line);
                if (self->hooks)
                    zb_hooks_role (self->hooks, &self->role, line);
            }
            zstr_free (&line);
            break;
        }
        default:
            assert (!"an effect for the broker");
        }
    }
}

void zb_broker_apply_rule (zb_broker_t *self)
{
    zb_durable_t durable;
    zb_release_t rule = zb_role_release (&self->role, self->now, &durable);
    if (rule == self->rule && durable == self->durable)
        return;
    bool solo = durable == ZB_DURABLE_SOLO;
    if (solo != (self->durable == ZB_DURABLE_SOLO))
        zb_events_add (self->events, ZB_EVENT_ALONE, NULL, 0,
                       solo ? "clients are answered alone from now on: OK solo is on one disk"
                            : "clients are not answered alone any more");
    self->rule = rule;
    self->durable = durable;
    zb_news_durable (&self->news, durable, self->now);
    if (zb_engine_leads (self->engine))
        zb_engine_release (self->engine, rule, durable);
}
