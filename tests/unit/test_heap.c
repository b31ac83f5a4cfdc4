/*  =========================================================================
    test_heap - when free memory goes back to the system

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <malloc.h>

#include "io/base/heap.h"
#include "store_kit.h"

#define MIB ((size_t) 1 << 20)

static void test_a_crowd_has_gone (void **state)
{
    (void) state;
    zb_heap_t heap = {0};
    //  While memory is taken, nobody is held up.
    assert_false (zb_heap_due (&heap, 100 * MIB, 0));
    assert_false (zb_heap_due (&heap, 400 * MIB, heap.next));
    assert_false (zb_heap_due (&heap, 700 * MIB, heap.next));
    assert_true (zb_heap_due (&heap, 700 * MIB, heap.next));
    zb_heap_done (&heap, 60 * MIB);
    //  A little is not worth it.
    for (int look = 0; look < 100; look++)
        assert_false (zb_heap_due (&heap, 63 * MIB, heap.next));
    assert_int_equal (heap.wait, ZB_HEAP_FIRST);
}

static void test_what_is_needed_again (void **state)
{
    (void) state;
    zb_heap_t heap = {0};
    int64_t now = 0;
    size_t times = 0;
    //  It comes and goes: the time between two goes to its bound.
    for (int look = 0; look < 40; look++) {
        if (zb_heap_due (&heap, 500 * MIB, now)) {
            zb_heap_done (&heap, 100 * MIB);
            times++;
        }
        assert_true (heap.next - now <= ZB_HEAP_LONGEST);
        now = heap.next;
    }
    assert_int_equal (heap.wait, ZB_HEAP_LONGEST);
    assert_true (times > 10);
    //  What is in use cannot go: few goes at it, but as soon as it is free it goes within a minute.
    for (int look = 0; look < 10; look++, now = heap.next)
        if (zb_heap_due (&heap, 500 * MIB, now))
            zb_heap_done (&heap, 499 * MIB);
    assert_true (heap.next - now <= ZB_HEAP_LONGEST);
    assert_true (zb_heap_due (&heap, 500 * MIB, heap.next));
    zb_heap_done (&heap, 60 * MIB);
    assert_false (zb_heap_due (&heap, 60 * MIB, heap.next));
    assert_int_equal (heap.wait, ZB_HEAP_FIRST);
}

static void test_this_process (void **state)
{
    (void) state;
    //  Half a GiB in small pieces, and one at the end that stays: nothing but a trim gives any of it back.
    size_t count = 256 * 1024;
    void **piece = calloc (count, sizeof *piece);
    assert_non_null (piece);
    for (size_t index = 0; index < count; index++) {
        piece[index] = malloc (2000);
        memset (piece[index], 1, 2000);
    }
    //  Sanitizers and valgrind bring an allocator of their own.
    bool ours = mallinfo2 ().uordblks > 256 * MIB;
    for (size_t index = 0; index + 1 < count; index++)
        free (piece[index]);
    zb_heap_t heap = {0};
    zb_heap_tick (&heap, 0);
    assert_true (!ours || heap.seen > 256 * MIB);
    zb_heap_tick (&heap, heap.next);
    free (piece[count - 1]);
    free (piece);
    assert_true (!ours || (heap.kept && heap.kept < 256 * MIB));
}

//  The thread does the same by itself, while this one goes on.
static void test_the_thread (void **state)
{
    (void) state;
    zb_trimmer_t *trimmer = zb_trimmer_new ();
    assert_non_null (trimmer);
    zb_trimmer_destroy (&trimmer);
    assert_null (trimmer);
    zb_trimmer_destroy (&trimmer);
}

int main (void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test (test_a_crowd_has_gone),
                                       cmocka_unit_test (test_what_is_needed_again),
                                       cmocka_unit_test (test_this_process),
                                       cmocka_unit_test (test_the_thread)};
    return cmocka_run_group_tests (tests, NULL, NULL);
}
