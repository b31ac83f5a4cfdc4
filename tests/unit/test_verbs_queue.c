/*  =========================================================================
    test_verbs_queue - QUEUE, LIST, PURGE and DELETE

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

static void test_queue_options (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "c", "QUEUE|1|q|color=red");
    rig_expect (rig, "c> ERR|1|400|the options of a queue are lease, grace, max-messages, max-bytes, expires, delay, "
                     "priorities, full, mode, "
                     "max-deliveries, retry-delay, dedupe, unused and dead-letter");
    rig_say (rig, "c", "QUEUE|1|q|lease=soon");
    rig_expect (rig, "c> ERR|1|400|lease is*");
    rig_say (rig, "c", "QUEUE|1|q|max-messages=-1");
    rig_expect (rig, "c> ERR|1|400|max-messages is*");
    rig_say (rig, "c", "QUEUE|1|q|grace=-1");
    rig_expect (rig, "c> ERR|1|400|grace is*");
    rig_say (rig, "c", "QUEUE|1|q|mode=key\npriorities=3");
    rig_expect (rig, "c> ERR|1|400|priorities and mode=key don't go together*");
    rig_say (rig, "c", "QUEUE|1|q|grace=70");
    rig_expect (rig, "c> OK|1");
    rig_say (rig, "c", "QUEUE|1|q|lease=5\nmax-messages=7");
    rig_expect (rig, "c> OK|1");
    rig_say (rig, "c", "QUEUE|1|q|max-messages=8");
    rig_expect (rig, "c> OK|1");
    rig_takeover (rig);
    rig_say (rig, "c", "HELLO|h");
    rig_expect (rig, "c> OK|h*");
    rig_say (rig, "c", "LIST|l");
    rig_expect (rig, "c> OK|l|q|lease=5\nmax-messages=8\nmessages=0\nleased=0\nwaiting=0\ngrace=70");
    rig_destroy (&rig);
}

//  A LIST has read its row before it was deleted, and is answered after that.
static void test_a_deleted_queue_is_not_listed (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "c", "QUEUE|1|r|");
    rig_put (rig, "c", "1", "q", 2, 10);
    rig_put (rig, "c", "1", "r", 1, 10);
    rig_say (rig, "d", "HELLO|h");
    rig_skip (rig);
    rig->stuck = true;
    rig_say (rig, "d", "LIST|l");
    rig_say (rig, "c", "DELETE|d|q");
    rig_expect (rig, "c> OK|d|both");
    rig_say (rig, "c", "PURGE|p|r");
    rig_expect (rig, "c> OK|p|both");
    rig->stuck = false;
    rig_run (rig);
    rig_expect (rig, "d> OK|l|r|lease=30000\nmax-messages=0\nmessages=0\nleased=0\nwaiting=0\ngrace=5000");
    rig_say (rig, "c", "GET|g|q|1|0|");
    rig_expect (rig, "c> ERR|g|404|no such queue");
    rig_destroy (&rig);
}

static void test_queues_are_bounded (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.queues = 2;
    rig_t *rig = rig_ready (&limits);
    rig_say (rig, "c", "QUEUE|1|r|");
    rig_expect (rig, "c> OK|1");
    rig_takeover (rig);
    rig_say (rig, "c", "HELLO|h");
    rig_expect (rig, "c> OK|h*");
    rig_say (rig, "c", "QUEUE|1|s|");
    rig_expect (rig, "c> ERR|1|429|*");
    rig_say (rig, "c", "QUEUE|1|q|");
    rig_expect (rig, "c> OK|1");
    rig_say (rig, "c", "DELETE|1|q");
    rig_expect (rig, "c> OK|1|both");
    rig_say (rig, "c", "QUEUE|1|s|");
    rig_expect (rig, "c> OK|1");
    assert_int_equal (rig_stats (rig).queues, 2);
    rig_destroy (&rig);
}

//  A refusal that tells of an option is answered when that is safe: the next broker may never have heard of it.
static void test_a_refusal_waits_for_the_option (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig->sync_there = false;
    rig_say (rig, "c", "QUEUE|1|q|max-messages=1");
    rig_say (rig, "c", "PUT|2|q||x|y");
    rig_expect (rig, NULL);
    rig->sync_there = true;
    rig_takeover (rig);
    rig_expect (rig, "c> PASSIVE|1|*");
    rig_expect (rig, "c> PASSIVE|2|*");
    rig_say (rig, "c", "HELLO|h");
    rig_expect (rig, "c> OK|h|*");
    rig_say (rig, "c", "PUT|2|q||x|y");
    rig_expect (rig, "c> OK|2|both|*");
    rig_say (rig, "c", "QUEUE|1|q|max-messages=1");
    rig_say (rig, "c", "PUT|3|q||x|y");
    rig_expect (rig, "c> OK|1");
    rig_expect (rig, "c> ERR|3|429|*");
    rig_destroy (&rig);
}

static void test_list_matches_and_counts (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    char line[64];
    for (int index = 0; index < 2500; index++) {
        snprintf (line, sizeof line, "QUEUE|z|n%04d|", index);
        rig_push (rig, "c", line);
    }
    rig_say (rig, "c", "PUT|p|n1234||1|2|3");
    rig_say (rig, "c", "PUT|p|n0007||1|2|3");
    rig_say (rig, "c", "GET|g|n0007|2|0|");
    rig_say (rig, "c", "ACK|a|n0007|1:4");
    rig_say (rig, "c", "GET|g|n0008|1|1000|");
    rig_skip (rig);
    rig_say (rig, "c", "LIST|l|n000?");
    assert_int_equal (rig_last (rig)->answer.args, 20);
    rig_say (rig, "c", "LIST|l|n*7");
    assert_int_equal (rig_last (rig)->answer.args, 500);
    rig_skip (rig);
    rig_say (rig, "c", "LIST|l|*0007");
    rig_expect (rig, "c> OK|l|n0007|lease=30000\nmax-messages=0\nmessages=2\nleased=1\nwaiting=0\ngrace=5000");
    rig_say (rig, "c", "LIST|l|n0008");
    rig_expect (rig, "c> OK|l|n0008|lease=30000\nmax-messages=0\nmessages=0\nleased=0\nwaiting=1\ngrace=5000");
    rig_takeover (rig);
    rig_say (rig, "c", "HELLO|h");
    rig_skip (rig);
    //  Nothing of this is in memory now.
    rig_push (rig, "c", "LIST|l1|n1234");
    rig_push (rig, "c", "LIST|l2|n0007");
    rig_push (rig, "c", "DELETE|d|n0007");
    rig_push (rig, "c", "LIST|l3|n000?");
    rig_say (rig, "c", "LIST|l4|nothing");
    rig_expect (rig, "c> OK|l1|n1234|lease=30000\nmax-messages=0\nmessages=3\nleased=0\nwaiting=0\ngrace=5000");
    rig_expect (rig, "c> OK|l2|n0007|lease=30000\nmax-messages=0\nmessages=2\nleased=0\nwaiting=0\ngrace=5000");
    rig_expect (rig, "c> OK|d|both");
    rig_expect (rig, "c> OK|l3|n0000|*");
    assert_int_equal (rig->replies[rig->count - 2].answer.args, 18);
    rig_expect (rig, "c> OK|l4");
    rig_destroy (&rig);
}

//  A page begins behind a name, and says behind which the next one does; nothing is missed or told twice.
static void test_list_comes_in_pages (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    char line[64];
    for (int number = 0; number < 25; number++) {
        snprintf (line, sizeof line, "QUEUE|q|p%02d|", number * 7 % 25);
        rig_say (rig, "c", line);
    }
    rig_skip (rig);
    //  Some are in memory, the others in the store alone; those whose names do not fit are passed over.
    for (int how = 0; how < 3; how++) {
        char after[8] = "";
        int pages = 0, next = 0;
        do {
            snprintf (line, sizeof line, "LIST|l|p*|%s|10", after);
            rig_say (rig, "c", line);
            const zb_answer_t *answer = &rig_last (rig)->answer;
            assert_int_equal (answer->args % 2, 1);
            for (size_t index = 0; index + 1 < answer->args; index += 2, next++) {
                char name[16], said[256];
                snprintf (name, sizeof name, "p%02d", next);
                assert_true (zb_frame_is (answer->arg[index], name));
                snprintf (said, sizeof said, "%.*s", (int) answer->arg[index + 1].size,
                          (const char *) answer->arg[index + 1].data);
                assert_non_null (strstr (said, "messages=0\nleased=0\nwaiting=0\n"));
                assert_non_null (strstr (said, "\nkind=queue"));
            }
            const zb_frame_t *last = &answer->arg[answer->args - 1];
            snprintf (after, sizeof after, "%.*s", (int) last->size, (const char *) last->data);
            pages++;
        } while (*after);
        assert_int_equal (pages, 3);
        assert_int_equal (next, 25);
        if (how == 0)
            rig_takeover (rig);
        rig_say (rig, "c", "HELLO|h");
        for (int number = 3; how == 1 && number < 25; number += 2) {
            snprintf (line, sizeof line, "GET|g|p%02d|0|0|", number);
            rig_say (rig, "c", line);
        }
        rig_skip (rig);
    }
    //  A page of its own length; the end; behind the end; and without pages it is as it was.
    rig_say (rig, "c", "LIST|l||p22|");
    assert_int_equal (rig_last (rig)->answer.args, 7);
    rig_say (rig, "c", "LIST|l||q|");
    assert_int_equal (rig_last (rig)->answer.args, 1);
    rig_say (rig, "c", "LIST|l|p0*||");
    assert_int_equal (rig_last (rig)->answer.args, 20);
    assert_null (strstr (rig_last (rig)->text, "kind="));
    rig_destroy (&rig);
}

static void test_purge_empties_and_frees_in_steps (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    for (int index = 0; index < 350; index++) {
        rig_push (rig, "c", "PUT|p|q||x|y");
        rig_run (rig);
    }
    rig_say (rig, "c", "GET|g|q|5|0|");
    rig_say (rig, "c", "ACK|a|q|1:1 1:501");
    rig_skip (rig);
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 350);
    //  The tombstone is synced, the next leader does the work.
    rig->stuck = true;
    rig->most_ops = 0;
    rig_say (rig, "c", "PURGE|p|q");
    rig_expect (rig, "c> OK|p|both");
    rig_say (rig, "c", "GET|g|q|5|0|");
    rig_expect (rig, "c> MSG|g|both|q|");
    rig_say (rig, "c", "PUT|p|q||new");
    rig_expect (rig, "c> OK|p|both|1:701|1:701");
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 351);
    assert_int_equal (fake_store_rows (rig->store, ZB_QUEUES), 2);
    rig->stuck = false;
    rig_takeover (rig);
    rig_say (rig, "c", "HELLO|h");
    rig_expect (rig, "c> OK|h*");
    rig_say (rig, "c", "GET|g|q|5|0|");
    rig_expect (rig, "c> MSG|g|both|q|1:701 1|new");
    rig_say (rig, "c", "LIST|l");
    rig_expect (rig, "c> OK|l|q|lease=30000\nmax-messages=0\nmessages=1\nleased=1\nwaiting=0\ngrace=5000");
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 1);
    assert_int_equal (fake_store_rows (rig->store, ZB_ACKS), 0);
    assert_int_equal (fake_store_rows (rig->store, ZB_QUEUES), 1);
    assert_true (rig->most_ops <= 220);
    rig_destroy (&rig);
}

//  What is purged goes, also when the step before it found nothing, and on an idle broker.
static void test_purged_again_while_nothing_is_found (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig->stuck = true;
    rig_say (rig, "c", "PURGE|p|q");
    rig_expect (rig, "c> OK|p|both");
    assert_int_equal (rig->reads, 1);
    zb_read_t *held = rig->read[0];
    rig->reads = 0;
    rig->stuck = false;
    rig_say (rig, "c", "PUT|p|q||one");
    rig_say (rig, "c", "PURGE|p|q");
    zb_engine_loaded (rig->engine, &held, rig->now);
    rig_run (rig);
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 0);
    assert_int_equal (fake_store_rows (rig->store, ZB_QUEUES), 1);
    rig_destroy (&rig);
}

static void test_delete_then_make_again (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "c", "PUT|p|q||x|y");
    rig_say (rig, "c", "GET|g|q|1|0|");
    rig_skip (rig);
    rig_say (rig, "d", "HELLO|h");
    rig_say (rig, "d", "QUEUE|e|empty|");
    rig_say (rig, "d", "GET|g|empty|1|1000|");
    rig_skip (rig);
    rig_push (rig, "c", "PUT|p|q||in the same commit");
    rig_push (rig, "c", "DELETE|d|q");
    rig_push (rig, "c", "PUT|p|q||too late");
    rig_push (rig, "c", "QUEUE|q|q|");
    rig_push (rig, "c", "PUT|p2|q||new");
    rig_push (rig, "c", "DELETE|d2|empty");
    rig_say (rig, "c", "ACK|a|q|1:1");
    rig_expect (rig, "c> OK|p|both|1:3|1:3");
    rig_expect (rig, "c> OK|d|both");
    rig_expect (rig, "c> ERR|p|404|*");
    rig_expect (rig, "c> OK|q");
    rig_expect (rig, "c> OK|p2|both|1:4|1:4");
    rig_expect (rig, "d> ERR|g|404|*");
    rig_expect (rig, "c> OK|d2|both");
    rig_expect (rig, "c> OK|a|both");
    rig_say (rig, "c", "GET|g|q|5|0|");
    rig_expect (rig, "c> MSG|g|both|q|1:4 1|new");
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 1);
    assert_int_equal (fake_store_rows (rig->store, ZB_QUEUES), 1);
    assert_int_equal (fake_store_rows (rig->store, ZB_CURSORS), 1);
    rig_takeover (rig);
    rig_say (rig, "c", "HELLO|h");
    rig_say (rig, "c", "GET|g|q|5|0|");
    rig_skip (rig);
    rig_say (rig, "c", "GET|g|empty|1|0|");
    rig_expect (rig, "c> ERR|g|404|*");
    rig_destroy (&rig);
}

static void test_a_deleted_queue_is_not_read_again (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.inflight = 1;
    limits.batch = 100;
    rig_t *rig = rig_ready (&limits);
    rig->sync_there = false;
    rig_say (rig, "c", "PUT|p1|q||x");
    //  Two commits that the store can't take yet; the second one deletes.
    rig_put (rig, "c", "p2", "q", 1, 200);
    rig_say (rig, "c", "DELETE|d|q");
    rig_sync (rig, true, true);
    rig_say (rig, "c", "PUT|p3|q||x");
    while (rig_stats (rig).released < rig_stats (rig).commit)
        rig_sync (rig, true, true);
    rig_expect (rig, "c> OK|p1|both|*");
    rig_expect (rig, "c> OK|p2|both|*");
    rig_expect (rig, "c> OK|d|both");
    rig_expect (rig, "c> ERR|p3|404|*");
    rig_destroy (&rig);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_queue_options),
        cmocka_unit_test (test_a_deleted_queue_is_not_listed),
        cmocka_unit_test (test_queues_are_bounded),
        cmocka_unit_test (test_a_refusal_waits_for_the_option),
        cmocka_unit_test (test_list_matches_and_counts),
        cmocka_unit_test (test_list_comes_in_pages),
        cmocka_unit_test (test_purge_empties_and_frees_in_steps),
        cmocka_unit_test (test_purged_again_while_nothing_is_found),
        cmocka_unit_test (test_delete_then_make_again),
        cmocka_unit_test (test_a_deleted_queue_is_not_read_again),
    };
    return cmocka_run_group_tests_name ("verbs_queue", tests, NULL, NULL);
}
