/*  =========================================================================
    deduping - PUTs that were stored before, by their message-id

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    In a queue with the option dedupe the property message-id names a PUT as a whole, for producers that
    cannot number: within so many ms, and among the ZB_DEDUPE_PUTS newest, the second one is a duplicate, whoever
    sends it. MOVE and dead letters pass that by. The window of a queue is read when such a PUT comes, and leaves
    memory when those of others have come since, and it is safe.

    While this broker is alone none ends by time: a replay may bring the other side's. Of these one with the digest of
    one that is here, and that the other side has not had, put within that time, is a duplicate; with another digest both
    stay. A row does not tell whether it has all of a PUT, so of several with that digest only the first is one.
*/

#include <assert.h>
#include <stdlib.h>

#include "core/engine/engine_self.h"

#define READ_ROWS 1024
#define READ_BYTES 262144
//  PUTs of all windows in memory, until those leave it that were not used the longest.
#define KEPT 100000
//  Of what is over so many are forgotten with each that is added.
#define FORGET 4

static void s_read (zb_load_t *load, uint64_t from)
{
    uint8_t key[ZB_DEDUPE_KEY_SIZE];
    zb_dedupe_key (load->queue->id, from, key);
    zb_read_add (load->read, ZB_LOG, key, sizeof key, ZB_DEDUPE_PREFIX, READ_ROWS, READ_BYTES);
}

static void s_forget (zb_engine_t *self, zb_queue_t *queue)
{
    zb_ring_remove (&queue->remembers);
    if (!queue->seen)
        return;
    self->seen.puts -= queue->seen->map.count;
    zb_dedupe_destroy (&queue->seen);
}

void zb_engine_forget_seen (zb_engine_t *self, zb_queue_t *queue)
{
    if (queue->seen)
        queue->seen->load = NULL;
    s_forget (self, queue);
}

void zb_engine_shrink_seen (zb_engine_t *self)
{
    while (self->seen.puts > KEPT) {
        zb_queue_t *queue = ZB_ITEM (self->seen.queues.next, zb_queue_t, remembers);
        //  What is read again is known to be safe.
        if (queue->seen->load || queue->seen->commit > self->released)
            return;
        s_forget (self, queue);
    }
}

zb_load_t *zb_engine_know_seen (zb_engine_t *self, zb_queue_t *queue)
{
    zb_ring_remove (&queue->remembers);
    zb_ring_append (&self->seen.queues, &queue->remembers);
    if (!queue->seen)
        queue->seen = zb_dedupe_new (self->map_key);
    if (queue->seen->known || queue->seen->load)
        return queue->seen->load;
    zb_load_t *load = zb_engine_load_new (self, ZB_LOAD_SEEN);
    load->queue = queue;
    queue->log.users++;
    queue->seen->load = load;
    s_read (load, 0);
    return load;
}

bool zb_engine_have_seen (zb_engine_t *self, zb_load_t *load, const zb_read_t *read)
{
    zb_queue_t *queue = load->queue;
    if (queue->gone || !queue->seen)
        return true;
    for (size_t index = 0; index < read->count[0]; index++) {
        if (zb_dedupe_take (queue->seen, queue->id, &read->found[0][index])) {
            zb_engine_fail (self, "the table log holds a malformed row of a message-id");
            return false;
        }
        self->seen.puts++;
    }
    zb_engine_visited (self, read->count[0]);
    if (read->more[0] && read->count[0]) {
        const zb_found_t *last = &read->found[0][read->count[0] - 1];
        zb_engine_load_again (self, load, ZB_LOAD_SEEN);
        s_read (load, zb_get64 (last->key + ZB_DEDUPE_PREFIX) + 1);
        return false;
    }
    queue->seen->known = true;
    queue->seen->load = NULL;
    return true;
}

//  Whether the PUT is not remembered any more.
static bool s_is_over (const zb_engine_t *self, const zb_queue_t *queue, const zb_seen_t *seen)
{
    uint64_t time = self->clock.pair.time;
    return self->keep != ZB_KEEP_WRITE && time > seen->time && time - seen->time > queue->dedupe;
}

zb_load_t *zb_engine_find_seen (zb_engine_t *self, zb_queue_t *queue, zb_frame_t id, const zb_seen_t **found)
{
    *found = NULL;
    zb_load_t *load = zb_engine_know_seen (self, queue);
    if (load)
        return load;
    uint8_t hash[ZB_DEDUPE_HASH];
    zb_dedupe_hash (id, hash);
    const zb_seen_t *seen = zb_dedupe_find (queue->seen, hash);
    if (seen && !s_is_over (self, queue, seen))
        *found = seen;
    return NULL;
}

static void s_drop (zb_engine_t *self, zb_queue_t *queue, zb_seen_t *seen)
{
    zb_dedupe_drop (queue->seen, queue->id, seen, self->fill->batch);
    self->seen.puts--;
}

//  The queue is the one that was used last, so that it is not the one that leaves memory.
static void s_add (zb_engine_t *self, zb_queue_t *queue, const zb_seen_t *seen)
{
    zb_seen_t *old = NULL;
    zb_engine_shrink_seen (self);
    zb_dedupe_add (queue->seen, queue->id, seen, self->fill->batch);
    queue->seen->commit = self->fill->number;
    self->seen.puts++;
    for (size_t step = 0; step < FORGET && (old = zb_dedupe_oldest (queue->seen)) != NULL; step++) {
        if (queue->seen->map.count <= ZB_DEDUPE_PUTS && !s_is_over (self, queue, old))
            return;
        s_drop (self, queue, old);
    }
}

//  Of what is stored of a PUT.
static uint64_t s_digest (const zb_engine_t *self, zb_frame_t queue, zb_frame_t properties, const zb_frame_t *body,
                          size_t bodies)
{
    const zb_request_t put = {.queue = queue, .properties = properties, .body = body, .bodies = bodies};
    return zb_put_digest (&put, self->digest_key);
}

void zb_engine_remember (zb_engine_t *self, zb_queue_t *queue, zb_frame_t id, const zb_piece_t *piece,
                         const zb_frame_t *body, size_t bodies)
{
    zb_seen_t seen = {.first = piece->first,
                      .count = (uint32_t) bodies,
                      .time = self->clock.pair.time,
                      .digest = s_digest (self, queue->name, piece->properties, body, bodies),
                      .commit = self->fill->number};
    zb_dedupe_hash (id, seen.hash);
    //  One that is over.
    zb_seen_t *old = zb_dedupe_find (queue->seen, seen.hash);
    if (old)
        s_drop (self, queue, old);
    s_add (self, queue, &seen);
}

//  ---------------------------------------------------------------------------
//  What a replay brings

//  What a piece of a row says of its PUT; false if that has no message-id.
static bool s_piece (const zb_engine_t *self, const zb_queue_t *queue, const zb_row_t *row, const zb_piece_t *piece,
                     zb_seen_t *seen)
{
    zb_frame_t id;
    if (zb_dedupe_read (&id, piece->properties) || id.size == 0)
        return false;
    zb_frame_t *body = (zb_frame_t *) malloc (piece->count * sizeof *body);
    assert (body);
    const uint8_t *byte = row->data + piece->bodies;
    for (uint32_t index = 0; index < piece->count; index++) {
        body[index] = (zb_frame_t){byte, zb_get32 (row->data + piece->sizes + 4 * index)};
        byte += body[index].size;
    }
    *seen = (zb_seen_t){.first = piece->first,
                        .count = piece->count,
                        .time = zb_log_time (row),
                        .digest = s_digest (self, queue->name, piece->properties, body, piece->count),
                        .commit = self->fill->number};
    zb_dedupe_hash (id, seen->hash);
    free (body);
    return true;
}

bool zb_engine_seen_twice (const zb_engine_t *self, const zb_queue_t *queue, const zb_row_t *row,
                           const zb_piece_t *piece)
{
    zb_seen_t seen;
    if (!s_piece (self, queue, row, piece, &seen))
        return false;
    zb_seen_t *have = zb_dedupe_find (queue->seen, seen.hash);
    uint64_t apart = !have ? 0 : have->time > seen.time ? have->time - seen.time : seen.time - have->time;
    //  What the loser had beside one that it had, too, is another part of that, or was moved.
    if (!have || have->digest != seen.digest || have->count != seen.count || apart > queue->dedupe ||
        zb_lineage_had (&self->merge.loser, have->first))
        return false;
    //  So is what it had beside the one that is here twice.
    have->twin = have->twin ? have->twin : seen.first;
    return have->twin == seen.first;
}

void zb_engine_remember_replayed (zb_engine_t *self, zb_queue_t *queue, const zb_row_t *row, const zb_piece_t *piece)
{
    zb_seen_t seen;
    if (!s_piece (self, queue, row, piece, &seen))
        return;
    zb_seen_t *have = zb_dedupe_find (queue->seen, seen.hash);
    if (!have)
        s_add (self, queue, &seen);
    //  The next row of the same PUT.
    else if (have->first + have->count == seen.first) {
        zb_dedupe_extend (queue->seen, queue->id, have, seen.count, self->fill->batch);
        queue->seen->commit = have->commit = self->fill->number;
    }
}
