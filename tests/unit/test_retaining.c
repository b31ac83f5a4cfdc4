/*  =========================================================================
    test_retaining - when rows of topics that keep all go, and when they stay

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

#include "core/queue/rows.h"
#include "rig.h"

#define TOPICS 100

static void s_ok (rig_t *rig, const char *line)
{
    rig_skip (rig);
    rig_say (rig, "c", line);
    assert_int_equal (rig_last (rig)->answer.status, ZB_ANSWER_OK);
}

//  Whether a PUT of one body of this size is OK.
static bool s_puts (rig_t *rig, size_t size)
{
    rig_skip (rig);
    rig_put (rig, "c", "1", "t", 1, size);
    rig_run (rig);
    return rig_last (rig)->answer.status == ZB_ANSWER_OK;
}

static size_t s_rows (rig_t *rig)
{
    zb_read_t *read = zb_read_new (0, 0);
    zb_read_add (read, ZB_LOG, "", 0, 0, 10000, SIZE_MAX);
    fake_store_read (rig->store, read);
    size_t rows = read->count[0];
    zb_read_destroy (&read);
    return rows;
}

//  Time for all that is to go.
static void s_pass (rig_t *rig)
{
    for (int count = 0; count < 5; count++)
        rig_wait (rig, 1000);
}

//  The newest row stays, also if it alone takes more than max-bytes, as what is around the messages counts; and holds back
//  no PUT, since it goes when there is another one.
static void test_the_newest_stays (void **state)
{
    (void) state;
    for (int takeover = 0; takeover < 2; takeover++) {
        rig_t *rig = rig_ready (NULL);
        s_ok (rig, "TOPIC|t|t|keep=all\nmax-bytes=1000");
        for (int count = 0; count < 5; count++) {
            assert_true (s_puts (rig, 1000));
            s_pass (rig);
            assert_int_equal (s_rows (rig), 1);
            if (!takeover)
                continue;
            rig_takeover (rig);
            rig_say (rig, "c", "HELLO|h");
            s_ok (rig, "TOPIC|t|t|");
            s_pass (rig);
            assert_int_equal (s_rows (rig), 1);
        }
        //  What comes in one turn is one row of more than twice that.
        rig_push (rig, "c", "PUT|1|t||a");
        for (int count = 0; count < 4; count++)
            rig_put (rig, "c", "1", "t", 1, 900);
        rig_run (rig);
        s_pass (rig);
        assert_int_equal (s_rows (rig), 1);
        assert_true (s_puts (rig, 1000));
        s_pass (rig);
        assert_int_equal (s_rows (rig), 1);
        rig_skip (rig);
        rig_say (rig, "c", "LIST|l||q");
        assert_non_null (strstr (rig_last (rig)->text, "\nmessages=1\nkind=topic"));
        rig_destroy (&rig);
    }
}

//  What goes while the first rows are being read, since the topic has not kept all for a moment, is gone once.
static void test_kept_otherwise_for_a_moment (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    s_ok (rig, "TOPIC|t|t|keep=all");
    s_ok (rig, "SUB|s|t/a|"); //  1:1
    for (int count = 0; count < 10; count++)
        assert_true (s_puts (rig, 10));
    rig_say (rig, "c", "GET|g|t/a|10|0|");
    s_ok (rig, "ACK|a|t/a|1:2..1:6");
    s_pass (rig);
    rig->stuck = true;
    s_ok (rig, "TOPIC|t|t|keep-messages=3");
    rig_wait (rig, 1000);
    assert_int_equal (rig->reads, 1);
    rig_push (rig, "c", "TOPIC|t|t|keep=subscribed\nkeep-messages=0");
    rig_push (rig, "c", "TOPIC|t|t|keep=all\nkeep-messages=3");
    rig_run (rig);
    rig->stuck = false;
    s_pass (rig);
    assert_int_equal (s_rows (rig), 3);
    rig_skip (rig);
    rig_say (rig, "c", "LIST|l||q");
    assert_non_null (strstr (rig_last (rig)->text, "messages=3\nkind=topic"));
    assert_non_null (strstr (rig_last (rig)->text, "messages=3\nleased=3"));
    rig_destroy (&rig);
}

//  Those that nobody has used since the lead began are all found, and few of them are read at a time.
static void test_few_are_loaded_at_a_time (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    char line[60];
    int64_t wall = 1000000;
    zb_engine_time (rig->engine, wall, rig->now);
    for (int number = 0; number < TOPICS; number++) {
        snprintf (line, sizeof line, "TOPIC|t|t%d|keep=all\nmax-age=5000", number);
        s_ok (rig, line);
        snprintf (line, sizeof line, "PUT|1|t%d||x", number);
        s_ok (rig, line);
    }
    rig_takeover (rig);
    zb_engine_time (rig->engine, wall, rig->now);
    rig_run (rig);
    rig->stuck = true;
    rig_wait (rig, 1000);
    assert_int_equal (rig->reads, 1);
    //  The names are there, and what that begins is not.
    zb_engine_loaded (rig->engine, &rig->read[0], rig->now);
    rig->reads = 0;
    for (int count = 0; count < 5; count++)
        rig_wait (rig, 1000);
    assert_in_range (rig->reads, 2, 10);
    rig->stuck = false;
    for (int count = 0; count < 80; count++) {
        rig_wait (rig, 1000);
        zb_engine_time (rig->engine, wall += 1000, rig->now);
    }
    assert_int_equal (s_rows (rig), 0);
    rig_destroy (&rig);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_the_newest_stays),
        cmocka_unit_test (test_kept_otherwise_for_a_moment),
        cmocka_unit_test (test_few_are_loaded_at_a_time),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
