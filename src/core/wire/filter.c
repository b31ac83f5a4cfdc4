/*  =========================================================================
    filter - which messages of a topic a subscription takes, by their subject

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include "core/wire/filter.h"
#include "core/wire/wire.h"

static const char s_wrong[] =
    "a filter is patterns with one space between, each of words with dots between: '*' is one "
    "word, '>' at the end one or more";

//  Whether each word is a name, "*", or at the end ">".
static bool s_is_pattern (zb_frame_t pattern)
{
    for (size_t at = 0; at <= pattern.size;) {
        size_t end = zb_frame_find (pattern, at, '.');
        zb_frame_t word = zb_frame_part (pattern, at, end);
        bool rest = zb_frame_is (word, ">");
        bool star = zb_frame_find (word, 0, '*') < word.size || zb_frame_find (word, 0, '>') < word.size;
        if (word.size == 0 || (rest && end < pattern.size) || (star && !rest && !zb_frame_is (word, "*")))
            return false;
        at = end + 1;
    }
    return pattern.size > 0;
}

const char *zb_filter_check (zb_frame_t filter)
{
    if (filter.size > ZB_FILTER_MAX)
        return "a filter has at most 255 bytes";
    for (size_t at = 0; at <= filter.size;) {
        size_t end = zb_frame_find (filter, at, ' ');
        if (!s_is_pattern (zb_frame_part (filter, at, end)))
            return s_wrong;
        at = end + 1;
    }
    return NULL;
}
_Static_assert(ZB_FILTER_MAX == 255, "as the text says");

static bool s_fits (zb_frame_t pattern, zb_frame_t subject)
{
    for (size_t at = 0, have = 0;;) {
        size_t end = zb_frame_find (pattern, at, '.'), stop = zb_frame_find (subject, have, '.');
        zb_frame_t want = zb_frame_part (pattern, at, end);
        if (zb_frame_is (want, ">"))
            return true;
        if (!zb_frame_is (want, "*") && !zb_frame_eq (want, zb_frame_part (subject, have, stop)))
            return false;
        if (end == pattern.size || stop == subject.size)
            return end == pattern.size && stop == subject.size;
        at = end + 1;
        have = stop + 1;
    }
}

bool zb_filter_takes (zb_frame_t filter, zb_frame_t properties)
{
    zb_frame_t name, subject = {NULL, 0};
    size_t cursor = 0;
    bool found = filter.size == 0;
    while (!found && zb_lines_next (properties, &cursor, &name, &subject))
        found = zb_frame_is (name, "subject");
    if (filter.size == 0 || !found || subject.size == 0)
        return filter.size == 0;
    for (size_t at = 0; at <= filter.size;) {
        size_t end = zb_frame_find (filter, at, ' ');
        if (s_fits (zb_frame_part (filter, at, end), subject))
            return true;
        at = end + 1;
    }
    return false;
}

//  Each pattern may be compared with all of a subject that is as long as the properties.
size_t zb_filter_work (zb_frame_t filter, zb_frame_t properties)
{
    return filter.size ? (filter.size / 8 + 1) * (properties.size / 256 + 1) : 0;
}
