/*  =========================================================================
    offers - messages that expire, and who gets them in time

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A seller puts numbered offers into a queue with the option expires. Some say themselves when they are over, some never are; in every
    other run some have a delay as well, and in every other one the queue has max-deliveries. Buyers get them, acknowledge some, give some
    back, and leave the rest. In the end the queue and its dead letters are emptied. H21:

      - no broker hands out an offer when by the pair's time, as that broker has it, it is over since more than a turn;
      - each one that was answered OK, and that nobody has acknowledged, is in the queue or among its dead letters, unless it is over. What
        is among these does not expire;
      - it is there once, and none comes again that was acknowledged with OK, but after a split.

    When a PUT was stored, in the pair's time, is known by when it was sent and when it was answered, and by how far that time was from
    the world's at most.
*/

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients.h"
#include "plain.h"

#define OFFERS 400
#define BUYERS 2
#define MOST 6
#define TRIES 2
#define TURN 50 //  ms: what a broker has taken for an answer in one turn it may send in the next one
#define NAME "offers"
#define DEAD "offers.dead"

static struct {
    bool ok, aside;       //  answered OK; put aside by the loser of a split
    bool acking, acked;   //  an ACK was sent; it was answered OK
    int64_t done;         //  when that was
    int64_t expires;      //  ms; 0 = never
    int64_t sent, stored; //  of the world: its PUT was stored between these
    int found, dead;      //  how often in the end
} s_offer[OFFERS + 1];

static int s_put;
static bool s_ended, s_delays, s_dies;
static int64_t s_option; //  ms after which one is over that does not say so itself
static size_t s_bought, s_given_back, s_late;

//  Until it is answered OK.
static void s_do (client_t *self, const frame_t *frame, size_t frames)
{
    for (;;) {
        if (!self->socket)
            plain_greet (self);
        if (plain_ask (self, frame, frames, PATIENCE + 500))
            return;
        plain_leave (self);
    }
}

static void s_say (client_t *self, const char *verb, const char *argument)
{
    char id[24];
    snprintf (id, sizeof id, "o%" PRIu64, ++self->serial);
    frame_t frame[] = {TEXT ("ZB1"), TEXT (verb), TEXT (id), TEXT (NAME), TEXT (argument)};
    s_do (self, frame, 5);
}

//  ms after its PUT; 0 = never.
static int64_t s_draw (void)
{
    switch (world_random (4)) {
    case 0:
        return 0;
    case 1:
        return 10000 + (int64_t) world_random (60000);
    default:
        return 1 + (int64_t) world_random (3000);
    }
}

static void s_sell (client_t *self)
{
    int number = ++s_put;
    int64_t delay = 0, expires = world_chance (300) ? s_option : s_draw ();
    char id[24], body[24], properties[80] = "price=9";
    snprintf (id, sizeof id, "%d", number);
    snprintf (body, sizeof body, "<o%d>", number);
    size_t size = strlen (properties);
    if (expires != s_option)
        size += (size_t) snprintf (properties + size, sizeof properties - size, "\nexpires=%" PRId64, expires);
    //  It has to be due before it is over.
    if (s_delays && world_chance (300))
        delay = (int64_t) world_random ((uint64_t) (expires && expires < 3000 ? expires : 3000));
    if (delay)
        snprintf (properties + size, sizeof properties - size, "\ndelay=%" PRId64, delay);
    frame_t frame[] = {TEXT ("ZB1"), TEXT ("PUT"), TEXT (id), TEXT (NAME), TEXT (properties), TEXT (body)};
    s_offer[number].expires = expires;
    s_offer[number].sent = world_now ();
    s_do (self, frame, 6);
    s_offer[number].stored = world_now ();
    s_offer[number].ok = true;
}

static void *s_seller (void *arg)
{
    client_t *self = arg;
    char options[120];
    static const int64_t option[] = {0, 1500, 30000};
    s_option = option[world_random (3)];
    s_delays = world_chance (500);
    s_dies = world_chance (500);
    snprintf (options, sizeof options, "lease=1000\nexpires=%" PRId64 "%s\nmax-deliveries=%d", s_option,
              s_delays ? "\ndelay=0" : "", s_dies ? TRIES : 0);
    s_say (self, "QUEUE", options);
    while (world_now () < self->until && s_put < OFFERS) {
        s_sell (self);
        plain_nap (0, 80 * MS);
    }
    clients_end ();
    return NULL;
}

void offers_hand_out (int machine, const void *body, size_t size, const char *queue)
{
    char text[24] = "";
    memcpy (text, body, size < sizeof text - 1 ? size : sizeof text - 1);
    if (strncmp (text, "<o", 2) || strcmp (queue, NAME))
        return;
    int number = atoi (text + 2);
    if (number < 1 || number > s_put)
        world_finding ("H21: what nobody has offered is handed out: %s", text);
    //  It was stored then at the latest, if an answer says so.
    int64_t stored = HISTORY_EPOCH + s_offer[number].stored / MS + history_ahead () + 1;
    int64_t since = (int64_t) history_time (machine) - stored, expires = s_offer[number].expires;
    if (s_offer[number].ok && expires && since > expires + TURN)
        world_finding ("H21: offer %d is handed out %" PRId64 " ms after it was over", number, since - expires);
}

//  Gets some of a queue; how many, -1: no answer.
static int s_get (client_t *self, const char *queue, const char *wait, const char *acks, int number[MOST],
                  char ids[MOST][24])
{
    char id[24], line[2048];
    int64_t asked = world_now ();
    snprintf (id, sizeof id, "g%" PRIu64, ++self->serial);
    frame_t frame[] = {TEXT ("ZB1"), TEXT ("GET"), TEXT (id), TEXT (queue), TEXT ("6"), TEXT (wait), TEXT (acks)};
    if (!self->socket)
        plain_greet (self);
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
        const char *mark = strstr (at, "\tzb-dead=max-deliveries\tzb-from=" NAME "\tzb-tries=");
        if (found < 1 || found > s_put)
            world_finding ("H21: %s has what nobody has put: %s", queue, plain_text (self, body));
        if ((mark && mark < at + size) != (strcmp (queue, DEAD) == 0))
            world_finding ("H21: offer %d is in %s as: %.*s", found, queue, (int) size, at);
        //  An acknowledgement may come when it is among the dead letters, where its id is another one.
        bool here = strcmp (queue, NAME) == 0;
        if (here && s_offer[found].acked && s_offer[found].done <= asked && !history_was_divided (asked) &&
            !history_is_split ())
            world_finding ("H21: offer %d comes again, which was acknowledged", found);
        number[body - 7] = found;
        snprintf (ids[body - 7], 24, "%.*s", (int) strcspn (at, " "), at);
        at += size + (at[size] == '\n');
    }
    return self->frames > 7 ? self->frames - 7 : 0;
}

static void s_add (char acks[MOST * 25], const char *id)
{
    size_t size = strlen (acks);
    snprintf (acks + size, MOST * 25 - size, "%s%s", size ? " " : "", id);
}

//  What a buyer does with each: acknowledges it, gives it back, leaves it.
static void s_dispose (client_t *self, int count, const int number[MOST], char ids[MOST][24])
{
    char acks[MOST * 25] = "", backs[MOST * 25] = "";
    bool takes[MOST] = {false};
    for (int index = 0; index < count; index++) {
        unsigned choice = (unsigned) world_random (10);
        takes[index] = choice < 4;
        if (choice < 7)
            s_add (takes[index] ? acks : backs, ids[index]);
        s_offer[number[index]].acking = s_offer[number[index]].acking || takes[index];
    }
    if (*backs)
        s_say (self, "NACK", backs);
    s_given_back += *backs != 0;
    if (*acks)
        s_say (self, "ACK", acks);
    for (int index = 0; index < count; index++)
        if (takes[index] && !s_offer[number[index]].acked) {
            s_offer[number[index]].acked = true;
            s_offer[number[index]].done = world_now ();
            s_bought++;
        }
}

static void *s_buy (void *arg)
{
    client_t *self = arg;
    int number[MOST];
    char ids[MOST][24];
    while (world_now () < self->until) {
        int count = s_get (self, NAME, "200", "", number, ids);
        plain_nap (0, world_chance (200) ? 2 * SECOND : 100 * MS);
        if (count > 0)
            s_dispose (self, count, number, ids);
        else if (count < 0)
            plain_nap (20 * MS, 100 * MS);
        if (self->socket && world_chance (60))
            plain_leave (self);
    }
    clients_end ();
    return NULL;
}

//  Takes all of a queue, until nothing has come for longer than a lease and a delay.
static void s_empty (client_t *self, const char *queue)
{
    int number[MOST];
    char ids[MOST][24], acks[MOST * 25] = "";
    for (int64_t quiet = world_now () + 5 * SECOND; world_now () < quiet || *acks;) {
        int count = s_get (self, queue, "500", acks, number, ids);
        if (count >= 0)
            *acks = 0;
        else
            plain_nap (50 * MS, 100 * MS);
        for (int index = 0; index < count; index++) {
            int *found = strcmp (queue, DEAD) ? &s_offer[number[index]].found : &s_offer[number[index]].dead;
            ++*found;
            s_add (acks, ids[index]);
        }
        if (count > 0)
            quiet = world_now () + 5 * SECOND;
    }
}

static void s_check (int number)
{
    int found = s_offer[number].found, dead = s_offer[number].dead;
    int64_t expires = s_offer[number].expires;
    if (found + dead > 1 && !history_is_split ())
        world_finding ("H21: offer %d is %d times in its queue, and %d times dead", number, found, dead);
    if (!s_offer[number].ok || s_offer[number].acking || s_offer[number].aside || found + dead)
        return;
    int64_t age = (world_now () - s_offer[number].sent) / MS + history_ahead () + history_behind () + 1;
    s_late += expires && age > expires;
    if (!expires || age <= expires)
        world_finding ("H21: offer %d is gone, which is over after %" PRId64 " ms, and is %" PRId64
                       " ms old, and nobody has acknowledged it",
                       number, expires, age);
}

static void *s_count (void *arg)
{
    s_empty (arg, NAME);
    if (s_dies)
        s_empty (arg, DEAD);
    size_t there = 0, dead = 0;
    for (int number = 1; number <= s_put; number++) {
        s_check (number);
        there += s_offer[number].found > 0;
        dead += s_offer[number].dead > 0;
    }
    world_note ("%d offers, %zu there, %zu dead, %zu over, %zu bought, %zu given back, a clock %" PRId64 " ms ahead",
                s_put, there, dead, s_late, s_bought, s_given_back, history_ahead ());
    s_ended = true;
    return NULL;
}

void offers_aside (const void *body, size_t size)
{
    char text[24] = "";
    memcpy (text, body, size < sizeof text - 1 ? size : sizeof text - 1);
    int number = atoi (text + 2);
    assert (number > 0 && number <= OFFERS);
    s_offer[number].aside = true;
}

void offers_start (int64_t until)
{
    static const char *const process[BUYERS] = {"buyer0", "buyer1"};
    clients_begin ();
    plain_start ("seller", "seller", 0, s_seller, until);
    for (int buyer = 0; buyer < BUYERS; buyer++) {
        clients_begin ();
        plain_start (process[buyer], "", buyer, s_buy, until);
    }
}

void offers_count (void)
{
    plain_start ("buyer9", "", 0, s_count, INT64_MAX);
}

bool offers_have_been_counted (void)
{
    return s_ended;
}
