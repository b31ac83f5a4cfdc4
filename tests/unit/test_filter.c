/*  =========================================================================
    test_filter - filters of subscriptions, and positions in a log

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/base/limits.h"
#include "core/wire/filter.h"
#include "core/wire/position.h"

static void test_what_is_taken (void **state)
{
    (void) state;
    static const struct {
        const char *filter, *properties;
        bool takes;
    } cases[] = {
        {"", "", true},
        {"", "subject=a", true},
        {"a", "subject=a", true},
        {"a", "subject=b", false},
        {"a", "subject=a.b", false},
        {"a", "", false},
        {"a", "other=a", false},
        {"a", "colour=red\nsubject=a\n", true},
        {"a", "subject=b\nsubject=a", false}, //  the first one counts
        {"a.b", "subject=a.b", true},
        {"a.b", "subject=a", false},
        {"*", "subject=a", true},
        {"*", "subject=a.b", false},
        {"*", "subject=", false},
        {"a.*", "subject=a.b", true},
        {"a.*", "subject=a", false},
        {"a.*", "subject=a.b.c", false},
        {"a.*.c", "subject=a.b.c", true},
        {"a.*.c", "subject=a.b.d", false},
        {">", "subject=a", true},
        {">", "subject=a.b.c", true},
        {">", "", false},
        {"a.>", "subject=a.b", true},
        {"a.>", "subject=a.b.c", true},
        {"a.>", "subject=a", false},
        {"a.>", "subject=ab.c", false},
        {"a.> b", "subject=b", true},
        {"a b c.*", "subject=c.d", true},
        {"a b c.*", "subject=d", false},
        {"*.*", "subject=a.", true}, //  a word may be empty
        {"\xc3\xa9.*", "subject=\xc3\xa9.x", true},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        zb_frame_t filter = zb_frame (cases[index].filter);
        assert_true (filter.size == 0 || !zb_filter_check (filter));
        if (zb_filter_takes (filter, zb_frame (cases[index].properties)) != cases[index].takes)
            fail_msg ("%s of %s", cases[index].filter, cases[index].properties);
    }
}

static void test_what_is_none (void **state)
{
    (void) state;
    static const char *const wrong[] = {"",   " ",    "a ", " a", "a  b", ".",   "a.", ".a",    "a..b", "a*",
                                        "*a", "a.b*", "**", "a>", ">a",   ">.a", ">>", "a.>.b", "a b.", "> >.b"};
    for (size_t index = 0; index < sizeof wrong / sizeof *wrong; index++)
        if (!zb_filter_check (zb_frame (wrong[index])))
            fail_msg ("'%s' is none", wrong[index]);
    char text[ZB_FILTER_MAX + 2];
    memset (text, 'a', sizeof text);
    assert_null (zb_filter_check ((zb_frame_t){text, ZB_FILTER_MAX}));
    assert_non_null (zb_filter_check ((zb_frame_t){text, ZB_FILTER_MAX + 1}));
}

static void test_positions (void **state)
{
    (void) state;
    static const struct {
        const char *text;
        zb_at_t how;
        uint64_t number;
    } cases[] = {{"new", ZB_AT_NEW, 0}, {"first", ZB_AT_FIRST, 0},
                 {"1", ZB_AT_ID, 1},    {"18446744073709551615", ZB_AT_ID, UINT64_MAX},
                 {"@0", ZB_AT_TIME, 0}, {"@1700000000000", ZB_AT_TIME, 1700000000000}};
    static const char *const wrong[] = {"", "New", "first ", "0", "01", "-1", "@", "@@1", "@-1", "@x", "1..2", "last"};
    zb_position_t position;
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        assert_true (zb_position_parse (&position, zb_frame (cases[index].text)));
        assert_true (position.how == cases[index].how && position.number == cases[index].number);
    }
    for (size_t index = 0; index < sizeof wrong / sizeof *wrong; index++)
        assert_false (zb_position_parse (&position, zb_frame (wrong[index])));
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_what_is_taken),
        cmocka_unit_test (test_what_is_none),
        cmocka_unit_test (test_positions),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
