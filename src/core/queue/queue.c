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

static zb_page_t *s_page (const zb_queue_t *self, size_t index)
{
    assert (index < self->pages);
    return self->page[self->from + index];
}

//  Takes a page out of memory; what is leased of it is nobody's any more.
static void s_drop (zb_queue_t *self, size_t index)
{
    zb_page_t *page = s_page (self, index);
    for (uint32_t each = 0; each < page->count && page->ready < page->open; each++)
        if (page->message[each].lease) {
            zb_lease_uncover (&page->message[each]);
            self->leased--;
            page->open--;
        }
    if (index < self->window) {
        self->window--;
        self->ready -= page->ready;
        if (self->scan > index)
            self->scan--;
    }
    zb_page_t **place = &self->page[self->from];
    if (index < self->pages / 2) {
        memmove (place + 1, place, index * sizeof *place);
        self->from++;
    }
    else
        memmove (place + index, place + index + 1, (self->pages - index - 1) * sizeof *place);
    self->pages--;
    size_t bytes = zb_page_bytes (page);
    self->bytes -= bytes;
    *self->total -= bytes;
    zb_ring_remove (&page->dirty);
    zb_page_destroy (&page);
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
        while (self->pages)
            s_drop (self, self->pages - 1);
        assert (self->users == 0 && self->leased == 0 && self->bytes == 0 && self->ready == 0);
        assert (!self->entry.in && zb_ring_empty (&self->ring) && zb_ring_empty (&self->touched));
        assert (zb_ring_empty (&self->demand) && zb_ring_empty (&self->strays) && zb_ring_empty (&self->parked) &&
                zb_ring_empty (&self->late) && zb_ring_empty (&self->rest));
        free (self->page);
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
    assert (self->pages == 0 && self->put == 0);
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

static void s_write_bits (zb_queue_t *self, zb_page_t *page, zb_commit_t *commit)
{
    uint8_t key[ZB_ACKS_KEY_SIZE];
    zb_acks_key (self->id, page->last, key);
    size_t size = zb_page_bits_size (page);
    uint8_t *bits = (uint8_t *) malloc (size);
    assert (bits);
    zb_page_bits (page, bits);
    zb_batch_put (commit->batch, ZB_ACKS, key, sizeof key, bits, size);
    free (bits);
    page->has_acks = true;
    page->commit = commit->number;
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
        s_write_bits (self, ZB_ITEM (link, zb_page_t, dirty), commit);
    zb_cursor_row_t cursor = {(self->window ? s_page (self, 0)->first : self->reach + 1), self->put, self->done};
    if (self->inserting && self->inserted < cursor.low)
        cursor.low = self->inserted;
    uint8_t key[ZB_CURSOR_KEY_SIZE], value[ZB_CURSOR_ROW_SIZE];
    zb_cursor_key (self->id, key);
    zb_cursor_row_encode (&cursor, value);
    zb_batch_put (commit->batch, ZB_CURSORS, key, sizeof key, value, sizeof value);
    self->commit = commit->number;
}

//  The pages

//  Index of the first page whose last id is at least `id`.
static size_t s_find (const zb_queue_t *self, uint64_t id)
{
    size_t low = 0, high = self->pages;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s_page (self, middle)->last < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

//  Puts a page at an index; it is not part of the window yet.
static void s_insert (zb_queue_t *self, size_t index, zb_page_t *page)
{
    if (self->from + self->pages == self->room) {
        if (self->from > self->room / 2 || self->from > 64) {
            memmove (self->page, self->page + self->from, self->pages * sizeof *self->page);
            self->from = 0;
        }
        else {
            self->room = self->room ? self->room * 2 : 4;
            self->page = (zb_page_t **) realloc (self->page, self->room * sizeof *self->page);
            assert (self->page);
        }
    }
    zb_page_t **place = &self->page[self->from + index];
    memmove (place + 1, place, (self->pages - index) * sizeof *place);
    *place = page;
    self->pages++;
    size_t bytes = zb_page_bytes (page);
    self->bytes += bytes;
    *self->total += bytes;
}

//  Makes the first stray the last page of the window.
static void s_adopt (zb_queue_t *self)
{
    zb_page_t *page = s_page (self, self->window);
    assert (self->window == 0 || page->first > s_page (self, self->window - 1)->last); //  I5, I6
    self->window++;
    self->reach = page->last;
    self->ready += page->ready;
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
    bool here = place < self->pages && s_page (self, place)->last == sealed->last;
    if (sealed->last > self->reach || here)
        return;
    zb_page_t *page = zb_page_new (sealed->row, sealed->last, sealed->bits);
    assert (page && place <= self->window);
    s_insert (self, place, page);
    self->window++;
    self->ready += page->ready;
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
        zb_page_t *page = zb_page_new (sealed->row, sealed->last, sealed->bits);
        assert (page && self->window == self->pages);
        s_insert (self, self->pages, page);
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
    while (self->window < self->pages && s_page (self, self->window)->last < id) {
        if (s_page (self, self->window)->open)
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
    if (place == self->pages || s_page (self, place)->last != last) {
        zb_page_t *page = zb_page_new (row, last, bits);
        if (!page || page->first <= (place ? s_page (self, place - 1)->last : self->floor) ||
            (place < self->pages && last >= s_page (self, place)->first)) {
            zb_page_destroy (&page);
            return -1;
        }
        s_insert (self, place, page);
    }
    if (!stray) {
        s_adopt (self);
        if (s_page (self, place)->open == 0)
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

void zb_queue_finish (zb_queue_t *self, zb_page_t *page, uint32_t index, uint64_t commit)
{
    zb_message_t *message = &page->message[index];
    assert (!message->done && page->open); //  I3
    if (message->lease) {
        zb_lease_uncover (message);
        self->leased--;
    }
    else {
        page->ready--;
        if (page->last <= self->reach)
            self->ready--;
    }
    message->done = true;
    page->open--;
    page->commit = commit;
    self->done++;
    self->ack_commit = commit;
    if (zb_ring_empty (&page->dirty))
        zb_ring_append (&self->dirty, &page->dirty);
}

void zb_queue_return (zb_queue_t *self, zb_page_t *page, uint32_t index)
{
    zb_message_t *message = &page->message[index];
    assert (message->lease && !message->done && page->last <= self->reach);
    zb_lease_uncover (message);
    self->leased--;
    self->ready++;
    page->ready++;
    if (index < page->scan)
        page->scan = index;
    size_t place = s_find (self, page->last);
    if (place < self->scan)
        self->scan = place;
}

void zb_queue_deliver (zb_queue_t *self, zb_page_t *page, uint32_t index, zb_lease_t *lease)
{
    zb_message_t *message = &page->message[index];
    assert (!message->lease && !message->done && page->ready && self->ready);
    zb_lease_cover (lease, zb_page_id (page, index), message);
    message->deliveries++;
    page->ready--;
    self->ready--;
    self->leased++;
}

zb_page_t *zb_queue_next (zb_queue_t *self, uint32_t *index)
{
    if (self->ready == 0)
        return NULL;
    while (s_page (self, self->scan)->ready == 0)
        self->scan++;
    assert (self->scan < self->window);
    zb_page_t *page = s_page (self, self->scan);
    while (page->message[page->scan].done || page->message[page->scan].lease)
        page->scan++;
    assert (page->scan < page->count);
    *index = page->scan;
    return page;
}

//  Everything in this page is done: its rows go with the commit.  A page of the window leaves memory, a stray stays until
//  the store knows.
static void s_finished (zb_queue_t *self, size_t place, zb_commit_t *commit)
{
    zb_page_t *page = s_page (self, place);
    assert (commit && page->open == 0);
    uint8_t key[ZB_ACKS_KEY_SIZE];
    zb_acks_key (self->id, page->last, key);
    zb_batch_erase (commit->batch, ZB_LOG, key, ZB_LOG_KEY_SIZE);
    if (page->has_acks)
        zb_batch_erase (commit->batch, ZB_ACKS, key, ZB_ACKS_KEY_SIZE);
    page->commit = commit->number;
    zb_ring_remove (&page->dirty);
    if (place < self->window)
        s_drop (self, place);
}

uint64_t zb_queue_visit (zb_queue_t *self, uint64_t first, uint64_t last, zb_visit_t *visit, void *context,
                         zb_commit_t *commit, size_t *left)
{
    for (size_t place = s_find (self, first); place < self->pages && s_page (self, place)->first <= last;) {
        zb_page_t *page = s_page (self, place);
        uint32_t open = page->open, index = zb_page_find (page, first);
        *left -= *left ? 1 : 0;
        for (; *left && index < page->count && zb_page_id (page, index) <= last; index++, --*left)
            if (!page->message[index].done)
                visit (context, self, page, index);
        uint64_t next = index < page->count && zb_page_id (page, index) <= last ? zb_page_id (page, index) : 0;
        size_t pages = self->pages;
        if (page->open == 0 && open)
            s_finished (self, place, commit);
        if (next)
            return next;
        place += self->pages == pages ? 1 : 0;
    }
    return 0;
}

uint64_t zb_queue_known (const zb_queue_t *self, uint64_t id)
{
    if (id <= self->reach)
        return self->reach;
    size_t place = s_find (self, id);
    return place < self->pages && s_page (self, place)->first <= id ? s_page (self, place)->last : 0;
}

void zb_queue_purge (zb_queue_t *self, uint64_t last)
{
    s_forget (self);
    while (self->pages)
        s_drop (self, self->pages - 1);
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
    for (size_t place = self->pages; place > self->window && !self->load; place--) {
        zb_page_t *page = s_page (self, place - 1);
        if (page->commit <= taken && zb_ring_empty (&page->dirty))
            s_drop (self, place - 1);
    }
}

void zb_queue_shed (zb_queue_t *self, uint64_t taken, size_t limit)
{
    zb_queue_tidy (self, taken);
    //  A row that was erased in a batch which is not taken yet would be read again.
    if (self->ack_commit > taken)
        return;
    while (self->pages && self->pages == self->window && !self->load && *self->total > limit) {
        zb_page_t *page = s_page (self, self->pages - 1);
        if (page->ready < page->open || !zb_ring_empty (&page->dirty))
            return;
        self->reach = page->first - 1;
        s_drop (self, self->pages - 1);
    }
}
