/*  =========================================================================
    sweeping - marks of subscriptions that nobody gets from pass what their filters exclude

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A row leaves the log of a topic when every mark has passed it.  A subscription whose consumers
    are away reads nothing, and so does not find out that its filter excludes all that comes: it
    would hold back the log for ever.  So the rows that are held back are read once for all such
    subscriptions together, and each mark passes those of which its filter takes nothing.

    It is done when what is held back has grown by much, and now and then.  Each step has a
    budget; where one ends the next begins: at the mark that is the farthest behind.
*/

#include <assert.h>
#include <stdlib.h>

#include "core/engine/engine_self.h"

#define SWEEP_STEP 1000        //  ms between two looks,
#define SWEEP_PAUSE 60000      //  and between two passes over a topic,
#define SWEEP_BYTES (4 << 20)  //  unless its rows take so much more by then, or a quarter of what they may
#define READ_ROWS 100          //  of one read,
#define READ_BYTES (256 << 10) //  and their bytes, about

void zb_engine_filters (zb_engine_t *self, const zb_queue_t *sub)
{
    if (sub->filter.size && zb_ring_empty (&sub->topic->filtered))
        zb_ring_append (&self->marks.topics, &sub->topic->filtered);
}

void zb_engine_advance_sub (zb_engine_t *self, zb_queue_t *sub)
{
    if (zb_cursor_advance (&sub->cursor, self->fill)) {
        zb_engine_touch_queue (self, sub);
        zb_engine_touch_queue (self, sub->topic);
    }
    zb_engine_trim_jumped (self, sub);
}

void zb_engine_advance_subs (zb_engine_t *self, zb_queue_t *topic)
{
    if (zb_ring_empty (&topic->filtered))
        return;
    ZB_RING_EACH (link, after, &topic->log.followers)
    zb_engine_advance_sub (self, ZB_ITEM (ZB_ITEM (link, zb_cursor_t, follows), zb_queue_t, cursor));
}

//  Whether it may pass the row that comes next.
static bool s_is_idle (const zb_queue_t *sub)
{
    const zb_cursor_t *cursor = &sub->cursor;
    return sub->filter.size && cursor->views.count == 0 && !cursor->load && cursor->reach < cursor->log->tail &&
           cursor->held != cursor->reach;
}

//  Reads on from the mark that is the farthest behind; false if there is none.
static bool s_read (zb_engine_t *self, zb_queue_t *topic)
{
    zb_queue_t *first = NULL;
    size_t subs = 0;
    ZB_RING_EACH (link, after, &topic->subs)
    {
        zb_queue_t *sub = ZB_ITEM (link, zb_queue_t, subs);
        zb_engine_advance_sub (self, sub);
        subs++;
        if (s_is_idle (sub) && (!first || sub->cursor.reach < first->cursor.reach))
            first = sub;
    }
    zb_engine_visited (self, subs / 16 + 1);
    if (!first || topic->log.inserting)
        return false;
    //  What lies before a mark that has gone back takes the bitmaps to be told.
    if (first->cursor.reach < first->cursor.passed) {
        zb_engine_load_rows (self, first, ZB_LOAD_WINDOW, first->cursor.reach + 1, UINT64_MAX);
        return true;
    }
    uint8_t key[ZB_LOG_KEY_SIZE];
    zb_load_t *load = zb_engine_load_new (self, ZB_LOAD_SWEEP);
    load->queue = topic;
    topic->log.users++;
    load->from = first->cursor.reach + 1;
    load->purges = topic->log.purges;
    zb_log_key (topic->id, load->from, key);
    zb_read_add (load->read, ZB_LOG, key, sizeof key, 4, READ_ROWS, READ_BYTES);
    self->marks.load = load;
    return true;
}

//  Has those pass the row whose mark is between `behind` and it, as long as there is budget.  The last one first: so only
//  the first of them has the log look for a mark that holds the row back.
static void s_pass (zb_engine_t *self, zb_queue_t *topic, const zb_places_t *places, uint64_t behind, size_t *left)
{
    for (zb_ring_t *link = topic->subs.prev, *next = link->prev; link != &topic->subs && *left;
         link = next, next = link->prev) {
        zb_queue_t *sub = ZB_ITEM (link, zb_queue_t, subs);
        zb_cursor_t *cursor = &sub->cursor;
        --*left;
        if (!s_is_idle (sub) || cursor->reach < behind || cursor->reach >= places->last ||
            cursor->reach < cursor->passed)
            continue;
        bool skips = zb_cursor_skip (cursor, places, self->fill);
        size_t visits = places->count + zb_cursor_worked (cursor);
        *left -= *left > visits ? visits : *left;
        if (!skips) {
            cursor->held = cursor->reach;
            continue;
        }
        zb_engine_touch_queue (self, sub);
        zb_engine_touch_queue (self, topic);
    }
}

bool zb_engine_swept_rows (zb_engine_t *self, const zb_load_t *load, const zb_read_t *read)
{
    zb_queue_t *topic = load->queue;
    const zb_log_t *log = &topic->log;
    uint64_t end = load->seen < log->tail ? load->seen : log->tail, behind = load->from - 1, last = 0;
    size_t left = ZB_STEP_VISITS;
    self->marks.load = NULL;
    if (topic->gone || log->inserting || log->purges != load->purges)
        return true;
    for (size_t index = 0; index < read->count[0] && left; index++, behind = last) {
        const zb_found_t *found = &read->found[0][index];
        if (zb_log_key_decode (found, log->id, &last))
            return false;
        if (last > end)
            break;
        if (last <= log->floor)
            continue;
        zb_places_t *places = zb_places_new (found->row, last);
        if (!places)
            return false;
        s_pass (self, topic, places, behind, &left);
        zb_places_unref (&places);
    }
    zb_engine_visited (self, ZB_STEP_VISITS - left);
    return true;
}

//  Whether a pass over the topic is due, or has not come to its end.
static bool s_is_due (const zb_engine_t *self, const zb_queue_t *topic)
{
    uint64_t most = zb_engine_topic_bytes (self, topic) / 4;
    most = most < SWEEP_BYTES ? most : SWEEP_BYTES;
    return self->now - topic->swept_at >= SWEEP_PAUSE || topic->log.stored > topic->swept + most;
}

int64_t zb_engine_sweep_marks (zb_engine_t *self)
{
    if (zb_ring_empty (&self->marks.topics))
        return INT64_MAX;
    if (self->now < self->marks.at || self->marks.load || !zb_engine_may (self, 0))
        return self->marks.at > self->now ? self->marks.at : self->now + SWEEP_STEP;
    self->marks.at = self->now + SWEEP_STEP;
    ZB_RING_EACH (link, after, &self->marks.topics)
    {
        zb_queue_t *topic = ZB_ITEM (link, zb_queue_t, filtered);
        if (!s_is_due (self, topic))
            continue;
        if (s_read (self, topic)) {
            self->marks.at = self->now;
            break;
        }
        topic->swept_at = self->now;
        topic->swept = topic->log.stored;
    }
    return self->marks.at > self->now ? self->marks.at : self->now + SWEEP_STEP;
}
