/*  =========================================================================
    replayer_self - the replayer's parts, for the files that make it up

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    replayer.c        its life, what it reads, what it sends, and the answers
    replayer_items.c  what of a row that was read the winner is to be sent

    Nobody else includes this header.
*/

#ifndef ZB_REPLAYER_SELF_H_INCLUDED
#define ZB_REPLAYER_SELF_H_INCLUDED

#include "core/base/ring.h"
#include "core/queue/lane.h"
#include "core/replay/replayer.h"

typedef struct {
    uint32_t id;
    zb_queue_row_t row;
    uint64_t mark;   //  messages up to here are gone
    zb_spans_t late; //  a subscription's: ids of the rows that have a bitmap.  Of the others before its mark all is done
    zb_frame_t name;
    uint8_t text[ZB_NAME_MAX];
} zb_known_queue_t;

//  An item that was made and is not answered yet.
typedef struct {
    zb_ring_t ring;
    uint64_t n;
    zb_row_t *data;
    uint32_t queue; //  ROW: its queue
    uint64_t messages, acks;
    bool sent;
} zb_made_t;

struct zb_replayer {
    uint8_t secret[ZB_SECRET_SIZE];
    zb_lineage_t ours, theirs;
    zb_epoch_t newest;
    const char *fault;

    //  The queues, once read: in the order of their names, and of their ids.
    bool known;
    zb_known_queue_t **named, **numbered;
    size_t queues;

    //  Where it stands.
    bool begun; //  BEGIN was answered
    zb_stage_t stage;
    size_t key_size;
    uint8_t key[ZB_KEY_MAX]; //  rows from here on are next
    size_t queue;            //  QUEUES: the next one by name; LOG: the one by id that is read,
    bool lanes;              //  behind the lanes of all
    zb_row_t *rights;        //  what the loser's store says of principals; NULL: there are none
    bool told;               //  that was said since BEGIN
    bool ended;              //  the stage's table is read to its end
    uint64_t n;              //  of the newest item made

    zb_ring_t made;
    size_t bytes;
    bool reading;
    bool came;    //  one has come back since BEGIN was made
    uint64_t tag; //  of the read that is under way
    size_t resume_size;
    uint8_t resume[ZB_POSITION_MAX]; //  where the winner says to go on
    zb_read_t *chunk;                //  what was read, and how far it is used
    size_t at, mark;
    bool whole;                      //  all bitmaps of subscriptions were seen since BEGIN
    size_t lates;                    //  so many
    uint32_t topic;                  //  MARKS: the newest one, and up to where its rows are gone
    uint64_t floor;
    zb_read_t *extra; //  the row of the log that an acknowledgement's bits belong to
    bool wants_extra;

    //  What the winner refused.
    bool refused;
    uint64_t refused_n; //  as this item
    size_t refused_size; //  its key in the table log
    uint8_t refused_key[ZB_LANE_KEY_SIZE];
    zb_aside_t aside;
    zb_spans_t ids;
    zb_frame_t refused_row;

    //  What was put aside of the newest such row.  Of the rows before it nothing is left to send once the winner has
    //  taken the items before the one that it refused.
    zb_spans_t skip; //  none: there is no such row
    uint32_t skip_queue;
    uint64_t skip_last; //  of the row
    bool skip_laid;     //  it is in a lane, with this key
    uint8_t skip_key[ZB_LANE_KEY_SIZE];
    uint64_t skip_n;    //  the item that was refused

    zb_replayer_stats_t stats;
};

//  replayer_items.c: each adds items to the ring `made`, or sets `fault`.
//  BEGIN and END.
void zb_replayer_make_lineage (zb_replayer_t *self, zb_replay_kind_t kind);
void zb_replayer_make_rights (zb_replayer_t *self);
void zb_replayer_make_queue (zb_replayer_t *self, const zb_known_queue_t *queue);
//  A row of the table acks; false if it has to be looked at again when more was read.
bool zb_replayer_make_acks (zb_replayer_t *self, const zb_found_t *found);
//  The key of the row of the log that a bitmap belongs to.
void zb_replayer_row_key (const zb_replayer_t *self, const zb_found_t *acks, uint8_t key[ZB_LOG_KEY_SIZE]);
//  A row of the table cursors.
void zb_replayer_make_mark (zb_replayer_t *self, const zb_found_t *found);
//  A row of a lane; of the log of the queue that is read.
void zb_replayer_make_laid (zb_replayer_t *self, const zb_found_t *found);
void zb_replayer_make_messages (zb_replayer_t *self, const zb_found_t *found);
//  The rows of one name: how many they are from `at` on, 0 if the chunk may not hold all; and its item.
size_t zb_replayer_name_rows (const zb_read_t *chunk, size_t at);
void zb_replayer_make_producer (zb_replayer_t *self, const zb_found_t *row, size_t rows);
//  The id up to which the winner has held everything that this store has.
uint64_t zb_replayer_common (const zb_replayer_t *self);

//  replayer.c: whether there is a queue of this name; the queue with this id, NULL if there is none.
bool zb_replayer_has (const zb_replayer_t *self, zb_frame_t name);
zb_known_queue_t *zb_replayer_queue (const zb_replayer_t *self, uint32_t id);

#endif
