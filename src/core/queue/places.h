/*  =========================================================================
    places - where the messages of a row of the log are

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Made of a row that was checked once, it never changes: whoever reads the log shares
    it by reference.  What is done or leased of the row is not here, but beside it
    (core/view), so that it can leave memory at any time and be read again.
*/

#ifndef ZB_PLACES_H_INCLUDED
#define ZB_PLACES_H_INCLUDED

#include "core/base/batch.h"
#include "core/base/frame.h"

typedef struct {
    uint32_t delta;  //  id minus the row's first
    uint32_t offset; //  of the body in the row
    uint32_t size;   //  of the body
    uint32_t piece;  //  offset of its piece in the row
} zb_place_t;

typedef struct {
    uint32_t refs;
    uint32_t count; //  messages, at least 1
    zb_row_t *row;
    uint64_t first; //  ids of the first and the last message
    uint64_t last;
    zb_place_t place[];
} zb_places_t;

//  Finds the messages of a row whose key has this last id, with one reference; takes a reference of `row`.  NULL if the row
//  is malformed.
zb_places_t *zb_places_new (zb_row_t *row, uint64_t last);
//  Takes one more reference; returns the places.
zb_places_t *zb_places_ref (zb_places_t *self);
//  Gives one reference back, the last one frees; sets the pointer to NULL.
void zb_places_unref (zb_places_t **self_p);
//  Bytes of memory it takes, the row included.
size_t zb_places_bytes (const zb_places_t *self);
//  Number of the first message whose id is at least this; `count` if there is none.
uint32_t zb_places_find (const zb_places_t *self, uint64_t id);
//  Of the message with this number: its id, body and properties; these are borrowed from the row.
uint64_t zb_places_id (const zb_places_t *self, uint32_t number);
zb_frame_t zb_places_body (const zb_places_t *self, uint32_t number);
zb_frame_t zb_places_properties (const zb_places_t *self, uint32_t number);

#endif
