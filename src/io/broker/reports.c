/*  =========================================================================
    reports - what the store reports, told to those whom it concerns

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The store works in a thread of its own (io/store/store.h says what each event means).
*/

#include <assert.h>
#include <czmq.h>

#include "io/base/service.h"
#include "io/broker/broker_self.h"

#define S_META_DAMAGED "the store's table meta makes no sense. Nothing was changed: see WAYS OUT in zbroker(1)"

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
        zb_broker_die (ZB_EXIT_USAGE, text);
    }
    if (bad || !zb_broker_rights (self, rows, count) || zb_role_meta (&self->role, rows, count, self->now))
        zb_broker_die (ZB_EXIT_DAMAGED, S_META_DAMAGED);
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
        zb_broker_say (self, ZB_EVENT_STORE, ZB_LOG_ERROR, "%s", text);
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
            zb_broker_die (ZB_EXIT_USAGE, "this store belongs to a pair: start the broker with --as primary or --as backup, or "
                                  "name another folder with --store");
    }
    zb_role_noted (&self->role, event->node.level);
    zb_role_opened (&self->role, event->fresh, event->node.complete, event->node.suspect, event->node.alone,
                    event->node.alone_from, self->now);
    self->ready = true;
    zb_log_say ("READY", zb_broker_own (self)->endpoint);
    zb_service_ready ();
    zb_broker_carry_out (self);
}

static void s_synced (zb_broker_t *self, const zb_store_event_t *event)
{
    zb_batch_t *batch;
    while ((batch = (zb_batch_t *) zlistx_first (self->batches)) && zb_batch_commit (batch) <= event->here) {
        zb_delays_add (&self->status.sync, zclock_usecs () - self->given[zb_batch_commit (batch) % GIVEN_MOST]);
        zlistx_delete (self->batches, zlistx_cursor (self->batches));
    }
    if (zb_engine_leads (self->engine))
        zb_engine_durable (self->engine, event->here, event->there, self->now);
    zb_role_durable (&self->role, event->here, event->there, self->now);
}

static void s_read_done (zb_broker_t *self, zb_store_event_t *event)
{
    if (event->read->purpose == READ_META)
        s_meta (self, event->read->found[0], event->read->count[0]);
    else if (event->read->purpose == READ_RIGHTS) {
        self->learns = false;
        if (!zb_broker_rights (self, event->read->found[0], event->read->count[0]))
            zb_broker_die (ZB_EXIT_DAMAGED, S_META_DAMAGED);
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
    if (!same && event->text)
        zb_events_add (self->events, ZB_EVENT_RESYNC, NULL, 0, event->text);
    free (self->status.resync);
    self->status.resync = event->text ? strdup (event->text) : NULL;
    self->status.done = event->done;
    self->status.total = event->total;
}

static void s_backed_up (zb_broker_t *self, zb_store_event_t *event)
{
    const zb_backups_t *backup = &self->status.backup;
    if (!zb_backups_heard (&self->status.backup, event))
        return;
    if (backup->state == ZB_BACKUP_DONE)
        zb_broker_say (self, ZB_EVENT_BACKUP, ZB_LOG_NOTICE, "the backup %s is complete", backup->folder);
    else
        zb_broker_say (self, ZB_EVENT_BACKUP, ZB_LOG_WARNING, "the backup %s was given up: %s", backup->folder, backup->why);
}

static void s_store_event (zb_broker_t *self, zb_store_event_t *event)
{
    zb_role_confirmed (&self->role, event->confirmed);
    self->status.pace = event->pace;
    self->resume = event->resume;
    switch (event->kind) {
    case ZB_STORE_OPENED:
        s_opened (self, event);
        break;
    case ZB_STORE_FAILED:
        zb_broker_die (event->code, event->text);
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
        //  Until its link says otherwise: what was told of the last leadership's is old.
        zb_engine_peer_follows (self->engine, false);
        zb_role_led (&self->role, self->now);
        break;
    case ZB_STORE_SAVED:
        zb_role_noted (&self->role, event->node.level);
        //  One that was written for the level alone may be older than what the role wants to be on the disk.
        if (event->node.alone == self->role.alone)
            zb_role_saved (&self->role, self->now);
        if (zb_engine_leads (self->engine) && !self->role.alone)
            zb_broker_tell_engine (self);
        break;
    case ZB_STORE_LINK:
        zb_role_link (&self->role, event->link == ZB_LINK_LIVE, event->session, self->now);
        zb_engine_peer_follows (self->engine, event->link != ZB_LINK_DOWN);
        if (zb_engine_leads (self->engine))
            zb_engine_durable (self->engine, event->here, self->role.there, self->now);
        break;
    case ZB_STORE_GRANTED:
        zb_role_granted (&self->role, event->granted, event->granted_epoch);
        break;
    case ZB_STORE_COMPLETE:
        s_meta (self, event->meta, event->metas);
        zb_role_complete (&self->role, self->now);
        zb_events_add (self->events, ZB_EVENT_RESYNC, NULL, 0, "this store is complete");
        free (self->status.resync);
        self->status.resync = NULL;
        break;
    case ZB_STORE_BACKUP:
        s_backed_up (self, event);
        break;
    case ZB_STORE_PROGRESS:
        s_progress (self, event);
        break;
    case ZB_STORE_SPACE:
        self->status.full = event->full;
        zb_engine_full (self->engine, event->full);
        zb_broker_say (self, ZB_EVENT_STORE, ZB_LOG_WARNING, "%s",
                       event->full ? "the disk is nearly full: PUT is refused with 507" : "the disk has room again");
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
    zb_broker_carry_out (self);
}

void zb_broker_store (zb_broker_t *self)
{
    zb_store_event_t *event;
    while ((event = zb_store_recv (self->store))) {
        s_store_event (self, event);
        zb_store_event_destroy (&event);
    }
}
