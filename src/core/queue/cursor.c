/*  =========================================================================
    cursor - what of a log is delivered, leased and done: its window, and who gets what

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Here is its life, the rows that it has in memory, how they are read, and what is delivered of
    them.  What is done is in cursor_done.c, what leaves memory in cursor_away.c, ranks are in
    cursor_ranks.c, keys in cursor_keys.c.
*/

#include <assert.h>
#include <stdlib.h>

#include "core/queue/cursor_self.h"

void zb_cursor_init (zb_cursor_t *self, zb_log_t *log, uint32_t id)
{
    assert (log->head_only || zb_ring_empty (&log->cursors));
    *self = (zb_cursor_t){.log = log, .id = id, .counts = UINT64_MAX};
    zb_ring_init (&self->ring);
    zb_ring_init (&self->follows);
    zb_ring_init (&self->dirty);
    zb_ring_append (&log->cursors, &self->ring);
    zb_cursor_begin (self, log->tail, log->put);
    zb_cursor_follow (self, true);
}

void zb_cursor_begin (zb_cursor_t *self, uint64_t from, uint64_t count)
{
    assert (self->views.count == 0);
    self->reach = self->passed = from;
    self->done = self->behind = count;
}

void zb_cursor_want (zb_cursor_t *self, uint64_t from, zb_frame_t filter)
{
    self->from = from;
    self->filter = filter;
}

void zb_cursor_count (zb_cursor_t *self, uint64_t from)
{
    assert (!self->log->head_only);
    self->bytes = self->counts == from ? self->bytes : 0;
    self->counts = from;
}

uint64_t zb_cursor_size (const zb_places_t *places, uint32_t number)
{
    return places->place[number].size + zb_places_properties (places, number).size;
}

void zb_cursor_follow (zb_cursor_t *self, bool follows)
{
    if (!follows)
        zb_ring_remove (&self->follows);
    else if (self->log->head_only && zb_ring_empty (&self->follows))
        zb_ring_append (&self->log->followers, &self->follows);
}

//  ---------------------------------------------------------------------------
//  The rows in memory

size_t zb_cursor_place (const zb_cursor_t *self, uint64_t id)
{
    size_t low = 0, high = self->views.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (zb_cursor_last_id (self, middle) < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

zb_view_t *zb_cursor_look (zb_cursor_t *self, zb_row_t *row, uint64_t last, const zb_row_t *bits)
{
    zb_places_t *places = zb_log_take (self->log, row, last);
    zb_view_t *view = places ? zb_view_new (places, bits) : NULL;
    if (view)
        zb_cursor_exclude (self, places, view);
    if (view && self->ranks)
        view->rank = (uint8_t) zb_log_rank (self->log, row);
    if (places)
        zb_log_release (self->log, &places);
    return view;
}

bool zb_cursor_strays (const zb_cursor_t *self)
{
    return self->views.count > self->window + self->fronts;
}

static void s_unlook (zb_cursor_t *self, zb_view_t **view_p)
{
    zb_places_t *places = zb_places_ref ((*view_p)->places);
    zb_ring_remove (&(*view_p)->dirty);
    zb_view_destroy (view_p);
    zb_log_release (self->log, &places);
}

void zb_cursor_drop (zb_cursor_t *self, size_t number)
{
    zb_view_t *view = zb_cursor_view (self, number);
    if (number < self->window) {
        self->window--;
        self->ready -= view->ready;
        if (self->scan > number)
            self->scan--;
    }
    zb_cursor_unlist (self, view);
    zb_deck_remove (&self->views, number);
    zb_log_refund (self->log, zb_view_bytes (view));
    for (uint32_t each = 0; each < view->places->count && view->ready < view->open; each++)
        if (zb_view_lease (view, each)) {
            zb_view_return (view, each);
            self->leased--;
        }
    s_unlook (self, &view);
}

void zb_cursor_add (zb_cursor_t *self, size_t number, zb_view_t *view)
{
    zb_deck_insert (&self->views, number, view);
    zb_log_charge (self->log, zb_view_bytes (view));
}

//  Makes the first stray the last view of the window.
static void s_adopt (zb_cursor_t *self)
{
    zb_view_t *view = zb_cursor_view (self, self->window);
    assert (self->window == 0 || view->places->first > zb_cursor_last_id (self, self->window - 1)); //  I5, I6
    self->window++;
    self->reach = view->places->last;
    self->ready += view->ready;
    zb_cursor_unfront (self, view);
    zb_cursor_list (self, view);
}

void zb_cursor_join (zb_cursor_t *self, zb_row_t *row, uint64_t last, const zb_row_t *bits)
{
    //  One that was made since the row was put begins behind it.
    if (self->load || self->reach < self->log->tail || last <= self->reach)
        return;
    zb_view_t *view = zb_cursor_look (self, row, last, bits);
    assert (view && self->window == self->views.count);
    zb_cursor_add (self, self->views.count, view);
    s_adopt (self);
}

//  A row below the tail joins the window if it lies in it, however full that is; what is too much is shed at the other end.
void zb_cursor_insert (zb_cursor_t *self, zb_row_t *row, uint64_t last, const zb_row_t *bits)
{
    size_t place = zb_cursor_place (self, last);
    bool here = place < self->views.count && zb_cursor_last_id (self, place) == last;
    if (last > self->reach || here)
        return;
    zb_view_t *view = zb_cursor_look (self, row, last, bits);
    assert (view && place <= self->window);
    zb_cursor_add (self, place, view);
    self->window++;
    self->ready += view->ready;
    zb_cursor_list (self, view);
    if (place < self->scan)
        self->scan = place;
}

//  ---------------------------------------------------------------------------
//  Reading

//  The bitmap of the row with this last id, NULL if there is none; *mark walks the range of acks.  Sets *bad if a key
//  is malformed.
static const zb_row_t *s_bits (const zb_cursor_t *self, const zb_read_t *read, size_t *mark, uint64_t last, bool *bad)
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
static int s_pass (zb_cursor_t *self, uint64_t id)
{
    while (self->window < self->views.count && zb_cursor_last_id (self, self->window) < id) {
        if (zb_cursor_view (self, self->window)->open)
            return -1;
        zb_cursor_drop (self, self->window);
    }
    return 0;
}

int zb_cursor_take (zb_cursor_t *self, zb_row_t *row, uint64_t last, const zb_row_t *bits, bool stray)
{
    bool passed = self->log->head_only && !bits && last <= self->passed;
    if (!stray && s_pass (self, last))
        return -1;
    if (passed)
        return 0;
    size_t place = zb_cursor_place (self, last);
    if (place == self->views.count || zb_cursor_last_id (self, place) != last) {
        zb_view_t *view = zb_cursor_look (self, row, last, bits);
        if (!view)
            return -1;
        if ((place && view->places->first <= zb_cursor_last_id (self, place - 1)) ||
            (place < self->views.count && last >= zb_cursor_first_id (self, place))) {
            s_unlook (self, &view);
            return -1;
        }
        zb_cursor_add (self, place, view);
        zb_cursor_welcome (self, view);
    }
    if (!stray) {
        s_adopt (self);
        //  Where rows are kept, one of which all is done waits until the mark passes it.
        if (zb_cursor_view (self, place)->open == 0 && !self->log->head_only)
            zb_cursor_drop (self, place);
    }
    return 0;
}

uint64_t zb_cursor_load (zb_cursor_t *self, const zb_read_t *read, uint64_t end, uint64_t want)
{
    size_t mark = 0;
    uint64_t accounted = 0, low = zb_cursor_low (self);
    bool whole = !read->more[0];
    for (size_t index = 0; index < read->count[0] && (!want || accounted < want); index++) {
        const zb_found_t *found = &read->found[0][index];
        uint64_t last = 0;
        bool bad = false;
        if (zb_log_key_decode (found, self->log->id, &last) || last <= accounted)
            return 0;
        whole = whole || last > end;
        if (last > end)
            break;
        accounted = last;
        const zb_row_t *bits = s_bits (self, read, &mark, last, &bad);
        if (bad || (last > self->log->floor && zb_cursor_take (self, found->row, last, bits, want != 0)))
            return 0;
    }
    if (whole && (!want || accounted < want))
        accounted = end;
    if (!want && accounted > self->reach) {
        if (s_pass (self, accounted + 1))
            return 0;
        self->reach = accounted;
    }
    self->jumped = self->jumped || (self->log->head_only && low <= self->passed && zb_cursor_low (self) > low);
    return accounted;
}

uint64_t zb_cursor_known (const zb_cursor_t *self, uint64_t id)
{
    if (id <= self->reach)
        return self->reach;
    size_t place = zb_cursor_place (self, id);
    return place < self->views.count && zb_cursor_first_id (self, place) <= id ? zb_cursor_last_id (self, place) : 0;
}

zb_view_t *zb_cursor_find (const zb_cursor_t *self, uint64_t id, uint32_t *number)
{
    size_t place = zb_cursor_place (self, id);
    if (place == self->views.count || zb_cursor_first_id (self, place) > id)
        return NULL;
    zb_view_t *view = zb_cursor_view (self, place);
    *number = zb_places_find (view->places, id);
    return zb_places_id (view->places, *number) == id && !zb_view_is_done (view, *number) ? view : NULL;
}

bool zb_cursor_open (const zb_cursor_t *self, uint64_t id, const zb_lease_t **lease)
{
    uint32_t number = 0;
    const zb_view_t *view = zb_cursor_find (self, id, &number);
    *lease = view ? zb_view_lease (view, number) : NULL;
    return view != NULL;
}

//  ---------------------------------------------------------------------------
//  The messages

//  The oldest of the window.
static zb_view_t *s_oldest (zb_cursor_t *self)
{
    if (self->ready == 0)
        return NULL;
    while (zb_cursor_view (self, self->scan)->ready == 0)
        self->scan++;
    assert (self->scan < self->window);
    return zb_cursor_view (self, self->scan);
}

//  The first message of a view that is ready.
static zb_view_t *s_first_ready (zb_view_t *view, uint32_t *number)
{
    if (!view)
        return NULL;
    while (!zb_view_is_ready (view, view->scan))
        view->scan++;
    assert (view->scan < view->places->count);
    *number = view->scan;
    return view;
}

zb_view_t *zb_cursor_next (zb_cursor_t *self, uint32_t *number)
{
    for (unsigned rank = self->ranks && !self->flat ? self->ranks - 1 : 0; rank; rank--) {
        zb_view_t *view = zb_cursor_first_of (self, rank);
        if (view)
            return s_first_ready (view, number);
        if (zb_cursor_is_unread (self, rank))
            return NULL;
    }
    return s_first_ready (s_oldest (self), number);
}

zb_view_t *zb_cursor_ready (zb_cursor_t *self, uint64_t behind, uint32_t *number)
{
    if (behind == 0 && !self->keys)
        return s_first_ready (s_oldest (self), number);
    for (size_t place = zb_cursor_place (self, behind + 1); place < self->window; place++) {
        zb_view_t *view = zb_cursor_view (self, place);
        if (view->ready == 0 && view->blocked == 0)
            continue;
        for (*number = zb_places_find (view->places, behind + 1); *number < view->places->count; ++*number)
            if (zb_view_is_ready (view, *number) || zb_view_is_blocked (view, *number))
                return view;
    }
    return NULL;
}

void zb_cursor_return (zb_cursor_t *self, zb_view_t *view, uint32_t number)
{
    if (self->keys && !zb_view_is_blocked (view, number))
        zb_cursor_free_key (self, zb_places_id (view->places, number));
    zb_view_return (view, number);
    self->leased--;
    zb_cursor_more (self, view);
    if (view->places->last > self->reach)
        return;
    size_t place = zb_cursor_place (self, view->places->last);
    if (place < self->scan)
        self->scan = place;
}

uint32_t zb_cursor_deliver (zb_cursor_t *self, zb_view_t *view, uint32_t number, zb_lease_t *lease)
{
    zb_cursor_fewer (self, view);
    self->leased++;
    if (self->keys)
        zb_cursor_lend_key (self, view, number);
    return zb_view_deliver (view, number, lease);
}

static uint64_t s_hand (zb_cursor_t *self, uint64_t first, uint64_t last, const zb_whose_t *whose, const zb_to_t *to,
                        size_t *left)
{
    uint64_t handed = 0;
    for (size_t place = zb_cursor_place (self, first);
         place < self->views.count && zb_cursor_first_id (self, place) <= last; place++) {
        zb_view_t *view = zb_cursor_view (self, place);
        *left -= *left ? 1 : 0;
        for (uint32_t number = zb_places_find (view->places, first);
             number < view->places->count && zb_places_id (view->places, number) <= last; number++) {
            const zb_lease_t *lease = zb_view_lease (view, number);
            *left -= *left ? 1 : 0;
            if (!zb_cursor_is_whose (lease, whose))
                continue;
            handed++;
            zb_lease_t *next = to->rest ? to->rest (to->context, zb_view_try (view, number)) : to->lease;
            if (!next)
                zb_cursor_return (self, view, number);
            else if (lease != next)
                zb_view_hand (view, number, next);
        }
    }
    return handed + zb_cursor_hand_away (self, first, last, whose, to);
}

uint64_t zb_cursor_hand (zb_cursor_t *self, uint64_t first, uint64_t last, const zb_whose_t *whose, zb_lease_t *to,
                         size_t *left)
{
    return s_hand (self, first, last, whose, &(zb_to_t){.lease = to}, left);
}

uint64_t zb_cursor_try (zb_cursor_t *self, uint64_t first, uint64_t last, const zb_whose_t *whose, zb_rest_t *rest,
                        void *context, size_t *left)
{
    return s_hand (self, first, last, whose, &(zb_to_t){.rest = rest, .context = context}, left);
}

//  ---------------------------------------------------------------------------
//  The whole

static void s_clear (zb_cursor_t *self)
{
    zb_cursor_clear_keys (self);
    while (self->views.count)
        zb_cursor_drop (self, self->views.count - 1);
    zb_cursor_end_away (self);
    self->scan = 0;
    self->lost = (zb_span_t){0, 0};
    assert (self->leased == 0 && self->ready == 0 && self->window == 0);
    assert (self->fronts == 0 && self->front_ready == 0);
}

void zb_cursor_purge (zb_cursor_t *self, uint64_t last)
{
    s_clear (self);
    self->done = self->behind = self->log->put;
    self->bytes = 0;
    if (self->reach < last)
        self->reach = last;
    self->passed = self->reach;
    self->purges++;
}

void zb_cursor_clear (zb_cursor_t *self)
{
    s_clear (self);
    zb_cursor_forget_keys (self);
    zb_deck_clear (&self->views);
    zb_cursor_rank (self, 0);
    zb_ring_remove (&self->ring);
    zb_ring_remove (&self->follows);
    if (self->log->slowest == self)
        self->log->slowest = NULL;
}

void zb_cursor_move (zb_cursor_t *self, uint32_t id, uint64_t from, uint64_t count)
{
    s_clear (self);
    self->id = id;
    self->purges++;
    self->held = 0;
    zb_cursor_begin (self, from, count);
}
