/*  =========================================================================
    calls - two that say the same, in a queue that has it once

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Two callers without names put the same numbered calls, each under a message-id, one after the other, at their own pace, until each is
    answered OK.  In the end the queue is emptied.  Each call is there once (H23), also where both sides of a split have
    stored it, unless a merge was cut off and its loser led next; and both callers are told the same id, but for a split.
*/

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients.h"
#include "plain.h"

#define NAME "calls"
#define CALLS 400
#define CALLERS 2
#define MOST 6

static struct {
    bool ok, aside;
    char id[24]; //  as the first answer says
    int found;
} s_call[CALLS + 1];

static bool s_ended;
static size_t s_twice;

static void s_ready (client_t *self)
{
    if (!self->socket)
        plain_greet (self);
}

static void s_make (client_t *self)
{
    for (bool done = false; !done;) {
        char id[24];
        snprintf (id, sizeof id, "q%" PRIu64, ++self->serial);
        frame_t frame[] = {TEXT ("ZB1"), TEXT ("QUEUE"), TEXT (id), TEXT (NAME), TEXT ("lease=1000\ndedupe=3600000")};
        s_ready (self);
        done = plain_ask (self, frame, 5, PATIENCE + 500);
        if (!done)
            plain_leave (self);
    }
}

static void s_put (client_t *self, int number)
{
    char body[24], properties[40];
    snprintf (body, sizeof body, "<c%d>", number);
    snprintf (properties, sizeof properties, "message-id=call %d", number);
    for (bool put = false; !put;) {
        char id[24];
        snprintf (id, sizeof id, "c%" PRIu64, ++self->serial);
        frame_t frame[] = {TEXT ("ZB1"), TEXT ("PUT"), TEXT (id), TEXT (NAME), TEXT (properties), TEXT (body)};
        s_ready (self);
        put = plain_ask (self, frame, 6, PATIENCE + 500);
        //  One that has asked for the queue of a broker which the other one has replaced makes it anew.
        if (!put && self->frames > 5 && strcmp (plain_text (self, 4), "404") == 0)
            s_make (self);
        else if (!put)
            plain_leave (self);
    }
    const char *first = plain_text (self, 5);
    s_twice += self->frames > 7;
    if (!s_call[number].ok)
        snprintf (s_call[number].id, sizeof s_call[number].id, "%s", first);
    else if (strcmp (s_call[number].id, first) && !history_is_split ())
        world_finding ("H23: call %d was stored as %s, and as %s", number, s_call[number].id, first);
    s_call[number].ok = true;
}

static void *s_call_all (void *arg)
{
    client_t *self = arg;
    s_make (self);
    for (int number = 1; number <= CALLS && world_now () < self->until; number++) {
        s_put (self, number);
        plain_nap (0, world_chance (60) ? SECOND : 60 * MS);
        if (self->socket && world_chance (60))
            plain_leave (self);
    }
    clients_end ();
    return NULL;
}

//  Gets some; how many, -1: no answer.
static int s_get (client_t *self, const char *acks, int number[MOST], char ids[MOST][24])
{
    char id[24], line[1024];
    snprintf (id, sizeof id, "g%" PRIu64, ++self->serial);
    frame_t frame[] = {TEXT ("ZB1"), TEXT ("GET"), TEXT (id), TEXT (NAME), TEXT ("6"), TEXT ("300"), TEXT (acks)};
    s_ready (self);
    if (!plain_ask (self, frame, 7, PATIENCE + 600)) {
        plain_leave (self);
        return -1;
    }
    snprintf (line, sizeof line, "%s", self->frames > 7 ? plain_text (self, 6) : "");
    char *at = line;
    for (int body = 7; body < self->frames; body++) {
        size_t size = strcspn (at, "\n");
        int found = atoi (plain_text (self, body) + 2);
        if (found < 1 || found > CALLS)
            world_finding ("H23: there is what nobody has put: %s", plain_text (self, body));
        number[body - 7] = found;
        snprintf (ids[body - 7], 24, "%.*s", (int) strcspn (at, " "), at);
        at += size + (at[size] == '\n');
    }
    return self->frames > 7 ? self->frames - 7 : 0;
}

static void *s_count (void *arg)
{
    client_t *self = arg;
    int number[MOST];
    char ids[MOST][24], acks[MOST * 25] = "", was[CALLS + 1][24] = {""};
    size_t calls = 0;
    for (int64_t quiet = world_now () + 4 * SECOND; world_now () < quiet || *acks;) {
        int count = s_get (self, acks, number, ids);
        if (count >= 0)
            *acks = 0;
        else
            plain_nap (50 * MS, 100 * MS);
        for (int index = 0; index < count; index++) {
            size_t size = strlen (acks);
            //  What was not acknowledged in time comes again, as the same message.
            bool same = strcmp (was[number[index]], ids[index]) == 0;
            s_call[number[index]].found += !same;
            snprintf (was[number[index]], sizeof was[0], "%s", ids[index]);
            snprintf (acks + size, sizeof acks - size, "%s%s", size ? " " : "", ids[index]);
        }
        if (count > 0)
            quiet = world_now () + 4 * SECOND;
    }
    for (int call = 1; call <= CALLS; call++) {
        calls += s_call[call].ok;
        bool twice = s_call[call].found > 1 && !history_was_cut_off ();
        if (twice || (s_call[call].ok && !s_call[call].aside && s_call[call].found == 0))
            world_finding ("H23: call %d was answered %s, and is there %d times", call,
                           s_call[call].ok ? "OK" : "nothing", s_call[call].found);
    }
    world_note ("%zu calls, %zu times told that they were stored before", calls, s_twice);
    s_ended = true;
    return NULL;
}

void calls_aside (const void *body, size_t size)
{
    char text[24] = "";
    memcpy (text, body, size < sizeof text - 1 ? size : sizeof text - 1);
    int number = atoi (text + 2);
    assert (number > 0 && number <= CALLS);
    s_call[number].aside = true;
}

void calls_start (int64_t until)
{
    static const char *const process[CALLERS] = {"caller0", "caller1"};
    for (int caller = 0; caller < CALLERS; caller++) {
        clients_begin ();
        plain_start (process[caller], "", caller, s_call_all, until);
    }
}

void calls_count (void)
{
    plain_start ("caller9", "", 0, s_count, INT64_MAX);
}

bool calls_have_been_counted (void)
{
    return s_ended;
}
