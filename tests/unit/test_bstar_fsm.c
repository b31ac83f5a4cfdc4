/*  =========================================================================
    test_bstar_fsm - is Binary Star's table total, and is a pair of it safe?

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Beside the table itself, the pair is walked: two machines, up to two messages in
    flight each way, and everything that can happen to them, in every order.  All
    states that can be reached are visited, so what is asserted of them is proven for
    this model, not sampled.
*/

#include "patterns/bstar_fsm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "readme_kit.h"

//  ---------------------------------------------------------------------------
//  The table

static bstar_facts_t s_facts (unsigned bits)
{
    return (bstar_facts_t){.peer_gone = bits & 1, .may_lead = bits & 2, .preferred = bits & 4};
}

static void test_exactly_one_row_fits (void **unused)
{
    (void) unused;
    size_t count;
    const bstar_row_t *rows = bstar_rows (&count);
    bool hit[64] = {false};
    assert_true (count < 64);
    for (int state = BSTAR_PRIMARY; state <= BSTAR_PASSIVE; state++)
        for (int event = BSTAR_PEER_PRIMARY; event <= BSTAR_PROMOTE; event++)
            for (unsigned bits = 0; bits < 8; bits++) {
                bstar_facts_t facts = s_facts (bits);
                size_t fitting = 0;
                size_t last = 0;
                for (size_t i = 0; i < count; i++)
                    if ((rows[i].states & BSTAR_BIT (state)) && (rows[i].events & BSTAR_BIT (event)) &&
                        bstar_guard_holds (rows[i].guard, &facts)) {
                        fitting++;
                        last = i;
                    }
                assert_int_equal (fitting, 1);
                hit[last] = true;
                bstar_fsm_t fsm = {.home = state == BSTAR_PRIMARY ? BSTAR_PRIMARY : BSTAR_BACKUP, .state = state};
                assert_ptr_equal (bstar_step (&fsm, event, &facts), &rows[last]);
            }
    for (size_t i = 0; i < count; i++) {
        assert_true (hit[i]);
        assert_int_equal (rows[i].number, (int) i + 1);
        assert_true (strlen (rows[i].why) > 0);
    }
}

static void test_no_state_without_an_exit (void **unused)
{
    (void) unused;
    for (int state = BSTAR_PRIMARY; state <= BSTAR_PASSIVE; state++) {
        bool exits = false;
        for (int event = BSTAR_PEER_PRIMARY; event <= BSTAR_PROMOTE; event++)
            for (unsigned bits = 0; bits < 8; bits++) {
                bstar_facts_t facts = s_facts (bits);
                bstar_fsm_t fsm = {.home = state == BSTAR_PRIMARY ? BSTAR_PRIMARY : BSTAR_BACKUP, .state = state};
                bstar_step (&fsm, event, &facts);
                exits = exits || (int) fsm.state != state;
            }
        assert_true (exits);
    }
}

//  A vote is always answered, and accepted by the active one alone.
static void test_only_the_active_one_serves (void **unused)
{
    (void) unused;
    for (int state = BSTAR_PRIMARY; state <= BSTAR_PASSIVE; state++)
        for (unsigned bits = 0; bits < 8; bits++) {
            bstar_facts_t facts = s_facts (bits);
            bstar_fsm_t fsm = {.home = state == BSTAR_PRIMARY ? BSTAR_PRIMARY : BSTAR_BACKUP, .state = state};
            const bstar_row_t *row = bstar_step (&fsm, BSTAR_CLIENT_VOTE, &facts);
            assert_int_equal (row->verdict, fsm.state == BSTAR_ACTIVE ? BSTAR_ACCEPT : BSTAR_REJECT);
        }
}

//  No vote makes a server active whose peer may be there, or that may not lead.
static void test_one_stray_client_is_not_enough (void **unused)
{
    (void) unused;
    for (int state = BSTAR_PRIMARY; state <= BSTAR_PASSIVE; state++)
        for (unsigned bits = 0; bits < 8; bits++) {
            bstar_facts_t facts = s_facts (bits);
            bstar_fsm_t fsm = {.home = state == BSTAR_PRIMARY ? BSTAR_PRIMARY : BSTAR_BACKUP, .state = state};
            bstar_step (&fsm, BSTAR_CLIENT_VOTE, &facts);
            if (state != BSTAR_ACTIVE && fsm.state == BSTAR_ACTIVE)
                assert_true (facts.peer_gone && facts.may_lead);
        }
}

//  An operator moves the role where there is one to move, and nothing else.
static void test_an_operator_has_the_last_word (void **unused)
{
    (void) unused;
    for (int state = BSTAR_PRIMARY; state <= BSTAR_PASSIVE; state++)
        for (unsigned bits = 0; bits < 8; bits++) {
            bstar_facts_t facts = s_facts (bits);
            bstar_fsm_t fsm = {.home = state == BSTAR_PRIMARY ? BSTAR_PRIMARY : BSTAR_BACKUP, .state = state};
            bstar_fsm_t other = fsm;
            bstar_step (&fsm, BSTAR_YIELD, &facts);
            assert_int_equal (fsm.state, state == BSTAR_ACTIVE ? (int) fsm.home : state);
            bstar_step (&other, BSTAR_PROMOTE, &facts);
            bool stays = state == BSTAR_PASSIVE && !facts.peer_gone;
            assert_int_equal (other.state, stays ? BSTAR_PASSIVE : BSTAR_ACTIVE);
        }
}

static void test_foreign_states_are_no_events (void **unused)
{
    (void) unused;
    bstar_event_t event = BSTAR_CLIENT_VOTE;
    assert_false (bstar_event_of_peer (0, &event));
    assert_false (bstar_event_of_peer (5, &event));
    assert_false (bstar_event_of_peer (-1, &event));
    assert_int_equal (event, BSTAR_CLIENT_VOTE);
    assert_true (bstar_event_of_peer (BSTAR_PASSIVE, &event));
    assert_int_equal (event, BSTAR_PEER_PASSIVE);
    assert_string_equal (bstar_state_name (BSTAR_PASSIVE), "passive");
    assert_string_equal (bstar_state_name ((bstar_state_t) 99), "?");
    assert_string_equal (bstar_event_name ((bstar_event_t) 0), "?");
}

//  ---------------------------------------------------------------------------
//  The table in the README

static const char *s_set_name (unsigned set, bool events)
{
    static const struct {
        unsigned set;
        const char *state;
        const char *event;
    } names[] = {
        {BSTAR_BIT (BSTAR_PRIMARY) | BSTAR_BIT (BSTAR_BACKUP), "pending", "peer pending"},
        {BSTAR_BIT (BSTAR_ACTIVE), "active", "peer active"},
        {BSTAR_BIT (BSTAR_PASSIVE), "passive", "peer passive"},
        {BSTAR_BIT (BSTAR_PRIMARY) | BSTAR_BIT (BSTAR_BACKUP) | BSTAR_BIT (BSTAR_PASSIVE), "pending or passive",
         "peer pending or passive"},
        {BSTAR_BIT (BSTAR_CLIENT_VOTE), "?", "client vote"},
        {BSTAR_BIT (BSTAR_YIELD), "?", "yield"},
        {BSTAR_BIT (BSTAR_PROMOTE), "?", "promotion"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].set == set)
            return events ? names[i].event : names[i].state;
    return "?";
}

static void s_markdown (size_t index, char line[README_LINE])
{
    size_t count;
    const bstar_row_t *row = &bstar_rows (&count)[index];
    snprintf (line, README_LINE, "| %d | %s | %s | %s | %s | %s | %s | %s |", row->number, row->name,
              s_set_name (row->states, false), s_set_name (row->events, true), bstar_guard_name (row->guard),
              bstar_next_name (row->next), bstar_verdict_name (row->verdict), row->why);
    assert_null (strchr (line, '?'));
}

static void test_the_readme_shows_this_table (void **unused)
{
    (void) unused;
    size_t count;
    bstar_rows (&count);
    readme_shows ("patterns/README.md", "| ", count, s_markdown);
}

//  ---------------------------------------------------------------------------
//  The pair

#define ROOM 2 //  messages in flight, each way

typedef struct {
    bool alive;
    bool gone; //  believes that its peer is gone
    bstar_fsm_t fsm;
    bool deaf;       //  the way from the peer to this one is cut
    int heard[ROOM]; //  on its way to this one, oldest first: what the peer said of its state
    int waiting;
} node_t;

typedef struct {
    node_t node[2]; //  primary, backup
} pair_t;

//  How the world is in a walk.
typedef struct {
    bool cuts;       //  links can be cut, each way alone, too
    bool last_words; //  what a dead one has said may be heard after its restart
    bool lag;        //  a node may still believe that its peer is gone when it is back, until it hears it
    bool free;       //  may_lead is anything at any time, instead of the guide's rule
    bool yields;     //  the operator has one yield whose peer follows, and what that one said before is not heard then
} world_t;

typedef enum { CRASH, RESTART, SEND, HEAR, LOSE, SUSPECT, VOTE, YIELD, CUT, HEAL, ACTIONS } action_t;

//  Each pair has a number below PAIRS: its states' digits in mixed base.
#define QUEUES (1 + 4 + 16)
#define NODES (5 * 2 * 2 * QUEUES)
#define PAIRS (NODES * NODES)

static unsigned s_number (const pair_t *pair)
{
    unsigned number = 0;
    for (int i = 0; i < 2; i++) {
        const node_t *node = &pair->node[i];
        unsigned queue = node->waiting == 0   ? 0
                         : node->waiting == 1 ? (unsigned) node->heard[0]
                                              : 1 + (unsigned) (node->heard[0] * 4 + node->heard[1] - 1);
        number = number * 5 + (node->alive ? (unsigned) node->fsm.state : 0);
        number = (number * 2 + node->gone) * 2 + node->deaf;
        number = number * QUEUES + queue;
    }
    return number;
}

static pair_t s_pair (unsigned number)
{
    pair_t pair;
    memset (&pair, 0, sizeof pair);
    for (int i = 1; i >= 0; i--) {
        node_t *node = &pair.node[i];
        unsigned queue = number % QUEUES;
        number /= QUEUES;
        node->deaf = number % 2;
        number /= 2;
        node->gone = number % 2;
        number /= 2;
        node->alive = number % 5 != 0;
        node->fsm = bstar_fsm (i == 0 ? BSTAR_PRIMARY : BSTAR_BACKUP);
        if (node->alive)
            node->fsm.state = (bstar_state_t) (number % 5);
        number /= 5;
        node->waiting = queue == 0 ? 0 : queue <= 4 ? 1 : 2;
        if (node->waiting == 1)
            node->heard[0] = (int) queue;
        if (node->waiting == 2) {
            node->heard[0] = (int) (queue - 1) / 4;
            node->heard[1] = (int) (queue - 1) % 4 + 1;
        }
    }
    return pair;
}

static void s_drop_oldest (node_t *node)
{
    node->heard[0] = node->heard[1];
    node->heard[1] = 0;
    node->waiting--;
}

static void s_drop_all (node_t *node)
{
    while (node->waiting)
        s_drop_oldest (node);
}

//  Does the action at node i, if it is possible now.  `may_lead` counts in a free world.  *row is what the machine did.
static bool s_act (pair_t *pair, const world_t *world, action_t action, int i, bool may_lead, const bstar_row_t **row)
{
    node_t *self = &pair->node[i];
    node_t *peer = &pair->node[1 - i];
    bstar_facts_t facts = {
        .peer_gone = self->gone,
        .may_lead = world->free ? may_lead : self->fsm.home == BSTAR_PRIMARY || self->fsm.state == BSTAR_PASSIVE,
        .preferred = self->fsm.home == BSTAR_PRIMARY};
    *row = NULL;
    switch (action) {
    case CRASH:
        if (!self->alive)
            return false;
        self->alive = false;
        self->gone = false;
        s_drop_all (self);
        if (!world->last_words)
            s_drop_all (peer);
        return true;
    case RESTART:
        if (self->alive)
            return false;
        self->alive = true;
        self->fsm = bstar_fsm (self->fsm.home);
        if (!world->lag && !peer->deaf)
            peer->gone = false;
        return true;
    case SEND:
        if (!self->alive || !peer->alive || peer->deaf || peer->waiting == ROOM)
            return false;
        peer->heard[peer->waiting++] = (int) self->fsm.state;
        return true;
    case HEAR:
        if (!self->alive || self->waiting == 0)
            return false;
        else {
            bstar_event_t event;
            assert_true (bstar_event_of_peer (self->heard[0], &event));
            s_drop_oldest (self);
            self->gone = facts.peer_gone = false;
            *row = bstar_step (&self->fsm, event, &facts);
            return true;
        }
    case LOSE:
        if (self->waiting == 0)
            return false;
        s_drop_oldest (self);
        return true;
    case SUSPECT:
        if (!self->alive || self->gone || (peer->alive && !self->deaf))
            return false;
        self->gone = true;
        return true;
    case VOTE:
        if (!self->alive)
            return false;
        *row = bstar_step (&self->fsm, BSTAR_CLIENT_VOTE, &facts);
        return true;
    case YIELD:
        if (!self->alive || !world->yields || self->fsm.state != BSTAR_ACTIVE || !peer->alive ||
            peer->fsm.state != BSTAR_PASSIVE || peer->gone || self->gone)
            return false;
        *row = bstar_step (&self->fsm, BSTAR_YIELD, &facts);
        s_drop_all (self);
        return true;
    case CUT:
        if (!world->cuts || self->deaf)
            return false;
        self->deaf = true;
        return true;
    case HEAL:
        if (!self->deaf)
            return false;
        self->deaf = false;
        if (!world->lag && peer->alive)
            self->gone = false;
        return true;
    case ACTIONS:
        break;
    }
    return false;
}

static bool s_is (const pair_t *pair, int i, bstar_state_t state)
{
    return pair->node[i].alive && pair->node[i].fsm.state == state;
}

static bool s_both_active (const pair_t *pair)
{
    return s_is (pair, 0, BSTAR_ACTIVE) && s_is (pair, 1, BSTAR_ACTIVE);
}

//  Everything that can be reached from `reached` (by pair number) with these actions, added to it.  `check` is asked
//  about each step.
typedef void (check_fn) (const pair_t *before, const pair_t *after, const bstar_row_t *row, void *context);

static unsigned s_queue[PAIRS];

static size_t s_walk (uint8_t *reached, const world_t *world, unsigned actions, check_fn *check, void *context)
{
    size_t head = 0;
    size_t tail = 0;
    for (unsigned number = 0; number < PAIRS; number++)
        if (reached[number])
            s_queue[tail++] = number;
    while (head < tail) {
        const pair_t before = s_pair (s_queue[head++]);
        for (int action = 0; action < ACTIONS; action++)
            for (int i = 0; i < 4; i++) {
                const bstar_row_t *row;
                pair_t after = before;
                if (!(actions & BSTAR_BIT (action)) || !s_act (&after, world, action, i & 1, i & 2, &row))
                    continue;
                if (check)
                    check (&before, &after, row, context);
                unsigned number = s_number (&after);
                if (!reached[number]) {
                    reached[number] = 1;
                    s_queue[tail++] = number;
                }
            }
    }
    return tail;
}

static uint8_t *s_start (void)
{
    uint8_t *reached = calloc (PAIRS, 1);
    assert_non_null (reached);
    reached[s_number (&(pair_t){.node = {{.fsm = bstar_fsm (BSTAR_PRIMARY)}, {.fsm = bstar_fsm (BSTAR_BACKUP)}}})] = 1;
    return reached;
}

#define EVERYTHING ((1u << ACTIONS) - 1)
//  What happens between two servers that live and hear each other.
#define CALM (BSTAR_BIT (SEND) | BSTAR_BIT (HEAR) | BSTAR_BIT (VOTE))

static world_t s_world (unsigned bits)
{
    return (world_t){.cuts = bits & 1, .last_words = bits & 2, .lag = bits & 4, .free = bits & 8, .yields = bits & 16};
}

#define WORLDS 32

static const world_t s_worst = {true, true, true, true, true};

//  Is any pair reached in which both are active (and both believe the other one gone)?
static bool s_reaches_two_actives (const world_t *world, bool both_gone)
{
    bool found = false;
    uint8_t *reached = s_start ();
    s_walk (reached, world, EVERYTHING, NULL, NULL);
    for (unsigned number = 0; number < PAIRS; number++)
        if (reached[number]) {
            const pair_t pair = s_pair (number);
            assert_int_equal (s_number (&pair), number);
            found = found || (s_both_active (&pair) && (!both_gone || (pair.node[0].gone && pair.node[1].gone)));
        }
    free (reached);
    return found;
}

static void test_two_that_hear_each_other_are_never_both_active (void **unused)
{
    (void) unused;
    assert_false (s_reaches_two_actives (&(world_t){.lag = false}, false));
    assert_false (s_reaches_two_actives (&(world_t){.lag = true}, false));
    assert_false (s_reaches_two_actives (&(world_t){.yields = true}, false));
    assert_false (s_reaches_two_actives (&(world_t){.lag = true, .yields = true}, false));
}

//  The other worlds reach it, which is why the header does not promise it for them.
static void test_two_actives_need_a_reason (void **unused)
{
    (void) unused;
    assert_true (s_reaches_two_actives (&(world_t){.cuts = true}, false));
    assert_true (s_reaches_two_actives (&(world_t){.last_words = true}, false));
    assert_true (s_reaches_two_actives (&(world_t){.lag = true, .free = true}, false));
}

static void test_both_believe_the_other_gone_only_after_a_cut (void **unused)
{
    (void) unused;
    for (unsigned bits = 0; bits < WORLDS; bits++) {
        const world_t world = s_world (bits);
        assert_int_equal (s_reaches_two_actives (&world, true), world.cuts);
    }
}

static void s_check_split (const pair_t *before, const pair_t *after, const bstar_row_t *row, void *context)
{
    if (!s_both_active (before) || !after->node[0].alive || !after->node[1].alive)
        return;
    size_t *splits = context;
    if (!s_both_active (after)) {
        //  Only here does an active one ever step back unless it yields, and it is the backup, which is told.
        assert_non_null (row);
        if (strcmp (row->name, "hand over") == 0)
            return;
        assert_string_equal (row->name, "split");
        assert_int_equal (row->verdict, BSTAR_CONFLICT_LOST);
        assert_int_equal (after->node[0].fsm.state, BSTAR_ACTIVE);
        assert_int_equal (after->node[1].fsm.state, BSTAR_PASSIVE);
        (*splits)++;
    }
}

static void test_two_actives_part_in_the_row_named_split (void **unused)
{
    (void) unused;
    for (unsigned bits = 0; bits < WORLDS; bits++) {
        const world_t world = s_world (bits);
        size_t splits = 0;
        uint8_t *reached = s_start ();
        s_walk (reached, &world, EVERYTHING, s_check_split, &splits);
        assert_int_equal (splits > 0, world.cuts || world.last_words || (world.lag && world.free));
        free (reached);
    }
}

//  One serves, one stands by, and nothing that is known or on its way says otherwise.
static bool s_is_one_pair (const pair_t *pair)
{
    for (int i = 0; i < 2; i++) {
        const node_t *self = &pair->node[i];
        const node_t *peer = &pair->node[1 - i];
        if (!self->alive || !peer->alive || self->deaf)
            return false;
        if (self->fsm.state == BSTAR_ACTIVE) {
            if (peer->fsm.state != BSTAR_PASSIVE || peer->gone)
                return false;
            for (int n = 0; n < self->waiting; n++)
                if (self->heard[n] == BSTAR_ACTIVE)
                    return false;
            for (int n = 0; n < peer->waiting; n++)
                if (peer->heard[n] != BSTAR_ACTIVE)
                    return false;
            return true;
        }
    }
    return false;
}

static void s_check_stays_one_pair (const pair_t *before, const pair_t *after, const bstar_row_t *row, void *context)
{
    (void) row;
    (void) context;
    assert_true (!s_is_one_pair (before) || s_is_one_pair (after));
}

//  From whatever the worst world has brought them to, two that live and hear each other end as one pair, and stay so.
static void test_after_the_heal_one_is_active (void **unused)
{
    (void) unused;
    uint8_t *reached = s_start ();
    s_walk (reached, &s_worst, EVERYTHING, NULL, NULL);
    for (unsigned number = 0; number < PAIRS; number++) {
        const pair_t pair = s_pair (number);
        reached[number] =
            reached[number] && pair.node[0].alive && pair.node[1].alive && !pair.node[0].deaf && !pair.node[1].deaf;
    }
    size_t count = s_walk (reached, &s_worst, CALM, s_check_stays_one_pair, NULL);
    assert_true (count > 1000);

    //  2: the two can become one pair from here.  Whatever they do, they never lose that: so they do if they go on.
    bool more = true;
    while (more) {
        more = false;
        for (unsigned number = 0; number < PAIRS; number++) {
            if (reached[number] != 1)
                continue;
            const pair_t before = s_pair (number);
            bool can = s_is_one_pair (&before);
            for (int action = 0; action < ACTIONS && !can; action++)
                for (int i = 0; i < 4 && !can; i++) {
                    const bstar_row_t *row;
                    pair_t after = before;
                    //  Votes don't help: they become one pair without clients.
                    if ((CALM & BSTAR_BIT (action)) && action != VOTE &&
                        s_act (&after, &s_worst, action, i & 1, i & 2, &row))
                        can = reached[s_number (&after)] == 2;
                }
            if (can) {
                reached[number] = 2;
                more = true;
            }
        }
    }
    for (unsigned number = 0; number < PAIRS; number++)
        assert_int_not_equal (reached[number], 1);
    free (reached);
}

//  The survivor serves the first client that asks after it has noticed, if the guide's rule lets it.
static void test_the_survivor_takes_over (void **unused)
{
    (void) unused;
    const world_t world = {.cuts = true, .last_words = true, .lag = true};
    uint8_t *reached = s_start ();
    s_walk (reached, &world, EVERYTHING, NULL, NULL);
    for (unsigned number = 0; number < PAIRS; number++)
        for (int i = 0; i < 2 && reached[number]; i++) {
            const bstar_row_t *row;
            pair_t pair = s_pair (number);
            if (!pair.node[i].alive || pair.node[1 - i].alive)
                continue;
            s_act (&pair, &world, SUSPECT, i, false, &row);
            assert_true (pair.node[i].gone);
            bool may = pair.node[i].fsm.state != BSTAR_BACKUP;
            assert_true (s_act (&pair, &world, VOTE, i, false, &row));
            assert_int_equal (row->verdict, may ? BSTAR_ACCEPT : BSTAR_REJECT);
            assert_int_equal (s_is (&pair, i, BSTAR_ACTIVE), may);
        }
    free (reached);
}

//  With the argument `table` it prints the README's table.
int main (int argc, char *argv[])
{
    if (argc == 2 && strcmp (argv[1], "table") == 0) {
        size_t count;
        bstar_rows (&count);
        readme_print (count, s_markdown);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_exactly_one_row_fits),
        cmocka_unit_test (test_no_state_without_an_exit),
        cmocka_unit_test (test_only_the_active_one_serves),
        cmocka_unit_test (test_one_stray_client_is_not_enough),
        cmocka_unit_test (test_an_operator_has_the_last_word),
        cmocka_unit_test (test_foreign_states_are_no_events),
        cmocka_unit_test (test_the_readme_shows_this_table),
        cmocka_unit_test (test_two_that_hear_each_other_are_never_both_active),
        cmocka_unit_test (test_two_actives_need_a_reason),
        cmocka_unit_test (test_both_believe_the_other_gone_only_after_a_cut),
        cmocka_unit_test (test_two_actives_part_in_the_row_named_split),
        cmocka_unit_test (test_after_the_heal_one_is_active),
        cmocka_unit_test (test_the_survivor_takes_over),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
