/*  =========================================================================
    test_config - settings and their values, what follows from them, and what does not fit together

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include "config_kit.h"

static void test_defaults_single (void **state)
{
    (void) state;
    zb_config_t *config = zb_config_new ();
    kit_good (kit_finish (config));
    assert_int_equal (config->as, ZB_SINGLE);
    assert_string_equal (config->host[ZB_SINGLE].endpoint, "tcp://127.0.0.1:5560");
    assert_string_equal (config->host[ZB_SINGLE].bind, "tcp://127.0.0.1:5560");
    assert_string_equal (config->store, "zbroker-single");
    assert_int_equal (config->beat, 100);
    assert_int_equal (config->silence, 500);
    assert_int_equal (config->ack_limit, 1000);
    assert_int_equal (config->turn_limit, 1000);
    assert_int_equal (config->resync_rate, 32 << 20);
    assert_int_equal (config->disk_limit, 5000);
    assert_false (config->peer_loss_wait);
    assert_int_equal (config->limits.body, 1 << 20);
    zb_config_destroy (&config);
    assert_null (config);
    zb_config_destroy (&config);
}

static void test_defaults_pair (void **state)
{
    (void) state;
    zb_config_t *config = zb_config_new ();
    kit_good (kit_set (config, "as", "backup"));
    kit_good (kit_finish (config));
    assert_int_equal (config->as, ZB_BACKUP);
    assert_string_equal (config->host[ZB_PRIMARY].endpoint, "tcp://127.0.0.1:5560");
    assert_string_equal (config->host[ZB_BACKUP].endpoint, "tcp://127.0.0.1:5570");
    assert_string_equal (config->host[ZB_BACKUP].state, "tcp://127.0.0.1:5571");
    assert_string_equal (config->host[ZB_BACKUP].ship, "tcp://127.0.0.1:5572");
    assert_string_equal (config->store, "zbroker-backup");
    zb_config_destroy (&config);
}

//  Where a broker listens, for each kind of endpoint and bind.
static void test_binds (void **state)
{
    (void) state;
    static const struct {
        const char *endpoint, *bind, *bound, *state, *state_bound, *ship_bound;
    } cases[] = {
        {"tcp://127.0.0.1:7000", NULL, "tcp://127.0.0.1:7000", "tcp://127.0.0.1:7001", "tcp://127.0.0.1:7001",
         "tcp://127.0.0.1:7002"},
        {"tcp://127.0.0.9:7000", NULL, "tcp://127.0.0.9:7000", "tcp://127.0.0.9:7001", "tcp://127.0.0.9:7001",
         "tcp://127.0.0.9:7002"},
        {"tcp://localhost:7000", NULL, "tcp://127.0.0.1:7000", "tcp://localhost:7001", "tcp://127.0.0.1:7001",
         "tcp://127.0.0.1:7002"},
        {"tcp://10.1.1.1:7000", NULL, "tcp://*:7000", "tcp://10.1.1.1:7001", "tcp://*:7001", "tcp://*:7002"},
        {"tcp://a.example:7000", NULL, "tcp://*:7000", "tcp://a.example:7001", "tcp://*:7001", "tcp://*:7002"},
        {"tcp://127.example:7000", NULL, "tcp://*:7000", "tcp://127.example:7001", "tcp://*:7001", "tcp://*:7002"},
        {"tcp://a:7000", "tcp://eth1:9000", "tcp://eth1:9000", "tcp://a:7001", "tcp://eth1:7001", "tcp://eth1:7002"},
        {"tcp://127.0.0.1:7000", "tcp://*:7000", "tcp://*:7000", "tcp://127.0.0.1:7001", "tcp://*:7001",
         "tcp://*:7002"},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        zb_config_t *config = zb_config_new ();
        kit_good (kit_set (config, "as", "primary"));
        kit_good (kit_set (config, "primary/endpoint", cases[index].endpoint));
        kit_good (kit_set (config, "backup/endpoint", "tcp://other:7000"));
        if (cases[index].bind)
            kit_good (kit_set (config, "primary/bind", cases[index].bind));
        kit_good (kit_finish (config));
        zb_host_t *host = &config->host[ZB_PRIMARY];
        assert_string_equal (host->endpoint, cases[index].endpoint);
        assert_string_equal (host->bind, cases[index].bound);
        assert_string_equal (host->state, cases[index].state);
        assert_string_equal (host->state_bind, cases[index].state_bound);
        assert_string_equal (host->ship_bind, cases[index].ship_bound);
        zb_config_destroy (&config);
    }
}

static void test_endpoints_refused (void **state)
{
    (void) state;
    static const char *const bad[] = {"",
                                      "tcp://",
                                      "host:5560",
                                      "ipc://x",
                                      "tcp://host",
                                      "tcp://host:",
                                      "tcp://host:0",
                                      "tcp://host:65536",
                                      "tcp://host:123456",
                                      "tcp://host:5560x",
                                      "tcp://:5560",
                                      "tcp://*:5560",
                                      "tcp://ho st:5560",
                                      "tcp://host:-1",
                                      "TCP://host:5560"};
    zb_config_t *config = zb_config_new ();
    for (size_t index = 0; index < sizeof bad / sizeof *bad; index++)
        kit_refused (kit_set (config, "primary/endpoint", bad[index]), "primary/endpoint", "tcp://HOST:PORT",
                     bad[index]);
    assert_null (config->host[ZB_PRIMARY].endpoint);
    kit_good (kit_set (config, "single/endpoint", "tcp://host:65533"));
    kit_refused (kit_finish (config), "single/endpoint", "65532");
    zb_config_destroy (&config);
}

static void test_pair_must_be_whole (void **state)
{
    (void) state;
    zb_config_t *config = zb_config_new ();
    kit_good (kit_set (config, "primary/endpoint", "tcp://a:5560"));
    kit_refused (kit_finish (config), "--as");
    kit_good (kit_set (config, "as", "primary"));
    kit_refused (kit_finish (config), "backup/endpoint");
    kit_good (kit_set (config, "backup/endpoint", "tcp://a:5561"));
    kit_refused (kit_finish (config), "tcp://a:5561", "two uses");
    kit_refused (kit_set (config, "as", "bakcup"), "primary", "backup");
    zb_config_destroy (&config);
}

#define KEY_1 "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
#define KEY_2 "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"

//  All that a pair needs, or none.
static void test_keys (void **state)
{
    (void) state;
    zb_config_t *config = zb_config_new ();
    kit_good (kit_load (config, "keys\n    own = /etc/k\n    primary = \"" KEY_1 "\"\n    backup = \"" KEY_2 "\"\n"
                                "    witness = \"" KEY_1 "\"\n"));
    assert_string_equal (config->key_file, "/etc/k");
    assert_string_equal (config->public_key[ZB_PRIMARY], KEY_1);
    assert_string_equal (config->public_key[ZB_BACKUP], KEY_2);
    assert_string_equal (config->witness_key, KEY_1);
    kit_good (kit_set (config, "as", "backup"));
    kit_good (kit_finish (config));
    zb_config_destroy (&config);

    static const struct {
        const char *text, *word;
    } wrong[] = {{"keys\n    primary = \"" KEY_1 "\"\n", "keys/own"},
                 {"keys\n    own = /k\n    backup = \"" KEY_1 "\"\n", "keys/primary is not"},
                 {"keys\n    own = /k\n    primary = \"" KEY_1 "\"\n    backup = \"" KEY_1 "\"\n", "are the same"},
                 {"pair\n    witness = tcp://127.0.0.1:1\nkeys\n    own = /k\n    primary = \"" KEY_1
                  "\"\n    backup = \"" KEY_2 "\"\n",
                  "keys/witness is not"}};
    for (size_t index = 0; index < sizeof wrong / sizeof *wrong; index++) {
        config = zb_config_new ();
        kit_good (kit_load (config, wrong[index].text));
        kit_good (kit_set (config, "as", "primary"));
        kit_refused (kit_finish (config), wrong[index].word);
        zb_config_destroy (&config);
    }
    config = zb_config_new ();
    kit_refused (kit_set (config, "keys/primary", "short"), "keys/primary", "40 characters");
    kit_refused (kit_set (config, "keys/insecure", "maybe"), "keys/insecure");
    zb_config_destroy (&config);
}

static void test_shared (void **state)
{
    (void) state;
    static const struct {
        const char *text, *words; //  NULL: good
    } cases[] = {
        {"store\n    folder = /san\n    shared = yes\n    fence = \"off $ZBROKER_HOST\"\n    lease = 5s\n", NULL},
        {"store\n    folder = /san\n    shared = no\n", NULL},
        {"store\n    shared = yes\n", "--store DIR"},
        {"store\n    folder = /san\n    shared = true\n", "neither 'yes' nor 'no'"},
        {"store\n    folder = /san\n    fence = off\n", "not shared"},
        {"store\n    folder = /san\n    shared = yes\npair\n    peer-loss = wait\n", "peer-loss"},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        zb_config_t *config = zb_config_new ();
        kit_good (kit_set (config, "as", "primary"));
        char *error = kit_load (config, cases[index].text);
        error = error ? error : kit_finish (config);
        assert_int_equal (error != NULL, cases[index].words != NULL);
        if (error)
            assert_non_null (strstr (error, cases[index].words));
        else if (index == 0) {
            assert_true (config->shared && !config->unfenced_ok);
            assert_string_equal (config->fence, "off $ZBROKER_HOST");
            assert_int_equal (config->lease, 5000);
        }
        free (error);
        zb_config_destroy (&config);
    }
}

//  Beyond this machine the page takes TLS and logins.
static void test_page (void **state)
{
    (void) state;
#define S_TLS "http\n    certificate = /c\n    key = /k\n"
    static const struct {
        const char *text, *words; //  NULL: good
        bool asked;               //  it has to listen
    } cases[] = {
        {"single\n", NULL, false},
        {"single\n    http = none\n", NULL, true},
        {"single\n    http = tcp://localhost:7\n", NULL, true},
        {S_TLS, NULL, true},
        {S_TLS "    login = /l\n    names = \"a b\"\nsingle\n    http = \"tcp://*:7\"\n", NULL, true},
        {"http\n    certificate = /c\n", "http/key is not", true},
        {"http\n    key = /k\n", "http/certificate is not", true},
        {S_TLS "single\n    http = tcp://10.0.0.1:7\n", "http/login", true},
        {"http\n    login = /l\nsingle\n    http = \"tcp://*:7\"\n", "http/certificate", true},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        zb_config_t *config = zb_config_new ();
        char *error = kit_load (config, cases[index].text);
        error = error ? error : kit_finish (config);
        assert_int_equal (error != NULL, cases[index].words != NULL);
        if (error)
            assert_non_null (strstr (error, cases[index].words));
        else
            assert_int_equal (config->http_asked, cases[index].asked);
        free (error);
        zb_config_destroy (&config);
    }
}

static void test_numbers (void **state)
{
    (void) state;
    static const struct {
        const char *key, *value;
        uint64_t number; //  0: refused
    } cases[] = {
        {"limits/body", "1", 1},
        {"limits/body", "64k", 64 << 10},
        {"limits/body", "2 M", 2 << 20},
        {"limits/body", "1G", 1 << 30},
        {"limits/body", "1025m", 0},
        {"limits/body", "0", 0},
        {"limits/body", "-1", 0},
        {"limits/body", "", 0},
        {"limits/body", "k", 0},
        {"limits/body", "1kb", 0},
        {"limits/body", "1s", 0},
        {"limits/body", "18446744073709551617", 0},
        {"limits/body", "17179869184g", 0},
        {"limits/body", "0x10", 0},
        {"limits/bodies", "1000", 1000},
        {"limits/bodies", "1k", 0},
        {"pair/silence", "1s", 1000},
        {"pair/silence", "250", 250},
        {"pair/silence", "250ms", 250},
        {"pair/silence", "1min", 60000},
        {"pair/silence", "1m", 0},
        {"pair/silence", "49", 0},
        {"pair/silence", "2h", 0},
    };
    zb_config_t *config = zb_config_new ();
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        char *error = kit_set (config, cases[index].key, cases[index].value);
        if (cases[index].number == 0) {
            kit_refused (error, cases[index].key, cases[index].value);
            continue;
        }
        kit_good (error);
        uint64_t number = streq (cases[index].key, "limits/body")     ? config->limits.body
                          : streq (cases[index].key, "limits/bodies") ? config->limits.bodies
                                                                      : (uint64_t) config->silence;
        assert_int_equal (number, cases[index].number);
    }
    zb_config_destroy (&config);
}

static void test_limits_must_fit_together (void **state)
{
    (void) state;
    static const struct {
        const char *key, *value, *other;
    } cases[] = {{"limits/body", "32m", "limits/request"},
                 {"limits/window", "1g", "limits/windows"},
                 {"limits/output", "1g", "limits/outputs"}};
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        zb_config_t *config = zb_config_new ();
        kit_good (kit_set (config, cases[index].key, cases[index].value));
        kit_refused (kit_finish (config), cases[index].key + strlen ("limits/"), cases[index].other);
        zb_config_destroy (&config);
    }
    zb_config_t *config = zb_config_new ();
    kit_good (kit_set (config, "as", "primary"));
    kit_good (kit_set (config, "pair/heartbeat", "200"));
    kit_refused (kit_finish (config), "pair/silence", "pair/heartbeat");
    zb_config_destroy (&config);
    //  A file of the log, unless it is set, is no larger than what is kept of it.
    config = zb_config_new ();
    kit_good (kit_set (config, "store/log-keep", "8m"));
    kit_good (kit_finish (config));
    assert_int_equal (config->log_file, 8 << 20);
    zb_config_destroy (&config);
    config = zb_config_new ();
    kit_good (kit_set (config, "store/log-keep", "8m"));
    kit_good (kit_set (config, "store/log-file", "16m"));
    kit_refused (kit_finish (config), "store/log-keep", "store/log-file");
    zb_config_destroy (&config);
    //  What is set is kept; what is not, or was refused, is learned.
    config = zb_config_new ();
    kit_refused (kit_set (config, "pair/silence", "49"), "pair/silence", "49");
    kit_good (kit_set (config, "pair/heartbeat", "50"));
    assert_false (config->silence_set);
    kit_good (kit_set (config, "pair/silence", "500"));
    assert_true (config->silence_set);
    zb_config_destroy (&config);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_defaults_single),
        cmocka_unit_test (test_defaults_pair),
        cmocka_unit_test (test_binds),
        cmocka_unit_test (test_endpoints_refused),
        cmocka_unit_test (test_pair_must_be_whole),
        cmocka_unit_test (test_keys),
        cmocka_unit_test (test_shared),
        cmocka_unit_test (test_page),
        cmocka_unit_test (test_numbers),
        cmocka_unit_test (test_limits_must_fit_together),
    };
    return cmocka_run_group_tests (tests, kit_make_file, kit_remove_file);
}
