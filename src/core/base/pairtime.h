/*  =========================================================================
    pairtime - the time of a pair: near the wall clock, and never back

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A plain value.  Clocks of two machines differ, and jump.  Up to where the time of the pair
    goes is in the store; who begins to lead goes on from there, so that it never goes
    back, not even when the other broker's clock was a day ahead.  It runs with the leader's
    monotonic clock and is drawn to its wall clock, by at most a tenth of what passes.  Only
    at the beginning of a lead it jumps ahead: nobody knows then for how long nobody has led.
*/

#ifndef ZB_PAIRTIME_H_INCLUDED
#define ZB_PAIRTIME_H_INCLUDED

#include <stdbool.h>
#include <stdint.h>

#define ZB_PAIRTIME_APART 60000 //  ms that the two machines' clocks may differ, until nothing is removed by time;
#define ZB_PAIRTIME_RESTS 60000 //  and ms of a lead in which nothing is
#define ZB_PAIRTIME_MOST 253402300799999 //  the end of the year 9999: no clock that says more is believed

//  All zero: a lead begins.
typedef struct {
    uint64_t time; //  ms since 1970; 0 = not known yet
    int64_t at;    //  monotonic ms: it was so then
    int64_t pull;  //  ms that have passed since it was drawn last, less than ten
    bool runs;     //  `at` is known
} zb_pairtime_t;

//  What the two clocks say, in ms; to be told often.  A wall clock before 1970, or beyond the
//  most, says nothing.
void zb_pairtime_tell (zb_pairtime_t *self, int64_t wall, int64_t now);
//  The store was at this time: it is not earlier here.
void zb_pairtime_keep (zb_pairtime_t *self, uint64_t time);

#endif
