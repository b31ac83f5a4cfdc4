/*  =========================================================================
    cursor_done - what of a log is done: messages, rows, the mark, and what the store is told of them

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A message is done by an acknowledgement, or from the beginning, since the cursor does not want
    it; a row is when all of it is; and the mark passes rows that are.
*/

#include <assert.h>
#include <stdlib.h>

#include "core/queue/cursor_self.h"
#include "core/queue/rank.h"
#include "core/wire/filter.h"

//  All that is gone was before its mark; nothing of it was done out of order.
static void s_pass_all (zb_cursor_t *self)
{
    self->reach = self->passed = self->log->floor;
    self->done = self->behind = self->log->gone;
}

void zb_cursor_restore (zb_cursor_t *self, const zb_cursor_row_t *row)
{
    assert (self->views.count == 0 && row->done <= row->put);
    zb_cursor_begin (self, row->low - 1, row->done);
    zb_cursor_rank (self, self->ranks);
    if (row->mark && self->log->head_only) {
        self->passed = row->mark - 1;
        self->behind = row->behind;
    }
    else if (row->mark && self->counts < UINT64_MAX)
        self->bytes = row->behind;
    if (self->log->head_only && row->low <= self->log->floor) {
        self->lost = (zb_span_t){row->low, self->log->floor};
        self->reach = self->log->floor;
        if (self->passed < self->reach)
            s_pass_all (self);
    }
}

uint64_t zb_cursor_depth (const zb_cursor_t *self)
{
    return self->done < self->log->put ? self->log->put - self->done : 0;
}

uint64_t zb_cursor_low (const zb_cursor_t *self)
{
    uint64_t low = self->window ? zb_cursor_first_id (self, 0) : self->reach + 1, floor = self->log->floor;
    //  It may begin amid a row, and the log with it.
    if (self->window && low <= floor && floor < zb_cursor_last_id (self, 0))
        low = floor + 1;
    return self->log->inserting && self->log->inserted < low ? self->log->inserted : low;
}

uint32_t zb_cursor_exclude (zb_cursor_t *self, const zb_places_t *places, zb_view_t *view)
{
    uint32_t excluded = 0, piece = 0;
    uint64_t from = places->first <= self->from && self->from < places->last ? self->from : 0;
    bool takes = true;
    if (from == 0 && self->filter.size == 0)
        return 0;
    for (uint32_t number = 0; number < places->count; number++) {
        if (places->place[number].piece != piece) {
            zb_frame_t properties = zb_places_properties (places, number);
            self->work += zb_filter_work (self->filter, properties);
            takes = zb_filter_takes (self->filter, properties);
        }
        piece = places->place[number].piece;
        if (takes && zb_places_id (places, number) > from)
            continue;
        excluded++;
        if (view && !zb_view_is_done (view, number))
            zb_view_finish (view, number);
    }
    return excluded;
}

//  ---------------------------------------------------------------------------
//  The messages

static void s_finish (zb_cursor_t *self, zb_view_t *view, uint32_t number, uint64_t commit)
{
    if (zb_view_lease (view, number))
        self->leased--;
    else
        zb_cursor_fewer (self, view);
    zb_cursor_let_key (self, view, number);
    zb_view_finish (view, number);
    if (zb_places_id (view->places, number) > self->counts) {
        //  A store whose count is wrong stops nobody.
        uint64_t size = zb_cursor_size (view->places, number);
        self->bytes -= size < self->bytes ? size : self->bytes;
    }
    view->commit = commit;
    //  Who knows what was lost and goes on has given that up.
    if (self->told)
        self->lost = (zb_span_t){0, 0};
    self->done++;
    self->commit = commit;
    if (zb_ring_empty (&view->dirty))
        zb_ring_append (&self->dirty, &view->dirty);
}

//  Whether nobody can mean it who names it among others.
static bool s_is_shy (const zb_cursor_t *self, const zb_view_t *view, uint32_t number)
{
    return self->shy && zb_log_due (view->places->row) && (!view->seat || view->seat[number].deliveries == 0);
}

static void s_erase_bits (const zb_cursor_t *self, const zb_view_t *view, zb_commit_t *commit)
{
    uint8_t key[ZB_ACKS_KEY_SIZE];
    zb_acks_key (self->id, view->places->last, key);
    if (view->has_bits)
        zb_batch_erase (commit->batch, ZB_ACKS, key, sizeof key);
}

//  The mark passes rows of which all is done: it says that of them now, and no bitmap does.
static void s_advance (zb_cursor_t *self, zb_commit_t *commit)
{
    while (self->window && zb_cursor_view (self, 0)->open == 0) {
        const zb_places_t *places = zb_cursor_view (self, 0)->places;
        uint64_t last = places->last;
        uint32_t count = places->count, size = places->row->size;
        s_erase_bits (self, zb_cursor_view (self, 0), commit);
        self->behind += count;
        self->done += zb_cursor_exclude (self, places, NULL);
        //  Those between a late row and the next one have no view.
        self->jumped = self->jumped || last < self->passed;
        self->passed = last > self->passed ? last : self->passed;
        zb_cursor_drop (self, 0);
        zb_log_passed (self->log, last, count, size, commit);
    }
}

//  Everything in this row is done: it goes with the commit, or, where rows are kept, when the mark has passed it.  One of
//  the window leaves memory, a stray stays until the store knows.
static void s_finished (zb_cursor_t *self, size_t place, zb_commit_t *commit)
{
    zb_view_t *view = zb_cursor_view (self, place);
    if (self->log->head_only) {
        s_advance (self, commit);
        return;
    }
    uint8_t key[ZB_LOG_KEY_SIZE];
    zb_log_key (self->log->id, view->places->last, key);
    zb_batch_erase (commit->batch, ZB_LOG, key, sizeof key);
    if (view->rank)
        zb_rank_erase (commit->batch, self->log->id, view->rank, view->places->last);
    s_erase_bits (self, view, commit);
    zb_ring_remove (&view->dirty);
    zb_cursor_unlist (self, view);
    if (place < self->window)
        zb_cursor_drop (self, place);
}

uint64_t zb_cursor_finish (zb_cursor_t *self, uint64_t first, uint64_t last, zb_commit_t *commit, size_t *left,
                           zb_gone_t *gone, void *context)
{
    for (size_t place = zb_cursor_place (self, first);
         place < self->views.count && zb_cursor_first_id (self, place) <= last;) {
        zb_view_t *view = zb_cursor_view (self, place);
        const zb_places_t *places = view->places;
        uint32_t open = view->open, number = zb_places_find (places, first);
        *left -= *left ? 1 : 0;
        for (; *left && number < places->count && zb_places_id (places, number) <= last; number++, --*left)
            if (!zb_view_is_done (view, number) && !s_is_shy (self, view, number))
                s_finish (self, view, number, commit->number);
        uint64_t next =
            number < places->count && zb_places_id (places, number) <= last ? zb_places_id (places, number) : 0;
        size_t views = self->views.count;
        if (view->open == 0 && open) {
            gone (context, places->first, places->last);
            s_finished (self, place, commit);
        }
        if (next)
            return next;
        //  Of what has left memory all was before the next one, or at its place.
        size_t fewer = views - self->views.count;
        place = place + 1 > fewer ? place + 1 - fewer : 0;
    }
    return 0;
}

//  ---------------------------------------------------------------------------
//  The whole

void zb_cursor_write (zb_cursor_t *self, zb_commit_t *commit)
{
    for (zb_ring_t *link = zb_ring_pop (&self->dirty); link; link = zb_ring_pop (&self->dirty)) {
        zb_view_t *view = ZB_ITEM (link, zb_view_t, dirty);
        uint8_t key[ZB_ACKS_KEY_SIZE];
        zb_acks_key (self->id, view->places->last, key);
        zb_batch_put (commit->batch, ZB_ACKS, key, sizeof key, view->bits, zb_view_bits_size (view));
        view->has_bits = true;
        view->commit = commit->number;
    }
    //  A store whose count is wrong stops nobody.
    if (!self->log->head_only && self->done > self->log->put)
        self->done = self->log->put;
    zb_cursor_row_t row = {
        .low = self->lost.first ? self->lost.first : zb_cursor_low (self), .put = self->log->put, .done = self->done};
    bool head_only = self->log->head_only;
    if (head_only) {
        //  Where one begins may be known about only, as a replay numbers what it inserts behind the rest.  What is done
        //  behind the mark is known.
        uint64_t most = self->done > self->behind ? self->done : self->behind;
        uint64_t over = most > row.put ? most - row.put : 0;
        row.done = self->done > over ? self->done - over : 0;
        row.behind = self->behind > over ? self->behind - over : 0;
        row.mark = self->passed + 1 > row.low ? self->passed + 1 : row.low;
    }
    else {
        row.laid = self->log->laid;
        row.mark = row.laid || self->counts < UINT64_MAX ? row.low : 0;
        row.behind = self->counts < UINT64_MAX ? self->bytes : 0;
    }
    uint8_t key[ZB_CURSOR_KEY_SIZE], value[ZB_CURSOR_ROW_MAX];
    zb_cursor_key (self->log->id, head_only ? self->id : 0, key);
    size_t size = zb_cursor_row_encode (&row, value);
    zb_batch_put (commit->batch, ZB_CURSORS, key, sizeof key, value, size);
}

size_t zb_cursor_worked (zb_cursor_t *self)
{
    size_t work = self->work;
    self->work = 0;
    return work;
}

bool zb_cursor_skip (zb_cursor_t *self, const zb_places_t *places, zb_commit_t *commit)
{
    assert (self->log->head_only && self->views.count == 0 && places->last > self->reach);
    if (zb_cursor_exclude (self, places, NULL) < places->count)
        return false;
    self->reach = places->last;
    self->passed = self->reach > self->passed ? self->reach : self->passed;
    self->behind += places->count;
    self->done += places->count;
    zb_log_passed (self->log, places->last, places->count, places->row->size, commit);
    return true;
}

bool zb_cursor_advance (zb_cursor_t *self, zb_commit_t *commit)
{
    bool any = self->log->head_only && self->window && zb_cursor_view (self, 0)->open == 0;
    if (any)
        s_advance (self, commit);
    return any;
}

//  Whether nothing is known of it but its mark: none of what is behind that is done, or delivered.
static bool s_is_plain (const zb_cursor_t *self)
{
    return self->views.count == 0 && self->aways == 0 && self->done <= self->behind && self->passed <= self->reach;
}

uint64_t zb_cursor_knows (const zb_cursor_t *self)
{
    return s_is_plain (self) ? UINT64_MAX : self->reach;
}

bool zb_cursor_overtaken (zb_cursor_t *self, zb_commit_t *commit)
{
    uint64_t floor = self->log->floor, low = zb_cursor_low (self);
    assert (self->log->head_only && !self->log->inserting);
    if (low > floor)
        return false;
    self->lost = (zb_span_t){self->lost.first ? self->lost.first : low, floor};
    self->told = false;
    if (s_is_plain (self)) {
        zb_cursor_clear_keys (self);
        s_pass_all (self);
        return false;
    }
    assert (self->reach >= floor);
    while (self->views.count && zb_cursor_last_id (self, 0) <= floor) {
        zb_view_t *view = zb_cursor_view (self, 0);
        for (uint32_t number = 0; self->keys && number < view->places->count; number++)
            if (!zb_view_is_done (view, number))
                zb_cursor_let_key (self, view, number);
        self->done += view->open + zb_cursor_exclude (self, view->places, NULL);
        self->behind += view->places->count;
        s_erase_bits (self, view, commit);
        zb_cursor_drop (self, 0);
    }
    self->passed = self->passed > floor ? self->passed : floor;
    self->commit = commit->number;
    return true;
}
