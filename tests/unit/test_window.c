/*  =========================================================================
    test_window - which PUT has which number, and which one is sent when?

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The window by itself, where each step can be looked at: test_client shows only
    that all ends well.
*/

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <czmq.h>

#include "client/window.h"

static void s_add (zb_window_t *window, size_t count, int64_t deadline)
{
    while (count--) {
        zmq_msg_t *frame = (zmq_msg_t *) zmalloc (3 * sizeof (zmq_msg_t));
        for (int index = 0; index < 3; index++)
            zmq_msg_init (&frame[index]);
        zb_window_add (window, frame, 3, deadline, NULL, NULL);
    }
}

//  Sends all that can be sent; they have to be the numbers from first to last.
static void s_send (zb_window_t *window, uint64_t first, uint64_t last)
{
    for (uint64_t number = first; number <= last; number++) {
        zb_flight_t *put = zb_window_next (window);
        assert_non_null (put);
        assert_int_equal (put->number, number);
        zb_window_sent (window, put, 0);
    }
    assert_null (zb_window_next (window));
}

static zb_window_verdict_t s_answer (zb_window_t *window, zb_answer_status_t status, const char *id, const char *first,
                                     const char *second, const char *third)
{
    zb_frame_t arg[] = {zb_frame (first), zb_frame (second), zb_frame (third)};
    zb_answer_t answer = {.status = status, .id = zb_frame (id), .arg = arg, .args = 3};
    if (status == ZB_ANSWER_ERR)
        answer.code = (unsigned) strtoul (first, NULL, 10);
    return zb_window_answer (window, &answer, 0);
}

static zb_window_verdict_t s_ok (zb_window_t *window, const char *id)
{
    return s_answer (window, ZB_ANSWER_OK, id, "both", "5", "5");
}

static zb_window_verdict_t s_err (zb_window_t *window, const char *id, const char *code, const char *text)
{
    return s_answer (window, ZB_ANSWER_ERR, id, code, text, "");
}

//  The oldest PUT is done, with this number and error.
static void s_pop (zb_window_t *window, uint64_t number, int error)
{
    zb_flight_t *put = zb_window_pop (window);
    assert_non_null (put);
    assert_int_equal (put->receipt.error, error);
    assert_int_equal (put->receipt.number, number);
    zb_flight_destroy (&put);
}

static zb_window_t *s_named (uint64_t last, size_t count, int64_t deadline)
{
    zb_window_t *window = zb_window_new ();
    zb_window_set_named (window, true);
    s_add (window, count, deadline);
    //  Without a HELLO there are no numbers.
    assert_null (zb_window_next (window));
    zb_window_greeted (window, last, true);
    return window;
}

static void test_order (void **state)
{
    (void) state;
    zb_window_t *window = s_named (16, 3, 100);
    s_send (window, 17, 19);
    //  Answers in any order, receipts in the order of the PUTs.
    assert_int_equal (s_ok (window, "18"), ZB_WINDOW_FINE);
    assert_null (zb_window_pop (window));
    assert_int_equal (s_ok (window, "17"), ZB_WINDOW_FINE);
    s_pop (window, 17, 0);
    s_pop (window, 18, 0);
    assert_null (zb_window_pop (window));
    //  Not ours, malformed, twice.
    assert_int_equal (s_ok (window, "17"), ZB_WINDOW_STRANGE);
    assert_int_equal (s_ok (window, "0"), ZB_WINDOW_STRANGE);
    assert_int_equal (s_ok (window, "x"), ZB_WINDOW_STRANGE);
    assert_int_equal (s_answer (window, ZB_ANSWER_OK, "19", "well", "1", "1"), ZB_WINDOW_STRANGE);
    assert_int_equal (s_answer (window, ZB_ANSWER_OK, "19", "both", "", "1"), ZB_WINDOW_STRANGE);
    assert_int_equal (s_answer (window, ZB_ANSWER_MSG, "19", "both", "1", "1"), ZB_WINDOW_STRANGE);
    assert_int_equal (zb_window_stored (window), 18);
    zb_window_destroy (&window);
}

//  Those behind a refused one take its number, each after its own refusal, one at a time.
static void test_refused (void **state)
{
    (void) state;
    zb_window_t *window = s_named (0, 4, 100);
    s_send (window, 1, 4);
    assert_int_equal (s_err (window, "2", "429", "full"), ZB_WINDOW_FINE);
    assert_null (zb_window_next (window));
    assert_int_equal (s_err (window, "3", "409", "2"), ZB_WINDOW_FINE);
    assert_int_equal (s_err (window, "4", "409", "2"), ZB_WINDOW_FINE);
    assert_null (zb_window_next (window));
    s_ok (window, "1");
    s_send (window, 2, 3);
    s_pop (window, 1, 0);
    s_pop (window, 2, ZB_ERR_QUEUE_FULL);
    s_ok (window, "2");
    s_ok (window, "3");
    s_pop (window, 2, 0);
    s_pop (window, 3, 0);
    zb_window_destroy (&window);
}

//  A new number is not used while the answer to the old one is on its way.
static void test_refused_late (void **state)
{
    (void) state;
    zb_window_t *window = s_named (0, 3, 100);
    s_send (window, 1, 3);
    s_err (window, "1", "404", "no such queue");
    assert_null (zb_window_next (window));
    //  The last one's answer comes first.
    s_err (window, "3", "409", "1");
    assert_null (zb_window_next (window));
    s_err (window, "2", "409", "1");
    s_send (window, 1, 1);
    s_ok (window, "1");
    s_send (window, 2, 2);
    zb_window_destroy (&window);
}

static void test_moved (void **state)
{
    (void) state;
    zb_window_t *window = s_named (0, 4, 100);
    s_send (window, 1, 4);
    s_ok (window, "3");
    //  The same connection: what is on its way is not sent again.
    zb_window_greeted (window, 3, false);
    assert_null (zb_window_next (window));
    //  Another one, which has two of them, and the one that was answered.
    zb_window_greeted (window, 3, true);
    zb_flight_t *put = zb_window_next (window);
    assert_int_equal (put->number, 1);
    zb_window_sent (window, put, 0);
    put = zb_window_next (window);
    assert_int_equal (put->number, 2);
    zb_window_sent (window, put, 0);
    s_send (window, 4, 4);
    s_add (window, 1, 100);
    s_send (window, 5, 5);
    zb_window_destroy (&window);
}

//  The first one with the right number gets a gap: only a HELLO helps.
static void test_gap (void **state)
{
    (void) state;
    zb_window_t *window = s_named (9, 2, 100);
    s_send (window, 10, 11);
    assert_int_equal (s_err (window, "10", "409", "5"), ZB_WINDOW_PAUSE);
    assert_int_equal (s_err (window, "11", "409", "5"), ZB_WINDOW_FINE);
    zb_window_greeted (window, 4, false);
    s_send (window, 5, 5);
    s_ok (window, "5");
    s_send (window, 6, 6);
    zb_window_destroy (&window);
}

//  Given up unanswered: whether its number is free, the broker tells.
static void test_unsure (void **state)
{
    (void) state;
    for (uint64_t last = 1; last <= 2; last++) {
        zb_window_t *window = s_named (0, 1, 100);
        s_add (window, 1, 10);
        s_add (window, 2, 100);
        s_send (window, 1, 4);
        assert_int_equal (zb_window_deadline (window), 10);
        assert_true (zb_window_expire (window, 10, ZB_ERR_TIMEOUT, "late"));
        //  What is added now waits for the HELLO with its number.
        s_add (window, 1, 100);
        zb_window_greeted (window, last, true);
        zb_flight_t *put = zb_window_next (window);
        assert_int_equal (put->number, 1);
        zb_window_sent (window, put, 0);
        s_send (window, last + 1, last + 3);
        s_ok (window, "1");
        s_pop (window, 1, 0);
        s_pop (window, 2, ZB_ERR_TIMEOUT);
        zb_window_destroy (&window);
    }
}

//  Given up before it was sent: it leaves no gap.
static void test_never_sent (void **state)
{
    (void) state;
    zb_window_t *window = s_named (0, 1, 10);
    s_add (window, 2, 100);
    assert_false (zb_window_expire (window, 10, ZB_ERR_TIMEOUT, "late"));
    s_send (window, 1, 2);
    zb_window_destroy (&window);
}

static void test_verdicts (void **state)
{
    (void) state;
    zb_window_t *window = s_named (0, 1, 100);
    s_send (window, 1, 1);
    assert_int_equal (s_err (window, "1", "401", "HELLO"), ZB_WINDOW_GREET);
    s_send (window, 1, 1);
    assert_int_equal (s_err (window, "1", "503", "not ready"), ZB_WINDOW_PAUSE);
    s_send (window, 1, 1);
    assert_int_equal (s_answer (window, ZB_ANSWER_PASSIVE, "1", "", "", ""), ZB_WINDOW_PASSIVE);
    s_send (window, 1, 1);
    assert_int_equal (s_err (window, "1", "409", "fenced: a newer process"), ZB_WINDOW_REJECTED);
    zb_window_fail (window, ZB_ERR_CONFLICT, "fenced");
    s_pop (window, 1, ZB_ERR_CONFLICT);

    //  A number that holds another PUT is taken; those behind keep theirs.
    zb_window_destroy (&window);
    window = s_named (6, 2, 100);
    s_send (window, 7, 8);
    assert_int_equal (s_err (window, "7", "409", "another PUT has this number"), ZB_WINDOW_FINE);
    s_pop (window, 7, ZB_ERR_CONFLICT);
    s_ok (window, "8");
    s_pop (window, 8, 0);
    zb_window_destroy (&window);
    zb_window_destroy (&window);
}

//  After a refusal the window opens again: one, two, four.
static void test_opens (void **state)
{
    (void) state;
    zb_window_t *window = s_named (0, 9, 100);
    s_send (window, 1, 9);
    s_err (window, "1", "429", "full");
    for (int number = 2; number <= 9; number++) {
        char id[12];
        snprintf (id, sizeof (id), "%d", number);
        s_err (window, id, "409", "1");
    }
    s_send (window, 1, 1);
    s_ok (window, "1");
    s_send (window, 2, 3);
    s_ok (window, "2");
    s_ok (window, "3");
    s_send (window, 4, 8);
    zb_window_destroy (&window);
}

static zb_window_t *s_failing (zb_failed_t failed, bool named, size_t count)
{
    zb_window_t *window = zb_window_new ();
    zb_window_set_named (window, named);
    zb_window_set_failed (window, failed);
    s_add (window, count, 100);
    zb_window_greeted (window, 0, true);
    return window;
}

//  One fails: none behind it is stored, whether it is on its way or not, nor what is added before its callback.
static void test_stop (void **state)
{
    (void) state;
    zb_window_t *window = s_failing (ZB_FAILED_STOP, true, 4);
    s_send (window, 1, 4);
    s_ok (window, "1");
    assert_int_equal (s_err (window, "2", "413", "too large"), ZB_WINDOW_FINE);
    s_add (window, 1, 100);
    assert_null (zb_window_next (window));
    s_pop (window, 1, 0);
    s_pop (window, 2, ZB_ERR_TOO_LARGE);
    //  From now on there are new ones, which wait for the answers to the old ones.
    s_add (window, 2, 100);
    assert_null (zb_window_next (window));
    assert_null (zb_window_pop (window));
    assert_int_equal (s_err (window, "4", "409", "2"), ZB_WINDOW_FINE);
    assert_null (zb_window_next (window));
    //  Whatever the refusal says.
    assert_int_equal (s_err (window, "3", "413", "too large"), ZB_WINDOW_FINE);
    s_pop (window, 0, ZB_ERR_BEHIND);
    s_pop (window, 0, ZB_ERR_BEHIND);
    s_pop (window, 0, ZB_ERR_BEHIND);
    s_send (window, 2, 3);
    s_ok (window, "2");
    s_ok (window, "3");
    s_pop (window, 2, 0);
    s_pop (window, 3, 0);
    zb_window_destroy (&window);
}

//  The connection goes away before the others are refused.
static void test_stop_moved (void **state)
{
    (void) state;
    zb_window_t *window = s_failing (ZB_FAILED_STOP, true, 3);
    s_send (window, 1, 3);
    s_err (window, "1", "404", "no such queue");
    assert_int_equal (s_answer (window, ZB_ANSWER_PASSIVE, "2", "", "", ""), ZB_WINDOW_PASSIVE);
    zb_window_greeted (window, 0, true);
    s_pop (window, 1, ZB_ERR_NOT_FOUND);
    s_pop (window, 0, ZB_ERR_BEHIND);
    s_pop (window, 0, ZB_ERR_BEHIND);
    s_add (window, 1, 100);
    s_send (window, 1, 1);
    zb_window_destroy (&window);
}

//  Of one that was not answered nobody knows, so nobody knows of those that were sent behind it.
static void test_stop_late (void **state)
{
    (void) state;
    zb_window_t *window = zb_window_new ();
    zb_window_set_named (window, true);
    zb_window_set_failed (window, ZB_FAILED_STOP);
    s_add (window, 1, 10);
    s_add (window, 1, 100);
    zb_window_greeted (window, 0, true);
    s_send (window, 1, 2);
    s_add (window, 1, 100);
    assert_true (zb_window_expire (window, 10, ZB_ERR_TIMEOUT, "late"));
    zb_window_greeted (window, 2, true);
    assert_null (zb_window_next (window));
    s_pop (window, 1, ZB_ERR_TIMEOUT);
    s_pop (window, 2, ZB_ERR_TIMEOUT);
    s_pop (window, 3, ZB_ERR_BEHIND);
    s_add (window, 1, 100);
    s_send (window, 3, 3);
    zb_window_destroy (&window);
}

//  Without a name the broker would store what is behind a refused one: one at a time.
static void test_stop_nameless (void **state)
{
    (void) state;
    zb_window_t *window = s_failing (ZB_FAILED_STOP, false, 3);
    s_send (window, 1, 1);
    s_ok (window, "1");
    s_send (window, 2, 2);
    s_err (window, "2", "429", "full");
    assert_null (zb_window_next (window));
    s_pop (window, 1, 0);
    s_pop (window, 2, ZB_ERR_QUEUE_FULL);
    s_pop (window, 0, ZB_ERR_BEHIND);
    s_add (window, 1, 100);
    assert_non_null (zb_window_next (window));
    zb_window_destroy (&window);
}

//  It waits for room, and all behind it.
static void test_wait (void **state)
{
    (void) state;
    zb_window_t *window = s_failing (ZB_FAILED_WAIT, true, 3);
    for (int round = 0; round < 3; round++) {
        s_send (window, 1, round ? 1 : 3);
        assert_int_equal (s_err (window, "1", "429", "full"), ZB_WINDOW_PAUSE);
        if (round == 0) {
            s_err (window, "2", "409", "1");
            s_err (window, "3", "409", "1");
        }
        zb_window_extend (window, 100 + round);
        zb_window_greeted (window, 0, false);
    }
    assert_int_equal (zb_window_deadline (window), 102);
    s_send (window, 1, 1);
    s_ok (window, "1");
    s_send (window, 2, 3);
    s_pop (window, 1, 0);
    assert_int_equal (s_err (window, "2", "404", "no such queue"), ZB_WINDOW_FINE);
    s_err (window, "3", "409", "2");
    s_pop (window, 2, ZB_ERR_NOT_FOUND);
    s_pop (window, 0, ZB_ERR_BEHIND);
    zb_window_destroy (&window);
}

//  A number that was sent and not answered is not free when a later try finds no room: the first one may be stored at the
//  other broker.
static void s_unheard_finds_no_room (zb_window_verdict_t how, const char *code)
{
    zb_window_t *window = s_named (0, 2, 50);
    s_send (window, 1, 2);
    if (how == ZB_WINDOW_PASSIVE)
        assert_int_equal (s_answer (window, ZB_ANSWER_PASSIVE, "1", "", "", ""), how);
    else if (how == ZB_WINDOW_PAUSE)
        assert_int_equal (s_err (window, "1", "503", "merging"), how);
    zb_window_greeted (window, 0, true);
    zb_flight_t *put = zb_window_next (window);
    assert_int_equal (put->number, 1);
    zb_window_sent (window, put, 0);
    assert_int_equal (s_err (window, "1", code, "full"), ZB_WINDOW_PAUSE);
    assert_null (zb_window_pop (window));
    //  Its time goes on, and it is still the first.
    zb_window_extend (window, 100);
    assert_int_equal (zb_window_deadline (window), 50);
    zb_window_greeted (window, 0, true);
    assert_ptr_equal (zb_window_next (window), put);
    assert_int_equal (put->number, 1);
    zb_window_sent (window, put, 0);
    assert_int_equal (s_ok (window, "1"), ZB_WINDOW_FINE);
    s_pop (window, 1, 0);
    zb_window_destroy (&window);
}

static void test_unheard (void **state)
{
    (void) state;
    s_unheard_finds_no_room (ZB_WINDOW_FINE, "507");
    s_unheard_finds_no_room (ZB_WINDOW_FINE, "429");
    s_unheard_finds_no_room (ZB_WINDOW_PASSIVE, "507");
    s_unheard_finds_no_room (ZB_WINDOW_PAUSE, "507");
    //  Of one that every broker has answered nothing is stored; nor was anything of one that had no HELLO.
    zb_window_t *window = s_named (0, 1, 50);
    s_send (window, 1, 1);
    assert_int_equal (s_err (window, "1", "401", "who?"), ZB_WINDOW_GREET);
    zb_window_greeted (window, 0, true);
    s_send (window, 1, 1);
    assert_int_equal (s_err (window, "1", "507", "full"), ZB_WINDOW_FINE);
    s_pop (window, 1, ZB_ERR_DISK_FULL);
    zb_window_destroy (&window);
}

//  What an earlier process has stored is sent again under its numbers, across connections, and what is new behind it.
static void test_resume (void **state)
{
    (void) state;
    zb_window_t *window = s_named (7, 0, 100);
    assert_false (zb_window_resume (window, 0));
    assert_false (zb_window_resume (window, 9));
    assert_true (zb_window_resume (window, 6));
    s_add (window, 1, 100);
    s_send (window, 6, 6);
    s_ok (window, "6");
    s_pop (window, 6, 0);
    //  Nothing is in flight, and the next one is stored already.
    zb_window_greeted (window, 7, true);
    s_add (window, 2, 100);
    //  Nor was the first one sent.
    zb_window_greeted (window, 7, true);
    s_send (window, 7, 8);
    assert_int_equal (s_err (window, "7", "409", "8"), ZB_WINDOW_FINE);
    s_ok (window, "8");
    s_pop (window, 7, ZB_ERR_CONFLICT);
    s_pop (window, 8, 0);
    zb_window_greeted (window, 8, true);
    s_add (window, 1, 100);
    s_send (window, 9, 9);
    zb_window_destroy (&window);
}

//  A broker that has less than it told numbers anew; one whose answer was not awaited keeps its number.
static void test_resume_loses (void **state)
{
    (void) state;
    zb_window_t *window = s_named (7, 0, 100);
    assert_true (zb_window_resume (window, 7));
    s_add (window, 1, 10);
    s_send (window, 7, 7);
    assert_false (zb_window_expire (window, 10, ZB_ERR_TIMEOUT, "late"));
    s_add (window, 1, 100);
    s_send (window, 8, 8);
    s_pop (window, 7, ZB_ERR_TIMEOUT);
    zb_window_destroy (&window);
    window = s_named (7, 0, 100);
    assert_true (zb_window_resume (window, 6));
    zb_window_greeted (window, 3, true);
    s_add (window, 1, 100);
    s_send (window, 4, 4);
    zb_window_destroy (&window);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_order),         cmocka_unit_test (test_refused),    cmocka_unit_test (test_refused_late),
        cmocka_unit_test (test_moved),         cmocka_unit_test (test_gap),        cmocka_unit_test (test_unsure),
        cmocka_unit_test (test_verdicts),      cmocka_unit_test (test_never_sent), cmocka_unit_test (test_opens),
        cmocka_unit_test (test_stop),          cmocka_unit_test (test_stop_moved), cmocka_unit_test (test_stop_late),
        cmocka_unit_test (test_stop_nameless), cmocka_unit_test (test_wait),       cmocka_unit_test (test_resume),
        cmocka_unit_test (test_resume_loses),  cmocka_unit_test (test_unheard),
    };
    return cmocka_run_group_tests_name ("window", tests, NULL, NULL);
}
