/*  =========================================================================
    holding - queues that are one consumer's at a time: mode=exclusive

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    An exclusive queue, or subscription, is held by a session that has a lease of it, or a
    GET that waits; others' GETs wait, first come first served.  It is lost

        by a lease that ends unextended, its connection's end included: at once, with all other
            leases of it, and the session's GETs go behind the others'
        after a lease's time without either
        at the end of a connection that had neither; one with a name has it for the grace, since
            who comes back under its name has it again

    A number (zb-fence) is in each of its messages, by which what a consumer writes to can tell
    the newest from one that has slept.  It rises with each change, so it begins with the epoch:
    no number is given twice, and what is given after a takeover, or by the winner of a split
    when it has met the loser, is larger.  It is in no row.  So it also rises when the epoch does,
    while the holder stays.

    Leases are in memory, so a new leader does not know who works.  The row says whose name it was:
    for a lease's time that name alone may have it.  Who has none is not waited for.
*/

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "core/engine/engine_self.h"

//  What it costs that one is given up, in visits.
#define OVER_VISITS 10

//  The mark of who has no name.
static const uint8_t s_nobody[ZB_MARK_SIZE];

//  What stands for the name of a consumer; zeros if it has none.
static void s_mark (const zb_engine_t *self, const zb_session_t *session, uint8_t mark[ZB_MARK_SIZE])
{
    memset (mark, 0, ZB_MARK_SIZE);
    if (session->name.size)
        crypto_generichash (mark, ZB_MARK_SIZE, (const uint8_t *) session->name.data, session->name.size,
                            self->digest_key, sizeof self->digest_key);
}

static bool s_is_marked (const zb_hold_t *hold)
{
    return memcmp (hold->mark, s_nobody, sizeof hold->mark) != 0;
}

//  Has the queue's row say whose name it is, unless this broker leads no more.
static void s_write (zb_engine_t *self, zb_queue_t *queue, const uint8_t mark[ZB_MARK_SIZE])
{
    if (!self->fill || memcmp (queue->hold.mark, mark, ZB_MARK_SIZE) == 0)
        return;
    memcpy (queue->hold.mark, mark, ZB_MARK_SIZE);
    zb_queue_row_t row = zb_queue_row (queue);
    zb_commit_queue (self->fill, queue->name, &row);
    queue->commit = self->fill->number;
}

static void s_number (zb_engine_t *self, zb_hold_t *hold)
{
    hold->epoch = self->epoch;
    hold->fence = zb_epoch_base (self->epoch, self->node) + ++self->fences;
}

//  The session has it from now on.
static void s_take (zb_engine_t *self, zb_queue_t *queue, zb_session_t *session)
{
    zb_hold_t *hold = &queue->hold;
    uint8_t mark[ZB_MARK_SIZE];
    zb_timer_stop (&self->timers, &hold->timer);
    zb_ring_remove (&hold->mine);
    zb_ring_append (&session->holds, &hold->mine);
    hold->session = session;
    //  Nobody else had it meanwhile.
    if (hold->ousted == session->number)
        hold->ousted = 0;
    s_number (self, hold);
    s_mark (self, session, mark);
    s_write (self, queue, mark);
}

//  Nobody has it until then; without a time it is the next one's at once.
static void s_lose (zb_engine_t *self, zb_queue_t *queue, int64_t until)
{
    zb_hold_t *hold = &queue->hold;
    zb_ring_remove (&hold->mine);
    hold->session = NULL;
    zb_timer_stop (&self->timers, &hold->timer);
    hold->timer.kind = ZB_TIMER_HOLD;
    if (until)
        zb_timer_set (&self->timers, &hold->timer, until);
    else
        s_write (self, queue, s_nobody);
}

//  What the row of another lead says is looked at once.
static void s_begin (zb_engine_t *self, zb_queue_t *queue)
{
    zb_hold_t *hold = &queue->hold;
    int64_t until = self->started + zb_engine_lease (self, queue);
    if (!hold->known && !hold->session && s_is_marked (hold))
        s_lose (self, queue, until > self->now ? until : 0);
    hold->known = true;
}

//  Whether the session may have what is kept for a name, or is held by another session of its name, which is over.
static bool s_is_kept_for (const zb_engine_t *self, const zb_hold_t *hold, const zb_session_t *session)
{
    uint8_t mark[ZB_MARK_SIZE];
    if (session->name.size == 0)
        return false;
    if (hold->session)
        return hold->session != session && zb_frame_eq (hold->session->name, session->name);
    s_mark (self, session, mark);
    return memcmp (mark, hold->mark, sizeof mark) == 0;
}

void zb_engine_claim (zb_engine_t *self, zb_queue_t *queue, zb_session_t *session)
{
    zb_hold_t *hold = &queue->hold;
    s_begin (self, queue);
    if (!hold->session && !hold->timer.place)
        session = ZB_ITEM (queue->parked.next, zb_get_t, turn)->session;
    else if (!s_is_kept_for (self, hold, session))
        return;
    s_take (self, queue, session);
}

bool zb_engine_elect (zb_engine_t *self, zb_queue_t *queue)
{
    zb_hold_t *hold = &queue->hold;
    s_begin (self, queue);
    if (!hold->session && !hold->timer.place)
        s_take (self, queue, ZB_ITEM (queue->parked.next, zb_get_t, turn)->session);
    if (!hold->session || !hold->ousted)
        return true;
    while (!zb_ring_empty (&queue->lent)) {
        if (zb_engine_budget (self) == 0)
            return false;
        zb_engine_tried (self, ZB_ITEM (queue->lent.next, zb_lease_t, lent));
    }
    hold->ousted = 0;
    return true;
}

zb_get_t *zb_engine_first_get (zb_engine_t *self, zb_queue_t *queue)
{
    const zb_session_t *session = queue->hold.session;
    if (queue->mode != ZB_MODE_EXCLUSIVE)
        return ZB_ITEM (queue->parked.next, zb_get_t, turn);
    for (zb_ring_t *link = session ? session->gets.next : NULL; link && link != &session->gets; link = link->next) {
        zb_get_t *get = ZB_ITEM (link, zb_get_t, mine);
        zb_engine_visited (self, 1);
        if (get->queue == queue && get->parked)
            return get;
    }
    return NULL;
}

void zb_engine_watch_hold (zb_engine_t *self, zb_queue_t *queue)
{
    zb_hold_t *hold = &queue->hold;
    const zb_session_t *session = hold->session;
    if (!session)
        return;
    bool busy = !zb_ring_empty (&queue->lent);
    for (zb_ring_t *link = session->gets.next; !busy && link != &session->gets; link = link->next) {
        busy = ZB_ITEM (link, zb_get_t, mine)->queue == queue;
        zb_engine_visited (self, 1);
    }
    hold->timer.kind = ZB_TIMER_HOLD;
    if (busy)
        zb_timer_stop (&self->timers, &hold->timer);
    else if (!hold->timer.place)
        zb_timer_set (&self->timers, &hold->timer, self->now + zb_engine_lease (self, queue));
}

uint64_t zb_engine_lend (zb_engine_t *self, zb_queue_t *queue, zb_lease_t *lease)
{
    zb_ring_append (&queue->lent, &lease->lent);
    if (queue->hold.epoch != self->epoch)
        s_number (self, &queue->hold);
    return queue->hold.fence;
}

bool zb_engine_lease_holds (const zb_lease_t *lease)
{
    return lease->queue->mode == ZB_MODE_EXCLUSIVE && lease->session && lease->queue->hold.session == lease->session;
}

void zb_engine_oust (zb_engine_t *self, zb_queue_t *queue)
{
    zb_session_t *session = queue->hold.session;
    ZB_RING_EACH (link, after, &session->gets)
    {
        zb_get_t *get = ZB_ITEM (link, zb_get_t, mine);
        zb_engine_visited (self, 1);
        if (get->queue != queue || !get->parked)
            continue;
        zb_ring_remove (&get->turn);
        zb_ring_append (&queue->parked, &get->turn);
    }
    queue->hold.ousted = session->number;
    s_lose (self, queue, 0);
}

void zb_engine_hold_over (zb_engine_t *self, zb_queue_t *queue)
{
    //  What it has asked for since then may wait for a commit.
    zb_engine_watch_hold (self, queue);
    zb_engine_visited (self, OVER_VISITS);
    if (queue->hold.session && !queue->hold.timer.place)
        return;
    s_lose (self, queue, 0);
    zb_engine_serve (self, queue);
}

void zb_engine_let_hold (zb_engine_t *self, zb_session_t *session)
{
    while (!zb_ring_empty (&session->holds)) {
        zb_queue_t *queue = ZB_ITEM (session->holds.next, zb_queue_t, hold.mine);
        int64_t grace = queue->grace ? (int64_t) queue->grace : self->limits.grace;
        //  There may be very many: in the next turns, as many as these take.
        s_lose (self, queue, self->now + (session->name.size ? grace : 0));
    }
}

void zb_engine_stop_hold (zb_engine_t *self, zb_queue_t *queue)
{
    zb_hold_t *hold = &queue->hold;
    zb_ring_remove (&hold->mine);
    zb_timer_stop (&self->timers, &hold->timer);
    hold->session = NULL;
    hold->ousted = 0;
    memset (hold->mark, 0, sizeof hold->mark);
}
