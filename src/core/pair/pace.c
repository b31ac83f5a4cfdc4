/*  =========================================================================
    pace - how fast an active broker may go on while its peer catches up

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <stdbool.h>

#include "core/pair/pace.h"

void zb_pace_wrote (zb_pace_t *self, uint64_t bytes, int64_t now)
{
    self->wrote += bytes;
    if (!self->rate)
        return;
    int64_t saved = (now - ZB_PACE_SAVED) * 1000, most = (now + ZB_PACE_PAUSE) * 1000;
    int64_t from = self->due > saved ? self->due : saved;
    uint64_t costs = bytes < UINT64_MAX / 1000000 ? bytes * 1000000 / self->rate : UINT64_MAX;
    self->due = costs < (uint64_t) (most - from) ? from + (int64_t) costs : most;
}

//  In the last period so many bytes a second were stored, and taken by the peer.
static void s_judge (zb_pace_t *self, uint64_t stored, uint64_t taken, int64_t now)
{
    bool paced = self->rate != 0, enough = taken >= stored + stored / 4 || stored < ZB_PACE_LEAST;
    //  A sync or a checkpoint of the peer's takes a period now and then.
    self->takes = self->takes ? (self->takes + taken) / 2 : taken;
    if (!paced) {
        self->free = stored;
        self->closed = now;
    }
    //  Clients send less by themselves.
    if (paced && enough && stored < self->rate / 2)
        self->rate = 0;
    if ((!self->rate && enough) || now < self->rest)
        return;
    uint64_t rate = self->takes / 5 * 4, least = self->free / 10;
    if (least < ZB_PACE_LEAST)
        least = ZB_PACE_LEAST;
    if (rate > least || taken > stored)
        self->closed = now;
    self->rate = rate > least ? rate : least;
    if (now - self->closed >= ZB_PACE_FUTILE) {
        self->rate = 0;
        self->rest = now + ZB_PACE_REST;
    }
}

void zb_pace_look (zb_pace_t *self, uint64_t gap, int64_t now)
{
    int64_t took = now - self->since;
    if (self->since && took < ZB_PACE_PERIOD)
        return;
    if (self->since) {
        uint64_t had = self->gap + self->wrote, taken = had > gap ? had - gap : 0;
        s_judge (self, self->wrote * 1000 / (uint64_t) took, taken * 1000 / (uint64_t) took, now);
    }
    self->since = now;
    self->gap = gap;
    self->wrote = 0;
}

int64_t zb_pace_resume (const zb_pace_t *self)
{
    return self->rate ? self->due / 1000 : 0;
}
