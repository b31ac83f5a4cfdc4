/*  =========================================================================
    request - what a client asks, parsed once from the frames of ZB1

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The broker's side of include/PROTOCOL.md: from here on a request is a value.
*/

#ifndef ZB_REQUEST_H_INCLUDED
#define ZB_REQUEST_H_INCLUDED

#include "core/base/spans.h"
#include "core/wire/position.h"
#include "core/wire/protocol.h"

//  Where a reply goes.
typedef struct {
    zb_frame_t routing;         //  the client's connection; the caller of zb_request_parse knows it
    const zb_frame_t *envelope; //  leading frames that are returned as they came
    size_t envelopes;
    zb_frame_t id; //  the request's: any bytes; empty where the request is too broken to have one
    int64_t since; //  when it came, of a clock that the caller has: the reply has it, too
} zb_address_t;

//  All frames point into the caller's; absent arguments have size 0.
typedef struct {
    zb_verb_t verb;
    zb_address_t from;
    uint64_t number;          //  the id as a number; 0 if it is not one of 1..2^63-1 without leading zeros
    zb_frame_t name;          //  HELLO: the producer's and consumer's name, may be empty.  CLIENTS: a pattern of them, likewise
    zb_frame_t token;         //  HELLO: not checked but for its size, see zb_token_parse
    uint64_t instance;        //  HELLO: 0 if empty
    zb_frame_t queue;         //  all but HELLO and LIST: the queue; LIST: the pattern, see zb_name_match
    zb_frame_t properties;    //  PUT
    zb_frame_t acked;         //  PUT: the queue that its property acks names, empty without one: `span` has the ids;
    size_t acks_at;           //  and where in `properties` that line is, with its newline: it is not stored
    size_t acks_size;
    zb_frame_t options;       //  QUEUE TOPIC SUB; KEY: the change, see core/rights/rights.h; BACKUP: the folder
    zb_frame_t target;        //  QUEUE SUB: the queue that their option dead-letter names, or empty.  MOVE: where to
    zb_frame_t after;         //  LIST: the page begins behind this name; empty: with the first one
    uint64_t position;        //  EVENTS: the N of the event behind which it begins, PEEK: the message's id, CLIENTS: the
                              //  client's number; 0 = none
    uint64_t max;             //  GET, READ, PEEK: limits->bodies if the client asks for more.  LIST: queues of a page, 0 = no pages.
                              //  EVENTS, CLIENTS: of a page.  MOVE: as GET.  BACKUP: bytes a second, 0 = no limit
    uint64_t wait;            //  GET READ: ms, ZB_WAIT_MAX if the client asks for more.  NACK: ms until others get them
    bool untried;             //  NACK: it does not count as a try
    zb_position_t where;      //  SEEK READ
    zb_frame_t filter;        //  READ: valid; empty: all
    zb_frame_t proof;         //  SWITCHOVER PROMOTE UPGRADE KEY BACKUP: see core/wire/proof.h
    bool accept_loss;         //  PROMOTE
    zb_frame_t witness_proof; //  PROMOTE: the same for the witness; empty without one
    zb_span_t *span;          //  PUT GET ACK NACK EXTEND REJECT: the ids, as they are named.  MOVE: the last one, or none
    size_t spans;
    bool ranges;            //  GET ACK NACK EXTEND REJECT: one of them was named as a range
    const zb_frame_t *body; //  PUT: the bodies; REPLAY: item and mac
    size_t bodies;
    size_t body_bytes; //  PUT, REPLAY: sum of the bodies' sizes
    bool over;         //  PUT: beyond a limit of this broker, which the text names; else well-formed and parsed
    char text[160];    //  what *why of zb_request_parse may point to
} zb_request_t;

//  Parses one client message, the routing id already taken off.  Returns 0; or the ERR code (400, 413), *why a text
//  for the client, verb ZB_VERBS where it is unknown, `from` as far as it was found; or -1 where the message is not ZB1
//  at all, so that nothing can be answered: the caller drops and counts it.
//  A PUT that is beyond limits->body, bodies, properties or request gets 413 and `over`: the pair's other broker may have
//  stored it under its own limits, so that the engine is asked before it is refused.
//  "ZB" followed by another version is answered: 400.  The text lives as long as the request.  Takes time in the
//  number of frames and the bytes of all arguments but the bodies.  What acks name is put into `ids`, the only memory that
//  it allocates: the request points there.
int zb_request_parse (zb_request_t *self, zb_spans_t *ids, const zb_frame_t *frames, size_t count,
                      const zb_limits_t *limits, const char **why);

//  Bytes that a request points to; and a copy of it, which points to copies in this memory of so many bytes.  The memory is
//  aligned as malloc's is.
size_t zb_request_bytes (const zb_request_t *self);
void zb_request_copy (zb_request_t *self, const zb_request_t *from, void *memory);

#endif
