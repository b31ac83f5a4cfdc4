/*  =========================================================================
    dedupe - the message-ids of a queue's newest PUTs

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/queue/dedupe.h"

#define ROW_SIZE (ZB_DEDUPE_HASH + 20)

zb_dedupe_t *zb_dedupe_new (const uint8_t key[ZB_MAP_KEY_SIZE])
{
    zb_dedupe_t *self = (zb_dedupe_t *) calloc (1, sizeof (zb_dedupe_t));
    assert (self);
    zb_map_init (&self->map, key);
    zb_ring_init (&self->ring);
    return self;
}

void zb_dedupe_destroy (zb_dedupe_t **self_p)
{
    zb_dedupe_t *self = *self_p;
    if (self) {
        assert (!self->load);
        for (zb_ring_t *link = zb_ring_pop (&self->ring); link; link = zb_ring_pop (&self->ring)) {
            zb_seen_t *seen = ZB_ITEM (link, zb_seen_t, ring);
            zb_map_remove (&self->map, &seen->entry);
            free (seen);
        }
        zb_map_clear (&self->map);
        free (self);
        *self_p = NULL;
    }
}

void zb_dedupe_key (uint32_t queue, uint64_t first, uint8_t key[ZB_DEDUPE_KEY_SIZE])
{
    zb_put32 (key, 0);
    key[4] = ZB_DEDUPE_MARK;
    zb_put32 (key + 5, queue);
    zb_put64 (key + ZB_DEDUPE_PREFIX, first);
}

static zb_seen_t *s_add (zb_dedupe_t *self, const zb_seen_t *from)
{
    zb_seen_t *seen = (zb_seen_t *) calloc (1, sizeof (zb_seen_t));
    assert (seen);
    *seen = *from;
    seen->entry = (zb_entry_t){.in = false};
    zb_ring_init (&seen->ring);
    zb_ring_append (&self->ring, &seen->ring);
    zb_map_add (&self->map, &seen->entry, (zb_frame_t){seen->hash, sizeof seen->hash});
    return seen;
}

int zb_dedupe_take (zb_dedupe_t *self, uint32_t queue, const zb_found_t *found)
{
    uint8_t key[ZB_DEDUPE_KEY_SIZE];
    zb_dedupe_key (queue, 0, key);
    if (found->key_size != sizeof key || memcmp (found->key, key, ZB_DEDUPE_PREFIX) || found->row->size < ROW_SIZE)
        return -1;
    const uint8_t *value = found->row->data;
    zb_seen_t seen = {.first = zb_get64 (found->key + ZB_DEDUPE_PREFIX),
                      .time = zb_get64 (value + ZB_DEDUPE_HASH),
                      .count = zb_get32 (value + ZB_DEDUPE_HASH + 8),
                      .digest = zb_get64 (value + ZB_DEDUPE_HASH + 12)};
    memcpy (seen.hash, value, ZB_DEDUPE_HASH);
    if (seen.first == 0 || seen.count == 0 || zb_dedupe_find (self, seen.hash))
        return -1;
    s_add (self, &seen);
    return 0;
}

const char *zb_dedupe_read (zb_frame_t *id, zb_frame_t properties)
{
    size_t cursor = 0;
    zb_frame_t name, value;
    *id = (zb_frame_t){NULL, 0};
    while (zb_lines_next (properties, &cursor, &name, &value)) {
        if (!zb_frame_is (name, "message-id"))
            continue;
        if (id->size)
            return "message-id: there are two of them";
        if (value.size == 0)
            return "message-id: empty";
        *id = value;
    }
    return NULL;
}

void zb_dedupe_hash (zb_frame_t id, uint8_t hash[ZB_DEDUPE_HASH])
{
    crypto_generichash (hash, ZB_DEDUPE_HASH, (const uint8_t *) id.data, id.size, NULL, 0);
}

zb_seen_t *zb_dedupe_find (const zb_dedupe_t *self, const uint8_t hash[ZB_DEDUPE_HASH])
{
    zb_entry_t *entry = zb_map_find (&self->map, (zb_frame_t){hash, ZB_DEDUPE_HASH});
    return entry ? ZB_ITEM (entry, zb_seen_t, entry) : NULL;
}

static void s_write (uint32_t queue, const zb_seen_t *seen, zb_batch_t *batch)
{
    uint8_t key[ZB_DEDUPE_KEY_SIZE], value[ROW_SIZE];
    zb_dedupe_key (queue, seen->first, key);
    memcpy (value, seen->hash, ZB_DEDUPE_HASH);
    zb_put64 (value + ZB_DEDUPE_HASH, seen->time);
    zb_put32 (value + ZB_DEDUPE_HASH + 8, seen->count);
    zb_put64 (value + ZB_DEDUPE_HASH + 12, seen->digest);
    zb_batch_put (batch, ZB_LOG, key, sizeof key, value, sizeof value);
}

void zb_dedupe_add (zb_dedupe_t *self, uint32_t queue, const zb_seen_t *from, zb_batch_t *batch)
{
    s_write (queue, s_add (self, from), batch);
}

void zb_dedupe_extend (zb_dedupe_t *self, uint32_t queue, zb_seen_t *seen, uint32_t count, zb_batch_t *batch)
{
    assert (zb_dedupe_find (self, seen->hash) == seen);
    seen->count += count;
    s_write (queue, seen, batch);
}

void zb_dedupe_drop (zb_dedupe_t *self, uint32_t queue, zb_seen_t *seen, zb_batch_t *batch)
{
    uint8_t key[ZB_DEDUPE_KEY_SIZE];
    zb_dedupe_key (queue, seen->first, key);
    zb_batch_erase (batch, ZB_LOG, key, sizeof key);
    zb_map_remove (&self->map, &seen->entry);
    zb_ring_remove (&seen->ring);
    free (seen);
}

zb_seen_t *zb_dedupe_oldest (const zb_dedupe_t *self)
{
    return zb_ring_empty (&self->ring) ? NULL : ZB_ITEM (self->ring.next, zb_seen_t, ring);
}
