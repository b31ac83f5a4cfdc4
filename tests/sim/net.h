/*  =========================================================================
    net - the virtual network, for the sockets that use it

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#ifndef NET_H_INCLUDED
#define NET_H_INCLUDED

#include "message.h"
#include "sim.h"

typedef struct sock sock_t;
typedef struct conn conn_t;
typedef struct end end_t;
typedef struct packet packet_t;

struct packet {
    packet_t *next;
    int64_t due;
    bool fin;
    end_t *over; //  the end at which it arrived
    uint8_t machine;
    int descriptor; //  of that end
    size_t frames;
    buffer_t **frame;
};

typedef struct {
    packet_t *head, *tail;
    size_t size;
} fifo_t;

typedef struct link {
    struct link *next;
    sock_t *sock;
    int machine;
    unsigned port;
    int64_t pause; //  ms until the next attempt
    end_t *end;    //  NULL while it is not up
    fifo_t pending;
} link_t;

//  One side of a connection.
struct end {
    conn_t *conn;
    end_t *other;
    end_t *next;  //  of the socket
    sock_t *sock; //  NULL when this side is gone
    link_t *link; //  of the side that has connected
    process_t *process;
    int machine;
    uint8_t routing[5];
    int descriptor; //  no other end of a connection ever has this one
    fifo_t out; //  on its way to the other side
    bool moving;
    int64_t last_due;
    size_t unread; //  in the socket's inbox
    int64_t heard; //  ms: heartbeats came and went, or came
    int64_t told;
    int64_t acked; //  nothing was under way then that the other machine had not acknowledged
};

struct conn {
    conn_t *next;
    unsigned id;
    end_t end[2];
};

struct sock {
    int magic;
    unsigned serial;
    sock_t *next;
    int type;
    process_t *process;
    fiber_t *waiter;
    fifo_t inbox;
    packet_t *reading;
    size_t read;
    packet_t *writing;
    end_t *target; //  of what is written, for a ROUTER
    end_t *ends;
    link_t *links;
    unsigned port; //  where it listens; 0: nowhere
    char *name;    //  inproc
    sock_t *pair;
    char *monitored; //  name of the monitor
    int events;
    sock_t *monitor;
    int sndhwm, rcvhwm, immediate, mandatory, ivl, ivl_max, connect_timeout, hb_ivl, hb_timeout, hb_ttl, maxrt;
    char endpoint[64];
};

void fifo_push (fifo_t *self, packet_t *packet);
packet_t *fifo_shift (fifo_t *self);

packet_t *packet_new (void);
//  Takes the buffer.
void packet_add (packet_t *self, buffer_t *buffer);
void packet_drop (packet_t *self);
packet_t *packet_copy (const packet_t *self);

//  The socket is there, and is not any more.
void net_open (sock_t *self);
void net_close (sock_t *self, bool power);
//  The newest of all sockets; the others are its next ones.
sock_t *net_sockets (void);
//  The socket that listens there; NULL if none does.
sock_t *net_listener (int machine, unsigned port);
//  From now on the link is tried until it is up, and again whenever it has broken.
void net_connect (link_t *self);
//  Puts a packet on its way, or into a socket at once.  Both take it.
void net_dispatch (end_t *self, packet_t *packet);
//  This side is not there any more.
void gate_end (const end_t *self);
//  The end of a connection with this descriptor; NULL if it is not there any more.
end_t *net_end (int descriptor);
void net_arrive (sock_t *self, packet_t *packet, end_t *over);

#endif
