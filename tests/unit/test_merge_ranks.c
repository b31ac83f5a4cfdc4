/*  =========================================================================
    test_merge_ranks - priorities, after a split

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

#include "core/queue/rank.h"
#include "sides.h"

//  Each body is its priority and a letter.
static void s_put (side_t *side, const char *bodies)
{
    for (const char *body = bodies; *body; body += 2) {
        char line[60];
        snprintf (line, sizeof line, "PUT|1|d|priority=%c|%.2s", *body, body);
        sides_say (side, "c", line);
    }
}

//  Both lead alone; both know a queue `d` with this option and these messages.
static void s_open (const char *option, const char *bodies)
{
    char line[60];
    sides_open_past ();
    snprintf (line, sizeof line, "QUEUE|q|d|%s", option);
    side_t *sides[] = {&sides_winner, &sides_loser};
    for (int index = 0; index < 2; index++) {
        sides_say (sides[index], "c", line);
        s_put (sides[index], bodies);
    }
    for (int index = 0; index < 2; index++) {
        sides_lead (sides[index]);
        sides_say (sides[index], "c", "HELLO|h");
        sides_say (sides[index], "p", "HELLO|h|till||1.1");
        rig_skip (sides[index]->rig);
    }
}

//  What the winner gives of the queue, one after the other.
static void s_expect (const char *bodies)
{
    static unsigned number;
    char client[16], text[400] = "";
    rig_t *rig = sides_winner.rig;
    //  What one before has had goes back.
    snprintf (client, sizeof client, "r%u", ++number);
    sides_say (&sides_winner, client, "HELLO|h|reader||");
    for (bool more = true; more;) {
        rig_skip (rig);
        sides_say (&sides_winner, client, "GET|g|d|2|0|");
        const zb_answer_t *answer = &rig_last (rig)->answer;
        assert_int_equal (answer->status, ZB_ANSWER_MSG);
        for (size_t index = 0; index < answer->bodies; index++)
            snprintf (text + strlen (text), sizeof text - strlen (text), "%s%.*s", *text ? "," : "",
                      (int) answer->body[index].size, (const char *) answer->body[index].data);
        more = answer->bodies > 0;
    }
    if (strcmp (text, bodies))
        fail_msg ("%s, not %s", text, bodies);
}

static void s_expect_line (const char *expected)
{
    rig_skip (sides_winner.rig);
    sides_say (&sides_winner, "c", "HELLO|h");
    sides_say (&sides_winner, "c", "LIST|l|d");
    const char *text = rig_last (sides_winner.rig)->text;
    if (!strstr (text, expected))
        fail_msg ("%s is not in %s", expected, text);
}

//  Each entry of the index has its row, and each row above the lowest priority its entry.
static void s_close (size_t entries)
{
    const fake_store_t *store = sides_winner.rig->store;
    size_t found = 0;
    for (size_t index = 0; index < fake_store_rows (store, ZB_LOG); index++) {
        size_t size = 0, value = 0;
        const uint8_t *key = (const uint8_t *) fake_store_key (store, ZB_LOG, index, &size);
        uint8_t log[12];
        if (size != ZB_RANK_KEY_SIZE)
            continue;
        found++;
        memcpy (log, key + 5, 4);
        memcpy (log + 4, key + ZB_RANK_PREFIX, 8);
        assert_non_null (fake_store_get (store, ZB_LOG, log, sizeof log, &value));
    }
    assert_int_equal (found, entries);
    sides_close ();
}

//  What the loser took has the place of its priority, before and behind what was there.
static void test_puts_of_the_loser (void **state)
{
    (void) state;
    for (int round = 0; round < 2; round++) {
        s_open ("priorities=4", "0a3a1a");
        s_put (&sides_loser, "3b0b2b");
        s_put (&sides_winner, "3c1c");
        //  Some of it is in memory here, or nothing.
        if (round)
            s_expect ("3a,3c,1a,1c,0a");
        sides_replay ("");
        s_expect ("3a,3b,3c,2b,1a,1c,0a,0b");
        sides_lead (&sides_winner);
        s_expect ("3a,3b,3c,2b,1a,1c,0a,0b");
        s_close (6);
    }
}

//  What is done at the loser is done, and nothing that lies between: not what is of another priority, nor what came here.
static void test_acknowledged_at_the_loser (void **state)
{
    (void) state;
    for (int round = 0; round < 3; round++) {
        s_open ("priorities=4", "0a3a0b3b0c");
        sides_say (&sides_loser, "c", "GET|g|d|9|0|");
        if (round == 2)
            sides_say (&sides_loser, "c", "PURGE|x|d");
        else
            sides_say (&sides_loser, "c", "ACK|a|d|1:5 1:7 1:9");
        s_put (&sides_winner, "3d0d");
        if (round == 1)
            sides_say (&sides_winner, "c", "GET|g|d|1|0|");
        sides_replay ("");
        sides_lead (&sides_winner);
        s_expect (round == 2 ? "3d,0d" : "3a,3b,3d,0d");
        s_close (round == 2 ? 1 : 3);
    }
}

//  Of bodies of one PUT some are done at the loser.
static void test_half_a_row (void **state)
{
    (void) state;
    s_open ("priorities=2", "0a");
    sides_say (&sides_loser, "c", "PUT|1|d|priority=1|1a|1b|1c");
    sides_say (&sides_loser, "c", "ACK|a|d|2b:2");
    sides_replay ("");
    s_expect ("1a,1c,0a");
    s_close (1);
}

//  A row of a queue that had no priorities there is cut where they change.
static void test_a_row_of_many (void **state)
{
    (void) state;
    s_open ("lease=30000", "");
    rig_push (sides_loser.rig, "c", "PUT|1|d|priority=2|2a");
    rig_push (sides_loser.rig, "c", "PUT|1|d|priority=2|2b");
    rig_push (sides_loser.rig, "c", "PUT|1|d|priority=0|0a");
    rig_push (sides_loser.rig, "c", "PUT|1|d|priority=high|0b");
    rig_push (sides_loser.rig, "c", "PUT|1|d|priority=1|1a");
    rig_push (sides_loser.rig, "c", "PUT|1|d|priority=2|2c");
    rig_run (sides_loser.rig);
    sides_say (&sides_winner, "c", "QUEUE|q|d|priorities=3");
    s_put (&sides_winner, "1z0z");
    sides_replay ("");
    s_expect ("2a,2b,2c,1a,1z,0a,0b,0z");
    sides_lead (&sides_winner);
    s_expect ("2a,2b,2c,1a,1z,0a,0b,0z");
    s_close (4);
}

//  The option is changed here only where there are no messages.
static void test_options (void **state)
{
    (void) state;
    s_open ("lease=30000", "");
    sides_say (&sides_loser, "c", "QUEUE|q|d|priorities=3");
    s_put (&sides_loser, "0a2a");
    sides_replay ("");
    s_expect_line ("\npriorities=3");
    s_expect ("2a,0a");
    s_close (1);
    s_open ("lease=30000", "");
    sides_say (&sides_loser, "c", "QUEUE|q|d|priorities=3");
    s_put (&sides_loser, "0a2a");
    s_put (&sides_winner, "0b2b");
    sides_replay ("");
    s_expect ("0a,2a,0b,2b");
    s_close (0);
    //  One that only the loser has.
    s_open ("lease=30000", "");
    sides_say (&sides_loser, "c", "DELETE|x|d");
    sides_say (&sides_loser, "c", "QUEUE|q|d|priorities=2");
    s_put (&sides_loser, "0a1a");
    sides_replay ("");
    s_expect_line ("\npriorities=2");
    s_expect ("1a,0a");
    s_close (1);
}

//  It is interrupted, and goes on; and what it has brought is done at the loser meanwhile.
static void test_interrupted (void **state)
{
    (void) state;
    for (unsigned messages = 1; messages < 5; messages++) {
        s_open ("priorities=3", "0a2a");
        s_put (&sides_loser, "2b0b1b2c");
        sides_replay_messages (messages);
        sides_lead (&sides_winner);
        sides_lead (&sides_loser);
        sides_say (&sides_loser, "c", "HELLO|h");
        sides_say (&sides_loser, "c", "ACK|a|d|2b:1");
        sides_lead (&sides_winner);
        sides_replay ("");
        s_expect ("2a,2c,1b,0a,0b");
        s_close (3);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_puts_of_the_loser), cmocka_unit_test (test_acknowledged_at_the_loser),
        cmocka_unit_test (test_half_a_row),        cmocka_unit_test (test_a_row_of_many),
        cmocka_unit_test (test_options),           cmocka_unit_test (test_interrupted),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
