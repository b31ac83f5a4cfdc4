/*  =========================================================================
    pairtime - the time of a pair: near the wall clock, and never back

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include "core/base/pairtime.h"

#define DRAW 10 //  it is drawn by one part of so many

void zb_pairtime_tell (zb_pairtime_t *self, int64_t wall, int64_t now)
{
    bool says = wall > 0 && wall <= ZB_PAIRTIME_MOST;
    if (!self->runs) {
        if (says)
            zb_pairtime_keep (self, (uint64_t) wall);
        self->runs = self->time > 0;
        self->at = now;
        return;
    }
    int64_t passed = now > self->at ? now - self->at : 0;
    self->at += passed;
    self->time += (uint64_t) passed;
    self->pull += passed;
    int64_t most = self->pull / DRAW, gap = says ? wall - (int64_t) self->time : 0;
    self->pull %= DRAW;
    self->time += (uint64_t) (gap > most ? most : gap < -most ? -most : gap);
}

void zb_pairtime_keep (zb_pairtime_t *self, uint64_t time)
{
    if (self->time < time)
        self->time = time;
}
