/*  =========================================================================
    record - a small text file that is replaced as a whole

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <fcntl.h>
#include <inttypes.h>

#include "io/store/record.h"

#define CHECK_SIZE 23 //  "check ", 16 digits, newline
#define FILE_MAX (1 << 20)
#define MAKE_TRIES 8

//  FNV-1a.
static uint64_t s_check (const char *text, size_t size)
{
    uint64_t check = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++)
        check = (check ^ (uint8_t) text[i]) * 0x100000001b3u;
    return check;
}

static void s_check_line (const char *text, size_t size, char line[CHECK_SIZE + 1])
{
    snprintf (line, CHECK_SIZE + 1, "check %016" PRIx64 "\n", s_check (text, size));
}

//  Reads the whole file; NULL and errno on failure.
static char *s_read (const char *path, size_t *size)
{
    int fd = open (path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    struct stat stat = {0};
    char *text = NULL;
    *size = 0;
    if (fstat (fd, &stat) == 0 && stat.st_size <= FILE_MAX) {
        text = (char *) zmalloc ((size_t) stat.st_size + 1);
        ssize_t got = 0;
        while (*size < (size_t) stat.st_size && (got = read (fd, text + *size, (size_t) stat.st_size - *size)) > 0)
            *size += (size_t) got;
        if (got < 0)
            freen (text);
    }
    else if (stat.st_size > FILE_MAX)
        errno = EFBIG;
    int error = errno;
    close (fd);
    errno = error;
    return text;
}

zb_record_state_t zb_record_load (const char *folder, const char *name, char **text)
{
    *text = NULL;
    char *path = zsys_sprintf ("%s/%s", folder, name);
    assert (path);
    size_t size;
    char *whole = s_read (path, &size);
    freen (path);
    if (!whole)
        return errno == ENOENT ? ZB_RECORD_ABSENT : errno == EFBIG ? ZB_RECORD_DAMAGED : ZB_RECORD_ERROR;
    char line[CHECK_SIZE + 1];
    if (size >= CHECK_SIZE && strlen (whole) == size) {
        s_check_line (whole, size - CHECK_SIZE, line);
        if (streq (whole + size - CHECK_SIZE, line)) {
            whole[size - CHECK_SIZE] = 0;
            *text = whole;
            return ZB_RECORD_FOUND;
        }
    }
    freen (whole);
    return ZB_RECORD_DAMAGED;
}

//  Makes the file beside, new: what lies there is left of a crash, or is somebody else's.
static int s_make (const char *path)
{
    int fd = -1;
    for (int tries = 0; fd < 0 && tries < MAKE_TRIES; tries++) {
        if (unlink (path) != 0 && errno != ENOENT)
            return -1;
        fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0 && errno != EEXIST)
            return -1;
    }
    return fd;
}

//  Writes and syncs the file beside; 0, or -1 and errno.
static int s_write (const char *path, const char *text, size_t size)
{
    int fd = s_make (path);
    if (fd < 0)
        return -1;
    ssize_t written = write (fd, text, size);
    if (written >= 0 && (size_t) written < size)
        errno = ENOSPC;
    int rc = written == (ssize_t) size && fsync (fd) == 0 ? 0 : -1;
    int error = errno;
    close (fd);
    errno = error;
    return rc;
}

struct zb_record {
    int folder;
    char *fresh, *path;
};

static void s_free (zb_record_t **self_p)
{
    zb_record_t *self = *self_p;
    int error = errno;
    if (self->folder >= 0)
        close (self->folder);
    freen (self->fresh);
    freen (self->path);
    freen (self);
    *self_p = NULL;
    errno = error;
}

zb_record_t *zb_record_prepare (const char *folder, const char *name, const char *text)
{
    char line[CHECK_SIZE + 1];
    s_check_line (text, strlen (text), line);
    char *whole = zsys_sprintf ("%s%s", text, line);
    zb_record_t *self = zmalloc (sizeof (*self));
    self->fresh = zsys_sprintf ("%s/%s.new", folder, name);
    self->path = zsys_sprintf ("%s/%s", folder, name);
    assert (whole && self->fresh && self->path);
    self->folder = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (self->folder < 0 || s_write (self->fresh, whole, strlen (whole)) != 0)
        s_free (&self);
    int error = errno;
    freen (whole);
    errno = error;
    return self;
}

int zb_record_commit (zb_record_t **self_p)
{
    zb_record_t *self = *self_p;
    int rc = rename (self->fresh, self->path) == 0 && fsync (self->folder) == 0 ? 0 : -1;
    s_free (self_p);
    return rc;
}

void zb_record_discard (zb_record_t **self_p)
{
    unlink ((*self_p)->fresh);
    s_free (self_p);
}

int zb_record_save (const char *folder, const char *name, const char *text)
{
    zb_record_t *record = zb_record_prepare (folder, name, text);
    return record ? zb_record_commit (&record) : -1;
}
