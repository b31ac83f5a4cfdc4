/*  =========================================================================
    test_commit - what a commit writes, operation by operation

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

#include "core/base/level.h"
#include "core/queue/commit.h"
#include "core/queue/options.h"
#include "core/queue/queue.h"

//  The operation at this index is about this key.
static void s_is (const zb_commit_t *commit, size_t index, bool erase, zb_table_t table, const void *key, size_t size)
{
    assert_true (index < zb_batch_size (commit->batch));
    zb_op_t op = zb_batch_op (commit->batch, index);
    assert_int_equal (op.erase, erase);
    assert_int_equal (op.table, table);
    assert_int_equal (op.key_size, size);
    assert_memory_equal (op.key, key, size);
}

//  What is noted goes nowhere unless it is told; then it is in the other commit's journal, once.
static void test_notes_become_the_journal (void **state)
{
    (void) state;
    zb_commit_t *one = zb_commit_new (1, 7), *next = zb_commit_new (2, 7);
    char name[ZB_NAME_MAX];
    memset (name, 'n', sizeof name);
    for (uint64_t index = 1; index <= 100; index++)
        zb_commit_note (one, (zb_frame_t){name, index}, index, 10 * index);
    zb_commit_note (one, zb_frame ("q"), ZB_JOURNAL_DELETED, ZB_JOURNAL_DELETED);
    assert_int_equal (zb_batch_size (one->batch), 0);
    zb_commit_tell (one, next);
    zb_commit_tell (one, next);
    assert_int_equal (zb_batch_size (one->batch), 0);
    assert_int_equal (zb_batch_size (next->batch), 101);
    for (uint64_t index = 1; index <= 101; index++) {
        zb_frame_t queue = index <= 100 ? (zb_frame_t){name, index} : zb_frame ("q");
        uint64_t first = index <= 100 ? index : ZB_JOURNAL_DELETED, last = index <= 100 ? 10 * index : first;
        uint8_t key[ZB_KEY_MAX], value[8];
        size_t size = zb_journal_key (queue, last, key);
        s_is (next, index - 1, false, ZB_ACKS, key, size);
        zb_put64 (value, first);
        assert_memory_equal (zb_batch_op (next->batch, index - 1).value, value, sizeof value);
    }
    //  What is noted and never told goes with the commit.
    zb_commit_note (next, zb_frame ("q"), 1, 2);
    zb_commit_destroy (&one);
    zb_commit_destroy (&next);
    assert_null (next);
}

static void test_a_queue_comes_and_goes (void **state)
{
    (void) state;
    zb_commit_t *self = zb_commit_new (3, 7);
    uint8_t tomb[ZB_TOMB_KEY_SIZE], cursor[ZB_CURSOR_KEY_SIZE], value[ZB_QUEUE_ROW_MAX];
    zb_queue_row_t row = {.id = 5, .lease = 10, .changed = {7, 3, 1}};
    zb_tomb_key (5, tomb);
    zb_cursor_key (5, 0, cursor);
    zb_commit_queue (self, zb_frame ("q"), &row);
    zb_commit_queues (self, 5, 1);
    zb_commit_bury (self, 5, UINT64_MAX);
    zb_commit_delete_queue (self, zb_frame ("q"), &row);
    zb_commit_buried (self, 5);
    s_is (self, 0, false, ZB_QUEUES, "q", 1);
    zb_op_t op = zb_batch_op (self->batch, 0);
    assert_int_equal (op.value_size, zb_queue_row_encode (&row, value));
    assert_memory_equal (op.value, value, op.value_size);
    s_is (self, 1, false, ZB_META, ZB_META_QUEUES, strlen (ZB_META_QUEUES));
    s_is (self, 2, false, ZB_QUEUES, tomb, sizeof tomb);
    s_is (self, 3, true, ZB_CURSORS, cursor, sizeof cursor);
    s_is (self, 4, true, ZB_QUEUES, "q", 1);
    s_is (self, 5, true, ZB_QUEUES, tomb, sizeof tomb);
    zb_commit_meta (self, "key", "value", 5);
    zb_commit_meta (self, "key", NULL, 0);
    s_is (self, 6, false, ZB_META, "key", 3);
    s_is (self, 7, true, ZB_META, "key", 3);
    zb_commit_close (self, 99);
    s_is (self, 8, false, ZB_META, ZB_META_COMMIT, strlen (ZB_META_COMMIT));
    op = zb_batch_op (self->batch, 8);
    assert_int_equal (zb_get64 (op.value), 3);
    assert_int_equal (zb_get64 ((const uint8_t *) op.value + 8), 99);
    assert_int_equal (zb_batch_commit (self->batch), 3);
    assert_int_equal (self->last_id, 99);
    zb_commit_destroy (&self);
}

//  Options are set by name within their bounds, and shown with what stands for 0.
static void test_options (void **state)
{
    (void) state;
    char why[ZB_OPTION_WHY], text[200];
    zb_queue_row_t row = {.id = 1}, same = row;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    assert_null (zb_options_set (&row, zb_frame ("lease"), zb_frame ("2147483647"), why));
    assert_null (zb_options_set (&row, zb_frame ("grace"), zb_frame ("7"), why));
    assert_null (zb_options_set (&row, zb_frame ("max-messages"), zb_frame ("9223372036854775807"), why));
    assert_true (row.lease == INT32_MAX && row.grace == 7 && row.max == INT64_MAX && row.id == 1);
    assert_string_equal (zb_options_set (&row, zb_frame ("lease"), zb_frame ("2147483648"), why),
                         "lease is a number of milliseconds, 0 for the default");
    assert_string_equal (zb_options_set (&row, zb_frame ("max-messages"), zb_frame ("9223372036854775808"), why),
                         "max-messages is a number, 0 for the default");
    assert_string_equal (
        zb_options_set (&row, zb_frame ("max"), zb_frame ("1"), why),
        "the options of a queue are lease, grace, max-messages, max-bytes, expires, delay, priorities, full, "
        "mode, max-deliveries, retry-delay, dedupe, unused and dead-letter");
    assert_false (zb_options_same (&row, &same));
    same = row;
    assert_true (zb_options_same (&row, &same));
    same.grace++;
    assert_false (zb_options_same (&row, &same));
    row.lease = row.max = 0;
    size_t size = zb_options_format (&row, &limits, false, text, sizeof text);
    assert_int_equal (size, strlen (text));
    assert_string_equal (text, "lease=30000\nmax-messages=0\n");
    zb_options_format (&row, &limits, true, text, sizeof text);
    assert_string_equal (text, "grace=7\n");
    assert_int_equal (zb_options_level (&row), ZB_LEVEL_GRACE);
    same = row;
    assert_null (zb_options_set (&row, zb_frame ("dead-letter"), zb_frame ("bin"), why));
    assert_false (zb_options_same (&row, &same));
    assert_int_equal (zb_options_level (&row), ZB_LEVEL_DEAD);
    assert_string_equal (zb_options_set (&row, zb_frame ("dead-letter"), zb_frame ("a/b"), why),
                         "dead-letter is the name of a queue, empty for the default");
    zb_options_format (&row, &limits, true, text, sizeof text);
    assert_string_equal (text, "grace=7\ndead-letter=bin\n");
    assert_null (zb_options_set (&row, zb_frame ("dead-letter"), zb_frame (""), why));
    assert_true (zb_options_same (&row, &same));
    assert_null (zb_options_set (&row, zb_frame ("retry-delay"), zb_frame ("1..2147483647"), why));
    assert_true (row.retry == 1 && row.retry_most == INT32_MAX && !zb_options_same (&row, &same));
    assert_int_equal (zb_options_level (&row), ZB_LEVEL_RETRY);
    assert_non_null (zb_options_set (&row, zb_frame ("retry-delay"), zb_frame ("2..1"), why));
    zb_options_format (&row, &limits, true, text, sizeof text);
    assert_string_equal (text, "grace=7\nretry-delay=1..2147483647\n");
    assert_null (zb_options_set (&row, zb_frame ("retry-delay"), zb_frame ("0"), why));
    assert_true (zb_options_same (&row, &same));
    assert_null (zb_options_set (&row, zb_frame ("max-deliveries"), zb_frame ("2147483647"), why));
    assert_true (row.most_tries == INT32_MAX && !zb_options_same (&row, &same));
    assert_int_equal (zb_options_level (&row), ZB_LEVEL_TRIES);
    static const char *const wrong[] = {"2147483648", "-1", "x", "", "1.5"};
    for (size_t index = 0; index < sizeof wrong / sizeof *wrong; index++)
        assert_string_equal (zb_options_set (&row, zb_frame ("max-deliveries"), zb_frame (wrong[index]), why),
                             "max-deliveries is a number, 0 for no limit");
    zb_options_format (&row, &limits, true, text, sizeof text);
    assert_string_equal (text, "grace=7\nmax-deliveries=2147483647\n");
    assert_null (zb_options_set (&row, zb_frame ("max-deliveries"), zb_frame ("0"), why));
    assert_true (zb_options_same (&row, &same));
    assert_null (zb_options_set (&row, zb_frame ("dedupe"), zb_frame ("3155760000000"), why));
    assert_true (row.dedupe == ZB_DEDUPE_MOST && !zb_options_same (&row, &same));
    assert_int_equal (zb_options_level (&row), ZB_LEVEL_DEDUPE);
    zb_options_format (&row, &limits, true, text, sizeof text);
    assert_string_equal (text, "grace=7\ndedupe=3155760000000\n");
    assert_null (zb_options_set (&row, zb_frame ("dedupe"), zb_frame ("0"), why));
    assert_null (zb_options_set (&row, zb_frame ("unused"), zb_frame ("3155760000000"), why));
    assert_true (row.unused == ZB_UNUSED_MOST && !zb_options_same (&row, &same));
    assert_int_equal (zb_options_level (&row), ZB_LEVEL_UNUSED);
    assert_string_equal (zb_options_set (&row, zb_frame ("unused"), zb_frame ("3155760000001"), why),
                         "unused is a number of milliseconds, 0 for never");
    zb_options_format (&row, &limits, true, text, sizeof text);
    assert_string_equal (text, "grace=7\nunused=3155760000000\n");
    assert_null (zb_options_set (&row, zb_frame ("unused"), zb_frame ("0"), why));
    assert_true (zb_options_same (&row, &same));
    assert_null (zb_options_set (&row, zb_frame ("mode"), zb_frame ("exclusive"), why));
    assert_true (row.mode == ZB_MODE_EXCLUSIVE && !zb_options_same (&row, &same));
    assert_int_equal (zb_options_level (&row), ZB_LEVEL_MODE);
    assert_string_equal (zb_options_set (&row, zb_frame ("mode"), zb_frame (""), why),
                         "mode is shared, exclusive or key");
    zb_options_format (&row, &limits, true, text, sizeof text);
    assert_string_equal (text, "grace=7\nmode=exclusive\n");
    assert_null (zb_options_set (&row, zb_frame ("mode"), zb_frame ("key"), why));
    assert_true (row.mode == ZB_MODE_KEY);
    assert_int_equal (zb_options_level (&row), ZB_LEVEL_MODE);
    zb_options_format (&row, &limits, true, text, sizeof text);
    assert_string_equal (text, "grace=7\nmode=key\n");
    assert_null (zb_options_set (&row, zb_frame ("mode"), zb_frame ("exclusive"), why));
    //  Whose it is does not make other options.
    same = row;
    row.holder[3] = 1;
    assert_true (zb_options_same (&row, &same));
    assert_null (zb_options_set (&row, zb_frame ("mode"), zb_frame ("shared"), why));
    assert_true (row.mode == ZB_MODE_SHARED && row.holder[3] == 0);
}

//  How long a message rests after so many tries.
static void test_rests (void **state)
{
    (void) state;
    static const struct {
        uint64_t retry, most, tries;
        int64_t rests[12];
    } cases[] = {{100, 300, 0, {100, 200, 300, 300}},
                 {100, 300, 9, {100, 200, 300, 300}},
                 {7, 7, 1, {7, 7}},
                 {0, 0, 0, {0, 0, 0, 0}},
                 {0, 0, 1, {0, 0, 100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000, 10000}}};
    size_t total = 0;
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        zb_queue_row_t row = {.id = 1, .retry = cases[index].retry, .retry_most = cases[index].most};
        row.most_tries = cases[index].tries;
        zb_queue_t *queue = zb_queue_new (zb_frame ("q"), 1, 0, &total);
        zb_queue_configure (queue, &row);
        for (uint32_t tries = 1; tries <= 12 && (tries < 3 || cases[index].rests[tries - 1]); tries++)
            assert_int_equal (zb_queue_retry (queue, tries), cases[index].rests[tries - 1]);
        assert_int_equal (zb_queue_retry (queue, UINT32_MAX), cases[index].retry   ? cases[index].most
                                                              : cases[index].tries ? 10000
                                                                                   : 0);
        zb_queue_destroy (&queue);
    }
}

//  Those of a queue that is full.  That max-bytes was named is told, also if it is 0.
static void test_options_of_a_full_queue (void **state)
{
    (void) state;
    char why[ZB_OPTION_WHY], text[200];
    zb_queue_row_t row = {.id = 1}, same = row;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    static const char *const bad[] = {"", "-1", "1k", "9223372036854775808"};
    for (size_t index = 0; index < sizeof bad / sizeof *bad; index++)
        assert_string_equal (zb_options_set (&row, zb_frame ("max-bytes"), zb_frame (bad[index]), why),
                             "max-bytes is a number of bytes, 0 for the default");
    assert_string_equal (zb_options_set (&row, zb_frame ("full"), zb_frame ("drop"), why),
                         "full is reject or drop-oldest");
    assert_null (zb_options_set (&row, zb_frame ("full"), zb_frame ("reject"), why));
    assert_true (zb_options_same (&row, &same));
    assert_int_equal (zb_options_level (&row), ZB_LEVEL_LEAST);
    assert_null (zb_options_set (&row, zb_frame ("full"), zb_frame ("drop-oldest"), why));
    assert_false (zb_options_same (&row, &same));
    assert_int_equal (zb_options_level (&row), ZB_LEVEL_FULL);
    zb_options_format (&row, &limits, true, text, sizeof text);
    assert_string_equal (text, "grace=5000\nfull=drop-oldest\n");
    row = same;
    assert_null (zb_options_set (&row, zb_frame ("max-bytes"), zb_frame ("0"), why));
    assert_false (zb_options_same (&row, &same));
    assert_int_equal (zb_options_level (&row), ZB_LEVEL_BYTES);
    zb_options_format (&row, &limits, true, text, sizeof text);
    assert_string_equal (text, "grace=5000\nmax-bytes=0\n");
    assert_null (zb_options_set (&row, zb_frame ("max-bytes"), zb_frame ("9223372036854775807"), why));
    assert_true (row.bytes == INT64_MAX && row.sized && !row.timed);
    zb_options_format (&row, &limits, false, text, sizeof text);
    assert_string_equal (text, "lease=30000\nmax-messages=0\n");
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_notes_become_the_journal),
        cmocka_unit_test (test_a_queue_comes_and_goes),
        cmocka_unit_test (test_options),
        cmocka_unit_test (test_rests),
        cmocka_unit_test (test_options_of_a_full_queue),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
