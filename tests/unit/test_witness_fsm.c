/*  =========================================================================
    test_witness_fsm - is the witness's table total, and is ever more than one alone?

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Beside the table itself, a pair and its witness are walked: whatever was once said
    to the witness may arrive at any time, as often as it likes, or never, and so may
    answers, until the process that asked is gone.  All states that can be reached are
    visited, so what is asserted of them is proven for this model, not sampled.
*/

#include "patterns/witness_fsm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "readme_kit.h"

//  ---------------------------------------------------------------------------
//  The table

static void test_exactly_one_row_fits (void **unused)
{
    (void) unused;
    size_t count;
    const witness_row_t *rows = witness_rows (&count);
    bool hit[64] = {false};
    assert_true (count < 64);
    for (int state = WITNESS_UNKNOWN; state <= WITNESS_HELD; state++)
        for (int event = 0; event < WITNESS_EVENTS; event++)
            for (unsigned node = 1; node <= 2; node++)
                for (uint64_t epoch = 4; epoch <= 6; epoch++) {
                    witness_record_t record = {.state = (witness_state_t) state, .holder = 1, .epoch = 5};
                    size_t fitting = 0, last = 0;
                    for (size_t i = 0; i < count; i++)
                        if ((rows[i].states & WITNESS_BIT (state)) && (rows[i].events & WITNESS_BIT (event)) &&
                            witness_guard_holds (&record, rows[i].guard, node, epoch)) {
                            fitting++;
                            last = i;
                        }
                    assert_int_equal (fitting, 1);
                    hit[last] = true;
                    witness_record_t before = record;
                    assert_ptr_equal (witness_step (&record, (witness_event_t) event, node, epoch), &rows[last]);
                    //  Who is refused changes nothing, and nothing makes the record older.
                    if (rows[last].verdict != WITNESS_GRANTED)
                        assert_memory_equal (&record, &before, sizeof record);
                    assert_true (record.epoch >= before.epoch);
                }
    for (size_t i = 0; i < count; i++) {
        assert_true (hit[i]);
        assert_int_equal (rows[i].number, (int) i + 1);
        assert_true (strlen (rows[i].why) > 0);
    }
}

static const char *s_states (unsigned set)
{
    if (set == (WITNESS_BIT (WITNESS_UNKNOWN) | WITNESS_BIT (WITNESS_SHARED) | WITNESS_BIT (WITNESS_HELD)))
        return "any";
    for (int state = WITNESS_UNKNOWN; state <= WITNESS_HELD; state++)
        if (set == WITNESS_BIT (state))
            return witness_state_name ((witness_state_t) state);
    return "?";
}

static void s_markdown (size_t index, char line[README_LINE])
{
    size_t count;
    const witness_row_t *row = &witness_rows (&count)[index];
    char events[64] = "";
    for (int event = 0; event < WITNESS_EVENTS; event++)
        if (row->events & WITNESS_BIT (event)) {
            strcat (events, *events ? ", " : "");
            strcat (events, witness_event_name ((witness_event_t) event));
        }
    bool granted = row->verdict == WITNESS_GRANTED;
    snprintf (line, README_LINE, "| W%d | %s | %s | %s | %s | %s | %s | %s |", row->number, row->name, s_states (row->states),
              events, witness_guard_name (row->guard), granted ? witness_state_name (row->next) : "same",
              witness_verdict_name (row->verdict), row->why);
    assert_null (strchr (line, '?'));
}

static void test_the_readme_shows_this_table (void **unused)
{
    (void) unused;
    size_t count;
    witness_rows (&count);
    readme_shows ("patterns/README.md", "| W", count, s_markdown);
    assert_string_equal (witness_state_name ((witness_state_t) 9), "?");
    assert_string_equal (witness_event_name (WITNESS_EVENTS), "?");
}

//  ---------------------------------------------------------------------------
//  The walk

#define EPOCHS 5 //  epochs 1 to 4; EPOCH_BITS hold one, a set of them has EPOCHS - 1
#define EPOCH_BITS 3

typedef struct {
    bool alone;
    unsigned epoch;   //  the newest that it knows
    unsigned asked;   //  the epoch of its claim that is not answered or given up; 0 = none
    unsigned said[3]; //  sets of epochs: what may reach the witness, by event
    unsigned granted; //  set of epochs: answers that may reach it
} node_t;

typedef struct {
    witness_record_t record;
    node_t node[2];
} world_t;

static uint64_t s_pack (const world_t *world)
{
    uint64_t word = world->record.state;
    word = word << 2 | world->record.holder;
    word = word << EPOCH_BITS | world->record.epoch;
    for (int i = 0; i < 2; i++) {
        const node_t *node = &world->node[i];
        word = word << 1 | node->alone;
        word = word << EPOCH_BITS | node->epoch;
        word = word << EPOCH_BITS | node->asked;
        for (int event = 0; event < 3; event++)
            word = word << (EPOCHS - 1) | node->said[event] >> 1;
        word = word << (EPOCHS - 1) | node->granted >> 1;
    }
    return word;
}

static unsigned s_take (uint64_t *word, unsigned bits)
{
    unsigned value = (unsigned) (*word & ((1u << bits) - 1));
    *word >>= bits;
    return value;
}

static world_t s_unpack (uint64_t word)
{
    world_t world;
    memset (&world, 0, sizeof world);
    for (int i = 1; i >= 0; i--) {
        node_t *node = &world.node[i];
        node->granted = s_take (&word, EPOCHS - 1) << 1;
        for (int event = 2; event >= 0; event--)
            node->said[event] = s_take (&word, EPOCHS - 1) << 1;
        node->asked = s_take (&word, EPOCH_BITS);
        node->epoch = s_take (&word, EPOCH_BITS);
        node->alone = s_take (&word, 1);
    }
    world.record.epoch = s_take (&word, EPOCH_BITS);
    world.record.holder = s_take (&word, 2);
    world.record.state = (witness_state_t) s_take (&word, 2);
    return world;
}

//  Open addressing; 0 is no state, since words are stored plus 1.
#define TABLE (1u << 24)
typedef struct {
    uint64_t *table;
    uint64_t *todo;
    size_t size, next;
} walk_t;

static void s_visit (walk_t *walk, const world_t *world)
{
    uint64_t word = s_pack (world);
    size_t slot = (size_t) ((word * 0x9e3779b97f4a7c15u) >> 40);
    while (walk->table[slot]) {
        if (walk->table[slot] == word + 1)
            return;
        slot = (slot + 1) % TABLE;
    }
    walk->table[slot] = word + 1;
    assert_true (walk->size < TABLE / 2);
    walk->todo[walk->size++] = word;
}

static void s_check (const world_t *world)
{
    assert_false (world->node[0].alone && world->node[1].alone);
    for (unsigned i = 0; i < 2; i++)
        if (world->node[i].alone) {
            assert_int_equal (world->record.state, WITNESS_HELD);
            assert_int_equal (world->record.holder, i + 1);
        }
}

//  What a node may do by itself.
static void s_node_acts (walk_t *walk, const world_t *world, unsigned i)
{
    const node_t *node = &world->node[i];
    world_t next = *world;
    //  It wants to go on alone, by any belief of its own, however wrong.
    if (!node->alone && !node->asked && node->epoch + 1 < EPOCHS) {
        next.node[i].asked = node->epoch + 1;
        next.node[i].said[WITNESS_CLAIM] |= 1u << next.node[i].asked;
        s_visit (walk, &next);
    }
    //  It is answered, and goes on alone.
    next = *world;
    if (node->asked && node->granted & 1u << node->asked) {
        next.node[i].alone = true;
        next.node[i].epoch = node->asked;
        next.node[i].asked = 0;
        s_visit (walk, &next);
    }
    //  It does not need that any more, and gives it back, whether it was granted or not; the number is not used again.
    next = *world;
    if (node->asked) {
        next.node[i].epoch = node->asked;
        next.node[i].asked = 0;
        next.node[i].said[WITNESS_SHARE] |= 1u << node->asked;
        s_visit (walk, &next);
    }
    //  Its peer has caught up: it is alone no more, says so, and the peer knows the epoch.
    next = *world;
    if (node->alone) {
        next.node[i].alone = false;
        next.node[i].said[WITNESS_SHARE] |= 1u << node->epoch;
        if (next.node[1 - i].epoch < node->epoch)
            next.node[1 - i].epoch = node->epoch;
        s_visit (walk, &next);
    }
    //  It restarts: what it had asked is forgotten, answers to it don't come any more.  Alone, it resumes.
    next = *world;
    next.node[i].asked = next.node[i].granted = 0;
    if (node->alone)
        next.node[i].said[WITNESS_RESUME] |= 1u << node->epoch;
    s_visit (walk, &next);
}

//  Something that was said reaches the witness.
static void s_witness_hears (walk_t *walk, const world_t *world, unsigned i, uint64_t *rows)
{
    for (unsigned event = 0; event < 3; event++)
        for (unsigned epoch = 1; epoch < EPOCHS; epoch++) {
            if (!(world->node[i].said[event] & 1u << epoch))
                continue;
            world_t next = *world;
            const witness_row_t *row = witness_step (&next.record, (witness_event_t) event, i + 1, epoch);
            *rows |= 1ull << row->number;
            if (row->verdict == WITNESS_GRANTED && event == WITNESS_CLAIM)
                next.node[i].granted |= 1u << epoch;
            //  A refused one learns of the record's epoch.
            if (row->verdict == WITNESS_LATE && !next.node[i].alone && next.node[i].epoch < next.record.epoch &&
                next.record.epoch + 1 < EPOCHS) {
                next.node[i].epoch = (unsigned) next.record.epoch;
                next.node[i].asked = 0;
            }
            s_visit (walk, &next);
        }
}

static void test_never_are_both_alone (void **unused)
{
    (void) unused;
    walk_t walk = {.table = calloc (TABLE, sizeof (uint64_t)), .todo = calloc (TABLE / 2, sizeof (uint64_t))};
    assert_non_null (walk.table);
    assert_non_null (walk.todo);
    uint64_t rows = 0;
    bool alone[2] = {false};
    world_t start;
    memset (&start, 0, sizeof start);
    //  The pair has met, and its first leader has said so.
    witness_step (&start.record, WITNESS_SHARE, 1, 1);
    start.node[0].epoch = start.node[1].epoch = 1;
    s_visit (&walk, &start);
    while (walk.next < walk.size) {
        world_t world = s_unpack (walk.todo[walk.next++]);
        s_check (&world);
        for (unsigned i = 0; i < 2; i++) {
            alone[i] = alone[i] || world.node[i].alone;
            s_node_acts (&walk, &world, i);
            s_witness_hears (&walk, &world, i, &rows);
        }
    }
    assert_true (alone[0] && alone[1]);
    print_message ("# %zu states\n", walk.size);
    //  All rows but those of an unknown pair, and the operator's.
    for (unsigned number = 4; number <= 12; number++)
        assert_true (rows & 1ull << number);
    free (walk.table);
    free (walk.todo);
}

//  A witness that has lost its disk grants nothing to a node that may have been left behind.
static void test_a_lost_disk_is_no_licence (void **unused)
{
    (void) unused;
    witness_record_t record = {0};
    assert_int_equal (witness_step (&record, WITNESS_CLAIM, 2, 7)->verdict, WITNESS_STRANGER);
    assert_int_equal (witness_step (&record, WITNESS_RESUME, 1, 6)->verdict, WITNESS_GRANTED);
    assert_int_equal (witness_step (&record, WITNESS_CLAIM, 2, 7)->verdict, WITNESS_TAKEN);
}

//  An operator's word takes the record from a node that is gone for good; what that one says later is refused.
static void test_force (void **unused)
{
    (void) unused;
    witness_record_t record = {.state = WITNESS_HELD, .holder = 1, .epoch = 9};
    assert_int_equal (witness_step (&record, WITNESS_FORCE, 2, 8)->verdict, WITNESS_GRANTED);
    assert_int_equal (record.epoch, 9);
    assert_int_equal (witness_step (&record, WITNESS_RESUME, 1, 9)->verdict, WITNESS_TAKEN);
    assert_int_equal (witness_step (&record, WITNESS_SHARE, 1, 9)->verdict, WITNESS_TAKEN);
    assert_int_equal (witness_step (&record, WITNESS_CLAIM, 2, 10)->verdict, WITNESS_GRANTED);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_exactly_one_row_fits),
        cmocka_unit_test (test_the_readme_shows_this_table),
        cmocka_unit_test (test_never_are_both_alone),
        cmocka_unit_test (test_a_lost_disk_is_no_licence),
        cmocka_unit_test (test_force),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
