/*  =========================================================================
    acking - the engine's ACK, NACK and EXTEND

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Ids and ranges come from clients and may be anything.  Ids that no message has any
    more, or never had, are done already; ranges are cut to what exists, and what
    exists on disk only is read in steps.  What takes long gives way to others and goes
    on in the next turn.
*/

#include <assert.h>
#include <stdlib.h>

#include "core/engine/engine_self.h"

//  Whose acknowledgement it is.
typedef struct {
    zb_engine_t *engine;
    const zb_queue_t *queue;
} s_acked_t;

static void s_gone (void *context, uint64_t first, uint64_t last)
{
    const s_acked_t *acked = (const s_acked_t *) context;
    //  Of a subscription the mark, and the bitmaps, say it until a replay asks.
    if (!acked->queue->topic)
        zb_engine_note_done (acked->engine, acked->queue->name, first, last);
}

//  Whether it is a consumer's, which may name ranges.  What others acknowledge of a row has been delivered, or is purged; a PUT
//  names each id, and they may be joined when it comes here.
static bool s_is_clients (const zb_task_t *task)
{
    zb_verb_t verb = task->request.verb;
    return verb != ZB_REPLAY && verb != ZB_PURGE && verb != ZB_DELETE && verb != ZB_PUT;
}

//  Acknowledges ids that are in memory or gone; returns where to go on, 0 if it is done.
static uint64_t s_done (zb_engine_t *self, zb_queue_t *queue, uint64_t first, uint64_t last, size_t *left)
{
    uint64_t done = queue->cursor.done;
    s_acked_t acked = {self, queue};
    uint64_t next = zb_cursor_finish (&queue->cursor, first, last, self->fill, left, s_gone, &acked);
    queue->cursor.shy = false;
    self->stats.acked += queue->cursor.done - done;
    if (queue->cursor.done != done)
        zb_engine_touch_queue (self, queue);
    if (queue->cursor.done != done && queue->topic)
        zb_engine_touch_queue (self, queue->topic);
    //  What it has blocked by its key may go.
    if (queue->cursor.done != done && queue->mode == ZB_MODE_KEY)
        zb_engine_serve_later (self, queue);
    if (queue->topic)
        zb_engine_trim_jumped (self, queue);
    return next;
}

//  Acknowledges a span from task->next on as far as it is in memory; NULL when it is done, else what it waits for.
static zb_load_t *s_span (zb_engine_t *self, zb_queue_t *queue, zb_task_t *task, const zb_span_t *span, size_t *left)
{
    uint64_t tail = queue->cursor.log->tail, last = span->last < tail ? span->last : tail;
    while (task->next <= last) {
        uint64_t known = zb_cursor_known (&queue->cursor, task->next);
        if (known < self->told.last && self->told.queue == queue && task->next >= self->told.from &&
            task->next <= self->told.last)
            known = self->told.last;
        if (known == 0 && zb_engine_reads (queue))
            return zb_engine_reads (queue);
        if (known == 0)
            return zb_engine_load_rows (self, queue, ZB_LOAD_STRAYS, task->next, last);
        known = known < last ? known : last;
        queue->cursor.shy = queue->delays && span->last > span->first && s_is_clients (task);
        uint64_t next = s_done (self, queue, task->next, known, left);
        task->next = next ? next : known + 1;
        if (next)
            return &self->later;
    }
    return NULL;
}

zb_load_t *zb_engine_ack (zb_engine_t *self, zb_queue_t *queue, zb_task_t *task, const zb_span_t *span, size_t spans)
{
    size_t budget = zb_engine_budget (self), left = budget;
    zb_load_t *load = NULL;
    while (task->at < spans && !load) {
        if (task->next == 0)
            task->next = span[task->at].first;
        load = !left ? &self->later
               : queue->delays && (span[task->at].last == span[task->at].first || !s_is_clients (task))
                   ? zb_engine_ack_laid (self, queue, task, &span[task->at])
                   : NULL;
        load = load ? load : s_span (self, queue, task, &span[task->at], &left);
        if (!load) {
            task->at++;
            task->next = task->laid = 0;
            left -= left ? 1 : 0;
        }
    }
    if (!load)
        task->at = 0;
    zb_engine_visited (self, budget - left);
    return load;
}

void zb_engine_ack_now (zb_engine_t *self, zb_queue_t *queue, const zb_span_t *span, size_t spans)
{
    size_t left = SIZE_MAX;
    for (size_t index = 0; index < spans; index++)
        s_done (self, queue, span[index].first, span[index].last, &left);
    zb_engine_visited (self, SIZE_MAX - left);
}

//  Where a message belongs to one consumer at a time an acknowledgement is judged as acks= of a PUT is.

//  Whether the task's session may acknowledge an id of a row that is in memory or gone.  *inner: it lies between the ends of a
//  range, where there may be none.
static bool s_may_ack (const zb_queue_t *queue, const zb_task_t *task, uint64_t id, bool inner)
{
    const zb_lease_t *lease = NULL;
    bool open = zb_cursor_open (&queue->cursor, id, &lease);
    return open ? !lease || !lease->session || lease->session == task->session : inner;
}

static bool s_may_ack_all (zb_engine_t *self, const zb_queue_t *queue, const zb_task_t *task)
{
    bool may = true;
    for (size_t index = 0; may && index < task->request.spans; index++) {
        const zb_span_t *span = &task->request.span[index];
        for (uint64_t left = span->last - span->first + 1, id = span->first; may && left; left--, id++)
            may = s_may_ack (queue, task, id, id > span->first && id < span->last);
    }
    zb_engine_visited (self, (size_t) zb_spans_ids (task->request.span, task->request.spans));
    return may;
}

static zb_load_t *s_refuse (zb_engine_t *self, const zb_task_t *task, unsigned code, const char *text, uint64_t commit)
{
    zb_engine_refuse (self, &task->request.from, code, text, commit);
    return NULL;
}

zb_load_t *zb_engine_ack_strictly (zb_engine_t *self, zb_queue_t *queue, zb_task_t *task, bool *refused)
{
    const zb_request_t *request = &task->request;
    *refused = true;
    uint64_t ids = zb_spans_ids (request->span, request->spans);
    if (ids > ZB_STEP_VISITS)
        return s_refuse (self, task, ZB_TOO_LARGE,
                         "acks: more than 10000 ids of a queue with mode=exclusive or mode=key, name fewer", ZB_NOW);
    //  They are looked for in the order of ids.  Not joined: what lies between two may be another's.
    zb_spans_sort (request->span, request->spans);
    if (zb_engine_inserts_due (self, queue)) {
        //  What is named may be among it: all of that is looked for again.
        task->at = 0;
        task->next = 0;
        return &self->shown;
    }
    zb_pinned_t result;
    zb_load_t *load = ids > zb_engine_budget (self) ? &self->later : zb_engine_pin (self, queue, task, false, &result);
    if (load)
        return load;
    if (result == ZB_PIN_LARGE)
        return s_refuse (self, task, ZB_TOO_LARGE, ZB_ROWS_TOO_LARGE, ZB_NOW);
    bool laid = false;
    load = zb_engine_named_laid (self, queue, task, false, &laid);
    if (load)
        return load;
    if (laid)
        return s_refuse (self, task, ZB_BAD_REQUEST, ZB_NOT_DUE, ZB_NOW);
    if (!s_may_ack_all (self, queue, task)) {
        //  What a replay has brought is not shown before its commit is released.
        if (queue->cursor.log->inserting)
            return s_refuse (self, task, ZB_NOT_READY, ZB_MERGING, ZB_NOW);
        return s_refuse (self, task, ZB_GONE,
                         "a message that is named is settled already, or another consumer has it: nothing was done",
                         queue->cursor.commit);
    }
    *refused = false;
    size_t left = SIZE_MAX;
    for (size_t index = 0; index < request->spans; index++) {
        queue->cursor.shy = queue->delays && request->span[index].last > request->span[index].first;
        s_done (self, queue, request->span[index].first, request->span[index].last, &left);
    }
    zb_engine_visited (self, SIZE_MAX - left);
    return NULL;
}
_Static_assert(ZB_STEP_VISITS == 10000, "as the text says");

//  NACK and EXTEND are about messages that this session has leased: of these all that matters is in memory.

//  What the named ones go over to: a lease of the session that begins now; after a NACK with a delay one of nobody's, whose
//  end is the delay's.  NULL: they are ready at once.
static zb_lease_t *s_lease (zb_engine_t *self, zb_queue_t *queue, const zb_task_t *task)
{
    bool extends = task->request.verb == ZB_EXTEND;
    if (!extends && task->request.wait == 0)
        return NULL;
    if (!extends)
        return zb_engine_rest_until (self, queue, self->now + (int64_t) task->request.wait);
    zb_lease_t *lease =
        zb_lease_new (&self->timers, ZB_TIMER_LEASE, self->now + zb_engine_lease (self, queue), ++self->next_lease);
    lease->queue = queue;
    lease->session = task->session;
    lease->sum = &task->session->leased;
    lease->walk = task->walk;
    zb_ring_append (&task->session->leases, &lease->mine);
    if (queue->mode == ZB_MODE_EXCLUSIVE)
        zb_ring_append (&queue->lent, &lease->lent);
    return lease;
}

//  Hands what is named of a span over, or puts it back: then it was tried, if the queue asks and the client does not deny it.
static uint64_t s_hand (zb_queue_t *queue, const zb_task_t *task, const zb_span_t *span, const zb_whose_t *whose,
                        zb_lease_t *to, zb_rests_t *rests, size_t *left)
{
    bool tried = task->request.verb == ZB_NACK && zb_engine_counts (queue) && !task->request.untried;
    rests->told = to != NULL;
    rests->lease[0] = to;
    return tried ? zb_cursor_try (&queue->cursor, span->first, span->last, whose, zb_engine_rest, rests, left)
                 : zb_cursor_hand (&queue->cursor, span->first, span->last, whose, to, left);
}

//  What is named of one lease.
static void s_named (zb_engine_t *self, zb_lease_t *lease, zb_task_t *task, bool extends, size_t *left)
{
    uint64_t first = lease->span[0].first, last = lease->span[lease->spans - 1].last;
    size_t at = zb_spans_find (task->request.span, task->request.spans, first);
    if (at == task->request.spans || task->request.span[at].first > last)
        return;
    if (extends && task->request.span[at].first <= first && task->request.span[at].last >= last) {
        task->held += lease->left;
        zb_timer_set (&self->timers, &lease->timer, self->now + zb_engine_lease (self, lease->queue));
        return;
    }
    zb_lease_t *to = s_lease (self, lease->queue, task);
    const zb_whose_t whose = {.lease = lease};
    zb_rests_t rests = {.engine = self, .queue = lease->queue};
    size_t visits = SIZE_MAX;
    //  One more, so that it lives until its last span is done.
    zb_lease_hold (lease);
    for (uint32_t index = 0; index < lease->spans; index++) {
        const zb_span_t *have = &lease->span[index];
        for (at = zb_spans_find (task->request.span, task->request.spans, have->first);
             at < task->request.spans && task->request.span[at].first <= have->last; at++) {
            const zb_span_t *want = &task->request.span[at];
            const zb_span_t both = {want->first > have->first ? want->first : have->first,
                                    want->last < have->last ? want->last : have->last};
            task->held += s_hand (lease->queue, task, &both, &whose, to, &rests, &visits);
        }
    }
    zb_lease_uncover (lease, 1);
    if (to && to->left == 0)
        zb_lease_destroy (&to);
    visits = SIZE_MAX - visits;
    *left -= visits < *left ? visits : *left;
}

//  Looks for what is named among all leases of the session.  Each one that was looked at goes to the end of their ring.
static zb_load_t *s_walk (zb_engine_t *self, const zb_queue_t *queue, zb_task_t *task, bool extends)
{
    zb_session_t *session = task->session;
    size_t budget = zb_engine_budget (self), left = budget;
    bool more = false;
    task->walk = task->walk ? task->walk : ++self->next_walk;
    while (!zb_ring_empty (&session->leases)) {
        zb_lease_t *lease = ZB_ITEM (session->leases.next, zb_lease_t, mine);
        more = left == 0 && lease->walk != task->walk;
        if (more || lease->walk == task->walk)
            break;
        lease->walk = task->walk;
        zb_ring_remove (&lease->mine);
        zb_ring_append (&session->leases, &lease->mine);
        left--;
        if (lease->queue == queue)
            s_named (self, lease, task, extends, &left);
    }
    zb_engine_visited (self, budget - left);
    return more ? &self->later : NULL;
}

//  Looks up the few that are named.
static zb_load_t *s_look_up (zb_engine_t *self, zb_queue_t *queue, zb_task_t *task)
{
    size_t left = SIZE_MAX;
    zb_lease_t *to = s_lease (self, queue, task);
    const zb_whose_t whose = {.session = task->session};
    zb_rests_t rests = {.engine = self, .queue = queue};
    for (size_t index = 0; index < task->request.spans; index++)
        task->held += s_hand (queue, task, &task->request.span[index], &whose, to, &rests, &left);
    if (to && to->left == 0)
        zb_lease_destroy (&to);
    zb_engine_visited (self, task->request.spans + SIZE_MAX - left);
    return NULL;
}

zb_load_t *zb_engine_held (zb_engine_t *self, zb_queue_t *queue, zb_task_t *task)
{
    bool extends = task->request.verb == ZB_EXTEND;
    uint64_t ids = zb_spans_ids (task->request.span, task->request.spans);
    zb_load_t *load = NULL;
    if (task->walk || ids > ZB_STEP_VISITS)
        load = s_walk (self, queue, task, extends);
    else if (ids > zb_engine_budget (self))
        load = &self->later;
    else
        load = s_look_up (self, queue, task);
    if (!extends)
        zb_engine_serve (self, queue);
    return load;
}
