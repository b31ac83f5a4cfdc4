/*  =========================================================================
    events - what happened to this broker, its pair and its clients lately

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A ring of the newest ones in memory, for EVENTS (include/PROTOCOL.md).  Each has a kind that
    does not change, a text for people, and where they are known a principal and an address.

    An id is EPOCH.N.  N rises from event to event, and from one start of the broker to the next: it
    is the time in ms since 1970, or one more than the last.  Only where the machine's clock was set
    back between two starts an older one may be larger.

    What anybody can provoke has two bounds: so many of a kind in ten seconds, the next one tells how
    many were left out; and half of the ring, so that it never pushes out what the pair has done.

    Thread: one only.
*/

#ifndef ZB_EVENTS_H_INCLUDED
#define ZB_EVENTS_H_INCLUDED

#include <stdint.h>

#include "core/base/limits.h"

typedef enum {
    ZB_EVENT_ROLE,     //  the role, or why this broker has it
    ZB_EVENT_TAKEOVER, //  it begins to lead
    ZB_EVENT_ALONE,    //  clients are answered alone from now on, or no more
    ZB_EVENT_SPLIT,    //  both have answered clients, and what is done about it
    ZB_EVENT_RESYNC,   //  this store is brought level with the other one
    ZB_EVENT_STORE,    //  its level, or that the disk is full
    ZB_EVENT_BACKUP,
    ZB_EVENT_OPERATOR,  //  an operator's request
    ZB_EVENT_REFUSED,   //  provoked: a request without the right, or with a wrong proof
    ZB_EVENT_HANDSHAKE, //  provoked: a key that is not known
    ZB_EVENT_CROWDED,   //  provoked: a connection beyond a limit
    ZB_EVENT_FENCED,    //  provoked: a newer process has taken a client's name
    ZB_EVENT_KINDS
} zb_event_kind_t;

typedef struct zb_events zb_events_t;

//  Begins at this time, ms since 1970.
zb_events_t *zb_events_new (int64_t wall);
void zb_events_destroy (zb_events_t **self_p);
//  The newest leadership that is known, ms since 1970, and monotonic ms; to be told once a turn.
void zb_events_time (zb_events_t *self, uint64_t epoch, int64_t wall, int64_t now);
//  Something has happened.  Who is NULL where nobody is known, and the address, IPv4 in the byte order of this machine,
//  0; all is copied, of the text at most ZB_EVENT_TEXT bytes.
void zb_events_add (zb_events_t *self, zb_event_kind_t kind, const char *who, uint32_t from, const char *text);
//  The answer to EVENTS: without `after` (0) the newest `max`, else the oldest of those behind this N.  To be freed by the
//  caller.
char *zb_events_json (const zb_events_t *self, const char *node, uint64_t after, uint64_t max);

#endif
