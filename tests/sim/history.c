/*  =========================================================================
    history - what the clients saw, and what must hold of it

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/lineage.h"
#include "clients.h"
#include "history.h"
#include "io/broker/front.h"
#include "machines.h"
#include "scribe.h"

#define COMMITS 65536
#define EPOCHS 512
#define PLACES 4 //  ids of one message
#define TOPS 128 //  epochs with messages of one producer

struct history_message {
    bool named, ok, acking, acked, sent, aside;
    int64_t passed;    //  when a later one of its producer was delivered before it; 0 = not.  What leaves in one turn
                       //  for several consumers has no order
    bool there;        //  the passive store holds it, and it is to be delivered
    bool before, lost; //  it was on a disk that is set back; on that alone, and is gone
    struct place {
        char id[32];
        int64_t acked; //  when it was answered OK under this id; 0 = not
        bool old;      //  it is to be delivered by what a disk that was set back holds
        bool may;      //  it may come again until the two are in sync, though it is acknowledged
    } place[PLACES];
};

typedef struct {
    uint64_t epoch, commit, record;
    unsigned node;
} commit_t;

history_stats_t history_stats;

static history_message_t s_message[PRODUCERS][PUTS + 1][BODIES];
static size_t s_ok, s_acked, s_aside, s_lost;
//  The newest number of each producer that was answered OK.
static uint64_t s_number[PRODUCERS];
static bool s_strained, s_witness, s_promoted;
//  The disk that was set back, and is not level yet; and until it leads, if it does.
static int s_copied, s_back;
//  There was a split; there is one now; when the latest one was over; when the two were last in sync.
static bool s_split, s_divided;
static int64_t s_united, s_parted;
//  Newest record that each broker has answered OK.
static uint64_t s_newest[MACHINES];
static commit_t s_commit[COMMITS];
//  Who answers in which epoch.
static struct {
    uint64_t epoch;
    unsigned node, process;
    bool over;
} s_epoch[EPOCHS];
static size_t s_epochs, s_last;
//  The newest id of each epoch that was handed out.
static struct top {
    uint64_t base, id;
} s_top[PRODUCERS][TOPS];

void history_strain (void)
{
    s_strained = true;
}

bool history_is_split (void)
{
    return s_split;
}

bool history_was_divided (int64_t since)
{
    return s_divided || s_united > since;
}

void history_witness (void)
{
    s_witness = true;
}

//  Calls fn for each message that may be.
static void s_all (void (*fn) (history_message_t *message))
{
    for (int producer = 0; producer < PRODUCERS; producer++)
        for (int number = 0; number <= PUTS; number++)
            for (int index = 0; index < BODIES; index++)
                fn (&s_message[producer][number][index]);
}

static void s_divide (const char *how)
{
    if (s_witness)
        world_finding ("H9: %s, beside a witness", how);
    s_split = s_divided = true;
    scribe_note ("split");
}

//  Both are in sync: each holds what the other one does.
static void s_no_more (history_message_t *message)
{
    for (int at = 0; at < PLACES; at++)
        message->place[at].old = message->place[at].may = false;
}

static void s_unite (void)
{
    s_divided = false;
    s_united = world_now ();
    memset (s_newest, 0, sizeof s_newest);
    world_note ("the brokers are one again");
}

static void s_look_level (int active, int passive);
static void s_old_leads (void);

//  What they have said last: that the peer is in sync, and that this one is.
static bool s_level[MACHINES], s_follows[MACHINES];

void history_starts (int machine)
{
    s_level[machine] = s_follows[machine] = false;
}

void history_role (int machine, const char *text)
{
    static bool alone[MACHINES];
    alone[machine] = strstr (text, "ACTIVE solo") != NULL;
    int other = PRIMARY + BACKUP - machine;
    //  Beside a witness it is said for a moment only: until a peer that was stopped hears that it does not lead, or of a
    //  store that is not trusted and holds nothing that the peer lacks.  Nothing is answered meanwhile, as H3 to H5 prove.
    if (strstr (text, "diverged") && !s_witness) {
        s_split = s_divided = true;
        scribe_note ("split");
    }
    if (strstr (text, "diverged"))
        scribe_note ("replay");
    if (alone[machine] && alone[other])
        s_divide ("both brokers go on alone");
    s_follows[machine] = strstr (text, "passive, in sync") != NULL;
    s_level[machine] = strstr (text, "ACTIVE") && strstr (text, "in sync");
    static bool one;
    bool was = one;
    //  Not what a process has said that has ended: an ack of it may still be on its way.
    one = (s_level[machine] && s_follows[other]) || (s_level[other] && s_follows[machine]);
    if (machine == s_back && strstr (text, "ACTIVE"))
        s_old_leads ();
    if (was && !one)
        s_parted = world_now ();
    if (one)
        s_all (s_no_more);
    if (one)
        s_copied = s_back = 0;
    if (one)
        scribe_note ("one");
    if (one && s_divided)
        s_unite ();
    //  A disk of which the power is gone lacks what the other one was sent and has kept.
    if (one && !was && machine_says (other, ""))
        s_look_level (s_level[machine] ? machine : other, s_level[machine] ? other : machine);
}

static bool s_is_one (void)
{
    return (machine_says (PRIMARY, "ACTIVE") || machine_says (BACKUP, "ACTIVE")) && machine_says (PRIMARY, "in sync") &&
           machine_says (BACKUP, "in sync");
}

//  What it tells of its queues may be old, until it hears the other one, or does not.
void history_stood (bool stands)
{
    if (stands)
        scribe_note ("split");
    else if (s_is_one ())
        scribe_note ("one");
}

void history_alone (int machine)
{
    if (s_witness && !world_has (EXTRA_COPIES) && disk_alone (machine) && disk_alone (PRIMARY + BACKUP - machine))
        s_divide ("`alone` is on both disks");
}

//  Who may be alone by what is on the witness's disk; 0 if nobody.
static int s_holder (void)
{
    const char *record = disk_record (WITNESS);
    const char *held = record ? strstr (record, " held ") : NULL;
    return held ? atoi (held + 6) : 0;
}

bool history_is_held (void)
{
    return s_holder () != 0;
}

//  Its bodies are more than a row of the log takes.
static bool s_is_large (int producer, uint64_t number)
{
    return world_has (EXTRA_LARGE) && producer == 0 && number % 12 == 5;
}

int history_bodies (int producer, uint64_t number)
{
    if (s_is_large (producer, number))
        return BODIES;
    return 1 + (int) ((number * 7 + (uint64_t) producer) % 5 == 0) * (int) (number % BODIES);
}

size_t history_body (int producer, uint64_t number, int index, char body[BODY_MAX])
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
                        memcmp (body, "<n", 2) == 0 || memcmp (body, "<l", 2) == 0 || memcmp (body, "<a", 2) == 0);
}

static history_message_t *s_find (const void *body, size_t size, int *producer, int *number, int *index)
{
    char text[32] = "";
    memcpy (text, body, size < sizeof text - 1 ? size : sizeof text - 1);
    if (sscanf (text, "<p%d.%d.%d>", producer, number, index) != 3 || *producer >= PRODUCERS || *number > PUTS)
        world_finding ("a message that nobody has stored was delivered: %s", text);
    return &s_message[*producer][*number][*index];
}

//  ---------------------------------------------------------------------------
//  Tokens

static bool s_parse (const void *token, size_t size, uint64_t *epoch, unsigned *node, uint64_t *commit)
{
    char text[128] = "";
    unsigned long long numbers[2];
    memcpy (text, token, size < sizeof text ? size : sizeof text - 1);
    if (sscanf (text, "%llu.%u.%llu.", &numbers[0], node, &numbers[1]) != 3)
        return false;
    *epoch = numbers[0];
    *commit = numbers[1];
    return true;
}

//  The one content of a commit.
static void s_check_commit (uint64_t epoch, unsigned node, uint64_t commit, uint64_t record)
{
    size_t at = (size_t) (epoch * 7919 + node * 104729 + commit * 31) % COMMITS;
    while (s_commit[at].record &&
           (s_commit[at].epoch != epoch || s_commit[at].node != node || s_commit[at].commit != commit))
        at = (at + 1) % COMMITS;
    if (s_commit[at].record && s_commit[at].record != record)
        world_finding ("H6: commit %d of epoch %d%c was answered with two contents", (int) commit, (int) epoch,
                       "?PB"[node]);
    s_commit[at] = (commit_t){epoch, commit, record, node};
}

static void s_look_for_split (int machine, uint64_t record)
{
    s_newest[machine] = record;
    int other = PRIMARY + BACKUP - machine;
    if (s_divided || !s_newest[other])
        return;
    bool one = base_holds (other, s_newest[machine]) || !base_holds (machine, s_newest[machine]);
    bool two = base_holds (machine, s_newest[other]) || !base_holds (other, s_newest[other]);
    if (!one && !two) {
        s_divide ("both brokers have answered what the other one lacks");
        world_note ("both brokers have answered what the other one lacks");
        if (!s_strained)
            world_finding ("R1: a split, but nothing was strained");
    }
}

static void s_check_disks (int machine, uint64_t epoch, unsigned node, uint64_t commit, const char *level)
{
    int other = PRIMARY + BACKUP - machine;
    uint64_t record = base_record (machine, epoch, node, commit);
    bool both = strcmp (level, "both") == 0;
    if (!record || !base_holds (machine, record))
        world_finding ("H1: commit %d of epoch %d%c is answered %s, and is not synced", (int) commit, (int) epoch,
                       "?PB"[node], level);
    if (both && !base_holds (other, record) && s_copied != other)
        world_finding ("H1: commit %d of epoch %d%c is answered both, and is not synced on the peer's disk",
                       (int) commit, (int) epoch, "?PB"[node]);
    //  What the peer has as well may still be called solo while `alone` leaves the disk, which takes a slow one its time.
    if (!both && !disk_alone (machine) && !base_holds (other, record) && !world_has (EXTRA_SHARED))
        world_finding ("H1: commit %d of epoch %d%c is answered solo, and the disk does not say so", (int) commit,
                       (int) epoch, "?PB"[node]);
    if (!both && s_witness && s_holder () != machine)
        world_finding ("H9: commit %d of epoch %d%c is answered solo, and the witness's disk does not say so",
                       (int) commit, (int) epoch, "?PB"[node]);
    s_check_commit (epoch, node, commit, record);
    s_look_for_split (machine, record);
}

//  ---------------------------------------------------------------------------
//  What brokers send

//  `serves`: the answer tells what is stored.
static void s_check_epoch (const process_t *from, uint64_t epoch, unsigned node, bool serves)
{
    size_t at = 0;
    while (at < s_epochs && (s_epoch[at].epoch != epoch || s_epoch[at].node != node))
        at++;
    if ((int) node != from->machine)
        world_finding ("H6: %s answers in epoch %d%c, which is not its own", from->name, (int) epoch, "?PB"[node]);
    if (at == s_epochs) {
        assert (s_epochs < EPOCHS);
        s_epoch[s_epochs].epoch = epoch;
        s_epoch[s_epochs].node = node;
        s_epoch[s_epochs++].process = from->serial;
        history_stats.epochs++;
    }
    bool twice = s_epoch[at].process != from->serial;
    //  One of a copy that has heard of no later one is drawn of 64.  From here on nothing holds.
    if (twice && world_has (EXTRA_COPIES)) {
        world_note ("epoch %d%c is used twice", (int) epoch, "?PB"[node]);
        dprintf (STDOUT_FILENO, "an old copy has used epoch %d%c again\n", (int) epoch, "?PB"[node]);
        _Exit (0);
    }
    if (twice)
        world_finding ("H6: two processes answer in epoch %d%c", (int) epoch, "?PB"[node]);
    if (!serves)
        return;
    //  Who has been succeeded stays silent.
    //  What was under way when the process was stopped leaves as it goes on: to whom it is sent, it was late on its way.
    //  One whose clock has stood may tell what is old, but for messages, until it is silent for its limit.
    bool late = from->resumed && world_now () - from->resumed < (from->stood ? SECOND : MS);
    bool bound = s_witness || world_has (EXTRA_SHARED);
    if (s_epoch[at].over && (!s_strained || (bound && !late)))
        world_finding ("%s: %s answers in epoch %d%c after another has taken over%s", s_strained ? "H9" : "H7",
                       from->name, (int) epoch, "?PB"[node],
                       !s_strained ? ", and nothing was strained"
                       : s_witness ? ", beside a witness"
                                   : ", from one store");
    //  Late in the same way is an answer that is the first one of its epoch.
    s_epoch[at].over = s_epoch[at].over || (bound && late && epoch < s_epoch[s_last].epoch);
    if (s_epoch[at].over)
        return;
    if (s_epoch[s_last].process != from->serial)
        s_epoch[s_last].over = true;
    s_last = at;
}

//  All before it have been delivered, or were refused and never will be.
static void s_pass (int producer, int number, int index)
{
    for (int before = 1; before <= number; before++)
        for (int body = 0; body < history_bodies (producer, (uint64_t) before); body++) {
            if (before == number && body >= index)
                return;
            history_message_t *message = &s_message[producer][before][body];
            if (!message->sent)
                message->passed = message->passed ? message->passed : world_now ();
        }
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

//  Whether the message must not come under this id any more.
static bool s_is_done (const history_message_t *message, const char *id)
{
    if (!s_split)
        return message->acked;
    for (int index = 0; index < PLACES; index++) {
        const struct place *place = &message->place[index];
        if (place->acked && strcmp (place->id, id) == 0)
            return !s_divided || place->acked < s_united;
    }
    return false;
}

//  The GET came before the clock of this broker stood, and the other one was heard since: it may be given what was
//  acknowledged while the clock stood, as a reply may that is late on its way.
static bool s_was_under_way (const process_t *from, const history_message_t *message, const char *id)
{
    if (!from->stood || world_now () - from->resumed > 50 * MS)
        return false;
    for (int at = 0; at < PLACES; at++)
        if (strcmp (message->place[at].id, id) == 0)
            return message->place[at].acked > from->stopped;
    return false;
}

//  The one with this body; NULL if it is the keeper's, or a visitor's.
static history_message_t *s_look_up (const void *body, size_t size)
{
    int producer, number, index;
    return s_is_own (body, size) ? NULL : s_find (body, size, &producer, &number, &index);
}

//  ---------------------------------------------------------------------------
//  Old disks, and brokers that were promoted

static struct place *s_place_of (history_message_t *message, uint64_t id)
{
    for (int at = 0; at < PLACES; at++)
        if (strtoull (message->place[at].id, NULL, 10) == id)
            return &message->place[at];
    return NULL;
}

static void s_was_there (const void *body, size_t size, uint64_t id, bool done)
{
    (void) id;
    history_message_t *message = s_look_up (body, size);
    if (message && !done)
        message->before = true;
}

static void s_is_there (const void *body, size_t size, uint64_t id, bool done)
{
    (void) id;
    history_message_t *message = s_look_up (body, size);
    if (message && !done)
        message->before = false;
}

static void s_is_old (const void *body, size_t size, uint64_t id, bool done)
{
    history_message_t *message = s_look_up (body, size);
    struct place *place = message && !done ? s_place_of (message, id) : NULL;
    if (place)
        place->old = true;
}

static bool s_counts_as_lost (const history_message_t *message)
{
    return message->lost && message->ok && !message->acked && !message->aside;
}

static void s_lose (history_message_t *message)
{
    if (message->before && !message->lost) {
        message->lost = true;
        s_lost += s_counts_as_lost (message);
    }
    message->before = false;
}

static void s_find_again (history_message_t *message)
{
    s_lost -= s_counts_as_lost (message);
    message->lost = false;
}

void history_back (int machine)
{
    base_each (machine, s_was_there);
}

//  If it was acknowledged, then on the disk that was set back.
static void s_is_open (const void *body, size_t size, uint64_t id, bool done)
{
    history_message_t *message = s_look_up (body, size);
    struct place *place = message && !done ? s_place_of (message, id) : NULL;
    if (place) {
        place->may = true;
        place->acked = 0;
    }
}

//  Acknowledged since the two were in sync, perhaps on that disk alone: the other one may have the message, or be about
//  to write it.
static void s_was_done_alone (history_message_t *message)
{
    for (int at = 0; at < PLACES; at++)
        if (message->place[at].acked > s_parted) {
            message->place[at].may = true;
            message->place[at].acked = 0;
        }
}

void history_was_back (int machine)
{
    history_strain ();
    s_copied = s_back = machine;
    s_split = s_divided = true;
    base_each (PRIMARY + BACKUP - machine, s_is_open);
    s_all (s_was_done_alone);
    base_each (PRIMARY, s_is_there);
    base_each (BACKUP, s_is_there);
    s_all (s_lose);
    base_each (machine, s_is_old);
    s_newest[machine] = 0;
    //  That this one took over since the copy was made nobody knows any more: the other one may go on.
    for (size_t at = 0; at < s_epochs; at++)
        s_epoch[at].over = s_epoch[at].over && (int) s_epoch[at].node == machine;
}

bool history_is_back (void)
{
    return s_back != 0;
}

static void s_may_come (history_message_t *message)
{
    for (int at = 0; at < PLACES; at++)
        if (message->place[at].old) {
            message->place[at].may = true;
            message->place[at].acked = 0;
        }
}

static void s_old_leads (void)
{
    s_back = 0;
    s_split = s_divided = true;
    s_all (s_may_come);
    world_note ("the old copy leads");
}

void history_promotes (void)
{
    history_strain ();
    s_witness = false;
}

void history_promoted (int machine)
{
    base_each (machine, s_is_old);
    s_old_leads ();
    s_promoted = true;
}

bool history_was_promoted (void)
{
    return s_promoted;
}

//  ---------------------------------------------------------------------------

static void s_see (const void *body, size_t size, uint64_t id, bool done)
{
    if (s_is_own (body, size))
        return;
    int producer, number, index;
    history_message_t *message = s_find (body, size, &producer, &number, &index);
    char text[24];
    snprintf (text, sizeof text, "%llu", (unsigned long long) id);
    message->there = message->there || !done;
    if (!done)
        s_find_again (message);
    if (!done && message->named && s_is_done (message, text))
        world_finding ("H3: in sync, and message %d.%d of producer %d is to be delivered as %s, which was acknowledged "
                       "with OK%s",
                       number, index, producer, text, s_split ? ", after a split" : "");
}

//  The two are in sync: what is on the passive one's disk is all that was answered OK, and not acknowledged.
static void s_look_level (int active, int passive)
{
    base_compare (active, passive);
    for (int producer = 0; producer < PRODUCERS; producer++)
        for (int number = 0; number <= PUTS; number++)
            for (int index = 0; index < BODIES; index++)
                s_message[producer][number][index].there = false;
    base_each (passive, s_see);
    for (int producer = 0; producer < PRODUCERS; producer++)
        for (int number = 1; number <= PUTS; number++)
            for (int index = 0; index < BODIES; index++) {
                const history_message_t *message = &s_message[producer][number][index];
                if (message->ok && !message->there && !message->acking && !message->aside && !message->lost)
                    world_finding ("H2: in sync, and message %d.%d of producer %d was answered OK and is gone%s",
                                   number, index, producer, s_split ? ", after a split" : "");
            }
    history_stats.levels++;
}

//  A body leaves the queue for a consumer; `sent`: the consumer can get it.
static void s_hand_out (const process_t *from, const void *body, size_t size, const char *id, bool sent)
{
    if (s_is_own (body, size))
        return;
    int producer, number, index;
    history_message_t *message = s_find (body, size, &producer, &number, &index);
    if (sent && message->named && s_is_done (message, id) && !s_was_under_way (from, message, id))
        world_finding ("H3: %s delivers message %d.%d of producer %d as %s, which was acknowledged with OK%s",
                       from->name, number, index, producer, id, s_split ? ", after a split" : "");
    history_stats.deliveries++;
    history_stats.redeliveries += message->sent;
    s_find_again (message);
    uint64_t place = strtoull (id, NULL, 10);
    //  What was given to a consumer that is gone is nobody's delivery; whoever gets it then may get it behind later ones.
    if (sent && !message->sent && message->named) {
        bool late = s_is_late (producer, place);
        if (s_split ? late : message->passed && message->passed < world_now ())
            world_finding ("H4: message %d.%d of producer %d is delivered after a later one%s", number, index, producer,
                           s_split ? ", after a split" : "");
        if (!s_split)
            s_pass (producer, number, index);
    }
    message->sent = true;
}

static void s_reply (const zb_answer_t *answer, const char *status, bool sent)
{
    const process_t *from = process_self ();
    bool msg = answer->status == ZB_ANSWER_MSG;
    uint64_t epoch, commit;
    unsigned node;
    if (!msg && answer->status != ZB_ANSWER_OK)
        return;
    if (sent && answer->token.size && s_parse (answer->token.data, answer->token.size, &epoch, &node, &commit)) {
        //  PING has nothing behind its OK.
        s_check_epoch (from, epoch, node, msg || answer->args > 0);
        uint64_t record = base_record (from->machine, epoch, node, commit);
        if (record)
            s_look_for_split (from->machine, record);
        zb_durable_t durable = answer->args ? zb_durable_parse (answer->arg[0]) : ZB_DURABLE_NONE;
        const char *level = zb_durable_name (durable);
        bool pair = durable == ZB_DURABLE_BOTH || durable == ZB_DURABLE_SOLO || durable == ZB_DURABLE_SHARED;
        if (pair)
            world_note ("> %s %.*s %s %.*s, commit %d of %d%c", status, (int) answer->id.size,
                        (const char *) answer->id.data, level, answer->args > 1 ? (int) answer->arg[1].size : 0,
                        answer->args > 1 ? (const char *) answer->arg[1].data : "", (int) commit, (int) epoch,
                        "?PB"[node]);
        if (pair)
            s_check_disks (from->machine, epoch, node, commit, level);
    }
    size_t cursor = 0;
    zb_index_t line;
    bool bad = false;
    for (size_t index = 0; msg && zb_index_next (answer->arg[2], &cursor, &line, &bad); index++) {
        char id[32];
        snprintf (id, sizeof id, "%.*s", (int) line.id.size, (const char *) line.id.data);
        s_hand_out (from, answer->body[index].data, answer->body[index].size, id, sent);
    }
}

//  Looks at a reply as its client does.
static void s_look_at (const zb_reply_t *reply, bool sent)
{
    zb_frames_t frames;
    zb_frames_init (&frames, reply);
    zb_frame_t *frame = (zb_frame_t *) malloc (frames.frames * sizeof *frame);
    for (size_t index = 0; index < frames.frames; index++)
        frame[index] = zb_frames_at (&frames, index);
    zb_answer_t answer;
    if (zb_wire_parse_reply (&answer, frame, frames.frames))
        world_finding ("a reply is malformed: %s", (const char *) frame[reply->to.envelopes + 1].data);
    else
        s_reply (&answer, frame[answer.envelope + 1].data, sent);
    free (frame);
    zb_frames_clear (&frames);
}

//  What a broker that does not tell the truth says in its place.
static zb_reply_t s_mutate (const zb_reply_t *reply, zb_frame_t lie[2], char text[512])
{
    zb_reply_t mutant = *reply;
    if (sim_mutant == MUTANT_AGAIN && reply->kind == ZB_REPLY_AGAIN)
        mutant.kind = ZB_REPLY_STORED;
    bool list = reply->kind == ZB_REPLY_TEXTS && reply->texts == 2 && reply->text[1].size < 256;
    if (sim_mutant != MUTANT_COUNT || !list)
        return mutant;
    snprintf (text, 512, "%.*s", (int) reply->text[1].size, (const char *) reply->text[1].data);
    char *count = strstr (text, "\nmessages="), rest[256];
    if (!count)
        return mutant;
    count += strlen ("\nmessages=");
    snprintf (rest, sizeof rest, "%s", count + strcspn (count, "\n"));
    sprintf (count, "%d%s", atoi (count) + 1, rest);
    lie[0] = reply->text[0];
    lie[1] = zb_frame (text);
    mutant.text = lie;
    return mutant;
}

//  The linker puts it before the broker's own.
int __real_zb_front_send (zb_front_t *self, const zb_reply_t *reply);
int __wrap_zb_front_send (zb_front_t *self, const zb_reply_t *reply);
int __wrap_zb_front_send (zb_front_t *self, const zb_reply_t *reply)
{
    zb_frame_t lie[2];
    char text[512];
    zb_reply_t mutant = s_mutate (reply, lie, text);
    int rc = __real_zb_front_send (self, &mutant);
    int error = errno;
    s_look_at (reply, rc == 0);
    errno = error;
    return rc;
}

//  ---------------------------------------------------------------------------
//  What clients see

//  A message is at one place; after a split perhaps at one of each side, of which no store has both.
static void s_place (history_message_t *message, const char *id, const char *what, const char *body)
{
    if (strcmp (id, "0") == 0)
        return;
    int at = 0;
    while (at < PLACES && message->place[at].id[0] && strcmp (message->place[at].id, id))
        at++;
    if (at == PLACES || message->place[at].id[0])
        return;
    if (at && !s_split)
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
    history_stats.stored_twice += at > 0;
}

//  Its acknowledgement is asked for no more, once it was answered OK.
static bool s_is_aside (const history_message_t *message)
{
    return message->aside && message->ok && !message->acked;
}

void history_ok (int producer, uint64_t number, bool named, const char *level, const char *first, const char *last)
{
    assert (number && number <= PUTS);
    int bodies = history_bodies (producer, number);
    history_stats.oks++;
    history_stats.both += strcmp (level, "both") == 0;
    history_stats.solo += strcmp (level, "solo") == 0;
    s_number[producer] = number > s_number[producer] ? number : s_number[producer];
    for (int index = 0; index < bodies; index++) {
        history_message_t *message = &s_message[producer][number][index];
        char what[48], body[40];
        snprintf (what, sizeof what, "message %d.%d of producer %d", (int) number, index, producer);
        snprintf (body, sizeof body, "<p%d.%04d.%d>", producer, (int) number, index);
        if (named && index == 0)
            s_place (message, first, what, body);
        if (named && index == bodies - 1)
            s_place (message, last, what, body);
        if (named && message->passed && !message->sent && !s_split)
            world_finding ("H4: %s is stored behind a later one", what);
        s_ok += !message->ok;
        if (message->acked && !message->ok)
            s_acked++;
        s_aside -= s_is_aside (message);
        s_lost -= s_counts_as_lost (message);
        message->ok = true;
        s_aside += s_is_aside (message);
        s_lost += s_counts_as_lost (message);
    }
}

history_message_t *history_got (const void *body, size_t size, const char *id, size_t id_size)
{
    int producer, number, index;
    history_message_t *message = s_find (body, size, &producer, &number, &index);
    char text[32], what[48], key[40];
    char whole[BODY_MAX];
    if (history_body (producer, (uint64_t) number, index, whole) != size || memcmp (whole, body, size))
        world_finding ("H5: message %d.%d of producer %d is not what was stored", number, index, producer);
    snprintf (text, sizeof text, "%.*s", (int) id_size, id);
    snprintf (what, sizeof what, "message %d.%d of producer %d", number, index, producer);
    snprintf (key, sizeof key, "<p%d.%04d.%d>", producer, number, index);
    if (message->named)
        s_place (message, text, what, key);
    return message;
}

void history_asked (const history_message_t *message, const char *id, int64_t asked)
{
    for (int at = 0; at < PLACES; at++)
        if (message->named && s_is_done (message, id) && strcmp (message->place[at].id, id) == 0 &&
            message->place[at].acked && message->place[at].acked < asked)
            world_finding ("H3: message %s was acknowledged with OK, and is delivered to a GET that came later", id);
}

void history_name (int producer)
{
    for (int number = 0; number <= PUTS; number++)
        for (int index = 0; index < BODIES; index++)
            s_message[producer][number][index].named = true;
}

//  All PUTs under one number are equal here, so the winner can't tell only what it has forgotten.
void history_aside (const void *body, size_t size, const char *why)
{
    scribe_aside (body, size);
    if (size > 1 && (memcmp (body, "<v", 2) == 0 || memcmp (body, "<n", 2) == 0 || memcmp (body, "<a", 2) == 0))
        return; //  visitors use a number again on purpose
    if (size > 1 && memcmp (body, "<f", 2) == 0) {
        forge_aside (body, size);
        return;
    }
    if (size > 1 && memcmp (body, "<l", 2) == 0) {
        letters_aside (body, size);
        return;
    }
    int producer, number, index;
    history_message_t *message = s_find (body, size, &producer, &number, &index);
    if (!message->named || strcmp (why, "conflict") || (uint64_t) number + ZB_WINDOW > s_number[producer])
        world_finding ("H5: message %d.%d of producer %d is put aside (%s), and nothing stands in its way", number,
                       index, producer, why);
    s_aside -= s_is_aside (message);
    s_lost -= s_counts_as_lost (message);
    message->aside = true;
    s_aside += s_is_aside (message);
}

void history_acking (history_message_t *message)
{
    message->acking = true;
}

void history_acked (history_message_t *message, const char *id)
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

size_t history_oks (void)
{
    return s_ok;
}

size_t history_open (void)
{
    return s_ok - s_acked - s_aside - s_lost;
}

size_t history_end (bool waits)
{
    size_t kept = 0;
    for (int producer = 0; producer < PRODUCERS; producer++)
        for (int number = 1; number <= PUTS; number++)
            for (int index = 0; index < BODIES; index++) {
                history_message_t *message = &s_message[producer][number][index];
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
