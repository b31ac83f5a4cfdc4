/*  =========================================================================
    engine_self - what the files that make up the engine do for one another

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    engine.c   its life, what it is told, the order of a turn
    commits.c  commits, from the first byte to their release
    replies.c  replies, and what they wait for
    stopping.c this broker leads no more
    verbs.c    what each request does
    putting.c  PUT
    acking.c   acknowledgements, also of messages that are on disk only
    pinning.c  what a PUT acknowledges, or a REJECT moves: read, pinned and checked before anything is written
    moving.c   messages that go to another queue: REJECT, MOVE
    resting.c  messages that were tried without success
    dying.c    messages that have had all their tries: max-deliveries
    holding.c  queues that are one consumer's at a time: mode=exclusive
    keying.c   queues whose messages go by their key: mode=key
    giving.c   GETs, deliveries and leases
    barrier.c  what a GET must know first: that this broker still leads
    expiring.c messages whose time is over
    throttling.c PUTs that let acknowledgements go first
    fitting.c  what a PUT gets that is beyond its queue's limits
    deduping.c PUTs that were stored before, by their message-id
    disusing.c queues and subscriptions that nobody uses
    delaying.c messages that are not due yet
    granting.c KEY, and the end of who was revoked
    loads.c    what is read from the store, and who waits for it
    topics.c   topics and subscriptions: made, deleted, read
    reading.c  READ
    seeking.c  positions in a topic, and SEEK
    sweeping.c marks of subscriptions that nobody gets from
    retaining.c what topics that keep all remove
    list.c     LIST
    peeking.c  PEEK
    roster.c   CLIENTS
    journal.c  what is done of older messages, kept for the peer
    merge.c    what the loser of a split has, taken item by item
    leaving.c  sessions whose connections have ended, that are idle, or that are too many
    upkeep.c   what nobody asked for: space of purged messages, names that are not used any more

    The engine's fields are in engine_parts.h.  Nobody else includes this header.
*/

#ifndef ZB_ENGINE_SELF_H_INCLUDED
#define ZB_ENGINE_SELF_H_INCLUDED

#include "core/engine/engine_parts.h"

//  engine.c
//  Stops everything: the store holds what no broker of this format has written.
void zb_engine_fail (zb_engine_t *self, const char *fault);
//  Takes note of the time of an event.
void zb_engine_now (zb_engine_t *self, int64_t now);
//  How many visits a step that begins now may make; 0 = it waits for the next turn.
size_t zb_engine_budget (const zb_engine_t *self);
//  Whether what was begun in earlier turns goes on in this one: half of it is for new requests.
bool zb_engine_goes_on (const zb_engine_t *self);
//  So many were made.
void zb_engine_visited (zb_engine_t *self, size_t visits);
//  The form of rows of the log that this store's level has.
unsigned zb_engine_row_form (const zb_engine_t *self);
//  Milliseconds for which the store has been led.
uint64_t zb_engine_uptime (const zb_engine_t *self);

//  commits.c
//  The commit with this number, which is not released.
zb_commit_t *zb_engine_commit (zb_engine_t *self, uint64_t number);
//  The commit that goes to the store next.
zb_commit_t *zb_engine_next (zb_engine_t *self);
//  Begins to fill the next one.
void zb_engine_fill_next (zb_engine_t *self);
//  Closes the commit that is being filled if it is large: commits are small while the store can't take them.
void zb_engine_close_large (zb_engine_t *self);
//  Destroys a commit whose replies and GETs have been answered.
void zb_engine_drop_commit (zb_engine_t *self, zb_commit_t **commit_p);
//  The next batch writes this queue's, this producer's rows.
void zb_engine_touch_queue (zb_engine_t *self, zb_queue_t *queue);
void zb_engine_touch_producer (zb_engine_t *self, zb_producer_t *producer);

//  replies.c
//  Whether what depends on this commit may be said now.
bool zb_engine_may (const zb_engine_t *self, uint64_t commit);
//  Gives a reply out as soon as `commit` is released (0: as soon as anything is).  Takes ownership.
void zb_engine_give (zb_engine_t *self, zb_reply_t **reply_p, uint64_t commit);
//  Gives it out now.
void zb_engine_give_now (zb_engine_t *self, zb_reply_t **reply_p);
//  What it confirms would be true if the peer had followed (zb_engine_prove_gone), and this broker has gone alone.
bool zb_engine_refuted (const zb_engine_t *self, const zb_reply_t *reply);
//  All that wait on this ring; those that were held back, if that may be now.
void zb_engine_give_all (zb_engine_t *self, zb_ring_t *ring);
void zb_engine_give_withheld (zb_engine_t *self);
//  Those that wait on this ring become PASSIVE, which names the active broker, and go out now.
void zb_engine_turn_replies (zb_engine_t *self, zb_ring_t *ring, const char *active);
//  Makes the token that replies carry from now on: that of the newest commit that is released.
void zb_engine_token (zb_engine_t *self);

//  verbs.c
//  Handles a request; returns what it must wait for, NULL if it is done.
zb_load_t *zb_engine_run (zb_engine_t *self, zb_task_t *task);
//  Gives a refusal out, as soon as `commit` is released, or now if it depends on nothing (ZB_NOW).
#define ZB_NOW UINT64_MAX
void zb_engine_refuse (zb_engine_t *self, const zb_address_t *to, unsigned code, const char *text, uint64_t commit);
//  The same with a refusal that was made.  Takes ownership.
void zb_engine_give_refusal (zb_engine_t *self, zb_reply_t *reply, uint64_t commit);
//  Finds a queue: returns NULL and the queue, or NULL and no queue if there is none of this name; else what to wait for.
zb_load_t *zb_engine_queue (zb_engine_t *self, zb_frame_t name, zb_queue_t **queue);
//  The same for verbs that need one: answers 404 if there is none.
zb_load_t *zb_engine_known_queue (zb_engine_t *self, const zb_task_t *task, zb_queue_t **queue);
//  The same for a producer: it is always found.
zb_load_t *zb_engine_producer (zb_engine_t *self, zb_frame_t name, zb_producer_t **producer);
//  The instance has the producer's name.  Only with the name's first PUT is that written.
void zb_engine_own (zb_engine_t *self, zb_producer_t *producer, uint64_t instance);
//  Whether one more queue, topic or subscription is allowed.  One that was deleted counts until its tombstone is gone, so
//  that nobody makes more of these than are freed; not in a replay.
bool zb_engine_queue_fits (const zb_engine_t *self);
//  Makes a queue of which there is none; its options are to be set and written.
zb_queue_t *zb_engine_new_queue (zb_engine_t *self, zb_frame_t name);
//  The same for a topic, and (topic not NULL) for a subscription of it, which begins behind everything.
zb_queue_t *zb_engine_new_topic (zb_engine_t *self, zb_frame_t name, zb_queue_t *topic);
void zb_engine_write_queue (zb_engine_t *self, zb_queue_t *queue);
//  Deletes it with its messages.
void zb_engine_delete_queue (zb_engine_t *self, zb_queue_t *queue);
//  Its messages are gone, and what waits for it is answered; the rows of a topic's log are not buried.
void zb_engine_drop_queue (zb_engine_t *self, zb_queue_t *queue);
//  The same, and the journal does not say it.
void zb_engine_remove_queue (zb_engine_t *self, zb_queue_t *queue);
//  Ends a session.
void zb_engine_forget_session (zb_engine_t *self, zb_session_t *session);
//  OK that confirms what is in the commit.
void zb_engine_confirm (zb_engine_t *self, const zb_task_t *task, uint64_t commit);

//  From here on a part of the task may be done: it acknowledges its ids from the first one on.  Not joined, those that were
//  named one by one stay apart from a range.
void zb_engine_begin (zb_task_t *task, bool joined);
//  Whether one more GET may not wait; then it is answered, and nothing of it is done.
bool zb_engine_too_many (zb_engine_t *self, const zb_task_t *task);

//  putting.c
zb_load_t *zb_engine_put (zb_engine_t *self, zb_task_t *task);

//  moving.c
zb_load_t *zb_engine_reject (zb_engine_t *self, zb_task_t *task);
zb_load_t *zb_engine_move (zb_engine_t *self, zb_task_t *task);
//  Whether so many messages may be put there, however full the target is; it may have to be made first (NULL).  The code of
//  what is wrong, or 0.
unsigned zb_engine_may_move (const zb_engine_t *self, const zb_queue_t *target, uint64_t count, const char **why);
//  Makes the queue that dead letters go to.
zb_queue_t *zb_engine_make_dead (zb_engine_t *self, zb_frame_t name);
//  Puts a message of the view into the target: as a dead letter of this queue that was tried so often, or (reason NULL) as one
//  that is none.
void zb_engine_put_moved (zb_engine_t *self, zb_queue_t *target, const zb_queue_t *queue, const zb_view_t *view,
                          uint32_t number, const char *reason, uint32_t tries);
//  Whether these are properties of a dead letter.
bool zb_engine_is_dead (zb_frame_t properties);

//  leaving.c
//  The session's connection has ended and its last task is done: its leases end after the grace of their queues.
void zb_engine_depart (zb_engine_t *self, zb_session_t *session);
//  What was left of that for this turn; whether there is more.
bool zb_engine_depart_on (zb_engine_t *self);
//  The leases of a session that is gone have ended.
void zb_engine_departed (zb_engine_t *self, zb_session_t *session);
//  Makes room for one more session, if there is one that holds nothing and waits for nothing.
bool zb_engine_put_out (zb_engine_t *self);
//  Sessions that are idle; returns when to call again.
int64_t zb_engine_end_idle (zb_engine_t *self);

//  acking.c
//  Acknowledges joined spans for a task; returns what it must wait for, NULL if it is done.  The spans are the same ones
//  when the task goes on.
zb_load_t *zb_engine_ack (zb_engine_t *self, zb_queue_t *queue, zb_task_t *task, const zb_span_t *span, size_t spans);
//  The same of a queue that is no shared one, as a whole or not at all: each that is named is not done, and leased by the
//  session or by nobody; of a range that is asked of its ends, and between none is another's.  *refused: it was answered.
zb_load_t *zb_engine_ack_strictly (zb_engine_t *self, zb_queue_t *queue, zb_task_t *task, bool *refused);
//  Takes those that the session holds back, for now or for a while, or extends their lease; task->held is how many of
//  them it held.
zb_load_t *zb_engine_held (zb_engine_t *self, zb_queue_t *queue, zb_task_t *task);

//  The same for those that are all in memory, in one step.
void zb_engine_ack_now (zb_engine_t *self, zb_queue_t *queue, const zb_span_t *span, size_t spans);

//  throttling.c
//  Its acknowledgements are safe: whether more is ready than its consumer asks for.
void zb_engine_find_lag (zb_engine_t *self, const zb_get_t *get);
//  Whether this PUT is to wait on self->throttled, since consumers would wait behind it, or because others wait there.
bool zb_engine_throttles (const zb_engine_t *self, const zb_task_t *task);
//  Those that have waited go on, one of each client in turn, as far as there is room.
void zb_engine_put_on (zb_engine_t *self);
//  When that has something to do, if no release says so before; INT64_MAX: nothing waits.
int64_t zb_engine_put_at (const zb_engine_t *self);

//  resting.c
//  Where messages go that were tried without success: by how often they were.
#define ZB_RESTS 33
typedef struct {
    zb_engine_t *engine;
    zb_queue_t *queue;
    bool told; //  all to lease[0], be it none;
    zb_lease_t *lease[ZB_RESTS];
    zb_lease_t *doom; //  but what dies to this one
} zb_rests_t;
//  A lease of nobody's, for messages of the queue that rest until then.
zb_lease_t *zb_engine_rest_until (zb_engine_t *self, zb_queue_t *queue, int64_t when);
//  Whether the queue counts tries.
bool zb_engine_counts (const zb_queue_t *queue);
//  Where a message goes after so many tries, but not to its death; NULL: nowhere, it is ready.
zb_lease_t *zb_engine_rest_after (zb_rests_t *rests, uint32_t tries);
//  For the cursor; `context` is a zb_rests_t.
zb_lease_t *zb_engine_rest (void *context, uint32_t tries);
//  The lease has ended, and nobody has said why: what it covers was tried without success.  Does not serve.
void zb_engine_tried (zb_engine_t *self, zb_lease_t *lease);

//  dying.c
//  A lease of nobody's, for messages of the queue that die: they go to the dead letters in this turn or the next ones.
zb_lease_t *zb_engine_doom (zb_engine_t *self, zb_queue_t *queue);
//  Has some of them go; returns when to call again.
int64_t zb_engine_die (zb_engine_t *self);
//  The session that waits for what is read for that; NULL if there is none.
bool zb_engine_is_undertaker (const zb_engine_t *self, const zb_session_t *session);
//  How many wait, of all queues.
uint64_t zb_engine_dying (const zb_engine_t *self);
//  This broker leads no more.
void zb_engine_stop_dying (zb_engine_t *self);

//  holding.c
//  The parked GET that is served next, NULL if none may be; there is one.
zb_get_t *zb_engine_first_get (zb_engine_t *self, zb_queue_t *queue);
//  One more is parked.
void zb_engine_claim (zb_engine_t *self, zb_queue_t *queue, zb_session_t *session);
//  The queue, for which GETs are parked, becomes the next one's if it is nobody's.  False if something of whose it was before
//  is left for the next turn.
bool zb_engine_elect (zb_engine_t *self, zb_queue_t *queue);
//  What it goes by may have changed.
void zb_engine_watch_hold (zb_engine_t *self, zb_queue_t *queue);
//  Something is delivered as its holder's: the lease, and the number by which others know that.
uint64_t zb_engine_lend (zb_engine_t *self, zb_queue_t *queue, zb_lease_t *lease);
//  Whether a lease whose end has come ends the holding, too; after that is done, its holder has lost it.
bool zb_engine_lease_holds (const zb_lease_t *lease);
void zb_engine_oust (zb_engine_t *self, zb_queue_t *queue);
//  The queue's timer.
void zb_engine_hold_over (zb_engine_t *self, zb_queue_t *queue);
//  The session ends, or has another name.
void zb_engine_let_hold (zb_engine_t *self, zb_session_t *session);
//  The queue is nobody's any more: it ends, or changes its mode.
void zb_engine_stop_hold (zb_engine_t *self, zb_queue_t *queue);

//  pinning.c
typedef enum {
    ZB_PIN_WHOLE, //  of all ids it is known what became of them
    ZB_PIN_GONE,  //  strict: one of them is of no message that is not done
    ZB_PIN_LARGE  //  their rows take too much memory
} zb_pinned_t;
//  Brings the rows of a task's ids, which are joined, into memory.  Returns what it must wait for; NULL and the result.
//  They stay there until the task is done.  Strict: those that have to be read, and the first that is found to be gone ends
//  it; else all that are there, from the first call on.
zb_load_t *zb_engine_pin (zb_engine_t *self, zb_queue_t *queue, zb_task_t *task, bool strict, zb_pinned_t *result);
//  The session's task is done.
void zb_engine_unpin (zb_engine_t *self, const zb_session_t *session);
//  Whether all of them are not done, and leased by the task's session or by nobody.  Their rows are in memory.
bool zb_engine_may_ack (zb_engine_t *self, const zb_queue_t *queue, const zb_task_t *task);

//  giving.c
//  Takes a GET on, or (of a topic) a READ of what is behind task->next.  With `commit` it waits for this one first and then
//  not any longer.
void zb_engine_get (zb_engine_t *self, zb_queue_t *queue, const zb_task_t *task, uint64_t commit);
//  The commit that the GET has waited for is released.
void zb_engine_got (zb_engine_t *self, zb_get_t *get);
//  Answers a GET with what its reply holds by now.
void zb_engine_end_get (zb_engine_t *self, zb_get_t *get);
//  Answers it PASSIVE.
void zb_engine_turn_get (zb_engine_t *self, zb_get_t *get, const char *active);
//  Answers the parked GETs of a session, of this queue or (NULL) of all, without a message.
void zb_engine_end_gets (zb_engine_t *self, zb_session_t *session, const zb_queue_t *queue);
//  Refuses all GETs of a session.
void zb_engine_refuse_gets (zb_engine_t *self, zb_session_t *session, unsigned code, const char *why);
//  Drops all GETs of a session.
void zb_engine_drop_gets (zb_engine_t *self, zb_session_t *session);
//  Refuses the parked GETs of a queue that was deleted, in this turn and the next ones.
void zb_engine_end_queue (zb_engine_t *self, zb_queue_t *queue);
//  Delivers what the parked GETs of this queue can have.
void zb_engine_serve (zb_engine_t *self, zb_queue_t *queue);
//  It is served on in the next turn.
void zb_engine_serve_later (zb_engine_t *self, zb_queue_t *queue);
//  The same for all queues, in this turn and the next ones.
void zb_engine_serve_all (zb_engine_t *self);
//  What was left for this turn.
void zb_engine_serve_on (zb_engine_t *self);
//  A parked GET's time is over: it takes what is ready, or is answered without a message when no load is under way.
void zb_engine_late (zb_engine_t *self, zb_get_t *get);
//  A message of this number in its row, for a reply.  It holds the row.
zb_delivery_t zb_engine_delivery (const zb_places_t *places, uint32_t number, zb_frame_t properties);
//  Says of a message of a topic, with this number in its row, which one of the topic it is, and when it was put.
void zb_engine_mark (zb_delivery_t *delivery, uint32_t number);
//  Whether so many bytes more fit into memory, if rows of other queues are dropped.
bool zb_engine_has_room (zb_engine_t *self, zb_queue_t *queue, size_t chunk);
//  Whether one more read of the queue's window fits into memory, and may be made now.
bool zb_engine_window_fits (const zb_engine_t *self, const zb_queue_t *queue);
//  The same for what is due, of about so many bytes.
bool zb_engine_due_fits (zb_engine_t *self, zb_queue_t *queue, size_t bytes);
//  Has the window read on when little of it is left to be delivered, and there is room.
void zb_engine_read_ahead (zb_engine_t *self, zb_queue_t *queue);
//  The same for who can do nothing with what is in memory, as consumers have it.
void zb_engine_read_past (zb_engine_t *self, zb_queue_t *queue);
//  How long a lease of this queue is.
int64_t zb_engine_lease (const zb_engine_t *self, const zb_queue_t *queue);
//  Bytes that one read of a window brings, about.
size_t zb_engine_chunk (const zb_engine_t *self);
//  Puts what a lease covers back.  Does not serve.
void zb_engine_return (zb_engine_t *self, zb_lease_t *lease);
//  All leases of a session.
void zb_engine_return_all (zb_engine_t *self, zb_session_t *session);

//  expiring.c
//  Drops what would be delivered next though its time is over.  Whether there is a message then that may be delivered; if
//  not, and some are ready, there was no budget left.
bool zb_engine_fresh (zb_engine_t *self, zb_queue_t *queue);
//  The same for a PUT to a queue that has no room for it: what it must wait for, or NULL.
zb_load_t *zb_engine_make_room (zb_engine_t *self, zb_queue_t *queue);
//  What a broker removes by itself of a queue goes to no journal.  But what was acknowledged of a row is told when it is gone.
typedef struct {
    zb_engine_t *engine;
    zb_queue_t *queue;
    const zb_view_t *view; //  the newest row of which something was dropped,
    zb_spans_t acked;      //  and what of it was done before; to be cleared
} zb_drops_t;
//  Drops a message that is ready.  The view may be gone then.
void zb_engine_drop (zb_drops_t *self, zb_view_t *view, uint32_t number);

//  fitting.c
//  How much a queue would be beyond its limits.
typedef struct {
    uint64_t messages;
    uint64_t bytes;
} zb_excess_t;
//  With this PUT, and when what it acknowledges, which is in memory, is done if that is of this queue (`acked`).
zb_excess_t zb_engine_excess (const zb_engine_t *self, const zb_queue_t *queue, const zb_request_t *request,
                              const zb_queue_t *acked);
//  Whether it fits: returns what it must wait for, or NULL.  *fits: it does, when up to the id *drops all that is ready and not
//  acknowledged by it is dropped (0: nothing); else it was answered.
zb_load_t *zb_engine_fit (zb_engine_t *self, zb_task_t *task, zb_queue_t *queue, const zb_queue_t *acked, bool *fits,
                          uint64_t *drops);
//  Drops that.
void zb_engine_drop_oldest (zb_engine_t *self, zb_queue_t *queue, const zb_request_t *request, const zb_queue_t *acked,
                            uint64_t last);
//  Bytes that a queue has room for, as far as its max-bytes says.
uint64_t zb_engine_bytes_left (const zb_queue_t *queue);

//  deduping.c
//  What is remembered of the queue's PUTs is to be in memory: returns what must be waited for, NULL if it is, in this step.
zb_load_t *zb_engine_know_seen (zb_engine_t *self, zb_queue_t *queue);
//  The same, and the PUT of this message-id, or NULL: it is a new one.
zb_load_t *zb_engine_find_seen (zb_engine_t *self, zb_queue_t *queue, zb_frame_t id, const zb_seen_t **found);
//  The new PUT of this message-id is stored as the piece says, in the commit that is being filled.
void zb_engine_remember (zb_engine_t *self, zb_queue_t *queue, zb_frame_t id, const zb_piece_t *piece,
                         const zb_frame_t *body, size_t bodies);
//  Whether a piece of a row that a replay brings is of a PUT that is here; and it is not, and was taken.  What is remembered is in
//  memory.
bool zb_engine_seen_twice (const zb_engine_t *self, const zb_queue_t *queue, const zb_row_t *row,
                           const zb_piece_t *piece);
void zb_engine_remember_replayed (zb_engine_t *self, zb_queue_t *queue, const zb_row_t *row, const zb_piece_t *piece);
//  The rows that were read for that; returns whether the load is finished.
bool zb_engine_have_seen (zb_engine_t *self, zb_load_t *load, const zb_read_t *read);
//  The queue leaves memory, or is deleted.
void zb_engine_forget_seen (zb_engine_t *self, zb_queue_t *queue);
//  Those leave memory that are too many.
void zb_engine_shrink_seen (zb_engine_t *self);

//  disusing.c
//  Somebody uses it now.
void zb_engine_used (const zb_engine_t *self, zb_queue_t *queue);
//  All that there is counts as used now: clients of the peer's come.
void zb_engine_use_all (zb_engine_t *self);
//  It is in memory, or has other options than before.
void zb_engine_watch (zb_engine_t *self, zb_queue_t *queue);
//  Its time may be over.
void zb_engine_disused (zb_engine_t *self, zb_queue_t *queue);
//  There is a queue or subscription of this name whose dead letters go where its row says: that stays.
void zb_engine_spare (zb_engine_t *self, zb_frame_t name, const zb_queue_row_t *row);
//  Deletes those that nobody uses; returns when to call again.
int64_t zb_engine_disuse (zb_engine_t *self);
//  Rows of queues that were read for that; false if one is malformed.
bool zb_engine_found_disused (zb_engine_t *self, const zb_read_t *read);
//  This broker leads no more.
void zb_engine_stop_disuse (zb_engine_t *self);

//  delaying.c
//  The time by which messages are due; 0 = it is not known.
uint64_t zb_engine_due_time (const zb_engine_t *self);
//  When what is put with these properties is due: *due is 0 if it is at once.  Returns NULL, or why it is refused, and the code.
const char *zb_engine_due (const zb_engine_t *self, const zb_queue_t *queue, zb_frame_t properties, uint64_t *due,
                           unsigned *code);
//  Somebody gets from the queue: takes what is due, or waits for that.
void zb_engine_delay (zb_engine_t *self, zb_queue_t *queue);
//  Somebody gets, and nothing may be told: whether something may be due; else the lane's timer runs until then.
bool zb_engine_may_be_due (zb_engine_t *self, zb_queue_t *queue);
//  A read of a lane has the tombstone of its queue read, too.  *mark: messages up to this id are gone, as far as that read may
//  have seen them; false if the tombstone, which is in this range, is malformed.
void zb_engine_read_tomb (zb_load_t *load);
bool zb_engine_tomb (const zb_load_t *load, const zb_read_t *read, size_t range, uint64_t *mark);
//  Whether a message that such a read has found in the lane is one that may be told of.
bool zb_engine_is_laid (const zb_engine_t *self, const zb_queue_t *queue, uint64_t id, uint64_t mark);
//  Whether something that is due may be on its way, when zb_engine_delay was called.
bool zb_engine_delay_comes (const zb_engine_t *self, const zb_queue_t *queue);
//  The rows that were read for one of the two; false if one is malformed.
bool zb_engine_are_due (zb_engine_t *self, zb_load_t *load, const zb_read_t *read);
bool zb_engine_are_laid (zb_engine_t *self, zb_load_t *load, const zb_read_t *read);
//  Takes what a span of a task names of the lane out.  Returns what it must wait for, NULL if it is done.
zb_load_t *zb_engine_ack_laid (zb_engine_t *self, zb_queue_t *queue, zb_task_t *task, const zb_span_t *span);
//  What is due is to be in the log though nobody gets: returns what must be waited for, NULL if there is nothing that can be
//  taken now.  A task waits for one commit of it, and for another one if it needs more than what is ready.
zb_load_t *zb_engine_take_due (zb_engine_t *self, zb_queue_t *queue, zb_task_t *task, bool more);
//  Whether there may be more that is due, for which there was no room in memory.
bool zb_engine_leaves_due (const zb_engine_t *self, const zb_queue_t *queue);
//  Whether what has become due is on its way into the log: `shown` tells of its end.
bool zb_engine_inserts_due (const zb_engine_t *self, const zb_queue_t *queue);
//  Whether one of the ids that a task names, which are sorted, is in the lane: all, or of a range the first and the last, for a
//  range passes over what had a delay.  Returns what must be waited for; NULL, and *laid.
zb_load_t *zb_engine_named_laid (zb_engine_t *self, zb_queue_t *queue, zb_task_t *task, bool all, bool *laid);
//  Why something of the queue can't be told while rows that were inserted are not shown.
const char *zb_engine_unsure (const zb_engine_t *self, const zb_queue_t *queue);

//  ranking.c
//  Has rows read that go before what is in memory, if there may be such.
void zb_engine_read_ranks (zb_engine_t *self, zb_queue_t *queue);
//  One of its reads has come back: returns whether the load is finished.
bool zb_engine_ranks (zb_engine_t *self, zb_load_t *load, const zb_read_t *read);
void zb_fetch_destroy (struct zb_fetch **self_p);

//  topics.c
//  Answers TOPIC, and SUB.
zb_load_t *zb_engine_topic (zb_engine_t *self, zb_task_t *task);
zb_load_t *zb_engine_sub (zb_engine_t *self, zb_task_t *task);
//  How many bytes it may have.
uint64_t zb_engine_topic_bytes (const zb_engine_t *self, const zb_queue_t *topic);
//  Whether what is put into it is kept.
bool zb_engine_topic_stores (const zb_queue_t *topic);
//  Why a PUT to the topic is refused; NULL if it is not.
const char *zb_engine_topic_full (const zb_engine_t *self, const zb_queue_t *topic, const zb_request_t *request);
//  Delivers what is new in a topic to those of its subscriptions that rows are shown to.
void zb_engine_serve_topic (zb_engine_t *self, zb_queue_t *topic);
//  All that was put is done by the subscription, or by all of the topic's.
void zb_engine_purge_topic (zb_engine_t *self, zb_queue_t *queue);
//  Deletes a topic with its subscriptions, or a subscription.
void zb_engine_delete_topic (zb_engine_t *self, zb_queue_t *queue);
//  Makes a subscription of which there is none: its row says what it is, its birth and where it begins included.
zb_queue_t *zb_engine_begin_sub (zb_engine_t *self, zb_frame_t name, zb_queue_t *topic, const zb_queue_row_t *row,
                                 const zb_spot_t *spot);
//  Rows that no subscription waits for any more are to go.
void zb_engine_trim (zb_engine_t *self, zb_queue_t *topic);
//  The same, if the mark of the subscription has jumped.
void zb_engine_trim_jumped (zb_engine_t *self, zb_queue_t *sub);
//  The loser's topic, or subscription: *taken, or it was answered.
zb_load_t *zb_engine_merge_topic (zb_engine_t *self, const zb_task_t *task, const zb_item_t *item, bool *taken);
//  A load of a load's SUBS begins, and one of its reads has come back: returns whether it is done.
void zb_engine_load_subs (zb_engine_t *self, zb_load_t *load);
bool zb_engine_subs (zb_engine_t *self, zb_load_t *load, const zb_read_t *read);
void zb_subs_destroy (struct zb_subs **self_p);

//  reading.c
//  Answers READ.
zb_load_t *zb_engine_read_topic (zb_engine_t *self, zb_task_t *task);
//  A READ waits at its topic.
void zb_engine_park_reader (zb_queue_t *topic, zb_get_t *get);
//  Reads for those who wait at a topic, and answers who has waited long enough.
void zb_engine_serve_readers (zb_engine_t *self, zb_queue_t *topic);
//  The rows that were read for them; false if one is malformed.
bool zb_engine_have_read (zb_engine_t *self, zb_load_t *load, const zb_read_t *read);

//  seeking.c
//  Answers SEEK.
zb_load_t *zb_engine_seek (zb_engine_t *self, zb_task_t *task);
//  Finds a position in a topic: returns what to wait for, or NULL and the spot.  All of it is there, or will be.
zb_load_t *zb_engine_spot (zb_engine_t *self, zb_queue_t *topic, const zb_position_t *position, zb_spot_t *spot);
//  One of its reads has come back: returns whether it is done.
bool zb_engine_spotted (zb_engine_t *self, zb_load_t *load, const zb_read_t *read);
//  Why no position may be named so, and the code; NULL if it may.
const char *zb_engine_unknown_id (const zb_engine_t *self, const zb_position_t *position, unsigned *code);
//  Moves a subscription to a spot; `to` has its options, and its new birth.
void zb_engine_move_sub (zb_engine_t *self, zb_queue_t *sub, const zb_queue_row_t *to, const zb_spot_t *spot);

//  sweeping.c
//  There is such a subscription.
void zb_engine_filters (zb_engine_t *self, const zb_queue_t *sub);
//  Its mark passes what is done at its head, in the commit that is being filled.
void zb_engine_advance_sub (zb_engine_t *self, zb_queue_t *sub);
//  The same for those of a topic to which rows are shown.
void zb_engine_advance_subs (zb_engine_t *self, zb_queue_t *topic);
//  Looks for marks that hold back their topic without need; returns when to call again.
int64_t zb_engine_sweep_marks (zb_engine_t *self);
//  The rows that were read for that; false if one is malformed.
bool zb_engine_swept_rows (zb_engine_t *self, const zb_load_t *load, const zb_read_t *read);

//  retaining.c
//  Whether the topic keeps all may have changed.
void zb_engine_retention (zb_engine_t *self, zb_queue_t *topic);
//  Removes what is too old or too much; returns when to call again.
int64_t zb_engine_retain (zb_engine_t *self);
//  Whether what it stores is one row, by what is known of it: that does not go by its bytes before there is another one.
bool zb_engine_is_last (const zb_queue_t *topic);
//  Rows of queues that were read to find such topics; false if one is malformed.
bool zb_engine_found_retaining (zb_engine_t *self, const zb_read_t *read);
//  The first rows of a topic, which were read for that; false if one is malformed.
bool zb_engine_oldest (zb_engine_t *self, const zb_load_t *load, const zb_read_t *read);

//  granting.c
//  Answers KEY.
zb_load_t *zb_engine_key (zb_engine_t *self, zb_task_t *task);
//  Puts what is known of principals into the commit that is being filled.
void zb_engine_write_rights (zb_engine_t *self);

//  Whether the commit that is being filled writes something, so that it will be closed.
bool zb_engine_fills (const zb_engine_t *self);

//  keying.c
//  What messages that are done, or have come back, have blocked by their key is ready again; false: not all yet, in this turn.
bool zb_engine_settle (zb_engine_t *self, zb_queue_t *queue);
//  Whether what is next may be delivered: it has not expired, and no other one of its key is leased.  What may not is dropped, or
//  blocked.  False: none is ready any more, or this turn is over.
bool zb_engine_deliverable (zb_engine_t *self, zb_queue_t *queue);

//  barrier.c
//  Whether a GET that came in this moment may be given messages.
bool zb_engine_sure (const zb_engine_t *self, uint64_t since);
//  The queue's GETs wait until it is.
void zb_engine_doubt (zb_engine_t *self, zb_queue_t *queue);
//  Those that wait are served, or wait again.
void zb_engine_serve_unsure (zb_engine_t *self);
//  The peer followed after this moment.
void zb_engine_followed (zb_engine_t *self, uint64_t moment);

//  loads.c
//  A load of this kind and name; the same one while it is under way.
zb_load_t *zb_engine_load (zb_engine_t *self, zb_load_kind_t kind, zb_frame_t name);
//  The load of rows of the log that is under way, or of what is due: that would be in vain if rows were read beside it.
zb_load_t *zb_engine_reads (const zb_queue_t *queue);
//  A load of rows of the log, while there is no such load.
zb_load_t *zb_engine_load_rows (zb_engine_t *self, zb_queue_t *queue, zb_load_kind_t kind, uint64_t from,
                                uint64_t last);
//  Whether rows of the queue may be read for filters of clients; if not, it is served as soon as they may.
bool zb_engine_may_sift (zb_engine_t *self, zb_queue_t *queue);
//  What the filter of a subscription has cost counts, and is charged to who waits for its rows: the first whom the load (or
//  NULL) keeps waiting for what it acknowledges, or who gets.
void zb_engine_sifted (zb_engine_t *self, zb_queue_t *queue, const zb_load_t *load);
//  The LIST that is under way; one is started if there is none.
zb_load_t *zb_engine_load_list (zb_engine_t *self, const zb_request_t *request);
//  A load without a name that nobody waits for yet; the caller adds its ranges to load->read.
zb_load_t *zb_engine_load_new (zb_engine_t *self, zb_load_kind_t kind);
//  The load reads once more, as one of this kind; the caller adds its ranges to load->read.
void zb_engine_load_again (zb_engine_t *self, zb_load_t *load, zb_load_kind_t kind);
//  Answers more of those who wait for a LIST that is done.
void zb_engine_list_on (zb_engine_t *self);
//  A read has come back.
void zb_engine_take_load (zb_engine_t *self, const zb_read_t *read);
//  The session's first task waits for the load, or no more.
void zb_engine_wait (zb_engine_t *self, zb_session_t *session, zb_load_t *load);
void zb_engine_waited (zb_engine_t *self, zb_session_t *session);
//  All sessions that wait for one wait for the other one.
void zb_engine_wait_on (zb_engine_t *self, zb_load_t *from, zb_load_t *to);
//  Drops all of it.
void zb_engine_drop_loads (zb_engine_t *self);
//  The session's tasks go on until one has to wait or none is left.  The session may be gone then.
void zb_engine_go_on (zb_engine_t *self, zb_session_t *session);

//  journal.c
//  A row of the log is done, in the commit that is being filled; all that the queue has held is.
void zb_engine_note_done (zb_engine_t *self, zb_frame_t queue, uint64_t first, uint64_t last);
void zb_engine_note_all (zb_engine_t *self, zb_frame_t queue);
//  There is no such queue any more.
void zb_engine_note_deleted (zb_engine_t *self, zb_frame_t queue);
//  Erases some of the journal, if it is to be.
void zb_engine_clear_journal (zb_engine_t *self);
void zb_engine_cleared (zb_engine_t *self, const zb_read_t *read);

//  merge.c
//  Takes an item; returns what it must wait for, NULL if it is answered.
zb_load_t *zb_engine_replay (zb_engine_t *self, zb_task_t *task);
//  Reads the progress rows that were found; false if one is malformed.
bool zb_engine_replays (zb_engine_t *self, const zb_found_t *found, size_t count);
//  All of the queue is to be done, by name of what this lineage has had.  What replays that have not ended have brought of
//  it is acknowledged first, id by id.  *refused: it was answered.
zb_load_t *zb_engine_ack_replayed (zb_engine_t *self, zb_task_t *task, zb_queue_t *queue, bool *refused);
//  Whether a change that the loser has made is to be made here: this store lacks it, and the queue (NULL: there is
//  none) was not changed here as well.
bool zb_engine_changes (const zb_engine_t *self, const zb_queue_t *queue, const zb_stamp_t *change);
//  Whether a loser is sending now.
bool zb_engine_merges (const zb_engine_t *self);
//  Whether an end of these spans, which are as they were named, is an id that this lineage has not given, and that the
//  peer may have.
bool zb_engine_foreign (const zb_engine_t *self, const zb_span_t *span, size_t spans);
//  Acknowledged are these spans of the queue, as they were named.  With the peer level an id that this lineage has not given
//  is gone; but the peer is level only if it has followed all along.  It may have led while this process stood still, and
//  given that id.  So such an acknowledgement makes a commit, although it changes nothing: the OK waits for the peer's ack,
//  and becomes 503 if this broker goes alone instead.  Notes it in the task.
void zb_engine_prove_gone (zb_engine_t *self, zb_queue_t *queue, zb_task_t *task);
#define ZB_MODE_FIXED "the mode does not change while there are messages: take them out first, or PURGE"
#define ZB_ROWS_TOO_LARGE \
    "acks: the rows of these messages take more than half of limits.windows of the broker, name fewer"
#define ZB_NOT_DUE \
    "a message that is named is not due yet, or nobody has got from the queue since it is: nothing was done"
#define ZB_MERGING "merging: the other broker's messages are not all here yet"

//  list.c
//  The reply to the LIST that self->told.list is for.
zb_reply_t *zb_engine_listed (zb_engine_t *self, const zb_address_t *to);

//  peeking.c
//  Answers PEEK.
zb_load_t *zb_engine_peek (zb_engine_t *self, zb_task_t *task);
//  A read of its load has come back: returns whether the load is finished.
bool zb_engine_peeked (zb_engine_t *self, zb_load_t *load, const zb_read_t *read);
void zb_peek_destroy (struct zb_peek **self_p);

//  roster.c
//  The session ends.
void zb_engine_strike (zb_engine_t *self, const zb_session_t *session);

//  upkeep.c
//  Marks what is up to `mark` as gone; its space will be freed.
void zb_engine_bury (zb_engine_t *self, uint32_t queue, uint64_t mark);
//  Messages of the queue up to this id are gone, as far as this lead has said so or read it; 0 = none.
uint64_t zb_engine_buried (const zb_engine_t *self, uint32_t queue);
//  Frees some space, if it is time to; when it is, if time alone is waited for.
void zb_engine_free_some (zb_engine_t *self);
int64_t zb_engine_free_at (const zb_engine_t *self);
//  A commit is closed: if clients wait for it, freeing space gives way to them for a while.
void zb_engine_give_way (zb_engine_t *self, const zb_commit_t *commit);
//  The rows of purged messages, the names of producers: what these loads found.
void zb_engine_purged (zb_engine_t *self, const zb_load_t *load, const zb_read_t *read);
//  Reads a tombstone that was found.
void zb_engine_exhume (zb_engine_t *self, const zb_found_t *found);
//  A PUT of the name is in the commit that is being filled, or it is used in another way: its row is written if there is
//  none, or if it says that the name was used last a long time ago.
void zb_engine_keep_producer (zb_engine_t *self, zb_producer_t *producer);
//  Lets producers go that are not used now, while there are too many of them in memory.
void zb_engine_let_go (zb_engine_t *self);
void zb_engine_found_names (zb_engine_t *self, const zb_read_t *read);
//  Producers that are idle.
void zb_engine_search_names (zb_engine_t *self);

#endif
