/*  =========================================================================
    copier - copies an environment that is in use, in a thread of its own

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/wait.h>

#include "io/base/thread.h"
#include "io/store/copier.h"
#include "io/store/pages.h"
#include "io/store/part.h"

#define CHUNK (8 * ZB_PAGE_SIZE) //  bytes that are read at once, while nobody else reads or writes pages
#define SYNC_EVERY (4 << 20)     //  bytes between two syncs: so that the store's own have little of ours to wait for
#define LOOK_EVERY 50            //  ms between two looks at the process that finishes
#define SAID 512                 //  bytes of what that says

extern char **environ;

//  Shared with the thread; the last one frees it.
struct zb_copier {
    pthread_mutex_t guard;
    pthread_cond_t change;
    unsigned users;
    char *home, *folder, *as;
    uint64_t rate;
    uint32_t log;
    zb_copier_phase_t phase;
    uint64_t done;
    zb_lsn_t end;
    char *why;
    //  The thread's alone.
    int64_t began;
    uint64_t unsynced;
    zb_part_t *part;
};

static void s_release (zb_copier_t *self)
{
    pthread_mutex_lock (&self->guard);
    bool last = --self->users == 0;
    pthread_mutex_unlock (&self->guard);
    if (!last)
        return;
    pthread_cond_destroy (&self->change);
    pthread_mutex_destroy (&self->guard);
    free (self->home);
    free (self->folder);
    free (self->as);
    free (self->why);
    free (self);
}

static void s_fail (zb_copier_t *self, const char *why)
{
    pthread_mutex_lock (&self->guard);
    if (self->phase < ZB_COPIER_DONE) {
        self->phase = ZB_COPIER_FAILED;
        self->why = strdup (why);
        assert (self->why);
        pthread_cond_signal (&self->change);
    }
    pthread_mutex_unlock (&self->guard);
}

//  It failed for the reason in errno.  Returns false.
static bool s_failed (zb_copier_t *self, const char *what, const char *name)
{
    char *why = zsys_sprintf ("%s %s: %s", what, name, strerror (errno));
    assert (why);
    s_fail (self, why);
    free (why);
    return false;
}

//  Goes on to a phase; false if it has failed meanwhile.
static bool s_enter (zb_copier_t *self, zb_copier_phase_t phase)
{
    pthread_mutex_lock (&self->guard);
    bool good = self->phase != ZB_COPIER_FAILED;
    if (good)
        self->phase = phase;
    pthread_mutex_unlock (&self->guard);
    return good;
}

//  Counts bytes, and waits as long as they take at the rate; false if it has failed meanwhile.
static bool s_account (zb_copier_t *self, size_t bytes)
{
    pthread_mutex_lock (&self->guard);
    self->done += bytes;
    //  In doubles: the product may be more than fits.
    int64_t due = self->rate ? self->began + (int64_t) (1000.0 * (double) self->done / (double) self->rate) : 0;
    struct timespec until = {due / 1000, due % 1000 * 1000000};
    while (self->phase < ZB_COPIER_DONE && zclock_mono () < due)
        pthread_cond_timedwait (&self->change, &self->guard, &until);
    bool good = self->phase < ZB_COPIER_DONE;
    pthread_mutex_unlock (&self->guard);
    return good;
}

//  ---------------------------------------------------------------------------
//  Files

static bool s_write (zb_copier_t *self, int fd, const uint8_t *data, size_t size, off_t offset)
{
    for (size_t done = 0; done < size;) {
        ssize_t wrote = pwrite (fd, data + done, size - done, offset + (off_t) done);
        if (wrote == -1 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return s_failed (self, "can't write into", self->part->path);
        done += (size_t) wrote;
    }
    self->unsynced += size;
    if (self->unsynced < SYNC_EVERY)
        return true;
    self->unsynced = 0;
    if (fdatasync (fd) != 0)
        return s_failed (self, "can't sync a file in", self->part->path);
    //  It is not read again soon: the page cache is for the store.
    posix_fadvise (fd, 0, offset + (off_t) size, POSIX_FADV_DONTNEED);
    return true;
}

//  Reads from one of the environment's files: of a table, whole pages; of the log, what is there.
static ssize_t s_read (zb_copier_t *self, int log, const char *name, uint8_t *data, size_t size, off_t offset)
{
    if (log == -1)
        return zb_pages_copy (self->home, name, data, size, offset);
    ssize_t got;
    do
        got = pread (log, data, size, offset);
    while (got == -1 && errno == EINTR);
    return got;
}

//  Copies a file up to `most` bytes; `log`: its descriptor, -1 for a table.
static bool s_copy (zb_copier_t *self, const char *name, int log, off_t most)
{
    char *path = zsys_sprintf ("%s/%s", self->part->env, name);
    assert (path);
    int fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool good = fd != -1 || s_failed (self, "can't make", path);
    uint8_t *data = malloc (CHUNK);
    assert (data);
    for (off_t at = 0; good && at < most;) {
        size_t size = most - at < CHUNK ? (size_t) (most - at) : CHUNK;
        ssize_t got = s_read (self, log, name, data, size, at);
        if (got == 0)
            break;
        good = got > 0 || s_failed (self, "can't read", name);
        good = good && s_write (self, fd, data, (size_t) got, at) && s_account (self, (size_t) got);
        at += got;
    }
    if (good && fsync (fd) != 0)
        good = s_failed (self, "can't sync", path);
    free (data);
    if (fd != -1)
        close (fd);
    free (path);
    return good;
}

static bool s_tables (zb_copier_t *self)
{
    DIR *dir = opendir (self->home);
    if (!dir)
        return s_failed (self, "can't read", self->home);
    bool good = true;
    struct dirent *entry;
    while (good && (entry = readdir (dir)) != NULL)
        if (strncmp (entry->d_name, "table.", 6) == 0)
            good = s_copy (self, entry->d_name, -1, INT64_MAX);
    closedir (dir);
    return good;
}

//  A file of the log that is full is not written any more, and so the copy has it by a link where that can be: what is
//  written under load while the tables are copied may be many times what they hold, and more than the rate lets through.
static bool s_link (const zb_copier_t *self, const char *path, const char *name)
{
    char *copy = zsys_sprintf ("%s/%s", self->part->env, name);
    assert (copy);
    bool linked = link (path, copy) == 0;
    free (copy);
    return linked;
}

static bool s_log (zb_copier_t *self)
{
    bool good = true;
    for (uint32_t number = self->log; good && number <= ZB_LSN_FILE (self->end); number++) {
        char name[32];
        snprintf (name, sizeof name, "log.%010" PRIu32, number);
        char *path = zsys_sprintf ("%s/%s", self->home, name);
        assert (path);
        if (number < ZB_LSN_FILE (self->end) && s_link (self, path, name)) {
            free (path);
            continue;
        }
        int log = open (path, O_RDONLY | O_CLOEXEC);
        good = log != -1 || s_failed (self, "can't read", path);
        //  What follows the end may be on its way to the disk.
        off_t most = number == ZB_LSN_FILE (self->end) ? (off_t) (uint32_t) self->end : INT64_MAX;
        good = good && s_copy (self, name, log, most);
        if (log != -1)
            close (log);
        free (path);
    }
    return good;
}

//  Makes the folder.
static bool s_make (zb_copier_t *self)
{
    char *why;
    self->part = zb_part_new (self->folder, &why);
    if (self->part)
        return true;
    s_fail (self, why);
    free (why);
    return false;
}

//  ---------------------------------------------------------------------------
//  The process that finishes

//  Starts it; what it says goes to *said.
static pid_t s_spawn (const zb_copier_t *self, int *said)
{
    int pipes[2];
    pid_t pid = -1;
    if (pipe2 (pipes, O_CLOEXEC) != 0)
        return -1;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init (&actions);
    posix_spawnattr_init (&attributes);
    posix_spawn_file_actions_adddup2 (&actions, pipes[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2 (&actions, pipes[1], STDERR_FILENO);
    //  Ours are blocked.
    sigset_t none;
    sigemptyset (&none);
    posix_spawnattr_setsigmask (&attributes, &none);
    posix_spawnattr_setflags (&attributes, POSIX_SPAWN_SETSIGMASK);
    char program[] = "/proc/self/exe", name[] = "zbroker", verb[] = "backup", finish[] = "--finish", as[] = "--as";
    char *arguments[] = {name, verb, finish, as, self->as, self->folder, NULL};
    int rc = posix_spawn (&pid, program, &actions, &attributes, arguments, environ);
    posix_spawn_file_actions_destroy (&actions);
    posix_spawnattr_destroy (&attributes);
    close (pipes[1]);
    *said = pipes[0];
    if (rc != 0) {
        close (pipes[0]);
        errno = rc;
        return -1;
    }
    return pid;
}

//  Waits until it has ended, and keeps what it says; ends it if the copy has failed meanwhile.
static void s_listen (zb_copier_t *self, pid_t pid, int said, char text[SAID])
{
    size_t used = 0;
    bool killed = false;
    for (;;) {
        struct pollfd item = {.fd = said, .events = POLLIN};
        if (!killed && !s_account (self, 0)) {
            kill (pid, SIGKILL);
            killed = true;
        }
        if (poll (&item, 1, LOOK_EVERY) <= 0)
            continue;
        char rest[64];
        bool room = used + 1 < SAID;
        ssize_t got = read (said, room ? text + used : rest, room ? SAID - 1 - used : sizeof rest);
        if (got == 0 || (got == -1 && errno != EINTR))
            break;
        used += room && got > 0 ? (size_t) got : 0;
    }
    text[used] = 0;
    text[strcspn (text, "\n")] = 0;
}

static bool s_finish (zb_copier_t *self)
{
    int said, status = -1;
    pid_t pid = s_spawn (self, &said);
    if (pid == -1)
        return s_failed (self, "can't start the process that finishes", self->folder);
    char text[SAID];
    s_listen (self, pid, said, text);
    close (said);
    while (waitpid (pid, &status, 0) == -1 && errno == EINTR)
        ;
    if (!WIFEXITED (status) || WEXITSTATUS (status) != 0)
        s_fail (self, *text ? text : "the process that finishes the backup was killed");
    return WIFEXITED (status) && WEXITSTATUS (status) == 0;
}

//  Enters a phase that the owner ends; false if it has failed.
static bool s_wait (zb_copier_t *self, zb_copier_phase_t phase)
{
    if (!s_enter (self, phase))
        return false;
    pthread_mutex_lock (&self->guard);
    while (self->phase == phase)
        pthread_cond_wait (&self->change, &self->guard);
    bool good = self->phase != ZB_COPIER_FAILED;
    pthread_mutex_unlock (&self->guard);
    return good;
}

static void *s_run (void *arg)
{
    zb_copier_t *self = (zb_copier_t *) arg;
    self->began = zclock_mono ();
    bool good = s_make (self) && s_tables (self) && s_wait (self, ZB_COPIER_ENDING) && s_log (self) &&
                s_wait (self, ZB_COPIER_COPIED) && s_finish (self);
    zb_part_destroy (&self->part, !good);
    //  Last: who is told so finds it all done.
    if (good)
        s_enter (self, ZB_COPIER_DONE);
    s_release (self);
    return NULL;
}

//  ---------------------------------------------------------------------------
//  The handle

static char *s_dup (const char *text)
{
    char *copy = strdup (text);
    assert (copy);
    return copy;
}

zb_copier_t *zb_copier_new (const zb_copier_args_t *args)
{
    zb_copier_t *self = zmalloc (sizeof (*self));
    self->home = s_dup (args->home);
    self->folder = s_dup (args->folder);
    self->as = s_dup (args->as);
    self->rate = args->rate;
    self->log = args->log;
    pthread_mutex_init (&self->guard, NULL);
    zb_thread_cond (&self->change);
    self->users = 2;
    pthread_t thread;
    int rc = zb_thread_start (&thread, s_run, self);
    if (rc == 0) {
        pthread_detach (thread);
        return self;
    }
    self->users = 1;
    s_release (self);
    errno = rc;
    return NULL;
}

void zb_copier_destroy (zb_copier_t **self_p)
{
    assert (self_p);
    zb_copier_t *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    s_fail (self, "given up");
    s_release (self);
}

zb_copier_phase_t zb_copier_phase (zb_copier_t *self, uint64_t *done)
{
    pthread_mutex_lock (&self->guard);
    zb_copier_phase_t phase = self->phase;
    *done = self->done;
    pthread_mutex_unlock (&self->guard);
    return phase;
}

char *zb_copier_why (zb_copier_t *self)
{
    pthread_mutex_lock (&self->guard);
    char *why = s_dup (self->why ? self->why : "");
    pthread_mutex_unlock (&self->guard);
    return why;
}

void zb_copier_end (zb_copier_t *self, zb_lsn_t end)
{
    pthread_mutex_lock (&self->guard);
    if (self->phase == ZB_COPIER_ENDING) {
        self->end = end;
        self->phase = ZB_COPIER_LOGS;
        pthread_cond_signal (&self->change);
    }
    pthread_mutex_unlock (&self->guard);
}

void zb_copier_finish (zb_copier_t *self)
{
    pthread_mutex_lock (&self->guard);
    if (self->phase == ZB_COPIER_COPIED) {
        self->phase = ZB_COPIER_FINISHING;
        pthread_cond_signal (&self->change);
    }
    pthread_mutex_unlock (&self->guard);
}

void zb_copier_stop (zb_copier_t *self, const char *why)
{
    s_fail (self, why);
}
