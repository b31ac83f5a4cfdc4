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
          |                    SEVERING -+ ALONE --peer is back--> JOINING --caught up--> PAIRED
          |                       ^         ^                     |  ^  |              |
          |                       |         +---- link lost ------+  |  | caught up,   |
          |                       |         |                        |  v alone        |
          |                       |         | probed, alone          | CLEARING        |
          |                       |         |                        |                 |
          |                       +-----PROBING <-----stuck----------+-----------------+
          |                                                                            |
          +- down, from anywhere (when drained, too)        DRAINING <-----yield-------+

    A table of numbered rows, with the reason for each; it is in src/README.md, too.  A row is
    taken on an event: something that was done or is wished, or LOOK: nothing but what the
    facts (ZB_IF_...) have become.  The role looks after each event, until no row leads on.
*/

#ifndef ZB_PHASE_H_INCLUDED
#define ZB_PHASE_H_INCLUDED

#include <stddef.h>

//  What holds in each.  "Answered" is: a client was told so.  The peer's grant is its `in sync`.
typedef enum {
    //  Not active.  Nothing is answered, no epoch of ours is open.
    ZB_PHASE_IDLE,
    //  Active; the store becomes the master, with what has arrived by then.  Nothing is answered.
    ZB_PHASE_RISING,
    //  A new epoch's first commit, and `alone` if it is raised without the peer, are on their way to this disk.
    //  Nothing is answered in the new epoch.
    ZB_PHASE_RAISING,
    //  There is no second copy to wait for: no pair, or a shared store whose lock is ours.  What is durable here is
    //  answered.
    ZB_PHASE_SINGLE,
    //  `alone` and the epoch are on this disk, and the peer has no grant: it can't lead by itself, unless it has `alone`,
    //  too, by a split.  What is durable here is answered `solo`.
    ZB_PHASE_ALONE,
    //  The peer has no grant, so it can't lead.  Only what is durable on both is answered.  When it has the mark, it has all
    //  that was ever answered.
    ZB_PHASE_JOINING,
    //  As JOINING, and the peer has the mark; `alone` is on its way off this disk, so that the peer may lead then.
    ZB_PHASE_CLEARING,
    //  The peer has a grant of this session of the link, and may lead when this one is silent.  So what is durable on both
    //  is answered only as long as the peer is heard to hear us.
    ZB_PHASE_PAIRED,
    //  As PAIRED or JOINING, and the peer owes an ack for which a client waits; from `probe_ms` on it has a fresh
    //  interval to show that it lives.  A grant may stand.
    ZB_PHASE_PROBING,
    //  Heartbeats say `alone`: whoever hears one may not lead by its grant any more.  Until the peer has echoed one, or
    //  has heard none for so long that it is no longer sure of us, it may still be about to lead: nothing is answered
    //  `solo`.
    ZB_PHASE_SEVERING,
    //  As PAIRED; nothing new is taken from clients, so that soon all is on both disks and answered.
    ZB_PHASE_DRAINING,
    ZB_PHASES
} zb_phase_t;

typedef enum {
    ZB_PHASE_LEAD,  //  Binary Star made us active
    ZB_PHASE_LED,   //  the store is the master
    ZB_PHASE_SAVED, //  the node's own file is on the disk
    ZB_PHASE_YIELD, //  the operator wants the peer to lead
    ZB_PHASE_LOOK,  //  the facts may be others than at the last look
    ZB_PHASE_DOWN,  //  Binary Star took the role away
    ZB_PHASE_EVENTS
} zb_phase_event_t;

//  The facts that rows look at, as bits 1 << fact.
typedef enum {
    ZB_IF_SINGLE,    //  no pair, or one store for both: there is no second copy
    ZB_IF_ALONE,     //  `alone` is set
    ZB_IF_SOLO,      //  this leadership begins without the peer
    ZB_IF_GRANTED,   //  the peer was granted `in sync` in this session of the link
    ZB_IF_MUST_WAIT, //  peer-loss = wait; or this process was stopped, and has not asked its peer about it yet
    ZB_IF_BOUND,     //  there is a witness, and it has not consented that this broker goes on alone
    ZB_IF_RAISED,    //  the epoch's commit is durable here
    ZB_IF_TOLD,      //  the peer has echoed a heartbeat that says `alone`, or echoes none any more; or was in sync, and is proven dead
    ZB_IF_OUTRANKED, //  after a split the other one follows, and its newest epoch is above ours
    ZB_IF_BACK,      //  the peer is caught up again, hears us, and is to be taken back by now
    ZB_IF_LIVE,      //  the peer is caught up in this session of the link
    ZB_IF_CAUGHT_UP, //  it is, and has synced everything that was answered without it
    ZB_IF_LOST,      //  the link's session ended, another one began, or the peer no longer knows of its grant
    ZB_IF_STUCK,     //  a client waits, and the peer's acks have made no progress for the limit; or it was in sync, and is proven dead
    ZB_IF_PROGRESS,  //  they move again, or the peer owes nothing
    ZB_IF_PROBED,    //  a fresh interval went by without progress, or it is as above, and a client still waits
    ZB_IF_LATE,      //  draining takes longer than the limit of acks
    ZB_IF_UNUSED,    //  the epoch that is on its way is the first alone, so that nothing was answered in it
    ZB_IFS
} zb_phase_if_t;

//  A row: in `phase` on `event`, if all facts of `when` and none of `unless` hold, go to `next` and do `effects`.
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

//  What a row does, in this order.  What is not inside comes out of zb_role_next.
typedef enum {
    ZB_DO_TELL,   //  inside: heartbeats say `alone` from now on, unless they do
    ZB_DO_CLEAR,  //  inside: they don't: nothing was answered without the peer, or it has all of it
    ZB_DO_MARK,   //  inside: remember what the peer must ack
    ZB_DO_PROBE,  //  inside: start the fresh interval
    ZB_DO_RENEW,  //  inside: the limit of acks runs anew
    ZB_DO_DEFER,  //  inside: the peer is taken back after a while; if it stalled, each time after a longer one
    ZB_DO_ASK,    //  inside: ask the witness
    ZB_DO_STOP,   //  zb_engine_stop
    ZB_DO_SAVE,   //  zb_store_save with the fields below; comes before the commit of START or RAISE
    ZB_DO_START,  //  zb_engine_lead (epoch), and the meta rows of zb_role_rows into its first commit
    ZB_DO_RAISE,  //  zb_engine_epoch (epoch), and the same rows into the commit being filled
    ZB_DO_LEAD,   //  zb_store_lead
    ZB_DO_FOLLOW, //  zb_store_follow (rollback)
    ZB_DO_GRANT,  //  zb_store_grant (session)
    ZB_DO_READ,   //  read the table meta and bring it to zb_role_meta
    ZB_DO_LEVEL,  //  zb_engine_level, and the meta rows of zb_role_rows into the next commit
    ZB_DO_BEAT,   //  publish a heartbeat now
    ZB_DO_SAY,    //  the role or phase has changed: tell the operator
    ZB_DO_KINDS
} zb_do_kind_t;

#endif
