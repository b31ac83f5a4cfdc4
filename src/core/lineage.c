/*  =========================================================================
    lineage - the epochs that a store has lived through

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <string.h>

#include "core/bytes.h"
#include "core/lineage.h"

int zb_lineage_decode (zb_lineage_t *self, const void *data, size_t size)
{
    memset (self, 0, sizeof *self);
    if (size % ZB_EPOCH_SIZE || size / ZB_EPOCH_SIZE > ZB_LINEAGE_MAX)
        return -1;
    const uint8_t *byte = data;
    for (size_t index = 0; index < size / ZB_EPOCH_SIZE; index++, byte += ZB_EPOCH_SIZE) {
        zb_epoch_t epoch = {zb_get64 (byte), zb_get64 (byte + 8), byte[16]};
        bool ordered =
            index == 0 || (epoch.number > self->epoch[index - 1].number && epoch.first > self->epoch[index - 1].first);
        if (!ordered || epoch.number == 0 || epoch.node < 1 || epoch.node > 2)
            return -1;
        self->epoch[self->size++] = epoch;
    }
    return 0;
}

size_t zb_lineage_encode (const zb_lineage_t *self, uint8_t data[ZB_LINEAGE_MAX * ZB_EPOCH_SIZE])
{
    for (size_t index = 0; index < self->size; index++) {
        uint8_t *byte = data + index * ZB_EPOCH_SIZE;
        zb_put64 (byte, self->epoch[index].number);
        zb_put64 (byte + 8, self->epoch[index].first);
        byte[16] = (uint8_t) self->epoch[index].node;
    }
    return self->size * ZB_EPOCH_SIZE;
}

zb_epoch_t zb_lineage_newest (const zb_lineage_t *self)
{
    return self->size ? self->epoch[self->size - 1] : (zb_epoch_t){0, 0, 0};
}

zb_epoch_t zb_lineage_raise (zb_lineage_t *self, unsigned node, uint64_t first)
{
    zb_epoch_t epoch = {zb_lineage_newest (self).number + 1, first, node};
    assert (first > zb_lineage_newest (self).first);
    if (self->size == ZB_LINEAGE_MAX) {
        memmove (self->epoch, self->epoch + 1, (ZB_LINEAGE_MAX - 1) * sizeof *self->epoch);
        self->size--;
    }
    self->epoch[self->size++] = epoch;
    return epoch;
}

//  Index of the epoch in the list, -1 if it is not there.
static long s_find (const zb_lineage_t *self, uint64_t number, unsigned node)
{
    for (size_t index = 0; index < self->size; index++)
        if (self->epoch[index].number == number && self->epoch[index].node == node)
            return (long) index;
    return -1;
}

bool zb_lineage_has (const zb_lineage_t *self, uint64_t number, unsigned node)
{
    if (self->size && number < self->epoch[0].number)
        return true;
    return s_find (self, number, node) >= 0;
}

bool zb_lineage_holds (const zb_lineage_t *self, uint64_t newest, uint64_t number, unsigned node, uint64_t commit)
{
    if (self->size && number < self->epoch[0].number)
        return commit < self->epoch[0].first;
    long index = s_find (self, number, node);
    if (index < 0)
        return false;
    size_t next = (size_t) index + 1;
    return next < self->size ? commit < self->epoch[next].first : commit <= newest;
}
