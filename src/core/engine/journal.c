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

    But for one case.  The log goes to a peer that catches up before it is on the disk
    here.  If this broker dies then, it leads again, and lacks what its peer has: that
    is replayed to it.  What such a commit has put would come back without what it has
    taken for it (a PUT with acks=, MOVE, REJECT), if other acknowledgements have ended
    the row since.  So while a peer follows, own messages have their trace, too.  And those
    that it may have got have it when it is gone: an operator may promote it, level or not.

    A broker that goes alone answers what was on its way with OK solo, and the peer may
    lack it.  So commits that are not released remember what they took off the log.

    PURGE and DELETE are about what the queue has held by then: all that this lineage has
    had, epoch by epoch.  What a replay brings later, below those ids, is not meant.
*/

#include <assert.h>

#include "core/engine/engine_self.h"

#define CLEAR_ROWS 1000 //  rows that are erased in one commit

void zb_engine_note_done (zb_engine_t *self, zb_frame_t queue, uint64_t first, uint64_t last)
{
    uint64_t base = zb_epoch_base (self->epoch, self->node),
             known = self->journal.sent > base ? self->journal.sent : base;
    uint64_t upto = self->journal.followed || last < known ? last : known;
    if (self->keep == ZB_KEEP_NOTE)
        zb_commit_note (self->fill, queue, first, last);
    else if (self->keep == ZB_KEEP_WRITE && first <= upto)
        zb_commit_journal (self->fill, queue, first, upto);
}

void zb_engine_peer_follows (zb_engine_t *self, bool follows)
{
    if (self->journal.followed && !follows)
        self->journal.sent = self->newest;
    self->journal.followed = follows;
}

void zb_engine_note_all (zb_engine_t *self, zb_frame_t queue)
{
    uint64_t first = 0, last = 0;
    size_t ranges = 0;
    for (size_t index = 0; zb_lineage_range (&self->lineage, &index, &first, &last); ranges++)
        if (first <= self->newest)
            zb_engine_note_done (self, queue, first, last < self->newest ? last : self->newest);
    //  There may be a thousand.
    zb_engine_visited (self, ranges);
}

void zb_engine_note_deleted (zb_engine_t *self, zb_frame_t queue)
{
    if (self->keep == ZB_KEEP_NOTE)
        zb_commit_note (self->fill, queue, ZB_JOURNAL_DELETED, ZB_JOURNAL_DELETED);
    else if (self->keep == ZB_KEEP_WRITE)
        zb_commit_journal (self->fill, queue, ZB_JOURNAL_DELETED, ZB_JOURNAL_DELETED);
}

void zb_engine_keep (zb_engine_t *self, zb_keep_t keep)
{
    assert (self->leads);
    if (keep == self->keep)
        return;
    if (keep == ZB_KEEP_WRITE) {
        self->disuse.alone++;
        zb_commit_t *next = zb_engine_next (self);
        ZB_RING_EACH (link, after, &self->commits)
        zb_commit_tell (ZB_ITEM (link, zb_commit_t, ring), next);
        zb_commit_tell (self->fill, next);
    }
    if (self->keep == ZB_KEEP_WRITE)
        zb_engine_use_all (self);
    self->journal.rows = true;
    self->keep = keep;
}

void zb_engine_clear_journal (zb_engine_t *self)
{
    if (self->keep != ZB_KEEP_NOTE || !self->journal.rows || self->journal.clearing || !self->booted ||
        self->tombs.freed > self->released)
        return;
    static const uint8_t prefix[ZB_JOURNAL_PREFIX];
    zb_load_t *load = zb_engine_load_new (self, ZB_LOAD_JOURNAL);
    zb_read_add (load->read, ZB_ACKS, prefix, sizeof prefix, sizeof prefix, CLEAR_ROWS, SIZE_MAX);
    self->journal.clearing = true;
}

void zb_engine_cleared (zb_engine_t *self, const zb_read_t *read)
{
    self->journal.clearing = false;
    //  It may have gone alone again since.
    if (self->keep != ZB_KEEP_NOTE)
        return;
    for (size_t index = 0; index < read->count[0]; index++)
        zb_commit_erase (self->fill, ZB_ACKS, &read->found[0][index]);
    self->tombs.freed = read->count[0] ? self->fill->number : self->tombs.freed;
    self->journal.rows = read->more[0];
}
