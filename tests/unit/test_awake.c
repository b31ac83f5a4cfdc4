/*  =========================================================================
    test_awake - when a thread looks again before it sleeps

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include "io/base/awake.h"
#include "store_kit.h"

static void s_waits (zb_awake_t *awake, unsigned times, int64_t took)
{
    while (times-- > 0)
        zb_awake_waited (awake, took);
}

static void test_short_waits (void **state)
{
    (void) state;
    zb_awake_t awake = {0};
    assert_false (zb_awake_looks (&awake, 0));
    s_waits (&awake, ZB_AWAKE_COST, ZB_AWAKE_LONGEST);
    assert_false (zb_awake_looks (&awake, 0));
    s_waits (&awake, 1, ZB_AWAKE_LONGEST);
    assert_true (zb_awake_looks (&awake, 0));
    //  However long they were short, it is soon over.
    s_waits (&awake, 1000, 1);
    s_waits (&awake, ZB_AWAKE_CREDIT / ZB_AWAKE_COST, ZB_AWAKE_LONGEST + 1);
    assert_false (zb_awake_looks (&awake, 0));
    //  Short and long in turn are not worth it.
    for (int turn = 0; turn < 10; turn++) {
        s_waits (&awake, 1, 1);
        assert_false (zb_awake_looks (&awake, 0));
        s_waits (&awake, 1, ZB_AWAKE_LONGEST + 1);
        assert_false (zb_awake_looks (&awake, 0));
    }
}

static void test_others_want_the_processor (void **state)
{
    (void) state;
    zb_awake_t awake = {0};
    s_waits (&awake, ZB_AWAKE_CREDIT, 1);
    assert_false (zb_awake_gave_way (&awake, 1000, 1000 + ZB_AWAKE_SHARED - 1));
    assert_true (zb_awake_looks (&awake, 1000 + ZB_AWAKE_SHARED));
    int64_t now = 1000 + ZB_AWAKE_SHARED;
    assert_true (zb_awake_gave_way (&awake, 1000, now));
    assert_false (zb_awake_looks (&awake, now + ZB_AWAKE_RESTS - 1));
    assert_true (zb_awake_looks (&awake, now + ZB_AWAKE_RESTS));
}

//  Looking or asleep, it is a poll.
static void test_a_poll (void **state)
{
    (void) state;
    zsock_t *end[2] = {zsock_new_pair ("@inproc://test-awake"), zsock_new_pair (">inproc://test-awake")};
    zmq_pollitem_t item = {zsock_resolve (end[0]), 0, ZMQ_POLLIN, 0};
    for (unsigned credit = 0; credit <= ZB_AWAKE_CREDIT; credit += ZB_AWAKE_CREDIT) {
        zb_awake_t awake = {.credit = credit};
        int64_t start = zclock_usecs ();
        assert_int_equal (zb_awake_poll (&awake, &item, 1, 5), 0);
        assert_true (zclock_usecs () - start >= 5000);
        assert_int_equal (awake.credit, credit ? credit - ZB_AWAKE_COST : 0);
        //  Asked not to wait, it has not waited.
        unsigned before = awake.credit;
        assert_int_equal (zb_awake_poll (&awake, &item, 1, 0), 0);
        assert_int_equal (awake.credit, before);
        assert_int_equal (zstr_send (end[1], "x"), 0);
        assert_int_equal (zb_awake_poll (&awake, &item, 1, -1), 1);
        assert_true (item.revents & ZMQ_POLLIN);
        char *text = zstr_recv (end[0]);
        freen (text);
    }
    zsock_destroy (&end[0]);
    zsock_destroy (&end[1]);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_short_waits),
        cmocka_unit_test (test_others_want_the_processor),
        cmocka_unit_test (test_a_poll),
    };
    return cmocka_run_group_tests_name ("awake", tests, NULL, NULL);
}
