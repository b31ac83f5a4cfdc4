/*  =========================================================================
    merging - after a split: the loser sends what it has, the winner makes it its own

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The messages go as those of a client do, and the engine takes them (core/engine/merge).
    Here the loser's courier gets its turn, and the winner learns that all is there.
*/

#include <czmq.h>

#include "io/broker/broker_self.h"

void zb_broker_absorb (zb_broker_t *self)
{
    zb_lineage_t loser;
    if (!zb_engine_absorbs (self->engine, &loser))
        return;
    zb_role_absorb (&self->role, &loser);
    zb_broker_meta_rows (self);
    zb_engine_lineage (self->engine, &self->role.lineage);
    zb_broker_carry_out (self);
    zb_broker_say (self, ZB_EVENT_SPLIT, ZB_LOG_NOTICE, "the split is mended: all that the other broker has answered is here");
}

void zb_broker_replay (zb_broker_t *self)
{
    bool replays = zb_role_replays (&self->role, self->now);
    if (!replays)
        zb_courier_destroy (&self->courier);
    else if (!self->courier && !self->role.alone)
        zb_broker_say (self, ZB_EVENT_SPLIT, ZB_LOG_WARNING,
                       "this store holds commit %" PRIu64 " of epoch %" PRIu64
                       ", and the other broker does not: one of the two was set back to an older copy, or its disk has lost "
                       "writes; nothing is rolled back, what is here is replayed to it",
                       self->role.commit, zb_lineage_newest (&self->role.lineage).number);
    bool fresh = replays && !self->courier;
    if (fresh)
        self->courier = zb_courier_new (zb_broker_peer_endpoint (self), self->config->store, self->salvager, self->role.secret,
                                        &self->role.lineage, self->keys);
    if (!self->courier)
        return;
    if (fresh) {
        zb_events_add (self->events, ZB_EVENT_SPLIT, NULL, 0, "the other broker leads and lacks what is here: it is sent to it");
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
        zb_broker_die (ZB_EXIT_DAMAGED, zb_courier_fault (self->courier));
    if (!done)
        return;
    zb_replayer_stats_t stats;
    zb_courier_stats (self->courier, &stats);
    zb_courier_destroy (&self->courier);
    zb_broker_say (self, ZB_EVENT_SPLIT, ZB_LOG_NOTICE,
                   "the other broker has all that was answered here: %" PRIu64 " messages sent, %" PRIu64
                   " put aside; this store is brought level with it",
                   stats.messages, stats.aside);
    zb_role_merged (&self->role);
    zb_broker_carry_out (self);
}
