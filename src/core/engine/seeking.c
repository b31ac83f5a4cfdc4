/*  =========================================================================
    seeking - positions in a topic: found by id or by time, and SEEK

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Nothing in the store leads from a time to an id.  But rows lie in the order of their ids, and
    but for what a replay has inserted in that of their times, too: a time is found in as many
    reads of one row as it takes to halve the range of ids.

    A subscription that is moved is another cursor under the same name: its bitmaps were those of the old
    one's id, and go as those of a deleted queue do; its birth is new, so that what a
    replay says of the old one is not meant.
*/

#include <assert.h>
#include <string.h>

#include "core/engine/engine_self.h"

#define SPOT_NONE UINT64_MAX

//  ---------------------------------------------------------------------------
//  Finding

static void s_probe (zb_load_t *load)
{
    uint8_t key[ZB_LOG_KEY_SIZE];
    bool time = load->position.how == ZB_AT_TIME;
    load->probe = time ? load->from + (load->last - load->from) / 2 : load->from;
    zb_log_key (load->queue->id, load->probe, key);
    zb_read_add (load->read, ZB_LOG, key, sizeof key, 4, 1, 1);
}

static zb_load_t *s_load (zb_engine_t *self, zb_queue_t *topic, const zb_position_t *position)
{
    bool time = position->how == ZB_AT_TIME;
    zb_load_t *load = zb_engine_load_new (self, ZB_LOAD_SPOT);
    load->queue = topic;
    topic->log.users++;
    load->position = *position;
    load->from = time ? topic->log.floor + 1 : position->number + 1;
    load->last = topic->log.tail + 1;
    load->end = (zb_spot_t){topic->log.tail, topic->log.shown};
    load->spot.from = SPOT_NONE;
    s_probe (load);
    return load;
}

zb_load_t *zb_engine_spot (zb_engine_t *self, zb_queue_t *topic, const zb_position_t *position, zb_spot_t *spot)
{
    const zb_log_t *log = &topic->log;
    bool id = position->how == ZB_AT_ID, time = position->how == ZB_AT_TIME;
    uint64_t number = position->number;
    *spot = (zb_spot_t){self->newest, log->put};
    if (position->how == ZB_AT_NEW || (id && number >= self->newest) || (time && number > self->clock.pair.time))
        return NULL;
    if (self->told.topic == topic && self->told.position.how == position->how && self->told.position.number == number)
        *spot = self->told.spot;
    else if (position->how != ZB_AT_FIRST && !(id && number <= log->floor) && log->tail > log->floor)
        return s_load (self, topic, position);
    else if (id && number > log->floor)
        spot->from = number;
    else if (!time)
        spot->from = 0;
    if (spot->from <= log->floor)
        *spot = (zb_spot_t){log->floor, log->gone};
    return NULL;
}

bool zb_engine_spotted (zb_engine_t *self, zb_load_t *load, const zb_read_t *read)
{
    const zb_log_t *log = &load->queue->log;
    const zb_found_t *found = read->count[0] ? &read->found[0][0] : NULL;
    uint64_t end = load->seen < log->tail ? load->seen : log->tail, last = 0;
    zb_log_head_t head;
    if (found && (zb_log_key_decode (found, log->id, &last) || zb_log_head (found->row, &head) || head.first > last)) {
        zb_engine_fail (self, "the table log holds a malformed row");
        return false;
    }
    found = last <= end ? found : NULL;
    if (load->position.how == ZB_AT_ID)
        load->spot = (zb_spot_t){load->position.number, found ? head.n - (head.n > 0) : load->end.count};
    else if (found && head.time < load->position.number)
        load->from = last + 1;
    else {
        load->last = found && head.first < load->probe ? head.first : load->probe;
        if (found)
            load->spot = (zb_spot_t){head.first - 1, head.n - (head.n > 0)};
    }
    if (load->position.how == ZB_AT_TIME && load->from < load->last && !load->queue->gone) {
        zb_engine_load_again (self, load, ZB_LOAD_SPOT);
        s_probe (load);
        return false;
    }
    self->told.topic = load->queue;
    self->told.position = load->position;
    //  What has come since it was asked is behind it.
    self->told.spot = load->spot.from == SPOT_NONE ? load->end : load->spot;
    return true;
}

const char *zb_engine_unknown_id (const zb_engine_t *self, const zb_position_t *position, unsigned *code)
{
    zb_span_t id = {position->number, position->number};
    *code = ZB_NOT_READY;
    if (position->how == ZB_AT_ID && zb_engine_foreign (self, &id, 1))
        return ZB_MERGING;
    *code = ZB_BAD_REQUEST;
    return position->how == ZB_AT_ID && position->number > self->newest ? "no message has had such an id yet" : NULL;
}

//  ---------------------------------------------------------------------------
//  SEEK

void zb_engine_move_sub (zb_engine_t *self, zb_queue_t *sub, const zb_queue_row_t *to, const zb_spot_t *spot)
{
    zb_queue_row_t row = zb_queue_row (sub);
    zb_log_end_row (&sub->topic->log);
    zb_commit_delete_queue (self->fill, sub->name, &row);
    zb_engine_bury (self, sub->id, UINT64_MAX);
    sub->id = ++self->queue_id;
    zb_commit_queues (self->fill, self->queue_id, self->queue_count);
    row = *to;
    row.changed = (zb_stamp_t){self->fill->epoch, self->fill->number, self->node};
    //  At the winner of a split that may be behind the birth, which another store has given.
    row.from = spot->from < row.birth ? spot->from : row.birth - 1;
    if (row.mode != sub->mode)
        zb_engine_stop_hold (self, sub);
    memcpy (row.holder, sub->hold.mark, sizeof row.holder);
    zb_queue_configure (sub, &row);
    zb_cursor_move (&sub->cursor, sub->id, spot->from, spot->count);
    //  A read that has just come back tells what the old one had.
    if (self->told.queue == sub)
        self->told.queue = NULL;
    zb_cursor_follow (&sub->cursor, !zb_ring_empty (&sub->parked));
    zb_engine_write_queue (self, sub);
    zb_engine_filters (self, sub);
    zb_engine_touch_queue (self, sub);
    sub->cursor.commit = sub->commit;
    zb_engine_trim (self, sub->topic);
}

static zb_load_t *s_refuse (zb_engine_t *self, const zb_task_t *task, unsigned code, const char *text)
{
    zb_engine_refuse (self, &task->request.from, code, text, code == ZB_NOT_READY ? ZB_NOW : self->names_commit);
    return NULL;
}

zb_load_t *zb_engine_seek (zb_engine_t *self, zb_task_t *task)
{
    const zb_position_t *position = &task->request.where;
    zb_queue_t *sub = NULL;
    zb_load_t *load = zb_engine_known_queue (self, task, &sub);
    if (load || !sub)
        return load;
    if (sub->kind != ZB_KIND_SUB)
        return s_refuse (self, task, ZB_BAD_REQUEST, "SEEK is for subscriptions, TOPIC/SUB");
    unsigned code = 0;
    const char *wrong = zb_engine_unknown_id (self, position, &code);
    //  What a replay has brought is not shown before its commit is released.
    if (!wrong && sub->topic->log.inserting) {
        wrong = ZB_MERGING;
        code = ZB_NOT_READY;
    }
    if (wrong)
        return s_refuse (self, task, code, wrong);
    if (!zb_engine_queue_fits (self))
        return s_refuse (self, task, ZB_QUEUE_FULL, "too much is being freed (limits.queues of the broker): ask again");
    zb_spot_t spot;
    load = zb_engine_spot (self, sub->topic, position, &spot);
    if (load)
        return load;
    zb_queue_row_t row = zb_queue_row (sub);
    row.birth = ++self->newest;
    zb_engine_move_sub (self, sub, &row, &spot);
    zb_reply_t *reply = zb_reply_new (&task->request.from, ZB_REPLY_DURABLE, NULL, 0);
    reply->claims = true;
    zb_engine_give (self, &reply, sub->commit);
    zb_engine_serve (self, sub);
    return NULL;
}
