/*  =========================================================================
    brief - values that lie in the log alone, for as long as they are short-lived

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <db.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "io/store/brief.h"

#define TYPE 10100 //  above all of Berkeley DB's own (DB_user_BEGIN)
#define HEAD 16    //  bytes of a record before its value: its type, and what Berkeley DB looks at in any record
#define FORM 0xff  //  first byte of a row; no row of messages begins so
#define PREFIX 5   //  of the index: four bytes 0, and
#define MARK 5     //  which of such rows these are; others are in core/queue
#define KEY (PREFIX + 8)
#define ROW_KEY 32 //  bytes of the key of a row, at most

void zb_brief_clear (zb_brief_t *self)
{
    free (self->data);
    *self = (zb_brief_t){0};
}

static void s_reserve (zb_brief_t *self, size_t room)
{
    if (self->room >= room)
        return;
    self->data = realloc (self->data, room);
    assert (self->data);
    self->room = room;
}

static DBT s_index (zb_lsn_t at, uint8_t key[KEY])
{
    zb_put32 (key, 0);
    key[4] = MARK;
    zb_put64 (key + PREFIX, at);
    return (DBT){.data = key, .size = KEY, .ulen = KEY, .flags = DB_DBT_USERMEM};
}

static zb_lsn_t s_at (const DBT *row)
{
    return zb_get64 ((const uint8_t *) row->data + 8);
}

bool zb_brief_is (const DBT *key, const DBT *row)
{
    return row->size == ZB_BRIEF_SIZE && *(const uint8_t *) row->data == FORM && key->size > 4 && zb_get32 (key->data);
}

int zb_brief_put (zb_brief_t *self, DB *log, DB_TXN *txn, const DBT *key, const DBT *value)
{
    assert (key->size <= ROW_KEY);
    uint8_t row[ZB_BRIEF_SIZE] = {FORM}, name[KEY];
    uint32_t type = TYPE;
    s_reserve (self, HEAD + value->size);
    memset (self->data, 0, HEAD);
    memcpy (self->data, &type, sizeof type);
    memcpy ((uint8_t *) self->data + HEAD, value->data, value->size);
    DBT record = {.data = self->data, .size = HEAD + value->size};
    DB_LSN lsn;
    DB_ENV *env = log->get_env (log);
    int rc = env->log_put (env, &lsn, &record, 0);
    if (rc)
        return rc;
    zb_lsn_t at = (zb_lsn_t) lsn.file << 32 | lsn.offset;
    zb_put32 (row + 4, value->size);
    zb_put64 (row + 8, at);
    DBT there = {.data = row, .size = sizeof row}, index = s_index (at, name);
    DBT named = *key, of = *key;
    rc = log->put (log, txn, &named, &there, 0);
    return rc ? rc : log->put (log, txn, &index, &of, 0);
}

int zb_brief_read (zb_brief_t *self, DB *log, const DBT *row, DBT *value)
{
    DB_ENV *env = log->get_env (log);
    uint32_t size = zb_get32 ((const uint8_t *) row->data + 4), type = 0;
    zb_lsn_t at = s_at (row);
    DB_LSN lsn = {.file = ZB_LSN_FILE (at), .offset = (uint32_t) at};
    s_reserve (self, HEAD + (size_t) size);
    DBT record = {.data = self->data, .ulen = (u_int32_t) self->room, .flags = DB_DBT_USERMEM};
    DB_LOGC *cursor = NULL;
    int rc = env->log_cursor (env, &cursor, 0);
    if (rc)
        return rc;
    rc = cursor->get (cursor, &lsn, &record, DB_SET);
    int closed = cursor->close (cursor, 0);
    //  The log ends before it, or has something else there.
    if (rc == DB_NOTFOUND || rc == DB_BUFFER_SMALL || rc == EINVAL)
        return DB_VERIFY_BAD;
    if (rc || closed)
        return rc ? rc : closed;
    memcpy (&type, self->data, sizeof type);
    if (record.size != HEAD + size || type != TYPE)
        return DB_VERIFY_BAD;
    *value = (DBT){.data = (uint8_t *) self->data + HEAD, .size = size};
    return 0;
}

int zb_brief_erased (DB *log, DB_TXN *txn, const DBT *row)
{
    uint8_t name[KEY];
    DBT index = s_index (s_at (row), name);
    int rc = log->del (log, txn, &index, 0);
    return rc == DB_NOTFOUND ? 0 : rc;
}

//  The first entry of the index: where, and the key of its row.
static int s_first (DB *log, DB_TXN *txn, zb_lsn_t *at, DBT *key)
{
    uint8_t name[KEY];
    DBT index = s_index (0, name);
    DBC *cursor = NULL;
    int rc = log->cursor (log, txn, &cursor, 0);
    if (rc)
        return rc;
    rc = cursor->get (cursor, &index, key, DB_SET_RANGE);
    int closed = cursor->close (cursor);
    //  A key that is longer is of rows behind the index; so is whatever does not fit.
    if (rc == DB_BUFFER_SMALL || rc == DB_NOTFOUND ||
        (rc == 0 && (index.size != KEY || zb_get32 (name) || name[4] != MARK)))
        *at = UINT64_MAX;
    else if (rc == 0)
        *at = zb_get64 (name + PREFIX);
    else
        return rc;
    return closed;
}

int zb_brief_oldest (DB *log, DB_TXN *txn, zb_lsn_t *oldest)
{
    uint8_t name[ROW_KEY];
    DBT key = {.data = name, .ulen = sizeof name, .flags = DB_DBT_USERMEM};
    return s_first (log, txn, oldest, &key);
}

int zb_brief_keep (zb_brief_t *self, DB *log, DB_TXN *txn, zb_lsn_t until, size_t *bytes, bool *done)
{
    uint8_t name[ROW_KEY], row[ZB_BRIEF_SIZE];
    DBT key = {.data = name, .ulen = sizeof name, .flags = DB_DBT_USERMEM};
    DBT there = {.data = row, .ulen = sizeof row, .flags = DB_DBT_USERMEM}, value;
    zb_lsn_t at;
    int rc = s_first (log, txn, &at, &key);
    *done = rc || at >= until;
    if (*done)
        return rc;
    //  A row that was put anew is not meant.
    rc = log->get (log, txn, &key, &there, 0);
    if (rc == 0 && zb_brief_is (&key, &there) && s_at (&there) == at) {
        rc = zb_brief_read (self, log, &there, &value);
        if (rc == 0)
            rc = log->put (log, txn, &key, &value, 0);
        *bytes += rc ? 0 : value.size;
    }
    else if (rc == DB_NOTFOUND || rc == DB_BUFFER_SMALL)
        rc = 0;
    DBT index = s_index (at, name);
    return rc ? rc : log->del (log, txn, &index, 0);
}
