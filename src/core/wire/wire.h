/*  =========================================================================
    wire - the words and the lines of ZB1, and replies as clients read them

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The protocol is include/PROTOCOL.md; this, core/wire/request and core/wire/reply are its codec
    and nothing else.  Used by the broker and by the client library.  No sockets: frames
    are borrowed bytes.
*/

#ifndef ZB_WIRE_H_INCLUDED
#define ZB_WIRE_H_INCLUDED

#include "core/base/frame.h"
#include "core/base/limits.h"

//  Error codes of ERR.
enum {
    ZB_BAD_REQUEST = 400, ZB_NO_HELLO = 401, ZB_FORBIDDEN = 403, ZB_NOT_FOUND = 404, ZB_CONFLICT = 409,
    ZB_GONE = 410, ZB_TOO_LARGE = 413, ZB_QUEUE_FULL = 429, ZB_NOT_READY = 503, ZB_DISK_FULL = 507
};

//  What an OK says of what it confirms: on which disks it is durable.
typedef enum {
    ZB_DURABLE_NONE,   //  nothing is confirmed
    ZB_DURABLE_BOTH,   //  on both brokers
    ZB_DURABLE_SOLO,   //  on the one broker that is left of the pair
    ZB_DURABLE_SHARED, //  in the store that both brokers share
    ZB_DURABLE_SINGLE  //  on a broker that has no pair
} zb_durable_t;

//  Its word on the wire ("both", "solo", "shared", "single"), "none" for none.
const char *zb_durable_name (zb_durable_t durable);
//  ZB_DURABLE_NONE where the word is unknown.
zb_durable_t zb_durable_parse (zb_frame_t word);

typedef enum { ZB_ANSWER_OK, ZB_ANSWER_MSG, ZB_ANSWER_PASSIVE, ZB_ANSWER_ERR } zb_answer_status_t;

//  Its word on the wire.
const char *zb_answer_word (zb_answer_status_t status);

//  A parsed reply, for clients.  All frames point into the caller's.
typedef struct {
    zb_answer_status_t status;
    size_t envelope;          //  leading frames before "ZB1"
    zb_frame_t id;            //  the request's; empty where the broker could not read it
    zb_frame_t token;         //  to be presented in the next HELLO; may be empty
    const zb_frame_t *arg;    //  OK: any;  MSG: level, queue, index;  PASSIVE: endpoint;  ERR: code, text
    size_t args;
    const zb_frame_t *body;   //  MSG: one for each line of the index
    size_t bodies;
    unsigned code;            //  ERR: 400..599
} zb_answer_t;

//  Parses one reply as a DEALER or REQ socket receives it.  Returns 0; -1 if it is not a reply of ZB1.  Arguments
//  beyond those known are left in place: a later broker may add some.
int zb_wire_parse_reply (zb_answer_t *self, const zb_frame_t *frames, size_t count);

//  One line of MSG's index.
typedef struct {
    zb_frame_t id;            //  the message's, opaque: as it is to be acknowledged
    uint64_t deliveries;      //  how often it was delivered, this time included
    zb_frame_t properties;    //  walk them with zb_lines_next; may be empty
} zb_index_t;

//  Takes the next line off an index: returns false at the end; *bad is set to true if the rest is malformed (never
//  after zb_wire_parse_reply has accepted it), else to false.  *cursor starts at 0.
bool zb_index_next (zb_frame_t index, size_t *cursor, zb_index_t *line, bool *bad);
//  Writes a line, without a newline or a zero at its end; returns its length, which is at most ZB_INDEX_LINE_MAX and
//  the size of the properties.  The properties are lines that zb_lines_check accepts.
#define ZB_INDEX_LINE_MAX 42
//  What the broker adds to the line of a message of a topic, or of an exclusive queue, takes no more than this.
#define ZB_INDEX_MARKS_MAX 90
size_t zb_index_format (uint64_t id, uint64_t deliveries, zb_frame_t properties, char *text);

//  Returns the bytes of the UTF-8 character that begins at `data`, of which there is at least one byte, and what it is; 0
//  if there is none: what is cut, overlong, a surrogate or beyond U+10FFFF is none.
size_t zb_utf8 (const uint8_t *data, size_t size, uint32_t *code);

//  A valid name: 1..255 bytes of UTF-8, no control characters (U+0000..1F, U+007F..9F) or white space, none of
//  / * > #, no leading '$'.  Returns NULL if valid, else what is wrong.
const char *zb_name_check (zb_frame_t name);
//  The same for what messages are got from: a queue's name, or TOPIC/SUB, which together has at most ZB_NAME_MAX bytes.
const char *zb_place_check (zb_frame_t name);
//  The same for LIST's pattern, which may have '*' as well.
const char *zb_pattern_check (zb_frame_t pattern);
//  Whether the name fits the pattern: '*' stands for any characters or none, '?' for one.  The empty pattern fits
//  all.  Both are valid.
bool zb_name_match (zb_frame_t pattern, zb_frame_t name);

//  A valid list of properties or options: lines of name=value, each but the last ended by a newline, which the last
//  may have, too.  A name has 1..255 bytes without control characters, white space and '='; a value may be empty and
//  has no control characters; both are UTF-8.  An empty list is valid, an empty line is not.  A name may come again.
//  Returns NULL if valid, else what is wrong.
const char *zb_lines_check (zb_frame_t lines);
//  Takes the next line off: returns false at the end.  *cursor starts at 0.  Properties in an index line have a tab
//  for the newline, and are walked in the same way.
bool zb_lines_next (zb_frame_t lines, size_t *cursor, zb_frame_t *name, zb_frame_t *value);

//  Looks for the protocol's frame, "ZB1" or another version's, which is the first or follows the first empty one.
//  Returns its index; `count` if there is none.  A first frame that looks like another version is believed last:
//  REQ_CORRELATE puts four bytes there that may be anything.
size_t zb_wire_envelope (const zb_frame_t *frames, size_t count);

#endif
