/*  =========================================================================
    stores - what is in a store, for the checkers

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A store is the log of the environment that counts; its rows are what that log makes.
*/

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/queue/lane.h"
#include "core/queue/rows.h"
#include "core/queue/view.h"
#include "disk.h"
#include "history.h"

static const environment_t *s_current (int machine)
{
    const environment_t *on = disk_environment (machine, disk_of (machine)->node.current);
    return on && !on->half ? on : NULL;
}

bool base_holds (int machine, uint64_t number)
{
    const environment_t *on = s_current (machine);
    for (size_t index = on ? on->synced : 0; index-- > 0;)
        if (on->log[index]->number == number)
            return true;
    return false;
}

uint64_t base_record (int machine, uint64_t epoch, unsigned node, uint64_t commit)
{
    const environment_t *on = s_current (machine);
    for (size_t index = on ? on->size : 0; index-- > 0;) {
        const record_t *record = on->log[index];
        if (record->kind == RECORD_COMMIT && record->commit == commit && record->epoch == epoch && record->node == node)
            return record->number;
    }
    return 0;
}

size_t base_count (int machine, const char *body)
{
    const environment_t *on = s_current (machine);
    fake_tables_t rows = {0};
    for (size_t index = 0; on && index < on->size; index++)
        record_apply (on->log[index], &rows, false);
    size_t found = 0;
    for (size_t index = 0; index < rows.table[ZB_LOG].rows; index++) {
        const fake_row_t *row = rows.table[ZB_LOG].row[index];
        const uint8_t *end = row->bytes + row->key_size + row->size, *at = row->bytes;
        while ((at = memmem (at, (size_t) (end - at), body, strlen (body)))) {
            found++;
            at += strlen (body);
        }
    }
    fake_tables_clear (&rows);
    return found;
}

bool base_has_body (int machine, const char *body)
{
    return base_count (machine, body) > 0;
}

void base_print (int machine, char *line, size_t size)
{
    const zb_node_t *node = &disk_of (machine)->node;
    const environment_t *on = s_current (machine);
    int used = snprintf (line, size, "complete %d suspect %d alone %d folder %d:", node->complete, node->suspect,
                         (int) node->alone, (int) node->current);
    if (!on)
        return;
    used += snprintf (line + used, size - (size_t) used, " %zu records, %zu synced, generation %u, epochs", on->size,
                      on->synced, on->generation);
    uint64_t epoch = 0;
    unsigned by = 0;
    for (size_t index = 0; index < on->size && (size_t) used < size; index++) {
        const record_t *record = on->log[index];
        if (record->epoch != epoch || record->node != by)
            used += snprintf (line + used, size - (size_t) used, " %d%c", (int) record->epoch, "?PB"[record->node]);
        epoch = record->epoch;
        by = record->node;
    }
}

//  ---------------------------------------------------------------------------
//  All of it

static zb_row_t *s_row (const fake_row_t *from)
{
    if (!from)
        return NULL;
    zb_row_t *row = zb_row_new (from->size);
    memcpy (row->data, from->bytes + from->key_size, from->size);
    row->size = (uint32_t) from->size;
    return row;
}

//  The messages of a row of the log.
static void s_each_of (const fake_tables_t *rows, const fake_row_t *from, base_fn *fn)
{
    uint8_t key[ZB_ACKS_KEY_SIZE];
    uint64_t last = zb_get64 (from->bytes + 4);
    zb_acks_key (zb_get32 (from->bytes), last, key);
    zb_row_t *row = s_row (from), *acks = s_row (fake_tables_get (rows, ZB_ACKS, key, sizeof key));
    zb_view_t *view = zb_view_of (row, last, acks);
    if (!view)
        world_finding ("H10: the row of the log that ends with message %llu is malformed", (unsigned long long) last);
    for (uint32_t index = 0; index < view->places->count; index++) {
        zb_frame_t body = zb_places_body (view->places, index);
        fn (body.data, body.size, zb_places_id (view->places, index), zb_view_is_done (view, index));
    }
    zb_view_destroy (&view);
    zb_row_unref (&row);
    if (acks)
        zb_row_unref (&acks);
}

void base_each (int machine, base_fn *fn)
{
    const environment_t *on = s_current (machine);
    fake_tables_t rows = {0};
    for (size_t index = 0; on && index < on->synced; index++)
        record_apply (on->log[index], &rows, false);
    //  Not what lies in the lanes: none of those who ask has a delay.
    for (size_t index = 0; index < rows.table[ZB_LOG].rows; index++)
        if (rows.table[ZB_LOG].row[index]->key_size == ZB_LOG_KEY_SIZE)
            s_each_of (&rows, rows.table[ZB_LOG].row[index], fn);
    fake_tables_clear (&rows);
}

//  Whether a row of this queue's log holds the message.
static bool s_is_in_log (const fake_tables_t *rows, uint32_t queue, uint64_t id)
{
    for (size_t index = 0; index < rows->table[ZB_LOG].rows; index++) {
        const fake_row_t *from = rows->table[ZB_LOG].row[index];
        if (from->key_size != ZB_LOG_KEY_SIZE || zb_get32 (from->bytes) != queue || zb_get64 (from->bytes + 4) < id)
            continue;
        bool has = false;
        size_t offset = 0;
        zb_piece_t piece;
        zb_row_t *row = s_row (from);
        while (!has && zb_log_next (row, &offset, &piece) == 1)
            has = id >= piece.first && id < piece.first + piece.count;
        zb_row_unref (&row);
        return has;
    }
    return false;
}

//  What a queue has, by its rows.
typedef struct {
    uint32_t queue;
    uint64_t mark; //  up to here it is purged
    uint64_t count;
} had_t;

static void s_count_log (const fake_tables_t *rows, const fake_row_t *from, had_t *had)
{
    uint8_t key[ZB_ACKS_KEY_SIZE];
    uint64_t last = zb_get64 (from->bytes + 4);
    zb_acks_key (had->queue, last, key);
    zb_row_t *row = s_row (from), *acks = s_row (fake_tables_get (rows, ZB_ACKS, key, sizeof key));
    zb_view_t *view = zb_view_of (row, last, acks);
    if (!view)
        world_finding ("H10: the row of the log that ends with message %llu is malformed", (unsigned long long) last);
    for (uint32_t index = 0; index < view->places->count; index++)
        had->count += zb_places_id (view->places, index) > had->mark && !zb_view_is_done (view, index);
    zb_view_destroy (&view);
    zb_row_unref (&row);
    if (acks)
        zb_row_unref (&acks);
}

//  Its cursor counts what its rows hold.
static void s_check_count (int machine, const fake_tables_t *rows, const char *name, uint32_t queue)
{
    uint8_t key[8];
    had_t had = {.queue = queue};
    zb_tomb_key (queue, key);
    const fake_row_t *tomb = fake_tables_get (rows, ZB_QUEUES, key, ZB_TOMB_KEY_SIZE);
    had.mark = tomb ? zb_get64 (tomb->bytes + tomb->key_size) : 0;
    for (size_t index = 0; index < rows->table[ZB_LOG].rows; index++) {
        const fake_row_t *row = rows->table[ZB_LOG].row[index];
        if (row->key_size == ZB_LOG_KEY_SIZE && zb_get32 (row->bytes) == queue)
            s_count_log (rows, row, &had);
        else if (row->key_size == ZB_LANE_INDEX_SIZE && zb_get32 (row->bytes) == 0 && row->bytes[4] == 2 &&
                 zb_get32 (row->bytes + 5) == queue)
            had.count += zb_get64 (row->bytes + 9) > had.mark;
    }
    zb_put32 (key, queue);
    zb_put32 (key + 4, 0);
    const fake_row_t *cursor = fake_tables_get (rows, ZB_CURSORS, key, sizeof key);
    const uint8_t *value = cursor ? cursor->bytes + cursor->key_size : NULL;
    uint64_t counts = value ? zb_get64 (value + 8) - zb_get64 (value + 16) : 0;
    if (counts != had.count)
        world_finding ("H10: in sync, and queue %s of machine %d has %llu messages, and counts %lld%s", name, machine,
                       (unsigned long long) had.count, (long long) counts,
                       history_is_split () ? ", after a split" : "");
}

static void s_check_counts (int machine, const fake_tables_t *rows)
{
    for (size_t index = 0; index < rows->table[ZB_QUEUES].rows; index++) {
        const fake_row_t *from = rows->table[ZB_QUEUES].row[index];
        if (from->key_size == ZB_TOMB_KEY_SIZE && from->bytes[0] == ZB_TOMB_MARK)
            continue;
        char name[64];
        zb_queue_row_t queue;
        zb_row_t *row = s_row (from);
        if (zb_queue_row_decode (&queue, row))
            world_finding ("H10: in sync, and a row of the table queues is malformed");
        snprintf (name, sizeof name, "%.*s", (int) from->key_size, (const char *) from->bytes);
        if (queue.kind == ZB_KIND_QUEUE)
            s_check_count (machine, rows, name, queue.id);
        zb_row_unref (&row);
    }
}

//  A message is in its queue's lane or in its log.
static void s_check_lanes (int machine, const fake_tables_t *rows)
{
    for (size_t index = 0; index < rows->table[ZB_LOG].rows; index++) {
        const fake_row_t *row = rows->table[ZB_LOG].row[index];
        //  u32 0, u8 2, queue, id
        bool lies = row->key_size == ZB_LANE_INDEX_SIZE && zb_get32 (row->bytes) == 0 && row->bytes[4] == 2;
        if (lies && s_is_in_log (rows, zb_get32 (row->bytes + 5), zb_get64 (row->bytes + 9)))
            world_finding ("H10: in sync, and message %llu is in the lane and in the log, on machine %d",
                           (unsigned long long) zb_get64 (row->bytes + 9), machine);
    }
}

static const char *const s_table_name[ZB_TABLES] = {"meta", "queues", "log", "cursors", "acks", "producers"};

static void s_compare_rows (int machine, const fake_tables_t *should, const fake_tables_t *is)
{
    for (zb_table_t table = 0; table < ZB_TABLES; table++) {
        size_t count = should->table[table].rows;
        bool same = is->table[table].rows == count;
        for (size_t index = 0; same && index < count; index++) {
            const fake_row_t *one = should->table[table].row[index], *other = is->table[table].row[index];
            same = one->key_size == other->key_size && one->size == other->size &&
                   memcmp (one->bytes, other->bytes, one->key_size + one->size) == 0;
        }
        if (!same)
            world_finding ("H10: in sync, and the table %s of machine %d is not what its log, and its peer's, make",
                           s_table_name[table], machine);
    }
}

void base_compare (int active, int passive)
{
    const fake_tables_t *has = s_current (active) ? environment_rows (active, s_current (active)) : NULL;
    if (has && (sim_mutant == MUTANT_NONE || sim_mutant == MUTANT_UNLAID)) {
        s_check_lanes (active, has);
        s_check_counts (active, has);
    }
    //  The other bugs are for other checkers.
    if (sim_mutant != MUTANT_NONE && sim_mutant != MUTANT_ROWS)
        return;
    const environment_t *one = s_current (active), *other = s_current (passive);
    if (!one || !other)
        world_finding ("H10: in sync, and a store is not complete");
    size_t common = 0;
    while (common < one->size && common < other->size && one->log[common]->number == other->log[common]->number)
        common++;
    //  What recovery adds goes when the two speak again.
    for (size_t index = common; index < other->size; index++)
        if (other->log[index]->kind != RECORD_CHECKPOINT)
            world_finding ("H10: in sync, and the stores differ from record %zu of %zu and %zu on", common, one->size,
                           other->size);
    fake_tables_t rows = {0};
    for (size_t index = 0; index < one->size; index++) {
        if (index == common && environment_rows (passive, other))
            s_compare_rows (passive, &rows, environment_rows (passive, other));
        record_apply (one->log[index], &rows, false);
    }
    if (common == one->size && environment_rows (passive, other))
        s_compare_rows (passive, &rows, environment_rows (passive, other));
    if (environment_rows (active, one))
        s_compare_rows (active, &rows, environment_rows (active, one));
    fake_tables_clear (&rows);
}
