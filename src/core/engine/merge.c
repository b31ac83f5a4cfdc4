/*  =========================================================================
    merge - what the loser of a split has, taken item by item

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The winner's side of a replay; the loser's is core/replay/replayer.  Messages keep their ids,
    so that an acknowledgement of one means the same on both sides, before and after.

    A message is taken if this store has never held its id, and no PUT of the same
    producer, number and digest, however full the queue is: what makes room for it, an
    acknowledgement, comes later.  One that another PUT of the same number stands in the
    way of, or that has no queue, is refused with 409 and a text: a word and the ids; the
    loser puts it aside in a file and sends the item again without it.
*/

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine/engine_self.h"
#include "core/queue/rank.h"
#include "core/queue/lane.h"

//  ms without an item until the loser counts as gone.
#define MERGER_GONE 5000

//  ---------------------------------------------------------------------------
//  Progress

static const char *s_key (const zb_progress_t *progress, char key[64])
{
    snprintf (key, 64, "%s%llu.%u", ZB_META_REPLAY, (unsigned long long) progress->epoch, progress->node);
    return key;
}

static void s_write_progress (zb_engine_t *self, const zb_progress_t *progress)
{
    char key[64];
    uint8_t value[8 + ZB_POSITION_MAX];
    zb_put64 (value, progress->n);
    memcpy (value + 8, progress->position, progress->size);
    zb_commit_meta (self->fill, s_key (progress, key), value, 8 + progress->size);
}

bool zb_engine_replays (zb_engine_t *self, const zb_found_t *found, size_t count)
{
    memset (self->merge.replay, 0, sizeof self->merge.replay);
    for (size_t index = 0; index < count && index < ZB_REPLAYS; index++) {
        zb_progress_t *progress = &self->merge.replay[index];
        zb_frame_t text = {found[index].key + strlen (ZB_META_REPLAY),
                           found[index].key_size - strlen (ZB_META_REPLAY)};
        const zb_row_t *row = found[index].row;
        if (text.size < 3 || row->size < 8 || row->size > 8 + ZB_POSITION_MAX)
            return false;
        progress->node = ((const uint8_t *) text.data)[text.size - 1] == '1' ? 1 : 2;
        text.size -= 2;
        if (!zb_number_parse (text, UINT64_MAX, &progress->epoch))
            return false;
        progress->n = zb_get64 (row->data);
        progress->size = row->size - 8;
        memcpy (progress->position, row->data + 8, progress->size);
    }
    return true;
}

//  The progress of the loser with this newest epoch; a new one if there is none, NULL if there are too many.
static zb_progress_t *s_progress (zb_engine_t *self, const zb_item_t *item)
{
    zb_progress_t *unused = NULL;
    for (size_t index = ZB_REPLAYS; index-- > 0;) {
        zb_progress_t *progress = &self->merge.replay[index];
        if (progress->epoch == item->epoch && progress->node == item->node)
            return progress;
        if (progress->epoch == 0)
            unused = progress;
    }
    if (unused)
        *unused = (zb_progress_t){.epoch = item->epoch, .node = item->node};
    return unused;
}

//  Whether a replay that came to this position has sent what is at that one.
static bool s_is_passed (const zb_progress_t *earlier, const void *position, size_t size)
{
    return memcmp (position, earlier->position, earlier->size < size ? earlier->size : size) <= 0;
}

//  Whether an earlier replay of the same loser, which has not ended, has brought the row: from where it is, or from the lane, if it
//  was there then.
static bool s_brought (const zb_engine_t *self, const zb_item_t *item, const zb_row_t *row)
{
    uint8_t laid[1 + ZB_LANE_KEY_SIZE];
    laid[0] = ZB_STAGE_LOG;
    if (!item->laid && zb_log_due (row))
        zb_lane_key (zb_get32 ((const uint8_t *) item->position.data + 1), zb_log_due (row), item->last, laid + 1);
    for (size_t index = 0; index < ZB_REPLAYS; index++) {
        const zb_progress_t *earlier = &self->merge.replay[index];
        if (earlier->epoch == 0 || earlier == self->merge.progress || earlier->node != item->node ||
            earlier->size == 0 ||
            zb_epoch_base (earlier->epoch, earlier->node) < zb_epoch_base (zb_epoch_number (item->last), item->node))
            continue;
        bool lay = !item->laid && zb_log_was_laid (row, earlier->epoch);
        if (s_is_passed (earlier, item->position.data, item->position.size) ||
            (lay && s_is_passed (earlier, laid, sizeof laid)))
            return true;
    }
    return false;
}

//  ---------------------------------------------------------------------------
//  Answers

static zb_load_t *s_refuse (zb_engine_t *self, const zb_task_t *task, unsigned code, const char *text)
{
    zb_engine_refuse (self, &task->request.from, code, text, ZB_NOW);
    return NULL;
}

//  Whether the message is refused: it is not done, and another PUT is in its way (`what` NULL: whatever it is).
static bool s_is_refused (const zb_view_t *view, const zb_put_t *what, uint32_t index)
{
    return !zb_view_is_done (view, index) && (!what || what[index] == ZB_PUT_OTHER);
}

//  Refuses messages of the row, with a word that says why.
static zb_load_t *s_put_aside (zb_engine_t *self, const zb_task_t *task, const zb_view_t *view, const zb_put_t *what,
                               const char *word)
{
    zb_reply_t *reply = zb_reply_say (&task->request.from, ZB_REPLY_ASIDE, ZB_CONFLICT, word);
    reply->span = (zb_span_t *) malloc (view->places->count * sizeof *reply->span);
    assert (reply->span);
    for (uint32_t index = 0; index < view->places->count; index++) {
        uint64_t id = zb_places_id (view->places, index);
        if (!s_is_refused (view, what, index))
            continue;
        if (reply->spans && reply->span[reply->spans - 1].last + 1 == id)
            reply->span[reply->spans - 1].last = id;
        else
            reply->span[reply->spans++] = (zb_span_t){id, id};
    }
    zb_engine_give_refusal (self, reply, ZB_NOW);
    return NULL;
}

static void s_ok (zb_engine_t *self, const zb_task_t *task, uint64_t n)
{
    zb_reply_t *reply = zb_reply_new (&task->request.from, ZB_REPLY_COUNT, NULL, 0);
    reply->number[0] = n;
    zb_engine_give (self, &reply, self->merge.commit);
}

//  ---------------------------------------------------------------------------
//  Items: each returns what it must wait for; *taken if it was taken, else it is answered.

//  Whether a store with this lineage, whose newest commit is `newest`, has the commit.
static bool s_has (const zb_lineage_t *lineage, uint64_t newest, const zb_stamp_t *stamp)
{
    return stamp->epoch == 0 || zb_lineage_holds (lineage, newest, stamp->epoch, stamp->node, stamp->commit);
}

//  Whether the loser has the newest change of the queue.
static bool s_is_common (const zb_engine_t *self, const zb_queue_t *queue)
{
    return s_has (&self->merge.loser, UINT64_MAX, &queue->changed);
}

bool zb_engine_changes (const zb_engine_t *self, const zb_queue_t *queue, const zb_stamp_t *change)
{
    return !s_has (&self->lineage, self->commit, change) && (!queue || s_is_common (self, queue));
}

//  Makes a queue; NULL if it would be one too many.
static zb_queue_t *s_make (zb_engine_t *self, zb_frame_t name)
{
    if (self->queue_count >= self->limits.queues || self->queue_id == UINT32_MAX)
        return NULL;
    zb_queue_t *queue = zb_engine_new_queue (self, name);
    queue->alone = 0;
    queue->changed = (zb_stamp_t){self->fill->epoch, self->fill->number, self->node};
    zb_engine_write_queue (self, queue);
    return queue;
}

//  A change that this store does not have is made here, unless the queue was changed here as well.  One that it has, of a
//  queue that is not here, was followed by a DELETE: the queue comes back if there are messages for it.
static zb_load_t *s_queue (zb_engine_t *self, const zb_task_t *task, const zb_item_t *item, bool *taken)
{
    zb_queue_t *queue = NULL;
    zb_load_t *load = zb_engine_queue (self, item->name, &queue);
    if (load)
        return load;
    bool changes = (!queue || queue->kind == ZB_KIND_QUEUE) && zb_engine_changes (self, queue, &item->queue.changed);
    if (changes && !queue && self->full)
        return s_refuse (self, task, ZB_DISK_FULL, "the disk is full");
    //  One too many is not made; its messages are put aside.
    if (changes && !queue)
        queue = s_make (self, item->name);
    if (changes && queue) {
        zb_queue_row_t row = item->queue;
        //  What was put here before the option was known does not expire.
        row.since = queue->timed ? queue->since : self->newest;
        //  Something may be in its lane.
        row.delays = row.delays || queue->delays;
        //  What is here was given by its own, and as they are fixed for clients.
        if (zb_queue_depth (queue)) {
            row.ranks = queue->cursor.ranks;
            row.mode = queue->mode;
        }
        if (row.mode != queue->mode)
            zb_engine_stop_hold (self, queue);
        memcpy (row.holder, queue->hold.mark, sizeof row.holder);
        row.counts = queue->sized ? queue->cursor.counts : zb_queue_counts (queue, self->newest);
        zb_queue_configure (queue, &row);
        zb_engine_write_queue (self, queue);
    }
    *taken = true;
    return NULL;
}

//  Whether the queue may go: the loser knew it as it is, and nothing was asked of it here since.
static bool s_is_left (const zb_engine_t *self, const zb_queue_t *queue)
{
    return s_is_common (self, queue) && queue->waiting == 0 &&
           (queue->asked == 0 || zb_lineage_lists (&self->merge.loser, queue->asked, self->node));
}

static bool s_are_left (const zb_engine_t *self, const zb_queue_t *topic)
{
    bool left = true;
    for (zb_ring_t *link = topic->subs.next; link != &topic->subs && left; link = link->next)
        left = s_is_left (self, ZB_ITEM (link, zb_queue_t, subs));
    return left;
}

//  The loser has deleted the queue.  It stays if there is something in it, or if something was asked of it here since.
//  So does a topic; a subscription goes with what it has not done.
static zb_load_t *s_delete (zb_engine_t *self, const zb_item_t *item, bool *taken)
{
    zb_queue_t *queue = NULL;
    zb_load_t *load = zb_engine_queue (self, item->name, &queue);
    if (load)
        return load;
    bool sub = queue && queue->kind == ZB_KIND_SUB;
    if (queue && s_is_left (self, queue) &&
        (sub || (zb_queue_depth (queue) == 0 && (queue->kind == ZB_KIND_QUEUE || s_are_left (self, queue)))))
        zb_engine_delete_queue (self, queue);
    *taken = true;
    return NULL;
}

static zb_load_t *s_acks (zb_engine_t *self, zb_task_t *task, const zb_item_t *item, bool *taken)
{
    zb_queue_t *queue = NULL;
    zb_load_t *load = zb_engine_queue (self, item->name, &queue);
    if (load)
        return load;
    //  What a subscription has done means the one of this birth.
    bool same = queue && (item->kind == ZB_REPLAY_DONE ? queue->kind == ZB_KIND_SUB && queue->birth == item->queue.birth
                                                       : queue->kind == ZB_KIND_QUEUE);
    if (same) {
        uint64_t acked = self->stats.acked;
        load = zb_engine_ack (self, queue, task, item->span, item->spans);
        self->stats.replayed_acks += self->stats.acked - acked;
        if (load)
            return load;
        zb_engine_serve (self, queue);
    }
    *taken = true;
    return NULL;
}

static zb_load_t *s_producer (zb_engine_t *self, const zb_item_t *item, bool *taken)
{
    zb_producer_t *producer = NULL;
    zb_load_t *load = zb_engine_producer (self, item->name, &producer);
    if (load)
        return load;
    *taken = true;
    uint64_t instance = item->producer.instance < self->instance ? item->producer.instance : self->instance;
    if (item->slots == 0 && (!producer->kept || producer->instance >= instance))
        return NULL;
    for (size_t index = 0; index < item->slots; index++) {
        zb_slot_t slot;
        zb_slot_decode (&slot, item->slot + index * ZB_SLOT_SIZE);
        zb_producer_merge (producer, &slot);
    }
    zb_producer_own (producer, instance);
    zb_engine_keep_producer (self, producer);
    return NULL;
}

//  What the loser says of the PUT that a piece is all or a part of.
static void s_slot (const zb_engine_t *self, const zb_item_t *item, const zb_row_t *row, const zb_piece_t *piece,
                    zb_slot_t *slot)
{
    *slot = (zb_slot_t){piece->number, piece->digest, piece->first - piece->before, piece->total, 0};
    if (piece->part)
        return;
    zb_frame_t *body = (zb_frame_t *) malloc (piece->count * sizeof *body);
    assert (body);
    const uint8_t *byte = row->data + piece->bodies;
    for (uint32_t index = 0; index < piece->count; index++) {
        body[index] = (zb_frame_t){byte, zb_get32 (row->data + piece->sizes + 4 * index)};
        byte += body[index].size;
    }
    zb_request_t put = {
        .queue = item->name, .properties = piece->properties, .body = body, .bodies = piece->count};
    slot->digest = zb_put_digest (&put, self->digest_key);
    free (body);
}

//  What the store's producer says of a piece: not used yet, the same PUT, or another one (or one that can't be told).
static zb_load_t *s_compare (zb_engine_t *self, const zb_item_t *item, const zb_row_t *row, const zb_piece_t *piece,
                             zb_put_t *result)
{
    zb_producer_t *producer = NULL;
    *result = ZB_PUT_NEXT;
    if (piece->number == 0)
        return NULL;
    zb_load_t *load = zb_engine_producer (self, piece->name, &producer);
    if (load)
        return load;
    const zb_slot_t *kept = zb_producer_slot (producer, piece->number);
    if (!kept || kept->number != piece->number) {
        *result = piece->number > producer->last ? ZB_PUT_NEXT : ZB_PUT_OTHER;
        return NULL;
    }
    if (piece->first >= kept->first && piece->first - kept->first < kept->count)
        return NULL; //  it is this very one
    zb_slot_t slot;
    s_slot (self, item, row, piece, &slot);
    *result = slot.digest == kept->digest && slot.count == kept->count ? ZB_PUT_AGAIN : ZB_PUT_OTHER;
    return NULL;
}

//  Says of each message whether it is new, a duplicate, or in another PUT's way; *others if any is that is not done.
static zb_load_t *s_sift (zb_engine_t *self, const zb_item_t *item, const zb_queue_t *queue, const zb_view_t *view,
                          zb_put_t *what, bool *others)
{
    size_t offset = 0;
    zb_piece_t piece;
    uint32_t index = 0;
    while (zb_log_next (view->places->row, &offset, &piece) == 1) {
        zb_put_t result;
        zb_load_t *load = s_compare (self, item, view->places->row, &piece, &result);
        if (load)
            return load;
        if (result == ZB_PUT_NEXT && queue->dedupe && zb_engine_seen_twice (self, queue, view->places->row, &piece))
            result = ZB_PUT_AGAIN;
        for (uint32_t end = index + piece.count; index < end; index++) {
            what[index] = result;
            *others = *others || (result == ZB_PUT_OTHER && !zb_view_is_done (view, index));
        }
    }
    return NULL;
}

//  Messages of a row, which are whole pieces: from an index, whose piece is at this offset in the row, to before another.
typedef struct {
    uint32_t from, to;
    size_t offset;
} s_span_t;

//  These messages as a row of the form that this store has.
static zb_row_t *s_span_row (const zb_engine_t *self, const zb_view_t *view, const s_span_t *span)
{
    zb_log_head_t head;
    int rc = zb_log_head (view->places->row, &head);
    unsigned form = zb_engine_row_form (self);
    assert (rc == 0);
    if (span->to - span->from == view->places->count && head.form <= form)
        return zb_row_ref (view->places->row);
    head.form = form;
    head.first = zb_places_id (view->places, span->from);
    zb_row_t *row = zb_row_new (view->places->row->size + zb_log_head_size (form));
    zb_log_begin (row, &head);
    size_t offset = span->offset;
    zb_piece_t piece;
    for (uint32_t index = span->from; index < span->to; index += piece.count) {
        int more = zb_log_next (view->places->row, &offset, &piece);
        assert (more == 1);
        zb_frame_t *body = (zb_frame_t *) malloc (piece.count * sizeof *body);
        assert (body);
        for (uint32_t each = 0; each < piece.count; each++)
            body[each] = zb_places_body (view->places, index + each);
        zb_log_append (row, &piece, body);
        free (body);
    }
    return row;
}

//  One that is not due goes into the lane, which is looked at here then, too.
static void s_lay (zb_engine_t *self, zb_queue_t *queue, zb_row_t *row, uint64_t id)
{
    zb_queue_lay (queue, row, id, self->fill);
    if (queue->delays)
        return;
    queue->delays = true;
    zb_engine_write_queue (self, queue);
}

//  Inserts them, if there is anything to be done of them.
static void s_insert_span (zb_engine_t *self, zb_queue_t *queue, const zb_view_t *view, const s_span_t *span, bool laid)
{
    uint32_t count = span->to - span->from, open = 0;
    zb_row_t *bits = zb_row_new (count / 8 + 1);
    memset (bits->data, 0, bits->room);
    bits->size = (count + 7) / 8;
    for (uint32_t index = 0; index < count; index++)
        if (zb_view_is_done (view, span->from + index))
            bits->data[index / 8] |= (uint8_t) (1u << index % 8);
        else
            open++;
    if (open == count)
        zb_row_unref (&bits);
    if (open) {
        zb_row_t *row = s_span_row (self, view, span);
        if (laid)
            s_lay (self, queue, row, zb_places_id (view->places, span->from));
        else
            zb_queue_insert (queue, row, zb_places_id (view->places, span->to - 1), bits, self->fill);
        zb_engine_touch_queue (self, queue);
        //  The marks of subscriptions go back to it.
        ZB_RING_EACH (link, after, &queue->subs)
        zb_engine_touch_queue (self, ZB_ITEM (link, zb_queue_t, subs));
        self->fill->bytes += row->size;
        self->waiting += row->size;
        self->stats.replayed += open;
        zb_row_unref (&row);
    }
    zb_row_unref (&bits);
}

//  Takes the messages of the row that are no duplicates.  Where another rank begins, and where a duplicate is, the row is cut: what an acknowledgement names by
//  the first and the last id of a row, here and after the next split, must never be a copy that is not here.
static void s_insert_new (zb_engine_t *self, zb_queue_t *queue, const zb_view_t *view, const zb_put_t *what, bool laid)
{
    s_span_t span = {0, 0, 0};
    size_t offset = 0, start = 0; //  `start`: of the piece that comes
    unsigned rank = 0;
    zb_piece_t piece;
    while (zb_log_next (view->places->row, &offset, &piece) == 1) {
        uint32_t next = span.to + piece.count;
        unsigned other = zb_rank_of (piece.properties, queue->cursor.ranks);
        if (other != rank && span.to > span.from) {
            s_insert_span (self, queue, view, &span, laid);
            span.from = span.to;
            span.offset = start;
        }
        rank = other;
        start = offset;
        if (what[span.to] == ZB_PUT_AGAIN) {
            s_insert_span (self, queue, view, &span, laid);
            for (uint32_t index = span.to; index < next; index++)
                self->stats.replayed_twice += !zb_view_is_done (view, index);
            span.from = next;
            span.offset = offset;
        }
        span.to = next;
    }
    s_insert_span (self, queue, view, &span, laid);
}

//  A number is used as soon as its message is here: it may be sent again before the loser tells what it knows of names.
static void s_learn (zb_engine_t *self, const zb_item_t *item, const zb_queue_t *queue, const zb_view_t *view)
{
    size_t offset = 0;
    zb_piece_t piece;
    while (zb_log_next (view->places->row, &offset, &piece) == 1) {
        zb_producer_t *producer = NULL;
        zb_load_t *load = piece.number ? zb_engine_producer (self, piece.name, &producer) : NULL;
        assert (!load);
        const zb_slot_t *kept = producer ? zb_producer_slot (producer, piece.number) : NULL;
        if (!producer || (kept && kept->number >= piece.number) || piece.number <= producer->last)
            continue;
        zb_slot_t slot;
        s_slot (self, item, view->places->row, &piece, &slot);
        slot.queue = queue->id;
        zb_producer_learn (producer, &slot);
        zb_engine_keep_producer (self, producer);
    }
}

//  So it is with message-ids.
static void s_remember (zb_engine_t *self, zb_queue_t *queue, const zb_view_t *view, const zb_put_t *what)
{
    size_t offset = 0;
    zb_piece_t piece;
    uint32_t index = 0;
    for (; queue->dedupe && zb_log_next (view->places->row, &offset, &piece) == 1; index += piece.count)
        if (what[index] == ZB_PUT_NEXT)
            zb_engine_remember_replayed (self, queue, view->places->row, &piece);
}

//  An unfinished replay has brought the row.  What the loser has acknowledged of it since is done here as well.
static zb_load_t *s_again (zb_engine_t *self, zb_task_t *task, zb_queue_t *queue, const zb_view_t *view, bool *taken)
{
    *taken = true;
    if (!queue || queue->kind != ZB_KIND_QUEUE || view->open == view->places->count)
        return NULL;
    uint64_t acked = self->stats.acked;
    zb_view_done (view, &self->scratch);
    zb_load_t *load = zb_engine_ack (self, queue, task, self->scratch.span, self->scratch.size);
    self->stats.replayed_acks += self->stats.acked - acked;
    if (load)
        *taken = false;
    else
        zb_engine_serve (self, queue);
    return load;
}

//  Whether something of it that is purged is still in the store.
static bool s_is_buried (const zb_engine_t *self, const zb_queue_t *queue)
{
    uint8_t key[4];
    zb_put32 (key, queue->id);
    bool buried = self->tombs.more || zb_map_find (&self->tombs.by_queue, (zb_frame_t){key, sizeof key});
    for (zb_ring_t *link = queue->subs.next; link != &queue->subs && queue->kind == ZB_KIND_TOPIC && !buried;
         link = link->next)
        buried = s_is_buried (self, ZB_ITEM (link, zb_queue_t, subs));
    return buried;
}

//  The load of its rows, or of what is due, for whomever; NULL if there is none.
static zb_load_t *s_reads (const zb_queue_t *queue)
{
    zb_load_t *load = zb_engine_reads (queue);
    for (zb_ring_t *link = queue->subs.next; link != &queue->subs && !load; link = link->next)
        load = ZB_ITEM (link, zb_queue_t, subs)->cursor.load;
    return load;
}

static zb_load_t *s_new (zb_engine_t *self, const zb_task_t *task, const zb_item_t *item, zb_queue_t *queue,
                         const zb_view_t *view, bool *taken)
{
    if (self->full)
        return s_refuse (self, task, ZB_DISK_FULL, "the disk is full");
    bool topic = item->kind == ZB_REPLAY_TOPIC_ROW;
    if (!queue && !topic)
        queue = s_make (self, item->name);
    //  A topic that nobody subscribes to here keeps nothing.
    if (!queue || (queue->kind == ZB_KIND_TOPIC) != topic || (topic && !zb_engine_topic_stores (queue)))
        return s_put_aside (self, task, view, NULL, "absent");
    if (s_is_buried (self, queue)) {
        self->tombs.wanted = true;
        return s_refuse (self, task, ZB_NOT_READY, "purged messages of the queue are being freed");
    }
    zb_load_t *reads = s_reads (queue);
    if (reads)
        return reads;
    bool others = false;
    zb_put_t *what = (zb_put_t *) calloc (view->places->count, sizeof *what);
    assert (what);
    zb_load_t *load = queue->dedupe ? zb_engine_know_seen (self, queue) : NULL;
    load = load ? load : s_sift (self, item, queue, view, what, &others);
    if (!load && others)
        s_put_aside (self, task, view, what, "conflict");
    else if (!load) {
        s_insert_new (self, queue, view, what, item->laid);
        s_learn (self, item, queue, view);
        s_remember (self, queue, view, what);
        *taken = true;
    }
    free (what);
    return load;
}

static zb_load_t *s_row (zb_engine_t *self, zb_task_t *task, const zb_item_t *item, bool *taken)
{
    zb_queue_t *queue = NULL;
    zb_load_t *load = zb_engine_queue (self, item->name, &queue);
    if (load)
        return load;
    *taken = zb_lineage_had (&self->lineage, item->last);
    if (*taken)
        return NULL;
    zb_row_t *row = zb_row_new (item->row.size), *bits = item->bits.size ? zb_row_new (item->bits.size) : NULL;
    zb_item_add (row, item->row.data, item->row.size);
    if (bits)
        zb_item_add (bits, item->bits.data, item->bits.size);
    zb_view_t *view = zb_view_of (row, item->last, bits);
    bool good = view && (!item->laid || (zb_log_due (row) && view->places->count == 1));
    if (good && s_brought (self, item, row))
        load = s_again (self, task, queue, view, taken);
    else if (good)
        load = s_new (self, task, item, queue, view, taken);
    else
        s_refuse (self, task, ZB_BAD_REQUEST, "item: the row is malformed");
    zb_view_destroy (&view);
    zb_row_unref (&row);
    zb_row_unref (&bits);
    return load;
}

static void s_end (zb_engine_t *self)
{
    for (size_t index = 0; index < ZB_REPLAYS; index++)
        if (self->merge.replay[index].epoch) {
            char key[64];
            zb_commit_meta (self->fill, s_key (&self->merge.replay[index], key), NULL, 0);
        }
    memset (self->merge.replay, 0, sizeof self->merge.replay);
    self->merge.progress = NULL;
    self->merge.session = NULL;
    self->merge.heard_ms = 0; //  it waits for nothing any more
    self->must = self->merge.absorbs = true;
    zb_engine_use_all (self);
}

bool zb_engine_absorbs (zb_engine_t *self, zb_lineage_t *loser)
{
    bool absorbs = self->merge.absorbs;
    self->merge.absorbs = false;
    if (absorbs)
        zb_lineage_copy (loser, &self->merge.loser);
    return absorbs;
}

//  ---------------------------------------------------------------------------
//  The request

//  Says so in words that help an operator: the loser's log repeats them.
static zb_load_t *s_refuse_stranger (zb_engine_t *self, const zb_task_t *task)
{
    return s_refuse (
        self, task, ZB_NOT_READY,
        "what this one has had can't be told: one of the two has led too often since they parted, or was set "
        "back to an older copy and has used an epoch twice: nothing is taken, nothing is deleted; an operator has to "
        "move the messages, see salvage in "
        "zbroker(1)");
}

//  Only a store that may lead by itself may hold what the loser will throw away, and its ids must be the larger.
static bool s_wins (zb_engine_t *self, const zb_task_t *task, const zb_item_t *item)
{
    bool larger = zb_epoch_base (item->epoch, item->node) < zb_epoch_base (self->epoch, self->node);
    bool alone = self->keep == ZB_KEEP_WRITE;
    if (!larger)
        s_refuse (self, task, ZB_NOT_READY, "this broker is not the winner of a split");
    else if (!alone)
        s_refuse (self, task, ZB_NOT_READY, "this broker does not go on alone yet; its status says what it waits for");
    return larger && alone;
}

//  Where the loser is to go on.  A stranger is told so first: of two that have used the newest epoch twice, none ever wins.
static zb_load_t *s_begin (zb_engine_t *self, const zb_task_t *task, const zb_item_t *item)
{
    zb_lineage_t loser;
    if (zb_lineage_decode (&loser, item->rest.data, item->rest.size))
        return s_refuse (self, task, ZB_BAD_REQUEST, "item: malformed lineage");
    bool done = zb_lineage_absorbed (&self->lineage, item->epoch, item->node);
    if (!done && !zb_lineage_meets (&self->lineage, &loser))
        return s_refuse_stranger (self, task);
    if (!s_wins (self, task, item))
        return NULL;
    zb_lineage_copy (&self->merge.loser, &loser);
    zb_progress_t *progress = done ? NULL : s_progress (self, item);
    if (!done && !progress)
        return s_refuse (self, task, ZB_NOT_READY, "too many replays have begun and not ended");
    self->merge.progress = progress;
    self->merge.session = done ? NULL : task->session;
    self->merge.heard_ms = done ? 0 : self->now;
    uint8_t lineage[ZB_LINEAGE_MAX * ZB_EPOCH_SIZE];
    zb_frame_t text[] = {{NULL, 0}, {lineage, zb_lineage_encode (&self->lineage, lineage)}};
    if (progress)
        text[0] = (zb_frame_t){progress->position, progress->size};
    zb_reply_t *reply = zb_reply_new (&task->request.from, done ? ZB_REPLY_REPLAYED : ZB_REPLY_RESUME, text, 2);
    reply->number[0] = progress ? progress->n : 0;
    zb_engine_give (self, &reply, self->merge.commit);
    return NULL;
}

static bool s_has_change (void *context, bool there, const zb_stamp_t *change)
{
    const zb_engine_t *self = context;
    return there ? s_has (&self->merge.loser, UINT64_MAX, change) : s_has (&self->lineage, self->commit, change);
}

//  Who may do what: what was revoked on either side is.
static zb_load_t *s_rights (zb_engine_t *self, const zb_task_t *task, const zb_item_t *item, bool *taken)
{
    zb_rights_t *loser = zb_rights_new ();
    bool good = self->rights && zb_rights_decode (loser, item->rest.data, item->rest.size) == 0;
    *taken = good;
    zb_stamp_t stamp = {self->fill->epoch, self->fill->number, self->node};
    if (good && zb_rights_merge (self->rights, loser, &stamp, s_has_change, self))
        zb_engine_write_rights (self);
    zb_rights_destroy (&loser);
    return good ? NULL : s_refuse (self, task, ZB_BAD_REQUEST, "item: malformed rights");
}

static zb_load_t *s_take (zb_engine_t *self, zb_task_t *task, const zb_item_t *item, bool *taken)
{
    switch (item->kind) {
    case ZB_REPLAY_QUEUE:
        return s_queue (self, task, item, taken);
    case ZB_REPLAY_TOPIC:
    case ZB_REPLAY_SUB:
        return zb_engine_merge_topic (self, task, item, taken);
    case ZB_REPLAY_ACKS:
    case ZB_REPLAY_DONE:
        return s_acks (self, task, item, taken);
    case ZB_REPLAY_ROW:
    case ZB_REPLAY_TOPIC_ROW:
        return s_row (self, task, item, taken);
    case ZB_REPLAY_PRODUCER:
        return s_producer (self, item, taken);
    case ZB_REPLAY_DELETE:
        return s_delete (self, item, taken);
    case ZB_REPLAY_RIGHTS:
        return s_rights (self, task, item, taken);
    default:
        assert (item->kind == ZB_REPLAY_END);
        *taken = true;
        return NULL;
    }
}

static zb_load_t *s_item (zb_engine_t *self, zb_task_t *task, const zb_item_t *item)
{
    zb_progress_t *progress = self->merge.progress;
    if (!s_wins (self, task, item))
        return NULL;
    if (task->session != self->merge.session || !progress || progress->epoch != item->epoch ||
        progress->node != item->node)
        return s_refuse (self, task, ZB_NOT_READY, "say BEGIN first");
    //  Epochs may have been raised since BEGIN.
    if (!zb_lineage_meets (&self->lineage, &self->merge.loser))
        return s_refuse_stranger (self, task);
    if (item->n <= progress->n) {
        s_ok (self, task, item->n);
        return NULL;
    }
    if (item->n > progress->n + 1)
        return s_refuse (self, task, ZB_NOT_READY, "an item before this one was not taken");
    bool taken = false;
    zb_load_t *load = s_take (self, task, item, &taken);
    if (load || !taken)
        return load;
    progress->n = item->n;
    progress->size = item->position.size;
    memcpy (progress->position, item->position.data, item->position.size);
    if (item->kind == ZB_REPLAY_END)
        s_end (self);
    else
        s_write_progress (self, progress);
    self->merge.commit = self->fill->number; //  I12
    s_ok (self, task, item->n);
    return NULL;
}

zb_load_t *zb_engine_replay (zb_engine_t *self, zb_task_t *task)
{
    const zb_request_t *request = &task->request;
    zb_item_t item;
    assert (request->bodies == 2);
    const char *wrong = zb_item_decode (&item, &self->scratch, request->body[0]);
    if (wrong)
        return s_refuse (self, task, ZB_BAD_REQUEST, wrong);
    if (!zb_item_mac_holds (request->body[0], self->secret, request->body[1]))
        return s_refuse (self, task, ZB_FORBIDDEN, "REPLAY is for the other broker of the pair");
    task->session->hello = true;
    self->merge.heard_ms = self->now;
    return item.kind == ZB_REPLAY_BEGIN ? s_begin (self, task, &item) : s_item (self, task, &item);
}

zb_load_t *zb_engine_ack_replayed (zb_engine_t *self, zb_task_t *task, zb_queue_t *queue, bool *refused)
{
    bool unfinished = false;
    for (size_t each = 0; each < ZB_REPLAYS; each++)
        unfinished = unfinished || self->merge.replay[each].epoch;
    *refused = unfinished && (queue->cursor.log->inserting || queue->kind == ZB_KIND_TOPIC);
    if (*refused)
        s_refuse (self, task, ZB_NOT_READY, ZB_MERGING);
    if (*refused || !unfinished)
        return NULL;
    //  They lie between the ranges.
    zb_spans_t *between = &self->scratch;
    uint64_t first = 0, last = 0, behind = 0;
    between->size = 0;
    for (size_t index = 0; zb_lineage_range (&self->lineage, &index, &first, &last); behind = last)
        if (behind && first > behind + 1)
            zb_spans_add (between, behind + 1, first - 1);
    return zb_engine_ack (self, queue, task, between->span, between->size);
}

bool zb_engine_merges (const zb_engine_t *self)
{
    return self->merge.session && self->now - self->merge.heard_ms < MERGER_GONE;
}

//  Whether an end of these spans is an id that this lineage has not given.
static bool s_not_given (const zb_engine_t *self, const zb_span_t *span, size_t spans)
{
    uint64_t known = 0;
    for (size_t index = 0; index < 2 * spans; index++) {
        uint64_t end = index % 2 ? span[index / 2].last : span[index / 2].first;
        uint64_t number = zb_epoch_number (end);
        unsigned node = zb_epoch_node (end);
        bool own = number == self->epoch && node == self->node;
        //  Mostly one epoch is named, and looked up once.
        if (number == 0 || own || (end <= known && zb_epoch_number (known) == number && zb_epoch_node (known) == node))
            continue;
        known = zb_lineage_upto (&self->lineage, number, node);
        if (end > known)
            return true;
    }
    return false;
}

bool zb_engine_foreign (const zb_engine_t *self, const zb_span_t *span, size_t spans)
{
    //  With the peer level, or without one, nobody has what this store has never had: it is gone.
    return self->keep == ZB_KEEP_WRITE && self->lineage.size && s_not_given (self, span, spans);
}

void zb_engine_prove_gone (zb_engine_t *self, zb_queue_t *queue, zb_task_t *task)
{
    if (self->keep != ZB_KEEP_NOTE || self->lineage.size == 0 ||
        !s_not_given (self, task->request.span, task->request.spans))
        return;
    task->foreign = true;
    zb_engine_touch_queue (self, queue);
    queue->cursor.commit = queue->commit;
}
