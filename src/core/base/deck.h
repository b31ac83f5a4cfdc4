/*  =========================================================================
    deck - items in order, in an array that is cheap at both ends

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    What a log and its cursors have in memory is sorted by ids: it grows at its end and is
    done with from its head.
*/

#ifndef ZB_DECK_H_INCLUDED
#define ZB_DECK_H_INCLUDED

#include <stddef.h>

//  All zero: empty.
typedef struct {
    void **item; //  item[from] to item[from + count - 1]
    size_t from;
    size_t count;
    size_t room;
} zb_deck_t;

//  The item with this number, which is there.
static inline void *zb_deck_at (const zb_deck_t *self, size_t number)
{
    return self->item[self->from + number];
}

//  Puts an item before the one with this number.
void zb_deck_insert (zb_deck_t *self, size_t number, void *item);
//  Takes the one with this number out.
void zb_deck_remove (zb_deck_t *self, size_t number);
//  Frees its memory, and nothing else.
void zb_deck_clear (zb_deck_t *self);

#endif
