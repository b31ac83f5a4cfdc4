/*  =========================================================================
    tables_file - a table's file that nobody writes, read without an environment

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    For backups: the file is not changed by being read, and what is damaged in it does not end
    the reading before it must.  Thread: any, one at a time an object.
*/

#ifndef ZB_TABLES_FILE_H_INCLUDED
#define ZB_TABLES_FILE_H_INCLUDED

#include "core/base/batch.h"
#include "core/base/frame.h"

typedef struct zb_tables_file zb_tables_file_t;

//  The name of a table's file; the part of it behind "table." is the table's.
const char *zb_tables_file_name (zb_table_t table);

typedef enum {
    ZB_TABLES_FILE_ROW,   //  a key and its value
    ZB_TABLES_FILE_END,   //  there are no more
    ZB_TABLES_FILE_VALUE, //  the key is there and its value can't be read; the next row may be
    ZB_TABLES_FILE_LOST   //  what follows the last key can't be read
} zb_tables_file_found_t;

//  Opens FOLDER/table.NAME.  Never NULL: what is wrong with it the first read tells.
zb_tables_file_t *zb_tables_file_new (const char *folder, zb_table_t table);
void zb_tables_file_destroy (zb_tables_file_t **self_p);
//  Goes to the first key that is not below this one.
void zb_tables_file_seek (zb_tables_file_t *self, const void *key, size_t size);
//  Reads the next row, which is valid until the next call; also of a row whose value can't be read the key.
zb_tables_file_found_t zb_tables_file_next (zb_tables_file_t *self, zb_frame_t *key, zb_frame_t *value);
//  What Berkeley DB has said of the last thing that could not be read.
const char *zb_tables_file_why (const zb_tables_file_t *self);
//  Whether the file as a whole is a sound tree, by Berkeley DB's own check.
bool zb_tables_file_sound (const char *folder, zb_table_t table);

#endif
