/*  =========================================================================
    batch - what one commit writes, and what one read brings: plain values

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The engine fills batches and reads, the store executes them.  The store knows
    tables, keys and values, and nothing of what they mean; the engine knows
    nothing of how they are kept.  A batch is one transaction of the store.

    Ownership: whoever made a batch or a read owns it and destroys it.  While the
    store works on one (from the send until its event comes back) nobody else
    touches it.  A row is shared by reference count; only the thread that runs the
    engine changes the count.
*/

#ifndef ZB_BATCH_H_INCLUDED
#define ZB_BATCH_H_INCLUDED

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

//  The tables of the store.  The numbers are in no file; the names are.
typedef enum { ZB_META, ZB_QUEUES, ZB_LOG, ZB_CURSORS, ZB_ACKS, ZB_PRODUCERS, ZB_TABLES } zb_table_t;

//  A value that is shared between a batch, a queue's window and replies.
typedef struct {
    uint32_t refs;
    uint32_t size;     //  bytes used
    uint32_t room;     //  bytes allocated
    uint8_t data[];
} zb_row_t;

//  Returns a row of no bytes with `room` bytes to fill and one reference.
zb_row_t *zb_row_new (size_t room);
//  Takes one more reference; returns the row.
zb_row_t *zb_row_ref (zb_row_t *self);
//  Gives one reference back, the last one frees; sets the pointer to NULL.
void zb_row_unref (zb_row_t **self_p);

//  One change of one row.  Key and value are borrowed from the batch, until its next put or erase.
typedef struct {
    zb_table_t table;
    bool erase;        //  erase the key (that it is absent is no error), else put
    bool brief;        //  a put: it will be erased soon
    uint16_t key_size;
    uint32_t value_size;
    const void *key;
    const void *value;
} zb_op_t;

typedef struct zb_batch zb_batch_t;

zb_batch_t *zb_batch_new (void);
void zb_batch_destroy (zb_batch_t **self_p);
//  Appends a put; key (1..ZB_KEY_MAX bytes) and value are copied.  Keys and values lie in one arena: an operation
//  costs no allocation of its own.
void zb_batch_put (zb_batch_t *self, zb_table_t table, const void *key, size_t key_size, const void *value,
                   size_t value_size);
//  Appends a put whose value is the row's data as they are now; takes a reference until the batch is destroyed.
//  More bytes may be appended to the row meanwhile, those that are there must not change.
void zb_batch_put_row (zb_batch_t *self, zb_table_t table, const void *key, size_t key_size, zb_row_t *row);
//  The same for a row that will be erased soon: the store may write its value in a way that is good for that.
void zb_batch_put_brief (zb_batch_t *self, zb_table_t table, const void *key, size_t key_size, zb_row_t *row);
//  Appends an erase; the key is copied.
void zb_batch_erase (zb_batch_t *self, zb_table_t table, const void *key, size_t key_size);
//  Number of operations, and the operation at index < size, in the order of appending.
size_t zb_batch_size (const zb_batch_t *self);
zb_op_t zb_batch_op (const zb_batch_t *self, size_t index);
//  The commit number: set once by the engine, each one more than the last; 0 until then.
void zb_batch_set_commit (zb_batch_t *self, uint64_t commit);
uint64_t zb_batch_commit (const zb_batch_t *self);

//  One range of a read: rows of `table` with keys from `from` (inclusive, memcmp order) that begin with the
//  first `prefix` bytes of it, at most `rows` of them, and no further row once `bytes` of values were read.
#define ZB_KEY_MAX 272           //  bytes of a key: a name and what follows it
typedef struct {
    zb_table_t table;
    uint16_t key_size;
    uint16_t prefix;
    uint8_t key[ZB_KEY_MAX];
    size_t rows;
    size_t bytes;
} zb_range_t;

//  One row that a read found.
typedef struct {
    uint16_t key_size;
    uint8_t key[ZB_KEY_MAX];
    zb_row_t *row;     //  one reference, the read's
} zb_found_t;

#define ZB_READ_RANGES 16 //  ranges of one read
typedef struct {
    int purpose;       //  the engine's
    uint64_t tag;      //  the engine's
    size_t ranges;
    zb_range_t range[ZB_READ_RANGES];
    //  Filled by the store: for each range the rows found, in key order, and whether the range has more.
    zb_found_t *found[ZB_READ_RANGES];
    size_t count[ZB_READ_RANGES];
    bool more[ZB_READ_RANGES];
} zb_read_t;

zb_read_t *zb_read_new (int purpose, uint64_t tag);
//  Gives back the rows that are still in it.
void zb_read_destroy (zb_read_t **self_p);
//  Adds a range; returns its index.
size_t zb_read_add (zb_read_t *self, zb_table_t table, const void *key, size_t key_size, size_t prefix, size_t rows,
                    size_t bytes);
//  For the store: appends a found row with a copy of key and value.
void zb_read_found (zb_read_t *self, size_t range, const void *key, size_t key_size, const void *value,
                    size_t value_size);

#endif
