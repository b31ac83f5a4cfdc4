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

#include "io/home.h"
#include "io/log.h"

struct zb_home {
    char *dir;
    char *env;
    int lock;
};

//  Takes the lock and writes the pid into it.  Returns the descriptor, or -1.
static int s_lock (const char *path, char **error, bool *busy)
{
    int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        *error = zsys_sprintf ("can't open %s: %s", path, strerror (errno));
        return -1;
    }
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char pid[32] = "";
    if (fcntl (fd, F_OFD_SETLK, &lock) == 0) {
        int size = snprintf (pid, sizeof (pid), "%d\n", (int) getpid ());
        if (ftruncate (fd, 0) == 0 && pwrite (fd, pid, (size_t) size, 0) == size)
            return fd;
        *error = zsys_sprintf ("can't write %s: %s", path, strerror (errno));
    }
    else if (errno == EAGAIN || errno == EACCES) {
        *busy = true;
        if (pread (fd, pid, sizeof (pid) - 1, 0) < 0)
            *pid = 0;
        pid[strcspn (pid, "\n")] = 0;
        *error = zsys_sprintf ("the store is in use by process %s (%s is locked)", *pid ? pid : "?", path);
    }
    else
        *error = zsys_sprintf ("can't lock %s: %s", path, strerror (errno));
    close (fd);
    return -1;
}

zb_home_t *zb_home_new (const char *dir, char **error, bool *busy)
{
    *error = NULL;
    *busy = false;
    if (mkdir (dir, 0700) != 0 && errno != EEXIST) {
        *error = zsys_sprintf ("can't make the store's folder %s: %s", dir, strerror (errno));
        return NULL;
    }
    char *path = zsys_sprintf ("%s/LOCK", dir);
    assert (path);
    int lock = s_lock (path, error, busy);
    freen (path);
    if (lock < 0)
        return NULL;
    zb_home_t *self = zmalloc (sizeof (*self));
    self->dir = strdup (dir);
    assert (self->dir);
    self->lock = lock;
    return self;
}

void zb_home_destroy (zb_home_t **self_p)
{
    assert (self_p);
    zb_home_t *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    close (self->lock);
    freen (self->dir);
    freen (self->env);
    freen (self);
}

const char *zb_home_dir (const zb_home_t *self)
{
    return self->dir;
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
    const char *env = zb_home_env (self, number);
    if (mkdir (env, 0700) == 0)
        return 0;
    if (errno != EEXIST)
        return -1;
    s_empty (env);
    return 0;
}

int zb_home_sync (const char *folder)
{
    int fd = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int rc = fsync (fd);
    int error = errno;
    close (fd);
    errno = error;
    return rc;
}

void zb_home_purge (zb_home_t *self, uint64_t keep)
{
    DIR *dir = opendir (self->dir);
    if (!dir)
        return;
    struct dirent *entry;
    while ((entry = readdir (dir)) != NULL) {
        char *end;
        if (strncmp (entry->d_name, "env.", 4) != 0 || !isdigit ((unsigned char) entry->d_name[4]))
            continue;
        uint64_t number = strtoull (entry->d_name + 4, &end, 10);
        if (*end || number == keep)
            continue;
        const char *env = zb_home_env (self, number);
        s_empty (env);
        if (rmdir (env) != 0)
            zb_log (ZB_LOG_WARNING, "store: can't remove %s: %s", env, strerror (errno));
    }
    closedir (dir);
}

uint64_t zb_home_space (const zb_home_t *self)
{
    struct statvfs vfs;
    if (statvfs (self->dir, &vfs) != 0)
        return UINT64_MAX;
    return (uint64_t) vfs.f_bavail * vfs.f_frsize;
}
