/*  =========================================================================
    test_lineage - is the list of epochs read strictly and asked rightly?

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

#include "core/base/lineage.h"

static void s_raise (zb_lineage_t *self, unsigned node, uint64_t first, uint64_t number)
{
    zb_epoch_t epoch = zb_lineage_raise (self, node, first);
    assert_int_equal (epoch.number, number);
    assert_int_equal (epoch.node, node);
    assert_int_equal (epoch.first, first);
    assert_int_equal (zb_lineage_newest (self).number, number);
}

static void test_an_empty_lineage_knows_nothing (void **unused)
{
    (void) unused;
    zb_lineage_t lineage = {0};
    assert_int_equal (zb_lineage_newest (&lineage).number, 0);
    assert_false (zb_lineage_has (&lineage, 1, 1));
    assert_false (zb_lineage_holds (&lineage, 9, 1, 1, 1));
    assert_int_equal (zb_lineage_decode (&lineage, "", 0), 0);
    assert_int_equal (lineage.size, 0);
}

static void test_what_is_written_is_read (void **unused)
{
    (void) unused;
    zb_lineage_t lineage = {0}, back;
    uint8_t data[ZB_LINEAGE_MAX * ZB_EPOCH_SIZE];
    s_raise (&lineage, 1, 1, 1);
    s_raise (&lineage, 2, 10, 2);
    lineage.epoch[1].before = 7;
    s_raise (&lineage, 2, 1ull << 40, 3);
    size_t size = zb_lineage_encode (&lineage, data);
    assert_int_equal (size, 3 * ZB_EPOCH_SIZE);
    static const uint8_t second[ZB_EPOCH_SIZE] = {0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0,
                                                  0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 7, 2};
    assert_memory_equal (data + ZB_EPOCH_SIZE, second, ZB_EPOCH_SIZE);
    assert_int_equal (zb_lineage_decode (&back, data, size), 0);
    uint8_t again[sizeof data];
    assert_int_equal (zb_lineage_encode (&back, again), size);
    assert_memory_equal (again, data, size);
}

static void test_malformed_rows_are_refused (void **unused)
{
    (void) unused;
    zb_lineage_t lineage = {0}, back;
    uint8_t data[(ZB_LINEAGE_MAX + 1) * ZB_EPOCH_SIZE] = {0}, bad[2 * ZB_EPOCH_SIZE];
    s_raise (&lineage, 1, 1, 1);
    s_raise (&lineage, 2, 10, 2);
    size_t size = zb_lineage_encode (&lineage, data);
    for (size_t cut = 1; cut < size; cut++)
        assert_int_equal (zb_lineage_decode (&back, data, cut), cut % ZB_EPOCH_SIZE ? -1 : 0);
    static const struct {
        size_t at;
        uint8_t value;
    } wrong[] = {{7, 0}, {7, 2}, {24, 0}, {24, 3}, {4, 2}, {ZB_EPOCH_SIZE + 4, 2}, {ZB_EPOCH_SIZE + 7, 1}, {ZB_EPOCH_SIZE + 15, 1}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        memcpy (bad, data, size);
        bad[wrong[i].at] = wrong[i].value;
        assert_int_equal (zb_lineage_decode (&back, bad, size), -1);
    }
    for (size_t i = 0; i <= ZB_LINEAGE_MAX; i++) {
        uint8_t *epoch = data + i * ZB_EPOCH_SIZE;
        epoch[6] = epoch[14] = (uint8_t) ((i + 1) >> 8);
        epoch[7] = epoch[15] = (uint8_t) (i + 1);
        epoch[24] = 1;
    }
    assert_int_equal (zb_lineage_decode (&back, data, ZB_LINEAGE_MAX * ZB_EPOCH_SIZE), 0);
    assert_int_equal (zb_lineage_decode (&back, data, (ZB_LINEAGE_MAX + 1) * ZB_EPOCH_SIZE), -1);
}

//  Of the same number by two nodes, only the one that is in the list is known; and only commits of its own are held.
static void test_an_epoch_is_a_number_and_a_node (void **unused)
{
    (void) unused;
    zb_lineage_t lineage = {0};
    s_raise (&lineage, 1, 1, 1);
    s_raise (&lineage, 2, 10, 2);
    assert_true (zb_lineage_has (&lineage, 2, 2));
    assert_false (zb_lineage_has (&lineage, 2, 1));
    assert_false (zb_lineage_has (&lineage, 3, 1));
    assert_true (zb_lineage_holds (&lineage, 12, 1, 1, 9));
    assert_false (zb_lineage_holds (&lineage, 12, 1, 1, 10));
    assert_true (zb_lineage_holds (&lineage, 12, 2, 2, 12));
    assert_false (zb_lineage_holds (&lineage, 12, 2, 2, 13));
    assert_false (zb_lineage_holds (&lineage, 12, 2, 1, 10));
}

static void test_the_oldest_are_forgotten_and_count_as_known (void **unused)
{
    (void) unused;
    zb_lineage_t lineage = {0};
    for (uint64_t number = 1; number <= ZB_LINEAGE_MAX + 2; number++)
        s_raise (&lineage, 1, 10 * number, number);
    assert_int_equal (lineage.size, ZB_LINEAGE_MAX);
    assert_int_equal (lineage.epoch[0].number, 3);
    assert_true (zb_lineage_has (&lineage, 2, 2));
    assert_true (zb_lineage_holds (&lineage, 1000, 2, 2, 29));
    assert_false (zb_lineage_holds (&lineage, 1000, 2, 2, 30));
    assert_false (zb_lineage_has (&lineage, 4, 2));
}

//  A split gives two epochs one number.  The backup's is forgotten first, and counts as known like any, also while the
//  primary's is the oldest one kept.
static void test_of_twins_the_forgotten_one_is_known (void **unused)
{
    (void) unused;
    zb_lineage_t lineage = {0};
    uint64_t of = zb_epoch_base (1, 2) + 9;
    s_raise (&lineage, 1, 10, 1);
    assert_false (zb_lineage_has (&lineage, 1, 2) || zb_lineage_had (&lineage, of));
    zb_lineage_absorb (&lineage, 1, 2, 0);
    for (uint64_t number = 2; number <= ZB_LINEAGE_KEPT; number++) {
        assert_true (zb_lineage_has (&lineage, 1, 2) && zb_lineage_had (&lineage, of));
        s_raise (&lineage, 1, 10 * number, number);
        zb_lineage_cut (&lineage, ZB_LINEAGE_KEPT);
    }
    assert_int_equal (lineage.size, ZB_LINEAGE_KEPT);
    assert_int_equal (lineage.epoch[0].node, 1);
    assert_int_equal (lineage.epoch[0].number, 1);
    assert_true (zb_lineage_has (&lineage, 1, 2) && zb_lineage_had (&lineage, of));
    assert_true (zb_lineage_older (&lineage, 1, 2));
    assert_false (zb_lineage_older (&lineage, 1, 1) || zb_lineage_older (&lineage, 2, 2));
}

//  The winner of a split is at 3 of the primary, and was at 1 before; the loser was at 2 and 3 of the backup.
static void test_absorbed_epochs_are_known_and_never_the_newest (void **unused)
{
    (void) unused;
    zb_lineage_t lineage = {0}, back;
    s_raise (&lineage, 1, 1, 1);
    s_raise (&lineage, 1, 10, 2);
    s_raise (&lineage, 1, 20, 3);
    zb_lineage_absorb (&lineage, 3, 2, 0);
    zb_lineage_absorb (&lineage, 2, 2, 0);
    zb_lineage_absorb (&lineage, 2, 2, 0);
    assert_int_equal (lineage.size, 5);
    assert_int_equal (zb_lineage_newest (&lineage).node, 1);
    assert_true (zb_lineage_has (&lineage, 2, 2));
    assert_true (zb_lineage_lists (&lineage, 3, 2));
    assert_true (zb_lineage_holds (&lineage, 25, 2, 2, 1000));
    assert_true (zb_lineage_holds (&lineage, 25, 2, 1, 19));
    assert_false (zb_lineage_holds (&lineage, 25, 2, 1, 20));
    uint8_t data[ZB_LINEAGE_MAX * ZB_EPOCH_SIZE], again[sizeof data];
    size_t size = zb_lineage_encode (&lineage, data);
    assert_int_equal (zb_lineage_decode (&back, data, size), 0);
    assert_int_equal (zb_lineage_encode (&back, again), size);
    assert_memory_equal (data, again, size);
    s_raise (&lineage, 2, 30, 4);
}

static void test_a_store_knows_which_messages_it_has_held (void **unused)
{
    (void) unused;
    zb_lineage_t lineage = {0};
    uint64_t one = zb_epoch_base (1, 1), two = zb_epoch_base (2, 2);
    s_raise (&lineage, 1, 1, 1);
    s_raise (&lineage, 2, 10, 2);
    lineage.epoch[1].before = one + 5;
    assert_true (zb_lineage_had (&lineage, one + 5));
    assert_false (zb_lineage_had (&lineage, one + 6));
    assert_true (zb_lineage_had (&lineage, two + 1000000));
    assert_false (zb_lineage_had (&lineage, zb_epoch_base (2, 1) + 1));
    assert_false (zb_lineage_had (&lineage, zb_epoch_base (3, 2) + 1));
    zb_lineage_absorb (&lineage, 1, 2, 0);
    assert_true (zb_lineage_had (&lineage, zb_epoch_base (1, 2) + 9));
    assert_true (zb_lineage_had (&lineage, one + 5));
    assert_false (zb_lineage_had (&lineage, one + 6));
    //  Ids say who raised their epoch, and the primary's are above.
    assert_int_equal (zb_epoch_number (one + 5), 1);
    assert_int_equal (zb_epoch_node (one + 5), 1);
    assert_int_equal (zb_epoch_node (two + 5), 2);
    assert_true (zb_epoch_base (2, 1) > two + (UINT64_C (1) << 38));
}

//  The winner has lived through a part of 2 of the backup, in which the loser went on.
static void test_what_was_held_in_part_is_absorbed_too (void **unused)
{
    (void) unused;
    zb_lineage_t winner = {0}, loser;
    uint64_t one = zb_epoch_base (1, 1), two = zb_epoch_base (2, 2);
    s_raise (&winner, 1, 1, 1);
    s_raise (&winner, 2, 10, 2);
    winner.epoch[1].before = one + 5;
    loser = winner;
    s_raise (&winner, 1, 20, 3);
    winner.epoch[2].before = two + 7;
    assert_true (zb_lineage_lists (&winner, 2, 2));
    assert_false (zb_lineage_absorbed (&winner, 2, 2));
    assert_false (zb_lineage_had (&winner, two + 8));
    zb_lineage_absorb_all (&winner, &loser);
    assert_int_equal (winner.size, 3);
    assert_true (zb_lineage_absorbed (&winner, 2, 2));
    assert_true (zb_lineage_had (&winner, two + 8));
    assert_true (zb_lineage_holds (&winner, 25, 2, 2, 1000));
    //  What both held before stays as it was.
    assert_false (zb_lineage_absorbed (&winner, 1, 1));
}

//  It grows while a broker is alone, and is cut when the peer has all: who parted before that meets it until then, and a
//  store that parted later meets it after that.
static void test_a_long_list_reaches_back_until_it_is_cut (void **unused)
{
    (void) unused;
    zb_lineage_t one = {0}, parted, back;
    static uint8_t row[ZB_LINEAGE_MAX * ZB_EPOCH_SIZE];
    s_raise (&one, 1, 1, 1);
    parted = one;
    s_raise (&parted, 2, 2, 2);
    for (uint64_t number = 2; number <= 201; number++) {
        s_raise (&one, 1, 10 * number, number);
        one.epoch[one.size - 1].before = zb_epoch_base (number - 1, 1) + 5;
    }
    assert_int_equal (zb_lineage_decode (&back, row, zb_lineage_encode (&one, row)), 0);
    assert_int_equal (back.size, 201);
    assert_true (zb_lineage_meets (&back, &parted) && zb_lineage_meets (&parted, &back));
    assert_false (zb_lineage_has (&back, 2, 2) || zb_lineage_has (&parted, 100, 1));
    assert_true (zb_lineage_had (&back, zb_epoch_base (100, 1) + 5));
    assert_false (zb_lineage_had (&back, zb_epoch_base (100, 1) + 6));
    assert_true (zb_lineage_holds (&back, 5000, 100, 1, 1009));
    assert_false (zb_lineage_holds (&back, 5000, 100, 1, 1010));
    //  The winner absorbs all that the loser has raised.
    zb_lineage_t winner = parted;
    zb_lineage_absorb_all (&winner, &back);
    assert_int_equal (winner.size, 202);
    assert_true (zb_lineage_absorbed (&winner, 100, 1) && zb_lineage_absorbed (&winner, 201, 1));
    zb_lineage_cut (&back, ZB_LINEAGE_MAX);
    assert_int_equal (back.size, 201);
    zb_lineage_cut (&back, ZB_LINEAGE_KEPT);
    assert_int_equal (back.size, ZB_LINEAGE_KEPT);
    assert_int_equal (zb_lineage_newest (&back).number, 201);
    assert_true (zb_lineage_older (&back, 201 - ZB_LINEAGE_KEPT, 1));
    assert_false (zb_lineage_meets (&back, &parted) || zb_lineage_meets (&parted, &back));
    parted = back;
    s_raise (&parted, 2, 5000, 202);
    s_raise (&back, 1, 5001, 202);
    assert_true (zb_lineage_meets (&back, &parted) && zb_lineage_meets (&one, &parted));
}

//  What was never used gives no range, however much of it there is.
static void test_ranges_of_a_long_list (void **unused)
{
    (void) unused;
    zb_lineage_t lineage = {0};
    s_raise (&lineage, 1, 1, 1);
    for (uint64_t number = 2; number <= ZB_LINEAGE_MAX; number++) {
        s_raise (&lineage, 1, 10 * number, number);
        lineage.epoch[lineage.size - 1].before = zb_epoch_base (1, 1) + 3;
    }
    uint64_t first = 0, last = 0;
    size_t index = 0;
    assert_true (zb_lineage_range (&lineage, &index, &first, &last));
    assert_int_equal (first, 1);
    assert_int_equal (last, zb_epoch_base (1, 1));
    assert_true (zb_lineage_range (&lineage, &index, &first, &last));
    assert_int_equal (first, zb_epoch_base (1, 1) + 1);
    assert_int_equal (last, zb_epoch_base (1, 1) + 3);
    assert_true (zb_lineage_range (&lineage, &index, &first, &last));
    assert_int_equal (first, zb_epoch_base (ZB_LINEAGE_MAX, 1) + 1);
    assert_false (zb_lineage_range (&lineage, &index, &first, &last));
    assert_false (zb_lineage_range (&lineage, &index, &first, &last));
}

//  Two lists meet as long as each has an epoch of before they parted, or has forgotten nothing.
static void test_lists_of_stores_that_parted_meet (void **unused)
{
    (void) unused;
    zb_lineage_t one = {0}, other;
    s_raise (&one, 1, 1, 1);
    s_raise (&one, 1, 10, 2);
    other = one;
    s_raise (&other, 2, 20, 3);
    for (uint64_t number = 3; number <= ZB_LINEAGE_MAX + 1; number++) {
        assert_true (zb_lineage_meets (&one, &other) && zb_lineage_meets (&other, &one));
        s_raise (&one, 1, 10 * number, number);
    }
    //  2 of the primary is what they share; if it was absorbed, it is no longer known up to where.
    assert_int_equal (one.epoch[0].number, 2);
    assert_true (zb_lineage_meets (&one, &other) && zb_lineage_meets (&other, &one));
    zb_lineage_t absorbed = one;
    zb_lineage_absorb (&absorbed, 2, 1, 0);
    assert_false (zb_lineage_meets (&absorbed, &other) || zb_lineage_meets (&other, &absorbed));
    s_raise (&one, 1, 20 * ZB_LINEAGE_MAX, ZB_LINEAGE_MAX + 2);
    assert_false (zb_lineage_meets (&one, &other) || zb_lineage_meets (&other, &one));
    //  The same numbers of the other node, or begun with another commit, are other epochs.
    zb_lineage_absorb (&one, 3, 2, 0);
    assert_false (zb_lineage_meets (&one, &other) || zb_lineage_meets (&other, &one));
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_an_empty_lineage_knows_nothing),
        cmocka_unit_test (test_what_is_written_is_read),
        cmocka_unit_test (test_malformed_rows_are_refused),
        cmocka_unit_test (test_an_epoch_is_a_number_and_a_node),
        cmocka_unit_test (test_the_oldest_are_forgotten_and_count_as_known),
        cmocka_unit_test (test_of_twins_the_forgotten_one_is_known),
        cmocka_unit_test (test_absorbed_epochs_are_known_and_never_the_newest),
        cmocka_unit_test (test_a_store_knows_which_messages_it_has_held),
        cmocka_unit_test (test_what_was_held_in_part_is_absorbed_too),
        cmocka_unit_test (test_a_long_list_reaches_back_until_it_is_cut),
        cmocka_unit_test (test_ranges_of_a_long_list),
        cmocka_unit_test (test_lists_of_stores_that_parted_meet),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
