/*  =========================================================================
    front - the clients' socket

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    One ROUTER socket.  Messages come out as borrowed frames, replies go in as
    values; nothing here knows what they mean.  The frames are libzmq's own memory
    (zmq_msg_t), so that a body is copied once, by whoever keeps it.

    No reply is lost: a client's pipe takes all that is sent to it, and io/broker/output
    accounts for what the client has not read.  Three bounds keep that small:

    - beyond a quarter of limits.output the client is *behind*: the caller refuses its
      requests, and it gets no large reply.  One that was too large makes it so, too,
      until it has read what waits;
    - beyond limits.output (it goes on to send, and does not read) its connection is
      closed;
    - beyond three quarters of limits.outputs, of all clients together, the connection
      for which most waits is closed, one a turn.

    The system ends by itself what has not taken a byte for a minute (FRONT_UNREACHABLE).

    What exceeds the limits a little is read to its end, and dropped but for its first
    frames, so that it is answered 413, and the next message is a message again; what
    exceeds them by far never gets here, see io/base/gate.h.  All functions belong to the
    thread that made the front.
*/

#ifndef ZB_FRONT_H_INCLUDED
#define ZB_FRONT_H_INCLUDED

#include "core/wire/reply.h"
#include "io/auth/keys.h"
#include "io/broker/callers.h"

typedef struct zb_front zb_front_t;

//  Listens at `bind`; with keys, unless they are NULL, for whom io/auth/auth lets in.  Returns NULL with errno set
//  (EADDRINUSE, ENODEV, EINVAL ...) if it can't.
zb_front_t *zb_front_new (const char *bind, const zb_limits_t *limits, const zb_keys_t *keys);
void zb_front_destroy (zb_front_t **self_p);
//  The ZeroMQ socket, to poll for input.
void *zb_front_socket (zb_front_t *self);

//  Takes the next message.  Returns the number of frames behind the routing id, 0 if no message waits.  *routing and
//  *frames stay valid until the next call.  Of a message that is over the limits only the first frames are left, and *cut
//  is true: it is to be answered 413.
size_t zb_front_recv (zb_front_t *self, zb_frame_t *routing, const zb_frame_t **frames, bool *cut);

//  The address that message came from, as zb_gate_address; its bytes; and whether its client was not heard of before.
uint32_t zb_front_address (const zb_front_t *self);
size_t zb_front_size (const zb_front_t *self);
bool zb_front_is_new (const zb_front_t *self);
//  Whether that message was held; and whether it was not, and others of its key are.
bool zb_front_is_held (const zb_front_t *self);
bool zb_front_follows (const zb_front_t *self);
//  That message is not looked at any more for now: zb_front_recv brings it again, at this time (ms) at the soonest, and
//  those of the same key in the order in which they came.  Returns false if too much is held for that (io/broker/held).
bool zb_front_hold (zb_front_t *self, int64_t until);
//  Those whose time has come are brought from now on; call it once a turn.
void zb_front_resume (zb_front_t *self, int64_t now);
//  The public key of whoever has sent that message; empty without keys.  Valid until the next message is taken.
zb_frame_t zb_front_key (const zb_front_t *self);
//  The address of a client's connection, 0 if it is not known, or has ended; and its key, likewise empty.
uint32_t zb_front_of (const zb_front_t *self, zb_frame_t routing, zb_frame_t *key);
//  Calls the function for each client of whom something was heard, with its key; it may end them.
void zb_front_each (zb_front_t *self, zb_caller_fn *function, void *context);

//  The next client whose connection has ended, and of which all was read that it has sent; returns false if there is
//  none.  *routing, and *key as above, stay valid until the next call.
bool zb_front_over (zb_front_t *self, int64_t now, zb_frame_t *routing, zb_frame_t *key);
//  Closes the connection of a client, and what has come over it and was not read yet is passed over.
void zb_front_shut (zb_front_t *self, zb_frame_t routing);
//  Closes the connection of a client.
void zb_front_end (zb_front_t *self, zb_frame_t routing);

//  Replies that are ready now are sent from here on, one after the other.
void zb_front_round (zb_front_t *self);
//  Sends a reply; never waits.  Returns 0; or -1, and nothing of it was sent, with errno
//  EHOSTUNREACH  the client is gone, or its connection is closed for what it has not read;
//  ENOBUFS       it is large, and more waits for the client, or for all clients, than leaves room for it; or it has
//                messages, and such a reply to the client was refused before in this round: they would overtake those.
int zb_front_send (zb_front_t *self, const zb_reply_t *reply);
//  Whether the client has not read so much that its requests are to be refused; the text says so.
bool zb_front_behind (zb_front_t *self, zb_frame_t routing);
#define ZB_FRONT_BEHIND "too many replies wait for you to read them: read them, then send this again"
//  From now on these are the limits of what waits to be read; those of a request are as they were.
void zb_front_limits (zb_front_t *self, const zb_limits_t *limits);
//  Keeps what waits for all clients within its limit.  Call it once a turn.
void zb_front_relieve (zb_front_t *self);

//  Bytes of replies that wait for clients, about.
size_t zb_front_waits (const zb_front_t *self);
//  Connections that were closed since their clients did not read.
uint64_t zb_front_cut (const zb_front_t *self);

//  Messages that were cut because of their size.
uint64_t zb_front_oversize (const zb_front_t *self);

#endif
