/*  =========================================================================
    test_reply - what each kind of reply is on the wire

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

#include "core/wire/reply.h"

static zb_frame_t s_envelope[] = {{"\0\0\0\7", 4}, {"", 0}};
static const zb_address_t s_to = {{"client", 6}, s_envelope, 2, {"id", 2}, 4711};

//  The frames behind the envelope, with '|' between them; checks the envelope, and that the sums are right.
static void s_is (const zb_reply_t *reply, const char *expected)
{
    char text[400] = "";
    size_t bytes = 0;
    zb_frames_t frames;
    zb_frames_init (&frames, reply);
    for (size_t index = 0; index < frames.frames; index++) {
        zb_frame_t frame = zb_frames_at (&frames, index);
        bytes += frame.size;
        if (index < 2)
            assert_true (zb_frame_eq (frame, s_envelope[index]));
        else
            snprintf (text + strlen (text), sizeof text - strlen (text), "%s%.*s", index == 2 ? "" : "|",
                      (int) frame.size, frame.size ? (const char *) frame.data : "");
    }
    assert_int_equal (frames.bytes, bytes);
    assert_string_equal (text, expected);
    zb_frames_clear (&frames);
}

//  Each kind, with numbers 7 and 9, texts "one" and "two" and code 409, when it has been given out.
static void test_each_kind_has_its_form (void **state)
{
    (void) state;
    static const char *const form[ZB_REPLY_KINDS] = {
        [ZB_REPLY_DONE] = "ZB1|OK|id|token",
        [ZB_REPLY_DURABLE] = "ZB1|OK|id|token|both",
        [ZB_REPLY_STORED] = "ZB1|OK|id|token|both|7|9",
        [ZB_REPLY_AGAIN] = "ZB1|OK|id|token|both|7|9|duplicate",
        [ZB_REPLY_DROPPED] = "ZB1|OK|id|token|both|7|9|dropped",
        [ZB_REPLY_COUNT] = "ZB1|OK|id|token|7",
        [ZB_REPLY_MOVED] = "ZB1|OK|id|token|both|7|9",
        [ZB_REPLY_WELCOME] = "ZB1|OK|id|token|7|9|one|two",
        [ZB_REPLY_TEXTS] = "ZB1|OK|id|token|one|two",
        [ZB_REPLY_RESUME] = "ZB1|OK|id|token|go|7|one|two",
        [ZB_REPLY_REPLAYED] = "ZB1|OK|id|token|done|7|one|two",
        [ZB_REPLY_MESSAGES] = "ZB1|MSG|id|token|both|one|",
        [ZB_REPLY_PEEKED] = "ZB1|MSG|id|token|both|one|",
        [ZB_REPLY_PASSIVE] = "ZB1|PASSIVE|id||one",
        [ZB_REPLY_ERROR] = "ZB1|ERR|id||409|one",
        [ZB_REPLY_FENCED] = "ZB1|ERR|id||409|one",
        [ZB_REPLY_EXPECTED] = "ZB1|ERR|id||409|7",
        [ZB_REPLY_ASIDE] = "ZB1|ERR|id||409|one 1..3 18446744073709551615..18446744073709551615",
    };
    for (zb_reply_kind_t kind = 0; kind < ZB_REPLY_KINDS; kind++) {
        zb_frame_t text[] = {zb_frame ("one"), zb_frame ("two")};
        zb_reply_t *reply = zb_reply_new (&s_to, kind, text, 2);
        reply->number[0] = 7;
        reply->number[1] = 9;
        reply->code = 409;
        reply->span = (zb_span_t *) malloc (2 * sizeof (zb_span_t));
        assert_non_null (reply->span);
        reply->span[0] = (zb_span_t){1, 3};
        reply->span[1] = (zb_span_t){UINT64_MAX, UINT64_MAX};
        reply->spans = 2;
        zb_reply_finish (reply, ZB_DURABLE_BOTH, zb_frame ("token"));
        assert_true (zb_frame_eq (reply->to.routing, s_to.routing));
        s_is (reply, form[kind]);
        zb_reply_destroy (&reply);
    }
}

static zb_reply_t *s_messages (zb_row_t *row)
{
    zb_frame_t queue = zb_frame ("q");
    zb_reply_t *reply = zb_reply_new (&s_to, ZB_REPLY_MESSAGES, &queue, 1);
    reply->body = (zb_delivery_t *) malloc (2 * sizeof (zb_delivery_t));
    assert_non_null (reply->body);
    reply->body[0] = (zb_delivery_t){zb_row_ref (row), 8, 3, 0, 8, 17, 1, 0, 0, 0};
    reply->body[1] = (zb_delivery_t){zb_row_ref (row), 11, 3, 0, 0, UINT64_MAX, UINT32_MAX, 3, 4, 0};
    reply->bodies = 2;
    reply->lease = 5;
    zb_reply_finish (reply, ZB_DURABLE_SOLO, zb_frame ("token"));
    return reply;
}

static void test_messages_have_an_index (void **state)
{
    (void) state;
    zb_row_t *row = zb_row_new (14);
    memcpy (row->data, "a=b\nc=d\nonetwo", 14);
    zb_reply_t *reply = s_messages (row);
    s_is (reply, "ZB1|MSG|id|token|solo|q|17 1\ta=b\tc=d\n18446744073709551615 4294967295\tzb-n=3\tzb-time=4|one|two");
    //  Too large, it goes without them.
    zb_reply_spare (&reply, "too much");
    assert_int_equal (reply->lease, 0);
    s_is (reply, "ZB1|MSG|id|token|solo|q|");
    zb_reply_turn (&reply, ZB_REPLY_PASSIVE, 0, "");
    s_is (reply, "ZB1|PASSIVE|id||");
    zb_reply_spare (&reply, "too much");
    s_is (reply, "ZB1|ERR|id||429|too much");
    assert_int_equal (row->refs, 1);
    zb_reply_destroy (&reply);
    zb_row_unref (&row);
}

//  What is looked at has lines in the place of its properties, and is refused as a whole where it is too large.
static void test_what_is_looked_at (void **state)
{
    (void) state;
    zb_row_t *row = zb_row_new (14);
    memcpy (row->data, "a=b\nc=d\nonetwo", 14);
    zb_frame_t queue = zb_frame ("q");
    zb_reply_t *reply = zb_reply_new (&s_to, ZB_REPLY_PEEKED, &queue, 1);
    reply->body = (zb_delivery_t *) malloc (sizeof (zb_delivery_t));
    reply->lines = (zb_frame_t *) malloc (sizeof (zb_frame_t));
    assert_true (reply->body && reply->lines);
    reply->body[0] = (zb_delivery_t){.row = zb_row_ref (row), .offset = 8, .size = 3, .id = 17, .properties_size = 11};
    char *lines = (char *) malloc (11);
    assert_non_null (lines);
    memcpy (lines, "zb=1\na=b\nc=", 11);
    reply->lines[0] = (zb_frame_t){lines, 11};
    reply->bodies = 1;
    zb_reply_finish (reply, ZB_DURABLE_SOLO, zb_frame ("token"));
    s_is (reply, "ZB1|MSG|id|token|solo|q|17 0\tzb=1\ta=b\tc=|one");
    zb_reply_spare (&reply, "too much");
    s_is (reply, "ZB1|ERR|id||429|too much");
    assert_int_equal (row->refs, 1);
    zb_reply_destroy (&reply);
    zb_row_unref (&row);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_each_kind_has_its_form),
        cmocka_unit_test (test_messages_have_an_index),
        cmocka_unit_test (test_what_is_looked_at),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
