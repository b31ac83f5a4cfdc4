/*  =========================================================================
    topic - the rows and the options of topics and subscriptions

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Topics and subscriptions are rows of the table queues, as queues are, and have ids from the
    same counter.  A topic's is the key of its rows in the log; a subscription's that of its
    bitmaps.  All numbers are big endian; from level 3 on:

      offset size
        0     4   0: no queue's
        4     1   kind: 1 topic, 2 subscription
        5     4   id
        9    17   stamp: when it was made, or its options were changed (rows.h)
       26     8   topic: most bytes of its rows, 0 = the broker's default
                  subscription: lease in ms, 0 = the broker's default
       34     -   topic: more options, as in a queue's row (rows.h)
       34     8   subscription: grace in ms, 0 = the broker's default
       42     4   subscription: its topic's id
       46     8   subscription: birth, an id that no message has: given when it was made, or moved by a SEEK
       54     8   subscription: the id behind which it begins
       62     1   subscription: where it was asked to begin: 0 new, 1 first, 2 id, 3 time (core/wire/position.h)
       63     -   subscription: more options, as in a queue's row (rows.h), its filter among them
*/

#ifndef ZB_TOPIC_H_INCLUDED
#define ZB_TOPIC_H_INCLUDED

#include "core/queue/rows.h"

#define ZB_TOPIC_ROW_SIZE 34 //  of a topic without more options,
#define ZB_SUB_ROW_SIZE 63   //  and of a subscription,
#define ZB_TOPIC_ROW_MAX (ZB_SUB_ROW_SIZE + ZB_MORE_MAX)

//  Returns the row's size.
size_t zb_topic_row_encode (const zb_queue_row_t *self, uint8_t value[ZB_TOPIC_ROW_MAX]);
//  -1 if it is malformed.
int zb_topic_row_decode (zb_queue_row_t *self, const zb_row_t *row);

//  The parts of a subscription's name: its topic's, and (may be NULL) its own; false if it is no subscription's.
bool zb_topic_split (zb_frame_t name, zb_frame_t *topic, zb_frame_t *own);

//  Gives the row a filter: the first so many bytes of this text.  -1 if they are not there, or are none.
int zb_topic_filter (zb_queue_row_t *self, zb_frame_t text, size_t size);
//  The row's filter, which may be empty: it lies there.
zb_frame_t zb_topic_filter_of (const zb_queue_row_t *self);

//  Sets an option of the row's kind; returns NULL, or what is wrong, for a client.  Where a subscription begins, and
//  its filter, are told only to one that has no id yet.
const char *zb_topic_set (zb_queue_row_t *row, zb_frame_t name, zb_frame_t value);
//  What is wrong with its options together, for a client; NULL if nothing is.
const char *zb_topic_wrong (const zb_queue_row_t *row);
//  Whether two rows have the same options.
bool zb_topic_same (const zb_queue_row_t *one, const zb_queue_row_t *other);
//  Writes them as lines name=value with a newline behind each; returns the text's length.
size_t zb_topic_format (const zb_queue_row_t *row, const zb_limits_t *limits, char *text, size_t room);

#endif
