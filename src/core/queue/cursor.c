/*  =========================================================================
    cursor - what of a log is delivered, leased and done

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/queue/cursor.h"
#include "core/queue/rank.h"
#include "core/wire/filter.h"

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

//  ---------------------------------------------------------------------------
//  The rows in memory

static zb_view_t *s_view (const zb_cursor_t *self, size_t number)
{
    assert (number < self->views.count);
    return (zb_view_t *) zb_deck_at (&self->views, number);
}

static uint64_t s_first (const zb_cursor_t *self, size_t number)
{
    return s_view (self, number)->places->first;
}

static uint64_t s_last (const zb_cursor_t *self, size_t number)
{
    return s_view (self, number)->places->last;
}

//  Number of the first view whose last id is at least `id`.
static size_t s_find (const zb_cursor_t *self, uint64_t id)
{
    size_t low = 0, high = self->views.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s_last (self, middle) < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint64_t zb_cursor_low (const zb_cursor_t *self)
{
    uint64_t low = self->window ? s_first (self, 0) : self->reach + 1, floor = self->log->floor;
    //  It may begin amid a row, and the log with it.
    if (self->window && low <= floor && floor < s_last (self, 0))
        low = floor + 1;
    return self->log->inserting && self->log->inserted < low ? self->log->inserted : low;
}

//  From this id on it is not known any more what is ready of a rank, whatever a read brings that is under way.
static void s_unknow (zb_rank_t *rank, uint64_t id)
{
    rank->ahead = rank->ahead < id ? rank->ahead : id - 1;
    rank->most = rank->most < id ? rank->most : id - 1;
}

//  What it knows of keys counts among the bytes of its log.
static void s_charge_keys (zb_cursor_t *self)
{
    zb_keyed_t *keys = self->keys;
    if (keys->bytes > keys->charged)
        zb_log_charge (self->log, keys->bytes - keys->charged);
    else
        zb_log_refund (self->log, keys->charged - keys->bytes);
    keys->charged = keys->bytes;
}

//  Nothing more is known of the key that it was leased for.
static void s_free_key (zb_cursor_t *self, uint64_t id)
{
    zb_keyed_free (self->keys, id);
    s_charge_keys (self);
}

//  Of messages that are away so many leases end.
static void s_uncover (zb_cursor_t *self, zb_away_t *away)
{
    if (!away->seat.lease)
        return;
    uint32_t count = (uint32_t) (away->last - away->first + 1);
    for (uint64_t id = away->first; self->keys && id <= away->last; id++)
        s_free_key (self, id);
    zb_lease_uncover (away->seat.lease, count);
    away->seat.lease = NULL;
    self->ended = true;
    self->leased -= count;
    //  It is ready, and not in memory.
    for (unsigned rank = 1; rank < self->ranks; rank++)
        s_unknow (&self->rank[rank], away->first);
}

//  How many messages of a row it does not want; in its view (may be NULL) they are done.
static uint32_t s_exclude (zb_cursor_t *self, const zb_places_t *places, zb_view_t *view)
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

//  Makes the view of a row; NULL if row or bitmap is malformed.
static zb_view_t *s_look (zb_cursor_t *self, zb_row_t *row, uint64_t last, const zb_row_t *bits)
{
    zb_places_t *places = zb_log_take (self->log, row, last);
    zb_view_t *view = places ? zb_view_new (places, bits) : NULL;
    if (view)
        s_exclude (self, places, view);
    if (view && self->ranks)
        view->rank = (uint8_t) zb_log_rank (self->log, row);
    if (places)
        zb_log_release (self->log, &places);
    return view;
}

//  ---------------------------------------------------------------------------
//  Ranks

//  Number of the first view of a rank whose last id is at least `id`.
static size_t s_find_ranked (const zb_rank_t *rank, uint64_t id)
{
    size_t low = 0, high = rank->views.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (((const zb_view_t *) zb_deck_at (&rank->views, middle))->places->last < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

//  It is to be delivered, as one of its rank.
static void s_list (zb_cursor_t *self, zb_view_t *view)
{
    if (view->rank == 0 || view->listed)
        return;
    zb_rank_t *rank = &self->rank[view->rank];
    size_t place = s_find_ranked (rank, view->places->last);
    view->listed = true;
    zb_deck_insert (&rank->views, place, view);
    rank->ready += view->ready;
    if (place < rank->scan)
        rank->scan = place;
}

//  It is in no front any more.
static void s_unfront (zb_cursor_t *self, zb_view_t *view)
{
    if (!view->front)
        return;
    view->front = false;
    self->fronts--;
    self->front_ready -= view->ready;
}

static void s_unlist (zb_cursor_t *self, zb_view_t *view)
{
    s_unfront (self, view);
    if (!view->listed)
        return;
    zb_rank_t *rank = &self->rank[view->rank];
    size_t place = s_find_ranked (rank, view->places->last);
    assert (zb_deck_at (&rank->views, place) == view);
    zb_deck_remove (&rank->views, place);
    view->listed = false;
    rank->ready -= view->ready;
    if (rank->scan > place)
        rank->scan--;
}

//  One behind the window is to be delivered.
static void s_front (zb_cursor_t *self, zb_view_t *view)
{
    if (view->front || view->rank == 0 || view->open == 0)
        return;
    view->front = true;
    self->fronts++;
    self->front_ready += view->ready;
    s_list (self, view);
}

//  One of its messages is not ready any more, or again.
static void s_fewer (zb_cursor_t *self, const zb_view_t *view)
{
    if (view->places->last <= self->reach)
        self->ready--;
    else if (view->front)
        self->front_ready--;
    if (view->listed)
        self->rank[view->rank].ready--;
}

static void s_more (zb_cursor_t *self, zb_view_t *view)
{
    if (view->places->last <= self->reach)
        self->ready++;
    else if (view->front)
        self->front_ready++;
    else {
        //  Which counts it.
        s_front (self, view);
        return;
    }
    if (!view->listed)
        return;
    zb_rank_t *rank = &self->rank[view->rank];
    rank->ready++;
    size_t place = s_find_ranked (rank, view->places->last);
    if (place < rank->scan)
        rank->scan = place;
}

void zb_cursor_rank (zb_cursor_t *self, unsigned ranks)
{
    //  Where a store's count is wrong there may be some; they are of no rank then.
    for (size_t place = 0; place < self->views.count; place++) {
        s_unlist (self, s_view (self, place));
        s_view (self, place)->rank = 0;
    }
    for (unsigned rank = 1; rank < self->ranks; rank++)
        zb_deck_clear (&self->rank[rank].views);
    free (self->rank);
    self->ranks = self->log->ranks = ranks;
    self->rank = ranks ? (zb_rank_t *) calloc (ranks, sizeof *self->rank) : NULL;
    assert (self->rank || ranks == 0);
    //  A read that is under way is of those of before.
    self->purges++;
    for (unsigned rank = 1; rank < ranks; rank++)
        self->rank[rank].shown = self->log->tail;
}

uint64_t zb_cursor_ahead (const zb_cursor_t *self, unsigned rank)
{
    uint64_t ahead = self->rank[rank].ahead;
    return ahead > self->reach ? ahead : self->reach;
}

static bool s_is_unread (const zb_cursor_t *self, unsigned rank)
{
    return self->rank[rank].shown > zb_cursor_ahead (self, rank);
}

//  The first of a rank that is ready and known to be the first; NULL if there is none.
static zb_view_t *s_first_of (zb_cursor_t *self, unsigned which)
{
    zb_rank_t *rank = &self->rank[which];
    if (rank->ready == 0)
        return NULL;
    while (((const zb_view_t *) zb_deck_at (&rank->views, rank->scan))->ready == 0)
        rank->scan++;
    zb_view_t *view = (zb_view_t *) zb_deck_at (&rank->views, rank->scan);
    return view->places->last <= zb_cursor_ahead (self, which) ? view : NULL;
}

unsigned zb_cursor_unread (const zb_cursor_t *self)
{
    //  Only what it has found out about where to look changes.
    zb_cursor_t *same = (zb_cursor_t *) (uintptr_t) self;
    unsigned rank = self->ranks ? self->ranks - 1 : 0;
    while (rank && !s_is_unread (self, rank)) {
        if (s_first_of (same, rank))
            return 0;
        rank--;
    }
    return rank && !s_first_of (same, rank) ? rank : 0;
}

void zb_cursor_fetched (zb_cursor_t *self, unsigned rank, uint64_t upto)
{
    upto = upto < self->rank[rank].most ? upto : self->rank[rank].most;
    if (self->rank[rank].ahead < upto)
        self->rank[rank].ahead = upto;
}

void zb_cursor_fetching (zb_cursor_t *self)
{
    for (unsigned rank = 1; rank < self->ranks; rank++)
        self->rank[rank].most = UINT64_MAX;
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

//  Takes a row out of memory.  What is leased of it must be away, or ends.
static void s_drop (zb_cursor_t *self, size_t number)
{
    zb_view_t *view = s_view (self, number);
    if (number < self->window) {
        self->window--;
        self->ready -= view->ready;
        if (self->scan > number)
            self->scan--;
    }
    s_unlist (self, view);
    zb_deck_remove (&self->views, number);
    zb_log_refund (self->log, zb_view_bytes (view));
    for (uint32_t each = 0; each < view->places->count && view->ready < view->open; each++)
        if (zb_view_lease (view, each)) {
            zb_view_return (view, each);
            self->leased--;
        }
    s_unlook (self, &view);
}

static void s_insert (zb_cursor_t *self, size_t number, zb_view_t *view)
{
    zb_deck_insert (&self->views, number, view);
    zb_log_charge (self->log, zb_view_bytes (view));
}

//  Makes the first stray the last view of the window.
static void s_adopt (zb_cursor_t *self)
{
    zb_view_t *view = s_view (self, self->window);
    assert (self->window == 0 || view->places->first > s_last (self, self->window - 1)); //  I5, I6
    self->window++;
    self->reach = view->places->last;
    self->ready += view->ready;
    s_unfront (self, view);
    s_list (self, view);
}

void zb_cursor_join (zb_cursor_t *self, zb_row_t *row, uint64_t last, const zb_row_t *bits)
{
    //  One that was made since the row was put begins behind it.
    if (self->load || self->reach < self->log->tail || last <= self->reach)
        return;
    zb_view_t *view = s_look (self, row, last, bits);
    assert (view && self->window == self->views.count);
    s_insert (self, self->views.count, view);
    s_adopt (self);
}

//  One that was inserted further ahead is read by the index; so is one behind others that are.
void zb_cursor_ranked (zb_cursor_t *self, const zb_added_t *added, bool join)
{
    zb_rank_t *rank = &self->rank[added->rank];
    bool known = !s_is_unread (self, added->rank), inserted = added->last <= self->log->tail;
    if (rank->shown < added->last)
        rank->shown = added->last;
    if (added->last <= self->reach)
        return;
    size_t place = s_find (self, added->last);
    bool here = place < self->views.count && s_last (self, place) == added->last;
    if (inserted)
        s_unknow (rank, added->last);
    if (inserted || here || !known || !join)
        return;
    zb_view_t *view = s_look (self, added->row, added->last, added->bits);
    assert (view && place == self->views.count);
    s_insert (self, place, view);
    s_front (self, view);
    rank->ahead = added->last;
}

//  A row below the tail joins the window if it lies in it, however full that is; what is too much is shed at the other end.
void zb_cursor_insert (zb_cursor_t *self, zb_row_t *row, uint64_t last, const zb_row_t *bits)
{
    size_t place = s_find (self, last);
    bool here = place < self->views.count && s_last (self, place) == last;
    if (last > self->reach || here)
        return;
    zb_view_t *view = s_look (self, row, last, bits);
    assert (view && place <= self->window);
    s_insert (self, place, view);
    self->window++;
    self->ready += view->ready;
    s_list (self, view);
    if (place < self->scan)
        self->scan = place;
}

//  ---------------------------------------------------------------------------
//  Deliveries of rows that are not in memory

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

//  What waits for its key there is ready again.
static void s_unblock_all (zb_cursor_t *self, size_t place)
{
    zb_view_t *view = s_view (self, place);
    if (view->blocked == 0)
        return;
    for (uint32_t number = 0; view->blocked && number < view->places->count; number++)
        if (zb_view_is_blocked (view, number)) {
            zb_view_return (view, number);
            self->leased--;
            self->ready += place < self->window ? 1 : 0;
        }
    if (place < self->scan)
        self->scan = place;
}

//  Takes a row out of memory whose leases go on.
static void s_send_away (zb_cursor_t *self, size_t number)
{
    zb_view_t *view = s_view (self, number);
    s_unblock_all (self, number);
    if (view->ready && view->rank)
        s_unknow (&self->rank[view->rank], view->places->first);
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
    s_drop (self, number);
}

//  A row is in memory again: its deliveries meet it.
static void s_welcome (zb_cursor_t *self, zb_view_t *view)
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

static bool s_is (const zb_lease_t *lease, const zb_whose_t *whose)
{
    return lease && (whose->lease ? lease == whose->lease : lease->session == whose->session);
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

//  Where it goes: to one lease (NULL: to nobody, it is ready), or to the one that is told for each that was tried.
typedef struct {
    zb_lease_t *lease;
    zb_rest_t *rest;
    void *context;
} s_to_t;

static uint64_t s_hand_away (zb_cursor_t *self, uint64_t first, uint64_t last, const zb_whose_t *whose,
                             const s_to_t *to)
{
    uint64_t handed = 0;
    for (size_t place = s_behind (self, first); place-- > 0 && self->away[place].first <= last;) {
        if (!s_is (self->away[place].seat.lease, whose))
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
    while (self->window < self->views.count && s_last (self, self->window) < id) {
        if (s_view (self, self->window)->open)
            return -1;
        s_drop (self, self->window);
    }
    return 0;
}

//  Takes one row that was found.
static int s_take (zb_cursor_t *self, zb_row_t *row, uint64_t last, const zb_row_t *bits, bool stray)
{
    bool passed = self->log->head_only && !bits && last <= self->passed;
    if (!stray && s_pass (self, last))
        return -1;
    if (passed)
        return 0;
    size_t place = s_find (self, last);
    if (place == self->views.count || s_last (self, place) != last) {
        zb_view_t *view = s_look (self, row, last, bits);
        if (!view)
            return -1;
        if ((place && view->places->first <= s_last (self, place - 1)) ||
            (place < self->views.count && last >= s_first (self, place))) {
            s_unlook (self, &view);
            return -1;
        }
        s_insert (self, place, view);
        s_welcome (self, view);
    }
    if (!stray) {
        s_adopt (self);
        //  Where rows are kept, one of which all is done waits until the mark passes it.
        if (s_view (self, place)->open == 0 && !self->log->head_only)
            s_drop (self, place);
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
        if (bad || (last > self->log->floor && s_take (self, found->row, last, bits, want != 0)))
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

int zb_cursor_fetch (zb_cursor_t *self, unsigned rank, uint64_t last, zb_row_t *row, const zb_row_t *bits)
{
    size_t place = s_find (self, last);
    bool here = place < self->views.count && s_last (self, place) == last;
    assert (last > self->reach);
    if (!here && row && s_take (self, row, last, bits, true))
        return -1;
    zb_view_t *view = here || row ? s_view (self, place) : NULL;
    //  One that is here may be done, and its queue has other ranks since; the store has yet to erase it.
    if (view && view->rank != rank && view->open)
        return -1;
    if (view && view->rank == rank)
        s_front (self, view);
    zb_cursor_fetched (self, rank, last);
    return 0;
}

uint64_t zb_cursor_known (const zb_cursor_t *self, uint64_t id)
{
    if (id <= self->reach)
        return self->reach;
    size_t place = s_find (self, id);
    return place < self->views.count && s_first (self, place) <= id ? s_last (self, place) : 0;
}

zb_view_t *zb_cursor_find (const zb_cursor_t *self, uint64_t id, uint32_t *number)
{
    size_t place = s_find (self, id);
    if (place == self->views.count || s_first (self, place) > id)
        return NULL;
    zb_view_t *view = s_view (self, place);
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

//  A message is done: it keeps no other one of its key from being delivered.
static void s_let_key (zb_cursor_t *self, const zb_view_t *view, uint32_t number)
{
    if (!self->keys)
        return;
    uint64_t id = zb_places_id (view->places, number);
    if (zb_view_is_blocked (view, number))
        zb_keyed_drop (self->keys, zb_places_properties (view->places, number), id);
    else
        s_free_key (self, id);
}

static void s_finish (zb_cursor_t *self, zb_view_t *view, uint32_t number, uint64_t commit)
{
    if (zb_view_lease (view, number))
        self->leased--;
    else
        s_fewer (self, view);
    s_let_key (self, view, number);
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
    while (self->window && s_view (self, 0)->open == 0) {
        const zb_places_t *places = s_view (self, 0)->places;
        uint64_t last = places->last;
        uint32_t count = places->count, size = places->row->size;
        s_erase_bits (self, s_view (self, 0), commit);
        self->behind += count;
        self->done += s_exclude (self, places, NULL);
        //  Those between a late row and the next one have no view.
        self->jumped = self->jumped || last < self->passed;
        self->passed = last > self->passed ? last : self->passed;
        s_drop (self, 0);
        zb_log_passed (self->log, last, count, size, commit);
    }
}

//  Everything in this row is done: it goes with the commit, or, where rows are kept, when the mark has passed it.  One of
//  the window leaves memory, a stray stays until the store knows.
static void s_finished (zb_cursor_t *self, size_t place, zb_commit_t *commit)
{
    zb_view_t *view = s_view (self, place);
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
    s_unlist (self, view);
    if (place < self->window)
        s_drop (self, place);
}

uint64_t zb_cursor_finish (zb_cursor_t *self, uint64_t first, uint64_t last, zb_commit_t *commit, size_t *left,
                           zb_gone_t *gone, void *context)
{
    for (size_t place = s_find (self, first); place < self->views.count && s_first (self, place) <= last;) {
        zb_view_t *view = s_view (self, place);
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

//  The oldest of the window.
static zb_view_t *s_oldest (zb_cursor_t *self)
{
    if (self->ready == 0)
        return NULL;
    while (s_view (self, self->scan)->ready == 0)
        self->scan++;
    assert (self->scan < self->window);
    return s_view (self, self->scan);
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
        zb_view_t *view = s_first_of (self, rank);
        if (view)
            return s_first_ready (view, number);
        if (s_is_unread (self, rank))
            return NULL;
    }
    return s_first_ready (s_oldest (self), number);
}

zb_view_t *zb_cursor_ready (zb_cursor_t *self, uint64_t behind, uint32_t *number)
{
    if (behind == 0 && !self->keys)
        return s_first_ready (s_oldest (self), number);
    for (size_t place = s_find (self, behind + 1); place < self->window; place++) {
        zb_view_t *view = s_view (self, place);
        if (view->ready == 0 && view->blocked == 0)
            continue;
        for (*number = zb_places_find (view->places, behind + 1); *number < view->places->count; ++*number)
            if (zb_view_is_ready (view, *number) || zb_view_is_blocked (view, *number))
                return view;
    }
    return NULL;
}

static void s_return (zb_cursor_t *self, zb_view_t *view, uint32_t number)
{
    if (self->keys && !zb_view_is_blocked (view, number))
        s_free_key (self, zb_places_id (view->places, number));
    zb_view_return (view, number);
    self->leased--;
    s_more (self, view);
    if (view->places->last > self->reach)
        return;
    size_t place = s_find (self, view->places->last);
    if (place < self->scan)
        self->scan = place;
}

static void s_clear_keys (zb_cursor_t *self)
{
    if (!self->keys)
        return;
    zb_keyed_clear (self->keys);
    s_charge_keys (self);
}

static void s_forget_keys (zb_cursor_t *self)
{
    s_clear_keys (self);
    zb_keyed_destroy (&self->keys);
}

void zb_cursor_go_by_key (zb_cursor_t *self, const uint8_t secret[ZB_MAP_KEY_SIZE])
{
    for (size_t place = 0; !secret && self->keys && self->keys->count && place < self->window; place++)
        s_unblock_all (self, place);
    if (!secret)
        s_forget_keys (self);
    else if (!self->keys)
        self->keys = zb_keyed_new (secret);
}

bool zb_cursor_may (zb_cursor_t *self, zb_view_t *view, uint32_t number)
{
    if (zb_keyed_may (self->keys, zb_places_properties (view->places, number), zb_places_id (view->places, number)))
        return true;
    s_fewer (self, view);
    s_charge_keys (self);
    zb_view_block (view, number, &self->keys->blocked);
    self->leased++;
    return false;
}

//  Whether the message is ready, be it that it was blocked.
static bool s_unblock (zb_cursor_t *self, uint64_t id)
{
    uint32_t number = 0;
    zb_view_t *view = zb_cursor_find (self, id, &number);
    if (view && zb_view_is_blocked (view, number))
        s_return (self, view, number);
    return view && zb_view_is_ready (view, number);
}

bool zb_cursor_settle (zb_cursor_t *self, size_t *left)
{
    uint64_t id = 0;
    while (*left && zb_keyed_next (self->keys, &id)) {
        --*left;
        if (id <= self->reach && s_unblock (self, id))
            zb_keyed_ready (self->keys, id);
        else
            zb_keyed_forget (self->keys, self->reach);
    }
    s_charge_keys (self);
    return zb_cursor_settled (self);
}

bool zb_cursor_settled (const zb_cursor_t *self)
{
    return !self->keys || zb_ring_empty (&self->keys->freed);
}

size_t zb_cursor_key_bytes (const zb_cursor_t *self)
{
    return self->keys ? self->keys->bytes : 0;
}

uint64_t zb_cursor_blocked (const zb_cursor_t *self)
{
    return self->keys ? self->keys->count : 0;
}

uint32_t zb_cursor_deliver (zb_cursor_t *self, zb_view_t *view, uint32_t number, zb_lease_t *lease)
{
    s_fewer (self, view);
    self->leased++;
    if (self->keys) {
        zb_keyed_lend (self->keys, zb_places_properties (view->places, number), zb_places_id (view->places, number));
        s_charge_keys (self);
    }
    return zb_view_deliver (view, number, lease);
}

static uint64_t s_hand (zb_cursor_t *self, uint64_t first, uint64_t last, const zb_whose_t *whose, const s_to_t *to,
                        size_t *left)
{
    uint64_t handed = 0;
    for (size_t place = s_find (self, first); place < self->views.count && s_first (self, place) <= last; place++) {
        zb_view_t *view = s_view (self, place);
        *left -= *left ? 1 : 0;
        for (uint32_t number = zb_places_find (view->places, first);
             number < view->places->count && zb_places_id (view->places, number) <= last; number++) {
            const zb_lease_t *lease = zb_view_lease (view, number);
            *left -= *left ? 1 : 0;
            if (!s_is (lease, whose))
                continue;
            handed++;
            zb_lease_t *next = to->rest ? to->rest (to->context, zb_view_try (view, number)) : to->lease;
            if (!next)
                s_return (self, view, number);
            else if (lease != next)
                zb_view_hand (view, number, next);
        }
    }
    return handed + s_hand_away (self, first, last, whose, to);
}

uint64_t zb_cursor_hand (zb_cursor_t *self, uint64_t first, uint64_t last, const zb_whose_t *whose, zb_lease_t *to,
                         size_t *left)
{
    return s_hand (self, first, last, whose, &(s_to_t){.lease = to}, left);
}

uint64_t zb_cursor_try (zb_cursor_t *self, uint64_t first, uint64_t last, const zb_whose_t *whose, zb_rest_t *rest,
                        void *context, size_t *left)
{
    return s_hand (self, first, last, whose, &(s_to_t){.rest = rest, .context = context}, left);
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

static void s_clear (zb_cursor_t *self)
{
    s_clear_keys (self);
    while (self->views.count)
        s_drop (self, self->views.count - 1);
    for (size_t place = 0; place < self->aways; place++)
        s_uncover (self, &self->away[place]);
    s_resize (self, 0);
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
    s_forget_keys (self);
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

size_t zb_cursor_worked (zb_cursor_t *self)
{
    size_t work = self->work;
    self->work = 0;
    return work;
}

bool zb_cursor_skip (zb_cursor_t *self, const zb_places_t *places, zb_commit_t *commit)
{
    assert (self->log->head_only && self->views.count == 0 && places->last > self->reach);
    if (s_exclude (self, places, NULL) < places->count)
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
    bool any = self->log->head_only && self->window && s_view (self, 0)->open == 0;
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
        s_clear_keys (self);
        s_pass_all (self);
        return false;
    }
    assert (self->reach >= floor);
    while (self->views.count && s_last (self, 0) <= floor) {
        zb_view_t *view = s_view (self, 0);
        for (uint32_t number = 0; self->keys && number < view->places->count; number++)
            if (!zb_view_is_done (view, number))
                s_let_key (self, view, number);
        self->done += view->open + s_exclude (self, view->places, NULL);
        self->behind += view->places->count;
        s_erase_bits (self, view, commit);
        s_drop (self, 0);
    }
    self->passed = self->passed > floor ? self->passed : floor;
    self->commit = commit->number;
    return true;
}

void zb_cursor_tidy (zb_cursor_t *self, uint64_t taken)
{
    for (size_t place = self->views.count;
         zb_cursor_strays (self) && place > self->window && !self->load && !self->pins; place--) {
        const zb_view_t *view = s_view (self, place - 1);
        if (!view->front && view->commit <= taken && zb_ring_empty (&view->dirty))
            s_send_away (self, place - 1);
    }
}

//  Those ahead of the window, the largest ids first.
static void s_shed_fronts (zb_cursor_t *self, size_t limit, bool leased)
{
    for (size_t place = self->views.count;
         self->fronts && place > self->window && !self->load && *self->log->total > limit; place--) {
        const zb_view_t *view = s_view (self, place - 1);
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
        const zb_view_t *view = s_view (self, end);
        if (!zb_ring_empty (&view->dirty) || (!leased && view->ready < view->open))
            return;
        self->reach = s_first (self, end) - 1;
        if (self->reach < self->log->floor && self->log->floor < s_last (self, end))
            self->reach = self->log->floor;
        s_send_away (self, end);
    }
}
