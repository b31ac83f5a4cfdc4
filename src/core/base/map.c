/*  =========================================================================
    map - items by name, in a hash table whose entries lie in the items

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/map.h"

_Static_assert(ZB_MAP_KEY_SIZE == crypto_shorthash_KEYBYTES, "the hash's key");

void zb_map_init (zb_map_t *self, const uint8_t key[ZB_MAP_KEY_SIZE])
{
    memset (self, 0, sizeof *self);
    memcpy (self->key, key, ZB_MAP_KEY_SIZE);
}

void zb_map_clear (zb_map_t *self)
{
    free (self->bucket);
    self->bucket = NULL;
    self->buckets = self->count = 0;
}

static uint64_t s_hash (const zb_map_t *self, zb_frame_t key)
{
    uint64_t hash = 0;
    crypto_shorthash ((uint8_t *) &hash, (const uint8_t *) key.data, key.size, self->key);
    return hash;
}

zb_entry_t *zb_map_find (const zb_map_t *self, zb_frame_t key)
{
    if (self->count == 0)
        return NULL;
    uint64_t hash = s_hash (self, key);
    zb_entry_t *entry = self->bucket[hash & (self->buckets - 1)];
    while (entry && (entry->hash != hash || !zb_frame_eq (entry->key, key)))
        entry = entry->next;
    return entry;
}

//  Doubles the table, so that a bucket holds one entry on average.
static void s_grow (zb_map_t *self)
{
    size_t buckets = self->buckets ? self->buckets * 2 : 16;
    zb_entry_t **bucket = (zb_entry_t **) calloc (buckets, sizeof (zb_entry_t *));
    assert (bucket);
    for (size_t index = 0; index < self->buckets; index++)
        while (self->bucket[index]) {
            zb_entry_t *entry = self->bucket[index];
            self->bucket[index] = entry->next;
            zb_entry_t **place = &bucket[entry->hash & (buckets - 1)];
            entry->next = *place;
            *place = entry;
        }
    free (self->bucket);
    self->bucket = bucket;
    self->buckets = buckets;
}

void zb_map_add (zb_map_t *self, zb_entry_t *entry, zb_frame_t key)
{
    assert (!entry->in);
    if (self->count == self->buckets)
        s_grow (self);
    entry->key = key;
    entry->hash = s_hash (self, key);
    entry->in = true;
    zb_entry_t **place = &self->bucket[entry->hash & (self->buckets - 1)];
    entry->next = *place;
    *place = entry;
    self->count++;
}

void zb_map_remove (zb_map_t *self, zb_entry_t *entry)
{
    if (!entry->in)
        return;
    zb_entry_t **place = &self->bucket[entry->hash & (self->buckets - 1)];
    while (*place != entry)
        place = &(*place)->next;
    *place = entry->next;
    entry->next = NULL;
    entry->in = false;
    self->count--;
}
