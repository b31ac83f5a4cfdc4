/*  =========================================================================
    events - what happened to this broker, its pair and its clients lately

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/broker/events.h"

//  Of a kind that can be provoked, in so many ms.
#define PROVOKED_MOST 10
#define PROVOKED_MS 10000

static const struct {
    const char *name;
    bool provoked;
} s_kinds[ZB_EVENT_KINDS] = {
    [ZB_EVENT_ROLE] = {"role", false},         [ZB_EVENT_TAKEOVER] = {"takeover", false},
    [ZB_EVENT_ALONE] = {"alone", false},       [ZB_EVENT_SPLIT] = {"split", false},
    [ZB_EVENT_RESYNC] = {"resync", false},     [ZB_EVENT_STORE] = {"store", false},
    [ZB_EVENT_BACKUP] = {"backup", false},     [ZB_EVENT_OPERATOR] = {"operator", false},
    [ZB_EVENT_REFUSED] = {"refused", true},    [ZB_EVENT_HANDSHAKE] = {"handshake", true},
    [ZB_EVENT_CROWDED] = {"crowded", true},    [ZB_EVENT_FENCED] = {"fenced", true},
};

typedef struct {
    zb_event_kind_t kind;
    uint64_t epoch, n;
    int64_t wall;
    uint32_t from;
    uint64_t left_out; //  of its kind, before it
    char *who;         //  or NULL
    char *text;
} event_t;

struct zb_events {
    event_t event[ZB_EVENTS_KEPT]; //  the oldest first
    size_t size;
    size_t provoked; //  of these
    uint64_t last;   //  n of the newest one ever,
    uint64_t lost;   //  and up to which they are here no more: earlier processes' are not
    uint64_t epoch;
    int64_t wall, now;
    struct {
        int64_t since; //  ms
        unsigned count;
        uint64_t left_out;
    } rate[ZB_EVENT_KINDS];
};

zb_events_t *zb_events_new (int64_t wall)
{
    zb_events_t *self = (zb_events_t *) calloc (1, sizeof *self);
    assert (self);
    self->last = self->lost = wall > 0 ? (uint64_t) wall : 0;
    return self;
}

static void s_drop (zb_events_t *self, size_t index)
{
    event_t *event = &self->event[index];
    if (self->lost < event->n)
        self->lost = event->n;
    self->provoked -= s_kinds[event->kind].provoked;
    free (event->who);
    free (event->text);
    memmove (event, event + 1, (--self->size - index) * sizeof *event);
}

void zb_events_destroy (zb_events_t **self_p)
{
    zb_events_t *self = *self_p;
    if (self) {
        while (self->size)
            s_drop (self, self->size - 1);
        free (self);
        *self_p = NULL;
    }
}

void zb_events_time (zb_events_t *self, uint64_t epoch, int64_t wall, int64_t now)
{
    self->epoch = epoch;
    self->wall = wall;
    self->now = now;
}

//  Whether there were few of the kind lately; else it is counted.
static bool s_is_let_in (zb_events_t *self, zb_event_kind_t kind)
{
    if (!s_kinds[kind].provoked)
        return true;
    if (self->rate[kind].count == 0 || self->now - self->rate[kind].since >= PROVOKED_MS) {
        self->rate[kind].since = self->now;
        self->rate[kind].count = 0;
    }
    bool few = self->rate[kind].count < PROVOKED_MOST;
    self->rate[kind].count += few;
    self->rate[kind].left_out += !few;
    return few;
}

//  The oldest one goes; of those that were provoked, if they have half of the room.
static void s_make_room (zb_events_t *self, bool provoked)
{
    size_t index = 0;
    if (self->provoked >= ZB_EVENTS_KEPT / 2)
        while (!s_kinds[self->event[index].kind].provoked)
            index++;
    if (self->size == ZB_EVENTS_KEPT || (provoked && self->provoked >= ZB_EVENTS_KEPT / 2))
        s_drop (self, index);
}

static char *s_copy (const char *text)
{
    char *copy = text ? strndup (text, ZB_EVENT_TEXT) : NULL;
    assert (copy || !text);
    return copy;
}

void zb_events_add (zb_events_t *self, zb_event_kind_t kind, const char *who, uint32_t from, const char *text)
{
    assert (kind < ZB_EVENT_KINDS && text);
    if (!s_is_let_in (self, kind))
        return;
    bool provoked = s_kinds[kind].provoked;
    s_make_room (self, provoked);
    uint64_t wall = self->wall > 0 ? (uint64_t) self->wall : 0;
    self->last = wall > self->last ? wall : self->last + 1;
    self->provoked += provoked;
    self->event[self->size++] = (event_t){.kind = kind,
                                          .epoch = self->epoch,
                                          .n = self->last,
                                          .wall = self->wall,
                                          .from = from,
                                          .left_out = self->rate[kind].left_out,
                                          .who = s_copy (who),
                                          .text = s_copy (text)};
    self->rate[kind].left_out = 0;
}

//  ---------------------------------------------------------------------------
//  As JSON

static json_t *s_id (const event_t *event)
{
    char text[48];
    snprintf (text, sizeof text, "%" PRIu64 ".%" PRIu64, event->epoch, event->n);
    return json_string (text);
}

//  What was cut may end amid a character, and what an operator has said may be no UTF-8 at all: then only its ASCII is told.
static json_t *s_text (const char *text)
{
    json_t *json = json_string (text);
    if (json)
        return json;
    char *plain = strdup (text);
    assert (plain);
    for (char *byte = plain; *byte; byte++)
        *byte = (unsigned char) *byte < 0x80 ? *byte : '?';
    json = json_string (plain);
    free (plain);
    return json;
}

static json_t *s_event (const event_t *event)
{
    char address[16];
    snprintf (address, sizeof address, "%u.%u.%u.%u", event->from >> 24, event->from >> 16 & 255, event->from >> 8 & 255,
              event->from & 255);
    json_t *object = json_object ();
    json_object_set_new (object, "id", s_id (event));
    json_object_set_new (object, "time", json_integer (event->wall));
    json_object_set_new (object, "kind", json_string (s_kinds[event->kind].name));
    json_object_set_new (object, "text", s_text (event->text));
    json_object_set_new (object, "principal", event->who ? s_text (event->who) : json_null ());
    json_object_set_new (object, "address", event->from ? json_string (address) : json_null ());
    json_object_set_new (object, "left_out", json_integer ((json_int_t) event->left_out));
    return object;
}

char *zb_events_json (const zb_events_t *self, const char *node, uint64_t after, uint64_t max)
{
    //  One that was not given yet is of a clock that was ahead then: all is told.
    bool behind = after && after <= self->last;
    size_t from = 0;
    while (behind && from < self->size && self->event[from].n <= after)
        from++;
    if (!after && self->size > max)
        from = self->size - (size_t) max;
    size_t end = self->size - from > max ? from + (size_t) max : self->size;
    json_t *events = json_array ();
    for (size_t index = from; index < end; index++)
        json_array_append_new (events, s_event (&self->event[index]));
    json_t *object = json_object ();
    json_object_set_new (object, "node", json_string (node));
    json_object_set_new (object, "missed", json_boolean (after && (!behind || after < self->lost)));
    json_object_set_new (object, "more", json_boolean (end < self->size));
    json_object_set_new (object, "events", events);
    char *text = json_dumps (object, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref (object);
    assert (text);
    return text;
}
