/*  =========================================================================
    history - how the two brokers stand to each other, and what holds of their answers

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

#include "clients.h"
#include "core/base/lineage.h"
#include "core/base/pairtime.h"
#include "history.h"
#include "io/broker/front.h"
#include "ledger.h"
#include "machines.h"
#include "scribe.h"

#define COMMITS 65536
#define EPOCHS 512

typedef struct {
    uint64_t epoch, commit, record;
    unsigned node;
} commit_t;

history_stats_t history_stats;

static bool s_strained, s_witness, s_promoted, s_cut_off;
//  The disk that was set back, and is not level yet; and until it leads, if it does.
static int s_copied, s_back;
//  There was a split; there is one now; when the latest one was over; when the two were last in sync.
static bool s_split, s_divided;
static int64_t s_united, s_parted;
//  Newest epochs of brokers that held what the leader lacks, and had not answered it alone.
static bool s_ahead[EPOCHS];
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

bool history_is_settled (int64_t when)
{
    return !s_divided || when < s_united;
}

int64_t history_parted (void)
{
    return s_parted;
}

bool history_was_replayed (uint64_t epoch, uint64_t leader)
{
    for (; epoch < leader && epoch < EPOCHS; epoch++)
        if (s_ahead[epoch])
            return true;
    return false;
}

void history_dead (history_dead_t *self, uint64_t id)
{
    self->found++;
    self->low = self->low && self->low < id ? self->low : id;
    self->high = self->high > id ? self->high : id;
}

bool history_died_anew (const history_dead_t *self)
{
    return self->found == 2 && history_was_replayed (zb_epoch_number (self->low), zb_epoch_number (self->high));
}

void history_witness (void)
{
    s_witness = true;
}

static void s_divide (const char *how)
{
    if (s_witness)
        world_finding ("H9: %s, beside a witness", how);
    s_split = s_divided = true;
    scribe_note ("split");
}

static void s_unite (void)
{
    s_divided = false;
    s_united = world_now ();
    memset (s_newest, 0, sizeof s_newest);
    world_note ("the brokers are one again");
}

static void s_old_leads (void);

//  One of a copy that has heard of no later one is drawn of 64.  From here on nothing holds.
static void s_end_twice (int epoch, unsigned node)
{
    world_note ("epoch %d%c is used twice", epoch, "?PB"[node]);
    dprintf (STDOUT_FILENO, "an old copy has used epoch %d%c again\n", epoch, "?PB"[node]);
    _Exit (0);
}

static void s_look_level (int active, int passive)
{
    base_compare (active, passive);
    ledger_level (passive);
    history_stats.levels++;
}

//  What they have said last: that the peer is in sync, and that this one is.
static bool s_level[MACHINES], s_follows[MACHINES];

//  Processes so far, and in which of them a machine has led in an epoch, also if nothing was answered in it.
static int s_starts[MACHINES], s_led[MACHINES][EPOCHS];

void history_starts (int machine)
{
    s_level[machine] = s_follows[machine] = false;
    s_starts[machine]++;
}

static void s_leads (int machine, int epoch)
{
    assert (epoch >= 0);
    if (epoch >= EPOCHS)
        return;
    int *start = &s_led[machine][epoch];
    if (*start && *start != s_starts[machine] && world_has (EXTRA_COPIES))
        s_end_twice (epoch, (unsigned) machine);
    *start = s_starts[machine];
}

void history_role (int machine, const char *text)
{
    static bool alone[MACHINES];
    alone[machine] = strstr (text, "ACTIVE solo") != NULL;
    const char *epoch = strstr (text, " epoch ");
    if (epoch && strstr (text, "ACTIVE") && !strstr (text, "being made the master") && !strstr (text, "new epoch"))
        s_leads (machine, atoi (epoch + 7));
    int other = PRIMARY + BACKUP - machine;
    //  Beside a witness it is said for a moment only: until a peer that was stopped hears that it does not lead, or of a
    //  store that is not trusted and holds nothing that the peer lacks.  Nothing is answered meanwhile, as H3 to H5 prove.
    //  Or what nobody has answered is replayed.
    const char *ahead = strstr (text, "diverged: this store holds commits that the peer lacks");
    if (ahead && epoch && atoi (epoch + 7) < EPOCHS)
        s_ahead[atoi (epoch + 7)] = true;
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
        ledger_one ();
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

//  ---------------------------------------------------------------------------
//  The time of the pair

static uint64_t s_time[MACHINES];
static int64_t s_clocks_ahead, s_clocks_behind;

//  The machines' clocks agree with the world.
void __real_zb_pairtime_tell (zb_pairtime_t *self, int64_t wall, int64_t now);
void __wrap_zb_pairtime_tell (zb_pairtime_t *self, int64_t wall, int64_t now);
void __wrap_zb_pairtime_tell (zb_pairtime_t *self, int64_t wall, int64_t now)
{
    __real_zb_pairtime_tell (self, wall, now);
    int64_t behind = HISTORY_EPOCH + world_now () / MS - (int64_t) self->time;
    s_time[process_self ()->machine] = self->time;
    if (self->time && behind > s_clocks_behind)
        s_clocks_behind = behind;
    if (self->time && -behind > s_clocks_ahead)
        s_clocks_ahead = -behind;
}

uint64_t history_time (int machine)
{
    return s_time[machine];
}

int64_t history_ahead (void)
{
    return s_clocks_ahead;
}

int64_t history_behind (void)
{
    return s_clocks_behind;
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
    //  What the peer has as well, or had until its disk was set back, may still be called solo while `alone` leaves the
    //  disk, which takes a slow one its time.
    if (!both && !disk_alone (machine) && !base_holds (other, record) && s_copied != other && !world_has (EXTRA_SHARED))
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
    if (twice && world_has (EXTRA_COPIES))
        s_end_twice ((int) epoch, node);
    if (twice)
        world_finding ("H6: two processes answer in epoch %d%c", (int) epoch, "?PB"[node]);
    if (!serves)
        return;
    //  Who has been succeeded stays silent.
    //  What was under way when the process was stopped leaves as it goes on: to whom it is sent, it was late on its way.
    //  One whose clock has stood may tell what is old, but for messages, until it is silent for its limit, which has learned up to
    //  2 s, and notices.
    bool late = from->resumed && world_now () - from->resumed < (from->stood ? 2500 * MS : MS);
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

//  ---------------------------------------------------------------------------
//  Old disks, and brokers that were promoted

void history_back (int machine)
{
    ledger_back (machine);
}

void history_was_back (int machine)
{
    history_strain ();
    //  Its process has ended, and what it has said holds no more, though an ack of it may still be on its way.
    s_level[machine] = s_follows[machine] = false;
    s_copied = s_back = machine;
    s_split = s_divided = true;
    ledger_was_back (machine);
    s_newest[machine] = 0;
    //  That this one took over since the copy was made nobody knows any more: the other one may go on.
    for (size_t at = 0; at < s_epochs; at++)
        s_epoch[at].over = s_epoch[at].over && (int) s_epoch[at].node == machine;
    while (s_last > 0 && (int) s_epoch[s_last].node == machine)
        s_last--;
}

bool history_is_back (void)
{
    return s_back != 0;
}

void history_cut_off (void)
{
    s_cut_off = true;
    world_note ("the merge is cut off");
}

bool history_was_cut_off (void)
{
    return s_cut_off;
}

static void s_old_leads (void)
{
    s_back = 0;
    s_split = s_divided = true;
    ledger_old_leads ();
    world_note ("the old copy leads");
}

void history_promotes (void)
{
    history_strain ();
    s_witness = false;
}

void history_promoted (int machine)
{
    ledger_old (machine);
    s_old_leads ();
    s_promoted = true;
}

bool history_was_promoted (void)
{
    return s_promoted;
}

//  ---------------------------------------------------------------------------

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
        ledger_hand_out (from, answer->body[index].data, answer->body[index].size, id, sent);
        char queue[32];
        snprintf (queue, sizeof queue, "%.*s", (int) answer->arg[1].size, (const char *) answer->arg[1].data);
        if (sent)
            offers_hand_out (from->machine, answer->body[index].data, answer->body[index].size, queue);
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
