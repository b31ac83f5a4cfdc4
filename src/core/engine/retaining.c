/*  =========================================================================
    retaining - topics that keep all, until it is too old or too much

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    With keep=all no acknowledgement removes a row: rows go from the head when they are beyond
    max-age, keep-messages or max-bytes, whatever subscriptions have done.  Only by its age does the last row go.
    A subscription that was not done with them is told with what it gets next.

    Nobody asked for it, so the journal does not say it: each side of a split decides for itself.  In the row of
    such a subscription the mark stays before the gap until it has acknowledged something behind it, so that a replay
    does not take the gap for acknowledgements.  What is too old stays while the clock may be wrong.

    One read of one topic is under way at a time, and what it brings is all that goes in its step.  A
    subscription that has done something behind its mark which memory does not know reads that first: so counts
    stay true.

    Topics that nobody has used since this lead began get old, too: they are looked for once, and a few are
    loaded at a time.
*/

#include <assert.h>
#include <string.h>

#include "core/engine/engine_self.h"

#define RETAIN_STEP 100      //  ms between two looks at all topics,
#define RETAIN_PAUSE 1000    //  and that at the latest
#define READ_ROWS 256        //  rows of one read,
#define READ_BYTES (1 << 20) //  and their bytes, about
#define FIND_PAUSE 1000      //  ms until such topics are looked for,
#define FIND_STEP 100        //  and between two steps of that,
#define FIND_ROWS 100        //  rows of one step,
#define FIND_BYTES 65536     //  and their bytes, about
#define FIND_LOADS 8         //  topics that are loaded at a time

void zb_engine_retention (zb_engine_t *self, zb_queue_t *topic)
{
    zb_ring_remove (&topic->retaining);
    if (topic->log.retains)
        zb_ring_append (&self->retain.topics, &topic->retaining);
    topic->oldest = (zb_oldest_t){0};
    self->retain.at = self->now;
}

//  Whether the first row is known.
static bool s_is_known (const zb_queue_t *topic)
{
    return topic->oldest.count && topic->oldest.behind == topic->log.floor;
}

bool zb_engine_is_last (const zb_queue_t *topic)
{
    return s_is_known (topic) && zb_queue_depth (topic) <= topic->oldest.count;
}

//  Whether the first row is to go.
static bool s_is_beyond (const zb_engine_t *self, const zb_queue_t *topic, const zb_oldest_t *first)
{
    bool old = topic->age && first->time && self->clock.pair.time > first->time &&
               self->clock.pair.time - first->time > topic->age && !zb_engine_rests (self);
    uint64_t depth = zb_queue_depth (topic);
    bool many = topic->most && depth >= first->count && depth - first->count >= topic->most;
    bool large = depth > first->count && topic->log.stored > zb_engine_topic_bytes (self, topic);
    return old || many || large;
}

//  Whether its first rows are to be read: one is to go, or it is not known.
static bool s_is_due (const zb_engine_t *self, const zb_queue_t *topic)
{
    const zb_log_t *log = &topic->log;
    if (log->inserting || log->tail <= log->floor || zb_queue_depth (topic) == 0)
        return false;
    bool most = topic->most && zb_queue_depth (topic) > topic->most;
    return s_is_known (topic) ? s_is_beyond (self, topic, &topic->oldest)
                              : topic->age || most || log->stored > zb_engine_topic_bytes (self, topic);
}

//  The id up to which each subscription knows what it has done, and the one that knows the least.
static uint64_t s_known (zb_engine_t *self, const zb_queue_t *topic, zb_queue_t **least)
{
    uint64_t known = UINT64_MAX;
    size_t subs = 0;
    *least = NULL;
    for (zb_ring_t *link = topic->subs.next; link != &topic->subs; link = link->next) {
        zb_queue_t *sub = ZB_ITEM (link, zb_queue_t, subs);
        uint64_t knows = zb_cursor_knows (&sub->cursor);
        subs++;
        if (knows >= known)
            continue;
        known = knows;
        *least = sub;
    }
    zb_engine_visited (self, subs / 16 + 1);
    return known;
}

static void s_read (zb_engine_t *self, zb_queue_t *topic)
{
    uint8_t key[ZB_LOG_KEY_SIZE];
    zb_load_t *load = zb_engine_load_new (self, ZB_LOAD_OLDEST);
    load->queue = topic;
    topic->log.users++;
    load->purges = topic->log.purges;
    topic->oldest.read = true;
    zb_log_key (topic->id, topic->log.floor + 1, key);
    zb_read_add (load->read, ZB_LOG, key, sizeof key, 4, READ_ROWS, READ_BYTES);
    self->retain.load = load;
}

//  Has it read what it has done.  That does not wait until the windows of all queues leave room, which others hold: PUT
//  would be refused meanwhile.  It is one read beyond that at a time; the rows that go leave memory with it, and those
//  behind them give way to other windows.
static void s_learn (zb_engine_t *self, zb_queue_t *sub)
{
    if (!sub->cursor.load)
        zb_engine_load_rows (self, sub, ZB_LOAD_WINDOW, sub->cursor.reach + 1, UINT64_MAX);
    self->retain.load = sub->cursor.load;
    self->retain.at = self->now;
}

//  Rows have gone.
static void s_removed (zb_engine_t *self, zb_queue_t *topic)
{
    size_t subs = 0;
    ZB_RING_EACH (link, after, &topic->subs)
    {
        zb_queue_t *sub = ZB_ITEM (link, zb_queue_t, subs);
        subs++;
        if (!zb_cursor_overtaken (&sub->cursor, self->fill))
            continue;
        zb_engine_touch_queue (self, sub);
        zb_engine_serve (self, sub);
    }
    zb_engine_touch_queue (self, topic);
    zb_engine_visited (self, subs / 16 + 1);
    self->retain.at = self->now;
}

bool zb_engine_oldest (zb_engine_t *self, const zb_load_t *load, const zb_read_t *read)
{
    zb_queue_t *topic = load->queue, *least = NULL;
    zb_log_t *log = &topic->log;
    self->retain.load = NULL;
    //  Its first rows may be others meanwhile.
    if (topic->gone || !topic->oldest.read || !log->retains || log->inserting || log->purges != load->purges)
        return true;
    uint64_t end = load->seen < log->tail ? load->seen : log->tail, known = s_known (self, topic, &least), last = 0;
    bool removes = false;
    for (size_t index = 0; index < read->count[0]; index++) {
        const zb_found_t *found = &read->found[0][index];
        zb_log_head_t head;
        if (zb_log_key_decode (found, log->id, &last) || zb_log_head (found->row, &head))
            return false;
        if (last > end)
            break;
        topic->oldest = (zb_oldest_t){.behind = log->floor, .time = head.time, .count = head.count};
        if (!s_is_beyond (self, topic, &topic->oldest))
            break;
        if (last > known) {
            if (!removes)
                s_learn (self, least);
            break;
        }
        zb_log_remove (log, last, head.count, found->row->size, self->fill);
        removes = true;
    }
    zb_engine_visited (self, read->count[0]);
    if (removes)
        s_removed (self, topic);
    return true;
}

bool zb_engine_found_retaining (zb_engine_t *self, const zb_read_t *read)
{
    //  The next step begins with the first one that is not loaded yet: those that are on their way count there, too.
    const zb_found_t *next = NULL;
    size_t loads = 0;
    self->retain.find.reads = false;
    for (size_t index = 0; index < read->count[0] && loads < FIND_LOADS; index++) {
        const zb_found_t *found = &read->found[0][index];
        zb_frame_t name = {found->key, found->key_size};
        zb_queue_row_t row;
        if (zb_place_check (name) || zb_queue_row_decode (&row, found->row))
            return false;
        if (row.kind != ZB_KIND_TOPIC || !row.retains || zb_map_find (&self->queues, name))
            continue;
        zb_engine_load (self, ZB_LOAD_QUEUE, name);
        loads++;
        next = next ? next : found;
    }
    zb_engine_visited (self, read->count[0]);
    self->retain.find.at = next || (read->more[0] && read->count[0]) ? self->now + FIND_STEP : INT64_MAX;
    if (self->retain.find.at == INT64_MAX)
        return true;
    const zb_found_t *from = next ? next : &read->found[0][read->count[0] - 1];
    memcpy (self->retain.find.key, from->key, from->key_size);
    //  Behind the last one of those that are done.
    self->retain.find.key[from->key_size] = 0;
    self->retain.find.size = from->key_size + (next ? 0u : 1u);
    return true;
}

//  Looks for topics that keep all; returns when to go on.
static int64_t s_find (zb_engine_t *self)
{
    if (self->retain.find.at == 0) {
        //  Tombstones come before all names.
        self->retain.find = (zb_search_t){.key = {ZB_TOMB_MARK + 1}, .size = 1, .at = self->now + FIND_PAUSE};
        //  Before that level there are none.
        if (self->store_level < ZB_LEVEL_TOPICS)
            self->retain.find.at = INT64_MAX;
    }
    if (self->retain.find.reads || !self->booted || self->now < self->retain.find.at)
        return self->retain.find.at > self->now ? self->retain.find.at : self->now + FIND_STEP;
    zb_load_t *load = zb_engine_load_new (self, ZB_LOAD_TOPICS);
    zb_read_add (load->read, ZB_QUEUES, self->retain.find.key, self->retain.find.size, 0, FIND_ROWS, FIND_BYTES);
    self->retain.find.reads = true;
    return self->now + FIND_STEP;
}

int64_t zb_engine_retain (zb_engine_t *self)
{
    int64_t next = s_find (self);
    if (zb_ring_empty (&self->retain.topics))
        return next;
    if (self->now < self->retain.at || self->retain.load || !zb_engine_may (self, 0))
        return self->now + RETAIN_PAUSE;
    self->retain.at = self->now + RETAIN_STEP;
    ZB_RING_EACH (link, after, &self->retain.topics)
    {
        zb_queue_t *topic = ZB_ITEM (link, zb_queue_t, retaining);
        zb_engine_visited (self, 1);
        if (!s_is_due (self, topic))
            continue;
        //  Others are first the next time.
        zb_ring_remove (&topic->retaining);
        zb_ring_append (&self->retain.topics, &topic->retaining);
        s_read (self, topic);
        break;
    }
    return self->now + RETAIN_PAUSE;
}
