/*  =========================================================================
    tracks - a queue whose messages go by their key

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A dispatcher puts numbered trains into a queue with mode=key, each on one of some tracks, or on none. Three signalmen let them through:
    each gets some, and acknowledges them, one by one; or gives one back, to come at once or after a while; or sleeps until
    others have them; or hangs up. In some runs the queue has a retry-delay. Some trains have a delay. In the end the queue is emptied. H25:

      - a train comes when all those before it on its track that had no delay are through, so no two of these are anybody's at
        once (not over a split): whatever gave them back, and whoever leads;
      - one whose acknowledgement was answered OK does not come again (nor this over a split);
      - in the end each that was answered OK was acknowledged, or is in the queue.
*/

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients.h"
#include "plain.h"

#define NAME "tracks"
#define TRAINS 400
#define TRACKS 4 //  the first of them is none
#define SIGNALMEN 3
#define MOST 4

static struct {
    int track;
    bool late, ok, tried, through, aside; //  of `tried` nobody knows whether it was acknowledged
    int found;                      //  in the end
} s_train[TRAINS + 1];

static int s_put;
static size_t s_came, s_back, s_again;
static bool s_ended;

typedef struct {
    client_t *client;
    int count;
    int number[MOST];
    char id[MOST][24];
} s_signalman_t;

static void s_ready (s_signalman_t *self)
{
    if (!self->client->socket)
        plain_greet (self->client);
}

static bool s_is_refused (client_t *self, const char *code)
{
    return self->frames > 5 && strcmp (plain_text (self, 1), "ERR") == 0 && strcmp (plain_text (self, 4), code) == 0;
}

//  Until it is answered OK, or 410: then false.  So is 400: what the loser of a split has delivered the winner may have as
//  given to nobody yet; it comes again when somebody gets.
static bool s_do (s_signalman_t *self, const char *verb, const char *argument)
{
    for (;;) {
        char id[24];
        snprintf (id, sizeof id, "t%" PRIu64, ++self->client->serial);
        frame_t frame[] = {TEXT ("ZB1"), TEXT (verb), TEXT (id), TEXT (NAME), TEXT (argument)};
        s_ready (self);
        if (plain_ask (self->client, frame, 5, PATIENCE + 500))
            return true;
        bool laid = strcmp (verb, "ACK") == 0 && s_is_refused (self->client, "400");
        if (laid || s_is_refused (self->client, "410"))
            return false;
        plain_leave (self->client);
    }
}

static void *s_dispatcher (void *arg)
{
    s_signalman_t self = {.client = arg};
    s_do (&self, "QUEUE",
          world_chance (300) ? "mode=key\ndelay=0\nlease=1000\ngrace=1000\nretry-delay=200..2000"
                             : "mode=key\ndelay=0\nlease=1000\ngrace=1000");
    while (world_now () < self.client->until && s_put < TRAINS) {
        char body[24], id[24], properties[48];
        int track = (int) world_random (TRACKS);
        s_train[++s_put].track = track;
        s_train[s_put].late = world_chance (150);
        snprintf (body, sizeof body, "<r%d>", s_put);
        snprintf (id, sizeof id, "%d", s_put);
        snprintf (properties, sizeof properties, track ? "key=track%d%s" : "none=%d%s", track,
                  s_train[s_put].late ? "\ndelay=600" : "");
        frame_t frame[] = {TEXT ("ZB1"), TEXT ("PUT"), TEXT (id), TEXT (NAME), TEXT (properties), TEXT (body)};
        for (bool put = false; !put;) {
            s_ready (&self);
            put = plain_ask (self.client, frame, 6, PATIENCE + 500);
            if (!put)
                plain_leave (self.client);
        }
        s_train[s_put].ok = true;
        plain_nap (0, world_chance (100) ? SECOND : 80 * MS);
    }
    clients_end ();
    return NULL;
}

//  Gets some trains.  False: no answer, or it was refused.
static bool s_get (s_signalman_t *self)
{
    char id[24], most[16], line[1024];
    client_t *client = self->client;
    self->count = 0;
    snprintf (id, sizeof id, "g%" PRIu64, ++client->serial);
    snprintf (most, sizeof most, "%d", 1 + (int) world_random (MOST));
    frame_t frame[] = {TEXT ("ZB1"), TEXT ("GET"), TEXT (id), TEXT (NAME), TEXT (most), TEXT ("500"), TEXT ("")};
    s_ready (self);
    if (!plain_ask (client, frame, 7, PATIENCE + 600)) {
        if (!s_is_refused (client, "404"))
            plain_leave (client);
        return false;
    }
    snprintf (line, sizeof line, "%s", client->frames > 7 ? plain_text (client, 6) : "");
    char *at = line;
    for (int body = 7; body < client->frames; body++, self->count++) {
        size_t size = strcspn (at, "\n");
        int number = atoi (plain_text (client, body) + 2);
        if (number < 1 || number > s_put || strncmp (plain_text (client, body), "<r", 2))
            world_finding ("H25: nobody has put %s", plain_text (client, body));
        self->number[self->count] = number;
        snprintf (self->id[self->count], sizeof self->id[0], "%.*s", (int) strcspn (at, " "), at);
        at += size + (at[size] == '\n');
    }
    return true;
}

//  Of these trains it was not known when they were asked for that they are through, if `tried` says so.
static void s_look (const s_signalman_t *self, int index, const bool *through)
{
    int number = self->number[index], track = s_train[number].track;
    s_came++;
    if (through[number])
        world_finding ("H25: train %d comes again, which was acknowledged", number);
    for (int other = 1; track && other < number; other++)
        if (s_train[other].track == track && !s_train[other].late && s_train[other].ok && !s_train[other].tried && !s_train[other].aside)
            world_finding ("H25: train %d comes on track %d, and train %d is not through", number, track, other);
}

//  Each is acknowledged, or comes back.
static void s_let_through (s_signalman_t *self)
{
    for (int index = 0; index < self->count; index++) {
        int number = self->number[index];
        if (world_chance (100)) {
            s_back++;
            char id[24];
            snprintf (id, sizeof id, "n%" PRIu64, ++self->client->serial);
            frame_t frame[] = {TEXT ("ZB1"), TEXT ("NACK"),          TEXT (id),
                               TEXT (NAME),  TEXT (self->id[index]), TEXT ("300")};
            if (!plain_ask (self->client, frame, world_chance (500) ? 6 : 5, PATIENCE + 500)) {
                plain_leave (self->client);
                return;
            }
            continue;
        }
        s_train[number].tried = true;
        if (s_do (self, "ACK", self->id[index]))
            s_train[number].through = true;
        else
            s_again++;
    }
}

static void *s_signals (void *arg)
{
    s_signalman_t self = {.client = arg};
    while (world_now () < self.client->until) {
        int64_t asked = world_now ();
        bool through[TRAINS + 1];
        for (int number = 1; number <= TRAINS; number++)
            through[number] = s_train[number].through;
        if (!s_get (&self)) {
            plain_nap (0, 50 * MS);
            continue;
        }
        for (int index = 0; index < self.count && !history_is_split () && !history_was_divided (asked); index++)
            s_look (&self, index, through);
        plain_nap (0, world_chance (80) ? 2 * SECOND : 60 * MS);
        //  It begins anew without a word.
        if (world_chance (60)) {
            plain_leave (self.client);
            continue;
        }
        s_let_through (&self);
    }
    clients_end ();
    return NULL;
}

static void *s_count (void *arg)
{
    s_signalman_t self = {.client = arg};
    for (int64_t quiet = world_now () + 8 * SECOND; world_now () < quiet;) {
        if (!s_get (&self) || self.count == 0)
            continue;
        for (int index = 0; index < self.count; index++) {
            s_train[self.number[index]].found++;
            s_do (&self, "ACK", self.id[index]);
        }
        quiet = world_now () + 8 * SECOND;
    }
    for (int number = 1; number <= s_put; number++) {
        if (s_train[number].ok && !s_train[number].tried && !s_train[number].found && !s_train[number].aside)
            world_finding ("H25: train %d was answered OK, and is gone", number);
        if (s_train[number].through && s_train[number].found && !history_is_split ())
            world_finding ("H25: train %d is there, which was acknowledged", number);
    }
    world_note ("%d trains came %zu times, %zu given back, %zu acknowledged too late", s_put, s_came, s_back, s_again);
    s_ended = true;
    return NULL;
}

void tracks_aside (const void *body, size_t size)
{
    char text[24] = "";
    memcpy (text, body, size < sizeof text - 1 ? size : sizeof text - 1);
    int number = atoi (text + 2);
    assert (number > 0 && number <= TRAINS);
    s_train[number].aside = true;
}

void tracks_start (int64_t until)
{
    static const char *const process[] = {"tracks0", "tracks1", "tracks2"}, *const name[] = {"north", "south", ""};
    clients_begin ();
    plain_start ("dispatcher", "dispatcher", 0, s_dispatcher, until);
    for (int index = 0; index < SIGNALMEN; index++) {
        clients_begin ();
        plain_start (process[index], name[index], index, s_signals, until);
    }
}

void tracks_count (void)
{
    plain_start ("tracks9", "", 0, s_count, INT64_MAX);
}

bool tracks_have_been_counted (void)
{
    return s_ended;
}
