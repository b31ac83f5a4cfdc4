/*  =========================================================================
    salvage - messages that could not be replayed, in files

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    DIR/salvage/EPOCH.NODE-QUEUE-LAST.zb1: what of one row of the log the winner of a split
    could not take.  The name follows from the row, so that a replay that begins again finds
    what it has put aside before, and adds what is new behind it; also behind what an operator
    has replayed meanwhile (.replayed).  The file is on the disk before the row goes on without it.

    A line "zbroker salvage 1", then for each PUT a size (u32, big endian) and as many
    bytes: the PUT as it is on the wire, as zmsg_encode makes it of its frames:

      why, producer, number, ids, ""   the envelope: conflict or absent; the producer's
                                       name and the PUT's number, empty without one; message
                                       ids as in an ACK
      "ZB1", "PUT", "1", queue, properties, body...
*/

#ifndef ZB_SALVAGE_H_INCLUDED
#define ZB_SALVAGE_H_INCLUDED

#include <czmq.h>

#include "core/replay/replayer.h"

//  Writes the messages that are to be put aside, but those that were before; returns how many they are together, -1 and
//  errno if that is impossible.
int64_t zb_salvage_write (const char *dir, zb_epoch_t loser, const zb_aside_t *aside);
//  Reads a file: a list of zmsg_t, to be destroyed by the caller.  NULL if it can't be read (errno), or is damaged
//  (EINVAL).
zlistx_t *zb_salvage_read (const char *path);
//  The folder's files, oldest split first: a list of paths, to be destroyed by the caller; empty if there is none.
zlistx_t *zb_salvage_files (const char *dir);

#endif
