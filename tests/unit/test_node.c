/*  =========================================================================
    test_node - the node's own file: what was written is read, or it is said to be damaged

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include "core/base/level.h"
#include "io/store/node.h"
#include "store_kit.h"

static const zb_node_t s_node = {
    .complete = true, .suspect = false, .alone = 7, .alone_from = 7696581394433, .current = 3};

static bool s_same (const zb_node_t *one, const zb_node_t *other)
{
    return one->complete == other->complete && one->suspect == other->suspect && one->alone == other->alone &&
           one->alone_from == other->alone_from && one->current == other->current;
}

//  Reads or writes a whole file of the folder.
static size_t s_file (const char *dir, const char *name, char *text, size_t size, const char *mode)
{
    char path[300];
    snprintf (path, sizeof (path), "%s/%s", dir, name);
    FILE *file = fopen (path, mode);
    assert_non_null (file);
    size_t done = *mode == 'r' ? fread (text, 1, size, file) : fwrite (text, 1, size, file);
    fclose (file);
    return done;
}

static void test_absent (void **state)
{
    (void) state;
    char *dir = kit_dir_new ();
    zb_node_t node = s_node;
    assert_int_equal (zb_node_load (&node, dir), ZB_NODE_ABSENT);
    assert_true (s_same (&node, &(zb_node_t){0}));
    kit_dir_destroy (&dir);
}

static void test_roundtrip (void **state)
{
    (void) state;
    char *dir = kit_dir_new ();
    zb_node_t node;
    static const zb_node_t extreme = {
        .complete = true, .suspect = true, .alone = UINT64_MAX, .alone_from = UINT64_MAX, .current = UINT64_MAX};
    assert_int_equal (zb_node_save (&extreme, dir), 0);
    assert_int_equal (zb_node_load (&node, dir), ZB_NODE_FOUND);
    assert_true (s_same (&node, &extreme));
    //  A shorter text replaces a longer one.
    assert_int_equal (zb_node_save (&s_node, dir), 0);
    assert_int_equal (zb_node_load (&node, dir), ZB_NODE_FOUND);
    assert_true (s_same (&node, &s_node));
    kit_dir_destroy (&dir);
}

//  Saves another text than this program writes.
static void s_save (const char *dir, const char *text)
{
    zb_record_t *record = zb_record_prepare (dir, "node", text);
    assert_non_null (record);
    assert_int_equal (zb_record_commit (&record), 0);
}

//  The first release's file is of level 1; one of a level that is not read is told from one that is damaged, whatever is
//  behind the two lines that stay as they are.
static void test_level (void **state)
{
    (void) state;
    char *dir = kit_dir_new ();
    zb_node_t node = s_node;
    for (node.level = 0; node.level <= ZB_LEVEL_MOST; node.level++) {
        zb_node_t back;
        assert_int_equal (zb_node_save (&node, dir), 0);
        assert_int_equal (zb_node_load (&back, dir), ZB_NODE_FOUND);
        assert_int_equal (back.level, node.level);
    }
    s_save (dir, "zbroker node 1\ncomplete 1\nsuspect 0\nalone 7\nalone-from 7\ncurrent 3\n");
    assert_int_equal (zb_node_load (&node, dir), ZB_NODE_FOUND);
    assert_int_equal (node.level, 1);
    static const char *const later[] = {"zbroker node 2\nlevel 9 0.9.0\nas -\nand more\n",
                                        "zbroker node 7\nlevel 9 0.9.0\n"};
    for (size_t i = 0; i < 2; i++) {
        s_save (dir, later[i]);
        assert_int_equal (zb_node_load (&node, dir), ZB_NODE_BEYOND);
        char *text = zb_node_beyond (dir);
        assert_non_null (strstr (text, "is of level 9, which takes zbroker 0.9.0 or later; this is zbroker"));
        free (text);
    }
    //  Another version of the file comes with a level.
    s_save (dir, "zbroker node 7\nlevel 2 0.2.0\n");
    assert_int_equal (zb_node_load (&node, dir), ZB_NODE_DAMAGED);
    kit_dir_destroy (&dir);
}

//  Every bit flipped, every length cut, bytes added: never taken for the truth.
static void test_damage (void **state)
{
    (void) state;
    char *dir = kit_dir_new ();
    char text[600];
    assert_int_equal (zb_node_save (&s_node, dir), 0);
    size_t size = s_file (dir, "node", text, sizeof (text), "r");
    zb_node_t node = {.alone = 99};
    for (size_t bit = 0; bit < size * 8; bit++) {
        text[bit / 8] = (char) (text[bit / 8] ^ (1 << bit % 8));
        s_file (dir, "node", text, size, "w");
        assert_int_equal (zb_node_load (&node, dir), ZB_NODE_DAMAGED);
        text[bit / 8] = (char) (text[bit / 8] ^ (1 << bit % 8));
    }
    for (size_t cut = 0; cut < size; cut++) {
        s_file (dir, "node", text, cut, "w");
        assert_int_equal (zb_node_load (&node, dir), ZB_NODE_DAMAGED);
    }
    memset (text + size, '\n', sizeof (text) - size);
    s_file (dir, "node", text, size + 1, "w");
    assert_int_equal (zb_node_load (&node, dir), ZB_NODE_DAMAGED);
    s_file (dir, "node", text, sizeof (text), "w");
    assert_int_equal (zb_node_load (&node, dir), ZB_NODE_DAMAGED);
    assert_int_equal (node.alone, 99);
    s_file (dir, "node", text, size, "w");
    assert_int_equal (zb_node_load (&node, dir), ZB_NODE_FOUND);
    kit_dir_destroy (&dir);
}

//  A crash before the rename leaves a part of the new file beside the old one: the old one counts, and the next save
//  is not hindered.
static void test_crash (void **state)
{
    (void) state;
    char *dir = kit_dir_new ();
    zb_node_t node;
    char half[] = "zbroker node 1\ncomp";
    s_file (dir, "node.new", half, sizeof (half) - 1, "w");
    assert_int_equal (zb_node_load (&node, dir), ZB_NODE_ABSENT);
    assert_int_equal (zb_node_save (&s_node, dir), 0);
    s_file (dir, "node.new", half, sizeof (half) - 1, "w");
    assert_int_equal (zb_node_load (&node, dir), ZB_NODE_FOUND);
    assert_true (s_same (&node, &s_node));
    zb_node_t other = s_node;
    other.alone = 0;
    assert_int_equal (zb_node_save (&other, dir), 0);
    assert_int_equal (zb_node_load (&node, dir), ZB_NODE_FOUND);
    assert_true (s_same (&node, &other));
    kit_dir_destroy (&dir);
}

//  A folder that is not there, or where the file can't be replaced: an error, and the old file stands.
static void test_error (void **state)
{
    (void) state;
    assert_int_equal (zb_node_save (&s_node, "/nonexistent/folder"), -1);
    char *dir = kit_dir_new ();
    assert_int_equal (zb_node_save (&s_node, dir), 0);
    char path[300];
    snprintf (path, sizeof (path), "%s/node.new", dir);
    assert_int_equal (mkdir (path, 0700), 0);
    zb_node_t node = {0};
    assert_int_equal (zb_node_save (&node, dir), -1);
    assert_int_equal (zb_node_load (&node, dir), ZB_NODE_FOUND);
    assert_true (s_same (&node, &s_node));
    kit_dir_destroy (&dir);
}

//  In a folder that others can write, a link beside is not followed, and its target not touched.
static void test_a_link_is_not_followed (void **state)
{
    (void) state;
    char *dir = kit_dir_new (), path[300], target[300], mine[] = "mine", found[8] = "";
    s_file (dir, "target", mine, sizeof mine, "w");
    snprintf (path, sizeof path, "%s/node.new", dir);
    snprintf (target, sizeof target, "%s/target", dir);
    assert_int_equal (symlink (target, path), 0);
    assert_int_equal (zb_node_save (&s_node, dir), 0);
    s_file (dir, "target", found, sizeof mine, "r");
    assert_string_equal (found, mine);
    snprintf (path, sizeof path, "%s/node", dir);
    struct stat info;
    assert_int_equal (lstat (path, &info), 0);
    assert_true (S_ISREG (info.st_mode) && (info.st_mode & 0777) == 0600);
    kit_dir_destroy (&dir);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_absent),
        cmocka_unit_test (test_roundtrip),
        cmocka_unit_test (test_level),
        cmocka_unit_test (test_damage),
        cmocka_unit_test (test_crash),
        cmocka_unit_test (test_error),
        cmocka_unit_test (test_a_link_is_not_followed),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
