/*  =========================================================================
    queue - a log with one cursor, its options, and who waits for its messages; also a topic, and a
            subscription

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/queue/queue.h"

//  How long messages rest that may die, where the queue does not say so: from this try on, ms then and at most.
#define RETRY_FROM 3
#define RETRY_DELAY 100
#define RETRY_MOST 10000

static zb_queue_t *s_new (zb_queue_kind_t kind, zb_frame_t name, uint32_t id, uint64_t tail, size_t *total)
{
    zb_queue_t *self = (zb_queue_t *) calloc (1, sizeof (zb_queue_t) + name.size);
    assert (self);
    self->kind = kind;
    zb_log_init (&self->log, id, kind == ZB_KIND_TOPIC, tail, total);
    zb_ring_t *ring[] = {&self->ring,     &self->touched,   &self->demand,  &self->strays,
                         &self->rest,     &self->parked,    &self->late,    &self->subs,
                         &self->filtered, &self->retaining, &self->at_tail, &self->sifts,
                         &self->doomed,   &self->dies,      &self->over,    &self->remembers,
                         &self->lent,     &self->hold.mine};
    for (size_t index = 0; index < sizeof ring / sizeof ring[0]; index++)
        zb_ring_init (ring[index]);
    memcpy (self->text, name.data, name.size);
    self->name = (zb_frame_t){self->text, name.size};
    self->id = id;
    return self;
}

zb_queue_t *zb_queue_new (zb_frame_t name, uint32_t id, uint64_t tail, size_t *total)
{
    zb_queue_t *self = s_new (ZB_KIND_QUEUE, name, id, tail, total);
    zb_cursor_init (&self->cursor, &self->log, id);
    return self;
}

zb_queue_t *zb_queue_new_topic (zb_frame_t name, uint32_t id, uint64_t tail, size_t *total)
{
    zb_queue_t *self = s_new (ZB_KIND_TOPIC, name, id, tail, total);
    self->cursor.log = &self->log;
    return self;
}

zb_queue_t *zb_queue_new_sub (zb_frame_t name, uint32_t id, zb_queue_t *topic)
{
    assert (topic->kind == ZB_KIND_TOPIC);
    zb_queue_t *self = s_new (ZB_KIND_SUB, name, id, topic->log.tail, topic->log.total);
    zb_cursor_init (&self->cursor, &topic->log, id);
    self->topic = topic;
    topic->log.users++;
    zb_ring_append (&topic->subs, &self->subs);
    return self;
}

void zb_queue_leave (zb_queue_t *self)
{
    assert (self->kind == ZB_KIND_SUB);
    if (zb_ring_empty (&self->subs))
        return;
    zb_cursor_clear (&self->cursor);
    zb_ring_remove (&self->subs);
}

void zb_queue_destroy (zb_queue_t **self_p)
{
    zb_queue_t *self = *self_p;
    if (self) {
        if (self->kind == ZB_KIND_QUEUE)
            zb_cursor_clear (&self->cursor);
        if (self->kind == ZB_KIND_SUB) {
            zb_queue_leave (self);
            self->topic->log.users--;
        }
        assert (zb_ring_empty (&self->subs));
        zb_lane_clear (&self->lane);
        zb_log_clear (&self->log);
        assert (!self->entry.in && zb_ring_empty (&self->ring) && zb_ring_empty (&self->touched));
        assert (zb_ring_empty (&self->demand) && zb_ring_empty (&self->strays) && zb_ring_empty (&self->parked) &&
                zb_ring_empty (&self->late) && zb_ring_empty (&self->rest) && zb_ring_empty (&self->filtered) &&
                zb_ring_empty (&self->retaining) && zb_ring_empty (&self->at_tail) && zb_ring_empty (&self->sifts) &&
                zb_ring_empty (&self->doomed) && zb_ring_empty (&self->dies) && zb_ring_empty (&self->over) &&
                zb_ring_empty (&self->remembers) && zb_ring_empty (&self->lent) && zb_ring_empty (&self->hold.mine) &&
                !self->seen && self->disuse.place == 0);
        free (self->dead);
        free (self);
        *self_p = NULL;
    }
}

zb_queue_row_t zb_queue_row (const zb_queue_t *self)
{
    zb_queue_row_t row = {.kind = self->kind,
                          .id = self->id,
                          .lease = self->lease,
                          .max = self->max,
                          .changed = self->changed,
                          .grace = self->grace,
                          .bytes = self->bytes,
                          .sized = self->sized,
                          .drops = self->drops,
                          .retains = self->log.retains,
                          .age = self->age,
                          .most = self->most,
                          .topic = self->topic ? self->topic->id : 0,
                          .birth = self->birth,
                          .from = self->from,
                          .began = self->began,
                          .filter = self->filter,
                          .expires = self->expires,
                          .since = self->since,
                          .timed = self->timed,
                          .delay = self->delay,
                          .delays = self->delays,
                          .ranks = self->cursor.ranks,
                          .retry = self->retry,
                          .retry_most = self->retry_most,
                          .most_tries = self->most_tries,
                          .mode = self->mode,
                          .dedupe = self->dedupe,
                          .unused = self->unused};
    row.counts = self->sized ? self->cursor.counts : 0;
    memcpy (row.holder, self->hold.mark, sizeof row.holder);
    zb_queue_row_set_dead (&row, (zb_frame_t){self->dead, self->dead_size});
    return row;
}

void zb_queue_configure (zb_queue_t *self, const zb_queue_row_t *row)
{
    self->lease = row->lease;
    self->max = row->max;
    self->grace = row->grace;
    self->changed = row->changed;
    self->bytes = row->bytes;
    self->sized = row->sized;
    self->drops = row->drops;
    if (self->kind == ZB_KIND_QUEUE)
        zb_cursor_count (&self->cursor, row->sized ? row->counts : UINT64_MAX);
    self->log.retains = row->retains && self->kind == ZB_KIND_TOPIC;
    self->age = row->age;
    self->most = row->most;
    self->birth = row->birth;
    self->from = row->from;
    self->expires = row->expires;
    self->since = row->since;
    self->timed = row->timed;
    self->delay = row->delay;
    self->delays = row->delays;
    if (self->cursor.ranks != row->ranks)
        zb_cursor_rank (&self->cursor, row->ranks);
    self->retry = row->retry;
    self->retry_most = row->retry_most;
    self->most_tries = row->most_tries;
    self->dedupe = row->dedupe;
    self->unused = row->unused;
    self->mode = row->mode;
    if (row->mode != ZB_MODE_KEY)
        zb_cursor_go_by_key (&self->cursor, NULL);
    memcpy (self->hold.mark, row->holder, sizeof self->hold.mark);
    free (self->dead);
    self->dead = row->dead_size ? (char *) malloc (row->dead_size) : NULL;
    assert (self->dead || row->dead_size == 0);
    if (self->dead)
        memcpy (self->dead, row->dead, row->dead_size);
    self->dead_size = row->dead_size;
    self->began = row->began;
    self->filter = row->filter;
    if (self->kind == ZB_KIND_SUB)
        zb_cursor_want (&self->cursor, self->from, (zb_frame_t){self->filter.text, self->filter.size});
}

int64_t zb_queue_retry (const zb_queue_t *self, uint32_t tries)
{
    assert (tries);
    uint64_t delay = self->retry, most = self->retry_most;
    if (delay == 0 && self->most_tries && tries >= RETRY_FROM) {
        delay = RETRY_DELAY;
        most = RETRY_MOST;
        tries -= RETRY_FROM - 1;
    }
    for (; --tries && delay < most;)
        delay *= 2;
    return (int64_t) (delay < most ? delay : most);
}

zb_frame_t zb_dead_name (zb_frame_t name, char text[ZB_DEAD_NAME_MAX])
{
    const char *from = (const char *) name.data;
    for (size_t index = 0; index < name.size; index++)
        text[index] = from[index] == '/' ? '.' : from[index];
    memcpy (text + name.size, ZB_DEAD_SUFFIX, sizeof ZB_DEAD_SUFFIX - 1);
    return (zb_frame_t){text, name.size + sizeof ZB_DEAD_SUFFIX - 1};
}

zb_frame_t zb_queue_dead (const zb_queue_t *self, char text[ZB_DEAD_NAME_MAX])
{
    return self->dead ? (zb_frame_t){self->dead, self->dead_size} : zb_dead_name (self->name, text);
}

void zb_queue_restore (zb_queue_t *self, const zb_cursor_row_t *row)
{
    if (self->kind != ZB_KIND_SUB) {
        assert (self->log.put == 0);
        self->log.put = self->log.shown = row->put;
        self->log.floor = row->low - 1;
        self->log.laid = row->laid;
    }
    if (self->kind == ZB_KIND_TOPIC) {
        self->log.gone = row->done;
        self->log.stored = row->behind;
    }
    else
        zb_cursor_restore (&self->cursor, row);
}

uint64_t zb_queue_depth (const zb_queue_t *self)
{
    const zb_log_t *log = &self->log;
    if (self->kind == ZB_KIND_TOPIC)
        return log->put > log->gone ? log->put - log->gone : 0;
    return zb_cursor_depth (&self->cursor);
}

static void s_write_topic (const zb_queue_t *self, zb_commit_t *commit)
{
    const zb_log_t *log = &self->log;
    uint64_t gone = log->gone < log->put ? log->gone : log->put;
    zb_cursor_row_t row = {log->floor + 1, log->put, gone, log->floor + 1, log->stored, 0};
    uint8_t key[ZB_CURSOR_KEY_SIZE], value[ZB_CURSOR_ROW_MAX];
    zb_cursor_key (self->id, 0, key);
    size_t size = zb_cursor_row_encode (&row, value);
    zb_batch_put (commit->batch, ZB_CURSORS, key, sizeof key, value, size);
}

void zb_queue_write (zb_queue_t *self, zb_commit_t *commit)
{
    if (self->kind != ZB_KIND_SUB)
        zb_log_write (&self->log, commit);
    if (self->kind == ZB_KIND_TOPIC)
        s_write_topic (self, commit);
    else
        zb_cursor_write (&self->cursor, commit);
    self->commit = commit->number;
}

void zb_queue_put (zb_queue_t *self, const zb_log_head_t *head, zb_piece_t *piece, const zb_frame_t *body,
                   size_t bodies)
{
    zb_log_put (&self->log, head, piece, body, bodies);
    if (!self->sized)
        return;
    self->cursor.bytes += (uint64_t) piece->properties.size * bodies;
    for (size_t index = 0; index < bodies; index++)
        self->cursor.bytes += body[index].size;
}

uint64_t zb_queue_counts (const zb_queue_t *self, uint64_t newest)
{
    return zb_queue_depth (self) ? newest : 0;
}

//  Bytes of those messages of a row that are not done and are counted.
static uint64_t s_counted (const zb_queue_t *self, const zb_row_t *row, const zb_row_t *bits)
{
    uint64_t bytes = 0;
    uint32_t number = 0;
    size_t offset = 0;
    zb_piece_t piece;
    while (zb_log_next (row, &offset, &piece) == 1)
        for (uint32_t index = 0; index < piece.count; index++, number++)
            if (piece.first + index > self->cursor.counts && !(bits && bits->data[number / 8] >> number % 8 & 1))
                bytes += zb_get32 (row->data + piece.sizes + 4 * index) + piece.properties.size;
    return bytes;
}

void zb_queue_lay (zb_queue_t *self, zb_row_t *row, uint64_t id, zb_commit_t *commit)
{
    zb_log_lay (&self->log, row, id, commit);
    if (self->sized)
        self->cursor.bytes += s_counted (self, row, NULL);
}

void zb_queue_take_due (zb_queue_t *self, zb_row_t *row, uint64_t id, zb_commit_t *commit)
{
    uint64_t bytes = self->cursor.bytes;
    zb_queue_insert (self, row, id, NULL, commit);
    //  It was counted, and shown, when it was put.
    self->log.put--;
    self->log.shown--;
    self->log.laid -= self->log.laid > 0;
    self->cursor.bytes = bytes;
}

void zb_queue_insert (zb_queue_t *self, zb_row_t *row, uint64_t last, zb_row_t *bits, zb_commit_t *commit)
{
    assert (self->kind != ZB_KIND_SUB && !self->cursor.load);
    uint32_t done = zb_log_insert (&self->log, row, last, bits, commit);
    self->oldest = (zb_oldest_t){0};
    if (self->kind == ZB_KIND_QUEUE)
        self->cursor.done += done;
    if (self->sized)
        self->cursor.bytes += s_counted (self, row, bits);
}
