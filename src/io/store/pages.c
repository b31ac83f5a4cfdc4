/*  =========================================================================
    pages - the tables' pages on their way to the disk, so that a power cut tears none

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <fcntl.h>
#include <pthread.h>
#include <sodium.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "core/base/bytes.h"
#include "io/base/log.h"
#include "io/store/folder.h"
#include "io/store/pages.h"

#define TABLE "table."
#define BLOCK 4096 //  heads are as many blocks as they need, so that pages begin with one

//  The head of a batch: magic, key of the buffer, number in it, pages that follow, their checksum, the head's; then
//  the name of its file and the place in it of each page.
#define MAGIC "ZBPAGES1"
#define KEY 8
#define NUMBER 24
#define COUNT 28
#define SUM 32
#define HEAD_SUM 40
#define ENTRIES 48
#define NAME 32
#define ENTRY (NAME + 8)

_Static_assert(NUMBER - KEY == crypto_shorthash_KEYBYTES, "the buffer's key is one for the hash");
_Static_assert(HEAD_SUM - SUM == crypto_shorthash_BYTES && ENTRIES - HEAD_SUM == crypto_shorthash_BYTES, "sums fit");

//  A table's file.
typedef struct s_file {
    struct s_file *next;
    char name[NAME];
    int fd;     //  our own
    bool dirty; //  written in its place, and not synced since
    bool pushed;
} s_file_t;

//  A descriptor of Berkeley DB's for it.
typedef struct s_handle {
    struct s_handle *next;
    int fd;
    s_file_t *file;
    zb_pages_t *pages;
} s_handle_t;

typedef struct {
    s_file_t *file;
    off_t offset;
} s_place_t;

struct zb_pages {
    zb_pages_t *next;
    char *folder;
    int buffer;
    uint8_t key[crypto_shorthash_KEYBYTES];
    uint32_t number; //  of batches in the buffer
    off_t end;       //  of the last one
    size_t collect;
    off_t most; //  bytes of the buffer
    s_file_t *files;
    size_t count, room; //  pages collected
    s_place_t *place;
    uint8_t *data;
    int error;
};

//  All that is here, and who is inside.
static pthread_mutex_t s_lock = PTHREAD_MUTEX_INITIALIZER;
static zb_pages_t *s_all;
static s_handle_t *s_handles;

//  ---------------------------------------------------------------------------
//  The system's functions, until they have done all.  0 or an error number

//  Counts what a call has moved; one that was interrupted goes on.
static int s_moved (ssize_t rc, size_t *done)
{
    if (rc == 0)
        return EIO;
    if (rc == -1)
        return errno == EINTR ? 0 : errno;
    *done += (size_t) rc;
    return 0;
}

static int s_write (int fd, const void *data, size_t size, off_t offset)
{
    int error = 0;
    for (size_t done = 0; !error && done < size;)
        error = s_moved (pwrite (fd, (const uint8_t *) data + done, size - done, offset + (off_t) done), &done);
    return error;
}

static int s_read (int fd, void *data, size_t size, off_t offset)
{
    int error = 0;
    for (size_t done = 0; !error && done < size;)
        error = s_moved (pread (fd, (uint8_t *) data + done, size - done, offset + (off_t) done), &done);
    return error;
}

static int s_sync (int fd)
{
    while (fdatasync (fd) != 0)
        if (errno != EINTR)
            return errno;
    return 0;
}

//  Of what is ours.  A sync that failed is never tried again, not even for want of room: the kernel may have dropped
//  what it could not write.
static int s_sync_once (int fd)
{
    return s_sync (fd) ? EIO : 0;
}

static int s_cut (int fd, off_t size)
{
    while (ftruncate (fd, size) != 0)
        if (errno != EINTR)
            return errno;
    return 0;
}

static int s_open_in (const char *folder, const char *name, int flags)
{
    char *path = zsys_sprintf ("%s/%s", folder, name);
    assert (path);
    int fd = open (path, flags | O_RDWR | O_CLOEXEC, 0600);
    freen (path);
    return fd;
}

//  ---------------------------------------------------------------------------
//  Batches

static size_t s_head_size (size_t count)
{
    return (ENTRIES + count * ENTRY + BLOCK - 1) / BLOCK * BLOCK;
}

//  Sums up a head and its pages.
static void s_sum (uint8_t *head, size_t head_size, const uint8_t *data, size_t size)
{
    crypto_shorthash (head + SUM, data, size, head + KEY);
    memset (head + HEAD_SUM, 0, crypto_shorthash_BYTES);
    uint8_t sum[crypto_shorthash_BYTES];
    crypto_shorthash (sum, head, head_size, head + KEY);
    memcpy (head + HEAD_SUM, sum, sizeof sum);
}

static uint8_t *s_head (const zb_pages_t *self, size_t *size)
{
    *size = s_head_size (self->count);
    uint8_t *head = zmalloc (*size);
    memcpy (head, MAGIC, KEY);
    memcpy (head + KEY, self->key, sizeof self->key);
    zb_put32 (head + NUMBER, self->number);
    zb_put32 (head + COUNT, (uint32_t) self->count);
    for (size_t index = 0; index < self->count; index++) {
        uint8_t *entry = head + ENTRIES + index * ENTRY;
        memcpy (entry, self->place[index].file->name, NAME);
        zb_put64 (entry + NAME, (uint64_t) self->place[index].offset);
    }
    s_sum (head, *size, self->data, self->count * ZB_PAGE_SIZE);
    return head;
}

//  Reads the batch at this place; NULL if there is no whole one that belongs to the buffer which begins with this key.
static uint8_t *s_load (int fd, off_t at, off_t end, uint32_t number, const uint8_t *key)
{
    uint8_t first[BLOCK], sums[2 * crypto_shorthash_BYTES];
    if (end - at < BLOCK || s_read (fd, first, BLOCK, at) || memcmp (first, MAGIC, KEY) ||
        zb_get32 (first + NUMBER) != number || (key && memcmp (first + KEY, key, NUMBER - KEY)))
        return NULL;
    size_t count = zb_get32 (first + COUNT), head = s_head_size (count), size = count * ZB_PAGE_SIZE;
    if ((uint64_t) (end - at) < head + size)
        return NULL;
    uint8_t *batch = zmalloc (head + size);
    if (s_read (fd, batch, head + size, at) == 0) {
        memcpy (sums, batch + SUM, sizeof sums);
        s_sum (batch, head, batch + head, size);
        if (memcmp (sums, batch + SUM, sizeof sums) == 0)
            return batch;
    }
    freen (batch);
    return NULL;
}

//  ---------------------------------------------------------------------------
//  After a power cut

//  The table with this name; NULL if it is not there, or can't be opened (*error).  Such as was never synced into its
//  folder is made anew from the log.
static s_file_t *s_table (zb_pages_t *self, const char *name, int *error)
{
    for (s_file_t *file = self->files; file; file = file->next)
        if (streq (file->name, name))
            return file;
    errno = ENOENT;
    int fd = memchr (name, 0, NAME) && !strchr (name, '/') ? s_open_in (self->folder, name, 0) : -1;
    if (fd == -1) {
        *error = errno == ENOENT ? 0 : errno;
        return NULL;
    }
    s_file_t *file = zmalloc (sizeof (*file));
    snprintf (file->name, sizeof file->name, "%s", name);
    file->fd = fd;
    file->next = self->files;
    self->files = file;
    return file;
}

static int s_apply_batch (zb_pages_t *self, const uint8_t *batch)
{
    size_t count = zb_get32 (batch + COUNT);
    const uint8_t *data = batch + s_head_size (count);
    int error = 0;
    for (size_t index = 0; !error && index < count; index++) {
        const uint8_t *entry = batch + ENTRIES + index * ENTRY;
        s_file_t *file = s_table (self, (const char *) entry, &error);
        if (!file)
            continue;
        file->dirty = true;
        error = s_write (file->fd, data + index * ZB_PAGE_SIZE, ZB_PAGE_SIZE, (off_t) zb_get64 (entry + NAME));
    }
    return error;
}

static int s_sync_files (zb_pages_t *self)
{
    for (s_file_t *file = self->files; file; file = file->next)
        if (file->dirty) {
            int error = s_sync_once (file->fd);
            if (error)
                return error;
            file->dirty = false;
        }
    return 0;
}

static void s_forget_files (zb_pages_t *self)
{
    while (self->files) {
        s_file_t *file = self->files;
        self->files = file->next;
        close (file->fd);
        freen (file);
    }
}

//  Writes to its place whatever the doublewrite buffer holds, and empties it.
static int s_apply (zb_pages_t *self)
{
    struct stat info;
    if (fstat (self->buffer, &info) != 0)
        return errno;
    if (info.st_size == 0)
        return 0;
    off_t at = 0;
    size_t pages = 0;
    int error = 0;
    for (uint32_t number = 0; !error; number++) {
        uint8_t *batch = s_load (self->buffer, at, info.st_size, number, number ? self->key : NULL);
        if (!batch)
            break;
        memcpy (self->key, batch + KEY, sizeof self->key);
        size_t count = zb_get32 (batch + COUNT);
        error = s_apply_batch (self, batch);
        at += (off_t) (s_head_size (count) + count * ZB_PAGE_SIZE);
        pages += count;
        freen (batch);
    }
    if (!error)
        error = s_sync_files (self);
    if (!error)
        error = s_cut (self->buffer, 0);
    if (!error)
        error = s_sync_once (self->buffer);
    if (pages && !error)
        zb_log (ZB_LOG_INFO, "store: %s: %zu pages were written again from the doublewrite buffer", self->folder, pages);
    return error;
}

//  ---------------------------------------------------------------------------
//  Putting out

//  All files are synced: what is in the buffer counts no more, and that is certain before anything goes on.
static int s_begin_anew (zb_pages_t *self)
{
    if (self->end == 0)
        return 0;
    static const uint8_t none[BLOCK];
    int error = s_write (self->buffer, none, BLOCK, 0);
    if (!error)
        error = s_sync_once (self->buffer);
    if (!error) {
        self->end = 0;
        self->number = 0;
        randombytes_buf (self->key, sizeof self->key);
    }
    return error;
}

static int s_write_buffer (zb_pages_t *self)
{
    size_t head_size;
    uint8_t *head = s_head (self, &head_size);
    int error = s_write (self->buffer, head, head_size, self->end);
    if (!error)
        error = s_write (self->buffer, self->data, self->count * ZB_PAGE_SIZE, self->end + (off_t) head_size);
    if (!error)
        error = s_sync_once (self->buffer);
    if (!error) {
        self->end += (off_t) (head_size + self->count * ZB_PAGE_SIZE);
        self->number++;
    }
    freen (head);
    return error;
}

//  Pages that are neighbours go together.
static int s_write_places (zb_pages_t *self)
{
    for (size_t from = 0, next; from < self->count; from = next) {
        s_file_t *file = self->place[from].file;
        for (next = from + 1; next < self->count; next++)
            if (self->place[next].file != file ||
                self->place[next].offset != self->place[next - 1].offset + ZB_PAGE_SIZE)
                break;
        file->dirty = file->pushed = true;
        int error = s_write (file->fd, self->data + from * ZB_PAGE_SIZE, (next - from) * ZB_PAGE_SIZE,
                             self->place[from].offset);
        if (error)
            return error;
    }
    //  Their way to the disk is begun, so that their sync has little to wait for and does not hold up the log's.
    for (s_file_t *file = self->files; file; file = file->next)
        if (file->pushed) {
            file->pushed = false;
            sync_file_range (file->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
        }
    return 0;
}

//  Writes what is collected; 0 or an error number.
static int s_put_out (zb_pages_t *self)
{
    if (self->error && self->error != ENOSPC)
        return self->error;
    int error = 0;
    off_t size = (off_t) (s_head_size (self->count) + self->count * ZB_PAGE_SIZE);
    if (self->count && self->end && self->end + size > self->most) {
        error = s_sync_files (self);
        if (!error)
            error = s_begin_anew (self);
    }
    if (self->count && !error)
        error = s_write_buffer (self);
    if (self->count && !error)
        error = s_write_places (self);
    if (!error)
        self->count = 0;
    return self->error = error;
}

//  Puts out, syncs this file (NULL: all) and empties the buffer if nothing needs it any more.
static int s_flush (zb_pages_t *self, s_file_t *only)
{
    int error = s_put_out (self);
    bool dirty = false;
    for (s_file_t *file = self->files; file && !error; file = file->next) {
        if (file == only || (!only && file->dirty)) {
            error = s_sync_once (file->fd);
            file->dirty = false;
        }
        dirty = dirty || file->dirty;
    }
    if (!error && !dirty)
        error = s_begin_anew (self);
    return self->error = error;
}

//  ---------------------------------------------------------------------------
//  What is collected

static s_handle_t *s_find (int fd)
{
    s_handle_t *handle = s_handles;
    while (handle && handle->fd != fd)
        handle = handle->next;
    return handle;
}

//  The page that is collected for this place; NULL if none is.
static uint8_t *s_collected (const zb_pages_t *self, const s_file_t *file, off_t offset)
{
    for (size_t index = 0; index < self->count; index++)
        if (self->place[index].file == file && self->place[index].offset == offset)
            return self->data + index * ZB_PAGE_SIZE;
    return NULL;
}

static void s_collect (zb_pages_t *self, s_file_t *file, const void *data, off_t offset)
{
    uint8_t *page = s_collected (self, file, offset);
    if (page) {
        memcpy (page, data, ZB_PAGE_SIZE);
        return;
    }
    if (self->count == self->room) {
        self->room += self->collect;
        self->place = realloc (self->place, self->room * sizeof (*self->place));
        self->data = realloc (self->data, self->room * ZB_PAGE_SIZE);
        assert (self->place && self->data);
    }
    self->place[self->count] = (s_place_t){file, offset};
    memcpy (self->data + self->count * ZB_PAGE_SIZE, data, ZB_PAGE_SIZE);
    self->count++;
    //  If that fails, more is collected before the next try.
    if (self->count % self->collect == 0)
        s_put_out (self);
}

//  Forgets what is collected of a file from this place on.
static void s_drop (zb_pages_t *self, const s_file_t *file, off_t from)
{
    size_t kept = 0;
    for (size_t index = 0; index < self->count; index++)
        if (self->place[index].file != file || self->place[index].offset < from) {
            self->place[kept] = self->place[index];
            memmove (self->data + kept * ZB_PAGE_SIZE, self->data + index * ZB_PAGE_SIZE, ZB_PAGE_SIZE);
            kept++;
        }
    self->count = kept;
}

//  ---------------------------------------------------------------------------
//  Names

//  Whose table this path is; NULL if it is none.  *name is what it is called.
static zb_pages_t *s_owner (const char *path, const char **name)
{
    const char *slash = strrchr (path, '/');
    *name = slash ? slash + 1 : path;
    if (!slash || strncmp (*name, TABLE, strlen (TABLE)) != 0 || strlen (*name) >= NAME)
        return NULL;
    size_t size = (size_t) (slash - path);
    zb_pages_t *self = s_all;
    while (self && (strlen (self->folder) != size || strncmp (self->folder, path, size) != 0))
        self = self->next;
    return self;
}

//  The name will mean another file, or none: the buffer must not hold what was in this one.
static int s_leave (const char *path)
{
    const char *name;
    zb_pages_t *self = s_owner (path, &name);
    s_file_t **at = self ? &self->files : NULL;
    while (at && *at && !streq ((*at)->name, name))
        at = &(*at)->next;
    if (!at || !*at)
        return 0;
    int error = s_flush (self, NULL);
    if (error)
        return error;
    s_file_t *file = *at;
    *at = file->next;
    for (s_handle_t **handle = &s_handles; *handle;)
        if ((*handle)->file == file) {
            s_handle_t *gone = *handle;
            *handle = gone->next;
            freen (gone);
        }
        else
            handle = &(*handle)->next;
    close (file->fd);
    freen (file);
    return 0;
}

//  ---------------------------------------------------------------------------
//  A copy

//  Reads until there is nothing more.
static ssize_t s_read_all (int fd, uint8_t *data, size_t size, off_t offset)
{
    size_t done = 0;
    ssize_t got = 1;
    while (done < size && got != 0) {
        got = pread (fd, data + done, size - done, offset + (off_t) done);
        if (got == -1 && errno != EINTR)
            return -1;
        done += got > 0 ? (size_t) got : 0;
    }
    return (ssize_t) done;
}

ssize_t zb_pages_copy (const char *folder, const char *name, void *data, size_t size, off_t offset)
{
    assert (size % ZB_PAGE_SIZE == 0 && offset % ZB_PAGE_SIZE == 0);
    char *path = zsys_sprintf ("%s/%s", folder, name);
    assert (path);
    pthread_mutex_lock (&s_lock);
    const char *last;
    zb_pages_t *self = s_owner (path, &last);
    int error = self ? 0 : ENOENT;
    const s_file_t *file = self ? s_table (self, last, &error) : NULL;
    ssize_t got = -1;
    if (file) {
        got = s_read_all (file->fd, data, size, offset);
        error = errno;
        for (ssize_t at = 0; at < got; at += ZB_PAGE_SIZE) {
            const uint8_t *page = s_collected (self, file, offset + at);
            if (page && got - at >= ZB_PAGE_SIZE)
                memcpy ((uint8_t *) data + at, page, ZB_PAGE_SIZE);
        }
    }
    pthread_mutex_unlock (&s_lock);
    freen (path);
    errno = error ? error : ENOENT;
    return got;
}

//  ---------------------------------------------------------------------------
//  What Berkeley DB calls

int zb_pages_open (const char *path, int flags, ...)
{
    va_list list;
    va_start (list, flags);
    mode_t mode = flags & O_CREAT ? va_arg (list, mode_t) : 0;
    va_end (list);
    pthread_mutex_lock (&s_lock);
    const char *name;
    zb_pages_t *self = s_owner (path, &name);
    //  Who opens a file may look at its size, or read it by other means.
    int error = self ? s_put_out (self) : 0;
    int fd = error ? -1 : open (path, flags | O_CLOEXEC, mode);
    if (!error && fd == -1)
        error = errno;
    s_file_t *file = self && fd != -1 ? s_table (self, name, &error) : NULL;
    if (file) {
        s_handle_t *handle = zmalloc (sizeof (*handle));
        *handle = (s_handle_t){s_handles, fd, file, self};
        s_handles = handle;
    }
    else if (self && fd != -1) {
        close (fd);
        fd = -1;
    }
    pthread_mutex_unlock (&s_lock);
    errno = error;
    return fd;
}

int zb_pages_close (int fd)
{
    pthread_mutex_lock (&s_lock);
    for (s_handle_t **at = &s_handles; *at; at = &(*at)->next)
        if ((*at)->fd == fd) {
            s_handle_t *handle = *at;
            *at = handle->next;
            freen (handle);
            break;
        }
    //  After EINTR the descriptor is gone, too, and may be another's.
    int error = close (fd) == 0 || errno == EINTR ? 0 : errno;
    pthread_mutex_unlock (&s_lock);
    return error;
}

ssize_t zb_pages_pread (int fd, void *data, size_t size, off_t offset)
{
    pthread_mutex_lock (&s_lock);
    const s_handle_t *handle = s_find (fd);
    const uint8_t *page = handle ? s_collected (handle->pages, handle->file, offset) : NULL;
    if (page && size <= ZB_PAGE_SIZE)
        memcpy (data, page, size);
    else if (handle && (size != ZB_PAGE_SIZE || offset % ZB_PAGE_SIZE))
        s_put_out (handle->pages);
    pthread_mutex_unlock (&s_lock);
    return page && size <= ZB_PAGE_SIZE ? (ssize_t) size : pread (fd, data, size, offset);
}

ssize_t zb_pages_pwrite (int fd, const void *data, size_t size, off_t offset)
{
    pthread_mutex_lock (&s_lock);
    s_handle_t *handle = s_find (fd);
    bool page = size == ZB_PAGE_SIZE && offset % ZB_PAGE_SIZE == 0;
    if (handle && page)
        s_collect (handle->pages, handle->file, data, offset);
    else if (handle)
        s_flush (handle->pages, NULL);
    pthread_mutex_unlock (&s_lock);
    return handle && page ? (ssize_t) size : pwrite (fd, data, size, offset);
}

int zb_pages_fsync (int fd)
{
    pthread_mutex_lock (&s_lock);
    s_handle_t *handle = s_find (fd);
    int error = handle ? s_flush (handle->pages, handle->file) : 0;
    pthread_mutex_unlock (&s_lock);
    return handle ? error : s_sync (fd);
}

int zb_pages_ftruncate (int fd, off_t size)
{
    pthread_mutex_lock (&s_lock);
    s_handle_t *handle = s_find (fd);
    if (handle) {
        s_drop (handle->pages, handle->file, size);
        handle->file->dirty = true;
    }
    int error = s_cut (fd, size);
    pthread_mutex_unlock (&s_lock);
    return error;
}

int zb_pages_unlink (const char *path)
{
    pthread_mutex_lock (&s_lock);
    int error = s_leave (path);
    if (!error && unlink (path) != 0)
        error = errno;
    pthread_mutex_unlock (&s_lock);
    return error;
}

int zb_pages_rename (const char *from, const char *to)
{
    pthread_mutex_lock (&s_lock);
    int error = s_leave (from);
    if (!error)
        error = s_leave (to);
    if (!error && rename (from, to) != 0)
        error = errno;
    pthread_mutex_unlock (&s_lock);
    return error;
}

//  ---------------------------------------------------------------------------
//  The class

zb_pages_t *zb_pages_new (const char *folder, size_t collect, size_t buffer)
{
    assert (folder && collect);
    zb_pages_t *self = zmalloc (sizeof (*self));
    self->folder = strdup (folder);
    assert (self->folder);
    self->collect = collect;
    self->most = (off_t) buffer * ZB_PAGE_SIZE;
    self->buffer = s_open_in (folder, ZB_DOUBLEWRITE, O_CREAT);
    int error = self->buffer == -1 ? errno : s_apply (self);
    s_forget_files (self);
    //  Its name, too, must be on the disk before it is relied on.
    if (!error && zb_folder_sync (folder) != 0)
        error = errno;
    if (error) {
        if (self->buffer != -1)
            close (self->buffer);
        freen (self->folder);
        freen (self);
        errno = error;
        return NULL;
    }
    randombytes_buf (self->key, sizeof self->key);
    pthread_mutex_lock (&s_lock);
    self->next = s_all;
    s_all = self;
    pthread_mutex_unlock (&s_lock);
    return self;
}

void zb_pages_destroy (zb_pages_t **self_p)
{
    assert (self_p);
    zb_pages_t *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    pthread_mutex_lock (&s_lock);
    int error = s_flush (self, NULL);
    if (!error)
        error = s_cut (self->buffer, 0);
    if (error)
        zb_log (ZB_LOG_WARNING, "store: %s: the doublewrite buffer can't be emptied: %s", self->folder, strerror (error));
    for (const s_handle_t *handle = s_handles; handle; handle = handle->next)
        assert (handle->pages != self);
    zb_pages_t **at = &s_all;
    while (*at != self)
        at = &(*at)->next;
    *at = self->next;
    pthread_mutex_unlock (&s_lock);
    s_forget_files (self);
    close (self->buffer);
    free (self->place);
    free (self->data);
    freen (self->folder);
    freen (self);
}

int zb_pages_flush (zb_pages_t *self)
{
    pthread_mutex_lock (&s_lock);
    int error = s_put_out (self);
    pthread_mutex_unlock (&s_lock);
    return error;
}

int zb_pages_error (const zb_pages_t *self)
{
    pthread_mutex_lock (&s_lock);
    int error = self->error;
    pthread_mutex_unlock (&s_lock);
    return error;
}
