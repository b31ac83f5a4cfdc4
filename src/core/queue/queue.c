/*  =========================================================================
    queue - a log with a cursor: the messages of one queue

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/queue/queue.h"

zb_queue_t *zb_queue_new (zb_frame_t name, uint32_t id, uint64_t tail, size_t *total)
{
    zb_queue_t *self = (zb_queue_t *) calloc (1, sizeof (zb_queue_t) + name.size);
    assert (self);
    zb_ring_init (&self->ring);
    zb_ring_init (&self->touched);
    zb_ring_init (&self->demand);
    zb_ring_init (&self->strays);
    zb_ring_init (&self->rest);
    zb_ring_init (&self->parked);
    zb_ring_init (&self->late);
    zb_ring_init (&self->sealed);
    zb_ring_init (&self->dirty);
    memcpy (self->text, name.data, name.size);
    self->name = (zb_frame_t){self->text, name.size};
    self->id = id;
    self->reach = self->tail = self->floor = tail;
    self->total = total;
    return self;
}

static zb_view_t *s_view (const zb_queue_t *self, size_t index)
{
    assert (index < self->views);
    return self->view[self->from + index];
}

static size_t s_bytes (const zb_view_t *view)
{
    return zb_view_bytes (view) + zb_places_bytes (view->places);
}

//  Takes a row out of memory; what is leased of it is nobody's any more.
static void s_drop (zb_queue_t *self, size_t index)
{
    zb_view_t *view = s_view (self, index);
    if (index < self->window) {
        self->window--;
        self->ready -= view->ready;
        if (self->scan > index)
            self->scan--;
    }
    zb_view_t **place = &self->view[self->from];
    if (index < self->views / 2) {
        memmove (place + 1, place, index * sizeof *place);
        self->from++;
    }
    else
        memmove (place + index, place + index + 1, (self->views - index - 1) * sizeof *place);
    self->views--;
    size_t bytes = s_bytes (view);
    self->bytes -= bytes;
    *self->total -= bytes;
    for (uint32_t each = 0; each < view->places->count && view->ready < view->open; each++)
        if (zb_view_lease (view, each)) {
            zb_view_return (view, each);
            self->leased--;
        }
    zb_ring_remove (&view->dirty);
    zb_view_destroy (&view);
}

//  Takes what is put but not written yet out of memory.
static void s_forget (zb_queue_t *self)
{
    zb_row_unref (&self->fill);
    for (zb_ring_t *link = zb_ring_pop (&self->sealed); link; link = zb_ring_pop (&self->sealed)) {
        zb_sealed_t *sealed = ZB_ITEM (link, zb_sealed_t, ring);
        zb_sealed_destroy (&sealed);
    }
}

void zb_queue_destroy (zb_queue_t **self_p)
{
    zb_queue_t *self = *self_p;
    if (self) {
        s_forget (self);
        while (self->views)
            s_drop (self, self->views - 1);
        assert (self->users == 0 && self->leased == 0 && self->bytes == 0 && self->ready == 0);
        assert (!self->entry.in && zb_ring_empty (&self->ring) && zb_ring_empty (&self->touched));
        assert (zb_ring_empty (&self->demand) && zb_ring_empty (&self->strays) && zb_ring_empty (&self->parked) &&
                zb_ring_empty (&self->late) && zb_ring_empty (&self->rest));
        free (self->view);
        free (self);
        *self_p = NULL;
    }
}

zb_queue_row_t zb_queue_row (const zb_queue_t *self)
{
    return (zb_queue_row_t){self->id, self->lease, self->max, self->changed, self->grace};
}

void zb_queue_configure (zb_queue_t *self, const zb_queue_row_t *row)
{
    self->lease = row->lease;
    self->max = row->max;
    self->grace = row->grace;
    self->changed = row->changed;
}

void zb_queue_restore (zb_queue_t *self, const zb_cursor_row_t *cursor)
{
    assert (self->views == 0 && self->put == 0);
    self->put = cursor->put;
    self->done = cursor->done;
    self->floor = cursor->low - 1;
    self->reach = zb_queue_depth (self) ? self->floor : self->tail;
}

uint64_t zb_queue_depth (const zb_queue_t *self)
{
    assert (self->done <= self->put);
    return self->put - self->done;
}

//  Putting

static void s_seal (zb_queue_t *self)
{
    if (!self->fill)
        return;
    zb_sealed_t *sealed = (zb_sealed_t *) calloc (1, sizeof (zb_sealed_t));
    assert (sealed);
    //  The row may stay in memory for long.
    if (self->fill->size < self->fill->room / 2) {
        zb_row_t *row = zb_row_new (self->fill->size);
        memcpy (row->data, self->fill->data, self->fill->size);
        row->size = self->fill->size;
        zb_row_unref (&self->fill);
        self->fill = row;
    }
    sealed->queue = self;
    sealed->row = self->fill;
    sealed->last = self->fill_last;
    sealed->purges = self->purges;
    zb_ring_init (&sealed->ring);
    zb_ring_append (&self->sealed, &sealed->ring);
    self->users++;
    self->hint = self->fill->size;
    self->fill = NULL;
}

void zb_sealed_destroy (zb_sealed_t **self_p)
{
    zb_sealed_t *self = *self_p;
    if (self) {
        assert (zb_ring_empty (&self->ring) && self->queue->users);
        self->queue->users--;
        self->queue->inserting -= self->inserted ? 1 : 0;
        zb_row_unref (&self->row);
        zb_row_unref (&self->bits);
        free (self);
        *self_p = NULL;
    }
}

//  Makes room for `need` more bytes in the row that is being filled.  Rows start as large as the last one was and
//  double, so that a queue with small commits takes little and one with large ones is rarely copied.
static void s_reserve (zb_queue_t *self, uint64_t first, size_t need)
{
    if (!self->fill) {
        size_t room = ZB_LOG_HEAD + need;
        if (room < self->hint)
            room = self->hint;
        self->fill = zb_row_new (room);
        zb_log_begin (self->fill, first);
    }
    else if (need > self->fill->room - self->fill->size) {
        size_t room = (size_t) self->fill->room * 2;
        if (room > ZB_ROW_MAX)
            room = ZB_ROW_MAX;
        if (room < self->fill->size + need)
            room = self->fill->size + need;
        zb_row_t *row = zb_row_new (room);
        memcpy (row->data, self->fill->data, self->fill->size);
        row->size = self->fill->size;
        zb_row_unref (&self->fill);
        self->fill = row;
    }
}

//  Whether the bodies take more than the row that is being filled.
static bool s_is_parted (const zb_queue_t *self, const zb_piece_t *piece, const zb_frame_t *body, size_t bodies)
{
    size_t bytes = 0;
    for (size_t index = 0; index < bodies; index++)
        bytes += body[index].size;
    size_t used = self->fill ? self->fill->size : ZB_LOG_HEAD;
    return bodies > 1 && used + zb_log_need (piece, bodies, bytes) > ZB_ROW_MAX;
}

void zb_queue_put (zb_queue_t *self, zb_piece_t *piece, const zb_frame_t *body, size_t bodies)
{
    piece->part = piece->number && s_is_parted (self, piece, body, bodies);
    piece->total = (uint32_t) bodies;
    for (size_t next = 0; next < bodies;) {
        if (self->fill && piece->first - zb_get64 (self->fill->data + 8) > UINT32_MAX / 2)
            s_seal (self);
        size_t used = self->fill ? self->fill->size : ZB_LOG_HEAD;
        size_t count = 0, bytes = 0;
        //  As many as fit; a row that is empty takes one message of any size.
        while (next + count < bodies &&
               (used + zb_log_need (piece, count + 1, bytes + body[next + count].size) <= ZB_ROW_MAX ||
                (!self->fill && count == 0)))
            bytes += body[next + count++].size;
        if (count == 0) {
            s_seal (self);
            continue;
        }
        piece->count = (uint32_t) count;
        piece->before = (uint32_t) next;
        s_reserve (self, piece->first, zb_log_need (piece, count, bytes));
        zb_log_append (self->fill, piece, body + next);
        piece->first += count;
        self->fill_last = piece->first - 1;
        self->put += count;
        next += count;
    }
}

static void s_write_bits (const zb_queue_t *self, zb_view_t *view, zb_commit_t *commit)
{
    uint8_t key[ZB_ACKS_KEY_SIZE];
    zb_acks_key (self->id, view->places->last, key);
    zb_batch_put (commit->batch, ZB_ACKS, key, sizeof key, view->bits, zb_view_bits_size (view));
    view->has_bits = true;
    view->commit = commit->number;
}

void zb_queue_write (zb_queue_t *self, zb_commit_t *commit)
{
    s_seal (self);
    for (zb_ring_t *link = zb_ring_pop (&self->sealed); link; link = zb_ring_pop (&self->sealed)) {
        zb_sealed_t *sealed = ZB_ITEM (link, zb_sealed_t, ring);
        uint8_t key[ZB_LOG_KEY_SIZE];
        zb_log_key (self->id, sealed->last, key);
        zb_batch_put_row (commit->batch, ZB_LOG, key, sizeof key, sealed->row);
        zb_ring_append (&commit->rows, link);
    }
    for (zb_ring_t *link = zb_ring_pop (&self->dirty); link; link = zb_ring_pop (&self->dirty))
        s_write_bits (self, ZB_ITEM (link, zb_view_t, dirty), commit);
    zb_cursor_row_t cursor = {(self->window ? s_view (self, 0)->places->first : self->reach + 1), self->put,
                              self->done};
    if (self->inserting && self->inserted < cursor.low)
        cursor.low = self->inserted;
    uint8_t key[ZB_CURSOR_KEY_SIZE], value[ZB_CURSOR_ROW_SIZE];
    zb_cursor_key (self->id, key);
    zb_cursor_row_encode (&cursor, value);
    zb_batch_put (commit->batch, ZB_CURSORS, key, sizeof key, value, sizeof value);
    self->commit = commit->number;
}

//  The rows in memory

//  Index of the first view whose last id is at least `id`.
static size_t s_find (const zb_queue_t *self, uint64_t id)
{
    size_t low = 0, high = self->views;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s_view (self, middle)->places->last < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

//  Puts a view at an index; it is not part of the window yet.
static void s_insert (zb_queue_t *self, size_t index, zb_view_t *view)
{
    if (self->from + self->views == self->room) {
        if (self->from > self->room / 2 || self->from > 64) {
            memmove (self->view, self->view + self->from, self->views * sizeof *self->view);
            self->from = 0;
        }
        else {
            self->room = self->room ? self->room * 2 : 4;
            self->view = (zb_view_t **) realloc (self->view, self->room * sizeof *self->view);
            assert (self->view);
        }
    }
    zb_view_t **place = &self->view[self->from + index];
    memmove (place + 1, place, (self->views - index) * sizeof *place);
    *place = view;
    self->views++;
    size_t bytes = s_bytes (view);
    self->bytes += bytes;
    *self->total += bytes;
}

//  Makes the first stray the last view of the window.
static void s_adopt (zb_queue_t *self)
{
    zb_view_t *view = s_view (self, self->window);
    assert (self->window == 0 || view->places->first > s_view (self, self->window - 1)->places->last); //  I5, I6
    self->window++;
    self->reach = view->places->last;
    self->ready += view->ready;
}

void zb_queue_insert (zb_queue_t *self, zb_row_t *row, uint64_t last, zb_row_t *bits, zb_commit_t *commit)
{
    uint64_t first = 0;
    uint32_t count = 0, done = 0;
    int rc = zb_log_head (row, &first, &count);
    assert (rc == 0 && !self->load);
    for (uint32_t byte = 0; bits && byte < bits->size; byte++)
        for (uint8_t mask = bits->data[byte]; mask; mask &= (uint8_t) (mask - 1))
            done++;
    assert (done < count);
    uint8_t key[ZB_ACKS_KEY_SIZE];
    zb_acks_key (self->id, last, key);
    zb_batch_put_row (commit->batch, ZB_LOG, key, ZB_LOG_KEY_SIZE, row);
    if (bits)
        zb_batch_put_row (commit->batch, ZB_ACKS, key, sizeof key, bits);
    self->put += count;
    self->done += done;
    if (self->floor >= first)
        self->floor = first - 1;
    if (self->inserting++ == 0 || first < self->inserted)
        self->inserted = first;
    zb_sealed_t *sealed = (zb_sealed_t *) calloc (1, sizeof (zb_sealed_t));
    assert (sealed);
    *sealed = (zb_sealed_t){.queue = self, .row = zb_row_ref (row), .last = last, .inserted = true, .first = first,
                            .purges = self->purges};
    sealed->bits = bits ? zb_row_ref (bits) : NULL;
    zb_ring_init (&sealed->ring);
    zb_ring_append (&commit->rows, &sealed->ring);
    self->users++;
}

//  Shows a row that was inserted below the tail: it joins the window if it lies in it, however full that is; what is
//  too much is shed at the other end.
static void s_show_inserted (zb_queue_t *self, const zb_sealed_t *sealed)
{
    size_t place = s_find (self, sealed->last);
    bool here = place < self->views && s_view (self, place)->places->last == sealed->last;
    if (sealed->last > self->reach || here)
        return;
    zb_view_t *view = zb_view_of (sealed->row, sealed->last, sealed->bits);
    assert (view && place <= self->window);
    s_insert (self, place, view);
    self->window++;
    self->ready += view->ready;
    if (place < self->scan)
        self->scan = place;
}

void zb_queue_show (zb_queue_t *self, const zb_sealed_t *sealed, bool join)
{
    if (sealed->purges != self->purges)
        return;
    if (sealed->inserted && sealed->last <= self->tail) {
        s_show_inserted (self, sealed);
        return;
    }
    assert (sealed->last > self->tail); //  I6
    if (join && !self->load && self->reach == self->tail) {
        zb_view_t *view = zb_view_of (sealed->row, sealed->last, sealed->bits);
        assert (view && self->window == self->views);
        s_insert (self, self->views, view);
        s_adopt (self);
    }
    self->tail = sealed->last;
}

//  The bitmap of the row with this last id, NULL if there is none; *mark walks the range of acks.  Sets *bad if a key
//  is malformed.
static const zb_row_t *s_bits (zb_queue_t *self, const zb_read_t *read, size_t *mark, uint64_t last, bool *bad)
{
    for (; *mark < read->count[1]; ++*mark) {
        const zb_found_t *found = &read->found[1][*mark];
        uint64_t marked = 0;
        if (zb_acks_key_decode (found, self->id, &marked)) {
            *bad = true;
            return NULL;
        }
        if (marked >= last)
            return marked == last ? found->row : NULL;
    }
    return NULL;
}

//  Drops strays before this id that the window passes by: what the store has no longer was done.
static int s_pass (zb_queue_t *self, uint64_t id)
{
    while (self->window < self->views && s_view (self, self->window)->places->last < id) {
        if (s_view (self, self->window)->open)
            return -1;
        s_drop (self, self->window);
    }
    return 0;
}

//  Takes one row that was found.
static int s_take (zb_queue_t *self, zb_row_t *row, uint64_t last, const zb_row_t *bits, bool stray)
{
    if (!stray && s_pass (self, last))
        return -1;
    size_t place = s_find (self, last);
    if (place == self->views || s_view (self, place)->places->last != last) {
        zb_view_t *view = zb_view_of (row, last, bits);
        if (!view || view->places->first <= (place ? s_view (self, place - 1)->places->last : self->floor) ||
            (place < self->views && last >= s_view (self, place)->places->first)) {
            zb_view_destroy (&view);
            return -1;
        }
        s_insert (self, place, view);
    }
    if (!stray) {
        s_adopt (self);
        if (s_view (self, place)->open == 0)
            s_drop (self, place);
    }
    return 0;
}

uint64_t zb_queue_load (zb_queue_t *self, const zb_read_t *read, uint64_t end, uint64_t want)
{
    size_t mark = 0;
    uint64_t accounted = 0;
    bool whole = !read->more[0];
    for (size_t index = 0; index < read->count[0] && (!want || accounted < want); index++) {
        const zb_found_t *found = &read->found[0][index];
        uint64_t last = 0;
        bool bad = false;
        if (zb_log_key_decode (found, self->id, &last) || last <= accounted)
            return 0;
        whole = whole || last > end;
        if (last > end)
            break;
        accounted = last;
        const zb_row_t *bits = s_bits (self, read, &mark, last, &bad);
        if (bad || (last > self->floor && s_take (self, found->row, last, bits, want != 0)))
            return 0;
    }
    if (whole && (!want || accounted < want))
        accounted = end;
    if (!want && accounted > self->reach) {
        if (s_pass (self, accounted + 1))
            return 0;
        self->reach = accounted;
    }
    return accounted;
}

//  The messages

void zb_queue_finish (zb_queue_t *self, zb_view_t *view, uint32_t number, uint64_t commit)
{
    if (zb_view_lease (view, number))
        self->leased--;
    else if (view->places->last <= self->reach)
        self->ready--;
    zb_view_finish (view, number);
    view->commit = commit;
    self->done++;
    self->ack_commit = commit;
    if (zb_ring_empty (&view->dirty))
        zb_ring_append (&self->dirty, &view->dirty);
}

void zb_queue_return (zb_queue_t *self, zb_view_t *view, uint32_t number)
{
    assert (view->places->last <= self->reach);
    zb_view_return (view, number);
    self->leased--;
    self->ready++;
    size_t place = s_find (self, view->places->last);
    if (place < self->scan)
        self->scan = place;
}

uint32_t zb_queue_deliver (zb_queue_t *self, zb_view_t *view, uint32_t number, zb_lease_t *lease)
{
    assert (self->ready);
    self->ready--;
    self->leased++;
    return zb_view_deliver (view, number, lease);
}

zb_view_t *zb_queue_next (zb_queue_t *self, uint32_t *number)
{
    if (self->ready == 0)
        return NULL;
    while (s_view (self, self->scan)->ready == 0)
        self->scan++;
    assert (self->scan < self->window);
    zb_view_t *view = s_view (self, self->scan);
    while (!zb_view_is_ready (view, view->scan))
        view->scan++;
    assert (view->scan < view->places->count);
    *number = view->scan;
    return view;
}

//  Everything in this row is done: it goes with the commit.  One of the window leaves memory, a stray stays until
//  the store knows.
static void s_finished (zb_queue_t *self, size_t place, zb_commit_t *commit)
{
    zb_view_t *view = s_view (self, place);
    assert (commit && view->open == 0);
    uint8_t key[ZB_ACKS_KEY_SIZE];
    zb_acks_key (self->id, view->places->last, key);
    zb_batch_erase (commit->batch, ZB_LOG, key, ZB_LOG_KEY_SIZE);
    if (view->has_bits)
        zb_batch_erase (commit->batch, ZB_ACKS, key, ZB_ACKS_KEY_SIZE);
    view->commit = commit->number;
    zb_ring_remove (&view->dirty);
    if (place < self->window)
        s_drop (self, place);
}

uint64_t zb_queue_visit (zb_queue_t *self, uint64_t first, uint64_t last, zb_visit_t *visit, void *context,
                         zb_commit_t *commit, size_t *left)
{
    for (size_t place = s_find (self, first); place < self->views && s_view (self, place)->places->first <= last;) {
        zb_view_t *view = s_view (self, place);
        const zb_places_t *places = view->places;
        uint32_t open = view->open, number = zb_places_find (places, first);
        *left -= *left ? 1 : 0;
        for (; *left && number < places->count && zb_places_id (places, number) <= last; number++, --*left)
            if (!zb_view_is_done (view, number))
                visit (context, self, view, number);
        uint64_t next =
            number < places->count && zb_places_id (places, number) <= last ? zb_places_id (places, number) : 0;
        size_t views = self->views;
        if (view->open == 0 && open)
            s_finished (self, place, commit);
        if (next)
            return next;
        place += self->views == views ? 1 : 0;
    }
    return 0;
}

uint64_t zb_queue_known (const zb_queue_t *self, uint64_t id)
{
    if (id <= self->reach)
        return self->reach;
    size_t place = s_find (self, id);
    return place < self->views && s_view (self, place)->places->first <= id ? s_view (self, place)->places->last : 0;
}

void zb_queue_purge (zb_queue_t *self, uint64_t last)
{
    s_forget (self);
    while (self->views)
        s_drop (self, self->views - 1);
    self->done = self->put;
    self->purges++;
    self->floor = last;
    if (self->reach < last)
        self->reach = last;
    if (self->tail < last)
        self->tail = last;
    self->scan = 0;
}

void zb_queue_tidy (zb_queue_t *self, uint64_t taken)
{
    for (size_t place = self->views; place > self->window && !self->load; place--) {
        zb_view_t *view = s_view (self, place - 1);
        if (view->commit <= taken && zb_ring_empty (&view->dirty))
            s_drop (self, place - 1);
    }
}

void zb_queue_shed (zb_queue_t *self, uint64_t taken, size_t limit)
{
    zb_queue_tidy (self, taken);
    //  A row that was erased in a batch which is not taken yet would be read again.
    if (self->ack_commit > taken)
        return;
    while (self->views && self->views == self->window && !self->load && *self->total > limit) {
        zb_view_t *view = s_view (self, self->views - 1);
        if (view->ready < view->open || !zb_ring_empty (&view->dirty))
            return;
        self->reach = view->places->first - 1;
        s_drop (self, self->views - 1);
    }
}
