/*  =========================================================================
    home - the store's folder: its lock, and the environments in it

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

      DIR/LOCK     exclusive lock of the process that uses the store (io/store/lock.h)
      DIR/node     the node's own file (io/store/node.h)
      DIR/env.N/   environments; the node's file names the one that counts, and one that is
                   being filled: that is deleted at the next start
      DIR/damaged.N/  environments that were put aside

    The lock (io/store/lock.h) is taken before anything is opened, since recovery would destroy
    an environment that is in use.  Of a shared store it is taken by whoever leads, later.
    Thread: the store's.
*/

#ifndef ZB_HOME_H_INCLUDED
#define ZB_HOME_H_INCLUDED

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/store/lock.h"

typedef struct zb_home zb_home_t;

//  Makes the folder and the lock's file if they are absent, and takes the lock, but not of a shared store.  Returns NULL
//  on failure: *error is a text, to be freed by the caller, *code an exit code of the broker.
zb_home_t *zb_home_new (const char *dir, zb_kind_t kind, char **error, int *code);
void zb_home_destroy (zb_home_t **self_p);
//  Whether there has been a store in it: the node's file names one, or can't be read.
bool zb_home_used (const char *dir);
//  Whether there are tables in one of its environments.
bool zb_home_holds_tables (const char *dir);
zb_lock_t *zb_home_lock (zb_home_t *self);

//  Name of environment N; valid until the next call.
const char *zb_home_env (zb_home_t *self, uint64_t number);
//  Makes the folder of environment N, which is not there yet.  Returns -1 and errno on failure.
int zb_home_make (zb_home_t *self, uint64_t number);
//  Deletes the environments before `keep`, and `filling` (or all but `keep`, if that is ZB_FILLING_ANY).  Any other one
//  is none of ours: it stays, and the log says so.
void zb_home_purge (zb_home_t *self, uint64_t keep, uint64_t filling);
//  The highest number of an environment that is there, 0 if there is none.  Returns -1 and errno if that can't be told.
int zb_home_newest (const char *dir, uint64_t *newest);
//  Bytes that are left on the disk for us; UINT64_MAX if that is unknown.
uint64_t zb_home_space (const zb_home_t *self);
//  Bytes of the files of environment N.
uint64_t zb_home_size (zb_home_t *self, uint64_t number);
//  Writes all files of environment N again as they are, and syncs them, so that the disk holds what the page cache shows.
//  Nobody may have it open.  Returns their bytes; -1 and errno if any of it fails.
int64_t zb_home_rewrite (zb_home_t *self, uint64_t number);
//  Whether environment N is there.
bool zb_home_has (zb_home_t *self, uint64_t number);
//  Renames environment N to DIR/damaged.1 (or .2, ...), where it is left alone; the folder is not synced.  Returns that
//  path, to be freed; NULL and errno if it could not: then nothing has changed.
char *zb_home_set_aside (zb_home_t *self, uint64_t number);

#endif
