/*  =========================================================================
    moving - messages that go to another queue, in one commit

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A message that moves is put into the one queue and done in the other, in the same
    commit: so it is in exactly one of them, whoever dies when.  All that it takes is in
    memory, and was checked, before the first byte is written.  After a split the sides may
    have moved one message each: then it is there twice.

    The copy is the broker's own: it has no producer, whose number belongs to the queue that
    it was put into.  So a merge never takes it for another PUT of that number.

    A dead letter says why it died, where, and how often it had been delivered.  It dies
    once: what carries that is not moved to any dead letters again, and does not expire.
*/

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine/engine_self.h"

//  Properties of dead letters.
#define DEAD_REASON "zb-dead"
#define DEAD_FROM "zb-from"
#define DEAD_TRIES "zb-tries"
//  Their bytes, at most, with newlines.
#define DEAD_BYTES (sizeof DEAD_REASON + sizeof DEAD_FROM + sizeof DEAD_TRIES + ZB_NAME_MAX + 64)
//  What a message costs that moves, in visits.
#define MOVE_VISITS 4

static zb_load_t *s_refuse (zb_engine_t *self, const zb_task_t *task, unsigned code, const char *text, uint64_t commit)
{
    zb_engine_refuse (self, &task->request.from, code, text, commit);
    return NULL;
}

//  ---------------------------------------------------------------------------
//  Copies

//  Whether a line is one that a dead letter has.
static bool s_is_dead_line (zb_frame_t name)
{
    return zb_frame_is (name, DEAD_REASON) || zb_frame_is (name, DEAD_FROM) || zb_frame_is (name, DEAD_TRIES);
}

bool zb_engine_is_dead (zb_frame_t properties)
{
    size_t cursor = 0;
    zb_frame_t name, value;
    while (zb_lines_next (properties, &cursor, &name, &value))
        if (zb_frame_is (name, DEAD_REASON))
            return true;
    return false;
}

//  Writes the lines of the properties that are not a dead letter's, each with a newline behind it; returns their size.
static size_t s_own_lines (zb_frame_t properties, char *text)
{
    size_t cursor = 0, start = 0, size = 0;
    zb_frame_t name, value;
    for (; zb_lines_next (properties, &cursor, &name, &value); start = cursor) {
        if (s_is_dead_line (name))
            continue;
        size_t line = name.size + 1 + value.size;
        memcpy (text + size, (const char *) properties.data + start, line);
        text[size + line] = '\n';
        size += line + 1;
    }
    return size;
}

//  Puts a message of the view into the target, as a dead letter of this queue.
static void s_put_dead (zb_engine_t *self, zb_queue_t *target, const zb_queue_t *queue, const zb_view_t *view,
                        uint32_t number, const char *reason)
{
    zb_frame_t properties = zb_places_properties (view->places, number), body = zb_places_body (view->places, number);
    char *text = (char *) malloc (properties.size + 1 + DEAD_BYTES);
    assert (text);
    size_t size = s_own_lines (properties, text);
    uint32_t tries = view->seat ? view->seat[number].deliveries : 0;
    size += (size_t) snprintf (text + size, DEAD_BYTES, DEAD_REASON "=%s\n" DEAD_FROM "=%.*s\n" DEAD_TRIES "=%" PRIu32,
                               reason, (int) queue->name.size, (const char *) queue->name.data, tries);
    const zb_log_head_t head = {.form = zb_engine_row_form (self), .time = self->clock.time};
    zb_piece_t piece = {.first = ++self->newest, .properties = {text, size}};
    //  As a PUT does where messages expire.
    if (target->timed && target->log.fill && zb_log_time (target->log.fill) != head.time)
        zb_log_seal (&target->log);
    zb_log_put (&target->log, &head, &piece, &body, 1);
    free (text);
    size_t bytes = body.size + size + 64;
    self->fill->bytes += bytes;
    self->waiting += bytes;
}

//  ---------------------------------------------------------------------------
//  Checks

//  What would move, and why it may not.
typedef struct {
    uint64_t count; //  of the messages that are not done
    size_t bytes;   //  of these
    unsigned code;  //  0: they may
    const char *why;
} s_move_t;

static void s_wrong (s_move_t *move, unsigned code, const char *why)
{
    move->code = code;
    move->why = why;
}

//  Looks at one that is named.
static void s_look (const zb_engine_t *self, const zb_queue_t *queue, const zb_task_t *task, uint64_t id,
                    s_move_t *move)
{
    uint32_t number = 0;
    const zb_view_t *view = zb_cursor_find (&queue->cursor, id, &number);
    //  What a replay has brought is not shown before its commit is released.
    if (!view && queue->cursor.log->inserting)
        s_wrong (move, ZB_NOT_READY, ZB_MERGING);
    if (!view)
        return;
    const zb_lease_t *lease = zb_view_lease (view, number);
    zb_frame_t properties = zb_places_properties (view->places, number);
    move->count++;
    move->bytes += view->places->place[number].size + properties.size + DEAD_BYTES;
    if (lease && lease->session && lease->session != task->session)
        s_wrong (move, ZB_GONE, "another consumer has one of these messages: nothing was done");
    else if (zb_engine_is_dead (properties))
        s_wrong (move, ZB_BAD_REQUEST, "a dead letter dies once: ACK it, or put it into another queue");
    else if (move->bytes > self->limits.request)
        s_wrong (move, ZB_TOO_LARGE, "acks: these messages have more bytes than a request may have, name fewer");
}

static s_move_t s_judge (zb_engine_t *self, const zb_queue_t *queue, const zb_task_t *task)
{
    s_move_t move = {0};
    for (size_t index = 0; index < task->request.spans && !move.code; index++) {
        const zb_span_t *span = &task->request.span[index];
        for (uint64_t left = span->last - span->first + 1, id = span->first; left && !move.code; left--, id++)
            s_look (self, queue, task, id, &move);
    }
    zb_engine_visited (self, (size_t) zb_spans_ids (task->request.span, task->request.spans));
    return move;
}

//  Whether they may be put there, however full the target is; it may have to be made first (NULL).
static void s_judge_target (const zb_engine_t *self, const zb_queue_t *target, s_move_t *move)
{
    if (self->full)
        s_wrong (move, ZB_DISK_FULL, "the disk is full");
    else if (target && target->kind != ZB_KIND_QUEUE)
        s_wrong (move, ZB_BAD_REQUEST, "a topic has the name of the queue that dead letters go to");
    else if (!target && (self->queue_count + self->buried.count >= self->limits.queues || self->queue_id == UINT32_MAX))
        s_wrong (move, ZB_QUEUE_FULL,
                 "the queue that dead letters go to can't be made: no more queues are allowed (limits.queues of the "
                 "broker)");
    else if (zb_epoch_number (self->newest + move->count) != self->epoch ||
             zb_epoch_node (self->newest + move->count) != self->node)
        s_wrong (move, ZB_NOT_READY, "the ids of this epoch are used up: restart the broker");
}

//  ---------------------------------------------------------------------------
//  REJECT

static zb_queue_t *s_make (zb_engine_t *self, zb_frame_t name)
{
    zb_queue_t *queue = zb_engine_new_queue (self, name);
    queue->changed = (zb_stamp_t){self->fill->epoch, self->fill->number, self->node};
    zb_engine_write_queue (self, queue);
    return queue;
}

//  All of it is in memory, and may be done: in this very step.
static void s_move_dead (zb_engine_t *self, zb_queue_t *queue, zb_queue_t *target, const zb_request_t *request,
                         const s_move_t *move)
{
    for (size_t index = 0; index < request->spans; index++)
        for (uint64_t left = request->span[index].last - request->span[index].first + 1,
                      id = request->span[index].first;
             left; left--, id++) {
            uint32_t number = 0;
            const zb_view_t *view = zb_cursor_find (&queue->cursor, id, &number);
            if (view)
                s_put_dead (self, target, queue, view, number, "rejected");
        }
    target->asked = self->epoch;
    zb_engine_touch_queue (self, target);
    zb_engine_visited (self, (size_t) move->count * MOVE_VISITS);
    self->must = true;
    uint64_t acked = self->stats.acked;
    zb_engine_ack_now (self, queue, request->span, request->spans);
    self->stats.acked = acked;
    self->stats.rejected += move->count;
}

//  Whether it can be asked for at all; else it is answered.
static bool s_may_ask (zb_engine_t *self, const zb_task_t *task)
{
    char text[ZB_LEVEL_TEXT];
    const char *lacks = zb_level_lacks (self->store_level, ZB_LEVEL_DEAD, text);
    if (lacks)
        s_refuse (self, task, ZB_NOT_READY, lacks, ZB_NOW);
    else if (zb_spans_ids (task->request.span, task->request.spans) > ZB_MOVED_MAX)
        s_refuse (self, task, ZB_TOO_LARGE, "acks: more than 1000 messages", ZB_NOW);
    else
        return true;
    return false;
}
_Static_assert(ZB_MOVED_MAX == 1000, "as the text says");

zb_load_t *zb_engine_reject (zb_engine_t *self, zb_task_t *task)
{
    zb_request_t *request = &task->request;
    zb_queue_t *queue = NULL, *target = NULL;
    zb_load_t *load = zb_engine_known_queue (self, task, &queue);
    if (load || !queue)
        return load;
    request->spans = zb_spans_join (request->span, request->spans);
    if (!s_may_ask (self, task))
        return NULL;
    zb_pinned_t result;
    load = zb_engine_pin (self, queue, task, false, &result);
    if (load)
        return load;
    if (result == ZB_PIN_LARGE)
        return s_refuse (
            self, task, ZB_TOO_LARGE,
            "acks: the rows of these messages take more than half of limits.windows of the broker, name fewer", ZB_NOW);
    s_move_t move = s_judge (self, queue, task);
    if (!move.code && move.count == 0) {
        zb_engine_prove_gone (self, queue, request->span, request->spans);
        zb_engine_confirm (self, task, queue->cursor.commit);
        return NULL;
    }
    char text[ZB_DEAD_NAME_MAX];
    zb_frame_t name = zb_queue_dead (queue, text);
    if (!move.code && name.size > ZB_NAME_MAX)
        s_wrong (&move, ZB_BAD_REQUEST, "the name of the queue that dead letters go to is too long: set dead-letter");
    load = move.code ? NULL : zb_engine_queue (self, name, &target);
    if (load)
        return load;
    if (!move.code)
        s_judge_target (self, target, &move);
    if (move.code)
        return s_refuse (self, task, move.code, move.why, move.code == ZB_GONE ? queue->cursor.commit : ZB_NOW);
    s_move_dead (self, queue, target ? target : s_make (self, name), request, &move);
    zb_engine_confirm (self, task, self->fill->number);
    zb_engine_serve (self, queue);
    return NULL;
}
