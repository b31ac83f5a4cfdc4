/*  =========================================================================
    moment - errors of the moment: what the system refuses now, and would give later

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "core/base/limits.h"
#include "io/base/exit_codes.h"
#include "io/store/moment.h"

#define MEMORY_TRIED (1 << 20) //  bytes: whoever can't get these has none

bool zb_moment_is (int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM || error == EAGAIN;
}

int zb_moment_code (int error)
{
    if (zb_moment_is (error))
        return ZB_EXIT_MOMENT;
    switch (error) {
    case EACCES:
    case EPERM:
    case EROFS:
    case ELOOP:
    case ENOTDIR:
    case ENAMETOOLONG:
        return ZB_EXIT_USAGE;
    default:
        return ZB_EXIT_STORE;
    }
}

static unsigned long s_limit (int which)
{
    struct rlimit limit;
    return getrlimit (which, &limit) == 0 ? (unsigned long) limit.rlim_cur : 0;
}

const char *zb_moment_text (int error)
{
    static __thread char text[320];
    const char *word = strerror (error);
    if (error == EMFILE)
        snprintf (text, sizeof text,
                  "%s: this process may have %lu; raise the limit of open files (ulimit -n, LimitNOFILE= of a unit)",
                  word, s_limit (RLIMIT_NOFILE));
    else if (error == ENFILE)
        snprintf (text, sizeof text, "%s: raise the system's limit (sysctl fs.file-max)", word);
    else if (error == ENOMEM)
        snprintf (text, sizeof text,
                  "%s: give this process more memory, or raise its limit (ulimit -v, MemoryMax= of a unit)", word);
    else if (error == EAGAIN)
        snprintf (text, sizeof text, "%s: raise the limit of threads and processes (ulimit -u, TasksMax= of a unit)",
                  word);
    else
        snprintf (text, sizeof text, "%s", word);
    return text;
}

//  ---------------------------------------------------------------------------
//  Before the start

static void *s_wait (void *arg)
{
    pthread_mutex_lock (arg);
    pthread_mutex_unlock (arg);
    return NULL;
}

//  Returns 0, or the error of the first of these threads that the system refused.
static int s_try_threads (void)
{
    pthread_mutex_t hold = PTHREAD_MUTEX_INITIALIZER;
    pthread_t thread[ZB_THREADS_LEAST];
    int count = 0, rc = 0;
    pthread_mutex_lock (&hold);
    while (count < ZB_THREADS_LEAST && (rc = pthread_create (&thread[count], NULL, s_wait, &hold)) == 0)
        count++;
    pthread_mutex_unlock (&hold);
    while (count)
        pthread_join (thread[--count], NULL);
    return rc;
}

char *zb_moment_lacks (void)
{
    unsigned long files = s_limit (RLIMIT_NOFILE);
    if (files < ZB_FILES_LEAST)
        return zsys_sprintf ("this process may have %lu open files, and a broker needs %d at least: raise the limit "
                             "(ulimit -n, LimitNOFILE= of a unit)",
                             files, ZB_FILES_LEAST);
    int error = s_try_threads ();
    return error ? zsys_sprintf ("a broker needs %d threads: %s", ZB_THREADS_LEAST, zb_moment_text (error)) : NULL;
}

//  ---------------------------------------------------------------------------
//  Assertions

static char s_no_file[400], s_no_memory[400];

//  Nothing in here but what a signal handler may do.
static void s_last_words (const char *text)
{
    struct pollfd log = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll (&log, 1, 0) == 1 && (log.revents & POLLOUT)) {
        ssize_t rc = write (STDERR_FILENO, text, strlen (text));
        (void) rc;
    }
    _exit (ZB_EXIT_MOMENT);
}

static void s_aborted (int number)
{
    (void) number;
    int fd = open ("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE))
        s_last_words (s_no_file);
    if (fd >= 0)
        close (fd);
    if (mmap (NULL, MEMORY_TRIED, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
        s_last_words (s_no_memory);
    //  An error of ours: abort goes on and ends the process.
}

void zb_moment_watch (void)
{
    snprintf (s_no_file, sizeof s_no_file, "zbroker: %s. The store is as it was: start again\n",
              zb_moment_text (EMFILE));
    snprintf (s_no_memory, sizeof s_no_memory, "zbroker: %s. The store is as it was: start again\n",
              zb_moment_text (ENOMEM));
    struct sigaction action = {.sa_handler = s_aborted, .sa_flags = SA_RESETHAND};
    sigaction (SIGABRT, &action, NULL);
}
