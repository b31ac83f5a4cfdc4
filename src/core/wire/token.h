/*  =========================================================================
    token - what a client carries from one broker to the other

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    An OK or MSG carries the token of the last commit that the client may rely on.
    A client presents it in HELLO, so that a broker that lacks that commit does not
    serve it.  It is opaque to clients and authenticated with the pair's secret, so
    that nobody can brick a pair with a token of epoch 10^18.

    Text:  EPOCH "." NODE "." COMMIT "." ("a" | "p") "." 32 hex digits (keyed BLAKE2b of what is before)
*/

#ifndef ZB_TOKEN_H_INCLUDED
#define ZB_TOKEN_H_INCLUDED

#include "core/wire/wire.h"

#define ZB_SECRET_SIZE 32

typedef struct {
    uint64_t epoch;      //  the epoch in which the commit was made
    unsigned node;       //  1 the primary, 2 the backup raised it
    uint64_t commit;     //  the last commit that was answered OK
    bool alone;          //  it was answered without the peer
} zb_token_t;

//  Writes the token's text, zero-terminated; returns its length.
size_t zb_token_format (const zb_token_t *self, const uint8_t secret[ZB_SECRET_SIZE], char text[ZB_TOKEN_MAX]);
//  Returns 0; -1 if the text is malformed or was not made with this secret.
int zb_token_parse (zb_token_t *self, const uint8_t secret[ZB_SECRET_SIZE], zb_frame_t text);

#endif
