/*  =========================================================================
    deck - items in order, in an array that is cheap at both ends

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/deck.h"

void zb_deck_insert (zb_deck_t *self, size_t number, void *item)
{
    assert (number <= self->count);
    if (self->from + self->count == self->room) {
        if (self->from > self->room / 2 || self->from > 64) {
            memmove (self->item, self->item + self->from, self->count * sizeof *self->item);
            self->from = 0;
        }
        else {
            self->room = self->room ? self->room * 2 : 4;
            self->item = (void **) realloc (self->item, self->room * sizeof *self->item);
            assert (self->item);
        }
    }
    void **place = &self->item[self->from + number];
    memmove (place + 1, place, (self->count - number) * sizeof *place);
    *place = item;
    self->count++;
}

void zb_deck_remove (zb_deck_t *self, size_t number)
{
    assert (number < self->count);
    void **first = &self->item[self->from];
    if (number < self->count / 2) {
        memmove (first + 1, first, number * sizeof *first);
        self->from++;
    }
    else
        memmove (first + number, first + number + 1, (self->count - number - 1) * sizeof *first);
    self->count--;
}

void zb_deck_clear (zb_deck_t *self)
{
    free (self->item);
    memset (self, 0, sizeof *self);
}
