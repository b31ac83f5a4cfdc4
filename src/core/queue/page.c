/*  =========================================================================
    page - one row of the log in memory, with the state of its messages

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/queue/page.h"
#include "core/queue/rows.h"

//  Fills the messages from the row's pieces; -1 if they don't fit head and key.
static int s_fill (zb_page_t *self)
{
    size_t offset = 0;
    uint32_t index = 0;
    uint64_t next = self->first;
    for (;;) {
        uint32_t at = (uint32_t) (offset ? offset : ZB_LOG_HEAD);
        zb_piece_t piece;
        int more = zb_log_next (self->row, &offset, &piece);
        if (more == 0)
            return index == self->count && next == self->last + 1 ? 0 : -1;
        if (more < 0 || piece.count > self->count - index || piece.first < next ||
            piece.first - self->first > UINT32_MAX - piece.count || (index == 0 && piece.first != self->first))
            return -1;
        uint32_t body = piece.bodies;
        for (uint32_t number = 0; number < piece.count; number++, index++) {
            zb_message_t *message = &self->message[index];
            message->delta = (uint32_t) (piece.first - self->first) + number;
            message->offset = body;
            message->size = zb_get32 (self->row->data + piece.sizes + 4 * number);
            message->piece = at;
            body += message->size;
        }
        next = piece.first + piece.count;
    }
}

//  Marks what the bitmap says; -1 if it is not this row's: wrong size, bits behind the end, or everything done.
static int s_mark (zb_page_t *self, const zb_row_t *acks)
{
    if (acks->size != zb_page_bits_size (self))
        return -1;
    for (uint32_t index = 0; index < acks->size * 8; index++)
        if (acks->data[index / 8] >> index % 8 & 1) {
            if (index >= self->count)
                return -1;
            self->message[index].done = true;
            self->open--;
        }
    self->ready = self->open;
    self->has_acks = true;
    return self->open ? 0 : -1;
}

zb_page_t *zb_page_new (zb_row_t *row, uint64_t last, const zb_row_t *acks)
{
    uint64_t first = 0;
    uint32_t count = 0;
    //  Each message takes at least the four bytes of its size: a count beyond that would cost memory before it is
    //  found out.
    if (zb_log_head (row, &first, &count) || count > row->size / 4 || last < first)
        return NULL;
    zb_page_t *self = (zb_page_t *) calloc (1, sizeof (zb_page_t) + count * sizeof (zb_message_t));
    assert (self);
    zb_ring_init (&self->dirty);
    self->row = zb_row_ref (row);
    self->first = first;
    self->last = last;
    self->count = self->open = self->ready = count;
    if (s_fill (self) || (acks && s_mark (self, acks)))
        zb_page_destroy (&self);
    return self;
}

void zb_page_destroy (zb_page_t **self_p)
{
    zb_page_t *self = *self_p;
    if (self) {
        assert (zb_ring_empty (&self->dirty));
        zb_row_unref (&self->row);
        free (self);
        *self_p = NULL;
    }
}

size_t zb_page_bytes (const zb_page_t *self)
{
    return sizeof (zb_page_t) + self->count * sizeof (zb_message_t) + sizeof (zb_row_t) + self->row->room;
}

uint32_t zb_page_find (const zb_page_t *self, uint64_t id)
{
    if (id <= self->first)
        return 0;
    if (id > self->last)
        return self->count;
    uint32_t delta = (uint32_t) (id - self->first);
    //  Mostly one PUT follows another without a gap.
    if (delta < self->count && self->message[delta].delta == delta)
        return delta;
    uint32_t low = 0, high = self->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (self->message[middle].delta < delta)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint64_t zb_page_id (const zb_page_t *self, uint32_t index)
{
    return self->first + self->message[index].delta;
}

zb_frame_t zb_page_properties (const zb_page_t *self, uint32_t index)
{
    const uint8_t *piece = self->row->data + self->message[index].piece;
    return (zb_frame_t){piece + ZB_PIECE_HEAD + piece[20], zb_get32 (piece + 16)};
}

size_t zb_page_bits_size (const zb_page_t *self)
{
    return (self->count + 7) / 8;
}

void zb_page_bits (const zb_page_t *self, uint8_t *bits)
{
    memset (bits, 0, zb_page_bits_size (self));
    for (uint32_t index = 0; index < self->count; index++)
        if (self->message[index].done)
            bits[index / 8] |= (uint8_t) (1u << index % 8);
}

void zb_page_done (const zb_page_t *self, zb_spans_t *ids)
{
    ids->size = 0;
    for (uint32_t index = 0; index < self->count; index++)
        if (self->message[index].done)
            zb_spans_add (ids, zb_page_id (self, index), zb_page_id (self, index));
}
