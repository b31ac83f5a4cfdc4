/*  =========================================================================
    shared - what a folder must offer for a store that two machines share

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "io/base/child.h"
#include "io/store/shared.h"

//  ---------------------------------------------------------------------------
//  The file system

static const struct {
    const char *type;
    zb_fs_class_t kind;
} s_types[] = {{"nfs4", ZB_FS_NETWORK},     {"nfs", ZB_FS_NETWORK},   {"cifs", ZB_FS_NETWORK},
               {"smb3", ZB_FS_NETWORK},     {"smbfs", ZB_FS_NETWORK}, {"ceph", ZB_FS_NETWORK},
               {"lustre", ZB_FS_NETWORK},   {"afs", ZB_FS_NETWORK},   {"9p", ZB_FS_NETWORK},
               {"virtiofs", ZB_FS_NETWORK}, {"gpfs", ZB_FS_CLUSTER},  {"gfs2", ZB_FS_CLUSTER},
               {"ocfs2", ZB_FS_CLUSTER}};

const char *zb_fs_class_name (zb_fs_class_t kind)
{
    static const char *const names[] = {"local", "cluster", "network"};
    return names[kind];
}

//  Whether the list with commas has this option, as a whole word.
static bool s_has (const char *options, const char *option)
{
    size_t size = strlen (option);
    for (const char *at = options; at; at = strchr (at, ',') ? strchr (at, ',') + 1 : NULL)
        if (strncmp (at, option, size) == 0 && (at[size] == ',' || at[size] == 0))
            return true;
    return false;
}

void zb_fs_judge (zb_fs_t *self)
{
    //  What comes from user space may be anything: as little as a network is known of it.
    self->kind = strncmp (self->type, "fuse", 4) == 0 ? ZB_FS_NETWORK : ZB_FS_LOCAL;
    for (size_t index = 0; index < sizeof (s_types) / sizeof (*s_types); index++)
        if (streq (s_types[index].type, self->type))
            self->kind = s_types[index].kind;
    self->unfit = NULL;
    if (s_has (self->options, "ro"))
        self->unfit = "it is mounted read-only";
    else if (streq (self->type, "nfs"))
        self->unfit = "NFS before version 4 has no lease on locks: mount it with vers=4.1 or later";
    else if (s_has (self->options, "nolock") || s_has (self->options, "local_lock=all") ||
             s_has (self->options, "local_lock=posix"))
        self->unfit = "its locks stay on this machine: mount it without nolock and local_lock";
    else if (s_has (self->options, "nobrl"))
        self->unfit = "its locks stay on this machine: mount it without nobrl";
}

//  Takes one line of mountinfo apart; false if it is not the mount's.
static bool s_is_mount (zb_fs_t *self, char *line, dev_t device)
{
    unsigned major, minor;
    char own[256], type[32], super[256];
    char *rest = strstr (line, " - ");
    if (!rest || sscanf (line, "%*d %*d %u:%u %*s %*s %255s", &major, &minor, own) != 3 ||
        makedev (major, minor) != device || sscanf (rest, " - %31s %*s %255s", type, super) != 2)
        return false;
    snprintf (self->type, sizeof (self->type), "%s", type);
    snprintf (self->options, sizeof (self->options), "%.120s,%.130s", own, super);
    return true;
}

int zb_fs_look (zb_fs_t *self, const char *dir)
{
    *self = (zb_fs_t){.type = "?"};
    struct stat info;
    if (stat (dir, &info) != 0)
        return -1;
    FILE *mounts = fopen ("/proc/self/mountinfo", "re");
    if (!mounts)
        return -1;
    char *line = NULL;
    size_t room = 0;
    while (getline (&line, &room, mounts) > 0)
        s_is_mount (self, line, info.st_dev);
    free (line);
    fclose (mounts);
    zb_fs_judge (self);
    return 0;
}

//  ---------------------------------------------------------------------------
//  The probe

static int s_open (const char *path)
{
    return open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

//  1 locked, 0 refused since another one has it, -1 failed.
static int s_try (int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl (fd, F_OFD_SETLK, &lock) == 0)
        return 1;
    return errno == EAGAIN || errno == EACCES ? 0 : -1;
}

//  The same in another process, which gives it back by ending.  It tells by a pipe: whatever watches over processes may
//  have its own mind about exit codes.
static int s_try_elsewhere (const char *path)
{
    int pipes[2];
    if (pipe2 (pipes, O_CLOEXEC) != 0)
        return -1;
    pid_t child = fork ();
    if (child == 0) {
        int fd = s_open (path);
        int8_t got = fd < 0 ? -1 : (int8_t) s_try (fd);
        _exit (write (pipes[1], &got, 1) != 1);
    }
    close (pipes[1]);
    int8_t got = -1;
    if (child < 0 || read (pipes[0], &got, 1) != 1)
        got = -1;
    close (pipes[0]);
    if (child > 0)
        waitpid (child, NULL, 0);
    return got;
}

static char *s_text (const char *text)
{
    char *copy = strdup (text);
    assert (copy);
    return copy;
}

//  `one` and `two` are two descriptions of the same file.
static char *s_probe (const char *path, int *one, int two)
{
    int got = s_try (*one);
    if (got != 1)
        return zsys_sprintf ("a file can't be locked: %s",
                             got < 0 ? strerror (errno) : "refused, though nobody has it");
    struct flock seen = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (s_try (two) != 0)
        return s_text ("a lock does not keep out a second descriptor");
    if (fcntl (two, F_OFD_GETLK, &seen) != 0 || seen.l_type == F_UNLCK)
        return s_text ("a lock that is held can't be seen");
    struct flock own = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl (*one, F_OFD_GETLK, &own) != 0 || own.l_type != F_UNLCK)
        return s_text ("a lock keeps out its own holder");
    if (s_try_elsewhere (path) != 0)
        return s_text ("a lock does not keep out a second process");
    close (*one);
    *one = -1;
    if (s_try_elsewhere (path) != 1)
        return s_text ("a lock stays when its holder has closed the file");
    if (s_try (two) != 1)
        return s_text ("a lock stays when its process has ended");
    return NULL;
}

char *zb_shared_probe (const char *dir)
{
    char *path = zsys_sprintf ("%s/LOCK.probe.XXXXXX", dir);
    assert (path);
    int one = mkostemp (path, O_CLOEXEC), two = one < 0 ? -1 : s_open (path);
    char *error =
        one < 0 || two < 0 ? zsys_sprintf ("can't make %s: %s", path, strerror (errno)) : s_probe (path, &one, two);
    if (one >= 0)
        close (one);
    if (two >= 0)
        close (two);
    unlink (path);
    freen (path);
    return error;
}

//  ---------------------------------------------------------------------------
//  The fence

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

//  Whether both mean the same machine: equal, or one is the other's first part.
static bool s_is_machine (const char *host, const char *name, size_t size)
{
    size_t mine = strlen (host), first = strcspn (host, "."), other = 0;
    while (other < size && name[other] != '.')
        other++;
    bool whole = mine == size && strncasecmp (host, name, size) == 0;
    bool one_is_short = first == mine || other == size;
    return whole || (one_is_short && first == other && strncasecmp (host, name, first) == 0);
}

const char *zb_fence_refuses (const char *host, const char *const endpoint[2])
{
    size_t size = strlen (host);
    if (size == 0 || *host == '-' || strspn (host, LETTERS DIGITS ".-") != size)
        return "it is not the name of a machine";
    for (int index = 0; index < 2; index++) {
        const char *name = endpoint[index] ? endpoint[index] + strlen ("tcp://") : "";
        size_t length = strcspn (name, ":");
        //  An address says nothing of names.
        if (strcspn (name, LETTERS) >= length || s_is_machine (host, name, length))
            return NULL;
    }
    return "it is neither of the machines that the pair's endpoints name";
}

pid_t zb_fence_start (const char *command, const zb_holder_t *holder, const char *dir)
{
    char pid[24], epoch[24];
    snprintf (pid, sizeof (pid), "%ld", holder->pid);
    snprintf (epoch, sizeof (epoch), "%" PRIu64, holder->epoch);
    const char *const variables[][2] = {{"ZBROKER_HOST", holder->host},
                                        {"ZBROKER_BOOT", holder->boot},
                                        {"ZBROKER_PID", pid},
                                        {"ZBROKER_EPOCH", epoch},
                                        {"ZBROKER_STORE", dir}};
    return zb_child_start (command, variables, sizeof (variables) / sizeof (*variables));
}

bool zb_fence_done (pid_t pid, char **error)
{
    return zb_child_done (pid, error);
}

void zb_fence_kill (pid_t pid)
{
    zb_child_kill (pid);
}
