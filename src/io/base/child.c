/*  =========================================================================
    child - an operator's command, run in a process of its own

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <czmq.h>

#include "io/base/child.h"

//  Ours are blocked in some threads, and SIGPIPE is ignored.
static void s_signals (posix_spawnattr_t *attributes)
{
    sigset_t none, ours;
    sigemptyset (&none);
    sigemptyset (&ours);
    sigaddset (&ours, SIGPIPE);
    posix_spawnattr_setsigmask (attributes, &none);
    posix_spawnattr_setsigdefault (attributes, &ours);
}

static int s_spawn (pid_t *child, const char *command, char **environment)
{
    //  What it prints is for the log; standard output is for those who watch the broker.
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init (&actions);
    posix_spawn_file_actions_addopen (&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2 (&actions, STDERR_FILENO, STDOUT_FILENO);
    posix_spawnattr_t attributes;
    posix_spawnattr_init (&attributes);
    s_signals (&attributes);
    //  A group of its own, so that what it starts ends with it.
    posix_spawnattr_setpgroup (&attributes, 0);
    posix_spawnattr_setflags (&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    char sh[] = "sh", flag[] = "-c";
    char *const arguments[] = {sh, flag, (char *) (uintptr_t) command, NULL};
    int rc = posix_spawn (child, "/bin/sh", &actions, &attributes, arguments, environment);
    posix_spawn_file_actions_destroy (&actions);
    posix_spawnattr_destroy (&attributes);
    return rc;
}

pid_t zb_child_start (const char *command, const char *const variables[][2], size_t count)
{
    extern char **environ;
    size_t inherited = 0;
    while (environ[inherited])
        inherited++;
    char **environment = zmalloc ((count + inherited + 1) * sizeof (char *));
    for (size_t index = 0; index < count; index++)
        environment[index] = zsys_sprintf ("%s=%s", variables[index][0], variables[index][1]);
    memcpy (environment + count, environ, inherited * sizeof (char *));
    pid_t child;
    int rc = s_spawn (&child, command, environment);
    for (size_t index = 0; index < count; index++)
        freen (environment[index]);
    freen (environment);
    errno = rc;
    return rc ? -1 : child;
}

bool zb_child_done (pid_t pid, char **error)
{
    int status;
    *error = NULL;
    pid_t ended = waitpid (pid, &status, WNOHANG);
    if (ended == 0)
        return false;
    if (ended != pid)
        *error = zsys_sprintf ("it can't be waited for: %s", strerror (errno));
    else if (WIFSIGNALED (status))
        *error = zsys_sprintf ("it was ended by signal %d", WTERMSIG (status));
    else if (WEXITSTATUS (status))
        *error = zsys_sprintf ("it ended with %d", WEXITSTATUS (status));
    return true;
}

void zb_child_kill (pid_t pid)
{
    kill (-pid, SIGKILL);
    waitpid (pid, NULL, 0);
}
