/*  =========================================================================
    pair_model - two roles and a small model of what is around them

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Each node has a role (the code under test), a disk that survives a crash, a
    store that executes commands one at a time, an engine that writes one message at
    a time, and heartbeats on their way to it.  Everything that can happen is an act;
    an act that breaks a promise leaves a sentence in `fault`.

    A commit is a serial number: what was written once is never the same as what is
    written later in its place, whatever epoch and position say.  A replay writes the
    loser's commits again, as commits of the winner that name their origin: who has one
    of them has what is in it.
*/

#ifndef PAIR_MODEL_H_INCLUDED
#define PAIR_MODEL_H_INCLUDED

#include "core/pair/role.h"

#define MODEL_LOG 56      //  commits of a log, and of a whole run
#define MODEL_QUEUE 10    //  commands on their way to a store
#define MODEL_ROOM 2      //  heartbeats on their way to a node
#define MODEL_BEAT 64     //  bytes of one that is packed
#define MODEL_PACKED 1024 //  bytes of a model that is packed

//  Times.  A step of the clock is below the limit of silence, two are above.
#define MODEL_STEP 500
#define MODEL_SILENCE 600
#define MODEL_ACK_LIMIT 1500
//  Where the limit of silence is learned all links are good: it is as small as it may be, below a step, as soon as it may.
#define MODEL_HEARTBEAT 133

typedef enum {
    ACT_EXECUTE, //  the store executes its next command
    ACT_SYNC,    //  the master's commits are synced
    ACT_LINK,    //  a session of the link begins; at the master
    ACT_SHIP,    //  the client writes and syncs the next commit; at the master
    ACT_LIVE,    //  the client has caught up; at the master
    ACT_ACK,     //  the client's acks reach the master
    ACT_GRANTED, //  the grant reaches the client; at the master
    ACT_DROP,    //  the master notices that the session has ended
    ACT_SEND,    //  a heartbeat leaves
    ACT_HEAR,    //  a heartbeat arrives
    ACT_DEAD,    //  the peer's death is proven
    ACT_TURN,    //  a process that was resumed takes its first turn
    ACT_HELLO,   //  a client without a token
    ACT_TOKEN,   //  a client with the newest token
    ACT_PUT,     //  a client wants a message stored
    ACT_OK,      //  it is told so
    ACT_ASK,     //  what the role wants of the witness reaches it, and the answer the role
    ACT_UNHEARD, //  it reaches it, and the answer is lost
    ACT_REPLAY,  //  the loser of a split sends the winner one commit, or is told that it has all; at the loser
    ACT_TIME,    //  time passes; two that hear each other exchange heartbeats
    ACT_FAULTS,  //  what follows costs:
    ACT_KILL = ACT_FAULTS, //  kill -9
    ACT_START,             //  the process starts again
    ACT_SUSPECT,           //  it starts again, and its node's file says suspect
    ACT_PAUSE,             //  SIGSTOP
    ACT_RESUME,            //  SIGCONT
    ACT_LOSE,              //  the next heartbeat on its way is lost
    ACT_CUT,               //  the network between the two is cut
    ACT_HEAL,
    ACT_DEAF,    //  time passes, and no heartbeat of this node is heard
    ACT_YIELD,   //  the operator wants the other one to lead
    ACT_PROMOTE, //  the operator wants this one to lead, and accepts what that loses
    ACT_COPY,    //  the disk is copied, as a power cut would leave it
    ACT_RESTORE, //  the copy takes the disk's place
    ACTS
} act_t;

//  How often something may happen in a run.
typedef struct {
    uint8_t kills, suspects, pauses, losses, cuts, deafs, puts, commits, yields, promotions, copies;
    uint8_t room; //  heartbeats on their way to a node; 0: they pass at once when time passes
    bool learns;  //  the limit of silence is learned
    bool quick;   //  stores and their link do what is to be done before anything else happens
} bounds_t;

typedef struct {
    uint8_t verb;   //  zb_do_kind_t; DO_START for a commit
    uint8_t number; //  alone, serial, session
    uint8_t from;   //  epoch of alone_from, of a grant
    bool flag;      //  rollback, suspect
} command_t;

typedef struct {
    uint8_t log[MODEL_LOG];
    uint8_t size;
    bool made, complete, suspect;
    uint8_t alone, alone_from;
} copy_t;

typedef struct {
    bool alive, paused, late;
    zb_role_t role;
    //  The disk.
    uint8_t log[MODEL_LOG];
    uint8_t size, synced;
    bool complete, suspect;
    uint8_t alone, alone_from;
    copy_t copy; //  of it, of an earlier moment
    //  The store.
    bool master, diverged, rollback;
    command_t queue[MODEL_QUEUE];
    uint8_t queued;
    //  The engine.
    bool leads;
    uint8_t epoch, waiting, serial;
    //  The heart.
    int64_t heard_sent; //  when the newest heartbeat that was heard was sent
    uint8_t beat[MODEL_ROOM][MODEL_BEAT];
    uint8_t beats;
} node_t;

typedef struct {
    node_t node[2];
    int64_t now;
    bool wait; //  peer-loss = wait
    bool witness;
    bool learns; //  the limit of silence is learned
    witness_record_t record;
    bool cut;
    uint8_t session, owner, there, grant_at, grant_epoch;
    bool ended, live; //  the session has ended, and the master has not noticed; the client has caught up
    //  What was ever written: its epoch, the node, whether it raised the epoch, and who was told OK at which level.
    uint8_t serials;
    uint8_t epoch[MODEL_LOG], writer[MODEL_LOG], ok[MODEL_LOG];
    bool raise[MODEL_LOG], heir[MODEL_LOG];
    uint8_t run[MODEL_LOG];      //  of the process that raised the epoch; all 0 if no disk is set back in this run
    uint8_t origin[MODEL_LOG];   //  the commit of the loser that it repeats, 0 = none
    bool absorb[MODEL_LOG];      //  it absorbs the epochs of all that was repeated before it
    uint8_t token, token_commit; //  serial of the last OK, and its place in the log
    bounds_t left;
    bool promoted; //  an operator has accepted loss
    bool strained; //  the network was cut, a heartbeat lost, a process stopped, or an operator has accepted loss
    bool replaced; //  a suspect store was thrown away
    bool copies;   //  disks may be set back to copies in this run,
    bool restored; //  and one was
    bool over;     //  a bound of the model was reached: the state is not looked at
    const char *fault;
} model_t;

enum { OK_NOT, OK_BOTH, OK_SOLO };

//  Both nodes down, nothing on their disks.
void model_init (model_t *self, const bounds_t *bounds, bool wait, bool witness);
//  Does the act at node 0 or 1; returns false, and changes nothing, if it is impossible now.
bool model_act (model_t *self, act_t act, int at);
//  What must hold in every state; sets `fault`.
void model_check (model_t *self);
//  Whether node `at` answers or delivers anything now.
bool model_serves (const model_t *self, int at);
//  The role of node `at` as a process has it that has just started.
void model_role_init (model_t *self, int at);
extern const uint8_t model_entropy[ZB_PAIR_SIZE + ZB_SECRET_SIZE];
//  A heartbeat on its way, as bytes and back: when it was sent, the time it echoes, what it says.
void model_pack_beat (uint8_t data[MODEL_BEAT], int64_t sent, int64_t echo, const zb_beat_t *beat);
void model_unpack_beat (const uint8_t *data, int64_t *sent, int64_t *echo, zb_beat_t *beat);
//  As bytes and back.  Times are relative and clipped, so that states that will behave alike are alike.
size_t model_pack (const model_t *self, uint8_t data[MODEL_PACKED]);
void model_unpack (model_t *self, const uint8_t *data);
//  A line about the state.
void model_print (const model_t *self);
const char *model_act_name (act_t act);

#endif
