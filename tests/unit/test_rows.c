/*  =========================================================================
    test_rows - what is written is read back, and nothing else is believed

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

#include "core/queue/view.h"
#include "core/queue/rank.h"
#include "core/queue/rows.h"

static zb_row_t *s_row (const void *bytes, size_t size)
{
    zb_row_t *row = zb_row_new (size);
    memcpy (row->data, bytes, size);
    row->size = (uint32_t) size;
    return row;
}

//  A log row of two PUTs: ids 100, 101 and 200, then its last id.
static zb_row_t *s_log (uint64_t *last)
{
    zb_row_t *row = zb_row_new (400);
    zb_frame_t one[] = {zb_frame ("first"), zb_frame ("")}, two[] = {zb_frame ("third")};
    zb_piece_t piece = {
        .first = 100, .count = 2, .number = 7, .name = zb_frame ("till"), .properties = zb_frame ("a=b")};
    size_t need = zb_log_need (&piece, 2, 5);
    zb_log_begin (row, &(zb_log_head_t){.form = 1, .first = 100});
    zb_log_append (row, &piece, one);
    assert_int_equal (row->size, ZB_LOG_HEAD + need);
    piece = (zb_piece_t){.first = 200, .count = 1};
    zb_log_append (row, &piece, two);
    *last = 200;
    return row;
}

static void test_log_rows_come_back (void **state)
{
    (void) state;
    uint64_t last = 0;
    zb_row_t *row = s_log (&last);
    uint8_t bits = 2;
    zb_row_t *acks = s_row (&bits, 1);
    zb_view_t *view = zb_view_of (row, last, acks);
    assert_non_null (view);
    assert_int_equal (view->places->count, 3);
    assert_int_equal (view->open, 2);
    assert_true (zb_view_is_done (view, 1));
    assert_int_equal (zb_places_id (view->places, 0), 100);
    assert_int_equal (zb_places_id (view->places, 2), 200);
    assert_true (zb_frame_is (zb_places_body (view->places, 2), "third"));
    assert_int_equal (zb_places_body (view->places, 1).size, 0);
    assert_true (zb_frame_is (zb_places_properties (view->places, 1), "a=b"));
    assert_int_equal (zb_places_properties (view->places, 2).size, 0);
    static const struct {
        uint64_t id;
        uint32_t index;
    } find[] = {{1, 0}, {100, 0}, {101, 1}, {102, 2}, {199, 2}, {200, 2}, {201, 3}};
    for (size_t index = 0; index < sizeof find / sizeof find[0]; index++)
        assert_int_equal (zb_places_find (view->places, find[index].id), find[index].index);
    assert_int_equal (zb_view_bits_size (view), 1);
    assert_int_equal (view->bits[0], 2);
    size_t offset = 0;
    zb_piece_t piece;
    assert_int_equal (zb_log_next (row, &offset, &piece), 1);
    assert_int_equal (piece.number, 7);
    assert_true (zb_frame_is (piece.name, "till"));
    zb_view_destroy (&view);
    zb_row_unref (&acks);
    zb_row_unref (&row);
}

//  Each byte of a row's structure matters; whatever it becomes, nothing is read that is not there (ASan watches).
static void test_damaged_log_rows_are_refused (void **state)
{
    (void) state;
    uint64_t last = 0;
    zb_row_t *row = s_log (&last);
    for (uint32_t size = 0; size < row->size; size++) {
        zb_row_t *cut = s_row (row->data, size);
        assert_null (zb_view_of (cut, last, NULL));
        zb_row_unref (&cut);
    }
    for (uint32_t at = 0; at < row->size; at++)
        for (int bit = 0; bit < 8; bit++) {
            zb_row_t *bad = s_row (row->data, row->size);
            bad->data[at] ^= (uint8_t) (1 << bit);
            zb_view_t *view = zb_view_of (bad, last, NULL);
            //  Not structure: bodies, texts, and the number of a PUT.
            bool text = (at >= ZB_LOG_HEAD + 8 && at < ZB_LOG_HEAD + 16) ||
                        (at >= ZB_LOG_HEAD + 24 && at < ZB_LOG_HEAD + 31) || (at >= ZB_LOG_HEAD + 39);
            if (!text)
                assert_null (view);
            if (view)
                zb_view_destroy (&view);
            zb_row_unref (&bad);
        }
    assert_null (zb_view_of (row, last + 1, NULL));
    assert_null (zb_view_of (row, last - 1, NULL));
    //  All of a row may be done; but there is nothing behind its end.
    static const uint8_t bits[][2] = {{1, 0}, {7, 0}, {8, 0}, {15, 0}, {0, 0}};
    for (size_t index = 0; index < 5; index++) {
        zb_row_t *acks = s_row (bits[index], index == 4 ? 2 : 1);
        zb_view_t *view = zb_view_of (row, last, acks);
        assert_true ((view != NULL) == (index < 2));
        assert_true (!view || view->open == (index ? 0 : 2));
        zb_view_destroy (&view);
        zb_row_unref (&acks);
    }
    zb_row_unref (&row);
}

//  The head of form 2: time, number, and the bytes of all bodies.
static void test_the_long_head_of_a_row (void **state)
{
    (void) state;
    zb_frame_t body[] = {zb_frame ("first"), zb_frame (""), zb_frame ("third")};
    zb_piece_t one = {.first = 100, .count = 2, .properties = zb_frame ("a=b")}, two = {.first = 200, .count = 1};
    zb_row_t *row = zb_row_new (400);
    zb_log_begin (row, &(zb_log_head_t){.form = 2, .first = 100, .time = 1700000000000, .n = 77});
    zb_log_append (row, &one, body);
    zb_log_append (row, &two, body + 2);
    zb_log_head_t head;
    assert_int_equal (zb_log_head (row, &head), 0);
    assert_int_equal (head.form, 2);
    assert_int_equal (head.count, 3);
    assert_int_equal (head.first, 100);
    assert_int_equal (head.time, 1700000000000);
    assert_int_equal (head.n, 77);
    assert_int_equal (head.bytes, 10);
    zb_places_t *places = zb_places_new (row, 200);
    assert_non_null (places);
    assert_true (zb_frame_is (zb_places_body (places, 0), "first"));
    assert_true (zb_frame_is (zb_places_body (places, 2), "third"));
    assert_true (zb_frame_is (zb_places_properties (places, 1), "a=b"));
    zb_places_unref (&places);
    //  Its bytes are counted; no other form is known; and it is there as a whole.
    zb_put32 (row->data + 32, 11);
    assert_null (zb_places_new (row, 200));
    zb_put32 (row->data + 32, 10);
    row->data[0] = 3;
    assert_null (zb_places_new (row, 200));
    row->data[0] = 2;
    for (uint32_t size = 0; size < row->size; size++) {
        zb_row_t *cut = s_row (row->data, size);
        assert_null (zb_places_new (cut, 200));
        zb_row_unref (&cut);
    }
    //  The first form has none of that.
    uint64_t last = 0;
    zb_row_t *old = s_log (&last);
    assert_int_equal (zb_log_head (old, &head), 0);
    assert_int_equal (head.form, 1);
    assert_true (head.time == 0 && head.n == 0 && head.bytes == 0);
    zb_row_unref (&old);
    zb_row_unref (&row);
}

static void test_keys_sort_as_ids_do (void **state)
{
    (void) state;
    uint8_t one[ZB_ACKS_KEY_SIZE], other[ZB_ACKS_KEY_SIZE];
    zb_acks_key (1, UINT64_MAX, one);
    zb_acks_key (2, 1, other);
    assert_true (memcmp (one, other, sizeof one) < 0);
    zb_log_key (2, 256, one);
    assert_true (memcmp (one, other, ZB_LOG_KEY_SIZE) > 0);
    zb_found_t found = {.key_size = ZB_LOG_KEY_SIZE};
    uint64_t last = 0;
    memcpy (found.key, one, ZB_LOG_KEY_SIZE);
    assert_int_equal (zb_log_key_decode (&found, 2, &last), 0);
    assert_int_equal (last, 256);
    assert_int_equal (zb_log_key_decode (&found, 3, &last), -1);
    assert_int_equal (zb_acks_key_decode (&found, 2, &last), -1);
    found.key_size = ZB_ACKS_KEY_SIZE;
    memcpy (found.key, other, ZB_ACKS_KEY_SIZE);
    assert_int_equal (zb_acks_key_decode (&found, 2, &last), 0);
    assert_int_equal (zb_log_key_decode (&found, 2, &last), -1);
    found.key[15] = 1;
    assert_int_equal (zb_acks_key_decode (&found, 2, &last), -1);
}

static void test_small_rows_come_back (void **state)
{
    (void) state;
    uint8_t value[ZB_GROUP_ROW_SIZE];
    zb_row_t *row;
    //  The first release's has no change; a grace makes it longer.
    for (unsigned form = 0; form < 3; form++) {
        unsigned changed = form ? 1 : 0;
        zb_queue_row_t queue2, queue = {.id = 7,
                                        .lease = 1000,
                                        .max = UINT64_MAX,
                                        .changed = {changed * 5, changed * 600, changed},
                                        .grace = form / 2};
        size_t size = zb_queue_row_encode (&queue, value);
        static const size_t sizes[] = {20, 37, 45};
        assert_int_equal (size, sizes[form]);
        row = s_row (value, size);
        assert_int_equal (zb_queue_row_decode (&queue2, row), 0);
        assert_true (queue2.id == queue.id && queue2.lease == queue.lease && queue2.max == queue.max);
        assert_true (queue2.grace == queue.grace);
        assert_true (queue2.changed.epoch == queue.changed.epoch && queue2.changed.commit == queue.changed.commit &&
                     queue2.changed.node == queue.changed.node);
        row->data[4] = 1;
        assert_int_equal (zb_queue_row_decode (&queue2, row), -1);
        row->size--;
        assert_int_equal (zb_queue_row_decode (&queue2, row), -1);
        zb_row_unref (&row);
    }

    //  More options, of which a later program may have others.
    uint8_t longer[ZB_QUEUE_ROW_MAX + 3] = {0};
    zb_queue_row_t timed = {.id = 7, .expires = ZB_EXPIRES_MOST, .since = 0x123456789a, .timed = true}, timed2;
    size_t long_size = zb_queue_row_encode (&timed, longer);
    assert_int_equal (long_size, ZB_QUEUE_ROW_SIZE + 18);
    memcpy (longer + long_size, (const uint8_t[]){200, 1, 7}, 3);
    for (size_t cut = 0; cut <= 3; cut++) {
        row = s_row (longer, long_size + 3 - cut);
        assert_int_equal (zb_queue_row_decode (&timed2, row), 0);
        assert_true (timed2.timed && timed2.expires == timed.expires && timed2.since == timed.since);
        zb_row_unref (&row);
    }
    longer[ZB_QUEUE_ROW_SIZE + 2] = 1;
    row = s_row (longer, long_size);
    assert_int_equal (zb_queue_row_decode (&timed2, row), -1);
    zb_row_unref (&row);

    //  More options come behind, and one that is not known here may.
    zb_queue_row_t more, queue = {.id = 7, .dead_size = 3, .dead = "bin"};
    size_t size = zb_queue_row_encode (&queue, value);
    assert_int_equal (size, ZB_QUEUE_ROW_SIZE + 5);
    memcpy (value + size, "\377\002xy\001\003can\001\377", 11);
    row = s_row (value, size);
    assert_int_equal (zb_queue_row_decode (&more, row), 0);
    assert_true (more.grace == 0 && zb_frame_is (zb_queue_row_dead (&more), "bin"));
    zb_row_unref (&row);
    row = s_row (value, size + 11);
    assert_int_equal (zb_queue_row_decode (&more, row), 0);
    assert_true (zb_frame_is (zb_queue_row_dead (&more), "can") && more.retry == 0);
    row->data[ZB_QUEUE_ROW_SIZE + 2] = ' ';
    assert_int_equal (zb_queue_row_decode (&more, row), -1);
    zb_row_unref (&row);

    //  A retry-delay has two figures, the second one not smaller.
    queue = (zb_queue_row_t){.id = 7, .retry = 5, .retry_most = INT32_MAX};
    size = zb_queue_row_encode (&queue, value);
    assert_int_equal (size, ZB_QUEUE_ROW_SIZE + 18);
    static const uint64_t wrong[][2] = {{0, 5}, {6, 5}, {5, INT32_MAX + UINT64_C (1)}};
    for (size_t index = 0; index < 4; index++) {
        row = s_row (value, size);
        if (index < 3) {
            zb_put64 (row->data + ZB_QUEUE_ROW_SIZE + 2, wrong[index][0]);
            zb_put64 (row->data + ZB_QUEUE_ROW_SIZE + 10, wrong[index][1]);
        }
        assert_int_equal (zb_queue_row_decode (&more, row), index < 3 ? -1 : 0);
        zb_row_unref (&row);
    }
    assert_true (more.retry == 5 && more.retry_most == INT32_MAX);

    //  max-deliveries is a number, not 0, and a row that is cut in it is malformed.
    queue = (zb_queue_row_t){.id = 7, .most_tries = INT32_MAX};
    size = zb_queue_row_encode (&queue, value);
    assert_int_equal (size, ZB_QUEUE_ROW_SIZE + 10);
    static const uint64_t tries[] = {0, INT32_MAX + UINT64_C (1), 1, INT32_MAX};
    for (size_t index = 0; index < 4; index++) {
        row = s_row (value, size);
        zb_put64 (row->data + ZB_QUEUE_ROW_SIZE + 2, tries[index]);
        assert_int_equal (zb_queue_row_decode (&more, row), index < 2 ? -1 : 0);
        assert_true (index < 2 || more.most_tries == tries[index]);
        if (index == 3)
            row->data[ZB_QUEUE_ROW_SIZE + 1] = 7;
        assert_int_equal (zb_queue_row_decode (&more, row), index == 2 ? 0 : -1);
        zb_row_unref (&row);
    }

    //  So it is with unused, and with dedupe, which is of queues alone.
    for (int dedupe = 0; dedupe <= 1; dedupe++) {
        queue = (zb_queue_row_t){.id = 7};
        *(dedupe ? &queue.dedupe : &queue.unused) = ZB_UNUSED_MOST;
        size = zb_queue_row_encode (&queue, value);
        assert_int_equal (size, ZB_QUEUE_ROW_SIZE + 10);
        static const uint64_t numbers[] = {0, ZB_UNUSED_MOST + 1, 1, ZB_UNUSED_MOST};
        for (size_t index = 0; index < 4; index++) {
            row = s_row (value, size);
            zb_put64 (row->data + ZB_QUEUE_ROW_SIZE + 2, numbers[index]);
            assert_int_equal (zb_queue_row_decode (&more, row), index < 2 ? -1 : 0);
            assert_true (index < 2 || (dedupe ? more.dedupe : more.unused) == numbers[index]);
            if (index == 3)
                row->data[ZB_QUEUE_ROW_SIZE + 1] = 7;
            assert_int_equal (zb_queue_row_decode (&more, row), index == 2 ? 0 : -1);
            zb_row_unref (&row);
        }
        for (zb_queue_kind_t kind = ZB_KIND_TOPIC; kind <= ZB_KIND_SUB; kind++) {
            more = (zb_queue_row_t){.kind = kind};
            assert_int_equal (zb_more_decode (&more, value + ZB_QUEUE_ROW_SIZE, size - ZB_QUEUE_ROW_SIZE),
                              kind == ZB_KIND_SUB && !dedupe ? 0 : -1);
        }
    }
    //  The mode, and whose it is; not a topic's.
    static const uint8_t holder[ZB_MARK_SIZE] = {1, 2, 3};
    queue = (zb_queue_row_t){.id = 7, .mode = ZB_MODE_EXCLUSIVE};
    assert_int_equal (zb_queue_row_encode (&queue, value), ZB_QUEUE_ROW_SIZE + 3);
    memcpy (queue.holder, holder, sizeof holder);
    size = zb_queue_row_encode (&queue, value);
    assert_int_equal (size, ZB_QUEUE_ROW_SIZE + 3 + ZB_MARK_SIZE);
    static const uint8_t lengths[] = {1, 1 + ZB_MARK_SIZE, 0, 2, ZB_MARK_SIZE}, modes[] = {0, 1, 2, 255};
    for (size_t index = 0; index < 5; index++)
        for (size_t mode = 0; mode < 4; mode++) {
            row = s_row (value, (size_t) ZB_QUEUE_ROW_SIZE + 2 + lengths[index]);
            row->data[ZB_QUEUE_ROW_SIZE + 1] = lengths[index];
            if (lengths[index])
                row->data[ZB_QUEUE_ROW_SIZE + 2] = modes[mode];
            bool good = index < 2 && (mode == 1 || mode == 2);
            assert_int_equal (zb_queue_row_decode (&more, row), good ? 0 : -1);
            assert_true (!good || more.mode == (mode == 1 ? ZB_MODE_EXCLUSIVE : ZB_MODE_KEY));
            assert_true (!good || (memcmp (more.holder, holder, sizeof holder) == 0) == (index == 1 && mode == 1));
            zb_row_unref (&row);
        }
    more = (zb_queue_row_t){.kind = ZB_KIND_TOPIC};
    assert_int_equal (zb_more_decode (&more, value + ZB_QUEUE_ROW_SIZE, size - ZB_QUEUE_ROW_SIZE), -1);

    //  Bytes, and what goes when it is full; neither is a topic's.
    queue = (zb_queue_row_t){.id = 7, .bytes = INT64_MAX, .counts = 0x123456789a, .sized = true, .drops = true};
    size = zb_queue_row_encode (&queue, value);
    assert_int_equal (size, ZB_QUEUE_ROW_SIZE + 18 + 3);
    for (size_t index = 0; index < 3; index++) {
        row = s_row (value, size);
        row->data[ZB_QUEUE_ROW_SIZE + 2] |= index == 1 ? 0x80 : 0;
        row->data[ZB_QUEUE_ROW_SIZE + 20] += index == 2;
        assert_int_equal (zb_queue_row_decode (&more, row), index ? -1 : 0);
        assert_true (index || (more.bytes == INT64_MAX && more.counts == queue.counts && more.sized && more.drops));
        zb_row_unref (&row);
    }
    more = (zb_queue_row_t){.kind = ZB_KIND_TOPIC};
    assert_int_equal (zb_more_decode (&more, value + ZB_QUEUE_ROW_SIZE, size - ZB_QUEUE_ROW_SIZE), -1);

    //  Priorities: 2 to 10, of a queue.
    queue = (zb_queue_row_t){.id = 7, .ranks = ZB_RANKS_MOST};
    size = zb_queue_row_encode (&queue, value);
    assert_int_equal (size, ZB_QUEUE_ROW_SIZE + 3);
    static const uint8_t ranks[] = {0, 1, ZB_RANKS_LEAST, ZB_RANKS_MOST, ZB_RANKS_MOST + 1};
    for (size_t index = 0; index < 5; index++) {
        row = s_row (value, size);
        row->data[ZB_QUEUE_ROW_SIZE + 2] = ranks[index];
        bool good = index == 2 || index == 3;
        assert_int_equal (zb_queue_row_decode (&more, row), good ? 0 : -1);
        assert_true (!good || more.ranks == ranks[index]);
        zb_row_unref (&row);
    }
    more = (zb_queue_row_t){.kind = ZB_KIND_TOPIC};
    assert_int_equal (zb_more_decode (&more, value + ZB_QUEUE_ROW_SIZE, size - ZB_QUEUE_ROW_SIZE), -1);

    zb_cursor_row_t cursor = {5, 100, 100, 0, 0, 0}, cursor2;
    zb_cursor_row_encode (&cursor, value);
    row = s_row (value, ZB_CURSOR_ROW_SIZE);
    assert_int_equal (zb_cursor_row_decode (&cursor2, row), 0);
    assert_memory_equal (&cursor, &cursor2, sizeof cursor);
    row->data[23]++;
    assert_int_equal (zb_cursor_row_decode (&cursor2, row), -1);
    zb_row_unref (&row);
    //  With what is in its lane; and as a program writes it that does not count that.
    cursor = (zb_cursor_row_t){5, 100, 90, 5, 7, 4};
    assert_int_equal (zb_cursor_row_encode (&cursor, value), ZB_CURSOR_ROW_MAX);
    row = s_row (value, ZB_CURSOR_ROW_MAX);
    assert_int_equal (zb_cursor_row_decode (&cursor2, row), 0);
    assert_memory_equal (&cursor, &cursor2, sizeof cursor);
    row->size = ZB_CURSOR_ROW_LONG;
    assert_int_equal (zb_cursor_row_decode (&cursor2, row), 0);
    assert_true (cursor2.laid == 0 && cursor2.behind == 7);
    zb_row_unref (&row);

    zb_producer_row_t producer = {1, 2, 3}, producer2;
    zb_producer_row_encode (&producer, value);
    row = s_row (value, ZB_PRODUCER_ROW_SIZE);
    assert_int_equal (zb_producer_row_decode (&producer2, row), 0);
    assert_memory_equal (&producer, &producer2, sizeof producer);
    row->data[8] = 0x80;
    assert_int_equal (zb_producer_row_decode (&producer2, row), -1);
    zb_row_unref (&row);
    //  The first release may have written an instance more.
    zb_put64 (value + ZB_PRODUCER_ROW_SIZE, 5);
    row = s_row (value, ZB_PRODUCER_ROW_SIZE + 8);
    assert_int_equal (zb_producer_row_decode (&producer2, row), 0);
    assert_memory_equal (&producer, &producer2, sizeof producer);
    row->size = ZB_PRODUCER_ROW_SIZE - 1;
    assert_int_equal (zb_producer_row_decode (&producer2, row), -1);
    zb_row_unref (&row);

    zb_slot_t slot[ZB_GROUP_SLOTS] = {{0}}, slot2[ZB_GROUP_SLOTS];
    slot[3] = (zb_slot_t){256 + 2 * 32 + 3, UINT64_MAX, 9, 4, 5};
    zb_group_encode (slot, value);
    row = s_row (value, ZB_GROUP_ROW_SIZE);
    assert_int_equal (zb_group_decode (slot2, 2, row), 0);
    assert_memory_equal (slot, slot2, sizeof slot);
    assert_int_equal (zb_group_decode (slot2, 3, row), -1);
    row->size--;
    assert_int_equal (zb_group_decode (slot2, 2, row), -1);
    zb_row_unref (&row);

    zb_found_t found = {.key_size = ZB_TOMB_KEY_SIZE};
    zb_tomb_key (77, found.key);
    found.row = s_row ("\0\0\0\0\0\0\0\5", 8);
    uint32_t id = 0;
    uint64_t mark = 0;
    assert_int_equal (zb_tomb_decode (&found, &id, &mark), 0);
    assert_int_equal (id, 77);
    assert_int_equal (mark, 5);
    found.row->size = 7;
    assert_int_equal (zb_tomb_decode (&found, &id, &mark), -1);
    zb_row_unref (&found.row);
}

//  What a later program of the same level has added at the end of a row is not looked at.
static void test_longer_rows_are_read (void **state)
{
    (void) state;
    uint8_t value[ZB_GROUP_ROW_SIZE + 9], again[ZB_GROUP_ROW_SIZE];
    memset (value, 0xee, sizeof value);
    zb_queue_row_t queue = {.id = 7, .lease = 30000, .max = 5, .changed = {3, 2, 1}}, queue2;
    zb_queue_row_encode (&queue, value);
    zb_row_t *row = s_row (value, ZB_QUEUE_ROW_SIZE + 9);
    assert_int_equal (zb_queue_row_decode (&queue2, row), 0);
    assert_memory_equal (again, value, zb_queue_row_encode (&queue2, again));
    //  Between two forms there is none.
    row->size = ZB_QUEUE_ROW_SIZE - 1;
    assert_int_equal (zb_queue_row_decode (&queue2, row), -1);
    zb_row_unref (&row);

    zb_cursor_row_t cursor = {9, 8, 7, 0, 0, 0}, cursor2;
    zb_cursor_row_encode (&cursor, value);
    row = s_row (value, ZB_CURSOR_ROW_SIZE + 9);
    assert_int_equal (zb_cursor_row_decode (&cursor2, row), 0);
    zb_cursor_row_encode (&cursor2, again);
    assert_memory_equal (again, value, ZB_CURSOR_ROW_SIZE);
    zb_row_unref (&row);

    zb_producer_row_t producer = {3, 2, 1}, producer2;
    zb_producer_row_encode (&producer, value);
    row = s_row (value, ZB_PRODUCER_ROW_SIZE + 9);
    assert_int_equal (zb_producer_row_decode (&producer2, row), 0);
    zb_producer_row_encode (&producer2, again);
    assert_memory_equal (again, value, ZB_PRODUCER_ROW_SIZE);
    zb_row_unref (&row);

    zb_slot_t slot[ZB_GROUP_SLOTS] = {{0, 0, 0, 0, 0}}, slot2[ZB_GROUP_SLOTS];
    slot[3] = (zb_slot_t){256 + 2 * 32 + 3, UINT64_MAX, 9, 4, 5};
    zb_group_encode (slot, value);
    row = s_row (value, ZB_GROUP_ROW_SIZE + 9);
    assert_int_equal (zb_group_decode (slot2, 2, row), 0);
    zb_group_encode (slot2, again);
    assert_memory_equal (again, value, ZB_GROUP_ROW_SIZE);
    zb_row_unref (&row);

    zb_found_t found = {.key_size = ZB_TOMB_KEY_SIZE};
    uint32_t id;
    uint64_t first, last;
    zb_frame_t name;
    zb_tomb_key (77, found.key);
    found.row = s_row ("\0\0\0\0\0\0\0\5and more", 16);
    assert_int_equal (zb_tomb_decode (&found, &id, &first), 0);
    assert_int_equal (first, 5);
    found.key_size = (uint16_t) zb_journal_key (zb_frame ("q"), 9, found.key);
    assert_int_equal (zb_journal_decode (&found, &name, &first, &last), 0);
    assert_int_equal (first, 5);
    zb_row_unref (&found.row);
}

//  A part of a numbered PUT says what it is a part of.
static void test_a_part_says_of_what (void **state)
{
    (void) state;
    zb_frame_t body[] = {zb_frame ("one"), zb_frame ("two")};
    zb_piece_t piece = {.first = 100, .count = 2, .number = 7, .name = zb_frame ("till"), .properties = zb_frame ("a=b"),
                        .part = true, .digest = 0x1122334455667788, .total = 9, .before = 3};
    zb_row_t *row = zb_row_new (ZB_LOG_HEAD + zb_log_need (&piece, 2, 6));
    zb_log_begin (row, &(zb_log_head_t){.form = 1, .first = 100});
    zb_log_append (row, &piece, body);
    assert_int_equal (row->size, row->room);
    size_t offset = 0;
    zb_piece_t found;
    assert_int_equal (zb_log_next (row, &offset, &found), 1);
    assert_true (found.part);
    assert_true (found.digest == piece.digest);
    assert_int_equal (found.total, 9);
    assert_int_equal (found.before, 3);
    assert_true (zb_frame_is (found.properties, "a=b"));
    assert_memory_equal (row->data + found.bodies, "onetwo", 6);
    assert_int_equal (zb_log_next (row, &offset, &found), 0);
    uint8_t *part = row->data + ZB_LOG_HEAD + ZB_PIECE_HEAD + 4 + 3;
    static const struct {
        uint32_t total, before;
    } bad[] = {{1, 0}, {9, 8}, {9, 10}, {200, 100}};
    for (size_t index = 0; index < sizeof bad / sizeof *bad; index++) {
        zb_put32 (part + 8, bad[index].total);
        zb_put32 (part + 12, bad[index].before);
        offset = 0;
        assert_int_equal (zb_log_next (row, &offset, &found), -1);
    }
    zb_row_unref (&row);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_log_rows_come_back),     cmocka_unit_test (test_damaged_log_rows_are_refused),
        cmocka_unit_test (test_the_long_head_of_a_row), cmocka_unit_test (test_keys_sort_as_ids_do),
        cmocka_unit_test (test_small_rows_come_back),   cmocka_unit_test (test_longer_rows_are_read),
        cmocka_unit_test (test_a_part_says_of_what),
    };
    return cmocka_run_group_tests_name ("rows", tests, NULL, NULL);
}
