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

    What is looked at for them in one step has a budget, and only some topics are read at a time.
    Each READ knows how far it has come; where the budget ends, it goes on from there when it is its
    turn again.  Those that have come to the topic's end are apart, and looked at when it has grown.
*/

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine/engine_self.h"
#include "core/wire/filter.h"

#define READ_ROWS 256          //  rows of one read,
#define READ_BYTES (512 << 10) //  and their bytes, about

//  The rows of a read that are shown, for all who are there.
typedef struct {
    const zb_found_t *found;
    size_t count;
    size_t used;     //  were looked at
    uint64_t behind; //  they begin behind this id,
    uint64_t end;    //  and are all up to this one,
    bool whole;      //  if there are no more
    uint64_t last[READ_ROWS];
    zb_places_t *places[READ_ROWS]; //  NULL: not looked at yet
} rows_t;

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

static void s_spend (size_t *left, size_t visits)
{
    *left -= visits < *left ? visits : *left;
}

//  Adds a message to the reply; false if it takes no more.
static bool s_add (const zb_engine_t *self, const zb_get_t *get, const zb_places_t *places, uint32_t number)
{
    zb_reply_t *reply = get->reply;
    zb_frame_t properties = zb_places_properties (places, number);
    size_t more = places->place[number].size + ZB_INDEX_LINE_MAX + ZB_INDEX_MARKS_MAX + 1 + properties.size;
    if (reply->bodies == get->max || (reply->bodies && reply->large + more > self->limits.reply))
        return false;
    if (!reply->body)
        reply->body = (zb_delivery_t *) malloc ((size_t) get->max * sizeof (zb_delivery_t));
    assert (reply->body);
    reply->large += more;
    zb_delivery_t *delivery = &reply->body[reply->bodies++];
    *delivery = zb_engine_delivery (places, number, properties);
    zb_engine_mark (delivery, number);
    return true;
}

//  Adds what it wants of a row; false if it takes no more, or nothing is left of the budget.
static bool s_fill (const zb_engine_t *self, zb_get_t *get, const zb_places_t *places, size_t *left)
{
    zb_frame_t filter = {get->filter, get->filter_size};
    uint32_t piece = 0;
    bool takes = true;
    for (uint32_t number = zb_places_find (places, get->behind + 1); number < places->count; number++) {
        if (*left == 0)
            return false;
        s_spend (left, 1);
        if (places->place[number].piece != piece) {
            zb_frame_t properties = zb_places_properties (places, number);
            s_spend (left, zb_filter_work (filter, properties));
            takes = zb_filter_takes (filter, properties);
        }
        piece = places->place[number].piece;
        if (takes && !s_add (self, get, places, number))
            return false;
        get->behind = zb_places_id (places, number);
    }
    get->behind = places->last;
    return true;
}

//  Has a reader take what it wants of the rows, as long as there is budget; false if one is malformed.
static bool s_look (const zb_engine_t *self, zb_get_t *get, rows_t *rows, size_t *left)
{
    size_t row = 0;
    for (size_t high = rows->count; row < high;) {
        size_t middle = row + (high - row) / 2;
        if (rows->last[middle] > get->behind)
            high = middle;
        else
            row = middle + 1;
    }
    for (; row < rows->count; row++) {
        if (!rows->places[row]) {
            rows->places[row] = zb_places_new (rows->found[row].row, rows->last[row]);
            if (!rows->places[row])
                return false;
            s_spend (left, rows->places[row]->count / 16 + 1);
        }
        rows->used = rows->used > row + 1 ? rows->used : row + 1;
        if (!s_fill (self, get, rows->places[row], left))
            return true;
    }
    if (rows->whole && get->behind < rows->end)
        get->behind = rows->end;
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

//  It has come to the topic's end: it waits there, or is answered if its time is over.
static void s_arrive (zb_engine_t *self, zb_queue_t *topic, zb_get_t *get)
{
    zb_ring_remove (&get->turn);
    zb_ring_append (&topic->at_tail, &get->turn);
    if (get->deadline <= self->now)
        zb_engine_end_get (self, get);
}

//  Hands the rows to those who are there, as long as there is budget; these are the last ones then, so that who was not
//  reached is before them.  False if a row is malformed.
static bool s_hand (zb_engine_t *self, zb_queue_t *topic, rows_t *rows, size_t *left)
{
    const zb_ring_t *last = topic->parked.prev;
    bool more = !zb_ring_empty (&topic->parked), good = true;
    for (zb_ring_t *link = topic->parked.next, *next = link->next; more && good && *left;
         link = next, next = link->next) {
        if (self->outgoing >= ZB_OUTGOING) {
            self->congested = true;
            break;
        }
        more = link != last;
        zb_get_t *get = ZB_ITEM (link, zb_get_t, turn);
        size_t before = *left;
        s_spend (left, 1);
        s_begin (get, &topic->log);
        bool here = get->behind >= rows->behind && get->behind < rows->end;
        good = !here || s_look (self, get, rows, left);
        get->session->visits += before - *left;
        if (get->reply->bodies)
            zb_engine_end_get (self, get);
        else if (get->behind >= topic->log.tail)
            s_arrive (self, topic, get);
        else if (here) {
            zb_ring_remove (link);
            zb_ring_append (&topic->parked, link);
        }
    }
    return good;
}

//  The rows that were read; false if a key is malformed.
static bool s_rows (rows_t *rows, const zb_read_t *read, uint32_t log)
{
    for (size_t index = 0; index < read->count[0]; index++) {
        uint64_t last = 0;
        if (zb_log_key_decode (&read->found[0][index], log, &last))
            return false;
        rows->whole = rows->whole || last > rows->end;
        if (last > rows->end)
            break;
        assert (rows->count < READ_ROWS);
        rows->last[rows->count++] = last;
    }
    if (!rows->whole)
        rows->end = rows->count ? rows->last[rows->count - 1] : rows->behind;
    return true;
}

static bool s_step (zb_engine_t *self, const zb_load_t *load, const zb_read_t *read)
{
    zb_queue_t *topic = load->queue;
    const zb_log_t *log = &topic->log;
    rows_t rows = {.found = read->found[0],
                   .behind = load->from - 1,
                   .end = load->seen < log->tail ? load->seen : log->tail,
                   .whole = !read->more[0]};
    size_t left = ZB_STEP_VISITS;
    bool good = s_rows (&rows, read, log->id) && s_hand (self, topic, &rows, &left);
    for (size_t index = 0; index < rows.count; index++)
        zb_places_unref (&rows.places[index]);
    zb_engine_visited (self, ZB_STEP_VISITS - left);
    //  What is read and not looked at is read again.
    size_t next = left ? 2 * (size_t) topic->rows : rows.used;
    topic->rows = (uint16_t) (next > READ_ROWS ? READ_ROWS : next ? next : 1);
    return good;
}

bool zb_engine_have_read (zb_engine_t *self, zb_load_t *load, const zb_read_t *read)
{
    zb_queue_t *topic = load->queue;
    topic->reading = false;
    //  What a replay has inserted meanwhile is not released: it is read when it is.  Nor is anything told by who may have been
    //  replaced while the disk was slow: it is read again when he may.
    if (topic->gone || topic->log.inserting || !zb_engine_may (self, 0))
        return true;
    if (!s_step (self, load, read))
        return false;
    zb_engine_serve (self, topic);
    return true;
}

//  The one whose turn it is, of those who have not come to the end; NULL if there is none, or no budget is left.
static const zb_get_t *s_first (zb_engine_t *self, zb_queue_t *topic, size_t *left)
{
    while (!zb_ring_empty (&topic->parked) && *left) {
        zb_get_t *get = ZB_ITEM (topic->parked.next, zb_get_t, turn);
        s_spend (left, 1);
        s_begin (get, &topic->log);
        if (get->behind < topic->log.tail)
            return get;
        s_arrive (self, topic, get);
    }
    return NULL;
}

//  Reads on for this one, and for all who are where it is.
static void s_read (zb_engine_t *self, zb_queue_t *topic, const zb_get_t *get)
{
    const zb_log_t *log = &topic->log;
    uint8_t key[ZB_LOG_KEY_SIZE];
    zb_load_t *load = zb_engine_load_new (self, ZB_LOAD_READ);
    load->queue = topic;
    topic->log.users++;
    topic->reading = true;
    load->sifts = true;
    self->sifting.loads++;
    load->from = get->behind + 1;
    zb_log_key (log->id, load->from, key);
    topic->rows = topic->rows ? topic->rows : READ_ROWS;
    zb_read_add (load->read, ZB_LOG, key, sizeof key, 4, topic->rows, READ_BYTES);
}

void zb_engine_park_reader (zb_queue_t *topic, zb_get_t *get)
{
    //  Those at the end are at the one that was looked at last.
    bool arrived = get->behind >= topic->log.tail && topic->end == topic->log.tail;
    zb_ring_append (arrived ? &topic->at_tail : &topic->parked, &get->turn);
}

//  Those whose time is over are answered: who has not come to the end yet is when he does.
static void s_end_late (zb_engine_t *self, zb_queue_t *topic, size_t *left)
{
    for (; !zb_ring_empty (&topic->late) && *left; s_spend (left, 1)) {
        zb_get_t *get = ZB_ITEM (topic->late.next, zb_get_t, late);
        if (get->behind >= topic->log.tail)
            zb_engine_end_get (self, get);
        else
            zb_ring_remove (&get->late);
    }
}

void zb_engine_serve_readers (zb_engine_t *self, zb_queue_t *topic)
{
    //  I1: what was inserted and is not released would be read as well.
    if (topic->log.inserting || !zb_engine_may (self, 0) || topic->waiting == 0)
        return;
    if (self->outgoing >= ZB_OUTGOING) {
        self->congested = true;
        return;
    }
    if (topic->end != topic->log.tail)
        zb_ring_join (&topic->parked, &topic->at_tail);
    topic->end = topic->log.tail;
    size_t budget = zb_engine_budget (self), left = budget;
    s_end_late (self, topic, &left);
    const zb_get_t *get = topic->reading ? NULL : s_first (self, topic, &left);
    zb_engine_visited (self, budget - left);
    if (left == 0)
        zb_engine_serve_later (self, topic);
    else if (get && zb_engine_may_sift (self, topic))
        s_read (self, topic, get);
}
