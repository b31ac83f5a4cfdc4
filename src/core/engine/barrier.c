/*  =========================================================================
    barrier - the engine's read barrier: what a GET may be answered

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The peer may have led since this broker last heard it, if the machine stood still and
    no clock shows it: what is ready here may have been acknowledged there.  So a GET is
    given messages only when the peer is known to have followed after the GET came.  Two
    things show it: the peer's ack of a commit that was closed after the GET came, as that
    of the GET's own acknowledgements always is; and a passive peer's echo of a heartbeat
    that was sent after it, which is asked for where no such ack is on its way.

    No clock is used, but moments: a count of closed commits and questions, in their order.  */

#include <assert.h>

#include "core/engine/engine_self.h"

bool zb_engine_sure (const zb_engine_t *self, uint64_t since)
{
    //  Else there is no peer that may lead: none, or one that knows it may not.
    return self->rule != ZB_RELEASE_BOTH || self->keep != ZB_KEEP_NOTE || since < self->barrier.followed;
}

void zb_engine_doubt (zb_engine_t *self, zb_queue_t *queue)
{
    const zb_get_t *get = ZB_ITEM (queue->parked.next, zb_get_t, turn);
    self->barrier.doubted = get->since > self->barrier.doubted ? get->since : self->barrier.doubted;
    zb_ring_remove (&queue->rest);
    zb_ring_append (&self->barrier.unsure, &queue->rest);
}

void zb_engine_serve_unsure (zb_engine_t *self)
{
    for (zb_ring_t *link = zb_ring_pop (&self->barrier.unsure); link; link = zb_ring_pop (&self->barrier.unsure))
        zb_ring_append (&self->rest, link);
    zb_engine_serve_on (self);
}

void zb_engine_followed (zb_engine_t *self, uint64_t moment)
{
    if (moment <= self->barrier.followed)
        return;
    self->barrier.followed = moment;
    if (!zb_ring_empty (&self->barrier.unsure))
        zb_engine_serve_unsure (self);
}

bool zb_engine_asks (const zb_engine_t *self)
{
    return self->leads && (self->barrier.question || !zb_ring_empty (&self->barrier.unsure));
}

//  Whether the peer is about to ack a commit that was closed, or will be, after all those GETs came: that says as much.
static bool s_ack_comes (const zb_engine_t *self)
{
    zb_ring_t *newest = self->commits.prev;
    return zb_engine_fills (self) ||
           (newest != &self->commits && ZB_ITEM (newest, zb_commit_t, ring)->moment > self->barrier.doubted);
}

uint64_t zb_engine_question (zb_engine_t *self)
{
    if (!self->leads || self->barrier.question || zb_ring_empty (&self->barrier.unsure) || s_ack_comes (self))
        return 0;
    return self->barrier.question = ++self->barrier.moment;
}

void zb_engine_answered (zb_engine_t *self, uint64_t question, int64_t now)
{
    assert (self->leads && question <= self->barrier.moment);
    if (self->fault)
        return;
    self->now = now;
    if (question >= self->barrier.question)
        self->barrier.question = 0;
    zb_engine_followed (self, question);
}
