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

const char *zb_delay_read (zb_delay_t *self, zb_frame_t properties)
{
    size_t cursor = 0;
    zb_frame_t name, value;
    const char *wrong = NULL;
    *self = (zb_delay_t){.told = false};
    while (!wrong && zb_lines_next (properties, &cursor, &name, &value)) {
        bool delay = zb_frame_is (name, "delay");
        if (!delay && !zb_frame_is (name, "due"))
            continue;
        if (self->told)
            wrong = "delay and due: one of them, and once";
        else if (delay && !zb_number_parse (value, ZB_DELAY_MOST, &self->delay))
            wrong = "delay is a number of milliseconds of at most 3155760000000, 0 for none";
        else if (!delay && (!zb_number_parse (value, ZB_DUE_MOST, &self->due) || self->due == 0))
            wrong = "due is a time in milliseconds since 1970, at most 253402300799999";
        self->told = true;
    }
    if (wrong)
        *self = (zb_delay_t){.told = false};
    return wrong;
}
