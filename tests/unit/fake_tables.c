/*  =========================================================================
    fake_tables - the store's tables in memory: rows by key

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fake_tables.h"

static void s_unref (fake_row_t *row)
{
    if (--row->refs == 0)
        free (row);
}

static int s_compare (const fake_row_t *row, const void *key, size_t size)
{
    int order = memcmp (row->bytes, key, row->key_size < size ? row->key_size : size);
    return order ? order : row->key_size < size ? -1 : row->key_size > size;
}

//  Index of the first row whose key is not less than this one.
static size_t s_find (const fake_tables_t *self, zb_table_t table, const void *key, size_t size)
{
    size_t low = 0, high = self->table[table].rows;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s_compare (self->table[table].row[middle], key, size) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

//  Puts a row (taking a reference), or erases the key if there is none.
static void s_set (fake_tables_t *self, zb_table_t number, const void *key, size_t size, fake_row_t *row)
{
    size_t at = s_find (self, number, key, size);
    fake_row_t ***list = &self->table[number].row;
    size_t *rows = &self->table[number].rows, *room = &self->table[number].room;
    bool found = at < *rows && s_compare ((*list)[at], key, size) == 0;
    if (row)
        row->refs++;
    if (found)
        s_unref ((*list)[at]);
    if (found && row)
        (*list)[at] = row;
    else if (found)
        memmove (*list + at, *list + at + 1, (--*rows - at) * sizeof **list);
    else if (row) {
        if (*rows == *room) {
            *room = *room ? *room * 2 : 16;
            *list = (fake_row_t **) realloc (*list, *room * sizeof **list);
            assert (*list);
        }
        memmove (*list + at + 1, *list + at, ((*rows)++ - at) * sizeof **list);
        (*list)[at] = row;
    }
}

void fake_tables_put (fake_tables_t *self, zb_table_t table, const void *key, size_t key_size, const void *value,
                      size_t size)
{
    fake_row_t *row = (fake_row_t *) malloc (sizeof (fake_row_t) + key_size + size);
    assert (row);
    *row = (fake_row_t){.refs = 0, .key_size = key_size, .size = size};
    memcpy (row->bytes, key, key_size);
    if (size)
        memcpy (row->bytes + key_size, value, size);
    s_set (self, table, key, key_size, row);
}

void fake_tables_erase (fake_tables_t *self, zb_table_t table, const void *key, size_t key_size)
{
    s_set (self, table, key, key_size, NULL);
}

const fake_row_t *fake_tables_get (const fake_tables_t *self, zb_table_t table, const void *key, size_t key_size)
{
    size_t at = s_find (self, table, key, key_size);
    if (at == self->table[table].rows || s_compare (self->table[table].row[at], key, key_size))
        return NULL;
    return self->table[table].row[at];
}

void fake_tables_read (const fake_tables_t *self, zb_read_t *read)
{
    for (size_t index = 0; index < read->ranges; index++) {
        const zb_range_t *range = &read->range[index];
        size_t bytes = 0;
        for (size_t at = s_find (self, range->table, range->key, range->key_size); at < self->table[range->table].rows;
             at++) {
            const fake_row_t *row = self->table[range->table].row[at];
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

void fake_tables_clear (fake_tables_t *self)
{
    for (int table = 0; table < ZB_TABLES; table++) {
        for (size_t index = 0; index < self->table[table].rows; index++)
            s_unref (self->table[table].row[index]);
        free (self->table[table].row);
    }
    memset (self, 0, sizeof *self);
}

void fake_tables_copy (fake_tables_t *self, const fake_tables_t *from)
{
    if (self == from)
        return;
    fake_tables_clear (self);
    for (int table = 0; table < ZB_TABLES; table++)
        for (size_t index = 0; index < from->table[table].rows; index++) {
            fake_row_t *row = from->table[table].row[index];
            s_set (self, (zb_table_t) table, row->bytes, row->key_size, row);
        }
}
