/*  =========================================================================
    samples - a queue that drops its oldest messages when it is full

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A meter puts numbered samples into a queue of eight messages, or so many bytes, and full=drop-oldest; a plotter gets one now and then,
    acknowledges it, or leaves it. In every other run the queue has a dead-letter. In the end all are emptied. H20:

      - the newest four that were answered OK are there, once, but for those that somebody may have acknowledged: the plotter has
        no more than the other half at a time. After a split each side has dropped for itself, and the newest one is there;
      - the queue has no more than eight, unless there was a split;
      - where there is a dead-letter each one that nobody has acknowledged is in one of the two: none is gone;
      - each is in one of the two, but for a drop that a broker took and lost with what its disk lacked, and took anew as the leader:
        its peer replays the first one's dead letter;
      - none comes again that was acknowledged with OK, and nothing is there that was not put.
*/

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients.h"
#include "core/base/lineage.h"
#include "plain.h"

#define SAMPLES 400
#define ROOM 8
#define NEWEST 4
#define MOST 6
#define NAME "samples"
#define LOST "samples.lost"

static struct {
    bool ok, aside;     //  answered OK; put aside by the loser of a split
    bool acking, acked; //  an ACK was sent; it was answered OK
    int64_t done;       //  when that was
    int found;          //  how often in the end
    history_dead_t lost;
} s_sample[SAMPLES + 1];

static int s_put;
static bool s_ended, s_buries;
static size_t s_plotted, s_waits;

static void s_ready (client_t *self)
{
    if (!self->socket)
        plain_greet (self);
}

//  Until it is answered OK.
static void s_do (client_t *self, const char *verb, const char *argument)
{
    for (bool done = false; !done;) {
        char id[24];
        snprintf (id, sizeof id, "s%" PRIu64, ++self->serial);
        frame_t frame[] = {TEXT ("ZB1"), TEXT (verb), TEXT (id), TEXT (NAME), TEXT (argument)};
        s_ready (self);
        done = plain_ask (self, frame, 5, PATIENCE + 500);
        if (!done)
            plain_leave (self);
    }
}

static void *s_meter (void *arg)
{
    client_t *self = arg;
    char options[120];
    s_buries = world_chance (500);
    //  Each has 16 bytes.
    snprintf (options, sizeof options, "lease=1000\ngrace=1000\nfull=drop-oldest\n%s%s",
              world_chance (500) ? "max-messages=8" : "max-bytes=128", s_buries ? "\ndead-letter=" LOST : "");
    s_do (self, "QUEUE", options);
    while (world_now () < self->until && s_put < SAMPLES) {
        char body[24], id[24];
        snprintf (body, sizeof body, "<s%04d>", ++s_put);
        snprintf (id, sizeof id, "%d", s_put);
        frame_t frame[] = {TEXT ("ZB1"), TEXT ("PUT"), TEXT (id), TEXT (NAME), TEXT ("mark=red4"), TEXT (body)};
        for (bool put = false; !put;) {
            s_ready (self);
            put = plain_ask (self, frame, 6, PATIENCE + 500);
            //  There is always something that may go.
            if (!put && self->frames > 5 && strcmp (plain_text (self, 4), "429") == 0 && !history_is_split ())
                world_finding ("H20: sample %d is refused: %s", s_put, plain_text (self, 5));
            s_waits += !put;
            if (!put)
                plain_leave (self);
        }
        s_sample[s_put].ok = true;
        plain_nap (0, world_chance (100) ? SECOND : 70 * MS);
    }
    clients_end ();
    return NULL;
}

//  Gets some of a queue; how many, -1: no answer.
static int s_get (client_t *self, const char *queue, const char *most, const char *acks, int number[MOST],
                  char ids[MOST][24])
{
    char id[24], line[1024];
    snprintf (id, sizeof id, "g%" PRIu64, ++self->serial);
    frame_t frame[] = {TEXT ("ZB1"), TEXT ("GET"), TEXT (id), TEXT (queue), TEXT (most), TEXT ("300"), TEXT (acks)};
    s_ready (self);
    if (!plain_ask (self, frame, 7, PATIENCE + 600)) {
        //  There are no dead letters yet.
        if (self->frames < 6 || strcmp (plain_text (self, 4), "404"))
            plain_leave (self);
        return -1;
    }
    snprintf (line, sizeof line, "%s", self->frames > 7 ? plain_text (self, 6) : "");
    char *at = line;
    for (int body = 7; body < self->frames; body++) {
        int found = atoi (plain_text (self, body) + 2);
        size_t size = strcspn (at, "\n");
        const char *mark = strstr (at, "\tzb-dead=full\tzb-from=" NAME "\tzb-tries=");
        if (found < 1 || found > s_put)
            world_finding ("H20: %s has what nobody has put: %s", queue, plain_text (self, body));
        if ((mark && mark < at + size) != (strcmp (queue, LOST) == 0))
            world_finding ("H20: sample %d is in %s as: %.*s", found, queue, (int) size, at);
        number[body - 7] = found;
        snprintf (ids[body - 7], 24, "%.*s", (int) strcspn (at, " "), at);
        at += size + (at[size] == '\n');
    }
    return self->frames > 7 ? self->frames - 7 : 0;
}

static void *s_plot (void *arg)
{
    client_t *self = arg;
    int number[MOST];
    char ids[MOST][24];
    while (world_now () < self->until) {
        int64_t asked = world_now ();
        int count = s_get (self, NAME, "1", "", number, ids);
        if (count == 1 && s_sample[*number].acked && s_sample[*number].done <= asked && !history_was_divided (asked) &&
            !history_is_split ())
            world_finding ("H20: sample %d comes again, which was acknowledged", *number);
        if (count == 1 && world_chance (700)) {
            s_sample[*number].acking = true;
            s_do (self, "ACK", *ids);
            s_sample[*number].acked = true;
            s_sample[*number].done = s_sample[*number].done ? s_sample[*number].done : world_now ();
            s_plotted++;
        }
        //  So that it has no more than NEWEST at a time, those that it has left included.
        plain_nap (400 * MS, SECOND);
        if (self->socket && world_chance (60))
            plain_leave (self);
    }
    clients_end ();
    return NULL;
}

//  Takes all of a queue, until nothing has come for longer than a lease.
static void s_empty (client_t *self, const char *queue)
{
    int number[MOST], total = 0;
    char ids[MOST][24], acks[MOST * 25] = "";
    for (int64_t quiet = world_now () + 4 * SECOND; world_now () < quiet || *acks;) {
        int count = s_get (self, queue, "6", acks, number, ids);
        if (count >= 0)
            *acks = 0;
        else
            plain_nap (50 * MS, 100 * MS);
        for (int index = 0; index < count; index++) {
            size_t size = strlen (acks);
            if (strcmp (queue, LOST) == 0)
                history_dead (&s_sample[number[index]].lost, strtoull (ids[index], NULL, 10));
            else
                s_sample[number[index]].found++;
            total++;
            snprintf (acks + size, sizeof acks - size, "%s%s", size ? " " : "", ids[index]);
        }
        if (count > 0)
            quiet = world_now () + 4 * SECOND;
    }
    if (strcmp (queue, NAME) == 0 && total > ROOM && !history_is_split ())
        world_finding ("H20: %d samples are in a queue of %d", total, ROOM);
}

static void s_check (int number)
{
    bool split = history_is_split (), newest = number > s_put - (split ? 1 : NEWEST);
    int found = s_sample[number].found, lost = s_sample[number].lost.found;
    if (found + lost > 1 && !split && (found || !history_died_anew (&s_sample[number].lost)))
        world_finding ("H20: sample %d is there %d times, and %d times lost", number, found, lost);
    if (!s_sample[number].ok || s_sample[number].acking || s_sample[number].aside)
        return;
    if (found == 0 && newest)
        world_finding ("H20: sample %d of %d is gone", number, s_put);
    if (found + lost == 0 && s_buries)
        world_finding ("H20: sample %d of %d is neither there nor among those that were dropped", number, s_put);
}

static void *s_count (void *arg)
{
    s_empty (arg, NAME);
    if (s_buries)
        s_empty (arg, LOST);
    size_t there = 0, lost = 0;
    for (int number = 1; number <= s_put; number++) {
        s_check (number);
        there += s_sample[number].found > 0;
        lost += s_sample[number].lost.found > 0;
    }
    world_note ("%d samples, %zu there, %zu lost, %zu plotted, %zu asked again", s_put, there, lost, s_plotted,
                s_waits);
    s_ended = true;
    return NULL;
}

void samples_aside (const void *body, size_t size)
{
    char text[24] = "";
    memcpy (text, body, size < sizeof text - 1 ? size : sizeof text - 1);
    int number = atoi (text + 2);
    assert (number > 0 && number <= SAMPLES);
    s_sample[number].aside = true;
}

void samples_start (int64_t until)
{
    clients_begin ();
    plain_start ("meter", "meter", 0, s_meter, until);
    clients_begin ();
    plain_start ("plotter", "", 0, s_plot, until);
}

void samples_count (void)
{
    plain_start ("plotter9", "", 0, s_count, INT64_MAX);
}

bool samples_have_been_counted (void)
{
    return s_ended;
}
