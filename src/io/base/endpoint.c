/*  =========================================================================
    endpoint - where something listens, or is reached: tcp://HOST:PORT

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>

#include "io/base/endpoint.h"

int zb_endpoint_split (const char *endpoint, bool any, const char **host, size_t *size)
{
    if (strncmp (endpoint, "tcp://", 6) != 0)
        return 0;
    *host = endpoint + 6;
    *size = strspn (*host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_");
    if (any && *size == 0 && **host == '*')
        *size = 1;
    const char *colon = *host + *size;
    if (*size == 0 || *size > 255 || *colon != ':')
        return 0;
    size_t digits = strspn (colon + 1, "0123456789");
    if (digits == 0 || digits > 5 || colon[1 + digits])
        return 0;
    int port = atoi (colon + 1);
    return port <= 65535 ? port : 0;
}

static bool s_is_localhost (const char *host, size_t size)
{
    return size == strlen ("localhost") && strncasecmp (host, "localhost", size) == 0;
}

static bool s_is_127 (const char *host, size_t size)
{
    return strspn (host, "0123456789.") == size && strncmp (host, "127.", 4) == 0;
}

bool zb_endpoint_is_loopback (const char *endpoint)
{
    const char *host;
    size_t size;
    return zb_endpoint_split (endpoint, true, &host, &size) && (s_is_localhost (host, size) || s_is_127 (host, size));
}

char *zb_endpoint_bind_for (const char *endpoint)
{
    const char *host;
    size_t size;
    int port = zb_endpoint_split (endpoint, false, &host, &size);
    if (s_is_localhost (host, size))
        return zsys_sprintf ("tcp://127.0.0.1:%d", port);
    if (s_is_127 (host, size))
        return strdup (endpoint);
    return zsys_sprintf ("tcp://*:%d", port);
}

char *zb_endpoint_with_port (const char *endpoint, int port)
{
    const char *host;
    size_t size;
    zb_endpoint_split (endpoint, true, &host, &size);
    return zsys_sprintf ("tcp://%.*s:%d", (int) size, host, port);
}
