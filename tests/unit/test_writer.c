/*  =========================================================================
    test_writer - who gives it lines never waits for who reads them, and is not ended by it

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "io/base/writer.h"
#include "patience.h"

#define MOST 10
#define LINES 200
#define LONG 4096

static int s_pipe[2];

static void s_notice (char *line, size_t room, uint64_t dropped)
{
    snprintf (line, room, "%u lines were dropped\n", (unsigned) dropped);
}

//  A pipe of one page, so that one long line fills it.
static zb_writer_t *s_new (zb_writer_notice_fn *notice)
{
    assert_int_equal (pipe (s_pipe), 0);
    fcntl (s_pipe[1], F_SETPIPE_SZ, 4096);
    zb_writer_t *self = zb_writer_new (s_pipe[1], MOST, notice);
    assert_non_null (self);
    return self;
}

static void s_close (void)
{
    close (s_pipe[0]);
    close (s_pipe[1]);
}

//  What comes next, LONG bytes at most.
static size_t s_read (char *into)
{
    assert_int_equal (poll (&(struct pollfd){.fd = s_pipe[0], .events = POLLIN}, 1, patience_ms ()), 1);
    ssize_t rc = read (s_pipe[0], into, LONG);
    assert_true (rc > 0);
    return (size_t) rc;
}

//  Reads until this text has come, and returns all of it; to be freed.
static char *s_read_until (const char *text)
{
    char *got = calloc (1, LINES * (LONG + 2));
    assert_non_null (got);
    for (size_t size = 0; !strstr (got, text);)
        size += s_read (got + size);
    return got;
}

static void test_lines_come_in_order (void **state)
{
    (void) state;
    zb_writer_t *self = s_new (NULL);
    zb_writer_put (self, "one");
    zb_writer_put (self, "two");
    zb_writer_flush (self, patience_ms ());
    char *got = s_read_until ("two\n");
    assert_string_equal (got, "one\ntwo\n");
    assert_int_equal (zb_writer_dropped (self), 0);
    free (got);
    zb_writer_destroy (&self, patience_ms ());
    assert_null (self);
    s_close ();
}

//  Nobody reads: all calls come back, what finds no room is counted, and the reader is told when it goes on.
static void test_a_reader_that_stands_still (void **state)
{
    (void) state;
    zb_writer_t *self = s_new (s_notice);
    char line[LONG + 1];
    memset (line, 'x', LONG);
    line[LONG] = 0;
    for (int count = 0; count < LINES; count++)
        zb_writer_put (self, line);
    zb_writer_flush (self, 1);
    char *got = s_read_until (" lines were dropped\n");
    const char *notice = strstr (got, " lines were dropped\n");
    while (notice > got && notice[-1] != '\n')
        notice--;
    unsigned dropped = (unsigned) strtoul (notice, NULL, 10);
    //  One may be with the thread, beside those in the queue.
    assert_in_range (dropped, LINES - MOST - 1, LINES - MOST);
    //  The queue has room for one more only when all in it has been read.
    size_t whole = (LINES - dropped) * (LONG + 1) + strlen ("nnn lines were dropped\n");
    for (size_t size = strlen (got); size < whole;)
        size += s_read (line);
    free (got);
    zb_writer_put (self, "the last");
    got = s_read_until ("the last\n");
    assert_null (strstr (got, "dropped"));
    free (got);
    zb_writer_destroy (&self, patience_ms ());
    s_close ();
}

static void test_a_reader_that_goes_away (void **state)
{
    (void) state;
    zb_writer_t *self = s_new (s_notice);
    close (s_pipe[0]);
    zb_writer_put (self, "one");
    zb_writer_put (self, "two");
    zb_writer_flush (self, patience_ms ());
    assert_int_equal (zb_writer_dropped (self), 2);
    assert_int_equal (zb_writer_dropped (self), 0);
    zb_writer_destroy (&self, patience_ms ());
    close (s_pipe[1]);
}

//  An end that waits for nobody for ever.
static void test_the_end_does_not_wait_for_the_reader (void **state)
{
    (void) state;
    zb_writer_t *self = s_new (NULL);
    char line[2 * LONG + 1];
    memset (line, 'x', 2 * LONG);
    line[2 * LONG] = 0;
    zb_writer_put (self, line);
    zb_writer_destroy (&self, 10);
    assert_null (self);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_lines_come_in_order),
        cmocka_unit_test (test_a_reader_that_stands_still),
        cmocka_unit_test (test_a_reader_that_goes_away),
        cmocka_unit_test (test_the_end_does_not_wait_for_the_reader),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
