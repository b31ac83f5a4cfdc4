/*  =========================================================================
    test_gate - of which connection a message is

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <arpa/inet.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "io/base/gate.h"

#define PATIENCE 20 //  s

static int s_listener;

//  A connection to the gate's port.  `ours` is what libzmq has of it.
typedef struct {
    int theirs, ours;
} line_t;

static int s_setup (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    size_t files;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    zb_gate_open (&limits, &files);
    s_listener = socket (AF_INET, SOCK_STREAM, 0);
    if (bind (s_listener, (struct sockaddr *) &address, size) || listen (s_listener, 10) ||
        getsockname (s_listener, (struct sockaddr *) &address, &size))
        return -1;
    char endpoint[40];
    snprintf (endpoint, sizeof endpoint, "tcp://127.0.0.1:%u", (unsigned) ntohs (address.sin_port));
    zb_gate_guard (ZB_GATE_CLIENTS, endpoint);
    return 0;
}

static void s_say (const line_t *line, const void *data, size_t size)
{
    uint8_t got[256];
    assert_int_equal (send (line->theirs, data, size, 0), size);
    for (ssize_t come = 0; size; size -= (size_t) come) {
        come = zb_gate_recv (line->ours, got, sizeof got, 0);
        assert_true (come > 0);
    }
}

static line_t s_connect (void)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    line_t line = {.theirs = socket (AF_INET, SOCK_STREAM, 0)};
    assert_int_equal (getsockname (s_listener, (struct sockaddr *) &address, &size), 0);
    assert_int_equal (connect (line.theirs, (struct sockaddr *) &address, size), 0);
    line.ours = zb_gate_accept (s_listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true (line.ours >= 0);
    const uint8_t greeting[64] = {0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 0, 'N', 'U', 'L', 'L'};
    s_say (&line, greeting, sizeof greeting);
    s_say (&line, "\4\6\5READY", 8);
    return line;
}

static void s_send (const line_t *line, int count)
{
    while (count--)
        s_say (line, "\0\4PING", 6);
}

static void s_end (const line_t *line)
{
    assert_int_equal (zb_gate_close (line->ours), 0);
    close (line->theirs);
}

static uint64_t s_read (const line_t *line)
{
    return zb_gate_read (ZB_GATE_CLIENTS, line->ours);
}

static bool s_is_open (const line_t *line)
{
    return fcntl (line->ours, F_GETFD) != -1;
}

//  A connection that has ended, of whose messages so many were not read.
static line_t s_unread (int count)
{
    line_t line = s_connect ();
    s_send (&line, count);
    assert_int_equal (zb_gate_close (line.ours), 0);
    return line;
}

static void test_a_message_is_of_its_connection (void **state)
{
    (void) state;
    line_t first = s_connect ();
    s_send (&first, 2);
    uint64_t number = s_read (&first);
    assert_true (number > 0);
    assert_true (s_read (&first) == number);
    s_end (&first);
    line_t second = s_connect ();
    assert_int_equal (second.ours, first.ours);
    s_send (&second, 1);
    uint64_t other = s_read (&second);
    assert_true (other > 0 && other != number);
    s_end (&second);
}

//  Nobody has the descriptor until they are read; the peer sees the end at once.
static void test_what_is_read_after_the_end (void **state)
{
    (void) state;
    line_t first = s_unread (3);
    char byte;
    assert_int_equal (recv (first.theirs, &byte, 1, 0), 0);
    line_t second = s_connect ();
    assert_int_not_equal (second.ours, first.ours);
    s_send (&second, 2);
    uint64_t number = s_read (&second);
    assert_true (number > 0);
    zb_gate_stats_t stats;
    for (int index = 0; index < 3; index++) {
        zb_gate_stats (&stats);
        assert_int_equal (stats.connections, 2);
        assert_int_equal (s_read (&first), 0);
    }
    zb_gate_stats (&stats);
    assert_int_equal (stats.connections, 1);
    assert_true (s_read (&second) == number);
    assert_false (s_is_open (&first));
    s_end (&second);
    close (first.theirs);
}

//  libzmq may drop what it has not handed on when a connection ends.  The reader that finds nothing may have looked before
//  that; the next time it has not.
static void test_what_is_never_read (void **state)
{
    (void) state;
    line_t first = s_unread (3);
    zb_gate_idle (ZB_GATE_CLIENTS);
    assert_true (s_is_open (&first));
    zb_gate_idle (ZB_GATE_CLIENTS);
    assert_false (s_is_open (&first));
    close (first.theirs);
}

//  Nor does a reader that is never through keep a descriptor.
static void test_a_reader_that_is_never_through (void **state)
{
    (void) state;
    line_t first = s_unread (1), second = s_connect ();
    time_t begin = time (NULL);
    while (s_is_open (&first) && time (NULL) - begin < PATIENCE) {
        s_send (&second, 1);
        assert_true (s_read (&second) > 0);
    }
    assert_false (s_is_open (&first));
    s_end (&second);
    close (first.theirs);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_a_message_is_of_its_connection),
        cmocka_unit_test (test_what_is_read_after_the_end),
        cmocka_unit_test (test_what_is_never_read),
        cmocka_unit_test (test_a_reader_that_is_never_through),
    };
    return cmocka_run_group_tests (tests, s_setup, NULL);
}
