/*  =========================================================================
    digest - the digest of all rows of all tables of a stopped broker's store

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    digest FOLDER: prints the rows and a digest of each table, and one of all.
    Two brokers of a pair that were in sync hold the same rows.
*/

#include <sodium.h>
#include <stdio.h>
#include <czmq.h>

#include "core/base/bytes.h"
#include "io/store/store.h"

//  Waits for the store's next event of this kind.
static zb_store_event_t *s_event (zb_store_t *store, zb_store_kind_t kind)
{
    while (true) {
        zmq_pollitem_t item = { zb_store_socket (store), 0, ZMQ_POLLIN, 0 };
        zmq_poll (&item, 1, -1);
        zb_store_event_t *event;
        while ((event = zb_store_recv (store))) {
            if (event->kind == ZB_STORE_FAILED) {
                fprintf (stderr, "digest: %s\n", event->text);
                _exit (1);
            }
            if (event->kind == kind)
                return event;
            zb_store_event_destroy (&event);
        }
    }
}

//  One page of a table from `key` on; returns the rows, in event.
static zb_store_event_t *s_page (zb_store_t *store, zb_table_t table, const void *key, size_t key_size)
{
    zb_read_t *read = zb_read_new (0, 0);
    zb_read_add (read, table, key, key_size, 0, 1000, 8 << 20);
    zb_store_read (store, read);
    return s_event (store, ZB_STORE_READ);
}

static size_t s_table (zb_store_t *store, zb_table_t table, crypto_generichash_state *state)
{
    uint8_t key[ZB_KEY_MAX + 1] = { 0 };
    size_t key_size = 0, rows = 0;
    bool more = true;
    while (more) {
        zb_store_event_t *event = s_page (store, table, key, key_size);
        for (size_t index = 0; index < event->read->count[0]; index++) {
            const zb_found_t *found = &event->read->found[0][index];
            uint8_t sizes[8];
            zb_put32 (sizes, found->key_size);
            zb_put32 (sizes + 4, found->row->size);
            crypto_generichash_update (state, sizes, sizeof sizes);
            crypto_generichash_update (state, found->key, found->key_size);
            crypto_generichash_update (state, found->row->data, found->row->size);
            //  The least key above this one.
            memcpy (key, found->key, found->key_size);
            key[found->key_size] = 0;
            key_size = found->key_size + 1u;
            rows++;
        }
        more = event->read->more[0];
        zb_read_destroy (&event->read);
        zb_store_event_destroy (&event);
    }
    return rows;
}

int main (int argc, char *argv[])
{
    static const char *const names[ZB_TABLES] = { "meta", "queues", "log", "cursors", "acks", "producers" };
    if (argc != 2 || sodium_init () == -1)
        return 2;
    zb_store_args_t args = { .dir = argv[1], .any = true, .node = 1, .cache = 64 << 20, .log_file = 64 << 20, .log_keep = 1 << 30 };
    zb_store_t *store = zb_store_new (&args);
    zb_store_event_t *opened = s_event (store, ZB_STORE_OPENED);
    zb_store_event_destroy (&opened);
    crypto_generichash_state state;
    crypto_generichash_init (&state, NULL, 0, 16);
    for (int table = 0; table < ZB_TABLES; table++)
        printf ("%s %zu\n", names[table], s_table (store, (zb_table_t) table, &state));
    uint8_t sum[16];
    char text[33];
    crypto_generichash_final (&state, sum, sizeof sum);
    printf ("%s\n", sodium_bin2hex (text, sizeof text, sum, sizeof sum));
    zb_store_destroy (&store);
    return 0;
}
