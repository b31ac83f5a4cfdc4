/*  =========================================================================
    reading - READ: messages of a topic, without a subscription

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A READ takes nothing: it says where it begins, and is answered with what lies there, or
    waits for what comes.  It waits as a GET does, at the topic.  Rows are read for all
    who are at the same place together, one read of a topic at a time and not much in
    one: nobody's acknowledgement waits for it for long.  They stay in memory no longer than that.
*/

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine/engine_self.h"
#include "core/wire/filter.h"

#define READ_ROWS 256          //  rows of one read,
#define READ_BYTES (512 << 10) //  and their bytes, about

zb_load_t *zb_engine_read_topic (zb_engine_t *self, zb_task_t *task)
{
    const zb_position_t *position = &task->request.where;
    zb_queue_t *topic = NULL;
    zb_load_t *load = zb_engine_known_queue (self, task, &topic);
    if (load || !topic)
        return load;
    unsigned code = 0;
    const char *wrong = zb_engine_unknown_id (self, position, &code);
    if (wrong && code == ZB_NOT_READY) {
        zb_engine_refuse (self, &task->request.from, code, wrong, ZB_NOW);
        return NULL;
    }
    if (zb_engine_too_many (self, task))
        return NULL;
    zb_spot_t spot = {position->number, 0};
    load = position->how == ZB_AT_ID ? NULL : zb_engine_spot (self, topic, position, &spot);
    if (load)
        return load;
    task->next = spot.from;
    zb_engine_get (self, topic, task, 0);
    return NULL;
}

//  Adds what it wants of a row to the reply; true if it takes no more.
static bool s_fill (const zb_engine_t *self, zb_get_t *get, const zb_places_t *places)
{
    zb_reply_t *reply = get->reply;
    zb_frame_t filter = {get->filter, get->filter_size};
    uint32_t piece = 0;
    bool takes = true;
    for (uint32_t number = zb_places_find (places, get->behind + 1); number < places->count; number++) {
        zb_frame_t properties = zb_places_properties (places, number);
        if (places->place[number].piece != piece)
            takes = zb_filter_takes (filter, properties);
        piece = places->place[number].piece;
        if (!takes)
            continue;
        size_t more = places->place[number].size + ZB_INDEX_LINE_MAX + ZB_INDEX_MARKS_MAX + 1 + properties.size;
        if (reply->bodies == get->max || (reply->bodies && reply->large + more > self->limits.reply))
            return true;
        if (!reply->body)
            reply->body = (zb_delivery_t *) malloc ((size_t) get->max * sizeof (zb_delivery_t));
        assert (reply->body);
        reply->large += more;
        reply->body[reply->bodies++] =
            (zb_delivery_t){.row = zb_row_ref (places->row),
                            .offset = places->place[number].offset,
                            .size = places->place[number].size,
                            .properties = (uint32_t) ((const uint8_t *) properties.data - places->row->data),
                            .properties_size = (uint32_t) properties.size,
                            .id = zb_places_id (places, number)};
        zb_engine_mark (&reply->body[reply->bodies - 1], number);
    }
    get->behind = places->last;
    return false;
}

//  Hands a row, whose predecessor ends at `behind`, to those who are there.
static bool s_row (zb_engine_t *self, zb_queue_t *topic, const zb_found_t *found, uint64_t last, uint64_t behind)
{
    zb_places_t *places = zb_places_new (found->row, last);
    if (!places)
        return false;
    size_t visits = 0;
    ZB_RING_EACH (link, after, &topic->parked)
    {
        zb_get_t *get = ZB_ITEM (link, zb_get_t, turn);
        visits++;
        if (get->behind < behind || get->behind >= last)
            continue;
        visits += places->count;
        if (s_fill (self, get, places))
            zb_engine_end_get (self, get);
    }
    zb_places_unref (&places);
    zb_engine_visited (self, visits);
    return true;
}

//  What it asks for may be gone: then it begins with the first one there is, and is told.
static void s_begin (zb_get_t *get, const zb_log_t *log)
{
    if (get->behind >= log->floor)
        return;
    if (get->reply->bodies == 0)
        get->reply->skipped = (zb_span_t){get->behind + 1, log->floor};
    get->behind = log->floor;
}

bool zb_engine_have_read (zb_engine_t *self, zb_load_t *load, const zb_read_t *read)
{
    zb_queue_t *topic = load->queue;
    const zb_log_t *log = &topic->log;
    uint64_t end = load->seen < log->tail ? load->seen : log->tail, behind = load->from - 1, last = 0;
    topic->reading = false;
    //  What a replay has inserted meanwhile is not released: it is read when it is.
    if (topic->gone || log->inserting)
        return true;
    bool whole = !read->more[0];
    //  More may have gone since it was asked for.
    ZB_RING_EACH (link, after, &topic->parked)
    s_begin (ZB_ITEM (link, zb_get_t, turn), log);
    for (size_t index = 0; index < read->count[0]; index++, behind = last) {
        const zb_found_t *found = &read->found[0][index];
        if (zb_log_key_decode (found, log->id, &last))
            return false;
        whole = whole || last > end;
        if (last > end)
            break;
        if (last > log->floor && !s_row (self, topic, found, last, behind))
            return false;
    }
    ZB_RING_EACH (link, after, &topic->parked)
    {
        zb_get_t *get = ZB_ITEM (link, zb_get_t, turn);
        if (get->reply->bodies)
            zb_engine_end_get (self, get);
        else if (get->behind >= load->from - 1 && get->behind < end && whole)
            get->behind = end;
    }
    zb_engine_serve (self, topic);
    return true;
}

//  Reads on for the one that is the farthest behind; false if all have come to the end.
static bool s_read (zb_engine_t *self, zb_queue_t *topic)
{
    const zb_log_t *log = &topic->log;
    uint64_t from = UINT64_MAX;
    ZB_RING_EACH (link, after, &topic->parked)
    {
        zb_get_t *get = ZB_ITEM (link, zb_get_t, turn);
        s_begin (get, log);
        from = get->behind < from ? get->behind : from;
    }
    if (from >= log->tail)
        return false;
    uint8_t key[ZB_LOG_KEY_SIZE];
    zb_load_t *load = zb_engine_load_new (self, ZB_LOAD_READ);
    load->queue = topic;
    topic->log.users++;
    topic->reading = true;
    load->from = from + 1;
    zb_log_key (log->id, load->from, key);
    zb_read_add (load->read, ZB_LOG, key, sizeof key, 4, READ_ROWS, READ_BYTES);
    return true;
}

void zb_engine_serve_readers (zb_engine_t *self, zb_queue_t *topic)
{
    //  I1: what was inserted and is not released would be read as well.
    if (topic->reading || topic->log.inserting || !zb_engine_may (self, 0) || zb_ring_empty (&topic->parked))
        return;
    if (self->outgoing >= ZB_OUTGOING) {
        self->congested = true;
        return;
    }
    if (zb_engine_budget (self) == 0) {
        zb_engine_serve_later (self, topic);
        return;
    }
    zb_engine_visited (self, topic->waiting + 1);
    if (s_read (self, topic))
        return;
    while (!zb_ring_empty (&topic->late))
        zb_engine_end_get (self, ZB_ITEM (topic->late.next, zb_get_t, late));
}
