/*  =========================================================================
    lock - the lock on a store's folder, and what it says of its holder

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>

#include "io/store/folder.h"
#include "io/store/lock.h"

#define TEXT_SIZE 512

struct zb_lock {
    char *dir;
    char *path;
    int fd;             //  of the lock; -1 if we don't hold it
    zb_holder_t holder; //  the file's words, as last read or written
    bool seen;          //  they are there
};

static const char *const s_kinds[ZB_KINDS] = {"single", "replicated", "shared"};
static const char *const s_states[ZB_LOCK_STATES] = {"released", "held", "lost"};

const char *zb_kind_name (zb_kind_t kind)
{
    return s_kinds[kind];
}

//  ---------------------------------------------------------------------------
//  The text

//  This machine, in its present boot: its name, and what the kernel draws at each start.
static void s_here (char host[ZB_LOCK_HOST_MAX + 1], char boot[37])
{
    if (gethostname (host, ZB_LOCK_HOST_MAX + 1) != 0 || !*host)
        strcpy (host, "-");
    host[ZB_LOCK_HOST_MAX] = 0;
    strcpy (boot, "-");
    int fd = open ("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (read (fd, boot, 36) == 36)
        boot[36] = 0;
    else
        strcpy (boot, "-");
    close (fd);
}

bool zb_holder_is_here (const zb_holder_t *holder)
{
    char host[ZB_LOCK_HOST_MAX + 1], boot[37];
    s_here (host, boot);
    return streq (holder->host, host) && streq (holder->boot, boot) && !streq (boot, "-");
}

static void s_format (const zb_holder_t *self, char text[TEXT_SIZE])
{
    char id[2 * ZB_LOCK_ID_SIZE + 1];
    memset (text, '\n', TEXT_SIZE);
    int size =
        snprintf (text, TEXT_SIZE,
                  "zbroker lock 1\nkind %s\nstore %s\nepoch %" PRIu64 "\nstate %s\nhost %s\nboot %s\npid %ld\n"
                  "since %" PRIi64 "\nrenewed %" PRIi64 "\nend\n",
                  s_kinds[self->kind], sodium_bin2hex (id, sizeof (id), self->store, ZB_LOCK_ID_SIZE), self->epoch,
                  s_states[self->state], self->host, self->boot, self->pid, self->since, self->renewed);
    assert (size > 0 && size < TEXT_SIZE);
    text[size] = '\n';
}

static int s_find (const char *const *names, int size, const char *name)
{
    for (int index = 0; index < size; index++)
        if (streq (names[index], name))
            return index;
    return -1;
}

//  What sscanf takes from the text must format to the very same bytes: so nothing lenient gets in, and nothing torn.
static bool s_parse (zb_holder_t *self, const char text[TEXT_SIZE])
{
    char copy[TEXT_SIZE + 1], again[TEXT_SIZE], kind[16], id[2 * ZB_LOCK_ID_SIZE + 1], state[16];
    memcpy (copy, text, TEXT_SIZE);
    copy[TEXT_SIZE] = 0;
    zb_holder_t holder = {.pid = 0};
    if (sscanf (copy,
                "zbroker lock 1\nkind %15s\nstore %32s\nepoch %" SCNu64 "\nstate %15s\nhost %64s\nboot %36s\npid %ld\n"
                "since %" SCNi64 "\nrenewed %" SCNi64 "\nend",
                kind, id, &holder.epoch, state, holder.host, holder.boot, &holder.pid, &holder.since,
                &holder.renewed) != 9)
        return false;
    int which = s_find (s_kinds, ZB_KINDS, kind), what = s_find (s_states, ZB_LOCK_STATES, state);
    size_t size;
    if (which < 0 || what < 0 ||
        sodium_hex2bin (holder.store, ZB_LOCK_ID_SIZE, id, strlen (id), NULL, &size, NULL) != 0 ||
        size != ZB_LOCK_ID_SIZE)
        return false;
    holder.kind = (zb_kind_t) which;
    holder.state = (zb_lock_state_t) what;
    s_format (&holder, again);
    if (memcmp (again, text, TEXT_SIZE) != 0)
        return false;
    *self = holder;
    return true;
}

static int s_read (int fd, zb_holder_t *holder)
{
    char text[TEXT_SIZE];
    ssize_t size = pread (fd, text, TEXT_SIZE, 0);
    if (size == TEXT_SIZE && s_parse (holder, text))
        return 0;
    if (size >= 0)
        errno = EBADMSG;
    return -1;
}

static int s_write (int fd, const zb_holder_t *holder)
{
    char text[TEXT_SIZE];
    s_format (holder, text);
    ssize_t size = pwrite (fd, text, TEXT_SIZE, 0);
    if (size >= 0 && size < TEXT_SIZE)
        errno = ENOSPC;
    return size == TEXT_SIZE && fdatasync (fd) == 0 ? 0 : -1;
}

char *zb_holder_text (const zb_holder_t *holder)
{
    char when[32] = "a time that no clock has";
    time_t since = (time_t) holder->since;
    struct tm parts;
    //  The text may be forged: not each number is a date.
    if (gmtime_r (&since, &parts))
        strftime (when, sizeof (when), "%Y-%m-%d %H:%M:%S UTC", &parts);
    char *text = zsys_sprintf ("process %ld on %s, since %s", holder->pid, holder->host, when);
    assert (text);
    return text;
}

//  ---------------------------------------------------------------------------
//  Class

zb_lock_t *zb_lock_new (const char *dir)
{
    zb_lock_t *self = zmalloc (sizeof (*self));
    self->dir = strdup (dir);
    self->path = zsys_sprintf ("%s/LOCK", dir);
    assert (self->dir && self->path);
    self->fd = -1;
    return self;
}

void zb_lock_destroy (zb_lock_t **self_p)
{
    assert (self_p);
    zb_lock_t *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    zb_lock_drop (self);
    freen (self->dir);
    freen (self->path);
    freen (self);
}

int zb_lock_make (zb_lock_t *self, zb_kind_t kind, bool used)
{
    if (access (self->path, F_OK) == 0)
        return 0;
    if (errno != ENOENT)
        return -1;
    zb_holder_t holder = self->holder;
    if (!self->seen) {
        holder = (zb_holder_t){.kind = kind, .epoch = used, .host = "-", .boot = "-"};
        randombytes_buf (holder.store, ZB_LOCK_ID_SIZE);
    }
    holder.state = used || self->seen ? ZB_LOCK_LOST : ZB_LOCK_RELEASED;
    char *fresh = zsys_sprintf ("%s.new.XXXXXX", self->path);
    assert (fresh);
    int fd = mkostemp (fresh, O_CLOEXEC);
    int rc = fd < 0 ? -1 : s_write (fd, &holder);
    //  Two that make it at once: the second finds the first one's.
    if (rc == 0)
        rc = link (fresh, self->path) == 0 || errno == EEXIST ? 0 : -1;
    int error = errno;
    if (fd >= 0) {
        unlink (fresh);
        close (fd);
    }
    freen (fresh);
    if (rc == 0)
        return zb_folder_sync (self->dir);
    errno = error;
    return -1;
}

//  Whether the file is locked, as anybody sees it who has opened it anew.  Returns 0 or -1.
static int s_ask (int fd, bool *held)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int rc = fcntl (fd, F_OFD_GETLK, &lock);
    *held = lock.l_type != F_UNLCK;
    return rc == 0 ? 0 : -1;
}

int zb_lock_look (zb_lock_t *self, zb_holder_t *holder, bool *held)
{
    //  Opened each time: the name may stand for another file by now, and a network file system reads afresh at open.
    int fd = open (self->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int rc = s_ask (fd, held);
    if (rc == 0)
        rc = s_read (fd, holder);
    int error = errno;
    close (fd);
    errno = error;
    if (rc == 0) {
        self->holder = *holder;
        self->seen = true;
    }
    return rc == 0 ? 0 : -1;
}

int zb_lock_take (zb_lock_t *self)
{
    assert (self->fd < 0);
    int fd = open (self->path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -1;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int rc = fcntl (fd, F_OFD_SETLK, &lock);
    if (rc == 0) {
        self->fd = fd;
        rc = s_read (fd, &self->holder);
        self->seen = rc == 0;
        //  It may have been replaced between open and lock.
        if (rc == 0)
            rc = zb_lock_confirm (self, false);
    }
    int error = errno == EACCES && self->fd < 0 ? EAGAIN : errno;
    if (rc == 0)
        return 0;
    close (fd);
    self->fd = -1;
    errno = error;
    return -1;
}

void zb_lock_drop (zb_lock_t *self)
{
    if (self->fd >= 0)
        close (self->fd);
    self->fd = -1;
}

bool zb_lock_is_held (const zb_lock_t *self)
{
    return self->fd >= 0;
}

const zb_holder_t *zb_lock_holder (const zb_lock_t *self)
{
    return &self->holder;
}

int zb_lock_sign (zb_lock_t *self, zb_kind_t kind, uint64_t epoch, zb_lock_state_t state)
{
    assert (self->fd >= 0);
    zb_holder_t *holder = &self->holder;
    holder->kind = kind;
    holder->epoch = epoch;
    holder->renewed = time (NULL);
    if (holder->state != ZB_LOCK_HELD || holder->pid != getpid () || !zb_holder_is_here (holder))
        holder->since = holder->renewed;
    holder->state = state;
    holder->pid = getpid ();
    s_here (holder->host, holder->boot);
    return s_write (self->fd, holder);
}

//  Whether there is a lock, as anybody sees it who opens the file anew, and it is ours: our own descriptor sees those of
//  others only.  Returns 0 or -1: ENOLCK if there is none, or another one's.
static int s_is_ours (const zb_lock_t *self)
{
    int fd = open (self->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -1;
    bool held = false, others = false;
    int rc = s_ask (fd, &held), error = errno;
    close (fd);
    if (rc == 0) {
        rc = s_ask (self->fd, &others);
        error = errno;
    }
    errno = rc == 0 ? ENOLCK : error;
    return rc == 0 && held && !others ? 0 : -1;
}

//  Whether the file that is locked is still the one in the folder.
static int s_is_there (const zb_lock_t *self)
{
    struct stat ours, named;
    if (fstat (self->fd, &ours) != 0)
        return -1;
    if (stat (self->path, &named) == 0 && ours.st_dev == named.st_dev && ours.st_ino == named.st_ino)
        return 0;
    errno = ESTALE;
    return -1;
}

int zb_lock_check (zb_lock_t *self)
{
    assert (self->fd >= 0);
    if (s_is_there (self) != 0 || s_is_ours (self) != 0)
        return -1;
    char text[TEXT_SIZE], found[TEXT_SIZE];
    s_format (&self->holder, text);
    ssize_t size = pread (self->fd, found, TEXT_SIZE, 0);
    if (size >= 0 && (size < TEXT_SIZE || memcmp (text, found, TEXT_SIZE) != 0)) {
        errno = EBADMSG;
        return -1;
    }
    return size < 0 ? -1 : 0;
}

int zb_lock_confirm (zb_lock_t *self, bool rewrite)
{
    assert (self->fd >= 0);
    if (!rewrite)
        return s_is_there (self);
    if (zb_lock_check (self) != 0)
        return -1;
    self->holder.renewed = time (NULL);
    return s_write (self->fd, &self->holder);
}
