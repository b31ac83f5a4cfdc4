/*  =========================================================================
    test_patience - does the limit of silence follow the link, and never fall below what the peer counts on?

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "core/pair/patience.h"

#define FIRST 500
#define BEAT 100
#define LEARN 10000
#define TURN 20
#define GOOD_GAP 105
#define GOOD_AGE 205

//  Our side, and what the peer knows of it: news take `delay` each way.
typedef struct {
    zb_patience_t patience;
    int64_t now;
} side_t;

static void s_init (side_t *self)
{
    self->now = 1000;
    zb_patience_init (&self->patience, FIRST);
    zb_patience_adapt (&self->patience, BEAT, LEARN);
    zb_patience_anew (&self->patience, self->now);
}

//  Heartbeats for so long, which the peer echoes at once.
static void s_beats (side_t *self, int64_t ms, int64_t gap, int64_t age)
{
    for (int64_t end = self->now + ms; self->now < end;) {
        self->now += gap;
        zb_patience_heard (&self->patience, gap, age, self->now);
        zb_patience_look (&self->patience, self->now - 1, true, self->now);
    }
}

static void test_fixed (void **unused)
{
    (void) unused;
    zb_patience_t patience;
    zb_patience_init (&patience, FIRST);
    for (int64_t now = 1000; now < 100000; now += 900) {
        zb_patience_heard (&patience, 900, 900, now);
        zb_patience_look (&patience, now - 1, true, now);
        assert_int_equal (zb_patience_limit (&patience), FIRST);
        assert_int_equal (zb_patience_told (&patience), FIRST);
    }
}

static void test_a_good_link (void **unused)
{
    (void) unused;
    side_t side;
    s_init (&side);
    assert_int_equal (zb_patience_limit (&side.patience), FIRST);
    s_beats (&side, LEARN - 2 * GOOD_GAP, GOOD_GAP, GOOD_AGE);
    assert_int_equal (zb_patience_limit (&side.patience), FIRST);
    assert_int_equal (zb_patience_told (&side.patience), FIRST);
    s_beats (&side, 1000, GOOD_GAP, GOOD_AGE);
    assert_int_equal (zb_patience_limit (&side.patience), 3 * BEAT);
    s_beats (&side, 1000000, GOOD_GAP, GOOD_AGE);
    assert_int_equal (zb_patience_limit (&side.patience), 3 * BEAT);
}

//  A longer way and no jitter: an echo comes late, and is to be good for as long.
static void test_a_long_way (void **unused)
{
    (void) unused;
    side_t side;
    s_init (&side);
    s_beats (&side, 2 * LEARN, GOOD_GAP, 520);
    assert_int_equal (zb_patience_limit (&side.patience), 650);
}

static void test_a_bad_link (void **unused)
{
    (void) unused;
    side_t side;
    s_init (&side);
    s_beats (&side, 2 * LEARN, GOOD_GAP, GOOD_AGE);
    zb_patience_heard (&side.patience, 290, 0, side.now);
    zb_patience_look (&side.patience, side.now - 1, true, side.now);
    assert_int_equal (zb_patience_limit (&side.patience), 725);
    //  What it was is known for five minutes, and a takeover makes it no better.
    s_beats (&side, 100000, GOOD_GAP, GOOD_AGE);
    zb_patience_anew (&side.patience, side.now);
    s_beats (&side, 160000, GOOD_GAP, GOOD_AGE);
    assert_int_equal (zb_patience_limit (&side.patience), 725);
    s_beats (&side, 60000, GOOD_GAP, GOOD_AGE);
    assert_int_equal (zb_patience_limit (&side.patience), 300);
    //  It grows beyond its first value, and has an end.
    s_beats (&side, 10000, 700, GOOD_AGE);
    assert_int_equal (zb_patience_limit (&side.patience), 1750);
    s_beats (&side, 10000, 1900, 1900);
    assert_int_equal (zb_patience_limit (&side.patience), 4 * FIRST);
}

//  Silence beyond all limits says nothing of the link, nor does an echo that stayed away so long.
static void test_no_link_is_that_bad (void **unused)
{
    (void) unused;
    side_t side;
    s_init (&side);
    s_beats (&side, 2 * LEARN, GOOD_GAP, GOOD_AGE);
    zb_patience_heard (&side.patience, 4 * FIRST + 1, 9000, side.now);
    zb_patience_look (&side.patience, side.now - 1, true, side.now);
    assert_int_equal (zb_patience_limit (&side.patience), FIRST);
    s_beats (&side, 2 * LEARN, GOOD_GAP, GOOD_AGE);
    assert_int_equal (zb_patience_limit (&side.patience), 300);
    zb_patience_heard (&side.patience, 100, 9000, side.now);
    zb_patience_look (&side.patience, side.now - 1, true, side.now);
    assert_int_equal (zb_patience_limit (&side.patience), 300);
}

static void test_anew (void **unused)
{
    (void) unused;
    side_t side;
    s_init (&side);
    s_beats (&side, 2 * LEARN, GOOD_GAP, GOOD_AGE);
    zb_patience_anew (&side.patience, side.now);
    assert_int_equal (zb_patience_limit (&side.patience), FIRST);
    assert_int_equal (zb_patience_told (&side.patience), FIRST);
    s_beats (&side, LEARN - 2 * GOOD_GAP, GOOD_GAP, GOOD_AGE);
    assert_int_equal (zb_patience_limit (&side.patience), FIRST);
    s_beats (&side, 1000, GOOD_GAP, GOOD_AGE);
    assert_int_equal (zb_patience_limit (&side.patience), 300);
}

//  Named first, and in force when the peer has echoed what left after all heartbeats named it.
static void test_it_falls_when_the_peer_knows (void **unused)
{
    (void) unused;
    side_t side;
    s_init (&side);
    int64_t echoed = side.now - 1;
    while (zb_patience_told (&side.patience) == FIRST) {
        side.now += BEAT;
        zb_patience_heard (&side.patience, GOOD_GAP, GOOD_AGE, side.now);
        zb_patience_look (&side.patience, echoed, true, side.now);
    }
    assert_int_equal (zb_patience_told (&side.patience), 300);
    assert_int_equal (zb_patience_limit (&side.patience), FIRST);
    //  Heartbeats of this turn may have left before they were told, late in it, too.
    side.now += TURN;
    zb_patience_look (&side.patience, side.now - 1, true, side.now);
    assert_int_equal (zb_patience_limit (&side.patience), FIRST);
    zb_patience_look (&side.patience, side.now, true, side.now + TURN);
    assert_int_equal (zb_patience_limit (&side.patience), FIRST);
    zb_patience_look (&side.patience, side.now + 1, true, side.now + 2 * TURN);
    assert_int_equal (zb_patience_limit (&side.patience), 300);
}

//  A peer that names none counts on the first value.
static void test_a_peer_that_names_none (void **unused)
{
    (void) unused;
    side_t side;
    s_init (&side);
    s_beats (&side, 2 * LEARN, GOOD_GAP, GOOD_AGE);
    zb_patience_look (&side.patience, side.now, false, side.now);
    assert_int_equal (zb_patience_limit (&side.patience), FIRST);
    assert_int_equal (zb_patience_told (&side.patience), FIRST);
}

//  Whatever happens: heartbeats that name the limit are under way, echoes are, and some are lost.  The limit in force is
//  at no time below the one that the peer knows.
static void test_never_below_what_the_peer_counts_on (void **unused)
{
    (void) unused;
    enum { ROOM = 64 };
    srandom (1);
    unsigned fell = 0, grew = 0;
    for (int run = 0; run < 200; run++) {
        struct {
            int64_t sent, named;
        } way[ROOM], known = {0, FIRST};
        int64_t back[ROOM], told = FIRST, echoed = 0;
        int on_way = 0, on_back = 0;
        side_t side;
        s_init (&side);
        for (int step = 0; step < 4000; step++) {
            side.now += random () % 3;
            //  The heartbeats' thread sends what it was told last, at any time.
            if (random () % 4 == 0 && on_way < ROOM) {
                way[on_way].sent = side.now;
                way[on_way++].named = told;
            }
            //  They come in order, after any time; some are lost.
            while (on_way && random () % 3 == 0) {
                if (random () % 5) {
                    known.sent = way[0].sent;
                    known.named = way[0].named;
                    assert_true (known.named <= zb_patience_limit (&side.patience));
                }
                for (int at = 1; at < on_way; at++)
                    way[at - 1] = way[at];
                on_way--;
            }
            if (random () % 4 == 0 && on_back < ROOM)
                back[on_back++] = known.sent;
            while (on_back && random () % 3 == 0) {
                echoed = back[0];
                for (int at = 1; at < on_back; at++)
                    back[at - 1] = back[at];
                on_back--;
            }
            if (random () % 50 == 0)
                zb_patience_heard (&side.patience, random () % 20 ? 100 : random () % 900, random () % 400, side.now);
            if (random () % 500 == 0)
                zb_patience_anew (&side.patience, side.now);
            if (random () % 300 == 0)
                side.now += 20000 + random () % 300000;
            //  A turn: it ends some time after it began, and what is told is told then.
            if (random () % 3 == 0) {
                int64_t before = zb_patience_limit (&side.patience);
                zb_patience_look (&side.patience, echoed, random () % 100 > 0, side.now);
                fell += zb_patience_limit (&side.patience) < before;
                grew += zb_patience_limit (&side.patience) > before;
                assert_true (known.named <= zb_patience_limit (&side.patience));
                for (int late = (int) (random () % 3); late && on_way < ROOM; late--) {
                    way[on_way].sent = ++side.now;
                    way[on_way++].named = told;
                }
                told = zb_patience_told (&side.patience);
            }
        }
    }
    //  It did fall, and grow.
    assert_true (fell > 100 && grew > 100);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_fixed),
        cmocka_unit_test (test_a_good_link),
        cmocka_unit_test (test_a_long_way),
        cmocka_unit_test (test_a_bad_link),
        cmocka_unit_test (test_no_link_is_that_bad),
        cmocka_unit_test (test_anew),
        cmocka_unit_test (test_it_falls_when_the_peer_knows),
        cmocka_unit_test (test_a_peer_that_names_none),
        cmocka_unit_test (test_never_below_what_the_peer_counts_on),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
