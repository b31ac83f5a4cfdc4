/*  =========================================================================
    bench_failover - how long clients wait when a broker goes, or hands over

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A pair of its own, a producer and a consumer that follow it through libzbroker,
    and the active broker is killed, stopped, or told to hand over, or the passive one
    killed, again and again.  What is measured is what the client sees: the longest time
    between two OKs up to the first one of the other broker, or, when the passive one
    is killed, the first `solo`.
*/

#ifndef BENCH_FAILOVER_H_INCLUDED
#define BENCH_FAILOVER_H_INCLUDED

#include "tools/tool.h"

//  Options of `zbroker bench --failover`; the command has --body, --rate, --window, --backlog and --json,
//  too.
#define BENCH_FAILOVER_OPTIONS                                                                     \
    {"failover", NULL, "how long do clients wait when a broker goes?"},                            \
        {"kills", "N", "failover: kill -9 the active broker so often (default: 50)"},              \
        {"passive-kills", "N", "failover: kill -9 the passive broker so often (default: 50)"},     \
        {"stops", "N", "failover: SIGSTOP the active broker so often (default: 50)"},              \
        {"switchovers", "N", "failover: have the active broker hand over so often (default: 50)"}, \
    {                                                                                              \
        "rest", "S", "failover: wait so long before each of them (default: 0)"                     \
    }

//  Runs it and prints the distribution.  Returns an exit code: TOOL_FAILED if a client saw an error, or a message was
//  lost, came twice or out of order.
int bench_failover (tool_t *tool);

#endif
