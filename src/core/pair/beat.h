/*  =========================================================================
    beat - what a broker tells its peer in each heartbeat

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    State only, never data: PUB/SUB may drop it, the next one says it again.

    Programs of different versions hear each other, so this stays as it is for ever, each
    version and flag included.  What a later program has to say is appended: to what is
    said of levels, or at the end.  Whoever does not know it takes the heartbeat without it.

      offset size
        0     1   version, 3
        1     1   node: 1 primary, 2 backup
        2     1   state of the Binary Star machine, as in bstar_fsm.h
        3     1   flags: 1 settled, 2 fresh, 4 complete, 8 suspect, 16 serving, 32 in sync, 64 shared, 128 yields
        4    16   the pair's id, zeros if the store has none
       20     8   newest commit of the store
       28     8   alone: the first epoch in which this node answered without its peer, 0 = none
       36     1   number of epochs that follow, newest of the lineage, oldest first
       37     4   ms since the core's last turn, when the heartbeat left
       41     4   ms since the store did what it should, a sync to disk last
       45    25   an epoch as in lineage.h, as many as there are

        -     2   bytes of what follows, at least 40
        -    40   levels and versions, as level.h says
        -     8   the pair's time, ms since 1970 (core/base/pairtime.h); 0 = not known.  Programs of level 2 do not say it,
        -     8   nor ms since 1970 as this machine's clock says
        -     4   ms without a heartbeat until the sender takes who hears this for gone (core/pair/patience.h).  Older
        -     4   programs do not say it, nor a number that is another one after each start and stop of the sender
        -     -   what a later program says of them

        -     2   bytes of the settings that follow, lines as zb_config_tell writes them
        -     -   what a later program says of anything else
*/

#ifndef ZB_BEAT_H_INCLUDED
#define ZB_BEAT_H_INCLUDED

#include "core/base/level.h"
#include "core/base/lineage.h"
#include "patterns/bstar_fsm.h"

#define ZB_PAIR_SIZE 16
#define ZB_BEAT_EPOCHS 8
#define ZB_BEAT_CLOCKS 16 //  bytes of the pair's time and the machine's clock
#define ZB_BEAT_LIMITS 8  //  bytes of the limit of silence and the number behind it
#define ZB_BEAT_MAX (45 + ZB_BEAT_EPOCHS * ZB_EPOCH_SIZE + 2 + ZB_LEVEL_SIZE + ZB_BEAT_CLOCKS + ZB_BEAT_LIMITS)

typedef struct {
    unsigned node;
    bstar_state_t state;
    bool settled;  //  lineage and commit are what the store holds now, not what it held before the last sync
    bool fresh;    //  the store has never held anything
    bool complete; //  the store is whole
    bool suspect;  //  an fsync failed here
    bool serving;  //  active, and clients are answered
    bool in_step;  //  granted by the active one, and still so
    bool shared;   //  the store is the one that both brokers use
    bool yields;   //  has drained and handed the role over: all that it answered is on both disks
    uint8_t pair[ZB_PAIR_SIZE];
    uint64_t commit;
    uint64_t alone;
    uint32_t core_age, disk_age; //  ms; see zb_beat_age
    zb_lineage_t tail;           //  the newest epochs, at most ZB_BEAT_EPOCHS
    zb_level_t level;
    uint64_t time; //  of the pair; as who leads says, or was heard to say last
    uint64_t wall; //  ms since 1970; 0 = not told
    uint32_t patience; //  ms, its limit of silence; 0 = not told
    uint32_t life; //  changes when its process starts, or was stopped for so long that it may have been taken for gone
} zb_beat_t;

//  Writes the payload; returns its size.  Of a longer tail only the newest epochs are written.
size_t zb_beat_encode (const zb_beat_t *self, uint8_t data[ZB_BEAT_MAX]);
//  Writes the ages into a payload: they are known when it is sent, by another thread than fills in the rest.
void zb_beat_age (uint8_t *data, int64_t core, int64_t disk);
//  Where it ends in a frame that decodes well: the settings follow.
size_t zb_beat_size (const void *data);
//  Returns 0; -1 if it is malformed, or has an epoch of more than ZB_EPOCH_BITS.
int zb_beat_decode (zb_beat_t *self, const void *data, size_t size);

//  Which of two nodes should lead when both wait or both lead: > 0 the first, < 0 the second, 0 neither may.
//  Antisymmetric, so that both come to the same answer.  In this order:
//    nodes of different pairs, or a node that is not settled: neither;
//    a node that can't lead (not complete, or suspect; a fresh one counts as complete beside a fresh one): the other,
//    but neither if the one that can't has answered alone what the other lacks: only an operator may give that up;
//    a node whose `alone` epoch the other lacks; if both have one, the larger epoch number, tie: the primary;
//    a node that knows all epochs of the other, which does not know all of its: the other was set back to an older copy;
//    a node that has `alone` set and raised the newest of its epochs: it may lead by itself, so it must not follow;
//    the larger epoch number, then (while neither is active) the larger commit, tie: the primary.
int zb_beat_rank (const zb_beat_t *one, const zb_beat_t *other);
//  Whether the first has answered alone in an epoch that the other has never seen.
bool zb_beat_ahead (const zb_beat_t *one, const zb_beat_t *other);
//  Whether this node has answered alone, and no other has led since.
bool zb_beat_last (const zb_beat_t *self);
//  Whether the two stores can belong to one pair: of the same kind, and equal ids, or one has none yet.
bool zb_beat_same_ids (const zb_beat_t *one, const zb_beat_t *other);
//  Whether they do: and their levels fit, so that each program reads the other's store.
bool zb_beat_same_pair (const zb_beat_t *one, const zb_beat_t *other);

#endif
