/*  =========================================================================
    reloader - reads the configuration again when the process is told to

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "io/base/log.h"
#include "io/base/reloader.h"
#include "io/base/thread.h"

struct zb_reloader {
    zb_reload_fn *load;
    const void *context;
    pthread_t thread;
    atomic_bool ends;
    _Atomic (zb_config_t *) config; //  that was read and not taken
};

static sigset_t s_hup (void)
{
    sigset_t set;
    sigemptyset (&set);
    sigaddset (&set, SIGHUP);
    return set;
}

void zb_reloader_block (void)
{
    sigset_t set = s_hup ();
    pthread_sigmask (SIG_BLOCK, &set, NULL);
}

static void s_read (zb_reloader_t *self)
{
    char *error = NULL;
    zb_config_t *config = self->load (self->context, &error);
    if (config) {
        config = atomic_exchange (&self->config, config);
        zb_config_destroy (&config);
        return;
    }
    zb_log (ZB_LOG_ERROR, "the configuration was read again and is wrong, so nothing has changed: %s", error);
    free (error);
}

static void *s_run (void *arg)
{
    zb_reloader_t *self = (zb_reloader_t *) arg;
    sigset_t set = s_hup ();
    for (;;) {
        int number;
        int rc = sigwait (&set, &number);
        assert (rc == 0);
        if (atomic_load (&self->ends))
            return NULL;
        s_read (self);
    }
}

zb_reloader_t *zb_reloader_new (zb_reload_fn *load, const void *context)
{
    zb_reloader_t *self = (zb_reloader_t *) calloc (1, sizeof *self);
    assert (self);
    self->load = load;
    self->context = context;
    int rc = zb_thread_start (&self->thread, s_run, self);
    if (rc == 0)
        return self;
    free (self);
    errno = rc;
    return NULL;
}

void zb_reloader_destroy (zb_reloader_t **self_p)
{
    assert (self_p);
    zb_reloader_t *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    atomic_store (&self->ends, true);
    pthread_kill (self->thread, SIGHUP);
    pthread_join (self->thread, NULL);
    zb_config_t *config = zb_reloader_take (self);
    zb_config_destroy (&config);
    free (self);
}

zb_config_t *zb_reloader_take (zb_reloader_t *self)
{
    return atomic_exchange (&self->config, NULL);
}
