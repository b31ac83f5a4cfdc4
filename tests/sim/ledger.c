/*  =========================================================================
    ledger - what became of each message

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients.h"
#include "core/base/limits.h"
#include "core/base/lineage.h"
#include "history.h"
#include "ledger.h"
#include "scribe.h"

#define PLACES 4 //  ids of one message
#define TOPS 128 //  epochs with messages of one producer

struct ledger_message {
    bool named, ok, both, acking, acked, sent, aside;
    int64_t ok_at;     //  when it was answered OK first
    int64_t passed;    //  when a later one of its producer was delivered before it; 0 = not.  What leaves in one turn
                       //  for several consumers has no order
    uint64_t behind;   //  the largest id of these
    bool there;        //  the passive store holds it, and it is to be delivered
    bool before, lost; //  it was on a disk that is set back; on that alone, and is gone
    struct place {
        char id[32];
        int64_t acked; //  when it was answered OK under this id; 0 = not
        bool old;      //  it is to be delivered by what a disk that was set back holds
        bool may;      //  it may come again until the two are in sync, though it is acknowledged
    } place[PLACES];
};

ledger_stats_t ledger_stats;

static ledger_message_t s_message[PRODUCERS][PUTS + 1][BODIES];
static size_t s_ok, s_acked, s_aside, s_lost;
//  The newest number of each producer that was answered OK.
static uint64_t s_number[PRODUCERS];
//  The newest id of each epoch that was handed out.
static struct top {
    uint64_t base, id;
} s_top[PRODUCERS][TOPS];

//  Calls fn for each message that may be.
static void s_all (void (*fn) (ledger_message_t *message))
{
    for (int producer = 0; producer < PRODUCERS; producer++)
        for (int number = 0; number <= PUTS; number++)
            for (int index = 0; index < BODIES; index++)
                fn (&s_message[producer][number][index]);
}

//  Its bodies are more than a row of the log takes.
static bool s_is_large (int producer, uint64_t number)
{
    return world_has (EXTRA_LARGE) && producer == 0 && number % 12 == 5;
}

int ledger_bodies (int producer, uint64_t number)
{
    if (s_is_large (producer, number))
        return BODIES;
    return 1 + (int) ((number * 7 + (uint64_t) producer) % 5 == 0) * (int) (number % BODIES);
}

size_t ledger_body (int producer, uint64_t number, int index, char body[BODY_MAX])
{
    int size = snprintf (body, BODY_MAX, "<p%d.%04d.%d>", producer, (int) number, index);
    size_t fill = (number * 31 + (uint64_t) index) % 11 == 0 ? (size_t) (number * 97 % 2500) : number % 40;
    if (s_is_large (producer, number))
        fill = 100000;
    memset (body + size, '.', fill);
    return (size_t) size + fill;
}

//  The keeper's, a visitor's, or of the forge, who have queues of their own.
static bool s_is_own (const void *body, size_t size)
{
    return size > 1 && (memcmp (body, "<k", 2) == 0 || memcmp (body, "<v", 2) == 0 || memcmp (body, "<f", 2) == 0 ||
                        memcmp (body, "<n", 2) == 0 || memcmp (body, "<l", 2) == 0 || memcmp (body, "<a", 2) == 0 ||
                        memcmp (body, "<d", 2) == 0 || memcmp (body, "<s", 2) == 0 || memcmp (body, "<o", 2) == 0 ||
                        memcmp (body, "<t", 2) == 0 || memcmp (body, "<c", 2) == 0 || memcmp (body, "<h", 2) == 0 ||
                        memcmp (body, "<r", 2) == 0 || memcmp (body, "<g", 2) == 0);
}

static ledger_message_t *s_find (const void *body, size_t size, int *producer, int *number, int *index)
{
    char text[32] = "";
    memcpy (text, body, size < sizeof text - 1 ? size : sizeof text - 1);
    if (sscanf (text, "<p%d.%d.%d>", producer, number, index) != 3 || *producer >= PRODUCERS || *number > PUTS)
        world_finding ("a message that nobody has stored was delivered: %s", text);
    return &s_message[*producer][*number][*index];
}

//  The one with this body; NULL if it is the keeper's, or a visitor's.
static ledger_message_t *s_look_up (const void *body, size_t size)
{
    int producer, number, index;
    return s_is_own (body, size) ? NULL : s_find (body, size, &producer, &number, &index);
}

//  Whether the message must not come under this id any more.
static bool s_is_done (const ledger_message_t *message, const char *id)
{
    if (!history_is_split ())
        return message->acked;
    for (int index = 0; index < PLACES; index++) {
        const struct place *place = &message->place[index];
        if (place->acked && strcmp (place->id, id) == 0)
            return history_is_settled (place->acked);
    }
    return false;
}

static bool s_counts_as_lost (const ledger_message_t *message)
{
    return message->lost && message->ok && !message->acked && !message->aside;
}

static void s_find_again (ledger_message_t *message)
{
    s_lost -= s_counts_as_lost (message);
    message->lost = false;
}

//  ---------------------------------------------------------------------------
//  What brokers hand out

//  All before it have been delivered, or were refused and never will be.
static void s_pass (int producer, int number, int index, uint64_t id)
{
    for (int before = 1; before <= number; before++)
        for (int body = 0; body < ledger_bodies (producer, (uint64_t) before); body++) {
            if (before == number && body >= index)
                return;
            ledger_message_t *message = &s_message[producer][before][body];
            if (message->sent)
                continue;
            message->passed = message->passed ? message->passed : world_now ();
            message->behind = id > message->behind ? id : message->behind;
        }
}

//  Later ones were delivered before this message, which has this id, and not only such as were replayed from earlier epochs.
static bool s_is_passed (const ledger_message_t *message, uint64_t id)
{
    return message->passed && !history_was_replayed (zb_epoch_number (message->behind), zb_epoch_number (id));
}

//  The same after a split: each side hands out the messages of an epoch, its own ones and those of the other side, in the
//  order of their ids.  Returns whether a message that comes for the first time comes too late.
static bool s_is_late (int producer, uint64_t id)
{
    uint64_t base = zb_epoch_base (zb_epoch_number (id), zb_epoch_node (id));
    size_t at = 0;
    while (at < TOPS && s_top[producer][at].id && s_top[producer][at].base != base)
        at++;
    assert (at < TOPS);
    bool late = s_top[producer][at].id > id;
    if (!late)
        s_top[producer][at] = (struct top){base, id};
    return late;
}

//  The GET came before the clock of this broker stood, and the other one was heard since: it may be given what was
//  acknowledged while the clock stood, as a reply may that is late on its way.
static bool s_was_under_way (const process_t *from, const ledger_message_t *message, const char *id)
{
    if (!from->stood || world_now () - from->resumed > 50 * MS)
        return false;
    for (int at = 0; at < PLACES; at++)
        if (strcmp (message->place[at].id, id) == 0)
            return message->place[at].acked > from->stopped;
    return false;
}

void ledger_hand_out (const process_t *from, const void *body, size_t size, const char *id, bool sent)
{
    if (s_is_own (body, size))
        return;
    int producer, number, index;
    ledger_message_t *message = s_find (body, size, &producer, &number, &index);
    if (sent && message->named && s_is_done (message, id) && !s_was_under_way (from, message, id))
        world_finding ("H3: %s delivers message %d.%d of producer %d as %s, which was acknowledged with OK%s",
                       from->name, number, index, producer, id, history_is_split () ? ", after a split" : "");
    ledger_stats.deliveries++;
    ledger_stats.redeliveries += message->sent;
    s_find_again (message);
    uint64_t place = strtoull (id, NULL, 10);
    //  What was given to a consumer that is gone is nobody's delivery; whoever gets it then may get it behind later ones.
    if (sent && !message->sent && message->named) {
        bool late = s_is_late (producer, place);
        if (history_is_split () ? late : s_is_passed (message, place) && message->passed < world_now ())
            world_finding ("H4: message %d.%d of producer %d is delivered after a later one%s", number, index, producer,
                           history_is_split () ? ", after a split" : "");
        if (!history_is_split ())
            s_pass (producer, number, index, place);
    }
    message->sent = true;
}

//  ---------------------------------------------------------------------------
//  Both are in sync, old disks, and brokers that were promoted

//  Both are in sync: each holds what the other one does.
static void s_no_more (ledger_message_t *message)
{
    for (int at = 0; at < PLACES; at++)
        message->place[at].old = message->place[at].may = false;
}

static void s_see (const void *body, size_t size, uint64_t id, bool done)
{
    if (s_is_own (body, size))
        return;
    int producer, number, index;
    ledger_message_t *message = s_find (body, size, &producer, &number, &index);
    char text[24];
    snprintf (text, sizeof text, "%llu", (unsigned long long) id);
    message->there = message->there || !done;
    if (!done)
        s_find_again (message);
    if (!done && message->named && s_is_done (message, text))
        world_finding ("H3: in sync, and message %d.%d of producer %d is to be delivered as %s, which was acknowledged "
                       "with OK%s",
                       number, index, producer, text, history_is_split () ? ", after a split" : "");
}

void ledger_level (int passive)
{
    for (int producer = 0; producer < PRODUCERS; producer++)
        for (int number = 0; number <= PUTS; number++)
            for (int index = 0; index < BODIES; index++)
                s_message[producer][number][index].there = false;
    base_each (passive, s_see);
    for (int producer = 0; producer < PRODUCERS; producer++)
        for (int number = 1; number <= PUTS; number++)
            for (int index = 0; index < BODIES; index++) {
                const ledger_message_t *message = &s_message[producer][number][index];
                if (message->ok && !message->there && !message->acking && !message->aside && !message->lost)
                    world_finding ("H2: in sync, and message %d.%d of producer %d was answered OK and is gone%s",
                                   number, index, producer, history_is_split () ? ", after a split" : "");
            }
}

static struct place *s_place_of (ledger_message_t *message, uint64_t id)
{
    for (int at = 0; at < PLACES; at++)
        if (strtoull (message->place[at].id, NULL, 10) == id)
            return &message->place[at];
    return NULL;
}

static void s_was_there (const void *body, size_t size, uint64_t id, bool done)
{
    (void) id;
    ledger_message_t *message = s_look_up (body, size);
    if (message && !done)
        message->before = true;
}

static void s_is_there (const void *body, size_t size, uint64_t id, bool done)
{
    (void) id;
    ledger_message_t *message = s_look_up (body, size);
    if (message && !done)
        message->before = false;
}

static void s_is_old (const void *body, size_t size, uint64_t id, bool done)
{
    ledger_message_t *message = s_look_up (body, size);
    struct place *place = message && !done ? s_place_of (message, id) : NULL;
    if (place)
        place->old = true;
}

static void s_lose (ledger_message_t *message)
{
    if (message->before && !message->lost) {
        message->lost = true;
        s_lost += s_counts_as_lost (message);
    }
    message->before = false;
}

//  It was answered by the broker of the disk that was set back, and by no other, solo, since the copy was made: README says
//  that it is gone.  It may be there: on the other disk, if a replay was broken off, and the two take it for what both
//  have; in the copy, which was made before it was answered, and knows nothing of an answer.
static int s_back;
static int64_t s_copied;

static void s_lose_own (ledger_message_t *message)
{
    bool own = message->ok && !message->both && message->ok_at >= s_copied;
    for (int at = 0; at < PLACES && message->place[at].id[0]; at++)
        own = own && (int) zb_epoch_node (strtoull (message->place[at].id, NULL, 10)) == s_back;
    if (own)
        s_lose (message);
}

//  If it was acknowledged, then on the disk that was set back.
static void s_is_open (const void *body, size_t size, uint64_t id, bool done)
{
    ledger_message_t *message = s_look_up (body, size);
    struct place *place = message && !done ? s_place_of (message, id) : NULL;
    if (place) {
        place->may = true;
        place->acked = 0;
    }
}

//  Acknowledged since the two were in sync, perhaps on that disk alone: the other one may have the message, or be about
//  to write it.
static void s_was_done_alone (ledger_message_t *message)
{
    for (int at = 0; at < PLACES; at++)
        if (message->place[at].acked > history_parted ()) {
            message->place[at].may = true;
            message->place[at].acked = 0;
        }
}

static void s_may_come (ledger_message_t *message)
{
    for (int at = 0; at < PLACES; at++)
        if (message->place[at].old) {
            message->place[at].may = true;
            message->place[at].acked = 0;
        }
}

void ledger_one (void)
{
    s_all (s_no_more);
}

void ledger_back (int machine)
{
    base_each (machine, s_was_there);
}

void ledger_was_back (int machine)
{
    base_each (PRIMARY + BACKUP - machine, s_is_open);
    s_all (s_was_done_alone);
    s_back = machine;
    s_copied = disk_copied (machine);
    s_all (s_lose_own);
    base_each (PRIMARY, s_is_there);
    base_each (BACKUP, s_is_there);
    s_all (s_lose);
    base_each (machine, s_is_old);
}

void ledger_old (int machine)
{
    base_each (machine, s_is_old);
}

void ledger_old_leads (void)
{
    s_all (s_may_come);
}

//  ---------------------------------------------------------------------------
//  What clients see

//  A message is at one place; after a split perhaps at one of each side, of which no store has both.
static void s_place (ledger_message_t *message, const char *id, const char *what, const char *body)
{
    if (strcmp (id, "0") == 0)
        return;
    int at = 0;
    while (at < PLACES && message->place[at].id[0] && strcmp (message->place[at].id, id))
        at++;
    if (at == PLACES || message->place[at].id[0])
        return;
    if (at && !history_is_split ())
        world_finding ("H5: %s is at %s and at %s", what, message->place[0].id, id);
    uint64_t epoch = strtoull (id, NULL, 10) >> ZB_COUNT_BITS;
    for (int other = 0; other < at; other++)
        if (strtoull (message->place[other].id, NULL, 10) >> ZB_COUNT_BITS == epoch &&
            zb_epoch_node (strtoull (message->place[other].id, NULL, 10)) == zb_epoch_node (strtoull (id, NULL, 10)))
            world_finding ("H5: %s is at %s and at %s, of one epoch", what, message->place[other].id, id);
    for (int machine = PRIMARY; at && machine <= BACKUP; machine++)
        if (base_count (machine, body) > 1)
            world_finding ("H5: %s is in a store at %s and at %s", what, message->place[0].id, id);
    snprintf (message->place[at].id, sizeof message->place[at].id, "%s", id);
    ledger_stats.stored_twice += at > 0;
}

//  Its acknowledgement is asked for no more, once it was answered OK.
static bool s_is_aside (const ledger_message_t *message)
{
    return message->aside && message->ok && !message->acked;
}

void ledger_ok (int producer, uint64_t number, bool named, const char *level, const char *first, const char *last)
{
    assert (number && number <= PUTS);
    int bodies = ledger_bodies (producer, number);
    ledger_stats.oks++;
    ledger_stats.both += strcmp (level, "both") == 0;
    ledger_stats.solo += strcmp (level, "solo") == 0;
    s_number[producer] = number > s_number[producer] ? number : s_number[producer];
    for (int index = 0; index < bodies; index++) {
        ledger_message_t *message = &s_message[producer][number][index];
        char what[48], body[40];
        snprintf (what, sizeof what, "message %d.%d of producer %d", (int) number, index, producer);
        snprintf (body, sizeof body, "<p%d.%04d.%d>", producer, (int) number, index);
        if (named && index == 0)
            s_place (message, first, what, body);
        if (named && index == bodies - 1)
            s_place (message, last, what, body);
        if (named && s_is_passed (message, strtoull (first, NULL, 10)) && !message->sent && !history_is_split ())
            world_finding ("H4: %s is stored behind a later one", what);
        s_ok += !message->ok;
        if (message->acked && !message->ok)
            s_acked++;
        s_aside -= s_is_aside (message);
        s_lost -= s_counts_as_lost (message);
        message->ok_at = message->ok ? message->ok_at : world_now ();
        message->ok = true;
        message->both = message->both || strcmp (level, "both") == 0;
        s_aside += s_is_aside (message);
        s_lost += s_counts_as_lost (message);
    }
}

ledger_message_t *ledger_got (const void *body, size_t size, const char *id, size_t id_size)
{
    int producer, number, index;
    ledger_message_t *message = s_find (body, size, &producer, &number, &index);
    char text[32], what[48], key[40];
    char whole[BODY_MAX];
    if (ledger_body (producer, (uint64_t) number, index, whole) != size || memcmp (whole, body, size))
        world_finding ("H5: message %d.%d of producer %d is not what was stored", number, index, producer);
    snprintf (text, sizeof text, "%.*s", (int) id_size, id);
    snprintf (what, sizeof what, "message %d.%d of producer %d", number, index, producer);
    snprintf (key, sizeof key, "<p%d.%04d.%d>", producer, number, index);
    if (message->named)
        s_place (message, text, what, key);
    return message;
}

void ledger_asked (const ledger_message_t *message, const char *id, int64_t asked)
{
    for (int at = 0; at < PLACES; at++)
        if (message->named && s_is_done (message, id) && strcmp (message->place[at].id, id) == 0 &&
            message->place[at].acked && message->place[at].acked < asked)
            world_finding ("H3: message %s was acknowledged with OK, and is delivered to a GET that came later", id);
}

void ledger_name (int producer)
{
    for (int number = 0; number <= PUTS; number++)
        for (int index = 0; index < BODIES; index++)
            s_message[producer][number][index].named = true;
}

//  All PUTs under one number are equal here, so the winner can't tell only what it has forgotten.
void ledger_aside (const void *body, size_t size, const char *why)
{
    scribe_aside (body, size);
    if (size > 1 && (memcmp (body, "<v", 2) == 0 || memcmp (body, "<n", 2) == 0 || memcmp (body, "<a", 2) == 0))
        return; //  visitors use a number again on purpose
    static const struct {
        const char *begin;
        void (*fn) (const void *body, size_t size);
    } own[] = {{"<f", forge_aside},  {"<l", letters_aside}, {"<d", alarms_aside}, {"<s", samples_aside},
               {"<o", offers_aside}, {"<t", triage_aside},  {"<c", calls_aside},  {"<h", helm_aside},
               {"<r", tracks_aside}};
    for (size_t index = 0; index < sizeof own / sizeof *own; index++)
        if (size > 1 && memcmp (body, own[index].begin, 2) == 0) {
            own[index].fn (body, size);
            return;
        }
    int producer, number, index;
    ledger_message_t *message = s_find (body, size, &producer, &number, &index);
    if (!message->named || strcmp (why, "conflict") || (uint64_t) number + ZB_WINDOW > s_number[producer])
        world_finding ("H5: message %d.%d of producer %d is put aside (%s), and nothing stands in its way", number,
                       index, producer, why);
    s_aside -= s_is_aside (message);
    s_lost -= s_counts_as_lost (message);
    message->aside = true;
    s_aside += s_is_aside (message);
}

void ledger_acking (ledger_message_t *message)
{
    message->acking = true;
}

void ledger_acked (ledger_message_t *message, const char *id)
{
    for (int at = 0; at < PLACES; at++)
        if (strcmp (message->place[at].id, id) == 0 && message->place[at].acked == 0 && !message->place[at].may)
            message->place[at].acked = world_now ();
    if (message->acked)
        return;
    s_aside -= s_is_aside (message);
    s_lost -= s_counts_as_lost (message);
    message->acked = true;
    s_acked += message->ok;
}

size_t ledger_oks (void)
{
    return s_ok;
}

size_t ledger_open (void)
{
    return s_ok - s_acked - s_aside - s_lost;
}

size_t ledger_end (bool waits)
{
    size_t kept = 0;
    for (int producer = 0; producer < PRODUCERS; producer++)
        for (int number = 1; number <= PUTS; number++)
            for (int index = 0; index < BODIES; index++) {
                ledger_message_t *message = &s_message[producer][number][index];
                if (!message->ok || message->acked || message->aside || message->lost)
                    continue;
                char text[40];
                snprintf (text, sizeof text, "<p%d.%04d.%d>", producer, number, index);
                bool there = base_has_body (PRIMARY, text) || base_has_body (BACKUP, text);
                //  An acknowledgement can be safe, and its answer still to come from a broker that serves no more.
                if (waits && message->acking)
                    continue;
                if (!waits || !there)
                    world_finding ("H2: message %d.%d of producer %d was answered OK and is %s", number, index,
                                   producer,
                                   there             ? "stored, but never delivered or acknowledged"
                                   : message->acking ? "gone; an acknowledgement was sent, and got no OK"
                                   : message->sent   ? "gone; it was delivered, and nobody has acknowledged it"
                                                     : "gone");
                kept++;
            }
    return kept;
}
