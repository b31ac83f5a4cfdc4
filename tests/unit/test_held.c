/*  =========================================================================
    test_held - do requests wait for their principal, in order, and within bounds?

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

#include "io/broker/held.h"

#define ROOM (1 << 20)

static zb_held_t *s_held;

static int s_begin (void **state)
{
    (void) state;
    s_held = zb_held_new ();
    zb_held_limits (s_held, ROOM, ROOM);
    return 0;
}

static int s_end (void **state)
{
    (void) state;
    zb_held_destroy (&s_held);
    return 0;
}

//  A request of the routing id and this text comes; whether there is room for it.
static bool s_add (const char *routing, const char *key, const char *text, int64_t until)
{
    zmq_msg_t message[2];
    zmq_msg_init_size (&message[0], strlen (routing));
    memcpy (zmq_msg_data (&message[0]), routing, strlen (routing));
    zmq_msg_init_size (&message[1], strlen (text));
    memcpy (zmq_msg_data (&message[1]), text, strlen (text));
    zb_letter_t letter = {.message = message, .size = 2, .bytes = strlen (text), .whole = true};
    bool added = zb_held_add (s_held, zb_frame (routing), zb_frame (key), &letter, until);
    for (int index = 0; index < 2; index++)
        zmq_msg_close (&message[index]);
    return added;
}

//  The next one at this time has this text; NULL: none comes.
static void s_next (int64_t now, const char *text)
{
    zb_letter_t letter;
    assert_int_equal (zb_held_next (s_held, now, &letter), text != NULL);
    if (text) {
        assert_int_equal (zmq_msg_size (&letter.message[1]), strlen (text));
        assert_memory_equal (zmq_msg_data (&letter.message[1]), text, strlen (text));
        assert_true (letter.whole);
    }
}

static void test_each_principal_in_order (void **state)
{
    (void) state;
    assert_false (zb_held_has (s_held, zb_frame ("alice")));
    assert_true (s_add ("1", "alice", "one", 100));
    assert_true (s_add ("2", "alice", "two", 50));
    assert_true (s_add ("3", "bob", "other", 70));
    assert_true (s_add ("1", "alice", "three", 10));
    assert_true (zb_held_has (s_held, zb_frame ("alice")) && zb_held_has (s_held, zb_frame ("bob")));
    s_next (69, NULL);
    s_next (70, "other");
    zb_held_done (s_held);
    assert_false (zb_held_has (s_held, zb_frame ("bob")));
    s_next (99, NULL);
    s_next (100, "one");
    zb_held_again (s_held, 120);
    s_next (119, NULL);
    s_next (120, "one");
    zb_held_done (s_held);
    s_next (120, "two");
    zb_held_done (s_held);
    s_next (120, "three");
    zb_held_done (s_held);
    s_next (1000, NULL);
    zb_held_done (s_held);
}

//  What waits of a connection goes with it.
static void test_who_has_gone (void **state)
{
    (void) state;
    assert_true (s_add ("1", "alice", "one", 0));
    assert_true (s_add ("2", "alice", "two", 0));
    assert_true (s_add ("1", "alice", "three", 0));
    zb_held_drop (s_held, zb_frame ("1"));
    zb_held_drop (s_held, zb_frame ("1"));
    s_next (0, "two");
    zb_held_done (s_held);
    assert_false (zb_held_has (s_held, zb_frame ("alice")));
    assert_true (s_add ("1", "alice", "four", 0));
}

static int s_fill (const char *key)
{
    int count = 0;
    while (s_add ("1", key, "some text", 0))
        count++;
    return count;
}

//  Of one, and of all; and there is room again when some are done.
static void test_bounds (void **state)
{
    (void) state;
    zb_held_limits (s_held, ROOM / 4, ROOM);
    int one = s_fill ("a");
    assert_in_range (one, 100, ROOM / 4 / 9);
    assert_int_equal (s_fill ("b"), one);
    assert_int_equal (s_fill ("c"), one);
    s_next (0, "some text");
    zb_held_done (s_held);
    assert_int_equal (s_fill ("a") + s_fill ("b") + s_fill ("c"), 1);
    s_fill ("d");
    assert_true (s_fill ("e") < 5);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown (test_each_principal_in_order, s_begin, s_end),
        cmocka_unit_test_setup_teardown (test_who_has_gone, s_begin, s_end),
        cmocka_unit_test_setup_teardown (test_bounds, s_begin, s_end),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
