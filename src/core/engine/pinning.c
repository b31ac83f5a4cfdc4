/*  =========================================================================
    pinning - what is written in one commit: read, pinned and checked before

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    What is written in one commit is first read and pinned, then checked, then written,
    the last two in one step: between them nothing else happens, and no commit is closed.
    Pinned rows stay in memory while others are read, so that the reads end.

    Rows are pinned for one task at a time, and up to half of the memory of all windows:
    ids may be scattered over as many rows as there are ids.  Mostly none is: what a
    consumer has got lately is in memory.
*/

#include <assert.h>

#include "core/engine/engine_self.h"

void zb_engine_unpin (zb_engine_t *self, const zb_session_t *session)
{
    if (!self->pin.session || self->pin.session != session)
        return;
    self->pin.queue->cursor.pins--;
    self->pin.queue->log.users--;
    self->pin.session = NULL;
    self->pin.queue = NULL;
}

static void s_pin (zb_engine_t *self, zb_session_t *session, zb_queue_t *queue)
{
    if (self->pin.session)
        return;
    self->pin.session = session;
    self->pin.queue = queue;
    self->pin.from = queue->cursor.log->bytes;
    queue->cursor.pins++;
    queue->log.users++;
}

//  Whether it is known of all ids of the span, from *id on, what became of them; else *id is the first of which it is not.
//  *gone: of one that was not in memory.
static bool s_is_known (const zb_engine_t *self, const zb_queue_t *queue, const zb_span_t *span, uint64_t *id,
                        bool *gone)
{
    uint64_t tail = queue->cursor.log->tail, last = span->last < tail ? span->last : tail;
    while (*id <= last) {
        uint64_t known = zb_cursor_known (&queue->cursor, *id);
        //  What the load that has just come back would have brought.
        if (known == 0 && self->told.queue == queue && *id >= self->told.from && *id <= self->told.last) {
            known = self->told.last;
            *gone = true;
        }
        if (known == 0)
            return false;
        if (known >= last)
            break;
        *id = known + 1;
    }
    *gone = *gone || span->last > tail;
    return true;
}

zb_load_t *zb_engine_pin (zb_engine_t *self, zb_queue_t *queue, zb_task_t *task, bool strict, zb_pinned_t *result)
{
    zb_session_t *session = task->session;
    if (self->pin.queue != queue)
        //  It was deleted and made again meanwhile.
        zb_engine_unpin (self, session);
    //  Only what is pinned is sure to be there still.
    if (self->pin.session != session) {
        task->at = 0;
        task->next = 0;
    }
    if (self->pin.session && self->pin.session != session && !strict) {
        assert (self->pin.session->load);
        return self->pin.session->load;
    }
    if (!strict)
        s_pin (self, session, queue);
    *result = ZB_PIN_WHOLE;
    for (; task->at < task->request.spans; task->at++, task->next = 0) {
        const zb_span_t *span = &task->request.span[task->at];
        bool gone = false;
        if (task->next == 0)
            task->next = span->first;
        bool known = s_is_known (self, queue, span, &task->next, &gone);
        *result = ZB_PIN_GONE;
        if (strict && gone)
            return NULL;
        *result = ZB_PIN_WHOLE;
        if (known)
            continue;
        *result = ZB_PIN_LARGE;
        if (self->pin.session == session && queue->cursor.log->bytes > self->pin.from + self->limits.windows / 2)
            return NULL;
        if (self->pin.session && self->pin.session != session) {
            assert (self->pin.session->load);
            return self->pin.session->load;
        }
        s_pin (self, session, queue);
        zb_load_t *load = zb_engine_reads (queue);
        return load ? load : zb_engine_load_rows (self, queue, ZB_LOAD_STRAYS, task->next, span->last);
    }
    return NULL;
}

bool zb_engine_may_ack (zb_engine_t *self, const zb_queue_t *queue, const zb_task_t *task)
{
    bool may = true;
    for (size_t index = 0; may && index < task->request.spans; index++) {
        const zb_span_t *span = &task->request.span[index];
        const zb_lease_t *lease = NULL;
        for (uint64_t id = span->first; may && id <= span->last; id++)
            may = zb_cursor_open (&queue->cursor, id, &lease) && (!lease || !lease->session || lease->session == task->session);
    }
    zb_engine_visited (self, (size_t) zb_spans_ids (task->request.span, task->request.spans));
    return may;
}
