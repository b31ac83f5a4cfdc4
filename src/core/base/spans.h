/*  =========================================================================
    spans - ranges of message ids

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A client may name an id as often as it likes, in ranges of any size and in any
    order.  Joined, they ascend with a gap between two, and each id is there once.
*/

#ifndef ZB_SPANS_H_INCLUDED
#define ZB_SPANS_H_INCLUDED

#include "core/base/frame.h"

//  Ids from the first to the last.
typedef struct {
    uint64_t first;
    uint64_t last;
} zb_span_t;

//  All zero: none.
typedef struct {
    zb_span_t *span;
    size_t size;
    size_t room;
} zb_spans_t;

//  Message ids.  On the wire they are decimal text that clients treat as opaque.
//  Walks an acks argument: "ID" or "ID..ID", one space between.  Returns false at the end; *bad is set to true if
//  the rest is malformed, else to false.  *cursor starts at 0.  Ids are 1..2^64-1 and first <= last: a range may be as
//  large as that, so don't count through it.
bool zb_acks_next (zb_frame_t acks, size_t *cursor, uint64_t *first, uint64_t *last, bool *bad);
//  Takes the ids of an acks argument ("ID" or "ID..ID", one space between) in place of what was there, as they are named;
//  false if they are malformed.
bool zb_spans_parse (zb_spans_t *self, zb_frame_t acks);
//  Adds ids behind what is there.  Those that go on where the last ones end are joined with these.
void zb_spans_add (zb_spans_t *self, uint64_t first, uint64_t last);
//  Sorts spans by their first id; they may overlap.
void zb_spans_sort (zb_span_t *span, size_t spans);
//  Joins spans in their place; returns how many are left.
size_t zb_spans_join (zb_span_t *span, size_t spans);
//  Frees its memory.
void zb_spans_clear (zb_spans_t *self);
//  Writes them as in an ACK's argument, with no zero at the end; returns the text's length, at most ZB_SPAN_TEXT for each.
#define ZB_SPAN_TEXT 43
size_t zb_spans_format (const zb_span_t *span, size_t spans, char *text);
//  The rest is about joined spans.  How many ids these are; UINT64_MAX if more.
uint64_t zb_spans_ids (const zb_span_t *span, size_t spans);
//  Whether the id is among them.
bool zb_spans_have (const zb_span_t *span, size_t spans, uint64_t id);
//  Index of the first span that ends at this id or behind it; `spans` if there is none.
size_t zb_spans_find (const zb_span_t *span, size_t spans, uint64_t id);

#endif
