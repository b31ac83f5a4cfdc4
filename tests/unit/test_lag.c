/*  =========================================================================
    test_lag - bytes that the other broker lacks

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "io/broker/lag.h"

static zb_lag_t s_lag;

//  A commit of 10 bytes.
static void s_add (uint64_t commit)
{
    zb_batch_t *batch = zb_batch_new ();
    zb_batch_put (batch, ZB_META, "key", 3, "value", 5);
    zb_batch_erase (batch, ZB_META, "ab", 2);
    zb_lag_add (&s_lag, commit, batch);
    zb_batch_destroy (&batch);
}

static void test_each_commit_counts (void **state)
{
    (void) state;
    s_lag = (zb_lag_t){0};
    assert_int_equal (zb_lag_behind (&s_lag, 0), 0);
    for (uint64_t commit = 100; commit < 110; commit++)
        s_add (commit);
    assert_int_equal (s_lag.bytes, 100);
    for (uint64_t commit = 99; commit < 110; commit++)
        assert_int_equal (zb_lag_behind (&s_lag, commit), (109 - commit) * 10);
    assert_int_equal (zb_lag_behind (&s_lag, 1000), 0);
    //  What was before is not known: all that is.
    assert_int_equal (zb_lag_behind (&s_lag, 0), 100);
    //  Another leadership goes on below; its bytes count on.
    s_add (105);
    assert_int_equal (s_lag.bytes, 110);
    assert_int_equal (zb_lag_behind (&s_lag, 104), 10);
    assert_int_equal (zb_lag_behind (&s_lag, 105), 0);
    assert_int_equal (zb_lag_behind (&s_lag, 50), 10);
}

//  However many there are, it is never too little, and hardly too much.
static void test_of_many_some_are_known (void **state)
{
    (void) state;
    s_lag = (zb_lag_t){0};
    const uint64_t newest = 300000;
    for (uint64_t commit = 1; commit <= newest; commit++)
        s_add (commit);
    for (uint64_t commit = 0; commit <= newest; commit++) {
        uint64_t true_bytes = (newest - commit) * 10, told = zb_lag_behind (&s_lag, commit);
        assert_true (told >= true_bytes);
        if (newest - commit < ZB_LAG_MOST / 4)
            assert_int_equal (told, true_bytes);
    }
    assert_int_equal (zb_lag_behind (&s_lag, 0), newest * 10);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_each_commit_counts),
        cmocka_unit_test (test_of_many_some_are_known),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
