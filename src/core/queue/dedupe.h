/*  =========================================================================
    dedupe - the message-ids of a queue's newest PUTs

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A queue with the option dedupe remembers which PUTs it has stored, by the property message-id: a
    second one of the same is not stored. Each has a row, written in the commit of its messages and erased
    when it is too old, or there are too many newer ones; so the window is the same for who leads next.
    In memory it is a whole, or nothing: it is read when the first such PUT comes.
*/

#ifndef ZB_DEDUPE_H_INCLUDED
#define ZB_DEDUPE_H_INCLUDED

#include "core/base/map.h"
#include "core/base/ring.h"
#include "core/queue/rows.h"

#define ZB_DEDUPE_PUTS 10000 //  of one queue, the newest

//  Rows, in the table log, from level 4 on: u32 0, u8 4, queue id u32, first message id u64 ->
//  hash of the message-id (16 bytes), pair time u64, messages u32, digest of the PUT as it is stored u64.
#define ZB_DEDUPE_KEY_SIZE 17 //  as that of the index of a lane, which has another u8
#define ZB_DEDUPE_PREFIX 9    //  bytes that all keys of a queue have in common
#define ZB_DEDUPE_HASH 16
#define ZB_DEDUPE_MARK 4 //  1 and 2 are the lanes' (core/queue/lane.c), 3 the ranks' (core/queue/rank.c)

//  A PUT.
typedef struct {
    zb_entry_t entry; //  by its hash,
    zb_ring_t ring;   //  and in the order in which they came
    uint8_t hash[ZB_DEDUPE_HASH];
    uint64_t first;
    uint32_t count;
    uint64_t time;   //  the pair's, when it was stored
    uint64_t digest; //  of what is stored of it
    uint64_t commit; //  in which it was; 0 = before this lead, or before it was read
    uint64_t twin;   //  first message of the same PUT at the loser of a split; 0 = none was brought in this lead
} zb_seen_t;

typedef struct {
    zb_map_t map;
    zb_ring_t ring;
    bool known;           //  all of it was read
    uint64_t commit;      //  the newest one that writes rows of it
    struct zb_load *load; //  by which it is being read
} zb_dedupe_t;

zb_dedupe_t *zb_dedupe_new (const uint8_t key[ZB_MAP_KEY_SIZE]);
//  No load is under way.
void zb_dedupe_destroy (zb_dedupe_t **self_p);
//  The key of the first row, or of the one of this message.
void zb_dedupe_key (uint32_t queue, uint64_t first, uint8_t key[ZB_DEDUPE_KEY_SIZE]);
//  Takes a row that was found; -1 if it is malformed.
int zb_dedupe_take (zb_dedupe_t *self, uint32_t queue, const zb_found_t *found);

//  Reads the property message-id: no bytes if there is none.  Returns NULL, or what is wrong with it.
const char *zb_dedupe_read (zb_frame_t *id, zb_frame_t properties);
//  The hash of a message-id.
void zb_dedupe_hash (zb_frame_t id, uint8_t hash[ZB_DEDUPE_HASH]);
//  The PUT of this message-id; NULL if there is none.
zb_seen_t *zb_dedupe_find (const zb_dedupe_t *self, const uint8_t hash[ZB_DEDUPE_HASH]);
//  Adds one, of which there is none, and writes its row.
void zb_dedupe_add (zb_dedupe_t *self, uint32_t queue, const zb_seen_t *seen, zb_batch_t *batch);
//  One has so many messages more behind those that are known of it.
void zb_dedupe_extend (zb_dedupe_t *self, uint32_t queue, zb_seen_t *seen, uint32_t count, zb_batch_t *batch);
//  Forgets one, and erases its row.
void zb_dedupe_drop (zb_dedupe_t *self, uint32_t queue, zb_seen_t *seen, zb_batch_t *batch);
//  The one that came first; NULL if there is none.
zb_seen_t *zb_dedupe_oldest (const zb_dedupe_t *self);

#endif
