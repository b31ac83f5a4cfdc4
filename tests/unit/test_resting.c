/*  =========================================================================
    test_resting - messages that were tried without success: retry-delay, and NACK's untried

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "rig.h"

//  A queue `q` of two messages with these options; "w" and "v" are consumers, "w" has a name.
static rig_t *s_work (const char *options)
{
    char line[128];
    rig_t *rig = rig_ready (NULL);
    snprintf (line, sizeof line, "QUEUE|o|q|%s", options);
    rig_say (rig, "c", line);
    rig_expect (rig, "c> OK|o");
    rig_say (rig, "c", "PUT|p|q||1|2");
    rig_say (rig, "w", "HELLO|h|worker||");
    rig_say (rig, "v", "HELLO|h");
    rig_skip (rig);
    return rig;
}

//  Nobody gets any before so long, then "v" has all there is.
static void s_rests_for (rig_t *rig, int64_t ms, const char *got)
{
    char want[128];
    rig_wait (rig, ms - 1);
    rig_skip (rig);
    rig_say (rig, "v", "GET|g|q|9|0|");
    rig_expect (rig, "v> MSG|g|both|q|");
    rig_wait (rig, 1);
    rig_say (rig, "v", "GET|g|q|9|0|");
    snprintf (want, sizeof want, "v> MSG|g|both|q|%s", got);
    rig_expect (rig, want);
}

static void test_a_delay_doubles (void **state)
{
    (void) state;
    rig_t *rig = s_work ("retry-delay=100..300\nlease=1000");
    rig_say (rig, "v", "GET|g|q|9|0|");
    rig_say (rig, "v", "NACK|n|q|1:1 1:2");
    s_rests_for (rig, 100, "1:1 2\n1:2 2|1|2");
    //  A lease that ends is a try, too.
    rig_wait (rig, 1000);
    s_rests_for (rig, 200, "1:1 3\n1:2 3|1|2");
    rig_say (rig, "v", "NACK|n|q|1:1..1:2");
    s_rests_for (rig, 300, "1:1 4\n1:2 4|1|2");
    rig_say (rig, "v", "NACK|n|q|1:1..1:2");
    s_rests_for (rig, 300, "1:1 5\n1:2 5|1|2");
    //  Each by its own tries.
    rig_say (rig, "v", "ACK|a|q|1:1");
    rig_say (rig, "c", "PUT|p|q||3");
    rig_say (rig, "v", "GET|g|q|9|0|");
    rig_say (rig, "v", "NACK|n|q|1:2 1:3");
    s_rests_for (rig, 100, "1:3 2|3");
    s_rests_for (rig, 200, "1:2 6|2");
    rig_destroy (&rig);
}

//  What a connection had that ends was tried when its grace is over; who comes again before that takes it back untried.
static void test_a_connection_ends (void **state)
{
    (void) state;
    rig_t *rig = s_work ("retry-delay=100\ngrace=50");
    rig_say (rig, "w", "GET|g|q|9|0|");
    rig_gone (rig, "w");
    rig_say (rig, "x", "HELLO|h|worker||1.1");
    rig_skip (rig);
    rig_say (rig, "x", "GET|g|q|9|0|");
    rig_expect (rig, "x> MSG|g|both|q|1:1 2\n1:2 2|1|2");
    rig_gone (rig, "x");
    rig_wait (rig, 50);
    s_rests_for (rig, 100, "1:1 3\n1:2 3|1|2");
    rig_destroy (&rig);
}

static void test_what_is_no_try (void **state)
{
    (void) state;
    static const char *const worker[] = {"x", "y", "z"};
    rig_t *rig = s_work ("retry-delay=100..800");
    //  A HELLO of the same name takes back what the earlier connection had; and one may say so.
    for (int turn = 0; turn < 3; turn++) {
        rig_say (rig, worker[turn], "HELLO|h|worker||");
        rig_say (rig, worker[turn], "GET|g|q|9|0|");
        if (turn == 1)
            rig_say (rig, worker[turn], "NACK|n|q|1:1 1:2||untried");
    }
    rig_say (rig, "z", "HELLO|h|other||");
    rig_skip (rig);
    rig_say (rig, "v", "GET|g|q|9|0|");
    rig_expect (rig, "v> MSG|g|both|q|1:1 4\n1:2 4|1|2");
    //  Its own delay stands in the place of the queue's, and the try counts.
    rig_say (rig, "v", "NACK|n|q|1:1 1:2|500");
    s_rests_for (rig, 500, "1:1 5\n1:2 5|1|2");
    rig_say (rig, "v", "NACK|n|q|1:1 1:2|50|untried");
    s_rests_for (rig, 50, "1:1 6\n1:2 6|1|2");
    rig_say (rig, "v", "NACK|n|q|1:1 1:2|");
    s_rests_for (rig, 200, "1:1 7\n1:2 7|1|2");
    //  What rests is nobody's: who knows its id may acknowledge it.
    rig_say (rig, "v", "NACK|n|q|1:1 1:2");
    rig_say (rig, "c", "ACK|a|q|1:2");
    s_rests_for (rig, 400, "1:1 8|1");
    //  A new leader counts from none.
    rig_say (rig, "v", "NACK|n|q|1:1");
    rig_takeover (rig);
    rig_say (rig, "v", "HELLO|h");
    rig_skip (rig);
    rig_say (rig, "v", "GET|g|q|9|0|");
    rig_expect (rig, "v> MSG|g|both|q|1:1 1|1");
    rig_say (rig, "v", "NACK|n|q|1:1");
    s_rests_for (rig, 100, "1:1 2|1");
    rig_destroy (&rig);
}

//  Of each subscription by itself; and the option ends with the next try.
//  What rests is in nobody's way, however many messages around it are done: more rows than the window has room for.
static void test_rows_with_one_that_rests (void **state)
{
    (void) state;
    enum { ROWS = 60, EACH = 100, SIZE = 2500 };
    assert_true (ROWS * EACH * SIZE > ((zb_limits_t) ZB_LIMITS_DEFAULT).window);
    for (int option = 0; option < 2; option++) {
        rig_t *rig = s_work (option ? "retry-delay=3600000" : "");
        rig_say (rig, "v", "ACK|a|q|1:1 1:2");
        for (int row = 0; row < ROWS; row++) {
            rig_put (rig, "c", "1", "q", EACH, SIZE);
            rig_run (rig);
        }
        for (size_t got = 0; got < ROWS * EACH;) {
            char line[100];
            rig_skip (rig);
            rig_say (rig, "v", "GET|g|q|100|5000|");
            rig_wait (rig, 5001);
            size_t first = got + 3;
            got += rig_last (rig)->answer.bodies;
            assert_int_not_equal (rig_last (rig)->answer.bodies, 0);
            snprintf (line, sizeof line, "NACK|n|q|1:%zu%s", first, option ? "" : "|3600000");
            rig_say (rig, "v", line);
            snprintf (line, sizeof line, "ACK|a|q|1:%zu..1:%zu", first + 1, got + 2);
            rig_say (rig, "v", line);
        }
        rig_destroy (&rig);
    }
}

static void test_of_a_subscription (void **state)
{
    (void) state;
    rig_t *rig = s_work ("");
    rig_say (rig, "c", "TOPIC|t|t|");
    rig_say (rig, "c", "SUB|s|t/a|retry-delay=100");
    rig_say (rig, "c", "SUB|s|t/b|");
    rig_say (rig, "c", "PUT|p|t||x");
    for (int sub = 0; sub < 2; sub++) {
        rig_say (rig, "v", sub ? "GET|g|t/b|9|0|" : "GET|g|t/a|9|0|");
        rig_say (rig, "v", sub ? "NACK|n|t/b|1:5" : "NACK|n|t/a|1:5");
    }
    rig_say (rig, "c", "SUB|s|t/a|retry-delay=0");
    rig_skip (rig);
    rig_say (rig, "v", "GET|g|t/a|9|0|");
    rig_expect (rig, "v> MSG|g|both|t/a|");
    rig_say (rig, "v", "GET|g|t/b|9|0|");
    rig_expect (rig, "v> MSG|g|both|t/b|1:5 2*");
    rig_wait (rig, 100);
    for (int turn = 2; turn < 4; turn++) {
        rig_skip (rig);
        rig_say (rig, "v", "GET|g|t/a|9|0|");
        rig_expect (rig, turn == 2 ? "v> MSG|g|both|t/a|1:5 2*" : "v> MSG|g|both|t/a|1:5 3*");
        rig_say (rig, "v", "NACK|n|t/a|1:5");
    }
    rig_destroy (&rig);
}

static void test_options (void **state)
{
    (void) state;
    rig_t *rig = s_work ("lease=5");
    static const struct {
        const char *value, *shown;
    } cases[] = {{"100..300", "\nretry-delay=100..300"},
                 {"100", "\nretry-delay=100"},
                 {"7..7", "\nretry-delay=7"},
                 {"0", NULL},
                 {"", NULL},
                 {"x", NULL},
                 {"1...2", NULL},
                 {"1.2", NULL},
                 {"2..1", NULL},
                 {"0..1", NULL},
                 {"1..", NULL},
                 {"..1", NULL},
                 {"2147483648", NULL}};
    rig_say (rig, "c", "TOPIC|t|t|");
    rig_say (rig, "c", "SUB|s|t/a|");
    rig_say (rig, "c", "TOPIC|o|t|retry-delay=5");
    assert_non_null (strstr (rig_last (rig)->text, "ERR|o|400|the options of a topic are"));
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        char line[64];
        bool good = cases[index].shown || strcmp (cases[index].value, "0") == 0;
        for (int sub = 0; sub < 2; sub++) {
            rig_skip (rig);
            snprintf (line, sizeof line, "%s|retry-delay=%s", sub ? "SUB|o|t/a" : "QUEUE|o|q", cases[index].value);
            rig_say (rig, "c", line);
            rig_expect (rig, good ? "c> OK|o*" : "c> ERR|o|400|retry-delay is a number of milliseconds*");
        }
        if (!cases[index].shown)
            continue;
        rig_takeover (rig);
        rig_say (rig, "c", "HELLO|h");
        rig_say (rig, "c", "LIST|l|q");
        assert_non_null (strstr (rig_last (rig)->text, cases[index].shown));
        rig_skip (rig);
        rig_say (rig, "c", "LIST|l|t*||9");
        assert_non_null (strstr (rig_last (rig)->text, cases[index].shown));
    }
    rig_say (rig, "c", "QUEUE|o|q|retry-delay=0");
    zb_engine_level (rig->engine, 2);
    rig_skip (rig);
    rig_say (rig, "c", "QUEUE|o|q|retry-delay=1");
    rig_expect (rig, "c> ERR|o|503|the store is of level 2*");
    rig_say (rig, "c", "NACK|n|q|1:1||untried");
    rig_expect (rig, "c> ERR|n|503|the store is of level 2*");
    rig_destroy (&rig);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_a_delay_doubles),   cmocka_unit_test (test_a_connection_ends),
        cmocka_unit_test (test_what_is_no_try),    cmocka_unit_test (test_rows_with_one_that_rests),
        cmocka_unit_test (test_of_a_subscription), cmocka_unit_test (test_options),
    };
    return cmocka_run_group_tests_name ("resting", tests, NULL, NULL);
}
