/*  =========================================================================
    spans - ranges of message ids

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/spans.h"

static int s_by_first (const void *one, const void *other)
{
    uint64_t a = ((const zb_span_t *) one)->first, b = ((const zb_span_t *) other)->first;
    return a < b ? -1 : a > b;
}

void zb_spans_sort (zb_span_t *span, size_t spans)
{
    bool sorted = true;
    for (size_t index = 1; index < spans && sorted; index++)
        sorted = span[index].first >= span[index - 1].first;
    //  Most clients name what they got in the order in which they got it.
    if (!sorted)
        qsort (span, spans, sizeof (zb_span_t), s_by_first);
}

size_t zb_spans_join (zb_span_t *span, size_t spans)
{
    zb_spans_sort (span, spans);
    size_t kept = 0;
    for (size_t index = 1; index < spans; index++) {
        zb_span_t *newest = &span[kept];
        if (newest->last == UINT64_MAX || span[index].first <= newest->last + 1)
            newest->last = span[index].last > newest->last ? span[index].last : newest->last;
        else
            span[++kept] = span[index];
    }
    return spans ? kept + 1 : 0;
}

static void s_append (zb_spans_t *self, uint64_t first, uint64_t last)
{
    if (self->size == self->room) {
        self->room = self->room ? self->room * 2 : 16;
        self->span = (zb_span_t *) realloc (self->span, self->room * sizeof (zb_span_t));
        assert (self->span);
    }
    self->span[self->size++] = (zb_span_t){first, last};
}

bool zb_acks_next (zb_frame_t acks, size_t *cursor, uint64_t *first, uint64_t *last, bool *bad)
{
    assert (cursor && first && last && bad);
    *bad = false;
    size_t start = *cursor;
    if (start >= acks.size)
        return false;
    //  The cursor stays on the space after an item, so that a space without an item behind it is seen.
    if (start > 0)
        start++;
    size_t end = zb_frame_find (acks, start, ' ');
    zb_frame_t item = zb_frame_part (acks, start, end);
    size_t dot = zb_frame_find (item, 0, '.');
    zb_frame_t from = zb_frame_part (item, 0, dot);
    zb_frame_t to = from;
    if (dot < item.size) {
        if (item.size - dot < 2 || ((const char *) item.data)[dot + 1] != '.')
            *bad = true;
        else
            to = zb_frame_part (item, dot + 2, item.size);
    }
    if (*bad || !zb_number_parse (from, UINT64_MAX, first) || !zb_number_parse (to, UINT64_MAX, last) || *first == 0 ||
        *first > *last) {
        *bad = true;
        return false;
    }
    *cursor = end;
    return true;
}

bool zb_spans_parse (zb_spans_t *self, zb_frame_t acks)
{
    size_t cursor = 0;
    uint64_t first = 0, last = 0;
    bool bad = false;
    self->size = 0;
    while (zb_acks_next (acks, &cursor, &first, &last, &bad))
        s_append (self, first, last);
    return !bad;
}

void zb_spans_add (zb_spans_t *self, uint64_t first, uint64_t last)
{
    if (self->size && self->span[self->size - 1].last + 1 == first)
        self->span[self->size - 1].last = last;
    else
        s_append (self, first, last);
}

void zb_spans_clear (zb_spans_t *self)
{
    free (self->span);
    *self = (zb_spans_t){NULL, 0, 0};
}

size_t zb_spans_format (const zb_span_t *span, size_t spans, char *text)
{
    size_t size = 0;
    for (size_t index = 0; index < spans; index++) {
        char digits[21];
        size_t length = zb_number_format (span[index].first, digits);
        if (size)
            text[size++] = ' ';
        memcpy (text + size, digits, length);
        size += length;
        text[size++] = '.';
        text[size++] = '.';
        length = zb_number_format (span[index].last, digits);
        memcpy (text + size, digits, length);
        size += length;
    }
    return size;
}

uint64_t zb_spans_ids (const zb_span_t *span, size_t spans)
{
    uint64_t ids = 0;
    for (size_t index = 0; index < spans; index++) {
        uint64_t more = span[index].last - span[index].first;
        if (more >= UINT64_MAX - ids - 1)
            return UINT64_MAX;
        ids += more + 1;
    }
    return ids;
}

bool zb_spans_have (const zb_span_t *span, size_t spans, uint64_t id)
{
    size_t at = zb_spans_find (span, spans, id);
    return at < spans && span[at].first <= id;
}

size_t zb_spans_find (const zb_span_t *span, size_t spans, uint64_t id)
{
    size_t low = 0, high = spans;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (span[middle].last < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
