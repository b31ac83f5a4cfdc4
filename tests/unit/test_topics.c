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
#include "topic_kit.h"

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

//  Each subscription gets all, and has marks and leases of its own; a message is one row, gone when both are done with it.
static void test_each_gets_all (void **state)
{
    (void) state;
    for (int takeover = 0; takeover < 2; takeover++) {
        rig_t *rig = s_open (NULL);
        kit_ok (rig, "PUT|1|t||1|2"); //  1:3 and 1:4, as each birth takes an id
        kit_ok (rig, "PUT|1|t||3");
        kit_gets (rig, "t/a", "1,2,3");
        kit_ok (rig, "ACK|a|t/a|1:3 1:5");
        kit_gets (rig, "t/b", "1,2,3");
        assert_int_equal (kit_log_rows (rig), 2);
        if (takeover)
            kit_takeover (rig);
        kit_gets (rig, "t/a", "2");
        kit_gets (rig, "t/b", "1,2,3");
        kit_ok (rig, "ACK|a|t/b|1:3..1:4");
        if (takeover)
            kit_takeover (rig);
        assert_int_equal (kit_log_rows (rig), 2);
        kit_ok (rig, "ACK|a|t/a|1:4");
        if (takeover)
            kit_takeover (rig);
        kit_gets (rig, "t/a", "");
        assert_int_equal (kit_log_rows (rig), 1);
        kit_gets (rig, "t/b", "3");
        kit_ok (rig, "ACK|a|t/b|1:5");
        assert_int_equal (kit_log_rows (rig), 0);
        assert_int_equal (kit_rows (rig, ZB_ACKS, ZB_ACKS_KEY_SIZE), 0);
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
    kit_gets (rig, "t/a", "");
    rig_wait (rig, 1001); //  the lease of t/b
    kit_gets (rig, "t/a", "");
    kit_gets (rig, "t/b", "one");
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
    kit_gets (rig, "t/new", "2");
    kit_gets (rig, "t/first", "1,2");
    kit_gets (rig, "t/a", "1,2");
    kit_takeover (rig);
    //  Who asks once more, since the answer was lost, is told that it is done.
    kit_ok (rig, "SUB|s|t/first|from=first");
    kit_ok (rig, "SUB|s|t/new|from=new");
    kit_refused (rig, "SUB|s|t/new|from=first", 400);
    kit_gets (rig, "t/new", "2");
    kit_gets (rig, "t/first", "1,2");
    kit_ok (rig, "PUT|1|t||3");
    kit_gets (rig, "t/new", "2,3");
    rig_destroy (&rig);
}

//  Without a subscription nothing is kept, and the producer is told.
static void test_nobody_subscribes (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    kit_ok (rig, "TOPIC|t|t|");
    rig_skip (rig);
    rig_say (rig, "c", "PUT|1|t||one|two");
    rig_expect (rig, "c> OK|1|both|1:1|1:2|dropped");
    kit_ok (rig, "SUB|s|t/a|from=first");
    kit_gets (rig, "t/a", "");
    kit_ok (rig, "PUT|1|t||three");
    kit_gets (rig, "t/a", "three");
    kit_ok (rig, "DELETE|d|t/a");
    rig_skip (rig);
    rig_say (rig, "c", "PUT|1|t||four");
    rig_expect (rig, "c> OK|1|both|1:5|1:5|dropped");
    assert_int_equal (kit_log_rows (rig), 0);
    rig_destroy (&rig);
}

//  One that is behind holds back its topic up to max-bytes, and no other.  When it is gone, or purged, so is what it held.
static void test_one_that_is_behind (void **state)
{
    (void) state;
    for (int how = 0; how < 3; how++) {
        rig_t *rig = s_open (NULL);
        kit_ok (rig, "TOPIC|t|t|max-bytes=10000");
        for (int count = 0; count < 9; count++)
            kit_put (rig, "t", 1000);
        rig_say (rig, "c", "GET|g|t/a|9|0|");
        kit_ok (rig, "ACK|a|t/a|1:1..1:100");
        assert_int_equal (kit_log_rows (rig), 9);
        kit_put (rig, "t", 1000);
        rig_expect (rig, "c> ERR|1|429|the topic is full*");
        kit_put (rig, "q", 1000);
        rig_expect (rig, "c> OK*");
        kit_takeover (rig);
        kit_put (rig, "t", 1000);
        rig_expect (rig, "c> ERR|1|429|the topic is full*");
        kit_ok (rig, how == 0 ? "DELETE|d|t/b" : how == 1 ? "PURGE|p|t/b" : "PURGE|p|t");
        assert_int_equal (kit_log_rows (rig), 1); //  q's
        rig_skip (rig);
        kit_put (rig, "t", 1000);
        rig_expect (rig, "c> OK*");
        kit_takeover (rig);
        if (how)
            kit_ok (rig, "PURGE|p|t/b");
        kit_ok (rig, "PUT|1|t||after");
        kit_ok (rig, "PURGE|p|t/a");
        kit_gets (rig, "t/a", "");
        if (how)
            kit_gets (rig, "t/b", "after");
        rig_destroy (&rig);
    }
}

static void test_listed_and_deleted (void **state)
{
    (void) state;
    for (int takeover = 0; takeover < 2; takeover++) {
        rig_t *rig = s_open (NULL);
        kit_ok (rig, "PUT|1|t||1|2");
        kit_ok (rig, "ACK|a|t/a|1:3");
        if (takeover)
            kit_takeover (rig);
        rig_skip (rig);
        rig_say (rig, "c", "LIST|l");
        rig_expect (rig, "c> OK|l|q|lease=30000\nmax-messages=0\nmessages=0\nleased=0\nwaiting=0\ngrace=5000");
        rig_say (rig, "c", "LIST|l||q");
        rig_expect (rig, "c> OK|l|t|keep=subscribed\nmax-bytes=1073741824\nmessages=2\nkind=topic"
                         "|t/a|lease=30000\ngrace=5000\nmessages=1\nleased=0\nwaiting=0\nkind=subscription"
                         "|t/b|lease=1000\ngrace=5000\nmessages=2\nleased=0\nwaiting=0\nkind=subscription|");
        kit_ok (rig, "DELETE|d|t");
        kit_refused (rig, "GET|g|t/a|1|0|", 404);
        kit_refused (rig, "PUT|1|t||x", 404);
        assert_int_equal (kit_log_rows (rig), 0);
        assert_int_equal (kit_rows (rig, ZB_ACKS, ZB_ACKS_KEY_SIZE), 0);
        assert_int_equal (kit_rows (rig, ZB_CURSORS, ZB_CURSOR_KEY_SIZE), 1); //  q's
        kit_ok (rig, "QUEUE|q|t|");
        kit_ok (rig, "PUT|1|t||x");
        kit_gets (rig, "t", "x");
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
    kit_ok (rig, "PUT|1|t||one");
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++)
        kit_refused (rig, cases[index].line, cases[index].code);
    assert_int_equal (kit_rows (rig, ZB_QUEUES, 1), 2);
    assert_int_equal (kit_rows (rig, ZB_QUEUES, 3), 2);
    kit_gets (rig, "t/a", "one");
    kit_gets (rig, "t/b", "one");
    rig_destroy (&rig);
    //  Limits.
    zb_limits_t few = ZB_LIMITS_DEFAULT;
    few.subscriptions = 2;
    rig = s_open (&few);
    kit_refused (rig, "SUB|s|t/c|", 429);
    kit_ok (rig, "SUB|s|t/a|");
    few.queues = 4;
    rig_takeover_with (rig, &few);
    rig_say (rig, "c", "HELLO|h");
    kit_refused (rig, "TOPIC|t|u|", 429);
    zb_engine_level (rig->engine, 2);
    kit_refused (rig, "TOPIC|t|u|", 503);
    kit_refused (rig, "SUB|s|t/a|lease=7", 503);
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
        kit_ok (rig, line);
    }
    rig_wait (rig, 1);
    rig_put (rig, "c", "1", "t", 100, 100);
    rig_run (rig);
    assert_true (rig_stats (rig).window_bytes == 0);
    assert_true (rig->most_ops < 1000);
    size_t batches = rig->batches;
    kit_put (rig, "t", 10);
    assert_int_equal (rig->batches, batches + 1);
    assert_int_equal (kit_log_rows (rig), 2);
    rig_destroy (&rig);
}

//  A subscription has what its filter takes, and what it does not take is done with the rest.
static void test_filters (void **state)
{
    (void) state;
    for (int takeover = 0; takeover < 2; takeover++) {
        rig_t *rig = s_open (NULL);
        kit_ok (rig, "SUB|s|t/f|filter=eu.* us.>");
        kit_ok (rig, "PUT|1|t|subject=eu.de|1");
        kit_ok (rig, "PUT|1|t|subject=eu.de.x|2");
        kit_ok (rig, "PUT|1|t|subject=us.ca.la|3|4");
        kit_ok (rig, "PUT|1|t||5");
        kit_ok (rig, "PUT|1|t|subject=us|6");
        if (takeover)
            kit_takeover (rig);
        kit_gets (rig, "t/f", "1,3,4");
        kit_gets (rig, "t/a", "1,2,3,4,5,6");
        kit_ok (rig, "SUB|s|t/f|filter=eu.* us.>\nlease=1000");
        kit_ok (rig, "SUB|s|t/f|");
        kit_refused (rig, "SUB|s|t/f|filter=eu.>", 400);
        kit_refused (rig, "SUB|s|t/a|filter=eu.>", 400);
        kit_refused (rig, "SUB|s|t/x|filter=a..b", 400);
        rig_skip (rig);
        rig_say (rig, "c", "LIST|l||t/b|1");
        rig_expect (rig, "c> OK|l|t/f|lease=1000\ngrace=5000\nfilter=eu.* us.>\nmessages=*");
        kit_ok (rig, "ACK|a|t/f|1:4");
        if (takeover)
            kit_takeover (rig);
        kit_gets (rig, "t/f", "3,4");
        kit_ok (rig, "ACK|a|t/f|1:1..1:100");
        kit_gets (rig, "t/a", "1,2,3,4,5,6");
        kit_ok (rig, "ACK|a|t/a|1:1..1:100");
        kit_gets (rig, "t/b", "1,2,3,4,5,6");
        kit_ok (rig, "ACK|a|t/b|1:1..1:100");
        assert_int_equal (kit_log_rows (rig), 0);
        assert_int_equal (kit_rows (rig, ZB_ACKS, ZB_ACKS_KEY_SIZE), 0);
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
    kit_ok (rig, "DELETE|d|t/a");
    kit_ok (rig, "DELETE|d|t/b");
    kit_ok (rig, "SUB|s|t/f|filter=f.*");
    kit_ok (rig, "SUB|s|t/g|filter=g.*");
    for (int count = 0; count < 50; count++)
        kit_ok (rig, "PUT|1|t|subject=c.x|x");
    assert_int_equal (kit_log_rows (rig), 50);
    rig_wait (rig, 61000);
    rig_wait (rig, 1000);
    assert_int_equal (kit_log_rows (rig), 0);
    kit_ok (rig, "PUT|1|t|subject=f.x|one");
    for (int count = 0; count < 10; count++)
        kit_ok (rig, "PUT|1|t|subject=c.x|x");
    rig_wait (rig, 61000);
    rig_wait (rig, 1000);
    assert_int_equal (kit_log_rows (rig), 11);
    kit_takeover (rig);
    kit_gets (rig, "t/g", "");
    kit_gets (rig, "t/f", "one");
    kit_ok (rig, "ACK|a|t/f|1:1..1:1000");
    assert_int_equal (kit_log_rows (rig), 0);
    //  What is put while they are idle never fills their topic.
    kit_ok (rig, "TOPIC|t|t|max-bytes=10000");
    for (int count = 0; count < 100; count++) {
        kit_put (rig, "t", 1000);
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
    kit_ok (rig, "PUT|1|t||1|2|3"); //  1:3 and on
    kit_pass (rig, &wall, 100);
    kit_ok (rig, "PUT|1|t||4");
    kit_pass (rig, &wall, 100);
    kit_ok (rig, "PUT|1|t||5");
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        char line[64];
        snprintf (line, sizeof line, "SUB|s|t/x%zu|from=%s", index, cases[index].from);
        kit_ok (rig, line);
        kit_ok (rig, line);
        snprintf (line, sizeof line, "t/x%zu", index);
        kit_gets (rig, line, cases[index].bodies);
    }
    kit_refused (rig, "SUB|s|t/x0|from=1:5", 400);
    kit_refused (rig, "SUB|s|t/y|from=1:99", 400);
    kit_refused (rig, "SUB|s|t/y|from=0", 400);
    kit_ok (rig, "ACK|a|t/x0|1:5");
    kit_takeover (rig);
    kit_gets (rig, "t/x0", "4,5");
    kit_gets (rig, "t/x1", "4,5");
    kit_gets (rig, "t/x9", "5");
    kit_gets (rig, "t/x7", "4,5");
    rig_skip (rig);
    rig_say (rig, "c", "GET|g|t/a|2|0|");
    rig_expect (rig, "c> MSG|g|both|t/a|1:3 1\tzb-n=1\tzb-time=1000\n1:4 1\tzb-n=2\tzb-time=1000|1|2");
    rig_say (rig, "c", "GET|g|t/x9|2|0|");
    kit_ok (rig, "PUT|1|t|colour=red|6");
    rig_skip (rig);
    rig_say (rig, "c", "GET|g|t/x3|9|0|");
    assert_non_null (strstr (rig_last (rig)->text, "\tcolour=red\tzb-n=6\tzb-time="));
    kit_refused (rig, "PUT|1|t|zb-n=7|x", 400);
    rig_destroy (&rig);
}

static void test_seek (void **state)
{
    (void) state;
    for (int takeover = 0; takeover < 2; takeover++) {
        rig_t *rig = s_open (NULL);
        uint64_t wall = 1000;
        zb_engine_time (rig->engine, 1000, rig->now);
        kit_ok (rig, "PUT|1|t||1|2|3");
        kit_pass (rig, &wall, 100);
        kit_ok (rig, "PUT|1|t||4");
        kit_ok (rig, "PUT|1|t||5");
        kit_ok (rig, "ACK|a|t/a|1:4 1:6 1:7");
        kit_gets (rig, "t/a", "1,3");
        if (takeover)
            kit_takeover (rig);
        rig_skip (rig);
        rig_say (rig, "c", "SEEK|s|t/a|first");
        rig_expect (rig, "c> OK|s|both");
        kit_gets (rig, "t/a", "1,2,3,4,5");
        kit_ok (rig, "SEEK|s|t/a|1:4");
        if (takeover)
            kit_takeover (rig);
        kit_gets (rig, "t/a", "3,4,5");
        kit_ok (rig, "ACK|a|t/a|1:6");
        kit_ok (rig, "SEEK|s|t/a|@1100");
        kit_gets (rig, "t/a", "4,5");
        kit_ok (rig, "ACK|a|t/a|1:6 1:7");
        kit_ok (rig, "SEEK|s|t/a|1:7");
        if (takeover)
            kit_takeover (rig);
        kit_gets (rig, "t/a", "");
        rig_wait (rig, 1000);
        assert_int_equal (kit_rows (rig, ZB_ACKS, ZB_ACKS_KEY_SIZE), 0);
        assert_int_equal (kit_rows (rig, ZB_QUEUES, ZB_TOMB_KEY_SIZE), 0);
        assert_int_equal (kit_rows (rig, ZB_CURSORS, ZB_CURSOR_KEY_SIZE), 4); //  q's, t's and two
        //  Who waits gets it at once; what others held is theirs no more.
        rig_say (rig, "y", "HELLO|h");
        rig_say (rig, "y", "GET|g|t/b|5|0|");
        rig_say (rig, "x", "HELLO|h");
        rig_say (rig, "x", "GET|g|t/a|5|5000|");
        rig_skip (rig);
        rig_say (rig, "c", "SEEK|s|t/a|1:6");
        rig_expect (rig, "c> OK|s|both");
        rig_expect (rig, "x> MSG|g|both|t/a|1:7 1\t*");
        kit_ok (rig, "SEEK|s|t/b|first");
        kit_gets (rig, "t/b", "1,2,3,4,5");
        //  Forward: what nobody waits for any more goes.
        kit_ok (rig, "SEEK|s|t/b|1:6");
        rig_wait (rig, 1000);
        assert_int_equal (kit_log_rows (rig), 1);
        kit_ok (rig, "SEEK|s|t/b|1:1");
        kit_gets (rig, "t/b", "5");
        kit_refused (rig, "SEEK|s|t/b|9:1", 400);
        kit_refused (rig, "SEEK|s|t/x|first", 404);
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
        kit_ok (rig, "PUT|1|t||1|2|3");
        kit_pass (rig, &wall, 100);
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
        kit_gets (rig, "t/a", index == 1 ? "1,2,3,4,5" : "4,5");
        kit_ok (rig, "ACK|a|t/a|1:1..1:100");
        kit_ok (rig, "PUT|1|t||6");
        rig_skip (rig);
        rig_say (rig, "c", "LIST|l||t|1"); //  what comes behind t
        assert_non_null (strstr (rig_last (rig)->text, "t/a|"));
        assert_non_null (strstr (rig_last (rig)->text, "messages=1\n"));
        kit_takeover (rig);
        kit_gets (rig, "t/a", "6");
        rig_destroy (&rig);
    }
}

//  One that is moved while acknowledgements wait for a read: of those behind that the read tells nothing.
static void test_seek_beside_acks (void **state)
{
    (void) state;
    rig_t *rig = s_open (NULL);
    kit_put_numbers (rig, 1, 3); // 1:3 to 1:5
    kit_ok (rig, "ACK|a|t/a|1:3 1:4");
    kit_takeover (rig);
    rig_say (rig, "x", "HELLO|h");
    rig_say (rig, "y", "HELLO|h");
    rig_say (rig, "y", "NACK|n|t/a|1:3");
    rig_skip (rig);
    rig->stuck = true;
    rig_say (rig, "x", "ACK|1|t/a|1:5");
    rig_say (rig, "x", "SEEK|2|t/a|first");
    rig_say (rig, "y", "ACK|1|t/a|1:5");
    rig->stuck = false;
    rig_run (rig);
    rig_expect (rig, "x> OK|1|both");
    rig_expect (rig, "x> OK|2|both");
    rig_expect (rig, "y> OK|1|both");
    kit_gets (rig, "t/a", "1,2");
    rig_destroy (&rig);
}

//  What of a row lies behind where the only subscription begins is given, however often the log is read again.
static void test_begins_amid_a_row (void **state)
{
    (void) state;
    for (int how = 0; how < 4; how++) {
        rig_t *rig = s_open (NULL);
        bool seek = how & 1, takeover = how & 2;
        char line[40];
        const char *sub = seek ? "t/a" : "t/c";
        kit_ok (rig, "PUT|1|t||1|2|3|4"); // 1:3 to 1:6
        if (!seek)
            kit_ok (rig, "SUB|s|t/c|from=1:4");
        kit_ok (rig, "DELETE|d|t/b");
        kit_ok (rig, seek ? "SEEK|s|t/a|1:4" : "DELETE|d|t/a");
        if (takeover)
            kit_takeover (rig);
        kit_gets (rig, sub, "3,4");
        assert_null (zb_engine_fault (rig->engine));
        snprintf (line, sizeof line, "ACK|a|%s|1:5", sub);
        kit_ok (rig, line);
        kit_takeover (rig);
        snprintf (line, sizeof line, "GET|g|%s|10|0|", sub);
        rig_say (rig, "c", line);
        assert_int_equal (rig_last (rig)->answer.bodies, 1);
        assert_null (strstr (rig_last (rig)->text, "zb-skipped")); //  it has lost nothing
        snprintf (line, sizeof line, "ACK|a|%s|1:6", sub);
        kit_ok (rig, line);
        assert_int_equal (kit_log_rows (rig), 0);
        kit_ok (rig, "PUT|1|t||5");
        rig_wait (rig, 1000);
        rig_say (rig, "c", "LIST|l||q|1"); //  what comes behind q: t
        assert_non_null (strstr (rig_last (rig)->text, "messages=1\n"));
        rig_destroy (&rig);
    }
}

//  The same of a row that is on its way.
static void test_begins_amid_a_row_on_its_way (void **state)
{
    (void) state;
    for (int taken = 0; taken < 2; taken++) {
        rig_t *rig = s_open (NULL);
        rig->sync_there = !taken;
        if (taken)
            rig_say (rig, "c", "PUT|1|t||1|2|3|4"); // 1:3 to 1:6
        else
            rig_push (rig, "c", "PUT|1|t||1|2|3|4");
        rig_push (rig, "x", "HELLO|h");
        rig_push (rig, "x", "SUB|s|t/c|from=1:4");
        rig_push (rig, "x", "DELETE|d|t/a");
        rig_push (rig, "x", "DELETE|d|t/b");
        rig_run (rig);
        rig->sync_there = true;
        rig_sync (rig, true, true);
        rig_run (rig);
        kit_gets (rig, "t/c", "3,4");
        assert_null (zb_engine_fault (rig->engine));
        rig_destroy (&rig);
    }
}

//  A row of which a part was put before a PURGE of a subscription, in the same batch.
static void test_purge_amid_a_row (void **state)
{
    (void) state;
    for (int how = 0; how < 4; how++) {
        rig_t *rig = s_open (NULL);
        bool sole = how & 1, takeover = how & 2;
        if (sole)
            kit_ok (rig, "DELETE|d|t/b");
        rig_push (rig, "c", "PUT|1|t||before");
        rig_push (rig, "c", "PURGE|p|t/a");
        rig_push (rig, "c", "PUT|1|t||after");
        rig_run (rig);
        if (takeover)
            kit_takeover (rig);
        kit_gets (rig, "t/a", "after");
        assert_null (zb_engine_fault (rig->engine));
        if (!sole)
            kit_gets (rig, "t/b", "before,after");
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
        kit_ok (rig, "PUT|1|t||1|2|3");
        kit_pass (rig, &wall, 100);
        kit_ok (rig, "PUT|1|t|subject=eu.de|4");
        kit_ok (rig, "PUT|1|t|subject=us|5");
        if (takeover)
            kit_takeover (rig);
        for (int again = 0; again < 2; again++)
            for (size_t index = 0; index < sizeof cases / sizeof *cases; index++)
                kit_answers (rig, "c", cases[index].line, cases[index].bodies);
        rig_skip (rig);
        rig_say (rig, "c", "READ|r|t|1:6|100|0");
        rig_expect (rig, "c> MSG|r|both|t|1:7 0\tsubject=us\tzb-n=5\tzb-time=*");
        kit_gets (rig, "t/a", "1,2,3,4,5");
        //  Who waits is told as soon as something comes that fits, or when it is over.
        rig_say (rig, "x", "HELLO|h");
        rig_say (rig, "y", "HELLO|h");
        rig_say (rig, "x", "READ|r|t|new|10|5000|a.>");
        rig_say (rig, "y", "READ|r|t|1:6|10|1000|a.>");
        rig_skip (rig);
        kit_ok (rig, "PUT|1|t|subject=b.c|6");
        rig_expect (rig, "c> OK*");
        rig_expect (rig, NULL);
        rig_wait (rig, 1001);
        rig_expect (rig, "y> MSG|r|both|t|");
        rig_say (rig, "c", "PUT|1|t|subject=a.c|7");
        rig_expect (rig, "c> OK*");
        rig_expect (rig, "x> MSG|r|both|t|*");
        //  What is gone is told of.
        kit_gets (rig, "t/b", "1,2,3,4,5,6,7");
        kit_ok (rig, "ACK|a|t/a|1:1..1:7");
        kit_ok (rig, "ACK|a|t/b|1:1..1:5");
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
        kit_put (rig, "t", 5000);
    kit_ok (rig, "PUT|1|t|subject=a|last");
    kit_answers (rig, "c", "READ|r|t|first|10|0|a", "last");
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

//  What goes while a READ's rows are read takes nothing else from it.
static void test_read_while_rows_go (void **state)
{
    (void) state;
    rig_t *rig = s_open (NULL);
    kit_put_numbers (rig, 1, 3); //  1:3 to 1:5
    kit_gets (rig, "t/a", "1,2,3");
    kit_gets (rig, "t/b", "1,2,3");
    rig->stuck = true;
    rig_say (rig, "x", "HELLO|h");
    rig_say (rig, "x", "READ|r|t|first|10|0");
    kit_ok (rig, "ACK|a|t/a|1:3");
    kit_ok (rig, "ACK|a|t/b|1:3");
    assert_int_equal (kit_log_rows (rig), 2);
    rig_skip (rig);
    rig->stuck = false;
    rig_run (rig);
    rig_expect (rig, "x> MSG|r|both|t|1:4 0\tzb-n=2\tzb-skipped=1:1..1:3\n1:5 0\tzb-n=3|2|3");
    rig_destroy (&rig);
}

static void test_rows (void **state)
{
    (void) state;
    const zb_queue_row_t rows[] = {{.kind = ZB_KIND_TOPIC, .id = 7, .changed = {3, 2, 1}, .bytes = 5},
                                   {.kind = ZB_KIND_TOPIC, .id = 7, .bytes = 5, .retains = true, .age = 6, .most = 8},
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
                                    .most_tries = 20,
                                    .unused = 5000,
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
        cmocka_unit_test (test_seek_beside_acks),
        cmocka_unit_test (test_begins_amid_a_row),
        cmocka_unit_test (test_begins_amid_a_row_on_its_way),
        cmocka_unit_test (test_purge_amid_a_row),
        cmocka_unit_test (test_read),
        cmocka_unit_test (test_read_of_much),
        cmocka_unit_test (test_read_while_rows_go),
        cmocka_unit_test (test_rows),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
