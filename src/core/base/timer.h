/*  =========================================================================
    timer - what happens next, of all that will happen

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A binary heap of timers that lie in the items they belong to: the first one is
    at hand, setting and stopping one costs the logarithm of their number.
*/

#ifndef ZB_TIMER_H_INCLUDED
#define ZB_TIMER_H_INCLUDED

#include <stddef.h>
#include <stdint.h>

//  Part of an item; all zero but `kind` while it is not running.
typedef struct {
    int64_t when;
    size_t place; //  in the heap, counted from 1; 0 = not running
    int kind;     //  the owner's: which type the item has
} zb_timer_t;

typedef struct {
    zb_timer_t **heap; //  heap[0] is not used
    size_t count;
    size_t room;
} zb_timers_t;

void zb_timers_clear (zb_timers_t *self);
//  Starts the timer, or moves it if it runs.
void zb_timer_set (zb_timers_t *self, zb_timer_t *timer, int64_t when);
//  Stops the timer; it need not run.
void zb_timer_stop (zb_timers_t *self, zb_timer_t *timer);
//  The timer that ends first; NULL if none runs.
zb_timer_t *zb_timer_first (const zb_timers_t *self);

#endif
