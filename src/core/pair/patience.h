/*  =========================================================================
    patience - how long the peer may be silent until it is taken for gone

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A limit that is fixed, or one that learns what the link to the peer, and the turns of
    this process, have shown: two and a half times the longest gap between heartbeats, and
    five quarters of the greatest age of an echo, in the last five minutes.  It is never
    below three heartbeats and never above four times the value that it begins with.

    It begins anew with each connection, state and stop; it grows at once, and falls below
    the value that it begins with when the peer was heard for `learn` without a break.
    What was bad stays known for its five minutes: a link does not become good by a
    takeover.

    The peer draws conclusions from this limit: as long as we have heard it less than the
    limit ago, it leads, and what it reads is not old.  So it counts on what our heartbeats
    name (zb_patience_told), and one rule makes that right, whatever is lost, late or stopped:

        the limit in force (zb_patience_limit) is never below one that the peer may count on.

    One that grows is in force before it is named.  One that falls is named first, and in
    force once the peer has echoed a heartbeat that named it.  A peer that names no limit
    (it is of an older version) counts on the value that is configured: towards it the
    limit does not fall below that.

    A plain value, no time but the `now` it is given; all times in ms.
*/

#ifndef ZB_PATIENCE_H_INCLUDED
#define ZB_PATIENCE_H_INCLUDED

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZB_PATIENCE_SLOTS 10
#define ZB_PATIENCE_SLOT 30000  //  ms: what was seen is known for as many slots
#define ZB_PATIENCE_LEARN 10000 //  ms without a break until the limit falls below its first value
#define ZB_PATIENCE_LEAST 3     //  heartbeats
#define ZB_PATIENCE_MOST 4      //  times the first value

typedef struct {
    int64_t first, least, most; //  most == first == least: it is fixed
    int64_t learn;
    int64_t limit;                   //  in force
    int64_t told;                    //  what heartbeats name; below `limit` until the peer knows it
    int64_t told_ms;                 //  all heartbeats that left later name it; 0 = the next ones will
    int64_t since_ms;                //  heard without a break since; 0 = not yet
    int64_t slot_ms;                 //  when the newest slot began
    int64_t need[ZB_PATIENCE_SLOTS]; //  what each slot asks for, a ring
    size_t slot;                     //  the newest
} zb_patience_t;

//  A fixed limit.
void zb_patience_init (zb_patience_t *self, int64_t limit);
//  It learns from now on; that limit is its first value.  `heartbeat`: between two of the peer's.
void zb_patience_adapt (zb_patience_t *self, int64_t heartbeat, int64_t learn);
//  A heartbeat was heard after the peer was silent for `gap`, as this process has listened.  `age` is that of the newest
//  echo until now, 0 if this heartbeat has echoed nothing newer.
void zb_patience_heard (zb_patience_t *self, int64_t gap, int64_t age, int64_t now);
//  What was good may be over: another connection, another state, a stop.
void zb_patience_anew (zb_patience_t *self, int64_t now);
//  Once in each turn, before heartbeats are told what to say.  `echoed`: when the newest of our heartbeats left that the
//  peer has echoed; `named`: the peer's heartbeats name a limit.
void zb_patience_look (zb_patience_t *self, int64_t echoed, bool named, int64_t now);

//  The limit in force; and the one that heartbeats name.
static inline int64_t zb_patience_limit (const zb_patience_t *self)
{
    return self->limit;
}

static inline int64_t zb_patience_told (const zb_patience_t *self)
{
    return self->told;
}

#endif
