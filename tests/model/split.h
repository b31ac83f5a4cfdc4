/*  =========================================================================
    split - a model of a pair across splits, with what is in the stores

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Two brokers of a pair, one producer that sends again what it has no answer to, one
    consumer, operators, and what breaks.  The core's own values decide: zb_role, zb_engine,
    zb_replayer, zb_lineage, zb_beat, with real requests, batches and rows.  Restated is what
    stands between them in io:

    - a store: a list of commits, whose batches make the tables; a client's is made equal to its
      master's, after it was asked (unit/pair_model does the same for the role alone, and
      unit/test_replica, test_env hold io to it);
    - the order of a broker's turn (io/broker/broker.c), and the carrier of a replay (io/pair/courier.c); the
      simulation runs both;
    - that a folder is started under its own name alone (io/store/replica.c;
      integration/test_care.py::test_another_name_touches_nothing).

    An act is done to its end before the next one: a store writes and syncs, its link ships, and
    what may be answered is answered, without anything between.  Three exceptions are acts of
    their own: a broker that dies with a PUT that is on its disk and nowhere else, a link that is
    mute while heartbeats pass, and a replay, of which each item is an act.  What happens inside of the
    acts, and heartbeats that are late or lost, is test_role_walk's.
*/

#ifndef SPLIT_H_INCLUDED
#define SPLIT_H_INCLUDED

#include "core/replay/replayer.h"
#include "core/pair/role.h"
#include "unit/fake_tables.h"

#define SPLIT_LOG 250  //  commits of a run
#define SPLIT_PUTS 2   //  PUTs of the producer: one message, and two in one row
#define SPLIT_BODIES 3 //  so there are so many messages
#define SPLIT_IDS 3    //  a message has one for each side that it was stored on
#define SPLIT_ASKS 8   //  requests that are not answered
#define SPLIT_STEP 500 //  ms: below the limit of silence, two are above
#define SPLIT_TODO 12  //  commands on their way to a store

typedef enum {
    ACT_TIME,             //  time passes, until it changes nothing any more; the loser says BEGIN
    ACT_STEP,             //  half a second of it
    ACT_VOTE,             //  a client says HELLO, without a token
    ACT_REPLAY,           //  the loser's next item goes to the winner; at the loser
    ACT_PUT,              //  the producer sends its next PUT, or the last one again, with its token
    ACT_DEAF,             //  the same, and the answer does not reach it
    ACT_ACK,              //  the consumer, who has no token, acknowledges a message under an id that was delivered
    ACT_PURGE,            //  a client without a token purges,
    ACT_DELETE,           //  or deletes the queue
    ACT_FAULTS,           //  what follows costs:
    ACT_DIE = ACT_FAULTS, //  a PUT is on the disk of this broker alone, which dies before it can answer
    ACT_KILL,             //  kill -9
    ACT_START,            //  the process starts
    ACT_WRONG,            //  it is started once under the other one's name, and stopped
    ACT_CUT,              //  the network between the two is cut
    ACT_MUTE,             //  heartbeats pass, and nothing of the stores' link
    ACT_LAG,              //  the same, but for one commit that comes to the client
    ACT_HEAL,
    ACT_COPY,    //  the folder is copied
    ACT_RESTORE, //  the copy takes its place
    ACT_PROMOTE, //  an operator promotes, and accepts loss
    ACTS
} act_kind_t;

typedef struct {
    uint8_t kind, at, arg; //  arg of ACK: the message * SPLIT_IDS + which of its ids
} act_t;

//  How often something may happen.  A start is free: there are as many as kills.
typedef struct {
    uint8_t puts, acks, purges, deletes, dies, kills, wrongs, cuts, mutes, lags, copies, promotes;
    uint8_t steps;  //  single steps of time
    uint8_t spread; //  1: two processes never draw one epoch; 0: they always do, which is one of 64 in life
} bounds_t;

//  Rules of the first release (commit 22dc9e9), each of which loses or brings back something.
typedef enum {
    OLD_NONE,
    OLD_BITS,     //  S1: a row that an unfinished replay has brought is taken without what was acknowledged since
    OLD_PURGE,    //  S1: PURGE and DELETE are told for the epochs that the winner has lived through
    OLD_REPLAYED, //  S1: a PURGE says nothing of what an unfinished replay has brought
    OLD_NUMBER,   //  S2: a number is used when the producers come, and not with its message
    OLD_FOREIGN,  //  S3: an id of a larger epoch than the own one is nobody's
    OLD_NAME,     //  S4: a folder may be started under any name; with the next two, which would save it today
    OLD_BEHIND,   //  S5: the peer's epochs that this store lacks don't matter, only whether it was alone
    OLD_ROLLBACK, //  A1: whoever is not alone is rolled back
    OLDS
} old_t;

extern old_t split_old;
const char *split_old_name (old_t old);
//  An item is being taken by an engine: OLD_BITS is of that one's.
extern bool split_taking;

//  A hash of all that decides what can happen.
typedef struct {
    uint64_t one, other;
} mark_t;

typedef struct {
    uint8_t log[SPLIT_LOG];
    uint8_t size;
    bool made, complete, suspect;
    uint64_t alone, alone_from;
    unsigned as; //  the name that the folder has; 0 = none yet
} disk_t;

typedef struct {
    zb_do_kind_t kind;
    bool flag;
    uint64_t number, from;
} command_t;

typedef struct {
    bool alive;
    unsigned as;
    zb_role_t role;
    zb_engine_t *engine;
    zb_release_t rule;
    zb_durable_t durable;
    //  What outlives the process, and a copy of it.
    disk_t disk, copy;
    fake_tables_t tables; //  as the disk's log says
    mark_t tables_mark;   //  of them; 0 = not hashed since they changed
    //  The store.
    bool master, diverged, rollback;
    command_t todo[SPLIT_TODO];
    uint8_t todos;
    //  The heart: when the newest heartbeat that was heard was sent.
    int64_t heard_sent;
    //  The loser's side of a replay.
    zb_replayer_t *replayer;
    unsigned carrier; //  its connection to the winner, 0 = none
    bool begun;
    uint64_t asked_epoch; //  the newest in which a client has named the queue here, since it leads
    int64_t begged;       //  when the peer said REPLAY last
} node_t;

//  A message.  What is known of it by answers; `maybe`: a request that would take it off was sent, and not answered.
typedef struct {
    bool ok, done, maybe;
    bool excused; //  README: it may be delivered again
    bool aside;
    uint8_t ids;
    uint64_t id[SPLIT_IDS];
    bool known[SPLIT_IDS]; //  it was delivered under it
    bool gone[SPLIT_IDS];  //  the copy of this id was said to be done
} body_t;

typedef struct {
    uint8_t kind; //  ACT_PUT .. ACT_DELETE; 0 = unused
    uint8_t at, covers;
    bool deaf;
    uint8_t put;
    unsigned client;
    uint64_t id[SPLIT_BODIES]; //  ACK, PURGE, DELETE: which copies it is about
} ask_t;

typedef struct {
    node_t node[2];
    int64_t now;
    bool cut, mute;
    uint8_t passes; //  commits that a mute link lets through
    bounds_t left;
    //  Commits: batches by their serial numbers, from 1.
    zb_batch_t *batch[SPLIT_LOG];
    uint8_t batches;
    //  The link.
    uint64_t session;
    uint8_t owner;
    bool ended, live;
    uint64_t there;
    bool grant;
    uint64_t grant_epoch;
    bool held; //  it ships nothing now
    //  Clients.
    unsigned client; //  the newest connection,
    unsigned talks;  //  and the one that waits for its answer now
    char said[16];   //  what it was answered: status, or code; empty
    char args[256];  //  first argument
    char token[ZB_TOKEN_MAX];
    char given[ZB_TOKEN_MAX]; //  the token of the newest answer
    uint64_t instance;
    uint8_t next; //  PUT, from 1
    ask_t ask[SPLIT_ASKS];
    body_t body[SPLIT_BODIES];
    uint8_t runs; //  processes that were started
    bool promoted, restored, copies;
    bool over; //  a bound of the model was reached: the state is not looked at
    const char *fault;
} split_t;

//  acts.c: what may happen.
void split_init (split_t *self, const bounds_t *bounds);
//  Whether the act may be possible: a look that costs little.
bool split_may_act (const split_t *self, act_t act);
//  Does the act; false if it is impossible: then the state is not worth anything.
bool split_act (split_t *self, act_t act);
const char *split_act_name (unsigned kind);
void split_kill (split_t *self, int at);

//  split.c: brokers, stores, their link and time.
bool split_serves (const split_t *self, int at);
//  Until nothing moves any more.
void split_quiesce (split_t *self);
//  Half a second passes; as much of it as changes anything.  Both return true.
bool split_time (split_t *self);
bool split_rest (split_t *self);
//  A broker takes its peer back later, since it has lost it: the marks of states do not say when.
bool split_is_patient (const split_t *self);
//  The role is told what the table meta holds; the tables are those of a log that was changed; a session of the link ends.
void split_meta (split_t *self, int at);
void split_reread (split_t *self, node_t *node);
void split_end_session (split_t *self);
void split_fault (split_t *self, const char *fault);

//  clients.c: what clients and the loser of a split say, and what they are answered.
bool split_client_act (split_t *self, act_t act);
//  Takes the replies of a node's engine.
void split_replies (split_t *self, int at);
//  BEGIN if it was not said, else the next item; false if nothing was sent.
bool split_replay (split_t *self, int at, bool begin_only);
void split_end_replay (split_t *self, int at);
//  The peer was heard to have led in an epoch that this store lacks.
bool split_is_stale (const zb_role_t *role);

//  check.c: what must hold.
//  Messages of a table that are there: how often each is, as ids.
typedef struct {
    uint8_t count[SPLIT_BODIES];
    uint64_t id[SPLIT_BODIES][SPLIT_IDS];
    bool queue; //  there is one
} content_t;
void split_content (const fake_tables_t *tables, content_t *content);
//  In every state; notes what is delivered now.
void split_check (split_t *self);
mark_t split_mark (split_t *self);
//  Heals what is broken and lets the pair come to rest; looks at what is there then.  Returns how it ended; FAULT with
//  `fault` set.
typedef enum { REST_KNOWN, REST_PAIRED, REST_OPERATOR, REST_FAULT } rest_t;
//  States from which a pair has come to rest before, NULL for none: then it is not gone on with.
typedef struct {
    bool (*known) (mark_t mark);
    void (*learn) (mark_t mark);
} rests_t;
rest_t split_recover (split_t *self, bool talk, const rests_t *rests);
void split_print (const split_t *self);

#endif
