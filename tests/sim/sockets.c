/*  =========================================================================
    sockets - libzmq's functions, over the virtual network

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"
#include "scribe.h"

#define MAGIC 0x50c4e7
#define KERNEL 200   //  packets that the system holds for a connection, beyond the high water mark
#define POLL_COST 15 //  us that a poll takes at least

//  ---------------------------------------------------------------------------
//  Contexts, sockets, options

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
    static unsigned serial;
    sock_t *self = calloc (1, sizeof *self);
    assert (self);
    *self = (sock_t){.magic = MAGIC,
                     .serial = ++serial,
                     .type = type,
                     .process = process_self (),
                     .sndhwm = 1000,
                     .rcvhwm = 1000,
                     .ivl = 100,
                     .hb_timeout = -1};
    assert (self->process);
    net_open (self);
    return self;
}

int zmq_close (void *socket)
{
    net_close (s_sock (socket), false);
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
//  Endpoints

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
    if (net_listener (self->process->machine, port)) {
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
        for (sock_t *sock = net_sockets (); sock; sock = sock->next) {
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
    scribe_connected (self, link->machine);
    net_connect (link);
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
//  Send

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
        net_arrive (self->pair, packet, NULL);
        return;
    }
    if (self->type == ZMQ_PUB) {
        bool lost = sim_mutant == MUTANT_DEATH && world_now () % (6 * SECOND) > 2 * SECOND;
        for (end_t *end = self->ends; end; end = end->next)
            if (s_has_room (end) && !lost)
                net_dispatch (end, packet_copy (packet));
        packet_drop (packet);
        return;
    }
    if (self->type == ZMQ_ROUTER) {
        buffer_unref (packet->frame[0]);
        memmove (packet->frame, packet->frame + 1, --packet->frames * sizeof *packet->frame);
    }
    if (self->target && self->target->sock == self)
        net_dispatch (self->target, packet);
    else if (self->links && !self->immediate)
        fifo_push (&self->links->pending, packet);
    else
        packet_drop (packet);
}

//  Takes the buffer if it returns 0.
static int s_send (sock_t *self, buffer_t *buffer, bool more)
{
    if (!self->writing) {
        if (s_aim (self, buffer))
            return -1;
        self->writing = packet_new ();
    }
    packet_add (self->writing, buffer);
    if (!more) {
        packet_t *packet = self->writing;
        self->writing = NULL;
        scribe_sent (self, packet);
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
//  Receive

//  A signal ends one call that waits.
static bool s_interrupted (void)
{
    process_t *process = process_self ();
    if (!process->stop || process->interrupted)
        return false;
    process->interrupted = true;
    errno = EINTR;
    return true;
}

//  Waits for a packet if it may.
static int s_wait (sock_t *self, int flags)
{
    while (!self->reading && !self->inbox.head) {
        if (flags & ZMQ_DONTWAIT) {
            errno = EAGAIN;
            return -1;
        }
        self->waiter = fiber_self ();
        int stop = process_self ()->stop;
        fiber_sleep (INT64_MAX);
        if (process_self ()->stop != stop && s_interrupted ())
            return -1;
    }
    if (self->reading)
        return 0;
    self->reading = fifo_shift (&self->inbox);
    self->read = 0;
    scribe_heard (self, self->reading);
    end_t *over = self->reading->over;
    if (over)
        over->unread--;
    if (self->type == ZMQ_ROUTER) {
        packet_t *packet = packet_new ();
        packet_add (packet, buffer_new (over->routing, sizeof over->routing));
        packet->machine = self->reading->machine;
        packet->descriptor = self->reading->descriptor;
        for (size_t index = 0; index < self->reading->frames; index++)
            packet_add (packet, self->reading->frame[index]);
        self->reading->frames = 0;
        packet_drop (self->reading);
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
    *message = (message_t){.buffer = buffer, .more = self->read < packet->frames, .machine = packet->machine,
                            .descriptor = packet->descriptor};
    if (!message->more) {
        self->reading = NULL;
        packet->frames = 0;
        packet_drop (packet);
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
        if (s_interrupted ())
            return -1;
        for (int index = 0; index < count; index++)
            if (items[index].socket)
                s_sock (items[index].socket)->waiter = fiber_self ();
        fiber_sleep (until);
        for (int index = 0; index < count; index++)
            if (items[index].socket)
                s_sock (items[index].socket)->waiter = NULL;
    }
}
