/*  =========================================================================
    store_kit - what the tests of the store share

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#ifndef STORE_KIT_H_INCLUDED
#define STORE_KIT_H_INCLUDED

#include <czmq.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "core/base/bytes.h"
#include "core/wire/seal.h"
#include "io/base/exit_codes.h"
#include "io/store/store.h"
#include "patience.h"


static inline char *kit_dir_new (void)
{
    char path[] = "/tmp/zbroker-store-XXXXXX";
    assert_non_null (mkdtemp (path));
    return strdup (path);
}

static inline int kit_remove (const char *path, const struct stat *info, int flag, struct FTW *walk)
{
    (void) info;
    (void) flag;
    (void) walk;
    return remove (path);
}

static inline void kit_dir_destroy (char **dir_p)
{
    if (!getenv ("KIT_KEEP"))
        nftw (*dir_p, kit_remove, 16, FTW_DEPTH | FTW_PHYS);
    freen (*dir_p);
}

//  Small sizes, so that log files change often.
static inline zb_store_args_t kit_args (const char *dir)
{
    return (zb_store_args_t){.dir = dir, .node = 1, .cache = 8 << 20, .log_file = 1 << 20, .log_keep = 64 << 20};
}

//  Waits for the next event of this kind and returns it; others before it are dropped, FAILED ends the test.
static inline zb_store_event_t *kit_wait (zb_store_t *store, zb_store_kind_t kind)
{
    int64_t end = zclock_mono () + patience_ms ();
    while (zclock_mono () < end) {
        zb_store_event_t *event = zb_store_recv (store);
        if (!event) {
            zmq_pollitem_t item = {.socket = zb_store_socket (store), .events = ZMQ_POLLIN};
            zmq_poll (&item, 1, 100);
            continue;
        }
        if (event->kind == kind)
            return event;
        if (event->kind == ZB_STORE_FAILED)
            fail_msg ("FAILED: %s", event->text);
        zb_store_event_destroy (&event);
    }
    fail_msg ("no event %d", kind);
    return NULL;
}

static inline void kit_expect (zb_store_t *store, zb_store_kind_t kind)
{
    zb_store_event_t *event = kit_wait (store, kind);
    zb_store_event_destroy (&event);
}

//  Waits until `here`, and `there`, if it is not 0, have reached these commits.
static inline void kit_synced (zb_store_t *store, uint64_t here, uint64_t there)
{
    for (bool done = false; !done;) {
        zb_store_event_t *event = kit_wait (store, ZB_STORE_SYNCED);
        done = event->here >= here && event->there >= there;
        zb_store_event_destroy (&event);
    }
}

//  A batch like those of the engine: one row of the log, a cursor that moves, the commit counter.
static inline zb_batch_t *kit_batch (uint64_t commit, size_t size)
{
    zb_batch_t *batch = zb_batch_new ();
    uint8_t key[12], number[8];
    zb_put32 (key, 1);
    zb_put64 (key + 4, commit);
    zb_put64 (number, commit);
    zb_row_t *row = zb_row_new (size);
    for (size_t i = 0; i < size; i++)
        row->data[i] = (uint8_t) (commit * 31 + i * 7);
    row->size = (uint32_t) size;
    //  Nobody erases it, so that the store has guessed wrong if it is large.
    zb_batch_put_brief (batch, ZB_LOG, key, sizeof (key), row);
    zb_row_unref (&row);
    zb_batch_put (batch, ZB_CURSORS, key, 4, number, sizeof (number));
    zb_batch_put (batch, ZB_META, "commit", 6, number, sizeof (number));
    zb_batch_set_commit (batch, commit);
    return batch;
}

//  Commits first..last and waits until they are durable here, and there, if the pair is live.
static inline void kit_commit (zb_store_t *store, uint64_t first, uint64_t last, size_t size, bool both)
{
    size_t count = (size_t) (last - first + 1);
    zb_batch_t **batch = calloc (count, sizeof (*batch));
    for (size_t i = 0; i < count; i++) {
        batch[i] = kit_batch (first + i, size);
        zb_store_commit (store, batch[i]);
    }
    kit_synced (store, last, both ? last : 0);
    for (size_t i = 0; i < count; i++)
        zb_batch_destroy (&batch[i]);
    free (batch);
}

static inline uint64_t kit_mix (uint64_t hash, const void *data, size_t size)
{
    const uint8_t *byte = data;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ byte[i]) * 0x100000001b3u;
    return (hash ^ size) * 0x100000001b3u;
}

//  Hash of all rows of all tables, in order; *rows is their number.
//  Which values lie in the log alone is the store's own business (io/store/brief.h): those are only counted.
static size_t kit_brief;

static inline uint64_t kit_digest (zb_store_t *store, size_t *rows)
{
    uint64_t hash = 0xcbf29ce484222325u;
    *rows = kit_brief = 0;
    for (int table = 0; table < ZB_TABLES; table++) {
        uint8_t key[ZB_KEY_MAX] = {0};
        size_t key_size = 0;
        for (bool more = true; more;) {
            zb_read_t *read = zb_read_new (1, 0);
            zb_read_add (read, (zb_table_t) table, key, key_size, 0, 500, 1 << 20);
            zb_store_read (store, read);
            zb_store_event_t *event = kit_wait (store, ZB_STORE_READ);
            read = event->read;
            for (size_t i = 0; i < read->count[0]; i++) {
                zb_found_t *found = &read->found[0][i];
                bool index =
                    table == ZB_LOG && found->key_size == 13 && zb_get32 (found->key) == 0 && found->key[4] == 5;
                kit_brief += index;
                if (!index) {
                    hash = kit_mix (hash, &table, sizeof (table));
                    hash = kit_mix (hash, found->key, found->key_size);
                    hash = kit_mix (hash, found->row->data, found->row->size);
                    ++*rows;
                }
                //  The next key after this one in memcmp order is this one with a zero byte.
                key_size = found->key_size + 1u;
                memcpy (key, found->key, found->key_size);
                key[found->key_size] = 0;
            }
            more = read->more[0];
            zb_store_event_destroy (&event);
        }
    }
    return hash;
}

//  Removes a child of zsys's own that would print warnings which tests provoke on purpose.
static inline void kit_quiet (void)
{
    zsys_init ();
    if (!getenv ("KIT_VERBOSE"))
        zsys_set_logstream (NULL);
}

//  The path of this program, for a test that runs it again: valgrind is /proc/self/exe itself, but reads it right.
static inline const char *kit_self (void)
{
    static char path[512];
    ssize_t size = readlink ("/proc/self/exe", path, sizeof (path) - 1);
    assert (size > 0);
    return path;
}

#endif
