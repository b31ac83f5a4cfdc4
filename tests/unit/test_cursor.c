/*  =========================================================================
    test_cursor - several cursors over one log

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

#include "core/queue/cursor.h"
#include "fake_store.h"

#define CURSORS 3

//  A log that keeps its rows, on a fake store; each commit is executed at once and shown when the test says so.
typedef struct {
    zb_log_t log;
    zb_cursor_t cursor[CURSORS];
    size_t cursors;
    fake_store_t *store;
    zb_commit_t *fill;
    uint64_t next;
    size_t total;
    zb_timers_t timers;
} s_bench_t;

static s_bench_t *s_new (size_t cursors)
{
    s_bench_t *self = (s_bench_t *) calloc (1, sizeof (s_bench_t));
    assert_non_null (self);
    self->store = fake_store_new ();
    self->fill = zb_commit_new (1, 1);
    self->next = 1;
    zb_log_init (&self->log, 1, true, 0, &self->total);
    for (; self->cursors < cursors; self->cursors++)
        zb_cursor_init (&self->cursor[self->cursors], &self->log, 2 + (uint32_t) self->cursors);
    return self;
}

static void s_destroy (s_bench_t *self)
{
    for (zb_ring_t *link = zb_ring_pop (&self->fill->rows); link; link = zb_ring_pop (&self->fill->rows)) {
        zb_added_t *added = ZB_ITEM (link, zb_added_t, ring);
        zb_added_destroy (&added);
    }
    for (size_t index = 0; index < self->cursors; index++)
        zb_cursor_clear (&self->cursor[index]);
    zb_log_clear (&self->log);
    assert_int_equal (self->total, 0);
    assert_int_equal (self->timers.count, 0);
    zb_timers_clear (&self->timers);
    zb_commit_destroy (&self->fill);
    fake_store_destroy (&self->store);
    free (self);
}

static uint64_t s_taken (const s_bench_t *self)
{
    return self->fill->number - 1;
}

static void s_commit (s_bench_t *self)
{
    zb_log_write (&self->log, self->fill);
    for (size_t index = 0; index < self->cursors; index++)
        zb_cursor_write (&self->cursor[index], self->fill);
    zb_batch_set_commit (self->fill->batch, self->fill->number++);
    fake_store_commit (self->store, self->fill->batch);
    self->fill->batch = zb_batch_new ();
}

//  A row of two messages, shown.
static void s_put (s_bench_t *self)
{
    zb_frame_t body[] = {zb_frame ("one"), zb_frame ("two")};
    const zb_log_head_t head = {.form = 2, .time = 1700000000000};
    zb_piece_t piece = {.first = self->next};
    zb_log_put (&self->log, &head, &piece, body, 2);
    self->next += 2;
    s_commit (self);
    size_t left = SIZE_MAX;
    for (zb_ring_t *link = zb_ring_pop (&self->fill->rows); link; link = zb_ring_pop (&self->fill->rows)) {
        zb_added_t *added = ZB_ITEM (link, zb_added_t, ring);
        zb_log_show (&self->log, added, true, &left);
        zb_added_destroy (&added);
    }
}

static s_bench_t *s_rows (size_t cursors, int rows)
{
    s_bench_t *self = s_new (cursors);
    for (int row = 0; row < rows; row++)
        s_put (self);
    return self;
}

static void s_gone (void *context, uint64_t first, uint64_t last)
{
    *(uint64_t *) context += last - first + 1;
}

static void s_ack (s_bench_t *self, int cursor, uint64_t first, uint64_t last)
{
    size_t left = SIZE_MAX;
    uint64_t gone = 0;
    assert_int_equal (zb_cursor_finish (&self->cursor[cursor], first, last, self->fill, &left, s_gone, &gone), 0);
    s_commit (self);
}

//  Rows of one read.
static size_t s_most = 100;

//  Reads what is behind the window, or from an id on for an acknowledgement.
static uint64_t s_load (s_bench_t *self, zb_cursor_t *cursor, uint64_t from, uint64_t want)
{
    uint8_t key[ZB_ACKS_KEY_SIZE];
    zb_read_t *read = zb_read_new (0, 0);
    zb_acks_key (self->log.id, from, key);
    zb_read_add (read, ZB_LOG, key, ZB_LOG_KEY_SIZE, 4, s_most, SIZE_MAX);
    zb_acks_key (cursor->id, from, key);
    zb_read_add (read, ZB_ACKS, key, ZB_ACKS_KEY_SIZE, 4, 100, SIZE_MAX);
    fake_store_read (self->store, read);
    uint64_t last = zb_cursor_load (cursor, read, self->log.tail, want);
    zb_read_destroy (&read);
    return last;
}

static uint64_t s_deliver (zb_cursor_t *cursor, zb_lease_t *lease)
{
    uint32_t number = 0;
    zb_view_t *view = zb_cursor_next (cursor, &number);
    if (!view)
        return 0;
    zb_cursor_deliver (cursor, view, number, lease);
    return zb_places_id (view->places, number);
}

static size_t s_log_rows (s_bench_t *self)
{
    return fake_store_rows (self->store, ZB_LOG);
}

static void test_a_row_is_in_memory_once (void **state)
{
    (void) state;
    s_bench_t *one = s_rows (1, 10), *three = s_rows (3, 10);
    assert_int_equal (three->log.rows.count, 10);
    const zb_view_t *view = (const zb_view_t *) zb_deck_at (&three->cursor[0].views, 4);
    const zb_view_t *same = (const zb_view_t *) zb_deck_at (&three->cursor[2].views, 4);
    assert_ptr_equal (view->places, same->places);
    //  Each further cursor costs what it knows, and no row.
    assert_int_equal (three->total - one->total, 2 * 10 * zb_view_bytes (view));
    //  And it stays as long as one of them has it.
    for (int cursor = 0; cursor < 3; cursor++) {
        assert_int_equal (three->log.rows.count, 10);
        zb_cursor_shed (&three->cursor[cursor], s_taken (three), 0, false);
    }
    assert_int_equal (three->log.rows.count, 0);
    assert_int_equal (three->total, 0);
    s_destroy (one);
    s_destroy (three);
}

static void test_a_row_goes_when_every_cursor_has_it (void **state)
{
    (void) state;
    s_bench_t *self = s_rows (2, 5);
    s_ack (self, 0, 1, 4);
    assert_int_equal (s_log_rows (self), 5);
    assert_int_equal (zb_cursor_low (&self->cursor[0]), 5);
    assert_int_equal (zb_cursor_low (&self->cursor[1]), 1);
    assert_int_equal (zb_cursor_depth (&self->cursor[0]), 6);
    assert_int_equal (zb_cursor_depth (&self->cursor[1]), 10);
    s_ack (self, 1, 1, 2);
    assert_int_equal (s_log_rows (self), 4);
    assert_int_equal (self->log.floor, 2);
    s_ack (self, 1, 3, 10);
    assert_int_equal (s_log_rows (self), 3);
    s_ack (self, 0, 5, 10);
    assert_int_equal (s_log_rows (self), 0);
    assert_int_equal (fake_store_rows (self->store, ZB_ACKS), 0);
    assert_int_equal (self->log.floor, 10);
    assert_int_equal (self->total, 0);
    s_destroy (self);
}

static void test_rows_go_from_the_head_only (void **state)
{
    (void) state;
    s_bench_t *self = s_rows (2, 5);
    //  Both have done rows in the middle: a bitmap says so, which is full.
    s_ack (self, 0, 3, 6);
    s_ack (self, 1, 3, 6);
    assert_int_equal (s_log_rows (self), 5);
    assert_int_equal (fake_store_rows (self->store, ZB_ACKS), 4);
    //  Read again it is no fault, and nothing of it is ready.
    for (int cursor = 0; cursor < 2; cursor++) {
        zb_cursor_shed (&self->cursor[cursor], s_taken (self), 0, false);
        assert_int_equal (self->cursor[cursor].reach, 0);
        assert_int_equal (s_load (self, &self->cursor[cursor], 1, 0), 10);
        assert_int_equal (self->cursor[cursor].ready, 6);
    }
    //  What is before it is done: the mark passes all of it.
    s_ack (self, 0, 1, 2);
    assert_int_equal (zb_cursor_low (&self->cursor[0]), 7);
    assert_int_equal (s_log_rows (self), 5);
    assert_int_equal (fake_store_rows (self->store, ZB_ACKS), 2);
    s_ack (self, 1, 1, 2);
    assert_int_equal (s_log_rows (self), 2);
    assert_int_equal (fake_store_rows (self->store, ZB_ACKS), 0);
    s_destroy (self);
}

static void test_a_shed_row_is_read_for_who_needs_it (void **state)
{
    (void) state;
    s_bench_t *self = s_rows (2, 5);
    zb_cursor_t *fast = &self->cursor[0], *slow = &self->cursor[1];
    zb_lease_t *lease = zb_lease_new (&self->timers, 0, 1, 1);
    assert_int_equal (s_deliver (slow, lease), 1);
    s_ack (self, 0, 1, 6);
    zb_cursor_shed (slow, s_taken (self), 0, true);
    //  The fast one still has its rows, and only these are in memory.
    assert_int_equal (self->log.rows.count, 2);
    assert_int_equal (fast->ready, 4);
    assert_int_equal (slow->ready, 0);
    assert_int_equal (slow->leased, 1);
    assert_int_equal (s_log_rows (self), 5);
    assert_int_equal (s_load (self, slow, 1, 0), 10);
    assert_int_equal (self->log.rows.count, 5);
    assert_int_equal (slow->ready, 9);
    assert_int_equal (s_deliver (slow, lease), 2);
    assert_int_equal (s_deliver (fast, lease), 7);
    //  A lease of one cursor says nothing to the other.
    const zb_whose_t whose = {.lease = lease};
    size_t left = SIZE_MAX;
    assert_int_equal (zb_cursor_hand (fast, 1, 10, &whose, NULL, &left), 1);
    assert_int_equal (slow->leased, 2);
    s_ack (self, 1, 1, 10);
    assert_int_equal (s_log_rows (self), 2);
    s_destroy (self);
}

//  All is done of what was there before it; the store knows the others by their marks.
static void test_a_cursor_that_comes_later (void **state)
{
    (void) state;
    s_bench_t *self = s_rows (1, 3);
    zb_cursor_init (&self->cursor[1], &self->log, 3);
    self->cursors = 2;
    assert_int_equal (zb_cursor_depth (&self->cursor[1]), 0);
    s_put (self);
    assert_int_equal (self->cursor[1].ready, 2);
    assert_int_equal (zb_cursor_low (&self->cursor[1]), 7);
    s_ack (self, 1, 7, 8);
    assert_int_equal (s_log_rows (self), 4);
    s_ack (self, 0, 1, 8);
    assert_int_equal (s_log_rows (self), 0);
    s_destroy (self);
}

//  A mark that went back to a late row comes by rows again that it had passed: when it passes the late one, and when a read
//  finds them.
static void test_a_mark_jumps_over_what_it_had_passed (void **state)
{
    (void) state;
    s_bench_t *self = s_rows (2, 1);
    zb_cursor_t *cursor = &self->cursor[0];
    self->next = 5;
    s_put (self);
    s_put (self);
    s_ack (self, 0, 1, 8);
    assert_false (cursor->jumped);
    const zb_log_head_t head = {.form = 2, .first = 3, .time = 1700000000000};
    const zb_piece_t piece = {.first = 3, .count = 2};
    zb_frame_t body[] = {zb_frame ("late"), zb_frame ("too")};
    zb_row_t *row = zb_row_new (200);
    zb_log_begin (row, &head);
    zb_log_append (row, &piece, body);
    zb_log_insert (&self->log, row, 4, NULL, self->fill);
    zb_row_unref (&row);
    s_commit (self);
    zb_added_t *added = ZB_ITEM (zb_ring_pop (&self->fill->rows), zb_added_t, ring);
    size_t left = SIZE_MAX;
    zb_log_show (&self->log, added, true, &left);
    zb_added_destroy (&added);
    assert_int_equal (zb_cursor_low (cursor), 3);
    //  It is read alone.
    zb_cursor_shed (cursor, s_taken (self), 0, false);
    assert_int_equal (cursor->reach, 2);
    s_most = 1;
    assert_int_equal (s_load (self, cursor, 3, 0), 4);
    s_most = 100;
    assert_false (cursor->jumped);
    s_ack (self, 0, 3, 4);
    assert_true (cursor->jumped);
    cursor->jumped = false;
    s_ack (self, 1, 1, 8);
    assert_int_equal (zb_cursor_low (cursor), 5);
    assert_int_equal (s_log_rows (self), 2);
    assert_int_equal (s_load (self, cursor, 5, 0), 8);
    assert_true (cursor->jumped);
    assert_int_equal (zb_log_trim (&self->log), 8);
    //  So they are buried.
    s_destroy (self);
}

//  It begins amid a row, and so does the log then: a row that leaves memory does not take its mark back.
static void test_a_log_that_begins_amid_a_row (void **state)
{
    (void) state;
    s_bench_t *self = s_rows (1, 2);
    zb_cursor_t *cursor = &self->cursor[0];
    zb_cursor_move (cursor, cursor->id, 1, 0);
    zb_cursor_want (cursor, 1, (zb_frame_t){NULL, 0});
    assert_int_equal (zb_log_trim (&self->log), 1);
    for (int each = 0; each < 2; each++) {
        assert_int_equal (zb_cursor_low (cursor), 2);
        assert_int_equal (cursor->reach, 1);
        assert_int_equal (s_load (self, cursor, 2, 0), 4);
        assert_int_equal (cursor->ready, 3);
        assert_int_equal (zb_cursor_low (cursor), 2);
        zb_cursor_shed (cursor, s_taken (self), 0, false);
    }
    assert_int_equal (s_load (self, cursor, 2, 0), 4);
    s_ack (self, 0, 2, 2);
    assert_int_equal (s_log_rows (self), 1);
    assert_int_equal (self->log.floor, 2);
    s_destroy (self);
}

//  What a new leader finds: each cursor goes on at its own mark.
static void test_marks_are_restored (void **state)
{
    (void) state;
    s_bench_t *self = s_rows (2, 5);
    s_ack (self, 0, 1, 7);
    s_ack (self, 1, 2, 2);
    zb_cursor_row_t row[2];
    for (int index = 0; index < 2; index++) {
        uint8_t key[ZB_CURSOR_KEY_SIZE];
        size_t size = 0;
        zb_cursor_key (self->log.id, self->cursor[index].id, key);
        const void *value = fake_store_get (self->store, ZB_CURSORS, key, sizeof key, &size);
        zb_row_t *found = zb_row_new (size);
        memcpy (found->data, value, size);
        found->size = (uint32_t) size;
        assert_int_equal (zb_cursor_row_decode (&row[index], found), 0);
        zb_row_unref (&found);
        zb_cursor_clear (&self->cursor[index]);
    }
    zb_log_clear (&self->log);
    zb_log_init (&self->log, 1, true, self->next - 1, &self->total);
    self->log.floor = 0;
    self->log.put = row[0].put;
    for (uint32_t index = 0; index < 2; index++) {
        zb_cursor_t *cursor = &self->cursor[index];
        zb_cursor_init (cursor, &self->log, 2 + index);
        zb_cursor_restore (cursor, &row[index]);
        assert_int_equal (s_load (self, cursor, cursor->reach + 1, 0), 10);
    }
    assert_int_equal (self->cursor[0].ready, 3);
    assert_int_equal (self->cursor[1].ready, 9);
    assert_int_equal (zb_cursor_low (&self->cursor[0]), 7);
    assert_int_equal (self->log.rows.count, 5);
    s_ack (self, 1, 1, 8);
    assert_int_equal (s_log_rows (self), 2);
    s_destroy (self);
}

//  Whoever has to know of several messages at once pins what was read for the first ones.
static void test_pinned_rows_stay (void **state)
{
    (void) state;
    s_bench_t *self = s_rows (1, 5);
    zb_cursor_t *cursor = &self->cursor[0];
    zb_lease_t *lease = zb_lease_new (&self->timers, 0, 1, 1);
    const zb_lease_t *covers = NULL;
    assert_int_equal (s_deliver (cursor, lease), 1);
    s_ack (self, 0, 9, 9);
    zb_cursor_shed (cursor, s_taken (self), 0, true);
    assert_false (zb_cursor_open (cursor, 1, &covers));
    cursor->pins++;
    assert_int_equal (s_load (self, cursor, 9, 9), 10);
    assert_int_equal (s_load (self, cursor, 1, 1), 2);
    zb_cursor_tidy (cursor, s_taken (self));
    zb_cursor_shed (cursor, s_taken (self), 0, true);
    assert_int_equal (cursor->views.count, 2);
    //  Leased, ready, done, not there.
    assert_true (zb_cursor_open (cursor, 1, &covers));
    assert_ptr_equal (covers, lease);
    assert_true (zb_cursor_open (cursor, 2, &covers));
    assert_null (covers);
    assert_false (zb_cursor_open (cursor, 9, &covers));
    assert_true (zb_cursor_open (cursor, 10, &covers));
    assert_false (zb_cursor_open (cursor, 11, &covers));
    cursor->pins--;
    zb_cursor_tidy (cursor, s_taken (self));
    assert_int_equal (cursor->views.count, 0);
    s_destroy (self);
}

//  An acknowledgement behind the window of one cursor, of a row that another one has in memory.
static void test_a_stray_shares_the_row (void **state)
{
    (void) state;
    s_bench_t *self = s_rows (2, 5);
    zb_cursor_t *cursor = &self->cursor[1];
    zb_cursor_shed (cursor, s_taken (self), 0, false);
    size_t total = self->total;
    assert_int_equal (s_load (self, cursor, 5, 5), 6);
    assert_int_equal (self->log.rows.count, 5);
    assert_int_equal (self->total - total, zb_view_bytes ((const zb_view_t *) zb_deck_at (&cursor->views, 0)));
    s_ack (self, 1, 5, 6);
    zb_cursor_tidy (cursor, s_taken (self));
    assert_int_equal (cursor->views.count, 0);
    assert_int_equal (s_load (self, cursor, 1, 0), 10);
    assert_int_equal (cursor->ready, 8);
    s_destroy (self);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_a_row_is_in_memory_once),
        cmocka_unit_test (test_a_row_goes_when_every_cursor_has_it),
        cmocka_unit_test (test_rows_go_from_the_head_only),
        cmocka_unit_test (test_a_shed_row_is_read_for_who_needs_it),
        cmocka_unit_test (test_a_cursor_that_comes_later),
        cmocka_unit_test (test_a_mark_jumps_over_what_it_had_passed),
        cmocka_unit_test (test_a_log_that_begins_amid_a_row),
        cmocka_unit_test (test_marks_are_restored),
        cmocka_unit_test (test_pinned_rows_stay),
        cmocka_unit_test (test_a_stray_shares_the_row),
    };
    return cmocka_run_group_tests_name ("cursor", tests, NULL, NULL);
}
