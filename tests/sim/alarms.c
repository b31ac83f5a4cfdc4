/*  =========================================================================
    alarms - messages with a delay, and who gets them

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A setter puts numbered alarms, most of them with a delay, and takes some back by their ids before they are due. Ringers get
    them, acknowledge a part, one by one or by a range, give a part back, and leave the rest. In the end the queue is emptied, when
    the last one is due. H19:

      - no alarm comes before it is due by the pair's clock, which may be behind the time of the world: earlier than by that only as much
        as it has been behind at most;
      - each alarm that was answered OK, and that nobody has acknowledged, is there, once. A range acknowledges nothing
        that is not due;
      - none comes again that was acknowledged with OK.

    After a split it may be there twice, or come again; but it is there, and not early.
*/

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients.h"
#include "core/base/pairtime.h"
#include "plain.h"

#define ALARMS 300
#define RINGERS 2
#define MOST 6
#define LATEST 6000 //  ms
#define NAME "alarms"

static struct {
    bool ok, aside;     //  answered OK; put aside by the loser of a split
    bool acking, acked; //  an ACK may have meant it; one was answered OK
    int64_t done;       //  when that was
    int64_t due;        //  not before
    uint64_t id;        //  as it was told last
    int found;          //  how often in the end
} s_alarm[ALARMS + 1];

static int s_set;
static int64_t s_behind; //  ms that the clock of a pair was behind at most
static bool s_ended;
static size_t s_taken_back, s_ranges, s_rung;

//  The machines' clocks agree with the world.
void __real_zb_pairtime_tell (zb_pairtime_t *self, int64_t wall, int64_t now);
void __wrap_zb_pairtime_tell (zb_pairtime_t *self, int64_t wall, int64_t now);
void __wrap_zb_pairtime_tell (zb_pairtime_t *self, int64_t wall, int64_t now)
{
    __real_zb_pairtime_tell (self, wall, now);
    int64_t behind = 1700000000000 + world_now () / MS - (int64_t) self->time;
    if (self->time && behind > s_behind)
        s_behind = behind;
}

//  Until it is answered OK.
static bool s_do (client_t *self, const char *verb, const char *argument)
{
    for (;;) {
        char id[24];
        snprintf (id, sizeof id, "d%" PRIu64, ++self->serial);
        frame_t frame[] = {TEXT ("ZB1"), TEXT (verb), TEXT (id), TEXT (NAME), TEXT (argument)};
        if (!self->socket)
            plain_greet (self);
        if (plain_ask (self, frame, 5, PATIENCE + 500))
            return true;
        plain_leave (self);
    }
}

//  How long before its time it is now; 0, or less: it may be due.  A broker counts whole milliseconds.
static int64_t s_early (int number)
{
    return s_alarm[number].due - world_now () - (2 + s_behind) * MS;
}

static void s_acked (int number)
{
    s_alarm[number].acked = true;
    if (!s_alarm[number].done)
        s_alarm[number].done = world_now ();
}

//  It is not wanted any more, be it due or not.
static void s_take_back (client_t *self, int number, const char *id)
{
    s_alarm[number].acking = true;
    s_do (self, "ACK", id);
    s_acked (number);
    s_taken_back++;
}

static void *s_setter (void *arg)
{
    client_t *self = arg;
    s_do (self, "QUEUE", "delay=0\nlease=1000");
    while (world_now () < self->until && s_set < ALARMS) {
        char body[24], id[24], properties[40] = "stamp=red";
        int64_t delay = world_chance (200) ? 0 : (int64_t) world_random (LATEST);
        snprintf (body, sizeof body, "<d%d>", ++s_set);
        snprintf (id, sizeof id, "%d", s_set);
        if (delay)
            snprintf (properties, sizeof properties, "stamp=red\ndelay=%" PRId64, delay);
        s_alarm[s_set].due = world_now () + delay * MS;
        frame_t frame[] = {TEXT ("ZB1"), TEXT ("PUT"), TEXT (id), TEXT (NAME), TEXT (properties), TEXT (body)};
        for (bool put = false; !put;) {
            if (!self->socket)
                plain_greet (self);
            put = plain_ask (self, frame, 6, PATIENCE + 500);
            if (!put)
                plain_leave (self);
        }
        s_alarm[s_set].ok = true;
        snprintf (id, sizeof id, "%s", plain_text (self, 5));
        uint64_t told = strtoull (id, NULL, 10);
        s_alarm[s_set].id = told ? told : s_alarm[s_set].id;
        if (told && world_chance (100))
            s_take_back (self, s_set, id);
        plain_nap (0, 80 * MS);
    }
    clients_end ();
    return NULL;
}

//  Gets some; how many, -1: no answer.
static int s_get (client_t *self, const char *wait, const char *acks, int number[MOST])
{
    char id[24], line[1024];
    snprintf (id, sizeof id, "g%" PRIu64, ++self->serial);
    frame_t frame[] = {TEXT ("ZB1"), TEXT ("GET"), TEXT (id), TEXT (NAME), TEXT ("6"), TEXT (wait), TEXT (acks)};
    if (!self->socket)
        plain_greet (self);
    if (!plain_ask (self, frame, 7, PATIENCE + 600)) {
        plain_leave (self);
        return -1;
    }
    snprintf (line, sizeof line, "%s", self->frames > 7 ? plain_text (self, 6) : "");
    char *at = line;
    for (int body = 7; body < self->frames; body++) {
        int found = atoi (plain_text (self, body) + 2);
        if (found < 1 || found > s_set)
            world_finding ("H19: what nobody has set rings: %s", plain_text (self, body));
        int64_t early = s_early (found);
        if (early > 0)
            world_finding ("H19: alarm %d comes %" PRId64 " ms before it is due", found, early / MS);
        number[body - 7] = found;
        s_alarm[found].id = strtoull (at, NULL, 10);
        at += strcspn (at, "\n");
        at += *at == '\n';
    }
    return self->frames > 7 ? self->frames - 7 : 0;
}

static void s_check_back (int number, int64_t asked)
{
    //  Who asked before may be given it, and hear of it after that.
    if (s_alarm[number].acked && s_alarm[number].done <= asked && !history_was_divided (asked) && !history_is_split ())
        world_finding ("H19: alarm %d comes again, which was acknowledged", number);
}

//  Acknowledges all from the first to the last of them by a range.  It means others that lie there, too, as of any queue, but
//  none that is not due.
static void s_ack_range (client_t *self, int count, const int number[MOST])
{
    uint64_t first = UINT64_MAX, last = 0;
    char range[60];
    for (int index = 0; index < count; index++) {
        uint64_t id = s_alarm[number[index]].id;
        first = id < first ? id : first;
        last = id > last ? id : last;
    }
    snprintf (range, sizeof range, "%" PRIu64 "..%" PRIu64, first, last);
    s_do (self, "ACK", range);
    for (int each = 1; each <= s_set; each++) {
        bool lies = s_alarm[each].id == 0 || (s_alarm[each].id >= first && s_alarm[each].id <= last);
        s_alarm[each].acking = s_alarm[each].acking || (lies && s_early (each) <= 0);
    }
    s_ranges++;
}

//  What it does with each: acknowledges it, gives it back, or leaves it.
static void s_dispose (client_t *self, int count, const int number[MOST])
{
    char ids[MOST * 25] = "";
    int some[MOST], named = 0;
    bool back = world_chance (100);
    if (world_chance (150)) {
        s_ack_range (self, count, number);
        return;
    }
    for (int index = 0; index < count; index++) {
        size_t size = strlen (ids);
        if (world_chance (300))
            continue;
        snprintf (ids + size, sizeof ids - size, "%s%" PRIu64, size ? " " : "", s_alarm[number[index]].id);
        s_alarm[number[index]].acking = s_alarm[number[index]].acking || !back;
        some[named++] = number[index];
    }
    if (named)
        s_do (self, back ? "NACK" : "ACK", ids);
    for (int index = 0; index < named && !back; index++)
        s_acked (some[index]);
}

static void *s_ring (void *arg)
{
    client_t *self = arg;
    int number[MOST];
    while (world_now () < self->until) {
        int64_t asked = world_now ();
        int count = s_get (self, "200", "", number);
        for (int index = 0; index < count; index++)
            s_check_back (number[index], asked);
        s_rung += count > 0 ? (size_t) count : 0;
        plain_nap (0, world_chance (60) ? 2 * SECOND : 60 * MS);
        if (count > 0)
            s_dispose (self, count, number);
        else if (count < 0)
            plain_nap (20 * MS, 100 * MS);
        if (self->socket && world_chance (60))
            plain_leave (self);
    }
    clients_end ();
    return NULL;
}

//  Takes all of it, until nothing has come for longer than the longest delay and a lease.
static void s_empty (client_t *self)
{
    const int64_t patience = LATEST * MS + 3 * SECOND;
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
            s_alarm[number[index]].found++;
            snprintf (acks + size, sizeof acks - size, "%s%" PRIu64, size ? " " : "", s_alarm[number[index]].id);
        }
        if (count > 0)
            quiet = world_now () + patience;
    }
}

static void *s_count (void *arg)
{
    s_empty (arg);
    for (int number = 1; number <= s_set; number++) {
        if (s_alarm[number].found > 1 && !history_is_split ())
            world_finding ("H19: alarm %d is there %d times", number, s_alarm[number].found);
        if (s_alarm[number].ok && !s_alarm[number].acking && !s_alarm[number].aside && s_alarm[number].found == 0)
            world_finding ("H19: alarm %d is gone, and nobody has acknowledged it", number);
    }
    world_note ("%d alarms, %zu rung, %zu taken back, %zu ranges, a clock %" PRId64 " ms behind", s_set, s_rung,
                s_taken_back, s_ranges, s_behind);
    s_ended = true;
    return NULL;
}

void alarms_aside (const void *body, size_t size)
{
    char text[24] = "";
    memcpy (text, body, size < sizeof text - 1 ? size : sizeof text - 1);
    int number = atoi (text + 2);
    assert (number > 0 && number <= ALARMS);
    s_alarm[number].aside = true;
}

void alarms_start (int64_t until)
{
    static const char *const process[RINGERS] = {"ringer0", "ringer1"};
    clients_begin ();
    plain_start ("setter", "setter", 0, s_setter, until);
    for (int ringer = 0; ringer < RINGERS; ringer++) {
        clients_begin ();
        plain_start (process[ringer], "", ringer, s_ring, until);
    }
}

void alarms_count (void)
{
    plain_start ("ringer9", "", 0, s_count, INT64_MAX);
}

bool alarms_have_been_counted (void)
{
    return s_ended;
}
