/*  =========================================================================
    test_crowd - who may connect

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/wire/crowd.h"
#include "core/base/limits.h"
#include "core/base/map.h"

#define LOOPBACK 0x7f000001
#define ONE 0x0a000001
#define OTHER 0x0a000002

static const uint8_t s_key[ZB_MAP_KEY_SIZE];

static void s_leave (zb_crowd_t *self, uint32_t address, size_t count)
{
    while (count--)
        zb_crowd_leave (self, address);
}

static void test_in_all (void **state)
{
    (void) state;
    zb_crowd_t *self = zb_crowd_new (3, 100, s_key);
    assert_int_equal (zb_crowd_enter (self, LOOPBACK, 0), ZB_CROWD_ENTERS);
    assert_int_equal (zb_crowd_enter (self, ONE, 0), ZB_CROWD_ENTERS);
    assert_int_equal (zb_crowd_enter (self, OTHER, 0), ZB_CROWD_ENTERS);
    assert_int_equal (zb_crowd_enter (self, LOOPBACK, 0), ZB_CROWD_FULL);
    assert_int_equal (zb_crowd_enter (self, ONE, 0), ZB_CROWD_FULL);
    assert_int_equal (zb_crowd_size (self), 3);
    zb_crowd_leave (self, LOOPBACK);
    assert_int_equal (zb_crowd_enter (self, ONE, 0), ZB_CROWD_ENTERS);
    s_leave (self, ONE, 2);
    s_leave (self, OTHER, 1);
    zb_crowd_destroy (&self);
}

static void test_of_an_address (void **state)
{
    (void) state;
    zb_crowd_t *self = zb_crowd_new (100, 2, s_key);
    for (int count = 0; count < 2; count++) {
        assert_int_equal (zb_crowd_enter (self, ONE, 0), ZB_CROWD_ENTERS);
        assert_int_equal (zb_crowd_enter (self, LOOPBACK, 0), ZB_CROWD_ENTERS);
    }
    assert_int_equal (zb_crowd_enter (self, ONE, 0), ZB_CROWD_ADDRESS);
    assert_int_equal (zb_crowd_enter (self, OTHER, 0), ZB_CROWD_ENTERS);
    assert_int_equal (zb_crowd_enter (self, LOOPBACK, 0), ZB_CROWD_ENTERS);
    zb_crowd_leave (self, ONE);
    assert_int_equal (zb_crowd_enter (self, ONE, 0), ZB_CROWD_ENTERS);
    s_leave (self, ONE, 2);
    s_leave (self, OTHER, 1);
    s_leave (self, LOOPBACK, 3);
    zb_crowd_destroy (&self);
}

//  Leaving gives no token back: those who come and go are as many as those who stay.
static void test_a_second (void **state)
{
    (void) state;
    zb_crowd_t *self = zb_crowd_new (100, 100, s_key);
    int64_t now = 1000;
    for (int count = 0; count < ZB_CONNECT_BURST; count++) {
        assert_int_equal (zb_crowd_enter (self, ONE, now), ZB_CROWD_ENTERS);
        zb_crowd_leave (self, ONE);
    }
    assert_int_equal (zb_crowd_enter (self, ONE, now), ZB_CROWD_RATE);
    assert_int_equal (zb_crowd_enter (self, OTHER, now), ZB_CROWD_ENTERS);
    zb_crowd_leave (self, OTHER);
    //  So many a second, however finely time passes.
    size_t entered = 0;
    for (int passed = 0; passed < 1000; passed++, now++)
        for (int tries = 0; tries < 3; tries++)
            if (zb_crowd_enter (self, ONE, now) == ZB_CROWD_ENTERS) {
                zb_crowd_leave (self, ONE);
                entered++;
            }
    assert_in_range (entered, ZB_CONNECT_RATE - 1, ZB_CONNECT_RATE);
    //  A long rest fills the bucket, and no more.
    now += 3600000;
    entered = 0;
    while (zb_crowd_enter (self, ONE, now) == ZB_CROWD_ENTERS) {
        zb_crowd_leave (self, ONE);
        entered++;
    }
    assert_int_equal (entered, ZB_CONNECT_BURST);
    zb_crowd_destroy (&self);
}

//  Loopback has no bucket; and a clock that stands or steps back fills none.
static void test_no_bucket (void **state)
{
    (void) state;
    zb_crowd_t *self = zb_crowd_new (10000, 10000, s_key);
    for (int count = 0; count < 2 * ZB_CONNECT_BURST; count++)
        assert_int_equal (zb_crowd_enter (self, LOOPBACK, 0), ZB_CROWD_ENTERS);
    s_leave (self, LOOPBACK, 2 * ZB_CONNECT_BURST);
    for (int count = 0; count < ZB_CONNECT_BURST; count++)
        assert_int_equal (zb_crowd_enter (self, ONE, 5000 - count), ZB_CROWD_ENTERS);
    assert_int_equal (zb_crowd_enter (self, ONE, 0), ZB_CROWD_RATE);
    s_leave (self, ONE, ZB_CONNECT_BURST);
    zb_crowd_destroy (&self);
}

//  Any number of addresses may come and go: few are remembered.
static void test_many_addresses (void **state)
{
    (void) state;
    zb_crowd_t *self = zb_crowd_new (100000, 10, s_key);
    for (uint32_t address = 0; address < 50000; address++)
        assert_int_equal (zb_crowd_enter (self, ONE + address, address), ZB_CROWD_ENTERS);
    for (uint32_t address = 0; address < 50000; address++)
        zb_crowd_leave (self, ONE + address);
    for (uint32_t address = 0; address < 50000; address++) {
        assert_int_equal (zb_crowd_enter (self, ONE + address, 60000), ZB_CROWD_ENTERS);
        zb_crowd_leave (self, ONE + address);
    }
    assert_int_equal (zb_crowd_size (self), 0);
    zb_crowd_destroy (&self);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_in_all),    cmocka_unit_test (test_of_an_address),  cmocka_unit_test (test_a_second),
        cmocka_unit_test (test_no_bucket), cmocka_unit_test (test_many_addresses),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
