/*  =========================================================================
    keyfile - a file with a CURVE key, as text

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The form is CZMQ's certificate (zcert, also read by pyzmq's zmq.auth), a broker's as
    well as a client's:

      metadata
          name = "alice"
          broker-1 = "tcp://10.0.0.1:5560 KEY"
          broker-2 = "tcp://10.0.0.2:5560 KEY"
      curve
          public-key = "KEY"
          secret-key = "KEY"
          next-public-key = "KEY"
          next-secret-key = "KEY"

    KEY is 40 characters of Z85.  A client's file names the brokers with their public keys,
    so that it is all that the client needs; a broker's has no such lines.  The last two are in
    a broker's while its key is changed: it answers to that one, too.  Once it uses the new one they are
    `former-`, and are the old one's.  Whoever reads
    the file makes sure that nobody else can.
*/

#ifndef ZB_KEYFILE_H_INCLUDED
#define ZB_KEYFILE_H_INCLUDED

#include <stdbool.h>
#include <stddef.h>

#include "core/base/limits.h"

#define ZB_KEY_SIZE 40 //  characters of a key
#define ZB_KEYFILE_BROKERS 8
#define ZB_KEYFILE_MAX 16384    //  bytes of a file; what is longer is none
#define ZB_KEYFILE_ENDPOINT 255 //  bytes of an endpoint

typedef struct {
    char name[ZB_PRINCIPAL_NAME_MAX + 1]; //  "" if it has none
    char public_key[ZB_KEY_SIZE + 1];
    char secret_key[ZB_KEY_SIZE + 1]; //  "" if it is not in the file
    char other_public[ZB_KEY_SIZE + 1], other_secret[ZB_KEY_SIZE + 1]; //  the next or former key; "" if there is none,
    bool former;                                                       //  and which of the two it is
    size_t brokers;
    struct {
        char endpoint[ZB_KEYFILE_ENDPOINT + 1];
        char key[ZB_KEY_SIZE + 1];
    } broker[ZB_KEYFILE_BROKERS];
} zb_keyfile_t;

//  Reads the text, which ends with a zero.  Returns NULL; or what is wrong with it.
const char *zb_keyfile_parse (zb_keyfile_t *self, const char *text);
//  Writes it; ZB_KEYFILE_MAX bytes are enough.  Returns its size.
size_t zb_keyfile_format (const zb_keyfile_t *self, char *text, size_t room);
//  The public key of the broker at this endpoint; NULL if the file does not name it.
const char *zb_keyfile_broker (const zb_keyfile_t *self, const char *endpoint);
//  Whether it is 40 characters of Z85.
bool zb_key_is (const char *key, size_t size);

#endif
