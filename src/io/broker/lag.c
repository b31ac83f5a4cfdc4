/*  =========================================================================
    lag - how many bytes of commits the other broker lacks

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include "io/broker/lag.h"

//  Of the older half every second one is forgotten.
static void s_thin (zb_lag_t *self)
{
    size_t left = 0;
    for (size_t index = 0; index < self->size; index++)
        if (index >= ZB_LAG_MOST / 2 || index % 2 == 0)
            self->known[left++] = self->known[index];
    self->size = left;
}

void zb_lag_add (zb_lag_t *self, uint64_t commit, const zb_batch_t *batch)
{
    if (self->size && commit <= self->known[self->size - 1].commit)
        self->size = 0;
    else if (self->size == ZB_LAG_MOST)
        s_thin (self);
    //  What the first one begins with.
    if (self->size == 0) {
        self->known[self->size].commit = commit - 1;
        self->known[self->size++].bytes = self->bytes;
    }
    for (size_t index = 0; index < zb_batch_size (batch); index++) {
        zb_op_t op = zb_batch_op (batch, index);
        self->bytes += op.key_size + op.value_size;
    }
    self->known[self->size].commit = commit;
    self->known[self->size++].bytes = self->bytes;
}

uint64_t zb_lag_behind (const zb_lag_t *self, uint64_t commit)
{
    size_t from = 0, to = self->size; //  the last one not above it is before `to`
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (self->known[middle].commit <= commit)
            from = middle + 1;
        else
            to = middle;
    }
    if (self->size == 0)
        return 0;
    return self->bytes - self->known[from ? from - 1 : 0].bytes;
}
