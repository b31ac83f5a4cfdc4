/*  =========================================================================
    histogram - how values are distributed, to within 0.8 %

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <stddef.h>

#include "tools/bench/histogram.h"

#define STEPS ((uint64_t) 1 << HISTOGRAM_BITS)

//  How far values like this one are shifted: those in [STEPS, 2 * STEPS) and below not at all.
static unsigned s_shift (uint64_t value)
{
    unsigned bits = 64 - (unsigned) __builtin_clzll (value | 1);
    return bits > HISTOGRAM_BITS + 1 ? bits - HISTOGRAM_BITS - 1 : 0;
}

//  A shifted value has its upper bit set, so that the last bucket of one shift is followed by the first of the next.
static size_t s_bucket (uint64_t value)
{
    unsigned shift = s_shift (value);
    return (size_t) (shift * STEPS + (value >> shift));
}

//  The largest value of a bucket.
static uint64_t s_upper (size_t bucket)
{
    unsigned shift = bucket < 2 * STEPS ? 0 : (unsigned) (bucket / STEPS) - 1;
    uint64_t first = (bucket - shift * STEPS) << shift;
    return first + (((uint64_t) 1 << shift) - 1);
}

void histogram_record (histogram_t *self, uint64_t value, uint64_t times)
{
    self->bucket[s_bucket (value)] += times;
    self->count += times;
    if (times && value > self->max)
        self->max = value;
}

uint64_t histogram_percentile (const histogram_t *self, double percent)
{
    double wanted = (double) self->count * percent / 100;
    uint64_t rank = (uint64_t) wanted;
    if (rank < 1 || (double) rank < wanted)
        rank++;
    if (rank >= self->count)
        return self->max;
    size_t bucket = 0;
    for (uint64_t seen = self->bucket[0]; seen < rank; seen += self->bucket[bucket])
        bucket++;
    uint64_t upper = s_upper (bucket);
    return upper < self->max ? upper : self->max;
}
