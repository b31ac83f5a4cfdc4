/*  =========================================================================
    test_level - which stores does a program read, and which two make a pair?

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "core/base/bytes.h"
#include "core/base/level.h"
#include "core/base/limits.h"

static zb_level_t s_level (unsigned least, unsigned most, unsigned store)
{
    return (zb_level_t){.least = least, .most = most, .store = store, .version = "0.7.1", .needs = "0.7.0"};
}

static void test_each_level_has_a_version (void **unused)
{
    (void) unused;
    zb_level_t own = zb_level_program ();
    assert_int_equal (own.least, ZB_LEVEL_LEAST);
    assert_int_equal (own.most, ZB_LEVEL_MOST);
    assert_string_equal (own.version, PACKAGE_VERSION);
    for (unsigned level = ZB_LEVEL_LEAST; level <= ZB_LEVEL_MOST; level++)
        assert_true (zb_level_version (level)[0] >= '0' && zb_level_version (level)[0] <= '9');
    assert_string_equal (zb_level_version (0), "?");
    assert_string_equal (zb_level_version (ZB_LEVEL_MOST + 1), "?");
}

//  The first release's row is four bytes; a later program's names the version that its store takes.
static void test_the_row_comes_back (void **unused)
{
    (void) unused;
    uint8_t row[ZB_LEVEL_ROW_MAX];
    assert_int_equal (zb_level_row_encode (1, row), 4);
    for (unsigned level = ZB_LEVEL_LEAST; level <= ZB_LEVEL_MOST; level++) {
        zb_level_t found = {0};
        size_t size = zb_level_row_encode (level, row);
        assert_int_equal (zb_level_row_decode (&found, row, size), 0);
        assert_int_equal (found.store, level);
        assert_string_equal (found.needs, zb_level_version (level));
        assert_int_equal (zb_level_row_decode (&found, row, 3), -1);
    }
    zb_level_t later = {0};
    zb_put32 (row, 9);
    memcpy (row + 4, "0.9.0\n%s\x1b[2J!!!", 15);
    assert_int_equal (zb_level_row_decode (&later, row, 19), 0);
    assert_int_equal (later.store, 9);
    assert_string_equal (later.needs, "0.9.0s2J");
    zb_put32 (row, 0);
    assert_int_equal (zb_level_row_decode (&later, row, 4), -1);
}

static void test_a_heartbeat_says_it (void **unused)
{
    (void) unused;
    uint8_t data[ZB_LEVEL_SIZE];
    zb_level_t level = s_level (3, 70, 65), back = {0};
    level.noted = 66;
    zb_level_encode (&level, data);
    zb_level_decode (&back, data);
    assert_memory_equal (&back, &level, sizeof level);
    //  Texts without an end.
    memset (data + 8, '7', ZB_LEVEL_SIZE - 8);
    zb_level_decode (&back, data);
    assert_int_equal (strlen (back.version), ZB_VERSION_ROOM - 1);
    assert_int_equal (strlen (back.needs), ZB_VERSION_ROOM - 1);
}

static void test_neighbours_fit (void **unused)
{
    (void) unused;
    static const struct {
        unsigned least, most, store, peer_least, peer_most, peer_store;
        bool fits;
        unsigned common;
    } cases[] = {
        {1, 2, 2, 1, 2, 2, true, 2},  {1, 2, 2, 1, 2, 0, true, 2},  {1, 2, 0, 1, 2, 0, true, 2},
        {1, 2, 1, 1, 3, 1, true, 2},  {1, 2, 2, 2, 3, 2, true, 2},  {1, 2, 1, 2, 3, 0, false, 2},
        {1, 2, 2, 1, 3, 3, false, 2}, {1, 2, 0, 1, 3, 3, false, 2}, {1, 2, 0, 3, 4, 0, false, 2},
        {1, 2, 2, 1, 1, 1, false, 1}, {1, 2, 1, 1, 1, 1, true, 1},  {1, 2, 2, 0, 0, 0, true, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        zb_level_t own = s_level (cases[i].least, cases[i].most, cases[i].store),
                   peer = s_level (cases[i].peer_least, cases[i].peer_most, cases[i].peer_store);
        assert_int_equal (zb_level_fits (&own, &peer), cases[i].fits);
        assert_int_equal (zb_level_fits (&peer, &own), cases[i].fits);
        assert_int_equal (zb_level_common (&own, &peer), cases[i].common);
    }
}

//  Who is to be updated, and to what.
static void test_a_misfit_names_the_version (void **unused)
{
    (void) unused;
    char text[ZB_LEVEL_TEXT];
    zb_level_t own = s_level (1, 2, 2), peer = s_level (1, 9, 9);
    memcpy (own.version, "0.2.5", 6);
    zb_level_misfit (&own, &peer, text);
    assert_string_equal (text, "the other broker's store is of level 9, which takes zbroker 0.7.0 or later; this is "
                               "zbroker 0.2.5, which reads levels 1 to 2");
    peer = s_level (1, 1, 1);
    zb_level_misfit (&own, &peer, text);
    assert_string_equal (text,
                         "this store is of level 2, which takes zbroker 0.2.0 or later; the other broker is zbroker "
                         "0.7.1, which reads levels 1 to 1: update it");
    own.store = 0;
    peer = s_level (4, 9, 0);
    zb_level_misfit (&own, &peer, text);
    assert_string_equal (text,
                         "this is zbroker 0.2.5, which reads levels 1 to 2, the other broker is zbroker 0.7.1, which "
                         "reads levels 4 to 9: update this one");
    zb_level_t store = {.store = 70000};
    memset (store.needs, '7', ZB_VERSION_ROOM - 1);
    zb_level_beyond (&store, text);
    assert_non_null (strstr (text, "level 70000, which takes zbroker 777777777777777 or later"));
}

static void test_what_is_new_waits_for_its_level (void **unused)
{
    (void) unused;
    char text[ZB_LEVEL_TEXT];
    assert_null (zb_level_lacks (ZB_LEVEL_GRACE, ZB_LEVEL_GRACE, text));
    assert_null (zb_level_lacks (9, ZB_LEVEL_GRACE, text));
    const char *lacks = zb_level_lacks (1, ZB_LEVEL_GRACE, text);
    assert_string_equal (lacks,
                         "the store is of level 1, and this takes level 2: 'zbroker upgrade' tells what is missing "
                         "to raise it");
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_each_level_has_a_version),   cmocka_unit_test (test_the_row_comes_back),
        cmocka_unit_test (test_a_heartbeat_says_it),        cmocka_unit_test (test_neighbours_fit),
        cmocka_unit_test (test_a_misfit_names_the_version), cmocka_unit_test (test_what_is_new_waits_for_its_level),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
