/*  =========================================================================
    view - what a cursor knows of the messages of one row

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A message is ready (to be delivered), leased (delivered, and nobody else's until
    the lease ends) or done (acknowledged; it is never shown again).  The row itself is
    shared (core/places).
*/

#ifndef ZB_VIEW_H_INCLUDED
#define ZB_VIEW_H_INCLUDED

#include "core/queue/lease.h"
#include "core/queue/places.h"

//  Of a message that was delivered since the view is in memory.
typedef struct {
    zb_lease_t *lease;   //  NULL = not leased
    uint32_t deliveries; //  how often,
    uint32_t tries;      //  and how often without success, as its queue counts that
} zb_seat_t;

typedef struct {
    zb_ring_t dirty; //  on its cursor's ring of views whose bitmap the next batch writes
    zb_places_t *places;
    zb_seat_t *seat; //  of each message; NULL: none was delivered
    uint64_t commit; //  the newest commit that changes the row, or what is done of it
    bool has_bits;   //  a bitmap has been written
    uint32_t open;   //  messages that are not done
    uint32_t ready;  //  of them not leased
    uint32_t blocked; //  and leased by nobody, as they wait for their key
    uint32_t scan;   //  no message before this one is ready
    uint8_t rank;    //  core/queue/rank.h;
    bool listed;     //  on its cursor's deck of that rank,
    bool front;      //  and ahead of the window
    uint8_t bits[];  //  what is done, as in the table acks
} zb_view_t;

//  A view of a row, of which the bitmap (NULL: nothing) is done; all of it may be.  Takes a reference of `places`.  NULL if
//  the bitmap is not this row's.
zb_view_t *zb_view_new (zb_places_t *places, const zb_row_t *bits);
//  The same of a row whose key has this last id; NULL also if the row is malformed.
zb_view_t *zb_view_of (zb_row_t *row, uint64_t last, const zb_row_t *bits);
//  The view must be on no ring and no message leased.
void zb_view_destroy (zb_view_t **self_p);
//  Bytes of memory it takes, without the row.
size_t zb_view_bytes (const zb_view_t *self);
//  Bytes of the bitmap.
size_t zb_view_bits_size (const zb_view_t *self);
bool zb_view_is_done (const zb_view_t *self, uint32_t number);
bool zb_view_is_ready (const zb_view_t *self, uint32_t number);
//  The lease of a message; NULL if it is not leased.
zb_lease_t *zb_view_lease (const zb_view_t *self, uint32_t number);
//  A message that is ready is delivered.  Returns how often it was by now.
uint32_t zb_view_deliver (zb_view_t *self, uint32_t number, zb_lease_t *lease);
//  One that is ready is leased by nobody, and that is no delivery.
void zb_view_block (zb_view_t *self, uint32_t number, zb_lease_t *lease);
bool zb_view_is_blocked (const zb_view_t *self, uint32_t number);
//  One that is leased is ready again, or another lease's.
void zb_view_return (zb_view_t *self, uint32_t number);
void zb_view_hand (zb_view_t *self, uint32_t number, zb_lease_t *lease);
//  One that is leased was tried without success.  Returns how often it was by now.
uint32_t zb_view_try (zb_view_t *self, uint32_t number);
//  One that is not done is done; its lease ends.
void zb_view_finish (zb_view_t *self, uint32_t number);
//  Forgets all deliveries, whose leases go on elsewhere; takes one back that is known from there.
void zb_view_forget (zb_view_t *self);
void zb_view_remember (zb_view_t *self, uint32_t number, const zb_seat_t *seat);
//  The ids of what is done, in place of what was there.
void zb_view_done (const zb_view_t *self, zb_spans_t *ids);

#endif
