/*  =========================================================================
    visitors - clients that do all that can be done with one small queue

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    They put, get, acknowledge, list, bound, purge and delete the same queue at the same time, and send what has to be
    refused, too: a number beyond the next one, one that is stored already with the same content, or with another one.
    Which answers were right the judge of histories says (scribe.h).
*/

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients.h"
#include "machines.h"
#include "plain.h"

#define SHELF "shelf"
#define HELD 8

typedef struct {
    client_t *client;
    uint64_t next;    //  the number of the next PUT
    unsigned bodies;  //  that it has made
    unsigned unknown; //  the body of a PUT that was sent and not stored yet, as far as is known; 0 = none
    unsigned newest;  //  of the one that was stored last
    uint64_t wide;    //  the number of one that is too large for one of the brokers; 0 = none
    unsigned large;   //  and its body
    char held[HELD][32];
    size_t holds;
} visitor_t;

//  One request, once.  False: not answered, or refused; then the connection is left unless an error says why.
static bool s_ask (visitor_t *self, const frame_t *frame, size_t frames, int64_t patience)
{
    client_t *client = self->client;
    if (!client->socket)
        plain_greet (client);
    if (plain_ask (client, frame, frames, patience))
        return true;
    const char *code = client->frames > 4 && strcmp (plain_text (client, 1), "ERR") == 0 ? plain_text (client, 4) : "";
    if (*code != '4' || strcmp (code, "401") == 0)
        plain_leave (client);
    return false;
}

static bool s_do (visitor_t *self, const char *verb, const char *first, const char *second)
{
    char id[24];
    snprintf (id, sizeof id, "v%" PRIu64, ++self->client->serial);
    frame_t frame[] = {TEXT ("ZB1"), TEXT (verb), TEXT (id), TEXT (first), TEXT (second)};
    return s_ask (self, frame, strcmp (verb, "QUEUE") == 0 || strstr (verb, "ACK") ? 5 : 4, PATIENCE);
}

//  Too large for one of the brokers.
static bool s_is_large (unsigned body)
{
    return world_has (EXTRA_LIMITS) && body % 3 == 0;
}

static bool s_send (visitor_t *self, uint64_t number, unsigned body)
{
    char id[24], *text[2];
    snprintf (id, sizeof id, "%s%" PRIu64, *self->client->name ? "" : "x", number);
    int fill = s_is_large (body) ? (int) machines_body () : 0;
    for (int index = 0; index < 2; index++) {
        size_t room = 32 + (size_t) fill;
        text[index] = malloc (room);
        assert (text[index]);
        snprintf (text[index], room, "<v%d.%04u.%d>%*s", self->client->index, body, index, index ? 0 : fill, "");
    }
    frame_t frame[] = {TEXT ("ZB1"), TEXT ("PUT"), TEXT (id), TEXT (SHELF), TEXT (""), TEXT (text[0]), TEXT (text[1])};
    bool good = s_ask (self, frame, body % 4 ? 6 : 7, PATIENCE);
    for (int index = 0; index < 2; index++)
        free (text[index]);
    return good;
}

static bool s_is_refused (visitor_t *self, const char *code)
{
    return self->client->frames > 4 && strcmp (plain_text (self->client, 4), code) == 0;
}

//  Under its number until it is stored, maybe with other requests between.
static void s_put (visitor_t *self)
{
    if (!self->unknown)
        self->unknown = ++self->bodies;
    if (s_send (self, self->next, self->unknown)) {
        self->newest = self->unknown;
        if (s_is_large (self->newest)) {
            self->wide = self->next;
            self->large = self->newest;
        }
        self->unknown = 0;
        self->next++;
    }
    else if (s_is_refused (self, "404"))
        s_do (self, "QUEUE", SHELF, "lease=1000");
    //  For good: the number goes to the next one.
    else if (s_is_refused (self, "413"))
        self->unknown = 0;
}

//  Some of these are refused.
static void s_put_otherwise (visitor_t *self)
{
    if (self->unknown || !self->newest)
        return;
    if (self->wide && world_chance (700)) {
        s_send (self, self->wide, self->large);
        return;
    }
    switch (world_random (3)) {
    case 0:
        s_send (self, self->next + 1 + world_random (3), ++self->bodies);
        break;
    case 1:
        s_send (self, self->next - 1, ++self->bodies);
        break;
    default:
        s_send (self, self->next - 1, self->newest);
    }
}

static void s_get (visitor_t *self)
{
    char id[24], most[4], wait[8], acks[HELD * 32] = "";
    snprintf (id, sizeof id, "g%" PRIu64, ++self->client->serial);
    snprintf (most, sizeof most, "%d", (int) world_random (4));
    snprintf (wait, sizeof wait, "%d", (int) world_random (200));
    for (size_t index = 0; index < self->holds && world_chance (500); index++)
        sprintf (acks + strlen (acks), "%s%s", *acks ? " " : "", self->held[index]);
    frame_t frame[] = {TEXT ("ZB1"), TEXT ("GET"), TEXT (id), TEXT (SHELF), TEXT (most), TEXT (wait), TEXT (acks)};
    if (!s_ask (self, frame, 7, PATIENCE + 200))
        return;
    self->holds = *acks ? 0 : self->holds;
    const char *line = plain_text (self->client, 6);
    for (int body = 7; body < self->client->frames && self->holds < HELD; body++) {
        snprintf (self->held[self->holds++], 32, "%.*s", (int) strcspn (line, " "), line);
        line += strcspn (line, "\n");
        line += *line == '\n';
    }
}

static void s_dispose (visitor_t *self)
{
    char acks[HELD * 32] = "";
    for (size_t index = 0; index < self->holds; index++)
        sprintf (acks + strlen (acks), "%s%s", index ? " " : "", self->held[index]);
    bool takes = world_chance (700), later = !world_has (EXTRA_LEVELS) && world_chance (400);
    char id[24], delay[12];
    snprintf (id, sizeof id, "n%" PRIu64, ++self->client->serial);
    snprintf (delay, sizeof delay, "%d", (int) world_random (4000));
    frame_t nack[] = {TEXT ("ZB1"), TEXT ("NACK"), TEXT (id), TEXT (SHELF), TEXT (acks), TEXT (delay)};
    if (self->holds && (takes ? s_do (self, "ACK", SHELF, acks) : s_ask (self, nack, later ? 6 : 5, PATIENCE)))
        self->holds = 0;
}

static void s_visit (visitor_t *self)
{
    static const char *const most[] = {"max-messages=0", "max-messages=3", "max-messages=6", "max-messages=12"};
    unsigned chance = (unsigned) world_random (100);
    if (chance < 35)
        s_put (self);
    else if (chance < 43 && *self->client->name)
        s_put_otherwise (self);
    else if (chance < 62)
        s_get (self);
    else if (chance < 74)
        s_dispose (self);
    else if (chance < 92)
        s_do (self, "LIST", world_chance (500) ? SHELF : "", "");
    else if (chance < 97)
        s_do (self, "QUEUE", SHELF, most[world_random (4)]);
    else
        s_do (self, chance < 99 ? "PURGE" : "DELETE", SHELF, "");
}

static void *s_run (void *arg)
{
    visitor_t self = {.client = arg, .next = 1};
    while (world_now () < self.client->until) {
        s_visit (&self);
        plain_nap (0, 60 * MS);
    }
    while (!s_do (&self, "LIST", "", ""))
        continue;
    clients_end ();
    return NULL;
}

void visitors_start (int64_t until)
{
    static const char *const name[] = {"guest", "clerk", ""};
    static const char *const process[] = {"v0", "v1", "v2"};
    for (int index = 0; index < 3; index++) {
        clients_begin ();
        plain_start (process[index], name[index], index, s_run, until);
    }
}
