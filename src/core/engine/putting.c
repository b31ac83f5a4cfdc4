/*  =========================================================================
    putting - PUT: what is stored, once, and with it what it acknowledges

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine/engine_self.h"
#include "core/queue/rank.h"
#include "core/queue/timing.h"

#define ZB_MANY_NAMES                                                                                                 \
    "too many names of producers are kept (limits.producers of the broker): put under a name that has been used, or " \
    "without"

static void s_refuse (zb_engine_t *self, const zb_task_t *task, unsigned code, const char *text, uint64_t commit)
{
    zb_engine_refuse (self, &task->request.from, code, text, commit);
}

//  409 with the number that is expected.
static void s_expect (zb_engine_t *self, const zb_task_t *task, const zb_producer_t *producer)
{
    zb_reply_t *reply = zb_reply_say (&task->request.from, ZB_REPLY_EXPECTED, ZB_CONFLICT, NULL);
    reply->number[0] = producer->last + 1;
    zb_engine_give_refusal (self, reply, producer->commit);
}

static zb_reply_t *s_stored (const zb_task_t *task, zb_reply_kind_t kind, uint64_t first, uint64_t count)
{
    zb_reply_t *reply = zb_reply_new (&task->request.from, kind, NULL, 0);
    reply->claims = true;
    reply->number[0] = first;
    reply->number[1] = first + count - 1;
    return reply;
}

//  It is stored.  What it acknowledges is done, too, once a replay has brought all of it: messages come first.  A PUT is not
//  confirmed by halves, so what of it is still open is done here, and what the replay is about to bring is waited for.
static zb_load_t *s_settle (zb_engine_t *self, zb_task_t *task, uint64_t *commit, bool *refused)
{
    zb_request_t *request = &task->request;
    *refused = false;
    zb_queue_t *acked = NULL;
    zb_load_t *load = request->acked.size ? zb_engine_queue (self, request->acked, &acked) : NULL;
    if (load)
        return load;
    if (acked && zb_engine_inserts_due (self, acked))
        return &self->shown;
    if (zb_engine_foreign (self, request->span, request->spans) || (acked && acked->cursor.log->inserting)) {
        s_refuse (self, task, ZB_NOT_READY, ZB_MERGING, ZB_NOW);
        *refused = true;
        return NULL;
    }
    if (acked && acked->kind != ZB_KIND_TOPIC) {
        zb_engine_begin (task, !acked->delays);
        load = zb_engine_ack (self, acked, task, request->span, request->spans);
        if (load)
            return load;
        if (*commit < acked->cursor.commit)
            *commit = acked->cursor.commit;
        zb_engine_serve (self, acked);
    }
    return NULL;
}

static zb_load_t *s_again (zb_engine_t *self, zb_task_t *task, const zb_producer_t *producer)
{
    uint64_t commit = producer->commit;
    bool refused = false;
    zb_load_t *load = s_settle (self, task, &commit, &refused);
    if (load || refused)
        return load;
    const zb_slot_t *slot = zb_producer_slot (producer, task->request.number);
    zb_reply_t *reply = s_stored (task, ZB_REPLY_AGAIN, slot->first, slot->count);
    self->stats.duplicates++;
    zb_engine_give (self, &reply, commit);
    return NULL;
}

//  Whether it is a new one under the session's name, *producer; else it was answered, or waits for *load.
static bool s_is_new (zb_engine_t *self, zb_task_t *task, zb_producer_t **producer_p, zb_load_t **load)
{
    const zb_session_t *session = task->session;
    const zb_request_t *request = &task->request;
    *load = zb_engine_producer (self, session->name, producer_p);
    if (*load)
        return false;
    zb_producer_t *producer = *producer_p;
    //  A name that has stored nothing may have left memory meanwhile.
    if (!producer->kept)
        zb_engine_own (self, producer, session->instance);
    if (producer->instance != session->instance) {
        s_refuse (self, task, ZB_NO_HELLO, "this name was forgotten, say HELLO again", ZB_NOW);
        return false;
    }
    if (request->number == 0) {
        s_refuse (self, task, ZB_BAD_REQUEST, "the id of a named producer's PUT is its number", ZB_NOW);
        return false;
    }
    task->digest = task->digest ? task->digest : zb_put_digest (request, self->digest_key);
    switch (zb_producer_check (producer, request->number, task->digest)) {
    case ZB_PUT_NEXT:
        break;
    case ZB_PUT_AGAIN:
        *load = s_again (self, task, producer);
        return false;
    default:
        s_expect (self, task, producer);
        return false;
    }
    if (producer->inflight >= ZB_WINDOW)
        s_refuse (self, task, ZB_QUEUE_FULL, "more than 256 PUTs of this name are in flight", ZB_NOW);
    return producer->inflight < ZB_WINDOW;
}

//  What of the properties is stored, without the instruction: to be freed.
static char *s_stored_properties (const zb_request_t *request, zb_frame_t *stored)
{
    const char *from = (const char *) request->properties.data;
    size_t end = request->acks_at + request->acks_size;
    char *text = (char *) malloc (request->properties.size);
    assert (text);
    memcpy (text, from, request->acks_at);
    memcpy (text + request->acks_at, from + end, request->properties.size - end);
    *stored = (zb_frame_t){text, request->properties.size - request->acks_size};
    return text;
}

//  The producer's number is used by this PUT, whose messages are stored under these ids.
static void s_use_number (zb_engine_t *self, const zb_task_t *task, const zb_queue_t *queue, zb_producer_t *producer,
                          uint64_t first, size_t count)
{
    zb_slot_t slot = {task->request.number, task->digest, first, (uint32_t) count, queue->id};
    zb_producer_keep (producer, &slot);
    zb_engine_keep_producer (self, producer);
    producer->inflight++;
}

//  Stores what may be stored.
static void s_store (zb_engine_t *self, const zb_task_t *task, zb_queue_t *queue, zb_producer_t *producer, uint64_t due,
                     zb_frame_t id)
{
    const zb_request_t *request = &task->request;
    uint64_t first = self->newest + 1;
    const zb_log_head_t head = {.form = zb_engine_row_form (self), .time = self->clock.pair.time, .n = due};
    zb_piece_t piece = {.first = first, .properties = request->properties};
    char *properties = request->acked.size ? s_stored_properties (request, &piece.properties) : NULL;
    if (producer) {
        piece.name = producer->name;
        piece.number = request->number;
        piece.digest = task->digest;
        piece.part = properties != NULL;
    }
    if (id.size)
        zb_engine_remember (self, queue, id, &piece, request->body, request->bodies);
    bool dropped = queue->kind == ZB_KIND_TOPIC && !zb_engine_topic_stores (queue);
    if (!dropped) {
        //  Where messages expire each row has the time of all of its PUTs.
        if ((queue->timed || queue->age) && queue->log.fill && zb_log_time (queue->log.fill) != head.time)
            zb_log_end_row (&queue->log);
        if (queue->kind == ZB_KIND_TOPIC && zb_ring_empty (&queue->touched))
            zb_engine_advance_subs (self, queue);
        zb_queue_put (queue, &head, &piece, request->body, request->bodies);
        zb_engine_touch_queue (self, queue);
    }
    free (properties);
    self->must = true;
    self->newest += request->bodies;
    size_t bytes = request->body_bytes + request->properties.size + 64;
    self->fill->bytes += bytes;
    self->waiting += bytes;
    self->fill->put += bytes;
    self->under_way += bytes;
    self->stats.puts++;
    self->stats.messages_in += request->bodies;
    if (producer)
        s_use_number (self, task, queue, producer, first, request->bodies);
    zb_reply_t *reply = s_stored (task, dropped ? ZB_REPLY_DROPPED : ZB_REPLY_STORED, first, request->bodies);
    reply->producer = producer;
    zb_engine_give (self, &reply, self->fill->number);
}

//  What a PUT acknowledges: *acked is its queue, with all ids in memory and to be done in this very step.  Without a
//  load to wait for and without a queue it was refused.
static zb_load_t *s_put_acks (zb_engine_t *self, zb_task_t *task, zb_queue_t **acked)
{
    static const char gone[] = "a message that acks names is settled already, or another consumer has it: do not send "
                               "this again";
    zb_request_t *request = &task->request;
    char text[ZB_LEVEL_TEXT];
    const char *lacks = zb_level_lacks (self->store_level, ZB_LEVEL_PUT_ACKS, text);
    if (lacks || zb_engine_foreign (self, request->span, request->spans)) {
        s_refuse (self, task, ZB_NOT_READY, lacks ? lacks : ZB_MERGING, ZB_NOW);
        return NULL;
    }
    zb_queue_t *queue = NULL;
    zb_load_t *load = zb_engine_queue (self, request->acked, &queue);
    if (load)
        return load;
    if (!queue) {
        s_refuse (self, task, ZB_GONE, gone, self->names_commit);
        return NULL;
    }
    if (queue->kind == ZB_KIND_TOPIC) {
        s_refuse (self, task, ZB_BAD_REQUEST, "acks: a topic, not one of its subscriptions, TOPIC/SUB", ZB_NOW);
        return NULL;
    }
    queue->asked = self->epoch;
    if (zb_engine_inserts_due (self, queue))
        return &self->shown;
    request->spans = zb_spans_join (request->span, request->spans);
    zb_pinned_t result;
    load = zb_engine_pin (self, queue, task, true, &result);
    if (load)
        return load;
    if (result == ZB_PIN_LARGE)
        s_refuse (self, task, ZB_TOO_LARGE, ZB_ROWS_TOO_LARGE, ZB_NOW);
    else if (result == ZB_PIN_WHOLE && zb_engine_may_ack (self, queue, task))
        *acked = queue;
    //  What a replay has brought is not shown before its commit is released.
    else if (queue->cursor.log->inserting)
        s_refuse (self, task, ZB_NOT_READY, ZB_MERGING, ZB_NOW);
    else {
        bool laid = false;
        load = zb_engine_named_laid (self, queue, task, true, &laid);
        if (!load)
            s_refuse (self, task, laid ? ZB_BAD_REQUEST : ZB_GONE, laid ? ZB_NOT_DUE : gone, queue->cursor.commit);
    }
    return load;
}

//  Whether the store may have one more of this name, and so many more ids; else answers.
static bool s_may_store (zb_engine_t *self, const zb_task_t *task, const zb_producer_t *producer)
{
    const zb_request_t *request = &task->request;
    if (producer && !producer->kept && self->census.count >= self->limits.producers)
        s_refuse (self, task, ZB_QUEUE_FULL, ZB_MANY_NAMES, 0);
    else if (zb_epoch_number (self->newest + request->bodies) != self->epoch ||
             zb_epoch_node (self->newest + request->bodies) != self->node)
        s_refuse (self, task, ZB_NOT_READY, "the ids of this epoch are used up: restart the broker", 0);
    else
        return true;
    return false;
}

//  What is wrong with the property `priority`; NULL if nothing is.
static const char *s_wrong_priority (const zb_engine_t *self, const zb_queue_t *queue, zb_frame_t properties)
{
    unsigned rank = 0;
    if (queue->kind == ZB_KIND_TOPIC && self->store_level >= ZB_LEVEL_PRIORITIES)
        return zb_rank_told (properties) ? "priority: not in a topic" : NULL;
    return queue->cursor.ranks ? zb_rank_read (properties, queue->cursor.ranks, &rank) : NULL;
}

//  A PUT of its message-id is stored.  A number that comes with it is used by this one, too.
static zb_load_t *s_twice (zb_engine_t *self, zb_task_t *task, const zb_queue_t *queue, zb_producer_t *producer,
                           const zb_seen_t *seen)
{
    if (!s_may_store (self, task, producer))
        return NULL;
    const uint64_t first = seen->first, count = seen->count;
    uint64_t commit = seen->commit;
    bool refused = false;
    zb_load_t *load = s_settle (self, task, &commit, &refused);
    if (load || refused)
        return load;
    if (producer) {
        s_use_number (self, task, queue, producer, first, count);
        self->must = true;
        commit = self->fill->number;
    }
    zb_reply_t *reply = s_stored (task, ZB_REPLY_AGAIN, first, count);
    reply->producer = producer;
    self->stats.duplicates++;
    zb_engine_give (self, &reply, commit);
    return NULL;
}

//  Whether there is a property of the broker's own among them.  Programs of the first release may have some, so that only
//  topics, and queues with an option that these did not know, refuse them.
static bool s_has_brokers (zb_frame_t properties)
{
    size_t cursor = 0;
    zb_frame_t name, value;
    while (zb_lines_next (properties, &cursor, &name, &value))
        if (name.size >= 3 && memcmp (name.data, "zb-", 3) == 0)
            return true;
    return false;
}

static bool s_is_over (const zb_engine_t *self, const zb_task_t *task, const zb_queue_t *queue)
{
    zb_excess_t excess = zb_engine_excess (self, queue, &task->request, NULL);
    return excess.messages || excess.bytes;
}

//  What has expired makes room; also what has become due, as long as all of that has.
static zb_load_t *s_make_room (zb_engine_t *self, zb_task_t *task, zb_queue_t *queue)
{
    if (!queue->timed || !s_is_over (self, task, queue))
        return NULL;
    zb_load_t *load = zb_engine_take_due (self, queue, task, false);
    load = load ? load : zb_engine_make_room (self, queue);
    bool more = !load && queue->cursor.ready == 0 && s_is_over (self, task, queue);
    return more ? zb_engine_take_due (self, queue, task, true) : load;
}

zb_load_t *zb_engine_put (zb_engine_t *self, zb_task_t *task)
{
    const zb_request_t *request = &task->request;
    zb_producer_t *producer = NULL;
    zb_load_t *load = NULL;
    if (zb_engine_throttles (self, task))
        return &self->throttled;
    //  What it reads and joins from here on, others wait for.
    task->turn = true;
    if (task->session->name.size && !s_is_new (self, task, &producer, &load))
        return load;
    //  From here on it is a new one, to which this broker's limits apply.
    if (request->over) {
        s_refuse (self, task, ZB_TOO_LARGE, request->text, ZB_NOW);
        return NULL;
    }
    zb_queue_t *queue = NULL;
    load = zb_engine_known_queue (self, task, &queue);
    if (load || !queue)
        return load;
    if ((queue->dead || queue->mode || queue->kind == ZB_KIND_TOPIC) && s_has_brokers (request->properties)) {
        s_refuse (self, task, ZB_BAD_REQUEST, "properties whose names begin with zb- are the broker's", ZB_NOW);
        return NULL;
    }
    zb_frame_t id = {NULL, 0};
    const char *wrong = queue->dedupe ? zb_dedupe_read (&id, request->properties) : NULL;
    if (wrong) {
        s_refuse (self, task, ZB_BAD_REQUEST, wrong, queue->commit);
        return NULL;
    }
    const zb_seen_t *seen = NULL;
    load = id.size ? zb_engine_find_seen (self, queue, id, &seen) : NULL;
    if (load)
        return load;
    if (seen)
        return s_twice (self, task, queue, producer, seen);
    if (self->full) {
        s_refuse (self, task, ZB_DISK_FULL, "the disk is full", 0);
        return NULL;
    }
    zb_timing_t timing;
    wrong = s_wrong_priority (self, queue, request->properties);
    if (!wrong && queue->timed)
        wrong = zb_timing_read (&timing, request->properties);
    if (wrong) {
        s_refuse (self, task, ZB_BAD_REQUEST, wrong, queue->commit);
        return NULL;
    }
    uint64_t due = 0;
    unsigned code = 0;
    wrong = zb_engine_due (self, queue, request->properties, &due, &code);
    if (wrong) {
        s_refuse (self, task, code, wrong, queue->commit);
        return NULL;
    }
    load = s_make_room (self, task, queue);
    if (load)
        return load;
    zb_queue_t *acked = NULL;
    load = request->acked.size ? s_put_acks (self, task, &acked) : NULL;
    if (load || (request->acked.size && !acked) || !s_may_store (self, task, producer))
        return load;
    bool fits = false;
    uint64_t drops = 0;
    load = zb_engine_fit (self, task, queue, acked, &fits, &drops);
    if (load || !fits)
        return load;
    if (drops)
        zb_engine_drop_oldest (self, queue, request, acked, drops);
    if (acked)
        zb_engine_ack_now (self, acked, request->span, request->spans);
    s_store (self, task, queue, producer, due, id);
    if (acked)
        zb_engine_serve (self, acked);
    return NULL;
}
