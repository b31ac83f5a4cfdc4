/*  =========================================================================
    sides - two brokers' engines after a split, and what the loser replays

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Each with a store of its own: the primary wins, the backup loses.  Both have the same past, since the same was said
    to both.  A test opens the two, says to each what clients say to it, replays, and looks what the winner delivers.
*/

#ifndef SIDES_H_INCLUDED
#define SIDES_H_INCLUDED

#include "core/replay/replayer.h"
#include "rig.h"

typedef struct {
    rig_t *rig;
    unsigned node;
    zb_lineage_t lineage;
} side_t;

extern side_t sides_winner;
extern side_t sides_loser;

//  The pair's, by which the winner knows the loser.
extern const uint8_t sides_secret[ZB_SECRET_SIZE];
//  Of the loser's store, by replayers.
extern unsigned sides_reads;

//  Both sides in epoch 1 of the primary, with a past of four messages of q: 1:1 to 1:4, of which 1:3 and 1:4 share no row.
void sides_open_past (void);
//  The same, and both lead alone from there.
void sides_open (void);
//  The same past; then the primary goes on in its epoch, and the backup, which has followed it so far, leads by an
//  operator's word: so the winner has lived through a part of the loser's newest epoch.
void sides_open_promoted (void);
//  Ends both, also a rig whose engine was replaced.
void sides_close (void);

//  Leads from its store in the epoch of this number, alone; or in the next one.
void sides_lead_in (side_t *self, uint64_t number);
void sides_lead (side_t *self);
//  A client says it: frames with a bar between.
void sides_say (side_t *self, const char *client, const char *line);
//  The winner of before has lost, since the other one has led again.
void sides_swap (void);

//  Sends items of this replayer, which was told to restart, as the next one does.
zb_replayer_next_t sides_carry (zb_replayer_t *replayer, uint64_t most, char aside[64]);
//  Sends what the loser has, at most `most` items, or until one is not answered; returns what the replayer said last.  Words of
//  what was put aside go to `aside`.
zb_replayer_next_t sides_replay_some (uint64_t most, char aside[64], zb_replayer_stats_t *stats);
//  Sends items until the winner has taken so many messages; END is not among them.
void sides_replay_messages (uint64_t messages);
//  Sends all, and expects these words of what was put aside; then the winner's lineage knows what was absorbed.
void sides_replay (const char *aside);
void sides_absorb (void);

//  What the winner delivers of a queue now, all of it: bodies with commas between, or NULL: there is no such queue; or of q.
void sides_expect_of (const char *queue, const char *bodies);
void sides_expect (const char *bodies);

#endif
