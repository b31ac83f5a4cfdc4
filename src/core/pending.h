/*  =========================================================================
    pending - a reply that may still have to wait for its truth

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A reply is made when its request is handled and given out when what it says
    is durable.  Only then its level and its token are written.
*/

#ifndef ZB_PENDING_H_INCLUDED
#define ZB_PENDING_H_INCLUDED

#include "core/engine.h"
#include "core/producer.h"
#include "core/ring.h"

typedef struct {
    zb_reply_t reply; //  first, so that it is destroyed as one
    zb_ring_t ring;
    bool leveled;            //  the first argument is the level,
    bool claims;             //  and it is that of a PUT, of acknowledgements, PURGE or DELETE: it must be true
    zb_producer_t *producer; //  whose PUT it answers; NULL = nobody's
    char *index;             //  MSG's
    size_t large;            //  bytes, of a MSG or of the reply to LIST; else 0
    char token[ZB_TOKEN_MAX];
} zb_pending_t;

//  A reply to a request with copies of these arguments.  The frames are those of the envelope.
zb_pending_t *zb_pending_new (zb_frame_t routing, const zb_frame_t *frames, size_t envelopes, zb_frame_t id,
                              const char *status, size_t args, const zb_frame_t *arg);
//  One that is on no ring.
void zb_pending_destroy (zb_pending_t **self_p);
//  Bytes of memory it takes, but for the bodies.
size_t zb_pending_bytes (const zb_pending_t *self);
//  Turns it into another status with this argument, NULL for none; it keeps where it goes.
void zb_pending_turn (zb_pending_t *self, const char *status, const char *arg);
//  Writes the level, if it has one, and the token, if it is an OK or a MSG.
void zb_pending_finish (zb_pending_t *self, zb_durable_t durable, zb_frame_t token);

#endif
