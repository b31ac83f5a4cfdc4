/*  =========================================================================
    fake_store - a pair's tables in memory, for tests of what stands on them

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "fake_store.h"

//  A row, shared by the three states of the tables.
typedef struct {
    unsigned refs;
    size_t key_size;
    size_t size;
    uint8_t bytes[]; //  key, value
} s_row_t;

typedef struct {
    s_row_t **row; //  by key
    size_t rows;
    size_t room;
} s_table_t;

typedef struct {
    s_table_t table[ZB_TABLES];
    uint64_t commit;
} s_state_t;

struct fake_store {
    s_state_t newest, here, there;
    zb_batch_t **batch; //  that are not synced there, oldest first
    size_t batches;
    size_t room;
};

static void s_unref (s_row_t *row)
{
    if (--row->refs == 0)
        free (row);
}

static int s_compare (const s_row_t *row, const void *key, size_t size)
{
    int order = memcmp (row->bytes, key, row->key_size < size ? row->key_size : size);
    return order ? order : row->key_size < size ? -1 : row->key_size > size;
}

//  Index of the first row whose key is not less than this one.
static size_t s_find (const s_table_t *table, const void *key, size_t size)
{
    size_t low = 0, high = table->rows;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s_compare (table->row[middle], key, size) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

//  Puts a row (taking a reference), or erases the key if there is none.
static void s_set (s_table_t *table, const void *key, size_t size, s_row_t *row)
{
    size_t at = s_find (table, key, size);
    bool found = at < table->rows && s_compare (table->row[at], key, size) == 0;
    if (row)
        row->refs++;
    if (found)
        s_unref (table->row[at]);
    if (found && row)
        table->row[at] = row;
    else if (found)
        memmove (table->row + at, table->row + at + 1, (--table->rows - at) * sizeof *table->row);
    else if (row) {
        if (table->rows == table->room) {
            table->room = table->room ? table->room * 2 : 16;
            table->row = (s_row_t **) realloc (table->row, table->room * sizeof *table->row);
            assert (table->row);
        }
        memmove (table->row + at + 1, table->row + at, (table->rows++ - at) * sizeof *table->row);
        table->row[at] = row;
    }
}

static s_row_t *s_row (const void *key, size_t key_size, const void *value, size_t size)
{
    s_row_t *row = (s_row_t *) malloc (sizeof (s_row_t) + key_size + size);
    assert (row);
    *row = (s_row_t){.refs = 0, .key_size = key_size, .size = size};
    memcpy (row->bytes, key, key_size);
    if (size)
        memcpy (row->bytes + key_size, value, size);
    return row;
}

static void s_apply (s_state_t *state, const zb_batch_t *batch)
{
    assert (zb_batch_commit (batch) == state->commit + 1);
    for (size_t index = 0; index < zb_batch_size (batch); index++) {
        zb_op_t op = zb_batch_op (batch, index);
        s_set (&state->table[op.table], op.key, op.key_size,
               op.erase ? NULL : s_row (op.key, op.key_size, op.value, op.value_size));
    }
    state->commit++;
}

static void s_clear (s_state_t *state)
{
    for (int table = 0; table < ZB_TABLES; table++) {
        for (size_t index = 0; index < state->table[table].rows; index++)
            s_unref (state->table[table].row[index]);
        free (state->table[table].row);
    }
    memset (state, 0, sizeof *state);
}

static void s_copy (s_state_t *state, const s_state_t *from)
{
    if (state == from)
        return;
    s_clear (state);
    for (int table = 0; table < ZB_TABLES; table++)
        for (size_t index = 0; index < from->table[table].rows; index++) {
            s_row_t *row = from->table[table].row[index];
            s_set (&state->table[table], row->bytes, row->key_size, row);
        }
    state->commit = from->commit;
}

fake_store_t *fake_store_new (void)
{
    fake_store_t *self = (fake_store_t *) calloc (1, sizeof (fake_store_t));
    assert (self);
    return self;
}

static void s_drop (fake_store_t *self, size_t count)
{
    for (size_t index = 0; index < count; index++)
        zb_batch_destroy (&self->batch[index]);
    self->batches -= count;
    if (self->batches)
        memmove (self->batch, self->batch + count, self->batches * sizeof *self->batch);
}

void fake_store_destroy (fake_store_t **self_p)
{
    fake_store_t *self = *self_p;
    if (self) {
        s_drop (self, self->batches);
        s_clear (&self->newest);
        s_clear (&self->here);
        s_clear (&self->there);
        free (self->batch);
        free (self);
        *self_p = NULL;
    }
}

void fake_store_commit (fake_store_t *self, zb_batch_t *batch)
{
    s_apply (&self->newest, batch);
    if (self->batches == self->room) {
        self->room = self->room ? self->room * 2 : 16;
        self->batch = (zb_batch_t **) realloc (self->batch, self->room * sizeof *self->batch);
        assert (self->batch);
    }
    self->batch[self->batches++] = batch;
}

static void s_sync (fake_store_t *self, s_state_t *state, uint64_t commit)
{
    for (size_t index = 0; index < self->batches; index++) {
        uint64_t number = zb_batch_commit (self->batch[index]);
        if (number > state->commit && number <= commit)
            s_apply (state, self->batch[index]);
    }
}

void fake_store_sync_here (fake_store_t *self, uint64_t commit)
{
    s_sync (self, &self->here, commit);
}

void fake_store_sync_there (fake_store_t *self, uint64_t commit)
{
    s_sync (self, &self->here, commit);
    s_sync (self, &self->there, commit);
    size_t count = 0;
    while (count < self->batches && zb_batch_commit (self->batch[count]) <= self->there.commit)
        count++;
    s_drop (self, count);
}

uint64_t fake_store_newest (const fake_store_t *self)
{
    return self->newest.commit;
}

uint64_t fake_store_here (const fake_store_t *self)
{
    return self->here.commit;
}

uint64_t fake_store_there (const fake_store_t *self)
{
    return self->there.commit;
}

static void s_back_to (fake_store_t *self, s_state_t *state)
{
    s_drop (self, self->batches);
    s_copy (&self->newest, state);
    s_copy (&self->here, state);
    s_copy (&self->there, state);
}

void fake_store_takeover (fake_store_t *self)
{
    s_back_to (self, &self->there);
}

void fake_store_restart (fake_store_t *self)
{
    s_back_to (self, &self->here);
}

void fake_store_read (fake_store_t *self, zb_read_t *read)
{
    for (size_t index = 0; index < read->ranges; index++) {
        const zb_range_t *range = &read->range[index];
        const s_table_t *table = &self->newest.table[range->table];
        size_t bytes = 0;
        for (size_t at = s_find (table, range->key, range->key_size); at < table->rows; at++) {
            const s_row_t *row = table->row[at];
            if (row->key_size < range->prefix || memcmp (row->bytes, range->key, range->prefix))
                break;
            if (read->count[index] >= range->rows || bytes >= range->bytes) {
                read->more[index] = true;
                break;
            }
            zb_read_found (read, index, row->bytes, row->key_size, row->bytes + row->key_size, row->size);
            bytes += row->size;
        }
    }
}

size_t fake_store_rows (const fake_store_t *self, zb_table_t table)
{
    return self->newest.table[table].rows;
}

const void *fake_store_get (const fake_store_t *self, zb_table_t table, const void *key, size_t key_size, size_t *size)
{
    const s_table_t *rows = &self->newest.table[table];
    size_t at = s_find (rows, key, key_size);
    if (at == rows->rows || s_compare (rows->row[at], key, key_size))
        return NULL;
    *size = rows->row[at]->size;
    return rows->row[at]->bytes + key_size;
}

void fake_store_put (fake_store_t *self, zb_table_t table, const void *key, size_t key_size, const void *value,
                     size_t size)
{
    s_set (&self->newest.table[table], key, key_size, s_row (key, key_size, value, size));
}

const void *fake_store_key (const fake_store_t *self, zb_table_t table, size_t index, size_t *size)
{
    const s_row_t *row = self->newest.table[table].row[index];
    *size = row->key_size;
    return row->bytes;
}
