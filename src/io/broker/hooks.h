/*  =========================================================================
    hooks - commands that are run when something has happened

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    To move an address, change a name's entry, wake somebody.  A command is run by a thread of its
    own, for which nobody waits, one at a time, and is ended after a limit.  If more happens while
    one runs, the newest comes next, and what was between is left out: a command is about what is
    so now.
*/

#ifndef ZB_HOOKS_H_INCLUDED
#define ZB_HOOKS_H_INCLUDED

#include "core/pair/role.h"
#include "io/base/config.h"

typedef struct zb_hooks zb_hooks_t;

//  Starts the thread.  The config outlives it.  Returns NULL and errno if there is no thread to be had.
zb_hooks_t *zb_hooks_new (const zb_config_t *config);
//  A command that runs is left alone, and its end is not looked at any more.
void zb_hooks_destroy (zb_hooks_t **self_p);
//  The role may have changed; `line` says what it is.  Runs hooks/role if it has, or if this is the first time.  The
//  environment has ZBROKER_EVENT (role), ZBROKER_NODE, ZBROKER_ROLE, ZBROKER_ROLE_BEFORE (empty the first time), ZBROKER_EPOCH,
//  ZBROKER_ENDPOINT and ZBROKER_TEXT, the line.  Never waits.  Thread: one.
void zb_hooks_role (zb_hooks_t *self, const zb_role_t *role, const char *line);

#endif
