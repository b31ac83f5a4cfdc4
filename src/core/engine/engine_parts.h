/*  =========================================================================
    engine_parts - what the engine is made of: its fields, and what these are made of

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    First what waits or is under way (GETs, loads), then what each file keeps in the engine, last the
    engine.  What the files do for one another is in engine_self.h, which includes this.  Nobody else
    does.
*/

#ifndef ZB_ENGINE_PARTS_H_INCLUDED
#define ZB_ENGINE_PARTS_H_INCLUDED

#include "core/base/level.h"
#include "core/base/pairtime.h"
#include "core/engine/engine.h"
#include "core/engine/session.h"
#include "core/queue/commit.h"
#include "core/queue/producer.h"
#include "core/queue/queue.h"
#include "core/replay/replay.h"

//  How far the replay of a loser has come: the row replay.EPOCH.NODE of the table meta.
typedef struct {
    uint64_t epoch; //  its newest one; 0 = unused
    unsigned node;
    uint64_t n; //  items that were taken,
    size_t size;
    uint8_t position[ZB_POSITION_MAX]; //  and the position of the newest
} zb_progress_t;

//  Losers whose replay has begun and not ended: more than one if the loser went alone again meanwhile.
#define ZB_REPLAYS 16

//  A GET, or a READ, that is not answered yet.
typedef struct {
    zb_timer_t timer;
    zb_ring_t turn; //  on its queue's ring of parked ones, or at_tail, or on a commit's
    zb_ring_t late; //  on its queue's ring of those whose time is over
    zb_ring_t mine; //  on its session's
    zb_session_t *session;
    zb_queue_t *queue;
    zb_reply_t *reply;
    uint64_t max;
    uint64_t since; //  the moment in which it came
    int64_t deadline;
    bool parked; //  on the queue's ring
    bool waits;  //  on a commit's
    size_t bytes; //  while it waits for the commit
    uint64_t behind; //  READ: ids up to here are read,
    size_t filter_size;
    char filter[]; //  and what it takes
} zb_get_t;

//  Kinds of timers.
enum { ZB_TIMER_GET, ZB_TIMER_LEASE, ZB_TIMER_SESSION, ZB_TIMER_LANE, ZB_TIMER_HOLD, ZB_TIMER_DISUSE };

//  Where in a topic something begins: behind this id, and so many messages are in the rows before the one with the next.
typedef struct {
    uint64_t from;
    uint64_t count;
} zb_spot_t;

//  What a load reads.
typedef enum {
    ZB_LOAD_BOOT, //  once per lead: the meta table's rows, and tombstones
    ZB_LOAD_PRODUCER,
    ZB_LOAD_QUEUE,   //  by name,
    ZB_LOAD_CURSOR,  //  then its cursor by id,
    ZB_LOAD_SUBS,    //  or, of a topic, all its cursors, then its subscriptions
    ZB_LOAD_WINDOW,  //  rows of the log for consumers
    ZB_LOAD_STRAYS,  //  rows of the log for an acknowledgement
    ZB_LOAD_DUE,     //  what a queue's lane has that is due,
    ZB_LOAD_LAID,    //  or that is acknowledged
    ZB_LOAD_RANKS,   //  the index of what goes first,
    ZB_LOAD_FETCH,   //  then rows of the log that it names
    ZB_LOAD_SEEN,    //  its message-ids
    ZB_LOAD_SPOT,    //  a row of a topic at a position,
    ZB_LOAD_SWEEP,   //  rows that its subscriptions may have no use for,
    ZB_LOAD_READ,    //  rows for who reads it,
    ZB_LOAD_OLDEST,  //  and the first ones of one that keeps all
    ZB_LOAD_TOPICS,  //  queues, to find those topics,
    ZB_LOAD_DISUSED, //  or those that nobody uses
    ZB_LOAD_LIST,    //  for LIST: all queues,
    ZB_LOAD_DEPTHS,  //  then all cursors
    ZB_LOAD_PURGED,  //  rows whose space is to be freed
    ZB_LOAD_JOURNAL, //  rows of the journal, to be erased
    ZB_LOAD_NAMES,   //  producers, to find those that are to be forgotten
    ZB_LOAD_PEEK     //  rows of the log for who looks
} zb_load_kind_t;

typedef struct zb_load {
    zb_entry_t entry;   //  in the map of loads by kind and name
    zb_entry_t tagged;  //  in the map of loads by tag
    zb_ring_t ask;      //  on the ring of reads that wait to be taken
    zb_ring_t sessions; //  that wait for it
    zb_load_kind_t kind;
    uint64_t tag;
    zb_read_t *read;   //  until it is taken
    zb_queue_t *queue; //  WINDOW, STRAYS; a topic: SPOT, SWEEP, READ, OLDEST, PEEK
    struct zb_peek *peek; //  PEEK: what has been found
    struct zb_fetch *fetch; //  RANKS, FETCH: what is looked for
    bool asks;            //  LAID: nothing is taken out
    uint64_t from; //  STRAYS, LAID: the first and the last id wanted.  DUE: from this time, and id, on.  SPOT: where
                   //  it can be.  SWEEP, READ: the first
    uint64_t last;
    uint64_t probe;         //  SPOT: the id that is read at,
    zb_position_t position; //  what is looked for,
    zb_spot_t spot;         //  and what has been found; behind it
    zb_spot_t end;          //  nothing was shown when it was asked
    uint64_t seen;          //  rows up to here are seen by its read,
    uint64_t buried;        //  and DUE, LAID, PEEK: those up to here were known to be gone
    zb_queue_row_t row;   //  CURSOR, SUBS: what QUEUE found
    struct zb_subs *subs; //  SUBS: what has been found
    bool sifts;           //  it counts among those
    unsigned purges;      //  WINDOW, STRAYS: of the cursor, when it was asked.  SWEEP: of the log
    struct zb_list *list; //  LIST, DEPTHS: what has been found
    zb_ring_t lists;      //  on the ring of those that are under way
    uint64_t since;       //  the tag of its first read
    size_t name_size;
    uint8_t name[1 + ZB_NAME_MAX]; //  kind, name
} zb_load_t;

//  A queue whose messages up to `mark` are gone while their rows are still there.
typedef struct {
    zb_ring_t ring;
    uint32_t queue;
    uint64_t mark;
    uint64_t commit;  //  the newest commit that says so, or that freed some
    zb_entry_t entry; //  in the map of tombs by queue id
    uint8_t key[4];
    unsigned rank; //  the index has nothing more of lower ranks
} zb_tomb_t;

//  Rows that stay in memory for a task, see pinning.c.
typedef struct {
    zb_session_t *session; //  whose first task has them pinned, NULL = nobody's,
    zb_queue_t *queue;     //  and of which queue
    size_t from;           //  what the queue had in memory before
} zb_pin_t;

//  A search through a table, some rows at a time: for names that are not used any more, see upkeep.c; for topics, see
//  retaining.c.
typedef struct {
    uint8_t key[ZB_KEY_MAX]; //  where it goes on; without one it begins anew
    size_t size;
    int64_t at; //  when
    bool reads; //  a read of it is under way
} zb_search_t;

//  Marks of subscriptions with filters, see sweeping.c.
typedef struct {
    zb_ring_t topics; //  that have such
    int64_t at;       //  when these are looked at next
    zb_load_t *load;  //  for one of them
} zb_marks_t;

//  Topics that keep all, see retaining.c.
typedef struct {
    zb_ring_t topics;
    int64_t at;      //  when these are looked at next
    zb_load_t *load; //  for one of them
    zb_search_t find; //  the search for those that nobody has used yet in this lead
} zb_retain_t;

//  Queues and subscriptions that nobody uses, see disusing.c.
typedef struct {
    uint64_t
        began; //  all that there is counts as used at this time of the pair's: when this lead began; 0 = not known yet
    uint64_t alone; //  so often this broker has gone alone in this lead
    zb_ring_t over; //  those that nobody has used for so long, as they became so
    uint64_t pass;  //  passes over all queues that were begun,
    uint64_t done;  //  and those that have come to the end
    uint64_t after; //  a pass reads nothing before this commit was taken
    zb_search_t find;
    int64_t next;   //  when some that are not in memory may be over, as far as the pass has seen,
    size_t loads;   //  and so many were loaded by it
    int64_t begins; //  no pass begins before
} zb_disuse_t;

//  Message-ids, see deduping.c.
typedef struct {
    zb_ring_t queues; //  whose are in memory, the longest unused first,
    size_t puts;      //  and how many these are
} zb_remembered_t;

//  Loads whose rows are compared with filters of clients, see loads.c.
typedef struct {
    size_t loads;     //  that are under way,
    zb_ring_t queues; //  and those that wait until one of them is done: topics for their READs, and subscriptions
} zb_sifting_t;

//  Messages that die, see dying.c.
typedef struct {
    zb_ring_t queues;      //  that have such, in turn;
    zb_ring_t stuck;       //  and those whose dead letters could not go anywhere, the longest ago first
    zb_session_t *session; //  nobody's: it waits for what is read
    zb_queue_t *pinned;    //  of this queue meanwhile
} zb_dying_t;

//  What the loser of a split is sending, see merge.c.
typedef struct {
    zb_progress_t replay[ZB_REPLAYS];
    zb_progress_t *progress; //  the one that is sent now, NULL = none,
    zb_session_t *session;   //  by this session,
    int64_t heard_ms;        //  heard then,
    zb_lineage_t loser;      //  of a broker that has this lineage
    uint64_t commit;         //  the newest one with an item
    bool absorbs;            //  its last item was taken, and the role has not been told yet
} zb_merge_t;

//  The question whether this broker still leads, which no clock answers, see barrier.c.
typedef struct {
    uint64_t moment;   //  commits that were closed and questions that were asked, so far;
    uint64_t followed; //  of these the newest that the peer has acked, or answered, as one that follows
    uint64_t question; //  that is not answered yet, 0 = none
    zb_ring_t unsure;  //  queues whose first parked GET waits until it is known that this broker still leads,
    uint64_t doubted;  //  and no such GET came after this moment
} zb_barrier_t;

//  The time in the store is ahead by at most so many ms.
#define ZB_TIME_STEP 1000

//  The time of heads of rows, see engine.c and expiring.c.
typedef struct {
    zb_pairtime_t pair;
    uint64_t heard; //  what the peer said of it last,
    int64_t apart;  //  and how far its machine's clock is ahead of ours, ms
    uint64_t kept;  //  the store says that no row is later
    int64_t wall;   //  what the machine's clock said last, 0 = nothing that makes sense
} zb_clock_t;

//  LISTs, see loads.c.
typedef struct {
    zb_load_t *reading; //  the one that is under way
    zb_ring_t all;      //  that one, and those that have clients yet; the oldest first
    zb_ring_t done;     //  those that are done, and have clients who are answered in the next turns
} zb_lists_t;

//  What the load that has just come back says, while those who waited for it go on, see loads.c.
typedef struct {
    zb_frame_t absent; //  no such queue
    zb_queue_t *laid;  //  of this queue's lane, from this id to that:
    uint64_t laid_from;
    uint64_t laid_last;
    const zb_read_t *laid_in; //  what there is; NULL: nothing any more
    uint64_t laid_mark;       //  and of that is gone what is up to here
    zb_queue_t *queue; //  these ids of this queue are in memory or gone
    uint64_t from;
    uint64_t last;
    struct zb_list *list;   //  LIST's result
    zb_load_t *peek;        //  PEEK's
    zb_queue_t *topic;      //  in this topic
    zb_position_t position; //  this position
    zb_spot_t spot;         //  is here
} zb_told_t;

//  Messages that are gone while their rows are still there, see upkeep.c.
typedef struct {
    zb_ring_t all;
    zb_map_t by_queue; //  by its id
    bool reading;      //  a read for the first of them is under way
    bool more;         //  the store has more of them than were read
    uint64_t freed;    //  the newest commit that frees space, or clears some of the journal
    int64_t budget;    //  bytes that may be erased while clients write,
    int64_t budget_at; //  as of this time
    int64_t quiet_at;  //  from then on clients are quiet
    bool wanted;       //  a merge can't go on before some is freed
} zb_tombs_t;

//  How many producers' names the store has, see upkeep.c.
typedef struct {
    uint64_t count;
    uint64_t kept; //  as it was last written
    bool counting; //  they are being counted
} zb_census_t;

//  What is done of older messages while a node answers alone, see journal.c.
typedef struct {
    bool rows;     //  there may be some
    bool clearing; //  some are being read, to be erased
    bool followed; //  by the peer
    uint64_t sent; //  the newest message that one which followed may have
} zb_journal_t;

struct zb_engine {
    zb_limits_t limits;
    unsigned node;
    bool leads;
    const char *fault;
    zb_release_t rule;
    zb_durable_t durable; //  what an OK says
    bool full;
    char *active; //  endpoints
    char *passive;
    int64_t now;
    int64_t started; //  time of the first event of this lead, 0 = none yet
    uint8_t secret[ZB_SECRET_SIZE];
    uint8_t map_key[ZB_MAP_KEY_SIZE];
    uint8_t digest_key[ZB_MAP_KEY_SIZE];
    uint64_t epoch;
    uint64_t newest; //  id of the newest message of this epoch, or the epoch's lowest id - 1
    uint64_t before; //  ids up to here are of earlier leads
    uint64_t instance; //  the newest that was given to a producer

    uint64_t commit;   //  the newest closed one
    uint64_t taken;    //  the newest that the store has got,
    uint64_t taken_id; //  and the newest message id up to it
    uint64_t gate;     //  the first commit of this lead: nothing is answered before its release
    uint64_t here, there;
    uint64_t released;
    uint64_t released_epoch;
    zb_barrier_t barrier;
    zb_ring_t commits;     //  closed and not released, oldest first
    zb_commit_t *fill;     //  the one that is being filled
    bool must;             //  it is closed even if nothing was written
    uint64_t names_commit; //  the newest one that makes or deletes a queue
    zb_ring_t touched_queues;
    zb_ring_t touched_producers;

    zb_ring_t withheld; //  replies that wait for the end of HOLD, or until what they claim is known to be true
    zb_ring_t out;  //  replies to be taken
    size_t outgoing; //  bytes of the large ones among them
    bool congested;  //  GETs wait until some of them are taken
    size_t waits;   //  replies that wait for a commit
    size_t backlog; //  sessions that wait for a load
    uint64_t due_commit; //  the newest that inserts what has become due
    bool ready_held;     //  something is ready, or due, for a GET that waits, and nothing may be told
    size_t waiting; //  bytes of all that waits for the store or the peer, and so ends by itself
    size_t under_way; //  bytes of PUTs in commits that are not released
    size_t asked;   //  GETs that are not answered yet
    int64_t lagged_at; //  when a consumer that acknowledged was last found to lag; 0 = none
    char token[ZB_TOKEN_MAX];
    size_t token_size;

    zb_map_t sessions;
    zb_map_t names; //  newest session of a name
    zb_map_t queues;
    zb_map_t producers;
    zb_map_t loads;
    zb_map_t tags;
    zb_deck_t roster; //  all sessions, by their numbers
    zb_ring_t idle_sessions;
    zb_ring_t gone_sessions; //  their connections have ended;
    zb_ring_t departing;     //  of these, those whose leases are still to be shortened
    zb_ring_t all_queues;
    zb_ring_t idle_producers;
    zb_ring_t demand; //  queues with parked GETs
    zb_ring_t strays; //  queues with strays
    zb_ring_t gone;   //  queues that were deleted and are still known
    zb_ring_t rest;   //  queues whose parked GETs are served, or ended, on in the next turn
    zb_ring_t asks;   //  loads whose read is to be taken,
    zb_ring_t peeks;  //  and those that give way to them, one at a time
    zb_timers_t timers;
    uint64_t next_lease;
    uint64_t next_session;
    uint64_t fences; //  that were given to who holds a queue
    uint64_t next_tag;
    size_t windows;     //  bytes of the rows of all queues in memory
    bool starved;       //  a queue could not read because of that
    int64_t evict_at;   //  leased rows leave memory for another queue's from then on
    zb_lists_t lists;

    size_t visited;     //  in this turn
    zb_load_t later;    //  what has given way to others waits for it: the next turn;
    zb_load_t shown;    //  here until the next commit is released;
    zb_load_t throttled; //  and here with PUTs that let acknowledgements go first, in turn
    zb_spans_t scratch; //  ids that the request at hand is about, and does not name itself
    uint64_t next_walk;
    zb_pin_t pin;

    zb_told_t told;

    bool peeking; //  a read for a PEEK is under way
    bool booted;
    uint32_t queue_id; //  the highest given
    uint32_t queue_count;
    uint64_t uptime;      //  the store's, at the moment when this lead began, and
    uint64_t uptime_kept; //  as it was last written
    zb_census_t census;
    zb_tombs_t tombs;
    zb_search_t search;
    zb_marks_t marks;
    zb_retain_t retain;
    zb_disuse_t disuse;
    zb_remembered_t seen;
    zb_sifting_t sifting;
    zb_dying_t dying;

    zb_lineage_t lineage;
    zb_keep_t keep;
    unsigned store_level;
    zb_clock_t clock;
    zb_rights_t *rights;    //  borrowed; NULL in a broker that keeps none
    uint64_t rights_commit; //  the newest one that changes them
    zb_journal_t journal;

    zb_merge_t merge;
    zb_engine_stats_t stats;
};

#endif
