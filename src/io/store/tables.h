/*  =========================================================================
    tables - the store's tables: batches go in, ranges come out

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Each table of core/base/batch.h is a B-tree in a file of its own, `table.meta` and so on,
    with 16 KB pages and checksums, keys in memcmp order.  A value above a quarter of
    a page lies on pages of its own: a batch row of many messages costs little more
    in the log than its bytes.  Its erase logs them once more, for a client may have to
    take it back; freed pages are used again, so a file grows with the backlog and not
    with what has passed.  What will be erased soon is spared that: its value is in the log
    alone, and comes into the table when it was not (brief.h).

    Handles die when a client rolls back or is resynced, and Berkeley DB notices that
    only a second later.  So tables are closed before such a thing can begin and are
    opened after it.  Thread and errors: as zb_env_t, which records the faults.
*/

#ifndef ZB_TABLES_H_INCLUDED
#define ZB_TABLES_H_INCLUDED

#include "core/base/batch.h"
#include "io/store/env.h"

typedef struct zb_tables zb_tables_t;

zb_tables_t *zb_tables_new (void);
//  Must be closed, unless the environment has a fault.
void zb_tables_destroy (zb_tables_t **self_p);

//  Opens all tables.  `create` makes those that are absent (a master, or a broker without a pair).  A client's absent
//  tables read as empty.  Returns false on a fault, or if a resync locks them.
bool zb_tables_open (zb_tables_t *self, zb_env_t *env, bool create);
void zb_tables_close (zb_tables_t *self);
bool zb_tables_are_open (const zb_tables_t *self);
//  Whether they are open and none is absent.
bool zb_tables_are_whole (const zb_tables_t *self);

//  Bytes that erased values have left in the files since this process started, and that new ones will take first.
uint64_t zb_tables_spare (const zb_tables_t *self);
//  Executes a batch as one transaction; it is committed, but not yet on the disk.  Returns false on a fault.
bool zb_tables_commit (zb_tables_t *self, const zb_batch_t *batch);
//  Makes a checkpoint as zb_env_checkpoint does, after it has put into the table what an older file of the log than the newest
//  one has alone.  True is not on a fault.
bool zb_tables_checkpoint (zb_tables_t *self, uint32_t kbytes);
//  Puts that into the table, or all that is in the log alone.  Only where batches may be committed.  Returns false on a fault.
bool zb_tables_keep (zb_tables_t *self, bool all);
//  The oldest file of the log that has values which the table has not; UINT32_MAX: none.  0: it can't be told now.
uint32_t zb_tables_needs (zb_tables_t *self);
//  About how many bytes of the disk that may take, at most.
uint64_t zb_tables_owed (zb_tables_t *self);
//  Fills a read.  Returns false on a fault, or if the handles have died: open again, try again.
bool zb_tables_read (zb_tables_t *self, zb_read_t *read);

#endif
