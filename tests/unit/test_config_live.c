/*  =========================================================================
    test_config_live - what of a configuration is taken while a broker runs

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include "config_kit.h"
#include "io/base/config_live.h"

//  A finished config of the backup, of this text.
static zb_config_t *s_backup_of (const char *text)
{
    zb_config_t *config = zb_config_new ();
    kit_good (kit_set (config, "as", "backup"));
    kit_good (kit_load (config, text));
    kit_good (kit_finish (config));
    return config;
}

//  What may change while a broker runs is taken, all else is named, and no secret is.
static void test_take (void **state)
{
    (void) state;
    char *changed, *kept, *error;
    zb_config_t *config = s_backup_of ("pair\n    secret = first-secret\n"), *fresh;
    fresh = s_backup_of ("pair\n    secret = first-secret\n");
    assert_int_equal (zb_config_take (config, fresh, &changed, &kept, &error), 0);
    assert_null (changed);
    assert_null (kept);
    zb_config_destroy (&fresh);
    fresh =
        s_backup_of ("pair\n    secret = other-secret\nlimits\n    queues = 7\n    lease = 1min\n    connections = 9\n"
                     "log\n    level = debug\n    format = json\nstore\n    cache = 1m\n");
    assert_int_equal (zb_config_take (config, fresh, &changed, &kept, &error), 0);
    assert_string_equal (changed,
                         "log/level = debug (it was info), log/format = json (it was lines), limits/queues = 7 (it "
                         "was 100000), limits/lease = 60000 (it was 30000)");
    assert_string_equal (kept, "pair/secret, store/cache, limits/connections");
    assert_int_equal (config->limits.queues, 7);
    assert_int_equal (config->limits.lease, 60000);
    assert_int_equal (config->limits.connections, 0);
    assert_int_equal (config->cache, 64 << 20);
    assert_int_equal (config->log_level, ZB_LOG_DEBUG);
    assert_int_equal (config->log_form, ZB_LOGLINE_JSON);
    assert_string_equal (config->secret, "first-secret");
    free (changed);
    free (kept);
    zb_config_destroy (&fresh);
    //  What is kept and what is taken have to fit together, though each file does.
    fresh = s_backup_of ("limits\n    body = 32m\n    request = 64m\n    queues = 8\n");
    assert_int_equal (zb_config_take (config, fresh, &changed, &kept, &error), -1);
    kit_refused (error, "restart", "limits/request");
    assert_null (changed);
    assert_null (kept);
    assert_int_equal (config->limits.queues, 7);
    assert_int_equal (config->limits.body, 1 << 20);
    zb_config_destroy (&fresh);
    zb_config_destroy (&config);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_take),
    };
    return cmocka_run_group_tests (tests, kit_make_file, kit_remove_file);
}
