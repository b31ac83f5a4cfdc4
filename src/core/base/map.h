/*  =========================================================================
    map - items by name, in a hash table whose entries lie in the items

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Names come from clients.  The hash is SipHash with a key that they don't know,
    so that nobody can send names that all fall into one bucket.
*/

#ifndef ZB_MAP_H_INCLUDED
#define ZB_MAP_H_INCLUDED

#include "core/base/frame.h"

#define ZB_MAP_KEY_SIZE 16

//  Part of an item; all zero while the item is in no map.
typedef struct zb_entry {
    struct zb_entry *next;
    uint64_t hash;
    zb_frame_t key; //  borrowed from the item
    bool in;
} zb_entry_t;

typedef struct {
    zb_entry_t **bucket;
    size_t buckets; //  a power of two
    size_t count;
    uint8_t key[ZB_MAP_KEY_SIZE];
} zb_map_t;

void zb_map_init (zb_map_t *self, const uint8_t key[ZB_MAP_KEY_SIZE]);
//  Frees the table; the items are not touched.
void zb_map_clear (zb_map_t *self);
//  The entry with this key; NULL if there is none.
zb_entry_t *zb_map_find (const zb_map_t *self, zb_frame_t key);
//  Adds an entry under a key that is in the map no more than once and stays where it is.
void zb_map_add (zb_map_t *self, zb_entry_t *entry, zb_frame_t key);
//  Removes the entry; it may be in no map.
void zb_map_remove (zb_map_t *self, zb_entry_t *entry);

#endif
