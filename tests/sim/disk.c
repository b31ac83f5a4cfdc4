/*  =========================================================================
    disk - a disk a machine: what is synced stays, what is not is lost with the process

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Stands in for io/store/node, io/store/record and io/store/home.
*/

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/level.h"
#include "disk.h"
#include "history.h"
#include "io/base/exit_codes.h"
#include "io/store/folder.h"
#include "io/store/home.h"
#include "io/store/node.h"
#include "io/store/record.h"

static disk_t s_disk[MACHINES];

//  A shared store is on a disk that both brokers' machines reach.
disk_t *disk_of (int machine)
{
    return &s_disk[world_has (EXTRA_SHARED) && machine == BACKUP ? PRIMARY : machine];
}

static disk_t *s_own (void)
{
    return disk_of (process_self ()->machine);
}

void disk_delay (int machine, int64_t most)
{
    disk_of (machine)->delay = most;
}

void disk_fail (int machine)
{
    disk_of (machine)->fail = true;
}

bool disk_fails (int machine)
{
    return disk_of (machine)->fail || disk_of (machine)->failed;
}

void disk_full (int machine, bool full)
{
    disk_of (machine)->full = full;
}

bool disk_alone (int machine)
{
    return disk_of (machine)->node.alone != 0;
}

bool disk_suspect (int machine)
{
    return disk_of (machine)->node.suspect;
}

bool disk_is_used (int machine)
{
    return disk_of (machine)->written && disk_of (machine)->node.current;
}

static void s_mark (const disk_t *self, mark_t *mark)
{
    *mark = (mark_t){.node = self->node};
    for (const environment_t *at = self->environments; at; at = at->next) {
        mark->environments += at->number;
        mark->records += at->size;
    }
}

void disk_mark (int machine)
{
    s_mark (disk_of (machine), &disk_of (machine)->mark);
}

bool disk_is_as_marked (int machine)
{
    mark_t mark;
    const mark_t *before = &disk_of (machine)->mark;
    s_mark (disk_of (machine), &mark);
    return memcmp (&mark.node, &before->node, sizeof mark.node) == 0 && mark.environments == before->environments &&
           mark.records == before->records;
}

bool disk_sync (void)
{
    disk_t *self = s_own ();
    fiber_sleep (world_now () + 150 + (int64_t) world_random ((uint64_t) self->delay + 1));
    if (!self->fail)
        return true;
    self->fail = false;
    self->failed = true;
    world_note ("the disk reports an I/O error");
    return false;
}

void disk_read (void)
{
    int64_t most = s_own ()->delay / 10;
    fiber_sleep (world_now () + (int64_t) world_random ((uint64_t) (most < 20 * MS ? most : 20 * MS) + 1));
}

environment_t *disk_environment (int machine, uint64_t number)
{
    for (environment_t *self = disk_of (machine)->environments; self; self = self->next)
        if (self->number == number)
            return self;
    return NULL;
}

void environment_cut (environment_t *self, size_t size)
{
    if (size < self->size)
        self->size = size;
    if (self->synced > self->size)
        self->synced = self->size;
    //  A log that was rolled back to before its oldest file has none that lacks it.
    if (self->trimmed > self->size)
        self->trimmed = self->size;
}

void environment_add (environment_t *self, record_t *record)
{
    if (self->size == self->room) {
        self->room = self->room ? self->room * 2 : 64;
        self->log = realloc (self->log, self->room * sizeof *self->log);
        assert (self->log);
    }
    self->log[self->size++] = record;
}

//  The folder's entry is in the hands of the system until its sync.
static void s_crash_record (disk_t *self, bool power)
{
    if (power && self->renamed) {
        if (world_chance (500))
            self->record = self->renamed;
        self->renamed = NULL;
    }
    if (sim_mutant == MUTANT_RECORD && self->before) {
        self->record = self->before;
        self->renamed = NULL;
    }
}

//  What was written and not synced may be there, up to some record; after a power cut nothing of it.  Who has not opened a
//  shared store has written nothing.
void disk_crash (int machine, bool power)
{
    if (world_has (EXTRA_SHARED) && machine != WITNESS && disk_of (machine)->opener != machine)
        return;
    disk_of (machine)->opener = 0;
    for (environment_t *self = disk_of (machine)->environments; self; self = self->next) {
        environment_cut (self, self->synced + (power ? 0 : (size_t) world_random (self->size - self->synced + 1)));
        if (sim_mutant == MUTANT_FORGET && self->size > 4)
            environment_cut (self, self->size - 3);
    }
    s_crash_record (disk_of (machine), power);
}

//  A copy of what is on the disk now, as a snapshot of it would hold it.
static environment_t *s_copy (const environment_t *from)
{
    if (!from)
        return NULL;
    environment_t *self = malloc (sizeof *self);
    assert (self);
    *self = *from;
    self->size = self->room = from->synced;
    self->log = malloc ((self->room + 1) * sizeof *self->log);
    assert (self->log);
    memcpy (self->log, from->log, self->size * sizeof *self->log);
    self->next = s_copy (from->next);
    return self;
}

void disk_copy (int machine)
{
    disk_t *self = disk_of (machine);
    self->copied = world_now ();
    self->copied_node = self->node;
    self->copy = s_copy (self->environments);
}

int64_t disk_copied (int machine)
{
    return disk_of (machine)->copied;
}

bool disk_set_back (int machine)
{
    disk_t *self = disk_of (machine);
    if (!self->copy)
        return false;
    self->node = self->copied_node;
    self->environments = s_copy (self->copy);
    return true;
}

//  ---------------------------------------------------------------------------
//  The node's own file

zb_node_state_t zb_node_load (zb_node_t *self, const char *dir)
{
    (void) dir;
    *self = s_own ()->written ? s_own ()->node : (zb_node_t){0};
    if (sim_mutant == MUTANT_NAME)
        self->as = 0;
    return s_own ()->written ? ZB_NODE_FOUND : ZB_NODE_ABSENT;
}

char *zb_node_beyond (const char *dir)
{
    return strdup (dir);
}

int zb_node_save (const zb_node_t *self, const char *dir)
{
    (void) dir;
    zb_node_t node = *self;
    node.level = sim_mutant == MUTANT_NOTED ? ZB_LEVEL_LEAST : node.level;
    //  A crash leaves the old one or the new one.
    bool early = world_chance (500);
    if (early) {
        s_own ()->node = node;
        s_own ()->written = true;
    }
    if (!disk_sync ()) {
        errno = EIO;
        return -1;
    }
    s_own ()->node = node;
    s_own ()->written = true;
    s_own ()->failed = false;
    history_alone (process_self ()->machine);
    world_note ("  node: complete %d suspect %d alone %d folder %d", node.complete, node.suspect, (int) node.alone,
                (int) node.current);
    return 0;
}

zb_record_t *zb_node_prepare (const zb_node_t *self, const char *dir)
{
    (void) self;
    (void) dir;
    errno = ENOSYS;
    return NULL;
}

int zb_record_commit (zb_record_t **self_p)
{
    (void) self_p;
    return -1;
}

void zb_record_discard (zb_record_t **self_p)
{
    (void) self_p;
}

const char *zb_node_name (unsigned as)
{
    return as == 1 ? "primary" : "backup";
}

//  ---------------------------------------------------------------------------
//  A record that is replaced as a whole; a machine has one at most

const char *disk_record (int machine)
{
    return disk_of (machine)->record;
}

zb_record_state_t zb_record_load (const char *folder, const char *name, char **text)
{
    (void) folder;
    (void) name;
    const char *found = s_own ()->renamed ? s_own ()->renamed : s_own ()->record;
    *text = found ? strdup (found) : NULL;
    return found ? ZB_RECORD_FOUND : ZB_RECORD_ABSENT;
}

//  The fresh file is synced beside the old one; it takes its place; the folder is synced.
int zb_record_save (const char *folder, const char *name, const char *text)
{
    (void) folder;
    (void) name;
    char *fresh = strdup (text);
    bool full = s_own ()->full, good = !full && disk_sync ();
    if (good) {
        s_own ()->renamed = fresh;
        good = disk_sync ();
    }
    if (!good) {
        errno = full ? ENOSPC : EIO;
        return -1;
    }
    s_own ()->before = s_own ()->record;
    s_own ()->record = fresh;
    s_own ()->renamed = NULL;
    return 0;
}

//  ---------------------------------------------------------------------------
//  The folder

struct zb_home {
    zb_lock_t *lock; //  of a shared store; NULL: nobody else reaches the folder
    char path[32];
};

zb_home_t *zb_home_new (const char *dir, zb_kind_t kind, char **error, int *code)
{
    *error = NULL;
    *code = 0;
    zb_home_t *self = calloc (1, sizeof *self);
    assert (self);
    if (kind == ZB_KIND_SHARED) {
        self->lock = zb_lock_new (dir);
        if (zb_lock_make (self->lock, kind, zb_home_used (dir)) == 0)
            return self;
        *error = strdup ("the lock's file can't be made");
        *code = ZB_EXIT_STORE;
        zb_home_destroy (&self);
    }
    return self;
}

void zb_home_destroy (zb_home_t **self_p)
{
    if (*self_p)
        zb_lock_destroy (&(*self_p)->lock);
    free (*self_p);
    *self_p = NULL;
}

zb_lock_t *zb_home_lock (zb_home_t *self)
{
    return self->lock;
}

bool zb_home_used (const char *dir)
{
    (void) dir;
    return s_own ()->written;
}

const char *zb_home_env (zb_home_t *self, uint64_t number)
{
    snprintf (self->path, sizeof self->path, "env.%llu", (unsigned long long) number);
    return self->path;
}

int zb_home_make (zb_home_t *self, uint64_t number)
{
    (void) self;
    environment_t *environment = disk_environment (process_self ()->machine, number);
    if (!environment) {
        environment = calloc (1, sizeof *environment);
        assert (environment);
        environment->number = number;
        environment->next = s_own ()->environments;
        s_own ()->environments = environment;
    }
    environment_cut (environment, 0);
    environment->half = false;
    environment->trimmed = 0;
    environment->generation = 0;
    return 0;
}

int zb_folder_sync (const char *folder)
{
    (void) folder;
    if (disk_sync ())
        return 0;
    errno = EIO;
    return -1;
}

void zb_home_purge (zb_home_t *self, uint64_t keep, uint64_t filling)
{
    (void) self;
    for (environment_t **at = &s_own ()->environments; *at;)
        if ((*at)->number < keep || (*at)->number == filling || (filling == ZB_FILLING_ANY && (*at)->number != keep))
            *at = (*at)->next;
        else
            at = &(*at)->next;
}

int zb_home_newest (const char *dir, uint64_t *newest)
{
    (void) dir;
    *newest = 0;
    for (const environment_t *at = s_own ()->environments; at; at = at->next)
        if (at->number > *newest)
            *newest = at->number;
    return 0;
}

bool zb_home_holds_tables (const char *dir)
{
    (void) dir;
    return false;
}

bool zb_home_has (zb_home_t *self, uint64_t number)
{
    (void) self;
    return disk_environment (process_self ()->machine, number) != NULL;
}

uint64_t zb_home_size (zb_home_t *self, uint64_t number)
{
    (void) self;
    (void) number;
    return 0;
}

//  Only a shared store is written again.
int64_t zb_home_rewrite (zb_home_t *self, uint64_t number)
{
    (void) self;
    (void) number;
    if (disk_sync ())
        return 1;
    errno = EIO;
    return -1;
}

//  No page is damaged in this world.
char *zb_home_set_aside (zb_home_t *self, uint64_t number)
{
    (void) self;
    (void) number;
    errno = ENOSYS;
    return NULL;
}

uint64_t zb_home_space (const zb_home_t *self)
{
    (void) self;
    return s_own ()->full ? 1 << 20 : UINT64_MAX;
}
