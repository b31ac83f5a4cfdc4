/*  =========================================================================
    test_seal - a frame that was changed, cut or made by others is refused

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================
*/

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <sodium.h>

#include "core/wire/seal.h"

static uint8_t s_key[ZB_SEAL_KEY_SIZE];
static const zb_seal_t s_seal = {9, 2, 0x0102030405060708, 0x1112131415161718};
static const char s_payload[] = "what one broker says to the other";

static size_t s_frame (uint8_t frame[ZB_SEAL_SIZE + sizeof (s_payload)])
{
    memcpy (frame + ZB_SEAL_SIZE, s_payload, sizeof (s_payload));
    zb_seal_write (&s_seal, s_key, frame, s_payload, sizeof (s_payload));
    return ZB_SEAL_SIZE + sizeof (s_payload);
}

static const char *s_read (const void *frame, size_t size)
{
    zb_seal_t seal;
    const void *payload = NULL;
    size_t payload_size = 0;
    const char *why = NULL;
    int result = zb_seal_read (&seal, s_key, frame, size, &payload, &payload_size, &why);
    assert_int_equal (result, why ? -1 : 0);
    return why ? why : "good";
}

static void test_round_trip (void **state)
{
    (void) state;
    uint8_t frame[ZB_SEAL_SIZE + sizeof (s_payload)];
    size_t size = s_frame (frame);
    zb_seal_t seal = {0};
    const void *payload = NULL;
    size_t payload_size = 0;
    const char *why = "";
    assert_int_equal (zb_seal_read (&seal, s_key, frame, size, &payload, &payload_size, &why), 0);
    assert_null (why);
    assert_int_equal (seal.kind, 9);
    assert_int_equal (seal.node, 2);
    assert_true (seal.session == s_seal.session);
    assert_true (seal.sequence == s_seal.sequence);
    assert_ptr_equal (payload, frame + ZB_SEAL_SIZE);
    assert_int_equal (payload_size, sizeof (s_payload));
    assert_memory_equal (payload, s_payload, payload_size);

    //  Without a payload.
    zb_seal_write (&s_seal, s_key, frame, NULL, 0);
    assert_int_equal (zb_seal_read (&seal, s_key, frame, ZB_SEAL_SIZE, &payload, &payload_size, &why), 0);
    assert_int_equal (payload_size, 0);
}

//  The layout is a contract between brokers of different versions.
static void test_layout (void **state)
{
    (void) state;
    static const uint8_t header[] = {'Z', 'B', 'P', '1', 2,    9,    2,    0,    1,    2,    3,    4,
                                     5,   6,   7,   8,   0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18};
    uint8_t frame[ZB_SEAL_SIZE + sizeof (s_payload)];
    s_frame (frame);
    assert_memory_equal (frame, header, sizeof (header));
    uint8_t outer[32], sum[8];
    memcpy (outer, header, 24);
    crypto_shorthash (outer + 24, (const uint8_t *) s_payload, sizeof (s_payload), s_key);
    crypto_shorthash (sum, outer, sizeof (outer), s_key + 16);
    assert_memory_equal (frame + 24, sum, sizeof (sum));
}

static void test_damage (void **state)
{
    (void) state;
    uint8_t frame[ZB_SEAL_SIZE + sizeof (s_payload)];
    size_t size = s_frame (frame);
    for (size_t bit = 0; bit < size * 8; bit++) {
        frame[bit / 8] ^= (uint8_t) (1 << bit % 8);
        const char *expected = bit < 32   ? "not from a broker"
                               : bit < 40 ? (frame[4] < ZB_SEAL_VERSION ? ZB_SEAL_OLDER : ZB_SEAL_NEWER)
                                          : "damaged, or from another pair";
        assert_string_equal (s_read (frame, size), expected);
        frame[bit / 8] ^= (uint8_t) (1 << bit % 8);
    }
    for (size_t cut = 0; cut < size; cut++)
        assert_string_equal (s_read (frame, cut),
                             cut < ZB_SEAL_SIZE ? "shorter than a header" : "damaged, or from another pair");
    assert_string_equal (s_read (NULL, 0), "shorter than a header");
    assert_string_equal (s_read (frame, size), "good");
}

//  What is sealed well is still looked at.
static void test_malformed (void **state)
{
    (void) state;
    static const struct {
        size_t at;
        uint8_t byte;
    } wrong[] = {{6, 0}, {6, 3}, {7, 1}};
    for (size_t index = 0; index < sizeof (wrong) / sizeof (wrong[0]); index++) {
        uint8_t frame[ZB_SEAL_SIZE];
        zb_seal_write (&s_seal, s_key, frame, "", 0);
        frame[wrong[index].at] = wrong[index].byte;
        uint8_t outer[32];
        memcpy (outer, frame, 24);
        crypto_shorthash (outer + 24, frame, 0, s_key);
        crypto_shorthash (frame + 24, outer, sizeof (outer), s_key + 16);
        assert_string_equal (s_read (frame, sizeof (frame)), "malformed header");
    }
}

static void test_keys (void **state)
{
    (void) state;
    static const char *const pairs[][2] = {{"pair", "secret"}, {"pair", ""},       {"", ""},           {"", "pair"},
                                           {"pairs", "ecret"}, {"secret", "pair"}, {"pair", "secret "}};
    enum { PAIRS = sizeof (pairs) / sizeof (pairs[0]) };
    uint8_t keys[PAIRS][ZB_SEAL_KEY_SIZE];
    for (size_t one = 0; one < PAIRS; one++) {
        zb_seal_key (keys[one], pairs[one][0], pairs[one][1]);
        assert_memory_not_equal (keys[one], keys[one] + 16, 16);
        for (size_t other = 0; other < one; other++)
            assert_memory_not_equal (keys[one], keys[other], ZB_SEAL_KEY_SIZE);
    }
    uint8_t again[ZB_SEAL_KEY_SIZE];
    zb_seal_key (again, "pair", "secret");
    assert_memory_equal (again, keys[0], ZB_SEAL_KEY_SIZE);
    uint8_t frame[ZB_SEAL_SIZE];
    zb_seal_write (&s_seal, keys[1], frame, "", 0);
    assert_string_equal (s_read (frame, sizeof (frame)), "damaged, or from another pair");
}

static void test_offers (void **state)
{
    (void) state;
    uint8_t one[ZB_SEAL_OFFER_SIZE] = {1}, other[ZB_SEAL_OFFER_SIZE] = {2};
    uint64_t offer = zb_seal_offer (one, 7);
    assert_true (offer != 0);
    assert_true (zb_seal_offer (one, 7) == offer);
    assert_true (zb_seal_offer (one, 8) != offer);
    assert_true (zb_seal_offer (other, 7) != offer);
}

int main (void)
{
    zb_seal_key (s_key, "orders", "secret");
    const struct CMUnitTest tests[] = {cmocka_unit_test (test_round_trip), cmocka_unit_test (test_layout),
                                       cmocka_unit_test (test_damage), cmocka_unit_test (test_malformed),
                                       cmocka_unit_test (test_keys), cmocka_unit_test (test_offers)};
    return cmocka_run_group_tests (tests, NULL, NULL);
}
