/*  =========================================================================
    cursor_keys - which messages of a cursor wait for others of their key

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    What is known of keys is core/queue/keyed; here it meets the views: what is blocked there, is
    ready again, or is done.  `keys` is NULL where messages don't go by their key.
*/

#include "core/queue/cursor_self.h"

//  What it knows of keys counts among the bytes of its log.
static void s_charge_keys (zb_cursor_t *self)
{
    zb_keyed_t *keys = self->keys;
    if (keys->bytes > keys->charged)
        zb_log_charge (self->log, keys->bytes - keys->charged);
    else
        zb_log_refund (self->log, keys->charged - keys->bytes);
    keys->charged = keys->bytes;
}

void zb_cursor_free_key (zb_cursor_t *self, uint64_t id)
{
    zb_keyed_free (self->keys, id);
    s_charge_keys (self);
}

void zb_cursor_unblock_all (zb_cursor_t *self, size_t place)
{
    zb_view_t *view = zb_cursor_view (self, place);
    if (view->blocked == 0)
        return;
    for (uint32_t number = 0; view->blocked && number < view->places->count; number++)
        if (zb_view_is_blocked (view, number)) {
            zb_view_return (view, number);
            self->leased--;
            self->ready += place < self->window ? 1 : 0;
        }
    if (place < self->scan)
        self->scan = place;
}

void zb_cursor_let_key (zb_cursor_t *self, const zb_view_t *view, uint32_t number)
{
    if (!self->keys)
        return;
    uint64_t id = zb_places_id (view->places, number);
    if (zb_view_is_blocked (view, number))
        zb_keyed_drop (self->keys, zb_places_properties (view->places, number), id);
    else
        zb_cursor_free_key (self, id);
}

void zb_cursor_clear_keys (zb_cursor_t *self)
{
    if (!self->keys)
        return;
    zb_keyed_clear (self->keys);
    s_charge_keys (self);
}

void zb_cursor_forget_keys (zb_cursor_t *self)
{
    zb_cursor_clear_keys (self);
    zb_keyed_destroy (&self->keys);
}

void zb_cursor_go_by_key (zb_cursor_t *self, const uint8_t secret[ZB_MAP_KEY_SIZE])
{
    for (size_t place = 0; !secret && self->keys && self->keys->count && place < self->window; place++)
        zb_cursor_unblock_all (self, place);
    if (!secret)
        zb_cursor_forget_keys (self);
    else if (!self->keys)
        self->keys = zb_keyed_new (secret);
}

void zb_cursor_lend_key (zb_cursor_t *self, const zb_view_t *view, uint32_t number)
{
    zb_keyed_lend (self->keys, zb_places_properties (view->places, number), zb_places_id (view->places, number));
    s_charge_keys (self);
}
bool zb_cursor_may (zb_cursor_t *self, zb_view_t *view, uint32_t number)
{
    if (zb_keyed_may (self->keys, zb_places_properties (view->places, number), zb_places_id (view->places, number)))
        return true;
    zb_cursor_fewer (self, view);
    s_charge_keys (self);
    zb_view_block (view, number, &self->keys->blocked);
    self->leased++;
    return false;
}

//  Whether the message is ready, be it that it was blocked.
static bool s_unblock (zb_cursor_t *self, uint64_t id)
{
    uint32_t number = 0;
    zb_view_t *view = zb_cursor_find (self, id, &number);
    if (view && zb_view_is_blocked (view, number))
        zb_cursor_return (self, view, number);
    return view && zb_view_is_ready (view, number);
}

bool zb_cursor_settle (zb_cursor_t *self, size_t *left)
{
    uint64_t id = 0;
    while (*left && zb_keyed_next (self->keys, &id)) {
        --*left;
        if (id <= self->reach && s_unblock (self, id))
            zb_keyed_ready (self->keys, id);
        else
            zb_keyed_forget (self->keys, self->reach);
    }
    s_charge_keys (self);
    return zb_cursor_settled (self);
}

bool zb_cursor_settled (const zb_cursor_t *self)
{
    return !self->keys || zb_ring_empty (&self->keys->freed);
}

size_t zb_cursor_key_bytes (const zb_cursor_t *self)
{
    return self->keys ? self->keys->bytes : 0;
}

uint64_t zb_cursor_blocked (const zb_cursor_t *self)
{
    return self->keys ? self->keys->count : 0;
}
