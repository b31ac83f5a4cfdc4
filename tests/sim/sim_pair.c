/*  =========================================================================
    sim_pair - a pair, its clients and what breaks: one run a seed

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    sim_pair --seed N [--verbose]     one run; --verbose prints its transcript
    sim_pair --seeds N [--from M]     N runs, each in a process of its own
    sim_pair --mutant NAME            with a bug in the world; which checker finds it?
    sim_pair                          TAP: 500 seeds, the mutants, and that a seed replays to the byte
*/

#include <assert.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clients.h"
#include "io/broker.h"
#include "io/config.h"

#define FAULTS_FROM (1500 * MS)
#define FAULTS_TO (13 * SECOND)
#define PUTS_TO (14 * SECOND)
#define LIMIT (150 * SECOND) //  all must have come to rest by then

//  What a run may break.
typedef enum { KILLS, SLOW, CUTS, PAUSES, EVERYTHING, POWER, ERRORS, FLAPS, KINDS } kind_t;

static const char *const s_kind_name[KINDS] = {"kills",      "slow disks",   "cuts",          "pauses",
                                               "everything", "power losses", "failing disks", "flapping links"};

typedef struct {
    const char *name;
    int machine;
    process_t *process;
    char role[128]; //  its last word on standard output
    unsigned starts;
    bool wait;
} broker_t;

static broker_t s_broker[MACHINES] = {
    [PRIMARY] = {.name = "A", .machine = PRIMARY},
    [BACKUP] = {.name = "B", .machine = BACKUP},
};
static kind_t s_kind;
static bool s_wait;
static size_t s_log_keep, s_inflight;

//  ---------------------------------------------------------------------------
//  Brokers

static void s_set (zb_config_t *config, const char *key, const char *value)
{
    char *error = NULL;
    int rc = zb_config_set (config, key, value, &error);
    if (rc)
        fprintf (stderr, "%s\n", error);
    assert (rc == 0);
}

static void *s_run_broker (void *arg)
{
    const broker_t *self = arg;
    zb_config_t *config = zb_config_new ();
    s_set (config, "as", self->machine == PRIMARY ? "primary" : "backup");
    s_set (config, "primary/endpoint", "tcp://10.0.0.1:5560");
    s_set (config, "backup/endpoint", "tcp://10.0.0.2:5560");
    s_set (config, "store/folder", self->name);
    s_set (config, "pair/peer-loss", s_wait ? "wait" : "solo");
    char *error;
    int rc = zb_config_finish (config, &error);
    assert (rc == 0);
    config->log_keep = s_log_keep;
    config->log_file = 4 << 20;
    config->limits.inflight = s_inflight;
    process_exit (zb_broker_run (config));
}

//  What a broker prints.
static ssize_t s_print (void *cookie, const char *data, size_t size)
{
    (void) cookie;
    process_t *process = process_self ();
    if (process && size > 1 && process->machine != CLIENTS) {
        broker_t *self = &s_broker[process->machine];
        snprintf (self->role, sizeof self->role, "%.*s", (int) size - 1, data);
        world_note ("%s", self->role);
        history_role (process->machine, self->role);
    }
    return (ssize_t) size;
}

static void s_start (void *arg, uint64_t number)
{
    (void) number;
    broker_t *self = arg;
    if (self->process && self->process->alive)
        return;
    if (self->process && self->process->code > 0 && self->process->code != ZB_EXIT_STORE)
        world_finding ("%s has exited with %d: %s", self->name, self->process->code, self->role);
    if (self->process)
        disk_crash (self->machine, false);
    self->starts++;
    self->role[0] = 0;
    self->process = process_start (self->name, self->machine, s_run_broker, self);
}

//  What an operator's service manager does.
static void s_supervise (void *arg, uint64_t number)
{
    broker_t *self = arg;
    if (self->process && !self->process->alive && self->process->code >= 0)
        world_at (world_now () + 100 * MS + (int64_t) world_random (SECOND), s_start, self, 0);
    world_at (world_now () + 200 * MS, s_supervise, self, number);
}

//  ---------------------------------------------------------------------------
//  Faults

static broker_t *s_any (void)
{
    return &s_broker[world_chance (500) ? PRIMARY : BACKUP];
}

static int64_t s_some (int64_t least, int64_t most)
{
    return world_now () + least + (int64_t) world_random ((uint64_t) (most - least));
}

static void s_kill (broker_t *self, bool power)
{
    if (!self->process || !self->process->alive)
        return;
    if (power)
        net_close_all (self->process, true);
    process_kill (self->process);
    disk_crash (self->machine, power);
    world_at (s_some (50 * MS, world_chance (300) ? 4 * SECOND : 600 * MS), s_start, self, 0);
}

static void s_go_on (void *arg, uint64_t number)
{
    process_t *process = arg;
    (void) number;
    process_pause (process, false);
}

static void s_pause (broker_t *self)
{
    if (!self->process || !self->process->alive)
        return;
    history_strain ();
    process_pause (self->process, true);
    world_at (s_some (20 * MS, world_chance (500) ? 1200 * MS : 5 * SECOND), s_go_on, self->process, 0);
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

static void s_cut (bool flap)
{
    history_strain ();
    int64_t until = flap ? s_some (5 * MS, 400 * MS) : s_some (50 * MS, world_chance (500) ? SECOND : 6 * SECOND);
    int one = PRIMARY, other = world_chance (700) ? BACKUP : CLIENTS;
    if (other == CLIENTS && world_chance (500))
        one = BACKUP;
    unsigned ways = (unsigned) world_random (4);
    if (ways != 1)
        s_cut_for (one, other, until);
    if (ways != 2)
        s_cut_for (other, one, until);
}

static void s_disk_well (void *arg, uint64_t number)
{
    (void) arg;
    disk_delay ((int) number, 800);
    disk_full ((int) number, false);
}

static void s_slow_disk (broker_t *self)
{
    static const int64_t most[] = {20 * MS, 200 * MS, 1500 * MS, 4 * SECOND};
    int64_t delay = most[world_random (4)];
    world_note ("%s: syncs take up to %d ms", self->name, (int) (delay / MS));
    disk_delay (self->machine, delay);
    if (world_chance (200))
        disk_full (self->machine, true);
    world_at (s_some (200 * MS, 4 * SECOND), s_disk_well, NULL, (uint64_t) self->machine);
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
    world_at (s_some (100 * MS, 3 * SECOND), s_calm, NULL, 0);
}

static void s_fail (broker_t *self)
{
    int other = PRIMARY + BACKUP - self->machine;
    //  Of two disks that fail no design can make one.
    if (disk_suspect (other) || disk_fails (other) || !self->process || !self->process->alive)
        return;
    disk_fail (self->machine);
}

static void s_break (kind_t kind)
{
    if (kind == EVERYTHING)
        kind = (kind_t) world_random (KINDS);
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
        s_kill (s_any (), true);
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
    broker_t *victim = s_any ();
    if (world_chance (150) && victim->process)
        process_stop (victim->process);
    else
        s_kill (victim, false);
    if (world_chance (150))
        s_kill (&s_broker[PRIMARY + BACKUP - victim->machine], false);
}

static void s_fault (void *arg, uint64_t number)
{
    if (world_now () > FAULTS_TO)
        return;
    s_break (s_kind);
    //  Pause then kill, cut then kill: the next one often comes soon.
    int64_t most = world_chance (400) ? 300 * MS : 3 * SECOND;
    world_at (s_some (MS, most), s_fault, arg, number);
}

static void s_heal_all (void)
{
    world_note ("from here on nothing breaks");
    for (int one = 0; one < MACHINES; one++)
        for (int other = 0; other < MACHINES; other++)
            net_cut (one, other, false);
    net_delay (200);
    for (int machine = PRIMARY; machine <= BACKUP; machine++) {
        s_disk_well (NULL, (uint64_t) machine);
        if (s_broker[machine].process)
            process_pause (s_broker[machine].process, false);
    }
}

//  ---------------------------------------------------------------------------
//  A run

typedef enum { RUNNING, RESTED, STUCK, ENDS } end_t;

static bool s_says (int machine, const char *words)
{
    const broker_t *self = &s_broker[machine];
    return self->process && self->process->alive && strstr (self->role, words) != NULL;
}

static end_t s_rest (void)
{
    bool drained = clients_are_done () && history_open () == 0;
    for (int machine = PRIMARY; machine <= BACKUP; machine++) {
        int other = PRIMARY + BACKUP - machine;
        bool serves = s_says (machine, "ACTIVE") && s_says (machine, "in step");
        if (drained && serves && s_says (other, "passive, in step"))
            return RESTED;
        //  R6: no store is trusted, or the one that is not alone has what was answered without its peer.
        bool nobody = !s_says (machine, "ACTIVE") && !s_says (other, "ACTIVE");
        if (nobody && world_now () > FAULTS_TO + 12 * SECOND && disk_suspect (machine) &&
            (disk_alone (machine) || disk_suspect (other)))
            return STUCK;
    }
    return RUNNING;
}

static const char *const s_end_name[] = {"did not come to rest", "at rest", "waits for an operator"};

static void s_print_disks (void)
{
    for (int machine = PRIMARY; machine <= BACKUP; machine++) {
        char line[512] = "";
        base_print (machine, line, sizeof line);
        world_note ("disk of %s: %s", s_broker[machine].name, line);
    }
}

static void s_print_end (end_t end, size_t kept)
{
    s_print_disks ();
    dprintf (STDOUT_FILENO,
             "%s, %s%s: at rest after %.1f s; %zu OK (%zu both, %zu solo, %zu duplicates), %zu deliveries (%zu again), "
             "%zu epochs, %zu and %zu starts%s",
             s_end_name[end], s_kind_name[s_kind], s_wait ? ", peer-loss = wait" : "", (double) world_now () / SECOND,
             history_stats.oks, history_stats.both, history_stats.solo, history_stats.duplicates,
             history_stats.deliveries, history_stats.redeliveries, history_stats.epochs,
             (size_t) s_broker[PRIMARY].starts, (size_t) s_broker[BACKUP].starts, history_is_split () ? ", split" : "");
    if (kept)
        dprintf (STDOUT_FILENO, ", %zu messages wait on disks", kept);
    dprintf (STDOUT_FILENO, "\n");
}

//  Does not return.
static void s_run (uint64_t seed)
{
    static cookie_io_functions_t functions = {.write = s_print};
    stdout = fopencookie (NULL, "w", functions);
    setvbuf (stdout, NULL, _IOLBF, 512);
    world_init (seed);
    s_kind = (kind_t) (seed % KINDS);
    s_wait = world_chance (100);
    s_log_keep = world_chance (300) ? (size_t) 8 << 20 : (size_t) 1 << 30;
    s_inflight = 1 + world_random (8);
    for (int machine = PRIMARY; machine <= BACKUP; machine++) {
        disk_delay (machine, 800);
        world_at ((int64_t) world_random (400 * MS), s_start, &s_broker[machine], 0);
        world_at (SECOND, s_supervise, &s_broker[machine], 0);
    }
    world_run (10 * MS);
    clients_start (PUTS_TO);
    world_at (FAULTS_FROM, s_fault, NULL, 0);
    world_run (FAULTS_TO);
    s_heal_all ();
    end_t end = RUNNING;
    while (end == RUNNING && world_now () < LIMIT) {
        world_run (world_now () + 100 * MS);
        if (world_now () > FAULTS_TO + 4 * SECOND)
            end = s_rest ();
    }
    if (end == RUNNING) {
        s_print_disks ();
        world_finding ("H8: not at rest: %zu of %zu messages that were answered OK are open%s; A: %s; B: %s",
                       history_open (), history_oks (), clients_are_done () ? "" : ", producers still try",
                       s_broker[PRIMARY].role, s_broker[BACKUP].role);
    }
    size_t kept = history_end (end == STUCK);
    s_print_end (end, kept);
    _Exit (0);
}

//  ---------------------------------------------------------------------------
//  Many runs

typedef struct {
    size_t runs, found, ends[ENDS], oks;
    char first[1200]; //  what the first finding said
    uint64_t seed;
} sum_t;

//  Runs a seed in a process of its own; returns its exit code, and what it said.
static int s_child (uint64_t seed, bool verbose, char *text, size_t size)
{
    int pipe_[2];
    int rc = pipe (pipe_);
    assert (rc == 0);
    fflush (NULL);
    pid_t pid = fork ();
    assert (pid >= 0);
    if (pid == 0) {
        dup2 (pipe_[1], STDOUT_FILENO);
        if (verbose)
            dup2 (pipe_[1], STDERR_FILENO);
        close (pipe_[0]);
        world_verbose = verbose;
        //  A run takes parts of a second; one that turns for ever is a finding, too.
        alarm (120);
        s_run (seed);
    }
    close (pipe_[1]);
    size_t used = 0;
    ssize_t got;
    char rest[4096];
    while ((got = read (pipe_[0], used < size - 1 ? text + used : rest,
                        used < size - 1 ? size - 1 - used : sizeof rest)) > 0)
        used += used < size - 1 ? (size_t) got : 0;
    text[used] = 0;
    close (pipe_[0]);
    int status;
    waitpid (pid, &status, 0);
    if (WIFSIGNALED (status)) {
        snprintf (text + used, size - used, "FINDING signal %d\n", WTERMSIG (status));
        return 128 + WTERMSIG (status);
    }
    return WEXITSTATUS (status);
}

static sum_t s_seeds (uint64_t from, uint64_t count, bool tell)
{
    sum_t sum = {0};
    for (uint64_t seed = from; seed < from + count; seed++) {
        char text[1200];
        int code = s_child (seed, false, text, sizeof text);
        sum.runs++;
        if (tell && (code || isatty (STDERR_FILENO)))
            printf ("seed %llu: %s", (unsigned long long) seed, text);
        fflush (stdout);
        if (code && !sum.found++) {
            snprintf (sum.first, sizeof sum.first, "%s", text);
            sum.seed = seed;
        }
        for (int end = RESTED; end < ENDS && !code; end++)
            sum.ends[end] += strncmp (text, s_end_name[end], strlen (s_end_name[end])) == 0;
    }
    return sum;
}

static void s_print_sum (const sum_t *sum)
{
    printf ("# %zu seeds: %zu at rest, %zu wait for an operator, %zu findings\n", sum->runs,
            sum->ends[RESTED], sum->ends[STUCK], sum->found);
}

//  ---------------------------------------------------------------------------
//  As a test

static int s_test, s_bad;

static void s_tell (bool good, const char *what)
{
    printf ("%sok %d - %s\n", good ? "" : "not ", ++s_test, what);
    s_bad += !good;
    fflush (stdout);
}

static void s_test_replay (void)
{
    size_t size = 64 << 20;
    char *one = malloc (size), *other = malloc (size);
    assert (one && other);
    bool same = true;
    for (uint64_t seed = 1; seed <= KINDS; seed++) {
        s_child (seed, true, one, size);
        s_child (seed, true, other, size);
        same = same && strlen (one) > 10000 && strcmp (one, other) == 0;
    }
    free (one);
    free (other);
    s_tell (same, "a seed replays to the byte");
}

//  A bug in the world is found, and by the checker that is meant for it.
static void s_test_mutant (mutant_t mutant, const char *finding)
{
    char what[128];
    snprintf (what, sizeof what, "%s is found by %s", sim_mutant_name (mutant), finding);
    sim_mutant = mutant;
    bool found = false;
    for (uint64_t seed = 1; seed <= 300 && !found; seed++) {
        char text[1200];
        found = s_child (seed, false, text, sizeof text) && strstr (text, finding);
    }
    sim_mutant = MUTANT_NONE;
    s_tell (found, what);
}

static int s_tap (void)
{
#if defined(__SANITIZE_ADDRESS__)
    //  It reports each run, though nothing is wrong.  --seeds runs there.
    printf ("1..0 # SKIP AddressSanitizer does not know the simulation's fibers\n");
    return 0;
#endif
    uint64_t seeds = getenv ("ZBROKER_SEEDS") ? strtoull (getenv ("ZBROKER_SEEDS"), NULL, 10) : 500;
    sum_t sum = s_seeds (1, seeds, true);
    s_print_sum (&sum);
    s_tell (sum.found == 0 && sum.runs == seeds, "seeds without a finding");
    s_test_replay ();
    s_test_mutant (MUTANT_SYNC, "H1");
    s_test_mutant (MUTANT_FORGET, "H2");
    s_test_mutant (MUTANT_ACKS, "H3");
    s_test_mutant (MUTANT_ORDER, "H4");
    s_test_mutant (MUTANT_PRODUCER, "H5");
    s_test_mutant (MUTANT_EPOCH, "H6");
    s_test_mutant (MUTANT_DEATH, "H7");
    s_test_mutant (MUTANT_LINK, "H8");
    printf ("1..%d\n", s_test);
    return s_bad != 0;
}

int main (int argc, char *argv[])
{
    static const struct option options[] = {{"seed", 1, NULL, 's'},   {"seeds", 1, NULL, 'n'},   {"from", 1, NULL, 'f'},
                                            {"mutant", 1, NULL, 'm'}, {"verbose", 0, NULL, 'v'}, {NULL, 0, NULL, 0}};
    uint64_t seed = 0, seeds = 0, from = 1;
    int letter;
    while ((letter = getopt_long (argc, argv, "", options, NULL)) != -1)
        switch (letter) {
        case 's':
            seed = strtoull (optarg, NULL, 10);
            break;
        case 'n':
            seeds = strtoull (optarg, NULL, 10);
            break;
        case 'f':
            from = strtoull (optarg, NULL, 10);
            break;
        case 'm':
            while (sim_mutant < MUTANTS && strcmp (sim_mutant_name (sim_mutant), optarg))
                sim_mutant++;
            break;
        case 'v':
            world_verbose = true;
            break;
        default:
            fprintf (stderr, "usage: sim_pair [--seed N [--verbose] | --seeds N [--from M]] [--mutant NAME]\n");
            return 2;
        }
    if (seed)
        s_run (seed);
    if (!seeds)
        return s_tap ();
    sum_t sum = s_seeds (from, seeds, true);
    s_print_sum (&sum);
    return sum.found != 0;
}
