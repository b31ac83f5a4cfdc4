/*  =========================================================================
    hooks - commands that are run when something has happened

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <pthread.h>
#include <czmq.h>

#include "io/base/child.h"
#include "io/base/log.h"
#include "io/base/thread.h"
#include "io/broker/hooks.h"
#include "io/broker/status.h"

#define LOOK_EVERY 20 //  ms, while a command runs
#define VARIABLES 7

//  Something that has happened: what the command's environment says of it.
typedef struct {
    const char *name[VARIABLES];
    char *value[VARIABLES];
    size_t size;
} event_t;

struct zb_hooks {
    const zb_config_t *config;
    const char *role; //  that was told last, "" at first
    pthread_t thread;
    pthread_mutex_t guard; //  of all below
    pthread_cond_t change;
    event_t *next; //  NULL: nothing has happened since
    bool ends;
};

static void s_event_destroy (event_t **self_p)
{
    event_t *self = *self_p;
    for (size_t index = 0; self && index < self->size; index++)
        free (self->value[index]);
    freen (*self_p);
}

static void s_add (event_t *self, const char *name, const char *value)
{
    assert (self->size < VARIABLES);
    self->name[self->size] = name;
    self->value[self->size] = strdup (value);
    assert (self->value[self->size]);
    self->size++;
}

static pid_t s_start (const char *command, const event_t *event)
{
    const char *variables[VARIABLES][2];
    for (size_t index = 0; index < event->size; index++) {
        variables[index][0] = event->name[index];
        variables[index][1] = event->value[index];
    }
    return zb_child_start (command, (const char *const(*)[2]) variables, event->size);
}

//  Waits until it has ended, ends it when its time is over, and tells the log what was wrong.  The guard is held, but
//  while it waits.
static void s_watch (zb_hooks_t *self, pid_t pid)
{
    int64_t end = zclock_mono () + self->config->hook_limit;
    char *error = NULL;
    while (!zb_child_done (pid, &error)) {
        if (zclock_mono () >= end) {
            zb_child_kill (pid);
            error = zsys_sprintf ("it was ended after %" PRId64 " ms, see hooks/limit", self->config->hook_limit);
            break;
        }
        if (zb_thread_wait (&self->change, &self->guard, &self->ends, zclock_mono () + LOOK_EVERY))
            return;
    }
    if (error)
        zb_log (ZB_LOG_WARNING, "the hook for the role, '%s', has failed: %s", self->config->hook_role, error);
    free (error);
}

static void *s_run (void *arg)
{
    zb_hooks_t *self = (zb_hooks_t *) arg;
    pthread_mutex_lock (&self->guard);
    while (!self->ends) {
        if (!self->next) {
            pthread_cond_wait (&self->change, &self->guard);
            continue;
        }
        event_t *event = self->next;
        self->next = NULL;
        pthread_mutex_unlock (&self->guard);
        pid_t pid = s_start (self->config->hook_role, event);
        int error = errno;
        s_event_destroy (&event);
        pthread_mutex_lock (&self->guard);
        if (pid > 0)
            s_watch (self, pid);
        else
            zb_log (ZB_LOG_WARNING, "the hook for the role can't be started: %s", strerror (error));
    }
    pthread_mutex_unlock (&self->guard);
    return NULL;
}

zb_hooks_t *zb_hooks_new (const zb_config_t *config)
{
    zb_hooks_t *self = (zb_hooks_t *) zmalloc (sizeof *self);
    assert (self);
    self->config = config;
    self->role = "";
    pthread_mutex_init (&self->guard, NULL);
    zb_thread_cond (&self->change);
    int rc = zb_thread_start (&self->thread, s_run, self);
    if (rc == 0)
        return self;
    free (self);
    errno = rc;
    return NULL;
}

void zb_hooks_destroy (zb_hooks_t **self_p)
{
    assert (self_p);
    zb_hooks_t *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    pthread_mutex_lock (&self->guard);
    self->ends = true;
    pthread_cond_signal (&self->change);
    pthread_mutex_unlock (&self->guard);
    pthread_join (self->thread, NULL);
    s_event_destroy (&self->next);
    pthread_cond_destroy (&self->change);
    pthread_mutex_destroy (&self->guard);
    free (self);
}

void zb_hooks_role (zb_hooks_t *self, const zb_role_t *role, const char *line)
{
    const char *now = zb_status_role (role);
    if (streq (now, self->role))
        return;
    char epoch[24];
    snprintf (epoch, sizeof epoch, "%" PRIu64, zb_status_epoch (role));
    event_t *event = (event_t *) zmalloc (sizeof *event);
    s_add (event, "ZBROKER_EVENT", "role");
    s_add (event, "ZBROKER_NODE", zb_status_node (self->config));
    s_add (event, "ZBROKER_ROLE", now);
    s_add (event, "ZBROKER_ROLE_BEFORE", self->role);
    s_add (event, "ZBROKER_EPOCH", epoch);
    s_add (event, "ZBROKER_ENDPOINT", self->config->host[self->config->as].endpoint);
    s_add (event, "ZBROKER_TEXT", line);
    self->role = now;
    pthread_mutex_lock (&self->guard);
    event_t *before = self->next;
    self->next = event;
    pthread_cond_signal (&self->change);
    pthread_mutex_unlock (&self->guard);
    if (before)
        zb_log (ZB_LOG_NOTICE, "the hook for the role was not run for the last change: one still runs");
    s_event_destroy (&before);
}
