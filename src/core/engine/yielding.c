/*  =========================================================================
    yielding - PUTs that let acknowledgements go first

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A GET is answered when the commit with its acknowledgements is released, and that goes
    behind all PUTs that were read before.  With many in flight a consumer would get few
    messages a second, and its queue would grow.  So while a consumer that acknowledges is
    behind, a part of a commit of PUTs is under way, and further ones wait in their sessions.
    All else is read on.

    What they wait for is the release of PUTs alone, which depends on store and peer, and on
    no client.  Each release lets some of them in, one of each client in turn, however
    many acknowledgements come.  Of one client all stays in its order.
*/

#include "core/engine/engine_self.h"

//  ms for which a consumer that was behind is taken to be.
#define BEHIND_LATELY 100
//  Part of limits.batch.
#define PART 4

void zb_engine_find_behind (zb_engine_t *self, const zb_get_t *get)
{
    uint64_t asks = get->max < self->limits.bodies ? get->max : self->limits.bodies;
    if (get->queue->cursor.ready > 2 * asks)
        self->behind_at = self->now;
}

static bool s_has_room (const zb_engine_t *self)
{
    bool behind = self->behind_at && self->now - self->behind_at < BEHIND_LATELY;
    return !behind || self->under_way <= self->limits.batch / PART;
}

bool zb_engine_yields (const zb_engine_t *self, const zb_task_t *task)
{
    return !task->turn && (!zb_ring_empty (&self->yielding.sessions) || !s_has_room (self));
}

void zb_engine_put_on (zb_engine_t *self)
{
    while (!zb_ring_empty (&self->yielding.sessions) && s_has_room (self) && zb_engine_goes_on (self) && !self->fault) {
        zb_session_t *session = ZB_ITEM (zb_ring_pop (&self->yielding.sessions), zb_session_t, waits);
        zb_engine_waited (self, session);
        ZB_ITEM (session->tasks.next, zb_task_t, ring)->turn = true;
        zb_engine_go_on (self, session);
    }
}

int64_t zb_engine_put_at (const zb_engine_t *self)
{
    if (zb_ring_empty (&self->yielding.sessions))
        return INT64_MAX;
    return s_has_room (self) ? self->now : self->behind_at + BEHIND_LATELY;
}
