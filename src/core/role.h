/*  =========================================================================
    role - may this broker serve, and why

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Two machines, one above the other.  Binary Star (patterns/bstar_fsm) decides who
    is active; this file gives it its facts: may we lead, are we preferred, is the
    peer gone.  The phase machine below decides how an active broker answers: with
    its peer, alone, or not yet.  Its table, with the reason for each row, is in
    role.c and in src/README.md.

         IDLE --lead--> RISING --led--> RAISING --raised--> SINGLE (no pair)
          ^                                |
          |                  raised, alone |  raised
          |                 +--------------+-----------+
          |                 v                          v
          |    +-------> ALONE --peer is back--> JOINING --acked--> PAIRED
          |    |           ^                     |  ^  |              |
          |    |           +---- link lost ------+  |  | acked, alone |
          |    |                                    |  v              |
          |  SEVERING <--probed-- PROBING <---------+ CLEARING        |
          |                          ^  stalled                       |
          +- down, from anywhere     +--------------------------------+

    A plain value: no time but the `now` it is given, nothing is done here.  What is
    to be done comes out of zb_role_next and must be carried out in that order.
*/

#ifndef ZB_ROLE_H_INCLUDED
#define ZB_ROLE_H_INCLUDED

#include "core/batch.h"
#include "core/beat.h"
#include "core/engine.h"
#include "core/token.h"

typedef enum {
    ZB_PHASE_IDLE,         //  not active
    ZB_PHASE_RISING,       //  active; the store becomes the master
    ZB_PHASE_RAISING,      //  the new epoch is on its way to the disk
    ZB_PHASE_SINGLE,       //  serves without a pair
    ZB_PHASE_ALONE,        //  serves without its peer
    ZB_PHASE_JOINING,      //  serves with its peer, which may not lead yet
    ZB_PHASE_CLEARING,     //  the same, while `alone` is taken off the disk
    ZB_PHASE_PAIRED,       //  serves with its peer, which is in step
    ZB_PHASE_PROBING,      //  the peer's acks have stopped; one fresh interval decides
    ZB_PHASE_SEVERING,     //  `alone` and a new epoch are on their way to the disk
    ZB_PHASES
} zb_phase_t;

typedef enum {
    ZB_PHASE_LEAD,         //  Binary Star made us active
    ZB_PHASE_LED,          //  the store is the master
    ZB_PHASE_RAISED,       //  the epoch's commit is synced here
    ZB_PHASE_ACKED,        //  the peer is caught up and has synced everything that was answered without it
    ZB_PHASE_SAVED,        //  the node's own file is on the disk
    ZB_PHASE_BACK,         //  the peer is caught up again
    ZB_PHASE_LOST,         //  the link's session ended, or another one began
    ZB_PHASE_STALLED,      //  a client waits, and the peer's acks have made no progress for the limit
    ZB_PHASE_PROGRESS,     //  they move again
    ZB_PHASE_PROBED,       //  a fresh interval went by without progress, and a client still waits
    ZB_PHASE_DOWN,         //  Binary Star took the role away
    ZB_PHASE_EVENTS
} zb_phase_event_t;

//  What the phase machine looks at beside phase and event.
enum {
    ZB_IF_SINGLE = 1,      //  a broker without a pair
    ZB_IF_ALONE = 2,       //  `alone` is set
    ZB_IF_SOLO = 4,        //  this leadership begins without the peer
    ZB_IF_GRANTED = 8,     //  the peer was granted `in step` in this session of the link
    ZB_IF_WAIT = 16,       //  peer-loss = wait
    ZB_IF_TOLD = 32        //  the peer has echoed a heartbeat that says `alone`, or echoes none any more
};

//  A row: in `phase` on `event`, if all of `when` and none of `unless` hold, go to `next` and do `effects`.
//  The first row that fits is taken.
typedef struct {
    int number;
    zb_phase_t phase;
    unsigned events;       //  bits 1 << event
    unsigned when;
    unsigned unless;
    zb_phase_t next;
    unsigned effects;      //  bits 1 << zb_do_kind_t
    const char *why;
} zb_phase_row_t;

const zb_phase_row_t *zb_phase_rows (size_t *count);
const char *zb_phase_name (zb_phase_t phase);
const char *zb_phase_event_name (zb_phase_event_t event);

//  What is to be done.
typedef enum {
    ZB_DO_LEAD,            //  zb_store_lead
    ZB_DO_FOLLOW,          //  zb_store_follow (rollback)
    ZB_DO_START,           //  zb_engine_lead (epoch), and the meta rows of zb_role_rows into its first commit
    ZB_DO_RAISE,           //  zb_engine_epoch (epoch), and the same rows into the commit being filled
    ZB_DO_SAVE,            //  zb_store_save with the fields below; comes before the commit of START or RAISE
    ZB_DO_GRANT,           //  zb_store_grant (session)
    ZB_DO_STOP,            //  zb_engine_stop
    ZB_DO_READ,            //  read the table meta and bring it to zb_role_meta
    ZB_DO_BEAT,            //  publish a heartbeat now
    ZB_DO_SAY,             //  the role or phase has changed: tell the operator
    ZB_DO_MARK,            //  inside: remember what the peer must ack
    ZB_DO_PROBE,           //  inside: start the fresh interval
    ZB_DO_KINDS
} zb_do_kind_t;

typedef struct {
    zb_do_kind_t kind;
    bool rollback;
    bool suspect;
    uint64_t alone;
    uint64_t alone_from;
    uint64_t epoch;
    uint64_t session;
} zb_do_t;

#define ZB_DO_MAX 32

typedef struct {
    //  How it is configured.
    unsigned node;                     //  1 primary or single, 2 backup
    bool paired;
    bool wait;                         //  peer-loss = wait
    int64_t silence;                   //  ms
    int64_t ack_limit;                 //  ms
    //  The machines.
    bstar_fsm_t bstar;
    zb_phase_t phase;
    bool solo;
    //  The store.
    bool opened, fresh, complete, suspect, settled, reading, diverged, in_step;
    uint64_t in_step_epoch;            //  the peer's epoch when `in step` was granted
    uint64_t alone, alone_from;
    int64_t alone_since;               //  when `alone` first went into a heartbeat, ms
    uint8_t pair[ZB_PAIR_SIZE];
    uint8_t secret[ZB_SECRET_SIZE];
    bool formed;                       //  secret (and the pair's id) are in the store
    zb_lineage_t lineage;
    uint64_t commit;                   //  newest commit of the store when it was last looked at
    //  The peer.
    zb_beat_t peer;
    bool heard, dead;
    int64_t heard_ms, echoed_ms;
    //  Commits and the link.
    uint64_t closed, here, there;      //  last commit given to the store; synced here; synced by the peer
    uint64_t raising, mark;            //  the epoch's commit; what the peer must ack before it is in step
    bool live;                         //  the peer is a caught-up client in this session
    uint64_t session, granted;         //  the link's session; the one that was granted `in step`
    int64_t progress_ms, probe_ms, rejoin_ms, rejoin_delay, granted_ms, ticked_ms;
    unsigned leads;                    //  LEADs that the store has not answered yet
    //  Effects not taken yet.
    zb_do_t todo[ZB_DO_MAX];
    size_t todo_first, todo_size;
} zb_role_t;

//  How a client's HELLO is answered.
typedef enum {
    ZB_VOTE_SERVE,         //  pass it to the engine
    ZB_VOTE_LATER,         //  keep it and ask again: this broker is about to lead
    ZB_VOTE_PASSIVE,       //  PASSIVE, with the peer's endpoint if zb_role_peer_leads
    ZB_VOTE_REFUSE         //  ERR with the code and text given
} zb_vote_t;

//  Sets up the role; all times in ms.  `entropy` is used for pair id and secret if this broker forms the pair.
void zb_role_init (zb_role_t *self, unsigned node, bool paired, bool peer_loss_wait, int64_t silence,
                   int64_t ack_limit, const uint8_t entropy[ZB_PAIR_SIZE + ZB_SECRET_SIZE]);

//  What is learned.  The store has opened (or completed a resync: complete); its own file says suspect and alone.
void zb_role_opened (zb_role_t *self, bool fresh, bool complete, bool suspect, uint64_t alone, uint64_t alone_from,
                     int64_t now);
//  Rows of the table meta as the store holds them now.  Returns -1 if one is malformed.
int zb_role_meta (zb_role_t *self, const zb_found_t *rows, size_t count, int64_t now);
//  The store is the master; zb_role_meta was called with what it holds.
void zb_role_led (zb_role_t *self, int64_t now);
//  As a client: the store caught up; zb_role_meta was called.
void zb_role_complete (zb_role_t *self, int64_t now);
//  As a client: catching up would throw away what was answered alone.
void zb_role_diverged (zb_role_t *self);
void zb_role_granted (zb_role_t *self, bool granted);
void zb_role_saved (zb_role_t *self, int64_t now);
void zb_role_link (zb_role_t *self, bool live, uint64_t session, int64_t now);
//  The engine gave a commit to the store; commits are synced.
void zb_role_closed (zb_role_t *self, uint64_t commit);
void zb_role_synced (zb_role_t *self, uint64_t here, uint64_t there, int64_t now);
//  A heartbeat of the peer; echoed is when we sent the newest one of ours that it has heard, 0 if none.
void zb_role_beat (zb_role_t *self, const zb_beat_t *beat, int64_t echoed, int64_t now);
//  The peer's process is proven dead.
void zb_role_dead (zb_role_t *self, int64_t now);
//  Time passes.  client_waits: somebody waits for an answer that only the peer's ack can bring.
void zb_role_tick (zb_role_t *self, bool client_waits, int64_t now);
//  A client says HELLO; token is NULL without one.  *code and *why are set on REFUSE.
zb_vote_t zb_role_vote (zb_role_t *self, const zb_frame_t *token, int64_t now, int *code, const char **why);

//  What to do next; false if nothing.  After every call above, take all before the next one.
bool zb_role_next (zb_role_t *self, zb_do_t *effect);

//  What follows from the state.
//  When replies go out, at which level; depends on the clock, ask at the start of every turn.
zb_release_t zb_role_release (const zb_role_t *self, int64_t now, const char **level, bool *alone);
//  Under peer-loss = wait: why clients get 503 now; NULL if they don't.
const char *zb_role_withholds (const zb_role_t *self, int64_t now);
//  The heartbeat to publish.
void zb_role_tell (const zb_role_t *self, zb_beat_t *beat);
//  The peer is heard as active now.
bool zb_role_peer_leads (const zb_role_t *self, int64_t now);
//  No heartbeat within the limit, or known dead.
bool zb_role_peer_gone (const zb_role_t *self, int64_t now);
//  Why this broker does (or does not) serve: a sentence for operators and clients.
const char *zb_role_why (const zb_role_t *self, int64_t now);
//  The rows of meta that START and RAISE write: key, value and size of row `index`; false behind the last.
//  `lineage` is a buffer for the row of that name.
bool zb_role_row (const zb_role_t *self, size_t index, uint8_t lineage[ZB_LINEAGE_MAX * ZB_EPOCH_SIZE],
                  const char **key, const void **value, size_t *size);

#endif
