/*  =========================================================================
    replay - what the loser of a split sends to the winner, as bytes

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The request is for brokers only:

      ZB1 REPLAY id item mac      ->  OK n position [lineage]

    Items are numbered from 1 in the order of the loser's tables; the loser's newest
    epoch and the number are the item's identity.  The winner takes item n once, and
    only after n - 1.  Its number and the item's position go to the winner's disk in the
    commit that carries the item: so the loser can ask where to go on (BEGIN).
    Without an epoch that both remember (zb_lineage_meets) nothing is taken: 503.

      offset size
        0     8   the loser's newest epoch
        8     1   node that raised it
        9     1   kind
       10     2   size of the position p
       12     8   n; 0 for BEGIN
       20     p   position: stage u8, key of the row in the stage's table
       20+p   -   what the kind says:

      kind       stage      what follows
      BEGIN      -          the loser's lineage, as in lineage.h; also amid the replay, when there is nothing to send for long
      QUEUE      queues     lease u64, most messages u64, grace u64, when it was changed (rows.h), name; where there are
                            more options: 0 u8, these as in rows.h
      ROW        log        size of the name u8, name, size of the bits u32, bits, the row as in rows.h; its last id is
                            in the position.  One that is not due comes from the lane (core/queue/lane.h), as its key says, and
                            goes into the winner's
      PRODUCER   producers  size of the name u8, name, instance u64, last number u64, slots as in rows.h
      ACKS       acks       size of the name u8, name, ids as in an ACK's argument
      DELETE     acks       size of the name u8, name: there is no such queue any more
      TOPIC      queues     most bytes u64, when it was changed, name
      SUB        queues     lease u64, grace u64, birth u64, from u64, how it began u64 (topic.h), when it was changed, name; more options
                            as of a queue
      TOPIC_ROW  log        as ROW
      DONE       acks       birth u64, size of the name u8, name, ids as in an ACK's argument: done by the subscription
                 marks      the same: what this store has had below its low-water mark
      RIGHTS     end        who may do what, as in the row (rows.h); only if there are principals
      END        end        the loser's lineage

    Messages come before acknowledgements: whatever ends a replay in its middle, nothing is done whose successor is
    not there yet.  A row of a topic comes with none: what each subscription has done of it comes with the others.

    The mac is a message authentication code: a keyed hash of the item, with a key that only the pair's stores hold.
*/

#ifndef ZB_REPLAY_H_INCLUDED
#define ZB_REPLAY_H_INCLUDED

#include "core/base/lineage.h"
#include "core/base/spans.h"
#include "core/queue/rows.h"
#include "core/wire/token.h"

typedef enum {
    ZB_REPLAY_BEGIN,
    ZB_REPLAY_QUEUE,
    ZB_REPLAY_ACKS,
    ZB_REPLAY_ROW,
    ZB_REPLAY_PRODUCER,
    ZB_REPLAY_END,
    ZB_REPLAY_DELETE,
    ZB_REPLAY_RIGHTS,
    ZB_REPLAY_TOPIC,
    ZB_REPLAY_SUB,
    ZB_REPLAY_TOPIC_ROW,
    ZB_REPLAY_DONE,
    ZB_REPLAY_KINDS
} zb_replay_kind_t;

//  The stages, in their order.  The first release sent acknowledgements as stage 2: where it was interrupted there, the
//  next one is the log.
typedef enum {
    ZB_STAGE_QUEUES = 1,
    ZB_STAGE_LOG = 3,
    ZB_STAGE_PRODUCERS,
    ZB_STAGE_ACKS,
    ZB_STAGE_MARKS,
    ZB_STAGE_END
} zb_stage_t;

#define ZB_STAGE_OLD_ACKS 2

#define ZB_POSITION_MAX (1 + ZB_KEY_MAX)
#define ZB_ITEM_MAC_SIZE 32
#define ZB_ITEM_SUB 40                       //  bytes of the numbers of a subscription
#define ZB_ITEM_OPTIONS (24 + ZB_STAMP_SIZE) //  bytes of a queue's options

typedef struct {
    uint64_t epoch;
    unsigned node;
    zb_replay_kind_t kind;
    uint64_t n;
    zb_frame_t position;
    zb_frame_t rest; //  what the kind says, as bytes
    //  ROW, ACKS, PRODUCER, QUEUE, DELETE, TOPIC, SUB, TOPIC_ROW, DONE.
    zb_frame_t name;
    const zb_span_t *span; //  ACKS, DONE: joined
    size_t spans;
    uint64_t last; //  ROW: its last id
    bool laid;     //  it is not due, or was not yet asked for
    zb_frame_t bits;
    zb_frame_t row;
    zb_queue_row_t queue; //  QUEUE, TOPIC, SUB; DONE: the birth
    zb_producer_row_t producer;
    size_t slots;
    const uint8_t *slot; //  ZB_SLOT_SIZE bytes each
} zb_item_t;

//  Reads an item: frames point into the data, spans into `ids`.  Returns NULL, or what is wrong with it.
const char *zb_item_decode (zb_item_t *self, zb_spans_t *ids, zb_frame_t data);
//  Starts an item in a new row with room for `rest` more bytes.
zb_row_t *zb_item_new (uint64_t epoch, unsigned node, zb_replay_kind_t kind, uint64_t n, zb_frame_t position,
                       size_t rest);
//  Appends bytes, for which there is room.
void zb_item_add (zb_row_t *item, const void *data, size_t size);
void zb_item_add_name (zb_row_t *item, zb_frame_t name);
//  The message authentication code of an item: hex digits, no zero at the end.
void zb_item_mac (zb_frame_t item, const uint8_t secret[ZB_SECRET_SIZE], char text[ZB_ITEM_MAC_SIZE]);
bool zb_item_mac_holds (zb_frame_t item, const uint8_t secret[ZB_SECRET_SIZE], zb_frame_t mac);

#endif
