/*  =========================================================================
    delays - how long something takes, counted by bounds

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A plain value; all zero is empty.
*/

#ifndef ZB_DELAYS_H_INCLUDED
#define ZB_DELAYS_H_INCLUDED

#include <stddef.h>
#include <stdint.h>

#define ZB_DELAYS 14 //  bounds: what takes longer than the last one is in `count` behind them

typedef struct {
    uint64_t count[ZB_DELAYS + 1]; //  each is counted once, at the smallest bound that it does not exceed
    uint64_t sum;                  //  microseconds
} zb_delays_t;

//  The bound with this index, in microseconds; they ascend.
uint64_t zb_delays_bound (size_t index);
void zb_delays_add (zb_delays_t *self, int64_t microseconds);

#endif
