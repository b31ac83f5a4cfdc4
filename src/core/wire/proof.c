/*  =========================================================================
    proof - that a request comes from one of the pair's operators

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================
*/

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/wire/proof.h"

#define HASH_SIZE (ZB_PROOF_SIZE / 2)

void zb_proof_make (char proof[ZB_PROOF_SIZE + 1], const uint8_t key[32], const char *verb, const char *challenge)
{
    static const char purpose[] = "zbroker operator 1";
    uint8_t hash[HASH_SIZE];
    crypto_generichash_state state;
    crypto_generichash_init (&state, key, 32, sizeof hash);
    //  The zeros at the ends of the texts keep them apart.
    crypto_generichash_update (&state, (const uint8_t *) purpose, sizeof purpose);
    crypto_generichash_update (&state, (const uint8_t *) verb, strlen (verb) + 1);
    crypto_generichash_update (&state, (const uint8_t *) challenge, strlen (challenge) + 1);
    crypto_generichash_final (&state, hash, sizeof hash);
    zb_hex (proof, hash, sizeof hash);
    proof[ZB_PROOF_SIZE] = 0;
}

bool zb_proof_holds (zb_frame_t proof, const uint8_t key[32], const char *verb, const char *challenge)
{
    char right[ZB_PROOF_SIZE + 1];
    zb_proof_make (right, key, verb, challenge);
    return proof.size == ZB_PROOF_SIZE && sodium_memcmp (proof.data, right, ZB_PROOF_SIZE) == 0;
}
