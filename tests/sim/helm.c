/*  =========================================================================
    helm - a queue that is one consumer's at a time

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A captain puts numbered orders into a queue with mode=exclusive. Three helmsmen, two of whom have a name, get some, sleep at times
    until others have them, or hang up; then each moves the rudder with its zb-fence, and acknowledges the order. The rudder knows the
    largest number that it was moved with, and obeys no smaller one. H24:

      - no two sessions have one number, whatever breaks; with one number orders come in their order, each once;
      - a number is not smaller than what had been seen when its GET was sent; after a split, from when the two are in sync again;
      - the rudder obeys the first order first, then the second: none before the one in front of it, however many sleep (not over
        a split);
      - one acknowledgement of an order is answered OK; it does not come again then (nor this over a split);
      - in the end each order that was answered OK was obeyed, or is in the queue.
*/

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients.h"
#include "plain.h"

#define NAME "helm"
#define ORDERS 300
#define HELMSMEN 3
#define MOST 3
#define WATCHES 2000

static struct {
    bool ok, obeyed, aside;
    int acked, found; //  OKs of an ACK; found in the end
} s_order[ORDERS + 1];

//  Whose a number is, and the newest order that came with it.
static struct {
    uint64_t fence;
    int helmsman, session, order;
} s_watch[WATCHES];

static int s_put, s_sessions;
static size_t s_watches, s_refused, s_late;
static uint64_t s_seen, s_rudder; //  the largest numbers that helmsmen have seen, and that the rudder was moved with
static bool s_ended;

typedef struct {
    client_t *client;
    int session;
    int count;
    int number[MOST];
    uint64_t fence[MOST];
    char ids[MOST * 24];
} s_helmsman_t;

static void s_ready (s_helmsman_t *self)
{
    if (self->client->socket)
        return;
    self->session = ++s_sessions;
    plain_greet (self->client);
}

static bool s_is_refused (client_t *self, const char *code)
{
    return self->frames > 5 && strcmp (plain_text (self, 1), "ERR") == 0 && strcmp (plain_text (self, 4), code) == 0;
}

//  Until it is answered OK, or 410: then false.
static bool s_do (s_helmsman_t *self, const char *verb, const char *argument)
{
    for (;;) {
        char id[24];
        snprintf (id, sizeof id, "h%" PRIu64, ++self->client->serial);
        frame_t frame[] = {TEXT ("ZB1"), TEXT (verb), TEXT (id), TEXT (NAME), TEXT (argument)};
        s_ready (self);
        if (plain_ask (self->client, frame, 5, PATIENCE + 500))
            return true;
        if (s_is_refused (self->client, "410"))
            return false;
        plain_leave (self->client);
    }
}

static void *s_captain (void *arg)
{
    s_helmsman_t self = {.client = arg};
    s_do (&self, "QUEUE", "mode=exclusive\nlease=1000\ngrace=1000");
    while (world_now () < self.client->until && s_put < ORDERS) {
        char body[24], id[24];
        snprintf (body, sizeof body, "<h%d>", ++s_put);
        snprintf (id, sizeof id, "%d", s_put);
        frame_t frame[] = {TEXT ("ZB1"), TEXT ("PUT"), TEXT (id), TEXT (NAME), TEXT (""), TEXT (body)};
        for (bool put = false; !put;) {
            s_ready (&self);
            put = plain_ask (self.client, frame, 6, PATIENCE + 500);
            if (!put)
                plain_leave (self.client);
        }
        s_order[s_put].ok = true;
        plain_nap (0, world_chance (100) ? SECOND : 120 * MS);
    }
    clients_end ();
    return NULL;
}

//  Gets some orders; `acks` as well.  False: no answer, or it was refused.
static bool s_get (s_helmsman_t *self, const char *acks)
{
    char id[24], most[16], line[1024];
    client_t *client = self->client;
    self->count = 0;
    *self->ids = 0;
    snprintf (id, sizeof id, "g%" PRIu64, ++client->serial);
    snprintf (most, sizeof most, "%d", 1 + (int) world_random (MOST));
    frame_t frame[] = {TEXT ("ZB1"), TEXT ("GET"), TEXT (id), TEXT (NAME), TEXT (most), TEXT ("500"), TEXT (acks)};
    s_ready (self);
    if (!plain_ask (client, frame, 7, PATIENCE + 600)) {
        if (!s_is_refused (client, "410") && !s_is_refused (client, "404"))
            plain_leave (client);
        return false;
    }
    snprintf (line, sizeof line, "%s", client->frames > 7 ? plain_text (client, 6) : "");
    char *at = line;
    for (int body = 7; body < client->frames; body++, self->count++) {
        size_t size = strcspn (at, "\n");
        const char *fence = strstr (at, "\tzb-fence=");
        int number = atoi (plain_text (client, body) + 2);
        if (number < 1 || number > s_put || strncmp (plain_text (client, body), "<h", 2))
            world_finding ("H24: nobody has put %s", plain_text (client, body));
        if (!fence || fence >= at + size)
            world_finding ("H24: order %d has no number of its helmsman", number);
        self->number[self->count] = number;
        self->fence[self->count] = strtoull (fence + 10, NULL, 10);
        snprintf (self->ids + strlen (self->ids), 24, "%s%.*s", *self->ids ? " " : "", (int) strcspn (at, " "), at);
        at += size + (at[size] == '\n');
    }
    return true;
}

//  An order has come with a number.
static void s_look (const s_helmsman_t *self, int index)
{
    uint64_t fence = self->fence[index];
    size_t watch = s_watches;
    while (watch && s_watch[watch - 1].fence != fence)
        watch--;
    if (watch == 0) {
        assert (s_watches < WATCHES);
        watch = ++s_watches;
        s_watch[watch - 1].fence = fence;
        s_watch[watch - 1].helmsman = self->client->index;
        s_watch[watch - 1].session = self->session;
    }
    watch--;
    if (s_watch[watch].session != self->session)
        world_finding ("H24: helmsmen %d and %d both have the number %" PRIu64, s_watch[watch].helmsman,
                       self->client->index, fence);
    //  What a replay has brought lies before what was given.
    if (s_watch[watch].order >= self->number[index] && !history_is_split ())
        world_finding ("H24: order %d comes after order %d, to one helmsman", self->number[index],
                       s_watch[watch].order);
    s_watch[watch].order = self->number[index];
    s_seen = s_seen < fence ? fence : s_seen;
}

//  Moves the rudder; false: it does not obey.
static bool s_steer (const s_helmsman_t *self, int index)
{
    int number = self->number[index];
    if (self->fence[index] < s_rudder) {
        world_note ("order %d of helmsman %d is not obeyed", number, self->client->index);
        s_refused++;
        return false;
    }
    s_rudder = self->fence[index];
    if (number > 1 && !s_order[number - 1].obeyed && !history_is_split ())
        world_finding ("H24: order %d is obeyed before the one in front of it", number);
    s_order[number].obeyed = true;
    return true;
}

static void s_acknowledge (s_helmsman_t *self)
{
    if (!s_do (self, "ACK", self->ids)) {
        s_late++;
        return;
    }
    for (int index = 0; index < self->count; index++)
        if (++s_order[self->number[index]].acked > 1 && !history_is_split ())
            world_finding ("H24: order %d is acknowledged twice with OK", self->number[index]);
}

static void *s_steers (void *arg)
{
    s_helmsman_t self = {.client = arg};
    while (world_now () < self.client->until) {
        int64_t asked = world_now ();
        uint64_t seen = s_seen;
        bool acked[ORDERS + 1];
        for (int number = 1; number <= s_put; number++)
            acked[number] = s_order[number].acked > 0;
        if (!s_get (&self, "")) {
            plain_nap (0, 50 * MS);
            continue;
        }
        bool whole = !history_is_split () && !history_was_divided (asked);
        for (int index = 0; index < self.count; index++) {
            s_look (&self, index);
            if (self.fence[index] < seen && !history_was_divided (asked))
                world_finding ("H24: order %d has the number %" PRIu64 ", and %" PRIu64 " had been seen",
                               self.number[index], self.fence[index], seen);
            if (whole && acked[self.number[index]])
                world_finding ("H24: order %d comes again, which was acknowledged", self.number[index]);
        }
        if (self.count == 0)
            continue;
        plain_nap (0, world_chance (150) ? 3 * SECOND : 60 * MS);
        //  It begins anew without a word, or does nothing for a while.
        if (world_chance (60)) {
            plain_leave (self.client);
            plain_nap (0, world_chance (500) ? 2 * SECOND : 0);
            continue;
        }
        bool obeyed = true;
        for (int index = 0; index < self.count && obeyed; index++)
            obeyed = s_steer (&self, index);
        if (obeyed)
            s_acknowledge (&self);
    }
    clients_end ();
    return NULL;
}

static void *s_count (void *arg)
{
    s_helmsman_t self = {.client = arg};
    char acks[sizeof self.ids] = "";
    for (int64_t quiet = world_now () + 6 * SECOND; world_now () < quiet || *acks;) {
        bool answered = s_get (&self, acks);
        if (!answered && !s_is_refused (self.client, "410"))
            continue;
        *acks = 0;
        for (int index = 0; index < self.count; index++)
            s_order[self.number[index]].found++;
        if (self.count == 0)
            continue;
        memcpy (acks, self.ids, sizeof acks);
        quiet = world_now () + 6 * SECOND;
    }
    size_t obeyed = 0;
    for (int number = 1; number <= s_put; number++) {
        obeyed += s_order[number].obeyed;
        if (s_order[number].ok && !s_order[number].obeyed && !s_order[number].found && !s_order[number].aside)
            world_finding ("H24: order %d was answered OK, and is gone", number);
        if (s_order[number].acked && s_order[number].found && !history_is_split ())
            world_finding ("H24: order %d is there, which was acknowledged", number);
    }
    world_note ("%d orders, %zu obeyed, %zu not, %zu acknowledged too late, %zu numbers", s_put, obeyed, s_refused,
                s_late, s_watches);
    s_ended = true;
    return NULL;
}

void helm_aside (const void *body, size_t size)
{
    char text[24] = "";
    memcpy (text, body, size < sizeof text - 1 ? size : sizeof text - 1);
    int number = atoi (text + 2);
    assert (number > 0 && number <= ORDERS);
    s_order[number].aside = true;
}

void helm_start (int64_t until)
{
    static const char *const process[] = {"helm0", "helm1", "helm2"}, *const name[] = {"mate", "pilot", ""};
    clients_begin ();
    plain_start ("captain", "captain", 0, s_captain, until);
    for (int index = 0; index < HELMSMEN; index++) {
        clients_begin ();
        plain_start (process[index], name[index], index, s_steers, until);
    }
}

void helm_count (void)
{
    plain_start ("helm9", "", 0, s_count, INT64_MAX);
}

bool helm_has_been_counted (void)
{
    return s_ended;
}
