/*  =========================================================================
    messages - what a get or a list brought

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================
*/

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "client/messages.h"

struct zb_messages {
    zmq_msg_t *frame; //  as received: the bodies live here
    size_t frames;
    zb_message_t *message;
    size_t size;
    char *text; //  ids and properties, each with its zero
    char *ids;  //  in it: all ids
    char queue[ZB_NAME_MAX + 1];
};

struct zb_queues {
    char **text; //  name, lines, name, lines, ...
    size_t size;
};

//  Copies a frame to the cursor, with a zero behind it, and returns where it begins.
static char *s_text (char **cursor, zb_frame_t frame)
{
    char *text = *cursor;
    if (frame.size)
        memcpy (text, frame.data, frame.size);
    text[frame.size] = 0;
    *cursor += frame.size + 1;
    return text;
}

zb_messages_t *zb_messages_new (const zb_answer_t *answer, zmq_msg_t *frame, size_t frames)
{
    assert (answer->status == ZB_ANSWER_MSG && answer->args >= 3);
    zb_messages_t *self = (zb_messages_t *) calloc (1, sizeof (zb_messages_t));
    assert (self);
    self->frame = frame;
    self->frames = frames;
    self->message = (zb_message_t *) calloc (answer->bodies + 1, sizeof (zb_message_t));
    zb_frame_t queue = answer->arg[1];
    if (queue.size > 0 && queue.size <= ZB_NAME_MAX)
        memcpy (self->queue, queue.data, queue.size);

    //  Each line of the index gives an id twice and the properties once, with three zeros or spaces.
    zb_frame_t index = answer->arg[2];
    self->text = (char *) malloc (2 * index.size + 3 * answer->bodies + 1);
    assert (self->message && self->text);
    char *cursor = self->text;
    zb_index_t line;
    size_t at = 0;
    bool bad = false;
    while (self->size < answer->bodies && zb_index_next (index, &at, &line, &bad)) {
        zb_message_t *message = &self->message[self->size];
        message->id = s_text (&cursor, line.id);
        message->deliveries = line.deliveries < UINT32_MAX ? (unsigned) line.deliveries : UINT32_MAX;
        message->body = answer->body[self->size].data;
        message->size = answer->body[self->size].size;
        char *properties = s_text (&cursor, line.properties);
        for (char *tab = strchr (properties, '\t'); tab; tab = strchr (tab, '\t'))
            *tab = '\n';
        message->properties = properties;
        self->size++;
    }
    self->ids = cursor;
    *cursor = 0;
    for (size_t number = 0; number < self->size; number++) {
        size_t length = strlen (self->message[number].id);
        memcpy (cursor, self->message[number].id, length);
        cursor += length;
        *cursor++ = number + 1 < self->size ? ' ' : 0;
    }
    return self;
}

void zb_messages_destroy (zb_messages_t **self_p)
{
    assert (self_p);
    if (*self_p) {
        zb_messages_t *self = *self_p;
        for (size_t index = 0; index < self->frames; index++)
            zmq_msg_close (&self->frame[index]);
        free (self->frame);
        free (self->message);
        free (self->text);
        free (self);
        *self_p = NULL;
    }
}

size_t zb_messages_size (const zb_messages_t *self)
{
    assert (self);
    return self->size;
}

const zb_message_t *zb_messages_at (const zb_messages_t *self, size_t index)
{
    assert (self);
    return index < self->size ? &self->message[index] : NULL;
}

const char *zb_messages_ids (const zb_messages_t *self)
{
    return self && self->size ? self->ids : NULL;
}

const char *zb_messages_queue (const zb_messages_t *self)
{
    assert (self);
    return self->queue;
}

const char *zb_message_property (const zb_message_t *self, const char *name, char *value, size_t size)
{
    assert (self && name && value && size > 0);
    zb_frame_t lines = zb_frame (self->properties);
    size_t cursor = 0;
    zb_frame_t key;
    zb_frame_t text;
    while (zb_lines_next (lines, &cursor, &key, &text)) {
        if (zb_frame_is (key, name)) {
            size_t length = text.size < size ? text.size : size - 1;
            if (length)
                memcpy (value, text.data, length);
            value[length] = 0;
            return value;
        }
    }
    return NULL;
}

//  --- Queues -------------------------------------------------------------------------------------------------------

zb_queues_t *zb_queues_new (void)
{
    zb_queues_t *self = (zb_queues_t *) calloc (1, sizeof (zb_queues_t));
    assert (self);
    return self;
}

//  Whether these are the lines of a queue, not of a topic or a subscription.
static bool s_is_queue (zb_frame_t lines)
{
    size_t cursor = 0;
    zb_frame_t name, value;
    bool queue = true;
    while (zb_lines_next (lines, &cursor, &name, &value))
        queue = queue && (!zb_frame_is (name, "kind") || zb_frame_is (value, "queue"));
    return queue;
}

int zb_queues_add (zb_queues_t *self, const zb_answer_t *answer, bool page, bool all)
{
    if (answer->args % 2 != page)
        return -1;
    size_t old = 2 * self->size, added = answer->args - page;
    self->text = (char **) realloc (self->text, (old + added + 1) * sizeof (char *));
    assert (self->text);
    size_t kept = 0;
    for (size_t index = 0; index < added; index++) {
        if (!all && !s_is_queue (answer->arg[index | 1]))
            continue;
        char *cursor = (char *) malloc (answer->arg[index].size + 1);
        assert (cursor);
        self->text[old + kept++] = s_text (&cursor, answer->arg[index]);
    }
    self->size += kept / 2;
    return 0;
}

void zb_queues_destroy (zb_queues_t **self_p)
{
    assert (self_p);
    if (*self_p) {
        zb_queues_t *self = *self_p;
        for (size_t index = 0; index < self->size * 2; index++)
            free (self->text[index]);
        free (self->text);
        free (self);
        *self_p = NULL;
    }
}

size_t zb_queues_size (const zb_queues_t *self)
{
    assert (self);
    return self->size;
}

const char *zb_queues_name (const zb_queues_t *self, size_t index)
{
    assert (self);
    return index < self->size ? self->text[2 * index] : NULL;
}

const char *zb_queues_lines (const zb_queues_t *self, size_t index)
{
    assert (self);
    return index < self->size ? self->text[2 * index + 1] : NULL;
}
