/*  =========================================================================
    test_properties - what the builder makes is what a broker takes

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================
*/

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "core/wire/wire.h"
#include "zbroker.h"

static void s_are (const zb_properties_t *properties, const char *lines)
{
    assert_string_equal (zb_properties_lines (properties), lines);
    assert_null (zb_lines_check (zb_frame (zb_properties_lines (properties))));
}

static void test_set (void **state)
{
    (void) state;
    zb_properties_t *properties = zb_properties_new ();
    s_are (properties, "");
    assert_int_equal (zb_properties_set (properties, "colour", "red"), 0);
    s_are (properties, "colour=red");
    assert_int_equal (zb_properties_set (properties, "empty", ""), 0);
    assert_int_equal (zb_properties_set_number (properties, "expires", UINT64_MAX), 0);
    assert_int_equal (zb_properties_set (properties, "formula", "a=b\xc3\xa4"), 0);
    s_are (properties, "colour=red\nempty=\nexpires=18446744073709551615\nformula=a=b\xc3\xa4");
    //  The first, one between, and the last one are changed and go.
    assert_int_equal (zb_properties_set (properties, "colour", "blue"), 0);
    s_are (properties, "empty=\nexpires=18446744073709551615\nformula=a=b\xc3\xa4\ncolour=blue");
    assert_int_equal (zb_properties_set (properties, "expires", NULL), 0);
    s_are (properties, "empty=\nformula=a=b\xc3\xa4\ncolour=blue");
    assert_int_equal (zb_properties_set (properties, "colour", NULL), 0);
    assert_int_equal (zb_properties_set (properties, "col", NULL), 0);
    s_are (properties, "empty=\nformula=a=b\xc3\xa4");
    assert_int_equal (zb_properties_set (properties, "empty", NULL), 0);
    assert_int_equal (zb_properties_set (properties, "formula", NULL), 0);
    s_are (properties, "");
    assert_string_equal (zb_properties_wrong (properties), "");
    zb_properties_destroy (&properties);
    assert_null (properties);
    zb_properties_destroy (&properties);
    s_are (NULL, "");
}

static void s_refuses (zb_properties_t *properties, const char *name, const char *value)
{
    assert_int_equal (zb_properties_set (properties, name, value), -1);
    assert_true (*zb_properties_wrong (properties));
    s_are (properties, "colour=red");
}

static void test_wrong (void **state)
{
    (void) state;
    zb_properties_t *properties = zb_properties_new ();
    assert_int_equal (zb_properties_set (properties, "colour", "red"), 0);
    s_refuses (properties, "", "x");
    s_refuses (properties, "a b", "x");
    s_refuses (properties, "a\tb", "x");
    //  These two would be two properties, or another one.
    s_refuses (properties, "a=1\nacks", "orders 7");
    s_refuses (properties, "a", "1\nacks=orders 7");
    s_refuses (properties, "a", "1\n");
    s_refuses (properties, "a=b", "x");
    s_refuses (properties, "a", "\x01");
    s_refuses (properties, "a", "\xff");
    char name[257];
    memset (name, 'n', sizeof (name));
    name[256] = 0;
    s_refuses (properties, name, "x");
    name[255] = 0;
    assert_int_equal (zb_properties_set (properties, name, "x"), 0);
    //  A wrong value leaves the one that was there.
    assert_int_equal (zb_properties_set (properties, name, NULL), 0);
    s_refuses (properties, "colour", "re\nd");
    zb_properties_destroy (&properties);
}

static void s_refuses_acks (zb_properties_t *properties, const char *queue, const char *ids)
{
    assert_int_equal (zb_properties_set_acks (properties, queue, ids), -1);
    assert_true (*zb_properties_wrong (properties));
    s_are (properties, "acks=prices/audit 17 19");
}

static void test_acks (void **state)
{
    (void) state;
    zb_properties_t *properties = zb_properties_new ();
    assert_int_equal (zb_properties_set_acks (properties, "orders", "16"), 0);
    assert_int_equal (zb_properties_set_acks (properties, "prices/audit", "17 19"), 0);
    s_are (properties, "acks=prices/audit 17 19");
    //  A broker takes these for a property of the program's own, and would acknowledge nothing.
    s_refuses_acks (properties, "orders", "");
    s_refuses_acks (properties, "orders", " 17");
    s_refuses_acks (properties, "orders", "x");
    s_refuses_acks (properties, "orders", "17..19");
    s_refuses_acks (properties, "no good", "17");
    s_refuses_acks (properties, "", "17");
    assert_int_equal (zb_properties_set_acks (properties, "orders", NULL), 0);
    s_are (properties, "");
    zb_properties_destroy (&properties);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_set),
        cmocka_unit_test (test_wrong),
        cmocka_unit_test (test_acks),
    };
    return cmocka_run_group_tests_name ("properties", tests, NULL, NULL);
}
