/*  =========================================================================
    filter - which messages of a topic a subscription takes, by their subject

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A subject is words with dots between: the property `subject` of a PUT.  A filter is patterns
    with one space between; it takes a message whose subject fits one of them.  In a pattern
    `*` stands for any one word, and `>`, as its last word, for one or more.  What has no
    subject fits no pattern.  Pure functions of text.
*/

#ifndef ZB_FILTER_H_INCLUDED
#define ZB_FILTER_H_INCLUDED

#include "core/base/frame.h"

//  NULL if it is a filter of at most ZB_FILTER_MAX bytes, else what is wrong.
const char *zb_filter_check (zb_frame_t filter);
//  Whether a valid filter takes a message with these properties, which are valid lines.  An empty filter takes all.
bool zb_filter_takes (zb_frame_t filter, zb_frame_t properties);
//  What that costs, in visits (see limits.h), about.
size_t zb_filter_work (zb_frame_t filter, zb_frame_t properties);

#endif
