/*  =========================================================================
    acking - the engine's ACK, NACK and EXTEND

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Ids and ranges come from clients and may be anything.  Ids that no message has any
    more, or never had, are done already; ranges are cut to what exists, and what
    exists on disk only is read in steps.
*/

#include <assert.h>
#include <stdlib.h>

#include "core/engine_self.h"

static void s_finish (void *context, zb_queue_t *queue, zb_page_t *page, uint32_t index)
{
    zb_engine_t *self = (zb_engine_t *) context;
    zb_queue_finish (queue, page, index, self->fill->number);
    if (page->open == 0)
        zb_engine_note_done (self, queue->name, page->first, page->last);
    self->stats.acked++;
}

//  Acknowledges ids that are in memory or gone.
static void s_done (zb_engine_t *self, zb_queue_t *queue, uint64_t first, uint64_t last)
{
    uint64_t done = queue->done;
    zb_queue_visit (queue, first, last, s_finish, self, self->fill->batch, self->fill->number);
    if (queue->done != done)
        zb_engine_touch_queue (self, queue);
}

//  Acknowledges the range task->next to task->last as far as it is in memory; task->next is 0 when it is done, else the
//  load is returned that brings more.
static zb_load_t *s_range (zb_engine_t *self, zb_queue_t *queue, zb_task_t *task)
{
    uint64_t last = task->last < queue->tail ? task->last : queue->tail;
    if (task->next <= queue->reach) {
        s_done (self, queue, task->next, last < queue->reach ? last : queue->reach);
        task->next = queue->reach + 1;
    }
    if (self->read_queue == queue && task->next >= self->read_from && task->next <= self->read_last) {
        s_done (self, queue, task->next, last < self->read_last ? last : self->read_last);
        task->next = self->read_last + 1;
    }
    if (task->next <= last) {
        if (queue->load)
            return queue->load;
        return zb_engine_load_rows (self, queue, ZB_LOAD_STRAYS, task->next, last);
    }
    task->next = 0;
    return NULL;
}

zb_load_t *zb_engine_ack (zb_engine_t *self, zb_queue_t *queue, zb_task_t *task)
{
    bool bad = false;
    while (task->next || zb_acks_next (task->request.acks, &task->cursor, &task->next, &task->last, &bad)) {
        zb_load_t *load = s_range (self, queue, task);
        if (load)
            return load;
    }
    assert (!bad);
    return NULL;
}

//  NACK and EXTEND are about messages that this session has leased: these are in memory.
typedef struct {
    zb_session_t *session;
    zb_lease_t *lease;
} s_mine_t;

static void s_back (void *context, zb_queue_t *queue, zb_page_t *page, uint32_t index)
{
    const zb_lease_t *lease = page->message[index].lease;
    if (lease && lease->session == ((s_mine_t *) context)->session)
        zb_queue_return (queue, page, index);
}

static void s_extend (void *context, zb_queue_t *queue, zb_page_t *page, uint32_t index)
{
    (void) queue;
    s_mine_t *mine = (s_mine_t *) context;
    zb_message_t *message = &page->message[index];
    if (message->lease && message->lease->session == mine->session && message->lease != mine->lease) {
        zb_lease_uncover (message);
        zb_lease_cover (mine->lease, zb_page_id (page, index), message);
    }
}

static void s_each (zb_queue_t *queue, zb_frame_t acks, zb_visit_t *visit, s_mine_t *mine)
{
    size_t cursor = 0;
    uint64_t first = 0, last = 0;
    bool bad = false;
    while (zb_acks_next (acks, &cursor, &first, &last, &bad))
        zb_queue_visit (queue, first, last, visit, mine, NULL, 0);
    assert (!bad);
}

void zb_engine_nack (zb_engine_t *self, zb_session_t *session, zb_queue_t *queue, zb_frame_t acks)
{
    s_mine_t mine = {session, NULL};
    s_each (queue, acks, s_back, &mine);
    zb_engine_serve (self, queue);
}

void zb_engine_extend (zb_engine_t *self, zb_session_t *session, zb_queue_t *queue, zb_frame_t acks)
{
    zb_lease_t *lease =
        zb_lease_new (&self->timers, ZB_TIMER_LEASE, self->now + zb_engine_lease (self, queue), ++self->next_lease);
    lease->session = session;
    lease->queue = queue;
    zb_ring_append (&session->leases, &lease->mine);
    s_mine_t mine = {session, lease};
    s_each (queue, acks, s_extend, &mine);
    if (lease->left == 0)
        zb_lease_destroy (&lease);
}
