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

    MOVE goes in steps that the client asks for, each a commit: the oldest that are ready, never
    beyond an id that it names.  So one that is sent again does not move what came later.

    A dead letter says why it died, where, and how often it had been delivered.  It dies
    once: what carries that is not moved to any dead letters again, and does not expire.  MOVE takes it off.
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

//  Whether a line is one that a dead letter has, or one that a program has put where it might, and that would be taken for the
//  broker's.
static bool s_is_dead_line (zb_frame_t name)
{
    return zb_frame_is (name, "zb-fence") || zb_frame_is (name, DEAD_REASON) || zb_frame_is (name, DEAD_FROM) ||
           zb_frame_is (name, DEAD_TRIES);
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

void zb_engine_put_moved (zb_engine_t *self, zb_queue_t *target, const zb_queue_t *queue, const zb_view_t *view,
                          uint32_t number, const char *reason, uint32_t tries)
{
    zb_frame_t properties = zb_places_properties (view->places, number), body = zb_places_body (view->places, number);
    char *text = (char *) malloc (properties.size + 1 + DEAD_BYTES);
    assert (text);
    size_t size = s_own_lines (properties, text);
    if (reason)
        size +=
            (size_t) snprintf (text + size, DEAD_BYTES, DEAD_REASON "=%s\n" DEAD_FROM "=%.*s\n" DEAD_TRIES "=%" PRIu32,
                               reason, (int) queue->name.size, (const char *) queue->name.data, tries);
    const zb_log_head_t head = {.form = zb_engine_row_form (self), .time = self->clock.pair.time};
    zb_piece_t piece = {.first = ++self->newest, .properties = {text, size}};
    //  As a PUT does where messages expire.
    if (target->timed && target->log.fill && zb_log_time (target->log.fill) != head.time)
        zb_log_end_row (&target->log);
    zb_queue_put (target, &head, &piece, &body, 1);
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

unsigned zb_engine_may_move (const zb_engine_t *self, const zb_queue_t *target, uint64_t count, const char **why)
{
    const struct {
        bool wrong;
        unsigned code;
        const char *why;
    } cases[] = {
        {self->full, ZB_DISK_FULL, "the disk is full"},
        {target && target->kind != ZB_KIND_QUEUE, ZB_BAD_REQUEST,
         "a topic has the name of the queue that dead letters go to"},
        {!target && !zb_engine_queue_fits (self), ZB_QUEUE_FULL,
         "the queue that dead letters go to can't be made: no more queues are allowed (limits.queues of the broker)"},
        {zb_epoch_number (self->newest + count) != self->epoch || zb_epoch_node (self->newest + count) != self->node,
         ZB_NOT_READY, "the ids of this epoch are used up: restart the broker"},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++)
        if (cases[index].wrong) {
            *why = cases[index].why;
            return cases[index].code;
        }
    return 0;
}

//  The same for what is to move.
static void s_judge_target (const zb_engine_t *self, const zb_queue_t *target, s_move_t *move)
{
    const char *why = NULL;
    unsigned code = zb_engine_may_move (self, target, move->count, &why);
    if (code)
        s_wrong (move, code, why);
}

//  ---------------------------------------------------------------------------
//  REJECT

zb_queue_t *zb_engine_make_dead (zb_engine_t *self, zb_frame_t name)
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
                zb_engine_put_moved (self, target, queue, view, number, "rejected",
                                     view->seat ? view->seat[number].deliveries : 0);
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
    else if (task->request.verb == ZB_REJECT && zb_spans_ids (task->request.span, task->request.spans) > ZB_MOVED_MAX)
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
    if (zb_engine_inserts_due (self, queue)) {
        //  What is named may be among it: all of that is looked for again.
        task->at = 0;
        task->next = 0;
        return &self->shown;
    }
    zb_pinned_t result;
    load = zb_engine_pin (self, queue, task, false, &result);
    if (load)
        return load;
    if (result == ZB_PIN_LARGE)
        return s_refuse (self, task, ZB_TOO_LARGE, ZB_ROWS_TOO_LARGE, ZB_NOW);
    bool laid = false;
    load = zb_engine_named_laid (self, queue, task, true, &laid);
    if (load)
        return load;
    s_move_t move = s_judge (self, queue, task);
    if (!move.code && laid)
        s_wrong (&move, ZB_BAD_REQUEST, ZB_NOT_DUE);
    if (!move.code && move.count == 0) {
        zb_engine_prove_gone (self, queue, task);
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
    s_move_dead (self, queue, target ? target : zb_engine_make_dead (self, name), request, &move);
    zb_engine_confirm (self, task, self->fill->number);
    zb_engine_serve (self, queue);
    return NULL;
}

//  ---------------------------------------------------------------------------
//  MOVE

//  OK: so many were moved, of those up to this id.
static zb_load_t *s_moved (zb_engine_t *self, const zb_task_t *task, uint64_t count, uint64_t last, uint64_t commit)
{
    zb_reply_t *reply = zb_reply_new (&task->request.from, ZB_REPLY_MOVED, NULL, 0);
    reply->claims = count > 0;
    reply->number[0] = count;
    reply->number[1] = last;
    zb_engine_give (self, &reply, commit);
    return NULL;
}

//  How many messages the target takes; 0 and `move` says why not.
static uint64_t s_room (const zb_engine_t *self, const zb_queue_t *target, const zb_request_t *request, s_move_t *move)
{
    uint64_t max = target->max ? target->max : self->limits.queue_messages, depth = zb_queue_depth (target);
    uint64_t room = max == 0 ? UINT64_MAX : max > depth ? max - depth : 0;
    move->count = room < request->max ? room : request->max;
    s_judge_target (self, target, move);
    if (room == 0)
        s_wrong (move, ZB_QUEUE_FULL, "the queue is full");
    return move->code ? 0 : move->count;
}

//  Moves what is ready in the window, the oldest first: up to this id, so many, and no more bytes than a commit has, or than the
//  target has room for: *full, if that keeps the next one out.
static uint64_t s_move_ready (zb_engine_t *self, zb_queue_t *queue, zb_queue_t *target, uint64_t last, uint64_t most,
                              bool *full)
{
    uint64_t count = 0, acked = self->stats.acked;
    size_t bytes = self->fill->bytes;
    uint32_t number = 0;
    const zb_view_t *view = NULL;
    //  The first one was looked at, whether its time is over.  What waits for its key is nobody's, too.
    zb_span_t span = {0, 0};
    while (count < most && (count == 0 || !queue->timed || zb_engine_fresh (self, queue)) &&
           (view = zb_cursor_ready (&queue->cursor, queue->cursor.keys ? span.first : 0, &number)) != NULL) {
        span.first = span.last = zb_places_id (view->places, number);
        size_t more = self->fill->bytes - bytes + view->places->place[number].size;
        if (span.first > last || (count && more > self->limits.batch))
            break;
        //  A newline is added to the properties.
        *full = zb_cursor_size (view->places, number) + 1 > zb_engine_bytes_left (target);
        if (*full)
            break;
        zb_engine_put_moved (self, target, queue, view, number, NULL, 0);
        zb_engine_ack_now (self, queue, &span, 1);
        count++;
    }
    self->stats.acked = acked;
    zb_engine_visited (self, (size_t) count * MOVE_VISITS);
    if (count) {
        target->asked = self->epoch;
        self->must = true;
        zb_engine_touch_queue (self, target);
    }
    return count;
}

//  Whether it may be done now; else it is answered, or waits for the load.
static bool s_may_move (zb_engine_t *self, zb_task_t *task, zb_queue_t **queue, zb_queue_t **target, zb_load_t **load)
{
    *load = zb_engine_known_queue (self, task, queue);
    if (*load || !*queue)
        return false;
    *load = zb_engine_queue (self, task->request.target, target);
    if (*load || !s_may_ask (self, task))
        return false;
    if (!*target)
        s_refuse (self, task, ZB_NOT_FOUND, "no such queue to move to", self->names_commit);
    else if ((*target)->kind != ZB_KIND_QUEUE)
        s_refuse (self, task, ZB_BAD_REQUEST, "to: a topic", ZB_NOW);
    else if (zb_engine_inserts_due (self, *queue))
        *load = &self->shown;
    else if ((*queue)->cursor.log->inserting)
        s_refuse (self, task, ZB_NOT_READY, ZB_MERGING, ZB_NOW);
    else
        return true;
    return false;
}

zb_load_t *zb_engine_move (zb_engine_t *self, zb_task_t *task)
{
    const zb_request_t *request = &task->request;
    zb_queue_t *queue = NULL, *target = NULL;
    zb_load_t *load = NULL;
    if (!s_may_move (self, task, &queue, &target, &load))
        return load;
    uint64_t last = request->spans ? request->span[0].last : self->newest;
    if (request->max == 0)
        return s_moved (self, task, 0, last, 0);
    s_move_t move = {0};
    uint64_t most = s_room (self, target, request, &move);
    if (most == 0)
        return s_refuse (self, task, move.code, move.why, move.code == ZB_QUEUE_FULL ? target->commit : ZB_NOW);
    load = zb_engine_take_due (self, queue, task, false);
    if (load)
        return load;
    //  The oldest, whatever goes first.
    queue->cursor.flat = true;
    bool busy = zb_engine_budget (self) == 0 || (queue->timed && !zb_engine_fresh (self, queue) && queue->cursor.ready);
    bool full = false;
    uint64_t count = busy ? 0 : s_move_ready (self, queue, target, last, most, &full);
    queue->cursor.flat = false;
    if (busy)
        return &self->later;
    if (count == 0 && full)
        return s_refuse (self, task, ZB_QUEUE_FULL, "the queue is full (max-bytes)", target->commit);
    const zb_cursor_t *cursor = &queue->cursor;
    bool none = count == 0 && cursor->ready == 0 && zb_cursor_blocked (cursor) == 0;
    bool more = none && cursor->reach < cursor->log->tail && cursor->reach < last;
    load = none ? zb_engine_take_due (self, queue, task, true) : NULL;
    if (load)
        return load;
    if (more)
        zb_engine_read_ahead (self, queue);
    if (more && cursor->load)
        return cursor->load;
    if (zb_queue_depth (queue) && (more || (none && zb_engine_leaves_due (self, queue))))
        return s_refuse (self, task, ZB_NOT_READY, "no memory is left to read on: consumers have what was read",
                         ZB_NOW);
    return s_moved (self, task, count, last, count ? self->fill->number : queue->cursor.commit);
}
