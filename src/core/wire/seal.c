/*  =========================================================================
    seal - the header of every frame between the two brokers

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================
*/

#include <assert.h>
#include <string.h>
#include <sodium.h>

#include "core/base/bytes.h"
#include "core/wire/seal.h"

#define S_MAGIC "ZBP1"
#define S_SIGNED 24 //  bytes of the header that the checksum covers

_Static_assert(S_SIGNED + crypto_shorthash_BYTES == ZB_SEAL_SIZE, "the checksum ends the header");
_Static_assert(crypto_shorthash_KEYBYTES == ZB_SEAL_OFFER_SIZE && crypto_shorthash_BYTES == sizeof (uint64_t),
               "an offer is one hash");
_Static_assert(2 * crypto_shorthash_KEYBYTES == ZB_SEAL_KEY_SIZE, "the key is one half for each hash");

//  The payload is hashed with one half of the key, its hash and the header with the other: header and payload need
//  not lie side by side, and neither hash can be taken for the other.
static void s_checksum (uint8_t sum[crypto_shorthash_BYTES], const uint8_t key[ZB_SEAL_KEY_SIZE], const uint8_t *header,
                        const void *payload, size_t size)
{
    uint8_t outer[S_SIGNED + crypto_shorthash_BYTES];
    memcpy (outer, header, S_SIGNED);
    crypto_shorthash (outer + S_SIGNED, (const uint8_t *) payload, size, key);
    crypto_shorthash (sum, outer, sizeof (outer), key + crypto_shorthash_KEYBYTES);
}

void zb_seal_key (uint8_t key[ZB_SEAL_KEY_SIZE], const char *pair, const char *secret)
{
    assert (key && pair && secret);
    static const char purpose[] = "zbroker seal 1";
    crypto_generichash_state state;
    crypto_generichash_init (&state, NULL, 0, ZB_SEAL_KEY_SIZE);
    //  The zeros at the ends of the texts keep "ab" + "c" apart from "a" + "bc".
    crypto_generichash_update (&state, (const uint8_t *) purpose, sizeof (purpose));
    crypto_generichash_update (&state, (const uint8_t *) pair, strlen (pair) + 1);
    crypto_generichash_update (&state, (const uint8_t *) secret, strlen (secret) + 1);
    crypto_generichash_final (&state, key, ZB_SEAL_KEY_SIZE);
}

void zb_seal_write (const zb_seal_t *self, const uint8_t key[ZB_SEAL_KEY_SIZE], uint8_t header[ZB_SEAL_SIZE],
                    const void *payload, size_t size)
{
    assert (self && key && header);
    assert (payload || size == 0);
    assert (self->node == 1 || self->node == 2);
    memcpy (header, S_MAGIC, 4);
    header[4] = ZB_SEAL_VERSION;
    header[5] = self->kind;
    header[6] = self->node;
    header[7] = 0;
    zb_put64 (header + 8, self->session);
    zb_put64 (header + 16, self->sequence);
    s_checksum (header + S_SIGNED, key, header, payload, size);
}

int zb_seal_read (zb_seal_t *self, const uint8_t key[ZB_SEAL_KEY_SIZE], const void *frame, size_t frame_size,
                  const void **payload, size_t *payload_size, const char **why)
{
    assert (self && key && payload && payload_size && why);
    assert (frame || frame_size == 0);
    const uint8_t *header = (const uint8_t *) frame;
    *why = NULL;
    if (frame_size < ZB_SEAL_SIZE)
        *why = "shorter than a header";
    else if (memcmp (header, S_MAGIC, 4) != 0)
        *why = "not from a broker";
    else if (header[4] != ZB_SEAL_VERSION)
        *why = header[4] < ZB_SEAL_VERSION ? ZB_SEAL_OLDER : ZB_SEAL_NEWER;
    else {
        uint8_t sum[crypto_shorthash_BYTES];
        s_checksum (sum, key, header, header + ZB_SEAL_SIZE, frame_size - ZB_SEAL_SIZE);
        if (sodium_memcmp (sum, header + S_SIGNED, sizeof (sum)) != 0)
            *why = "damaged, or from another pair";
        else if ((header[6] != 1 && header[6] != 2) || header[7] != 0)
            *why = "malformed header";
    }
    if (*why)
        return -1;
    self->kind = header[5];
    self->node = header[6];
    self->session = zb_get64 (header + 8);
    self->sequence = zb_get64 (header + 16);
    *payload = header + ZB_SEAL_SIZE;
    *payload_size = frame_size - ZB_SEAL_SIZE;
    return 0;
}

uint64_t zb_seal_offer (const uint8_t key[ZB_SEAL_OFFER_SIZE], uint64_t nonce)
{
    uint8_t text[sizeof nonce], hash[crypto_shorthash_BYTES];
    zb_put64 (text, nonce);
    crypto_shorthash (hash, text, sizeof text, key);
    uint64_t offer = zb_get64 (hash);
    return offer ? offer : 1;
}
