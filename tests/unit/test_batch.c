/*  =========================================================================
    test_batch - what is put into a batch or a read comes out of it

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================
*/

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "core/base/batch.h"

static void test_rows (void **state)
{
    (void) state;
    zb_row_t *row = zb_row_new (100);
    assert_int_equal (row->refs, 1);
    assert_int_equal (row->size, 0);
    assert_int_equal (row->room, 100);
    memset (row->data, 7, 100);
    zb_row_t *other = zb_row_ref (row);
    assert_ptr_equal (other, row);
    zb_row_unref (&other);
    assert_null (other);
    assert_int_equal (row->refs, 1);
    zb_row_unref (&row);
    assert_null (row);
    zb_row_unref (&row);
    row = zb_row_new (0);
    zb_row_unref (&row);
}

static void test_empty (void **state)
{
    (void) state;
    zb_batch_t *batch = zb_batch_new ();
    assert_int_equal (zb_batch_size (batch), 0);
    assert_int_equal (zb_batch_commit (batch), 0);
    zb_batch_set_commit (batch, UINT64_MAX);
    assert_true (zb_batch_commit (batch) == UINT64_MAX);
    zb_batch_destroy (&batch);
    assert_null (batch);
    zb_batch_destroy (&batch);
}

static void test_operations (void **state)
{
    (void) state;
    zb_batch_t *batch = zb_batch_new ();
    zb_row_t *row = zb_row_new (16);
    memcpy (row->data, "abc", 3);
    row->size = 3;
    char key[] = "key", value[] = "value";
    zb_batch_put (batch, ZB_QUEUES, key, 3, value, 5);
    zb_batch_put (batch, ZB_META, key, 3, NULL, 0);
    zb_batch_put_row (batch, ZB_LOG, key, 2, row);
    zb_batch_erase (batch, ZB_ACKS, key, 1);
    memset (key, 'x', sizeof (key));
    memset (value, 'x', sizeof (value));
    assert_int_equal (row->refs, 2);

    assert_int_equal (zb_batch_size (batch), 4);
    zb_op_t op = zb_batch_op (batch, 0);
    assert_int_equal (op.table, ZB_QUEUES);
    assert_false (op.erase);
    assert_int_equal (op.key_size, 3);
    assert_memory_equal (op.key, "key", 3);
    assert_int_equal (op.value_size, 5);
    assert_memory_equal (op.value, "value", 5);
    op = zb_batch_op (batch, 1);
    assert_int_equal (op.table, ZB_META);
    assert_int_equal (op.value_size, 0);

    //  A row is put as it was: what is appended to it later belongs to a later put.
    memcpy (row->data + 3, "def", 3);
    row->size = 6;
    op = zb_batch_op (batch, 2);
    assert_int_equal (op.table, ZB_LOG);
    assert_int_equal (op.value_size, 3);
    assert_ptr_equal (op.value, row->data);
    op = zb_batch_op (batch, 3);
    assert_int_equal (op.table, ZB_ACKS);
    assert_true (op.erase);
    assert_int_equal (op.key_size, 1);
    assert_memory_equal (op.key, "k", 1);
    assert_int_equal (op.value_size, 0);
    zb_batch_destroy (&batch);
    assert_int_equal (row->refs, 1);
    zb_row_unref (&row);
}

//  Many operations of all sizes, so that arena and operations grow several times.
static void test_growth (void **state)
{
    (void) state;
    enum { OPS = 20000 };
    zb_batch_t *batch = zb_batch_new ();
    uint8_t value[997];
    for (uint32_t number = 0; number < OPS; number++) {
        memset (value, (int) number, sizeof (value));
        size_t size = number % sizeof (value);
        zb_batch_put (batch, ZB_LOG, &number, sizeof (number), value, size);
    }
    uint8_t key[ZB_KEY_MAX];
    memset (key, 'k', sizeof (key));
    zb_batch_erase (batch, ZB_PRODUCERS, key, sizeof (key));
    assert_int_equal (zb_batch_size (batch), OPS + 1);
    for (uint32_t number = 0; number < OPS; number++) {
        zb_op_t op = zb_batch_op (batch, number);
        assert_int_equal (op.key_size, sizeof (number));
        assert_memory_equal (op.key, &number, sizeof (number));
        assert_int_equal (op.value_size, number % sizeof (value));
        memset (value, (int) number, sizeof (value));
        if (op.value_size)
            assert_memory_equal (op.value, value, op.value_size);
    }
    assert_int_equal (zb_batch_op (batch, OPS).key_size, ZB_KEY_MAX);
    //  One value that is larger than all before it.
    static uint8_t large[16 << 20];
    memset (large, 5, sizeof (large));
    zb_batch_put (batch, ZB_LOG, key, 1, large, sizeof (large));
    assert_memory_equal (zb_batch_op (batch, OPS + 1).value, large, sizeof (large));
    zb_batch_destroy (&batch);
}

static void test_reads (void **state)
{
    (void) state;
    zb_read_t *read = zb_read_new (3, 99);
    assert_int_equal (read->purpose, 3);
    assert_int_equal (read->tag, 99);
    assert_int_equal (zb_read_add (read, ZB_LOG, "abcd", 4, 2, 10, 1000), 0);
    assert_int_equal (zb_read_add (read, ZB_ACKS, NULL, 0, 0, 1, 1), 1);
    assert_int_equal (zb_read_add (read, ZB_META, "m", 1, 1, 2, 2), 2);
    assert_int_equal (read->ranges, 3);
    assert_true (read->ranges <= ZB_READ_RANGES);
    assert_int_equal (read->range[0].table, ZB_LOG);
    assert_int_equal (read->range[0].key_size, 4);
    assert_int_equal (read->range[0].prefix, 2);
    assert_memory_equal (read->range[0].key, "abcd", 4);
    assert_int_equal (read->range[0].rows, 10);
    assert_int_equal (read->range[0].bytes, 1000);
    for (uint32_t number = 0; number < 1000; number++)
        zb_read_found (read, 0, &number, sizeof (number), "value", number % 6);
    zb_read_found (read, 2, "m", 1, NULL, 0);
    read->more[0] = true;
    assert_int_equal (read->count[0], 1000);
    assert_int_equal (read->count[1], 0);
    assert_int_equal (read->count[2], 1);
    for (uint32_t number = 0; number < 1000; number++) {
        const zb_found_t *found = &read->found[0][number];
        assert_int_equal (found->key_size, sizeof (number));
        assert_memory_equal (found->key, &number, sizeof (number));
        assert_int_equal (found->row->size, number % 6);
        assert_memory_equal (found->row->data, "value", number % 6);
    }
    assert_int_equal (read->found[2][0].row->size, 0);
    //  A row may be taken out, or be shared beyond the read's life.
    zb_row_t *taken = read->found[0][0].row;
    read->found[0][0].row = NULL;
    zb_row_t *shared = zb_row_ref (read->found[0][5].row);
    zb_read_destroy (&read);
    assert_null (read);
    zb_read_destroy (&read);
    assert_int_equal (shared->refs, 1);
    assert_memory_equal (shared->data, "value", 5);
    zb_row_unref (&taken);
    zb_row_unref (&shared);
}

int main (void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test (test_rows), cmocka_unit_test (test_empty),
                                       cmocka_unit_test (test_operations), cmocka_unit_test (test_growth),
                                       cmocka_unit_test (test_reads)};
    return cmocka_run_group_tests (tests, NULL, NULL);
}
