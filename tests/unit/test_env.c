/*  =========================================================================
    test_env - one environment: what waits for a checkpoint

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include "io/env.h"
#include "io/tables.h"
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

//  The pages are written before anybody asks for a checkpoint, all but a few.
static void test_pages_trickle_to_the_disk (void **unused)
{
    (void) unused;
    char *dir = kit_dir_new ();
    zb_env_args_t args = {.home = dir, .node = 1, .cache = 128 << 20, .log_file = 64 << 20};
    zb_env_t *env = zb_env_new (&args);
    assert_null (zb_env_fault (env));
    zb_tables_t *tables = zb_tables_new ();
    assert_true (zb_tables_open (tables, env, true));
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
    zb_tables_close (tables);
    zb_tables_destroy (&tables);
    zb_env_destroy (&env);
    kit_dir_destroy (&dir);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_pages_trickle_to_the_disk),
    };
    return cmocka_run_group_tests_name ("env", tests, NULL, NULL);
}
