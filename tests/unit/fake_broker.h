/*  =========================================================================
    fake_broker - two brokers that misbehave as a test wants them to

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    One actor plays both brokers of a pair, with one queue and one store in memory,
    so that a takeover loses nothing.  It keeps the protocol's rules to the letter
    (sessions, numbers, instances), and asks the test's script before each reply.
    What it has seen is looked at after it has ended.
*/

#ifndef FAKE_BROKER_H_INCLUDED
#define FAKE_BROKER_H_INCLUDED

#include <stdatomic.h>

#include <czmq.h>

#include "core/wire/request.h"

#define FAKE_MESSAGES 4096
#define FAKE_SESSIONS 256
#define FAKE_HELD 8

//  What to do with a request.
typedef enum {
    DO_SERVE,    //  as a broker does
    DO_IGNORE,   //  never heard of it
    DO_LOSE,     //  serve, but lose the reply
    DO_HOLD,     //  serve, but keep the reply until fake_release
    DO_CLOSE,    //  serve, lose the reply, and close all connections; then listen again
    DO_DIE,      //  ignore it and close the broker for good
    DO_FORGET,   //  forget the session, and say 401
    DO_PASSIVE,  //  PASSIVE, no endpoint
    DO_POINT,    //  PASSIVE with the other one's endpoint
    DO_ERR,      //  ERR with code and text
    DO_GARBAGE,  //  serve, and reply with nonsense
    DO_WRONG_ID, //  serve, and reply to somebody else
    DO_TWICE     //  serve, and reply two times
} deed_t;

typedef struct fake fake_t;
typedef deed_t (script_fn) (fake_t *self, size_t broker, const zb_request_t *request);

typedef struct {
    size_t broker;
    zframe_t *routing;
    bool named;
    uint64_t instance;
} fake_session_t;

typedef struct {
    char *body;
    char *properties;
    bool leased;
    bool acked;
    unsigned deliveries;
} fake_message_t;

struct fake {
    script_fn *script;
    size_t active;
    unsigned code; //  of DO_ERR
    const char *text;
    int stage;             //  the script's own
    size_t seen[ZB_VERBS]; //  requests
    size_t hellos[2];      //  for each broker
    char token[64];        //  in the last HELLO
    uint64_t presented;    //  instance in the last HELLO
    uint64_t instance;     //  of the producer
    uint64_t last;         //  its last number
    char *digest[FAKE_MESSAGES];
    size_t duplicates;
    fake_message_t message[FAKE_MESSAGES];
    size_t messages;
    size_t nacks;
    size_t extends;
    size_t movable; //  messages that MOVE finds
    size_t cancels; //  GETs with max 0
    size_t bad;     //  requests that were not valid

    zsock_t *router[2];
    char endpoint[2][64];
    fake_session_t session[FAKE_SESSIONS];
    size_t sessions;
    zframe_t *parked; //  routing id of a GET that waits
    char parked_id[32];
    int64_t parked_until;
    size_t parked_broker;
    struct {
        size_t broker;
        zframe_t *routing;
        zmsg_t *reply;
    } held[FAKE_HELD];
    size_t helds;

    //  Sockets order what actor and test do; this one is for tools that don't see it.
    atomic_bool fence;
};

static inline zmsg_t *fake_reply (const char *status, const char *id, fake_t *self, size_t broker)
{
    zmsg_t *reply = zmsg_new ();
    zmsg_addstr (reply, "ZB1");
    zmsg_addstr (reply, status);
    zmsg_addstr (reply, id);
    zmsg_addstrf (reply, "token-%zu-%zu", broker, self->messages);
    return reply;
}

static inline zmsg_t *fake_error (unsigned code, const char *text, const char *id, fake_t *self, size_t broker)
{
    zmsg_t *reply = fake_reply ("ERR", id, self, broker);
    zmsg_addstrf (reply, "%u", code);
    zmsg_addstr (reply, text);
    return reply;
}

static inline fake_session_t *fake_session (fake_t *self, size_t broker, zframe_t *routing)
{
    for (size_t index = 0; index < self->sessions; index++)
        if (self->session[index].broker == broker && zframe_eq (self->session[index].routing, routing))
            return &self->session[index];
    return NULL;
}

static inline void fake_forget (fake_t *self, size_t broker, zframe_t *routing)
{
    for (size_t index = 0; index < self->sessions; index++) {
        fake_session_t *session = &self->session[index];
        if (session->broker == broker && (!routing || zframe_eq (session->routing, routing))) {
            zframe_destroy (&session->routing);
            *session = self->session[--self->sessions];
            index--;
        }
    }
}

static inline void fake_open (fake_t *self, size_t broker)
{
    self->router[broker] = zsock_new (ZMQ_ROUTER);
    assert (self->router[broker]);
    zsock_set_linger (self->router[broker], 0);
    zsock_set_rcvhwm (self->router[broker], 0);
    //  Not a port that the system gives away: while a broker is closed, another process could get it.
    for (int port = 10000 + getpid () % 2500 * 8; !self->endpoint[broker][0] && port < 32768; port++)
        if (zsock_bind (self->router[broker], "tcp://127.0.0.1:%d", port) == port)
            snprintf (self->endpoint[broker], sizeof (self->endpoint[broker]), "tcp://127.0.0.1:%d", port);
    //  The port of a closed socket is free a moment later.
    while (!zsock_endpoint (self->router[broker]))
        if (zsock_bind (self->router[broker], "%s", self->endpoint[broker]) == -1)
            zclock_sleep (1);
}

static inline void fake_close (fake_t *self, size_t broker)
{
    fake_forget (self, broker, NULL);
    if (self->parked && self->parked_broker == broker)
        zframe_destroy (&self->parked);
    zsock_destroy (&self->router[broker]);
}

static inline zmsg_t *fake_hello (fake_t *self, size_t broker, zframe_t *routing, const zb_request_t *request,
                                  const char *id)
{
    snprintf (self->token, sizeof (self->token), "%.*s", (int) request->token.size,
              request->token.size ? (const char *) request->token.data : "");
    self->presented = request->instance;
    bool named = request->name.size > 0;
    if (named && request->instance && request->instance < self->instance)
        return fake_error (409, "fenced: a newer process has the name", id, self, broker);
    if (named && !request->instance)
        self->instance++;
    fake_session_t *session = fake_session (self, broker, routing);
    if (!session) {
        assert (self->sessions < FAKE_SESSIONS);
        session = &self->session[self->sessions++];
        session->routing = zframe_dup (routing);
        session->broker = broker;
    }
    session->named = named;
    session->instance = self->instance;
    zmsg_t *reply = fake_reply ("OK", id, self, broker);
    zmsg_addstrf (reply, "%" PRIu64, named ? self->instance : 0);
    zmsg_addstrf (reply, "%" PRIu64, named ? self->last : 0);
    zmsg_addstr (reply, self->endpoint[broker]);
    zmsg_addstr (reply, self->endpoint[1 - broker]);
    return reply;
}

static inline char *fake_text (zb_frame_t frame)
{
    char *text = (char *) zmalloc (frame.size + 1);
    if (frame.size)
        memcpy (text, frame.data, frame.size);
    return text;
}

static inline zmsg_t *fake_put (fake_t *self, size_t broker, const fake_session_t *session, const zb_request_t *request,
                                const char *id)
{
    char *body = fake_text (request->body[0]);
    bool duplicate = false;
    zmsg_t *error = NULL;
    if (session->named) {
        char expected[24];
        snprintf (expected, sizeof (expected), "%" PRIu64, self->last + 1);
        if (session->instance < self->instance)
            error = fake_error (409, "fenced: a newer process has the name", id, self, broker);
        else if (request->number > self->last + 1 || request->number == 0)
            error = fake_error (409, expected, id, self, broker);
        else if (request->number <= self->last) {
            duplicate = streq (self->digest[request->number], body);
            if (!duplicate)
                error = fake_error (409, "another message has this number", id, self, broker);
        }
    }
    if (!error && !duplicate) {
        if (session->named) {
            free (self->digest[++self->last]);
            self->digest[self->last] = strdup (body);
        }
        for (size_t index = 0; index < request->bodies; index++) {
            fake_message_t *message = &self->message[self->messages++];
            message->body = fake_text (request->body[index]);
            message->properties = fake_text (request->properties);
        }
    }
    self->duplicates += duplicate;
    free (body);
    if (error)
        return error;
    zmsg_t *reply = fake_reply ("OK", id, self, broker);
    zmsg_addstr (reply, broker ? "solo" : "both");
    zmsg_addstrf (reply, "%zu", self->messages - request->bodies + 1);
    zmsg_addstrf (reply, "%zu", self->messages);
    if (duplicate)
        zmsg_addstr (reply, "duplicate");
    return reply;
}

static inline size_t fake_acks (fake_t *self, const zb_request_t *request, bool done)
{
    size_t count = 0;
    for (size_t index = 0; index < request->spans; index++)
        for (uint64_t id = request->span[index].first; id <= request->span[index].last && id <= self->messages;
             id++, count++) {
            self->message[id - 1].leased = false;
            self->message[id - 1].acked |= done;
        }
    return count;
}

//  Answers the GET that waits: with nothing.
static inline void fake_unpark (fake_t *self)
{
    if (self->parked) {
        zmsg_t *empty = fake_reply ("MSG", self->parked_id, self, self->parked_broker);
        zmsg_addstr (empty, "both");
        zmsg_addstr (empty, "orders");
        zmsg_addstr (empty, "");
        zmsg_prepend (empty, &self->parked);
        zmsg_send (&empty, self->router[self->parked_broker]);
    }
}

//  NULL: the GET is parked.
static inline zmsg_t *fake_get (fake_t *self, size_t broker, zframe_t *routing, const zb_request_t *request,
                                const char *id)
{
    fake_acks (self, request, true);
    if (request->max == 0) {
        self->cancels++;
        fake_unpark (self);
    }
    char *index = strdup ("");
    zmsg_t *bodies = zmsg_new ();
    for (size_t at = 0; at < self->messages && zmsg_size (bodies) < request->max; at++) {
        fake_message_t *message = &self->message[at];
        if (message->leased || message->acked)
            continue;
        message->leased = true;
        char *properties = strdup (message->properties);
        for (char *cursor = properties; *cursor; cursor++)
            if (*cursor == '\n')
                *cursor = '\t';
        char *more = zsys_sprintf ("%s%s%zu %u%s%s", index, *index ? "\n" : "", at + 1, ++message->deliveries,
                                   *properties ? "\t" : "", properties);
        free (index);
        free (properties);
        index = more;
        zmsg_addstr (bodies, message->body);
    }
    bool park = zmsg_size (bodies) == 0 && request->wait > 0 && request->spans == 0;
    zmsg_t *reply = NULL;
    if (park) {
        zframe_destroy (&self->parked);
        self->parked = zframe_dup (routing);
        self->parked_broker = broker;
        self->parked_until = zclock_mono () + (int64_t) request->wait;
        snprintf (self->parked_id, sizeof (self->parked_id), "%s", id);
    }
    else {
        reply = fake_reply ("MSG", id, self, broker);
        zmsg_addstr (reply, "both");
        zmsg_addmem (reply, request->queue.data, request->queue.size);
        zmsg_addstr (reply, index);
        for (zframe_t *body = zmsg_pop (bodies); body; body = zmsg_pop (bodies))
            zmsg_append (reply, &body);
    }
    zmsg_destroy (&bodies);
    free (index);
    return reply;
}

static inline zmsg_t *fake_serve (fake_t *self, size_t broker, zframe_t *routing, const zb_request_t *request,
                                  const char *id)
{
    zmsg_t *reply = fake_reply ("OK", id, self, broker);
    if (request->verb == ZB_STATUS)
        zmsg_addstrf (reply, "{\"broker\": %zu}", broker);
    if (request->verb == ZB_STATUS || request->verb == ZB_PING)
        return reply;
    zmsg_destroy (&reply);
    if (broker != self->active) {
        reply = fake_reply ("PASSIVE", id, self, broker);
        zmsg_addstr (reply, self->router[self->active] ? self->endpoint[self->active] : "");
        return reply;
    }
    if (request->verb == ZB_HELLO)
        return fake_hello (self, broker, routing, request, id);
    fake_session_t *session = fake_session (self, broker, routing);
    if (!session)
        return fake_error (401, "say HELLO first", id, self, broker);
    if (zb_frame_is (request->queue, "missing"))
        return fake_error (404, "no such queue", id, self, broker);
    if (request->verb == ZB_PUT)
        return fake_put (self, broker, session, request, id);
    if (request->verb == ZB_GET)
        return fake_get (self, broker, routing, request, id);
    reply = fake_reply ("OK", id, self, broker);
    switch (request->verb) {
    case ZB_LIST:
        zmsg_addstr (reply, "orders");
        zmsg_addstrf (reply, "lease=30000\nmessages=%zu", self->messages);
        zmsg_addstr (reply, "empty");
        zmsg_addstr (reply, "");
        break;
    case ZB_ACK:
        fake_acks (self, request, true);
        zmsg_addstr (reply, "both");
        break;
    case ZB_NACK:
        self->nacks += fake_acks (self, request, false);
        break;
    case ZB_EXTEND:
        self->extends++;
        break;
    case ZB_QUEUE:
        break;
    case ZB_MOVE: {
        size_t some = request->max < self->movable ? (size_t) request->max : self->movable;
        self->movable -= some;
        zmsg_addstr (reply, "both");
        zmsg_addstrf (reply, "%zu", some);
        zmsg_addstr (reply, "17");
        break;
    }
    default:
        zmsg_addstr (reply, "both");
        break;
    }
    return reply;
}

static inline void fake_send (fake_t *self, size_t broker, zframe_t *routing, zmsg_t **reply_p)
{
    if (*reply_p) {
        zmsg_prepend (*reply_p, &routing);
        zmsg_send (reply_p, self->router[broker]);
    }
    zframe_destroy (&routing);
}

//  Changes the id in a reply to the one of a request that nobody made.
static inline void fake_change_id (zmsg_t *reply)
{
    zmsg_first (reply);
    zmsg_next (reply);
    zframe_reset (zmsg_next (reply), "77777", 5);
}

//  Sends what DO_HOLD has kept.
static inline void fake_release (fake_t *self)
{
    for (size_t index = 0; index < self->helds; index++)
        fake_send (self, self->held[index].broker, self->held[index].routing, &self->held[index].reply);
    self->helds = 0;
}

static inline void fake_deed (fake_t *self, size_t broker, zframe_t *routing, const zb_request_t *request, deed_t deed)
{
    char *id = fake_text (request->from.id);
    zmsg_t *reply = NULL;
    if (deed == DO_SERVE || deed == DO_LOSE || deed == DO_HOLD || deed == DO_CLOSE || deed >= DO_GARBAGE)
        reply = fake_serve (self, broker, routing, request, id);
    switch (deed) {
    case DO_LOSE:
        zmsg_destroy (&reply);
        break;
    case DO_HOLD:
        assert (self->helds < FAKE_HELD);
        self->held[self->helds].broker = broker;
        self->held[self->helds].routing = zframe_dup (routing);
        self->held[self->helds++].reply = reply;
        reply = NULL;
        break;
    case DO_CLOSE:
        zmsg_destroy (&reply);
        fake_close (self, broker);
        fake_open (self, broker);
        break;
    case DO_DIE:
        fake_close (self, broker);
        break;
    case DO_FORGET:
        fake_forget (self, broker, routing);
        reply = fake_error (401, "say HELLO first", id, self, broker);
        break;
    case DO_PASSIVE:
    case DO_POINT:
        reply = fake_reply ("PASSIVE", id, self, broker);
        zmsg_addstr (reply, deed == DO_POINT ? self->endpoint[1 - broker] : "");
        break;
    case DO_ERR:
        reply = fake_error (self->code, self->text, id, self, broker);
        break;
    case DO_GARBAGE:
        zmsg_destroy (&reply);
        reply = zmsg_new ();
        zmsg_addstr (reply, "ZB1");
        zmsg_addstr (reply, "\377\376");
        break;
    case DO_WRONG_ID:
        fake_change_id (reply);
        break;
    case DO_TWICE: {
        zmsg_t *copy = reply ? zmsg_dup (reply) : NULL;
        fake_send (self, broker, zframe_dup (routing), &copy);
        break;
    }
    default:
        break;
    }
    if (reply && request->from.envelopes)
        zmsg_pushmem (reply, NULL, 0);
    if (self->router[broker])
        fake_send (self, broker, zframe_dup (routing), &reply);
    zmsg_destroy (&reply);
    free (id);
}

static inline void fake_request (fake_t *self, size_t broker)
{
    zmsg_t *message = zmsg_recv (self->router[broker]);
    zframe_t *routing = message ? zmsg_pop (message) : NULL;
    static zb_frame_t frame[2048];
    size_t count = 0;
    for (zframe_t *part = message ? zmsg_first (message) : NULL; part && count < 2048; part = zmsg_next (message))
        frame[count++] = (zb_frame_t){zframe_data (part), zframe_size (part)};
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    zb_request_t request;
    zb_spans_t ids = {NULL, 0, 0};
    const char *why = NULL;
    if (zb_request_parse (&request, &ids, frame, count, &limits, &why) == 0) {
        self->seen[request.verb]++;
        if (request.verb == ZB_HELLO)
            self->hellos[broker]++;
        deed_t deed = self->script ? self->script (self, broker, &request) : DO_SERVE;
        fake_deed (self, broker, routing, &request, deed);
    }
    else
        self->bad++;
    zb_spans_clear (&ids);
    zframe_destroy (&routing);
    zmsg_destroy (&message);
}

static inline void fake_actor (zsock_t *pipe, void *arg)
{
    fake_t *self = (fake_t *) arg;
    fake_open (self, 0);
    fake_open (self, 1);
    atomic_store (&self->fence, true);
    zsock_signal (pipe, 0);
    while (true) {
        zmq_pollitem_t items[3] = {{.socket = zsock_resolve (pipe), .events = ZMQ_POLLIN}};
        int count = 1;
        size_t broker[3];
        for (size_t index = 0; index < 2; index++)
            if (self->router[index]) {
                broker[count] = index;
                items[count++] = (zmq_pollitem_t){.socket = zsock_resolve (self->router[index]), .events = ZMQ_POLLIN};
            }
        if (zmq_poll (items, count, self->parked ? 5 : -1) == -1)
            continue;
        if (self->parked && zclock_mono () >= self->parked_until)
            fake_unpark (self);
        if (items[0].revents) {
            char *command = zstr_recv (pipe);
            bool end = !command || streq (command, "$TERM");
            free (command);
            if (end)
                break;
        }
        for (int item = 1; item < count; item++)
            if (items[item].revents && self->router[broker[item]])
                fake_request (self, broker[item]);
    }
    fake_close (self, 0);
    fake_close (self, 1);
    zframe_destroy (&self->parked);
    atomic_store (&self->fence, true);
}

static inline fake_t *fake_new (script_fn *script)
{
    fake_t *self = (fake_t *) zmalloc (sizeof (fake_t));
    assert (self);
    self->script = script;
    return self;
}

//  Runs the brokers.
static inline zactor_t *fake_run (fake_t *self)
{
    zactor_t *actor = zactor_new (fake_actor, self);
    assert (actor && atomic_load (&self->fence));
    return actor;
}

//  Ends them; what they have seen can then be looked at.
static inline void fake_stop (fake_t *self, zactor_t **actor_p)
{
    zactor_destroy (actor_p);
    assert (atomic_load (&self->fence));
}

static inline void fake_destroy (fake_t **self_p)
{
    fake_t *self = *self_p;
    for (size_t index = 0; index < self->messages; index++) {
        free (self->message[index].body);
        free (self->message[index].properties);
    }
    for (size_t number = 0; number < FAKE_MESSAGES; number++)
        free (self->digest[number]);
    free (self);
    *self_p = NULL;
}

#endif
