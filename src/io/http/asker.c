/*  =========================================================================
    asker - asks both brokers what HTTP is asked, as a client of theirs

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <arpa/inet.h>
#include <assert.h>
#include <jansson.h>
#include <sodium.h>
#include <sys/stat.h>
#include <czmq.h>

#include "core/wire/proof.h"
#include "core/wire/seal.h"
#include "io/base/log.h"
#include "io/base/thread.h"
#include "io/http/asker.h"
#include "io/http/logins.h"

#define EVERY 1000    //  ms between two looks at the other broker
#define LOOKED 10000  //  ms that somebody is taken to look
#define LOST 5000     //  ms without an answer until the connection is made anew
#define ANSWER 3000   //  ms until a broker that does not answer is given up,
#define OPERATED 8000 //  and of a switchover
#define PAUSE 100     //  ms between two looks at what there is to do
#define GUESS 1000    //  ms between a wrong password and the next try from the same address,
#define LOOK 1000     //  ms between two looks at the file of logins
#define GUESSERS 8    //  and so many addresses: from others no password is looked at meanwhile

struct zb_asker {
    const zb_config_t *config;
    const zb_keys_t *keys;
    zb_board_t *board;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t more;
    zb_question_t *waits[ZB_HTTP_CONNECTIONS]; //  the eldest first
    size_t waiting;
    bool closed, joined;
    char *peer;     //  its STATUS
    int64_t came;   //  ms
    int64_t looked; //  ms: when somebody wanted it
    uint64_t wrongs;  //  passwords
    uint64_t edition; //  of the file of logins
    //  The thread's own.
    zsock_t *sock; //  to the other broker, for its STATUS
    int64_t since; //  ms: when it was made
    int64_t asked; //  ms
    struct stat logins; //  their file, as it was looked at,
    int64_t read;       //  ms: when
    struct {
        uint32_t address;
        int64_t when; //  ms: a password was wrong; 0: the place is free
    } wrong[GUESSERS];
};

void zb_question_clear (zb_question_t *self)
{
    for (size_t index = 0; index < self->texts; index++)
        free (self->text[index]);
    free (self->text);
    free (self->size);
    free (self->found);
    self->text = NULL;
    self->size = NULL;
    self->found = NULL;
    self->texts = 0;
}

//  Adds a text to an answer that has room for it.
static void s_add (zb_question_t *question, const void *data, size_t size)
{
    char *text = (char *) zmalloc (size + 1);
    if (size)
        memcpy (text, data, size);
    question->text[question->texts] = text;
    question->size[question->texts++] = size;
}

static void s_begin (zb_question_t *question, unsigned code, size_t room)
{
    question->code = code;
    question->text = (char **) zmalloc ((room + 1) * sizeof *question->text);
    question->size = (size_t *) zmalloc ((room + 1) * sizeof *question->size);
}

static void s_answer (zb_question_t *question, unsigned code, const char *text)
{
    s_begin (question, code, 1);
    s_add (question, text, strlen (text));
}

//  ---------------------------------------------------------------------------
//  The wire

static const char *s_endpoint (const zb_asker_t *self, bool own)
{
    int as = self->config->as;
    return self->config->host[own ? as : as == ZB_PRIMARY ? ZB_BACKUP : ZB_PRIMARY].endpoint;
}

//  Connects to this broker or the other one, as `who` or as the broker itself.
static zsock_t *s_connect (const zb_asker_t *self, bool own, const zb_keys_t *who)
{
    zsock_t *sock = zsock_new (ZMQ_DEALER);
    assert (sock);
    zsock_set_linger (sock, 0);
    if (self->keys)
        zb_keys_connect (who ? who : self->keys, zsock_resolve (sock),
                         own ? self->keys->own.public_key : self->keys->peer);
    if (zsock_connect (sock, "%s", s_endpoint (self, own)))
        zsock_destroy (&sock);
    return sock;
}

static void s_send (zsock_t *sock, zb_verb_t verb, const char *id, const char *const *argument, size_t arguments)
{
    zmsg_t *msg = zmsg_new ();
    zmsg_addstr (msg, "ZB1");
    zmsg_addstr (msg, zb_verb_name (verb));
    zmsg_addstr (msg, id);
    for (size_t index = 0; index < arguments; index++)
        zmsg_addstr (msg, argument[index]);
    if (zmsg_send (&msg, sock))
        zmsg_destroy (&msg);
}

//  Takes an answer to this request apart.  Returns false if it is another one's.
static bool s_take (zmsg_t *msg, const char *id, zb_question_t *question)
{
    char *head = zmsg_popstr (msg), *status = zmsg_popstr (msg), *to = zmsg_popstr (msg), *token = zmsg_popstr (msg);
    bool fits = to && token && streq (head, "ZB1") && streq (to, id);
    if (fits && streq (status, "ERR")) {
        char *code = zmsg_popstr (msg), *text = zmsg_popstr (msg);
        s_answer (question, code ? (unsigned) atoi (code) : 503, text ? text : "");
        free (code);
        free (text);
    }
    else if (fits && streq (status, "PASSIVE"))
        s_answer (question, 503, "the role is moving to the other broker: try again");
    else if (fits) {
        s_begin (question, 0, zmsg_size (msg));
        for (zframe_t *frame = zmsg_first (msg); frame; frame = zmsg_next (msg))
            s_add (question, zframe_data (frame), zframe_size (frame));
    }
    free (head);
    free (status);
    free (to);
    free (token);
    return fits;
}

//  Waits for the answer, and gives it up at `end`.
static void s_wait (zsock_t *sock, const char *id, zb_question_t *question, int64_t end)
{
    zb_question_clear (question);
    while (true) {
        int64_t left = end - zclock_mono ();
        zmq_pollitem_t item = {zsock_resolve (sock), 0, ZMQ_POLLIN, 0};
        if (left <= 0 || zmq_poll (&item, 1, (long) left) <= 0) {
            s_answer (question, 503, "no answer: the broker is busy, or it knows no such key");
            return;
        }
        zmsg_t *msg = zmsg_recv (sock);
        bool taken = msg && s_take (msg, id, question);
        zmsg_destroy (&msg);
        if (taken)
            return;
    }
}

//  Whether this STATUS is an active broker's.
static bool s_leads (const char *status)
{
    json_t *object = status ? json_loads (status, 0, NULL) : NULL;
    const char *role = json_string_value (json_object_get (object, "role"));
    bool leads = role && streq (role, "active");
    json_decref (object);
    return leads;
}

//  Which broker is active: this one, or the other one by its own word.  False: neither.
static bool s_find_active (zb_asker_t *self, bool *own)
{
    int64_t made;
    char *status = zb_board_read (self->board, &made);
    *own = s_leads (status);
    free (status);
    if (*own || self->config->as == ZB_SINGLE)
        return *own;
    zsock_t *sock = s_connect (self, false, NULL);
    if (!sock)
        return false;
    zb_question_t question = {0};
    s_send (sock, ZB_STATUS, "s", NULL, 0);
    s_wait (sock, "s", &question, zclock_mono () + EVERY);
    bool leads = question.code == 0 && question.texts && s_leads (question.text[0]);
    zb_question_clear (&question);
    zsock_destroy (&sock);
    return leads;
}

//  The proof that an operator's request takes, of the challenge that the broker tells now.
static bool s_prove (zb_asker_t *self, zsock_t *sock, zb_question_t *question, char proof[ZB_PROOF_SIZE + 1])
{
    s_send (sock, ZB_STATUS, "s", NULL, 0);
    s_wait (sock, "s", question, zclock_mono () + ANSWER);
    if (question->code)
        return false;
    json_t *status = question->texts ? json_loads (question->text[0], 0, NULL) : NULL;
    const char *challenge = json_string_value (json_object_get (status, "challenge"));
    uint8_t key[ZB_SEAL_KEY_SIZE];
    zb_seal_key (key, self->config->pair, self->config->secret);
    zb_proof_make (proof, key, zb_verb_name (question->verb), challenge ? challenge : "");
    sodium_memzero (key, sizeof key);
    json_decref (status);
    return true;
}

static void s_converse (zb_asker_t *self, zsock_t *sock, zb_question_t *question)
{
    int64_t end = zclock_mono () + (question->verb == ZB_SWITCHOVER ? OPERATED : ANSWER);
    if (zb_protocol (question->verb)->by == ZB_BY_OPERATOR) {
        char proof[ZB_PROOF_SIZE + 1];
        const char *argument[] = {proof};
        if (!s_prove (self, sock, question, proof))
            return;
        s_send (sock, question->verb, "q", argument, 1);
    }
    else if (zb_protocol (question->verb)->by == ZB_BY_BROKER)
        s_send (sock, question->verb, "q", question->argument, question->arguments);
    else {
        s_send (sock, ZB_HELLO, "h", NULL, 0);
        s_wait (sock, "h", question, end);
        if (question->code)
            return;
        s_send (sock, question->verb, "q", question->argument, question->arguments);
    }
    s_wait (sock, "q", question, end);
}

static void s_ask (zb_asker_t *self, zb_question_t *question)
{
    zb_keys_t who = {0};
    char *error = NULL;
    bool own = true;
    if (self->keys && question->key && zb_keys_read (&who.own, question->key, &error)) {
        s_answer (question, 403, error);
        free (error);
        return;
    }
    if (question->verb != ZB_EVENTS && !s_find_active (self, &own))
        s_answer (question, 503, "no broker serves now");
    else {
        zsock_t *sock = s_connect (self, own, question->key ? &who : NULL);
        if (sock)
            s_converse (self, sock, question);
        else
            s_answer (question, 503, zmq_strerror (errno));
        zsock_destroy (&sock);
    }
    sodium_memzero (&who, sizeof who);
}

//  Counts how often the file of logins has become another one.
static void s_look_at_logins (zb_asker_t *self)
{
    struct stat now = {0}, *known = &self->logins;
    self->read = zclock_mono ();
    if (stat (self->config->http_login, &now))
        memset (&now, 0, sizeof now);
    bool same = now.st_dev == known->st_dev && now.st_ino == known->st_ino && now.st_size == known->st_size &&
                now.st_ctim.tv_sec == known->st_ctim.tv_sec && now.st_ctim.tv_nsec == known->st_ctim.tv_nsec;
    self->logins = now;
    pthread_mutex_lock (&self->mutex);
    self->edition += !same;
    pthread_mutex_unlock (&self->mutex);
}

//  The place of this address, or that of the one that was wrong before all others.
static size_t s_guesser (const zb_asker_t *self, uint32_t address)
{
    size_t place = 0;
    for (size_t index = 0; index < GUESSERS; index++) {
        if (self->wrong[index].when && self->wrong[index].address == address)
            return index;
        if (self->wrong[index].when < self->wrong[place].when)
            place = index;
    }
    return place;
}

//  Whoever guesses has one try a second, and holds up nobody else.
static void s_log_in (zb_asker_t *self, zb_question_t *question)
{
    size_t place = s_guesser (self, question->address);
    if (self->wrong[place].when && zclock_mono () - self->wrong[place].when < GUESS) {
        s_answer (question, 429, "a password was wrong just now: try again in a second");
        return;
    }
    s_look_at_logins (self);
    question->edition = self->edition;
    unsigned code = zb_login_check (question->file, question->name, question->password, &question->found);
    if (code == 403) {
        pthread_mutex_lock (&self->mutex);
        self->wrongs++;
        pthread_mutex_unlock (&self->mutex);
        //  Not the name: who errs may have typed the password there.  They are GUESSERS a second at most.
        char from[INET_ADDRSTRLEN] = "?";
        inet_ntop (AF_INET, &(struct in_addr){question->address}, from, sizeof from);
        zb_log (ZB_LOG_NOTICE, "page: a wrong name or password from %s", from);
    }
    bool same = self->wrong[place].address == question->address;
    if (code == 403 || same) {
        self->wrong[place].address = question->address;
        self->wrong[place].when = code == 403 ? zclock_mono () : 0;
    }
    s_answer (question, code,
              code == 403   ? "name or password is wrong"
              : code == 503 ? "the file of logins can't be read: the broker's log says why"
                            : "");
}

//  ---------------------------------------------------------------------------
//  The other broker's status

static void s_hear_peer (zb_asker_t *self, int64_t now)
{
    zmsg_t *msg;
    while (self->sock && zsock_events (self->sock) & ZMQ_POLLIN && (msg = zmsg_recv (self->sock))) {
        zb_question_t question = {0};
        if (s_take (msg, "p", &question) && question.code == 0 && question.texts) {
            pthread_mutex_lock (&self->mutex);
            free (self->peer);
            self->peer = question.text[0];
            self->came = now;
            question.text[0] = NULL;
            pthread_mutex_unlock (&self->mutex);
        }
        zb_question_clear (&question);
        zmsg_destroy (&msg);
    }
}

static void s_look_at_peer (zb_asker_t *self, int64_t looked, int64_t came)
{
    int64_t now = zclock_mono ();
    if (self->config->as == ZB_SINGLE)
        return;
    bool wanted = looked && now - looked <= LOOKED;
    if (!wanted || now - (came > self->since ? came : self->since) > LOST)
        zsock_destroy (&self->sock);
    if (!wanted)
        return;
    if (!self->sock) {
        self->sock = s_connect (self, false, NULL);
        self->since = now;
        self->asked = 0;
    }
    s_hear_peer (self, now);
    if (self->sock && now - self->asked >= EVERY) {
        self->asked = now;
        s_send (self->sock, ZB_STATUS, "p", NULL, 0);
    }
}

//  ---------------------------------------------------------------------------
//  Life

//  The next question; NULL after a pause without one.
static zb_question_t *s_next (zb_asker_t *self, bool *closed, int64_t *looked, int64_t *came)
{
    struct timespec until;
    clock_gettime (CLOCK_MONOTONIC, &until);
    until.tv_nsec += PAUSE * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_mutex_lock (&self->mutex);
    while (!self->waiting && !self->closed && pthread_cond_timedwait (&self->more, &self->mutex, &until) == 0)
        ;
    zb_question_t *question = self->waiting ? self->waits[0] : NULL;
    if (question)
        memmove (self->waits, self->waits + 1, --self->waiting * sizeof *self->waits);
    *closed = self->closed;
    *looked = self->looked;
    *came = self->came;
    pthread_mutex_unlock (&self->mutex);
    return question;
}

static void *s_run (void *context)
{
    zb_asker_t *self = (zb_asker_t *) context;
    bool closed = false;
    zb_question_t *question = NULL;
    while (!closed || question) {
        int64_t looked, came;
        question = s_next (self, &closed, &looked, &came);
        if (question && closed)
            s_answer (question, 503, "the broker ends");
        else if (question && question->file)
            s_log_in (self, question);
        else if (question)
            s_ask (self, question);
        if (question)
            question->done (question->context);
        if (!closed)
            s_look_at_peer (self, looked, came);
        if (!closed && self->config->http_login && zclock_mono () - self->read >= LOOK)
            s_look_at_logins (self);
    }
    zsock_destroy (&self->sock);
    return NULL;
}

zb_asker_t *zb_asker_new (const zb_config_t *config, const zb_keys_t *keys, zb_board_t *board)
{
    zb_asker_t *self = (zb_asker_t *) zmalloc (sizeof *self);
    self->config = config;
    self->keys = keys;
    self->board = board;
    pthread_mutex_init (&self->mutex, NULL);
    zb_thread_cond (&self->more);
    int error = zb_thread_start (&self->thread, s_run, self);
    if (error) {
        free (self);
        errno = error;
        return NULL;
    }
    return self;
}

void zb_asker_close (zb_asker_t *self)
{
    pthread_mutex_lock (&self->mutex);
    self->closed = true;
    pthread_cond_signal (&self->more);
    pthread_mutex_unlock (&self->mutex);
    if (!self->joined)
        pthread_join (self->thread, NULL);
    self->joined = true;
}

void zb_asker_destroy (zb_asker_t **self_p)
{
    assert (self_p);
    zb_asker_t *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    zb_asker_close (self);
    pthread_cond_destroy (&self->more);
    pthread_mutex_destroy (&self->mutex);
    free (self->peer);
    free (self);
}

bool zb_asker_ask (zb_asker_t *self, zb_question_t *question)
{
    pthread_mutex_lock (&self->mutex);
    bool taken = !self->closed && self->waiting < ZB_HTTP_CONNECTIONS;
    if (taken)
        self->waits[self->waiting++] = question;
    pthread_cond_signal (&self->more);
    pthread_mutex_unlock (&self->mutex);
    return taken;
}

char *zb_asker_peer (zb_asker_t *self, int64_t *came)
{
    pthread_mutex_lock (&self->mutex);
    self->looked = zclock_mono ();
    char *copy = self->peer ? strdup (self->peer) : NULL;
    *came = self->came;
    pthread_mutex_unlock (&self->mutex);
    return copy;
}

uint64_t zb_asker_wrong (zb_asker_t *self)
{
    pthread_mutex_lock (&self->mutex);
    uint64_t wrongs = self->wrongs;
    pthread_mutex_unlock (&self->mutex);
    return wrongs;
}

uint64_t zb_asker_edition (zb_asker_t *self)
{
    pthread_mutex_lock (&self->mutex);
    uint64_t edition = self->edition;
    pthread_mutex_unlock (&self->mutex);
    return edition;
}
