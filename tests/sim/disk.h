/*  =========================================================================
    disk - a disk a machine: what is synced stays, what is not is lost with the process

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#ifndef SIM_DISK_H_INCLUDED
#define SIM_DISK_H_INCLUDED

#include "../unit/fake_tables.h"
#include "io/store/store.h"
#include "sim.h"

//  What a log holds at one place.  A record is never changed; its number is used once.
typedef struct {
    uint64_t number;
    enum { RECORD_COMMIT, RECORD_LEAD, RECORD_CHECKPOINT } kind;
    uint64_t commit; //  of a batch; 0 else
    uint64_t epoch;  //  in force after it
    unsigned node;
    uint64_t first;
    size_t ops;
    struct op {
        zb_table_t table;
        bool erase;
        size_t key_size, size;
        uint8_t *key, *value;
    } * op;
} record_t;

//  An environment: its log, and the generation that outlives crashes.
typedef struct environment {
    struct environment *next;
    uint64_t number; //  of the folder
    record_t **log;
    size_t size, synced, room;
    size_t trimmed; //  records that are no longer there to be sent
    uint32_t generation;
    bool half; //  a full resync is going on: it holds nothing yet
} environment_t;

//  What is on it, in short.
typedef struct {
    zb_node_t node;
    uint64_t environments;
    size_t records;
} mark_t;

typedef struct {
    zb_node_t node;
    mark_t mark;
    bool written; //  the node's file is there
    environment_t *environments;
    environment_t *copy; //  of an earlier moment; NULL: there is none
    zb_node_t copied_node;
    int64_t copied; //  when
    char *record;  //  the file of io/store/record, as it is on the disk; NULL: there is none
    char *renamed; //  the one that has taken its place, and is not on the disk yet
    char *before;  //  the one before
    int64_t delay;
    bool fail, full;
    bool failed; //  a sync has, and the node's file does not say so yet
    int opener; //  the machine whose process has a shared store open, or ended with it; 0: nobody
} disk_t;

disk_t *disk_of (int machine);
environment_t *disk_environment (int machine, uint64_t number);
//  The running process waits as long as a write with a sync takes.  Returns false if it fails.
bool disk_sync (void);
//  Waits as long as a read takes.
void disk_read (void);

//  Changes the rows as the record says; `as_client`: it came over the link, or was recovered.
void record_apply (const record_t *self, fake_tables_t *rows, bool as_client);
//  The tables as the process of this machine has them; NULL if it has another environment open, or none.
const fake_tables_t *environment_rows (int machine, const environment_t *on);
//  Cuts the log to this size.
void environment_cut (environment_t *self, size_t size);
void environment_add (environment_t *self, record_t *record);

#endif
