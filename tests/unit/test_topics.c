/*  =========================================================================
    test_topics - topics and subscriptions in the engine

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

#include "core/queue/topic.h"
#include "rig.h"

//  A topic t with the subscriptions t/a and t/b.
static rig_t *s_open (const zb_limits_t *limits)
{
    rig_t *rig = rig_ready (limits);
    rig_say (rig, "c", "TOPIC|t|t|");
    rig_say (rig, "c", "SUB|s|t/a|");
    rig_say (rig, "c", "SUB|s|t/b|lease=1000");
    rig_skip (rig);
    return rig;
}

static void s_ok (rig_t *rig, const char *line)
{
    rig_skip (rig);
    rig_say (rig, "c", line);
    assert_int_equal (rig_last (rig)->answer.status, ZB_ANSWER_OK);
}

static void s_refused (rig_t *rig, const char *line, unsigned code)
{
    rig_skip (rig);
    rig_say (rig, "c", line);
    assert_int_equal (rig_last (rig)->answer.status, ZB_ANSWER_ERR);
    assert_int_equal (rig_last (rig)->answer.code, code);
}

//  The request is answered with these bodies, in their order.
static void s_answers (rig_t *rig, const char *client, const char *line, const char *bodies)
{
    char text[1024] = "";
    rig_skip (rig);
    rig_say (rig, client, line);
    const zb_answer_t *answer = &rig_last (rig)->answer;
    assert_int_equal (answer->status, ZB_ANSWER_MSG);
    for (size_t index = 0; index < answer->bodies; index++)
        snprintf (text + strlen (text), sizeof text - strlen (text), "%s%.*s", index ? "," : "",
                  (int) answer->body[index].size, (const char *) answer->body[index].data);
    if (strcmp (text, bodies))
        fail_msg ("%s: %s, not %s", line, text, bodies);
}

//  What a consumer on a new connection is given.
static void s_gets (rig_t *rig, const char *sub, const char *bodies)
{
    static unsigned number;
    char client[16], line[64];
    snprintf (client, sizeof client, "r%u", ++number);
    rig_say (rig, client, "HELLO|h|reader||");
    snprintf (line, sizeof line, "GET|g|%s|1000|0|", sub);
    s_answers (rig, client, line, bodies);
    rig_gone (rig, client);
}

//  A body of this size.
static void s_put (rig_t *rig, const char *topic, size_t size)
{
    rig_skip (rig);
    rig_put (rig, "c", "1", topic, 1, size);
    rig_run (rig);
}

static size_t s_rows (rig_t *rig, zb_table_t table, size_t key_size)
{
    rig_wait (rig, 1000);
    zb_read_t *read = zb_read_new (0, 0);
    zb_read_add (read, table, "", 0, 0, 10000, SIZE_MAX);
    fake_store_read (rig->store, read);
    size_t rows = 0;
    for (size_t index = 0; index < read->count[0]; index++)
        rows += read->found[0][index].key_size == key_size;
    zb_read_destroy (&read);
    return rows;
}

static size_t s_log_rows (rig_t *rig)
{
    return s_rows (rig, ZB_LOG, ZB_LOG_KEY_SIZE);
}

static void s_takeover (rig_t *rig)
{
    rig_takeover (rig);
    rig_say (rig, "c", "HELLO|h");
    rig_skip (rig);
}

//  Each subscription gets all, and has marks and leases of its own; a message is one row, gone when both are done with it.
static void test_each_gets_all (void **state)
{
    (void) state;
    for (int takeover = 0; takeover < 2; takeover++) {
        rig_t *rig = s_open (NULL);
        s_ok (rig, "PUT|1|t||1|2"); //  1:3 and 1:4, as each birth takes an id
        s_ok (rig, "PUT|1|t||3");
        s_gets (rig, "t/a", "1,2,3");
        s_ok (rig, "ACK|a|t/a|1:3 1:5");
        s_gets (rig, "t/b", "1,2,3");
        assert_int_equal (s_log_rows (rig), 2);
        if (takeover)
            s_takeover (rig);
        s_gets (rig, "t/a", "2");
        s_gets (rig, "t/b", "1,2,3");
        s_ok (rig, "ACK|a|t/b|1:3..1:4");
        if (takeover)
            s_takeover (rig);
        assert_int_equal (s_log_rows (rig), 2);
        s_ok (rig, "ACK|a|t/a|1:4");
        if (takeover)
            s_takeover (rig);
        s_gets (rig, "t/a", "");
        assert_int_equal (s_log_rows (rig), 1);
        s_gets (rig, "t/b", "3");
        s_ok (rig, "ACK|a|t/b|1:5");
        assert_int_equal (s_log_rows (rig), 0);
        assert_int_equal (s_rows (rig, ZB_ACKS, ZB_ACKS_KEY_SIZE), 0);
        rig_destroy (&rig);
    }
}

//  GETs that wait are served as soon as a message is safe; one subscription's lease is nothing to the other.
static void test_waiting (void **state)
{
    (void) state;
    rig_t *rig = s_open (NULL);
    rig_say (rig, "x", "HELLO|h");
    rig_say (rig, "y", "HELLO|h");
    rig_say (rig, "x", "GET|g|t/a|10|5000|");
    rig_say (rig, "y", "GET|g|t/b|10|5000|");
    rig_skip (rig);
    rig_say (rig, "c", "PUT|1|t||one");
    rig_expect (rig, "x> MSG|g|both|t/a|1:3 1\tzb-n=1|one");
    rig_expect (rig, "y> MSG|g|both|t/b|1:3 1\tzb-n=1|one");
    rig_expect (rig, "c> OK|1|both|1:3|1:3");
    s_gets (rig, "t/a", "");
    rig_wait (rig, 1001); //  the lease of t/b
    s_gets (rig, "t/a", "");
    s_gets (rig, "t/b", "one");
    rig_destroy (&rig);
}

//  New ones begin behind what was put, also in the same commit; with from=first at the oldest that is kept.
static void test_where_it_begins (void **state)
{
    (void) state;
    rig_t *rig = s_open (NULL);
    rig_skip (rig);
    rig_push (rig, "c", "PUT|1|t||1");
    rig_push (rig, "c", "SUB|s|t/new|");
    rig_push (rig, "c", "SUB|s|t/first|from=first");
    rig_push (rig, "c", "PUT|1|t||2");
    rig_run (rig);
    s_gets (rig, "t/new", "2");
    s_gets (rig, "t/first", "1,2");
    s_gets (rig, "t/a", "1,2");
    s_takeover (rig);
    //  Who asks once more, since the answer was lost, is told that it is done.
    s_ok (rig, "SUB|s|t/first|from=first");
    s_ok (rig, "SUB|s|t/new|from=new");
    s_refused (rig, "SUB|s|t/new|from=first", 400);
    s_gets (rig, "t/new", "2");
    s_gets (rig, "t/first", "1,2");
    s_ok (rig, "PUT|1|t||3");
    s_gets (rig, "t/new", "2,3");
    rig_destroy (&rig);
}

//  Without a subscription nothing is kept, and the producer is told.
static void test_nobody_subscribes (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    s_ok (rig, "TOPIC|t|t|");
    rig_skip (rig);
    rig_say (rig, "c", "PUT|1|t||one|two");
    rig_expect (rig, "c> OK|1|both|1:1|1:2|dropped");
    s_ok (rig, "SUB|s|t/a|from=first");
    s_gets (rig, "t/a", "");
    s_ok (rig, "PUT|1|t||three");
    s_gets (rig, "t/a", "three");
    s_ok (rig, "DELETE|d|t/a");
    rig_skip (rig);
    rig_say (rig, "c", "PUT|1|t||four");
    rig_expect (rig, "c> OK|1|both|1:5|1:5|dropped");
    assert_int_equal (s_log_rows (rig), 0);
    rig_destroy (&rig);
}

//  One that is behind holds back its topic up to max-bytes, and no other.  When it is gone, or purged, so is what it held.
static void test_one_that_is_behind (void **state)
{
    (void) state;
    for (int how = 0; how < 3; how++) {
        rig_t *rig = s_open (NULL);
        s_ok (rig, "TOPIC|t|t|max-bytes=10000");
        for (int count = 0; count < 9; count++)
            s_put (rig, "t", 1000);
        rig_say (rig, "c", "GET|g|t/a|9|0|");
        s_ok (rig, "ACK|a|t/a|1:1..1:100");
        assert_int_equal (s_log_rows (rig), 9);
        s_put (rig, "t", 1000);
        rig_expect (rig, "c> ERR|1|429|the topic is full*");
        s_put (rig, "q", 1000);
        rig_expect (rig, "c> OK*");
        s_takeover (rig);
        s_put (rig, "t", 1000);
        rig_expect (rig, "c> ERR|1|429|the topic is full*");
        s_ok (rig, how == 0 ? "DELETE|d|t/b" : how == 1 ? "PURGE|p|t/b" : "PURGE|p|t");
        assert_int_equal (s_log_rows (rig), 1); //  q's
        rig_skip (rig);
        s_put (rig, "t", 1000);
        rig_expect (rig, "c> OK*");
        s_takeover (rig);
        if (how)
            s_ok (rig, "PURGE|p|t/b");
        s_ok (rig, "PUT|1|t||after");
        s_ok (rig, "PURGE|p|t/a");
        s_gets (rig, "t/a", "");
        if (how)
            s_gets (rig, "t/b", "after");
        rig_destroy (&rig);
    }
}

static void test_listed_and_deleted (void **state)
{
    (void) state;
    for (int takeover = 0; takeover < 2; takeover++) {
        rig_t *rig = s_open (NULL);
        s_ok (rig, "PUT|1|t||1|2");
        s_ok (rig, "ACK|a|t/a|1:3");
        if (takeover)
            s_takeover (rig);
        rig_skip (rig);
        rig_say (rig, "c", "LIST|l");
        rig_expect (rig, "c> OK|l|q|lease=30000\nmax-messages=0\nmessages=0\nleased=0\nwaiting=0\ngrace=5000");
        rig_say (rig, "c", "LIST|l||q");
        rig_expect (rig, "c> OK|l|t|keep=subscribed\nmax-bytes=1073741824\nmessages=2\nkind=topic"
                         "|t/a|lease=30000\ngrace=5000\nmessages=1\nleased=0\nwaiting=0\nkind=subscription"
                         "|t/b|lease=1000\ngrace=5000\nmessages=2\nleased=0\nwaiting=0\nkind=subscription|");
        s_ok (rig, "DELETE|d|t");
        s_refused (rig, "GET|g|t/a|1|0|", 404);
        s_refused (rig, "PUT|1|t||x", 404);
        assert_int_equal (s_log_rows (rig), 0);
        assert_int_equal (s_rows (rig, ZB_ACKS, ZB_ACKS_KEY_SIZE), 0);
        assert_int_equal (s_rows (rig, ZB_CURSORS, ZB_CURSOR_KEY_SIZE), 1); //  q's
        s_ok (rig, "QUEUE|q|t|");
        s_ok (rig, "PUT|1|t||x");
        s_gets (rig, "t", "x");
        rig_destroy (&rig);
    }
}

//  What is wrong gets the right code, and changes nothing.
static void test_bad_input (void **state)
{
    (void) state;
    static const struct {
        const char *line;
        unsigned code;
    } cases[] = {
        {"TOPIC|t|q|", 400},
        {"QUEUE|q|t|", 400},
        {"TOPIC|t|x|keep=none", 400},
        {"TOPIC|t|x|lease=1", 400},
        {"TOPIC|t|x|max-bytes=", 400},
        {"TOPIC|t|x|keep=all\nmax-age=-1", 400},
        {"TOPIC|t|x|keep=all\nmax-age=3155760000001", 400},
        {"TOPIC|t|x|keep=all\nkeep-messages=x", 400},
        {"TOPIC|t|x|max-age=1", 400},
        {"TOPIC|t|x|keep-messages=1", 400},
        {"TOPIC|t|t|keep-messages=1", 400},
        {"SUB|s|t/x|max-age=1", 400},
        {"SUB|s|q/a|", 400},
        {"SUB|s|x/a|", 404},
        {"SUB|s|t/x|from=old", 400},
        {"SUB|s|t/a|from=first", 400},
        {"SUB|s|t/x|lease=-1", 400},
        {"SUB|s|t/x|max-bytes=1", 400},
        {"GET|g|t|1|0|", 400},
        {"ACK|a|t|1:1", 400},
        {"NACK|n|t|1:1", 400},
        {"EXTEND|e|t|1:1", 400},
        {"REJECT|r|t|1:1", 400},
        {"MOVE|m|t|q|1:1|1", 400},
        {"MOVE|m|q|t|1:1|1", 400},
        {"GET|g|t/x|1|0|", 404},
        {"ACK|a|x/a|1:1", 404},
        {"PURGE|p|t/x", 404},
        {"DELETE|d|q/a", 404},
        {"DELETE|d|t/x", 404},
        {"READ|r|q|first|1|0", 400},
        {"READ|r|x|first|1|0", 404},
    };
    rig_t *rig = s_open (NULL);
    s_ok (rig, "PUT|1|t||one");
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++)
        s_refused (rig, cases[index].line, cases[index].code);
    assert_int_equal (s_rows (rig, ZB_QUEUES, 1), 2);
    assert_int_equal (s_rows (rig, ZB_QUEUES, 3), 2);
    s_gets (rig, "t/a", "one");
    s_gets (rig, "t/b", "one");
    rig_destroy (&rig);
    //  Limits.
    zb_limits_t few = ZB_LIMITS_DEFAULT;
    few.subscriptions = 2;
    rig = s_open (&few);
    s_refused (rig, "SUB|s|t/c|", 429);
    s_ok (rig, "SUB|s|t/a|");
    few.queues = 4;
    rig_takeover_with (rig, &few);
    rig_say (rig, "c", "HELLO|h");
    s_refused (rig, "TOPIC|t|u|", 429);
    zb_engine_level (rig->engine, 2);
    s_refused (rig, "TOPIC|t|u|", 503);
    s_refused (rig, "SUB|s|t/a|lease=7", 503);
    rig_destroy (&rig);
}

//  Many that nobody gets from are not shown what is put; they read it when they are asked.
static void test_idle_ones_cost_nothing (void **state)
{
    (void) state;
    rig_t *rig = s_open (NULL);
    char line[40];
    for (int index = 0; index < 200; index++) {
        snprintf (line, sizeof line, "SUB|s|t/idle%d|", index);
        s_ok (rig, line);
    }
    rig_wait (rig, 1);
    rig_put (rig, "c", "1", "t", 100, 100);
    rig_run (rig);
    assert_true (rig_stats (rig).window_bytes == 0);
    assert_true (rig->most_ops < 1000);
    size_t batches = rig->batches;
    s_put (rig, "t", 10);
    assert_int_equal (rig->batches, batches + 1);
    assert_int_equal (s_log_rows (rig), 2);
    rig_destroy (&rig);
}

//  The engine's clock goes on with the wall clock.
static void s_pass (rig_t *rig, uint64_t *wall, int64_t ms)
{
    rig_wait (rig, ms);
    *wall += (uint64_t) ms;
    zb_engine_time (rig->engine, (int64_t) *wall, rig->now);
}

//  A subscription has what its filter takes, and what it does not take is done with the rest.
static void test_filters (void **state)
{
    (void) state;
    for (int takeover = 0; takeover < 2; takeover++) {
        rig_t *rig = s_open (NULL);
        s_ok (rig, "SUB|s|t/f|filter=eu.* us.>");
        s_ok (rig, "PUT|1|t|subject=eu.de|1");
        s_ok (rig, "PUT|1|t|subject=eu.de.x|2");
        s_ok (rig, "PUT|1|t|subject=us.ca.la|3|4");
        s_ok (rig, "PUT|1|t||5");
        s_ok (rig, "PUT|1|t|subject=us|6");
        if (takeover)
            s_takeover (rig);
        s_gets (rig, "t/f", "1,3,4");
        s_gets (rig, "t/a", "1,2,3,4,5,6");
        s_ok (rig, "SUB|s|t/f|filter=eu.* us.>\nlease=1000");
        s_ok (rig, "SUB|s|t/f|");
        s_refused (rig, "SUB|s|t/f|filter=eu.>", 400);
        s_refused (rig, "SUB|s|t/a|filter=eu.>", 400);
        s_refused (rig, "SUB|s|t/x|filter=a..b", 400);
        rig_skip (rig);
        rig_say (rig, "c", "LIST|l||t/b|1");
        rig_expect (rig, "c> OK|l|t/f|lease=1000\ngrace=5000\nfilter=eu.* us.>\nmessages=*");
        s_ok (rig, "ACK|a|t/f|1:4");
        if (takeover)
            s_takeover (rig);
        s_gets (rig, "t/f", "3,4");
        s_ok (rig, "ACK|a|t/f|1:1..1:100");
        s_gets (rig, "t/a", "1,2,3,4,5,6");
        s_ok (rig, "ACK|a|t/a|1:1..1:100");
        s_gets (rig, "t/b", "1,2,3,4,5,6");
        s_ok (rig, "ACK|a|t/b|1:1..1:100");
        assert_int_equal (s_log_rows (rig), 0);
        assert_int_equal (s_rows (rig, ZB_ACKS, ZB_ACKS_KEY_SIZE), 0);
        rig_say (rig, "c", "LIST|l||t/b|1");
        assert_non_null (strstr (rig_last (rig)->text, "messages=0"));
        //  Who waits gets what fits as soon as it comes, and nothing else.
        rig_say (rig, "x", "HELLO|h");
        rig_say (rig, "x", "GET|g|t/f|10|5000|");
        rig_skip (rig);
        rig_say (rig, "c", "PUT|1|t|subject=no|7");
        rig_expect (rig, "c> OK*");
        rig_expect (rig, NULL);
        rig_say (rig, "c", "PUT|1|t|subject=eu.fr|8");
        rig_expect (rig, "x> MSG|g|both|t/f|*");
        rig_destroy (&rig);
    }
}

//  Those that nobody gets from hold back no message that their filters exclude; what they take they do.
static void test_idle_filters_hold_back_nothing (void **state)
{
    (void) state;
    rig_t *rig = s_open (NULL);
    s_ok (rig, "DELETE|d|t/a");
    s_ok (rig, "DELETE|d|t/b");
    s_ok (rig, "SUB|s|t/f|filter=f.*");
    s_ok (rig, "SUB|s|t/g|filter=g.*");
    for (int count = 0; count < 50; count++)
        s_ok (rig, "PUT|1|t|subject=c.x|x");
    assert_int_equal (s_log_rows (rig), 50);
    rig_wait (rig, 61000);
    rig_wait (rig, 1000);
    assert_int_equal (s_log_rows (rig), 0);
    s_ok (rig, "PUT|1|t|subject=f.x|one");
    for (int count = 0; count < 10; count++)
        s_ok (rig, "PUT|1|t|subject=c.x|x");
    rig_wait (rig, 61000);
    rig_wait (rig, 1000);
    assert_int_equal (s_log_rows (rig), 11);
    s_takeover (rig);
    s_gets (rig, "t/g", "");
    s_gets (rig, "t/f", "one");
    s_ok (rig, "ACK|a|t/f|1:1..1:1000");
    assert_int_equal (s_log_rows (rig), 0);
    //  What is put while they are idle never fills their topic.
    s_ok (rig, "TOPIC|t|t|max-bytes=10000");
    for (int count = 0; count < 100; count++) {
        s_put (rig, "t", 1000);
        rig_expect (rig, "c> OK*");
        rig_wait (rig, 1001);
    }
    rig_destroy (&rig);
}

//  It begins behind an id, or with what was put at a time, be that in the middle of a row; each message has a number.
static void test_positions (void **state)
{
    (void) state;
    static const struct {
        const char *from, *bodies;
    } cases[] = {{"1:4", "3,4,5"},     {"1:5", "4,5"},      {"1:6", "5"},           {"1:7", ""},
                 {"1:1", "1,2,3,4,5"}, {"@0", "1,2,3,4,5"}, {"@1000", "1,2,3,4,5"}, {"@1001", "4,5"},
                 {"@1100", "4,5"},     {"@1101", "5"},      {"@9999", ""}};
    uint64_t wall = 1000;
    rig_t *rig = s_open (NULL);
    zb_engine_time (rig->engine, 1000, rig->now);
    s_ok (rig, "PUT|1|t||1|2|3"); //  1:3 and on
    s_pass (rig, &wall, 100);
    s_ok (rig, "PUT|1|t||4");
    s_pass (rig, &wall, 100);
    s_ok (rig, "PUT|1|t||5");
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        char line[64];
        snprintf (line, sizeof line, "SUB|s|t/x%zu|from=%s", index, cases[index].from);
        s_ok (rig, line);
        s_ok (rig, line);
        snprintf (line, sizeof line, "t/x%zu", index);
        s_gets (rig, line, cases[index].bodies);
    }
    s_refused (rig, "SUB|s|t/x0|from=1:5", 400);
    s_refused (rig, "SUB|s|t/y|from=1:99", 400);
    s_refused (rig, "SUB|s|t/y|from=0", 400);
    s_ok (rig, "ACK|a|t/x0|1:5");
    s_takeover (rig);
    s_gets (rig, "t/x0", "4,5");
    s_gets (rig, "t/x1", "4,5");
    s_gets (rig, "t/x9", "5");
    s_gets (rig, "t/x7", "4,5");
    rig_skip (rig);
    rig_say (rig, "c", "GET|g|t/a|2|0|");
    rig_expect (rig, "c> MSG|g|both|t/a|1:3 1\tzb-n=1\tzb-time=1000\n1:4 1\tzb-n=2\tzb-time=1000|1|2");
    rig_say (rig, "c", "GET|g|t/x9|2|0|");
    s_ok (rig, "PUT|1|t|colour=red|6");
    rig_skip (rig);
    rig_say (rig, "c", "GET|g|t/x3|9|0|");
    assert_non_null (strstr (rig_last (rig)->text, "\tcolour=red\tzb-n=6\tzb-time="));
    s_refused (rig, "PUT|1|t|zb-n=7|x", 400);
    rig_destroy (&rig);
}

static void test_seek (void **state)
{
    (void) state;
    for (int takeover = 0; takeover < 2; takeover++) {
        rig_t *rig = s_open (NULL);
        uint64_t wall = 1000;
        zb_engine_time (rig->engine, 1000, rig->now);
        s_ok (rig, "PUT|1|t||1|2|3");
        s_pass (rig, &wall, 100);
        s_ok (rig, "PUT|1|t||4");
        s_ok (rig, "PUT|1|t||5");
        s_ok (rig, "ACK|a|t/a|1:4 1:6 1:7");
        s_gets (rig, "t/a", "1,3");
        if (takeover)
            s_takeover (rig);
        rig_skip (rig);
        rig_say (rig, "c", "SEEK|s|t/a|first");
        rig_expect (rig, "c> OK|s|both");
        s_gets (rig, "t/a", "1,2,3,4,5");
        s_ok (rig, "SEEK|s|t/a|1:4");
        if (takeover)
            s_takeover (rig);
        s_gets (rig, "t/a", "3,4,5");
        s_ok (rig, "ACK|a|t/a|1:6");
        s_ok (rig, "SEEK|s|t/a|@1100");
        s_gets (rig, "t/a", "4,5");
        s_ok (rig, "ACK|a|t/a|1:6 1:7");
        s_ok (rig, "SEEK|s|t/a|1:7");
        if (takeover)
            s_takeover (rig);
        s_gets (rig, "t/a", "");
        rig_wait (rig, 1000);
        assert_int_equal (s_rows (rig, ZB_ACKS, ZB_ACKS_KEY_SIZE), 0);
        assert_int_equal (s_rows (rig, ZB_QUEUES, ZB_TOMB_KEY_SIZE), 0);
        assert_int_equal (s_rows (rig, ZB_CURSORS, ZB_CURSOR_KEY_SIZE), 4); //  q's, t's and two
        //  Who waits gets it at once; what others held is theirs no more.
        rig_say (rig, "y", "HELLO|h");
        rig_say (rig, "y", "GET|g|t/b|5|0|");
        rig_say (rig, "x", "HELLO|h");
        rig_say (rig, "x", "GET|g|t/a|5|5000|");
        rig_skip (rig);
        rig_say (rig, "c", "SEEK|s|t/a|1:6");
        rig_expect (rig, "c> OK|s|both");
        rig_expect (rig, "x> MSG|g|both|t/a|1:7 1\t*");
        s_ok (rig, "SEEK|s|t/b|first");
        s_gets (rig, "t/b", "1,2,3,4,5");
        //  Forward: what nobody waits for any more goes.
        s_ok (rig, "SEEK|s|t/b|1:6");
        rig_wait (rig, 1000);
        assert_int_equal (s_log_rows (rig), 1);
        s_ok (rig, "SEEK|s|t/b|1:1");
        s_gets (rig, "t/b", "5");
        s_refused (rig, "SEEK|s|t/b|9:1", 400);
        s_refused (rig, "SEEK|s|t/x|first", 404);
        rig_destroy (&rig);
    }
}

//  A position that is found while messages are on their way, which lie behind it: they are counted once.
static void test_seek_beside_puts (void **state)
{
    (void) state;
    static const char *const positions[] = {"1:5", "@1000", "@1050"};
    for (size_t index = 0; index < sizeof positions / sizeof *positions; index++) {
        char line[32];
        uint64_t wall = 1000;
        rig_t *rig = s_open (NULL);
        zb_engine_time (rig->engine, 1000, rig->now);
        s_ok (rig, "PUT|1|t||1|2|3");
        s_pass (rig, &wall, 100);
        snprintf (line, sizeof line, "SEEK|s|t/a|%s", positions[index]);
        rig->stuck = true;
        rig_say (rig, "c", line);
        rig->sync_there = false;
        rig_say (rig, "x", "HELLO|h");
        rig_say (rig, "x", "PUT|1|t||4|5");
        rig->stuck = false;
        rig_run (rig);
        rig->sync_there = true;
        rig_sync (rig, true, true);
        s_gets (rig, "t/a", index == 1 ? "1,2,3,4,5" : "4,5");
        s_ok (rig, "ACK|a|t/a|1:1..1:100");
        s_ok (rig, "PUT|1|t||6");
        rig_skip (rig);
        rig_say (rig, "c", "LIST|l||t|1"); //  what comes behind t
        assert_non_null (strstr (rig_last (rig)->text, "t/a|"));
        assert_non_null (strstr (rig_last (rig)->text, "messages=1\n"));
        s_takeover (rig);
        s_gets (rig, "t/a", "6");
        rig_destroy (&rig);
    }
}

//  Without a subscription nothing is taken: who reads twice gets it twice.  It begins where it is told to, with what fits.
static void test_read (void **state)
{
    (void) state;
    static const struct {
        const char *line, *bodies;
    } cases[] = {{"READ|r|t|first|100|0", "1,2,3,4,5"},
                 {"READ|r|t|first|2|0", "1,2"},
                 {"READ|r|t|1:4|100|0", "3,4,5"},
                 {"READ|r|t|1:4|1|0", "3"},
                 {"READ|r|t|1:7|100|0", ""},
                 {"READ|r|t|1:9|100|0", ""},
                 {"READ|r|t|9:1|100|0", ""},
                 {"READ|r|t|new|100|0", ""},
                 {"READ|r|t|@1100|100|0", "4,5"},
                 {"READ|r|t|first|100|0|eu.*", "4"},
                 {"READ|r|t|first|100|0|none eu.> us", "4,5"},
                 {"READ|r|t|first|100|0|none", ""},
                 {"READ|r|t|first|100|0|", "1,2,3,4,5"}};
    for (int takeover = 0; takeover < 2; takeover++) {
        rig_t *rig = s_open (NULL);
        uint64_t wall = 1000;
        zb_engine_time (rig->engine, 1000, rig->now);
        s_ok (rig, "PUT|1|t||1|2|3");
        s_pass (rig, &wall, 100);
        s_ok (rig, "PUT|1|t|subject=eu.de|4");
        s_ok (rig, "PUT|1|t|subject=us|5");
        if (takeover)
            s_takeover (rig);
        for (int again = 0; again < 2; again++)
            for (size_t index = 0; index < sizeof cases / sizeof *cases; index++)
                s_answers (rig, "c", cases[index].line, cases[index].bodies);
        rig_skip (rig);
        rig_say (rig, "c", "READ|r|t|1:6|100|0");
        rig_expect (rig, "c> MSG|r|both|t|1:7 0\tsubject=us\tzb-n=5\tzb-time=*");
        s_gets (rig, "t/a", "1,2,3,4,5");
        //  Who waits is told as soon as something comes that fits, or when it is over.
        rig_say (rig, "x", "HELLO|h");
        rig_say (rig, "y", "HELLO|h");
        rig_say (rig, "x", "READ|r|t|new|10|5000|a.>");
        rig_say (rig, "y", "READ|r|t|1:6|10|1000|a.>");
        rig_skip (rig);
        s_ok (rig, "PUT|1|t|subject=b.c|6");
        rig_expect (rig, "c> OK*");
        rig_expect (rig, NULL);
        rig_wait (rig, 1001);
        rig_expect (rig, "y> MSG|r|both|t|");
        rig_say (rig, "c", "PUT|1|t|subject=a.c|7");
        rig_expect (rig, "c> OK*");
        rig_expect (rig, "x> MSG|r|both|t|*");
        //  What is gone is told of.
        s_gets (rig, "t/b", "1,2,3,4,5,6,7");
        s_ok (rig, "ACK|a|t/a|1:1..1:7");
        s_ok (rig, "ACK|a|t/b|1:1..1:5");
        rig_skip (rig);
        rig_say (rig, "c", "READ|r|t|1:4|1|0");
        rig_expect (rig, "c> MSG|r|both|t|1:6 0\tsubject=eu.de\tzb-n=4\tzb-time=1100\tzb-skipped=1:5..1:5|4");
        rig_say (rig, "x", "READ|r|t|new|10|5000");
        rig_say (rig, "y", "READ|r|t|new|10|5000");
        rig_gone (rig, "y");
        rig_skip (rig);
        rig_say (rig, "c", "DELETE|d|t");
        rig_expect (rig, "x> ERR|r|404|*");
        rig_destroy (&rig);
    }
}

//  All of it is read in steps, whatever the filter excludes; who stops being served hears who is.
static void test_read_of_much (void **state)
{
    (void) state;
    rig_t *rig = s_open (NULL);
    for (int count = 0; count < 600; count++)
        s_put (rig, "t", 5000);
    s_ok (rig, "PUT|1|t|subject=a|last");
    s_answers (rig, "c", "READ|r|t|first|10|0|a", "last");
    rig_skip (rig);
    rig_say (rig, "c", "READ|r|t|first|1000|0");
    assert_true (rig_last (rig)->answer.bodies > 100 && rig_last (rig)->answer.bodies < 250);
    assert_int_equal (rig_stats (rig).window_bytes, 0);
    rig_say (rig, "c", "READ|r|t|new|10|5000");
    rig_skip (rig);
    zb_engine_stop (rig->engine, "tcp://b");
    rig_collect (rig);
    rig_expect (rig, "c> PASSIVE|r|tcp://b");
    rig_destroy (&rig);
}

//  A topic t that keeps all, with these options.
static rig_t *s_open_kept (const char *options)
{
    char line[80];
    rig_t *rig = rig_ready (NULL);
    snprintf (line, sizeof line, "TOPIC|t|t|keep=all\n%s", options);
    s_ok (rig, line);
    return rig;
}

//  Messages with these numbers, each in a row of its own.
static void s_put_numbers (rig_t *rig, int first, int last)
{
    for (char line[40]; first <= last; first++) {
        snprintf (line, sizeof line, "PUT|1|t||%d", first);
        s_ok (rig, line);
    }
}

//  Whatever subscriptions do, and without one.
static void test_keeps_all (void **state)
{
    (void) state;
    for (int takeover = 0; takeover < 2; takeover++) {
        rig_t *rig = s_open_kept ("");
        rig_skip (rig);
        rig_say (rig, "c", "PUT|1|t||1");
        rig_expect (rig, "c> OK|1|both|1:1|1:1");
        s_ok (rig, "SUB|s|t/a|from=first");
        s_ok (rig, "SUB|s|t/b|");
        s_ok (rig, "PUT|1|t||2");
        s_gets (rig, "t/a", "1,2");
        s_gets (rig, "t/b", "2");
        s_ok (rig, "ACK|a|t/a|1:1..1:4");
        s_ok (rig, "PURGE|p|t/b");
        if (takeover)
            s_takeover (rig);
        assert_int_equal (s_log_rows (rig), 2);
        s_gets (rig, "t/a", "");
        s_gets (rig, "t/b", "");
        s_answers (rig, "c", "READ|r|t|first|10|0", "1,2");
        s_ok (rig, "SEEK|s|t/a|first");
        s_gets (rig, "t/a", "1,2");
        s_ok (rig, "DELETE|d|t/a");
        s_ok (rig, "DELETE|d|t/b");
        s_ok (rig, "PUT|1|t||3");
        s_ok (rig, "SUB|s|t/c|from=first");
        s_gets (rig, "t/c", "1,2,3");
        s_ok (rig, "DELETE|d|t/c");
        rig_skip (rig);
        rig_say (rig, "c", "LIST|l||q");
        rig_expect (rig,
                    "c> OK|l|t|keep=all\nmax-bytes=1073741824\nmax-age=0\nkeep-messages=0\nmessages=3\nkind=topic|");
        if (takeover)
            s_takeover (rig);
        s_refused (rig, "TOPIC|t|t|keep=subscribed\nmax-age=1", 400);
        s_answers (rig, "c", "READ|r|t|first|10|0", "1,2,3");
        s_ok (rig, "TOPIC|t|t|keep=subscribed");
        assert_int_equal (s_log_rows (rig), 0);
        s_answers (rig, "c", "READ|r|t|first|10|0", "");
        rig_destroy (&rig);
    }
}

//  Of subscriptions whose beginnings are known by these texts, in the order of their names, LIST tells so many messages.
static void s_counts (rig_t *rig, const char *const *texts)
{
    rig_skip (rig);
    rig_say (rig, "c", "LIST|l||t|9");
    const char *at = rig_last (rig)->text;
    for (; *texts; texts++) {
        at = strstr (at, *texts);
        if (!at)
            fail_msg ("%s: not in %s", *texts, rig_last (rig)->text);
    }
}

//  What is too much goes from the head.  A subscription that was not done with it is told, and its counts stay true: of one
//  that nobody gets from, of one that holds some and has done some, be that in memory or on disk, and of one that has done all.
static void test_overtaken (void **state)
{
    (void) state;
    for (int takeover = 0; takeover < 3; takeover++) {
        rig_t *rig = s_open_kept ("");
        s_ok (rig, "SUB|s|t/busy|"); //  1:1
        s_ok (rig, "SUB|s|t/done|");
        s_ok (rig, "SUB|s|t/idle|filter=>\nlease=1000");
        s_ok (rig, "SUB|s|t/none|");
        for (int number = 1; number <= 10; number++) {
            char line[40];
            snprintf (line, sizeof line, "PUT|1|t|subject=s|%d", number); //  1:5 to 1:14
            s_ok (rig, line);
        }
        rig_say (rig, "x", "HELLO|h");
        rig_say (rig, "x", "GET|g|t/busy|7|0|");
        s_ok (rig, "ACK|a|t/busy|1:6 1:13"); //  2 and 9
        s_ok (rig, "ACK|a|t/done|1:5..1:14");
        if (takeover == 1)
            s_takeover (rig);
        s_ok (rig, "TOPIC|t|t|keep-messages=5");
        rig_wait (rig, 1000);
        if (takeover == 2)
            s_takeover (rig);
        assert_int_equal (s_log_rows (rig), 5);
        const char *const counts[] = {"t/busy|", "messages=4\n", "t/done|", "messages=0\n", "t/idle|", "messages=5\n",
                                      "t/none|", "messages=5\n", NULL};
        s_counts (rig, counts);
        rig_skip (rig);
        rig_say (rig, "c", "GET|g|t/idle|1|0|");
        rig_expect (rig, "c> MSG|g|both|t/idle|1:10 1\tsubject=s\tzb-n=6\tzb-skipped=1:3..1:9|6");
        s_counts (rig, counts);
        //  It is told until somebody has gone on behind it.
        rig_wait (rig, 1001);
        rig_skip (rig);
        rig_say (rig, "c", "GET|g|t/idle|1|0|");
        assert_non_null (strstr (rig_last (rig)->text, "zb-skipped=1:3..1:9|6"));
        s_ok (rig, "ACK|a|t/idle|1:10");
        rig_skip (rig);
        rig_say (rig, "c", "GET|g|t/idle|1|0|");
        rig_expect (rig, "c> MSG|g|both|t/idle|1:11 1\tsubject=s\tzb-n=7|7");
        //  7 was held: its lease goes on.
        s_ok (rig, "ACK|a|t/busy|1:5..1:9");
        rig_gone (rig, "x");
        rig_wait (rig, 5001);
        s_gets (rig, "t/busy", "6,7,8,10");
        s_ok (rig, "ACK|a|t/busy|1:10");
        s_gets (rig, "t/done", "");
        s_takeover (rig);
        const char *const after[] = {"t/busy|", "messages=3\n", "t/done|", "messages=0\n", "t/idle|", "messages=4\n",
                                     "t/none|", "messages=5\n", NULL};
        s_counts (rig, after);
        s_gets (rig, "t/busy", "7,8,10");
        s_gets (rig, "t/none", "6,7,8,9,10");
        s_counts (rig, after);
        s_gets (rig, "t/idle", "7,8,9,10");
        s_ok (rig, "ACK|a|t/busy|1:1..1:14");
        s_ok (rig, "ACK|a|t/idle|1:1..1:14");
        s_ok (rig, "ACK|a|t/none|1:1..1:14");
        assert_int_equal (s_rows (rig, ZB_ACKS, ZB_ACKS_KEY_SIZE), 0);
        assert_int_equal (s_log_rows (rig), 5);
        s_answers (rig, "c", "READ|r|t|first|10|0", "6,7,8,9,10");
        rig_destroy (&rig);
    }
}

//  Bytes have a bound whatever is put; a PUT is refused only if they come faster than they go.  No step is large.
static void test_most_bytes (void **state)
{
    (void) state;
    rig_t *rig = s_open_kept ("max-bytes=20000");
    s_ok (rig, "SUB|s|t/a|");
    for (int count = 0; count < 100; count++) {
        s_put (rig, "t", 1000);
        rig_expect (rig, "c> OK*");
        rig_wait (rig, 100);
    }
    rig_wait (rig, 1000);
    assert_true (s_log_rows (rig) >= 17 && s_log_rows (rig) < 20);
    rig->stuck = true;
    bool refused = false;
    for (int count = 0; count < 30 && !refused; count++) {
        s_put (rig, "t", 1000);
        refused = rig_last (rig)->answer.status == ZB_ANSWER_ERR;
    }
    assert_true (refused);
    rig_expect (rig, "c> ERR|1|429|the topic is full (max-bytes): what*");
    rig->stuck = false;
    rig_wait (rig, 1000);
    s_put (rig, "t", 1000);
    rig_expect (rig, "c> OK*");
    //  What was too much before the option was, too.
    s_ok (rig, "TOPIC|t|t|max-bytes=0");
    s_put_numbers (rig, 1, 1000);
    rig_wait (rig, 1);
    rig->most_ops = 0;
    s_ok (rig, "TOPIC|t|t|max-bytes=1000");
    for (int count = 0; count < 10; count++)
        rig_wait (rig, 100);
    assert_true (s_log_rows (rig) < 20);
    assert_true (rig->most_ops < 300);
    s_put (rig, "t", 1001);
    rig_expect (rig, "c> ERR|1|429|the PUT is larger*");
    rig_destroy (&rig);
}

//  What is older than max-age goes, but not in the first minute of a lead.
static void test_most_age (void **state)
{
    (void) state;
    rig_t *rig = s_open_kept ("max-age=5000");
    uint64_t wall = 1000000;
    zb_engine_time (rig->engine, (int64_t) wall, rig->now);
    s_put_numbers (rig, 1, 1);
    s_pass (rig, &wall, 20000);
    s_answers (rig, "c", "READ|r|t|first|10|0", "1");
    s_pass (rig, &wall, 35500);
    s_put_numbers (rig, 2, 2);
    s_pass (rig, &wall, 4000);
    s_put_numbers (rig, 3, 3);
    s_answers (rig, "c", "READ|r|t|first|10|0", "1,2,3");
    s_pass (rig, &wall, 400);
    s_pass (rig, &wall, 101);
    s_answers (rig, "c", "READ|r|t|first|10|0", "2,3");
    s_pass (rig, &wall, 600);
    s_pass (rig, &wall, 101);
    s_answers (rig, "c", "READ|r|t|first|10|0", "3");
    s_takeover (rig);
    zb_engine_time (rig->engine, (int64_t) wall, rig->now);
    s_answers (rig, "c", "READ|r|t|first|10|0", "3");
    s_pass (rig, &wall, 59000);
    s_answers (rig, "c", "READ|r|t|first|10|0", "3");
    s_pass (rig, &wall, 1001);
    s_pass (rig, &wall, 101);
    s_answers (rig, "c", "READ|r|t|first|10|0", "");
    assert_int_equal (s_log_rows (rig), 0);
    //  Nobody has to use it for that.
    s_put_numbers (rig, 4, 5);
    s_takeover (rig);
    zb_engine_time (rig->engine, (int64_t) wall, rig->now);
    s_pass (rig, &wall, 61000);
    s_pass (rig, &wall, 1000);
    assert_int_equal (s_log_rows (rig), 0);
    rig_destroy (&rig);
}

//  What goes while a READ's rows are read takes nothing else from it.
static void test_read_while_rows_go (void **state)
{
    (void) state;
    rig_t *rig = s_open (NULL);
    s_put_numbers (rig, 1, 3); //  1:3 to 1:5
    s_gets (rig, "t/a", "1,2,3");
    s_gets (rig, "t/b", "1,2,3");
    rig->stuck = true;
    rig_say (rig, "x", "HELLO|h");
    rig_say (rig, "x", "READ|r|t|first|10|0");
    s_ok (rig, "ACK|a|t/a|1:3");
    s_ok (rig, "ACK|a|t/b|1:3");
    assert_int_equal (s_log_rows (rig), 2);
    rig_skip (rig);
    rig->stuck = false;
    rig_run (rig);
    rig_expect (rig, "x> MSG|r|both|t|1:4 0\tzb-n=2\tzb-skipped=1:1..1:3\n1:5 0\tzb-n=3|2|3");
    rig_destroy (&rig);
}

static void test_rows (void **state)
{
    (void) state;
    const zb_queue_row_t rows[] = {
        {.kind = ZB_KIND_TOPIC, .id = 7, .changed = {3, 2, 1}, .bytes = 5},
        {.kind = ZB_KIND_TOPIC, .id = 7, .bytes = 5, .keeps = true, .age = 6, .most = 8},
        {.kind = ZB_KIND_SUB,
         .id = 8,
         .changed = {3, 2, 1},
         .lease = 9,
         .grace = 10,
         .topic = 7,
         .began = {.how = ZB_AT_FIRST},
         .birth = 12,
         .from = 11},
        {.kind = ZB_KIND_SUB,
         .id = 8,
         .changed = {3, 2, 1},
         .topic = 7,
         .began = {.how = ZB_AT_TIME, .number = 13},
         .filter = {5, "a.* b"},
         .birth = 12,
         .from = 11},
        {.kind = ZB_KIND_SUB,
         .id = 8,
         .topic = 7,
         .birth = 12,
         .retry = 100,
         .retry_most = 10000,
         .dead_size = 3,
         .dead = "bin"}};
    for (size_t index = 0; index < sizeof rows / sizeof *rows; index++) {
        zb_row_t *row = zb_row_new (ZB_TOPIC_ROW_MAX + 1);
        zb_queue_row_t found;
        row->size = (uint32_t) zb_topic_row_encode (&rows[index], row->data);
        assert_int_equal (zb_queue_row_decode (&found, row), 0);
        assert_memory_equal (&found, &rows[index], sizeof found);
        for (size_t size = 4; size < row->size; size++) {
            zb_row_t *part = zb_row_new (size);
            memcpy (part->data, row->data, size);
            part->size = (uint32_t) size;
            //  Behind its first bytes a row may have ended, or have what a later program has added.
            if (size < (rows[index].kind == ZB_KIND_TOPIC ? ZB_TOPIC_ROW_SIZE : ZB_SUB_ROW_SIZE))
                assert_int_equal (zb_queue_row_decode (&found, part), -1);
            zb_row_unref (&part);
        }
        row->data[4] = 3;
        assert_int_equal (zb_queue_row_decode (&found, row), -1);
        zb_row_unref (&row);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_each_gets_all),
        cmocka_unit_test (test_waiting),
        cmocka_unit_test (test_where_it_begins),
        cmocka_unit_test (test_nobody_subscribes),
        cmocka_unit_test (test_one_that_is_behind),
        cmocka_unit_test (test_listed_and_deleted),
        cmocka_unit_test (test_bad_input),
        cmocka_unit_test (test_idle_ones_cost_nothing),
        cmocka_unit_test (test_filters),
        cmocka_unit_test (test_idle_filters_hold_back_nothing),
        cmocka_unit_test (test_positions),
        cmocka_unit_test (test_seek),
        cmocka_unit_test (test_seek_beside_puts),
        cmocka_unit_test (test_read),
        cmocka_unit_test (test_read_of_much),
        cmocka_unit_test (test_keeps_all),
        cmocka_unit_test (test_overtaken),
        cmocka_unit_test (test_most_bytes),
        cmocka_unit_test (test_most_age),
        cmocka_unit_test (test_read_while_rows_go),
        cmocka_unit_test (test_rows),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
