/*  =========================================================================
    bench_report - the figures of a run, for people and for programs

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#ifndef BENCH_REPORT_H_INCLUDED
#define BENCH_REPORT_H_INCLUDED

#include <stdbool.h>

#include "tools/bench/cost.h"
#include "tools/bench/limits.h"
#include "tools/bench/load.h"

typedef struct {
    const char *mode;
    bool own;     //  the brokers were ours: their costs are known
    bool limited; //  the limits were measured
    bench_load_t load;
    bench_result_t result;
    bench_result_t beside; //  of a topic: the same with queues
    bench_limit_t limit;
    size_t backlog; //  messages that were stored before the load
    //  The brokers' costs at both ends of the load, if they were ours.
    bench_cost_t before[PAIR_SIZE], after[PAIR_SIZE];
} bench_report_t;

//  Prints the figures to standard output.
void bench_report_print (const bench_report_t *self, bool json);
//  Says on a terminal what is going on before and after the load; NULL takes it away.
void bench_report_phase (const char *text);
//  Shows the result so far on one line of the terminal, in the place of the one before; NULL takes it away.
void bench_report_progress (const bench_result_t *result);

#endif
