/*  =========================================================================
    bench_cost - what a load costs the brokers: CPU, memory, log

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Looked up from outside, in /proc and in the stores' folders, so that it costs the
    brokers nothing.
*/

#ifndef BENCH_COST_H_INCLUDED
#define BENCH_COST_H_INCLUDED

#include "tools/pair.h"

typedef struct {
    double cpu;     //  seconds since the process began
    double rss;     //  bytes of memory now
    double hwm;     //  bytes of memory at the most
    double log;     //  bytes of Berkeley DB's log since the store began
    double written; //  bytes that went to the disk, log and tables
} bench_cost_t;

//  The costs of one broker of the pair until now; what can't be found is 0.
bench_cost_t bench_cost (const pair_t *pair, size_t index);

#endif
