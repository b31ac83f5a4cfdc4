/*  =========================================================================
    fake_tables - the store's tables in memory: rows by key

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A plain value; all zero is empty.  Copies share their rows.
*/

#ifndef FAKE_TABLES_H_INCLUDED
#define FAKE_TABLES_H_INCLUDED

#include "core/base/batch.h"

typedef struct {
    unsigned refs;
    size_t key_size;
    size_t size;
    uint8_t bytes[]; //  key, value
} fake_row_t;

typedef struct {
    struct {
        fake_row_t **row; //  by key
        size_t rows;
        size_t room;
    } table[ZB_TABLES];
} fake_tables_t;

void fake_tables_put (fake_tables_t *self, zb_table_t table, const void *key, size_t key_size, const void *value,
                      size_t size);
void fake_tables_erase (fake_tables_t *self, zb_table_t table, const void *key, size_t key_size);
//  NULL if there is none.
const fake_row_t *fake_tables_get (const fake_tables_t *self, zb_table_t table, const void *key, size_t key_size);
//  Executes a read.
void fake_tables_read (const fake_tables_t *self, zb_read_t *read);
//  Makes it like the other one.
void fake_tables_copy (fake_tables_t *self, const fake_tables_t *from);
void fake_tables_clear (fake_tables_t *self);

#endif
