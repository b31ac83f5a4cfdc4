/*  =========================================================================
    page - one row of the log in memory, with the state of its messages

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A message is ready (to be delivered), leased (delivered, and nobody else's until
    the lease ends) or done (acknowledged; it is never shown again).
*/

#ifndef ZB_PAGE_H_INCLUDED
#define ZB_PAGE_H_INCLUDED

#include "core/base/batch.h"
#include "core/base/ring.h"
#include "core/base/spans.h"

//  The messages that one reply delivered, or that one EXTEND took on: the engine's.
typedef struct zb_lease zb_lease_t;

typedef struct {
    uint32_t delta;      //  id minus the page's first
    uint32_t offset;     //  of the body in the row
    uint32_t size;       //  of the body
    uint32_t piece;      //  offset of its piece in the row
    zb_lease_t *lease;   //  NULL = not leased
    uint32_t deliveries; //  since it is in memory
    bool done;
} zb_message_t;

typedef struct {
    zb_ring_t dirty; //  on its queue's ring of pages whose bitmap the next batch writes
    zb_row_t *row;
    uint64_t first; //  ids of the first and the last message
    uint64_t last;
    uint64_t commit; //  the newest commit that changes its rows
    bool has_acks;   //  a bitmap row has been written
    uint32_t count;  //  messages
    uint32_t open;   //  of them not done
    uint32_t ready;  //  of them neither done nor leased
    uint32_t scan;   //  no message before this one is ready
    zb_message_t message[];
} zb_page_t;

//  Makes a page of a row whose key has this last id, with the row of its acks if there is one.  Takes a reference
//  of `row`.  NULL if one of them is malformed.
zb_page_t *zb_page_new (zb_row_t *row, uint64_t last, const zb_row_t *acks);
//  The page must be on no ring and no message leased.
void zb_page_destroy (zb_page_t **self_p);
//  Bytes of memory it takes, the row included.
size_t zb_page_bytes (const zb_page_t *self);
//  Index of the first message whose id is at least this; `count` if there is none.
uint32_t zb_page_find (const zb_page_t *self, uint64_t id);
uint64_t zb_page_id (const zb_page_t *self, uint32_t index);
zb_frame_t zb_page_properties (const zb_page_t *self, uint32_t index);
//  Bytes of the bitmap, and its writing.
size_t zb_page_bits_size (const zb_page_t *self);
void zb_page_bits (const zb_page_t *self, uint8_t *bits);
//  The ids of what is done, in place of what was there.
void zb_page_done (const zb_page_t *self, zb_spans_t *ids);

#endif
