/*  =========================================================================
    loads - what the engine reads from the store, and who waits for it

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A read sees all batches that were taken before it and none after.  What the
    batches not yet taken will change is in memory and stays there until they are: so
    nothing that a read brings is ever older than what memory holds.
*/

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine/engine_self.h"
#include "core/engine/list.h"

#define ROWS_MAX 1024     //  rows of one read
#define BYTES_MAX 1048576 //  about the bytes of one read, where no other limit applies
#define LIST_ROWS 200     //  of one that is compared with a pattern
#define TOMBS_MAX 1000    //  tombstones in memory
#define SIFTING 8         //  loads at a time whose rows are compared with filters, where nobody's acknowledgement waits

static const char s_damaged_meta[] = "the table meta holds a malformed row";
static const char s_damaged_queues[] = "the table queues holds a malformed row";
static const char s_damaged_cursors[] = "the table cursors holds a malformed row, or lacks one";
static const char s_damaged_log[] = "the tables log or acks hold a malformed row";
static const char s_damaged_producers[] = "the table producers holds a malformed row";

//  Making

void zb_engine_load_again (zb_engine_t *self, zb_load_t *load, zb_load_kind_t kind)
{
    zb_map_remove (&self->tags, &load->tagged);
    load->kind = kind;
    load->tag = ++self->next_tag;
    zb_map_add (&self->tags, &load->tagged, (zb_frame_t){&load->tag, sizeof load->tag});
    load->read = zb_read_new ((int) kind, load->tag);
    zb_ring_append (kind == ZB_LOAD_PEEK ? &self->peeks : &self->asks, &load->ask);
}

zb_load_t *zb_engine_load_new (zb_engine_t *self, zb_load_kind_t kind)
{
    zb_load_t *load = (zb_load_t *) calloc (1, sizeof (zb_load_t));
    assert (load);
    zb_ring_init (&load->ask);
    zb_ring_init (&load->sessions);
    zb_ring_init (&load->lists);
    zb_engine_load_again (self, load, kind);
    return load;
}

static void s_ask_boot (zb_load_t *load)
{
    static const uint8_t tomb = ZB_TOMB_MARK;
    zb_read_add (load->read, ZB_META, ZB_META_QUEUES, strlen (ZB_META_QUEUES), strlen (ZB_META_QUEUES), 1, BYTES_MAX);
    zb_read_add (load->read, ZB_META, ZB_META_UPTIME, strlen (ZB_META_UPTIME), strlen (ZB_META_UPTIME), 1, BYTES_MAX);
    zb_read_add (load->read, ZB_QUEUES, &tomb, 1, 1, TOMBS_MAX, BYTES_MAX);
    zb_read_add (load->read, ZB_META, ZB_META_REPLAY, strlen (ZB_META_REPLAY), strlen (ZB_META_REPLAY), ZB_REPLAYS,
                 BYTES_MAX);
    zb_read_add (load->read, ZB_META, ZB_META_PRODUCERS, strlen (ZB_META_PRODUCERS), strlen (ZB_META_PRODUCERS), 1,
                 BYTES_MAX);
    zb_read_add (load->read, ZB_META, ZB_META_TIME, strlen (ZB_META_TIME), strlen (ZB_META_TIME), 1, BYTES_MAX);
}

static void s_ask_producer (zb_load_t *load, zb_frame_t name)
{
    uint8_t key[ZB_KEY_MAX];
    size_t size = zb_group_key (name, 0, key);
    zb_read_add (load->read, ZB_PRODUCERS, name.data, name.size, name.size, 1, BYTES_MAX);
    zb_read_add (load->read, ZB_PRODUCERS, key, size, size - 1, ZB_GROUPS, BYTES_MAX);
}

zb_load_t *zb_engine_load (zb_engine_t *self, zb_load_kind_t kind, zb_frame_t name)
{
    uint8_t key[1 + ZB_NAME_MAX] = {(uint8_t) kind};
    assert (name.size <= ZB_NAME_MAX);
    if (name.size)
        memcpy (key + 1, name.data, name.size);
    zb_entry_t *entry = zb_map_find (&self->loads, (zb_frame_t){key, 1 + name.size});
    if (entry)
        return ZB_ITEM (entry, zb_load_t, entry);
    zb_load_t *load = zb_engine_load_new (self, kind);
    memcpy (load->name, key, 1 + name.size);
    load->name_size = name.size;
    zb_map_add (&self->loads, &load->entry, (zb_frame_t){load->name, 1 + name.size});
    if (kind == ZB_LOAD_BOOT)
        s_ask_boot (load);
    else if (kind == ZB_LOAD_PRODUCER)
        s_ask_producer (load, name);
    else {
        assert (kind == ZB_LOAD_QUEUE);
        zb_read_add (load->read, ZB_QUEUES, name.data, name.size, name.size, 1, BYTES_MAX);
    }
    return load;
}

zb_load_t *zb_engine_load_rows (zb_engine_t *self, zb_queue_t *queue, zb_load_kind_t kind, uint64_t from, uint64_t last)
{
    assert (!zb_engine_reads (queue));
    zb_load_t *load = zb_engine_load_new (self, kind);
    load->queue = queue;
    load->from = from;
    load->last = last;
    load->sifts = kind == ZB_LOAD_WINDOW && queue->filter.size;
    self->sifting.loads += load->sifts;
    //  The more a filter costs, the less is compared with it in one go.
    size_t chunk = zb_engine_chunk (self) / (queue->filter.size / 8 + 1);
    uint8_t key[ZB_ACKS_KEY_SIZE];
    zb_log_key (queue->cursor.log->id, from, key);
    //  Each row of acks has its row of the log, so that as many of them are enough.
    zb_read_add (load->read, ZB_LOG, key, ZB_LOG_KEY_SIZE, 4, ROWS_MAX, chunk);
    zb_acks_key (queue->id, from, key);
    zb_read_add (load->read, ZB_ACKS, key, ZB_ACKS_KEY_SIZE, 4, ROWS_MAX, SIZE_MAX);
    load->purges = queue->cursor.purges;
    queue->cursor.load = load;
    queue->log.users++;
    return load;
}

zb_load_t *zb_engine_reads (const zb_queue_t *queue)
{
    zb_load_t *due = queue->lane.load && queue->lane.load->kind == ZB_LOAD_DUE ? queue->lane.load : NULL;
    return queue->cursor.load ? queue->cursor.load : due;
}

bool zb_engine_may_sift (zb_engine_t *self, zb_queue_t *queue)
{
    bool may = self->sifting.loads < SIFTING;
    if (!may && zb_ring_empty (&queue->sifts))
        zb_ring_append (&self->sifting.queues, &queue->sifts);
    return may;
}

static void s_sift_on (zb_engine_t *self)
{
    while (self->sifting.loads < SIFTING && !zb_ring_empty (&self->sifting.queues))
        zb_engine_serve (self, ZB_ITEM (zb_ring_pop (&self->sifting.queues), zb_queue_t, sifts));
}

zb_load_t *zb_engine_load_list (zb_engine_t *self, const zb_request_t *request)
{
    if (!self->lists.reading) {
        self->lists.reading = zb_engine_load_new (self, ZB_LOAD_LIST);
        self->lists.reading->list = zb_list_new (request);
        self->lists.reading->since = self->lists.reading->tag;
        zb_ring_append (&self->lists.all, &self->lists.reading->lists);
        //  Tombstones come before all names.
        uint8_t key[ZB_NAME_MAX + 1] = {ZB_TOMB_MARK + 1};
        size_t size = request->after.size ? request->after.size + 1 : 1;
        if (request->after.size) {
            memcpy (key, request->after.data, request->after.size);
            key[size - 1] = 0;
        }
        zb_read_add (self->lists.reading->read, ZB_QUEUES, key, size, 0, LIST_ROWS, BYTES_MAX);
    }
    return self->lists.reading;
}

//  Who looks, or has dead letters go, waits for no other broker, and is no reason to go on without it.
static size_t s_counts (const zb_engine_t *self, const zb_session_t *session)
{
    return session->load->kind != ZB_LOAD_PEEK && !zb_engine_is_undertaker (self, session);
}

void zb_engine_waited (zb_engine_t *self, zb_session_t *session)
{
    self->backlog -= s_counts (self, session);
    session->load = NULL;
}

void zb_engine_wait (zb_engine_t *self, zb_session_t *session, zb_load_t *load)
{
    assert (!session->load);
    session->load = load;
    self->backlog += s_counts (self, session);
    zb_ring_append (&load->sessions, &session->waits);
}

void zb_engine_wait_on (zb_engine_t *self, zb_load_t *from, zb_load_t *to)
{
    for (zb_ring_t *link = zb_ring_pop (&from->sessions); link; link = zb_ring_pop (&from->sessions)) {
        zb_session_t *session = ZB_ITEM (link, zb_session_t, waits);
        zb_engine_waited (self, session);
        zb_engine_wait (self, session, to);
    }
}

zb_read_t *zb_engine_read (zb_engine_t *self)
{
    zb_ring_t *link = self->fault ? NULL : zb_ring_pop (&self->asks);
    if (!link && !self->fault && !self->peeking)
        link = zb_ring_pop (&self->peeks);
    if (!link)
        return NULL;
    zb_load_t *load = ZB_ITEM (link, zb_load_t, ask);
    load->seen = self->taken_id;
    load->buried = load->queue ? zb_engine_buried (self, load->queue->id) : 0;
    if (load->kind == ZB_LOAD_PEEK)
        self->peeking = true;
    else if (load->queue && load->queue->lane.load != load && load->kind != ZB_LOAD_SEEN)
        load->queue->cursor.seen = self->taken_id;
    zb_read_t *read = load->read;
    load->read = NULL;
    return read;
}

//  Ending

static void s_destroy (zb_engine_t *self, zb_load_t **load_p)
{
    zb_load_t *load = *load_p;
    assert (zb_ring_empty (&load->sessions));
    zb_map_remove (&self->loads, &load->entry);
    zb_map_remove (&self->tags, &load->tagged);
    zb_ring_remove (&load->ask);
    self->sifting.loads -= load->sifts;
    if (load->queue) {
        load->queue->log.users--;
        if (load->queue->cursor.load == load)
            load->queue->cursor.load = NULL;
        if (load->queue->lane.load == load)
            load->queue->lane.load = NULL;
        if (load->queue->seen && load->queue->seen->load == load)
            load->queue->seen->load = NULL;
    }
    if (self->lists.reading == load)
        self->lists.reading = NULL;
    if (self->marks.load == load)
        self->marks.load = NULL;
    if (self->retain.load == load)
        self->retain.load = NULL;
    zb_ring_remove (&load->lists);
    zb_list_destroy (&load->list);
    zb_subs_destroy (&load->subs);
    zb_peek_destroy (&load->peek);
    zb_fetch_destroy (&load->fetch);
    zb_read_destroy (&load->read);
    free (load);
    *load_p = NULL;
}

void zb_engine_drop_loads (zb_engine_t *self)
{
    for (size_t index = 0; index < self->tags.buckets; index++)
        while (self->tags.bucket[index]) {
            zb_load_t *load = ZB_ITEM (self->tags.bucket[index], zb_load_t, tagged);
            s_destroy (self, &load);
        }
}

void zb_engine_go_on (zb_engine_t *self, zb_session_t *session)
{
    if (zb_engine_is_undertaker (self, session)) {
        zb_engine_die (self);
        return;
    }
    while (!zb_ring_empty (&session->tasks)) {
        zb_task_t *task = ZB_ITEM (session->tasks.next, zb_task_t, ring);
        size_t visited = self->visited;
        zb_load_t *load = zb_engine_run (self, task);
        session->visits += self->visited - visited;
        if (load) {
            zb_engine_wait (self, session, load);
            return;
        }
        zb_ring_remove (&task->ring);
        self->waiting -= task->bytes;
        zb_task_destroy (&task);
        zb_engine_close_large (self);
    }
    if (session->gone)
        zb_engine_depart (self, session);
    else if (!session->hello)
        zb_engine_forget_session (self, session);
}

//  Taking

static bool s_boot (zb_engine_t *self, const zb_read_t *read)
{
    if (!self->booted) {
        if (read->count[0]) {
            if (read->found[0][0].row->size < ZB_META_QUEUES_SIZE)
                return false;
            self->queue_id = zb_get32 (read->found[0][0].row->data);
            self->queue_count = zb_get32 (read->found[0][0].row->data + 4);
        }
        else
            self->queue_id = self->queue_count = 0;
        if (read->count[1]) {
            if (read->found[1][0].row->size < 8)
                return false;
            self->uptime = self->uptime_kept = zb_get64 (read->found[1][0].row->data);
        }
        if (!zb_engine_replays (self, read->found[3], read->count[3]))
            return false;
        if (read->count[4] && read->found[4][0].row->size < 8)
            return false;
        if (read->count[4])
            self->census.count = self->census.kept = zb_get64 (read->found[4][0].row->data);
        //  The first release has not counted them.
        else
            self->census.counting = self->gate > 1;
        if (read->count[5] &&
            (read->found[5][0].row->size < 8 || zb_get64 (read->found[5][0].row->data) > 2 * ZB_PAIRTIME_MOST))
            return false;
        if (read->count[5])
            zb_pairtime_keep (&self->clock.pair, self->clock.kept = zb_get64 (read->found[5][0].row->data));
    }
    self->tombs.more = read->more[2];
    for (size_t index = 0; index < read->count[2]; index++)
        zb_engine_exhume (self, &read->found[2][index]);
    self->booted = true;
    return true;
}

static bool s_is_name (const zb_load_t *load, const zb_found_t *found)
{
    return found->key_size == load->name_size && memcmp (found->key, load->name + 1, load->name_size) == 0;
}

static bool s_producer (zb_engine_t *self, const zb_load_t *load, const zb_read_t *read)
{
    const zb_row_t *row = read->count[0] && s_is_name (load, &read->found[0][0]) ? read->found[0][0].row : NULL;
    zb_producer_t *producer = zb_producer_new ((zb_frame_t){load->name + 1, load->name_size});
    if (zb_producer_load (producer, row, read->found[1], read->count[1])) {
        zb_producer_destroy (&producer);
        return false;
    }
    //  Brokers of the first release took any number from clients.
    if (producer->instance > self->instance)
        producer->instance = self->instance;
    zb_map_add (&self->producers, &producer->entry, producer->name);
    zb_ring_append (&self->idle_producers, &producer->idle);
    return true;
}

//  The queue's cursor has come, so all is known of it.
static bool s_cursor (zb_engine_t *self, const zb_load_t *load, const zb_read_t *read)
{
    zb_cursor_row_t cursor;
    if (read->count[0] == 0 || zb_cursor_row_decode (&cursor, read->found[0][0].row))
        return false;
    zb_frame_t name = {load->name + 1, load->name_size};
    zb_queue_t *queue = zb_queue_new (name, load->row.id, self->before, &self->windows);
    zb_queue_configure (queue, &load->row);
    zb_queue_restore (queue, &cursor);
    zb_map_add (&self->queues, &queue->entry, queue->name);
    zb_ring_append (&self->all_queues, &queue->ring);
    zb_engine_watch (self, queue);
    return true;
}

//  Returns whether those who wait may go on: not while a second read is needed.
static bool s_queue (zb_engine_t *self, zb_load_t *load, const zb_read_t *read)
{
    if (read->count[0] == 0 || !s_is_name (load, &read->found[0][0])) {
        self->told.absent = (zb_frame_t){load->name + 1, load->name_size};
        return true;
    }
    if (zb_queue_row_decode (&load->row, read->found[0][0].row)) {
        zb_engine_fail (self, s_damaged_queues);
        return false;
    }
    if (load->row.kind == ZB_KIND_TOPIC) {
        zb_engine_load_subs (self, load);
        return false;
    }
    uint8_t key[ZB_CURSOR_KEY_SIZE];
    zb_cursor_key (load->row.id, 0, key);
    zb_engine_load_again (self, load, ZB_LOAD_CURSOR);
    zb_read_add (load->read, ZB_CURSORS, key, sizeof key, sizeof key, 1, BYTES_MAX);
    return false;
}

void zb_engine_sifted (zb_engine_t *self, zb_queue_t *queue, const zb_load_t *load)
{
    size_t visits = zb_cursor_worked (&queue->cursor);
    zb_session_t *session = NULL;
    if (visits && load && !zb_ring_empty (&load->sessions))
        session = ZB_ITEM (load->sessions.next, zb_session_t, waits);
    else if (visits && !zb_ring_empty (&queue->parked))
        session = ZB_ITEM (queue->parked.next, zb_get_t, turn)->session;
    zb_engine_visited (self, visits);
    if (session)
        session->visits += visits;
}

static bool s_rows (zb_engine_t *self, zb_load_t *load, const zb_read_t *read)
{
    zb_queue_t *queue = load->queue;
    zb_cursor_t *cursor = &queue->cursor;
    cursor->load = NULL;
    //  What was purged since may be in what was read.
    if (cursor->purges != load->purges && !queue->gone)
        zb_engine_serve (self, queue);
    if (queue->gone || cursor->purges != load->purges)
        return true;
    uint64_t end = cursor->seen < cursor->log->tail ? cursor->seen : cursor->log->tail;
    uint64_t want = load->kind == ZB_LOAD_STRAYS ? load->last : 0;
    uint64_t last = zb_cursor_load (cursor, read, end, want);
    zb_engine_sifted (self, queue, load);
    if (last == 0)
        return false;
    if (want) {
        self->told.queue = queue;
        self->told.from = load->from;
        self->told.last = last;
        if (zb_ring_empty (&queue->strays))
            zb_ring_append (&self->strays, &queue->strays);
    }
    if (queue->topic)
        zb_engine_advance_sub (self, queue);
    //  What was wanted stays until who waits for it has looked.
    cursor->pins += want > 0;
    zb_engine_serve (self, queue);
    cursor->pins -= want > 0;
    return true;
}

//  Reads the next page of a table for LIST.
static void s_list_on (zb_engine_t *self, zb_load_t *load, const zb_read_t *read)
{
    const zb_found_t *last = &read->found[0][read->count[0] - 1];
    zb_table_t table = load->kind == ZB_LOAD_LIST ? ZB_QUEUES : ZB_CURSORS;
    uint8_t key[ZB_KEY_MAX];
    memcpy (key, last->key, last->key_size);
    key[last->key_size] = 0;
    zb_engine_load_again (self, load, load->kind);
    zb_read_add (load->read, table, key, last->key_size + 1u, 0, table == ZB_QUEUES ? LIST_ROWS : ROWS_MAX, BYTES_MAX);
}

static bool s_list (zb_engine_t *self, zb_load_t *load, const zb_read_t *read)
{
    for (size_t index = 0; index < read->count[0]; index++)
        if (zb_list_queue (load->list, &read->found[0][index])) {
            zb_engine_fail (self, s_damaged_queues);
            return false;
        }
    if (read->more[0] && read->count[0] && !zb_list_full (load->list)) {
        s_list_on (self, load, read);
        return false;
    }
    zb_list_sort (load->list);
    if (load->list->items == 0)
        return true;
    uint8_t key[ZB_CURSOR_KEY_SIZE];
    zb_list_first (load->list, key);
    zb_engine_load_again (self, load, ZB_LOAD_DEPTHS);
    zb_read_add (load->read, ZB_CURSORS, key, sizeof key, 0, ROWS_MAX, BYTES_MAX);
    return false;
}

static bool s_depths (zb_engine_t *self, zb_load_t *load, const zb_read_t *read)
{
    for (size_t index = 0; index < read->count[0]; index++)
        if (zb_list_cursor (load->list, &read->found[0][index])) {
            zb_engine_fail (self, s_damaged_cursors);
            return false;
        }
    if (read->more[0] && read->count[0] && zb_list_needs (load->list, &read->found[0][read->count[0] - 1])) {
        s_list_on (self, load, read);
        return false;
    }
    return true;
}

//  Takes what was found.  Returns whether the load is finished.
static bool s_take (zb_engine_t *self, zb_load_t *load, const zb_read_t *read)
{
    const char *fault = NULL;
    switch (load->kind) {
    case ZB_LOAD_BOOT:
        fault = s_boot (self, read) ? NULL : s_damaged_meta;
        break;
    case ZB_LOAD_PRODUCER:
        fault = s_producer (self, load, read) ? NULL : s_damaged_producers;
        break;
    case ZB_LOAD_QUEUE:
        return s_queue (self, load, read);
    case ZB_LOAD_CURSOR:
        fault = s_cursor (self, load, read) ? NULL : s_damaged_cursors;
        break;
    case ZB_LOAD_SUBS:
        return zb_engine_subs (self, load, read);
    case ZB_LOAD_WINDOW:
    case ZB_LOAD_STRAYS:
        fault = s_rows (self, load, read) ? NULL : s_damaged_log;
        break;
    case ZB_LOAD_DUE:
        fault = zb_engine_are_due (self, load, read) ? NULL : s_damaged_log;
        break;
    case ZB_LOAD_LAID:
        fault = zb_engine_are_laid (self, load, read) ? NULL : s_damaged_log;
        break;
    case ZB_LOAD_RANKS:
    case ZB_LOAD_FETCH:
        return zb_engine_ranks (self, load, read);
    case ZB_LOAD_SEEN:
        return zb_engine_have_seen (self, load, read);
    case ZB_LOAD_SPOT:
        return zb_engine_spotted (self, load, read);
    case ZB_LOAD_SWEEP:
        fault = zb_engine_swept_rows (self, load, read) ? NULL : s_damaged_log;
        break;
    case ZB_LOAD_READ:
        fault = zb_engine_have_read (self, load, read) ? NULL : s_damaged_log;
        break;
    case ZB_LOAD_OLDEST:
        fault = zb_engine_oldest (self, load, read) ? NULL : s_damaged_log;
        break;
    case ZB_LOAD_TOPICS:
        fault = zb_engine_found_retaining (self, read) ? NULL : s_damaged_queues;
        break;
    case ZB_LOAD_DISUSED:
        fault = zb_engine_found_disused (self, read) ? NULL : s_damaged_queues;
        break;
    case ZB_LOAD_LIST:
        return s_list (self, load, read);
    case ZB_LOAD_DEPTHS:
        return s_depths (self, load, read);
    case ZB_LOAD_PURGED:
        zb_engine_purged (self, load, read);
        break;
    case ZB_LOAD_JOURNAL:
        zb_engine_cleared (self, read);
        break;
    case ZB_LOAD_NAMES:
        zb_engine_found_names (self, read);
        break;
    case ZB_LOAD_PEEK:
        return zb_engine_peeked (self, load, read);
    }
    if (fault)
        zb_engine_fail (self, fault);
    return !self->fault;
}

//  Those who wait for the load go on.  A reply to LIST takes long: false if some are left for the next turn.
static bool s_wake (zb_engine_t *self, zb_load_t *load)
{
    self->told.list = load->list;
    self->told.peek = load->peek ? load : NULL;
    //  Who has asked for ids of a lane may have more of them, and waits again behind the others.
    if (load->kind == ZB_LOAD_LAID && !zb_ring_empty (&load->sessions))
        zb_ring_append (&load->sessions, zb_ring_pop (&load->sessions));
    while (!zb_ring_empty (&load->sessions) && !(load->list && zb_engine_budget (self) == 0)) {
        zb_session_t *session = ZB_ITEM (zb_ring_pop (&load->sessions), zb_session_t, waits);
        zb_engine_waited (self, session);
        zb_engine_go_on (self, session);
    }
    self->told.list = NULL;
    self->told.peek = NULL;
    return zb_ring_empty (&load->sessions);
}

void zb_engine_take_load (zb_engine_t *self, const zb_read_t *read)
{
    zb_entry_t *entry = zb_map_find (&self->tags, (zb_frame_t){&read->tag, sizeof read->tag});
    if (!entry)
        return;
    zb_load_t *load = ZB_ITEM (entry, zb_load_t, tagged);
    self->peeking = self->peeking && load->kind != ZB_LOAD_PEEK;
    if (!s_take (self, load, read))
        return;
    //  Those who go on may ask for the same again.
    zb_map_remove (&self->loads, &load->entry);
    if (self->lists.reading == load)
        self->lists.reading = NULL;
    //  What it has brought stays until all who waited have looked at it.
    unsigned *pins = load->kind == ZB_LOAD_STRAYS ? &load->queue->cursor.pins : NULL;
    if (pins)
        ++*pins;
    bool done = s_wake (self, load);
    if (pins)
        --*pins;
    self->told.absent = (zb_frame_t){NULL, 0};
    self->told.queue = self->told.topic = self->told.laid = NULL;
    if (done)
        s_destroy (self, &load);
    else
        zb_ring_append (&self->lists.done, &load->ask);
    s_sift_on (self);
    zb_engine_let_go (self);
    zb_engine_shrink_seen (self);
}

void zb_engine_list_on (zb_engine_t *self)
{
    while (!zb_ring_empty (&self->lists.done)) {
        zb_load_t *load = ZB_ITEM (self->lists.done.next, zb_load_t, ask);
        if (!s_wake (self, load))
            return;
        s_destroy (self, &load);
    }
}
