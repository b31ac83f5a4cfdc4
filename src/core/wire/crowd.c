/*  =========================================================================
    crowd - who may connect: connections in all, of an address, and a second

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <stdlib.h>

#include "core/base/limits.h"
#include "core/base/map.h"
#include "core/base/ring.h"
#include "core/wire/crowd.h"

//  Addresses without a connection whose buckets are remembered; whoever comes back after them has a full one.
#define GONE_MOST 4096
#define TOKEN 1000 //  a bucket counts in thousandths

typedef struct {
    zb_entry_t entry;
    zb_ring_t gone; //  on the ring of those without a connection
    uint32_t address;
    size_t open;
    int64_t tokens;
    int64_t filled; //  ms, when the tokens were counted
} place_t;

struct zb_crowd {
    zb_map_t places;
    zb_ring_t gone;
    size_t gones;
    size_t size, most, per_address;
};

zb_crowd_t *zb_crowd_new (size_t most, size_t per_address, const uint8_t *key)
{
    zb_crowd_t *self = (zb_crowd_t *) calloc (1, sizeof *self);
    assert (self);
    zb_map_init (&self->places, key);
    zb_ring_init (&self->gone);
    self->most = most;
    self->per_address = per_address;
    return self;
}

static void s_forget (zb_crowd_t *self, place_t *place)
{
    zb_ring_remove (&place->gone);
    zb_map_remove (&self->places, &place->entry);
    free (place);
}

//  All must have left.
void zb_crowd_destroy (zb_crowd_t **self_p)
{
    zb_crowd_t *self = *self_p;
    if (!self)
        return;
    assert (self->size == 0);
    ZB_RING_EACH (link, after, &self->gone)
    s_forget (self, ZB_ITEM (link, place_t, gone));
    zb_map_clear (&self->places);
    free (self);
    *self_p = NULL;
}

static place_t *s_find (zb_crowd_t *self, uint32_t address)
{
    zb_entry_t *entry = zb_map_find (&self->places, (zb_frame_t){&address, sizeof address});
    return entry ? ZB_ITEM (entry, place_t, entry) : NULL;
}

static place_t *s_add (zb_crowd_t *self, uint32_t address, int64_t now)
{
    place_t *place = (place_t *) calloc (1, sizeof *place);
    assert (place);
    place->address = address;
    place->tokens = (int64_t) ZB_CONNECT_BURST * TOKEN;
    place->filled = now;
    zb_ring_init (&place->gone);
    zb_map_add (&self->places, &place->entry, (zb_frame_t){&place->address, sizeof place->address});
    return place;
}

//  Whoever has no connection is remembered for a while, so that leaving does not fill a bucket.
static void s_remember (zb_crowd_t *self, place_t *place)
{
    if (place->open || !zb_ring_empty (&place->gone))
        return;
    zb_ring_append (&self->gone, &place->gone);
    if (++self->gones > GONE_MOST) {
        self->gones--;
        s_forget (self, ZB_ITEM (self->gone.next, place_t, gone));
    }
}

static void s_fill (place_t *self, int64_t now)
{
    int64_t full = (int64_t) ZB_CONNECT_BURST * TOKEN;
    int64_t passed = now - self->filled;
    self->filled = now;
    //  ZB_CONNECT_RATE a second are as many thousandths a ms.
    if (passed >= full / ZB_CONNECT_RATE || self->tokens + passed * ZB_CONNECT_RATE > full)
        self->tokens = full;
    else if (passed > 0)
        self->tokens += passed * ZB_CONNECT_RATE;
}

static zb_crowd_answer_t s_ask (zb_crowd_t *self, place_t *place, int64_t now)
{
    s_fill (place, now);
    if (place->open >= self->per_address)
        return ZB_CROWD_ADDRESS;
    if (place->tokens < TOKEN)
        return ZB_CROWD_RATE;
    place->tokens -= TOKEN;
    return ZB_CROWD_ENTERS;
}

zb_crowd_answer_t zb_crowd_enter (zb_crowd_t *self, uint32_t address, int64_t now)
{
    if (self->size >= self->most)
        return ZB_CROWD_FULL;
    if (address >> 24 != 127) {
        place_t *place = s_find (self, address);
        if (!place)
            place = s_add (self, address, now);
        zb_crowd_answer_t answer = s_ask (self, place, now);
        if (answer != ZB_CROWD_ENTERS) {
            s_remember (self, place);
            return answer;
        }
        place->open++;
        if (!zb_ring_empty (&place->gone)) {
            zb_ring_remove (&place->gone);
            self->gones--;
        }
    }
    self->size++;
    return ZB_CROWD_ENTERS;
}

void zb_crowd_leave (zb_crowd_t *self, uint32_t address)
{
    assert (self->size > 0);
    self->size--;
    if (address >> 24 == 127)
        return;
    place_t *place = s_find (self, address);
    assert (place && place->open > 0);
    place->open--;
    s_remember (self, place);
}

size_t zb_crowd_size (const zb_crowd_t *self)
{
    return self->size;
}
