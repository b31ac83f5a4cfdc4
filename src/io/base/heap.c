/*  =========================================================================
    heap - memory that is free goes back to the system

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <unistd.h>
#include <czmq.h>

#include "io/base/heap.h"
#include "io/base/log.h"
#include "io/base/thread.h"

//  0: not known.
static size_t s_resident (void)
{
    FILE *file = fopen ("/proc/self/statm", "re");
    if (!file)
        return 0;
    size_t total, resident;
    int fields = fscanf (file, "%zu %zu", &total, &resident);
    fclose (file);
    return fields == 2 ? resident * (size_t) sysconf (_SC_PAGESIZE) : 0;
}

bool zb_heap_due (zb_heap_t *self, size_t resident, int64_t now)
{
    bool rises = resident > self->seen + ZB_HEAP_LEAST / 8;
    //  What was given back is in use again at the very next look: it was not worth it.
    if (self->again)
        self->wait = resident > self->kept + ZB_HEAP_LEAST ? self->wait * 2 : ZB_HEAP_FIRST;
    self->again = false;
    if (self->wait > ZB_HEAP_LONGEST)
        self->wait = ZB_HEAP_LONGEST;
    else if (self->wait < ZB_HEAP_FIRST)
        self->wait = ZB_HEAP_FIRST;
    self->seen = resident;
    self->next = now + (rises ? ZB_HEAP_FIRST : self->wait);
    return resident > ZB_HEAP_LEAST && !rises;
}

void zb_heap_done (zb_heap_t *self, size_t resident)
{
    //  What is in use now may be free later, so that little was won is no reason not to try again.
    self->again = self->seen > resident + ZB_HEAP_LEAST;
    if (!self->again)
        self->wait *= 2;
    self->seen = self->kept = resident;
}

void zb_heap_tick (zb_heap_t *self, int64_t now)
{
    size_t before = now < self->next ? 0 : s_resident ();
    if (!before || !zb_heap_due (self, before, now))
        return;
    malloc_trim (0);
    size_t after = s_resident ();
    zb_heap_done (self, after);
    zb_log (ZB_LOG_DEBUG, "memory: %zu MiB of %zu are left, after %" PRId64 " ms", after >> 20, before >> 20,
            zclock_mono () - now);
}

//  ---------------------------------------------------------------------------
//  The thread

struct zb_trimmer {
    pthread_t thread;
    pthread_mutex_t guard;
    pthread_cond_t end;
    bool ends; //  under the guard
};

//  Waits until `when`; whether it is to end.
static bool s_ends (zb_trimmer_t *self, int64_t when)
{
    pthread_mutex_lock (&self->guard);
    bool ends = zb_thread_wait (&self->end, &self->guard, &self->ends, when);
    pthread_mutex_unlock (&self->guard);
    return ends;
}

static void *s_run (void *arg)
{
    zb_trimmer_t *self = (zb_trimmer_t *) arg;
    zb_heap_t heap = {0};
    do
        zb_heap_tick (&heap, zclock_mono ());
    while (!s_ends (self, zclock_mono () + ZB_HEAP_FIRST));
    return NULL;
}

zb_trimmer_t *zb_trimmer_new (void)
{
    zb_trimmer_t *self = (zb_trimmer_t *) zmalloc (sizeof *self);
    assert (self);
    pthread_mutex_init (&self->guard, NULL);
    zb_thread_cond (&self->end);
    int rc = zb_thread_start (&self->thread, s_run, self);
    if (rc == 0)
        return self;
    free (self);
    errno = rc;
    return NULL;
}

void zb_trimmer_destroy (zb_trimmer_t **self_p)
{
    zb_trimmer_t *self = *self_p;
    if (self) {
        pthread_mutex_lock (&self->guard);
        self->ends = true;
        pthread_cond_signal (&self->end);
        pthread_mutex_unlock (&self->guard);
        pthread_join (self->thread, NULL);
        pthread_cond_destroy (&self->end);
        pthread_mutex_destroy (&self->guard);
        free (self);
        *self_p = NULL;
    }
}
