/*  =========================================================================
    test_keying - queues whose messages go by their key: mode=key

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
#include "rig.h"

#define LEASE 30000
#define GRACE 5000
#define WALL 1800000000000 //  the machine's clock is so far ahead of the monotonic one

//  Time passes, and both clocks tell it.
static void s_pass (rig_t *rig, int64_t ms)
{
    zb_engine_time (rig->engine, WALL + rig->now, rig->now);
    rig->now += ms;
    zb_engine_time (rig->engine, WALL + rig->now, rig->now);
    rig_run (rig);
}

//  A queue `q` with mode=key; "w", named worker, and "v" and "u", without a name, are consumers.
static rig_t *s_ready_within (const char *options, const zb_limits_t *limits)
{
    char line[128];
    rig_t *rig = rig_ready (limits);
    snprintf (line, sizeof line, "QUEUE|o|q|mode=key%s", options);
    rig_say (rig, "c", line);
    rig_expect (rig, "c> OK|o");
    rig_say (rig, "w", "HELLO|h|worker||");
    rig_say (rig, "v", "HELLO|h");
    rig_say (rig, "u", "HELLO|h");
    rig_skip (rig);
    return rig;
}

//  With the messages 1:1 to 1:6: a1 a2 b1 c1 a3 b2, of the keys a and b, and one without.
static rig_t *s_ready (const char *options)
{
    rig_t *rig = s_ready_within (options, NULL);
    rig_say (rig, "c", "PUT|p|q|key=a|a1|a2");
    rig_say (rig, "c", "PUT|p|q|key=b|b1");
    rig_say (rig, "c", "PUT|p|q|other=a|c1");
    rig_say (rig, "c", "PUT|p|q|x=y\nkey=a|a3");
    rig_say (rig, "c", "PUT|p|q|key=b|b2");
    rig_skip (rig);
    return rig;
}

//  What the newest message to this client has.
#define s_got(rig, client, bodies) s_got_ (rig, client, bodies, __LINE__)
static void s_got_ (rig_t *rig, const char *client, const char *bodies, int at_line)
{
    char text[256] = "", start[32];
    rig_reply_t *last = NULL;
    snprintf (start, sizeof start, "%s> MSG|", client);
    rig_collect (rig);
    for (size_t index = rig->next; index < rig->count; index++)
        if (strncmp (rig->replies[index].text, start, strlen (start)) == 0)
            last = &rig->replies[index];
    if (!last)
        fail_msg ("line %d: nothing for %s", at_line, client);
    rig_read (last);
    for (size_t index = 0; index < last->answer.bodies; index++)
        snprintf (text + strlen (text), sizeof text - strlen (text), "%s%.*s", index ? "," : "",
                  (int) last->answer.body[index].size, (const char *) last->answer.body[index].data);
    if (strcmp (text, bodies) != 0)
        fail_msg ("line %d: %s, not %s", at_line, text, bodies);
    rig_skip (rig);
}

#define s_gets(rig, client, bodies) s_gets_ (rig, client, bodies, __LINE__)
static void s_gets_ (rig_t *rig, const char *client, const char *bodies, int at_line)
{
    rig_skip (rig);
    rig_say (rig, client, "GET|g|q|9|0|");
    s_got_ (rig, client, bodies, at_line);
}

#define s_says(rig, client, line, answer) s_says_ (rig, client, line, answer, __LINE__)
static void s_says_ (rig_t *rig, const char *client, const char *line, const char *answer, int at)
{
    rig_skip (rig);
    rig_say (rig, client, line);
    rig_expect_ (rig, answer, __FILE__, at);
}

static void test_the_option (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    static const char *const bad[] = {"mode=keys", "mode=Key", "mode=key ", "mode=2"};
    char line[64];
    for (size_t index = 0; index < sizeof bad / sizeof *bad; index++) {
        snprintf (line, sizeof line, "QUEUE|o|q|%s", bad[index]);
        s_says (rig, "c", line, "c> ERR|o|400|mode is shared, exclusive or key");
    }
    s_says (rig, "c", "QUEUE|o|q|mode=key", "c> OK|o");
    s_says (rig, "c", "PUT|p|q||1", "c> OK|p|*");
    s_says (rig, "c", "QUEUE|o|q|mode=shared", "c> ERR|o|400|the mode does not change*");
    s_says (rig, "c", "QUEUE|o|q|mode=exclusive", "c> ERR|o|400|the mode does not change*");
    for (int takeover = 0; takeover < 2; takeover++) {
        s_says (rig, "c", "LIST|l|q",
                "c> OK|l|q|lease=30000\nmax-messages=0\nmessages=1\nleased=0\nwaiting=0\ngrace=5000\nmode=key\n"
                "blocked=0");
        rig_takeover (rig);
        rig_say (rig, "c", "HELLO|h");
    }
    s_says (rig, "c", "ACK|a|q|1:1", "c> OK|a|both");
    s_says (rig, "c", "QUEUE|o|q|mode=exclusive", "c> OK|o");
    s_says (rig, "c", "QUEUE|o|q|mode=key", "c> OK|o");
    zb_engine_level (rig->engine, 3);
    s_says (rig, "c", "QUEUE|o|x|mode=key", "c> ERR|o|503|*");
    rig_destroy (&rig);
}

static void test_one_of_a_key (void **state)
{
    (void) state;
    rig_t *rig = s_ready ("");
    s_gets (rig, "w", "a1,b1,c1");
    s_gets (rig, "v", "");
    s_says (rig, "c", "LIST|l|q", "c> OK|l|q|lease=30000\nmax-messages=0\nmessages=6\nleased=3\nwaiting=0\n*");
    s_says (rig, "c", "PEEK|k|q|1:1|1", "c> MSG|k|both|q|1:2 0\tzb-state=blocked\tkey=a|a2");
    rig_say (rig, "v", "GET|g|q|9|60000|");
    rig_say (rig, "u", "GET|g|q|9|60000|");
    rig_skip (rig);
    s_says (rig, "w", "ACK|a|q|1:4", "w> OK|a|both");
    rig_expect (rig, NULL);
    rig_say (rig, "w", "ACK|a|q|1:1");
    s_got (rig, "v", "a2");
    rig_say (rig, "w", "GET|a|q|0|0|1:3");
    s_got (rig, "u", "b2");
    s_gets (rig, "w", "");
    rig_say (rig, "v", "ACK|a|q|1:2");
    s_gets (rig, "w", "a3");
    s_says (rig, "w", "ACK|a|q|1:5", "w> OK|a|both");
    s_says (rig, "u", "ACK|a|q|1:6", "u> OK|a|both");
    rig_say (rig, "c", "PUT|p|q|key=a|a4|a5");
    s_gets (rig, "w", "a4");
    rig_destroy (&rig);
}

//  What comes back is the next one of its key, whatever brings it back, and what was behind it stays there.
static void test_what_comes_back (void **state)
{
    (void) state;
    rig_t *rig = s_ready ("");
    s_gets (rig, "w", "a1,b1,c1");
    s_says (rig, "w", "NACK|n|q|1:1", "w> OK|n|1");
    s_gets (rig, "v", "a1");
    s_gets (rig, "u", "");
    //  A connection ends; a lease ends; another process of the name; it can't be sent.
    rig_gone (rig, "v");
    rig_wait (rig, GRACE);
    s_gets (rig, "u", "a1");
    rig_wait (rig, LEASE - GRACE);
    s_gets (rig, "w", "b1,c1");
    rig_wait (rig, GRACE);
    s_gets (rig, "u", "a1");
    s_gets (rig, "u", "");
    rig_say (rig, "w2", "HELLO|h|worker||");
    s_gets (rig, "w2", "b1,c1");
    s_says (rig, "u", "EXTEND|e|q|1:1", "u> OK|e|1");
    rig_say (rig, "u", "GET|g|q|9|60000|");
    rig_say (rig, "u", "ACK|a|q|1:1");
    s_got (rig, "u", "a2");
    s_says (rig, "u", "NACK|n|q|1:2||untried", "u> OK|n|1");
    rig_say (rig, "u", "GET|g|q|9|0|");
    rig_expect (rig, "u> MSG|g|both|q|1:2 *");
    zb_engine_undelivered (rig->engine, rig->replies[rig->count - 1].reply, rig->now);
    s_gets (rig, "w2", "a2");
    s_gets (rig, "w2", "");
    rig_destroy (&rig);
}

//  While it rests, too.
static void test_what_rests (void **state)
{
    (void) state;
    rig_t *rig = s_ready ("\nretry-delay=1000");
    s_gets (rig, "w", "a1,b1,c1");
    s_says (rig, "w", "NACK|n|q|1:1", "w> OK|n|1");
    s_gets (rig, "v", "");
    rig_wait (rig, 999);
    s_gets (rig, "v", "");
    rig_wait (rig, 1);
    s_gets (rig, "v", "a1");
    s_gets (rig, "u", "");
    //  A NACK's own delay.
    s_says (rig, "v", "NACK|n|q|1:1|3000", "v> OK|n|1");
    rig_wait (rig, 2999);
    s_gets (rig, "v", "");
    //  It may be said that it is done.
    s_says (rig, "v", "ACK|a|q|1:1", "v> OK|a|both");
    s_gets (rig, "u", "a2");
    rig_destroy (&rig);
}

static void test_dead_letters (void **state)
{
    (void) state;
    rig_t *rig = s_ready ("\nmax-deliveries=1");
    s_gets (rig, "w", "a1,b1,c1");
    s_says (rig, "v", "REJECT|r|q|1:1", "v> ERR|r|410|*");
    s_says (rig, "w", "REJECT|r|q|1:1", "w> OK|r|both");
    s_gets (rig, "v", "a2");
    rig_say (rig, "v", "NACK|n|q|1:2");
    s_gets (rig, "u", "a3");
    rig_wait (rig, LEASE);
    s_gets (rig, "v", "b2");
    s_gets (rig, "v", "");
    rig_say (rig, "v", "GET|g|q.dead|9|0|");
    s_got (rig, "v", "a1,a2,b1,c1,a3");
    rig_destroy (&rig);
}

//  What can't go stays, and its key with it.
static void test_dead_letters_that_can_t_go (void **state)
{
    (void) state;
    rig_t *rig = s_ready ("\nmax-deliveries=1\ndead-letter=t");
    s_says (rig, "c", "TOPIC|t|t|", "c> OK|t|*");
    s_gets (rig, "w", "a1,b1,c1");
    rig_say (rig, "w", "NACK|n|q|1:1");
    s_gets (rig, "v", "");
    s_says (rig, "c", "DELETE|d|t", "c> OK|d|both");
    rig_wait (rig, 1000);
    s_gets (rig, "v", "a2");
    rig_destroy (&rig);
}

static void test_other_verbs (void **state)
{
    (void) state;
    rig_t *rig = s_ready ("");
    rig_say (rig, "c", "QUEUE|o|x|");
    s_gets (rig, "w", "a1,b1,c1");
    //  A PUT's acks.
    s_says (rig, "v", "PUT|p|x|acks=q 1:1|r", "v> ERR|p|410|*");
    s_says (rig, "w", "PUT|1|x|acks=q 1:1 1:3|r", "w> OK|1|both|*");
    s_gets (rig, "v", "a2,b2");
    //  What waits is nobody's: whoever knows it may say that it is done, and MOVE takes it.
    rig_say (rig, "c", "PUT|p|q|key=a|a4|a5|a6");
    s_gets (rig, "u", "");
    s_says (rig, "u", "ACK|a|q|1:5", "u> OK|a|both");
    s_says (rig, "u", "ACK|a|q|1:5", "u> ERR|a|410|*");
    s_says (rig, "c", "MOVE|m|q|x||1", "c> OK|m|both|1|*");
    s_says (rig, "v", "ACK|a|q|1:2", "v> OK|a|both");
    s_gets (rig, "u", "a5");
    s_says (rig, "c", "MOVE|m|q|x||9", "c> OK|m|both|1|*");
    rig_say (rig, "c", "GET|g|x|9|0|");
    s_got (rig, "c", "r,a4,a6");
    //  PURGE frees all keys.
    rig_say (rig, "c", "PUT|p|q|key=a|a7");
    s_says (rig, "c", "PURGE|p|q", "c> OK|p|both");
    rig_say (rig, "c", "PUT|p|q|key=a|a8|a9");
    s_gets (rig, "v", "a8");
    s_gets (rig, "v", "");
    s_says (rig, "c", "DELETE|d|q", "c> OK|d|both");
    s_says (rig, "c", "QUEUE|o|q|mode=key", "c> OK|o");
    rig_say (rig, "c", "PUT|p|q|key=a|n1|n2");
    s_gets (rig, "w", "n1");
    rig_destroy (&rig);
}

//  One that was to be next goes in another way: the next one does not wait for ever.
static void test_the_next_one_goes (void **state)
{
    (void) state;
    rig_t *rig = s_ready ("");
    s_gets (rig, "w", "a1,b1,c1");
    rig_say (rig, "w", "ACK|a|q|1:1");
    s_says (rig, "v", "ACK|a|q|1:2", "v> OK|a|both");
    s_gets (rig, "v", "a3");
    rig_destroy (&rig);
}

static void test_ranges (void **state)
{
    (void) state;
    rig_t *rig = s_ready ("");
    s_gets (rig, "w", "a1,b1,c1");
    static const char *const verbs[] = {"ACK|k|q|", "GET|k|q|0|0|", "NACK|k|q|", "EXTEND|k|q|", "REJECT|k|q|"};
    char line[64];
    for (size_t index = 0; index < sizeof verbs / sizeof *verbs; index++) {
        snprintf (line, sizeof line, "%s1:3..1:4", verbs[index]);
        s_says (rig, "w", line, "w> ERR|k|400|acks: no ranges in a queue with mode=key, name each id");
    }
    s_says (rig, "w", "ACK|k|q|1:3 1:4", "w> OK|k|both");
    s_says (rig, "w", "ACK|k|q|1:3 1:1", "w> ERR|k|410|*");
    rig_destroy (&rig);
}

static void test_takeover (void **state)
{
    (void) state;
    for (int restart = 0; restart < 2; restart++) {
        rig_t *rig = s_ready ("");
        s_gets (rig, "w", "a1,b1,c1");
        rig_say (rig, "w", "ACK|a|q|1:1");
        s_gets (rig, "w", "a2");
        restart ? rig_restart (rig) : rig_takeover (rig);
        rig_say (rig, "w", "HELLO|h|worker||");
        rig_say (rig, "v", "HELLO|h");
        rig_say (rig, "u", "HELLO|h");
        s_gets (rig, "v", "a2,b1,c1");
        s_gets (rig, "u", "");
        //  Who had it from the other one is told that it is another's.
        s_says (rig, "w", "ACK|a|q|1:2", "w> ERR|a|410|*");
        rig_say (rig, "v", "ACK|a|q|1:2");
        s_gets (rig, "u", "a3");
        rig_destroy (&rig);
    }
}

//  What is not due blocks nobody; when it is due it is one of its key, the smallest id first.
static void test_not_due (void **state)
{
    (void) state;
    rig_t *rig = s_ready_within ("\ndelay=0", NULL);
    s_pass (rig, 1);
    rig_say (rig, "c", "PUT|p|q|key=a\ndelay=1000|late");
    rig_say (rig, "c", "PUT|p|q|key=a|a1|a2|a3");
    s_gets (rig, "w", "a1");
    s_gets (rig, "v", "");
    s_pass (rig, 1000);
    s_gets (rig, "v", "");
    s_says (rig, "w", "ACK|a|q|1:2", "w> OK|a|both");
    s_gets (rig, "v", "late");
    s_gets (rig, "u", "");
    s_says (rig, "v", "ACK|a|q|1:1", "v> OK|a|both");
    s_gets (rig, "u", "a2");
    s_says (rig, "u", "ACK|a|q|1:3", "u> OK|a|both");
    s_gets (rig, "u", "a3");
    rig_destroy (&rig);
}

//  Very many that are due of a key that is leased keep no other one that is due back.
static void test_due_behind_many (void **state)
{
    (void) state;
    rig_t *rig = s_ready_within ("\ndelay=0", NULL);
    s_pass (rig, 1);
    rig_say (rig, "c", "PUT|p|q|key=a|a");
    s_gets (rig, "w", "a");
    for (int index = 0; index < 100; index++)
        rig_say (rig, "c", "PUT|p|q|key=a\ndelay=1000|1|2|3|4|5|6|7|8|9|10");
    rig_say (rig, "c", "PUT|p|q|key=b\ndelay=1001|b");
    rig_say (rig, "v", "GET|g|q|9|60000|");
    s_pass (rig, 1001);
    rig_run (rig);
    s_got (rig, "v", "b");
    rig_destroy (&rig);
}

//  What a topic removes because it has too much keeps nobody back, whoever has it.
static void test_overtaken (void **state)
{
    (void) state;
    rig_t *rig = s_ready_within ("", NULL);
    rig_say (rig, "c", "TOPIC|t|t|keep=all\nkeep-messages=2");
    rig_say (rig, "c", "SUB|s|t/s|mode=key");
    rig_say (rig, "c", "PUT|p|t|key=a|1");
    rig_say (rig, "c", "PUT|p|t|key=a|2");
    rig_say (rig, "w", "GET|g|t/s|9|0|");
    s_got (rig, "w", "1");
    rig_say (rig, "v", "GET|g|t/s|9|600000|");
    for (int index = 3; index < 6; index++) {
        char line[32];
        snprintf (line, sizeof line, "PUT|p|t|key=a|%d", index);
        rig_say (rig, "c", line);
    }
    rig_skip (rig);
    for (int second = 0; second < 20; second++)
        s_pass (rig, 1000);
    s_got (rig, "v", "4");
    rig_say (rig, "u", "GET|g|t/s|9|0|");
    s_got (rig, "u", "");
    rig_destroy (&rig);
}

//  What expires while it waits for its key is dropped when it is its turn, and the next one comes.
static void test_expired (void **state)
{
    (void) state;
    rig_t *rig = s_ready_within ("\nexpires=0", NULL);
    for (int minute = 0; minute < 70; minute++)
        s_pass (rig, 1000);
    rig_say (rig, "c", "PUT|p|q|key=a|a1");
    rig_say (rig, "c", "PUT|p|q|key=a\nexpires=1000|a2|a3");
    rig_say (rig, "c", "PUT|p|q|key=a|a4|a5");
    s_gets (rig, "w", "a1");
    s_gets (rig, "v", "");
    rig_say (rig, "v", "GET|g|q|9|60000|");
    s_pass (rig, 2000);
    rig_say (rig, "w", "ACK|a|q|1:1");
    s_got (rig, "v", "a4");
    s_gets (rig, "u", "");
    assert_int_equal (rig_stats (rig).lapsed, 2);
    rig_destroy (&rig);
}

static void test_expired_makes_room (void **state)
{
    (void) state;
    rig_t *rig = s_ready_within ("\nexpires=1000\nmax-messages=3", NULL);
    s_pass (rig, 1);
    s_pass (rig, 61000);
    s_says (rig, "c", "PUT|p|q|key=a|a1|a2|a3", "c> OK|p|*");
    s_gets (rig, "v", "a1");
    s_pass (rig, LEASE + 1);
    //  Nobody gets: what waited for its key is over, as what was leased.
    s_says (rig, "c", "PUT|p|q|key=b|b1|b2|b3", "c> OK|p|*");
    rig_destroy (&rig);
}

static void test_drop_oldest (void **state)
{
    (void) state;
    rig_t *rig = s_ready ("\nmax-messages=6\nfull=drop-oldest");
    s_gets (rig, "w", "a1,b1,c1");
    s_gets (rig, "v", "");
    //  The oldest that nobody has are those that wait.
    s_says (rig, "c", "PUT|p|q|key=a|a4|a5", "c> OK|p|*");
    rig_say (rig, "w", "ACK|a|q|1:1");
    s_gets (rig, "v", "a4");
    s_gets (rig, "v", "");
    rig_say (rig, "w", "ACK|a|q|1:3");
    s_gets (rig, "v", "b2");
    rig_destroy (&rig);
}

static void test_a_subscription (void **state)
{
    (void) state;
    rig_t *rig = s_ready ("");
    rig_say (rig, "c", "TOPIC|t|t|");
    s_says (rig, "c", "SUB|s|t/s|mode=key\nfilter=in.*", "c> OK|s|*");
    rig_say (rig, "c", "PUT|p|t|subject=out.x\nkey=a|o1");
    rig_say (rig, "c", "PUT|p|t|subject=in.x\nkey=a|i1|i2");
    rig_say (rig, "c", "PUT|p|t|subject=in.x\nkey=b|i3");
    rig_say (rig, "w", "GET|g|t/s|9|0|");
    s_got (rig, "w", "i1,i3");
    rig_say (rig, "v", "GET|g|t/s|9|60000|");
    rig_say (rig, "w", "ACK|a|t/s|1:9");
    s_got (rig, "v", "i2");
    rig_say (rig, "c", "PUT|p|t|subject=in.x\nkey=a|i4");
    s_says (rig, "c", "SEEK|k|t/s|first", "c> OK|k|both");
    rig_skip (rig);
    rig_say (rig, "w", "GET|g|t/s|9|0|");
    s_got (rig, "w", "i1,i3");
    rig_destroy (&rig);
}

//  Very many of one key that is leased: who gets does not look at them again, and reads no more than half of limits.windows.
static void test_a_hot_key (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.window = 100000;
    limits.windows = 1000000;
    limits.batch = 20000;
    rig_t *rig = s_ready_within ("", &limits);
    for (int index = 0; index < 200; index++) {
        rig_say (rig, "c", "PUT|p|q|key=a|1|2|3|4|5|6|7|8|9|10|11|12|13|14|15|16|17|18|19|20");
    }
    rig_say (rig, "c", "PUT|p|q|key=b|other");
    rig_run (rig);
    rig_takeover_with (rig, &limits);
    rig_say (rig, "w", "HELLO|h|worker||");
    rig_say (rig, "v", "HELLO|h");
    rig_say (rig, "c", "HELLO|h");
    rig_skip (rig);
    rig_say (rig, "w", "GET|g|q|1|0|");
    s_got (rig, "w", "1");
    s_gets (rig, "v", "other");
    size_t reads = rig->read_count;
    zb_engine_worked (rig->engine, zb_frame ("v"));
    s_gets (rig, "v", "");
    assert_int_equal (rig->read_count, reads);
    assert_true (zb_engine_worked (rig->engine, zb_frame ("v")) < 100);
    s_says (rig, "c", "LIST|l|q",
            "c> OK|l|q|lease=30000\nmax-messages=0\nmessages=4001\nleased=2\nwaiting=0\ngrace=5000\nmode=key\n"
            "blocked=3999");
    //  Each is delivered in its turn.
    for (int index = 0; index < 4000; index++) {
        char line[64], body[16];
        snprintf (line, sizeof line, "GET|g|q|1|0|1:%d", index + 1);
        snprintf (body, sizeof body, "%d", (index + 1) % 20 + 1);
        rig_say (rig, "w", line);
        s_got (rig, "w", index < 3999 ? body : "");
    }
    rig_destroy (&rig);
}

//  What is known of keys counts as memory of the queue, until it is known no more.
static void test_memory_of_keys (void **state)
{
    (void) state;
    char line[64];
    rig_t *rig = s_ready_within ("", NULL);
    for (int index = 0; index < 50; index++) {
        snprintf (line, sizeof line, "PUT|p|q|key=%d|a|b", index);
        rig_say (rig, "c", line);
    }
    size_t before = rig_stats (rig).window_bytes;
    rig_say (rig, "w", "GET|g|q|100|0|");
    size_t after = rig_stats (rig).window_bytes;
    assert_true (after > before + 50 * 100);
    for (int index = 0; index < 50; index++) {
        snprintf (line, sizeof line, "ACK|a|q|1:%d", 2 * index + 1);
        rig_say (rig, "w", line);
    }
    rig_say (rig, "c", "PURGE|p|q");
    assert_int_equal (rig_stats (rig).window_bytes, 0);
    rig_destroy (&rig);
}

//  More than memory may have: others behind them wait, and nothing is lost or comes out of order.
static void test_more_than_memory (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.window = 20000;
    limits.windows = 100000;
    limits.batch = 5000;
    rig_t *rig = s_ready_within ("", &limits);
    char line[1200];
    for (int index = 0; index < 200; index++) {
        snprintf (line, sizeof line, "PUT|p|q|key=a|%d %0999d", index + 1, 0);
        rig_say (rig, "c", line);
    }
    rig_say (rig, "c", "PUT|p|q|key=b|other");
    rig_skip (rig);
    rig_say (rig, "w", "GET|g|q|1|0|");
    rig_skip (rig);
    s_gets (rig, "v", "");
    assert_true (rig_stats (rig).window_bytes < 80000);
    size_t reads = rig->read_count;
    s_gets (rig, "v", "");
    assert_int_equal (rig->read_count, reads);
    //  It comes as soon as so many are done as it takes.
    int came = 0;
    for (int index = 1; index < 200; index++) {
        char start[40];
        snprintf (line, sizeof line, "GET|g|q|1|0|1:%d", index);
        snprintf (start, sizeof start, "w> MSG|g|both|q|1:%d *", index + 1);
        s_says (rig, "w", line, start);
        rig_skip (rig);
        rig_say (rig, "v", "GET|g|q|1|0|");
        bool other = strncmp (rig_last (rig)->text, "v> MSG|g|both|q|1:201 ", 22) == 0;
        came = came || !other ? came : index;
    }
    assert_true (came > 10 && came < 190);
    rig_destroy (&rig);
}

//  A lease ends whose row has left memory, for what another queue's consumers have.
static void test_out_of_memory (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.window = 8000;
    limits.windows = 10000;
    limits.batch = 1000;
    rig_t *rig = s_ready_within ("", &limits);
    char line[1200];
    for (int index = 0; index < 3; index++) {
        snprintf (line, sizeof line, "PUT|p|q|key=a|%d%01000d", index + 1, 0);
        rig_say (rig, "c", line);
    }
    rig_say (rig, "c", "QUEUE|o|x|");
    rig_say (rig, "w", "GET|g|q|9|0|");
    s_gets (rig, "v", "");
    rig_say (rig, "c", "QUEUE|o|y|");
    for (int index = 0; index < 20; index++) {
        rig_put (rig, "c", "p", "x", 1, 1000);
        rig_put (rig, "c", "p", "y", 1, 1000);
    }
    for (int index = 0; index < 20; index++) {
        rig_say (rig, "c", "GET|g|x|90|0|");
        rig_say (rig, "c", "GET|g|y|90|0|");
        rig_wait (rig, 100);
    }
    rig_wait (rig, LEASE - 2000);
    rig_say (rig, "c", "PURGE|p|x");
    rig_say (rig, "c", "PURGE|p|y");
    rig_wait (rig, 100);
    assert_true (rig_stats (rig).window_bytes < 1000);
    size_t reads = rig->read_count;
    rig_skip (rig);
    rig_say (rig, "v", "GET|g|q|9|0|");
    rig_expect (rig, "v> MSG|g|both|q|1:1 2\tkey=a|10*");
    assert_true (rig->read_count > reads);
    s_gets (rig, "u", "");
    rig_say (rig, "v", "ACK|a|q|1:1");
    rig_skip (rig);
    rig_say (rig, "u", "GET|g|q|9|0|");
    rig_expect (rig, "u> MSG|g|both|q|1:2 1\tkey=a|20*");
    rig_destroy (&rig);
}

//  ---------------------------------------------------------------------------
//  Anything in any order

#define MESSAGES 3000
#define MOST 30 //  that are not done
#define CLIENTS 4
#define KEYS 4
#define RESTS (CLIENTS + 2) //  in the place of who has it
#define STEPS 4000

typedef struct {
    char id[24];
    int key; //  0: none
    bool done;
    int holder;    //  client + 1
    int64_t until; //  its lease's end
} s_message_t;

typedef struct {
    rig_t *rig;
    unsigned random;
    s_message_t message[MESSAGES + 1];
    int put, open, first;
    bool crowded; //  another queue has taken the memory
    size_t came;
} s_model_t;

static int s_random (s_model_t *self, unsigned below)
{
    self->random = self->random * 1103515245 + 12345;
    return (int) ((self->random >> 16) % below);
}

static bool s_is_leased (const s_model_t *self, int number)
{
    const s_message_t *message = &self->message[number];
    return !message->done && message->holder && message->until > self->rig->now;
}

//  Whether it may be delivered: the first of its key, of which none is leased.
static bool s_may (const s_model_t *self, int number)
{
    const s_message_t *message = &self->message[number];
    bool may = !message->done && !s_is_leased (self, number);
    for (int other = self->first; may && message->key && other <= self->put; other++)
        if (other != number && self->message[other].key == message->key && !self->message[other].done)
            may = other > number && !s_is_leased (self, other);
    return may;
}

static void s_put (s_model_t *self)
{
    char line[1200];
    int key = s_random (self, KEYS), count = 1 + s_random (self, 2), first = 0;
    if (self->put + count > MESSAGES || self->open > MOST)
        return;
    int size = snprintf (line, sizeof line, key ? "PUT|p|q|key=%d" : "PUT|p|q|none=%d", key);
    for (int index = 0; index < count; index++)
        size += snprintf (line + size, sizeof line - (size_t) size, "|%0200d", self->put + index + 1);
    rig_skip (self->rig);
    rig_say (self->rig, "c", line);
    const rig_reply_t *reply = rig_last (self->rig);
    int epoch = 0;
    assert_int_equal (sscanf (reply->text, "c> OK|p|both|%d:%d|", &epoch, &first), 2);
    for (int index = 0; index < count; index++, self->open++) {
        s_message_t *message = &self->message[++self->put];
        snprintf (message->id, sizeof message->id, "%d:%d", epoch, first + index);
        message->key = key;
    }
}

static void s_get (s_model_t *self, int client)
{
    char line[64], name[16];
    int max = 1 + s_random (self, 3);
    snprintf (name, sizeof name, "c%d", client);
    snprintf (line, sizeof line, "GET|g|q|%d|0|", max);
    rig_skip (self->rig);
    rig_say (self->rig, name, line);
    rig_collect (self->rig);
    rig_reply_t *reply = &self->rig->replies[self->rig->count - 1];
    rig_read (reply);
    const zb_answer_t *answer = &reply->answer;
    assert_int_equal (answer->status, ZB_ANSWER_MSG);
    for (size_t index = 0; index < answer->bodies; index++, self->came++) {
        char body[256] = "";
        assert_true (answer->body[index].size < sizeof body);
        memcpy (body, answer->body[index].data, answer->body[index].size);
        int number = atoi (body);
        if (!s_may (self, number))
            fail_msg ("%d of key %d came, which may not", number, self->message[number].key);
        self->message[number].holder = client + 1;
        self->message[number].until = self->rig->now + LEASE;
    }
    //  What is in memory is enough for an answer.
    for (int number = self->first; number <= self->put && answer->bodies == 0 && !self->crowded; number++)
        if (s_may (self, number))
            fail_msg ("%d of key %d did not come: of %d from %d on %d are not done, %zu bytes are in memory", number,
                      self->message[number].key, self->put, self->first, self->open,
                      rig_stats (self->rig).window_bytes);
}

//  ACK, or NACK, of one that is not done, be it leased or not.
static void s_settle (s_model_t *self, int client, const char *verb)
{
    char line[64], name[16], answer[32];
    if (self->open == 0)
        return;
    int number = self->first + s_random (self, (unsigned) (self->put - self->first + 1));
    //  Mostly one that it has.
    for (int tried = 0; tried < 2 * MOST && s_random (self, 20); tried++) {
        number = number < self->put ? number + 1 : self->first;
        if (s_is_leased (self, number) && self->message[number].holder == client + 1)
            break;
    }
    s_message_t *message = &self->message[number];
    bool ack = *verb == 'A', leased = s_is_leased (self, number), own = leased && message->holder == client + 1;
    snprintf (name, sizeof name, "c%d", client);
    //  What rests is nobody's.
    bool others = leased && message->holder != RESTS, rests = !ack && s_random (self, 2);
    snprintf (line, sizeof line, "%s|k|q|%s%s", verb, message->id, rests ? "|7000" : "");
    bool may = ack ? !message->done && (own || !others) : own;
    snprintf (answer, sizeof answer,
              ack   ? (may ? "c%d> OK|k|both" : "c%d> ERR|k|410|*")
              : may ? "c%d> OK|k|1"
                    : "c%d> OK|k|0",
              client);
    s_says (self->rig, name, line, answer);
    if (may && ack) {
        message->done = true;
        self->open--;
    }
    if (may) {
        message->holder = rests ? RESTS : 0;
        message->until = self->rig->now + 7000;
    }
    while (self->first <= self->put && self->message[self->first].done)
        self->first++;
}

static void s_hello (s_model_t *self)
{
    char name[16];
    rig_say (self->rig, "c", "HELLO|h");
    for (int client = 0; client < CLIENTS; client++) {
        snprintf (name, sizeof name, "c%d", client);
        rig_say (self->rig, name, "HELLO|h");
    }
}

static void s_leave (s_model_t *self, int client)
{
    char name[16];
    snprintf (name, sizeof name, "c%d", client);
    rig_gone (self->rig, name);
    for (int number = self->first; number <= self->put; number++) {
        s_message_t *message = &self->message[number];
        if (message->holder == client + 1) {
            message->holder = CLIENTS + 1;
            message->until = message->until < self->rig->now + GRACE ? message->until : self->rig->now + GRACE;
        }
    }
    rig_say (self->rig, name, "HELLO|h");
}

static void s_crowd (s_model_t *self)
{
    for (int index = 0; index < 30; index++)
        rig_put (self->rig, "c", "p", "x", 1, 1000);
    rig_say (self->rig, "c", "GET|g|x|90|0|");
    self->crowded = true;
}

static void s_uncrowd (s_model_t *self)
{
    rig_say (self->rig, "c", "PURGE|p|x");
    rig_wait (self->rig, 200);
    self->crowded = false;
}

static void s_take_over (s_model_t *self, const zb_limits_t *limits)
{
    rig_takeover_with (self->rig, limits);
    s_hello (self);
    for (int number = self->first; number <= self->put; number++)
        self->message[number].holder = 0;
    s_uncrowd (self);
}

static void s_drain (s_model_t *self)
{
    s_uncrowd (self);
    rig_wait (self->rig, LEASE);
    while (self->open) {
        size_t came = self->came;
        s_get (self, 0);
        assert_true (self->came > came);
        for (int number = self->first, put = self->put; number <= put; number++)
            if (s_is_leased (self, number)) {
                char line[64];
                snprintf (line, sizeof line, "ACK|k|q|%s", self->message[number].id);
                s_says (self->rig, "c0", line, "c0> OK|k|both");
                self->message[number].done = true;
                self->open--;
            }
        while (self->first <= self->put && self->message[self->first].done)
            self->first++;
    }
}

static void s_try (unsigned seed)
{
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    s_model_t *self = (s_model_t *) calloc (1, sizeof *self);
    assert_non_null (self);
    limits.window = 30000;
    limits.windows = 40000;
    limits.batch = 600;
    self->rig = rig_ready (&limits);
    self->random = seed;
    self->first = 1;
    rig_say (self->rig, "c", "QUEUE|o|q|mode=key");
    rig_say (self->rig, "c", "QUEUE|o|x|");
    s_hello (self);
    for (int step = 0; step < STEPS; step++) {
        int what = s_random (self, 100), client = s_random (self, CLIENTS);
        if (what < 25)
            s_put (self);
        else if (what < 55)
            s_get (self, client);
        else if (what < 83)
            s_settle (self, client, "ACK");
        else if (what < 91)
            s_settle (self, client, "NACK");
        else if (what < 94)
            rig_wait (self->rig, 1 + s_random (self, LEASE / 2));
        else if (what < 96)
            s_leave (self, client);
        else if (what < 98)
            s_crowd (self);
        else if (what < 99)
            s_uncrowd (self);
        else if (s_random (self, 10) == 0)
            s_take_over (self, &limits);
    }
    s_drain (self);
    assert_true (self->came > STEPS / 20);
    rig_destroy (&self->rig);
    free (self);
}

static void test_anything (void **state)
{
    (void) state;
    for (unsigned seed = 1; seed <= 40; seed++) {
        print_message ("seed %u\n", seed);
        s_try (seed);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_the_option),
        cmocka_unit_test (test_one_of_a_key),
        cmocka_unit_test (test_what_comes_back),
        cmocka_unit_test (test_what_rests),
        cmocka_unit_test (test_dead_letters),
        cmocka_unit_test (test_dead_letters_that_can_t_go),
        cmocka_unit_test (test_other_verbs),
        cmocka_unit_test (test_the_next_one_goes),
        cmocka_unit_test (test_ranges),
        cmocka_unit_test (test_takeover),
        cmocka_unit_test (test_not_due),
        cmocka_unit_test (test_due_behind_many),
        cmocka_unit_test (test_overtaken),
        cmocka_unit_test (test_expired),
        cmocka_unit_test (test_expired_makes_room),
        cmocka_unit_test (test_drop_oldest),
        cmocka_unit_test (test_a_subscription),
        cmocka_unit_test (test_a_hot_key),
        cmocka_unit_test (test_memory_of_keys),
        cmocka_unit_test (test_more_than_memory),
        cmocka_unit_test (test_out_of_memory),
        cmocka_unit_test (test_anything),
    };
    return cmocka_run_group_tests_name ("keying", tests, NULL, NULL);
}
