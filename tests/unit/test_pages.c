/*  =========================================================================
    test_pages - a power cut at any moment leaves whole pages, and none that is too old

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The linker puts the functions below between io/store/pages.c and the disk: they note what is
    written, cut and synced.  From these notes a disk is made for each moment, which holds
    what was synced by then and any choice of the blocks that were written since.
*/

#include <fcntl.h>

#include "io/base/log.h"
#include "io/store/pages.h"
#include "store_kit.h"

#define BLOCK 4096
#define FILES 3
#define OPS 400
#define PAGES 2 //  of a table
#define MOST 65 //  pieces
#define EVERY 9 //  pieces of which every choice is tried, and of more a number of choices
#define CHOICES 200

static const char *const s_name[FILES] = {"log.pages", "table.a", "table.b"};

//  ---------------------------------------------------------------------------
//  The notes

typedef struct {
    enum { WRITE, CUT, SYNC } kind;
    int file;
    off_t offset; //  of a cut: the size
    size_t size;
    uint8_t *data;
} op_t;

static bool s_noting;
static op_t s_op[OPS];
static size_t s_ops;
//  What fails, and how.
static const char *s_broken;
static int s_error;
static bool s_break_syncs;

static const char *s_base (int fd, char path[PATH_MAX])
{
    char link[64];
    snprintf (link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink (link, path, PATH_MAX - 1);
    assert_true (size > 0);
    path[size] = 0;
    return strrchr (path, '/') + 1;
}

static op_t *s_note (int fd, int kind)
{
    char path[PATH_MAX];
    const char *base = s_base (fd, path);
    int file = 0;
    while (file < FILES && strcmp (base, s_name[file]) != 0)
        file++;
    assert_true (file < FILES && s_ops < OPS);
    op_t *op = &s_op[s_ops++];
    *op = (op_t){.kind = kind, .file = file};
    return op;
}

static bool s_breaks (int fd, bool sync)
{
    char path[PATH_MAX];
    if (!s_broken || sync != s_break_syncs || strcmp (s_base (fd, path), s_broken) != 0)
        return false;
    errno = s_error;
    return true;
}

ssize_t __real_pwrite (int fd, const void *data, size_t size, off_t offset);
ssize_t __wrap_pwrite (int fd, const void *data, size_t size, off_t offset);
int __real_ftruncate (int fd, off_t size);
int __wrap_ftruncate (int fd, off_t size);
int __wrap_fdatasync (int fd);
int __wrap_fsync (int fd);

ssize_t __wrap_pwrite (int fd, const void *data, size_t size, off_t offset)
{
    if (s_breaks (fd, false))
        return -1;
    if (s_noting) {
        op_t *op = s_note (fd, WRITE);
        op->offset = offset;
        op->size = size;
        op->data = malloc (size);
        assert_non_null (op->data);
        memcpy (op->data, data, size);
    }
    return __real_pwrite (fd, data, size, offset);
}

int __wrap_ftruncate (int fd, off_t size)
{
    if (s_noting)
        s_note (fd, CUT)->offset = size;
    return __real_ftruncate (fd, size);
}

int __wrap_fdatasync (int fd)
{
    if (s_breaks (fd, true))
        return -1;
    if (s_noting)
        s_note (fd, SYNC);
    return 0;
}

//  Of the folder: names are there at once.
int __wrap_fsync (int fd)
{
    (void) fd;
    return 0;
}

static void s_forget_notes (void)
{
    while (s_ops)
        free (s_op[--s_ops].data);
}

//  ---------------------------------------------------------------------------
//  Disks

typedef struct {
    uint8_t *data[FILES];
    size_t size[FILES];
} disk_t;

static void s_disk_size (disk_t *self, int file, size_t size)
{
    self->data[file] = realloc (self->data[file], size + 1);
    assert_non_null (self->data[file]);
    if (size > self->size[file])
        memset (self->data[file] + self->size[file], 0, size - self->size[file]);
    self->size[file] = size;
}

static void s_disk_write (disk_t *self, int file, off_t offset, const uint8_t *data, size_t size)
{
    if (self->size[file] < (size_t) offset + size)
        s_disk_size (self, file, (size_t) offset + size);
    memcpy (self->data[file] + offset, data, size);
}

static void s_disk_free (disk_t *self)
{
    for (int file = 0; file < FILES; file++)
        free (self->data[file]);
    *self = (disk_t){0};
}

static void s_disk_copy (disk_t *self, const disk_t *from)
{
    *self = (disk_t){0};
    for (int file = 0; file < FILES; file++)
        if (from->size[file])
            s_disk_write (self, file, 0, from->data[file], from->size[file]);
}

static void s_disk_put (const disk_t *self, const char *dir)
{
    for (int file = 0; file < FILES; file++) {
        char path[PATH_MAX];
        snprintf (path, sizeof path, "%s/%s", dir, s_name[file]);
        int fd = open (path, O_RDWR | O_CREAT | O_TRUNC, 0600);
        assert_true (fd >= 0);
        assert_int_equal (__real_pwrite (fd, self->data[file], self->size[file], 0), (ssize_t) self->size[file]);
        close (fd);
    }
}

static void s_disk_get (disk_t *self, const char *dir)
{
    *self = (disk_t){0};
    for (int file = 0; file < FILES; file++) {
        char path[PATH_MAX];
        snprintf (path, sizeof path, "%s/%s", dir, s_name[file]);
        int fd = open (path, O_RDONLY);
        assert_true (fd >= 0);
        struct stat info;
        assert_int_equal (fstat (fd, &info), 0);
        s_disk_size (self, file, (size_t) info.st_size);
        assert_int_equal (pread (fd, self->data[file], self->size[file], 0), (ssize_t) self->size[file]);
        close (fd);
    }
}

//  A block of a write, or a cut: what is on the disk or not, independent of all others.
typedef struct {
    const op_t *op;
    size_t at, size;
} piece_t;

static void s_disk_do (disk_t *self, const piece_t *piece)
{
    if (piece->op->kind == CUT)
        s_disk_size (self, piece->op->file, (size_t) piece->op->offset);
    else
        s_disk_write (self, piece->op->file, piece->op->offset + (off_t) piece->at, piece->op->data + piece->at,
                      piece->size);
}

//  Makes `self`, on which all that was synced before operation `moment` was done, and lists what else was.
static size_t s_disk_at (disk_t *self, const disk_t *start, size_t moment, piece_t piece[MOST])
{
    size_t synced[FILES] = {0}, pieces = 0;
    for (size_t index = 0; index < moment; index++)
        if (s_op[index].kind == SYNC)
            synced[s_op[index].file] = index;
    s_disk_copy (self, start);
    for (size_t index = 0; index < moment; index++) {
        const op_t *op = &s_op[index];
        piece_t part = {op, 0, op->size};
        if (op->kind == SYNC)
            continue;
        if (index < synced[op->file]) {
            s_disk_do (self, &part);
            continue;
        }
        do {
            part.size = op->size - part.at < BLOCK ? op->size - part.at : BLOCK;
            assert_true (pieces < MOST);
            piece[pieces++] = part;
            part.at += part.size;
        } while (part.at < op->size);
    }
    return pieces;
}

//  ---------------------------------------------------------------------------
//  What must hold

//  What is known of a page after so many operations.
typedef struct {
    size_t from;
    uint32_t synced, newest;
} known_t;

static known_t s_known[FILES][PAGES][OPS];
static size_t s_knows[FILES][PAGES];

static void s_learn (int file, size_t page, uint32_t synced, uint32_t newest)
{
    s_known[file][page][s_knows[file][page]++] = (known_t){s_ops, synced, newest};
}

static void s_fill (uint8_t page[ZB_PAGE_SIZE], int file, size_t number, uint32_t version)
{
    for (size_t at = 0; at < ZB_PAGE_SIZE; at += 8) {
        zb_put32 (page + at, version ? (uint32_t) (file << 8 | (int) number) : 0);
        zb_put32 (page + at + 4, version);
    }
}

//  Each page of the tables is one version as a whole, and none that is too old or was never written.
static void s_check (const char *dir, size_t moment)
{
    disk_t disk;
    s_disk_get (&disk, dir);
    for (int file = 1; file < FILES; file++) {
        s_disk_size (&disk, file, PAGES * ZB_PAGE_SIZE);
        for (size_t page = 0; page < PAGES; page++) {
            const uint8_t *found = disk.data[file] + page * ZB_PAGE_SIZE;
            uint8_t whole[ZB_PAGE_SIZE];
            s_fill (whole, file, page, zb_get32 (found + 4));
            if (memcmp (found, whole, ZB_PAGE_SIZE) != 0)
                fail_msg ("%s: page %zu is torn, after operation %zu", s_name[file], page, moment);
            uint32_t least = 0, most = 0;
            for (size_t index = 0; index < s_knows[file][page]; index++)
                if (s_known[file][page][index].from <= moment) {
                    least = s_known[file][page][index].synced;
                    most = s_known[file][page][index].newest;
                }
            if (zb_get32 (found + 4) < least || zb_get32 (found + 4) > most)
                fail_msg ("%s: page %zu is version %u after operation %zu, not %u to %u", s_name[file], page,
                          zb_get32 (found + 4), moment, least, most);
        }
    }
    s_disk_free (&disk);
}

static void s_recover (const char *dir)
{
    zb_pages_t *pages = zb_pages_new (dir, 2, 6);
    assert_non_null (pages);
    zb_pages_destroy (&pages);
}

//  Calls `then` with the folder as each choice of pieces leaves it.  Returns how many there were.
static size_t s_choices (const char *dir, const disk_t *start, size_t moment, void (*then) (const char *, size_t))
{
    static unsigned seed = 1;
    disk_t synced;
    piece_t piece[MOST];
    size_t pieces = s_disk_at (&synced, start, moment, piece);
    uint64_t all = pieces <= EVERY ? UINT64_C (1) << pieces : CHOICES;
    for (uint64_t choice = 0; choice < all; choice++) {
        disk_t disk;
        s_disk_copy (&disk, &synced);
        for (size_t index = 0; index < pieces; index++)
            if (pieces <= EVERY ? (choice >> index & 1) == 1 : rand_r (&seed) % 2 == 1)
                s_disk_do (&disk, &piece[index]);
        s_disk_put (&disk, dir);
        then (dir, moment);
        s_disk_free (&disk);
    }
    s_disk_free (&synced);
    return all;
}

static void s_recover_and_check (const char *dir, size_t moment)
{
    s_recover (dir);
    s_check (dir, moment);
}

//  ---------------------------------------------------------------------------
//  The life of two tables

static int s_fd[FILES];
static uint32_t s_newest[FILES][PAGES], s_on_disk[FILES][PAGES];

static void s_open (int file, const char *dir)
{
    char path[PATH_MAX];
    snprintf (path, sizeof path, "%s/%s", dir, s_name[file]);
    s_fd[file] = zb_pages_open (path, O_RDWR | O_CREAT, 0600);
    assert_true (s_fd[file] >= 0);
}

static void s_write (int file, size_t page)
{
    uint8_t data[ZB_PAGE_SIZE], read[ZB_PAGE_SIZE];
    s_learn (file, page, s_on_disk[file][page], s_newest[file][page] + 1);
    s_fill (data, file, page, ++s_newest[file][page]);
    assert_int_equal (zb_pages_pwrite (s_fd[file], data, sizeof data, (off_t) page * ZB_PAGE_SIZE), sizeof data);
    //  Wherever it is by now, who reads it gets it.
    assert_int_equal (zb_pages_pread (s_fd[file], read, sizeof read, (off_t) page * ZB_PAGE_SIZE), sizeof read);
    assert_memory_equal (data, read, sizeof data);
}

static void s_sync (int file)
{
    assert_int_equal (zb_pages_fsync (s_fd[file]), 0);
    for (size_t page = 0; page < PAGES; page++) {
        s_on_disk[file][page] = s_newest[file][page];
        s_learn (file, page, s_on_disk[file][page], s_newest[file][page]);
    }
}

//  Cuts off all pages but the first, and syncs: they do not come back.
static void s_cut_off (int file)
{
    for (size_t page = 1; page < PAGES; page++)
        s_learn (file, page, 0, s_newest[file][page]);
    assert_int_equal (zb_pages_ftruncate (s_fd[file], ZB_PAGE_SIZE), 0);
    for (size_t page = 1; page < PAGES; page++)
        s_newest[file][page] = 0;
    s_sync (file);
}

//  The class in this folder, with two tables.
static zb_pages_t *s_pages;

static void s_begin (const char *dir, size_t buffer)
{
    memset (s_newest, 0, sizeof s_newest);
    memset (s_on_disk, 0, sizeof s_on_disk);
    memset (s_knows, 0, sizeof s_knows);
    s_pages = zb_pages_new (dir, 2, buffer);
    assert_non_null (s_pages);
    s_open (1, dir);
    s_open (2, dir);
}

static void s_end (void)
{
    assert_int_equal (zb_pages_close (s_fd[1]), 0);
    assert_int_equal (zb_pages_close (s_fd[2]), 0);
    zb_pages_destroy (&s_pages);
}

//  Notes a life in which all happens that can.  Returns its folder, and the disk that it began with.
static char *s_live (disk_t *start)
{
    char *dir = kit_dir_new ();
    for (int file = 0; file < FILES; file++)
        s_disk_size (start, file, 0);
    s_disk_put (start, dir);
    s_noting = true;
    s_begin (dir, 6);
    s_write (1, 0);
    s_write (2, 0); //  the first batch
    s_write (1, 1);
    s_sync (1); //  a second one, and one table of two is synced: the buffer must keep the other's page
    s_write (1, 0);
    s_write (1, 0);
    s_sync (2);
    s_sync (1); //  the buffer begins anew
    s_write (1, 1);
    s_write (1, 0); //  neighbours, the wrong way round
    s_write (2, 1);
    s_write (2, 0); //  four pages: the buffer is full
    s_write (1, 0);
    s_write (2, 0); //  begins anew by itself
    assert_int_equal (zb_pages_flush (s_pages), 0);
    s_write (2, 1);
    s_sync (2);
    s_sync (1);
    s_write (1, 0);
    s_write (2, 0);
    s_write (1, 1);
    s_write (2, 1);
    s_sync (1);
    s_sync (2);
    s_write (1, 1);
    s_write (2, 1);
    s_sync (1);
    s_sync (2);
    s_write (1, 0);
    s_write (2, 0); //  behind it in the buffer is the last one's second batch: older than what is on the disk
    s_sync (1);
    s_sync (2);
    s_write (1, 1);
    assert_int_equal (zb_pages_flush (s_pages), 0);
    s_cut_off (1);
    s_noting = false;
    s_end ();
    return dir;
}

static void test_power_cut_at_each_operation (void **unused)
{
    (void) unused;
    disk_t start = {0};
    char *dir = s_live (&start);
    size_t choices = 0;
    for (size_t moment = 0; moment <= s_ops; moment++)
        choices += s_choices (dir, &start, moment, s_recover_and_check);
    //  Neither trivial nor cut short.
    assert_true (s_ops > 30 && choices > 3000);
    s_forget_notes ();
    s_disk_free (&start);
    kit_dir_destroy (&dir);
}

//  A power cut while a recovery writes, and again in the next one.
static void test_power_cut_in_recovery (void **unused)
{
    (void) unused;
    disk_t start = {0};
    char *dir = s_live (&start);
    op_t life[OPS];
    size_t ops = s_ops;
    memcpy (life, s_op, sizeof life);
    unsigned seed = 7;
    for (size_t moment = 0; moment <= ops; moment++) {
        memcpy (s_op, life, sizeof life);
        s_ops = ops;
        disk_t disk, after;
        piece_t piece[MOST];
        size_t pieces = s_disk_at (&disk, &start, moment, piece);
        for (size_t index = 0; index < pieces; index++)
            if (rand_r (&seed) % 2)
                s_disk_do (&disk, &piece[index]);
        s_disk_put (&disk, dir);
        s_ops = 0;
        s_noting = true;
        s_recover (dir);
        s_noting = false;
        for (size_t second = 0; second <= s_ops; second++) {
            piece_t left[MOST];
            size_t count = s_disk_at (&after, &disk, second, left);
            for (int choice = 0; choice < 8; choice++) {
                disk_t torn;
                s_disk_copy (&torn, &after);
                for (size_t index = 0; index < count; index++)
                    if (rand_r (&seed) % 2)
                        s_disk_do (&torn, &left[index]);
                s_disk_put (&torn, dir);
                s_recover (dir);
                s_check (dir, moment);
                s_disk_free (&torn);
            }
            s_disk_free (&after);
        }
        s_forget_notes ();
        s_disk_free (&disk);
    }
    for (size_t index = 0; index < ops; index++)
        free (life[index].data);
    s_disk_free (&start);
    kit_dir_destroy (&dir);
}

//  ---------------------------------------------------------------------------
//  Names, errors, garbage

//  As it is if the process ends now, with all that it has written.
static char *s_copy (const char *dir)
{
    char *copy = kit_dir_new ();
    disk_t disk;
    s_disk_get (&disk, dir);
    s_disk_put (&disk, copy);
    s_disk_free (&disk);
    return copy;
}

static uint32_t s_version (const char *dir, int file, size_t page)
{
    disk_t disk;
    s_disk_get (&disk, dir);
    s_disk_size (&disk, file, (page + 1) * ZB_PAGE_SIZE);
    uint32_t version = zb_get32 (disk.data[file] + page * ZB_PAGE_SIZE + 4);
    s_disk_free (&disk);
    return version;
}

//  The same in a folder of its own.
static char *s_dir;

static void s_fresh (void)
{
    s_dir = kit_dir_new ();
    s_begin (s_dir, 64);
}

static void s_gone (void)
{
    s_end ();
    kit_dir_destroy (&s_dir);
}

//  A table that has gone does not come back in the next one of its name.
static void test_name_that_is_used_again (void **unused)
{
    (void) unused;
    char path[PATH_MAX], aside[PATH_MAX];
    s_fresh ();
    snprintf (path, sizeof path, "%s/%s", s_dir, s_name[1]);
    snprintf (aside, sizeof aside, "%s/aside", s_dir);
    for (int way = 0; way < 2; way++) {
        s_write (1, 0);
        s_write (2, 0);
        s_write (1, 1);
        assert_int_equal (way ? zb_pages_rename (path, aside) : zb_pages_unlink (path), 0);
        assert_int_equal (zb_pages_close (s_fd[1]), 0);
        s_open (1, s_dir);
        char *copy = s_copy (s_dir);
        s_recover (copy);
        assert_int_equal (s_version (copy, 1, 0), 0);
        assert_int_equal (s_version (copy, 1, 1), 0);
        assert_int_equal (s_version (copy, 2, 0), s_newest[2][0]);
        kit_dir_destroy (&copy);
    }
    assert_int_equal (zb_pages_unlink (path), 0);
    assert_int_equal (zb_pages_unlink (path), ENOENT);
    s_gone ();
}

//  What is cut off does not come back by being collected.
static void test_cut (void **unused)
{
    (void) unused;
    s_fresh ();
    s_write (1, 0);
    s_sync (1);
    s_write (1, 1);
    assert_int_equal (zb_pages_ftruncate (s_fd[1], ZB_PAGE_SIZE), 0);
    uint8_t page[ZB_PAGE_SIZE];
    assert_int_equal (zb_pages_pread (s_fd[1], page, sizeof page, ZB_PAGE_SIZE), 0);
    s_sync (1);
    char *copy = s_copy (s_dir);
    s_recover (copy);
    assert_int_equal (s_version (copy, 1, 0), 1);
    assert_int_equal (s_version (copy, 1, 1), 0);
    kit_dir_destroy (&copy);
    s_gone ();
}

//  A full disk: what is collected stays, syncs say so, and all is well when there is room again.
static void test_full_disk (void **unused)
{
    (void) unused;
    for (int file = 0; file < 2; file++) {
        s_fresh ();
        s_broken = s_name[file];
        s_error = ENOSPC;
        s_break_syncs = false;
        for (int round = 0; round < 3; round++) {
            s_write (1, 0);
            s_write (1, 1);
            s_write (2, 0);
        }
        assert_int_equal (zb_pages_error (s_pages), ENOSPC);
        assert_int_equal (zb_pages_fsync (s_fd[1]), ENOSPC);
        assert_int_equal (zb_pages_fsync (s_fd[2]), ENOSPC);
        assert_int_equal (zb_pages_flush (s_pages), ENOSPC);
        s_broken = NULL;
        assert_int_equal (zb_pages_flush (s_pages), 0);
        assert_int_equal (zb_pages_error (s_pages), 0);
        s_sync (1);
        assert_int_equal (s_version (s_dir, 1, 0), 3);
        assert_int_equal (s_version (s_dir, 1, 1), 3);
        assert_int_equal (s_version (s_dir, 2, 0), 3);
        s_gone ();
    }
}

//  A sync that has failed is never tried again, whatever it said.
static void test_failed_sync (void **unused)
{
    (void) unused;
    for (int file = 0; file < 2; file++) {
        s_fresh ();
        s_write (1, 0);
        s_broken = s_name[file];
        s_error = file ? ENOSPC : EIO;
        s_break_syncs = true;
        assert_int_equal (zb_pages_fsync (s_fd[1]), EIO);
        s_broken = NULL;
        assert_int_equal (zb_pages_fsync (s_fd[1]), EIO);
        assert_int_equal (zb_pages_fsync (s_fd[2]), EIO);
        assert_int_equal (zb_pages_error (s_pages), EIO);
        s_gone ();
    }
}

//  Of another program's bytes nothing is written, and a table that is not there is not made.
static void test_garbage (void **unused)
{
    (void) unused;
    s_fresh ();
    s_write (1, 0);
    s_write (2, 0);
    char *copy = s_copy (s_dir), path[PATH_MAX];
    s_gone ();
    //  One bit of a batch, anywhere: nothing of it counts.  The place is shown by what the table held before.
    for (off_t at = 0; at < 4096 + 2 * ZB_PAGE_SIZE; at += 511) {
        char *other = s_copy (copy);
        snprintf (path, sizeof path, "%s/%s", other, s_name[1]);
        assert_int_equal (truncate (path, 0), 0);
        snprintf (path, sizeof path, "%s/%s", other, s_name[0]);
        int fd = open (path, O_RDWR);
        uint8_t byte;
        assert_int_equal (pread (fd, &byte, 1, at), 1);
        byte ^= 4;
        assert_int_equal (__real_pwrite (fd, &byte, 1, at), 1);
        close (fd);
        s_recover (other);
        assert_int_equal (s_version (other, 1, 0), 0);
        kit_dir_destroy (&other);
    }
    snprintf (path, sizeof path, "%s/%s", copy, s_name[1]);
    assert_int_equal (unlink (path), 0);
    s_recover (copy);
    assert_int_equal (access (path, F_OK), -1);
    kit_dir_destroy (&copy);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_power_cut_at_each_operation),
        cmocka_unit_test (test_power_cut_in_recovery),
        cmocka_unit_test (test_name_that_is_used_again),
        cmocka_unit_test (test_cut),
        cmocka_unit_test (test_full_disk),
        cmocka_unit_test (test_failed_sync),
        cmocka_unit_test (test_garbage),
    };
    zb_log_open ("test", ZB_LOG_ERROR);
    return cmocka_run_group_tests_name ("pages", tests, NULL, NULL);
}
