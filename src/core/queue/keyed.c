/*  =========================================================================
    keyed - which message of a key is one consumer's: mode=key

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/queue/keyed.h"
#include "core/wire/wire.h"

//  One key.
typedef struct {
    zb_entry_t by_key;
    zb_entry_t by_id;
    zb_ring_t freed;
    uint8_t hash[crypto_shorthash_BYTES];
    uint64_t id; //  the message that is leased; or the one that may be next, if it is in the map
    bool busy;   //  it is leased
    size_t from; //  ids that are noted: from this one on
    size_t size;
    size_t room;
    uint64_t *noted;
} s_key_t;

//  What one takes, with its places in the maps.
#define KEY_BYTES (sizeof (s_key_t) + 4 * sizeof (void *))

_Static_assert(ZB_MAP_KEY_SIZE == crypto_shorthash_KEYBYTES, "a map's key is one");

zb_keyed_t *zb_keyed_new (const uint8_t secret[ZB_MAP_KEY_SIZE])
{
    zb_keyed_t *self = (zb_keyed_t *) calloc (1, sizeof (zb_keyed_t));
    assert (self);
    zb_map_init (&self->by_key, secret);
    zb_map_init (&self->by_id, secret);
    zb_ring_init (&self->freed);
    zb_ring_init (&self->blocked.mine);
    zb_ring_init (&self->blocked.lent);
    self->blocked.bare = true;
    self->blocked.sum = &self->count;
    //  It lives as long as this.
    self->blocked.left = 1;
    return self;
}

void zb_keyed_destroy (zb_keyed_t **self_p)
{
    zb_keyed_t *self = *self_p;
    if (self) {
        assert (self->blocked.left == 1 && self->count == 0);
        zb_keyed_clear (self);
        zb_map_clear (&self->by_key);
        zb_map_clear (&self->by_id);
        free (self);
        *self_p = NULL;
    }
}

zb_frame_t zb_keyed_of (zb_frame_t properties)
{
    size_t cursor = 0;
    zb_frame_t name, value;
    while (zb_lines_next (properties, &cursor, &name, &value))
        if (zb_frame_is (name, "key"))
            return value;
    return (zb_frame_t){NULL, 0};
}

//  Finds a key.
static s_key_t *s_find (const zb_keyed_t *self, zb_frame_t key, uint8_t hash[crypto_shorthash_BYTES])
{
    crypto_shorthash (hash, (const uint8_t *) key.data, key.size, self->by_key.key);
    zb_entry_t *entry = zb_map_find (&self->by_key, (zb_frame_t){hash, crypto_shorthash_BYTES});
    return entry ? ZB_ITEM (entry, s_key_t, by_key) : NULL;
}

static s_key_t *s_find_id (const zb_keyed_t *self, uint64_t id)
{
    zb_entry_t *entry = zb_map_find (&self->by_id, (zb_frame_t){&id, sizeof id});
    return entry ? ZB_ITEM (entry, s_key_t, by_id) : NULL;
}

static void s_name (zb_keyed_t *self, s_key_t *key, uint64_t id)
{
    zb_map_remove (&self->by_id, &key->by_id);
    key->id = id;
    zb_map_add (&self->by_id, &key->by_id, (zb_frame_t){&key->id, sizeof key->id});
}

static void s_remove (zb_keyed_t *self, s_key_t *key)
{
    zb_map_remove (&self->by_key, &key->by_key);
    zb_map_remove (&self->by_id, &key->by_id);
    zb_ring_remove (&key->freed);
    self->bytes -= KEY_BYTES + key->room * sizeof *key->noted;
    free (key->noted);
    free (key);
}

//  Where this id is, or would be, among those noted.
static size_t s_place (const s_key_t *key, uint64_t id)
{
    size_t low = key->from, high = key->size;
    //  Mostly it is the last one.
    if (low < high && key->noted[high - 1] < id)
        return high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (key->noted[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void s_note (zb_keyed_t *self, s_key_t *key, uint64_t id)
{
    size_t place = s_place (key, id);
    if (place < key->size && key->noted[place] == id)
        return;
    //  What is gone in front makes room, when that is half of it.
    if (key->size == key->room && key->from > key->size / 2) {
        memmove (key->noted, key->noted + key->from, (key->size - key->from) * sizeof *key->noted);
        place -= key->from;
        key->size -= key->from;
        key->from = 0;
    }
    if (key->size == key->room) {
        self->bytes += (key->room ? key->room : 4) * sizeof *key->noted;
        key->room = key->room ? key->room * 2 : 4;
        key->noted = (uint64_t *) realloc (key->noted, key->room * sizeof *key->noted);
        assert (key->noted);
    }
    memmove (key->noted + place + 1, key->noted + place, (key->size - place) * sizeof *key->noted);
    key->noted[place] = id;
    key->size++;
}

bool zb_keyed_may (zb_keyed_t *self, zb_frame_t properties, uint64_t id)
{
    zb_frame_t text = zb_keyed_of (properties);
    uint8_t hash[crypto_shorthash_BYTES];
    s_key_t *key = text.size ? s_find (self, text, hash) : NULL;
    if (!key || !key->busy)
        return true;
    assert (key->id != id);
    s_note (self, key, id);
    return false;
}

void zb_keyed_lend (zb_keyed_t *self, zb_frame_t properties, uint64_t id)
{
    zb_frame_t text = zb_keyed_of (properties);
    uint8_t hash[crypto_shorthash_BYTES];
    s_key_t *key = text.size ? s_find (self, text, hash) : NULL;
    //  Another one that is nobody's may be leased as well: what seems to have expired is not asked for its key.
    if (text.size == 0 || (key && key->busy))
        return;
    if (!key) {
        key = (s_key_t *) calloc (1, sizeof (s_key_t));
        assert (key);
        zb_ring_init (&key->freed);
        self->bytes += KEY_BYTES;
        memcpy (key->hash, hash, sizeof hash);
        zb_map_add (&self->by_key, &key->by_key, (zb_frame_t){key->hash, sizeof key->hash});
    }
    zb_ring_remove (&key->freed);
    s_name (self, key, id);
    key->busy = true;
}

void zb_keyed_free (zb_keyed_t *self, uint64_t id)
{
    s_key_t *key = s_find_id (self, id);
    if (!key)
        return;
    key->busy = false;
    if (key->from == key->size)
        s_remove (self, key);
    else if (zb_ring_empty (&key->freed))
        zb_ring_append (&self->freed, &key->freed);
}

void zb_keyed_drop (zb_keyed_t *self, zb_frame_t properties, uint64_t id)
{
    uint8_t hash[crypto_shorthash_BYTES];
    s_key_t *key = s_find (self, zb_keyed_of (properties), hash);
    if (key && key->from < key->size && key->noted[key->from] == id)
        key->from++;
}

bool zb_keyed_next (zb_keyed_t *self, uint64_t *id)
{
    while (!zb_ring_empty (&self->freed)) {
        s_key_t *key = ZB_ITEM (self->freed.next, s_key_t, freed);
        if (key->from < key->size) {
            *id = key->noted[key->from++];
            return true;
        }
        s_remove (self, key);
    }
    return false;
}

void zb_keyed_ready (zb_keyed_t *self, uint64_t id)
{
    s_key_t *key = ZB_ITEM (self->freed.next, s_key_t, freed);
    zb_ring_remove (&key->freed);
    if (key->from == key->size)
        s_remove (self, key);
    else
        s_name (self, key, id);
}

void zb_keyed_forget (zb_keyed_t *self, uint64_t last)
{
    s_key_t *key = ZB_ITEM (self->freed.next, s_key_t, freed);
    if (key->from < key->size && key->noted[key->from] > last)
        key->from = key->size;
}

void zb_keyed_clear (zb_keyed_t *self)
{
    for (size_t bucket = 0; bucket < self->by_key.buckets; bucket++)
        while (self->by_key.bucket[bucket])
            s_remove (self, ZB_ITEM (self->by_key.bucket[bucket], s_key_t, by_key));
}
