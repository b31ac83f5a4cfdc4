/*  =========================================================================
    message - libzmq's zmq_msg_t, in plain memory

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"

buffer_t *buffer_new (const void *data, size_t size)
{
    buffer_t *self = malloc (sizeof *self + size);
    assert (self);
    *self = (buffer_t){.refs = 1, .size = size, .data = (uint8_t *) (self + 1)};
    if (data && size)
        memcpy (self->data, data, size);
    return self;
}

void buffer_unref (buffer_t *self)
{
    if (!self || --self->refs)
        return;
    if (self->ffn)
        self->ffn (self->data, self->hint);
    free (self);
}

message_t *message_of (zmq_msg_t *msg)
{
    _Static_assert(sizeof (message_t) <= sizeof (zmq_msg_t), "it fits");
    return (message_t *) (void *) msg;
}

int zmq_msg_init (zmq_msg_t *msg)
{
    *message_of (msg) = (message_t){0};
    return 0;
}

int zmq_msg_init_size (zmq_msg_t *msg, size_t size)
{
    *message_of (msg) = (message_t){.buffer = buffer_new (NULL, size)};
    return 0;
}

int zmq_msg_init_data (zmq_msg_t *msg, void *data, size_t size, zmq_free_fn *ffn, void *hint)
{
    buffer_t *buffer = buffer_new (NULL, 0);
    buffer->data = data;
    buffer->size = size;
    buffer->ffn = ffn;
    buffer->hint = hint;
    *message_of (msg) = (message_t){.buffer = buffer};
    return 0;
}

int zmq_msg_close (zmq_msg_t *msg)
{
    buffer_unref (message_of (msg)->buffer);
    *message_of (msg) = (message_t){0};
    return 0;
}

int zmq_msg_move (zmq_msg_t *to, zmq_msg_t *from)
{
    zmq_msg_close (to);
    *message_of (to) = *message_of (from);
    *message_of (from) = (message_t){0};
    return 0;
}

int zmq_msg_copy (zmq_msg_t *to, zmq_msg_t *from)
{
    zmq_msg_close (to);
    *message_of (to) = *message_of (from);
    if (message_of (to)->buffer)
        message_of (to)->buffer->refs++;
    return 0;
}

void *zmq_msg_data (zmq_msg_t *msg)
{
    buffer_t *buffer = message_of (msg)->buffer;
    return buffer ? buffer->data : (void *) msg;
}

size_t zmq_msg_size (const zmq_msg_t *msg)
{
    const buffer_t *buffer = ((const message_t *) (const void *) msg)->buffer;
    return buffer ? buffer->size : 0;
}

int zmq_msg_more (const zmq_msg_t *msg)
{
    return ((const message_t *) (const void *) msg)->more;
}

int zmq_msg_get (const zmq_msg_t *msg, int property)
{
    if (property == ZMQ_MORE)
        return zmq_msg_more (msg);
    if (property == ZMQ_SRCFD && ((const message_t *) (const void *) msg)->descriptor)
        return ((const message_t *) (const void *) msg)->descriptor;
    errno = EINVAL;
    return -1;
}

const char *zmq_msg_gets (const zmq_msg_t *msg, const char *property)
{
    const message_t *self = (const message_t *) (const void *) msg;
    static char address[MACHINE_MAX][16];
    if (self->machine == 0 || strcmp (property, "Peer-Address"))
        return NULL;
    address[self->machine][0] = 0;
    strcpy (address[self->machine], "10.0.0.0");
    address[self->machine][7] = (char) ('0' + self->machine);
    return address[self->machine];
}
