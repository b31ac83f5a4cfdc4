/*  =========================================================================
    test_granting - what does the engine do with KEY, and with whom it throws out?

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "rig.h"

#define ALICE "aliceEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEE"

static zb_rights_t *s_rights;

static rig_t *s_rig (void)
{
    rig_t *rig = rig_ready (NULL);
    s_rights = zb_rights_new ();
    zb_engine_rights (rig->engine, s_rights);
    return rig;
}

static void s_end (rig_t **rig_p)
{
    rig_destroy (rig_p);
    zb_rights_destroy (&s_rights);
}

static const zb_principal_t *s_alice (void)
{
    return zb_rights_find (s_rights, zb_frame (ALICE));
}

//  Whoever is told that a principal is known finds it known after a takeover; whoever is revoked is so before that.
static void test_a_change_holds_at_once_and_is_answered_when_it_is_safe (void **unused)
{
    (void) unused;
    rig_t *rig = s_rig ();
    rig->sync_there = false;
    rig_say (rig, "o", "KEY|1|proof|new alice " ALICE);
    rig_expect (rig, NULL);
    assert_non_null (s_alice ());
    rig->sync_there = true;
    rig_sync (rig, true, true);
    rig_run (rig);
    rig_expect (rig, "o> OK|1|both");
    rig_say (rig, "o", "KEY|2|proof");
    rig_expect (rig, "o> OK|2|zbroker rights 1\nalice " ALICE " *");
    rig_say (rig, "o", "KEY|3|proof|revoke alice");
    rig_expect (rig, "o> OK|3|both");
    assert_true (s_alice ()->revoked);
    s_end (&rig);
}

static void test_what_makes_no_sense_is_refused (void **unused)
{
    (void) unused;
    rig_t *rig = s_rig ();
    rig_say (rig, "o", "KEY|1|proof|allow alice put *");
    rig_expect (rig, "o> ERR|1|400|there is no principal alice");
    rig_say (rig, "o", "KEY|2|proof|new alice short");
    rig_expect (rig, "o> ERR|2|400|the key: *");
    zb_engine_level (rig->engine, 1);
    rig_say (rig, "o", "KEY|3|proof|new alice " ALICE);
    rig_expect (rig, "o> ERR|3|503|the store is of level 1, *");
    assert_null (s_alice ());
    s_end (&rig);
}

static void test_limits_take_a_level_of_their_own (void **unused)
{
    (void) unused;
    rig_t *rig = s_rig ();
    zb_engine_level (rig->engine, 2);
    rig_say (rig, "o", "KEY|1|proof|new alice " ALICE "\nallow alice requests 10");
    rig_expect (rig, "o> ERR|1|503|the store is of level 2, *");
    rig_say (rig, "o", "KEY|2|proof|new alice " ALICE "\nallow alice put requests");
    rig_expect (rig, "o> OK|2|both");
    zb_engine_level (rig->engine, 3);
    rig_say (rig, "o", "KEY|3|proof|allow alice requests 10");
    rig_expect (rig, "o> OK|3|both");
    assert_int_equal (s_alice ()->limit[ZB_LIMIT_REQUESTS], 10);
    s_end (&rig);
}

//  Not before the other disk has the revocation: that broker could lead, and let it in.
static void test_a_drop_waits_for_both_disks (void **unused)
{
    (void) unused;
    rig_t *rig = s_rig ();
    rig_say (rig, "o", "KEY|1|proof|new alice " ALICE);
    rig_expect (rig, "o> OK|1|both");
    rig->sync_there = false;
    rig_say (rig, "o", "KEY|2|proof|revoke alice");
    rig_say (rig, "o", "KEY|3|proof|drop alice");
    rig_expect (rig, "o> ERR|3|400|the other broker's disk may not have *");
    rig->sync_there = true;
    rig_sync (rig, true, true);
    rig_run (rig);
    rig_expect (rig, "o> OK|2|both");
    rig_say (rig, "o", "KEY|4|proof|drop alice");
    rig_expect (rig, "o> OK|4|both");
    assert_null (s_alice ());
    s_end (&rig);
}

//  What it was given goes to others at once, without its queue's grace; what it waits for it does not get.
static void test_whoever_is_expelled_holds_and_gets_nothing (void **unused)
{
    (void) unused;
    rig_t *rig = s_rig ();
    rig_say (rig, "w", "HELLO|h");
    rig_expect (rig, "w> OK|h|*");
    rig_say (rig, "c", "PUT|p|q||1|2");
    rig_expect (rig, "c> OK|p|*");
    rig_say (rig, "w", "GET|g|q|2|0|");
    rig_expect (rig, "w> MSG|g|both|q|*");
    rig_say (rig, "w", "QUEUE|n|other|");
    rig_expect (rig, "w> OK|n");
    rig_say (rig, "w", "GET|h|other|2|60000|");
    zb_engine_expel (rig->engine, zb_frame ("w"), rig->now);
    rig_run (rig);
    rig_expect (rig, NULL);
    rig_say (rig, "c", "GET|g|q|9|0|");
    rig_expect (rig, "c> MSG|g|both|q|1:1 2\n1:2 2|1|2");
    rig_say (rig, "c", "PUT|p|other||3");
    rig_expect (rig, "c> OK|p|*");
    rig_expect (rig, NULL);
    rig_say (rig, "w", "GET|i|other|2|0|");
    rig_expect (rig, "w> ERR|i|401|say HELLO first");
    //  Nobody is there any more.
    zb_engine_expel (rig->engine, zb_frame ("w"), rig->now);
    s_end (&rig);
}

//  Whoever may do less than before is told so, and asks again; what it holds is its own for the grace, as after a
//  connection's end.
static void test_whoever_is_dismissed_asks_again (void **unused)
{
    (void) unused;
    rig_t *rig = s_rig ();
    rig_say (rig, "w", "HELLO|h|worker");
    rig_expect (rig, "w> OK|h|*");
    rig_say (rig, "c", "PUT|p|q||1|2");
    rig_expect (rig, "c> OK|p|*");
    rig_say (rig, "w", "GET|g|q|1|0|");
    rig_expect (rig, "w> MSG|g|both|q|*");
    rig_say (rig, "w", "QUEUE|n|other|");
    rig_expect (rig, "w> OK|n");
    rig_say (rig, "w", "GET|w|other|2|60000|");
    zb_engine_dismiss (rig->engine, zb_frame ("w"), rig->now);
    rig_run (rig);
    rig_expect (rig, "w> ERR|w|401|this principal has lost a right: say HELLO again");
    rig_say (rig, "c", "PUT|o|other||3");
    rig_expect (rig, "c> OK|o|*");
    rig_say (rig, "w", "GET|x|other|2|0|");
    rig_expect (rig, "w> ERR|x|401|say HELLO first");
    rig_say (rig, "w", "HELLO|i|worker");
    rig_expect (rig, "w> OK|i|*");
    rig_say (rig, "w", "GET|y|other|2|0|");
    rig_expect (rig, "w> MSG|y|both|other|*");
    rig_say (rig, "w", "GET|z|q|9|0|");
    rig_expect (rig, "w> MSG|z|both|q|1:1 2\n1:2 1|1|2");
    //  Nobody is there, and nothing is said.
    zb_engine_dismiss (rig->engine, zb_frame ("x"), rig->now);
    rig_run (rig);
    rig_expect (rig, NULL);
    s_end (&rig);
}

//  What it looked for on the disk is not pinned for it any more.
static void test_whoever_is_dismissed_holds_up_nobody (void **unused)
{
    (void) unused;
    rig_t *rig = s_rig ();
    rig_say (rig, "w", "HELLO|h|worker");
    rig_say (rig, "v", "HELLO|h");
    zb_engine_time (rig->engine, 1800000000000 + rig->now, rig->now);
    rig_say (rig, "c", "QUEUE|q|q|mode=exclusive\ndelay=0");
    rig_say (rig, "c", "PUT|p|q||1|2|3");
    rig_say (rig, "c", "PUT|p|q|delay=3600000|4");
    rig_say (rig, "w", "GET|g|q|3|0|");
    rig_say (rig, "w", "ACK|a|q|1:1 1:2");
    rig_skip (rig);
    //  Whether they are not due is looked for.
    rig->stuck = true;
    rig_say (rig, "w", "ACK|b|q|1:1 1:2");
    rig_expect (rig, NULL);
    zb_engine_dismiss (rig->engine, zb_frame ("w"), rig->now);
    rig_run (rig);
    rig_expect (rig, "w> ERR|b|401|this principal has lost a right: say HELLO again");
    rig_say (rig, "v", "ACK|c|q|1:1");
    rig->stuck = false;
    rig_run (rig);
    rig_expect (rig, "v> ERR|c|410|*");
    s_end (&rig);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_a_change_holds_at_once_and_is_answered_when_it_is_safe),
        cmocka_unit_test (test_what_makes_no_sense_is_refused),
        cmocka_unit_test (test_limits_take_a_level_of_their_own),
        cmocka_unit_test (test_a_drop_waits_for_both_disks),
        cmocka_unit_test (test_whoever_is_expelled_holds_and_gets_nothing),
        cmocka_unit_test (test_whoever_is_dismissed_asks_again),
        cmocka_unit_test (test_whoever_is_dismissed_holds_up_nobody),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
