/*  =========================================================================
    spans - ranges of message ids, sorted

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A client may name an id as often as it likes, in ranges of any size and in any
    order.  As spans each id is there once.
*/

#ifndef ZB_SPANS_H_INCLUDED
#define ZB_SPANS_H_INCLUDED

#include "core/wire.h"

//  Ids from the first to the last.
typedef struct {
    uint64_t first;
    uint64_t last;
} zb_span_t;

//  All zero: none.
typedef struct {
    zb_span_t *span; //  ascending, with a gap between two
    size_t size;
    size_t room;
} zb_spans_t;

//  Takes what acks name, which zb_wire_parse has accepted, in place of what was there.
void zb_spans_read (zb_spans_t *self, zb_frame_t acks);
//  Frees its memory.
void zb_spans_clear (zb_spans_t *self);
//  Writes them as in an ACK's argument, with no zero at the end; returns the text's length, at most ZB_SPAN_TEXT for each.
#define ZB_SPAN_TEXT 43
size_t zb_spans_format (const zb_span_t *span, size_t spans, char *text);
//  How many ids these are; UINT64_MAX if more.
uint64_t zb_spans_ids (const zb_span_t *span, size_t spans);
//  Index of the first span that ends at this id or behind it; `spans` if there is none.
size_t zb_spans_find (const zb_span_t *span, size_t spans, uint64_t id);

#endif
