/*  =========================================================================
    test_nearest - the nearest of the words that are known

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <czmq.h>

#include "io/base/nearest.h"

static void test_nearest (void **state)
{
    (void) state;
    assert_int_equal (zb_nearest_distance ("", ""), 0);
    assert_int_equal (zb_nearest_distance ("put", "put"), 0);
    assert_int_equal (zb_nearest_distance ("", "put"), 3);
    assert_int_equal (zb_nearest_distance ("putt", "put"), 1);
    assert_int_equal (zb_nearest_distance ("upt", "put"), 1);
    assert_int_equal (zb_nearest_distance ("gut", "put"), 1);
    assert_int_equal (zb_nearest_distance ("status", "serve"), 5);
    static const char *const known[] = {"serve", "status", "put", "get"};
    assert_string_equal (zb_nearest ("stauts", known, 4), "status");
    assert_string_equal (zb_nearest ("pt", known, 4), "put");
    assert_null (zb_nearest ("x", known, 0));
    char word[200];
    memset (word, 'x', sizeof word - 1);
    word[sizeof word - 1] = 0;
    assert_non_null (zb_nearest (word, known, 4));
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_nearest),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
