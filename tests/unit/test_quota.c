/*  =========================================================================
    test_quota - what a principal may use, and what of others

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "core/rights/quota.h"

static const uint8_t s_hash[ZB_MAP_KEY_SIZE];
static zb_principal_t s_alice, s_bob;
static zb_quota_t *s_quota;

static int s_begin (void **state)
{
    (void) state;
    memset (&s_alice, 0, sizeof s_alice);
    memset (&s_bob, 0, sizeof s_bob);
    memset (s_alice.key, 'a', ZB_KEY_SIZE);
    memset (s_bob.key, 'b', ZB_KEY_SIZE);
    s_quota = zb_quota_new (s_hash);
    return 0;
}

static int s_end (void **state)
{
    (void) state;
    zb_quota_destroy (&s_quota);
    return 0;
}

static int64_t s_use (const zb_principal_t *who, size_t bytes, size_t visits, int64_t now)
{
    return zb_quota_use (s_quota, who, bytes, visits, now);
}

//  So many at once, and only of this one; who is turned away leaves, too.  A limit that comes later counts who is there.
static void test_connections (void **state)
{
    (void) state;
    assert_true (zb_quota_enter (s_quota, &s_alice));
    s_alice.limit[ZB_LIMIT_CONNECTIONS] = 2;
    assert_true (zb_quota_enter (s_quota, &s_alice));
    assert_false (zb_quota_enter (s_quota, &s_alice));
    assert_true (zb_quota_enter (s_quota, &s_bob));
    zb_quota_leave (s_quota, zb_frame (s_alice.key), 0);
    assert_false (zb_quota_enter (s_quota, &s_alice));
    zb_quota_leave (s_quota, zb_frame (s_alice.key), 0);
    zb_quota_leave (s_quota, zb_frame (s_alice.key), 0);
    assert_true (zb_quota_enter (s_quota, &s_alice));
    //  Of nobody.
    zb_quota_leave (s_quota, zb_frame ("x"), 0);
}

//  A second's worth at once, then as many as its rate; whoever uses more owes it.
static void test_requests (void **state)
{
    (void) state;
    zb_quota_enter (s_quota, &s_alice);
    zb_quota_enter (s_quota, &s_bob);
    s_alice.limit[ZB_LIMIT_REQUESTS] = 100;
    for (int index = 0; index < 100; index++)
        assert_int_equal (s_use (&s_alice, 1 << 20, 0, 5000), 0);
    assert_int_equal (s_use (&s_alice, 0, 0, 5000), 10);
    assert_int_equal (s_use (&s_bob, 1 << 24, 1 << 20, 5000), 0);
    assert_int_equal (s_use (&s_alice, 0, 0, 5010), 10);
    assert_int_equal (s_use (&s_alice, 0, 0, 5030), 0);
    //  What is not used is not kept for longer than a second.
    int64_t wait = 0;
    for (int index = 0; index < 1000; index++)
        wait = s_use (&s_alice, 0, 0, 100000);
    assert_int_equal (wait, 9000);
    //  A limit that is taken away ends what is owed.
    s_alice.limit[ZB_LIMIT_REQUESTS] = 0;
    assert_int_equal (s_use (&s_alice, 0, 0, 100000), 0);
}

//  A request that makes the broker look at many messages is as many.
static void test_visits (void **state)
{
    (void) state;
    zb_quota_enter (s_quota, &s_alice);
    s_alice.limit[ZB_LIMIT_REQUESTS] = 100;
    assert_int_equal (s_use (&s_alice, 0, ZB_QUOTA_VISITS - 1, 0), 0);
    assert_int_equal (s_use (&s_alice, 0, 299 * ZB_QUOTA_VISITS, 0), 2010);
}

//  Small ones count, too, at the highest rate.
static void test_bytes (void **state)
{
    (void) state;
    zb_quota_enter (s_quota, &s_alice);
    s_alice.limit[ZB_LIMIT_BYTES] = 1000;
    s_alice.limit[ZB_LIMIT_REQUESTS] = 1000000;
    assert_int_equal (s_use (&s_alice, 1000, 0, 0), 0);
    assert_int_equal (s_use (&s_alice, 16 << 20, 0, 0), 16777216);
    s_alice.limit[ZB_LIMIT_BYTES] = 100000000;
    int64_t wait = 0;
    for (int index = 0; index < 50000000; index += 100)
        wait = s_use (&s_alice, 900, 0, 100000000);
    assert_int_equal (wait, 3500);
}

//  Nobody is rid of what he owes by coming anew; and nothing is kept of those who owe nothing.
static void test_who_comes_back (void **state)
{
    (void) state;
    s_alice.limit[ZB_LIMIT_REQUESTS] = 1;
    zb_quota_enter (s_quota, &s_alice);
    assert_int_equal (s_use (&s_alice, 0, 0, 1000), 0);
    assert_int_equal (s_use (&s_alice, 0, 0, 1000), 1000);
    zb_quota_leave (s_quota, zb_frame (s_alice.key), 1000);
    zb_quota_enter (s_quota, &s_alice);
    assert_int_equal (s_use (&s_alice, 0, 0, 1000), 2000);
    zb_quota_leave (s_quota, zb_frame (s_alice.key), 3000);
    assert_int_equal (s_use (&s_alice, 0, 0, 1000), 0);
}

//  What is owed is the principal's: known before a request is done, of whoever has no connection, too.
static void test_what_is_owed (void **state)
{
    (void) state;
    s_alice.limit[ZB_LIMIT_REQUESTS] = s_alice.limit[ZB_LIMIT_BYTES] = 10;
    assert_int_equal (zb_quota_owes (s_quota, &s_alice, 1000), 0);
    for (int index = 0; index < 12; index++)
        s_use (&s_alice, 0, 0, 1000);
    assert_int_equal (zb_quota_owes (s_quota, &s_alice, 1000), 200);
    assert_int_equal (zb_quota_owes (s_quota, &s_alice, 1150), 50);
    assert_int_equal (zb_quota_owes (s_quota, &s_alice, 1200), 0);
    assert_int_equal (zb_quota_owes (s_quota, &s_bob, 1000), 0);
    zb_quota_enter (s_quota, &s_alice);
    assert_int_equal (zb_quota_owes (s_quota, &s_alice, 1000), 200);
    assert_int_equal (s_use (&s_alice, 50, 0, 1000), 4000);
    assert_int_equal (zb_quota_owes (s_quota, &s_alice, 1000), 4000);
    //  A limit that was changed begins anew, the other one stands.
    s_alice.limit[ZB_LIMIT_BYTES] = 20;
    assert_int_equal (zb_quota_owes (s_quota, &s_alice, 1000), 300);
    s_alice.limit[ZB_LIMIT_REQUESTS] = 0;
    assert_int_equal (s_use (&s_alice, 20, 0, 1000), 0);
    assert_int_equal (s_use (&s_alice, 20, 0, 1000), 1000);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown (test_connections, s_begin, s_end),
        cmocka_unit_test_setup_teardown (test_requests, s_begin, s_end),
        cmocka_unit_test_setup_teardown (test_visits, s_begin, s_end),
        cmocka_unit_test_setup_teardown (test_bytes, s_begin, s_end),
        cmocka_unit_test_setup_teardown (test_who_comes_back, s_begin, s_end),
        cmocka_unit_test_setup_teardown (test_what_is_owed, s_begin, s_end),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
