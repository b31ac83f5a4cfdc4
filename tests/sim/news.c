/*  =========================================================================
    news - a topic: one who puts, and readers of its subscriptions

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A writer puts numbered messages into a topic that has three subscriptions. A reader of each takes some, acknowledges
    a part, and gives the rest back, or hangs up; one of them is slow, and one has a filter. In the end each subscription is emptied. For
    each of them (H16):

      - what was answered OK, fits the filter and was not acknowledged is there;
      - what does not fit the filter is not;
      - what was acknowledged with OK is not, nor is anything there that nobody has put;
      - what is there comes once, and without a split in the order in which it was put.
*/

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients.h"
#include "plain.h"

#define TOPIC "news"
#define SUBS 3
#define PUTS_MOST 400
#define MOST 8

static const char *const s_sub[SUBS] = {TOPIC "/a", TOPIC "/b", TOPIC "/c"};

static struct {
    bool ok, twice; //  answered OK; perhaps stored by both brokers, under two ids
    struct {
        bool asked, acked; //  an acknowledgement was sent; it was answered OK
        bool found;        //  in the end
    } at[SUBS];
} s_put[PUTS_MOST + 1];

static int s_written;
static bool s_ready, s_ended;

#define FILTERED 1
#define FILTER "filter=odd.> third"

static const char *s_subject (int number)
{
    return number % 2 ? "subject=odd.one" : number % 3 ? "subject=even" : "subject=third";
}

static bool s_fits (int sub, int number)
{
    return sub != FILTERED || number % 2 || number % 3 == 0;
}

static void s_do (client_t *self, const char *verb, const char *name, const char *argument, const char *body)
{
    plain_do (self, verb, name, argument, body, s_written, &s_put[s_written].twice);
}

static void *s_write (void *arg)
{
    client_t *self = arg;
    s_do (self, "TOPIC", TOPIC, "", "");
    for (int sub = 0; sub < SUBS; sub++)
        s_do (self, "SUB", s_sub[sub], sub == FILTERED ? "lease=1000\n" FILTER : "lease=1000", "");
    s_ready = true;
    while (world_now () < self->until && s_written < PUTS_MOST) {
        char body[24];
        snprintf (body, sizeof body, "<n%d>", ++s_written);
        s_do (self, "PUT", TOPIC, s_subject (s_written), body);
        s_put[s_written].ok = true;
        plain_nap (0, 100 * MS);
    }
    clients_end ();
    return NULL;
}

//  Gets some of a subscription, with these acks: numbers and ids of what has come; how many, -1: no answer.
static int s_get (client_t *self, int sub, const char *wait, const char *acks, int number[MOST], char ids[MOST][24])
{
    char id[24], line[1024];
    snprintf (id, sizeof id, "g%" PRIu64, ++self->serial);
    frame_t frame[] = {TEXT ("ZB1"), TEXT ("GET"), TEXT (id), TEXT (s_sub[sub]), TEXT ("8"), TEXT (wait), TEXT (acks)};
    if (!self->socket)
        plain_greet (self);
    if (!plain_ask (self, frame, 7, PATIENCE + 600)) {
        plain_leave (self);
        return -1;
    }
    snprintf (line, sizeof line, "%s", self->frames > 7 ? plain_text (self, 6) : "");
    char *at = line;
    for (int body = 7; body < self->frames; body++) {
        number[body - 7] = atoi (plain_text (self, body) + 2);
        if (number[body - 7] < 1 || number[body - 7] > s_written)
            world_finding ("H16: %s has what nobody has put: %s", s_sub[sub], plain_text (self, body));
        if (!s_fits (sub, number[body - 7]))
            world_finding ("H16: %s has what its filter excludes: %s", s_sub[sub], plain_text (self, body));
        snprintf (ids[body - 7], 24, "%.*s", (int) strcspn (at, " "), at);
        at += strcspn (at, "\n");
        at += *at == '\n';
    }
    return self->frames > 7 ? self->frames - 7 : 0;
}

//  Adds an id to those that are acknowledged together.
static void s_add (char acks[MOST * 25], const char *id)
{
    size_t size = strlen (acks);
    snprintf (acks + size, MOST * 25 - size, "%s%s", size ? " " : "", id);
}

static void s_check_back (int sub, int number, int64_t asked)
{
    //  Between a cut and the end of the replay it may come again.
    if (s_put[number].at[sub].acked && !history_was_divided (asked) && !(s_put[number].twice && history_is_split ()))
        world_finding ("H16: %s has message %d again, which was acknowledged", s_sub[sub], number);
}

static void *s_read (void *arg)
{
    client_t *self = arg;
    int sub = self->index, number[MOST];
    char ids[MOST][24];
    while (!s_ready && world_now () < self->until)
        plain_nap (50 * MS, 100 * MS);
    while (s_ready && world_now () < self->until) {
        int64_t asked = world_now ();
        int count = s_get (self, sub, "200", "", number, ids);
        char acks[MOST * 25] = "";
        bool chosen[MOST] = {false};
        for (int index = 0; index < count; index++) {
            s_check_back (sub, number[index], asked);
            chosen[index] = world_chance (800);
            if (!chosen[index])
                continue;
            s_add (acks, ids[index]);
            s_put[number[index]].at[sub].asked = true;
        }
        plain_nap (0, sub == 2 ? 2 * SECOND : 100 * MS);
        if (*acks)
            s_do (self, "ACK", s_sub[sub], acks, "");
        for (int index = 0; index < count; index++)
            s_put[number[index]].at[sub].acked = s_put[number[index]].at[sub].acked || chosen[index];
        if (self->socket && world_chance (100))
            plain_leave (self);
    }
    clients_end ();
    return NULL;
}

//  Takes all of a subscription, until nothing has come for longer than a lease.
static void s_empty (client_t *self, int sub)
{
    int number[MOST], newest = 0;
    char ids[MOST][24], acks[MOST * 25] = "";
    int64_t quiet = world_now () + 5 * SECOND;
    while (world_now () < quiet || *acks) {
        int64_t asked = world_now ();
        int count = s_get (self, sub, "500", acks, number, ids);
        if (count >= 0)
            *acks = 0;
        for (int index = 0; index < count; index++) {
            s_check_back (sub, number[index], asked);
            if (s_put[number[index]].at[sub].found && !(s_put[number[index]].twice && history_is_split ()))
                world_finding ("H16: %s has message %d twice", s_sub[sub], number[index]);
            if (number[index] < newest && !history_is_split ())
                world_finding ("H16: %s has message %d behind %d", s_sub[sub], number[index], newest);
            newest = number[index];
            s_put[number[index]].at[sub].found = true;
            s_add (acks, ids[index]);
        }
        if (count > 0)
            quiet = world_now () + 5 * SECOND;
    }
    for (int each = 1; each <= s_written; each++)
        if (s_put[each].ok && s_fits (sub, each) && !s_put[each].at[sub].asked && !s_put[each].at[sub].found)
            world_finding ("H16: message %d is gone, and %s has not acknowledged it", each, s_sub[sub]);
}

static void *s_count (void *arg)
{
    client_t *self = arg;
    for (int sub = 0; s_ready && sub < SUBS; sub++)
        s_empty (self, sub);
    world_note ("%d news were read to their end", s_written);
    s_ended = true;
    return NULL;
}

void news_start (int64_t until)
{
    static const char *const process[SUBS] = {"news0", "news1", "news2"}, *const name[SUBS] = {"reader", "rereader", ""};
    clients_begin ();
    plain_start ("news", "writer", 0, s_write, until);
    for (int sub = 0; sub < SUBS; sub++) {
        clients_begin ();
        plain_start (process[sub], name[sub], sub, s_read, until);
    }
}

void news_count (void)
{
    plain_start ("news9", "", 0, s_count, INT64_MAX);
}

bool news_have_been_counted (void)
{
    return s_ended;
}
