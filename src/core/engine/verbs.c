/*  =========================================================================
    verbs - what the engine does with each request

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A verb either is done with its request (it has given a reply out, or left one with
    a commit), or returns the load that it has to wait for; then it is called again
    with the same task.  Until then it has changed nothing that it would change twice.
*/

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine/engine_self.h"
#include "core/engine/list.h"
#include "core/queue/options.h"
#include "core/queue/topic.h"

//  Replies

static void s_give (zb_engine_t *self, zb_reply_t *reply, uint64_t commit)
{
    zb_engine_give (self, &reply, commit);
}

static void s_ok (zb_engine_t *self, const zb_task_t *task, uint64_t commit)
{
    s_give (self, zb_reply_new (&task->request.from, ZB_REPLY_DONE, NULL, 0), commit);
}

void zb_engine_confirm (zb_engine_t *self, const zb_task_t *task, uint64_t commit)
{
    zb_reply_t *reply = zb_reply_new (&task->request.from, ZB_REPLY_DURABLE, NULL, 0);
    reply->claims = true;
    reply->foreign = task->foreign;
    s_give (self, reply, commit);
}

void zb_engine_give_refusal (zb_engine_t *self, zb_reply_t *reply, uint64_t commit)
{
    self->stats.refused++;
    if (commit == ZB_NOW)
        zb_engine_give_now (self, &reply);
    else
        zb_engine_give (self, &reply, commit);
}

void zb_engine_refuse (zb_engine_t *self, const zb_address_t *to, unsigned code, const char *text, uint64_t commit)
{
    zb_engine_give_refusal (self, zb_reply_say (to, ZB_REPLY_ERROR, code, text), commit);
}

static void s_refuse (zb_engine_t *self, const zb_task_t *task, unsigned code, const char *text, uint64_t commit)
{
    zb_engine_refuse (self, &task->request.from, code, text, commit);
}

//  HELLO

void zb_engine_forget_session (zb_engine_t *self, zb_session_t *session)
{
    if (session->load)
        zb_engine_waited (self, session);
    zb_ring_remove (&session->waits);
    for (zb_ring_t *link = zb_ring_pop (&session->tasks); link; link = zb_ring_pop (&session->tasks)) {
        zb_task_t *task = ZB_ITEM (link, zb_task_t, ring);
        self->waiting -= task->bytes;
        zb_task_destroy (&task);
    }
    if (self->merge.session == session)
        self->merge.session = NULL;
    zb_engine_unpin (self, session);
    zb_map_remove (&self->names, &session->named);
    zb_map_remove (&self->sessions, &session->entry);
    zb_ring_remove (&session->idle);
    zb_timer_stop (&self->timers, &session->timer);
    zb_engine_drop_gets (self, session);
    zb_engine_return_all (self, session);
    zb_engine_let_hold (self, session);
    zb_engine_strike (self, session);
    zb_session_destroy (&session);
}

//  Another session that stands for this name, be its connection gone or not; NULL if there is none.
static zb_session_t *s_earlier (const zb_engine_t *self, const zb_session_t *session, zb_frame_t name)
{
    zb_entry_t *entry = name.size ? zb_map_find (&self->names, name) : NULL;
    zb_session_t *earlier = entry ? ZB_ITEM (entry, zb_session_t, named) : NULL;
    return earlier == session ? NULL : earlier;
}

//  What this session was given returns to the queues; false if more of it is left for the next turn.
static bool s_give_back (zb_engine_t *self, zb_session_t *session)
{
    zb_engine_end_gets (self, session, NULL);
    while (!zb_ring_empty (&session->leases)) {
        zb_lease_t *lease = ZB_ITEM (session->leases.next, zb_lease_t, mine);
        zb_queue_t *queue = lease->queue;
        if (zb_engine_budget (self) == 0)
            return false;
        zb_engine_return (self, lease);
        zb_engine_serve (self, queue);
    }
    return true;
}

//  A HELLO with this name is taken.  What an earlier session of the name was given returns to the queues, and so does what
//  this one was given under another name.  The earlier one is over: what its connection has left behind may be read after
//  this HELLO, and messages given in answer to it would come behind later ones.  False if more is left for the next turn.
static bool s_succeed (zb_engine_t *self, zb_session_t *session, zb_frame_t name)
{
    zb_session_t *earlier = s_earlier (self, session, name);
    if (earlier) {
        earlier->hello = false;
        if (!s_give_back (self, earlier))
            return false;
    }
    return !session->hello || zb_frame_eq (session->name, name) || s_give_back (self, session);
}

//  The session stands for this name from now on.
static void s_take_name (zb_engine_t *self, zb_session_t *session, zb_frame_t name, uint64_t instance, bool owns)
{
    zb_session_t *earlier = s_earlier (self, session, name);
    if (earlier)
        zb_map_remove (&self->names, &earlier->named);
    if (earlier && earlier->gone && zb_ring_empty (&earlier->tasks))
        zb_engine_forget_session (self, earlier);
    zb_map_remove (&self->names, &session->named);
    if (!zb_frame_eq (session->name, name))
        zb_engine_let_hold (self, session);
    zb_session_rename (session, name);
    if (name.size)
        zb_map_add (&self->names, &session->named, session->name);
    session->instance = instance;
    session->hello = true;
    session->owns = owns;
}

static void s_welcome (zb_engine_t *self, const zb_task_t *task, uint64_t instance, uint64_t last, uint64_t commit)
{
    zb_frame_t endpoint[] = {zb_frame (self->active), zb_frame (self->passive)};
    zb_reply_t *reply = zb_reply_new (&task->request.from, ZB_REPLY_WELCOME, endpoint, 2);
    reply->number[0] = instance;
    reply->number[1] = last;
    s_give (self, reply, commit);
}

//  Finds a producer; returns NULL, or what to wait for.
zb_load_t *zb_engine_producer (zb_engine_t *self, zb_frame_t name, zb_producer_t **producer)
{
    zb_entry_t *entry = zb_map_find (&self->producers, name);
    if (!entry)
        return zb_engine_load (self, ZB_LOAD_PRODUCER, name);
    *producer = ZB_ITEM (entry, zb_producer_t, entry);
    zb_ring_remove (&(*producer)->idle);
    zb_ring_append (&self->idle_producers, &(*producer)->idle);
    return NULL;
}

void zb_engine_own (zb_engine_t *self, zb_producer_t *producer, uint64_t instance)
{
    if (zb_producer_own (producer, instance) && producer->kept)
        zb_engine_touch_producer (self, producer);
}

//  An instance that nobody has given whose epochs are known here.
static void s_refuse_instance (zb_engine_t *self, const zb_task_t *task)
{
    uint64_t id = task->request.instance << 1;
    bool ours = zb_epoch_number (id) == self->epoch && zb_epoch_node (id) == self->node;
    if (self->keep == ZB_KEEP_OFF || ours)
        s_refuse (self, task, ZB_BAD_REQUEST, "no such instance was ever given", ZB_NOW);
    //  The peer may have, on the other side of a split.
    else
        s_refuse (self, task, ZB_NOT_READY, ZB_MERGING, ZB_NOW);
}

static zb_load_t *s_hello (zb_engine_t *self, zb_task_t *task)
{
    zb_session_t *session = task->session;
    const zb_request_t *request = &task->request;
    if (request->name.size == 0) {
        if (!s_succeed (self, session, request->name))
            return &self->later;
        s_take_name (self, session, request->name, 0, false);
        s_welcome (self, task, 0, 0, 0);
        return NULL;
    }
    //  Without a token it can't know which of its numbers the other broker has answered.
    if (zb_engine_merges (self) && request->token.size == 0) {
        s_refuse (self, task, ZB_NOT_READY, ZB_MERGING, ZB_NOW);
        return NULL;
    }
    zb_producer_t *producer = NULL;
    zb_load_t *load = zb_engine_producer (self, request->name, &producer);
    if (load)
        return load;
    if (request->instance > self->instance) {
        s_refuse_instance (self, task);
        return NULL;
    }
    if (request->instance && request->instance < producer->instance) {
        zb_engine_give_refusal (
            self,
            zb_reply_say (&request->from, ZB_REPLY_FENCED, ZB_CONFLICT, "fenced: a newer process has taken this name"),
            producer->commit);
        return NULL;
    }
    if (!s_succeed (self, session, request->name))
        return &self->later;
    //  An instance that the store doesn't know was given to a name that has stored nothing, or was forgotten: it goes on.
    uint64_t instance = request->instance ? request->instance : ++self->instance;
    if (request->instance)
        zb_engine_own (self, producer, instance);
    if (producer->kept)
        zb_engine_keep_producer (self, producer);
    s_take_name (self, session, request->name, instance, request->instance != 0);
    //  The number is final: only who leads gets a commit through, be it an empty one.
    self->must = true;
    s_welcome (self, task, instance, producer->last, self->fill->number);
    return NULL;
}

//  A process that was given an instance says more, so it lives, and fences the older ones.  A HELLO alone may be one that
//  its client has given up, delivered late: the client may be served on another connection by now, as an older instance.
static zb_load_t *s_own_name (zb_engine_t *self, zb_session_t *session)
{
    zb_producer_t *producer = NULL;
    zb_load_t *load = zb_engine_producer (self, session->name, &producer);
    if (load)
        return load;
    zb_engine_own (self, producer, session->instance);
    session->owns = true;
    return NULL;
}

//  Queues

zb_load_t *zb_engine_queue (zb_engine_t *self, zb_frame_t name, zb_queue_t **queue)
{
    *queue = NULL;
    zb_entry_t *entry = zb_map_find (&self->queues, name);
    zb_frame_t topic;
    //  A topic is read with all its subscriptions.
    if (!entry && zb_topic_split (name, &topic, NULL)) {
        zb_load_t *load = zb_engine_queue (self, topic, queue);
        *queue = NULL;
        return load;
    }
    if (!entry)
        return zb_frame_eq (self->told.absent, name) ? NULL : zb_engine_load (self, ZB_LOAD_QUEUE, name);
    zb_queue_t *found = ZB_ITEM (entry, zb_queue_t, entry);
    if (found->gone)
        return NULL;
    zb_ring_remove (&found->ring);
    zb_ring_append (&self->all_queues, &found->ring);
    *queue = found;
    return NULL;
}

static bool s_is_for_consumers (zb_verb_t verb)
{
    return verb == ZB_GET || verb == ZB_ACK || verb == ZB_NACK || verb == ZB_EXTEND || verb == ZB_REJECT ||
           verb == ZB_MOVE;
}

//  Whether who says it uses the queue: who only puts, or acknowledges, does not.
static bool s_is_use (zb_verb_t verb)
{
    return verb == ZB_GET || verb == ZB_EXTEND || verb == ZB_READ || verb == ZB_PEEK;
}

zb_load_t *zb_engine_known_queue (zb_engine_t *self, const zb_task_t *task, zb_queue_t **queue)
{
    zb_load_t *load = zb_engine_queue (self, task->request.queue, queue);
    if (!load && *queue && (*queue)->kind == ZB_KIND_TOPIC && s_is_for_consumers (task->request.verb)) {
        *queue = NULL;
        s_refuse (self, task, ZB_BAD_REQUEST, "a topic: its messages are those of its subscriptions, TOPIC/SUB",
                  ZB_NOW);
        return NULL;
    }
    if (!load && *queue && (*queue)->kind == ZB_KIND_QUEUE && task->request.verb == ZB_READ) {
        *queue = NULL;
        s_refuse (self, task, ZB_BAD_REQUEST, "a queue: READ is for topics", ZB_NOW);
        return NULL;
    }
    if (!load && *queue && ((*queue)->cursor.ranks || (*queue)->mode == ZB_MODE_KEY) && task->request.ranges) {
        s_refuse (self, task, ZB_BAD_REQUEST,
                  (*queue)->cursor.ranks ? "acks: no ranges in a queue with priorities, name each id"
                                         : "acks: no ranges in a queue with mode=key, name each id",
                  ZB_NOW);
        *queue = NULL;
        return NULL;
    }
    if (!load && !*queue)
        s_refuse (self, task, ZB_NOT_FOUND, "no such queue", self->names_commit);
    else if (!load)
        (*queue)->asked = self->epoch;
    if (!load && *queue && s_is_use (task->request.verb))
        zb_engine_used (self, *queue);
    return load;
}

void zb_engine_write_queue (zb_engine_t *self, zb_queue_t *queue)
{
    zb_queue_row_t row = zb_queue_row (queue);
    zb_commit_queue (self->fill, queue->name, &row);
    queue->commit = self->names_commit = self->fill->number;
    zb_engine_spare (self, queue->name, &row);
    zb_engine_used (self, queue);
    zb_engine_watch (self, queue);
}

//  A queue, or (topic not NULL) a subscription, or (is_topic) a topic.
static zb_queue_t *s_new_queue (zb_engine_t *self, zb_frame_t name, zb_queue_t *topic, bool is_topic)
{
    //  A deleted one of the name has its id and its rows; it needs the name no more.
    zb_entry_t *entry = zb_map_find (&self->queues, name);
    if (entry)
        zb_map_remove (&self->queues, entry);
    self->queue_id++;
    self->queue_count++;
    zb_commit_queues (self->fill, self->queue_id, self->queue_count);
    zb_queue_t *queue = topic      ? zb_queue_new_sub (name, self->queue_id, topic)
                        : is_topic ? zb_queue_new_topic (name, self->queue_id, self->newest, &self->windows)
                                   : zb_queue_new (name, self->queue_id, self->newest, &self->windows);
    zb_map_add (&self->queues, &queue->entry, queue->name);
    zb_ring_append (&self->all_queues, &queue->ring);
    zb_engine_touch_queue (self, queue);
    queue->cursor.commit = queue->commit;
    queue->alone = self->keep == ZB_KEEP_WRITE ? self->disuse.alone : 0;
    return queue;
}

bool zb_engine_queue_fits (const zb_engine_t *self)
{
    return self->queue_count + self->tombs.by_queue.count < self->limits.queues && self->queue_id < UINT32_MAX;
}

zb_queue_t *zb_engine_new_queue (zb_engine_t *self, zb_frame_t name)
{
    return s_new_queue (self, name, NULL, false);
}

zb_queue_t *zb_engine_new_topic (zb_engine_t *self, zb_frame_t name, zb_queue_t *topic)
{
    return s_new_queue (self, name, topic, true);
}

static zb_load_t *s_make_queue (zb_engine_t *self, zb_task_t *task)
{
    const zb_request_t *request = &task->request;
    zb_queue_t *queue = NULL;
    zb_load_t *load = zb_engine_queue (self, request->queue, &queue);
    if (load)
        return load;
    if (queue && queue->kind != ZB_KIND_QUEUE) {
        s_refuse (self, task, ZB_BAD_REQUEST, "a topic has this name", self->names_commit);
        return NULL;
    }
    zb_queue_row_t row = {.id = 0};
    if (queue)
        row = zb_queue_row (queue);
    char why[ZB_OPTION_WHY];
    size_t cursor = 0;
    zb_frame_t name, value;
    while (zb_lines_next (request->options, &cursor, &name, &value)) {
        const char *bad = zb_options_set (&row, name, value, why);
        if (bad) {
            s_refuse (self, task, ZB_BAD_REQUEST, bad, ZB_NOW);
            return NULL;
        }
    }
    const char *wrong = zb_options_wrong (&row, request->queue);
    if (wrong) {
        s_refuse (self, task, ZB_BAD_REQUEST, wrong, ZB_NOW);
        return NULL;
    }
    zb_queue_row_t have = queue ? zb_queue_row (queue) : (zb_queue_row_t){.id = 0};
    if (queue && row.mode != have.mode && zb_queue_depth (queue)) {
        s_refuse (self, task, ZB_BAD_REQUEST, ZB_MODE_FIXED, queue->commit);
        return NULL;
    }
    if (queue && zb_options_same (&have, &row)) {
        queue->asked = self->epoch;
        zb_engine_used (self, queue);
        s_ok (self, task, self->names_commit);
        return NULL;
    }
    if (queue && row.ranks != have.ranks && zb_queue_depth (queue)) {
        s_refuse (self, task, ZB_BAD_REQUEST, "priorities: fixed while there are messages in the queue", queue->commit);
        return NULL;
    }
    char text[ZB_LEVEL_TEXT];
    const char *lacks = zb_level_lacks (self->store_level, zb_options_level (&row), text);
    if (lacks) {
        s_refuse (self, task, ZB_NOT_READY, lacks, ZB_NOW);
        return NULL;
    }
    if (self->full) {
        s_refuse (self, task, ZB_DISK_FULL, "the disk is full", 0);
        return NULL;
    }
    if (!queue && !zb_engine_queue_fits (self)) {
        s_refuse (self, task, ZB_QUEUE_FULL, "no more queues are allowed (limits.queues of the broker)", self->names_commit);
        return NULL;
    }
    if (!queue)
        queue = zb_engine_new_queue (self, request->queue);
    queue->asked = self->epoch;
    row.changed = (zb_stamp_t){self->fill->epoch, self->fill->number, self->node};
    if (row.timed && !have.timed)
        row.since = self->newest;
    if (row.sized && !have.sized)
        row.counts = zb_queue_counts (queue, self->newest);
    if (row.mode != have.mode)
        zb_engine_stop_hold (self, queue);
    zb_queue_configure (queue, &row);
    zb_engine_write_queue (self, queue);
    s_ok (self, task, self->names_commit);
    return NULL;
}

//  Finds the task's queue, of which all is to be done, and acknowledges what an unfinished replay has brought into it.
//  *queue_p is NULL if the task waits for the load that is returned, or was refused.
static zb_load_t *s_whole_queue (zb_engine_t *self, zb_task_t *task, zb_queue_t **queue_p)
{
    bool refused = false;
    zb_load_t *load = zb_engine_known_queue (self, task, queue_p);
    if (!load && *queue_p)
        load = zb_engine_ack_replayed (self, task, *queue_p, &refused);
    if (load || refused)
        *queue_p = NULL;
    return load;
}

static zb_load_t *s_purge (zb_engine_t *self, zb_task_t *task)
{
    zb_queue_t *queue = NULL;
    zb_load_t *load = s_whole_queue (self, task, &queue);
    if (!queue)
        return load;
    if (queue->kind == ZB_KIND_QUEUE) {
        //  What has kept it is gone now.
        if (queue->log.laid)
            zb_engine_used (self, queue);
        zb_log_purge (&queue->log, self->newest);
        zb_engine_bury (self, queue->id, self->newest);
        zb_engine_note_all (self, queue->name);
        zb_engine_touch_queue (self, queue);
    }
    else
        zb_engine_purge_topic (self, queue);
    queue->cursor.commit = queue->commit;
    zb_engine_confirm (self, task, queue->commit);
    zb_engine_serve (self, queue);
    return NULL;
}

void zb_engine_drop_queue (zb_engine_t *self, zb_queue_t *queue)
{
    if (queue->kind == ZB_KIND_QUEUE)
        zb_engine_note_all (self, queue->name);
    zb_engine_note_deleted (self, queue->name);
    zb_engine_remove_queue (self, queue);
}

void zb_engine_remove_queue (zb_engine_t *self, zb_queue_t *queue)
{
    zb_queue_row_t row = zb_queue_row (queue);
    zb_commit_delete_queue (self->fill, queue->name, &row);
    self->queue_count--;
    zb_commit_queues (self->fill, self->queue_id, self->queue_count);
    zb_engine_bury (self, queue->id, UINT64_MAX);
    if (queue->kind == ZB_KIND_SUB)
        zb_queue_leave (queue);
    else
        zb_log_purge (&queue->log, self->newest);
    queue->gone = true;
    queue->commit = self->names_commit = self->fill->number;
    zb_ring_remove (&queue->touched);
    zb_ring_remove (&queue->strays);
    zb_ring_remove (&queue->rest);
    zb_ring_remove (&queue->filtered);
    zb_ring_remove (&queue->retaining);
    zb_ring_remove (&queue->sifts);
    zb_ring_remove (&queue->dies);
    zb_ring_remove (&queue->over);
    zb_engine_forget_seen (self, queue);
    zb_timer_stop (&self->timers, &queue->lane.timer);
    zb_timer_stop (&self->timers, &queue->disuse);
    zb_engine_stop_hold (self, queue);
    zb_ring_remove (&queue->ring);
    zb_ring_append (&self->gone, &queue->ring);
    zb_engine_end_queue (self, queue);
}

void zb_engine_delete_queue (zb_engine_t *self, zb_queue_t *queue)
{
    if (queue->kind == ZB_KIND_QUEUE)
        zb_engine_drop_queue (self, queue);
    else
        zb_engine_delete_topic (self, queue);
}

static zb_load_t *s_delete (zb_engine_t *self, zb_task_t *task)
{
    zb_queue_t *queue = NULL;
    zb_load_t *load = s_whole_queue (self, task, &queue);
    if (!queue)
        return load;
    zb_engine_delete_queue (self, queue);
    zb_engine_confirm (self, task, queue->commit);
    return NULL;
}

//  GET, ACK, NACK, EXTEND, LIST

void zb_engine_begin (zb_task_t *task, bool joined)
{
    if (task->begun)
        return;
    if (joined)
        task->request.spans = zb_spans_join (task->request.span, task->request.spans);
    task->at = 0;
    task->next = task->laid = 0;
    task->begun = true;
}

bool zb_engine_too_many (zb_engine_t *self, const zb_task_t *task)
{
    const char *text = task->session->asked >= ZB_WINDOW    ? "more than 256 GETs of this client wait"
                       : self->asked >= self->limits.parked ? "too many GETs wait (limits.parked of the broker)"
                                                            : NULL;
    if (text)
        s_refuse (self, task, ZB_QUEUE_FULL, text, ZB_NOW);
    return text != NULL;
}

//  What an ACK, or a GET, acknowledges.  *refused: it was answered.
static zb_load_t *s_acks (zb_engine_t *self, zb_queue_t *queue, zb_task_t *task, bool *refused)
{
    if (queue->mode && task->request.spans)
        return zb_engine_ack_strictly (self, queue, task, refused);
    zb_engine_begin (task, !queue->delays);
    zb_load_t *load = zb_engine_ack (self, queue, task, task->request.span, task->request.spans);
    if (!load)
        zb_engine_prove_gone (self, queue, task);
    return load;
}

static zb_load_t *s_get (zb_engine_t *self, zb_task_t *task)
{
    zb_session_t *session = task->session;
    const zb_request_t *request = &task->request;
    zb_queue_t *queue = NULL;
    bool refused = false;
    zb_load_t *load = zb_engine_known_queue (self, task, &queue);
    if (load || !queue)
        return load;
    if (!task->begun && request->max && zb_engine_too_many (self, task))
        return NULL;
    load = s_acks (self, queue, task, &refused);
    if (load || refused)
        return load;
    //  What it acknowledges has blocked others by its key.
    if (queue->mode == ZB_MODE_KEY && request->spans)
        zb_engine_serve (self, queue);
    if (session->gone)
        return NULL;
    if (request->max == 0)
        zb_engine_end_gets (self, session, queue);
    zb_engine_get (self, queue, task, request->spans ? queue->cursor.commit + (queue->cursor.commit == 0) : 0);
    return NULL;
}

static zb_load_t *s_ack (zb_engine_t *self, zb_task_t *task)
{
    bool refused = false;
    zb_queue_t *queue = NULL;
    zb_load_t *load = zb_engine_known_queue (self, task, &queue);
    if (load || !queue)
        return load;
    load = s_acks (self, queue, task, &refused);
    if (load || refused)
        return load;
    zb_engine_confirm (self, task, queue->cursor.commit);
    zb_engine_serve (self, queue);
    return NULL;
}

static zb_load_t *s_nack (zb_engine_t *self, zb_task_t *task)
{
    zb_queue_t *queue = NULL;
    zb_load_t *load = zb_engine_known_queue (self, task, &queue);
    if (load || !queue)
        return load;
    char text[ZB_LEVEL_TEXT];
    bool more = task->request.wait || task->request.untried;
    const char *lacks = more ? zb_level_lacks (self->store_level, ZB_LEVEL_NACK_DELAY, text) : NULL;
    if (lacks) {
        s_refuse (self, task, ZB_NOT_READY, lacks, ZB_NOW);
        return NULL;
    }
    zb_engine_begin (task, true);
    load = zb_engine_held (self, queue, task);
    if (load)
        return load;
    zb_reply_t *reply = zb_reply_new (&task->request.from, ZB_REPLY_COUNT, NULL, 0);
    reply->number[0] = task->held;
    s_give (self, reply, 0);
    return NULL;
}

static zb_load_t *s_list (zb_engine_t *self, zb_task_t *task)
{
    //  One list is for all who have asked for it meanwhile; but when many replies of its size wait to be sent, for
    //  another one.
    bool room = self->outgoing < ZB_OUTGOING && !zb_engine_busy (self);
    if (!self->told.list || !room || !zb_list_is (self->told.list, &task->request))
        return zb_engine_load_list (self, &task->request);
    zb_reply_t *reply = zb_engine_listed (self, &task->request.from);
    reply->large = reply->bytes;
    s_give (self, reply, self->names_commit);
    return NULL;
}

static zb_load_t *s_run (zb_engine_t *self, zb_task_t *task)
{
    typedef zb_load_t *(s_verb_t) (zb_engine_t *, zb_task_t *);
    zb_session_t *session = task->session;
    static s_verb_t *const verb[ZB_VERBS] = {
        [ZB_HELLO] = s_hello,
        [ZB_PUT] = zb_engine_put,
        [ZB_GET] = s_get,
        [ZB_ACK] = s_ack,
        [ZB_NACK] = s_nack,
        [ZB_EXTEND] = s_nack,
        [ZB_REJECT] = zb_engine_reject,
        [ZB_MOVE] = zb_engine_move,
        [ZB_LIST] = s_list,
        [ZB_PEEK] = zb_engine_peek,
        [ZB_QUEUE] = s_make_queue,
        [ZB_TOPIC] = zb_engine_topic,
        [ZB_SUB] = zb_engine_sub,
        [ZB_SEEK] = zb_engine_seek,
        [ZB_READ] = zb_engine_read_topic,
        [ZB_PURGE] = s_purge,
        [ZB_DELETE] = s_delete,
        [ZB_REPLAY] = zb_engine_replay,
        [ZB_KEY] = zb_engine_key,
    };
    const zb_protocol_t *protocol = zb_protocol (task->request.verb);
    assert (verb[task->request.verb]);
    //  A connection that is gone has left requests behind: those that others would miss are done.
    if (session->gone && !protocol->outlives)
        return NULL;
    if (!protocol->stranger && !session->hello) {
        s_refuse (self, task, ZB_NO_HELLO, "say HELLO first", ZB_NOW);
        return NULL;
    }
    if (!self->booted)
        return zb_engine_load (self, ZB_LOAD_BOOT, zb_frame (""));
    //  Those of a PUT are looked at when its number is new.
    if (!task->begun && task->request.verb != ZB_PUT &&
        zb_engine_foreign (self, task->request.span, task->request.spans)) {
        s_refuse (self, task, ZB_NOT_READY, ZB_MERGING, ZB_NOW);
        return NULL;
    }
    zb_load_t *load = NULL;
    if (session->name.size && !session->owns && !protocol->stranger)
        load = s_own_name (self, session);
    return load ? load : verb[task->request.verb](self, task);
}

zb_load_t *zb_engine_run (zb_engine_t *self, zb_task_t *task)
{
    zb_load_t *load = s_run (self, task);
    if (!load)
        zb_engine_unpin (self, task->session);
    return load;
}
