/*  =========================================================================
    lease - messages that were delivered and belong to nobody else for a while

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/queue/lease.h"

zb_lease_t *zb_lease_new (zb_timers_t *timers, int kind, int64_t when, uint64_t number)
{
    zb_lease_t *self = (zb_lease_t *) calloc (1, sizeof (zb_lease_t));
    assert (self);
    zb_ring_init (&self->mine);
    zb_ring_init (&self->lent);
    self->timers = timers;
    self->timer.kind = kind;
    self->number = number;
    zb_timer_set (timers, &self->timer, when);
    return self;
}

void zb_lease_cover (zb_lease_t *self, uint64_t first, uint64_t last)
{
    self->left += (uint32_t) (last - first + 1);
    if (self->sum)
        *self->sum += last - first + 1;
    if (self->bare)
        return;
    //  Mostly ids ascend.
    uint32_t place = self->spans;
    while (place && self->span[place - 1].first > first)
        place--;
    if (place && self->span[place - 1].last + 1 == first) {
        self->span[place - 1].last = last;
        return;
    }
    assert (place == 0 || self->span[place - 1].last < first); //  I2
    if (place < self->spans && self->span[place].first == last + 1) {
        self->span[place].first = first;
        return;
    }
    if (self->spans == self->room) {
        self->room = self->room ? self->room * 2 : 2;
        self->span = (zb_span_t *) realloc (self->span, self->room * sizeof (zb_span_t));
        assert (self->span);
    }
    memmove (self->span + place + 1, self->span + place, (self->spans - place) * sizeof *self->span);
    self->span[place] = (zb_span_t){first, last};
    self->spans++;
}

void zb_lease_hold (zb_lease_t *self)
{
    self->left++;
    if (self->sum)
        ++*self->sum;
}

void zb_lease_uncover (zb_lease_t *self, uint32_t messages)
{
    assert (self->left >= messages);
    self->left -= messages;
    if (self->sum)
        *self->sum -= messages;
    if (self->left == 0)
        zb_lease_destroy (&self);
}

void zb_lease_destroy (zb_lease_t **self_p)
{
    zb_lease_t *self = *self_p;
    if (self) {
        assert (self->left == 0);
        zb_timer_stop (self->timers, &self->timer);
        zb_ring_remove (&self->mine);
        zb_ring_remove (&self->lent);
        free (self->span);
        free (self);
        *self_p = NULL;
    }
}
