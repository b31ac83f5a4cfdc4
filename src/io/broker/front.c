/*  =========================================================================
    front - the clients' socket

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <czmq.h>

#include "io/base/gate.h"
#include "io/broker/callers.h"
#include "io/broker/front.h"
#include "io/broker/held.h"
#include "io/broker/output.h"

//  What a client may pile up here, in messages.  A lower mark costs small PUTs their speed.  It can't follow the load:
//  when libzmq changes the mark of a pipe in use, the writer may sleep for ever, since it hears of what was read only at
//  every half of the old mark.
#define FRONT_RECV ZB_AHEAD
//  What waits for a client has no mark: libzmq refuses what is beyond one, and the reply would be lost.
#define FRONT_SEND 0
//  Bytes of a frame in libzmq, beside its own.
#define FRONT_FRAME 64
//  A client whose machine is gone is dropped when TCP gets no answer for so long, be the client idle or not; and one that
//  does not read, when its window was shut for so long (TCP_USER_TIMEOUT is for both).  This socket
//  has no heartbeats of ZeroMQ's, which drop a client for its silence: while its requests fill its pipe nothing is read
//  from it, and it would lose them because others are served before it.
#define FRONT_UNREACHABLE 60000 //  ms, for what was sent and not acknowledged
#define FRONT_PROBE_IDLE 30     //  s without a word until TCP asks
#define FRONT_PROBE_EVERY 10    //  s
#define FRONT_PROBES 3

struct zb_front {
    void *socket;
    zsock_t *owner;          //  of the socket
    zb_output_t *output;
    size_t behind;           //  bytes that wait for a client: more, and its requests are refused,
    size_t most;             //  and it is shut down
    size_t all;              //  of all clients
    uint64_t cut;
    size_t frames_max;
    size_t bytes_max;
    zmq_msg_t *message;      //  of the current message, routing id first
    zb_frame_t *frame;
    size_t size;
    int descriptor;          //  that it came over,
    uint64_t number;         //  and the number of that connection at the gate (0 = not known)
    bool whole;
    bool again;              //  it was held
    zb_held_t *held;
    int64_t now;             //  as the caller has said
    uint64_t oversize;
    bool keyed;
    zb_frame_t key;          //  of the client that has sent it
    size_t bytes;            //  of it
    bool is_new;             //  the client
    zb_callers_t *callers;
};

zb_front_t *zb_front_new (const char *bind, const zb_limits_t *limits, const zb_keys_t *keys)
{
    zsock_t *owner = zsock_new (ZMQ_ROUTER);
    assert (owner);
    zsock_set_router_mandatory (owner, 1);
    //  With keys a routing id is nobody's but its connection's, whatever a libzmq does that io/base/boxes does not know.
    zsock_set_router_handover (owner, keys == NULL);
    zb_keys_serve (keys, zsock_resolve (owner), ZB_GATE_CLIENTS);
    zsock_set_linger (owner, 0);
    zsock_set_rcvhwm (owner, FRONT_RECV);
    zsock_set_sndhwm (owner, FRONT_SEND);
    zsock_set_backlog (owner, 1024);
    zsock_set_handshake_ivl (owner, ZB_HANDSHAKE_MS);
    zsock_set_tcp_keepalive (owner, 1);
    zsock_set_tcp_keepalive_idle (owner, FRONT_PROBE_IDLE);
    zsock_set_tcp_keepalive_intvl (owner, FRONT_PROBE_EVERY);
    zsock_set_tcp_keepalive_cnt (owner, FRONT_PROBES);
    int unreachable = FRONT_UNREACHABLE;
    zmq_setsockopt (zsock_resolve (owner), ZMQ_TCP_MAXRT, &unreachable, sizeof unreachable);
    //  What is too large is answered 413, as far as the gate lets it in.
    int64_t frame_max = (int64_t) limits->request + ZB_REQUEST_SLACK;
    zmq_setsockopt (zsock_resolve (owner), ZMQ_MAXMSGSIZE, &frame_max, sizeof frame_max);
    zb_gate_guard (ZB_GATE_CLIENTS, bind);
    if (zsock_attach (owner, bind, true) == -1) {
        int error = errno;
        zsock_destroy (&owner);
        errno = error;
        return NULL;
    }
    zb_front_t *self = (zb_front_t *) zmalloc (sizeof *self);
    self->owner = owner;
    self->socket = zsock_resolve (owner);
    self->keyed = keys != NULL;
    //  Routing id, envelope, "ZB1", verb, id and three arguments around the bodies.
    self->frames_max = limits->bodies + ZB_ENVELOPE_MAX + 8;
    self->bytes_max = limits->request;
    self->output = zb_output_new ();
    self->held = zb_held_new ();
    zb_front_limits (self, limits);
    self->message = (zmq_msg_t *) zmalloc (self->frames_max * sizeof *self->message);
    self->frame = (zb_frame_t *) zmalloc (self->frames_max * sizeof *self->frame);
    self->callers = zb_callers_new ();
    return self;
}

void zb_front_limits (zb_front_t *self, const zb_limits_t *limits)
{
    self->behind = limits->output / 4;
    self->most = limits->output;
    self->all = limits->outputs;
    zb_held_limits (self->held, limits->memory / 16, limits->memory / 4);
}

static void s_release (zb_front_t *self)
{
    for (size_t index = 0; index < self->size; index++)
        zmq_msg_close (&self->message[index]);
    self->size = 0;
    zb_held_done (self->held);
    self->again = false;
}

void zb_front_destroy (zb_front_t **self_p)
{
    assert (self_p);
    zb_front_t *self = *self_p;
    if (self) {
        s_release (self);
        zb_held_destroy (&self->held);
        zsock_destroy (&self->owner);
        zb_callers_destroy (&self->callers);
        zb_output_destroy (&self->output);
        free (self->message);
        free (self->frame);
        free (self);
        *self_p = NULL;
    }
}

void *zb_front_socket (zb_front_t *self)
{
    return self->socket;
}

//  The property that io/auth/auth has given the connection.
static zb_frame_t s_key (const zb_front_t *self)
{
    //  The first frame behind the routing id, which libzmq has made itself.
    zmq_msg_t *first = self->size > 1 ? &self->message[1] : NULL;
    const char *key = self->keyed && first ? zmq_msg_gets (first, "User-Id") : NULL;
    return zb_frame (key ? key : "");
}

//  Reads one whole message, of so many bytes.  Returns false if none waits; *whole tells whether it is within the limits.
static bool s_read (zb_front_t *self, bool *whole, size_t *size)
{
    size_t bytes = 0;
    bool more = true;
    *whole = true;
    self->descriptor = -1;
    while (more) {
        zmq_msg_t message;
        zmq_msg_init (&message);
        if (zmq_msg_recv (&message, self->socket, ZMQ_DONTWAIT) == -1) {
            zmq_msg_close (&message);
            return false;
        }
        if (self->descriptor == -1)
            self->descriptor = zmq_msg_get (&message, ZMQ_SRCFD);
        more = zmq_msg_more (&message);
        bytes += zmq_msg_size (&message);
        if (*whole && self->size < self->frames_max && bytes <= self->bytes_max) {
            zmq_msg_t *kept = &self->message[self->size];
            zmq_msg_init (kept);
            zmq_msg_move (kept, &message);
            self->frame[self->size] = (zb_frame_t) { zmq_msg_data (kept), zmq_msg_size (kept) };
            self->size++;
        }
        else
            *whole = false;
        zmq_msg_close (&message);
    }
    *size = bytes;
    return true;
}

//  A request that was held, and whose time has come.
static bool s_read_held (zb_front_t *self)
{
    zb_letter_t letter;
    self->again = zb_held_next (self->held, self->now, &letter);
    if (!self->again)
        return false;
    for (self->size = 0; self->size < letter.size; self->size++) {
        zmq_msg_t *message = &self->message[self->size];
        zmq_msg_init (message);
        zmq_msg_copy (message, &letter.message[self->size]);
        self->frame[self->size] = (zb_frame_t) { zmq_msg_data (message), zmq_msg_size (message) };
    }
    self->descriptor = letter.descriptor;
    self->number = letter.number;
    self->whole = letter.whole;
    self->bytes = letter.bytes;
    self->key = s_key (self);
    self->is_new = false;
    return true;
}

//  What nobody is to have seen is passed over.
static bool s_read_next (zb_front_t *self)
{
    do {
        s_release (self);
        if (!s_read (self, &self->whole, &self->bytes))
            return false;
        self->number = zb_gate_read (ZB_GATE_CLIENTS, self->descriptor);
        self->oversize += !self->whole;
        //  The first frames of what is too large are enough to answer it.
    } while (self->size <= 1 || zb_callers_is_shut (self->callers, self->number));
    self->key = s_key (self);
    self->is_new = zb_callers_heard (self->callers, self->frame[0], self->key, self->number);
    return true;
}

size_t zb_front_recv (zb_front_t *self, zb_frame_t *routing, const zb_frame_t **frames, bool *cut)
{
    s_release (self);
    if (!s_read_held (self) && !s_read_next (self)) {
        s_release (self);
        zb_gate_idle (ZB_GATE_CLIENTS);
        zb_callers_idle (self->callers);
        return 0;
    }
    *cut = !self->whole;
    *routing = self->frame[0];
    *frames = self->frame + 1;
    return self->size - 1;
}

zb_frame_t zb_front_key (const zb_front_t *self)
{
    return self->key;
}

uint32_t zb_front_of (const zb_front_t *self, zb_frame_t routing, zb_frame_t *key)
{
    uint64_t number = zb_callers_number (self->callers, routing);
    *key = zb_callers_key (self->callers, routing);
    return number ? zb_gate_address (number) : 0;
}

void zb_front_each (zb_front_t *self, zb_caller_fn *function, void *context)
{
    zb_callers_each (self->callers, function, context);
}

uint32_t zb_front_address (const zb_front_t *self)
{
    return zb_gate_address (self->number);
}

size_t zb_front_size (const zb_front_t *self)
{
    return self->bytes;
}

bool zb_front_is_new (const zb_front_t *self)
{
    return self->is_new;
}

bool zb_front_is_held (const zb_front_t *self)
{
    return self->again;
}

bool zb_front_follows (const zb_front_t *self)
{
    return !self->again && zb_held_has (self->held, self->key);
}

bool zb_front_hold (zb_front_t *self, int64_t until)
{
    if (self->again) {
        zb_held_again (self->held, until);
        return true;
    }
    //  Of a connection that has ended nothing waits.
    if (!zb_callers_number (self->callers, self->frame[0]))
        return true;
    zb_letter_t letter = { self->message, self->size, self->bytes, self->whole, self->descriptor, self->number };
    return zb_held_add (self->held, self->frame[0], self->key, &letter, until);
}

void zb_front_resume (zb_front_t *self, int64_t now)
{
    self->now = now;
}

bool zb_front_over (zb_front_t *self, int64_t now, zb_frame_t *routing, zb_frame_t *key)
{
    s_release (self);
    bool over = zb_callers_over (self->callers, now, routing, key);
    if (over)
        zb_held_drop (self->held, *routing);
    return over;
}

void zb_front_end (zb_front_t *self, zb_frame_t routing)
{
    zb_gate_cut (zb_callers_number (self->callers, routing));
}

void zb_front_shut (zb_front_t *self, zb_frame_t routing)
{
    zb_front_end (self, routing);
    zb_callers_shut (self->callers, routing);
}

//  The connection ends as if the client had ended it.
static void s_cut (zb_front_t *self, zb_account_t *account)
{
    if (zb_account_cut (account)) {
        zb_front_end (self, zb_account_routing (account));
        self->cut++;
    }
}

//  Whether the reply may go to the client; else errno says why not.
static bool s_admits (zb_front_t *self, zb_account_t *account, const zb_reply_t *reply, size_t bytes)
{
    size_t waits = zb_output_waits (self->output, account);
    if (waits > self->most) {
        s_cut (self, account);
        errno = EHOSTUNREACH;
        return false;
    }
    //  Whoever reads gets a reply of any size.
    bool large = bytes > ZB_OUTPUT_STEP && waits > ZB_OUTPUT_STEP &&
                 (waits + bytes > self->behind || zb_output_total (self->output) + bytes > self->all);
    if (large || (reply->bodies && zb_output_passed (self->output, account))) {
        zb_output_pass (self->output, account);
        errno = ENOBUFS;
        return false;
    }
    return true;
}

static int s_send (zb_front_t *self, zb_frame_t frame)
{
    return zmq_send (self->socket, frame.data, frame.size, ZMQ_SNDMORE | ZMQ_DONTWAIT) == -1 ? -1 : 0;
}

//  Sends the last frame of a reply; as a mark, if it is to be one.
static void s_send_last (zb_front_t *self, zb_frame_t frame, zb_account_t *account, bool mark)
{
    if (!mark) {
        zmq_send (self->socket, frame.data, frame.size, ZMQ_DONTWAIT);
        return;
    }
    void *hint;
    void *data = zb_output_mark (account, frame, &hint);
    zmq_msg_t message;
    zmq_msg_init_data (&message, data, frame.size, zb_output_freed, hint);
    if (zmq_msg_send (&message, self->socket, ZMQ_DONTWAIT) == -1)
        zmq_msg_close (&message);
}

//  The first frame decides whether the client can be reached; libzmq then takes the whole message.
static int s_send_all (zb_front_t *self, const zb_frames_t *frames)
{
    const zb_reply_t *reply = frames->reply;
    zb_account_t *account = zb_output_account (self->output, reply->to.routing);
    //  What it takes of libzmq's memory, about.
    size_t bytes = frames->bytes + frames->frames * FRONT_FRAME;
    if (!s_admits (self, account, reply, bytes) || s_send (self, reply->to.routing))
        return -1;
    bool mark = zb_output_add (self->output, account, bytes);
    for (size_t index = 0; index + 1 < frames->frames; index++)
        s_send (self, zb_frames_at (frames, index));
    s_send_last (self, zb_frames_at (frames, frames->frames - 1), account, mark);
    return 0;
}

int zb_front_send (zb_front_t *self, const zb_reply_t *reply)
{
    zb_frames_t frames;
    zb_frames_init (&frames, reply);
    int rc = s_send_all (self, &frames);
    int error = errno;
    zb_frames_clear (&frames);
    errno = error;
    return rc;
}

void zb_front_round (zb_front_t *self)
{
    zb_output_round (self->output);
}

bool zb_front_behind (zb_front_t *self, zb_frame_t routing)
{
    zb_account_t *account = zb_output_account (self->output, routing);
    return zb_output_waits (self->output, account) > self->behind || zb_output_full (self->output, account);
}

void zb_front_relieve (zb_front_t *self)
{
    zb_output_look (self->output);
    size_t most = self->all - self->all / 4;
    if (zb_output_total (self->output) <= most)
        return;
    zb_account_t *account = zb_output_most (self->output);
    if (account && zb_output_total (self->output) > most)
        s_cut (self, account);
}

size_t zb_front_waits (const zb_front_t *self)
{
    return zb_output_total (self->output);
}

uint64_t zb_front_cut (const zb_front_t *self)
{
    return self->cut;
}

uint64_t zb_front_oversize (const zb_front_t *self)
{
    return self->oversize;
}
