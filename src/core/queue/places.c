/*  =========================================================================
    places - where the messages of a row of the log are

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <stdlib.h>

#include "core/queue/places.h"
#include "core/queue/rows.h"

//  Fills the places from the row's pieces; -1 if they don't fit head and key.
static int s_fill (zb_places_t *self, const zb_log_head_t *head)
{
    size_t offset = 0;
    uint64_t bytes = 0;
    uint32_t number = 0;
    uint64_t next = self->first;
    for (;;) {
        uint32_t at = (uint32_t) (offset ? offset : zb_log_head_size (head->form));
        zb_piece_t piece;
        int more = zb_log_next (self->row, &offset, &piece);
        if (more == 0)
            return number == self->count && next == self->last + 1 && (head->form == 1 || bytes == head->bytes) ? 0
                                                                                                                : -1;
        if (more < 0 || piece.count > self->count - number || piece.first < next ||
            piece.first - self->first > UINT32_MAX - piece.count || (number == 0 && piece.first != self->first))
            return -1;
        uint32_t body = piece.bodies;
        for (uint32_t each = 0; each < piece.count; each++) {
            zb_place_t *place = &self->place[number++];
            place->delta = (uint32_t) (piece.first - self->first) + each;
            place->offset = body;
            place->size = zb_get32 (self->row->data + piece.sizes + 4 * each);
            place->piece = at;
            body += place->size;
        }
        bytes += body - piece.bodies;
        next = piece.first + piece.count;
    }
}

zb_places_t *zb_places_new (zb_row_t *row, uint64_t last)
{
    zb_log_head_t head;
    //  Each message takes at least the four bytes of its size: a count beyond that would cost memory before it is
    //  found out.
    if (zb_log_head (row, &head) || head.count > row->size / 4 || last < head.first)
        return NULL;
    zb_places_t *self = (zb_places_t *) malloc (sizeof (zb_places_t) + head.count * sizeof (zb_place_t));
    assert (self);
    self->refs = 1;
    self->count = head.count;
    self->row = zb_row_ref (row);
    self->first = head.first;
    self->last = last;
    if (s_fill (self, &head))
        zb_places_unref (&self);
    return self;
}

zb_places_t *zb_places_ref (zb_places_t *self)
{
    self->refs++;
    return self;
}

void zb_places_unref (zb_places_t **self_p)
{
    zb_places_t *self = *self_p;
    if (self && --self->refs == 0) {
        zb_row_unref (&self->row);
        free (self);
    }
    *self_p = NULL;
}

size_t zb_places_bytes (const zb_places_t *self)
{
    return sizeof (zb_places_t) + self->count * sizeof (zb_place_t) + sizeof (zb_row_t) + self->row->room;
}

uint32_t zb_places_find (const zb_places_t *self, uint64_t id)
{
    if (id <= self->first)
        return 0;
    if (id > self->last)
        return self->count;
    uint32_t delta = (uint32_t) (id - self->first);
    //  Mostly one PUT follows another without a gap.
    if (delta < self->count && self->place[delta].delta == delta)
        return delta;
    uint32_t low = 0, high = self->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (self->place[middle].delta < delta)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint64_t zb_places_id (const zb_places_t *self, uint32_t number)
{
    return self->first + self->place[number].delta;
}

zb_frame_t zb_places_body (const zb_places_t *self, uint32_t number)
{
    const zb_place_t *place = &self->place[number];
    return (zb_frame_t){self->row->data + place->offset, place->size};
}

zb_frame_t zb_places_properties (const zb_places_t *self, uint32_t number)
{
    const uint8_t *piece = self->row->data + self->place[number].piece;
    return (zb_frame_t){piece + ZB_PIECE_HEAD + piece[20], zb_get32 (piece + 16)};
}
