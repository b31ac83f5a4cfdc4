/*  =========================================================================
    queue - a log with one cursor, its options, and who waits for its messages

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/queue/queue.h"

zb_queue_t *zb_queue_new (zb_frame_t name, uint32_t id, uint64_t tail, size_t *total)
{
    zb_queue_t *self = (zb_queue_t *) calloc (1, sizeof (zb_queue_t) + name.size);
    assert (self);
    zb_log_init (&self->log, id, false, tail, total);
    zb_cursor_init (&self->cursor, &self->log, id);
    zb_ring_t *ring[] = {&self->ring, &self->touched, &self->demand, &self->strays,
                         &self->rest, &self->parked,  &self->late};
    for (size_t index = 0; index < sizeof ring / sizeof ring[0]; index++)
        zb_ring_init (ring[index]);
    memcpy (self->text, name.data, name.size);
    self->name = (zb_frame_t){self->text, name.size};
    self->id = id;
    return self;
}

void zb_queue_destroy (zb_queue_t **self_p)
{
    zb_queue_t *self = *self_p;
    if (self) {
        zb_cursor_clear (&self->cursor);
        zb_log_clear (&self->log);
        assert (!self->entry.in && zb_ring_empty (&self->ring) && zb_ring_empty (&self->touched));
        assert (zb_ring_empty (&self->demand) && zb_ring_empty (&self->strays) && zb_ring_empty (&self->parked) &&
                zb_ring_empty (&self->late) && zb_ring_empty (&self->rest));
        free (self);
        *self_p = NULL;
    }
}

zb_queue_row_t zb_queue_row (const zb_queue_t *self)
{
    return (zb_queue_row_t){self->id, self->lease, self->max, self->changed, self->grace};
}

void zb_queue_configure (zb_queue_t *self, const zb_queue_row_t *row)
{
    self->lease = row->lease;
    self->max = row->max;
    self->grace = row->grace;
    self->changed = row->changed;
}

void zb_queue_restore (zb_queue_t *self, const zb_cursor_row_t *row)
{
    assert (self->log.put == 0);
    self->log.put = row->put;
    self->log.floor = row->low - 1;
    zb_cursor_restore (&self->cursor, row);
}

uint64_t zb_queue_depth (const zb_queue_t *self)
{
    return zb_cursor_depth (&self->cursor);
}

void zb_queue_write (zb_queue_t *self, zb_commit_t *commit)
{
    zb_log_write (&self->log, commit);
    zb_cursor_write (&self->cursor, commit);
    self->commit = commit->number;
}

void zb_queue_insert (zb_queue_t *self, zb_row_t *row, uint64_t last, zb_row_t *bits, zb_commit_t *commit)
{
    assert (!self->cursor.load);
    self->cursor.done += zb_log_insert (&self->log, row, last, bits, commit);
}
