/*  =========================================================================
    wire - ZB1 as values: requests parsed from frames, replies made into frames

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The protocol is include/PROTOCOL.md; this is its codec and nothing else.  Used
    by the broker (parse requests, make replies) and by the client library (make
    requests, parse replies).  No sockets: frames are borrowed bytes.
*/

#ifndef ZB_WIRE_H_INCLUDED
#define ZB_WIRE_H_INCLUDED

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/limits.h"

//  Borrowed bytes; never zero-terminated.
typedef struct {
    const void *data;
    size_t size;
} zb_frame_t;

typedef enum {
    ZB_HELLO, ZB_PUT, ZB_GET, ZB_ACK, ZB_NACK, ZB_EXTEND, ZB_QUEUE, ZB_LIST, ZB_PURGE, ZB_DELETE, ZB_STATUS, ZB_PING,
    ZB_VERBS
} zb_verb_t;

//  Error codes of ERR.
enum {
    ZB_BAD_REQUEST = 400, ZB_NO_HELLO = 401, ZB_FORBIDDEN = 403, ZB_NOT_FOUND = 404, ZB_CONFLICT = 409,
    ZB_TOO_LARGE = 413, ZB_QUEUE_FULL = 429, ZB_NOT_READY = 503, ZB_DISK_FULL = 507
};

//  A parsed request.  All frames point into the caller's; absent arguments have size 0.
typedef struct {
    zb_verb_t verb;
    size_t envelope;          //  leading frames that are returned as they came; frames[envelope] is "ZB1"
    zb_frame_t id;            //  empty where the request is too broken to have one
    uint64_t number;          //  the id as a number; 0 if it is not one of 1..2^63-1 without leading zeros
    zb_frame_t name;          //  HELLO: the producer's and consumer's name, may be empty
    zb_frame_t token;         //  HELLO
    uint64_t instance;        //  HELLO: 0 if empty
    zb_frame_t queue;         //  PUT GET ACK NACK EXTEND QUEUE PURGE DELETE; LIST: the pattern
    zb_frame_t properties;    //  PUT
    zb_frame_t options;       //  QUEUE
    uint64_t max;             //  GET
    uint64_t wait;            //  GET: ms
    zb_frame_t acks;          //  GET ACK NACK EXTEND: checked by the parse; walk it with zb_acks_next
    const zb_frame_t *body;   //  PUT: the bodies
    size_t bodies;
    size_t body_bytes;        //  PUT: sum of the bodies' sizes
} zb_request_t;

//  Parses one client message, the routing id already taken off.  Returns 0; or the ERR code (400, 413), *why a text
//  for the client, verb ZB_VERBS where it is unknown, envelope and id as far as they were found; or -1 where the
//  message is not ZB1 at all, so that nothing can be answered: the caller drops and counts it.
//  "ZB" followed by another version is answered: 400.
int zb_wire_parse (zb_request_t *self, const zb_frame_t *frames, size_t count, const zb_limits_t *limits,
                   const char **why);

//  The verb's name as on the wire, "?" for ZB_VERBS.
const char *zb_verb_name (zb_verb_t verb);

//  A valid name: 1..255 bytes of UTF-8, no control characters or spaces, none of / * > #, no leading '$'.
//  Returns NULL if valid, else what is wrong.
const char *zb_name_check (zb_frame_t name);

//  A valid list of properties or options: lines of name=value, see PROTOCOL.md.  NULL if valid, else what is wrong.
const char *zb_lines_check (zb_frame_t lines);
//  Takes the next line off: returns false at the end.  *cursor starts at 0.
bool zb_lines_next (zb_frame_t lines, size_t *cursor, zb_frame_t *name, zb_frame_t *value);

//  Message ids.  On the wire they are decimal text that clients treat as opaque.
//  Walks an acks argument: "ID" or "ID..ID", one space between.  Returns false at the end; *bad is set to true if
//  the rest is malformed (never after zb_wire_parse has accepted it).  *cursor starts at 0.
bool zb_acks_next (zb_frame_t acks, size_t *cursor, uint64_t *first, uint64_t *last, bool *bad);

//  Decimal text of an unsigned number.  Parse: the whole frame must be digits, no leading zero but "0" itself, at
//  most `max`; returns false otherwise.  Format: writes into text, zero-terminated; returns the length.
bool zb_number_parse (zb_frame_t text, uint64_t max, uint64_t *number);
size_t zb_number_format (uint64_t number, char text[21]);

//  Frames from a string; comparison with one.
zb_frame_t zb_frame (const char *text);
bool zb_frame_is (zb_frame_t frame, const char *text);
bool zb_frame_eq (zb_frame_t one, zb_frame_t other);

#endif
