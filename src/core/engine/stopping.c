/*  =========================================================================
    stopping - this broker leads no more: who waits is told, and all is dropped

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    What is on the disk stays there, and the next leadership reads it.  What is not released
    was not answered: its clients hear PASSIVE, and ask the other broker.
*/

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine/engine_self.h"

static void s_stop_commit (zb_engine_t *self, zb_commit_t *commit, const char *active)
{
    zb_engine_turn_replies (self, &commit->replies, active);
    ZB_RING_EACH (link, after, &commit->gets)
    zb_engine_turn_get (self, ZB_ITEM (link, zb_get_t, turn), active);
    zb_engine_drop_commit (self, &commit);
}

static void s_drop_sessions (zb_engine_t *self, const char *active)
{
    while (!zb_ring_empty (&self->gone_sessions))
        zb_engine_forget_session (self, ZB_ITEM (self->gone_sessions.next, zb_session_t, idle));
    while (!zb_ring_empty (&self->idle_sessions)) {
        zb_session_t *session = ZB_ITEM (self->idle_sessions.next, zb_session_t, idle);
        while (!zb_ring_empty (&session->gets))
            zb_engine_turn_get (self, ZB_ITEM (session->gets.next, zb_get_t, mine), active);
        ZB_RING_EACH (link, after, &session->tasks)
        {
            const zb_task_t *task = ZB_ITEM (link, zb_task_t, ring);
            zb_reply_t *reply = zb_reply_say (&task->request.from, ZB_REPLY_PASSIVE, 0, active);
            zb_engine_give_now (self, &reply);
        }
        zb_engine_forget_session (self, session);
    }
}

static void s_drop_values (zb_engine_t *self)
{
    //  Subscriptions before their topics.
    zb_ring_t *ring[] = {&self->all_queues, &self->gone, &self->all_queues, &self->gone};
    for (size_t index = 0; index < 4; index++)
        ZB_RING_EACH (link, after, ring[index])
        {
            zb_queue_t *queue = ZB_ITEM (link, zb_queue_t, ring);
            if (index < 2 && !queue->topic)
                continue;
            zb_ring_remove (link);
            zb_map_remove (&self->queues, &queue->entry);
            zb_ring_remove (&queue->touched);
            zb_ring_remove (&queue->strays);
            zb_ring_remove (&queue->rest);
            zb_ring_remove (&queue->filtered);
            zb_ring_remove (&queue->retaining);
            zb_ring_remove (&queue->sifts);
            zb_ring_remove (&queue->dies);
            zb_ring_remove (&queue->over);
            zb_engine_forget_seen (self, queue);
            zb_timer_stop (&self->timers, &queue->lane.timer);
            zb_timer_stop (&self->timers, &queue->disuse);
            zb_timer_stop (&self->timers, &queue->hold.timer);
            queue->cursor.load = NULL;
            zb_queue_destroy (&queue);
        }
    for (zb_ring_t *link = zb_ring_pop (&self->idle_producers); link; link = zb_ring_pop (&self->idle_producers)) {
        zb_producer_t *producer = ZB_ITEM (link, zb_producer_t, idle);
        zb_map_remove (&self->producers, &producer->entry);
        zb_ring_remove (&producer->touched);
        zb_producer_destroy (&producer);
    }
    for (zb_ring_t *link = zb_ring_pop (&self->tombs.all); link; link = zb_ring_pop (&self->tombs.all)) {
        zb_tomb_t *tomb = ZB_ITEM (link, zb_tomb_t, ring);
        zb_map_remove (&self->tombs.by_queue, &tomb->entry);
        free (tomb);
    }
}

void zb_engine_stop (zb_engine_t *self, const char *active)
{
    assert (self->leads);
    //  Nothing is delivered from here on.
    self->rule = ZB_RELEASE_HOLD;
    zb_engine_turn_replies (self, &self->withheld, active);
    for (zb_ring_t *link = zb_ring_pop (&self->commits); link; link = zb_ring_pop (&self->commits))
        s_stop_commit (self, ZB_ITEM (link, zb_commit_t, ring), active);
    s_stop_commit (self, self->fill, active);
    self->fill = NULL;
    s_drop_sessions (self, active);
    zb_engine_stop_dying (self);
    zb_engine_stop_disuse (self);
    zb_engine_drop_loads (self);
    s_drop_values (self);
    zb_map_t *map[] = {&self->sessions, &self->names, &self->queues,        &self->producers,
                       &self->loads,    &self->tags,  &self->tombs.by_queue};
    for (size_t index = 0; index < sizeof map / sizeof map[0]; index++) {
        assert (map[index]->count == 0);
        zb_map_clear (map[index]);
    }
    assert (self->roster.count == 0);
    zb_deck_clear (&self->roster);
    assert (self->timers.count == 0 && self->windows == 0 && self->waiting == 0 && self->waits == 0);
    assert (self->under_way == 0);
    zb_timers_clear (&self->timers);
    self->leads = self->booted = self->tombs.reading = self->search.reads = self->starved = self->must = false;
    self->congested = self->census.counting = self->peeking = self->ready_held = false;
    self->journal.clearing = self->journal.rows = self->merge.absorbs = false;
    self->barrier.question = 0;
    memset (self->merge.replay, 0, sizeof self->merge.replay);
    self->merge.progress = NULL;
    self->merge.commit = self->due_commit = 0;
    self->search.size = 0;
    self->lagged_at = 0;
    self->tombs.freed = 0;
    self->tombs.wanted = false;
    self->tombs.budget = self->tombs.budget_at = self->tombs.quiet_at = 0;
    self->search.at = self->marks.at = self->retain.at = 0;
    self->retain.find = (zb_search_t){.size = 0};
    self->token_size = 0;
    self->visited = 0;
}
