/*  =========================================================================
    test_inflight - log positions become commits; a full list gets coarser, never wrong

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include "io/store/inflight.h"
#include "store_kit.h"

static zb_inflight_t s_list;

static void test_acked (void **state)
{
    (void) state;
    s_list.size = 0;
    assert_int_equal (zb_inflight_acked (&s_list, UINT64_MAX), 0);
    for (uint64_t commit = 1; commit <= 10; commit++)
        zb_inflight_add (&s_list, commit, commit * 100);
    assert_int_equal (zb_inflight_acked (&s_list, 99), 0);
    assert_int_equal (zb_inflight_acked (&s_list, 100), 1);
    assert_int_equal (zb_inflight_acked (&s_list, 599), 5);
    //  A later session of the same peer may say the same again, or a little more.
    assert_int_equal (zb_inflight_acked (&s_list, 599), 5);
    assert_int_equal (zb_inflight_acked (&s_list, 600), 6);
    assert_int_equal (zb_inflight_acked (&s_list, 5000), 10);
    assert_int_equal (s_list.size, 1);
    assert_int_equal (zb_inflight_acked (&s_list, 5000), 10);
}

static void test_away (void **state)
{
    (void) state;
    s_list.size = 0;
    for (uint64_t commit = 1; commit <= 100000; commit++) {
        zb_inflight_add (&s_list, commit, commit * 10);
        assert_true (s_list.size <= ZB_INFLIGHT_MAX);
        assert_int_equal (s_list.entry[s_list.size - 1].commit, commit);
    }
    for (uint64_t lsn = 0; lsn < 1000000; lsn += 997)
        assert_true (zb_inflight_acked (&s_list, lsn) <= lsn / 10);
    assert_int_equal (zb_inflight_acked (&s_list, 1000000), 100000);
}

int main (void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test (test_acked), cmocka_unit_test (test_away)};
    return cmocka_run_group_tests (tests, NULL, NULL);
}
