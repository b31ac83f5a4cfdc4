/*  =========================================================================
    beat - what a broker tells its peer in each heartbeat

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <string.h>

#include "core/base/bytes.h"
#include "core/base/limits.h"
#include "core/pair/beat.h"

#define BEAT_VERSION 3
#define BEAT_AGES 37
#define BEAT_HEAD 45

enum {
    FLAG_SETTLED = 1,
    FLAG_FRESH = 2,
    FLAG_COMPLETE = 4,
    FLAG_SUSPECT = 8,
    FLAG_SERVING = 16,
    FLAG_IN_STEP = 32,
    FLAG_SHARED = 64,
    FLAG_YIELDS = 128
};

size_t zb_beat_encode (const zb_beat_t *self, uint8_t data[ZB_BEAT_MAX])
{
    data[0] = BEAT_VERSION;
    data[1] = (uint8_t) self->node;
    data[2] = (uint8_t) self->state;
    data[3] = (uint8_t) ((self->settled ? FLAG_SETTLED : 0) | (self->fresh ? FLAG_FRESH : 0) |
                         (self->complete ? FLAG_COMPLETE : 0) | (self->suspect ? FLAG_SUSPECT : 0) |
                         (self->serving ? FLAG_SERVING : 0) | (self->in_step ? FLAG_IN_STEP : 0) |
                         (self->shared ? FLAG_SHARED : 0) | (self->yields ? FLAG_YIELDS : 0));
    memcpy (data + 4, self->pair, ZB_PAIR_SIZE);
    zb_put64 (data + 20, self->commit);
    zb_put64 (data + 28, self->alone);
    zb_beat_age (data, self->core_age, self->disk_age);
    zb_lineage_t tail = self->tail;
    if (tail.size > ZB_BEAT_EPOCHS) {
        memmove (tail.epoch, tail.epoch + (tail.size - ZB_BEAT_EPOCHS), ZB_BEAT_EPOCHS * sizeof *tail.epoch);
        tail.size = ZB_BEAT_EPOCHS;
    }
    data[36] = (uint8_t) tail.size;
    uint8_t row[ZB_LINEAGE_MAX * ZB_EPOCH_SIZE];
    size_t size = zb_lineage_encode (&tail, row);
    memcpy (data + BEAT_HEAD, row, size);
    size += BEAT_HEAD;
    data[size] = 0;
    data[size + 1] = ZB_LEVEL_SIZE + ZB_BEAT_CLOCKS + ZB_BEAT_LIMITS;
    size += 2;
    zb_level_encode (&self->level, data + size);
    size += ZB_LEVEL_SIZE;
    zb_put64 (data + size, self->time);
    zb_put64 (data + size + 8, self->wall);
    zb_put32 (data + size + 16, self->patience);
    zb_put32 (data + size + 20, self->life);
    return size + ZB_BEAT_CLOCKS + ZB_BEAT_LIMITS;
}

void zb_beat_age (uint8_t *data, int64_t core, int64_t disk)
{
    zb_put32 (data + BEAT_AGES, core > UINT32_MAX ? UINT32_MAX : (uint32_t) core);
    zb_put32 (data + BEAT_AGES + 4, disk > UINT32_MAX ? UINT32_MAX : (uint32_t) disk);
}

//  Where the epochs end.
static size_t s_epochs_end (const uint8_t *data)
{
    return BEAT_HEAD + (size_t) data[36] * ZB_EPOCH_SIZE;
}

size_t zb_beat_size (const void *data)
{
    const uint8_t *level = (const uint8_t *) data + s_epochs_end (data);
    return s_epochs_end (data) + 2 + ((size_t) level[0] << 8 | level[1]);
}

int zb_beat_decode (zb_beat_t *self, const void *data, size_t size)
{
    const uint8_t *byte = data;
    memset (self, 0, sizeof *self);
    if (size < BEAT_HEAD || byte[0] != BEAT_VERSION || byte[1] < 1 || byte[1] > 2 || byte[2] < BSTAR_PRIMARY ||
        byte[2] > BSTAR_PASSIVE || byte[36] > ZB_BEAT_EPOCHS || size < s_epochs_end (byte) + 2 + ZB_LEVEL_SIZE ||
        size < zb_beat_size (data) || zb_beat_size (data) < s_epochs_end (byte) + 2 + ZB_LEVEL_SIZE)
        return -1;
    if (zb_get64 (byte + 28) >> ZB_EPOCH_BITS)
        return -1;
    const uint8_t *level = byte + s_epochs_end (byte) + 2, *end = byte + zb_beat_size (data);
    zb_level_decode (&self->level, level);
    if (end - level >= ZB_LEVEL_SIZE + ZB_BEAT_CLOCKS) {
        self->time = zb_get64 (level + ZB_LEVEL_SIZE);
        self->wall = zb_get64 (level + ZB_LEVEL_SIZE + 8);
    }
    if (end - level >= ZB_LEVEL_SIZE + ZB_BEAT_CLOCKS + ZB_BEAT_LIMITS) {
        self->patience = zb_get32 (level + ZB_LEVEL_SIZE + ZB_BEAT_CLOCKS);
        self->life = zb_get32 (level + ZB_LEVEL_SIZE + ZB_BEAT_CLOCKS + 4);
    }
    self->node = byte[1];
    self->state = (bstar_state_t) byte[2];
    self->settled = byte[3] & FLAG_SETTLED;
    self->fresh = byte[3] & FLAG_FRESH;
    self->complete = byte[3] & FLAG_COMPLETE;
    self->suspect = byte[3] & FLAG_SUSPECT;
    self->serving = byte[3] & FLAG_SERVING;
    self->in_step = byte[3] & FLAG_IN_STEP;
    self->shared = byte[3] & FLAG_SHARED;
    self->yields = byte[3] & FLAG_YIELDS;
    memcpy (self->pair, byte + 4, ZB_PAIR_SIZE);
    self->commit = zb_get64 (byte + 20);
    self->alone = zb_get64 (byte + 28);
    self->core_age = zb_get32 (byte + BEAT_AGES);
    self->disk_age = zb_get32 (byte + BEAT_AGES + 4);
    return zb_lineage_decode (&self->tail, byte + BEAT_HEAD, s_epochs_end (byte) - BEAT_HEAD);
}

bool zb_beat_same_ids (const zb_beat_t *one, const zb_beat_t *other)
{
    static const uint8_t none[ZB_PAIR_SIZE];
    if (one->shared != other->shared)
        return false;
    return memcmp (one->pair, other->pair, ZB_PAIR_SIZE) == 0 || memcmp (one->pair, none, ZB_PAIR_SIZE) == 0 ||
           memcmp (other->pair, none, ZB_PAIR_SIZE) == 0;
}

bool zb_beat_same_pair (const zb_beat_t *one, const zb_beat_t *other)
{
    return zb_beat_same_ids (one, other) && zb_level_fits (&one->level, &other->level);
}

bool zb_beat_ahead (const zb_beat_t *one, const zb_beat_t *other)
{
    //  The newest epoch in which it may have done so: an earlier one may have been replayed to the other since.
    uint64_t newest = one->alone;
    for (size_t index = 0; index < one->tail.size; index++) {
        const zb_epoch_t *epoch = &one->tail.epoch[index];
        if (epoch->node == one->node && epoch->first && epoch->number > newest)
            newest = epoch->number;
    }
    return one->alone && !zb_lineage_has (&other->tail, newest, one->node);
}

bool zb_beat_last (const zb_beat_t *self)
{
    zb_epoch_t newest = zb_lineage_newest (&self->tail);
    return self->alone && newest.node == self->node && newest.number >= self->alone;
}

static int s_sign (bool plus, bool minus)
{
    return (plus ? 1 : 0) - (minus ? 1 : 0);
}

static int s_compare (uint64_t one, uint64_t other)
{
    return s_sign (one > other, other > one);
}

int zb_beat_rank (const zb_beat_t *one, const zb_beat_t *other)
{
    if (!zb_beat_same_pair (one, other) || !one->settled || !other->settled)
        return 0;
    int primary = s_sign (one->node < other->node, other->node < one->node);
    if (one->fresh && other->fresh && !one->suspect && !other->suspect)
        return primary;
    bool one_can = one->complete && !one->suspect;
    bool other_can = other->complete && !other->suspect;
    bool one_ahead = zb_beat_ahead (one, other);
    bool other_ahead = zb_beat_ahead (other, one);
    if (!one_can || !other_can)
        return s_sign (one_can && !other_ahead && !(zb_beat_last (other) && other->commit > one->commit),
                       other_can && !one_ahead && !(zb_beat_last (one) && one->commit > other->commit));
    if (one_ahead != other_ahead)
        return s_sign (one_ahead, other_ahead);
    int rank = one_ahead
                   ? 0
                   : s_sign (zb_lineage_lacks (&other->tail, &one->tail), zb_lineage_lacks (&one->tail, &other->tail));
    if (rank == 0 && !one_ahead)
        rank = s_sign (zb_beat_last (one), zb_beat_last (other));
    if (rank)
        return rank;
    rank = s_compare (zb_lineage_newest (&one->tail).number, zb_lineage_newest (&other->tail).number);
    bool leads = one->state == BSTAR_ACTIVE || other->state == BSTAR_ACTIVE;
    if (rank == 0 && !one_ahead && !leads)
        rank = s_compare (one->commit, other->commit);
    return rank ? rank : primary;
}
