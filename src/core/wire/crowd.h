/*  =========================================================================
    crowd - who may connect: connections in all, of an address, and a second

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    An address has a bucket of ZB_CONNECT_BURST tokens, into which ZB_CONNECT_RATE
    drop each second; a connection takes one.  Loopback (127.x.y.z) is only counted in
    all: many programs, and balancers, connect from there.
*/

#ifndef ZB_CROWD_H_INCLUDED
#define ZB_CROWD_H_INCLUDED

#include <stddef.h>
#include <stdint.h>

typedef struct zb_crowd zb_crowd_t;

typedef enum {
    ZB_CROWD_ENTERS,
    ZB_CROWD_FULL,    //  there are too many in all
    ZB_CROWD_ADDRESS, //  there are too many of this address
    ZB_CROWD_RATE,    //  too many of this address came in a short time
    ZB_CROWD_ANSWERS
} zb_crowd_answer_t;

//  `key` is for the hash of addresses (ZB_MAP_KEY_SIZE bytes).
zb_crowd_t *zb_crowd_new (size_t most, size_t per_address, const uint8_t *key);
void zb_crowd_destroy (zb_crowd_t **self_p);

//  Somebody of this IPv4 address, in the byte order of this machine, wants to connect at `now` (ms).  Whoever enters
//  has to leave.
zb_crowd_answer_t zb_crowd_enter (zb_crowd_t *self, uint32_t address, int64_t now);
void zb_crowd_leave (zb_crowd_t *self, uint32_t address);
size_t zb_crowd_size (const zb_crowd_t *self);

#endif
