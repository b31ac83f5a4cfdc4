/*  =========================================================================
    heart - heartbeats between two peers, with echo and proof of death

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Thread and owner share a letter box under a mutex instead of a queue of messages:
    it holds the newest state alone, so that an owner that did not look for ten
    seconds does not work through a hundred old beats.  The actor's pipe carries
    commands one way, and one byte the other way when the box has something new.
*/

#include "patterns/heart.h"
#include "patterns/probe.h"

#include <czmq.h>
#include <pthread.h>

#define PLAIN_MAX (HEART_HEADER_SIZE + HEART_PAYLOAD_MAX)
#define FRAME_MAX (PLAIN_MAX + HEART_SEAL_MAX)
#define SUBSCRIPTION_MAX 64 //  bytes of a frame to our PUB: a subscription to everything has one
#define HANDSHAKE_MS 5000   //  until a connection that has not finished its handshake is closed
#define FOREIGN_MAX 65536 //  bytes of a frame from which on the connection is not worth keeping

#define DRAIN_MAX 10000      //  frames taken in one turn
#define SENT 256             //  beats of which we know when they were sent
#define RECONNECT_MS 50      //  between two attempts to connect, at first
#define RECONNECT_MAX_MS 200 //  and at last
#define RETRY_MS 10          //  after a probe that proved nothing, at first; it doubles
#define RETRY_MAX_MS 10000   //  and at last
#define LINK_MS 2000         //  a connection that does not answer for this long is given up (ZMTP's own heartbeats)

static const char s_magic[4] = {'H', 'A', 'R', 'T'};
#define FRAME_VERSION 1
#define FLAG_ASKS 1

typedef struct {
    uint64_t session;
    uint64_t sequence;
    uint64_t echo_session;
    uint64_t echo_sequence;
    bool asks;
} header_t;

_Static_assert(HEART_HEADER_SIZE == 4 + 4 + offsetof (header_t, asks), "the layout in heart.h");

typedef struct {
    pthread_mutex_t mutex;
    heart_event_t newest; //  the newest state; `kind` is SILENT or DEAD if `gone`
    bool beat;            //  a beat that the owner hasn't taken
    bool gone;            //  a SILENT or DEAD that the owner hasn't taken, and that is newer than any beat
    bool woken;           //  the owner was told that there is something
    bool peer_gone;       //  silent or dead,
    int64_t turn_ms;      //  as of then
    uint64_t question;    //  the newest of the owner's
    int64_t sent_ms;      //  when our newest beat left,
    int64_t unsent_ms;    //  and the longest pause between two that the owner has not asked for
    bool ended;           //  the thread touches nothing any more
    heart_counters_t counters;
} box_t;

typedef struct {
    uint64_t sequence;
    uint64_t question; //  the newest by then
    int64_t sent_ms;
} sent_t;

//  The thread's own.
typedef struct {
    heart_args_t args; //  numbers and callbacks; the texts are the caller's
    char *name;
    char *peer;
    box_t *box;
    zsock_t *pipe;
    zsock_t *pub;
    zsock_t *sub;
    zsock_t *monitor;
    probe_t *probe;
    heart_counters_t counters;
    uint64_t session;
    unsigned connections; //  SUB sockets so far
    uint64_t sequence;    //  of the newest beat we sent
    sent_t sent[SENT];    //  by sequence, modulo
    uint64_t peer_session;
    uint64_t peer_sequence;
    uint64_t replaced; //  the peer's session before
    uint64_t echoed;   //  the newest of our sequences that this session of the peer has echoed
    int64_t echoed_ms;
    uint64_t question; //  the owner's newest,
    uint64_t answered; //  and the newest that this session of the peer has answered
    int64_t heard_ms;
    int64_t quiet_ms;    //  since when silence is measured
    int64_t beat_ms;     //  when the next beat is due
    int64_t sent_ms;     //  when the newest left, or the thread began
    int64_t unsent_ms;   //  the longest pause between two in this turn
    int64_t turn_ms;     //  when the thread last ran
    int64_t paused_ms;   //  in this turn: it is over, and lasted so long
    int64_t renew_ms;    //  when the connection is made anew, since it has closed; 0 = it has not, or stands again
    bool seeking;        //  proof of the peer's death
    int64_t retry_ms;    //  when to probe for it next
    int64_t retry_after; //  the pause after that one
    bool silent;
    bool dead;
    bool parts; //  the next frame is of a message of several, which none of ours is
    bool asks;  //  the next beat is to be answered at once
    bool asked; //  in this turn: the peer wants ours at once
    bool news;  //  in this turn: a beat was heard
    bool loss;  //  in this turn: the peer was found silent or dead
    bool ended;
    size_t size;
    uint8_t payload[HEART_PAYLOAD_MAX];
    uint8_t plain[PLAIN_MAX];
    uint8_t frame[FRAME_MAX];
} pulse_t;

struct heart {
    zactor_t *actor;
    pulse_t *pulse; //  the thread's, once that runs
    box_t box;
    heart_event_t event;   //  the one handed out last
    uint64_t told_session; //  of the last BEAT handed out
    uint64_t session;
    int64_t silence;
    char *endpoint;
};

//  ---------------------------------------------------------------------------
//  The frame

static uint8_t *s_put64 (uint8_t *to, uint64_t number)
{
    for (int shift = 56; shift >= 0; shift -= 8)
        *to++ = (uint8_t) (number >> shift);
    return to;
}

static const uint8_t *s_get64 (const uint8_t *from, uint64_t *number)
{
    *number = 0;
    for (int i = 0; i < 8; i++)
        *number = *number << 8 | *from++;
    return from;
}

static void s_write (uint8_t *to, const header_t *header)
{
    memcpy (to, s_magic, sizeof s_magic);
    memset (to + 4, 0, 4);
    to[4] = FRAME_VERSION;
    to[5] = header->asks ? FLAG_ASKS : 0;
    to = s_put64 (to + 8, header->session);
    to = s_put64 (to, header->sequence);
    to = s_put64 (to, header->echo_session);
    s_put64 (to, header->echo_sequence);
}

static bool s_read (const uint8_t *from, size_t size, header_t *header)
{
    if (size < HEART_HEADER_SIZE || size > PLAIN_MAX || memcmp (from, s_magic, sizeof s_magic) != 0)
        return false;
    if (from[4] != FRAME_VERSION || from[5] > FLAG_ASKS || from[6] || from[7])
        return false;
    header->asks = from[5];
    from = s_get64 (from + 8, &header->session);
    from = s_get64 (from, &header->sequence);
    from = s_get64 (from, &header->echo_session);
    s_get64 (from, &header->echo_sequence);
    return header->session != 0 && header->sequence != 0;
}

//  ---------------------------------------------------------------------------
//  The connection to the peer

static void s_disconnect (pulse_t *self)
{
    if (self->sub)
        zmq_socket_monitor (zsock_resolve (self->sub), NULL, 0);
    zsock_destroy (&self->monitor);
    zsock_destroy (&self->sub);
}

//  Returns -1 with errno EINVAL if the peer's endpoint is malformed.
static int s_connect (pulse_t *self)
{
    char watch[64];
    //  libzmq frees such a name some time after its socket is closed, so each connection has its own.
    snprintf (watch, sizeof watch, "inproc://heart-%016" PRIx64 "-%u", self->session, ++self->connections);
    self->sub = zsock_new (ZMQ_SUB);
    assert (self->sub);
    zsock_set_subscribe (self->sub, "");
    zsock_set_linger (self->sub, 0);
    zsock_set_reconnect_ivl (self->sub, RECONNECT_MS);
    zsock_set_reconnect_ivl_max (self->sub, RECONNECT_MAX_MS);
    //  A machine that is down answers nothing; the next attempt must not wait for the system's own patience.
    zsock_set_connect_timeout (self->sub, LINK_MS);
    zsock_set_heartbeat_ivl (self->sub, LINK_MS);
    zsock_set_heartbeat_timeout (self->sub, LINK_MS);
    zsock_set_handshake_ivl (self->sub, HANDSHAKE_MS);
    //  No mark: libzmq 4.3.4 ends the process if a connection with heartbeats breaks while its pipe is full.
    zsock_set_rcvhwm (self->sub, 0);
    zsock_set_maxmsgsize (self->sub, FOREIGN_MAX);
    int rc =
        zmq_socket_monitor (zsock_resolve (self->sub), watch, ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    assert (rc == 0);
    self->monitor = zsock_new (ZMQ_PAIR);
    assert (self->monitor);
    rc = zsock_connect (self->monitor, "%s", watch);
    assert (rc == 0);
    if (self->args.tune)
        self->args.tune (self->args.context, zsock_resolve (self->sub), self->peer);
    if (zsock_connect (self->sub, "%s", self->peer) == 0)
        return 0;
    s_disconnect (self);
    errno = EINVAL;
    return -1;
}

static void s_reconnect (pulse_t *self)
{
    self->renew_ms = 0;
    s_disconnect (self);
    int rc = s_connect (self);
    assert (rc == 0);
}

//  ---------------------------------------------------------------------------
//  What the thread does in a turn

static void s_beat (pulse_t *self)
{
    uint8_t *plain = self->plain;
    //  Before what it says is read: an echo of it shows that the peer knows what the owner has said until then, and may make
    //  the peer look less fresh than it is, never more.
    const int64_t now = zclock_mono ();
    size_t size = self->args.fill (self->args.context, plain + HEART_HEADER_SIZE, HEART_PAYLOAD_MAX);
    assert (size <= HEART_PAYLOAD_MAX);
    if (size == 0) {
        self->counters.withheld++;
        return;
    }
    const header_t header = {.session = self->session,
                             .sequence = self->sequence + 1,
                             .echo_session = self->peer_session,
                             .echo_sequence = self->peer_sequence,
                             .asks = self->asks};
    const uint8_t *frame = plain;
    size += HEART_HEADER_SIZE;
    s_write (plain, &header);
    if (self->args.seal) {
        ssize_t sealed = self->args.seal (self->args.context, plain, size, self->frame, FRAME_MAX);
        if (sealed < 0) {
            self->counters.withheld++;
            return;
        }
        assert ((size_t) sealed <= FRAME_MAX);
        frame = self->frame;
        size = (size_t) sealed;
    }
    self->sequence++;
    self->asks = false;
    self->counters.sent++;
    self->sent[self->sequence % SENT] =
        (sent_t){.sequence = self->sequence, .question = self->question, .sent_ms = now};
    zmq_send (zsock_resolve (self->pub), frame, size, ZMQ_DONTWAIT);
    self->unsent_ms = now - self->sent_ms > self->unsent_ms ? now - self->sent_ms : self->unsent_ms;
    self->sent_ms = now;
}

static void s_new_session (pulse_t *self, uint64_t session, zmq_msg_t *msg)
{
    const char *address = zmq_msg_gets (msg, "Peer-Address");
    if (address)
        probe_set_address (self->probe, address);
    self->replaced = self->peer_session;
    self->peer_session = session;
    self->peer_sequence = 0;
    self->echoed = 0;
    self->echoed_ms = 0;
    self->answered = 0;
    self->counters.sessions++;
}

//  Takes one frame.  Returns true if it is a beat that is news.
static bool s_hear (pulse_t *self, zmq_msg_t *msg, int64_t now)
{
    const uint8_t *frame = zmq_msg_data (msg);
    size_t size = zmq_msg_size (msg);
    header_t header;
    if (self->args.open) {
        ssize_t opened = self->args.open (self->args.context, frame, size, self->plain, PLAIN_MAX);
        if (opened < 0) {
            self->counters.refused++;
            return false;
        }
        assert ((size_t) opened <= PLAIN_MAX);
        frame = self->plain;
        size = (size_t) opened;
    }
    if (!s_read (frame, size, &header)) {
        self->counters.malformed++;
        return false;
    }
    if (header.session == self->session) {
        self->counters.own++;
        return false;
    }
    if (header.session == self->replaced ||
        (header.session == self->peer_session && header.sequence <= self->peer_sequence)) {
        self->counters.stale++;
        return false;
    }
    if (header.session != self->peer_session)
        s_new_session (self, header.session, msg);
    self->peer_sequence = header.sequence;
    self->counters.heard++;
    self->heard_ms = now;
    self->asked = self->asked || header.asks;
    self->size = size - HEART_HEADER_SIZE;
    memcpy (self->payload, frame + HEART_HEADER_SIZE, self->size);

    const sent_t *sent = &self->sent[header.echo_sequence % SENT];
    if (header.echo_session == self->session && header.echo_sequence > self->echoed &&
        sent->sequence == header.echo_sequence) {
        self->echoed = header.echo_sequence;
        self->echoed_ms = sent->sent_ms;
        self->answered = sent->question;
    }
    return true;
}

//  Takes all frames that are there, so that what the owner hears is the newest.  The bound is for a flood: our own
//  beats go on.
static void s_drain (pulse_t *self, int64_t now)
{
    bool news = false;
    void *sub = zsock_resolve (self->sub);
    for (int i = 0; i < DRAIN_MAX; i++) {
        zmq_msg_t msg;
        zmq_msg_init (&msg);
        if (zmq_msg_recv (&msg, sub, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close (&msg);
            break;
        }
        bool more = zmq_msg_more (&msg);
        if (!more && !self->parts)
            news = s_hear (self, &msg, now) || news;
        else if (!self->parts)
            self->counters.malformed++;
        self->parts = more;
        zmq_msg_close (&msg);
    }
    if (!news)
        return;
    self->quiet_ms = now;
    self->news = true;
    self->silent = self->dead = false;
    //  Between a close and the next connection these are last words.
    if (!self->renew_ms) {
        self->seeking = false;
        probe_cancel (self->probe);
    }
}

//  From now on proof of death is sought, at growing distances.
static void s_seek_proof (pulse_t *self, int64_t now)
{
    if (self->dead || self->seeking)
        return;
    self->seeking = true;
    self->retry_ms = now;
    self->retry_after = RETRY_MS;
}

//  Returns true if the connection to the peer has closed.  libzmq tells of that before the last beats from it can be heard,
//  so only a handshake says that it stands again.
static bool s_closed (pulse_t *self, int64_t now)
{
    bool closed = false;
    for (;;) {
        zmq_msg_t msg;
        uint16_t event = 0;
        zmq_msg_init (&msg);
        int size = zmq_msg_recv (&msg, zsock_resolve (self->monitor), ZMQ_DONTWAIT);
        if (size >= (int) sizeof event)
            memcpy (&event, zmq_msg_data (&msg), sizeof event);
        bool first = size >= 0 && zmq_msg_more (&msg);
        zmq_msg_close (&msg);
        if (size < 0)
            return closed;
        //  The second frame is an address.
        if (first && event == ZMQ_EVENT_DISCONNECTED) {
            self->counters.disconnects++;
            self->renew_ms = now + RECONNECT_MAX_MS;
            closed = true;
        }
        else if (first && event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED)
            self->renew_ms = 0;
    }
}

//  libzmq gives a connection up for good when what came over it breaks the protocol: somebody has changed or repeated it on
//  the way, say.  It does not tell that from any other end.
static void s_renew (pulse_t *self, int64_t now)
{
    if (self->renew_ms && now >= self->renew_ms)
        s_reconnect (self);
}

//  A process that is being killed may close its connection before it closes its ports.  So one probe isn't enough.
static void s_prove (pulse_t *self, int64_t now)
{
    if (self->seeking && now >= self->retry_ms && probe_due (self->probe) == INT64_MAX) {
        if (probe_begin (self->probe, now))
            self->counters.probes++;
        else
            self->seeking = false;
    }
    switch (probe_step (self->probe, now)) {
    case PROBE_PROVEN:
        self->counters.deaths++;
        self->seeking = false;
        self->dead = self->loss = true;
        break;
    case PROBE_NOT_PROVEN:
        self->retry_ms = now + self->retry_after;
        self->retry_after = self->retry_after * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : self->retry_after * 2;
        break;
    case PROBE_IDLE:
    case PROBE_RUNNING:
        break;
    }
}

//  The process was stopped, or starved.  What has piled up in the connection meanwhile is as old as that, and what it
//  heard or didn't in that time says nothing of the peer.  Nor does what was known before.
static void s_after_pause (pulse_t *self, int64_t now)
{
    self->paused_ms += now - self->turn_ms;
    self->counters.pauses++;
    self->quiet_ms = now;
    self->silent = self->dead = self->seeking = false;
    probe_cancel (self->probe);
    s_reconnect (self);
}

//  Returns true if a beat is to be sent at once.
static bool s_obey (pulse_t *self)
{
    bool update = false;
    char *command;
    while ((command = zstr_recv_nowait (self->pipe))) {
        if (streq (command, "$TERM"))
            self->ended = true;
        else
            update = true;
        freen (command);
    }
    if (update) {
        pthread_mutex_lock (&self->box->mutex);
        self->asks = self->asks || self->box->question != self->question;
        self->question = self->box->question;
        pthread_mutex_unlock (&self->box->mutex);
    }
    return update;
}

//  Puts what this turn has found into the box, and wakes the owner, once until it has looked.
static void s_tell (pulse_t *self)
{
    box_t *box = self->box;
    pthread_mutex_lock (&box->mutex);
    if (self->news) {
        heart_event_t *event = &box->newest;
        event->heard_ms = self->heard_ms;
        event->echoed_ms = self->echoed_ms;
        event->answered = self->answered;
        event->session = self->peer_session;
        event->size = self->size;
        memcpy (event->payload, self->payload, self->size);
        box->beat = true;
        box->gone = false;
    }
    if (self->loss) {
        box->newest.kind = self->dead ? HEART_DEAD : HEART_SILENT;
        box->gone = true;
    }
    box->newest.paused_ms += self->paused_ms;
    box->peer_gone = self->silent || self->dead;
    box->turn_ms = self->turn_ms;
    box->sent_ms = self->sent_ms;
    box->unsent_ms = self->unsent_ms > box->unsent_ms ? self->unsent_ms : box->unsent_ms;
    box->counters = self->counters;
    bool wake = (box->beat || box->gone) && !box->woken;
    if (wake)
        box->woken = true;
    pthread_mutex_unlock (&box->mutex);
    self->news = self->loss = false;
    self->paused_ms = self->unsent_ms = 0;
    if (wake)
        zmq_send (zsock_resolve (self->pipe), "", 0, ZMQ_DONTWAIT);
}

//  Waits until there is something to do.
static void s_wait (pulse_t *self)
{
    zmq_pollitem_t items[3 + PROBE_MAX] = {{.socket = zsock_resolve (self->pipe), .events = ZMQ_POLLIN},
                                           {.socket = zsock_resolve (self->sub), .events = ZMQ_POLLIN},
                                           {.socket = zsock_resolve (self->monitor), .events = ZMQ_POLLIN}};
    int fds[PROBE_MAX];
    size_t probes = probe_fds (self->probe, fds);
    for (size_t i = 0; i < probes; i++)
        items[3 + i] = (zmq_pollitem_t){.fd = fds[i], .events = ZMQ_POLLOUT};

    int64_t due = self->beat_ms;
    if (!self->silent && !self->dead && self->quiet_ms + self->args.silence < due)
        due = self->quiet_ms + self->args.silence;
    if (self->renew_ms && self->renew_ms < due)
        due = self->renew_ms;
    if (probe_due (self->probe) < due)
        due = probe_due (self->probe);
    else if (self->seeking && self->retry_ms < due && probe_due (self->probe) == INT64_MAX)
        due = self->retry_ms;
    int64_t now = zclock_mono ();
    if (zmq_poll (items, (int) (3 + probes), due > now ? (long) (due - now) : 0) < 0 && zmq_errno () == ETERM)
        self->ended = true;
}

static void s_turn (pulse_t *self)
{
    int64_t now = zclock_mono ();
    if (now - self->turn_ms > self->args.silence)
        s_after_pause (self, now);
    self->turn_ms = now;
    bool update = s_obey (self);
    if (s_closed (self, now))
        s_seek_proof (self, now);
    s_drain (self, now);
    s_renew (self, now);
    if (!self->silent && !self->dead && now - self->quiet_ms >= self->args.silence) {
        self->silent = self->loss = true;
        s_seek_proof (self, now);
    }
    s_prove (self, now);
    if (now >= self->beat_ms || update || self->asked)
        s_beat (self);
    self->asked = false;
    if (now >= self->beat_ms) {
        self->beat_ms += self->args.interval;
        if (self->beat_ms <= now)
            self->beat_ms = now + self->args.interval;
    }
    s_tell (self);
}

static void s_run (zsock_t *pipe, void *args)
{
    pulse_t *self = args;
    self->pipe = pipe;
    pthread_setname_np (pthread_self (), "heart");
    self->turn_ms = self->quiet_ms = self->beat_ms = self->sent_ms = zclock_mono ();
    pthread_mutex_lock (&self->box->mutex);
    self->box->sent_ms = self->sent_ms;
    pthread_mutex_unlock (&self->box->mutex);
    zsock_signal (pipe, 0);
    while (!self->ended) {
        s_turn (self);
        if (!self->ended)
            s_wait (self);
    }
    pthread_mutex_lock (&self->box->mutex);
    self->box->ended = true;
    pthread_mutex_unlock (&self->box->mutex);
}

//  ---------------------------------------------------------------------------
//  What the owner calls

static void s_pulse_destroy (pulse_t **self_p)
{
    pulse_t *self = *self_p;
    if (self) {
        s_disconnect (self);
        zsock_destroy (&self->pub);
        probe_destroy (&self->probe);
        free (self->name);
        free (self->peer);
        free (self);
        *self_p = NULL;
    }
}

//  Returns NULL with errno set.
static pulse_t *s_pulse_new (const heart_args_t *args, box_t *box)
{
    pulse_t *self = zmalloc (sizeof *self);
    assert (self);
    self->args = *args;
    self->name = strdup (args->name ? args->name : "heart");
    self->peer = strdup (args->peer);
    assert (self->name && self->peer);
    self->args.interval = args->interval ? args->interval : HEART_INTERVAL;
    self->args.silence = args->silence ? args->silence : HEART_SILENCE;
    self->box = box;
    while (self->session == 0)
        if (getentropy (&self->session, sizeof self->session))
            assert (!"the system has random numbers");
    self->pub = zsock_new (ZMQ_PUB);
    assert (self->pub);
    //  It hears subscriptions, and keeps each.
    zsock_set_maxmsgsize (self->pub, SUBSCRIPTION_MAX);
    zsock_set_handshake_ivl (self->pub, HANDSHAKE_MS);
    zsock_set_linger (self->pub, 0);
    zsock_set_heartbeat_ivl (self->pub, LINK_MS);
    zsock_set_heartbeat_timeout (self->pub, LINK_MS);
    zsock_set_rcvhwm (self->pub, 0);
    if (args->tune)
        args->tune (args->context, zsock_resolve (self->pub), NULL);
    self->probe = probe_new (args->peer, args->probe, args->probes);
    if (self->probe && self->args.interval > 0 && self->args.silence >= 2 * self->args.interval) {
        if (zsock_bind (self->pub, "%s", args->bind) >= 0 && s_connect (self) == 0)
            return self;
    }
    else
        errno = EINVAL;
    int error = errno;
    s_pulse_destroy (&self);
    errno = error;
    return NULL;
}

heart_t *heart_new (const heart_args_t *args)
{
    assert (args && args->bind && args->peer && args->fill);
    heart_t *self = zmalloc (sizeof *self);
    assert (self);
    pthread_mutex_init (&self->box.mutex, NULL);
    self->pulse = s_pulse_new (args, &self->box);
    if (!self->pulse) {
        int error = errno;
        heart_destroy (&self);
        errno = error;
        return NULL;
    }
    self->session = self->pulse->session;
    self->silence = self->pulse->args.silence;
    self->endpoint = strdup (zsock_endpoint (self->pulse->pub));
    assert (self->endpoint);
    self->actor = zactor_new (s_run, self->pulse);
    assert (self->actor);
    return self;
}

void heart_destroy (heart_t **self_p)
{
    assert (self_p);
    heart_t *self = *self_p;
    if (self) {
        if (self->actor) {
            zactor_destroy (&self->actor);
            pthread_mutex_lock (&self->box.mutex);
            assert (self->box.ended);
            pthread_mutex_unlock (&self->box.mutex);
        }
        s_pulse_destroy (&self->pulse);
        pthread_mutex_destroy (&self->box.mutex);
        free (self->endpoint);
        free (self);
        *self_p = NULL;
    }
}

void *heart_sock (heart_t *self)
{
    return zactor_sock (self->actor);
}

const heart_event_t *heart_recv (heart_t *self)
{
    box_t *box = &self->box;
    heart_event_t *event = &self->event;
    void *pipe = zsock_resolve (self->actor);
    bool beat;
    bool gone;
    pthread_mutex_lock (&box->mutex);
    beat = box->beat;
    gone = !beat && box->gone;
    if (beat || gone) {
        memcpy (event, &box->newest, offsetof (heart_event_t, payload) + box->newest.size);
        box->newest.paused_ms = 0;
        box->beat = false;
        if (gone)
            box->gone = false;
    }
    else {
        while (zmq_recv (pipe, NULL, 0, ZMQ_DONTWAIT) >= 0)
            ;
        box->woken = false;
    }
    pthread_mutex_unlock (&box->mutex);
    if (!beat && !gone)
        return NULL;
    if (beat) {
        event->kind = HEART_BEAT;
        event->session_is_new = event->session != self->told_session;
        self->told_session = event->session;
    }
    else
        event->session_is_new = false;
    return event;
}

bool heart_peer_gone (heart_t *self)
{
    pthread_mutex_lock (&self->box.mutex);
    bool gone = self->box.peer_gone && zclock_mono () - self->box.turn_ms <= self->silence;
    pthread_mutex_unlock (&self->box.mutex);
    return gone;
}

int64_t heart_unsent (heart_t *self)
{
    pthread_mutex_lock (&self->box.mutex);
    int64_t unsent = zclock_mono () - self->box.sent_ms;
    unsent = unsent > self->box.unsent_ms ? unsent : self->box.unsent_ms;
    self->box.unsent_ms = 0;
    pthread_mutex_unlock (&self->box.mutex);
    return unsent;
}

void heart_update (heart_t *self)
{
    zstr_send (self->actor, "UPDATE");
}

void heart_ask (heart_t *self, uint64_t question)
{
    pthread_mutex_lock (&self->box.mutex);
    self->box.question = question;
    pthread_mutex_unlock (&self->box.mutex);
    heart_update (self);
}

uint64_t heart_session (const heart_t *self)
{
    return self->session;
}

const char *heart_endpoint (const heart_t *self)
{
    return self->endpoint;
}

heart_counters_t heart_counters (heart_t *self)
{
    pthread_mutex_lock (&self->box.mutex);
    heart_counters_t counters = self->box.counters;
    pthread_mutex_unlock (&self->box.mutex);
    return counters;
}
