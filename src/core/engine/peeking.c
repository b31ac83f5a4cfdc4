/*  =========================================================================
    peeking - PEEK: what is in a queue, for who only looks

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The rows are read from the store, a few at a time, and what memory knows of their messages
    is said of them (core/queue/glance).  They join no window: consumers do not notice.  One such
    read is under way at a time, and only when nobody else wants to read (zb_engine_read), so that
    it never keeps an acknowledgement or a consumer waiting for more than itself.
*/

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine/engine_self.h"
#include "core/queue/glance.h"

#define ROWS 64               //  of one read
#define BYTES (256 << 10)     //  of one read, about
#define LAID 3                //  messages of the lane of one read
#define NOTE_MAX (ZB_NAME_MAX + 80)

//  What a PEEK has found so far.
struct zb_peek {
    zb_reply_t *reply;
    uint64_t max; //  messages
    size_t bytes; //  of what was found
    uint64_t at;  //  the id from which on is read
    bool unsure;  //  rows of the other side of a split are on their way into the queue
    size_t laid;  //  messages of the lane that the next read brings:
    uint64_t due[LAID], id[LAID];
};

void zb_peek_destroy (struct zb_peek **self_p)
{
    struct zb_peek *self = *self_p;
    if (self) {
        zb_reply_destroy (&self->reply);
        free (self);
        *self_p = NULL;
    }
}

static void s_read_on (zb_load_t *load)
{
    const zb_queue_t *queue = load->queue;
    uint8_t key[ZB_ACKS_KEY_SIZE];
    uint64_t low = zb_cursor_low (&queue->cursor), at = load->peek->at > low ? load->peek->at : low;
    zb_log_key (queue->cursor.log->id, at, key);
    zb_read_add (load->read, ZB_LOG, key, ZB_LOG_KEY_SIZE, 4, ROWS, BYTES);
    zb_acks_key (queue->id, at, key);
    zb_read_add (load->read, ZB_ACKS, key, ZB_ACKS_KEY_SIZE, 4, ROWS, SIZE_MAX);
    if (!queue->delays)
        return;
    uint8_t laid[ZB_LANE_KEY_SIZE];
    zb_lane_index_key (queue->id, load->peek->at, laid);
    zb_read_add (load->read, ZB_LOG, laid, ZB_LANE_INDEX_SIZE, ZB_LANE_PREFIX, ROWS, BYTES);
    zb_engine_read_tomb (load);
    for (size_t index = 0; index < load->peek->laid; index++) {
        zb_lane_key (queue->id, load->peek->due[index], load->peek->id[index], laid);
        zb_read_add (load->read, ZB_LOG, laid, sizeof laid, sizeof laid, 1, BYTES);
    }
}

static zb_load_t *s_begin (zb_engine_t *self, zb_queue_t *queue, const zb_task_t *task)
{
    const zb_request_t *request = &task->request;
    zb_load_t *load = zb_engine_load_new (self, ZB_LOAD_PEEK);
    load->peek = (struct zb_peek *) calloc (1, sizeof *load->peek);
    assert (load->peek);
    load->peek->reply = zb_reply_new (&request->from, ZB_REPLY_PEEKED, &queue->name, 1);
    load->peek->max = request->max;
    uint64_t low = zb_cursor_low (&queue->cursor);
    //  In the lane they may have smaller ids.
    low = queue->delays ? 1 : low;
    load->peek->at = request->position >= low ? request->position + (request->position < UINT64_MAX) : low;
    load->queue = queue;
    queue->log.users++;
    s_read_on (load);
    return load;
}

//  What is said of a message before its properties, as lines.
static size_t s_note (const zb_engine_t *self, const zb_lease_t *lease, char note[NOTE_MAX])
{
    if (!lease)
        return (size_t) snprintf (note, NOTE_MAX, "zb-state=ready\n");
    if (lease->bare)
        return (size_t) snprintf (note, NOTE_MAX, "zb-state=blocked\n");
    const zb_session_t *session = lease->session;
    //  Until its target can be made.
    bool dies = !session && lease->sum == &lease->queue->dying;
    size_t size = (size_t) snprintf (note, NOTE_MAX, "zb-state=%s\n", session ? "leased" : dies ? "dying" : "delayed");
    if (session && session->name.size)
        size += (size_t) snprintf (note + size, NOTE_MAX - size, "zb-by=%.*s\n", (int) session->name.size,
                                   (const char *) session->name.data);
    else if (session)
        size += (size_t) snprintf (note + size, NOTE_MAX - size, "zb-by=#%" PRIu64 "\n", session->number);
    int64_t left = lease->timer.when > self->now ? lease->timer.when - self->now : 0;
    uint64_t until = self->clock.pair.time + (uint64_t) (self->now - self->clock.pair.at + left);
    if (self->clock.pair.time && !dies)
        size += (size_t) snprintf (note + size, NOTE_MAX - size, "zb-until=%" PRIu64 "\n", until);
    assert (size < NOTE_MAX);
    return size;
}

//  Adds a message; false if it does not fit any more.
static bool s_add (zb_engine_t *self, struct zb_peek *peek, const zb_places_t *places, uint32_t number,
                   const char *note, size_t size, uint32_t deliveries)
{
    zb_frame_t properties = zb_places_properties (places, number);
    size_t more = places->place[number].size + ZB_INDEX_LINE_MAX + 1 + size + properties.size;
    zb_reply_t *reply = peek->reply;
    if (reply->bodies == peek->max || (reply->bodies && peek->bytes + more > self->limits.reply))
        return false;
    peek->bytes += more;
    if (!reply->body) {
        reply->body = (zb_delivery_t *) malloc (peek->max * sizeof (zb_delivery_t));
        reply->lines = (zb_frame_t *) malloc (peek->max * sizeof (zb_frame_t));
        assert (reply->body && reply->lines);
    }
    char *lines = (char *) malloc (size + properties.size);
    assert (lines);
    memcpy (lines, note, size);
    if (properties.size)
        memcpy (lines + size, properties.data, properties.size);
    reply->lines[reply->bodies] = (zb_frame_t){lines, size + properties.size};
    reply->body[reply->bodies++] = (zb_delivery_t){.row = zb_row_ref (places->row),
                                                   .offset = places->place[number].offset,
                                                   .size = places->place[number].size,
                                                   .properties_size = (uint32_t) (size + properties.size),
                                                   .id = zb_places_id (places, number),
                                                   .deliveries = deliveries};
    return true;
}

//  The bitmap of the row with this last id, as it was found; *mark walks the range.  Sets *bad if a key is malformed.
static const zb_row_t *s_bits (const zb_read_t *read, const zb_queue_t *queue, size_t *mark, uint64_t last, bool *bad)
{
    uint64_t marked = 0;
    for (; *mark < read->count[1]; ++*mark) {
        *bad = zb_acks_key_decode (&read->found[1][*mark], queue->id, &marked) != 0;
        if (*bad || marked >= last)
            break;
    }
    return *mark < read->count[1] && !*bad && marked == last ? read->found[1][*mark].row : NULL;
}

//  Takes the messages of one row.  Returns 1, 0 if no more are wanted, -1 if it is malformed.
static int s_row (zb_engine_t *self, zb_load_t *load, const zb_found_t *found, uint64_t last, const zb_row_t *bits)
{
    struct zb_peek *peek = load->peek;
    zb_glance_t glance;
    int rc = zb_glance_open (&glance, &load->queue->cursor, found->row, last, bits);
    if (rc <= 0)
        return rc < 0 ? -1 : 1;
    const zb_places_t *places = zb_glance_places (&glance);
    bool more = true;
    for (uint32_t number = zb_places_find (places, peek->at); more && number < places->count; number++) {
        const zb_lease_t *lease;
        uint32_t deliveries;
        char note[NOTE_MAX];
        if (zb_glance_at (&glance, number, &lease, &deliveries))
            more = s_add (self, peek, places, number, note, s_note (self, lease, note), deliveries);
    }
    zb_engine_visited (self, places->count);
    ZB_ITEM (load->sessions.next, zb_session_t, waits)->visits += places->count;
    zb_glance_close (&glance);
    return more;
}

//  The message of the lane with this id, as it was found; NULL if it is gone.  *there: it was asked for.
static zb_row_t *s_find_laid (const struct zb_peek *peek, const zb_read_t *read, uint64_t id, bool *there)
{
    for (size_t index = 0; index < peek->laid; index++)
        if (peek->id[index] == id) {
            *there = true;
            return read->count[4 + index] ? read->found[4 + index][0].row : NULL;
        }
    *there = false;
    return NULL;
}

//  Takes a message of the lane.  Returns as s_row does.
static int s_laid (zb_engine_t *self, struct zb_peek *peek, zb_row_t *row, uint64_t due, uint64_t id)
{
    char note[NOTE_MAX];
    zb_places_t *places = zb_places_new (row, id);
    if (!places)
        return -1;
    bool ready = due <= zb_engine_due_time (self);
    size_t size = (size_t) snprintf (note, NOTE_MAX,
                                     ready ? "zb-state=ready\n" : "zb-state=delayed\nzb-until=%" PRIu64 "\n", due);
    bool more = s_add (self, peek, places, 0, note, size, 0);
    zb_places_unref (&places);
    return more;
}

//  Takes those of the lane from peek->at on that are before the id `end`.  Returns as s_row does, and 2 if others have to be
//  read first.
static int s_lane (zb_engine_t *self, const zb_load_t *load, const zb_read_t *read, size_t *next, uint64_t end)
{
    struct zb_peek *peek = load->peek;
    uint64_t mark = 0;
    int more = read->ranges < 3 || zb_engine_tomb (load, read, 3, &mark) ? 1 : -1;
    for (; more == 1 && read->ranges > 2 && *next < read->count[2]; ++*next) {
        uint64_t due = 0, id = 0;
        uint32_t bytes = 0;
        bool there = false;
        if (zb_lane_index_decode (&read->found[2][*next], load->queue->id, &due, &id, &bytes))
            return -1;
        if (id >= end)
            return 1;
        zb_row_t *row = s_find_laid (peek, read, id, &there);
        bool told = zb_engine_is_laid (self, load->queue, id, mark);
        if (told && !there) {
            peek->at = id;
            for (peek->laid = 0; peek->laid < LAID && *next < read->count[2]; peek->laid++, ++*next)
                if (zb_lane_index_decode (&read->found[2][*next], load->queue->id, &peek->due[peek->laid],
                                          &peek->id[peek->laid], &bytes))
                    return -1;
            return 2;
        }
        more = told && row ? s_laid (self, peek, row, due, id) : 1;
        if (more == 1)
            peek->at = id + 1;
    }
    return more;
}

//  What was read says of no id from here on what is there: the log, or the lane, may have more.
static uint64_t s_end (const zb_read_t *read)
{
    uint64_t end = UINT64_MAX;
    for (size_t range = 0; range < read->ranges && range < 3; range += 2) {
        size_t count = read->count[range];
        const zb_found_t *found = read->more[range] && count ? &read->found[range][count - 1] : NULL;
        uint64_t id = found && found->key_size >= 8 ? zb_get64 (found->key + found->key_size - 8) + 1 : UINT64_MAX;
        end = id < end ? id : end;
    }
    return end;
}

bool zb_engine_peeked (zb_engine_t *self, zb_load_t *load, const zb_read_t *read)
{
    struct zb_peek *peek = load->peek;
    const zb_queue_t *queue = load->queue;
    const zb_log_t *log = queue->cursor.log;
    //  Nobody waits for it any more.
    if (queue->gone || zb_ring_empty (&load->sessions))
        return true;
    //  I1: what was inserted and is not released would be among the rows.
    peek->unsure = log->inserting > 0;
    size_t mark = 0, next = 0;
    //  Of what is behind the end of one of the two the other one may have more.
    uint64_t end = s_end (read);
    int more = !peek->unsure;
    for (size_t index = 0; more > 0 && index < read->count[0]; index++) {
        uint64_t last = 0;
        bool bad = zb_log_key_decode (&read->found[0][index], log->id, &last) || last < peek->at;
        const zb_row_t *bits = bad ? NULL : s_bits (read, queue, &mark, last, &bad);
        more = bad ? -1 : s_lane (self, load, read, &next, last < end ? last : end);
        if (more != 1 || last >= end)
            break;
        //  I1: what is behind the tail is not shown yet.
        more = last > log->tail ? 0 : s_row (self, load, &read->found[0][index], last, bits);
        if (more > 0)
            peek->at = last + 1;
    }
    if (more == 1)
        more = s_lane (self, load, read, &next, end);
    if (more < 0) {
        zb_engine_fail (self, "the tables log or acks hold a malformed row");
        return false;
    }
    //  A page of nothing would look like the end.
    if (more == 0 || (more == 1 && end == UINT64_MAX) || peek->reply->bodies)
        return true;
    if (more == 1) {
        peek->at = peek->at > end ? peek->at : end;
        peek->laid = 0;
    }
    zb_engine_load_again (self, load, ZB_LOAD_PEEK);
    s_read_on (load);
    return false;
}

zb_load_t *zb_engine_peek (zb_engine_t *self, zb_task_t *task)
{
    zb_queue_t *queue = NULL;
    zb_load_t *load = zb_engine_queue (self, task->request.queue, &queue);
    if (load)
        return load;
    if (queue)
        zb_engine_used (self, queue);
    zb_load_t *done = self->told.peek;
    self->told.peek = NULL;
    //  Nothing large is kept for who only looks until something may be said again.
    if (!zb_engine_may (self, 0))
        zb_engine_refuse (self, &task->request.from, ZB_NOT_READY, "this broker tells nothing now", ZB_NOW);
    else if (!queue)
        zb_engine_refuse (self, &task->request.from, ZB_NOT_FOUND, "no such queue", self->names_commit);
    else if (queue->kind == ZB_KIND_TOPIC)
        zb_engine_refuse (self, &task->request.from, ZB_BAD_REQUEST,
                          "a topic: its messages are those of its subscriptions, TOPIC/SUB", ZB_NOW);
    else if (!done || done->queue != queue)
        return s_begin (self, queue, task);
    else if (done->peek->unsure)
        zb_engine_refuse (self, &task->request.from, ZB_NOT_READY, zb_engine_unsure (self, queue), ZB_NOW);
    else {
        done->peek->reply->large = done->peek->bytes;
        zb_engine_give (self, &done->peek->reply, 0);
    }
    return NULL;
}
