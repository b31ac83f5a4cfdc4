/*  =========================================================================
    alarms - messages with a delay, and who gets them

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A setter puts numbered alarms, most of them with a delay; in every third run once some hundred that are due at the same time.
    Ringers get them, acknowledge a part, one by one or by a range, give a part back, and leave the rest. A warden takes some back by their
    ids, several at a time, whether they are due or not, and in every other run purges the queue now and then. Before that he often has the
    ringers wait, so that what is due lies there when they and he come, all at once. In the end the queue is emptied, when the last one
    is due. H19:

      - no alarm comes before it is due by the pair's clock, which may be behind the time of the world: earlier than by that only as much
        as it has been behind at most;
      - each alarm that was answered OK, and that nobody has acknowledged or purged, is there, once. A range acknowledges nothing
        that is not due;
      - none comes again that was acknowledged with OK, or purged, be it in the end.

    After a split it may be there twice, but for the ids that were acknowledged; and of what was purged that is gone what the broker had
    that answered; but each is there, and not early.
*/

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients.h"
#include "plain.h"

#define ALARMS 900
#define RINGERS 2
#define MOST 24     //  of one GET
#define PLACES 4    //  ids of one alarm
#define TOGETHER 40 //  of a PUT of the many that are due at once,
#define CROWD 8     //  and how many of these
#define FEW 8       //  that the warden takes back at a time
#define FILL 2900   //  bytes of a large one
#define LATEST 6000 //  ms
#define NAME "alarms"

static struct {
    bool ok, aside; //  answered OK; put aside by the loser of a split
    bool both;      //  on both disks then
    bool twice;     //  its PUT was sent again: the other broker may have it under an id of its own
    bool may;       //  an ACK or a PURGE may have meant it
    int broker;     //  who has answered the PUT,
    int64_t when;   //  and when
    int64_t done;   //  when an ACK of it was answered OK first; 0 = not
    int64_t purged; //  when a PURGE was, of a broker that had it
    int64_t due;    //  not before
    uint64_t id;    //  as it was told last
    int found;      //  how often in the end
    struct {
        uint64_t id;
        int64_t done; //  when it was acknowledged under this id
        int found;    //  how often in the end
    } place[PLACES];
} s_alarm[ALARMS + 1];

static int s_set;
static uint64_t s_puts;
static int64_t s_quiet; //  nobody gets before
static bool s_ended, s_crowds, s_purges;
static int s_fill; //  of those that come in a crowd
static size_t s_taken_back, s_ranges, s_rung, s_purged;

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
    snprintf (id, sizeof id, "d%" PRIu64, ++self->serial);
    frame_t frame[] = {TEXT ("ZB1"), TEXT (verb), TEXT (id), TEXT (NAME), TEXT (argument)};
    s_do (self, frame, strcmp (verb, "PURGE") ? 5 : 4);
}

//  Goes to the other broker now and then, where there may be two that serve mostly as one that knows of nothing.
static void s_wander (client_t *self)
{
    if (!self->socket || !world_chance (world_has (EXTRA_SPLITS) ? 150 : 60))
        return;
    plain_leave (self);
    if (world_has (EXTRA_SPLITS | EXTRA_CLOCKS) && world_chance (700))
        self->token[0] = 0;
}

//  How long before its time it is now; 0, or less: it may be due.  A broker counts whole milliseconds.
static int64_t s_early (int number)
{
    return s_alarm[number].due - world_now () - (2 + history_behind ()) * MS;
}

//  ---------------------------------------------------------------------------
//  Who sets them

static void s_tell (int number, uint64_t id)
{
    if (!id)
        return;
    s_alarm[number].id = id;
    for (int at = 0; at < PLACES; at++) {
        if (s_alarm[number].place[at].id == 0)
            s_alarm[number].place[at].id = id;
        if (s_alarm[number].place[at].id == id)
            return;
    }
    world_finding ("H19: alarm %d has more than %d ids", number, PLACES);
}

static void s_sent (client_t *self, int first, int bodies, bool twice)
{
    bool both = strcmp (plain_text (self, 4), "both") == 0;
    uint64_t id = strtoull (plain_text (self, 5), NULL, 10);
    for (int number = first; number < first + bodies; number++) {
        s_alarm[number].ok = true;
        s_alarm[number].both = both;
        s_alarm[number].twice = twice;
        s_alarm[number].broker = self->broker;
        s_alarm[number].when = world_now ();
        s_tell (number, id ? id + (uint64_t) (number - first) : 0);
    }
}

//  So many of them in one PUT, due in so many ms, until it is answered OK.
static void s_put (client_t *self, int bodies, int64_t delay, int fill)
{
    static char body[TOGETHER][FILL + 24];
    char id[24], properties[40] = "stamp=red";
    snprintf (id, sizeof id, "%" PRIu64, ++s_puts);
    if (delay)
        snprintf (properties, sizeof properties, "stamp=red\ndelay=%" PRId64, delay);
    frame_t frame[5 + TOGETHER] = {TEXT ("ZB1"), TEXT ("PUT"), TEXT (id), TEXT (NAME), TEXT (properties)};
    int first = s_set + 1;
    for (int index = 0; index < bodies; index++) {
        int size = snprintf (body[index], sizeof body[index], "<d%d>", ++s_set);
        memset (body[index] + size, '.', (size_t) fill);
        s_alarm[s_set].due = world_now () + delay * MS;
        frame[5 + index] = (frame_t){body[index], (size_t) (size + fill)};
    }
    bool twice = false;
    for (;; twice = true) {
        if (!self->socket)
            plain_greet (self);
        if (plain_ask (self, frame, 5 + (size_t) bodies, PATIENCE + 500))
            break;
        plain_leave (self);
    }
    s_sent (self, first, bodies, twice);
}

static void s_put_crowd (client_t *self)
{
    int64_t due = world_now () + (1000 + (int64_t) world_random (2000)) * MS;
    for (int put = 0; put < CROWD; put++)
        s_put (self, TOGETHER, due > world_now () + MS ? (due - world_now ()) / MS : 0, s_fill);
    s_crowds = false;
    //  They lie there for a while, when they are due.
    if (world_chance (700))
        s_quiet = due + (int64_t) world_random (SECOND);
}

static void *s_setter (void *arg)
{
    client_t *self = arg;
    s_say (self, "QUEUE", "delay=0\nlease=1000");
    while (world_now () < self->until && s_set + CROWD * TOGETHER < ALARMS) {
        s_put (self, 1, world_chance (200) ? 0 : (int64_t) world_random (LATEST), 0);
        if (s_crowds && world_chance (15))
            s_put_crowd (self);
        plain_nap (0, 80 * MS);
        s_wander (self);
    }
    clients_end ();
    return NULL;
}

//  ---------------------------------------------------------------------------
//  Who gets them

//  It must not come any more, by what its consumer knows, who asked then.
static void s_check_back (int number, uint64_t id, int64_t asked)
{
    bool split = history_is_split ();
    //  Who asked before may be given it, and hear of it after that.
    if (history_was_divided (asked))
        return;
    int64_t done = split ? 0 : s_alarm[number].done, purged = s_alarm[number].purged;
    for (int at = 0; at < PLACES && split; at++)
        if (s_alarm[number].place[at].id == id)
            done = s_alarm[number].place[at].done;
    if (done && done <= asked)
        world_finding ("H19: alarm %d comes again as %" PRIu64 ", which was acknowledged%s", number, id,
                       split ? ", after a split" : "");
    if (purged && purged <= asked && !(split && s_alarm[number].twice))
        world_finding ("H19: alarm %d comes again as %" PRIu64 ", which was purged%s", number, id,
                       split ? ", after a split" : "");
}

//  Gets some; how many, -1: no answer.
static int s_get (client_t *self, const char *wait, const char *acks, int number[MOST])
{
    char id[24], most[8], line[4096];
    int64_t asked = world_now ();
    snprintf (id, sizeof id, "g%" PRIu64, ++self->serial);
    snprintf (most, sizeof most, "%d", world_chance (800) ? 6 : MOST);
    frame_t frame[] = {TEXT ("ZB1"), TEXT ("GET"), TEXT (id), TEXT (NAME), TEXT (most), TEXT (wait), TEXT (acks)};
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
            world_finding ("H19: what nobody has set rings: %.24s", plain_text (self, body));
        int64_t early = s_early (found);
        if (early > 0)
            world_finding ("H19: alarm %d comes %" PRId64 " ms before it is due", found, early / MS);
        number[body - 7] = found;
        s_tell (found, strtoull (at, NULL, 10));
        s_check_back (found, s_alarm[found].id, asked);
        at += strcspn (at, "\n");
        at += *at == '\n';
    }
    return self->frames > 7 ? self->frames - 7 : 0;
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
    s_say (self, "ACK", range);
    for (int each = 1; each <= s_set; each++) {
        bool lies = s_alarm[each].id == 0 || (s_alarm[each].id >= first && s_alarm[each].id <= last);
        s_alarm[each].may = s_alarm[each].may || (lies && s_early (each) <= 0);
    }
    s_ranges++;
}

//  Acknowledges these by their ids, or gives them back.
static void s_settle (client_t *self, int count, const int number[], bool back)
{
    char acks[MOST * 25] = "", id[24];
    uint64_t named[MOST];
    for (int index = 0; index < count; index++) {
        size_t size = strlen (acks);
        named[index] = s_alarm[number[index]].id;
        s_alarm[number[index]].may = s_alarm[number[index]].may || !back;
        snprintf (acks + size, sizeof acks - size, "%s%" PRIu64, size ? " " : "", named[index]);
    }
    snprintf (id, sizeof id, "n%" PRIu64, ++self->serial);
    frame_t get[] = {TEXT ("ZB1"), TEXT ("GET"), TEXT (id), TEXT (NAME), TEXT ("0"), TEXT ("0"), TEXT (acks)};
    if (!back && world_chance (300))
        s_do (self, get, 7);
    else
        s_say (self, back ? "NACK" : "ACK", acks);
    for (int index = 0; index < count && !back; index++) {
        int each = number[index];
        s_alarm[each].done = s_alarm[each].done ? s_alarm[each].done : world_now ();
        for (int at = 0; at < PLACES; at++)
            if (s_alarm[each].place[at].id == named[index] && !s_alarm[each].place[at].done)
                s_alarm[each].place[at].done = world_now ();
    }
}

//  What it does with each: acknowledges it, gives it back, or leaves it.
static void s_dispose (client_t *self, int count, const int number[MOST])
{
    int some[MOST], named = 0;
    bool back = world_chance (100);
    //  In a split it leaves most, so that there is something to be merged.
    unsigned leaves = history_was_divided (world_now ()) ? 800 : 300;
    if (world_chance (150)) {
        s_ack_range (self, count, number);
        return;
    }
    for (int index = 0; index < count; index++)
        if (!world_chance (leaves))
            some[named++] = number[index];
    if (named)
        s_settle (self, named, some, back);
}

static void *s_ring (void *arg)
{
    client_t *self = arg;
    int number[MOST];
    while (world_now () < self->until) {
        while (world_now () < s_quiet)
            fiber_sleep (s_quiet + (int64_t) world_random (3 * MS));
        int count = s_get (self, "200", "", number);
        s_rung += count > 0 ? (size_t) count : 0;
        plain_nap (0, world_chance (60) ? 2 * SECOND : 60 * MS);
        if (count > 0)
            s_dispose (self, count, number);
        else if (count < 0)
            plain_nap (20 * MS, 100 * MS);
        s_wander (self);
    }
    clients_end ();
    return NULL;
}

//  ---------------------------------------------------------------------------
//  Who takes them back

//  Some that he knows of; `overdue`: that have become due a moment ago.
static void s_take_back (client_t *self, bool overdue)
{
    int some[FEW], named = 0;
    for (int number = 1 + (int) world_random (4); number <= s_set && named < FEW;
         number += 1 + (int) world_random (4)) {
        int64_t since = world_now () - s_alarm[number].due;
        bool fits = overdue ? since > -5 * MS && since < 3 * SECOND : world_chance (60);
        //  One that is done may be acknowledged once more.
        if (s_alarm[number].ok && s_alarm[number].id && fits && (!s_alarm[number].done || world_chance (100)))
            some[named++] = number;
    }
    if (named)
        s_settle (self, named, some, false);
    s_taken_back += (size_t) named;
}

static void s_purge (client_t *self)
{
    bool known[ALARMS + 1];
    for (int number = 1; number <= s_set; number++)
        known[number] = s_alarm[number].ok;
    int set = s_set;
    s_say (self, "PURGE", "");
    for (int number = 1; number <= s_set; number++) {
        bool had = s_alarm[number].both || s_alarm[number].broker == self->broker ||
                   !history_was_divided (s_alarm[number].when);
        s_alarm[number].may = true;
        if (number <= set && known[number] && had && !s_alarm[number].purged)
            s_alarm[number].purged = world_now ();
    }
    s_purged++;
}

static void *s_guard (void *arg)
{
    client_t *self = arg;
    while (world_now () < self->until) {
        bool rush = world_chance (500);
        plain_nap (50 * MS, SECOND);
        if (rush && s_quiet < world_now ())
            s_quiet = world_now () + 200 * MS + (int64_t) world_random (SECOND);
        if (!self->socket)
            plain_greet (self);
        if (rush)
            fiber_sleep (s_quiet + (int64_t) world_random (8 * MS));
        if (s_purges && s_purged < 4 && world_chance (rush ? 250 : 60))
            s_purge (self);
        else
            s_take_back (self, rush && world_chance (900));
        s_wander (self);
    }
    clients_end ();
    return NULL;
}

//  It was found in the end; under one id once, split or not.
static void s_find (int number)
{
    s_alarm[number].found++;
    for (int at = 0; at < PLACES; at++)
        if (s_alarm[number].place[at].id == s_alarm[number].id && ++s_alarm[number].place[at].found > 1)
            world_finding ("H19: alarm %d is there twice as %" PRIu64, number, s_alarm[number].id);
}

//  Nothing is left, and so says LIST.
static void s_list (client_t *self)
{
    char id[24];
    snprintf (id, sizeof id, "i%" PRIu64, ++self->serial);
    frame_t frame[] = {TEXT ("ZB1"), TEXT ("LIST"), TEXT (id), TEXT (NAME)};
    s_do (self, frame, 4);
    const char *count = strstr (plain_text (self, 5), "\nmessages=");
    if (!count || strtoull (count + strlen ("\nmessages="), NULL, 10))
        world_finding ("H19: all alarms are acknowledged, and LIST says%.20s", count ? count : " nothing");
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
            s_find (number[index]);
            snprintf (acks + size, sizeof acks - size, "%s%" PRIu64, size ? " " : "", s_alarm[number[index]].id);
        }
        if (count > 0)
            quiet = world_now () + patience;
    }
}

static void *s_count (void *arg)
{
    s_empty (arg);
    s_list (arg);
    for (int number = 1; number <= s_set; number++) {
        if (s_alarm[number].found > 1 && !history_is_split ())
            world_finding ("H19: alarm %d is there %d times", number, s_alarm[number].found);
        if (s_alarm[number].ok && !s_alarm[number].may && !s_alarm[number].aside && s_alarm[number].found == 0)
            world_finding ("H19: alarm %d is gone, and nobody has acknowledged or purged it", number);
    }
    world_note ("%d alarms, %zu rung, %zu taken back, %zu ranges, %zu purges, a clock %" PRId64 " ms behind", s_set,
                s_rung, s_taken_back, s_ranges, s_purged, history_behind ());
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
    s_crowds = world_chance (333);
    s_purges = world_chance (500);
    s_fill = world_chance (500) && !world_has (EXTRA_LIMITS) ? FILL : 0;
    clients_begin ();
    plain_start ("setter", "setter", 0, s_setter, until);
    for (int ringer = 0; ringer < RINGERS; ringer++) {
        clients_begin ();
        plain_start (process[ringer], "", ringer, s_ring, until);
    }
    clients_begin ();
    plain_start ("warden", "", 0, s_guard, until);
}

void alarms_count (void)
{
    plain_start ("ringer9", "", 0, s_count, INT64_MAX);
}

bool alarms_have_been_counted (void)
{
    return s_ended;
}
