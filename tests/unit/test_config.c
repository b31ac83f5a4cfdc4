/*  =========================================================================
    test_config - defaults, file, command line, and the errors they give

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <czmq.h>

#include "io/base/config.h"
#include "io/base/nearest.h"

static char s_file[] = "/tmp/zb_test_config.XXXXXX";

static int s_make_file (void **state)
{
    (void) state;
    int handle = mkstemp (s_file);
    return handle == -1 ? -1 : close (handle);
}

static int s_remove_file (void **state)
{
    (void) state;
    return unlink (s_file);
}

//  Loads a text as a file.  Returns the error, or NULL; the caller frees it.
static char *s_load (zb_config_t *config, const char *text)
{
    FILE *file = fopen (s_file, "w");
    assert_non_null (file);
    assert_true (fputs (text, file) >= 0);
    assert_int_equal (fclose (file), 0);
    char *error;
    int rc = zb_config_load (config, s_file, &error);
    assert_int_equal (rc, error ? -1 : 0);
    return error;
}

static void s_assert_good (char *error)
{
    if (error)
        fail_msg ("%s", error);
}

//  Takes the error, which must have all the words.
#define s_assert_error(...) s_assert_error_has (__VA_ARGS__, NULL)
static void s_assert_error_has (char *error, ...)
{
    assert_non_null (error);
    va_list words;
    va_start (words, error);
    for (const char *word = va_arg (words, const char *); word; word = va_arg (words, const char *))
        if (!strstr (error, word))
            fail_msg ("'%s' lacks '%s'", error, word);
    va_end (words);
    free (error);
}

static char *s_set (zb_config_t *config, const char *key, const char *value)
{
    char *error;
    zb_config_set (config, key, value, &error);
    return error;
}

static char *s_finish (zb_config_t *config)
{
    char *error;
    zb_config_finish (config, &error);
    return error;
}

static void test_defaults_single (void **state)
{
    (void) state;
    zb_config_t *config = zb_config_new ();
    s_assert_good (s_finish (config));
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
    s_assert_good (s_set (config, "as", "backup"));
    s_assert_good (s_finish (config));
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
        s_assert_good (s_set (config, "as", "primary"));
        s_assert_good (s_set (config, "primary/endpoint", cases[index].endpoint));
        s_assert_good (s_set (config, "backup/endpoint", "tcp://other:7000"));
        if (cases[index].bind)
            s_assert_good (s_set (config, "primary/bind", cases[index].bind));
        s_assert_good (s_finish (config));
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
        s_assert_error (s_set (config, "primary/endpoint", bad[index]), "primary/endpoint", "tcp://HOST:PORT",
                        bad[index]);
    assert_null (config->host[ZB_PRIMARY].endpoint);
    s_assert_good (s_set (config, "single/endpoint", "tcp://host:65533"));
    s_assert_error (s_finish (config), "single/endpoint", "65532");
    zb_config_destroy (&config);
}

static void test_pair_must_be_whole (void **state)
{
    (void) state;
    zb_config_t *config = zb_config_new ();
    s_assert_good (s_set (config, "primary/endpoint", "tcp://a:5560"));
    s_assert_error (s_finish (config), "--as");
    s_assert_good (s_set (config, "as", "primary"));
    s_assert_error (s_finish (config), "backup/endpoint");
    s_assert_good (s_set (config, "backup/endpoint", "tcp://a:5561"));
    s_assert_error (s_finish (config), "tcp://a:5561", "two uses");
    s_assert_error (s_set (config, "as", "bakcup"), "primary", "backup");
    zb_config_destroy (&config);
}

static void test_file (void **state)
{
    (void) state;
    zb_config_t *config = zb_config_new ();
    s_assert_good (s_load (config, "#   A comment\n"
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
    s_assert_good (s_set (config, "as", "backup"));
    s_assert_good (s_set (config, "pair/peer-loss", "solo"));
    s_assert_good (s_finish (config));
    assert_false (config->peer_loss_wait);
    assert_string_equal (config->host[ZB_BACKUP].ship, "tcp://b:5562");
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
        char *error = s_load (config, cases[index].text);
        if (cases[index].words)
            s_assert_error (error, cases[index].words, s_file);
        else
            s_assert_good (error);
        zb_config_destroy (&config);
    }
}

//  Returns whether one of the cautions has these words.
static bool s_warns (const char *file, mode_t mode, const char *store, const char *words)
{
    zb_config_t *config = zb_config_new ();
    chmod (s_file, 0600);
    s_assert_good (s_load (config, "pair\n"));
    zb_config_destroy (&config);
    config = zb_config_new ();
    chmod (s_file, mode);
    s_assert_good (s_load (config, file));
    s_assert_good (s_set (config, "as", "primary"));
    s_assert_good (s_set (config, "store/folder", store));
    s_assert_good (s_finish (config));
    char *text[ZB_CAUTIONS];
    bool found = false;
    size_t count = zb_config_cautions (config, text);
    for (size_t index = 0; index < count; index++) {
        found = found || strstr (text[index], words);
        free (text[index]);
    }
    zb_config_destroy (&config);
    chmod (s_file, 0600);
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
        s_assert_good (s_set (config, "as", "primary"));
        char *error = s_load (config, cases[index].text);
        error = error ? error : s_finish (config);
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

#define KEY_1 "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
#define KEY_2 "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"

//  All that a pair needs, or none; and beyond this machine not none.
static void test_keys (void **state)
{
    (void) state;
    zb_config_t *config = zb_config_new ();
    s_assert_good (s_load (config, "keys\n    own = /etc/k\n    primary = \"" KEY_1 "\"\n    backup = \"" KEY_2 "\"\n"
                                   "    witness = \"" KEY_1 "\"\n"));
    assert_string_equal (config->key_file, "/etc/k");
    assert_string_equal (config->public_key[ZB_PRIMARY], KEY_1);
    assert_string_equal (config->public_key[ZB_BACKUP], KEY_2);
    assert_string_equal (config->witness_key, KEY_1);
    s_assert_good (s_set (config, "as", "backup"));
    s_assert_good (s_finish (config));
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
        s_assert_good (s_load (config, wrong[index].text));
        s_assert_good (s_set (config, "as", "primary"));
        s_assert_error (s_finish (config), wrong[index].word);
        zb_config_destroy (&config);
    }
    config = zb_config_new ();
    s_assert_error (s_set (config, "keys/primary", "short"), "keys/primary", "40 characters");
    s_assert_error (s_set (config, "keys/insecure", "maybe"), "keys/insecure");
    zb_config_destroy (&config);

    static const struct {
        const char *bind, *key, *value;
        bool refused;
    } open[] = {{"tcp://127.0.0.1:1", NULL, NULL, false},   {"tcp://*:1", NULL, NULL, true},
                {"tcp://*:1", "keys/insecure", "no", true}, {"tcp://*:1", "keys/insecure", "yes", false},
                {"tcp://*:1", "keys/own", "/k", false},     {"tcp://10.0.0.1:1", NULL, NULL, true}};
    for (size_t index = 0; index < sizeof open / sizeof *open; index++) {
        config = zb_config_new ();
        s_assert_good (s_set (config, "single/bind", open[index].bind));
        if (open[index].key)
            s_assert_good (s_set (config, open[index].key, open[index].value));
        s_assert_good (s_finish (config));
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

static void test_file_sections_may_be_empty (void **state)
{
    (void) state;
    zb_config_t *config = zb_config_new ();
    s_assert_good (s_load (config, "pair\nlimits\n#    body = 1\n"));
    s_assert_good (s_load (config, ""));
    s_assert_good (s_finish (config));
    zb_config_destroy (&config);
}

static void test_file_errors (void **state)
{
    (void) state;
    zb_config_t *config = zb_config_new ();
    s_assert_error (s_load (config, "limits\n    bdoy = 1\n"), s_file, "'limits/bdoy'", "'limits/body'");
    s_assert_error (s_load (config, "limits\n    body = many\n"), s_file, "limits/body", "'many'");
    s_assert_error (s_load (config, "piar\n    name = x\n"), s_file, "'piar'", "'pair/");
    s_assert_error (s_load (config, "pair = x\n"), s_file, "pair is a section");
    s_assert_error (s_load (config, "pair\n    name\n        first = x\n"), s_file, "pair/name");
    s_assert_error (s_load (config, "pair\n    name = x\n    name = y\n"), s_file, "pair/name is set twice");
    s_assert_error (s_load (config, "pair\npair\n"), s_file, "twice");
    s_assert_error (s_load (config, "as = primary\n"), s_file, "--as primary");
    s_assert_error (s_load (config, "log\n    level = loud\n"), s_file, "log/level", "warning");
    s_assert_error (s_load (config, "log\n    format = xml\n"), s_file, "log/format", "'json'");
    s_assert_error (s_load (config, "pair\n    peer-loss = perhaps\n"), s_file, "pair/peer-loss", "'wait'");
    s_assert_error (s_load (config, "pair\n    name = \"two words\"\n"), s_file, "pair/name");
    s_assert_error (s_load (config, "pair\n  name = x\n"), s_file, "ZPL");
    char *error;
    assert_int_equal (zb_config_load (config, "/", &error), -1);
    s_assert_error (error, "/: ");
    assert_int_equal (zb_config_load (config, "/nonexistent/zbroker.conf", &error), -1);
    s_assert_error (error, "/nonexistent/zbroker.conf", "No such file");
    zb_config_destroy (&config);
}

//  A finished config of the backup, of this text.
static zb_config_t *s_backup_of (const char *text)
{
    zb_config_t *config = zb_config_new ();
    s_assert_good (s_set (config, "as", "backup"));
    s_assert_good (s_load (config, text));
    s_assert_good (s_finish (config));
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
    s_assert_error (error, "restart", "limits/request");
    assert_null (changed);
    assert_null (kept);
    assert_int_equal (config->limits.queues, 7);
    assert_int_equal (config->limits.body, 1 << 20);
    zb_config_destroy (&fresh);
    zb_config_destroy (&config);
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
        char *error = s_set (config, cases[index].key, cases[index].value);
        if (cases[index].number == 0) {
            s_assert_error (error, cases[index].key, cases[index].value);
            continue;
        }
        s_assert_good (error);
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
                 {"limits/output", "1g", "limits/outputs"},
                 {"store/log-keep", "8m", "store/log-file"}};
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        zb_config_t *config = zb_config_new ();
        s_assert_good (s_set (config, cases[index].key, cases[index].value));
        s_assert_error (s_finish (config), cases[index].key + strlen ("limits/"), cases[index].other);
        zb_config_destroy (&config);
    }
    zb_config_t *config = zb_config_new ();
    s_assert_good (s_set (config, "as", "primary"));
    s_assert_good (s_set (config, "pair/heartbeat", "200"));
    s_assert_error (s_finish (config), "pair/silence", "pair/heartbeat");
    zb_config_destroy (&config);
}

static void test_nearest (void **state)
{
    (void) state;
    assert_int_equal (zb_nearest_distance ("", ""), 0);
    assert_int_equal (zb_nearest_distance ("put", "put"), 0);
    assert_int_equal (zb_nearest_distance ("", "put"), 3);
    assert_int_equal (zb_nearest_distance ("putt", "put"), 1);
    assert_int_equal (zb_nearest_distance ("upt", "put"), 1);
    assert_int_equal (zb_nearest_distance ("gut", "put"), 1);
    assert_int_equal (zb_nearest_distance ("status", "serve"), 5);
    static const char *const known[] = {"serve", "status", "put", "get"};
    assert_string_equal (zb_nearest ("stauts", known, 4), "status");
    assert_string_equal (zb_nearest ("pt", known, 4), "put");
    assert_null (zb_nearest ("x", known, 0));
    char word[200];
    memset (word, 'x', sizeof word - 1);
    word[sizeof word - 1] = 0;
    assert_non_null (zb_nearest (word, known, 4));
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_defaults_single),
        cmocka_unit_test (test_defaults_pair),
        cmocka_unit_test (test_binds),
        cmocka_unit_test (test_endpoints_refused),
        cmocka_unit_test (test_pair_must_be_whole),
        cmocka_unit_test (test_file),
        cmocka_unit_test (test_file_sections_may_be_empty),
        cmocka_unit_test (test_keys),
        cmocka_unit_test (test_shared),
        cmocka_unit_test (test_file_errors),
        cmocka_unit_test (test_file_that_misleads),
        cmocka_unit_test (test_cautions),
        cmocka_unit_test (test_take),
        cmocka_unit_test (test_numbers),
        cmocka_unit_test (test_limits_must_fit_together),
        cmocka_unit_test (test_nearest),
    };
    return cmocka_run_group_tests (tests, s_make_file, s_remove_file);
}
