/*  =========================================================================
    expiring - messages whose time is over

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A message expires by the time of the pair, so long after its PUT.  It is looked at when it would be
    delivered, and when its queue is full; then it is done, as if it were acknowledged.  But it
    goes to no journal: after a split each side has decided for itself, by a clock that it
    knows.  While that clock may be wrong, in a lead's first minute or when the two machines'
    clocks differ, what seems to be over is nobody's: neither delivered nor dropped.
*/

#include <assert.h>

#include "core/engine/engine_self.h"
#include "core/queue/timing.h"

//  ms until it is looked at again while the clocks differ.
#define REST_STEP 10000

static bool s_is_over (const zb_engine_t *self, const zb_queue_t *queue, const zb_view_t *view, uint32_t number)
{
    zb_timing_t timing;
    uint64_t time = zb_log_time (view->places->row);
    if (time == 0 || time >= self->clock.pair.time || zb_places_id (view->places, number) <= queue->since ||
        zb_engine_is_dead (zb_places_properties (view->places, number)))
        return false;
    //  One that makes no sense came from where it was a program's own.
    zb_timing_read (&timing, zb_places_properties (view->places, number));
    uint64_t expires = timing.told ? timing.expires : queue->expires;
    return expires && self->clock.pair.time - time > expires;
}

//  The row is gone.  The peer is told of what was acknowledged of it, as it would be had the rest been, too.
static void s_gone (void *context, uint64_t first, uint64_t last)
{
    zb_drops_t *drops = (zb_drops_t *) context;
    (void) first;
    (void) last;
    for (size_t index = 0; index < drops->acked.size; index++)
        zb_engine_note_done (drops->engine, drops->queue->name, drops->acked.span[index].first,
                             drops->acked.span[index].last);
    drops->view = NULL;
}

void zb_engine_drop (zb_drops_t *self, zb_view_t *view, uint32_t number)
{
    uint64_t id = zb_places_id (view->places, number);
    size_t left = SIZE_MAX;
    if (self->view != view)
        zb_view_done (view, &self->acked);
    self->view = view;
    zb_cursor_finish (&self->queue->cursor, id, id, self->engine->fill, &left, s_gone, self);
    zb_engine_touch_queue (self->engine, self->queue);
    if (self->queue->mode == ZB_MODE_KEY)
        zb_engine_serve_later (self->engine, self->queue);
}

//  A lease of nobody's keeps it until it can be told.
static zb_lease_t *s_rest (zb_engine_t *self, zb_queue_t *queue)
{
    int64_t when = self->started + ZB_PAIRTIME_RESTS;
    zb_lease_t *lease = zb_lease_new (&self->timers, ZB_TIMER_LEASE, when > self->now ? when : self->now + REST_STEP,
                                      ++self->next_lease);
    lease->queue = queue;
    return lease;
}

bool zb_engine_fresh (zb_engine_t *self, zb_queue_t *queue)
{
    size_t budget = zb_engine_budget (self), left = budget;
    bool rests = zb_engine_rests (self), over = true;
    zb_drops_t drops = {.engine = self, .queue = queue};
    zb_lease_t *rest = NULL;
    zb_view_t *view = NULL;
    uint32_t number = 0;
    while (left && (view = zb_cursor_next (&queue->cursor, &number)) && (over = s_is_over (self, queue, view, number))) {
        left--;
        if (!rests) {
            zb_engine_drop (&drops, view, number);
            self->stats.lapsed++;
            continue;
        }
        rest = rest ? rest : s_rest (self, queue);
        zb_cursor_deliver (&queue->cursor, view, number, rest);
    }
    zb_spans_clear (&drops.acked);
    zb_engine_visited (self, budget - left);
    return !over;
}

zb_load_t *zb_engine_make_room (zb_engine_t *self, zb_queue_t *queue)
{
    const zb_cursor_t *cursor = &queue->cursor;
    if (zb_engine_rests (self))
        return NULL;
    //  What waits behind one that is gone may be over, too.
    if (!zb_engine_settle (self, queue))
        return &self->later;
    queue->cursor.flat = true;
    bool fresh = zb_engine_fresh (self, queue);
    queue->cursor.flat = false;
    if (!fresh && (cursor->ready || !zb_cursor_settled (cursor)))
        return &self->later;
    zb_load_t *load = zb_engine_reads (queue);
    if (cursor->ready || load || cursor->reach >= cursor->log->tail)
        return cursor->ready ? NULL : load;
    return zb_engine_window_fits (self, queue)
               ? zb_engine_load_rows (self, queue, ZB_LOAD_WINDOW, cursor->reach + 1, UINT64_MAX)
               : NULL;
}
