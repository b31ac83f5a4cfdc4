/*  =========================================================================
    test_wire - every verb good and bad, every limit at its edge, every reply

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================
*/

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/wire/request.h"

#define FRAMES_MAX 2048
#define COUNT(array) (sizeof (array) / sizeof ((array)[0]))

static zb_limits_t s_limits = ZB_LIMITS_DEFAULT;
static zb_frame_t s_frames[FRAMES_MAX];
static zb_request_t s_request;
static zb_spans_t s_ids;
static const char *s_why;

//  Splits a line into frames at '|'.
static size_t s_split (const char *line)
{
    size_t count = 0;
    for (;;) {
        const char *end = strchr (line, '|');
        size_t size = end ? (size_t) (end - line) : strlen (line);
        assert_true (count < FRAMES_MAX);
        s_frames[count++] = (zb_frame_t){size ? line : NULL, size};
        if (!end)
            return count;
        line = end + 1;
    }
}

static void s_is (zb_frame_t frame, const char *text)
{
    if (!zb_frame_is (frame, text))
        fail_msg ("\"%.*s\" is not \"%s\"", (int) frame.size, frame.size ? (const char *) frame.data : "", text);
}

static int s_parse_frames (size_t count)
{
    s_why = NULL;
    return zb_request_parse (&s_request, &s_ids, s_frames, count, &s_limits, &s_why);
}

//  What the request names, as text.
static void s_names (const char *expected)
{
    char text[10 * ZB_SPAN_TEXT];
    assert_true (s_request.spans <= 10);
    s_is ((zb_frame_t){text, zb_spans_format (s_request.span, s_request.spans, text)}, expected);
}

static int s_parse (const char *line)
{
    return s_parse_frames (s_split (line));
}

static void s_check (const char *line, int result, const char *why)
{
    int got = s_parse (line);
    if (got != result || (why && strcmp (s_why, why) != 0))
        fail_msg ("%s: got %d \"%s\", not %d \"%s\"", line, got, got > 0 ? s_why : "", result, why ? why : "");
}

//  A text of `size` times the character; freed by the caller.
static char *s_text (size_t size, char character)
{
    char *text = (char *) malloc (size + 1);
    assert_non_null (text);
    memset (text, character, size);
    text[size] = 0;
    return text;
}

//  A frame that is an allocation of exactly its size, so that a read beyond its end is seen; freed by the caller.
static zb_frame_t s_exact (const char *text)
{
    size_t size = strlen (text);
    void *copy = malloc (size ? size : 1);
    assert_non_null (copy);
    memcpy (copy, text, size);
    return (zb_frame_t){copy, size};
}

static void test_good (void **state)
{
    (void) state;
    s_check ("ZB1|HELLO|1", 0, NULL);
    assert_int_equal (s_request.verb, ZB_HELLO);
    assert_int_equal (s_request.name.size, 0);
    assert_int_equal (s_request.number, 1);
    s_check ("ZB1|HELLO|a||", 0, NULL);
    s_check ("ZB1|HELLO|a|||", 0, NULL);
    assert_int_equal (s_request.instance, 0);
    assert_int_equal (s_request.number, 0);
    s_check ("ZB1|HELLO|a|||0", 0, NULL);
    assert_int_equal (s_request.instance, 0);
    s_check ("ZB1|HELLO|h-1|till.7|1.2.3.a.ff|9223372036854775807", 0, NULL);
    s_is (s_request.from.id, "h-1");
    s_is (s_request.name, "till.7");
    s_is (s_request.token, "1.2.3.a.ff");
    assert_true (s_request.instance == INT64_MAX);

    s_check ("ZB1|PUT|17|orders||hello", 0, NULL);
    assert_int_equal (s_request.verb, ZB_PUT);
    assert_int_equal (s_request.number, 17);
    s_is (s_request.queue, "orders");
    assert_int_equal (s_request.bodies, 1);
    s_is (s_request.body[0], "hello");
    assert_int_equal (s_request.body_bytes, 5);
    s_check ("ZB1|PUT|18|orders|a=1\nb=\n|||xyz", 0, NULL);
    s_is (s_request.properties, "a=1\nb=\n");
    assert_int_equal (s_request.bodies, 3);
    s_is (s_request.body[0], "");
    s_is (s_request.body[2], "xyz");
    assert_int_equal (s_request.body_bytes, 3);

    s_check ("ZB1|GET|g|orders|10|5000|", 0, NULL);
    assert_int_equal (s_request.verb, ZB_GET);
    assert_int_equal (s_request.max, 10);
    assert_int_equal (s_request.wait, 5000);
    assert_int_equal (s_request.spans, 0);
    s_check ("ZB1|GET|g|orders|0|0|17 19..21", 0, NULL);
    s_names ("17..17 19..21");
    s_check ("ZB1|GET|g|orders|18446744073709551615|18446744073709551615|", 0, NULL);
    assert_int_equal (s_request.max, s_limits.bodies);
    assert_int_equal (s_request.wait, ZB_WAIT_MAX);

    s_check ("ZB1|ACK|g|orders|17", 0, NULL);
    assert_int_equal (s_request.verb, ZB_ACK);
    s_check ("ZB1|MOVE|g|orders.dead|orders|17|1000000", 0, NULL);
    assert_int_equal (s_request.verb, ZB_MOVE);
    s_is (s_request.queue, "orders.dead");
    s_is (s_request.target, "orders");
    assert_int_equal (s_request.spans, 1);
    assert_int_equal (s_request.span[0].last, 17);
    assert_int_equal (s_request.max, s_limits.bodies);
    s_check ("ZB1|MOVE|g|t/a|orders||0", 0, NULL);
    assert_int_equal (s_request.spans, 0);
    assert_int_equal (s_request.max, 0);
    s_check ("ZB1|NACK|g|orders|17", 0, NULL);
    assert_int_equal (s_request.verb, ZB_NACK);
    s_check ("ZB1|EXTEND|g|orders|1..18446744073709551615", 0, NULL);
    assert_int_equal (s_request.verb, ZB_EXTEND);
    s_names ("1..18446744073709551615");
    s_check ("ZB1|TOPIC|t|prices|max-bytes=5", 0, NULL);
    assert_int_equal (s_request.verb, ZB_TOPIC);
    s_check ("ZB1|SUB|s|prices/audit|lease=1000\nfrom=first", 0, NULL);
    assert_int_equal (s_request.verb, ZB_SUB);
    assert_true (zb_frame_is (s_request.queue, "prices/audit"));
    s_check ("ZB1|SEEK|s|prices/audit|first", 0, NULL);
    assert_int_equal (s_request.where.how, ZB_AT_FIRST);
    s_check ("ZB1|SEEK|s|prices/audit|17", 0, NULL);
    assert_true (s_request.where.how == ZB_AT_ID && s_request.where.number == 17);
    s_check ("ZB1|SEEK|s|prices/audit|@0", 0, NULL);
    assert_true (s_request.where.how == ZB_AT_TIME && s_request.where.number == 0);
    static const char *const wrong[] = {"", "new", "0", "17..18", "@", "@-1", "@9223372036854775808", "last", "first "};
    for (size_t index = 0; index < sizeof wrong / sizeof *wrong; index++) {
        char line[80];
        snprintf (line, sizeof line, "ZB1|SEEK|s|prices/audit|%s", wrong[index]);
        s_check (line, ZB_BAD_REQUEST, NULL);
    }
    s_check ("ZB1|SEEK|s|prices|first", ZB_BAD_REQUEST, NULL);
    s_check ("ZB1|READ|r|prices|new|18446744073709551615|5000|a.* b", 0, NULL);
    assert_true (s_request.where.how == ZB_AT_NEW && s_request.max == s_limits.bodies && s_request.wait == 5000);
    s_is (s_request.filter, "a.* b");
    s_check ("ZB1|READ|r|prices|first|1|0|", 0, NULL);
    s_check ("ZB1|READ|r|prices|first|1|0", 0, NULL);
    assert_int_equal (s_request.filter.size, 0);
    static const char *const misread[] = {"prices|first|0|0",    "prices|first|1|x",   "prices|old|1|0",
                                          "prices|first|1",      "prices/a|first|1|0", "prices|first|1|0|a..b",
                                          "prices|first|1|0|a|b"};
    for (size_t index = 0; index < sizeof misread / sizeof *misread; index++) {
        char line[80];
        snprintf (line, sizeof line, "ZB1|READ|r|%s", misread[index]);
        s_check (line, ZB_BAD_REQUEST, NULL);
    }
    s_check ("ZB1|GET|g|prices/audit|1|0|", 0, NULL);
    s_check ("ZB1|LIST|l||prices/audit", 0, NULL);
    s_check ("ZB1|QUEUE|g|orders|", 0, NULL);
    s_check ("ZB1|QUEUE|g|orders|lease=1000\nmax-messages=5", 0, NULL);
    assert_int_equal (s_request.verb, ZB_QUEUE);
    s_is (s_request.options, "lease=1000\nmax-messages=5");
    s_check ("ZB1|LIST|g", 0, NULL);
    s_check ("ZB1|LIST|g|", 0, NULL);
    assert_int_equal (s_request.queue.size, 0);
    s_check ("ZB1|LIST|g||", 0, NULL);
    assert_int_equal (s_request.max, 0);
    s_check ("ZB1|LIST|g||b|", 0, NULL);
    assert_true (zb_frame_is (s_request.after, "b"));
    assert_int_equal (s_request.max, ZB_LIST_PAGE);
    s_check ("ZB1|LIST|g|||7", 0, NULL);
    assert_int_equal (s_request.max, 7);
    s_check ("ZB1|LIST|g||b|18446744073709551615", 0, NULL);
    assert_int_equal (s_request.max, ZB_LIST_MAX);
    s_check ("ZB1|LIST|g|a*b?", 0, NULL);
    assert_int_equal (s_request.max, 0);
    assert_int_equal (s_request.verb, ZB_LIST);
    s_is (s_request.queue, "a*b?");
    s_check ("ZB1|PURGE|g|orders", 0, NULL);
    assert_int_equal (s_request.verb, ZB_PURGE);
    s_check ("ZB1|DELETE|g|orders", 0, NULL);
    assert_int_equal (s_request.verb, ZB_DELETE);
    s_check ("ZB1|PEEK|g|orders|first|10", 0, NULL);
    assert_int_equal (s_request.verb, ZB_PEEK);
    s_is (s_request.queue, "orders");
    assert_int_equal (s_request.position, 0);
    assert_int_equal (s_request.max, 10);
    s_check ("ZB1|PEEK|g|prices/audit|18446744073709551615|18446744073709551615", 0, NULL);
    assert_int_equal (s_request.position, UINT64_MAX);
    assert_int_equal (s_request.max, 1000);
    s_check ("ZB1|CLIENTS|g", 0, NULL);
    assert_int_equal (s_request.max, ZB_CLIENTS_PAGE);
    s_check ("ZB1|CLIENTS|g|till*|17|5", 0, NULL);
    s_is (s_request.name, "till*");
    assert_int_equal (s_request.position, 17);
    assert_int_equal (s_request.max, 5);
    s_check ("ZB1|EVENTS|g", 0, NULL);
    assert_int_equal (s_request.verb, ZB_EVENTS);
    assert_int_equal (s_request.position, 0);
    assert_int_equal (s_request.max, ZB_EVENTS_PAGE);
    s_check ("ZB1|EVENTS|g||7", 0, NULL);
    assert_int_equal (s_request.max, 7);
    s_check ("ZB1|EVENTS|g|0.18446744073709551615|18446744073709551615", 0, NULL);
    assert_int_equal (s_request.position, UINT64_MAX);
    assert_int_equal (s_request.max, ZB_EVENTS_PAGE);
    s_check ("ZB1|STATUS|g", 0, NULL);
    assert_int_equal (s_request.verb, ZB_STATUS);
    s_check ("ZB1|PING|g", 0, NULL);
    assert_int_equal (s_request.verb, ZB_PING);
    s_check ("ZB1|SWITCHOVER|g|0a", 0, NULL);
    assert_int_equal (s_request.verb, ZB_SWITCHOVER);
    s_is (s_request.proof, "0a");
    s_check ("ZB1|UPGRADE|g|0a", 0, NULL);
    assert_int_equal (s_request.verb, ZB_UPGRADE);
    s_check ("ZB1|PROMOTE|g|0a|accept-loss", 0, NULL);
    assert_int_equal (s_request.verb, ZB_PROMOTE);
    s_is (s_request.proof, "0a");
    assert_true (s_request.accept_loss);
}

static void test_bad (void **state)
{
    (void) state;
    static const struct {
        const char *line;
        const char *why;
    } bad[] = {
        {"ZB1", "request: no verb"},
        {"|ZB1", "request: no verb"},
        {"ZB1|", "verb: unknown"},
        {"ZB1|put|1|q||b", "verb: unknown"},
        {"ZB1|PUTS|1|q||b", "verb: unknown"},
        {"ZB1|PUT", "id: missing"},
        {"ZB1|PUT|", "id: missing"},
        {"ZB1|HELLO|1|n|t|1|x", "expected: HELLO id [name] [token] [instance]"},
        {"ZB1|PUT|1", "expected: PUT id queue properties body..."},
        {"ZB1|PUT|1|q", "expected: PUT id queue properties body..."},
        {"ZB1|PUT|1|q|", "expected: PUT id queue properties body..."},
        {"ZB1|GET|1|q|1|1", "expected: GET id queue max wait-ms acks"},
        {"ZB1|GET|1|q|1|1||", "expected: GET id queue max wait-ms acks"},
        {"ZB1|ACK|1|q", "expected: ACK id queue acks"},
        {"ZB1|ACK|1|q|1|2", "expected: ACK id queue acks"},
        {"ZB1|NACK|1|q", "expected: NACK id queue acks [delay-ms] [untried]"},
        {"ZB1|EXTEND|1|q", "expected: EXTEND id queue acks"},
        {"ZB1|QUEUE|1|q", "expected: QUEUE id queue options"},
        {"ZB1|TOPIC|1|t", "expected: TOPIC id topic options"},
        {"ZB1|TOPIC|1|t/a|", "queue: a reserved character"},
        {"ZB1|QUEUE|1|t/a|", "queue: a reserved character"},
        {"ZB1|PUT|1|t/a||x", "queue: a reserved character"},
        {"ZB1|SUB|1|t|", "queue: a subscription's name is TOPIC/SUB"},
        {"ZB1|SUB|1|t/|", "queue: empty"},
        {"ZB1|SUB|1|/a|", "queue: empty"},
        {"ZB1|SUB|1|t/a/b|", "queue: a reserved character"},
        {"ZB1|GET|1|t/$a|1|0|", "queue: a leading '$' is reserved"},
        {"ZB1|TOPIC|1|t|keep", "options: a line without '='"},
        {"ZB1|QUEUE|1|q||", "expected: QUEUE id queue options"},
        {"ZB1|LIST|1|a|b|1|c", "expected: LIST id [pattern] [after] [max]"},
        {"ZB1|LIST|1||a*", "after: a reserved character"},
        {"ZB1|LIST|1|||0", "max: not a number of 1 or more"},
        {"ZB1|LIST|1|||x", "max: not a number of 1 or more"},
        {"ZB1|PEEK|1|q|first", "expected: PEEK id queue position max"},
        {"ZB1|PEEK|1|q|first|1|", "expected: PEEK id queue position max"},
        {"ZB1|PEEK|1|q||1", "position: neither 'first' nor an id"},
        {"ZB1|PEEK|1|q|0|1", "position: neither 'first' nor an id"},
        {"ZB1|PEEK|1|q|@1|1", "position: neither 'first' nor an id"},
        {"ZB1|PEEK|1|q|first|0", "max: not a number of 1 or more"},
        {"ZB1|PEEK|1|q|first|", "max: not a number of 1 or more"},
        {"ZB1|PEEK|1|t/a/b|first|1", "queue: a reserved character"},
        {"ZB1|PEEK|1||first|1", "queue: empty"},
        {"ZB1|CLIENTS|1|a/b", "pattern: a reserved character"},
        {"ZB1|CLIENTS|1||x", "after: not a client's number"},
        {"ZB1|CLIENTS|1|||0", "max: not a number of 1 or more"},
        {"ZB1|CLIENTS|1||||", "expected: CLIENTS id [pattern] [after] [max]"},
        {"ZB1|EVENTS|1|3", "after: no id of an event, EPOCH.N"},
        {"ZB1|EVENTS|1|3.", "after: no id of an event, EPOCH.N"},
        {"ZB1|EVENTS|1|.3", "after: no id of an event, EPOCH.N"},
        {"ZB1|EVENTS|1|3.0", "after: no id of an event, EPOCH.N"},
        {"ZB1|EVENTS|1|3.1.2", "after: no id of an event, EPOCH.N"},
        {"ZB1|EVENTS|1|3.18446744073709551616", "after: no id of an event, EPOCH.N"},
        {"ZB1|EVENTS|1||0", "max: not a number of 1 or more"},
        {"ZB1|EVENTS|1|||", "expected: EVENTS id [after] [max]"},
        {"ZB1|PURGE|1", "expected: PURGE id queue"},
        {"ZB1|PURGE|1|q|", "expected: PURGE id queue"},
        {"ZB1|DELETE|1", "expected: DELETE id queue"},
        {"ZB1|STATUS|1|", "expected: STATUS id"},
        {"ZB1|PING|1|", "expected: PING id"},
        {"ZB1|SWITCHOVER|1", "expected: SWITCHOVER id proof"},
        {"ZB1|UPGRADE|1", "expected: UPGRADE id proof"},
        {"ZB1|PROMOTE|1", "expected: PROMOTE id proof accept-loss [witness-proof]"},
        {"ZB1|PROMOTE|1|0a", "promote: messages may be lost, and the word accept-loss is missing"},
        {"ZB1|PROMOTE|1|0a|yes", "promote: messages may be lost, and the word accept-loss is missing"},
        {"ZB1|PUT|1|||b", "queue: empty"},
        {"ZB1|PUT|1|a b||b", "queue: a space"},
        {"ZB1|PUT|1|a/b||b", "queue: a reserved character"},
        {"ZB1|PUT|1|$sys||b", "queue: a leading '$' is reserved"},
        {"ZB1|PURGE|1|a*", "queue: a reserved character"},
        {"ZB1|LIST|1|a/*", "pattern: a reserved character"},
        {"ZB1|LIST|1|$*", "pattern: a leading '$' is reserved"},
        {"ZB1|HELLO|1|a\tb", "name: a control character"},
        {"ZB1|HELLO|1|n|t|-1", "instance: not a number of 0 to 2^63-1"},
        {"ZB1|HELLO|1|n|t|9223372036854775808", "instance: not a number of 0 to 2^63-1"},
        {"ZB1|PUT|1|q|colour|b", "properties: a line without '='"},
        {"ZB1|PUT|1|q|=red|b", "properties: a line without a name"},
        {"ZB1|PUT|1|q|a=1\n\nb=2|b", "properties: an empty line"},
        {"ZB1|PUT|1|q|\n|b", "properties: an empty line"},
        {"ZB1|PUT|1|q|a b=1|b", "properties: a space"},
        {"ZB1|PUT|1|q|a=1\t2|b", "properties: a control character"},
        {"ZB1|PUT|1|q|a=\xff|b", "properties: not UTF-8"},
        {"ZB1|PUT|1|q|acks=r 1..2|b", "acks: not a queue and ids, no ranges, with one space between"},
        {"ZB1|PUT|1|q|acks=r 1  2|b", "acks: not a queue and ids, no ranges, with one space between"},
        {"ZB1|PUT|1|q|acks=r 1 |b", "acks: not a queue and ids, no ranges, with one space between"},
        {"ZB1|PUT|1|q|acks=r 1,2|b", "acks: not a queue and ids, no ranges, with one space between"},
        {"ZB1|PUT|1|q|acks=r 0|b", "acks: not a queue and ids, no ranges, with one space between"},
        {"ZB1|PUT|1|q|acks=/r 1|b", "acks: empty"},
        {"ZB1|PUT|1|q|a=b\nacks=r 1\nacks=r 2|b", "acks: there are two of them"},
        {"ZB1|QUEUE|1|q|lease", "options: a line without '='"},
        {"ZB1|NACK|1|q|1|x", "delay-ms: not a number of at most 2147483647"},
        {"ZB1|NACK|1|q|1|2147483648", "delay-ms: not a number of at most 2147483647"},
        {"ZB1|NACK|1|q|1|-1", "delay-ms: not a number of at most 2147483647"},
        {"ZB1|NACK|1|q|1|1|1", "untried: neither this word nor empty"},
        {"ZB1|NACK|1|q|1||UNTRIED", "untried: neither this word nor empty"},
        {"ZB1|NACK|1|q|1||untried|", "expected: NACK id queue acks [delay-ms] [untried]"},
        {"ZB1|MOVE|1|q|r|5", "expected: MOVE id from to last-id max"},
        {"ZB1|MOVE|1|q|r|5|1|", "expected: MOVE id from to last-id max"},
        {"ZB1|MOVE|1|q|q|5|1", "to: the same as where they come from"},
        {"ZB1|MOVE|1|q|t/a|5|1", "to: a reserved character"},
        {"ZB1|MOVE|1|q||5|1", "to: empty"},
        {"ZB1|MOVE|1||q|5|1", "queue: empty"},
        {"ZB1|MOVE|1|t/|q|5|1", "queue: empty"},
        {"ZB1|MOVE|1|q|r|0|1", "last-id: not a message id"},
        {"ZB1|MOVE|1|q|r|x|1", "last-id: not a message id"},
        {"ZB1|MOVE|1|q|r|1..5|1", "last-id: not a message id"},
        {"ZB1|MOVE|1|q|r|18446744073709551616|1", "last-id: not a message id"},
        {"ZB1|MOVE|1|q|r||", "max: not a number"},
        {"ZB1|MOVE|1|q|r|5|-1", "max: not a number"},
        {"ZB1|GET|1|q||1|", "max: not a number"},
        {"ZB1|GET|1|q|01|1|", "max: not a number"},
        {"ZB1|GET|1|q|18446744073709551616|1|", "max: not a number"},
        {"ZB1|GET|1|q|1|+1|", "wait-ms: not a number"},
        {"ZB1|GET|1|q|1|1|x", "acks: not ids or ranges ID..ID with one space between"},
        {"ZB1|ACK|1|q|", "acks: empty"},
        {"ZB2|PUT|1|q||b", "version: this broker speaks ZB1"},
        {"ZB0", "version: this broker speaks ZB1"},
        {"ZB10|x", "version: this broker speaks ZB1"},
    };
    for (size_t index = 0; index < COUNT (bad); index++)
        s_check (bad[index].line, ZB_BAD_REQUEST, bad[index].why);

    //  The id and the verb come back as far as they are known.
    s_check ("ZB2|PUT|77", ZB_BAD_REQUEST, NULL);
    s_is (s_request.from.id, "77");
    assert_int_equal (s_request.verb, ZB_VERBS);
    s_check ("ZB1|FETCH|78", ZB_BAD_REQUEST, NULL);
    s_is (s_request.from.id, "78");
    assert_int_equal (s_request.verb, ZB_VERBS);
    s_check ("ZB1|PUT|79|q", ZB_BAD_REQUEST, NULL);
    s_is (s_request.from.id, "79");
    assert_int_equal (s_request.verb, ZB_PUT);
    assert_int_equal (s_request.number, 79);
    s_check ("ZB1|PUT|", ZB_BAD_REQUEST, NULL);
    assert_int_equal (s_request.from.id.size, 0);
    assert_string_equal (zb_verb_name (ZB_PUT), "PUT");
    assert_string_equal (zb_verb_name (ZB_PING), "PING");
    assert_string_equal (zb_verb_name (ZB_VERBS), "?");
}

static void test_foreign (void **state)
{
    (void) state;
    static const char *const foreign[] = {
        "",      "|",    "hello",  "GET / HTTP/1.1", "zb1|PING|1", "ZB|PING|1", "ZB1 |PING|1", "ZB01|PING|1",
        "ZBx|1", "ZB1x", "x|ZB1",  "x|y|PING|1",     "||ZB1|PING", "x||y|ZB1",  "MDPC01|x",    "x|",
        "ZB-1",  "ZB+2", "ZB2 |1", "ZB99999999999",
    };
    for (size_t index = 0; index < COUNT (foreign); index++)
        s_check (foreign[index], -1, NULL);
    assert_int_equal (s_parse_frames (0), -1);
    assert_int_equal (zb_request_parse (&s_request, &s_ids, NULL, 0, &s_limits, &s_why), -1);
    s_frames[0] = (zb_frame_t){"ZB1\0", 4};
    s_frames[1] = zb_frame ("PING");
    s_frames[2] = zb_frame ("1");
    assert_int_equal (s_parse_frames (3), -1);
}

static void test_envelope (void **state)
{
    (void) state;
    s_check ("ZB1|PING|dealer", 0, NULL);
    assert_int_equal (s_request.from.envelopes, 0);
    s_check ("|ZB1|PING|req", 0, NULL);
    assert_int_equal (s_request.from.envelopes, 1);
    s_is (s_request.from.id, "req");
    s_check ("\1\2\3\4||ZB1|PING|correlate", 0, NULL);
    assert_int_equal (s_request.from.envelopes, 2);
    s_is (s_request.from.id, "correlate");
    //  REQ_CORRELATE's four bytes may look like another version, or like nothing else.
    s_check ("ZB12||ZB1|PING|correlate", 0, NULL);
    assert_int_equal (s_request.from.envelopes, 2);
    s_check ("ZB\1\2||ZB1|PING|correlate", 0, NULL);
    assert_int_equal (s_request.from.envelopes, 2);
    //  An empty argument is no end of an envelope.
    s_check ("ZB2|PUT|1|q||body", ZB_BAD_REQUEST, "version: this broker speaks ZB1");
    assert_int_equal (s_request.from.envelopes, 0);
    s_check ("x||ZB2|PUT|1", ZB_BAD_REQUEST, "version: this broker speaks ZB1");
    assert_int_equal (s_request.from.envelopes, 2);
    s_is (s_request.from.id, "1");

    s_check ("1|2|3|4|5|6|7||ZB1|PING|x", 0, NULL);
    assert_int_equal (s_request.from.envelopes, ZB_ENVELOPE_MAX);
    s_check ("1|2|3|4|5|6|7|8||ZB1|PING|x", -1, NULL);

    char *bytes = s_text (ZB_ENVELOPE_BYTES + 1, 'e');
    size_t count = s_split ("x||ZB1|PING|x");
    s_frames[0] = (zb_frame_t){bytes, ZB_ENVELOPE_BYTES};
    assert_int_equal (s_parse_frames (count), 0);
    s_frames[0].size++;
    assert_int_equal (s_parse_frames (count), -1);
    free (bytes);
}

static void test_nul (void **state)
{
    (void) state;
    size_t count = s_split ("ZB1|PUT|1|q|a=b|body");
    s_frames[2] = (zb_frame_t){"\0\1\xff", 3};
    s_frames[5] = (zb_frame_t){"\0\0", 2};
    assert_int_equal (s_parse_frames (count), 0);
    assert_int_equal (s_request.from.id.size, 3);
    assert_int_equal (s_request.number, 0);
    assert_int_equal (s_request.body_bytes, 2);
    s_frames[3] = (zb_frame_t){"q\0", 2};
    assert_int_equal (s_parse_frames (count), ZB_BAD_REQUEST);
    assert_string_equal (s_why, "queue: a control character");
    s_frames[3] = zb_frame ("q");
    s_frames[4] = (zb_frame_t){"a=\0", 3};
    assert_int_equal (s_parse_frames (count), ZB_BAD_REQUEST);
    s_frames[4] = (zb_frame_t){"a\0=", 3};
    assert_int_equal (s_parse_frames (count), ZB_BAD_REQUEST);
    s_frames[4] = zb_frame ("");
    s_frames[1] = (zb_frame_t){"PUT\0", 4};
    assert_int_equal (s_parse_frames (count), ZB_BAD_REQUEST);
    assert_int_equal (s_request.verb, ZB_VERBS);
    count = s_split ("ZB1|ACK|1|q|1");
    s_frames[4] = (zb_frame_t){"1\0", 2};
    assert_int_equal (s_parse_frames (count), ZB_BAD_REQUEST);
}

//  One frame of the message at the size that is still good, then one byte more.
static void s_check_edge (const char *line, size_t at, size_t size, char character, int result, const char *why)
{
    char *bytes = s_text (size + 1, character);
    size_t count = s_split (line);
    s_frames[at] = (zb_frame_t){bytes, size};
    if (s_parse_frames (count) != 0)
        fail_msg ("%s: refused at its edge: %s", line, s_why);
    s_frames[at].size++;
    int got = s_parse_frames (count);
    if (got != result || strcmp (s_why, why) != 0)
        fail_msg ("%s: beyond its edge got %d \"%s\", not %d \"%s\"", line, got, s_why, result, why);
    free (bytes);
}

static void test_limits (void **state)
{
    (void) state;
    s_check_edge ("ZB1|PING|", 2, ZB_ID_MAX, 'i', ZB_BAD_REQUEST, "id: longer than 255 bytes");
    assert_int_equal (s_request.from.id.size, 0);
    s_check_edge ("ZB1|HELLO|1|", 3, ZB_NAME_MAX, 'n', ZB_BAD_REQUEST, "name: longer than 255 bytes");
    s_check_edge ("ZB1|HELLO|1||", 4, ZB_TOKEN_MAX, 't', ZB_TOO_LARGE, "token: 129 bytes, the limit is 128");
    s_check_edge ("ZB1|PURGE|1|", 3, ZB_NAME_MAX, 'q', ZB_BAD_REQUEST, "queue: longer than 255 bytes");
    s_check_edge ("ZB1|LIST|1|", 3, ZB_NAME_MAX, '*', ZB_BAD_REQUEST, "pattern: longer than 255 bytes");
    s_check_edge ("ZB1|PUT|1|q||", 5, 1048576, 'b', ZB_TOO_LARGE, "body: 1048577 bytes, the limit is 1048576");
    assert_int_equal (s_request.number, 1);

    //  Lists of lines: one long value, then one more byte of it.
    char *lines = s_text (65537, 'v');
    memcpy (lines, "p=", 2);
    size_t count = s_split ("ZB1|PUT|1|q|p|b");
    s_frames[4] = (zb_frame_t){lines, 65536};
    assert_int_equal (s_parse_frames (count), 0);
    s_frames[4].size++;
    assert_int_equal (s_parse_frames (count), ZB_TOO_LARGE);
    assert_string_equal (s_why, "properties: 65537 bytes, the limit is 65536");
    count = s_split ("ZB1|QUEUE|1|q|o");
    s_frames[4] = (zb_frame_t){lines, ZB_OPTIONS_MAX};
    assert_int_equal (s_parse_frames (count), 0);
    s_frames[4].size++;
    assert_int_equal (s_parse_frames (count), ZB_TOO_LARGE);
    assert_string_equal (s_why, "options: 4097 bytes, the limit is 4096");
    memset (lines, 'n', 256);
    lines[255] = '=';
    s_frames[4].size = 256;
    assert_int_equal (s_parse_frames (count), 0);
    lines[255] = 'n';
    lines[256] = '=';
    s_frames[4].size = 257;
    assert_int_equal (s_parse_frames (count), ZB_BAD_REQUEST);
    assert_string_equal (s_why, "options: a name longer than 255 bytes");
    free (lines);

    //  Acks: 1 and a space, over and over.
    char *acks = s_text (ZB_ACKS_MAX + 1, '1');
    for (size_t index = 1; index < ZB_ACKS_MAX - 1; index += 2)
        acks[index] = ' ';
    count = s_split ("ZB1|ACK|1|q|x");
    s_frames[4] = (zb_frame_t){acks, ZB_ACKS_MAX};
    assert_int_equal (s_parse_frames (count), 0);
    s_frames[4].size++;
    assert_int_equal (s_parse_frames (count), ZB_TOO_LARGE);
    assert_string_equal (s_why, "acks: 65537 bytes, the limit is 65536");
    count = s_split ("ZB1|GET|1|q|1|1|x");
    s_frames[6] = (zb_frame_t){acks, ZB_ACKS_MAX + 1};
    assert_int_equal (s_parse_frames (count), ZB_TOO_LARGE);
    free (acks);
}

static void test_counts (void **state)
{
    (void) state;
    size_t count = s_split ("ZB1|PUT|1|q||");
    for (size_t index = 5; index < FRAMES_MAX; index++)
        s_frames[index] = zb_frame ("b");
    count = 5 + s_limits.bodies;
    assert_int_equal (s_parse_frames (count), 0);
    assert_int_equal (s_request.bodies, 1000);
    assert_int_equal (s_request.body_bytes, 1000);
    assert_int_equal (s_parse_frames (count + 1), ZB_TOO_LARGE);
    assert_string_equal (s_why, "bodies: 1001, the limit is 1000");

    //  A count that no array has: nothing beyond what is needed to refuse may be read.
    assert_int_equal (s_parse_frames (SIZE_MAX), ZB_TOO_LARGE);
    s_split ("ZB1|PING|1");
    assert_int_equal (s_parse_frames (SIZE_MAX), ZB_BAD_REQUEST);
    s_split ("ZB1|NONE|1");
    assert_int_equal (s_parse_frames (SIZE_MAX), ZB_BAD_REQUEST);
    s_split ("1|2|3|4|5|6|7|8|9");
    assert_int_equal (s_parse_frames (SIZE_MAX), -1);

    //  The bytes of the whole request: 16 bodies of a MiB, less what is around them, and one more.
    char *body = s_text (1 << 20, 'b');
    s_split ("|ZB1|PUT|1|q|");
    for (size_t index = 0; index < 16; index++)
        s_frames[6 + index] = (zb_frame_t){body, 1 << 20};
    s_frames[21].size -= 8;
    assert_int_equal (s_parse_frames (22), 0);
    assert_int_equal (s_request.from.envelopes, 1);
    assert_int_equal (s_request.body_bytes, (16 << 20) - 8);
    s_frames[21].size++;
    assert_int_equal (s_parse_frames (22), ZB_TOO_LARGE);
    assert_string_equal (s_why, "request: 16777217 bytes, the limit is 16777216");
    s_is (s_request.from.id, "1");
    free (body);
}

//  Every message cut after every frame is answered or dropped, never misread.
static void test_truncated (void **state)
{
    (void) state;
    static const char *const lines[] = {
        "x||ZB1|HELLO|1|name|token|5", "ZB1|PUT|1|q|a=b|x|y", "|ZB1|GET|1|q|1|2|3", "ZB1|ACK|1|q|3..4",
        "ZB1|QUEUE|1|q|lease=1",       "ZB1|LIST|1|*",        "ZB1|PURGE|1|q",      "ZB1|STATUS|1",
    };
    for (size_t line = 0; line < COUNT (lines); line++) {
        size_t count = s_split (lines[line]);
        for (size_t cut = 0; cut <= count; cut++) {
            int result = s_parse_frames (cut);
            assert_true (result == 0 || result == -1 || result == ZB_BAD_REQUEST);
            if (cut == count)
                assert_int_equal (result, 0);
            else if (cut < 2)
                assert_true (result != 0);
        }
    }
}

static void test_names (void **state)
{
    (void) state;
    static const char *const good[] = {
        "a",
        "orders",
        "a.b-c_d:e",
        "a$",
        "=",
        "?",
        "[]",
        "\xc3\xa4",
        "\xe6\x97\xa5",
        "\xf0\x9f\x90\x87",
        "\xf4\x8f\xbf\xbf",
        "\xc2\xa1",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
    };
    for (size_t index = 0; index < COUNT (good); index++)
        assert_null (zb_name_check (zb_frame (good[index])));
    static const struct {
        const char *name;
        const char *wrong;
    } bad[] = {
        {"", "empty"},
        {"$", "a leading '$' is reserved"},
        {"a/b", "a reserved character"},
        {"*", "a reserved character"},
        {"a>", "a reserved character"},
        {"#", "a reserved character"},
        {" ", "a space"},
        {"a ", "a space"},
        {"a\xc2\xa0", "a space"},
        {"\xe1\x9a\x80", "a space"},
        {"\xe2\x80\x80", "a space"},
        {"\xe2\x80\x8a", "a space"},
        {"\xe2\x80\xa8", "a space"},
        {"\xe2\x80\xa9", "a space"},
        {"\xe2\x80\xaf", "a space"},
        {"\xe2\x81\x9f", "a space"},
        {"\xe3\x80\x80", "a space"},
        {"\n", "a control character"},
        {"\x1f", "a control character"},
        {"\x7f", "a control character"},
        {"\xc2\x80", "a control character"},
        {"\xc2\x85", "a control character"},
        {"\xc2\x9f", "a control character"},
        {"\x80", "not UTF-8"},
        {"\xff", "not UTF-8"},
        {"a\xc3", "not UTF-8"},
        {"\xc3(", "not UTF-8"},
        {"\xc0\xaf", "not UTF-8"},
        {"\xc1\xbf", "not UTF-8"},
        {"\xe0\x9f\xbf", "not UTF-8"},
        {"\xe6\x97", "not UTF-8"},
        {"\xed\xa0\x80", "not UTF-8"},
        {"\xed\xbf\xbf", "not UTF-8"},
        {"\xf0\x8f\xbf\xbf", "not UTF-8"},
        {"\xf4\x90\x80\x80", "not UTF-8"},
        {"\xf8\x90\x80\x80", "not UTF-8"},
        {"\xf8\x88\x80\x80\x80", "not UTF-8"},
    };
    for (size_t index = 0; index < COUNT (bad); index++) {
        zb_frame_t name = s_exact (bad[index].name);
        const char *wrong = zb_name_check (name);
        free ((void *) (uintptr_t) name.data);
        assert_non_null (wrong);
        assert_string_equal (wrong, bad[index].wrong);
    }
    assert_null (zb_pattern_check (zb_frame ("*")));
    assert_null (zb_pattern_check (zb_frame ("a*?")));
    assert_non_null (zb_pattern_check (zb_frame ("a>")));
}

static void test_match (void **state)
{
    (void) state;
    static const struct {
        const char *pattern, *name;
        bool fits;
    } match[] = {
        {"", "a", true},
        {"*", "a", true},
        {"a", "a", true},
        {"a", "b", false},
        {"a", "ab", false},
        {"ab", "a", false},
        {"a*", "a", true},
        {"a*", "abc", true},
        {"*c", "abc", true},
        {"*b", "abc", false},
        {"a*c", "abcbc", true},
        {"a*b*c", "axxbyyc", true},
        {"a*b*c", "axxcyyb", false},
        {"**", "x", true},
        {"?", "a", true},
        {"?", "ab", false},
        {"?", "\xc3\xa4", true},
        {"??", "\xc3\xa4", false},
        {"*?", "\xc3\xa4", true},
        {"?*?", "a", false},
        {"\xc3\xa4*", "\xc3\xa4x", true},
        {"\xc3\xa4", "\xc3\xb6", false},
        {"*\xa4", "\xc3\xa4", false},
        {"a?c", "a?c", true},
        {"*aab", "aaaaaab", true},
        {"*aab", "aaaaaaa", false},
    };
    for (size_t index = 0; index < COUNT (match); index++)
        if (zb_name_match (zb_frame (match[index].pattern), zb_frame (match[index].name)) != match[index].fits)
            fail_msg ("'%s' and '%s'", match[index].pattern, match[index].name);
}

static void test_numbers (void **state)
{
    (void) state;
    uint64_t number = 5;
    assert_true (zb_number_parse (zb_frame ("0"), UINT64_MAX, &number));
    assert_true (number == 0);
    assert_true (zb_number_parse (zb_frame ("18446744073709551615"), UINT64_MAX, &number));
    assert_true (number == UINT64_MAX);
    assert_true (zb_number_parse (zb_frame ("10"), 10, &number));
    static const char *const bad[] = {"",
                                      "00",
                                      "01",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1a",
                                      "0x1",
                                      "18446744073709551616",
                                      "99999999999999999999",
                                      "111111111111111111111",
                                      "11"};
    for (size_t index = 0; index < COUNT (bad); index++)
        assert_false (zb_number_parse (zb_frame (bad[index]), index == COUNT (bad) - 1 ? 10 : UINT64_MAX, &number));
    assert_true (number == 10);
    char text[21];
    assert_int_equal (zb_number_format (0, text), 1);
    assert_string_equal (text, "0");
    assert_int_equal (zb_number_format (UINT64_MAX, text), 20);
    assert_string_equal (text, "18446744073709551615");
    assert_true (zb_frame_eq (zb_frame ("a"), zb_frame ("a")));
    assert_false (zb_frame_eq (zb_frame ("a"), zb_frame ("b")));
    assert_true (zb_frame_eq ((zb_frame_t){NULL, 0}, zb_frame ("")));
}

static void test_acks (void **state)
{
    (void) state;
    uint64_t first = 0, last = 0;
    size_t cursor = 0;
    bool bad = true;
    zb_frame_t acks = zb_frame ("7 9..9 11..12 5");
    static const uint64_t expected[][2] = {{7, 7}, {9, 9}, {11, 12}, {5, 5}};
    for (size_t index = 0; index < COUNT (expected); index++) {
        assert_true (zb_acks_next (acks, &cursor, &first, &last, &bad));
        assert_int_equal (first, expected[index][0]);
        assert_int_equal (last, expected[index][1]);
    }
    assert_false (zb_acks_next (acks, &cursor, &first, &last, &bad));
    assert_false (bad);
    cursor = 0;
    assert_false (zb_acks_next (zb_frame (""), &cursor, &first, &last, &bad));
    assert_false (bad);
    static const char *const joined[][2] = {
        {"7 9..9 11..12 5", "5..5 7..7 9..9 11..12"},
        {"1..5 3 6 8..9 5..7", "1..9"},
        {"2..18446744073709551615 5 1", "1..18446744073709551615"},
        {"18446744073709551615 18446744073709551615", "18446744073709551615..18446744073709551615"},
        {"4 4 4", "4..4"},
    };
    for (size_t index = 0; index < COUNT (joined); index++) {
        assert_true (zb_spans_parse (&s_ids, zb_frame (joined[index][0])));
        s_request.span = s_ids.span;
        s_request.spans = zb_spans_join (s_ids.span, s_ids.size);
        s_names (joined[index][1]);
    }
    assert_true (zb_spans_parse (&s_ids, zb_frame ("5..6 9")));
    assert_true (zb_spans_have (s_ids.span, s_ids.size, 5) && zb_spans_have (s_ids.span, s_ids.size, 9));
    assert_false (zb_spans_have (s_ids.span, s_ids.size, 7) || zb_spans_have (s_ids.span, s_ids.size, 10));
    static const char *const wrong[] = {
        " ",       " 1",    "1 ", "1  2", "0",   "0..1", "2..1", "1..", "..1",   "1.2", "1...2",
        "1..2..3", "1.",    ".",  "..",   "1,2", "1\n2", "1\t2", "01",  "1..02", "-1",  "1..18446744073709551616",
        "1 x",     "1 2 0",
    };
    for (size_t index = 0; index < COUNT (wrong); index++) {
        cursor = 0;
        bad = false;
        zb_frame_t text = s_exact (wrong[index]);
        while (zb_acks_next (text, &cursor, &first, &last, &bad))
            assert_false (bad);
        free ((void *) (uintptr_t) text.data);
        if (!bad)
            fail_msg ("\"%s\" was accepted", wrong[index]);
    }
}

static void test_lines (void **state)
{
    (void) state;
    zb_frame_t lines = zb_frame ("colour=red\nempty=\nsum=1=2 3\n");
    assert_null (zb_lines_check (lines));
    zb_frame_t name, value;
    size_t cursor = 0;
    assert_true (zb_lines_next (lines, &cursor, &name, &value));
    s_is (name, "colour");
    s_is (value, "red");
    assert_true (zb_lines_next (lines, &cursor, &name, &value));
    s_is (name, "empty");
    s_is (value, "");
    assert_true (zb_lines_next (lines, &cursor, &name, &value));
    s_is (name, "sum");
    s_is (value, "1=2 3");
    assert_false (zb_lines_next (lines, &cursor, &name, &value));
    cursor = 0;
    assert_null (zb_lines_check (zb_frame ("")));
    assert_false (zb_lines_next (zb_frame (""), &cursor, &name, &value));
    assert_null (zb_lines_check (zb_frame ("a=1\na=2")));
    assert_non_null (zb_lines_check (zb_frame ("a=1\n\n")));
    assert_non_null (zb_lines_check (zb_frame ("a=1\r\nb=2")));
    assert_non_null (zb_lines_check (zb_frame ("a=\xc2\x85")));
}

static void test_index (void **state)
{
    (void) state;
    char text[ZB_INDEX_LINE_MAX + 64];
    size_t size = zb_index_format (17, 1, zb_frame (""), text);
    s_is ((zb_frame_t){text, size}, "17 1");
    size = zb_index_format (17, 2, zb_frame ("colour=red\nb=\n"), text);
    s_is ((zb_frame_t){text, size}, "17 2\tcolour=red\tb=");
    size = zb_index_format (UINT64_MAX, UINT64_MAX, zb_frame ("c=d"), text);
    assert_int_equal (size, ZB_INDEX_LINE_MAX + 3);
    s_is ((zb_frame_t){text, size}, "18446744073709551615 18446744073709551615\tc=d");

    zb_frame_t index = zb_frame ("17 1\tcolour=red\tb=\nx-9 3");
    zb_index_t line;
    zb_frame_t name, value;
    size_t cursor = 0, at = 0;
    bool bad = true;
    assert_true (zb_index_next (index, &cursor, &line, &bad));
    s_is (line.id, "17");
    assert_int_equal (line.deliveries, 1);
    assert_true (zb_lines_next (line.properties, &at, &name, &value));
    s_is (name, "colour");
    s_is (value, "red");
    assert_true (zb_lines_next (line.properties, &at, &name, &value));
    s_is (name, "b");
    s_is (value, "");
    assert_false (zb_lines_next (line.properties, &at, &name, &value));
    assert_true (zb_index_next (index, &cursor, &line, &bad));
    s_is (line.id, "x-9");
    assert_int_equal (line.deliveries, 3);
    assert_int_equal (line.properties.size, 0);
    assert_false (zb_index_next (index, &cursor, &line, &bad));
    assert_false (bad);

    static const char *const wrong[] = {
        "\n",           "17",          "17 ",
        " 1",           "17  1",       "17 1 ",
        "17 x",         "17 1\n",      "\n17 1",
        "17 1\n\n18 1", "17 1\t",      "17 1\ta",
        "17 1\t=b",     "17 1\ta=b\t", "17 1\ta=b\t\tc=d",
        "17\t1 1",      "1\x01 1",     "17 18446744073709551616",
        "x\302\240y 1",
    };
    for (size_t number = 0; number < COUNT (wrong); number++) {
        cursor = 0;
        zb_frame_t exact = s_exact (wrong[number]);
        while (zb_index_next (exact, &cursor, &line, &bad))
            ;
        free ((void *) (uintptr_t) exact.data);
        if (!bad)
            fail_msg ("\"%s\" was accepted", wrong[number]);
    }
}

static void test_replies (void **state)
{
    (void) state;
    zb_answer_t answer;
    assert_int_equal (zb_wire_parse_reply (&answer, s_frames, s_split ("ZB1|OK|17|t|both|1|2")), 0);
    assert_int_equal (answer.status, ZB_ANSWER_OK);
    s_is (answer.id, "17");
    s_is (answer.token, "t");
    assert_int_equal (answer.args, 3);
    s_is (answer.arg[0], "both");
    assert_int_equal (zb_wire_parse_reply (&answer, s_frames, s_split ("|ZB1|OK|17|")), 0);
    assert_int_equal (answer.envelope, 1);
    assert_int_equal (answer.args, 0);
    assert_int_equal (zb_wire_parse_reply (&answer, s_frames, s_split ("ZB1|MSG|g|t|solo|q|7 1\n8 2|a|")), 0);
    assert_int_equal (answer.status, ZB_ANSWER_MSG);
    assert_int_equal (answer.args, 3);
    assert_int_equal (answer.bodies, 2);
    s_is (answer.body[0], "a");
    s_is (answer.body[1], "");
    assert_int_equal (zb_wire_parse_reply (&answer, s_frames, s_split ("ZB1|MSG|g|t|solo|q|")), 0);
    assert_int_equal (answer.bodies, 0);
    assert_int_equal (zb_wire_parse_reply (&answer, s_frames, s_split ("ZB1|PASSIVE|1||")), 0);
    assert_int_equal (answer.status, ZB_ANSWER_PASSIVE);
    s_is (answer.arg[0], "");
    assert_int_equal (zb_wire_parse_reply (&answer, s_frames, s_split ("ZB1|ERR|||409|5")), 0);
    assert_int_equal (answer.status, ZB_ANSWER_ERR);
    assert_int_equal (answer.code, ZB_CONFLICT);
    assert_int_equal (answer.id.size, 0);
    s_is (answer.arg[1], "5");

    static const char *const wrong[] = {
        "",
        "ZB1",
        "ZB1|OK",
        "ZB1|OK|1",
        "ZB2|OK|1|t",
        "ZB1|ok|1|t",
        "ZB1|YES|1|t",
        "ZB1|MSG|1|t|both|q",
        "ZB1|MSG|1|t|both|q|7 1",
        "ZB1|MSG|1|t|both|q||body",
        "ZB1|MSG|1|t|both|q|7 1|a|b",
        "ZB1|MSG|1|t|both|q|7 1\n8 1|a",
        "ZB1|MSG|1|t|both|q|7|a",
        "ZB1|PASSIVE|1|t",
        "ZB1|ERR|1|t|400",
        "ZB1|ERR|1|t|399|text",
        "ZB1|ERR|1|t|600|text",
        "ZB1|ERR|1|t|4x0|text",
    };
    for (size_t index = 0; index < COUNT (wrong); index++)
        if (zb_wire_parse_reply (&answer, s_frames, s_split (wrong[index])) != -1)
            fail_msg ("\"%s\" was accepted", wrong[index]);
    assert_int_equal (zb_wire_parse_reply (&answer, NULL, 0), -1);
    char *text = s_text (256, 'x');
    size_t count = s_split ("ZB1|OK|i|t");
    s_frames[2] = (zb_frame_t){text, 255};
    s_frames[3] = (zb_frame_t){text, 128};
    assert_int_equal (zb_wire_parse_reply (&answer, s_frames, count), 0);
    s_frames[2].size++;
    assert_int_equal (zb_wire_parse_reply (&answer, s_frames, count), -1);
    s_frames[2].size--;
    s_frames[3].size++;
    assert_int_equal (zb_wire_parse_reply (&answer, s_frames, count), -1);
    free (text);
}

//  Takes a line of the page's conversations apart: whether it is to a client (C, W), and the message up to two spaces,
//  with its tabs and newlines.  NULL if it is none.
static char *s_spoken (char *line, bool *reply)
{
    static const char arrow[] = "\xe2\x86\x92";
    char *message = strstr (line, "  ZB1|");
    char *at = strstr (line, arrow);
    if (!message || !at || at > message)
        return NULL;
    *reply = strchr ("CW", at[strlen (arrow)]) != NULL;
    message += 2;
    char *end = strstr (message, "  ");
    message[end ? (size_t) (end - message) : strcspn (message, "\n")] = 0;
    char *to = message;
    for (const char *from = message; *from; from++)
        if (from[0] == '\\' && (from[1] == 't' || from[1] == 'n'))
            *to++ = *++from == 't' ? '\t' : '\n';
        else
            *to++ = *from;
    *to = 0;
    return message;
}

//  What include/PROTOCOL.md shows to authors of clients is what this codec reads.
static void test_page (void **state)
{
    (void) state;
    const char *source = getenv ("ZBROKER_SOURCE");
    char name[4096], line[1024];
    snprintf (name, sizeof (name), "%s/include/PROTOCOL.md", source ? source : ".");
    FILE *page = fopen (name, "r");
    assert_non_null (page);
    size_t requests = 0, replies = 0;
    while (fgets (line, sizeof (line), page)) {
        bool reply = false;
        zb_answer_t answer;
        const char *message = s_spoken (line, &reply);
        if (!message)
            continue;
        if (!reply)
            s_check (message, 0, NULL);
        else if (zb_wire_parse_reply (&answer, s_frames, s_split (message)) != 0)
            fail_msg ("\"%s\" is no reply", message);
        requests += !reply;
        replies += reply;
    }
    fclose (page);
    assert_true (requests > 10);
    assert_int_equal (replies + 1, requests);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_good),     cmocka_unit_test (test_bad),       cmocka_unit_test (test_foreign),
        cmocka_unit_test (test_envelope), cmocka_unit_test (test_nul),       cmocka_unit_test (test_limits),
        cmocka_unit_test (test_counts),   cmocka_unit_test (test_truncated), cmocka_unit_test (test_names),
        cmocka_unit_test (test_match),    cmocka_unit_test (test_numbers),   cmocka_unit_test (test_acks),
        cmocka_unit_test (test_lines),    cmocka_unit_test (test_index),     cmocka_unit_test (test_replies),
        cmocka_unit_test (test_page),
    };
    int failed = cmocka_run_group_tests (tests, NULL, NULL);
    zb_spans_clear (&s_ids);
    return failed;
}
