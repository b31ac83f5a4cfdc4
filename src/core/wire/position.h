/*  =========================================================================
    position - where in a log something begins, as clients say it

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#ifndef ZB_POSITION_H_INCLUDED
#define ZB_POSITION_H_INCLUDED

#include "core/base/frame.h"

typedef enum { ZB_AT_NEW, ZB_AT_FIRST, ZB_AT_ID, ZB_AT_TIME } zb_at_t;

typedef struct {
    zb_at_t how;
    uint64_t number; //  ID: behind this one, at least 1.  TIME: with what was put at or after it, ms since 1970
} zb_position_t;

//  Reads "new" (behind all), "first" (with the oldest), a message id, or "@" and a time; false if it is none of them.
bool zb_position_parse (zb_position_t *self, zb_frame_t text);

#endif
