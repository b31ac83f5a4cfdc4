/*  =========================================================================
    ship - the shipping link: log records to the peer, acks and grants back

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <sys/random.h>

#include "core/bytes.h"
#include "core/seal.h"
#include "io/ship.h"
#include "io/log.h"

#define FRAME_MAX (4 << 20) //  bytes of a frame; Berkeley DB's bulk messages have 1 MB
#define WINDOW (64 << 20)   //  bytes under way to the peer, not yet received by its store
#define FRAMES_OUT 100000   //  frames waiting for the connection, all smaller than WINDOW together
#define FRAMES_IN 200       //  frames waiting for us; then TCP holds the sender back
#define HELLO_EVERY 50      //  ms
#define TICK_EVERY 100      //  ms
#define SILENCE 5000        //  ms without a frame until the session ends
#define STALL 1000          //  ms without a turn of our own: then the silence was ours

enum { HELLO = 1, WELCOME, RECORD, ACK, GRANT, TICK };
enum { HELLO_SIZE = 13, WELCOME_SIZE = 20, ACK_SIZE = 17, TICK_SIZE = 24 };

struct zb_ship {
    unsigned node;
    uint8_t key[ZB_SEAL_KEY_SIZE];
    zsock_t *out, *in, *monitor;
    zb_ship_role_t role;
    uint32_t generation, peer_generation;
    uint64_t nonce; //  ours; new whenever we begin anew
    uint64_t session, peer_nonce;
    uint64_t waiting, waiting_nonce; //  as a master: the session that a WELCOME has offered
    uint64_t sent, received;         //  sequence of the last frame in this session
    uint64_t bytes_sent, bytes_received, bytes_acked;
    uint64_t size; //  of our store
    int64_t heard, ticked, turned;
    zmq_msg_t frame; //  the frame in work; the event points into it
    bool again;      //  it has begun a session and is still to be worked on
    zb_ship_stats_t stats;
};

static uint64_t s_random (void)
{
    uint64_t number = 0;
    while (number == 0) {
        ssize_t size = getrandom (&number, sizeof (number), 0);
        assert (size == (ssize_t) sizeof (number));
    }
    return number;
}

//  Counts, and logs the 1st, 2nd, 4th, 8th, … time.
static void s_count (uint64_t *counter, const char *what, const char *why)
{
    uint64_t count = ++*counter;
    if ((count & (count - 1)) == 0)
        zb_log (ZB_LOG_WARNING, "link: %s (%s), %" PRIu64 " so far", what, why, count);
}

//  Ends the session, if there is one, and begins anew.
static void s_reset (zb_ship_t *self)
{
    self->nonce = s_random ();
    self->session = self->waiting = 0;
    self->ticked = 0;
}

static void s_begin (zb_ship_t *self, uint64_t session, uint64_t peer_nonce, int64_t now)
{
    self->session = session;
    self->peer_nonce = peer_nonce;
    self->waiting = 0;
    self->sent = self->received = 0;
    self->bytes_sent = self->bytes_received = self->bytes_acked = 0;
    self->heard = now;
    self->ticked = 0;
}

//  ---------------------------------------------------------------------------
//  Life

static zsock_t *s_push (const char *peer)
{
    zsock_t *sock = zsock_new (ZMQ_PUSH);
    assert (sock);
    zsock_set_linger (sock, 0);
    zsock_set_sndhwm (sock, FRAMES_OUT);
    //  Nothing waits for a peer that is not there: it would be of an old session when it arrives.
    zsock_set_immediate (sock, 1);
    zsock_set_reconnect_ivl (sock, 50);
    zsock_set_connect_timeout (sock, 2000);
    //  A connection to a machine that is gone: something is always under way, so TCP notices.  ZeroMQ's heartbeats would
    //  wait behind frames that the peer has not read, and end a session with one that lives.
    int unreachable = SILENCE;
    zmq_setsockopt (zsock_resolve (sock), ZMQ_TCP_MAXRT, &unreachable, sizeof unreachable);
    //  It hears nothing that it asked for; a stranger's length must not become an allocation.
    zsock_set_maxmsgsize (sock, FRAME_MAX);
    if (zsock_connect (sock, "%s", peer) != 0)
        zsock_destroy (&sock);
    return sock;
}

static zsock_t *s_pull (const char *bind)
{
    zsock_t *sock = zsock_new (ZMQ_PULL);
    assert (sock);
    zsock_set_linger (sock, 0);
    zsock_set_rcvhwm (sock, FRAMES_IN);
    zsock_set_maxmsgsize (sock, FRAME_MAX);
    if (zsock_bind (sock, "%s", bind) < 0)
        zsock_destroy (&sock);
    return sock;
}

//  Watches the connection to the peer: when it breaks, frames are lost.
static zsock_t *s_watch (zb_ship_t *self)
{
    //  Numbered: a name is free again only some time after its socket was closed.
    static _Atomic unsigned count;
    char *endpoint = zsys_sprintf ("inproc://zb-ship-%u", ++count);
    assert (endpoint);
    int rc = zmq_socket_monitor (zsock_resolve (self->out), endpoint, ZMQ_EVENT_DISCONNECTED);
    assert (rc == 0);
    zsock_t *sock = zsock_new (ZMQ_PAIR);
    assert (sock);
    rc = zsock_connect (sock, "%s", endpoint);
    assert (rc == 0);
    freen (endpoint);
    return sock;
}

zb_ship_t *zb_ship_new (unsigned node, const char *bind, const char *peer, const uint8_t key[32], const char **what)
{
    assert (node == 1 || node == 2);
    zb_ship_t *self = zmalloc (sizeof (*self));
    self->node = node;
    memcpy (self->key, key, ZB_SEAL_KEY_SIZE);
    zmq_msg_init (&self->frame);
    *what = bind;
    self->in = s_pull (bind);
    if (self->in) {
        *what = peer;
        self->out = s_push (peer);
    }
    if (!self->out) {
        int error = errno;
        zb_ship_destroy (&self);
        errno = error;
        return NULL;
    }
    self->monitor = s_watch (self);
    s_reset (self);
    return self;
}

void zb_ship_destroy (zb_ship_t **self_p)
{
    assert (self_p);
    zb_ship_t *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    if (self->monitor)
        zmq_socket_monitor (zsock_resolve (self->out), NULL, 0);
    zsock_destroy (&self->monitor);
    zsock_destroy (&self->out);
    zsock_destroy (&self->in);
    zmq_msg_close (&self->frame);
    freen (self);
}

void zb_ship_act (zb_ship_t *self, zb_ship_role_t role, uint32_t generation)
{
    self->role = role;
    self->generation = generation;
    s_reset (self);
}

uint32_t zb_ship_peer_generation (const zb_ship_t *self)
{
    return self->peer_generation;
}

uint64_t zb_ship_session (const zb_ship_t *self)
{
    return self->session;
}

void zb_ship_stats (const zb_ship_t *self, zb_ship_stats_t *stats)
{
    *stats = self->stats;
    stats->received = self->bytes_received;
    stats->sent = self->bytes_sent;
}

void *zb_ship_socket (zb_ship_t *self)
{
    return zsock_resolve (self->in);
}

void *zb_ship_monitor (zb_ship_t *self)
{
    return zsock_resolve (self->monitor);
}

//  ---------------------------------------------------------------------------
//  Send

//  Seals the frame, whose payload is in place, and sends it; takes the message.
static void s_send (zb_ship_t *self, zmq_msg_t *frame, uint8_t kind, uint64_t session)
{
    uint8_t *data = zmq_msg_data (frame);
    size_t size = zmq_msg_size (frame);
    bool numbered = kind >= RECORD;
    zb_seal_t seal = {.kind = kind, .node = (uint8_t) self->node, .session = session};
    if (numbered)
        seal.sequence = self->sent + 1;
    zb_seal_write (&seal, self->key, data, data + ZB_SEAL_SIZE, size - ZB_SEAL_SIZE);
    if (zmq_msg_send (frame, zsock_resolve (self->out), ZMQ_DONTWAIT) < 0) {
        zmq_msg_close (frame);
        if (numbered)
            s_count (&self->stats.dropped, "frame dropped", "no connection");
    }
    else if (numbered) {
        self->sent++;
        self->bytes_sent += size;
    }
}

static void s_send_small (zb_ship_t *self, uint8_t kind, uint64_t session, const uint8_t *payload, size_t size)
{
    zmq_msg_t frame;
    int rc = zmq_msg_init_size (&frame, ZB_SEAL_SIZE + size);
    assert (rc == 0);
    if (size)
        memcpy ((uint8_t *) zmq_msg_data (&frame) + ZB_SEAL_SIZE, payload, size);
    s_send (self, &frame, kind, session);
}

static void s_hello (zb_ship_t *self)
{
    uint8_t payload[HELLO_SIZE];
    zb_put64 (payload, self->nonce);
    zb_put32 (payload + 8, self->generation);
    payload[12] = (uint8_t) self->role;
    s_send_small (self, HELLO, 0, payload, sizeof (payload));
}

static void s_welcome (zb_ship_t *self)
{
    uint8_t payload[WELCOME_SIZE];
    zb_put64 (payload, self->nonce);
    zb_put64 (payload + 8, self->waiting_nonce);
    zb_put32 (payload + 16, self->generation);
    s_send_small (self, WELCOME, self->waiting, payload, sizeof (payload));
}

bool zb_ship_record (zb_ship_t *self, const void *control, size_t control_size, const void *record, size_t record_size)
{
    if (!self->session)
        return false;
    if (self->bytes_sent - self->bytes_acked > WINDOW) {
        s_count (&self->stats.dropped, "frame dropped", "the peer does not keep up");
        return false;
    }
    zmq_msg_t frame;
    int rc = zmq_msg_init_size (&frame, ZB_SEAL_SIZE + 4 + control_size + record_size);
    assert (rc == 0);
    uint8_t *payload = (uint8_t *) zmq_msg_data (&frame) + ZB_SEAL_SIZE;
    zb_put32 (payload, (uint32_t) control_size);
    memcpy (payload + 4, control, control_size);
    if (record_size)
        memcpy (payload + 4 + control_size, record, record_size);
    s_send (self, &frame, RECORD, self->session);
    return true;
}

void zb_ship_ack (zb_ship_t *self, uint64_t lsn, bool caught_up)
{
    if (!self->session)
        return;
    uint8_t payload[ACK_SIZE];
    zb_put64 (payload, self->bytes_received);
    zb_put64 (payload + 8, lsn);
    payload[16] = caught_up;
    s_send_small (self, ACK, self->session, payload, sizeof (payload));
}

void zb_ship_grant (zb_ship_t *self)
{
    if (self->session)
        s_send_small (self, GRANT, self->session, NULL, 0);
}

void zb_ship_size (zb_ship_t *self, uint64_t size)
{
    self->size = size;
}

bool zb_ship_tick (zb_ship_t *self, uint64_t lsn, int64_t now)
{
    if (now - self->turned > STALL)
        self->heard = now;
    self->turned = now;
    bool ended = self->session && now - self->heard > SILENCE;
    if (ended)
        s_reset (self);
    if (now - self->ticked < (self->session ? TICK_EVERY : HELLO_EVERY))
        return !ended;
    self->ticked = now;
    if (self->session) {
        uint8_t payload[TICK_SIZE];
        zb_put64 (payload, self->bytes_received);
        zb_put64 (payload + 8, lsn);
        zb_put64 (payload + 16, self->size);
        s_send_small (self, TICK, self->session, payload, sizeof (payload));
    }
    else
        s_hello (self);
    return !ended;
}

//  ---------------------------------------------------------------------------
//  Receive

//  The peer begins anew: a session that we still have with it is over.  Returns true if an event comes of it.
static bool s_got_hello (zb_ship_t *self, const uint8_t *payload, zb_ship_event_t *event)
{
    uint64_t nonce = zb_get64 (payload);
    uint32_t generation = zb_get32 (payload + 8);
    zb_ship_role_t role = payload[12];
    if (generation > self->peer_generation)
        self->peer_generation = generation;
    if (self->session && nonce == self->peer_nonce)
        return false;
    if (self->role == ZB_SHIP_MASTER && role == ZB_SHIP_CLIENT) {
        if (generation > self->generation) {
            event->kind = ZB_SHIP_BEHIND;
            event->generation = generation;
            return true;
        }
        //  A running session goes on until the peer proves with the new one that this was no replay.
        if (!self->waiting || self->waiting_nonce != nonce) {
            self->waiting = s_random ();
            self->waiting_nonce = nonce;
        }
        s_welcome (self);
        return false;
    }
    if (self->session) {
        s_reset (self);
        event->kind = ZB_SHIP_CLOSED;
        return true;
    }
    //  Whoever has just become master is asked to let us in now, not at our next turn.
    if (self->role == ZB_SHIP_CLIENT && role == ZB_SHIP_MASTER)
        s_hello (self);
    event->kind = ZB_SHIP_DUAL;
    return self->role == ZB_SHIP_MASTER && role == ZB_SHIP_MASTER;
}

static bool s_got_welcome (zb_ship_t *self, uint64_t session, const uint8_t *payload, zb_ship_event_t *event,
                           int64_t now)
{
    uint32_t generation = zb_get32 (payload + 16);
    if (self->role != ZB_SHIP_CLIENT || self->session || !session || zb_get64 (payload + 8) != self->nonce)
        return false;
    if (generation > self->peer_generation)
        self->peer_generation = generation;
    s_begin (self, session, zb_get64 (payload), now);
    event->kind = ZB_SHIP_OPENED;
    event->generation = generation;
    return true;
}

//  A numbered frame of this session; sizes were checked.
static bool s_got_numbered (zb_ship_t *self, uint8_t kind, const uint8_t *payload, size_t size, zb_ship_event_t *event)
{
    switch (kind) {
    case RECORD:
        event->kind = ZB_SHIP_RECORD;
        event->control_size = zb_get32 (payload);
        event->control = payload + 4;
        event->record = payload + 4 + event->control_size;
        event->record_size = size - 4 - event->control_size;
        return true;
    case GRANT:
        event->kind = ZB_SHIP_GRANT;
        return self->role == ZB_SHIP_CLIENT;
    default:
        self->bytes_acked = zb_get64 (payload);
        event->lsn = zb_get64 (payload + 8);
        event->kind = kind == ACK ? ZB_SHIP_ACK : ZB_SHIP_TICK;
        event->caught_up = kind == ACK && payload[16];
        event->size = kind == TICK ? zb_get64 (payload + 16) : 0;
        return kind == TICK || self->role == ZB_SHIP_MASTER;
    }
}

static bool s_size_fits (uint8_t kind, const uint8_t *payload, size_t size)
{
    switch (kind) {
    case HELLO:
        return size == HELLO_SIZE && payload[12] <= ZB_SHIP_MASTER;
    case WELCOME:
        return size == WELCOME_SIZE;
    case RECORD:
        return size >= 4 && zb_get32 (payload) <= size - 4;
    case ACK:
        return size == ACK_SIZE && payload[16] <= 1;
    case GRANT:
        return size == 0;
    case TICK:
        return size == TICK_SIZE;
    default:
        return false;
    }
}

//  Works on the frame.  Returns true if an event comes of it.
static bool s_got_frame (zb_ship_t *self, zb_ship_event_t *event, int64_t now)
{
    zb_seal_t seal;
    const void *body;
    size_t size;
    const char *why;
    if (zb_seal_read (&seal, self->key, zmq_msg_data (&self->frame), zmq_msg_size (&self->frame), &body, &size, &why)) {
        s_count (&self->stats.strangers, "frame refused", why);
        return false;
    }
    const uint8_t *payload = body;
    if (seal.node != 3 - self->node || !s_size_fits (seal.kind, payload, size)) {
        s_count (&self->stats.strangers, "frame refused", "wrong node or malformed");
        return false;
    }
    if (seal.kind == HELLO)
        return s_got_hello (self, payload, event);
    if (seal.kind == WELCOME)
        return s_got_welcome (self, seal.session, payload, event, now);
    if (self->waiting && seal.session == self->waiting) {
        s_begin (self, self->waiting, self->waiting_nonce, now);
        event->kind = ZB_SHIP_OPENED;
        event->generation = self->generation;
        self->again = true;
        return true;
    }
    if (!self->session || seal.session != self->session || seal.sequence <= self->received) {
        self->stats.stale++;
        return false;
    }
    if (seal.sequence != self->received + 1) {
        zb_log (ZB_LOG_WARNING, "link: %" PRIu64 " frames are missing, a new session begins",
                seal.sequence - self->received - 1);
        s_reset (self);
        event->kind = ZB_SHIP_CLOSED;
        return true;
    }
    self->received = seal.sequence;
    self->bytes_received += zmq_msg_size (&self->frame);
    self->heard = now;
    return s_got_numbered (self, seal.kind, payload, size, event);
}

//  Whether the connection to the peer has broken since we looked last.
static bool s_disconnected (zb_ship_t *self)
{
    bool broken = false;
    zmq_msg_t part;
    zmq_msg_init (&part);
    //  Two frames each: the event, which can only be the one that was asked for, and the address.
    while (zmq_msg_recv (&part, zsock_resolve (self->monitor), ZMQ_DONTWAIT) >= 0)
        broken = true;
    zmq_msg_close (&part);
    return broken;
}

bool zb_ship_recv (zb_ship_t *self, zb_ship_event_t *event, int64_t now)
{
    for (;;) {
        *event = (zb_ship_event_t){0};
        if (!self->again && zmq_msg_recv (&self->frame, zsock_resolve (self->in), ZMQ_DONTWAIT) < 0)
            break;
        self->again = false;
        if (s_got_frame (self, event, now))
            return true;
    }
    //  What arrived before the connection broke has been taken first.
    if (s_disconnected (self) && self->session) {
        s_reset (self);
        event->kind = ZB_SHIP_CLOSED;
        return true;
    }
    return false;
}
