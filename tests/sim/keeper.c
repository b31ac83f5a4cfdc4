/*  =========================================================================
    keeper - a client that purges, deletes and changes a queue of its own

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    It numbers its messages.  What it purged or deleted is gone if the broker that answered had it: both have stored it,
    or this one has, or the two were not divided in between.  Of the rest that was there either may be.  What was stored
    later is there in the end.
*/

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients.h"
#include "plain.h"

#define ATTIC "attic"
#define KEPT 400

static struct {
    bool ok, both, gone, unsure, got;
    bool twice; //  it was perhaps stored by the other broker as well, under an id of its own
    int broker;
    int64_t when;
} s_kept[KEPT + 1];
static int s_number;
static bool s_counts, s_ended;

//  Until it is done; a queue that is not there is made, if the request is not about that.
static void s_do (client_t *self, const char *verb, const char *argument, const char *body)
{
    for (;;) {
        char id[24];
        bool put = strcmp (verb, "PUT") == 0;
        snprintf (id, sizeof id, put ? "%d" : "a%d", put ? s_number : (int) ++self->serial);
        frame_t frame[] = {TEXT ("ZB1"), TEXT (verb), TEXT (id), TEXT (ATTIC), TEXT (argument), TEXT (body)};
        if (!self->socket)
            plain_greet (self);
        if (plain_ask (self, frame, put ? 6 : strcmp (verb, "QUEUE") == 0 ? 5 : 4, PATIENCE))
            return;
        bool absent = self->frames > 5 && strcmp (plain_text (self, 4), "404") == 0;
        if (absent && !put)
            return;
        if (absent)
            s_do (self, "QUEUE", "", "");
        else {
            s_kept[s_number].twice = s_kept[s_number].twice || put;
            plain_leave (self);
        }
    }
}

static void s_put (client_t *self)
{
    char body[24];
    snprintf (body, sizeof body, "<k%d>", ++s_number);
    s_do (self, "PUT", "", body);
    s_kept[s_number].ok = true;
    s_kept[s_number].both = strcmp (plain_text (self, 4), "both") == 0;
    s_kept[s_number].broker = self->broker;
    s_kept[s_number].when = world_now ();
    world_note ("keeper: %d is stored", s_number);
}

static void s_drop (client_t *self, const char *verb)
{
    int to = s_number;
    s_do (self, verb, "", "");
    world_note ("keeper: %s of all up to %d", verb, to);
    for (int number = 1; number <= to; number++) {
        bool had =
            s_kept[number].both || s_kept[number].broker == self->broker || !history_was_divided (s_kept[number].when);
        s_kept[number].gone = s_kept[number].gone || had;
        s_kept[number].unsure = true;
    }
}

static void s_take (client_t *self, char *acks, bool looks);

//  Looks what is there, and puts it back.  While the two are one nothing is there that was dropped.
static void s_look (client_t *self)
{
    char acks[600], id[24];
    int64_t asked = world_now ();
    snprintf (id, sizeof id, "a%d", (int) ++self->serial);
    frame_t frame[] = {TEXT ("ZB1"), TEXT ("GET"), TEXT (id), TEXT (ATTIC), TEXT ("8"), TEXT ("0"), TEXT ("")};
    if (!self->socket)
        plain_greet (self);
    bool divided = history_was_divided (asked);
    if (!plain_ask (self, frame, 7, PATIENCE) || self->frames < 8)
        return;
    s_take (self, acks, divided || history_was_divided (asked));
    frame_t back[] = {TEXT ("ZB1"), TEXT ("NACK"), TEXT (id), TEXT (ATTIC), TEXT (acks)};
    plain_ask (self, back, 5, PATIENCE);
}

void *keeper_run (void *arg)
{
    client_t *self = arg;
    s_do (self, "QUEUE", "", "");
    while (world_now () < self->until && s_number < KEPT) {
        unsigned chance = (unsigned) world_random (100);
        char options[48];
        snprintf (options, sizeof options, "lease=%d\nmax-messages=%d", 1000 + (int) chance, chance % 2 ? 0 : KEPT);
        if (chance < 60)
            s_put (self);
        else if (chance < 80)
            s_look (self);
        else if (chance < 88)
            s_drop (self, "PURGE");
        else if (chance < 92)
            s_drop (self, "DELETE");
        else if (chance < 96)
            s_look (self);
        else
            s_do (self, "QUEUE", options, "");
        plain_nap (0, 200 * MS);
    }
    clients_end ();
    return NULL;
}

//  `looks`: what comes may be anything, and comes again.
static void s_take (client_t *self, char *acks, bool looks)
{
    char line[BODY_MAX + 1];
    snprintf (line, sizeof line, "%s", plain_text (self, 6));
    char *at = line;
    *acks = 0;
    for (int body = 7; body < self->frames; body++) {
        int number = atoi (plain_text (self, body) + 2);
        if (number < 1 || number > KEPT)
            world_finding ("a message that nobody has stored was delivered to the keeper: %s", plain_text (self, body));
        //  After a split the other broker has perhaps one more of it, which was neither purged nor deleted.  That it was
        //  a split is known when an operator promotes the other one, which may be later.  One that is promoted in the middle
        //  of following has some of what was stored alone, and not all that was done of it.
        bool back = s_kept[number].twice || (!s_kept[number].both && history_was_promoted ());
        if (s_kept[number].gone && !looks && !(back && history_is_split ()))
            world_finding ("H3: message %d of the keeper is back, which was purged or deleted", number);
        if (s_kept[number].got && s_counts)
            world_finding ("H5: message %d of the keeper comes twice", number);
        s_kept[number].got = s_counts;
        size_t size = strcspn (at, " ");
        sprintf (acks + strlen (acks), "%s%.*s", *acks ? " " : "", (int) size, at);
        at += strcspn (at, "\n");
        at += *at == '\n';
    }
}

//  What the queues hold at rest the judge of histories looks at.
static void s_list (client_t *self)
{
    frame_t frame[] = {TEXT ("ZB1"), TEXT ("LIST"), TEXT ("l"), TEXT ("")};
    if (!self->socket)
        plain_greet (self);
    plain_ask (self, frame, 4, PATIENCE);
}

//  The first message that has to come yet; 0 if there is none.
static int s_missing (void)
{
    for (int number = 1; number <= s_number; number++)
        if (s_kept[number].ok && !s_kept[number].unsure && !s_kept[number].got)
            return number;
    return 0;
}

static void *s_count (void *arg)
{
    client_t *self = arg;
    char acks[600] = "";
    bool more = true;
    int64_t limit = world_now () + 35 * SECOND;
    s_counts = true;
    s_list (self);
    s_do (self, "QUEUE", "", "");
    while (more) {
        char id[24];
        snprintf (id, sizeof id, "g%" PRIu64, ++self->serial);
        frame_t frame[] = {TEXT ("ZB1"), TEXT ("GET"), TEXT (id), TEXT (ATTIC), TEXT ("8"), TEXT ("500"), TEXT (acks)};
        if (!self->socket)
            plain_greet (self);
        if (!plain_ask (self, frame, 7, PATIENCE + 600)) {
            plain_leave (self);
            continue;
        }
        //  Some may be leased to the keeper yet.
        more = self->frames > 7 || *acks || (s_missing () && world_now () < limit);
        s_take (self, acks, false);
    }
    if (s_missing ())
        world_finding ("H2: message %d of the keeper was answered OK and is gone", s_missing ());
    s_ended = true;
    return NULL;
}

void keeper_count (void)
{
    plain_start ("count", "", 0, s_count, INT64_MAX);
}

bool keeper_has_counted (void)
{
    return s_ended;
}
