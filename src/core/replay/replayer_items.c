/*  =========================================================================
    replayer_items - what the loser of a split makes of its rows for the winner

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/queue/view.h"
#include "core/replay/replayer_self.h"

#define LATE_MOST 10000 //  rows with bitmaps of subscriptions that are remembered

//  ---------------------------------------------------------------------------
//  Items

static zb_made_t *s_make (zb_replayer_t *self, zb_replay_kind_t kind, const void *key, size_t key_size, size_t rest)
{
    uint8_t position[ZB_POSITION_MAX] = {(uint8_t) self->stage};
    assert (key_size <= ZB_KEY_MAX);
    if (key_size)
        memcpy (position + 1, key, key_size);
    zb_made_t *made = (zb_made_t *) calloc (1, sizeof (zb_made_t));
    assert (made);
    zb_ring_init (&made->ring);
    made->n = kind == ZB_REPLAY_BEGIN ? 0 : ++self->n;
    made->data = zb_item_new (self->newest.number, self->newest.node, kind, made->n,
                              (zb_frame_t){position, kind == ZB_REPLAY_BEGIN ? 0 : 1 + key_size}, rest);
    return made;
}

static void s_ready (zb_replayer_t *self, zb_made_t *made)
{
    zb_ring_append (&self->made, &made->ring);
    self->bytes += made->data->size;
}

void zb_replayer_make_lineage (zb_replayer_t *self, zb_replay_kind_t kind)
{
    uint8_t lineage[ZB_LINEAGE_MAX * ZB_EPOCH_SIZE];
    size_t size = zb_lineage_encode (&self->ours, lineage);
    zb_made_t *made = s_make (self, kind, NULL, 0, size);
    zb_item_add (made->data, lineage, size);
    s_ready (self, made);
}

void zb_replayer_make_rights (zb_replayer_t *self)
{
    zb_made_t *made = s_make (self, ZB_REPLAY_RIGHTS, NULL, 0, self->rights->size);
    zb_item_add (made->data, self->rights->data, self->rights->size);
    s_ready (self, made);
}

//  An item that is these options, the name and more options.
static void s_make_options (zb_replayer_t *self, zb_replay_kind_t kind, const zb_known_queue_t *queue,
                            const uint8_t *options, size_t size)
{
    uint8_t more[1 + ZB_MORE_MAX] = {0};
    size_t extra = zb_more_encode (&queue->row, more + 1);
    extra += extra ? 1 : 0;
    zb_made_t *made = s_make (self, kind, queue->name.data, queue->name.size, size + queue->name.size + extra);
    zb_item_add (made->data, options, size);
    zb_item_add (made->data, queue->name.data, queue->name.size);
    zb_item_add (made->data, more, extra);
    s_ready (self, made);
}

static void s_make_topic (zb_replayer_t *self, const zb_known_queue_t *queue)
{
    uint8_t options[ZB_ITEM_SUB + ZB_STAMP_SIZE];
    const zb_queue_row_t *row = &queue->row;
    const uint64_t number[] = {row->lease, row->grace, row->birth, row->from, row->began.how};
    size_t size = 0;
    for (; row->kind == ZB_KIND_SUB && size < ZB_ITEM_SUB; size += 8)
        zb_put64 (options + size, number[size / 8]);
    if (row->kind == ZB_KIND_TOPIC) {
        zb_put64 (options, row->bytes);
        size = 8;
    }
    zb_stamp_encode (&row->changed, options + size);
    size += ZB_STAMP_SIZE;
    s_make_options (self, row->kind == ZB_KIND_TOPIC ? ZB_REPLAY_TOPIC : ZB_REPLAY_SUB, queue, options, size);
}

void zb_replayer_make_queue (zb_replayer_t *self, const zb_known_queue_t *queue)
{
    if (queue->row.kind != ZB_KIND_QUEUE) {
        s_make_topic (self, queue);
        return;
    }
    uint8_t options[ZB_ITEM_OPTIONS];
    zb_put64 (options, queue->row.lease);
    zb_put64 (options + 8, queue->row.max);
    zb_put64 (options + 16, queue->row.grace);
    zb_stamp_encode (&queue->row.changed, options + 24);
    s_make_options (self, ZB_REPLAY_QUEUE, queue, options, sizeof options);
}

//  What is done of a queue, or (birth not 0) by a subscription.
static void s_make_acks (zb_replayer_t *self, const zb_found_t *found, zb_frame_t queue, uint64_t birth,
                         const zb_spans_t *ids)
{
    char *acks = (char *) malloc (ids->size * ZB_SPAN_TEXT + 1);
    assert (acks);
    size_t size = zb_spans_format (ids->span, ids->size, acks);
    zb_made_t *made =
        s_make (self, birth ? ZB_REPLAY_DONE : ZB_REPLAY_ACKS, found->key, found->key_size, 8 + 1 + queue.size + size);
    uint8_t head[8];
    zb_put64 (head, birth);
    zb_item_add (made->data, head, birth ? sizeof head : 0);
    zb_item_add_name (made->data, queue);
    zb_item_add (made->data, acks, size);
    free (acks);
    made->acks = 1;
    s_ready (self, made);
}

//  ---------------------------------------------------------------------------
//  Acknowledgements

//  A queue that was deleted, and was not made again.
static void s_make_delete (zb_replayer_t *self, const zb_found_t *found, zb_frame_t queue)
{
    if (zb_replayer_has (self, queue))
        return;
    zb_made_t *made = s_make (self, ZB_REPLAY_DELETE, found->key, found->key_size, 1 + queue.size);
    zb_item_add_name (made->data, queue);
    s_ready (self, made);
}

//  All that this store has held of these ids, whose numbers are up to `last`; `all`: be it known to the winner or not.
static void s_held (const zb_replayer_t *self, uint64_t last, bool all, zb_spans_t *ids)
{
    //  What it has forgotten ends where the oldest kept begins, or with that one's twin.
    bool twin = zb_lineage_older (&self->ours, self->ours.epoch[0].number, 2);
    uint64_t oldest = zb_epoch_base (self->ours.epoch[0].number, twin ? 1 : 2);
    zb_spans_add (ids, 1, last < oldest ? last : oldest);
    for (size_t index = 0; index < self->ours.size; index++) {
        const zb_epoch_t *epoch = &self->ours.epoch[index];
        uint64_t base = zb_epoch_base (epoch->number, epoch->node);
        uint64_t upto = zb_lineage_upto (&self->ours, epoch->number, epoch->node);
        if (base < last && base < upto && (all || zb_lineage_has (&self->theirs, epoch->number, epoch->node)))
            zb_spans_add (ids, base + 1, upto < last ? upto : last);
    }
}

//  A row of the journal.  What stands for all of a queue means what this store has held of it, nothing else.
static void s_journal (zb_replayer_t *self, const zb_found_t *found)
{
    zb_frame_t queue;
    uint64_t first = 0, last = 0;
    zb_spans_t ids = {NULL, 0, 0};
    if (zb_journal_decode (found, &queue, &first, &last)) {
        self->fault = "the journal in the table acks holds a malformed row";
        return;
    }
    if (first == ZB_JOURNAL_DELETED) {
        s_make_delete (self, found, queue);
        return;
    }
    if (first > 1)
        zb_spans_add (&ids, first, last);
    else
        s_held (self, last, false, &ids);
    if (ids.size)
        s_make_acks (self, found, queue, 0, &ids);
    zb_spans_clear (&ids);
}

//  Acknowledges what the bits say of a row that the winner has held.
static void s_bits (zb_replayer_t *self, const zb_found_t *found, zb_known_queue_t *queue)
{
    zb_read_t *extra = self->extra;
    uint64_t last = zb_get64 (found->key + 4);
    zb_view_t *view = extra->count[0] ? zb_view_of (extra->found[0][0].row, last, found->row) : NULL;
    if (!view && queue->row.kind == ZB_KIND_SUB) {
        //  Its row went with another subscription.
        self->whole = self->whole && extra->count[0] == 0;
        return;
    }
    if (!view) {
        self->fault = "a bitmap in the table acks has no row of the log that it fits";
        return;
    }
    zb_spans_t ids = {NULL, 0, 0};
    zb_view_done (view, &ids);
    if (ids.size)
        s_make_acks (self, found, queue->name, queue->row.birth, &ids);
    if (queue->row.kind == ZB_KIND_SUB && ++self->lates <= LATE_MOST)
        zb_spans_add (&queue->late, view->places->first, last);
    self->whole = self->whole && self->lates <= LATE_MOST;
    zb_spans_clear (&ids);
    zb_view_destroy (&view);
}

void zb_replayer_row_key (const zb_replayer_t *self, const zb_found_t *acks, uint8_t key[ZB_LOG_KEY_SIZE])
{
    const zb_known_queue_t *queue = zb_replayer_queue (self, zb_get32 (acks->key));
    bool sub = queue && queue->row.kind == ZB_KIND_SUB;
    zb_log_key (sub ? queue->row.topic : zb_get32 (acks->key), zb_get64 (acks->key + 4), key);
}

//  What was held, but for these rows, which are in the order of ids.
static void s_without (const zb_spans_t *held, const zb_spans_t *late, zb_spans_t *ids)
{
    for (size_t index = 0; index < held->size; index++) {
        uint64_t first = held->span[index].first, last = held->span[index].last;
        size_t at = zb_spans_find (late->span, late->size, first);
        for (; first <= last && at < late->size && late->span[at].first <= last; at++) {
            if (late->span[at].first > first)
                zb_spans_add (ids, first, late->span[at].first - 1);
            first = late->span[at].last + 1;
        }
        if (first <= last)
            zb_spans_add (ids, first, last);
    }
}

void zb_replayer_make_mark (zb_replayer_t *self, const zb_found_t *found)
{
    uint32_t topic = 0, id = 0;
    zb_cursor_row_t cursor;
    if (zb_cursor_key_decode (found, &topic, &id) || zb_cursor_row_decode (&cursor, found->row)) {
        self->fault = "the table cursors holds a malformed row";
        return;
    }
    if (id == 0) {
        self->topic = topic;
        self->floor = cursor.low - 1;
    }
    const zb_known_queue_t *sub = id ? zb_replayer_queue (self, id) : NULL;
    zb_spans_t held = {NULL, 0, 0}, ids = {NULL, 0, 0};
    //  Behind its low-water mark rows without a bitmap are done up to the mark, but not those that were removed before it was.
    bool knows = sub && self->whole && self->topic == topic && cursor.low > self->floor && cursor.mark > cursor.low;
    uint64_t upto = knows ? cursor.mark - 1 : cursor.low ? cursor.low - 1 : 0;
    if (sub && upto)
        s_held (self, upto, true, &held);
    if (knows)
        s_without (&held, &sub->late, &ids);
    if (knows ? ids.size : held.size)
        s_make_acks (self, found, sub->name, sub->row.birth, knows ? &ids : &held);
    zb_spans_clear (&held);
    zb_spans_clear (&ids);
}

//  Uses one row of the table acks; false if it has to be looked at again when more was read.
bool zb_replayer_make_acks (zb_replayer_t *self, const zb_found_t *found)
{
    if (found->key_size < ZB_ACKS_KEY_SIZE && zb_get32 (found->key)) {
        self->fault = "the table acks holds a malformed key";
        return true;
    }
    if (zb_get32 (found->key) == 0) {
        s_journal (self, found);
        return true;
    }
    zb_known_queue_t *queue = zb_replayer_queue (self, zb_get32 (found->key));
    uint64_t last = zb_get64 (found->key + 4);
    //  A row of a topic that the winner had not was sent without bits.
    if (!queue || last <= queue->mark || (queue->row.kind == ZB_KIND_QUEUE && !zb_lineage_had (&self->theirs, last)))
        return true;
    if (!self->extra) {
        self->wants_extra = true;
        return false;
    }
    s_bits (self, found, queue);
    zb_read_destroy (&self->extra);
    return true;
}

//  ---------------------------------------------------------------------------
//  Messages

//  The id up to which the winner has held what this store may have of an epoch; the epoch's last one if it has held all.
static uint64_t s_shared (const zb_replayer_t *self, const zb_epoch_t *epoch, bool *all)
{
    uint64_t ours = zb_lineage_upto (&self->ours, epoch->number, epoch->node);
    uint64_t theirs = zb_lineage_upto (&self->theirs, epoch->number, epoch->node);
    *all = theirs >= ours;
    return theirs ? theirs : zb_epoch_base (epoch->number, epoch->node);
}

//  The id up to which the winner has held everything that this store has.  An epoch that was absorbed brings messages whose
//  ids are older than where the two parted: a copy of the winner from before may lack them.
uint64_t zb_replayer_common (const zb_replayer_t *self)
{
    uint64_t common = 0;
    bool all = true;
    //  Of an epoch that this store has forgotten it may have all.
    for (size_t index = 0; all && index < self->theirs.size; index++)
        if (zb_lineage_older (&self->ours, self->theirs.epoch[index].number, self->theirs.epoch[index].node))
            common = s_shared (self, &self->theirs.epoch[index], &all);
    for (size_t index = 0; all && index < self->ours.size; index++)
        common = s_shared (self, &self->ours.epoch[index], &all);
    return common;
}

//  Marks what was put aside of the row as done.
static void s_skip (const zb_replayer_t *self, zb_view_t *view, uint64_t row)
{
    if (row != self->skip_last)
        return;
    for (size_t each = 0; each < self->skip.size; each++)
        for (uint32_t index = zb_places_find (view->places, self->skip.span[each].first);
             index < view->places->count && zb_places_id (view->places, index) <= self->skip.span[each].last; index++)
            if (!zb_view_is_done (view, index))
                zb_view_finish (view, index);
}

static void s_row (zb_replayer_t *self, const zb_known_queue_t *queue, const zb_found_t *found, uint64_t last,
                   const zb_row_t *bits)
{
    zb_view_t *view = zb_view_of (found->row, last, bits);
    if (!view) {
        self->fault = "the tables log or acks hold a malformed row";
        return;
    }
    s_skip (self, view, last);
    if (view->open) {
        size_t size = view->open < view->places->count ? zb_view_bits_size (view) : 0;
        uint8_t head[4];
        zb_put32 (head, (uint32_t) size);
        zb_replay_kind_t kind = queue->row.kind == ZB_KIND_TOPIC ? ZB_REPLAY_TOPIC_ROW : ZB_REPLAY_ROW;
        zb_made_t *made =
            s_make (self, kind, found->key, found->key_size, 1 + queue->name.size + 4 + size + found->row->size);
        zb_item_add_name (made->data, queue->name);
        zb_item_add (made->data, head, sizeof head);
        zb_item_add (made->data, view->bits, size);
        zb_item_add (made->data, found->row->data, found->row->size);
        made->queue = queue->id;
        made->messages = view->open;
        s_ready (self, made);
    }
    zb_view_destroy (&view);
}

void zb_replayer_make_messages (zb_replayer_t *self, const zb_found_t *found)
{
    const zb_known_queue_t *queue = self->numbered[self->queue];
    uint64_t last = 0;
    if (zb_log_key_decode (found, queue->id, &last)) {
        self->fault = "the table log holds a malformed key";
        return;
    }
    if (last <= queue->mark || zb_lineage_had (&self->theirs, last))
        return;
    const zb_row_t *bits = NULL;
    for (; self->mark < self->chunk->count[1]; self->mark++) {
        const zb_found_t *acks = &self->chunk->found[1][self->mark];
        uint64_t of = acks->key_size >= ZB_LOG_KEY_SIZE ? zb_get64 (acks->key + 4) : 0;
        if (of >= last) {
            bits = of == last ? acks->row : NULL;
            break;
        }
    }
    s_row (self, queue, found, last, bits);
}

void zb_replayer_make_laid (zb_replayer_t *self, const zb_found_t *found)
{
    uint32_t id = found->key_size == ZB_LANE_KEY_SIZE ? zb_get32 (found->key + ZB_LANE_PREFIX - 4) : 0;
    uint64_t due = 0, last = 0;
    if (zb_lane_decode (found, id, &due, &last)) {
        self->fault = "the table log holds a malformed row of a lane";
        return;
    }
    const zb_known_queue_t *queue = zb_replayer_queue (self, id);
    //  One that was deleted; or purged; or the winner has had it.
    if (queue && last > queue->mark && !zb_lineage_had (&self->theirs, last))
        s_row (self, queue, found, last, NULL);
}

//  ---------------------------------------------------------------------------
//  Producers

static int s_by_number (const void *one, const void *other)
{
    uint64_t first = ((const zb_slot_t *) one)->number, second = ((const zb_slot_t *) other)->number;
    return first < second ? -1 : first > second;
}

//  The rows of one name, from `at` on; returns how many they are, 0 if the chunk may not hold all.
size_t zb_replayer_name_rows (const zb_read_t *chunk, size_t at)
{
    const zb_found_t *head = &chunk->found[0][at];
    size_t end = at + 1;
    while (end < chunk->count[0] && chunk->found[0][end].key_size == head->key_size + 2u &&
           memcmp (chunk->found[0][end].key, head->key, head->key_size) == 0 &&
           chunk->found[0][end].key[head->key_size] == 0)
        end++;
    return end == chunk->count[0] && chunk->more[0] ? 0 : end - at;
}

void zb_replayer_make_producer (zb_replayer_t *self, const zb_found_t *row, size_t rows)
{
    zb_producer_row_t producer;
    zb_slot_t slot[ZB_WINDOW];
    size_t slots = 0;
    if (row->key_size > ZB_NAME_MAX || zb_producer_row_decode (&producer, row->row) || rows > 1 + ZB_GROUPS) {
        self->fault = "the table producers holds a malformed row";
        return;
    }
    for (size_t index = 1; index < rows; index++) {
        zb_slot_t group[ZB_GROUP_SLOTS];
        unsigned number = row[index].key[row->key_size + 1];
        if (number >= ZB_GROUPS || zb_group_decode (group, number, row[index].row)) {
            self->fault = "the table producers holds a malformed row";
            return;
        }
        for (size_t each = 0; each < ZB_GROUP_SLOTS; each++) {
            if (group[each].number > producer.last)
                producer.last = group[each].number;
            if (group[each].number && !zb_lineage_had (&self->theirs, group[each].first))
                slot[slots++] = group[each];
        }
    }
    qsort (slot, slots, sizeof *slot, s_by_number);
    uint8_t head[16], value[ZB_SLOT_SIZE];
    zb_put64 (head, producer.instance);
    zb_put64 (head + 8, producer.last);
    zb_made_t *made = s_make (self, ZB_REPLAY_PRODUCER, row->key, row->key_size,
                              1 + row->key_size + sizeof head + slots * ZB_SLOT_SIZE);
    zb_item_add_name (made->data, (zb_frame_t){row->key, row->key_size});
    zb_item_add (made->data, head, sizeof head);
    for (size_t index = 0; index < slots; index++) {
        zb_slot_encode (&slot[index], value);
        zb_item_add (made->data, value, sizeof value);
    }
    s_ready (self, made);
}
