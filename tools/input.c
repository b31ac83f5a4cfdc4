/*  =========================================================================
    input - the messages that a command is given

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "input.h"

#define READ_MIN 65536 //  bytes of room for each read

struct input {
    const tool_t *tool;
    size_t argument; //  the next one
    size_t cursor;   //  of the files
    bool stream;     //  standard input
    char mark;       //  ends a message of the stream
    bool ended;      //  nothing more is read from it
    bool stopped;    //  by a signal
    int64_t left;    //  stopped: bytes that had come

    char *data;
    size_t room;
    size_t begin;   //  of the next message
    size_t scanned; //  there is no mark between begin and here
    size_t end;
};

//  What handlers leave behind; the pipe wakes a poll.
static volatile sig_atomic_t s_signal;
static int s_pipe[2];

static void s_caught (int number)
{
    int error = errno;
    s_signal = number;
    ssize_t written = write (s_pipe[1], "", 1);
    (void) written;
    errno = error;
}

input_t *input_new (const tool_t *tool, size_t first)
{
    input_t *self = (input_t *) calloc (1, sizeof *self);
    assert (self);
    size_t cursor = 0;
    self->tool = tool;
    self->argument = first;
    self->stream = tool->size <= first && !tool_next (tool, "file", &cursor);
    self->mark = tool_option (tool, "null") ? 0 : '\n';
    s_signal = 0;
    int rc = pipe (s_pipe);
    assert (rc == 0);
    fcntl (s_pipe[1], F_SETFL, O_NONBLOCK);
    //  Only once: the second one ends the process, whatever it waits for.
    struct sigaction action = {.sa_handler = s_caught, .sa_flags = (int) SA_RESETHAND};
    sigaction (SIGTERM, &action, NULL);
    sigaction (SIGINT, &action, NULL);
    return self;
}

void input_destroy (input_t **self_p)
{
    if (*self_p) {
        signal (SIGTERM, SIG_DFL);
        signal (SIGINT, SIG_DFL);
        close (s_pipe[0]);
        close (s_pipe[1]);
        free ((*self_p)->data);
        free (*self_p);
        *self_p = NULL;
    }
}

int input_signal (const input_t *self)
{
    (void) self;
    return s_signal;
}

static input_event_t s_fail (const input_t *self, const char *what)
{
    tool_fail (self->tool, TOOL_FAILED, "%s: %s", what, strerror (errno));
    return INPUT_FAILED;
}

//  Makes room and reads at most `most` bytes behind what is there.  As read.
static ssize_t s_read (input_t *self, int file, size_t most)
{
    if (self->begin > 0) {
        memmove (self->data, self->data + self->begin, self->end - self->begin);
        self->end -= self->begin;
        self->scanned -= self->begin;
        self->begin = 0;
    }
    if (self->room - self->end < READ_MIN) {
        size_t room = self->room ? 2 * self->room : 2 * READ_MIN;
        char *data = (char *) realloc (self->data, room);
        if (!data || self->end > INPUT_MESSAGE_MAX) {
            self->data = data ? data : self->data;
            errno = EMSGSIZE;
            return -1;
        }
        self->data = data;
        self->room = room;
    }
    size_t size = self->room - self->end;
    ssize_t got = read (file, self->data + self->end, size < most ? size : most);
    if (got > 0)
        self->end += (size_t) got;
    return got;
}

//  A message that is a file.
static input_event_t s_file (input_t *self, const char *name, const char **data, size_t *size)
{
    int file = open (name, O_RDONLY | O_CLOEXEC);
    if (file == -1)
        return s_fail (self, name);
    self->begin = self->end = self->scanned = 0;
    ssize_t got;
    do
        got = s_read (self, file, READ_MIN);
    while (got > 0 || (got == -1 && errno == EINTR));
    input_event_t event = got == 0 ? INPUT_MESSAGE : s_fail (self, name);
    close (file);
    *data = self->data;
    *size = self->end;
    return event;
}

//  Takes a message off what was read of the stream.  Returns false if its end is not there.
static bool s_cut (input_t *self, const char **data, size_t *size)
{
    if (self->begin == self->end)
        return false;
    const char *mark = (const char *) memchr (self->data + self->scanned, self->mark, self->end - self->scanned);
    if (!mark) {
        self->scanned = self->end;
        return false;
    }
    *data = self->data + self->begin;
    *size = (size_t) (mark - *data);
    self->begin = self->scanned = self->begin + *size + 1;
    return true;
}

//  A signal has come: what is on its way to us has come, too; a file has its rest for another time.
static void s_stop (input_t *self)
{
    struct stat stat;
    int left = 0;
    self->stopped = true;
    if (fstat (STDIN_FILENO, &stat) == 0 && !S_ISREG (stat.st_mode) && ioctl (STDIN_FILENO, FIONREAD, &left) == 0)
        self->left = left;
}

//  The stream's last message, if it has no mark at its end.
static input_event_t s_last (input_t *self, const char **data, size_t *size)
{
    self->ended = true;
    *data = self->data + self->begin;
    *size = self->end - self->begin;
    self->begin = self->scanned = self->end;
    if (*size == 0)
        return INPUT_END;
    if (!self->stopped)
        return INPUT_MESSAGE;
    tool_fail (self->tool, TOOL_OK, "the last %zu bytes are no whole message and are not stored", *size);
    return INPUT_END;
}

static input_event_t s_stream (input_t *self, int wait, const char **data, size_t *size)
{
    while (!s_cut (self, data, size)) {
        if (s_signal && !self->stopped)
            s_stop (self);
        if (self->ended)
            return INPUT_END;
        if (self->stopped && self->left == 0)
            return s_last (self, data, size);
        struct pollfd items[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = s_pipe[0], .events = POLLIN}};
        int ready = poll (items, self->stopped ? 1 : 2, self->stopped ? 0 : wait);
        if (ready == 0 && !self->stopped)
            return INPUT_PAUSE;
        if (ready <= 0 || !items[0].revents) {
            self->left = 0;
            continue;
        }
        if (items[1].revents && !self->stopped)
            continue;
        ssize_t got = s_read (self, STDIN_FILENO, self->stopped ? (size_t) self->left : SIZE_MAX);
        if (got == 0)
            return s_last (self, data, size);
        if (got > 0 && self->stopped)
            self->left -= got;
        if (got == -1 && errno != EINTR && errno != EAGAIN)
            return s_fail (self, "standard input");
    }
    return INPUT_MESSAGE;
}

input_event_t input_next (input_t *self, int wait, const char **data, size_t *size)
{
    if (self->stream)
        return s_stream (self, wait, data, size);
    if (self->argument < self->tool->size) {
        *data = self->tool->arguments[self->argument++];
        *size = strlen (*data);
        return INPUT_MESSAGE;
    }
    const char *name = tool_next (self->tool, "file", &self->cursor);
    return name ? s_file (self, name, data, size) : INPUT_END;
}
