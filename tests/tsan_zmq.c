/*  =========================================================================
    tsan_zmq - tells ThreadSanitizer that a ZeroMQ message orders two threads

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    libzmq is not compiled with ThreadSanitizer, which so can't see that what a
    thread did before it sent a message is over when another one has received it;
    it would report each hand-over of a pointer as a race.  These functions stand
    before libzmq's in builds with --enable-tsan: each send releases, each receive
    acquires.  It is coarser than the truth (all sockets are one), so that a race
    which a foreign message hides is missed; none is invented, and none suppressed.
*/

#include <dlfcn.h>
#include <stddef.h>
#include <zmq.h>

void __tsan_acquire (void *address);
void __tsan_release (void *address);

static char s_wire;

#define NEXT(name) __typeof__ (&name) next = (__typeof__ (&name)) dlsym (RTLD_NEXT, #name)

int zmq_send (void *socket, const void *data, size_t size, int flags)
{
    NEXT (zmq_send);
    __tsan_release (&s_wire);
    return next (socket, data, size, flags);
}

int zmq_send_const (void *socket, const void *data, size_t size, int flags)
{
    NEXT (zmq_send_const);
    __tsan_release (&s_wire);
    return next (socket, data, size, flags);
}

int zmq_msg_send (zmq_msg_t *message, void *socket, int flags)
{
    NEXT (zmq_msg_send);
    __tsan_release (&s_wire);
    return next (message, socket, flags);
}

int zmq_recv (void *socket, void *data, size_t size, int flags)
{
    NEXT (zmq_recv);
    int rc = next (socket, data, size, flags);
    __tsan_acquire (&s_wire);
    return rc;
}

int zmq_msg_recv (zmq_msg_t *message, void *socket, int flags)
{
    NEXT (zmq_msg_recv);
    int rc = next (message, socket, flags);
    __tsan_acquire (&s_wire);
    return rc;
}

//  CZMQ uses these two.
int zmq_sendmsg (void *socket, zmq_msg_t *message, int flags)
{
    NEXT (zmq_sendmsg);
    __tsan_release (&s_wire);
    return next (socket, message, flags);
}

int zmq_recvmsg (void *socket, zmq_msg_t *message, int flags)
{
    NEXT (zmq_recvmsg);
    int rc = next (socket, message, flags);
    __tsan_acquire (&s_wire);
    return rc;
}
