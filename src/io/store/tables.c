/*  =========================================================================
    tables - the store's tables: batches go in, ranges come out

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <db.h>

#include "io/store/brief.h"
#include "io/store/pages.h"
#include "io/store/tables.h"
#include "io/store/tables_file.h"

//  Bytes of log after which what is still there is no short-lived value, and what one commit keeps of such beside as many
//  bytes as it writes; bytes of a transaction that only keeps; and of log whose values a checkpoint keeps in one go.
#define BRIEF_SPAN (24 << 20)
#define KEEP_MORE (256 << 10)
#define KEEP_GO (2 << 20)
#define KEEP_AT_ONCE (4 << 20)

struct zb_tables {
    zb_env_t *env;
    bool open;
    DB *db[ZB_TABLES]; //  NULL: absent on this client
    void *value;       //  what values are read into; grows
    u_int32_t room;
    zb_brief_t brief;
    bool keeps;          //  some of the values may be brief
    zb_lsn_t checkpoint; //  the end of the log at the newest one
    uint64_t spare; //  bytes of erased messages that none has taken since
};

zb_tables_t *zb_tables_new (void)
{
    return zmalloc (sizeof (zb_tables_t));
}

void zb_tables_destroy (zb_tables_t **self_p)
{
    assert (self_p);
    zb_tables_t *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    assert (!self->open || zb_env_fault (self->env));
    free (self->value);
    zb_brief_clear (&self->brief);
    freen (self);
}

bool zb_tables_are_open (const zb_tables_t *self)
{
    return self->open;
}

//  ---------------------------------------------------------------------------
//  Open and close

//  Opens one table; 0, or Berkeley DB's error.
static int s_open (zb_tables_t *self, size_t table, bool create)
{
    DB *db = NULL;
    int rc = db_create (&db, zb_env_handle (self->env), 0);
    if (rc)
        return rc;
    rc = db->set_pagesize (db, ZB_PAGE_SIZE);
    if (!rc)
        rc = db->set_flags (db, DB_CHKSUM);
    if (!rc)
        rc = db->open (db, NULL, zb_tables_file_name (table), NULL, DB_BTREE,
                       DB_AUTO_COMMIT | DB_THREAD | (create ? DB_CREATE : 0), 0600);
    if (rc) {
        int closed = db->close (db, 0);
        return closed == DB_RUNRECOVERY ? closed : rc;
    }
    self->db[table] = db;
    return 0;
}

bool zb_tables_are_whole (const zb_tables_t *self)
{
    bool whole = self->open;
    for (size_t table = 0; table < ZB_TABLES; table++)
        whole = whole && self->db[table];
    return whole;
}

bool zb_tables_open (zb_tables_t *self, zb_env_t *env, bool create)
{
    assert (!self->open);
    self->env = env;
    if (zb_env_fault (env))
        return false;
    self->open = self->keeps = true;
    //  Who begins to lead has written nothing yet: what it has followed waits for the time of a checkpoint.
    self->checkpoint = zb_env_end (env);
    for (size_t table = 0; table < ZB_TABLES; table++) {
        int rc = s_open (self, table, create);
        if (rc == 0 || (rc == ENOENT && !create))
            continue;
        if (rc == DB_REP_LOCKOUT || rc == DB_LOCK_DEADLOCK || rc == DB_REP_HANDLE_DEAD)
            zb_tables_close (self);
        else
            zb_env_fail (env, rc, zb_tables_file_name (table));
        return false;
    }
    return true;
}

void zb_tables_close (zb_tables_t *self)
{
    if (!self->open || zb_env_fault (self->env))
        return;
    self->open = false;
    for (size_t table = 0; table < ZB_TABLES; table++) {
        DB *db = self->db[table];
        self->db[table] = NULL;
        int rc = db ? db->close (db, DB_NOSYNC) : 0;
        if (rc && rc != DB_REP_HANDLE_DEAD)
            zb_env_fail (self->env, rc, zb_tables_file_name (table));
    }
}

//  ---------------------------------------------------------------------------
//  Commit

//  Counts what its erase leaves in the file: the files don't shrink, but what is freed in them is used again.
static int s_will_be_erased (zb_tables_t *self, DB_TXN *txn, DBT *key)
{
    DB *db = self->db[ZB_LOG];
    uint8_t row[ZB_BRIEF_SIZE];
    DBT there = {.data = row, .ulen = sizeof row, .flags = DB_DBT_USERMEM};
    int rc = db->get (db, txn, key, &there, 0);
    if (rc == DB_BUFFER_SMALL)
        self->spare += there.size;
    return rc == 0 && zb_brief_is (key, &there) ? zb_brief_erased (db, txn, &there) : 0;
}

static int s_execute (zb_tables_t *self, DB_TXN *txn, const zb_op_t *op)
{
    DB *db = self->db[op->table];
    assert (db);
    DBT key = {.data = (void *) (uintptr_t) op->key, .size = op->key_size};
    if (op->erase) {
        int rc = op->table == ZB_LOG ? s_will_be_erased (self, txn, &key) : 0;
        rc = rc ? rc : db->del (db, txn, &key, 0);
        return rc == DB_NOTFOUND ? 0 : rc;
    }
    DBT value = {.data = (void *) (uintptr_t) op->value, .size = op->value_size};
    if (op->brief && value.size >= ZB_BRIEF_LEAST && value.size <= ZB_BRIEF_MOST) {
        self->keeps = true;
        return zb_brief_put (&self->brief, db, txn, &key, &value);
    }
    if (op->table == ZB_LOG)
        self->spare -= op->value_size < self->spare ? op->value_size : self->spare;
    return db->put (db, txn, &key, &value, 0);
}

//  Keeps brief values whose position is before `until`, about so many bytes of them.  Returns 0 or Berkeley DB's error.
static int s_keep (zb_tables_t *self, DB_TXN *txn, zb_lsn_t until, size_t most)
{
    bool done = false;
    int rc = 0;
    size_t bytes = 0;
    while (!rc && !done && bytes < most)
        rc = zb_brief_keep (&self->brief, self->db[ZB_LOG], txn, until, &bytes, &done);
    self->spare -= bytes < self->spare ? bytes : self->spare;
    return rc;
}

//  What of the brief values has not been erased for long.
static int s_keep_old (zb_tables_t *self, DB_TXN *txn, const zb_batch_t *batch)
{
    zb_lsn_t oldest = UINT64_MAX;
    if (!self->keeps)
        return 0;
    int rc = zb_brief_oldest (self->db[ZB_LOG], txn, &oldest);
    self->keeps = oldest < UINT64_MAX;
    zb_lsn_t until = self->keeps ? zb_env_before (self->env, zb_env_end (self->env), BRIEF_SPAN) : 0;
    if (rc || oldest >= until)
        return rc;
    size_t most = KEEP_MORE;
    for (size_t index = 0; index < zb_batch_size (batch); index++)
        most += zb_batch_op (batch, index).value_size;
    return s_keep (self, txn, until, most);
}

uint64_t zb_tables_spare (const zb_tables_t *self)
{
    return self->spare;
}

bool zb_tables_commit (zb_tables_t *self, const zb_batch_t *batch)
{
    if (zb_env_fault (self->env))
        return false;
    assert (self->open);
    DB_ENV *env = zb_env_handle (self->env);
    DB_TXN *txn = NULL;
    int rc = env->txn_begin (env, NULL, &txn, DB_TXN_NOSYNC);
    if (rc) {
        zb_env_fail (self->env, rc, "txn_begin");
        return false;
    }
    rc = s_keep_old (self, txn, batch);
    for (size_t index = 0; !rc && index < zb_batch_size (batch); index++) {
        zb_op_t op = zb_batch_op (batch, index);
        rc = s_execute (self, txn, &op);
    }
    if (!rc)
        rc = txn->commit (txn, DB_TXN_NOSYNC);
    //  Only this thread uses the tables: there is no conflict to back out of, an error is the disk's or ours.
    if (rc)
        zb_env_fail (self->env, rc, "commit");
    return rc == 0;
}

//  ---------------------------------------------------------------------------
//  Values that are in the log alone

//  Keeps some of what lies before this position, in a transaction of its own.  Returns 0 or Berkeley DB's error.
static int s_keep_round (zb_tables_t *self, zb_lsn_t until)
{
    DB_ENV *env = zb_env_handle (self->env);
    DB_TXN *txn = NULL;
    int rc = env->txn_begin (env, NULL, &txn, DB_TXN_NOSYNC);
    if (!rc)
        rc = s_keep (self, txn, until, KEEP_GO);
    return rc ? rc : txn->commit (txn, DB_TXN_NOSYNC);
}

//  Where the newest file of the log begins.
static zb_lsn_t s_newest_file (zb_tables_t *self)
{
    return (zb_lsn_t) ZB_LSN_FILE (zb_env_end (self->env)) << 32;
}

//  Keeps what older files have, or all; in as many rounds as that takes, or one.  Returns false on a fault.
static bool s_keep_older (zb_tables_t *self, bool all, bool once)
{
    int rc = 0;
    bool kept = false;
    for (bool more = self->open && !zb_env_fault (self->env) && self->db[ZB_LOG]; !rc && more; more = more && !once) {
        //  What is kept is written to the log, so that the newest file may be another one in each round.
        zb_lsn_t oldest = UINT64_MAX, until = all ? UINT64_MAX : s_newest_file (self);
        rc = zb_brief_oldest (self->db[ZB_LOG], NULL, &oldest);
        self->keeps = self->keeps || oldest < UINT64_MAX;
        more = oldest < until;
        if (!rc && more)
            rc = s_keep_round (self, until);
        kept = kept || more;
    }
    if (rc)
        zb_env_fail (self->env, rc, "moving messages from the log to their table");
    //  The files that had them may go from here on.
    return kept ? zb_env_flush (self->env) : !zb_env_fault (self->env);
}

bool zb_tables_keep (zb_tables_t *self, bool all)
{
    return s_keep_older (self, all, false);
}

bool zb_tables_checkpoint (zb_tables_t *self, uint32_t kbytes)
{
    if (!self->open || zb_env_fault (self->env))
        return true;
    zb_lsn_t end = zb_env_end (self->env), oldest = UINT64_MAX;
    uint64_t written = zb_env_distance (self->env, self->checkpoint, end), due = (uint64_t) kbytes << 10;
    if (kbytes && written < due)
        return true;
    //  Much of it is kept in several goes, so that its pages find their way to the disk meanwhile; but not for long.
    int rc = self->db[ZB_LOG] ? zb_brief_oldest (self->db[ZB_LOG], NULL, &oldest) : 0;
    if (!rc && kbytes && written < 2 * due &&
        zb_env_distance (self->env, oldest, s_newest_file (self)) > KEEP_AT_ONCE) {
        s_keep_older (self, false, true);
        return true;
    }
    if (s_keep_older (self, false, false) && !zb_env_checkpoint (self->env, 0))
        return false;
    self->checkpoint = end;
    return true;
}

uint32_t zb_tables_needs (zb_tables_t *self)
{
    zb_lsn_t oldest = UINT64_MAX;
    if (!self->open || zb_env_fault (self->env))
        return 0;
    int rc = self->db[ZB_LOG] ? zb_brief_oldest (self->db[ZB_LOG], NULL, &oldest) : 0;
    return rc ? 0 : ZB_LSN_FILE (oldest);
}

uint64_t zb_tables_owed (zb_tables_t *self)
{
    zb_lsn_t oldest = UINT64_MAX;
    if (!self->keeps || !self->open || zb_env_fault (self->env) || !self->db[ZB_LOG] ||
        zb_brief_oldest (self->db[ZB_LOG], NULL, &oldest))
        return 0;
    //  Commits keep what is older than the span.  What seems to be: the files of the log may be of another size than it is set now.
    uint64_t bytes = zb_env_distance (self->env, oldest, zb_env_end (self->env));
    //  A value has at most as much again of its last page; and each is logged once more.
    return 3 * (bytes < 2 * BRIEF_SPAN ? bytes : 2 * BRIEF_SPAN);
}

//  ---------------------------------------------------------------------------
//  Read

//  Reads one range with an open cursor; DB_NOTFOUND at the end of the table, 0 at the end of the range.
static int s_read_range (zb_tables_t *self, DBC *cursor, zb_read_t *read, size_t index)
{
    const zb_range_t *range = &read->range[index];
    uint8_t name[ZB_KEY_MAX];
    memcpy (name, range->key, range->key_size);
    DBT key = {.data = name, .size = range->key_size, .ulen = sizeof (name), .flags = DB_DBT_USERMEM};
    size_t bytes = 0;
    for (size_t rows = 0;; rows++) {
        //  The row after the last that is wanted is looked at for its key only.
        bool full = rows >= range->rows || (rows && bytes >= range->bytes);
        DBT value = {.data = self->value, .size = self->room, .flags = DB_DBT_REALLOC};
        if (full)
            value = (DBT){.flags = DB_DBT_USERMEM | DB_DBT_PARTIAL};
        int rc = cursor->get (cursor, &key, &value, rows ? DB_NEXT : DB_SET_RANGE);
        if (!full) {
            self->value = value.data;
            self->room = value.data ? value.size : 0;
        }
        if (rc)
            return rc;
        if (key.size < range->prefix || memcmp (name, range->key, range->prefix))
            return 0;
        if (full) {
            read->more[index] = true;
            return 0;
        }
        if (range->table == ZB_LOG && zb_brief_is (&key, &value))
            rc = zb_brief_read (&self->brief, self->db[ZB_LOG], &value, &value);
        if (rc)
            return rc;
        bytes += value.size;
        zb_read_found (read, index, name, key.size, value.data, value.size);
    }
}

//  Forgets what a read that failed has found so far.
static void s_forget (zb_read_t *read)
{
    for (size_t index = 0; index < read->ranges; index++) {
        for (size_t row = 0; row < read->count[index]; row++)
            zb_row_unref (&read->found[index][row].row);
        free (read->found[index]);
        read->found[index] = NULL;
        read->count[index] = 0;
        read->more[index] = false;
    }
}

bool zb_tables_read (zb_tables_t *self, zb_read_t *read)
{
    //  Closed, it may have outlived its environment.
    if (!self->open || zb_env_fault (self->env))
        return false;
    for (size_t index = 0; index < read->ranges; index++) {
        DB *db = self->db[read->range[index].table];
        if (!db)
            continue;
        DBC *cursor = NULL;
        int rc = db->cursor (db, NULL, &cursor, 0);
        if (!rc) {
            rc = s_read_range (self, cursor, read, index);
            int closed = cursor->close (cursor);
            if (closed)
                rc = closed;
        }
        if (rc == 0 || rc == DB_NOTFOUND)
            continue;
        if (rc != DB_REP_HANDLE_DEAD && rc != DB_REP_LOCKOUT && rc != DB_LOCK_DEADLOCK)
            zb_env_fail (self->env, rc, "read");
        s_forget (read);
        return false;
    }
    return true;
}
