/*  =========================================================================
    node - the node's own file: what is never replicated and never rolled back

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Local facts must not live in a replicated table: there they would be overwritten
    by the peer's, or rolled back.  The file is a record (io/store/record.h): it holds the
    old or the new text after a crash at any point.

      zbroker node 2
      level 2 0.2.0
      as backup
      complete 1
      suspect 0
      alone 7
      alone-from 7696581394433
      current 3
      filling 0
      check 0123456789abcdef

    Version 1 has no `level`, no `as` and no `filling`; its level is 1.  It is read, and
    written as version 2.  The first two lines stay as they are for ever: the second one
    names the highest level that the store may have, and the first version of zbroker that
    reads it.  Above what this program reads, nothing behind them is looked at, so that a
    later program may write something else there.  Thread: any, one at a time.
*/

#ifndef ZB_NODE_H_INCLUDED
#define ZB_NODE_H_INCLUDED

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/store/record.h"

//  What it says.  A damaged file stops the start with a clear error.
typedef struct {
    bool complete;            //  the current environment holds a whole store
    bool suspect;             //  an fsync failed here: a full resync mends it; a shared one is written again
    uint64_t alone;           //  the epoch in which this node answered OK without its peer; 0 = it has not
    uint64_t alone_from;      //  the first message id that the peer has not acked then
    uint64_t current;         //  number of the folder in use, DIR/env.N; 0 = none yet
    uint64_t filling;         //  number of the folder that a new store or a full resync is put into, to be deleted if that
                              //  did not end; 0 = none
    unsigned as;              //  whose the folder is: 1 the primary's, 2 the backup's; 0 = not said: of a broker without a
                              //  pair, a shared store, or one that was written before this was noted
    unsigned level;           //  the highest level (core/base/level.h) that the store may have; 0 = there is none yet
} zb_node_t;

#define ZB_FILLING_ANY UINT64_MAX //  `filling` of a file that was written before this was noted: each folder above `current`

typedef enum {
    ZB_NODE_FOUND,
    ZB_NODE_ABSENT,  //  no file yet: the node is new, all fields are 0
    ZB_NODE_DAMAGED, //  the file is not as it was written; the node is not touched
    ZB_NODE_BEYOND,  //  the store is of a level that this program does not read; likewise
    ZB_NODE_ERROR    //  it can't be read: errno
} zb_node_state_t;

//  Reads DIR/node.
zb_node_state_t zb_node_load (zb_node_t *self, const char *dir);
//  Of a node that is BEYOND: which version it takes, and that nothing was changed.  To be freed by the caller.
char *zb_node_beyond (const char *dir);
//  Replaces DIR/node; it is on the disk when this returns 0.  Returns -1 and errno on failure: then the old file
//  still stands, or whether the new one does is unknown (the fsync of the folder failed).
int zb_node_save (const zb_node_t *self, const char *dir);
//  The same in two steps: zb_record_commit is the second, after which it is on the disk (io/store/record.h).
zb_record_t *zb_node_prepare (const zb_node_t *self, const char *dir);
//  "primary", "backup"; "-" if it is not said.
const char *zb_node_name (unsigned as);

#endif
