/*  =========================================================================
    rowname - what a row of a table is, in an operator's words

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#ifndef ZB_ROWNAME_H_INCLUDED
#define ZB_ROWNAME_H_INCLUDED

#include <stdio.h>

#include "core/base/frame.h"
#include "io/store/backup.h"
#include "io/store/tables_file.h"

//  The queues of a backup: name and row each, in the order of the names.
typedef struct {
    char *name;
    zb_row_t *row; //  of the table queues
} queue_t;

typedef struct {
    size_t size;
    queue_t *queue;
    bool whole; //  all could be read
} queues_t;

void queues_read (queues_t *self, const zb_backup_t *backup);
void queues_clear (queues_t *self);
//  The name of the queue with this id; "?" if it is not known.
const char *queues_name (const queues_t *self, uint32_t id);

//  What a key of this table means, to be freed: "queue orders, messages up to 1099511627786".
char *rowname (const queues_t *self, zb_table_t table, zb_frame_t key);

#endif
