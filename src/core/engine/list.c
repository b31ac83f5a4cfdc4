/*  =========================================================================
    list - the queues that a LIST has found

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine/engine_self.h"
#include "core/engine/list.h"
#include "core/queue/options.h"
#include "core/queue/topic.h"

//  What an argument of a reply costs, in visits: two of them for a queue.
#define ARG_VISITS 4
//  Bytes of a queue's options and counts, at most.
#define TEXT_MAX                                                                                                 \
    (530 + ZB_OPTION_PRIORITIES_TEXT + 2 * ZB_OPTION_UNUSED_TEXT + ZB_OPTION_MODE_TEXT + ZB_OPTION_TRIES_TEXT + \
     ZB_OPTION_RETRY_TEXT + ZB_OPTION_DEAD_TEXT + ZB_FILTER_MAX + 8)

//  Copies a name behind the others.
static zb_frame_t s_keep (zb_list_t *self, size_t offset, zb_frame_t name)
{
    assert (name.size <= ZB_NAME_MAX);
    if (name.size)
        memcpy (self->bytes + offset, name.data, name.size);
    return (zb_frame_t){self->bytes + offset, name.size};
}

zb_list_t *zb_list_new (const zb_request_t *request)
{
    zb_list_t *self = (zb_list_t *) calloc (1, sizeof (zb_list_t));
    assert (self);
    self->pattern = s_keep (self, 0, request->queue);
    self->after = s_keep (self, ZB_NAME_MAX, request->after);
    self->pages = request->max > 0;
    self->max = self->pages ? request->max : ZB_LIST_MAX;
    return self;
}

bool zb_list_is (const zb_list_t *self, const zb_request_t *request)
{
    return zb_frame_eq (self->pattern, request->queue) && zb_frame_eq (self->after, request->after) &&
           self->pages == (request->max > 0) && (!self->pages || self->max == request->max);
}

bool zb_list_full (const zb_list_t *self)
{
    return self->beyond.size > 0;
}

void zb_list_destroy (zb_list_t **self_p)
{
    zb_list_t *self = *self_p;
    if (self) {
        for (size_t index = 0; index < self->items; index++)
            free ((void *) (uintptr_t) self->item[index].name.data);
        free (self->item);
        free (self);
        *self_p = NULL;
    }
}

int zb_list_queue (zb_list_t *self, const zb_found_t *found)
{
    zb_frame_t name = {found->key, found->key_size};
    zb_queue_row_t row;
    if (zb_place_check (name) || zb_queue_row_decode (&row, found->row))
        return -1;
    //  Who asks for no page is told of queues alone, as ever.
    if (zb_list_full (self) || !zb_name_match (self->pattern, name) || (row.kind != ZB_KIND_QUEUE && !self->pages))
        return 0;
    if (self->items == self->room) {
        self->room = self->room ? self->room * 2 : 16;
        self->item = (zb_listed_t *) realloc (self->item, self->room * sizeof (zb_listed_t));
        assert (self->item);
    }
    void *copy = malloc (name.size);
    assert (copy);
    memcpy (copy, name.data, name.size);
    self->item[self->items++] = (zb_listed_t){.row = row, .name = {copy, name.size}};
    if (self->items > self->max)
        self->beyond = self->item[self->items - 1].name;
    return 0;
}

//  The key of its row among the cursors, as a number.
static uint64_t s_place (const zb_queue_row_t *row)
{
    return row->kind == ZB_KIND_SUB ? (uint64_t) row->topic << 32 | row->id : (uint64_t) row->id << 32;
}

static int s_by_place (const void *one, const void *other)
{
    uint64_t a = s_place (&((const zb_listed_t *) one)->row), b = s_place (&((const zb_listed_t *) other)->row);
    return a < b ? -1 : a > b;
}

void zb_list_sort (zb_list_t *self)
{
    if (self->items)
        qsort (self->item, self->items, sizeof (zb_listed_t), s_by_place);
}

void zb_list_first (const zb_list_t *self, uint8_t key[ZB_CURSOR_KEY_SIZE])
{
    const zb_queue_row_t *row = &self->item[0].row;
    zb_cursor_key (row->kind == ZB_KIND_SUB ? row->topic : row->id, 0, key);
}

int zb_list_cursor (zb_list_t *self, const zb_found_t *found)
{
    zb_listed_t key = {.row = {.kind = ZB_KIND_SUB}};
    zb_cursor_row_t cursor;
    if (zb_cursor_key_decode (found, &key.row.topic, &key.row.id) || zb_cursor_row_decode (&cursor, found->row))
        return -1;
    if (key.row.id == 0) {
        self->topic = key.row.topic;
        self->log = cursor;
    }
    else if (key.row.topic == self->topic) {
        cursor.put = cursor.put < self->log.put ? self->log.put : cursor.put;
        //  Rows were removed before it had done anything of them, and its row does not say so.
        if (cursor.mark < self->log.low)
            cursor.done = self->log.done;
    }
    zb_listed_t *item =
        self->items ? (zb_listed_t *) bsearch (&key, self->item, self->items, sizeof key, s_by_place) : NULL;
    if (item)
        item->cursor = cursor;
    return 0;
}

bool zb_list_needs (const zb_list_t *self, const zb_found_t *found)
{
    return self->items && found->key_size == ZB_CURSOR_KEY_SIZE &&
           zb_get64 (found->key) < s_place (&self->item[self->items - 1].row);
}

//  The engine's part: what is in memory is newer than what was read.

typedef struct {
    zb_frame_t name;
    const zb_listed_t *item;
    const zb_queue_t *queue; //  or NULL: it is not in memory
} s_line_t;

static int s_order (zb_frame_t a, zb_frame_t b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    int order = size ? memcmp (a.data, b.data, size) : 0;
    return order ? order : a.size < b.size ? -1 : a.size > b.size;
}

static int s_by_name (const void *one, const void *other)
{
    return s_order (((const s_line_t *) one)->name, ((const s_line_t *) other)->name);
}

//  Whether a queue in memory belongs to what was read.
static bool s_fits (const zb_list_t *list, zb_frame_t name)
{
    return zb_name_match (list->pattern, name) && s_order (name, list->after) > 0 &&
           (!zb_list_full (list) || s_order (name, list->beyond) <= 0);
}

//  All that were found, by their names.
static s_line_t *s_lines (const zb_engine_t *self, size_t *lines)
{
    const zb_list_t *list = self->told.list;
    s_line_t *line = (s_line_t *) malloc ((list->items + self->queues.count + 1) * sizeof (s_line_t));
    assert (line);
    *lines = 0;
    for (size_t index = 0; index < list->items; index++)
        if (!zb_map_find (&self->queues, list->item[index].name))
            line[(*lines)++] = (s_line_t){list->item[index].name, &list->item[index], NULL};
    ZB_RING_EACH (link, after, &self->all_queues)
    {
        const zb_queue_t *queue = ZB_ITEM (link, zb_queue_t, ring);
        if (s_fits (list, queue->name) && (queue->kind == ZB_KIND_QUEUE || list->pages))
            line[(*lines)++] = (s_line_t){queue->name, NULL, queue};
    }
    qsort (line, *lines, sizeof (s_line_t), s_by_name);
    return line;
}

static const char *const s_kinds[] = {
    [ZB_KIND_QUEUE] = "queue", [ZB_KIND_TOPIC] = "topic", [ZB_KIND_SUB] = "subscription"};

//  Writes what is said of a queue; returns its size.
static size_t s_say (const zb_engine_t *self, const s_line_t *line, char text[TEXT_MAX])
{
    const zb_queue_t *queue = line->queue;
    zb_queue_row_t row = queue ? zb_queue_row (queue) : line->item->row;
    uint64_t messages = queue ? zb_queue_depth (queue) : line->item->cursor.put - line->item->cursor.done;
    size_t size = row.kind == ZB_KIND_QUEUE ? zb_options_format (&row, &self->limits, false, text, TEXT_MAX)
                                            : zb_topic_format (&row, &self->limits, text, TEXT_MAX);
    if (row.kind == ZB_KIND_TOPIC)
        size += (size_t) snprintf (text + size, TEXT_MAX - size, "messages=%" PRIu64 "\n", messages);
    else
        size += (size_t) snprintf (
            text + size, TEXT_MAX - size, "messages=%" PRIu64 "\nleased=%" PRIu64 "\nwaiting=%zu\n", messages,
            queue ? queue->cursor.leased - zb_cursor_blocked (&queue->cursor) : 0, queue ? queue->waiting : 0);
    assert (size < TEXT_MAX);
    if (row.kind == ZB_KIND_QUEUE)
        size += zb_options_format (&row, &self->limits, true, text + size, TEXT_MAX - size);
    if (row.sized)
        size += (size_t) snprintf (text + size, TEXT_MAX - size, "bytes=%" PRIu64 "\n",
                                   queue ? queue->cursor.bytes : line->item->cursor.behind);
    if (row.delays && row.kind == ZB_KIND_QUEUE)
        size += (size_t) snprintf (text + size, TEXT_MAX - size, "delayed=%" PRIu64 "\n",
                                   queue ? queue->log.laid : line->item->cursor.laid);
    if (row.mode == ZB_MODE_KEY)
        size += (size_t) snprintf (text + size, TEXT_MAX - size, "blocked=%" PRIu64 "\n",
                                   queue ? zb_cursor_blocked (&queue->cursor) : 0);
    if (self->told.list->pages)
        size += (size_t) snprintf (text + size, TEXT_MAX - size, "kind=%s\n", s_kinds[row.kind]);
    assert (size < TEXT_MAX);
    return size - 1; //  without the newline behind the last line
}

zb_reply_t *zb_engine_listed (zb_engine_t *self, const zb_address_t *to)
{
    const zb_list_t *list = self->told.list;
    size_t lines = 0, args = 0, bytes = 0, index = 0;
    s_line_t *line = s_lines (self, &lines);
    size_t most = lines < list->max ? lines : list->max;
    zb_frame_t *arg = (zb_frame_t *) malloc ((2 * most + 1) * sizeof (zb_frame_t));
    char (*text)[TEXT_MAX] = (char (*)[TEXT_MAX]) malloc ((most + 1) * TEXT_MAX);
    assert (arg && text);
    for (; index < most && (index == 0 || bytes + TEXT_MAX + ZB_NAME_MAX <= self->limits.request); index++) {
        arg[args++] = line[index].name;
        arg[args++] = (zb_frame_t){text[index], s_say (self, &line[index], text[index])};
        bytes += arg[args - 2].size + arg[args - 1].size;
    }
    //  Where the next page begins: behind the last one here, or, where those that were read are gone, behind what was read.
    if (list->pages)
        arg[args++] = index < lines ? line[index - 1].name : list->beyond;
    zb_engine_visited (self, self->queues.count + args * ARG_VISITS);
    zb_reply_t *listed = zb_reply_new (to, ZB_REPLY_TEXTS, arg, args);
    free (arg);
    free (text);
    free (line);
    return listed;
}
