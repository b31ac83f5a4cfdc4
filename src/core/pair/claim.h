/*  =========================================================================
    claim - what a broker says to the witness, and what that answers

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Two frames each way: the pair's name in clear, so that the witness knows whose key
    to use, then a frame under the pair's seal (core/wire/seal.h), whose session and
    sequence are the asker's and come back with the ruling.  What is longer than the
    tables say is read as far as it is known.

      claim, kind 32: offset size
        0     1   event, as in witness_fsm.h; ZB_CLAIM_LOOK: nothing is claimed
        1     8   epoch, big endian
        9     8   nonce of the newest ruling that the asker has, 0 if none
       17    16   the pair's id, zeros if the store has none yet
       33    32   of FORCE: the operator's proof (core/wire/proof.h) for this nonce; else zeros

      ruling, kind 33: offset size
        0     1   verdict, as in witness_fsm.h
        1     1   state of the record
        2     1   its holder: 0 none, 1 primary, 2 backup
        3     8   its epoch, big endian
       11     8   nonce for what is said next

    A claim that was recorded is worth nothing.  In a session sequences only rise; a
    session begins with a claim that carries the nonce which the witness has given to it,
    and with it the nonces of all earlier sessions of this node, and of an earlier process
    of the witness, are over.  Without it the verdict is AGAIN, and the nonce comes along.
*/

#ifndef ZB_CLAIM_H_INCLUDED
#define ZB_CLAIM_H_INCLUDED

#include <stdbool.h>

#include "core/wire/seal.h"
#include "patterns/witness_fsm.h"

#define ZB_CLAIM_SIZE (ZB_SEAL_SIZE + 65)
#define ZB_RULING_SIZE (ZB_SEAL_SIZE + 19)
#define ZB_CLAIM_LOOK WITNESS_EVENTS //  as an event: only to hear the witness, and its nonce
#define ZB_CLAIM_ID_SIZE 16
#define ZB_CLAIM_PROOF_SIZE 32

typedef struct {
    witness_event_t event;
    unsigned node; //  1 primary, 2 backup
    uint64_t epoch;
    uint64_t session; //  of the asker's process
    uint64_t sequence;
    uint64_t nonce;
    uint8_t id[ZB_CLAIM_ID_SIZE];       //  of the pair
    uint8_t proof[ZB_CLAIM_PROOF_SIZE]; //  the operator's
} zb_claim_t;

typedef struct {
    witness_verdict_t verdict;
    witness_record_t record; //  as it is now
    unsigned node;           //  who had asked
    uint64_t session;        //  and in which of its sessions
    uint64_t sequence;
    uint64_t nonce; //  for the next claim
} zb_ruling_t;

//  What the witness knows of the sessions of one node; zero it, and draw `key` at random, before the first claim.
typedef struct {
    uint64_t session, sequence; //  of the newest claim that was believed
    uint8_t key[ZB_SEAL_OFFER_SIZE];
} zb_claim_speaker_t;

//  The nonce for the next claim in this session.
uint64_t zb_claim_nonce (const zb_claim_speaker_t *self, uint64_t session);
//  Whether the claim is no recorded one; *begins: the first of a session, so that the caller draws a new key.
bool zb_claim_fresh (zb_claim_speaker_t *self, const zb_claim_t *claim, bool *begins);

#define ZB_CLAIM_CHALLENGE_SIZE 17 //  with the zero at its end

//  The nonce as an operator's proof takes it (verb "force"): 16 hexadecimal digits.
void zb_claim_challenge (uint64_t nonce, char text[ZB_CLAIM_CHALLENGE_SIZE]);

//  Write a frame; read one.  Reading returns 0, or -1 and a text in *why for a frame that is damaged, of another pair, or
//  makes no sense.
void zb_claim_write (const zb_claim_t *self, const uint8_t key[ZB_SEAL_KEY_SIZE], uint8_t frame[ZB_CLAIM_SIZE]);
int zb_claim_read (zb_claim_t *self, const uint8_t key[ZB_SEAL_KEY_SIZE], const void *frame, size_t size,
                   const char **why);
void zb_ruling_write (const zb_ruling_t *self, const uint8_t key[ZB_SEAL_KEY_SIZE], uint8_t frame[ZB_RULING_SIZE]);
int zb_ruling_read (zb_ruling_t *self, const uint8_t key[ZB_SEAL_KEY_SIZE], const void *frame, size_t size,
                    const char **why);

#endif
