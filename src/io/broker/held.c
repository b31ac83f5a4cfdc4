/*  =========================================================================
    held - requests that wait until their principal owes nothing

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/map.h"
#include "core/base/ring.h"
#include "core/base/timer.h"
#include "io/base/gate.h"
#include "io/broker/held.h"

//  A principal of which something waits.
typedef struct {
    zb_entry_t entry; //  by key
    zb_ring_t waits;
    zb_timer_t timer; //  the first is not looked at before
    size_t bytes;
    char key[];
} row_t;

//  A connection of which something waits.
typedef struct {
    zb_entry_t entry; //  by routing id
    zb_ring_t waits;
    uint64_t number;
    char routing[];
} line_t;

typedef struct {
    zb_ring_t turn; //  on its row's
    zb_ring_t mine; //  on its line's
    row_t *row;
    line_t *line;
    zb_letter_t letter;
    size_t bytes; //  of memory, about
    zmq_msg_t message[];
} request_t;

struct zb_held {
    zb_map_t rows, lines;
    zb_timers_t timers;
    size_t bytes;
    size_t one, all;
    request_t *next; //  that the caller looks at
};

zb_held_t *zb_held_new (void)
{
    zb_held_t *self = (zb_held_t *) calloc (1, sizeof *self);
    assert (self);
    uint8_t key[ZB_MAP_KEY_SIZE];
    randombytes_buf (key, sizeof key);
    zb_map_init (&self->rows, key);
    zb_map_init (&self->lines, key);
    return self;
}

void zb_held_limits (zb_held_t *self, size_t one, size_t all)
{
    self->one = one;
    self->all = all;
}

static row_t *s_row (const zb_held_t *self, zb_frame_t key)
{
    zb_entry_t *entry = zb_map_find (&self->rows, key);
    return entry ? ZB_ITEM (entry, row_t, entry) : NULL;
}

static line_t *s_line (const zb_held_t *self, zb_frame_t routing)
{
    zb_entry_t *entry = zb_map_find (&self->lines, routing);
    return entry ? ZB_ITEM (entry, line_t, entry) : NULL;
}

static row_t *s_row_new (zb_held_t *self, zb_frame_t key, int64_t until)
{
    row_t *row = (row_t *) calloc (1, sizeof *row + key.size);
    assert (row);
    memcpy (row->key, key.data, key.size);
    zb_ring_init (&row->waits);
    zb_map_add (&self->rows, &row->entry, (zb_frame_t){row->key, key.size});
    zb_timer_set (&self->timers, &row->timer, until);
    return row;
}

static line_t *s_line_new (zb_held_t *self, zb_frame_t routing, uint64_t number)
{
    line_t *line = (line_t *) calloc (1, sizeof *line + routing.size);
    assert (line);
    memcpy (line->routing, routing.data, routing.size);
    line->number = number;
    zb_ring_init (&line->waits);
    zb_map_add (&self->lines, &line->entry, (zb_frame_t){line->routing, routing.size});
    zb_gate_pause (number, true);
    return line;
}

//  The last one of its row or line takes that along.
static void s_remove (zb_held_t *self, request_t *request)
{
    row_t *row = request->row;
    line_t *line = request->line;
    for (size_t index = 0; index < request->letter.size; index++)
        zmq_msg_close (&request->message[index]);
    zb_ring_remove (&request->turn);
    zb_ring_remove (&request->mine);
    row->bytes -= request->bytes;
    self->bytes -= request->bytes;
    free (request);
    if (zb_ring_empty (&row->waits)) {
        zb_map_remove (&self->rows, &row->entry);
        zb_timer_stop (&self->timers, &row->timer);
        free (row);
    }
    if (zb_ring_empty (&line->waits)) {
        zb_map_remove (&self->lines, &line->entry);
        zb_gate_pause (line->number, false);
        free (line);
    }
}

void zb_held_destroy (zb_held_t **self_p)
{
    zb_held_t *self = *self_p;
    if (!self)
        return;
    for (zb_timer_t *timer = zb_timer_first (&self->timers); timer; timer = zb_timer_first (&self->timers))
        s_remove (self, ZB_ITEM (ZB_ITEM (timer, row_t, timer)->waits.next, request_t, turn));
    zb_map_clear (&self->rows);
    zb_map_clear (&self->lines);
    zb_timers_clear (&self->timers);
    free (self);
    *self_p = NULL;
}

bool zb_held_has (const zb_held_t *self, zb_frame_t key)
{
    return self->rows.count && s_row (self, key);
}

bool zb_held_add (zb_held_t *self, zb_frame_t routing, zb_frame_t key, zb_letter_t *letter, int64_t until)
{
    assert (!self->next);
    size_t bytes = sizeof (request_t) + letter->size * sizeof (zmq_msg_t) + letter->bytes;
    row_t *row = s_row (self, key);
    if ((row ? row->bytes : 0) + bytes > self->one || self->bytes + bytes > self->all)
        return false;
    line_t *line = s_line (self, routing);
    request_t *request = (request_t *) malloc (sizeof *request + letter->size * sizeof (zmq_msg_t));
    assert (request);
    request->letter = *letter;
    request->letter.message = request->message;
    for (size_t index = 0; index < letter->size; index++) {
        zmq_msg_init (&request->message[index]);
        zmq_msg_move (&request->message[index], &letter->message[index]);
    }
    request->bytes = bytes;
    request->row = row ? row : s_row_new (self, key, until);
    request->line = line ? line : s_line_new (self, routing, letter->number);
    zb_ring_init (&request->turn);
    zb_ring_init (&request->mine);
    zb_ring_append (&request->row->waits, &request->turn);
    zb_ring_append (&request->line->waits, &request->mine);
    request->row->bytes += bytes;
    self->bytes += bytes;
    return true;
}

bool zb_held_next (zb_held_t *self, int64_t now, zb_letter_t *letter)
{
    assert (!self->next);
    zb_timer_t *timer = zb_timer_first (&self->timers);
    if (!timer || timer->when > now)
        return false;
    self->next = ZB_ITEM (ZB_ITEM (timer, row_t, timer)->waits.next, request_t, turn);
    *letter = self->next->letter;
    return true;
}

void zb_held_done (zb_held_t *self)
{
    if (self->next)
        s_remove (self, self->next);
    self->next = NULL;
}

void zb_held_again (zb_held_t *self, int64_t until)
{
    assert (self->next);
    zb_timer_set (&self->timers, &self->next->row->timer, until);
    self->next = NULL;
}

void zb_held_drop (zb_held_t *self, zb_frame_t routing)
{
    assert (!self->next);
    for (line_t *line = s_line (self, routing); line; line = s_line (self, routing))
        s_remove (self, ZB_ITEM (line->waits.next, request_t, mine));
}
