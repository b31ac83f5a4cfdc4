/*  =========================================================================
    machines - the brokers and the witness of the simulation, and what starts them again

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/level.h"
#include "disk.h"
#include "history.h"
#include "io/base/config_finish.h"
#include "io/base/config_set.h"
#include "io/broker/broker.h"
#include "io/pair/witness.h"
#include "ledger.h"
#include "lock.h"
#include "machines.h"

#define WITNESS_ENDPOINT "tcp://10.0.0.4:5570"

static machine_t s_machine[MACHINES] = {
    [PRIMARY] = {.name = "A", .machine = PRIMARY},
    [BACKUP] = {.name = "B", .machine = BACKUP},
    [WITNESS] = {.name = "W", .machine = WITNESS},
};
static bool s_wait, s_witness;
static size_t s_log_keep, s_inflight;
static int s_narrow; //  the broker that takes no bodies larger than those of producers

machine_t *machine_of (int machine)
{
    return &s_machine[machine];
}

machine_t *machine_peer (const machine_t *broker)
{
    return &s_machine[PRIMARY + BACKUP - broker->machine];
}

bool machine_says (int machine, const char *words)
{
    const machine_t *self = &s_machine[machine];
    return self->process && self->process->alive && strstr (self->says, words) != NULL;
}

bool machines_wait (void)
{
    return s_wait;
}

bool machines_witness (void)
{
    return s_witness;
}

//  ---------------------------------------------------------------------------
//  What they run

static void s_set (zb_config_t *config, const char *key, const char *value)
{
    char *error = NULL;
    int rc = zb_config_set (config, key, value, &error);
    if (rc)
        fprintf (stderr, "%s\n", error);
    assert (rc == 0);
}

const zb_config_t *machines_config (void)
{
    static zb_config_t *config;
    if (!config)
        config = zb_config_new ();
    return config;
}

size_t machines_body (void)
{
    return world_has (EXTRA_LARGE) ? BODY_MAX : 3000;
}

//  What it takes, and how it does its work.
static void s_limit (zb_limits_t *limits, bool narrow)
{
    if (narrow)
        limits->body = machines_body ();
    limits->reply = narrow ? 1000 : 4000;
    limits->batch = narrow ? 8000 : 500;
    limits->lease = narrow ? 1500 : 4000;
}

//  One folder, which both reach.
static void s_share (zb_config_t *config)
{
    char lease[16];
    snprintf (lease, sizeof lease, "%d", LOCK_LEASE);
    s_set (config, "store/folder", "shared");
    s_set (config, "store/shared", "yes");
    s_set (config, "store/lease", lease);
    if (lock_is_on_network ())
        s_set (config, "store/fence", "switch-off");
}

static void *s_run_broker (void *arg)
{
    const machine_t *self = arg;
    zb_config_t *config = zb_config_new ();
    s_set (config, "as", (self->machine == PRIMARY) != self->misnamed ? "primary" : "backup");
    s_set (config, "primary/endpoint", "tcp://10.0.0.1:5560");
    s_set (config, "backup/endpoint", "tcp://10.0.0.2:5560");
    s_set (config, "store/folder", self->name);
    if (world_has (EXTRA_SHARED))
        s_share (config);
    else
        s_set (config, "pair/peer-loss", s_wait ? "wait" : "solo");
    if (s_witness)
        s_set (config, "pair/witness", WITNESS_ENDPOINT);
    char *error;
    int rc = zb_config_finish (config, &error);
    assert (rc == 0);
    config->log_keep = s_log_keep;
    config->log_file = 4 << 20;
    config->limits.inflight = s_inflight;
    config->silence_learn = 1000;
    //  What clients held that have gone over to the other one is given to others at once.
    if (world_has (EXTRA_CLOCKS))
        config->limits.grace = 1;
    if (world_has (EXTRA_LIMITS))
        s_limit (&config->limits, self->machine == s_narrow);
    process_exit (zb_broker_run (config, NULL, NULL));
}

static void *s_run_witness (void *arg)
{
    const machine_t *self = arg;
    const zb_config_t *pair = zb_config_new ();
    process_exit (zb_witness_run (WITNESS_ENDPOINT, self->name, &pair, 1));
}

//  What a broker or the witness prints.
static ssize_t s_print (void *cookie, const char *data, size_t size)
{
    (void) cookie;
    process_t *process = process_self ();
    if (process && size > 1 && process->machine != CLIENTS) {
        machine_t *self = &s_machine[process->machine];
        snprintf (self->says, sizeof self->says, "%.*s", (int) size - 1, data);
        world_note ("%s", self->says);
        if (process->machine != WITNESS)
            history_role (process->machine, self->says);
    }
    return (ssize_t) size;
}

//  ---------------------------------------------------------------------------
//  Life and death

//  It was started as the other one: it has refused that, or was killed before, and has touched nothing.
static void s_check_refusal (machine_t *self)
{
    if (self->process->code >= 0 && self->process->code != ZB_EXIT_USAGE)
        world_finding ("H11: %s was started as the other one, and ends with %d: %s", self->name, self->process->code,
                       self->says);
    if (!disk_is_as_marked (self->machine))
        world_finding ("H11: %s was started as the other one, and has changed its disk", self->name);
}

//  It reads less than the store's level, which was raised since it was started, by a leader that took it for the process before
//  it: where each has a store of its own it would have been asked.  It ends, and touches nothing; the next one reads what is there.
static bool s_was_overtaken (machine_t *self)
{
    if (!world_has (EXTRA_SHARED) || self->process->code != ZB_EXIT_USAGE)
        return false;
    const process_t *peer = machine_peer (self)->process;
    bool soon = world_now () - self->started < 5 * SECOND || (peer && peer->resumed > self->started);
    return soon && self->level < disk_of (self->machine)->node.level;
}

//  The program that is on the machine from now on.  An earlier one comes only where no store can be of a higher level: none
//  that is there now may end since it does not read what it finds.  A disk that is set back does not know what the
//  other one has.
static void s_install (machine_t *self)
{
    bool may = self->machine != WITNESS && !world_has (EXTRA_COPIES) &&
               (self->starts == 1 || disk_of (self->machine)->node.level == 1);
    self->level = world_has (EXTRA_LEVELS) && may && world_chance (self->starts == 1 ? 700 : 300) ? 1 : ZB_LEVEL_MOST;
    if (world_has (EXTRA_LEVELS))
        world_note ("%s reads levels up to %u", self->name, self->level);
}

zb_level_t __real_zb_level_program (void);
zb_level_t __wrap_zb_level_program (void);
zb_level_t __wrap_zb_level_program (void)
{
    zb_level_t level = __real_zb_level_program ();
    level.most = s_machine[process_self ()->machine].level;
    return level;
}

static void s_start (void *arg, uint64_t number)
{
    (void) number;
    machine_t *self = arg;
    if (self->lost || (self->process && self->process->alive))
        return;
    if (self->misnamed)
        s_check_refusal (self);
    else if (self->process && self->process->code > 0 && self->process->code != ZB_EXIT_STORE &&
             !(self->process->code == ZB_EXIT_LOCK && lock_may_be_lost ()) && !s_was_overtaken (self))
        world_finding ("%s has exited with %d: %s", self->name, self->process->code, self->says);
    if (self->process)
        disk_crash (self->machine, false);
    self->starts++;
    self->started = world_now ();
    s_install (self);
    self->says[0] = 0;
    history_starts (self->machine);
    self->misnamed =
        world_has (EXTRA_NAMES) && disk_is_used (self->machine) && self->machine != WITNESS && world_chance (300);
    if (self->misnamed)
        disk_mark (self->machine);
    self->process =
        process_start (self->name, self->machine, self->machine == WITNESS ? s_run_witness : s_run_broker, self);
}

//  What an operator's service manager does.
static void s_supervise (void *arg, uint64_t number)
{
    machine_t *self = arg;
    if (self->process && !self->process->alive && self->process->code >= 0)
        world_at (world_now () + 100 * MS + (int64_t) world_random (SECOND), s_start, self, 0);
    world_at (world_now () + 200 * MS, s_supervise, self, number);
}

static void s_end (machine_t *self, bool power)
{
    if (power)
        net_close_all (self->process, true);
    process_kill (self->process);
    disk_crash (self->machine, power);
}

//  While it is down somebody brings back an older copy of its disk.
static void s_bring_back (machine_t *self)
{
    int other = PRIMARY + BACKUP - self->machine;
    if (self->machine == WITNESS || !world_has (EXTRA_COPIES) || history_is_back () || disk_suspect (other) ||
        disk_fails (other) || disk_suspect (self->machine) || !world_chance (350))
        return;
    history_back (self->machine);
    if (!disk_set_back (self->machine))
        return;
    history_was_back (self->machine);
    world_note ("the disk of %s is set back to a copy", self->name);
}

void machine_lose (machine_t *self, bool power)
{
    self->lost = true;
    s_end (self, power);
}

void machine_kill (machine_t *self, bool power)
{
    if (!self->process || !self->process->alive)
        return;
    s_end (self, power);
    s_bring_back (self);
    world_at (world_some (50 * MS, world_chance (300) ? 4 * SECOND : 600 * MS), s_start, self, 0);
}

//  Copies are made now and then, of a disk that has something.
static void s_copy (void *arg, uint64_t number)
{
    machine_t *self = arg;
    if (disk_is_used (self->machine) && world_chance (400))
        disk_copy (self->machine);
    world_at (world_some (200 * MS, 2 * SECOND), s_copy, self, number);
}

static void s_begin (int machine)
{
    if (world_has (EXTRA_COPIES) && machine != WITNESS)
        world_at (2 * SECOND, s_copy, &s_machine[machine], 0);
    disk_delay (machine, 800);
    world_at ((int64_t) world_random (400 * MS), s_start, &s_machine[machine], 0);
    world_at (SECOND, s_supervise, &s_machine[machine], 0);
}

void machines_start (bool witness)
{
    static cookie_io_functions_t functions = {.write = s_print};
    stdout = fopencookie (NULL, "w", functions);
    setvbuf (stdout, NULL, _IOLBF, 512);
    s_wait = world_chance (100) && !world_has (EXTRA_SHARED);
    s_log_keep = world_chance (300) ? (size_t) 8 << 20 : (size_t) 1 << 30;
    s_inflight = 1 + world_random (8);
    s_narrow = world_has (EXTRA_LIMITS) ? PRIMARY + (int) world_random (2) : NOWHERE;
    s_begin (PRIMARY);
    s_begin (BACKUP);
    lock_on_network (world_has (EXTRA_SHARED) && world_chance (500));
    s_witness = witness && !world_has (EXTRA_SHARED);
    if (!s_witness)
        return;
    history_witness ();
    s_begin (WITNESS);
}
