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
#include "topic_kit.h"

#define TOPICS 100

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
        kit_ok (rig, "TOPIC|t|t|keep=all\nmax-bytes=1000");
        for (int count = 0; count < 5; count++) {
            assert_true (s_puts (rig, 1000));
            s_pass (rig);
            assert_int_equal (s_rows (rig), 1);
            if (!takeover)
                continue;
            rig_takeover (rig);
            rig_say (rig, "c", "HELLO|h");
            kit_ok (rig, "TOPIC|t|t|");
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
    kit_ok (rig, "TOPIC|t|t|keep=all");
    kit_ok (rig, "SUB|s|t/a|"); //  1:1
    for (int count = 0; count < 10; count++)
        assert_true (s_puts (rig, 10));
    rig_say (rig, "c", "GET|g|t/a|10|0|");
    kit_ok (rig, "ACK|a|t/a|1:2..1:6");
    s_pass (rig);
    rig->stuck = true;
    kit_ok (rig, "TOPIC|t|t|keep-messages=3");
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
        kit_ok (rig, line);
        snprintf (line, sizeof line, "PUT|1|t%d||x", number);
        kit_ok (rig, line);
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

//  A topic t that keeps all, with these options.
static rig_t *s_open_kept (const char *options)
{
    char line[80];
    rig_t *rig = rig_ready (NULL);
    snprintf (line, sizeof line, "TOPIC|t|t|keep=all\n%s", options);
    kit_ok (rig, line);
    return rig;
}

//  Whatever subscriptions do, and without one.
static void test_keeps_all (void **state)
{
    (void) state;
    for (int takeover = 0; takeover < 2; takeover++) {
        rig_t *rig = s_open_kept ("");
        rig_skip (rig);
        rig_say (rig, "c", "PUT|1|t||1");
        rig_expect (rig, "c> OK|1|both|1:1|1:1");
        kit_ok (rig, "SUB|s|t/a|from=first");
        kit_ok (rig, "SUB|s|t/b|");
        kit_ok (rig, "PUT|1|t||2");
        kit_gets (rig, "t/a", "1,2");
        kit_gets (rig, "t/b", "2");
        kit_ok (rig, "ACK|a|t/a|1:1..1:4");
        kit_ok (rig, "PURGE|p|t/b");
        if (takeover)
            kit_takeover (rig);
        assert_int_equal (kit_log_rows (rig), 2);
        kit_gets (rig, "t/a", "");
        kit_gets (rig, "t/b", "");
        kit_answers (rig, "c", "READ|r|t|first|10|0", "1,2");
        kit_ok (rig, "SEEK|s|t/a|first");
        kit_gets (rig, "t/a", "1,2");
        kit_ok (rig, "DELETE|d|t/a");
        kit_ok (rig, "DELETE|d|t/b");
        kit_ok (rig, "PUT|1|t||3");
        kit_ok (rig, "SUB|s|t/c|from=first");
        kit_gets (rig, "t/c", "1,2,3");
        kit_ok (rig, "DELETE|d|t/c");
        rig_skip (rig);
        rig_say (rig, "c", "LIST|l||q");
        rig_expect (rig,
                    "c> OK|l|t|keep=all\nmax-bytes=1073741824\nmax-age=0\nkeep-messages=0\nmessages=3\nkind=topic|");
        if (takeover)
            kit_takeover (rig);
        kit_refused (rig, "TOPIC|t|t|keep=subscribed\nmax-age=1", 400);
        kit_answers (rig, "c", "READ|r|t|first|10|0", "1,2,3");
        kit_ok (rig, "TOPIC|t|t|keep=subscribed");
        assert_int_equal (kit_log_rows (rig), 0);
        kit_answers (rig, "c", "READ|r|t|first|10|0", "");
        rig_destroy (&rig);
    }
}

//  Of subscriptions whose beginnings are known by these texts, in the order of their names, LIST tells so many messages.
static void s_counts (rig_t *rig, const char *const *texts)
{
    rig_skip (rig);
    rig_say (rig, "c", "LIST|l||t|9");
    const char *at = rig_last (rig)->text;
    for (; *texts; texts++) {
        at = strstr (at, *texts);
        if (!at)
            fail_msg ("%s: not in %s", *texts, rig_last (rig)->text);
    }
}

//  What is too much goes from the head.  A subscription that was not done with it is told, and its counts stay true: of one
//  that nobody gets from, of one that holds some and has done some, be that in memory or on disk, and of one that has done all.
static void test_overtaken (void **state)
{
    (void) state;
    for (int takeover = 0; takeover < 3; takeover++) {
        rig_t *rig = s_open_kept ("");
        kit_ok (rig, "SUB|s|t/busy|"); //  1:1
        kit_ok (rig, "SUB|s|t/done|");
        kit_ok (rig, "SUB|s|t/idle|filter=>\nlease=1000");
        kit_ok (rig, "SUB|s|t/none|");
        for (int number = 1; number <= 10; number++) {
            char line[40];
            snprintf (line, sizeof line, "PUT|1|t|subject=s|%d", number); //  1:5 to 1:14
            kit_ok (rig, line);
        }
        rig_say (rig, "x", "HELLO|h");
        rig_say (rig, "x", "GET|g|t/busy|7|0|");
        kit_ok (rig, "ACK|a|t/busy|1:6 1:13"); //  2 and 9
        kit_ok (rig, "ACK|a|t/done|1:5..1:14");
        if (takeover == 1)
            kit_takeover (rig);
        kit_ok (rig, "TOPIC|t|t|keep-messages=5");
        rig_wait (rig, 1000);
        if (takeover == 2)
            kit_takeover (rig);
        assert_int_equal (kit_log_rows (rig), 5);
        const char *const counts[] = {"t/busy|", "messages=4\n", "t/done|", "messages=0\n", "t/idle|", "messages=5\n",
                                      "t/none|", "messages=5\n", NULL};
        s_counts (rig, counts);
        rig_skip (rig);
        rig_say (rig, "c", "GET|g|t/idle|1|0|");
        rig_expect (rig, "c> MSG|g|both|t/idle|1:10 1\tsubject=s\tzb-n=6\tzb-skipped=1:3..1:9|6");
        s_counts (rig, counts);
        //  It is told until somebody has gone on behind it.
        rig_wait (rig, 1001);
        rig_skip (rig);
        rig_say (rig, "c", "GET|g|t/idle|1|0|");
        assert_non_null (strstr (rig_last (rig)->text, "zb-skipped=1:3..1:9|6"));
        kit_ok (rig, "ACK|a|t/idle|1:10");
        rig_skip (rig);
        rig_say (rig, "c", "GET|g|t/idle|1|0|");
        rig_expect (rig, "c> MSG|g|both|t/idle|1:11 1\tsubject=s\tzb-n=7|7");
        //  7 was held: its lease goes on.
        kit_ok (rig, "ACK|a|t/busy|1:5..1:9");
        rig_gone (rig, "x");
        rig_wait (rig, 5001);
        kit_gets (rig, "t/busy", "6,7,8,10");
        kit_ok (rig, "ACK|a|t/busy|1:10");
        kit_gets (rig, "t/done", "");
        kit_takeover (rig);
        const char *const after[] = {"t/busy|", "messages=3\n", "t/done|", "messages=0\n", "t/idle|", "messages=4\n",
                                     "t/none|", "messages=5\n", NULL};
        s_counts (rig, after);
        kit_gets (rig, "t/busy", "7,8,10");
        kit_gets (rig, "t/none", "6,7,8,9,10");
        s_counts (rig, after);
        kit_gets (rig, "t/idle", "7,8,9,10");
        kit_ok (rig, "ACK|a|t/busy|1:1..1:14");
        kit_ok (rig, "ACK|a|t/idle|1:1..1:14");
        kit_ok (rig, "ACK|a|t/none|1:1..1:14");
        assert_int_equal (kit_rows (rig, ZB_ACKS, ZB_ACKS_KEY_SIZE), 0);
        assert_int_equal (kit_log_rows (rig), 5);
        kit_answers (rig, "c", "READ|r|t|first|10|0", "6,7,8,9,10");
        rig_destroy (&rig);
    }
}

//  Bytes have a bound whatever is put; a PUT is refused only if they come faster than they go.  No step is large.
static void test_most_bytes (void **state)
{
    (void) state;
    rig_t *rig = s_open_kept ("max-bytes=20000");
    kit_ok (rig, "SUB|s|t/a|");
    for (int count = 0; count < 100; count++) {
        kit_put (rig, "t", 1000);
        rig_expect (rig, "c> OK*");
        rig_wait (rig, 100);
    }
    rig_wait (rig, 1000);
    assert_true (kit_log_rows (rig) >= 17 && kit_log_rows (rig) < 20);
    rig->stuck = true;
    bool refused = false;
    for (int count = 0; count < 30 && !refused; count++) {
        kit_put (rig, "t", 1000);
        refused = rig_last (rig)->answer.status == ZB_ANSWER_ERR;
    }
    assert_true (refused);
    rig_expect (rig, "c> ERR|1|429|the topic is full (max-bytes): what*");
    rig->stuck = false;
    rig_wait (rig, 1000);
    kit_put (rig, "t", 1000);
    rig_expect (rig, "c> OK*");
    //  What was too much before the option was, too.
    kit_ok (rig, "TOPIC|t|t|max-bytes=0");
    kit_put_numbers (rig, 1, 1000);
    rig_wait (rig, 1);
    rig->most_ops = 0;
    kit_ok (rig, "TOPIC|t|t|max-bytes=1000");
    for (int count = 0; count < 10; count++)
        rig_wait (rig, 100);
    assert_true (kit_log_rows (rig) < 20);
    assert_true (rig->most_ops < 300);
    kit_put (rig, "t", 1001);
    rig_expect (rig, "c> ERR|1|429|the PUT is larger*");
    rig_destroy (&rig);
}

//  What is older than max-age goes, but not in the first minute of a lead.
static void test_most_age (void **state)
{
    (void) state;
    rig_t *rig = s_open_kept ("max-age=5000");
    uint64_t wall = 1000000;
    zb_engine_time (rig->engine, (int64_t) wall, rig->now);
    kit_put_numbers (rig, 1, 1);
    kit_pass (rig, &wall, 20000);
    kit_answers (rig, "c", "READ|r|t|first|10|0", "1");
    kit_pass (rig, &wall, 35500);
    kit_put_numbers (rig, 2, 2);
    kit_pass (rig, &wall, 4000);
    kit_put_numbers (rig, 3, 3);
    kit_answers (rig, "c", "READ|r|t|first|10|0", "1,2,3");
    kit_pass (rig, &wall, 400);
    kit_pass (rig, &wall, 101);
    kit_answers (rig, "c", "READ|r|t|first|10|0", "2,3");
    kit_pass (rig, &wall, 600);
    kit_pass (rig, &wall, 101);
    kit_answers (rig, "c", "READ|r|t|first|10|0", "3");
    kit_takeover (rig);
    zb_engine_time (rig->engine, (int64_t) wall, rig->now);
    kit_answers (rig, "c", "READ|r|t|first|10|0", "3");
    kit_pass (rig, &wall, 59000);
    kit_answers (rig, "c", "READ|r|t|first|10|0", "3");
    kit_pass (rig, &wall, 1001);
    kit_pass (rig, &wall, 101);
    kit_answers (rig, "c", "READ|r|t|first|10|0", "");
    assert_int_equal (kit_log_rows (rig), 0);
    //  Nobody has to use it for that.
    kit_put_numbers (rig, 4, 5);
    kit_takeover (rig);
    zb_engine_time (rig->engine, (int64_t) wall, rig->now);
    kit_pass (rig, &wall, 61000);
    kit_pass (rig, &wall, 1000);
    assert_int_equal (kit_log_rows (rig), 0);
    rig_destroy (&rig);
}

//  The disk was slow, and by then this broker may have been replaced: what was read is told when it is known that it was not.
static void test_read_while_nothing_may_be_told (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    kit_ok (rig, "TOPIC|t|t|keep=all");
    kit_put_numbers (rig, 1, 3);
    rig_skip (rig);
    rig->stuck = true;
    rig_say (rig, "c", "READ|r|t|first|10|0");
    rig_rule (rig, ZB_RELEASE_HOLD);
    rig->stuck = false;
    rig_run (rig);
    rig_expect (rig, NULL);
    rig_rule (rig, ZB_RELEASE_BOTH);
    rig_expect (rig, "c> MSG|r|both|t|1:1 *");
    rig_expect (rig, NULL);
    rig_destroy (&rig);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_the_newest_stays),
        cmocka_unit_test (test_kept_otherwise_for_a_moment),
        cmocka_unit_test (test_few_are_loaded_at_a_time),
        cmocka_unit_test (test_keeps_all),
        cmocka_unit_test (test_overtaken),
        cmocka_unit_test (test_most_bytes),
        cmocka_unit_test (test_most_age),
        cmocka_unit_test (test_read_while_nothing_may_be_told),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
