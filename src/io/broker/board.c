/*  =========================================================================
    board - what the core shows to those who only look: the newest STATUS

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <czmq.h>

#include "io/broker/board.h"

struct zb_board {
    pthread_mutex_t mutex;
    pthread_cond_t posted;
    char *text;
    int64_t made;
    bool closed;
};

zb_board_t *zb_board_new (void)
{
    zb_board_t *self = (zb_board_t *) zmalloc (sizeof *self);
    pthread_mutex_init (&self->mutex, NULL);
    pthread_cond_init (&self->posted, NULL);
    return self;
}

void zb_board_destroy (zb_board_t **self_p)
{
    assert (self_p);
    zb_board_t *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    pthread_cond_destroy (&self->posted);
    pthread_mutex_destroy (&self->mutex);
    free (self->text);
    free (self);
}

bool zb_board_post (zb_board_t *self, char *text, int64_t now)
{
    if (pthread_mutex_trylock (&self->mutex))
        return false;
    char *before = self->text;
    self->text = text;
    self->made = now;
    pthread_cond_broadcast (&self->posted);
    pthread_mutex_unlock (&self->mutex);
    free (before);
    return true;
}

char *zb_board_read (zb_board_t *self, int64_t *made)
{
    pthread_mutex_lock (&self->mutex);
    char *copy = self->text ? strdup (self->text) : NULL;
    *made = self->made;
    pthread_mutex_unlock (&self->mutex);
    return copy;
}

bool zb_board_wait (zb_board_t *self)
{
    pthread_mutex_lock (&self->mutex);
    while (!self->text && !self->closed)
        pthread_cond_wait (&self->posted, &self->mutex);
    bool closed = self->closed;
    pthread_mutex_unlock (&self->mutex);
    return !closed;
}

void zb_board_close (zb_board_t *self)
{
    pthread_mutex_lock (&self->mutex);
    self->closed = true;
    pthread_cond_broadcast (&self->posted);
    pthread_mutex_unlock (&self->mutex);
}
