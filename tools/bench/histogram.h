/*  =========================================================================
    histogram - how values are distributed, to within 0.8 %

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Log-linear, as HdrHistogram is: each power of two is cut into 128 buckets of the
    same width, and values below 256 have a bucket each.  Recording is an addition;
    the size is fixed, whatever the values.  A plain value: zeroes are an empty one.
*/

#ifndef HISTOGRAM_H_INCLUDED
#define HISTOGRAM_H_INCLUDED

#include <stdint.h>

#define HISTOGRAM_BITS 7
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS)

typedef struct {
    uint64_t count;
    uint64_t max;
    uint64_t bucket[HISTOGRAM_BUCKETS];
} histogram_t;

//  Counts the value `times` times.
void histogram_record (histogram_t *self, uint64_t value, uint64_t times);
//  The value that `percent` (0 to 100) of all values do not exceed: the upper end of its bucket, and never more than
//  the largest value recorded.  0 if there are none.
uint64_t histogram_percentile (const histogram_t *self, double percent);

#endif
