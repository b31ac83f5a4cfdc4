/*  =========================================================================
    test_events - what a broker remembers of what happened, and what it forgets

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>

#include "io/broker/events.h"

#define BEGUN 1700000000000

static json_t *s_ask (const zb_events_t *self, uint64_t after, uint64_t max)
{
    char *text = zb_events_json (self, "primary", after, max);
    json_t *json = json_loads (text, 0, NULL);
    assert_non_null (json);
    free (text);
    return json;
}

static size_t s_size (const json_t *page)
{
    return json_array_size (json_object_get (page, "events"));
}

static const json_t *s_at (const json_t *page, size_t index)
{
    const json_t *event = json_array_get (json_object_get (page, "events"), index);
    assert_non_null (event);
    return event;
}

static const char *s_text (const json_t *event, const char *name)
{
    const char *text = json_string_value (json_object_get (event, name));
    return text ? text : "";
}

static bool s_is (const json_t *page, const char *name)
{
    return json_is_true (json_object_get (page, name));
}

//  The N of an event's id.
static uint64_t s_n (const json_t *event)
{
    const char *dot = strchr (s_text (event, "id"), '.');
    assert_non_null (dot);
    return strtoull (dot + 1, NULL, 10);
}

static void test_what_is_told (void **state)
{
    (void) state;
    zb_events_t *self = zb_events_new (BEGUN);
    json_t *page = s_ask (self, 0, 10);
    assert_string_equal (s_text (page, "node"), "primary");
    assert_int_equal (s_size (page), 0);
    json_decref (page);
    zb_events_time (self, 3, BEGUN + 5, 100);
    zb_events_add (self, ZB_EVENT_ROLE, NULL, 0, "ACTIVE both");
    //  In one ms: N rises all the same.
    zb_events_add (self, ZB_EVENT_OPERATOR, "anna", 0x0A000001, "SWITCHOVER of an operator");
    //  The clock is set back: N does not fall.
    zb_events_time (self, 4, BEGUN - 1000, 200);
    zb_events_add (self, ZB_EVENT_REFUSED, NULL, 0x0A000002, "\xff<b>");
    page = s_ask (self, 0, 10);
    assert_int_equal (s_size (page), 3);
    assert_false (s_is (page, "missed") || s_is (page, "more"));
    assert_string_equal (s_text (s_at (page, 0), "id"), "3.1700000000005");
    assert_string_equal (s_text (s_at (page, 0), "kind"), "role");
    assert_true (json_is_null (json_object_get (s_at (page, 0), "principal")));
    assert_true (json_is_null (json_object_get (s_at (page, 0), "address")));
    assert_string_equal (s_text (s_at (page, 1), "id"), "3.1700000000006");
    assert_string_equal (s_text (s_at (page, 1), "principal"), "anna");
    assert_string_equal (s_text (s_at (page, 1), "address"), "10.0.0.1");
    assert_string_equal (s_text (s_at (page, 2), "id"), "4.1700000000007");
    assert_string_equal (s_text (s_at (page, 2), "text"), "?<b>");
    assert_int_equal (json_integer_value (json_object_get (s_at (page, 2), "time")), BEGUN - 1000);
    json_decref (page);
    zb_events_destroy (&self);
    assert_null (self);
}

static void test_pages (void **state)
{
    (void) state;
    zb_events_t *self = zb_events_new (BEGUN);
    char text[32];
    for (int index = 0; index < 10; index++) {
        zb_events_time (self, 1, BEGUN + 10 * index + 10, index);
        snprintf (text, sizeof text, "%d", index);
        zb_events_add (self, ZB_EVENT_ROLE, NULL, 0, text);
    }
    //  The newest, and then on from each.
    json_t *page = s_ask (self, 0, 4);
    assert_string_equal (s_text (s_at (page, 0), "text"), "6");
    assert_string_equal (s_text (s_at (page, 3), "text"), "9");
    assert_false (s_is (page, "more"));
    uint64_t newest = s_n (s_at (page, 3));
    json_decref (page);
    page = s_ask (self, newest, 4);
    assert_int_equal (s_size (page), 0);
    assert_false (s_is (page, "missed") || s_is (page, "more"));
    json_decref (page);
    page = s_ask (self, BEGUN + 30, 4);
    assert_string_equal (s_text (s_at (page, 0), "text"), "3");
    assert_int_equal (s_size (page), 4);
    assert_true (s_is (page, "more") && !s_is (page, "missed"));
    json_decref (page);
    //  One from before the start, and one that was never given.
    const uint64_t others[] = {BEGUN - 5, BEGUN + 1000000};
    for (size_t index = 0; index < 2; index++) {
        page = s_ask (self, others[index], 100);
        assert_int_equal (s_size (page), 10);
        assert_true (s_is (page, "missed"));
        json_decref (page);
    }
    zb_events_destroy (&self);
}

//  What strangers provoke is bounded in time and in room, and does not push out what the pair has done.
static void test_strangers_push_nothing_out (void **state)
{
    (void) state;
    zb_events_t *self = zb_events_new (BEGUN);
    int64_t now = 1;
    zb_events_time (self, 1, BEGUN + now, now);
    for (size_t index = 0; index < ZB_EVENTS_KEPT / 2; index++)
        zb_events_add (self, ZB_EVENT_TAKEOVER, NULL, 0, "kept");
    for (int each = 0; each < 1000; each++)
        zb_events_add (self, ZB_EVENT_REFUSED, NULL, 0, "no such right");
    json_t *page = s_ask (self, 0, ZB_EVENTS_KEPT);
    assert_int_equal (s_size (page), ZB_EVENTS_KEPT / 2 + 10);
    json_decref (page);
    for (int each = 0; each < 1000; each++) {
        now += 10000;
        zb_events_time (self, 1, BEGUN + now, now);
        for (int more = 0; more < 20; more++)
            zb_events_add (self, ZB_EVENT_HANDSHAKE, NULL, 0, "not known");
    }
    page = s_ask (self, 0, ZB_EVENTS_KEPT);
    assert_int_equal (s_size (page), ZB_EVENTS_KEPT);
    for (size_t index = 0; index < ZB_EVENTS_KEPT; index++)
        assert_string_equal (s_text (s_at (page, index), "text"), index < ZB_EVENTS_KEPT / 2 ? "kept" : "not known");
    //  The first one after a pause tells how many there were.
    assert_int_equal (json_integer_value (json_object_get (s_at (page, ZB_EVENTS_KEPT - 10), "left_out")), 10);
    assert_int_equal (json_integer_value (json_object_get (s_at (page, ZB_EVENTS_KEPT - 1), "left_out")), 0);
    uint64_t oldest = s_n (s_at (page, 0));
    json_decref (page);
    //  What is forgotten is missed by who asks behind it.
    page = s_ask (self, oldest, 1);
    assert_true (s_is (page, "missed"));
    json_decref (page);
    zb_events_add (self, ZB_EVENT_ROLE, NULL, 0, "ACTIVE");
    page = s_ask (self, 0, ZB_EVENTS_KEPT);
    assert_int_equal (s_size (page), ZB_EVENTS_KEPT);
    assert_string_equal (s_text (s_at (page, ZB_EVENTS_KEPT / 2), "text"), "not known");
    assert_string_equal (s_text (s_at (page, ZB_EVENTS_KEPT - 1), "text"), "ACTIVE");
    json_decref (page);
    zb_events_destroy (&self);
}

static void test_a_long_text_is_cut (void **state)
{
    (void) state;
    char text[3 * ZB_EVENT_TEXT];
    memset (text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    zb_events_t *self = zb_events_new (BEGUN);
    zb_events_add (self, ZB_EVENT_STORE, text, 0, text);
    json_t *page = s_ask (self, 0, 1);
    assert_int_equal (strlen (s_text (s_at (page, 0), "text")), ZB_EVENT_TEXT);
    json_decref (page);
    zb_events_destroy (&self);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_what_is_told),
        cmocka_unit_test (test_pages),
        cmocka_unit_test (test_strangers_push_nothing_out),
        cmocka_unit_test (test_a_long_text_is_cut),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
