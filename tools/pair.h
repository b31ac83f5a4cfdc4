/*  =========================================================================
    pair - a pair of brokers on loopback, in a scratch folder

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    For commands that show or measure a pair without one at hand.  The brokers are
    this very program, and end with the command, however it ends.  SIGINT and
    SIGTERM are caught from pair_new on: whoever waits asks pair_interrupted.
*/

#ifndef PAIR_H_INCLUDED
#define PAIR_H_INCLUDED

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "tool.h"

#define PAIR_SIZE 2

typedef struct pair pair_t;

//  Makes an empty scratch folder, named after the command, in $TMPDIR or /tmp.  Returns NULL after it has printed what
//  is wrong.
pair_t *pair_new (const tool_t *tool);
//  Kills the brokers and removes the folder; after a failure, `code`, of a pair that was started it is kept, and where
//  is printed.  Returns the code, or that of an interruption.
int pair_destroy (pair_t **self_p, int code);

//  Starts both brokers on free ports and waits until they listen.  Returns an exit code, after it has printed what is
//  wrong.
int pair_start (pair_t *self);
//  The same with keys: all ports take CURVE alone, and there is a principal who may do everything but operate.
//  `more` is what their config files have at the end.
int pair_start_keyed (pair_t *self, const char *more);
//  The file with that principal's key; NULL without keys.
const char *pair_key (const pair_t *self);
//  The config file of the primary; NULL without keys.
const char *pair_config (const pair_t *self);
//  Waits until the active broker says that the other one is in sync with it; `client` is one of this pair's.  Returns
//  as pair_start.
int pair_await_in_step (pair_t *self, zb_client_t *client);
//  Which of the two says that it is active, in *index.  Returns as pair_start.
int pair_active (pair_t *self, zb_client_t *client, size_t *index);
//  Waits, as long as both run, until one says that it is active and the other one has all that it has, whatever happened
//  between them; which, in *index.  Returns as pair_start; an interruption is not printed.
int pair_settle (pair_t *self, zb_client_t *client, size_t *index);
//  Starts a broker that was killed, and waits until it listens.  Returns as pair_start.
int pair_restart (pair_t *self, size_t index);
//  Kills one broker with SIGKILL.
void pair_kill (pair_t *self, size_t index);

//  The list of endpoints for zb_client_new.
const char *pair_brokers (const pair_t *self);
const char *pair_endpoint (const pair_t *self, size_t index);
//  "primary", "backup".
const char *pair_role (const pair_t *self, size_t index);
//  0 if it does not run.
pid_t pair_pid (const pair_t *self, size_t index);
const char *pair_folder (const pair_t *self);

//  Whether SIGINT, SIGTERM or SIGHUP has come.
bool pair_interrupted (void);
//  What was to be done is done: a signal that has come since, or comes now, is too late.
void pair_complete (void);

#define PAIR_PORTS 4 //  that a broker takes from its endpoint's port upwards

//  Finds PAIR_PORTS free ports in a row on 127.0.0.1 for each of `size` (at most PAIR_SIZE) and puts the first of them
//  in `port`.  Returns 0, or -1 if there are none.
int pair_find_ports (int port[], size_t size);

#endif
