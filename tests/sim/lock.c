/*  =========================================================================
    lock - the lock of a shared store, and what becomes of it

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "disk.h"
#include "io/store/lock.h"
#include "io/store/shared.h"
#include "lock.h"
#include "machines.h"

//  The file; one that was removed is another one.
typedef struct {
    zb_holder_t text;
    process_t *owner; //  who has the lock; NULL: nobody
} file_t;

struct zb_lock {
    process_t *process;
    file_t *locked; //  NULL: we don't have it
    zb_holder_t holder;
    bool seen;
};

static file_t *s_file; //  what the folder's name LOCK stands for; NULL: nothing
static bool s_network, s_broken, s_gone;
static int64_t s_removed = -LOCK_SILENT;

void lock_on_network (bool network)
{
    s_network = network;
}

bool lock_is_on_network (void)
{
    return s_network;
}

void lock_remove (void)
{
    world_note ("the file LOCK is removed");
    s_file = NULL;
    s_broken = s_gone = true;
    s_removed = world_now ();
}

void lock_forget (void)
{
    if (!s_network || !s_file || !s_file->owner)
        return;
    world_note ("the file system forgets the lock of %s", s_file->owner->name);
    s_file->owner = NULL;
    s_broken = s_gone = true;
}

bool lock_may_be_lost (void)
{
    return s_broken || s_network;
}

bool lock_was_lost (void)
{
    return s_gone;
}

bool lock_is_in_doubt (void)
{
    return world_now () - s_removed < LOCK_SILENT;
}

//  Whether somebody has it; it ends with its process.
static bool s_is_locked (file_t *file)
{
    const process_t *owner = file->owner;
    bool silent = owner && s_network && owner->paused && world_now () - owner->stopped > LOCK_SILENT;
    if (owner && (!owner->alive || silent))
        file->owner = NULL;
    return file->owner != NULL;
}

static int s_write (file_t *file, const zb_holder_t *text)
{
    if (!disk_sync ()) {
        s_broken = true;
        errno = EIO;
        return -1;
    }
    file->text = *text;
    return 0;
}

//  ---------------------------------------------------------------------------
//  io/store/lock

zb_lock_t *zb_lock_new (const char *dir)
{
    (void) dir;
    zb_lock_t *self = calloc (1, sizeof *self);
    assert (self);
    self->process = process_self ();
    return self;
}

void zb_lock_destroy (zb_lock_t **self_p)
{
    if (!*self_p)
        return;
    zb_lock_drop (*self_p);
    free (*self_p);
    *self_p = NULL;
}

int zb_lock_make (zb_lock_t *self, zb_kind_t kind, bool used)
{
    if (s_file)
        return 0;
    zb_holder_t holder = self->holder;
    if (!self->seen) {
        holder = (zb_holder_t){.kind = kind, .epoch = used, .host = "-", .boot = "-"};
        world_entropy (holder.store, sizeof holder.store);
    }
    holder.state = used || self->seen ? ZB_LOCK_LOST : ZB_LOCK_RELEASED;
    file_t *fresh = calloc (1, sizeof *fresh);
    assert (fresh);
    int rc = s_write (fresh, &holder);
    //  Two that make it at once: the second finds the first one's.
    if (rc == 0 && !s_file)
        s_file = fresh;
    return rc;
}

int zb_lock_look (zb_lock_t *self, zb_holder_t *holder, bool *held)
{
    if (!s_file) {
        errno = ENOENT;
        return -1;
    }
    *held = s_is_locked (s_file) && sim_mutant != MUTANT_LOCK;
    *holder = self->holder = s_file->text;
    self->seen = true;
    return 0;
}

int zb_lock_take (zb_lock_t *self)
{
    assert (!self->locked);
    bool held = s_file && s_is_locked (s_file) && sim_mutant != MUTANT_LOCK;
    if (!s_file || held) {
        errno = held ? EAGAIN : ENOENT;
        return -1;
    }
    self->locked = s_file;
    self->locked->owner = self->process;
    self->holder = s_file->text;
    self->seen = true;
    return 0;
}

void zb_lock_drop (zb_lock_t *self)
{
    if (self->locked && self->locked->owner == self->process)
        self->locked->owner = NULL;
    self->locked = NULL;
}

bool zb_lock_is_held (const zb_lock_t *self)
{
    return self->locked != NULL;
}

const zb_holder_t *zb_lock_holder (const zb_lock_t *self)
{
    return &self->holder;
}

int zb_lock_sign (zb_lock_t *self, zb_kind_t kind, uint64_t epoch, zb_lock_state_t state)
{
    assert (self->locked);
    self->holder.kind = kind;
    self->holder.epoch = epoch;
    self->holder.state = state;
    self->holder.pid = (long) self->process->serial;
    snprintf (self->holder.host, sizeof self->holder.host, "%s", self->process->name);
    return s_write (self->locked, &self->holder);
}

int zb_lock_check (zb_lock_t *self)
{
    assert (self->locked);
    s_is_locked (self->locked);
    errno = self->locked != s_file                                                ? ESTALE
            : self->locked->owner != self->process                                ? ENOLCK
            : memcmp (&self->locked->text, &self->holder, sizeof self->holder) != 0 ? EBADMSG
                                                                                  : 0;
    return errno ? -1 : 0;
}

int zb_lock_confirm (zb_lock_t *self, bool rewrite)
{
    assert (self->locked);
    if (rewrite)
        return zb_lock_check (self) == 0 ? s_write (self->locked, &self->holder) : -1;
    errno = self->locked != s_file ? ESTALE : 0;
    return errno ? -1 : 0;
}

char *zb_holder_text (const zb_holder_t *holder)
{
    char text[80];
    snprintf (text, sizeof text, "process %ld on %s", holder->pid, holder->host);
    return strdup (text);
}

bool zb_holder_is_here (const zb_holder_t *holder)
{
    return strcmp (holder->host, process_self ()->name) == 0;
}

const char *zb_kind_name (zb_kind_t kind)
{
    (void) kind;
    return "shared";
}

//  ---------------------------------------------------------------------------
//  io/store/shared

int zb_fs_look (zb_fs_t *self, const char *dir)
{
    (void) dir;
    *self = (zb_fs_t){.type = "sim", .kind = s_network ? ZB_FS_NETWORK : ZB_FS_LOCAL};
    return 0;
}

char *zb_shared_probe (const char *dir)
{
    (void) dir;
    return NULL;
}

const char *zb_fence_refuses (const char *host, const char *const endpoint[2])
{
    (void) host;
    (void) endpoint;
    return NULL;
}

//  A fence at work: whose machine goes off, and when; it may fail, too.
static struct {
    machine_t *victim;
    int64_t done;
    bool fails;
} s_fence[MACHINES];

static void s_switch_off (void *arg, uint64_t number)
{
    (void) number;
    world_note ("the fence switches a machine off");
    machine_kill (arg, true);
}

//  Its number is the machine of who has started it.
pid_t zb_fence_start (const char *command, const zb_holder_t *holder, const char *dir)
{
    (void) command;
    (void) dir;
    int own = process_self ()->machine, number = own;
    s_fence[number].victim = machine_of (PRIMARY + BACKUP - own);
    assert (strcmp (holder->host, "-") == 0 || strcmp (holder->host, s_fence[number].victim->name) == 0);
    s_fence[number].fails = world_chance (100);
    int64_t off = world_some (20 * MS, 300 * MS);
    s_fence[number].done = off + MS;
    if (!s_fence[number].fails && sim_mutant != MUTANT_FENCE)
        world_at (off, s_switch_off, s_fence[number].victim, 0);
    return (pid_t) number;
}

bool zb_fence_done (pid_t pid, char **error)
{
    if (world_now () < s_fence[pid].done)
        return false;
    *error = s_fence[pid].fails ? strdup ("it ended with 1") : NULL;
    return true;
}

void zb_fence_kill (pid_t pid)
{
    (void) pid;
}
