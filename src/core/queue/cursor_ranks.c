/*  =========================================================================
    cursor_ranks - which rows of a cursor go first: its ranks

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    For each rank above 0 the cursor has its rows that are in memory, of the window and ahead of
    it (`fronts`), and knows up to which id these are all (`ahead`).  With ranks or without, here it
    is counted that one message less is ready, or one more (`fewer`, `more`).
*/

#include <assert.h>
#include <stdlib.h>

#include "core/queue/cursor_self.h"

void zb_cursor_unknow (zb_rank_t *rank, uint64_t id)
{
    rank->ahead = rank->ahead < id ? rank->ahead : id - 1;
    rank->most = rank->most < id ? rank->most : id - 1;
}

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

void zb_cursor_list (zb_cursor_t *self, zb_view_t *view)
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

void zb_cursor_unfront (zb_cursor_t *self, zb_view_t *view)
{
    if (!view->front)
        return;
    view->front = false;
    self->fronts--;
    self->front_ready -= view->ready;
}

void zb_cursor_unlist (zb_cursor_t *self, zb_view_t *view)
{
    zb_cursor_unfront (self, view);
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
    zb_cursor_list (self, view);
}

void zb_cursor_fewer (zb_cursor_t *self, const zb_view_t *view)
{
    if (view->places->last <= self->reach)
        self->ready--;
    else if (view->front)
        self->front_ready--;
    if (view->listed)
        self->rank[view->rank].ready--;
}

void zb_cursor_more (zb_cursor_t *self, zb_view_t *view)
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
        zb_cursor_unlist (self, zb_cursor_view (self, place));
        zb_cursor_view (self, place)->rank = 0;
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

bool zb_cursor_is_unread (const zb_cursor_t *self, unsigned rank)
{
    return self->rank[rank].shown > zb_cursor_ahead (self, rank);
}

zb_view_t *zb_cursor_first_of (zb_cursor_t *self, unsigned which)
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
    while (rank && !zb_cursor_is_unread (self, rank)) {
        if (zb_cursor_first_of (same, rank))
            return 0;
        rank--;
    }
    return rank && !zb_cursor_first_of (same, rank) ? rank : 0;
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

//  One that was inserted further ahead is read by the index; so is one behind others that are.
void zb_cursor_ranked (zb_cursor_t *self, const zb_added_t *added, bool join)
{
    zb_rank_t *rank = &self->rank[added->rank];
    bool known = !zb_cursor_is_unread (self, added->rank), inserted = added->last <= self->log->tail;
    if (rank->shown < added->last)
        rank->shown = added->last;
    if (added->last <= self->reach)
        return;
    size_t place = zb_cursor_place (self, added->last);
    bool here = place < self->views.count && zb_cursor_last_id (self, place) == added->last;
    if (inserted)
        zb_cursor_unknow (rank, added->last);
    if (inserted || here || !known || !join)
        return;
    zb_view_t *view = zb_cursor_look (self, added->row, added->last, added->bits);
    assert (view && place == self->views.count);
    zb_cursor_add (self, place, view);
    s_front (self, view);
    rank->ahead = added->last;
}

int zb_cursor_fetch (zb_cursor_t *self, unsigned rank, uint64_t last, zb_row_t *row, const zb_row_t *bits)
{
    size_t place = zb_cursor_place (self, last);
    bool here = place < self->views.count && zb_cursor_last_id (self, place) == last;
    assert (last > self->reach);
    if (!here && row && zb_cursor_take (self, row, last, bits, true))
        return -1;
    zb_view_t *view = here || row ? zb_cursor_view (self, place) : NULL;
    //  One that is here may be done, and its queue has other ranks since; the store has yet to erase it.
    if (view && view->rank != rank && view->open)
        return -1;
    if (view && view->rank == rank)
        s_front (self, view);
    zb_cursor_fetched (self, rank, last);
    return 0;
}
