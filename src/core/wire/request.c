/*  =========================================================================
    request - what a client asks, parsed once from the frames of ZB1

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/wire/filter.h"
#include "core/wire/request.h"

//  Both put the text that goes with the error into the request.
static int s_bad (zb_request_t *self, const char *what, const char *wrong)
{
    snprintf (self->text, sizeof (self->text), "%s: %s", what, wrong);
    return ZB_BAD_REQUEST;
}

static int s_too_large (zb_request_t *self, const char *what, size_t size, size_t limit, const char *unit)
{
    snprintf (self->text, sizeof (self->text), "%s: %zu%s, the limit is %zu", what, size, unit, limit);
    return ZB_TOO_LARGE;
}

static int s_parse_hello (zb_request_t *self, const zb_frame_t *arg, size_t args)
{
    if (args > 0 && arg[0].size) {
        const char *wrong = zb_name_check (arg[0]);
        if (wrong)
            return s_bad (self, "name", wrong);
        self->name = arg[0];
    }
    if (args > 1) {
        if (arg[1].size > ZB_TOKEN_MAX)
            return s_too_large (self, "token", arg[1].size, ZB_TOKEN_MAX, " bytes");
        self->token = arg[1];
    }
    if (args > 2 && arg[2].size && !zb_number_parse (arg[2], INT64_MAX, &self->instance))
        return s_bad (self, "instance", "not a number of 0 to 2^63-1");
    return 0;
}

static int s_parse_lines (zb_request_t *self, const char *what, zb_frame_t lines, zb_frame_t *result)
{
    const char *wrong = zb_lines_check (lines);
    if (wrong)
        return s_bad (self, what, wrong);
    *result = lines;
    return 0;
}

//  The PUT is beyond a limit of this broker.
static void s_over (zb_request_t *self, const char *what, size_t size, size_t limit, const char *unit)
{
    if (size > limit && !self->over) {
        s_too_large (self, what, size, limit, unit);
        self->over = true;
    }
}

static int s_parse_acks (zb_request_t *self, zb_spans_t *ids, zb_frame_t acks)
{
    if (acks.size > ZB_ACKS_MAX)
        return s_too_large (self, "acks", acks.size, ZB_ACKS_MAX, " bytes");
    if (acks.size == 0 && self->verb != ZB_GET)
        return s_bad (self, "acks", "empty");
    if (!zb_spans_parse (ids, acks))
        return s_bad (self, "acks", "not ids or ranges ID..ID with one space between");
    self->span = ids->span;
    self->spans = ids->size;
    for (size_t index = 0; index < ids->size; index++)
        self->ranges = self->ranges || ids->span[index].first < ids->span[index].last;
    return 0;
}

//  Whether this is the instruction "acks=QUEUE ID...".  A property acks of another form is the program's own, as all of
//  that name were in the first release.
static bool s_is_acks (zb_frame_t name, zb_frame_t value)
{
    size_t id = zb_frame_find (value, 0, ' ') + 1;
    const char *text = (const char *) value.data;
    return zb_frame_is (name, "acks") && id > 1 && id < value.size && text[id] >= '0' && text[id] <= '9';
}

static int s_take_acks (zb_request_t *self, zb_spans_t *ids, zb_frame_t value)
{
    size_t space = zb_frame_find (value, 0, ' ');
    zb_frame_t queue = zb_frame_part (value, 0, space), text = zb_frame_part (value, space + 1, value.size);
    if (self->acked.size)
        return s_bad (self, "acks", "there are two of them");
    const char *wrong = zb_place_check (queue);
    if (wrong)
        return s_bad (self, "acks", wrong);
    if (text.size > ZB_ACKS_MAX)
        return s_too_large (self, "acks", text.size, ZB_ACKS_MAX, " bytes");
    bool good = zb_spans_parse (ids, text);
    for (size_t index = 0; good && index < ids->size; index++)
        good = ids->span[index].first == ids->span[index].last;
    if (!good)
        return s_bad (self, "acks", "not a queue and ids, no ranges, with one space between");
    if (ids->size > ZB_PUT_ACKS_MAX)
        return s_too_large (self, "acks", ids->size, ZB_PUT_ACKS_MAX, " ids");
    self->acked = queue;
    self->span = ids->span;
    self->spans = ids->size;
    return 0;
}

static int s_find_acks (zb_request_t *self, zb_spans_t *ids)
{
    size_t cursor = 0, start = 0;
    zb_frame_t name, value;
    for (; zb_lines_next (self->properties, &cursor, &name, &value); start = cursor) {
        int result = s_is_acks (name, value) ? s_take_acks (self, ids, value) : 0;
        if (result)
            return result;
        if (self->acked.size && self->acks_size == 0) {
            self->acks_at = start;
            self->acks_size = (cursor < self->properties.size ? cursor : self->properties.size) - start;
        }
    }
    return 0;
}

static int s_parse_put (zb_request_t *self, zb_spans_t *ids, const zb_frame_t *arg, size_t args,
                        const zb_limits_t *limits)
{
    int result = s_parse_lines (self, "properties", arg[1], &self->properties);
    result = result ? result : s_find_acks (self, ids);
    if (result)
        return result;
    self->body = arg + 2;
    self->bodies = args - 2;
    s_over (self, "bodies", self->bodies, limits->bodies, "");
    for (size_t index = 0; index < self->bodies; index++) {
        s_over (self, "body", self->body[index].size, limits->body, " bytes");
        self->body_bytes += self->body[index].size;
    }
    s_over (self, "properties", arg[1].size, limits->properties, " bytes");
    return 0;
}

static int s_parse_wait (zb_request_t *self, const zb_frame_t *arg, const zb_limits_t *limits)
{
    if (!zb_number_parse (arg[1], UINT64_MAX, &self->max))
        return s_bad (self, "max", "not a number");
    if (!zb_number_parse (arg[2], UINT64_MAX, &self->wait))
        return s_bad (self, "wait-ms", "not a number");
    if (self->max > limits->bodies)
        self->max = limits->bodies;
    if (self->wait > ZB_WAIT_MAX)
        self->wait = ZB_WAIT_MAX;
    return 0;
}

static int s_parse_get (zb_request_t *self, zb_spans_t *ids, const zb_frame_t *arg, const zb_limits_t *limits)
{
    int result = s_parse_wait (self, arg, limits);
    return result ? result : s_parse_acks (self, ids, arg[3]);
}

static int s_parse_read (zb_request_t *self, const zb_frame_t *arg, size_t args, const zb_limits_t *limits)
{
    if (!zb_position_parse (&self->where, arg[1]))
        return s_bad (self, "position", "not new, first, a message id, or @ and ms since 1970");
    //  Max and wait-ms are where a GET has them.
    int result = s_parse_wait (self, arg + 1, limits);
    if (!result && self->max == 0)
        return s_bad (self, "max", "not 1 or more");
    const char *wrong = args > 4 && arg[4].size ? zb_filter_check (arg[4]) : NULL;
    if (!result && wrong)
        return s_bad (self, "filter", wrong);
    if (args > 4)
        self->filter = arg[4];
    return result;
}

//  A position is `first`, or the id of the message behind which it begins.
static int s_parse_peek (zb_request_t *self, const zb_frame_t *arg, const zb_limits_t *limits)
{
    if (!zb_frame_is (arg[1], "first") &&
        (!zb_number_parse (arg[1], UINT64_MAX, &self->position) || self->position == 0))
        return s_bad (self, "position", "neither 'first' nor an id");
    if (!zb_number_parse (arg[2], UINT64_MAX, &self->max) || self->max == 0)
        return s_bad (self, "max", "not a number of 1 or more");
    if (self->max > limits->bodies)
        self->max = limits->bodies;
    return 0;
}

static int s_parse_nack (zb_request_t *self, zb_spans_t *ids, const zb_frame_t *arg, size_t args)
{
    if (args > 2 && arg[2].size && !zb_number_parse (arg[2], INT32_MAX, &self->wait))
        return s_bad (self, "delay-ms", "not a number of at most 2147483647");
    self->untried = args > 3 && zb_frame_is (arg[3], "untried");
    if (args > 3 && arg[3].size && !self->untried)
        return s_bad (self, "untried", "neither this word nor empty");
    return s_parse_acks (self, ids, arg[1]);
}

//  A folder of the broker's machine; an empty one ends what is being made.
static int s_parse_copy (zb_request_t *self, const zb_frame_t *arg, size_t args)
{
    const char *text = arg[1].data;
    self->options = arg[1];
    if (arg[1].size > ZB_FOLDER_MAX)
        return s_too_large (self, "folder", arg[1].size, ZB_FOLDER_MAX, " bytes");
    for (size_t index = 0; index < arg[1].size; index++)
        if ((unsigned char) text[index] < ' ')
            return s_bad (self, "folder", "it has a control character");
    if (arg[1].size && (text[0] != '/' || text[arg[1].size - 1] == '/'))
        return s_bad (self, "folder", "it begins with / and does not end with one");
    if (args > 2 && !zb_number_parse (arg[2], INT64_MAX, &self->max))
        return s_bad (self, "bytes-per-second", "not a number");
    return 0;
}

static int s_parse_operator (zb_request_t *self, const zb_frame_t *arg, size_t args)
{
    self->proof = arg[0];
    if (self->verb == ZB_KEY && args > 1) {
        self->options = arg[1];
        return arg[1].size > ZB_CHANGE_MAX ? s_too_large (self, "change", arg[1].size, ZB_CHANGE_MAX, " bytes") : 0;
    }
    if (self->verb == ZB_COPY)
        return s_parse_copy (self, arg, args);
    self->accept_loss = args > 1 && zb_frame_is (arg[1], "accept-loss");
    if (args > 2)
        self->witness_proof = arg[2];
    if (self->verb == ZB_PROMOTE && !self->accept_loss)
        return s_bad (self, "promote", "messages may be lost, and the word accept-loss is missing");
    return 0;
}

//  The max of a page, which may be missing or empty.
static int s_parse_max (zb_request_t *self, const zb_frame_t *arg, size_t args, size_t index, uint64_t otherwise, uint64_t most)
{
    self->max = otherwise;
    if (args > index && arg[index].size && (!zb_number_parse (arg[index], UINT64_MAX, &self->max) || self->max == 0))
        return s_bad (self, "max", "not a number of 1 or more");
    if (self->max > most)
        self->max = most;
    return 0;
}

//  Each argument may be missing, or be empty.
static int s_parse_list (zb_request_t *self, const zb_frame_t *arg, size_t args)
{
    const char *wrong = args && arg[0].size ? zb_pattern_check (arg[0]) : NULL;
    if (wrong)
        return s_bad (self, "pattern", wrong);
    if (args)
        self->queue = arg[0];
    wrong = args > 1 && arg[1].size ? zb_place_check (arg[1]) : NULL;
    if (wrong)
        return s_bad (self, "after", wrong);
    if (args > 1)
        self->after = arg[1];
    return s_parse_max (self, arg, args, 2, self->after.size ? ZB_LIST_PAGE : 0, ZB_LIST_MAX);
}

//  An event's id is EPOCH.N.
static int s_parse_events (zb_request_t *self, const zb_frame_t *arg, size_t args)
{
    uint64_t epoch;
    size_t dot = args ? zb_frame_find (arg[0], 0, '.') : 0;
    if (args && arg[0].size &&
        (dot == arg[0].size || !zb_number_parse (zb_frame_part (arg[0], 0, dot), UINT64_MAX, &epoch) ||
         !zb_number_parse (zb_frame_part (arg[0], dot + 1, arg[0].size), UINT64_MAX, &self->position) || !self->position))
        return s_bad (self, "after", "no id of an event, EPOCH.N");
    return s_parse_max (self, arg, args, 1, ZB_EVENTS_PAGE, ZB_EVENTS_PAGE);
}

//  The last id may be empty: the newest.
static int s_parse_move (zb_request_t *self, zb_spans_t *ids, const zb_frame_t *arg, const zb_limits_t *limits)
{
    const char *wrong = zb_name_check (arg[1]);
    if (!wrong && zb_frame_eq (arg[0], arg[1]))
        wrong = "the same as where they come from";
    if (wrong)
        return s_bad (self, "to", wrong);
    self->target = arg[1];
    uint64_t last = 0;
    if (arg[2].size && (!zb_number_parse (arg[2], UINT64_MAX, &last) || last == 0))
        return s_bad (self, "last-id", "not a message id");
    ids->size = 0;
    if (last)
        zb_spans_add (ids, last, last);
    self->span = ids->span;
    self->spans = ids->size;
    if (!zb_number_parse (arg[3], UINT64_MAX, &self->max))
        return s_bad (self, "max", "not a number");
    if (self->max > limits->bodies)
        self->max = limits->bodies;
    return 0;
}

//  Options; a queue that one of them names, the last, is the request's target.
static int s_parse_options (zb_request_t *self, zb_frame_t options)
{
    if (options.size > ZB_OPTIONS_MAX)
        return s_too_large (self, "options", options.size, ZB_OPTIONS_MAX, " bytes");
    size_t cursor = 0;
    zb_frame_t name, value;
    int result = s_parse_lines (self, "options", options, &self->options);
    while (result == 0 && zb_lines_next (options, &cursor, &name, &value))
        if (zb_frame_is (name, "dead-letter"))
            self->target = value;
    return result;
}

static int s_parse_clients (zb_request_t *self, const zb_frame_t *arg, size_t args)
{
    const char *wrong = args && arg[0].size ? zb_pattern_check (arg[0]) : NULL;
    if (wrong)
        return s_bad (self, "pattern", wrong);
    if (args)
        self->name = arg[0];
    if (args > 1 && arg[1].size && !zb_number_parse (arg[1], UINT64_MAX, &self->position))
        return s_bad (self, "after", "not a client's number");
    return s_parse_max (self, arg, args, 2, ZB_CLIENTS_PAGE, ZB_CLIENTS_PAGE);
}

//  The arguments after the id; their number is right for the verb.
static int s_parse_args (zb_request_t *self, zb_spans_t *ids, const zb_frame_t *arg, size_t args,
                         const zb_limits_t *limits)
{
    if (self->verb == ZB_HELLO)
        return s_parse_hello (self, arg, args);
    if (zb_protocol (self->verb)->by == ZB_BY_OPERATOR)
        return s_parse_operator (self, arg, args);
    if (self->verb == ZB_REPLAY) {
        self->body = arg;
        self->bodies = args;
        self->body_bytes = arg[0].size + arg[1].size;
        return 0;
    }
    if (self->verb == ZB_LIST)
        return s_parse_list (self, arg, args);
    if (self->verb == ZB_EVENTS)
        return s_parse_events (self, arg, args);
    if (self->verb == ZB_CLIENTS)
        return s_parse_clients (self, arg, args);
    if (args == 0)
        return 0;
    bool subs = zb_protocol (self->verb)->subs;
    const char *wrong = subs ? zb_place_check (arg[0]) : zb_name_check (arg[0]);
    if (!wrong && (self->verb == ZB_SUB || self->verb == ZB_SEEK) && zb_frame_find (arg[0], 0, '/') == arg[0].size)
        wrong = "a subscription's name is TOPIC/SUB";
    if (wrong)
        return s_bad (self, "queue", wrong);
    self->queue = arg[0];
    switch (self->verb) {
    case ZB_PUT:
        return s_parse_put (self, ids, arg, args, limits);
    case ZB_GET:
        return s_parse_get (self, ids, arg, limits);
    case ZB_PEEK:
        return s_parse_peek (self, arg, limits);
    case ZB_READ:
        return s_parse_read (self, arg, args, limits);
    case ZB_SEEK:
        if (!zb_position_parse (&self->where, arg[1]) || self->where.how == ZB_AT_NEW)
            return s_bad (self, "position", "not first, a message id, or @ and ms since 1970");
        return 0;
    case ZB_NACK:
        return s_parse_nack (self, ids, arg, args);
    case ZB_ACK:
    case ZB_EXTEND:
    case ZB_REJECT:
        return s_parse_acks (self, ids, arg[1]);
    case ZB_MOVE:
        return s_parse_move (self, ids, arg, limits);
    case ZB_QUEUE:
    case ZB_TOPIC:
    case ZB_SUB:
        return s_parse_options (self, arg[1]);
    default:
        return 0;
    }
}

//  From the protocol's frame on.
static int s_parse (zb_request_t *self, zb_spans_t *ids, const zb_frame_t *frames, size_t count,
                    const zb_limits_t *limits)
{
    if (count > 2 && frames[2].size && frames[2].size <= ZB_ID_MAX) {
        self->from.id = frames[2];
        if (!zb_number_parse (self->from.id, INT64_MAX, &self->number))
            self->number = 0;
    }
    if (!zb_frame_is (frames[0], "ZB1"))
        return s_bad (self, "version", "this broker speaks ZB1");
    if (count < 2)
        return s_bad (self, "request", "no verb");
    self->verb = zb_verb_find (frames[1]);
    if (self->verb == ZB_VERBS)
        return s_bad (self, "verb", "unknown");
    if (self->from.id.size == 0)
        return s_bad (self, "id", count < 3 || frames[2].size == 0 ? "missing" : "longer than 255 bytes");
    size_t args = count - 3;
    const zb_protocol_t *verb = zb_protocol (self->verb);
    if (args < verb->least || args > verb->most)
        return s_bad (self, "expected", verb->form);
    if (self->verb == ZB_PUT && args - 2 > limits->bodies && args - 2 > ZB_BODIES_MAX)
        return s_too_large (self, "bodies", args - 2, limits->bodies, "");
    return s_parse_args (self, ids, frames + 3, args, limits);
}
_Static_assert(ZB_ID_MAX == 255, "as the text says");

int zb_request_parse (zb_request_t *self, zb_spans_t *ids, const zb_frame_t *frames, size_t count,
                      const zb_limits_t *limits, const char **why)
{
    assert (self && ids && limits && why);
    assert (frames || count == 0);
    memset (self, 0, sizeof (zb_request_t));
    self->verb = ZB_VERBS;
    *why = self->text;
    size_t envelopes = zb_wire_envelope (frames, count);
    if (envelopes >= count)
        return -1;
    self->from.envelope = frames;
    self->from.envelopes = envelopes;
    int result = s_parse (self, ids, frames + envelopes, count - envelopes, limits);
    if (result == 0) {
        size_t bytes = 0;
        for (size_t index = 0; index < count; index++)
            bytes += frames[index].size;
        if (self->verb == ZB_PUT)
            s_over (self, "request", bytes, limits->request, " bytes");
        else if (bytes > limits->request)
            result = s_too_large (self, "request", bytes, limits->request, " bytes");
    }
    return self->over && result == 0 ? ZB_TOO_LARGE : result;
}

//  The frames of a request that are not in a row.
#define S_ONES 13

static void s_ones (zb_request_t *self, zb_frame_t *one[S_ONES])
{
    zb_frame_t *const ones[S_ONES] = {&self->from.routing,  &self->from.id, &self->name,       &self->token,
                                      &self->queue,         &self->options, &self->properties, &self->proof,
                                      &self->witness_proof, &self->after,   &self->acked,      &self->target,
                                      &self->filter};
    memcpy (one, ones, sizeof ones);
}

size_t zb_request_bytes (const zb_request_t *self)
{
    zb_request_t same = *self;
    zb_frame_t *one[S_ONES];
    s_ones (&same, one);
    size_t bytes = self->spans * sizeof (zb_span_t) + (self->from.envelopes + self->bodies) * sizeof (zb_frame_t) +
                   self->body_bytes;
    for (size_t index = 0; index < S_ONES; index++)
        bytes += one[index]->size;
    for (size_t index = 0; index < self->from.envelopes; index++)
        bytes += self->from.envelope[index].size;
    return bytes;
}

void zb_request_copy (zb_request_t *self, const zb_request_t *from, void *memory)
{
    *self = *from;
    self->span = (zb_span_t *) memory;
    if (from->spans)
        memcpy (self->span, from->span, from->spans * sizeof (zb_span_t));
    zb_frame_t *frame = (zb_frame_t *) (void *) (self->span + from->spans);
    uint8_t *byte = (uint8_t *) (frame + from->from.envelopes + from->bodies);
    zb_frame_t *one[S_ONES];
    s_ones (self, one);
    for (size_t index = 0; index < S_ONES; index++)
        *one[index] = zb_frame_copy (&byte, *one[index]);
    self->from.envelope = frame;
    for (size_t index = 0; index < from->from.envelopes; index++)
        *frame++ = zb_frame_copy (&byte, from->from.envelope[index]);
    self->body = frame;
    for (size_t index = 0; index < from->bodies; index++)
        *frame++ = zb_frame_copy (&byte, from->body[index]);
    assert (byte == (uint8_t *) memory + zb_request_bytes (from));
}
