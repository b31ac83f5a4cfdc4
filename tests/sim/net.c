/*  =========================================================================
    net - a virtual network: packets, connections, and what breaks them

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
#include <stdlib.h>

#include "net.h"
#include "scribe.h"

#define BASE_DELAY 40   //  us
#define STALL 10        //  ms until what is held back is looked at again
#define WATCH_EVERY 100 //  ms between two looks at the connections' heartbeats

static sock_t *s_socks;
static conn_t *s_conns;
static unsigned s_conn_count;
static bool s_cut[MACHINES][MACHINES];
static int64_t s_delay = 100;

static void s_try (void *arg, uint64_t number);
static void s_carry (void *arg, uint64_t number);
static void s_lose (end_t *self);

//  ---------------------------------------------------------------------------
//  Packets

void fifo_push (fifo_t *self, packet_t *packet)
{
    packet->next = NULL;
    if (self->tail)
        self->tail->next = packet;
    else
        self->head = packet;
    self->tail = packet;
    self->size++;
}

packet_t *fifo_shift (fifo_t *self)
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

packet_t *packet_new (void)
{
    packet_t *packet = calloc (1, sizeof *packet);
    assert (packet);
    return packet;
}

void packet_add (packet_t *self, buffer_t *buffer)
{
    self->frame = realloc (self->frame, (self->frames + 1) * sizeof *self->frame);
    assert (self->frame);
    self->frame[self->frames++] = buffer;
}

void packet_drop (packet_t *self)
{
    if (!self)
        return;
    for (size_t index = 0; index < self->frames; index++)
        buffer_unref (self->frame[index]);
    free (self->frame);
    free (self);
}

packet_t *packet_copy (const packet_t *self)
{
    packet_t *copy = packet_new ();
    for (size_t index = 0; index < self->frames; index++) {
        self->frame[index]->refs++;
        packet_add (copy, self->frame[index]);
    }
    return copy;
}

void net_arrive (sock_t *self, packet_t *packet, end_t *over)
{
    packet->over = over;
    packet->machine = over ? (uint8_t) over->other->machine : 0;
    packet->descriptor = over ? over->descriptor : 0;
    if (over)
        over->unread++;
    fifo_push (&self->inbox, packet);
    if (self->waiter)
        fiber_wake (self->waiter);
}

static void s_event (sock_t *self, int event)
{
    if (!self->monitor || !(self->events & event))
        return;
    uint8_t data[6] = {(uint8_t) event, (uint8_t) (event >> 8)};
    packet_t *packet = packet_new ();
    packet_add (packet, buffer_new (data, sizeof data));
    packet_add (packet, buffer_new ("tcp", 3));
    net_arrive (self->monitor, packet, NULL);
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

void net_dispatch (end_t *self, packet_t *packet)
{
    int64_t due = world_now () + BASE_DELAY + (int64_t) world_random ((uint64_t) s_delay);
    self->last_due = due > self->last_due ? due : self->last_due;
    packet->due = self->last_due;
    fifo_push (&self->out, packet);
    s_move (self);
}

static void s_fin (end_t *self)
{
    packet_t *packet = packet_new ();
    packet->fin = true;
    net_dispatch (self, packet);
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
    fifo_shift (&self->out);
    if (!other->sock) {
        //  Nobody is there any more: that comes back, if it can.
        bool fin = packet->fin;
        packet_drop (packet);
        if (!fin && self->sock && s_passes (other))
            s_lose (self);
        return;
    }
    if (packet->fin) {
        packet_drop (packet);
        s_lose (other);
        return;
    }
    net_arrive (other->sock, packet, other);
    s_move (self);
}

static void s_detach (end_t *self)
{
    gate_end (self);
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
    while ((packet = fifo_shift (&self->out)))
        if (kept.size < keep)
            fifo_push (&kept, packet);
        else
            packet_drop (packet);
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
        s_event (sock, ZMQ_EVENT_CONNECT_RETRIED);
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
    self->descriptor = 2 * (int) conn->id + side;
    self->next = sock->ends;
    sock->ends = self;
    return self;
}

end_t *net_end (int descriptor)
{
    for (conn_t *conn = s_conns; conn; conn = conn->next)
        if ((unsigned) descriptor / 2 == conn->id)
            return conn->end[descriptor % 2].sock ? &conn->end[descriptor % 2] : NULL;
    return NULL;
}

sock_t *net_listener (int machine, unsigned port)
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
    return s_reaches (from, machine) && !net_listener (machine, port);
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

void net_open (sock_t *self)
{
    static bool watching;
    self->next = s_socks;
    s_socks = self;
    if (!watching)
        world_at (WATCH_EVERY * MS, s_watch, NULL, 0);
    watching = true;
}

sock_t *net_sockets (void)
{
    return s_socks;
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
    while ((packet = fifo_shift (&self->pending)))
        net_dispatch (self->end, packet);
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
    bool between = from != CLIENTS && self->machine != WITNESS;
    if (sim_mutant == MUTANT_LINK && between && now > 8 * SECOND)
        return;
    if (!s_reaches (from, self->machine)) {
        int64_t patience = sock->connect_timeout ? sock->connect_timeout : 3000;
        world_at (now + 200 * MS + (int64_t) world_random ((uint64_t) patience * MS), s_try, self, 0);
        return;
    }
    sock_t *listener = net_listener (self->machine, self->port);
    if (!listener)
        s_retry (self, false);
    else if (listener->process->paused)
        world_at (now + STALL * MS, s_try, self, 0);
    else if (number == 0)
        world_at (now + 6 * BASE_DELAY + (int64_t) world_random ((uint64_t) s_delay * 3), s_try, self, 1);
    else
        s_establish (self, listener);
}

void net_connect (link_t *self)
{
    self->pause = self->sock->ivl;
    world_at (world_now (), s_try, self, 0);
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

void net_close (sock_t *self, bool power)
{
    scribe_closed (self);
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
            net_close (sock, power);
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
