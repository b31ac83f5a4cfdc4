/*  =========================================================================
    test_fitting - what a PUT gets that is beyond its queue's limits

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

#include "topic_kit.h"

//  The queue `t` with these options.
static rig_t *s_open (const char *options, const zb_limits_t *limits)
{
    rig_t *rig = rig_ready (limits);
    char line[200];
    snprintf (line, sizeof line, "QUEUE|q|t|%s", options);
    kit_ok (rig, line);
    return rig;
}

//  What LIST says of a queue: a line of it.
static void s_lists (rig_t *rig, const char *queue, const char *expected)
{
    char line[64];
    snprintf (line, sizeof line, "LIST|l|%s", queue);
    rig_skip (rig);
    rig_say (rig, "c", line);
    const char *text = rig_last (rig)->text;
    snprintf (line, sizeof line, "\n%s", expected);
    const char *at = strstr (text, line);
    if (!at || (at[strlen (line)] && at[strlen (line)] != '\n'))
        fail_msg ("%s is not in %s", expected, text);
}

//  What there is, to be given to others later.
static void s_gets (rig_t *rig, const char *queue, const char *bodies)
{
    kit_gets (rig, queue, bodies);
    rig_wait (rig, 6000);
    rig_run (rig);
}

//  Bytes of the bodies and the properties of what is not done, whatever happens to it, and as the next broker reads it.
static void test_bytes_are_counted (void **state)
{
    (void) state;
    rig_t *rig = s_open ("max-bytes=1000", NULL);
    s_lists (rig, "t", "max-bytes=1000");
    s_lists (rig, "t", "bytes=0");
    kit_ok (rig, "PUT|1|t|a=b|12345|1234567|");
    s_lists (rig, "t", "bytes=21");
    kit_takeover (rig);
    s_lists (rig, "t", "bytes=21");
    kit_ok (rig, "ACK|a|t|1:2");
    s_lists (rig, "t", "bytes=11");
    kit_ok (rig, "ACK|a|t|1:2 1:3");
    kit_takeover (rig);
    //  Here it is not in memory.
    s_lists (rig, "t", "bytes=8");
    kit_ok (rig, "PUT|1|t|a=b\nacks=t 1:1|12");
    s_lists (rig, "t", "bytes=6");
    kit_ok (rig, "PUT|1|t||1234567");
    rig_restart (rig);
    rig_say (rig, "c", "HELLO|h");
    s_lists (rig, "t", "bytes=13");
    kit_ok (rig, "PURGE|p|t");
    s_lists (rig, "t", "bytes=0");
    kit_ok (rig, "PUT|1|t||123");
    kit_takeover (rig);
    s_lists (rig, "t", "bytes=3");
    rig_destroy (&rig);
}

//  A queue that has messages when the option is named counts those that come.
static void test_named_for_a_queue_with_messages (void **state)
{
    (void) state;
    rig_t *rig = s_open ("", NULL);
    kit_ok (rig, "PUT|1|t||12345|12345");
    kit_ok (rig, "QUEUE|q|t|max-bytes=10");
    s_lists (rig, "t", "bytes=0");
    kit_ok (rig, "PUT|1|t||123456");
    kit_ok (rig, "ACK|a|t|1:1");
    s_lists (rig, "t", "bytes=6");
    kit_takeover (rig);
    kit_ok (rig, "ACK|a|t|1:2");
    s_lists (rig, "t", "bytes=6");
    //  What is named again counts as before.
    kit_ok (rig, "QUEUE|q|t|max-bytes=11");
    kit_refused (rig, "PUT|1|t||123456", 429);
    kit_ok (rig, "ACK|a|t|1:3");
    s_lists (rig, "t", "bytes=0");
    rig_destroy (&rig);
}

static void test_refused_beyond_max_bytes (void **state)
{
    (void) state;
    rig_t *rig = s_open ("max-bytes=10", NULL);
    rig_say (rig, "n", "HELLO|h|till||");
    rig_skip (rig);
    rig_say (rig, "n", "PUT|1|t||1234567890");
    rig_expect (rig, "n> OK|1|both|1:1|1:1");
    //  Bodies without bytes fit, and the properties count for each.
    rig_say (rig, "n", "PUT|2|t|||");
    rig_expect (rig, "n> OK|2|both|1:2|1:3");
    rig_say (rig, "n", "PUT|3|t|a=|");
    rig_expect (rig, "n> ERR|3|429|the queue is full (max-bytes)");
    rig_say (rig, "n", "PUT|3|t|a=||||||");
    rig_expect (rig, "n> ERR|3|413|the PUT is larger than the queue's max-bytes");
    //  The number is free.
    rig_say (rig, "n", "ACK|a|t|1:1");
    rig_skip (rig);
    rig_say (rig, "n", "PUT|3|t|a=|");
    rig_expect (rig, "n> OK|3|both|1:4|1:4");
    kit_ok (rig, "QUEUE|q|t|max-bytes=1");
    kit_refused (rig, "PUT|1|t||1", 429);
    //  It is answered as what it was.
    rig_skip (rig);
    rig_say (rig, "n", "PUT|3|t|a=|");
    rig_expect (rig, "n> OK|3|both|1:4|1:4|duplicate");
    kit_ok (rig, "QUEUE|q|t|max-bytes=0");
    kit_ok (rig, "PUT|1|t||12345678901");
    zb_engine_level (rig->engine, 3);
    kit_refused (rig, "QUEUE|q|u|max-bytes=0", 503);
    kit_refused (rig, "QUEUE|q|u|full=drop-oldest", 503);
    kit_ok (rig, "QUEUE|q|u|full=reject");
    rig_destroy (&rig);
}

static void test_the_oldest_ready_go (void **state)
{
    (void) state;
    rig_t *rig = s_open ("max-messages=4\nfull=drop-oldest", NULL);
    s_lists (rig, "t", "full=drop-oldest");
    kit_ok (rig, "PUT|1|t||1|2|3|4");
    //  One that a consumer has stays, and so does one that rests.
    kit_answers (rig, "c", "GET|g|t|2|0|", "1,2");
    kit_ok (rig, "NACK|n|t|1:2|5000");
    kit_ok (rig, "PUT|1|t||5");
    kit_ok (rig, "PUT|1|t||6");
    assert_int_equal (rig_stats (rig).dropped, 2);
    kit_refused (rig, "PUT|1|t||7|8|9", 429);
    assert_int_equal (rig_stats (rig).dropped, 2);
    kit_refused (rig, "PUT|1|t||7|8|9|10|11", 413);
    s_gets (rig, "t", "5,6");
    kit_takeover (rig);
    s_gets (rig, "t", "1,2,5,6");
    kit_ok (rig, "PUT|1|t||a|b|c|d");
    s_gets (rig, "t", "a,b,c,d");
    rig_destroy (&rig);
}

//  By bytes, in rows of many, also if they are on the disk alone.
static void test_the_oldest_go_by_bytes (void **state)
{
    (void) state;
    for (int lost = 0; lost < 2; lost++) {
        rig_t *rig = s_open ("max-bytes=20\nfull=drop-oldest", NULL);
        kit_ok (rig, "PUT|1|t||12345|1234|123");
        kit_ok (rig, "PUT|1|t||12345678");
        if (lost)
            kit_takeover (rig);
        kit_ok (rig, "PUT|1|t||abc");
        s_lists (rig, "t", "bytes=18");
        kit_refused (rig, "PUT|1|t||123456789012345678901", 413);
        if (lost)
            kit_takeover (rig);
        kit_ok (rig, "PUT|1|t||abcde");
        kit_takeover (rig);
        s_lists (rig, "t", "bytes=19");
        s_gets (rig, "t", "123,12345678,abc,abcde");
        rig_destroy (&rig);
    }
}

//  Either both are done, or neither.
static void test_in_one_commit (void **state)
{
    (void) state;
    for (int lost = 0; lost < 2; lost++) {
        rig_t *rig = s_open ("max-messages=2\nfull=drop-oldest", NULL);
        rig_say (rig, "n", "HELLO|h|till||");
        rig_say (rig, "n", "PUT|1|t||1");
        rig_say (rig, "n", "PUT|2|t||2");
        rig_skip (rig);
        size_t batches = rig->batches;
        rig->sync_there = !lost;
        rig_say (rig, "n", "PUT|3|t||3|4");
        assert_int_equal (rig->batches, batches + 1);
        rig_expect (rig, lost ? NULL : "n> OK|3|both|1:3|1:4");
        rig_takeover (rig);
        rig->sync_there = true;
        rig_say (rig, "n", "HELLO|h|till||1.1");
        rig_skip (rig);
        if (lost)
            s_gets (rig, "t", "1,2");
        rig_skip (rig);
        //  Sent again it drops nothing again.
        rig_say (rig, "n", "PUT|3|t||3|4");
        rig_expect (rig, lost ? "n> OK|3|both|2:1|2:2" : "n> OK|3|both|1:3|1:4|duplicate");
        rig_say (rig, "n", "PUT|3|t||3|4");
        rig_expect (rig, lost ? "n> OK|3|both|2:1|2:2|duplicate" : "n> OK|3|both|1:3|1:4|duplicate");
        assert_int_equal (rig_stats (rig).dropped, lost ? 4 : 2);
        s_gets (rig, "t", "3,4");
        rig_destroy (&rig);
    }
}

//  What is not shown yet can't go: the PUT waits for it, and nothing else does.
static void test_waits_for_what_is_on_its_way (void **state)
{
    (void) state;
    rig_t *rig = s_open ("max-messages=1\nfull=drop-oldest", NULL);
    rig_say (rig, "n", "HELLO|h|till||");
    rig_skip (rig);
    rig->sync_there = false;
    rig_push (rig, "n", "PUT|1|t||1");
    rig_push (rig, "n", "PUT|2|t||2");
    rig_push (rig, "n", "PUT|3|t||3");
    rig_run (rig);
    rig_say (rig, "c", "GET|g|t|1|0|");
    rig_expect (rig, "c> MSG|g|both|t|");
    rig_expect (rig, NULL);
    assert_true (zb_engine_client_waits (rig->engine));
    rig->sync_there = true;
    rig_sync (rig, true, true);
    rig_run (rig);
    rig_expect (rig, "n> OK|1|both|1:1|1:1");
    rig_expect (rig, "n> OK|2|both|1:2|1:2");
    rig_expect (rig, "n> OK|3|both|1:3|1:3");
    s_gets (rig, "t", "3");
    assert_int_equal (rig_stats (rig).dropped, 2);
    //  Who waits is told when this broker leads no more.
    rig->sync_there = false;
    rig_skip (rig);
    rig_push (rig, "n", "PUT|4|t||4");
    rig_push (rig, "n", "PUT|5|t||5");
    rig_run (rig);
    rig_expect (rig, NULL);
    zb_engine_stop (rig->engine, "there");
    rig_collect (rig);
    rig_expect (rig, "n> PASSIVE|4|there");
    rig_expect (rig, "n> PASSIVE|5|there");
    rig_destroy (&rig);
}

//  What a PUT acknowledges of the same queue makes room first, and does not go otherwise.
static void test_acknowledged_by_the_put (void **state)
{
    (void) state;
    rig_t *rig = s_open ("max-messages=3\nmax-bytes=9\nfull=drop-oldest", NULL);
    kit_ok (rig, "PUT|1|t||111|222|333");
    kit_ok (rig, "PUT|1|t|acks=t 1:1|444");
    assert_int_equal (rig_stats (rig).dropped, 0);
    //  The acknowledged one is the oldest, and ready.
    kit_ok (rig, "PUT|1|t|acks=t 1:2|555|666");
    assert_int_equal (rig_stats (rig).dropped, 1);
    s_lists (rig, "t", "bytes=9");
    //  Refused, it has acknowledged and dropped nothing.
    kit_refused (rig, "PUT|1|t|acks=t 1:2|x|y|z", 410);
    kit_answers (rig, "c", "GET|g|t|2|0|", "444,555");
    rig_say (rig, "v", "HELLO|h");
    rig_skip (rig);
    rig_say (rig, "v", "PUT|1|t|acks=t 1:6|a|b|c");
    rig_expect (rig, "v> ERR|1|429|the queue is full, and consumers have what is in it");
    kit_takeover (rig);
    s_gets (rig, "t", "444,555,666");
    kit_ok (rig, "QUEUE|q|t|full=reject");
    kit_refused (rig, "PUT|1|t|acks=t 1:4|7777", 429);
    kit_ok (rig, "PUT|1|t|acks=t 1:4|777");
    s_gets (rig, "t", "555,666,777");
    rig_destroy (&rig);
}

//  A limit below what is there: the next PUT drops what is too much, in steps, though it does not lie in memory.
static void test_a_limit_below_what_is_there (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.window = 200000;
    limits.windows = 400000;
    rig_t *rig = s_open ("max-bytes=0", &limits);
    for (int put = 0; put < 40; put++) {
        rig_put (rig, "c", "p", "t", 1000, 10);
        rig_run (rig);
    }
    s_lists (rig, "t", "bytes=400000");
    kit_ok (rig, "QUEUE|q|t|max-bytes=100");
    kit_refused (rig, "PUT|1|t||x", 429);
    kit_ok (rig, "QUEUE|q|t|full=drop-oldest");
    rig_takeover_with (rig, &limits);
    kit_ok (rig, "HELLO|h");
    kit_ok (rig, "PUT|1|t||x");
    assert_int_equal (rig_stats (rig).dropped, 40000 - 9);
    assert_true (rig_stats (rig).visited <= 2 * ZB_TURN_VISITS);
    assert_true (rig_stats (rig).window_bytes <= limits.windows);
    s_lists (rig, "t", "bytes=91");
    s_lists (rig, "t", "messages=10");
    kit_ok (rig, "QUEUE|q|t|max-messages=2");
    kit_ok (rig, "PUT|1|t||y");
    s_gets (rig, "t", "x,y");
    rig_destroy (&rig);
}

//  One large PUT in the place of a great many small messages: other clients are served between.
static void test_a_great_many_go_in_steps (void **state)
{
    (void) state;
    rig_t *rig = s_open ("max-bytes=100000\nfull=drop-oldest", NULL);
    for (int put = 0; put < 100; put++) {
        rig_put (rig, "c", "p", "t", 1000, 1);
        rig_run (rig);
    }
    rig_skip (rig);
    rig_put (rig, "c", "p", "t", 1, 100000);
    rig_run (rig);
    rig_expect (rig, "c> OK|p|both|*");
    assert_int_equal (rig_stats (rig).dropped, 100000);
    s_lists (rig, "t", "bytes=100000");
    s_lists (rig, "t", "messages=1");
    rig_destroy (&rig);
}

//  Consumers have all that memory holds of it: what is behind that is read, and goes; what they have does not.
static void test_consumers_have_much (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.window = 20000;
    limits.windows = 100000;
    rig_t *rig = s_open ("max-bytes=60000\nfull=drop-oldest", &limits);
    for (int put = 0; put < 60; put++) {
        rig_put (rig, "c", "p", "t", 1, 1000);
        rig_run (rig);
    }
    rig_say (rig, "w", "HELLO|h");
    for (int got = 0; got < 60; got++)
        rig_say (rig, "w", "GET|g|t|1|0|");
    s_lists (rig, "t", "leased=16");
    rig_skip (rig);
    rig_put (rig, "c", "p", "t", 1, 44001);
    rig_run (rig);
    rig_expect (rig, "c> ERR|p|429|the queue is full, and consumers have what is in it");
    s_lists (rig, "t", "messages=60");
    kit_ok (rig, "PUT|1|t||x");
    s_lists (rig, "t", "bytes=59001");
    rig_put (rig, "c", "p", "t", 1, 43999);
    rig_run (rig);
    kit_refused (rig, "PUT|1|t|acks=t 1:1|", 410);
    rig_say (rig, "w", "PUT|1|t|acks=t 1:1|y");
    rig_skip (rig);
    kit_takeover (rig);
    s_lists (rig, "t", "bytes=59001");
    s_lists (rig, "t", "messages=18");
    rig_destroy (&rig);
}

//  Dead letters are held up by no limit, and drop nothing; MOVE takes what there is room for, and drops nothing.
static void test_dead_letters_and_move (void **state)
{
    (void) state;
    rig_t *rig = s_open ("max-bytes=1000\nmax-messages=2", NULL);
    kit_ok (rig, "QUEUE|q|t.dead|max-bytes=30\nmax-messages=1\nfull=drop-oldest");
    kit_ok (rig, "PUT|1|t||1|2");
    kit_ok (rig, "PUT|1|t.dead||x");
    kit_ok (rig, "REJECT|r|t|1:1 1:2");
    s_lists (rig, "t", "bytes=0");
    s_lists (rig, "t.dead", "messages=3");
    s_lists (rig, "t.dead", "bytes=77");
    kit_ok (rig, "PUT|1|t.dead||y");
    s_lists (rig, "t.dead", "messages=1");
    s_lists (rig, "t.dead", "bytes=1");
    assert_int_equal (rig_stats (rig).dropped, 3);
    kit_ok (rig, "QUEUE|q|t.dead|max-messages=0");
    kit_ok (rig, "PUT|1|t||12345678901234567890|1");
    kit_ok (rig, "MOVE|m|t|t.dead||9");
    s_lists (rig, "t.dead", "bytes=22");
    kit_ok (rig, "PUT|1|t||12345678");
    kit_refused (rig, "MOVE|m|t|t.dead||9", 429);
    s_gets (rig, "t", "12345678");
    s_gets (rig, "t.dead", "y,12345678901234567890,1");
    assert_int_equal (rig_stats (rig).dropped, 3);
    rig_destroy (&rig);
}

//  Where dead-letter is set what would be dropped goes there, in the commit of the PUT; but for what is a dead letter already.
static void test_to_the_dead_letters (void **state)
{
    (void) state;
    rig_t *rig = s_open ("max-messages=2\nfull=drop-oldest\ndead-letter=lost", NULL);
    kit_ok (rig, "PUT|1|t|a=b|1|2");
    kit_ok (rig, "PUT|1|t||3");
    rig_skip (rig);
    rig_say (rig, "c", "GET|g|lost|9|0|");
    rig_expect (rig, "c> MSG|g|both|lost|1:3 1\ta=b\tzb-dead=full\tzb-from=t\tzb-tries=0|1");
    assert_int_equal (rig_stats (rig).buried, 1);
    assert_int_equal (rig_stats (rig).dropped, 0);
    //  Both, or none.
    rig->sync_there = false;
    rig_say (rig, "c", "PUT|1|t||4");
    rig->sync_there = true;
    kit_takeover (rig);
    s_gets (rig, "t", "2,3");
    s_gets (rig, "lost", "1");
    kit_ok (rig, "PUT|1|t||4|5");
    s_gets (rig, "t", "4,5");
    s_gets (rig, "lost", "1,2,3");
    //  Of what had come back its tries are told.
    rig_say (rig, "c", "ACK|a|lost|1:3");
    kit_answers (rig, "c", "GET|g|t|1|0|", "4");
    rig_say (rig, "c", "NACK|n|t|2:3 2:4 2:5 2:6");
    kit_ok (rig, "PUT|1|t||6");
    kit_answers (rig, "c", "PEEK|k|lost|first|9", "2,3,4");
    assert_non_null (strstr (rig_last (rig)->text, "zb-dead=full\tzb-from=t\tzb-tries=2"));
    //  What has died once does not go on.
    kit_ok (rig, "QUEUE|q|u|dead-letter=t");
    kit_ok (rig, "PUT|1|u||dead");
    kit_ok (rig, "PURGE|x|t");
    rig_say (rig, "c", "GET|g|u|9|0|");
    rig_skip (rig);
    char line[100];
    rig_say (rig, "c", "PEEK|k|u|first|9");
    snprintf (line, sizeof line, "REJECT|r|u|%.*s", (int) strcspn (strstr (rig_last (rig)->text, "|u|") + 3, " "),
              strstr (rig_last (rig)->text, "|u|") + 3);
    kit_ok (rig, line);
    kit_ok (rig, "PUT|1|t||7|8");
    s_gets (rig, "t", "7,8");
    kit_answers (rig, "c", "PEEK|k|lost|first|9", "2,3,4");
    assert_int_equal (rig_stats (rig).dropped, 1);
    rig_destroy (&rig);
}

//  Where they can't go they stay, and the PUT is refused.
static void test_dead_letters_that_can_not_go (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.queues = 2;
    rig_t *rig = s_open ("max-messages=1\nfull=drop-oldest\ndead-letter=lost", &limits);
    kit_ok (rig, "PUT|1|t||1");
    rig_skip (rig);
    rig_say (rig, "c", "PUT|1|t||2");
    rig_expect (rig, "c> ERR|1|429|the queue is full, and the queue that dead letters go to can't be made*");
    kit_ok (rig, "DELETE|x|q");
    kit_ok (rig, "TOPIC|n|lost|");
    rig_skip (rig);
    rig_say (rig, "c", "PUT|1|t||2");
    rig_expect (rig, "c> ERR|1|429|the queue is full, and a topic has the name of the queue that dead letters go to");
    s_gets (rig, "t", "1");
    kit_ok (rig, "DELETE|x|lost");
    kit_ok (rig, "PUT|1|t||2");
    s_gets (rig, "t", "2");
    s_gets (rig, "lost", "1");
    //  There is room again, or it is not asked for.
    kit_ok (rig, "QUEUE|q|t|dead-letter=");
    kit_ok (rig, "PUT|1|t||3");
    s_gets (rig, "lost", "1");
    rig_destroy (&rig);
}

//  No commit has more of them than it may have bytes.
static void test_many_dead_letters (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.batch = 100000;
    rig_t *rig = s_open ("dead-letter=lost\nfull=drop-oldest", &limits);
    for (int put = 0; put < 100; put++)
        kit_put (rig, "t", 10000);
    kit_ok (rig, "QUEUE|q|t|max-messages=2");
    size_t batches = rig->batches;
    kit_ok (rig, "PUT|1|t||last");
    assert_in_range (rig->batches - batches, 9, 12);
    s_lists (rig, "t", "messages=2");
    s_lists (rig, "lost", "messages=99");
    assert_int_equal (rig_stats (rig).buried, 99);
    rig_destroy (&rig);
}

//  What is dropped while a broker is alone goes to no journal; what was acknowledged of the same row does.
static void test_no_journal (void **state)
{
    (void) state;
    rig_t *rig = s_open ("max-messages=4\nfull=drop-oldest", NULL);
    kit_ok (rig, "PUT|1|t||1|2");
    kit_ok (rig, "PUT|1|t||3|4");
    zb_engine_epoch (rig->engine, 2);
    zb_engine_keep (rig->engine, ZB_KEEP_WRITE);
    rig_rule (rig, ZB_RELEASE_HERE);
    kit_ok (rig, "PUT|1|t||5|6");
    assert_int_equal (fake_store_rows (rig->store, ZB_ACKS), 0);
    kit_ok (rig, "ACK|a|t|1:3");
    kit_ok (rig, "PUT|1|t||7|8");
    assert_int_equal (rig_stats (rig).dropped, 3);
    assert_int_equal (fake_store_rows (rig->store, ZB_LOG), 2);
    assert_int_equal (fake_store_rows (rig->store, ZB_ACKS), 1);
    rig_destroy (&rig);
}

//  What is over goes first, and counts with the others.
static void test_what_is_over_goes_first (void **state)
{
    (void) state;
    uint64_t wall = 1800000000000;
    rig_t *rig = s_open ("max-bytes=24\nexpires=1000", NULL);
    kit_pass (rig, &wall, 61000);
    kit_ok (rig, "PUT|1|t||12345|12345");
    kit_pass (rig, &wall, 600);
    kit_ok (rig, "PUT|1|t||1234567890");
    kit_refused (rig, "PUT|1|t||12345", 429);
    kit_pass (rig, &wall, 600);
    kit_ok (rig, "PUT|1|t||12345");
    assert_int_equal (rig_stats (rig).lapsed, 2);
    kit_ok (rig, "QUEUE|q|t|full=drop-oldest");
    kit_ok (rig, "PUT|1|t||1234567890");
    assert_int_equal (rig_stats (rig).dropped, 1);
    kit_pass (rig, &wall, 600);
    kit_ok (rig, "PUT|1|t||1234567890");
    assert_int_equal (rig_stats (rig).dropped, 2);
    s_lists (rig, "t", "bytes=20");
    rig_destroy (&rig);
}

//  Bytes of the bodies and properties that PEEK shows of `t`.
static uint64_t s_peeked (rig_t *rig, uint64_t *messages)
{
    rig_skip (rig);
    rig_say (rig, "c", "PEEK|p|t|first|1000");
    const zb_answer_t *answer = &rig_last (rig)->answer;
    assert_int_equal (answer->status, ZB_ANSWER_MSG);
    uint64_t bytes = 0;
    *messages = answer->bodies;
    for (size_t index = 0; index < answer->bodies; index++)
        bytes += answer->body[index].size + 4; //  its properties: a=b and a newline
    return bytes;
}

static const char s_text[] = "01234567890123456789012345678901234567890123456789012345678901234567890123456789";

static void s_random_step (rig_t *rig, int step, int leads)
{
    char line[300];
    int what = rand () % 16, id = 1 + rand () % (step + 1), lead = 1 + rand () % leads;
    rig_skip (rig);
    if (what < 8)
        snprintf (line, sizeof line, "PUT|1|t|a=b\n%s|%.*s|%.*s", what < 6 ? "" : "acks=t 1:1", rand () % 40, s_text,
                  rand () % 80, s_text);
    else if (what < 11)
        snprintf (line, sizeof line, "GET|g|t|%d|0|", 1 + rand () % 4);
    else if (what < 13)
        snprintf (line, sizeof line, "ACK|a|t|%d:%d", lead, id);
    else if (what < 14)
        snprintf (line, sizeof line, "NACK|n|t|1:1..%d:%d", lead, id);
    else
        snprintf (line, sizeof line, "QUEUE|q|t|max-messages=%d\nfull=%s", 1 + rand () % 30,
                  rand () % 4 ? "drop-oldest" : "reject");
    uint64_t messages, before = s_peeked (rig, &messages);
    rig_say (rig, "w", line);
    if (what < 8 && rig_last (rig)->answer.status == ZB_ANSWER_ERR)
        assert_int_equal (s_peeked (rig, &messages), before);
}

//  Whatever is asked for, the bytes that are told are those of what is there, and what is refused changes nothing.
static void test_any_walk (void **state)
{
    (void) state;
    for (unsigned seed = 1; seed <= 10; seed++) {
        srand (seed);
        rig_t *rig = s_open ("max-bytes=300\nmax-messages=20\nlease=600000", NULL);
        int leads = 1;
        rig_say (rig, "w", "HELLO|h");
        for (int step = 0; step < 400; step++) {
            s_random_step (rig, step, leads);
            if (rand () % 40 == 0) {
                (rand () % 2 ? rig_takeover : rig_restart) (rig);
                rig_say (rig, "c", "HELLO|h");
                rig_say (rig, "w", "HELLO|h");
                leads++;
            }
            char expected[40];
            uint64_t messages, bytes = s_peeked (rig, &messages);
            assert_true (bytes <= 300 && messages <= 30);
            snprintf (expected, sizeof expected, "bytes=%d", (int) bytes);
            s_lists (rig, "t", expected);
            snprintf (expected, sizeof expected, "messages=%d", (int) messages);
            s_lists (rig, "t", expected);
        }
        assert_true (rig_stats (rig).dropped > 20);
        rig_destroy (&rig);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_bytes_are_counted),
        cmocka_unit_test (test_named_for_a_queue_with_messages),
        cmocka_unit_test (test_refused_beyond_max_bytes),
        cmocka_unit_test (test_the_oldest_ready_go),
        cmocka_unit_test (test_the_oldest_go_by_bytes),
        cmocka_unit_test (test_in_one_commit),
        cmocka_unit_test (test_waits_for_what_is_on_its_way),
        cmocka_unit_test (test_acknowledged_by_the_put),
        cmocka_unit_test (test_a_limit_below_what_is_there),
        cmocka_unit_test (test_a_great_many_go_in_steps),
        cmocka_unit_test (test_consumers_have_much),
        cmocka_unit_test (test_dead_letters_and_move),
        cmocka_unit_test (test_to_the_dead_letters),
        cmocka_unit_test (test_dead_letters_that_can_not_go),
        cmocka_unit_test (test_many_dead_letters),
        cmocka_unit_test (test_no_journal),
        cmocka_unit_test (test_what_is_over_goes_first),
        cmocka_unit_test (test_any_walk),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
