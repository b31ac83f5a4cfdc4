/*  =========================================================================
    shim_disk - a disk that stalls or fails, or a core that hangs, at a test's command

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Preloaded into a broker (LD_PRELOAD).  While $ZBROKER_SHIM/stall exists, each sync, and each look at the disk's
    free space, waits, and makes $ZBROKER_SHIM/stalled; while $ZBROKER_SHIM/fail exists, each of the database fails with EIO.
    While $ZBROKER_SHIM/lie exists, the lock on a file LOCK is seen by this process alone.
    While $ZBROKER_SHIM/full exists, nothing can be written with pwrite into a folder whose name ends with .part.
    While $ZBROKER_SHIM/hang exists, the main thread does not come back from zmq_poll.
*/

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <zmq.h>

static int s_ordered (const char *order)
{
    char path[4096];
    const char *folder = getenv ("ZBROKER_SHIM");
    snprintf (path, sizeof path, "%s/%s", folder ? folder : "", order);
    return folder && access (path, F_OK) == 0;
}

static void s_answer (const char *word)
{
    char path[4096];
    snprintf (path, sizeof path, "%s/%s", getenv ("ZBROKER_SHIM"), word);
    close (open (path, O_WRONLY | O_CREAT, 0600));
}

static void s_stall (void)
{
    while (s_ordered ("stall")) {
        s_answer ("stalled");
        usleep (2000);
    }
}

int statvfs (const char *restrict path, struct statvfs *restrict info)
{
    s_stall ();
    int (*real) (const char *, struct statvfs *) =
        (int (*) (const char *, struct statvfs *)) dlsym (RTLD_NEXT, "statvfs");
    return real (path, info);
}

//  Whether the file is in a backup that is being made, and there is no room for it.
static int s_full (int fd)
{
    char link[64], path[4096];
    snprintf (link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = s_ordered ("full") ? readlink (link, path, sizeof path - 1) : -1;
    path[size > 0 ? size : 0] = 0;
    return strstr (path, ".part/") != NULL;
}

static ssize_t s_pwrite (const char *name, int fd, const void *data, size_t size, off_t offset)
{
    ssize_t (*real) (int, const void *, size_t, off_t) =
        (ssize_t (*) (int, const void *, size_t, off_t)) dlsym (RTLD_NEXT, name);
    if (!s_full (fd))
        return real (fd, data, size, offset);
    errno = ENOSPC;
    return -1;
}

ssize_t pwrite (int fd, const void *data, size_t size, off_t offset)
{
    return s_pwrite ("pwrite", fd, data, size, offset);
}

ssize_t pwrite64 (int fd, const void *data, size_t size, off_t offset)
{
    return s_pwrite ("pwrite64", fd, data, size, offset);
}

static int s_sync (const char *name, int fd)
{
    s_stall ();
    int (*real) (int) = (int (*) (int)) dlsym (RTLD_NEXT, name);
    return real (fd);
}

//  The lock's file is not the database's.
static int s_is_lock (int fd)
{
    char name[64], path[4096];
    snprintf (name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t size = readlink (name, path, sizeof path);
    return size > 5 && memcmp (path + size - 5, "/LOCK", 5) == 0;
}

int fdatasync (int fd)
{
    if (s_ordered ("fail") && !s_is_lock (fd)) {
        errno = EIO;
        return -1;
    }
    return s_sync ("fdatasync", fd);
}

//  The descriptor with the lock that only we see.
static int s_own = -1;

int fcntl (int fd, int command, ...)
{
    va_list list;
    va_start (list, command);
    void *argument = va_arg (list, void *);
    va_end (list);
    int (*real) (int, int, ...) = (int (*) (int, int, ...)) dlsym (RTLD_NEXT, "fcntl");
    if ((command != F_OFD_SETLK && command != F_OFD_GETLK) || !s_ordered ("lie") || !s_is_lock (fd))
        return real (fd, command, argument);
    if (command == F_OFD_SETLK)
        s_own = fd;
    else if (s_own == -1 || s_own == fd)
        ((struct flock *) argument)->l_type = F_UNLCK;
    return 0;
}

int close (int fd)
{
    if (fd == s_own)
        s_own = -1;
    int (*real) (int) = (int (*) (int)) dlsym (RTLD_NEXT, "close");
    return real (fd);
}

int fsync (int fd)
{
    return s_sync ("fsync", fd);
}

int zmq_poll (zmq_pollitem_t *items, int count, long timeout)
{
    while (gettid () == getpid () && s_ordered ("hang"))
        usleep (2000);
    int (*real) (zmq_pollitem_t *, int, long) = (int (*) (zmq_pollitem_t *, int, long)) dlsym (RTLD_NEXT, "zmq_poll");
    return real (items, count, timeout);
}
