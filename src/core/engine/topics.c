/*  =========================================================================
    topics - topics and subscriptions: made, deleted, read

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A message is stored once, in the log of its topic.  Each subscription is a cursor of
    that log, and a queue to its consumers: GET, ACK and leases know no other.  Rows go from
    the head of the log when all subscriptions are done with them, so that one which is
    forgotten holds back its topic, up to max-bytes, and nothing else.  With keep=all they
    go when they are too old or too much, see retaining.c.

    A topic is in memory with all its subscriptions, since the slowest of them says what
    may go.  One that nobody gets from is not shown what is new: it reads that when it is
    asked for.  So what a PUT costs does not depend on how many there are.
*/

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine/engine_self.h"
#include "core/queue/options.h"
#include "core/queue/topic.h"

#define SUBS_ROWS 1024     //  rows of one read of a topic's subscriptions
#define SUBS_BYTES 1048576 //  and about their bytes
#define READY_ENOUGH 1000  //  messages in the window of a subscription that nobody gets from: no more are shown to it

//  ---------------------------------------------------------------------------
//  TOPIC and SUB

static zb_load_t *s_refuse (zb_engine_t *self, const zb_task_t *task, unsigned code, const char *text, uint64_t commit)
{
    zb_engine_refuse (self, &task->request.from, code, text, commit);
    return NULL;
}

//  OK with the newest id.
static zb_load_t *s_ok (zb_engine_t *self, const zb_task_t *task)
{
    zb_reply_t *reply = zb_reply_new (&task->request.from, ZB_REPLY_COUNT, NULL, 0);
    reply->number[0] = self->newest;
    zb_engine_give (self, &reply, self->names_commit);
    return NULL;
}

//  Reads the options into the row; false if it was answered.
static bool s_options (zb_engine_t *self, const zb_task_t *task, zb_queue_row_t *row)
{
    size_t cursor = 0;
    zb_frame_t name, value;
    while (zb_lines_next (task->request.options, &cursor, &name, &value)) {
        const char *wrong = zb_topic_set (row, name, value);
        if (wrong) {
            s_refuse (self, task, ZB_BAD_REQUEST, wrong, ZB_NOW);
            return false;
        }
    }
    return true;
}

//  Whether what the task asks for, with this row, may be made, or changed; else it is answered.
static bool s_may_write (zb_engine_t *self, const zb_task_t *task, const zb_queue_row_t *row, bool makes)
{
    char text[ZB_LEVEL_TEXT];
    unsigned needs = row->mode         ? ZB_LEVEL_MODE
                     : row->most_tries ? ZB_LEVEL_TRIES
                     : row->unused     ? ZB_LEVEL_UNUSED
                                       : ZB_LEVEL_TOPICS;
    const char *lacks = zb_level_lacks (self->store_level, needs, text);
    if (lacks)
        s_refuse (self, task, ZB_NOT_READY, lacks, ZB_NOW);
    else if (self->full)
        s_refuse (self, task, ZB_DISK_FULL, "the disk is full", 0);
    else if (makes && !zb_engine_queue_fits (self))
        s_refuse (self, task, ZB_QUEUE_FULL, "no more queues are allowed (limits.queues of the broker)",
                  self->names_commit);
    else
        return true;
    return false;
}

//  Gives the queue what the row says, in the commit that is being filled.
static void s_configure (zb_engine_t *self, zb_queue_t *queue, zb_queue_row_t *row)
{
    row->changed = (zb_stamp_t){self->fill->epoch, self->fill->number, self->node};
    bool trims = queue->kind == ZB_KIND_TOPIC && queue->log.retains && !row->retains;
    if (row->mode != queue->mode)
        zb_engine_stop_hold (self, queue);
    zb_queue_configure (queue, row);
    zb_engine_retention (self, queue);
    zb_engine_write_queue (self, queue);
    if (trims)
        zb_engine_trim (self, queue);
}

zb_load_t *zb_engine_topic (zb_engine_t *self, zb_task_t *task)
{
    zb_queue_t *topic = NULL;
    zb_load_t *load = zb_engine_queue (self, task->request.queue, &topic);
    if (load)
        return load;
    if (topic && topic->kind != ZB_KIND_TOPIC)
        return s_refuse (self, task, ZB_BAD_REQUEST, "a queue has this name", self->names_commit);
    zb_queue_row_t have = {.kind = ZB_KIND_TOPIC};
    if (topic)
        have = zb_queue_row (topic);
    zb_queue_row_t row = have;
    if (!s_options (self, task, &row))
        return NULL;
    const char *wrong = zb_topic_wrong (&row);
    if (wrong)
        return s_refuse (self, task, ZB_BAD_REQUEST, wrong, self->names_commit);
    if (topic)
        topic->asked = self->epoch;
    if (topic && zb_topic_same (&have, &row))
        return s_ok (self, task);
    if (!s_may_write (self, task, &row, !topic))
        return NULL;
    if (!topic)
        topic = zb_engine_new_topic (self, task->request.queue, NULL);
    topic->asked = self->epoch;
    row.id = topic->id;
    s_configure (self, topic, &row);
    return s_ok (self, task);
}

static size_t s_count (const zb_queue_t *topic)
{
    size_t count = 0;
    for (const zb_ring_t *link = topic->subs.next; link != &topic->subs; link = link->next)
        count++;
    return count;
}

zb_queue_t *zb_engine_begin_sub (zb_engine_t *self, zb_frame_t name, zb_queue_t *topic, const zb_queue_row_t *row,
                                 const zb_spot_t *spot)
{
    zb_queue_t *sub = zb_engine_new_topic (self, name, topic);
    zb_queue_configure (sub, row);
    zb_cursor_begin (&sub->cursor, spot->from, spot->count);
    zb_cursor_follow (&sub->cursor, false);
    zb_engine_write_queue (self, sub);
    zb_engine_filters (self, sub);
    return sub;
}

//  Makes a subscription of the topic.
static void s_subscribe (zb_engine_t *self, const zb_task_t *task, zb_queue_t *topic, zb_queue_row_t *row,
                         const zb_spot_t *spot)
{
    zb_spot_t at = *spot;
    //  Nothing is kept while there is none, and before the first one there is nothing that it could have.
    if (!zb_engine_topic_stores (topic))
        topic->log.floor = self->newest;
    if (at.from <= topic->log.floor)
        at = (zb_spot_t){topic->log.floor, topic->log.gone};
    row->from = at.from;
    row->birth = ++self->newest;
    zb_log_end_row (&topic->log);
    row->changed = (zb_stamp_t){self->fill->epoch, self->fill->number, self->node};
    zb_queue_t *sub = zb_engine_begin_sub (self, task->request.queue, topic, row, &at);
    sub->asked = self->epoch;
    zb_engine_touch_queue (self, topic);
}

zb_load_t *zb_engine_sub (zb_engine_t *self, zb_task_t *task)
{
    zb_queue_t *topic = NULL, *sub = NULL;
    zb_frame_t name;
    bool part = zb_topic_split (task->request.queue, &name, NULL);
    assert (part);
    zb_load_t *load = zb_engine_queue (self, name, &topic);
    if (load)
        return load;
    if (!topic)
        return s_refuse (self, task, ZB_NOT_FOUND, "no such topic", self->names_commit);
    if (topic->kind != ZB_KIND_TOPIC)
        return s_refuse (self, task, ZB_BAD_REQUEST, "a queue has this name, no topic", self->names_commit);
    load = zb_engine_queue (self, task->request.queue, &sub);
    assert (!load);
    zb_queue_row_t have = {.kind = ZB_KIND_SUB};
    if (sub)
        have = zb_queue_row (sub);
    zb_queue_row_t row = have;
    if (!s_options (self, task, &row))
        return NULL;
    const char *bad = zb_options_wrong (&row, task->request.queue);
    if (bad)
        return s_refuse (self, task, ZB_BAD_REQUEST, bad, ZB_NOW);
    if (sub) {
        sub->asked = self->epoch;
        zb_engine_used (self, sub);
    }
    if (sub && row.mode != have.mode && zb_queue_depth (sub))
        return s_refuse (self, task, ZB_BAD_REQUEST, ZB_MODE_FIXED, sub->commit);
    if (sub && zb_topic_same (&have, &row))
        return s_ok (self, task);
    if (!s_may_write (self, task, &row, !sub))
        return NULL;
    if (!sub && s_count (topic) >= self->limits.subscriptions)
        return s_refuse (self, task, ZB_QUEUE_FULL,
                         "no more subscriptions of this topic are allowed (limits.subscriptions of the broker)",
                         self->names_commit);
    if (sub) {
        s_configure (self, sub, &row);
        return s_ok (self, task);
    }
    unsigned code = 0;
    const char *wrong = zb_engine_unknown_id (self, &row.began, &code);
    if (wrong)
        return s_refuse (self, task, code, wrong, code == ZB_NOT_READY ? ZB_NOW : self->names_commit);
    zb_spot_t spot;
    load = zb_engine_spot (self, topic, &row.began, &spot);
    if (!load) {
        s_subscribe (self, task, topic, &row, &spot);
        s_ok (self, task);
    }
    return load;
}

zb_load_t *zb_engine_merge_topic (zb_engine_t *self, const zb_task_t *task, const zb_item_t *item, bool *taken)
{
    zb_queue_t *topic = NULL, *queue = NULL;
    zb_frame_t name = item->name;
    bool sub = zb_topic_split (item->name, &name, NULL);
    zb_load_t *load = zb_engine_queue (self, name, &topic);
    if (load)
        return load;
    if (sub)
        load = zb_engine_queue (self, item->name, &queue);
    else
        queue = topic;
    assert (!load);
    zb_queue_row_t row = item->queue;
    bool fits = (sub || !queue || queue->kind == ZB_KIND_TOPIC) && (!sub || (topic && topic->kind == ZB_KIND_TOPIC));
    bool changes = fits && zb_engine_changes (self, queue, &row.changed);
    if (changes && !queue && self->full)
        return s_refuse (self, task, ZB_DISK_FULL, "the disk is full", ZB_NOW);
    bool room = self->queue_count < self->limits.queues && self->queue_id < UINT32_MAX;
    //  Another one of the name, which was made or moved on either side: the later one stays.
    bool moves = changes && queue && sub && row.birth > queue->birth;
    bool begins = changes && !queue && sub && room;
    zb_spot_t spot;
    if (moves || begins) {
        const zb_position_t from = {row.from ? ZB_AT_ID : ZB_AT_FIRST, row.from};
        load = zb_engine_spot (self, topic, &from, &spot);
        if (load)
            return load;
    }
    if (moves)
        zb_engine_move_sub (self, queue, &row, &spot);
    else if (changes && queue && row.birth == queue->birth) {
        row.from = queue->from;
        row.began = queue->began;
        row.filter = queue->filter;
        row.mode = zb_queue_depth (queue) ? queue->mode : row.mode;
        memcpy (row.holder, queue->hold.mark, sizeof row.holder);
        s_configure (self, queue, &row);
    }
    else if (changes && !queue && room && !sub)
        s_configure (self, zb_engine_new_topic (self, name, NULL), &row);
    else if (begins) {
        row.changed = (zb_stamp_t){self->fill->epoch, self->fill->number, self->node};
        zb_log_end_row (&topic->log);
        zb_engine_begin_sub (self, item->name, topic, &row, &spot)->alone = 0;
        zb_engine_touch_queue (self, topic);
    }
    *taken = true;
    return NULL;
}

//  ---------------------------------------------------------------------------
//  PUT

uint64_t zb_engine_topic_bytes (const zb_engine_t *self, const zb_queue_t *topic)
{
    return topic->bytes ? topic->bytes : self->limits.topic_bytes;
}

bool zb_engine_topic_stores (const zb_queue_t *topic)
{
    return topic->log.retains || !zb_ring_empty (&topic->subs);
}

const char *zb_engine_topic_full (const zb_engine_t *self, const zb_queue_t *topic, const zb_request_t *request)
{
    uint64_t max = zb_engine_topic_bytes (self, topic), after = topic->log.stored + request->body_bytes;
    if (!zb_engine_topic_stores (topic))
        return NULL;
    if (request->body_bytes > max)
        return "the PUT is larger than the topic's max-bytes";
    //  One that keeps all removes the oldest, but not always as fast as others put; the last row as soon as there is one
    //  behind it.
    if (topic->log.retains && (after <= 2 * max || zb_engine_is_last (topic)))
        return NULL;
    if (topic->log.retains)
        return "the topic is full (max-bytes): what is too much is still being removed";
    return after > max ? "the topic is full (max-bytes): a subscription is behind" : NULL;
}

void zb_engine_serve_topic (zb_engine_t *self, zb_queue_t *topic)
{
    ZB_RING_EACH (link, after, &topic->log.followers)
    {
        zb_cursor_t *cursor = ZB_ITEM (link, zb_cursor_t, follows);
        zb_queue_t *sub = ZB_ITEM (cursor, zb_queue_t, cursor);
        zb_engine_sifted (self, sub, NULL);
        if (!zb_ring_empty (&sub->parked))
            zb_engine_serve (self, sub);
        else if (cursor->ready > READY_ENOUGH)
            zb_cursor_follow (cursor, false);
    }
    zb_engine_serve_readers (self, topic);
}

//  ---------------------------------------------------------------------------
//  The end

void zb_engine_trim (zb_engine_t *self, zb_queue_t *topic)
{
    bool none = !zb_engine_topic_stores (topic);
    if (none)
        zb_log_purge (&topic->log, self->newest);
    uint64_t mark = none ? self->newest : topic->log.retains ? 0 : zb_log_trim (&topic->log);
    if (mark)
        zb_engine_bury (self, topic->id, mark);
    zb_engine_touch_queue (self, topic);
}

void zb_engine_trim_jumped (zb_engine_t *self, zb_queue_t *sub)
{
    if (!sub->cursor.jumped)
        return;
    sub->cursor.jumped = false;
    zb_engine_touch_queue (self, sub);
    zb_engine_trim (self, sub->topic);
}

//  The bitmaps of a subscription whose mark has passed everything.
static void s_purge (zb_engine_t *self, zb_queue_t *sub)
{
    zb_engine_bury (self, sub->id, self->newest);
    zb_engine_touch_queue (self, sub);
    sub->cursor.commit = sub->commit;
    zb_engine_visited (self, 1);
}

void zb_engine_purge_topic (zb_engine_t *self, zb_queue_t *queue)
{
    zb_queue_t *topic = queue->topic ? queue->topic : queue;
    if (queue->topic) {
        zb_log_end_row (&topic->log);
        zb_cursor_purge (&queue->cursor, self->newest);
        s_purge (self, queue);
        zb_engine_trim (self, topic);
        return;
    }
    zb_log_purge (&topic->log, self->newest);
    zb_engine_bury (self, topic->id, self->newest);
    zb_engine_touch_queue (self, topic);
    ZB_RING_EACH (link, after, &topic->subs)
    {
        zb_queue_t *sub = ZB_ITEM (link, zb_queue_t, subs);
        s_purge (self, sub);
        zb_engine_serve (self, sub);
    }
}

void zb_engine_delete_topic (zb_engine_t *self, zb_queue_t *queue)
{
    zb_queue_t *topic = queue->topic;
    if (topic) {
        zb_engine_drop_queue (self, queue);
        zb_engine_trim (self, topic);
        return;
    }
    ZB_RING_EACH (link, after, &queue->subs)
    {
        zb_engine_drop_queue (self, ZB_ITEM (link, zb_queue_t, subs));
        zb_engine_visited (self, 1);
    }
    zb_engine_drop_queue (self, queue);
}

//  ---------------------------------------------------------------------------
//  Reading a topic: its cursors in the order of the subscriptions' ids, then these by name

typedef struct {
    zb_queue_row_t row;
    uint8_t size;
    char name[ZB_NAME_MAX];
} s_sub_t;

typedef struct {
    uint32_t id;
    zb_cursor_row_t row;
} s_cursor_t;

typedef struct zb_subs {
    bool names; //  the cursors are all there
    zb_cursor_row_t topic;
    s_cursor_t *cursor;
    size_t cursors;
    s_sub_t *sub;
    size_t subs;
} zb_subs_t;

void zb_subs_destroy (zb_subs_t **self_p)
{
    zb_subs_t *self = *self_p;
    if (self) {
        free (self->cursor);
        free (self->sub);
        free (self);
        *self_p = NULL;
    }
}

//  Makes room for one more in an array of so many.
static void *s_grow (void *array, size_t count, size_t size)
{
    if ((count & (count - 1)) == 0) {
        array = realloc (array, (count ? 2 * count : 1) * size);
        assert (array);
    }
    return array;
}

static zb_frame_t s_topic_name (const zb_load_t *load)
{
    return (zb_frame_t){load->name + 1, load->name_size};
}

//  Reads on from a key.
static void s_read (zb_engine_t *self, zb_load_t *load, const uint8_t *key, size_t size)
{
    uint8_t prefix[ZB_NAME_MAX + 1];
    zb_engine_load_again (self, load, ZB_LOAD_SUBS);
    if (!load->subs->names) {
        zb_read_add (load->read, ZB_CURSORS, key, size, 4, SUBS_ROWS, SUBS_BYTES);
        return;
    }
    memcpy (prefix, load->name + 1, load->name_size);
    prefix[load->name_size] = '/';
    if (size == 0) {
        key = prefix;
        size = load->name_size + 1;
    }
    zb_read_add (load->read, ZB_QUEUES, key, size, load->name_size + 1, SUBS_ROWS, SUBS_BYTES);
}

void zb_engine_load_subs (zb_engine_t *self, zb_load_t *load)
{
    uint8_t key[ZB_CURSOR_KEY_SIZE];
    zb_cursor_key (load->row.id, 0, key);
    load->subs = (zb_subs_t *) calloc (1, sizeof (zb_subs_t));
    assert (load->subs);
    s_read (self, load, key, sizeof key);
}

//  Takes a row; false if it is malformed.
static bool s_take_cursor (zb_subs_t *self, const zb_found_t *found)
{
    uint32_t topic = 0, id = 0;
    zb_cursor_row_t row;
    if (zb_cursor_key_decode (found, &topic, &id) || zb_cursor_row_decode (&row, found->row) || row.mark == 0)
        return false;
    if (id == 0) {
        self->topic = row;
        return true;
    }
    //  See zb_cursor_write.
    row.behind = row.behind < row.put ? row.behind : row.put;
    self->cursor = (s_cursor_t *) s_grow (self->cursor, self->cursors, sizeof *self->cursor);
    self->cursor[self->cursors++] = (s_cursor_t){id, row};
    return true;
}

static bool s_take_sub (zb_subs_t *self, const zb_load_t *load, const zb_found_t *found)
{
    zb_frame_t name = {found->key, found->key_size};
    self->sub = (s_sub_t *) s_grow (self->sub, self->subs, sizeof *self->sub);
    s_sub_t *sub = &self->sub[self->subs++];
    if (zb_place_check (name) || zb_queue_row_decode (&sub->row, found->row) || sub->row.kind != ZB_KIND_SUB ||
        sub->row.topic != load->row.id)
        return false;
    sub->size = (uint8_t) name.size;
    memcpy (sub->name, name.data, name.size);
    return true;
}

static int s_by_id (const void *one, const void *other)
{
    uint32_t a = ((const s_cursor_t *) one)->id, b = ((const s_cursor_t *) other)->id;
    return a < b ? -1 : a > b;
}

static void s_add (zb_engine_t *self, zb_queue_t *queue)
{
    zb_map_add (&self->queues, &queue->entry, queue->name);
    zb_ring_append (&self->all_queues, &queue->ring);
}

//  All of it has come.
static bool s_make (zb_engine_t *self, const zb_load_t *load)
{
    const zb_subs_t *subs = load->subs;
    if (subs->topic.low == 0)
        return false;
    zb_queue_t *topic = zb_queue_new_topic (s_topic_name (load), load->row.id, self->before, &self->windows);
    zb_queue_configure (topic, &load->row);
    zb_queue_restore (topic, &subs->topic);
    zb_engine_retention (self, topic);
    s_add (self, topic);
    for (size_t index = 0; index < subs->subs; index++) {
        const s_sub_t *each = &subs->sub[index];
        s_cursor_t key = {.id = each->row.id};
        const s_cursor_t *cursor =
            subs->cursors ? (const s_cursor_t *) bsearch (&key, subs->cursor, subs->cursors, sizeof key, s_by_id)
                          : NULL;
        if (!cursor)
            return false;
        zb_queue_t *sub = zb_queue_new_sub ((zb_frame_t){each->name, each->size}, each->row.id, topic);
        zb_queue_configure (sub, &each->row);
        zb_queue_restore (sub, &cursor->row);
        zb_cursor_follow (&sub->cursor, false);
        zb_engine_filters (self, sub);
        zb_engine_watch (self, sub);
        s_add (self, sub);
    }
    return true;
}

bool zb_engine_subs (zb_engine_t *self, zb_load_t *load, const zb_read_t *read)
{
    zb_subs_t *subs = load->subs;
    bool good = true;
    for (size_t index = 0; index < read->count[0] && good; index++)
        good = subs->names ? s_take_sub (subs, load, &read->found[0][index])
                           : s_take_cursor (subs, &read->found[0][index]);
    if (good && read->more[0] && read->count[0]) {
        const zb_found_t *last = &read->found[0][read->count[0] - 1];
        uint8_t key[ZB_KEY_MAX];
        memcpy (key, last->key, last->key_size);
        key[last->key_size] = 0;
        s_read (self, load, key, last->key_size + 1u);
        return false;
    }
    if (good && !subs->names) {
        subs->names = true;
        s_read (self, load, NULL, 0);
        return false;
    }
    good = good && s_make (self, load);
    if (!good)
        zb_engine_fail (self, "the tables queues or cursors hold a malformed row of a topic");
    return good;
}
