/*  =========================================================================
    test_config_file - a file is read, and what is wrong with it is named

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include "config_kit.h"

static void test_file (void **state)
{
    (void) state;
    zb_config_t *config = zb_config_new ();
    kit_good (kit_load (config, "#   A comment\n"
                                "pair\n"
                                "    name = orders\n"
                                "    secret = \"a secret # with a hash\"\n"
                                "    peer-loss = wait\n"
                                "    silence = 2s   #  a comment behind\n"
                                "primary\n"
                                "    endpoint = tcp://a:5560\n"
                                "backup\n"
                                "    endpoint = tcp://b:5560\n"
                                "store\n"
                                "    folder = /var/lib/zbroker\n"
                                "    cache = 256m\n"
                                "log\n"
                                "    level = debug\n"
                                "limits\n"
                                "    body = 4096\n"
                                "    producers = 20\n"
                                "    producer-idle = 2d\n"
                                "    lease = 1500 ms\n"));
    assert_string_equal (config->pair, "orders");
    assert_string_equal (config->secret, "a secret # with a hash");
    assert_true (config->peer_loss_wait);
    assert_int_equal (config->silence, 2000);
    assert_string_equal (config->store, "/var/lib/zbroker");
    assert_int_equal (config->cache, 256 << 20);
    assert_int_equal (config->log_level, ZB_LOG_DEBUG);
    assert_int_equal (config->limits.body, 4096);
    assert_int_equal (config->limits.producers, 20);
    assert_int_equal (config->limits.producer_idle, 2 * 86400000);
    assert_int_equal (config->limits.lease, 1500);
    assert_int_equal (config->as, ZB_SINGLE);
    //  The command line goes over the file.
    kit_good (kit_set (config, "as", "backup"));
    kit_good (kit_set (config, "pair/peer-loss", "solo"));
    kit_good (kit_finish (config));
    assert_false (config->peer_loss_wait);
    assert_string_equal (config->host[ZB_BACKUP].ship, "tcp://b:5562");
    zb_config_destroy (&config);
}

static void test_file_sections_may_be_empty (void **state)
{
    (void) state;
    zb_config_t *config = zb_config_new ();
    kit_good (kit_load (config, "pair\nlimits\n#    body = 1\n"));
    kit_good (kit_load (config, ""));
    kit_good (kit_finish (config));
    zb_config_destroy (&config);
}

static void test_file_errors (void **state)
{
    (void) state;
    zb_config_t *config = zb_config_new ();
    kit_refused (kit_load (config, "limits\n    bdoy = 1\n"), kit_file, "'limits/bdoy'", "'limits/body'");
    kit_refused (kit_load (config, "limits\n    body = many\n"), kit_file, "limits/body", "'many'");
    kit_refused (kit_load (config, "piar\n    name = x\n"), kit_file, "'piar'", "'pair/");
    kit_refused (kit_load (config, "pair = x\n"), kit_file, "pair is a section");
    kit_refused (kit_load (config, "pair\n    name\n        first = x\n"), kit_file, "pair/name");
    kit_refused (kit_load (config, "pair\n    name = x\n    name = y\n"), kit_file, "pair/name is set twice");
    kit_refused (kit_load (config, "pair\npair\n"), kit_file, "twice");
    kit_refused (kit_load (config, "as = primary\n"), kit_file, "--as primary");
    kit_refused (kit_load (config, "log\n    level = loud\n"), kit_file, "log/level", "warning");
    kit_refused (kit_load (config, "log\n    format = xml\n"), kit_file, "log/format", "'json'");
    kit_refused (kit_load (config, "pair\n    peer-loss = perhaps\n"), kit_file, "pair/peer-loss", "'wait'");
    kit_refused (kit_load (config, "pair\n    name = \"two words\"\n"), kit_file, "pair/name");
    kit_refused (kit_load (config, "pair\n  name = x\n"), kit_file, "ZPL");
    char *error;
    assert_int_equal (zb_config_load (config, "/", &error), -1);
    kit_refused (error, "/: ");
    assert_int_equal (zb_config_load (config, "/nonexistent/zbroker.conf", &error), -1);
    kit_refused (error, "/nonexistent/zbroker.conf", "No such file");
    zb_config_destroy (&config);
}

//  What ZPL would read otherwise than it is meant.
static void test_file_that_misleads (void **state)
{
    (void) state;
    static const struct {
        const char *text, *words; //  NULL: good
    } cases[] = {
        {"pair\n    secret = a#b\n", "line 2"},
        {"pair\n    secret = a #b\n", NULL},
        {"pair\n    secret = 'a#b' # a comment\n", NULL},
        {"# secret = a#b\npair\n    name = x\n", NULL},
        {"pair\n    secret = \u201ca b\u201d\n", "typographic"},
        {"pair\n    name = \u2018x\u2019\n", "typographic"},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        zb_config_t *config = zb_config_new ();
        char *error = kit_load (config, cases[index].text);
        if (cases[index].words)
            kit_refused (error, cases[index].words, kit_file);
        else
            kit_good (error);
        zb_config_destroy (&config);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_file),
        cmocka_unit_test (test_file_sections_may_be_empty),
        cmocka_unit_test (test_file_errors),
        cmocka_unit_test (test_file_that_misleads),
    };
    return cmocka_run_group_tests (tests, kit_make_file, kit_remove_file);
}
