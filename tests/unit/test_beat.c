/*  =========================================================================
    test_beat - is a heartbeat read strictly, and do two nodes agree who should lead?

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/pair/beat.h"

static zb_beat_t s_beat (unsigned node)
{
    zb_beat_t beat = {.node = node, .state = BSTAR_PASSIVE, .settled = true, .complete = true, .pair = {7}};
    return beat;
}

static void test_what_is_written_is_read (void **unused)
{
    (void) unused;
    uint8_t data[ZB_BEAT_MAX];
    for (unsigned bits = 0; bits < 128; bits++) {
        zb_beat_t beat = s_beat (1 + bits % 2), back;
        beat.state = (bstar_state_t) (1 + bits % 4);
        beat.settled = bits & 1;
        beat.fresh = bits & 2;
        beat.complete = bits & 4;
        beat.suspect = bits & 8;
        beat.serving = bits & 16;
        beat.in_step = bits & 32;
        beat.yields = bits & 64;
        beat.commit = 0x0123456789abcdef;
        beat.alone = 1 + bits;
        beat.core_age = 7 * bits;
        beat.disk_age = 9 * bits;
        beat.level = (zb_level_t){1, 2 + bits, 1 + bits, 3, "0.2.0", "0.2.0"};
        beat.time = 1800000000000 + bits;
        beat.wall = 1800000000500 - bits;
        beat.patience = 300 + bits;
        beat.life = 0xfffffff0 + bits;
        for (uint64_t i = 0; i < bits % 9; i++)
            zb_lineage_raise (&beat.tail, 2, 100 + i);
        size_t size = zb_beat_encode (&beat, data);
        assert_int_equal (size, 45 + ZB_EPOCH_SIZE * (bits % 9) + 2 + ZB_LEVEL_SIZE + ZB_BEAT_CLOCKS + ZB_BEAT_LIMITS);
        assert_int_equal (zb_beat_decode (&back, data, size), 0);
        assert_memory_equal (&back, &beat, offsetof (zb_beat_t, tail));
        assert_memory_equal (&back.level, &beat.level, sizeof beat.level);
        assert_int_equal (back.time, beat.time);
        assert_int_equal (back.wall, beat.wall);
        assert_int_equal (back.patience, beat.patience);
        assert_int_equal (back.life, beat.life);
        uint8_t again[ZB_BEAT_MAX];
        assert_int_equal (zb_beat_encode (&back, again), size);
        assert_memory_equal (again, data, size);
    }
}

static void test_of_a_long_lineage_the_newest_are_told (void **unused)
{
    (void) unused;
    uint8_t data[ZB_BEAT_MAX];
    zb_beat_t beat = s_beat (1), back;
    for (uint64_t i = 1; i <= ZB_LINEAGE_MAX; i++)
        zb_lineage_raise (&beat.tail, 1, i);
    assert_int_equal (zb_beat_encode (&beat, data), ZB_BEAT_MAX);
    assert_int_equal (zb_beat_decode (&back, data, ZB_BEAT_MAX), 0);
    assert_int_equal (back.tail.size, ZB_BEAT_EPOCHS);
    assert_int_equal (zb_lineage_newest (&back.tail).number, ZB_LINEAGE_MAX);
}

static void test_malformed_ones_are_refused (void **unused)
{
    (void) unused;
    uint8_t data[ZB_BEAT_MAX + 1] = {0}, bad[ZB_BEAT_MAX + 1];
    zb_beat_t beat = s_beat (1), back;
    zb_lineage_raise (&beat.tail, 1, 1);
    zb_lineage_raise (&beat.tail, 2, 5);
    size_t size = zb_beat_encode (&beat, data);
    for (size_t cut = 0; cut < size; cut++)
        assert_int_equal (zb_beat_decode (&back, data, cut), -1);
    //  What a later version adds at the end is for that one.
    assert_int_equal (zb_beat_decode (&back, data, size + 1), 0);
    assert_int_equal (zb_beat_size (data), size);
    //  Levels take at least what this version knows of them.
    memcpy (bad, data, size);
    bad[size - ZB_BEAT_LIMITS - ZB_BEAT_CLOCKS - ZB_LEVEL_SIZE - 1] = ZB_LEVEL_SIZE - 1;
    assert_int_equal (zb_beat_decode (&back, bad, size), -1);
    static const struct {
        size_t at;
        uint8_t value;
    } wrong[] = {{0, 0},  {0, 1},  {0, 2},  {1, 0},  {1, 3},       {2, 0},      {2, 5},
                 {32, 1}, {36, 3}, {36, 9}, {28, 1}, {45 + 24, 3}, {45 + 7, 2}, {45 + 4, 2}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        memcpy (bad, data, size);
        bad[wrong[i].at] = wrong[i].value;
        assert_int_equal (zb_beat_decode (&back, bad, size), -1);
    }
    //  Flags that this version does not know are for later ones.
    memcpy (bad, data, size);
    bad[3] |= 0x80;
    assert_int_equal (zb_beat_decode (&back, bad, size), 0);
}

//  A later program's heartbeat: it says more of levels, and more behind the settings.
static void test_a_later_version_is_heard (void **unused)
{
    (void) unused;
    uint8_t data[ZB_BEAT_MAX + 100] = {0};
    zb_beat_t beat = s_beat (1), back;
    zb_lineage_raise (&beat.tail, 1, 1);
    beat.level = (zb_level_t){2, 5, 2, 2, "0.5.0", "0.2.0"};
    size_t size = zb_beat_encode (&beat, data);
    data[size - ZB_BEAT_LIMITS - ZB_BEAT_CLOCKS - ZB_LEVEL_SIZE - 1] += 7;
    static const char more[] = "levels!\0\5a = b, and what nobody knows yet";
    memcpy (data + size, more, sizeof more);
    assert_int_equal (zb_beat_decode (&back, data, size + sizeof more), 0);
    assert_int_equal (zb_beat_size (data), size + 7);
    assert_memory_equal (&back.level, &beat.level, sizeof beat.level);
    assert_int_equal (back.tail.size, 1);
    assert_int_equal (zb_beat_decode (&back, data, size + 6), -1);
}

//  An earlier program's says nothing of clocks.
static void test_an_earlier_version_tells_no_time (void **unused)
{
    (void) unused;
    uint8_t data[ZB_BEAT_MAX] = {0};
    zb_beat_t beat = s_beat (1), back;
    beat.level = (zb_level_t){1, 2, 2, 2, "0.2.0", "0.2.0"};
    beat.time = beat.wall = 7;
    size_t size = zb_beat_encode (&beat, data) - ZB_BEAT_CLOCKS - ZB_BEAT_LIMITS;
    data[size - ZB_LEVEL_SIZE - 1] = ZB_LEVEL_SIZE;
    assert_int_equal (zb_beat_decode (&back, data, size), 0);
    assert_int_equal (zb_beat_size (data), size);
    assert_memory_equal (&back.level, &beat.level, sizeof beat.level);
    assert_int_equal (back.time + back.wall, 0);
    assert_int_equal (back.patience + back.life, 0);
}

//  Nor does one that tells the time name its limit of silence.
static void test_an_earlier_version_names_no_limit (void **unused)
{
    (void) unused;
    uint8_t data[ZB_BEAT_MAX] = {0};
    zb_beat_t beat = s_beat (1), back;
    beat.time = 7;
    beat.patience = beat.life = 300;
    size_t size = zb_beat_encode (&beat, data) - ZB_BEAT_LIMITS;
    data[size - ZB_BEAT_CLOCKS - ZB_LEVEL_SIZE - 1] = ZB_LEVEL_SIZE + ZB_BEAT_CLOCKS;
    assert_int_equal (zb_beat_decode (&back, data, size), 0);
    assert_int_equal (back.time, 7);
    assert_int_equal (back.patience + back.life, 0);
}

//  Two whose levels do not fit are no pair, and neither shall lead the other.
static void test_levels_have_to_fit (void **unused)
{
    (void) unused;
    zb_beat_t one = s_beat (1), other = s_beat (2);
    one.level = (zb_level_t){.least = 1, .most = 2, .store = 2};
    other.level = (zb_level_t){.least = 1, .most = 3, .store = 2};
    assert_true (zb_beat_same_pair (&one, &other));
    assert_int_not_equal (zb_beat_rank (&one, &other), 0);
    other.level.store = 3;
    assert_true (zb_beat_same_ids (&one, &other));
    assert_false (zb_beat_same_pair (&one, &other) || zb_beat_same_pair (&other, &one));
    assert_int_equal (zb_beat_rank (&one, &other), 0);
}

//  Every beat of a small domain: flags, state, alone, lineages that share their beginning or not, commits, pairs.
static bool s_number (unsigned number, unsigned node, zb_beat_t *beat)
{
    *beat = s_beat (node);
    beat->settled = number % 2;
    beat->fresh = number / 2 % 2;
    beat->complete = number / 4 % 2;
    beat->suspect = number / 8 % 2;
    beat->state = number / 16 % 2 ? BSTAR_ACTIVE : BSTAR_PASSIVE;
    beat->commit = 10 + number / 32 % 2;
    number /= 64;
    unsigned epochs = number % 7;
    if (epochs)
        zb_lineage_raise (&beat->tail, 1, 1);
    if (epochs > 1)
        zb_lineage_raise (&beat->tail, 1 + epochs % 2, 5);
    if (epochs > 3)
        zb_lineage_raise (&beat->tail, 1 + epochs / 5 % 2, 8);
    beat->alone = number / 7 % 4;
    if (number / 28 == 1)
        beat->pair[0] = 0;
    else if (number / 28 == 2)
        beat->pair[0] = 8;
    return number / 28 < 3;
}

#define NUMBERS (64 * 7 * 4 * 3)

static void test_two_agree_who_should_lead (void **unused)
{
    (void) unused;
    size_t ranked = 0, unranked = 0;
    static zb_beat_t one[NUMBERS], other[NUMBERS];
    for (unsigned i = 0; i < NUMBERS; i++) {
        assert_true (s_number (i, 1, &one[i]));
        assert_true (s_number (i, 2, &other[i]));
    }
    //  A prime step through the second keeps it short; every pair of properties is met.
    for (unsigned i = 0; i < NUMBERS; i++)
        for (unsigned j = i % 7; j < NUMBERS; j += 7) {
            int rank = zb_beat_rank (&one[i], &other[j]);
            assert_int_equal (rank, -zb_beat_rank (&other[j], &one[i]));
            bool can = (one[i].complete && !one[i].suspect) || (other[j].complete && !other[j].suspect) ||
                       (one[i].fresh && other[j].fresh);
            if (rank == 0)
                unranked++;
            else {
                ranked++;
                assert_true (one[i].settled && other[j].settled && can && zb_beat_same_pair (&one[i], &other[j]));
                const zb_beat_t *winner = rank > 0 ? &one[i] : &other[j];
                assert_true ((winner->complete && !winner->suspect) || winner->fresh);
            }
        }
    assert_true (ranked > 1000 && unranked > 1000);
}

static void test_one_that_answered_alone_leads (void **unused)
{
    (void) unused;
    zb_beat_t one = s_beat (1), other = s_beat (2);
    zb_lineage_raise (&one.tail, 1, 1);
    other.tail = one.tail;
    assert_true (zb_beat_rank (&one, &other) > 0);
    other.commit = 9;
    assert_true (zb_beat_rank (&one, &other) < 0);
    //  An active one is not asked how many commits it has: they are on their way.
    one.state = BSTAR_ACTIVE;
    assert_true (zb_beat_rank (&one, &other) > 0);
    zb_lineage_raise (&other.tail, 2, 5);
    assert_true (zb_beat_rank (&one, &other) < 0);
    //  Alone in epoch 2, which the other lacks, beats a larger number.
    zb_lineage_raise (&other.tail, 2, 9);
    zb_lineage_raise (&one.tail, 1, 5);
    one.alone = 2;
    assert_true (zb_beat_ahead (&one, &other));
    assert_true (zb_beat_rank (&one, &other) > 0);
    //  Both: the larger number, tie: the primary.
    other.alone = 2;
    assert_true (zb_beat_rank (&one, &other) < 0);
    zb_lineage_raise (&one.tail, 1, 12);
    assert_true (zb_beat_rank (&one, &other) > 0);
}

//  Their commits count up while they serve: neither may ask for them.
static void test_of_two_that_answered_alone_in_the_same_epoch_the_primary_leads (void **unused)
{
    (void) unused;
    zb_beat_t one = s_beat (1), other = s_beat (2);
    zb_lineage_raise (&one.tail, 1, 1);
    other.tail = one.tail;
    zb_lineage_raise (&one.tail, 1, 5);
    zb_lineage_raise (&other.tail, 2, 5);
    one.alone = other.alone = 2;
    other.commit = 9;
    assert_true (zb_beat_rank (&one, &other) > 0 && zb_beat_rank (&other, &one) < 0);
}

//  What one was alone with is on the other, too, but not off its disk yet: it may lead by itself, so it must lead.
static void test_one_that_was_alone_last_does_not_follow (void **unused)
{
    (void) unused;
    zb_beat_t one = s_beat (1), other = s_beat (2);
    zb_lineage_raise (&one.tail, 1, 1);
    zb_lineage_raise (&one.tail, 2, 5);
    other.tail = one.tail;
    one.commit = 9;
    other.alone = 2;
    assert_true (zb_beat_last (&other));
    assert_false (zb_beat_ahead (&other, &one));
    assert_true (zb_beat_rank (&one, &other) < 0);
    //  Once another has led, it is one that follows.
    zb_lineage_raise (&one.tail, 1, 9);
    zb_lineage_raise (&other.tail, 1, 9);
    assert_false (zb_beat_last (&other));
    assert_true (zb_beat_rank (&one, &other) > 0);
}

static void test_what_a_bad_disk_holds_is_not_given_up (void **unused)
{
    (void) unused;
    zb_beat_t one = s_beat (1), other = s_beat (2);
    zb_lineage_raise (&one.tail, 1, 1);
    other.tail = one.tail;
    other.suspect = true;
    assert_true (zb_beat_rank (&one, &other) > 0);
    zb_lineage_raise (&other.tail, 2, 5);
    other.alone = 2;
    assert_int_equal (zb_beat_rank (&one, &other), 0);
    //  The epoch alone is not enough, its commits must be there.
    one.tail = other.tail;
    other.commit = 1;
    assert_int_equal (zb_beat_rank (&one, &other), 0);
    one.commit = 1;
    assert_true (zb_beat_rank (&one, &other) > 0);
}

//  What was answered alone in one epoch may be replayed while the node goes on alone in a newer one.
static void test_ahead_is_the_newest_epoch_answered_alone (void **unused)
{
    (void) unused;
    zb_beat_t loser = s_beat (2), winner = s_beat (1);
    zb_lineage_raise (&loser.tail, 1, 1);
    winner.tail = loser.tail;
    zb_lineage_raise (&loser.tail, 2, 5);
    zb_lineage_raise (&winner.tail, 1, 5);
    loser.alone = winner.alone = 2;
    assert_true (zb_beat_ahead (&loser, &winner));
    assert_true (zb_beat_ahead (&winner, &loser));
    zb_lineage_absorb (&winner.tail, 2, 2, 0);
    assert_false (zb_beat_ahead (&loser, &winner));
    zb_lineage_raise (&loser.tail, 2, 9);
    assert_true (zb_beat_ahead (&loser, &winner));
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_what_is_written_is_read),
        cmocka_unit_test (test_of_a_long_lineage_the_newest_are_told),
        cmocka_unit_test (test_malformed_ones_are_refused),
        cmocka_unit_test (test_a_later_version_is_heard),
        cmocka_unit_test (test_an_earlier_version_tells_no_time),
        cmocka_unit_test (test_an_earlier_version_names_no_limit),
        cmocka_unit_test (test_levels_have_to_fit),
        cmocka_unit_test (test_ahead_is_the_newest_epoch_answered_alone),
        cmocka_unit_test (test_two_agree_who_should_lead),
        cmocka_unit_test (test_one_that_answered_alone_leads),
        cmocka_unit_test (test_of_two_that_answered_alone_in_the_same_epoch_the_primary_leads),
        cmocka_unit_test (test_one_that_was_alone_last_does_not_follow),
        cmocka_unit_test (test_what_a_bad_disk_holds_is_not_given_up),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
