/*  =========================================================================
    queue - a log with a cursor: the messages of one queue

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The log lies on disk in rows; memory holds the rows of a window at its head.

        gone      window (views)          on disk only           not shown yet
      --------|======================|----------------------|-----------------|
           low                     reach                   tail          sealed, fill

    Ids up to `reach` are in the window or gone, those up to `tail` are shown: their
    commit is released.  What is put fills a row (`fill`); rows are sealed when they
    are full and written when the batch is closed; when that commit is released they
    are shown: they join the window if it reaches to the tail and has room, else they
    are read when the consumers get there.

    A replay brings rows of the other side of a split, with ids below the tail.  One that
    lies up to `reach` joins the window when it is shown, one beyond is read when the
    consumers get there.  Between its commit and its release no window is read.

    An acknowledgement of a message between reach and tail brings its row alone into
    memory (a stray).  A stray stays until its bitmap is with the store, so that a
    read of the window never brings an older state back.

    The engine calls; a queue knows no clients, no clock and no store.
*/

#ifndef ZB_QUEUE_H_INCLUDED
#define ZB_QUEUE_H_INCLUDED

#include "core/base/map.h"
#include "core/queue/commit.h"
#include "core/queue/rows.h"
#include "core/queue/view.h"

//  A row that was put and is not shown yet.
typedef struct zb_queue zb_queue_t;
typedef struct {
    zb_ring_t ring;
    zb_queue_t *queue;
    zb_row_t *row;
    uint64_t last;
    unsigned purges; //  of the queue, when it was put
    bool inserted;   //  zb_queue_insert's; then
    uint64_t first;  //  its first id,
    zb_row_t *bits;  //  and what is done of it, or NULL
} zb_sealed_t;

struct zb_queue {
    zb_entry_t entry;  //  in the engine's map of names
    zb_ring_t ring;    //  on its ring of all queues, the longest unused first
    zb_ring_t touched; //  on the ring of those that the next batch writes
    zb_ring_t demand;  //  on the ring of those with parked GETs
    zb_ring_t strays;  //  on the ring of those with strays
    zb_ring_t rest;    //  on the ring of those that are served on in the next turn
    zb_ring_t parked;  //  GETs, first come first served
    zb_ring_t late;    //  of these, those whose time is over: answered as soon as no load is under way
    size_t waiting;    //  how many are parked
    zb_ring_t sealed;  //  rows for the next batch
    zb_ring_t dirty;   //  views whose bitmap the next batch writes
    zb_frame_t name;
    uint32_t id;
    uint64_t lease; //  options; 0 = the broker's default
    uint64_t max;
    uint64_t grace;
    zb_stamp_t changed; //  when it was made, or its options were changed
    uint64_t asked;     //  newest epoch in which a client asked something of it
    bool gone;       //  deleted; the name is kept until the store knows, and no LIST is under way that it may have told
    uint64_t unread; //  of one that is gone: reads with a larger tag do not find it; 0 = not known yet
    unsigned users;  //  rows and loads that still point to it
    unsigned inserting; //  rows that were inserted and are not shown yet,
    uint64_t inserted;  //  and the lowest id of them
    uint64_t put;       //  messages ever put,
    uint64_t done;      //  and ever acknowledged or purged
    uint64_t reach;
    uint64_t tail;
    uint64_t floor;       //  messages up to here are gone
    unsigned purges;      //  how often it was purged
    uint64_t commit;      //  the newest commit that writes its rows, or its options,
    uint64_t ack_commit;  //  and that with an acknowledgement
    uint64_t seen;        //  rows up to here are seen by the load that is under way
    struct zb_load *load; //  of its rows
    zb_row_t *fill;
    uint64_t fill_last;
    size_t hint;      //  bytes that the last row took
    zb_view_t **view; //  view[from] to view[from + views - 1], in the order of ids
    size_t from;
    size_t views;
    size_t room;
    size_t window;   //  of these, views of the window; the others are strays
    size_t scan;     //  no view before this one has a ready message
    uint64_t ready;  //  messages of the window that can be delivered,
    uint64_t leased; //  and those that are delivered
    size_t bytes;    //  memory of its views and rows,
    size_t *total;   //  and of all queues
    char text[];
};

//  A queue without messages; ids up to `tail` are before its time.
zb_queue_t *zb_queue_new (zb_frame_t name, uint32_t id, uint64_t tail, size_t *total);
//  Nobody may use it any more; leases of its messages end.
void zb_queue_destroy (zb_queue_t **self_p);
//  What its row in the store says.
zb_queue_row_t zb_queue_row (const zb_queue_t *self);
//  Takes the options.
void zb_queue_configure (zb_queue_t *self, const zb_queue_row_t *row);
//  Takes what the store knows about a queue that has just been made.
void zb_queue_restore (zb_queue_t *self, const zb_cursor_row_t *cursor);
//  Messages that are neither acknowledged nor purged.
uint64_t zb_queue_depth (const zb_queue_t *self);

//  Puts bodies; piece->first and the following are their ids, piece->count is set here.  A PUT with a number that takes
//  more than one row has its digest in each.
void zb_queue_put (zb_queue_t *self, zb_piece_t *piece, const zb_frame_t *body, size_t bodies);
//  Writes what has changed into the commit, which shows its new rows.
void zb_queue_write (zb_queue_t *self, zb_commit_t *commit);
//  Inserts a row of the other side of a split, of whose messages those in `bits` (NULL: none) are done, but not all; ids
//  of this side are above.  There is no load of its rows.
void zb_queue_insert (zb_queue_t *self, zb_row_t *row, uint64_t last, zb_row_t *bits, zb_commit_t *commit);
//  Frees a row that was put, after its commit is released or was given up.
void zb_sealed_destroy (zb_sealed_t **self_p);
//  Shows a row; it joins the window if that is allowed and possible.
void zb_queue_show (zb_queue_t *self, const zb_sealed_t *sealed, bool join);

//  Takes rows that a read found (range 0 the log, range 1 the acks), those up to the id `end`: extends the window with
//  them, or adds those up to the id `want`, if that is not 0, as strays.  Returns the last id that is accounted for, 0
//  if a row is malformed.
uint64_t zb_queue_load (zb_queue_t *self, const zb_read_t *read, uint64_t end, uint64_t want);

//  Calls `visit` for each message in memory with an id from `first` to `last` that is not done, in their order.  Rows
//  in which then everything is done leave memory and, with the commit, the store.  Each message and each row that it looks
//  at takes one off *left; at 0 it stops and returns the id to go on with, else 0.
typedef void (zb_visit_t) (void *context, zb_queue_t *self, zb_view_t *view, uint32_t number);
uint64_t zb_queue_visit (zb_queue_t *self, uint64_t first, uint64_t last, zb_visit_t *visit, void *context,
                         zb_commit_t *commit, size_t *left);
//  All messages from this id up to the one returned are in memory or gone; 0 if it is not known of this id.
uint64_t zb_queue_known (const zb_queue_t *self, uint64_t id);
//  For visitors: the message is done (its lease ends); it goes back to the ready ones (its lease ends); it is
//  delivered, and how often it was by now is returned.
void zb_queue_finish (zb_queue_t *self, zb_view_t *view, uint32_t number, uint64_t commit);
void zb_queue_return (zb_queue_t *self, zb_view_t *view, uint32_t number);
uint32_t zb_queue_deliver (zb_queue_t *self, zb_view_t *view, uint32_t number, zb_lease_t *lease);
//  The first row of the window with a ready message, and its number; NULL if there is none.
zb_view_t *zb_queue_next (zb_queue_t *self, uint32_t *number);
//  Everything put so far is gone, but for the rows in the store.  Returns the id up to which they are to be erased.
void zb_queue_purge (zb_queue_t *self, uint64_t last);
//  Drops strays that the store knows as they are.
void zb_queue_tidy (zb_queue_t *self, uint64_t taken);
//  Drops rows from the end of the window that hold no lease and that the store knows as they are, until the memory of
//  the rows of all queues is down to `limit`.
void zb_queue_shed (zb_queue_t *self, uint64_t taken, size_t limit);

#endif
