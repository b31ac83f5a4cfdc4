/*  =========================================================================
    ranking - what goes first, of queues with priorities

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    How it lies in the store, and what memory knows of it, is said in core/queue/rank.h.

    Where the index may name something that goes before all that is ready in memory, nothing is delivered
    until it was read: first the index, of all ranks that may have such, then a few rows of the highest that has.
    Both are one load, and while it is under way no other rows of the queue are read: so, as with strays, what it
    brings is never older than what memory holds.  Rows whose commit is not released yet are not looked at: when they are
    shown the cursor is told of them.
*/

#include <assert.h>
#include <stdlib.h>

#include "core/engine/engine_self.h"
#include "core/queue/rank.h"

#define ENTRIES 64        //  of one rank, of one read
#define ROWS 8            //  of one read: two ranges each
#define BYTES (256 << 10) //  of these, about
_Static_assert(2 * ROWS <= ZB_READ_RANGES && ZB_RANKS_MOST - 1 <= ZB_READ_RANGES, "ranges of one read");

//  Bytes of rows of one read, about.
static size_t s_bytes (const zb_engine_t *self)
{
    size_t chunk = zb_engine_chunk (self);
    return chunk < BYTES ? chunk : BYTES;
}

//  What is looked for.
struct zb_fetch {
    unsigned rank[ZB_RANKS_MOST]; //  RANKS: of each range.  FETCH: the first one is that of the rows,
    size_t ranks;
    uint64_t id[ROWS]; //  whose last ids these are;
    size_t ids;
    uint64_t upto; //  and there are no other ones up to here
};

void zb_fetch_destroy (struct zb_fetch **self_p)
{
    free (*self_p);
    *self_p = NULL;
}

void zb_engine_read_ranks (zb_engine_t *self, zb_queue_t *queue)
{
    zb_cursor_t *cursor = &queue->cursor;
    unsigned top = zb_cursor_unread (cursor);
    //  I1: what was inserted and is not released would be read as well.
    if (top == 0 || cursor->log->inserting || zb_engine_reads (queue) || self->starved)
        return;
    //  What goes first finds room, whatever else of this queue is in memory.
    size_t bytes = s_bytes (self), all = cursor->log->bytes + bytes;
    size_t beyond = all > self->limits.window ? all - self->limits.window : 0;
    if (beyond)
        zb_cursor_shed (cursor, self->taken, self->windows > beyond ? self->windows - beyond : 0, true);
    if (!zb_engine_has_room (self, queue, bytes))
        return;
    zb_load_t *load = zb_engine_load_new (self, ZB_LOAD_RANKS);
    load->queue = queue;
    load->purges = cursor->purges;
    load->fetch = (struct zb_fetch *) calloc (1, sizeof *load->fetch);
    assert (load->fetch);
    for (unsigned rank = top; rank; rank--) {
        uint8_t key[ZB_RANK_KEY_SIZE];
        zb_rank_key (queue->id, rank, zb_cursor_ahead (cursor, rank) + 1, key);
        zb_read_add (load->read, ZB_LOG, key, sizeof key, ZB_RANK_PREFIX, ENTRIES, SIZE_MAX);
        load->fetch->rank[load->fetch->ranks++] = rank;
    }
    zb_cursor_fetching (cursor);
    cursor->load = load;
    queue->log.users++;
}

//  Takes the entries of one rank, and notes rows that are to be read.  Returns 1 if there are such, or may be more entries; 0 if
//  there is nothing of it that memory has not; -1 if one is malformed.
static int s_entries (const zb_engine_t *self, zb_load_t *load, const zb_read_t *read, size_t range)
{
    struct zb_fetch *fetch = load->fetch;
    zb_cursor_t *cursor = &load->queue->cursor;
    const zb_log_t *log = cursor->log;
    uint64_t end = cursor->seen < log->tail ? cursor->seen : log->tail;
    unsigned rank = fetch->rank[range];
    size_t bytes = 0, most = s_bytes (self), index = 0;
    for (; index < read->count[range] && fetch->ids < ROWS && bytes < most; index++) {
        unsigned found = 0;
        uint64_t last = 0;
        uint32_t size = 0;
        if (zb_rank_decode (&read->found[range][index], load->queue->id, &found, &last, &size))
            return -1;
        if (last > end)
            break;
        if (last <= zb_cursor_ahead (cursor, rank) || last <= log->floor)
            continue;
        //  Behind one that has to be read it is looked at the next time.
        if (fetch->ids == 0 && zb_cursor_known (cursor, last)) {
            if (zb_cursor_fetch (cursor, rank, last, NULL, NULL))
                return -1;
            continue;
        }
        fetch->id[fetch->ids++] = last;
        bytes += size;
    }
    bool all = index < read->count[range] ? fetch->ids < ROWS && bytes < most : !read->more[range];
    if (fetch->ids) {
        fetch->rank[0] = rank;
        fetch->upto = all ? end : fetch->id[fetch->ids - 1];
        return 1;
    }
    if (all)
        zb_cursor_fetched (cursor, rank, end);
    return !all;
}

//  Reads the rows that were noted.
static void s_fetch (zb_engine_t *self, zb_load_t *load)
{
    const zb_queue_t *queue = load->queue;
    zb_engine_load_again (self, load, ZB_LOAD_FETCH);
    for (size_t index = 0; index < load->fetch->ids; index++) {
        uint8_t key[ZB_ACKS_KEY_SIZE];
        zb_log_key (queue->id, load->fetch->id[index], key);
        zb_read_add (load->read, ZB_LOG, key, ZB_LOG_KEY_SIZE, ZB_LOG_KEY_SIZE, 1, SIZE_MAX);
        zb_acks_key (queue->id, load->fetch->id[index], key);
        zb_read_add (load->read, ZB_ACKS, key, ZB_ACKS_KEY_SIZE, ZB_ACKS_KEY_SIZE, 1, SIZE_MAX);
    }
}

//  Takes the rows; one that is gone is done.
static bool s_rows (zb_load_t *load, const zb_read_t *read)
{
    const struct zb_fetch *fetch = load->fetch;
    zb_cursor_t *cursor = &load->queue->cursor;
    for (size_t index = 0; index < fetch->ids; index++) {
        zb_row_t *row = read->count[2 * index] ? read->found[2 * index][0].row : NULL;
        const zb_row_t *bits = read->count[2 * index + 1] ? read->found[2 * index + 1][0].row : NULL;
        if (zb_cursor_fetch (cursor, fetch->rank[0], fetch->id[index], row, bits))
            return false;
    }
    zb_cursor_fetched (cursor, fetch->rank[0], fetch->upto);
    return true;
}

bool zb_engine_ranks (zb_engine_t *self, zb_load_t *load, const zb_read_t *read)
{
    zb_queue_t *queue = load->queue;
    int more = 0;
    //  What was purged since may be in what was read.
    bool valid = !queue->gone && load->purges == queue->cursor.purges;
    bool good = true;
    for (size_t range = 0; valid && load->kind == ZB_LOAD_RANKS && more == 0 && range < load->fetch->ranks; range++)
        more = s_entries (self, load, read, range);
    if (valid && load->kind == ZB_LOAD_FETCH)
        good = s_rows (load, read);
    if (more < 0 || !good) {
        zb_engine_fail (self, "the tables log or acks hold a malformed row, or an index that does not fit");
        return false;
    }
    zb_engine_visited (self, read->count[0] + 1);
    if (valid && load->kind == ZB_LOAD_RANKS && load->fetch->ids) {
        s_fetch (self, load);
        return false;
    }
    queue->cursor.load = NULL;
    //  Whoever waits for the reads of this queue has his turn before there is another one of this kind.
    if (!queue->gone && zb_ring_empty (&load->sessions))
        zb_engine_serve (self, queue);
    else if (!queue->gone)
        zb_engine_serve_later (self, queue);
    return true;
}
