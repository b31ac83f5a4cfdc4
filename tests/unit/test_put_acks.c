/*  =========================================================================
    test_put_acks - a PUT that acknowledges what it was made of, in one commit

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

#include "rig.h"

//  A queue `q` of four messages, and an empty one, `out`; "w" and "v" are consumers, "w" has a name.
static rig_t *s_work (const zb_limits_t *limits)
{
    rig_t *rig = rig_ready (limits);
    rig_say (rig, "c", "QUEUE|q|out|");
    rig_say (rig, "c", "PUT|p|q||1|2|3|4");
    rig_say (rig, "w", "HELLO|h|worker||");
    rig_say (rig, "v", "HELLO|h");
    rig_skip (rig);
    return rig;
}

//  What both queues hold, as a stranger finds it after a takeover.
static void s_holds (rig_t *rig, const char *q, const char *out)
{
    rig_takeover (rig);
    rig_say (rig, "s", "HELLO|h");
    rig_skip (rig);
    rig_say (rig, "s", "GET|q|q|9|0|");
    rig_expect (rig, q);
    rig_say (rig, "s", "GET|o|out|9|0|");
    rig_expect (rig, out);
}

static void test_stored_and_acknowledged_at_once (void **state)
{
    (void) state;
    for (int lost = 0; lost < 2; lost++) {
        rig_t *rig = s_work (NULL);
        rig_say (rig, "w", "GET|g|q|2|0|");
        rig_expect (rig, "w> MSG|g|both|q|1:1 1\n1:2 1|1|2");
        size_t batches = rig->batches;
        rig->sync_there = !lost;
        //  What is leased by nobody may be named, too, in any order, and twice.
        rig_say (rig, "w", "PUT|1|out|a=b\nacks=q 1:4 1:1 1:2 1:1\nc=d|r");
        assert_int_equal (rig->batches, batches + 1);
        rig_expect (rig, lost ? NULL : "w> OK|1|both|1:5|1:5");
        if (lost) {
            rig_takeover (rig);
            rig->sync_there = true;
            rig_skip (rig);
        }
        if (lost)
            s_holds (rig, "s> MSG|q|both|q|1:1 1\n1:2 1\n1:3 1\n1:4 1|1|2|3|4", "s> MSG|o|both|out|");
        else
            s_holds (rig, "s> MSG|q|both|q|1:3 1|3", "s> MSG|o|both|out|1:5 1\ta=b\tc=d|r");
        rig_destroy (&rig);
    }
}

static void test_only_who_may_acknowledges (void **state)
{
    (void) state;
    rig_t *rig = s_work (NULL);
    rig_say (rig, "w", "GET|g|q|1|0|");
    rig_say (rig, "v", "GET|g|q|1|0|");
    rig_say (rig, "c", "ACK|a|q|1:3");
    rig_skip (rig);
    //  Another one's, done, never given, of another queue, of none: one of them is enough.
    static const char *const acks[] = {"q 1:2", "q 1:1 1:2", "q 1:1 1:3", "q 1:1 1:9", "q 1", "out 1:1", "none 1:1"};
    for (size_t index = 0; index < sizeof acks / sizeof *acks; index++) {
        char line[64];
        snprintf (line, sizeof line, "PUT|1|out|acks=%s|r", acks[index]);
        rig_say (rig, "w", line);
        rig_expect (rig, "w> ERR|1|410|*");
    }
    //  The number is free, and what was named beside them is not done.
    rig_say (rig, "w", "PUT|1|out|acks=q 1:1|r");
    rig_expect (rig, "w> OK|1|both|1:5|1:5");
    s_holds (rig, "s> MSG|q|both|q|1:2 1\n1:4 1|2|4", "s> MSG|o|both|out|1:5 1|r");
    rig_destroy (&rig);
}

//  The trace: C1 sleeps, its lease ends, C2 has done the work; C1 wakes.
static void test_who_lost_its_lease_stores_nothing (void **state)
{
    (void) state;
    rig_t *rig = s_work (NULL);
    rig_say (rig, "v", "GET|g|q|1|0|");
    rig_wait (rig, 30000);
    rig_say (rig, "w", "GET|g|q|1|0|");
    rig_skip (rig);
    rig_say (rig, "v", "PUT|x|out|acks=q 1:1|late");
    rig_expect (rig, "v> ERR|x|410|*");
    rig_say (rig, "w", "PUT|1|out|acks=q 1:1|r");
    rig_expect (rig, "w> OK|1|both|1:5|1:5");
    rig_say (rig, "v", "PUT|x|out|acks=q 1:1|late");
    rig_expect (rig, "v> ERR|x|410|*");
    s_holds (rig, "s> MSG|q|both|q|1:2 1\n1:3 1\n1:4 1|2|3|4", "s> MSG|o|both|out|1:5 1|r");
    rig_destroy (&rig);
}

//  Sent again it is a duplicate, though what it names is done; with other acks it is another PUT.
static void test_a_number_comes_first (void **state)
{
    (void) state;
    rig_t *rig = s_work (NULL);
    rig_say (rig, "w", "GET|g|q|2|0|");
    rig_say (rig, "w", "PUT|1|out|acks=q 1:1|r");
    rig_skip (rig);
    for (int takeover = 0; takeover < 2; takeover++) {
        rig_say (rig, "w", "PUT|1|out|acks=q 1:1|r");
        rig_expect (rig, "w> OK|1|both|1:5|1:5|duplicate");
        rig_say (rig, "w", "PUT|1|out|acks=q 1:2|r");
        rig_expect (rig, "w> ERR|1|409|2");
        rig_say (rig, "w", "PUT|1|out||r");
        rig_expect (rig, "w> ERR|1|409|2");
        rig_takeover (rig);
        rig_say (rig, "w", "HELLO|h|worker||1.1");
        rig_skip (rig);
    }
    s_holds (rig, "s> MSG|q|both|q|1:2 1\n1:3 1\n1:4 1|2|3|4", "s> MSG|o|both|out|1:5 1|r");
    rig_destroy (&rig);
}

//  Put into the queue that it comes from, it takes the place of what it acknowledges.
static void test_acks_are_counted_first (void **state)
{
    (void) state;
    rig_t *rig = s_work (NULL);
    rig_say (rig, "c", "QUEUE|f|q|max-messages=4");
    rig_say (rig, "w", "GET|g|q|2|0|");
    rig_skip (rig);
    rig_say (rig, "w", "PUT|1|q|acks=q 1:1|a|b");
    rig_expect (rig, "w> ERR|1|429|*");
    rig_say (rig, "w", "PUT|1|q|acks=q 1:1 1:2|a|b");
    rig_expect (rig, "w> OK|1|both|1:5|1:6");
    //  Nothing is acknowledged by what is refused.
    rig_say (rig, "w", "PUT|2|q|acks=q 1:3|a|b");
    rig_expect (rig, "w> ERR|2|429|*");
    s_holds (rig, "s> MSG|q|both|q|1:3 1\n1:4 1\n1:5 1\n1:6 1|3|4|a|b", "s> MSG|o|both|out|");
    rig_destroy (&rig);
}

//  What does not look like the instruction is a program's own, and is stored.
static void test_what_is_no_instruction (void **state)
{
    (void) state;
    static const char *const own[] = {"acks=yes", "acks=", "acks=q all", "acks= 1:1", "acks2=q 1:1"};
    for (size_t index = 0; index < sizeof own / sizeof *own; index++) {
        char line[64];
        rig_t *rig = s_work (NULL);
        snprintf (line, sizeof line, "PUT|1|out|%s|r", own[index]);
        rig_say (rig, "w", line);
        rig_expect (rig, "w> OK|1|both|1:5|1:5");
        snprintf (line, sizeof line, "s> MSG|o|both|out|1:5 1\t%s|r", own[index]);
        s_holds (rig, "s> MSG|q|both|q|1:1 1\n1:2 1\n1:3 1\n1:4 1|1|2|3|4", line);
        rig_destroy (&rig);
    }
}

static void test_as_many_as_may_be (void **state)
{
    (void) state;
    rig_t *rig = s_work (NULL);
    char line[ZB_PUT_ACKS_MAX * 8 + 64] = "PUT|1|out|acks=q";
    rig_put (rig, "c", "p", "q", 1000, 1);
    rig_run (rig);
    rig_skip (rig);
    for (size_t id = 1; id <= ZB_PUT_ACKS_MAX; id++)
        sprintf (line + strlen (line), " 1:%zu", id);
    strcat (line, "|r");
    rig_say (rig, "w", line);
    rig_expect (rig, "w> OK|1|both|1:1005|1:1005");
    rig_say (rig, "c", "LIST|l|q");
    assert_non_null (strstr (rig_last (rig)->text, "messages=4\n"));
    rig_destroy (&rig);
}

static void test_it_takes_a_level (void **state)
{
    (void) state;
    rig_t *rig = s_work (NULL);
    zb_engine_level (rig->engine, 1);
    rig_say (rig, "w", "PUT|1|out|acks=q 1:1|r");
    rig_expect (rig, "w> ERR|1|503|*");
    rig_say (rig, "w", "PUT|1|out|acks=all|r");
    rig_expect (rig, "w> OK|1|both|1:5|1:5");
    rig_destroy (&rig);
}

//  From here on: a hundred messages in rows of their own, on disk only, and no memory to speak of.
static rig_t *s_on_disk (void)
{
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.window = 4000;
    rig_t *rig = rig_ready (&limits);
    rig_say (rig, "c", "QUEUE|q|out|");
    for (int index = 0; index < 100; index++) {
        rig_put (rig, "c", "p", "q", 1, 1000);
        rig_run (rig);
    }
    rig_takeover (rig);
    rig_say (rig, "w", "HELLO|h|worker||");
    rig_say (rig, "v", "HELLO|h");
    rig_skip (rig);
    return rig;
}

static void test_what_is_on_disk_is_read_first (void **state)
{
    (void) state;
    rig_t *rig = s_on_disk ();
    size_t batches = rig->batches, reads = rig->read_count;
    rig_say (rig, "w", "PUT|1|out|acks=q 1:10 1:50 1:90 1:91|r");
    rig_expect (rig, "w> OK|1|both|2:1|2:1");
    assert_true (rig->read_count >= reads + 3);
    assert_int_equal (rig->batches, batches + 1);
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 97);
    //  One of these is done, so that none is.
    rig_say (rig, "v", "PUT|x|out|acks=q 1:20 1:50 1:80|r");
    rig_expect (rig, "v> ERR|x|410|*");
    rig_say (rig, "c", "HELLO|h");
    rig_say (rig, "c", "LIST|l|q");
    assert_non_null (strstr (rig_last (rig)->text, "messages=96\nleased=0"));
    rig_destroy (&rig);
}

//  While one waits for its rows others go on.  Whichever is done first, what is told is what is there.
static void test_what_happens_meanwhile_counts (void **state)
{
    (void) state;
    static const struct {
        const char *other;
        bool first;        //  it is said before
        int left, left_if; //  messages of q then; and if the PUT was stored
    } cases[] = {{"PUT|a|out|acks=q 1:50 1:70|v", true, 98, -1},
                 {"PUT|a|out|acks=q 1:50 1:70|v", false, -1, 97},
                 {"ACK|a|q|1:50", false, 99, 97},
                 {"ACK|a|q|1:51", false, -1, 96},
                 {"PURGE|a|q", false, 0, 0},
                 {"DELETE|a|q", false, 0, 0}};
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        rig_t *rig = s_on_disk ();
        rig->stuck = true;
        if (cases[index].first)
            rig_say (rig, "v", cases[index].other);
        rig_say (rig, "w", "PUT|1|out|acks=q 1:10 1:50 1:90|r");
        if (!cases[index].first)
            rig_say (rig, "v", cases[index].other);
        rig_expect (rig, NULL);
        rig->stuck = false;
        rig_run (rig);
        bool stored = false, gone = false;
        for (size_t reply = 0; reply < rig->count; reply++) {
            stored = stored || strncmp (rig->replies[reply].text, "w> OK|1|both|2:", 15) == 0;
            gone = gone || strncmp (rig->replies[reply].text, "w> ERR|1|410|", 13) == 0;
        }
        assert_true (stored != gone);
        rig_skip (rig);
        rig_say (rig, "v", "LIST|l");
        char text[32];
        int left = stored ? cases[index].left_if : cases[index].left;
        snprintf (text, sizeof text, "messages=%d\n", left);
        assert_true (left >= 0 && strstr (rig_last (rig)->text, text));
        rig_say (rig, "v", "GET|o|out|9|0|");
        assert_int_equal (rig_last (rig)->answer.bodies, (*cases[index].other == 'P' && index < 2 && gone) || stored);
        rig_destroy (&rig);
    }
}

//  Its connection ends, or this broker's lead does, while rows are pinned for it: it is done, or not, and nothing is left.
static void test_whoever_pins_may_leave (void **state)
{
    (void) state;
    for (int how = 0; how < 2; how++) {
        rig_t *rig = s_on_disk ();
        rig->stuck = true;
        rig_say (rig, "w", "PUT|1|out|acks=q 1:10 1:50|r");
        rig_say (rig, "v", "PUT|x|out|acks=q 1:20 1:60|s");
        if (how == 0)
            rig_gone (rig, "w");
        else
            rig_takeover (rig);
        rig->stuck = false;
        rig_run (rig);
        rig_say (rig, "c", "HELLO|h");
        rig_skip (rig);
        rig_say (rig, "c", "LIST|l");
        assert_non_null (strstr (rig_last (rig)->text, how ? "messages=100\n" : "messages=96\n"));
        assert_non_null (strstr (rig_last (rig)->text, how ? "messages=0\n" : "messages=2\n"));
        rig_destroy (&rig);
    }
}

//  Rows that are read for one PUT take half of the memory that all windows have, and then it is told so.
static void test_pins_have_a_bound (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.window = 4000;
    limits.windows = 40000;
    rig_t *rig = s_on_disk ();
    rig_takeover_with (rig, &limits);
    rig_say (rig, "w", "HELLO|h|worker||");
    rig_skip (rig);
    char line[1024] = "PUT|1|out|acks=q";
    for (int id = 10; id < 60; id += 2)
        sprintf (line + strlen (line), " 1:%d", id);
    strcat (line, "|r");
    rig_say (rig, "w", line);
    rig_expect (rig, "w> ERR|1|413|acks: *");
    assert_true (rig_stats (rig).window_bytes < 40000);
    rig_say (rig, "w", "PUT|1|out|acks=q 1:10 1:12 1:14|r");
    rig_expect (rig, "w> OK|1|both|3:1|3:1");
    rig_destroy (&rig);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_stored_and_acknowledged_at_once),
        cmocka_unit_test (test_only_who_may_acknowledges),
        cmocka_unit_test (test_who_lost_its_lease_stores_nothing),
        cmocka_unit_test (test_a_number_comes_first),
        cmocka_unit_test (test_acks_are_counted_first),
        cmocka_unit_test (test_what_is_no_instruction),
        cmocka_unit_test (test_as_many_as_may_be),
        cmocka_unit_test (test_it_takes_a_level),
        cmocka_unit_test (test_what_is_on_disk_is_read_first),
        cmocka_unit_test (test_what_happens_meanwhile_counts),
        cmocka_unit_test (test_whoever_pins_may_leave),
        cmocka_unit_test (test_pins_have_a_bound),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
