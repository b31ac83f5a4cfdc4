/*  =========================================================================
    engine - sessions, producers and queues behind one function per event

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    This file: the engine's life, what it is told, and the events: requests, reads, the clock.
*/

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine/engine_self.h"

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
                         &self->withheld,
                         &self->out,
                         &self->idle_sessions,
                         &self->gone_sessions,
                         &self->departing,
                         &self->lists.done,
                         &self->lists.all,
                         &self->all_queues,
                         &self->idle_producers,
                         &self->demand,
                         &self->strays,
                         &self->gone,
                         &self->barrier.unsure,
                         &self->rest,
                         &self->later.sessions,
                         &self->shown.sessions,
                         &self->throttled.sessions,
                         &self->asks,
                         &self->peeks,
                         &self->marks.topics,
                         &self->retain.topics,
                         &self->disuse.over,
                         &self->seen.queues,
                         &self->sifting.queues,
                         &self->dying.queues,
                         &self->dying.stuck,
                         &self->tombs.all};
    for (size_t index = 0; index < sizeof ring / sizeof ring[0]; index++)
        zb_ring_init (ring[index]);
    return self;
}

void zb_engine_limits (zb_engine_t *self, const zb_limits_t *limits)
{
    self->limits = *limits;
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
    zb_map_init (&self->tombs.by_queue, self->map_key);
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
    self->uptime = self->uptime_kept = self->clock.kept = 0;
    self->clock.pair = (zb_pairtime_t){.time = self->clock.heard};
    self->census.count = 0;
    self->census.kept = UINT64_MAX;
    self->lineage.size = 0;
    self->keep = ZB_KEEP_OFF;
    zb_engine_fill_next (self);
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

void zb_engine_lineage (zb_engine_t *self, const zb_lineage_t *lineage)
{
    zb_lineage_copy (&self->lineage, lineage);
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
    //  Where nobody has led it jumps: to the earlier of the two clocks.
    if (!self->clock.pair.runs && self->clock.apart < 0)
        wall += self->clock.apart;
    self->clock.wall = wall > 0 && wall <= ZB_PAIRTIME_MOST ? wall : 0;
    zb_pairtime_tell (&self->clock.pair, wall, now);
}

void zb_engine_peer_time (zb_engine_t *self, uint64_t time, uint64_t peer, int64_t wall)
{
    if (time > self->clock.heard && time <= ZB_PAIRTIME_MOST)
        self->clock.heard = time;
    bool says = peer > 0 && peer <= ZB_PAIRTIME_MOST && wall > 0 && wall <= ZB_PAIRTIME_MOST;
    self->clock.apart = says ? (int64_t) peer - wall : self->clock.apart;
}

uint64_t zb_engine_pair_time (const zb_engine_t *self)
{
    return self->leads && self->clock.pair.time > self->clock.heard ? self->clock.pair.time : self->clock.heard;
}

bool zb_engine_rests (const zb_engine_t *self)
{
    bool begun = !self->started || self->now - self->started < ZB_PAIRTIME_RESTS;
    return begun || self->clock.apart > ZB_PAIRTIME_APART || self->clock.apart < -ZB_PAIRTIME_APART;
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

void zb_engine_now (zb_engine_t *self, int64_t now)
{
    self->now = now;
    if (self->leads && self->started == 0)
        self->started = now;
}

//  Events

void zb_engine_request (zb_engine_t *self, const zb_request_t *request, int64_t now)
{
    assert (self->leads);
    zb_engine_now (self, now);
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
        session->number = ++self->next_session;
        session->since = now;
        zb_deck_insert (&self->roster, self->roster.count, session);
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
    zb_engine_now (self, now);
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
    zb_engine_now (self, now);
    zb_entry_t *entry = zb_map_find (&self->sessions, routing);
    if (!entry || self->fault)
        return;
    zb_session_t *session = ZB_ITEM (entry, zb_session_t, entry);
    session->gone = true;
    zb_map_remove (&self->sessions, &session->entry);
    zb_ring_remove (&session->idle);
    zb_ring_append (&self->gone_sessions, &session->idle);
    zb_engine_drop_gets (self, session);
    if (self->merge.session == session)
        self->merge.session = NULL;
    if (zb_ring_empty (&session->tasks))
        zb_engine_depart (self, session);
}

bool zb_engine_goes_on (const zb_engine_t *self)
{
    return self->visited < ZB_TURN_VISITS / 2;
}

//  Requests that gave way go on, each with one step, first come first served.
static void s_go_on (zb_engine_t *self)
{
    const zb_ring_t *last = self->later.sessions.prev;
    bool more = !zb_ring_empty (&self->later.sessions);
    while (more && zb_engine_goes_on (self) && !self->fault) {
        zb_ring_t *link = zb_ring_pop (&self->later.sessions);
        more = link != last;
        zb_session_t *session = ZB_ITEM (link, zb_session_t, waits);
        zb_engine_waited (self, session);
        zb_engine_go_on (self, session);
        more = more && !zb_ring_empty (&self->later.sessions);
    }
    zb_engine_put_on (self);
    if (zb_engine_goes_on (self))
        zb_engine_list_on (self);
    if (zb_engine_goes_on (self))
        zb_engine_serve_on (self);
}

int64_t zb_engine_tick (zb_engine_t *self, int64_t now)
{
    assert (self->leads);
    zb_engine_now (self, now);
    if (self->fault)
        return INT64_MAX;
    self->visited = 0;
    s_go_on (self);
    zb_timer_t *timer = zb_timer_first (&self->timers);
    while (timer && timer->when <= now && zb_engine_goes_on (self)) {
        if (timer->kind == ZB_TIMER_LEASE) {
            zb_lease_t *lease = ZB_ITEM (timer, zb_lease_t, timer);
            zb_queue_t *queue = lease->queue;
            self->stats.expired += lease->session ? lease->left : 0;
            bool holds = zb_engine_lease_holds (lease);
            zb_engine_tried (self, lease);
            if (holds)
                zb_engine_oust (self, queue);
            zb_engine_serve (self, queue);
        }
        else if (timer->kind == ZB_TIMER_SESSION)
            zb_engine_departed (self, ZB_ITEM (timer, zb_session_t, timer));
        else if (timer->kind == ZB_TIMER_DISUSE)
            zb_engine_disused (self, ZB_ITEM (timer, zb_queue_t, disuse));
        else if (timer->kind == ZB_TIMER_LANE) {
            zb_timer_stop (&self->timers, timer);
            zb_engine_serve (self, ZB_ITEM (timer, zb_queue_t, lane.timer));
        }
        else if (timer->kind == ZB_TIMER_HOLD)
            zb_engine_hold_over (self, ZB_ITEM (timer, zb_queue_t, hold.timer));
        else
            zb_engine_late (self, ZB_ITEM (timer, zb_get_t, timer));
        timer = zb_timer_first (&self->timers);
    }
    zb_engine_search_names (self);
    int64_t next = zb_engine_end_idle (self), marks = zb_engine_sweep_marks (self), retain = zb_engine_retain (self);
    next = next < self->search.at ? next : self->search.at;
    next = next < marks ? next : marks;
    next = next < retain ? next : retain;
    int64_t dying = zb_engine_die (self), disuse = zb_engine_disuse (self);
    next = next < dying ? next : dying;
    next = next < disuse ? next : disuse;
    int64_t frees = zb_engine_free_at (self), puts = zb_engine_put_at (self);
    next = next < frees ? next : frees;
    next = next < puts ? next : puts;
    bool more = zb_engine_depart_on (self) || (timer && timer->when <= now);
    if (self->starved) {
        self->starved = false;
        zb_engine_serve_all (self);
        next = self->starved ? now + STARVED_STEP : next;
    }
    zb_engine_close_large (self);
    if (more || !zb_ring_empty (&self->later.sessions) || !zb_ring_empty (&self->rest) ||
        !zb_ring_empty (&self->lists.done))
        return now;
    timer = zb_timer_first (&self->timers);
    return timer && timer->when < next ? timer->when : next;
}

//  Figures

bool zb_engine_owes (const zb_engine_t *self)
{
    return self->waits || self->backlog || !zb_ring_empty (&self->barrier.unsure);
}

bool zb_engine_client_waits (const zb_engine_t *self)
{
    bool comes = self->due_commit > self->released || (self->ready_held && !zb_engine_may (self, 0));
    return zb_engine_owes (self) || (comes && !zb_ring_empty (&self->demand));
}

bool zb_engine_loser_waits (const zb_engine_t *self)
{
    return self->keep == ZB_KEEP_NOTE && self->merge.heard_ms && self->now - self->merge.heard_ms < LOSER_WAITS;
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
    stats->names = self->census.count;
    stats->waiting = self->waits;
    stats->window_bytes = self->windows;
    stats->time = zb_engine_pair_time (self);
    stats->apart = (uint64_t) (self->clock.apart < 0 ? -self->clock.apart : self->clock.apart);
    stats->rests = zb_engine_rests (self);
    stats->dying = zb_engine_dying (self);
    stats->merging = zb_engine_merges (self);
}
