/*  =========================================================================
    hellos - HELLOs that wait until this broker leads

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <czmq.h>

#include "io/broker/hellos.h"

struct zb_hellos {
    size_t most;
    zlistx_t *hellos;
    zb_hello_t *taken;
};

//  One block: the hello, and what its request points to.
static zb_hello_t *s_hello_new (const zb_request_t *request, int64_t now)
{
    zb_hello_t *self = (zb_hello_t *) zmalloc (sizeof (zb_hello_t) + zb_request_bytes (request));
    self->since = now;
    zb_request_copy (&self->request, request, self + 1);
    return self;
}

static void s_hello_free (void **item_p)
{
    free (*item_p);
    *item_p = NULL;
}

zb_hellos_t *zb_hellos_new (size_t most)
{
    zb_hellos_t *self = (zb_hellos_t *) zmalloc (sizeof *self);
    self->most = most;
    self->hellos = zlistx_new ();
    zlistx_set_destructor (self->hellos, s_hello_free);
    return self;
}

void zb_hellos_destroy (zb_hellos_t **self_p)
{
    assert (self_p);
    zb_hellos_t *self = *self_p;
    if (self) {
        free (self->taken);
        zlistx_destroy (&self->hellos);
        free (self);
        *self_p = NULL;
    }
}

bool zb_hellos_add (zb_hellos_t *self, const zb_request_t *request, int64_t now)
{
    if (zlistx_size (self->hellos) >= self->most)
        return false;
    zlistx_add_end (self->hellos, s_hello_new (request, now));
    return true;
}

size_t zb_hellos_size (const zb_hellos_t *self)
{
    return zlistx_size (self->hellos);
}

const zb_hello_t *zb_hellos_next (zb_hellos_t *self)
{
    free (self->taken);
    zlistx_first (self->hellos);
    self->taken = (zb_hello_t *) zlistx_detach (self->hellos, NULL);
    return self->taken;
}

void zb_hellos_again (zb_hellos_t *self)
{
    assert (self->taken);
    zlistx_add_end (self->hellos, self->taken);
    self->taken = NULL;
}
