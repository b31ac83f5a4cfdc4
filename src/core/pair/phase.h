/*  =========================================================================
    phase - how an active broker answers: with its peer, alone, or not yet

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

         IDLE --lead--> RISING --led--> RAISING --raised--> SINGLE (no pair)
          ^                              ^  |
          |                         told |  +--raised, alone--+  raised
          |                              |  v                 +----------+
          |                    SEVERING -+ ALONE --peer is back--> JOINING --acked--> PAIRED
          |                       ^         ^                     |  ^  |              |
          |                       |         +---- link lost ------+  |  | acked, alone |
          |                       |         |                        |  v              |
          |                       |         | probed, alone          | CLEARING        |
          |                       |         |                        |                 |
          |                       +-----PROBING <-----stalled--------+-----------------+
          |                                                                            |
          +- down, from anywhere (when drained, too)        DRAINING <-----yield-------+

    A table of numbered rows, with the reason for each; it is in src/README.md, too.
*/

#ifndef ZB_PHASE_H_INCLUDED
#define ZB_PHASE_H_INCLUDED

#include <stddef.h>

typedef enum {
    ZB_PHASE_IDLE,     //  not active
    ZB_PHASE_RISING,   //  active; the store becomes the master
    ZB_PHASE_RAISING,  //  the new epoch is on its way to the disk
    ZB_PHASE_SINGLE,   //  serves, and no second copy is waited for: no pair, or a shared store
    ZB_PHASE_ALONE,    //  serves without its peer
    ZB_PHASE_JOINING,  //  serves with its peer, which may not lead yet
    ZB_PHASE_CLEARING, //  the same, while `alone` is taken off the disk
    ZB_PHASE_PAIRED,   //  serves with its peer, which is in step
    ZB_PHASE_PROBING,  //  the peer's acks have stopped; one fresh interval decides
    ZB_PHASE_SEVERING, //  the peer is told that it is left behind
    ZB_PHASE_DRAINING, //  the role is to be handed over: what was taken is finished, nothing new is taken
    ZB_PHASES
} zb_phase_t;

typedef enum {
    ZB_PHASE_LEAD,     //  Binary Star made us active
    ZB_PHASE_LED,      //  the store is the master
    ZB_PHASE_RAISED,   //  the epoch's commit is synced here
    ZB_PHASE_ACKED,    //  the peer is caught up and has synced everything that was answered without it
    ZB_PHASE_SAVED,    //  the node's own file is on the disk
    ZB_PHASE_BACK,     //  the peer is caught up again
    ZB_PHASE_LOST,     //  the link's session ended, or another one began
    ZB_PHASE_STALLED,  //  a client waits, and the peer's acks have made no progress for the limit
    ZB_PHASE_PROGRESS, //  they move again
    ZB_PHASE_PROBED,   //  a fresh interval went by without progress, and a client still waits
    ZB_PHASE_TOLD,     //  the peer has echoed a heartbeat that says `alone`, or echoes none any more
    ZB_PHASE_YIELD,    //  the operator wants the peer to lead
    ZB_PHASE_OUTRANKED, //  after a split the other one follows, and its newest epoch is above ours
    ZB_PHASE_DOWN,     //  Binary Star took the role away
    ZB_PHASE_EVENTS
} zb_phase_event_t;

//  What the phase machine looks at beside phase and event.
enum {
    ZB_IF_SINGLE = 1,  //  no pair, or one store for both: there is no second copy
    ZB_IF_ALONE = 2,   //  `alone` is set
    ZB_IF_SOLO = 4,    //  this leadership begins without the peer
    ZB_IF_GRANTED = 8, //  the peer was granted `in step` in this session of the link
    ZB_IF_WAIT = 16,   //  peer-loss = wait
    ZB_IF_BOUND = 32   //  there is a witness, and it has not consented that this broker goes on alone
};
#define ZB_IFS 6

//  A row: in `phase` on `event`, if all of `when` and none of `unless` hold, go to `next` and do `effects`.
//  ZB_PHASES stands for any phase, and as `next` for the same one.  The first row that fits is taken.
typedef struct {
    int number;
    zb_phase_t phase;
    unsigned events; //  bits 1 << event
    unsigned when;
    unsigned unless;
    zb_phase_t next;
    unsigned effects; //  bits 1 << zb_do_kind_t
    const char *why;
} zb_phase_row_t;

//  The row that fits.
const zb_phase_row_t *zb_phase_row (zb_phase_t phase, zb_phase_event_t event, unsigned conditions);
//  The table, for tests and documentation.
const zb_phase_row_t *zb_phase_rows (size_t *count);
//  Words for logs and documentation.
const char *zb_phase_name (zb_phase_t phase);
const char *zb_phase_event_name (zb_phase_event_t event);

//  What a row does; what is not inside comes out of zb_role_next.
typedef enum {
    ZB_DO_LEAD,   //  zb_store_lead
    ZB_DO_FOLLOW, //  zb_store_follow (rollback)
    ZB_DO_START,  //  zb_engine_lead (epoch), and the meta rows of zb_role_rows into its first commit
    ZB_DO_RAISE,  //  zb_engine_epoch (epoch), and the same rows into the commit being filled
    ZB_DO_SAVE,   //  zb_store_save with the fields below; comes before the commit of START or RAISE
    ZB_DO_GRANT,  //  zb_store_grant (session)
    ZB_DO_STOP,   //  zb_engine_stop
    ZB_DO_READ,   //  read the table meta and bring it to zb_role_meta
    ZB_DO_BEAT,   //  publish a heartbeat now
    ZB_DO_SAY,    //  the role or phase has changed: tell the operator
    ZB_DO_LEVEL,  //  zb_engine_level, and the meta rows of zb_role_rows into the next commit
    ZB_DO_MARK,   //  inside: remember what the peer must ack
    ZB_DO_PROBE,  //  inside: start the fresh interval
    ZB_DO_TELL,   //  inside: heartbeats say `alone` from now on
    ZB_DO_ASK,    //  inside: ask the witness
    ZB_DO_KINDS
} zb_do_kind_t;

#endif
