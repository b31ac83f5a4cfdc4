/*  =========================================================================
    test_disusing - queues and subscriptions that nobody uses: the option unused

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/base/level.h"
#include "sides.h"
#include "topic_kit.h"

#define WALL 1800000000000 //  the machine's clock is so far ahead of the monotonic one
#define SOON 3000          //  ms in which what is over is deleted

//  Time passes, and both clocks tell it.
static void s_pass (rig_t *rig, int64_t ms)
{
    zb_engine_time (rig->engine, WALL + rig->now, rig->now);
    while (ms) {
        int64_t step = ms < 250 ? ms : 250;
        ms -= step;
        rig->now += step;
        zb_engine_time (rig->engine, WALL + rig->now, rig->now);
        rig_run (rig);
    }
}

//  Client c of a broker that has led for longer than removal rests.
static rig_t *s_open (void)
{
    rig_t *rig = rig_ready (NULL);
    s_pass (rig, 61000);
    return rig;
}

static void s_take_over (rig_t *rig)
{
    zb_engine_time (rig->engine, WALL + rig->now, rig->now);
    kit_takeover (rig);
    s_pass (rig, 1);
}

//  Whether there is a queue or a subscription of this name; nobody has used it by that.
static bool s_is_there (rig_t *rig, const char *name)
{
    char found[300];
    snprintf (found, sizeof found, "|%s|", name);
    rig_skip (rig);
    rig_say (rig, "c", "LIST|l|||1000");
    assert_int_equal (rig_last (rig)->answer.status, ZB_ANSWER_OK);
    return strstr (rig_last (rig)->text, found) != NULL;
}

//  It is there for so long yet, and no longer.
static void s_goes_after (rig_t *rig, const char *name, int64_t ms)
{
    s_pass (rig, ms - 1);
    if (!s_is_there (rig, name))
        fail_msg ("%s is gone too early", name);
    s_pass (rig, SOON);
    if (s_is_there (rig, name))
        fail_msg ("%s is still there", name);
}

static void s_stays (rig_t *rig, const char *name, int64_t ms)
{
    s_pass (rig, ms);
    if (!s_is_there (rig, name))
        fail_msg ("%s is gone", name);
}

static void test_goes_when_nobody_uses_it (void **state)
{
    (void) state;
    rig_t *rig = s_open ();
    kit_ok (rig, "QUEUE|o|r|unused=5000");
    kit_ok (rig, "PUT|p|r||one");
    s_goes_after (rig, "r", 5000);
    assert_int_equal (rig_stats (rig).disused, 1);
    kit_refused (rig, "PUT|p|r||two", 404);
    kit_refused (rig, "GET|g|r|1|0|", 404);
    s_take_over (rig);
    assert_false (s_is_there (rig, "r"));
    //  Its rows are freed as those of any other, and another one may have the name.
    kit_ok (rig, "QUEUE|o|r|");
    kit_gets (rig, "r", "");
    assert_int_equal (kit_log_rows (rig), 0);
    s_stays (rig, "r", 100000);
    rig_destroy (&rig);
}

//  What is not due, or was not got since it is, keeps its queue, also for who leads next.
static void test_what_has_a_delay_keeps_it (void **state)
{
    (void) state;
    for (int how = 0; how <= 2; how++) {
        rig_t *rig = s_open ();
        kit_ok (rig, "QUEUE|o|r|unused=5000\ndelay=0");
        kit_ok (rig, "PUT|p|r|delay=20000|later");
        kit_ok (rig, "PUT|p|r||now");
        s_stays (rig, "r", 15000);
        s_take_over (rig);
        s_pass (rig, 61000);
        if (how == 0)
            kit_ok (rig, "PURGE|p|r");
        else if (how == 1)
            kit_ok (rig, "ACK|a|r|1:1");
        else {
            //  It is done, or given back.
            kit_gets (rig, "r", "now");
            kit_gets (rig, "r", "later,now");
        }
        s_goes_after (rig, "r", 4000);
        rig_destroy (&rig);
    }
}

//  GET, EXTEND, PEEK and QUEUE are uses of a queue, also where they find nothing; all else is none.
static void test_what_a_use_is (void **state)
{
    (void) state;
    static const struct {
        const char *line;
        bool uses;
    } cases[] = {{"GET|u|r|1|0|", true},          {"EXTEND|u|r|1:1", true},
                 {"PEEK|u|r|first|9", true},      {"QUEUE|u|r|", true},
                 {"QUEUE|u|r|lease=7", true},     {"PUT|u|r||x", false},
                 {"ACK|u|r|1:9", false},          {"NACK|u|r|1:9", false},
                 {"REJECT|u|r|1:9", false},       {"PURGE|u|r", false},
                 {"MOVE|u|r|q||9", false},        {"MOVE|u|q|r||9", false},
                 {"PUT|u|q|acks=r 1:9|x", false}, {"LIST|u|r", false},
                 {"READ|u|r|first|1|0", true}};
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        rig_t *rig = s_open ();
        kit_ok (rig, "QUEUE|o|r|unused=5000");
        s_pass (rig, 4000);
        rig_say (rig, "c", cases[index].line);
        //  A queue can't be read, so that a READ of one is refused, and nothing else.
        bool uses = cases[index].uses && strncmp (cases[index].line, "READ", 4);
        s_goes_after (rig, "r", uses ? 5000 : 1000);
        rig_destroy (&rig);
    }
}

//  Who waits uses it until the end of that, who has something of it until that is done or the lease has ended.
static void test_who_waits_and_who_has_something (void **state)
{
    (void) state;
    rig_t *rig = s_open ();
    kit_ok (rig, "QUEUE|o|r|unused=5000\nlease=20000");
    rig_say (rig, "w", "HELLO|h");
    rig_say (rig, "w", "GET|g|r|1|29000|");
    s_stays (rig, "r", 28000);
    s_pass (rig, 1000);
    s_goes_after (rig, "r", 5000);
    kit_ok (rig, "QUEUE|o|r|unused=5000\nlease=20000");
    kit_ok (rig, "PUT|p|r||one");
    kit_answers (rig, "w", "GET|g|r|1|0|", "one");
    s_goes_after (rig, "r", 20000);
    //  Acknowledged it goes when it was not used for so long.
    kit_ok (rig, "QUEUE|o|r|unused=5000\nlease=20000");
    kit_ok (rig, "PUT|p|r||two");
    kit_answers (rig, "w", "GET|g|r|1|0|", "two");
    s_stays (rig, "r", 10000);
    rig_say (rig, "w", "ACK|a|r|1:2");
    s_goes_after (rig, "r", 1);
    rig_destroy (&rig);
}

//  A new leader has seen nothing yet: it counts from when it began, and so do brokers that come back from an outage.  Nobody
//  needs to ask for the queue.
static void test_a_lead_counts_for_itself (void **state)
{
    (void) state;
    rig_t *rig = s_open ();
    kit_ok (rig, "QUEUE|o|r|unused=90000");
    s_pass (rig, 80000);
    s_take_over (rig);
    s_goes_after (rig, "r", 89999);
    kit_ok (rig, "QUEUE|o|r|unused=90000");
    zb_engine_time (rig->engine, WALL + rig->now, rig->now);
    rig->now += 3600000;
    rig_restart (rig);
    rig_say (rig, "c", "HELLO|h");
    s_pass (rig, 1);
    s_goes_after (rig, "r", 89999);
    //  A PUT loads it, and is no use.
    kit_ok (rig, "QUEUE|o|r|unused=90000");
    s_take_over (rig);
    s_pass (rig, 70000);
    kit_ok (rig, "PUT|p|r||x");
    s_goes_after (rig, "r", 19999);
    //  A GET is.
    kit_ok (rig, "QUEUE|o|r|unused=90000");
    s_take_over (rig);
    s_pass (rig, 70000);
    kit_gets (rig, "r", "");
    s_goes_after (rig, "r", 90000);
    rig_destroy (&rig);
}

static void test_rests_while_the_time_may_be_wrong (void **state)
{
    (void) state;
    rig_t *rig = s_open ();
    kit_ok (rig, "QUEUE|o|r|unused=1");
    s_take_over (rig);
    s_stays (rig, "r", 59000);
    s_pass (rig, 1000 + SOON);
    assert_false (s_is_there (rig, "r"));
    for (int sign = -1; sign <= 1; sign += 2) {
        kit_ok (rig, "QUEUE|o|r|unused=1000");
        zb_engine_peer_time (rig->engine, 0, (uint64_t) (WALL + sign * 60001), WALL);
        s_stays (rig, "r", 30000);
        zb_engine_peer_time (rig->engine, 0, (uint64_t) (WALL + sign * 60000), WALL);
        s_pass (rig, 10000 + SOON);
        assert_false (s_is_there (rig, "r"));
    }
    //  While nothing may be answered nothing is deleted.
    kit_ok (rig, "QUEUE|o|r|unused=1000");
    rig_rule (rig, ZB_RELEASE_HOLD);
    s_pass (rig, 20000);
    assert_int_equal (rig_stats (rig).disused, 3);
    rig_rule (rig, ZB_RELEASE_BOTH);
    s_pass (rig, 10000 + SOON);
    assert_int_equal (rig_stats (rig).disused, 4);
    rig_destroy (&rig);
}

//  A machine whose clock says nothing that makes sense knows no time.
static void test_without_a_clock (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    kit_ok (rig, "QUEUE|o|r|unused=1000");
    for (int second = 0; second < 200; second++) {
        rig->now += 1000;
        zb_engine_time (rig->engine, 0, rig->now);
        rig_run (rig);
    }
    assert_true (s_is_there (rig, "r"));
    s_pass (rig, 20000);
    assert_false (s_is_there (rig, "r"));
    rig_destroy (&rig);
}

//  Where dead letters go, be it by name or as the default, it stays as long as there is who names it.
static void test_a_target_stays (void **state)
{
    (void) state;
    static const struct {
        const char *source, *name, *target;
    } cases[] = {{"QUEUE|o|a|dead-letter=bin", "a", "bin"},
                 {"QUEUE|o|a|", "a", "a.dead"},
                 {"SUB|o|t/a|dead-letter=bin", "t/a", "bin"},
                 {"SUB|o|t/a|", "t/a", "t.a.dead"}};
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        char line[100];
        rig_t *rig = s_open ();
        kit_ok (rig, "TOPIC|o|t|");
        kit_ok (rig, cases[index].source);
        snprintf (line, sizeof line, "QUEUE|o|%s|unused=1000", cases[index].target);
        kit_ok (rig, line);
        s_stays (rig, cases[index].target, 200000);
        //  Also of a source that this lead has not read.
        s_take_over (rig);
        s_stays (rig, cases[index].target, 200000);
        snprintf (line, sizeof line, "DELETE|d|%s", cases[index].name);
        kit_ok (rig, line);
        s_pass (rig, 60000 + SOON);
        assert_false (s_is_there (rig, cases[index].target));
        rig_destroy (&rig);
    }
    //  It is named before its time is over, or while the pass that would be its end is under way, which does not see that.
    for (int under_way = 0; under_way <= 1; under_way++) {
        rig_t *rig = s_open ();
        kit_ok (rig, "QUEUE|o|bin|unused=1000");
        s_pass (rig, 990);
        rig->stuck = under_way;
        if (under_way)
            s_pass (rig, 100);
        assert_int_equal (rig->reads, under_way);
        kit_ok (rig, "QUEUE|o|q|dead-letter=bin");
        rig->stuck = false;
        s_stays (rig, "bin", 200000);
        rig_destroy (&rig);
    }
}

//  Alone a broker deletes what was made since, since the other side of a split may have clients of all else.
static void test_alone (void **state)
{
    (void) state;
    rig_t *rig = s_open ();
    kit_ok (rig, "TOPIC|o|t|");
    kit_ok (rig, "SUB|o|t/s|unused=1000");
    kit_ok (rig, "SUB|o|t/moved|unused=1000");
    kit_ok (rig, "QUEUE|o|r|unused=1000");
    zb_engine_keep (rig->engine, ZB_KEEP_WRITE);
    kit_ok (rig, "QUEUE|o|r|lease=7");
    kit_ok (rig, "SEEK|o|t/moved|first");
    kit_ok (rig, "QUEUE|o|since|unused=1000");
    kit_ok (rig, "SUB|o|t/since|unused=1000");
    s_pass (rig, 1000 + SOON);
    assert_false (s_is_there (rig, "since"));
    assert_false (s_is_there (rig, "t/since"));
    s_stays (rig, "r", 100000);
    s_stays (rig, "t/s", 1);
    s_stays (rig, "t/moved", 1);
    //  What was made in a time before is known to both by now.
    kit_ok (rig, "QUEUE|o|since|unused=1000");
    zb_engine_keep (rig->engine, ZB_KEEP_NOTE);
    zb_engine_keep (rig->engine, ZB_KEEP_WRITE);
    s_stays (rig, "since", 100000);
    //  It is level with its peer again.
    zb_engine_keep (rig->engine, ZB_KEEP_NOTE);
    s_pass (rig, 10000 + SOON);
    assert_false (s_is_there (rig, "r") || s_is_there (rig, "since") || s_is_there (rig, "t/s") ||
                  s_is_there (rig, "t/moved"));
    //  A new lead does not know what was made before it, and reads nothing for it.
    kit_ok (rig, "QUEUE|o|r|unused=1000");
    rig_takeover (rig);
    zb_engine_keep (rig->engine, ZB_KEEP_WRITE);
    rig_say (rig, "c", "HELLO|h");
    s_pass (rig, 1);
    s_stays (rig, "r", 200000);
    zb_engine_keep (rig->engine, ZB_KEEP_NOTE);
    s_pass (rig, 60000 + SOON);
    assert_false (s_is_there (rig, "r"));
    rig_destroy (&rig);
}

//  All of them go, in several steps, each of a bounded size; those that nobody has asked for are loaded for it.
static void test_many (void **state)
{
    (void) state;
    enum { MANY = 3000 };
    rig_t *rig = s_open ();
    for (int number = 0; number < MANY; number++) {
        char line[60];
        snprintf (line, sizeof line, "QUEUE|o|r%d|unused=70000", number);
        kit_ok (rig, line);
    }
    assert_int_equal (rig_stats (rig).queues, MANY + 1);
    s_take_over (rig);
    size_t most = 0;
    for (int step = 0; step < 800 && rig_stats (rig).queues > 1; step++) {
        size_t before = rig_stats (rig).queues;
        s_pass (rig, 250);
        size_t fewer = before - rig_stats (rig).queues;
        most = fewer > most ? fewer : most;
    }
    assert_int_equal (rig_stats (rig).queues, 1);
    assert_in_range (most, 1, MANY / 2);
    assert_in_range (rig_stats (rig).visited, 1, 2 * ZB_TURN_VISITS);
    rig_destroy (&rig);
}

//  It holds back its topic no longer.
static void test_a_subscription (void **state)
{
    (void) state;
    static const char *const uses[] = {"GET|u|t/s|1|0|", "SUB|u|t/s|", "PEEK|u|t/s|first|9", "SEEK|u|t/s|first", NULL};
    for (size_t index = 0; index < 5; index++) {
        rig_t *rig = s_open ();
        kit_ok (rig, "TOPIC|o|t|");
        kit_ok (rig, "SUB|o|t/s|unused=5000");
        kit_ok (rig, "SUB|o|t/other|");
        kit_put (rig, "t", 10);
        kit_gets (rig, "t/other", "xxxxxxxxxx");
        kit_ok (rig, "ACK|a|t/other|1:3");
        s_pass (rig, 4000);
        if (uses[index]) {
            rig_say (rig, "c", uses[index]);
            assert_int_not_equal (rig_last (rig)->answer.status, ZB_ANSWER_ERR);
            kit_ok (rig, "NACK|n|t/s|1:3");
        }
        kit_answers (rig, "c", "READ|r|t|first|9|0", "xxxxxxxxxx");
        assert_int_equal (kit_log_rows (rig), 1);
        s_goes_after (rig, "t/s", uses[index] ? 4000 : 1);
        assert_true (s_is_there (rig, "t") && s_is_there (rig, "t/other"));
        assert_int_equal (kit_log_rows (rig), 0);
        //  After a takeover, too, though nobody has asked for its topic.
        kit_ok (rig, "SUB|o|t/s|unused=5000");
        s_take_over (rig);
        s_goes_after (rig, "t/s", 59999);
        rig_destroy (&rig);
    }
}

//  What the loser has deleted so the winner still has, and what was in it.  Both know it, so only what was made since goes.
static void test_a_split (void **state)
{
    (void) state;
    sides_open_past ();
    side_t *sides[] = {&sides_winner, &sides_loser};
    for (int index = 0; index < 2; index++) {
        sides_say (sides[index], "c", "QUEUE|o|q|unused=1000");
        sides_lead (sides[index]);
        sides_say (sides[index], "c", "HELLO|h");
        rig_skip (sides[index]->rig);
    }
    //  As if it had been level with its peer a moment before.
    zb_engine_keep (sides_loser.rig->engine, ZB_KEEP_NOTE);
    sides_loser.rig->sync_here = false;
    s_pass (sides_loser.rig, 63000);
    assert_int_equal (rig_stats (sides_loser.rig).disused, 1);
    zb_engine_keep (sides_loser.rig->engine, ZB_KEEP_WRITE);
    sides_loser.rig->sync_here = true;
    rig_sync (sides_loser.rig, true, false);
    s_pass (sides_winner.rig, 100000);
    assert_true (s_is_there (sides_winner.rig, "q"));
    sides_say (&sides_loser, "c", "QUEUE|o|r|unused=9000");
    sides_say (&sides_loser, "c", "PUT|p|r||theirs");
    sides_say (&sides_winner, "c", "QUEUE|o|r|unused=30000");
    sides_say (&sides_winner, "c", "PUT|p|r||ours");
    sides_replay_messages (1);
    //  More of it may come.
    s_stays (sides_winner.rig, "r", 100000);
    sides_replay ("");
    //  Who has used it there is coming.
    s_stays (sides_winner.rig, "r", 29000);
    sides_expect ("one,two,three,till 1");
    zb_engine_keep (sides_winner.rig->engine, ZB_KEEP_NOTE);
    s_pass (sides_winner.rig, 70000);
    assert_false (s_is_there (sides_winner.rig, "r"));
    sides_close ();
}

//  An option of the loser's comes with the replay, and counts from there.
static void test_named_by_the_loser (void **state)
{
    (void) state;
    sides_open ();
    s_pass (sides_winner.rig, 100000);
    sides_say (&sides_loser, "c", "QUEUE|o|q|unused=5000");
    sides_say (&sides_loser, "c", "QUEUE|o|r|unused=5000");
    sides_replay ("");
    s_stays (sides_winner.rig, "r", 10000);
    zb_engine_keep (sides_winner.rig->engine, ZB_KEEP_NOTE);
    s_pass (sides_winner.rig, 10000 + SOON);
    assert_false (s_is_there (sides_winner.rig, "q") || s_is_there (sides_winner.rig, "r"));
    sides_close ();
}

//  What it may be, and where it is told.
static void test_the_option (void **state)
{
    (void) state;
    static const struct {
        const char *value, *told;
    } cases[] = {{"1", "\nunused=1"},
                 {"3155760000000", "\nunused="},
                 {"0", NULL},
                 {"3155760000001", ""},
                 {"-1", ""},
                 {"1s", ""},
                 {"", ""},
                 {"1 ", ""}};
    rig_t *rig = s_open ();
    kit_ok (rig, "TOPIC|o|t|");
    kit_ok (rig, "SUB|o|t/a|");
    for (int sub = 0; sub <= 1; sub++)
        for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
            char line[100];
            const char *told = cases[index].told;
            bool good = !told || *told;
            snprintf (line, sizeof line, "%s|unused=%s", sub ? "SUB|o|t/a" : "QUEUE|o|q", cases[index].value);
            rig_skip (rig);
            rig_say (rig, "c", line);
            rig_expect (rig, good ? "c> OK|o*" : "c> ERR|o|400|unused is a number of milliseconds, 0 for never");
            if (!good)
                continue;
            s_take_over (rig);
            rig_say (rig, "c", sub ? "LIST|l||t|9" : "LIST|l|q");
            const char *found = strstr (rig_last (rig)->text, "\nunused=");
            if (told)
                assert_memory_equal (found, told, strlen (told));
            else
                assert_null (found);
        }
    //  Changed or taken away it counts anew.
    kit_ok (rig, "QUEUE|o|r|unused=1000");
    kit_ok (rig, "QUEUE|o|r|unused=0");
    s_stays (rig, "r", 100000);
    kit_ok (rig, "QUEUE|o|r|unused=9000");
    kit_ok (rig, "QUEUE|o|r|unused=5000");
    s_goes_after (rig, "r", 5000);
    kit_refused (rig, "TOPIC|o|t|unused=1000", 400);
    zb_engine_level (rig->engine, ZB_LEVEL_UNUSED - 1);
    rig_skip (rig);
    rig_say (rig, "c", "QUEUE|o|q|unused=1");
    rig_expect (rig, "c> ERR|o|503|*");
    rig_say (rig, "c", "SUB|o|t/a|unused=1");
    rig_expect (rig, "c> ERR|o|503|*");
    rig_destroy (&rig);
}

//  What waits for its key is leased by nobody.
static void test_by_key (void **state)
{
    (void) state;
    rig_t *rig = s_open ();
    kit_ok (rig, "QUEUE|o|r|unused=5000\nmode=key");
    kit_ok (rig, "PUT|p|r|key=a|1|2");
    rig_skip (rig);
    rig_say (rig, "c", "GET|g|r|2|0|");
    rig_expect (rig, "c> MSG|g|both|r|1:1 1\tkey=a|1");
    kit_ok (rig, "ACK|a|r|1:1");
    s_goes_after (rig, "r", 5000);
    rig_destroy (&rig);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_goes_when_nobody_uses_it),
        cmocka_unit_test (test_what_has_a_delay_keeps_it),
        cmocka_unit_test (test_what_a_use_is),
        cmocka_unit_test (test_who_waits_and_who_has_something),
        cmocka_unit_test (test_a_lead_counts_for_itself),
        cmocka_unit_test (test_rests_while_the_time_may_be_wrong),
        cmocka_unit_test (test_without_a_clock),
        cmocka_unit_test (test_a_target_stays),
        cmocka_unit_test (test_alone),
        cmocka_unit_test (test_many),
        cmocka_unit_test (test_a_subscription),
        cmocka_unit_test (test_a_split),
        cmocka_unit_test (test_named_by_the_loser),
        cmocka_unit_test (test_by_key),
        cmocka_unit_test (test_the_option),
    };
    return cmocka_run_group_tests_name ("disusing", tests, NULL, NULL);
}
