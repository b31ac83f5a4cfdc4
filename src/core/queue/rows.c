/*  =========================================================================
    rows - keys and values of the tables, as bytes

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <string.h>

#include "core/queue/rank.h"
#include "core/queue/topic.h"

//  Queues

//  What a row of the log says of an epoch's number.
#define EPOCH_BITS 0xffffff

//  Sizes of a row without the grace, and without the stamp: the first release's.
#define QUEUE_ROW_SHORT (ZB_QUEUE_ROW_SIZE - 8)
#define QUEUE_ROW_OLD (QUEUE_ROW_SHORT - ZB_STAMP_SIZE)

void zb_stamp_encode (const zb_stamp_t *self, uint8_t value[ZB_STAMP_SIZE])
{
    zb_put64 (value, self->epoch);
    zb_put64 (value + 8, self->commit);
    value[16] = (uint8_t) self->node;
}

void zb_stamp_decode (zb_stamp_t *self, const uint8_t value[ZB_STAMP_SIZE])
{
    *self = (zb_stamp_t){zb_get64 (value), zb_get64 (value + 8), value[16]};
}

//  More options, as numbered in rows.h.
enum {
    MORE_DEAD = 1,
    MORE_EXPIRES = 2,
    MORE_BEGAN = 3,
    MORE_FILTER = 4,
    MORE_RETRY = 5,
    MORE_RETAINS = 7,
    MORE_BYTES = 8,
    MORE_DROPS = 9,
    MORE_TRIES = 10,
    MORE_DELAY = 11,
    MORE_MODE = 12,
    MORE_RANKS = 13,
    MORE_DEDUPE = 14,
    MORE_UNUSED = 15
};

static size_t s_more (uint8_t *value, uint8_t which, const void *data, size_t size)
{
    if (size == 0)
        return 0;
    value[0] = which;
    value[1] = (uint8_t) size;
    memcpy (value + 2, data, size);
    return 2 + size;
}

size_t zb_more_encode (const zb_queue_row_t *self, uint8_t value[ZB_MORE_MAX])
{
    uint8_t expires[16];
    zb_put64 (expires, self->expires);
    zb_put64 (expires + 8, self->since);
    size_t size = s_more (value, MORE_DEAD, self->dead, self->dead_size);
    size += s_more (value + size, MORE_EXPIRES, expires, self->timed ? sizeof expires : 0);
    uint8_t began[8];
    zb_put64 (began, self->began.number);
    size += s_more (value + size, MORE_BEGAN, began, self->began.number ? sizeof began : 0);
    size += s_more (value + size, MORE_FILTER, self->filter.text, self->filter.size);
    uint8_t retry[16];
    zb_put64 (retry, self->retry);
    zb_put64 (retry + 8, self->retry_most);
    size += s_more (value + size, MORE_RETRY, retry, self->retry ? sizeof retry : 0);
    uint8_t retains[16];
    zb_put64 (retains, self->age);
    zb_put64 (retains + 8, self->most);
    size += s_more (value + size, MORE_RETAINS, retains, self->retains ? sizeof retains : 0);
    uint8_t bytes[16], drops = 1;
    zb_put64 (bytes, self->bytes);
    zb_put64 (bytes + 8, self->counts);
    size += s_more (value + size, MORE_BYTES, bytes, self->sized ? sizeof bytes : 0);
    size += s_more (value + size, MORE_DROPS, &drops, self->drops);
    uint8_t tries[8];
    zb_put64 (tries, self->most_tries);
    size += s_more (value + size, MORE_TRIES, tries, self->most_tries ? sizeof tries : 0);
    uint8_t delay[8];
    zb_put64 (delay, self->delay);
    size += s_more (value + size, MORE_DELAY, delay, self->delays ? sizeof delay : 0);
    uint8_t mode[1 + ZB_MARK_SIZE] = {(uint8_t) self->mode};
    memcpy (mode + 1, self->holder, ZB_MARK_SIZE);
    static const uint8_t nobody[ZB_MARK_SIZE];
    bool held = memcmp (self->holder, nobody, ZB_MARK_SIZE) != 0;
    size += s_more (value + size, MORE_MODE, mode, !self->mode ? 0 : held ? sizeof mode : 1);
    uint8_t ranks = (uint8_t) self->ranks;
    size += s_more (value + size, MORE_RANKS, &ranks, self->ranks > 0);
    uint8_t dedupe[8];
    zb_put64 (dedupe, self->dedupe);
    size += s_more (value + size, MORE_DEDUPE, dedupe, self->dedupe ? sizeof dedupe : 0);
    uint8_t unused[8];
    zb_put64 (unused, self->unused);
    return size + s_more (value + size, MORE_UNUSED, unused, self->unused ? sizeof unused : 0);
}

static int s_take_expires (zb_queue_row_t *self, const uint8_t *value, size_t size)
{
    if (size < 16 || zb_get64 (value) > ZB_EXPIRES_MOST)
        return -1;
    self->timed = true;
    self->expires = zb_get64 (value);
    self->since = zb_get64 (value + 8);
    return 0;
}

static int s_take_delay (zb_queue_row_t *self, const uint8_t *value, size_t size)
{
    if (size < 8 || zb_get64 (value) > ZB_DELAY_MOST)
        return -1;
    self->delays = true;
    self->delay = zb_get64 (value);
    return 0;
}

static int s_take_retry (zb_queue_row_t *self, const uint8_t *value, size_t size)
{
    if (size < 16 || zb_get64 (value) == 0 || zb_get64 (value) > zb_get64 (value + 8) ||
        zb_get64 (value + 8) > INT32_MAX)
        return -1;
    self->retry = zb_get64 (value);
    self->retry_most = zb_get64 (value + 8);
    return 0;
}

static int s_take_tries (zb_queue_row_t *self, const uint8_t *value, size_t size)
{
    if (size < 8 || zb_get64 (value) == 0 || zb_get64 (value) > ZB_TRIES_MOST)
        return -1;
    self->most_tries = zb_get64 (value);
    return 0;
}

static int s_take_dedupe (zb_queue_row_t *self, const uint8_t *value, size_t size)
{
    if (size < 8 || zb_get64 (value) == 0 || zb_get64 (value) > ZB_DEDUPE_MOST || self->kind != ZB_KIND_QUEUE)
        return -1;
    self->dedupe = zb_get64 (value);
    return 0;
}

static int s_take_unused (zb_queue_row_t *self, const uint8_t *value, size_t size)
{
    if (size < 8 || zb_get64 (value) == 0 || zb_get64 (value) > ZB_UNUSED_MOST || self->kind == ZB_KIND_TOPIC)
        return -1;
    self->unused = zb_get64 (value);
    return 0;
}

static int s_take_mode (zb_queue_row_t *self, const uint8_t *value, size_t size)
{
    if ((size != 1 && size < 1 + ZB_MARK_SIZE) || value[0] == ZB_MODE_SHARED || value[0] > ZB_MODE_KEY ||
        self->kind == ZB_KIND_TOPIC)
        return -1;
    self->mode = (zb_mode_t) value[0];
    if (size > 1 && self->mode == ZB_MODE_EXCLUSIVE)
        memcpy (self->holder, value + 1, ZB_MARK_SIZE);
    return 0;
}

static int s_take_retains (zb_queue_row_t *self, const uint8_t *value, size_t size)
{
    if (size < 16 || zb_get64 (value) > INT64_MAX || zb_get64 (value + 8) > INT64_MAX)
        return -1;
    self->retains = true;
    self->age = zb_get64 (value);
    self->most = zb_get64 (value + 8);
    return 0;
}

static int s_take_bytes (zb_queue_row_t *self, const uint8_t *value, size_t size)
{
    if (size < 16 || zb_get64 (value) > INT64_MAX || self->kind != ZB_KIND_QUEUE)
        return -1;
    self->sized = true;
    self->bytes = zb_get64 (value);
    self->counts = zb_get64 (value + 8);
    return 0;
}

static int s_take_drops (zb_queue_row_t *self, const uint8_t *value, size_t size)
{
    if (size < 1 || value[0] != 1 || self->kind != ZB_KIND_QUEUE)
        return -1;
    self->drops = true;
    return 0;
}

static int s_take_ranks (zb_queue_row_t *self, const uint8_t *value, size_t size)
{
    if (size < 1 || value[0] < ZB_RANKS_LEAST || value[0] > ZB_RANKS_MOST || self->kind != ZB_KIND_QUEUE)
        return -1;
    self->ranks = value[0];
    return 0;
}

int zb_more_decode (zb_queue_row_t *self, const uint8_t *value, size_t size)
{
    for (size_t at = 0; size - at >= 2 && value[at + 1] <= size - at - 2; at += 2u + value[at + 1]) {
        zb_frame_t name = {value + at + 2, value[at + 1]};
        if (value[at] == MORE_EXPIRES && s_take_expires (self, value + at + 2, value[at + 1]))
            return -1;
        if (value[at] == MORE_DELAY && s_take_delay (self, value + at + 2, value[at + 1]))
            return -1;
        if (value[at] == MORE_RETRY && s_take_retry (self, value + at + 2, value[at + 1]))
            return -1;
        if (value[at] == MORE_TRIES && s_take_tries (self, value + at + 2, value[at + 1]))
            return -1;
        if (value[at] == MORE_DEDUPE && s_take_dedupe (self, value + at + 2, value[at + 1]))
            return -1;
        if (value[at] == MORE_UNUSED && s_take_unused (self, value + at + 2, value[at + 1]))
            return -1;
        if (value[at] == MORE_RETAINS && s_take_retains (self, value + at + 2, value[at + 1]))
            return -1;
        if (value[at] == MORE_BYTES && s_take_bytes (self, value + at + 2, value[at + 1]))
            return -1;
        if (value[at] == MORE_DROPS && s_take_drops (self, value + at + 2, value[at + 1]))
            return -1;
        if (value[at] == MORE_RANKS && s_take_ranks (self, value + at + 2, value[at + 1]))
            return -1;
        if (value[at] == MORE_MODE && s_take_mode (self, value + at + 2, value[at + 1]))
            return -1;
        if (value[at] == MORE_FILTER && zb_topic_filter (self, name, name.size))
            return -1;
        if (value[at] == MORE_BEGAN && name.size < 8)
            return -1;
        if (value[at] == MORE_BEGAN)
            self->began.number = zb_get64 (value + at + 2);
        if (value[at] == MORE_DEAD && zb_name_check (name))
            return -1;
        if (value[at] == MORE_DEAD)
            zb_queue_row_set_dead (self, name);
    }
    return 0;
}

zb_frame_t zb_queue_row_dead (const zb_queue_row_t *self)
{
    return (zb_frame_t){self->dead, self->dead_size};
}

void zb_queue_row_set_dead (zb_queue_row_t *self, zb_frame_t name)
{
    assert (name.size <= ZB_NAME_MAX);
    self->dead_size = (uint8_t) name.size;
    memset (self->dead, 0, sizeof self->dead);
    if (name.size)
        memcpy (self->dead, name.data, name.size);
}

size_t zb_queue_row_encode (const zb_queue_row_t *self, uint8_t value[ZB_QUEUE_ROW_MAX])
{
    zb_put32 (value, self->id);
    zb_put64 (value + 4, self->lease);
    zb_put64 (value + 12, self->max);
    zb_stamp_encode (&self->changed, value + QUEUE_ROW_OLD);
    zb_put64 (value + QUEUE_ROW_SHORT, self->grace);
    size_t more = zb_more_encode (self, value + ZB_QUEUE_ROW_SIZE);
    if (self->grace || more)
        return ZB_QUEUE_ROW_SIZE + more;
    return self->changed.epoch ? QUEUE_ROW_SHORT : QUEUE_ROW_OLD;
}

int zb_queue_row_decode (zb_queue_row_t *self, const zb_row_t *row)
{
    *self = (zb_queue_row_t){.kind = ZB_KIND_QUEUE};
    if (row->size >= 4 && zb_get32 (row->data) == 0)
        return zb_topic_row_decode (self, row);
    bool whole = row->size >= ZB_QUEUE_ROW_SIZE;
    if (!whole && row->size != QUEUE_ROW_SHORT && row->size != QUEUE_ROW_OLD)
        return -1;
    self->changed = (zb_stamp_t){0, 0, 0};
    if (row->size != QUEUE_ROW_OLD)
        zb_stamp_decode (&self->changed, row->data + QUEUE_ROW_OLD);
    self->id = zb_get32 (row->data);
    self->lease = zb_get64 (row->data + 4);
    self->max = zb_get64 (row->data + 12);
    self->grace = whole ? zb_get64 (row->data + QUEUE_ROW_SHORT) : 0;
    bool more = whole && zb_more_decode (self, row->data + ZB_QUEUE_ROW_SIZE, row->size - ZB_QUEUE_ROW_SIZE);
    bool good = !more && self->id && self->lease <= INT32_MAX && self->grace <= INT32_MAX &&
                (self->grace || row->size != ZB_QUEUE_ROW_SIZE);
    return good ? 0 : -1;
}

void zb_tomb_key (uint32_t queue, uint8_t key[ZB_TOMB_KEY_SIZE])
{
    key[0] = ZB_TOMB_MARK;
    zb_put32 (key + 1, queue);
}

int zb_tomb_decode (const zb_found_t *found, uint32_t *queue, uint64_t *mark)
{
    if (found->key_size != ZB_TOMB_KEY_SIZE || found->key[0] != ZB_TOMB_MARK || found->row->size < 8)
        return -1;
    *queue = zb_get32 (found->key + 1);
    *mark = zb_get64 (found->row->data);
    return 0;
}

//  Cursors

void zb_cursor_key (uint32_t queue, uint32_t sub, uint8_t key[ZB_CURSOR_KEY_SIZE])
{
    zb_put32 (key, queue);
    zb_put32 (key + 4, sub);
}

int zb_cursor_key_decode (const zb_found_t *found, uint32_t *queue, uint32_t *sub)
{
    if (found->key_size != ZB_CURSOR_KEY_SIZE)
        return -1;
    *queue = zb_get32 (found->key);
    *sub = zb_get32 (found->key + 4);
    return 0;
}

size_t zb_cursor_row_encode (const zb_cursor_row_t *self, uint8_t value[ZB_CURSOR_ROW_MAX])
{
    zb_put64 (value, self->low);
    zb_put64 (value + 8, self->put);
    zb_put64 (value + 16, self->done);
    zb_put64 (value + 24, self->mark);
    zb_put64 (value + 32, self->behind);
    zb_put64 (value + 40, self->laid);
    return self->laid ? ZB_CURSOR_ROW_MAX : self->mark ? ZB_CURSOR_ROW_LONG : ZB_CURSOR_ROW_SIZE;
}

int zb_cursor_row_decode (zb_cursor_row_t *self, const zb_row_t *row)
{
    if (row->size < ZB_CURSOR_ROW_SIZE)
        return -1;
    self->low = zb_get64 (row->data);
    self->put = zb_get64 (row->data + 8);
    self->done = zb_get64 (row->data + 16);
    bool sub = row->size >= ZB_CURSOR_ROW_LONG;
    self->mark = sub ? zb_get64 (row->data + 24) : 0;
    self->behind = sub ? zb_get64 (row->data + 32) : 0;
    self->laid = row->size >= ZB_CURSOR_ROW_MAX ? zb_get64 (row->data + 40) : 0;
    return self->low && self->done <= self->put && (!sub || self->mark >= self->low) ? 0 : -1;
}

//  Log and acks

void zb_log_key (uint32_t queue, uint64_t last, uint8_t key[ZB_LOG_KEY_SIZE])
{
    zb_put32 (key, queue);
    zb_put64 (key + 4, last);
}

int zb_log_key_decode (const zb_found_t *found, uint32_t queue, uint64_t *last)
{
    if (found->key_size != ZB_LOG_KEY_SIZE || zb_get32 (found->key) != queue)
        return -1;
    *last = zb_get64 (found->key + 4);
    return 0;
}

void zb_acks_key (uint32_t queue, uint64_t last, uint8_t key[ZB_ACKS_KEY_SIZE])
{
    zb_log_key (queue, last, key);
    zb_put32 (key + ZB_LOG_KEY_SIZE, 0);
}

int zb_acks_key_decode (const zb_found_t *found, uint32_t queue, uint64_t *last)
{
    if (found->key_size != ZB_ACKS_KEY_SIZE || zb_get32 (found->key) != queue ||
        zb_get32 (found->key + ZB_LOG_KEY_SIZE) != 0)
        return -1;
    *last = zb_get64 (found->key + 4);
    return 0;
}

size_t zb_journal_key (zb_frame_t queue, uint64_t last, uint8_t key[ZB_KEY_MAX])
{
    assert (queue.size <= ZB_NAME_MAX);
    memset (key, 0, ZB_JOURNAL_PREFIX);
    memcpy (key + ZB_JOURNAL_PREFIX, queue.data, queue.size);
    key[ZB_JOURNAL_PREFIX + queue.size] = 0;
    zb_put64 (key + ZB_JOURNAL_PREFIX + queue.size + 1, last);
    return ZB_JOURNAL_PREFIX + queue.size + 1 + 8;
}

int zb_journal_decode (const zb_found_t *found, zb_frame_t *queue, uint64_t *first, uint64_t *last)
{
    if (found->key_size <= ZB_JOURNAL_PREFIX + 9 || zb_get32 (found->key) || found->row->size < 8)
        return -1;
    *queue = (zb_frame_t){found->key + ZB_JOURNAL_PREFIX, found->key_size - ZB_JOURNAL_PREFIX - 9u};
    *last = zb_get64 (found->key + found->key_size - 8);
    *first = zb_get64 (found->row->data);
    return *first && *first <= *last && !zb_place_check (*queue) ? 0 : -1;
}

size_t zb_log_need (const zb_piece_t *piece, size_t count, size_t bytes)
{
    return ZB_PIECE_HEAD + piece->name.size + piece->properties.size + (piece->part ? ZB_PIECE_PART : 0) + 4 * count +
           bytes;
}

size_t zb_log_head_size (unsigned form)
{
    return form == 2 ? ZB_LOG_HEAD_LONG : ZB_LOG_HEAD;
}

void zb_log_begin (zb_row_t *row, const zb_log_head_t *head)
{
    size_t size = zb_log_head_size (head->form);
    assert (row->room >= size && (head->form == 1 || head->form == 2));
    memset (row->data, 0, size);
    row->data[0] = (uint8_t) head->form;
    zb_put64 (row->data + 8, head->first);
    if (head->form == 2) {
        zb_put64 (row->data + 16, head->time);
        zb_put64 (row->data + 24, head->n);
    }
    row->size = (uint32_t) size;
}

static uint8_t *s_copy (uint8_t *byte, zb_frame_t frame)
{
    if (frame.size)
        memcpy (byte, frame.data, frame.size);
    return byte + frame.size;
}

void zb_log_append (zb_row_t *row, const zb_piece_t *piece, const zb_frame_t *body)
{
    assert (piece->count && piece->name.size <= ZB_NAME_MAX);
    uint64_t first = zb_get64 (row->data + 8);
    assert (piece->first - first <= UINT32_MAX - piece->count);
    uint8_t *byte = row->data + row->size;
    const uint8_t *end = row->data + row->room;
    assert (zb_log_need (piece, piece->count, 0) <= (size_t) (end - byte));
    zb_put32 (byte, (uint32_t) (piece->first - first));
    zb_put32 (byte + 4, piece->count);
    zb_put64 (byte + 8, piece->number);
    zb_put32 (byte + 16, (uint32_t) piece->properties.size);
    zb_put32 (byte + 20, (uint32_t) piece->name.size << 24 | (uint32_t) piece->part << 16);
    byte = s_copy (byte + ZB_PIECE_HEAD, piece->name);
    byte = s_copy (byte, piece->properties);
    if (piece->part) {
        assert (piece->number && piece->count <= piece->total - piece->before);
        zb_put64 (byte, piece->digest);
        zb_put32 (byte + 8, piece->total);
        zb_put32 (byte + 12, piece->before);
        byte += ZB_PIECE_PART;
    }
    for (uint32_t index = 0; index < piece->count; index++, byte += 4)
        zb_put32 (byte, (uint32_t) body[index].size);
    const uint8_t *bodies = byte;
    for (uint32_t index = 0; index < piece->count; index++) {
        assert (body[index].size <= (size_t) (end - byte));
        byte = s_copy (byte, body[index]);
    }
    if (row->data[0] == 2)
        zb_put32 (row->data + 32, zb_get32 (row->data + 32) + (uint32_t) (byte - bodies));
    row->size = (uint32_t) (byte - row->data);
    zb_put32 (row->data + 4, zb_get32 (row->data + 4) + piece->count);
}

void zb_log_number (zb_row_t *row, uint64_t n)
{
    assert (row->size >= ZB_LOG_HEAD_LONG && row->data[0] == 2);
    zb_put64 (row->data + 24, n);
}

void zb_log_take_out (zb_row_t *row, uint64_t epoch)
{
    assert (zb_log_due (row));
    zb_put32 (row->data, 2u << 24 | (uint32_t) (epoch & EPOCH_BITS));
}

bool zb_log_was_laid (const zb_row_t *row, uint64_t epoch)
{
    uint32_t out = zb_get32 (row->data) & EPOCH_BITS;
    uint32_t later = (out - (uint32_t) epoch) & EPOCH_BITS;
    return zb_log_due (row) && out && later && later <= EPOCH_BITS / 2;
}

int zb_log_head (const zb_row_t *row, zb_log_head_t *head)
{
    if (row->size < ZB_LOG_HEAD)
        return -1;
    unsigned form = row->data[0];
    bool out = form == 2 && row->size >= ZB_LOG_HEAD_LONG && zb_get64 (row->data + 24);
    if ((zb_get32 (row->data) != form << 24 && !out) || form < 1 || form > 2 || row->size < zb_log_head_size (form))
        return -1;
    *head = (zb_log_head_t){.form = form, .count = zb_get32 (row->data + 4), .first = zb_get64 (row->data + 8)};
    if (form == 2) {
        head->time = zb_get64 (row->data + 16);
        head->n = zb_get64 (row->data + 24);
        head->bytes = zb_get32 (row->data + 32);
    }
    return head->count && head->first ? 0 : -1;
}

uint32_t zb_log_count (const zb_row_t *row)
{
    return zb_get32 (row->data + 4);
}

uint64_t zb_log_time (const zb_row_t *row)
{
    return row->data[0] == 2 ? zb_get64 (row->data + 16) : 0;
}

uint64_t zb_log_due (const zb_row_t *row)
{
    return row->data[0] == 2 ? zb_get64 (row->data + 24) : 0;
}

int zb_log_next (const zb_row_t *row, size_t *offset, zb_piece_t *piece)
{
    if (*offset == 0)
        *offset = row->size ? zb_log_head_size (row->data[0]) : ZB_LOG_HEAD;
    if (row->size == *offset)
        return 0;
    if (row->size < *offset || row->size - *offset < ZB_PIECE_HEAD)
        return -1;
    const uint8_t *byte = row->data + *offset;
    size_t left = row->size - *offset - ZB_PIECE_HEAD;
    piece->first = zb_get64 (row->data + 8) + zb_get32 (byte);
    piece->count = zb_get32 (byte + 4);
    piece->number = zb_get64 (byte + 8);
    piece->properties.size = zb_get32 (byte + 16);
    piece->name.size = byte[20];
    piece->part = byte[21] == 1;
    if (piece->count == 0 || byte[21] > 1 || byte[22] || byte[23] ||
        (piece->number == 0) != (piece->name.size == 0) || (piece->part && piece->number == 0))
        return -1;
    size_t sizes = piece->name.size + piece->properties.size + (piece->part ? ZB_PIECE_PART : 0);
    if (sizes > left || piece->count > (left - sizes) / 4)
        return -1;
    byte += ZB_PIECE_HEAD;
    piece->name.data = byte;
    piece->properties.data = byte + piece->name.size;
    left -= sizes + (size_t) piece->count * 4;
    byte += sizes;
    piece->digest = piece->part ? zb_get64 (byte - ZB_PIECE_PART) : 0;
    piece->total = piece->part ? zb_get32 (byte - 8) : piece->count;
    piece->before = piece->part ? zb_get32 (byte - 4) : 0;
    if (piece->before > piece->total || piece->count > piece->total - piece->before ||
        piece->first <= piece->before)
        return -1;
    piece->sizes = (uint32_t) (byte - row->data);
    size_t bytes = 0;
    for (uint32_t index = 0; index < piece->count; index++, byte += 4)
        bytes += zb_get32 (byte);
    if (bytes > left)
        return -1;
    piece->bodies = (uint32_t) (byte - row->data);
    *offset = piece->bodies + bytes;
    return 1;
}

//  Producers

void zb_producer_row_encode (const zb_producer_row_t *self, uint8_t value[ZB_PRODUCER_ROW_SIZE])
{
    zb_put64 (value, self->instance);
    zb_put64 (value + 8, self->last);
    zb_put64 (value + 16, self->seen);
}

int zb_producer_row_decode (zb_producer_row_t *self, const zb_row_t *row)
{
    //  The first release may have written a number more.
    if (row->size < ZB_PRODUCER_ROW_SIZE)
        return -1;
    self->instance = zb_get64 (row->data);
    self->last = zb_get64 (row->data + 8);
    self->seen = zb_get64 (row->data + 16);
    return self->last <= INT64_MAX ? 0 : -1;
}

size_t zb_group_key (zb_frame_t name, unsigned group, uint8_t key[ZB_KEY_MAX])
{
    assert (name.size <= ZB_NAME_MAX && group < ZB_GROUPS);
    uint8_t *byte = s_copy (key, name);
    *byte++ = 0;
    *byte++ = (uint8_t) group;
    return (size_t) (byte - key);
}

void zb_slot_encode (const zb_slot_t *slot, uint8_t value[ZB_SLOT_SIZE])
{
    zb_put64 (value, slot->number);
    zb_put64 (value + 8, slot->digest);
    zb_put64 (value + 16, slot->first);
    zb_put32 (value + 24, slot->count);
    zb_put32 (value + 28, slot->queue);
}

void zb_slot_decode (zb_slot_t *slot, const uint8_t value[ZB_SLOT_SIZE])
{
    *slot = (zb_slot_t){zb_get64 (value), zb_get64 (value + 8), zb_get64 (value + 16), zb_get32 (value + 24),
                        zb_get32 (value + 28)};
}

void zb_group_encode (const zb_slot_t slot[ZB_GROUP_SLOTS], uint8_t value[ZB_GROUP_ROW_SIZE])
{
    for (unsigned index = 0; index < ZB_GROUP_SLOTS; index++, value += ZB_SLOT_SIZE)
        zb_slot_encode (&slot[index], value);
}

int zb_group_decode (zb_slot_t slot[ZB_GROUP_SLOTS], unsigned group, const zb_row_t *row)
{
    if (row->size < ZB_GROUP_ROW_SIZE)
        return -1;
    const uint8_t *value = row->data;
    for (unsigned index = 0; index < ZB_GROUP_SLOTS; index++, value += ZB_SLOT_SIZE) {
        zb_slot_decode (&slot[index], value);
        uint64_t number = slot[index].number;
        if (number && (number > INT64_MAX || number % ZB_WINDOW != group * ZB_GROUP_SLOTS + index))
            return -1;
    }
    return 0;
}
