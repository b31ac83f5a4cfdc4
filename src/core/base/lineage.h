/*  =========================================================================
    lineage - the epochs that a store has lived through

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    An epoch is one leadership.  Both sides of a split can raise the same number, so
    an epoch is known by its number and the node that raised it, never by its size
    alone.  The list is replicated with the data and rolls back with them; it is
    bounded: of more than ZB_LINEAGE_MAX leaderships the oldest are forgotten, and
    what is older than the oldest one kept counts as known.  That holds within a store's
    own history; of another store it may be said only if the two lists meet.

    So a list has to reach back to where two stores parted.  It grows while a broker is
    without its peer, and is cut to ZB_LINEAGE_KEPT when the peer has all that was
    answered: what is newer than that is all that the two will ever differ by.  In a store
    below ZB_LEVEL_LINEAGE, and in a shared one, there are never more of them.

    No epochs are told as a range, though one node raises many in a row: who leads alone again
    jumps over some numbers by chance (role_phase.c), so that between two of its epochs are numbers
    that a copy of its store may have raised, and each has a `run` of its own to be known by.

    After a split the winner absorbs the loser's epochs: it has not lived through them,
    or not to their end, but all that was answered in them has been replayed to it.  Epochs are in the order
    of their number, the backup's before the primary's: in a split the larger one wins,
    so that the newest of a store is always its own.

    A message id carries its epoch: number u24, 1 bit that is set for the primary's,
    the message's number in the epoch u39.  So no two messages of a pair have one id,
    and the winner's ids are above the loser's.

    A store that was set back to a copy of an earlier moment may raise an epoch again that it has raised
    before: two with one number and node, and ids that are used twice.  They are told apart by their
    `run`; of two such stores nothing can be replayed.

    Row "lineage" of the table meta, big endian, repeated, oldest first:
      offset size
        0     4   run: a random number of the process that raised it; 0 in stores of the first release
        4     1   1: heir, else 0
        5     3   epoch's number
        8     8   first commit of the epoch; 0 if it was absorbed
       16     8   newest message id of the store when the epoch was raised; 0 if it was absorbed
       24     1   node that raised it: 1 primary (or single), 2 backup
*/

#ifndef ZB_LINEAGE_H_INCLUDED
#define ZB_LINEAGE_H_INCLUDED

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZB_LINEAGE_MAX 1024
#define ZB_LINEAGE_KEPT 64 //  at least, of more that there were
#define ZB_EPOCH_SIZE 25

typedef struct {
    uint64_t number;
    uint64_t first; //  first commit; 0 = absorbed
    unsigned node;
    uint64_t before; //  newest message id of the store when it was raised
    uint32_t run;    //  of the process that raised it
    bool heir;       //  that one knew that it held all that had been answered in the epoch before: it was in sync with who
                     //  led then, or led itself
} zb_epoch_t;

//  A plain value: copy it, zero it for an empty one.  It is long, and mostly little of it is used: `size` 0 is an empty
//  one, too, and zb_lineage_copy copies no more than there is.
typedef struct {
    size_t size;
    zb_epoch_t epoch[ZB_LINEAGE_MAX]; //  oldest first
} zb_lineage_t;

//  A commit, named so that another store can tell whether it has it; epoch 0 = before there were any.
typedef struct {
    uint64_t epoch;
    uint64_t commit;
    unsigned node;
} zb_stamp_t;

//  Reads the row.  Returns 0, or -1 if it is malformed, or has a number of more than ZB_EPOCH_BITS; an empty row is an
//  empty lineage.
int zb_lineage_decode (zb_lineage_t *self, const void *data, size_t size);
void zb_lineage_copy (zb_lineage_t *self, const zb_lineage_t *from);
//  Writes the row, ZB_EPOCH_SIZE bytes of each epoch; returns its size.
size_t zb_lineage_encode (const zb_lineage_t *self, uint8_t *data);
//  The newest epoch; number 0 if there is none.
zb_epoch_t zb_lineage_newest (const zb_lineage_t *self);
//  Forgets the oldest, so that no more than `most` are kept, ZB_LINEAGE_KEPT at least.
void zb_lineage_cut (zb_lineage_t *self, size_t most);
//  Adds the next epoch and returns it; its `before`, `run` and `heir` are the caller's to set.
zb_epoch_t zb_lineage_raise (zb_lineage_t *self, unsigned node, uint64_t first);
//  The same for an epoch of this number, which is above the newest one's.
zb_epoch_t zb_lineage_raise_to (zb_lineage_t *self, uint64_t number, unsigned node, uint64_t first);
//  Whether the epoch is older than all that are kept.
bool zb_lineage_older (const zb_lineage_t *self, uint64_t number, unsigned node);
//  Whether the epoch is in the list (or older than all that are kept).
bool zb_lineage_has (const zb_lineage_t *self, uint64_t number, unsigned node);
//  Whether a store with this lineage whose newest commit is `newest` holds `commit` of that epoch.
bool zb_lineage_holds (const zb_lineage_t *self, uint64_t newest, uint64_t number, unsigned node, uint64_t commit);

//  All of an epoch has been replayed to this store: it holds what it may have lacked of it.
void zb_lineage_absorb (zb_lineage_t *self, uint64_t number, unsigned node, uint32_t run);
//  The same for all that a store with the other lineage may hold and this one lacks, its newest epoch in any case.
void zb_lineage_absorb_all (zb_lineage_t *self, const zb_lineage_t *other);
//  Whether the epoch was absorbed.  That it is listed proves less: a store that followed for a while, and was cut off,
//  holds a part of it.
bool zb_lineage_absorbed (const zb_lineage_t *self, uint64_t number, unsigned node);
//  Whether the list itself says so: false for what is older than the oldest one kept.
bool zb_lineage_lists (const zb_lineage_t *self, uint64_t number, unsigned node);

//  What a store may lose that is made equal to another one: `ours`, whose newest commit is `commit`, to that of a broker
//  with this lineage, whose newest is `newest`.
typedef enum {
    ZB_TAIL_LACKED,     //  something that may have been answered
    ZB_TAIL_UNANSWERED, //  commits that nobody was told of, if this store has not answered alone: who raised the next epoch
                        //  was in sync and did not have them
    ZB_TAIL_HELD        //  nothing
} zb_tail_t;
zb_tail_t zb_lineage_tail (const zb_lineage_t *self, uint64_t newest, const zb_lineage_t *ours, uint64_t commit);
//  Whether the other one lists an epoch that this one does not know.  As both may be ends of lists, one that lists nothing
//  says nothing.
bool zb_lineage_lacks (const zb_lineage_t *self, const zb_lineage_t *other);

//  Whether two stores that parted can still be compared: an epoch that both have lived through is in both lists, so
//  that what either has forgotten is older than where they parted, and common; or neither has forgotten any.
//  If not, "older than the oldest one kept" says nothing about the other store.  Nor can they if both have raised an epoch
//  of one number and node, as a store may that was set back.
bool zb_lineage_meets (const zb_lineage_t *self, const zb_lineage_t *other);

//  Message ids.  The id before the first of an epoch; the epoch of an id.
uint64_t zb_epoch_base (uint64_t number, unsigned node);
uint64_t zb_epoch_number (uint64_t id);
unsigned zb_epoch_node (uint64_t id);
//  The newest message id of an epoch that a store with this lineage has held at any time, at least; 0 if it has not
//  lived through any of it.
uint64_t zb_lineage_upto (const zb_lineage_t *self, uint64_t number, unsigned node);
//  The ids that a store with this lineage has held, in ranges: the next one, in their order; *index begins at 0.  False
//  if there is none left.
bool zb_lineage_range (const zb_lineage_t *self, size_t *index, uint64_t *first, uint64_t *last);
//  Whether a store with this lineage has held the message with this id, be it done by now or not.
bool zb_lineage_had (const zb_lineage_t *self, uint64_t id);

#endif
