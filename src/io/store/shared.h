/*  =========================================================================
    shared - what a folder must offer for a store that two machines share

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The lock is all that keeps two machines from opening one store, so it is tried
    before it is trusted: on two descriptors, and in two processes.  Whether it reaches
    the other *machine* can't be tried from here; what the mount's options tell of that
    is looked at, and the rest the two brokers find out when they hear each other
    (core/pair/role).

    What a lock can't do on a network file system is stop writes: a process that was
    stopped and goes on may still have some under way when another machine has the lock.
    There a fence is asked for: a command that makes sure that the last holder's machine
    writes no more.
*/

#ifndef ZB_SHARED_H_INCLUDED
#define ZB_SHARED_H_INCLUDED

#include <sys/types.h>

#include "io/store/lock.h"

typedef enum {
    ZB_FS_LOCAL,   //  one machine at a time: a lock's end is its process's end
    ZB_FS_CLUSTER, //  a lock manager that fences: a lock moves when its machine is out
    ZB_FS_NETWORK  //  a lease: a lock may move while its holder is only silent
} zb_fs_class_t;

typedef struct {
    char type[32];     //  as in /proc/self/mountinfo; "?" if unknown
    char options[256]; //  of the mount and of the file system, with commas
    zb_fs_class_t kind;
    const char *unfit; //  why it can't hold a shared store; NULL if it may
} zb_fs_t;

//  What the folder lies on.  Returns 0, or -1 with errno.
int zb_fs_look (zb_fs_t *self, const char *dir);
//  Fills in class and verdict from type and options.
void zb_fs_judge (zb_fs_t *self);
const char *zb_fs_class_name (zb_fs_class_t kind);

//  Tries the lock in this folder, on a file of its own: two descriptors of one process, two processes, and that it goes
//  when its holder goes.  Returns NULL if it does what it should, else a text, to be freed by the caller.
char *zb_shared_probe (const char *dir);

//  Whether a name from a lock's file may be told to the fence: one of letters, digits, dots and dashes that does not begin
//  with a dash; and if the pair's endpoints name both machines, one of these two, by its whole name or its first part.
//  Returns NULL, or why not.
const char *zb_fence_refuses (const char *host, const char *const endpoint[2]);

//  Starts the fence's command with `sh -c`, for the holder in whose place we step; its environment has ZBROKER_HOST,
//  ZBROKER_BOOT, ZBROKER_PID and ZBROKER_EPOCH of that one, and ZBROKER_STORE, the folder.  Returns the process, or -1.
pid_t zb_fence_start (const char *command, const zb_holder_t *holder, const char *dir);
//  Whether it has ended: then *error is NULL if it went well, else a text, to be freed by the caller.
bool zb_fence_done (pid_t pid, char **error);
//  Ends it.
void zb_fence_kill (pid_t pid);

#endif
