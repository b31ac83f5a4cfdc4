/*  =========================================================================
    replayer - the loser of a split reads what the winner lacks, item by item

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/replay/replayer_self.h"

#define WINDOW_ITEMS 16 //  on their way
#define WINDOW_BYTES (4 << 20)
#define READ_ROWS 256
#define READ_BYTES (1 << 20)

//  ---------------------------------------------------------------------------
//  Life

zb_replayer_t *zb_replayer_new (const uint8_t secret[ZB_SECRET_SIZE], const zb_lineage_t *lineage)
{
    zb_replayer_t *self = (zb_replayer_t *) calloc (1, sizeof (zb_replayer_t));
    assert (self && lineage->size);
    memcpy (self->secret, secret, ZB_SECRET_SIZE);
    zb_lineage_copy (&self->ours, lineage);
    self->newest = zb_lineage_newest (lineage);
    zb_ring_init (&self->made);
    return self;
}

static void s_unmake (zb_replayer_t *self, zb_made_t *made)
{
    zb_ring_remove (&made->ring);
    self->bytes -= made->data->size;
    zb_row_unref (&made->data);
    free (made);
}

//  Drops all that was made and read.
static void s_forget (zb_replayer_t *self)
{
    while (!zb_ring_empty (&self->made))
        s_unmake (self, ZB_ITEM (self->made.next, zb_made_t, ring));
    zb_read_destroy (&self->chunk);
    zb_read_destroy (&self->extra);
    self->ids.size = 0;
    self->refused = self->wants_extra = false;
}

static void s_forget_queues (zb_replayer_t *self)
{
    for (size_t index = 0; index < self->queues; index++) {
        zb_spans_clear (&self->named[index]->late);
        free (self->named[index]);
    }
    free (self->named);
    free (self->numbered);
    self->named = self->numbered = NULL;
    self->queues = 0;
    self->known = false;
}

void zb_replayer_destroy (zb_replayer_t **self_p)
{
    zb_replayer_t *self = *self_p;
    if (self) {
        s_forget (self);
        s_forget_queues (self);
        zb_spans_clear (&self->ids);
        zb_spans_clear (&self->skip);
        zb_row_unref (&self->rights);
        free (self);
        *self_p = NULL;
    }
}

void zb_replayer_rights (zb_replayer_t *self, zb_frame_t rights)
{
    zb_row_unref (&self->rights);
    self->rights = zb_row_new (rights.size);
    zb_item_add (self->rights, rights.data, rights.size);
}

const char *zb_replayer_fault (const zb_replayer_t *self)
{
    return self->fault;
}

void zb_replayer_restart (zb_replayer_t *self)
{
    s_forget (self);
    self->begun = self->reading = self->told = self->came = false;
    self->tag++;
    self->stage = ZB_STAGE_QUEUES;
    zb_replayer_make_lineage (self, ZB_REPLAY_BEGIN);
}

void zb_replayer_still (zb_replayer_t *self)
{
    if (!self->begun || self->refused || self->fault || !self->came || !zb_ring_empty (&self->made))
        return;
    self->came = false;
    zb_replayer_make_lineage (self, ZB_REPLAY_BEGIN);
}

static void s_go_to (zb_replayer_t *self, zb_stage_t stage)
{
    self->stage = stage;
    self->key_size = 0;
    self->queue = 0;
    self->ended = false;
    self->lanes = stage == ZB_STAGE_LOG;
    zb_read_destroy (&self->chunk);
    if (stage != ZB_STAGE_ACKS)
        return;
    self->whole = true;
    self->lates = 0;
    for (size_t index = 0; index < self->queues; index++)
        self->named[index]->late.size = 0;
}

//  ---------------------------------------------------------------------------
//  The queues

static int s_compare (zb_frame_t one, zb_frame_t other)
{
    int order = memcmp (one.data, other.data, one.size < other.size ? one.size : other.size);
    return order ? order : one.size < other.size ? -1 : one.size > other.size;
}

static int s_by_queue_id (const void *one, const void *other)
{
    uint32_t first = (*(zb_known_queue_t *const *) one)->id, second = (*(zb_known_queue_t *const *) other)->id;
    return first < second ? -1 : first > second;
}

bool zb_replayer_has (const zb_replayer_t *self, zb_frame_t name)
{
    size_t low = 0, high = self->queues;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s_compare (self->named[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < self->queues && zb_frame_eq (self->named[low]->name, name);
}

zb_known_queue_t *zb_replayer_queue (const zb_replayer_t *self, uint32_t id)
{
    size_t low = 0, high = self->queues;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (self->numbered[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < self->queues && self->numbered[low]->id == id ? self->numbered[low] : NULL;
}

static void s_know_queue (zb_replayer_t *self, const zb_found_t *found)
{
    if (found->key[0] == ZB_TOMB_MARK)
        return; //  read again when all queues are known
    zb_known_queue_t *queue = (zb_known_queue_t *) calloc (1, sizeof (zb_known_queue_t));
    assert (queue);
    if (found->key_size > ZB_NAME_MAX || zb_queue_row_decode (&queue->row, found->row)) {
        self->fault = "the table queues holds a malformed row";
        free (queue);
        return;
    }
    queue->id = queue->row.id;
    memcpy (queue->text, found->key, found->key_size);
    queue->name = (zb_frame_t){queue->text, found->key_size};
    if ((self->queues & (self->queues - 1)) == 0) {
        size_t room = self->queues ? 2 * self->queues : 1;
        self->named = (zb_known_queue_t **) realloc (self->named, room * sizeof *self->named);
        self->numbered = (zb_known_queue_t **) realloc (self->numbered, room * sizeof *self->numbered);
        assert (self->named && self->numbered);
    }
    self->named[self->queues] = self->numbered[self->queues] = queue;
    self->queues++;
}

//  Goes on with the first row of the queue's log from this id on.
static void s_go_to_row (zb_replayer_t *self, uint32_t queue, uint64_t last)
{
    s_go_to (self, ZB_STAGE_LOG);
    self->lanes = false;
    while (self->queue + 1 < self->queues && self->numbered[self->queue]->id < queue)
        self->queue++;
    if (self->queues == 0 || self->numbered[self->queue]->id != queue)
        return;
    zb_log_key (queue, last, self->key);
    self->key_size = ZB_LOG_KEY_SIZE;
}

//  Goes on with the row of a lane that has this key, or (`behind`) with the next one.
static void s_go_to_lane (zb_replayer_t *self, const uint8_t key[ZB_LANE_KEY_SIZE], bool behind)
{
    s_go_to (self, ZB_STAGE_LOG);
    memcpy (self->key, key, ZB_LANE_KEY_SIZE);
    self->key[ZB_LANE_KEY_SIZE] = 0;
    self->key_size = ZB_LANE_KEY_SIZE + (behind ? 1 : 0);
}

//  Goes on behind the position that the winner has named.
static void s_resume (zb_replayer_t *self)
{
    const uint8_t *key = self->resume + 1;
    size_t size = self->resume_size ? self->resume_size - 1 : 0;
    if (self->skip.size && self->skip_n == self->n + 1) {
        if (self->skip_laid)
            s_go_to_lane (self, self->skip_key, false);
        else
            s_go_to_row (self, self->skip_queue, self->skip_last);
        return;
    }
    bool old = self->resume_size && self->resume[0] == ZB_STAGE_OLD_ACKS;
    s_go_to (self, old ? ZB_STAGE_LOG : self->resume_size ? (zb_stage_t) self->resume[0] : ZB_STAGE_QUEUES);
    if (self->resume_size == 0 || old)
        return;
    if (self->stage == ZB_STAGE_QUEUES) {
        while (self->queue < self->queues && s_compare (self->named[self->queue]->name, (zb_frame_t){key, size}) <= 0)
            self->queue++;
        return;
    }
    if (self->stage == ZB_STAGE_LOG) {
        if (size == ZB_LOG_KEY_SIZE)
            s_go_to_row (self, zb_get32 (key), zb_get64 (key + 4) + 1);
        if (size == ZB_LANE_KEY_SIZE)
            s_go_to_lane (self, key, true);
        return;
    }
    self->whole = false;
    memcpy (self->key, key, size);
    self->key[size++] = 0;
    //  Behind the groups of the name.
    if (self->stage == ZB_STAGE_PRODUCERS)
        self->key[size++] = ZB_GROUPS;
    self->key_size = size;
}

static void s_know_queues (zb_replayer_t *self, const zb_read_t *read)
{
    for (size_t index = 0; index < read->count[0]; index++)
        s_know_queue (self, &read->found[0][index]);
    if (read->more[0]) {
        const zb_found_t *last = &read->found[0][read->count[0] - 1];
        memcpy (self->key, last->key, last->key_size);
        self->key[last->key_size] = 0;
        self->key_size = last->key_size + 1u;
        return;
    }
    if (self->queues)
        qsort (self->numbered, self->queues, sizeof *self->numbered, s_by_queue_id);
    //  Tombstones are few: they are read in one piece, and those of queues that are gone don't matter.
    for (size_t index = 0; index < read->count[1]; index++) {
        uint32_t id = 0;
        uint64_t mark = 0;
        zb_known_queue_t *queue =
            zb_tomb_decode (&read->found[1][index], &id, &mark) ? NULL : zb_replayer_queue (self, id);
        if (queue)
            queue->mark = mark;
    }
    self->known = true;
    s_resume (self);
}

//  ---------------------------------------------------------------------------
//  Reading

//  Whether items are to be made from what was read before anything else is.
static bool s_has_material (const zb_replayer_t *self)
{
    if (self->stage == ZB_STAGE_QUEUES)
        return self->queue < self->queues;
    return self->chunk && self->at < self->chunk->count[0];
}

static bool s_has_room (const zb_replayer_t *self)
{
    size_t items = 0;
    for (const zb_ring_t *link = self->made.next; link != &self->made; link = link->next)
        items++;
    return items < WINDOW_ITEMS && self->bytes < WINDOW_BYTES;
}

//  Uses one row of what was read; false if it has to wait for another read.
static bool s_use (zb_replayer_t *self)
{
    if (self->stage == ZB_STAGE_QUEUES) {
        zb_replayer_make_queue (self, self->named[self->queue++]);
        return true;
    }
    const zb_found_t *found = &self->chunk->found[0][self->at];
    size_t used = 1;
    if (self->stage == ZB_STAGE_ACKS)
        used = zb_replayer_make_acks (self, found) ? 1 : 0;
    else if (self->stage == ZB_STAGE_MARKS)
        zb_replayer_make_mark (self, found);
    else if (self->stage == ZB_STAGE_LOG && self->lanes)
        zb_replayer_make_laid (self, found);
    else if (self->stage == ZB_STAGE_LOG)
        zb_replayer_make_messages (self, found);
    else {
        used = zb_replayer_name_rows (self->chunk, self->at);
        if (used)
            zb_replayer_make_producer (self, found, used);
        else {
            //  The rest of the name comes with the next chunk.
            memcpy (self->key, found->key, found->key_size);
            self->key_size = found->key_size;
            self->at = self->chunk->count[0];
            return true;
        }
    }
    self->at += used;
    return used != 0;
}

//  The stage, or the queue, is done.
static void s_next (zb_replayer_t *self)
{
    zb_read_destroy (&self->chunk);
    if (self->stage == ZB_STAGE_LOG && self->lanes && self->queues) {
        self->lanes = self->ended = false;
        self->key_size = 0;
    }
    else if (self->stage == ZB_STAGE_LOG && self->queue + 1 < self->queues) {
        self->queue++;
        self->key_size = 0;
        self->ended = self->numbered[self->queue]->row.kind == ZB_KIND_SUB; //  it has no rows of its own
    }
    else if (self->stage < ZB_STAGE_END)
        s_go_to (self, self->stage == ZB_STAGE_QUEUES ? ZB_STAGE_LOG : (zb_stage_t) (self->stage + 1));
}

//  Makes items as long as there is material and room.
static void s_work (zb_replayer_t *self)
{
    while (self->begun && self->known && !self->fault && !self->refused && s_has_room (self)) {
        if (self->stage == ZB_STAGE_END) {
            if (zb_ring_empty (&self->made) && self->rights && !self->told) {
                self->told = true;
                zb_replayer_make_rights (self);
            }
            else if (zb_ring_empty (&self->made) && !self->ended) {
                self->ended = true;
                zb_replayer_make_lineage (self, ZB_REPLAY_END);
            }
            return;
        }
        if (s_has_material (self)) {
            if (!s_use (self))
                return;
        }
        else if (self->stage == ZB_STAGE_QUEUES || self->ended || (self->stage == ZB_STAGE_LOG && self->queues == 0)) {
            //  What is to be acknowledged has to be in the winner's queues.
            if (self->stage == ZB_STAGE_PRODUCERS && !zb_ring_empty (&self->made))
                return;
            s_next (self);
        }
        else
            return; //  a read is needed
    }
}

static zb_read_t *s_read_queues (zb_replayer_t *self, int purpose)
{
    static const uint8_t tomb = ZB_TOMB_MARK;
    zb_read_t *read = zb_read_new (purpose, 0);
    zb_read_add (read, ZB_QUEUES, self->key, self->key_size, 0, READ_ROWS, READ_BYTES);
    zb_read_add (read, ZB_QUEUES, &tomb, 1, 1, SIZE_MAX, SIZE_MAX);
    return read;
}

static zb_read_t *s_read_stage (zb_replayer_t *self, int purpose)
{
    zb_read_t *read = zb_read_new (purpose, 0);
    if (self->stage == ZB_STAGE_LOG && self->lanes) {
        uint8_t key[ZB_LANE_KEY_SIZE];
        zb_lane_key (0, 0, 0, key);
        if (self->key_size)
            zb_read_add (read, ZB_LOG, self->key, self->key_size, ZB_LANE_PREFIX - 4, READ_ROWS, READ_BYTES);
        else
            zb_read_add (read, ZB_LOG, key, sizeof key, ZB_LANE_PREFIX - 4, READ_ROWS, READ_BYTES);
    }
    else if (self->stage == ZB_STAGE_LOG) {
        uint8_t key[ZB_ACKS_KEY_SIZE];
        const zb_known_queue_t *queue = self->numbered[self->queue];
        zb_acks_key (queue->id, self->key_size ? zb_get64 (self->key + 4) : zb_replayer_common (self) + 1, key);
        zb_read_add (read, ZB_LOG, key, ZB_LOG_KEY_SIZE, 4, READ_ROWS, READ_BYTES);
        zb_read_add (read, ZB_ACKS, key, ZB_ACKS_KEY_SIZE, 4, READ_ROWS, SIZE_MAX);
    }
    else
        zb_read_add (read,
                     self->stage == ZB_STAGE_ACKS    ? ZB_ACKS
                     : self->stage == ZB_STAGE_MARKS ? ZB_CURSORS
                                                     : ZB_PRODUCERS,
                     self->key, self->key_size, 0, READ_ROWS, READ_BYTES);
    return read;
}

zb_read_t *zb_replayer_read (zb_replayer_t *self, int purpose)
{
    s_work (self);
    if (self->reading || !self->begun || self->fault || self->refused)
        return NULL;
    zb_read_t *read = NULL;
    if (!self->known) {
        if (self->queues == 0)
            self->key_size = 0;
        read = s_read_queues (self, purpose);
    }
    else if (self->wants_extra) {
        read = zb_read_new (purpose, 0);
        uint8_t key[ZB_LOG_KEY_SIZE];
        zb_replayer_row_key (self, &self->chunk->found[0][self->at], key);
        zb_read_add (read, ZB_LOG, key, ZB_LOG_KEY_SIZE, ZB_LOG_KEY_SIZE, 1, SIZE_MAX);
    }
    else if (self->stage > ZB_STAGE_QUEUES && self->stage < ZB_STAGE_END && !s_has_material (self) && !self->ended &&
             s_has_room (self))
        read = s_read_stage (self, purpose);
    if (read)
        read->tag = ++self->tag;
    self->reading = read != NULL;
    return read;
}

//  Where the next chunk begins: behind the last row that was found.
static void s_take_chunk (zb_replayer_t *self, zb_read_t **read_p)
{
    zb_read_destroy (&self->chunk);
    self->chunk = *read_p;
    *read_p = NULL;
    self->at = self->mark = 0;
    self->ended = !self->chunk->more[0];
    if (self->ended || self->chunk->count[0] == 0)
        return;
    const zb_found_t *last = &self->chunk->found[0][self->chunk->count[0] - 1];
    memcpy (self->key, last->key, last->key_size);
    self->key_size = last->key_size;
    if (self->stage == ZB_STAGE_LOG && !self->lanes)
        zb_put64 (self->key + 4, zb_get64 (self->key + 4) + 1);
    else
        self->key[self->key_size++] = 0;
}

void zb_replayer_found (zb_replayer_t *self, zb_read_t **read_p)
{
    //  One of before a restart may come late.
    bool stale = !self->reading || (*read_p)->tag != self->tag;
    self->reading = self->reading && stale;
    self->came = self->came || !stale;
    if (!stale && !self->known)
        s_know_queues (self, *read_p);
    else if (!stale && self->wants_extra) {
        self->wants_extra = false;
        self->extra = *read_p;
        *read_p = NULL;
    }
    else if (!stale)
        s_take_chunk (self, read_p);
    zb_read_destroy (read_p);
    s_work (self);
}

//  ---------------------------------------------------------------------------
//  Sending

const zb_row_t *zb_replayer_item (zb_replayer_t *self, uint64_t *n, char mac[ZB_ITEM_MAC_SIZE])
{
    s_work (self);
    ZB_RING_EACH (link, after, &self->made)
    {
        zb_made_t *made = ZB_ITEM (link, zb_made_t, ring);
        if (made->sent || self->refused)
            continue;
        made->sent = true;
        *n = made->n;
        zb_item_mac ((zb_frame_t){made->data->data, made->data->size}, self->secret, mac);
        return made->data;
    }
    return NULL;
}

//  Where the winner stands.
static zb_replayer_next_t s_begin (zb_replayer_t *self, const zb_frame_t *arg, size_t args)
{
    uint64_t n = 0;
    if (args >= 1 && zb_frame_is (arg[0], "done"))
        return ZB_REPLAYER_DONE;
    if (args < 4 || !zb_frame_is (arg[0], "go") || !zb_number_parse (arg[1], UINT64_MAX, &n) ||
        arg[2].size > ZB_POSITION_MAX || zb_lineage_decode (&self->theirs, arg[3].data, arg[3].size))
        return ZB_REPLAYER_LATER;
    if (arg[2].size &&
        (*(const uint8_t *) arg[2].data < ZB_STAGE_QUEUES || *(const uint8_t *) arg[2].data > ZB_STAGE_END))
        return ZB_REPLAYER_LATER;
    //  It was said again: items go on from where they were.
    if (self->begun)
        return n <= self->n ? ZB_REPLAYER_ON : ZB_REPLAYER_LATER;
    self->begun = true;
    self->n = n;
    self->resume_size = arg[2].size;
    if (arg[2].size)
        memcpy (self->resume, arg[2].data, arg[2].size);
    if (self->known)
        s_resume (self);
    else
        s_forget_queues (self);
    return ZB_REPLAYER_ON;
}

//  The winner can't take some messages of this row.
static zb_replayer_next_t s_refused (zb_replayer_t *self, zb_made_t *made, zb_frame_t text)
{
    zb_item_t item;
    const char *space = text.size ? (const char *) memchr (text.data, ' ', text.size) : NULL;
    size_t word = space ? (size_t) (space - (const char *) text.data) : 0;
    if (zb_item_decode (&item, &self->ids, (zb_frame_t){made->data->data, made->data->size}) ||
        (item.kind != ZB_REPLAY_ROW && item.kind != ZB_REPLAY_TOPIC_ROW) || word == 0 ||
        word >= sizeof self->aside.word || !zb_spans_parse (&self->ids, (zb_frame_t){space + 1, text.size - word - 1}))
        return ZB_REPLAYER_LATER;
    self->ids.size = zb_spans_join (self->ids.span, self->ids.size);
    self->refused = true;
    self->refused_n = made->n;
    self->aside = (zb_aside_t){.queue = item.name, .queue_id = made->queue, .last = item.last};
    memcpy (self->aside.word, text.data, word);
    self->aside.span = self->ids.span;
    self->aside.spans = self->ids.size;
    self->refused_row = item.row;
    self->refused_size = item.laid ? ZB_LANE_KEY_SIZE : 0;
    memcpy (self->refused_key, (const uint8_t *) item.position.data + 1, self->refused_size);
    return ZB_REPLAYER_ASIDE;
}

bool zb_replayer_aside (const zb_replayer_t *self, zb_aside_t *aside)
{
    if (!self->refused)
        return false;
    *aside = self->aside;
    aside->row = self->refused_row;
    return true;
}

void zb_replayer_put_aside (zb_replayer_t *self, uint64_t messages)
{
    assert (self->refused);
    //  A row of which nothing is left is no item, so the winner does not know that it is done.
    if (self->skip_last != self->aside.last)
        self->skip.size = 0;
    for (size_t index = 0; index < self->ids.size; index++)
        zb_spans_add (&self->skip, self->ids.span[index].first, self->ids.span[index].last);
    self->skip_queue = self->aside.queue_id;
    self->skip_last = self->aside.last;
    self->skip_n = self->refused_n;
    self->skip_laid = self->refused_size > 0;
    memcpy (self->skip_key, self->refused_key, self->refused_size);
    self->stats.aside += messages;
    zb_replayer_restart (self);
}

zb_replayer_next_t zb_replayer_answer (zb_replayer_t *self, uint64_t n, const zb_answer_t *answer)
{
    bool ok = answer->status == ZB_ANSWER_OK;
    zb_made_t *made = NULL;
    ZB_RING_EACH (link, after, &self->made)
    if (ZB_ITEM (link, zb_made_t, ring)->n == n)
        made = ZB_ITEM (link, zb_made_t, ring);
    if (!made || !made->sent || self->refused)
        return ZB_REPLAYER_ON;
    if (answer->code == ZB_CONFLICT)
        return s_refused (self, made, answer->arg[1]);
    zb_frame_t why = answer->code ? answer->arg[1] : zb_frame ("");
    snprintf (self->stats.waits, sizeof self->stats.waits, "%.*s", (int) why.size, (const char *) why.data);
    if (!ok)
        return ZB_REPLAYER_LATER;
    bool last = self->stage == ZB_STAGE_END && self->ended && n == self->n;
    self->stats.items += n ? 1 : 0;
    self->stats.messages += made->messages;
    self->stats.acks += made->acks;
    s_unmake (self, made);
    if (n == 0)
        return s_begin (self, answer->arg, answer->args);
    return last ? ZB_REPLAYER_DONE : ZB_REPLAYER_ON;
}

void zb_replayer_stats (const zb_replayer_t *self, zb_replayer_stats_t *stats)
{
    static const char *const stages[] = {"", "queues", "", "messages", "producers", "acknowledgements", "marks", "end"};
    *stats = self->stats;
    stats->stage = !self->begun ? "asking" : stages[self->stage];
}
