/*  =========================================================================
    net - libzmq's sockets over a virtual network

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A connection is a TCP connection: in each direction what was sent arrives in its
    order, once, after a delay, or not at all.  A cut holds it back; what is on its
    way when the connection breaks is lost from some frame on.  A process that dies
    closes its connections, a machine that loses its power does not.  Connections
    are made again by whoever connected; heartbeats of ZMTP, or TCP, end those that are mute.
    A process that is stopped has its connections held by its system.
*/

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "sim.h"

#define MAGIC 0x50c4e7
#define BASE_DELAY 40   //  us
#define STALL 10        //  ms until what is held back is looked at again
#define WATCH_EVERY 100 //  ms between two looks at the connections' heartbeats
#define KERNEL 200      //  packets that the system holds for a connection, beyond the high water mark
#define POLL_COST 15    //  us that a poll takes at least

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

static sock_t *s_socks;
static conn_t *s_conns;
static unsigned s_conn_count;
static bool s_cut[MACHINES][MACHINES];
static int64_t s_delay = 100;
static bool s_watching;

static void s_try (void *arg, uint64_t number);
static void s_carry (void *arg, uint64_t number);
static void s_lose (end_t *self);

//  ---------------------------------------------------------------------------
//  Packets

static void s_push (fifo_t *self, packet_t *packet)
{
    packet->next = NULL;
    if (self->tail)
        self->tail->next = packet;
    else
        self->head = packet;
    self->tail = packet;
    self->size++;
}

static packet_t *s_shift (fifo_t *self)
{
    packet_t *packet = self->head;
    if (packet) {
        self->head = packet->next;
        if (!self->head)
            self->tail = NULL;
        self->size--;
    }
    return packet;
}

static packet_t *s_packet (void)
{
    packet_t *packet = calloc (1, sizeof *packet);
    assert (packet);
    return packet;
}

static void s_add (packet_t *self, buffer_t *buffer)
{
    self->frame = realloc (self->frame, (self->frames + 1) * sizeof *self->frame);
    assert (self->frame);
    self->frame[self->frames++] = buffer;
}

static void s_drop (packet_t *self)
{
    if (!self)
        return;
    for (size_t index = 0; index < self->frames; index++)
        buffer_unref (self->frame[index]);
    free (self->frame);
    free (self);
}

static packet_t *s_copy (const packet_t *self)
{
    packet_t *copy = s_packet ();
    for (size_t index = 0; index < self->frames; index++) {
        self->frame[index]->refs++;
        s_add (copy, self->frame[index]);
    }
    return copy;
}

static void s_arrive (sock_t *self, packet_t *packet, end_t *over)
{
    packet->over = over;
    packet->machine = over ? (uint8_t) over->other->machine : 0;
    if (over)
        over->unread++;
    s_push (&self->inbox, packet);
    if (self->waiter)
        fiber_wake (self->waiter);
}

static void s_event (sock_t *self, int event)
{
    if (!self->monitor || !(self->events & event))
        return;
    uint8_t data[6] = {(uint8_t) event, (uint8_t) (event >> 8)};
    packet_t *packet = s_packet ();
    s_add (packet, buffer_new (data, sizeof data));
    s_add (packet, buffer_new ("tcp", 3));
    s_arrive (self->monitor, packet, NULL);
}

//  ---------------------------------------------------------------------------
//  Connections

static bool s_passes (const end_t *from)
{
    return !s_cut[from->machine][from->other->machine];
}

static bool s_runs (const end_t *self)
{
    return self->sock && self->process->alive && !self->process->paused;
}

static void s_move (end_t *self)
{
    if (self->moving || !self->out.head)
        return;
    self->moving = true;
    world_at (self->out.head->due, s_carry, self, 0);
}

static void s_dispatch (end_t *self, packet_t *packet)
{
    int64_t due = world_now () + BASE_DELAY + (int64_t) world_random ((uint64_t) s_delay);
    self->last_due = due > self->last_due ? due : self->last_due;
    packet->due = self->last_due;
    s_push (&self->out, packet);
    s_move (self);
}

static void s_fin (end_t *self)
{
    packet_t *packet = s_packet ();
    packet->fin = true;
    s_dispatch (self, packet);
}

//  What waits at the head of a direction arrives, or has to wait.
static void s_carry (void *arg, uint64_t number)
{
    (void) number;
    end_t *self = arg, *other = self->other;
    self->moving = false;
    packet_t *packet = self->out.head;
    if (!packet)
        return;
    bool full = other->sock && other->unread >= (size_t) other->sock->rcvhwm && other->sock->rcvhwm;
    if (!s_passes (self) || (other->sock && !s_runs (other)) || full) {
        self->moving = true;
        world_at (world_now () + STALL * MS / 2 + (int64_t) world_random (STALL * MS), s_carry, self, 0);
        return;
    }
    s_shift (&self->out);
    if (!other->sock) {
        //  Nobody is there any more: that comes back, if it can.
        bool fin = packet->fin;
        s_drop (packet);
        if (!fin && self->sock && s_passes (other))
            s_lose (self);
        return;
    }
    if (packet->fin) {
        s_drop (packet);
        s_lose (other);
        return;
    }
    s_arrive (other->sock, packet, other);
    s_move (self);
}

static void s_detach (end_t *self)
{
    for (end_t **at = &self->sock->ends; *at; at = &(*at)->next)
        if (*at == self) {
            *at = self->next;
            break;
        }
    self->sock = NULL;
}

//  What is on its way is lost from some packet on.
static void s_lose_some (end_t *self, bool all)
{
    size_t keep = all ? 0 : (size_t) world_random (self->out.size + 1);
    fifo_t kept = {0};
    packet_t *packet;
    while ((packet = s_shift (&self->out)))
        if (kept.size < keep)
            s_push (&kept, packet);
        else
            s_drop (packet);
    self->out = kept;
}

static void s_retry (link_t *self, bool first)
{
    sock_t *sock = self->sock;
    if (first)
        self->pause = sock->ivl;
    int64_t pause = self->pause * MS + (int64_t) world_random ((uint64_t) self->pause * MS + 1);
    if (sock->ivl_max && self->pause * 2 <= sock->ivl_max)
        self->pause *= 2;
    world_at (world_now () + pause, s_try, self, 0);
}

//  This side learns that the connection is over.
static void s_lose (end_t *self)
{
    sock_t *sock = self->sock;
    if (!sock)
        return;
    link_t *link = self->link;
    s_detach (self);
    s_lose_some (self, false);
    s_fin (self);
    s_event (sock, ZMQ_EVENT_DISCONNECTED);
    if (link) {
        link->end = NULL;
        s_retry (link, true);
    }
}

static end_t *s_end (conn_t *conn, int side, sock_t *sock, link_t *link)
{
    end_t *self = &conn->end[side];
    *self = (end_t){.conn = conn, .other = &conn->end[1 - side], .sock = sock, .link = link};
    self->process = sock->process;
    self->machine = sock->process->machine;
    self->heard = self->told = self->acked = world_now () / MS;
    self->routing[0] = 0;
    for (int index = 0; index < 4; index++)
        self->routing[4 - index] = (uint8_t) (conn->id >> 8 * index);
    self->next = sock->ends;
    sock->ends = self;
    return self;
}

static sock_t *s_listener (int machine, unsigned port)
{
    for (sock_t *sock = s_socks; sock; sock = sock->next)
        if (sock->port == port && sock->process->machine == machine && sock->process->alive)
            return sock;
    return NULL;
}

static bool s_reaches (int one, int other)
{
    return !s_cut[one][other] && !s_cut[other][one];
}

bool net_refuses (int from, int machine, unsigned port)
{
    return s_reaches (from, machine) && !s_listener (machine, port);
}

//  The heartbeats of ZMTP, what a peer has asked for with its time to live, and TCP's patience with a mute machine.
static void s_watch_end (end_t *self, int64_t now)
{
    sock_t *sock = self->sock;
    if (!sock || !s_runs (self))
        return;
    end_t *other = self->other;
    bool hears = s_runs (other) && s_passes (other);
    if (hears)
        self->told = now;
    if (hears && s_passes (self))
        self->heard = now;
    int ttl = other->sock && other->sock->hb_ivl ? other->sock->hb_ttl : 0;
    int64_t limit = sock->hb_timeout > 0 ? sock->hb_timeout : sock->hb_ivl;
    if (sock->hb_ivl && now - self->heard > sock->hb_ivl + limit)
        s_lose (self);
    else if (ttl && now - self->told > ttl)
        s_lose (self);
    else if (!self->out.size || (s_passes (self) && s_passes (other)))
        self->acked = now;
    else if (sock->maxrt && now - self->acked > sock->maxrt)
        s_lose (self);
}

static void s_watch (void *arg, uint64_t number)
{
    (void) arg;
    (void) number;
    conn_t **at = &s_conns;
    while (*at) {
        conn_t *conn = *at;
        s_watch_end (&conn->end[0], world_now () / MS);
        s_watch_end (&conn->end[1], world_now () / MS);
        if (conn->end[0].sock || conn->end[1].sock)
            at = &conn->next;
        else
            *at = conn->next;
    }
    world_at (world_now () + WATCH_EVERY * MS, s_watch, NULL, 0);
}

static void s_establish (link_t *self, sock_t *listener)
{
    conn_t *conn = calloc (1, sizeof *conn);
    assert (conn);
    conn->id = ++s_conn_count;
    conn->next = s_conns;
    s_conns = conn;
    self->end = s_end (conn, 0, self->sock, self);
    s_end (conn, 1, listener, NULL);
    self->pause = self->sock->ivl;
    s_event (self->sock, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    packet_t *packet;
    while ((packet = s_shift (&self->pending)))
        s_dispatch (self->end, packet);
}

//  Number: 1 when the handshake is under way.
static void s_try (void *arg, uint64_t number)
{
    link_t *self = arg;
    sock_t *sock = self->sock;
    if (!sock || self->end || !sock->process->alive)
        return;
    int64_t now = world_now ();
    int from = sock->process->machine;
    if (sock->process->paused) {
        world_at (now + STALL * MS, s_try, self, 0);
        return;
    }
    if (sim_mutant == MUTANT_LINK && from != CLIENTS && now > 8 * SECOND)
        return;
    if (!s_reaches (from, self->machine)) {
        int64_t patience = sock->connect_timeout ? sock->connect_timeout : 3000;
        world_at (now + 200 * MS + (int64_t) world_random ((uint64_t) patience * MS), s_try, self, 0);
        return;
    }
    sock_t *listener = s_listener (self->machine, self->port);
    if (!listener)
        s_retry (self, false);
    else if (listener->process->paused)
        world_at (now + STALL * MS, s_try, self, 0);
    else if (number == 0)
        world_at (now + 6 * BASE_DELAY + (int64_t) world_random ((uint64_t) s_delay * 3), s_try, self, 1);
    else
        s_establish (self, listener);
}

//  ---------------------------------------------------------------------------
//  Faults

void net_cut (int from, int to, bool cut)
{
    s_cut[from][to] = cut;
}

bool net_is_cut (int from, int to)
{
    return s_cut[from][to];
}

void net_delay (int64_t most)
{
    s_delay = most;
}

void net_reset (int one, int other)
{
    for (conn_t *conn = s_conns; conn; conn = conn->next) {
        end_t *end = conn->end;
        if ((end[0].machine == one && end[1].machine == other) || (end[0].machine == other && end[1].machine == one)) {
            s_lose (&end[0]);
            s_lose (&end[1]);
        }
    }
}

static void s_close (sock_t *self, bool power)
{
    self->magic = 0;
    self->port = 0;
    while (self->ends) {
        end_t *end = self->ends;
        s_detach (end);
        s_lose_some (end, power);
        if (!power)
            s_fin (end);
    }
    for (link_t *link = self->links; link; link = link->next)
        link->sock = NULL;
    if (self->pair)
        self->pair->pair = NULL;
    for (sock_t **at = &s_socks; *at; at = &(*at)->next) {
        if ((*at)->monitor == self)
            (*at)->monitor = NULL;
        if (*at == self) {
            *at = self->next;
            break;
        }
    }
    for (sock_t *sock = s_socks; sock; sock = sock->next)
        if (sock->monitor == self)
            sock->monitor = NULL;
}

void net_close_all (process_t *process, bool power)
{
    for (sock_t *sock = s_socks, *next; sock; sock = next) {
        next = sock->next;
        if (sock->process == process)
            s_close (sock, power);
    }
}

//  The timers of a process that was stopped have run out; some of its connections don't survive that.
void net_resumed (process_t *process)
{
    for (sock_t *sock = s_socks; sock; sock = sock->next)
        for (end_t *end = sock->process == process ? sock->ends : NULL, *next; end; end = next) {
            next = end->next;
            if (sock->hb_ivl && world_now () / MS - end->heard > sock->hb_timeout && world_chance (300))
                s_lose (end);
        }
}

//  ---------------------------------------------------------------------------
//  libzmq: contexts, sockets, options

static int s_context;

void *zmq_ctx_new (void)
{
    return &s_context;
}

void *zmq_init (int io_threads)
{
    (void) io_threads;
    return &s_context;
}

int zmq_ctx_term (void *context)
{
    (void) context;
    return 0;
}

int zmq_term (void *context)
{
    (void) context;
    return 0;
}

int zmq_ctx_set (void *context, int option, int value)
{
    (void) context;
    (void) option;
    (void) value;
    return 0;
}

int zmq_ctx_get (void *context, int option)
{
    (void) context;
    return option == ZMQ_MAX_SOCKETS ? 1024 : 1;
}

static sock_t *s_sock (void *socket)
{
    sock_t *self = socket;
    assert (self && self->magic == MAGIC);
    return self;
}

void *zmq_socket (void *context, int type)
{
    (void) context;
    sock_t *self = calloc (1, sizeof *self);
    assert (self);
    *self = (sock_t){.magic = MAGIC,
                     .type = type,
                     .process = process_self (),
                     .sndhwm = 1000,
                     .rcvhwm = 1000,
                     .ivl = 100,
                     .hb_timeout = -1};
    assert (self->process);
    self->next = s_socks;
    s_socks = self;
    if (!s_watching) {
        s_watching = true;
        world_at (WATCH_EVERY * MS, s_watch, NULL, 0);
    }
    return self;
}

int zmq_close (void *socket)
{
    s_close (s_sock (socket), false);
    return 0;
}

static int *s_option (sock_t *self, int option)
{
    switch (option) {
    case ZMQ_SNDHWM:
        return &self->sndhwm;
    case ZMQ_RCVHWM:
        return &self->rcvhwm;
    case ZMQ_IMMEDIATE:
        return &self->immediate;
    case ZMQ_ROUTER_MANDATORY:
        return &self->mandatory;
    case ZMQ_RECONNECT_IVL:
        return &self->ivl;
    case ZMQ_RECONNECT_IVL_MAX:
        return &self->ivl_max;
    case ZMQ_CONNECT_TIMEOUT:
        return &self->connect_timeout;
    case ZMQ_HEARTBEAT_IVL:
        return &self->hb_ivl;
    case ZMQ_HEARTBEAT_TIMEOUT:
        return &self->hb_timeout;
    case ZMQ_HEARTBEAT_TTL:
        return &self->hb_ttl;
    case ZMQ_TCP_MAXRT:
        return &self->maxrt;
    default:
        return NULL; //  of no effect here
    }
}

int zmq_setsockopt (void *socket, int option, const void *value, size_t size)
{
    int *number = s_option (s_sock (socket), option);
    if (number && size == sizeof *number)
        memcpy (number, value, size);
    return 0;
}

int zmq_getsockopt (void *socket, int option, void *value, size_t *size)
{
    sock_t *self = s_sock (socket);
    int number = 0;
    if (option == ZMQ_LAST_ENDPOINT) {
        snprintf (value, *size, "%s", self->endpoint);
        *size = strlen (value) + 1;
        return 0;
    }
    if (option == ZMQ_TYPE)
        number = self->type;
    else if (option == ZMQ_EVENTS)
        number = (self->inbox.head ? ZMQ_POLLIN : 0) | ZMQ_POLLOUT;
    else if (option == ZMQ_RCVMORE)
        number = self->reading && self->read < self->reading->frames;
    else if (s_option (self, option))
        number = *s_option (self, option);
    assert (*size >= sizeof number);
    *size = sizeof number;
    memcpy (value, &number, sizeof number);
    return 0;
}

//  ---------------------------------------------------------------------------
//  libzmq: endpoints

static bool s_parse (const char *endpoint, int *machine, unsigned *port)
{
    char host[64];
    if (sscanf (endpoint, "tcp://%63[^:]:%u", host, port) != 2)
        return false;
    *machine = strncmp (host, "10.0.0.", 7) == 0 ? host[7] - '0' : NOWHERE;
    return true;
}

int zmq_bind (void *socket, const char *endpoint)
{
    sock_t *self = s_sock (socket);
    int machine;
    snprintf (self->endpoint, sizeof self->endpoint, "%s", endpoint);
    if (strncmp (endpoint, "inproc://", 9) == 0) {
        self->name = strdup (endpoint);
        return 0;
    }
    unsigned port;
    if (!s_parse (endpoint, &machine, &port)) {
        errno = EINVAL;
        return -1;
    }
    if (s_listener (self->process->machine, port)) {
        errno = EADDRINUSE;
        return -1;
    }
    self->port = port;
    return 0;
}

int zmq_connect (void *socket, const char *endpoint)
{
    sock_t *self = s_sock (socket);
    snprintf (self->endpoint, sizeof self->endpoint, "%s", endpoint);
    if (strncmp (endpoint, "inproc://", 9) == 0) {
        for (sock_t *sock = s_socks; sock; sock = sock->next) {
            if (sock->process != self->process)
                continue;
            if (sock->name && strcmp (sock->name, endpoint) == 0) {
                self->pair = sock;
                sock->pair = self;
                return 0;
            }
            if (sock->monitored && strcmp (sock->monitored, endpoint) == 0) {
                sock->monitor = self;
                return 0;
            }
        }
        errno = ECONNREFUSED;
        return -1;
    }
    link_t *link = calloc (1, sizeof *link);
    assert (link);
    link->sock = self;
    if (!s_parse (endpoint, &link->machine, &link->port) || link->machine == NOWHERE) {
        free (link);
        errno = EINVAL;
        return -1;
    }
    link->next = self->links;
    self->links = link;
    link->pause = self->ivl;
    world_at (world_now (), s_try, link, 0);
    return 0;
}

int zmq_disconnect (void *socket, const char *endpoint)
{
    (void) socket;
    (void) endpoint;
    errno = ENOENT;
    return -1;
}

int zmq_unbind (void *socket, const char *endpoint)
{
    (void) endpoint;
    s_sock (socket)->port = 0;
    return 0;
}

int zmq_socket_monitor (void *socket, const char *address, int events)
{
    sock_t *self = s_sock (socket);
    free (self->monitored);
    self->monitored = address ? strdup (address) : NULL;
    self->events = events;
    if (!address)
        self->monitor = NULL;
    return 0;
}

//  ---------------------------------------------------------------------------
//  libzmq: send

static bool s_has_room (const end_t *self)
{
    size_t most = (size_t) self->sock->sndhwm + KERNEL;
    return self->sock->sndhwm == 0 || self->out.size < most;
}

//  Where the packet goes that begins with this frame: 0, or -1 and errno.
static int s_aim (sock_t *self, const buffer_t *first)
{
    errno = EAGAIN;
    self->target = NULL;
    switch (self->type) {
    case ZMQ_ROUTER:
        for (end_t *end = self->ends; end; end = end->next)
            if (first->size == sizeof end->routing && memcmp (first->data, end->routing, first->size) == 0) {
                self->target = end;
                return s_has_room (end) ? 0 : -1;
            }
        errno = EHOSTUNREACH;
        return self->mandatory ? -1 : 0;
    case ZMQ_PUB:
        return 0;
    case ZMQ_PAIR:
        return self->pair ? 0 : -1;
    default:
        for (link_t *link = self->links; link; link = link->next)
            if (link->end && s_has_room (link->end)) {
                self->target = link->end;
                return 0;
            }
        return !self->immediate && self->links && self->links->pending.size < (size_t) self->sndhwm ? 0 : -1;
    }
}

static void s_route (sock_t *self, packet_t *packet)
{
    if (self->type == ZMQ_PAIR) {
        s_arrive (self->pair, packet, NULL);
        return;
    }
    if (self->type == ZMQ_PUB) {
        bool lost = sim_mutant == MUTANT_DEATH && world_now () % (6 * SECOND) > 2 * SECOND;
        for (end_t *end = self->ends; end; end = end->next)
            if (s_has_room (end) && !lost)
                s_dispatch (end, s_copy (packet));
        s_drop (packet);
        return;
    }
    if (self->type == ZMQ_ROUTER) {
        buffer_unref (packet->frame[0]);
        memmove (packet->frame, packet->frame + 1, --packet->frames * sizeof *packet->frame);
    }
    if (self->target && self->target->sock == self)
        s_dispatch (self->target, packet);
    else if (self->links && !self->immediate)
        s_push (&self->links->pending, packet);
    else
        s_drop (packet);
}

//  Takes the buffer if it returns 0.
static int s_send (sock_t *self, buffer_t *buffer, bool more)
{
    if (!self->writing) {
        if (s_aim (self, buffer))
            return -1;
        self->writing = s_packet ();
    }
    s_add (self->writing, buffer);
    if (!more) {
        packet_t *packet = self->writing;
        self->writing = NULL;
        s_route (self, packet);
    }
    return 0;
}

int zmq_msg_send (zmq_msg_t *msg, void *socket, int flags)
{
    sock_t *self = s_sock (socket);
    buffer_t *buffer = message_of (msg)->buffer;
    int size = (int) zmq_msg_size (msg);
    if (!buffer)
        buffer = buffer_new (NULL, 0);
    if (s_send (self, buffer, flags & ZMQ_SNDMORE)) {
        if (!message_of (msg)->buffer)
            buffer_unref (buffer);
        return -1;
    }
    *message_of (msg) = (message_t){0};
    return size;
}

int zmq_sendmsg (void *socket, zmq_msg_t *msg, int flags)
{
    return zmq_msg_send (msg, socket, flags);
}

int zmq_send (void *socket, const void *data, size_t size, int flags)
{
    buffer_t *buffer = buffer_new (data, size);
    if (s_send (s_sock (socket), buffer, flags & ZMQ_SNDMORE)) {
        buffer_unref (buffer);
        return -1;
    }
    return (int) size;
}

//  ---------------------------------------------------------------------------
//  libzmq: receive

//  Waits for a packet if it may.
static int s_wait (sock_t *self, int flags)
{
    while (!self->reading && !self->inbox.head) {
        if (flags & ZMQ_DONTWAIT) {
            errno = EAGAIN;
            return -1;
        }
        self->waiter = fiber_self ();
        fiber_sleep (INT64_MAX);
    }
    if (self->reading)
        return 0;
    self->reading = s_shift (&self->inbox);
    self->read = 0;
    end_t *over = self->reading->over;
    if (over)
        over->unread--;
    if (self->type == ZMQ_ROUTER) {
        packet_t *packet = s_packet ();
        s_add (packet, buffer_new (over->routing, sizeof over->routing));
        packet->machine = self->reading->machine;
        for (size_t index = 0; index < self->reading->frames; index++)
            s_add (packet, self->reading->frame[index]);
        self->reading->frames = 0;
        s_drop (self->reading);
        self->reading = packet;
    }
    return 0;
}

int zmq_msg_recv (zmq_msg_t *msg, void *socket, int flags)
{
    sock_t *self = s_sock (socket);
    if (s_wait (self, flags))
        return -1;
    zmq_msg_close (msg);
    packet_t *packet = self->reading;
    buffer_t *buffer = packet->frame[self->read];
    packet->frame[self->read++] = NULL;
    message_t *message = message_of (msg);
    *message = (message_t){.buffer = buffer, .more = self->read < packet->frames, .machine = packet->machine};
    if (!message->more) {
        self->reading = NULL;
        packet->frames = 0;
        s_drop (packet);
    }
    return (int) buffer->size;
}

int zmq_recvmsg (void *socket, zmq_msg_t *msg, int flags)
{
    return zmq_msg_recv (msg, socket, flags);
}

int zmq_recv (void *socket, void *data, size_t size, int flags)
{
    zmq_msg_t msg;
    zmq_msg_init (&msg);
    int rc = zmq_msg_recv (&msg, socket, flags);
    if (rc > 0 && size)
        memcpy (data, zmq_msg_data (&msg), (size_t) rc < size ? (size_t) rc : size);
    zmq_msg_close (&msg);
    return rc;
}

static int s_ready (zmq_pollitem_t *items, int count)
{
    int ready = 0;
    for (int index = 0; index < count; index++) {
        zmq_pollitem_t *item = &items[index];
        item->revents = 0;
        if (item->socket && item->events & ZMQ_POLLIN && s_sock (item->socket)->inbox.head)
            item->revents = ZMQ_POLLIN;
        ready += item->revents != 0;
    }
    return ready;
}

int zmq_poll (zmq_pollitem_t *items, int count, long timeout)
{
    //  It takes time, so that nobody turns for ever in one moment.
    int64_t until = timeout < 0 ? INT64_MAX : world_now () + POLL_COST + timeout * (int64_t) MS;
    fiber_sleep (world_now () + POLL_COST);
    for (;;) {
        int ready = s_ready (items, count);
        if (ready || world_now () >= until)
            return ready;
        if (process_self ()->stop && !process_self ()->interrupted) {
            process_self ()->interrupted = true;
            errno = EINTR;
            return -1;
        }
        for (int index = 0; index < count; index++)
            if (items[index].socket)
                s_sock (items[index].socket)->waiter = fiber_self ();
        fiber_sleep (until);
        for (int index = 0; index < count; index++)
            if (items[index].socket)
                s_sock (items[index].socket)->waiter = NULL;
    }
}
