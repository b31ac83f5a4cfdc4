/*  =========================================================================
    replayer - the loser of a split reads what the winner lacks, item by item

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A plain value: finished reads and answers go in, reads and items come out.  The store
    that it reads changes no more (it has diverged), so the same reads bring the same
    items whenever they are made: after any interruption BEGIN tells where to go on.

    queues that exist here, rows of messages that the winner has not held, numbers of
    producers, acknowledgements of messages that it has; then END.  An item leaves as soon as
    there is room in the window, END only when all before it were answered.

    What the winner can't take is put aside: the caller makes it durable, says so, and the
    row is sent again without it.
*/

#ifndef ZB_REPLAYER_H_INCLUDED
#define ZB_REPLAYER_H_INCLUDED

#include "core/replay/replay.h"

typedef struct zb_replayer zb_replayer_t;

//  `lineage` is the store's; its newest epoch names the loser.
zb_replayer_t *zb_replayer_new (const uint8_t secret[ZB_SECRET_SIZE], const zb_lineage_t *lineage);
//  What the loser's store says of principals (copied): it is said last, before the end.
void zb_replayer_rights (zb_replayer_t *self, zb_frame_t rights);
void zb_replayer_destroy (zb_replayer_t **self_p);

//  A connection to the winner begins: what was sent before counts for nothing, BEGIN comes next.
void zb_replayer_restart (zb_replayer_t *self);
//  Nothing is on its way, and of what is read nothing comes: the winner is to hear that this one works, if its store does.
void zb_replayer_still (zb_replayer_t *self);
//  The next read for the store, NULL if none; one at a time, its result goes to zb_replayer_found.
zb_read_t *zb_replayer_read (zb_replayer_t *self, int purpose);
//  Takes ownership.
void zb_replayer_found (zb_replayer_t *self, zb_read_t **read_p);
//  The next item to send with its mac, NULL if none now; borrowed until the next call.
const zb_row_t *zb_replayer_item (zb_replayer_t *self, uint64_t *n, char mac[ZB_ITEM_MAC_SIZE]);

typedef enum {
    ZB_REPLAYER_ON,    //  go on
    ZB_REPLAYER_LATER, //  not now: begin again in a while
    ZB_REPLAYER_ASIDE, //  zb_replayer_aside says what is to be put aside; then zb_replayer_put_aside, and begin again
    ZB_REPLAYER_DONE   //  the winner has everything on its disk
} zb_replayer_next_t;

//  The answer to item n.
zb_replayer_next_t zb_replayer_answer (zb_replayer_t *self, uint64_t n, const zb_answer_t *answer);

//  What is to be put aside: messages of one row.
typedef struct {
    zb_frame_t queue;
    uint32_t queue_id;
    uint64_t last; //  of the row
    zb_frame_t row; //  as in rows.h
    char word[16];  //  why: conflict, absent
    const zb_span_t *span; //  joined
    size_t spans;
} zb_aside_t;

bool zb_replayer_aside (const zb_replayer_t *self, zb_aside_t *aside);
//  These messages are on the disk; it begins again.
void zb_replayer_put_aside (zb_replayer_t *self, uint64_t messages);

typedef struct {
    const char *stage; //  a word
    uint64_t items, messages, acks, aside;
    char waits[256]; //  what the winner said when it did not take the newest item; empty if it took it
} zb_replayer_stats_t;

void zb_replayer_stats (const zb_replayer_t *self, zb_replayer_stats_t *stats);
//  NULL, or what is wrong with the store.
const char *zb_replayer_fault (const zb_replayer_t *self);

#endif
