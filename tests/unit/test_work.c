/*  =========================================================================
    test_work - what clients choose: how much waits for them, how much a turn does for them

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

//  Says a line with this number for its %d, as client `%s` of this number.
static void s_say_numbered (rig_t *rig, int client, const char *form, int number)
{
    char name[16], line[64];
    snprintf (name, sizeof name, "w%d", client);
    snprintf (line, sizeof line, form, number);
    rig_push (rig, name, line);
}

//  GETs that wait

static void s_gets_that_wait_hold_nobody_up (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.waiting = 65536;
    rig_t *rig = rig_ready (&limits);
    for (int client = 0; client < 4; client++) {
        s_say_numbered (rig, client, "HELLO|h", 0);
        for (int number = 0; number < ZB_WINDOW; number++)
            s_say_numbered (rig, client, "GET|g%d|q|1|1000000|", number);
    }
    rig_run (rig);
    rig_skip (rig);
    assert_int_equal (rig_stats (rig).parked, 4 * ZB_WINDOW);
    assert_false (zb_engine_busy (rig->engine));
    assert_false (zb_engine_client_waits (rig->engine));
    rig_say (rig, "c", "PUT|1|q||x");
    rig_expect (rig, "w0> MSG|g0|both|q|1:1 1|x");
    rig_expect (rig, "c> OK|1|both|1:1|1:1");
    //  Those that wait for their acknowledgements' commit do count: it comes without anybody's doing.
    rig->sync_there = false;
    rig_say (rig, "c", "GET|a|q|1|1000|1:1");
    assert_true (zb_engine_client_waits (rig->engine));
    rig_sync (rig, true, true);
    assert_false (zb_engine_client_waits (rig->engine));
    rig_destroy (&rig);
}

static void s_gets_that_wait_are_bounded (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.parked = 3;
    rig_t *rig = rig_ready (&limits);
    rig_say (rig, "c", "PUT|1|q||x");
    rig_say (rig, "c", "GET|0|q|1|0|");
    rig_say (rig, "c", "GET|1|q|1|1000|");
    rig_say (rig, "d", "HELLO|h");
    rig_say (rig, "d", "GET|2|q|1|1000|");
    rig_say (rig, "d", "GET|3|q|1|1000|");
    rig_skip (rig);
    //  One too many is refused with its acknowledgements.
    rig_say (rig, "d", "GET|4|q|1|1000|1:1");
    rig_expect (rig, "d> ERR|4|429|too many GETs wait (limits.parked of the broker)");
    assert_int_equal (rig_stats (rig).acked, 0);
    //  What ends them is not.
    rig_say (rig, "d", "GET|5|q|0|0|");
    rig_expect (rig, "d> MSG|2|both|q|");
    rig_expect (rig, "d> MSG|3|both|q|");
    rig_expect (rig, "d> MSG|5|both|q|");
    rig_say (rig, "d", "GET|6|q|1|1000|1:1");
    rig_expect (rig, "d> MSG|6|both|q|");
    assert_int_equal (rig_stats (rig).acked, 1);
    rig_destroy (&rig);
}

//  A GET whose time is over while its queue is being read is answered when that is done, and no other one is looked at.
static void s_late_gets_are_answered_after_the_read (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "c", "PUT|1|q||x|y");
    rig_takeover (rig);
    rig_say (rig, "c", "HELLO|h");
    rig_say (rig, "c", "LIST|l");
    rig_skip (rig);
    rig_say (rig, "c", "GET|0|q|0|0|");
    rig_skip (rig);
    rig->stuck = true;
    rig_say (rig, "c", "GET|1|q|1|10|");
    rig_say (rig, "c", "GET|2|q|1|0|");
    rig_say (rig, "c", "GET|3|q|1|100|");
    rig_say (rig, "c", "GET|4|q|1|0|");
    rig_wait (rig, 20);
    rig_expect (rig, NULL);
    rig->stuck = false;
    rig_run (rig);
    rig_expect (rig, "c> MSG|1|both|q|1:1 1|x");
    rig_expect (rig, "c> MSG|2|both|q|1:2 1|y");
    rig_expect (rig, "c> MSG|4|both|q|");
    rig_expect (rig, NULL);
    rig_wait (rig, 80);
    rig_expect (rig, "c> MSG|3|both|q|");
    rig_destroy (&rig);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (s_gets_that_wait_hold_nobody_up),
        cmocka_unit_test (s_gets_that_wait_are_bounded),
        cmocka_unit_test (s_late_gets_are_answered_after_the_read),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
