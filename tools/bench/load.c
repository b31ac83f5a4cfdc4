/*  =========================================================================
    bench_load - clients that load a broker, and what they saw

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <czmq.h>
#include <sys/timerfd.h>

#include "core/wire/wire.h"
#include "tools/bench/load.h"
#include "tools/pair.h"

#define SECOND 1000000000LL
#define PATIENCE (30 * SECOND) //  for any answer
#define PROGRESS (SECOND / 5)
#define TURN_MESSAGES 100 //  answers of one client in a row
#define GET_WAIT "10000"  //  ms
#define FRAMES 1100       //  of an answer: the most bodies and what is around them
#define GREETINGS 100     //  HELLOs of idle clients under way

//  A PUT in flight.  Its bodies are all the same bytes, which libzmq sends from here.
typedef struct {
    uint64_t number; //  0: free
    int64_t meant;   //  when it was to be sent
    size_t bodies;
    char *body;
} put_t;

typedef struct {
    size_t queue;
    size_t acks;  //  messages that it acknowledges
    size_t asked; //  messages that it asks for
    char *later;  //  the acks of a GET that may not be sent yet, else NULL
} get_t;

typedef struct {
    void *socket;
    bool producer, greeted;
    size_t index;    //  among the producers, or the consumers
    put_t *put;      //  a producer's window: PUT number n is in n modulo its size
    uint64_t number; //  of the newest PUT
    uint64_t base;   //  what a name had put before
    size_t inflight;
    get_t *get; //  a consumer's GETs; their ids are indexes
    size_t gets;
} client_t;

typedef struct {
    const bench_load_t *load;
    bench_result_t *result;
    void *context;
    client_t *client;
    size_t clients, greeted;
    zmq_pollitem_t *item; //  the timer, then the clients
    int64_t start, now, heard, told;
    uint64_t most;      //  messages to be put; UINT64_MAX until the time is over
    zmq_msg_t *message; //  the answer's frames
    zb_frame_t *frame;
    char *acks;
    void **idle;      //  sockets
    size_t gets;      //  of all consumers
    uint64_t asked;   //  messages that GETs in flight ask for
    size_t postponed; //  GETs that may not be sent yet
} bench_t;

int64_t bench_now (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND + now.tv_nsec;
}

static void s_fail (bench_t *self, const char *format, ...) __attribute__ ((format (printf, 2, 3)));

static void s_fail (bench_t *self, const char *format, ...)
{
    va_list arguments;
    va_start (arguments, format);
    vsnprintf (self->result->error, sizeof self->result->error, format, arguments);
    va_end (arguments);
}

//  ---------------------------------------------------------------------------
//  Requests

static void s_send (client_t *client, const char *text, bool more)
{
    int rc = zmq_send (client->socket, text, strlen (text), more ? ZMQ_SNDMORE : 0);
    assert (rc != -1);
}

static void s_send_queue (const bench_t *self, client_t *client, size_t queue)
{
    const bench_load_t *load = self->load;
    char name[256];
    if (load->topic && client->producer)
        snprintf (name, sizeof name, "%s", load->queue);
    else
        snprintf (name, sizeof name, "%s%c%zu", load->queue, load->topic ? '/' : '-', queue % load->queues);
    s_send (client, name, true);
}

static void s_hello (const bench_t *self, client_t *client)
{
    char name[256] = "";
    if (client->producer && self->load->named)
        snprintf (name, sizeof name, "%s-%zu", self->load->queue, client->index);
    s_send (client, "ZB1", true);
    s_send (client, "HELLO", true);
    s_send (client, "hello", true);
    s_send (client, name, false);
}

static void s_put (bench_t *self, client_t *client, put_t *put, int64_t meant)
{
    const bench_load_t *load = self->load;
    uint64_t left = self->most - self->result->sent;
    put->number = ++client->number;
    put->meant = meant;
    put->bodies = left < load->batch ? (size_t) left : load->batch;
    if (load->body >= BENCH_STAMP)
        memcpy (put->body, &meant, sizeof meant);
    char id[21];
    zb_number_format (client->base + put->number, id);
    s_send (client, "ZB1", true);
    s_send (client, "PUT", true);
    s_send (client, id, true);
    s_send_queue (self, client, (size_t) put->number + client->index);
    s_send (client, "", true);
    //  Until its answer is there the body does not change: libzmq need not copy it.
    for (size_t index = 0; index < put->bodies; index++) {
        int rc = zmq_send_const (client->socket, put->body, load->body, index + 1 < put->bodies ? ZMQ_SNDMORE : 0);
        assert (rc != -1);
    }
    client->inflight++;
    self->result->sent += put->bodies;
}

//  How many messages a GET may ask for: in a steady load, no more than were put and nobody has asked for; and enough to
//  begin with.
static size_t s_share (const bench_t *self)
{
    const bench_load_t *load = self->load;
    if (!load->steady)
        return load->take;
    uint64_t most = self->result->stored + 2 * load->take * self->gets;
    uint64_t given = self->result->taken + self->asked;
    uint64_t left = most > given ? most - given : 0;
    return left < load->take ? (size_t) left : load->take;
}

static void s_get (bench_t *self, client_t *client, size_t which, const char *acks)
{
    get_t *get = &client->get[which];
    get->asked = s_share (self);
    if (get->asked == 0) {
        self->postponed++;
        get->later = strdup (acks);
        assert (get->later);
        return;
    }
    self->asked += get->asked;
    char id[21], take[21];
    zb_number_format (which, id);
    zb_number_format (get->asked, take);
    s_send (client, "ZB1", true);
    s_send (client, "GET", true);
    s_send (client, id, true);
    s_send_queue (self, client, get->queue);
    s_send (client, take, true);
    s_send (client, GET_WAIT, true);
    s_send (client, acks, false);
}

//  Sends what was postponed, as far as it may be sent now.
static void s_get_postponed (bench_t *self)
{
    for (size_t index = self->load->producers; index < self->clients && self->postponed; index++) {
        client_t *client = &self->client[index];
        for (size_t which = 0; which < client->gets && s_share (self); which++) {
            char *acks = client->get[which].later;
            if (acks) {
                client->get[which].later = NULL;
                self->postponed--;
                s_get (self, client, which, acks);
                free (acks);
            }
        }
    }
}

//  When the producer's next PUT is meant to be sent: at a rate, all producers take turns.
static int64_t s_due (const bench_t *self, const client_t *client)
{
    if (self->load->rate == 0)
        return self->now;
    double turn = (double) client->number * (double) self->load->producers + (double) client->index;
    return self->start + (int64_t) (turn * (double) self->load->batch / self->load->rate * SECOND);
}

//  Sends what is due.  Returns when the next PUT is due that has room; INT64_MAX if none.
static int64_t s_put_due (bench_t *self)
{
    const bench_load_t *load = self->load;
    int64_t next = INT64_MAX;
    if (load->messages == 0 && self->now - self->start >= load->duration)
        self->most = self->result->sent;
    for (size_t index = 0; index < load->producers; index++) {
        client_t *client = &self->client[index];
        put_t *put;
        while (self->result->sent < self->most && client->inflight < load->window &&
               (put = &client->put[(client->number + 1) % load->window])->number == 0) {
            int64_t due = s_due (self, client);
            if (due > self->now) {
                next = due < next ? due : next;
                break;
            }
            s_put (self, client, put, due);
        }
    }
    return next;
}

//  ---------------------------------------------------------------------------
//  Answers

//  Reads one answer.  Returns false if there is none, or if it is not ZB1.
static bool s_recv (bench_t *self, client_t *client, zb_answer_t *answer, size_t *count)
{
    bool more = true;
    for (*count = 0; more; ++*count) {
        zmq_msg_t *message = &self->message[*count];
        zmq_msg_init (message);
        if (*count + 1 == FRAMES || zmq_msg_recv (message, client->socket, ZMQ_DONTWAIT) == -1) {
            zmq_msg_close (message);
            return false;
        }
        more = zmq_msg_more (message);
        self->frame[*count] = (zb_frame_t){zmq_msg_data (message), zmq_msg_size (message)};
    }
    if (zb_wire_parse_reply (answer, self->frame, *count) == 0)
        return true;
    s_fail (self, "an answer is not ZB1");
    return false;
}

static void s_greeted (bench_t *self, client_t *client, const zb_answer_t *answer)
{
    if (answer->args > 1)
        zb_number_parse (answer->arg[1], INT64_MAX, &client->base);
    client->greeted = true;
    self->greeted++;
}

static void s_stored (bench_t *self, client_t *client, const zb_answer_t *answer)
{
    uint64_t number = 0;
    zb_number_parse (answer->id, UINT64_MAX, &number);
    number -= client->base;
    put_t *put = &client->put[number % self->load->window];
    if (put->number != number || number == 0) {
        s_fail (self, "an OK for a PUT that is not in flight");
        return;
    }
    histogram_record (&self->result->confirm, (uint64_t) (self->now - put->meant), 1);
    self->result->stored += put->bodies;
    if (answer->args && zb_frame_is (answer->arg[0], "both"))
        self->result->both += put->bodies;
    self->result->put_elapsed = self->now - self->start;
    put->number = 0;
    client->inflight--;
}

//  Writes the acknowledgement of all that the answer brought: ids that follow each other make one range.
static void s_make_acks (bench_t *self, zb_frame_t index)
{
    size_t cursor = 0, size = 0;
    uint64_t first = 0, last = 0, id;
    zb_index_t line;
    bool bad, another;
    do {
        another = zb_index_next (index, &cursor, &line, &bad) && zb_number_parse (line.id, UINT64_MAX, &id);
        if (another && last && id == last + 1)
            last = id;
        else {
            if (last)
                size += (size_t) sprintf (self->acks + size, "%s%" PRIu64 "..%" PRIu64, size ? " " : "", first, last);
            first = last = id;
        }
        if (another && line.deliveries > 1)
            self->result->again++;
    } while (another);
    self->acks[size] = 0;
}

static void s_taken (bench_t *self, client_t *client, const zb_answer_t *answer)
{
    uint64_t which = 0;
    if (!zb_number_parse (answer->id, client->gets - 1, &which)) {
        s_fail (self, "an answer to a GET that was not sent");
        return;
    }
    get_t *get = &client->get[which];
    self->result->acked += get->acks;
    get->acks = answer->bodies;
    self->asked -= get->asked;
    self->result->taken += answer->bodies;
    self->acks[0] = 0;
    if (answer->bodies)
        s_make_acks (self, answer->arg[2]);
    for (size_t index = 0; index < answer->bodies; index++) {
        const zb_frame_t *body = &answer->body[index];
        if (body->size != self->load->body)
            s_fail (self, "a body of %zu bytes came back with %zu", self->load->body, body->size);
        else if (body->size >= BENCH_STAMP && self->load->producers && !self->load->steady) {
            int64_t meant;
            memcpy (&meant, body->data, sizeof meant);
            histogram_record (&self->result->delivery, (uint64_t) (self->now - meant), 1);
        }
    }
    s_get (self, client, (size_t) which, self->acks);
}

static void s_answer (bench_t *self, client_t *client, const zb_answer_t *answer)
{
    if (answer->status == ZB_ANSWER_ERR)
        s_fail (self, "the broker refused: %u %.*s", answer->code, (int) answer->arg[1].size,
                (const char *) answer->arg[1].data);
    else if (answer->status == ZB_ANSWER_PASSIVE)
        s_fail (self, "the broker %s is not active any more", self->load->endpoint);
    else if (!client->greeted)
        s_greeted (self, client, answer);
    else if (client->producer)
        s_stored (self, client, answer);
    else
        s_taken (self, client, answer);
}

//  Takes what has come for a client.
static void s_drain (bench_t *self, client_t *client)
{
    zb_answer_t answer;
    bool good = true;
    for (int taken = 0; good && taken < TURN_MESSAGES && !*self->result->error; taken++) {
        size_t count;
        good = s_recv (self, client, &answer, &count);
        if (good) {
            self->heard = self->now = bench_now ();
            s_answer (self, client, &answer);
        }
        while (count > 0)
            zmq_msg_close (&self->message[--count]);
    }
}

//  ---------------------------------------------------------------------------
//  The load

//  Waits until something comes, or `next`, a time, and takes what has come.
static void s_turn (bench_t *self, int64_t next)
{
    //  zmq_poll counts in ms, which is too coarse for a rate.
    struct itimerspec timer = {.it_value = {next / SECOND, next % SECOND}};
    if (next != INT64_MAX)
        timerfd_settime (self->item[0].fd, TFD_TIMER_ABSTIME, &timer, NULL);
    zmq_poll (self->item, (int) self->clients + 1, 100);
    self->now = bench_now ();
    if (self->item[0].revents) {
        uint64_t times;
        ssize_t got = read (self->item[0].fd, &times, sizeof times);
        assert (got == sizeof times || errno == EAGAIN);
    }
    for (size_t index = 0; index < self->clients; index++)
        if (self->item[index + 1].revents)
            s_drain (self, &self->client[index]);
    if (self->now - self->heard > PATIENCE)
        s_fail (self, "no answer for %d s", (int) (PATIENCE / SECOND));
    if (pair_interrupted ())
        s_fail (self, "interrupted");
    if (self->now - self->told >= PROGRESS && self->load->progress && self->start) {
        self->told = self->now;
        self->result->elapsed = self->now - self->start;
        self->load->progress (self->result);
    }
}

static bool s_done (const bench_t *self)
{
    const bench_result_t *result = self->result;
    if (*result->error)
        return true;
    uint64_t least = self->load->producers ? result->sent : self->load->messages;
    least *= self->load->topic ? self->load->queues : 1;
    return (!self->load->producers || (result->sent >= self->most && result->stored == result->sent)) &&
           (!self->load->consumers || result->acked >= least);
}

static void s_new_producer (bench_t *self, client_t *client)
{
    client->producer = true;
    client->put = (put_t *) zmalloc (self->load->window * sizeof *client->put);
    for (size_t index = 0; index < self->load->window; index++) {
        char *body = client->put[index].body = (char *) zmalloc (self->load->body + 1);
        for (size_t byte = 0; byte < self->load->body; byte++)
            body[byte] = (char) (' ' + (byte * 31 + index * 7) % 94);
    }
}

//  A consumer takes each of the queues that fall to it; with fewer queues than consumers they share.
static void s_new_consumer (bench_t *self, client_t *client)
{
    const bench_load_t *load = self->load;
    size_t queues = load->queues > client->index ? (load->queues - client->index - 1) / load->consumers + 1 : 1;
    client->gets = queues * load->gets;
    self->gets += client->gets;
    client->get = (get_t *) zmalloc (client->gets * sizeof *client->get);
    for (size_t index = 0; index < client->gets; index++)
        client->get[index].queue = client->index + index % queues * load->consumers;
}

//  With keys: as whom a client connects, and to whom.
static void s_secure (const bench_t *self, void *socket)
{
    const zb_keys_t *keys = self->load->keys;
    zb_keys_connect (keys, socket, keys ? zb_keyfile_broker (&keys->own, self->load->endpoint) : NULL);
}

static void s_connect (bench_t *self, size_t index)
{
    client_t *client = &self->client[index];
    client->socket = zmq_socket (self->context, ZMQ_DEALER);
    if (!client->socket) {
        s_fail (self, "client %zu: %s", index + 1, zmq_strerror (errno));
        return;
    }
    int none = 0;
    zmq_setsockopt (client->socket, ZMQ_LINGER, &none, sizeof none);
    //  What is under way is bounded by the windows.
    zmq_setsockopt (client->socket, ZMQ_SNDHWM, &none, sizeof none);
    zmq_setsockopt (client->socket, ZMQ_RCVHWM, &none, sizeof none);
    s_secure (self, client->socket);
    int rc = zmq_connect (client->socket, self->load->endpoint);
    assert (rc == 0);
    self->item[index + 1] = (zmq_pollitem_t){client->socket, 0, ZMQ_POLLIN, 0};
    client->index = index < self->load->producers ? index : index - self->load->producers;
    if (index < self->load->producers)
        s_new_producer (self, client);
    else
        s_new_consumer (self, client);
    s_hello (self, client);
}

//  Asks an idle client's broker, or takes its answer.
static void s_idle_ask (void *socket, const char *verb)
{
    zmq_send (socket, "ZB1", 3, ZMQ_SNDMORE);
    zmq_send (socket, verb, strlen (verb), ZMQ_SNDMORE);
    zmq_send (socket, "idle", 4, 0);
}

static void s_idle_answer (bench_t *self, void *socket, const char *verb)
{
    char status[16] = "";
    if (zmq_recv (socket, status, sizeof status, 0) != -1 && zmq_recv (socket, status, sizeof status - 1, 0) != -1)
        while (zmq_recv (socket, NULL, 0, ZMQ_DONTWAIT) != -1)
            ;
    if (strncmp (status, "OK", 2))
        s_fail (self, "an idle client's %s: %s", verb, *status ? status : "no answer");
}

//  Each idle client asks once.
static void s_idle_round (bench_t *self, const char *verb)
{
    size_t most = self->load->idle;
    for (size_t index = 0; index < most + GREETINGS && !*self->result->error && !pair_interrupted (); index++) {
        if (index < most)
            s_idle_ask (self->idle[index], verb);
        if (index >= GREETINGS && index - GREETINGS < most)
            s_idle_answer (self, self->idle[index - GREETINGS], verb);
    }
}

static void s_idle_connect (bench_t *self)
{
    int none = 0, patience = (int) (PATIENCE / 1000000);
    for (size_t index = 0; index < self->load->idle && !*self->result->error; index++) {
        void *socket = self->idle[index] = zmq_socket (self->context, ZMQ_DEALER);
        if (!socket) {
            s_fail (self, "idle client %zu: %s", index + 1, zmq_strerror (errno));
            return;
        }
        zmq_setsockopt (socket, ZMQ_LINGER, &none, sizeof none);
        zmq_setsockopt (socket, ZMQ_RCVTIMEO, &patience, sizeof patience);
        s_secure (self, socket);
        int rc = zmq_connect (socket, self->load->endpoint);
        assert (rc == 0);
    }
}

static void s_run (bench_t *self)
{
    s_idle_connect (self);
    s_idle_round (self, "HELLO");
    self->heard = bench_now ();
    for (size_t index = 0; index < self->clients && !*self->result->error; index++)
        s_connect (self, index);
    while (self->greeted < self->clients && !*self->result->error)
        s_turn (self, INT64_MAX);
    self->most = self->load->messages ? self->load->messages : UINT64_MAX;
    self->start = self->told = self->now = bench_now ();
    for (size_t index = self->load->producers; index < self->clients && !*self->result->error; index++)
        for (size_t which = 0; which < self->client[index].gets; which++)
            s_get (self, &self->client[index], which, "");
    while (!s_done (self)) {
        int64_t next = s_put_due (self);
        if (!s_done (self))
            s_turn (self, next);
        s_get_postponed (self);
    }
    self->result->elapsed = self->now - self->start;
    //  They are still there, with what they were told before.
    s_idle_round (self, "PING");
}

int bench_load (const bench_load_t *load, bench_result_t *result)
{
    bench_t self = {.load = load, .result = result, .clients = load->producers + load->consumers};
    memset (result, 0, sizeof *result);
    self.context = zmq_ctx_new ();
    assert (self.context);
    zmq_ctx_set (self.context, ZMQ_MAX_SOCKETS, (int) (self.clients + load->idle) + 16);
    self.idle = (void **) zmalloc ((load->idle + 1) * sizeof *self.idle);
    self.client = (client_t *) zmalloc (self.clients * sizeof *self.client);
    self.item = (zmq_pollitem_t *) zmalloc ((self.clients + 1) * sizeof *self.item);
    self.message = (zmq_msg_t *) zmalloc (FRAMES * sizeof *self.message);
    self.frame = (zb_frame_t *) zmalloc (FRAMES * sizeof *self.frame);
    self.acks = (char *) zmalloc (FRAMES * 48);
    self.item[0] = (zmq_pollitem_t){NULL, timerfd_create (CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), ZMQ_POLLIN, 0};
    assert (self.item[0].fd != -1);
    s_run (&self);
    for (size_t index = 0; index < self.clients; index++)
        if (self.client[index].socket)
            zmq_close (self.client[index].socket);
    for (size_t index = 0; index < load->idle; index++)
        if (self.idle[index])
            zmq_close (self.idle[index]);
    //  Only then nothing of a body is on its way any more.
    zmq_ctx_term (self.context);
    for (size_t index = 0; index < self.clients; index++) {
        client_t *client = &self.client[index];
        for (size_t which = 0; client->put && which < load->window; which++)
            free (client->put[which].body);
        for (size_t which = 0; client->get && which < client->gets; which++)
            free (client->get[which].later);
        free (client->put);
        free (client->get);
    }
    close (self.item[0].fd);
    free (self.client);
    free (self.item);
    free (self.message);
    free (self.frame);
    free (self.acks);
    free (self.idle);
    return *result->error ? -1 : 0;
}
