/*  =========================================================================
    test_claim - does each claim and ruling survive its frame, and nothing else get in?

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include "core/pair/claim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static const zb_claim_t s_claim = {WITNESS_RESUME, 2,     0x0102030405060708, 11, 12, 0x1112131415161718,
                                   {1, 2, 3},      {4, 5}};
static const zb_ruling_t s_ruling = {WITNESS_TAKEN, {WITNESS_HELD, 1, UINT64_MAX}, 2, 11, 12, 13};

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
    assert_int_equal (ruling.nonce, 13);
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
    //  Under a seal of its own it may be longer, not shorter.
    zb_seal_t seal = {.kind = 32, .node = 2};
    zb_seal_write (&seal, key, frame, frame + ZB_SEAL_SIZE, ZB_CLAIM_SIZE + 1 - ZB_SEAL_SIZE);
    assert_int_equal (zb_claim_read (&claim, key, frame, ZB_CLAIM_SIZE + 1, &why), 0);
    zb_seal_write (&seal, key, frame, frame + ZB_SEAL_SIZE, ZB_CLAIM_SIZE - 1 - ZB_SEAL_SIZE);
    assert_int_equal (zb_claim_read (&claim, key, frame, ZB_CLAIM_SIZE - 1, &why), -1);
    zb_claim_write (&s_claim, key, frame);
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
    claim.event = ZB_CLAIM_LOOK + 1;
    zb_claim_write (&claim, key, frame);
    assert_int_equal (zb_claim_read (&claim, key, frame, sizeof frame, &why), -1);
    zb_ruling_t wrong[] = {s_ruling, s_ruling, s_ruling};
    wrong[0].verdict = WITNESS_VERDICTS;
    wrong[1].record.state = WITNESS_HELD + 1;
    wrong[2].record.holder = 3;
    for (size_t index = 0; index < 3; index++) {
        zb_ruling_t ruling;
        zb_ruling_write (&wrong[index], key, answer);
        assert_int_equal (zb_ruling_read (&ruling, key, answer, sizeof answer, &why), -1);
    }
}

//  A session begins with the nonce that was given to it, sequences rise in it, and another one that begins ends it.
static void test_a_recorded_claim_is_worth_nothing (void **state)
{
    (void) state;
    zb_claim_speaker_t speaker = {.key = {7}};
    bool begins;
    zb_claim_t first = {.session = 5, .sequence = 1}, other = {.session = 6, .sequence = 9};
    assert_false (zb_claim_fresh (&speaker, &first, &begins));
    first.nonce = zb_claim_nonce (&speaker, 5);
    other.nonce = zb_claim_nonce (&speaker, 5);
    assert_false (zb_claim_fresh (&speaker, &other, &begins));
    assert_true (zb_claim_fresh (&speaker, &first, &begins));
    assert_true (begins);
    speaker.key[0] = 8;
    zb_claim_t next = first;
    assert_false (zb_claim_fresh (&speaker, &next, &begins));
    next.sequence = 3;
    assert_true (zb_claim_fresh (&speaker, &next, &begins));
    assert_false (begins);
    next.sequence = 2;
    assert_false (zb_claim_fresh (&speaker, &next, &begins));
    //  The next process of the node; then all that the one before has said is over.
    other.nonce = zb_claim_nonce (&speaker, 6);
    assert_true (zb_claim_fresh (&speaker, &other, &begins));
    speaker.key[0] = 9;
    next.sequence = 10;
    assert_false (zb_claim_fresh (&speaker, &first, &begins));
    assert_false (zb_claim_fresh (&speaker, &next, &begins));
    //  Nobody is in session 0.
    zb_claim_t none = {.session = 0, .sequence = 1, .nonce = zb_claim_nonce (&speaker, 0)};
    assert_false (zb_claim_fresh (&speaker, &none, &begins));
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_roundtrip),
        cmocka_unit_test (test_refused),
        cmocka_unit_test (test_nonsense),
        cmocka_unit_test (test_a_recorded_claim_is_worth_nothing),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
