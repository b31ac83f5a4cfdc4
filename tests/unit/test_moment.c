/*  =========================================================================
    test_moment - want of descriptors or memory is never taken for damage, whenever it comes

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <db.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "io/store/env.h"
#include "io/store/home.h"
#include "io/store/moment.h"
#include "io/store/node.h"
#include "io/store/tables.h"
#include "store_kit.h"

#define ROW (256 << 10)
#define ROWS 24 //  six log files
#define FILES 24
#define MEMORIES 24
#define MEMORY_STEP (8 << 20)
#define WRONG 1

//  Berkeley DB waits for a descriptor, for 12 s in all.
static int s_no_wait (u_long seconds, u_long microseconds)
{
    (void) seconds;
    (void) microseconds;
    return 0;
}

//  What the store's thread would make of the environment's fault: the exit code of the process.
static void s_judge (const zb_env_t *env)
{
    if (!zb_env_fault (env))
        return;
    bool moment = !zb_env_damaged (env) && !zb_env_suspect (env) && zb_moment_is (zb_env_cause (env));
    if (!moment)
        fprintf (stderr, "damaged %d, suspect %d, cause %d: %s\n", zb_env_damaged (env), zb_env_suspect (env),
                 zb_env_cause (env), zb_env_fault (env));
    _exit (moment ? ZB_EXIT_MOMENT : WRONG);
}

static void s_limit (int which, rlim_t most)
{
    struct rlimit limit;
    getrlimit (which, &limit);
    limit.rlim_cur = most;
    assert_int_equal (setrlimit (which, &limit), 0);
}

//  Descriptors in use, which are the lowest ones.
static rlim_t s_files (void)
{
    int fd = open ("/dev/null", O_RDONLY);
    close (fd);
    return (rlim_t) fd;
}

static rlim_t s_memory (void)
{
    unsigned long pages = 0;
    FILE *file = fopen ("/proc/self/statm", "r");
    assert_int_equal (fscanf (file, "%lu", &pages), 1);
    fclose (file);
    return (rlim_t) pages * (rlim_t) sysconf (_SC_PAGESIZE);
}

//  In a process of its own: opens, writes, closes; its limit is set before, or once all is open.  Ends with 0 or 8.
static void s_work (const char *dir, int which, rlim_t more, bool late)
{
    db_env_set_func_yield (s_no_wait);
    zb_moment_watch ();
    if (!late)
        s_limit (which, (which == RLIMIT_AS ? s_memory () : s_files ()) + more);
    zb_env_args_t args = {.home = dir, .node = 1, .cache = 1 << 20, .log_file = 1 << 20};
    zb_env_t *env = zb_env_new (&args);
    s_judge (env);
    zb_tables_t *tables = zb_tables_new ();
    zb_tables_open (tables, env, true);
    s_judge (env);
    if (late)
        s_limit (which, (which == RLIMIT_AS ? s_memory () : s_files ()) + more);
    for (uint64_t number = 1; number <= ROWS; number++) {
        zb_batch_t *batch = zb_batch_new ();
        zb_row_t *row = zb_row_new (ROW);
        memset (row->data, 'x', ROW);
        row->size = ROW;
        uint8_t key[8];
        zb_put64 (key, number);
        zb_batch_put_row (batch, ZB_LOG, key, sizeof key, row);
        zb_batch_set_commit (batch, number);
        zb_tables_commit (tables, batch);
        zb_env_flush (env);
        zb_env_checkpoint (env, 0);
        s_judge (env);
        zb_batch_destroy (&batch);
        zb_row_unref (&row);
    }
    _exit (0);
}

static int s_child (const char *dir, int which, rlim_t more, bool late)
{
    fflush (NULL);
    pid_t child = fork ();
    if (child == 0)
        s_work (dir, which, more, late);
    int status = -1;
    assert_int_equal (waitpid (child, &status, 0), child);
    return WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
}

//  From none on, ever more of it: each run ends well, or with the code that says what was wanting; and the store opens
//  after.
static void s_sweep (int which, rlim_t step, int steps, bool late)
{
    int wanting = 0;
    char *dir = kit_dir_new ();
    for (int count = 0; count < steps; count++) {
        int code = s_child (dir, which, (rlim_t) count * step, late);
        if (code != 0 && code != ZB_EXIT_MOMENT)
            fail_msg ("with %d steps: ended with %d", count, code);
        wanting += code == ZB_EXIT_MOMENT;
        if (code == 0 && wanting)
            break;
    }
    //  An open store may get on with what it has.
    assert_true (wanting > 0 || late);
    zb_env_args_t args = {.home = dir, .node = 1, .cache = 1 << 20, .log_file = 1 << 20};
    zb_env_t *env = zb_env_new (&args);
    assert_null (zb_env_fault (env));
    zb_env_destroy (&env);
    kit_dir_destroy (&dir);
}

static void test_descriptors (void **state)
{
    (void) state;
    s_sweep (RLIMIT_NOFILE, 1, FILES, false);
    s_sweep (RLIMIT_NOFILE, 1, FILES, true);
}

static void test_memory (void **state)
{
    (void) state;
    //  What watches over memory needs some for itself: there a limit says nothing.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return;
#endif
    if (getenv ("ZBROKER_SLOWER"))
        return;
    s_sweep (RLIMIT_AS, MEMORY_STEP, MEMORIES, false);
}

//  A store is put aside only if all that follows will work: here its note can't be written.
static void test_put_aside_all_or_nothing (void **state)
{
    (void) state;
    char *dir = kit_dir_new ();
    zb_node_t node = {.complete = true, .current = 1, .as = 2}, found;
    assert_int_equal (zb_node_save (&node, dir), 0);
    rlim_t files = s_files ();
    struct rlimit before;
    getrlimit (RLIMIT_NOFILE, &before);
    for (rlim_t more = 0; more < 2; more++) {
        s_limit (RLIMIT_NOFILE, files + more);
        zb_record_t *record = zb_node_prepare (&(zb_node_t){.suspect = true}, dir);
        int error = errno;
        s_limit (RLIMIT_NOFILE, before.rlim_cur);
        assert_null (record);
        assert_int_equal (zb_moment_code (error), ZB_EXIT_MOMENT);
        assert_int_equal (zb_node_load (&found, dir), ZB_NODE_FOUND);
        assert_int_equal (found.current, 1);
    }
    //  Once it is prepared, no descriptor is needed any more.
    zb_record_t *record = zb_node_prepare (&(zb_node_t){.suspect = true}, dir);
    assert_non_null (record);
    s_limit (RLIMIT_NOFILE, 0);
    int rc = zb_record_commit (&record);
    s_limit (RLIMIT_NOFILE, before.rlim_cur);
    assert_int_equal (rc, 0);
    assert_int_equal (zb_node_load (&found, dir), ZB_NODE_FOUND);
    assert_true (found.suspect && !found.current);
    kit_dir_destroy (&dir);
}

static void test_codes (void **state)
{
    (void) state;
    static const int moments[] = {EMFILE, ENFILE, ENOMEM, EAGAIN};
    for (size_t index = 0; index < sizeof moments / sizeof *moments; index++)
        assert_int_equal (zb_moment_code (moments[index]), ZB_EXIT_MOMENT);
    assert_int_equal (zb_moment_code (EACCES), ZB_EXIT_USAGE);
    assert_int_equal (zb_moment_code (EROFS), ZB_EXIT_USAGE);
    assert_int_equal (zb_moment_code (EIO), ZB_EXIT_STORE);
    assert_int_equal (zb_moment_code (ENOSPC), ZB_EXIT_STORE);
    assert_non_null (strstr (zb_moment_text (EMFILE), "ulimit -n"));
    struct rlimit before;
    getrlimit (RLIMIT_NOFILE, &before);
    s_limit (RLIMIT_NOFILE, 127);
    char *lacks = zb_moment_lacks ();
    s_limit (RLIMIT_NOFILE, 128);
    char *enough = zb_moment_lacks ();
    s_limit (RLIMIT_NOFILE, before.rlim_cur);
    assert_non_null (lacks);
    assert_non_null (strstr (lacks, "127"));
    assert_null (enough);
    free (lacks);
}

//  An assertion of libzmq's or CZMQ's for want of a descriptor, and one of ours.
static void test_assertions (void **state)
{
    (void) state;
    for (int wanting = 0; wanting < 2; wanting++) {
        fflush (NULL);
        pid_t child = fork ();
        if (child == 0) {
            zb_moment_watch ();
            s_limit (RLIMIT_CORE, 0);
            if (wanting)
                s_limit (RLIMIT_NOFILE, s_files ());
            abort ();
        }
        int status = -1;
        assert_int_equal (waitpid (child, &status, 0), child);
        if (wanting)
            assert_int_equal (WEXITSTATUS (status), ZB_EXIT_MOMENT);
        else
            assert_true (WIFSIGNALED (status) && WTERMSIG (status) == SIGABRT);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_codes),      cmocka_unit_test (test_descriptors),
        cmocka_unit_test (test_memory),     cmocka_unit_test (test_put_aside_all_or_nothing),
        cmocka_unit_test (test_assertions),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
