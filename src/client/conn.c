/*  =========================================================================
    conn - a client's way to the broker that serves it

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

          +------ retry_at, or a connection comes up -------+
          |                                                  v
        AWAY <-- PASSIVE, 503, silence, loss, no HELLO -- GREETING
          ^                                                  |
          |                                                  | OK
          +------- loss, silence, PASSIVE, 401, 503 -----  READY
*/

#include "client/conn.h"

//  ms between two HELLOs while nobody serves: a takeover lasts some 10 to 100 ms, so that the first hundred attempts
//  come fast.  Then each waits longer than the last one.
#define S_PAUSE 10
#define S_PAUSE_MANY 100
#define S_PAUSE_STEP 5
#define S_PAUSE_LONG 500
//  Where there is one address alone, another broker may be behind it, too: after so many answers that name none that
//  serves, another connection is tried.
#define S_PAUSE_SAME 8

//  ms of silence of the broker that serves us, while a reply is due, until it is asked whether it turns; each time that it
//  does the next silence may last twice as long.
#define S_KNOCK 100
//  ms without an answer to that until another one is asked whether it serves; so many times at short distances, while a
//  takeover is under way.
#define S_DOUBT 100
#define S_DOUBT_LONG 200
#define S_DOUBT_AGAIN 25
#define S_DOUBT_MANY 16

typedef enum { S_AWAY, S_GREETING, S_READY } state_t;

//  Why a broker of the list does not serve us, by its last word.
typedef struct {
    unsigned code; //  of its ERR; 0 if it was none
    char text[200];
} said_t;

struct zb_conn {
    pirate_t *pirate;
    state_t state;
    char name[ZB_NAME_MAX + 1];
    char token[ZB_TOKEN_MAX]; //  of the last OK or MSG
    size_t token_size;
    uint64_t instance; //  0 = none yet
    char restored[200]; //  what the brokers said when their store was made of a backup; "" if that was not
    uint64_t last_number;
    int64_t patience;

    uint64_t serial;     //  of HELLOs and PINGs
    char hello[24];      //  id of the HELLO under way
    uint64_t generation; //  of the connection
    bool started;
    bool used;          //  requests were sent on this connection
    bool pinged;        //  a PING is under way
    bool paused;        //  the last broker that greeted us sent us away
    bool eager;         //  AWAY: for want of a connection; one that comes up is greeted at once
    int64_t retry_at;   //  AWAY: when to greet
    int64_t greeted_at; //  GREETING: when HELLO was sent
    int64_t heard_at;   //  the last sign of life, or the last question
    int64_t pinged_at;  //  when the PING was sent
    int64_t knock_after; //  ms of silence until the next knock, a PING of its own kind
    bool knocked;        //  and this one has not been heard since
    char doubt[24];      //  id of the HELLO to another broker meanwhile
    size_t doubted;      //  that broker
    size_t doubts;       //  HELLOs of that kind since the knock
    int64_t doubt_at;    //  knocked: when to send the next one
    size_t tries;       //  since the last READY
    bool trouble;       //  something is said
    said_t said[PIRATE_ENDPOINTS];
    bool rejected; //  for good
    const char *endpoint;

    zmq_msg_t *message; //  the frames of the last reply
    zb_frame_t *frame;  //  the same, borrowed
    size_t frames;
    size_t room;
    zb_answer_t answer;
};

zb_conn_t *zb_conn_new (const char *brokers)
{
    pirate_t *pirate = pirate_new (brokers);
    if (!pirate)
        return NULL;
    zb_conn_t *self = (zb_conn_t *) zmalloc (sizeof (zb_conn_t));
    assert (self);
    self->pirate = pirate;
    self->patience = 2000;
    self->knock_after = S_KNOCK;
    self->endpoint = "";
    return self;
}

static void s_clear (zb_conn_t *self)
{
    for (size_t index = 0; index < self->frames; index++)
        zmq_msg_close (&self->message[index]);
    self->frames = 0;
}

void zb_conn_destroy (zb_conn_t **self_p)
{
    assert (self_p);
    if (*self_p) {
        zb_conn_t *self = *self_p;
        s_clear (self);
        free (self->message);
        free (self->frame);
        pirate_destroy (&self->pirate);
        free (self);
        *self_p = NULL;
    }
}

void zb_conn_set_name (zb_conn_t *self, const char *name)
{
    assert (!self->started && strlen (name) <= ZB_NAME_MAX);
    snprintf (self->name, sizeof (self->name), "%s", name);
}

void zb_conn_set_tune (zb_conn_t *self, pirate_tune_fn *tune, void *context)
{
    assert (!self->started);
    pirate_set_tune (self->pirate, tune, context);
}

void zb_conn_set_patience (zb_conn_t *self, int64_t patience)
{
    assert (patience > 0);
    self->patience = patience;
}

bool zb_conn_ready (const zb_conn_t *self)
{
    return self->state == S_READY;
}

bool zb_conn_started (const zb_conn_t *self)
{
    return self->started;
}

uint64_t zb_conn_generation (const zb_conn_t *self)
{
    return self->generation;
}

const char *zb_conn_restored (const zb_conn_t *self)
{
    return self->restored;
}

uint64_t zb_conn_last_number (const zb_conn_t *self)
{
    return self->last_number;
}

const zb_answer_t *zb_conn_answer (const zb_conn_t *self)
{
    return &self->answer;
}

zmq_msg_t *zb_conn_take (zb_conn_t *self, size_t *count)
{
    zmq_msg_t *message = self->message;
    *count = self->frames;
    self->message = NULL;
    self->frames = 0;
    self->room = 0;
    return message;
}

const pirate_t *zb_conn_pirate (const zb_conn_t *self)
{
    return self->pirate;
}

const char *zb_conn_endpoint (const zb_conn_t *self)
{
    return self->endpoint;
}

//  --- Moving -------------------------------------------------------------------------------------------------------

static const char *s_current (const zb_conn_t *self)
{
    return pirate_endpoint (self->pirate, pirate_current (self->pirate));
}

//  The current broker's word.
static void s_said (zb_conn_t *self, unsigned code, const char *text)
{
    said_t *said = &self->said[pirate_current (self->pirate)];
    self->trouble = true;
    said->code = code;
    snprintf (said->text, sizeof (said->text), "%s", text);
}

//  The text of an ERR, fit for people's eyes and our buffers.
static void s_said_frame (zb_conn_t *self, unsigned code, zb_frame_t text)
{
    said_t *said = &self->said[pirate_current (self->pirate)];
    int size = text.size < sizeof (said->text) ? (int) text.size : (int) sizeof (said->text) - 1;
    self->trouble = true;
    said->code = code;
    snprintf (said->text, sizeof (said->text), "says %u %.*s", code, size, size ? (const char *) text.data : "");
}

unsigned zb_conn_why (const zb_conn_t *self, char *text, size_t size)
{
    unsigned code = 0;
    size_t used = 0;
    *text = 0;
    for (size_t index = 0; index < pirate_size (self->pirate) && used < size; index++) {
        const said_t *said = &self->said[index];
        bool current = index == pirate_current (self->pirate);
        if (self->rejected && !current)
            continue;
        const char *word = said->text;
        if (!*word && current && self->state == S_READY)
            word = "does not answer";
        else if (!*word)
            word = pirate_connected (self->pirate, index) ? "was not asked" : "no connection";
        used += (size_t) snprintf (text + used, size - used, "%s%s %s", used ? "; " : "",
                                   pirate_endpoint (self->pirate, index), word);
        code = code ? code : said->code;
    }
    return code;
}

//  No broker serves us, until one is greeted at `retry_at` or later.
static void s_away (zb_conn_t *self, int64_t retry_at)
{
    self->state = S_AWAY;
    self->eager = false;
    self->retry_at = retry_at;
}

//  What was sent on the connection is given up.
static void s_new_generation (zb_conn_t *self)
{
    self->generation++;
    self->used = false;
    self->pinged = self->knocked = false;
    self->knock_after = S_KNOCK;
}

//  Whether the current connection can be kept for later when we move.
static bool s_clean (const zb_conn_t *self)
{
    return !self->used && !self->pinged;
}

static int64_t s_pause (zb_conn_t *self)
{
    size_t tries = self->tries++;
    if (tries < S_PAUSE_MANY)
        return S_PAUSE;
    int64_t pause = S_PAUSE + (int64_t) (tries - S_PAUSE_MANY) * S_PAUSE_STEP;
    return pause < S_PAUSE_LONG ? pause : S_PAUSE_LONG;
}

//  Moves to the next broker, if there is one; `clean` as for pirate_next.
static void s_next (zb_conn_t *self, bool clean)
{
    pirate_next (self->pirate, clean);
    s_new_generation (self);
}

//  The same after an answer that it does not serve; `elsewhere`: another one is said to.
static void s_next_asked (zb_conn_t *self, bool elsewhere)
{
    bool clean = s_clean (self);
    if (elsewhere || (pirate_size (self->pirate) == 1 && self->tries % S_PAUSE_SAME == 0)) {
        pirate_reroute (self->pirate);
        clean = true;
    }
    s_next (self, clean);
}

void zb_conn_leave (zb_conn_t *self, const char *reason)
{
    s_said (self, 0, reason);
    s_next (self, false);
    s_away (self, zclock_mono ());
}

void zb_conn_greet (zb_conn_t *self)
{
    if (self->state == S_READY)
        s_away (self, zclock_mono ());
}

void zb_conn_pause (zb_conn_t *self, unsigned code, zb_frame_t text)
{
    if (self->state == S_READY) {
        s_said_frame (self, code, text);
        self->paused = true;
        s_away (self, zclock_mono () + s_pause (self));
    }
}

void zb_conn_reject (zb_conn_t *self, unsigned code, zb_frame_t text)
{
    s_said_frame (self, code, text);
    self->rejected = true;
    self->state = S_AWAY;
}

void zb_conn_passive (zb_conn_t *self, zb_frame_t endpoint)
{
    //  Only brokers of our own list are used, and only if they can be reached.
    size_t index = 0;
    size_t size = pirate_size (self->pirate);
    while (index < size && !zb_frame_is (endpoint, pirate_endpoint (self->pirate, index)))
        index++;
    bool known = index < size && index != pirate_current (self->pirate) && pirate_connected (self->pirate, index);
    bool foreign = index == size && endpoint.size > 0;

    char word[128];
    int shown = endpoint.size < 100 ? (int) endpoint.size : 100;
    snprintf (word, sizeof (word), shown ? "is passive and names %.*s" : "is passive", shown,
              shown ? (const char *) endpoint.data : "");
    s_said (self, ZB_NOT_READY, word);
    int64_t now = zclock_mono ();
    int64_t pause = s_pause (self);
    //  At once; but two brokers that send us to each other must not keep us running in circles.
    if ((known || foreign) && self->tries == 1)
        pause = 0;
    if (known) {
        pirate_move (self->pirate, index, s_clean (self));
        s_new_generation (self);
    }
    else
        s_next_asked (self, foreign);
    s_away (self, now + pause);
}

//  --- Sending ------------------------------------------------------------------------------------------------------

static bool s_send_frame (void *socket, const void *data, size_t size, bool more)
{
    return zmq_send (socket, data, size, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0)) != -1;
}

static bool s_send_head (void *socket, zb_verb_t verb, const char *id, bool more)
{
    const char *name = zb_verb_name (verb);
    return s_send_frame (socket, "ZB1", 3, true) && s_send_frame (socket, name, strlen (name), true) &&
           s_send_frame (socket, id, strlen (id), more);
}

bool zb_conn_send (zb_conn_t *self, zb_verb_t verb, const char *id, zmq_msg_t *args, size_t count)
{
    if (self->state != S_READY)
        return false;
    void *socket = pirate_socket (self->pirate);
    bool sent = s_send_head (socket, verb, id, count > 0);
    for (size_t index = 0; index < count && sent; index++) {
        //  Shares the bytes where they are many.
        zmq_msg_t copy;
        zmq_msg_init (&copy);
        zmq_msg_copy (&copy, &args[index]);
        sent = zmq_msg_send (&copy, socket, ZMQ_DONTWAIT | (index + 1 < count ? ZMQ_SNDMORE : 0)) != -1;
        zmq_msg_close (&copy);
    }
    if (sent) {
        self->used = true;
        self->heard_at = zclock_mono ();
    }
    else
        zb_conn_leave (self, "is gone");
    return sent;
}

//  What a HELLO says of us.
static bool s_send_hello (zb_conn_t *self, void *socket, const char *id)
{
    char instance[21] = "";
    if (self->instance)
        zb_number_format (self->instance, instance);
    return s_send_frame (socket, "HELLO", 5, true) && s_send_frame (socket, id, strlen (id), true) &&
           s_send_frame (socket, self->name, strlen (self->name), true) &&
           s_send_frame (socket, self->token, self->token_size, true) &&
           s_send_frame (socket, instance, strlen (instance), false);
}

//  Sends HELLO to the current broker, or goes on to the next one if that is not possible.
static void s_greet (zb_conn_t *self, int64_t now)
{
    snprintf (self->hello, sizeof (self->hello), "h%" PRIu64, ++self->serial);
    self->started = true;
    if (!pirate_connected (self->pirate, pirate_current (self->pirate)))
        s_next (self, true);
    void *socket = pirate_socket (self->pirate);
    //  While there is no connection the first frame fails, and nothing has to be cleaned up.
    if (s_send_frame (socket, "ZB1", 3, true)) {
        if (s_send_hello (self, socket, self->hello)) {
            if (!self->said[pirate_current (self->pirate)].text[0])
                s_said (self, 0, "does not answer");
            self->state = S_GREETING;
            self->greeted_at = now;
            return;
        }
        s_next (self, false);
    }
    s_away (self, now + s_pause (self));
    self->eager = true;
}

static void s_ping (zb_conn_t *self)
{
    char id[24];
    snprintf (id, sizeof (id), "p%" PRIu64, ++self->serial);
    if (s_send_head (pirate_socket (self->pirate), ZB_PING, id, false)) {
        self->pinged = true;
        self->pinged_at = zclock_mono ();
    }
    else
        zb_conn_leave (self, "is gone");
}

//  The broker that serves us is silent: it may be stopped, or slow.  One that turns says so, however long its reply takes:
//  to ask another one then would be a vote against it, and where the brokers' link is cut that one would lead beside it.
static void s_knock (zb_conn_t *self, int64_t now)
{
    char id[24];
    snprintf (id, sizeof (id), "k%" PRIu64, ++self->serial);
    //  Where the PING can't be sent nothing answers it.
    s_send_head (pirate_socket (self->pirate), ZB_PING, id, false);
    self->knocked = true;
    self->knock_after *= 2;
    self->doubts = 0;
    self->doubt_at = now + S_DOUBT;
}

//  It does not turn.  Another one is asked, and this one is not left before that one says that it serves.  So a broker that
//  is slow costs nothing, and one that is stopped no more than the takeover.
static void s_ask_other (zb_conn_t *self, int64_t now)
{
    size_t size = pirate_size (self->pirate), others = size - 1;
    self->doubt_at = now + S_DOUBT_LONG;
    void *socket = NULL;
    //  Each time another one of those to which a connection stands.
    for (size_t step = 0; step < others && !socket; step++) {
        self->doubted = (pirate_current (self->pirate) + 1 + (self->doubts + step) % others) % size;
        socket = pirate_listen (self->pirate, self->doubted);
    }
    if (!socket)
        self->doubt_at = now + S_DOUBT_AGAIN;
    self->doubts++;
    snprintf (self->doubt, sizeof (self->doubt), "d%" PRIu64, ++self->serial);
    if (socket && s_send_frame (socket, "ZB1", 3, true))
        s_send_hello (self, socket, self->doubt);
}

//  --- Receiving ----------------------------------------------------------------------------------------------------

//  Receives a whole message; returns false if there is none.
static bool s_receive (zb_conn_t *self, void *socket)
{
    s_clear (self);
    if (!socket)
        return false;
    do {
        if (self->frames == self->room) {
            self->room = self->room ? self->room * 2 : 16;
            self->message = (zmq_msg_t *) realloc (self->message, self->room * sizeof (zmq_msg_t));
            self->frame = (zb_frame_t *) realloc (self->frame, self->room * sizeof (zb_frame_t));
            assert (self->message && self->frame);
        }
        zmq_msg_t *message = &self->message[self->frames];
        zmq_msg_init (message);
        if (zmq_msg_recv (message, socket, ZMQ_DONTWAIT) == -1) {
            zmq_msg_close (message);
            s_clear (self);
            return false;
        }
        self->frames++;
    } while (zmq_msg_more (&self->message[self->frames - 1]));
    //  Small messages live in their zmq_msg_t, so that borrowing waits until these don't move any more.
    for (size_t index = 0; index < self->frames; index++) {
        self->frame[index].data = zmq_msg_data (&self->message[index]);
        self->frame[index].size = zmq_msg_size (&self->message[index]);
    }
    return true;
}

//  There was trouble, and it is over.
static void s_well (zb_conn_t *self)
{
    if (self->trouble)
        memset (self->said, 0, sizeof (self->said));
    self->trouble = false;
    self->tries = 0;
}

//  The brokers' store is another one than the one that we know, made of a backup: forgets what belongs to that, and
//  goes on.
//  False if they say something else.
static bool s_restored (zb_conn_t *self, zb_frame_t text)
{
    static const char word[] = "restored at commit ";
    if (self->token_size == 0 || text.size < sizeof word || memcmp (text.data, word, sizeof word - 1))
        return false;
    size_t size = text.size < sizeof self->restored ? text.size : sizeof self->restored - 1;
    memcpy (self->restored, text.data, size);
    self->restored[size] = 0;
    self->restored[strcspn (self->restored, ";")] = 0;
    self->token_size = 0;
    self->instance = 0;
    return true;
}

//  The answer to our HELLO.
static zb_conn_event_t s_greeted (zb_conn_t *self, int64_t now)
{
    const zb_answer_t *answer = &self->answer;
    zb_frame_t none = {"", 0};
    uint64_t instance = 0;
    uint64_t last = 0;
    switch (answer->status) {
    case ZB_ANSWER_OK:
        //  Without a name there is nothing to number.
        if (self->name[0] && (answer->args < 2 || !zb_number_parse (answer->arg[0], INT64_MAX, &instance) ||
                              !zb_number_parse (answer->arg[1], INT64_MAX, &last)))
            return ZB_CONN_NOTHING;
        if (instance != self->instance) {
            //  A first HELLO alone may be one that was given up: only who says more has the name, and his last number
            //  is final.
            self->instance = instance;
            s_greet (self, now);
            return ZB_CONN_NOTHING;
        }
        self->last_number = last;
        self->state = S_READY;
        self->heard_at = now;
        if (!self->paused)
            s_well (self);
        self->paused = false;
        self->endpoint = s_current (self);
        return ZB_CONN_READY;
    case ZB_ANSWER_PASSIVE:
        zb_conn_passive (self, answer->args ? answer->arg[0] : none);
        return ZB_CONN_NOTHING;
    case ZB_ANSWER_ERR:
        switch (answer->code) {
        case ZB_FORBIDDEN:
            if (s_restored (self, answer->args > 1 ? answer->arg[1] : none)) {
                s_greet (self, now);
                return ZB_CONN_NOTHING;
            }
            //  fallthrough
        case ZB_BAD_REQUEST:
        case ZB_CONFLICT:
            zb_conn_reject (self, answer->code, answer->args > 1 ? answer->arg[1] : none);
            return ZB_CONN_REJECTED;
        default: {
            s_said_frame (self, answer->code, answer->args > 1 ? answer->arg[1] : none);
            int64_t pause = s_pause (self);
            s_next_asked (self, false);
            s_away (self, now + pause);
            return ZB_CONN_NOTHING;
        }
        }
    default:
        return ZB_CONN_NOTHING;
    }
}

//  Whether it answers a HELLO of before.  That told a token that is old by now: another broker may have answered us since,
//  which the one that says this may not know of.
static bool s_is_late (const zb_conn_t *self)
{
    char kind = *(const char *) self->answer.id.data;
    return kind == 'd' || (kind == 'h' && !zb_frame_is (self->answer.id, self->hello));
}

//  Looks at a message; what is not a reply of ZB1 is as good as silence.
static zb_conn_event_t s_take (zb_conn_t *self, int64_t now)
{
    zb_answer_t *answer = &self->answer;
    if (zb_wire_parse_reply (answer, self->frame, self->frames) != 0 || answer->id.size == 0)
        return ZB_CONN_NOTHING;
    self->heard_at = now;
    self->knocked = false;
    bool good = answer->status == ZB_ANSWER_OK || answer->status == ZB_ANSWER_MSG;
    if (good && !s_is_late (self) && answer->token.size > 0 && answer->token.size <= sizeof (self->token)) {
        memcpy (self->token, answer->token.data, answer->token.size);
        self->token_size = answer->token.size;
    }
    switch (*(const char *) answer->id.data) {
    case 'h':
        if (self->state == S_GREETING && zb_frame_is (answer->id, self->hello))
            return s_greeted (self, now);
        return ZB_CONN_NOTHING;
    case 'p':
        self->pinged = false;
        return ZB_CONN_NOTHING;
    case 'd':
    case 'k':
        return ZB_CONN_NOTHING;
    default:
        self->knock_after = S_KNOCK;
        if (good)
            s_well (self);
        return ZB_CONN_REPLY;
    }
}

//  What the other broker says: if it serves, it is moved to.
static void s_take_other (zb_conn_t *self, int64_t now)
{
    zb_answer_t *answer = &self->answer;
    if (!s_receive (self, pirate_listen (self->pirate, self->doubted)) || self->state != S_READY || !self->knocked ||
        zb_wire_parse_reply (answer, self->frame, self->frames) != 0 || !zb_frame_is (answer->id, self->doubt))
        return;
    if (answer->status != ZB_ANSWER_OK) {
        self->doubt_at = now + (self->doubts < S_DOUBT_MANY ? S_DOUBT_AGAIN : S_DOUBT_LONG);
        return;
    }
    s_said (self, 0, "is silent");
    pirate_move (self->pirate, self->doubted, false);
    s_new_generation (self);
    s_away (self, now);
}

//  --- Waiting ------------------------------------------------------------------------------------------------------

//  When this broker is asked whether it turns, or another one whether it serves us.
static int64_t s_doubt_at (const zb_conn_t *self, int64_t waiting)
{
    if (self->state != S_READY || waiting < 0 || pirate_size (self->pirate) == 1)
        return INT64_MAX;
    return self->knocked ? self->doubt_at : self->heard_at + waiting + self->knock_after;
}

//  When silence ends our patience, or is worth a PING.
static int64_t s_patience_at (const zb_conn_t *self, int64_t waiting)
{
    switch (self->state) {
    case S_AWAY:
        return self->retry_at;
    case S_GREETING:
        return self->greeted_at + self->patience;
    default:
        if (waiting < 0)
            return INT64_MAX;
        return (self->pinged ? self->pinged_at : self->heard_at) + self->patience / 2;
    }
}

static int64_t s_limit (const zb_conn_t *self, int64_t waiting)
{
    int64_t doubt = s_doubt_at (self, waiting), end = s_patience_at (self, waiting);
    return doubt < end ? doubt : end;
}

//  The limit has come.
static void s_expire (zb_conn_t *self, int64_t waiting, int64_t now)
{
    if (self->state == S_AWAY)
        s_greet (self, now);
    else if (now < s_patience_at (self, waiting) && !self->knocked)
        s_knock (self, now);
    else if (now < s_patience_at (self, waiting))
        s_ask_other (self, now);
    else if (self->state == S_READY && !self->pinged)
        s_ping (self);
    else
        zb_conn_leave (self, "is silent");
}

zb_conn_event_t zb_conn_wait (zb_conn_t *self, int64_t until, int64_t waiting)
{
    if (self->rejected)
        return ZB_CONN_REJECTED;
    int64_t now = zclock_mono ();
    while (true) {
        int64_t limit = s_limit (self, waiting);
        int64_t next = limit < until ? limit : until;
        bool expired = false;
        switch (pirate_wait (self->pirate, next > now ? next - now : 0)) {
        case PIRATE_READY:
            now = zclock_mono ();
            if (s_receive (self, pirate_socket (self->pirate))) {
                zb_conn_event_t event = s_take (self, now);
                if (event != ZB_CONN_NOTHING)
                    return event;
            }
            break;
        case PIRATE_LOST:
            now = zclock_mono ();
            if (self->state != S_AWAY || !self->said[pirate_current (self->pirate)].text[0])
                s_said (self, 0, "closed the connection");
            s_next (self, true);
            s_away (self, now);
            break;
        case PIRATE_UP:
            now = zclock_mono ();
            //  If that is what we have waited for, then no longer.
            if (self->state == S_AWAY && self->eager)
                self->retry_at = now;
            break;
        case PIRATE_OTHER:
            now = zclock_mono ();
            s_take_other (self, now);
            break;
        case PIRATE_INTERRUPTED:
            return ZB_CONN_INTERRUPTED;
        case PIRATE_NOTHING:
            now = zclock_mono ();
            expired = true;
            break;
        }
        if (expired && now >= s_limit (self, waiting))
            s_expire (self, waiting, now);
        if (expired && now >= until)
            return ZB_CONN_NOTHING;
    }
}
