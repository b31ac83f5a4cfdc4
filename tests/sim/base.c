/*  =========================================================================
    base - a replicated log, as io/store/env and io/store/tables promise it

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    What Berkeley DB's base replication does, as far as others can see it.  The log
    is a row of records that are never changed; two logs are alike up to some
    record.  A client looks for it, one record back at a time, and asks for all
    behind it; what it has beyond goes, if that is allowed, or else nothing is
    touched.  If the master's log does not go back that far, everything is fetched
    anew: the old goes first.  Recovery adds a checkpoint, leading a record of its
    own.

      NEWCLIENT  g            ->
                              <-  NEWMASTER g end
      VERIFY_REQ lsn          ->
                              <-  VERIFY lsn record, or VERIFY_FAIL
      ALL_REQ from            ->
                              <-  LOG from records more       (also sent for each commit)
      INIT_REQ                ->
                              <-  PAGE from records more
*/

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/fake_tables.h"
#include "core/base/lineage.h"
#include "core/queue/rows.h"
#include "disk.h"
#include "faults.h"
#include "io/store/env.h"
#include "io/store/tables.h"
#include "machines.h"

#define LOG_FILE 40 //  records of a log file
#define BURST 15    //  records that answer one request
#define ASK_AGAIN (200 * MS)

typedef enum { NEWCLIENT, NEWMASTER, VERIFY_REQ, VERIFY, VERIFY_FAIL, ALL_REQ, LOG, INIT_REQ, PAGE } verb_t;

typedef struct {
    verb_t verb;
    bool more;
    uint32_t generation;
    uint64_t at;  //  index of the first record concerned
    uint64_t end; //  records of the master's log
} control_t;

typedef enum { SEEKING, STREAMING, COPYING } state_t;

struct zb_env {
    environment_t *on;
    unsigned node;
    bool paired, master, rollback, init;
    zb_env_send_fn *send;
    void *arg;
    uint64_t sent, answered;
    char *fault;
    bool suspect, damaged;
    //  As a client.
    state_t state;
    bool follows, caught_up;
    uint64_t end;
    int64_t asked;
    //  The tables, and how often what they hold was thrown away.
    fake_tables_t rows;
    uint64_t rollbacks;
};

struct zb_tables {
    zb_env_t *env;
    bool open;
    uint64_t rollbacks;
};

static zb_env_t *s_env[MACHINES]; //  the one that a machine's process has opened last
static record_t **s_record;       //  all that were ever made
static size_t s_records, s_room;

//  ---------------------------------------------------------------------------
//  Records

static record_t *s_record_new (int kind, const environment_t *on)
{
    record_t *self = calloc (1, sizeof *self);
    assert (self);
    self->kind = kind;
    if (on->size) {
        const record_t *last = on->log[on->size - 1];
        self->epoch = last->epoch;
        self->node = last->node;
        self->first = last->first;
    }
    if (s_records == s_room) {
        s_room = s_room ? s_room * 2 : 256;
        s_record = realloc (s_record, s_room * sizeof (record_t *));
        assert (s_record);
    }
    self->number = s_records;
    s_record[s_records++] = self;
    return self;
}

static void *s_dup (const void *data, size_t size)
{
    void *copy = malloc (size ? size : 1);
    assert (copy);
    if (size)
        memcpy (copy, data, size);
    return copy;
}

static record_t *s_record_of_batch (const zb_batch_t *batch, const environment_t *on)
{
    record_t *self = s_record_new (RECORD_COMMIT, on);
    self->commit = zb_batch_commit (batch);
    self->ops = zb_batch_size (batch);
    self->op = calloc (self->ops + 1, sizeof *self->op);
    assert (self->op);
    for (size_t index = 0; index < self->ops; index++) {
        zb_op_t from = zb_batch_op (batch, index);
        struct op *op = &self->op[index];
        *op = (struct op){from.table, from.erase, from.key_size, from.erase ? 0 : from.value_size, NULL, NULL};
        op->key = s_dup (from.key, from.key_size);
        op->value = s_dup (from.value, op->size);
        if (sim_mutant == MUTANT_ORDER && op->table == ZB_LOG && !op->erase)
            swap_bodies (op->value, op->size);
        zb_lineage_t lineage;
        if (op->table == ZB_META && op->key_size == 7 && memcmp (op->key, "lineage", 7) == 0 &&
            zb_lineage_decode (&lineage, op->value, op->size) == 0) {
            zb_epoch_t newest = zb_lineage_newest (&lineage);
            self->epoch = newest.number;
            self->node = newest.node;
            self->first = newest.first;
        }
    }
    return self;
}

void record_apply (const record_t *record, fake_tables_t *rows, bool as_client)
{
    for (size_t index = 0; index < record->ops; index++) {
        const struct op *op = &record->op[index];
        if (as_client && sim_mutant == MUTANT_ACKS && (op->table == ZB_ACKS || (op->table == ZB_LOG && op->erase)))
            continue;
        if (as_client && sim_mutant == MUTANT_PRODUCER && op->table == ZB_PRODUCERS)
            continue;
        if (as_client && sim_mutant == MUTANT_ROWS && op->table == ZB_QUEUES)
            continue;
        if (op->erase)
            fake_tables_erase (rows, op->table, op->key, op->key_size);
        else
            fake_tables_put (rows, op->table, op->key, op->key_size, op->value, op->size);
    }
}

static void s_rebuild (zb_env_t *self)
{
    fake_tables_clear (&self->rows);
    for (size_t index = 0; index < self->on->size; index++)
        record_apply (self->on->log[index], &self->rows, sim_mutant != MUTANT_NONE);
    self->rollbacks++;
}

static zb_lsn_t s_lsn (uint64_t records)
{
    return records ? (records / LOG_FILE + 1) << 32 | (records % LOG_FILE + 1) * 100 : 0;
}

//  ---------------------------------------------------------------------------
//  The environment

static void s_send_as (zb_env_t *self, bool fresh, control_t control, const uint64_t *number, size_t numbers)
{
    control.generation = self->on->generation;
    control.end = self->on->size;
    self->send (self->arg, fresh, &control, sizeof control, number, numbers * sizeof *number);
}

static void s_send (zb_env_t *self, control_t control, const uint64_t *number, size_t numbers)
{
    s_send_as (self, false, control, number, numbers);
}

//  One opener at a time.  Of one that has ended without closing it, its machine may still have had something to write.
static void s_open_shared (int machine)
{
    disk_t *disk = disk_of (machine);
    const machine_t *opener = disk->opener ? machine_of (disk->opener) : NULL;
    if (opener && opener->process->alive)
        world_finding ("H15: %s opens the shared store, and %s has it open", machine_of (machine)->name, opener->name);
    if (opener)
        disk_crash (disk->opener, false);
    disk->opener = machine;
}

zb_env_t *zb_env_new (const zb_env_args_t *args)
{
    zb_env_t *self = calloc (1, sizeof *self);
    assert (self);
    int machine = process_self ()->machine;
    self->on = disk_environment (machine, (uint64_t) atoi (args->home + 4));
    assert (self->on);
    self->node = args->node;
    self->paired = args->paired;
    self->rollback = args->rollback;
    self->init = args->init;
    self->send = args->send;
    self->arg = args->arg;
    s_env[machine] = self;
    if (args->shared)
        s_open_shared (machine);
    if (self->on->half) {
        environment_cut (self->on, 0);
        self->on->half = false;
    }
    s_rebuild (self);
    if (self->on->size) {
        environment_add (self->on, s_record_new (RECORD_CHECKPOINT, self->on));
        zb_env_flush (self);
    }
    return self;
}

void zb_env_destroy (zb_env_t **self_p)
{
    zb_env_t *self = *self_p;
    if (!self)
        return;
    for (int machine = 0; machine < MACHINES; machine++)
        if (s_env[machine] == self)
            s_env[machine] = NULL;
    disk_of (process_self ()->machine)->opener = 0;
    fake_tables_clear (&self->rows);
    free (self->fault);
    free (self);
    *self_p = NULL;
}

const fake_tables_t *environment_rows (int machine, const environment_t *on)
{
    return s_env[machine] && s_env[machine]->on == on ? &s_env[machine]->rows : NULL;
}

const char *zb_env_fault (const zb_env_t *self)
{
    return self->fault;
}

bool zb_env_suspect (const zb_env_t *self)
{
    return self->suspect;
}

bool zb_env_damaged (const zb_env_t *self)
{
    return self->damaged;
}

int zb_env_cause (const zb_env_t *self)
{
    (void) self;
    return 0;
}

void zb_env_fail (zb_env_t *self, int error, const char *what)
{
    if (self->fault)
        return;
    self->suspect = error == EIO;
    self->damaged = error < 0;
    self->fault = strdup (what);
}

struct __db_env *zb_env_handle (const zb_env_t *self)
{
    (void) self;
    return NULL;
}

bool zb_env_flush (zb_env_t *self)
{
    if (self->fault || self->on->half)
        return false;
    size_t size = self->on->size;
    if (size == self->on->synced)
        return true;
    if (!disk_sync ()) {
        zb_env_fail (self, EIO, "log_flush");
        return false;
    }
    if (sim_mutant != MUTANT_SYNC)
        self->on->synced = size;
    return true;
}

//  Nobody removes a folder in this world.
bool zb_env_in_place (zb_env_t *self)
{
    return !self->fault;
}

void zb_env_sync (zb_env_t *self)
{
    (void) self;
    disk_sync ();
}

bool zb_env_checkpoint (zb_env_t *self, uint32_t kbytes)
{
    (void) self;
    (void) kbytes;
    return true;
}

void zb_env_trickle (zb_env_t *self)
{
    (void) self;
}

bool zb_env_trim (zb_env_t *self, uint32_t from, size_t keep, uint32_t needed)
{
    (void) needed;
    uint32_t newest = ZB_LSN_FILE (s_lsn (self->on->size));
    uint32_t file = ZB_LSN_FILE (s_lsn (self->on->trimmed + 1));
    //  The last file but one stays: recovery needs it.
    bool old = file + 1 < newest && (file < from || (size_t) (newest - file + 1) * (4 << 20) > keep);
    if (old)
        self->on->trimmed = file * LOG_FILE;
    return old;
}

void zb_env_status (zb_env_t *self, zb_env_status_t *status)
{
    *status = (zb_env_status_t){.generation = self->on->generation,
                                .follows = !self->master && self->follows,
                                .caught_up = !self->master && self->follows && self->caught_up,
                                .applied = s_lsn (self->on->half ? 0 : self->on->size)};
}

//  Nobody backs up a virtual disk.
uint32_t zb_env_needed (zb_env_t *self)
{
    (void) self;
    return 0;
}

zb_lsn_t zb_env_end (zb_env_t *self)
{
    return s_lsn (self->on->half ? 0 : self->on->size);
}

uint64_t zb_env_distance (const zb_env_t *self, zb_lsn_t from, zb_lsn_t to)
{
    (void) self;
    return to > from ? to - from : 0;
}

zb_lsn_t zb_env_sent (const zb_env_t *self)
{
    return self->sent;
}

zb_lsn_t zb_env_answered (const zb_env_t *self)
{
    return self->answered;
}

void zb_env_allow (zb_env_t *self, bool rollback, bool init)
{
    self->rollback = rollback;
    self->init = init;
}

//  ---------------------------------------------------------------------------
//  Replication, as a master

static void s_append (zb_env_t *self, record_t *record)
{
    environment_add (self->on, record);
    self->sent = s_lsn (self->on->size);
    s_send_as (self, true, (control_t){.verb = LOG, .at = self->on->size - 1}, &record->number, 1);
}

void zb_env_lead (zb_env_t *self, uint32_t above)
{
    do {
        if (self->fault)
            return;
        self->on->generation++;
        self->master = true;
        s_append (self, s_record_new (RECORD_LEAD, self->on));
    } while (self->on->generation <= above || self->on->generation % 2 != self->node % 2);
    s_send (self, (control_t){.verb = NEWMASTER}, NULL, 0);
}

static void s_send_some (zb_env_t *self, verb_t verb, uint64_t from)
{
    uint64_t number[BURST];
    size_t count = 0;
    while (count < BURST && from + count < self->on->size) {
        number[count] = self->on->log[from + count]->number;
        count++;
    }
    if (verb == LOG)
        self->answered = s_lsn (from + count);
    s_send (self, (control_t){.verb = verb, .at = from, .more = from + count < self->on->size}, number, count);
}

static zb_env_outcome_t s_as_master (zb_env_t *self, const control_t *control)
{
    switch (control->verb) {
    case NEWCLIENT:
        s_send (self, (control_t){.verb = NEWMASTER}, NULL, 0);
        return ZB_ENV_NOTHING;
    case VERIFY_REQ: {
        uint64_t number = control->at < self->on->size ? self->on->log[control->at]->number : UINT64_MAX;
        bool there = control->at >= self->on->trimmed;
        s_send (self, (control_t){.verb = there ? VERIFY : VERIFY_FAIL, .at = control->at}, &number, 1);
        return ZB_ENV_NOTHING;
    }
    case ALL_REQ:
        if (control->at < self->on->trimmed)
            s_send (self, (control_t){.verb = VERIFY_FAIL, .at = control->at}, NULL, 0);
        else
            s_send_some (self, LOG, control->at);
        return ZB_ENV_NOTHING;
    case INIT_REQ:
        s_send_some (self, PAGE, control->at);
        return ZB_ENV_NOTHING;
    default:
        return ZB_ENV_DUAL;
    }
}

//  ---------------------------------------------------------------------------
//  Replication, as a client

void zb_env_follow (zb_env_t *self)
{
    if (self->fault)
        return;
    if (self->master)
        self->follows = self->caught_up = false;
    self->master = false;
    s_send (self, (control_t){.verb = NEWCLIENT}, NULL, 0);
}

static void s_ask (zb_env_t *self, verb_t verb, uint64_t at)
{
    self->asked = world_now ();
    s_send (self, (control_t){.verb = verb, .at = at}, NULL, 0);
}

static zb_env_outcome_t s_copy_all (zb_env_t *self)
{
    if (!self->init)
        return ZB_ENV_NO_LOG;
    //  The old goes first.
    environment_cut (self->on, 0);
    self->on->half = true;
    self->on->trimmed = 0;
    self->state = COPYING;
    s_rebuild (self);
    s_ask (self, INIT_REQ, 0);
    return ZB_ENV_NOTHING;
}

static void s_look_level (zb_env_t *self)
{
    if (self->state == STREAMING && self->on->size >= self->end)
        self->caught_up = true;
}

static zb_env_outcome_t s_got_master (zb_env_t *self, const control_t *control)
{
    bool fresh = !self->follows || control->generation != self->on->generation;
    self->on->generation = control->generation;
    self->end = control->end;
    self->follows = true;
    if (fresh) {
        self->caught_up = false;
        self->state = SEEKING;
    }
    if (self->on->half || (self->on->size == 0 && self->init))
        return s_copy_all (self);
    if (self->state == SEEKING && self->on->size)
        s_ask (self, VERIFY_REQ, self->on->size - 1);
    else if (self->on->size < self->end) {
        self->state = STREAMING;
        s_ask (self, ALL_REQ, self->on->size);
    }
    s_look_level (self);
    return ZB_ENV_NOTHING;
}

static zb_env_outcome_t s_got_verify (zb_env_t *self, const control_t *control, uint64_t number)
{
    if (self->state != SEEKING || control->at >= self->on->size)
        return ZB_ENV_NOTHING;
    if (self->on->log[control->at]->number != number) {
        if (control->at == 0)
            return s_copy_all (self);
        s_ask (self, VERIFY_REQ, control->at - 1);
        return ZB_ENV_NOTHING;
    }
    for (size_t index = control->at + 1; index < self->on->size && !self->rollback; index++)
        if (self->on->log[index]->kind != RECORD_CHECKPOINT)
            return ZB_ENV_DIVERGED;
    if (control->at + 1 < self->on->size) {
        environment_cut (self->on, control->at + 1);
        s_rebuild (self);
    }
    self->state = STREAMING;
    s_ask (self, ALL_REQ, self->on->size);
    s_look_level (self);
    return ZB_ENV_NOTHING;
}

//  Numbers come unaligned.
static record_t *s_numbered (const void *numbers, size_t index)
{
    uint64_t number;
    memcpy (&number, (const uint8_t *) numbers + index * sizeof number, sizeof number);
    assert (number < s_records);
    return s_record[number];
}

static zb_env_outcome_t s_got_log (zb_env_t *self, const control_t *control, const void *number, size_t count,
                                   zb_lsn_t *lsn)
{
    *lsn = s_lsn (control->at + count);
    if (self->state != STREAMING || !count)
        return ZB_ENV_NOTHING;
    if (control->at > self->on->size) {
        if (world_now () - self->asked > ASK_AGAIN)
            s_ask (self, ALL_REQ, self->on->size);
        return ZB_ENV_QUEUED;
    }
    if (control->at + count <= self->on->size)
        return ZB_ENV_QUEUED;
    for (size_t index = self->on->size - control->at; index < count; index++) {
        record_t *record = s_numbered (number, index);
        environment_add (self->on, record);
        record_apply (record, &self->rows, true);
    }
    *lsn = s_lsn (self->on->size);
    if (control->more)
        s_ask (self, ALL_REQ, self->on->size);
    s_look_level (self);
    return ZB_ENV_APPLIED;
}

static zb_env_outcome_t s_got_page (zb_env_t *self, const control_t *control, const void *number, size_t count)
{
    if (self->state != COPYING || control->at != self->on->size)
        return ZB_ENV_NOTHING;
    for (size_t index = 0; index < count; index++)
        environment_add (self->on, s_numbered (number, index));
    if (control->more) {
        s_ask (self, INIT_REQ, self->on->size);
        return ZB_ENV_NOTHING;
    }
    self->on->half = false;
    self->state = STREAMING;
    s_rebuild (self);
    s_ask (self, ALL_REQ, self->on->size);
    s_look_level (self);
    return ZB_ENV_NOTHING;
}

zb_env_outcome_t zb_env_process (zb_env_t *self, const void *data, size_t size, const void *record, size_t record_size,
                                 zb_lsn_t *lsn)
{
    control_t control;
    *lsn = 0;
    assert (size == sizeof control);
    memcpy (&control, data, size);
    size_t count = record_size / sizeof (uint64_t);
    if (self->fault)
        return ZB_ENV_NOTHING;
    if (self->master)
        return s_as_master (self, &control);
    if (control.generation < self->on->generation)
        return ZB_ENV_IGNORED;
    if (control.verb == NEWMASTER)
        return s_got_master (self, &control);
    if (control.generation > self->on->generation || !self->follows) {
        if (control.verb != NEWCLIENT)
            s_send (self, (control_t){.verb = NEWCLIENT}, NULL, 0);
        return ZB_ENV_NOTHING;
    }
    switch (control.verb) {
    case VERIFY: {
        uint64_t number;
        assert (count == 1);
        memcpy (&number, record, sizeof number);
        return s_got_verify (self, &control, number);
    }
    case VERIFY_FAIL:
        return s_copy_all (self);
    case LOG:
        return s_got_log (self, &control, record, count, lsn);
    case PAGE:
        return s_got_page (self, &control, record, count);
    default:
        return ZB_ENV_NOTHING;
    }
}

//  ---------------------------------------------------------------------------
//  Tables

zb_tables_t *zb_tables_new (void)
{
    zb_tables_t *self = calloc (1, sizeof *self);
    assert (self);
    return self;
}

void zb_tables_destroy (zb_tables_t **self_p)
{
    free (*self_p);
    *self_p = NULL;
}

bool zb_tables_open (zb_tables_t *self, zb_env_t *env, bool create)
{
    (void) create;
    assert (!self->open);
    self->env = env;
    self->rollbacks = env->rollbacks;
    self->open = !env->fault && !env->on->half;
    return self->open;
}

void zb_tables_close (zb_tables_t *self)
{
    self->open = false;
}

bool zb_tables_are_open (const zb_tables_t *self)
{
    return self->open;
}

bool zb_tables_are_whole (const zb_tables_t *self)
{
    return self->open && self->env->on->size > 0;
}

//  All values are in the tables of this world.
bool zb_tables_checkpoint (zb_tables_t *self, uint32_t kbytes)
{
    (void) self;
    (void) kbytes;
    return true;
}

bool zb_tables_keep (zb_tables_t *self, bool all)
{
    (void) self;
    (void) all;
    return true;
}

uint32_t zb_tables_needs (zb_tables_t *self)
{
    (void) self;
    return UINT32_MAX;
}

uint64_t zb_tables_owed (zb_tables_t *self)
{
    (void) self;
    return 0;
}

uint64_t zb_tables_spare (const zb_tables_t *self)
{
    (void) self;
    return 0;
}

bool zb_tables_commit (zb_tables_t *self, const zb_batch_t *batch)
{
    zb_env_t *env = self->env;
    if (env->fault)
        return false;
    assert (self->open && (env->master || !env->paired));
    record_t *record = s_record_of_batch (batch, env->on);
    record_apply (record, &env->rows, false);
    if (env->paired)
        s_append (env, record);
    else
        environment_add (env->on, record);
    return true;
}

//  The world's bug: the newest epoch is not there.
static void s_forget_epoch (zb_read_t *read)
{
    for (size_t index = 0; index < read->count[0]; index++) {
        zb_found_t *found = &read->found[0][index];
        if (found->key_size == 7 && memcmp (found->key, "lineage", 7) == 0 && found->row->size > ZB_EPOCH_SIZE)
            found->row->size -= ZB_EPOCH_SIZE;
    }
}

//  Of many tombstones the first one.
static void s_shorten (zb_read_t *read)
{
    for (size_t index = 0; index < read->ranges; index++) {
        const zb_range_t *range = &read->range[index];
        bool tombs = range->table == ZB_QUEUES && range->key_size == 1 && *(const uint8_t *) range->key == ZB_TOMB_MARK;
        for (; tombs && read->count[index] > 1; read->more[index] = true)
            zb_row_unref (&read->found[index][--read->count[index]].row);
    }
}

bool zb_tables_read (zb_tables_t *self, zb_read_t *read)
{
    if (!self->open || self->env->fault || self->rollbacks != self->env->rollbacks)
        return false;
    disk_read ();
    fake_tables_read (&self->env->rows, read);
    if (faults_free_slowly ())
        s_shorten (read);
    if (sim_mutant == MUTANT_EPOCH && read->range[0].table == ZB_META)
        s_forget_epoch (read);
    return true;
}
