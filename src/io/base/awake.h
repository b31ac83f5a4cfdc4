/*  =========================================================================
    awake - a thread that looks again for a while before it sleeps

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    To wake a thread takes tens of microseconds where the processor has gone to sleep with it, and longest on a virtual
    machine.  A message on its way over two brokers pays that several times.  So a thread whose last waits were short
    looks again and again before it sleeps.  It gives way each time, and when others have used the processor meanwhile,
    it is wanted: then the thread sleeps as usual for a while.  (Linux does the same for virtual machines: cpuidle_haltpoll.)

    One value for each thread; all zero at first.
*/

#ifndef ZB_AWAKE_H_INCLUDED
#define ZB_AWAKE_H_INCLUDED

#include <stdbool.h>
#include <stdint.h>

#include <czmq.h>

#define ZB_AWAKE_LONGEST 200 //  us for which it looks; a longer wait was long
#define ZB_AWAKE_SHARED 100  //  us after which giving way has let others run
#define ZB_AWAKE_RESTS 50000 //  us for which it does not look then
#define ZB_AWAKE_CREDIT 8    //  what short waits may be ahead of long ones
#define ZB_AWAKE_COST 2      //  short waits that a long one takes back; with no more it sleeps

typedef struct {
    unsigned credit; //  short waits ahead of long ones
    int64_t rests;   //  us of the monotonic clock: it does not look before
} zb_awake_t;

//  Waits as zmq_poll(3) does, and returns what that returns.
int zb_awake_poll (zb_awake_t *self, zmq_pollitem_t *items, int count, long timeout);

//  The rule.  Whether the next wait begins with looking; `now` in us.
bool zb_awake_looks (const zb_awake_t *self, int64_t now);
//  A wait took so long, us, asleep or not.
void zb_awake_waited (zb_awake_t *self, int64_t took);
//  It gave way at `before`, and had the processor again at `now`, us.  Returns whether others have run, and it is to sleep.
bool zb_awake_gave_way (zb_awake_t *self, int64_t before, int64_t now);

#endif
