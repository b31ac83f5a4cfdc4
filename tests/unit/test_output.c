/*  =========================================================================
    test_output - what waits for a client is known, and who does not read is found

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <string.h>

#include "io/broker/output.h"
#include "store_kit.h"

//  A pipe of libzmq's, as far as marks are concerned.
#define PIPE_MAX 1000
static struct {
    void *data, *hint;
} s_pipe[PIPE_MAX];
static size_t s_in, s_out;

static void s_send (zb_output_t *output, zb_account_t *account, size_t bytes)
{
    if (!zb_output_add (output, account, bytes))
        return;
    assert_true (s_in < PIPE_MAX);
    s_pipe[s_in].data = zb_output_mark (account, zb_frame ("mark"), &s_pipe[s_in].hint);
    assert_memory_equal (s_pipe[s_in].data, "mark", 4);
    s_in++;
}

static void s_read (size_t marks)
{
    for (; marks; marks--, s_out++)
        zb_output_freed (s_pipe[s_out].data, s_pipe[s_out].hint);
    if (s_out == s_in)
        s_out = s_in = 0;
}

static void test_waits (void **state)
{
    (void) state;
    zb_output_t *output = zb_output_new ();
    zb_account_t *account = zb_output_account (output, zb_frame ("a"));
    assert_int_equal (zb_output_waits (output, account), 0);
    //  The first one is a mark, and one in each step.
    for (int count = 0; count < 1000; count++)
        s_send (output, account, 1000);
    assert_int_equal (zb_output_waits (output, account), 1000 * 1000);
    assert_true (s_in > 50 && s_in < 70);
    s_read (1);
    assert_int_equal (zb_output_waits (output, account), 999 * 1000);
    s_read (s_in - 1);
    assert_true (zb_output_waits (output, account) < ZB_OUTPUT_STEP);
    //  Who reads everything as it comes has each reply marked.
    for (int count = 0; count < 10; count++) {
        s_send (output, account, 1000);
        assert_int_equal (s_in, 1);
        s_read (1);
        assert_int_equal (zb_output_waits (output, account), 0);
    }
    //  Another client's are its own.
    s_send (output, account, 500);
    zb_account_t *other = zb_output_account (output, zb_frame ("b"));
    assert_int_equal (zb_output_waits (output, other), 0);
    s_send (output, other, 700);
    assert_int_equal (zb_output_total (output), 1200);
    assert_int_equal (zb_output_waits (output, zb_output_account (output, zb_frame ("a"))), 500);
    //  It may end before its marks do.
    zb_output_destroy (&output);
    s_read (2);
}

static void test_marks_of_two_connections (void **state)
{
    (void) state;
    //  A new connection has the routing id of one that is gone: what is freed late takes nothing back.
    zb_output_t *output = zb_output_new ();
    zb_account_t *account = zb_output_account (output, zb_frame ("a"));
    void *early, *late;
    zb_output_add (output, account, 100);
    void *first = zb_output_mark (account, zb_frame (""), &early);
    zb_output_add (output, account, 100);
    void *second = zb_output_mark (account, zb_frame (""), &late);
    zb_output_freed (second, late);
    zb_output_freed (first, early);
    assert_int_equal (zb_output_waits (output, account), 0);
    zb_output_destroy (&output);
}

static void test_most (void **state)
{
    (void) state;
    zb_output_t *output = zb_output_new ();
    assert_null (zb_output_most (output));
    char name[12];
    for (int index = 0; index < 10; index++) {
        snprintf (name, sizeof name, "%d", index);
        zb_account_t *account = zb_output_account (output, zb_frame (name));
        s_send (output, account, (size_t) (index % 7) * 1000);
    }
    zb_account_t *most = zb_output_most (output);
    assert_true (zb_frame_is (zb_account_routing (most), "6"));
    //  It is closed once, until nothing waits.
    assert_true (zb_account_cut (most));
    assert_false (zb_account_cut (most));
    //  The total follows when it is looked at.
    s_read (10);
    assert_int_equal (zb_output_total (output), 24000);
    zb_output_look (output);
    assert_int_equal (zb_output_total (output), 0);
    assert_true (zb_account_cut (most));
    zb_output_destroy (&output);
}

static void test_passed (void **state)
{
    (void) state;
    zb_output_t *output = zb_output_new ();
    zb_account_t *account = zb_output_account (output, zb_frame ("a"));
    assert_false (zb_output_passed (output, account));
    zb_output_pass (output, account);
    assert_true (zb_output_passed (output, account));
    assert_false (zb_output_passed (output, zb_output_account (output, zb_frame ("b"))));
    zb_output_round (output);
    account = zb_output_account (output, zb_frame ("a"));
    assert_false (zb_output_passed (output, account));
    //  It is full until it has read everything.
    assert_false (zb_output_full (output, account));
    s_send (output, account, 50000);
    assert_false (zb_output_full (output, account));
    zb_output_pass (output, account);
    assert_true (zb_output_full (output, account));
    zb_output_round (output);
    assert_true (zb_output_full (output, account));
    s_read (1);
    assert_false (zb_output_full (output, account));
    s_send (output, account, 50000);
    assert_false (zb_output_full (output, account));
    s_read (1);
    zb_output_destroy (&output);
}

static void test_clients_that_come_and_go (void **state)
{
    (void) state;
    //  Their accounts go, too, but for those that something waits for.
    zb_output_t *output = zb_output_new ();
    zb_account_t *slow = zb_output_account (output, zb_frame ("slow"));
    zb_output_add (output, slow, 5000);
    void *hint;
    void *data = zb_output_mark (slow, zb_frame (""), &hint);
    char name[16];
    for (int index = 0; index < 100000; index++) {
        snprintf (name, sizeof name, "%d", index);
        s_send (output, zb_output_account (output, zb_frame (name)), 100);
        s_read (1);
    }
    zb_output_most (output);
    assert_int_equal (zb_output_total (output), 5000);
    assert_int_equal (zb_output_waits (output, zb_output_account (output, zb_frame ("slow"))), 5000);
    //  Neither is what was forgotten counted, nor does it come back.
    assert_int_equal (zb_output_waits (output, zb_output_account (output, zb_frame ("0"))), 0);
    zb_output_freed (data, hint);
    zb_output_most (output);
    assert_int_equal (zb_output_total (output), 0);
    zb_output_destroy (&output);
}

int main (void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test (test_waits), cmocka_unit_test (test_marks_of_two_connections),
                                       cmocka_unit_test (test_most), cmocka_unit_test (test_passed),
                                       cmocka_unit_test (test_clients_that_come_and_go)};
    return cmocka_run_group_tests (tests, NULL, NULL);
}
