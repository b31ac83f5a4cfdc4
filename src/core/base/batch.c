/*  =========================================================================
    batch - what one commit writes, and what one read brings: plain values

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================
*/

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/batch.h"

//  An operation as it is kept: keys and small values lie in the batch's arena, which moves when it grows, so they
//  are known by their offset.  A put of a row has the row instead of a value in the arena.
typedef struct {
    zb_row_t *row;
    size_t key;
    size_t value;
    uint32_t value_size;
    uint16_t key_size;
    uint8_t table;
    bool erase, brief;
} s_op_t;

struct zb_batch {
    uint64_t commit;
    s_op_t *op;
    size_t ops;
    size_t ops_room;
    uint8_t *arena;
    size_t used;
    size_t room;
};

zb_row_t *zb_row_new (size_t room)
{
    assert (room <= UINT32_MAX);
    zb_row_t *self = (zb_row_t *) malloc (sizeof (zb_row_t) + room);
    assert (self);
    self->refs = 1;
    self->size = 0;
    self->room = (uint32_t) room;
    return self;
}

zb_row_t *zb_row_ref (zb_row_t *self)
{
    assert (self && self->refs && self->refs < UINT32_MAX);
    self->refs++;
    return self;
}

void zb_row_unref (zb_row_t **self_p)
{
    assert (self_p);
    zb_row_t *self = *self_p;
    if (self) {
        assert (self->refs);
        if (--self->refs == 0)
            free (self);
        *self_p = NULL;
    }
}

//  Room for one more operation and for `size` more bytes in the arena.  Both double, so that a batch costs a few
//  allocations however many operations it has.
static void s_reserve (zb_batch_t *self, size_t size)
{
    if (self->ops == self->ops_room) {
        self->ops_room = self->ops_room ? self->ops_room * 2 : 32;
        self->op = (s_op_t *) realloc (self->op, self->ops_room * sizeof (s_op_t));
        assert (self->op);
    }
    if (size > self->room - self->used) {
        size_t room = self->room ? self->room : 1024;
        while (room - self->used < size) {
            assert (room <= SIZE_MAX / 2);
            room *= 2;
        }
        self->arena = (uint8_t *) realloc (self->arena, room);
        assert (self->arena);
        self->room = room;
    }
}

//  Copies the bytes into the arena, in which there is room; returns their offset.
static size_t s_keep (zb_batch_t *self, const void *data, size_t size)
{
    size_t offset = self->used;
    if (size)
        memcpy (self->arena + offset, data, size);
    self->used += size;
    return offset;
}

//  Appends an operation with its key and with room for a value of `size` bytes in the arena.
static s_op_t *s_append (zb_batch_t *self, zb_table_t table, const void *key, size_t key_size, size_t size)
{
    assert (self);
    assert (table < ZB_TABLES);
    assert (key && key_size > 0 && key_size <= ZB_KEY_MAX);
    assert (size <= UINT32_MAX);
    s_reserve (self, key_size + size);
    s_op_t *op = &self->op[self->ops++];
    memset (op, 0, sizeof (s_op_t));
    op->table = (uint8_t) table;
    op->key_size = (uint16_t) key_size;
    op->key = s_keep (self, key, key_size);
    return op;
}

zb_batch_t *zb_batch_new (void)
{
    zb_batch_t *self = (zb_batch_t *) calloc (1, sizeof (zb_batch_t));
    assert (self);
    return self;
}

void zb_batch_destroy (zb_batch_t **self_p)
{
    assert (self_p);
    zb_batch_t *self = *self_p;
    if (self) {
        for (size_t index = 0; index < self->ops; index++)
            zb_row_unref (&self->op[index].row);
        free (self->op);
        free (self->arena);
        free (self);
        *self_p = NULL;
    }
}

void zb_batch_put (zb_batch_t *self, zb_table_t table, const void *key, size_t key_size, const void *value,
                   size_t value_size)
{
    assert (value || value_size == 0);
    s_op_t *op = s_append (self, table, key, key_size, value_size);
    op->value = s_keep (self, value, value_size);
    op->value_size = (uint32_t) value_size;
}

void zb_batch_put_row (zb_batch_t *self, zb_table_t table, const void *key, size_t key_size, zb_row_t *row)
{
    assert (row);
    s_op_t *op = s_append (self, table, key, key_size, 0);
    op->row = zb_row_ref (row);
    op->value_size = row->size;
}

void zb_batch_put_brief (zb_batch_t *self, zb_table_t table, const void *key, size_t key_size, zb_row_t *row)
{
    zb_batch_put_row (self, table, key, key_size, row);
    self->op[self->ops - 1].brief = true;
}

void zb_batch_erase (zb_batch_t *self, zb_table_t table, const void *key, size_t key_size)
{
    s_op_t *op = s_append (self, table, key, key_size, 0);
    op->erase = true;
}

size_t zb_batch_size (const zb_batch_t *self)
{
    assert (self);
    return self->ops;
}

zb_op_t zb_batch_op (const zb_batch_t *self, size_t index)
{
    assert (self);
    assert (index < self->ops);
    const s_op_t *op = &self->op[index];
    return (zb_op_t){
        .table = (zb_table_t) op->table,
        .erase = op->erase,
        .brief = op->brief,
        .key_size = op->key_size,
        .value_size = op->value_size,
        .key = self->arena + op->key,
        .value = op->row ? op->row->data : self->arena + op->value,
    };
}

void zb_batch_set_commit (zb_batch_t *self, uint64_t commit)
{
    assert (self);
    assert (commit && !self->commit);
    self->commit = commit;
}

uint64_t zb_batch_commit (const zb_batch_t *self)
{
    assert (self);
    return self->commit;
}

zb_read_t *zb_read_new (int purpose, uint64_t tag)
{
    zb_read_t *self = (zb_read_t *) calloc (1, sizeof (zb_read_t));
    assert (self);
    self->purpose = purpose;
    self->tag = tag;
    return self;
}

void zb_read_destroy (zb_read_t **self_p)
{
    assert (self_p);
    zb_read_t *self = *self_p;
    if (self) {
        for (size_t range = 0; range < self->ranges; range++) {
            for (size_t index = 0; index < self->count[range]; index++)
                zb_row_unref (&self->found[range][index].row);
            free (self->found[range]);
        }
        free (self);
        *self_p = NULL;
    }
}

size_t zb_read_add (zb_read_t *self, zb_table_t table, const void *key, size_t key_size, size_t prefix, size_t rows,
                    size_t bytes)
{
    assert (self);
    assert (self->ranges < ZB_READ_RANGES);
    assert (table < ZB_TABLES);
    assert ((key || key_size == 0) && key_size <= ZB_KEY_MAX);
    assert (prefix <= key_size);
    zb_range_t *range = &self->range[self->ranges];
    range->table = table;
    range->key_size = (uint16_t) key_size;
    range->prefix = (uint16_t) prefix;
    if (key_size)
        memcpy (range->key, key, key_size);
    range->rows = rows;
    range->bytes = bytes;
    return self->ranges++;
}

void zb_read_found (zb_read_t *self, size_t range, const void *key, size_t key_size, const void *value,
                    size_t value_size)
{
    assert (self);
    assert (range < self->ranges);
    assert (key && key_size > 0 && key_size <= ZB_KEY_MAX);
    assert (value || value_size == 0);
    //  The array's room is the next power of two, so it is full exactly when the count is one (or none).
    size_t count = self->count[range];
    if ((count & (count - 1)) == 0) {
        size_t room = count ? count * 2 : 1;
        self->found[range] = (zb_found_t *) realloc (self->found[range], room * sizeof (zb_found_t));
        assert (self->found[range]);
    }
    zb_found_t *found = &self->found[range][count];
    found->key_size = (uint16_t) key_size;
    memcpy (found->key, key, key_size);
    found->row = zb_row_new (value_size);
    if (value_size)
        memcpy (found->row->data, value, value_size);
    found->row->size = (uint32_t) value_size;
    self->count[range]++;
}
