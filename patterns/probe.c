/*  =========================================================================
    probe - proof that a process on another machine is dead

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include "patterns/probe.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROUNDS 2

typedef struct {
    bool floating;                   //  has the peer's address, whatever that is
    struct sockaddr_storage address; //  family 0: not known yet
    in_port_t port;                  //  network order
    int fd;                          //  connecting, or -1
} target_t;

struct probe {
    target_t target[PROBE_MAX];
    size_t targets;
    int round;        //  0: idle
    int64_t began_ms; //  this round
    bool in_vain;     //  the first round failed at once: the next step says so
};

//  Splits tcp://HOST:PORT.  Returns false if it is anything else.
static bool s_split (const char *endpoint, char *host, size_t room, in_port_t *port)
{
    if (strncmp (endpoint, "tcp://", 6) != 0)
        return false;
    const char *from = endpoint + 6;
    const char *colon = strrchr (from, ':');
    if (!colon || colon == from || colon[1] < '0' || colon[1] > '9')
        return false;
    size_t size = (size_t) (colon - from);
    if (from[0] == '[' && colon[-1] == ']') {
        from++;
        size -= 2;
    }
    char *end;
    unsigned long number = strtoul (colon + 1, &end, 10);
    if (*end || number == 0 || number > 65535 || size >= room)
        return false;
    memcpy (host, from, size);
    host[size] = 0;
    *port = htons ((uint16_t) number);
    return true;
}

static bool s_numeric (target_t *target, const char *host)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = target->port};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = target->port};
    memset (&target->address, 0, sizeof target->address);
    if (inet_pton (AF_INET, host, &v4.sin_addr) == 1)
        memcpy (&target->address, &v4, sizeof v4);
    else if (inet_pton (AF_INET6, host, &v6.sin6_addr) == 1)
        memcpy (&target->address, &v6, sizeof v6);
    return target->address.ss_family != 0;
}

probe_t *probe_new (const char *peer, const char *const *endpoints, size_t count)
{
    char peer_host[256] = "";
    char host[256];
    in_port_t port;
    if (peer && !s_split (peer, peer_host, sizeof peer_host, &port))
        peer_host[0] = 0;
    probe_t *self = calloc (1, sizeof *self);
    assert (self);
    bool good = count <= PROBE_MAX;
    for (size_t i = 0; good && i < count; i++) {
        target_t *target = &self->target[self->targets++];
        target->fd = -1;
        good = s_split (endpoints[i], host, sizeof host, &target->port);
        if (good && !s_numeric (target, host)) {
            target->floating = true;
            good = strcmp (host, peer_host) == 0;
        }
    }
    if (!good) {
        probe_destroy (&self);
        errno = EINVAL;
    }
    return self;
}

void probe_destroy (probe_t **self_p)
{
    assert (self_p);
    if (*self_p) {
        probe_cancel (*self_p);
        free (*self_p);
        *self_p = NULL;
    }
}

void probe_set_address (probe_t *self, const char *address)
{
    for (size_t i = 0; i < self->targets; i++)
        if (self->target[i].floating)
            s_numeric (&self->target[i], address);
}

//  A connection that was made after all ends with a reset, so that nothing of it stays on either side.
static void s_close (target_t *target)
{
    if (target->fd >= 0) {
        struct linger now = {.l_onoff = 1, .l_linger = 0};
        (void) setsockopt (target->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        close (target->fd);
        target->fd = -1;
    }
}

void probe_cancel (probe_t *self)
{
    for (size_t i = 0; i < self->targets; i++)
        s_close (&self->target[i]);
    self->round = 0;
    self->in_vain = false;
}

//  Returns 0 while connecting, ECONNREFUSED, or anything else that proves nothing.
static int s_connect (target_t *target)
{
    const struct sockaddr *address = (const struct sockaddr *) &target->address;
    bool v6 = target->address.ss_family == AF_INET6;
    target->fd = socket (target->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (target->fd < 0)
        return errno;
    if (connect (target->fd, address, v6 ? sizeof (struct sockaddr_in6) : sizeof (struct sockaddr_in)) == 0)
        return EISCONN;
    return errno == EINPROGRESS ? 0 : errno;
}

//  The same for one that is connecting.
static int s_look (target_t *target)
{
    struct pollfd item = {.fd = target->fd, .events = POLLOUT};
    int error = 0;
    socklen_t size = sizeof error;
    if (poll (&item, 1, 0) <= 0)
        return 0;
    if (getsockopt (target->fd, SOL_SOCKET, SO_ERROR, &error, &size))
        return errno;
    return error ? error : EISCONN;
}

//  Begins a round; returns false if it proves nothing already.
static bool s_round (probe_t *self, int64_t now)
{
    self->round++;
    self->began_ms = now;
    for (size_t i = 0; i < self->targets; i++) {
        int error = s_connect (&self->target[i]);
        if (error == ECONNREFUSED)
            s_close (&self->target[i]);
        else if (error)
            return false;
    }
    return true;
}

bool probe_begin (probe_t *self, int64_t now)
{
    if (self->round)
        return true;
    for (size_t i = 0; i < self->targets; i++)
        if (!self->target[i].address.ss_family)
            return false;
    if (self->targets == 0)
        return false;
    self->in_vain = !s_round (self, now);
    return true;
}

probe_result_t probe_step (probe_t *self, int64_t now)
{
    if (!self->round)
        return PROBE_IDLE;
    bool waiting = false;
    bool refused = !self->in_vain;
    for (size_t i = 0; i < self->targets; i++) {
        target_t *target = &self->target[i];
        if (target->fd < 0)
            continue;
        int error = s_look (target);
        if (error == ECONNREFUSED)
            s_close (target);
        else if (error)
            refused = false;
        else
            waiting = true;
    }
    if (refused && !waiting) {
        if (self->round == ROUNDS) {
            probe_cancel (self);
            return PROBE_PROVEN;
        }
        if (now - self->began_ms < PROBE_AGAIN_MS)
            return PROBE_RUNNING;
        refused = s_round (self, now);
    }
    if (!refused || now - self->began_ms >= PROBE_TIMEOUT_MS) {
        probe_cancel (self);
        return PROBE_NOT_PROVEN;
    }
    return PROBE_RUNNING;
}

size_t probe_fds (const probe_t *self, int fds[PROBE_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < self->targets; i++)
        if (self->target[i].fd >= 0)
            fds[count++] = self->target[i].fd;
    return count;
}

int64_t probe_due (const probe_t *self)
{
    int fds[PROBE_MAX];
    if (!self->round)
        return INT64_MAX;
    if (self->in_vain)
        return self->began_ms;
    return self->began_ms + (probe_fds (self, fds) ? PROBE_TIMEOUT_MS : PROBE_AGAIN_MS);
}
