/*  =========================================================================
    nearest - the known word that an unknown one was probably meant to be

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#ifndef ZB_NEAREST_H_INCLUDED
#define ZB_NEAREST_H_INCLUDED

#include <stdbool.h>
#include <stddef.h>

//  Returns how many single bytes must be inserted, removed, changed, or swapped with their neighbour to make one word
//  of the other.  Words are compared by their first 63 bytes.
size_t zb_nearest_distance (const char *one, const char *other);
//  Returns the first of `size` known words with the smallest distance to `word`, which may be NULL if size is 0.
//  Thread: any.  The result is one of `known`.
const char *zb_nearest (const char *word, const char *const *known, size_t size);

//  Whether the two are near enough that one may be meant by the other: less than half of the letters differ.
bool zb_nearest_is_near (const char *word, const char *known);

#endif
