/*  =========================================================================
    frame - borrowed bytes, and decimal numbers in them

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#ifndef ZB_FRAME_H_INCLUDED
#define ZB_FRAME_H_INCLUDED

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

//  Borrowed bytes; never zero-terminated.
typedef struct {
    const void *data;
    size_t size;
} zb_frame_t;

//  Frames from a string; comparison with one.
zb_frame_t zb_frame (const char *text);
//  Copies a frame's bytes to *byte, where there is room for them, and moves it on; returns the copy.
zb_frame_t zb_frame_copy (uint8_t **byte, zb_frame_t frame);
bool zb_frame_is (zb_frame_t frame, const char *text);
bool zb_frame_eq (zb_frame_t one, zb_frame_t other);
//  The bytes from `first` to before `end`.
zb_frame_t zb_frame_part (zb_frame_t frame, size_t first, size_t end);
//  The position of the byte at or after `start`; the frame's size if it is not there.
size_t zb_frame_find (zb_frame_t frame, size_t start, char byte);

//  Decimal text of an unsigned number.  Parse: the whole frame must be digits, no leading zero but "0" itself, at
//  most `max`; returns false otherwise.  Format: writes into text, zero-terminated; returns the length.
bool zb_number_parse (zb_frame_t text, uint64_t max, uint64_t *number);
size_t zb_number_format (uint64_t number, char text[21]);

#endif
