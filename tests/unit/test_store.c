/*  =========================================================================
    test_store - one broker's store: commits, reads, restarts, the lock

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <sys/statvfs.h>
#include <sys/syscall.h>

#include "store_kit.h"

//  Stand in for the C library's, also for Berkeley DB: a disk that fails, and one that is full.
static _Atomic bool s_log_fails;
static _Atomic uint64_t s_space = UINT64_MAX;

//  Berkeley DB syncs its log with it.
int fdatasync (int fd)
{
    if (s_log_fails) {
        errno = EIO;
        return -1;
    }
    return (int) syscall (SYS_fdatasync, fd);
}

int statvfs (const char *restrict path, struct statvfs *restrict info)
{
    (void) path;
    *info = (struct statvfs){.f_frsize = 1, .f_bavail = s_space};
    return 0;
}

static zb_store_t *s_open (const char *dir)
{
    zb_store_args_t args = kit_args (dir);
    return zb_store_new (&args);
}

static zb_store_event_t *s_read (zb_store_t *store, zb_table_t table, const char *from, size_t prefix, size_t rows,
                                 size_t bytes)
{
    zb_read_t *read = zb_read_new (7, 99);
    zb_read_add (read, table, from, strlen (from), prefix, rows, bytes);
    zb_store_read (store, read);
    zb_store_event_t *event = kit_wait (store, ZB_STORE_READ);
    assert_int_equal (event->read->purpose, 7);
    assert_int_equal (event->read->tag, 99);
    return event;
}

static void test_fresh (void **state)
{
    (void) state;
    char *dir = kit_dir_new ();
    zb_store_t *store = s_open (dir);
    zb_store_event_t *event = kit_wait (store, ZB_STORE_OPENED);
    assert_true (event->fresh);
    assert_true (event->node.complete);
    assert_int_equal (event->node.current, 1);
    assert_int_equal (event->metas, 0);
    zb_store_event_destroy (&event);
    zb_store_destroy (&store);
    kit_dir_destroy (&dir);
}

static void test_commit_and_restart (void **state)
{
    (void) state;
    char *dir = kit_dir_new ();
    zb_store_t *store = s_open (dir);
    kit_expect (store, ZB_STORE_OPENED);
    kit_commit (store, 1, 50, 30000, false);
    size_t rows, again;
    uint64_t digest = kit_digest (store, &rows);
    assert_int_equal (rows, 52);
    zb_store_destroy (&store);

    store = s_open (dir);
    zb_store_event_t *event = kit_wait (store, ZB_STORE_OPENED);
    assert_false (event->fresh);
    assert_int_equal (event->metas, 1);
    assert_int_equal (event->meta[0].key_size, 6);
    assert_int_equal (zb_get64 (event->meta[0].row->data), 50);
    zb_store_event_destroy (&event);
    assert_int_equal (kit_digest (store, &again), digest);
    assert_int_equal (again, rows);

    //  An erase removes, one of an absent key is no error.
    zb_batch_t *batch = kit_batch (51, 10);
    zb_batch_erase (batch, ZB_META, "commit", 6);
    zb_batch_erase (batch, ZB_META, "commit", 6);
    zb_batch_erase (batch, ZB_QUEUES, "nothing", 7);
    zb_store_commit (store, batch);
    kit_synced (store, 51, 0);
    zb_batch_destroy (&batch);
    event = s_read (store, ZB_META, "", 0, 10, SIZE_MAX);
    assert_int_equal (event->read->count[0], 0);
    zb_store_event_destroy (&event);
    zb_store_destroy (&store);
    kit_dir_destroy (&dir);
}

static void test_ranges (void **state)
{
    (void) state;
    char *dir = kit_dir_new ();
    zb_store_t *store = s_open (dir);
    kit_expect (store, ZB_STORE_OPENED);
    zb_batch_t *batch = zb_batch_new ();
    static const char *const keys[] = {"b", "a/1", "a/2", "a/3", "a", "c/1"};
    char value[6000];
    memset (value, 'v', sizeof (value));
    for (size_t i = 0; i < 6; i++)
        zb_batch_put (batch, ZB_QUEUES, keys[i], strlen (keys[i]), value, i == 1 ? sizeof (value) : 10 * i);
    zb_batch_set_commit (batch, 1);
    zb_store_commit (store, batch);
    kit_synced (store, 1, 0);
    zb_batch_destroy (&batch);

    //  In key order, from a key that need not exist, only with its prefix.
    zb_store_event_t *event = s_read (store, ZB_QUEUES, "a/0", 2, 100, SIZE_MAX);
    assert_int_equal (event->read->count[0], 3);
    assert_false (event->read->more[0]);
    assert_memory_equal (event->read->found[0][0].key, "a/1", 3);
    assert_int_equal (event->read->found[0][0].row->size, 6000);
    assert_int_equal (event->read->found[0][1].row->size, 20);
    assert_memory_equal (event->read->found[0][2].key, "a/3", 3);
    zb_store_event_destroy (&event);
    //  Bounded by rows, and it says whether there are more.
    event = s_read (store, ZB_QUEUES, "a/0", 2, 2, SIZE_MAX);
    assert_int_equal (event->read->count[0], 2);
    assert_true (event->read->more[0]);
    zb_store_event_destroy (&event);
    event = s_read (store, ZB_QUEUES, "a/0", 2, 3, SIZE_MAX);
    assert_int_equal (event->read->count[0], 3);
    assert_false (event->read->more[0]);
    zb_store_event_destroy (&event);
    //  Bounded by bytes: no further row once they are reached, but one in any case.
    event = s_read (store, ZB_QUEUES, "a/0", 2, 100, 5999);
    assert_int_equal (event->read->count[0], 1);
    assert_true (event->read->more[0]);
    zb_store_event_destroy (&event);
    event = s_read (store, ZB_QUEUES, "a/0", 2, 100, 6001);
    assert_int_equal (event->read->count[0], 2);
    zb_store_event_destroy (&event);
    //  The whole table, and an empty one.
    event = s_read (store, ZB_QUEUES, "", 0, 100, SIZE_MAX);
    assert_int_equal (event->read->count[0], 6);
    assert_memory_equal (event->read->found[0][0].key, "a", 1);
    assert_int_equal (event->read->found[0][4].row->size, 0);
    zb_store_event_destroy (&event);
    event = s_read (store, ZB_ACKS, "x", 0, 100, SIZE_MAX);
    assert_int_equal (event->read->count[0], 0);
    zb_store_event_destroy (&event);
    zb_store_destroy (&store);
    kit_dir_destroy (&dir);
}

//  More log than a file holds, checkpoints and removal of old files in between.
static void test_long_log (void **state)
{
    (void) state;
    char *dir = kit_dir_new ();
    zb_store_t *store = s_open (dir);
    kit_expect (store, ZB_STORE_OPENED);
    kit_commit (store, 1, 200, 60000, false);
    size_t rows;
    uint64_t digest = kit_digest (store, &rows);
    zb_store_destroy (&store);
    store = s_open (dir);
    kit_expect (store, ZB_STORE_OPENED);
    assert_int_equal (kit_digest (store, &rows), digest);
    zb_store_destroy (&store);
    kit_dir_destroy (&dir);
}

//  The process dies in the middle of its commits: what was reported as synced is there, nothing is half.
static void test_kill (void **state)
{
    (void) state;
    char *dir = kit_dir_new ();
    int pipe_fd[2];
    assert_int_equal (pipe (pipe_fd), 0);
    pid_t child = fork ();
    if (child == 0) {
        zb_store_t *store = s_open (dir);
        kit_expect (store, ZB_STORE_OPENED);
        for (uint64_t commit = 1;; commit++) {
            zb_batch_t *batch = kit_batch (commit, 5000);
            zb_store_commit (store, batch);
            kit_synced (store, commit, 0);
            if (write (pipe_fd[1], &commit, sizeof (commit)) != sizeof (commit))
                _exit (1);
            zb_batch_destroy (&batch);
        }
    }
    close (pipe_fd[1]);
    uint64_t synced = 0;
    while (synced < 100)
        assert_int_equal (read (pipe_fd[0], &synced, sizeof (synced)), sizeof (synced));
    kill (child, SIGKILL);
    waitpid (child, NULL, 0);
    uint64_t last;
    while (read (pipe_fd[0], &last, sizeof (last)) == sizeof (last))
        synced = last;
    close (pipe_fd[0]);

    kit_quiet ();
    zb_store_t *store = s_open (dir);
    zb_store_event_t *event = kit_wait (store, ZB_STORE_OPENED);
    uint64_t commit = zb_get64 (event->meta[0].row->data);
    assert_true (commit >= synced);
    zb_store_event_destroy (&event);
    size_t rows;
    kit_digest (store, &rows);
    assert_int_equal (rows, commit + 2);
    zb_store_destroy (&store);
    kit_dir_destroy (&dir);
}

static void s_expect_failed (zb_store_t *store, int code, const char *words)
{
    zb_store_event_t *event = NULL;
    while (!(event = zb_store_recv (store))) {
        zmq_pollitem_t item = {.socket = zb_store_socket (store), .events = ZMQ_POLLIN};
        zmq_poll (&item, 1, 1000);
    }
    if (event->kind != ZB_STORE_FAILED)
        fail_msg ("no failure, but event %d", event->kind);
    if (event->code != code || !strstr (event->text, words))
        fail_msg ("failed with %d: %s", event->code, event->text);
    zb_store_event_destroy (&event);
}

static void s_expect_failure (const char *dir, int code, const char *words)
{
    zb_store_t *store = s_open (dir);
    s_expect_failed (store, code, words);
    zb_store_destroy (&store);
}

//  An fsync fails: FAILED, nothing is answered, and the next start knows.
static void test_sync_error (void **state)
{
    (void) state;
    char *dir = kit_dir_new ();
    zb_store_t *store = s_open (dir);
    kit_expect (store, ZB_STORE_OPENED);
    kit_commit (store, 1, 5, 1000, false);
    zb_batch_t *batch = kit_batch (6, 1000);
    s_log_fails = true;
    zb_store_commit (store, batch);
    s_expect_failed (store, ZB_EXIT_STORE, "Input/output error");
    s_log_fails = false;
    assert_null (zb_store_recv (store));
    zb_store_destroy (&store);
    zb_batch_destroy (&batch);

    store = s_open (dir);
    zb_store_event_t *event = kit_wait (store, ZB_STORE_OPENED);
    assert_int_equal (event->metas, 1);
    assert_true (event->node.suspect);
    zb_store_event_destroy (&event);
    zb_store_destroy (&store);
    kit_dir_destroy (&dir);
}

static void test_space (void **state)
{
    (void) state;
    char *dir = kit_dir_new ();
    zb_store_t *store = s_open (dir);
    kit_expect (store, ZB_STORE_OPENED);
    for (int round = 0; round < 4; round++) {
        s_space = round % 2 ? UINT64_MAX : 60 << 20;
        zb_store_event_t *event = kit_wait (store, ZB_STORE_SPACE);
        assert_int_equal (event->full, round % 2 == 0);
        zb_store_event_destroy (&event);
        //  The broker refuses producers; the store goes on.
        kit_commit (store, (uint64_t) round + 1, (uint64_t) round + 1, 1000, false);
    }
    zb_store_destroy (&store);
    kit_dir_destroy (&dir);
}

static void s_spoil (const char *dir, const char *name, long from, size_t size)
{
    char path[300];
    snprintf (path, sizeof (path), "%s/env.1/%s", dir, name);
    FILE *file = fopen (path, "r+");
    assert_non_null (file);
    fseek (file, from, SEEK_SET);
    while (size--)
        fputc ('?', file);
    fclose (file);
}

//  Bytes of a table or of the log change on the disk: noticed, not served.
static void test_damaged_store (void **state)
{
    (void) state;
    for (int what = 0; what < 2; what++) {
        char *dir = kit_dir_new ();
        zb_store_t *store = s_open (dir);
        kit_expect (store, ZB_STORE_OPENED);
        kit_commit (store, 1, 10, 1000, false);
        zb_store_destroy (&store);
        if (what == 0)
            s_spoil (dir, "table.meta", 16384 + 100, 16384 - 200);
        else
            s_spoil (dir, "log.0000000001", 0, 200);
        s_expect_failure (dir, ZB_EXIT_DAMAGED, "the store is damaged");
        kit_dir_destroy (&dir);
    }
}

static void test_busy (void **state)
{
    (void) state;
    char *dir = kit_dir_new ();
    zb_store_t *store = s_open (dir);
    kit_expect (store, ZB_STORE_OPENED);
    char words[64];
    snprintf (words, sizeof (words), "in use by process %d ", (int) getpid ());
    s_expect_failure (dir, ZB_EXIT_BUSY, words);
    //  The other one goes on.
    kit_commit (store, 1, 1, 10, false);
    zb_store_destroy (&store);
    kit_dir_destroy (&dir);
}

static void test_damaged_node (void **state)
{
    (void) state;
    char *dir = kit_dir_new ();
    zb_store_t *store = s_open (dir);
    kit_expect (store, ZB_STORE_OPENED);
    zb_store_destroy (&store);
    char path[300];
    snprintf (path, sizeof (path), "%s/node", dir);
    FILE *file = fopen (path, "r+");
    assert_non_null (file);
    fseek (file, 25, SEEK_SET);
    fputc ('0', file);
    fclose (file);
    s_expect_failure (dir, ZB_EXIT_DAMAGED, "is damaged");
    kit_dir_destroy (&dir);
}

static void test_save (void **state)
{
    (void) state;
    char *dir = kit_dir_new ();
    zb_store_t *store = s_open (dir);
    kit_expect (store, ZB_STORE_OPENED);
    //  What is the store's own is not taken from outside.
    zb_node_t node = {.complete = false, .suspect = true, .current = 77, .alone = 5, .alone_from = 1234567890123};
    zb_store_save (store, &node);
    for (int round = 0; round < 2; round++) {
        zb_store_event_t *event = kit_wait (store, round ? ZB_STORE_OPENED : ZB_STORE_SAVED);
        assert_true (event->node.complete);
        assert_false (event->node.suspect);
        assert_int_equal (event->node.current, 1);
        assert_int_equal (event->node.alone, 5);
        assert_int_equal (event->node.alone_from, 1234567890123);
        zb_store_event_destroy (&event);
        zb_store_destroy (&store);
        if (round == 0)
            store = s_open (dir);
    }
    kit_dir_destroy (&dir);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_kill), //  first: it forks before there are threads
        cmocka_unit_test (test_fresh),  cmocka_unit_test (test_commit_and_restart),
        cmocka_unit_test (test_ranges), cmocka_unit_test (test_long_log),
        cmocka_unit_test (test_busy),   cmocka_unit_test (test_damaged_node),
        cmocka_unit_test (test_save),   cmocka_unit_test (test_sync_error),
        cmocka_unit_test (test_space),  cmocka_unit_test (test_damaged_store),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
