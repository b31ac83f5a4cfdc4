/*  =========================================================================
    timer - what happens next, of all that will happen

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <stdlib.h>

#include "core/base/timer.h"

void zb_timers_clear (zb_timers_t *self)
{
    free (self->heap);
    self->heap = NULL;
    self->count = self->room = 0;
}

static void s_put (zb_timers_t *self, zb_timer_t *timer, size_t place)
{
    self->heap[place] = timer;
    timer->place = place;
}

//  Moves the timer from its place up or down to where it belongs.
static void s_heapify (zb_timers_t *self, zb_timer_t *timer)
{
    size_t place = timer->place;
    while (place > 1 && self->heap[place / 2]->when > timer->when) {
        s_put (self, self->heap[place / 2], place);
        place /= 2;
    }
    for (size_t child = place * 2; child <= self->count; child = place * 2) {
        if (child < self->count && self->heap[child + 1]->when < self->heap[child]->when)
            child++;
        if (self->heap[child]->when >= timer->when)
            break;
        s_put (self, self->heap[child], place);
        place = child;
    }
    s_put (self, timer, place);
}

void zb_timer_set (zb_timers_t *self, zb_timer_t *timer, int64_t when)
{
    if (timer->place == 0) {
        if (self->count + 1 >= self->room) {
            self->room = self->room ? self->room * 2 : 64;
            self->heap = (zb_timer_t **) realloc (self->heap, self->room * sizeof (zb_timer_t *));
            assert (self->heap);
        }
        s_put (self, timer, ++self->count);
    }
    timer->when = when;
    s_heapify (self, timer);
}

void zb_timer_stop (zb_timers_t *self, zb_timer_t *timer)
{
    size_t place = timer->place;
    if (place == 0)
        return;
    assert (self->heap[place] == timer);
    zb_timer_t *last = self->heap[self->count--];
    timer->place = 0;
    if (last != timer) {
        s_put (self, last, place);
        s_heapify (self, last);
    }
}

zb_timer_t *zb_timer_first (const zb_timers_t *self)
{
    return self->count ? self->heap[1] : NULL;
}
