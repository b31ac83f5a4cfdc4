/*  =========================================================================
    proxy - a wire that can be cut: a process that passes on what connects to it

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The process is the test's own program, called again: its main hands "proxy LISTENER TARGET" to
    proxy_main.  On any failure the test that is running fails.
*/

#ifndef PROXY_H_INCLUDED
#define PROXY_H_INCLUDED

#include <sys/types.h>

//  Passes on what connects to the port of this machine to another one, the target.  It listens when this returns.
pid_t proxy_new (int port, int target);
//  Cuts all that goes through it.
void proxy_destroy (pid_t *pid);
//  The process: listens on a descriptor that it got, so that nobody has to wait for it.  Returns an exit code.
int proxy_main (int listener, int target);

#endif
