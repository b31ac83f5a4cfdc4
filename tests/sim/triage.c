/*  =========================================================================
    triage - messages with priorities, and who gets them

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A nurse puts numbered patients into a queue with four priorities. One doctor gets one or two, acknowledges them by their ids,
    gives some back, and leaves some. In the end the queue is emptied. H22:

      - none comes while one of a higher priority, or of its own and put before, was answered OK before the GET was asked and
        waits: was given to nobody, or given back and that was answered OK.  For a while after a GET that was not
        answered it is not known who waits;
      - each one that was answered OK, and that nobody has acknowledged, is there, once;
      - none comes again that was acknowledged with OK.

    After a split there is no common order, and it may be there twice, or come again; but it is there.
*/

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients.h"
#include "plain.h"

#define PATIENTS 300
#define MOST 2
#define RANKS 4
#define NAME "ward"
#define LEASE 1000 //  ms, and as long a grace

static struct {
    bool ok, aside;     //  answered OK; put aside by the loser of a split
    bool acking, acked; //  an ACK may have meant it; one was answered OK
    bool given;         //  somebody may have it
    int64_t waits;      //  since then it waits for sure, unless it was given
    int64_t done;       //  when the ACK was OK
    unsigned rank;
    uint64_t id; //  as it was told last
    int found;   //  how often in the end
} s_patient[PATIENTS + 1];

static int s_put;
static int64_t s_fog; //  until then it is not known who waits
static bool s_ended;
static size_t s_seen, s_compared, s_given_back;

//  Until it is answered OK.
static void s_do (client_t *self, const char *verb, const char *argument)
{
    for (;;) {
        char id[24];
        snprintf (id, sizeof id, "t%" PRIu64, ++self->serial);
        frame_t frame[] = {TEXT ("ZB1"), TEXT (verb), TEXT (id), TEXT (NAME), TEXT (argument)};
        if (!self->socket)
            plain_greet (self);
        if (plain_ask (self, frame, 5, PATIENCE + 500))
            return;
        plain_leave (self);
    }
}

static void *s_nurse (void *arg)
{
    client_t *self = arg;
    char options[60];
    snprintf (options, sizeof options, "priorities=%d\nlease=%d\ngrace=%d", RANKS, LEASE, LEASE);
    s_do (self, "QUEUE", options);
    while (world_now () < self->until && s_put < PATIENTS) {
        char body[24], id[24], properties[40];
        int number = s_put + 1;
        unsigned priority = world_chance (400) ? 0 : (unsigned) world_random (RANKS + 2);
        snprintf (body, sizeof body, "<t%d>", number);
        snprintf (id, sizeof id, "%d", number);
        snprintf (properties, sizeof properties, "stamp=red\npriority=%u", priority);
        s_patient[number].rank = priority < RANKS ? priority : RANKS - 1;
        s_put = number;
        frame_t frame[] = {TEXT ("ZB1"), TEXT ("PUT"), TEXT (id), TEXT (NAME), TEXT (properties), TEXT (body)};
        for (bool put = false; !put;) {
            if (!self->socket)
                plain_greet (self);
            put = plain_ask (self, frame, 6, PATIENCE + 500);
            if (!put)
                plain_leave (self);
        }
        s_patient[number].ok = true;
        s_patient[number].waits = world_now ();
        plain_nap (0, 60 * MS);
    }
    clients_end ();
    return NULL;
}

//  Nobody who should have come before this one waits since before the GET was asked.
static void s_check_order (int number, int64_t asked)
{
    if (s_fog >= asked || history_is_split () || history_was_divided (asked))
        return;
    for (int other = 1; other <= s_put; other++) {
        bool before = s_patient[other].rank > s_patient[number].rank ||
                      (s_patient[other].rank == s_patient[number].rank && other < number);
        bool waits = s_patient[other].ok && !s_patient[other].given && !s_patient[other].acking &&
                     !s_patient[other].aside && s_patient[other].waits < asked &&
                     !history_was_divided (s_patient[other].waits);
        s_compared += before && waits;
        if (before && waits)
            world_finding ("H22: patient %d (priority %u) comes while %d (%u) waits", number, s_patient[number].rank,
                           other, s_patient[other].rank);
    }
    s_compared++;
}

//  Gets some; how many, -1: no answer.
static int s_get (client_t *self, const char *wait, const char *acks, int number[MOST])
{
    char id[24], line[1024];
    int64_t asked = world_now ();
    snprintf (id, sizeof id, "g%" PRIu64, ++self->serial);
    frame_t frame[] = {TEXT ("ZB1"), TEXT ("GET"), TEXT (id), TEXT (NAME), TEXT ("2"), TEXT (wait), TEXT (acks)};
    if (!self->socket)
        plain_greet (self);
    asked = world_now ();
    if (!plain_ask (self, frame, 7, PATIENCE + 600)) {
        plain_leave (self);
        //  What it was given may be delivered late, and comes back later still.
        s_fog = world_now () + (2 * LEASE + 10000) * MS;
        return -1;
    }
    snprintf (line, sizeof line, "%s", self->frames > 7 ? plain_text (self, 6) : "");
    char *at = line;
    for (int body = 7; body < self->frames; body++) {
        int found = atoi (plain_text (self, body) + 2);
        if (found < 1 || found > s_put)
            world_finding ("H22: nobody has sent in %s", plain_text (self, body));
        s_check_order (found, asked);
        //  Who asked before may be given it, and hear of it after that.
        if (s_patient[found].acked && s_patient[found].done <= asked && !history_was_divided (asked) &&
            !history_is_split ())
            world_finding ("H22: patient %d comes again, who was acknowledged", found);
        number[body - 7] = found;
        s_patient[found].given = true;
        s_patient[found].id = strtoull (at, NULL, 10);
        at += strcspn (at, "\n");
        at += *at == '\n';
    }
    return self->frames > 7 ? self->frames - 7 : 0;
}

//  What it does with each: acknowledges it, gives it back, or leaves it.
static void s_dispose (client_t *self, int count, const int number[MOST])
{
    for (int index = 0; index < count; index++) {
        char id[24];
        int64_t begun = world_now ();
        if (world_chance (100))
            continue;
        bool back = world_chance (150);
        snprintf (id, sizeof id, "%" PRIu64, s_patient[number[index]].id);
        s_patient[number[index]].acking = s_patient[number[index]].acking || !back;
        s_do (self, back ? "NACK" : "ACK", id);
        if (!back) {
            s_patient[number[index]].acked = true;
            s_patient[number[index]].done = world_now ();
        }
        //  A connection that has ended since holds it, maybe.
        else if (world_now () < begun + LEASE * MS / 4 && s_fog < begun) {
            s_patient[number[index]].given = false;
            s_patient[number[index]].waits = world_now ();
            s_given_back++;
        }
    }
}

static void *s_doctor (void *arg)
{
    client_t *self = arg;
    int number[MOST];
    while (world_now () < self->until) {
        int count = s_get (self, "200", "", number);
        s_seen += count > 0 ? (size_t) count : 0;
        if (count > 0)
            s_dispose (self, count, number);
        plain_nap (0, world_chance (40) ? 2 * SECOND : 120 * MS);
    }
    clients_end ();
    return NULL;
}

//  Takes all of it, until nothing has come for longer than a lease.
static void s_empty (client_t *self)
{
    const int64_t patience = (2 * LEASE + 2000) * MS;
    int number[MOST];
    char acks[MOST * 25] = "";
    for (int64_t quiet = world_now () + patience; world_now () < quiet || *acks;) {
        int count = s_get (self, "500", acks, number);
        if (count >= 0)
            *acks = 0;
        else
            plain_nap (50 * MS, 100 * MS);
        for (int index = 0; index < count; index++) {
            size_t size = strlen (acks);
            s_patient[number[index]].found++;
            snprintf (acks + size, sizeof acks - size, "%s%" PRIu64, size ? " " : "", s_patient[number[index]].id);
        }
        if (count > 0)
            quiet = world_now () + patience;
    }
}

static void *s_count (void *arg)
{
    s_empty (arg);
    for (int number = 1; number <= s_put; number++) {
        if (s_patient[number].found > 1 && !history_is_split ())
            world_finding ("H22: patient %d is there %d times", number, s_patient[number].found);
        if (s_patient[number].ok && !s_patient[number].acking && !s_patient[number].aside &&
            s_patient[number].found == 0)
            world_finding ("H22: patient %d is gone, and nobody has acknowledged it", number);
    }
    world_note ("%d patients, %zu seen, %zu compared, %zu given back", s_put, s_seen, s_compared, s_given_back);
    s_ended = true;
    return NULL;
}

void triage_aside (const void *body, size_t size)
{
    char text[24] = "";
    memcpy (text, body, size < sizeof text - 1 ? size : sizeof text - 1);
    int number = atoi (text + 2);
    assert (number > 0 && number <= PATIENTS);
    s_patient[number].aside = true;
}

void triage_start (int64_t until)
{
    clients_begin ();
    plain_start ("nurse", "nurse", 0, s_nurse, until);
    clients_begin ();
    plain_start ("doctor", "", 0, s_doctor, until);
}

void triage_count (void)
{
    plain_start ("doctor9", "", 0, s_count, INT64_MAX);
}

bool triage_has_counted (void)
{
    return s_ended;
}
