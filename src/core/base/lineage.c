/*  =========================================================================
    lineage - the epochs that a store has lived through

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/limits.h"
#include "core/base/lineage.h"

#define NODE_BIT (UINT64_C (1) << (ZB_COUNT_BITS - 1))
#define COUNT_MASK (NODE_BIT - 1)
#define NUMBER_MASK ((UINT64_C (1) << ZB_EPOCH_BITS) - 1)
#define HEIR_BIT (UINT64_C (1) << ZB_EPOCH_BITS)
#define RUN_SHIFT 32

//  What epochs are ordered by.
static uint64_t s_rank (uint64_t number, unsigned node)
{
    return number << 1 | (node == 1);
}

static bool s_ordered (const zb_lineage_t *self, const zb_epoch_t *next)
{
    if (self->size == 0)
        return true;
    const zb_epoch_t *last = &self->epoch[self->size - 1];
    if (s_rank (next->number, next->node) <= s_rank (last->number, last->node))
        return false;
    for (size_t index = self->size; next->first && index-- > 0;)
        if (self->epoch[index].first)
            return next->first > self->epoch[index].first;
    return true;
}

int zb_lineage_decode (zb_lineage_t *self, const void *data, size_t size)
{
    self->size = 0;
    if (size % ZB_EPOCH_SIZE || size / ZB_EPOCH_SIZE > ZB_LINEAGE_MAX)
        return -1;
    const uint8_t *byte = data;
    for (size_t index = 0; index < size / ZB_EPOCH_SIZE; index++, byte += ZB_EPOCH_SIZE) {
        uint64_t name = zb_get64 (byte);
        zb_epoch_t epoch = {name & NUMBER_MASK,     zb_get64 (byte + 8),          byte[24],
                            zb_get64 (byte + 16), (uint32_t) (name >> RUN_SHIFT), name & HEIR_BIT};
        if (byte[4] > 1 || epoch.number == 0 || epoch.node < 1 || epoch.node > 2 || !s_ordered (self, &epoch))
            return -1;
        self->epoch[self->size++] = epoch;
    }
    return 0;
}

void zb_lineage_copy (zb_lineage_t *self, const zb_lineage_t *from)
{
    self->size = from->size;
    memcpy (self->epoch, from->epoch, from->size * sizeof *from->epoch);
}

size_t zb_lineage_encode (const zb_lineage_t *self, uint8_t *data)
{
    for (size_t index = 0; index < self->size; index++) {
        uint8_t *byte = data + index * ZB_EPOCH_SIZE;
        const zb_epoch_t *epoch = &self->epoch[index];
        zb_put64 (byte, (uint64_t) epoch->run << RUN_SHIFT | (epoch->heir ? HEIR_BIT : 0) | epoch->number);
        zb_put64 (byte + 8, epoch->first);
        zb_put64 (byte + 16, epoch->before);
        byte[24] = (uint8_t) epoch->node;
    }
    return self->size * ZB_EPOCH_SIZE;
}

zb_epoch_t zb_lineage_newest (const zb_lineage_t *self)
{
    return self->size ? self->epoch[self->size - 1] : (zb_epoch_t){0};
}

void zb_lineage_cut (zb_lineage_t *self, size_t most)
{
    assert (most >= ZB_LINEAGE_KEPT);
    if (self->size <= most)
        return;
    memmove (self->epoch, self->epoch + (self->size - most), most * sizeof *self->epoch);
    self->size = most;
}

static void s_insert (zb_lineage_t *self, size_t index, zb_epoch_t epoch)
{
    if (self->size == ZB_LINEAGE_MAX) {
        if (index == 0)
            return; //  older than all that are kept
        memmove (self->epoch, self->epoch + 1, (ZB_LINEAGE_MAX - 1) * sizeof *self->epoch);
        self->size--;
        index--;
    }
    memmove (self->epoch + index + 1, self->epoch + index, (self->size - index) * sizeof *self->epoch);
    self->epoch[index] = epoch;
    self->size++;
}

zb_epoch_t zb_lineage_raise (zb_lineage_t *self, unsigned node, uint64_t first)
{
    return zb_lineage_raise_to (self, zb_lineage_newest (self).number + 1, node, first);
}

zb_epoch_t zb_lineage_raise_to (zb_lineage_t *self, uint64_t number, unsigned node, uint64_t first)
{
    zb_epoch_t epoch = {.number = number, .first = first, .node = node};
    assert (first > zb_lineage_newest (self).first && number > zb_lineage_newest (self).number);
    s_insert (self, self->size, epoch);
    return epoch;
}

//  How many of the list are before this one.
static size_t s_place (const zb_lineage_t *self, uint64_t number, unsigned node)
{
    size_t low = 0, high = self->size;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s_rank (self->epoch[middle].number, self->epoch[middle].node) < s_rank (number, node))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

//  Index of the epoch in the list, -1 if it is not there.
static long s_find (const zb_lineage_t *self, uint64_t number, unsigned node)
{
    size_t index = s_place (self, number, node);
    bool found = index < self->size && self->epoch[index].number == number && self->epoch[index].node == node;
    return found ? (long) index : -1;
}

bool zb_lineage_lists (const zb_lineage_t *self, uint64_t number, unsigned node)
{
    return s_find (self, number, node) >= 0;
}

void zb_lineage_absorb (zb_lineage_t *self, uint64_t number, unsigned node, uint32_t run)
{
    zb_epoch_t absorbed = {.number = number, .node = node, .run = run};
    long found = s_find (self, number, node);
    if (found >= 0) {
        self->epoch[found] = absorbed;
        return;
    }
    s_insert (self, s_place (self, number, node), absorbed);
}

void zb_lineage_absorb_all (zb_lineage_t *self, const zb_lineage_t *other)
{
    for (size_t index = 0; index < other->size; index++) {
        const zb_epoch_t *epoch = &other->epoch[index];
        if (index + 1 == other->size || zb_lineage_upto (other, epoch->number, epoch->node) >
                                            zb_lineage_upto (self, epoch->number, epoch->node))
            zb_lineage_absorb (self, epoch->number, epoch->node, epoch->run);
    }
}

bool zb_lineage_absorbed (const zb_lineage_t *self, uint64_t number, unsigned node)
{
    long found = s_find (self, number, node);
    return found >= 0 && self->epoch[found].first == 0;
}

bool zb_lineage_older (const zb_lineage_t *self, uint64_t number, unsigned node)
{
    if (self->size == 0 || number > self->epoch[0].number)
        return false;
    //  Of two with one number the backup's is forgotten first.
    bool twin = self->size >= ZB_LINEAGE_KEPT && node > self->epoch[0].node;
    return number < self->epoch[0].number || twin;
}

bool zb_lineage_has (const zb_lineage_t *self, uint64_t number, unsigned node)
{
    return zb_lineage_older (self, number, node) || zb_lineage_lists (self, number, node);
}

//  The epoch that this store went on with after the one at the index; NULL if it is the newest.
static const zb_epoch_t *s_next (const zb_lineage_t *self, size_t index)
{
    while (++index < self->size)
        if (self->epoch[index].first)
            return &self->epoch[index];
    return NULL;
}

bool zb_lineage_holds (const zb_lineage_t *self, uint64_t newest, uint64_t number, unsigned node, uint64_t commit)
{
    if (zb_lineage_older (self, number, node))
        return self->epoch[0].first == 0 || commit < self->epoch[0].first;
    long index = s_find (self, number, node);
    if (index < 0)
        return false;
    if (self->epoch[index].first == 0)
        return true;
    const zb_epoch_t *next = s_next (self, (size_t) index);
    return next ? commit < next->first : commit <= newest;
}

zb_tail_t zb_lineage_tail (const zb_lineage_t *self, uint64_t newest, const zb_lineage_t *ours, uint64_t commit)
{
    const zb_epoch_t *end = NULL; //  the newest that our store has lived through
    for (size_t index = ours->size; index-- > 0;) {
        const zb_epoch_t *epoch = &ours->epoch[index];
        if (epoch->first == 0)
            continue;
        end = end ? end : epoch;
        long found = s_find (self, epoch->number, epoch->node);
        if (found < 0)
            continue;
        if (self->epoch[found].run != epoch->run)
            return ZB_TAIL_LACKED;
        //  The newest that both have lived through, unless all of it was replayed.
        const zb_epoch_t *common = &self->epoch[found], *next = s_next (self, (size_t) found);
        if (common->first != epoch->first)
            return epoch == end && common->first == 0 ? ZB_TAIL_HELD : ZB_TAIL_LACKED;
        if (epoch == end && (next ? commit < next->first : commit <= newest))
            return ZB_TAIL_HELD;
        //  What is not older than the heir's epoch may have been answered later.
        bool older = epoch == end || (next && end->number < next->number);
        return next && next->heir && older ? ZB_TAIL_UNANSWERED : ZB_TAIL_LACKED;
    }
    return ours->size ? ZB_TAIL_LACKED : ZB_TAIL_HELD;
}

//  Whether both list an epoch of this number and node, and it is not the same one.
static bool s_twin (const zb_lineage_t *self, const zb_epoch_t *epoch)
{
    long found = s_find (self, epoch->number, epoch->node);
    return found >= 0 && self->epoch[found].run != epoch->run;
}

bool zb_lineage_lacks (const zb_lineage_t *self, const zb_lineage_t *other)
{
    for (size_t index = 0; index < other->size; index++) {
        const zb_epoch_t *epoch = &other->epoch[index];
        if (!zb_lineage_has (self, epoch->number, epoch->node) || s_twin (self, epoch))
            return true;
    }
    return false;
}

bool zb_lineage_meets (const zb_lineage_t *self, const zb_lineage_t *other)
{
    //  A shorter list has forgotten nothing: none is cut to less.
    bool meets = self->size < ZB_LINEAGE_KEPT && other->size < ZB_LINEAGE_KEPT;
    for (size_t one = 0, two = 0; one < self->size && two < other->size;) {
        const zb_epoch_t *ours = &self->epoch[one], *theirs = &other->epoch[two];
        uint64_t own = s_rank (ours->number, ours->node), rank = s_rank (theirs->number, theirs->node);
        if (own == rank && ours->run != theirs->run)
            return false;
        meets = meets || (own == rank && ours->first && ours->first == theirs->first);
        one += own <= rank;
        two += rank <= own;
    }
    return meets;
}

//  Message ids

uint64_t zb_epoch_base (uint64_t number, unsigned node)
{
    return number << ZB_COUNT_BITS | (node == 1 ? NODE_BIT : 0);
}

uint64_t zb_epoch_number (uint64_t id)
{
    return id >> ZB_COUNT_BITS;
}

unsigned zb_epoch_node (uint64_t id)
{
    return id & NODE_BIT ? 1 : 2;
}

uint64_t zb_lineage_upto (const zb_lineage_t *self, uint64_t number, unsigned node)
{
    uint64_t last = zb_epoch_base (number, node) | COUNT_MASK;
    if (zb_lineage_older (self, number, node))
        return last;
    long index = s_find (self, number, node);
    if (index < 0)
        return 0;
    const zb_epoch_t *next = self->epoch[index].first ? s_next (self, (size_t) index) : NULL;
    return next && next->before < last ? next->before : last;
}

bool zb_lineage_had (const zb_lineage_t *self, uint64_t id)
{
    return id <= zb_lineage_upto (self, zb_epoch_number (id), zb_epoch_node (id));
}

bool zb_lineage_range (const zb_lineage_t *self, size_t *index, uint64_t *first, uint64_t *last)
{
    if (self->size && *index == 0) {
        //  What it has forgotten ends where the oldest kept begins, or with that one's twin.
        bool twin = zb_lineage_older (self, self->epoch[0].number, 2);
        *index = 1;
        *first = 1;
        *last = zb_epoch_base (self->epoch[0].number, twin ? 1 : 2);
        return true;
    }
    while (*index && *index <= self->size) {
        const zb_epoch_t *epoch = &self->epoch[(*index)++ - 1];
        *first = zb_epoch_base (epoch->number, epoch->node) + 1;
        *last = zb_lineage_upto (self, epoch->number, epoch->node);
        if (*last >= *first)
            return true;
    }
    return false;
}
