/*  =========================================================================
    upkeep - what the engine does without being asked

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Rows of purged messages are erased in small steps, one step a commit, until their
    tombstone can go; a new leader finds the tombstones and goes on.  What is erased is logged
    and shipped once more, and dirties pages, and others' commits wait behind that.  So while
    clients have something committed, steps are smaller, and there is a budget: so many bytes
    a second, and twice what clients write, so that space is freed faster than it is taken.
    What is small goes at once, and when clients have been quiet for a while nothing is held back.

    Names are forgotten by uptime: the time that this store has been led, counted by
    its leaders and kept in the store now and then.  Clocks that jump and brokers
    that are switched off over a holiday don't make a name older.
*/

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine/engine_self.h"
#include "core/queue/lane.h"
#include "core/queue/rank.h"

#define FREE_ROWS 100     //  rows of the log that are erased in one commit
#define FREE_BYTES 262144 //  no further ones once they have these bytes
#define FREE_QUIET \
    1000 //  ms since the last commit that a client has waited for, from which on there is none to give way to
//  Before that, no further rows once they have FREE_SMALL bytes, and none while there is nothing to spend: FREE_RATE bytes come in
//  each ms, to FREE_SMALL at most; for each byte that clients write FREE_SHARE, to FREE_SAVED; a row costs FREE_ROW and its bytes.
#define FREE_SMALL 65536
#define FREE_RATE 4096
#define FREE_SHARE 2
#define FREE_SAVED 1048576
#define FREE_ROW 256
#define SEARCH_ROWS 1000 //  rows of producers that are looked at in one step
#define SEARCH_BYTES 1048576
#define SEARCH_STEP 10000    //  ms between two steps,
#define SEARCH_PAUSE 3600000 //  and between two passes, unless there is no room for another name
//  So often is the row of a name that is in use written, while the name would be forgotten if it were not: once an hour.
#define SEEN_STEPS 168

//  Purged messages

static zb_tomb_t *s_tomb (zb_engine_t *self, uint32_t queue, uint64_t mark, uint64_t commit)
{
    uint8_t key[4];
    zb_put32 (key, queue);
    zb_entry_t *entry = zb_map_find (&self->tombs.by_queue, (zb_frame_t){key, sizeof key});
    if (entry)
        return ZB_ITEM (entry, zb_tomb_t, entry);
    zb_tomb_t *tomb = (zb_tomb_t *) calloc (1, sizeof (zb_tomb_t));
    assert (tomb);
    tomb->queue = queue;
    tomb->mark = mark;
    tomb->commit = commit;
    memcpy (tomb->key, key, sizeof key);
    zb_ring_init (&tomb->ring);
    zb_ring_append (&self->tombs.all, &tomb->ring);
    zb_map_add (&self->tombs.by_queue, &tomb->entry, (zb_frame_t){tomb->key, sizeof key});
    return tomb;
}

void zb_engine_bury (zb_engine_t *self, uint32_t queue, uint64_t mark)
{
    zb_tomb_t *tomb = s_tomb (self, queue, mark, self->fill->number);
    assert (mark >= tomb->mark);
    tomb->mark = mark;
    tomb->rank = 0;
    tomb->commit = self->fill->number;
    zb_commit_bury (self->fill, queue, mark);
}

void zb_engine_exhume (zb_engine_t *self, const zb_found_t *found)
{
    uint32_t queue = 0;
    uint64_t mark = 0;
    if (zb_tomb_decode (found, &queue, &mark))
        zb_engine_fail (self, "the table queues holds a malformed tombstone");
    else
        s_tomb (self, queue, mark, self->taken);
}

uint64_t zb_engine_buried (const zb_engine_t *self, uint32_t queue)
{
    uint8_t key[4];
    zb_put32 (key, queue);
    zb_entry_t *entry = zb_map_find (&self->tombs.by_queue, (zb_frame_t){key, sizeof key});
    return entry ? ZB_ITEM (entry, zb_tomb_t, entry)->mark : 0;
}

//  Whether there is nobody to give way to, or the space is wanted: the disk is full, there is no room for another queue, or
//  a merge can't go on.
static bool s_hurries (const zb_engine_t *self)
{
    return self->tombs.quiet_at <= self->now || self->tombs.wanted || self->full || !zb_engine_queue_fits (self);
}

void zb_engine_give_way (zb_engine_t *self, const zb_commit_t *commit)
{
    if (zb_ring_empty (&commit->replies) && zb_ring_empty (&commit->gets))
        return;
    zb_tombs_t *tombs = &self->tombs;
    tombs->quiet_at = self->now + FREE_QUIET;
    if (zb_ring_empty (&tombs->all))
        return;
    int64_t bytes = FREE_SHARE * (int64_t) commit->bytes;
    tombs->budget = tombs->budget < FREE_SAVED - bytes ? tombs->budget + bytes : FREE_SAVED;
}

int64_t zb_engine_free_at (const zb_engine_t *self)
{
    const zb_tombs_t *tombs = &self->tombs;
    if (zb_ring_empty (&tombs->all) || tombs->reading || tombs->budget > 0 || tombs->freed > self->released)
        return INT64_MAX;
    int64_t at = tombs->budget_at - tombs->budget / FREE_RATE + 1;
    at = at < tombs->quiet_at ? at : tombs->quiet_at;
    //  If that is now, only the store is waited for: it reports by itself, so there is no hurry.
    return at > self->now ? at : self->now + 1;
}

void zb_engine_free_some (zb_engine_t *self)
{
    zb_tombs_t *tombs = &self->tombs;
    int64_t bytes = (self->now - tombs->budget_at) * FREE_RATE;
    if (tombs->budget < FREE_SMALL)
        tombs->budget = bytes < FREE_SMALL - tombs->budget ? tombs->budget + bytes : FREE_SMALL;
    tombs->budget_at = self->now;
    if (tombs->reading)
        return;
    //  There are more of them until it is read that there are none.
    if (zb_ring_empty (&tombs->all)) {
        tombs->wanted = false;
        if (tombs->more)
            zb_engine_load (self, ZB_LOAD_BOOT, zb_frame (""));
        return;
    }
    bool hurries = s_hurries (self);
    if (!hurries && tombs->budget <= 0)
        return;
    size_t most = hurries ? FREE_BYTES : FREE_SMALL;
    //  A read sees what was taken: before the tombstone itself it might not see all rows.  And one step is on its way at a
    //  time: a client's commit has at most one before it in the store, and on the way to the peer.
    const zb_tomb_t *tomb = ZB_ITEM (self->tombs.all.next, zb_tomb_t, ring);
    if (tomb->commit > self->taken || self->tombs.freed > self->released)
        return;
    zb_load_t *load = zb_engine_load_new (self, ZB_LOAD_PURGED);
    load->row.id = tomb->queue;
    load->last = tomb->mark;
    zb_read_add (load->read, ZB_LOG, tomb->key, 4, 4, FREE_ROWS, most);
    zb_read_add (load->read, ZB_ACKS, tomb->key, 4, 4, FREE_ROWS, most);
    uint8_t key[ZB_LANE_INDEX_SIZE];
    zb_lane_index_key (tomb->queue, 0, key);
    if (self->store_level >= ZB_LEVEL_DELAY)
        zb_read_add (load->read, ZB_LOG, key, sizeof key, ZB_LANE_PREFIX, FREE_ROWS, most);
    uint8_t ranked[ZB_RANK_KEY_SIZE];
    zb_rank_key (tomb->queue, tomb->rank, 0, ranked);
    if (self->store_level >= ZB_LEVEL_PRIORITIES)
        zb_read_add (load->read, ZB_LOG, ranked, sizeof ranked, ZB_RANKS_PREFIX, FREE_ROWS, most);
    //  What was purged is remembered.
    uint8_t seen[ZB_DEDUPE_KEY_SIZE];
    zb_dedupe_key (tomb->queue, 0, seen);
    if (self->store_level >= ZB_LEVEL_DEDUPE && tomb->mark == UINT64_MAX)
        zb_read_add (load->read, ZB_LOG, seen, sizeof seen, ZB_DEDUPE_PREFIX, FREE_ROWS, most);
    self->tombs.reading = true;
}

//  The same of the index of what goes first.
static bool s_free_ranks (zb_engine_t *self, zb_tomb_t *tomb, const zb_load_t *load, const zb_read_t *read)
{
    for (size_t index = 0; read->ranges > 3 && index < read->count[3]; index++) {
        unsigned rank = 0;
        uint64_t last = 0;
        uint32_t bytes = 0;
        if (zb_rank_decode (&read->found[3][index], tomb->queue, &rank, &last, &bytes)) {
            zb_engine_fail (self, "the table log holds a malformed row of an index");
            return false;
        }
        if (last > load->last) {
            //  The rest of this rank came later, too.
            tomb->rank = tomb->mark == load->last ? rank + 1 : 0;
            return true;
        }
        zb_commit_erase (self->fill, ZB_LOG, &read->found[3][index]);
    }
    return read->ranges > 3 && read->more[3];
}

//  The same of the lane.  Whether there may be more.
static bool s_free_lane (zb_engine_t *self, const zb_load_t *load, const zb_read_t *read)
{
    bool beyond = false;
    for (size_t index = 0; read->ranges > 2 && index < read->count[2] && !beyond; index++) {
        uint64_t due = 0, id = 0;
        uint32_t bytes = 0;
        if (zb_lane_index_decode (&read->found[2][index], load->row.id, &due, &id, &bytes)) {
            zb_engine_fail (self, "the table log holds a malformed row of a lane");
            return false;
        }
        beyond = id > load->last;
        if (!beyond)
            zb_lane_erase (self->fill->batch, load->row.id, due, id);
    }
    return read->ranges > 2 && read->more[2] && !beyond;
}

//  And of the message-ids.
static bool s_free_seen (zb_engine_t *self, const zb_read_t *read)
{
    if (read->ranges <= 4)
        return false;
    for (size_t index = 0; index < read->count[4]; index++)
        zb_commit_erase (self->fill, ZB_LOG, &read->found[4][index]);
    return read->more[4];
}

void zb_engine_purged (zb_engine_t *self, const zb_load_t *load, const zb_read_t *read)
{
    zb_tomb_t *tomb = ZB_ITEM (self->tombs.all.next, zb_tomb_t, ring);
    assert (tomb->queue == load->row.id);
    self->tombs.reading = false;
    for (size_t range = 0; range < read->ranges && !s_hurries (self); range++)
        for (size_t index = 0; index < read->count[range]; index++)
            self->tombs.budget -= FREE_ROW + read->found[range][index].row->size;
    bool more = false;
    for (size_t range = 0; range < 2; range++) {
        bool beyond = false;
        for (size_t index = 0; index < read->count[range] && !beyond; index++) {
            const zb_found_t *found = &read->found[range][index];
            uint64_t last = 0;
            if ((range ? zb_acks_key_decode : zb_log_key_decode) (found, tomb->queue, &last)) {
                zb_engine_fail (self, "the tables log or acks hold a malformed key");
                return;
            }
            beyond = last > load->last;
            if (!beyond)
                zb_commit_erase (self->fill, range ? ZB_ACKS : ZB_LOG, found);
        }
        more = more || (read->more[range] && !beyond);
    }
    more = s_free_lane (self, load, read) || more;
    more = s_free_ranks (self, tomb, load, read) || more;
    more = s_free_seen (self, read) || more;
    if (self->fault)
        return;
    if (tomb->commit <= self->taken)
        tomb->commit = self->fill->number;
    self->tombs.freed = self->fill->number;
    self->must = true;
    if (more || tomb->mark != load->last)
        return;
    zb_commit_buried (self->fill, tomb->queue);
    zb_ring_remove (&tomb->ring);
    zb_map_remove (&self->tombs.by_queue, &tomb->entry);
    free (tomb);
}

//  Producers

//  Whether the search that counts has yet to come to the name: what it finds it counts.  One that is stored while its rows
//  are being read is missed.
static bool s_is_ahead (const zb_engine_t *self, zb_frame_t name)
{
    size_t size = name.size < self->search.size ? name.size : self->search.size;
    int order = size ? memcmp (name.data, self->search.key, size) : 0;
    return self->census.counting && (order > 0 || (order == 0 && name.size >= self->search.size));
}

void zb_engine_keep_producer (zb_engine_t *self, zb_producer_t *producer)
{
    uint64_t uptime = zb_engine_uptime (self);
    if (!producer->kept && !s_is_ahead (self, producer->name))
        self->census.count++;
    if (!producer->kept || uptime - producer->seen >= (uint64_t) self->limits.producer_idle / SEEN_STEPS) {
        producer->kept = producer->dirty = true;
        producer->seen = uptime;
    }
    zb_engine_touch_producer (self, producer);
}

static void s_drop_producer (zb_engine_t *self, zb_producer_t *producer)
{
    zb_map_remove (&self->producers, &producer->entry);
    zb_ring_remove (&producer->idle);
    zb_producer_destroy (&producer);
}

//  Whether the store knows all of it and nobody waits for an answer.
static bool s_at_rest (const zb_engine_t *self, const zb_producer_t *producer)
{
    return producer->inflight == 0 && producer->commit <= self->released && zb_ring_empty (&producer->touched);
}

void zb_engine_let_go (zb_engine_t *self)
{
    while (self->producers.count > ZB_PRODUCERS_KEPT) {
        zb_producer_t *producer = ZB_ITEM (self->idle_producers.next, zb_producer_t, idle);
        if (!s_at_rest (self, producer))
            return;
        s_drop_producer (self, producer);
    }
}

//  Forgets a name, if it is time to.
static void s_forget_name (zb_engine_t *self, zb_frame_t name, uint64_t seen)
{
    uint64_t uptime = zb_engine_uptime (self);
    uint8_t load[1 + ZB_NAME_MAX] = {ZB_LOAD_PRODUCER};
    memcpy (load + 1, name.data, name.size);
    zb_entry_t *entry = zb_map_find (&self->producers, name);
    zb_producer_t *producer = entry ? ZB_ITEM (entry, zb_producer_t, entry) : NULL;
    if (producer)
        seen = producer->seen;
    if (seen + (uint64_t) self->limits.producer_idle > uptime || zb_map_find (&self->names, name) ||
        zb_map_find (&self->loads, (zb_frame_t){load, 1 + name.size}) || (producer && !s_at_rest (self, producer)))
        return;
    zb_commit_forget (self->fill, name);
    if (producer)
        s_drop_producer (self, producer);
    self->census.count -= self->census.count > 0;
}

void zb_engine_found_names (zb_engine_t *self, const zb_read_t *read)
{
    self->search.reads = false;
    for (size_t index = 0; index < read->count[0]; index++) {
        const zb_found_t *found = &read->found[0][index];
        zb_producer_row_t row;
        if (memchr (found->key, 0, found->key_size))
            continue;
        if (found->key_size > ZB_NAME_MAX || zb_producer_row_decode (&row, found->row)) {
            zb_engine_fail (self, "the table producers holds a malformed row");
            return;
        }
        self->census.count += self->census.counting;
        s_forget_name (self, (zb_frame_t){found->key, found->key_size}, row.seen);
    }
    self->search.size = 0;
    self->search.at = self->now + (self->census.count < self->limits.producers ? SEARCH_PAUSE : SEARCH_STEP);
    if (read->more[0] && read->count[0]) {
        const zb_found_t *last = &read->found[0][read->count[0] - 1];
        memcpy (self->search.key, last->key, last->key_size);
        self->search.key[last->key_size] = 0;
        self->search.size = last->key_size + 1u;
        self->search.at = self->now + SEARCH_STEP;
    }
    else
        self->census.counting = false;
}

void zb_engine_search_names (zb_engine_t *self)
{
    if (self->search.at == 0)
        self->search.at = self->now + SEARCH_STEP;
    if (self->search.reads || !self->booted || self->now < self->search.at)
        return;
    //  An idle broker's uptime counts as well.
    self->must = self->must || zb_engine_uptime (self) - self->uptime_kept >= SEARCH_PAUSE;
    self->search.reads = true;
    self->search.at = self->now + SEARCH_PAUSE;
    zb_load_t *load = zb_engine_load_new (self, ZB_LOAD_NAMES);
    zb_read_add (load->read, ZB_PRODUCERS, self->search.key, self->search.size, 0, SEARCH_ROWS, SEARCH_BYTES);
}
