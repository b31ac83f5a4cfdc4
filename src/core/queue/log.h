/*  =========================================================================
    log - rows of messages in the order of their ids

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A log knows its rows, and not what is done of them: that is its cursors' (core/queue/cursor).
    It lies on disk; memory holds the rows that a cursor looks at, each of them once.

        gone        rows                                         not shown yet
      --------|------------------------------------------|-----------------|
            floor                                       tail          added, fill

    Rows up to `tail` are shown: their commit is released.  What is put fills a row (`fill`);
    a row ends when it is full, and is written when the batch is closed; when that
    commit is released they are shown: they join the windows of those cursors that have come
    to the tail, if there is room, else they are read when these get there.

    A row leaves the store when every cursor is done with it.  A log of one cursor, a
    queue's, gives each row up as soon as that is so.  One that is `head_only`, a topic's, keeps
    them, and gives them up from its head only, up to the slowest cursor: so nobody has to count
    for each row who has it.
    One that also `retains` gives none up because of that: its owner removes rows from its head,
    be they done or not.

    A replay brings rows of the other side of a split, with ids below the tail.  To a cursor that
    has passed their place they are late, see core/queue/cursor.h.
*/

#ifndef ZB_LOG_H_INCLUDED
#define ZB_LOG_H_INCLUDED

#include "core/base/deck.h"
#include "core/queue/commit.h"
#include "core/queue/places.h"
#include "core/queue/rows.h"

typedef struct {
    uint32_t id;        //  in the table log
    bool head_only;     //  rows go from the head only,
    bool retains;       //  and not because cursors are done with them
    zb_ring_t cursors;  //  one; of a head-only log any number
    zb_ring_t followers;       //  of a head-only log: those of them that rows are shown to, whatever they have in memory
    struct zb_cursor *slowest; //  one that was seen to hold rows back last; or NULL
    uint64_t put;       //  messages ever put,
    uint64_t shown;     //  and those of them whose rows are shown, in a queue's lane, too, or purged
    uint64_t laid;      //  of a queue: messages in its lane, and those on their way there
    uint64_t gone;      //  of a head-only log: those of them whose rows are gone
    uint64_t stored;    //  and about how many bytes those have that are not
    uint64_t floor;     //  rows up to here are gone
    uint64_t tail;      //  rows up to here are shown
    unsigned purges;    //  how often it was purged
    unsigned users;     //  who still points to it: rows that are not shown yet, and its owner's
    unsigned inserting; //  rows that were inserted and are not shown yet,
    uint64_t inserted;  //  and the lowest id of those of them that are not purged
    zb_ring_t added;    //  rows that have ended, for the next batch
    zb_row_t *fill;
    uint64_t fill_last;
    unsigned fill_rank; //  and its rank
    unsigned ranks;     //  of a queue: so many ranks (core/queue/rank.h), each row is of one; 0 = there are none
    size_t hint;    //  bytes that the last row took
    zb_deck_t rows; //  places of the rows that are in memory
    size_t bytes;   //  memory of these, and of what its cursors know of them,
    size_t *total;  //  and of all logs
} zb_log_t;

//  A row that was put and is not shown yet.
typedef struct {
    zb_ring_t ring;
    zb_log_t *log;
    zb_row_t *row;
    uint64_t last;
    unsigned purges; //  of the log, when it was put
    bool inserted;   //  zb_log_insert's; then
    uint64_t first;  //  its first id,
    zb_row_t *bits;  //  and what is done of it, or NULL
    uint64_t due;    //  it goes into the lane (core/queue/lane.h), until then; 0 = it does not
    unsigned rank;   //  of the row
} zb_added_t;

//  A log without messages; ids up to `tail` are before its time.
void zb_log_init (zb_log_t *self, uint32_t id, bool head_only, uint64_t tail, size_t *total);
//  It has no cursor any more and nobody uses it.
void zb_log_clear (zb_log_t *self);

//  Puts bodies; piece->first and the following are their ids, piece->count is set here.  A PUT with a number that takes
//  more than one row has its digest in each, and so has one where piece->part is set: its digest is not that of what is
//  stored.  Rows that are begun have a head of this form and time.  With a head->n the messages of a queue are due then: each
//  has a row of its own, which goes into the lane.
void zb_log_put (zb_log_t *self, const zb_log_head_t *head, zb_piece_t *piece, const zb_frame_t *body, size_t bodies);
//  What is put from here on goes into another row.
void zb_log_end_row (zb_log_t *self);
//  Writes the rows that were put into the commit, which shows them.
void zb_log_write (zb_log_t *self, zb_commit_t *commit);
//  Inserts a row below the tail, of which those in `bits` (NULL: none) are done, but not all.  Returns how many are.  There
//  is no load of its cursors'.  Where rows are kept that holds for each cursor, and each of them
//  is to be written into the same commit.
uint32_t zb_log_insert (zb_log_t *self, zb_row_t *row, uint64_t last, zb_row_t *bits, zb_commit_t *commit);
//  The rank of a row that is well-formed: its first message's.
unsigned zb_log_rank (const zb_log_t *self, const zb_row_t *row);
//  Writes a row of one message into the lane, which is due when its head says so.
void zb_log_lay (zb_log_t *self, zb_row_t *row, uint64_t id, zb_commit_t *commit);
//  Frees a row that was put, after its commit is released or was given up.
void zb_added_destroy (zb_added_t **self_p);
//  Shows a row; it joins the windows of the cursors that have come to it if that is allowed.  What their filters cost is
//  taken off *left (visits); at 0 it joins no more windows that have one: these read it later.
void zb_log_show (zb_log_t *self, const zb_added_t *added, bool join, size_t *left);
//  Everything put so far is gone, but for the rows in the store.  Ids up to `last` are.
void zb_log_purge (zb_log_t *self, uint64_t last);

//  For cursors.  The row with this last id, which the store has as it is given here, with a reference: as it is in memory
//  already, or new there.  NULL if it is malformed.
zb_places_t *zb_log_take (zb_log_t *self, zb_row_t *row, uint64_t last);
//  Gives the reference back; a row that no cursor has leaves memory.
void zb_log_release (zb_log_t *self, zb_places_t **places_p);
//  Bytes of a log's rows up to which new ones are taken for short-lived.
#define ZB_LOG_BRIEF (20 << 20)

//  A cursor's mark has passed the row with this last id, of so many messages and bytes: it goes with the commit if all
//  marks have.
void zb_log_passed (zb_log_t *self, uint64_t last, uint32_t count, uint32_t size, zb_commit_t *commit);
//  Where rows are retained: the first one, of so many messages and bytes, goes with the commit.  When all have gone that are
//  to, the cursors are to be told (zb_cursor_overtaken).
void zb_log_remove (zb_log_t *self, uint64_t last, uint32_t count, uint32_t size, zb_commit_t *commit);
//  Rows that no cursor waits for, though none has passed them: the id up to which they lie, which is set as gone; 0 if
//  there are none.  They are to be buried.
uint64_t zb_log_trim (zb_log_t *self);
//  Memory that a cursor takes, or gives back.
void zb_log_charge (zb_log_t *self, size_t bytes);
void zb_log_refund (zb_log_t *self, size_t bytes);

#endif
