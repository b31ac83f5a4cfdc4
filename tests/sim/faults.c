/*  =========================================================================
    faults - what breaks in the simulation, and when

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include "clients.h"
#include "faults.h"
#include "history.h"
#include "lock.h"
#include "machines.h"

static kind_t s_kind;
static int64_t s_to;
static bool s_slowly;

bool faults_free_slowly (void)
{
    return s_slowly;
}

const char *fault_name (kind_t kind)
{
    static const char *const names[KINDS] = {"kills",      "slow disks",   "cuts",          "pauses",
                                             "everything", "power losses", "failing disks", "flapping links"};
    return names[kind];
}

static machine_t *s_any (void)
{
    return machine_of (world_chance (500) ? PRIMARY : BACKUP);
}

static void s_go_on (void *arg, uint64_t number)
{
    process_t *process = arg;
    (void) number;
    process_pause (process, false);
}

//  What becomes of the lock of a shared store.  Who had a lock whose file is gone, and does not run, or waits for the
//  disk longer than the lease, can only be kept out by a fence.
static void s_break_lock (void)
{
    bool stopped = machine_of (PRIMARY)->process->paused || machine_of (BACKUP)->process->paused;
    bool slow = s_kind == SLOW || s_kind == EVERYTHING;
    if (world_chance (500))
        lock_forget ();
    else if ((!stopped && !slow) || lock_is_on_network ())
        lock_remove ();
}

static bool s_must_run (void)
{
    return lock_is_in_doubt () && !lock_is_on_network ();
}

static void s_pause (machine_t *self)
{
    if (!self->process || !self->process->alive || s_must_run ())
        return;
    if (self->machine != WITNESS)
        history_strain ();
    process_pause (self->process, true);
    world_at (world_some (20 * MS, world_chance (500) ? 1200 * MS : 5 * SECOND), s_go_on, self->process, 0);
}

static void s_heal_link (void *arg, uint64_t number)
{
    (void) arg;
    int from = (int) (number / MACHINES), to = (int) (number % MACHINES);
    world_note ("the link from %d to %d is whole", from, to);
    net_cut (from, to, false);
}

static void s_cut_for (int from, int to, int64_t until)
{
    world_note ("the link from %d to %d is cut", from, to);
    net_cut (from, to, true);
    world_at (until, s_heal_link, NULL, (uint64_t) (from * MACHINES + to));
}

//  How long a cut lasts.
static int64_t s_cut_until (bool flap)
{
    if (flap)
        return world_some (5 * MS, 400 * MS);
    return world_some (50 * MS, world_chance (500) ? SECOND : 6 * SECOND);
}

//  One way or both.
static void s_cut_between (int one, int other, int64_t until)
{
    unsigned ways = (unsigned) world_random (4);
    if (ways != 1)
        s_cut_for (one, other, until);
    if (ways != 2)
        s_cut_for (other, one, until);
}

static void s_be_one_again (void *arg, uint64_t number)
{
    (void) arg;
    (void) number;
    history_stood (false);
}

static void s_stand_no_more (void *arg, uint64_t number)
{
    (void) number;
    process_t *process = arg;
    history_stood (true);
    process_go_on (process);
    stray_start (process->machine, world_now () + SECOND);
    world_at (world_now () + 2 * SECOND, s_be_one_again, NULL, 0);
}

//  A virtual machine stands still, and its clocks.
static void s_stand (machine_t *self)
{
    if (!self->process || !self->process->alive || self->process->paused || s_must_run ())
        return;
    history_strain ();
    process_pause (self->process, true);
    int64_t until = world_some (50 * MS, world_chance (700) ? 2 * SECOND : 5 * SECOND);
    world_at (until, s_stand_no_more, self->process, 0);
    //  It does not hear at once what the other one is by now.
    if (world_chance (700))
        s_cut_between (PRIMARY, BACKUP, until + (int64_t) world_random (2 * SECOND));
}

static void s_cut (bool flap)
{
    history_strain ();
    int64_t until = s_cut_until (flap);
    int one = PRIMARY, other = world_chance (700) ? BACKUP : CLIENTS;
    if (other == CLIENTS && world_chance (500))
        one = BACKUP;
    s_cut_between (one, other, until);
}

static void s_disk_well (void *arg, uint64_t number)
{
    (void) arg;
    disk_delay ((int) number, 800);
    disk_full ((int) number, false);
}

static void s_slow_disk (machine_t *self)
{
    static const int64_t most[] = {20 * MS, 200 * MS, 1500 * MS, 4 * SECOND};
    int64_t delay = most[world_random (4)];
    world_note ("%s: syncs take up to %d ms", self->name, (int) (delay / MS));
    disk_delay (self->machine, delay);
    if (world_chance (200))
        disk_full (self->machine, true);
    world_at (world_some (200 * MS, 4 * SECOND), s_disk_well, NULL, (uint64_t) self->machine);
}

static void s_calm (void *arg, uint64_t number)
{
    (void) arg;
    (void) number;
    net_delay (200);
}

static void s_slow_net (void)
{
    history_strain ();
    int64_t most = world_chance (500) ? 20 * MS : 300 * MS;
    world_note ("frames take up to %d ms", (int) (most / MS));
    net_delay (most);
    world_at (world_some (100 * MS, 3 * SECOND), s_calm, NULL, 0);
}

static void s_fail (machine_t *self)
{
    int other = machine_peer (self)->machine;
    //  Of two disks that fail, or one of them and an old copy, no design can make one.
    if (history_is_back () || disk_suspect (other) || disk_fails (other) || !self->process || !self->process->alive)
        return;
    disk_fail (self->machine);
}

static void s_break_witness (kind_t kind)
{
    machine_t *witness = machine_of (WITNESS);
    bool dies = world_chance (kind == KILLS || kind == EVERYTHING ? 1000 : 150);
    switch (kind) {
    case SLOW:
        s_slow_disk (witness);
        break;
    case CUTS:
        s_cut_between (s_any ()->machine, WITNESS, s_cut_until (false));
        break;
    case PAUSES:
        s_pause (witness);
        break;
    case POWER:
        machine_kill (witness, true);
        break;
    case ERRORS:
        disk_fail (WITNESS);
        break;
    case FLAPS:
        if (world_chance (500))
            s_cut_between (s_any ()->machine, WITNESS, s_cut_until (true));
        else
            net_reset (s_any ()->machine, WITNESS);
        break;
    default:
        break;
    }
    if (dies && world_chance (150) && witness->process)
        process_stop (witness->process);
    else if (dies)
        machine_kill (witness, false);
}

static void s_kill_any (void *arg, uint64_t number)
{
    (void) arg;
    (void) number;
    machine_kill (s_any (), false);
}

static void s_break (kind_t kind)
{
    if (kind == EVERYTHING)
        kind = (kind_t) world_random (KINDS);
    if (machines_witness () && world_chance (400)) {
        s_break_witness (kind);
        if (world_chance (500))
            return;
    }
    switch (kind) {
    case SLOW:
        s_slow_disk (s_any ());
        break;
    case CUTS:
        s_cut (false);
        break;
    case PAUSES:
        s_pause (s_any ());
        break;
    case POWER:
        machine_kill (s_any (), true);
        break;
    case ERRORS:
        s_fail (s_any ());
        break;
    case FLAPS:
        if (world_chance (500))
            s_cut (true);
        else if (world_chance (500))
            s_slow_net ();
        else {
            history_strain ();
            net_reset (PRIMARY, BACKUP);
        }
        break;
    default:
        break;
    }
    unsigned kills = kind == KILLS || kind == EVERYTHING ? 1000 : 250;
    if (!world_chance (kills))
        return;
    machine_t *victim = s_any ();
    if (world_chance (150) && victim->process)
        process_stop (victim->process);
    else
        machine_kill (victim, false);
    if (world_chance (150))
        machine_kill (machine_peer (victim), false);
}

static void s_fault (void *arg, uint64_t number)
{
    if (world_now () > s_to)
        return;
    if (!world_has (EXTRA_SPLITS) || world_chance (200))
        s_break (s_kind);
    //  On a slow disk what was under way before is under way for long.
    if (world_has (EXTRA_CLOCKS) && s_kind != SLOW && s_kind != EVERYTHING && world_chance (300))
        s_stand (s_any ());
    if (world_has (EXTRA_SHARED) && world_chance (150))
        s_break_lock ();
    //  Pause then kill, cut then kill: the next one often comes soon.
    int64_t most = world_chance (400) ? 300 * MS : 3 * SECOND;
    world_at (world_some (MS, most), s_fault, arg, number);
}

static bool s_both_say (const char *words)
{
    return machine_says (PRIMARY, words) && machine_says (BACKUP, words);
}

static void s_part (void *arg, uint64_t number);

static void s_kill (void *arg, uint64_t number)
{
    (void) number;
    machine_kill (arg, false);
}

//  Cuts the two again amid the merge, and kills the loser, which leads again when it is back.  If its winner is killed, too, it
//  may lose once more to the same one, whose new epoch is newer.
static void s_part_again (void *arg, uint64_t number)
{
    machine_t *loser = arg;
    (void) number;
    if (world_now () > s_to || !machine_says (loser->machine, "diverged"))
        return;
    s_cut_for (PRIMARY, BACKUP, s_to);
    s_cut_for (BACKUP, PRIMARY, s_to);
    history_cut_off ();
    machine_kill (loser, false);
    if (world_chance (600))
        world_at (world_now () + (int64_t) world_random (SECOND), s_kill, machine_peer (loser), 0);
    world_at (world_now () + 100 * MS, s_part, NULL, 1);
}

//  A merge is to be cut off.
static bool s_awaits;

void faults_replays_lane (void)
{
    if (s_awaits)
        world_at (world_now () + (int64_t) world_random (20 * MS), s_part_again, machine_of (process_self ()->machine),
                  0);
    s_awaits = false;
}

//  Looks for the merge until then.  If there is something in a lane it is cut off more often when that is sent.
static void s_await_merge (void *arg, uint64_t number)
{
    (void) arg;
    for (int machine = PRIMARY; machine <= BACKUP && s_awaits; machine++)
        if (machine_says (machine, "diverged")) {
            s_awaits = world_chance (700);
            if (!s_awaits)
                world_at (world_now () + (int64_t) world_random (40 * MS), s_part_again, machine_of (machine), 0);
            return;
        }
    if (world_now () < (int64_t) number)
        world_at (world_now () + 2 * MS, s_await_merge, NULL, number);
}

//  Cuts a pair that is in sync until each side has served for a while.  It often ends with a kill, amid the merge, or with
//  another cut.  Number: 1 while it is cut.
static void s_part (void *arg, uint64_t number)
{
    (void) arg;
    int64_t now = world_now ();
    bool cut = number == 1, ends = cut && (s_both_say ("ACTIVE solo") || world_chance (30));
    if (now > s_to)
        return;
    if (!cut && s_both_say ("in sync")) {
        history_strain ();
        s_cut_for (PRIMARY, BACKUP, s_to);
        s_cut_for (BACKUP, PRIMARY, s_to);
        cut = true;
    }
    if (ends) {
        int64_t until = world_some (MS, 1500 * MS);
        cut = false;
        world_at (until, s_heal_link, NULL, PRIMARY * MACHINES + BACKUP);
        world_at (until, s_heal_link, NULL, BACKUP * MACHINES + PRIMARY);
        bool again = world_chance (450);
        s_awaits = again;
        if (again)
            s_await_merge (NULL, (uint64_t) (until + 3 * SECOND));
        if (!again && world_chance (400))
            world_at (until + (int64_t) world_random (400 * MS), s_kill_any, NULL, 0);
        if (!again && world_chance (300))
            s_cut_for (PRIMARY, BACKUP, until + (int64_t) world_random (SECOND));
        now = until + (int64_t) world_random (400 * MS);
    }
    world_at (now + 100 * MS, s_part, NULL, cut);
}

void faults_start (kind_t kind, int64_t from, int64_t to)
{
    s_kind = kind;
    s_to = to;
    s_slowly = world_has (EXTRA_FORGE) && world_chance (300);
    world_at (from, s_fault, NULL, 0);
    if (world_has (EXTRA_SPLITS))
        world_at (from + (int64_t) world_random (3 * SECOND), s_part, NULL, 0);
}

void faults_end (void)
{
    world_note ("from here on nothing breaks");
    s_slowly = false;
    for (int one = 0; one < MACHINES; one++)
        for (int other = 0; other < MACHINES; other++)
            net_cut (one, other, false);
    net_delay (200);
    for (int machine = PRIMARY; machine < MACHINES; machine++) {
        s_disk_well (NULL, (uint64_t) machine);
        if (machine_of (machine)->process)
            process_pause (machine_of (machine)->process, false);
    }
}
