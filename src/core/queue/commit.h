/*  =========================================================================
    commit - what is written together, and what waits until it is durable

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The engine fills one at a time, closes it, gives its batch to the store as one
    transaction, and releases it when that is durable where the rule says: its replies
    go out, its GETs go on, its rows are shown.

    What is written is said here in the engine's words; how it looks in the tables is in
    rows.h.  Queues (their log, cursors and bitmaps) and producers write themselves.
*/

#ifndef ZB_COMMIT_H_INCLUDED
#define ZB_COMMIT_H_INCLUDED

#include "core/base/ring.h"
#include "core/queue/rows.h"

typedef struct {
    zb_ring_t ring; //  its owner's
    uint64_t number;
    uint64_t epoch;
    uint64_t last_id;  //  the newest message id when it was closed,
    uint64_t moment;   //  and when that was (barrier.c)
    zb_batch_t *batch; //  until the caller takes it
    size_t bytes;      //  that it holds back, about,
    size_t put;        //  and those of PUTs among them
    zb_ring_t replies; //  that wait for it,
    zb_ring_t gets;    //  GETs whose acks it carries,
    zb_ring_t rows;    //  and rows that it shows
    bool brief;        //  rows may be put that lie in the store's log alone: its level is ZB_LEVEL_BRIEF
    zb_row_t *notes;   //  what of older messages it takes off the log, while that is remembered; or NULL
} zb_commit_t;

zb_commit_t *zb_commit_new (uint64_t number, uint64_t epoch);
//  One that is on no ring, and for which nothing waits.
void zb_commit_destroy (zb_commit_t **self_p);

//  A queue, topic or subscription is made, or its options are changed; it is deleted.
void zb_commit_queue (zb_commit_t *self, zb_frame_t name, const zb_queue_row_t *row);
void zb_commit_delete_queue (zb_commit_t *self, zb_frame_t name, const zb_queue_row_t *row);
//  The highest queue id that was given, and how many queues there are.
void zb_commit_queues (zb_commit_t *self, uint32_t highest, uint32_t count);
//  A queue's messages up to this id are gone, their rows are to be erased; all of them are.
void zb_commit_bury (zb_commit_t *self, uint32_t queue, uint64_t mark);
void zb_commit_buried (zb_commit_t *self, uint32_t queue);
//  The name of a producer is forgotten.
void zb_commit_forget (zb_commit_t *self, zb_frame_t producer);
//  A row that a read has found is erased.
void zb_commit_erase (zb_commit_t *self, zb_table_t table, const zb_found_t *found);
//  A row of the table meta; no value: it is erased.
void zb_commit_meta (zb_commit_t *self, const char *key, const void *value, size_t size);
//  Milliseconds for which the store has been led.
void zb_commit_uptime (zb_commit_t *self, uint64_t uptime);
//  No row of the log was begun later.
void zb_commit_time (zb_commit_t *self, uint64_t time);
//  Names of producers that the store keeps.
void zb_commit_producers (zb_commit_t *self, uint64_t count);

//  These messages of a queue are done (first and last ZB_JOURNAL_DELETED: there is no such queue any more): that goes
//  to the journal.
void zb_commit_journal (zb_commit_t *self, zb_frame_t queue, uint64_t first, uint64_t last);
//  The same is remembered with the commit, and goes to the journal with `next` if it comes to that.
void zb_commit_note (zb_commit_t *self, zb_frame_t queue, uint64_t first, uint64_t last);
void zb_commit_tell (zb_commit_t *self, zb_commit_t *next);

//  Nothing is added any more; `newest` is the newest message id that was given.
void zb_commit_close (zb_commit_t *self, uint64_t newest);

#endif
