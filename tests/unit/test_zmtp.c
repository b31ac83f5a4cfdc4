/*  =========================================================================
    test_zmtp - what a connection may send

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/base/limits.h"
#include "core/wire/zmtp.h"

static const zb_zmtp_bounds_t s_clients = {.handshake = 2048, .bytes = 1000, .frames = 10};
static const zb_zmtp_bounds_t s_state = {.handshake = 2048, .bytes = 64, .frames = 1, .most = 3};

//  Bytes that are built, and sent in pieces.
typedef struct {
    uint8_t data[8192];
    size_t size;
} bytes_t;

static void s_add (bytes_t *self, const void *data, size_t size)
{
    assert_true (self->size + size <= sizeof self->data);
    memmove (self->data + self->size, data, size);
    self->size += size;
}

static void s_greet (bytes_t *self, const char *mechanism)
{
    uint8_t greeting[64] = {0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 0};
    memcpy (greeting + 12, mechanism, strlen (mechanism));
    s_add (self, greeting, sizeof greeting);
}

static void s_frame (bytes_t *self, uint8_t flags, const void *body, size_t size)
{
    uint8_t head[9] = {flags, (uint8_t) size};
    if (size > 255 || flags & 2)
        for (int index = 0; index < 8; index++)
            head[1 + index] = (uint8_t) (size >> (56 - 8 * index));
    head[0] = (uint8_t) (size > 255 ? flags | 2 : flags);
    s_add (self, head, head[0] & 2 ? 9 : 2);
    s_add (self, body, size);
}

static void s_ready (bytes_t *self, const char *routing, size_t size)
{
    static const char type[] = "\5READY\13Socket-Type\0\0\0\6DEALER\10Identity\0\0";
    bytes_t body = {.size = 0};
    s_add (&body, type, sizeof type - 1);
    s_add (&body, (const uint8_t[]){(uint8_t) (size >> 8), (uint8_t) size}, 2);
    s_add (&body, routing, size);
    s_frame (self, 4, body.data, body.size);
}

//  A client that is in.
static bytes_t s_client (void)
{
    bytes_t bytes = {.size = 0};
    s_greet (&bytes, "NULL");
    s_ready (&bytes, "", 0);
    return bytes;
}

//  Takes all of it in pieces of this size, which may be changed.
static zb_zmtp_fault_t s_take (zb_zmtp_t *self, const zb_zmtp_bounds_t *bounds, bytes_t *bytes, size_t piece)
{
    *self = (zb_zmtp_t){.bounds = bounds};
    zb_zmtp_fault_t fault = ZB_ZMTP_FINE;
    for (size_t at = 0; at < bytes->size && !fault; at += piece)
        fault = zb_zmtp_take (self, bytes->data + at, bytes->size - at < piece ? bytes->size - at : piece);
    zb_zmtp_clear (self);
    return fault;
}

//  The answer to these bytes, which does not depend on how they come; the last one's state is in *self.
static zb_zmtp_fault_t s_answer (zb_zmtp_t *self, const zb_zmtp_bounds_t *bounds, const bytes_t *bytes)
{
    bytes_t copy = *bytes;
    zb_zmtp_fault_t fault = s_take (self, bounds, &copy, sizeof copy.data);
    uint64_t messages = self->messages;
    for (size_t piece = 1; piece < 200; piece += piece < 20 ? 1 : 37) {
        bytes_t other = *bytes;
        assert_int_equal (s_take (self, bounds, &other, piece), fault);
        assert_memory_equal (other.data, copy.data, bytes->size);
        if (!fault)
            assert_int_equal (self->messages, messages);
    }
    return fault;
}

static void test_messages (void **state)
{
    (void) state;
    bytes_t bytes = s_client ();
    for (int index = 0; index < 5; index++) {
        s_frame (&bytes, 1, "ZB1", 3);
        s_frame (&bytes, 4, "\4PING\0\0", 7);
        s_frame (&bytes, 3, "", 0);
        s_frame (&bytes, 0, bytes.data, 300);
    }
    zb_zmtp_t self;
    assert_int_equal (s_answer (&self, &s_clients, &bytes), ZB_ZMTP_FINE);
    assert_int_equal (self.messages, 5);
    assert_int_equal (self.memory, 0);
    assert_true (self.ended >= 5 * (303 + 3 * 64));
}

//  Too many bytes or frames until a message ends; one less is fine.
static void test_a_message_has_an_end (void **state)
{
    (void) state;
    static const uint8_t body[1001];
    zb_zmtp_t self;
    for (int more = 0; more < 2; more++) {
        bytes_t bytes = s_client ();
        s_frame (&bytes, 1, body, 500);
        s_frame (&bytes, 1, body, 500 + (size_t) more);
        assert_int_equal (s_answer (&self, &s_clients, &bytes), more ? ZB_ZMTP_BYTES : ZB_ZMTP_FINE);
        bytes_t frames = s_client ();
        for (int index = 0; index < 10 + more; index++)
            s_frame (&frames, 1, "", 0);
        assert_int_equal (s_answer (&self, &s_clients, &frames), more ? ZB_ZMTP_FRAMES : ZB_ZMTP_FINE);
    }
    //  A length that nobody could send is refused before the first byte of it.
    bytes_t huge = s_client ();
    s_add (&huge, "\2\377\377\377\377\377\377\377\377", 9);
    assert_int_equal (s_answer (&self, &s_clients, &huge), ZB_ZMTP_BYTES);
}

//  libzmq passes a command by, or takes it as a frame: none ends a message.
static void test_commands_end_nothing (void **state)
{
    (void) state;
    bytes_t bytes = s_client ();
    for (int index = 0; index < 11; index++)
        s_frame (&bytes, 4, "\3FOO", 4);
    zb_zmtp_t self;
    assert_int_equal (s_answer (&self, &s_clients, &bytes), ZB_ZMTP_FRAMES);
    bytes = s_client ();
    for (int index = 0; index < 100; index++)
        s_frame (&bytes, 4, "\4PONG\0", 6);
    assert_int_equal (s_answer (&self, &s_clients, &bytes), ZB_ZMTP_FINE);
    assert_int_equal (self.memory, 0);
}

static void test_a_connection_has_an_end (void **state)
{
    (void) state;
    zb_zmtp_t self;
    for (int more = 0; more < 2; more++) {
        bytes_t bytes = s_client ();
        for (int index = 0; index < 50; index++)
            s_frame (&bytes, 4, "\4PING\0\0", 7);
        for (int index = 0; index < 3 + more; index++)
            s_frame (&bytes, 0, "\1", 1);
        assert_int_equal (s_answer (&self, &s_state, &bytes), more ? ZB_ZMTP_MOST : ZB_ZMTP_FINE);
    }
}

//  The property is called otherwise then, wherever the bytes were cut; nothing else is changed.
static void test_a_routing_id_is_ignored (void **state)
{
    (void) state;
    bytes_t bytes = {.size = 0};
    s_greet (&bytes, "NULL");
    s_ready (&bytes, "\0\10Identity", 10);
    for (size_t piece = 1; piece < 150; piece++) {
        bytes_t copy = bytes;
        zb_zmtp_t self;
        assert_int_equal (s_take (&self, &s_clients, &copy, piece), ZB_ZMTP_FINE);
        size_t changed = 0;
        for (size_t at = 0; at < bytes.size; at++)
            if (copy.data[at] != bytes.data[at]) {
                assert_memory_equal (bytes.data + at, "Identity", 8);
                assert_int_equal (copy.data[at], 'i');
                changed++;
            }
        assert_int_equal (changed, 1);
    }
}

static void test_a_handshake_has_an_end (void **state)
{
    (void) state;
    static const char routing[4000];
    bytes_t bytes = {.size = 0};
    s_greet (&bytes, "NULL");
    s_ready (&bytes, routing, sizeof routing);
    zb_zmtp_t self;
    assert_int_equal (s_answer (&self, &s_clients, &bytes), ZB_ZMTP_HANDSHAKE);
    bytes.size = 0;
    s_greet (&bytes, "NULL");
    s_ready (&bytes, routing, 1900);
    assert_int_equal (s_answer (&self, &s_clients, &bytes), ZB_ZMTP_FINE);
}

//  HELLO and INITIATE, of these sizes.
static bytes_t s_curve (size_t hello, size_t initiate)
{
    static const uint8_t body[4096] = "\5HELLO";
    bytes_t bytes = {.size = 0};
    s_greet (&bytes, "CURVE");
    s_frame (&bytes, 4, body, hello);
    s_frame (&bytes, 4, body, initiate);
    return bytes;
}

//  Until the key of its boxes is known, nothing that is encrypted counts but a frame that is too long.
static void test_encrypted (void **state)
{
    (void) state;
    static const uint8_t body[1001];
    zb_zmtp_t self;
    for (int plain = 0; plain < 2; plain++) {
        bytes_t bytes = s_curve (200, 300);
        if (plain) {
            bytes.size = 0;
            s_greet (&bytes, "PLAIN");
        }
        for (int index = 0; index < 100; index++)
            s_frame (&bytes, 0, "\7MESSAGE", 8);
        assert_int_equal (s_answer (&self, &s_clients, &bytes), ZB_ZMTP_FINE);
        assert_int_equal (self.messages, 0);
        assert_int_equal (self.memory, 0);
        s_frame (&bytes, 0, body, sizeof body);
        assert_int_equal (s_answer (&self, &s_clients, &bytes), ZB_ZMTP_BYTES);
    }
}

static const uint8_t s_key[crypto_box_BEFORENMBYTES] = "key of the boxes";

//  A box with these flags in it (RFC 26); the frame around it has flags of its own.
static void s_box (bytes_t *self, uint8_t outer, uint8_t flags, const void *data, size_t size)
{
    static uint8_t number;
    uint8_t nonce[crypto_box_NONCEBYTES] = "CurveZMQMESSAGEC", text[2048] = {flags}, body[2048] = "\7MESSAGE";
    nonce[sizeof nonce - 1] = body[15] = ++number;
    memcpy (text + 1, data, size);
    assert_int_equal (crypto_box_easy_afternm (body + 16, text, 1 + size, nonce, s_key), 0);
    s_frame (self, outer, body, 16 + crypto_box_MACBYTES + 1 + size);
}

//  What comes in boxes, in pieces of each size, is counted as it would be without them.
static zb_zmtp_fault_t s_boxed (zb_zmtp_t *self, const zb_zmtp_bounds_t *bounds, const bytes_t *boxes)
{
    zb_zmtp_fault_t fault = ZB_ZMTP_FINE;
    for (size_t piece = 1; piece < 300; piece += piece < 60 ? 1 : 37) {
        bytes_t shakes = s_curve (200, 300), copy = *boxes;
        *self = (zb_zmtp_t){.bounds = bounds};
        assert_int_equal (zb_zmtp_take (self, shakes.data, shakes.size), ZB_ZMTP_FINE);
        zb_zmtp_key (self, s_key);
        zb_zmtp_fault_t now = ZB_ZMTP_FINE;
        for (size_t at = 0; at < copy.size && !now; at += piece)
            now = zb_zmtp_take (self, copy.data + at, copy.size - at < piece ? copy.size - at : piece);
        assert_true (piece == 1 || now == fault);
        assert_memory_equal (copy.data, boxes->data, boxes->size);
        fault = now;
    }
    return fault;
}

static void test_boxes (void **state)
{
    (void) state;
    static const uint8_t body[600];
    zb_zmtp_t self;
    bytes_t boxes = {.size = 0};
    for (int index = 0; index < 3; index++) {
        s_box (&boxes, 0, 1, "ZB1", 3);
        s_box (&boxes, 0, 2, "\4PING\0\0", 7);
        s_box (&boxes, 0, 1, "", 0);
        s_box (&boxes, 0, 1, "x", 1);
        s_box (&boxes, 0, 0, body, 300);
    }
    assert_int_equal (s_boxed (&self, &s_clients, &boxes), ZB_ZMTP_FINE);
    assert_int_equal (self.messages, 3);
    assert_int_equal (self.memory, 0);
    assert_true (self.ended >= 3 * (304 + 4 * 64));
    //  One that has not ended.  It has the bounds of any.
    for (int more = 0; more < 2; more++) {
        boxes.size = 0;
        s_box (&boxes, 0, 1, body, 500);
        s_box (&boxes, 0, 1, body, 500 + (size_t) more);
        assert_int_equal (s_boxed (&self, &s_clients, &boxes), more ? ZB_ZMTP_BYTES : ZB_ZMTP_FINE);
        assert_int_equal (self.messages, 0);
        assert_true (self.memory >= 500 + 64);
        boxes.size = 0;
        for (int index = 0; index < 10 + more; index++)
            s_box (&boxes, 0, 1, "", 0);
        assert_int_equal (s_boxed (&self, &s_clients, &boxes), more ? ZB_ZMTP_FRAMES : ZB_ZMTP_FINE);
    }
}

//  Nobody is forgiven a frame because of what libzmq may overlook: the flags around a box, what is too short for one, a
//  command of another name.
static void test_boxes_that_nobody_makes (void **state)
{
    (void) state;
    zb_zmtp_t self;
    for (int kind = 0; kind < 5; kind++) {
        bytes_t boxes = {.size = 0};
        for (int index = 0; index < 11; index++)
            if (kind == 0)
                s_box (&boxes, 1, 0, "x", 1);
            else if (kind == 1)
                s_box (&boxes, 4, 0, "\4PING\0\0", 7);
            else if (kind == 2)
                s_box (&boxes, 0, 2, "\3FOO", 4);
            else if (kind == 3)
                s_frame (&boxes, 1, "\7MESSAGE", 8);
            else
                s_frame (&boxes, 4, "\4PING\0\0", 7);
        assert_int_equal (s_boxed (&self, &s_clients, &boxes), ZB_ZMTP_FRAMES);
        assert_int_equal (self.messages, 0);
    }
}

//  Before a stranger has shown a key he makes libzmq keep no more of him than without keys.
static void test_the_handshake_of_curve_is_short (void **state)
{
    (void) state;
    zb_zmtp_t self;
    bytes_t bytes = s_curve (2048, 2048);
    assert_int_equal (s_answer (&self, &s_clients, &bytes), ZB_ZMTP_FINE);
    bytes = s_curve (2049, 300);
    assert_int_equal (s_answer (&self, &s_clients, &bytes), ZB_ZMTP_HANDSHAKE);
    bytes = s_curve (200, 2049);
    assert_int_equal (s_answer (&self, &s_clients, &bytes), ZB_ZMTP_HANDSHAKE);
    bytes.size = 0;
    s_greet (&bytes, "CURVE");
    s_frame (&bytes, 0, "\7MESSAGE", 8);
    assert_int_equal (s_answer (&self, &s_clients, &bytes), ZB_ZMTP_HANDSHAKE);
    bytes = s_curve (200, 300);
    bytes.size -= 200;
    assert_int_equal (s_answer (&self, &s_clients, &bytes), ZB_ZMTP_FINE);
    assert_int_equal (self.messages, 0);
}

//  1.0 without a version, with a short and a long length, and with one; 2.0.
static void test_old_protocols (void **state)
{
    (void) state;
    static const struct {
        const char *greeting;
        size_t size;
        bool old;
    } greetings[] = {{"\1\0", 2, true},
                     {"\377\0\0\0\0\0\0\0\1\0", 10, true},
                     {"\377\0\0\0\0\0\0\0\1\177\0\5\1\0", 14, true},
                     {"\377\0\0\0\0\0\0\0\1\177\1\5\0\0", 14, false}};
    for (size_t index = 0; index < sizeof greetings / sizeof *greetings; index++) {
        bytes_t bytes = {.size = 0};
        s_add (&bytes, greetings[index].greeting, greetings[index].size);
        const char *more = greetings[index].old ? "\2\1x" : "\1\1x", *last = greetings[index].old ? "\2\0x" : "\0\1x";
        for (int frame = 0; frame < 9; frame++)
            s_add (&bytes, more, 3);
        s_add (&bytes, last, 3);
        zb_zmtp_t self;
        assert_int_equal (s_answer (&self, &s_clients, &bytes), ZB_ZMTP_FINE);
        assert_int_equal (self.messages, 1);
        for (int frame = 0; frame < 11; frame++)
            s_add (&bytes, more, 3);
        assert_int_equal (s_answer (&self, &s_clients, &bytes), ZB_ZMTP_FRAMES);
    }
    //  The routing id is a frame, and may not be one.
    bytes_t bytes = {.size = 0};
    s_add (&bytes, "\377\0\0\0\0\0\0\0\2\177\1\5\0\1x", 15);
    zb_zmtp_t self;
    assert_int_equal (s_answer (&self, &s_clients, &bytes), ZB_ZMTP_ROUTING);
    bytes.size = 0;
    s_add (&bytes, "\2\0x", 3);
    assert_int_equal (s_answer (&self, &s_clients, &bytes), ZB_ZMTP_ROUTING);
}

//  A small read keeps a buffer of libzmq's as long as a frame that lies in it.
static void test_small_reads_cost_buffers (void **state)
{
    (void) state;
    bytes_t bytes = s_client ();
    zb_zmtp_t self = {.bounds = &s_clients};
    assert_int_equal (zb_zmtp_take (&self, bytes.data, bytes.size), ZB_ZMTP_FINE);
    for (int index = 0; index < 4; index++) {
        bytes.size = 0;
        s_frame (&bytes, 1, bytes.data, 40);
        assert_int_equal (zb_zmtp_take (&self, bytes.data, bytes.size), ZB_ZMTP_FINE);
    }
    assert_true (self.memory >= 4 * 8192);
    bytes.size = 0;
    s_frame (&bytes, 0, "", 0);
    assert_int_equal (zb_zmtp_take (&self, bytes.data, bytes.size), ZB_ZMTP_FINE);
    assert_int_equal (self.memory, 0);
    assert_true (self.ended >= 4 * 8192);
}

//  CURVE has the properties in a box: whoever opened it has them wholly.  A length that lies leads nowhere.
static void test_a_routing_id_in_a_box (void **state)
{
    (void) state;
    uint8_t text[] = "\13Socket-Type\0\0\0\6DEALER\10Identity\0\0\0\5\0abcd\10Identity\0\0\0\1x";
    zb_zmtp_anonymous (text, sizeof text - 1);
    assert_memory_equal (text, "\13Socket-Type\0\0\0\6DEALER\10identity\0\0\0\5\0abcd\10identity\0\0\0\1x",
                         sizeof text);
    uint8_t lie[] = "\1x\377\377\377\377\10Identity\0\0\0\0";
    zb_zmtp_anonymous (lie, sizeof lie - 1);
    assert_memory_equal (lie, "\1x\377\377\377\377\10Identity\0\0\0\0", sizeof lie);
    zb_zmtp_anonymous (text, 0);
}

//  Whatever comes, in whatever pieces: no length is believed, and the answer is the same.
static void test_noise (void **state)
{
    (void) state;
    srand (1);
    for (int round = 0; round < 3000; round++) {
        bytes_t bytes = round % 3 ? s_client () : (bytes_t){.size = 0};
        size_t noise = (size_t) rand () % 600;
        for (size_t index = 0; index < noise; index++) {
            uint8_t byte = (uint8_t) (rand () % 4 ? rand () % 12 : rand ());
            s_add (&bytes, &byte, 1);
        }
        for (int change = rand () % 3; change > 0; change--)
            bytes.data[(size_t) rand () % (bytes.size + 1)] = (uint8_t) rand ();
        zb_zmtp_t self;
        s_answer (&self, &s_clients, &bytes);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_messages),
        cmocka_unit_test (test_a_message_has_an_end),
        cmocka_unit_test (test_commands_end_nothing),
        cmocka_unit_test (test_a_connection_has_an_end),
        cmocka_unit_test (test_a_routing_id_is_ignored),
        cmocka_unit_test (test_a_routing_id_in_a_box),
        cmocka_unit_test (test_a_handshake_has_an_end),
        cmocka_unit_test (test_encrypted),
        cmocka_unit_test (test_boxes),
        cmocka_unit_test (test_boxes_that_nobody_makes),
        cmocka_unit_test (test_the_handshake_of_curve_is_short),
        cmocka_unit_test (test_old_protocols),
        cmocka_unit_test (test_small_reads_cost_buffers),
        cmocka_unit_test (test_noise),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
