/*  =========================================================================
    messages - what a get or a list brought

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    zbroker.h documents what programs do with them; this is how they are made.
*/

#ifndef ZB_MESSAGES_H_INCLUDED
#define ZB_MESSAGES_H_INCLUDED

#include <zmq.h>

#include "core/wire/wire.h"
#include "zbroker.h"

//  From a MSG that zb_wire_parse_reply accepted.  Takes the frames that it points into, and their array.
zb_messages_t *zb_messages_new (const zb_answer_t *answer, zmq_msg_t *frame, size_t frames);

//  An empty list.
zb_queues_t *zb_queues_new (void);
//  Adds what the OK of a LIST tells; copies.  A page has one more argument behind its pairs.  -1 if that is not so.
//  Without `all` what is no queue is left out.
int zb_queues_add (zb_queues_t *self, const zb_answer_t *answer, bool page, bool all);

#endif
