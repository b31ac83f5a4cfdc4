/*  =========================================================================
    endpoint - where something listens, or is reached: tcp://HOST:PORT

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    HOST is a name or an IPv4 address; of what listens also an interface, or * for all of them.  Pure functions; what
    they return is freed by the caller.
*/

#ifndef ZB_ENDPOINT_H_INCLUDED
#define ZB_ENDPOINT_H_INCLUDED

#include <stdbool.h>
#include <stddef.h>

//  Returns the port, 1 to 65535, or 0 if the endpoint is not of this form.  The host is the `*size` bytes at *host,
//  which are the endpoint's; it may be * only if `any`.
int zb_endpoint_split (const char *endpoint, bool any, const char **host, size_t *size);
//  Whether it is on the loopback address: 127.x.y.z or localhost.
bool zb_endpoint_is_loopback (const char *endpoint);
//  Where to listen for those who connect to this endpoint: its own loopback address, else all of them.
char *zb_endpoint_bind_for (const char *endpoint);
//  The host of the one with the port of the other.
char *zb_endpoint_with_port (const char *endpoint, int port);

#endif
