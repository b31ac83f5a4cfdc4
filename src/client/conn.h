/*  =========================================================================
    conn - a client's way to the broker that serves it

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Finds the active broker, greets it with HELLO, carries the token and the
    instance from one broker to the other, notices silence, and moves.  It knows
    nothing of what is asked: requests go through it only while a broker has greeted,
    and belong to the connection (the generation) that they were sent on.  When that
    changes, what was not answered has to be sent again, and nothing from the old one
    comes any more.
*/

#ifndef ZB_CONN_H_INCLUDED
#define ZB_CONN_H_INCLUDED

#include <zmq.h>

#include "core/wire/protocol.h"
#include "patterns/pirate.h"

typedef struct zb_conn zb_conn_t;

//  What zb_conn_wait saw.
typedef enum {
    ZB_CONN_REPLY,       //  a reply to a request: see zb_conn_answer
    ZB_CONN_READY,       //  a broker serves us now
    ZB_CONN_NOTHING,     //  the time ran out
    ZB_CONN_INTERRUPTED, //  a signal's handler ran
    ZB_CONN_REJECTED     //  for good: see zb_conn_why
} zb_conn_event_t;

//  NULL if the list of endpoints is malformed.
zb_conn_t *zb_conn_new (const char *brokers);
void zb_conn_destroy (zb_conn_t **self_p);

//  A valid name, before the first zb_conn_wait.
void zb_conn_set_name (zb_conn_t *self, const char *name);
//  The keys of the sockets; see zb_client_tune.  Before the first zb_conn_wait.
void zb_conn_set_tune (zb_conn_t *self, pirate_tune_fn *tune, void *context);
void zb_conn_set_patience (zb_conn_t *self, int64_t patience);

//  Whether requests can be sent now.
bool zb_conn_ready (const zb_conn_t *self);
//  Whether the broker has ever been asked for anything.
bool zb_conn_started (const zb_conn_t *self);
//  Changes whenever what was sent before is given up.
uint64_t zb_conn_generation (const zb_conn_t *self);
//  "restored at commit N" if the brokers' store was made of a backup since this connection has known it; else "".
const char *zb_conn_restored (const zb_conn_t *self);
//  The last number that the broker told in its HELLO.
uint64_t zb_conn_last_number (const zb_conn_t *self);

//  Sends a request with these arguments, which stay the caller's.  Never blocks.  Returns false if that is not possible
//  now; the connection is then given up, unless it was not ready.
bool zb_conn_send (zb_conn_t *self, zb_verb_t verb, const char *id, zmq_msg_t *args, size_t count);

//  Finds and greets a broker, receives replies; returns at the first thing worth telling, or at `until` (zclock_mono).
//  What has been received comes before the end of time.  `waiting`: a reply is being waited for that may take so many ms,
//  because that was asked for; beyond that silence is a sign of trouble.  -1: none is.
zb_conn_event_t zb_conn_wait (zb_conn_t *self, int64_t until, int64_t waiting);

//  The reply of the last ZB_CONN_REPLY; valid until the next wait.
const zb_answer_t *zb_conn_answer (const zb_conn_t *self);
//  Hands over its frames, to which the answer points; the caller closes and frees them.
zmq_msg_t *zb_conn_take (zb_conn_t *self, size_t *count);

//  What replies and the lack of them tell about the broker.

//  401: it does not know us; greet it again.
void zb_conn_greet (zb_conn_t *self);
//  503, or numbers that do not fit: after a pause, greet it again.  `text` as for zb_conn_why; may be empty.
void zb_conn_pause (zb_conn_t *self, unsigned code, zb_frame_t text);
//  PASSIVE: go there (empty: wherever).
void zb_conn_passive (zb_conn_t *self, zb_frame_t endpoint);
//  A reply is overdue: give up the connection and look for another broker.
void zb_conn_leave (zb_conn_t *self, const char *reason);
//  409 fenced: nothing can be done under this name any more.
void zb_conn_reject (zb_conn_t *self, unsigned code, zb_frame_t text);

//  Why no broker serves us, or why we were rejected: an ERR code, or 0 if none was heard of; text for people, with the
//  last word of each broker.
unsigned zb_conn_why (const zb_conn_t *self, char *text, size_t size);

//  For zb_client_endpoint and its kin.
const pirate_t *zb_conn_pirate (const zb_conn_t *self);
//  The endpoint of the broker that greeted last; "" if none did.
const char *zb_conn_endpoint (const zb_conn_t *self);

#endif
