/*  =========================================================================
    salvager - puts messages aside in a thread that may wait for the disk

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <pthread.h>

#include "io/base/thread.h"
#include "io/store/salvager.h"

//  What is to be written, with the memory that `aside` points into.
typedef struct {
    zb_epoch_t loser;
    zb_aside_t aside;
    byte *queue, *row;
    zb_span_t *span;
} job_t;

//  Shared with the thread; the last one frees it.
struct zb_salvager {
    pthread_mutex_t guard;
    unsigned users;
    char *dir;
    uint64_t jobs; //  given; the number of the newest
    bool writes;   //  it is not done, or nobody was told
    bool done;
    job_t job; //  the thread's while it writes
    int64_t messages;
    int error;
};

static void s_release (zb_salvager_t *self)
{
    pthread_mutex_lock (&self->guard);
    bool last = --self->users == 0;
    pthread_mutex_unlock (&self->guard);
    if (!last)
        return;
    pthread_mutex_destroy (&self->guard);
    free (self->dir);
    free (self);
}

static void *s_copy (const void *data, size_t size)
{
    void *copy = malloc (size ? size : 1);
    assert (copy);
    if (size)
        memcpy (copy, data, size);
    return copy;
}

static void s_job_fill (job_t *self, zb_epoch_t loser, const zb_aside_t *aside)
{
    self->loser = loser;
    self->aside = *aside;
    self->aside.queue.data = self->queue = s_copy (aside->queue.data, aside->queue.size);
    self->aside.row.data = self->row = s_copy (aside->row.data, aside->row.size);
    self->aside.span = self->span = s_copy (aside->span, aside->spans * sizeof *aside->span);
}

static void s_job_clear (job_t *self)
{
    free (self->queue);
    free (self->row);
    free (self->span);
    *self = (job_t){.queue = NULL};
}

static void *s_run (void *arg)
{
    zb_salvager_t *self = (zb_salvager_t *) arg;
    int64_t messages = zb_salvage_write (self->dir, self->job.loser, &self->job.aside);
    int error = messages < 0 ? errno : 0;
    s_job_clear (&self->job);
    pthread_mutex_lock (&self->guard);
    self->messages = messages;
    self->error = error;
    self->done = true;
    pthread_mutex_unlock (&self->guard);
    s_release (self);
    return NULL;
}

zb_salvager_t *zb_salvager_new (const char *dir)
{
    zb_salvager_t *self = (zb_salvager_t *) zmalloc (sizeof *self);
    self->dir = strdup (dir);
    assert (self->dir);
    pthread_mutex_init (&self->guard, NULL);
    self->users = 1;
    return self;
}

void zb_salvager_destroy (zb_salvager_t **self_p)
{
    assert (self_p);
    if (*self_p)
        s_release (*self_p);
    *self_p = NULL;
}

uint64_t zb_salvager_give (zb_salvager_t *self, zb_epoch_t loser, const zb_aside_t *aside)
{
    pthread_t thread;
    if (self->writes)
        return 0;
    s_job_fill (&self->job, loser, aside);
    self->done = false;
    self->users++;
    if (zb_thread_start (&thread, s_run, self) != 0) {
        self->users--;
        s_job_clear (&self->job);
        return 0;
    }
    pthread_detach (thread);
    self->writes = true;
    return ++self->jobs;
}

bool zb_salvager_done (zb_salvager_t *self, uint64_t *job, int64_t *messages, int *error)
{
    if (!self->writes)
        return false;
    pthread_mutex_lock (&self->guard);
    bool done = self->done;
    *messages = self->messages;
    *error = self->error;
    pthread_mutex_unlock (&self->guard);
    *job = self->jobs;
    self->writes = !done;
    return done;
}
