/*  =========================================================================
    part - a folder that is there when it is complete, and not before

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <fcntl.h>
#include <libgen.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "io/store/folder.h"
#include "io/store/part.h"

static char *s_path (const char *folder, const char *rest)
{
    char *path = zsys_sprintf ("%s%s", folder, rest);
    assert (path);
    return path;
}

//  Deletes the files in a folder, the lock excepted.
static void s_empty (const char *folder)
{
    DIR *dir = opendir (folder);
    struct dirent *entry;
    while (dir && (entry = readdir (dir)) != NULL)
        if (!streq (entry->d_name, ".") && !streq (entry->d_name, "..") && !streq (entry->d_name, ZB_PART_LOCK))
            unlinkat (dirfd (dir), entry->d_name, 0);
    if (dir)
        closedir (dir);
}

static void s_clear (const zb_part_t *self)
{
    s_empty (self->env);
    rmdir (self->env);
    s_empty (self->path);
}

//  Makes the folders and takes the lock.  Returns what could not be done, for the reason in errno; NULL if all was.
//  One of this name that has no such lock is none of ours.
static const char *s_make (zb_part_t *self)
{
    struct stat info;
    if (lstat (self->folder, &info) == 0 || errno != ENOENT) {
        errno = errno == ENOENT || errno == 0 ? EEXIST : errno;
        return "make";
    }
    bool fresh = mkdir (self->path, 0700) == 0;
    if (!fresh && errno != EEXIST)
        return "make the folder of";
    char *lock = s_path (self->path, "/" ZB_PART_LOCK);
    self->lock = open (lock, O_RDWR | O_CLOEXEC | O_NOFOLLOW | (fresh ? O_CREAT | O_EXCL : 0), 0600);
    free (lock);
    if (self->lock == -1)
        return fresh ? "make the lock of" : "use what is left, and not of a backup, beside";
    if (flock (self->lock, LOCK_EX | LOCK_NB) != 0)
        return "lock, since somebody is at work in, the folder of";
    s_clear (self);
    return mkdir (self->env, 0700) == 0 ? NULL : "make the environment of";
}

zb_part_t *zb_part_new (const char *folder, char **why)
{
    zb_part_t *self = zmalloc (sizeof (*self));
    self->folder = s_path (folder, "");
    self->path = s_path (folder, ZB_PART);
    self->env = s_path (self->path, "/" ZB_PART_ENV);
    self->lock = -1;
    errno = 0;
    const char *what = s_make (self);
    if (!what)
        return self;
    *why = zsys_sprintf ("can't %s %s: %s", what, folder, strerror (errno));
    assert (*why);
    zb_part_destroy (&self, false);
    return NULL;
}

void zb_part_destroy (zb_part_t **self_p, bool remove)
{
    assert (self_p);
    zb_part_t *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    if (remove && self->lock != -1) {
        s_clear (self);
        char *lock = s_path (self->path, "/" ZB_PART_LOCK);
        unlink (lock);
        rmdir (self->path);
        free (lock);
    }
    if (self->lock != -1)
        close (self->lock);
    free (self->folder);
    free (self->path);
    free (self->env);
    freen (self);
}

int zb_part_publish (const char *folder)
{
    char *path = s_path (folder, ZB_PART), *env = s_path (path, "/" ZB_PART_ENV),
         *lock = s_path (path, "/" ZB_PART_LOCK);
    char *name = s_path (folder, "");
    int rc = zb_folder_sync (env);
    if (rc == 0)
        rc = unlink (lock);
    if (rc == 0)
        rc = zb_folder_sync (path);
    //  A folder is never renamed onto one that holds something.
    if (rc == 0)
        rc = rename (path, folder);
    if (rc == 0)
        rc = zb_folder_sync (dirname (name));
    int error = errno;
    free (path);
    free (env);
    free (lock);
    free (name);
    errno = error;
    return rc;
}
