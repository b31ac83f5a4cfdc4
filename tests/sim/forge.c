/*  =========================================================================
    forge - consumers that put what they make of messages, with the acks in the PUT

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A miner puts ore; smiths take some of it at a time, make a bar of that, and put the bar with acks= of the ore. They may
    sleep until others have their ore.  At rest:

      - ore that was answered OK is in a bar or in its queue, never in two bars and never in both;
      - a bar that was answered OK is there once, one that was answered 410 is not.

    After a split there may be more than one bar of the same ore, and what was told of a bar is true of one side; but no
    ore and no bar that was answered OK is gone, unless the bar was put aside.
*/

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients.h"
#include "plain.h"

#define ORE "ore"
#define BARS "bars"
#define ORES 500
#define SMITHS 2
#define MADE 1000
#define MOST 3

static struct {
    bool ok, left; //  answered OK; found in its queue
    int bars;      //  that were found of it
} s_ore[ORES + 1];

static struct {
    bool ok, gone;
    int found;
} s_bar[SMITHS][MADE + 1];

static int s_mined;
static bool s_ended;
static size_t s_forged, s_refused;

//  Until it is done.
static void s_make (client_t *self, const char *queue)
{
    char id[24];
    snprintf (id, sizeof id, "q%" PRIu64, ++self->serial);
    frame_t frame[] = {TEXT ("ZB1"), TEXT ("QUEUE"), TEXT (id), TEXT (queue), TEXT ("lease=1000")};
    for (;;) {
        if (!self->socket)
            plain_greet (self);
        if (plain_ask (self, frame, 5, PATIENCE))
            return;
        plain_leave (self);
    }
}

static bool s_is_refused (client_t *self, const char *code)
{
    return self->frames > 5 && strcmp (plain_text (self, 1), "ERR") == 0 && strcmp (plain_text (self, 4), code) == 0;
}

//  Until it is OK, or 410: then false.
static bool s_put (client_t *self, const char *queue, const char *properties, const char *body)
{
    for (;;) {
        char id[24];
        snprintf (id, sizeof id, "%" PRIu64, self->number + 1);
        frame_t frame[] = {TEXT ("ZB1"), TEXT ("PUT"), TEXT (id), TEXT (queue), TEXT (properties), TEXT (body)};
        uint64_t number = self->number;
        if (!self->socket)
            plain_greet (self);
        //  What it was told at HELLO may be this very PUT.
        self->number = number;
        bool good = plain_ask (self, frame, 6, PATIENCE);
        self->number += good;
        if (good || s_is_refused (self, "410"))
            return good;
        if (s_is_refused (self, "404"))
            s_make (self, queue);
        else if (s_is_refused (self, "409")) {
            uint64_t expected = strtoull (plain_text (self, 5), NULL, 10);
            if (!history_is_split ())
                world_finding ("H2: %s is told to go on with %" PRIu64 " and not %s", self->name, expected, id);
            self->number = expected ? expected - 1 : self->number;
        }
        else
            plain_leave (self);
    }
}

static void *s_mine (void *arg)
{
    client_t *self = arg;
    while (world_now () < self->until && s_mined < ORES) {
        char body[24];
        snprintf (body, sizeof body, "<f%d>", ++s_mined);
        s_put (self, ORE, "", body);
        s_ore[s_mined].ok = true;
        plain_nap (0, 80 * MS);
    }
    clients_end ();
    return NULL;
}

//  Gets some ore: the property that acknowledges it, and the end of the bar's name.  False: none.
static bool s_get (client_t *self, char acks[128], char names[64])
{
    char id[24], most[16], line[256];
    snprintf (id, sizeof id, "g%" PRIu64, ++self->serial);
    snprintf (most, sizeof most, "%d", 1 + (int) world_random (MOST));
    frame_t frame[] = {TEXT ("ZB1"), TEXT ("GET"), TEXT (id), TEXT (ORE), TEXT (most), TEXT ("200"), TEXT ("")};
    if (!self->socket)
        plain_greet (self);
    if (!plain_ask (self, frame, 7, PATIENCE + 300)) {
        if (s_is_refused (self, "404"))
            s_make (self, ORE);
        else
            plain_leave (self);
        return false;
    }
    snprintf (line, sizeof line, "%s", plain_text (self, 6));
    strcpy (acks, "acks=" ORE);
    *names = 0;
    char *at = line;
    for (int body = 7; body < self->frames; body++) {
        size_t size = strcspn (at, " ");
        sprintf (acks + strlen (acks), " %.*s", (int) size, at);
        sprintf (names + strlen (names), " %d", atoi (plain_text (self, body) + 2));
        at += strcspn (at, "\n");
        at += *at == '\n';
    }
    return self->frames > 7;
}

static void *s_smith (void *arg)
{
    client_t *self = arg;
    int made = 0;
    char acks[128], names[64], body[128];
    while (world_now () < self->until && made < MADE) {
        if (!s_get (self, acks, names))
            continue;
        //  It works; or falls asleep until its leases have ended; or begins anew without a word.
        plain_nap (0, world_chance (150) ? 3 * SECOND : 60 * MS);
        if (world_chance (50)) {
            plain_leave (self);
            continue;
        }
        snprintf (body, sizeof body, "<f%d.%d%s>", self->index, ++made, names);
        bool good = s_put (self, BARS, acks, body);
        world_note ("%s %s of %s", good ? "forged" : "is too late with", body, acks + 5);
        *(good ? &s_bar[self->index][made].ok : &s_bar[self->index][made].gone) = true;
        ++*(good ? &s_forged : &s_refused);
    }
    clients_end ();
    return NULL;
}

//  A bar was found, or put aside.
static void s_find_bar (const char *text)
{
    int smith = 0, number = 0, used = 0, ore, more;
    if (sscanf (text, "<f%d.%d%n", &smith, &number, &used) != 2 || smith >= SMITHS || number > MADE)
        world_finding ("a bar that nobody has made: %s", text);
    s_bar[smith][number].found++;
    for (text += used; sscanf (text, " %d%n", &ore, &more) == 1 && ore > 0 && ore <= ORES; text += more)
        s_ore[ore].bars++;
}

void forge_aside (const void *body, size_t size)
{
    char text[128] = "";
    memcpy (text, body, size < sizeof text - 1 ? size : sizeof text - 1);
    if (strchr (text, '.'))
        s_find_bar (text);
    else if (atoi (text + 2) > 0 && atoi (text + 2) <= ORES)
        s_ore[atoi (text + 2)].left = true;
}

//  Whatever is in a queue is taken from it, until nothing has come for longer than a lease.
static void s_empty (client_t *self, const char *queue)
{
    char acks[600] = "";
    int64_t quiet = world_now () + 5 * SECOND;
    s_make (self, queue);
    while (world_now () < quiet || *acks) {
        char id[24], line[1024];
        snprintf (id, sizeof id, "g%" PRIu64, ++self->serial);
        frame_t frame[] = {TEXT ("ZB1"), TEXT ("GET"), TEXT (id), TEXT (queue), TEXT ("8"), TEXT ("500"), TEXT (acks)};
        if (!self->socket)
            plain_greet (self);
        if (!plain_ask (self, frame, 7, PATIENCE + 600)) {
            plain_leave (self);
            continue;
        }
        *acks = 0;
        snprintf (line, sizeof line, "%s", plain_text (self, 6));
        char *at = line;
        for (int body = 7; body < self->frames; body++) {
            forge_aside (plain_text (self, body), strlen (plain_text (self, body)));
            sprintf (acks + strlen (acks), "%s%.*s", *acks ? " " : "", (int) strcspn (at, " "), at);
            at += strcspn (at, "\n");
            at += *at == '\n';
        }
        if (*acks)
            quiet = world_now () + 5 * SECOND;
    }
}

static void s_check (void)
{
    bool split = history_is_split ();
    for (int ore = 1; ore <= s_mined; ore++) {
        if (s_ore[ore].ok && s_ore[ore].bars == 0 && !s_ore[ore].left)
            world_finding ("H14: ore %d is gone, and no bar was made of it", ore);
        if (!split && s_ore[ore].bars + s_ore[ore].left > 1)
            world_finding ("H14: %d bars were made of ore %d%s", s_ore[ore].bars, ore,
                           s_ore[ore].left ? ", which is still there" : "");
    }
    for (int smith = 0; smith < SMITHS; smith++)
        for (int bar = 1; bar <= MADE; bar++) {
            if (s_bar[smith][bar].ok && (s_bar[smith][bar].found == 0 || (!split && s_bar[smith][bar].found > 1)))
                world_finding ("H14: bar %d.%d was answered OK and is there %d times", smith, bar,
                               s_bar[smith][bar].found);
            if (!split && s_bar[smith][bar].gone && s_bar[smith][bar].found)
                world_finding ("H14: bar %d.%d was answered 410 and is there", smith, bar);
        }
    world_note ("%d ore, %zu bars, %zu too late", s_mined, s_forged, s_refused);
}

static void *s_count (void *arg)
{
    client_t *self = arg;
    s_empty (self, ORE);
    s_empty (self, BARS);
    s_check ();
    s_ended = true;
    return NULL;
}

void forge_start (int64_t until)
{
    static const char *const process[] = {"forge0", "forge1"}, *const name[] = {"smith", "cutler"};
    clients_begin ();
    plain_start ("forge", "miner", 0, s_mine, until);
    for (int index = 0; index < SMITHS; index++) {
        clients_begin ();
        plain_start (process[index], name[index], index, s_smith, until);
    }
}

void forge_count (void)
{
    plain_start ("forge9", "", 0, s_count, INT64_MAX);
}

bool forge_has_counted (void)
{
    return s_ended;
}
