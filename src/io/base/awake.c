/*  =========================================================================
    awake - a thread that looks again for a while before it sleeps

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <sched.h>

#include "io/base/awake.h"

bool zb_awake_looks (const zb_awake_t *self, int64_t now)
{
    return self->credit > ZB_AWAKE_COST && now >= self->rests;
}

void zb_awake_waited (zb_awake_t *self, int64_t took)
{
    if (took > ZB_AWAKE_LONGEST)
        self->credit -= self->credit < ZB_AWAKE_COST ? self->credit : ZB_AWAKE_COST;
    else if (self->credit < ZB_AWAKE_CREDIT)
        self->credit++;
}

bool zb_awake_gave_way (zb_awake_t *self, int64_t before, int64_t now)
{
    if (now - before < ZB_AWAKE_SHARED)
        return false;
    self->rests = now + ZB_AWAKE_RESTS;
    return true;
}

//  Looks until something is there, it took long enough, or the processor is wanted.  Returns what zmq_poll does.
static int s_look (zb_awake_t *self, zmq_pollitem_t *items, int count, int64_t start)
{
    int64_t now = start;
    do {
        int rc = zmq_poll (items, count, 0);
        if (rc)
            return rc;
        int64_t before = zclock_usecs ();
        sched_yield ();
        now = zclock_usecs ();
        if (zb_awake_gave_way (self, before, now))
            break;
    } while (now - start < ZB_AWAKE_LONGEST);
    return 0;
}

int zb_awake_poll (zb_awake_t *self, zmq_pollitem_t *items, int count, long timeout)
{
    int64_t start = zclock_usecs ();
    int rc = timeout && zb_awake_looks (self, start) ? s_look (self, items, count, start) : 0;
    if (rc == 0)
        rc = zmq_poll (items, count, timeout);
    if (timeout)
        zb_awake_waited (self, zclock_usecs () - start);
    return rc;
}
