/*  =========================================================================
    keying - queues whose messages go by their key: mode=key

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    What is leased and blocked is said in core/queue/keyed.h; here is when it is asked: before a message is delivered, with
    what expires, and before a GET is served, what is ready again.  Whatever is done of such a queue has it served.
*/

#include "core/engine/engine_self.h"

bool zb_engine_settle (zb_engine_t *self, zb_queue_t *queue)
{
    if (queue->mode != ZB_MODE_KEY)
        return true;
    zb_cursor_go_by_key (&queue->cursor, self->map_key);
    size_t budget = zb_engine_budget (self), left = budget;
    bool all = zb_cursor_settle (&queue->cursor, &left);
    zb_engine_visited (self, budget - left);
    return all;
}

//  Goes on to the first one that is ready and free, *id; false: there is none, or not within this turn.
static bool s_find_free (zb_engine_t *self, zb_queue_t *queue, uint64_t *id)
{
    size_t budget = zb_engine_budget (self), left = budget;
    bool found = false;
    uint32_t number = 0;
    zb_view_t *view = NULL;
    while (left && !found && (view = zb_cursor_next (&queue->cursor, &number)) != NULL) {
        *id = zb_places_id (view->places, number);
        found = zb_cursor_may (&queue->cursor, view, number);
        left--;
    }
    zb_engine_visited (self, budget - left);
    return found;
}

bool zb_engine_deliverable (zb_engine_t *self, zb_queue_t *queue)
{
    if (queue->mode != ZB_MODE_KEY)
        return !queue->timed || zb_engine_fresh (self, queue);
    uint64_t id = 0, next = 0;
    while (zb_engine_settle (self, queue) && s_find_free (self, queue, &id)) {
        if (!queue->timed)
            return true;
        //  What has expired is dropped: what is next then was not asked for its key, or may just have become free.
        uint32_t number = 0;
        const zb_view_t *view = zb_engine_fresh (self, queue) ? zb_cursor_next (&queue->cursor, &number) : NULL;
        next = view ? zb_places_id (view->places, number) : 0;
        if (next == id)
            return true;
        if (!view && zb_cursor_settled (&queue->cursor))
            return false;
    }
    return false;
}
