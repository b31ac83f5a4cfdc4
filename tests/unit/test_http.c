/*  =========================================================================
    test_http - what is served of the core's board

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>
#include <czmq.h>

#include "io/base/config_finish.h"
#include "io/base/config_set.h"
#include "io/broker/delays.h"
#include "io/http/exposition.h"
#include "io/http/http.h"

//  A port that is free now.
static int s_port (void)
{
    int handle = socket (AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    assert_int_equal (bind (handle, (struct sockaddr *) &address, size), 0);
    assert_int_equal (getsockname (handle, (struct sockaddr *) &address, &size), 0);
    close (handle);
    return ntohs (address.sin_port);
}

static zb_config_t *s_config (int port)
{
    zb_config_t *config = zb_config_new ();
    char *error, endpoint[64];
    snprintf (endpoint, sizeof endpoint, "tcp://127.0.0.1:%d", port);
    assert_int_equal (zb_config_set (config, "single/http", endpoint, &error), 0);
    assert_int_equal (zb_config_finish (config, &error), 0);
    return config;
}

//  Returns the code of the answer; waits for it.
static int s_get (int port, const char *path, char *text, size_t size)
{
    int handle = socket (AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons ((uint16_t) port), .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    assert_int_equal (connect (handle, (struct sockaddr *) &address, sizeof address), 0);
    char request[200];
    snprintf (request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
    assert_int_equal (write (handle, request, strlen (request)), strlen (request));
    size_t count = 0;
    ssize_t more;
    while (count + 1 < size && (more = read (handle, text + count, size - 1 - count)) > 0)
        count += (size_t) more;
    text[count] = 0;
    close (handle);
    int code = 0;
    assert_int_equal (sscanf (text, "HTTP/1.1 %d", &code), 1);
    return code;
}

#define STATUS "{\"role\":\"active\",\"level\":\"%s\",\"in_sync\":%s,\"why\":\"because\",\"epoch\":7}"

static void s_post (zb_board_t *board, const char *level, const char *in_step, int64_t made)
{
    char *text = zsys_sprintf (STATUS, level, in_step);
    while (!zb_board_post (board, text, made))
        zclock_sleep (1);
}

static void test_what_is_old_is_not_shown (void **state)
{
    (void) state;
    int port = s_port ();
    char text[20000];
    zb_config_t *config = s_config (port);
    zb_board_t *board = zb_board_new ();
    zb_http_t *http = zb_http_new (config, board);
    assert_non_null (http);
    s_post (board, "both", "true", zclock_mono ());
    assert_int_equal (s_get (port, "/health/live", text, sizeof text), 200);
    assert_int_equal (s_get (port, "/health/ready", text, sizeof text), 200);
    assert_int_equal (s_get (port, "/health/in-sync", text, sizeof text), 200);
    assert_int_equal (s_get (port, "/metrics", text, sizeof text), 200);
    assert_non_null (strstr (text, "\nzbroker_epoch 7\n"));
    s_post (board, "hold", "false", zclock_mono ());
    assert_int_equal (s_get (port, "/health/live", text, sizeof text), 200);
    assert_int_equal (s_get (port, "/health/ready", text, sizeof text), 503);
    assert_int_equal (s_get (port, "/health/in-sync", text, sizeof text), 503);
    assert_non_null (strstr (text, "because"));
    s_post (board, "both", "true", zclock_mono () - ZB_HTTP_STALE - 1000);
    static const char *const paths[] = {"/health/live", "/health/ready", "/health/in-sync", "/metrics"};
    for (size_t index = 0; index < sizeof paths / sizeof *paths; index++) {
        assert_int_equal (s_get (port, paths[index], text, sizeof text), 503);
        assert_null (strstr (text, "zbroker_"));
    }
    zb_http_destroy (&http);
    zb_board_destroy (&board);
    zb_config_destroy (&config);
}

//  A broker that never comes up: its page ends all the same.
static void test_no_broker (void **state)
{
    (void) state;
    zb_config_t *config = s_config (s_port ());
    zb_board_t *board = zb_board_new ();
    zb_http_t *http = zb_http_new (config, board);
    assert_non_null (http);
    assert_null (zb_http_new (config, board));
    assert_int_equal (errno, EADDRINUSE);
    zb_http_destroy (&http);
    zb_http_destroy (&http);
    zb_board_destroy (&board);
    zb_config_destroy (&config);
}

static void test_a_post_does_not_wait (void **state)
{
    (void) state;
    zb_board_t *board = zb_board_new ();
    int64_t made = -1;
    assert_null (zb_board_read (board, &made));
    assert_true (zb_board_post (board, strdup ("one"), 5));
    assert_true (zb_board_post (board, strdup ("two"), 6));
    char *text = zb_board_read (board, &made);
    assert_string_equal (text, "two");
    assert_int_equal (made, 6);
    free (text);
    zb_board_destroy (&board);
}

//  Of what STATUS does not tell there is no figure; of a spread each bound has all that is below it.
static void test_figures (void **state)
{
    (void) state;
    size_t size;
    json_t *status = json_loads (
        "{\"version\":\"1.2.3\",\"node\":\"single\",\"role\":\"passive\",\"in_sync\":true,\"peer\":null,"
        "\"disk\":{\"free\":null,\"full\":false},\"solo_ms\":1500,\"dropped\":{\"cut\":3,\"unknown_keys\":2},"
        "\"sync_us\":{\"bounds\":[500,1000],\"counts\":[2,0,1],\"sum\":2500000}}",
        0, NULL);
    char *text = zb_exposition (status, NULL, true, (zb_exposed_t){.started = 1.5, .wrong_passwords = 7}, &size);
    assert_int_equal (strlen (text), size);
    static const char *const lines[] = {"zbroker_build_info{version=\"1.2.3\",node=\"single\"} 1\n",
                                        "zbroker_role{role=\"passive\"} 1\n",
                                        "zbroker_role{role=\"active\"} 0\n",
                                        "zbroker_in_sync 1\n",
                                        "zbroker_disk_full 0\n",
                                        "# TYPE zbroker_solo_seconds counter\nzbroker_solo_seconds_total 1.5\n",
                                        "zbroker_dropped_total{reason=\"cut\"} 3\n",
                                        "zbroker_auth_failures_total{reason=\"unknown_key\"} 2\n",
                                        "zbroker_auth_failures_total{reason=\"password\"} 7\n",
                                        "zbroker_sync_seconds_bucket{le=\"0.0005\"} 2\n",
                                        "zbroker_sync_seconds_bucket{le=\"0.001\"} 2\n",
                                        "zbroker_sync_seconds_bucket{le=\"+Inf\"} 3\n",
                                        "zbroker_sync_seconds_sum 2.5\nzbroker_sync_seconds_count 3\n",
                                        "process_start_time_seconds 1.5\n"};
    for (size_t index = 0; index < sizeof lines / sizeof *lines; index++)
        if (!strstr (text, lines[index]))
            fail_msg ("no %s in %s", lines[index], text);
    static const char *const none[] = {"zbroker_disk_free_bytes", "zbroker_peer_silence_seconds", "zbroker_puts_total"};
    for (size_t index = 0; index < sizeof none / sizeof *none; index++)
        assert_null (strstr (text, none[index]));
    assert_string_equal (text + size - strlen ("# EOF\n"), "# EOF\n");
    free (text);
    json_decref (status);
}

//  Each queue and subscription by itself, whatever its name is; a topic has no messages of its own.
static void test_figures_of_queues (void **state)
{
    (void) state;
    size_t size;
    json_t *status = json_object ();
    json_t *queues =
        json_loads ("[{\"name\":\"a\\\"b\\\\c\",\"kind\":\"queue\",\"messages\":7,\"leased\":2,\"waiting\":1,\"bytes\":"
                    "12,\"delayed\":4},"
                    "{\"name\":\"k\",\"messages\":9,\"leased\":1,\"blocked\":5},"
                    "{\"name\":\"t\",\"kind\":\"topic\",\"messages\":9},"
                    "{\"name\":\"t/s\",\"kind\":\"subscription\",\"messages\":1,\"leased\":2,\"waiting\":0}]",
                    0, NULL);
    char *text = zb_exposition (status, queues, false, (zb_exposed_t){.started = 1.5}, &size);
    static const char *const lines[] = {
        "# TYPE zbroker_queue_messages gauge\nzbroker_queue_messages{queue=\"a\\\"b\\\\c\"} 7\n",
        "zbroker_queue_messages{queue=\"t/s\"} 1\n# HELP ",
        "zbroker_queue_ready{queue=\"a\\\"b\\\\c\"} 1\n",
        "zbroker_queue_delayed{queue=\"a\\\"b\\\\c\"} 4\n",
        "zbroker_queue_ready{queue=\"k\"} 3\n",
        "zbroker_queue_blocked{queue=\"k\"} 5\n",
        "zbroker_queue_ready{queue=\"t/s\"} 0\n",
        "zbroker_queue_leased{queue=\"t/s\"} 2\n",
        "zbroker_queue_gets_waiting{queue=\"a\\\"b\\\\c\"} 1\n",
        "# TYPE zbroker_queue_bytes gauge\nzbroker_queue_bytes{queue=\"a\\\"b\\\\c\"} 12\n"};
    for (size_t index = 0; index < sizeof lines / sizeof *lines; index++)
        if (!strstr (text, lines[index]))
            fail_msg ("no %s in %s", lines[index], text);
    assert_null (strstr (text, "zbroker_queue_bytes{queue=\"t/s\"}"));
    assert_null (strstr (text, "zbroker_queue_delayed{queue=\"t/s\"}"));
    free (text);
    json_decref (queues);
    json_decref (status);
}

static void test_delays (void **state)
{
    (void) state;
    zb_delays_t delays = {0};
    for (size_t index = 0; index < ZB_DELAYS; index++) {
        assert_true (index == 0 || zb_delays_bound (index) > zb_delays_bound (index - 1));
        zb_delays_add (&delays, (int64_t) zb_delays_bound (index));
        assert_int_equal (delays.count[index], 1);
    }
    zb_delays_add (&delays, (int64_t) zb_delays_bound (ZB_DELAYS - 1) + 1);
    assert_int_equal (delays.count[ZB_DELAYS], 1);
    zb_delays_add (&delays, -1);
    assert_int_equal (delays.count[0], 2);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_what_is_old_is_not_shown), cmocka_unit_test (test_no_broker),
        cmocka_unit_test (test_a_post_does_not_wait),     cmocka_unit_test (test_figures),
        cmocka_unit_test (test_figures_of_queues),        cmocka_unit_test (test_delays),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
