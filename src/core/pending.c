/*  =========================================================================
    pending - a reply that may still have to wait for its truth

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/pending.h"

zb_pending_t *zb_pending_new (zb_frame_t routing, const zb_frame_t *frames, size_t envelopes, zb_frame_t id,
                              const char *status, size_t args, const zb_frame_t *arg)
{
    //  Any reply may be turned into an error, which has two.
    size_t room = args < 2 ? 2 : args;
    size_t bytes = sizeof (zb_pending_t) + (envelopes + room) * sizeof (zb_frame_t) + routing.size + id.size;
    for (size_t index = 0; index < envelopes; index++)
        bytes += frames[index].size;
    for (size_t index = 0; index < args; index++)
        bytes += arg[index].size;
    zb_pending_t *self = (zb_pending_t *) malloc (bytes);
    assert (self);
    memset (self, 0, sizeof *self);
    zb_ring_init (&self->ring);
    zb_frame_t *frame = (zb_frame_t *) (void *) (self + 1);
    uint8_t *byte = (uint8_t *) (frame + envelopes + room);
    zb_reply_t *reply = &self->reply;
    reply->status = status;
    reply->routing = zb_frame_copy (&byte, routing);
    reply->id = zb_frame_copy (&byte, id);
    reply->token = (zb_frame_t){self->token, 0};
    reply->envelope = frame;
    reply->envelopes = envelopes;
    for (size_t index = 0; index < envelopes; index++)
        frame[index] = zb_frame_copy (&byte, frames[index]);
    reply->arg = frame + envelopes;
    reply->args = args;
    for (size_t index = 0; index < args; index++)
        reply->arg[index] = zb_frame_copy (&byte, arg[index]);
    return self;
}

void zb_pending_destroy (zb_pending_t **self_p)
{
    zb_pending_t *self = *self_p;
    if (self) {
        assert (zb_ring_empty (&self->ring));
        zb_pending_turn (self, "", NULL);
        free (self);
        *self_p = NULL;
    }
}

size_t zb_pending_bytes (const zb_pending_t *self)
{
    const zb_reply_t *reply = &self->reply;
    size_t bytes = sizeof (zb_pending_t) + reply->routing.size + reply->id.size;
    for (size_t index = 0; index < reply->envelopes; index++)
        bytes += sizeof (zb_frame_t) + reply->envelope[index].size;
    for (size_t index = 0; index < reply->args; index++)
        bytes += sizeof (zb_frame_t) + reply->arg[index].size;
    return bytes;
}

void zb_pending_turn (zb_pending_t *self, const char *status, const char *arg)
{
    zb_reply_t *reply = &self->reply;
    for (size_t index = 0; index < reply->bodies; index++)
        zb_row_unref (&reply->body[index].row);
    free (reply->body);
    free (self->index);
    self->index = NULL;
    reply->body = NULL;
    reply->bodies = 0;
    reply->status = status;
    self->leveled = self->claims = false;
    reply->args = arg ? 1 : 0;
    if (arg) {
        size_t size = strlen (arg);
        self->index = (char *) malloc (size + 1);
        assert (self->index);
        memcpy (self->index, arg, size + 1);
        reply->arg[0] = (zb_frame_t){self->index, size};
    }
}

void zb_pending_finish (zb_pending_t *self, zb_durable_t durable, zb_frame_t token)
{
    assert (token.size < ZB_TOKEN_MAX);
    if (self->leveled) {
        assert (self->reply.args);
        self->reply.arg[0] = zb_frame (zb_durable_name (durable));
    }
    //  What is refused promises nothing.  With the refusal's token, in place of its own, a client would be served by a broker
    //  that lacks what another one has answered.
    size_t size = strcmp (self->reply.status, "OK") == 0 || strcmp (self->reply.status, "MSG") == 0 ? token.size : 0;
    if (size)
        memcpy (self->token, token.data, size);
    self->reply.token = (zb_frame_t){self->token, size};
}

zb_reply_t *zb_reply_new (zb_frame_t routing, const zb_frame_t *frames, const zb_request_t *request, const char *status,
                          size_t args, const char *const *arg)
{
    zb_frame_t frame[8];
    assert (args <= sizeof frame / sizeof frame[0]);
    for (size_t index = 0; index < args; index++)
        frame[index] = zb_frame (arg[index]);
    return &zb_pending_new (routing, frames, request->envelope, request->id, status, args, frame)->reply;
}

void zb_reply_spare (zb_reply_t *self, const char *text)
{
    zb_pending_t *pending = (zb_pending_t *) (void *) self;
    if (strcmp (self->status, "MSG") == 0) {
        size_t args = self->args;
        zb_frame_t level = self->arg[0];
        zb_pending_turn (pending, "MSG", NULL);
        self->args = args;
        self->arg[0] = level;
        self->arg[2].size = 0;
        self->lease = 0;
        return;
    }
    zb_pending_turn (pending, "ERR", NULL);
    self->token.size = 0;
    self->args = 2;
    self->arg[0] = zb_frame ("429");
    self->arg[1] = zb_frame (text);
}

void zb_reply_destroy (zb_reply_t **self_p)
{
    assert (self_p);
    zb_pending_t *pending = (zb_pending_t *) (void *) *self_p;
    zb_pending_destroy (&pending);
    *self_p = NULL;
}
