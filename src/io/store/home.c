/*  =========================================================================
    home - the store's folder: its lock, and the environments in it

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "io/base/exit_codes.h"
#include "io/base/log.h"
#include "io/store/folder.h"
#include "io/store/home.h"
#include "io/store/moment.h"
#include "io/store/node.h"
#include "io/store/pages.h"

#define REWRITE_BLOCK (1 << 20)

struct zb_home {
    char *dir;
    char *env;
    zb_lock_t *lock;
};

//  What is wrong with the words in the lock's file for a store of this kind; NULL if nothing.
static char *s_misfit (const char *dir, zb_kind_t kind, const zb_holder_t *holder)
{
    if ((kind == ZB_KIND_SHARED) == (holder->kind == ZB_KIND_SHARED))
        return NULL;
    if (kind == ZB_KIND_SHARED)
        return zsys_sprintf ("%s holds a %s store, not a shared one: start without --shared, or name another folder "
                             "with --store",
                             dir, zb_kind_name (holder->kind));
    return zsys_sprintf ("%s holds a store that a pair shares: start with --shared and --as, or name another folder "
                         "with --store",
                         dir);
}

//  Says what could not be done, and why, from errno.  Returns the exit code.
static int s_failed (const char *verb, const char *dir, const char *name, char **error)
{
    int code = zb_moment_code (errno);
    *error = zsys_sprintf ("can't %s %s%s: %s", verb, dir, name, zb_moment_text (errno));
    assert (*error);
    return code;
}

//  The lock's file is of no use, for the reason in errno.  Returns the exit code.
static int s_useless (const char *dir, char **error)
{
    if (errno != EBADMSG)
        return s_failed ("use", dir, "/LOCK", error);
    *error =
        zsys_sprintf ("%s/LOCK is not what a broker has written: if no broker uses this store, remove that file", dir);
    return ZB_EXIT_STORE;
}

//  Takes the lock of a store that is not shared.  Returns 0, or an exit code and *error.
static int s_take (zb_home_t *self, zb_kind_t kind, char **error)
{
    zb_holder_t holder;
    bool held;
    if (zb_lock_look (self->lock, &holder, &held) != 0)
        return s_useless (self->dir, error);
    *error = s_misfit (self->dir, kind, &holder);
    if (*error)
        return ZB_EXIT_USAGE;
    if (kind == ZB_KIND_SHARED)
        return ZB_EXIT_OK;
    if (held || zb_lock_take (self->lock) != 0) {
        if (!held && errno != EAGAIN)
            return s_useless (self->dir, error);
        char *who = zb_holder_text (&holder);
        *error = zsys_sprintf ("the store is in use by %s (%s/LOCK is locked)", who, self->dir);
        free (who);
        return ZB_EXIT_BUSY;
    }
    if (zb_lock_sign (self->lock, kind, holder.epoch, ZB_LOCK_HELD) == 0)
        return ZB_EXIT_OK;
    return s_failed ("write", self->dir, "/LOCK", error);
}

bool zb_home_used (const char *dir)
{
    zb_node_t node;
    zb_node_state_t state = zb_node_load (&node, dir);
    return state == ZB_NODE_FOUND ? node.current != 0 : state != ZB_NODE_ABSENT;
}

zb_home_t *zb_home_new (const char *dir, zb_kind_t kind, char **error, int *code)
{
    *error = NULL;
    if (mkdir (dir, 0700) != 0 && errno != EEXIST) {
        *code = s_failed ("make the store's folder", dir, "", error);
        return NULL;
    }
    zb_home_t *self = zmalloc (sizeof (*self));
    self->dir = strdup (dir);
    assert (self->dir);
    self->lock = zb_lock_new (dir);
    if (zb_lock_make (self->lock, kind, zb_home_used (dir)) != 0)
        *code = s_failed ("make", dir, "/LOCK", error);
    else
        *code = s_take (self, kind, error);
    if (*error)
        zb_home_destroy (&self);
    return self;
}

void zb_home_destroy (zb_home_t **self_p)
{
    assert (self_p);
    zb_home_t *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    zb_lock_destroy (&self->lock);
    freen (self->dir);
    freen (self->env);
    freen (self);
}

zb_lock_t *zb_home_lock (zb_home_t *self)
{
    return self->lock;
}

const char *zb_home_env (zb_home_t *self, uint64_t number)
{
    freen (self->env);
    self->env = zsys_sprintf ("%s/env.%" PRIu64, self->dir, number);
    assert (self->env);
    return self->env;
}

//  Deletes the files in a folder, which has no folders of its own.
static void s_empty (const char *folder)
{
    DIR *dir = opendir (folder);
    if (!dir)
        return;
    struct dirent *entry;
    while ((entry = readdir (dir)) != NULL) {
        if (streq (entry->d_name, ".") || streq (entry->d_name, ".."))
            continue;
        if (unlinkat (dirfd (dir), entry->d_name, 0) != 0)
            zb_log (ZB_LOG_WARNING, "store: can't remove %s/%s: %s", folder, entry->d_name, strerror (errno));
    }
    closedir (dir);
}

int zb_home_make (zb_home_t *self, uint64_t number)
{
    return mkdir (zb_home_env (self, number), 0700);
}

//  The number of the environment that an entry of the folder names; 0 if it names none.
static uint64_t s_number (const struct dirent *entry)
{
    if (strncmp (entry->d_name, "env.", 4) != 0 || !isdigit ((unsigned char) entry->d_name[4]))
        return 0;
    char *end;
    uint64_t number = strtoull (entry->d_name + 4, &end, 10);
    return *end ? 0 : number;
}

void zb_home_purge (zb_home_t *self, uint64_t keep, uint64_t filling)
{
    DIR *dir = opendir (self->dir);
    if (!dir)
        return;
    struct dirent *entry;
    while ((entry = readdir (dir)) != NULL) {
        uint64_t number = s_number (entry);
        if (!number || number == keep)
            continue;
        const char *env = zb_home_env (self, number);
        if (number > keep && number != filling && filling != ZB_FILLING_ANY) {
            zb_log (ZB_LOG_WARNING, "store: %s is not in use, and stays: see WAYS OUT in zbroker(1)", env);
            continue;
        }
        s_empty (env);
        if (rmdir (env) != 0)
            zb_log (ZB_LOG_WARNING, "store: can't remove %s: %s", env, strerror (errno));
    }
    closedir (dir);
}

int zb_home_newest (const char *folder, uint64_t *newest)
{
    *newest = 0;
    DIR *dir = opendir (folder);
    if (!dir)
        return -1;
    struct dirent *entry;
    while ((entry = readdir (dir)) != NULL)
        if (s_number (entry) > *newest)
            *newest = s_number (entry);
    closedir (dir);
    return 0;
}

bool zb_home_holds_tables (const char *folder)
{
    DIR *dir = opendir (folder);
    bool holds = !dir && errno != ENOENT;
    struct dirent *entry;
    while (dir && !holds && (entry = readdir (dir)) != NULL)
        if (s_number (entry)) {
            char *path = zsys_sprintf ("%s/%s/table.meta", folder, entry->d_name);
            assert (path);
            holds = access (path, F_OK) == 0;
            freen (path);
        }
    if (dir)
        closedir (dir);
    return holds;
}

uint64_t zb_home_space (const zb_home_t *self)
{
    struct statvfs vfs;
    if (statvfs (self->dir, &vfs) != 0)
        return UINT64_MAX;
    return (uint64_t) vfs.f_bavail * vfs.f_frsize;
}

uint64_t zb_home_size (zb_home_t *self, uint64_t number)
{
    uint64_t size = 0;
    DIR *dir = opendir (zb_home_env (self, number));
    if (!dir)
        return 0;
    struct dirent *entry;
    struct stat file;
    while ((entry = readdir (dir)) != NULL)
        //  The regions and the doublewrite buffer are not copied.
        if (strncmp (entry->d_name, "__db", 4) != 0 && !streq (entry->d_name, ZB_DOUBLEWRITE) &&
            fstatat (dirfd (dir), entry->d_name, &file, 0) == 0 && S_ISREG (file.st_mode))
            size += (uint64_t) file.st_size;
    closedir (dir);
    return size;
}

//  Writes a file again, and syncs it.  Returns its size, or -1.
static int64_t s_rewrite (int fd)
{
    char *block = malloc (REWRITE_BLOCK);
    assert (block);
    off_t at = 0;
    ssize_t size;
    while ((size = pread (fd, block, REWRITE_BLOCK, at)) > 0) {
        ssize_t wrote = pwrite (fd, block, (size_t) size, at);
        if (wrote <= 0) {
            size = -1;
            break;
        }
        at += wrote;
    }
    free (block);
    return size == 0 && fsync (fd) == 0 ? at : -1;
}

int64_t zb_home_rewrite (zb_home_t *self, uint64_t number)
{
    int64_t sum = 0;
    const char *env = zb_home_env (self, number);
    DIR *dir = opendir (env);
    if (!dir)
        return -1;
    struct dirent *entry;
    while (sum >= 0 && (entry = readdir (dir)) != NULL) {
        if (streq (entry->d_name, ".") || streq (entry->d_name, ".."))
            continue;
        int fd = openat (dirfd (dir), entry->d_name, O_RDWR | O_CLOEXEC);
        int64_t size = fd < 0 ? -1 : s_rewrite (fd);
        int error = errno;
        if (fd >= 0)
            close (fd);
        errno = error;
        sum = size < 0 ? -1 : sum + size;
    }
    int error = errno;
    closedir (dir);
    errno = error;
    return sum < 0 || zb_folder_sync (env) != 0 ? -1 : sum;
}

bool zb_home_has (zb_home_t *self, uint64_t number)
{
    return access (zb_home_env (self, number), F_OK) == 0;
}

char *zb_home_set_aside (zb_home_t *self, uint64_t number)
{
    const char *env = zb_home_env (self, number);
    for (unsigned count = 1;; count++) {
        char *path = zsys_sprintf ("%s/damaged.%u", self->dir, count);
        assert (path);
        //  A folder is never renamed onto one that holds something.
        if (rename (env, path) == 0)
            return path;
        int error = errno;
        freen (path);
        errno = error;
        if (error != ENOTEMPTY && error != EEXIST)
            return NULL;
    }
}
