/*  =========================================================================
    test_split - does a pair lose nothing, and bring nothing back, in whatever order it splits and meets?

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Walks the model of split.h through every order of its acts, within bounds, depth first.
    What check.c says must hold, holds in each state; and from each of them, when what is
    broken is mended, the pair comes to rest, or waits for an operator and says so, with all that was
    answered OK and nothing that was acknowledged.

    Bounds: two brokers, one queue, one producer with two PUTs (of one message, and of two in one row), one consumer;
    the table s_walks says for each walk how often each fault and each request may happen, and where it begins.  A run has 250
    commits at most, and 64 acts; a state beyond is counted, and not looked at.

    The same walks are made with rules of the first release in the place of today's: each
    must be found.

    test_split                 all walks, and all mutants
    test_split NAME            the walks, and mutants, whose name begins so
    test_split play ACTS       these acts from a pair at rest, and how it comes to rest then
    test_split runs N SEED     runs by chance
    ZBROKER_SPLITS=deep        the larger bounds (make check-sim)
    ZBROKER_STATES             states of a walk at most, for a look at large bounds: all, if it is not set
*/

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "memory.h"
#include "split.h"

#define DEPTH 64

//  ---------------------------------------------------------------------------
//  Sets of states

typedef struct {
    mark_t *slot;
    size_t room, size;
} marks_t;

static bool s_marks_add (marks_t *self, mark_t mark);

static void s_marks_grow (marks_t *self)
{
    marks_t old = *self;
    self->room = old.room ? 2 * old.room : 1 << 16;
    self->size = 0;
    self->slot = memory_outside (self->room * sizeof *self->slot);
    for (size_t index = 0; index < old.room; index++)
        if (old.slot[index].one)
            s_marks_add (self, old.slot[index]);
    memory_free_outside (old.slot);
}

static mark_t *s_marks_find (const marks_t *self, mark_t mark)
{
    size_t at = mark.other & (self->room - 1);
    while (self->slot[at].one && (self->slot[at].one != mark.one || self->slot[at].other != mark.other))
        at = (at + 1) & (self->room - 1);
    return &self->slot[at];
}

//  False if it is there already.
static bool s_marks_add (marks_t *self, mark_t mark)
{
    if (2 * self->size >= self->room)
        s_marks_grow (self);
    mark_t *place = s_marks_find (self, mark);
    if (place->one)
        return false;
    *place = mark;
    self->size++;
    return true;
}

//  ---------------------------------------------------------------------------
//  A walk

typedef struct {
    const char *name;
    bounds_t bounds[2];
    const char *from; //  acts before the walk begins; they cost nothing
} walk_t;

static bool s_deep;
static split_t *s_world;
static marks_t s_seen, s_rests;
static memory_t s_kept[DEPTH + 2];
static act_t s_path[DEPTH];
static size_t s_most = SIZE_MAX; //  states of a walk
static bool s_spent;             //  the state is not the one that was kept
static const char *s_found;
static const char s_impossible[] = "the walk's beginning is impossible";
static act_t s_trace[DEPTH];
static size_t s_traced;
static struct {
    size_t states, moves, over, deepest, waiting, splits, merges, restored, promoted;
} s_count;

static bool s_rest_is_known (mark_t mark)
{
    return s_rests.room && s_marks_find (&s_rests, mark)->one;
}

static void s_rest_learn (mark_t mark)
{
    s_marks_add (&s_rests, mark);
}

static const rests_t s_rests_known = {s_rest_is_known, s_rest_learn};

static void s_find (const char *fault, size_t depth)
{
    s_found = fault;
    s_traced = depth;
    memcpy (s_trace, s_path, depth * sizeof *s_trace);
}

//  Brings the state to rest; the state is spent.
static void s_look (size_t depth)
{
    s_count.states++;
    s_count.splits += s_world->node[0].disk.alone && s_world->node[1].disk.alone;
    s_count.restored += s_world->restored;
    s_count.promoted += s_world->promoted;
    s_spent = true;
    rest_t rest = split_recover (s_world, false, &s_rests_known);
    s_count.waiting += rest == REST_OPERATOR;
    for (size_t index = 0; rest == REST_PAIRED && index < s_world->node[0].role.lineage.size; index++)
        s_count.merges += s_world->node[0].role.lineage.epoch[index].first == 0;
    if (rest == REST_FAULT)
        s_find (s_world->fault, depth);
}

static void s_expand (size_t depth);

static void s_try (size_t depth, act_t act)
{
    if (s_found)
        return;
    //  Whatever was done to the state, it is the one before the act now.
    if (s_spent)
        memory_restore (&s_kept[depth]);
    s_spent = false;
    if (!split_may_act (s_world, act))
        return;
    s_spent = true;
    s_path[depth] = act;
    if (!split_act (s_world, act))
        return;
    s_count.moves++;
    if (s_world->fault) {
        s_find (s_world->fault, depth + 1);
        return;
    }
    if (s_world->over || depth + 1 == DEPTH || s_count.states >= s_most) {
        s_count.over++;
        return;
    }
    if (s_marks_add (&s_seen, split_mark (s_world)))
        s_expand (depth + 1);
    s_spent = true;
}

static void s_expand (size_t depth)
{
    s_count.deepest = depth > s_count.deepest ? depth : s_count.deepest;
    memory_keep (&s_kept[depth]);
    s_look (depth);
    for (unsigned kind = 0; kind < ACTS; kind++)
        for (unsigned at = 0; at < 2; at++)
            for (unsigned arg = 0; arg < (kind == ACT_ACK ? SPLIT_BODIES * SPLIT_IDS : 1); arg++)
                s_try (depth, (act_t){(uint8_t) kind, (uint8_t) at, (uint8_t) arg});
}

//  Acts in words: "put P, cut P, ack B 3"; false if one is impossible.
static bool s_play (split_t *self, const char *acts)
{
    char text[512];
    snprintf (text, sizeof text, "%s", acts);
    for (char *next, *word = strtok_r (text, ",", &next); word; word = strtok_r (NULL, ",", &next)) {
        char name[16], node;
        unsigned arg = 0, kind = 0;
        if (sscanf (word, " %15s %c %u", name, &node, &arg) < 2)
            abort ();
        while (kind < ACTS && strcmp (split_act_name (kind), name) != 0)
            kind++;
        if (kind == ACTS || !split_act (self, (act_t){(uint8_t) kind, node == 'B', (uint8_t) arg}) || self->fault) {
            printf ("# impossible:%s, of %s\n", word, acts);
            split_print (self);
            return false;
        }
    }
    return true;
}

//  Where a walk begins: a pair at rest, then the acts.  Memory is empty before.
static bool s_begin (const walk_t *walk)
{
    static const bounds_t plenty = {.puts = 9,
                                    .acks = 9,
                                    .purges = 9,
                                    .deletes = 9,
                                    .dies = 9,
                                    .kills = 9,
                                    .wrongs = 9,
                                    .cuts = 9,
                                    .copies = 9,
                                    .promotes = 9,
                                    .mutes = 9,
                                    .lags = 9,
                                    .steps = 99};
    s_world = memory_begin (sizeof *s_world);
    split_init (s_world, &plenty);
    s_world->copies = walk->bounds[s_deep].copies || strstr (walk->from, "copy");
    s_world->left.spread = walk->bounds[s_deep].spread;
    bool good = s_play (s_world, "start P, start B, time P") && s_play (s_world, walk->from);
    s_world->left = walk->bounds[s_deep];
    return good;
}

static void s_explain (const walk_t *walk, const act_t *trace, size_t size)
{
    s_begin (walk);
    split_print (s_world);
    for (size_t index = 0; index < size; index++) {
        printf ("%s %c", split_act_name (trace[index].kind), "PB"[trace[index].at]);
        if (trace[index].kind == ACT_ACK)
            printf (" %d", trace[index].arg);
        printf ("\n");
        split_act (s_world, trace[index]);
        split_print (s_world);
    }
    if (!s_world->fault)
        split_recover (s_world, true, NULL);
    printf ("%s\n", s_world->fault ? s_world->fault : "no fault");
    fflush (stdout);
}

//  Whether the acts lead to a fault, at once or at rest.
static bool s_fails (const walk_t *walk, const act_t *trace, size_t size)
{
    s_begin (walk);
    for (size_t index = 0; index < size && !s_world->fault; index++)
        if (!split_act (s_world, trace[index]))
            return false;
    return s_world->fault || split_recover (s_world, false, NULL) == REST_FAULT;
}

//  Leaves out what is not needed.
static void s_shorten (const walk_t *walk)
{
    for (bool more = true; more;) {
        more = false;
        for (size_t index = 0; index < s_traced; index++) {
            act_t shorter[DEPTH];
            memcpy (shorter, s_trace, index * sizeof *shorter);
            memcpy (shorter + index, s_trace + index + 1, (s_traced - index - 1) * sizeof *shorter);
            if (!s_fails (walk, shorter, s_traced - 1))
                continue;
            memcpy (s_trace, shorter, --s_traced * sizeof *shorter);
            index--;
            more = true;
        }
    }
}

static void s_print_bounds (const walk_t *walk)
{
    const bounds_t *left = &walk->bounds[s_deep];
    const struct {
        const char *name;
        uint8_t most;
    } each[] = {{"PUTs", left->puts},          {"ACKs", left->acks},     {"PURGEs", left->purges},
                {"DELETEs", left->deletes},    {"dies", left->dies},     {"kills", left->kills},
                {"wrong names", left->wrongs}, {"cuts", left->cuts},     {"mutes", left->mutes},
                {"lags", left->lags},          {"copies", left->copies}, {"promotes", left->promotes},
                {"steps", left->steps}};
    printf ("# %s:", walk->name);
    for (size_t index = 0; index < sizeof each / sizeof *each; index++)
        if (each[index].most)
            printf (" %d %s", each[index].most, each[index].name);
    printf ("; from: %s\n", walk->from);
}

//  Returns what was found, or NULL.
static const char *s_walk (const walk_t *walk)
{
    clock_t began = clock ();
    memset (&s_count, 0, sizeof s_count);
    s_found = NULL;
    if (!s_begin (walk))
        s_found = s_impossible;
    else {
        s_marks_add (&s_seen, split_mark (s_world));
        s_expand (0);
    }
    memory_end ();
    s_print_bounds (walk);
    printf ("# %zu states, %zu moves, depth %zu, %zu at a bound; both alone %zu, waits for an operator %zu; %zu KiB; "
            "%.1f s\n",
            s_count.states, s_count.moves, s_count.deepest, s_count.over, s_count.splits, s_count.waiting,
            memory_most () / 1024, (double) (clock () - began) / CLOCKS_PER_SEC);
    fflush (stdout);
    memory_free_outside (s_seen.slot);
    memory_free_outside (s_rests.slot);
    s_seen = s_rests = (marks_t){NULL, 0, 0};
    return s_found;
}

//  Both have answered alone, and don't hear each other: the primary wins when they meet.  a is done there, b and c are the
//  backup's.
#define SPLIT "put P, cut P, ack P 0, time P, vote B, time P, put B, time P"

//  Then they meet, the primary takes the queue and the row, and both are on their own again, with newer epochs.
#define AGAIN                                                                                                       \
    SPLIT ", heal P, time P, replay B, replay B, cut P, kill B, kill P, start B, start P, time P, vote B, vote P, " \
          "time P"
//  The backup has the larger epoch.
#define LARGER "put P, cut P, ack P 0, time P, vote B, time P, kill B, start B, time P, vote B, time P, put B, time P"

//  The same, and the producer has not heard that its PUT is stored at the backup.
#define DEAF "put P, cut P, ack P 0, time P, vote B, time P, deaf B, time P"
//  The primary was alone when it died, and the backup is back.
#define BEHIND "put P, kill B, put P, time P, put P, kill P, start B, time P"
//  The primary is alone, and the backup follows it; it was not granted anything.
#define FOLLOWS "put P, kill B, put P, time P, put P, start B"
//  The backup is away, and the primary has answered alone.
#define LAGS "put P, kill B, put P, time P, put P"
//  The backup is alone.  Its folder is copied then, and the two are together again since, with a message more.
#define COPIED "put P, kill P, time P, vote B, time P, copy B, start P, time P, put B, time P"

//  It has led in one epoch more since, is set back, and leads in that epoch again.
#define TWINS \
    COPIED ", kill P, ack B 0, time P, start P, time P, kill B, restore B, cut P, start B, time P, vote B, time P"
//  The same, but it was the primary that led since, and is not alone any more.
#define LEFT                                                                                                         \
    "put P, kill P, time P, vote B, time P, copy B, start P, time P, kill B, time P, vote P, time P, start B, time " \
    "P, put P, time P"

//  They have met, and the primary has taken the queue and the row.
#define MERGING SPLIT ", heal P, time P, replay B, replay B"

//  The first bounds are make check's, the second ones make check-sim's.
static const walk_t s_walks[] = {
    {"nothing breaks",
     {{.puts = 2, .acks = 1, .purges = 1}, {.puts = 3, .acks = 3, .purges = 1, .deletes = 1}},
     "time P"},
    {"kills", {{.puts = 2, .acks = 1, .dies = 1}, {.puts = 2, .acks = 1, .dies = 1, .kills = 2}}, "time P"},
    {"cut", {{.puts = 2, .acks = 1, .cuts = 1}, {.puts = 2, .acks = 1, .cuts = 1, .kills = 1}}, "time P"},
    {"cut: steps",
     {{.puts = 1, .acks = 1, .cuts = 1, .steps = 3}, {.puts = 1, .acks = 1, .cuts = 1, .steps = 4}},
     "put P, time P"},
    {"split: acks", {{.acks = 1, .kills = 1}, {.acks = 1, .cuts = 1, .kills = 1}}, SPLIT},
    {"split: purge", {{.purges = 1, .kills = 1}, {.purges = 1, .cuts = 1, .kills = 1}}, SPLIT},
    {"split: delete", {{.deletes = 1, .kills = 1}, {.deletes = 1, .cuts = 1, .kills = 1}}, SPLIT},
    {"split: steps", {{.acks = 1, .steps = 3}, {.acks = 1, .kills = 1, .steps = 3}}, SPLIT},
    {"split: resend", {{.puts = 1, .kills = 1}, {.puts = 1, .cuts = 1, .kills = 1}}, DEAF},
    {"split: promoted", {{.promotes = 1, .kills = 1}, {.promotes = 1, .acks = 1, .kills = 2}}, SPLIT},
    {"split: other name", {{.wrongs = 1, .kills = 1}, {.wrongs = 1, .acks = 1, .cuts = 1, .kills = 1}}, SPLIT},
    {"split: copied", {{.copies = 1, .kills = 1}, {.copies = 1, .acks = 1, .kills = 1, .spread = 1}}, SPLIT},
    {"behind: promoted",
     {{.promotes = 1, .acks = 1, .kills = 1}, {.promotes = 1, .acks = 1, .puts = 1, .cuts = 1, .kills = 1}},
     BEHIND},
    {"follows: promoted",
     {{.promotes = 1, .acks = 2, .cuts = 1}, {.promotes = 1, .acks = 2, .cuts = 1, .kills = 1}},
     FOLLOWS},
    {"lags: promoted",
     {{.promotes = 1, .puts = 1, .acks = 1, .lags = 1, .kills = 1},
      {.promotes = 1, .puts = 1, .acks = 2, .lags = 1, .kills = 1}},
     LAGS},
    {"split: lags", {{.acks = 1, .lags = 1}, {.acks = 1, .lags = 1, .kills = 2}}, SPLIT},
    {"merging: purge",
     {{.purges = 1, .cuts = 1, .kills = 1}, {.purges = 1, .acks = 1, .cuts = 1, .kills = 1}},
     MERGING},
    {"again: acks", {{.acks = 1}, {.acks = 2, .cuts = 1, .kills = 1}}, AGAIN},
    {"again: purge", {{.purges = 1}, {.purges = 1, .cuts = 1, .kills = 1}}, AGAIN},
    {"again: delete", {{.deletes = 1}, {.deletes = 1, .cuts = 1, .kills = 1}}, AGAIN},
    {"larger: acks", {{.acks = 1}, {.acks = 2, .cuts = 1, .kills = 1}}, LARGER},
    {"copied", {{.kills = 2, .spread = 1}, {.kills = 2, .puts = 1, .acks = 2, .spread = 1}}, COPIED},
    {"copied: one epoch twice", {{.kills = 2}, {.kills = 3, .acks = 1}}, COPIED},
    {"copied: left behind",
     {{.kills = 2, .mutes = 1, .spread = 1}, {.kills = 2, .mutes = 1, .acks = 1, .spread = 1}},
     LEFT},
    {"copied: cut", {{.kills = 2, .cuts = 1}, {.kills = 2, .cuts = 1, .acks = 1}}, COPIED},
    {"copied: promoted",
     {{.kills = 2, .promotes = 1, .spread = 1}, {.kills = 2, .promotes = 1, .acks = 1, .spread = 1}},
     COPIED},
    {"twins", {{.acks = 1, .kills = 1}, {.acks = 1, .kills = 2, .cuts = 1}}, TWINS},
};

//  Which walk finds which of the old rules.
static const struct {
    old_t old;
    const char *walk;
} s_olds[] = {
    {OLD_BITS, "again: acks"},        {OLD_PURGE, "again: purge"},         {OLD_PURGE, "again: delete"},
    {OLD_REPLAYED, "merging: purge"}, {OLD_NUMBER, "split: resend"},       {OLD_FOREIGN, "larger: acks"},
    {OLD_NAME, "split: other name"},  {OLD_BEHIND, "copied: left behind"}, {OLD_ROLLBACK, "copied"},
};

static size_t s_number, s_failed;

static void s_report (bool good, const char *what)
{
    printf ("%sok %zu - %s\n", good ? "" : "not ", ++s_number, what);
    fflush (stdout);
    s_failed += !good;
}

//  ---------------------------------------------------------------------------
//  Runs by chance, deeper than all orders can be tried.  The seed of a run is its number.

#define RUN_ACTS 40

static uint32_t s_chance (uint64_t *state, uint32_t below)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t) (*state >> 33) % below;
}

//  An act, as it may be drawn: faults are rare, else nothing gets far.
static act_t s_draw (uint64_t *state)
{
    unsigned kind = s_chance (state, s_chance (state, 3) ? ACT_FAULTS : ACTS);
    unsigned at = s_chance (state, 2);
    return (act_t){(uint8_t) kind, (uint8_t) at, (uint8_t) s_chance (state, SPLIT_BODIES * SPLIT_IDS)};
}

//  What a run may do beside everything else is decided by its seed.
static walk_t s_run_of (uint64_t seed)
{
    walk_t walk = {"run", {{0}, {0}}, s_walks[seed % (sizeof s_walks / sizeof *s_walks)].from};
    bounds_t bounds = {.puts = 6, .acks = 4, .dies = 1, .kills = 5, .cuts = 3, .steps = 8, .spread = seed / 2 % 2};
    bounds.purges = bounds.deletes = seed % 3 == 0;
    bounds.copies = seed % 5 == 0 ? 2 : 0;
    bounds.promotes = seed % 7 == 0 ? 2 : 0;
    bounds.wrongs = bounds.mutes = bounds.lags = seed % 2;
    walk.bounds[0] = walk.bounds[1] = bounds;
    return walk;
}

static const char *s_run (const walk_t *walk, uint64_t seed)
{
    uint64_t state = seed;
    s_found = NULL;
    s_begin (walk);
    memory_keep (&s_kept[0]);
    for (size_t tries = 0, depth = 0; tries < 4 * RUN_ACTS && depth < RUN_ACTS && !s_found; tries++) {
        act_t act = s_draw (&state);
        if (!split_may_act (s_world, act))
            continue;
        s_path[depth] = act;
        if (!split_act (s_world, act) || s_world->over) {
            memory_restore (&s_kept[0]);
            continue;
        }
        depth++;
        s_count.moves++;
        memory_keep (&s_kept[0]);
        if (s_world->fault)
            s_find (s_world->fault, depth);
        else if (depth % 8 == 0)
            s_look (depth);
        memory_restore (&s_kept[0]);
    }
    return s_found;
}

static void s_test_runs (size_t runs, uint64_t first)
{
    char what[120];
    const char *found = NULL;
    walk_t walk = s_walks[0];
    uint64_t seed = first;
    clock_t began = clock ();
    memset (&s_count, 0, sizeof s_count);
    for (; seed < first + runs && !found; seed++) {
        walk = s_run_of (seed);
        found = s_run (&walk, seed);
        memory_end ();
    }
    if (found) {
        s_shorten (&walk);
        s_explain (&walk, s_trace, s_traced);
        memory_end ();
    }
    printf ("# runs: %zu states looked at, %zu moves; both alone %zu, set back %zu, promoted %zu, epochs absorbed %zu, "
            "waits for an operator %zu; %.1f s\n",
            s_count.states, s_count.moves, s_count.splits, s_count.restored, s_count.promoted, s_count.merges,
            s_count.waiting, (double) (clock () - began) / CLOCKS_PER_SEC);
    snprintf (what, sizeof what, found ? "run %llu: %s" : "%llu runs by chance",
              (unsigned long long) (found ? seed - 1 : runs), found);
    memory_free_outside (s_rests.slot);
    s_rests = (marks_t){NULL, 0, 0};
    s_report (!found, what);
}

//  ---------------------------------------------------------------------------

static const walk_t *s_named (const char *name)
{
    size_t index = 0;
    while (strcmp (s_walks[index].name, name) != 0)
        index++;
    return &s_walks[index];
}

static void s_test_walk (const walk_t *walk)
{
    const char *found = s_walk (walk);
    if (found) {
        printf ("# %s\n", found);
        s_shorten (walk);
        s_explain (walk, s_trace, s_traced);
        memory_end ();
    }
    s_report (!found, walk->name);
}

static void s_test_old (old_t old, const walk_t *walk)
{
    char what[200];
    split_old = old;
    const char *found = s_walk (walk);
    if (found) {
        s_shorten (walk);
        if (getenv ("ZBROKER_EXPLAIN"))
            s_explain (walk, s_trace, s_traced);
        memory_end ();
        for (size_t index = 0; index < s_traced; index++)
            printf ("%s %s %c", index ? "," : "# ", split_act_name (s_trace[index].kind), "PB"[s_trace[index].at]);
        printf ("\n");
    }
    split_old = OLD_NONE;
    snprintf (what, sizeof what, "%s: %s", split_old_name (old), found ? found : "not found");
    s_report (found && found != s_impossible, what);
}

static int s_play_these (const char *acts)
{
    const walk_t walk = {"play", {{.spread = 1}, {.spread = 1}}, acts};
    s_begin (&walk);
    if (!s_world->fault)
        split_recover (s_world, true, NULL);
    printf ("%s\n", s_world->fault ? s_world->fault : "no fault");
    return s_world->fault != NULL;
}

int main (int argc, char **argv)
{
    const char *size = getenv ("ZBROKER_SPLITS"), *most = getenv ("ZBROKER_STATES");
    s_deep = size && strcmp (size, "deep") == 0;
    if (most)
        s_most = strtoul (most, NULL, 10);
    const char *only = argc > 1 ? argv[1] : "";
    if (argc > 2 && strcmp (only, "play") == 0)
        return s_play_these (argv[2]);
    for (size_t index = 0; index < sizeof s_walks / sizeof *s_walks; index++)
        if (strncmp (s_walks[index].name, only, strlen (only)) == 0)
            s_test_walk (&s_walks[index]);
    for (size_t index = 0; index < sizeof s_olds / sizeof *s_olds; index++)
        if (strncmp (split_old_name (s_olds[index].old), only, strlen (only)) == 0)
            s_test_old (s_olds[index].old, s_named (s_olds[index].walk));
    if (strncmp ("runs", only, strlen (only)) == 0)
        s_test_runs (argc > 2 ? strtoul (argv[2], NULL, 10) : 500, argc > 3 ? strtoul (argv[3], NULL, 10) : 1);
    printf ("1..%zu\n", s_number);
    return s_failed != 0;
}
