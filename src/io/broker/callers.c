/*  =========================================================================
    callers - which routing id is at the other end of which connection

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
#include "io/base/gate.h"
#include "io/broker/callers.h"

//  A connection that something was heard of.
typedef struct {
    zb_entry_t entry; //  by number
    zb_ring_t ring;   //  of those that have ended, the first to end first
    zb_ring_t callers;
    uint64_t number;
    int64_t ended; //  ms; 0: not yet
    bool shut;     //  nothing of it is done any more
    bool drained;  //  nothing was left to read since it has ended
} line_t;

//  A routing id.  A line has one; more only if a descriptor was taken again before anything was read that had come over it.
typedef struct {
    zb_entry_t entry; //  by routing id
    zb_ring_t ring;   //  on its line's, or of those that are over
    line_t *line;
    zb_frame_t routing, key;
    char bytes[];
} caller_t;

struct zb_callers {
    zb_map_t lines, callers;
    zb_ring_t ended; //  lines
    zb_ring_t over;  //  callers that are in no map
    caller_t *told;  //  the one that was told last
    line_t *last;    //  that was looked for last: often the next one, too
};

zb_callers_t *zb_callers_new (void)
{
    zb_callers_t *self = (zb_callers_t *) calloc (1, sizeof *self);
    assert (self);
    uint8_t key[ZB_MAP_KEY_SIZE];
    randombytes_buf (key, sizeof key);
    zb_map_init (&self->lines, key);
    zb_map_init (&self->callers, key);
    zb_ring_init (&self->ended);
    zb_ring_init (&self->over);
    return self;
}

static void s_drop (caller_t *caller)
{
    zb_ring_remove (&caller->ring);
    free (caller);
}

void zb_callers_destroy (zb_callers_t **self_p)
{
    zb_callers_t *self = *self_p;
    if (!self)
        return;
    for (size_t bucket = 0; bucket < self->callers.buckets; bucket++)
        for (zb_entry_t *entry = self->callers.bucket[bucket], *next; entry; entry = next) {
            next = entry->next;
            s_drop (ZB_ITEM (entry, caller_t, entry));
        }
    for (size_t bucket = 0; bucket < self->lines.buckets; bucket++)
        for (zb_entry_t *entry = self->lines.bucket[bucket], *next; entry; entry = next) {
            next = entry->next;
            free (ZB_ITEM (entry, line_t, entry));
        }
    ZB_RING_EACH (link, after, &self->over)
    s_drop (ZB_ITEM (link, caller_t, ring));
    zb_map_clear (&self->callers);
    zb_map_clear (&self->lines);
    free (self->told);
    free (self);
    *self_p = NULL;
}

static line_t *s_line (zb_callers_t *self, uint64_t number)
{
    if (self->last && self->last->number == number)
        return self->last;
    zb_entry_t *entry = zb_map_find (&self->lines, (zb_frame_t){&number, sizeof number});
    self->last = entry ? ZB_ITEM (entry, line_t, entry) : NULL;
    return self->last;
}

static line_t *s_line_new (zb_callers_t *self, uint64_t number)
{
    line_t *line = (line_t *) calloc (1, sizeof *line);
    assert (line);
    line->number = number;
    zb_ring_init (&line->ring);
    zb_ring_init (&line->callers);
    zb_map_add (&self->lines, &line->entry, (zb_frame_t){&line->number, sizeof line->number});
    return line;
}

static caller_t *s_caller (const zb_callers_t *self, zb_frame_t routing)
{
    zb_entry_t *entry = zb_map_find (&self->callers, routing);
    return entry ? ZB_ITEM (entry, caller_t, entry) : NULL;
}

static void s_caller_new (zb_callers_t *self, line_t *line, zb_frame_t routing, zb_frame_t key)
{
    caller_t *caller = (caller_t *) calloc (1, sizeof *caller + routing.size + key.size);
    assert (caller);
    uint8_t *byte = (uint8_t *) caller->bytes;
    caller->routing = zb_frame_copy (&byte, routing);
    caller->key = zb_frame_copy (&byte, key);
    caller->line = line;
    zb_ring_init (&caller->ring);
    zb_ring_append (&line->callers, &caller->ring);
    zb_map_add (&self->callers, &caller->entry, caller->routing);
}

static void s_over (zb_callers_t *self, caller_t *caller)
{
    zb_map_remove (&self->callers, &caller->entry);
    zb_ring_remove (&caller->ring);
    zb_ring_append (&self->over, &caller->ring);
}

bool zb_callers_heard (zb_callers_t *self, zb_frame_t routing, zb_frame_t key, uint64_t number)
{
    if (number == 0)
        return false;
    line_t *line = s_line (self, number);
    if (line)
        ZB_RING_EACH (link, after, &line->callers)
    if (zb_frame_eq (ZB_ITEM (link, caller_t, ring)->routing, routing))
        return false;
    if (s_caller (self, routing))
        return false;
    if (!line) {
        //  Over already: the next reply says so.
        if (!zb_gate_watch (number))
            return false;
        line = s_line_new (self, number);
    }
    s_caller_new (self, line, routing, key);
    return true;
}

void zb_callers_each (zb_callers_t *self, zb_caller_fn *function, void *context)
{
    for (size_t bucket = 0; bucket < self->callers.buckets; bucket++)
        for (zb_entry_t *entry = self->callers.bucket[bucket]; entry; entry = entry->next) {
            const caller_t *caller = ZB_ITEM (entry, caller_t, entry);
            function (context, caller->routing, caller->key);
        }
}

void zb_callers_idle (zb_callers_t *self)
{
    for (zb_ring_t *link = self->ended.prev; link != &self->ended; link = link->prev) {
        line_t *line = ZB_ITEM (link, line_t, ring);
        if (line->drained)
            break;
        line->drained = true;
    }
}

//  Ends that the gate knows of, and then those that count by now.
static void s_ended (zb_callers_t *self, int64_t now)
{
    uint64_t number;
    while ((number = zb_gate_ended ())) {
        line_t *line = s_line (self, number);
        if (line) {
            line->ended = now;
            zb_ring_append (&self->ended, &line->ring);
        }
    }
    while (!zb_ring_empty (&self->ended)) {
        line_t *line = ZB_ITEM (self->ended.next, line_t, ring);
        if (!line->drained && now - line->ended < ZB_CALLERS_LATE)
            break;
        ZB_RING_EACH (link, after, &line->callers)
        s_over (self, ZB_ITEM (link, caller_t, ring));
        zb_ring_remove (&line->ring);
        zb_map_remove (&self->lines, &line->entry);
        if (self->last == line)
            self->last = NULL;
        free (line);
    }
}

bool zb_callers_over (zb_callers_t *self, int64_t now, zb_frame_t *routing, zb_frame_t *key)
{
    free (self->told);
    self->told = NULL;
    if (zb_ring_empty (&self->over))
        s_ended (self, now);
    zb_ring_t *link = zb_ring_pop (&self->over);
    if (!link)
        return false;
    self->told = ZB_ITEM (link, caller_t, ring);
    *routing = self->told->routing;
    *key = self->told->key;
    return true;
}

zb_frame_t zb_callers_key (const zb_callers_t *self, zb_frame_t routing)
{
    caller_t *caller = s_caller (self, routing);
    return caller ? caller->key : (zb_frame_t){NULL, 0};
}

uint64_t zb_callers_number (const zb_callers_t *self, zb_frame_t routing)
{
    caller_t *caller = s_caller (self, routing);
    return caller ? caller->line->number : 0;
}

void zb_callers_shut (zb_callers_t *self, zb_frame_t routing)
{
    caller_t *caller = s_caller (self, routing);
    if (caller)
        caller->line->shut = true;
}

bool zb_callers_is_shut (zb_callers_t *self, uint64_t number)
{
    line_t *line = number ? s_line (self, number) : NULL;
    return line && line->shut;
}
