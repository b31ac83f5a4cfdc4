/*  =========================================================================
    test_producer - a resent PUT is known for what it is

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/queue/producer.h"
#include "fake_store.h"

static void test_numbers (void **state)
{
    (void) state;
    zb_producer_t *self = zb_producer_new (zb_frame ("till"));
    assert_int_equal (zb_producer_check (self, 1, 0), ZB_PUT_NEXT);
    assert_int_equal (zb_producer_check (self, 2, 0), ZB_PUT_GAP);
    for (uint64_t number = 1; number <= 1000; number++) {
        zb_slot_t slot = {number, number * 7, number * 10, 3, 1};
        zb_producer_keep (self, &slot);
    }
    assert_int_equal (zb_producer_check (self, 1001, 0), ZB_PUT_NEXT);
    assert_int_equal (zb_producer_check (self, 1002, 0), ZB_PUT_GAP);
    assert_int_equal (zb_producer_check (self, 745, 745 * 7), ZB_PUT_AGAIN);
    assert_int_equal (zb_producer_check (self, 745, 1), ZB_PUT_OTHER);
    assert_int_equal (zb_producer_check (self, 744, 744 * 7), ZB_PUT_PAST);
    assert_int_equal (zb_producer_slot (self, 800)->first, 8000);
    zb_producer_destroy (&self);
}

//  A PUT rewrites one small row; what is written is all that is needed to go on.
static void test_rows (void **state)
{
    (void) state;
    fake_store_t *store = fake_store_new ();
    zb_producer_t *self = zb_producer_new (zb_frame ("till"));
    self->instance = 1;
    self->dirty = true;
    for (uint64_t number = 1; number <= 300; number++) {
        zb_slot_t slot = {number, number * 7, number * 10, 3, 1};
        zb_producer_keep (self, &slot);
        zb_commit_t *commit = zb_commit_new (number, 1);
        zb_producer_write (self, commit);
        assert_int_equal (zb_batch_size (commit->batch), number == 1 ? 2 : 1);
        zb_batch_set_commit (commit->batch, number);
        fake_store_commit (store, commit->batch);
        commit->batch = NULL;
        zb_commit_destroy (&commit);
    }
    zb_producer_destroy (&self);

    zb_read_t *read = zb_read_new (0, 0);
    zb_read_add (read, ZB_PRODUCERS, "till", 4, 4, 1, SIZE_MAX);
    zb_read_add (read, ZB_PRODUCERS, "till\0", 5, 5, 8, SIZE_MAX);
    fake_store_read (store, read);
    assert_int_equal (read->count[1], 8);
    self = zb_producer_new (zb_frame ("till"));
    assert_int_equal (zb_producer_load (self, read->found[0][0].row, read->found[1], 8), 0);
    assert_int_equal (self->last, 300);
    assert_int_equal (zb_producer_check (self, 300, 2100), ZB_PUT_AGAIN);
    assert_int_equal (zb_producer_check (self, 45, 45 * 7), ZB_PUT_AGAIN);
    assert_int_equal (zb_producer_check (self, 44, 44 * 7), ZB_PUT_PAST);
    zb_producer_destroy (&self);
    //  Groups without a name are none of ours.
    self = zb_producer_new (zb_frame ("till"));
    assert_int_equal (zb_producer_load (self, NULL, read->found[1], 8), -1);
    read->found[1][0].key[5] = 8;
    assert_int_equal (zb_producer_load (self, read->found[0][0].row, read->found[1], 8), -1);
    zb_producer_destroy (&self);
    zb_read_destroy (&read);
    fake_store_destroy (&store);
}

static void test_digests (void **state)
{
    (void) state;
    static const uint8_t key[ZB_MAP_KEY_SIZE] = "key";
    static const uint8_t key2[ZB_MAP_KEY_SIZE] = "yek";
    zb_frame_t body[][3] = {
        {{"ab", 2}, {"c", 1}, {"", 0}}, {{"a", 1}, {"bc", 2}, {"", 0}}, {{"ab", 2}, {"", 0}, {"c", 1}},
        {{"", 0}, {"ab", 2}, {"c", 1}}, {{"abc", 3}, {"", 0}, {"", 0}},
    };
    uint64_t seen[20];
    size_t count = 0;
    zb_request_t request = {.queue = zb_frame ("q"), .properties = zb_frame ("a=b"), .bodies = 3};
    for (size_t index = 0; index < 5; index++) {
        request.body = body[index];
        seen[count++] = zb_put_digest (&request, key);
    }
    request.bodies = 2;
    request.body = body[0];
    seen[count++] = zb_put_digest (&request, key);
    request.properties = zb_frame ("a=c");
    seen[count++] = zb_put_digest (&request, key);
    request.queue = zb_frame ("r");
    seen[count++] = zb_put_digest (&request, key);
    seen[count++] = zb_put_digest (&request, key2);
    for (size_t one = 0; one < count; one++)
        for (size_t other = 0; other < one; other++)
            assert_true (seen[one] != seen[other]);
    assert_true (zb_put_digest (&request, key2) == seen[count - 1]);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_numbers),
        cmocka_unit_test (test_rows),
        cmocka_unit_test (test_digests),
    };
    return cmocka_run_group_tests_name ("producer", tests, NULL, NULL);
}
