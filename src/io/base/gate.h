/*  =========================================================================
    gate - bounds for what libzmq holds of connections to this process

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    libzmq takes every connection until there are no descriptors left (then its thread
    spins, and the store can't open its files), keeps all frames of a message until
    the last one is there, and knows no limit for all connections together.  The
    functions accept, recv and close of this program stand before the C library's
    (io/base/calls), so that libzmq calls them; they ask the gate, which keeps a table by
    descriptor:

    - A connection beyond the limits (core/wire/crowd) is accepted and closed at once.
    - What a connection sends is read beside libzmq (core/wire/zmtp).  Beyond a bound libzmq
      sees the peer close.
    - A connection is not read for the time being while much of it waits for the reader
      of the socket, or anything of it does and much waits of all.  That ends when the
      reader has read.  If too much of messages waits that have not ended, which a
      pause would never end, the connection that has sent the most of one is closed.
    - With CURVE which frames make a message, and which are ZMTP's heartbeats, is in boxes.
      libzmq's thread makes their key of what it has just read (io/base/boxes), so it is
      known here whose they are, and all of this goes for them, too.
    - The end of a connection is told to whoever watches it, with a number that is
      never used again: descriptors are.  That of a client is not before all is read that
      came over it, so that nobody answers for another one's requests; till then it counts
      as a connection.

    Only connections to the ports that are guarded are looked after.  One gate for the
    process.  Linux.  Thread: any, except where it says otherwise.
*/

#ifndef ZB_GATE_H_INCLUDED
#define ZB_GATE_H_INCLUDED

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "core/base/limits.h"

typedef enum {
    ZB_GATE_CLIENTS,
    ZB_GATE_STATE, //  heartbeats: subscriptions come in
    ZB_GATE_SHIP,  //  the log: frames as large as Berkeley DB makes them
    ZB_GATE_WITNESS,
    ZB_GATES
} zb_gate_t;

//  Opens the gate, before any port is guarded and while there is one thread.  The process's limit of open files is read
//  now.  A quarter of it is for clients, or all but ZB_FILES_KEPT if that is more, unless limits->connections says how
//  many; 64 stay for the store in any case.  Returns the number of clients' connections that are let in, and in *files
//  the limit.
size_t zb_gate_open (const zb_limits_t *limits, size_t *files);
//  Guards the port of an endpoint; before it is bound, or when the system has chosen it.
void zb_gate_guard (zb_gate_t gate, const char *endpoint);

//  A connection's IPv4 address, in the byte order of this machine; 0 if it is not known, or has ended.
uint32_t zb_gate_address (uint64_t number);
//  From now on its end is told.  Returns false if it has ended already.
bool zb_gate_watch (uint64_t number);
//  The next connection that was watched and has ended; 0 if none.  Thread: one only.
uint64_t zb_gate_ended (void);
//  Ends a connection as if its peer had closed it; one that has ended already is none.
void zb_gate_cut (uint64_t number);
//  It is not read from now on, but for its end if it breaks, or is again; so it is, a while later, when its peer has
//  closed it.
void zb_gate_pause (uint64_t number, bool pause);
//  It has shown that it is a broker's: it does not have to make room for others.
void zb_gate_trust (uint64_t number);

//  This thread has made the key of the boxes of the connection that it has read from last.
void zb_gate_key (const uint8_t *key);

//  The reader of the socket has read a message of this descriptor (ZMQ_SRCFD); it has found nothing more to read, of
//  anybody.  The first one returns the number of the connection that the message came over; 0 if it has ended, or is to no
//  guarded port.
uint64_t zb_gate_read (zb_gate_t gate, int descriptor);
void zb_gate_idle (zb_gate_t gate);

typedef struct {
    size_t connections;                                   //  of clients, now
    size_t most;                                          //  of clients that are let in
    uint64_t refused_full, refused_address, refused_rate; //  connections that were closed at once, or made room
    uint64_t cut;                                         //  that were closed for what they sent, on any port
    uint64_t memory;                                      //  bytes of requests that have come and are not read, about
} zb_gate_stats_t;
void zb_gate_stats (zb_gate_stats_t *stats);

//  As the C library's functions; a connection that is not let in is ECONNABORTED.
int zb_gate_accept (int listener, struct sockaddr *address, socklen_t *size, int flags);
ssize_t zb_gate_recv (int descriptor, void *data, size_t size, int flags);
int zb_gate_close (int descriptor);

#endif
