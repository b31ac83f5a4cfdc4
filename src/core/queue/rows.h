/*  =========================================================================
    rows - keys and values of the tables, as bytes

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The rows of the levels up to ZB_LEVEL_MOST (level.h); all numbers are big endian.
    What is read is checked: every decode returns -1 for a row that no encode can have
    written.  But a row may be longer than what is known here, log rows and bitmaps
    excepted: what a later program of the same level has added at the end is ignored, and
    is gone once the row is written anew.  That is enough, since what may not be ignored
    or lost comes with a level, and no store of a level that is not read is opened.

    Level 1 has the rows of the first release, and the longer forms that came before there
    were levels: a queue's stamp, a part of a PUT, a queue that was deleted, the number of
    producers.  Level 2 adds a queue's grace, and form 2 of log rows.

    table      key                               value
    meta       "commit"                          u64  number of the newest commit, u64  newest message id given
               "queues"                          u32  the highest queue id given, u32  number of queues
               "uptime"                          u64  ms for which this store has been led, by all its leaders
               "producers"                       u64  number of names in the table producers; missing where the first
                                                      release wrote last, until they are counted
               "time"                            u64  ms since 1970: no row of the log was begun later; from level 3 on
               "rights"                          text: who may do what (core/rights/rights.h); from level 2 on
               "former"                          u64  commit of the backup that this store was restored from, 32 bytes the
                                                      secret that its tokens were made with until then; a program that
                                                      does not know it refuses those, too, with another text
               "replay.EPOCH.NODE"               u64  items taken of the loser of a split with this newest epoch, then
                                                      the newest one's position, see replay.h; until its end
    queues     name                              u32  queue id
                                                 u64  lease in ms, 0 = the broker's default
                                                 u64  most messages, 0 = the broker's default
                                                 u64, u64, u8  epoch, commit, node: when it was made, or its options
                                                      were changed; missing where the first release did
                                                 u64  grace in ms; only if it is not 0 = the broker's default,
                                                      or if there are more options:
                                                 more options (from level 3 on), each u8 which one, u8 size, value
                                                 of a topic and of a subscription: see core/queue/topic.h
               0x01, queue id u32                u64  tombstone: messages of that queue up to this id are gone, the
                                                      space of their rows is being freed
                                                 an option 1: the name of the queue that dead letters go to
                                                 an option 2: u64  expires in ms, 0 = never, u64  newest message id
                                                      when it was named first: what came before never expires
                                                 an option 3: of a subscription that began at an id or a time u64  which one
                                                 an option 4: of a subscription: its filter (core/wire/filter.h)
                                                 an option 5: u64, u64  retry-delay: ms after the first try, and most
                                                 an option 7: of a topic that keeps all: u64  for how many ms, u64  and
                                                      how many messages, each 0 = no limit
                                                 from level 4 on an option 8: of a queue: u64  max-bytes, 0 = no limit,
                                                      u64  messages with larger ids count
                                                 an option 9: of a queue: u8  1: the oldest message that is ready goes
                                                      when it is full
                                                 an option 10: u64  max-deliveries: tries after which a message dies
                                                 an option 11: of a queue: u64  delay in ms of a message that says none
                                                 an option 12: u8  mode: 1 exclusive, and 16 bytes of whose name it is
                                                      (core/engine/holding.c), if that has one; 2 key
                                                 an option 13: of a queue: u8  priorities, 2 to 10
                                                 an option 14: of a queue: u64  dedupe: ms for which message-ids are
                                                      remembered
                                                 an option 15: u64  unused: ms without use after which it is deleted
    log        queue id u32, LAST message id u64 messages, see below
               0x00000000, 0x01, queue id u32,   messages that are not due yet, one a row, as below; from level 4 on, see
               due u64, message id u64                core/queue/lane.h
               0x00000000, 0x02, queue id u32,   u64  ms since 1970: when that message is due,
               message id u64                    u32  bytes of its body and properties
               0x00000000, 0x03, queue id u32,   u32  bytes of the row of the log with that last id, whose messages have
               u8 rank, last message id u64           this rank above 0; from level 4 on, see core/queue/rank.h
               0x00000000, 0x04, queue id u32,   a PUT with a message-id, by its first message, see core/queue/dedupe.h
               message id u64
               0x00000000, 0x05, ...             the store's own, and so is a row of 16 bytes that begins with 0xff: its
                                                      messages are in Berkeley DB's log (io/store/brief.h); from level 4 on
    cursors    queue id u32, 0 u32               u64  low-water mark: all messages with smaller ids are gone
                                                 u64  messages ever put, u64  messages ever acknowledged or purged;
                                                      of a topic: those of them whose rows are gone,
                                                      u64  again the mark, u64  bytes of the rows, about;
                                                      of a queue whose bytes are counted:
                                                      u64  again the mark, u64  bytes of those that count;
                                                      of a queue with messages that are not due, from level 4 on:
                                                      these (0 bytes if they are not counted), and
                                                      u64  messages that are in its lane
               topic id u32, subscription id u32 the same of the subscription: messages with smaller ids are done,
                                                 u64, u64, and
                                                 u64  rows with smaller ids that have no bitmap are done, too,
                                                 u64  messages in the rows that its mark has passed
    acks       queue id u32, last id of the log  bitmap: bit i (of byte i / 8, lowest first) is set when message i of
               row u64, cursor u32 = 0           that row is acknowledged; only while the row exists and is partly so
               0x00000000, queue name, 0x00,     journal, while the broker answers alone: u64  first id; what this queue
               last id u64                       has from it to the last one is done; first and last id 2^64-1: the queue
                                                      was deleted
    producers  name                              u64  instance that has the name, u64  last number, u64  uptime when
                                                      last seen, roughly; of the first release u64  an instance that
                                                      has no meaning any more.  There is a row as soon as there is a
                                                      PUT
               name, 0x00, group u8 = 0..7       32 slots of PUTs, slot of number n: group n % 256 / 32, slot n % 32
                                                 each: u64 number (0 = unused), u64 digest, u64 first message id,
                                                       u32 messages, u32 queue id

    A log row is keyed by its last message id, so that the first row at or after an id is the one that holds it.
    Its value:
      offset size
        0     1   form: 1; from level 2 on also 2
        1     3   zero; of a queue, from level 4 on, in a row that had a delay: the lower bits of the number of the epoch in
                  which it was taken out of its lane
        4     4   messages, at least 1
        8     8   first message id
       16     8   form 2: ms since 1970 when the row was begun (core/base/pairtime.h); 0 = not known
       24     8   form 2, from level 3 on: the number that its first message has in its topic, from 1; 0 = not known.  Of a
                  queue, from level 4 on: ms since 1970, when its message was due; 0 = it had no delay
       32     4   form 2: bytes of all bodies
       16/36  -   pieces, each the messages of one PUT (of a large PUT as many as fit):
                  0  4   id of the piece's first message minus the row's first
                  4  4   messages m, at least 1; their ids have no gaps
                  8  8   the PUT's number, 0 = the producer has no name
                 16  4   size of the properties
                 20  1   size of the producer's name
                 21  1   1: of a numbered PUT that other rows hold a part of, or whose digest is of more than is stored
                         (from level 3 on); else 0
                 22  2   zero
                 24  -   name, properties; of a part the PUT's digest u64, its messages u32, and how many of them are
                         before these u32; m sizes u32, m bodies
*/

#ifndef ZB_ROWS_H_INCLUDED
#define ZB_ROWS_H_INCLUDED

#include "core/base/batch.h"
#include "core/base/bytes.h"
#include "core/base/lineage.h"
#include "core/wire/position.h"
#include "core/wire/wire.h"

//  Meta.
#define ZB_META_COMMIT "commit"
#define ZB_META_QUEUES "queues"
#define ZB_META_UPTIME "uptime"
#define ZB_META_TIME "time"
#define ZB_META_PRODUCERS "producers"
#define ZB_META_REPLAY "replay."
#define ZB_META_FORMER "former"
#define ZB_META_RIGHTS "rights"
#define ZB_META_COMMIT_SIZE 16
#define ZB_META_QUEUES_SIZE 8
#define ZB_FORMER_SIZE 40

//  Queues.
#define ZB_TOMB_MARK 0x01
#define ZB_TOMB_KEY_SIZE 5
#define ZB_QUEUE_ROW_SIZE 45 //  without more options,
#define ZB_QUEUE_ROW_MAX (ZB_QUEUE_ROW_SIZE + ZB_MORE_MAX)
//  Bytes of more options.
#define ZB_MORE_MAX \
    (2 + ZB_NAME_MAX + 18 + 10 + 2 + ZB_FILTER_MAX + 18 + 18 + 18 + 3 + 10 + 10 + 3 + ZB_MARK_SIZE + 3 + 10 + 10)

#define ZB_DEAD_SUFFIX ".dead"  //  behind a name, the default of where dead letters go
#define ZB_TRIES_MOST INT32_MAX //  of max-deliveries

//  To whom messages go at a time: to any consumers; to one; of each key to one.
typedef enum { ZB_MODE_SHARED, ZB_MODE_EXCLUSIVE, ZB_MODE_KEY } zb_mode_t;

#define ZB_MARK_SIZE 16 //  of what stands for a consumer's name
#define ZB_STAMP_SIZE 17

//  What a name is: a subscription's is TOPIC/SUB.
typedef enum { ZB_KIND_QUEUE, ZB_KIND_TOPIC, ZB_KIND_SUB } zb_queue_kind_t;

//  What a subscription takes; no bytes: all.
typedef struct {
    uint8_t size;
    char text[ZB_FILTER_MAX];
} zb_filter_t;

typedef struct {
    zb_queue_kind_t kind;
    uint32_t id;
    uint64_t lease; //  not of a topic, as the grace
    uint64_t max;   //  of a queue alone
    zb_stamp_t changed;
    uint64_t grace;
    uint64_t bytes;  //  of a topic: most bytes of its rows; of a queue: of its messages, 0 = no limit;
    uint64_t counts; //  those with larger ids count: the option was named then;
    bool sized;      //  it was
    bool drops;      //  of a queue: when it is full the oldest go
    bool retains;   //  it keeps them whatever is done of them,
    uint64_t age;   //  for so many ms, 0 = no limit,
    uint64_t most;  //  and so many messages, 0 = no limit
    uint32_t topic; //  of a subscription: its topic's id,
    uint64_t birth; //  an id that no message has, given when it was made or set to another position,
    uint64_t from;  //  and the id behind which it begins;
    zb_position_t began; //  what was asked for when it was made,
    zb_filter_t filter;  //  and what it takes: that does not change
    uint64_t expires; //  of a queue: ms, 0 = never;
    uint64_t since;   //  of messages with larger ids: the option was named then
    bool timed;       //  it was: properties of this name have a meaning
    uint64_t delay;   //  of a queue: ms, 0 = none;
    bool delays;      //  the option was named: properties of its kind have a meaning
    unsigned ranks;   //  of a queue: its priorities (core/queue/rank.h), 0 = none
    uint64_t retry;   //  not of a topic: ms that a message rests after its first try, 0 = not at all;
    uint64_t retry_most; //  after each more twice as long, up to so long
    uint64_t most_tries; //  not of a topic: tries without success after which a message dies, 0 = no limit
    zb_mode_t mode;      //  not of a topic: to whom its messages go at a time;
    uint8_t holder[ZB_MARK_SIZE]; //  exclusive: whose it is, by its name; zeros: nobody's who has one
    uint64_t dedupe;     //  of a queue: ms for which the message-ids of PUTs are remembered, 0 = not at all
    uint64_t unused;     //  not of a topic: ms after which it is deleted if nobody uses it, 0 = never
    uint8_t dead_size; //  not of a topic: where dead letters go, 0 = the default
    char dead[ZB_NAME_MAX];
} zb_queue_row_t;

void zb_stamp_encode (const zb_stamp_t *self, uint8_t value[ZB_STAMP_SIZE]);
void zb_stamp_decode (zb_stamp_t *self, const uint8_t value[ZB_STAMP_SIZE]);
//  Of a queue.  Returns the row's size.
size_t zb_queue_row_encode (const zb_queue_row_t *self, uint8_t value[ZB_QUEUE_ROW_MAX]);
//  Of whatever kind.
int zb_queue_row_decode (zb_queue_row_t *self, const zb_row_t *row);
//  The options that are not in the first bytes of the row of a queue or of a subscription.  Returns their size.
size_t zb_more_encode (const zb_queue_row_t *self, uint8_t value[ZB_MORE_MAX]);
//  Takes them; unknown ones are a later program's.  -1 if one is malformed.
int zb_more_decode (zb_queue_row_t *self, const uint8_t *value, size_t size);
//  Where dead letters go.
zb_frame_t zb_queue_row_dead (const zb_queue_row_t *self);
void zb_queue_row_set_dead (zb_queue_row_t *self, zb_frame_t name);
void zb_tomb_key (uint32_t queue, uint8_t key[ZB_TOMB_KEY_SIZE]);
//  Reads the queue id and the mark.
int zb_tomb_decode (const zb_found_t *found, uint32_t *queue, uint64_t *mark);

//  Cursors.
#define ZB_CURSOR_KEY_SIZE 8
#define ZB_CURSOR_ROW_SIZE 24
#define ZB_CURSOR_ROW_LONG 40
#define ZB_CURSOR_ROW_MAX 48 //  with those in the lane

typedef struct {
    uint64_t low;
    uint64_t put;
    uint64_t done;
    uint64_t mark;   //  of a subscription, a topic, and a queue that has one of the next two; 0 = of none
    uint64_t behind; //  of a topic and a queue: bytes
    uint64_t laid;   //  of a queue: messages that are not due
} zb_cursor_row_t;

//  The key of a queue's or a topic's row, or (sub not 0) of a subscription's of that topic.
void zb_cursor_key (uint32_t queue, uint32_t sub, uint8_t key[ZB_CURSOR_KEY_SIZE]);
//  The ids in a cursor's key; -1 if it is none.
int zb_cursor_key_decode (const zb_found_t *found, uint32_t *queue, uint32_t *sub);
//  Returns the row's size.
size_t zb_cursor_row_encode (const zb_cursor_row_t *self, uint8_t value[ZB_CURSOR_ROW_MAX]);
int zb_cursor_row_decode (zb_cursor_row_t *self, const zb_row_t *row);

//  Log and acks.
#define ZB_LOG_KEY_SIZE 12
#define ZB_ACKS_KEY_SIZE 16

void zb_log_key (uint32_t queue, uint64_t last, uint8_t key[ZB_LOG_KEY_SIZE]);
//  The last id of a log key or an acks key of this queue; -1 if it is none.
int zb_log_key_decode (const zb_found_t *found, uint32_t queue, uint64_t *last);
void zb_acks_key (uint32_t queue, uint64_t last, uint8_t key[ZB_ACKS_KEY_SIZE]);
int zb_acks_key_decode (const zb_found_t *found, uint32_t queue, uint64_t *last);

//  The journal.
#define ZB_JOURNAL_PREFIX 4
#define ZB_JOURNAL_DELETED UINT64_MAX
//  Writes the key; returns its size.
size_t zb_journal_key (zb_frame_t queue, uint64_t last, uint8_t key[ZB_KEY_MAX]);
int zb_journal_decode (const zb_found_t *found, zb_frame_t *queue, uint64_t *first, uint64_t *last);

#define ZB_LOG_HEAD 16      //  bytes of a row's head in form 1,
#define ZB_LOG_HEAD_LONG 36 //  and in form 2
#define ZB_PIECE_HEAD 24
#define ZB_PIECE_PART 16

//  The head of a row.
typedef struct {
    unsigned form;   //  1 or 2; what the first has not is 0
    uint32_t count;  //  messages
    uint64_t first;  //  id of the first
    uint64_t time;   //  ms since 1970
    uint64_t n;      //  number of the first in its topic; of a queue when it is due; 0 = none
    uint32_t bytes;  //  of all bodies
} zb_log_head_t;

//  A piece, as it is written and as it is found.
typedef struct {
    uint64_t first; //  id of its first message
    uint32_t count;
    uint64_t number;
    zb_frame_t name;
    zb_frame_t properties;
    uint64_t digest; //  of the whole PUT.  Found: only of a part
    bool part;       //  of a numbered PUT with so many messages, behind so many of them
    uint32_t total, before;
    uint32_t sizes;  //  found: offsets in the row, of the sizes
    uint32_t bodies; //  and of the bodies
} zb_piece_t;

//  Bytes that a row grows by for a piece of `count` bodies of `bytes` together.
size_t zb_log_need (const zb_piece_t *piece, size_t count, size_t bytes);
//  Starts a row with a head of this form, first id, time and number.
void zb_log_begin (zb_row_t *row, const zb_log_head_t *head);
//  Appends a piece with these bodies to a row that has the room.
void zb_log_append (zb_row_t *row, const zb_piece_t *piece, const zb_frame_t *body);
//  A row of form 2 that is no one's yet gets another number.
void zb_log_number (zb_row_t *row, uint64_t n);
//  It had a delay, and is taken out of its lane in the epoch of this number; whether it was still in it in that epoch.
void zb_log_take_out (zb_row_t *row, uint64_t epoch);
bool zb_log_was_laid (const zb_row_t *row, uint64_t epoch);
//  What the head of a row says; -1 if it is malformed.
int zb_log_head (const zb_row_t *row, zb_log_head_t *head);
//  Messages of a row that is well-formed.
uint32_t zb_log_count (const zb_row_t *row);
//  When a row was begun; 0 = not known.
uint64_t zb_log_time (const zb_row_t *row);
//  Of a queue: when it was due; 0 = it had no delay.
uint64_t zb_log_due (const zb_row_t *row);
//  Bytes of a head of this form.
size_t zb_log_head_size (unsigned form);
//  Takes the next piece: returns 1, 0 at the end, -1 if the row is malformed.  *offset starts at 0.
int zb_log_next (const zb_row_t *row, size_t *offset, zb_piece_t *piece);

//  Producers.
#define ZB_PRODUCER_ROW_SIZE 24
#define ZB_GROUPS 8
#define ZB_GROUP_SLOTS (ZB_WINDOW / ZB_GROUPS)
#define ZB_SLOT_SIZE 32
#define ZB_GROUP_ROW_SIZE (ZB_GROUP_SLOTS * ZB_SLOT_SIZE)

typedef struct {
    uint64_t instance;
    uint64_t last;
    uint64_t seen;
} zb_producer_row_t;

typedef struct {
    uint64_t number;
    uint64_t digest;
    uint64_t first;
    uint32_t count;
    uint32_t queue;
} zb_slot_t;

_Static_assert(ZB_WINDOW == 256 && ZB_GROUP_SLOTS == 32, "the layout above");

void zb_producer_row_encode (const zb_producer_row_t *self, uint8_t value[ZB_PRODUCER_ROW_SIZE]);
int zb_producer_row_decode (zb_producer_row_t *self, const zb_row_t *row);
//  Writes a group's key, and returns its size.
size_t zb_group_key (zb_frame_t name, unsigned group, uint8_t key[ZB_KEY_MAX]);
//  One slot of a group.
void zb_slot_encode (const zb_slot_t *slot, uint8_t value[ZB_SLOT_SIZE]);
void zb_slot_decode (zb_slot_t *slot, const uint8_t value[ZB_SLOT_SIZE]);
void zb_group_encode (const zb_slot_t slot[ZB_GROUP_SLOTS], uint8_t value[ZB_GROUP_ROW_SIZE]);
//  Slots must hold numbers that belong there.
int zb_group_decode (zb_slot_t slot[ZB_GROUP_SLOTS], unsigned group, const zb_row_t *row);

#endif
