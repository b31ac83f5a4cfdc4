/*  =========================================================================
    test_judge - which histories are refused, and which are not?

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A history is a text here: lines as in reading.h, but with spaces between the words, and _ for an empty one.
*/

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "judge.h"

#define MOST 1000

static void s_read (reading_t *reading, const char *line, size_t size)
{
    char text[512];
    size_t used = 0;
    for (size_t index = 0; index < size; index++) {
        bool alone = line[index] == '_' && line[index - 1] == ' ' && (index + 1 == size || line[index + 1] == ' ');
        if (!alone)
            text[used++] = line[index] == ' ' ? '\t' : line[index];
    }
    text[used] = 0;
    reading_line (reading, text);
}

static judge_t s_judge (const char *history, size_t most)
{
    reading_t *reading = reading_new ();
    while (*history) {
        size_t size = strcspn (history, "\n");
        s_read (reading, history, size);
        history += size + 1;
    }
    reading_end (reading);
    judge_t judge = judge_history (reading, most);
    reading_destroy (&reading);
    return judge;
}

static void s_good (const char *history)
{
    judge_t judge = s_judge (history, MOST);
    if (*judge.finding)
        fail_msg ("%s\n%s", judge.finding, history);
    assert_int_equal (judge.undecided, 0);
}

//  It is refused, and the finding has these words.
static void s_bad (const char *history, const char *words)
{
    judge_t judge = s_judge (history, MOST);
    if (!strstr (judge.finding, words))
        fail_msg ("'%s' is not in '%s'\n%s", words, judge.finding, history);
}

//  Two clients, of one name and of none, at broker A.
#define BEGIN                       \
    "0.0 p + A\n"                   \
    "0.1 p > HELLO h till\n"        \
    "0.2 p < OK h 1.1.0. 1 0 a b\n" \
    "0.1 c + A\n"                   \
    "0.1 c > HELLO h\n"             \
    "0.2 c < OK h 1.1.0. 0 0 a b\n" \
    "0.3 c > QUEUE q work _\n"      \
    "0.4 c < OK q 1.1.1.\n"

//  Producer p stores a message under this number, id and time.
#define STORED(time, number, id) \
#time ".0 p > PUT " #number " work _ m" #number "\n" #time ".1 p < OK " #number " 1.1.2. both " #id " " #id "\n"
//  Consumer c is given messages; has acknowledged them.
#define GOT(time, ids, bodies) \
#time ".0 c > GET g" #time " work 9 0 _\n" #time ".1 c < MSG g" #time " 1.1.2. both work " ids " " bodies "\n"
#define DONE(time, ids) #time ".0 c > ACK a" #time " work " ids "\n" #time ".1 c < OK a" #time " 1.1.3. both\n"
#define LISTED(time, count)                                         \
#time ".0 c > LIST l" #time " work\n" #time ".1 c < OK l" #time \
          " 1.1.3. work lease=1%0Amax-messages=0%0Amessages=" #count "\n"
//  Producer p comes again, over another connection to a broker, and is told its last number.
#define AGAIN(time, connection, broker, last)                                                                  \
#time ".0 " connection " + " broker "\n" #time ".1 " connection " > HELLO h till\n" #time ".2 " connection \
          " < OK h 2.2.0. 1 " #last " a b\n"

static void test_plain (void **state)
{
    (void) state;
    s_good (BEGIN STORED (1, 1, 11) STORED (2, 2, 12) GOT (3, "11%201%0A12%201", "m1 m2") LISTED (4, 2)
                DONE (5, "11..12") LISTED (6, 0));
    //  What is asked and not answered may be done or not, and be seen by then or not.
    s_good (BEGIN "1.0 p > PUT 1 work _ m1\n" LISTED (2, 0) LISTED (3, 1) GOT (4, "11%201", "m1"));
    s_good (BEGIN STORED (1, 1, 11) "2.0 c > ACK a work 11\n" LISTED (3, 1) LISTED (4, 0));
}

static void test_lines (void **state)
{
    (void) state;
    s_bad (BEGIN "1.0 p < OK 7 1.1.1. both 1 1\n", "waits for none");
    s_bad (BEGIN STORED (1, 1, 11) "2.0 p < OK 1 1.1.2. both 11 11\n", "waits for none");
    s_bad ("1.0 p ? PUT\n", "neither sent nor heard");
    s_bad ("1.0 p\n", "too few words");
    s_bad ("1.0 - two\n", "nothing that is observed");
}

//  --- Numbers ------------------------------------------------------------------------------------------------------

static void test_duplicates (void **state)
{
    (void) state;
    const char *first = BEGIN "1.0 p > PUT 1 work _ m1\n2.0 p x\n";
    char text[4000];
    //  The first try was stored, or not.
    snprintf (text, sizeof text, "%s%s%s", first, AGAIN (3, "r", "B", 1),
              "4.0 r > PUT 1 work _ m1\n4.1 r < OK 1 2.2.1. solo 11 11 duplicate\n");
    s_good (text);
    snprintf (text, sizeof text, "%s%s%s", first, AGAIN (3, "r", "B", 0),
              "4.0 r > PUT 1 work _ m1\n4.1 r < OK 1 2.2.1. solo 11 11\n");
    s_good (text);
    //  HELLO and the answer say different things.
    snprintf (text, sizeof text, "%s%s%s", first, AGAIN (3, "r", "B", 0),
              "4.0 r > PUT 1 work _ m1\n4.1 r < OK 1 2.2.1. solo 11 11 duplicate\n");
    s_bad (text, "no try of it is stored");
    snprintf (text, sizeof text, "%s%s%s", first, AGAIN (3, "r", "B", 1),
              "4.0 r > PUT 1 work _ m1\n4.1 r < OK 1 2.2.1. solo 11 11\n");
    s_bad (text, "number 1 is stored already");
    //  Nothing was sent before; what was answered is sent again.
    s_bad (BEGIN "1.0 p > PUT 1 work _ m1\n1.1 p < OK 1 1.1.1. both 11 11 duplicate\n", "no try of it is stored");
    s_good (BEGIN STORED (1, 1, 11) "2.0 p > PUT 1 work _ m1\n2.1 p < OK 1 1.1.1. both 11 11 duplicate\n");
    s_bad (BEGIN STORED (1, 1, 11) "2.0 p > PUT 1 work _ m1\n2.1 p < OK 1 1.1.1. both 11 11\n", "stored already");
    s_bad (BEGIN STORED (1, 1, 11) "2.0 p > PUT 1 work _ mx\n2.1 p < OK 1 1.1.1. both 11 11 duplicate\n",
           "other content");
}

static void test_last_number (void **state)
{
    (void) state;
    s_good (BEGIN STORED (1, 1, 11) AGAIN (2, "r", "A", 1));
    s_bad (BEGIN STORED (1, 1, 11) AGAIN (2, "r", "A", 0), "the last number is 1");
    s_bad (BEGIN STORED (1, 1, 11) AGAIN (2, "r", "A", 2), "the last number is 1");
    //  After the HELLO nothing of before is done any more.
    s_bad (BEGIN "1.0 p > PUT 1 work _ m1\n" AGAIN (2, "r", "A", 0) AGAIN (3, "s", "A", 1), "the last number is 0");
}

static void test_conflicts (void **state)
{
    (void) state;
    s_good (BEGIN "1.0 p > PUT 2 work _ m2\n1.1 p < ERR 2 1.1.1. 409 1\n");
    s_bad (BEGIN "1.0 p > PUT 1 work _ m1\n1.1 p < ERR 1 1.1.1. 409 1\n", "the next number is 1");
    s_bad (BEGIN "1.0 p > PUT 3 work _ m3\n1.1 p < ERR 3 1.1.1. 409 2\n", "the next number is 1");
    s_good (BEGIN STORED (1, 1, 11) "2.0 p > PUT 1 work _ mx\n2.1 p < ERR 1 1.1.1. 409 2\n");
    s_bad (BEGIN STORED (1, 1, 11) "2.0 p > PUT 1 work _ m1\n2.1 p < ERR 1 1.1.1. 409 2\n", "stored with this content");
    s_bad (BEGIN "1.0 p > PUT 2 work _ m2\n1.1 p < OK 2 1.1.1. both 11 11\n", "the next number is 1");
    //  A number that is stored knows no limits.
    s_bad (BEGIN STORED (1, 1, 11) "2.0 p > PUT 1 work _ m1\n2.1 p < ERR 1 1.1.1. 507 full\n", "stored already");
}

//  Each side has numbers of its own until they are one.
static void test_numbers_in_a_split (void **state)
{
    (void) state;
    s_good (BEGIN "0.5 - one\n" STORED (1, 1, 11) "1.5 - split\n" AGAIN (
        2, "r", "B", 0) "3.0 r > PUT 1 work _ m1\n3.1 r < OK 1 2.2.1. solo 21 21\n"
                        "4.0 - one\n" AGAIN (5, "s", "B", 1));
    s_bad (BEGIN "0.5 - one\n" STORED (1, 1, 11) "1.5 - split\n" AGAIN (
               2, "r", "A", 0) "3.0 r > PUT 1 work _ m1\n3.1 r < OK 1 1.1.1. solo 21 21\n"
                               "4.0 - one\n",
           "number 1 is stored already");
    s_bad (BEGIN "0.5 - one\n" STORED (1, 1, 11) "1.5 - split\n4.0 - one\n" AGAIN (5, "s", "B", 0),
           "the last number is 1");
}

//  A try without an answer is on the other broker's disk alone, and comes from there after a HELLO was answered:
//  PROTOCOL.md.
static void test_a_last_number_that_is_raised (void **state)
{
    (void) state;
    const char *late = BEGIN "0.5 - one\n1.0 p > PUT 1 work _ m1\n" AGAIN (
        3, "s", "A", 0) "4.0 s > PUT 1 work _ m1\n4.1 s < OK 1 2.1.1. solo 11 11 duplicate\n5.0 - one\n";
    s_bad (late, "no try of it is stored");
    char replayed[600];
    const char *at = strstr (late, "4.0 s");
    snprintf (replayed, sizeof replayed, "%.*s2.0 - replay\n%s", (int) (at - late), late, at);
    s_good (replayed);
    //  It allows no more than that.
    s_bad (BEGIN "0.5 - one\n" STORED (1, 1, 11) "1.5 - replay\n" AGAIN (2, "s", "B", 0), "the last number is 1");
    s_bad (BEGIN "0.5 - one\n" STORED (1, 1, 11) "1.5 - replay\n1.7 - one\n1.8 p > PUT 2 work _ m2\n" AGAIN (
               2, "s", "A", 1) "4.0 s > PUT 2 work _ m2\n4.1 s < OK 2 2.1.1. solo 12 12 duplicate\n",
           "no try of it is stored");
}

//  --- Messages -----------------------------------------------------------------------------------------------------

static void test_ids (void **state)
{
    (void) state;
    s_bad (BEGIN STORED (1, 1, 11) STORED (2, 2, 11), "id 11 is told for");
    s_bad (BEGIN STORED (1, 1, 12) STORED (2, 2, 11), "a smaller id has to come before");
    s_bad (BEGIN STORED (1, 1, 11) GOT (2, "11%201", "mx"), "nobody has put it");
    s_bad (BEGIN STORED (1, 1, 11) STORED (2, 2, 12) GOT (3, "11%201", "m2"), "id 11 is told for m1");
    s_bad (BEGIN STORED (1, 1, 11) GOT (2, "12%201", "m1"), "stored elsewhere");
    s_bad (BEGIN "1.0 p > PUT 1 work _ m1 m2\n1.1 p < OK 1 1.1.1. both 11 11\n", "2 bodies");
    //  Without a name it may be stored as often as it was sent.
    const char *twice =
        BEGIN "1.0 c > PUT x work _ m1\n2.0 c x\n2.1 d + B\n2.2 d > HELLO h\n2.3 d < OK h 2.2.0. 0 0 a b\n"
              "3.0 d > PUT x work _ m1\n3.1 d < OK x 2.2.1. solo 21 21\n"
              "4.0 d > GET g work 9 0 _\n";
    char text[4000];
    snprintf (text, sizeof text, "%s%s", twice, "4.1 d < MSG g 2.2.1. solo work 11%201%0A21%201 m1 m1\n");
    s_good (text);
    snprintf (text, sizeof text, "%s%s", twice, "4.1 d < MSG g 2.2.1. solo work 11%201%0A12%201%0A21%201 m1 m1 m1\n");
    s_bad (text, "was not put so often");
}

//  What was not answered was on one disk alone, and is replayed from there when the broker is back.
static void test_replayed (void **state)
{
    (void) state;
    s_good (BEGIN "0.5 c > PUT x work _ m0\n" STORED (1, 1, 12) LISTED (2, 1) GOT (3, "12%201", "m1") LISTED (
        4, 1) "5.0 c x\n5.1 d + A\n5.1 d > GET g work 9 0 _\n5.3 d < MSG g 1.1.9. both work 11%201 m0\n");
    s_bad (BEGIN "0.5 c > PUT x work _ m0\n" STORED (1, 1, 12) "1.5 c < OK x 1.1.1. both 11 11\n" LISTED (2, 1),
           "there are 2 to 2 messages");
    //  Its producer learns of it afterwards: until then it was not there.
    const char *told = BEGIN "0.5 - one\n1.0 p > PUT 1 work _ m1\n" AGAIN (
        2, "s", "A", 0) "2.5 c > PUT x work _ m0\n2.6 c < OK x 2.1.1. solo 2748779069441 2748779069441\n" LISTED (3, 1);
    const char *after =
        "4.0 s > PUT 1 work _ m1\n4.1 s < OK 1 2.1.2. solo 549755813889 549755813889 duplicate\n" LISTED (
            5, 2) "6.0 - one\n";
    char text[4000];
    snprintf (text, sizeof text, "%s3.5 - replay\n%s", told, after);
    s_good (text);
    snprintf (text, sizeof text, "%s%s", told, after);
    s_bad (text, "no try of it is stored");
}

static void test_deliveries (void **state)
{
    (void) state;
    s_good (BEGIN STORED (1, 1, 11) GOT (2, "11%201", "m1") GOT (3, "11%202", "m1") DONE (4, "11"));
    s_bad (BEGIN STORED (1, 1, 11) GOT (2, "11%201", "m1") DONE (3, "11") GOT (4, "11%202", "m1"), "acknowledged");
    //  The GET that was asked before may have been answered before.
    s_good (BEGIN STORED (1, 1, 11) "2.0 d + A\n2.1 d > GET g work 9 0 _\n" GOT (3, "11%201", "m1")
                DONE (4, "11") "5.0 d < MSG g 1.1.1. both work 11%202 m1\n");
    s_bad (BEGIN "1.0 d + A\n" GOT (2, "11%201", "m1") "3.0 p > PUT 1 work _ m1\n3.1 p < OK 1 1.1.2. both 11 11\n",
           "no order");
    //  In the order of the producer, the first time.
    s_bad (BEGIN STORED (1, 1, 11) STORED (2, 2, 12) GOT (3, "12%201", "m2"), "comes before 12");
    s_good (BEGIN STORED (1, 1, 11) STORED (2, 2, 12) GOT (3, "11%201%0A12%201", "m1 m2") GOT (4, "12%202", "m2"));
    //  An answer that nobody heard may have had it.
    s_good (BEGIN STORED (1, 1, 11) STORED (2, 2, 12) "2.5 d > GET g work 1 0 _\n2.6 d x\n" GOT (3, "12%201", "m2"));
    //  Nothing came, and there was something.
    s_bad (BEGIN STORED (1, 1, 11) "2.0 c > GET g work 9 50 _\n2.1 c < MSG g 1.1.2. both work _\n",
           "nobody has got it");
    s_good (BEGIN STORED (1, 1, 11) "2.0 c > GET g work 9 500 _\n2.1 c < MSG g 1.1.2. both work _\n");
    //  It is counted as soon as it is taken, and delivered when it is on the disks.
    s_good (BEGIN
            "1.0 p > PUT 1 work _ m1\n" LISTED (2, 1) "3.0 c > GET g work 9 50 _\n3.1 c < MSG g 1.1.1. both work _\n"
                                                      "4.0 p < OK 1 1.1.1. both 11 11\n");
}

static void test_purges (void **state)
{
    (void) state;
    const char *purge = "2.0 c > PURGE r work\n2.1 c < OK r 1.1.2. both\n";
    const char *delete = "2.0 c > DELETE r work\n2.1 c < OK r 1.1.2. both\n";
    char text[4000];
    snprintf (text, sizeof text, "%s%s%s", BEGIN STORED (1, 1, 11), purge, LISTED (3, 0));
    s_good (text);
    snprintf (text, sizeof text, "%s%s%s", BEGIN STORED (1, 1, 11), purge, GOT (3, "11%201", "m1"));
    s_bad (text, "purged");
    snprintf (text, sizeof text, "%s%s%s", BEGIN STORED (1, 1, 11), delete, "3.0 c > LIST l _\n3.1 c < OK l 1.1.3.\n");
    s_good (text);
    snprintf (text, sizeof text, "%s%s%s", BEGIN STORED (1, 1, 11), delete, LISTED (3, 0));
    s_bad (text, "no order");
    snprintf (text, sizeof text, "%s%s%s", BEGIN STORED (1, 1, 11), delete, STORED (3, 2, 12));
    s_bad (text, "there is no such queue");
    s_bad (BEGIN "1.0 p > PUT 1 work _ m1\n1.1 p < ERR 1 1.1.1. 404 no\n", "there is such a queue");
    s_bad (BEGIN "1.0 c > LIST l _\n1.1 c < OK l 1.1.3.\n", "there is such a queue");
}

//  A broker that dies takes a PURGE with it that it has not answered.
static void test_purge_that_is_lost (void **state)
{
    (void) state;
    const char *after = "4.0 c > LIST m work\n4.1 c < OK m 2.2.3. work lease=1%0Amax-messages=0%0Amessages=1\n";
    char text[4000];
    snprintf (text, sizeof text, "%s%s%s", BEGIN STORED (1, 1, 11) "2.0 p > PURGE r work\n", LISTED (3, 0), after);
    s_good (text);
    snprintf (text, sizeof text, "%s%s%s", BEGIN STORED (1, 1, 11) "2.0 p > PURGE r work\n2.1 p < OK r 1.1.2. both\n",
              LISTED (3, 0), after);
    s_bad (text, "there are 0 to 0 messages");
}

static void test_counts (void **state)
{
    (void) state;
    s_bad (BEGIN STORED (1, 1, 11) LISTED (2, 2), "there are 1 to 1 messages");
    s_bad (BEGIN STORED (1, 1, 11) LISTED (2, 0), "there are 1 to 1 messages");
    //  Two that go on at the same time: 0, 1 or 2, but not up and down.
    const char *two = BEGIN "1.0 p > PUT 1 work _ m1\n1.0 d > PUT x work _ m2\n";
    const char *both = "9.0 p < OK 1 1.1.2. both 11 11\n9.0 d < OK x 1.1.2. both 12 12\n";
    char text[4000];
    snprintf (text, sizeof text, "%s%s%s", two, LISTED (2, 0) LISTED (3, 1) LISTED (4, 2), both);
    s_good (text);
    snprintf (text, sizeof text, "%s%s%s", two, LISTED (2, 0) LISTED (3, 2) LISTED (4, 1), both);
    s_bad (text, "no order");
    snprintf (text, sizeof text, "%s%s%s", two, LISTED (2, 3), both);
    s_bad (text, "no order");
    //  What was under way in a leadership that has ended may be lost, and be done again.
    s_good (BEGIN "1.0 p > PUT 1 work _ m1\n" LISTED (2, 1) "3.0 p x\n" AGAIN (
        4, "r", "B", 0) "5.0 c > LIST l work\n5.1 c < OK l 2.2.3. work lease=1%0Amax-messages=0%0Amessages=0\n"
                        "6.0 r > PUT 1 work _ m1\n6.1 r < OK 1 2.2.1. solo 21 21\n");
    s_bad (
        BEGIN STORED (1, 1, 11) "5.0 c > LIST l work\n5.1 c < OK l 2.2.3. work lease=1%0Amax-messages=0%0Amessages=0\n",
        "there are 1 to 1 messages");
}

static void test_full (void **state)
{
    (void) state;
    const char *bounded = BEGIN "0.5 c > QUEUE q work max-messages=1\n0.6 c < OK q 1.1.1.\n" STORED (1, 1, 11);
    const char *refused = "2.0 p > PUT 2 work _ m2\n2.1 p < ERR 2 1.1.1. 429 the%20queue%20is%20full\n";
    char text[4000];
    snprintf (text, sizeof text, "%s%s", bounded, refused);
    s_good (text);
    snprintf (text, sizeof text, "%s%s%s", bounded, DONE (3, "11"), STORED (4, 2, 12));
    s_good (text);
    snprintf (text, sizeof text, "%s%s", bounded, STORED (4, 2, 12));
    s_bad (text, "1 messages at least, of 1");
    snprintf (text, sizeof text, "%s%s%s", BEGIN, STORED (1, 1, 11), refused);
    s_bad (text, "no order");
    snprintf (text, sizeof text, "%s%s", bounded, LISTED (3, 1));
    s_bad (text, "no order");
}

//  'both' was told, and it is lost.
static void test_lost (void **state)
{
    (void) state;
    s_bad (BEGIN STORED (1, 1, 11) STORED (2, 2, 12) GOT (3, "11%201", "m1") DONE (4, "11") LISTED (5, 0),
           "there are 1 to 1 messages");
    //  Kept for an operator: README, "What is not promised".
    s_good (BEGIN "0.5 - one\n" STORED (1, 1, 11) "1.5 - split\n1.6 - aside m1\n2.0 - one\n" LISTED (5, 0));
}

static void test_messages_in_a_split (void **state)
{
    (void) state;
    const char *sides = BEGIN "0.5 - one\n" STORED (1, 1, 11) "1.5 - split\n1.6 d + B\n"
                                                              "2.0 c > ACK a work 11\n2.1 c < OK a 1.1.3. solo\n";
    char text[4000];
    //  Acknowledged on one side, delivered by the other; not once they are one.
    snprintf (text, sizeof text, "%s%s", sides, GOT (3, "11%201", "m1") "4.0 - one\n");
    s_good (text);
    snprintf (text, sizeof text, "%s%s", sides, "4.0 - one\n" GOT (5, "11%201", "m1"));
    s_bad (text, "acknowledged");
    //  The copy of a store has what was acknowledged since.
    snprintf (text, sizeof text, "%s%s", sides, "3.0 - copy\n4.0 - one\n" LISTED (5, 1) GOT (6, "11%201", "m1"));
    s_good (text);
    //  Stored by both, it has two ids; one of them is left.
    s_good (BEGIN "0.5 - one\n" STORED (1, 1, 11) "1.5 - split\n" AGAIN (
        2, "r", "B", 0) "3.0 r > PUT 1 work _ m1\n3.1 r < OK 1 2.2.1. solo 21 21\n4.0 - one\n" LISTED (5, 1)
                GOT (6, "21%201", "m1") DONE (7, "21") LISTED (8, 0));
    s_bad (BEGIN STORED (1, 1, 11) AGAIN (2, "r", "B", 0) "3.0 r > PUT 1 work _ m1\n3.1 r < OK 1 2.2.1. solo 21 21\n",
           "no order");
    //  The one that is left may be done, though the other one was delivered since.
    s_good (BEGIN "0.5 - one\n" STORED (1, 1, 11) "1.5 - split\n1.6 c > ACK a work 11\n1.7 c < OK a 1.1.3. solo\n" AGAIN (
        2, "r", "B", 0) "3.0 r > PUT 1 work _ m1\n3.1 r < OK 1 2.2.1. solo 21 21\n"
                          "3.2 r > GET g work 1 0 _\n3.3 r < MSG g 2.2.2. solo work 21%201 m1\n4.0 - one\n" LISTED (5, 0));
    //  What was purged by one side may be there.
    s_good (BEGIN "0.5 - one\n" STORED (1, 1, 11) "1.5 - split\n2.0 c > PURGE a work\n2.1 c < OK a 1.1.3. solo\n"
                                                  "4.0 - one\n" GOT (5, "11%201", "m1"));
    //  What is stored is there when they are one.
    s_bad (BEGIN "0.5 - one\n" STORED (1, 1, 11) "1.5 - split\n4.0 - one\n" LISTED (5, 0), "there are 1 to 1 messages");
}

//  Work is bounded, and what was not decided is told.
static void test_bound (void **state)
{
    (void) state;
    char text[8000] = BEGIN;
    for (int index = 0; index < 24; index++)
        sprintf (text + strlen (text), "1.0 d%d > PUT x work _ m%d\n", index, index);
    strcat (text, LISTED (2, 12) LISTED (3, 11));
    for (int index = 0; index < 24; index++)
        sprintf (text + strlen (text), "9.0 d%d < OK x 1.1.2. both %d %d\n", index, index + 11, index + 11);
    assert_true (strstr (s_judge (text, MOST).finding, "no order") != NULL);
    judge_t judge = s_judge (text, 1);
    assert_string_equal (judge.finding, "");
    assert_int_equal (judge.undecided, 1);
}

//  What a PUT acknowledges was there, and is gone with it: each message once.
static void test_acks_in_a_put (void **state)
{
    (void) state;
#define MAKES(time, number, acks, told) \
#time ".0 p > PUT " #number " out a=b%0Aacks=work%20" acks " r" #number "\n" #time ".1 p < " told "\n"
    const char *work = BEGIN "0.5 c > QUEUE o out _\n0.6 c < OK o 1.1.1.\n" STORED (1, 1, 11) STORED (2, 2, 12);
    static const struct {
        const char *more, *words;
    } cases[] = {
        {MAKES (3, 3, "11", "OK 3 1.1.2. both 21 21") LISTED (4, 1) MAKES (5, 4, "12", "OK 4 1.1.2. both 22 22")
             LISTED (6, 0),
         NULL},
        {MAKES (3, 3, "11%2012", "OK 3 1.1.2. both 21 21") LISTED (4, 1), "there are 0 to 0 messages"},
        //  Two results of one message; one of what was acknowledged; delivered after it.
        {MAKES (3, 3, "11", "OK 3 1.1.2. both 21 21") MAKES (4, 4, "12%2011", "OK 4 1.1.2. both 22 22"),
         "11, which its acks name, is settled already"},
        {DONE (3, "11") MAKES (4, 3, "11", "OK 3 1.1.2. both 21 21"), "11, which its acks name, is settled already"},
        {MAKES (3, 3, "11", "OK 3 1.1.2. both 21 21") GOT (4, "11%201", "m1"), "acknowledged"},
        //  What is refused is not stored, and its number is free.
        {MAKES (3, 3, "11", "ERR 3 _ 410 gone") LISTED (4, 2) MAKES (5, 3, "12", "OK 3 1.1.2. both 21 21"), NULL},
        {MAKES (3, 3, "11", "OK 3 1.1.2. both 21 21") MAKES (4, 3, "11", "ERR 3 _ 410 gone"), "stored already"},
        {MAKES (3, 3, "11", "ERR 3 _ 410 gone") "4.0 c > GET g out 9 0 _\n4.1 c < MSG g 1.1.2. both out 21%201 r3\n",
         "nobody has put it"},
        //  Sent again it was done once, whenever; what got no answer may be done or not.
        {MAKES (3, 3, "11", "OK 3 1.1.2. both 21 21") MAKES (4, 3, "11", "OK 3 1.1.2. both 21 21 duplicate")
             LISTED (5, 1),
         NULL},
        {"3.0 p > PUT 3 out acks=work%2011 r3\n" LISTED (4, 2) LISTED (5, 1), NULL},
        {"3.0 p > PUT 3 out acks=work%2011 r3\n" LISTED (4, 0), "there are 1 to 2 messages"},
        //  A property of another queue, or of another name.
        {"3.0 p > PUT 3 out acks=works%2011 r3\n3.1 p < OK 3 1.1.2. both 21 21\n" LISTED (4, 1), "there are 2 to 2"},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        char text[4000];
        snprintf (text, sizeof text, "%s%s", work, cases[index].more);
        if (cases[index].words)
            s_bad (text, cases[index].words);
        else
            s_good (text);
    }
}

//  What a broker may do by itself, and what it may not nevertheless.
static void test_options (void **state)
{
    (void) state;
#define NONE(time) #time ".0 c > GET g" #time " work 9 0 _\n" #time ".1 c < MSG g" #time " 1.1.2. both work _\n"
    static const struct {
        const char *option, *more, *words;
    } cases[] = {
        //  Not due: in no order, and perhaps there is nothing.
        {"delay=0", NONE (3) GOT (4, "12%201", "m2") GOT (5, "11%201", "m1") LISTED (6, 2), NULL},
        {"lease=9", GOT (4, "12%201", "m2"), "comes before 12"},
        {"lease=9", NONE (3), "nobody has got it"},
        //  Somebody else has the queue; the order is as ever.
        {"mode=exclusive", NONE (3) GOT (4, "11%201", "m1"), NULL},
        {"mode=exclusive", GOT (4, "12%201", "m2"), "comes before 12"},
        {"mode=key", NONE (3) GOT (4, "12%201", "m2"), NULL},
        {"mode=key", DONE (3, "11") LISTED (4, 1) GOT (5, "11%201", "m1"), "acknowledged"},
        {"delay=0", DONE (3, "11") LISTED (4, 1) GOT (5, "11%201", "m1"), "acknowledged"},
        {"delay=0", DONE (3, "11") LISTED (4, 2), "there are 1 to 1"},
        {"delay=0", "3.0 c > PURGE p work\n3.1 c < OK p 1.1.2. both\n" GOT (4, "11%201", "m1"), "purged"},
        //  A range takes what is due.
        {"delay=0", DONE (3, "11..12") LISTED (4, 1) GOT (5, "12%201", "m2"), NULL},
        {"delay=0", DONE (3, "11..12") LISTED (4, 3), "there are 0 to 2"},
        //  Gone of itself, and never there again.
        {"full=drop-oldest", LISTED (3, 1) GOT (4, "12%201", "m2") LISTED (5, 0), NULL},
        {"expires=9", NONE (3) LISTED (4, 0), NULL},
        {"expires=9", LISTED (3, 3), "there are 0 to 2"},
        {"full=drop-oldest", DONE (3, "12") GOT (4, "12%201", "m2"), "acknowledged"},
        //  It dies of being delivered.
        {"max-deliveries=2", GOT (3, "11%201%0A12%201", "m1 m2") LISTED (4, 1), NULL},
        {"max-deliveries=2", NONE (3), "nobody has got it"},
        {"max-deliveries=2", GOT (3, "12%201", "m2"), "comes before 12"},
        {"max-deliveries=2", DONE (3, "11") GOT (4, "11%202", "m1"), "acknowledged"},
        {"max-deliveries=0", GOT (3, "11%201%0A12%201", "m1 m2") LISTED (4, 1), "there are 2 to 2"},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        char text[4000];
        snprintf (text, sizeof text, "%s0.5 c > QUEUE o work lease=1%%0A%s\n0.6 c < OK o 1.1.1.\n%s%s%s", BEGIN,
                  cases[index].option, STORED (1, 1, 11), STORED (2, 2, 12), cases[index].more);
        if (cases[index].words)
            s_bad (text, cases[index].words);
        else
            s_good (text);
    }
}

//  What is empty, or how much there is, may be told from before a pause that no clock sees, until it has been silent for too long.
static void test_stood (void **state)
{
    (void) state;
#define EMPTY(sent, heard) sent " c > GET g work 9 0 _\n" heard " c < MSG g 1.1.2. both work _\n"
#define TWO BEGIN STORED (1, 1, 11) STORED (2, 2, 12)
    s_bad (TWO EMPTY ("3.1", "3.2"), "nobody has got it");
    s_good (TWO "3.0 - stood A\n" EMPTY ("3.1", "3.2"));
    s_good (TWO "3.0 - stood A\n" EMPTY ("3.4", "3.9"));
    s_bad (TWO "3.0 - stood A\n" EMPTY ("3.6", "3.7"), "nobody has got it");
    s_good (TWO "3.0 c > GET g work 9 0 _\n3.1 - stood A\n3.2 c < MSG g 1.1.2. both work _\n");
    s_bad (TWO EMPTY ("3.0", "3.05") "3.1 - stood A\n", "nobody has got it");
    s_bad (TWO "3.0 - stood B\n" EMPTY ("3.1", "3.2"), "nobody has got it");
    s_good (TWO "3.0 - stood A\n" LISTED (3, 0) LISTED (4, 2));
    s_bad (TWO "3.0 - stood A\n" LISTED (4, 0), "there are 2 to 2");
    //  Nothing that it delivers is.
    s_bad (TWO DONE (2, "11") "3.0 - stood A\n" GOT (3, "11%202", "m1"), "acknowledged");
    s_bad ("1.0 - stood\n", "nothing that is observed");
}

//  What is put into a topic comes from its subscriptions, which are left out; the numbers of its producer are not.
static void test_topics (void **state)
{
    (void) state;
#define NEWS                               \
    BEGIN "1.0 c > TOPIC t news _\n"       \
          "1.1 c < OK t 1.1.1. 1\n"        \
          "1.2 c > SUB s news/a lease=1\n" \
          "1.3 c < OK s 1.1.1. 1\n"        \
          "2.0 p > PUT 1 news _ m1\n"      \
          "2.1 p < OK 1 1.1.2. both 11 11\n"
    s_good (NEWS "3.0 c > GET g news/a 9 0 _\n3.1 c < MSG g 1.1.2. both news/a 11%201%09zb-n=1 m1\n"
                 "4.0 c > LIST l _ _ 9\n4.1 c < OK l 1.1.3. news kind=topic%0Amessages=0 news/a "
                 "kind=subscription%0Amessages=0 _\n");
    s_bad (NEWS "3.0 p > PUT 1 news _ mx\n3.1 p < OK 1 1.1.2. both 11 11 duplicate\n", "other content");
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_plain),
        cmocka_unit_test (test_lines),
        cmocka_unit_test (test_duplicates),
        cmocka_unit_test (test_last_number),
        cmocka_unit_test (test_conflicts),
        cmocka_unit_test (test_numbers_in_a_split),
        cmocka_unit_test (test_a_last_number_that_is_raised),
        cmocka_unit_test (test_ids),
        cmocka_unit_test (test_deliveries),
        cmocka_unit_test (test_replayed),
        cmocka_unit_test (test_purges),
        cmocka_unit_test (test_purge_that_is_lost),
        cmocka_unit_test (test_counts),
        cmocka_unit_test (test_full),
        cmocka_unit_test (test_lost),
        cmocka_unit_test (test_acks_in_a_put),
        cmocka_unit_test (test_options),
        cmocka_unit_test (test_stood),
        cmocka_unit_test (test_topics),
        cmocka_unit_test (test_messages_in_a_split),
        cmocka_unit_test (test_bound),
    };
    return cmocka_run_group_tests_name ("judge", tests, NULL, NULL);
}
