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

    A key that is not known is not answered until its handshake's time is over
    (ZB_HANDSHAKE_MS), for it may become known: the store is being opened, the change of
    a right or of the config is on its way.  Then its connection closes without a word, as
    after ZAP's 300, and libzmq's client tries again.  At most 16,384 wait so; who comes
    then gets 300.  One that was revoked gets 400: its libzmq tries no more.

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
//  From now on this gate lets these principals in, also those who wait; those that were revoked are turned away for good.
//  `whole`: whoever is not among them is nobody, and counts as refused.
void zb_auth_admit (zb_auth_t *self, zb_gate_t gate, const zb_rights_t *who, bool whole);
//  When it has turned last (ms, zclock_mono).
int64_t zb_auth_alive (const zb_auth_t *self);
//  Handshakes that were turned away; and where the last of them came from, "" if there was none.
#define ZB_AUTH_ADDRESS 64
uint64_t zb_auth_refused (const zb_auth_t *self);
uint64_t zb_auth_refused_last (zb_auth_t *self, char address[ZB_AUTH_ADDRESS]);

#endif
