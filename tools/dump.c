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
#include "core/queue/lane.h"
#include "core/queue/options.h"
#include "core/queue/rows.h"
#include "core/wire/filter.h"
#include "progress.h"
#include "rowname.h"
#include "source.h"

static const tool_option_t s_options[] = {{NULL, NULL, NULL}};

typedef struct {
    const tool_t *tool;
    const zb_backup_t *backup;
    zb_tables_file_t *log, *acks;
    bool damaged, unwritten;
    uint64_t messages;
    bool all; //  of this topic, be it open or not
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

//  Up to this id all is purged, and may not be freed yet.
static uint64_t s_purged (dump_t *self, uint32_t id)
{
    zb_tables_file_t *queues = zb_tables_file_new (self->backup->home, ZB_QUEUES);
    uint8_t tomb[ZB_TOMB_KEY_SIZE];
    zb_tomb_key (id, tomb);
    zb_frame_t value = s_value (self, queues, tomb, sizeof tomb);
    uint64_t purged = value.size >= 8 ? zb_get64 (value.data) : 0;
    zb_tables_file_destroy (&queues);
    return purged;
}

//  All messages of a queue, or of a topic's subscription (sub not 0), with smaller ids are done.
static uint64_t s_low (dump_t *self, uint32_t id, uint32_t sub)
{
    zb_tables_file_t *cursors = zb_tables_file_new (self->backup->home, ZB_CURSORS);
    uint8_t key[ZB_CURSOR_KEY_SIZE];
    zb_cursor_key (id, sub, key);
    zb_frame_t value = s_value (self, cursors, key, sizeof key);
    uint64_t low = value.size >= 8 ? zb_get64 (value.data) : 0;
    zb_tables_file_destroy (&cursors);
    uint64_t purged = s_purged (self, id);
    return purged >= low && purged ? purged + 1 : low;
}

//  Whether its PUT would say, or leave to the queue, when it is due.
static bool s_is_delayed (const zb_queue_row_t *options, zb_frame_t properties)
{
    size_t cursor = 0;
    zb_frame_t name, value;
    bool says = options->delay > 0;
    while (options->delays && !says && zb_lines_next (properties, &cursor, &name, &value))
        says = zb_frame_is (name, "delay") || zb_frame_is (name, "due");
    return options->delays && says;
}

//  `due`: in ms since 1970, 0 = it had no delay, though another PUT of it would; -1 = nothing is said of that.
static void s_message (dump_t *self, const char *queue, const zb_piece_t *piece, uint64_t id, const uint8_t *body,
                       size_t size, json_int_t due)
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
    if (due >= 0)
        json_object_set_new (object, "due", json_integer (due));
    json_object_set_new (object, "body", json_string (text));
    s_line (self, object);
    self->messages++;
    free (text);
}

static bool s_is_done (zb_frame_t bits, uint32_t index)
{
    return bits.size > index / 8 && ((const uint8_t *) bits.data)[index / 8] & 1 << index % 8;
}

//  Who gets the messages of a log: a queue itself, or a subscription.
typedef struct {
    uint32_t id; //  of its bitmaps
    uint64_t low;
    const char *name;
    zb_queue_row_t options;
} reader_t;

//  Whether somebody may still get this message of the row, whose bitmaps are given.
static bool s_is_open (const reader_t *reader, const zb_frame_t *bits, size_t readers, uint64_t id, uint32_t number,
                       zb_frame_t properties)
{
    for (size_t index = 0; index < readers; index++) {
        const zb_filter_t *filter = &reader[index].options.filter;
        if (id >= reader[index].low && !s_is_done (bits[index], number) &&
            zb_filter_takes ((zb_frame_t){filter->text, filter->size}, properties))
            return true;
    }
    return false;
}

static void s_options_line (dump_t *self, const char *kind, const char *name, const zb_queue_row_t *row)
{
    const struct {
        const char *name;
        uint64_t value;
        bool named;
    } options[] = {{"lease", row->lease, row->lease > 0},
                   {"max-messages", row->max, row->max > 0},
                   {"grace", row->grace, row->grace > 0},
                   {"max-bytes", row->bytes, row->bytes > 0 || row->sized},
                   {"max-age", row->age, row->age > 0},
                   {"keep-messages", row->most, row->most > 0},
                   {"expires", row->expires, row->timed},
                   {"delay", row->delay, row->delays},
                   {"max-deliveries", row->most_tries, row->most_tries > 0},
                   {"priorities", row->ranks, row->ranks > 0},
                   {"dedupe", 0, row->dedupe > 0},
                   {"unused", row->unused, row->unused > 0}};
    json_t *set = json_object ();
    for (size_t index = 0; index < sizeof options / sizeof *options; index++)
        if (options[index].named)
            json_object_set_new (set, options[index].name, json_integer ((json_int_t) options[index].value));
    if (row->retains)
        json_object_set_new (set, "keep", json_string ("all"));
    if (row->drops)
        json_object_set_new (set, ZB_OPTION_FULL, json_string ("drop-oldest"));
    if (row->mode)
        json_object_set_new (set, ZB_OPTION_MODE, json_string (row->mode == ZB_MODE_KEY ? "key" : "exclusive"));
    char retry[ZB_OPTION_RETRY_TEXT];
    size_t size = zb_options_format_retry (row, retry, sizeof retry), named = sizeof ZB_OPTION_RETRY;
    if (size)
        json_object_set_new (set, ZB_OPTION_RETRY, json_stringn (retry + named, size - named - 1));
    if (row->dead_size)
        json_object_set_new (set, "dead-letter", json_stringn (row->dead, row->dead_size));
    if (row->filter.size)
        json_object_set_new (set, "filter", json_stringn (row->filter.text, row->filter.size));
    s_line (self, json_pack ("{s:s, s:o}", kind, name, "options", set));
}

//  The row's messages that somebody may still get.  `told`: so many subscriptions have their line; those that begin at a
//  message have it before that one.
static void s_row (dump_t *self, const char *name, uint64_t last, zb_frame_t value, const reader_t *reader,
                   size_t readers, size_t *told)
{
    zb_row_t *row = zb_row_new (value.size);
    memcpy (row->data, value.data, value.size);
    row->size = (uint32_t) value.size;
    zb_frame_t *bits = zmalloc (readers * sizeof *bits);
    zchunk_t *memory = zchunk_new (NULL, 1024);
    for (size_t index = 0; index < readers; index++) {
        uint8_t key[ZB_ACKS_KEY_SIZE];
        zb_acks_key (reader[index].id, last, key);
        bits[index] = s_value (self, self->acks, key, sizeof key);
        zchunk_extend (memory, bits[index].data, bits[index].size);
    }
    const byte *copy = zchunk_data (memory);
    for (size_t index = 0; index < readers; copy += bits[index++].size)
        bits[index].data = copy;
    size_t offset = 0;
    uint32_t number = 0;
    zb_piece_t piece;
    int rc;
    while ((rc = zb_log_next (row, &offset, &piece)) == 1) {
        const uint8_t *body = row->data + piece.bodies;
        bool delayed = readers && s_is_delayed (&reader[0].options, piece.properties);
        json_int_t due = delayed ? (json_int_t) zb_log_due (row) : -1;
        for (uint32_t index = 0; index < piece.count; index++, number++) {
            uint64_t id = piece.first + index;
            uint32_t size = zb_get32 (row->data + piece.sizes + 4 * index);
            for (; *told < readers && reader[*told].low <= id; ++*told)
                s_options_line (self, "subscription", reader[*told].name, &reader[*told].options);
            if (self->all || s_is_open (reader, bits, *told, id, number, piece.properties))
                s_message (self, name, &piece, id, body, size, due);
            body += size;
        }
    }
    self->damaged = self->damaged || rc == -1;
    free (bits);
    zchunk_destroy (&memory);
    zb_row_unref (&row);
}

//  All rows of this log from an id on.
static void s_log (dump_t *self, const char *name, uint32_t id, uint64_t from, const reader_t *reader, size_t readers,
                   size_t *told)
{
    uint8_t key[ZB_LOG_KEY_SIZE];
    zb_log_key (id, from, key);
    zb_tables_file_seek (self->log, key, sizeof key);
    zb_frame_t found, value;
    zb_tables_file_found_t got;
    while (!self->unwritten && !zsys_interrupted &&
           (got = zb_tables_file_next (self->log, &found, &value)) != ZB_TABLES_FILE_END) {
        self->damaged = self->damaged || got != ZB_TABLES_FILE_ROW;
        if (got == ZB_TABLES_FILE_LOST || found.size != ZB_LOG_KEY_SIZE || zb_get32 (found.data) != id)
            break;
        if (got == ZB_TABLES_FILE_ROW)
            s_row (self, name, zb_get64 ((const uint8_t *) found.data + 4), value, reader, readers, told);
    }
}

//  What of a queue is not due yet, in the order of time.
static void s_lane (dump_t *self, const char *name, const zb_queue_row_t *options)
{
    uint8_t key[ZB_LANE_KEY_SIZE];
    uint32_t id = options->id;
    zb_lane_key (id, 0, 0, key);
    zb_tables_file_seek (self->log, key, sizeof key);
    const reader_t reader = {.id = id, .low = s_purged (self, id) + 1, .options = *options};
    size_t told = 1;
    zb_frame_t found, value;
    zb_tables_file_found_t got;
    while (!self->unwritten && !zsys_interrupted &&
           (got = zb_tables_file_next (self->log, &found, &value)) != ZB_TABLES_FILE_END) {
        self->damaged = self->damaged || got != ZB_TABLES_FILE_ROW;
        if (got == ZB_TABLES_FILE_LOST || found.size != ZB_LANE_KEY_SIZE || memcmp (found.data, key, ZB_LANE_PREFIX))
            break;
        if (got == ZB_TABLES_FILE_ROW)
            s_row (self, name, zb_get64 ((const uint8_t *) found.data + ZB_LANE_KEY_SIZE - 8), value, &reader, 1,
                   &told);
    }
}

static int s_by_low (const void *one, const void *other)
{
    const reader_t *left = one, *right = other;
    return left->low < right->low ? -1 : left->low > right->low;
}

//  Its subscriptions, those first that have done least.
static reader_t *s_subscriptions (dump_t *self, uint32_t topic, const queues_t *all, size_t *count)
{
    reader_t *reader = zmalloc ((all->size + 1) * sizeof *reader);
    for (size_t index = 0; index < all->size; index++) {
        reader_t *one = &reader[*count];
        if (zb_queue_row_decode (&one->options, all->queue[index].row) || one->options.kind != ZB_KIND_SUB ||
            one->options.topic != topic)
            continue;
        one->id = one->options.id;
        one->name = all->queue[index].name;
        one->low = s_low (self, topic, one->id);
        if (one->low <= one->options.from)
            one->low = one->options.from + 1;
        ++*count;
    }
    qsort (reader, *count, sizeof *reader, s_by_low);
    return reader;
}

static void s_topic (dump_t *self, const char *name, const zb_queue_row_t *options, const queues_t *all)
{
    size_t count = 0, told = 0;
    reader_t *reader = s_subscriptions (self, options->id, all, &count);
    s_options_line (self, "topic", name, options);
    self->all = options->retains;
    s_log (self, name, options->id, self->all ? 1 : count ? reader->low : UINT64_MAX, reader, count, &told);
    self->all = false;
    for (; told < count; told++)
        s_options_line (self, "subscription", reader[told].name, &reader[told].options);
    free (reader);
}

static void s_queue (dump_t *self, const queue_t *queue, const queues_t *all)
{
    zb_queue_row_t options;
    if (zb_queue_row_decode (&options, queue->row)) {
        self->damaged = true;
        return;
    }
    if (options.kind == ZB_KIND_TOPIC)
        s_topic (self, queue->name, &options, all);
    if (options.kind != ZB_KIND_QUEUE)
        return;
    s_options_line (self, "queue", queue->name, &options);
    reader_t reader = {.id = options.id, .low = s_low (self, options.id, 0), .options = options};
    size_t told = 1;
    s_log (self, queue->name, options.id, reader.low, &reader, 1, &told);
    s_lane (self, queue->name, &options);
    //  What is loaded is no duplicate of each other: a PUT of several messages, of which some are done, is put in parts.
    if (options.dedupe)
        s_line (self, json_pack ("{s:s, s:{s:I}}", "queue", queue->name, "options", ZB_OPTION_DEDUPE,
                                 (json_int_t) options.dedupe));
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
        s_queue (self, &queues.queue[index], &queues);
    if (!zsys_interrupted)
        s_line (self, json_pack ("{s:i, s:I, s:b}", "zbroker-dump-end", 1, "messages", (json_int_t) self->messages,
                                 "damaged", self->damaged));
    self->unwritten = self->unwritten || fflush (stdout);
    zb_tables_file_destroy (&self->log);
    zb_tables_file_destroy (&self->acks);
    queues_clear (&queues);
    if (self->unwritten)
        return tool_fail (self->tool, TOOL_FAILED, "standard output: %s", strerror (errno));
    if (zsys_interrupted)
        return tool_fail (self->tool, TOOL_FAILED, "interrupted");
    return self->damaged
               ? tool_fail (self->tool, ZB_EXIT_DAMAGED, "damaged: messages are missing; see 'zbroker verify %s'",
                            self->tool->arguments[0])
               : TOOL_OK;
}

static int s_run (tool_t *tool)
{
    if (tool->size != 1)
        return tool_misused (tool, "of which backup, or store?");
    dump_t dump = {.tool = tool};
    progress_catch ();
    source_t source;
    int code = source_open (&source, tool, tool->arguments[0]);
    dump.backup = source.backup;
    if (code == TOOL_OK)
        code = s_dump (&dump);
    source_close (&source);
    return code;
}

const tool_command_t tool_dump = {
    .name = "dump",
    .arguments = "FOLDER",
    .summary = "Print the messages of a backup or store, one JSON object a line",
    .text = "\n"
            "First a line about the backup; then of each queue a line with its options, and a line for each message\n"
            "that is not acknowledged: queue, id, producer and number, properties, and body in base64.  The ids are\n"
            "text: they are larger than many programs' numbers.  Of a topic each subscription has its line where it "
            "begins:\n"
            "it is to get what is behind that.  The last line tells that this is all.  'zbroker load' puts all of them "
            "back.\n"
            "FOLDER is a backup, or a store that no broker uses: of that one a copy is made beside it meanwhile.\n",
    .options = s_options,
    .run = s_run,
};
