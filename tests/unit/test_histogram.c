/*  =========================================================================
    test_histogram - percentiles are those of the values, to within a bucket

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================
*/

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tools/bench/histogram.h"

static histogram_t *s_new (void)
{
    histogram_t *self = (histogram_t *) calloc (1, sizeof *self);
    assert_non_null (self);
    return self;
}

static void test_empty (void **state)
{
    (void) state;
    histogram_t *self = s_new ();
    assert_int_equal (histogram_percentile (self, 50), 0);
    assert_int_equal (histogram_percentile (self, 100), 0);
    histogram_record (self, 17, 0);
    assert_int_equal (self->count, 0);
    assert_int_equal (self->max, 0);
    free (self);
}

static void test_small_values_are_exact (void **state)
{
    (void) state;
    histogram_t *self = s_new ();
    for (uint64_t value = 1; value <= 200; value++)
        histogram_record (self, value, 1);
    assert_int_equal (self->count, 200);
    assert_int_equal (histogram_percentile (self, 0), 1);
    assert_int_equal (histogram_percentile (self, 50), 100);
    assert_int_equal (histogram_percentile (self, 99), 198);
    assert_int_equal (histogram_percentile (self, 99.9), 200);
    assert_int_equal (histogram_percentile (self, 100), 200);
    free (self);
}

//  Around each power of two and at both ends of the range: never less than the value, and at most 1/128 more.
static void test_every_size_of_value (void **state)
{
    (void) state;
    for (unsigned bit = 0; bit < 64; bit++)
        for (int step = -1; step <= 1; step++) {
            uint64_t value = ((uint64_t) 1 << bit) + (uint64_t) step;
            histogram_t *self = s_new ();
            histogram_record (self, value, 1);
            histogram_record (self, UINT64_MAX, 1);
            uint64_t upper = histogram_percentile (self, 50);
            assert_true (upper >= value);
            assert_true (upper - value <= value / 128);
            assert_true (histogram_percentile (self, 100) == UINT64_MAX);
            free (self);
        }
}

//  Buckets do not overlap and leave nothing out: of two values the smaller one is never reported as the larger.
static void test_order (void **state)
{
    (void) state;
    uint64_t last = 0;
    for (uint64_t value = 1; value < UINT64_MAX / 3; value += value / 300 + 1) {
        histogram_t *self = s_new ();
        histogram_record (self, value, 3);
        histogram_record (self, UINT64_MAX, 1);
        uint64_t upper = histogram_percentile (self, 75);
        assert_true (upper >= value && upper >= last);
        last = upper;
        free (self);
    }
}

static void test_many (void **state)
{
    (void) state;
    histogram_t *self = s_new ();
    histogram_record (self, 100, 990);
    histogram_record (self, 1000000, 9);
    histogram_record (self, 5000000, 1);
    assert_int_equal (self->count, 1000);
    assert_int_equal (histogram_percentile (self, 99), 100);
    assert_in_range (histogram_percentile (self, 99.9), 1000000, 1000000 + 1000000 / 128);
    assert_int_equal (histogram_percentile (self, 99.95), 5000000);
    free (self);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_empty),
        cmocka_unit_test (test_small_values_are_exact),
        cmocka_unit_test (test_every_size_of_value),
        cmocka_unit_test (test_order),
        cmocka_unit_test (test_many),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
