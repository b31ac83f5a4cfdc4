/*  =========================================================================
    rank - which messages of a queue go first

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A queue with the option `priorities` has ranks: 0, and each higher one goes before it.  Its log is as any other, in the
    order of ids, and all that is said of ids, rows, bitmaps and marks holds of it.  Beside it lies an index, so that what
    is of a higher rank is found however much lies before it:

      log        as ever, but a row is of one rank: it ends where a message of another one follows
      index      of each row above rank 0 one entry, by (queue, rank, last id of the row), in the commit that writes the row;
                 it is erased in the commit that erases the row
      memory     the cursor's window, as ever, and rows ahead of it that the index has named: for each rank the cursor
                 knows up to which id all of that rank is in memory or done (core/queue/cursor.h)
      GET        the highest rank of which something is ready; where the index may name more of a higher one than
                 memory has, that is read before anything lower is given (core/engine/ranking.c)
      ACK        of one id finds its row in the window, ahead of it, or in the log by its id.  Ranges are refused: what is
                 delivered is not in the order of ids
      PURGE,     free the index as they free the log, by the tombstone
      DELETE
      replay     brings rows of the log; the winner writes its own index, and cuts rows where ranks change
      restart,   nothing is known of the index: it is read when the first GET comes
      takeover
      due        what is taken out of the lane is inserted into the log, and named in the index then.  It has its place
                 among the others from there on

    The option is fixed while there are messages, so that the rank of a row is the same for as long as the row is there.
*/

#ifndef ZB_RANK_H_INCLUDED
#define ZB_RANK_H_INCLUDED

#include "core/base/batch.h"
#include "core/wire/wire.h"

#define ZB_RANKS_LEAST 2
#define ZB_RANKS_MOST 10
#define ZB_PRIORITY_MOST 9

//  Reads the property `priority` of these lines: in a queue with so many ranks those beyond the highest count as the
//  highest; without it the rank is 0.  Returns NULL, or what is wrong, for a client; the rank is 0 then.
const char *zb_rank_read (zb_frame_t properties, unsigned ranks, unsigned *rank);
//  Whether there is such a property.
bool zb_rank_told (zb_frame_t properties);
//  The rank of what is stored: 0, too, where the property makes no sense.
unsigned zb_rank_of (zb_frame_t properties, unsigned ranks);

//  Entries of the index, in the table log: u32 0, u8 3, queue id u32, u8 rank, last id of the row u64 -> bytes of the row u32.
#define ZB_RANK_KEY_SIZE 18
#define ZB_RANK_PREFIX 10 //  bytes that all keys of a rank have in common,
#define ZB_RANKS_PREFIX 9 //  and all of a queue

void zb_rank_key (uint32_t queue, unsigned rank, uint64_t last, uint8_t key[ZB_RANK_KEY_SIZE]);
//  What a read of a queue's index has found; -1 if it is malformed.
int zb_rank_decode (const zb_found_t *found, uint32_t queue, unsigned *rank, uint64_t *last, uint32_t *bytes);
void zb_rank_put (zb_batch_t *batch, uint32_t queue, unsigned rank, uint64_t last, uint32_t bytes);
void zb_rank_erase (zb_batch_t *batch, uint32_t queue, unsigned rank, uint64_t last);

#endif
