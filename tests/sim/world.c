/*  =========================================================================
    world - clock, chance, processes and fibers of the simulation

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A fiber gives up the machine only where its code would wait: in a poll, a sync
    to the disk, a join.  What is due next is what has the smallest time; of equal
    times, what was asked for first.
*/

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include <czmq.h>

#include "sim.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#define FIBER_ENTER(old, bottom, size) __sanitizer_start_switch_fiber (old, bottom, size)
#define FIBER_ENTERED(old, bottom, size) __sanitizer_finish_switch_fiber (old, bottom, size)
#else
#define FIBER_ENTER(old, bottom, size) ((void) (old), (void) (bottom), (void) (size))
#define FIBER_ENTERED(old, bottom, size) ((void) (old), (void) (bottom), (void) (size))
#endif

#define STACK (1 << 20)
//  From being woken to running, us; a busy machine now and then takes longer.
#define LATENCY 60

typedef struct {
    int64_t when;
    uint64_t serial;
    world_fn *fn;
    void *arg;
    uint64_t number;
} event_t;

struct fiber {
    process_t *process;
    fiber_t *next;
    ucontext_t context;
    uint8_t *stack;
    void *shadow; //  the sanitizer's
    fiber_fn *fn;
    void *arg, *result;
    bool first; //  its end is the process's
    bool ended, sleeps, waking, missed;
    uint64_t wakes; //  the sleep that is on; others' events are old
    fiber_t *joiner;
};

bool world_verbose;

static int64_t s_now;
static uint64_t s_state, s_secret;
static unsigned s_extras;
static event_t *s_heap;
static size_t s_events, s_room;
static uint64_t s_serial;
static ucontext_t s_main;
static void *s_main_shadow;
static const void *s_main_stack;
static size_t s_main_size;
static fiber_t *s_running;
static process_t *s_processes;
static unsigned s_process_serial;

//  ---------------------------------------------------------------------------
//  Chance

//  splitmix64
static uint64_t s_next (uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t world_random (uint64_t below)
{
    return below ? s_next (&s_state) % below : 0;
}

int64_t world_some (int64_t least, int64_t most)
{
    return s_now + least + (int64_t) world_random ((uint64_t) (most - least));
}

bool world_chance (unsigned permille)
{
    return world_random (1000) < permille;
}

void world_entropy (void *data, size_t size)
{
    uint8_t *byte = data;
    for (size_t index = 0; index < size; index++)
        byte[index] = (uint8_t) (s_next (&s_secret) >> 24);
}

//  ---------------------------------------------------------------------------
//  Events

int64_t world_now (void)
{
    return s_now;
}

static bool s_before (const event_t *one, const event_t *other)
{
    return one->when != other->when ? one->when < other->when : one->serial < other->serial;
}

void world_at (int64_t when, world_fn *fn, void *arg, uint64_t number)
{
    if (s_events == s_room) {
        s_room = s_room ? s_room * 2 : 256;
        s_heap = realloc (s_heap, s_room * sizeof *s_heap);
        assert (s_heap);
    }
    event_t event = {when < s_now ? s_now : when, ++s_serial, fn, arg, number};
    size_t at = s_events++;
    while (at && s_before (&event, &s_heap[(at - 1) / 2])) {
        s_heap[at] = s_heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    s_heap[at] = event;
}

static event_t s_pop (void)
{
    event_t first = s_heap[0], last = s_heap[--s_events];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < s_events; at = child) {
        if (child + 1 < s_events && s_before (&s_heap[child + 1], &s_heap[child]))
            child++;
        if (!s_before (&s_heap[child], &last))
            break;
        s_heap[at] = s_heap[child];
    }
    s_heap[at] = last;
    return first;
}

void world_run (int64_t until)
{
    assert (!s_running);
    while (s_events && s_heap[0].when <= until) {
        event_t event = s_pop ();
        s_now = event.when;
        event.fn (event.arg, event.number);
    }
    s_now = until;
}

void world_init (uint64_t seed)
{
    s_state = seed * 0x2545f4914f6cdd1du + 1;
    s_secret = seed ^ 0x5ec8e7;
    s_now = 0;
    uint64_t draw = seed;
    s_extras = 0;
    for (unsigned index = 0; index < EXTRAS && seed / 16 % 4; index++)
        s_extras |= (s_next (&draw) >> 32) % 3 ? 0 : 1u << index;
    //  One store can't be split; whose it is does not matter; there is no other one to be behind, or to be told to lead
    //  without.
    if (seed / 64 % 8 == 6)
        s_extras = (s_extras & ~(EXTRA_SPLITS | EXTRA_OPERATOR | EXTRA_NAMES | EXTRA_COPIES)) | EXTRA_SHARED;
}

bool world_has (unsigned extra)
{
    return s_extras & extra;
}

bool world_has_all (unsigned extras)
{
    return (s_extras & extras) == extras;
}

static const char *const s_extra_names[EXTRAS + 1] = {"splits",   "operator", "names", "copies",
                                                  "visitors", "levels",   "large", "old",
                                                  "limits",   "clocks",   "forge",  "shared"};

unsigned world_extra (const char *name)
{
    for (unsigned index = 0; index <= EXTRAS; index++)
        if (strcmp (s_extra_names[index], name) == 0)
            return 1u << index;
    return 0;
}

const char *world_extras (void)
{
    static char text[128];
    size_t size = 0;
    for (unsigned index = 0; index <= EXTRAS; index++)
        if (s_extras & 1u << index)
            size += (size_t) snprintf (text + size, sizeof text - size, ", %s", s_extra_names[index]);
    return text;
}

//  ---------------------------------------------------------------------------
//  Transcript

static void s_line (const char *text)
{
    const process_t *process = process_self ();
    fprintf (stderr, "%9.3f %-4s %s\n", (double) s_now / 1000, process ? process->name : "-", text);
}

void world_note (const char *format, ...)
{
    if (!world_verbose)
        return;
    char text[1024];
    va_list arguments;
    va_start (arguments, format);
    vsnprintf (text, sizeof text, format, arguments);
    va_end (arguments);
    s_line (text);
}

void world_finding (const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start (arguments, format);
    vsnprintf (text, sizeof text, format, arguments);
    va_end (arguments);
    if (world_verbose)
        s_line (text);
    dprintf (STDOUT_FILENO, "%9.3f FINDING %s\n", (double) s_now / 1000, text);
    _Exit (1);
}

//  ---------------------------------------------------------------------------
//  Fibers

fiber_t *fiber_self (void)
{
    return s_running;
}

process_t *process_self (void)
{
    return s_running ? s_running->process : NULL;
}

//  Back to the events.
static void s_leave (fiber_t *self, bool for_good)
{
    FIBER_ENTER (for_good ? NULL : &self->shadow, s_main_stack, s_main_size);
    (void) for_good;
    int rc = swapcontext (&self->context, &s_main);
    assert (rc == 0);
    FIBER_ENTERED (self->shadow, &s_main_stack, &s_main_size);
}

static void s_body (void)
{
    fiber_t *self = s_running;
    FIBER_ENTERED (NULL, &s_main_stack, &s_main_size);
    self->result = self->fn (self->arg);
    self->ended = true;
    if (self->joiner)
        fiber_wake (self->joiner);
    if (self->first)
        process_exit (0);
    s_leave (self, true);
}

static void s_enter (fiber_t *self)
{
    s_running = self;
    zsys_interrupted = self->process->stop;
    FIBER_ENTER (&s_main_shadow, self->stack, STACK);
    int rc = swapcontext (&s_main, &self->context);
    assert (rc == 0);
    FIBER_ENTERED (s_main_shadow, NULL, NULL);
    s_running = NULL;
}

static void s_due (void *arg, uint64_t number)
{
    fiber_t *self = arg;
    if (!self->process->alive || self->ended || !self->sleeps || self->wakes != number)
        return;
    if (self->process->paused) {
        self->missed = true;
        return;
    }
    self->sleeps = self->waking = false;
    s_enter (self);
}

static void s_wake_at (fiber_t *self, int64_t when)
{
    self->sleeps = self->waking = true;
    world_at (when, s_due, self, ++self->wakes);
}

void fiber_sleep (int64_t until)
{
    fiber_t *self = s_running;
    assert (self);
    self->sleeps = true;
    self->wakes++;
    if (until != INT64_MAX)
        world_at (until, s_due, self, self->wakes);
    s_leave (self, false);
}

void fiber_wake (fiber_t *self)
{
    if (!self->process->alive || !self->sleeps || self->waking || self->ended)
        return;
    s_wake_at (self, s_now + 5 + (int64_t) world_random (LATENCY));
}

static fiber_t *s_fiber (process_t *process, fiber_fn *fn, void *arg)
{
    fiber_t *self = calloc (1, sizeof *self);
    assert (self);
    self->process = process;
    self->fn = fn;
    self->arg = arg;
    self->stack = mmap (NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert (self->stack != MAP_FAILED);
    getcontext (&self->context);
    self->context.uc_stack.ss_sp = self->stack;
    self->context.uc_stack.ss_size = STACK;
    makecontext (&self->context, s_body, 0);
    self->first = process->fibers == NULL;
    self->next = process->fibers;
    process->fibers = self;
    s_wake_at (self, s_now + (int64_t) world_random (LATENCY));
    return self;
}

fiber_t *fiber_new (fiber_fn *fn, void *arg)
{
    assert (s_running);
    return s_fiber (s_running->process, fn, arg);
}

void *fiber_join (fiber_t *self)
{
    assert (s_running && !self->joiner);
    self->joiner = s_running;
    while (!self->ended)
        fiber_sleep (INT64_MAX);
    return self->result;
}

//  ---------------------------------------------------------------------------
//  Processes

process_t *process_start (const char *name, int machine, fiber_fn *fn, void *arg)
{
    process_t *self = calloc (1, sizeof *self);
    assert (self);
    *self = (process_t){.name = name, .machine = machine, .serial = ++s_process_serial, .alive = true};
    self->next = s_processes;
    s_processes = self;
    s_fiber (self, fn, arg);
    world_note ("%s starts", name);
    return self;
}

static void s_die (process_t *self, int code)
{
    self->alive = false;
    self->code = code;
    net_close_all (self, false);
}

void process_kill (process_t *self)
{
    assert (!s_running);
    if (!self->alive)
        return;
    world_note ("%s is killed", self->name);
    s_die (self, -1);
    //  Its stacks are in nobody's hands now; what it has allocated ends with the simulation.
    for (fiber_t *fiber = self->fibers; fiber; fiber = fiber->next)
        munmap (fiber->stack, STACK);
}

void process_exit (int code)
{
    fiber_t *self = s_running;
    assert (self);
    world_note ("%s exits with %d", self->process->name, code);
    s_die (self->process, code);
    s_leave (self, true);
    abort ();
}

void process_go_on (process_t *self)
{
    if (!self->alive || !self->paused)
        return;
    self->stood += s_now - self->stopped;
    world_note ("the clock of %s has stood for %d ms", self->name, (int) ((s_now - self->stopped) / MS));
    process_pause (self, false);
}

void process_pause (process_t *self, bool paused)
{
    if (!self->alive || self->paused == paused)
        return;
    self->paused = paused;
    if (paused)
        self->stopped = s_now;
    world_note ("%s %s", self->name, paused ? "is stopped" : "goes on");
    if (paused)
        return;
    self->resumed = s_now;
    net_resumed (self);
    for (fiber_t *fiber = self->fibers; fiber; fiber = fiber->next)
        if (fiber->missed) {
            fiber->missed = false;
            s_wake_at (fiber, s_now + (int64_t) world_random (LATENCY));
        }
}

void process_stop (process_t *self)
{
    if (!self->alive)
        return;
    world_note ("%s gets SIGTERM", self->name);
    self->stop = 1;
    for (fiber_t *fiber = self->fibers; fiber; fiber = fiber->next)
        fiber_wake (fiber);
}
