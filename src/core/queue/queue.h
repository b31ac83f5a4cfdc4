/*  =========================================================================
    queue - a log with one cursor, its options, and who waits for its messages; also a topic, and a
            subscription

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A topic is a log that keeps its rows, without a cursor of its own; each of its subscriptions
    is a cursor of that log.  To who gets and acknowledges a subscription is a queue: its
    messages are those of `cursor.log`.

    The engine's.  Beneath it the log knows no consumers, and the cursor no clients; neither
    knows a clock or the store.
*/

#ifndef ZB_QUEUE_H_INCLUDED
#define ZB_QUEUE_H_INCLUDED

#include "core/base/map.h"
#include "core/queue/cursor.h"
#include "core/queue/dedupe.h"
#include "core/queue/lane.h"

//  What was found out about the first row of a log.
typedef struct {
    uint64_t behind; //  it is the one behind this id
    uint64_t time;   //  and was begun then,
    uint32_t count;  //  with so many messages; 0 = nothing was
    bool read;       //  it is being read, and no other has become the first since that began
} zb_oldest_t;

//  Whose an exclusive queue is, see core/engine/holding.c.
typedef struct {
    struct zb_session *session; //  NULL: nobody's; and while the timer runs, kept for who has the mark
    uint8_t mark[ZB_MARK_SIZE]; //  of its name, as in the queue's row
    zb_ring_t mine;             //  on the session's ring
    zb_timer_t timer;           //  the end of that, or of a session that does nothing
    uint64_t epoch;             //  in which its number was given
    uint64_t fence;             //  and that
    uint64_t ousted;            //  the session with this number has lost it, and may have leases; 0 = none
    bool known;                 //  what the row says has been looked at
} zb_hold_t;

typedef struct zb_queue {
    zb_log_t log;       //  of a subscription only its count of users has a meaning
    zb_cursor_t cursor; //  not of a topic
    zb_queue_kind_t kind;
    struct zb_queue *topic; //  of a subscription
    zb_ring_t subs;         //  a topic's subscriptions; on its topic's ring of them
    zb_entry_t entry;  //  in the engine's map of names
    zb_ring_t ring;    //  on its ring of all queues, the longest unused first
    zb_ring_t touched; //  on the ring of those that the next batch writes
    zb_ring_t demand;  //  on the ring of those with parked GETs
    zb_ring_t strays;  //  on the ring of those with strays
    zb_ring_t rest;    //  on the ring of those that are served on in the next turn
    zb_ring_t parked;  //  GETs, first come first served
    zb_ring_t late;    //  of these, those whose time is over: answered as soon as no load is under way
    size_t waiting;    //  how many are parked
    zb_ring_t doomed;  //  leases of nobody's over messages that die,
    uint64_t dying;    //  so many;
    zb_ring_t dies;    //  and on the ring of queues that have such,
    int64_t dies_at;   //  where they can't go they are looked at again then
    uint64_t resting;  //  messages that rest, or wait for the delay that a NACK has asked for
    zb_frame_t name;
    uint32_t id;
    uint64_t lease; //  options; 0 = the broker's default
    uint64_t max;
    uint64_t grace;
    uint64_t expires; //  of a queue, as in its row
    uint64_t since;
    bool timed;
    uint64_t delay; //  and again
    bool delays;
    zb_lane_t lane;
    bool sized; //  as in its row, with cursor.counts
    bool drops;
    uint64_t bytes; //  as in its row, of a topic 0 = the broker's default;
    uint64_t age;   //  if it keeps all, as in its row,
    uint64_t most;
    zb_oldest_t oldest;
    zb_ring_t retaining; //  and on the ring of those that do
    uint64_t retry; //  as in its row
    uint64_t retry_most;
    uint64_t most_tries;
    zb_mode_t mode; //  as in its row
    zb_hold_t hold; //  exclusive,
    zb_ring_t lent; //  and leases of sessions
    uint64_t dedupe;     //  as in its row,
    zb_dedupe_t *seen;   //  what is remembered for that; NULL = it is not in memory,
    zb_ring_t remembers; //  and on the ring of queues of which it is, the longest unused first
    uint64_t unused;     //  as in its row;
    uint64_t used;       //  the pair's time when it was used last in this lead, 0 = not yet,
    zb_timer_t disuse;   //  when it is looked at again,
    zb_ring_t over;      //  and on the ring of those that nobody has used for so long,
    uint64_t pass;       //  which go after this pass over all queues
    uint64_t alone;      //  when this broker was alone for this time, it was made; 0 = before, or by a replay
    char *dead;     //  where dead letters go; NULL = the default
    uint8_t dead_size;
    uint64_t birth; //  of a subscription, as in its row
    uint64_t from;
    zb_position_t began;
    zb_filter_t filter;
    zb_ring_t filtered; //  a topic with filters: on the ring of those that are swept,
    int64_t swept_at;   //  when that was done last,
    uint64_t swept;     //  and what its rows took then
    bool reading;       //  of a topic: rows are being read for who waits without a subscription;
    uint16_t rows;      //  so many, 0 = not known yet
    uint64_t end;       //  those who have read up to here, which was the log's tail,
    zb_ring_t at_tail;  //  are not parked, but here;
    zb_ring_t sifts;    //  and, a subscription as well, on the ring of those that wait until others have been read
    zb_stamp_t changed; //  when it was made, or its options were changed
    uint64_t asked;     //  newest epoch in which a client asked something of it
    uint64_t commit;    //  the newest commit that writes its rows
    bool gone;       //  deleted; the name is kept until the store knows, and no LIST is under way that it may have told
    uint64_t unread; //  of one that is gone: reads with a larger tag do not find it; 0 = not known yet
    char text[];
} zb_queue_t;

//  A queue without messages; ids up to `tail` are before its time.
zb_queue_t *zb_queue_new (zb_frame_t name, uint32_t id, uint64_t tail, size_t *total);
//  A topic likewise, and a subscription of it, which begins behind everything.
zb_queue_t *zb_queue_new_topic (zb_frame_t name, uint32_t id, uint64_t tail, size_t *total);
zb_queue_t *zb_queue_new_sub (zb_frame_t name, uint32_t id, zb_queue_t *topic);
//  A subscription that is deleted: it holds back no row of the log any more.  Nothing of it is in memory, its leases
//  have ended.
void zb_queue_leave (zb_queue_t *self);
//  Nobody may use it any more; leases of its messages end.
void zb_queue_destroy (zb_queue_t **self_p);
//  What its row in the store says.
zb_queue_row_t zb_queue_row (const zb_queue_t *self);
//  Takes the options.
void zb_queue_configure (zb_queue_t *self, const zb_queue_row_t *row);
//  Where dead letters of one of this name go by default: NAME.dead, or of a subscription TOPIC.SUB.dead, as it is written into
//  the text; and its option, or that.
#define ZB_DEAD_NAME_MAX (ZB_NAME_MAX + 5)
zb_frame_t zb_dead_name (zb_frame_t name, char text[ZB_DEAD_NAME_MAX]);
zb_frame_t zb_queue_dead (const zb_queue_t *self, char text[ZB_DEAD_NAME_MAX]);
//  ms that a message rests after so many tries without success; 0: not at all.  By the option retry-delay; where there is
//  none, but max-deliveries, 100 ms after the third one, twice as long after each more, up to 10 s.
int64_t zb_queue_retry (const zb_queue_t *self, uint32_t tries);
//  Takes what the store knows about a queue that has just been made.
void zb_queue_restore (zb_queue_t *self, const zb_cursor_row_t *row);
//  Puts bodies, as zb_log_put does, and counts their bytes where these are counted.
void zb_queue_put (zb_queue_t *self, const zb_log_head_t *head, zb_piece_t *piece, const zb_frame_t *body,
                   size_t bodies);
//  Whose bytes count when its max-bytes is named now: those of all messages that it will ever have, if it has none; else of
//  those with ids behind the newest one.
uint64_t zb_queue_counts (const zb_queue_t *self, uint64_t newest);
//  Messages that are neither acknowledged nor purged; of a topic: that are kept.
uint64_t zb_queue_depth (const zb_queue_t *self);
//  Writes what has changed into the commit, which shows its new rows.
void zb_queue_write (zb_queue_t *self, zb_commit_t *commit);
//  Inserts a row of the other side of a split, of whose messages those in `bits` (NULL: none) are done, but not all; ids
//  of this side are above.  There is no load of its rows.
void zb_queue_insert (zb_queue_t *self, zb_row_t *row, uint64_t last, zb_row_t *bits, zb_commit_t *commit);
//  The same of a row of one message that is not due: it goes into the lane.
void zb_queue_lay (zb_queue_t *self, zb_row_t *row, uint64_t id, zb_commit_t *commit);
//  Inserts one that comes from there.
void zb_queue_take_due (zb_queue_t *self, zb_row_t *row, uint64_t id, zb_commit_t *commit);

#endif
