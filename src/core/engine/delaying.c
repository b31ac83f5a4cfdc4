/*  =========================================================================
    delaying - messages that are not due yet

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    How they lie in the store, and what becomes of them when, is said in core/queue/lane.h.

    What is due is taken out of the lane, and inserted into the log, when somebody gets: the rows of one read, in
    the order of their time, as far as their ids rise.  Rows of which one has a smaller id than the
    one before are left for the next time, when what was inserted is not next any more, since of what is in the log
    the smallest id is delivered first.
*/

#include <assert.h>

#include "core/engine/engine_self.h"
#include "core/queue/timing.h"

#define ROWS 256          //  of one read
#define BYTES (256 << 10) //  of one read, about
#define ERASED 64         //  bytes of a commit that erases one, about
#define CLOCK_STEP 100    //  ms until it is tried again while the time is not known

//  A lead that begins takes up the time of the store, which may be ahead by a step, and by another one for each lead
//  shortly before.  So much is not believed, unless the machine's clock says so, too: nothing is early.
#define AHEAD (10 * ZB_TIME_STEP)

uint64_t zb_engine_due_time (const zb_engine_t *self)
{
    uint64_t time = self->clock.pair.time, wall = (uint64_t) self->clock.wall;
    if (wall == 0 || wall >= time)
        return time;
    return wall + AHEAD > time ? wall : time - AHEAD;
}

const char *zb_engine_due (const zb_engine_t *self, const zb_queue_t *queue, zb_frame_t properties, uint64_t *due,
                           unsigned *code)
{
    zb_delay_t delay = {.told = false};
    uint64_t time = zb_engine_due_time (self);
    *due = 0;
    *code = ZB_BAD_REQUEST;
    if (queue->kind == ZB_KIND_TOPIC && self->store_level >= ZB_LEVEL_DELAY) {
        const char *wrong = zb_delay_read (&delay, properties);
        return wrong ? wrong : delay.told ? "delay and due: not in a topic" : NULL;
    }
    if (!queue->delays)
        return NULL;
    const char *wrong = zb_delay_read (&delay, properties);
    if (wrong)
        return wrong;
    uint64_t ms = delay.told ? delay.delay : queue->delay;
    if (ms == 0 && delay.due == 0)
        return NULL;
    if (time == 0) {
        *code = ZB_NOT_READY;
        return "this broker does not know the time yet";
    }
    uint64_t when = delay.due ? delay.due : time + ms, later = self->clock.pair.time + ms;
    if (when <= time)
        return NULL;
    zb_timing_t timing = {.told = false};
    if (queue->timed)
        zb_timing_read (&timing, properties);
    uint64_t expires = timing.told ? timing.expires : queue->timed ? queue->expires : 0;
    if (expires && when - time >= expires)
        return "it would expire before it is due";
    //  The other machine, whose clock is ahead, may lead before it is due.
    bool ahead = self->clock.apart > ZB_TIME_STEP && delay.due == 0;
    *due = ahead && (expires == 0 || later - time < expires) ? later : when;
    return NULL;
}

//  ---------------------------------------------------------------------------
//  Taking what is due

bool zb_engine_inserts_due (const zb_engine_t *self, const zb_queue_t *queue)
{
    return queue->lane.commit > self->released;
}

const char *zb_engine_unsure (const zb_engine_t *self, const zb_queue_t *queue)
{
    return zb_engine_inserts_due (self, queue) ? "what has just become due is not on the disks yet, send it again"
                                               : ZB_MERGING;
}

//  Whether what is next is none of what was inserted, by whomever: that goes first, since it was due before.  Where others are
//  next, what was inserted is one among them.
static bool s_is_passed (zb_queue_t *queue)
{
    uint32_t number = 0;
    //  Where there are ranks it may be one that goes before.
    if (queue->cursor.ranks && !queue->cursor.flat)
        return true;
    const zb_view_t *view = zb_cursor_next (&queue->cursor, &number);
    return !view || !zb_log_due (view->places->row);
}

static zb_load_t *s_load (zb_engine_t *self, zb_queue_t *queue, zb_load_kind_t kind)
{
    assert (!queue->lane.load);
    zb_load_t *load = zb_engine_load_new (self, kind);
    load->queue = queue;
    load->purges = queue->log.purges;
    queue->lane.load = load;
    queue->log.users++;
    zb_lane_tidy (&queue->lane, self->released);
    return load;
}

//  The commit that erases the last rows of what is purged erases the tombstone: a read that sees the one sees the other,
//  however late it comes back.  A tombstone that the store has not got yet was known when the read was handed out.
void zb_engine_read_tomb (zb_load_t *load)
{
    uint8_t key[ZB_TOMB_KEY_SIZE];
    zb_tomb_key (load->queue->id, key);
    zb_read_add (load->read, ZB_QUEUES, key, sizeof key, sizeof key, 1, BYTES);
}

bool zb_engine_tomb (const zb_load_t *load, const zb_read_t *read, size_t range, uint64_t *mark)
{
    uint32_t queue = 0;
    uint64_t found = 0;
    if (read->count[range] && zb_tomb_decode (&read->found[range][0], &queue, &found))
        return false;
    *mark = load->buried > found ? load->buried : found;
    return true;
}

bool zb_engine_is_laid (const zb_engine_t *self, const zb_queue_t *queue, uint64_t id, uint64_t mark)
{
    return id > mark && id > zb_engine_buried (self, queue->id) && (id <= self->before || id <= queue->lane.shown) &&
           !zb_lane_taken (&queue->lane, id);
}

//  Reads what is due.
static zb_load_t *s_read_due (zb_engine_t *self, zb_queue_t *queue)
{
    uint8_t key[ZB_LANE_KEY_SIZE];
    zb_load_t *load = s_load (self, queue, ZB_LOAD_DUE);
    queue->lane.known = true;
    queue->lane.head = ZB_LANE_NEVER;
    load->from = queue->lane.from_due;
    load->last = queue->lane.from_id;
    queue->lane.from_due = ZB_LANE_NEVER;
    zb_lane_key (queue->id, load->from, load->last, key);
    zb_read_add (load->read, ZB_LOG, key, sizeof key, ZB_LANE_PREFIX, ROWS, BYTES);
    zb_engine_read_tomb (load);
    return load;
}

bool zb_engine_may_be_due (zb_engine_t *self, zb_queue_t *queue)
{
    zb_lane_t *lane = &queue->lane;
    uint64_t time = zb_engine_due_time (self);
    zb_timer_stop (&self->timers, &lane->timer);
    if (!queue->delays || queue->gone || zb_ring_empty (&queue->parked) || lane->load ||
        zb_engine_inserts_due (self, queue))
        return false;
    lane->timer.kind = ZB_TIMER_LANE;
    if (lane->known && lane->head > time) {
        uint64_t left = lane->head - time;
        if (lane->head < ZB_LANE_NEVER)
            zb_timer_set (&self->timers, &lane->timer, self->now + (left < INT32_MAX ? (int64_t) left : INT32_MAX));
        return false;
    }
    if (time == 0) {
        zb_timer_set (&self->timers, &lane->timer, self->now + CLOCK_STEP);
        return false;
    }
    return true;
}

void zb_engine_delay (zb_engine_t *self, zb_queue_t *queue)
{
    //  Both end by themselves, and then it is served, as when an acknowledgement makes room.
    if (zb_engine_may_be_due (self, queue) && !queue->cursor.load && !queue->log.inserting && s_is_passed (queue) &&
        zb_engine_due_fits (self, queue, BYTES))
        s_read_due (self, queue);
}

//  Whether what is due fits into memory as it is: no row may leave it that a task relies on in this step.
static bool s_fits (const zb_engine_t *self, const zb_queue_t *queue)
{
    size_t chunk = zb_engine_chunk (self), more = BYTES < chunk ? BYTES : chunk;
    return queue->log.bytes + more <= self->limits.window + chunk && self->windows + more <= self->limits.windows;
}

zb_load_t *zb_engine_take_due (zb_engine_t *self, zb_queue_t *queue, zb_task_t *task, bool more)
{
    const zb_lane_t *lane = &queue->lane;
    uint64_t time = queue->delays ? zb_engine_due_time (self) : 0;
    unsigned taken = more ? 0 : task->due;
    if (time == 0 || taken == 2)
        return NULL;
    if (zb_engine_inserts_due (self, queue)) {
        task->due = 2;
        return &self->shown;
    }
    if (taken == 1 || (lane->known && lane->head > time && !lane->load))
        return NULL;
    if (lane->load || queue->cursor.load)
        return lane->load ? lane->load : queue->cursor.load;
    //  The oldest, whatever goes first.
    queue->cursor.flat = true;
    bool passed = more || s_is_passed (queue);
    queue->cursor.flat = false;
    if (queue->log.inserting || !passed || !s_fits (self, queue))
        return NULL;
    task->due = 1;
    return s_read_due (self, queue);
}

bool zb_engine_leaves_due (const zb_engine_t *self, const zb_queue_t *queue)
{
    uint64_t time = queue->delays ? zb_engine_due_time (self) : 0;
    return time > 0 && !(queue->lane.known && queue->lane.head > time);
}

bool zb_engine_delay_comes (const zb_engine_t *self, const zb_queue_t *queue)
{
    return queue->delays && (queue->lane.load || zb_engine_inserts_due (self, queue));
}

//  Inserts one that was found.
static void s_insert (zb_engine_t *self, zb_queue_t *queue, zb_row_t *row, uint64_t due, uint64_t id)
{
    zb_log_take_out (row, self->epoch);
    zb_lane_erase (self->fill->batch, queue->id, due, id);
    zb_lane_take (&queue->lane, id, self->fill->number, true);
    zb_queue_take_due (queue, row, id, self->fill);
    queue->lane.commit = self->due_commit = self->fill->number;
    zb_engine_used (self, queue);
    self->fill->bytes += row->size;
    self->waiting += row->size;
    zb_engine_touch_queue (self, queue);
}

bool zb_engine_are_due (zb_engine_t *self, zb_load_t *load, const zb_read_t *read)
{
    zb_queue_t *queue = load->queue;
    zb_lane_t *lane = &queue->lane;
    lane->load = NULL;
    if (queue->gone)
        return true;
    uint64_t head = read->more[0] ? 0 : ZB_LANE_NEVER, before = 0, mark = 0, time = zb_engine_due_time (self);
    if (!zb_engine_tomb (load, read, 1, &mark))
        return false;
    bool may = load->purges == queue->log.purges && !queue->cursor.load && !queue->log.inserting;
    if (!may)
        lane->known = false;
    for (size_t index = 0; may && index < read->count[0]; index++) {
        const zb_found_t *found = &read->found[0][index];
        uint64_t due = 0, id = 0;
        if (zb_lane_decode (found, queue->id, &due, &id))
            return false;
        bool gone = id <= mark || zb_lane_taken (lane, id);
        if (due > time || (!gone && id < before)) {
            head = due;
            break;
        }
        if (!gone) {
            s_insert (self, queue, found->row, due, id);
            before = id;
        }
        load->from = due;
        load->last = id + 1;
    }
    //  What was shown meanwhile is not among it.
    zb_lane_back (lane, load->from, load->last);
    if (may && head < lane->head)
        lane->head = head;
    zb_engine_visited (self, read->count[0]);
    //  Those who wait for the lane are before those who get.
    zb_engine_serve_later (self, queue);
    return true;
}

//  ---------------------------------------------------------------------------
//  Acknowledging what is not due

//  It is done, in the commit that is being filled.
static void s_done (zb_engine_t *self, zb_queue_t *queue, uint64_t id, uint32_t bytes)
{
    zb_cursor_t *cursor = &queue->cursor;
    cursor->done++;
    if (id > cursor->counts)
        cursor->bytes -= bytes < cursor->bytes ? bytes : cursor->bytes;
    self->stats.acked++;
    zb_engine_note_done (self, queue->name, id, id);
    zb_engine_touch_queue (self, queue);
    queue->cursor.commit = queue->commit;
}

//  Whether it was looked up by the load that has just come back.
static bool s_is_told (const zb_engine_t *self, const zb_queue_t *queue, uint64_t id)
{
    return self->told.laid == queue && id >= self->told.laid_from && id <= self->told.laid_last;
}

//  Looks for ids in the lane, to take them out, or only to know of them.
static zb_load_t *s_look (zb_engine_t *self, zb_queue_t *queue, uint64_t from, uint64_t last, bool asks)
{
    assert (from <= last);
    uint8_t key[ZB_LANE_INDEX_SIZE];
    zb_load_t *load = s_load (self, queue, ZB_LOAD_LAID);
    load->from = from;
    load->last = last;
    load->asks = asks;
    zb_lane_index_key (queue->id, from, key);
    zb_read_add (load->read, ZB_LOG, key, sizeof key, ZB_LANE_PREFIX,
                 last - from < ROWS ? (size_t) (last - from) + 1 : ROWS, BYTES);
    zb_engine_read_tomb (load);
    return load;
}

bool zb_engine_are_laid (zb_engine_t *self, zb_load_t *load, const zb_read_t *read)
{
    zb_queue_t *queue = load->queue;
    uint64_t mark = 0, last = load->last;
    queue->lane.load = NULL;
    //  What was purged since may be in what was read.
    if (load->purges != queue->log.purges && !queue->gone)
        zb_engine_serve (self, queue);
    if (queue->gone || load->purges != queue->log.purges)
        return true;
    if (!zb_engine_tomb (load, read, 1, &mark))
        return false;
    for (size_t index = 0; index < read->count[0]; index++) {
        uint64_t due = 0, id = 0;
        uint32_t bytes = 0;
        if (zb_lane_index_decode (&read->found[0][index], queue->id, &due, &id, &bytes))
            return false;
        if (id > load->last)
            break;
        if (index + 1 == read->count[0] && read->more[0])
            last = id;
        if (load->asks || id <= mark || zb_lane_taken (&queue->lane, id))
            continue;
        zb_lane_erase (self->fill->batch, queue->id, due, id);
        zb_lane_take (&queue->lane, id, self->fill->number, false);
        self->fill->bytes += ERASED;
        self->waiting += ERASED;
        queue->log.laid -= queue->log.laid > 0;
        zb_engine_used (self, queue);
        s_done (self, queue, id, bytes);
    }
    zb_engine_visited (self, read->count[0]);
    self->told.laid = queue;
    self->told.laid_in = load->asks ? read : NULL;
    self->told.laid_mark = mark;
    self->told.laid_from = load->from;
    self->told.laid_last = last;
    zb_engine_serve (self, queue);
    return true;
}

//  Whether one of them was inserted, and is not shown yet.
static bool s_is_inserted (const zb_engine_t *self, const zb_lane_t *lane, const zb_span_t *span)
{
    bool any = false;
    for (size_t index = 0; lane->commit > self->released && index < lane->gones && !any; index++) {
        const zb_lane_gone_t *gone = &lane->gone[index];
        any = gone->inserted && gone->commit > self->released && gone->id >= span->first && gone->id <= span->last;
    }
    return any;
}

zb_load_t *zb_engine_ack_laid (zb_engine_t *self, zb_queue_t *queue, zb_task_t *task, const zb_span_t *span)
{
    uint32_t number = 0;
    const zb_lane_t *lane = &queue->lane;
    if (task->laid == 0) {
        //  Of one that is delivered it is known that it is not there.
        bool here = span->first == span->last && zb_cursor_find (&queue->cursor, span->first, &number);
        bool none = lane->known && lane->head == ZB_LANE_NEVER && !lane->load;
        task->laid = here || none || span->first > self->newest ? UINT64_MAX : span->first;
    }
    while (task->laid <= span->last && task->laid < UINT64_MAX) {
        if (s_is_told (self, queue, task->laid) && !self->told.laid_in) {
            task->laid = self->told.laid_last < span->last ? self->told.laid_last + 1 : UINT64_MAX;
            continue;
        }
        return lane->load ? lane->load : s_look (self, queue, task->laid, span->last, false);
    }
    task->laid = UINT64_MAX;
    //  What is on its way into the log, or was when it was looked for, is found there when it is shown.
    return s_is_inserted (self, lane, span) ? &self->shown : NULL;
}

//  Whether the load that has just come back has found it.
static bool s_is_found (const zb_engine_t *self, const zb_queue_t *queue, uint64_t wanted)
{
    const zb_read_t *read = self->told.laid_in;
    for (size_t index = 0; read && index < read->count[0]; index++) {
        uint64_t due = 0, id = 0;
        uint32_t bytes = 0;
        if (zb_lane_index_decode (&read->found[0][index], queue->id, &due, &id, &bytes) == 0 && id == wanted)
            return zb_engine_is_laid (self, queue, id, self->told.laid_mark);
    }
    return false;
}

zb_load_t *zb_engine_named_laid (zb_engine_t *self, zb_queue_t *queue, zb_task_t *task, bool all, bool *laid)
{
    const zb_request_t *request = &task->request;
    const zb_lane_t *lane = &queue->lane;
    uint32_t number = 0;
    *laid = false;
    if (!queue->delays || (lane->known && lane->head == ZB_LANE_NEVER && !lane->load))
        return NULL;
    zb_engine_visited (self, (size_t) zb_spans_ids (request->span, request->spans));
    uint64_t most = 0;
    for (size_t index = 0; index < request->spans; index++)
        most = request->span[index].last > most ? request->span[index].last : most;
    for (size_t index = 0; index < request->spans; index++)
        for (uint64_t left = request->span[index].last - request->span[index].first + 1,
                      id = request->span[index].first;
             left; left--, id++) {
            bool inner = id > request->span[index].first && id < request->span[index].last;
            if ((inner && !all) || id < task->laid || zb_cursor_find (&queue->cursor, id, &number))
                continue;
            if (!s_is_told (self, queue, id)) {
                task->laid = id;
                return lane->load ? lane->load : s_look (self, queue, id, most, true);
            }
            *laid = s_is_found (self, queue, id);
            if (*laid)
                return NULL;
        }
    return NULL;
}
