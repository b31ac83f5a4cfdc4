/*  =========================================================================
    rank - which messages of a queue go first

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <string.h>

#include "core/base/bytes.h"
#include "core/queue/rank.h"

#define MARK 3 //  1 and 2 are the lanes' (core/queue/lane.c), 4 the message-ids' (core/queue/dedupe.h), 5 the store's
#define VALUE 4

const char *zb_rank_read (zb_frame_t properties, unsigned ranks, unsigned *rank)
{
    size_t cursor = 0;
    uint64_t priority = 0;
    bool told = false;
    zb_frame_t name, value;
    *rank = 0;
    while (zb_lines_next (properties, &cursor, &name, &value)) {
        if (!zb_frame_is (name, "priority"))
            continue;
        if (told)
            return "priority: there are two of them";
        if (!zb_number_parse (value, ZB_PRIORITY_MOST, &priority))
            return "priority is a number from 0 to 9, the higher ones go first";
        told = true;
    }
    if (ranks)
        *rank = priority < ranks ? (unsigned) priority : ranks - 1;
    return NULL;
}

bool zb_rank_told (zb_frame_t properties)
{
    size_t cursor = 0;
    zb_frame_t name, value;
    while (zb_lines_next (properties, &cursor, &name, &value))
        if (zb_frame_is (name, "priority"))
            return true;
    return false;
}

unsigned zb_rank_of (zb_frame_t properties, unsigned ranks)
{
    unsigned rank = 0;
    return ranks && !zb_rank_read (properties, ranks, &rank) ? rank : 0;
}

void zb_rank_key (uint32_t queue, unsigned rank, uint64_t last, uint8_t key[ZB_RANK_KEY_SIZE])
{
    zb_put32 (key, 0);
    key[4] = MARK;
    zb_put32 (key + 5, queue);
    key[9] = (uint8_t) rank;
    zb_put64 (key + ZB_RANK_PREFIX, last);
}

int zb_rank_decode (const zb_found_t *found, uint32_t queue, unsigned *rank, uint64_t *last, uint32_t *bytes)
{
    uint8_t prefix[ZB_RANK_KEY_SIZE];
    zb_rank_key (queue, 0, 0, prefix);
    if (found->key_size != ZB_RANK_KEY_SIZE || memcmp (found->key, prefix, ZB_RANKS_PREFIX) || found->row->size < VALUE)
        return -1;
    *rank = found->key[ZB_RANKS_PREFIX];
    *last = zb_get64 (found->key + ZB_RANK_PREFIX);
    *bytes = zb_get32 (found->row->data);
    return *rank && *rank < ZB_RANKS_MOST && *last ? 0 : -1;
}

void zb_rank_put (zb_batch_t *batch, uint32_t queue, unsigned rank, uint64_t last, uint32_t bytes)
{
    uint8_t key[ZB_RANK_KEY_SIZE], value[VALUE];
    zb_rank_key (queue, rank, last, key);
    zb_put32 (value, bytes);
    zb_batch_put (batch, ZB_LOG, key, sizeof key, value, sizeof value);
}

void zb_rank_erase (zb_batch_t *batch, uint32_t queue, unsigned rank, uint64_t last)
{
    uint8_t key[ZB_RANK_KEY_SIZE];
    zb_rank_key (queue, rank, last, key);
    zb_batch_erase (batch, ZB_LOG, key, sizeof key);
}
