/*  =========================================================================
    glance - what a cursor knows of the messages of a row, for who only looks

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>

#include "core/queue/glance.h"

//  The view that memory has of the row with this last id; NULL if it has none.
static zb_view_t *s_find (const zb_cursor_t *cursor, uint64_t last)
{
    size_t low = 0, high = cursor->views.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (((const zb_view_t *) zb_deck_at (&cursor->views, middle))->places->last < last)
            low = middle + 1;
        else
            high = middle;
    }
    zb_view_t *view = low < cursor->views.count ? (zb_view_t *) zb_deck_at (&cursor->views, low) : NULL;
    return view && view->places->last == last ? view : NULL;
}

//  The message's deliveries, of a row that was in memory once; NULL if there are none.  The largest ids come first.
static const zb_away_t *s_find_away (const zb_cursor_t *cursor, uint64_t id)
{
    size_t low = 0, high = cursor->aways;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (cursor->away[middle].first > id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < cursor->aways && cursor->away[low].last >= id ? &cursor->away[low] : NULL;
}

int zb_glance_open (zb_glance_t *self, const zb_cursor_t *cursor, zb_row_t *row, uint64_t last, const zb_row_t *bits)
{
    *self = (zb_glance_t){cursor, s_find (cursor, last), false};
    if (self->view)
        return self->view->open > 0;
    //  Up to `reach` all is in memory or done.
    bool passed = last <= cursor->reach || (cursor->log->head_only && !bits && last <= cursor->passed);
    if (passed || last <= cursor->log->floor)
        return 0;
    self->own = true;
    self->view = zb_view_of (row, last, bits);
    if (!self->view)
        return -1;
    if (self->view->open == 0)
        zb_glance_close (self);
    return self->view != NULL;
}

void zb_glance_close (zb_glance_t *self)
{
    if (self->own)
        zb_view_destroy (&self->view);
    self->view = NULL;
}

const zb_places_t *zb_glance_places (const zb_glance_t *self)
{
    return self->view->places;
}

bool zb_glance_at (const zb_glance_t *self, uint32_t number, const zb_lease_t **lease, uint32_t *deliveries)
{
    const zb_view_t *view = self->view;
    if (zb_view_is_done (view, number))
        return false;
    const zb_away_t *away = self->own ? s_find_away (self->cursor, zb_places_id (view->places, number)) : NULL;
    *lease = away ? away->seat.lease : zb_view_lease (view, number);
    *deliveries = away ? away->seat.deliveries : view->seat ? view->seat[number].deliveries : 0;
    return true;
}
