/*  =========================================================================
    thread - a thread beside the one that serves, and a condition with a time limit

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <signal.h>
#include <time.h>

#include "io/base/thread.h"

int zb_thread_start (pthread_t *thread, void *(*run) (void *), void *arg)
{
    sigset_t all, before;
    sigfillset (&all);
    pthread_sigmask (SIG_SETMASK, &all, &before);
    int rc = pthread_create (thread, NULL, run, arg);
    pthread_sigmask (SIG_SETMASK, &before, NULL);
    return rc;
}

void zb_thread_cond (pthread_cond_t *cond)
{
    pthread_condattr_t attributes;
    pthread_condattr_init (&attributes);
    pthread_condattr_setclock (&attributes, CLOCK_MONOTONIC);
    pthread_cond_init (cond, &attributes);
    pthread_condattr_destroy (&attributes);
}

bool zb_thread_wait (pthread_cond_t *cond, pthread_mutex_t *guard, const bool *ends, int64_t when)
{
    struct timespec until = {when / 1000, when % 1000 * 1000000};
    while (!*ends && pthread_cond_timedwait (cond, guard, &until) == 0) {
    }
    return *ends;
}
