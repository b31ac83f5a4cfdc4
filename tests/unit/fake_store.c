/*  =========================================================================
    fake_store - a pair's tables in memory, for tests of what stands on them

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fake_store.h"
#include "fake_tables.h"

typedef struct {
    fake_tables_t tables;
    uint64_t commit;
} s_state_t;

struct fake_store {
    s_state_t newest, here, there;
    zb_batch_t **batch; //  that are not durable there, oldest first
    size_t batches;
    size_t room;
};

static void s_apply (s_state_t *state, const zb_batch_t *batch)
{
    assert (zb_batch_commit (batch) == state->commit + 1);
    for (size_t index = 0; index < zb_batch_size (batch); index++) {
        zb_op_t op = zb_batch_op (batch, index);
        if (op.erase)
            fake_tables_erase (&state->tables, op.table, op.key, op.key_size);
        else
            fake_tables_put (&state->tables, op.table, op.key, op.key_size, op.value, op.value_size);
    }
    state->commit++;
}

static void s_copy (s_state_t *state, const s_state_t *from)
{
    fake_tables_copy (&state->tables, &from->tables);
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
        fake_tables_clear (&self->newest.tables);
        fake_tables_clear (&self->here.tables);
        fake_tables_clear (&self->there.tables);
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
    fake_tables_read (&self->newest.tables, read);
}

size_t fake_store_rows (const fake_store_t *self, zb_table_t table)
{
    return self->newest.tables.table[table].rows;
}

const void *fake_store_get (const fake_store_t *self, zb_table_t table, const void *key, size_t key_size, size_t *size)
{
    const fake_row_t *row = fake_tables_get (&self->newest.tables, table, key, key_size);
    if (!row)
        return NULL;
    *size = row->size;
    return row->bytes + key_size;
}

void fake_store_put (fake_store_t *self, zb_table_t table, const void *key, size_t key_size, const void *value,
                     size_t size)
{
    fake_tables_put (&self->newest.tables, table, key, key_size, value, size);
}

const void *fake_store_key (const fake_store_t *self, zb_table_t table, size_t index, size_t *size)
{
    const fake_row_t *row = self->newest.tables.table[table].row[index];
    *size = row->key_size;
    return row->bytes;
}
