/*  =========================================================================
    tables_file - a table's file that nobody writes, read without an environment

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <db.h>

#include "io/store/tables_file.h"

//  Berkeley DB takes what begins with `log.` for a log file, and leaves it out of a resync.
static const char *const s_names[ZB_TABLES] = {"table.meta",    "table.queues", "table.log",
                                               "table.cursors", "table.acks",   "table.producers"};

struct zb_tables_file {
    char *path;
    DB *db;
    DBC *cursor;
    uint8_t from[ZB_KEY_MAX + 1]; //  the next key is not below it
    size_t from_size;
    uint8_t key[ZB_KEY_MAX + 1]; //  that was read last
    bool placed;                 //  the cursor is at the row that was read last
    void *value;
    u_int32_t room;
    char why[256];
    zb_tables_file_t *next; //  of those abandoned
};

//  A handle that has met damage is never closed: Berkeley DB may crash.
static zb_tables_file_t *s_abandoned;

const char *zb_tables_file_name (zb_table_t table)
{
    return s_names[table];
}

static void s_complain (const DB_ENV *env, const char *prefix, const char *text)
{
    (void) env;
    zb_tables_file_t *self = (zb_tables_file_t *) (uintptr_t) prefix;
    if (!*self->why)
        snprintf (self->why, sizeof self->why, "%s", text);
}

//  Opens it; 0, or Berkeley DB's error.
static int s_open (zb_tables_file_t *self)
{
    self->db = NULL;
    self->cursor = NULL;
    self->placed = false;
    int rc = db_create (&self->db, NULL, 0);
    if (rc)
        return rc;
    self->db->set_errcall (self->db, s_complain);
    //  The prefix is handed through as it is.
    self->db->set_errpfx (self->db, (const char *) self);
    rc = self->db->open (self->db, NULL, self->path, NULL, DB_BTREE, DB_RDONLY, 0);
    return rc ? rc : self->db->cursor (self->db, NULL, &self->cursor, 0);
}

//  Gives the handles up, for new ones.
static void s_abandon (zb_tables_file_t *self)
{
    zb_tables_file_t *gone = zmalloc (sizeof (*gone));
    *gone = (zb_tables_file_t){.db = self->db, .cursor = self->cursor, .next = s_abandoned};
    s_abandoned = gone;
    self->db->set_errpfx (self->db, (const char *) gone);
    self->db = NULL;
    self->cursor = NULL;
}

zb_tables_file_t *zb_tables_file_new (const char *folder, zb_table_t table)
{
    zb_tables_file_t *self = zmalloc (sizeof (*self));
    self->path = zsys_sprintf ("%s/%s", folder, s_names[table]);
    assert (self->path);
    return self;
}

void zb_tables_file_destroy (zb_tables_file_t **self_p)
{
    assert (self_p);
    zb_tables_file_t *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    if (self->cursor)
        self->cursor->close (self->cursor);
    if (self->db)
        self->db->close (self->db, DB_NOSYNC);
    free (self->value);
    freen (self->path);
    freen (self);
}

void zb_tables_file_seek (zb_tables_file_t *self, const void *key, size_t size)
{
    assert (size <= sizeof self->from);
    memcpy (self->from, key, size);
    self->from_size = size;
    self->placed = false;
}

//  Reads the next row, or its key only; 0 or Berkeley DB's error.
static int s_read (zb_tables_file_t *self, DBT *key, DBT *value)
{
    //  A read that fails at the value has written the key all the same.
    memcpy (self->key, self->from, self->from_size);
    *key = (DBT){
        .data = self->key, .size = (u_int32_t) self->from_size, .ulen = sizeof self->key, .flags = DB_DBT_USERMEM};
    int rc = self->db ? 0 : s_open (self);
    if (!rc)
        rc = self->cursor->get (self->cursor, key, value, self->placed ? DB_NEXT : DB_SET_RANGE);
    self->placed = !rc;
    return rc;
}

zb_tables_file_found_t zb_tables_file_next (zb_tables_file_t *self, zb_frame_t *key, zb_frame_t *value)
{
    *self->why = 0;
    DBT found;
    DBT data = {.data = self->value, .size = self->room, .flags = DB_DBT_REALLOC};
    int rc = s_read (self, &found, &data);
    bool good = rc == 0;
    if (good || rc == DB_NOTFOUND) {
        self->value = data.data;
        self->room = data.data ? data.size : 0;
    }
    else {
        //  Whether its key can be read: a large value lies on pages of its own.
        if (self->db)
            s_abandon (self);
        self->value = NULL;
        self->room = 0;
        DBT none = {.flags = DB_DBT_USERMEM | DB_DBT_PARTIAL};
        rc = s_read (self, &found, &none);
    }
    if (rc == DB_NOTFOUND)
        return ZB_TABLES_FILE_END;
    if (rc || found.size > ZB_KEY_MAX) {
        if (!*self->why)
            snprintf (self->why, sizeof self->why, "%s", db_strerror (rc));
        return ZB_TABLES_FILE_LOST;
    }
    *key = (zb_frame_t){self->key, found.size};
    *value = (zb_frame_t){good ? data.data : "", good ? data.size : 0};
    //  The least key above it, should the next read begin anew.
    memcpy (self->from, self->key, found.size);
    self->from[found.size] = 0;
    self->from_size = found.size + 1;
    return good ? ZB_TABLES_FILE_ROW : ZB_TABLES_FILE_VALUE;
}

const char *zb_tables_file_why (const zb_tables_file_t *self)
{
    return self->why;
}

bool zb_tables_file_sound (const char *folder, zb_table_t table)
{
    zb_tables_file_t *self = zb_tables_file_new (folder, table);
    DB *db;
    bool sound = false;
    if (db_create (&db, NULL, 0) == 0) {
        db->set_errcall (db, s_complain);
        db->set_errpfx (db, (const char *) self);
        //  It is closed by that.
        sound = db->verify (db, self->path, NULL, NULL, 0) == 0;
    }
    zb_tables_file_destroy (&self);
    return sound;
}
