/*  =========================================================================
    inflight - which commits the peer has, from the log position that it acked

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A plain value.  While the peer is away its list fills up; then every second entry
    is forgotten, never the newest: the answer gets coarser, it stays a lower bound,
    and it is exact again once the peer has caught up.
*/

#ifndef ZB_INFLIGHT_H_INCLUDED
#define ZB_INFLIGHT_H_INCLUDED

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ZB_INFLIGHT_MAX 4096 //  even

typedef struct {
    size_t size;
    struct {
        uint64_t commit;
        uint64_t lsn;
    } entry[ZB_INFLIGHT_MAX];
} zb_inflight_t;

//  A commit was made at this position; both only rise.
static inline void zb_inflight_add (zb_inflight_t *self, uint64_t commit, uint64_t lsn)
{
    if (self->size == ZB_INFLIGHT_MAX) {
        self->size /= 2;
        for (size_t index = 0; index < self->size; index++)
            self->entry[index] = self->entry[2 * index + 1];
    }
    assert (self->size == 0 || (commit > self->entry[self->size - 1].commit && lsn >= self->entry[self->size - 1].lsn));
    self->entry[self->size].commit = commit;
    self->entry[self->size].lsn = lsn;
    self->size++;
}

//  Returns the newest commit known to be at or before the position, 0 if none is.  Forgets those before that one; it
//  stays, for the next session of the same peer.
static inline uint64_t zb_inflight_acked (zb_inflight_t *self, uint64_t lsn)
{
    size_t covered = 0;
    while (covered < self->size && self->entry[covered].lsn <= lsn)
        covered++;
    if (covered == 0)
        return 0;
    self->size -= covered - 1;
    memmove (self->entry, self->entry + covered - 1, self->size * sizeof (self->entry[0]));
    return self->entry[0].commit;
}

#endif
