/*  =========================================================================
    view - what a cursor knows of the messages of one row

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/queue/view.h"

static size_t s_bits_size (const zb_places_t *places)
{
    return (places->count + 7) / 8;
}

//  Takes the bitmap; -1 if it is not this row's: wrong size, or bits behind the end.
static int s_mark (zb_view_t *self, const zb_row_t *bits)
{
    size_t size = zb_view_bits_size (self);
    uint32_t beyond = self->places->count % 8;
    if (bits->size != size || (beyond && bits->data[size - 1] >> beyond))
        return -1;
    memcpy (self->bits, bits->data, size);
    for (size_t byte = 0; byte < size; byte++)
        for (uint8_t left = self->bits[byte]; left; left &= (uint8_t) (left - 1))
            self->open--;
    self->ready = self->open;
    self->has_bits = true;
    return 0;
}

zb_view_t *zb_view_new (zb_places_t *places, const zb_row_t *bits)
{
    zb_view_t *self = (zb_view_t *) calloc (1, sizeof (zb_view_t) + s_bits_size (places));
    assert (self);
    zb_ring_init (&self->dirty);
    self->places = zb_places_ref (places);
    self->open = self->ready = places->count;
    if (bits && s_mark (self, bits))
        zb_view_destroy (&self);
    return self;
}

zb_view_t *zb_view_of (zb_row_t *row, uint64_t last, const zb_row_t *bits)
{
    zb_places_t *places = zb_places_new (row, last);
    zb_view_t *self = places ? zb_view_new (places, bits) : NULL;
    zb_places_unref (&places);
    return self;
}

void zb_view_destroy (zb_view_t **self_p)
{
    zb_view_t *self = *self_p;
    if (self) {
        assert (zb_ring_empty (&self->dirty));
        zb_places_unref (&self->places);
        free (self->seat);
        free (self);
        *self_p = NULL;
    }
}

size_t zb_view_bytes (const zb_view_t *self)
{
    //  The seats are counted from the beginning: most rows in memory are delivered.
    return sizeof (zb_view_t) + s_bits_size (self->places) + self->places->count * sizeof (zb_seat_t);
}

size_t zb_view_bits_size (const zb_view_t *self)
{
    return s_bits_size (self->places);
}

bool zb_view_is_done (const zb_view_t *self, uint32_t number)
{
    return self->bits[number / 8] >> number % 8 & 1;
}

zb_lease_t *zb_view_lease (const zb_view_t *self, uint32_t number)
{
    return self->seat ? self->seat[number].lease : NULL;
}

bool zb_view_is_ready (const zb_view_t *self, uint32_t number)
{
    return !zb_view_is_done (self, number) && !zb_view_lease (self, number);
}

static void s_seat (zb_view_t *self)
{
    if (!self->seat)
        self->seat = (zb_seat_t *) calloc (self->places->count, sizeof (zb_seat_t));
    assert (self->seat);
}

uint32_t zb_view_deliver (zb_view_t *self, uint32_t number, zb_lease_t *lease)
{
    assert (zb_view_is_ready (self, number)); //  I2
    s_seat (self);
    uint64_t id = zb_places_id (self->places, number);
    zb_lease_cover (lease, id, id);
    self->seat[number].lease = lease;
    self->ready--;
    return ++self->seat[number].deliveries;
}

void zb_view_block (zb_view_t *self, uint32_t number, zb_lease_t *lease)
{
    assert (zb_view_is_ready (self, number) && lease->bare); //  I2
    s_seat (self);
    uint64_t id = zb_places_id (self->places, number);
    zb_lease_cover (lease, id, id);
    self->seat[number].lease = lease;
    self->ready--;
    self->blocked++;
}

bool zb_view_is_blocked (const zb_view_t *self, uint32_t number)
{
    const zb_lease_t *lease = zb_view_lease (self, number);
    return lease && lease->bare;
}

void zb_view_return (zb_view_t *self, uint32_t number)
{
    assert (zb_view_lease (self, number));
    self->blocked -= zb_view_is_blocked (self, number) ? 1 : 0;
    zb_lease_uncover (self->seat[number].lease, 1);
    self->seat[number].lease = NULL;
    self->ready++;
    if (number < self->scan)
        self->scan = number;
}

void zb_view_hand (zb_view_t *self, uint32_t number, zb_lease_t *lease)
{
    assert (zb_view_lease (self, number));
    uint64_t id = zb_places_id (self->places, number);
    zb_lease_uncover (self->seat[number].lease, 1);
    zb_lease_cover (lease, id, id);
    self->seat[number].lease = lease;
}

uint32_t zb_view_try (zb_view_t *self, uint32_t number)
{
    assert (zb_view_lease (self, number));
    self->seat[number].tries += self->seat[number].tries < UINT32_MAX;
    return self->seat[number].tries;
}

void zb_view_finish (zb_view_t *self, uint32_t number)
{
    assert (!zb_view_is_done (self, number) && self->open); //  I3
    if (zb_view_lease (self, number)) {
        self->blocked -= zb_view_is_blocked (self, number) ? 1 : 0;
        zb_lease_uncover (self->seat[number].lease, 1);
        self->seat[number].lease = NULL;
    }
    else
        self->ready--;
    self->bits[number / 8] |= (uint8_t) (1u << number % 8);
    self->open--;
}

void zb_view_forget (zb_view_t *self)
{
    assert (self->blocked == 0);
    free (self->seat);
    self->seat = NULL;
    self->ready = self->open;
}

void zb_view_remember (zb_view_t *self, uint32_t number, const zb_seat_t *seat)
{
    assert (zb_view_is_ready (self, number));
    s_seat (self);
    self->seat[number] = *seat;
    self->ready -= seat->lease ? 1 : 0;
}

void zb_view_done (const zb_view_t *self, zb_spans_t *ids)
{
    ids->size = 0;
    for (uint32_t number = 0; number < self->places->count; number++)
        if (zb_view_is_done (self, number)) {
            uint64_t id = zb_places_id (self->places, number);
            zb_spans_add (ids, id, id);
        }
}
