/*  =========================================================================
    test_ranks - priorities, beside every other verb and option

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

#include "core/queue/dedupe.h"
#include "core/queue/rank.h"
#include "topic_kit.h"

static uint64_t s_wall;

static void s_pass (rig_t *rig, int64_t ms)
{
    kit_pass (rig, &s_wall, ms);
    rig_run (rig);
}

//  The queue `d` with these options, in a lead whose first minute is over.
static rig_t *s_open_with (const zb_limits_t *limits, const char *options)
{
    rig_t *rig = rig_ready (limits);
    char line[200];
    s_wall = 1800000000000;
    s_pass (rig, 1);
    s_pass (rig, 61000);
    snprintf (line, sizeof line, "QUEUE|q|d|%s", options);
    kit_ok (rig, line);
    return rig;
}

static rig_t *s_open (const char *options)
{
    return s_open_with (NULL, options);
}

static void s_take_over (rig_t *rig)
{
    kit_takeover (rig);
    s_pass (rig, 0);
}

static void s_expect (rig_t *rig, const char *line, const char *reply)
{
    rig_skip (rig);
    rig_say (rig, "c", line);
    rig_expect (rig, reply);
}

static void s_lists (rig_t *rig, const char *queue, const char *expected)
{
    char line[64];
    snprintf (line, sizeof line, "LIST|l|%s", queue);
    rig_skip (rig);
    rig_say (rig, "c", line);
    const char *text = rig_last (rig)->text;
    snprintf (line, sizeof line, "\n%s", expected);
    const char *at = strstr (text, line);
    if (!at || (at[strlen (line)] && at[strlen (line)] != '\n'))
        fail_msg ("%s is not in %s", expected, text);
}

//  Entries of indexes.
static size_t s_entries (rig_t *rig)
{
    return kit_rows (rig, ZB_LOG, ZB_RANK_KEY_SIZE);
}

//  Each body is its priority and a letter: those with the same are in the order of the letters.
static void s_put (rig_t *rig, const char *bodies)
{
    for (const char *body = bodies; *body; body += 2) {
        char line[60];
        snprintf (line, sizeof line, "PUT|p|d|priority=%c|%.2s", *body, body);
        kit_ok (rig, line);
    }
}

//  What a new consumer is given of a queue, all of it, in this order; it goes back.  A GET is answered with what is known to
//  be next: more may have to be read behind that.
static void s_gives_of (rig_t *rig, const char *queue, const char *bodies)
{
    char line[40], text[1024] = "";
    snprintf (line, sizeof line, "GET|g|%s|1000|0|", queue);
    rig_say (rig, "reader", "HELLO|h|reader||");
    for (bool more = true; more;) {
        rig_skip (rig);
        rig_say (rig, "reader", line);
        const zb_answer_t *answer = &rig_last (rig)->answer;
        assert_int_equal (answer->status, ZB_ANSWER_MSG);
        for (size_t index = 0; index < answer->bodies; index++)
            snprintf (text + strlen (text), sizeof text - strlen (text), "%s%.*s", *text ? "," : "",
                      (int) answer->body[index].size, (const char *) answer->body[index].data);
        more = answer->bodies > 0;
    }
    if (strcmp (text, bodies))
        fail_msg ("%s: %s, not %s", queue, text, bodies);
    rig_gone (rig, "reader");
    s_pass (rig, 5001);
}

static void s_gives (rig_t *rig, const char *bodies)
{
    s_gives_of (rig, "d", bodies);
}

static void test_higher_first (void **state)
{
    (void) state;
    rig_t *rig = s_open ("priorities=10");
    s_put (rig, "0a9a5a9b0b5b1a");
    kit_ok (rig, "PUT|p|d||none");
    s_gives (rig, "9a,9b,5a,5b,1a,0a,0b,none");
    //  Those that came back have their place again; one at a time.
    s_put (rig, "5c");
    kit_answers (rig, "c", "GET|g|d|1|0|", "9a");
    kit_answers (rig, "c", "GET|g|d|1|0|", "9b");
    kit_answers (rig, "c", "GET|g|d|2|0|", "5a,5b");
    kit_answers (rig, "c", "GET|g|d|1|0|", "5c");
    s_put (rig, "9c");
    kit_answers (rig, "c", "GET|g|d|2|0|", "9c,1a");
    kit_ok (rig, "NACK|n|d|1:2");
    kit_answers (rig, "c", "GET|g|d|1|0|", "9a");
    kit_answers (rig, "c", "GET|g|d|9|0|", "0a,0b,none");
    s_lists (rig, "d", "priorities=10");
    s_lists (rig, "d", "messages=10");
    rig_destroy (&rig);
}

//  A PUT is of one priority, with all its bodies; one commit may have many PUTs.
static void test_one_commit (void **state)
{
    (void) state;
    rig_t *rig = s_open ("priorities=3");
    rig_push (rig, "c", "PUT|1|d|priority=0|0a|0b");
    rig_push (rig, "c", "PUT|2|d|priority=2|2a|2b");
    rig_push (rig, "c", "PUT|3|d|priority=2|2c");
    rig_push (rig, "c", "PUT|4|d|priority=0|0c");
    rig_run (rig);
    assert_int_equal (kit_log_rows (rig), 3);
    assert_int_equal (s_entries (rig), 1);
    s_gives (rig, "2a,2b,2c,0a,0b,0c");
    kit_answers (rig, "c", "GET|g|d|9|0|", "2a,2b,2c,0a,0b,0c");
    kit_ok (rig, "ACK|a|d|1:3 1:5");
    assert_int_equal (s_entries (rig), 1);
    kit_ok (rig, "ACK|a|d|1:4");
    assert_int_equal (s_entries (rig), 0);
    assert_int_equal (kit_log_rows (rig), 2);
    rig_destroy (&rig);
}

//  Who waits is given what comes; and a higher one is not before it is safe.
static void test_not_before_it_is_safe (void **state)
{
    (void) state;
    rig_t *rig = s_open ("priorities=2");
    s_put (rig, "0a");
    rig->sync_there = false;
    rig_say (rig, "c", "PUT|p|d|priority=1|1a");
    kit_answers (rig, "c", "GET|g|d|9|0|", "0a");
    rig_skip (rig);
    rig_say (rig, "c", "GET|g|d|9|1000|");
    rig_expect (rig, NULL);
    rig->sync_there = true;
    rig_sync (rig, true, true);
    rig_expect (rig, "c> MSG|g|both|d|1:2 1\tpriority=1|1a");
    rig_expect (rig, "c> OK|p|both|1:2|1:2");
    s_lists (rig, "d", "leased=2");
    rig_destroy (&rig);
}

static void test_what_is_refused (void **state)
{
    (void) state;
    rig_t *rig = s_open ("priorities=5");
    static const char *const bad[] = {"priorities=1", "priorities=11", "priorities=", "priorities=x", "priorities=-1"};
    for (size_t index = 0; index < sizeof bad / sizeof *bad; index++) {
        char line[60], reply[100];
        snprintf (line, sizeof line, "QUEUE|q|d|%s", bad[index]);
        snprintf (reply, sizeof reply, "c> ERR|q|400|priorities is a number from 2 to 10, 0 for none");
        s_expect (rig, line, reply);
    }
    s_expect (rig, "PUT|p|d|priority=10|x", "c> ERR|p|400|priority is a number from 0 to 9, the higher ones go first");
    s_expect (rig, "PUT|p|d|priority=high|x", "c> ERR|p|400|priority is a number from 0 to 9*");
    s_expect (rig, "PUT|p|d|priority=|x", "c> ERR|p|400|priority is a number from 0 to 9*");
    s_expect (rig, "PUT|p|d|priority=1\npriority=1|x", "c> ERR|p|400|priority: there are two of them");
    s_lists (rig, "d", "messages=0");
    //  Beyond the highest it is the highest.
    s_put (rig, "4a0a9a4b");
    s_gives (rig, "4a,9a,4b,0a");
    //  Elsewhere it is the program's own.
    kit_ok (rig, "PUT|p|q|priority=9|x");
    kit_ok (rig, "PUT|p|q|priority=high\npriority=low|y");
    kit_answers (rig, "c", "GET|g|q|9|0|", "x,y");
    kit_ok (rig, "ACK|a|q|1:5..1:6");
    //  Not in topics, nor as an option of theirs.
    kit_ok (rig, "TOPIC|t|t|");
    kit_ok (rig, "SUB|s|t/s|");
    s_expect (rig, "PUT|p|t|priority=1|x", "c> ERR|p|400|priority: not in a topic");
    kit_refused (rig, "TOPIC|t|t|priorities=2", 400);
    kit_refused (rig, "SUB|s|t/s|priorities=2", 400);
    //  Below the level nothing of it is known.
    zb_engine_level (rig->engine, 3);
    s_expect (rig, "QUEUE|q|u|priorities=2", "c> ERR|q|503|the store is of level 3, and this takes level 4*");
    kit_ok (rig, "PUT|p|t|priority=1|x");
    rig_destroy (&rig);
}

//  What lies between two ids may be nobody's.
static void test_no_ranges (void **state)
{
    (void) state;
    rig_t *rig = s_open ("priorities=2");
    s_put (rig, "0a0b1a0c");
    kit_answers (rig, "c", "GET|g|d|2|0|", "1a,0a");
    static const char *const verbs[] = {"ACK|v|d|1:1..1:3",    "NACK|v|d|1:1..1:3",    "EXTEND|v|d|1:1..1:3",
                                        "REJECT|v|d|1:1..1:3", "GET|v|d|1|0|1:1..1:3", "ACK|v|d|1:4 1:1..1:3"};
    for (size_t index = 0; index < sizeof verbs / sizeof *verbs; index++)
        s_expect (rig, verbs[index], "c> ERR|v|400|acks: no ranges in a queue with priorities, name each id");
    s_lists (rig, "d", "messages=4");
    s_lists (rig, "d", "leased=2");
    s_expect (rig, "EXTEND|e|d|1:1 1:3", "c> OK|e|2");
    //  One after the other is no range.
    s_expect (rig, "ACK|a|d|1:1 1:2 1:3", "c> OK|a|both");
    s_gives (rig, "0c");
    s_take_over (rig);
    s_expect (rig, "ACK|a|d|1:4 1:5", "c> OK|a|both");
    s_lists (rig, "d", "messages=0");
    assert_int_equal (s_entries (rig), 0);
    rig_destroy (&rig);
}

static void test_fixed_while_there_are_messages (void **state)
{
    (void) state;
    rig_t *rig = s_open ("max-messages=9");
    s_put (rig, "0a9a");
    s_expect (rig, "QUEUE|q|d|priorities=3", "c> ERR|q|400|priorities: fixed while there are messages in the queue");
    s_gives (rig, "0a,9a");
    kit_ok (rig, "ACK|a|d|1:1");
    kit_refused (rig, "QUEUE|q|d|priorities=3", 400);
    kit_ok (rig, "ACK|a|d|1:2");
    kit_ok (rig, "QUEUE|q|d|priorities=3");
    s_put (rig, "0b1b2b");
    s_gives (rig, "2b,1b,0b");
    s_take_over (rig);
    kit_refused (rig, "QUEUE|q|d|priorities=4", 400);
    kit_refused (rig, "QUEUE|q|d|priorities=0", 400);
    //  Other options may be named beside it, or alone.
    kit_ok (rig, "QUEUE|q|d|priorities=3\nlease=5000");
    kit_ok (rig, "QUEUE|q|d|lease=6000");
    s_gives (rig, "2b,1b,0b");
    kit_ok (rig, "PURGE|p|d");
    kit_ok (rig, "QUEUE|q|d|priorities=0");
    s_put (rig, "0c2c");
    s_gives (rig, "0c,2c");
    assert_int_equal (s_entries (rig), 0);
    //  What waits to be due is there as well.
    kit_ok (rig, "PURGE|p|d");
    kit_ok (rig, "QUEUE|q|d|delay=0");
    kit_ok (rig, "PUT|p|d|delay=1000|x");
    kit_refused (rig, "QUEUE|q|d|priorities=2", 400);
    rig_destroy (&rig);
}

//  The option is changed when all is done: rows ahead of the window that the store still has are no damage.
static void test_changed_while_done_rows_go (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.window = 20000;
    limits.windows = 40000;
    rig_t *rig = s_open_with (&limits, "priorities=3");
    char acks[400] = "ACK|a|d|1:1";
    for (int index = 0; index < 30; index++) {
        rig_put (rig, "c", "1", "d", 1, 2000);
        if (index)
            snprintf (acks + strlen (acks), sizeof acks - strlen (acks), " 1:%d", index + 1);
    }
    rig_run (rig);
    s_put (rig, "2a");
    s_take_over (rig);
    kit_answers (rig, "c", "GET|g|d|1|0|", "2a");
    kit_ok (rig, acks);
    rig_skip (rig);
    rig_push (rig, "c", "ACK|a|d|1:31");
    rig_push (rig, "c", "QUEUE|q|d|priorities=4");
    rig_push (rig, "c", "GET|g|d|1|0|");
    //  The store reads before it has the commit.
    zb_read_t *read = zb_engine_read (rig->engine);
    assert_non_null (read);
    fake_store_read (rig->store, read);
    rig->read[rig->reads++] = read;
    rig_run (rig);
    assert_null (zb_engine_fault (rig->engine));
    rig_expect (rig, "c> OK|a|both");
    rig_expect (rig, "c> OK|q*");
    rig_expect (rig, "c> MSG|g|both|d*");
    s_put (rig, "0b3b");
    s_gives (rig, "3b,0b");
    assert_int_equal (s_entries (rig), 1);
    rig_destroy (&rig);
}

//  The option is changed while the index is read: what comes back is of the priorities of before.
static void test_changed_while_it_is_read (void **state)
{
    (void) state;
    static const char *const options[] = {"priorities=0", "priorities=2", "priorities=9"};
    for (int option = 0; option < 3; option++)
        for (int reads = 0; reads <= 1; reads++) {
            char line[40];
            rig_t *rig = s_open ("priorities=10");
            s_put (rig, "9a");
            s_take_over (rig);
            if (reads)
                kit_ok (rig, "QUEUE|q|d|");
            rig->stuck = true;
            rig_say (rig, "x", "HELLO|h");
            rig_say (rig, "x", "GET|g|d|9|100000|");
            if (reads)
                rig_say (rig, "c", "PURGE|p|d");
            else
                rig_say (rig, "c", "ACK|a|d|1:1");
            rig->stuck = false;
            rig_run (rig);
            rig_gone (rig, "x");
            s_take_over (rig);
            kit_ok (rig, "QUEUE|q|d|");
            rig->stuck = true;
            rig_say (rig, "x", "HELLO|h");
            rig_say (rig, "x", "GET|g|d|9|100000|");
            snprintf (line, sizeof line, "QUEUE|q|d|%s", options[option]);
            rig_say (rig, "c", line);
            rig_say (rig, "c", "PUT|p|d|priority=8|8b");
            rig->stuck = false;
            rig_run (rig);
            s_lists (rig, "d", "leased=1");
            rig_gone (rig, "x");
            s_pass (rig, 5001);
            s_put (rig, "0c1c");
            s_gives (rig, option ? "8b,1c,0c" : "8b,0c,1c");
            rig_destroy (&rig);
        }
}

static void test_takeover_and_restart (void **state)
{
    (void) state;
    rig_t *rig = s_open ("priorities=4");
    s_put (rig, "0a3a1a3b0b2a");
    kit_answers (rig, "c", "GET|g|d|3|0|", "3a,3b,2a");
    kit_ok (rig, "ACK|a|d|1:4");
    s_take_over (rig);
    s_lists (rig, "d", "priorities=4");
    s_gives (rig, "3a,2a,1a,0a,0b");
    s_put (rig, "3c");
    rig_restart (rig);
    rig_say (rig, "c", "HELLO|h");
    s_pass (rig, 0);
    s_put (rig, "3d0c");
    s_gives (rig, "3a,3c,3d,2a,1a,0a,0b,0c");
    kit_ok (rig, "ACK|a|d|1:2 1:3 1:6");
    s_gives (rig, "3c,3d,0a,0b,0c");
    rig_destroy (&rig);
}

//  However much of a lower one lies before it (F18).
static void test_behind_a_backlog (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.window = 20000;
    limits.windows = 40000;
    rig_t *rig = s_open_with (&limits, "priorities=3");
    for (int index = 0; index < 60; index++)
        rig_put (rig, "c", "1", "d", 1, 2000);
    rig_run (rig);
    s_put (rig, "2a1a2b");
    kit_answers (rig, "c", "GET|g|d|2|0|", "2a,2b");
    kit_answers (rig, "c", "GET|g|d|1|0|", "1a");
    for (int turn = 0; turn < 2; turn++) {
        s_take_over (rig);
        kit_answers (rig, "c", "GET|g|d|2|0|", "2a,2b");
        kit_answers (rig, "c", "GET|g|d|1|0|", "1a");
    }
    //  Very many of a higher one, each in a row of its own, in their order.
    for (int index = 0; index < 40; index++) {
        char line[60];
        snprintf (line, sizeof line, "PUT|p|d|priority=2|n%02d", index);
        kit_ok (rig, line);
    }
    s_take_over (rig);
    kit_answers (rig, "c", "GET|g|d|2|0|", "2a,2b");
    for (int index = 0; index < 40; index++) {
        char body[16];
        snprintf (body, sizeof body, "n%02d", index);
        kit_answers (rig, "c", "GET|g|d|1|0|", body);
    }
    kit_answers (rig, "c", "GET|g|d|1|0|", "1a");
    //  All of it, bit by bit.
    kit_ok (rig, "PURGE|p|d");
    assert_int_equal (s_entries (rig), 0);
    assert_int_equal (kit_log_rows (rig), 0);
    rig_destroy (&rig);
}

//  A window that is full of what consumers have holds nothing up that goes first.
static void test_beside_what_is_leased (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.window = 20000;
    limits.windows = 40000;
    rig_t *rig = s_open_with (&limits, "priorities=2");
    for (int index = 0; index < 30; index++)
        kit_ok (rig,
                "PUT|p|d|priority=1|"
                "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
                "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
                "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
                "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
                "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
                "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789");
    s_put (rig, "0a1z");
    s_take_over (rig);
    for (int index = 0; index < 30; index++) {
        rig_say (rig, "c", "GET|g|d|1|0|");
        assert_int_equal (rig_last (rig)->answer.bodies, 1);
    }
    kit_answers (rig, "c", "GET|g|d|1|0|", "1z");
    s_lists (rig, "d", "leased=31");
    //  Each is acknowledged, in memory or not.
    for (int index = 1; index <= 32; index++) {
        if (index == 31)
            kit_answers (rig, "c", "GET|g|d|1|0|", "0a");
        char line[40];
        snprintf (line, sizeof line, "ACK|a|d|1:%d", index);
        kit_ok (rig, line);
    }
    s_lists (rig, "d", "messages=0");
    s_lists (rig, "d", "leased=0");
    assert_int_equal (s_entries (rig), 0);
    assert_int_equal (kit_log_rows (rig), 0);
    rig_destroy (&rig);
}

//  Reads for who waits for messages follow one after the other: an acknowledgement has its turn between them.
static void test_reads_take_turns (void **state)
{
    (void) state;
    rig_t *rig = s_open ("priorities=2");
    s_put (rig, "0a");
    for (int index = 0; index < 60; index++)
        s_put (rig, "1a");
    s_take_over (rig);
    rig_say (rig, "x", "HELLO|h");
    rig->stuck = true;
    rig_skip (rig);
    for (int index = 0; index < 50; index++)
        rig_push (rig, "c", "GET|g|d|1|100000|");
    rig_run (rig);
    rig_say (rig, "x", "ACK|a|d|1:1");
    size_t reads = 0;
    for (bool done = false; !done; reads++) {
        assert_int_equal (rig->reads, 1);
        zb_read_t *read = rig->read[--rig->reads];
        zb_engine_loaded (rig->engine, &read, rig->now);
        rig_run (rig);
        for (size_t index = 0; index < rig->count; index++)
            done = done || strcmp (rig->replies[index].text, "x> OK|a|both") == 0;
    }
    //  Of its queue, the index, rows, and that of the acknowledgement.
    assert_in_range (reads, 1, 5);
    rig->stuck = false;
    rig_run (rig);
    s_lists (rig, "d", "leased=50");
    rig_destroy (&rig);
}

static void test_purge_and_delete (void **state)
{
    (void) state;
    rig_t *rig = s_open ("priorities=10");
    s_put (rig, "0a9a5a9b");
    //  What is put behind it stays, and its entries do.
    rig_push (rig, "c", "PURGE|p|d");
    rig_push (rig, "c", "PUT|p|d|priority=9|9c");
    rig_push (rig, "c", "PUT|p|d|priority=5|5c");
    rig_push (rig, "c", "PUT|p|d|priority=9|9d");
    rig_run (rig);
    s_gives (rig, "9c,9d,5c");
    assert_int_equal (s_entries (rig), 3);
    assert_int_equal (kit_log_rows (rig), 3);
    s_take_over (rig);
    s_gives (rig, "9c,9d,5c");
    //  While the index is being read.
    s_take_over (rig);
    rig->stuck = true;
    rig_say (rig, "x", "HELLO|h");
    rig_say (rig, "x", "GET|g|d|9|1000|");
    rig->stuck = false;
    rig_run (rig);
    kit_ok (rig, "PURGE|p|d");
    assert_int_equal (s_entries (rig), 0);
    s_put (rig, "0e1e");
    kit_ok (rig, "DELETE|d|d");
    assert_int_equal (s_entries (rig), 0);
    assert_int_equal (kit_log_rows (rig), 0);
    kit_ok (rig, "QUEUE|q|d|priorities=2");
    s_put (rig, "0f1f");
    s_gives (rig, "1f,0f");
    rig_destroy (&rig);
}

//  MOVE takes the oldest, whatever goes first; and there the property has its meaning again.
static void test_move (void **state)
{
    (void) state;
    rig_t *rig = s_open ("priorities=3");
    kit_ok (rig, "QUEUE|q|e|priorities=2");
    kit_ok (rig, "QUEUE|q|f|");
    s_put (rig, "0a2a1a2b");
    s_expect (rig, "MOVE|m|d|e|1:2|9", "c> OK|m|both|2|1:2");
    s_gives_of (rig, "e", "2a,0a");
    s_gives (rig, "2b,1a");
    s_expect (rig, "MOVE|m|d|e||9", "c> OK|m|both|2|*");
    s_pass (rig, 5001);
    s_gives_of (rig, "e", "2a,1a,2b,0a");
    s_pass (rig, 5001);
    s_expect (rig, "MOVE|m|e|f||9", "c> OK|m|both|4|*");
    s_gives_of (rig, "f", "0a,2a,1a,2b");
    s_pass (rig, 5001);
    s_expect (rig, "MOVE|m|f|d||9", "c> OK|m|both|4|*");
    s_gives (rig, "2a,2b,1a,0a");
    s_take_over (rig);
    s_gives (rig, "2a,2b,1a,0a");
    rig_destroy (&rig);
}

static void test_reject_and_acks (void **state)
{
    (void) state;
    rig_t *rig = s_open ("priorities=3\ndead-letter=e");
    kit_ok (rig, "QUEUE|q|e|priorities=3");
    s_put (rig, "0a2a1a2b");
    kit_answers (rig, "c", "GET|g|d|2|0|", "2a,2b");
    s_expect (rig, "REJECT|r|d|1:4 1:2", "c> OK|r|both");
    s_gives_of (rig, "e", "2a,2b");
    //  Also what nobody has got, and after a takeover.
    s_take_over (rig);
    s_expect (rig, "REJECT|r|d|1:3", "c> OK|r|both");
    s_gives_of (rig, "e", "2a,2b,1a");
    kit_ok (rig, "PUT|p|e|priority=1\nacks=d 1:1|x");
    s_lists (rig, "d", "messages=0");
    kit_refused (rig, "PUT|p|e|priority=1\nacks=d 1:1|x", 410);
    rig_destroy (&rig);
}

//  The oldest that is ready goes, whatever its priority.
static void test_drop_oldest (void **state)
{
    (void) state;
    rig_t *rig = s_open ("priorities=3\nmax-messages=3\nfull=drop-oldest");
    s_put (rig, "0a2a1a2b");
    s_gives (rig, "2a,2b,1a");
    s_put (rig, "0c");
    s_gives (rig, "2b,1a,0c");
    s_take_over (rig);
    s_put (rig, "0d0e");
    s_gives (rig, "0c,0d,0e");
    assert_int_equal (s_entries (rig), 0);
    rig_destroy (&rig);
}

//  The oldest is the one with the lowest id that is ready, also where it was due later than others; what is not due stays.
static void test_drop_oldest_of_what_is_due (void **state)
{
    (void) state;
    static const char *const limits[] = {"max-messages=3", "max-bytes=51"}; //  12 bytes each, with the property, and 21
    for (size_t limit = 0; limit < 2; limit++) {
        char options[100];
        snprintf (options, sizeof options, "priorities=3\ndelay=0\nfull=drop-oldest\ndead-letter=e\n%s", limits[limit]);
        rig_t *rig = s_open (options);
        kit_ok (rig, "QUEUE|q|e|priorities=3");
        kit_ok (rig, "PUT|p|d|priority=2\ndue=9|2a");
        kit_ok (rig, "ACK|a|d|1:1");
        kit_ok (rig, "PUT|p|d|priority=2\ndelay=500|b");
        s_lists (rig, "d", "messages=1");
        s_put (rig, "0a1a0b");
        //  Of those that are ready 0a is the oldest.
        s_lists (rig, "d", "messages=3");
        s_gives_of (rig, "e", "0a");
        s_pass (rig, 500);
        s_put (rig, "0c");
        s_gives_of (rig, "e", "b,0a");
        s_take_over (rig);
        s_gives_of (rig, "e", "b,0a");
        s_gives (rig, "1a,0b,0c");
        assert_int_equal (s_entries (rig), 2);
        rig_destroy (&rig);
    }
}

//  What becomes due amid others has its place, in whatever order they are due, and keeps it as it rests, is tried and goes.
static void test_due_rests_and_dies (void **state)
{
    (void) state;
    rig_t *rig = s_open ("priorities=3\ndelay=0\nretry-delay=1000\nmax-deliveries=2\ndead-letter=e");
    kit_ok (rig, "QUEUE|q|e|priorities=3");
    kit_ok (rig, "PUT|p|d|priority=1\ndelay=2000|1a");
    kit_ok (rig, "PUT|p|d|priority=2\ndelay=1000|2a");
    kit_ok (rig, "PUT|p|d|priority=1\ndelay=1000|1b");
    s_put (rig, "0a");
    s_pass (rig, 1000);
    rig_say (rig, "w", "HELLO|h");
    rig_say (rig, "w", "GET|g|d|1|0|");
    rig_gone (rig, "w");
    //  All is due then, 1a, too; what that one had rests, as it was tried.
    s_pass (rig, 5001);
    s_pass (rig, 1001);
    kit_answers (rig, "c", "GET|g|d|1|0|", "2a");
    kit_ok (rig, "NACK|n|d|1:2");
    kit_answers (rig, "c", "GET|g|d|1|0|", "1a");
    kit_answers (rig, "c", "GET|g|d|1|0|", "1b");
    kit_ok (rig, "NACK|n|d|1:3 1:1");
    kit_answers (rig, "c", "GET|g|d|9|0|", "0a");
    s_pass (rig, 1001);
    kit_answers (rig, "c", "GET|g|d|2|0|", "2a,1a");
    kit_ok (rig, "NACK|n|d|1:1 1:2");
    s_pass (rig, 1);
    s_gives_of (rig, "e", "2a,1a");
    s_expect (rig, "REJECT|r|d|1:3", "c> OK|r|both");
    s_gives_of (rig, "e", "2a,1a,1b");
    assert_int_equal (s_entries (rig), 3);
    s_lists (rig, "d", "messages=1");
    rig_destroy (&rig);
}

//  Lane, log and index are purged together, and what is put then has its own.
static void test_purge_of_what_is_due (void **state)
{
    (void) state;
    rig_t *rig = s_open ("priorities=3\ndelay=0\ndedupe=100000");
    kit_ok (rig, "QUEUE|q|e|priorities=3\ndelay=0\ndedupe=100000");
    kit_ok (rig, "PUT|p|e|priority=2\nmessage-id=a|kept");
    for (int round = 0; round < 2; round++) {
        kit_ok (rig, "PUT|p|d|priority=2\ndelay=1\nmessage-id=a|2a");
        kit_ok (rig, "PUT|p|d|priority=2\ndelay=100000\nmessage-id=b|2b");
        kit_ok (rig, "PUT|p|d|priority=1\nmessage-id=c|1c");
        kit_ok (rig, "PUT|p|d|priority=1\nmessage-id=c|1c");
        s_pass (rig, 1);
        s_gives (rig, round ? "" : "1c,2a");
        if (round)
            break;
        s_gives (rig, "2a,1c");
        assert_int_equal (s_entries (rig), 3);
        kit_ok (rig, "PURGE|p|d");
        s_take_over (rig);
        for (int step = 0; step < 20; step++)
            s_pass (rig, 100);
        assert_int_equal (s_entries (rig), 1);
        assert_int_equal (kit_log_rows (rig), 1);
    }
    kit_ok (rig, "DELETE|x|d");
    for (int step = 0; step < 20; step++)
        s_pass (rig, 100);
    assert_int_equal (s_entries (rig), 1);
    assert_int_equal (kit_rows (rig, ZB_LOG, ZB_DEDUPE_KEY_SIZE), 1);
    s_gives_of (rig, "e", "kept");
    s_expect (rig, "PUT|p|e|priority=2\nmessage-id=a|kept", "c> OK|p|both|1:1|1:1|duplicate");
    rig_destroy (&rig);
}

static void test_tries_and_rests (void **state)
{
    (void) state;
    rig_t *rig = s_open ("priorities=2\nmax-deliveries=2\nretry-delay=1000");
    s_put (rig, "1a0a");
    kit_answers (rig, "c", "GET|g|d|1|0|", "1a");
    kit_ok (rig, "NACK|n|d|1:1");
    //  What rests is in nobody's way.
    kit_answers (rig, "c", "GET|g|d|9|0|", "0a");
    s_pass (rig, 1000);
    kit_answers (rig, "c", "GET|g|d|9|0|", "1a");
    kit_ok (rig, "NACK|n|d|1:1");
    s_pass (rig, 1);
    s_gives_of (rig, "d.dead", "1a");
    s_lists (rig, "d", "messages=1");
    assert_int_equal (s_entries (rig), 0);
    rig_destroy (&rig);
}

static void test_expires (void **state)
{
    (void) state;
    rig_t *rig = s_open ("priorities=2\nexpires=0\nmax-messages=2");
    kit_ok (rig, "PUT|p|d|priority=1\nexpires=100|1a");
    kit_ok (rig, "PUT|p|d|priority=0|0a");
    s_pass (rig, 101);
    kit_answers (rig, "c", "GET|g|d|9|0|", "0a");
    assert_int_equal (rig_stats (rig).lapsed, 1);
    s_lists (rig, "d", "messages=1");
    //  A PUT that finds no room drops what is over, the oldest first.
    kit_ok (rig, "ACK|a|d|1:2");
    kit_ok (rig, "PUT|p|d|priority=0\nexpires=100|0b");
    kit_ok (rig, "PUT|p|d|priority=1|1b");
    kit_refused (rig, "PUT|p|d|priority=1|1c", 429);
    s_take_over (rig);
    s_pass (rig, 61000);
    kit_ok (rig, "PUT|p|d|priority=1|1c");
    s_gives (rig, "1b,1c");
    rig_destroy (&rig);
}

//  What is due has the place of its priority from when it was taken out of the lane.
static void test_delay (void **state)
{
    (void) state;
    rig_t *rig = s_open ("priorities=3\ndelay=0");
    kit_ok (rig, "PUT|p|d|priority=2\ndelay=500|2a");
    kit_ok (rig, "PUT|p|d|priority=0\ndelay=500|0a");
    kit_ok (rig, "PUT|p|d|priority=1|1a");
    kit_ok (rig, "PUT|p|d|priority=0|0b");
    assert_int_equal (s_entries (rig), 1);
    kit_answers (rig, "c", "GET|g|d|1|0|", "1a");
    s_pass (rig, 500);
    s_take_over (rig);
    //  A GET that is answered does not wait for what is due: it has that taken out.
    rig_say (rig, "x", "HELLO|h");
    rig_say (rig, "x", "GET|g|d|1|0|");
    rig_gone (rig, "x");
    s_pass (rig, 5001);
    s_gives (rig, "2a,1a,0a,0b");
    assert_int_equal (s_entries (rig), 2);
    s_expect (rig, "ACK|a|d|1:1 1:3", "c> OK|a|both");
    assert_int_equal (s_entries (rig), 0);
    //  Taken back before it is due.
    kit_ok (rig, "PUT|p|d|priority=2\ndelay=500|2b");
    kit_ok (rig, "ACK|a|d|2:1");
    s_gives (rig, "0a,0b");
    rig_destroy (&rig);
}

//  One who looks sees them by their ids.
static void test_peek (void **state)
{
    (void) state;
    rig_t *rig = s_open ("priorities=3");
    s_put (rig, "0a2a1a2b");
    kit_answers (rig, "c", "GET|g|d|1|0|", "2a");
    kit_answers (rig, "c", "PEEK|k|d|first|9", "0a,2a,1a,2b");
    assert_non_null (strstr (rig_last (rig)->text, "zb-state=leased"));
    s_take_over (rig);
    kit_answers (rig, "c", "PEEK|k|d|first|9", "0a,2a,1a,2b");
    rig_destroy (&rig);
}

//  A store whose index names a row of another rank, or makes no sense.
static void test_damage (void **state)
{
    (void) state;
    for (int what = 0; what < 2; what++) {
        rig_t *rig = s_open ("priorities=3");
        s_put (rig, "0a2a");
        s_take_over (rig);
        zb_read_t *read = zb_read_new (0, 0);
        zb_read_add (read, ZB_LOG, "", 0, 0, 100, SIZE_MAX);
        fake_store_read (rig->store, read);
        for (size_t index = 0; index < read->count[0]; index++) {
            const zb_found_t *found = &read->found[0][index];
            uint8_t key[ZB_RANK_KEY_SIZE];
            if (found->key_size != ZB_RANK_KEY_SIZE)
                continue;
            memcpy (key, found->key, sizeof key);
            key[9] = 1; //  its rank
            fake_store_put (rig->store, ZB_LOG, what ? key : found->key, sizeof key, "1234", what ? 4 : 3);
        }
        zb_read_destroy (&read);
        rig_say (rig, "c", "GET|g|d|9|0|");
        if (what)
            rig_say (rig, "c", "GET|g|d|9|0|");
        assert_non_null (zb_engine_fault (rig->engine));
        rig_destroy (&rig);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_higher_first),
        cmocka_unit_test (test_one_commit),
        cmocka_unit_test (test_not_before_it_is_safe),
        cmocka_unit_test (test_what_is_refused),
        cmocka_unit_test (test_no_ranges),
        cmocka_unit_test (test_fixed_while_there_are_messages),
        cmocka_unit_test (test_changed_while_done_rows_go),
        cmocka_unit_test (test_changed_while_it_is_read),
        cmocka_unit_test (test_takeover_and_restart),
        cmocka_unit_test (test_behind_a_backlog),
        cmocka_unit_test (test_beside_what_is_leased),
        cmocka_unit_test (test_reads_take_turns),
        cmocka_unit_test (test_purge_and_delete),
        cmocka_unit_test (test_move),
        cmocka_unit_test (test_reject_and_acks),
        cmocka_unit_test (test_drop_oldest),
        cmocka_unit_test (test_drop_oldest_of_what_is_due),
        cmocka_unit_test (test_due_rests_and_dies),
        cmocka_unit_test (test_purge_of_what_is_due),
        cmocka_unit_test (test_tries_and_rests),
        cmocka_unit_test (test_expires),
        cmocka_unit_test (test_delay),
        cmocka_unit_test (test_peek),
        cmocka_unit_test (test_damage),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
