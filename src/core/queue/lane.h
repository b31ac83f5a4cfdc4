/*  =========================================================================
    lane - messages of a queue that are not due yet

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A message with a delay gets its id and its OK as any other.  It lies on disk only, in a row of its own
    beside the queue's log, until it is due and somebody gets from the queue.  Then one commit takes it out of
    the lane and inserts it into the log, under the same id: from there on it is a message as any other.

      PUT        log row of one message, whose head says when it is due; two rows in the table log, with a queue
                 id that no queue has: the row by (queue, due, id), and by (queue, id) when it is due
      due        a GET that waits has the head of the lane read, when the pair's time has come to it.  What is due
                 is inserted in the order of its time, no further than ids rise, and the next ones only
                 when none of these is next: so time decides, not ids.  Amid others that are ready it is one of
                 them, and of those the smallest id is next.  One such commit of a queue is on its way at a time;
                 until it is released nobody is shown what it inserts (as with what a replay inserts)
      restart,   nothing is in memory that is not on disk: who leads reads the head of the lane when the first GET
      takeover   comes.  The time is the pair's, which never goes back: nothing is early, and nothing later than by
                 the time in which nobody led
      ACK        of one id is looked up in the lane if memory does not know it, and takes it out; what is on its way into
                 the log is acknowledged there when it is shown; ranges don't reach
                 into the lane.  Nor do they cover what had a delay and was delivered to nobody, as far as this lead knows: it
                 lies between ids that a consumer has.  So after a takeover, or when its lease has ended and its row has left
                 memory, what was delivered and is acknowledged by a range comes again: twice is better than never
      PUT, MOVE  that want room, or what is ready, have what is due inserted as a GET has (zb_engine_take_due): one commit of
                 it each, and more of them only while what is ready is not enough
      REJECT,    of what is here are refused: nobody has it
      acks=
      PURGE,     the tombstone of the queue says up to which id all is gone, of the lane as well: what it says so of is not
      DELETE     delivered any more, and its rows are freed step by step, by their ids.  Each read of a lane has the tombstone
                 read, too: both go with one commit, so that what it brings is judged by what it saw
      LIST       counts it among the messages, from its PUT on, and so do max-messages and max-bytes (its bytes are in
                 the row by id, so that an ACK needs no more than that)
      replay     the loser sends the lanes before its logs, as rows of messages; the winner puts what is not due into its own.
                 What the loser has acknowledged is taken out of the winner's lane by id, ranges included: a row never
                 has ids between its own that are in a lane (the row that is filled ends at each message with a
                 delay), so that a range that the journal has of a row means messages that were delivered.  What an
                 unfinished replay has sent from a lane, and the loser has taken out since, comes again from the log: its
                 row says in which epoch it was taken out, so that the winner knows it
      resync     rows as any others

    Bounded: in memory is one time for each queue that is known, and what one read brings (ROWS, BYTES in
    core/engine/delaying.c).  A read is made when there is something due, or nothing is known yet.  What is inserted is a row of
    the log as any, and the rest of the window is shed for it; while limits.window is full of what consumers have, what
    is due waits, as all else does.
*/

#ifndef ZB_LANE_H_INCLUDED
#define ZB_LANE_H_INCLUDED

#include "core/base/timer.h"
#include "core/queue/rows.h"

//  Rows, in the table log: u32 0, u8 which, then as here.
#define ZB_LANE_KEY_SIZE 25      //  1: queue id u32, due u64, message id u64 -> the row of the log
#define ZB_LANE_INDEX_SIZE 17    //  2: queue id u32, message id u64 -> due u64, bytes of body and properties u32
#define ZB_LANE_PREFIX 9         //  bytes that all keys of a queue have in common
#define ZB_LANE_NEVER UINT64_MAX //  nothing is due

void zb_lane_key (uint32_t queue, uint64_t due, uint64_t id, uint8_t key[ZB_LANE_KEY_SIZE]);
void zb_lane_index_key (uint32_t queue, uint64_t id, uint8_t key[ZB_LANE_INDEX_SIZE]);
//  What a read of a queue's lane has found; -1 if it is malformed.
int zb_lane_decode (const zb_found_t *found, uint32_t queue, uint64_t *due, uint64_t *id);
int zb_lane_index_decode (const zb_found_t *found, uint32_t queue, uint64_t *due, uint64_t *id, uint32_t *bytes);
//  Bytes of the body and the properties of a row of one message.
uint32_t zb_lane_bytes (const zb_row_t *row);
//  Puts a row of one message, and takes it out.
void zb_lane_put (zb_batch_t *batch, uint32_t queue, uint64_t due, uint64_t id, zb_row_t *row);
void zb_lane_erase (zb_batch_t *batch, uint32_t queue, uint64_t due, uint64_t id);

//  A message that was taken out, in a commit that is not released yet: a read may find it once more.
typedef struct {
    uint64_t id;
    uint64_t commit;
    bool inserted; //  into the log; else it is done
} zb_lane_gone_t;

//  What memory knows of a queue's lane.  All zero: nothing.
typedef struct {
    bool known;       //  the head is
    uint64_t head;    //  nothing that was shown is due before
    uint64_t from_due; //  and it is read from here on: what is before that is gone, or was inserted
    uint64_t from_id;
    uint64_t shown;   //  the largest id that was shown in the lane
    uint64_t commit;  //  the newest commit that inserts
    zb_timer_t timer; //  somebody waits for the head
    struct zb_load *load;
    zb_lane_gone_t *gone;
    size_t gones;
    size_t gones_room;
} zb_lane_t;

//  A message was shown that is due then.
void zb_lane_shown (zb_lane_t *self, uint64_t due, uint64_t id);
//  It is read from there on, or from further ahead.
void zb_lane_back (zb_lane_t *self, uint64_t due, uint64_t id);
//  It is taken out with this commit; NULL, or that it was.
void zb_lane_take (zb_lane_t *self, uint64_t id, uint64_t commit, bool inserted);
zb_lane_gone_t *zb_lane_taken (const zb_lane_t *self, uint64_t id);
//  The commits up to this one are released.
void zb_lane_tidy (zb_lane_t *self, uint64_t commit);
//  Its timer does not run, and no load is under way.
void zb_lane_clear (zb_lane_t *self);

#endif
