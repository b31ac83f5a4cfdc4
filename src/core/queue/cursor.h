/*  =========================================================================
    cursor - what of a log is delivered, leased and done

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A queue is a log with one cursor; a log may have many, and none knows of the others.

        done      window (views)          on disk only           not shown yet
      --------|======================|----------------------|-----------------|
           low                     reach                 the log's tail

    Below the low-water mark all is done, above it what the bitmaps say; but where rows are kept, a row
    up to `passed` that has no bitmap is done as well.  So a row that a replay inserts is late, not
    done, to a cursor that has passed its place: a bitmap says so, the low-water mark goes back to it, and
    what lies between stays done.  Ids up to `reach` are in the window or done.  What is shown joins the window if it reaches to the tail and
    there is room, else it is read when the consumers get there.  One more row that was
    inserted below `reach` joins it when it is shown; between its commit and that no window
    is read.

    An acknowledgement of a message between reach and tail brings its row alone into
    memory (a stray).  A stray stays until its bitmap is with the store, so that a
    read of the window never brings an older state back.

    A cursor of a log that keeps its rows may want a part of it only: what its filter takes, and of the row in
    which it begins what is behind there. The rest is done from the beginning, without an acknowledgement
    and without a bitmap: rows don't change, so whoever reads them finds it out again. It counts as done when the
    mark has passed its row.

    Rows may be removed before a cursor is done with them (`overtaken`): then its mark moves behind them. What it was
    not done with is lost to it. That is no acknowledgement, so to the store, which a replay reads, its mark is where it was
    until there is one. One of which nothing is known but the mark is not written for that: whoever reads its row and the log's
    comes to the same.

    A queue with ranks (core/queue/rank.h) has rows ahead of its window as well, in memory and to be delivered: of each rank
    above 0 all up to an id of its own (`ahead`).  They are among the strays, but stay: until the window comes to them,
    all of them is done, or memory is short.  Of a rank all is known up to `ahead` or `reach`, whichever is more: what is
    ready up to there is in memory.  So the first that is ready in memory is the first of all.

    A lease is spans of ids.  So a row of which something is leased may leave memory, too:
    what the cursor knows of its deliveries stays (`away`), and meets the row when it is
    read again.
*/

#ifndef ZB_CURSOR_H_INCLUDED
#define ZB_CURSOR_H_INCLUDED

#include "core/queue/keyed.h"
#include "core/queue/log.h"
#include "core/queue/view.h"

//  Messages, without a gap, that were delivered and whose row has left memory.
typedef struct {
    uint64_t first;
    uint64_t last;
    zb_seat_t seat; //  of each; no lease: it has ended
} zb_away_t;

//  What is in memory of a rank above 0.
typedef struct {
    zb_deck_t views; //  of the window, and ahead of it, in the order of ids
    size_t scan;     //  none before this one has a ready message
    uint64_t ready;  //  messages of them
    uint64_t ahead;  //  its rows up to here are in memory, are done, or nothing of them is ready
    uint64_t shown;  //  it has no row behind this id
    uint64_t most;   //  a read of the index that is under way tells nothing of what is behind this id
} zb_rank_t;

typedef struct zb_cursor {
    zb_ring_t ring;    //  on its log's
    zb_ring_t follows; //  on its log's of those that rows are shown to
    zb_log_t *log;
    uint32_t id;   //  in the tables cursors and acks; a queue's is its log's
    uint64_t done; //  messages ever done
    uint64_t reach;
    uint64_t from;     //  behind this one it begins,
    zb_frame_t filter; //  and what it takes, its owner's; empty: all
    bool shy;          //  what had a delay, and was delivered to nobody that is known of, is not finished
    size_t work;       //  what that has cost and nobody was told of
    uint64_t passed; //  where rows are kept: rows up to here without a bitmap are done,
    uint64_t behind; //  and so many messages are before the mark
    bool jumped;     //  which has come, behind a late row, by rows again that it had passed: the log is to be trimmed
    zb_span_t lost;  //  from its mark on, what was removed before it was done with it; 0 = nothing,
    bool told;       //  somebody was told of it since it last grew: the next acknowledgement ends it
    uint64_t held;   //  what it takes of the row behind this id holds back its mark; `reach` when that was found
    uint64_t counts; //  of a queue: the bytes of messages with larger ids are counted; UINT64_MAX: of none;
    uint64_t bytes;  //  those that are not done have so many
    uint64_t commit; //  the newest commit with an acknowledgement
    zb_ring_t dirty; //  views whose bitmap the next batch writes
    zb_deck_t views; //  in the order of ids
    size_t window;   //  of these, views of the window; the others are strays
    size_t scan;     //  no view before this one has a ready message
    uint64_t ready;  //  messages of the window that can be delivered,
    uint64_t leased; //  and all those that are delivered
    unsigned ranks;  //  0 = none
    zb_rank_t *rank; //  by its number; that of 0 is not used
    size_t fronts;   //  views that are ahead of the window,
    uint64_t front_ready; //  and ready messages of these
    bool flat;            //  for now what is next is the oldest of the window, whatever its rank
    zb_away_t *away; //  from the largest ids down: what is read again first is at the end
    size_t aways;
    bool ended;      //  of some of them the lease has ended
    size_t aways_room;
    unsigned purges;      //  how often it was purged, or has got other ranks: reads that began before are void
    struct zb_load *load; //  of its rows
    uint64_t seen;        //  rows up to here are seen by that
    unsigned pins;        //  rows in memory stay there while it is not 0
    zb_keyed_t *keys;     //  of one whose messages go by their key; NULL: others
} zb_cursor_t;

//  A cursor of a log, to which everything up to the log's tail is done.
void zb_cursor_init (zb_cursor_t *self, zb_log_t *log, uint32_t id);
//  It leaves its log: nothing of it is in memory, and its leases have ended.  Of a log that keeps the rows that only it
//  was not done with are to be buried, as after a purge.
void zb_cursor_clear (zb_cursor_t *self);
//  One of a log that keeps its rows begins behind this id, before which so many messages were put.  Nothing of it is in
//  memory.
void zb_cursor_begin (zb_cursor_t *self, uint64_t from, uint64_t count);
//  What it wants: what is behind this id, and what the filter takes, which lies there as long as the cursor does.
void zb_cursor_want (zb_cursor_t *self, uint64_t from, zb_frame_t filter);
//  What its filter has cost since this was asked last, in visits (limits.h).
size_t zb_cursor_worked (zb_cursor_t *self);
//  Whether it takes none of a row; nothing of it is in memory, and the row is the next one behind `reach`: then it is done.
bool zb_cursor_skip (zb_cursor_t *self, const zb_places_t *places, zb_commit_t *commit);
//  It begins elsewhere, under another id: its leases have ended, what a load brings is not for it.
void zb_cursor_move (zb_cursor_t *self, uint32_t id, uint64_t from, uint64_t count);
//  Of a queue: bytes of messages with larger ids are counted, of which it has none, or those that it has been told of.
//  A message's bytes are those of its body and of its properties.
void zb_cursor_count (zb_cursor_t *self, uint64_t from);
//  Bytes of a message of a row.
uint64_t zb_cursor_size (const zb_places_t *places, uint32_t number);
//  Of a queue without messages, or of which nothing is in memory yet: it has so many ranks, 0 = none.
void zb_cursor_rank (zb_cursor_t *self, unsigned ranks);
//  For its log: a row above rank 0 was shown; it may join those ahead of the window.
void zb_cursor_ranked (zb_cursor_t *self, const zb_added_t *added, bool join);
//  The rank of which the index has to be read before anything is delivered; 0: nothing has.
unsigned zb_cursor_unread (const zb_cursor_t *self);
//  Up to which id all of a rank is known.
uint64_t zb_cursor_ahead (const zb_cursor_t *self, unsigned rank);
//  The index has named the row with this last id, behind all that is known of the rank: it is this one, with these bits (or
//  NULL), or, if `row` is NULL, what is in memory, or gone.  0, or -1 if it is malformed.
int zb_cursor_fetch (zb_cursor_t *self, unsigned rank, uint64_t last, zb_row_t *row, const zb_row_t *bits);
//  Such a read begins.
void zb_cursor_fetching (zb_cursor_t *self);
//  There is no other one of the rank up to this id.
void zb_cursor_fetched (zb_cursor_t *self, unsigned rank, uint64_t upto);
//  Whether rows are in memory only until the store knows what is done of them.
bool zb_cursor_strays (const zb_cursor_t *self);
//  Whether rows of a log that keeps them are shown to it, as they are from the beginning.  One that is not reads them.
void zb_cursor_follow (zb_cursor_t *self, bool follows);
//  Takes what the store knows about one that has just been made.
void zb_cursor_restore (zb_cursor_t *self, const zb_cursor_row_t *row);
//  The low-water mark: messages with smaller ids are done.
uint64_t zb_cursor_low (const zb_cursor_t *self);
//  Messages that are not done.
uint64_t zb_cursor_depth (const zb_cursor_t *self);
//  Writes what has changed into the commit.
void zb_cursor_write (zb_cursor_t *self, zb_commit_t *commit);
//  For its log: a row is shown at the tail, or below it; all up to this id is gone.
void zb_cursor_join (zb_cursor_t *self, zb_row_t *row, uint64_t last, const zb_row_t *bits);
void zb_cursor_insert (zb_cursor_t *self, zb_row_t *row, uint64_t last, const zb_row_t *bits);
void zb_cursor_purge (zb_cursor_t *self, uint64_t last);

//  Takes rows that a read found (range 0 the log, range 1 the acks), those up to the id `end`: extends the window with
//  them, or adds those up to the id `want`, if that is not 0, as strays.  Returns the last id that is accounted for, 0
//  if a row is malformed.
uint64_t zb_cursor_load (zb_cursor_t *self, const zb_read_t *read, uint64_t end, uint64_t want);
//  All messages from this id up to the one returned are in memory or gone; 0 if it is not known of this id.
uint64_t zb_cursor_known (const zb_cursor_t *self, uint64_t id);

//  Messages with ids from `first` to `last`, which are in memory or gone, are done, and their leases end.  Rows of which
//  then all is done leave memory and, with the commit, the store; `gone` is told of each.  Each message and each row
//  that is looked at takes one off *left; at 0 it stops and returns the id to go on with, else 0.
typedef void (zb_gone_t) (void *context, uint64_t first, uint64_t last);
uint64_t zb_cursor_finish (zb_cursor_t *self, uint64_t first, uint64_t last, zb_commit_t *commit, size_t *left,
                           zb_gone_t *gone, void *context);
//  The first row of the window with a ready message, and its number; NULL if there is none.  Where there are ranks the
//  first of the highest of which something is ready, also ahead of the window; NULL, too, if the index has to be read first.
zb_view_t *zb_cursor_next (zb_cursor_t *self, uint32_t *number);
//  The first row of the window with a ready message behind this id, if it is not 0, whatever its rank, or with one that waits for its key.
zb_view_t *zb_cursor_ready (zb_cursor_t *self, uint64_t behind, uint32_t *number);
//  Whether it goes by keys from now on, and by whose secret; NULL: no more.
void zb_cursor_go_by_key (zb_cursor_t *self, const uint8_t secret[ZB_MAP_KEY_SIZE]);
//  Whether this one, which is ready, may be delivered, since no other one of its key is leased; else it is blocked, which is no
//  more ready.
bool zb_cursor_may (zb_cursor_t *self, zb_view_t *view, uint32_t number);
//  What was blocked by messages that are done, or have come back, is ready again.  Takes one off *left for each that is looked at;
//  at 0 it stops, and the rest is done by the next call: false.
bool zb_cursor_settle (zb_cursor_t *self, size_t *left);
bool zb_cursor_settled (const zb_cursor_t *self);
//  Bytes of what is known of keys: they are among those of its log, and stay until messages are done, or come back.
size_t zb_cursor_key_bytes (const zb_cursor_t *self);
//  Messages that are blocked.
uint64_t zb_cursor_blocked (const zb_cursor_t *self);
//  It is delivered.  Returns how often it was by now.
uint32_t zb_cursor_deliver (zb_cursor_t *self, zb_view_t *view, uint32_t number, zb_lease_t *lease);
//  What this lease (NULL: any of the session's) covers of the messages with these ids goes over to the lease `to`, or
//  (NULL) is ready again, be their rows in memory or not.  Returns how many messages that are; takes off *left as
//  above, but does not stop.
typedef struct {
    const zb_lease_t *lease;
    const struct zb_session *session;
} zb_whose_t;
uint64_t zb_cursor_hand (zb_cursor_t *self, uint64_t first, uint64_t last, const zb_whose_t *whose, zb_lease_t *to,
                         size_t *left);
//  The same of what was tried without success: `rest` says, from how often each was by now, which lease it goes over to.
typedef zb_lease_t *(zb_rest_t) (void *context, uint32_t tries);
uint64_t zb_cursor_try (zb_cursor_t *self, uint64_t first, uint64_t last, const zb_whose_t *whose, zb_rest_t *rest,
                        void *context, size_t *left);

//  Where rows are kept: has the mark pass what was found to be done when it was read.  Whether there was any.
bool zb_cursor_advance (zb_cursor_t *self, zb_commit_t *commit);

//  Where rows are retained.  Up to which id it is known what it has done: no row behind that may be removed.
uint64_t zb_cursor_knows (const zb_cursor_t *self);
//  Rows were removed.  Whether it is to be written.
bool zb_cursor_overtaken (zb_cursor_t *self, zb_commit_t *commit);

//  Whether the message with this id, which is in memory or gone, is there and not done; *lease is what covers it, or NULL.
bool zb_cursor_open (const zb_cursor_t *self, uint64_t id, const zb_lease_t **lease);

//  The row with this message, which is in memory and not done, and its number there; NULL if there is none.
zb_view_t *zb_cursor_find (const zb_cursor_t *self, uint64_t id, uint32_t *number);

//  Both drop nothing while there are pins.
//  Drops strays that the store knows as they are.
void zb_cursor_tidy (zb_cursor_t *self, uint64_t taken);
//  Drops rows from the end of the window that the store knows as they are, until the memory of all logs is down to `limit`;
//  such of which something is leased only if `leased`.
void zb_cursor_shed (zb_cursor_t *self, uint64_t taken, size_t limit, bool leased);

#endif
