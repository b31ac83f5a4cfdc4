/*  =========================================================================
    moment - errors of the moment: what the system refuses now, and would give later

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    No descriptor, no memory, no thread: that says nothing of what is on the disk.  A
    process that can't go on without ends with ZB_EXIT_MOMENT, and names the limit.

    Thread: any.
*/

#ifndef ZB_MOMENT_H_INCLUDED
#define ZB_MOMENT_H_INCLUDED

#include <stdbool.h>

//  Whether an error of the system is one of the moment.
bool zb_moment_is (int error);
//  The exit code of a broker that can't go on because of this error: ZB_EXIT_MOMENT; ZB_EXIT_USAGE for what this user
//  is not allowed to do, which no restart mends; else ZB_EXIT_STORE.
int zb_moment_code (int error);
//  Words for any error; those for one of the moment name the limit and how to raise it.  Valid until the thread's next
//  call.
const char *zb_moment_text (int error);

//  Looks whether this process may have the descriptors and threads that a broker needs at least.  Returns NULL, or a
//  text, to be freed by the caller.
char *zb_moment_lacks (void);
//  libzmq and CZMQ assert that they get what they ask the system for.  From now on such an assertion ends the process with
//  ZB_EXIT_MOMENT if the system has nothing to give at that time; any other one ends it as ever.
void zb_moment_watch (void);

#endif
