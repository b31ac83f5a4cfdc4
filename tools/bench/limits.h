/*  =========================================================================
    bench_limits - what the machine itself can do with the same bytes

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    relay     the frames of the same PUTs from one client to another through a
              ROUTER in a process between them, over TCP; with keys it has CURVE, too
    commits   one row with the bodies of one PUT in a transaction, synced to disk
              by two nodes: the broker's own store, without a broker, in two
              processes
    syncs     as many bytes as a PUT has appended to a file, and fdatasync

    Nothing that a broker does beside this is in it, so a broker can't be faster with
    the same commits; it can where it puts several PUTs into one, see `grouped`.
*/

#ifndef BENCH_LIMITS_H_INCLUDED
#define BENCH_LIMITS_H_INCLUDED

#include <stdbool.h>
#include <stddef.h>

#include "tools/bench/histogram.h"
#include "tools/tool.h"

typedef struct bench_limits bench_limits_t;

typedef struct {
    double relay;       //  messages/s with the load's windows
    histogram_t trip;   //  ns: one PUT at a time, through the relay to the other client
    double commits;     //  messages/s: a commit for each PUT, as many under way as a broker has
    double grouped;     //  messages/s: a commit for as many PUTs as are in flight, up to a broker's bounds
    size_t group;       //  messages in such a commit
    histogram_t commit; //  ns: one at a time, until it is synced on both nodes
    double syncs;       //  1/s
} bench_limit_t;

//  Starts the two other processes; they wait.  To be called while this process has no thread and no socket.  NULL after
//  it has printed what is wrong.
bench_limits_t *bench_limits_new (const tool_t *tool, const char *folder, bool keyed);
void bench_limits_destroy (bench_limits_t **self_p);

//  Measures, for PUTs of `batch` bodies, `window` of them in flight; takes a few seconds.  Once for each object.
//  Returns an exit code, after it has printed what is wrong.
int bench_limits_measure (bench_limits_t *self, size_t body, size_t batch, size_t window, bench_limit_t *limit);

#endif
