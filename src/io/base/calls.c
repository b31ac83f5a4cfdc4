/*  =========================================================================
    calls - functions of the program that stand before those of libraries

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    libzmq calls these, so that the gate sees who comes, what comes, and who goes; and
    opens the boxes of CURVE here, so that no client with a key chooses the routing id of
    its connection either: libzmq would end the process when it gives out one that a client
    has taken before (core/wire/zmtp).
*/

#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include "core/wire/zmtp.h"
#include "io/base/gate.h"

//  RFC 26: the nonce of an INITIATE begins with this.  Its box has the client's key and a box of its own before the properties.
#define INITIATE "CurveZMQINITIATE"
#define INITIATE_VOUCH 128

int accept (int listener, __SOCKADDR_ARG address, socklen_t *restrict size)
{
    return zb_gate_accept (listener, address.__sockaddr__, size, 0);
}

int accept4 (int listener, __SOCKADDR_ARG address, socklen_t *restrict size, int flags)
{
    return zb_gate_accept (listener, address.__sockaddr__, size, flags);
}

ssize_t recv (int descriptor, void *data, size_t size, int flags)
{
    return zb_gate_recv (descriptor, data, size, flags);
}

int close (int descriptor)
{
    return zb_gate_close (descriptor);
}

//  libsodium's, under its longer name.
int crypto_box_open (unsigned char *text, const unsigned char *box, unsigned long long size, const unsigned char *nonce,
                     const unsigned char *from, const unsigned char *to)
{
    int rc = crypto_box_curve25519xsalsa20poly1305_open (text, box, size, nonce, from, to);
    const size_t before = crypto_box_ZEROBYTES + INITIATE_VOUCH;
    if (rc == 0 && size > before && memcmp (nonce, INITIATE, sizeof INITIATE - 1) == 0)
        zb_zmtp_anonymous (text + before, (size_t) size - before);
    return rc;
}
