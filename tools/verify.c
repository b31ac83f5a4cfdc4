/*  =========================================================================
    verify - zbroker verify: whether a backup is as it was made

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <jansson.h>

#include "commands.h"
#include "core/queue/dedupe.h"
#include "core/queue/lane.h"
#include "core/queue/rank.h"
#include "progress.h"
#include "rowname.h"
#include "source.h"

#define DAMAGES_MOST 1000 //  that are told one by one

static const tool_option_t s_options[] = {{"json", NULL, "print what was found as JSON"}, {NULL, NULL, NULL}};

typedef struct {
    const tool_t *tool;
    const zb_backup_t *backup;
    const char *folder; //  as it was named
    queues_t queues;
    progress_t progress;
    json_t *damages;
    uint64_t rows, messages;
} verify_t;

//  Takes what it is told.
static void s_damage (verify_t *self, const char *file, const char *key, const char *why)
{
    if (json_array_size (self->damages) < DAMAGES_MOST)
        json_array_append_new (self->damages, json_pack ("{s:s, s:s?, s:s}", "file", file, "key", key, "why", why));
}

static void s_files (verify_t *self)
{
    for (size_t index = 0; index < self->backup->files && !zsys_interrupted; index++) {
        char *why;
        if (!zb_backup_file_whole (self->backup, index, progress_show, &self->progress, &why))
            s_damage (self, self->backup->file[index].name, NULL, why);
        free (why);
    }
}

//  Whether a row of the log is one; counts its messages.
static bool s_is_log (verify_t *self, zb_frame_t value)
{
    zb_row_t *row = zb_row_new (value.size);
    memcpy (row->data, value.data, value.size);
    row->size = (uint32_t) value.size;
    zb_log_head_t head;
    zb_piece_t piece;
    size_t offset = 0;
    uint32_t count = 0;
    int rc = zb_log_head (row, &head) ? -1 : 1;
    while (rc == 1 && (rc = zb_log_next (row, &offset, &piece)) == 1)
        count += piece.count;
    bool good = rc == 0 && count == head.count;
    self->messages += count;
    zb_row_unref (&row);
    return good;
}

static void s_table (verify_t *self, zb_table_t table)
{
    zb_tables_file_t *file = zb_tables_file_new (self->backup->home, table);
    const char *name = zb_tables_file_name (table);
    char last[ZB_KEY_MAX];
    zb_frame_t key = {last, 0}, value;
    zb_tables_file_found_t found;
    while ((found = zb_tables_file_next (file, &key, &value)) != ZB_TABLES_FILE_END && !zsys_interrupted) {
        char *text = rowname (&self->queues, table, key);
        if (found == ZB_TABLES_FILE_LOST) {
            char *behind = key.size ? zsys_sprintf ("what follows %s", text) : strdup ("all rows");
            s_damage (self, name, behind, zb_tables_file_why (file));
            free (behind);
        }
        else if (found == ZB_TABLES_FILE_VALUE)
            s_damage (self, name, text, zb_tables_file_why (file));
        //  The index of a lane has no messages, nor has that of what goes first, nor have message-ids.
        else if (table == ZB_LOG && key.size != ZB_LANE_INDEX_SIZE && key.size != ZB_DEDUPE_KEY_SIZE &&
                 key.size != ZB_RANK_KEY_SIZE && !s_is_log (self, value))
            s_damage (self, name, text, "not a row of the log");
        self->rows++;
        free (text);
        if (found == ZB_TABLES_FILE_LOST)
            break;
        memcpy (last, key.data, key.size);
        key.data = last;
    }
    zb_tables_file_destroy (&file);
}

static void s_print (const verify_t *self)
{
    size_t index;
    json_t *damage;
    json_array_foreach (self->damages, index, damage)
    {
        const char *key = json_string_value (json_object_get (damage, "key"));
        printf ("%s%s%s: damaged: %s\n", json_string_value (json_object_get (damage, "file")), key ? ": " : "",
                key ? key : "", json_string_value (json_object_get (damage, "why")));
    }
    const zb_backup_t *backup = self->backup;
    if (!index)
        printf ("%s is whole: the store of the %s at commit %" PRIu64 " of epoch %" PRIu64
                ", level %u; %zu queues, %" PRIu64 " messages\n",
                self->folder, backup->as, backup->commit, backup->epoch, backup->level, self->queues.size,
                self->messages);
}

static void s_print_json (const verify_t *self)
{
    const zb_backup_t *backup = self->backup;
    json_t *object =
        json_pack ("{s:s, s:b, s:s, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:O}", "folder", self->folder, "whole",
                   json_array_size (self->damages) == 0, "as", backup->as, "level", (int) backup->level, "epoch",
                   (json_int_t) backup->epoch, "commit", (json_int_t) backup->commit, "taken",
                   (json_int_t) backup->taken, "bytes", (json_int_t) zb_backup_size (backup), "queues",
                   (json_int_t) self->queues.size, "messages", (json_int_t) self->messages, "damages", self->damages);
    json_dumpf (object, stdout, JSON_INDENT (2) | JSON_PRESERVE_ORDER);
    putchar ('\n');
    json_decref (object);
}

static int s_verify (verify_t *self)
{
    self->progress = (progress_t){.what = "verify", .total = zb_backup_size (self->backup)};
    self->damages = json_array ();
    s_files (self);
    queues_read (&self->queues, self->backup);
    for (zb_table_t table = ZB_META; table < ZB_TABLES; table++)
        s_table (self, table);
    progress_end (&self->progress);
    int code = json_array_size (self->damages) ? ZB_EXIT_DAMAGED : TOOL_OK;
    if (zsys_interrupted)
        code = tool_fail (self->tool, TOOL_FAILED, "interrupted");
    else if (tool_option (self->tool, "json"))
        s_print_json (self);
    else
        s_print (self);
    queues_clear (&self->queues);
    json_decref (self->damages);
    return code;
}

static int s_run (tool_t *tool)
{
    if (tool->size != 1)
        return tool_misused (tool, "which backup, or store?");
    progress_catch ();
    source_t source;
    int code = source_open (&source, tool, tool->arguments[0]);
    verify_t verify = {.tool = tool, .backup = source.backup, .folder = tool->arguments[0]};
    if (code == TOOL_OK)
        code = s_verify (&verify);
    source_close (&source);
    return code;
}

const tool_command_t tool_verify = {
    .name = "verify",
    .arguments = "FOLDER",
    .summary = "Look whether a backup is as it was made, or a store is whole",
    .text =
        "\n"
        "Each file's checksum, each page's, and each row of each table.  Of a table that is damaged it says what\n"
        "can't be read: which queue's messages, whose numbers.  Exit code 5: damaged.\n"
        "FOLDER is a backup, or a store that no broker uses: of that one a copy is made beside it meanwhile,\n"
        "in which recovery is done first, as a broker does it.  Nothing of the store is changed, but for who had it\n"
        "last in its file LOCK.\n",
    .options = s_options,
    .run = s_run,
};
