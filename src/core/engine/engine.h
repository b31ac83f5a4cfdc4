/*  =========================================================================
    engine - sessions, producers and queues behind one function per event

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The engine is what an active broker does, as a value: requests, finished reads,
    durable commits and the clock go in; replies, reads and batches come out and are
    taken with zb_engine_reply, _read and _batch.  It opens nothing, waits for
    nothing and knows no time but the `now` it is given (monotonic milliseconds).
    A passive broker's engine is idle and empty: all its memory comes from the
    tables, lazily, so that taking over does not depend on the backlog.

    Order of a turn:  events -> zb_engine_batch while the store takes one ->
    zb_engine_read until NULL -> zb_engine_reply until NULL.

    What always holds; tests and assertions cite the numbers:

    I1  What depends on a commit is answered or shown only when that commit is released, and nothing is before the
        first commit of the lead, which raises the epoch, is.
    I2  A message has at most one lease.
    I3  A message that is done is never ready again: its bit, or the erase of its row, is in a batch before or with
        the commit that its acknowledgement's answer waits for.
    I4  What the store has not got yet is in memory: rows, queues and producers leave it only when the batch that
        writes them was taken.  So no read brings an older state back.
    I5  A queue's window is the head of its log without a gap: ids up to `reach` are in memory or gone.
    I6  Ids ascend: in a PUT, in a row, in a queue, from epoch to epoch, but for rows that a replay brings: they go where
        their ids belong.  None is given twice.
    I7  A bitmap row exists only while its log row does.  All of that may be done.
    I8  A producer's number belongs to one PUT.  It is used by the PUT that is stored, never by one that is refused.
    I9  Rows up to a tombstone's mark are gone, whoever reads the store; the tombstone goes when they do.
    I10 Memory is bounded: sessions and queues by their limits, rows by limits.window and limits.windows, what waits
        by limits.waiting, producers at rest by ZB_PRODUCERS_KEPT, commits on their way by limits.inflight.  So is the store:
        queues and names of producers by their limits, but for what a replay brings.
    I11 While this broker answers alone, what is done of messages that are older than its epoch and leaves the log is
        in the journal, in the same commit: after a split the other side can be told.  What the peer may lack when
        this broker goes alone is put there before the first OK solo.  While a peer follows, so is what is done of its
        own epoch.
    I12 An item of a replay and its number are in one commit.  Nothing is answered for an id of an epoch that this store
        does not know.
    I13 While the peer may lead, a GET is given messages only after the peer was known to have followed since the GET
        came (barrier.c).
*/

#ifndef ZB_ENGINE_H_INCLUDED
#define ZB_ENGINE_H_INCLUDED

#include "core/base/batch.h"
#include "core/base/lineage.h"
#include "core/rights/rights.h"
#include "core/wire/reply.h"
#include "core/wire/token.h"

typedef struct zb_engine zb_engine_t;

//  When may what is written be answered and shown?  The role decides.
typedef enum {
    ZB_RELEASE_HOLD, //  not now: nothing that depends on the store is answered or delivered
    ZB_RELEASE_BOTH, //  durable here and on the peer
    ZB_RELEASE_HERE  //  durable here
} zb_release_t;

//  `limits` is copied; node is 1 for the primary or a broker without a pair, 2 for the backup.
zb_engine_t *zb_engine_new (const zb_limits_t *limits, unsigned node);
void zb_engine_destroy (zb_engine_t **self_p);
//  From now on these are the limits, copied.  What is beyond one already stays, and nothing is added.
void zb_engine_limits (zb_engine_t *self, const zb_limits_t *limits);

//  Starts to serve from a store whose newest commit is `commit`, in `epoch` (less than 2^ZB_EPOCH_BITS, ids carry it),
//  which is larger than all before.  The engine is empty before; release is HOLD until zb_engine_release says otherwise.
//  The first commit is made even if nothing is written, and nothing is answered or delivered before it is released.
void zb_engine_lead (zb_engine_t *self, uint64_t epoch, uint64_t commit, const uint8_t secret[ZB_SECRET_SIZE]);
//  From now on ids carry this epoch, which is larger than the last.  The next commit that zb_engine_batch returns and
//  all later ones belong to it; there is such a commit even if nothing else is written.  A token carries the epoch of
//  the commit that it names.
void zb_engine_epoch (zb_engine_t *self, uint64_t epoch);
//  What this store has lived through and absorbed, to be told after LEAD and EPOCH and whenever it changes; until then
//  every epoch counts as known.
void zb_engine_lineage (zb_engine_t *self, const zb_lineage_t *lineage);
//  Whether what is done of older messages is kept for the peer.  After LEAD: off.  To be told after LEAD, after EPOCH,
//  in the same turn, and when `alone` is off the disk.
typedef enum {
    ZB_KEEP_OFF,  //  no: there is no peer
    ZB_KEEP_NOTE, //  it is remembered until its commit is released: this broker may go alone any time
    ZB_KEEP_WRITE //  it goes to the journal, what is remembered first
} zb_keep_t;
void zb_engine_keep (zb_engine_t *self, zb_keep_t keep);
//  Whether the peer follows this store, whatever it lacks yet: what is committed goes to it, maybe before it is on this disk.
void zb_engine_peer_follows (zb_engine_t *self, bool follows);
//  True once when all that the loser of a split has was taken: its lineage.  The caller writes the lineage with these
//  epochs absorbed before it takes the next batch (zb_engine_meta), and tells it with zb_engine_lineage.
bool zb_engine_absorbs (zb_engine_t *self, zb_lineage_t *loser);
//  Puts a row of the meta table into the next commit that zb_engine_batch returns.
void zb_engine_meta (zb_engine_t *self, const char *key, const void *value, size_t size);
//  Sets the rule, and what OK and MSG say from now on of what they confirm; tokens say `alone` while it is SOLO.
//  Releases what the new rule allows.
void zb_engine_release (zb_engine_t *self, zb_release_t rule, zb_durable_t durable);
//  The level of the store (core/base/level.h), which says what may be written: after LEAD, and when it has risen.
//  Until it is told, the highest.
void zb_engine_level (zb_engine_t *self, unsigned level);
//  Ms since 1970, as the machine's clock says, and monotonic ms: rows of the log say when they were begun, in the time
//  of the pair (core/base/pairtime.h).  To be told once a turn.
void zb_engine_time (zb_engine_t *self, int64_t wall, int64_t now);
//  What a heartbeat of the peer's says of the pair's time (0: nothing) and of its machine's clock (0: nothing), when ours
//  says `wall`.  Also while this broker does not lead.
void zb_engine_peer_time (zb_engine_t *self, uint64_t time, uint64_t peer, int64_t wall);
//  The pair's time, as far as it is known here.
uint64_t zb_engine_pair_time (const zb_engine_t *self);
//  Whether nothing is removed by time now: a lead has just begun, or the two clocks are known to differ.
bool zb_engine_rests (const zb_engine_t *self);
//  What KEY changes and tells; borrowed.  The caller fills it from the store's row before LEAD, and asks it for each
//  request before zb_engine_request.
void zb_engine_rights (zb_engine_t *self, zb_rights_t *rights);
//  The broker's endpoints as HELLO's OK tells them (copied; "" for unknown).
void zb_engine_endpoints (zb_engine_t *self, const char *active, const char *passive);
//  Nothing is answered for now, and nobody knows for how long: HELLOs that wait get 503 with this text, so that their
//  clients look for the other broker.
void zb_engine_withhold (zb_engine_t *self, const char *why);
//  While full, PUT and QUEUE are refused with 507; everything else goes on.
void zb_engine_full (zb_engine_t *self, bool full);
//  Stops to serve: parked GETs are answered PASSIVE with `active` (may be ""), requests whose commit is on its way
//  get PASSIVE as well (the client resends), all memory of sessions, queues and producers is dropped.
void zb_engine_stop (zb_engine_t *self, const char *active);
bool zb_engine_leads (const zb_engine_t *self);
//  The newest message id that was given.
uint64_t zb_engine_newest (const zb_engine_t *self);
//  NULL; or a text: the store holds a row that no broker of this format can have written.  Nothing is done any more
//  then, the caller must end the process (exit code ZB_EXIT_DAMAGED).
const char *zb_engine_fault (const zb_engine_t *self);
//  Whether so much waits for the store, or so much was done in this turn, that the caller does better not to read more
//  requests for now.  It may; what goes beyond limits.waiting is refused with 503.  A turn lasts from one zb_engine_tick
//  to the next.
bool zb_engine_busy (const zb_engine_t *self);

//  A question to the peer, that is to be sent now: it is answered when a passive peer echoes a heartbeat that was sent
//  after this call.  GETs wait for that.  0 = none; one at a time.
uint64_t zb_engine_question (zb_engine_t *self);
//  The newest question that was answered, as often as the caller likes.  Only while zb_engine_leads.
void zb_engine_answered (zb_engine_t *self, uint64_t question, int64_t now);
//  Whether the peer owes such an answer.
bool zb_engine_asks (const zb_engine_t *self);

//  A request; all that it points to is borrowed for the call, and the ids that it names are joined in their place.  Only
//  while zb_engine_leads.  Requests of STATUS and PING are the caller's.
//  A request whose queue or producer is not in memory yet waits, and with it all later ones of its session.
void zb_engine_request (zb_engine_t *self, const zb_request_t *request, int64_t now);
//  A finished read comes back; takes ownership.  Reads of an earlier lead are recognized and dropped.
void zb_engine_loaded (zb_engine_t *self, zb_read_t **read_p, int64_t now);
//  Commits up to `here` are durable on this broker, up to `there` on the peer.  Neither ever falls within one lead,
//  except `there`, which starts again at 0 with every session of the link.
void zb_engine_durable (zb_engine_t *self, uint64_t here, uint64_t there, int64_t now);
//  Time passes: leases end, GETs give up, idle sessions and producers are forgotten; what has given way to others goes
//  on.  Returns the time of the next call that makes sense, INT64_MAX if none.
int64_t zb_engine_tick (zb_engine_t *self, int64_t now);
//  The connection with this routing id has ended.  Its session and its parked GETs end at once.  What it has sent and what
//  was taken, PUTs for one, is done all the same.  What was delivered to it goes to others after the grace of its queue,
//  or at once when a HELLO with its name comes.  The caller has read before what came over the connection, if it can; what
//  comes later is answered 401.
//  Visits that requests of this client have made since it was asked last, about.
size_t zb_engine_worked (zb_engine_t *self, zb_frame_t routing);
void zb_engine_gone (zb_engine_t *self, zb_frame_t routing, int64_t now);
//  The client with this routing id may not be here any more: its session, its parked GETs and its leases end at once,
//  and what it has asked and was not begun is not done.
void zb_engine_expel (zb_engine_t *self, zb_frame_t routing, int64_t now);
//  The client with this routing id may do less than before, and has to ask again: its session ends as with its connection,
//  and what it waits for, or was not begun, is answered 401; a HELLO 503.
void zb_engine_dismiss (zb_engine_t *self, zb_frame_t routing, int64_t now);
//  The messages of this reply can't be sent: the client does not read.  The leases of a MSG return to the head of their
//  queue, and the session's GETs that wait are answered without a message.
void zb_engine_undelivered (zb_engine_t *self, const zb_reply_t *reply, int64_t now);

//  Closes the batch that is being filled and returns it, numbered; NULL if there is nothing to write or
//  limits.inflight commits are not durable here yet.  The caller owns the batch and destroys it when it is durable
//  here.  While the rule is BOTH, commits that are not durable there count as in flight, too.  A batch goes to the
//  store before any read that is taken later: the engine relies on that such a read sees it.
zb_batch_t *zb_engine_batch (zb_engine_t *self);
//  The next read for the store; NULL if none.  The caller passes it on and brings it back with zb_engine_loaded.
zb_read_t *zb_engine_read (zb_engine_t *self);
//  The next reply to send; NULL if none.  The caller destroys it.
zb_reply_t *zb_engine_reply (zb_engine_t *self);

//  Figures for STATUS.
typedef struct {
    uint64_t epoch, commit, synced_here, synced_there, released;
    size_t sessions, queues, producers, parked, waiting;
    uint64_t names; //  of producers, that the store keeps
    uint64_t puts, messages_in, messages_out, acked, duplicates, refused, expired;
    uint64_t lapsed;  //  messages that were dropped since their time was over,
    uint64_t dropped; //  and since their queue was full
    uint64_t disused; //  queues and subscriptions that were deleted, since nobody has used them
    uint64_t time;  //  of the pair: ms since 1970; 0 = not known
    uint64_t apart; //  ms that the two machines' clocks differ, as it was heard last
    uint64_t rests; //  1: nothing is removed by time now
    uint64_t rejected;    //  messages that went to the dead letters, since a consumer said so,
    uint64_t spent;       //  since they had had all their tries,
    uint64_t buried;      //  and since their queue was full;
    uint64_t dying;       //  and those that are to go there and have not yet
    uint64_t redelivered; //  of messages_out, those that were delivered before
    size_t window_bytes;
    size_t visited;                                   //  in one turn, the most: see ZB_TURN_VISITS
    uint64_t replayed, replayed_acks, replayed_twice; //  taken from the loser of a split: messages, acknowledgements of
                                                      //  earlier ones, and messages that were here already
    bool merging;                                     //  it sends now
} zb_engine_stats_t;
void zb_engine_stats (const zb_engine_t *self, zb_engine_stats_t *stats);
//  A session, for CLIENTS.
typedef struct {
    uint64_t number;      //  from 1, in the order in which they began; as zb-by of PEEK
    zb_frame_t routing;   //  borrowed, as the name, until the next event
    zb_frame_t name;      //  of its consumer and producer, empty = none
    int64_t age, silent;  //  ms since it began, and since it said something
    bool gone;            //  its connection has ended: what it has leased waits for its grace
    size_t gets;          //  that are not answered yet
    uint64_t leased;      //  messages
    size_t puts;          //  in flight, of its name
} zb_engine_client_t;
//  The sessions behind this number whose names fit the pattern, at most `max`; returns how many.  Looks at ZB_CLIENTS_LOOKED at
//  most; *next is where it goes on, 0 at the end.
size_t zb_engine_clients (zb_engine_t *self, zb_frame_t pattern, uint64_t after, zb_engine_client_t *client, size_t max,
                          uint64_t *next);
//  Whether somebody waits for an answer that only the store or the peer can bring (the pair probes only then).
bool zb_engine_client_waits (const zb_engine_t *self);
//  Whether it is an answer to more than a GET that has waited for something to become due, or to come back: that may as well be
//  another broker's.
bool zb_engine_owes (const zb_engine_t *self);
//  Whether the peer has asked to replay, as the loser of a split does, and is listened to only when this broker is alone.
//  If it has come in sync meanwhile it waits no more: its store was fetched anew, or was level after all.
bool zb_engine_loser_waits (const zb_engine_t *self);

#endif
