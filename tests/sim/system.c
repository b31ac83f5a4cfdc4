/*  =========================================================================
    system - what the broker needs of the machine: clock, entropy, threads, logs

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "io/base/heap.h"
#include "io/base/reach.h"
#include "patterns/probe.h"
#include "sim.h"

//  --- Clock: each machine's began at another time -----------------------------------------------------------------

int64_t zclock_mono (void);
int64_t zclock_mono (void)
{
    const process_t *process = process_self ();
    int machine = process ? process->machine : NOWHERE;
    return (world_now () - (process ? process->stood : 0)) / MS + 1000000 * (machine + 1);
}

int64_t zclock_usecs (void);
int64_t zclock_usecs (void)
{
    return zclock_mono () * 1000;
}

//  The wall clocks agree.
int64_t zclock_time (void);
int64_t zclock_time (void)
{
    return 1700000000000 + world_now () / MS;
}

//  --- Entropy -----------------------------------------------------------------------------------------------------

ssize_t getrandom (void *data, size_t size, unsigned flags)
{
    (void) flags;
    world_entropy (data, size);
    return (ssize_t) size;
}

int getentropy (void *data, size_t size)
{
    world_entropy (data, size);
    return 0;
}

void randombytes_buf (void *const data, const size_t size);
void randombytes_buf (void *const data, const size_t size)
{
    world_entropy (data, size);
}

//  --- Threads and the end of a process ----------------------------------------------------------------------------

int pthread_create (pthread_t *thread, const pthread_attr_t *attributes, void *(*fn) (void *), void *arg)
{
    (void) attributes;
    *thread = (pthread_t) fiber_new (fn, arg);
    return 0;
}

int pthread_join (pthread_t thread, void **result)
{
    void *value = fiber_join ((fiber_t *) thread);
    if (result)
        *result = value;
    return 0;
}

int pthread_detach (pthread_t thread)
{
    (void) thread;
    return 0;
}

int pthread_setname_np (pthread_t thread, const char *name)
{
    (void) thread;
    (void) name;
    return 0;
}

void _exit (int code)
{
    if (fiber_self ())
        process_exit (code);
    _Exit (code);
}

//  --- Logs --------------------------------------------------------------------------------------------------------

#define LOG(name, word)                                   \
    void zsys_##name (const char *format, ...);           \
    void zsys_##name (const char *format, ...)            \
    {                                                     \
        char text[512];                                   \
        va_list arguments;                                \
        if (!world_verbose)                               \
            return;                                       \
        va_start (arguments, format);                     \
        vsnprintf (text, sizeof text, format, arguments); \
        va_end (arguments);                               \
        world_note ("  %s %s", word, text);               \
    }

LOG (error, "E:")
LOG (warning, "W:")
LOG (notice, "N:")
LOG (info, "I:")
LOG (debug, "D:")

//  --- Why an endpoint can't be reached: nobody looks -----------------------------------------------------------------

zb_reach_t *zb_reach_new (void)
{
    return NULL;
}

void zb_reach_destroy (zb_reach_t **self_p)
{
    (void) self_p;
}

bool zb_reach_ask (zb_reach_t *self, const char *endpoint)
{
    (void) self, (void) endpoint;
    return false;
}

bool zb_reach_answer (zb_reach_t *self, char *text, size_t size)
{
    (void) self, (void) text, (void) size;
    return false;
}

int zb_reach_resolve (const char *endpoint, char *text, size_t size)
{
    (void) endpoint, (void) text, (void) size;
    return 0;
}

//  --- Proof of death: as patterns/probe.h has it ------------------------------------------------------------------

struct probe {
    size_t size;
    unsigned port[PROBE_MAX];
    int machine;
    int round;
    int64_t due;
    bool held; //  nothing comes back
    bool dead;
};

probe_t *probe_new (const char *peer, const char *const *endpoints, size_t count)
{
    (void) peer;
    probe_t *self = calloc (1, sizeof *self);
    assert (self && count <= PROBE_MAX);
    self->due = INT64_MAX;
    for (size_t index = 0; index < count; index++) {
        int machine;
        int rc = sscanf (endpoints[index], "tcp://10.0.0.%d:%u", &machine, &self->port[self->size++]);
        assert (rc == 2);
        self->machine = machine;
    }
    return self;
}

void probe_destroy (probe_t **self_p)
{
    free (*self_p);
    *self_p = NULL;
}

void probe_set_address (probe_t *self, const char *address)
{
    (void) self;
    (void) address;
}

//  Connects to all ports.
static void s_round (probe_t *self, int64_t now)
{
    int from = process_self ()->machine;
    bool cut = net_is_cut (from, self->machine) || net_is_cut (self->machine, from);
    self->dead = true;
    for (size_t index = 0; index < self->size; index++)
        self->dead = self->dead && net_refuses (from, self->machine, self->port[index]);
    self->held = cut;
    if (sim_mutant == MUTANT_DEATH) {
        self->dead = true;
        self->held = false;
    }
    self->due = now + (self->held ? PROBE_TIMEOUT_MS : PROBE_AGAIN_MS);
    self->round++;
}

bool probe_begin (probe_t *self, int64_t now)
{
    if (self->due != INT64_MAX)
        return true;
    self->round = 0;
    s_round (self, now);
    return self->size > 0;
}

void probe_cancel (probe_t *self)
{
    self->due = INT64_MAX;
}

probe_result_t probe_step (probe_t *self, int64_t now)
{
    if (self->due == INT64_MAX)
        return PROBE_IDLE;
    if (now < self->due)
        return PROBE_RUNNING;
    if (self->dead && self->round < 2) {
        s_round (self, now);
        return PROBE_RUNNING;
    }
    self->due = INT64_MAX;
    return self->dead ? PROBE_PROVEN : PROBE_NOT_PROVEN;
}

size_t probe_fds (const probe_t *self, int fds[PROBE_MAX])
{
    (void) self;
    (void) fds;
    return 0;
}

int64_t probe_due (const probe_t *self)
{
    return self->due;
}

//  The memory of this process is that of all brokers together, and no part of the virtual world.
zb_trimmer_t *zb_trimmer_new (void)
{
    return NULL;
}

void zb_trimmer_destroy (zb_trimmer_t **self_p)
{
    (void) self_p;
}
