/*  =========================================================================
    child - an operator's command, run in a process of its own

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#ifndef ZB_CHILD_H_INCLUDED
#define ZB_CHILD_H_INCLUDED

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

//  Starts a command with `sh -c`.  Its environment is this process's and the variables, {name, value}; what it prints goes
//  to standard error; it has no other descriptor of ours, a group of its own, and signals as a program expects them,
//  whichever thread starts it.  Returns the process, or -1 and errno.
pid_t zb_child_start (const char *command, const char *const variables[][2], size_t count);
//  Whether it has ended: then *error is NULL if it went well, else a text, to be freed by the caller.  Never waits.
bool zb_child_done (pid_t pid, char **error);
//  Ends it, and what it has started.
void zb_child_kill (pid_t pid);

#endif
