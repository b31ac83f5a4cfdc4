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

#include "core/engine_self.h"
#include "core/list.h"
#include "core/options.h"

//  What an argument of a reply costs, in visits: two of them for a queue.
#define ARG_VISITS 4
//  Bytes of a queue's options and counts, at most.
#define TEXT_MAX 200

zb_list_t *zb_list_new (zb_frame_t pattern)
{
    zb_list_t *self = (zb_list_t *) calloc (1, sizeof (zb_list_t));
    assert (self && pattern.size <= sizeof self->bytes);
    if (pattern.size)
        memcpy (self->bytes, pattern.data, pattern.size);
    self->pattern = (zb_frame_t){self->bytes, pattern.size};
    return self;
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
    if (zb_name_check (name) || zb_queue_row_decode (&row, found->row))
        return -1;
    if (self->items == ZB_LIST_MAX || !zb_name_match (self->pattern, name))
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
    return 0;
}

static int s_by_id (const void *one, const void *other)
{
    uint32_t a = ((const zb_listed_t *) one)->row.id;
    uint32_t b = ((const zb_listed_t *) other)->row.id;
    return a < b ? -1 : a > b;
}

void zb_list_sort (zb_list_t *self)
{
    if (self->items)
        qsort (self->item, self->items, sizeof (zb_listed_t), s_by_id);
}

int zb_list_cursor (zb_list_t *self, const zb_found_t *found)
{
    zb_listed_t key = {.row = {.id = 0}};
    zb_cursor_row_t cursor;
    if (zb_cursor_key_decode (found, &key.row.id) || zb_cursor_row_decode (&cursor, found->row))
        return -1;
    zb_listed_t *item =
        self->items ? (zb_listed_t *) bsearch (&key, self->item, self->items, sizeof key, s_by_id) : NULL;
    if (item)
        item->cursor = cursor;
    return 0;
}

//  The engine's part: what is in memory is newer than what was read.

typedef struct {
    zb_frame_t *arg;
    size_t args;
    char (*text)[TEXT_MAX];
    size_t bytes;
} s_reply_t;

static void s_add (const zb_engine_t *self, s_reply_t *reply, zb_frame_t name, const zb_queue_row_t *row,
                   uint64_t messages, uint64_t leased, size_t waiting)
{
    if (reply->args == 2 * ZB_LIST_MAX || reply->bytes + TEXT_MAX + ZB_NAME_MAX > self->limits.request)
        return;
    char *text = reply->text[reply->args / 2];
    size_t size = zb_options_format (row, &self->limits, false, text, TEXT_MAX);
    size += (size_t) snprintf (text + size, TEXT_MAX - size, "messages=%" PRIu64 "\nleased=%" PRIu64 "\nwaiting=%zu\n",
                               messages, leased, waiting);
    assert (size < TEXT_MAX);
    size += zb_options_format (row, &self->limits, true, text + size, TEXT_MAX - size);
    size--; //  the newline behind the last line
    reply->arg[reply->args++] = name;
    reply->arg[reply->args++] = (zb_frame_t){text, size};
    reply->bytes += name.size + size;
}

static int s_by_name (const void *one, const void *other)
{
    const zb_frame_t *a = (const zb_frame_t *) one, *b = (const zb_frame_t *) other;
    int order = memcmp (a->data, b->data, a->size < b->size ? a->size : b->size);
    return order ? order : a->size < b->size ? -1 : a->size > b->size;
}

zb_reply_t *zb_engine_listed (zb_engine_t *self, const zb_address_t *to)
{
    const zb_list_t *list = self->list;
    size_t most = list->items + self->queues.count;
    most = most < ZB_LIST_MAX ? most : ZB_LIST_MAX;
    s_reply_t reply = {.arg = (zb_frame_t *) malloc ((2 * most + 1) * sizeof (zb_frame_t)),
                       .text = (char (*)[TEXT_MAX]) malloc ((most + 1) * TEXT_MAX)};
    assert (reply.arg && reply.text);
    for (size_t index = 0; index < list->items; index++) {
        const zb_listed_t *item = &list->item[index];
        if (!zb_map_find (&self->queues, item->name))
            s_add (self, &reply, item->name, &item->row, item->cursor.put - item->cursor.done, 0, 0);
    }
    ZB_RING_EACH (link, after, &self->all_queues)
    {
        const zb_queue_t *queue = ZB_ITEM (link, zb_queue_t, ring);
        if (!zb_name_match (list->pattern, queue->name))
            continue;
        zb_queue_row_t row = zb_queue_row (queue);
        s_add (self, &reply, queue->name, &row, zb_queue_depth (queue), queue->leased, queue->waiting);
    }
    if (reply.args)
        qsort (reply.arg, reply.args / 2, 2 * sizeof (zb_frame_t), s_by_name);
    zb_engine_visited (self, self->queues.count + reply.args * ARG_VISITS);
    zb_reply_t *listed = zb_reply_new (to, ZB_REPLY_TEXTS, reply.arg, reply.args);
    free (reply.arg);
    free (reply.text);
    return listed;
}
