/*  =========================================================================
    brief - values that lie in the log alone, for as long as they are short-lived

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A message is mostly consumed soon after it was put.  Berkeley DB logs a row when it is put and once more when it is
    erased, since a transaction may be taken back, and writes its pages twice.  So the value of a row that will be gone soon is
    written to the log alone, as a record of our own, and the row in the table has its position (LSN) instead.  The log
    goes to the peer as it is, and positions are the same there.

      table log    key of the row            0xff, 3 bytes 0, size u32, LSN: file u32, offset u32
                   0x00000000, 0x05, LSN     key of the row: what is brief, in the order of the log
      log record   type u32 (10100), transaction u32 = 0, previous LSN u64 = 0, the value

    What is not erased in time is kept: its value is read from the log and put into the table.  The rule that makes that safe:

      no checkpoint passes a file of the log that has brief values

    for recovery needs no file before the newest checkpoint's, a full resync sends none before it, a backup takes none,
    and they are removed.  So whoever makes a checkpoint keeps all that is brief in older files before it
    (zb_tables_checkpoint), and so does a master whose peer connects: a recovery ends with a checkpoint of its own, of a
    store that nobody may write to.  No file is removed that has brief values.

    Functions return 0 or Berkeley DB's error.  Thread: as zb_tables_t.
*/

#ifndef ZB_BRIEF_H_INCLUDED
#define ZB_BRIEF_H_INCLUDED

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/store/env.h"

#define ZB_BRIEF_SIZE 16        //  bytes of a row whose value is in the log
#define ZB_BRIEF_LEAST 8192     //  bytes of a value for which that pays: it fills half a page of its own,
#define ZB_BRIEF_MOST ((1 << 20) + (64 << 10)) //  and that fit well into a file of the log: a row with a body of 1 MiB

//  Berkeley DB's.
struct __db;
struct __db_txn;
struct __db_dbt;

typedef struct {
    void *data; //  a value, or the record of one
    size_t room;
} zb_brief_t;

void zb_brief_clear (zb_brief_t *self);

//  Puts a row whose value lies in the log alone.  Only a master, or a broker without a pair, may.
int zb_brief_put (zb_brief_t *self, struct __db *log, struct __db_txn *txn, const struct __db_dbt *key,
                  const struct __db_dbt *value);
//  Whether the value of this row of the table log is there.
bool zb_brief_is (const struct __db_dbt *key, const struct __db_dbt *row);
//  Reads the value; it is valid until the next call.  DB_VERIFY_BAD: it is not there, the store is damaged.
int zb_brief_read (zb_brief_t *self, struct __db *log, const struct __db_dbt *row, struct __db_dbt *value);
//  The row is erased, or put anew.
int zb_brief_erased (struct __db *log, struct __db_txn *txn, const struct __db_dbt *row);
//  Keeps the oldest one, and adds its bytes, if its position is before `until`; *done if there is none such.
int zb_brief_keep (zb_brief_t *self, struct __db *log, struct __db_txn *txn, zb_lsn_t until, size_t *bytes, bool *done);
//  The position of the oldest one; UINT64_MAX if there is none.
int zb_brief_oldest (struct __db *log, struct __db_txn *txn, zb_lsn_t *oldest);

#endif
