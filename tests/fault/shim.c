/*  =========================================================================
    shim - a disk, clocks and a main thread that fail on demand, under an unchanged broker

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    For LD_PRELOAD; integration/machine.py is its other half.  ZB_SHIM names a file with
    the knobs below, which the test sets while the broker runs; ZB_SHIM_FOLDER is the
    store's folder: files elsewhere are left alone, but for those of a backup.

    With `hold`, the page cache is played by this process: what is written stays in
    its memory, block by block, until fsync or fdatasync of that file puts it into
    the real one.  So after kill -9 the real files hold what a power cut would have
    left.  `leak` of a hundred pieces, of `unit` blocks each, go to the disk by
    themselves at once, as the kernel writes pages back when it pleases: what is left
    after the cut is then any mixture of old and new.  A rename goes into the journal beside the
    knobs until its folder is synced; whoever cuts the power undoes what is there.

    A sync that fails says EIO, and the blocks count as clean from then on, as in
    Linux: a second fsync would say 0, and they are not on the disk.

    The wall clock jumps as the test likes.  All clocks can be made to have stood while
    the process was stopped, as those of a virtual machine that was moved or saved.

    Files that are mapped (Berkeley DB's regions, __db.0*) do not survive a
    recovery and are left alone.
*/

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#define BLOCK 4096
#define FILES 4096
#define HANDLES 65536

//  Set by the test, in this order; machine.py has the same names.
typedef struct {
    uint64_t hold;       //  read once, at the start
    uint64_t leak;       //  percent of what is written that reaches the disk without a sync,
    uint64_t unit;       //  in pieces of so many blocks
    uint64_t fail_sync;  //  syncs say EIO
    uint64_t fail_write; //  writes say EIO
    uint64_t delay_us;   //  of each sync
    int64_t clock_ns;    //  added to the wall clock
    int64_t stood_ns;    //  for so long this process was stopped, and none of its clocks shows it
    uint64_t syncs;      //  counted here
    uint64_t dropped;    //  blocks that a failed sync has left behind
    uint64_t stall;      //  each sync, and each look at the free space, waits until this is 0 ...
    uint64_t stalled;    //  ... and says so here
    uint64_t fail_data;  //  syncs of the database say EIO; those of the node's own file and of LOCK do not
    uint64_t lone_lock;  //  a lock on the file LOCK is seen by this process alone
    uint64_t full_backup; //  a folder whose name ends with .part has no room
    uint64_t hang;       //  the main thread does not come back from zmq_poll
} knobs_t;

_Static_assert (sizeof (knobs_t) == 16 * 8, "the knobs are sixteen numbers");

//  One file of the store while this process runs.
typedef struct {
    dev_t device;
    ino_t inode;
    bool used, dead;
    int fd; //  our own, until the end
    off_t size; //  as the broker sees it
    uint8_t **block;
    bool *clean; //  dropped by a failed sync: no later sync writes it
    size_t blocks;
} file_t;

static knobs_t s_none, *s_knobs = &s_none;
static char s_folder[4096], s_journal[4096];
static bool s_hold;
static file_t s_file[FILES];
static file_t *s_of[HANDLES];
static bool s_known[HANDLES]; //  a file of the store, held or not
static unsigned s_random = 1;
static pthread_mutex_t s_lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(type, name, ...)                                                                                         \
    static type (*real_##name) (__VA_ARGS__);                                                                         \
    if (!real_##name)                                                                                                  \
        *(void **) &real_##name = dlsym (RTLD_NEXT, #name);

static ssize_t s_pread (int fd, void *data, size_t size, off_t offset)
{
    REAL (ssize_t, pread, int, void *, size_t, off_t)
    return real_pread (fd, data, size, offset);
}

static ssize_t s_pwrite (int fd, const void *data, size_t size, off_t offset)
{
    REAL (ssize_t, pwrite, int, const void *, size_t, off_t)
    return real_pwrite (fd, data, size, offset);
}

static int s_fstat (int fd, struct stat *stat)
{
    REAL (int, fstat, int, struct stat *)
    return real_fstat (fd, stat);
}

__attribute__ ((constructor)) static void s_begin (void)
{
    const char *path = getenv ("ZB_SHIM"), *folder = getenv ("ZB_SHIM_FOLDER");
    REAL (int, open, const char *, int, ...)
    int fd = path && folder ? real_open (path, O_RDWR | O_CLOEXEC) : -1;
    if (fd == -1)
        return;
    void *knobs = mmap (NULL, sizeof *s_knobs, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (knobs == MAP_FAILED)
        abort ();
    s_knobs = knobs;
    s_hold = s_knobs->hold != 0;
    snprintf (s_folder, sizeof s_folder, "%s", folder);
    snprintf (s_journal, sizeof s_journal, "%s.renames", path);
    s_random = (unsigned) getpid ();
}

//  ---------------------------------------------------------------------------
//  Files

//  The folder itself, or something in it.
static bool s_is_of_store (const char *path)
{
    size_t size = strlen (s_folder);
    return size && strncmp (path, s_folder, size) == 0 && (path[size] == 0 || path[size] == '/');
}

static file_t *s_find (dev_t device, ino_t inode)
{
    for (size_t index = 0; index < FILES; index++)
        if (s_file[index].used && !s_file[index].dead && s_file[index].inode == inode && s_file[index].device == device)
            return &s_file[index];
    return NULL;
}

static void s_opened (int fd, const char *path)
{
    if (fd < 0 || fd >= HANDLES)
        return;
    s_of[fd] = NULL;
    s_known[fd] = s_is_of_store (path);
    const char *base = strrchr (path, '/');
    struct stat stat;
    if (!s_hold || !s_known[fd] || strncmp (base, "/__db.0", 7) == 0 || strcmp (base, "/LOCK") == 0 ||
        s_fstat (fd, &stat) || !S_ISREG (stat.st_mode))
        return;
    file_t *file = s_find (stat.st_dev, stat.st_ino);
    for (size_t index = 0; !file && index < FILES; index++)
        if (!s_file[index].used) {
            file = &s_file[index];
            *file = (file_t){.device = stat.st_dev, .inode = stat.st_ino, .used = true, .size = stat.st_size};
            char self[32];
            snprintf (self, sizeof self, "/proc/self/fd/%d", fd);
            REAL (int, open, const char *, int, ...)
            file->fd = real_open (self, O_RDWR | O_CLOEXEC);
            if (file->fd == -1)
                abort ();
        }
    if (!file)
        abort ();
    s_of[fd] = file;
}

static void s_cut (file_t *file, off_t size)
{
    for (size_t index = (size_t) ((size + BLOCK - 1) / BLOCK); index < file->blocks; index++) {
        free (file->block[index]);
        file->block[index] = NULL;
    }
    if (size % BLOCK && (size_t) (size / BLOCK) < file->blocks && file->block[size / BLOCK])
        memset (file->block[size / BLOCK] + size % BLOCK, 0, (size_t) (BLOCK - size % BLOCK));
    file->size = size;
}

static void s_forget (file_t *file)
{
    REAL (int, close, int)
    real_close (file->fd);
    s_cut (file, 0);
    file->dead = true;
}

//  The block in memory, filled from the disk if it was not there.
static uint8_t *s_block (file_t *file, size_t number)
{
    if (number >= file->blocks) {
        size_t blocks = number + number / 2 + 16;
        file->block = realloc (file->block, blocks * sizeof *file->block);
        file->clean = realloc (file->clean, blocks * sizeof *file->clean);
        if (!file->block || !file->clean)
            abort ();
        memset (file->block + file->blocks, 0, (blocks - file->blocks) * sizeof *file->block);
        file->blocks = blocks;
    }
    if (!file->block[number]) {
        file->block[number] = calloc (1, BLOCK);
        if (!file->block[number] || s_pread (file->fd, file->block[number], BLOCK, (off_t) number * BLOCK) == -1)
            abort ();
    }
    file->clean[number] = false;
    return file->block[number];
}

//  Puts one block on the disk.
static int s_store (file_t *file, size_t number)
{
    off_t from = (off_t) number * BLOCK;
    size_t size = file->size - from < BLOCK ? (size_t) (file->size > from ? file->size - from : 0) : BLOCK;
    if (size && s_pwrite (file->fd, file->block[number], size, from) != (ssize_t) size)
        return -1;
    free (file->block[number]);
    file->block[number] = NULL;
    return 0;
}

static ssize_t s_write (int fd, const void *data, size_t size, off_t offset)
{
    file_t *file = s_of[fd];
    if (s_knobs->fail_write) {
        errno = EIO;
        return -1;
    }
    bool leaks = false;
    for (size_t done = 0; done < size;) {
        size_t number = (size_t) (offset + (off_t) done) / BLOCK, at = (size_t) (offset + (off_t) done) % BLOCK;
        size_t part = size - done < BLOCK - at ? size - done : BLOCK - at;
        if (done == 0 || number % (s_knobs->unit ? s_knobs->unit : 1) == 0)
            leaks = (uint64_t) (rand_r (&s_random) % 100) < s_knobs->leak;
        memcpy (s_block (file, number) + at, (const uint8_t *) data + done, part);
        done += part;
        if (file->size < offset + (off_t) done)
            file->size = offset + (off_t) done;
        if (leaks && s_store (file, number))
            return -1;
    }
    return (ssize_t) size;
}

static ssize_t s_read (int fd, void *data, size_t size, off_t offset)
{
    file_t *file = s_of[fd];
    if (offset >= file->size)
        return 0;
    if ((off_t) size > file->size - offset)
        size = (size_t) (file->size - offset);
    for (size_t done = 0; done < size;) {
        size_t number = (size_t) (offset + (off_t) done) / BLOCK, at = (size_t) (offset + (off_t) done) % BLOCK;
        size_t part = size - done < BLOCK - at ? size - done : BLOCK - at;
        if (number < file->blocks && file->block[number])
            memcpy ((uint8_t *) data + done, file->block[number] + at, part);
        else {
            memset ((uint8_t *) data + done, 0, part);
            if (s_pread (fd, (uint8_t *) data + done, part, offset + (off_t) done) == -1)
                return -1;
        }
        done += part;
    }
    return (ssize_t) size;
}

static int s_store_all (file_t *file)
{
    int rc = 0;
    for (size_t number = 0; number < file->blocks; number++)
        if (file->block[number] && !file->clean[number])
            rc |= s_store (file, number);
    //  A sparse end: only its size was new.
    struct stat stat;
    REAL (int, ftruncate, int, off_t)
    if (s_fstat (file->fd, &stat) == 0 && stat.st_size < file->size)
        rc |= real_ftruncate (file->fd, file->size);
    return rc;
}

static void s_drop_all (file_t *file)
{
    for (size_t number = 0; number < file->blocks; number++)
        if (file->block[number] && !file->clean[number]) {
            file->clean[number] = true;
            s_knobs->dropped++;
        }
}

static void s_stall (void)
{
    while (s_knobs->stall) {
        s_knobs->stalled = 1;
        usleep (2000);
    }
}

//  What both syncs do.  Returns 0, or -1 and errno.
static int s_sync (int fd)
{
    s_stall ();
    uint64_t delay = s_knobs->delay_us;
    if (delay)
        usleep ((useconds_t) delay);
    __atomic_add_fetch (&s_knobs->syncs, 1, __ATOMIC_RELAXED);
    pthread_mutex_lock (&s_lock);
    int rc = s_knobs->fail_sync ? -1 : 0;
    if (s_of[fd] && !s_of[fd]->dead && rc)
        s_drop_all (s_of[fd]);
    else if (s_of[fd] && !s_of[fd]->dead)
        rc = s_store_all (s_of[fd]);
    pthread_mutex_unlock (&s_lock);
    if (rc)
        errno = EIO;
    return rc;
}

//  A process that ends by itself leaves its page cache to the kernel.
__attribute__ ((destructor)) static void s_end (void)
{
    for (size_t index = 0; index < FILES; index++)
        if (s_file[index].used && !s_file[index].dead)
            s_store_all (&s_file[index]);
}

//  ---------------------------------------------------------------------------
//  What the broker and Berkeley DB call

//  A file's path, as the kernel knows it; "" if it has none.
static const char *s_path (int fd, char path[4096])
{
    char link[64];
    snprintf (link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink (link, path, 4095);
    path[size > 0 ? size : 0] = 0;
    return path;
}

static bool s_is_lock (int fd)
{
    char path[4096];
    const char *base = strrchr (s_path (fd, path), '/');
    return base && strcmp (base, "/LOCK") == 0;
}

static bool s_is_backup (int fd)
{
    char path[4096];
    return strstr (s_path (fd, path), ".part/") != NULL;
}

static bool s_is_held (int fd)
{
    return fd >= 0 && fd < HANDLES && s_of[fd];
}

static bool s_is_known (int fd)
{
    return fd >= 0 && fd < HANDLES && s_known[fd];
}

int open (const char *path, int flags, ...)
{
    REAL (int, open, const char *, int, ...)
    va_list list;
    va_start (list, flags);
    mode_t mode = flags & O_CREAT ? va_arg (list, mode_t) : 0;
    va_end (list);
    int fd = real_open (path, flags & ~O_TRUNC, mode);
    pthread_mutex_lock (&s_lock);
    s_opened (fd, path);
    pthread_mutex_unlock (&s_lock);
    if (fd != -1 && flags & O_TRUNC && ftruncate (fd, 0)) {
        close (fd);
        return -1;
    }
    return fd;
}

//  The descriptor with the lock that only we see.
static int s_lone = -1;

int fcntl (int fd, int command, ...)
{
    REAL (int, fcntl, int, int, ...)
    va_list list;
    va_start (list, command);
    void *argument = va_arg (list, void *);
    va_end (list);
    if (!s_knobs->lone_lock || (command != F_OFD_SETLK && command != F_OFD_GETLK) || !s_is_lock (fd))
        return real_fcntl (fd, command, argument);
    if (command == F_OFD_SETLK)
        s_lone = fd;
    else if (s_lone == -1 || s_lone == fd)
        ((struct flock *) argument)->l_type = F_UNLCK;
    return 0;
}

int close (int fd)
{
    REAL (int, close, int)
    if (fd == s_lone)
        s_lone = -1;
    if (s_is_known (fd)) {
        pthread_mutex_lock (&s_lock);
        s_of[fd] = NULL;
        s_known[fd] = false;
        pthread_mutex_unlock (&s_lock);
    }
    return real_close (fd);
}

ssize_t pread (int fd, void *data, size_t size, off_t offset)
{
    if (!s_is_held (fd))
        return s_pread (fd, data, size, offset);
    pthread_mutex_lock (&s_lock);
    ssize_t rc = s_read (fd, data, size, offset);
    pthread_mutex_unlock (&s_lock);
    return rc;
}

ssize_t pwrite (int fd, const void *data, size_t size, off_t offset)
{
    if (!s_is_held (fd)) {
        if (s_knobs->full_backup && s_is_backup (fd)) {
            errno = ENOSPC;
            return -1;
        }
        if (s_is_known (fd) && s_knobs->fail_write) {
            errno = EIO;
            return -1;
        }
        return s_pwrite (fd, data, size, offset);
    }
    pthread_mutex_lock (&s_lock);
    ssize_t rc = s_write (fd, data, size, offset);
    pthread_mutex_unlock (&s_lock);
    return rc;
}

ssize_t read (int fd, void *data, size_t size)
{
    REAL (ssize_t, read, int, void *, size_t)
    if (!s_is_held (fd))
        return real_read (fd, data, size);
    pthread_mutex_lock (&s_lock);
    off_t at = lseek (fd, 0, SEEK_CUR);
    ssize_t rc = s_read (fd, data, size, at);
    if (rc > 0)
        lseek (fd, at + rc, SEEK_SET);
    pthread_mutex_unlock (&s_lock);
    return rc;
}

ssize_t write (int fd, const void *data, size_t size)
{
    REAL (ssize_t, write, int, const void *, size_t)
    if (!s_is_held (fd)) {
        if (s_is_known (fd) && s_knobs->fail_write) {
            errno = EIO;
            return -1;
        }
        return real_write (fd, data, size);
    }
    pthread_mutex_lock (&s_lock);
    off_t at = lseek (fd, 0, SEEK_CUR);
    ssize_t rc = s_write (fd, data, size, at);
    if (rc > 0)
        lseek (fd, at + rc, SEEK_SET);
    pthread_mutex_unlock (&s_lock);
    return rc;
}

off_t lseek (int fd, off_t offset, int whence)
{
    REAL (off_t, lseek, int, off_t, int)
    if (s_is_held (fd) && whence == SEEK_END)
        return real_lseek (fd, s_of[fd]->size + offset, SEEK_SET);
    return real_lseek (fd, offset, whence);
}

int fstat (int fd, struct stat *stat)
{
    int rc = s_fstat (fd, stat);
    if (rc == 0 && s_is_held (fd))
        stat->st_size = s_of[fd]->size;
    return rc;
}

int stat (const char *path, struct stat *stat_)
{
    REAL (int, stat, const char *, struct stat *)
    int rc = real_stat (path, stat_);
    if (rc == 0 && s_hold) {
        pthread_mutex_lock (&s_lock);
        const file_t *file = s_find (stat_->st_dev, stat_->st_ino);
        if (file)
            stat_->st_size = file->size;
        pthread_mutex_unlock (&s_lock);
    }
    return rc;
}

int ftruncate (int fd, off_t size)
{
    REAL (int, ftruncate, int, off_t)
    if (s_is_held (fd)) {
        pthread_mutex_lock (&s_lock);
        s_cut (s_of[fd], size);
        pthread_mutex_unlock (&s_lock);
    }
    return real_ftruncate (fd, size);
}

//  Its name is about to go, and with it the file, if it has no other: the number of its inode will be used again.
static file_t *s_last_name (int folder, const char *path)
{
    struct stat stat;
    return s_hold && fstatat (folder, path, &stat, AT_SYMLINK_NOFOLLOW) == 0 && stat.st_nlink == 1
               ? s_find (stat.st_dev, stat.st_ino)
               : NULL;
}

int unlinkat (int folder, const char *path, int flags)
{
    REAL (int, unlinkat, int, const char *, int)
    pthread_mutex_lock (&s_lock);
    file_t *file = s_last_name (folder, path);
    int rc = real_unlinkat (folder, path, flags);
    if (rc == 0 && file)
        s_forget (file);
    pthread_mutex_unlock (&s_lock);
    return rc;
}

int unlink (const char *path)
{
    return unlinkat (AT_FDCWD, path, 0);
}

//  Until the folder is synced, the journal has a line for each rename: what became what, and where the old one is.
int rename (const char *from, const char *to)
{
    REAL (int, rename, const char *, const char *)
    if (!s_hold || !s_is_of_store (to))
        return real_rename (from, to);
    static unsigned count;
    char keep[sizeof s_journal + 32];
    pthread_mutex_lock (&s_lock);
    snprintf (keep, sizeof keep, "%s.%u.%u", s_journal, (unsigned) getpid (), count++);
    FILE *journal = fopen (s_journal, "a");
    if (!journal)
        abort ();
    fprintf (journal, "%s\t%s\t%s\n", from, to, link (to, keep) == 0 ? keep : "");
    fclose (journal);
    int rc = real_rename (from, to);
    pthread_mutex_unlock (&s_lock);
    return rc;
}

int fsync (int fd)
{
    REAL (int, fsync, int)
    if (!s_is_known (fd))
        return real_fsync (fd);
    int rc = s_sync (fd);
    struct stat stat;
    if (rc == 0 && s_hold && s_fstat (fd, &stat) == 0 && S_ISDIR (stat.st_mode) && truncate (s_journal, 0) &&
        errno != ENOENT)
        abort ();
    return rc ? rc : real_fsync (fd);
}

int fdatasync (int fd)
{
    REAL (int, fdatasync, int)
    if (!s_is_known (fd))
        return real_fdatasync (fd);
    if (s_knobs->fail_data && !s_is_lock (fd)) {
        errno = EIO;
        return -1;
    }
    int rc = s_sync (fd);
    return rc ? rc : real_fdatasync (fd);
}

int statvfs (const char *restrict path, struct statvfs *restrict info)
{
    REAL (int, statvfs, const char *, struct statvfs *)
    s_stall ();
    return real_statvfs (path, info);
}

int zmq_poll (zmq_pollitem_t *items, int count, long timeout)
{
    REAL (int, zmq_poll, zmq_pollitem_t *, int, long)
    while (s_knobs->hang && gettid () == getpid ())
        usleep (2000);
    return real_zmq_poll (items, count, timeout);
}

//  ---------------------------------------------------------------------------
//  The clocks

static bool s_is_wall (clockid_t clock)
{
    return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
}

//  Time of a processor is what it was worth: it does not run while the process is stopped.
static bool s_is_cpu (clockid_t clock)
{
    return clock < 0 || clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID;
}

static struct timespec s_later (const struct timespec *time, int64_t more)
{
    int64_t ns = time->tv_sec * INT64_C (1000000000) + time->tv_nsec + more;
    return (struct timespec){ns / 1000000000, ns % 1000000000};
}

int clock_gettime (clockid_t clock, struct timespec *now)
{
    REAL (int, clock_gettime, clockid_t, struct timespec *)
    int rc = real_clock_gettime (clock, now);
    int64_t more = (s_is_wall (clock) ? s_knobs->clock_ns : 0) - (s_is_cpu (clock) ? 0 : s_knobs->stood_ns);
    if (rc == 0 && more)
        *now = s_later (now, more);
    return rc;
}

//  The kernel's clocks have not stood: without this each such wait would end at once, and the process would spin.
int pthread_cond_timedwait (pthread_cond_t *restrict cond, pthread_mutex_t *restrict guard,
                            const struct timespec *restrict until)
{
    REAL (int, pthread_cond_timedwait, pthread_cond_t *, pthread_mutex_t *, const struct timespec *)
    struct timespec later = s_later (until, s_knobs->stood_ns);
    return real_pthread_cond_timedwait (cond, guard, &later);
}

int gettimeofday (struct timeval *restrict now, void *restrict zone)
{
    (void) zone;
    struct timespec time;
    int rc = clock_gettime (CLOCK_REALTIME, &time);
    *now = (struct timeval){time.tv_sec, time.tv_nsec / 1000};
    return rc;
}

time_t time (time_t *result)
{
    struct timespec now;
    clock_gettime (CLOCK_REALTIME, &now);
    if (result)
        *result = now.tv_sec;
    return now.tv_sec;
}
