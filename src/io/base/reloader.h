/*  =========================================================================
    reloader - reads the configuration again when the process is told to

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    SIGHUP is for a thread of its own, so that nobody who serves waits for the file.  What it has
    read is kept until it is taken; a later one takes its place.
*/

#ifndef ZB_RELOADER_H_INCLUDED
#define ZB_RELOADER_H_INCLUDED

#include "io/base/config.h"

typedef struct zb_reloader zb_reloader_t;

//  Reads it, finished; NULL and *error, to be freed, if it is wrong.  Thread: the reloader's.
typedef zb_config_t *(zb_reload_fn) (const void *context, char **error);

//  From now on SIGHUP does not end this process.  Call it while there is one thread, and new ones inherit that.
void zb_reloader_block (void);
//  Starts the thread; after zb_reloader_block.  The context outlives it.  What is wrong goes to the log.  Returns NULL and
//  errno if there is no thread to be had.
zb_reloader_t *zb_reloader_new (zb_reload_fn *load, const void *context);
void zb_reloader_destroy (zb_reloader_t **self_p);
//  What was read and not taken yet, the caller's from now on; NULL if nothing was.  Never waits.  Thread: any.
zb_config_t *zb_reloader_take (zb_reloader_t *self);

#endif
