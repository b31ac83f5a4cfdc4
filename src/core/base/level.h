/*  =========================================================================
    level - what a store may hold: which rows, verbs and options

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A store has a level, and a program reads the levels from ZB_LEVEL_LEAST to
    ZB_LEVEL_MOST.  What is new in a level is written, and taken from clients, only in a
    store of that level.  So while a pair is updated, one machine after the other, each
    of the two can take over from the other, and the older program can be brought back.

      level  read since  what is new in it
        1      0.1.0     what the first release writes.  Longer rows that came before there were levels
                         (rows.h says which) are of it, too: no program of 0.1.0 opens a folder in which
                         they can be, it does not know that folder's file `node`
        2      0.2.0     a queue's option `grace`; principals and their rights; time, number and bytes
                         in the head of a row of the log
        3      0.2.0     a PUT's property `acks`; the delay of a NACK; the row `time` of the table meta; topics and
                         subscriptions; limits of principals; dead letters, MOVE, retry delays; a queue's option and a PUT's
                         property `expires`
        4      0.2.0     messages with a delay: a queue's option `delay`, a PUT's properties `delay` and `due`; their rows, and
                         when they are due in the heads of rows of the log; a queue's options `max-bytes` and `full`, and the bytes
                          in its row of the table cursors; `max-deliveries`, `mode` and `unused` of queues and subscriptions; a
                          queue's option `priorities`, a PUT's property `priority`, and the index of what goes first; a
                          queue's option `dedupe`, and a PUT's property `message-id`, with their rows; rows of the log whose
                          messages lie in Berkeley DB's log alone (io/store/brief.h)

    The level is the row `format` of the table meta, so it is replicated, and rises in a
    commit: when an operator says so (`zbroker upgrade --finish`), the two are in sync, and
    both read it.  A new store is made at the highest level that both read; one of the first
    release is of level 1.  A level never falls.

    Before a level is in a store, the file `node` of each node names it (io/store/node.h).  So a
    program that reads less finds out before it opens anything; it names the version that it
    takes, and touches nothing.

    A row that is longer than its form at this level is read without its end, and that is
    lost when the row is written again: a later program of the same level may add what may
    be ignored and lost.  So it is with a number among a queue's more options (core/queue/rows.h) that a program does
    not know: it does not act on it, and drops it when the options are changed.  What may not be lost comes with a level, and a
    store of a level that is not read here is not opened at all.
*/

#ifndef ZB_LEVEL_H_INCLUDED
#define ZB_LEVEL_H_INCLUDED

#include "core/base/batch.h"

#define ZB_LEVEL_LEAST 1
#define ZB_LEVEL_MOST 4
#define ZB_LEVEL_GRACE 2 //  since when there is what the name says
#define ZB_LEVEL_RIGHTS 2
#define ZB_LEVEL_ROW_HEAD 2
#define ZB_LEVEL_LIMITS 3
#define ZB_LEVEL_PUT_ACKS 3
#define ZB_LEVEL_TIME 3
#define ZB_LEVEL_NACK_DELAY 3
#define ZB_LEVEL_TOPICS 3
#define ZB_LEVEL_EXPIRES 3
#define ZB_LEVEL_DEAD 3
#define ZB_LEVEL_RETRY 3
#define ZB_LEVEL_BYTES 4
#define ZB_LEVEL_FULL 4
#define ZB_LEVEL_TRIES 4
#define ZB_LEVEL_DELAY 4
#define ZB_LEVEL_PRIORITIES 4
#define ZB_LEVEL_UNUSED 4
#define ZB_LEVEL_DEDUPE 4
#define ZB_LEVEL_MODE 4
#define ZB_LEVEL_BRIEF 4

#define ZB_VERSION_ROOM 16  //  bytes of a version's text, its zero included
#define ZB_LEVEL_ROW_MAX 20 //  of the row `format`: u32 level, then from level 2 on the version that it takes
#define ZB_LEVEL_SIZE 40    //  of what a heartbeat says
#define ZB_LEVEL_TEXT 320   //  of a sentence, its zero included

//  What a node says of levels.  Zeros: nothing is known, which fits with everything.
typedef struct {
    unsigned least, most;          //  the levels that its program reads
    unsigned store;                //  the level of its store; 0 = there is none yet
    unsigned noted;                //  what its file `node` names
    char version[ZB_VERSION_ROOM]; //  its program's,
    char needs[ZB_VERSION_ROOM];   //  and the first that reads its store
} zb_level_t;

//  This program's, without a store.
zb_level_t zb_level_program (void);
//  The first version that reads this level; "?" if it is not read here.
const char *zb_level_version (unsigned level);
//  Copies a version's text that others have written: what does not look like one is left out.
void zb_level_version_copy (char version[ZB_VERSION_ROOM], const void *text, size_t size);

//  The row `format`.  Returns its size.
size_t zb_level_row_encode (unsigned level, uint8_t row[ZB_LEVEL_ROW_MAX]);
//  Sets `store` and `needs` from it; -1 if it is malformed.
int zb_level_row_decode (zb_level_t *self, const void *row, size_t size);
//  The same from among all rows of the table meta; `store` is 0 if it is not there.
int zb_level_find (zb_level_t *self, const zb_found_t *rows, size_t count);
//  As offset and size in a heartbeat: least, most, store, noted u16 each, version and needs 16 bytes each, zeros behind.
void zb_level_encode (const zb_level_t *self, uint8_t data[ZB_LEVEL_SIZE]);
void zb_level_decode (zb_level_t *self, const uint8_t data[ZB_LEVEL_SIZE]);

//  Whether this program reads that level.
bool zb_level_reads (const zb_level_t *self, unsigned level);
//  Whether the two can be a pair: each reads the other's store, and there is a level that both read.
bool zb_level_fits (const zb_level_t *own, const zb_level_t *peer);
//  Why they can't, and what to do.
void zb_level_misfit (const zb_level_t *own, const zb_level_t *peer, char text[ZB_LEVEL_TEXT]);
//  The highest level that both read; what one of them is not known to read does not count.
unsigned zb_level_common (const zb_level_t *own, const zb_level_t *peer);
//  A store that this program does not read: which version it takes.
void zb_level_beyond (const zb_level_t *store, char text[ZB_LEVEL_TEXT]);

//  What each new verb and option asks: may a store of this level have what is new in level `needs`?  Returns NULL, or
//  the text of the ERR 503 in its place.
const char *zb_level_lacks (unsigned level, unsigned needs, char text[ZB_LEVEL_TEXT]);

#endif
