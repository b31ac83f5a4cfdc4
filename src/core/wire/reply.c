/*  =========================================================================
    reply - what a broker answers, as a value; and its encoder to ZB1

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/wire/reply.h"

//  How each kind is written: its status, and what follows the token, a letter for each argument,
//    D  what it says of its durability
//    N  the next of its numbers
//    T  the next of its texts
//    C  its code
//    I  a line for each body
//    S  its first text and its spans
//    X  all its texts, an argument each
//    u, r, g, d  the words duplicate, dropped, go, done
//  Bodies come last.
static const struct {
    zb_answer_status_t status;
    const char *form;
} s_kind[ZB_REPLY_KINDS] = {
    [ZB_REPLY_DONE] = {ZB_ANSWER_OK, ""},         [ZB_REPLY_DURABLE] = {ZB_ANSWER_OK, "D"},
    [ZB_REPLY_STORED] = {ZB_ANSWER_OK, "DNN"},    [ZB_REPLY_AGAIN] = {ZB_ANSWER_OK, "DNNu"},
    [ZB_REPLY_DROPPED] = {ZB_ANSWER_OK, "DNNr"},  [ZB_REPLY_COUNT] = {ZB_ANSWER_OK, "N"},
    [ZB_REPLY_WELCOME] = {ZB_ANSWER_OK, "NNTT"},  [ZB_REPLY_TEXTS] = {ZB_ANSWER_OK, "X"},
    [ZB_REPLY_RESUME] = {ZB_ANSWER_OK, "gNTT"},   [ZB_REPLY_REPLAYED] = {ZB_ANSWER_OK, "dNTT"},
    [ZB_REPLY_MESSAGES] = {ZB_ANSWER_MSG, "DTI"}, [ZB_REPLY_PASSIVE] = {ZB_ANSWER_PASSIVE, "T"},
    [ZB_REPLY_ERROR] = {ZB_ANSWER_ERR, "CT"},     [ZB_REPLY_FENCED] = {ZB_ANSWER_ERR, "CT"},
    [ZB_REPLY_PEEKED] = {ZB_ANSWER_MSG, "DTI"},   [ZB_REPLY_MOVED] = {ZB_ANSWER_OK, "DNN"},
    [ZB_REPLY_EXPECTED] = {ZB_ANSWER_ERR, "CN"},  [ZB_REPLY_ASIDE] = {ZB_ANSWER_ERR, "CS"},
};

//  Life

zb_reply_t *zb_reply_new (const zb_address_t *to, zb_reply_kind_t kind, const zb_frame_t *text, size_t texts)
{
    size_t frames = to->envelopes + texts;
    size_t bytes = sizeof (zb_reply_t) + frames * sizeof (zb_frame_t) + to->routing.size + to->id.size;
    for (size_t index = 0; index < to->envelopes; index++)
        bytes += to->envelope[index].size;
    for (size_t index = 0; index < texts; index++)
        bytes += text[index].size;
    zb_reply_t *self = (zb_reply_t *) malloc (bytes);
    assert (self);
    memset (self, 0, sizeof *self);
    zb_ring_init (&self->ring);
    self->kind = kind;
    self->bytes = bytes;
    zb_frame_t *frame = (zb_frame_t *) (void *) (self + 1);
    uint8_t *byte = (uint8_t *) (frame + frames);
    self->to = (zb_address_t){.envelope = frame, .envelopes = to->envelopes, .since = to->since};
    self->to.routing = zb_frame_copy (&byte, to->routing);
    self->to.id = zb_frame_copy (&byte, to->id);
    for (size_t index = 0; index < to->envelopes; index++)
        *frame++ = zb_frame_copy (&byte, to->envelope[index]);
    self->text = frame;
    self->texts = texts;
    for (size_t index = 0; index < texts; index++)
        *frame++ = zb_frame_copy (&byte, text[index]);
    return self;
}

zb_reply_t *zb_reply_say (const zb_address_t *to, zb_reply_kind_t kind, unsigned code, const char *text)
{
    zb_frame_t frame = text ? zb_frame (text) : (zb_frame_t){NULL, 0};
    zb_reply_t *self = zb_reply_new (to, kind, &frame, text ? 1 : 0);
    self->code = code;
    return self;
}

static void s_drop_bodies (zb_reply_t *self)
{
    for (size_t index = 0; index < self->bodies; index++)
        zb_row_unref (&self->body[index].row);
    for (size_t index = 0; self->lines && index < self->bodies; index++)
        free ((void *) (uintptr_t) self->lines[index].data);
    free (self->lines);
    self->lines = NULL;
    free (self->body);
    self->body = NULL;
    self->bodies = 0;
}

void zb_reply_destroy (zb_reply_t **self_p)
{
    assert (self_p);
    zb_reply_t *self = *self_p;
    if (self) {
        assert (zb_ring_empty (&self->ring));
        s_drop_bodies (self);
        free (self->span);
        free (self);
        *self_p = NULL;
    }
}

void zb_reply_turn (zb_reply_t **self_p, zb_reply_kind_t kind, unsigned code, const char *text)
{
    zb_reply_t *turned = zb_reply_say (&(*self_p)->to, kind, code, text);
    turned->producer = (*self_p)->producer;
    zb_reply_destroy (self_p);
    *self_p = turned;
}

void zb_reply_spare (zb_reply_t **self_p, const char *text)
{
    zb_reply_t *self = *self_p;
    if (self->kind == ZB_REPLY_MESSAGES) {
        s_drop_bodies (self);
        self->lease = 0;
    }
    else
        zb_reply_turn (self_p, ZB_REPLY_ERROR, ZB_QUEUE_FULL, text);
}

void zb_reply_finish (zb_reply_t *self, zb_durable_t durable, zb_frame_t token)
{
    assert (token.size < ZB_TOKEN_MAX);
    if (*s_kind[self->kind].form == 'D')
        self->durable = durable;
    //  What is refused promises nothing.  With the refusal's token, in place of its own, a client would be served by a
    //  broker that lacks what another one has answered.
    zb_answer_status_t status = s_kind[self->kind].status;
    if (token.size == 0 || (status != ZB_ANSWER_OK && status != ZB_ANSWER_MSG))
        return;
    memcpy (self->mark, token.data, token.size);
    self->token = (zb_frame_t){self->mark, token.size};
}

//  The encoder

static zb_frame_t s_number (char text[21], uint64_t number)
{
    return (zb_frame_t){text, zb_number_format (number, text)};
}

//  Appends a property of the broker's, if there is a value.
static size_t s_mark (char *text, const char *name, uint64_t value)
{
    if (value == 0)
        return 0;
    size_t size = strlen (name);
    memcpy (text, name, size);
    return size + zb_number_format (value, text + size);
}

static zb_frame_t s_index (zb_frames_t *self)
{
    const zb_reply_t *reply = self->reply;
    size_t size = 0;
    for (size_t index = 0; index < reply->bodies; index++)
        size += ZB_INDEX_LINE_MAX + ZB_INDEX_MARKS_MAX + 1 + reply->body[index].properties_size;
    if (size == 0)
        return (zb_frame_t){NULL, 0};
    size += ZB_INDEX_MARKS_MAX;
    char *text = self->list = (char *) malloc (size);
    assert (text);
    for (size_t index = 0; index < reply->bodies; index++) {
        const zb_delivery_t *body = &reply->body[index];
        if (index)
            *text++ = '\n';
        const void *lines = reply->lines ? reply->lines[index].data : body->row->data + body->properties;
        text += zb_index_format (body->id, body->deliveries, (zb_frame_t){lines, body->properties_size}, text);
        text += s_mark (text, "\tzb-n=", body->n);
        text += s_mark (text, "\tzb-time=", body->time);
        text += s_mark (text, "\tzb-fence=", body->fence);
        if (index == 0) {
            text += s_mark (text, "\tzb-skipped=", reply->skipped.first);
            text += s_mark (text, "..", reply->skipped.last);
        }
    }
    return (zb_frame_t){self->list, (size_t) (text - self->list)};
}

static zb_frame_t s_spans (zb_frames_t *self)
{
    const zb_reply_t *reply = self->reply;
    size_t size = reply->text[0].size;
    self->list = (char *) malloc (size + 1 + reply->spans * ZB_SPAN_TEXT);
    assert (self->list);
    memcpy (self->list, reply->text[0].data, size);
    self->list[size++] = ' ';
    return (zb_frame_t){self->list, size + zb_spans_format (reply->span, reply->spans, self->list + size)};
}

//  One argument of the form.
static zb_frame_t s_argument (zb_frames_t *self, char letter, size_t *numbers, size_t *texts)
{
    const zb_reply_t *reply = self->reply;
    switch (letter) {
    case 'D':
        return zb_frame (zb_durable_name (reply->durable));
    case 'N':
        ++*numbers;
        return s_number (self->digits[*numbers - 1], reply->number[*numbers - 1]);
    case 'T':
        assert (*texts < reply->texts);
        return reply->text[(*texts)++];
    case 'C':
        return s_number (self->code, reply->code);
    case 'I':
        return s_index (self);
    case 'S':
        return s_spans (self);
    case 'u':
        return zb_frame ("duplicate");
    case 'r':
        return zb_frame ("dropped");
    case 'g':
        return zb_frame ("go");
    default:
        assert (letter == 'd');
        return zb_frame ("done");
    }
}

void zb_frames_init (zb_frames_t *self, const zb_reply_t *reply)
{
    zb_frame_t *head = self->head;
    self->reply = reply;
    self->list = NULL;
    assert (reply->kind < ZB_REPLY_KINDS && reply->to.envelopes <= ZB_ENVELOPE_MAX);
    for (size_t index = 0; index < reply->to.envelopes; index++)
        *head++ = reply->to.envelope[index];
    *head++ = zb_frame ("ZB1");
    *head++ = zb_frame (zb_answer_word (s_kind[reply->kind].status));
    *head++ = reply->to.id;
    *head++ = reply->token;
    size_t numbers = 0, texts = 0;
    const char *letter = s_kind[reply->kind].form;
    for (; *letter && *letter != 'X'; letter++)
        *head++ = s_argument (self, *letter, &numbers, &texts);
    self->heads = (size_t) (head - self->head);
    self->frames = self->heads + (*letter ? reply->texts : reply->bodies);
    self->bytes = 0;
    for (size_t index = 0; index < self->frames; index++)
        self->bytes += zb_frames_at (self, index).size;
}

zb_frame_t zb_frames_at (const zb_frames_t *self, size_t index)
{
    assert (index < self->frames);
    if (index < self->heads)
        return self->head[index];
    index -= self->heads;
    if (self->reply->kind == ZB_REPLY_TEXTS)
        return self->reply->text[index];
    const zb_delivery_t *body = &self->reply->body[index];
    return (zb_frame_t){body->row->data + body->offset, body->size};
}

void zb_frames_clear (zb_frames_t *self)
{
    free (self->list);
    self->list = NULL;
}
