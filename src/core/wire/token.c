/*  =========================================================================
    token - what a client carries from one broker to the other

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================
*/

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sodium.h>

#include "core/base/bytes.h"
#include "core/wire/token.h"

#define S_MAC_SIZE 16               //  bytes of the keyed hash
#define S_HEX_SIZE (2 * S_MAC_SIZE) //  its hex digits

//  Two numbers of 20 digits, two single characters, four dots, the hash, the zero.
_Static_assert(20 + 20 + 2 + 4 + S_HEX_SIZE + 1 <= ZB_TOKEN_MAX, "the longest token fits");
_Static_assert(S_MAC_SIZE >= crypto_generichash_BYTES_MIN, "libsodium makes hashes of this size");

//  Writes the hex digits of the keyed hash of the text, without a zero.
static void s_sign (const uint8_t secret[ZB_SECRET_SIZE], const char *text, size_t size, char hex[S_HEX_SIZE])
{
    uint8_t mac[S_MAC_SIZE];
    crypto_generichash (mac, sizeof (mac), (const uint8_t *) text, size, secret, ZB_SECRET_SIZE);
    zb_hex (hex, mac, sizeof (mac));
}

//  Takes what is before the next dot off the text; false if there is no dot.
static bool s_field (zb_frame_t *text, zb_frame_t *field)
{
    const char *dot = text->size ? (const char *) memchr (text->data, '.', text->size) : NULL;
    if (!dot)
        return false;
    field->data = text->data;
    field->size = (size_t) (dot - (const char *) text->data);
    text->data = dot + 1;
    text->size -= field->size + 1;
    return true;
}

size_t zb_token_format (const zb_token_t *self, const uint8_t secret[ZB_SECRET_SIZE], char text[ZB_TOKEN_MAX])
{
    assert (self && secret && text);
    assert (self->node == 1 || self->node == 2);
    char epoch[21], commit[21];
    zb_number_format (self->epoch, epoch);
    zb_number_format (self->commit, commit);
    int size = snprintf (text, ZB_TOKEN_MAX, "%s.%u.%s.%c.", epoch, self->node, commit, self->alone ? 'a' : 'p');
    assert (size > 0 && size + S_HEX_SIZE < ZB_TOKEN_MAX);
    size_t signed_size = (size_t) size - 1;
    s_sign (secret, text, signed_size, text + size);
    text[size + S_HEX_SIZE] = 0;
    return (size_t) size + S_HEX_SIZE;
}

int zb_token_parse (zb_token_t *self, const uint8_t secret[ZB_SECRET_SIZE], zb_frame_t text)
{
    assert (self && secret);
    zb_frame_t rest = text;
    zb_frame_t epoch, node, commit, alone;
    zb_token_t token = {0};
    uint64_t number = 0;
    if (text.size >= ZB_TOKEN_MAX || !s_field (&rest, &epoch) || !s_field (&rest, &node) || !s_field (&rest, &commit) ||
        !s_field (&rest, &alone) || rest.size != S_HEX_SIZE)
        return -1;
    char hex[S_HEX_SIZE];
    s_sign (secret, (const char *) text.data, text.size - S_HEX_SIZE - 1, hex);
    if (sodium_memcmp (hex, rest.data, S_HEX_SIZE) != 0)
        return -1;
    if (!zb_number_parse (epoch, UINT64_MAX, &token.epoch) || !zb_number_parse (node, 2, &number) || number == 0 ||
        !zb_number_parse (commit, UINT64_MAX, &token.commit) || !(zb_frame_is (alone, "a") || zb_frame_is (alone, "p")))
        return -1;
    token.node = (unsigned) number;
    token.alone = zb_frame_is (alone, "a");
    *self = token;
    return 0;
}
