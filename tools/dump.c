/*  =========================================================================
    dump - zbroker dump: the messages of a backup, as lines of JSON

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <jansson.h>
#include <sodium.h>

#include "commands.h"
#include "core/queue/rows.h"
#include "progress.h"
#include "rowname.h"

static const tool_option_t s_options[] = {{NULL, NULL, NULL}};

typedef struct {
    const tool_t *tool;
    const zb_backup_t *backup;
    zb_tables_file_t *log, *acks;
    bool damaged, unwritten;
    size_t topics; //  and subscriptions, that were left out
} dump_t;

static void s_line (dump_t *self, json_t *object)
{
    char *text = json_dumps (object, JSON_COMPACT | JSON_PRESERVE_ORDER);
    self->unwritten = self->unwritten || !text || puts (text) == EOF;
    free (text);
    json_decref (object);
}

//  The value of one row; size 0 if there is none.
static zb_frame_t s_value (dump_t *self, zb_tables_file_t *file, const uint8_t *key, size_t size)
{
    zb_frame_t found, value;
    zb_tables_file_seek (file, key, size);
    zb_tables_file_found_t got = zb_tables_file_next (file, &found, &value);
    self->damaged = self->damaged || got == ZB_TABLES_FILE_LOST;
    bool good = got == ZB_TABLES_FILE_ROW && found.size == size && memcmp (found.data, key, size) == 0;
    return good ? value : (zb_frame_t){"", 0};
}

//  All messages with smaller ids are done; UINT64_MAX if that can't be told.
static uint64_t s_low (dump_t *self, uint32_t id)
{
    zb_tables_file_t *cursors = zb_tables_file_new (self->backup->home, ZB_CURSORS);
    uint8_t key[ZB_CURSOR_KEY_SIZE];
    zb_cursor_key (id, 0, key);
    zb_frame_t value = s_value (self, cursors, key, sizeof key);
    uint64_t low = value.size >= 8 ? zb_get64 (value.data) : 0;
    zb_tables_file_destroy (&cursors);
    //  What was purged, and is not freed yet.
    zb_tables_file_t *queues = zb_tables_file_new (self->backup->home, ZB_QUEUES);
    uint8_t tomb[ZB_TOMB_KEY_SIZE];
    zb_tomb_key (id, tomb);
    value = s_value (self, queues, tomb, sizeof tomb);
    uint64_t purged = value.size >= 8 ? zb_get64 (value.data) : 0;
    zb_tables_file_destroy (&queues);
    return purged >= low && purged ? purged + 1 : low;
}

static void s_message (dump_t *self, const char *queue, const zb_piece_t *piece, uint64_t id, const uint8_t *body,
                       size_t size)
{
    size_t room = sodium_base64_ENCODED_LEN (size, sodium_base64_VARIANT_ORIGINAL);
    char *text = zmalloc (room), number[21];
    sodium_bin2base64 (text, room, body, size, sodium_base64_VARIANT_ORIGINAL);
    zb_number_format (id, number);
    json_t *object = json_pack ("{s:s, s:s}", "queue", queue, "id", number);
    if (piece->name.size) {
        json_object_set_new (object, "producer", json_stringn (piece->name.data, piece->name.size));
        json_object_set_new (object, "number", json_integer ((json_int_t) piece->number));
    }
    if (piece->properties.size)
        json_object_set_new (object, "properties", json_stringn (piece->properties.data, piece->properties.size));
    json_object_set_new (object, "body", json_string (text));
    s_line (self, object);
    free (text);
}

static bool s_is_done (zb_frame_t bits, uint32_t index)
{
    return bits.size > index / 8 && ((const uint8_t *) bits.data)[index / 8] & 1 << index % 8;
}

static void s_row (dump_t *self, const char *queue, uint32_t id, uint64_t last, uint64_t low, zb_frame_t value)
{
    zb_row_t *row = zb_row_new (value.size);
    memcpy (row->data, value.data, value.size);
    row->size = (uint32_t) value.size;
    uint8_t key[ZB_ACKS_KEY_SIZE];
    zb_acks_key (id, last, key);
    zb_frame_t bits = s_value (self, self->acks, key, sizeof key);
    size_t offset = 0;
    uint32_t number = 0;
    zb_piece_t piece;
    int rc;
    while ((rc = zb_log_next (row, &offset, &piece)) == 1) {
        const uint8_t *body = row->data + piece.bodies;
        for (uint32_t index = 0; index < piece.count; index++, number++) {
            uint32_t size = zb_get32 (row->data + piece.sizes + 4 * index);
            if (piece.first + index >= low && !s_is_done (bits, number))
                s_message (self, queue, &piece, piece.first + index, body, size);
            body += size;
        }
    }
    self->damaged = self->damaged || rc == -1;
    zb_row_unref (&row);
}

static void s_queue (dump_t *self, const queue_t *queue)
{
    zb_queue_row_t options;
    if (zb_queue_row_decode (&options, queue->row)) {
        self->damaged = true;
        return;
    }
    if (options.kind != ZB_KIND_QUEUE) {
        self->topics++;
        return;
    }
    json_t *object = json_pack ("{s:s}", "queue", queue->name), *set = json_object ();
    if (options.lease)
        json_object_set_new (set, "lease", json_integer ((json_int_t) options.lease));
    if (options.max)
        json_object_set_new (set, "max-messages", json_integer ((json_int_t) options.max));
    if (options.grace)
        json_object_set_new (set, "grace", json_integer ((json_int_t) options.grace));
    if (options.timed)
        json_object_set_new (set, "expires", json_integer ((json_int_t) options.expires));
    if (options.dead_size)
        json_object_set_new (set, "dead-letter", json_stringn (options.dead, options.dead_size));
    json_object_set_new (object, "options", set);
    s_line (self, object);
    uint64_t low = s_low (self, options.id);
    uint8_t key[ZB_LOG_KEY_SIZE];
    zb_log_key (options.id, low, key);
    zb_tables_file_seek (self->log, key, sizeof key);
    zb_frame_t found, value;
    zb_tables_file_found_t got;
    while (!self->unwritten && !zsys_interrupted &&
           (got = zb_tables_file_next (self->log, &found, &value)) != ZB_TABLES_FILE_END) {
        self->damaged = self->damaged || got != ZB_TABLES_FILE_ROW;
        if (got == ZB_TABLES_FILE_LOST || found.size != ZB_LOG_KEY_SIZE || zb_get32 (found.data) != options.id)
            break;
        if (got == ZB_TABLES_FILE_ROW)
            s_row (self, queue->name, options.id, zb_get64 ((const uint8_t *) found.data + 4), low, value);
    }
}

static int s_dump (dump_t *self)
{
    queues_t queues;
    queues_read (&queues, self->backup);
    self->damaged = !queues.whole;
    self->log = zb_tables_file_new (self->backup->home, ZB_LOG);
    self->acks = zb_tables_file_new (self->backup->home, ZB_ACKS);
    s_line (self, json_pack ("{s:i, s:s, s:I, s:I}", "zbroker-dump", 1, "pair", self->backup->pair, "epoch",
                             (json_int_t) self->backup->epoch, "commit", (json_int_t) self->backup->commit));
    for (size_t index = 0; index < queues.size && !self->unwritten && !zsys_interrupted; index++)
        s_queue (self, &queues.queue[index]);
    zb_tables_file_destroy (&self->log);
    zb_tables_file_destroy (&self->acks);
    queues_clear (&queues);
    if (self->unwritten)
        return tool_fail (self->tool, TOOL_FAILED, "standard output: %s", strerror (errno));
    if (zsys_interrupted)
        return tool_fail (self->tool, TOOL_FAILED, "interrupted");
    if (self->topics && !self->damaged)
        return tool_fail (self->tool, TOOL_FAILED,
                          "%zu topics and subscriptions were left out: they come back with 'zbroker restore' alone", self->topics);
    return self->damaged ? tool_fail (self->tool, ZB_EXIT_DAMAGED,
                                      "damaged: messages are missing; see 'zbroker verify %s'", self->backup->folder)
                         : TOOL_OK;
}

static int s_run (tool_t *tool)
{
    if (tool->size != 1)
        return tool_misused (tool, "which backup?");
    dump_t dump = {.tool = tool};
    progress_catch ();
    zb_backup_t *backup;
    char *error = NULL;
    int code = zb_backup_open (&backup, tool->arguments[0], &error);
    if (code) {
        tool_fail (tool, code, "%s", error);
        free (error);
        return code;
    }
    dump.backup = backup;
    code = s_dump (&dump);
    zb_backup_close (&backup);
    return code;
}

const tool_command_t tool_dump = {
    .name = "dump",
    .arguments = "BACKUP",
    .summary = "Print the messages of a backup, one JSON object a line",
    .text = "\n"
            "First a line about the backup; then of each queue a line with its options, and a line for each message\n"
            "that is not acknowledged: queue, id, producer and number, properties, and body in base64.  The ids are\n"
            "text: they are larger than many programs' numbers.  'zbroker load' puts them back.  Topics are left out, which is said, with exit code 1.\n",
    .options = s_options,
    .run = s_run,
};
