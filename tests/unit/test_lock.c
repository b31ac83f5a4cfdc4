/*  =========================================================================
    test_lock - the lock on a store's folder, and what a folder must offer

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "io/store/lock.h"
#include "io/store/shared.h"
#include "store_kit.h"

//  Stand in for the C library's: a disk that fails, and a file system that lies about its locks.
static _Atomic bool s_sync_fails, s_lies;

int fdatasync (int fd)
{
    if (s_sync_fails) {
        errno = EIO;
        return -1;
    }
    return (int) syscall (SYS_fdatasync, fd);
}

int fcntl (int fd, int command, ...)
{
    va_list list;
    va_start (list, command);
    void *argument = va_arg (list, void *);
    va_end (list);
    if (s_lies && command == F_OFD_SETLK)
        return 0;
    return (int) syscall (SYS_fcntl, fd, command, argument);
}

typedef struct {
    char *dir, *path;
    zb_lock_t *one, *two; //  two brokers' view of one folder
} fixture_t;

static int s_setup (void **state)
{
    fixture_t *self = zmalloc (sizeof (*self));
    self->dir = kit_dir_new ();
    self->path = zsys_sprintf ("%s/LOCK", self->dir);
    self->one = zb_lock_new (self->dir);
    self->two = zb_lock_new (self->dir);
    s_sync_fails = s_lies = false;
    *state = self;
    return 0;
}

static int s_teardown (void **state)
{
    fixture_t *self = *state;
    s_sync_fails = s_lies = false;
    zb_lock_destroy (&self->one);
    zb_lock_destroy (&self->two);
    freen (self->path);
    kit_dir_destroy (&self->dir);
    freen (self);
    return 0;
}

static zb_holder_t s_look (zb_lock_t *lock, bool expected)
{
    zb_holder_t holder;
    bool held;
    assert_int_equal (zb_lock_look (lock, &holder, &held), 0);
    assert_int_equal (held, expected);
    return holder;
}

static void s_fails (int rc, int error)
{
    int was = errno;
    assert_int_equal (rc, -1);
    assert_int_equal (was, error);
}

//  The first holds the lock and has signed it.
static void s_hold (fixture_t *self)
{
    assert_int_equal (zb_lock_make (self->one, ZB_KIND_SHARED, false), 0);
    assert_int_equal (zb_lock_take (self->one), 0);
    assert_int_equal (zb_lock_sign (self->one, ZB_KIND_SHARED, 7, ZB_LOCK_HELD), 0);
    assert_int_equal (zb_lock_confirm (self->one, true), 0);
}

static void test_make (void **state)
{
    fixture_t *self = *state;
    zb_holder_t holder;
    bool held;
    s_fails (zb_lock_look (self->one, &holder, &held), ENOENT);
    assert_int_equal (zb_lock_make (self->one, ZB_KIND_SHARED, false), 0);
    holder = s_look (self->one, false);
    assert_int_equal (holder.kind, ZB_KIND_SHARED);
    assert_int_equal (holder.epoch, 0);
    assert_int_equal (holder.state, ZB_LOCK_RELEASED);
    //  The second finds what the first has made.
    assert_int_equal (zb_lock_make (self->two, ZB_KIND_SHARED, true), 0);
    zb_holder_t other = s_look (self->two, false);
    assert_memory_equal (other.store, holder.store, ZB_LOCK_ID_SIZE);
    //  It vanishes: whoever has seen it makes it with the same words, but it proves nothing.
    assert_int_equal (unlink (self->path), 0);
    assert_int_equal (zb_lock_make (self->two, ZB_KIND_SHARED, false), 0);
    other = s_look (self->two, false);
    assert_memory_equal (other.store, holder.store, ZB_LOCK_ID_SIZE);
    assert_int_equal (other.state, ZB_LOCK_LOST);
}

static void test_two_descriptors (void **state)
{
    fixture_t *self = *state;
    s_hold (self);
    zb_holder_t holder = s_look (self->two, true);
    assert_int_equal (holder.pid, getpid ());
    assert_int_equal (holder.epoch, 7);
    assert_int_equal (holder.state, ZB_LOCK_HELD);
    assert_true (zb_holder_is_here (&holder));
    s_fails (zb_lock_take (self->two), EAGAIN);
    assert_false (zb_lock_is_held (self->two));
    //  Other descriptors of the file come and go: the lock stays.
    close (open (self->path, O_RDWR));
    s_fails (zb_lock_take (self->two), EAGAIN);
    zb_lock_drop (self->one);
    assert_int_equal (zb_lock_take (self->two), 0);
    assert_int_equal (zb_lock_holder (self->two)->epoch, 7);
}

static void test_two_processes (void **state)
{
    fixture_t *self = *state;
    assert_int_equal (zb_lock_make (self->one, ZB_KIND_SHARED, false), 0);
    int pipes[2];
    assert_int_equal (pipe (pipes), 0);
    pid_t child = fork ();
    if (child == 0) {
        bool done = zb_lock_take (self->two) == 0 && zb_lock_sign (self->two, ZB_KIND_SHARED, 3, ZB_LOCK_HELD) == 0;
        if (write (pipes[1], done ? "y" : "n", 1) == 1)
            pause ();
        _exit (0);
    }
    char word = 0;
    assert_int_equal (read (pipes[0], &word, 1), 1);
    assert_int_equal (word, 'y');
    s_fails (zb_lock_take (self->one), EAGAIN);
    //  A process that is stopped keeps it; one that is dead does not.
    kill (child, SIGSTOP);
    assert_int_equal (waitpid (child, NULL, WUNTRACED), child);
    s_fails (zb_lock_take (self->one), EAGAIN);
    assert_int_equal (s_look (self->one, true).pid, child);
    kill (child, SIGKILL);
    assert_int_equal (waitpid (child, NULL, 0), child);
    zb_holder_t holder = s_look (self->one, false);
    assert_int_equal (holder.state, ZB_LOCK_HELD);
    assert_int_equal (holder.pid, child);
    assert_int_equal (zb_lock_take (self->one), 0);
    close (pipes[0]);
    close (pipes[1]);
}

static void test_rewritten (void **state)
{
    fixture_t *self = *state;
    s_hold (self);
    int fd = open (self->path, O_WRONLY);
    assert_int_equal (pwrite (fd, "zbroker lock 1\nkind shared\n", 27, 100), 27);
    close (fd);
    assert_int_equal (zb_lock_confirm (self->one, false), 0);
    s_fails (zb_lock_confirm (self->one, true), EBADMSG);
    zb_holder_t holder;
    bool held;
    s_fails (zb_lock_look (self->two, &holder, &held), EBADMSG);
}

static void test_truncated (void **state)
{
    fixture_t *self = *state;
    s_hold (self);
    assert_int_equal (truncate (self->path, 0), 0);
    s_fails (zb_lock_confirm (self->one, true), EBADMSG);
    zb_lock_drop (self->one);
    s_fails (zb_lock_take (self->two), EBADMSG);
    assert_false (zb_lock_is_held (self->two));
}

static void test_deleted (void **state)
{
    fixture_t *self = *state;
    s_hold (self);
    assert_int_equal (unlink (self->path), 0);
    s_fails (zb_lock_confirm (self->one, false), ESTALE);
}

static void test_replaced (void **state)
{
    fixture_t *self = *state;
    s_hold (self);
    char *copy = zsys_sprintf ("%s/copy", self->dir), *command = zsys_sprintf ("cp %s %s", self->path, copy);
    assert_int_equal (system (command), 0);
    assert_int_equal (rename (copy, self->path), 0);
    s_fails (zb_lock_confirm (self->one, false), ESTALE);
    s_fails (zb_lock_confirm (self->one, true), ESTALE);
    freen (copy);
    freen (command);
}

//  Does to the lock of the first, at its descriptor, what a file system may do that forgets.
static void s_set (fixture_t *self, short type)
{
    struct stat named, info;
    assert_int_equal (stat (self->path, &named), 0);
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET};
    for (int fd = 3; fd < 100; fd++)
        if (fstat (fd, &info) == 0 && info.st_dev == named.st_dev && info.st_ino == named.st_ino)
            assert_int_equal (fcntl (fd, F_OFD_SETLK, &lock), 0);
}

//  A file system that forgets its locks: nothing is to be seen of it at the descriptor, or in the file.
static void test_forgotten (void **state)
{
    fixture_t *self = *state;
    s_hold (self);
    s_set (self, F_UNLCK);
    s_look (self->two, false);
    s_fails (zb_lock_confirm (self->one, true), ENOLCK);
    //  Nor is one that another one has meanwhile, signed or not.
    assert_int_equal (zb_lock_take (self->two), 0);
    s_fails (zb_lock_check (self->one), ENOLCK);
    s_fails (zb_lock_confirm (self->one, true), ENOLCK);
}

//  Before it signs, a holder may have to wait: nobody has signed meanwhile if the text is that of before.
static void test_checked_before_it_signs (void **state)
{
    fixture_t *self = *state;
    assert_int_equal (zb_lock_make (self->one, ZB_KIND_SHARED, false), 0);
    assert_int_equal (zb_lock_take (self->one), 0);
    assert_int_equal (zb_lock_check (self->one), 0);
    //  One that has signed and ended meanwhile.
    zb_holder_t before = *zb_lock_holder (self->one);
    s_set (self, F_UNLCK);
    assert_int_equal (zb_lock_take (self->two), 0);
    assert_int_equal (zb_lock_sign (self->two, ZB_KIND_SHARED, before.epoch + 1, ZB_LOCK_HELD), 0);
    zb_lock_drop (self->two);
    s_set (self, F_WRLCK);
    s_fails (zb_lock_check (self->one), EBADMSG);
}

static void test_unwritable (void **state)
{
    fixture_t *self = *state;
    s_hold (self);
    s_sync_fails = true;
    s_fails (zb_lock_confirm (self->one, true), EIO);
    s_sync_fails = false;
    //  A folder that is none.
    zb_lock_t *lock = zb_lock_new ("/proc/self");
    assert_int_equal (zb_lock_make (lock, ZB_KIND_SHARED, false), -1);
    zb_lock_destroy (&lock);
}

static void test_file_systems (void **state)
{
    (void) state;
    static const struct {
        const char *type, *options;
        zb_fs_class_t kind;
        bool fit;
    } cases[] = {{"ext4", "rw,relatime", ZB_FS_LOCAL, true},
                 {"ext4", "ro,relatime", ZB_FS_LOCAL, false},
                 {"ext4", "rw,errors=remount-ro", ZB_FS_LOCAL, true},
                 {"gfs2", "rw", ZB_FS_CLUSTER, true},
                 {"ocfs2", "rw", ZB_FS_CLUSTER, true},
                 {"nfs4", "rw,vers=4.2,hard,local_lock=none", ZB_FS_NETWORK, true},
                 {"nfs4", "rw,vers=4.2,local_lock=all", ZB_FS_NETWORK, false},
                 {"nfs4", "rw,nolock", ZB_FS_NETWORK, false},
                 {"nfs", "rw,vers=3", ZB_FS_NETWORK, false},
                 {"cifs", "rw,nobrl", ZB_FS_NETWORK, false},
                 {"fuse.sshfs", "rw", ZB_FS_NETWORK, true},
                 {"ceph", "rw", ZB_FS_NETWORK, true}};
    for (size_t index = 0; index < sizeof (cases) / sizeof (*cases); index++) {
        zb_fs_t fs;
        snprintf (fs.type, sizeof (fs.type), "%s", cases[index].type);
        snprintf (fs.options, sizeof (fs.options), "%s", cases[index].options);
        zb_fs_judge (&fs);
        assert_int_equal (fs.kind, cases[index].kind);
        assert_int_equal (fs.unfit == NULL, cases[index].fit);
    }
}

static void test_look_at_the_file_system (void **state)
{
    (void) state;
    zb_fs_t fs;
    assert_int_equal (zb_fs_look (&fs, "/proc"), 0);
    assert_string_equal (fs.type, "proc");
    s_fails (zb_fs_look (&fs, "/nonexistent"), ENOENT);
}

static void test_probe (void **state)
{
    fixture_t *self = *state;
    assert_null (zb_shared_probe (self->dir));
    char *error = zb_shared_probe ("/nonexistent");
    assert_non_null (strstr (error, "No such file"));
    free (error);
}

static void test_probe_of_a_liar (void **state)
{
    fixture_t *self = *state;
    s_lies = true;
    char *error = zb_shared_probe (self->dir);
    assert_non_null (strstr (error, "second descriptor"));
    free (error);
}

//  Runs a fence to its end; returns what is said of it.
static char *s_fence (const char *command, const zb_holder_t *holder)
{
    char *error = NULL;
    pid_t pid = zb_fence_start (command, holder, "/store");
    assert_true (pid > 0);
    while (!zb_fence_done (pid, &error))
        zclock_sleep (1);
    return error;
}

//  The host's name comes from a file that others may have written.
static void test_fence_refuses (void **state)
{
    (void) state;
    static const struct {
        const char *host, *endpoint[2];
        bool good;
    } cases[] = {
        {"alpha", {"tcp://alpha:5560", "tcp://beta:5560"}, true},
        {"BETA.example.org", {"tcp://alpha:5560", "tcp://beta:5560"}, true},
        {"beta", {"tcp://alpha.example.org:5560", "tcp://beta.example.org:5560"}, true},
        {"beta.other.org", {"tcp://alpha.example.org:5560", "tcp://beta.example.org:5560"}, false},
        {"gamma", {"tcp://alpha:5560", "tcp://beta:5560"}, false},
        {"gamma", {"tcp://10.0.0.1:5560", "tcp://10.0.0.2:5560"}, true},
        {"-rf", {"tcp://10.0.0.1:5560", "tcp://10.0.0.2:5560"}, false},
        {"*", {"tcp://10.0.0.1:5560", "tcp://10.0.0.2:5560"}, false},
        {"a;b", {NULL, NULL}, false},
        {"", {NULL, NULL}, false},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        const char *why = zb_fence_refuses (cases[index].host, cases[index].endpoint);
        if (!why != cases[index].good)
            fail_msg ("%s: %s", cases[index].host, why ? why : "taken");
    }
}

//  Not each number is a date.
static void test_a_forged_time (void **state)
{
    (void) state;
    zb_holder_t holder = {.host = "alpha", .pid = 12, .since = INT64_MAX};
    char *text = zb_holder_text (&holder);
    assert_string_equal (text, "process 12 on alpha, since a time that no clock has");
    free (text);
}

static void test_fence (void **state)
{
    (void) state;
    zb_holder_t holder = {.host = "alpha", .boot = "b", .pid = 12, .epoch = 34};
    assert_null (s_fence ("test \"$ZBROKER_HOST $ZBROKER_BOOT $ZBROKER_PID $ZBROKER_EPOCH $ZBROKER_STORE\" = "
                          "\"alpha b 12 34 /store\"",
                          &holder));
    char *error = s_fence ("exit 3", &holder);
    assert_string_equal (error, "it ended with 3");
    free (error);
    error = s_fence ("kill -9 $$", &holder);
    assert_string_equal (error, "it was ended by signal 9");
    free (error);
    //  What the command has started ends with it.
    pid_t pid = zb_fence_start ("sleep 1000; exit 0", &holder, "/store");
    assert_false (zb_fence_done (pid, &error));
    assert_int_equal (kill (-pid, 0), 0);
    zb_fence_kill (pid);
    while (kill (-pid, 0) == 0)
        zclock_sleep (1);
    assert_int_equal (errno, ESRCH);
}

int main (void)
{
    kit_quiet ();
#define TEST(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)
    const struct CMUnitTest tests[] = {
        TEST (test_make),
        TEST (test_two_descriptors),
        TEST (test_two_processes),
        TEST (test_rewritten),
        TEST (test_truncated),
        TEST (test_deleted),
        TEST (test_replaced),
        TEST (test_unwritable),
        TEST (test_file_systems),
        TEST (test_look_at_the_file_system),
        TEST (test_probe),
        TEST (test_probe_of_a_liar),
        TEST (test_fence),
        TEST (test_fence_refuses),
        TEST (test_a_forged_time),
        TEST (test_forgotten),
        TEST (test_checked_before_it_signs),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
