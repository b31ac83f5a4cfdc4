/*  =========================================================================
    sorted - queues in another order than that of their names

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>

#include "io/http/sorted.h"

bool zb_sorted_by (const char *order)
{
    return streq (order, "messages") || streq (order, "leased") || streq (order, "waiting");
}

void zb_sorted_clear (zb_sorted_t *self)
{
    json_decref (self->queues);
    free (self->pattern);
    free (self->key);
    *self = (zb_sorted_t){NULL, NULL, NULL, 0};
}

void zb_sorted_keep (zb_sorted_t *self, json_t *queues, const char *pattern, const char *key, int64_t now)
{
    zb_sorted_clear (self);
    *self = (zb_sorted_t){queues, strdup (pattern), strdup (key ? key : ""), now};
    assert (self->pattern && self->key);
}

bool zb_sorted_has (const zb_sorted_t *self, const char *pattern, const char *key, int64_t now)
{
    return self->queues && now - self->made <= ZB_HTTP_SORTED && streq (self->pattern, pattern) &&
           streq (self->key, key ? key : "");
}

typedef struct {
    json_int_t number;
    size_t index; //  by name
} s_place_t;

//  The largest first, and of the same number by name.
static int s_order (const void *one, const void *other)
{
    const s_place_t *a = (const s_place_t *) one, *b = (const s_place_t *) other;
    if (a->number != b->number)
        return a->number < b->number ? 1 : -1;
    return a->index < b->index ? -1 : a->index > b->index;
}

json_t *zb_sorted_page (const zb_sorted_t *self, const char *order, size_t from, size_t most)
{
    size_t size = json_array_size (self->queues);
    s_place_t *place = (s_place_t *) zmalloc ((size + 1) * sizeof *place);
    for (size_t index = 0; index < size; index++) {
        const json_t *queue = json_array_get (self->queues, index);
        place[index] = (s_place_t){json_integer_value (json_object_get (queue, order)), index};
    }
    qsort (place, size, sizeof *place, s_order);
    json_t *page = json_array ();
    size_t next = from;
    for (; next < size && next - from < most; next++)
        json_array_append (page, json_array_get (self->queues, place[next].index));
    free (place);
    char text[24];
    snprintf (text, sizeof text, "%zu", next);
    return json_pack ("{s:o, s:o}", "queues", page, "next", next < size ? json_string (text) : json_null ());
}
