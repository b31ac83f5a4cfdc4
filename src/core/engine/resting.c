/*  =========================================================================
    resting - messages that were tried without success

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A try without success is a lease that ends, its connection's end included, or a NACK that
    does not say otherwise.  Where a queue has a retry-delay nobody gets the message then before
    it is over; it doubles with each try.  What is taken back for another reason (a HELLO of the
    same name, a reply that could not be sent, a takeover) counts as none.

    What rests is leased by nobody: a lease for each number of tries.  Tries are counted where a
    queue has a delay or max-deliveries, and in memory: a new leader begins at none.  What has had
    all its tries does not rest, it dies (dying.c).
*/

#include "core/engine/engine_self.h"

zb_lease_t *zb_engine_rest_until (zb_engine_t *self, zb_queue_t *queue, int64_t when)
{
    zb_lease_t *lease = zb_lease_new (&self->timers, ZB_TIMER_LEASE, when, ++self->next_lease);
    lease->queue = queue;
    lease->sum = &queue->resting;
    return lease;
}

bool zb_engine_counts (const zb_queue_t *queue)
{
    return queue->retry || queue->most_tries;
}

zb_lease_t *zb_engine_rest_after (zb_rests_t *rests, uint32_t tries)
{
    zb_engine_t *self = rests->engine;
    size_t step = tries < ZB_RESTS ? tries : ZB_RESTS - 1;
    if (zb_queue_retry (rests->queue, tries) == 0)
        return NULL;
    if (!rests->lease[step])
        rests->lease[step] =
            zb_engine_rest_until (self, rests->queue, self->now + zb_queue_retry (rests->queue, tries));
    return rests->lease[step];
}

zb_lease_t *zb_engine_rest (void *context, uint32_t tries)
{
    zb_rests_t *rests = (zb_rests_t *) context;
    if (rests->queue->most_tries && tries >= rests->queue->most_tries) {
        rests->doom = rests->doom ? rests->doom : zb_engine_doom (rests->engine, rests->queue);
        return rests->doom;
    }
    return rests->told ? rests->lease[0] : zb_engine_rest_after (rests, tries);
}

void zb_engine_tried (zb_engine_t *self, zb_lease_t *lease)
{
    zb_queue_t *queue = lease->queue;
    //  One of nobody's was a rest.
    if (!zb_engine_counts (queue) || !lease->session) {
        zb_engine_return (self, lease);
        return;
    }
    size_t left = SIZE_MAX;
    const zb_whose_t whose = {.lease = lease};
    zb_rests_t rests = {.engine = self, .queue = queue};
    //  One more, so that it lives until its last span is done.
    zb_lease_hold (lease);
    for (uint32_t index = 0; index < lease->spans; index++)
        zb_cursor_try (&queue->cursor, lease->span[index].first, lease->span[index].last, &whose, zb_engine_rest,
                       &rests, &left);
    zb_engine_visited (self, SIZE_MAX - left);
    zb_lease_uncover (lease, 1);
}
