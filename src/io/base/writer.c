/*  =========================================================================
    writer - lines for a descriptor, written by a thread of its own

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "io/base/thread.h"
#include "io/base/writer.h"

#define NOTICE_MAX 512

struct zb_writer {
    int fd;
    zb_writer_notice_fn *notice;
    pthread_t thread;
    pthread_mutex_t guard;  //  of all below
    pthread_cond_t come;    //  a line, or the end
    pthread_cond_t written; //  nothing is left
    char **line;            //  a ring of `most`
    size_t most, first, size;
    bool writing; //  one that has left the ring
    bool ends;
    uint64_t dropped;
};

//  Writes it all; false if nobody reads it any more.
static bool s_write (int fd, const char *text, size_t size)
{
    while (size) {
        ssize_t rc = write (fd, text, size);
        if (rc >= 0) {
            text += rc;
            size -= (size_t) rc;
        }
        else if (errno == EAGAIN)
            //  Somebody else has made the descriptor one that does not wait.
            poll (&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
        else if (errno != EINTR)
            return false;
    }
    return true;
}

//  Tells the reader what it has missed.
static void s_tell (zb_writer_t *self)
{
    char line[NOTICE_MAX];
    uint64_t dropped = zb_writer_dropped (self);
    if (!dropped)
        return;
    self->notice (line, sizeof line, dropped);
    s_write (self->fd, line, strlen (line));
}

static void *s_run (void *arg)
{
    zb_writer_t *self = arg;
    pthread_mutex_lock (&self->guard);
    for (;;) {
        while (!self->size && !self->ends)
            pthread_cond_wait (&self->come, &self->guard);
        if (!self->size)
            break;
        char *line = self->line[self->first];
        self->first = (self->first + 1) % self->most;
        self->size--;
        self->writing = true;
        pthread_mutex_unlock (&self->guard);
        bool done = s_write (self->fd, line, strlen (line));
        free (line);
        if (done && self->notice)
            s_tell (self);
        pthread_mutex_lock (&self->guard);
        self->writing = false;
        self->dropped += !done;
        if (!self->size)
            pthread_cond_broadcast (&self->written);
    }
    pthread_mutex_unlock (&self->guard);
    return NULL;
}

zb_writer_t *zb_writer_new (int fd, size_t most, zb_writer_notice_fn *notice)
{
    zb_writer_t *self = (zb_writer_t *) calloc (1, sizeof *self);
    assert (self && most);
    self->fd = fd;
    self->notice = notice;
    self->most = most;
    self->line = (char **) calloc (most, sizeof *self->line);
    assert (self->line);
    signal (SIGPIPE, SIG_IGN);
    pthread_mutex_init (&self->guard, NULL);
    pthread_cond_init (&self->come, NULL);
    zb_thread_cond (&self->written);
    int rc = zb_thread_start (&self->thread, s_run, self);
    if (rc == 0)
        return self;
    free (self->line);
    free (self);
    errno = rc;
    return NULL;
}

void zb_writer_put (zb_writer_t *self, const char *line)
{
    size_t size = strlen (line);
    char *copy = (char *) malloc (size + 2);
    assert (copy);
    memcpy (copy, line, size);
    strcpy (copy + size, "\n");
    pthread_mutex_lock (&self->guard);
    if (self->size < self->most) {
        self->line[(self->first + self->size++) % self->most] = copy;
        pthread_cond_signal (&self->come);
        copy = NULL;
    }
    else
        self->dropped++;
    pthread_mutex_unlock (&self->guard);
    free (copy);
}

void zb_writer_flush (zb_writer_t *self, int64_t ms)
{
    struct timespec end;
    clock_gettime (CLOCK_MONOTONIC, &end);
    end.tv_sec += (time_t) (ms / 1000);
    end.tv_nsec += (long) (ms % 1000) * 1000000;
    if (end.tv_nsec >= 1000000000) {
        end.tv_sec++;
        end.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock (&self->guard);
    int rc = 0;
    while ((self->size || self->writing) && rc == 0)
        rc = pthread_cond_timedwait (&self->written, &self->guard, &end);
    pthread_mutex_unlock (&self->guard);
}

uint64_t zb_writer_dropped (zb_writer_t *self)
{
    pthread_mutex_lock (&self->guard);
    uint64_t dropped = self->dropped;
    self->dropped = 0;
    pthread_mutex_unlock (&self->guard);
    return dropped;
}

void zb_writer_destroy (zb_writer_t **self_p, int64_t ms)
{
    assert (self_p);
    zb_writer_t *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    zb_writer_flush (self, ms);
    pthread_mutex_lock (&self->guard);
    bool stuck = self->size || self->writing;
    self->ends = true;
    pthread_cond_signal (&self->come);
    pthread_mutex_unlock (&self->guard);
    if (stuck) {
        pthread_detach (self->thread);
        return;
    }
    pthread_join (self->thread, NULL);
    pthread_cond_destroy (&self->written);
    pthread_cond_destroy (&self->come);
    pthread_mutex_destroy (&self->guard);
    free (self->line);
    free (self);
}
