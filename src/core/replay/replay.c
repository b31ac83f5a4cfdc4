/*  =========================================================================
    replay - what the loser of a split sends to the winner, as bytes

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "core/queue/topic.h"
#include "core/queue/lane.h"
#include "core/replay/replay.h"

#define ITEM_HEAD 20
#define MAC_SIZE (ZB_ITEM_MAC_SIZE / 2)

static zb_frame_t s_skip (zb_frame_t frame, size_t size)
{
    return (zb_frame_t){(const uint8_t *) frame.data + size, frame.size - size};
}

//  Takes the name and its size off; false if it is not there or not valid.
static bool s_name (zb_item_t *self)
{
    if (self->rest.size == 0)
        return false;
    size_t size = *(const uint8_t *) self->rest.data;
    if (size > self->rest.size - 1)
        return false;
    self->name = (zb_frame_t){(const uint8_t *) self->rest.data + 1, size};
    self->rest = s_skip (self->rest, 1 + size);
    return zb_place_check (self->name) == NULL;
}

static bool s_row (zb_item_t *self)
{
    self->laid = self->kind == ZB_REPLAY_ROW && self->position.size == 1 + ZB_LANE_KEY_SIZE;
    if (!s_name (self) || (!self->laid && self->position.size != 1 + ZB_LOG_KEY_SIZE) || self->rest.size < 4)
        return false;
    self->last = zb_get64 ((const uint8_t *) self->position.data + self->position.size - 8);
    size_t bits = zb_get32 (self->rest.data);
    self->rest = s_skip (self->rest, 4);
    if (bits > self->rest.size)
        return false;
    self->bits = (zb_frame_t){self->rest.data, bits};
    self->row = s_skip (self->rest, bits);
    return true;
}

static bool s_producer (zb_item_t *self)
{
    if (!s_name (self) || self->rest.size < 16 || (self->rest.size - 16) % ZB_SLOT_SIZE)
        return false;
    const uint8_t *byte = self->rest.data;
    self->producer = (zb_producer_row_t){.instance = zb_get64 (byte), .last = zb_get64 (byte + 8)};
    self->slot = byte + 16;
    self->slots = (self->rest.size - 16) / ZB_SLOT_SIZE;
    for (size_t index = 0; index < self->slots; index++) {
        uint64_t number = zb_get64 (self->slot + index * ZB_SLOT_SIZE);
        if (number == 0 || number > INT64_MAX)
            return false;
    }
    return self->slots <= ZB_WINDOW && self->producer.instance <= INT64_MAX && self->producer.last <= INT64_MAX;
}

//  What is left is a name, and maybe more options behind a zero.
static bool s_more (zb_item_t *self)
{
    size_t size = zb_frame_find (self->name, 0, 0);
    zb_frame_t more = s_skip (self->name, size);
    self->name.size = size;
    return more.size == 0 || zb_more_decode (&self->queue, (const uint8_t *) more.data + 1, more.size - 1) == 0;
}

static bool s_queue (zb_item_t *self)
{
    if (self->rest.size < ZB_ITEM_OPTIONS)
        return false;
    const uint8_t *byte = self->rest.data;
    self->queue = (zb_queue_row_t){.lease = zb_get64 (byte), .max = zb_get64 (byte + 8), .grace = zb_get64 (byte + 16)};
    zb_stamp_decode (&self->queue.changed, byte + 24);
    self->name = s_skip (self->rest, ZB_ITEM_OPTIONS);
    return s_more (self) && zb_name_check (self->name) == NULL && self->queue.lease <= INT32_MAX &&
           self->queue.grace <= INT32_MAX;
}

static bool s_topic (zb_item_t *self)
{
    bool sub = self->kind == ZB_REPLAY_SUB;
    size_t size = (sub ? ZB_ITEM_SUB : 8) + ZB_STAMP_SIZE;
    if (self->rest.size < size)
        return false;
    const uint8_t *byte = self->rest.data;
    if (sub)
        self->queue = (zb_queue_row_t){.kind = ZB_KIND_SUB,
                                       .lease = zb_get64 (byte),
                                       .grace = zb_get64 (byte + 8),
                                       .birth = zb_get64 (byte + 16),
                                       .from = zb_get64 (byte + 24),
                                       .began.how = (zb_at_t) zb_get64 (byte + 32)};
    else
        self->queue = (zb_queue_row_t){.kind = ZB_KIND_TOPIC, .bytes = zb_get64 (byte)};
    zb_stamp_decode (&self->queue.changed, byte + size - ZB_STAMP_SIZE);
    if (sub && zb_get64 (byte + 32) > ZB_AT_TIME)
        return false;
    self->name = s_skip (self->rest, size);
    bool more = s_more (self);
    bool slash = zb_frame_find (self->name, 0, '/') < self->name.size;
    bool good = self->queue.lease <= INT32_MAX && self->queue.grace <= INT32_MAX && self->queue.bytes <= INT64_MAX &&
                (!sub || self->queue.from < self->queue.birth);
    return good && more && !zb_topic_wrong (&self->queue) && slash == sub && zb_place_check (self->name) == NULL;
}

static bool s_acks (zb_item_t *self, zb_spans_t *ids)
{
    if (!s_name (self) || !zb_spans_parse (ids, self->rest))
        return false;
    self->span = ids->span;
    self->spans = ids->size = zb_spans_join (ids->span, ids->size);
    return true;
}

static bool s_done (zb_item_t *self, zb_spans_t *ids)
{
    if (self->rest.size < 8)
        return false;
    self->queue.birth = zb_get64 (self->rest.data);
    self->rest = s_skip (self->rest, 8);
    return s_acks (self, ids);
}

const char *zb_item_decode (zb_item_t *self, zb_spans_t *ids, zb_frame_t data)
{
    memset (self, 0, sizeof *self);
    const uint8_t *byte = data.data;
    if (data.size < ITEM_HEAD || byte[9] >= ZB_REPLAY_KINDS || byte[8] < 1 || byte[8] > 2)
        return "item: malformed";
    size_t position = (size_t) byte[10] << 8 | byte[11];
    if (position > ZB_POSITION_MAX || position > data.size - ITEM_HEAD)
        return "item: malformed position";
    self->epoch = zb_get64 (byte);
    self->node = byte[8];
    self->kind = (zb_replay_kind_t) byte[9];
    self->n = zb_get64 (byte + 12);
    self->position = (zb_frame_t){byte + ITEM_HEAD, position};
    self->rest = s_skip (data, ITEM_HEAD + position);
    bool good = self->kind == ZB_REPLAY_BEGIN       ? true
                : self->kind == ZB_REPLAY_QUEUE     ? s_queue (self)
                : self->kind == ZB_REPLAY_ACKS      ? s_acks (self, ids)
                : self->kind == ZB_REPLAY_ROW       ? s_row (self)
                : self->kind == ZB_REPLAY_TOPIC_ROW ? s_row (self)
                : self->kind == ZB_REPLAY_TOPIC     ? s_topic (self)
                : self->kind == ZB_REPLAY_SUB       ? s_topic (self)
                : self->kind == ZB_REPLAY_DONE      ? s_done (self, ids)
                : self->kind == ZB_REPLAY_PRODUCER  ? s_producer (self)
                : self->kind == ZB_REPLAY_DELETE    ? s_name (self) && self->rest.size == 0
                                                    : true;
    if ((self->kind == ZB_REPLAY_BEGIN) != (self->n == 0))
        good = false;
    return good ? NULL : "item: malformed content";
}

zb_row_t *zb_item_new (uint64_t epoch, unsigned node, zb_replay_kind_t kind, uint64_t n, zb_frame_t position,
                       size_t rest)
{
    assert (position.size <= ZB_POSITION_MAX);
    zb_row_t *item = zb_row_new (ITEM_HEAD + position.size + rest);
    zb_put64 (item->data, epoch);
    item->data[8] = (uint8_t) node;
    item->data[9] = (uint8_t) kind;
    item->data[10] = (uint8_t) (position.size >> 8);
    item->data[11] = (uint8_t) position.size;
    zb_put64 (item->data + 12, n);
    item->size = ITEM_HEAD;
    zb_item_add (item, position.data, position.size);
    return item;
}

void zb_item_add (zb_row_t *item, const void *data, size_t size)
{
    assert (size <= item->room - item->size);
    if (size)
        memcpy (item->data + item->size, data, size);
    item->size += (uint32_t) size;
}

void zb_item_add_name (zb_row_t *item, zb_frame_t name)
{
    assert (name.size <= ZB_NAME_MAX);
    uint8_t size = (uint8_t) name.size;
    zb_item_add (item, &size, 1);
    zb_item_add (item, name.data, name.size);
}

void zb_item_mac (zb_frame_t item, const uint8_t secret[ZB_SECRET_SIZE], char text[ZB_ITEM_MAC_SIZE])
{
    static const char use[] = "replay";
    uint8_t key[ZB_SECRET_SIZE], mac[MAC_SIZE];
    //  A key of its own: a token does not pass.
    crypto_generichash (key, sizeof key, (const uint8_t *) use, sizeof use, secret, ZB_SECRET_SIZE);
    crypto_generichash (mac, sizeof mac, item.data, item.size, key, sizeof key);
    zb_hex (text, mac, sizeof mac);
    sodium_memzero (key, sizeof key);
}

bool zb_item_mac_holds (zb_frame_t item, const uint8_t secret[ZB_SECRET_SIZE], zb_frame_t mac)
{
    char expected[ZB_ITEM_MAC_SIZE];
    zb_item_mac (item, secret, expected);
    return mac.size == ZB_ITEM_MAC_SIZE && sodium_memcmp (expected, mac.data, ZB_ITEM_MAC_SIZE) == 0;
}
