/*  =========================================================================
    lease - messages that were delivered and belong to nobody else for a while

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <stdlib.h>

#include "core/queue/lease.h"

zb_lease_t *zb_lease_new (zb_timers_t *timers, int kind, int64_t when, uint64_t number)
{
    zb_lease_t *self = (zb_lease_t *) calloc (1, sizeof (zb_lease_t));
    assert (self);
    zb_ring_init (&self->mine);
    self->timers = timers;
    self->timer.kind = kind;
    self->number = number;
    zb_timer_set (timers, &self->timer, when);
    return self;
}

void zb_lease_cover (zb_lease_t *self, uint64_t id)
{
    self->left++;
    zb_span_t *newest = self->spans ? &self->span[self->spans - 1] : NULL;
    assert (!newest || id > newest->last);
    if (newest && id == newest->last + 1) {
        newest->last = id;
        return;
    }
    if (self->spans == self->room) {
        self->room = self->room ? self->room * 2 : 2;
        self->span = (zb_span_t *) realloc (self->span, self->room * sizeof (zb_span_t));
        assert (self->span);
    }
    self->span[self->spans++] = (zb_span_t){id, id};
}

void zb_lease_uncover (zb_lease_t *self)
{
    assert (self->left);
    if (--self->left == 0)
        zb_lease_destroy (&self);
}

void zb_lease_destroy (zb_lease_t **self_p)
{
    zb_lease_t *self = *self_p;
    if (self) {
        assert (self->left == 0);
        zb_timer_stop (self->timers, &self->timer);
        zb_ring_remove (&self->mine);
        free (self->span);
        free (self);
        *self_p = NULL;
    }
}
