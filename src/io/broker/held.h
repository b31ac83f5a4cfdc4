/*  =========================================================================
    held - requests that wait until their principal owes nothing

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A principal that has used more than it may (core/rights/quota) has a row here, in which its
    requests wait as they came, over whichever connection.  libzmq has read them by
    then; from a connection of which one waits nothing more is read.  What waits of a
    connection that has ended is dropped.

    Bounds, of what waits of one principal and of all: zb_held_limits.  Thread: the socket's owner.
*/

#ifndef ZB_HELD_H_INCLUDED
#define ZB_HELD_H_INCLUDED

#include <zmq.h>

#include "core/wire/wire.h"

typedef struct zb_held zb_held_t;
//  A request: its frames, the routing id first, and what the front knows of it.
typedef struct {
    zmq_msg_t *message;
    size_t size;
    size_t bytes; //  of all frames, also of those that were cut
    bool whole;
    int descriptor;  //  that it came over,
    uint64_t number; //  of that connection
} zb_letter_t;

zb_held_t *zb_held_new (void);
void zb_held_destroy (zb_held_t **self_p);
//  Bytes that may wait, of a principal and of all.
void zb_held_limits (zb_held_t *self, size_t one, size_t all);

//  Whether requests of this principal wait.
bool zb_held_has (const zb_held_t *self, zb_frame_t key);
//  The request waits behind the others of this key, until `until` (ms) if it is the first; its messages are moved.  Returns
//  false if there is no room for it: it stays the caller's.
bool zb_held_add (zb_held_t *self, zb_frame_t routing, zb_frame_t key, zb_letter_t *letter, int64_t until);
//  The next request of a principal whose time has come; false if there is none.  Its messages are borrowed.  The caller
//  then says what has become of it, before anything else: it was done, or waits on.
bool zb_held_next (zb_held_t *self, int64_t now, zb_letter_t *letter);
void zb_held_done (zb_held_t *self);
void zb_held_again (zb_held_t *self, int64_t until);
//  The connection with this routing id has ended.
void zb_held_drop (zb_held_t *self, zb_frame_t routing);

#endif
