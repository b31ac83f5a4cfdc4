/*  =========================================================================
    test_salvage - is what was put aside in its file, once, and in a place of its own?

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include "core/queue/rows.h"
#include "io/store/salvager.h"
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

//  A row of two PUTs: 10 to 12 of till, its number 5, and 13 of nobody.
static zb_row_t *s_row (void)
{
    zb_piece_t piece[] = {{.first = 10, .number = 5, .name = zb_frame ("till"), .properties = zb_frame ("a=b")},
                          {.first = 13}};
    zb_frame_t body[] = {zb_frame ("ten"), zb_frame ("eleven"), zb_frame ("twelve"), zb_frame ("thirteen")};
    piece[0].count = 3;
    piece[1].count = 1;
    zb_row_t *row = zb_row_new (1000);
    zb_log_begin (row, &(zb_log_head_t){.form = 2, .first = 10});
    zb_log_append (row, &piece[0], body);
    zb_log_append (row, &piece[1], body + 3);
    return row;
}

static const zb_epoch_t s_loser = {.number = 7, .first = 1, .node = 2};

//  Puts these messages of the row aside; by the salvager, if there is one, which returns its job.
static int64_t s_aside_by (zb_salvager_t *salvager, const char *ids)
{
    zb_row_t *row = s_row ();
    zb_aside_t aside = {
        .queue = zb_frame ("q"), .queue_id = 3, .last = 13, .row = {row->data, row->size}, .word = "conflict"};
    zb_spans_t named = {NULL, 0, 0};
    assert_true (zb_spans_parse (&named, zb_frame (ids)));
    aside.span = named.span;
    aside.spans = named.size;
    int64_t done =
        salvager ? (int64_t) zb_salvager_give (salvager, s_loser, &aside) : zb_salvage_write (s_dir, s_loser, &aside);
    zb_spans_clear (&named);
    zb_row_unref (&row);
    return done;
}

static int64_t s_aside (const char *ids)
{
    return s_aside_by (NULL, ids);
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

//  What the salvager says of its job; waits for it.
static int64_t s_await (zb_salvager_t *salvager, uint64_t job, int *error)
{
    uint64_t done;
    int64_t messages, end = zclock_mono () + patience_ms ();
    while (!zb_salvager_done (salvager, &done, &messages, error)) {
        assert_true (zclock_mono () < end);
        zclock_sleep (1);
    }
    assert_int_equal (done, job);
    assert_false (zb_salvager_done (salvager, &done, &messages, error));
    return messages;
}

//  The owner waits for no disk: here the job waits for one that answers when we want it to.  One at a time.
static void test_a_salvager_waits_alone (void **state)
{
    (void) state;
    char *folder = zsys_sprintf ("%s/salvage", s_dir);
    uint64_t job;
    int64_t messages;
    int error;
    assert_int_equal (mkdir (folder, 0700), 0);
    assert_int_equal (mkfifo (s_path, 0600), 0);
    zb_salvager_t *salvager = zb_salvager_new (s_dir);
    assert_false (zb_salvager_done (salvager, &job, &messages, &error));
    assert_int_equal (s_aside_by (salvager, "10"), 1);
    assert_false (zb_salvager_done (salvager, &job, &messages, &error));
    assert_int_equal (s_aside_by (salvager, "11"), 0);
    //  It reads nothing, which is no file of ours: nothing is replaced.
    close (open (s_path, O_WRONLY));
    assert_int_equal (s_await (salvager, 1, &error), -1);
    assert_int_equal (error, EINVAL);
    assert_int_equal (unlink (s_path), 0);
    assert_int_equal (s_aside_by (salvager, "10..11 13"), 2);
    assert_int_equal (s_await (salvager, 2, &error), 3);
    s_expect_file ("ten,eleven|thirteen|");
    //  What was given is done, whether anybody waits for it or not.
    struct stat before, after;
    assert_int_equal (stat (s_path, &before), 0);
    assert_int_equal (s_aside_by (salvager, "12"), 3);
    zb_salvager_destroy (&salvager);
    int64_t end = zclock_mono () + patience_ms ();
    do
        assert_true (zclock_mono () < end && stat (s_path, &after) == 0);
    while (after.st_size == before.st_size);
    s_expect_file ("ten,eleven|thirteen|twelve|");
    zstr_free (&folder);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown (test_what_is_named, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (test_put_aside_again, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (test_put_aside_after_a_replay, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (test_a_damaged_file_stays, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (test_a_salvager_waits_alone, s_setup, s_teardown),
    };
    return cmocka_run_group_tests_name ("salvage", tests, NULL, NULL);
}
