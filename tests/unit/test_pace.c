/*  =========================================================================
    test_pace - does a peer that was away always catch up, and what does the stream pay for it?

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <cmocka.h>

#include "core/pair/pace.h"

#define MB ((uint64_t) 1000000)
#define MISSED (200 * MB)
#define STEP 10 //  ms

//  A stream and a peer that catches up; rates are bytes a second.
typedef struct {
    zb_pace_t pace;
    int64_t now;
    uint64_t offers, takes; //  what clients would store, what the peer can take
    uint64_t commit;        //  bytes of one
    uint64_t gap;
    uint64_t stored, asked; //  bytes since the begin, and those that clients have waiting
} world_t;

//  Lets it go on for so long, or until the peer is level.  Returns how long it took, ms.
static int64_t s_run (world_t *self, int64_t ms)
{
    int64_t begin = self->now, most = begin + ms;
    while (self->gap && self->now < most) {
        self->now += STEP;
        self->asked += self->offers * STEP / 1000;
        while (self->asked >= self->commit && zb_pace_resume (&self->pace) <= self->now) {
            zb_pace_wrote (&self->pace, self->commit, self->now);
            self->asked -= self->commit;
            self->gap += self->commit;
            self->stored += self->commit;
        }
        //  Clients do not send what nobody reads.
        if (self->asked > 2 * self->commit)
            self->asked = 2 * self->commit;
        uint64_t takes = self->takes * STEP / 1000;
        self->gap -= self->gap < takes ? self->gap : takes;
        zb_pace_look (&self->pace, self->gap, self->now);
    }
    return self->now - begin;
}

static world_t s_world (uint64_t offers, uint64_t takes)
{
    return (world_t){.now = 1000, .offers = offers, .takes = takes, .commit = 100000, .gap = MISSED};
}

static uint64_t s_rate (const world_t *self, int64_t ms)
{
    return self->stored * 1000 / (uint64_t) ms;
}

static void test_a_gap_that_closes_by_itself_costs_nothing (void **unused)
{
    (void) unused;
    world_t world = s_world (50 * MB, 80 * MB);
    int64_t took = s_run (&world, 60000);
    assert_int_equal (world.gap, 0);
    assert_int_equal (world.pace.rate, 0);
    assert_in_range (s_rate (&world, took), 49 * MB, 51 * MB);
}

//  A stream up to eight times as fast as the peer: the gap would grow for ever.
static void test_a_gap_that_would_grow_closes (void **unused)
{
    (void) unused;
    for (uint64_t offers = 82; offers <= 640; offers += 62) {
        world_t world = s_world (offers * MB, 80 * MB);
        int64_t took = s_run (&world, 60000);
        assert_int_equal (world.gap, 0);
        assert_in_range (s_rate (&world, took), 60 * MB, 110 * MB);
    }
}

//  The stream keeps a tenth, and after ten seconds in vain all of it; a minute later it is tried again.
static void test_a_peer_beyond_hope_is_given_up (void **unused)
{
    (void) unused;
    world_t world = s_world (100 * MB, 5 * MB);
    s_run (&world, 5000);
    assert_in_range (world.pace.rate, 10 * MB, 11 * MB);
    assert_in_range (s_rate (&world, 5000), 10 * MB, 25 * MB);
    s_run (&world, ZB_PACE_FUTILE);
    assert_int_equal (world.pace.rate, 0);
    world.stored = 0;
    s_run (&world, ZB_PACE_REST - 10000);
    assert_in_range (s_rate (&world, ZB_PACE_REST - 10000), 98 * MB, 101 * MB);
    s_run (&world, 10000);
    assert_int_not_equal (world.pace.rate, 0);
}

//  A peer that is only slow for a while is not given up, nor is the stream held back longer than that.
static void test_a_peer_that_recovers (void **unused)
{
    (void) unused;
    world_t world = s_world (100 * MB, 0);
    s_run (&world, 8000);
    world.takes = 90 * MB;
    s_run (&world, 60000);
    assert_int_equal (world.gap, 0);
    assert_int_equal (world.pace.rest, 0);
}

//  Clients that send less are not slowed down any more.
static void test_the_load_goes_down (void **unused)
{
    (void) unused;
    world_t world = s_world (300 * MB, 100 * MB);
    s_run (&world, 3000);
    assert_int_not_equal (world.pace.rate, 0);
    world.offers = 10 * MB;
    s_run (&world, 1500);
    assert_int_not_equal (world.gap, 0);
    assert_int_equal (world.pace.rate, 0);
}

//  A few rows, say that this broker goes on alone, while the peer copies the tables and its log stands still: who comes then
//  is not held back to a tenth of that.
static void test_a_stream_of_nothing (void **unused)
{
    (void) unused;
    world_t world = s_world (2000, 0);
    world.commit = 1000;
    s_run (&world, 3000);
    assert_int_equal (world.pace.rate, 0);
    world = s_world (10 * ZB_PACE_LEAST / 2, 0);
    world.commit = 1000;
    s_run (&world, 3000);
    assert_int_equal (world.pace.rate, ZB_PACE_LEAST);
}

//  Large commits are paid for, too, but no pause is endless; little unused time is saved up.
static void test_pauses (void **unused)
{
    (void) unused;
    zb_pace_t pace = {.rate = 10 * MB};
    assert_int_equal (zb_pace_resume (&pace), 0);
    zb_pace_wrote (&pace, MB, 5000);
    assert_int_equal (zb_pace_resume (&pace), 5100 - ZB_PACE_SAVED);
    zb_pace_wrote (&pace, MB, 5020);
    assert_int_equal (zb_pace_resume (&pace), 5200 - ZB_PACE_SAVED);
    zb_pace_wrote (&pace, 1000, 5200);
    zb_pace_wrote (&pace, 9000, 5200);
    assert_int_equal (zb_pace_resume (&pace), 5201 - ZB_PACE_SAVED);
    zb_pace_wrote (&pace, UINT64_MAX, 9000);
    assert_int_equal (zb_pace_resume (&pace), 9000 + ZB_PACE_PAUSE);
    zb_pace_wrote (&pace, UINT64_MAX, 9000);
    assert_int_equal (zb_pace_resume (&pace), 9000 + ZB_PACE_PAUSE);
    pace.rate = 0;
    assert_int_equal (zb_pace_resume (&pace), 0);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_a_gap_that_closes_by_itself_costs_nothing),
        cmocka_unit_test (test_a_gap_that_would_grow_closes),
        cmocka_unit_test (test_a_peer_beyond_hope_is_given_up),
        cmocka_unit_test (test_a_peer_that_recovers),
        cmocka_unit_test (test_the_load_goes_down),
        cmocka_unit_test (test_a_stream_of_nothing),
        cmocka_unit_test (test_pauses),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
