/*  =========================================================================
    zmtp - what a connection may send, read beside libzmq

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    libzmq bounds a frame (ZMQ_MAXMSGSIZE) and how many whole messages wait
    (ZMQ_RCVHWM), and nothing else: a message may have any number of frames, and all
    of them stay in memory until the last one is there.  This reads the same bytes,
    ZMTP 1.0 to 3.1, keeps nothing of them but the handshake, and says when a bound is
    exceeded.  It trusts no length before it has compared it.  What it takes for the
    end of a message is one for libzmq, too; commands end none.

    A client may choose its routing id.  To libzmq that may be as long as a frame, may
    be another client's, which takes over its replies and leaves its connection open
    for ever, and may be one that libzmq gives out itself, which ends the process with
    an assertion when it does.  Nobody here has a use for it.  So READY's property
    "Identity" becomes "identity", which libzmq does not know, and each connection has
    an id of libzmq's own; in ZMTP 1.0 and 2.0, where it is a frame, it has to be empty.

    The handshake of NULL is in the clear.  Of CURVE it is two commands, HELLO and INITIATE,
    neither of which may be long; of another mechanism nothing is known.  Behind it frames
    are boxes, MORE included.  Whoever hears of their key (io/base/boxes) says it here; the
    flags of each box are read with it, and encrypted frames are counted as others.  Before
    that, libzmq takes none.  INITIATE has the properties in a box, so whoever opens it has
    "Identity" renamed.
*/

#ifndef ZB_ZMTP_H_INCLUDED
#define ZB_ZMTP_H_INCLUDED

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    size_t handshake; //  bytes of the greeting and the first command
    size_t bytes;     //  of a message, all frames
    size_t frames;    //  of a message
    uint64_t most;    //  frames in all but ZMTP's heartbeats; 0 = any number
} zb_zmtp_bounds_t;

typedef enum {
    ZB_ZMTP_FINE,
    ZB_ZMTP_HANDSHAKE, //  the handshake is too long
    ZB_ZMTP_ROUTING,   //  a peer of ZMTP 1.0 or 2.0 chooses its routing id
    ZB_ZMTP_BYTES,     //  the message is too long
    ZB_ZMTP_FRAMES,    //  it has too many frames
    ZB_ZMTP_MOST       //  there are too many frames in all
} zb_zmtp_fault_t;

//  All zero but `bounds` when the connection begins.
typedef struct {
    const zb_zmtp_bounds_t *bounds;
    uint64_t messages;  //  that have ended,
    uint64_t ended;     //  and about how many bytes of memory libzmq keeps of them until they are read
    uint64_t memory;    //  the same of the message that has not ended
    uint8_t *handshake; //  what has come of it; NULL when it is over, and before it has begun
    size_t came;
    bool over;       //  the handshake is
    bool old;        //  frames as in ZMTP 1.0
    bool routing;    //  the next frame is the routing id (ZMTP 1.0, 2.0)
    bool encrypted;  //  the frames are,
    bool keyed;      //  and their key is known
    uint8_t shakes;  //  commands of the handshake that are still to come (CURVE)
    bool ends;       //  the frame that is being read ends a message
    bool counts;     //  it is of a message; else nothing of it stays
    bool kept;       //  libzmq keeps its body where it was read
    uint8_t key[32]; //  of the boxes
    uint8_t head[44];
    uint8_t have;         //  bytes of `head`
    uint64_t left;        //  bytes to come of the frame that is being read
    size_t bytes, frames; //  of the message that has not ended
    uint64_t all;         //  frames so far
} zb_zmtp_t;

//  Takes the next bytes, before libzmq does; may change some.  After a fault nothing more may be taken.
zb_zmtp_fault_t zb_zmtp_take (zb_zmtp_t *self, uint8_t *data, size_t size);
//  Renames "Identity" in the properties of a READY or an INITIATE, which are there wholly.
void zb_zmtp_anonymous (uint8_t *properties, size_t size);
//  The key of the boxes to come (crypto_box_beforenm's): INITIATE was read last.
void zb_zmtp_key (zb_zmtp_t *self, const uint8_t *key);
//  Frees what it holds.
void zb_zmtp_clear (zb_zmtp_t *self);

#endif
