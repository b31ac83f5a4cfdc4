/*  =========================================================================
    bench_load - clients that load a broker, and what they saw

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Plain ZB1 clients, one DEALER each, all served by the calling thread, so that
    the load leaves as much of the machine to the brokers as it can.  A body is
    sent without being copied.  Clients do not follow a failover: if the broker
    stops serving, the load ends with an error.

    At a rate, each PUT has a time at which it is meant to be sent, and its latency
    counts from that time, however late it was sent: a broker that stalls is
    charged with all the PUTs that would have come meanwhile.
*/

#ifndef BENCH_LOAD_H_INCLUDED
#define BENCH_LOAD_H_INCLUDED

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/auth/keys.h"
#include "tools/bench/histogram.h"

#define BENCH_STAMP 8 //  bytes at the start of a body that carry a time; shorter ones carry none

typedef struct bench_result bench_result_t;

//  What is to be done.
typedef struct {
    const char *endpoint; //  of the broker that is active
    const zb_keys_t *keys; //  whose clients these are; NULL without keys
    const char *queue;    //  the queues are QUEUE-0, QUEUE-1 ...; they exist
    size_t queues;
    bool topic;        //  all is put into the topic QUEUE, and each subscription QUEUE/0, QUEUE/1 ... gets all
    size_t body;       //  bytes
    size_t batch;      //  bodies of a PUT
    size_t window;     //  PUTs in flight, of each producer
    size_t producers;  //  0: nothing is put
    size_t consumers;  //  0: nothing is taken
    size_t gets;       //  GETs in flight, of each consumer and queue
    size_t take;       //  bodies that a GET asks for
    size_t idle;       //  clients that say HELLO and then nothing until the load is over, when each asks once
    bool steady;       //  consumers take no more than is put meanwhile: what was in the queues before stays as much
    bool named;        //  producers give a name, so that the broker looks for duplicates
    uint64_t messages; //  to be put; without producers: to be taken
    int64_t duration;  //  ns in which to put, if messages is 0
    double rate;       //  messages/s of all producers; 0: as fast as possible
    //  Called a few times a second with the result so far.
    void (*progress) (const bench_result_t *result);
} bench_load_t;

//  What came of it.  Times are ns.
struct bench_result {
    uint64_t sent;        //  messages
    uint64_t stored;      //  whose PUT was answered OK
    uint64_t both;        //  of these with the level `both`
    uint64_t taken;       //  delivered
    uint64_t again;       //  of these not for the first time
    uint64_t acked;       //  whose acknowledgement was answered OK
    int64_t elapsed;      //  from the first request to the last answer
    int64_t put_elapsed;  //  to the last OK to a PUT
    histogram_t confirm;  //  PUTs: until OK
    histogram_t delivery; //  messages: from PUT to the consumer
    char error[300];      //  "" if all went well
};

//  Carries out the load; it is done when all that was put is stored and, with consumers, acknowledged.  Returns 0, or -1
//  and an error in the result.
int bench_load (const bench_load_t *load, bench_result_t *result);

//  Monotonic time in ns.
int64_t bench_now (void);

#endif
