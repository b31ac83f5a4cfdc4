/*  =========================================================================
    test_logline - a line of the log is one line, whatever its text holds

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>

#include "io/base/logline.h"

static const struct timespec s_when = {1769857200, 123456789};

static void test_for_people (void **state)
{
    (void) state;
    char line[ZB_LOGLINE_ROOM (100)];
    zb_logline (line, sizeof line, ZB_LOGLINE_TEXT, s_when, "warning", "zbroker/primary",
                "it \"hurts\", \\ and \n2026");
    assert_string_equal (line,
                         "2026-01-31T11:00:00.123+00:00 warning zbroker/primary: it \"hurts\", \\ and \\u000a2026");
}

//  What a program reads of it is what was said, but for what is not UTF-8.
static void test_for_programs (void **state)
{
    (void) state;
    static const struct {
        const char *said, *read;
    } cases[] = {{"", ""},
                 {"plain", "plain"},
                 {"\"quoted\" \\ back", "\"quoted\" \\ back"},
                 {"two\nlines\ttab \x01\x1f\x7f", "two\nlines\ttab \x01\x1f\x7f"},
                 {"next \xc2\x85 line", "next \xc2\x85 line"},
                 {"M\xc3\xbcller \xe2\x82\xac \xf0\x9f\x98\x80", "M\xc3\xbcller \xe2\x82\xac \xf0\x9f\x98\x80"},
                 {"bad \xff, \xc0\xaf, \xed\xa0\x80.", "bad \xef\xbf\xbd, \xef\xbf\xbd\xef\xbf\xbd, "
                                                       "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd."},
                 {"cut \xe2\x82", "cut \xef\xbf\xbd\xef\xbf\xbd"}};
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        char line[ZB_LOGLINE_ROOM (100)];
        zb_logline (line, sizeof line, ZB_LOGLINE_JSON, s_when, "info", "zbroker", cases[index].said);
        assert_null (strchr (line, '\n'));
        json_t *object = json_loads (line, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null (object);
        assert_int_equal (json_object_size (object), 4);
        assert_string_equal (json_string_value (json_object_get (object, "time")), "2026-01-31T11:00:00.123+00:00");
        assert_string_equal (json_string_value (json_object_get (object, "level")), "info");
        assert_string_equal (json_string_value (json_object_get (object, "from")), "zbroker");
        assert_string_equal (json_string_value (json_object_get (object, "text")), cases[index].read);
        json_decref (object);
    }
}

//  Cut at each place, it is still an object with valid UTF-8 in it.
static void test_it_is_cut_between_characters (void **state)
{
    (void) state;
    static const char text[] = "\xe2\x82\xac\"\n\\\xf0\x9f\x98\x80\xff";
    char whole[400];
    zb_logline (whole, sizeof whole, ZB_LOGLINE_JSON, s_when, "info", "z", text);
    size_t least = strlen (whole), before = 0;
    for (const char *at = strstr (whole, "text") + strlen ("text\":\""); at[2]; at++)
        least--;
    for (size_t room = least + 1; room <= strlen (whole) + 1; room++) {
        char *line = malloc (room);
        zb_logline (line, room, ZB_LOGLINE_JSON, s_when, "info", "z", text);
        assert_true (strlen (line) < room);
        json_t *object = json_loads (line, 0, NULL);
        assert_non_null (object);
        assert_true (strlen (line) >= before);
        before = strlen (line);
        json_decref (object);
        free (line);
    }
    assert_int_equal (before, strlen (whole));
}

//  No text needs more than the room that is named for it.
static void test_room (void **state)
{
    (void) state;
    char text[101], line[ZB_LOGLINE_ROOM (100)];
    memset (text, 1, 100);
    text[100] = 0;
    zb_logline (line, sizeof line, ZB_LOGLINE_JSON, s_when, "warning", "zbroker/primary", text);
    json_t *object = json_loads (line, 0, NULL);
    assert_string_equal (json_string_value (json_object_get (object, "text")), text);
    json_decref (object);
}

static void test_names (void **state)
{
    (void) state;
    zb_logline_form_t form = ZB_LOGLINE_TEXT;
    assert_int_equal (zb_logline_form ("json", &form), 0);
    assert_int_equal (form, ZB_LOGLINE_JSON);
    assert_int_equal (zb_logline_form ("lines", &form), 0);
    assert_int_equal (form, ZB_LOGLINE_TEXT);
    assert_int_equal (zb_logline_form ("JSON", &form), -1);
    assert_int_equal (zb_logline_form ("", &form), -1);
}

int main (void)
{
    setenv ("TZ", "UTC", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_for_people),
        cmocka_unit_test (test_for_programs),
        cmocka_unit_test (test_it_is_cut_between_characters),
        cmocka_unit_test (test_room),
        cmocka_unit_test (test_names),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
