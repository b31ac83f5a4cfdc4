/*  =========================================================================
    callers - which routing id is at the other end of which connection

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A ROUTER names its clients by routing ids and tells nobody when one has gone; the
    gate knows connections by numbers.  The first message of each brings the two
    together: no two connections have the same routing id (core/wire/zmtp).

    What a connection has sent may be read after its end.  So an end counts when the reader
    of the socket has found nothing more to read since, or after ZB_CALLERS_LATE; who is heard
    later can't be answered, which the sender of that reply is told (EHOSTUNREACH).  Thread:
    the socket's owner.
*/

#ifndef ZB_CALLERS_H_INCLUDED
#define ZB_CALLERS_H_INCLUDED

#include "core/wire/wire.h"

typedef struct zb_callers zb_callers_t;

#define ZB_CALLERS_LATE 1000 //  ms

zb_callers_t *zb_callers_new (void);
void zb_callers_destroy (zb_callers_t **self_p);

//  A message of this routing id was read, of a client with this key (empty: none), of the connection with this number
//  (0 = not known).
//  Returns whether it is the first one of that; then zb_callers_over tells of it some time.
bool zb_callers_heard (zb_callers_t *self, zb_frame_t routing, zb_frame_t key, uint64_t number);
//  Calls the function for each of them, with its key; it may cut them at the gate.
typedef void (zb_caller_fn) (void *context, zb_frame_t routing, zb_frame_t key);
void zb_callers_each (zb_callers_t *self, zb_caller_fn *function, void *context);
//  The reader of the socket has found nothing to read.
void zb_callers_idle (zb_callers_t *self);
//  The next routing id that is over, and its key; returns false if there is none.  Valid until the next call.
bool zb_callers_over (zb_callers_t *self, int64_t now, zb_frame_t *routing, zb_frame_t *key);
//  Nothing that comes over this connection is done any more.
void zb_callers_shut (zb_callers_t *self, zb_frame_t routing);
bool zb_callers_is_shut (zb_callers_t *self, uint64_t number);
//  Whose connection that is: the key, borrowed until it ends, empty where none is known.
zb_frame_t zb_callers_key (const zb_callers_t *self, zb_frame_t routing);
//  The number of the connection that this routing id is at the other end of; 0 = not known.
uint64_t zb_callers_number (const zb_callers_t *self, zb_frame_t routing);

#endif
