/*  =========================================================================
    test_salvage - is what was put aside in its file, once, and in a place of its own?

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include "core/queue/rows.h"
#include "io/store/salvage.h"
#include "store_kit.h"

static char *s_dir, *s_path;

static int s_setup (void **state)
{
    (void) state;
    s_dir = kit_dir_new ();
    s_path = zsys_sprintf ("%s/salvage/7.2-3-13.zb1", s_dir);
    return 0;
}

static int s_teardown (void **state)
{
    (void) state;
    kit_dir_destroy (&s_dir);
    zstr_free (&s_path);
    return 0;
}

//  Puts messages aside of a row of two PUTs: 10 to 12 of till, its number 5, and 13 of nobody.
static int64_t s_aside (const char *ids)
{
    zb_piece_t piece[] = {{.first = 10, .number = 5, .name = zb_frame ("till"), .properties = zb_frame ("a=b")},
                          {.first = 13}};
    zb_frame_t body[] = {zb_frame ("ten"), zb_frame ("eleven"), zb_frame ("twelve"), zb_frame ("thirteen")};
    piece[0].count = 3;
    piece[1].count = 1;
    zb_row_t *row = zb_row_new (1000);
    zb_log_begin (row, 10);
    zb_log_append (row, &piece[0], body);
    zb_log_append (row, &piece[1], body + 3);
    zb_aside_t aside = {
        .queue = zb_frame ("q"), .queue_id = 3, .last = 13, .row = {row->data, row->size}, .word = "conflict"};
    zb_spans_t named = {NULL, 0, 0};
    assert_true (zb_spans_parse (&named, zb_frame (ids)));
    aside.span = named.span;
    aside.spans = named.size;
    zb_epoch_t loser = {.number = 7, .first = 1, .node = 2};
    int64_t messages = zb_salvage_write (s_dir, loser, &aside);
    zb_spans_clear (&named);
    zb_row_unref (&row);
    return messages;
}

//  All bodies of the file, PUT by PUT.
static void s_expect_file (const char *expected)
{
    char text[256] = "";
    zlistx_t *puts = zb_salvage_read (s_path);
    assert_non_null (puts);
    for (zmsg_t *put = zlistx_first (puts); put; put = zlistx_next (puts)) {
        size_t at = 0;
        for (zframe_t *frame = zmsg_first (put); frame; frame = zmsg_next (put))
            if (at++ >= 10)
                snprintf (text + strlen (text), sizeof text - strlen (text), "%.*s%s", (int) zframe_size (frame),
                          (const char *) zframe_data (frame), at < zmsg_size (put) ? "," : "|");
    }
    zlistx_destroy (&puts);
    assert_string_equal (text, expected);
}

static void test_what_is_named (void **state)
{
    (void) state;
    assert_int_equal (s_aside ("10..11 13"), 3);
    s_expect_file ("ten,eleven|thirteen|");
}

//  A replay that begins again puts the same messages aside again, and maybe more of the row.
static void test_put_aside_again (void **state)
{
    (void) state;
    assert_int_equal (s_aside ("11"), 1);
    assert_int_equal (s_aside ("11"), 1);
    s_expect_file ("eleven|");
    assert_int_equal (s_aside ("10..13"), 4);
    //  Each keeps its place: `zbroker salvage replay` numbers them by it.
    s_expect_file ("eleven|ten,twelve|thirteen|");
    assert_int_equal (s_aside ("10..13"), 4);
    s_expect_file ("eleven|ten,twelve|thirteen|");
}

//  What an operator has replayed is not put aside again; what comes later has the next place.
static void test_put_aside_after_a_replay (void **state)
{
    (void) state;
    char *done = zsys_sprintf ("%s.replayed", s_path);
    s_aside ("10..12");
    assert_int_equal (rename (s_path, done), 0);
    assert_int_equal (s_aside ("11"), 1);
    assert_int_equal (access (s_path, F_OK), -1);
    assert_int_equal (s_aside ("10..13"), 4);
    s_expect_file ("ten,eleven,twelve|thirteen|");
    zstr_free (&done);
}

//  A file that can't be read is not replaced: it may hold what is nowhere else.
static void test_a_damaged_file_stays (void **state)
{
    (void) state;
    s_aside ("10");
    assert_int_equal (truncate (s_path, 30), 0);
    assert_int_equal (s_aside ("11"), -1);
    struct stat info;
    assert_int_equal (stat (s_path, &info), 0);
    assert_int_equal (info.st_size, 30);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown (test_what_is_named, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (test_put_aside_again, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (test_put_aside_after_a_replay, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (test_a_damaged_file_stays, s_setup, s_teardown),
    };
    return cmocka_run_group_tests_name ("salvage", tests, NULL, NULL);
}
