/*  =========================================================================
    keys - CURVE at the sockets of this process

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A broker, or a witness, has a key of its own, in a file (core/rights/keyfile) that nobody
    else may read; it knows the public keys of those it connects to, and lets in whom
    io/auth/auth knows.  While the key is changed there are two in the file: it connects with the first, and its
    listeners answer to both.  Without keys nothing is done to a socket, and it is open to all.
*/

#ifndef ZB_KEYS_H_INCLUDED
#define ZB_KEYS_H_INCLUDED

#include "core/rights/keyfile.h"
#include "io/base/config.h"
#include "io/base/gate.h"

typedef struct {
    zb_keyfile_t own;
    char peer[ZB_KEY_SIZE + 1];    //  the other broker's; "" without a pair
    char peer_other[ZB_KEY_SIZE + 1]; //  another one of it, which is let in as well; "" if there is none
    char witness[ZB_KEY_SIZE + 1]; //  "" without a witness
} zb_keys_t;

//  Reads a file.  Returns 0; or -1 and *error, to be freed by the caller: it can't be read, is none, or others may read it
//  (any mode but 0600 and 0400).
int zb_keys_read (zb_keyfile_t *file, const char *path, char **error);
//  Writes a new one, with mode 0600 from the start.  Returns and errors as above: it is there already.
int zb_keys_write (const zb_keyfile_t *file, const char *path, char **error);
//  The same in the place of one that is there, in one step.
int zb_keys_rewrite (const zb_keyfile_t *file, const char *path, char **error);
//  Draws a pair of keys.
void zb_keys_draw (zb_keyfile_t *file);

//  What the config says; its key files are read.  Without keys in it *self_p is NULL.  Returns and errors as above.
int zb_keys_load (zb_keys_t **self_p, const zb_config_t *config, char **error);
void zb_keys_destroy (zb_keys_t **self_p);

//  Whether this is the public key of the process; while that is changed, one of two.  `other` may be NULL.
bool zb_keys_is_own (const zb_keys_t *self, const char *key, const char *other);
//  The socket will take connections of those whom io/auth/auth lets in at this gate; before it binds.
void zb_keys_serve (const zb_keys_t *self, void *socket, zb_gate_t gate);
//  It will connect to whoever has this public key; before it connects.
void zb_keys_connect (const zb_keys_t *self, void *socket, const char *to);

//  The name of the gate, as ZAP's domain.
const char *zb_keys_domain (zb_gate_t gate);

#endif
