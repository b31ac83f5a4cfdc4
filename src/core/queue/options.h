/*  ==================================================================
    options - the options of a queue, a row each

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    QUEUE reads them and LIST shows them by the table in options.c.  A new option is a
    row there and a field of zb_queue_row_t, in rows.h and in replay.h.
*/

#ifndef ZB_OPTIONS_H_INCLUDED
#define ZB_OPTIONS_H_INCLUDED

#include "core/queue/rows.h"

//  Sets the option of this name; returns NULL, or what is wrong, for a client.  The text lives as long as `why`.
#define ZB_OPTION_WHY 200
const char *zb_options_set (zb_queue_row_t *row, zb_frame_t name, zb_frame_t value, char why[ZB_OPTION_WHY]);
//  The level (core/base/level.h) that these options take: those that are not the default.
unsigned zb_options_level (const zb_queue_row_t *row);
//  Whether two rows have the same options.
bool zb_options_same (const zb_queue_row_t *one, const zb_queue_row_t *other);
//  Writes them as lines name=value with a newline behind each, the broker's defaults where they have none; `late`: those
//  that came after the first release, which LIST shows last.  Returns the text's length; it ends with a zero.
size_t zb_options_format (const zb_queue_row_t *row, const zb_limits_t *limits, bool late, char *text, size_t room);

//  How long a message rests that was tried without success, of queues and of subscriptions: MS, or MS..MS.  It is among the
//  late ones, and shown only where it is set.
#define ZB_OPTION_RETRY "retry-delay"
#define ZB_OPTION_RETRY_TEXT (sizeof ZB_OPTION_RETRY + 24)
const char *zb_options_set_retry (zb_queue_row_t *row, zb_frame_t value);
size_t zb_options_format_retry (const zb_queue_row_t *row, char *text, size_t room);

//  How often a message is tried without success before it goes to the dead letters, of queues and of subscriptions, 0 for no
//  limit.  It is among the late ones, and shown only where it is set.
#define ZB_OPTION_TRIES "max-deliveries"
#define ZB_OPTION_TRIES_TEXT (sizeof ZB_OPTION_TRIES + 24)
const char *zb_options_set_tries (zb_queue_row_t *row, zb_frame_t value);
size_t zb_options_format_tries (const zb_queue_row_t *row, char *text, size_t room);

//  ms after which it is deleted if nobody has used it, of queues and of subscriptions, 0 for never.  It is among the late
//  ones, and shown only where it is set.
#define ZB_OPTION_UNUSED "unused"
#define ZB_OPTION_UNUSED_TEXT (sizeof ZB_OPTION_UNUSED + 24)
const char *zb_options_set_unused (zb_queue_row_t *row, zb_frame_t value);
size_t zb_options_format_unused (const zb_queue_row_t *row, char *text, size_t room);

//  What is wrong with the row of a queue or subscription of this name, for a client; NULL if nothing is.
const char *zb_options_wrong (const zb_queue_row_t *row, zb_frame_t name);

//  For how many ms the message-ids of PUTs are remembered, 0 for not at all.  It is among the late ones, and shown only where
//  it is set.
#define ZB_OPTION_DEDUPE "dedupe"
//  To whom messages go, of queues and of subscriptions: shared, or exclusive.  It is among the late ones, and shown only where
//  it is not the default.
#define ZB_OPTION_MODE "mode"
#define ZB_OPTION_MODE_TEXT (sizeof ZB_OPTION_MODE + sizeof "exclusive" + 1)
const char *zb_options_set_mode (zb_queue_row_t *row, zb_frame_t value);
size_t zb_options_format_mode (const zb_queue_row_t *row, char *text, size_t room);

//  What a PUT gets that is beyond a limit of the queue: reject, or drop-oldest.  It is among the late ones, and shown only
//  where it is not the default, as is what counts in its max-bytes.
#define ZB_OPTION_FULL "full"

//  How many priorities a queue has, 0 for none: fixed while there are messages.  It is among the late ones, and shown only
//  where it is set.
#define ZB_OPTION_PRIORITIES "priorities"
#define ZB_OPTION_PRIORITIES_TEXT (sizeof ZB_OPTION_PRIORITIES + 4)

//  The one that is a name, of queues and of subscriptions: where dead letters go, empty for the default.  It is among the
//  late ones, and shown only where it is set.
#define ZB_OPTION_DEAD "dead-letter"
#define ZB_OPTION_DEAD_TEXT (sizeof ZB_OPTION_DEAD + ZB_NAME_MAX + 1) //  bytes of its line, at most
const char *zb_options_set_dead (zb_queue_row_t *row, zb_frame_t value);
size_t zb_options_format_dead (const zb_queue_row_t *row, char *text, size_t room);

#endif
