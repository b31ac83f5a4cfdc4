/*  =========================================================================
    test_holding - queues that are one consumer's at a time: mode=exclusive

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

//  An exclusive queue `q` of the messages 1:1 to 1:4; "w", named worker, and "v" and "u", without a name, are consumers.
static rig_t *s_work_within (const char *options, const zb_limits_t *limits)
{
    char line[128];
    rig_t *rig = rig_ready (limits);
    snprintf (line, sizeof line, "QUEUE|o|q|mode=exclusive%s", options);
    rig_say (rig, "c", line);
    rig_expect (rig, "c> OK|o");
    rig_say (rig, "c", "PUT|p|q||1|2|3|4");
    rig_say (rig, "w", "HELLO|h|worker||");
    rig_say (rig, "v", "HELLO|h");
    rig_say (rig, "u", "HELLO|h");
    rig_skip (rig);
    return rig;
}

static rig_t *s_work (const char *options)
{
    return s_work_within (options, NULL);
}

//  The newest message to this client, and has these bodies; returns the number of its holder, the same in each line.
#define s_got(rig, client, bodies) s_got_ (rig, client, bodies, __LINE__)
static uint64_t s_got_ (rig_t *rig, const char *client, const char *bodies, int at_line)
{
    char text[256] = "", start[32];
    uint64_t fence = 0;
    rig_reply_t *last = NULL;
    snprintf (start, sizeof start, "%s> MSG|", client);
    rig_collect (rig);
    for (size_t index = rig->next; index < rig->count; index++)
        if (strncmp (rig->replies[index].text, start, strlen (start)) == 0)
            last = &rig->replies[index];
    if (!last)
        fail_msg ("line %d: nothing for %s", at_line, client);
    rig_read (last);
    const zb_answer_t *answer = &last->answer;
    for (size_t index = 0; index < answer->bodies; index++)
        snprintf (text + strlen (text), sizeof text - strlen (text), "%s%.*s", index ? "," : "",
                  (int) answer->body[index].size, (const char *) answer->body[index].data);
    if (strcmp (text, bodies) != 0)
        fail_msg ("line %d: %s, not %s", at_line, text, bodies);
    char index[4096] = "";
    assert_true (answer->arg[2].size < sizeof index);
    if (answer->arg[2].size)
        memcpy (index, answer->arg[2].data, answer->arg[2].size);
    size_t told = 0;
    for (const char *at = index; (at = strstr (at, "\tzb-fence=")) != NULL; told++) {
        at += strlen ("\tzb-fence=");
        uint64_t number = strtoull (at, NULL, 10);
        assert_true (number != 0 && (fence == 0 || fence == number));
        fence = number;
    }
    assert_int_equal (told, answer->bodies);
    rig_skip (rig);
    return fence;
}

#define s_gets(rig, client, bodies) s_gets_ (rig, client, bodies, __LINE__)
static uint64_t s_gets_ (rig_t *rig, const char *client, const char *bodies, int at_line)
{
    rig_skip (rig);
    rig_say (rig, client, "GET|g|q|1|0|");
    return s_got_ (rig, client, bodies, at_line);
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
    static const char *const bad[] = {"mode=one", "mode=", "mode=exclusive "};
    char line[64];
    for (size_t index = 0; index < sizeof bad / sizeof *bad; index++) {
        snprintf (line, sizeof line, "QUEUE|o|q|%s", bad[index]);
        s_says (rig, "c", line, "c> ERR|o|400|*");
    }
    s_says (rig, "c", "QUEUE|o|q|mode=shared", "c> OK|o");
    s_says (rig, "c", "QUEUE|o|q|mode=exclusive", "c> OK|o");
    //  Fixed while there are messages; what does not change it is taken.
    s_says (rig, "c", "PUT|p|q||1", "c> OK|p|*");
    s_says (rig, "c", "QUEUE|o|q|mode=shared", "c> ERR|o|400|the mode does not change*");
    s_says (rig, "c", "QUEUE|o|q|mode=exclusive\nlease=1000", "c> OK|o");
    for (int takeover = 0; takeover < 2; takeover++) {
        s_says (rig, "c", "LIST|l|q",
                "c> OK|l|q|lease=1000\nmax-messages=0\nmessages=1\nleased=0\nwaiting=0\ngrace=5000\nmode=exclusive*");
        rig_takeover (rig);
        rig_say (rig, "c", "HELLO|h");
    }
    s_says (rig, "c", "ACK|a|q|1:1", "c> OK|a|both");
    s_says (rig, "c", "QUEUE|o|q|mode=shared", "c> OK|o");
    //  A topic has none, its subscriptions have.
    s_says (rig, "c", "TOPIC|t|t|mode=exclusive", "c> ERR|t|400|*");
    s_says (rig, "c", "TOPIC|t|t|", "c> OK|t|*");
    s_says (rig, "c", "SUB|s|t/s|mode=exclusive", "c> OK|s|*");
    s_says (rig, "c", "SUB|s|t/s|mode=one", "c> ERR|s|400|*");
    rig_say (rig, "c", "PUT|p|t||1");
    s_says (rig, "c", "SUB|s|t/s|mode=shared", "c> ERR|s|400|the mode does not change*");
    rig_destroy (&rig);
}

static void test_it_takes_a_level (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    zb_engine_level (rig->engine, 3);
    s_says (rig, "c", "QUEUE|o|q|mode=exclusive", "c> ERR|o|503|*");
    s_says (rig, "c", "TOPIC|t|t|", "c> OK|t|*");
    s_says (rig, "c", "SUB|s|t/s|mode=exclusive", "c> ERR|s|503|*");
    s_says (rig, "c", "QUEUE|o|q|mode=shared", "c> OK|o");
    rig_destroy (&rig);
}

static void test_one_at_a_time (void **state)
{
    (void) state;
    rig_t *rig = s_work ("");
    uint64_t fence = s_gets (rig, "w", "1");
    assert_true (fence != 0);
    s_gets (rig, "v", "");
    assert_true (s_gets (rig, "w", "2") == fence);
    //  With a GET alone, too, and before those who came earlier.
    s_says (rig, "w", "ACK|a|q|1:1 1:2", "w> OK|a|both");
    rig_say (rig, "v", "GET|g|q|1|60000|");
    rig_say (rig, "w", "GET|g|q|1|60000|");
    assert_true (s_got (rig, "w", "3") == fence);
    s_says (rig, "w", "ACK|a|q|1:3", "w> OK|a|both");
    rig_wait (rig, LEASE - 1);
    rig_expect (rig, NULL);
    rig_wait (rig, 1);
    assert_true (s_got (rig, "v", "4") > fence);
    s_gets (rig, "w", "");
    rig_destroy (&rig);
}

//  A GET that waits, and nothing else, is enough, however long.
static void test_a_waiting_get_holds (void **state)
{
    (void) state;
    rig_t *rig = s_work ("");
    s_says (rig, "c", "PURGE|p|q", "c> OK|p|both");
    rig_skip (rig);
    rig_say (rig, "w", "GET|g|q|1|1000000|");
    rig_say (rig, "v", "GET|g|q|1|1000000|");
    rig_wait (rig, 10 * LEASE);
    rig_expect (rig, NULL);
    rig_say (rig, "c", "PUT|p|q||5");
    uint64_t fence = s_got (rig, "w", "5");
    //  Its GET's end is the beginning of that time.
    s_says (rig, "w", "ACK|a|q|1:5", "w> OK|a|both");
    rig_skip (rig);
    rig_say (rig, "w", "GET|g|q|1|10000|");
    rig_wait (rig, 10000);
    s_got (rig, "w", "");
    rig_say (rig, "c", "PUT|p|q||6");
    rig_skip (rig);
    rig_wait (rig, LEASE - 1);
    rig_expect (rig, NULL);
    rig_wait (rig, 1);
    assert_true (s_got (rig, "v", "6") > fence);
    rig_destroy (&rig);
}

//  So is one that waits for what it acknowledges.
static void test_a_get_that_acknowledges_holds (void **state)
{
    (void) state;
    rig_t *rig = s_work ("");
    uint64_t fence = s_gets (rig, "w", "1");
    s_says (rig, "w", "ACK|a|q|1:1", "w> OK|a|both");
    rig_say (rig, "v", "GET|g|q|1|1000000|");
    rig_wait (rig, LEASE - 1);
    rig_skip (rig);
    rig->sync_there = false;
    rig_say (rig, "w", "GET|g|q|1|0|1:2");
    rig_wait (rig, 1);
    rig->sync_there = true;
    rig_sync (rig, true, true);
    rig_run (rig);
    assert_true (s_got (rig, "w", "3") == fence);
    rig_destroy (&rig);
}

//  A lease that ends unextended: the next in line has it, with all that the other one had, though that one waits as well.
static void test_a_lease_that_ends (void **state)
{
    (void) state;
    rig_t *rig = s_work ("");
    uint64_t fence = s_gets (rig, "w", "1");
    rig_wait (rig, LEASE / 2);
    assert_true (s_gets (rig, "w", "2") == fence);
    s_says (rig, "w", "EXTEND|e|q|1:2", "w> OK|e|1");
    rig_say (rig, "w", "GET|a|q|1|600000|1:2");
    rig_skip (rig);
    s_gets (rig, "w", "4");
    rig_say (rig, "w", "GET|b|q|4|600000|");
    rig_say (rig, "v", "GET|g|q|9|600000|");
    rig_skip (rig);
    rig_wait (rig, LEASE / 2);
    uint64_t next = s_got (rig, "v", "1,3,4");
    assert_true (next > fence);
    //  The other one finds out.
    s_says (rig, "w", "ACK|k|q|1:1", "w> ERR|k|410|*");
    s_says (rig, "w", "EXTEND|e|q|1:1", "w> OK|e|0");
    s_says (rig, "w", "NACK|n|q|1:1", "w> OK|n|0");
    s_says (rig, "v", "ACK|k|q|1:1 1:3", "v> OK|k|both");
    //  Its GET waits behind.
    rig_say (rig, "u", "GET|g|q|9|600000|");
    rig_gone (rig, "v");
    rig_skip (rig);
    rig_wait (rig, GRACE);
    assert_true (s_got (rig, "w", "4") > next);
    rig_destroy (&rig);
}

//  Who is alone goes on with what it has.
static void test_nobody_else (void **state)
{
    (void) state;
    rig_t *rig = s_work ("");
    uint64_t fence = s_gets (rig, "v", "1");
    rig_wait (rig, LEASE / 2);
    s_gets (rig, "v", "2");
    rig_wait (rig, LEASE / 2);
    assert_true (s_gets (rig, "v", "1") > fence);
    s_gets (rig, "v", "3");
    s_says (rig, "v", "ACK|k|q|1:1 1:2", "v> OK|k|both");
    rig_destroy (&rig);
}

static void test_a_connection_that_ends (void **state)
{
    (void) state;
    //  With a lease: after the grace.
    rig_t *rig = s_work ("");
    uint64_t fence = s_gets (rig, "v", "1");
    rig_say (rig, "u", "GET|g|q|1|600000|");
    rig_gone (rig, "v");
    rig_wait (rig, GRACE - 1);
    rig_expect (rig, NULL);
    rig_wait (rig, 1);
    uint64_t next = s_got (rig, "u", "1");
    assert_true (next > fence);
    //  Without, and without a name: at once.
    s_says (rig, "u", "ACK|k|q|1:1", "u> OK|k|both");
    rig_skip (rig);
    rig_say (rig, "w", "GET|g|q|1|600000|");
    rig_gone (rig, "u");
    rig_run (rig);
    fence = s_got (rig, "w", "2");
    assert_true (fence > next);
    //  With a name: it has the grace to come back, and is another one then.
    s_says (rig, "w", "ACK|k|q|1:2", "w> OK|k|both");
    rig_gone (rig, "w");
    rig_say (rig, "x", "HELLO|h");
    rig_say (rig, "x", "GET|g|q|1|600000|");
    rig_skip (rig);
    rig_wait (rig, GRACE - 1);
    rig_expect (rig, NULL);
    rig_say (rig, "w2", "HELLO|h|worker||");
    next = s_gets (rig, "w2", "3");
    assert_true (next > fence);
    s_says (rig, "w2", "ACK|k|q|1:3", "w2> OK|k|both");
    rig_gone (rig, "w2");
    rig_skip (rig);
    rig_wait (rig, GRACE);
    assert_true (s_got (rig, "x", "4") > next);
    rig_destroy (&rig);
}

//  A newer process of the name has it at once, as it has what the older one was given.
static void test_the_same_name (void **state)
{
    (void) state;
    rig_t *rig = s_work ("");
    uint64_t fence = s_gets (rig, "w", "1");
    rig_say (rig, "v", "GET|g|q|1|600000|");
    rig_say (rig, "w2", "HELLO|h|worker||");
    assert_true (s_gets (rig, "w2", "1") > fence);
    s_says (rig, "w2", "ACK|k|q|1:1", "w2> OK|k|both");
    //  Under another name it is another one.
    rig_say (rig, "w2", "HELLO|h|other||");
    s_gets (rig, "w2", "");
    rig_skip (rig);
    rig_wait (rig, GRACE);
    s_got (rig, "v", "2");
    rig_destroy (&rig);
}

static void test_takeover (void **state)
{
    (void) state;
    for (int restart = 0; restart < 2; restart++) {
        rig_t *rig = s_work ("");
        uint64_t fence = s_gets (rig, "w", "1");
        restart ? rig_restart (rig) : rig_takeover (rig);
        //  It has a lease's time to come back.
        rig_say (rig, "v", "HELLO|h");
        s_gets (rig, "v", "");
        rig_say (rig, "v", "GET|g|q|1|600000|");
        rig_say (rig, "w", "HELLO|h|worker||");
        rig_skip (rig);
        uint64_t next = s_gets (rig, "w", "1");
        assert_true (next > fence && zb_epoch_number (next) == rig->epoch);
        s_says (rig, "w", "ACK|k|q|1:1", "w> OK|k|both");
        //  If not, it is the next one's.
        restart ? rig_restart (rig) : rig_takeover (rig);
        rig_say (rig, "v", "HELLO|h");
        rig_say (rig, "v", "GET|g|q|1|600000|");
        rig_skip (rig);
        rig_wait (rig, LEASE - 1);
        rig_expect (rig, NULL);
        rig_wait (rig, 1);
        fence = s_got (rig, "v", "2");
        assert_true (fence > next);
        //  Nobody can come back without a name.
        restart ? rig_restart (rig) : rig_takeover (rig);
        rig_say (rig, "u", "HELLO|h");
        assert_true (s_gets (rig, "u", "2") > fence);
        rig_destroy (&rig);
    }
}

//  The epoch rises while it leads, as at the winner of a split: so does the number, and the holder stays.
static void test_another_epoch (void **state)
{
    (void) state;
    rig_t *rig = s_work ("");
    uint64_t fence = s_gets (rig, "w", "1");
    assert_true (s_gets (rig, "w", "2") == fence);
    zb_engine_epoch (rig->engine, ++rig->epoch);
    rig_run (rig);
    s_gets (rig, "v", "");
    uint64_t next = s_gets (rig, "w", "3");
    assert_true (next > fence && zb_epoch_number (next) == rig->epoch);
    rig_destroy (&rig);
}

//  What has been given up is not kept for anybody after a takeover.
static void test_takeover_after_it_was_given_up (void **state)
{
    (void) state;
    rig_t *rig = s_work ("");
    s_gets (rig, "w", "1");
    s_says (rig, "w", "ACK|k|q|1:1", "w> OK|k|both");
    rig_wait (rig, LEASE);
    rig_takeover (rig);
    rig_say (rig, "v", "HELLO|h");
    s_gets (rig, "v", "2");
    rig_destroy (&rig);
}

//  The trace: C1 works on what A gave it, B gives it to C2; one acknowledgement counts.
static void test_one_acknowledgement_counts (void **state)
{
    (void) state;
    rig_t *rig = s_work ("");
    s_gets (rig, "v", "1");
    rig_takeover (rig);
    rig_say (rig, "u", "HELLO|h");
    rig_say (rig, "v", "HELLO|h");
    s_gets (rig, "u", "1");
    s_says (rig, "v", "ACK|k|q|1:1", "v> ERR|k|410|*");
    s_says (rig, "v", "GET|k|q|1|0|1:1", "v> ERR|k|410|*");
    s_says (rig, "u", "ACK|k|q|1:1", "u> OK|k|both");
    s_says (rig, "v", "ACK|k|q|1:1", "v> ERR|k|410|*");
    //  Given to nobody any more: whose it was may say that it is done.
    rig_takeover (rig);
    rig_say (rig, "v", "HELLO|h");
    s_says (rig, "v", "ACK|k|q|1:2", "v> OK|k|both");
    rig_destroy (&rig);
}

static void test_acknowledged_as_a_whole (void **state)
{
    (void) state;
    rig_t *rig = s_work ("");
    rig_say (rig, "c", "QUEUE|o|x|");
    rig_say (rig, "c", "PUT|p|x||other");
    rig_say (rig, "c", "PUT|p|q||6|7");
    rig_say (rig, "w", "GET|g|q|9|0|");
    s_says (rig, "w", "ACK|k|q|1:2", "w> OK|k|both");
    //  Done, of another queue, of none, malformed: nothing of it is done.
    static const char *const acks[] = {"1:1 1:2",  "1:1 1:5",  "1:1 1:99",   "1:1..1:2",
                                       "1:4..1:5", "1:2..1:4", "1:1 1:1 1:2"};
    for (size_t index = 0; index < sizeof acks / sizeof *acks; index++) {
        char line[64];
        snprintf (line, sizeof line, "ACK|k|q|%s", acks[index]);
        s_says (rig, "w", line, "w> ERR|k|410|*");
        snprintf (line, sizeof line, "GET|k|q|0|0|%s", acks[index]);
        s_says (rig, "w", line, "w> ERR|k|410|*");
    }
    s_says (rig, "w", "ACK|k|q|1..100000", "w> ERR|k|413|*");
    //  Between the ends of a range there may be what is done, and what is no message of the queue.
    s_says (rig, "w", "ACK|k|q|1:1..1:6", "w> OK|k|both");
    s_says (rig, "c", "LIST|l|q", "c> OK|l|q|lease=30000\nmax-messages=0\nmessages=1\nleased=1\nwaiting=0*");
    rig_say (rig, "w", "GET|k|q|1|0|1:7");
    s_got (rig, "w", "");
    s_says (rig, "c", "LIST|l|q", "c> OK|l|q|lease=30000\nmax-messages=0\nmessages=0\nleased=0\nwaiting=0*");
    rig_destroy (&rig);
}

//  Rows that are on disk only are read before anything is done, or said.
static void test_acknowledged_on_disk (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.window = 4000;
    rig_t *rig = s_work_within ("", &limits);
    for (int index = 0; index < 200; index++) {
        rig_put (rig, "c", "p", "q", 1, 1000);
        rig_run (rig);
    }
    rig_takeover (rig);
    rig_say (rig, "v", "HELLO|h");
    s_says (rig, "v", "ACK|k|q|1:100 1:205", "v> ERR|k|410|*");
    s_says (rig, "v", "ACK|k|q|1:50 1:100..1:203", "v> OK|k|both");
    s_says (rig, "v", "ACK|k|q|1:50", "v> ERR|k|410|*");
    s_says (rig, "c", "HELLO|h", "c> OK|*");
    s_says (rig, "c", "LIST|l|q", "c> OK|l|q|lease=30000\nmax-messages=0\nmessages=99\n*");
    rig_destroy (&rig);
}

//  The other verbs.
static void test_beside_others (void **state)
{
    (void) state;
    rig_t *rig = s_work ("\ndelay=0\nexpires=0");
    rig_say (rig, "c", "QUEUE|o|x|");
    uint64_t fence = s_gets (rig, "w", "1");
    //  NACK gives back to the same one, in its place.
    s_says (rig, "w", "NACK|n|q|1:1", "w> OK|n|1");
    rig_say (rig, "w", "GET|g|q|2|0|");
    assert_true (s_got (rig, "w", "1,2") == fence);
    //  Whoever looks, or is no consumer, is not held up.
    s_says (rig, "v", "PEEK|k|q|1|9", "v> MSG|k|both|q|*");
    s_says (rig, "v", "REJECT|r|q|1:1", "v> ERR|r|410|*");
    s_says (rig, "w", "REJECT|r|q|1:1", "w> OK|r|both");
    s_says (rig, "v", "PUT|p|x|acks=q 1:2|r", "v> ERR|p|410|*");
    s_says (rig, "c", "MOVE|m|q|x|1:4|1", "c> OK|m|both|1|1:4");
    //  The work of `w` is settled by a PUT; it has the queue while it waits for the next.
    s_says (rig, "w", "PUT|1|x|acks=q 1:2|r", "w> OK|1|both|*");
    rig_skip (rig);
    rig_say (rig, "v", "GET|g|q|1|600000|");
    assert_true (s_gets (rig, "w", "4") == fence);
    //  PURGE ends its leases; a lease's time later it is the next one's.
    s_says (rig, "c", "PURGE|p|q", "c> OK|p|both");
    s_pass (rig, 1);
    rig_say (rig, "c", "PUT|p|q|delay=100|d");
    rig_skip (rig);
    s_pass (rig, LEASE);
    assert_true (s_got (rig, "v", "d") > fence);
    //  DELETE answers all.
    rig_say (rig, "w", "GET|g|q|1|600000|");
    rig_say (rig, "c", "DELETE|d|q");
    rig_skip (rig);
    s_says (rig, "c", "QUEUE|o|q|mode=exclusive", "c> OK|o");
    rig_say (rig, "c", "PUT|p|q||n");
    s_gets (rig, "w", "n");
    rig_destroy (&rig);
}

//  What tells who it is for is the broker's, whatever a program has put.
static void test_a_number_of_its_own (void **state)
{
    (void) state;
    rig_t *rig = s_work ("");
    rig_say (rig, "c", "QUEUE|o|x|");
    s_says (rig, "c", "PUT|p|x|zb-fence=18446744073709551615\na=b|own", "c> OK|p|*");
    s_says (rig, "c", "PUT|p|q|zb-fence=18446744073709551615|own", "c> ERR|p|400|*");
    s_says (rig, "c", "PURGE|p|q", "c> OK|p|both");
    s_says (rig, "c", "MOVE|m|x|q||9", "c> OK|m|both|1|*");
    uint64_t fence = s_gets (rig, "w", "own");
    assert_true (zb_epoch_number (fence) == 1);
    rig_destroy (&rig);
}

//  What is not due, and what became due and was given to nobody, is in no range.
static void test_not_due (void **state)
{
    (void) state;
    rig_t *rig = s_work ("\ndelay=0");
    s_pass (rig, 1);
    rig_say (rig, "c", "PUT|p|q|delay=1000|5");
    rig_say (rig, "c", "PUT|p|q||6");
    rig_say (rig, "w", "GET|g|q|9|0|");
    s_got (rig, "w", "1,2,3,4,6");
    s_says (rig, "w", "ACK|k|q|1:5", "w> ERR|k|400|*");
    rig_skip (rig);
    s_pass (rig, 1000);
    rig_say (rig, "w", "GET|g|q|9|0|");
    s_got (rig, "w", "5");
    s_says (rig, "w", "NACK|n|q|1:5", "w> OK|n|1");
    rig_takeover (rig);
    s_pass (rig, 0);
    rig_say (rig, "w", "HELLO|h|worker||");
    s_says (rig, "w", "ACK|k|q|1:4..1:6", "w> OK|k|both");
    rig_skip (rig);
    rig_say (rig, "w", "GET|g|q|9|0|");
    s_got (rig, "w", "1,2,3,5");
    rig_destroy (&rig);
}

//  In any order, and again, as its answer was lost.
static void test_settled_out_of_order (void **state)
{
    (void) state;
    rig_t *rig = s_work ("\ndelay=0");
    s_pass (rig, 1);
    rig_say (rig, "c", "PUT|p|q|delay=3600000|5");
    rig_say (rig, "w", "GET|g|q|9|0|");
    s_got (rig, "w", "1,2,3,4");
    s_says (rig, "w", "ACK|k|q|1:3 1:1", "w> OK|k|both");
    s_says (rig, "w", "ACK|k|q|1:3 1:1", "w> ERR|k|410|*");
    s_says (rig, "w", "ACK|k|q|1:4 1:2..1:3 1:1", "w> ERR|k|410|*");
    //  Nobody waits behind it.
    s_says (rig, "w", "ACK|k|q|1:4 1:2", "w> OK|k|both");
    rig_destroy (&rig);
}

//  A range passes over what is not due.
static void test_a_range_over_what_is_not_due (void **state)
{
    (void) state;
    rig_t *rig = s_work ("\ndelay=0");
    s_pass (rig, 1);
    rig_say (rig, "c", "PUT|p|q|delay=1000|5");
    rig_say (rig, "c", "PUT|p|q||6");
    rig_say (rig, "w", "GET|g|q|9|0|");
    s_got (rig, "w", "1,2,3,4,6");
    s_says (rig, "w", "ACK|k|q|1:5..1:6", "w> ERR|k|400|*");
    s_says (rig, "w", "ACK|k|q|1:4..1:6", "w> OK|k|both");
    rig_skip (rig);
    s_pass (rig, 1000);
    rig_say (rig, "w", "GET|g|q|9|0|");
    s_got (rig, "w", "5");
    rig_destroy (&rig);
}

//  A message that has had its tries goes away, of an exclusive queue, too.
static void test_tries (void **state)
{
    (void) state;
    rig_t *rig = s_work ("\nmax-deliveries=1\nlease=1000");
    s_gets (rig, "v", "1");
    rig_wait (rig, 500);
    s_gets (rig, "v", "2");
    rig_say (rig, "w", "GET|g|q|9|600000|");
    rig_skip (rig);
    rig_wait (rig, 500);
    //  The one lease has ended, the other one ends with it.
    s_got (rig, "w", "3,4");
    assert_int_equal (rig_stats (rig).spent, 2);
    rig_destroy (&rig);
}

static void test_a_subscription (void **state)
{
    (void) state;
    rig_t *rig = s_work ("");
    rig_say (rig, "c", "TOPIC|t|t|");
    rig_say (rig, "c", "SUB|s|t/s|mode=exclusive\nfrom=first");
    rig_say (rig, "c", "SUB|s|t/r|");
    rig_say (rig, "c", "PUT|p|t||a|b");
    rig_skip (rig);
    rig_say (rig, "w", "GET|g|t/s|1|0|");
    uint64_t fence = s_got (rig, "w", "a");
    rig_say (rig, "v", "GET|g|t/s|1|0|");
    s_got (rig, "v", "");
    rig_say (rig, "w", "ACK|k|t/s|1:5");
    s_says (rig, "w", "ACK|k|t/s|1:5", "w> ERR|k|410|*");
    rig_say (rig, "v", "GET|g|t/s|1|600000|");
    //  SEEK ends its leases.
    s_says (rig, "c", "SEEK|k|t/s|first", "c> OK|k|both");
    rig_skip (rig);
    rig_wait (rig, LEASE);
    assert_true (s_got (rig, "v", "a") > fence);
    s_says (rig, "c", "DELETE|d|t", "c> OK|d|both");
    rig_destroy (&rig);
}

//  One who has lost it may have had more leases than a turn takes: all of them are back before the next one is served.
static void test_many_leases (void **state)
{
    (void) state;
    rig_t *rig = s_work ("");
    for (int index = 0; index < 12; index++)
        rig_put (rig, "c", "p", "q", 1000, 1);
    rig_run (rig);
    for (int index = 0; index < 12004; index++)
        rig_say (rig, "v", "GET|g|q|1|0|");
    rig_say (rig, "w", "GET|g|q|5|600000|");
    rig_skip (rig);
    rig_wait (rig, LEASE);
    s_got (rig, "w", "1,2,3,4,x");
    s_says (rig, "c", "LIST|l|q", "c> OK|l|q|lease=30000\nmax-messages=0\nmessages=12004\nleased=5\n*");
    rig_destroy (&rig);
}

//  Ten thousand GETs wait, of forty sessions: each has the queue when those before it have gone, the last one, too.
static void test_many_waiters (void **state)
{
    (void) state;
    rig_t *rig = s_work ("");
    char name[16], bodies[16], line[64];
    s_gets (rig, "v", "1");
    for (int session = 0; session < 40; session++) {
        snprintf (name, sizeof name, "s%d", session);
        rig_say (rig, name, "HELLO|h");
        for (int get = 0; get < 250; get++)
            rig_say (rig, name, "GET|g|q|1|10000000|");
    }
    rig_skip (rig);
    rig_say (rig, "v", "ACK|a|q|1:1");
    rig_gone (rig, "v");
    for (int session = 0; session < 40; session++) {
        rig_run (rig);
        snprintf (name, sizeof name, "s%d", session);
        //  All that is there is its own: it takes one, and then those that come.
        rig_skip (rig);
        snprintf (line, sizeof line, "PUT|p|q||n%d", session);
        rig_say (rig, "c", line);
        snprintf (bodies, sizeof bodies, "n%d", session);
        s_got (rig, name, bodies);
        rig_say (rig, "c", "PURGE|p|q");
        rig_gone (rig, name);
    }
    assert_true (rig_stats (rig).visited < 3 * ZB_TURN_VISITS);
    rig_destroy (&rig);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_the_option),
        cmocka_unit_test (test_it_takes_a_level),
        cmocka_unit_test (test_one_at_a_time),
        cmocka_unit_test (test_a_waiting_get_holds),
        cmocka_unit_test (test_a_get_that_acknowledges_holds),
        cmocka_unit_test (test_a_lease_that_ends),
        cmocka_unit_test (test_nobody_else),
        cmocka_unit_test (test_a_connection_that_ends),
        cmocka_unit_test (test_the_same_name),
        cmocka_unit_test (test_takeover),
        cmocka_unit_test (test_another_epoch),
        cmocka_unit_test (test_takeover_after_it_was_given_up),
        cmocka_unit_test (test_one_acknowledgement_counts),
        cmocka_unit_test (test_acknowledged_as_a_whole),
        cmocka_unit_test (test_acknowledged_on_disk),
        cmocka_unit_test (test_beside_others),
        cmocka_unit_test (test_a_number_of_its_own),
        cmocka_unit_test (test_not_due),
        cmocka_unit_test (test_settled_out_of_order),
        cmocka_unit_test (test_a_range_over_what_is_not_due),
        cmocka_unit_test (test_tries),
        cmocka_unit_test (test_a_subscription),
        cmocka_unit_test (test_many_leases),
        cmocka_unit_test (test_many_waiters),
    };
    return cmocka_run_group_tests_name ("holding", tests, NULL, NULL);
}
