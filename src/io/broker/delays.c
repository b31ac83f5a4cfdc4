/*  =========================================================================
    delays - how long something takes, counted by bounds

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>

#include "io/broker/delays.h"

static const uint64_t s_bounds[ZB_DELAYS] = {500,    1000,   2500,   5000,    10000,   25000,   50000,
                                             100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000};

uint64_t zb_delays_bound (size_t index)
{
    assert (index < ZB_DELAYS);
    return s_bounds[index];
}

void zb_delays_add (zb_delays_t *self, int64_t microseconds)
{
    uint64_t took = microseconds > 0 ? (uint64_t) microseconds : 0;
    size_t index = 0;
    while (index < ZB_DELAYS && took > s_bounds[index])
        index++;
    self->count[index]++;
    self->sum += took;
}
