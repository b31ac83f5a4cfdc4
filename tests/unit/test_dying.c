/*  =========================================================================
    test_dying - messages that have had all their tries: max-deliveries

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

#define DEAD "\tzb-dead=max-deliveries\tzb-from=q\tzb-tries="

//  A queue `q` of two messages with these options, 1:1 and 1:2; "w" and "v" are consumers, "w" has a name.
static rig_t *s_work_within (const char *options, const zb_limits_t *limits)
{
    char line[128];
    rig_t *rig = rig_ready (limits);
    snprintf (line, sizeof line, "QUEUE|o|q|%s", options);
    rig_say (rig, "c", line);
    rig_expect (rig, "c> OK|o");
    rig_say (rig, "c", "PUT|p|q||1|2");
    rig_say (rig, "w", "HELLO|h|worker||");
    rig_say (rig, "v", "HELLO|h");
    rig_skip (rig);
    return rig;
}

static rig_t *s_work (const char *options)
{
    return s_work_within (options, NULL);
}

//  What "v" gets of the queue now.
static void s_holds (rig_t *rig, const char *queue, const char *want)
{
    char line[600];
    rig_skip (rig);
    snprintf (line, sizeof line, "GET|g|%s|9|0|", queue);
    rig_say (rig, "v", line);
    snprintf (line, sizeof line, "v> MSG|g|both|%s|%s", queue, want);
    rig_expect (rig, line);
}

//  "v" gets what is ready of `q`, and it is tried without success.
static void s_nack (rig_t *rig, const char *ids)
{
    char line[100];
    rig_say (rig, "v", "GET|g|q|9|0|");
    snprintf (line, sizeof line, "NACK|n|q|%s", ids);
    rig_say (rig, "v", line);
    rig_run (rig);
}

static void test_the_only_try (void **state)
{
    (void) state;
    rig_t *rig = s_work ("max-deliveries=1");
    s_nack (rig, "1:1 1:2");
    s_holds (rig, "q", "");
    s_holds (rig, "q.dead", "1:3 1" DEAD "1\n1:4 1" DEAD "1|1|2");
    assert_int_equal (rig_stats (rig).spent, 2);
    assert_int_equal (rig_stats (rig).rejected, 0);
    assert_int_equal (rig_stats (rig).dying, 0);
    assert_int_equal (rig_stats (rig).acked, 0);
    //  It is in one of the two, on the disk as well.
    rig_takeover (rig);
    rig_say (rig, "v", "HELLO|h");
    s_holds (rig, "q", "");
    s_holds (rig, "q.dead", "1:3 1" DEAD "1\n1:4 1" DEAD "1|1|2");
    rig_destroy (&rig);
}

//  Each way in which a try ends: a NACK, the end of a lease, of a connection.  The last one, whichever it is, is the message's
//  end; until then it comes at once, twice, and from then on later each time.
static void test_how_tries_end (void **state)
{
    (void) state;
    for (int last = 0; last < 3; last++) {
        rig_t *rig = s_work ("max-deliveries=5\nlease=1000\ngrace=50");
        rig_say (rig, "w", "ACK|a|q|1:2");
        rig_say (rig, "w", "GET|g|q|9|0|");
        rig_gone (rig, "w");
        rig_wait (rig, 50);
        s_holds (rig, "q", "1:1 2|1");
        rig_wait (rig, 1000);
        s_holds (rig, "q", "1:1 3|1");
        rig_say (rig, "v", "NACK|n|q|1:1");
        rig_wait (rig, 99);
        s_holds (rig, "q", "");
        rig_wait (rig, 1);
        s_holds (rig, "q", "1:1 4|1");
        rig_say (rig, "v", "NACK|n|q|1:1");
        rig_wait (rig, 199);
        s_holds (rig, "q", "");
        rig_wait (rig, 1);
        rig_say (rig, "x", "HELLO|h");
        rig_skip (rig);
        rig_say (rig, last == 2 ? "x" : "v", "GET|g|q|9|0|");
        rig_expect (rig, last == 2 ? "x> MSG|g|both|q|1:1 5|1" : "v> MSG|g|both|q|1:1 5|1");
        s_holds (rig, "q", "");
        assert_int_equal (rig_stats (rig).spent, 0);
        //  A delay of its own changes nothing.
        if (last == 0)
            rig_say (rig, "v", "NACK|n|q|1:1|60000");
        if (last == 2)
            rig_gone (rig, "x");
        rig_wait (rig, last == 0 ? 0 : last == 1 ? 1000 : 50);
        assert_int_equal (rig_stats (rig).spent, 1);
        s_holds (rig, "q", "");
        s_holds (rig, "q.dead", "1:3 1" DEAD "5|1");
        rig_destroy (&rig);
    }
}

//  `untried`, a HELLO of the same name, and a takeover count nothing; a takeover forgets what was counted.
static void test_what_is_no_try (void **state)
{
    (void) state;
    rig_t *rig = s_work ("max-deliveries=2");
    for (int turn = 0; turn < 5; turn++) {
        rig_say (rig, "v", "GET|g|q|9|0|");
        rig_say (rig, "v", "NACK|n|q|1:1 1:2||untried");
        rig_say (rig, "w", "GET|g|q|9|0|");
        rig_say (rig, "w", "HELLO|h|worker||");
    }
    s_nack (rig, "1:1 1:2");
    rig_say (rig, "v", "GET|g|q|9|0|");
    rig_takeover (rig);
    rig_say (rig, "v", "HELLO|h");
    s_nack (rig, "1:1 1:2");
    assert_int_equal (rig_stats (rig).spent, 0);
    s_holds (rig, "q", "1:1 2\n1:2 2|1|2");
    //  The tries are told, not the deliveries.
    rig_say (rig, "v", "NACK|n|q|1:1 1:2||untried");
    rig_say (rig, "v", "GET|g|q|9|0|");
    rig_say (rig, "v", "NACK|n|q|1:2");
    rig_run (rig);
    assert_int_equal (rig_stats (rig).spent, 1);
    s_holds (rig, "q.dead", "2:1 1" DEAD "2|2");
    rig_destroy (&rig);
}

//  Whoever knows its id may settle it while it waits; REJECT says its own reason.
static void test_settled_meanwhile (void **state)
{
    (void) state;
    rig_t *rig = s_work ("max-deliveries=1\ndead-letter=bin");
    rig_say (rig, "c", "TOPIC|t|bin|");
    rig_say (rig, "c", "PUT|p|q||3|4");
    s_nack (rig, "1:1..1:4");
    assert_int_equal (rig_stats (rig).dying, 4);
    rig_skip (rig);
    rig_say (rig, "c", "ACK|a|q|1:1");
    rig_expect (rig, "c> OK|a|both");
    assert_int_equal (rig_stats (rig).dying, 3);
    rig_say (rig, "c", "QUEUE|o|q|dead-letter=");
    rig_skip (rig);
    rig_say (rig, "c", "REJECT|r|q|1:2");
    rig_expect (rig, "c> OK|r|both");
    rig_wait (rig, 1000);
    s_holds (rig, "q.dead", "1:5 1\tzb-dead=rejected\tzb-from=q\tzb-tries=1\n1:6 1" DEAD "1\n1:7 1" DEAD "1|2|3|4");
    assert_int_equal (rig_stats (rig).dying, 0);
    rig_destroy (&rig);
}

//  Where it can't go, a message stays, nobody gets it, and it is counted; others come.  It goes when that is over.
static void s_is_stuck (rig_t *rig, const char *target, void (*end) (rig_t *), const char *want)
{
    rig_say (rig, "c", "PUT|p|q||3");
    s_nack (rig, "1:1 1:2");
    assert_int_equal (rig_stats (rig).dying, 2);
    assert_int_equal (rig_stats (rig).spent, 0);
    rig_wait (rig, 5000);
    s_holds (rig, "q", "");
    rig_skip (rig);
    rig_say (rig, "c", "PEEK|k|q|first|1");
    assert_non_null (strstr (rig_last (rig)->text, "\tzb-state=dying|1"));
    rig_skip (rig);
    rig_say (rig, "c", "LIST|l|q");
    assert_non_null (strstr (rig_last (rig)->text, "\nmessages=3\nleased=3\n"));
    rig_say (rig, "c", "PUT|p|q||4");
    rig_skip (rig);
    rig_say (rig, "w", "GET|g|q|9|0|");
    assert_int_equal (rig_last (rig)->answer.bodies, 1);
    size_t batches = rig->batches;
    for (int turn = 0; turn < 20; turn++)
        rig_wait (rig, 1000);
    assert_true (rig->batches - batches < 3);
    assert_int_equal (rig_stats (rig).dying, 2);
    end (rig);
    rig_wait (rig, 1000);
    assert_int_equal (rig_stats (rig).dying, 0);
    assert_int_equal (rig_stats (rig).spent, 2);
    s_holds (rig, target, want);
}

static void s_topic_goes (rig_t *rig)
{
    rig_say (rig, "c", "DELETE|d|bin");
}

static void test_the_target_is_a_topic (void **state)
{
    (void) state;
    rig_t *rig = s_work ("max-deliveries=1\ndead-letter=bin");
    rig_say (rig, "c", "TOPIC|t|bin|");
    s_is_stuck (rig, "bin", s_topic_goes, "1:5 1" DEAD "1\n1:6 1" DEAD "1|1|2");
    rig_destroy (&rig);
}

static void s_room (rig_t *rig)
{
    rig_say (rig, "c", "DELETE|d|other");
    rig_run (rig);
}

static void test_too_many_queues (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.queues = 2;
    rig_t *rig = s_work_within ("max-deliveries=1", &limits);
    rig_say (rig, "c", "QUEUE|o|other|");
    s_is_stuck (rig, "q.dead", s_room, "1:5 1" DEAD "1\n1:6 1" DEAD "1|1|2");
    rig_destroy (&rig);
}

static void test_the_disk_is_full (void **state)
{
    (void) state;
    rig_t *rig = s_work ("max-deliveries=1");
    s_nack (rig, "1:1");
    s_holds (rig, "q.dead", "1:3 1" DEAD "1|1");
    zb_engine_full (rig->engine, true);
    s_nack (rig, "1:2");
    rig_wait (rig, 5000);
    assert_int_equal (rig_stats (rig).dying, 1);
    zb_engine_full (rig->engine, false);
    rig_wait (rig, 999);
    rig_wait (rig, 1);
    assert_int_equal (rig_stats (rig).spent, 2);
    s_holds (rig, "q.dead", "1:4 1" DEAD "1|2");
    rig_destroy (&rig);
}

//  However full the target is; what a message says of itself that a dead letter says is not doubled.
static void test_a_full_target (void **state)
{
    (void) state;
    rig_t *rig = s_work ("max-deliveries=1");
    rig_say (rig, "c", "QUEUE|o|bin|max-messages=1");
    rig_say (rig, "c", "PUT|p|bin||full");
    rig_say (rig, "c", "PUT|p|q|zb-from=me\nx=y|5");
    rig_say (rig, "c", "QUEUE|o|q|dead-letter=bin");
    s_nack (rig, "1:1 1:4");
    s_holds (rig, "bin", "1:3 1\n1:5 1" DEAD "1\n1:6 1\tx=y" DEAD "1|full|1|5");
    rig_destroy (&rig);
}

//  In a circle, too: what is dead comes back as what could not be worked on does.
static void test_a_message_dies_once (void **state)
{
    (void) state;
    rig_t *rig = s_work ("max-deliveries=1");
    rig_say (rig, "c", "QUEUE|o|q.dead|max-deliveries=1\ndead-letter=q");
    rig_say (rig, "c", "PUT|p|q.dead||own");
    s_nack (rig, "1:1");
    for (int turn = 1; turn < 5; turn++) {
        char want[200];
        snprintf (want, sizeof want, turn == 1 ? "1:3 %d\n1:4 %d" DEAD "1|own|1" : "1:4 %d" DEAD "1|1", turn, turn);
        s_holds (rig, "q.dead", want);
        rig_say (rig, "v", "NACK|n|q.dead|1:3 1:4");
        rig_wait (rig, turn < 3 ? 0 : turn == 3 ? 99 : 199);
        if (turn > 2)
            s_holds (rig, "q.dead", "");
        rig_wait (rig, 1);
        assert_int_equal (rig_stats (rig).dying, 0);
    }
    assert_int_equal (rig_stats (rig).spent, 2);
    rig_skip (rig);
    rig_say (rig, "v", "GET|g|q|9|0|");
    rig_expect (rig, "v> MSG|g|both|q|1:5 1\tzb-dead=max-deliveries\tzb-from=q.dead\tzb-tries=1|own");
    //  MOVE makes it one that may die again.
    rig_say (rig, "v", "NACK|n|q|1:5");
    rig_run (rig);
    rig_say (rig, "c", "MOVE|m|q|q.dead||9");
    rig_skip (rig);
    s_holds (rig, "q.dead", "1:4 5" DEAD "1\n1:6 1|1|own");
    rig_destroy (&rig);
}

//  What dies when its queue is given more tries, or none to count, lives on.
static void test_more_tries (void **state)
{
    (void) state;
    for (int none = 0; none < 2; none++) {
        rig_t *rig = s_work ("max-deliveries=1\ndead-letter=bin");
        rig_say (rig, "c", "TOPIC|t|bin|");
        s_nack (rig, "1:1 1:2");
        assert_int_equal (rig_stats (rig).dying, 2);
        rig_say (rig, "c", none ? "QUEUE|o|q|max-deliveries=0" : "QUEUE|o|q|max-deliveries=2");
        rig_wait (rig, 1000);
        assert_int_equal (rig_stats (rig).dying, 0);
        s_holds (rig, "q", "1:1 2\n1:2 2|1|2");
        rig_say (rig, "v", "NACK|n|q|1:1");
        rig_run (rig);
        assert_int_equal (rig_stats (rig).dying, none ? 0 : 1);
        rig_destroy (&rig);
    }
}

//  With delays of its own, and where messages expire: what has died does not.
static void test_beside_other_options (void **state)
{
    (void) state;
    rig_t *rig = s_work ("max-deliveries=3\nretry-delay=10..15\nexpires=100000");
    zb_engine_time (rig->engine, 1000000, rig->now);
    rig_say (rig, "c", "PUT|p|q|expires=100|3");
    rig_say (rig, "c", "QUEUE|o|q.dead|expires=1");
    rig_say (rig, "v", "ACK|a|q|1:1 1:2");
    rig_wait (rig, 61000);
    zb_engine_time (rig->engine, 1061000, rig->now);
    rig_say (rig, "c", "PUT|p|q|expires=100|4");
    //  The first one is over.
    rig_say (rig, "v", "GET|g|q|9|0|");
    rig_say (rig, "v", "NACK|n|q|1:3..1:4");
    rig_wait (rig, 9);
    s_holds (rig, "q", "");
    rig_wait (rig, 1);
    rig_say (rig, "v", "GET|g|q|9|0|");
    rig_say (rig, "v", "NACK|n|q|1:3..1:4");
    rig_wait (rig, 14);
    s_holds (rig, "q", "");
    rig_wait (rig, 1);
    rig_say (rig, "v", "GET|g|q|9|0|");
    rig_say (rig, "v", "NACK|n|q|1:3..1:4");
    rig_wait (rig, 120000);
    zb_engine_time (rig->engine, 1200000, rig->now);
    assert_int_equal (rig_stats (rig).spent + rig_stats (rig).lapsed, 2);
    assert_int_equal (rig_stats (rig).spent, 1);
    s_holds (rig, "q.dead", "1:5 1\texpires=100" DEAD "3|4");
    rig_destroy (&rig);
}

//  PURGE and DELETE end what dies; a takeover makes it ready again.
static void test_they_go_before (void **state)
{
    (void) state;
    static const char *const how[] = {"PURGE|x|q", "DELETE|x|q", "DELETE|x|bin", NULL};
    for (size_t index = 0; index < 4; index++) {
        rig_t *rig = s_work ("max-deliveries=1\ndead-letter=bin");
        rig_say (rig, "c", "TOPIC|t|bin|");
        s_nack (rig, "1:1 1:2");
        assert_int_equal (rig_stats (rig).dying, 2);
        if (how[index])
            rig_say (rig, "c", how[index]);
        else
            rig_takeover (rig);
        assert_int_equal (rig_stats (rig).dying, index == 2 ? 2 : 0);
        rig_wait (rig, 2000);
        assert_int_equal (rig_stats (rig).dying, 0);
        assert_int_equal (rig_stats (rig).spent, index == 2 ? 2 : 0);
        if (!how[index]) {
            rig_say (rig, "v", "HELLO|h");
            s_holds (rig, "q", "1:1 1\n1:2 1|1|2");
        }
        rig_destroy (&rig);
    }
}

//  Each subscription counts by itself.
static void test_of_a_subscription (void **state)
{
    (void) state;
    rig_t *rig = s_work ("");
    rig_say (rig, "c", "TOPIC|t|t|");
    rig_say (rig, "c", "SUB|s|t/a|max-deliveries=1");
    rig_say (rig, "c", "SUB|s|t/b|");
    rig_say (rig, "c", "PUT|p|t||x|y");
    rig_say (rig, "v", "GET|g|t/a|1|0|");
    rig_say (rig, "v", "NACK|n|t/a|1:5");
    rig_run (rig);
    s_holds (rig, "t.a.dead", "1:7 1\tzb-dead=max-deliveries\tzb-from=t/a\tzb-tries=1|x");
    rig_takeover (rig);
    rig_say (rig, "v", "HELLO|h");
    rig_skip (rig);
    rig_say (rig, "v", "GET|g|t/a|9|0|");
    rig_expect (rig, "v> MSG|g|both|t/a|1:6 1*");
    rig_say (rig, "v", "GET|g|t/b|9|0|");
    rig_expect (rig, "v> MSG|g|both|t/b|1:5 1*");
    //  SEEK ends what dies.
    rig_say (rig, "c", "HELLO|h");
    zb_engine_full (rig->engine, true);
    rig_say (rig, "v", "NACK|n|t/a|1:6");
    rig_run (rig);
    assert_int_equal (rig_stats (rig).dying, 1);
    zb_engine_full (rig->engine, false);
    rig_skip (rig);
    rig_say (rig, "c", "SEEK|k|t/a|first");
    rig_expect (rig, "c> OK|k|both");
    assert_int_equal (rig_stats (rig).dying, 0);
    rig_destroy (&rig);
}

//  What "v" gets at once of the queue, until nothing comes; how many.  Each is the next one in the order of their bodies, and
//  is acknowledged if `acks`.
static size_t s_all (rig_t *rig, const char *queue, bool acks)
{
    size_t got = 0, bodies = 1;
    char line[80], mark[40];
    snprintf (mark, sizeof mark, "|both|%s|", queue);
    for (int empty = 0; empty < 3; empty = bodies ? 0 : empty + 1) {
        rig_skip (rig);
        snprintf (line, sizeof line, "GET|g|%s|1000|1000|", queue);
        rig_say (rig, "v", line);
        rig_wait (rig, 1001);
        const rig_reply_t *reply = rig_last (rig);
        bodies = reply->answer.bodies;
        for (size_t index = 0; index < bodies; index++) {
            char number[10] = "";
            const zb_frame_t *body = &reply->answer.body[index];
            memcpy (number, (const char *) body->data + body->size - 9, 9);
            assert_int_equal (atoi (number), ++got);
        }
        const char *at = strstr (reply->text, mark);
        assert_non_null (at);
        if (bodies && acks) {
            char *end = NULL;
            unsigned long first = strtoul (strchr (at + strlen (mark), ':') + 1, &end, 10);
            snprintf (line, sizeof line, "ACK|a|%s|1:%lu..1:%lu", queue, first, first + bodies - 1);
            rig_say (rig, "v", line);
        }
    }
    return got;
}

//  Many at once: turn by turn, in their order, each once; also of rows that have left memory, which are read first.
static void test_many (void **state)
{
    (void) state;
    enum { ROWS = 600, EACH = 50, SIZE = 300 };
    for (int small = 0; small < 2; small++) {
        zb_limits_t limits = ZB_LIMITS_DEFAULT;
        limits.window = small ? SIZE * EACH * 80 : limits.windows;
        limits.windows = small ? limits.window * 2 : limits.windows;
        rig_t *rig = s_work_within ("max-deliveries=1\nlease=600000", &limits);
        rig_say (rig, "v", "ACK|a|q|1:1 1:2");
        rig_say (rig, "c", "QUEUE|o|other|");
        char body[SIZE + 1], *line = (char *) malloc (EACH * (SIZE + 1) + 20);
        assert_non_null (line);
        for (int row = 0; row < ROWS; row++) {
            size_t at = (size_t) sprintf (line, "PUT|p|q|");
            for (int each = 0; each < EACH; each++) {
                snprintf (body, sizeof body, "%0*d", SIZE, row * EACH + each + 1);
                at += (size_t) sprintf (line + at, "|%s", body);
            }
            rig_say (rig, "c", line);
        }
        free (line);
        size_t all = s_all (rig, "q", false);
        assert_true (all >= 40 * EACH && (small || all == ROWS * EACH));
        //  Another queue needs the memory.
        for (int row = 0; small && row < ROWS; row++)
            rig_put (rig, "c", "1", "other", EACH, SIZE);
        rig_run (rig);
        for (int turn = 0; small && turn < 20; turn++) {
            rig_say (rig, "w", "GET|g|other|1000|0|");
            rig_wait (rig, 200);
        }
        zb_engine_full (rig->engine, true);
        rig_wait (rig, 600000);
        assert_int_equal (rig_stats (rig).dying, all);
        size_t reads = rig->read_count;
        zb_engine_full (rig->engine, false);
        rig_wait (rig, 1000);
        assert_int_equal (rig_stats (rig).spent, all);
        assert_int_equal (rig_stats (rig).dying, 0);
        assert_true (rig_stats (rig).visited < 2 * ZB_TURN_VISITS);
        assert_true (rig->read_count > reads || !small);
        assert_int_equal (s_all (rig, "q.dead", true), all);
        rig_destroy (&rig);
    }
}

static void test_options (void **state)
{
    (void) state;
    char name[256], line[600];
    rig_t *rig = s_work ("lease=5");
    rig_say (rig, "c", "TOPIC|t|t|");
    rig_say (rig, "c", "SUB|s|t/a|");
    static const struct {
        const char *value, *shown;
    } cases[] = {{"1", "\nmax-deliveries=1"},
                 {"2147483647", "\nmax-deliveries=2147483647"},
                 {"0", NULL},
                 {"", NULL},
                 {"-1", NULL},
                 {"x", NULL},
                 {"2147483648", NULL}};
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        bool good = cases[index].shown || strcmp (cases[index].value, "0") == 0;
        for (int sub = 0; sub < 2; sub++) {
            rig_skip (rig);
            snprintf (line, sizeof line, "%s|max-deliveries=%s", sub ? "SUB|o|t/a" : "QUEUE|o|q", cases[index].value);
            rig_say (rig, "c", line);
            rig_expect (rig, good ? "c> OK|o*" : "c> ERR|o|400|max-deliveries is a number, 0 for no limit");
        }
        rig_takeover (rig);
        rig_say (rig, "c", "HELLO|h");
        for (int sub = 0; sub < 2; sub++) {
            rig_skip (rig);
            rig_say (rig, "c", sub ? "LIST|l|t*||9" : "LIST|l|q");
            //  What is refused changes nothing.
            const char *found = strstr (rig_last (rig)->text, "\nmax-deliveries=");
            assert_true (!found == (index > 1));
            if (cases[index].shown)
                assert_non_null (strstr (rig_last (rig)->text, cases[index].shown));
        }
    }
    rig_skip (rig);
    rig_say (rig, "c", "TOPIC|o|t|max-deliveries=5");
    rig_expect (rig, "c> ERR|o|400|the options of a topic are*");
    //  A name for which the default of the dead letters' queue would be too long.
    memset (name, 'n', 255);
    for (size_t size = 250; size < 252; size++) {
        name[size] = 0;
        for (int sub = 0; sub < 2; sub++) {
            if (sub)
                name[1] = '/';
            snprintf (line, sizeof line, "%s|x|%.*s|", sub ? "TOPIC" : "QUEUE", sub ? 1 : 255, name);
            rig_say (rig, "c", line);
            rig_skip (rig);
            snprintf (line, sizeof line, "%s|o|%s|max-deliveries=1", sub ? "SUB" : "QUEUE", name);
            rig_say (rig, "c", line);
            rig_expect (rig, size == 250 ? "c> OK|o*" : "c> ERR|o|400|max-deliveries: the name of*");
            snprintf (line, sizeof line, "%s|o|%s|max-deliveries=1\ndead-letter=q", sub ? "SUB" : "QUEUE", name);
            rig_say (rig, "c", line);
            rig_expect (rig, "c> OK|o*");
            snprintf (line, sizeof line, "%s|o|%s|dead-letter=", sub ? "SUB" : "QUEUE", name);
            rig_say (rig, "c", line);
            rig_expect (rig, size == 250 ? "c> OK|o*" : "c> ERR|o|400|max-deliveries: the name of*");
            name[1] = 'n';
        }
        name[size] = 'n';
    }
    zb_engine_level (rig->engine, 3);
    rig_say (rig, "c", "QUEUE|o|q|max-deliveries=1");
    rig_expect (rig, "c> ERR|o|503|the store is of level 3, and this takes level 4*");
    rig_say (rig, "c", "TOPIC|o|news|");
    rig_skip (rig);
    rig_say (rig, "c", "SUB|o|news/s|max-deliveries=1");
    rig_expect (rig, "c> ERR|o|503|the store is of level 3, and this takes level 4*");
    rig_say (rig, "c", "SUB|o|news/s|");
    rig_expect (rig, "c> OK|o*");
    rig_destroy (&rig);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_the_only_try),
        cmocka_unit_test (test_how_tries_end),
        cmocka_unit_test (test_what_is_no_try),
        cmocka_unit_test (test_settled_meanwhile),
        cmocka_unit_test (test_the_target_is_a_topic),
        cmocka_unit_test (test_too_many_queues),
        cmocka_unit_test (test_the_disk_is_full),
        cmocka_unit_test (test_a_full_target),
        cmocka_unit_test (test_a_message_dies_once),
        cmocka_unit_test (test_more_tries),
        cmocka_unit_test (test_beside_other_options),
        cmocka_unit_test (test_they_go_before),
        cmocka_unit_test (test_of_a_subscription),
        cmocka_unit_test (test_many),
        cmocka_unit_test (test_options),
    };
    return cmocka_run_group_tests_name ("dying", tests, NULL, NULL);
}
