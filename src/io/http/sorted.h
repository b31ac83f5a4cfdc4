/*  =========================================================================
    sorted - queues in another order than that of their names

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A broker lists by name.  For another order all that fit are asked for, 10,000 at most, and kept
    for ZB_HTTP_SORTED ms: whoever looks again, or at the next page, costs it nothing.  What was
    kept is for the pattern and the key that it was asked with.  Of the page's thread alone.
*/

#ifndef ZB_SORTED_H_INCLUDED
#define ZB_SORTED_H_INCLUDED

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define ZB_HTTP_SORTED 5000

typedef struct {
    json_t *queues; //  NULL: none are kept
    char *pattern, *key;
    int64_t made; //  ms
} zb_sorted_t;

//  Whether there is such an order: that of the numbers of messages, leased, or waiting.
bool zb_sorted_by (const char *order);
//  Keeps the queues, an array of objects (taken); the key may be NULL.
void zb_sorted_keep (zb_sorted_t *self, json_t *queues, const char *pattern, const char *key, int64_t now);
bool zb_sorted_has (const zb_sorted_t *self, const char *pattern, const char *key, int64_t now);
//  A page of what is kept, the largest number first: {"queues", "next"}; next is where the page behind it begins, as a text,
//  or null.  The caller's.
json_t *zb_sorted_page (const zb_sorted_t *self, const char *order, size_t from, size_t most);
void zb_sorted_clear (zb_sorted_t *self);

#endif
