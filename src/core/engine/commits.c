/*  =========================================================================
    commits - commits of the engine, from the first byte to their release

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A commit is filled while requests are handled, and closed when the store takes the next batch,
    or when it is large.  Its number is that of the batch.  It is released when the rule of the
    role says so: durable here, or here and there.  Then its rows are shown to consumers and its
    replies go out; nothing before says that it is kept.

        fill -> closed -> taken by the store -> durable here, there -> released
*/

#include <assert.h>

#include "core/engine/engine_self.h"

//  The store's "uptime" lags by at most this much of a busy broker's, and by an hour of an idle one's.
#define UPTIME_STEP 60000
//  What is spent on filters when rows are shown to those who wait, in one go: who is left out reads them.
#define SHOW_VISITS (4 * ZB_TURN_VISITS)

void zb_engine_fill_next (zb_engine_t *self)
{
    self->fill = zb_commit_new (self->commit + 1, self->epoch);
    self->fill->brief = self->store_level >= ZB_LEVEL_BRIEF;
}

void zb_engine_drop_commit (zb_engine_t *self, zb_commit_t **commit_p)
{
    zb_commit_t *commit = *commit_p;
    for (zb_ring_t *link = zb_ring_pop (&commit->rows); link; link = zb_ring_pop (&commit->rows)) {
        zb_added_t *added = ZB_ITEM (link, zb_added_t, ring);
        zb_added_destroy (&added);
    }
    if (commit->batch)
        self->waiting -= commit->bytes;
    self->under_way -= commit->put;
    zb_commit_destroy (commit_p);
}

zb_commit_t *zb_engine_next (zb_engine_t *self)
{
    zb_commit_t *next = self->fill;
    for (zb_ring_t *link = self->commits.prev; link != &self->commits; link = link->prev)
        if (ZB_ITEM (link, zb_commit_t, ring)->batch)
            next = ZB_ITEM (link, zb_commit_t, ring);
    return next;
}

zb_commit_t *zb_engine_commit (zb_engine_t *self, uint64_t number)
{
    if (number < self->gate)
        number = self->gate;
    assert (number > self->released && number <= self->fill->number);
    if (number == self->fill->number)
        return self->fill;
    zb_ring_t *link = self->commits.prev;
    while (ZB_ITEM (link, zb_commit_t, ring)->number != number)
        link = link->prev;
    return ZB_ITEM (link, zb_commit_t, ring);
}

void zb_engine_touch_queue (zb_engine_t *self, zb_queue_t *queue)
{
    queue->commit = self->fill->number;
    if (zb_ring_empty (&queue->touched))
        zb_ring_append (&self->touched_queues, &queue->touched);
    if (zb_cursor_strays (&queue->cursor) && zb_ring_empty (&queue->strays))
        zb_ring_append (&self->strays, &queue->strays);
}

void zb_engine_touch_producer (zb_engine_t *self, zb_producer_t *producer)
{
    producer->commit = self->fill->number;
    if (zb_ring_empty (&producer->touched))
        zb_ring_append (&self->touched_producers, &producer->touched);
}

bool zb_engine_fills (const zb_engine_t *self)
{
    return self->must || zb_batch_size (self->fill->batch) || !zb_ring_empty (&self->touched_queues) ||
           !zb_ring_empty (&self->touched_producers);
}

//  Closes the commit that is being filled, if it writes anything.
static void s_close (zb_engine_t *self)
{
    zb_commit_t *fill = self->fill;
    if (!zb_engine_fills (self))
        return;
    for (zb_ring_t *link = zb_ring_pop (&self->touched_queues); link; link = zb_ring_pop (&self->touched_queues))
        zb_queue_write (ZB_ITEM (link, zb_queue_t, touched), fill);
    for (zb_ring_t *link = zb_ring_pop (&self->touched_producers); link; link = zb_ring_pop (&self->touched_producers))
        zb_producer_write (ZB_ITEM (link, zb_producer_t, touched), fill);
    uint64_t uptime = zb_engine_uptime (self);
    if (self->booted && uptime - self->uptime_kept >= UPTIME_STEP) {
        zb_commit_uptime (fill, uptime);
        self->uptime_kept = uptime;
    }
    if (self->booted && self->clock.pair.time > self->clock.kept && self->store_level >= ZB_LEVEL_TIME) {
        self->clock.kept = self->clock.pair.time + ZB_TIME_STEP;
        zb_commit_time (fill, self->clock.kept);
    }
    if (self->booted && !self->census.counting && self->census.count != self->census.kept) {
        zb_commit_producers (fill, self->census.count);
        self->census.kept = self->census.count;
    }
    zb_engine_give_way (self, fill);
    zb_commit_close (fill, self->newest);
    fill->moment = ++self->barrier.moment;
    self->commit = fill->number;
    self->must = false;
    zb_ring_append (&self->commits, &fill->ring);
    zb_engine_fill_next (self);
}

//  Keeps commits small while the store can't take them.
void zb_engine_close_large (zb_engine_t *self)
{
    if (self->fill->bytes >= self->limits.batch)
        s_close (self);
}

//  Commits that are on their way.
static uint64_t s_inflight (const zb_engine_t *self)
{
    uint64_t durable = self->here;
    if (self->rule == ZB_RELEASE_BOTH && self->there < durable)
        durable = self->there > self->released ? self->there : self->released;
    if (durable < self->gate - 1)
        durable = self->gate - 1;
    return self->taken > durable ? self->taken - durable : 0;
}

zb_batch_t *zb_engine_batch (zb_engine_t *self)
{
    if (!self->leads || self->fault || s_inflight (self) >= self->limits.inflight)
        return NULL;
    zb_engine_free_some (self);
    zb_engine_clear_journal (self);
    if (self->taken == self->commit)
        s_close (self);
    if (self->taken == self->commit)
        return NULL;
    zb_commit_t *next = NULL;
    for (zb_ring_t *link = self->commits.prev; link != &self->commits; link = link->prev) {
        zb_commit_t *commit = ZB_ITEM (link, zb_commit_t, ring);
        if (!commit->batch)
            break;
        next = commit;
    }
    assert (next && next->number == self->taken + 1);
    zb_batch_t *batch = next->batch;
    next->batch = NULL;
    self->waiting -= next->bytes;
    self->taken = next->number;
    self->taken_id = next->last_id;
    ZB_RING_EACH (link, after, &self->strays)
    {
        zb_queue_t *queue = ZB_ITEM (link, zb_queue_t, strays);
        zb_cursor_tidy (&queue->cursor, self->taken);
        if (!zb_cursor_strays (&queue->cursor))
            zb_ring_remove (link);
    }
    return batch;
}

//  Whether a LIST is under way that may have read the row of this queue, which was deleted: without its name here it would
//  be listed.
static bool s_may_be_listed (const zb_engine_t *self, const zb_queue_t *queue)
{
    return !zb_ring_empty (&self->lists.all) &&
           ZB_ITEM (self->lists.all.next, zb_load_t, lists)->since <= queue->unread;
}

//  Queues that were deleted leave memory when the store knows and nothing points to them.
static void s_drop_gone (zb_engine_t *self)
{
    ZB_RING_EACH (link, after, &self->gone)
    {
        zb_queue_t *queue = ZB_ITEM (link, zb_queue_t, ring);
        if (queue->commit > self->taken)
            continue;
        queue->unread = queue->unread ? queue->unread : self->next_tag;
        if (s_may_be_listed (self, queue))
            continue;
        zb_map_remove (&self->queues, &queue->entry);
        if (queue->log.users == 0) {
            zb_ring_remove (link);
            zb_ring_remove (&queue->rest);
            zb_queue_destroy (&queue);
        }
    }
}

//  Shows the rows of a commit that is released, as long as *left for filters, and gives its replies out.
static void s_show (zb_engine_t *self, zb_commit_t *commit, size_t *left)
{
    for (zb_ring_t *link = zb_ring_pop (&commit->rows); link; link = zb_ring_pop (&commit->rows)) {
        zb_added_t *added = ZB_ITEM (link, zb_added_t, ring);
        zb_queue_t *queue = ZB_ITEM (added->log, zb_queue_t, log);
        if (!queue->gone) {
            //  What goes first finds room also where others have filled the window.
            size_t most = self->limits.window + (added->rank ? zb_engine_chunk (self) : 0);
            bool room =
                queue->log.bytes + added->row->size <= most && self->windows + added->row->size <= self->limits.windows;
            zb_log_show (&queue->log, added, room, left);
            if (added->due && added->purges == queue->log.purges)
                zb_lane_shown (&queue->lane, added->due, added->last);
        }
        bool shed = added->inserted && queue->log.bytes > self->limits.window;
        zb_added_destroy (&added);
        if (queue->kind == ZB_KIND_TOPIC) {
            zb_engine_serve_topic (self, queue);
            continue;
        }
        if (shed)
            zb_cursor_shed (&queue->cursor, self->taken, self->windows - (queue->log.bytes - self->limits.window),
                            false);
        //  What became due together is delivered together.
        bool more = !zb_ring_empty (&commit->rows) && ZB_ITEM (commit->rows.next, zb_added_t, ring)->log == &queue->log;
        if (!queue->gone && !more)
            zb_engine_serve (self, queue);
    }
    zb_engine_give_all (self, &commit->replies);
}

//  Releases what the rule allows.
static void s_release (zb_engine_t *self)
{
    if (self->rule == ZB_RELEASE_HOLD)
        return;
    uint64_t target = self->here;
    if (self->rule == ZB_RELEASE_BOTH && self->there < target)
        target = self->there;
    if (target > self->taken)
        target = self->taken;
    if (target <= self->released || target < self->gate)
        return;
    self->released = target;
    zb_ring_t done;
    zb_ring_init (&done);
    while (!zb_ring_empty (&self->commits) && ZB_ITEM (self->commits.next, zb_commit_t, ring)->number <= target)
        zb_ring_append (&done, zb_ring_pop (&self->commits));
    assert (!zb_ring_empty (&done));
    self->released_epoch = ZB_ITEM (done.prev, zb_commit_t, ring)->epoch;
    zb_engine_token (self);
    if (self->rule == ZB_RELEASE_BOTH)
        zb_engine_followed (self, ZB_ITEM (done.prev, zb_commit_t, ring)->moment);
    size_t left = SHOW_VISITS;
    for (zb_ring_t *link = done.next; link != &done; link = link->next)
        s_show (self, ZB_ITEM (link, zb_commit_t, ring), &left);
    for (zb_ring_t *link = zb_ring_pop (&done); link; link = zb_ring_pop (&done)) {
        zb_commit_t *commit = ZB_ITEM (link, zb_commit_t, ring);
        for (zb_ring_t *get = zb_ring_pop (&commit->gets); get; get = zb_ring_pop (&commit->gets))
            zb_engine_got (self, ZB_ITEM (get, zb_get_t, turn));
        zb_engine_drop_commit (self, &commit);
    }
    s_drop_gone (self);
    zb_engine_wait_on (self, &self->shown, &self->later);
    if (self->starved && self->windows < self->limits.windows) {
        self->starved = false;
        zb_engine_serve_all (self);
    }
}

void zb_engine_durable (zb_engine_t *self, uint64_t here, uint64_t there, int64_t now)
{
    assert (self->leads);
    zb_engine_now (self, now);
    if (here > self->here)
        self->here = here;
    self->there = there;
    if (self->fault)
        return;
    s_release (self);
    zb_engine_give_withheld (self);
    zb_engine_put_on (self);
}

void zb_engine_release (zb_engine_t *self, zb_release_t rule, zb_durable_t durable)
{
    assert (self->leads);
    if (self->rule == rule && self->durable == durable)
        return;
    bool held = self->rule == ZB_RELEASE_HOLD;
    self->rule = rule;
    self->durable = durable;
    self->ready_held = false;
    zb_engine_token (self);
    if (self->fault || rule == ZB_RELEASE_HOLD)
        return;
    s_release (self);
    zb_engine_give_withheld (self);
    if (held && zb_engine_may (self, 0))
        zb_engine_serve_all (self);
    if (!zb_ring_empty (&self->barrier.unsure))
        zb_engine_serve_unsure (self);
}
