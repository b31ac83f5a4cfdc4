/*  =========================================================================
    protocol - the requests of ZB1, a row each

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A new request is a row here, its arguments in core/wire/request, and a handler where the
    row says.
*/

#ifndef ZB_PROTOCOL_H_INCLUDED
#define ZB_PROTOCOL_H_INCLUDED

#include "core/wire/wire.h"

typedef enum {
    ZB_HELLO,
    ZB_PUT,
    ZB_GET,
    ZB_ACK,
    ZB_NACK,
    ZB_EXTEND,
    ZB_REJECT,
    ZB_MOVE,
    ZB_QUEUE,
    ZB_TOPIC,
    ZB_SUB,
    ZB_SEEK,
    ZB_READ,
    ZB_LIST,
    ZB_PEEK,
    ZB_PURGE,
    ZB_DELETE,
    ZB_STATUS,
    ZB_EVENTS,
    ZB_CLIENTS,
    ZB_PING,
    ZB_SWITCHOVER,
    ZB_PROMOTE,
    ZB_UPGRADE,
    ZB_KEY,
    ZB_COPY, //  BACKUP: that word is a node's here
    ZB_REPLAY,
    ZB_VERBS
} zb_verb_t;

//  Who handles it.
typedef enum {
    ZB_BY_BROKER,   //  any broker, at once
    ZB_BY_OPERATOR, //  any broker, for who proves to know the pair's secret
    ZB_BY_VOTE,     //  the role decides who serves the client; then the engine
    ZB_BY_ENGINE    //  the engine of the active broker
} zb_by_t;

//  What a principal needs for it, on a listener with keys (core/rights/rights.h).
typedef enum {
    ZB_RIGHT_NONE,
    ZB_RIGHT_PUT,
    ZB_RIGHT_GET,
    ZB_RIGHT_MANAGE,
    ZB_RIGHT_LOOK,
    ZB_RIGHT_AS,
    ZB_RIGHT_OPERATE,
    ZB_RIGHT_REPLAY, //  of the pair's brokers alone
    ZB_RIGHTS
} zb_right_t;

typedef struct {
    const char *name;
    size_t least;     //  arguments after the id, at least
    size_t most;      //  and at most; the bodies of a PUT have limits of their own
    const char *form; //  as an error shows it
    zb_by_t by;
    bool stranger; //  it is taken from a client that has not said HELLO
    bool subs;     //  its first argument may be a subscription's name, TOPIC/SUB
    bool outlives; //  others would miss it: it is done also when its client's connection has ended meanwhile
    zb_right_t right;
} zb_protocol_t;

//  Not for ZB_VERBS.
const zb_protocol_t *zb_protocol (zb_verb_t verb);
//  ZB_VERBS where the name is unknown.
zb_verb_t zb_verb_find (zb_frame_t name);
//  The verb's name as on the wire, "?" for ZB_VERBS.
const char *zb_verb_name (zb_verb_t verb);

#endif
