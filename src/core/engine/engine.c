/*  =========================================================================
    engine - sessions, producers and queues behind one function per event

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    This file: the engine's life, and commits from the first byte to their release.
*/

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine/engine_self.h"

//  The store's "uptime" lags by at most this much of a busy broker's, and by an hour of an idle one's.
#define UPTIME_STEP 60000
//  The store's "time" is ahead by at most this much.
#define TIME_STEP 1000
//  What a range of an acks argument costs, in visits.
#define SPAN_VISITS 3
//  Queues that had no room to read try again after this.
#define STARVED_STEP 100
//  ms: a peer that wants to replay asks again within this time.
#define LOSER_WAITS 5000

static char *s_text (const char *text)
{
    size_t size = strlen (text) + 1;
    char *copy = (char *) malloc (size);
    assert (copy);
    memcpy (copy, text, size);
    return copy;
}

//  Life

zb_engine_t *zb_engine_new (const zb_limits_t *limits, unsigned node)
{
    assert (limits && (node == 1 || node == 2));
    zb_engine_t *self = (zb_engine_t *) calloc (1, sizeof (zb_engine_t));
    assert (self);
    self->limits = *limits;
    self->node = node;
    self->store_level = ZB_LEVEL_MOST;
    self->active = s_text ("");
    self->passive = s_text ("");
    zb_ring_t *ring[] = {&self->commits,
                         &self->touched_queues,
                         &self->touched_producers,
                         &self->held,
                         &self->out,
                         &self->idle_sessions,
                         &self->gone_sessions,
                         &self->departing,
                         &self->listed,
                         &self->lists,
                         &self->all_queues,
                         &self->idle_producers,
                         &self->demand,
                         &self->strays,
                         &self->gone,
                         &self->unsure,
                         &self->rest,
                         &self->later.sessions,
                         &self->asks,
                         &self->tombs};
    for (size_t index = 0; index < sizeof ring / sizeof ring[0]; index++)
        zb_ring_init (ring[index]);
    return self;
}

static void s_drop_replies (zb_ring_t *ring)
{
    for (zb_ring_t *link = zb_ring_pop (ring); link; link = zb_ring_pop (ring)) {
        zb_reply_t *reply = ZB_ITEM (link, zb_reply_t, ring);
        zb_reply_destroy (&reply);
    }
}

void zb_engine_destroy (zb_engine_t **self_p)
{
    assert (self_p);
    zb_engine_t *self = *self_p;
    if (self) {
        if (self->leads)
            zb_engine_stop (self, "");
        s_drop_replies (&self->out);
        free (self->active);
        free (self->passive);
        zb_spans_clear (&self->scratch);
        sodium_memzero (self->secret, sizeof self->secret);
        free (self);
        *self_p = NULL;
    }
}

static void s_fill_next (zb_engine_t *self)
{
    self->fill = zb_commit_new (self->commit + 1, self->epoch);
}

static void s_drop_commit (zb_engine_t *self, zb_commit_t **commit_p)
{
    zb_commit_t *commit = *commit_p;
    for (zb_ring_t *link = zb_ring_pop (&commit->rows); link; link = zb_ring_pop (&commit->rows)) {
        zb_sealed_t *sealed = ZB_ITEM (link, zb_sealed_t, ring);
        zb_sealed_destroy (&sealed);
    }
    if (commit->batch)
        self->waiting -= commit->bytes;
    zb_commit_destroy (commit_p);
}

static void s_key (uint8_t key[ZB_MAP_KEY_SIZE], const uint8_t secret[ZB_SECRET_SIZE], const char *use)
{
    crypto_generichash (key, ZB_MAP_KEY_SIZE, (const uint8_t *) use, strlen (use), secret, ZB_SECRET_SIZE);
}

static void s_raise (zb_engine_t *self, uint64_t epoch)
{
    assert (epoch > self->epoch && epoch >> ZB_EPOCH_BITS == 0);
    self->epoch = epoch;
    self->newest = zb_epoch_base (epoch, self->node);
    //  Instances are numbered as messages are, one bit lower, as they have to be below 2^63.  So none is given twice,
    //  though nothing is written when one is given.
    self->instance = self->newest >> 1;
    self->must = true;
}

void zb_engine_lead (zb_engine_t *self, uint64_t epoch, uint64_t commit, const uint8_t secret[ZB_SECRET_SIZE])
{
    assert (!self->leads && zb_ring_empty (&self->all_queues) && zb_ring_empty (&self->commits));
    memcpy (self->secret, secret, ZB_SECRET_SIZE);
    s_key (self->map_key, secret, "map");
    s_key (self->digest_key, secret, "digest");
    zb_map_init (&self->sessions, self->map_key);
    zb_map_init (&self->names, self->map_key);
    zb_map_init (&self->queues, self->map_key);
    zb_map_init (&self->producers, self->map_key);
    zb_map_init (&self->loads, self->map_key);
    zb_map_init (&self->tags, self->map_key);
    zb_map_init (&self->buried, self->map_key);
    self->leads = true;
    self->rule = ZB_RELEASE_HOLD;
    self->epoch = 0;
    s_raise (self, epoch);
    self->before = self->taken_id = self->newest;
    self->commit = self->taken = self->here = commit;
    self->gate = self->names_commit = commit + 1;
    self->rights_commit = 0;
    self->there = self->released = self->released_epoch = 0;
    self->started = self->evict_at = 0;
    self->uptime = self->uptime_kept = self->time_kept = 0;
    self->clock = (zb_pairtime_t){0};
    self->producer_count = 0;
    self->producer_count_kept = UINT64_MAX;
    self->lineage.size = 0;
    self->keep = ZB_KEEP_OFF;
    s_fill_next (self);
    zb_engine_load (self, ZB_LOAD_BOOT, zb_frame (""));
}

void zb_engine_epoch (zb_engine_t *self, uint64_t epoch)
{
    assert (self->leads);
    s_raise (self, epoch);
    self->fill->epoch = epoch;
    ZB_RING_EACH (link, after, &self->commits)
    {
        zb_commit_t *commit = ZB_ITEM (link, zb_commit_t, ring);
        if (commit->batch)
            commit->epoch = epoch;
    }
}

void zb_engine_meta (zb_engine_t *self, const char *key, const void *value, size_t size)
{
    assert (self->leads);
    zb_commit_meta (zb_engine_next (self), key, value, size);
}

zb_commit_t *zb_engine_next (zb_engine_t *self)
{
    zb_commit_t *next = self->fill;
    for (zb_ring_t *link = self->commits.prev; link != &self->commits; link = link->prev)
        if (ZB_ITEM (link, zb_commit_t, ring)->batch)
            next = ZB_ITEM (link, zb_commit_t, ring);
    return next;
}

void zb_engine_lineage (zb_engine_t *self, const zb_lineage_t *lineage)
{
    self->lineage = *lineage;
}

bool zb_engine_leads (const zb_engine_t *self)
{
    return self->leads;
}

uint64_t zb_engine_newest (const zb_engine_t *self)
{
    return self->newest;
}

const char *zb_engine_fault (const zb_engine_t *self)
{
    return self->fault;
}

void zb_engine_fail (zb_engine_t *self, const char *fault)
{
    self->fault = fault;
}

bool zb_engine_busy (const zb_engine_t *self)
{
    return self->waiting > self->limits.waiting / 2 || self->visited >= ZB_TURN_VISITS;
}

size_t zb_engine_budget (const zb_engine_t *self)
{
    size_t left = self->visited < ZB_TURN_VISITS ? ZB_TURN_VISITS - self->visited : 0;
    return left < ZB_STEP_VISITS ? left : ZB_STEP_VISITS;
}

void zb_engine_visited (zb_engine_t *self, size_t visits)
{
    self->visited += visits;
    if (self->stats.visited < self->visited)
        self->stats.visited = self->visited;
}

void zb_engine_level (zb_engine_t *self, unsigned level)
{
    self->store_level = level;
}

unsigned zb_engine_row_form (const zb_engine_t *self)
{
    return self->store_level >= ZB_LEVEL_ROW_HEAD ? 2 : 1;
}

void zb_engine_time (zb_engine_t *self, int64_t wall, int64_t now)
{
    zb_pairtime_tell (&self->clock, wall, now);
}

void zb_engine_rights (zb_engine_t *self, zb_rights_t *rights)
{
    self->rights = rights;
}

void zb_engine_endpoints (zb_engine_t *self, const char *active, const char *passive)
{
    free (self->active);
    free (self->passive);
    self->active = s_text (active);
    self->passive = s_text (passive);
}

void zb_engine_full (zb_engine_t *self, bool full)
{
    self->full = full;
}

uint64_t zb_engine_uptime (const zb_engine_t *self)
{
    return self->uptime + (self->started ? (uint64_t) (self->now - self->started) : 0);
}

//  Takes note of the time of an event.
static void s_now (zb_engine_t *self, int64_t now)
{
    self->now = now;
    if (self->leads && self->started == 0)
        self->started = now;
}

//  Replies

static void s_token (zb_engine_t *self)
{
    self->token_size = 0;
    if (self->leads && self->released_epoch) {
        zb_token_t token = {self->released_epoch, self->node, self->released, self->durable == ZB_DURABLE_SOLO};
        self->token_size = zb_token_format (&token, self->secret, self->token);
    }
}

//  The peer has not said yet, in this session of the link, that it has all that was released: it may have lost its disk
//  since it said so last.
static bool s_unproven (const zb_engine_t *self)
{
    return self->rule == ZB_RELEASE_BOTH && self->released > self->there;
}

//  What an OK says.  What is not proven is safe here alone, which may be said while `alone` is on the disk.
static zb_durable_t s_durable (const zb_engine_t *self)
{
    return s_unproven (self) && self->keep == ZB_KEEP_WRITE ? ZB_DURABLE_SOLO : self->durable;
}

//  Whether nothing that is true can be said now: the peer proves it soon, or this broker goes alone.
static bool s_must_wait (const zb_engine_t *self, const zb_reply_t *reply)
{
    return reply->claims && s_unproven (self) && self->keep != ZB_KEEP_WRITE;
}

void zb_engine_give_now (zb_engine_t *self, zb_reply_t **reply_p)
{
    zb_reply_t *reply = *reply_p;
    *reply_p = NULL;
    if (reply->producer)
        reply->producer->inflight--;
    reply->producer = NULL;
    zb_reply_finish (reply, s_durable (self), (zb_frame_t){self->token, self->token_size});
    self->stats.messages_out += reply->bodies;
    self->outgoing += reply->large;
    zb_ring_append (&self->out, &reply->ring);
}

bool zb_engine_may (const zb_engine_t *self, uint64_t commit)
{
    return self->rule != ZB_RELEASE_HOLD && self->released >= self->gate && self->released >= commit;
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

void zb_engine_give (zb_engine_t *self, zb_reply_t **reply_p, uint64_t commit)
{
    zb_reply_t *reply = *reply_p;
    if (zb_engine_may (self, commit) && !s_must_wait (self, reply)) {
        zb_engine_give_now (self, reply_p);
        return;
    }
    *reply_p = NULL;
    self->waits++;
    self->waiting += reply->bytes;
    bool held = self->released >= self->gate && self->released >= commit;
    zb_ring_append (held ? &self->held : &zb_engine_commit (self, commit)->replies, &reply->ring);
}

//  Takes the reply off the ring of those that wait.
static void s_waits_no_more (zb_engine_t *self, zb_reply_t *reply)
{
    zb_ring_remove (&reply->ring);
    self->waits--;
    self->waiting -= reply->bytes;
}

//  The next one of a ring; NULL if there is none.
static zb_reply_t *s_next_waiting (zb_engine_t *self, zb_ring_t *ring)
{
    zb_ring_t *link = zb_ring_pop (ring);
    if (!link)
        return NULL;
    zb_reply_t *reply = ZB_ITEM (link, zb_reply_t, ring);
    s_waits_no_more (self, reply);
    return reply;
}

static void s_give_all (zb_engine_t *self, zb_ring_t *ring)
{
    for (zb_reply_t *reply = s_next_waiting (self, ring); reply; reply = s_next_waiting (self, ring))
        zb_engine_give_now (self, &reply);
}

static void s_withhold (zb_engine_t *self, zb_ring_t *ring, const char *why)
{
    ZB_RING_EACH (link, after, ring)
    {
        zb_reply_t *reply = ZB_ITEM (link, zb_reply_t, ring);
        if (reply->kind != ZB_REPLY_WELCOME)
            continue;
        s_waits_no_more (self, reply);
        zb_reply_turn (&reply, ZB_REPLY_ERROR, ZB_NOT_READY, why);
        self->stats.refused++;
        zb_engine_give_now (self, &reply);
    }
}

void zb_engine_withhold (zb_engine_t *self, const char *why)
{
    assert (self->leads);
    s_withhold (self, &self->held, why);
    ZB_RING_EACH (link, after, &self->commits)
    s_withhold (self, &ZB_ITEM (link, zb_commit_t, ring)->replies, why);
    s_withhold (self, &self->fill->replies, why);
}

zb_reply_t *zb_engine_reply (zb_engine_t *self)
{
    if (zb_ring_empty (&self->out) && self->congested) {
        self->congested = false;
        zb_engine_serve_all (self);
    }
    zb_ring_t *link = zb_ring_pop (&self->out);
    if (!link)
        return NULL;
    zb_reply_t *reply = ZB_ITEM (link, zb_reply_t, ring);
    self->outgoing -= reply->large;
    return reply;
}

//  Commits

void zb_engine_touch_queue (zb_engine_t *self, zb_queue_t *queue)
{
    queue->commit = self->fill->number;
    if (zb_ring_empty (&queue->touched))
        zb_ring_append (&self->touched_queues, &queue->touched);
}

void zb_engine_touch_producer (zb_engine_t *self, zb_producer_t *producer)
{
    producer->commit = self->fill->number;
    if (zb_ring_empty (&producer->touched))
        zb_ring_append (&self->touched_producers, &producer->touched);
}

//  Closes the commit that is being filled, if it writes anything.
static void s_close (zb_engine_t *self)
{
    zb_commit_t *fill = self->fill;
    if (!self->must && zb_batch_size (fill->batch) == 0 && zb_ring_empty (&self->touched_queues) &&
        zb_ring_empty (&self->touched_producers))
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
    if (self->booted && self->clock.time > self->time_kept && self->store_level >= ZB_LEVEL_TIME) {
        self->time_kept = self->clock.time + TIME_STEP;
        zb_commit_time (fill, self->time_kept);
    }
    if (self->booted && !self->counting && self->producer_count != self->producer_count_kept) {
        zb_commit_producers (fill, self->producer_count);
        self->producer_count_kept = self->producer_count;
    }
    zb_commit_close (fill, self->newest);
    fill->moment = ++self->moment;
    self->commit = fill->number;
    self->must = false;
    zb_ring_append (&self->commits, &fill->ring);
    s_fill_next (self);
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
    uint64_t synced = self->here;
    if (self->rule == ZB_RELEASE_BOTH && self->there < synced)
        synced = self->there > self->released ? self->there : self->released;
    if (synced < self->gate - 1)
        synced = self->gate - 1;
    return self->taken > synced ? self->taken - synced : 0;
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
        if (queue->cursor.views.count == queue->cursor.window)
            zb_ring_remove (link);
    }
    return batch;
}

//  Whether a LIST is under way that may have read the row of this queue, which was deleted: without its name here it would
//  be listed.
static bool s_may_be_listed (const zb_engine_t *self, const zb_queue_t *queue)
{
    return !zb_ring_empty (&self->lists) && ZB_ITEM (self->lists.next, zb_load_t, lists)->since <= queue->unread;
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

//  Shows the rows of a commit that is released, and gives its replies out.
static void s_show (zb_engine_t *self, zb_commit_t *commit)
{
    for (zb_ring_t *link = zb_ring_pop (&commit->rows); link; link = zb_ring_pop (&commit->rows)) {
        zb_sealed_t *sealed = ZB_ITEM (link, zb_sealed_t, ring);
        zb_queue_t *queue = ZB_ITEM (sealed->log, zb_queue_t, log);
        if (!queue->gone) {
            bool room = queue->log.bytes + sealed->row->size <= self->limits.window &&
                        self->windows + sealed->row->size <= self->limits.windows;
            zb_log_show (&queue->log, sealed, room);
        }
        bool shed = sealed->inserted && queue->log.bytes > self->limits.window;
        zb_sealed_destroy (&sealed);
        if (queue->kind == ZB_KIND_TOPIC) {
            zb_engine_serve_topic (self, queue);
            continue;
        }
        if (shed)
            zb_cursor_shed (&queue->cursor, self->taken, self->windows - (queue->log.bytes - self->limits.window),
                            false);
        if (!queue->gone)
            zb_engine_serve (self, queue);
    }
    s_give_all (self, &commit->replies);
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
    s_token (self);
    if (self->rule == ZB_RELEASE_BOTH)
        zb_engine_prove (self, ZB_ITEM (done.prev, zb_commit_t, ring)->moment);
    for (zb_ring_t *link = done.next; link != &done; link = link->next)
        s_show (self, ZB_ITEM (link, zb_commit_t, ring));
    for (zb_ring_t *link = zb_ring_pop (&done); link; link = zb_ring_pop (&done)) {
        zb_commit_t *commit = ZB_ITEM (link, zb_commit_t, ring);
        for (zb_ring_t *get = zb_ring_pop (&commit->gets); get; get = zb_ring_pop (&commit->gets))
            zb_engine_got (self, ZB_ITEM (get, zb_get_t, turn));
        s_drop_commit (self, &commit);
    }
    s_drop_gone (self);
    if (self->starved && self->windows < self->limits.windows) {
        self->starved = false;
        zb_engine_serve_all (self);
    }
}

//  Gives out what was held back, if that may be now.
static void s_give_held (zb_engine_t *self)
{
    bool proven = !s_unproven (self) || self->keep == ZB_KEEP_WRITE;
    if (!zb_ring_empty (&self->held) && proven && zb_engine_may (self, 0))
        s_give_all (self, &self->held);
}

void zb_engine_synced (zb_engine_t *self, uint64_t here, uint64_t there, int64_t now)
{
    assert (self->leads);
    s_now (self, now);
    if (here > self->here)
        self->here = here;
    self->there = there;
    if (self->fault)
        return;
    s_release (self);
    s_give_held (self);
}

void zb_engine_release (zb_engine_t *self, zb_release_t rule, zb_durable_t durable)
{
    assert (self->leads);
    if (self->rule == rule && self->durable == durable)
        return;
    bool held = self->rule == ZB_RELEASE_HOLD;
    self->rule = rule;
    self->durable = durable;
    s_token (self);
    if (self->fault || rule == ZB_RELEASE_HOLD)
        return;
    s_release (self);
    s_give_held (self);
    if (held && zb_engine_may (self, 0))
        zb_engine_serve_all (self);
    if (!zb_ring_empty (&self->unsure))
        zb_engine_settle_doubt (self);
}

//  Events

void zb_engine_request (zb_engine_t *self, const zb_request_t *request, int64_t now)
{
    assert (self->leads);
    s_now (self, now);
    if (self->fault)
        return;
    const zb_address_t *from = &request->from;
    zb_task_t task = {.request = *request};
    zb_ring_init (&task.ring);
    zb_entry_t *entry = zb_map_find (&self->sessions, from->routing);
    zb_session_t *session = entry ? ZB_ITEM (entry, zb_session_t, entry) : NULL;
    if (self->waiting > self->limits.waiting) {
        zb_engine_refuse (self, from, ZB_NOT_READY, "too much waits for the store, send it again", ZB_NOW);
        return;
    }
    if (!session) {
        if (!zb_protocol (request->verb)->stranger) {
            zb_engine_refuse (self, from, ZB_NO_HELLO, "say HELLO first", ZB_NOW);
            return;
        }
        if (self->sessions.count >= self->limits.sessions && !zb_engine_put_out (self)) {
            zb_engine_refuse (self, from, ZB_NOT_READY, "too many clients", ZB_NOW);
            return;
        }
        session = zb_session_new (from->routing);
        zb_map_add (&self->sessions, &session->entry, session->routing);
    }
    task.session = session;
    size_t visited = self->visited;
    zb_engine_visited (self, request->spans * SPAN_VISITS);
    session->heard = now;
    zb_ring_remove (&session->idle);
    zb_ring_append (&self->idle_sessions, &session->idle);
    zb_load_t *load = zb_ring_empty (&session->tasks) ? zb_engine_run (self, &task) : session->load;
    session->visits += self->visited - visited;
    if (load) {
        zb_task_t *copy = zb_task_copy (&task);
        self->waiting += copy->bytes;
        zb_ring_append (&session->tasks, &copy->ring);
        if (!session->load)
            zb_engine_wait (self, session, load);
    }
    else if (!session->hello)
        zb_engine_forget_session (self, session);
    zb_engine_close_large (self);
}

void zb_engine_loaded (zb_engine_t *self, zb_read_t **read_p, int64_t now)
{
    s_now (self, now);
    if (self->leads && !self->fault) {
        zb_engine_take_load (self, *read_p);
        zb_engine_close_large (self);
    }
    zb_read_destroy (read_p);
}

size_t zb_engine_worked (zb_engine_t *self, zb_frame_t routing)
{
    zb_entry_t *entry = zb_map_find (&self->sessions, routing);
    zb_session_t *session = entry ? ZB_ITEM (entry, zb_session_t, entry) : NULL;
    size_t visits = session ? session->visits : 0;
    if (session)
        session->visits = 0;
    return visits;
}

void zb_engine_gone (zb_engine_t *self, zb_frame_t routing, int64_t now)
{
    assert (self->leads);
    s_now (self, now);
    zb_entry_t *entry = zb_map_find (&self->sessions, routing);
    if (!entry || self->fault)
        return;
    zb_session_t *session = ZB_ITEM (entry, zb_session_t, entry);
    session->gone = true;
    zb_map_remove (&self->sessions, &session->entry);
    zb_ring_remove (&session->idle);
    zb_ring_append (&self->gone_sessions, &session->idle);
    zb_engine_drop_gets (self, session);
    if (self->merger == session)
        self->merger = NULL;
    if (zb_ring_empty (&session->tasks))
        zb_engine_depart (self, session);
}

//  Whether what was begun in earlier turns goes on in this one: half of it is for new requests.
static bool s_goes_on (const zb_engine_t *self)
{
    return self->visited < ZB_TURN_VISITS / 2;
}

//  Requests that gave way go on, each with one step, first come first served.
static void s_go_on (zb_engine_t *self)
{
    const zb_ring_t *last = self->later.sessions.prev;
    bool more = !zb_ring_empty (&self->later.sessions);
    while (more && s_goes_on (self) && !self->fault) {
        zb_ring_t *link = zb_ring_pop (&self->later.sessions);
        more = link != last;
        zb_session_t *session = ZB_ITEM (link, zb_session_t, waits);
        session->load = NULL;
        session->visits += ZB_STEP_VISITS; //  at most
        self->backlog--;
        zb_engine_go_on (self, session);
        more = more && !zb_ring_empty (&self->later.sessions);
    }
    if (s_goes_on (self))
        zb_engine_list_on (self);
    if (s_goes_on (self))
        zb_engine_serve_on (self);
}

int64_t zb_engine_tick (zb_engine_t *self, int64_t now)
{
    assert (self->leads);
    s_now (self, now);
    if (self->fault)
        return INT64_MAX;
    self->visited = 0;
    s_go_on (self);
    zb_timer_t *timer = zb_timer_first (&self->timers);
    while (timer && timer->when <= now && s_goes_on (self)) {
        if (timer->kind == ZB_TIMER_LEASE) {
            zb_lease_t *lease = ZB_ITEM (timer, zb_lease_t, timer);
            zb_queue_t *queue = lease->queue;
            self->stats.expired += lease->session ? lease->left : 0;
            zb_engine_return (self, lease);
            zb_engine_serve (self, queue);
        }
        else if (timer->kind == ZB_TIMER_SESSION)
            zb_engine_departed (self, ZB_ITEM (timer, zb_session_t, timer));
        else
            zb_engine_late (self, ZB_ITEM (timer, zb_get_t, timer));
        timer = zb_timer_first (&self->timers);
    }
    zb_engine_sweep_names (self);
    int64_t next = zb_engine_sweep_sessions (self);
    next = next < self->sweep_at ? next : self->sweep_at;
    bool more = zb_engine_depart_on (self) || (timer && timer->when <= now);
    if (self->starved) {
        self->starved = false;
        zb_engine_serve_all (self);
        next = self->starved ? now + STARVED_STEP : next;
    }
    zb_engine_close_large (self);
    if (more || !zb_ring_empty (&self->later.sessions) || !zb_ring_empty (&self->rest) ||
        !zb_ring_empty (&self->listed))
        return now;
    timer = zb_timer_first (&self->timers);
    return timer && timer->when < next ? timer->when : next;
}

//  The end

static void s_passive (zb_engine_t *self, zb_ring_t *ring, const char *active)
{
    for (zb_reply_t *reply = s_next_waiting (self, ring); reply; reply = s_next_waiting (self, ring)) {
        zb_reply_turn (&reply, ZB_REPLY_PASSIVE, 0, active);
        zb_engine_give_now (self, &reply);
    }
}

static void s_stop_commit (zb_engine_t *self, zb_commit_t *commit, const char *active)
{
    s_passive (self, &commit->replies, active);
    ZB_RING_EACH (link, after, &commit->gets)
    zb_engine_turn_get (self, ZB_ITEM (link, zb_get_t, turn), active);
    s_drop_commit (self, &commit);
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
            queue->cursor.load = NULL;
            zb_queue_destroy (&queue);
        }
    for (zb_ring_t *link = zb_ring_pop (&self->idle_producers); link; link = zb_ring_pop (&self->idle_producers)) {
        zb_producer_t *producer = ZB_ITEM (link, zb_producer_t, idle);
        zb_map_remove (&self->producers, &producer->entry);
        zb_ring_remove (&producer->touched);
        zb_producer_destroy (&producer);
    }
    for (zb_ring_t *link = zb_ring_pop (&self->tombs); link; link = zb_ring_pop (&self->tombs)) {
        zb_tomb_t *tomb = ZB_ITEM (link, zb_tomb_t, ring);
        zb_map_remove (&self->buried, &tomb->entry);
        free (tomb);
    }
}

void zb_engine_stop (zb_engine_t *self, const char *active)
{
    assert (self->leads);
    //  Nothing is delivered from here on.
    self->rule = ZB_RELEASE_HOLD;
    s_passive (self, &self->held, active);
    for (zb_ring_t *link = zb_ring_pop (&self->commits); link; link = zb_ring_pop (&self->commits))
        s_stop_commit (self, ZB_ITEM (link, zb_commit_t, ring), active);
    s_stop_commit (self, self->fill, active);
    self->fill = NULL;
    s_drop_sessions (self, active);
    zb_engine_drop_loads (self);
    s_drop_values (self);
    zb_map_t *map[] = {&self->sessions, &self->names, &self->queues, &self->producers,
                       &self->loads,    &self->tags,  &self->buried};
    for (size_t index = 0; index < sizeof map / sizeof map[0]; index++) {
        assert (map[index]->count == 0);
        zb_map_clear (map[index]);
    }
    assert (self->timers.count == 0 && self->windows == 0 && self->waiting == 0 && self->waits == 0);
    zb_timers_clear (&self->timers);
    self->leads = self->booted = self->freeing = self->sweeping = self->starved = self->must = false;
    self->congested = self->counting = false;
    self->clearing = self->journal = self->absorbs = false;
    self->question = 0;
    memset (self->replay, 0, sizeof self->replay);
    self->merging = NULL;
    self->sweep_size = 0;
    self->freed = 0;
    self->sweep_at = 0;
    self->token_size = 0;
    self->visited = 0;
}

//  Figures

bool zb_engine_client_waits (const zb_engine_t *self)
{
    return self->waits || self->backlog || !zb_ring_empty (&self->unsure);
}

bool zb_engine_loser_waits (const zb_engine_t *self)
{
    return self->keep == ZB_KEEP_NOTE && self->merger_ms && self->now - self->merger_ms < LOSER_WAITS;
}

void zb_engine_stats (const zb_engine_t *self, zb_engine_stats_t *stats)
{
    *stats = self->stats;
    stats->epoch = self->epoch;
    stats->commit = self->commit;
    stats->synced_here = self->here;
    stats->synced_there = self->there;
    stats->released = self->released;
    stats->sessions = self->sessions.count;
    stats->queues = self->queue_count;
    stats->producers = self->producers.count;
    stats->names = self->producer_count;
    stats->waiting = self->waits;
    stats->window_bytes = self->windows;
    stats->merging = zb_engine_merges (self);
}
