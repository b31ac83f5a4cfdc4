/*  =========================================================================
    claim - what a broker says to the witness, and what that answers

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Two frames each way: the pair's name in clear, so that the witness knows whose key
    to use, then a frame under the pair's seal (core/seal.h), whose session and
    sequence are the asker's and come back with the ruling.

      claim, kind 32: offset size
        0     1   event, as in witness_fsm.h
        1     8   epoch, big endian

      ruling, kind 33: offset size
        0     1   verdict, as in witness_fsm.h
        1     1   state of the record
        2     1   its holder: 0 none, 1 primary, 2 backup
        3     8   its epoch, big endian
*/

#ifndef ZB_CLAIM_H_INCLUDED
#define ZB_CLAIM_H_INCLUDED

#include "core/seal.h"
#include "patterns/witness_fsm.h"

#define ZB_CLAIM_SIZE (ZB_SEAL_SIZE + 9)
#define ZB_RULING_SIZE (ZB_SEAL_SIZE + 11)

typedef struct {
    witness_event_t event;
    unsigned node; //  1 primary, 2 backup
    uint64_t epoch;
    uint64_t session; //  of the asker's process
    uint64_t sequence;
} zb_claim_t;

typedef struct {
    witness_verdict_t verdict;
    witness_record_t record; //  as it is now
    unsigned node;           //  who had asked
    uint64_t session;        //  and in which of its sessions
    uint64_t sequence;
} zb_ruling_t;

//  Write a frame; read one.  Reading returns 0, or -1 and a text in *why for a frame that is damaged, of another pair, or
//  makes no sense.
void zb_claim_write (const zb_claim_t *self, const uint8_t key[ZB_SEAL_KEY_SIZE], uint8_t frame[ZB_CLAIM_SIZE]);
int zb_claim_read (zb_claim_t *self, const uint8_t key[ZB_SEAL_KEY_SIZE], const void *frame, size_t size,
                   const char **why);
void zb_ruling_write (const zb_ruling_t *self, const uint8_t key[ZB_SEAL_KEY_SIZE], uint8_t frame[ZB_RULING_SIZE]);
int zb_ruling_read (zb_ruling_t *self, const uint8_t key[ZB_SEAL_KEY_SIZE], const void *frame, size_t size,
                    const char **why);

#endif
