/*  =========================================================================
    test_brief - values that lie in the log alone: read, erased, kept, and there after a crash

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <db.h>
#include <sys/wait.h>

#include "io/store/env.h"
#include "io/store/tables.h"
#include "store_kit.h"

#define LOG_FILE (4 << 20)
#define ROW 60000

typedef struct {
    char *dir;
    size_t log_file; //  0: LOG_FILE
    bool shared;
    zb_env_t *env;
    zb_tables_t *tables;
} store_t;

static void s_open (store_t *self)
{
    zb_env_args_t args = {.home = self->dir,
                          .node = 1,
                          .cache = 64 << 20,
                          .log_file = self->log_file ? self->log_file : LOG_FILE,
                          .shared = self->shared};
    self->env = zb_env_new (&args);
    assert_null (zb_env_fault (self->env));
    self->tables = zb_tables_new ();
    assert_true (zb_tables_open (self->tables, self->env, true));
}

static void s_close (store_t *self)
{
    zb_tables_close (self->tables);
    zb_tables_destroy (&self->tables);
    zb_env_destroy (&self->env);
}

static void s_end (store_t *self)
{
    s_close (self);
    kit_dir_destroy (&self->dir);
}

static void s_key (uint64_t id, uint8_t key[12])
{
    zb_put32 (key, 1);
    zb_put64 (key + 4, id);
}

static void s_commit (store_t *self, uint64_t id, size_t size, bool brief, uint8_t fill)
{
    zb_batch_t *batch = zb_batch_new ();
    zb_row_t *row = zb_row_new (size);
    uint8_t key[12];
    s_key (id, key);
    memset (row->data, fill, size);
    row->size = (uint32_t) size;
    if (brief)
        zb_batch_put_brief (batch, ZB_LOG, key, sizeof key, row);
    else
        zb_batch_put_row (batch, ZB_LOG, key, sizeof key, row);
    assert_true (zb_tables_commit (self->tables, batch));
    zb_batch_destroy (&batch);
    zb_row_unref (&row);
}

static void s_erase (store_t *self, uint64_t id)
{
    zb_batch_t *batch = zb_batch_new ();
    uint8_t key[12];
    s_key (id, key);
    zb_batch_erase (batch, ZB_LOG, key, sizeof key);
    assert_true (zb_tables_commit (self->tables, batch));
    zb_batch_destroy (&batch);
}

//  How many rows there are, which all have their size and fill.
static size_t s_rows (store_t *self, size_t size, uint8_t fill)
{
    zb_read_t *read = zb_read_new (1, 0);
    uint8_t key[12];
    s_key (0, key);
    zb_read_add (read, ZB_LOG, key, sizeof key, 4, 10000, SIZE_MAX);
    assert_true (zb_tables_read (self->tables, read));
    for (size_t index = 0; index < read->count[0]; index++) {
        const zb_row_t *row = read->found[0][index].row;
        assert_int_equal (row->size, size);
        assert_int_equal (row->data[0], fill);
        assert_int_equal (row->data[size - 1], fill);
    }
    size_t rows = read->count[0];
    zb_read_destroy (&read);
    return rows;
}

static uint64_t s_written (store_t *self)
{
    zb_lsn_t end = zb_env_end (self->env);
    return zb_env_distance (self->env, 0, end);
}

//  What is put and erased costs the log its bytes once.
static void test_log_has_it_once (void **state)
{
    (void) state;
    store_t self = {.dir = kit_dir_new ()};
    s_open (&self);
    uint64_t before = s_written (&self);
    for (uint64_t id = 1; id <= 100; id++)
        s_commit (&self, id, ROW, true, 7);
    assert_int_equal (s_rows (&self, ROW, 7), 100);
    assert_int_not_equal (zb_tables_needs (self.tables), UINT32_MAX);
    for (uint64_t id = 1; id <= 100; id++)
        s_erase (&self, id);
    assert_int_equal (s_rows (&self, ROW, 7), 0);
    assert_true (s_written (&self) - before < 100 * ROW * 11 / 10);
    assert_int_equal (zb_tables_needs (self.tables), UINT32_MAX);
    assert_int_equal (zb_tables_owed (self.tables), 0);
    s_end (&self);
}

//  So does the largest message that brokers take by default, with what a row has beside it.
static void test_log_has_a_large_one_once (void **state)
{
    (void) state;
    store_t self = {.dir = kit_dir_new ()};
    s_open (&self);
    const size_t size = (1 << 20) + 1000;
    uint64_t before = s_written (&self);
    for (uint64_t id = 1; id <= 10; id++)
        s_commit (&self, id, size, true, 7);
    assert_int_equal (zb_tables_needs (self.tables), 1);
    assert_int_equal (s_rows (&self, size, 7), 10);
    for (uint64_t id = 1; id <= 10; id++)
        s_erase (&self, id);
    assert_int_equal (zb_tables_needs (self.tables), UINT32_MAX);
    assert_true (s_written (&self) - before < 10 * size * 3 / 2);
    s_end (&self);
}

//  A row that is put anew, brief or not, has its new value, and the old one is nobody's.
static void test_put_anew (void **state)
{
    (void) state;
    store_t self = {.dir = kit_dir_new ()};
    s_open (&self);
    s_commit (&self, 1, ROW, true, 7);
    s_commit (&self, 1, ROW + 1, true, 8);
    assert_int_equal (s_rows (&self, ROW + 1, 8), 1);
    s_commit (&self, 1, ROW + 2, false, 9);
    assert_int_equal (s_rows (&self, ROW + 2, 9), 1);
    assert_true (zb_tables_keep (self.tables, true));
    assert_int_equal (s_rows (&self, ROW + 2, 9), 1);
    assert_int_equal (zb_tables_needs (self.tables), UINT32_MAX);
    //  What is small is no brief value, nor is what is too large for a file of the log.
    s_commit (&self, 1, 100, true, 1);
    assert_int_equal (zb_tables_needs (self.tables), UINT32_MAX);
    s_commit (&self, 1, 5 << 20, true, 1);
    assert_int_equal (zb_tables_needs (self.tables), UINT32_MAX);
    assert_int_equal (s_rows (&self, 5 << 20, 1), 1);
    s_end (&self);
}

static size_t s_trim (store_t *self)
{
    size_t files = 0;
    while (zb_env_trim (self->env, UINT32_MAX, SIZE_MAX, zb_tables_needs (self->tables)))
        files++;
    return files;
}

//  A checkpoint keeps what older files of the log have, and these can go.
static void test_checkpoint_keeps (void **state)
{
    (void) state;
    store_t self = {.dir = kit_dir_new ()};
    s_open (&self);
    for (uint64_t id = 1; id <= 200; id++)
        s_commit (&self, id, ROW, true, 7);
    uint32_t newest = ZB_LSN_FILE (zb_env_end (self.env));
    assert_true (newest >= 3);
    assert_int_equal (zb_tables_needs (self.tables), 1);
    assert_true (zb_tables_owed (self.tables) >= 3 * 200 * ROW);
    //  Nothing goes that has them.
    assert_true (zb_env_checkpoint (self.env, 0));
    assert_int_equal (s_trim (&self), 0);
    //  Not due yet.
    assert_true (zb_tables_checkpoint (self.tables, 100 << 10));
    assert_int_equal (zb_tables_needs (self.tables), 1);
    //  Due, but much is to be kept first: a little at a time, unless it is overdue.
    assert_true (zb_tables_checkpoint (self.tables, 8 << 10));
    assert_true (zb_tables_needs (self.tables) < newest);
    assert_true (zb_tables_checkpoint (self.tables, 1));
    assert_true (zb_tables_needs (self.tables) >= newest);
    //  What it keeps goes to the log, too: no file is left that has some and that recovery could do without.
    assert_true (zb_env_needed (self.env) < zb_tables_needs (self.tables));
    assert_true (s_trim (&self) >= 2);
    assert_int_equal (s_rows (&self, ROW, 7), 200);
    assert_true (zb_env_flush (self.env));
    s_close (&self);
    s_open (&self);
    assert_int_equal (s_rows (&self, ROW, 7), 200);
    assert_true (zb_tables_keep (self.tables, true));
    assert_int_equal (zb_tables_needs (self.tables), UINT32_MAX);
    assert_int_equal (s_rows (&self, ROW, 7), 200);
    s_end (&self);
}

//  Whoever begins to lead opens the tables anew: what it has followed makes no checkpoint due.
static void test_no_checkpoint_at_once (void **state)
{
    (void) state;
    store_t self = {.dir = kit_dir_new ()};
    s_open (&self);
    for (uint64_t id = 1; id <= 200; id++)
        s_commit (&self, id, ROW, true, 7);
    zb_tables_close (self.tables);
    assert_true (zb_tables_open (self.tables, self.env, true));
    assert_true (zb_tables_checkpoint (self.tables, 8 << 10));
    assert_int_equal (zb_tables_needs (self.tables), 1);
    s_end (&self);
}

//  Commits keep what has been there for long, a little each.
static void test_commits_keep (void **state)
{
    (void) state;
    store_t self = {.dir = kit_dir_new ()};
    s_open (&self);
    uint64_t id = 1;
    for (; id <= 500; id++)
        s_commit (&self, id, ROW, true, 7);
    uint64_t most = zb_tables_owed (self.tables);
    assert_true (most < 3 * (28 << 20));
    for (; id <= 1500; id++)
        s_commit (&self, id, ROW, id % 2, 7);
    //  The span stays as long as it was.
    assert_true (zb_tables_owed (self.tables) < 3 * (28 << 20));
    assert_int_equal (s_rows (&self, ROW, 7), 1500);
    s_end (&self);
}

//  A process that is killed: what was synced is there, brief or kept.
static void test_crash (void **state)
{
    (void) state;
    store_t self = {.dir = kit_dir_new ()};
    pid_t pid = fork ();
    assert_true (pid >= 0);
    if (pid == 0) {
        s_open (&self);
        for (uint64_t id = 1; id <= 150; id++)
            s_commit (&self, id, ROW, true, 7);
        zb_tables_checkpoint (self.tables, 0);
        for (uint64_t id = 151; id <= 300; id++)
            s_commit (&self, id, ROW, true, 7);
        zb_env_flush (self.env);
        kill (getpid (), SIGKILL);
    }
    waitpid (pid, NULL, 0);
    s_open (&self);
    assert_int_equal (s_rows (&self, ROW, 7), 300);
    //  Recovery has made a checkpoint, and still nothing goes that has them.
    s_trim (&self);
    assert_int_equal (s_rows (&self, ROW, 7), 300);
    assert_true (zb_tables_keep (self.tables, false));
    s_trim (&self);
    assert_int_equal (s_rows (&self, ROW, 7), 300);
    s_end (&self);
}

//  In a process that is killed then.
static void s_child (store_t *self, void (*what) (store_t *self))
{
    pid_t pid = fork ();
    assert_true (pid >= 0);
    if (pid == 0) {
        s_open (self);
        what (self);
        kill (getpid (), SIGKILL);
    }
    waitpid (pid, NULL, 0);
}

static void s_put_many (store_t *self)
{
    for (uint64_t id = 1; id <= 290; id++)
        s_commit (self, id, ROW, true, 7);
    zb_env_flush (self->env);
}

static void s_keep_and_trim (store_t *self)
{
    zb_tables_keep (self->tables, false);
    s_trim (self);
}

//  What is kept is on the disk before its files of the log go: nothing is synced between the two, as in a takeover of a shared store.
static void test_kept_and_killed (void **state)
{
    (void) state;
    store_t self = {.dir = kit_dir_new (), .log_file = 16 << 20, .shared = true};
    s_child (&self, s_put_many);
    s_child (&self, s_keep_and_trim);
    s_open (&self);
    assert_int_equal (s_rows (&self, ROW, 7), 290);
    s_end (&self);
}

//  The size of the log's files was changed: what is owed is not told by it.
static void test_files_of_another_size (void **state)
{
    (void) state;
    store_t self = {.dir = kit_dir_new ()};
    s_child (&self, s_put_many);
    self.log_file = 1 << 30;
    s_open (&self);
    assert_true (zb_tables_owed (self.tables) > 0);
    assert_true (zb_tables_owed (self.tables) < 160 << 20);
    s_end (&self);
}

static char *s_first_file (const store_t *self)
{
    return zsys_sprintf ("%s/log.0000000001", self->dir);
}

static void s_flip (store_t *self, long at)
{
    char *path = s_first_file (self);
    FILE *file = fopen (path, "r+b");
    assert_non_null (file);
    assert_int_equal (fseek (file, at, SEEK_SET), 0);
    int byte = fgetc (file);
    assert_int_equal (fseek (file, at, SEEK_SET), 0);
    fputc (byte ^ 0x40, file);
    fclose (file);
    free (path);
}

//  The value of the first row, as a place in the log's first file.
static long s_first_value (store_t *self)
{
    static char bytes[LOG_FILE];
    char *path = s_first_file (self), run[256];
    FILE *file = fopen (path, "rb");
    assert_non_null (file);
    size_t size = fread (bytes, 1, sizeof bytes, file);
    fclose (file);
    free (path);
    memset (run, 7, sizeof run);
    char *found = memmem (bytes, size, run, sizeof run);
    assert_non_null (found);
    return found - bytes;
}

//  Of a record: previous one u32, length u32, checksum u32, then 16 bytes of ours before the value.  Then the file ends in it.
static const long s_places[] = {100, -17, -21, -22};
#define PLACES (sizeof s_places / sizeof *s_places)

//  Reads with damage in one place: whether the store is what is called damaged, and no disk is blamed.
static bool s_tells_damage (store_t *self, size_t place)
{
    s_open (self);
    for (uint64_t id = 1; id <= 20; id++)
        s_commit (self, id, ROW, true, 7);
    zb_env_checkpoint (self->env, 0);
    long value = s_first_value (self);
    char *path = s_first_file (self);
    if (place < PLACES)
        s_flip (self, value + s_places[place]);
    else if (truncate (path, value + 1000) != 0)
        return false;
    free (path);
    zb_read_t *read = zb_read_new (1, 0);
    uint8_t key[12];
    s_key (0, key);
    zb_read_add (read, ZB_LOG, key, sizeof key, 4, 10000, SIZE_MAX);
    bool found = zb_tables_read (self->tables, read);
    zb_read_destroy (&read);
    return !found && zb_env_damaged (self->env) && !zb_env_suspect (self->env);
}

//  Each in a process of its own: Berkeley DB frees nothing of an environment that it has given up.
static void test_damaged (void **state)
{
    (void) state;
    for (size_t place = 0; place <= PLACES; place++) {
        store_t self = {.dir = kit_dir_new ()};
        pid_t pid = fork ();
        assert_true (pid >= 0);
        if (pid == 0)
            _exit (s_tells_damage (&self, place) ? 0 : 1);
        int status = 1;
        waitpid (pid, &status, 0);
        assert_int_equal (status, 0);
        kit_dir_destroy (&self.dir);
    }
}

//  ---------------------------------------------------------------------------
//  Anything in any order

enum { IDS = 300, STEPS = 4000 };

typedef struct {
    store_t store;
    struct {
        uint64_t id;
        size_t size; //  0: it is erased
    } commit[STEPS + 1];
    uint64_t commits, synced;
} s_walk_t;

//  One row is put or erased, and the number of the commit is put beside it.
static void s_step (s_walk_t *self, uint64_t id, size_t size, bool brief)
{
    uint8_t key[12], number[8];
    s_key (id, key);
    zb_batch_t *batch = zb_batch_new ();
    zb_row_t *row = zb_row_new (size);
    memset (row->data, (uint8_t) size, size);
    row->size = (uint32_t) size;
    if (!size)
        zb_batch_erase (batch, ZB_LOG, key, sizeof key);
    else if (brief)
        zb_batch_put_brief (batch, ZB_LOG, key, sizeof key, row);
    else
        zb_batch_put_row (batch, ZB_LOG, key, sizeof key, row);
    zb_put64 (number, ++self->commits);
    zb_batch_put (batch, ZB_META, "commit", 6, number, sizeof number);
    assert_true (zb_tables_commit (self->store.tables, batch));
    zb_batch_destroy (&batch);
    zb_row_unref (&row);
    self->commit[self->commits].id = id;
    self->commit[self->commits].size = size;
}

//  The newest commit that is there.
static uint64_t s_newest (s_walk_t *self)
{
    zb_read_t *read = zb_read_new (1, 0);
    zb_read_add (read, ZB_META, "commit", 6, 6, 1, SIZE_MAX);
    assert_true (zb_tables_read (self->store.tables, read));
    uint64_t newest = read->count[0] ? zb_get64 (read->found[0][0].row->data) : 0;
    zb_read_destroy (&read);
    return newest;
}

//  All rows are as these commits have left them.
static void s_compare (s_walk_t *self)
{
    size_t size[IDS + 1] = {0}, index = 0;
    for (uint64_t commit = 1; commit <= self->commits; commit++)
        size[self->commit[commit].id] = self->commit[commit].size;
    zb_read_t *read = zb_read_new (1, 0);
    uint8_t key[12];
    s_key (0, key);
    zb_read_add (read, ZB_LOG, key, sizeof key, 4, IDS, SIZE_MAX);
    assert_true (zb_tables_read (self->store.tables, read));
    for (uint64_t id = 1; id <= IDS; id++) {
        if (!size[id])
            continue;
        assert_true (index < read->count[0]);
        const zb_found_t *found = &read->found[0][index++];
        assert_int_equal (zb_get64 (found->key + 4), id);
        assert_int_equal (found->row->size, size[id]);
        assert_int_equal (found->row->data[0], (uint8_t) size[id]);
        assert_int_equal (found->row->data[size[id] - 1], (uint8_t) size[id]);
    }
    assert_int_equal (index, read->count[0]);
    zb_read_destroy (&read);
}

//  A start behind a stop, or behind one that has lost the end of the log, which nobody had synced.
static void s_again (s_walk_t *self, bool synced)
{
    if (synced && zb_env_flush (self->store.env))
        self->synced = self->commits;
    s_close (&self->store);
    s_open (&self->store);
    uint64_t newest = s_newest (self);
    assert_true (newest >= self->synced && newest <= self->commits);
    self->commits = newest;
    s_compare (self);
}

static void test_random (void **state)
{
    (void) state;
    const char *text = getenv ("ZBROKER_SEED");
    unsigned seed = text ? (unsigned) atoi (text) : (unsigned) time (NULL);
    print_message ("ZBROKER_SEED=%u\n", seed);
    srandom (seed);
    static s_walk_t walk;
    walk = (s_walk_t){.store.dir = kit_dir_new ()};
    s_open (&walk.store);
    for (int step = 0; step < STEPS; step++) {
        long what = random () % 1000;
        uint64_t id = (uint64_t) (random () % IDS) + 1;
        if (what < 980)
            s_step (&walk, id, what < 500 ? 100 + (size_t) random () % 60000 : 0, what < 400);
        else if (what < 992)
            assert_true (zb_tables_checkpoint (walk.store.tables, (uint32_t) (random () % 8) << 10));
        else if (what < 996)
            s_trim (&walk.store);
        else if (what < 998)
            assert_true (zb_tables_keep (walk.store.tables, random () % 2));
        else
            s_again (&walk, random () % 2);
    }
    s_compare (&walk);
    s_end (&walk.store);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_log_has_it_once),
        cmocka_unit_test (test_log_has_a_large_one_once),
        cmocka_unit_test (test_put_anew),
        cmocka_unit_test (test_checkpoint_keeps),
        cmocka_unit_test (test_no_checkpoint_at_once),
        cmocka_unit_test (test_commits_keep),
        cmocka_unit_test (test_crash),
        cmocka_unit_test (test_kept_and_killed),
        cmocka_unit_test (test_files_of_another_size),
        cmocka_unit_test (test_damaged),
        cmocka_unit_test (test_random),
    };
    kit_quiet ();
    return cmocka_run_group_tests_name ("brief", tests, NULL, NULL);
}
