/*  =========================================================================
    test_config_open - what of a configuration is open to others is refused, or told

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include "config_kit.h"
#include "io/base/config_open.h"

//  A broker that listens beyond this machine has keys, or was told to do without.
static void test_nothing_is_open_without_keys (void **state)
{
    (void) state;
    static const struct {
        const char *bind, *key, *value;
        bool refused;
    } open[] = {{"tcp://127.0.0.1:1", NULL, NULL, false},   {"tcp://*:1", NULL, NULL, true},
                {"tcp://*:1", "keys/insecure", "no", true}, {"tcp://*:1", "keys/insecure", "yes", false},
                {"tcp://*:1", "keys/own", "/k", false},     {"tcp://10.0.0.1:1", NULL, NULL, true}};
    for (size_t index = 0; index < sizeof open / sizeof *open; index++) {
        zb_config_t *config = zb_config_new ();
        kit_good (kit_set (config, "single/bind", open[index].bind));
        if (open[index].key)
            kit_good (kit_set (config, open[index].key, open[index].value));
        kit_good (kit_finish (config));
        char *text = zb_config_unkeyed (config);
        assert_int_equal (text != NULL, open[index].refused);
        if (text)
            assert_non_null (strstr (text, "zbroker key make"));
        free (text);
        //  A witness there needs them as well.
        text = zb_config_unkeyed_witness (config, open[index].bind);
        assert_int_equal (text != NULL, open[index].refused);
        if (text)
            assert_non_null (strstr (text, "zbroker key make"));
        free (text);
        zb_config_destroy (&config);
    }
}

//  Returns whether one of the cautions has these words.
static bool s_warns (const char *file, mode_t mode, const char *store, const char *words)
{
    zb_config_t *config = zb_config_new ();
    chmod (kit_file, 0600);
    kit_good (kit_load (config, "pair\n"));
    zb_config_destroy (&config);
    config = zb_config_new ();
    chmod (kit_file, mode);
    kit_good (kit_load (config, file));
    kit_good (kit_set (config, "as", "primary"));
    kit_good (kit_set (config, "store/folder", store));
    kit_good (kit_finish (config));
    char *text[ZB_CAUTIONS];
    bool found = false;
    size_t count = zb_config_cautions (config, text);
    for (size_t index = 0; index < count; index++) {
        found = found || strstr (text[index], words);
        free (text[index]);
    }
    zb_config_destroy (&config);
    chmod (kit_file, 0600);
    return found;
}

#define S_FAR "primary\n    endpoint = tcp://a:5560\nbackup\n    endpoint = tcp://b:5560\n"
#define S_SECRET "pair\n    secret = 0123456789abcdef\n"

static void test_cautions (void **state)
{
    (void) state;
    char store[] = "/tmp/zb_test_config_store.XXXXXX";
    assert_non_null (mkdtemp (store));
    assert_true (s_warns (S_FAR, 0600, store, "no pair/secret"));
    assert_false (s_warns (S_FAR S_SECRET, 0600, store, "secret"));
    assert_false (s_warns ("pair\n", 0644, store, "secret"));
    assert_true (s_warns (S_SECRET, 0644, store, "chmod 600"));
    assert_true (s_warns ("pair\n    secret = 0123456789abcde\n", 0600, store, "15 letters"));
    assert_false (s_warns ("pair\n", 0600, store, store));
    chmod (store, 0777);
    assert_true (s_warns ("pair\n", 0600, store, store));
    rmdir (store);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_nothing_is_open_without_keys),
        cmocka_unit_test (test_cautions),
    };
    return cmocka_run_group_tests (tests, kit_make_file, kit_remove_file);
}
