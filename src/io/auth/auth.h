/*  =========================================================================
    auth - who may connect: this process's handler of ZAP (ZeroMQ RFC 27)

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    libzmq asks it in each handshake at a socket with keys (io/auth/keys).  The domain is the
    gate; a gate lets in the public keys that it was told, and nobody else.  What it was
    told is in memory: a handshake waits for no file.  A message's property "User-Id" is
    the key then.

    A key that is not known is turned away with 300, "try again": the connection closes
    without a word, and libzmq's client tries again.  It may become known: here, at the
    broker that follows, or with a change of the config.  One that was revoked gets 400:
    its libzmq tries no more.

    A thread of its own.  While it hangs nobody gets in, so its age goes with the ages of
    the core and the disk into the heartbeats (io/pair/ha).  Functions: any thread.
*/

#ifndef ZB_AUTH_H_INCLUDED
#define ZB_AUTH_H_INCLUDED

#include "core/rights/rights.h"
#include "io/base/gate.h"

typedef struct zb_auth zb_auth_t;

//  One in a process.  Nobody is let in yet.  NULL and errno if there is no thread for it.
zb_auth_t *zb_auth_new (void);
//  When no socket with keys is left.
void zb_auth_destroy (zb_auth_t **self_p);
//  From now on this gate lets these principals in; those that were revoked are turned away for good.
void zb_auth_admit (zb_auth_t *self, zb_gate_t gate, const zb_rights_t *who);
//  When it has turned last (ms, zclock_mono).
int64_t zb_auth_alive (const zb_auth_t *self);
//  Handshakes that were turned away; and where the last of them came from, "" if there was none.
#define ZB_AUTH_ADDRESS 64
uint64_t zb_auth_refused (const zb_auth_t *self);
uint64_t zb_auth_refused_last (zb_auth_t *self, char address[ZB_AUTH_ADDRESS]);

#endif
