/*  =========================================================================
    lane - messages of a queue that are not due yet

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/queue/lane.h"

enum { BY_DUE = 1, BY_ID = 2 };
#define INDEX_VALUE 12

static uint8_t *s_prefix (uint8_t *key, uint8_t which, uint32_t queue)
{
    zb_put32 (key, 0);
    key[4] = which;
    zb_put32 (key + 5, queue);
    return key + ZB_LANE_PREFIX;
}

void zb_lane_key (uint32_t queue, uint64_t due, uint64_t id, uint8_t key[ZB_LANE_KEY_SIZE])
{
    uint8_t *byte = s_prefix (key, BY_DUE, queue);
    zb_put64 (byte, due);
    zb_put64 (byte + 8, id);
}

void zb_lane_index_key (uint32_t queue, uint64_t id, uint8_t key[ZB_LANE_INDEX_SIZE])
{
    zb_put64 (s_prefix (key, BY_ID, queue), id);
}

static bool s_is_of (const zb_found_t *found, uint8_t which, uint32_t queue, size_t size)
{
    uint8_t prefix[ZB_LANE_PREFIX];
    s_prefix (prefix, which, queue);
    return found->key_size == size && memcmp (found->key, prefix, sizeof prefix) == 0;
}

int zb_lane_decode (const zb_found_t *found, uint32_t queue, uint64_t *due, uint64_t *id)
{
    zb_log_head_t head;
    if (!s_is_of (found, BY_DUE, queue, ZB_LANE_KEY_SIZE) || zb_log_head (found->row, &head))
        return -1;
    *due = zb_get64 (found->key + ZB_LANE_PREFIX);
    *id = zb_get64 (found->key + ZB_LANE_PREFIX + 8);
    return head.count == 1 && head.first == *id && head.n == *due && *due && *due != ZB_LANE_NEVER ? 0 : -1;
}

int zb_lane_index_decode (const zb_found_t *found, uint32_t queue, uint64_t *due, uint64_t *id, uint32_t *bytes)
{
    if (!s_is_of (found, BY_ID, queue, ZB_LANE_INDEX_SIZE) || found->row->size < INDEX_VALUE)
        return -1;
    *id = zb_get64 (found->key + ZB_LANE_PREFIX);
    *due = zb_get64 (found->row->data);
    *bytes = zb_get32 (found->row->data + 8);
    return *id && *due && *due != ZB_LANE_NEVER ? 0 : -1;
}

uint32_t zb_lane_bytes (const zb_row_t *row)
{
    size_t offset = 0;
    zb_piece_t piece;
    int more = zb_log_next (row, &offset, &piece);
    assert (more == 1 && piece.count == 1);
    return (uint32_t) (zb_get32 (row->data + piece.sizes) + piece.properties.size);
}

void zb_lane_put (zb_batch_t *batch, uint32_t queue, uint64_t due, uint64_t id, zb_row_t *row)
{
    uint8_t key[ZB_LANE_KEY_SIZE], value[INDEX_VALUE];
    zb_lane_key (queue, due, id, key);
    zb_batch_put_row (batch, ZB_LOG, key, ZB_LANE_KEY_SIZE, row);
    zb_lane_index_key (queue, id, key);
    zb_put64 (value, due);
    zb_put32 (value + 8, zb_lane_bytes (row));
    zb_batch_put (batch, ZB_LOG, key, ZB_LANE_INDEX_SIZE, value, sizeof value);
}

void zb_lane_erase (zb_batch_t *batch, uint32_t queue, uint64_t due, uint64_t id)
{
    uint8_t key[ZB_LANE_KEY_SIZE];
    zb_lane_key (queue, due, id, key);
    zb_batch_erase (batch, ZB_LOG, key, ZB_LANE_KEY_SIZE);
    zb_lane_index_key (queue, id, key);
    zb_batch_erase (batch, ZB_LOG, key, ZB_LANE_INDEX_SIZE);
}

//  ---------------------------------------------------------------------------
//  What memory knows

void zb_lane_shown (zb_lane_t *self, uint64_t due, uint64_t id)
{
    if (id > self->shown)
        self->shown = id;
    if (self->known && due < self->head)
        self->head = due;
    zb_lane_back (self, due, id);
}

void zb_lane_back (zb_lane_t *self, uint64_t due, uint64_t id)
{
    if (due > self->from_due || (due == self->from_due && id > self->from_id))
        return;
    self->from_due = due;
    self->from_id = id;
}

void zb_lane_take (zb_lane_t *self, uint64_t id, uint64_t commit, bool inserted)
{
    if (self->gones == self->gones_room) {
        self->gones_room = self->gones_room ? 2 * self->gones_room : 16;
        self->gone = (zb_lane_gone_t *) realloc (self->gone, self->gones_room * sizeof *self->gone);
        assert (self->gone);
    }
    self->gone[self->gones++] = (zb_lane_gone_t){id, commit, inserted};
}

zb_lane_gone_t *zb_lane_taken (const zb_lane_t *self, uint64_t id)
{
    for (size_t index = 0; index < self->gones; index++)
        if (self->gone[index].id == id)
            return &self->gone[index];
    return NULL;
}

void zb_lane_tidy (zb_lane_t *self, uint64_t commit)
{
    size_t left = 0;
    for (size_t index = 0; index < self->gones; index++)
        if (self->gone[index].commit > commit)
            self->gone[left++] = self->gone[index];
    self->gones = left;
}

void zb_lane_clear (zb_lane_t *self)
{
    assert (self->timer.place == 0 && !self->load);
    free (self->gone);
    *self = (zb_lane_t){.known = false};
}
