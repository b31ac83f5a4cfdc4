/*  =========================================================================
    pace - how fast an active broker may go on while its peer catches up

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A plain value.  A broker alone is faster than the two together, so a peer that was
    away might never catch up.  The pace compares what is stored with what the peer takes,
    period by period.  As long as the peer takes a quarter more than is stored, nothing
    happens.  Else the stream gets four fifths of what the peer takes, until it is level: so
    the gap closes.  The stream keeps a tenth of the rate that it had, and ZB_PACE_LEAST,
    however slow the peer is; if the gap does not close even then, for ten seconds, the stream is let go,
    and a minute passes before the next try.

    All bytes are of the log, which both have alike.
*/

#ifndef ZB_PACE_H_INCLUDED
#define ZB_PACE_H_INCLUDED

#include <stdint.h>

#define ZB_PACE_PERIOD 500   //  ms
#define ZB_PACE_FUTILE 10000 //  ms without a smaller gap until the stream is let go,
#define ZB_PACE_REST 60000   //  and ms until it is slowed down again
#define ZB_PACE_PAUSE 1000   //  ms: the longest time between two commits
#define ZB_PACE_LEAST 65536  //  bytes a second: so little is never held back, the peer catches up beside it
#define ZB_PACE_SAVED 50     //  ms: so much unused time counts for what comes later: nobody turns on the millisecond

//  All zero: the peer does not catch up now, or nothing is known yet.
typedef struct {
    uint64_t rate;  //  bytes that may be stored in a second; 0 = as many as come
    int64_t since;  //  ms: the period began,
    uint64_t gap;   //  the peer lacked so much then,
    uint64_t wrote; //  and so much was stored since
    uint64_t takes; //  bytes that the peer takes in a second, of late
    uint64_t free;  //  bytes that were stored in a second when nothing held the stream back
    int64_t closed; //  ms: the gap has become smaller, or the stream was not held back to the least
    int64_t rest;   //  ms: the peer is too slow, until then nothing is done for it
    int64_t due;    //  microseconds: what was stored is paid for
} zb_pace_t;

//  So many bytes were stored.
void zb_pace_wrote (zb_pace_t *self, uint64_t bytes, int64_t now);
//  The peer lacks so many bytes; to be told often.
void zb_pace_look (zb_pace_t *self, uint64_t gap, int64_t now);
//  When (ms) the next commit is welcome; 0 = at once.
int64_t zb_pace_resume (const zb_pace_t *self);

#endif
