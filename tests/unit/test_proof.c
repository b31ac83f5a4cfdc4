/*  =========================================================================
    test_proof - does a proof hold for its verb, its challenge and its key alone?

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <sodium.h>

#include "core/wire/proof.h"
#include "core/wire/seal.h"

static void test_it_holds_for_what_it_was_made_for_alone (void **unused)
{
    (void) unused;
    uint8_t key[ZB_SEAL_KEY_SIZE], other[ZB_SEAL_KEY_SIZE];
    char proof[ZB_PROOF_SIZE + 1];
    zb_seal_key (key, "zbroker", "secret");
    zb_seal_key (other, "zbroker", "another");
    zb_proof_make (proof, key, "PROMOTE", "00ff");
    assert_int_equal (strlen (proof), ZB_PROOF_SIZE);
    assert_int_equal (strspn (proof, "0123456789abcdef"), ZB_PROOF_SIZE);
    assert_true (zb_proof_holds (zb_frame (proof), key, "PROMOTE", "00ff"));
    assert_false (zb_proof_holds (zb_frame (proof), key, "SWITCHOVER", "00ff"));
    assert_false (zb_proof_holds (zb_frame (proof), key, "PROMOTE", "00fe"));
    assert_false (zb_proof_holds (zb_frame (proof), other, "PROMOTE", "00ff"));
    //  Verb and challenge do not run into each other.
    assert_false (zb_proof_holds (zb_frame (proof), key, "PROMOTE0", "0ff"));
    for (size_t size = 0; size < ZB_PROOF_SIZE; size++)
        assert_false (zb_proof_holds ((zb_frame_t){proof, size}, key, "PROMOTE", "00ff"));
    proof[ZB_PROOF_SIZE - 1] ^= 1;
    assert_false (zb_proof_holds (zb_frame (proof), key, "PROMOTE", "00ff"));
}

int main (void)
{
    assert_int_not_equal (sodium_init (), -1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_it_holds_for_what_it_was_made_for_alone),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
