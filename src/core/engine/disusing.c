/*  =========================================================================
    disusing - queues and subscriptions that nobody uses

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    One with the option unused is deleted when this lead has seen no GET, EXTEND, READ, PEEK, QUEUE
    or SUB of it for so long, nothing of it is leased, and nothing lies in its lane: what is not due yet waits for who comes then.
    When it was used last is in memory alone: an outage, and a takeover, are no disuse.  It is measured by the pair's time, and rests while that
    may be wrong.

    Nobody asked for it, so the journal does not say it: each side of a split decides for itself.  While this
    broker is alone the other side may have clients of what both know, so only what was made since goes.  When it is not any
    more, or what the other side has was replayed, those clients come: all of it counts as used then.

    What is a target of dead letters stays.  Which queues name it only the store knows: one whose
    time is over is deleted when a pass over all queues, begun since, has found none that does; what is named
    meanwhile is told as it is written.  Such a pass also finds those that this lead has not used
    yet, and loads them, some at a time, when their time is over.
*/

#include <assert.h>
#include <string.h>

#include "core/engine/engine_self.h"
#include "core/queue/topic.h"

#define BUSY_STEP 1000    //  ms until one is looked at again that consumers wait for, or have something of,
#define HELD_STEP 10000   //  that may not be deleted now,
#define SPARE_STEP 60000  //  or that is a target of dead letters
#define PASS_PAUSE 1000   //  ms between two passes,
#define PASS_STEP 20      //  between two steps of one,
#define PASS_ROWS 500     //  rows of one step,
#define PASS_BYTES 262144 //  and their bytes, about
#define PASS_LOADS 1000   //  queues that a pass loads,
#define STEP_LOADS 8      //  and one step
#define DELETE_VISITS 64  //  what a deletion costs

//  ms of the pair's time until nobody has used it for too long; 0 = so it is, if that is told of one who was used then.
static uint64_t s_left (const zb_engine_t *self, uint64_t unused, uint64_t used)
{
    uint64_t from = used > self->disuse.began ? used : self->disuse.began, time = self->clock.pair.time;
    uint64_t passed = time > from ? time - from : 0;
    return passed < unused ? unused - passed : 0;
}

//  Whether anything may be deleted now.
static bool s_may_any (const zb_engine_t *self)
{
    return self->booted && self->disuse.began && !zb_engine_rests (self) && zb_engine_may (self, 0);
}

//  Whether a replay has begun and not ended: more of it may come.
static bool s_is_replayed (const zb_engine_t *self)
{
    bool begun = false;
    for (size_t index = 0; index < ZB_REPLAYS; index++)
        begun = begun || self->merge.replay[index].epoch;
    return begun;
}

//  Whether the other side of a split may know it.
static bool s_is_shared (const zb_engine_t *self, const zb_queue_t *queue)
{
    return self->keep == ZB_KEEP_WRITE &&
           (queue->alone == 0 || queue->alone != self->disuse.alone || s_is_replayed (self));
}

//  What waits for its key is leased by nobody.
static bool s_is_leased (const zb_queue_t *queue)
{
    return queue->cursor.leased > zb_cursor_blocked (&queue->cursor);
}

static bool s_may (const zb_engine_t *self, const zb_queue_t *queue)
{
    return s_may_any (self) && !s_is_shared (self, queue) && !s_is_leased (queue) && !queue->cursor.log->inserting;
}

//  ms until it may be deleted, at the earliest, as far as that can be told; 0 = now.
static int64_t s_wait (const zb_engine_t *self, zb_queue_t *queue)
{
    bool kept = queue->waiting || queue->log.laid;
    if (kept)
        zb_engine_used (self, queue);
    uint64_t left = s_left (self, queue->unused, queue->used);
    if (left || kept)
        return kept && left < BUSY_STEP ? BUSY_STEP : (int64_t) left;
    if (s_may (self, queue))
        return 0;
    int64_t rests = self->started + ZB_PAIRTIME_RESTS - self->now;
    return s_is_leased (queue) ? BUSY_STEP : rests > 0 ? rests : HELD_STEP;
}

void zb_engine_used (const zb_engine_t *self, zb_queue_t *queue)
{
    queue->used = self->clock.pair.time;
}

void zb_engine_use_all (zb_engine_t *self)
{
    if (self->disuse.began)
        self->disuse.began = self->clock.pair.time;
}

void zb_engine_watch (zb_engine_t *self, zb_queue_t *queue)
{
    zb_ring_remove (&queue->over);
    if (queue->unused && !queue->gone) {
        queue->disuse.kind = ZB_TIMER_DISUSE;
        zb_timer_set (&self->timers, &queue->disuse, self->now + (int64_t) s_left (self, queue->unused, queue->used));
    }
    else
        zb_timer_stop (&self->timers, &queue->disuse);
}

void zb_engine_disused (zb_engine_t *self, zb_queue_t *queue)
{
    int64_t wait = s_wait (self, queue);
    zb_engine_visited (self, 1);
    if (wait) {
        zb_timer_set (&self->timers, &queue->disuse, self->now + wait);
        return;
    }
    zb_timer_stop (&self->timers, &queue->disuse);
    queue->pass = self->disuse.pass + 1;
    zb_ring_append (&self->disuse.over, &queue->over);
}

void zb_engine_spare (zb_engine_t *self, zb_frame_t name, const zb_queue_row_t *row)
{
    char text[ZB_DEAD_NAME_MAX];
    if (row->kind == ZB_KIND_TOPIC || zb_ring_empty (&self->disuse.over))
        return;
    zb_frame_t target = row->dead_size ? zb_queue_row_dead (row) : zb_dead_name (name, text);
    zb_entry_t *entry = zb_map_find (&self->queues, target);
    zb_queue_t *queue = entry ? ZB_ITEM (entry, zb_queue_t, entry) : NULL;
    if (!queue || zb_ring_empty (&queue->over))
        return;
    zb_ring_remove (&queue->over);
    zb_timer_set (&self->timers, &queue->disuse, self->now + SPARE_STEP);
}

//  No queue has it as its target.
static void s_end (zb_engine_t *self, zb_queue_t *queue)
{
    zb_queue_t *topic = queue->topic;
    int64_t wait = s_wait (self, queue);
    zb_ring_remove (&queue->over);
    if (wait) {
        zb_timer_set (&self->timers, &queue->disuse, self->now + wait);
        return;
    }
    zb_engine_remove_queue (self, queue);
    if (topic)
        zb_engine_trim (self, topic);
    self->stats.disused++;
    zb_engine_visited (self, DELETE_VISITS);
}

static zb_queue_t *s_first (const zb_engine_t *self)
{
    return zb_ring_empty (&self->disuse.over) ? NULL : ZB_ITEM (self->disuse.over.next, zb_queue_t, over);
}

//  Deletes those that the passes so far have not found as targets; false if some are left for the next turn.
static bool s_end_some (zb_engine_t *self)
{
    zb_queue_t *queue = NULL;
    while ((queue = s_first (self)) != NULL && queue->pass <= self->disuse.done) {
        if (zb_engine_budget (self) == 0)
            return false;
        zb_engine_visited (self, 1);
        s_end (self, queue);
    }
    return true;
}

static void s_read (zb_engine_t *self)
{
    zb_search_t *find = &self->disuse.find;
    zb_load_t *load = zb_engine_load_new (self, ZB_LOAD_DISUSED);
    zb_read_add (load->read, ZB_QUEUES, find->key, find->size, 0, PASS_ROWS, PASS_BYTES);
    find->reads = true;
}

//  One that is not in memory.  False if it is to be loaded, and there is no room in this step.
static bool s_find (zb_engine_t *self, zb_frame_t name, uint64_t unused, size_t *loads)
{
    zb_disuse_t *disuse = &self->disuse;
    uint64_t left = s_left (self, unused, 0);
    //  Those that both sides of a split know wait for its end; of many some wait for the next pass.
    int64_t next = self->keep == ZB_KEEP_WRITE ? SPARE_STEP : disuse->loads >= PASS_LOADS ? PASS_PAUSE : 0;
    next = left ? (int64_t) left : next;
    if (next) {
        disuse->next = disuse->next < self->now + next ? disuse->next : self->now + next;
        return true;
    }
    if (*loads >= STEP_LOADS)
        return false;
    zb_topic_split (name, &name, NULL);
    zb_engine_load (self, ZB_LOAD_QUEUE, name);
    disuse->loads++;
    ++*loads;
    return true;
}

bool zb_engine_found_disused (zb_engine_t *self, const zb_read_t *read)
{
    zb_disuse_t *disuse = &self->disuse;
    size_t index = 0, loads = 0;
    bool room = true;
    for (; index < read->count[0] && room; index += room) {
        const zb_found_t *found = &read->found[0][index];
        zb_frame_t name = {found->key, found->key_size};
        zb_queue_row_t row;
        if (zb_place_check (name) || zb_queue_row_decode (&row, found->row))
            return false;
        zb_engine_spare (self, name, &row);
        if (row.unused && !zb_map_find (&self->queues, name))
            room = s_find (self, name, row.unused, &loads);
    }
    zb_engine_visited (self, index);
    disuse->find.reads = false;
    if (room && !(read->more[0] && read->count[0])) {
        disuse->done = disuse->pass;
        disuse->begins = self->now + PASS_PAUSE;
        disuse->find.at = disuse->next;
        return true;
    }
    const zb_found_t *from = &read->found[0][room ? index - 1 : index];
    memcpy (disuse->find.key, from->key, from->key_size);
    //  Behind the last one of those that are done.
    disuse->find.key[from->key_size] = 0;
    disuse->find.size = from->key_size + (room ? 1u : 0u);
    disuse->find.at = self->now + PASS_STEP;
    return true;
}

//  A pass begins, if there is a reason to, and it may.
static void s_begin (zb_engine_t *self)
{
    zb_disuse_t *disuse = &self->disuse;
    bool wanted = !zb_ring_empty (&disuse->over) || disuse->find.at <= self->now;
    if (!wanted || self->now < disuse->begins || !s_may_any (self))
        return;
    disuse->pass++;
    //  What names a target is in the store then, or is told while the pass is under way.
    disuse->after = self->names_commit;
    disuse->next = INT64_MAX;
    disuse->loads = 0;
    //  Tombstones come before all names.
    disuse->find = (zb_search_t){.key = {ZB_TOMB_MARK + 1}, .size = 1, .at = self->now};
}

int64_t zb_engine_disuse (zb_engine_t *self)
{
    zb_disuse_t *disuse = &self->disuse;
    if (!disuse->began && self->booted && self->clock.pair.runs)
        disuse->began = self->clock.pair.time;
    //  Before that level there are none, and those that are made are in memory.
    if (disuse->find.at == 0)
        disuse->find.at = self->store_level < ZB_LEVEL_UNUSED ? INT64_MAX : self->started + ZB_PAIRTIME_RESTS;
    if (!s_end_some (self))
        return self->now;
    if (disuse->pass == disuse->done)
        s_begin (self);
    bool runs = disuse->pass > disuse->done;
    if (runs && !disuse->find.reads && disuse->after <= self->taken && disuse->find.at <= self->now)
        s_read (self);
    if (runs)
        return self->now + PASS_STEP;
    if (!zb_ring_empty (&disuse->over))
        return disuse->begins > self->now ? disuse->begins : self->now + BUSY_STEP;
    return disuse->find.at > self->now ? disuse->find.at : self->now + BUSY_STEP;
}

void zb_engine_stop_disuse (zb_engine_t *self)
{
    zb_disuse_t *disuse = &self->disuse;
    disuse->began = disuse->pass = disuse->done = 0;
    disuse->begins = 0;
    disuse->find = (zb_search_t){.size = 0};
}
