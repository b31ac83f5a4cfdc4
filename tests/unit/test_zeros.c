/*  =========================================================================
    test_zeros - zeros over a hole leave it, zeros over data replace it

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "io/zeros.h"

#define SIZE (1 << 20)
#define PIECE 4096
#define CUT 3001       //  where the log is cut
#define FAR (SIZE / 2) //  more data, in the middle of the hole

static int s_fd;

//  A file like a log's: data, a hole with some more data in it, and a byte at its end.
static int s_setup (void **state)
{
    (void) state;
    char path[] = "zeros.XXXXXX";
    char data[10000];
    s_fd = mkstemp (path);
    assert_int_not_equal (s_fd, -1);
    unlink (path);
    memset (data, 'x', sizeof data);
    assert_int_equal (pwrite (s_fd, data, sizeof data, 0), sizeof data);
    assert_int_equal (pwrite (s_fd, data, sizeof data, FAR), sizeof data);
    assert_int_equal (pwrite (s_fd, "", 1, SIZE - 1), 1);
    return 0;
}

static int s_teardown (void **state)
{
    (void) state;
    return close (s_fd);
}

static off_t s_file_size (void)
{
    struct stat info;
    assert_int_equal (fstat (s_fd, &info), 0);
    return info.st_size;
}

//  As Berkeley DB cuts its log.
static void s_cut (void)
{
    static const uint8_t none[PIECE];
    assert_int_equal (lseek (s_fd, CUT, SEEK_SET), CUT);
    for (size_t left = SIZE - CUT; left > 0;) {
        size_t size = left < PIECE ? left : PIECE;
        assert_int_equal (zb_zeros_write (s_fd, none, size), size);
        left -= size;
        assert_int_equal (lseek (s_fd, 0, SEEK_CUR), SIZE - left);
    }
}

static void test_cut (void **state)
{
    (void) state;
    s_cut ();
    uint8_t *data = malloc (SIZE);
    assert_non_null (data);
    assert_int_equal (s_file_size (), SIZE);
    assert_int_equal (pread (s_fd, data, SIZE, 0), SIZE);
    for (size_t at = 0; at < SIZE; at++)
        assert_int_equal (data[at], at < CUT ? 'x' : 0);
    free (data);
}

//  The hole is not filled: that is what all this is for.
static void test_hole (void **state)
{
    (void) state;
    off_t hole = lseek (s_fd, 0, SEEK_HOLE);
    if (hole == SIZE)
        skip (); //  a file system without holes
    off_t data = lseek (s_fd, hole, SEEK_DATA);
    s_cut ();
    assert_int_equal (lseek (s_fd, 0, SEEK_HOLE), hole);
    assert_int_equal (lseek (s_fd, hole, SEEK_DATA), data);
}

//  A file is made longer by zeros, too.
static void test_longer (void **state)
{
    (void) state;
    assert_int_equal (lseek (s_fd, 2 * SIZE - 1, SEEK_SET), 2 * SIZE - 1);
    assert_int_equal (zb_zeros_write (s_fd, "", 1), 1);
    assert_int_equal (s_file_size (), 2 * SIZE);
}

static void test_data (void **state)
{
    (void) state;
    uint8_t data[PIECE] = {0}, read[PIECE];
    data[PIECE - 1] = 1;
    assert_int_equal (lseek (s_fd, 5000, SEEK_SET), 5000);
    assert_int_equal (zb_zeros_write (s_fd, data, sizeof data), sizeof data);
    assert_int_equal (pread (s_fd, read, sizeof read, 5000), sizeof read);
    assert_memory_equal (read, data, sizeof data);
    assert_int_equal (zb_zeros_write (s_fd, data, 0), 0);
}

static void test_failure (void **state)
{
    (void) state;
    assert_int_equal (zb_zeros_write (-1, "", 1), -1);
    int pipes[2];
    assert_int_equal (pipe (pipes), 0);
    assert_int_equal (zb_zeros_write (pipes[1], "", 1), 1);
    close (pipes[0]);
    close (pipes[1]);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown (test_cut, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (test_hole, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (test_longer, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (test_data, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (test_failure, s_setup, s_teardown),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
