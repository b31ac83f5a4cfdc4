/*  =========================================================================
    reach - can this machine connect to an endpoint, and if not, why

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/base/reach.h"

#define CONNECT_LONGEST 1000 //  ms
#define TEXT_MAX 640 //  an endpoint, and what is said of it

//  Shared with the thread that looks; the last one frees it.
struct zb_reach {
    pthread_mutex_t guard;
    unsigned users;
    bool looks, answered;
    char endpoint[300], text[TEXT_MAX];
};

static void s_release (zb_reach_t *self)
{
    pthread_mutex_lock (&self->guard);
    bool last = --self->users == 0;
    pthread_mutex_unlock (&self->guard);
    if (last) {
        pthread_mutex_destroy (&self->guard);
        free (self);
    }
}

//  Splits the endpoint and looks the name up.  Returns the addresses, to be freed; NULL and the sentence.
static struct addrinfo *s_look_up (const char *endpoint, char *text, size_t size)
{
    char host[256] = "", port[8] = "";
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found = NULL;
    if (sscanf (endpoint, "tcp://%255[^:]:%7[0-9]", host, port) != 2) {
        snprintf (text, size, "%s is not of the form tcp://HOST:PORT", endpoint);
        return NULL;
    }
    int rc = getaddrinfo (host, port, &hints, &found);
    if (rc == 0)
        return found;
    hints.ai_family = AF_INET6;
    struct addrinfo *other = NULL;
    if (getaddrinfo (host, port, &hints, &other) == 0) {
        freeaddrinfo (other);
        snprintf (
            text, size,
            "'%s' has IPv6 addresses alone, and brokers connect by IPv4: give it an IPv4 address in DNS, or write "
            "one into the config file",
            host);
    }
    else
        snprintf (text, size, "the name '%s' does not resolve (%s): correct it in the config file, or in DNS", host,
                  gai_strerror (rc));
    return NULL;
}

int zb_reach_resolve (const char *endpoint, char *text, size_t size)
{
    struct addrinfo *found = s_look_up (endpoint, text, size);
    if (!found)
        return -1;
    freeaddrinfo (found);
    return 0;
}

//  Connects; 0, or what came of it.
static int s_connect (const struct addrinfo *to)
{
    int fd = socket (to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd == -1)
        return errno;
    int error = connect (fd, to->ai_addr, to->ai_addrlen) == 0 ? 0 : errno;
    if (error == EINPROGRESS) {
        struct pollfd item = {.fd = fd, .events = POLLOUT};
        socklen_t size = sizeof error;
        if (poll (&item, 1, CONNECT_LONGEST) <= 0)
            error = ETIMEDOUT;
        else if (getsockopt (fd, SOL_SOCKET, SO_ERROR, &error, &size))
            error = errno;
    }
    close (fd);
    return error;
}

static void s_look (const char *endpoint, char *text, size_t size)
{
    struct addrinfo *found = s_look_up (endpoint, text, size);
    if (!found)
        return;
    int error = s_connect (found);
    freeaddrinfo (found);
    if (error == 0)
        *text = 0;
    else if (error == ECONNREFUSED)
        snprintf (text, size,
                  "nobody listens at %s: start what belongs there, look whether its config has this port, or whether a "
                  "firewall rejects the connection",
                  endpoint);
    else if (error == ETIMEDOUT || error == EHOSTUNREACH || error == ENETUNREACH)
        snprintf (text, size,
                  "no answer from %s (%s): that machine is down, the network is cut, or a firewall drops what goes to "
                  "this port",
                  endpoint, strerror (error));
    else
        snprintf (text, size, "can't connect to %s: %s", endpoint, strerror (error));
}

static void *s_run (void *arg)
{
    zb_reach_t *self = arg;
    char endpoint[sizeof self->endpoint], text[TEXT_MAX];
    pthread_mutex_lock (&self->guard);
    memcpy (endpoint, self->endpoint, sizeof endpoint);
    pthread_mutex_unlock (&self->guard);
    s_look (endpoint, text, sizeof text);
    pthread_mutex_lock (&self->guard);
    memcpy (self->text, text, sizeof text);
    self->answered = true;
    pthread_mutex_unlock (&self->guard);
    s_release (self);
    return NULL;
}

zb_reach_t *zb_reach_new (void)
{
    zb_reach_t *self = calloc (1, sizeof *self);
    assert (self);
    pthread_mutex_init (&self->guard, NULL);
    self->users = 1;
    return self;
}

void zb_reach_destroy (zb_reach_t **self_p)
{
    if (*self_p)
        s_release (*self_p);
    *self_p = NULL;
}

bool zb_reach_ask (zb_reach_t *self, const char *endpoint)
{
    pthread_mutex_lock (&self->guard);
    bool free = !self->looks;
    if (free) {
        snprintf (self->endpoint, sizeof self->endpoint, "%s", endpoint);
        self->looks = true;
        self->answered = false;
        self->users++;
    }
    pthread_mutex_unlock (&self->guard);
    if (!free)
        return false;
    pthread_t thread;
    if (pthread_create (&thread, NULL, s_run, self) == 0) {
        pthread_detach (thread);
        return true;
    }
    //  No thread now: it can be asked again.
    self->looks = false;
    s_release (self);
    return false;
}

bool zb_reach_answer (zb_reach_t *self, char *text, size_t size)
{
    pthread_mutex_lock (&self->guard);
    bool answered = self->looks && self->answered;
    if (answered) {
        snprintf (text, size, "%s", self->text);
        self->looks = false;
    }
    pthread_mutex_unlock (&self->guard);
    return answered;
}
