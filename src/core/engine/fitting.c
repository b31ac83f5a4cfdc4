/*  =========================================================================
    fitting - what a PUT gets that is beyond its queue's limits

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    It is refused, or (full=drop-oldest) the oldest messages that are ready go, in the commit that
    stores it: as many as it takes, those that wait for their key among them, and none that a consumer has or that rests.  They are found
    first, and dropped when it is known that they are enough.  Of those that are not shown yet
    nobody knows whether they will be, so the PUT waits for their commit.

    If it takes more than a step may drop, or than fits into memory, some are dropped in steps before
    it, in commits of their own: a limit that was set below what is there, a split's other
    messages, or a large PUT that is to replace very many small ones.  That one may still be refused then,
    if consumers have the rest.

    Where the queue has the option dead-letter they go there, put there and done here in that commit, and the journal says
    it, as of all that moves; if they can't go the PUT is refused, and they stay.  What is a dead letter already
    dies once: it is dropped.

    Nobody asked for what is dropped, so the journal does not say it: each side of a split decides for itself.  What a
    replay brings, and dead letters, count, but nothing is dropped or refused for them.
*/

#include <assert.h>
#include <stdio.h>

#include "core/engine/engine_self.h"

//  What a PUT costs that looks again, in visits; and a message that goes to the dead letters.
#define AGAIN_VISITS 8
#define MOVE_VISITS 4
#define REASON "full"
#define FULL_OF_LEASES "the queue is full, and consumers have what is in it"
#define FULL_UNDUE "the queue is full, and what is in it consumers have, or is not due"

static zb_load_t *s_refuse (zb_engine_t *self, const zb_task_t *task, unsigned code, const char *text, uint64_t commit)
{
    zb_engine_refuse (self, &task->request.from, code, text, commit);
    return NULL;
}

//  Most messages that the queue may have; 0 = no limit.
static uint64_t s_most (const zb_engine_t *self, const zb_queue_t *queue)
{
    return queue->max ? queue->max : self->limits.queue_messages;
}

//  Bytes of what the PUT stores.
static uint64_t s_bytes (const zb_request_t *request)
{
    return request->body_bytes + (uint64_t) request->bodies * (request->properties.size - request->acks_size);
}

//  Bytes of what it acknowledges of the queue, as far as they are counted.
static uint64_t s_acked_bytes (const zb_queue_t *queue, const zb_request_t *request)
{
    uint64_t bytes = 0;
    uint32_t number = 0;
    for (size_t index = 0; index < request->spans; index++)
        for (uint64_t left = request->span[index].last - request->span[index].first + 1,
                      id = request->span[index].first;
             left; left--, id++) {
            const zb_view_t *view = id > queue->cursor.counts ? zb_cursor_find (&queue->cursor, id, &number) : NULL;
            bytes += view ? zb_cursor_size (view->places, number) : 0;
        }
    return bytes;
}

zb_excess_t zb_engine_excess (const zb_engine_t *self, const zb_queue_t *queue, const zb_request_t *request,
                              const zb_queue_t *acked)
{
    bool own = acked == queue;
    uint64_t most = s_most (self, queue), done = own ? zb_spans_ids (request->span, request->spans) : 0;
    uint64_t messages = zb_queue_depth (queue) - done + request->bodies, bytes = 0;
    if (queue->bytes) {
        uint64_t fewer = own ? s_acked_bytes (queue, request) : 0, have = queue->cursor.bytes;
        bytes = (have > fewer ? have - fewer : 0) + s_bytes (request);
    }
    return (zb_excess_t){most && messages > most ? messages - most : 0,
                         bytes > queue->bytes ? bytes - queue->bytes : 0};
}

uint64_t zb_engine_bytes_left (const zb_queue_t *queue)
{
    uint64_t have = queue->cursor.bytes;
    return queue->bytes == 0 ? UINT64_MAX : queue->bytes > have ? queue->bytes - have : 0;
}

//  Whether it goes to the dead letters.
static bool s_is_buried (const zb_queue_t *queue, const zb_view_t *view, uint32_t number)
{
    return queue->dead && !zb_engine_is_dead (zb_places_properties (view->places, number));
}

//  Puts one there, and has it done here.
static void s_bury (zb_engine_t *self, zb_queue_t *queue, zb_queue_t *target, const zb_view_t *view, uint32_t number)
{
    const zb_span_t span = {zb_places_id (view->places, number), zb_places_id (view->places, number)};
    uint64_t acked = self->stats.acked;
    zb_engine_put_moved (self, target, queue, view, number, REASON, view->seat ? view->seat[number].deliveries : 0);
    zb_engine_ack_now (self, queue, &span, 1);
    self->stats.acked = acked;
    self->stats.buried++;
    self->must = true;
    zb_engine_visited (self, MOVE_VISITS);
}

//  Where they go.  It was asked for in this very step: it is in memory, or there is none.
static zb_queue_t *s_target (zb_engine_t *self, const zb_queue_t *queue)
{
    const zb_frame_t name = {queue->dead, queue->dead_size};
    zb_queue_t *target = NULL;
    zb_load_t *load = zb_engine_queue (self, name, &target);
    assert (!load);
    return target ? target : zb_engine_make_dead (self, name);
}

void zb_engine_drop_oldest (zb_engine_t *self, zb_queue_t *queue, const zb_request_t *request, const zb_queue_t *acked,
                            uint64_t last)
{
    zb_drops_t drops = {.engine = self, .queue = queue};
    zb_queue_t *target = NULL;
    zb_view_t *view = NULL;
    uint32_t number = 0;
    size_t visits = 0;
    for (uint64_t id = 0; id < last && (view = zb_cursor_ready (&queue->cursor, id, &number)) != NULL; visits++) {
        id = zb_places_id (view->places, number);
        if (id > last || (acked == queue && zb_spans_have (request->span, request->spans, id)))
            continue;
        if (!s_is_buried (queue, view, number)) {
            zb_engine_drop (&drops, view, number);
            self->stats.dropped++;
            continue;
        }
        if (!target)
            target = s_target (self, queue);
        s_bury (self, queue, target, view, number);
        drops.view = NULL;
    }
    zb_spans_clear (&drops.acked);
    if (target) {
        target->asked = self->epoch;
        zb_engine_touch_queue (self, target);
    }
    zb_engine_visited (self, visits);
}

//  The last of the oldest messages in memory that are to go, so that so much is gone; 0 if there are none.  Takes what goes off
//  *excess, and off *left what was looked at.  No more bytes go to the dead letters than a commit has.
static uint64_t s_find (const zb_engine_t *self, zb_queue_t *queue, const zb_request_t *request,
                        const zb_queue_t *acked, zb_excess_t *excess, size_t *left)
{
    uint64_t last = 0, moved = 0;
    const zb_view_t *view = NULL;
    uint32_t number = 0;
    for (uint64_t id = 0;
         *left && (excess->messages || excess->bytes) && (view = zb_cursor_ready (&queue->cursor, id, &number)) != NULL;
         --*left) {
        id = zb_places_id (view->places, number);
        if (acked == queue && zb_spans_have (request->span, request->spans, id))
            continue;
        uint64_t size = id > queue->cursor.counts ? zb_cursor_size (view->places, number) : 0;
        excess->messages -= excess->messages ? 1 : 0;
        excess->bytes -= size < excess->bytes ? size : excess->bytes;
        last = id;
        moved += s_is_buried (queue, view, number) ? zb_cursor_size (view->places, number) : 0;
        if (moved >= self->limits.batch)
            *left = 1;
    }
    return last;
}

//  Those in memory that may go are not enough, up to this id (0: there are none).  Surplus: they are to go in any case.
static zb_load_t *s_look_on (zb_engine_t *self, const zb_task_t *task, zb_queue_t *queue, const zb_queue_t *acked,
                             uint64_t last, bool surplus)
{
    const zb_cursor_t *cursor = &queue->cursor;
    const zb_log_t *log = cursor->log;
    if (zb_engine_reads (queue))
        return zb_engine_reads (queue);
    zb_engine_visited (self, AGAIN_VISITS);
    bool all = cursor->reach >= log->tail, due = zb_engine_leaves_due (self, queue);
    if (log->inserting || (all && log->put > log->shown))
        return &self->shown;
    if (all && !due)
        return s_refuse (self, task, ZB_QUEUE_FULL, queue->delays ? FULL_UNDUE : FULL_OF_LEASES, queue->commit);
    if (!all && zb_engine_window_fits (self, queue))
        return zb_engine_load_rows (self, queue, ZB_LOAD_WINDOW, cursor->reach + 1, UINT64_MAX);
    if (!all && (!surplus || !last))
        zb_engine_read_past (self, queue);
    if (cursor->load)
        return cursor->load;
    if (last)
        zb_engine_drop_oldest (self, queue, &task->request, acked, last);
    return last ? &self->later
                : s_refuse (self, task, ZB_NOT_READY,
                            "the queue is full, and no memory is left to read what may go: consumers have what was "
                            "read",
                            ZB_NOW);
}

//  Whether so many may go to the dead letters; else it is answered, or waits for what is returned.
static zb_load_t *s_may_bury (zb_engine_t *self, const zb_task_t *task, zb_queue_t *queue, uint64_t count, bool *may)
{
    zb_queue_t *target = NULL;
    const char *why = NULL;
    zb_load_t *load = zb_engine_queue (self, (zb_frame_t){queue->dead, queue->dead_size}, &target);
    *may = !load && zb_engine_may_move (self, target, count, &why) == 0;
    if (load || *may)
        return load;
    char text[200];
    int size = snprintf (text, sizeof text, "the queue is full, and %s", why);
    assert (size > 0 && (size_t) size < sizeof text);
    return s_refuse (self, task, ZB_QUEUE_FULL, text, ZB_NOW);
}

//  Looks for what may go.
static zb_load_t *s_make_way (zb_engine_t *self, zb_task_t *task, zb_queue_t *queue, const zb_queue_t *acked,
                              zb_excess_t excess, bool *fits, uint64_t *drops)
{
    const zb_request_t *request = &task->request;
    //  Nothing is dropped for one that does not fit then, as far as that can be told.
    if (excess.messages > zb_queue_depth (queue) - queue->cursor.leased + zb_cursor_blocked (&queue->cursor))
        return s_refuse (self, task, ZB_QUEUE_FULL, FULL_OF_LEASES, queue->commit);
    //  Each is looked at twice: here, and when it is dropped.
    size_t budget = zb_engine_budget (self) / (queue->dead ? 2 + MOVE_VISITS : 2), left = budget;
    if (budget == 0)
        return &self->later;
    bool may = true;
    zb_load_t *target = queue->dead ? s_may_bury (self, task, queue, budget, &may) : NULL;
    if (target || !may)
        return target;
    //  What is due is as ready as what is in the log.
    zb_load_t *load = zb_engine_take_due (self, queue, task, false);
    if (load)
        return load;
    bool surplus = excess.messages > request->bodies || excess.bytes > s_bytes (request);
    uint64_t last = s_find (self, queue, request, acked, &excess, &left);
    zb_engine_visited (self, budget - left + 1);
    if (excess.messages == 0 && excess.bytes == 0) {
        *fits = true;
        *drops = last;
        return NULL;
    }
    load = left ? zb_engine_take_due (self, queue, task, true) : NULL;
    if (left)
        return load ? load : s_look_on (self, task, queue, acked, last, surplus);
    if (last)
        zb_engine_drop_oldest (self, queue, request, acked, last);
    return &self->later;
}

zb_load_t *zb_engine_fit (zb_engine_t *self, zb_task_t *task, zb_queue_t *queue, const zb_queue_t *acked, bool *fits,
                          uint64_t *drops)
{
    const zb_request_t *request = &task->request;
    *fits = false;
    *drops = 0;
    if (queue->kind == ZB_KIND_TOPIC) {
        const char *full = zb_engine_topic_full (self, queue, request);
        *fits = full == NULL;
        return full ? s_refuse (self, task, ZB_QUEUE_FULL, full, queue->commit) : NULL;
    }
    if (queue->bytes && s_bytes (request) > queue->bytes)
        return s_refuse (self, task, ZB_TOO_LARGE, "the PUT is larger than the queue's max-bytes", queue->commit);
    uint64_t most = s_most (self, queue);
    if (queue->drops && most && request->bodies > most)
        return s_refuse (self, task, ZB_TOO_LARGE, "the PUT has more messages than the queue's max-messages",
                         queue->commit);
    zb_excess_t excess = zb_engine_excess (self, queue, request, acked);
    *fits = excess.messages == 0 && excess.bytes == 0;
    if (*fits)
        return NULL;
    if (queue->drops)
        return s_make_way (self, task, queue, acked, excess, fits, drops);
    return s_refuse (self, task, ZB_QUEUE_FULL, excess.messages ? "the queue is full" : "the queue is full (max-bytes)",
                     queue->commit);
}
