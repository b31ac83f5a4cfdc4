/*  =========================================================================
    rowname - what a row of a table is, in an operator's words

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <inttypes.h>

#include "core/queue/dedupe.h"
#include "core/queue/lane.h"
#include "core/queue/rank.h"
#include "rowname.h"

void queues_read (queues_t *self, const zb_backup_t *backup)
{
    *self = (queues_t){.whole = true};
    zb_tables_file_t *file = zb_tables_file_new (backup->home, ZB_QUEUES);
    zb_frame_t key, value;
    zb_tables_file_found_t found;
    while ((found = zb_tables_file_next (file, &key, &value)) != ZB_TABLES_FILE_END && found != ZB_TABLES_FILE_LOST) {
        self->whole = self->whole && found == ZB_TABLES_FILE_ROW;
        if (found != ZB_TABLES_FILE_ROW || !key.size || *(const uint8_t *) key.data == ZB_TOMB_MARK)
            continue;
        self->queue = realloc (self->queue, (self->size + 1) * sizeof *self->queue);
        assert (self->queue);
        queue_t *queue = &self->queue[self->size++];
        queue->name = strndup (key.data, key.size);
        queue->row = zb_row_new (value.size);
        memcpy (queue->row->data, value.data, value.size);
        queue->row->size = (uint32_t) value.size;
    }
    self->whole = self->whole && found == ZB_TABLES_FILE_END;
    zb_tables_file_destroy (&file);
}

void queues_clear (queues_t *self)
{
    for (size_t index = 0; index < self->size; index++) {
        free (self->queue[index].name);
        zb_row_unref (&self->queue[index].row);
    }
    free (self->queue);
}

const char *queues_name (const queues_t *self, uint32_t id)
{
    zb_queue_row_t row;
    for (size_t index = 0; index < self->size; index++)
        if (zb_queue_row_decode (&row, self->queue[index].row) == 0 && row.kind != ZB_KIND_SUB && row.id == id)
            return self->queue[index].name;
    return "?";
}

char *rowname (const queues_t *self, zb_table_t table, zb_frame_t key)
{
    const uint8_t *byte = key.data;
    char *text = NULL;
    int size = (int) strnlen (key.data, key.size);
    if (table == ZB_LOG && key.size == ZB_DEDUPE_KEY_SIZE && zb_get32 (byte) == 0 && byte[4] == ZB_DEDUPE_MARK)
        text = zsys_sprintf ("queue %s, message-id of message %" PRIu64, queues_name (self, zb_get32 (byte + 5)),
                             zb_get64 (byte + ZB_DEDUPE_PREFIX));
    else if (table == ZB_LOG && (key.size == ZB_LANE_KEY_SIZE || key.size == ZB_LANE_INDEX_SIZE))
        text = zsys_sprintf ("queue %s, message %" PRIu64 ", which is not due",
                             queues_name (self, zb_get32 (byte + ZB_LANE_PREFIX - 4)), zb_get64 (byte + key.size - 8));
    else if (table == ZB_LOG && key.size == ZB_RANK_KEY_SIZE)
        text =
            zsys_sprintf ("queue %s, which of its messages go first, up to %" PRIu64,
                          queues_name (self, zb_get32 (byte + ZB_RANKS_PREFIX - 4)), zb_get64 (byte + ZB_RANK_PREFIX));
    else if (table == ZB_LOG && key.size >= ZB_LOG_KEY_SIZE)
        text = zsys_sprintf ("queue %s, messages up to %" PRIu64, queues_name (self, zb_get32 (byte)),
                             zb_get64 (byte + 4));
    else if (table == ZB_ACKS && key.size >= ZB_LOG_KEY_SIZE && zb_get32 (byte))
        text = zsys_sprintf ("queue %s, acknowledgements of messages up to %" PRIu64,
                             queues_name (self, zb_get32 (byte)), zb_get64 (byte + 4));
    else if (table == ZB_CURSORS && key.size >= 4)
        text = zsys_sprintf ("queue %s", queues_name (self, zb_get32 (byte)));
    else if (table == ZB_PRODUCERS)
        text = zsys_sprintf ("producer %.*s", size, (const char *) key.data);
    else if (table == ZB_QUEUES && key.size && *byte != ZB_TOMB_MARK)
        text = zsys_sprintf ("queue %.*s", size, (const char *) key.data);
    else if (table == ZB_META)
        text = zsys_sprintf ("%.*s", size, (const char *) key.data);
    else {
        text = strdup ("key ");
        for (size_t index = 0; index < key.size; index++) {
            char *more = zsys_sprintf ("%s%02x", text, byte[index]);
            free (text);
            text = more;
        }
    }
    assert (text);
    return text;
}
