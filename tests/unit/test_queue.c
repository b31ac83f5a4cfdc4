/*  =========================================================================
    test_queue - a queue's window on its log, and the values beneath it

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

#include "core/queue/queue.h"
#include "fake_store.h"

//  A queue on a fake store; each commit is executed at once and shown when the test says so.
typedef struct {
    zb_queue_t *queue;
    fake_store_t *store;
    zb_commit_t *fill;
    uint64_t next;
    size_t total;
    zb_timers_t timers;
} s_bench_t;

static s_bench_t *s_new (void)
{
    s_bench_t *self = (s_bench_t *) calloc (1, sizeof (s_bench_t));
    assert_non_null (self);
    self->store = fake_store_new ();
    self->fill = zb_commit_new (1, 1);
    self->next = 1;
    self->queue = zb_queue_new (zb_frame ("q"), 1, 0, &self->total);
    return self;
}

static void s_destroy (s_bench_t *self)
{
    for (zb_ring_t *link = zb_ring_pop (&self->fill->rows); link; link = zb_ring_pop (&self->fill->rows)) {
        zb_added_t *added = ZB_ITEM (link, zb_added_t, ring);
        zb_added_destroy (&added);
    }
    zb_queue_destroy (&self->queue);
    assert_int_equal (self->total, 0);
    assert_int_equal (self->timers.count, 0);
    zb_timers_clear (&self->timers);
    zb_commit_destroy (&self->fill);
    fake_store_destroy (&self->store);
    free (self);
}

static void s_put (s_bench_t *self, size_t count)
{
    zb_frame_t body[10];
    for (size_t index = 0; index < count; index++)
        body[index] = zb_frame ("body");
    const zb_log_head_t head = {.form = 2, .time = 1700000000000};
    zb_piece_t piece = {.first = self->next};
    zb_log_put (&self->queue->log, &head, &piece, body, count);
    self->next += count;
}

static void s_commit (s_bench_t *self)
{
    zb_queue_write (self->queue, self->fill);
    zb_batch_set_commit (self->fill->batch, self->fill->number++);
    fake_store_commit (self->store, self->fill->batch);
    self->fill->batch = zb_batch_new ();
}

static void s_show (s_bench_t *self, bool join)
{
    size_t left = SIZE_MAX;
    for (zb_ring_t *link = zb_ring_pop (&self->fill->rows); link; link = zb_ring_pop (&self->fill->rows)) {
        zb_added_t *added = ZB_ITEM (link, zb_added_t, ring);
        zb_log_show (&self->queue->log, added, join, &left);
        zb_added_destroy (&added);
    }
}

//  Ten rows of two messages; the first `joined` of them in the window.
static s_bench_t *s_rows (int joined)
{
    s_bench_t *self = s_new ();
    for (int row = 0; row < 10; row++) {
        s_put (self, 2);
        s_commit (self);
        s_show (self, row < joined);
    }
    return self;
}

static uint64_t s_load (s_bench_t *self, uint64_t from, size_t rows, uint64_t want)
{
    uint8_t key[ZB_ACKS_KEY_SIZE];
    zb_acks_key (1, from, key);
    zb_read_t *read = zb_read_new (0, 0);
    zb_read_add (read, ZB_LOG, key, ZB_LOG_KEY_SIZE, 4, rows, SIZE_MAX);
    zb_read_add (read, ZB_ACKS, key, ZB_ACKS_KEY_SIZE, 4, rows, SIZE_MAX);
    fake_store_read (self->store, read);
    uint64_t last = zb_cursor_load (&self->queue->cursor, read, self->queue->log.tail, want);
    zb_read_destroy (&read);
    return last;
}

static void s_gone (void *context, uint64_t first, uint64_t last)
{
    (void) first;
    *(uint64_t *) context = last;
}

static void s_ack (s_bench_t *self, uint64_t first, uint64_t last)
{
    size_t left = SIZE_MAX;
    uint64_t gone = 0;
    assert_int_equal (zb_cursor_finish (&self->queue->cursor, first, last, self->fill, &left, s_gone, &gone), 0);
}

//  Delivers one message; returns its id, 0 if there is none.
static uint64_t s_deliver (s_bench_t *self, zb_lease_t *lease)
{
    uint32_t number = 0;
    zb_view_t *view = zb_cursor_next (&self->queue->cursor, &number);
    if (!view)
        return 0;
    zb_cursor_deliver (&self->queue->cursor, view, number, lease);
    return zb_places_id (view->places, number);
}

//  Puts a message of 1 MB; whether its row is taken for a short-lived one.
static bool s_is_brief (s_bench_t *self)
{
    static char text[1000000];
    const zb_log_head_t head = {.form = 2, .time = 1700000000000};
    zb_piece_t piece = {.first = self->next++};
    zb_frame_t body = {text, sizeof text};
    zb_log_put (&self->queue->log, &head, &piece, &body, 1);
    zb_queue_write (self->queue, self->fill);
    size_t index = 0;
    while (zb_batch_op (self->fill->batch, index).table != ZB_LOG || zb_batch_op (self->fill->batch, index).erase)
        index++;
    bool brief = zb_batch_op (self->fill->batch, index).brief;
    s_commit (self);
    s_show (self, true);
    return brief;
}

static void test_rows_are_brief_where_consumers_keep_up (void **state)
{
    (void) state;
    s_bench_t *self = s_new ();
    //  A store that does not know them.
    assert_false (s_is_brief (self));
    self->fill->brief = true;
    for (int row = 2; row <= 20; row++)
        assert_true (s_is_brief (self));
    assert_false (s_is_brief (self));
    //  What is done is no backlog.
    s_ack (self, 1, 10);
    assert_true (s_is_brief (self));
    s_destroy (self);
}

static void test_shown_rows_join (void **state)
{
    (void) state;
    s_bench_t *self = s_rows (3);
    assert_int_equal (self->queue->cursor.ready, 6);
    assert_int_equal (self->queue->cursor.reach, 6);
    assert_int_equal (self->queue->log.tail, 20);
    //  Once there is something behind the window, what is new stays behind it.
    s_put (self, 1);
    assert_int_equal (self->queue->cursor.ready, 6);
    s_commit (self);
    s_show (self, true);
    assert_int_equal (self->queue->cursor.ready, 6);
    assert_int_equal (s_load (self, 7, 4, 0), 14);
    assert_int_equal (self->queue->cursor.ready, 14);
    //  Nor does it join while the window is being read: the read may bring it as well.
    self->queue->cursor.load = (struct zb_load *) self;
    zb_log_purge (&self->queue->log, 21);
    s_put (self, 1);
    s_commit (self);
    s_show (self, true);
    assert_int_equal (self->queue->cursor.ready, 0);
    self->queue->cursor.load = NULL;
    assert_int_equal (s_load (self, 15, 100, 0), 22);
    assert_int_equal (self->queue->cursor.ready, 1);
    assert_int_equal (self->queue->cursor.reach, 22);
    s_destroy (self);
}

static void test_order_is_that_of_ids (void **state)
{
    (void) state;
    s_bench_t *self = s_rows (10);
    zb_lease_t *lease = zb_lease_new (&self->timers, 0, 1, 1);
    lease->queue = self->queue;
    for (uint64_t id = 1; id <= 20; id++)
        assert_int_equal (s_deliver (self, lease), id);
    assert_int_equal (s_deliver (self, lease), 0);
    assert_int_equal (lease->spans, 1);
    //  Returned out of order, they come back in order.
    static const uint64_t back[] = {13, 2, 7, 20};
    for (size_t index = 0; index < 4; index++) {
        const zb_whose_t whose = {.lease = lease};
        size_t left = SIZE_MAX;
        assert_int_equal (zb_cursor_hand (&self->queue->cursor, back[index], back[index], &whose, NULL, &left), 1);
    }
    zb_lease_t *other = zb_lease_new (&self->timers, 0, 1, 2);
    other->queue = self->queue;
    assert_int_equal (s_deliver (self, other), 2);
    assert_int_equal (s_deliver (self, other), 7);
    assert_int_equal (s_deliver (self, other), 13);
    assert_int_equal (s_deliver (self, other), 20);
    assert_int_equal (other->left, 4);
    assert_int_equal (lease->left, 16);
    s_destroy (self);
}

static void test_rows_go_when_all_is_done (void **state)
{
    (void) state;
    s_bench_t *self = s_rows (10);
    s_ack (self, 3, 4);
    s_ack (self, 6, 6);
    s_commit (self);
    assert_int_equal (fake_store_rows (self->store, ZB_LOG), 9);
    assert_int_equal (fake_store_rows (self->store, ZB_ACKS), 1);
    s_ack (self, 5, 5);
    s_ack (self, 3, 6);
    s_commit (self);
    assert_int_equal (fake_store_rows (self->store, ZB_LOG), 8);
    assert_int_equal (fake_store_rows (self->store, ZB_ACKS), 0);
    assert_int_equal (zb_queue_depth (self->queue), 16);
    s_ack (self, 1, UINT64_MAX);
    s_commit (self);
    assert_int_equal (fake_store_rows (self->store, ZB_LOG), 0);
    assert_int_equal (self->queue->log.bytes, 0);
    s_destroy (self);
}

static void test_strays_hold_until_the_store_knows (void **state)
{
    (void) state;
    s_bench_t *self = s_rows (1);
    assert_int_equal (s_load (self, 10, 5, 11), 12);
    assert_int_equal (self->queue->cursor.views.count, 3);
    assert_int_equal (self->queue->cursor.ready, 2);
    s_ack (self, 9, 11);
    //  The store doesn't know yet: a read of the window brings row 9..10 back, and must not show it.
    zb_cursor_tidy (&self->queue->cursor, self->fill->number - 1);
    assert_int_equal (self->queue->cursor.views.count, 2 + 1);
    assert_int_equal (s_load (self, 3, 100, 0), 20);
    assert_int_equal (self->queue->cursor.ready, 20 - 3);
    s_commit (self);
    assert_int_equal (fake_store_rows (self->store, ZB_LOG), 9);
    assert_int_equal (fake_store_rows (self->store, ZB_ACKS), 1);
    s_destroy (self);

    self = s_rows (1);
    assert_int_equal (s_load (self, 10, 5, 10), 10);
    s_ack (self, 9, 10);
    s_commit (self);
    zb_cursor_tidy (&self->queue->cursor, self->fill->number - 1);
    assert_int_equal (self->queue->cursor.views.count, 1);
    s_destroy (self);
}

static void test_memory_is_given_back_from_the_end (void **state)
{
    (void) state;
    s_bench_t *self = s_rows (10);
    zb_cursor_shed (&self->queue->cursor, self->fill->number - 1, self->total - 1, true);
    assert_int_equal (self->queue->cursor.views.count, 9);
    assert_int_equal (self->queue->cursor.reach, 18);
    assert_int_equal (self->queue->cursor.ready, 18);
    assert_int_equal (s_load (self, 19, 100, 0), 20);
    //  Not while the store doesn't know of an acknowledgement: row 19..20 is erased in a batch that it has not got, and
    //  would be read again.
    s_ack (self, 19, 20);
    zb_cursor_shed (&self->queue->cursor, self->fill->number - 1, 0, true);
    assert_int_equal (self->queue->cursor.views.count, 9);
    s_commit (self);
    zb_cursor_shed (&self->queue->cursor, self->fill->number - 1, 0, true);
    assert_int_equal (self->queue->cursor.views.count, 0);
    assert_int_equal (self->total, 0);
    assert_int_equal (s_load (self, 1, 100, 0), 20);
    assert_int_equal (self->queue->cursor.ready, 18);
    s_destroy (self);
}

//  Rows of which something is leased leave memory, and the leases go on.
static void test_leased_rows_are_given_back (void **state)
{
    (void) state;
    s_bench_t *self = s_rows (10);
    zb_cursor_t *cursor = &self->queue->cursor;
    zb_lease_t *one = zb_lease_new (&self->timers, 0, 1, 1), *other = zb_lease_new (&self->timers, 0, 1, 2);
    for (uint64_t id = 1; id <= 7; id++)
        assert_int_equal (s_deliver (self, id % 2 ? one : other), id);
    s_ack (self, 6, 6);
    s_commit (self);
    zb_cursor_shed (cursor, self->fill->number - 1, 0, true);
    assert_int_equal (cursor->views.count, 0);
    assert_int_equal (cursor->reach, 0);
    assert_int_equal (zb_cursor_low (cursor), 1);
    assert_int_equal (cursor->leased, 6);
    assert_int_equal (self->total, 6 * sizeof (zb_away_t));
    //  What is leased elsewhere is not known here, and is read for an acknowledgement alone.
    assert_int_equal (zb_cursor_known (cursor, 5), 0);
    assert_int_equal (s_load (self, 5, 1, 5), 6);
    s_ack (self, 5, 5);
    s_commit (self);
    assert_int_equal (one->left, 3);
    assert_int_equal (fake_store_rows (self->store, ZB_LOG), 9);
    zb_cursor_tidy (cursor, self->fill->number - 1);
    //  A lease ends; one is extended, from 2 on.
    size_t left = SIZE_MAX;
    const zb_whose_t ones = {.lease = one}, others = {.lease = other};
    zb_lease_t *longer = zb_lease_new (&self->timers, 0, 2, 3);
    assert_int_equal (zb_cursor_hand (cursor, 1, 20, &ones, NULL, &left), 3);
    assert_int_equal (zb_cursor_hand (cursor, 2, 3, &others, longer, &left), 1);
    assert_int_equal (other->left, 1);
    assert_int_equal (cursor->leased, 2);
    //  Read again, it is as if they had never left: how often something was delivered, too.
    assert_int_equal (s_load (self, 1, 2, 0), 4);
    assert_int_equal (s_load (self, 5, 100, 0), 20);
    assert_int_equal (cursor->aways, 0);
    assert_int_equal (cursor->ready, 20 - 2 - 2);
    uint32_t number = 0;
    zb_view_t *view = zb_cursor_next (cursor, &number);
    assert_int_equal (zb_places_id (view->places, number), 1);
    assert_int_equal (zb_cursor_deliver (cursor, view, number, longer), 2);
    assert_int_equal (s_deliver (self, longer), 3);
    //  And 2..3 are leased together, though they came in another order.
    assert_int_equal (longer->spans, 1);
    assert_int_equal (s_deliver (self, longer), 7);
    view = zb_cursor_next (cursor, &number);
    assert_int_equal (zb_cursor_deliver (cursor, view, number, longer), 1);
    s_destroy (self);
}

//  For the cursor: a lease for each number of tries.
static zb_lease_t *s_rest (void *context, uint32_t tries)
{
    zb_lease_t **rest = context;
    assert_in_range (tries, 1, 2);
    return rest[tries];
}

//  Tries are counted of what is in memory and of what has left it, and come back with it.
static void test_tries_are_counted (void **state)
{
    (void) state;
    s_bench_t *self = s_rows (10);
    zb_cursor_t *cursor = &self->queue->cursor;
    zb_lease_t *rest[3];
    for (uint64_t number = 0; number < 3; number++)
        rest[number] = zb_lease_new (&self->timers, 0, 1, number + 1);
    for (uint64_t id = 1; id <= 4; id++)
        assert_int_equal (s_deliver (self, rest[0]), id);
    zb_cursor_shed (cursor, self->fill->number - 1, 0, true);
    assert_int_equal (cursor->views.count, 0);
    size_t left = SIZE_MAX;
    const zb_whose_t whose[] = {{.lease = rest[0]}, {.lease = rest[1]}};
    assert_int_equal (zb_cursor_try (cursor, 2, 3, &whose[0], s_rest, rest, &left), 2);
    assert_true (rest[0]->left == 2 && rest[1]->left == 2 && cursor->leased == 4);
    assert_int_equal (s_load (self, 1, 100, 0), 20);
    assert_int_equal (zb_cursor_try (cursor, 1, 2, &whose[0], s_rest, rest, &left), 1);
    assert_true (rest[0]->left == 1 && rest[1]->left == 3);
    assert_int_equal (zb_cursor_try (cursor, 3, 20, &whose[1], s_rest, rest, &left), 1);
    assert_true (rest[0]->left == 1 && rest[1]->left == 2 && rest[2]->left == 1 && cursor->leased == 4);
    s_destroy (self);
}

//  A part of what is away goes back, in the middle of a span.
static void test_spans_are_cut (void **state)
{
    (void) state;
    s_bench_t *self = s_rows (0);
    zb_cursor_t *cursor = &self->queue->cursor;
    zb_log_purge (&self->queue->log, 20);
    s_put (self, 10);
    s_commit (self);
    s_show (self, true);
    zb_lease_t *lease = zb_lease_new (&self->timers, 0, 1, 1);
    for (int count = 0; count < 10; count++)
        s_deliver (self, lease);
    zb_cursor_shed (cursor, self->fill->number - 1, 0, true);
    assert_int_equal (cursor->aways, 1);
    size_t left = SIZE_MAX;
    const zb_whose_t whose = {.lease = lease};
    assert_int_equal (zb_cursor_hand (cursor, 24, 26, &whose, NULL, &left), 3);
    assert_int_equal (zb_cursor_hand (cursor, 25, 27, &whose, NULL, &left), 1);
    assert_int_equal (lease->left, 6);
    assert_int_equal (cursor->leased, 6);
    assert_int_equal (s_load (self, 21, 100, 0), 30);
    assert_int_equal (cursor->ready, 4);
    zb_lease_t *next = zb_lease_new (&self->timers, 0, 1, 2);
    for (uint64_t id = 24; id <= 27; id++)
        assert_int_equal (s_deliver (self, next), id);
    //  A purge ends leases wherever they are; those whose messages nobody takes are dropped where memory is wanted.
    zb_cursor_shed (cursor, self->fill->number - 1, 0, true);
    const zb_whose_t nexts = {.lease = next};
    assert_int_equal (zb_cursor_hand (cursor, 21, 30, &nexts, NULL, &left), 4);
    zb_cursor_shed (cursor, self->fill->number - 1, 0, true);
    assert_int_equal (self->total, 2 * sizeof (zb_away_t));
    zb_log_purge (&self->queue->log, self->next - 1);
    assert_int_equal (self->timers.count, 0);
    assert_int_equal (self->total, 0);
    s_destroy (self);
}

static void test_purge_forgets_all (void **state)
{
    (void) state;
    s_bench_t *self = s_rows (5);
    zb_lease_t *lease = zb_lease_new (&self->timers, 0, 1, 1);
    lease->queue = self->queue;
    s_deliver (self, lease);
    s_ack (self, 2, 2);
    s_put (self, 2);
    s_commit (self);
    s_put (self, 2);
    zb_log_purge (&self->queue->log, self->next - 1);
    assert_int_equal (zb_queue_depth (self->queue), 0);
    assert_int_equal (self->total, 0);
    assert_int_equal (self->timers.count, 0);
    s_put (self, 2);
    s_commit (self);
    s_show (self, true);
    assert_int_equal (self->queue->cursor.ready, 2);
    assert_int_equal (zb_queue_depth (self->queue), 2);
    //  The rows are still there; a window that begins anew passes by them.
    zb_cursor_shed (&self->queue->cursor, self->fill->number - 1, 0, true);
    assert_int_equal (s_load (self, 1, 100, 0), self->next - 1);
    assert_int_equal (self->queue->cursor.ready, 2);
    s_destroy (self);
}

//  If it ever says that more is done than was put, the next leader goes on, and finds what is there.
static void test_a_count_that_is_wrong (void **state)
{
    (void) state;
    s_bench_t *self = s_rows (10);
    self->queue->cursor.done = 25;
    assert_int_equal (zb_queue_depth (self->queue), 0);
    s_commit (self);
    zb_read_t *read = zb_read_new (0, 0);
    zb_read_add (read, ZB_CURSORS, "", 0, 0, 1, SIZE_MAX);
    fake_store_read (self->store, read);
    zb_cursor_row_t row;
    assert_int_equal (read->count[0], 1);
    assert_int_equal (zb_cursor_row_decode (&row, read->found[0][0].row), 0);
    zb_read_destroy (&read);
    zb_queue_destroy (&self->queue);
    self->queue = zb_queue_new (zb_frame ("q"), 1, self->next - 1, &self->total);
    zb_queue_restore (self->queue, &row);
    assert_int_equal (s_load (self, self->queue->cursor.reach + 1, 100, 0), self->next - 1);
    assert_int_equal (self->queue->cursor.ready, 20);
    s_ack (self, 1, 20);
    s_commit (self);
    s_put (self, 2);
    assert_int_equal (zb_queue_depth (self->queue), 2);
    s_destroy (self);
}

static void test_malformed_rows_are_seen (void **state)
{
    (void) state;
    uint8_t key[ZB_ACKS_KEY_SIZE];
    s_bench_t *self = s_rows (0);
    //  Rows that overlap.
    zb_log_key (1, 3, key);
    size_t size = 0;
    uint8_t other[ZB_LOG_KEY_SIZE];
    zb_log_key (1, 4, other);
    const void *value = fake_store_get (self->store, ZB_LOG, other, sizeof other, &size);
    fake_store_put (self->store, ZB_LOG, key, ZB_LOG_KEY_SIZE, value, size);
    assert_int_equal (s_load (self, 1, 100, 0), 0);
    s_destroy (self);

    self = s_rows (0);
    zb_acks_key (1, 4, key);
    fake_store_put (self->store, ZB_ACKS, key, sizeof key, "\4", 1);
    assert_int_equal (s_load (self, 1, 100, 0), 0);
    s_destroy (self);

    //  But all of a row may be done.
    self = s_rows (0);
    fake_store_put (self->store, ZB_ACKS, key, sizeof key, "\3", 1);
    assert_int_equal (s_load (self, 1, 100, 0), 20);
    assert_int_equal (self->queue->cursor.ready, 18);
    s_destroy (self);

    self = s_rows (0);
    zb_acks_key (1, 4, key);
    key[15] = 1;
    fake_store_put (self->store, ZB_ACKS, key, sizeof key, "\1", 1);
    assert_int_equal (s_load (self, 1, 100, 0), 0);
    s_destroy (self);
}

//  What lies beneath

static void test_timers_come_in_order (void **state)
{
    (void) state;
    enum { COUNT = 500 };
    static zb_timer_t timer[COUNT];
    zb_timers_t timers = {0};
    unsigned random = 1;
    memset (timer, 0, sizeof timer);
    for (int round = 0; round < 3 * COUNT; round++) {
        random = random * 1103515245 + 12345;
        zb_timer_t *one = &timer[random / 65536 % COUNT];
        random = random * 1103515245 + 12345;
        if (random / 65536 % 4)
            zb_timer_set (&timers, one, random / 65536 % 1000);
        else
            zb_timer_stop (&timers, one);
    }
    int64_t last = 0;
    size_t left = timers.count;
    for (zb_timer_t *first = zb_timer_first (&timers); first; first = zb_timer_first (&timers), left--) {
        assert_true (first->when >= last);
        last = first->when;
        zb_timer_stop (&timers, first);
        zb_timer_stop (&timers, first);
    }
    assert_int_equal (left, 0);
    zb_timers_clear (&timers);
}

static void test_maps_find_what_is_in_them (void **state)
{
    (void) state;
    enum { COUNT = 1000 };
    static const uint8_t key[ZB_MAP_KEY_SIZE] = "key";
    static zb_entry_t entry[COUNT];
    static char name[COUNT][16];
    zb_map_t map;
    zb_map_init (&map, key);
    assert_null (zb_map_find (&map, zb_frame ("x")));
    for (int index = 0; index < COUNT; index++) {
        snprintf (name[index], sizeof name[index], "n%d", index);
        zb_map_add (&map, &entry[index], zb_frame (name[index]));
    }
    for (int index = 0; index < COUNT; index += 2) {
        zb_map_remove (&map, &entry[index]);
        zb_map_remove (&map, &entry[index]);
    }
    assert_int_equal (map.count, COUNT / 2);
    for (int index = 0; index < COUNT; index++)
        assert_ptr_equal (zb_map_find (&map, zb_frame (name[index])), index % 2 ? &entry[index] : NULL);
    zb_map_clear (&map);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_rows_are_brief_where_consumers_keep_up),
        cmocka_unit_test (test_shown_rows_join),
        cmocka_unit_test (test_order_is_that_of_ids),
        cmocka_unit_test (test_rows_go_when_all_is_done),
        cmocka_unit_test (test_strays_hold_until_the_store_knows),
        cmocka_unit_test (test_memory_is_given_back_from_the_end),
        cmocka_unit_test (test_leased_rows_are_given_back),
        cmocka_unit_test (test_tries_are_counted),
        cmocka_unit_test (test_spans_are_cut),
        cmocka_unit_test (test_purge_forgets_all),
        cmocka_unit_test (test_a_count_that_is_wrong),
        cmocka_unit_test (test_malformed_rows_are_seen),
        cmocka_unit_test (test_timers_come_in_order),
        cmocka_unit_test (test_maps_find_what_is_in_them),
    };
    return cmocka_run_group_tests_name ("queue", tests, NULL, NULL);
}
