/*  =========================================================================
    ship - the shipping link: log records to the peer, acks and grants back

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <sys/random.h>

#include "core/base/bytes.h"
#include "core/base/limits.h"
#include "core/wire/seal.h"
#include "io/base/gate.h"
#include "io/base/links.h"
#include "io/base/log.h"
#include "io/store/ship.h"

#define WINDOW (64 << 20)   //  bytes under way to the peer, not yet received by its store
#define FRAMES_OUT 100000   //  frames waiting for the connection, all smaller than WINDOW together
#define FRAMES_IN 200       //  frames waiting for us; then TCP holds the sender back
#define TURN_FRAMES 1000    //  frames of strangers and other sessions, that one turn looks at
#define HELLO_EVERY 50      //  ms
#define TICK_EVERY 100      //  ms
#define SILENCE 5000        //  ms without a frame until the session ends
#define STALL 1000          //  ms without a turn of our own: then the silence was ours
#define END_EVERY 50        //  ms between two answers to frames of a session that is over
#define AGAIN 200           //  ms until a connection is made anew that libzmq does not make anew by itself

//  Behind the end of a connection those say that libzmq is about to connect again, or has.
#define MONITORED                                                                                                     \
    (ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CONNECT_RETRIED | ZMQ_EVENT_CONNECT_DELAYED | ZMQ_EVENT_CONNECTED)

enum { HELLO = 1, WELCOME, RECORD, ACK, GRANT, TICK, BEGIN, END };
enum {
    HELLO_SIZE = 9,
    WELCOME_SIZE = 12,
    WELCOME_LEAD_SIZE = 20,
    ACK_SIZE = 17,
    GRANT_SIZE = 8,
    TICK_SIZE = 24,
    BEGIN_SIZE = 12
};

struct zb_ship {
    unsigned node;
    uint8_t key[ZB_SEAL_KEY_SIZE];
    zsock_t *out, *in, *monitor;
    char *peer;        //  where `out` connects to,
    int64_t left;      //  when libzmq was seen to have given the connection up, 0 = it has not
    zb_ship_role_t role;
    uint32_t generation, peer_generation;
    uint64_t lead;  //  ours, or that of the master whose generation we follow; 0 = none, or not told
    uint64_t nonce; //  ours; new for each session
    uint64_t session;
    uint8_t offers[ZB_SEAL_OFFER_SIZE]; //  key of the sessions that WELCOMEs offer; new when one of them has begun
    uint64_t sent, received;            //  sequence of the last frame in this session
    uint64_t bytes_sent, bytes_received, bytes_acked;
    uint64_t asked; //  bytes_sent behind our newest RECORD
    uint64_t size; //  of our store
    int64_t heard, ticked, turned, ended;
    zb_links_t *links;         //  borrowed; may be NULL
    int64_t told_in, told_out; //  when it was told last that something came through
    zmq_msg_t frame; //  the frame in work; the event points into it
    uint64_t number, trusted; //  of its connection at the gate (0 = not known); that was trusted last
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

//  What was offered, or said, for a session before is worth nothing from now on.
static void s_renew (zb_ship_t *self)
{
    self->nonce = s_random ();
    ssize_t size = getrandom (self->offers, sizeof (self->offers), 0);
    assert (size == (ssize_t) sizeof (self->offers));
    self->ticked = 0;
}

static void s_send_small (zb_ship_t *self, uint8_t kind, uint64_t session, const uint8_t *payload, size_t size);

//  Ends the session, if there is one, and begins anew.
static void s_reset (zb_ship_t *self)
{
    if (self->session)
        s_send_small (self, END, self->session, NULL, 0);
    self->session = 0;
    s_renew (self);
}

static void s_begin (zb_ship_t *self, uint64_t session, int64_t now)
{
    self->session = session;
    self->sent = self->received = 0;
    self->bytes_sent = self->bytes_received = self->bytes_acked = self->asked = 0;
    self->heard = now;
    s_renew (self);
}

//  ---------------------------------------------------------------------------
//  Life

static zsock_t *s_push (const char *peer, const zb_keys_t *keys)
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
    zsock_set_maxmsgsize (sock, ZB_SHIPMENT_MAX);
    zb_keys_connect (keys, zsock_resolve (sock), keys ? keys->peer : "");
    if (zsock_connect (sock, "%s", peer) != 0)
        zsock_destroy (&sock);
    return sock;
}

static zsock_t *s_pull (const char *bind, const zb_keys_t *keys)
{
    zsock_t *sock = zsock_new (ZMQ_PULL);
    assert (sock);
    zsock_set_linger (sock, 0);
    zsock_set_rcvhwm (sock, FRAMES_IN);
    zsock_set_maxmsgsize (sock, ZB_SHIPMENT_MAX);
    zsock_set_handshake_ivl (sock, ZB_HANDSHAKE_MS);
    zb_gate_guard (ZB_GATE_SHIP, bind);
    zb_keys_serve (keys, zsock_resolve (sock), ZB_GATE_SHIP);
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
    int rc = zmq_socket_monitor (zsock_resolve (self->out), endpoint, MONITORED);
    assert (rc == 0);
    zsock_t *sock = zsock_new (ZMQ_PAIR);
    assert (sock);
    rc = zsock_connect (sock, "%s", endpoint);
    assert (rc == 0);
    freen (endpoint);
    return sock;
}

zb_ship_t *zb_ship_new (unsigned node, const char *bind, const char *peer, const uint8_t key[32], const zb_keys_t *keys,
                        const char **what)
{
    assert (node == 1 || node == 2);
    zb_ship_t *self = zmalloc (sizeof (*self));
    self->node = node;
    memcpy (self->key, key, ZB_SEAL_KEY_SIZE);
    zmq_msg_init (&self->frame);
    *what = bind;
    self->in = s_pull (bind, keys);
    if (self->in) {
        *what = peer;
        self->out = s_push (peer, keys);
    }
    if (!self->out) {
        int error = errno;
        zb_ship_destroy (&self);
        errno = error;
        return NULL;
    }
    self->peer = strdup (peer);
    assert (self->peer);
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
    free (self->peer);
    freen (self);
}

void zb_ship_act (zb_ship_t *self, zb_ship_role_t role, uint32_t generation)
{
    self->role = role;
    self->generation = generation;
    self->lead = role == ZB_SHIP_MASTER ? s_random () : 0;
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

void zb_ship_tell (zb_ship_t *self, struct zb_links *links)
{
    self->links = links;
}

//  Something has passed in this direction; said now and then.
static void s_passed (zb_ship_t *self, zb_way_t way, int64_t *told)
{
    if (!self->links || self->turned - *told < ZB_LINKS_EVERY)
        return;
    *told = self->turned;
    zb_links_passed (self->links, way, self->turned);
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

static bool s_numbered (uint8_t kind)
{
    return kind >= RECORD && kind <= TICK;
}

//  Seals the frame, whose payload is in place, and sends it; takes the message.
static void s_send (zb_ship_t *self, zmq_msg_t *frame, uint8_t kind, uint64_t session)
{
    uint8_t *data = zmq_msg_data (frame);
    size_t size = zmq_msg_size (frame);
    bool numbered = s_numbered (kind);
    zb_seal_t seal = {.kind = kind, .node = (uint8_t) self->node, .session = session};
    if (numbered)
        seal.sequence = self->sent + 1;
    zb_seal_write (&seal, self->key, data, data + ZB_SEAL_SIZE, size - ZB_SEAL_SIZE);
    if (zmq_msg_send (frame, zsock_resolve (self->out), ZMQ_DONTWAIT) < 0) {
        zmq_msg_close (frame);
        if (numbered)
            s_count (&self->stats.dropped, "frame dropped", "no connection");
    }
    else {
        s_passed (self, ZB_WAY_SHIP_OUT, &self->told_out);
        if (numbered) {
            self->sent++;
            self->bytes_sent += size;
        }
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
    payload[8] = (uint8_t) self->role;
    s_send_small (self, HELLO, self->session, payload, sizeof (payload));
}

//  Offers a session to the client with this nonce: the same one each time.
static void s_welcome (zb_ship_t *self, uint64_t nonce)
{
    uint8_t payload[WELCOME_LEAD_SIZE];
    zb_put64 (payload, nonce);
    zb_put32 (payload + 8, self->generation);
    zb_put64 (payload + 12, self->lead);
    s_send_small (self, WELCOME, zb_seal_offer (self->offers, nonce), payload, sizeof (payload));
}

//  Takes the session that was offered for our nonce, as one of this generation.
static void s_take (zb_ship_t *self, uint64_t session, uint32_t generation)
{
    uint8_t payload[BEGIN_SIZE];
    zb_put64 (payload, self->nonce);
    zb_put32 (payload + 8, generation);
    s_send_small (self, BEGIN, session, payload, sizeof (payload));
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
    self->asked = self->bytes_sent;
    return true;
}

bool zb_ship_is_read (const zb_ship_t *self)
{
    return self->bytes_acked >= self->asked;
}

void zb_ship_rest (zb_ship_t *self, int64_t now)
{
    self->heard = now;
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

void zb_ship_grant (zb_ship_t *self, uint64_t epoch)
{
    if (!self->session)
        return;
    uint8_t payload[GRANT_SIZE];
    zb_put64 (payload, epoch);
    s_send_small (self, GRANT, self->session, payload, sizeof (payload));
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

//  Whoever sends this may be anybody: it is answered, and nothing else comes of it.
static void s_got_hello (zb_ship_t *self, uint64_t session, const uint8_t *payload)
{
    zb_ship_role_t role = payload[8];
    if (self->session && session == self->session)
        return;
    //  A running session goes on until the peer takes the new one, which proves that this was no replay.
    if (self->role == ZB_SHIP_MASTER && role == ZB_SHIP_CLIENT)
        s_welcome (self, zb_get64 (payload));
    //  Whoever has just become master is asked to let us in now, not at our next turn.
    else if (self->role == ZB_SHIP_CLIENT && role == ZB_SHIP_MASTER)
        s_hello (self);
}

static bool s_got_welcome (zb_ship_t *self, uint64_t session, const uint8_t *payload, size_t size,
                           zb_ship_event_t *event, int64_t now)
{
    uint32_t generation = zb_get32 (payload + 8);
    uint64_t lead = size >= WELCOME_LEAD_SIZE ? zb_get64 (payload + 12) : 0;
    if (self->role != ZB_SHIP_CLIENT || !session || session == self->session || zb_get64 (payload) != self->nonce)
        return false;
    //  A store that was set back to a copy counts its generations again.  In one that we follow already our database would
    //  compare nothing, and take the master's log for what it lacks of its own.
    bool again = generation == self->generation && self->lead && lead && lead != self->lead;
    s_take (self, session, self->generation + again);
    //  A master whose generation is below ours, or not its own alone, has to raise it first; it has just been told.
    if (generation < self->generation || again)
        return false;
    self->lead = lead;
    //  We take over the master's in this session: what is out of reach for us now will be our own then.
    if (generation <= self->generation + ZB_GENERATION_REACH)
        self->generation = self->peer_generation = generation;
    s_begin (self, session, now);
    event->kind = ZB_SHIP_OPENED;
    event->generation = generation;
    return true;
}

//  A client takes the session that was offered to it, and tells its generation.
static bool s_got_begin (zb_ship_t *self, uint64_t session, const uint8_t *payload, zb_ship_event_t *event, int64_t now)
{
    uint32_t generation = zb_get32 (payload + 8);
    if (self->session && session == self->session)
        return false;
    if (self->role != ZB_SHIP_MASTER || session != zb_seal_offer (self->offers, zb_get64 (payload))) {
        self->stats.stale++;
        s_send_small (self, END, session, NULL, 0);
        return false;
    }
    if (generation > self->generation && generation - self->generation > ZB_GENERATION_REACH) {
        char why[160];
        snprintf (why, sizeof (why),
                  "its database has generation %" PRIu32 ", ours %" PRIu32
                  ": one of the two stores is an old copy; move that one away, it is fetched anew",
                  generation, self->generation);
        s_count (&self->stats.beyond, "the peer is not let in", why);
        if (self->links)
            zb_links_refused (self->links, ZB_WAY_SHIP_IN, why);
        return false;
    }
    if (generation > self->peer_generation)
        self->peer_generation = generation;
    if (generation > self->generation) {
        event->kind = ZB_SHIP_BEHIND;
        event->generation = generation;
        return true;
    }
    s_begin (self, session, now);
    event->kind = ZB_SHIP_OPENED;
    event->generation = self->generation;
    return true;
}

//  The other side is not in this session.
static bool s_got_end (zb_ship_t *self, uint64_t session, zb_ship_event_t *event)
{
    if (!self->session || session != self->session)
        return false;
    self->session = 0;
    s_renew (self);
    event->kind = ZB_SHIP_CLOSED;
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
        event->epoch = zb_get64 (payload);
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
        return size >= HELLO_SIZE && payload[8] <= ZB_SHIP_MASTER;
    case WELCOME:
        return size >= WELCOME_SIZE;
    case BEGIN:
        return size >= BEGIN_SIZE;
    case RECORD:
        return size >= 4 && zb_get32 (payload) <= size - 4;
    case ACK:
        return size >= ACK_SIZE && payload[16] <= 1;
    case GRANT:
        return size >= GRANT_SIZE;
    case TICK:
        return size >= TICK_SIZE;
    default:
        return kind == END;
    }
}

//  A numbered frame of another session than ours, or one that was here already.
static bool s_got_stale (zb_ship_t *self, uint64_t session, int64_t now)
{
    self->stats.stale++;
    if (session != self->session && now - self->ended >= END_EVERY) {
        self->ended = now;
        s_send_small (self, END, session, NULL, 0);
    }
    return false;
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
        if (self->links)
            zb_links_unsealed (self->links, ZB_WAY_SHIP_IN, why);
        return false;
    }
    const uint8_t *payload = body;
    if (seal.node != 3 - self->node || !s_size_fits (seal.kind, payload, size)) {
        s_count (&self->stats.strangers, "frame refused", "wrong node or malformed");
        return false;
    }
    s_passed (self, ZB_WAY_SHIP_IN, &self->told_in);
    if (seal.kind == HELLO) {
        s_got_hello (self, seal.session, payload);
        return false;
    }
    if (seal.kind == WELCOME)
        return s_got_welcome (self, seal.session, payload, size, event, now);
    if (seal.kind == BEGIN)
        return s_got_begin (self, seal.session, payload, event, now);
    if (seal.kind == END)
        return s_got_end (self, seal.session, event);
    if (!self->session || seal.session != self->session || seal.sequence <= self->received)
        return s_got_stale (self, seal.session, now);
    if (seal.sequence != self->received + 1) {
        zb_log (ZB_LOG_WARNING, "link: %" PRIu64 " frames are missing, a new session begins",
                seal.sequence - self->received - 1);
        s_reset (self);
        event->kind = ZB_SHIP_CLOSED;
        return true;
    }
    if (self->number && self->number != self->trusted) {
        zb_gate_trust (self->number);
        self->trusted = self->number;
    }
    self->received = seal.sequence;
    self->bytes_received += zmq_msg_size (&self->frame);
    self->heard = now;
    return s_got_numbered (self, seal.kind, payload, size, event);
}

//  Whether the connection has broken.  Notes whether libzmq makes it anew: it gives it up for good when what came over it
//  breaks the protocol, somebody has changed or repeated it on the way, say.
static bool s_disconnected (zb_ship_t *self, int64_t now)
{
    bool broken = false;
    zmq_msg_t part;
    zmq_msg_init (&part);
    //  Two frames each: the event, a number of 16 bits and one of 32, and the address.
    while (zmq_msg_recv (&part, zsock_resolve (self->monitor), ZMQ_DONTWAIT) >= 0) {
        uint16_t event = 0;
        if (!zmq_msg_more (&part) || zmq_msg_size (&part) < sizeof event)
            continue;
        memcpy (&event, zmq_msg_data (&part), sizeof event);
        broken = broken || event == ZMQ_EVENT_DISCONNECTED;
        self->left = event == ZMQ_EVENT_DISCONNECTED ? now : 0;
    }
    zmq_msg_close (&part);
    return broken;
}

//  What was on its way in the old connection is lost, so the session is over, too.
static bool s_connect_again (zb_ship_t *self, int64_t now)
{
    if (!self->left || now - self->left < AGAIN)
        return false;
    self->left = 0;
    zmq_disconnect (zsock_resolve (self->out), self->peer);
    int rc = zmq_connect (zsock_resolve (self->out), self->peer);
    assert (rc == 0);
    return true;
}

//  Reads the next frame, if there is one.
static bool s_next (zb_ship_t *self)
{
    if (zmq_msg_recv (&self->frame, zsock_resolve (self->in), ZMQ_DONTWAIT) < 0) {
        zb_gate_idle (ZB_GATE_SHIP);
        return false;
    }
    self->number = zb_gate_read (ZB_GATE_SHIP, zmq_msg_get (&self->frame, ZMQ_SRCFD));
    return true;
}

bool zb_ship_recv (zb_ship_t *self, zb_ship_event_t *event, int64_t now)
{
    for (int frames = 0;; frames++) {
        *event = (zb_ship_event_t){0};
        if (frames == TURN_FRAMES)
            return false;
        if (!s_next (self))
            break;
        if (s_got_frame (self, event, now))
            return true;
    }
    //  What arrived before the connection broke has been taken first.
    bool disconnected = s_disconnected (self, now);
    if ((s_connect_again (self, now) || disconnected) && self->session) {
        s_reset (self);
        event->kind = ZB_SHIP_CLOSED;
        return true;
    }
    return false;
}
