/*  =========================================================================
    test_pairtime - does the time of a pair ever go back, or run away?

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "core/base/pairtime.h"

#define DAY 86400000

//  So long, told in such steps, while the wall clock is so much ahead of the monotonic one.
static void s_pass (zb_pairtime_t *self, int64_t *now, int64_t passes, int64_t step, int64_t ahead)
{
    for (int64_t end = *now + passes; *now < end; *now += step) {
        uint64_t before = self->time;
        zb_pairtime_tell (self, *now + ahead, *now);
        assert_true (self->time >= before);
    }
}

static void test_it_is_the_wall_clock (void **unused)
{
    (void) unused;
    zb_pairtime_t self = {0};
    int64_t now = 5000;
    zb_pairtime_tell (&self, -7, now);
    assert_int_equal (self.time, 0);
    s_pass (&self, &now, 10000, 3, DAY);
    assert_int_equal (self.time, now - 3 + DAY);
}

//  A clock that is set ahead, or back, is followed a tenth at a time, whatever the steps; and then it is there.
static void test_a_jump_is_followed_slowly (void **unused)
{
    (void) unused;
    for (int64_t jump = -60000; jump <= 60000; jump += 120000)
        for (int64_t step = 1; step <= 1000; step *= 10) {
            zb_pairtime_t self = {0};
            int64_t now = 0;
            s_pass (&self, &now, 1000, step, DAY);
            uint64_t time = self.time;
            s_pass (&self, &now, 100000, step, DAY + jump);
            assert_in_range (self.time - time, jump > 0 ? 109000 : 89000, jump > 0 ? 111000 : 91000);
            s_pass (&self, &now, 600000, step, DAY + jump);
            assert_in_range (self.time, now - step + DAY + jump - step / 10 - 1,
                             now - step + DAY + jump + step / 10 + 1);
        }
}

//  Who takes over from a broker whose clock is a day ahead goes on from there; and does not stand still for a day.
static void test_a_lead_goes_on_from_the_store (void **unused)
{
    (void) unused;
    zb_pairtime_t self = {0};
    int64_t now = 1000;
    zb_pairtime_tell (&self, now + DAY, now);
    zb_pairtime_keep (&self, (uint64_t) (now + 2 * DAY));
    assert_int_equal (self.time, now + 2 * DAY);
    s_pass (&self, &now, 10000, 10, DAY);
    assert_in_range (self.time, 1000 + 2 * DAY + 8900, 1000 + 2 * DAY + 9100);
    //  The store may be read before a clock is: what has passed before is not counted.
    zb_pairtime_t other = {0};
    zb_pairtime_keep (&other, 2 * DAY);
    zb_pairtime_tell (&other, DAY, 5 * DAY);
    assert_int_equal (other.time, 2 * DAY);
    //  What is older changes nothing.
    uint64_t time = self.time;
    zb_pairtime_keep (&self, time - 1);
    assert_int_equal (self.time, time);
}

static void test_clocks_that_say_nothing (void **unused)
{
    (void) unused;
    zb_pairtime_t self = {0};
    zb_pairtime_tell (&self, DAY, 1000);
    zb_pairtime_tell (&self, 0, 2000);
    assert_int_equal (self.time, DAY + 1000);
    zb_pairtime_tell (&self, DAY + 1000, 1500);
    assert_int_equal (self.time, DAY + 1000);
    zb_pairtime_tell (&self, INT64_MAX, 2000);
    zb_pairtime_tell (&self, ZB_PAIRTIME_MOST + 1, 2000);
    assert_int_equal (self.time, DAY + 1000);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_it_is_the_wall_clock),
        cmocka_unit_test (test_a_jump_is_followed_slowly),
        cmocka_unit_test (test_a_lead_goes_on_from_the_store),
        cmocka_unit_test (test_clocks_that_say_nothing),
    };
    return cmocka_run_group_tests_name ("pairtime", tests, NULL, NULL);
}
