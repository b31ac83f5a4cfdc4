/*  =========================================================================
    test_claim - does each claim and ruling survive its frame, and nothing else get in?

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include "core/claim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static const zb_claim_t s_claim = {WITNESS_RESUME, 2, 0x0102030405060708, 11, 12};
static const zb_ruling_t s_ruling = {WITNESS_TAKEN, {WITNESS_HELD, 1, UINT64_MAX}, 2, 11, 12};

static void test_roundtrip (void **state)
{
    (void) state;
    uint8_t key[ZB_SEAL_KEY_SIZE], frame[ZB_CLAIM_SIZE], answer[ZB_RULING_SIZE];
    const char *why = NULL;
    zb_seal_key (key, "orders", "secret");
    zb_claim_t claim;
    zb_claim_write (&s_claim, key, frame);
    assert_int_equal (zb_claim_read (&claim, key, frame, sizeof frame, &why), 0);
    assert_memory_equal (&claim, &s_claim, sizeof claim);
    zb_ruling_t ruling;
    zb_ruling_write (&s_ruling, key, answer);
    assert_int_equal (zb_ruling_read (&ruling, key, answer, sizeof answer, &why), 0);
    assert_memory_equal (&ruling.record, &s_ruling.record, sizeof ruling.record);
    assert_int_equal (ruling.verdict, WITNESS_TAKEN);
    assert_int_equal (ruling.session, 11);
    assert_int_equal (ruling.sequence, 12);
    assert_int_equal (ruling.node, 2);
}

//  Each bit, each length, the other kind, another pair's key.
static void test_refused (void **state)
{
    (void) state;
    uint8_t key[ZB_SEAL_KEY_SIZE], other[ZB_SEAL_KEY_SIZE], frame[ZB_CLAIM_SIZE + 1] = {0}, answer[ZB_RULING_SIZE];
    const char *why = NULL;
    zb_claim_t claim;
    zb_ruling_t ruling;
    zb_seal_key (key, "orders", "secret");
    zb_seal_key (other, "orders", "secreT");
    zb_claim_write (&s_claim, key, frame);
    for (size_t bit = 0; bit < ZB_CLAIM_SIZE * 8; bit++) {
        frame[bit / 8] ^= (uint8_t) (1u << bit % 8);
        why = NULL;
        assert_int_equal (zb_claim_read (&claim, key, frame, ZB_CLAIM_SIZE, &why), -1);
        assert_non_null (why);
        frame[bit / 8] ^= (uint8_t) (1u << bit % 8);
    }
    for (size_t size = 0; size <= ZB_CLAIM_SIZE + 1; size++)
        assert_int_equal (zb_claim_read (&claim, key, frame, size, &why), size == ZB_CLAIM_SIZE ? 0 : -1);
    assert_int_equal (zb_claim_read (&claim, other, frame, ZB_CLAIM_SIZE, &why), -1);
    assert_int_equal (zb_ruling_read (&ruling, key, frame, ZB_CLAIM_SIZE, &why), -1);
    zb_ruling_write (&s_ruling, key, answer);
    assert_int_equal (zb_claim_read (&claim, key, answer, sizeof answer, &why), -1);
}

//  A frame under a good seal whose content no version of ours has written.
static void test_nonsense (void **state)
{
    (void) state;
    uint8_t key[ZB_SEAL_KEY_SIZE], frame[ZB_CLAIM_SIZE], answer[ZB_RULING_SIZE];
    const char *why = NULL;
    zb_claim_t claim = s_claim;
    zb_seal_key (key, "orders", "");
    claim.event = WITNESS_EVENTS;
    zb_claim_write (&claim, key, frame);
    assert_int_equal (zb_claim_read (&claim, key, frame, sizeof frame, &why), -1);
    zb_ruling_t wrong[] = {s_ruling, s_ruling, s_ruling};
    wrong[0].verdict = WITNESS_LATE + 1;
    wrong[1].record.state = WITNESS_HELD + 1;
    wrong[2].record.holder = 3;
    for (size_t index = 0; index < 3; index++) {
        zb_ruling_t ruling;
        zb_ruling_write (&wrong[index], key, answer);
        assert_int_equal (zb_ruling_read (&ruling, key, answer, sizeof answer, &why), -1);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_roundtrip),
        cmocka_unit_test (test_refused),
        cmocka_unit_test (test_nonsense),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
