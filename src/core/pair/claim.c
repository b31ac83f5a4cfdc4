/*  =========================================================================
    claim - what a broker says to the witness, and what that answers

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <string.h>

#include "core/base/bytes.h"
#include "core/pair/claim.h"

#define KIND_CLAIM 32
#define KIND_RULING 33

static void s_seal (uint8_t kind, unsigned node, uint64_t session, uint64_t sequence,
                    const uint8_t key[ZB_SEAL_KEY_SIZE], uint8_t *frame, size_t payload)
{
    zb_seal_t seal = {.kind = kind, .node = (uint8_t) node, .session = session, .sequence = sequence};
    zb_seal_write (&seal, key, frame, frame + ZB_SEAL_SIZE, payload);
}

//  Opens the seal of a frame of this kind and size; NULL and *why if it is none.
static const uint8_t *s_open (zb_seal_t *seal, uint8_t kind, const uint8_t key[ZB_SEAL_KEY_SIZE], const void *frame,
                              size_t size, size_t expected, const char **why)
{
    const void *payload;
    size_t payload_size;
    if (zb_seal_read (seal, key, frame, size, &payload, &payload_size, why))
        return NULL;
    *why = "malformed";
    return seal->kind == kind && size >= expected ? payload : NULL;
}

void zb_claim_write (const zb_claim_t *self, const uint8_t key[ZB_SEAL_KEY_SIZE], uint8_t frame[ZB_CLAIM_SIZE])
{
    uint8_t *payload = frame + ZB_SEAL_SIZE;
    payload[0] = (uint8_t) self->event;
    zb_put64 (payload + 1, self->epoch);
    zb_put64 (payload + 9, self->nonce);
    memcpy (payload + 17, self->id, sizeof self->id);
    memcpy (payload + 33, self->proof, sizeof self->proof);
    s_seal (KIND_CLAIM, self->node, self->session, self->sequence, key, frame, ZB_CLAIM_SIZE - ZB_SEAL_SIZE);
}

int zb_claim_read (zb_claim_t *self, const uint8_t key[ZB_SEAL_KEY_SIZE], const void *frame, size_t size,
                   const char **why)
{
    zb_seal_t seal;
    const uint8_t *payload = s_open (&seal, KIND_CLAIM, key, frame, size, ZB_CLAIM_SIZE, why);
    if (!payload || payload[0] > ZB_CLAIM_LOOK)
        return -1;
    *self = (zb_claim_t){.event = (witness_event_t) payload[0],
                         .node = seal.node,
                         .epoch = zb_get64 (payload + 1),
                         .session = seal.session,
                         .sequence = seal.sequence,
                         .nonce = zb_get64 (payload + 9)};
    memcpy (self->id, payload + 17, sizeof self->id);
    memcpy (self->proof, payload + 33, sizeof self->proof);
    return 0;
}

void zb_ruling_write (const zb_ruling_t *self, const uint8_t key[ZB_SEAL_KEY_SIZE], uint8_t frame[ZB_RULING_SIZE])
{
    uint8_t *payload = frame + ZB_SEAL_SIZE;
    payload[0] = (uint8_t) self->verdict;
    payload[1] = (uint8_t) self->record.state;
    payload[2] = (uint8_t) self->record.holder;
    zb_put64 (payload + 3, self->record.epoch);
    zb_put64 (payload + 11, self->nonce);
    s_seal (KIND_RULING, self->node, self->session, self->sequence, key, frame, ZB_RULING_SIZE - ZB_SEAL_SIZE);
}

int zb_ruling_read (zb_ruling_t *self, const uint8_t key[ZB_SEAL_KEY_SIZE], const void *frame, size_t size,
                    const char **why)
{
    zb_seal_t seal;
    const uint8_t *payload = s_open (&seal, KIND_RULING, key, frame, size, ZB_RULING_SIZE, why);
    if (!payload || payload[0] >= WITNESS_VERDICTS || payload[1] > WITNESS_HELD || payload[2] > 2)
        return -1;
    *self = (zb_ruling_t){.verdict = (witness_verdict_t) payload[0],
                          .record = {(witness_state_t) payload[1], payload[2], zb_get64 (payload + 3)},
                          .node = seal.node,
                          .session = seal.session,
                          .sequence = seal.sequence,
                          .nonce = zb_get64 (payload + 11)};
    return 0;
}

uint64_t zb_claim_nonce (const zb_claim_speaker_t *self, uint64_t session)
{
    return zb_seal_offer (self->key, session);
}

bool zb_claim_fresh (zb_claim_speaker_t *self, const zb_claim_t *claim, bool *begins)
{
    bool goes_on = claim->session == self->session && self->session;
    *begins = !goes_on && claim->session && claim->nonce == zb_claim_nonce (self, claim->session);
    if (!*begins && !(goes_on && claim->sequence > self->sequence))
        return false;
    self->session = claim->session;
    self->sequence = claim->sequence;
    return true;
}

void zb_claim_challenge (uint64_t nonce, char text[ZB_CLAIM_CHALLENGE_SIZE])
{
    uint8_t bytes[sizeof nonce];
    zb_put64 (bytes, nonce);
    zb_hex (text, bytes, sizeof bytes);
    text[ZB_CLAIM_CHALLENGE_SIZE - 1] = 0;
}
