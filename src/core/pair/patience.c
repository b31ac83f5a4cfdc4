/*  =========================================================================
    patience - how long the peer may be silent until it is taken for gone

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <string.h>

#include "core/pair/patience.h"

static int64_t s_max (int64_t one, int64_t other)
{
    return one > other ? one : other;
}

void zb_patience_init (zb_patience_t *self, int64_t limit)
{
    memset (self, 0, sizeof *self);
    self->first = self->least = self->most = self->limit = self->told = limit;
}

void zb_patience_adapt (zb_patience_t *self, int64_t heartbeat, int64_t learn)
{
    int64_t least = ZB_PATIENCE_LEAST * heartbeat;
    self->least = least < self->first ? least : self->first;
    self->most = ZB_PATIENCE_MOST * self->first;
    self->learn = learn;
}

static bool s_is_fixed (const zb_patience_t *self)
{
    return self->least == self->most;
}

//  What is older than all slots is forgotten.
static void s_turn_slots (zb_patience_t *self, int64_t now)
{
    if (now - self->slot_ms >= ZB_PATIENCE_SLOTS * ZB_PATIENCE_SLOT) {
        memset (self->need, 0, sizeof self->need);
        self->slot_ms = now;
    }
    while (now - self->slot_ms >= ZB_PATIENCE_SLOT) {
        self->slot = (self->slot + 1) % ZB_PATIENCE_SLOTS;
        self->need[self->slot] = 0;
        self->slot_ms += ZB_PATIENCE_SLOT;
    }
}

void zb_patience_heard (zb_patience_t *self, int64_t gap, int64_t age, int64_t now)
{
    if (s_is_fixed (self))
        return;
    s_turn_slots (self, now);
    //  Silence beyond all limits is no link's: the peer was stopped or cut off.
    if (gap > self->most) {
        zb_patience_anew (self, now);
        return;
    }
    if (self->since_ms == 0)
        self->since_ms = now;
    int64_t need = gap * 5 / 2;
    if (age <= self->most)
        need = s_max (need, age * 5 / 4);
    self->need[self->slot] = s_max (self->need[self->slot], need);
}

void zb_patience_anew (zb_patience_t *self, int64_t now)
{
    self->since_ms = now;
    if (self->limit < self->first)
        self->limit = self->first;
    if (self->told < self->first) {
        self->told = self->first;
        self->told_ms = 0;
    }
}

//  What the limit should be now.
static int64_t s_wanted (const zb_patience_t *self, bool named, int64_t now)
{
    bool learned = self->since_ms && now - self->since_ms >= self->learn;
    int64_t wanted = named && learned ? self->least : self->first;
    for (size_t slot = 0; slot < ZB_PATIENCE_SLOTS; slot++)
        wanted = s_max (wanted, self->need[slot]);
    return wanted < self->most ? wanted : self->most;
}

void zb_patience_look (zb_patience_t *self, int64_t echoed, bool named, int64_t now)
{
    if (s_is_fixed (self))
        return;
    s_turn_slots (self, now);
    if (self->told < self->limit && self->told_ms == 0)
        self->told_ms = now;
    else if (self->told < self->limit && echoed > self->told_ms)
        self->limit = self->told;
    int64_t wanted = s_wanted (self, named, now);
    if (wanted >= self->limit) {
        self->limit = self->told = wanted;
        self->told_ms = 0;
    }
    else if (self->told == self->limit) {
        self->told = wanted;
        self->told_ms = 0;
    }
    else if (wanted > self->told)
        //  The peer may count on no more than that already.
        self->told = wanted;
}
