/*  =========================================================================
    session - a client that has said HELLO on a connection

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine/session.h"

zb_task_t *zb_task_copy (const zb_task_t *from)
{
    size_t bytes = sizeof (zb_task_t) + zb_request_bytes (&from->request);
    zb_task_t *self = (zb_task_t *) malloc (bytes);
    assert (self);
    *self = *from;
    self->bytes = bytes;
    zb_ring_init (&self->ring);
    zb_request_copy (&self->request, &from->request, self + 1);
    return self;
}

void zb_task_destroy (zb_task_t **self_p)
{
    zb_task_t *self = *self_p;
    if (self) {
        assert (self->bytes && zb_ring_empty (&self->ring));
        free (self);
        *self_p = NULL;
    }
}

zb_session_t *zb_session_new (zb_frame_t routing)
{
    zb_session_t *self = (zb_session_t *) calloc (1, sizeof (zb_session_t) + routing.size + ZB_NAME_MAX);
    assert (self);
    memcpy (self->bytes, routing.data, routing.size);
    self->routing = (zb_frame_t){self->bytes, routing.size};
    self->name = (zb_frame_t){self->bytes + routing.size, 0};
    zb_ring_init (&self->idle);
    zb_ring_init (&self->leases);
    zb_ring_init (&self->holds);
    zb_ring_init (&self->gets);
    zb_ring_init (&self->tasks);
    zb_ring_init (&self->waits);
    return self;
}

void zb_session_destroy (zb_session_t **self_p)
{
    zb_session_t *self = *self_p;
    if (self) {
        assert (!self->entry.in && !self->named.in && zb_ring_empty (&self->idle) && zb_ring_empty (&self->waits));
        assert (zb_ring_empty (&self->leases) && zb_ring_empty (&self->holds) && zb_ring_empty (&self->gets) &&
                zb_ring_empty (&self->tasks));
        free (self);
        *self_p = NULL;
    }
}

void zb_session_rename (zb_session_t *self, zb_frame_t name)
{
    assert (!self->named.in && name.size <= ZB_NAME_MAX);
    char *place = self->bytes + self->routing.size;
    if (name.size)
        memmove (place, name.data, name.size);
    self->name = (zb_frame_t){place, name.size};
}
