/*  =========================================================================
    timing - what a PUT's properties say of when its messages are delivered

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A plain value, read from the lines of the properties.  It has a meaning only in a queue for which the
    option `expires` was named: elsewhere a property of this name is the program's own.
*/

#ifndef ZB_TIMING_H_INCLUDED
#define ZB_TIMING_H_INCLUDED

#include "core/wire/wire.h"

typedef struct {
    bool told;        //  the property is there
    uint64_t expires; //  ms after the PUT; 0 = never
} zb_timing_t;

//  When it is due, in a queue for which the option `delay` was named.
typedef struct {
    bool told;      //  one of the two properties is there:
    uint64_t due;   //  ms since 1970, 0 = the other one is,
    uint64_t delay; //  ms after the PUT
} zb_delay_t;

//  Reads the properties, which are well-formed lines.  Returns NULL, or what is wrong, for a client; nothing is told then.
const char *zb_timing_read (zb_timing_t *self, zb_frame_t properties);
const char *zb_delay_read (zb_delay_t *self, zb_frame_t properties);

#endif
