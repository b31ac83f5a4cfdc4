/*  =========================================================================
    test_env - one environment: what waits for a checkpoint, and what it leaves behind

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <db.h>
#include <glob.h>

#include "io/store/env.h"
#include "io/store/tables.h"
#include "store_kit.h"

#define ROW (1 << 20)
#define ROWS 32

static off_t s_size (const char *dir)
{
    char path[PATH_MAX];
    snprintf (path, sizeof path, "%s/table.log", dir);
    struct stat info;
    assert_int_equal (stat (path, &info), 0);
    return info.st_size;
}

static zb_env_t *s_open (const char *dir, size_t log_file)
{
    zb_env_args_t args = {.home = dir, .node = 1, .cache = 128 << 20, .log_file = log_file};
    zb_env_t *env = zb_env_new (&args);
    assert_null (zb_env_fault (env));
    return env;
}

static zb_tables_t *s_tables (zb_env_t *env)
{
    zb_tables_t *tables = zb_tables_new ();
    assert_true (zb_tables_open (tables, env, true));
    return tables;
}

static void s_close (zb_env_t **env_p, zb_tables_t **tables_p, char **dir_p)
{
    zb_tables_close (*tables_p);
    zb_tables_destroy (tables_p);
    zb_env_destroy (env_p);
    kit_dir_destroy (dir_p);
}

static void s_commit (zb_tables_t *tables, uint64_t number)
{
    zb_batch_t *batch = zb_batch_new ();
    zb_row_t *row = zb_row_new (ROW);
    memset (row->data, 'x', ROW);
    row->size = ROW;
    uint8_t key[8];
    zb_put64 (key, number);
    zb_batch_put_row (batch, ZB_LOG, key, sizeof key, row);
    zb_batch_set_commit (batch, number);
    assert_true (zb_tables_commit (tables, batch));
    zb_batch_destroy (&batch);
    zb_row_unref (&row);
}

static size_t s_logs (const char *dir)
{
    char pattern[PATH_MAX];
    snprintf (pattern, sizeof pattern, "%s/log.0*", dir);
    glob_t found = {0};
    glob (pattern, 0, NULL, &found);
    size_t count = found.gl_pathc;
    globfree (&found);
    return count;
}

//  The pages are written before anybody asks for a checkpoint, all but a few.
static void test_pages_trickle_to_the_disk (void **unused)
{
    (void) unused;
    char *dir = kit_dir_new ();
    zb_env_t *env = s_open (dir, 64 << 20);
    zb_tables_t *tables = s_tables (env);
    for (uint64_t number = 1; number <= ROWS; number++)
        s_commit (tables, number);
    assert_true (zb_env_flush (env));
    //  The cache holds all of it.
    assert_true (s_size (dir) < ROW);
    int64_t end = zclock_mono () + patience_ms ();
    while (s_size (dir) < ROWS * (off_t) ROW / 2 && zclock_mono () < end) {
        zb_env_trickle (env);
        assert_null (zb_env_fault (env));
    }
    assert_true (s_size (dir) >= ROWS * (off_t) ROW / 2);
    s_close (&env, &tables, &dir);
}

//  Many old log files go one at a time, the oldest first, and as far as is said.
static void test_log_files_go_one_at_a_time (void **unused)
{
    (void) unused;
    char *dir = kit_dir_new ();
    zb_env_t *env = s_open (dir, 4 << 20);
    zb_tables_t *tables = s_tables (env);
    for (uint64_t number = 1; number <= ROWS; number++)
        s_commit (tables, number);
    assert_true (zb_env_checkpoint (env, 0));
    size_t count = s_logs (dir);
    assert_true (count > 6);
    assert_false (zb_env_trim (env, 0, SIZE_MAX, UINT32_MAX));
    assert_int_equal (s_logs (dir), count);
    assert_true (zb_env_trim (env, 3, SIZE_MAX, UINT32_MAX));
    assert_int_equal (s_logs (dir), count - 1);
    assert_true (zb_env_trim (env, 3, SIZE_MAX, UINT32_MAX));
    assert_false (zb_env_trim (env, 3, SIZE_MAX, UINT32_MAX));
    assert_int_equal (s_logs (dir), count - 2);
    //  Too long a log goes whoever needs it, but for what recovery needs.
    assert_true (zb_env_trim (env, 0, 16 << 20, UINT32_MAX));
    assert_int_equal (s_logs (dir), count - 3);
    while (zb_env_trim (env, UINT32_MAX, SIZE_MAX, UINT32_MAX))
        ;
    assert_in_range (s_logs (dir), 1, 2);
    assert_null (zb_env_fault (env));
    s_close (&env, &tables, &dir);
}

static void s_drop (void *arg, bool fresh, const void *control, size_t control_size, const void *record,
                    size_t record_size)
{
    (void) arg, (void) fresh, (void) control, (void) control_size, (void) record, (void) record_size;
}

//  The generation is counted up as far as it may be asked for, and what asks for more is a fault, told at once.
static void test_a_generation_is_counted_up_to (void **unused)
{
    (void) unused;
    kit_quiet ();
    char *dir = kit_dir_new ();
    zb_env_args_t args = {.home = dir, .paired = true, .node = 2, .cache = 1 << 20, .log_file = 4 << 20, .send = s_drop};
    zb_env_t *env = zb_env_new (&args);
    assert_null (zb_env_fault (env));
    zb_env_status_t status;
    zb_env_lead (env, 40);
    zb_env_status (env, &status);
    assert_null (zb_env_fault (env));
    assert_int_equal (status.generation, 42);
    zb_env_lead (env, UINT32_MAX - 1);
    assert_non_null (zb_env_fault (env));
    assert_non_null (strstr (zb_env_fault (env), "raising the database's generation"));
    assert_false (zb_env_damaged (env));
    assert_false (zb_env_suspect (env));
    zb_env_destroy (&env);
    kit_dir_destroy (&dir);
}

//  Berkeley DB goes on when a page can't be written to make room in its cache, though the sync of the log that comes first
//  has failed.  The next one would say that all is well.
static void test_an_io_error_on_the_way_is_final (void **state)
{
    (void) state;
    char *dir = kit_dir_new ();
    zb_env_t *env = s_open (dir, 16 << 20);
    assert_true (zb_env_flush (env));
    zb_env_handle (env)->err (zb_env_handle (env), EIO, "fsync");
    assert_false (zb_env_flush (env));
    assert_non_null (zb_env_fault (env));
    assert_true (zb_env_suspect (env));
    assert_false (zb_env_damaged (env));
    zb_env_destroy (&env);
    kit_dir_destroy (&dir);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_pages_trickle_to_the_disk),
        cmocka_unit_test (test_log_files_go_one_at_a_time),
        cmocka_unit_test (test_a_generation_is_counted_up_to),
        cmocka_unit_test (test_an_io_error_on_the_way_is_final),
    };
    return cmocka_run_group_tests_name ("env", tests, NULL, NULL);
}
