/*  =========================================================================
    front - the clients' socket

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    One ROUTER socket.  Messages come out as borrowed frames, replies go in as
    values; nothing here knows what they mean.  The frames are libzmq's own memory
    (zmq_msg_t), so that a body is copied once, by whoever keeps it.

    What exceeds the limits a little is read to its end, dropped and counted, so that
    the next message is a message again; what exceeds them by far never gets here, see
    io/gate.h.  All functions belong to the thread that made the front.
*/

#ifndef ZB_FRONT_H_INCLUDED
#define ZB_FRONT_H_INCLUDED

#include "core/engine.h"

typedef struct zb_front zb_front_t;

//  Listens at `bind`.  Returns NULL with errno set (EADDRINUSE, ENODEV, EINVAL ...) if it can't.
zb_front_t *zb_front_new (const char *bind, const zb_limits_t *limits);
void zb_front_destroy (zb_front_t **self_p);
//  The ZeroMQ socket, to poll for input.
void *zb_front_socket (zb_front_t *self);

//  Takes the next message.  Returns the number of frames behind the routing id, 0 if no message waits.  *routing and
//  *frames stay valid until the next call.  A message that is over the limits is answered by nobody: it is skipped.
size_t zb_front_recv (zb_front_t *self, zb_frame_t *routing, const zb_frame_t **frames);

//  The next client whose connection has ended, and of which all was read that it has sent; returns false if there is
//  none.  *routing stays valid until the next call.
bool zb_front_over (zb_front_t *self, int64_t now, zb_frame_t *routing);
//  Closes the connection of a client.
void zb_front_end (zb_front_t *self, zb_frame_t routing);

//  Sends a reply; never waits.  Returns 0; or -1 with errno EHOSTUNREACH if the client is gone, EAGAIN if its pipe is
//  full.  Then nothing of the reply was sent.
int zb_front_send (zb_front_t *self, const zb_reply_t *reply);

//  Messages that were dropped because of their size.
uint64_t zb_front_oversize (const zb_front_t *self);

#endif
