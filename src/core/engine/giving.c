/*  =========================================================================
    giving - the engine's GETs, deliveries and leases

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine/engine_self.h"

//  What answering a GET costs, in visits.
#define GET_VISITS 10
//  ms in which a GET whose wait is over is kept while what is due is read, or inserted: that may be behind very much that is
//  purged.
#define LATE_MOST 1000
//  ms between two times that rows of which something is leased leave memory.
#define EVICT_STEP 100

//  Leases

int64_t zb_engine_lease (const zb_engine_t *self, const zb_queue_t *queue)
{
    return queue->lease ? (int64_t) queue->lease : self->limits.lease;
}

void zb_engine_return (zb_engine_t *self, zb_lease_t *lease)
{
    size_t left = SIZE_MAX;
    const zb_whose_t whose = {.lease = lease};
    //  One more, so that it lives until its last span is done.
    zb_lease_hold (lease);
    for (uint32_t index = 0; index < lease->spans; index++)
        zb_cursor_hand (&lease->queue->cursor, lease->span[index].first, lease->span[index].last, &whose, NULL, &left);
    zb_engine_visited (self, SIZE_MAX - left);
    assert (lease->left == 1);
    zb_lease_uncover (lease, 1);
}

void zb_engine_return_all (zb_engine_t *self, zb_session_t *session)
{
    while (!zb_ring_empty (&session->leases)) {
        zb_lease_t *lease = ZB_ITEM (session->leases.next, zb_lease_t, mine);
        zb_queue_t *queue = lease->queue;
        zb_engine_return (self, lease);
        zb_engine_serve (self, queue);
    }
}

void zb_engine_undelivered (zb_engine_t *self, const zb_reply_t *reply, int64_t now)
{
    self->now = now;
    zb_entry_t *entry = self->leads && !self->fault ? zb_map_find (&self->sessions, reply->to.routing) : NULL;
    if (!entry || !reply->lease)
        return;
    zb_session_t *session = ZB_ITEM (entry, zb_session_t, entry);
    ZB_RING_EACH (link, after, &session->leases)
    {
        zb_lease_t *lease = ZB_ITEM (link, zb_lease_t, mine);
        if (lease->number == reply->lease) {
            //  What could not be sent would go to this session again at once.
            zb_queue_t *queue = lease->queue;
            zb_engine_end_gets (self, session, NULL);
            zb_engine_return (self, lease);
            zb_engine_serve (self, queue);
            break;
        }
    }
}

//  Deliveries

zb_delivery_t zb_engine_delivery (const zb_places_t *places, uint32_t number, zb_frame_t properties)
{
    return (zb_delivery_t){.row = zb_row_ref (places->row),
                           .offset = places->place[number].offset,
                           .size = places->place[number].size,
                           .properties = (uint32_t) ((const uint8_t *) properties.data - places->row->data),
                           .properties_size = (uint32_t) properties.size,
                           .id = zb_places_id (places, number)};
}

void zb_engine_mark (zb_delivery_t *delivery, uint32_t number)
{
    zb_log_head_t head;
    int rc = zb_log_head (delivery->row, &head);
    assert (rc == 0);
    delivery->n = head.n ? head.n + number : 0;
    delivery->time = head.time;
}

//  Fills a GET's reply with what is ready.
static void s_fill (zb_engine_t *self, zb_get_t *get)
{
    zb_queue_t *queue = get->queue;
    zb_reply_t *reply = get->reply;
    zb_lease_t *lease =
        zb_lease_new (&self->timers, ZB_TIMER_LEASE, self->now + zb_engine_lease (self, queue), ++self->next_lease);
    lease->session = get->session;
    lease->sum = &get->session->leased;
    lease->queue = queue;
    zb_ring_append (&get->session->leases, &lease->mine);
    uint64_t ready = queue->cursor.ready + queue->cursor.front_ready;
    uint64_t fence = queue->mode == ZB_MODE_EXCLUSIVE ? zb_engine_lend (self, queue, lease) : 0;
    size_t max = get->max < ready ? (size_t) get->max : (size_t) ready;
    reply->body = (zb_delivery_t *) malloc (max * sizeof (zb_delivery_t));
    assert (reply->body);
    reply->skipped = queue->cursor.lost;
    queue->cursor.told = true;
    size_t bytes = 0;
    uint32_t number = 0;
    zb_view_t *view = NULL;
    bool asks = queue->timed || queue->mode == ZB_MODE_KEY;
    //  The first one was asked for.
    while (reply->bodies < max && (!asks || reply->bodies == 0 || zb_engine_deliverable (self, queue)) &&
           (view = zb_cursor_next (&queue->cursor, &number))) {
        zb_places_t *places = view->places;
        zb_frame_t properties = zb_places_properties (places, number);
        size_t line = ZB_INDEX_LINE_MAX + (queue->topic || fence ? ZB_INDEX_MARKS_MAX : 0);
        size_t more = places->place[number].size + line + 1 + properties.size;
        if (reply->bodies && bytes + more > self->limits.reply)
            break;
        bytes += more;
        zb_delivery_t *delivery = &reply->body[reply->bodies++];
        *delivery = zb_engine_delivery (places, number, properties);
        delivery->deliveries = zb_cursor_deliver (&queue->cursor, view, number, lease);
        delivery->fence = fence;
        if (queue->topic)
            zb_engine_mark (delivery, number);
    }
    zb_engine_visited (self, reply->bodies);
    assert (reply->bodies);
    reply->lease = lease->number;
    reply->large = bytes;
}

//  It waits for no commit any more.  What waits for a message counts in no `waiting`: it ends when somebody else likes.
static void s_released (zb_engine_t *self, zb_get_t *get)
{
    get->waits = false;
    self->waits--;
    self->waiting -= get->bytes;
}

//  Takes a GET off everything; its reply is the caller's.
static zb_reply_t *s_finish (zb_engine_t *self, zb_get_t *get)
{
    zb_reply_t *reply = get->reply;
    zb_queue_t *queue = get->queue;
    zb_timer_stop (&self->timers, &get->timer);
    zb_ring_remove (&get->turn);
    zb_ring_remove (&get->late);
    zb_ring_remove (&get->mine);
    if (get->parked) {
        self->stats.parked--;
        queue->waiting--;
    }
    if (get->waits)
        s_released (self, get);
    if (queue->waiting == 0)
        zb_ring_remove (&queue->demand);
    get->session->asked--;
    self->asked--;
    queue->log.users--;
    zb_engine_used (self, queue);
    free (get);
    if (queue->mode == ZB_MODE_EXCLUSIVE)
        zb_engine_watch_hold (self, queue);
    return reply;
}

void zb_engine_end_get (zb_engine_t *self, zb_get_t *get)
{
    zb_reply_t *reply = s_finish (self, get);
    if (reply->claims)
        zb_engine_give (self, &reply, 0);
    else
        zb_engine_give_now (self, &reply);
}

void zb_engine_turn_get (zb_engine_t *self, zb_get_t *get, const char *active)
{
    zb_reply_t *reply = s_finish (self, get);
    zb_reply_turn (&reply, ZB_REPLY_PASSIVE, 0, active);
    zb_engine_give_now (self, &reply);
}

void zb_engine_refuse_gets (zb_engine_t *self, zb_session_t *session, unsigned code, const char *why)
{
    ZB_RING_EACH (link, after, &session->gets)
    {
        zb_reply_t *reply = s_finish (self, ZB_ITEM (link, zb_get_t, mine));
        zb_engine_refuse (self, &reply->to, code, why, ZB_NOW);
        zb_reply_destroy (&reply);
    }
}

void zb_engine_end_gets (zb_engine_t *self, zb_session_t *session, const zb_queue_t *queue)
{
    ZB_RING_EACH (link, after, &session->gets)
    {
        zb_get_t *get = ZB_ITEM (link, zb_get_t, mine);
        if (get->parked && (!queue || get->queue == queue)) {
            zb_reply_t *reply = s_finish (self, get);
            zb_engine_give (self, &reply, 0);
        }
    }
}

void zb_engine_drop_gets (zb_engine_t *self, zb_session_t *session)
{
    ZB_RING_EACH (link, after, &session->gets)
    {
        zb_reply_t *reply = s_finish (self, ZB_ITEM (link, zb_get_t, mine));
        zb_reply_destroy (&reply);
    }
}

size_t zb_engine_chunk (const zb_engine_t *self)
{
    size_t less = self->limits.window < self->limits.windows ? self->limits.window : self->limits.windows;
    return less / 4;
}

void zb_engine_serve_later (zb_engine_t *self, zb_queue_t *queue)
{
    zb_ring_remove (&queue->rest);
    zb_ring_append (&self->rest, &queue->rest);
}

void zb_engine_end_queue (zb_engine_t *self, zb_queue_t *queue)
{
    zb_ring_join (&queue->parked, &queue->at_tail);
    while (!zb_ring_empty (&queue->parked)) {
        if (zb_engine_budget (self) == 0) {
            zb_engine_serve_later (self, queue);
            return;
        }
        zb_engine_visited (self, GET_VISITS);
        zb_get_t *get = ZB_ITEM (queue->parked.next, zb_get_t, turn);
        zb_reply_t *reply = s_finish (self, get);
        zb_reply_turn (&reply, ZB_REPLY_ERROR, ZB_NOT_FOUND, "the queue was deleted");
        zb_engine_give_refusal (self, reply, queue->commit);
    }
}

//  Drops rows of other queues until `chunk` bytes fit in.
static void s_make_room (zb_engine_t *self, const zb_queue_t *queue, size_t chunk, bool leased)
{
    ZB_RING_EACH (link, after, &self->all_queues)
    {
        zb_queue_t *other = ZB_ITEM (link, zb_queue_t, ring);
        if (self->windows + chunk <= self->limits.windows)
            return;
        if (other != queue)
            zb_cursor_shed (&other->cursor, self->taken, self->limits.windows - chunk, leased);
    }
}

bool zb_engine_window_fits (const zb_engine_t *self, const zb_queue_t *queue)
{
    const zb_log_t *log = queue->cursor.log;
    size_t chunk = zb_engine_chunk (self);
    return !log->inserting && log->bytes + chunk <= self->limits.window &&
           self->windows + chunk <= self->limits.windows;
}

bool zb_engine_has_room (zb_engine_t *self, zb_queue_t *queue, size_t chunk)
{
    if (self->windows + chunk > self->limits.windows) {
        s_make_room (self, queue, chunk, false);
        //  Two queues with nothing but leased rows would take turns in having theirs read again, as fast as they can.
        if (self->windows + chunk > self->limits.windows && self->now >= self->evict_at) {
            self->evict_at = self->now + EVICT_STEP;
            s_make_room (self, queue, chunk, true);
        }
    }
    self->starved = self->starved || self->windows + chunk > self->limits.windows;
    return !self->starved;
}

//  Whether so much more may be read, up to so much in all.  Held: what is in memory is of no use to who asks, so that only the
//  sum of all windows bounds it.
static bool s_has_room (zb_engine_t *self, zb_queue_t *queue, size_t chunk, size_t most, bool held)
{
    const zb_cursor_t *cursor = &queue->cursor;
    //  What is known of keys can't be shed: it must not take what all windows have.
    if (zb_cursor_key_bytes (cursor) > self->limits.windows / 16)
        return false;
    if (cursor->window && !held && cursor->log->bytes + chunk > most)
        return false;
    if (self->starved || (queue->filter.size && !zb_engine_may_sift (self, queue)))
        return false;
    return zb_engine_has_room (self, queue, chunk);
}

//  A subscription keeps what is done behind a message that is not, and what rests is in nobody's way.
static bool s_is_held (const zb_queue_t *queue)
{
    return (queue->topic || queue->resting || queue->dying) && queue->cursor.ready == 0 && queue->mode != ZB_MODE_KEY;
}

//  Bytes of a queue in memory.  Where what is there waits for its key others may be behind it, but that has an end: beyond it
//  the queue waits.
static size_t s_most (const zb_engine_t *self, const zb_queue_t *queue)
{
    bool looks =
        queue->mode == ZB_MODE_KEY && queue->cursor.ready == 0 && self->limits.windows / 2 > self->limits.window;
    return looks ? self->limits.windows / 2 : self->limits.window;
}

bool zb_engine_due_fits (zb_engine_t *self, zb_queue_t *queue, size_t bytes)
{
    //  It does not wait for a backlog that fills the window: that is shed when it is there, as far as nobody has it.
    size_t chunk = zb_engine_chunk (self), more = bytes < chunk ? bytes : chunk;
    return s_has_room (self, queue, more, s_most (self, queue) + chunk, s_is_held (queue));
}

static void s_read_ahead (zb_engine_t *self, zb_queue_t *queue, bool held)
{
    //  I1: what was inserted and is not released would be read as well.
    const zb_cursor_t *cursor = &queue->cursor;
    if (cursor->log->inserting)
        return;
    if (zb_engine_reads (queue) || cursor->reach >= cursor->log->tail || cursor->ready >= 2 * self->limits.bodies)
        return;
    if (s_has_room (self, queue, zb_engine_chunk (self), s_most (self, queue), held))
        zb_engine_load_rows (self, queue, ZB_LOAD_WINDOW, cursor->reach + 1, UINT64_MAX);
}

void zb_engine_read_ahead (zb_engine_t *self, zb_queue_t *queue)
{
    s_read_ahead (self, queue, s_is_held (queue));
}

void zb_engine_read_past (zb_engine_t *self, zb_queue_t *queue)
{
    s_read_ahead (self, queue, true);
}

//  Whether there is something to be delivered.
static bool s_gives (zb_queue_t *queue)
{
    uint32_t number = 0;
    return zb_cursor_next (&queue->cursor, &number) != NULL;
}

void zb_engine_serve (zb_engine_t *self, zb_queue_t *queue)
{
    if (queue->kind == ZB_KIND_TOPIC) {
        zb_engine_serve_readers (self, queue);
        return;
    }
    if (queue->mode == ZB_MODE_EXCLUSIVE)
        zb_engine_watch_hold (self, queue);
    if (zb_ring_empty (&queue->parked))
        return;
    if (!zb_engine_settle (self, queue)) {
        zb_engine_serve_later (self, queue);
        return;
    }
    if (!zb_engine_may (self, 0)) {
        self->ready_held =
            self->ready_held || queue->cursor.ready || queue->cursor.front_ready || zb_engine_may_be_due (self, queue);
        return;
    }
    if (queue->mode == ZB_MODE_EXCLUSIVE && !zb_engine_elect (self, queue)) {
        zb_engine_serve_later (self, queue);
        return;
    }
    //  The two take turns: while there is nothing to give, what is next in the log is read first.
    if (queue->delays && s_gives (queue))
        zb_engine_delay (self, queue);
    while (s_gives (queue) && !zb_ring_empty (&queue->parked)) {
        //  What is made in one go has a bound, however many GETs wait: the rest goes on when this was sent.
        if (self->outgoing >= ZB_OUTGOING) {
            self->congested = true;
            return;
        }
        if (zb_engine_budget (self) == 0) {
            zb_engine_serve_later (self, queue);
            return;
        }
        zb_get_t *get = zb_engine_first_get (self, queue);
        if (!get)
            break;
        if (!zb_engine_sure (self, get->since)) {
            zb_engine_doubt (self, queue);
            return;
        }
        if ((queue->timed || queue->mode == ZB_MODE_KEY) && !zb_engine_deliverable (self, queue)) {
            if (s_gives (queue) || !zb_cursor_settled (&queue->cursor)) {
                zb_engine_serve_later (self, queue);
                return;
            }
            break;
        }
        s_fill (self, get);
        zb_engine_end_get (self, get);
    }
    zb_engine_read_ranks (self, queue);
    zb_engine_read_ahead (self, queue);
    if (queue->delays)
        zb_engine_delay (self, queue);
    if (queue->cursor.load || !zb_ring_empty (&queue->sifts))
        return;
    bool comes = zb_engine_delay_comes (self, queue);
    for (; !zb_ring_empty (&queue->late); zb_engine_visited (self, GET_VISITS)) {
        zb_get_t *get = ZB_ITEM (queue->late.next, zb_get_t, late);
        if (comes && self->now - get->deadline < LATE_MOST)
            return;
        if (zb_engine_budget (self) == 0) {
            zb_engine_serve_later (self, queue);
            return;
        }
        zb_engine_end_get (self, get);
    }
}

void zb_engine_serve_on (zb_engine_t *self)
{
    const zb_ring_t *last = self->rest.prev;
    for (bool more = true; more && !zb_ring_empty (&self->rest) && zb_engine_budget (self);) {
        zb_ring_t *link = zb_ring_pop (&self->rest);
        zb_queue_t *queue = ZB_ITEM (link, zb_queue_t, rest);
        more = link != last;
        zb_engine_visited (self, 1);
        (queue->gone ? zb_engine_end_queue : zb_engine_serve) (self, queue);
    }
}

void zb_engine_late (zb_engine_t *self, zb_get_t *get)
{
    zb_queue_t *queue = get->queue;
    zb_timer_stop (&self->timers, &get->timer);
    zb_ring_append (&queue->late, &get->late);
    zb_engine_serve (self, queue);
}

void zb_engine_serve_all (zb_engine_t *self)
{
    ZB_RING_EACH (link, after, &self->demand)
    zb_engine_serve_later (self, ZB_ITEM (link, zb_queue_t, demand));
    zb_engine_serve_on (self);
}

//  GETs

static void s_park (zb_engine_t *self, zb_get_t *get)
{
    zb_queue_t *queue = get->queue;
    get->parked = true;
    queue->waiting++;
    if (queue->kind == ZB_KIND_TOPIC)
        zb_engine_park_reader (queue, get);
    else {
        zb_ring_append (&queue->parked, &get->turn);
        zb_cursor_follow (&queue->cursor, true);
        if (queue->mode == ZB_MODE_EXCLUSIVE)
            zb_engine_claim (self, queue, get->session);
    }
    self->stats.parked++;
    if (zb_ring_empty (&queue->demand))
        zb_ring_append (&self->demand, &queue->demand);
    if (get->deadline > self->now) {
        zb_timer_set (&self->timers, &get->timer, get->deadline);
        zb_engine_serve (self, queue);
    }
    else
        zb_engine_late (self, get);
}

void zb_engine_get (zb_engine_t *self, zb_queue_t *queue, const zb_task_t *task, uint64_t commit)
{
    zb_session_t *session = task->session;
    const zb_request_t *request = &task->request;
    zb_get_t *get = (zb_get_t *) calloc (1, sizeof (zb_get_t) + request->filter.size);
    assert (get);
    get->behind = task->next;
    get->filter_size = request->filter.size;
    if (request->filter.size)
        memcpy (get->filter, request->filter.data, request->filter.size);
    get->timer.kind = ZB_TIMER_GET;
    get->session = session;
    get->queue = queue;
    get->max = request->max;
    get->since = self->barrier.moment;
    get->reply = zb_reply_new (&request->from, ZB_REPLY_MESSAGES, &queue->name, 1);
    get->reply->claims = commit > 0;
    get->reply->foreign = task->foreign;
    queue->log.users++;
    session->asked++;
    self->asked++;
    zb_ring_init (&get->turn);
    zb_ring_init (&get->late);
    zb_ring_init (&get->mine);
    zb_ring_append (&session->gets, &get->mine);
    //  Far beyond any life of a process is as good as never, and can't overflow.
    uint64_t wait = request->wait < INT32_MAX ? request->wait : INT32_MAX;
    get->deadline = self->now + (int64_t) wait;
    if (commit && (self->released < commit || self->released < self->gate)) {
        zb_ring_append (&zb_engine_commit (self, commit)->gets, &get->turn);
        get->waits = true;
        self->waits++;
        get->bytes = sizeof *get + get->reply->bytes;
        self->waiting += get->bytes;
        return;
    }
    if (commit)
        get->deadline = self->now;
    if (get->max == 0) {
        zb_reply_t *reply = s_finish (self, get);
        zb_engine_give (self, &reply, 0);
        return;
    }
    s_park (self, get);
}

void zb_engine_got (zb_engine_t *self, zb_get_t *get)
{
    get->deadline = self->now;
    s_released (self, get);
    zb_engine_find_lag (self, get);
    //  Its acknowledgements are known to be true now, or refused.
    bool refused = zb_engine_refuted (self, get->reply);
    get->reply->foreign = refused;
    //  A session that is over hears of its acknowledgements, and gets nothing: its name's next one would get what is
    //  behind it.
    if (refused || get->max == 0 || get->queue->gone || !get->session->hello)
        zb_engine_end_get (self, get);
    else
        s_park (self, get);
}
