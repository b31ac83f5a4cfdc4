/*  =========================================================================
    calls - functions of the program that stand before those of libraries

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    libzmq calls these: the gate sees who comes, what comes, and who goes; and what CURVE's
    handshakes have in their boxes, and the key that comes of them, goes through io/base/boxes.

    CZMQ says by one of them, on standard output, what is wrong with a file: that is for the log.
*/

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "io/base/boxes.h"
#include "io/base/gate.h"
#include "io/base/log.h"

//  As czmq.h declares it.
void zclock_log (const char *format, ...) __attribute__ ((format (printf, 1, 2)));

void zclock_log (const char *format, ...)
{
    char text[400];
    va_list arguments;
    va_start (arguments, format);
    vsnprintf (text, sizeof text, format, arguments);
    va_end (arguments);
    zb_log (ZB_LOG_WARNING, "%s", text);
}

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

int crypto_box (unsigned char *box, const unsigned char *text, unsigned long long size, const unsigned char *nonce,
                const unsigned char *to, const unsigned char *from)
{
    return zb_boxes_close (box, text, size, nonce, to, from);
}

int crypto_box_open (unsigned char *text, const unsigned char *box, unsigned long long size, const unsigned char *nonce,
                     const unsigned char *from, const unsigned char *to)
{
    return zb_boxes_open (text, box, size, nonce, from, to);
}

int crypto_box_beforenm (unsigned char *key, const unsigned char *from, const unsigned char *to)
{
    return zb_boxes_key (key, from, to);
}
