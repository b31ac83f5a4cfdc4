/*  =========================================================================
    frame - borrowed bytes, and decimal numbers in them

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <string.h>

#include "core/base/frame.h"

zb_frame_t zb_frame (const char *text)
{
    assert (text);
    return (zb_frame_t){text, strlen (text)};
}

zb_frame_t zb_frame_copy (uint8_t **byte, zb_frame_t frame)
{
    zb_frame_t copy = {*byte, frame.size};
    if (frame.size)
        memcpy (*byte, frame.data, frame.size);
    *byte += frame.size;
    return copy;
}

bool zb_frame_is (zb_frame_t frame, const char *text)
{
    return zb_frame_eq (frame, zb_frame (text));
}

bool zb_frame_eq (zb_frame_t one, zb_frame_t other)
{
    return one.size == other.size && (one.size == 0 || memcmp (one.data, other.data, one.size) == 0);
}

zb_frame_t zb_frame_part (zb_frame_t frame, size_t first, size_t end)
{
    return (zb_frame_t){first ? (const char *) frame.data + first : frame.data, end - first};
}

size_t zb_frame_find (zb_frame_t frame, size_t start, char byte)
{
    if (start >= frame.size)
        return frame.size;
    const char *data = (const char *) frame.data;
    const char *found = (const char *) memchr (data + start, byte, frame.size - start);
    return found ? (size_t) (found - data) : frame.size;
}

//  Numbers

bool zb_number_parse (zb_frame_t text, uint64_t max, uint64_t *number)
{
    assert (number);
    const char *digit = (const char *) text.data;
    if (text.size == 0 || text.size > 20 || (digit[0] == '0' && text.size > 1))
        return false;
    uint64_t value = 0;
    for (size_t index = 0; index < text.size; index++) {
        if (digit[index] < '0' || digit[index] > '9')
            return false;
        unsigned units = (unsigned) (digit[index] - '0');
        if (value > (UINT64_MAX - units) / 10)
            return false;
        value = value * 10 + units;
    }
    if (value > max)
        return false;
    *number = value;
    return true;
}

size_t zb_number_format (uint64_t number, char text[21])
{
    char reversed[20];
    size_t size = 0;
    do {
        reversed[size++] = (char) ('0' + number % 10);
        number /= 10;
    } while (number);
    for (size_t index = 0; index < size; index++)
        text[index] = reversed[size - 1 - index];
    text[size] = 0;
    return size;
}
