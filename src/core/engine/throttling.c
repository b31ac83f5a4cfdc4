/*  =========================================================================
    throttling - PUTs that let acknowledgements go first

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A GET is answered when the commit with its acknowledgements is released, and that goes
    behind all PUTs that were read before.  With many in flight a consumer would get few
    messages a second, and its queue would grow.  So while a consumer that acknowledges by GET
    lags, a part of a commit of PUTs is under way, and further ones wait in their sessions.
    All else goes on, also PUTs that acknowledge what they were made of; but what a client
    asks behind a PUT of its own waits with that.

    It is one consumer, of any queue, for which the PUTs to all queues wait: all share the
    commits.  One lags if more is ready in memory than it asks for twice.  Or if a queue has
    more than there is room for in memory, as it soon has where bodies are large: unless what
    is there is leased or blocked, so that consumers have enough to do.

    What they wait for is the release of PUTs alone, which depends on store and peer, and on
    no client.  Each release lets some of them in, one of each client in turn, however
    many acknowledgements come.  Of one client all stays in its order.
*/

#include "core/engine/engine_self.h"

//  ms for which a consumer that lagged is taken to lag.
#define LAGGED_LATELY 100
//  Part of limits.batch.
#define PART 4
//  What a PUT costs that has waited: a turn goes on with a thousand and a half.
#define PUT_VISITS 32

//  Whether a work queue has more than what it may have in memory, and that is to be had.
static bool s_has_more (const zb_queue_t *queue, uint64_t asks)
{
    const zb_cursor_t *cursor = &queue->cursor;
    return queue->kind == ZB_KIND_QUEUE && queue->mode != ZB_MODE_KEY && cursor->leased <= asks &&
           cursor->reach < cursor->log->tail;
}

void zb_engine_find_lag (zb_engine_t *self, const zb_get_t *get)
{
    uint64_t asks = get->max < self->limits.bodies ? get->max : self->limits.bodies;
    //  Who asks for nothing does not wait for anything.
    if (asks && (get->queue->cursor.ready > 2 * asks || s_has_more (get->queue, asks)))
        self->lagged_at = self->now;
}

static bool s_has_room (const zb_engine_t *self)
{
    bool lags = self->lagged_at && self->now - self->lagged_at < LAGGED_LATELY;
    return !lags || self->under_way <= self->limits.batch / PART;
}

bool zb_engine_throttles (const zb_engine_t *self, const zb_task_t *task)
{
    bool acknowledges = task->request.acked.size;
    return !task->turn && !acknowledges && (!zb_ring_empty (&self->throttled.sessions) || !s_has_room (self));
}

void zb_engine_put_on (zb_engine_t *self)
{
    while (!zb_ring_empty (&self->throttled.sessions) && s_has_room (self) && zb_engine_goes_on (self) &&
           !self->fault) {
        zb_session_t *session = ZB_ITEM (zb_ring_pop (&self->throttled.sessions), zb_session_t, waits);
        zb_engine_waited (self, session);
        zb_engine_visited (self, PUT_VISITS);
        ZB_ITEM (session->tasks.next, zb_task_t, ring)->turn = true;
        zb_engine_go_on (self, session);
    }
}

int64_t zb_engine_put_at (const zb_engine_t *self)
{
    if (zb_ring_empty (&self->throttled.sessions))
        return INT64_MAX;
    return s_has_room (self) ? self->now : self->lagged_at + LAGGED_LATELY;
}
