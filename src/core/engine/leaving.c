/*  =========================================================================
    leaving - how sessions end by themselves

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A connection ends, and its session with it: nobody sees it any more.  What it holds
    stays its own for the grace of each queue, so that a consumer that comes back finds
    its messages at the head, or acknowledges them, and then goes to others.  The lease
    is the limit for connections whose end nobody tells.
*/

#include <assert.h>

#include "core/engine/engine_self.h"

//  Connections that have ended

void zb_engine_depart (zb_engine_t *self, zb_session_t *session)
{
    assert (session->gone && zb_ring_empty (&session->gets) && zb_ring_empty (&session->tasks));
    session->walk = ++self->next_walk;
    session->timer.kind = ZB_TIMER_SESSION;
    zb_ring_append (&self->departing, &session->waits);
    zb_engine_depart_on (self);
}

//  Leases end when grace is over, if not before.  Each one goes to the end of the session's ring.  Returns whether all are
//  done.
static bool s_shorten (zb_engine_t *self, zb_session_t *session)
{
    while (!zb_ring_empty (&session->leases)) {
        zb_lease_t *lease = ZB_ITEM (session->leases.next, zb_lease_t, mine);
        if (lease->walk == session->walk)
            return true;
        if (zb_engine_budget (self) == 0)
            return false;
        zb_engine_visited (self, 1);
        lease->walk = session->walk;
        zb_ring_remove (&lease->mine);
        zb_ring_append (&session->leases, &lease->mine);
        int64_t end = self->now + (lease->queue->grace ? (int64_t) lease->queue->grace : self->limits.grace);
        if (end < lease->timer.when)
            zb_timer_set (&self->timers, &lease->timer, end);
        if (session->timer.place == 0 || session->timer.when <= lease->timer.when)
            zb_timer_set (&self->timers, &session->timer, lease->timer.when + 1);
    }
    return true;
}

bool zb_engine_depart_on (zb_engine_t *self)
{
    while (!zb_ring_empty (&self->departing)) {
        zb_session_t *session = ZB_ITEM (self->departing.next, zb_session_t, waits);
        if (!s_shorten (self, session))
            return true;
        zb_ring_remove (&session->waits);
        if (zb_ring_empty (&session->leases))
            zb_engine_forget_session (self, session);
    }
    return false;
}

void zb_engine_departed (zb_engine_t *self, zb_session_t *session)
{
    //  Their own timers come before this one, but not all of them in one turn.
    if (zb_ring_empty (&session->leases) && zb_ring_empty (&session->waits))
        zb_engine_forget_session (self, session);
    else
        zb_timer_set (&self->timers, &session->timer, self->now + 1);
}

//  Idle ones

//  Whether nothing of it would be missed.
static bool s_free (const zb_engine_t *self, const zb_session_t *session)
{
    return zb_ring_empty (&session->gets) && zb_ring_empty (&session->tasks) && zb_ring_empty (&session->leases) &&
           self->merge.session != session;
}

//  It counts as having been heard now.
static void s_keep (zb_engine_t *self, zb_session_t *session)
{
    session->heard = self->now;
    zb_ring_remove (&session->idle);
    zb_ring_append (&self->idle_sessions, &session->idle);
}

bool zb_engine_put_out (zb_engine_t *self)
{
    //  Those that are kept are not looked at again soon: where only few can go, the next HELLOs find them.
    for (size_t looked = 0; looked < ZB_STEP_VISITS && looked < self->sessions.count; looked++) {
        zb_session_t *session = ZB_ITEM (self->idle_sessions.next, zb_session_t, idle);
        zb_engine_visited (self, 1);
        if (s_free (self, session)) {
            zb_engine_forget_session (self, session);
            return true;
        }
        s_keep (self, session);
    }
    return false;
}

int64_t zb_engine_end_idle (zb_engine_t *self)
{
    while (!zb_ring_empty (&self->idle_sessions)) {
        zb_session_t *session = ZB_ITEM (self->idle_sessions.next, zb_session_t, idle);
        int64_t end = session->heard + self->limits.session_idle;
        if (end > self->now)
            return end;
        if (zb_engine_budget (self) == 0)
            return self->now;
        zb_engine_visited (self, 1);
        //  Who waits for us, is no less there for saying nothing.
        if (zb_ring_empty (&session->gets) && zb_ring_empty (&session->tasks))
            zb_engine_gone (self, session->routing, self->now);
        else
            s_keep (self, session);
    }
    return INT64_MAX;
}
