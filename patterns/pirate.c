/*  =========================================================================
    pirate - Lazy Pirate: a client that does not get stuck

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Two lines to each server, each a DEALER with a monitor: one for requests, and one
    that carries heartbeats alone.  ZMQ_IMMEDIATE keeps the sockets honest: a pipe
    exists only while its connection stands, so that a send to a server that is away
    fails at once, and nothing is queued to be delivered when it comes back.
    "Renewing" is to close both lines and to open others.
*/

#include "patterns/pirate.h"

//  The first attempt to reconnect comes after some 10 ms, so that a restarted server is found at once; further ones at
//  most this far apart.
#define S_RECONNECT_MIN 10
#define S_RECONNECT_MAX 100
//  An address that swallows packets, or a server that was stopped while it accepts, must not hold an attempt for long.
#define S_CONNECT_TIMEOUT 1000
//  pirate_request: ms that the current server has to get connected, until another one is used.
#define S_PAUSE 10

//  One connection to a server.
typedef struct {
    void *socket;  //  DEALER
    void *monitor; //  PAIR: what happens to its connection
    bool up;       //  the handshake is done
} line_t;

//  The lines of a server.  A heartbeat must not stand behind requests: it would be answered when those have been read,
//  so that a server with much to do looked dead; and libzmq (4.3.4, and later ones) ends a server by an assertion if
//  the connection breaks meanwhile.
enum { S_REQUESTS, S_WATCH, S_LINES };

typedef struct {
    char endpoint[PIRATE_ENDPOINT_MAX + 1];
    line_t line[S_LINES];
    bool connected; //  both lines are up
    bool lost;      //  requests could be sent to it, a line broke, and nobody was told yet
} server_t;

struct pirate {
    void *context;
    server_t server[PIRATE_ENDPOINTS];
    size_t size;
    size_t current;
    size_t moves;
    uint64_t serial; //  of the last monitor's address
    int64_t timeout;
    int64_t patience;
    size_t other; //  who is listened to, too; PIRATE_ENDPOINTS: nobody
    int interval; //  of heartbeats
    int deadline; //  for their answer
    pirate_tune_fn *tune;
    void *tune_context;
};

static void s_set (void *socket, int option, int value)
{
    int rc = zmq_setsockopt (socket, option, &value, sizeof (value));
    assert (rc == 0);
}

static void s_open_line (pirate_t *self, line_t *line)
{
    line->socket = zmq_socket (self->context, ZMQ_DEALER);
    assert (line->socket);
    s_set (line->socket, ZMQ_LINGER, 0);
    s_set (line->socket, ZMQ_IMMEDIATE, 1);
    s_set (line->socket, ZMQ_SNDTIMEO, 0);
    s_set (line->socket, ZMQ_RECONNECT_IVL, S_RECONNECT_MIN);
    s_set (line->socket, ZMQ_RECONNECT_IVL_MAX, S_RECONNECT_MAX);
    s_set (line->socket, ZMQ_CONNECT_TIMEOUT, S_CONNECT_TIMEOUT);
    s_set (line->socket, ZMQ_HANDSHAKE_IVL, S_CONNECT_TIMEOUT);

    //  Each monitor has an address of its own: closing the last one is not finished when close returns.
    char address[64];
    snprintf (address, sizeof (address), "inproc://pirate-%p-%" PRIu64, (void *) self, ++self->serial);
    int rc = zmq_socket_monitor (line->socket, address, ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED);
    assert (rc == 0);
    line->monitor = zmq_socket (self->context, ZMQ_PAIR);
    assert (line->monitor);
    s_set (line->monitor, ZMQ_LINGER, 0);
    //  No bound: it would block the I/O thread of a program that does not call us for long.
    s_set (line->monitor, ZMQ_RCVHWM, 0);
    rc = zmq_connect (line->monitor, address);
    assert (rc == 0);
    line->up = false;
}

static void s_connect (pirate_t *self, line_t *line, const server_t *server)
{
    if (self->tune)
        self->tune (self->tune_context, line->socket, server->endpoint);
    zmq_connect (line->socket, server->endpoint);
}

static void s_open (pirate_t *self, server_t *server)
{
    for (int index = 0; index < S_LINES; index++)
        s_open_line (self, &server->line[index]);
    s_set (server->line[S_WATCH].socket, ZMQ_HEARTBEAT_IVL, self->interval);
    s_set (server->line[S_WATCH].socket, ZMQ_HEARTBEAT_TIMEOUT, self->deadline);
    server->connected = false;
    server->lost = false;
    //  A name that does not resolve now may do so later: libzmq resolves tcp names at each attempt.  What it refuses
    //  here was refused by pirate_new, too.
    for (int index = 0; index < S_LINES; index++)
        s_connect (self, &server->line[index], server);
}

static void s_close_line (line_t *line)
{
    //  libzmq's I/O thread blocks if it has to report an event and nobody listens; so it must stop reporting first.
    zmq_socket_monitor (line->socket, NULL, 0);
    zmq_close (line->monitor);
    zmq_close (line->socket);
}

static void s_close (server_t *server)
{
    for (int index = 0; index < S_LINES; index++)
        s_close_line (&server->line[index]);
}

static void s_reopen (pirate_t *self, server_t *server)
{
    s_close (server);
    s_open (self, server);
}

//  Cuts the list at its commas.  Returns false if one of the endpoints is empty, too long or one too many.
static bool s_split (pirate_t *self, const char *endpoints)
{
    while (true) {
        size_t length = strcspn (endpoints, ",");
        if (length == 0 || length > PIRATE_ENDPOINT_MAX || self->size == PIRATE_ENDPOINTS)
            return false;
        memcpy (self->server[self->size++].endpoint, endpoints, length);
        if (!endpoints[length])
            return true;
        endpoints += length + 1;
    }
}

//  Whether libzmq takes all endpoints.
static bool s_valid (pirate_t *self)
{
    void *probe = zmq_socket (self->context, ZMQ_DEALER);
    assert (probe);
    s_set (probe, ZMQ_LINGER, 0);
    bool valid = true;
    for (size_t index = 0; index < self->size && valid; index++)
        valid = zmq_connect (probe, self->server[index].endpoint) == 0;
    zmq_close (probe);
    return valid;
}

pirate_t *pirate_new (const char *endpoints)
{
    assert (endpoints);
    pirate_t *self = (pirate_t *) zmalloc (sizeof (pirate_t));
    assert (self);
    self->context = zmq_ctx_new ();
    assert (self->context);
    self->timeout = 10000;
    self->patience = 2000;
    self->other = PIRATE_ENDPOINTS;
    self->interval = 250;
    self->deadline = 500;
    if (!s_split (self, endpoints) || !s_valid (self)) {
        zmq_ctx_term (self->context);
        free (self);
        return NULL;
    }
    for (size_t index = 0; index < self->size; index++)
        s_open (self, &self->server[index]);
    return self;
}

void pirate_destroy (pirate_t **self_p)
{
    assert (self_p);
    if (*self_p) {
        pirate_t *self = *self_p;
        for (size_t index = 0; index < self->size; index++)
            s_close (&self->server[index]);
        while (zmq_ctx_term (self->context) == -1 && errno == EINTR)
            ;
        free (self);
        *self_p = NULL;
    }
}

void pirate_set_timeout (pirate_t *self, int64_t timeout)
{
    assert (self && timeout >= -1);
    self->timeout = timeout;
}

void pirate_set_patience (pirate_t *self, int64_t patience)
{
    assert (self && patience > 0);
    self->patience = patience;
}

void pirate_set_heartbeat (pirate_t *self, int interval, int timeout)
{
    assert (self && interval > 0 && timeout > 0);
    self->interval = interval;
    self->deadline = timeout;
    for (size_t index = 0; index < self->size; index++)
        s_reopen (self, &self->server[index]);
}

void pirate_set_tune (pirate_t *self, pirate_tune_fn *tune, void *context)
{
    assert (self);
    self->tune = tune;
    self->tune_context = context;
    for (size_t index = 0; index < self->size; index++)
        s_reopen (self, &self->server[index]);
}

size_t pirate_size (const pirate_t *self)
{
    assert (self);
    return self->size;
}

const char *pirate_endpoint (const pirate_t *self, size_t index)
{
    assert (self && index < self->size);
    return self->server[index].endpoint;
}

size_t pirate_find (const pirate_t *self, const char *endpoint)
{
    assert (self && endpoint);
    size_t index = 0;
    while (index < self->size && !streq (self->server[index].endpoint, endpoint))
        index++;
    return index;
}

size_t pirate_current (const pirate_t *self)
{
    assert (self);
    return self->current;
}

bool pirate_connected (const pirate_t *self, size_t index)
{
    assert (self && index < self->size);
    return self->server[index].connected;
}

size_t pirate_moves (const pirate_t *self)
{
    assert (self);
    return self->moves;
}

void *pirate_socket (pirate_t *self)
{
    assert (self);
    return self->server[self->current].line[S_REQUESTS].socket;
}

void *pirate_listen (pirate_t *self, size_t index)
{
    assert (self && index < self->size);
    self->other = index;
    return index != self->current && self->server[index].connected ? self->server[index].line[S_REQUESTS].socket : NULL;
}

void pirate_renew (pirate_t *self)
{
    assert (self);
    s_reopen (self, &self->server[self->current]);
}

void pirate_reroute (pirate_t *self)
{
    assert (self);
    server_t *server = &self->server[self->current];
    line_t *line = &server->line[S_REQUESTS];
    s_close_line (line);
    s_open_line (self, line);
    server->connected = false;
    s_connect (self, line, server);
}

void pirate_move (pirate_t *self, size_t index, bool clean)
{
    assert (self && index < self->size);
    if (!clean)
        pirate_renew (self);
    if (index != self->current) {
        self->current = index;
        self->other = PIRATE_ENDPOINTS;
        self->moves++;
        //  A connection that closed while nobody used it took nothing with it.
        if (self->server[index].lost)
            s_reopen (self, &self->server[index]);
    }
}

void pirate_next (pirate_t *self, bool clean)
{
    assert (self);
    //  The others in the order of the list, then the current one itself.
    for (size_t step = 1; step <= self->size; step++) {
        size_t index = (self->current + step) % self->size;
        if (self->server[index].connected) {
            pirate_move (self, index, clean);
            return;
        }
    }
    pirate_move (self, self->current, clean);
}

//  --- Waiting ------------------------------------------------------------------------------------------------------

//  Takes one event off a monitor; returns 0 if there is none.
static int s_event (void *monitor)
{
    zmq_msg_t frame;
    zmq_msg_init (&frame);
    int event = 0;
    if (zmq_msg_recv (&frame, monitor, ZMQ_DONTWAIT) >= 2) {
        uint16_t number;
        memcpy (&number, zmq_msg_data (&frame), sizeof (number));
        event = number;
        //  The second frame is the address, which is known.
        if (zmq_msg_more (&frame))
            zmq_msg_recv (&frame, monitor, ZMQ_DONTWAIT);
    }
    zmq_msg_close (&frame);
    return event;
}

//  Learns what happened to the lines of one server.  Returns true if it is connected now and was not before.
static bool s_look_at (server_t *server)
{
    line_t *requests = &server->line[S_REQUESTS];
    for (int index = 0; index < S_LINES; index++) {
        line_t *line = &server->line[index];
        int event;
        while ((event = s_event (line->monitor)) != 0) {
            //  Without its watch the line of requests is as good as broken: it may hang on a server that is frozen.
            bool usable = requests->up;
            line->up = event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
            if (!line->up && usable) {
                server->connected = false;
                server->lost = true;
            }
        }
    }
    bool up = !server->connected && !server->lost && requests->up && server->line[S_WATCH].up;
    server->connected = server->connected || up;
    return up;
}

//  Learns what happened to all lines.  Returns true if a server's came up.
static bool s_look (pirate_t *self)
{
    bool up = false;
    for (size_t index = 0; index < self->size; index++) {
        server_t *server = &self->server[index];
        up = s_look_at (server) || up;
        if (server->lost && index != self->current)
            s_reopen (self, server);
    }
    return up;
}

static bool s_readable (void *socket)
{
    int events = 0;
    size_t size = sizeof (events);
    int rc = zmq_getsockopt (socket, ZMQ_EVENTS, &events, &size);
    return rc == 0 && (events & ZMQ_POLLIN);
}

//  The connection that is listened to, beside the current one; NULL if none is.
static void *s_other (pirate_t *self)
{
    return self->other < self->size ? pirate_listen (self, self->other) : NULL;
}

pirate_event_t pirate_wait (pirate_t *self, int64_t timeout)
{
    assert (self);
    int64_t until = timeout < 0 ? INT64_MAX : zclock_mono () + timeout;
    while (true) {
        //  The monitors first and the socket second: what a connection brought before it closed is then in the socket.
        bool up = s_look (self);
        if (s_readable (pirate_socket (self)))
            return PIRATE_READY;
        if (self->server[self->current].lost) {
            pirate_renew (self);
            return PIRATE_LOST;
        }
        if (up)
            return PIRATE_UP;
        void *other = s_other (self);
        if (other && s_readable (other))
            return PIRATE_OTHER;

        if (timeout == 0)
            return PIRATE_NOTHING;
        int64_t left = -1;
        if (timeout >= 0) {
            left = until - zclock_mono ();
            if (left <= 0)
                return PIRATE_NOTHING;
        }
        zmq_pollitem_t items[PIRATE_ENDPOINTS * S_LINES + 2] = {{.socket = pirate_socket (self), .events = ZMQ_POLLIN}};
        int size = 1;
        if (other)
            items[size++] = (zmq_pollitem_t){.socket = other, .events = ZMQ_POLLIN};
        for (size_t index = 0; index < self->size; index++)
            for (int line = 0; line < S_LINES; line++)
                items[size++] =
                    (zmq_pollitem_t){.socket = self->server[index].line[line].monitor, .events = ZMQ_POLLIN};
        if (zmq_poll (items, size, (long) left) == -1)
            return PIRATE_INTERRUPTED;
    }
}

//  --- The simple call ----------------------------------------------------------------------------------------------

//  Sends a copy of the request behind an empty delimiter.  Returns false if there is no connection.
static bool s_send (pirate_t *self, zmsg_t *request)
{
    if (zmq_send (pirate_socket (self), "", 0, ZMQ_SNDMORE | ZMQ_DONTWAIT) == -1)
        return false;
    zmsg_t *copy = zmsg_dup (request);
    assert (copy);
    bool sent = zmsg_send (&copy, pirate_socket (self)) == 0;
    if (!sent) {
        //  A message that was cut in its middle would spoil the next one.
        pirate_renew (self);
        zmsg_destroy (&copy);
    }
    return sent;
}

//  Takes the reply off the socket; NULL if what came has no delimiter and so cannot be a reply.
static zmsg_t *s_recv (pirate_t *self)
{
    zmsg_t *reply = zmsg_recv (pirate_socket (self));
    zframe_t *delimiter = reply ? zmsg_pop (reply) : NULL;
    if (!delimiter || zframe_size (delimiter) != 0)
        zmsg_destroy (&reply);
    zframe_destroy (&delimiter);
    return reply;
}

zmsg_t *pirate_request (pirate_t *self, zmsg_t **request_p)
{
    assert (self && request_p && *request_p);
    zmsg_t *request = *request_p;
    *request_p = NULL;
    zmsg_t *reply = NULL;
    int64_t now = zclock_mono ();
    int64_t until = self->timeout < 0 ? INT64_MAX : now + self->timeout;
    //  Until when to wait for the reply or, if nothing is sent yet, for the current server's connection.
    int64_t limit = now + S_PAUSE;
    bool sent = false;
    int error = EAGAIN;
    while (!reply && now < until) {
        if (!sent && s_send (self, request)) {
            sent = true;
            limit = now + self->patience;
        }
        else if (now >= limit) {
            pirate_next (self, !sent);
            sent = false;
            limit = now + S_PAUSE;
            continue;
        }
        pirate_event_t event = pirate_wait (self, (limit < until ? limit : until) - now);
        now = zclock_mono ();
        if (event == PIRATE_READY)
            reply = s_recv (self);
        else if (event == PIRATE_LOST) {
            pirate_next (self, true);
            sent = false;
            limit = now + S_PAUSE;
        }
        else if (event == PIRATE_INTERRUPTED) {
            error = EINTR;
            break;
        }
    }
    //  The reply may still come; it must not be taken for that of the next request.
    if (!reply && sent)
        pirate_renew (self);
    zmsg_destroy (&request);
    errno = error;
    return reply;
}
