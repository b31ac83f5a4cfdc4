/*  =========================================================================
    producer - a name's numbers: what comes next, and what has been before

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A producer numbers its PUTs 1, 2, 3, ...; the last ZB_WINDOW of them are kept
    with a digest of what they carried.  So a PUT that is sent again is known for
    what it is: the same one (answer it as before), another one under a used number
    (refuse it), too old to tell (refuse it), or ahead of its time (refuse it).

    A name is in memory as soon as somebody says it, and in the store with its first PUT.
*/

#ifndef ZB_PRODUCER_H_INCLUDED
#define ZB_PRODUCER_H_INCLUDED

#include "core/base/map.h"
#include "core/base/ring.h"
#include "core/queue/commit.h"
#include "core/queue/rows.h"
#include "core/wire/request.h"

typedef struct zb_producer {
    zb_entry_t entry;  //  in the engine's map of names
    zb_ring_t idle;    //  on the engine's ring, least recently used first
    zb_ring_t touched; //  on the ring of those whose rows the next batch writes
    zb_frame_t name;
    bool kept;            //  the store has its row, or the next batch
    uint64_t instance;    //  that has the name; 0 = none yet
    uint64_t last;        //  number of the newest PUT
    uint64_t seen;        //  uptime of the newest one, roughly
    uint64_t commit;      //  the newest commit that writes its rows
    unsigned inflight;    //  PUTs that are not answered yet
    bool dirty;           //  the row of the name is to be written
    uint8_t dirty_groups; //  a bit for each group that is to be written
    zb_slot_t *group[ZB_GROUPS];
    char text[];
} zb_producer_t;

//  A name that is not known yet.
zb_producer_t *zb_producer_new (zb_frame_t name);
//  The producer must be in no map and on no ring.
void zb_producer_destroy (zb_producer_t **self_p);
//  Takes what a read found: the row of the name, or NULL, and the rows of its groups.  -1 if one is malformed.
int zb_producer_load (zb_producer_t *self, const zb_row_t *row, const zb_found_t *group, size_t groups);

typedef enum {
    ZB_PUT_NEXT,  //  the number that is expected
    ZB_PUT_AGAIN, //  stored already, the same digest
    ZB_PUT_OTHER, //  stored already, another digest
    ZB_PUT_PAST,  //  older than what is kept
    ZB_PUT_GAP    //  beyond the number that is expected
} zb_put_t;

//  What the number means.
zb_put_t zb_producer_check (const zb_producer_t *self, uint64_t number, uint64_t digest);
//  The slot of a number that zb_producer_check called ZB_PUT_AGAIN.
const zb_slot_t *zb_producer_slot (const zb_producer_t *self, uint64_t number);
//  This instance has the name from now on, unless a newer one has it; returns whether anything has changed.
bool zb_producer_own (zb_producer_t *self, uint64_t instance);
//  Keeps the next PUT; slot->number must be the one that is expected.
void zb_producer_keep (zb_producer_t *self, const zb_slot_t *slot);
//  Takes over a PUT that was kept elsewhere under this name: its number may be any.  What is kept here stands.
void zb_producer_merge (zb_producer_t *self, const zb_slot_t *slot);
//  The same for one of which others below it may be missing yet: these are expected as before.
void zb_producer_learn (zb_producer_t *self, const zb_slot_t *slot);
//  Writes what has changed into the commit.
void zb_producer_write (zb_producer_t *self, zb_commit_t *commit);

//  Digest of what a PUT carries, chained over its queue, properties, sizes and bodies.
uint64_t zb_put_digest (const zb_request_t *request, const uint8_t key[ZB_MAP_KEY_SIZE]);

#endif
