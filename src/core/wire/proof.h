/*  =========================================================================
    proof - that a request comes from one of the pair's operators

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Clients are not authenticated; whoever may move the role is.  The broker tells a
    challenge in STATUS, new after each request that it has believed; the operator's
    request carries a keyed hash (BLAKE2b) of the verb and the challenge.  The key is the
    seal's: it comes from the pair's name and secret in the config file.  So a proof is
    good for one request, at one broker, and says nothing of the secret.  Without a secret
    in the config it keeps out mix-ups only, as the seal does.
*/

#ifndef ZB_PROOF_H_INCLUDED
#define ZB_PROOF_H_INCLUDED

#include <stdint.h>

#include "core/wire/wire.h"

#define ZB_PROOF_SIZE 64 //  hexadecimal digits
#define ZB_CHALLENGE_SIZE 32

//  Writes the proof for a request of this verb ("SWITCHOVER", "PROMOTE"); for a KEY that changes something, of the verb, a
//  space and the change.
void zb_proof_make (char proof[ZB_PROOF_SIZE + 1], const uint8_t key[32], const char *verb, const char *challenge);
//  Whether it is the right one; takes the same time whatever is wrong with it.
bool zb_proof_holds (zb_frame_t proof, const uint8_t key[32], const char *verb, const char *challenge);

#endif
