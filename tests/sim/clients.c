/*  =========================================================================
    clients - programs that use a pair, as its protocol says

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Two kinds: those of the client library, and plain ones with one request at a
    time on a DEALER, which do what include/PROTOCOL.md asks for and nothing more.
    Some have a name, some have none; plain ones lose their memory now and then, as
    a process does that is started again.
*/

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients.h"
#include "plain.h"
#include "zbroker.h"

#define BROKERS "tcp://10.0.0.1:5560,tcp://10.0.0.2:5560"
#define QUEUE "work"
#define LATE (PRODUCERS - 2) //  the first of the producers that come last

static int s_producing;

bool clients_are_done (void)
{
    return s_producing == 0;
}

void clients_begin (void)
{
    s_producing++;
}

void clients_end (void)
{
    s_producing--;
}

void plain_nap (int64_t least, int64_t most)
{
    fiber_sleep (world_now () + least + (int64_t) world_random ((uint64_t) (most - least + 1)));
}

//  ---------------------------------------------------------------------------
//  A plain client

const char *plain_text (client_t *self, int index)
{
    static char text[4][BODY_MAX + 1];
    static int turn;
    char *copy = text[turn++ % 4];
    size_t size = index < self->frames ? zmq_msg_size (&self->frame[index]) : 0;
    size = size > BODY_MAX ? BODY_MAX : size;
    if (size)
        memcpy (copy, zmq_msg_data (&self->frame[index]), size);
    copy[size] = 0;
    return copy;
}

static void s_forget_reply (client_t *self)
{
    while (self->frames)
        zmq_msg_close (&self->frame[--self->frames]);
}

void plain_leave (client_t *self)
{
    zmq_close (self->socket);
    self->socket = NULL;
    self->broker = 1 - self->broker;
    plain_nap (20 * MS, 150 * MS);
}

static bool s_receive (client_t *self)
{
    s_forget_reply (self);
    bool more = true;
    while (more && self->frames < FRAMES) {
        zmq_msg_t *frame = &self->frame[self->frames];
        zmq_msg_init (frame);
        if (zmq_msg_recv (frame, self->socket, ZMQ_DONTWAIT) < 0)
            return false;
        self->frames++;
        more = zmq_msg_more (frame);
    }
    return true;
}

//  Sends the frames "ZB1" verb id ..., waits for its reply.  True: OK or MSG.
bool plain_ask (client_t *self, const frame_t *frame, size_t frames, int64_t patience)
{
    for (size_t index = 0; index < frames; index++)
        if (zmq_send (self->socket, frame[index].data, frame[index].size, index + 1 < frames ? ZMQ_SNDMORE : 0) < 0)
            return false;
    int64_t until = world_now () / MS + patience;
    for (int64_t left; (left = until - world_now () / MS) > 0;) {
        zmq_pollitem_t item = {self->socket, 0, ZMQ_POLLIN, 0};
        zmq_poll (&item, 1, (long) left);
        while (s_receive (self)) {
            const char *id = plain_text (self, 2);
            if (strlen (id) != frame[2].size || memcmp (id, frame[2].data, frame[2].size))
                continue;
            if (zmq_msg_size (&self->frame[3]))
                snprintf (self->token, sizeof self->token, "%s", plain_text (self, 3));
            const char *status = plain_text (self, 1);
            bool good = strcmp (status, "OK") == 0 || strcmp (status, "MSG") == 0;
            if (!good)
                world_note ("%s %.*s: %s %s %s", (const char *) frame[1].data, (int) frame[2].size,
                            (const char *) frame[2].data, status, plain_text (self, 4), plain_text (self, 5));
            return good;
        }
    }
    return false;
}

void plain_do (client_t *self, const char *verb, const char *name, const char *argument, const char *body, int number,
               bool *twice)
{
    for (;;) {
        char id[24];
        snprintf (id, sizeof id, *body ? "%" PRIu64 : "n%" PRIu64, *body ? (uint64_t) number : ++self->serial);
        frame_t frame[] = {TEXT ("ZB1"), TEXT (verb), TEXT (id), TEXT (name), TEXT (argument), TEXT (body)};
        if (!self->socket)
            plain_greet (self);
        if (plain_ask (self, frame, *body ? 6 : 5, PATIENCE))
            return;
        *twice = *twice || *body;
        plain_leave (self);
    }
}

void plain_greet (client_t *self)
{
    for (int tries = 0;; tries++) {
        //  What it was told is gone with a disk: an operator starts it anew.
        if (tries > 40 && world_has (EXTRA_COPIES | EXTRA_OPERATOR))
            self->token[0] = self->old[0] = self->instance[0] = 0;
        self->socket = zmq_socket (NULL, ZMQ_DEALER);
        zmq_connect (self->socket, self->broker ? "tcp://10.0.0.2:5560" : "tcp://10.0.0.1:5560");
        char id[24];
        snprintf (id, sizeof id, "h%" PRIu64, ++self->serial);
        //  Some keep a token of long ago, as one does that reads it from a file.
        if (world_chance (100))
            snprintf (self->old, sizeof self->old, "%s", self->token);
        if (world_chance (100))
            snprintf (self->token, sizeof self->token, "%s", self->old);
        frame_t frame[] = {TEXT ("ZB1"),      TEXT ("HELLO"),     TEXT (id),
                           TEXT (self->name), TEXT (self->token), TEXT (self->instance)};
        if (plain_ask (self, frame, 6, PATIENCE)) {
            snprintf (self->instance, sizeof self->instance, "%s", plain_text (self, 4));
            self->number = strtoull (plain_text (self, 5), NULL, 10);
            return;
        }
        //  After a split the other side may have greeted more processes of this name: a fenced one begins as a new one.
        if (self->frames > 5 && strcmp (plain_text (self, 4), "409") == 0 &&
            strncmp (plain_text (self, 5), "fenced", 6) == 0)
            self->instance[0] = 0;
        plain_leave (self);
    }
}

static void s_create (client_t *self);
static void s_put (client_t *self, uint64_t number);

//  Until the answer is OK.
static void s_do (client_t *self, const frame_t *frame, size_t frames, int64_t patience)
{
    if (!self->socket)
        plain_greet (self);
    while (!plain_ask (self, frame, frames, patience)) {
        if (self->frames > 5 && strcmp (plain_text (self, 4), "404") == 0)
            s_create (self);
        plain_leave (self);
        plain_greet (self);
    }
}

static void s_create (client_t *self)
{
    char id[24];
    snprintf (id, sizeof id, "q%" PRIu64, ++self->serial);
    frame_t frame[] = {TEXT ("ZB1"), TEXT ("QUEUE"), TEXT (id), TEXT (QUEUE), TEXT ("lease=3000")};
    s_do (self, frame, 5, PATIENCE);
}

//  Asks until the answer is OK.  A broker that expects an earlier number again and again has lost what was stored under
//  it: that is sent first.
static void s_do_put (client_t *self, uint64_t number, const frame_t *frame, size_t frames)
{
    if (!self->socket)
        plain_greet (self);
    for (int gaps = 0; !plain_ask (self, frame, frames, PATIENCE);) {
        bool refused = self->frames > 5 && strcmp (plain_text (self, 1), "ERR") == 0;
        uint64_t expected =
            refused && strcmp (plain_text (self, 4), "409") == 0 ? strtoull (plain_text (self, 5), NULL, 10) : 0;
        if (refused && strcmp (plain_text (self, 4), "404") == 0)
            s_create (self);
        gaps += expected && expected < number;
        if (gaps > 10 && expected && expected < number && world_has (EXTRA_COPIES | EXTRA_OPERATOR))
            s_put (self, expected);
        else {
            plain_leave (self);
            //  It comes back long after.
            if (world_has (EXTRA_OLD) && !refused && world_chance (300))
                plain_nap (SECOND, 6 * SECOND);
            plain_greet (self);
        }
    }
}

static void s_put (client_t *self, uint64_t number)
{
    char id[24], (*body)[BODY_MAX] = malloc (BODIES * BODY_MAX);
    assert (body);
    bool named = *self->name;
    snprintf (id, sizeof id, "%s%" PRIu64, named ? "" : "x", number);
    frame_t frame[5 + BODIES] = {TEXT ("ZB1"), TEXT ("PUT"), TEXT (id), TEXT (QUEUE), TEXT ("")};
    int bodies = ledger_bodies (self->index, number);
    for (int index = 0; index < bodies; index++)
        frame[5 + index] = (frame_t){body[index], ledger_body (self->index, number, index, body[index])};
    s_do_put (self, number, frame, 5 + (size_t) bodies);
    free (body);
    char level[16], first[32], last[32];
    snprintf (level, sizeof level, "%s", plain_text (self, 4));
    snprintf (first, sizeof first, "%s", plain_text (self, 5));
    snprintf (last, sizeof last, "%s", plain_text (self, 6));
    world_note ("PUT %s: OK %s %s%s", id, level, first, self->frames > 7 ? " duplicate" : "");
    ledger_stats.duplicates += self->frames > 7;
    ledger_ok (self->index, number, named, level, first, last);
}

//  Goes to the other broker for no reason, mostly as one that knows of nothing.
static void s_wander (client_t *self)
{
    if (!world_has (EXTRA_SPLITS | EXTRA_CLOCKS) || !world_chance (60) || !self->socket)
        return;
    plain_leave (self);
    if (world_chance (700))
        self->token[0] = 0;
}

static void s_be_producer (client_t *self)
{
    uint64_t next = 1;
    s_create (self);
    while (world_now () < self->until && next <= PUTS) {
        s_put (self, next++);
        plain_nap (0, 60 * MS);
        s_wander (self);
        //  An old one, that was answered, comes again: the broker knows it yet.
        if (*self->name && world_has (EXTRA_OLD) && next > 2 && world_chance (60))
            s_put (self, next - 1 - world_random (next - 1 < 150 ? next - 1 : 150));
        //  One that is not sure of its last PUT sends it again.
        if (*self->name && !self->socket && world_chance (500))
            s_put (self, next - 1);
        if (!*self->name || !world_chance (20))
            continue;
        //  Another process takes up the name, without anything but it.
        world_note ("%s starts anew", self->name);
        if (self->socket)
            plain_leave (self);
        self->token[0] = self->instance[0] = 0;
        plain_greet (self);
        if (!history_is_split () && self->number + 1 < next)
            world_finding ("H2: %s has stored %" PRIu64 ", and is told %" PRIu64, self->name, next - 1, self->number);
    }
}

static void *s_plain_producer (void *arg)
{
    s_be_producer (arg);
    s_producing--;
    return NULL;
}

//  ---------------------------------------------------------------------------
//  A plain consumer

typedef struct {
    ledger_message_t *message[16];
    char ids[16][32];
    int size;
} taken_t;

static void s_acks (const taken_t *taken, char text[600])
{
    text[0] = 0;
    for (int index = 0; index < taken->size; index++) {
        strcat (text, index ? " " : "");
        strcat (text, taken->ids[index]);
        ledger_acking (taken->message[index]);
    }
}

static void s_acked (taken_t *taken)
{
    for (int index = 0; index < taken->size; index++)
        ledger_acked (taken->message[index], taken->ids[index]);
    taken->size = 0;
}

//  What MSG has brought.
static void s_take (client_t *self, taken_t *taken)
{
    char index_text[BODY_MAX + 1];
    snprintf (index_text, sizeof index_text, "%s", plain_text (self, 6));
    char *line = index_text;
    for (int body = 7; body < self->frames && taken->size < 16; body++) {
        size_t size = strcspn (line, " ");
        taken->message[taken->size] =
            ledger_got (zmq_msg_data (&self->frame[body]), zmq_msg_size (&self->frame[body]), line, size);
        snprintf (taken->ids[taken->size++], 32, "%.*s", (int) size, line);
        line += strcspn (line, "\n");
        line += *line == '\n';
    }
}

static void s_get (client_t *self, taken_t *taken)
{
    char id[24], most[16], wait[16], acks[600];
    snprintf (id, sizeof id, "g%" PRIu64, ++self->serial);
    snprintf (most, sizeof most, "%d", 1 + (int) world_random (8));
    snprintf (wait, sizeof wait, "%d", 50 + (int) world_random (500));
    s_acks (taken, acks);
    frame_t frame[] = {TEXT ("ZB1"), TEXT ("GET"), TEXT (id), TEXT (QUEUE), TEXT (most), TEXT (wait), TEXT (acks)};
    if (!self->socket)
        plain_greet (self);
    while (!plain_ask (self, frame, 7, PATIENCE + 600)) {
        plain_leave (self);
        plain_greet (self);
    }
    s_acked (taken);
    s_take (self, taken);
}

static void s_ack_or_nack (client_t *self, taken_t *taken, const char *verb)
{
    char id[24], acks[600];
    snprintf (id, sizeof id, "a%" PRIu64, ++self->serial);
    s_acks (taken, acks);
    frame_t frame[] = {TEXT ("ZB1"), TEXT (verb), TEXT (id), TEXT (QUEUE), TEXT (acks)};
    s_do (self, frame, 5, PATIENCE);
    if (verb[0] == 'A')
        s_acked (taken);
    if (verb[0] != 'E')
        taken->size = 0;
}

//  Says something of what it has: all, or the first of them; those behind it leaves to others.
static void s_dispose (client_t *self, taken_t *taken)
{
    static const char *const verb[] = {"ACK", "ACK", "NACK", "EXTEND"};
    if (world_chance (400))
        taken->size = 1 + (int) world_random ((uint64_t) taken->size);
    s_ack_or_nack (self, taken, verb[world_random (4)]);
}

static void *s_plain_consumer (void *arg)
{
    client_t *self = arg;
    taken_t taken = {.size = 0};
    s_create (self);
    for (;;) {
        s_get (self, &taken);
        plain_nap (0, 30 * MS);
        s_wander (self);
        if (taken.size && world_chance (60))
            s_dispose (self, &taken);
        else if (world_chance (15)) {
            //  It forgets what it had.
            taken.size = 0;
            if (self->socket)
                plain_leave (self);
            if (world_chance (500))
                self->token[0] = 0;
        }
    }
    return NULL;
}

//  One who knows of nothing, and comes to a broker whose clock has stood.
static void *s_be_stray (void *arg)
{
    client_t *self = arg;
    self->socket = zmq_socket (NULL, ZMQ_DEALER);
    zmq_connect (self->socket, self->broker ? "tcp://10.0.0.2:5560" : "tcp://10.0.0.1:5560");
    frame_t hello[] = {TEXT ("ZB1"), TEXT ("HELLO"), TEXT ("h")};
    bool good = plain_ask (self, hello, 3, PATIENCE);
    while (good && world_now () < self->until) {
        taken_t taken = {.size = 0};
        int64_t asked = world_now ();
        frame_t frame[] = {TEXT ("ZB1"), TEXT ("GET"), TEXT ("g"), TEXT (QUEUE), TEXT ("8"), TEXT ("30"), TEXT ("")};
        good = plain_ask (self, frame, 7, PATIENCE);
        if (good)
            s_take (self, &taken);
        for (int index = 0; index < (int) taken.size; index++)
            ledger_asked (taken.message[index], taken.ids[index], asked);
    }
    plain_leave (self);
    return NULL;
}

void stray_start (int machine, int64_t until)
{
    client_t *self = calloc (1, sizeof *self);
    assert (self);
    self->name = "";
    self->until = until;
    self->broker = machine == BACKUP;
    process_start ("stray", CLIENTS, s_be_stray, self);
}

//  ---------------------------------------------------------------------------
//  Programs of the client library

//  A PUT on its way.
typedef struct {
    const client_t *client;
    uint64_t number;
} put_t;

static void s_receipt (const zb_receipt_t *receipt, void *arg)
{
    put_t *put = arg;
    const client_t *self = put->client;
    if (receipt->error && receipt->error != ZB_ERR_DISK_FULL)
        world_finding ("%s is told %d %s for PUT %" PRIu64, self->name, receipt->error, receipt->text, put->number);
    if (receipt->error)
        world_note ("PUT %" PRIu64 ": %s", put->number, receipt->text);
    else
        world_note ("PUT %" PRIu64 ": OK %s %s%s", put->number, zb_level_name (receipt->level), receipt->first,
                    receipt->duplicate ? " duplicate" : "");
    ledger_stats.duplicates += receipt->duplicate;
    if (!receipt->error)
        ledger_ok (self->index, put->number, *self->name, zb_level_name (receipt->level), receipt->first,
                   receipt->last);
    free (put);
}

static zb_client_t *s_client (const client_t *self)
{
    zb_client_t *client = zb_client_new (BROKERS);
    assert (client);
    if (*self->name)
        zb_client_set_name (client, self->name);
    zb_client_set_timeout (client, -1);
    zb_client_set_patience (client, PATIENCE);
    zb_client_create_queue (client, QUEUE, "lease=3000");
    return client;
}

static void *s_library_producer (void *arg)
{
    client_t *self = arg;
    zb_client_t *client = s_client (self);
    for (uint64_t number = 1; world_now () < self->until && number <= PUTS; number++) {
        char body[BODIES][BODY_MAX];
        zb_body_t bodies[BODIES];
        int count = ledger_bodies (self->index, number);
        for (int index = 0; index < count; index++)
            bodies[index] = (zb_body_t){body[index], ledger_body (self->index, number, index, body[index])};
        put_t *put = malloc (sizeof *put);
        assert (put);
        *put = (put_t){self, number};
        int rc = zb_client_put_async (client, QUEUE, NULL, bodies, (size_t) count, s_receipt, put);
        if (rc)
            world_finding ("%s: %s", self->name, zb_client_error_text (client));
        if (world_chance (300)) {
            plain_nap (0, 80 * MS);
            zb_client_poll (client, 0);
        }
        if (world_chance (40))
            zb_client_flush (client);
    }
    while (zb_client_inflight (client))
        zb_client_poll (client, 1000);
    zb_client_destroy (&client);
    s_producing--;
    return NULL;
}

static void *s_library_consumer (void *arg)
{
    client_t *self = arg;
    zb_client_t *client = s_client (self);
    zb_messages_t *done = NULL;
    ledger_message_t *message[16];
    char ids[16][32];
    size_t taken = 0;
    for (;;) {
        for (size_t index = 0; index < taken; index++)
            ledger_acking (message[index]);
        zb_messages_t *messages = zb_client_get (client, QUEUE, 1 + world_random (8), 300, zb_messages_ids (done));
        if (!messages)
            world_finding ("%s: %s", self->name, zb_client_error_text (client));
        for (size_t index = 0; index < taken; index++)
            ledger_acked (message[index], ids[index]);
        zb_messages_destroy (&done);
        done = messages;
        taken = zb_messages_size (messages);
        for (size_t index = 0; index < taken; index++) {
            const zb_message_t *at = zb_messages_at (messages, index);
            message[index] = ledger_got (at->body, at->size, at->id, strlen (at->id));
            snprintf (ids[index], sizeof ids[index], "%s", at->id);
        }
        plain_nap (0, 30 * MS);
    }
    return NULL;
}

//  ---------------------------------------------------------------------------

void plain_start (const char *process, const char *name, int index, fiber_fn *fn, int64_t until)
{
    client_t *self = calloc (1, sizeof *self);
    assert (self);
    self->name = name;
    self->index = index;
    self->until = until;
    self->broker = (int) world_random (2);
    process_start (process, CLIENTS, fn, self);
}

void clients_start (int64_t until)
{
    static const struct {
        const char *process, *name;
        fiber_fn *fn;
    } producer[] = {{"p0", "till", s_plain_producer}, {"p1", "desk", s_library_producer},
                    {"p2", "", s_plain_producer},     {"p3", "door", s_plain_producer},
                    {"p4", "", s_library_producer},   {"p5", "mill", s_library_producer}},
      consumer[] = {{"c0", "eater", s_plain_consumer},
                    {"c1", "", s_plain_consumer},
                    {"c2", "crew", s_library_consumer},
                    {"c3", "", s_library_consumer}};
    for (int index = 0; index < LATE; index++) {
        bool takes_part = index < 2 || world_chance (500);
        //  One of the library that holds a token of what is lost is started anew by its user; nobody does that here.
        bool library = producer[index].fn == s_library_producer;
        takes_part = takes_part && !(library && world_has (EXTRA_COPIES | EXTRA_OPERATOR));
        if (*producer[index].name)
            ledger_name (index);
        if (takes_part) {
            s_producing++;
            plain_start (producer[index].process, producer[index].name, index, producer[index].fn, until);
        }
    }
    //  What it purged on a disk that is set back comes again.
    if (world_chance (500) && !world_has (EXTRA_COPIES)) {
        s_producing++;
        plain_start ("keeper", "keeper", 0, keeper_run, until);
    }
    if (world_has (EXTRA_OPERATOR))
        operator_start (until);
    size_t first = world_random (4);
    size_t count = 1 + world_random (3);
    for (size_t index = 0; index < count; index++) {
        size_t at = (first + index) % 4;
        if (world_has (EXTRA_COPIES | EXTRA_OPERATOR))
            at %= 2;
        plain_start (consumer[at].process, consumer[at].name, (int) at, consumer[at].fn, until);
    }
}

void clients_more (int64_t until)
{
    static int late = LATE;
    assert (late < PRODUCERS);
    ledger_name (late);
    s_producing++;
    plain_start (late == LATE ? "p6" : "p7", late == LATE ? "late" : "later", late, s_plain_producer, until);
    late++;
}
