/*  =========================================================================
    dying - messages that have had all their tries

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Where a queue has max-deliveries, the last try without success is a message's end: it goes
    over to a lease of nobody's, which has no end of its own, and from there to the dead letters,
    put there and done here in one commit.  Nobody has asked for that, so nobody is told why it
    can't be done: then all that dies of the queue stays, in nobody's way and nobody's to get, and
    is tried again each second.

    Tries are counted in memory, as resting.c says: a takeover forgets them, and what was dying is
    ready again.  So a message has more tries than its queue says, never fewer.

    A dead letter does not die again: it rests, and comes back.  So does what was dying when the
    option was changed to more tries.

    One row that has to be read, or one target, is waited for at a time, by a session that is nobody's.
    What is done in one go has the bounds of a request.
*/

#include <assert.h>

#include "core/engine/engine_self.h"

#define REASON "max-deliveries"
//  ms until dead letters that could not go anywhere are looked at again,
#define STUCK_STEP 1000
//  and all of them while nothing may be told, or the store has more than enough to do.
#define HELD_STEP 100
//  What a message costs that moves, in visits; and those that a step may always make, so that what was read is of use.
#define MOVE_VISITS 4
#define LEAST_VISITS 64

zb_lease_t *zb_engine_doom (zb_engine_t *self, zb_queue_t *queue)
{
    zb_lease_t *lease = zb_engine_rest_until (self, queue, self->now);
    zb_timer_stop (&self->timers, &lease->timer);
    lease->sum = &queue->dying;
    zb_ring_append (&queue->doomed, &lease->mine);
    if (zb_ring_empty (&queue->dies))
        zb_ring_append (&self->dying.queues, &queue->dies);
    return lease;
}

bool zb_engine_is_undertaker (const zb_engine_t *self, const zb_session_t *session)
{
    return session == self->dying.session;
}

static uint64_t s_sum (const zb_ring_t *queues)
{
    uint64_t sum = 0;
    for (zb_ring_t *link = queues->next; link != queues; link = link->next)
        sum += ZB_ITEM (link, zb_queue_t, dies)->dying;
    return sum;
}

uint64_t zb_engine_dying (const zb_engine_t *self)
{
    return s_sum (&self->dying.queues) + s_sum (&self->dying.stuck);
}

//  ---------------------------------------------------------------------------
//  One queue

//  What is done of a queue in one go.
typedef struct {
    zb_engine_t *engine;
    zb_queue_t *queue;
    zb_frame_t name;    //  where its dead letters go,
    zb_queue_t *target; //  NULL: that is to be made first
    zb_rests_t rests;   //  where those go that don't die
    size_t left;        //  visits,
    size_t bytes;       //  and bytes that may go
    bool stuck;         //  one can't go
} s_step_t;

static void s_spend (s_step_t *step, size_t visits)
{
    step->left -= step->left > visits ? visits : step->left;
}

//  Puts one there, and has it done here.
static void s_move (s_step_t *step, const zb_view_t *view, uint32_t number)
{
    zb_engine_t *self = step->engine;
    const zb_span_t span = {zb_places_id (view->places, number), zb_places_id (view->places, number)};
    size_t size = view->places->place[number].size + zb_places_properties (view->places, number).size;
    uint64_t acked = self->stats.acked;
    if (!step->target)
        step->target = zb_engine_make_dead (self, step->name);
    zb_engine_put_moved (self, step->target, step->queue, view, number, REASON, view->seat[number].tries);
    zb_engine_ack_now (self, step->queue, &span, 1);
    self->stats.acked = acked;
    self->stats.spent++;
    self->must = true;
    step->target->asked = self->epoch;
    zb_engine_touch_queue (self, step->target);
    s_spend (step, MOVE_VISITS);
    step->bytes -= step->bytes > size ? size : step->bytes;
}

//  It has more tries: it rests as after any other, or is ready.
static void s_spare (s_step_t *step, const zb_view_t *view, uint32_t number, const zb_lease_t *lease)
{
    uint64_t id = zb_places_id (view->places, number);
    const zb_whose_t whose = {.lease = lease};
    zb_cursor_hand (&step->queue->cursor, id, id, &whose, zb_engine_rest_after (&step->rests, view->seat[number].tries),
                    &step->left);
}

//  A message that the lease may still cover, of a row that is in memory or gone.  Whether it goes on.
static bool s_one (s_step_t *step, const zb_lease_t *lease, uint64_t id)
{
    const zb_queue_t *queue = step->queue;
    uint32_t number = 0;
    const zb_view_t *view = zb_cursor_find (&queue->cursor, id, &number);
    s_spend (step, 1);
    if (!view || zb_view_lease (view, number) != lease)
        return true;
    bool spent = queue->most_tries && view->seat[number].tries >= queue->most_tries;
    if (!spent || zb_engine_is_dead (zb_places_properties (view->places, number))) {
        s_spare (step, view, number, lease);
        return true;
    }
    const char *why = NULL;
    step->stuck = step->name.size > ZB_NAME_MAX || zb_engine_may_move (step->engine, step->target, 1, &why) != 0;
    if (!step->stuck)
        s_move (step, view, number);
    return !step->stuck;
}

//  What has to be read before this message is known about; NULL if nothing has.
static zb_load_t *s_read (zb_engine_t *self, zb_queue_t *queue, uint64_t id, uint64_t last)
{
    bool told = self->told.queue == queue && id >= self->told.from && id <= self->told.last;
    if (told || zb_cursor_known (&queue->cursor, id))
        return NULL;
    zb_load_t *load = zb_engine_reads (queue);
    return load ? load : zb_engine_load_rows (self, queue, ZB_LOAD_STRAYS, id, last);
}

//  Goes on with a lease, from the first id that has not been looked at; returns what has to be waited for.
static zb_load_t *s_lease (s_step_t *step, zb_lease_t *lease)
{
    zb_load_t *load = NULL;
    bool goes = true;
    //  One more, so that it lives until all of it was looked at.
    zb_lease_hold (lease);
    while (goes && lease->left > 1 && lease->looked < lease->spans) {
        zb_span_t *span = &lease->span[lease->looked];
        goes = step->left > 0 && step->bytes > 0;
        load = goes ? s_read (step->engine, step->queue, span->first, span->last) : NULL;
        goes = goes && !load && s_one (step, lease, span->first);
        if (goes && span->first++ == span->last)
            lease->looked++;
    }
    assert (lease->left == 1 || lease->looked < lease->spans);
    zb_lease_uncover (lease, 1);
    return load;
}

//  Returns what has to be waited for.
static zb_load_t *s_queue (zb_engine_t *self, s_step_t *step)
{
    zb_queue_t *queue = step->queue;
    char text[ZB_DEAD_NAME_MAX];
    step->name = zb_queue_dead (queue, text);
    zb_load_t *load = step->name.size > ZB_NAME_MAX ? NULL : zb_engine_queue (self, step->name, &step->target);
    while (!load && !step->stuck && step->left && step->bytes && !zb_ring_empty (&queue->doomed))
        load = s_lease (step, ZB_ITEM (queue->doomed.next, zb_lease_t, mine));
    zb_engine_serve (self, queue);
    return load;
}

//  ---------------------------------------------------------------------------
//  All queues

static void s_unpin (zb_engine_t *self)
{
    if (!self->dying.pinned)
        return;
    self->dying.pinned->cursor.pins--;
    self->dying.pinned->log.users--;
    self->dying.pinned = NULL;
}

//  Rows of the queue that are in memory stay there until what it waits for has come.
static void s_wait (zb_engine_t *self, zb_queue_t *queue, zb_load_t *load)
{
    if (!self->dying.session)
        self->dying.session = zb_session_new (zb_frame (""));
    self->dying.pinned = queue;
    queue->cursor.pins++;
    queue->log.users++;
    zb_engine_wait (self, self->dying.session, load);
}

//  Goes on with the queue that has waited longest.
static void s_step (zb_engine_t *self)
{
    zb_queue_t *queue = ZB_ITEM (self->dying.queues.next, zb_queue_t, dies);
    size_t budget = zb_engine_budget (self);
    budget = budget > LEAST_VISITS ? budget : LEAST_VISITS;
    s_step_t step = {.engine = self,
                     .queue = queue,
                     .rests = {.engine = self, .queue = queue},
                     .left = budget,
                     .bytes = self->limits.batch};
    zb_load_t *load = s_queue (self, &step);
    zb_engine_visited (self, budget - step.left + 1);
    s_unpin (self);
    if (load) {
        s_wait (self, queue, load);
        return;
    }
    zb_ring_remove (&queue->dies);
    if (zb_ring_empty (&queue->doomed))
        return;
    queue->dies_at = self->now + STUCK_STEP;
    zb_ring_append (step.stuck ? &self->dying.stuck : &self->dying.queues, &queue->dies);
}

//  When the first of those that are stuck is looked at again.
static int64_t s_next (const zb_engine_t *self)
{
    return zb_ring_empty (&self->dying.stuck) ? INT64_MAX : ZB_ITEM (self->dying.stuck.next, zb_queue_t, dies)->dies_at;
}

int64_t zb_engine_die (zb_engine_t *self)
{
    zb_dying_t *dying = &self->dying;
    for (; s_next (self) <= self->now && zb_engine_budget (self); zb_engine_visited (self, 1)) {
        zb_ring_t *link = zb_ring_pop (&dying->stuck);
        zb_ring_append (&dying->queues, link);
    }
    bool waits = dying->session && dying->session->load;
    if (waits)
        return INT64_MAX;
    //  What was waited for was of a queue that is gone.
    if (zb_ring_empty (&dying->queues)) {
        s_unpin (self);
        return s_next (self);
    }
    if (!zb_engine_may (self, 0) || self->waiting > self->limits.waiting / 2)
        return self->now + HELD_STEP;
    //  What was waited for is of use at once.
    for (bool goes = dying->pinned || zb_engine_budget (self); goes;) {
        s_step (self);
        waits = dying->session && dying->session->load;
        goes = !waits && !zb_ring_empty (&dying->queues) && self->visited < ZB_TURN_VISITS / 2;
    }
    return waits ? INT64_MAX : zb_ring_empty (&dying->queues) ? s_next (self) : self->now;
}

void zb_engine_stop_dying (zb_engine_t *self)
{
    zb_session_t *session = self->dying.session;
    s_unpin (self);
    if (session && session->load)
        zb_engine_waited (self, session);
    if (session)
        zb_ring_remove (&session->waits);
    zb_session_destroy (&self->dying.session);
}
