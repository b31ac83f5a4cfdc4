/*  =========================================================================
    fake_store - a pair's tables in memory, for tests of what stands on them

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Behaves as the store does: batches and reads are executed in the order in which
    they were given; a read sees all batches before it.  What is durable here and on
    the peer is the test's to say: the two watermarks move when it moves them, and
    a takeover or a restart loses what was not durable there, or here.
*/

#ifndef FAKE_STORE_H_INCLUDED
#define FAKE_STORE_H_INCLUDED

#include "core/base/batch.h"

typedef struct fake_store fake_store_t;

fake_store_t *fake_store_new (void);
void fake_store_destroy (fake_store_t **self_p);

//  Executes a batch; takes ownership.
void fake_store_commit (fake_store_t *self, zb_batch_t *batch);
//  Executes a read, which stays the caller's.
void fake_store_read (fake_store_t *self, zb_read_t *read);
//  Number of the last commit executed, durable here, durable on the peer.
uint64_t fake_store_newest (const fake_store_t *self);
uint64_t fake_store_here (const fake_store_t *self);
uint64_t fake_store_there (const fake_store_t *self);
//  Moves a watermark up to this commit, at most to the newest one.  What is durable there is durable here.
void fake_store_sync_here (fake_store_t *self, uint64_t commit);
void fake_store_sync_there (fake_store_t *self, uint64_t commit);
//  The peer leads: what it has not synced is lost.  A peer that has everything stands behind it again.
void fake_store_takeover (fake_store_t *self);
//  This broker is back: what it had not synced is lost.
void fake_store_restart (fake_store_t *self);

//  Number of rows of a table; the value of a row, NULL if there is none.
size_t fake_store_rows (const fake_store_t *self, zb_table_t table);
const void *fake_store_get (const fake_store_t *self, zb_table_t table, const void *key, size_t key_size, size_t *size);
//  Overwrites a row, to see what comes of a damaged one.
void fake_store_put (fake_store_t *self, zb_table_t table, const void *key, size_t key_size, const void *value,
                     size_t size);
//  Key of a row by its index in the table.
const void *fake_store_key (const fake_store_t *self, zb_table_t table, size_t index, size_t *size);

#endif
