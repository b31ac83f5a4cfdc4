/*  =========================================================================
    lodger - queues with the option unused, and who uses some of them

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A lodger takes rooms: queues with 0.3 to 6 s of unused. He puts into each, uses it some times, now and then too late, and leaves
    it; LIST, which is no use, tells when it is gone. Then he takes another one, under a name that is new. H26:

      - a room is not gone before its time has passed since a use of it that was answered was asked for, nor while something of it
        is leased;
      - as long as it is there, all is there that was put with OK;
      - a broker that is alone does not delete what both know;
      - in the end none is left when the one that leads has done so for a minute, and nobody has used any; but for what one side
        of a split has deleted, and the other one put into: it comes back with default options (README), and stays.

    What the other side of a split has made, or deleted, this one knows later: not over a split, but for the third and the last.
*/

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients.h"
#include "machines.h"
#include "plain.h"

#define ROOMS 4
#define LEASE 2000 //  ms
#define USES 8
#define EMPTY (80 * SECOND) //  until none is left, at the latest: a lead looks for those it has not used after a minute

typedef enum { NO_ANSWER, HERE, GONE } found_t;

typedef struct {
    int number; //  0 = none
    int64_t unused;
    int uses;            //  that are left
    int64_t made, used;  //  when it was taken; when its last use was asked for that was answered
    unsigned puts;       //  that were answered OK
    bool both;           //  both brokers know it
    bool unsure;         //  a QUEUE without an answer may make it again
    uint64_t held_epoch; //  something of it is leased in this epoch
    int64_t held;        //  until then
    //  It was there, and who said so was alone: in this epoch, when the two had been in sync so often.
    uint64_t alone_epoch;
    size_t alone_levels;
} room_t;

static room_t s_room[ROOMS];
static int s_rooms;
static size_t s_gone, s_alone, s_puts;
static bool s_ended;

//  In which epoch the last reply was.
static uint64_t s_epoch (const client_t *self)
{
    return strtoull (self->token, NULL, 10);
}

static int s_machine (const client_t *self)
{
    return self->broker ? BACKUP : PRIMARY;
}

//  us of a room's time that have passed for sure when a broker says so: clocks differ.
static int64_t s_time (const room_t *room)
{
    return room->unused * MS - (history_ahead () + history_behind () + 1) * MS;
}

static bool s_is_early (const room_t *room)
{
    return world_now () - room->used < s_time (room) && !history_was_divided (room->used);
}

static found_t s_ask (client_t *self, const room_t *room, const char *verb, const char *const *argument,
                      size_t arguments)
{
    char id[24], name[24];
    snprintf (id, sizeof id, "l%" PRIu64, ++self->serial);
    snprintf (name, sizeof name, "room%d", room->number);
    frame_t frame[7] = {TEXT ("ZB1"), TEXT (verb), TEXT (id), TEXT (name)};
    for (size_t index = 0; index < arguments; index++)
        frame[4 + index] = (frame_t) TEXT (argument[index]);
    if (plain_ask (self, frame, 4 + arguments, PATIENCE))
        return HERE;
    if (self->frames > 5 && strcmp (plain_text (self, 4), "404") == 0)
        return GONE;
    plain_leave (self);
    for (int index = 0; index < ROOMS; index++)
        s_room[index].held = 0;
    return NO_ANSWER;
}

static void s_leave (room_t *room, const char *how)
{
    world_note ("room%d is gone, says %s, %" PRId64 " ms after its last use of %" PRId64, room->number, how,
                (world_now () - room->used) / MS, room->unused);
    if (s_is_early (room))
        world_finding ("H26: room%d is gone %" PRId64 " ms after a use, not %" PRId64, room->number,
                       (world_now () - room->used) / MS, room->unused);
    s_gone++;
    room->number = 0;
}

//  Takes it, or says again that he wants it.
static void s_take (client_t *self, room_t *room)
{
    char options[60];
    int64_t asked = world_now ();
    snprintf (options, sizeof options, "unused=%" PRId64 "\nlease=%d", room->unused, LEASE);
    const char *argument[] = {options};
    if (s_ask (self, room, "QUEUE", argument, 1) != HERE) {
        room->unsure = true;
        return;
    }
    //  One that was gone is made anew.
    if (!room->made || !s_is_early (room)) {
        room->puts = 0;
        room->both = false;
        room->made = asked;
    }
    room->used = asked;
}

static void s_put (client_t *self, room_t *room)
{
    char body[24];
    snprintf (body, sizeof body, "<g%zu>", ++s_puts);
    const char *argument[] = {"", body};
    bool alone = disk_alone (s_machine (self));
    found_t found = s_ask (self, room, "PUT", argument, 2);
    room->puts += found == HERE;
    if (found == HERE && !alone && !disk_alone (s_machine (self)))
        room->both = room->both || strcmp (plain_text (self, 4), "both") == 0;
    if (found == GONE)
        s_leave (room, "a PUT");
}

//  Looks into it, or takes one message and keeps it.
static void s_use (client_t *self, room_t *room, bool gets)
{
    static const char *const get[] = {"1", "0", ""}, *const peek[] = {"first", "1"};
    int64_t asked = world_now ();
    found_t found = s_ask (self, room, gets ? "GET" : "PEEK", gets ? get : peek, gets ? 3 : 2);
    if (found == HERE)
        room->used = asked;
    if (found == HERE && gets && self->frames > 7) {
        room->held = asked + LEASE * MS;
        room->held_epoch = s_epoch (self);
    }
    if (found == GONE)
        s_leave (room, gets ? "a GET" : "a PEEK");
}

//  Whether it is there, which is no use.
static void s_look (client_t *self, room_t *room)
{
    bool alone = disk_alone (s_machine (self));
    size_t levels = history_stats.levels;
    if (s_ask (self, room, "LIST", NULL, 0) != HERE)
        return;
    bool same = alone && room->alone_epoch == s_epoch (self) && room->alone_levels == levels;
    if (self->frames > 5) {
        const char *messages = strstr (plain_text (self, 5), "\nmessages=");
        if (messages && (unsigned) atoi (messages + 10) < room->puts && !room->unsure &&
            !history_was_divided (room->made))
            world_finding ("H26: room%d has %d messages, and %u were put", room->number, atoi (messages + 10),
                           room->puts);
        room->alone_epoch = alone && room->both && !room->unsure ? s_epoch (self) : 0;
        room->alone_levels = levels;
        s_alone += room->alone_epoch && !same;
        //  Not all wait until they are one again.
        if (room->uses == 0 && world_chance (60))
            room->number = 0;
        return;
    }
    if (same && disk_alone (s_machine (self)))
        world_finding ("H26: room%d is gone, both knew it, and %s, who is alone, has deleted it", room->number,
                       machine_of (s_machine (self))->name);
    if (world_now () < room->held && room->held_epoch == s_epoch (self))
        world_finding ("H26: room%d is gone, and a message of it is leased", room->number);
    s_leave (room, "LIST");
}

static void s_visit (client_t *self, room_t *room)
{
    static const int64_t unused[] = {300, 800, 2000, 6000};
    if (!room->number) {
        *room = (room_t){.number = ++s_rooms, .unused = unused[world_random (4)], .uses = (int) world_random (USES)};
        s_take (self, room);
        return;
    }
    unsigned chance = (unsigned) world_random (100);
    //  One that he has not got yet he asks for again.
    if (!room->made)
        s_take (self, room);
    else if (room->uses == 0 || chance < 25)
        s_look (self, room);
    else if (chance < 50)
        s_put (self, room);
    else if (chance < 85)
        s_use (self, room, chance < 60);
    else
        s_take (self, room);
    room->uses -= room->uses > 0;
}

static void *s_lodger (void *arg)
{
    client_t *self = arg;
    while (world_now () < self->until) {
        if (!self->socket)
            plain_greet (self);
        s_visit (self, &s_room[world_random (ROOMS)]);
        plain_nap (0, 120 * MS);
    }
    clients_end ();
    return NULL;
}

//  The first of the rooms in this LIST that is to go; NULL if none is.
static const char *s_left (client_t *self)
{
    for (int index = 4; index + 1 < (int) self->frames; index += 2)
        if (!history_is_split () || strstr (plain_text (self, index + 1), "unused="))
            return plain_text (self, index);
    return NULL;
}

static void *s_count (void *arg)
{
    client_t *self = arg;
    int64_t begun = world_now ();
    const char *left;
    do {
        char id[24];
        plain_nap (SECOND, SECOND + MS);
        snprintf (id, sizeof id, "l%" PRIu64, ++self->serial);
        frame_t frame[] = {TEXT ("ZB1"), TEXT ("LIST"), TEXT (id), TEXT ("room*")};
        if (!self->socket)
            plain_greet (self);
        while (!plain_ask (self, frame, 4, PATIENCE)) {
            plain_leave (self);
            plain_greet (self);
        }
        left = s_left (self);
        if (left && world_now () > begun + EMPTY)
            world_finding ("H26: %s is there, and nobody has used it for %" PRId64 " s", left,
                           (world_now () - begun) / SECOND);
    } while (left);
    world_note ("%d rooms, %zu seen to be gone, %zu there when one broker was alone, all gone after %" PRId64 " s",
                s_rooms, s_gone, s_alone, (world_now () - begun) / SECOND);
    s_ended = true;
    return NULL;
}

void lodger_start (int64_t until)
{
    clients_begin ();
    plain_start ("lodger", "", 0, s_lodger, until);
}

void lodger_count (void)
{
    plain_start ("lodger9", "", 0, s_count, INT64_MAX);
}

bool lodger_has_counted (void)
{
    return s_ended;
}
