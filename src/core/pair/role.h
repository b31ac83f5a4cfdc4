/*  =========================================================================
    role - may this broker serve, and why

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Two machines, one above the other.  Binary Star (patterns/bstar_fsm) decides who
    is active; this file gives it its facts: may we lead, are we preferred, is the
    peer gone.  The phase (core/pair/phase) is how an active broker answers: with its peer,
    alone, or not yet; this file gives it its events and carries out what is inside.

    What holds in each state of Binary Star:

      primary, backup   waits: since its start, or since it handed the role over.  The store
                        is opened or a client without a master; nothing is answered, the
                        phase is IDLE.  It becomes active by a peer that it hears and that
                        agrees, or by a client's vote if it may lead by itself
      active            leads: phase is not IDLE, it says what is answered.  The store is the
                        master, or becomes it
      passive           the peer was heard to be active.  The store is its client; nothing is
                        answered, the phase is IDLE.  With `in_step` it holds all that was
                        ever answered, and may lead when the peer is silent

    A plain value: no time but the `now` it is given, nothing is done here.  What is
    to be done comes out of zb_role_next and must be carried out in that order.
*/

#ifndef ZB_ROLE_H_INCLUDED
#define ZB_ROLE_H_INCLUDED

#include "core/base/batch.h"
#include "core/engine/engine.h"
#include "core/pair/beat.h"
#include "core/pair/consent.h"
#include "core/pair/patience.h"
#include "core/pair/phase.h"
#include "core/pair/reason.h"
#include "core/wire/token.h"

//  What is to be done.
typedef struct {
    zb_do_kind_t kind;
    bool rollback;
    bool suspect;
    uint64_t alone;
    uint64_t alone_from;
    uint64_t epoch;
    uint64_t session;
    unsigned level; //  SAVE
} zb_do_t;

#define ZB_DO_MAX 32
#define ZB_ROLE_TAKEN 8       //  rows that are remembered, for transcripts
#define ZB_ROLE_TAKEN_TEXT 96 //  bytes of their text

typedef struct {
    //  How it is configured.
    unsigned node; //  1 primary or single, 2 backup
    bool paired;
    bool wait;         //  peer-loss = wait
    int64_t silence;   //  ms, as configured: of it the limit of acks is made
    int64_t beat;      //  ms, between heartbeats of this broker; 0 = not told
    int64_t ack_limit; //  ms, the fresh interval, the telling and the writing at its end included
    bool shared;       //  both brokers use one store, and its lock decides who leads
    int64_t lease;     //  ms, of that lock
    //  The machines.
    bstar_fsm_t bstar;
    zb_phase_t phase;
    bool solo;
    //  The store.
    bool opened, fresh, complete, suspect, settled, reading, diverged, in_step;
    bool peer_lacks;            //  diverged: the peer, which leads, lacks what this store has, so that it is replayed
    int64_t diverged_ms;        //  when
    bool step_known;            //  in sync: the epoch of the grant is known,
    zb_epoch_t step;            //  and is this one
    uint64_t step_from;         //  the peer's newest epoch at its newest grant: an `alone` up to it was over by then
    bool glance;                //  the look at the store that is on its way is for that alone: the peer leads
    bool yields;                //  the role was handed over, and nobody has taken it yet
    uint64_t alone, alone_from; //  first epoch, and message id, that was answered without the peer; 0 = none
    bool saving;                //  it, or the level, is not on the disk yet as it was told to be
    int64_t alone_since;        //  when `alone` first went into a heartbeat, ms
    uint8_t pair[ZB_PAIR_SIZE];
    uint8_t secret[ZB_SECRET_SIZE];
    uint32_t run; //  of this process: what it raises is not what another one raises under the same number
    bool heir;    //  it began to lead knowing that it held all that was answered before
    uint8_t former
        [ZB_SECRET_SIZE]; //  the secret until this store was restored from a backup; the text for who has a token of then,
    char restored[80];    //  "" if it was not
    bool formed;          //  secret (and the pair's id) are in the store
    uint64_t commit;    //  newest commit of the store when it was last looked at,
    uint64_t newest_id; //  and its newest message id
    //  Levels.
    zb_level_t level; //  as heartbeats say it
    unsigned noting;  //  what the node's file was told to name
    unsigned target;  //  the level that the store is being raised to, 0 = it is not
    uint64_t risen;   //  the commit that raised it last in this leadership, 0 = none
    bool beyond;      //  the peer's store is of a level that this program does not read, and this one is not active
    char misfit[ZB_LEVEL_TEXT]; //  why the peer's levels do not fit; "" if they do
    //  The lock of a shared store, as it was last looked at.
    bool held;            //  somebody has it
    bool unread;          //  its file can't be read, so it counts as held
    bool blind;           //  the peer served, and nobody was seen to have it
    uint64_t lock_epoch;  //  the holder's epoch, the last one's if nobody holds it
    uint64_t held_epoch;  //  the newest one in which another was seen to have it, since the peer last died
    uint64_t met_epoch;   //  the newest one in which the peer served, and was seen to have it
    const char *holder;   //  a sentence that names it, borrowed
    const char *denied;   //  why the store could not be opened though the lock was ours; borrowed, NULL if it could
    int64_t looked_ms;    //  the last look
    int64_t doubt_ms;     //  when it was first seen free while the peer said that it serves, 0 = it was not
    uint64_t doubt_epoch; //  the peer's then
    int64_t retry_ms;     //  after a denial: no other try before
    int64_t confirmed_ms; //  when it was seen to be ours
    //  The witness.
    zb_consent_t consent;
    //  The peer.
    zb_beat_t peer;
    zb_beat_t known; //  the newest of its heartbeats that told of epochs: one that starts has not opened its store yet
    bool heard, dead;
    bool owes; //  an echo of a heartbeat that was sent for a client's sake
    int64_t heard_ms, echoed_ms;
    zb_patience_t patience;  //  how long it may be silent until it is gone
    int64_t gap_ms, gap_age; //  the last gap and age of an echo, not learned yet: a stop of the peer's may explain them
    int64_t met_ms;          //  when it was first heard since it was started or stopped
    int64_t still_ms;        //  of the time since it was heard last this process has not listened
    int64_t woken_ms;        //  the turn in which a gap between turns was looked at last
    uint32_t life;           //  changes when this process was stopped
    int64_t unsent_ms;       //  the longest that no heartbeat of ours has left since the last turn
    //  Commits and the link.
    uint64_t closed, here, there; //  last commit given to the store; durable here; durable on the peer
    uint64_t acked;               //  the most that was durable on the peer in any session of this leadership
    uint64_t raising, mark;       //  the epoch's commit; what the peer must ack before it is in sync
    bool live;                    //  the peer is a caught-up client in this session
    uint64_t session, granted;    //  the link's session; the one that was granted `in sync`
    int64_t progress_ms, probe_ms, rejoin_ms, rejoin_delay, granted_ms;
    int64_t yield_ms;                //  when draining began
    int64_t changed_ms;              //  when what the peer must know before it counts on it changed last
    int64_t ticked_ms, awake_ms;     //  the last tick; when this process woke up last
    int64_t stopped, stopped_ms;     //  for how long it was stopped, in slices, without being heard by the peer between
                                     //  them; when it woke up from the last one
    int64_t overtaken_ms;            //  when this active process saw that it was stopped so long that the peer may
                                     //  have led; 0 = it was not, or the peer has said since that it did not
    unsigned leads;                  //  LEADs that the store has not answered yet
    bool rests;                      //  the last look led nowhere,
    zb_phase_t rested;               //  in this phase
    unsigned rested_facts;           //  by these facts
    uint64_t phase_rows, bstar_rows; //  rows that were ever taken, bits 1 << number
    struct {
        bool bstar; //  of Binary Star; else of the phase
        uint8_t number;
    } taken[ZB_ROLE_TAKEN]; //  the newest rows that led on, a ring
    uint64_t takens;        //  how many that ever were
    //  Effects not taken yet.
    zb_do_t todo[ZB_DO_MAX];
    size_t todo_first, todo_size;
    zb_lineage_t lineage; //  of the store.  Last, for it is long and mostly little of it is used
} zb_role_t;

//  How a client's HELLO is answered.
typedef enum {
    ZB_VOTE_SERVE,   //  pass it to the engine
    ZB_VOTE_LATER,   //  keep it and ask again: this broker is about to lead
    ZB_VOTE_PASSIVE, //  PASSIVE, with the peer's endpoint if zb_role_peer_leads
    ZB_VOTE_REFUSE   //  ERR with the code and text given
} zb_vote_t;

//  Sets up the role; all times in ms.  `entropy` is used for pair id and secret if this broker forms the pair.
void zb_role_init (zb_role_t *self, unsigned node, bool paired, bool peer_loss_wait, int64_t silence, int64_t ack_limit,
                   const uint8_t entropy[ZB_PAIR_SIZE + ZB_SECRET_SIZE]);

//  So often a heartbeat leaves, ms: of a stop the peer may have heard the begin so much earlier.  Right after zb_role_init.
void zb_role_heartbeat (zb_role_t *self, int64_t interval);

//  The limit of silence is learned (core/pair/patience); `silence` is its first value.  `heartbeat`, between two of them,
//  and `learn` in ms.  Right after zb_role_init.
void zb_role_adapt (zb_role_t *self, int64_t heartbeat, int64_t learn);

//  For how long at most no heartbeat of this broker has left since the last turn, up to now: longer turns, in which
//  heartbeats went on, are no stop.  At the begin of a turn; what is never told counts as forever.
void zb_role_unsent (zb_role_t *self, int64_t ms);

//  Both brokers use one store: called right after zb_role_init.  `lease` in ms.
void zb_role_share (zb_role_t *self, int64_t lease);

//  There is a witness: it is asked before this broker goes on alone.  Right after zb_role_init.
void zb_role_bind (zb_role_t *self);

//  The node's file names this level.  Called before zb_role_opened and zb_role_saved.
void zb_role_noted (zb_role_t *self, unsigned level);

//  What is learned.  The store has opened (or completed a resync: complete); its own file says suspect and alone.
void zb_role_opened (zb_role_t *self, bool fresh, bool complete, bool suspect, uint64_t alone, uint64_t alone_from,
                     int64_t now);
//  Rows of the table meta as the store holds them now.  Returns -1 if one is malformed.
int zb_role_meta (zb_role_t *self, const zb_found_t *rows, size_t count, int64_t now);
//  The store is the master; zb_role_meta was called with what it holds.
void zb_role_led (zb_role_t *self, int64_t now);
//  As a client: the store caught up; zb_role_meta was called.
void zb_role_complete (zb_role_t *self, int64_t now);
//  As a client: catching up would throw away commits that the peer lacks; zb_role_meta was called.  What was answered in
//  them stays: it is replayed.  What nobody was told of may go.
void zb_role_diverged (zb_role_t *self, int64_t now);
//  Whether what this store has answered alone is to be replayed to the peer now: it has diverged, and the peer leads and
//  reads it.
bool zb_role_replays (const zb_role_t *self, int64_t now);
//  The peer has all of it on its disk, and its `alone` stands: this store may be rolled back.
void zb_role_merged (zb_role_t *self);
//  As a winner: all that a broker with this lineage has was replayed to this store.
void zb_role_absorb (zb_role_t *self, const zb_lineage_t *loser);
//  The passive one's `in sync`; `epoch` is the newest one of the active broker when it granted it.
void zb_role_granted (zb_role_t *self, bool granted, uint64_t epoch);
//  Of a shared store.  A look at the lock: whether somebody has it, and what its file says: the store's id, the epoch,
//  and a sentence (borrowed until the next call).  If the file can't be read, `store` is NULL, `held` is true, and the
//  sentence says why.  Called before zb_role_opened, too; for each look while nobody has it.
//  Nobody has it while the peer serves: then this is a copy of the folder, or locks do not reach the other machine, and
//  it is not taken, though the peer may die, until the lock is seen held.  Unless it was seen held before in this epoch
//  of the peer's: then the peer has lost it, and ends within a lease; once it has, the store may be taken.
void zb_role_lock (zb_role_t *self, bool held, const uint8_t store[ZB_PAIR_SIZE], uint64_t epoch, const char *holder,
                   int64_t now);
//  The store was not opened: the lock is another's, or the text (borrowed) says why.
void zb_role_denied (zb_role_t *self, const char *text, int64_t now);
//  When the lock was last seen to be ours; said with everything that the store says.
void zb_role_confirmed (zb_role_t *self, int64_t confirmed);
void zb_role_saved (zb_role_t *self, int64_t now);
void zb_role_link (zb_role_t *self, bool live, uint64_t session, int64_t now);
//  The engine gave a commit to the store; commits are durable.
void zb_role_closed (zb_role_t *self, uint64_t commit);
//  RAISE is about to be carried out, and this is the newest message id that was given before.
void zb_role_newest (zb_role_t *self, uint64_t id);
void zb_role_durable (zb_role_t *self, uint64_t here, uint64_t there, int64_t now);
//  A heartbeat of the peer; echoed is when we sent the newest one of ours that it has heard, 0 if none.  False if it is not
//  believed: it names an epoch more than ZB_EPOCH_REACH above all that is known here.
bool zb_role_beat (zb_role_t *self, const zb_beat_t *beat, int64_t echoed, int64_t now);
//  The peer's process is proven dead.
void zb_role_dead (zb_role_t *self, int64_t now);
//  The witness has answered what zb_role_wish said last.  False if that is not believed, as above.
bool zb_role_ruled (zb_role_t *self, witness_verdict_t verdict, const witness_record_t *record);
//  Whether the peer owes an echo for which a client waits (zb_engine_asks); said before each tick.
void zb_role_owes (zb_role_t *self, bool owes);
//  Time passes.  client_waits: somebody waits for an answer that only the peer's ack can bring.
void zb_role_tick (zb_role_t *self, bool client_waits, int64_t now);
//  A client says HELLO; token is NULL without one.  *code and *why are set on REFUSE.
zb_vote_t zb_role_vote (zb_role_t *self, const zb_frame_t *token, int64_t now, int *code, const char **why);

//  An operator's words.  Both return NULL, or why not; *code is then 403 where it is not needed or never right, 503
//  where it may be later.
//  The peer shall lead.  This broker drains (zb_role_drains), for no longer than the limit of acks, then waits until
//  the peer leads (zb_role_yields): all that was answered is on both disks then, and the first answer of the new one
//  will be.
const char *zb_role_yield (zb_role_t *self, int64_t now, int *code);
//  This broker shall lead although its peer may have answered what it lacks.
const char *zb_role_promote (zb_role_t *self, int64_t now, int *code);
//  The store's level shall rise to the highest that both brokers read.  It is done once zb_role_risen says so, and given
//  up when target is 0 before.  Returns as zb_role_lacks, of which the text is.
const char *zb_role_raise (zb_role_t *self, int64_t now, char text[ZB_LEVEL_TEXT]);

//  What to do next; false if nothing.  After every call above, take all before the next one.
bool zb_role_next (zb_role_t *self, zb_do_t *effect);

//  What follows from the state.
//  When replies go out, and what an OK says; depends on the clock, ask at the start of every turn.
zb_release_t zb_role_release (const zb_role_t *self, int64_t now, zb_durable_t *durable);
//  Why clients of an active broker get 503 now: peer-loss = wait, no consent of the witness, or a stop that it has not
//  asked its peer about yet; NONE if they don't.
zb_reason_t zb_role_withholds (const zb_role_t *self, int64_t now);
//  The role is being handed over: nothing new may be taken from clients.
bool zb_role_drains (const zb_role_t *self);
//  It was handed over, and the peer, which is there, does not lead yet: clients may wait that moment, up to the limit
//  of silence.
bool zb_role_yields (const zb_role_t *self, int64_t now);
//  What is to be said to the witness, until it is answered; false if nothing is.  Ask in every turn.
bool zb_role_wish (const zb_role_t *self, witness_event_t *event, uint64_t *epoch);
//  What is missing to raise the store's level; NULL if nothing is.
const char *zb_role_lacks (const zb_role_t *self, int64_t now, char text[ZB_LEVEL_TEXT]);
//  The store has the highest level that both brokers read, on each disk that there is.
bool zb_role_risen (const zb_role_t *self);
//  The heartbeat to publish.
void zb_role_tell (const zb_role_t *self, zb_beat_t *beat);
//  The peer is heard as active now.
bool zb_role_peer_leads (const zb_role_t *self, int64_t now);
//  Of an active broker: whether it has granted the peer `in sync`, in the session of the link that stands.
bool zb_role_peer_in_step (const zb_role_t *self);
//  No heartbeat within the limit (core/pair/patience), as this process has listened, or known dead.
bool zb_role_peer_gone (const zb_role_t *self, int64_t now);
//  Why this broker does (or does not) serve; and as a sentence for operators and clients.
zb_reason_t zb_role_reason (const zb_role_t *self, int64_t now);
const char *zb_role_why (const zb_role_t *self, int64_t now);
//  For transcripts: writes which rows have led on since there were `since` of them, "phase 20, phase 21".  Returns how many
//  there were by now.
uint64_t zb_role_taken (const zb_role_t *self, uint64_t since, char text[ZB_ROLE_TAKEN_TEXT]);
//  The rows of meta that START and RAISE write: key, value and size of row `index`; false behind the last.
//  `row` is a buffer for what is made here; each call uses it anew.
bool zb_role_row (const zb_role_t *self, size_t index, uint8_t row[ZB_LINEAGE_MAX * ZB_EPOCH_SIZE], const char **key,
                  const void **value, size_t *size);

#endif
