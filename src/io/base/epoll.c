/*  =========================================================================
    epoll - keeps libzmq from ending the process over a connection that breaks

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    libzmq (4.3.4, and all later ones so far) fails an assertion of its own when

    1. a pipe is full, and its connection is not read for the time being;
    2. the connection breaks, which epoll reports all the same: the descriptor is given up;
    3. the pipe has room, and the bytes that were read before 1 are looked at: the peer's ZMTP PING among them is to be
       answered over the descriptor of 2.

    Anybody who can connect can bring that about, on purpose, or by ZMQ_HEARTBEAT_IVL and a connection that breaks while
    much waits.  A pipe without a bound would be no way out: the bound is what holds clients back.

    These two functions of the program stand before the C library's, so that libzmq calls them.  They take 2 away: a
    connection that is not read is not watched, and one that is read hears of its end by reading.  It does so, and
    closes the descriptor, when the pipe has room again.

    What is left unwatched can't be written later either, where the system takes no more at once; that waits for the
    room, too.  A descriptor that was never read (it connects) is left as it is.
*/

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io/base/epoll.h"

//  Descriptors that are looked after: as many as Linux gives a process unless it is told otherwise (fs.nr_open).
#define MOST (1 << 20)

enum {
    UNREAD, //  was never to be read, or is not in a set
    READ,   //  is read
    LEFT    //  is not read for the time being: it is in libzmq's set, and not in the system's
};

//  By descriptor.
static struct {
    int state;
    bool held;
    int epoll;
    struct epoll_event event; //  as libzmq wants it
} s_watch[MOST];

static pthread_mutex_t s_mutex = PTHREAD_MUTEX_INITIALIZER;

//  Under another name than the function that is replaced.
static int s_control (int epoll, int operation, int descriptor, struct epoll_event *event)
{
    if (!event || !s_watch[descriptor].held)
        return (int) syscall (SYS_epoll_ctl, epoll, operation, descriptor, event);
    struct epoll_event less = *event;
    less.events &= ~(uint32_t) EPOLLIN;
    return (int) syscall (SYS_epoll_ctl, epoll, operation, descriptor, &less);
}

static int s_change (int epoll, int operation, int descriptor, struct epoll_event *event)
{
    int before = s_watch[descriptor].state;
    int after = UNREAD;
    if (operation != EPOLL_CTL_DEL && event->events & EPOLLIN)
        after = READ;
    else if (operation == EPOLL_CTL_MOD && before != UNREAD)
        after = LEFT;
    s_watch[descriptor].state = after;
    s_watch[descriptor].epoll = epoll;
    if (event)
        s_watch[descriptor].event = *event;
    if (before == LEFT && operation != EPOLL_CTL_ADD)
        return after == READ ? s_control (epoll, EPOLL_CTL_ADD, descriptor, event) : 0;
    return s_control (epoll, after == LEFT ? EPOLL_CTL_DEL : operation, descriptor, event);
}

int epoll_ctl (int epoll, int operation, int descriptor, struct epoll_event *event)
{
    if (descriptor < 0 || descriptor >= MOST || (operation != EPOLL_CTL_DEL && !event))
        return (int) syscall (SYS_epoll_ctl, epoll, operation, descriptor, event);
    pthread_mutex_lock (&s_mutex);
    int rc = s_change (epoll, operation, descriptor, event);
    pthread_mutex_unlock (&s_mutex);
    return rc;
}

void zb_epoll_hold (int descriptor, bool held)
{
    pthread_mutex_lock (&s_mutex);
    s_watch[descriptor].held = held;
    if (s_watch[descriptor].state == READ)
        s_control (s_watch[descriptor].epoll, EPOLL_CTL_MOD, descriptor, &s_watch[descriptor].event);
    pthread_mutex_unlock (&s_mutex);
}

int epoll_wait (int epoll, struct epoll_event *events, int most, int timeout)
{
    int count = epoll_pwait (epoll, events, most, timeout, NULL);
    //  The end beside data is reported as two events: the first one may fill the pipe, the second one is 2.
    for (int index = 0; index < count; index++)
        if (events[index].events & EPOLLIN)
            events[index].events &= ~(uint32_t) (EPOLLERR | EPOLLHUP);
    return count;
}
