/*  =========================================================================
    test_shared - a store that two brokers share: one opener, always

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Two stores on one folder.  A holder that shall lose its lock is a process of its own:
    this program, called with `hold`.
*/

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "io/store/home.h"
#include "io/store/node.h"
#include "store_kit.h"

//  Stands in for the C library's: what the folder seems to lie on; "" for what it does.
static const char *s_type = "", *s_under;

FILE *fopen (const char *restrict path, const char *restrict mode)
{
    if (*s_type && streq (path, "/proc/self/mountinfo")) {
        struct stat info;
        stat (s_under, &info);
        char *line = zsys_sprintf ("36 35 %u:%u / /mnt rw - %s server:/export rw,vers=4.2\n", major (info.st_dev),
                                   minor (info.st_dev), s_type);
        FILE *file = fmemopen (NULL, 1000, "w+");
        fputs (line, file);
        rewind (file);
        freen (line);
        return file;
    }
    return fdopen (open (path, *mode == 'r' ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC, 0600), mode);
}

//  Stands in for the C library's: what is written to files that are not synced since, and a disk that fails.
static bool s_fails;
static int64_t s_wrote;
static int s_unsynced;

ssize_t pwrite (int fd, const void *data, size_t size, off_t offset)
{
    s_wrote += (int64_t) size;
    s_unsynced = fd;
    return syscall (SYS_pwrite64, fd, data, size, offset);
}

int fsync (int fd)
{
    if (s_fails) {
        errno = EIO;
        return -1;
    }
    if (s_unsynced == fd)
        s_unsynced = -1;
    return (int) syscall (SYS_fsync, fd);
}

static zb_store_args_t s_args (const char *dir)
{
    zb_store_args_t args = kit_args (dir);
    args.shared = true;
    args.lease = 60000;
    return args;
}

static zb_store_t *s_new (const char *dir)
{
    zb_store_args_t args = s_args (dir);
    zb_store_t *store = zb_store_new (&args);
    kit_expect (store, ZB_STORE_OPENED);
    return store;
}

static void s_lead (zb_store_t *store)
{
    zb_store_lead (store, 0);
    kit_expect (store, ZB_STORE_LED);
}

//  Asks it to lead; it may not.  Returns the event, which tells why.
static zb_store_event_t *s_denied (zb_store_t *store)
{
    zb_store_lead (store, 0);
    return kit_wait (store, ZB_STORE_DENIED);
}

static int s_hold (const char *dir, const char *type, int64_t lease)
{
    s_type = type;
    s_under = dir;
    zb_store_args_t args = s_args (dir);
    args.unfenced_ok = true;
    args.lease = lease;
    zb_store_t *store = zb_store_new (&args);
    kit_expect (store, ZB_STORE_OPENED);
    s_lead (store);
    kit_commit (store, 1, 1, 100, false);
    if (write (STDOUT_FILENO, "y", 1) != 1)
        return 1;
    kit_synced (store, UINT64_MAX, 0); //  waits until this process is ended
    return 1;
}

//  Starts a process that holds the lock; returns when it does.
static pid_t s_holder (const char *dir, const char *type, const char *lease)
{
    int pipes[2];
    assert_int_equal (pipe (pipes), 0);
    pid_t pid = fork ();
    if (pid == 0) {
        dup2 (pipes[1], STDOUT_FILENO);
        close (pipes[0]);
        execl (kit_self (), "test_shared", "hold", dir, type, lease, NULL);
        _exit (99);
    }
    close (pipes[1]);
    char word = 0;
    assert_int_equal (read (pipes[0], &word, 1), 1);
    close (pipes[0]);
    return pid;
}

static void s_ends_with (pid_t pid, int code)
{
    int status;
    assert_int_equal (waitpid (pid, &status, 0), pid);
    assert_true (WIFEXITED (status));
    assert_int_equal (WEXITSTATUS (status), code);
}

//  Runs a command in the folder.
static void s_run (const char *dir, const char *command)
{
    char *line = zsys_sprintf ("cd %s && %s", dir, command);
    assert_int_equal (system (line), 0);
    freen (line);
}

static void test_one_opener (void **state)
{
    (void) state;
    char *dir = kit_dir_new ();
    zb_store_t *one = s_new (dir), *two = s_new (dir);
    s_lead (one);
    kit_commit (one, 1, 20, 3000, false);
    zb_store_event_t *event = s_denied (two);
    assert_null (event->text);
    assert_true (event->held);
    assert_int_equal (event->holder.pid, getpid ());
    assert_int_equal (event->holder.epoch, 1);
    zb_store_event_destroy (&event);
    //  A read of a store that is not open finds nothing.
    size_t rows, again;
    kit_digest (two, &rows);
    assert_int_equal (rows, 0);
    uint64_t digest = kit_digest (one, &rows);
    //  It goes by command, with all that was written, and comes back.
    zb_store_follow (one, false);
    kit_expect (one, ZB_STORE_FOLLOWS);
    s_lead (two);
    assert_int_equal (kit_digest (two, &again), digest);
    assert_int_equal (again, rows);
    kit_commit (two, 21, 30, 3000, false);
    event = s_denied (one);
    assert_int_equal (event->holder.epoch, 2);
    zb_store_event_destroy (&event);
    zb_store_destroy (&two);
    s_lead (one);
    kit_digest (one, &again);
    assert_int_equal (again, rows + 10);
    zb_store_destroy (&one);
    kit_dir_destroy (&dir);
}

static void test_takeover_from_the_dead (void **state)
{
    (void) state;
    char *dir = kit_dir_new ();
    pid_t holder = s_holder (dir, "", "60000");
    zb_store_t *store = s_new (dir);
    kill (holder, SIGSTOP);
    zb_store_event_t *event = s_denied (store);
    assert_null (event->text);
    assert_int_equal (event->holder.pid, holder);
    zb_store_event_destroy (&event);
    kill (holder, SIGKILL);
    waitpid (holder, NULL, 0);
    zb_store_lead (store, 0);
    event = kit_wait (store, ZB_STORE_LED);
    assert_int_equal (event->metas, 1);
    zb_store_event_destroy (&event);
    size_t rows;
    kit_digest (store, &rows);
    assert_int_equal (rows, 3);
    zb_store_destroy (&store);
    kit_dir_destroy (&dir);
}

//  A file that is made anew counts on from what the peer was heard to have raised, which the database need not have: so
//  it is never behind the epoch that its holder raises next.
static void test_file_counts_from_what_was_heard (void **state)
{
    (void) state;
    char *dir = kit_dir_new ();
    zb_store_t *one = s_new (dir);
    s_lead (one);
    zb_store_destroy (&one);
    s_run (dir, "rm LOCK");
    //  It is opened after a lease.
    zb_store_args_t args = s_args (dir);
    args.lease = 100;
    one = zb_store_new (&args);
    kit_expect (one, ZB_STORE_OPENED);
    zb_store_t *two = s_new (dir);
    zb_store_lead (one, 7);
    kit_expect (one, ZB_STORE_LED);
    zb_store_event_t *event = s_denied (two);
    assert_int_equal (event->holder.epoch, 8);
    zb_store_event_destroy (&event);
    //  What the file says may be newer.
    zb_store_follow (one, false);
    kit_expect (one, ZB_STORE_FOLLOWS);
    zb_store_lead (two, 7);
    kit_expect (two, ZB_STORE_LED);
    event = s_denied (one);
    assert_int_equal (event->holder.epoch, 9);
    zb_store_event_destroy (&event);
    zb_store_destroy (&one);
    zb_store_destroy (&two);
    kit_dir_destroy (&dir);
}

static void test_file_removed (void **state)
{
    (void) state;
    char *dir = kit_dir_new ();
    pid_t holder = s_holder (dir, "", "60000");
    s_run (dir, "rm LOCK");
    s_ends_with (holder, ZB_EXIT_LOCK);
    //  Its successor waits for a lease, in which any earlier holder learns what became of the file.
    zb_store_args_t args = s_args (dir);
    args.lease = 700;
    zb_store_t *store = zb_store_new (&args);
    zb_store_event_t *event = kit_wait (store, ZB_STORE_OPENED);
    assert_false (event->fresh);
    assert_int_equal (event->holder.state, ZB_LOCK_LOST);
    zb_store_event_destroy (&event);
    int64_t begun = zclock_mono ();
    s_lead (store);
    assert_true (zclock_mono () - begun >= 700);
    zb_store_destroy (&store);
    kit_dir_destroy (&dir);
}

//  The folder is there, the store is not: its file system was unmounted.  Nobody begins with an empty one.
static void test_store_gone (void **state)
{
    (void) state;
    char *dir = kit_dir_new ();
    s_run (dir, "mkdir volume mountpoint && ln -s volume there");
    char *there = zsys_sprintf ("%s/there", dir), *volume = zsys_sprintf ("%s/volume", dir);
    zb_store_t *one = s_new (volume);
    s_lead (one);
    kit_commit (one, 1, 20, 100, false);
    zb_store_t *two = s_new (there);
    zb_store_destroy (&one);
    s_run (dir, "ln -sfn mountpoint there");
    zb_store_event_t *event = s_denied (two);
    assert_true (event->held);
    zb_store_event_destroy (&event);
    s_run (dir, "test -z \"$(ls mountpoint)\"");
    //  Nor where the lock's file is left, or comes back.
    s_run (dir, "cp volume/LOCK mountpoint");
    event = s_denied (two);
    assert_non_null (event->text);
    assert_non_null (strstr (event->text, "is its file system mounted?"));
    zb_store_event_destroy (&event);
    s_run (dir, "test \"$(ls mountpoint)\" = LOCK");
    s_run (dir, "ln -sfn volume there");
    s_lead (two);
    size_t rows;
    kit_digest (two, &rows);
    assert_true (rows > 20);
    zb_store_destroy (&two);
    freen (there);
    freen (volume);
    s_run (dir, "rm -r volume mountpoint");
    kit_dir_destroy (&dir);
}

static void test_file_replaced (void **state)
{
    (void) state;
    char *dir = kit_dir_new ();
    pid_t holder = s_holder (dir, "", "60000");
    s_run (dir, "cp LOCK copy && mv copy LOCK");
    s_ends_with (holder, ZB_EXIT_LOCK);
    kit_dir_destroy (&dir);
}

static void test_file_rewritten (void **state)
{
    (void) state;
    char *dir = kit_dir_new ();
    pid_t holder = s_holder (dir, "", "600");
    s_run (dir, "printf stolen | dd of=LOCK conv=notrunc status=none");
    s_ends_with (holder, ZB_EXIT_LOCK);
    kit_dir_destroy (&dir);
}

static void test_stopped_for_longer_than_the_lease (void **state)
{
    (void) state;
    char *dir = kit_dir_new ();
    pid_t holder = s_holder (dir, "nfs4", "500");
    kill (holder, SIGSTOP);
    assert_int_equal (waitpid (holder, NULL, WUNTRACED), holder);
    zclock_sleep (700);
    kill (holder, SIGCONT);
    s_ends_with (holder, ZB_EXIT_LOCK);
    kit_dir_destroy (&dir);
}

static void test_network_needs_a_fence (void **state)
{
    (void) state;
    char *dir = kit_dir_new ();
    s_type = "nfs4";
    s_under = dir;
    zb_store_args_t args = s_args (dir);
    for (int what = 0; what < 3; what++) {
        args.fence = what == 1 ? "true" : NULL;
        args.unfenced_ok = what == 2;
        zb_store_t *store = zb_store_new (&args);
        zb_store_event_t *event = NULL;
        while (!event) {
            zclock_sleep (1);
            event = zb_store_recv (store);
        }
        assert_int_equal (event->kind, what ? ZB_STORE_OPENED : ZB_STORE_FAILED);
        if (!what) {
            assert_int_equal (event->code, ZB_EXIT_USAGE);
            assert_non_null (strstr (event->text, "store/fence"));
        }
        zb_store_event_destroy (&event);
        zb_store_destroy (&store);
    }
    s_type = "";
    kit_dir_destroy (&dir);
}

static void test_fence (void **state)
{
    (void) state;
    char *dir = kit_dir_new (), *log = zsys_sprintf ("%s/fenced", dir);
    zb_store_t *store = s_new (dir);
    s_lead (store);
    kit_commit (store, 1, 1, 10, false);
    zb_store_destroy (&store);
    //  The last holder gave the lock back: there is nobody to fence.
    char *command = zsys_sprintf ("echo $ZBROKER_HOST $ZBROKER_PID >>%s; test -e %s/well", log, dir);
    zb_store_args_t args = s_args (dir);
    args.fence = command;
    store = zb_store_new (&args);
    kit_expect (store, ZB_STORE_OPENED);
    s_lead (store);
    assert_int_equal (access (log, F_OK), -1);
    zb_store_destroy (&store);
    //  It died with it, on another machine.
    s_run (dir, "sed -e 's/^state .*/state held/' -e 's/^host .*/host elsewhere/' LOCK >new && "
                "head -c 512 /dev/zero | tr '\\0' '\\n' >>new && truncate -s 512 new && mv new LOCK");
    store = zb_store_new (&args);
    kit_expect (store, ZB_STORE_OPENED);
    zb_store_event_t *event = s_denied (store);
    assert_non_null (event->text);
    assert_non_null (strstr (event->text, "ended with 1"));
    assert_string_equal (event->holder.host, "elsewhere");
    zb_store_event_destroy (&event);
    //  The lock was given back, and the next try runs the fence again.
    s_run (dir, "touch well");
    s_lead (store);
    s_run (dir, "test $(grep -c elsewhere fenced) = 2");
    zb_store_destroy (&store);
    freen (command);
    freen (log);
    kit_dir_destroy (&dir);
}

static void test_written_again (void **state)
{
    (void) state;
    char *dir = kit_dir_new (), *error;
    int code;
    zb_home_t *home = zb_home_new (dir, ZB_KIND_SHARED, &error, &code);
    s_run (dir, "mkdir env.1 && head -c 2500001 /dev/urandom >env.1/log && : >env.1/empty && echo x >env.1/table && "
                "cp -r env.1 before");
    s_wrote = 0;
    assert_int_equal (zb_home_rewrite (home, 1), 2500003);
    assert_int_equal (s_wrote, 2500003);
    assert_int_equal (s_unsynced, -1);
    s_run (dir, "diff -r env.1 before");
    s_fails = true;
    assert_int_equal (zb_home_rewrite (home, 1), -1);
    s_fails = false;
    assert_int_equal (zb_home_rewrite (home, 2), -1);
    zb_home_destroy (&home);
    s_run (dir, "rm -r before");
    kit_dir_destroy (&dir);
}

//  A store whose last holder could not sync it.
static void test_suspect (void **state)
{
    (void) state;
    char *dir = kit_dir_new ();
    zb_store_t *store = s_new (dir);
    s_lead (store);
    kit_commit (store, 1, 20, 100, false);
    size_t rows, again;
    uint64_t digest = kit_digest (store, &rows);
    zb_store_destroy (&store);
    zb_node_t node;
    assert_int_equal (zb_node_load (&node, dir), ZB_NODE_FOUND);
    node.suspect = true;
    assert_int_equal (zb_node_save (&node, dir), 0);
    //  The disk is as bad as it was: nothing is served.
    store = s_new (dir);
    s_fails = true;
    zb_store_lead (store, 0);
    zb_store_event_t *event = NULL;
    while (!event || event->kind != ZB_STORE_FAILED) {
        zb_store_event_destroy (&event);
        zclock_sleep (1);
        event = zb_store_recv (store);
    }
    assert_int_equal (event->code, ZB_EXIT_STORE);
    assert_non_null (strstr (event->text, "can't be written again"));
    zb_store_event_destroy (&event);
    zb_store_destroy (&store);
    s_fails = false;
    store = s_new (dir);
    s_lead (store);
    assert_int_equal (kit_digest (store, &again), digest);
    assert_int_equal (again, rows);
    assert_int_equal (zb_node_load (&node, dir), ZB_NODE_FOUND);
    assert_false (node.suspect);
    zb_store_destroy (&store);
    kit_dir_destroy (&dir);
}

static void s_refused (const zb_store_args_t *args, const char *words)
{
    zb_store_t *store = zb_store_new (args);
    zb_store_event_t *event = NULL;
    while (!event) {
        zclock_sleep (1);
        event = zb_store_recv (store);
    }
    assert_int_equal (event->kind, ZB_STORE_FAILED);
    assert_int_equal (event->code, ZB_EXIT_USAGE);
    assert_non_null (strstr (event->text, words));
    zb_store_event_destroy (&event);
    zb_store_destroy (&store);
}

static void test_kinds_do_not_mix (void **state)
{
    (void) state;
    char *dir = kit_dir_new (), *other = kit_dir_new ();
    zb_store_t *store = s_new (dir);
    zb_store_args_t args = kit_args (dir);
    s_refused (&args, "--shared");
    zb_store_destroy (&store);
    args = kit_args (other);
    store = zb_store_new (&args);
    kit_expect (store, ZB_STORE_OPENED);
    zb_store_destroy (&store);
    args = s_args (other);
    s_refused (&args, "single store");
    kit_dir_destroy (&dir);
    kit_dir_destroy (&other);
}

int main (int argc, char *argv[])
{
    kit_quiet ();
    if (argc == 5 && streq (argv[1], "hold"))
        return s_hold (argv[2], argv[3], atoi (argv[4]));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_one_opener),
        cmocka_unit_test (test_takeover_from_the_dead),
        cmocka_unit_test (test_file_counts_from_what_was_heard),
        cmocka_unit_test (test_file_removed),
        cmocka_unit_test (test_file_replaced),
        cmocka_unit_test (test_store_gone),
        cmocka_unit_test (test_written_again),
        cmocka_unit_test (test_suspect),
        cmocka_unit_test (test_file_rewritten),
        cmocka_unit_test (test_stopped_for_longer_than_the_lease),
        cmocka_unit_test (test_network_needs_a_fence),
        cmocka_unit_test (test_fence),
        cmocka_unit_test (test_kinds_do_not_mix),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
