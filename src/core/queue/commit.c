/*  =========================================================================
    commit - what is written together, and what waits until it is durable

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/queue/commit.h"
#include "core/queue/topic.h"

zb_commit_t *zb_commit_new (uint64_t number, uint64_t epoch)
{
    zb_commit_t *self = (zb_commit_t *) calloc (1, sizeof (zb_commit_t));
    assert (self);
    zb_ring_init (&self->ring);
    zb_ring_init (&self->replies);
    zb_ring_init (&self->gets);
    zb_ring_init (&self->rows);
    self->number = number;
    self->epoch = epoch;
    self->batch = zb_batch_new ();
    return self;
}

void zb_commit_destroy (zb_commit_t **self_p)
{
    assert (self_p);
    zb_commit_t *self = *self_p;
    if (self) {
        assert (zb_ring_empty (&self->ring) && zb_ring_empty (&self->replies) && zb_ring_empty (&self->gets) &&
                zb_ring_empty (&self->rows));
        zb_batch_destroy (&self->batch);
        zb_row_unref (&self->notes);
        free (self);
        *self_p = NULL;
    }
}

void zb_commit_queue (zb_commit_t *self, zb_frame_t name, const zb_queue_row_t *row)
{
    uint8_t value[ZB_QUEUE_ROW_MAX > ZB_TOPIC_ROW_MAX ? ZB_QUEUE_ROW_MAX : ZB_TOPIC_ROW_MAX];
    size_t size = row->kind == ZB_KIND_QUEUE ? zb_queue_row_encode (row, value) : zb_topic_row_encode (row, value);
    zb_batch_put (self->batch, ZB_QUEUES, name.data, name.size, value, size);
}

void zb_commit_delete_queue (zb_commit_t *self, zb_frame_t name, const zb_queue_row_t *row)
{
    uint8_t key[ZB_CURSOR_KEY_SIZE];
    bool sub = row->kind == ZB_KIND_SUB;
    zb_cursor_key (sub ? row->topic : row->id, sub ? row->id : 0, key);
    zb_batch_erase (self->batch, ZB_CURSORS, key, sizeof key);
    zb_batch_erase (self->batch, ZB_QUEUES, name.data, name.size);
}

void zb_commit_queues (zb_commit_t *self, uint32_t highest, uint32_t count)
{
    uint8_t value[ZB_META_QUEUES_SIZE];
    zb_put32 (value, highest);
    zb_put32 (value + 4, count);
    zb_commit_meta (self, ZB_META_QUEUES, value, sizeof value);
}

void zb_commit_bury (zb_commit_t *self, uint32_t queue, uint64_t mark)
{
    uint8_t key[ZB_TOMB_KEY_SIZE], value[8];
    zb_tomb_key (queue, key);
    zb_put64 (value, mark);
    zb_batch_put (self->batch, ZB_QUEUES, key, sizeof key, value, sizeof value);
}

void zb_commit_buried (zb_commit_t *self, uint32_t queue)
{
    uint8_t key[ZB_TOMB_KEY_SIZE];
    zb_tomb_key (queue, key);
    zb_batch_erase (self->batch, ZB_QUEUES, key, sizeof key);
}

void zb_commit_forget (zb_commit_t *self, zb_frame_t producer)
{
    uint8_t key[ZB_KEY_MAX];
    zb_batch_erase (self->batch, ZB_PRODUCERS, producer.data, producer.size);
    for (unsigned group = 0; group < ZB_GROUPS; group++) {
        size_t size = zb_group_key (producer, group, key);
        zb_batch_erase (self->batch, ZB_PRODUCERS, key, size);
    }
}

void zb_commit_erase (zb_commit_t *self, zb_table_t table, const zb_found_t *found)
{
    zb_batch_erase (self->batch, table, found->key, found->key_size);
}

void zb_commit_meta (zb_commit_t *self, const char *key, const void *value, size_t size)
{
    if (value)
        zb_batch_put (self->batch, ZB_META, key, strlen (key), value, size);
    else
        zb_batch_erase (self->batch, ZB_META, key, strlen (key));
}

static void s_meta_number (zb_commit_t *self, const char *key, uint64_t number)
{
    uint8_t value[8];
    zb_put64 (value, number);
    zb_commit_meta (self, key, value, sizeof value);
}

void zb_commit_uptime (zb_commit_t *self, uint64_t uptime)
{
    s_meta_number (self, ZB_META_UPTIME, uptime);
}

void zb_commit_time (zb_commit_t *self, uint64_t time)
{
    s_meta_number (self, ZB_META_TIME, time);
}

void zb_commit_producers (zb_commit_t *self, uint64_t count)
{
    s_meta_number (self, ZB_META_PRODUCERS, count);
}

void zb_commit_journal (zb_commit_t *self, zb_frame_t queue, uint64_t first, uint64_t last)
{
    uint8_t key[ZB_KEY_MAX], value[8];
    size_t size = zb_journal_key (queue, last, key);
    zb_put64 (value, first);
    zb_batch_put (self->batch, ZB_ACKS, key, size, value, sizeof value);
}

//  A note: first u64, last u64, size of the name u8, name.
#define NOTE_HEAD 17

void zb_commit_note (zb_commit_t *self, zb_frame_t queue, uint64_t first, uint64_t last)
{
    size_t need = NOTE_HEAD + queue.size;
    zb_row_t *old = self->notes;
    if (!old || old->room - old->size < need) {
        self->notes = zb_row_new (old ? 2 * (size_t) old->room + need : 256 + need);
        if (old) {
            memcpy (self->notes->data, old->data, old->size);
            self->notes->size = old->size;
            zb_row_unref (&old);
        }
    }
    uint8_t *byte = self->notes->data + self->notes->size;
    zb_put64 (byte, first);
    zb_put64 (byte + 8, last);
    byte[16] = (uint8_t) queue.size;
    memcpy (byte + NOTE_HEAD, queue.data, queue.size);
    self->notes->size += (uint32_t) need;
}

void zb_commit_tell (zb_commit_t *self, zb_commit_t *next)
{
    for (uint32_t at = 0; self->notes && at < self->notes->size;) {
        const uint8_t *byte = self->notes->data + at;
        zb_commit_journal (next, (zb_frame_t){byte + NOTE_HEAD, byte[16]}, zb_get64 (byte), zb_get64 (byte + 8));
        at += NOTE_HEAD + byte[16];
    }
    zb_row_unref (&self->notes);
}

void zb_commit_close (zb_commit_t *self, uint64_t newest)
{
    uint8_t value[ZB_META_COMMIT_SIZE];
    zb_put64 (value, self->number);
    zb_put64 (value + 8, newest);
    zb_commit_meta (self, ZB_META_COMMIT, value, sizeof value);
    zb_batch_set_commit (self->batch, self->number);
    self->last_id = newest;
}
