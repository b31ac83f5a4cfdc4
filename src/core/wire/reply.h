/*  =========================================================================
    reply - what a broker answers, as a value; and its encoder to ZB1

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A reply is made when its request is handled, and given out when what it says is
    durable.  Only then it is told how durable that is, and its token.  How a kind is
    written is in the table of reply.c, and nowhere else.
*/

#ifndef ZB_REPLY_H_INCLUDED
#define ZB_REPLY_H_INCLUDED

#include "core/base/batch.h"
#include "core/base/ring.h"
#include "core/wire/request.h"

//  What a reply says.
typedef enum {
    ZB_REPLY_DONE,    //  OK, and nothing more
    ZB_REPLY_DURABLE, //  OK: acknowledgements, PURGE, DELETE
    ZB_REPLY_STORED,  //  OK: a PUT.  numbers: first and last id
    ZB_REPLY_AGAIN,   //  the same for one that was stored before,
    ZB_REPLY_DROPPED, //  and for one that nobody has subscribed to
    ZB_REPLY_COUNT,   //  OK and a number
    ZB_REPLY_MOVED,   //  OK: a MOVE.  numbers: messages, and the last id that it was about
    ZB_REPLY_WELCOME, //  OK: HELLO.  numbers: instance and last PUT, texts: the endpoints of the active and the passive
    ZB_REPLY_TEXTS,   //  OK and any texts: STATUS, LIST, what operators ask
    ZB_REPLY_RESUME,  //  OK: a replay goes on.  number: items taken, texts: position, lineage
    ZB_REPLY_REPLAYED, //  OK: all of the replay was taken.  texts: nothing, lineage
    ZB_REPLY_MESSAGES, //  MSG.  text: the queue, bodies
    ZB_REPLY_PEEKED,   //  the same of messages that are looked at only, with lines in the place of their properties
    ZB_REPLY_PASSIVE,  //  text: the active one's endpoint, or nothing
    ZB_REPLY_ERROR,    //  ERR.  code, text
    ZB_REPLY_FENCED,   //  ERR: a newer process has taken the name.  code, text
    ZB_REPLY_EXPECTED, //  ERR: of a PUT.  code, number: what is expected
    ZB_REPLY_ASIDE,    //  ERR: messages of a replay that can't be taken.  code, text: a word, spans
    ZB_REPLY_KINDS
} zb_reply_kind_t;

//  A message that is delivered.
typedef struct {
    zb_row_t *row;         //  one reference, the reply's
    uint32_t offset, size; //  of the body in it
    uint32_t properties, properties_size;
    uint64_t id;
    uint32_t deliveries; //  this one included
    uint64_t n;          //  of a topic: its number there, and
    uint64_t time;       //  when it was put, ms since 1970; 0 = not told
    uint64_t fence;      //  of an exclusive queue: whose it was given as (zb-fence); 0 = not told
} zb_delivery_t;

typedef struct {
    zb_reply_kind_t kind;
    zb_address_t to;
    zb_durable_t durable; //  NONE unless it confirms something
    zb_frame_t token;     //  in memory of its own; empty where nothing is promised
    unsigned code;        //  ERR: 400..599
    uint64_t number[2];
    zb_frame_t *text;
    size_t texts;
    zb_span_t *span; //  allocated for it
    size_t spans;
    zb_delivery_t *body; //  allocated for it
    zb_frame_t *lines;   //  PEEKED: of each body, properties_size bytes; it and they are allocated
    zb_span_t skipped;   //  MESSAGES: ids before the first body that are gone; 0 = none
    size_t bodies;
    //  The engine's, and nobody else's.
    zb_ring_t ring;
    size_t bytes;                 //  of memory, but for the bodies
    size_t large;                 //  bytes that it sends, of MESSAGES and of LIST's; else 0
    bool claims;                  //  what it confirms must be true: it may not go out before
    bool foreign;                 //  it confirms that an id is gone which only the peer can have given
    uint64_t lease;               //  what MESSAGES has leased
    struct zb_producer *producer; //  whose PUT it answers; NULL = nobody's
    char mark[ZB_TOKEN_MAX];      //  the token's memory
} zb_reply_t;

//  A reply; the address and the texts are copied.
zb_reply_t *zb_reply_new (const zb_address_t *to, zb_reply_kind_t kind, const zb_frame_t *text, size_t texts);
//  The same with no more than one text, NULL for none, and a code, 0 for none.
zb_reply_t *zb_reply_say (const zb_address_t *to, zb_reply_kind_t kind, unsigned code, const char *text);
//  One that is on no ring.
void zb_reply_destroy (zb_reply_t **self_p);
//  Puts another reply to the same address in the place of one that is on no ring.
void zb_reply_turn (zb_reply_t **self_p, zb_reply_kind_t kind, unsigned code, const char *text);
//  Turns a reply that is too large to be sent into one that is not: MESSAGES lose their bodies, whatever else it is (to
//  LIST or PEEK, which have done nothing) becomes ERR 429 with this text.
void zb_reply_spare (zb_reply_t **self_p, const char *text);
//  It goes out: `durable` is said where it confirms something, and it gets the token where it promises something.
void zb_reply_finish (zb_reply_t *self, zb_durable_t durable, zb_frame_t token);

//  A reply as frames, the routing id not among them.  The frames live as long as this and the reply.
#define ZB_REPLY_HEAD (ZB_ENVELOPE_MAX + 8)
typedef struct {
    const zb_reply_t *reply;
    size_t frames; //  in all,
    size_t bytes;  //  and their bytes
    size_t heads;  //  so many are in `head`; the reply's texts or bodies follow
    zb_frame_t head[ZB_REPLY_HEAD];
    char digits[2][21];
    char code[21];
    char *list; //  MSG's index, or spans
} zb_frames_t;

void zb_frames_init (zb_frames_t *self, const zb_reply_t *reply);
zb_frame_t zb_frames_at (const zb_frames_t *self, size_t index);
void zb_frames_clear (zb_frames_t *self);

#endif
