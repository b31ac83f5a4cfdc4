/*  =========================================================================
    test_peek - PEEK tells what is in a queue, and changes nothing

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

#include "core/base/level.h"
#include "rig.h"

//  What a PEEK tells of each message: count, body up to 8 bytes, and the lines of the broker, with ';' between.
static const char *s_peek (rig_t *rig, const char *queue, const char *position, const char *max)
{
    static char text[8192];
    char line[128];
    snprintf (line, sizeof line, "PEEK|p|%s|%s|%s", queue, position, max);
    rig_skip (rig);
    rig_say (rig, "c", line);
    const zb_answer_t *answer = &rig_last (rig)->answer;
    if (answer->status == ZB_ANSWER_ERR) {
        snprintf (text, sizeof text, "%u", (unsigned) answer->code);
        return text;
    }
    assert_int_equal (answer->status, ZB_ANSWER_MSG);
    size_t size = 0, at = 0;
    zb_index_t index;
    bool bad = false;
    *text = 0;
    for (size_t body = 0; body < answer->bodies; body++) {
        assert_true (zb_index_next (answer->arg[2], &at, &index, &bad));
        size += (size_t) snprintf (text + size, sizeof text - size, "%s%u %.*s", body ? "; " : "",
                                   (unsigned) index.deliveries, answer->body[body].size < 8 ? (int) answer->body[body].size : 8,
                                   (const char *) answer->body[body].data);
        size_t cursor = 0;
        zb_frame_t name, value;
        while (zb_lines_next (index.properties, &cursor, &name, &value))
            size += (size_t) snprintf (text + size, sizeof text - size, " %.*s=%.*s", (int) name.size,
                                       (const char *) name.data, (int) value.size, (const char *) value.data);
    }
    return text;
}

#define s_sees(rig, queue, position, max, expected) assert_string_equal (s_peek (rig, queue, position, max), expected)

static void test_each_state (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "c", "PUT|1|q|colour=red|one|two");
    rig_say (rig, "c", "PUT|1|q||three|four|five");
    rig_say (rig, "w", "HELLO|h|worker||");
    rig_say (rig, "w", "GET|g|q|2|0|");
    rig_say (rig, "n", "HELLO|h");
    rig_say (rig, "n", "GET|g|q|2|0|");
    zb_engine_time (rig->engine, 1700000000000, rig->now);
    rig_say (rig, "n", "NACK|n|q|1:3|5000");
    rig_say (rig, "c", "ACK|a|q|1:1");
    s_sees (rig, "q", "first", "10",
            "1 two zb-state=leased zb-by=worker zb-until=1700000030000 colour=red; "
            "1 three zb-state=delayed zb-until=1700000005000; 1 four zb-state=leased zb-by=#3 zb-until=1700000030000; "
            "0 five zb-state=ready");
    //  It has taken nothing, and counts as no delivery.
    zb_engine_stats_t before = rig_stats (rig);
    assert_int_equal (before.messages_out, 4);
    zb_engine_worked (rig->engine, zb_frame ("c"));
    s_sees (rig, "q", "first", "1", "1 two zb-state=leased zb-by=worker zb-until=1700000030000 colour=red");
    assert_true (zb_engine_worked (rig->engine, zb_frame ("c")) >= 2);
    rig_say (rig, "c", "GET|g|q|9|0|");
    rig_expect (rig, "c> MSG|p|*");
    rig_expect (rig, "c> MSG|g|both|q|1:5 1|five");
    rig_destroy (&rig);
}

static void test_positions (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    s_sees (rig, "q", "first", "5", "");
    rig_say (rig, "c", "PUT|1|q||one|two|three");
    rig_say (rig, "c", "PUT|1|q||four");
    s_sees (rig, "q", "first", "2", "0 one zb-state=ready; 0 two zb-state=ready");
    s_sees (rig, "q", "1:2", "1", "0 three zb-state=ready");
    s_sees (rig, "q", "1:3", "5", "0 four zb-state=ready");
    s_sees (rig, "q", "1:4", "5", "");
    s_sees (rig, "q", "18446744073709551615", "5", "");
    s_sees (rig, "q", "1", "1", "0 one zb-state=ready");
    s_sees (rig, "nobody", "first", "1", "404");
    rig_say (rig, "c", "TOPIC|t|t|");
    rig_say (rig, "c", "SUB|s|t/a|");
    rig_say (rig, "c", "SUB|s|t/b|");
    rig_say (rig, "c", "PUT|1|t||news");
    rig_say (rig, "c", "GET|g|t/a|1|0|");
    s_sees (rig, "t", "first", "1", "400");
    s_sees (rig, "t/x", "first", "1", "404");
    s_sees (rig, "t/a", "first", "1", "1 news zb-state=leased zb-by=#1");
    s_sees (rig, "t/b", "first", "1", "0 news zb-state=ready");
    //  It needs no level of the store.
    zb_engine_level (rig->engine, 1);
    s_sees (rig, "q", "1:3", "5", "0 four zb-state=ready");
    rig_destroy (&rig);
}

//  Most of a queue is on the disk alone: it is read from there, and stays there.
static void test_what_is_on_the_disk (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.window = limits.windows = 64 << 10;
    rig_t *rig = rig_ready (&limits);
    for (int index = 0; index < 100; index++) {
        rig_put (rig, "c", "1", "q", 4, 1000);
        rig_run (rig);
    }
    rig_takeover_with (rig, &limits);
    rig_say (rig, "c", "HELLO|h");
    //  The first ones are in memory; of later ones some are done, one at a time.
    rig_say (rig, "c", "GET|g|q|1|0|");
    rig_say (rig, "c", "ACK|a|q|1:202 1:204..1:400");
    rig_run (rig);
    size_t window = rig_stats (rig).window_bytes;
    assert_true (window <= limits.windows);
    const char *seen = s_peek (rig, "q", "1:200", "10");
    size_t count = 0;
    for (const char *at = seen; (at = strstr (at, "0 ")) != NULL; at++)
        count++;
    assert_int_equal (count, 2);
    assert_int_equal (rig_stats (rig).window_bytes, window);
    rig_say (rig, "c", "PEEK|p|q|1:200|10");
    assert_int_equal (rig_last (rig)->answer.bodies, 2);
    //  No more than fits into a reply, and on from there to the end.
    rig_say (rig, "c", "PUT|1|q||last");
    uint64_t id = 0;
    size_t all = 0;
    while (true) {
        char line[64];
        snprintf (line, sizeof line, id ? "PEEK|p|q|%llu|1000" : "PEEK|p|q|first|1000", (unsigned long long) id);
        rig_say (rig, "c", line);
        const zb_answer_t *answer = &rig_last (rig)->answer;
        if (answer->bodies == 0)
            break;
        all += answer->bodies;
        const zb_reply_t *reply = rig_last (rig)->reply;
        id = reply->body[reply->bodies - 1].id;
    }
    assert_int_equal (all, 400 - 198 + 1);
    assert_int_equal (rig_stats (rig).window_bytes, window);
    rig_destroy (&rig);
}

//  How many of a queue's messages the worker has, by what PEEK tells of all of them.
static size_t s_held (rig_t *rig, const char *queue)
{
    size_t held = 0;
    uint64_t id = 0;
    while (true) {
        char line[64], number[24] = "first";
        if (id)
            snprintf (number, sizeof number, "%llu", (unsigned long long) id);
        snprintf (line, sizeof line, "PEEK|p|%s|%s|5", queue, number);
        rig_say (rig, "c", line);
        const zb_reply_t *reply = rig_last (rig)->reply;
        for (size_t index = 0; index < reply->bodies; index++) {
            static const char leased[] = "zb-state=leased\nzb-by=worker\n";
            const zb_frame_t *lines = &reply->lines[index];
            held += lines->size >= sizeof leased - 1 && memcmp (lines->data, leased, sizeof leased - 1) == 0;
        }
        if (reply->bodies == 0)
            return held;
        id = reply->body[reply->bodies - 1].id;
    }
}

//  A row of which something is leased may leave memory: who looks is told all the same.
static void test_what_is_leased_and_away (void **state)
{
    (void) state;
    zb_limits_t limits = ZB_LIMITS_DEFAULT;
    limits.window = limits.windows = 32 << 10;
    rig_t *rig = rig_ready (&limits);
    rig_say (rig, "c", "QUEUE|q|other|");
    rig_say (rig, "w", "HELLO|h|worker||");
    rig_say (rig, "o", "HELLO|h");
    for (int index = 0; index < 20; index++) {
        rig_put (rig, "c", "1", "q", 3, 1000);
        rig_run (rig);
        rig_put (rig, "c", "1", "other", 3, 1000);
        rig_run (rig);
    }
    for (int index = 0; index < 5; index++)
        rig_say (rig, "w", "GET|g|q|2|1000|");
    size_t window = rig_stats (rig).window_bytes;
    for (int index = 0; index < 10; index++) {
        rig_say (rig, "o", "GET|g|other|3|1000|");
        rig_wait (rig, 200);
    }
    zb_engine_client_t client;
    uint64_t next;
    assert_int_equal (zb_engine_clients (rig->engine, zb_frame ("worker"), 0, &client, 1, &next), 1);
    assert_true (client.leased >= 4 && window > 0);
    assert_int_equal (s_held (rig, "q"), client.leased);
    assert_int_equal (s_held (rig, "other"), 0);
    rig_destroy (&rig);
}

static void test_what_is_not_released_is_not_shown (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "c", "PUT|1|q||one");
    rig->sync_there = false;
    rig_say (rig, "c", "PUT|1|q||two");
    s_sees (rig, "q", "first", "5", "0 one zb-state=ready");
    //  An acknowledgement on its way counts as done.
    rig_say (rig, "c", "ACK|a|q|1:1");
    s_sees (rig, "q", "first", "5", "");
    rig_sync (rig, true, true);
    s_sees (rig, "q", "first", "5", "0 two zb-state=ready");
    //  While nothing may be said, nothing is kept for who looks.
    rig_rule (rig, ZB_RELEASE_HOLD);
    s_sees (rig, "q", "first", "5", "503");
    rig_rule (rig, ZB_RELEASE_BOTH);
    rig_say (rig, "c", "PURGE|x|q");
    rig_sync (rig, true, true);
    s_sees (rig, "q", "first", "5", "");
    rig_destroy (&rig);
}

//  One read at a time, behind those of all others; and it holds up nobody but who asked.
static void test_it_gives_way (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "c", "PUT|1|q||one");
    rig_say (rig, "a", "HELLO|h");
    rig_say (rig, "b", "HELLO|h");
    rig->stuck = true;
    rig_skip (rig);
    size_t reads = rig->reads;
    rig_say (rig, "a", "PEEK|p|q|first|1");
    rig_say (rig, "b", "PEEK|p|q|first|1");
    rig_say (rig, "b", "LIST|l");
    assert_int_equal (rig->reads, reads + 1);
    //  Nobody waits for the other broker because of that.
    assert_false (zb_engine_client_waits (rig->engine));
    rig_say (rig, "c", "LIST|l");
    assert_int_equal (rig->reads, reads + 2);
    rig_say (rig, "c", "PUT|1|q||two");
    rig->stuck = false;
    rig_destroy (&rig);
}

//  Whatever happens to the queue or the client while it is read.
static void test_what_ends_meanwhile (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "c", "QUEUE|q|other|");
    rig_say (rig, "c", "PUT|1|q||one");
    rig_say (rig, "a", "HELLO|h");
    rig_say (rig, "b", "HELLO|h");
    rig->stuck = true;
    rig_say (rig, "a", "PEEK|p|q|first|1");
    rig_say (rig, "b", "PEEK|p|q|first|1");
    rig_gone (rig, "a");
    rig_say (rig, "c", "DELETE|d|q");
    rig_skip (rig);
    rig->stuck = false;
    rig_run (rig);
    rig_expect (rig, "b> ERR|p|404|*");
    rig_expect (rig, NULL);
    rig->stuck = true;
    rig_say (rig, "b", "PEEK|p|other|first|1");
    zb_engine_stop (rig->engine, "tcp://b");
    rig_collect (rig);
    rig_expect (rig, "b> PASSIVE|p|tcp://b");
    rig_destroy (&rig);
}

//  More rows than one read brings, of which all is done: that is not the end.
static void test_a_page_of_nothing_is_not_the_end (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "c", "TOPIC|t|t|");
    rig_say (rig, "c", "SUB|s|t/a|");
    for (int index = 0; index < 200; index++)
        rig_say (rig, "c", "PUT|1|t||x");
    rig_say (rig, "c", "PUT|1|t||last");
    const zb_reply_t *reply = rig_last (rig)->reply;
    char line[80];
    snprintf (line, sizeof line, "ACK|a|t/a|%llu..%llu", (unsigned long long) reply->number[0] - 199,
              (unsigned long long) reply->number[0] - 1);
    rig_say (rig, "c", line);
    char first[24];
    snprintf (first, sizeof first, "%llu", (unsigned long long) reply->number[0] - 200);
    size_t reads = rig->read_count;
    s_sees (rig, "t/a", first, "5", "0 last zb-state=ready");
    assert_true (rig->read_count > reads + 1);
    rig_destroy (&rig);
}

static void test_a_damaged_row (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    rig_say (rig, "c", "PUT|1|q||one");
    rig_takeover (rig);
    rig_say (rig, "c", "HELLO|h");
    size_t size;
    const void *key = fake_store_key (rig->store, ZB_LOG, 0, &size);
    uint8_t copy[ZB_KEY_MAX];
    memcpy (copy, key, size);
    fake_store_put (rig->store, ZB_LOG, copy, size, "damage", 6);
    rig_say (rig, "c", "PEEK|p|q|first|1");
    assert_non_null (zb_engine_fault (rig->engine));
    rig_destroy (&rig);
}

//  Who is there, in pages, by the numbers that zb-by names.
static void test_the_roster (void **state)
{
    (void) state;
    rig_t *rig = rig_ready (NULL);
    zb_engine_client_t client[4];
    uint64_t next;
    rig_say (rig, "c", "PUT|1|q||one|two|three");
    rig_say (rig, "w", "HELLO|h|worker||");
    rig_say (rig, "w", "GET|g|q|2|0|");
    rig_say (rig, "w", "GET|g|nothing|2|0|");
    rig_wait (rig, 500);
    rig_say (rig, "n", "HELLO|h|node||");
    rig_say (rig, "n", "GET|g|q|1|0|");
    rig_say (rig, "n", "GET|g|q|1|60000|");
    assert_int_equal (zb_engine_clients (rig->engine, zb_frame (""), 0, client, 4, &next), 3);
    assert_int_equal (next, 0);
    assert_int_equal (client[0].number, 1);
    assert_int_equal (client[1].leased, 2);
    assert_int_equal (client[1].age, 500);
    assert_int_equal (client[1].silent, 500);
    assert_int_equal (client[2].gets, 1);
    assert_int_equal (client[2].leased, 1);
    assert_int_equal (zb_engine_clients (rig->engine, zb_frame ("*o*"), 0, client, 1, &next), 1);
    assert_true (zb_frame_is (client[0].name, "worker"));
    assert_int_equal (zb_engine_clients (rig->engine, zb_frame ("*o*"), next, client, 1, &next), 1);
    assert_true (zb_frame_is (client[0].name, "node"));
    assert_int_equal (next, 0);
    //  EXTEND, NACK, ACK and the end of a lease are counted, and so is what stays behind when the connection ends.
    rig_say (rig, "w", "EXTEND|e|q|1:1..1:2");
    assert_int_equal (zb_engine_clients (rig->engine, zb_frame ("worker"), 0, client, 1, &next), 1);
    assert_int_equal (client[0].leased, 2);
    rig_say (rig, "w", "NACK|e|q|1:2|1000");
    rig_gone (rig, "w");
    assert_int_equal (zb_engine_clients (rig->engine, zb_frame ("worker"), 0, client, 1, &next), 1);
    assert_true (client[0].gone);
    assert_int_equal (client[0].leased, 1);
    rig_say (rig, "c", "ACK|a|q|1:1");
    rig_wait (rig, rig->limits.grace + 1);
    assert_int_equal (zb_engine_clients (rig->engine, zb_frame ("worker"), 0, client, 1, &next), 0);
    zb_engine_stop (rig->engine, "");
    assert_int_equal (zb_engine_clients (rig->engine, zb_frame (""), 0, client, 4, &next), 0);
    rig_destroy (&rig);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_each_state),
        cmocka_unit_test (test_positions),
        cmocka_unit_test (test_what_is_on_the_disk),
        cmocka_unit_test (test_what_is_leased_and_away),
        cmocka_unit_test (test_what_is_not_released_is_not_shown),
        cmocka_unit_test (test_it_gives_way),
        cmocka_unit_test (test_what_ends_meanwhile),
        cmocka_unit_test (test_a_page_of_nothing_is_not_the_end),
        cmocka_unit_test (test_a_damaged_row),
        cmocka_unit_test (test_the_roster),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
