/*  =========================================================================
    lease - messages that were delivered and belong to nobody else for a while

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    One lease covers the messages of one MSG reply, or those that one EXTEND took
    over from older leases.  It lives as long as it covers a message.
*/

#ifndef ZB_LEASE_H_INCLUDED
#define ZB_LEASE_H_INCLUDED

#include "core/base/ring.h"
#include "core/base/spans.h"
#include "core/base/timer.h"

typedef struct zb_lease {
    zb_timer_t timer; //  its end
    zb_timers_t *timers;
    zb_ring_t mine; //  on its session's ring
    zb_ring_t lent; //  on its queue's, if that is no shared one
    struct zb_session *session; //  NULL: nobody's, they come back when it ends
    uint64_t *sum;   //  of its session, or of those of a queue that rest: messages that leases cover; NULL = nobody counts
    struct zb_queue *queue;
    uint64_t number; //  unique in the engine
    uint64_t walk;   //  the newest walk over its session's leases that it was part of
    bool bare; //  it counts its messages, and has no spans and no end: those that wait for their key (core/queue/keyed)
    uint32_t left;   //  messages that it covers
    uint32_t looked; //  of one whose messages die: spans before this one, and ids before it, are done
    uint32_t spans;
    uint32_t room;
    zb_span_t *span; //  ids among which these messages are, in ascending order
} zb_lease_t;

//  A lease that ends at `when` and covers nothing yet.
zb_lease_t *zb_lease_new (zb_timers_t *timers, int kind, int64_t when, uint64_t number);
//  Covers the messages with these ids, all of which are there and no lease covers.
void zb_lease_cover (zb_lease_t *self, uint64_t first, uint64_t last);
//  It counts one message more, that is none, so that it lives until that one is taken off.
void zb_lease_hold (zb_lease_t *self);
//  It covers so many messages less; a lease that covers nothing is freed.
void zb_lease_uncover (zb_lease_t *self, uint32_t messages);
//  Frees a lease that covers nothing.
void zb_lease_destroy (zb_lease_t **self_p);

#endif
