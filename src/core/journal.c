/*  =========================================================================
    journal - what is done of older messages, kept for the peer

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A message that is done leaves the log, and with it the only trace that it was ever
    acknowledged.  To a peer that has missed nothing that is no loss.  A broker that
    answers alone keeps the trace: if the peer has answered clients, too, it still has
    the message.  Own messages of the current epoch need none: nobody else has them.

    A broker that goes alone answers what was on its way with OK solo, and the peer may
    lack it.  So commits that are not released remember what they took off the log.

    PURGE and DELETE are about what the queue has held by then: all that this lineage has
    had, epoch by epoch.  What a replay brings later, below those ids, is not meant.
*/

#include <assert.h>
#include <string.h>

#include "core/engine_self.h"

#define CLEAR_ROWS 1000 //  rows that are erased in one commit

static void s_write (zb_commit_t *commit, zb_frame_t queue, uint64_t first, uint64_t last)
{
    uint8_t key[ZB_KEY_MAX], value[8];
    size_t size = zb_journal_key (queue, last, key);
    zb_put64 (value, first);
    zb_batch_put (commit->batch, ZB_ACKS, key, size, value, sizeof value);
}

//  Remembers it with the commit: first u64, last u64, size of the name u8, name.
static void s_remember (zb_commit_t *commit, zb_frame_t queue, uint64_t first, uint64_t last)
{
    size_t need = 17 + queue.size;
    zb_row_t *old = commit->done;
    if (!old || old->room - old->size < need) {
        commit->done = zb_row_new (old ? 2 * (size_t) old->room + need : 256 + need);
        if (old) {
            memcpy (commit->done->data, old->data, old->size);
            commit->done->size = old->size;
            zb_row_unref (&old);
        }
    }
    uint8_t *byte = commit->done->data + commit->done->size;
    zb_put64 (byte, first);
    zb_put64 (byte + 8, last);
    byte[16] = (uint8_t) queue.size;
    memcpy (byte + 17, queue.data, queue.size);
    commit->done->size += (uint32_t) need;
}

void zb_engine_note_done (zb_engine_t *self, zb_frame_t queue, uint64_t first, uint64_t last)
{
    uint64_t base = zb_epoch_base (self->epoch, self->node);
    if (self->keep == ZB_KEEP_NOTE)
        s_remember (self->fill, queue, first, last);
    else if (self->keep == ZB_KEEP_WRITE && first <= base)
        s_write (self->fill, queue, first, last < base ? last : base);
}

void zb_engine_note_all (zb_engine_t *self, zb_frame_t queue)
{
    uint64_t first = 0, last = 0;
    for (size_t index = 0; zb_lineage_range (&self->lineage, &index, &first, &last);)
        if (first <= self->newest)
            zb_engine_note_done (self, queue, first, last < self->newest ? last : self->newest);
}

void zb_engine_note_deleted (zb_engine_t *self, zb_frame_t queue)
{
    if (self->keep == ZB_KEEP_NOTE)
        s_remember (self->fill, queue, ZB_JOURNAL_DELETED, ZB_JOURNAL_DELETED);
    else if (self->keep == ZB_KEEP_WRITE)
        s_write (self->fill, queue, ZB_JOURNAL_DELETED, ZB_JOURNAL_DELETED);
}

//  Writes what a commit remembers into the journal, with the commit `next`.
static void s_keep_all (zb_commit_t *commit, zb_commit_t *next)
{
    for (uint32_t at = 0; commit->done && at < commit->done->size;) {
        const uint8_t *byte = commit->done->data + at;
        s_write (next, (zb_frame_t){byte + 17, byte[16]}, zb_get64 (byte), zb_get64 (byte + 8));
        at += 17u + byte[16];
    }
    zb_row_unref (&commit->done);
}

void zb_engine_keep (zb_engine_t *self, zb_keep_t keep)
{
    assert (self->leads);
    if (keep == self->keep)
        return;
    if (keep == ZB_KEEP_WRITE) {
        zb_commit_t *next = zb_engine_next (self);
        ZB_RING_EACH (link, after, &self->commits)
        s_keep_all (ZB_ITEM (link, zb_commit_t, ring), next);
        s_keep_all (self->fill, next);
    }
    self->journal = true;
    self->keep = keep;
}

void zb_engine_clear_journal (zb_engine_t *self)
{
    if (self->keep != ZB_KEEP_NOTE || !self->journal || self->clearing || !self->booted || self->freed > self->released)
        return;
    static const uint8_t prefix[ZB_JOURNAL_PREFIX];
    zb_load_t *load = zb_engine_load_new (self, ZB_LOAD_JOURNAL);
    zb_read_add (load->read, ZB_ACKS, prefix, sizeof prefix, sizeof prefix, CLEAR_ROWS, SIZE_MAX);
    self->clearing = true;
}

void zb_engine_cleared (zb_engine_t *self, const zb_read_t *read)
{
    self->clearing = false;
    //  It may have gone alone again since.
    if (self->keep != ZB_KEEP_NOTE)
        return;
    for (size_t index = 0; index < read->count[0]; index++)
        zb_batch_erase (self->fill->batch, ZB_ACKS, read->found[0][index].key, read->found[0][index].key_size);
    self->freed = read->count[0] ? self->fill->number : self->freed;
    self->journal = read->more[0];
}
