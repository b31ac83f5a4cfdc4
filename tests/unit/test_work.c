/*  =========================================================================
    test_work - what clients choose: how much waits for them, how much a turn does for them

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

#include "core/base/lineage.h"
#include "core/queue/rows.h"
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

static void test_gets_that_wait_hold_nobody_up (void **state)
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

static void test_gets_that_wait_are_bounded (void **state)
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
static void test_late_gets_are_answered_after_the_read (void **state)
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

//  Work for ranges

enum { BOMB = ZB_ACKS_MAX, HERD = 60000 };

//  A request of this verb whose acks are as bad as can be: ranges of everything, again and again.
static void s_push_bomb (rig_t *rig, const char *client, const char *form)
{
    static const char range[] = "1..18446744073709551615";
    char *acks = (char *) malloc (BOMB + 1), *line = (char *) malloc (BOMB + 100);
    assert_non_null (acks);
    assert_non_null (line);
    size_t size = 0;
    while (size + sizeof range <= BOMB) {
        memcpy (acks + size, range, sizeof range - 1);
        size += sizeof range - 1;
        acks[size++] = ' ';
    }
    acks[size - 1] = 0;
    snprintf (line, BOMB + 100, form, acks);
    rig_push (rig, client, line);
    free (acks);
    free (line);
}

//  A queue of HERD messages, all of them in memory.
static rig_t *s_herd (void)
{
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.window = 64 << 20;
    rig_t *rig = rig_ready (&limits);
    for (int count = 0; count < HERD / 1000; count++) {
        rig_put (rig, "c", "p", "q", 1000, 1);
        rig_run (rig);
    }
    rig_skip (rig);
    return rig;
}

//  All of it goes to this client.
static void s_lease_all (rig_t *rig, const char *client)
{
    char line[64];
    for (int count = 0; count < HERD / 1000; count++) {
        snprintf (line, sizeof line, "GET|g%d|q|1000|0|", count);
        rig_say (rig, client, line);
    }
    assert_int_equal (rig_stats (rig).messages_out, HERD);
    rig_skip (rig);
}

//  One request makes a step in a turn, however much it names: with it go its acks' bytes, a page's and a lease's rest.
#define STEP_MOST (ZB_STEP_VISITS + ZB_ACKS_MAX / 8 + 2000)

static void test_a_range_takes_steps (void **state)
{
    (void) state;
    static const struct {
        const char *form, *reply;
        bool leased; //  by the client that asks
    } cases[] = {
        {"ACK|b|q|%s", "d> OK|b|both", false},  {"GET|b|q|1|0|%s", "d> MSG|b|both|q|", false},
        {"NACK|b|q|%s", "d> OK|b|0", false},    {"EXTEND|b|q|%s", "d> OK|b|0", false},
        {"NACK|b|q|%s", "d> OK|b|60000", true}, {"EXTEND|b|q|%s", "d> OK|b|60000", true},
        {"NACK|b|q|%s|9", "d> OK|b|0", false},  {"NACK|b|q|%s|9", "d> OK|b|60000", true},
        {"ACK|b|q|%s", "d> OK|b|both", true},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        rig_t *rig = s_herd ();
        rig_say (rig, "d", "HELLO|h");
        s_lease_all (rig, cases[index].leased ? "d" : "c");
        size_t most = rig_stats (rig).visited;
        assert_true (most <= STEP_MOST);
        s_push_bomb (rig, "d", cases[index].form);
        rig_run (rig);
        rig_expect (rig, cases[index].reply);
        assert_true (rig_stats (rig).visited <= STEP_MOST);
        rig_destroy (&rig);
    }
}

//  Many of them share a turn, and others are served meanwhile.
static void test_many_ranges_share_a_turn (void **state)
{
    (void) state;
    static const char *const forms[] = {"NACK|b|q|%s", "EXTEND|b|q|%s", "ACK|b|q|%s", "GET|b|q|1|0|%s"};
    for (size_t index = 0; index < sizeof forms / sizeof *forms; index++) {
        rig_t *rig = s_herd ();
        s_lease_all (rig, "c");
        rig_say (rig, "d", "HELLO|h");
        rig_say (rig, "d", "QUEUE|q|other|");
        rig_skip (rig);
        for (int client = 0; client < 20; client++) {
            char name[16];
            snprintf (name, sizeof name, "w%d", client);
            rig_push (rig, name, "HELLO|h");
            s_push_bomb (rig, index < 2 && client == 0 ? "c" : name, forms[index]);
        }
        assert_true (zb_engine_busy (rig->engine));
        rig_say (rig, "d", "PUT|p|other||x");
        rig_run (rig);
        assert_false (zb_engine_busy (rig->engine));
        //  Those that are read while it is busy are taken all the same.
        assert_true (rig_stats (rig).visited <= ZB_TURN_VISITS + 21 * STEP_MOST);
        rig_destroy (&rig);
    }
}

//  What is on disk only, and what is named in any order and more than once: each message is done once.
static void test_any_order_is_the_same (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "c", "PUT|1|q||a|b|c|d|e|f|g|h");
    rig_say (rig, "c", "ACK|a|q|1:7..1:8 1:2 1:1..1:3 1:2..1:3 1:7");
    rig_say (rig, "c", "GET|g|q|9|0|");
    rig_expect (rig, "c> OK|1|both|1:1|1:8");
    rig_expect (rig, "c> OK|a|both");
    rig_expect (rig, "c> MSG|g|both|q|1:4 1\n1:5 1\n1:6 1|d|e|f");
    assert_int_equal (rig_stats (rig).acked, 5);
    rig_say (rig, "c", "NACK|n|q|1:6 1:4 1:6 1:1");
    rig_expect (rig, "c> OK|n|2");
    rig_takeover (rig);
    rig_say (rig, "c", "HELLO|h");
    rig_skip (rig);
    rig_say (rig, "c", "ACK|a|q|1:6 1:4..1:4 1:4..1:5");
    rig_expect (rig, "c> OK|a|both");
    rig_say (rig, "c", "LIST|l");
    rig_expect (rig, "c> OK|l|q|lease=30000\nmax-messages=0\nmessages=0\n*");
    rig_destroy (&rig);
}

//  EXTEND tells how many leases it has begun anew: what was lost is missing.
static void test_extend_counts_what_it_extends (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_put (rig, "c", "p", "q", 20, 1);
    rig_run (rig);
    rig_say (rig, "c", "GET|g|q|20|0|");
    rig_say (rig, "d", "HELLO|h");
    rig_skip (rig);
    rig_say (rig, "c", "EXTEND|1|q|1:1..1:20");
    rig_expect (rig, "c> OK|1|20");
    rig_say (rig, "d", "EXTEND|2|q|1:1..1:20");
    rig_expect (rig, "d> OK|2|0");
    rig_say (rig, "c", "ACK|3|q|1:1");
    rig_say (rig, "c", "NACK|4|q|1:2");
    rig_say (rig, "c", "EXTEND|5|q|1:1..1:3");
    rig_expect (rig, "c> OK|3|both");
    rig_expect (rig, "c> OK|4|1");
    rig_expect (rig, "c> OK|5|1");
    //  By its leases, where the range is wide: the end of the one, the middle of another, all of a third.
    rig_wait (rig, 20000);
    rig_say (rig, "c", "EXTEND|6|q|1:15..18446744073709551615");
    rig_expect (rig, "c> OK|6|6");
    rig_wait (rig, 20000);
    assert_int_equal (rig_stats (rig).expired, 12);
    rig_say (rig, "c", "NACK|7|q|1:15..18446744073709551615");
    rig_expect (rig, "c> OK|7|6");
    rig_say (rig, "c", "EXTEND|8|q|1..18446744073709551615");
    rig_expect (rig, "c> OK|8|0");
    rig_destroy (&rig);
}

//  READs

//  A topic of so many messages, of which each 50th has the subject "some.N" and the others "no.N"; 20 of them are a row.
static rig_t *s_topic (int messages)
{
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "p", "HELLO|h");
    rig_say (rig, "p", "TOPIC|t|t|keep=all");
    for (int number = 1; number <= messages; number++) {
        char line[80];
        snprintf (line, sizeof line, "PUT|p|t|subject=%s.eu.de.%d|%d", number % 50 ? "no" : "some", number, number);
        rig_push (rig, "p", line);
        if (number % 20 == 0)
            rig_run (rig);
    }
    rig_run (rig);
    rig_skip (rig);
    return rig;
}

//  A READ with as many patterns as there may be, the last one this.
static void s_push_read (rig_t *rig, const char *client, const char *form, int number, const char *pattern)
{
    char filter[256] = "", line[512];
    while (strlen (filter) + 8 + strlen (pattern) < 255)
        strcat (filter, "*.*.*.z ");
    strcat (filter, pattern);
    snprintf (line, sizeof line, form, number, filter);
    rig_push (rig, client, line);
}

//  However many READs there are, and whatever their filters cost, what is looked at for them takes steps; others come in
//  between, and it is charged to who reads.
static void test_reads_take_steps (void **state)
{
    (void) state;
    rig_t *rig = s_topic (1000);
    rig_say (rig, "d", "HELLO|h");
    rig_say (rig, "e", "HELLO|h");
    zb_engine_worked (rig->engine, zb_frame ("d"));
    for (int number = 0; number < ZB_WINDOW; number++)
        s_push_read (rig, "d", "READ|d%d|t|first|1|1000000|%s", number, "none");
    s_push_read (rig, "e", "READ|e%d|t|first|1|1000000|%s", 0, "some.>");
    rig_run (rig);
    rig_expect (rig, "d> OK|h*");
    rig_expect (rig, "e> OK|h*");
    rig_expect (rig, "e> MSG|e0|both|t|*");
    rig_expect (rig, NULL);
    assert_int_equal (rig_stats (rig).parked, ZB_WINDOW);
    assert_true (rig_stats (rig).visited <= 2 * ZB_STEP_VISITS);
    //  Each of them has looked at each message with each of its patterns.
    assert_true (zb_engine_worked (rig->engine, zb_frame ("d")) > (size_t) ZB_WINDOW * 1000 * 30);
    //  So does what comes when all of them wait for it.
    rig_say (rig, "p", "PUT|p|t|subject=no.eu.de.x|x");
    rig_expect (rig, "p> OK*");
    rig_expect (rig, NULL);
    assert_true (rig_stats (rig).visited <= 2 * ZB_STEP_VISITS);
    rig_destroy (&rig);
}

//  Whose READs are answered in between gets each message that fits once, in its order.
static void test_steps_skip_nothing (void **state)
{
    (void) state;
    enum { MESSAGES = 1000, READERS = 7 };
    rig_t *rig = s_topic (MESSAGES);
    uint64_t behind[READERS] = {0};
    int next[READERS], left = READERS;
    char name[READERS][16];
    for (int reader = 0; reader < READERS; reader++) {
        snprintf (name[reader], sizeof name[reader], "r%d", reader);
        rig_say (rig, name[reader], "HELLO|h");
        next[reader] = 50;
    }
    while (left) {
        left = 0;
        rig_skip (rig);
        for (int reader = 0; reader < READERS; reader++) {
            char form[80];
            snprintf (form, sizeof form, "READ|%%d|t|%s%.0" PRIu64 "|%d|0|%%s", behind[reader] ? "1:" : "first",
                      behind[reader], reader + 1);
            s_push_read (rig, name[reader], form, reader, "some.>");
        }
        rig_run (rig);
        for (size_t index = 0; index < rig->count; index++) {
            const zb_answer_t *answer = &rig->replies[index].answer;
            assert_int_equal (answer->status, ZB_ANSWER_MSG);
            int reader = atoi (rig->replies[index].text + 1);
            for (size_t body = 0; body < answer->bodies; body++, next[reader] += 50) {
                char text[16];
                snprintf (text, sizeof text, "%.*s", (int) answer->body[body].size,
                          (const char *) answer->body[body].data);
                assert_int_equal (atoi (text), next[reader]);
            }
            if (answer->bodies)
                behind[reader] = rig->replies[index].reply->body[answer->bodies - 1].id - zb_epoch_base (1, 1);
            left += answer->bodies > 0;
        }
    }
    for (int reader = 0; reader < READERS; reader++)
        assert_int_equal (next[reader], MESSAGES + 50);
    assert_true (rig_stats (rig).visited <= 2 * ZB_STEP_VISITS);
    rig_destroy (&rig);
}

//  Those who wait at the end of a topic are not looked at for who reads from its beginning, or comes to the end.
static void test_reads_at_the_end_are_apart (void **state)
{
    (void) state;
    rig_t *rig = s_topic (20);
    for (int client = 0; client < 40; client++) {
        s_say_numbered (rig, client, "HELLO|h", 0);
        for (int number = 0; number < ZB_WINDOW; number++)
            s_say_numbered (rig, client, "READ|r%d|t|new|1|1000000", number);
        rig_run (rig);
    }
    rig_say (rig, "d", "HELLO|h");
    rig_skip (rig);
    assert_int_equal (rig_stats (rig).parked, 40 * ZB_WINDOW);
    rig_say (rig, "d", "READ|1|t|first|1|0");
    rig_expect (rig, "d> MSG|1|both|t|*");
    rig_say (rig, "d", "READ|2|t|first|1|0|nothing");
    rig_expect (rig, "d> MSG|2|both|t|");
    assert_true (rig_stats (rig).visited <= 2000);
    //  When one comes all of them have it.
    rig_say (rig, "p", "PUT|p|t||x");
    rig_run (rig);
    assert_int_equal (rig_stats (rig).parked, 0);
    assert_true (rig_stats (rig).visited <= 2 * ZB_STEP_VISITS);
    rig_destroy (&rig);
}

//  Few topics and subscriptions are read at a time for filters; all come to their turn, be one of them deleted meanwhile.
//  What the filters cost is charged to who gets.
static void test_few_are_sifted_at_a_time (void **state)
{
    (void) state;
    enum { SUBS = 20 };
    rig_t *rig = s_topic (400);
    rig_say (rig, "d", "HELLO|h");
    rig_say (rig, "e", "HELLO|h");
    for (int number = 0; number < SUBS; number++) {
        char line[64];
        s_push_read (rig, "d", "SUB|s|t/s%d|from=first\nfilter=%s", number, "some.>");
        snprintf (line, sizeof line, "TOPIC|t|t%d|keep=all", number);
        rig_say (rig, "e", line);
        snprintf (line, sizeof line, "PUT|p|t%d||x", number);
        rig_say (rig, "e", line);
    }
    rig_run (rig);
    rig_skip (rig);
    zb_engine_worked (rig->engine, zb_frame ("d"));
    rig->stuck = true;
    for (int number = 0; number < SUBS; number++) {
        char line[64];
        snprintf (line, sizeof line, "GET|g%d|t/s%d|1|0|", number, number);
        rig_push (rig, "d", line);
        snprintf (line, sizeof line, "READ|r%d|t%d|first|1|0", number, number);
        rig_push (rig, "e", line);
    }
    rig_run (rig);
    assert_in_range (rig->reads, 1, 8);
    rig_say (rig, "e", "DELETE|d|t/s19");
    rig_say (rig, "e", "DELETE|d|t19");
    rig->stuck = false;
    rig_run (rig);
    size_t messages = 0;
    for (size_t index = 0; index < rig->count; index++)
        messages += rig->replies[index].answer.status == ZB_ANSWER_MSG && rig->replies[index].answer.bodies == 1;
    assert_int_equal (messages, 2 * (SUBS - 1));
    assert_int_equal (rig_stats (rig).parked, 0);
    assert_true (zb_engine_worked (rig->engine, zb_frame ("d")) > (SUBS - 1) * 100 * 30);
    rig_destroy (&rig);
}

//  What comes when many subscriptions wait with filters that cost much is compared with some of these at once; the others
//  read it, and none lacks it.
static void test_showing_takes_steps (void **state)
{
    (void) state;
    enum { SUBS = ZB_WINDOW, MESSAGES = 200 };
    rig_t *rig = s_topic (0);
    rig_say (rig, "d", "HELLO|h");
    for (int number = 0; number < SUBS; number++) {
        char line[64];
        s_push_read (rig, "d", "SUB|s|t/s%d|filter=%s", number, "some.>");
        snprintf (line, sizeof line, "GET|g%d|t/s%d|1|1000000|", number, number);
        rig_push (rig, "d", line);
    }
    rig_run (rig);
    assert_int_equal (rig_stats (rig).parked, SUBS);
    zb_engine_worked (rig->engine, zb_frame ("d"));
    for (int number = 1; number <= MESSAGES; number++)
        rig_push (rig, "p", number < MESSAGES ? "PUT|p|t|subject=no.eu.de.x|x" : "PUT|p|t|subject=some.eu.de.x|x");
    rig_skip (rig);
    rig_run (rig);
    assert_int_equal (rig_stats (rig).parked, 0);
    size_t messages = 0;
    for (size_t index = 0; index < rig->count; index++)
        messages += rig->replies[index].answer.status == ZB_ANSWER_MSG && rig->replies[index].answer.bodies == 1;
    assert_int_equal (messages, SUBS);
    assert_true (rig_stats (rig).visited <= 6 * ZB_TURN_VISITS);
    assert_true (zb_engine_worked (rig->engine, zb_frame ("d")) > (size_t) SUBS * MESSAGES * 30);
    rig_destroy (&rig);
}

//  Replies

static void test_a_reply_is_bounded_but_for_one_body (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.reply = 1000;
    rig_t *rig = rig_ready (&limits);
    rig_put (rig, "c", "p", "q", 5, 400);
    rig_put (rig, "c", "p", "q", 2, 5000);
    rig_run (rig);
    rig_skip (rig);
    static const size_t bodies[] = {2, 2, 1, 1, 1};
    for (size_t index = 0; index < sizeof bodies / sizeof *bodies; index++) {
        rig_say (rig, "c", "GET|g|q|9|0|");
        assert_int_equal (rig_last (rig)->reply->bodies, bodies[index]);
    }
    //  Properties go with each body, and count as often.
    char line[1000];
    snprintf (line, sizeof line, "PUT|p|q|a=%0600d|||", 7);
    rig_say (rig, "c", line);
    for (int index = 0; index < 3; index++) {
        rig_say (rig, "c", "GET|g|q|9|0|");
        assert_int_equal (rig_last (rig)->reply->bodies, 1);
    }
    rig_destroy (&rig);
}

//  Those who wait for the same LIST are answered in turns.
static void test_lists_are_answered_in_turns (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    for (int number = 0; number < 12000; number++)
        s_say_numbered (rig, 0, number ? "QUEUE|q|many%05d|" : "HELLO|h", number);
    rig_run (rig);
    rig_skip (rig);
    for (int client = 1; client < 40; client++)
        s_say_numbered (rig, client, "HELLO|h", 0);
    for (int client = 1; client < 40; client++)
        s_say_numbered (rig, client, "LIST|l", 0);
    rig_run (rig);
    size_t lists = 0;
    for (size_t index = 0; index < rig->count; index++)
        lists += rig->replies[index].answer.args == 2 * ZB_LIST_MAX;
    assert_int_equal (lists, 39);
    //  Each is charged for its own.
    assert_in_range (zb_engine_worked (rig->engine, zb_frame ("w7")), 12000 + 8 * ZB_LIST_MAX, 13000 + 8 * ZB_LIST_MAX);
    assert_true (rig_stats (rig).visited <= 2 * ZB_TURN_VISITS);
    rig_destroy (&rig);
}

//  Names

static void test_a_name_is_not_used_up (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "a", "HELLO|h|till||");
    rig_expect (rig, "a> OK|h|1.1|0|*");
    rig_say (rig, "x", "HELLO|h|till||9223372036854775807");
    rig_expect (rig, "x> ERR|h|400|no such instance was ever given");
    rig_say (rig, "x", "HELLO|h|till||1.2");
    rig_expect (rig, "x> ERR|h|400|*");
    rig_say (rig, "a", "PUT|1|q||x");
    rig_expect (rig, "a> OK|1|both|1:1|1:1");
    //  Nor is a name that is not known, or was forgotten.
    rig_say (rig, "x", "HELLO|h|other||9223372036854775807");
    rig_expect (rig, "x> ERR|h|400|*");
    rig_say (rig, "x", "HELLO|h|other||1.1");
    rig_expect (rig, "x> OK|h|1.1|0|*");
    rig_say (rig, "o", "HELLO|h|other||");
    rig_expect (rig, "o> OK|h|1.2|0|*");
    //  What the other side of a split may have given is not taken, but its client is not sent away for good.
    zb_engine_keep (rig->engine, ZB_KEEP_NOTE);
    rig_say (rig, "b", "HELLO|h|till||2.1");
    rig_expect (rig, "b> ERR|h|503|merging*");
    rig_say (rig, "b", "HELLO|h|till||1.3");
    rig_expect (rig, "b> ERR|h|400|*");
    rig_destroy (&rig);
}

//  A name that was used up at a broker of the first release, which took any number, is of use again.
static void test_a_name_that_was_used_up (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "a", "HELLO|h|till||");
    rig_say (rig, "a", "PUT|1|q||x");
    rig_skip (rig);
    zb_batch_t *batch = zb_batch_new ();
    uint8_t row[ZB_PRODUCER_ROW_SIZE + 8];
    zb_producer_row_encode (&(zb_producer_row_t){INT64_MAX, 1, 0}, row);
    zb_put64 (row + ZB_PRODUCER_ROW_SIZE, UINT64_C (1) << 63);
    zb_batch_put (batch, ZB_PRODUCERS, "till", 4, row, sizeof row);
    zb_batch_set_commit (batch, rig_stats (rig).commit + 1);
    fake_store_commit (rig->store, batch);
    rig_sync (rig, true, true);
    rig_takeover (rig);
    rig_say (rig, "b", "HELLO|h|till||");
    rig_expect (rig, "b> OK|h|2.1|1|*");
    rig_say (rig, "b", "PUT|2|q||x");
    rig_expect (rig, "b> OK|2|both|2:1|2:1");
    rig_say (rig, "a", "HELLO|h|till||9223372036854775807");
    rig_expect (rig, "a> ERR|h|400|*");
    rig_destroy (&rig);
}

//  How many rows of the table producers the store has.
static size_t s_producer_rows (const rig_t *rig)
{
    zb_read_t *read = zb_read_new (0, 0);
    zb_read_add (read, ZB_PRODUCERS, "", 0, 0, 10000, SIZE_MAX);
    fake_store_read (rig->store, read);
    size_t count = read->count[0];
    zb_read_destroy (&read);
    return count;
}

static void test_a_name_costs_nothing_before_its_first_put (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    //  More than are kept in memory, so that they leave it.
    for (int number = 0; number < 2 * ZB_PRODUCERS_KEPT; number++) {
        s_say_numbered (rig, number % 50, "HELLO|h|name%d||", number);
        if (number % 50 == 0)
            rig_run (rig);
    }
    rig_say (rig, "a", "HELLO|h|name1||");
    rig_skip (rig);
    assert_int_equal (s_producer_rows (rig), 0);
    assert_int_equal (rig_stats (rig).names, 0);
    assert_true (rig_stats (rig).producers <= ZB_PRODUCERS_KEPT);
    //  Nor does what is refused.
    rig_say (rig, "a", "PUT|2|q||x");
    rig_expect (rig, "a> ERR|2|409|1");
    rig_say (rig, "a", "PUT|1|none||x");
    rig_expect (rig, "a> ERR|1|404|*");
    assert_int_equal (s_producer_rows (rig), 0);
    //  The row is in the commit of the PUT: whoever leads next has both or none.
    rig->sync_here = rig->sync_there = false;
    size_t batches = rig->batches;
    rig_say (rig, "a", "PUT|1|q||x");
    assert_int_equal (rig->batches, batches + 1);
    assert_int_equal (s_producer_rows (rig), 2);
    rig_restart (rig);
    assert_int_equal (s_producer_rows (rig), 0);
    rig->sync_here = rig->sync_there = true;
    rig_sync (rig, true, true);
    rig_skip (rig);
    rig_say (rig, "a", "HELLO|h|name1||");
    rig_expect (rig, "a> OK|h|2.1|0|*");
    rig_say (rig, "a", "PUT|1|q||x");
    rig_expect (rig, "a> OK|1|both|2:1|2:1");
    rig_takeover (rig);
    assert_int_equal (s_producer_rows (rig), 2);
    rig_say (rig, "a", "HELLO|h|name1||");
    rig_expect (rig, "a> OK|h|3.1|1|*");
    assert_int_equal (rig_stats (rig).names, 1);
    rig_destroy (&rig);
}

//  A process says HELLO, and its broker dies before it puts anything.
static void test_a_takeover_between_hello_and_put (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "old", "HELLO|h|till||");
    rig_expect (rig, "old> OK|h|1.1|0|*");
    rig_say (rig, "new", "HELLO|h|till||");
    rig_expect (rig, "new> OK|h|1.2|0|*");
    rig_takeover (rig);
    //  It goes on, and the older one is fenced.
    rig_say (rig, "new", "HELLO|h|till||1.2");
    rig_expect (rig, "new> OK|h|1.2|0|*");
    rig_say (rig, "old", "HELLO|h|till||1.1");
    rig_expect (rig, "old> ERR|h|409|fenced*");
    rig_takeover (rig);
    //  Whoever comes then is newer than both, and fences them, as soon as he has put something for good.
    rig_say (rig, "next", "HELLO|h|till||");
    rig_expect (rig, "next> OK|h|3.1|0|*");
    rig_say (rig, "next", "PUT|1|q||x");
    rig_expect (rig, "next> OK|1|*");
    for (int again = 0; again < 2; again++) {
        rig_say (rig, "new", "HELLO|h|till||1.2");
        rig_expect (rig, "new> ERR|h|409|fenced*");
        rig_takeover (rig);
    }
    rig_say (rig, "next", "HELLO|h|till||3.1");
    rig_expect (rig, "next> OK|h|3.1|1|*");
    rig_destroy (&rig);
}

//  A name that has said nothing but HELLO leaves memory, and takes nothing with it.
static void test_a_name_that_has_left_memory (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "a", "HELLO|h|till||");
    rig_say (rig, "a", "HELLO|h|till||1.1");
    rig_skip (rig);
    for (int number = 0; number < ZB_PRODUCERS_KEPT + 1; number++) {
        s_say_numbered (rig, number % 50, "HELLO|h|name%d||", number);
        if (number % 50 == 0)
            rig_run (rig);
    }
    rig_run (rig);
    rig_skip (rig);
    size_t reads = rig->read_count;
    rig_say (rig, "a", "PUT|1|q||x");
    assert_true (rig->read_count > reads);
    rig_expect (rig, "a> OK|1|both|*");
    //  No instance is given twice, though nobody has written which were.
    rig_say (rig, "b", "HELLO|h|name7||");
    assert_true (strncmp (rig_last (rig)->text, "b> OK|h|1.8195|0|", 17) == 0);
    rig_destroy (&rig);
}

static void test_names_are_bounded (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.producers = 3;
    rig_t *rig = rig_ready (&limits);
    for (int number = 0; number < 5; number++) {
        s_say_numbered (rig, number, "HELLO|h|name%d||", number);
        rig_run (rig);
        rig_skip (rig);
        s_say_numbered (rig, number, "PUT|1|q||x", 0);
        rig_run (rig);
        rig_expect (rig, number == 0   ? "w0> OK|1|both|1:1|1:1"
                         : number == 1 ? "w1> OK|1|both|1:2|1:2"
                         : number == 2 ? "w2> OK|1|both|1:3|1:3"
                         : number == 3 ? "w3> ERR|1|429|too many names of producers are kept (limits.producers*"
                                       : "w4> ERR|1|429|*");
    }
    assert_int_equal (rig_stats (rig).names, 3);
    //  Nobody else is harmed: who has a name, who has none, and who only takes.
    rig_say (rig, "w0", "PUT|2|q||x");
    rig_expect (rig, "w0> OK|2|*");
    rig_say (rig, "c", "PUT|any|q||x");
    rig_expect (rig, "c> OK|any|*");
    rig_say (rig, "w3", "GET|g|q|1|0|");
    rig_expect (rig, "w3> MSG|g|both|q|1:1 1|x");
    //  The bound is known to whoever leads next.
    rig_takeover_with (rig, &limits);
    rig_say (rig, "w3", "HELLO|h|name3||1.4");
    rig_expect (rig, "w3> OK|h|1.4|0|*");
    rig_say (rig, "w3", "PUT|1|q||x");
    rig_expect (rig, "w3> ERR|1|429|*");
    rig_say (rig, "w0", "HELLO|h|name0||1.1");
    rig_say (rig, "w0", "PUT|3|q||x");
    rig_expect (rig, "w0> OK|h|1.1|2|*");
    rig_expect (rig, "w0> OK|3|*");
    //  Those whose time is over make room, and nobody waits an hour for that.
    for (int64_t day = 0; day < 7 * 24; day++) {
        rig_wait (rig, 3600000);
        rig_skip (rig);
        rig_say (rig, "w0", "HELLO|h|name0||1.1");
        rig_say (rig, "w3", "HELLO|h|name3||1.4");
        rig_skip (rig);
    }
    for (int step = 0; step < 6; step++)
        rig_wait (rig, 10000);
    assert_int_equal (rig_stats (rig).names, 1);
    rig_say (rig, "w3", "PUT|1|q||x");
    rig_expect (rig, "w3> OK|1|*");
    assert_int_equal (rig_stats (rig).names, 2);
    assert_int_equal (s_producer_rows (rig), 4);
    rig_destroy (&rig);
}

//  A store of the first release has no count.
static void test_names_are_counted (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    rig_t *rig = rig_ready (&limits);
    for (int number = 0; number < 2500; number++) {
        s_say_numbered (rig, number % 50, "HELLO|h|name%04d||", number);
        s_say_numbered (rig, number % 50, "PUT|1|q||x", number);
        if (number % 50 == 49)
            rig_run (rig);
    }
    rig_run (rig);
    rig_skip (rig);
    assert_int_equal (s_producer_rows (rig), 5000);
    zb_batch_t *batch = zb_batch_new ();
    zb_batch_erase (batch, ZB_META, ZB_META_PRODUCERS, strlen (ZB_META_PRODUCERS));
    zb_batch_set_commit (batch, rig_stats (rig).commit + 1);
    fake_store_commit (rig->store, batch);
    rig_sync (rig, true, true);
    limits.producers = 2503;
    rig_takeover_with (rig, &limits);
    rig_wait (rig, 10000);
    assert_int_equal (rig_stats (rig).names, 500);
    //  Meanwhile one is stored before where the count is, one behind, and one that is there is used again.
    rig_say (rig, "a", "HELLO|h|a||");
    rig_say (rig, "a", "PUT|1|q||x");
    rig_say (rig, "z", "HELLO|h|z||");
    rig_say (rig, "z", "PUT|1|q||x");
    rig_say (rig, "n", "HELLO|h|name2400||");
    rig_say (rig, "n", "PUT|2|q||x");
    for (int step = 0; step < 6; step++)
        rig_wait (rig, 10000);
    assert_int_equal (rig_stats (rig).names, 2502);
    rig_say (rig, "c", "HELLO|h");
    rig_say (rig, "c", "PUT|1|q||x");
    rig_takeover_with (rig, &limits);
    rig_say (rig, "c", "HELLO|h|c||");
    rig_say (rig, "c", "PUT|1|q||x");
    assert_int_equal (rig_stats (rig).names, 2503);
    rig_say (rig, "d", "HELLO|h|d||");
    rig_skip (rig);
    rig_say (rig, "d", "PUT|1|q||x");
    rig_expect (rig, "d> ERR|1|429|*");
    rig_destroy (&rig);
}

//  Housekeeping

//  A queue that is made and deleted again and again leaves a tombstone each time: they are bounded with the queues.
static void test_tombstones_are_bounded (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.queues = 4;
    rig_t *rig = rig_ready (&limits);
    rig_say (rig, "c", "QUEUE|m|again|");
    rig_skip (rig);
    for (int round = 0; round < 20; round++) {
        rig_push (rig, "c", "DELETE|d|again");
        rig_push (rig, "c", "QUEUE|m|again|");
    }
    rig_run (rig);
    for (int round = 0; round < 2; round++) {
        rig_expect (rig, "c> OK|d|both");
        rig_expect (rig, "c> OK|m");
    }
    rig_expect (rig, "c> OK|d|both");
    rig_expect (rig, "c> ERR|m|429|no more queues are allowed*");
    rig_expect (rig, "c> ERR|d|404|*");
    rig_skip (rig);
    //  When they are freed there is room again.
    rig_say (rig, "c", "QUEUE|m|again|");
    rig_expect (rig, "c> OK|m");
    rig_destroy (&rig);
}

//  What frees space has one step on its way at a time, so that others' commits have little before them.
static void test_housekeeping_takes_a_share (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    for (int count = 0; count < 40; count++) {
        rig_put (rig, "c", "p", "q", 1, 200000);
        rig_run (rig);
    }
    rig_say (rig, "c", "QUEUE|o|other|");
    rig_say (rig, "c", "PURGE|u|q");
    rig_skip (rig);
    //  The purge and its housekeeping are done by now; once more, with a peer that is slow.
    for (int count = 0; count < 40; count++) {
        rig_put (rig, "c", "p", "q", 1, 200000);
        rig_run (rig);
    }
    rig_push (rig, "c", "PURGE|u|q");
    rig->sync_there = false;
    rig_run (rig);
    size_t batches = rig->batches;
    rig_sync (rig, true, true);
    for (int step = 0; step < 5; step++) {
        assert_true (rig->batches - batches <= 1);
        batches = rig->batches;
        rig_sync (rig, true, true);
    }
    rig->sync_there = true;
    rig_sync (rig, true, true);
    rig_wait (rig, 1);
    rig_skip (rig);
    rig_say (rig, "c", "PUT|1|other||x");
    rig_expect (rig, "c> OK|1|both|*");
    rig_destroy (&rig);
}

//  A queue of so many rows of 100 KiB, which is purged.  Returns the rows that are still there when nothing moves any more.
#define PURGED_ROW (100 << 10)

static size_t s_purge_rows (rig_t *rig, size_t rows)
{
    rig_say (rig, "c", "QUEUE|o|other|");
    for (size_t row = 0; row < rows; row++) {
        rig_put (rig, "c", "p", "q", 1, PURGED_ROW);
        rig_run (rig);
    }
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), rows);
    rig_wait (rig, 10000);
    rig_say (rig, "c", "PURGE|u|q");
    rig_skip (rig);
    return fake_store_rows (rig->store, ZB_LOG);
}

//  While clients write, what frees space goes on at a rate that is bounded, in steps that are small.
static void test_freeing_gives_way (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    size_t before = s_purge_rows (rig, 200), batches = rig->batches;
    //  The PURGE itself was waited for: little goes at once.
    assert_in_range (before, 198, 199);
    for (int ms = 0; ms < 500; ms++) {
        rig_wait (rig, 1);
        rig_say (rig, "c", "PUT|1|other||x");
        rig_skip (rig);
    }
    //  4 MiB a second, and what the small PUTs allow.
    size_t gone = before + 500 - fake_store_rows (rig->store, ZB_LOG);
    assert_in_range (gone, 18, 24);
    //  One row a commit.
    assert_in_range (rig->batches - batches, 500, 500 + gone + 1);
    rig_destroy (&rig);
}

//  When clients are quiet it goes on without a pause, and nobody but time has to wake it.
static void test_freeing_goes_on_when_clients_are_quiet (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    size_t before = s_purge_rows (rig, 200), turns = 0;
    int64_t start = rig->now;
    while (fake_store_rows (rig->store, ZB_LOG)) {
        int64_t next = zb_engine_tick (rig->engine, rig->now);
        //  It does not ask for a turn that could do nothing.
        assert_true (next > rig->now);
        assert_true (next <= start + 1000);
        rig->now = next;
        rig_run (rig);
        turns++;
    }
    assert_true (before > 100);
    assert_int_equal (rig->now - start, 1000);
    assert_in_range (turns, 30, 60);
    //  A tombstone of then is gone as well.
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 0);
    rig_destroy (&rig);
}

//  What clients write, twice: space is freed faster than it is taken, however fast that is.
static void test_freeing_keeps_up_with_clients (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    size_t before = s_purge_rows (rig, 200);
    for (int count = 0; count < 50; count++) {
        rig_put (rig, "c", "p", "other", 1, PURGED_ROW);
        rig_run (rig);
        rig_skip (rig);
    }
    assert_in_range (before + 50 - fake_store_rows (rig->store, ZB_LOG), 98, 102);
    rig_destroy (&rig);
}

//  Where the space is wanted nothing is held back.
static void test_freeing_hurries_where_it_is_wanted (void **state)
{
    (void) state;
    for (int round = 0; round < 2; round++) {
        zb_limits_t limits = ZB_LIMITS_DEFAULT;
        limits.queues = 4;
        rig_t *rig = rig_ready (&limits);
        assert_in_range (s_purge_rows (rig, 200), 198, 199);
        if (round) {
            zb_engine_full (rig->engine, true);
            rig_run (rig);
        }
        else
            rig_say (rig, "c", "QUEUE|m|another|");
        assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 0);
        rig_destroy (&rig);
    }
}

//  While the peer is silent nothing is due, however late it is.
static void test_freeing_waits_for_the_peer (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    size_t before = s_purge_rows (rig, 20);
    rig->sync_there = false;
    rig_wait (rig, 100);
    size_t left = fake_store_rows (rig->store, ZB_LOG);
    assert_int_equal (left, before - 1);
    rig_wait (rig, 5000);
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), left);
    assert_true (zb_engine_tick (rig->engine, rig->now) > rig->now);
    rig->sync_there = true;
    rig_sync (rig, true, true);
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 0);
    rig_destroy (&rig);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_gets_that_wait_hold_nobody_up),
        cmocka_unit_test (test_gets_that_wait_are_bounded),
        cmocka_unit_test (test_late_gets_are_answered_after_the_read),
        cmocka_unit_test (test_a_range_takes_steps),
        cmocka_unit_test (test_many_ranges_share_a_turn),
        cmocka_unit_test (test_any_order_is_the_same),
        cmocka_unit_test (test_extend_counts_what_it_extends),
        cmocka_unit_test (test_reads_take_steps),
        cmocka_unit_test (test_steps_skip_nothing),
        cmocka_unit_test (test_reads_at_the_end_are_apart),
        cmocka_unit_test (test_few_are_sifted_at_a_time),
        cmocka_unit_test (test_showing_takes_steps),
        cmocka_unit_test (test_a_reply_is_bounded_but_for_one_body),
        cmocka_unit_test (test_lists_are_answered_in_turns),
        cmocka_unit_test (test_a_name_is_not_used_up),
        cmocka_unit_test (test_a_name_that_was_used_up),
        cmocka_unit_test (test_a_name_costs_nothing_before_its_first_put),
        cmocka_unit_test (test_a_takeover_between_hello_and_put),
        cmocka_unit_test (test_a_name_that_has_left_memory),
        cmocka_unit_test (test_names_are_bounded),
        cmocka_unit_test (test_names_are_counted),
        cmocka_unit_test (test_tombstones_are_bounded),
        cmocka_unit_test (test_housekeeping_takes_a_share),
        cmocka_unit_test (test_freeing_gives_way),
        cmocka_unit_test (test_freeing_goes_on_when_clients_are_quiet),
        cmocka_unit_test (test_freeing_keeps_up_with_clients),
        cmocka_unit_test (test_freeing_hurries_where_it_is_wanted),
        cmocka_unit_test (test_freeing_waits_for_the_peer),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
