/*  =========================================================================
    thread - a thread beside the one that serves, and a condition with a time limit

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#ifndef ZB_THREAD_H_INCLUDED
#define ZB_THREAD_H_INCLUDED

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

//  Starts a thread that gets no signals: they are for the thread that serves, whose poll they end.  Returns 0, or an error
//  number of pthread_create(3): the system has no thread left.
int zb_thread_start (pthread_t *thread, void *(*run) (void *), void *arg);
//  Initializes a condition whose pthread_cond_timedwait counts in CLOCK_MONOTONIC, as zclock_mono does.
void zb_thread_cond (pthread_cond_t *cond);
//  Waits on such a condition until *ends is true, or `when`, in ms of zclock_mono, has come; returns *ends.  The caller holds
//  the guard, under which *ends changes.
bool zb_thread_wait (pthread_cond_t *cond, pthread_mutex_t *guard, const bool *ends, int64_t when);

#endif
