/*  =========================================================================
    seal - the header of every frame between the two brokers

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Heartbeats and shipped log records go through foreign networks; Berkeley DB
    crashes on a flipped byte.  So each frame carries magic, version, kind, the
    sender's session, a sequence number and a keyed checksum (SipHash-2-4) over
    header and payload: what is damaged, from another pair, or without the pair's
    key is dropped before anything looks at it.

      offset size
        0     4   magic "ZBP1"
        4     1   version, 2; it and the magic stay where they are for ever
        5     1   kind
        6     1   sender's node: 1 primary, 2 backup
        7     1   zero
        8     8   session, big endian
       16     8   sequence, big endian
       24     8   checksum of the 24 bytes before it and of the payload
       32     -   payload
*/

#ifndef ZB_SEAL_H_INCLUDED
#define ZB_SEAL_H_INCLUDED

#include <stddef.h>
#include <stdint.h>

#define ZB_SEAL_SIZE 32
#define ZB_SEAL_KEY_SIZE 32
#define ZB_SEAL_VERSION 2
#define ZB_SEAL_OLDER "an older version" //  of zbroker 0.1
#define ZB_SEAL_NEWER "a newer version"
#define ZB_SEAL_OFFER_SIZE 16

typedef struct {
    uint8_t kind;
    uint8_t node;
    uint64_t session;
    uint64_t sequence;
} zb_seal_t;

//  Derives the key of a pair from its configured name and secret (which may be empty: then the checksum guards
//  against damage and mix-ups only).
void zb_seal_key (uint8_t key[ZB_SEAL_KEY_SIZE], const char *pair, const char *secret);
//  Writes the header for the payload into `header`.
void zb_seal_write (const zb_seal_t *self, const uint8_t key[ZB_SEAL_KEY_SIZE], uint8_t header[ZB_SEAL_SIZE],
                    const void *payload, size_t size);
//  Reads a frame of header and payload.  Returns 0 and the payload; else a text that says why it is refused is put
//  in *why and the result is -1.
int zb_seal_read (zb_seal_t *self, const uint8_t key[ZB_SEAL_KEY_SIZE], const void *frame, size_t frame_size,
                  const void **payload, size_t *payload_size, const char **why);

//  A number for this nonce that nobody can tell who has not the key, never 0: what is offered to whoever has the nonce
//  need not be remembered.
uint64_t zb_seal_offer (const uint8_t key[ZB_SEAL_OFFER_SIZE], uint64_t nonce);

#endif
