/*  =========================================================================
    copier - copies an environment that is in use, in a thread of its own

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Berkeley DB's hot backup: the tables' files first, page by page whole, then the log from before
    the first page was read up to a place that is synced.  Recovery through all of that log makes of
    it the store as it was at that place, whatever was written meanwhile.  Whole pages come from
    io/store/pages, through which all of them go; a reader that does not know it (another process, a
    file system's copy) would meet pages that are half old, half new.  What the log said
    before it must stay: who owns the environment removes no log file until the copier has COPIED.
    The log's full files are links to the store's, where both are on one file system.

                          zb_copier_end               zb_copier_finish
      TABLES ----> ENDING -------------> LOGS ----> COPIED ----------> FINISHING ----> DONE
         |           |                     |          |                    |
         +-----------+----------+----------+----------+--------------------+
                                v
                             FAILED

    The two steps of the owner's say that what was read is one history: nothing was rolled back meanwhile.
    Nor may it be before the copier is DONE: that would cut the log's files, and the copy has the same.

    Recovery of the copy is for another process (`zbroker backup --finish`): in this one the
    copy's pages would go through the lock that the store's go through, and wait for the copy's syncs
    there; and what Berkeley DB makes of a copy can't end the broker.

    All goes into FOLDER.part, which becomes FOLDER when it is whole and synced (io/store/part.h).

    Thread of the functions: the owner's.
*/

#ifndef ZB_COPIER_H_INCLUDED
#define ZB_COPIER_H_INCLUDED

#include <stdbool.h>
#include <stdint.h>

#include "io/store/env.h"

typedef struct {
    const char *home;   //  the environment's folder
    const char *folder; //  the backup's; absolute, and not there yet
    const char *as;     //  whose it is: "primary", "backup" or "single"
    uint64_t rate;      //  bytes a second; 0 = as fast as the disks are
    uint32_t log;       //  the first file of the log that is needed
} zb_copier_args_t;

typedef enum {
    ZB_COPIER_TABLES,
    ZB_COPIER_ENDING,
    ZB_COPIER_LOGS,
    ZB_COPIER_COPIED,
    ZB_COPIER_FINISHING,
    ZB_COPIER_DONE,
    ZB_COPIER_FAILED
} zb_copier_phase_t;

typedef struct zb_copier zb_copier_t;

//  Copies what it is told and starts.  NULL and errno if there is no thread left.
zb_copier_t *zb_copier_new (const zb_copier_args_t *args);
//  Ends it if it is not done; does not wait for its thread.
void zb_copier_destroy (zb_copier_t **self_p);
//  What it does; `done` bytes so far.
zb_copier_phase_t zb_copier_phase (zb_copier_t *self, uint64_t *done);
//  Why it has FAILED; to be freed by the caller.
char *zb_copier_why (zb_copier_t *self);
//  ENDING: the log is synced up to here, and that is where the copy ends.
void zb_copier_end (zb_copier_t *self, zb_lsn_t end);
//  COPIED: all of that was true to the end.
void zb_copier_finish (zb_copier_t *self);
//  It is FAILED from now on, unless it is done; its thread takes FOLDER.part away.
void zb_copier_stop (zb_copier_t *self, const char *why);

#endif
