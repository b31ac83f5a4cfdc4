/*  =========================================================================
    producer - a name's numbers: what comes next, and what has been before

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/queue/producer.h"

zb_producer_t *zb_producer_new (zb_frame_t name)
{
    zb_producer_t *self = (zb_producer_t *) calloc (1, sizeof (zb_producer_t) + name.size);
    assert (self);
    zb_ring_init (&self->idle);
    zb_ring_init (&self->touched);
    memcpy (self->text, name.data, name.size);
    self->name = (zb_frame_t){self->text, name.size};
    return self;
}

void zb_producer_destroy (zb_producer_t **self_p)
{
    zb_producer_t *self = *self_p;
    if (self) {
        assert (!self->entry.in && zb_ring_empty (&self->idle) && zb_ring_empty (&self->touched));
        for (unsigned group = 0; group < ZB_GROUPS; group++)
            free (self->group[group]);
        free (self);
        *self_p = NULL;
    }
}

static zb_slot_t *s_group (zb_producer_t *self, unsigned group)
{
    if (!self->group[group]) {
        self->group[group] = (zb_slot_t *) calloc (ZB_GROUP_SLOTS, sizeof (zb_slot_t));
        assert (self->group[group]);
    }
    return self->group[group];
}

const zb_slot_t *zb_producer_slot (const zb_producer_t *self, uint64_t number)
{
    const zb_slot_t *group = self->group[number % ZB_WINDOW / ZB_GROUP_SLOTS];
    return group ? &group[number % ZB_GROUP_SLOTS] : NULL;
}

static bool s_knows (const zb_producer_t *self, uint64_t number)
{
    const zb_slot_t *slot = zb_producer_slot (self, number);
    return slot && slot->number == number;
}

//  Numbers without a gap behind the last one are known from the other side of a split.
static void s_pass_known (zb_producer_t *self)
{
    while (s_knows (self, self->last + 1))
        self->last++;
}

//  A PUT writes its group alone, so the slots know the newest number and the name's row an older one: all from there on,
//  or the newest ZB_WINDOW of them.  Those behind a gap are known from the other side of a split.
static void s_catch_up (zb_producer_t *self)
{
    uint64_t newest = 0;
    for (unsigned group = 0; group < ZB_GROUPS; group++)
        for (unsigned slot = 0; self->group[group] && slot < ZB_GROUP_SLOTS; slot++)
            if (self->group[group][slot].number > newest)
                newest = self->group[group][slot].number;
    if (newest > ZB_WINDOW && self->last < newest - ZB_WINDOW)
        self->last = newest - ZB_WINDOW;
    s_pass_known (self);
}

int zb_producer_load (zb_producer_t *self, const zb_row_t *row, const zb_found_t *group, size_t groups)
{
    if (!row)
        return groups ? -1 : 0;
    zb_producer_row_t head;
    if (zb_producer_row_decode (&head, row))
        return -1;
    self->kept = true;
    self->instance = head.instance;
    self->last = head.last;
    self->seen = head.seen;
    for (size_t index = 0; index < groups; index++) {
        const zb_found_t *found = &group[index];
        unsigned number = found->key[found->key_size - 1];
        if (found->key_size != self->name.size + 2 || number >= ZB_GROUPS ||
            zb_group_decode (s_group (self, number), number, found->row))
            return -1;
    }
    s_catch_up (self);
    return 0;
}

zb_put_t zb_producer_check (const zb_producer_t *self, uint64_t number, uint64_t digest)
{
    if (s_knows (self, number))
        return zb_producer_slot (self, number)->digest == digest ? ZB_PUT_AGAIN : ZB_PUT_OTHER;
    if (number > self->last)
        return number == self->last + 1 ? ZB_PUT_NEXT : ZB_PUT_GAP;
    return ZB_PUT_PAST;
}

bool zb_producer_own (zb_producer_t *self, uint64_t instance)
{
    if (self->instance >= instance)
        return false;
    self->instance = instance;
    self->dirty = true;
    return true;
}

static void s_keep (zb_producer_t *self, const zb_slot_t *slot)
{
    unsigned group = (unsigned) (slot->number % ZB_WINDOW / ZB_GROUP_SLOTS);
    s_group (self, group)[slot->number % ZB_GROUP_SLOTS] = *slot;
    self->dirty_groups |= (uint8_t) (1u << group);
}

void zb_producer_learn (zb_producer_t *self, const zb_slot_t *slot)
{
    const zb_slot_t *kept = zb_producer_slot (self, slot->number);
    if (!kept || kept->number < slot->number)
        s_keep (self, slot);
    s_pass_known (self);
    self->dirty = true;
}

void zb_producer_merge (zb_producer_t *self, const zb_slot_t *slot)
{
    zb_producer_learn (self, slot);
    if (slot->number > self->last)
        self->last = slot->number;
}

void zb_producer_keep (zb_producer_t *self, const zb_slot_t *slot)
{
    assert (slot->number == self->last + 1); //  I8
    s_keep (self, slot);
    self->last = slot->number;
    s_pass_known (self);
}

void zb_producer_write (zb_producer_t *self, zb_commit_t *commit)
{
    if (self->dirty) {
        zb_producer_row_t row = {self->instance, self->last, self->seen};
        uint8_t value[ZB_PRODUCER_ROW_SIZE];
        zb_producer_row_encode (&row, value);
        zb_batch_put (commit->batch, ZB_PRODUCERS, self->name.data, self->name.size, value, sizeof value);
    }
    for (unsigned group = 0; group < ZB_GROUPS; group++)
        if (self->dirty_groups >> group & 1) {
            uint8_t key[ZB_KEY_MAX];
            uint8_t value[ZB_GROUP_ROW_SIZE];
            size_t size = zb_group_key (self->name, group, key);
            zb_group_encode (self->group[group], value);
            zb_batch_put (commit->batch, ZB_PRODUCERS, key, size, value, sizeof value);
        }
    self->dirty = false;
    self->dirty_groups = 0;
    self->commit = commit->number;
}

//  Goes on from `digest` over one part.  The key of each step holds the digest so far and the part's size, so that the
//  same bytes cut in other places are something else.
static uint64_t s_digest (uint64_t digest, zb_frame_t part, const uint8_t key[ZB_MAP_KEY_SIZE])
{
    uint8_t step[ZB_MAP_KEY_SIZE];
    uint64_t result = 0;
    zb_put64 (step, zb_get64 (key) ^ digest);
    zb_put64 (step + 8, zb_get64 (key + 8) ^ part.size);
    uint8_t hash[crypto_shorthash_BYTES];
    crypto_shorthash (hash, (const uint8_t *) (part.size ? part.data : step), part.size, step);
    result = zb_get64 (hash);
    return result;
}

uint64_t zb_put_digest (const zb_request_t *request, const uint8_t key[ZB_MAP_KEY_SIZE])
{
    uint64_t digest = s_digest (request->bodies, request->queue, key);
    digest = s_digest (digest, request->properties, key);
    for (size_t index = 0; index < request->bodies; index++)
        digest = s_digest (digest, request->body[index], key);
    return digest;
}
