/*  =========================================================================
    log - rows of messages in the order of their ids

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/queue/cursor.h"
#include "core/queue/lane.h"
#include "core/queue/log.h"
#include "core/queue/rank.h"

void zb_log_init (zb_log_t *self, uint32_t id, bool head_only, uint64_t tail, size_t *total)
{
    *self = (zb_log_t){.id = id, .head_only = head_only, .floor = tail, .tail = tail, .total = total};
    zb_ring_init (&self->cursors);
    zb_ring_init (&self->followers);
    zb_ring_init (&self->added);
}

//  Takes what is put but not written yet out of memory.
static void s_forget (zb_log_t *self)
{
    zb_row_unref (&self->fill);
    for (zb_ring_t *link = zb_ring_pop (&self->added); link; link = zb_ring_pop (&self->added)) {
        zb_added_t *added = ZB_ITEM (link, zb_added_t, ring);
        zb_added_destroy (&added);
    }
}

void zb_log_clear (zb_log_t *self)
{
    s_forget (self);
    assert (zb_ring_empty (&self->cursors) && self->users == 0 && self->bytes == 0 && self->rows.count == 0);
    zb_deck_clear (&self->rows);
}

//  ---------------------------------------------------------------------------
//  Putting

static zb_added_t *s_added (zb_log_t *self, zb_row_t *row, uint64_t last)
{
    zb_added_t *added = (zb_added_t *) calloc (1, sizeof (zb_added_t));
    assert (added);
    *added = (zb_added_t){.log = self, .row = row, .last = last, .purges = self->purges};
    zb_ring_init (&added->ring);
    self->users++;
    return added;
}

void zb_added_destroy (zb_added_t **self_p)
{
    zb_added_t *self = *self_p;
    if (self) {
        assert (zb_ring_empty (&self->ring) && self->log->users);
        self->log->users--;
        self->log->inserting -= self->inserted ? 1 : 0;
        zb_row_unref (&self->row);
        zb_row_unref (&self->bits);
        free (self);
        *self_p = NULL;
    }
}

//  Puts the row that is filled into memory of this many bytes.
static void s_resize (zb_log_t *self, size_t room)
{
    zb_row_t *row = zb_row_new (room);
    memcpy (row->data, self->fill->data, self->fill->size);
    row->size = self->fill->size;
    zb_row_unref (&self->fill);
    self->fill = row;
}

void zb_log_end_row (zb_log_t *self)
{
    if (!self->fill)
        return;
    //  The row may stay in memory for long.
    if (self->fill->size < self->fill->room / 2)
        s_resize (self, self->fill->size);
    self->hint = self->fill->size;
    self->stored += self->fill->size;
    zb_added_t *added = s_added (self, self->fill, self->fill_last);
    added->due = self->head_only ? 0 : zb_log_due (self->fill);
    added->rank = self->fill_rank;
    zb_ring_append (&self->added, &added->ring);
    self->fill = NULL;
}

//  Makes room for `need` more bytes in the row that is being filled.  Rows start as large as the last one was and
//  double, so that a log with small commits takes little and one with large ones is rarely copied.
static void s_reserve (zb_log_t *self, const zb_log_head_t *head, uint64_t first, size_t need)
{
    if (!self->fill) {
        size_t room = zb_log_head_size (head->form) + need;
        zb_log_head_t begun = *head;
        begun.first = first;
        begun.n = self->head_only ? self->put + 1 : head->n;
        self->fill = zb_row_new (room < self->hint ? self->hint : room);
        zb_log_begin (self->fill, &begun);
    }
    else if (need > self->fill->room - self->fill->size) {
        size_t room = (size_t) self->fill->room * 2;
        if (room > ZB_ROW_MAX)
            room = ZB_ROW_MAX;
        if (room < self->fill->size + need)
            room = self->fill->size + need;
        s_resize (self, room);
    }
}

//  Whether the bodies take more than the row that is being filled.
static bool s_is_parted (const zb_log_t *self, size_t empty, const zb_piece_t *piece, const zb_frame_t *body,
                         size_t bodies)
{
    size_t bytes = 0;
    for (size_t index = 0; index < bodies; index++)
        bytes += body[index].size;
    size_t used = self->fill ? self->fill->size : empty;
    return bodies > 1 && used + zb_log_need (piece, bodies, bytes) > ZB_ROW_MAX;
}

void zb_log_put (zb_log_t *self, const zb_log_head_t *head, zb_piece_t *piece, const zb_frame_t *body, size_t bodies)
{
    size_t empty = zb_log_head_size (head->form), most = !self->head_only && head->n ? 1 : SIZE_MAX;
    unsigned rank = zb_rank_of (piece->properties, self->ranks);
    //  No row has ids around one that is delivered before, or behind, the rest of it.
    if (most == 1 || rank != self->fill_rank)
        zb_log_end_row (self);
    self->fill_rank = rank;
    piece->part = piece->number && (piece->part || bodies > most || s_is_parted (self, empty, piece, body, bodies));
    piece->total = (uint32_t) bodies;
    for (size_t next = 0; next < bodies;) {
        if (self->fill && piece->first - zb_get64 (self->fill->data + 8) > UINT32_MAX / 2)
            zb_log_end_row (self);
        size_t used = self->fill ? self->fill->size : empty;
        size_t count = 0, bytes = 0;
        //  As many as fit; a row that is empty takes one message of any size.
        while (next + count < bodies && count < most &&
               (used + zb_log_need (piece, count + 1, bytes + body[next + count].size) <= ZB_ROW_MAX ||
                (!self->fill && count == 0)))
            bytes += body[next + count++].size;
        if (count == 0) {
            zb_log_end_row (self);
            continue;
        }
        piece->count = (uint32_t) count;
        piece->before = (uint32_t) next;
        s_reserve (self, head, piece->first, zb_log_need (piece, count, bytes));
        zb_log_append (self->fill, piece, body + next);
        piece->first += count;
        self->fill_last = piece->first - 1;
        self->put += count;
        next += count;
        if (most == 1) {
            self->laid++;
            zb_log_end_row (self);
        }
    }
}

//  Whether a row that is put now will be gone soon: nearly all that was put is, for who consumes keeps up.  A wrong guess costs the
//  store some writing.
static bool s_is_brief (const zb_log_t *self, const zb_row_t *row, const zb_commit_t *commit)
{
    uint64_t gone = self->gone;
    if (!self->head_only && !zb_ring_empty (&self->cursors))
        gone = ZB_ITEM (self->cursors.next, zb_cursor_t, ring)->done;
    //  Those before it have about as many bytes each.
    return commit->brief && (double) (self->put - gone) * row->size < (double) ZB_LOG_BRIEF * zb_log_count (row);
}

void zb_log_write (zb_log_t *self, zb_commit_t *commit)
{
    zb_log_end_row (self);
    for (zb_ring_t *link = zb_ring_pop (&self->added); link; link = zb_ring_pop (&self->added)) {
        zb_added_t *added = ZB_ITEM (link, zb_added_t, ring);
        uint8_t key[ZB_LOG_KEY_SIZE];
        zb_log_key (self->id, added->last, key);
        if (added->due)
            zb_lane_put (commit->batch, self->id, added->due, added->last, added->row);
        else if (s_is_brief (self, added->row, commit))
            zb_batch_put_brief (commit->batch, ZB_LOG, key, sizeof key, added->row);
        else
            zb_batch_put_row (commit->batch, ZB_LOG, key, sizeof key, added->row);
        if (added->rank && !added->due)
            zb_rank_put (commit->batch, self->id, added->rank, added->last, added->row->size);
        zb_ring_append (&commit->rows, link);
    }
}

unsigned zb_log_rank (const zb_log_t *self, const zb_row_t *row)
{
    size_t offset = 0;
    zb_piece_t piece;
    return self->ranks && zb_log_next (row, &offset, &piece) == 1 ? zb_rank_of (piece.properties, self->ranks) : 0;
}

void zb_log_lay (zb_log_t *self, zb_row_t *row, uint64_t id, zb_commit_t *commit)
{
    zb_added_t *added = s_added (self, zb_row_ref (row), id);
    added->due = zb_log_due (row);
    assert (!self->head_only && added->due);
    self->put++;
    self->laid++;
    zb_lane_put (commit->batch, self->id, added->due, id, row);
    zb_ring_append (&commit->rows, &added->ring);
}

static uint32_t s_done (const zb_row_t *bits)
{
    uint32_t done = 0;
    for (uint32_t byte = 0; bits && byte < bits->size; byte++)
        for (uint8_t mask = bits->data[byte]; mask; mask &= (uint8_t) (mask - 1))
            done++;
    return done;
}

//  To cursors that have passed its place the row is late: a bitmap says so, in which mostly no bit is set.
static zb_row_t *s_insert_late (zb_log_t *self, uint64_t last, uint32_t count, zb_row_t *bits, zb_commit_t *commit)
{
    zb_row_t *none = bits ? zb_row_ref (bits) : zb_row_new ((count + 7) / 8);
    if (!bits) {
        none->size = (count + 7) / 8;
        memset (none->data, 0, none->size);
    }
    ZB_RING_EACH (link, after, &self->cursors)
    {
        zb_cursor_t *cursor = ZB_ITEM (link, zb_cursor_t, ring);
        uint8_t key[ZB_ACKS_KEY_SIZE];
        cursor->done += s_done (bits);
        zb_acks_key (cursor->id, last, key);
        zb_batch_put_row (commit->batch, ZB_ACKS, key, sizeof key, none);
    }
    return none;
}

uint32_t zb_log_insert (zb_log_t *self, zb_row_t *row, uint64_t last, zb_row_t *bits, zb_commit_t *commit)
{
    zb_log_head_t head;
    uint32_t done = s_done (bits);
    if (self->head_only)
        zb_log_number (row, self->put + 1);
    int rc = zb_log_head (row, &head);
    assert (rc == 0);
    assert (done < head.count);
    uint8_t key[ZB_ACKS_KEY_SIZE];
    zb_acks_key (self->id, last, key);
    zb_batch_put_row (commit->batch, ZB_LOG, key, ZB_LOG_KEY_SIZE, row);
    if (bits && !self->head_only)
        zb_batch_put_row (commit->batch, ZB_ACKS, key, sizeof key, bits);
    self->put += head.count;
    self->stored += row->size;
    if (self->floor >= head.first)
        self->floor = head.first - 1;
    if (self->inserting++ == 0 || head.first < self->inserted)
        self->inserted = head.first;
    zb_added_t *added = s_added (self, zb_row_ref (row), last);
    added->inserted = true;
    added->first = head.first;
    added->rank = zb_log_rank (self, row);
    if (added->rank)
        zb_rank_put (commit->batch, self->id, added->rank, last, row->size);
    added->bits = self->head_only ? s_insert_late (self, last, head.count, bits, commit)
                  : bits          ? zb_row_ref (bits)
                                  : NULL;
    zb_ring_append (&commit->rows, &added->ring);
    return done;
}

//  It joins the windows of those that rows are shown to.
static void s_join (zb_log_t *self, const zb_added_t *added, size_t *left)
{
    ZB_RING_EACH (link, after, &self->followers)
    {
        zb_cursor_t *cursor = ZB_ITEM (link, zb_cursor_t, follows);
        size_t before = cursor->work;
        if (cursor->filter.size == 0 || *left)
            zb_cursor_join (cursor, added->row, added->last, added->bits);
        size_t work = cursor->work - before;
        *left -= work < *left ? work : *left;
    }
}

void zb_log_show (zb_log_t *self, const zb_added_t *added, bool join, size_t *left)
{
    if (added->purges != self->purges)
        return;
    self->shown += zb_log_count (added->row);
    if (added->due)
        return;
    bool inserted = added->inserted && added->last <= self->tail;
    assert (inserted || added->last > self->tail); //  I6
    if (inserted)
        ZB_RING_EACH (link, after, &self->cursors)
    zb_cursor_insert (ZB_ITEM (link, zb_cursor_t, ring), added->row, added->last, added->bits);
    else if (join && self->head_only) s_join (self, added, left);
    else if (join) ZB_RING_EACH (link, after, &self->cursors)
        zb_cursor_join (ZB_ITEM (link, zb_cursor_t, ring), added->row, added->last, added->bits);
    if (added->rank)
        ZB_RING_EACH (link, after, &self->cursors)
    zb_cursor_ranked (ZB_ITEM (link, zb_cursor_t, ring), added, join);
    if (!inserted)
        self->tail = added->last;
}

void zb_log_purge (zb_log_t *self, uint64_t last)
{
    s_forget (self);
    self->purges++;
    self->floor = last;
    self->gone = self->shown = self->put;
    self->stored = self->laid = 0;
    self->inserted = UINT64_MAX;
    if (self->tail < last)
        self->tail = last;
    ZB_RING_EACH (link, after, &self->cursors)
    zb_cursor_purge (ZB_ITEM (link, zb_cursor_t, ring), last);
}

//  ---------------------------------------------------------------------------
//  The rows in memory

//  Number of the first of them whose last id is at least `id`.
static size_t s_find (const zb_log_t *self, uint64_t id)
{
    size_t low = 0, high = self->rows.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (((const zb_places_t *) zb_deck_at (&self->rows, middle))->last < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

zb_places_t *zb_log_take (zb_log_t *self, zb_row_t *row, uint64_t last)
{
    size_t number = s_find (self, last);
    if (number < self->rows.count) {
        zb_places_t *here = (zb_places_t *) zb_deck_at (&self->rows, number);
        if (here->last == last)
            return zb_places_ref (here);
        if (here->first <= last)
            return NULL;
    }
    zb_places_t *places = zb_places_new (row, last);
    if (places && number && ((const zb_places_t *) zb_deck_at (&self->rows, number - 1))->last >= places->first)
        zb_places_unref (&places);
    if (!places)
        return NULL;
    zb_deck_insert (&self->rows, number, places);
    zb_log_charge (self, zb_places_bytes (places));
    return zb_places_ref (places);
}

void zb_log_release (zb_log_t *self, zb_places_t **places_p)
{
    zb_places_t *places = *places_p;
    zb_places_unref (places_p);
    //  The one that is left is the log's.
    if (places->refs > 1)
        return;
    size_t number = s_find (self, places->last);
    assert (zb_deck_at (&self->rows, number) == places);
    zb_deck_remove (&self->rows, number);
    zb_log_refund (self, zb_places_bytes (places));
    zb_places_unref (&places);
}

void zb_log_passed (zb_log_t *self, uint64_t last, uint32_t count, uint32_t size, zb_commit_t *commit)
{
    if (self->retains)
        return;
    //  Mostly one that has held rows back holds this one back, too.
    if (self->slowest && zb_cursor_low (self->slowest) <= last)
        return;
    self->slowest = NULL;
    ZB_RING_EACH (link, after, &self->cursors)
    if (zb_cursor_low (ZB_ITEM (link, zb_cursor_t, ring)) <= last) {
        self->slowest = ZB_ITEM (link, zb_cursor_t, ring);
        return;
    }
    zb_log_remove (self, last, count, size, commit);
}

void zb_log_remove (zb_log_t *self, uint64_t last, uint32_t count, uint32_t size, zb_commit_t *commit)
{
    uint8_t key[ZB_LOG_KEY_SIZE];
    zb_log_key (self->id, last, key);
    zb_batch_erase (commit->batch, ZB_LOG, key, sizeof key);
    self->floor = last > self->floor ? last : self->floor;
    self->gone += count;
    //  They are counted about.
    self->stored -= size < self->stored && self->gone < self->put ? size : self->stored;
}

uint64_t zb_log_trim (zb_log_t *self)
{
    uint64_t low = UINT64_MAX, passed = self->put;
    ZB_RING_EACH (link, after, &self->cursors)
    {
        const zb_cursor_t *cursor = ZB_ITEM (link, zb_cursor_t, ring);
        low = zb_cursor_low (cursor) < low ? zb_cursor_low (cursor) : low;
        passed = cursor->behind < passed ? cursor->behind : passed;
    }
    assert (low < UINT64_MAX);
    if (low - 1 <= self->floor)
        return 0;
    //  Nobody reads rows to count their bytes: those that go have as many as the others on average.
    if (passed > self->gone) {
        double left = passed < self->put ? (double) (self->put - passed) / (double) (self->put - self->gone) : 0;
        self->stored = (uint64_t) ((double) self->stored * left);
        self->gone = passed;
    }
    return self->floor = low - 1;
}

void zb_log_charge (zb_log_t *self, size_t bytes)
{
    self->bytes += bytes;
    *self->total += bytes;
}

void zb_log_refund (zb_log_t *self, size_t bytes)
{
    assert (self->bytes >= bytes && *self->total >= bytes);
    self->bytes -= bytes;
    *self->total -= bytes;
}
