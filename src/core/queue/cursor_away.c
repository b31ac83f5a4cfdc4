/*  =========================================================================
    cursor_away - what leaves a cursor's memory, and what it keeps of that: deliveries

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A row goes when the store knows of it what the cursor does, or when memory is short.  Its
    deliveries stay as spans of ids (`away`), from the largest ids down, until their leases end or the
    row is read again.
*/

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/queue/cursor_self.h"

//  Of messages that are away so many leases end.
static void s_uncover (zb_cursor_t *self, zb_away_t *away)
{
    if (!away->seat.lease)
        return;
    uint32_t count = (uint32_t) (away->last - away->first + 1);
    for (uint64_t id = away->first; self->keys && id <= away->last; id++)
        zb_cursor_free_key (self, id);
    zb_lease_uncover (away->seat.lease, count);
    away->seat.lease = NULL;
    self->ended = true;
    self->leased -= count;
    //  It is ready, and not in memory.
    for (unsigned rank = 1; rank < self->ranks; rank++)
        zb_cursor_unknow (&self->rank[rank], away->first);
}

static void s_resize (zb_cursor_t *self, size_t aways)
{
    if (aways > self->aways)
        zb_log_charge (self->log, (aways - self->aways) * sizeof *self->away);
    else
        zb_log_refund (self->log, (self->aways - aways) * sizeof *self->away);
    self->aways = aways;
    if (aways > self->aways_room) {
        self->aways_room = aways + aways / 2 + 4;
        self->away = (zb_away_t *) realloc (self->away, self->aways_room * sizeof *self->away);
        assert (self->away);
    }
    if (aways == 0) {
        free (self->away);
        self->away = NULL;
        self->aways_room = 0;
    }
}

//  Makes room for, or (behind it) closes the gap of, so many at a place.
static void s_open (zb_cursor_t *self, size_t place, size_t count)
{
    size_t behind = self->aways - place;
    s_resize (self, self->aways + count);
    memmove (self->away + place + count, self->away + place, behind * sizeof *self->away);
}

static void s_close (zb_cursor_t *self, size_t place, size_t count)
{
    memmove (self->away + place, self->away + place + count, (self->aways - place - count) * sizeof *self->away);
    s_resize (self, self->aways - count);
}

//  How many of them end at this id or behind it: these come first.
static size_t s_behind (const zb_cursor_t *self, uint64_t id)
{
    size_t low = 0, high = self->aways;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (self->away[middle].last >= id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool s_same (const zb_seat_t *one, const zb_seat_t *other)
{
    return one->lease == other->lease && one->deliveries == other->deliveries && one->tries == other->tries;
}

//  What is to be kept of a view's deliveries, from the largest ids down.  Returns how many spans; NULL: counts only.
static size_t s_deliveries (const zb_view_t *view, zb_away_t *away)
{
    size_t count = 0;
    zb_away_t now = {.first = 0};
    for (uint32_t number = view->places->count; number-- > 0;) {
        const zb_seat_t *seat = &view->seat[number];
        uint64_t id = zb_places_id (view->places, number);
        if (zb_view_is_done (view, number) || seat->deliveries == 0)
            continue;
        if (count && now.first == id + 1 && s_same (&now.seat, seat))
            now.first = id;
        else {
            now = (zb_away_t){id, id, *seat};
            count++;
        }
        if (away)
            away[count - 1] = now;
    }
    return count;
}

//  Takes a row out of memory whose leases go on.
static void s_send_away (zb_cursor_t *self, size_t number)
{
    zb_view_t *view = zb_cursor_view (self, number);
    zb_cursor_unblock_all (self, number);
    if (view->ready && view->rank)
        zb_cursor_unknow (&self->rank[view->rank], view->places->first);
    if (view->ready < view->open) {
        size_t count = s_deliveries (view, NULL), place = s_behind (self, view->places->last);
        s_open (self, place, count);
        s_deliveries (view, self->away + place);
        //  Those who have been delivered and returned are among them.
        self->ended = true;
        if (number < self->window)
            self->ready += view->open - view->ready;
        if (view->front)
            self->front_ready += view->open - view->ready;
        if (view->listed)
            self->rank[view->rank].ready += view->open - view->ready;
        zb_view_forget (view);
    }
    zb_cursor_drop (self, number);
}

void zb_cursor_welcome (zb_cursor_t *self, zb_view_t *view)
{
    size_t from = s_behind (self, view->places->last + 1), to = s_behind (self, view->places->first);
    if (from == to)
        return;
    for (size_t place = from; place < to; place++) {
        const zb_away_t *away = &self->away[place];
        for (uint32_t number = zb_places_find (view->places, away->first);
             number < view->places->count && zb_places_id (view->places, number) <= away->last; number++)
            zb_view_remember (view, number, &away->seat);
    }
    s_close (self, from, to - from);
}

//  Drops what is left of deliveries whose leases have ended.
static void s_forget_ended (zb_cursor_t *self)
{
    size_t left = 0;
    if (!self->ended)
        return;
    self->ended = false;
    for (size_t place = 0; place < self->aways; place++)
        if (self->away[place].seat.lease)
            self->away[left++] = self->away[place];
    s_resize (self, left);
}

//  Cuts a span so that it is within these ids; returns where it is then.
static size_t s_cut (zb_cursor_t *self, size_t place, uint64_t first, uint64_t last)
{
    if (self->away[place].first < first) {
        s_open (self, place + 1, 1);
        self->away[place + 1] = self->away[place];
        self->away[place + 1].last = first - 1;
        self->away[place].first = first;
    }
    if (self->away[place].last > last) {
        s_open (self, place, 1);
        self->away[place] = self->away[place + 1];
        self->away[place].first = last + 1;
        self->away[++place].last = last;
    }
    return place;
}

uint64_t zb_cursor_hand_away (zb_cursor_t *self, uint64_t first, uint64_t last, const zb_whose_t *whose,
                              const zb_to_t *to)
{
    uint64_t handed = 0;
    for (size_t place = s_behind (self, first); place-- > 0 && self->away[place].first <= last;) {
        if (!zb_cursor_is_whose (self->away[place].seat.lease, whose))
            continue;
        place = s_cut (self, place, first, last);
        zb_away_t *away = &self->away[place];
        uint64_t count = away->last - away->first + 1;
        handed += count;
        away->seat.tries += to->rest && away->seat.tries < UINT32_MAX;
        zb_lease_t *lease = to->rest ? to->rest (to->context, away->seat.tries) : to->lease;
        if (!lease)
            s_uncover (self, away);
        else if (away->seat.lease != lease) {
            zb_lease_uncover (away->seat.lease, (uint32_t) count);
            zb_lease_cover (lease, away->first, away->last);
            away->seat.lease = lease;
        }
    }
    return handed;
}

void zb_cursor_end_away (zb_cursor_t *self)
{
    for (size_t place = 0; place < self->aways; place++)
        s_uncover (self, &self->away[place]);
    s_resize (self, 0);
}

//  ---------------------------------------------------------------------------
//  Shedding

void zb_cursor_tidy (zb_cursor_t *self, uint64_t taken)
{
    for (size_t place = self->views.count;
         zb_cursor_strays (self) && place > self->window && !self->load && !self->pins; place--) {
        const zb_view_t *view = zb_cursor_view (self, place - 1);
        if (!view->front && view->commit <= taken && zb_ring_empty (&view->dirty))
            s_send_away (self, place - 1);
    }
}

//  Those ahead of the window, the largest ids first.
static void s_shed_fronts (zb_cursor_t *self, size_t limit, bool leased)
{
    for (size_t place = self->views.count;
         self->fronts && place > self->window && !self->load && *self->log->total > limit; place--) {
        const zb_view_t *view = zb_cursor_view (self, place - 1);
        if (view->front && zb_ring_empty (&view->dirty) && (leased || view->ready == view->open))
            s_send_away (self, place - 1);
    }
}

void zb_cursor_shed (zb_cursor_t *self, uint64_t taken, size_t limit, bool leased)
{
    zb_cursor_tidy (self, taken);
    s_forget_ended (self);
    //  A row that was erased in a batch which is not taken yet would be read again.
    if (self->commit > taken || self->pins)
        return;
    s_shed_fronts (self, limit, leased);
    while (self->window && !zb_cursor_strays (self) && !self->load && *self->log->total > limit) {
        size_t end = self->window - 1;
        const zb_view_t *view = zb_cursor_view (self, end);
        if (!zb_ring_empty (&view->dirty) || (!leased && view->ready < view->open))
            return;
        self->reach = zb_cursor_first_id (self, end) - 1;
        if (self->reach < self->log->floor && self->log->floor < zb_cursor_last_id (self, end))
            self->reach = self->log->floor;
        s_send_away (self, end);
    }
}
