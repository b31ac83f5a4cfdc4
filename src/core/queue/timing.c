/*  =========================================================================
    timing - what a PUT's properties say of when its messages are delivered

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include "core/queue/timing.h"

const char *zb_timing_read (zb_timing_t *self, zb_frame_t properties)
{
    size_t cursor = 0;
    zb_frame_t name, value;
    const char *wrong = NULL;
    *self = (zb_timing_t){.told = false};
    while (!wrong && zb_lines_next (properties, &cursor, &name, &value)) {
        if (!zb_frame_is (name, "expires"))
            continue;
        if (self->told)
            wrong = "expires: there are two of them";
        else if (!zb_number_parse (value, ZB_EXPIRES_MOST, &self->expires))
            wrong = "expires is a number of milliseconds of at most 3155760000000, 0 for never";
        self->told = true;
    }
    if (wrong)
        *self = (zb_timing_t){.told = false};
    return wrong;
}
