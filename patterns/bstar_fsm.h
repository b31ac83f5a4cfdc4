/*  =========================================================================
    bstar_fsm - Binary Star as a pure value

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Binary Star (zguide, chapter 4) makes two servers behave as one: one of them is
    active and serves, the other is passive and waits.  This is the decision alone,
    without sockets, clock or threads: a table of numbered rows.  Feed it what the
    peer says of its state and each client that asks for service, and it says which
    state this server is in now and whether that client may be served.

    A step depends on the state, the event and three facts, and on nothing else;
    exactly one row of the table fits each combination.

    What a pair of these guarantees, if exactly one of the two is `preferred` when they
    meet and what one says reaches the other in order or not at all:
      - Two that live and hear each other end with one active and one passive, whatever
        they were before, and stay so.
      - While the link is whole, a pending backup may not lead alone (the guide's rule),
        and a dead server's last words are not heard after its restart, the two are
        never both active.
      - Without the last two conditions both may be active until they hear each other.
        But for both to be active *and* believe the other gone, the link must be cut.
      - Two actives part in the row named "split": the one that is not preferred steps
        back and is told CONFLICT_LOST.  An active one never steps back otherwise, unless
        it is told to YIELD.
    The unit test walks all states of such a pair for this.

    An operator has two words.  YIELD makes an active server wait, as one that has just
    restarted does, and the passive one succeeds it.  It is for two that hear each other,
    one of them passive, and what that one has said before must not be heard afterwards, else an old "I wait"
    makes both lead: that is the application's part.  PROMOTE makes a server lead that would wait: whoever
    says it answers for it that the peer does not serve.

    What it does not guarantee: that a cut link leaves only one active.  It cannot
    know a cut link from a dead peer; the fact `may_lead` is where an application
    that has state puts what it knows better.
*/

#ifndef BSTAR_FSM_H_INCLUDED
#define BSTAR_FSM_H_INCLUDED

#include <stdbool.h>
#include <stddef.h>

//  PRIMARY and BACKUP are both pending: the server has just started and waits for its peer, under the name it was
//  configured with.  The numbers are those of the guide.
typedef enum { BSTAR_PRIMARY = 1, BSTAR_BACKUP = 2, BSTAR_ACTIVE = 3, BSTAR_PASSIVE = 4 } bstar_state_t;

//  Those of the peer have the number of the state that it says it is in.
typedef enum {
    BSTAR_PEER_PRIMARY = 1,
    BSTAR_PEER_BACKUP = 2,
    BSTAR_PEER_ACTIVE = 3,
    BSTAR_PEER_PASSIVE = 4,
    BSTAR_CLIENT_VOTE = 5, //  a client asks this server for service
    BSTAR_YIELD = 6,       //  the operator wants the peer to lead
    BSTAR_PROMOTE = 7        //  the operator wants this server to lead, whatever the peer may know
} bstar_event_t;

//  What the application knows at the time of a step.
typedef struct {
    bool peer_gone; //  the peer is silent beyond its limit, or proven dead
    bool may_lead;  //  this server may take over without asking its peer
    bool preferred; //  of two that wait, or of two actives, this one shall lead
} bstar_facts_t;

//  Answers to a vote, and to a conflict.
typedef enum {
    BSTAR_NONE,         //  nothing to answer
    BSTAR_ACCEPT,       //  serve the client
    BSTAR_REJECT,       //  don't: the client tries the other server
    BSTAR_CONFLICT_WON, //  both were active; this one stays so
    BSTAR_CONFLICT_LOST //  both were active; this one is passive now, and what it did alone is not its peer's
} bstar_verdict_t;

//  The facts a row asks for.  The guards of one state and event exclude each other and leave nothing open.
typedef enum {
    BSTAR_ALWAYS,
    BSTAR_IF_PREFERRED,     //  preferred
    BSTAR_IF_NOT_PREFERRED, //  not preferred
    BSTAR_IF_ENTITLED,      //  may_lead or preferred
    BSTAR_IF_NOT_ENTITLED,  //  neither
    BSTAR_IF_HEIR,          //  peer_gone and may_lead
    BSTAR_IF_NOT_HEIR,      //  not both
    BSTAR_IF_ORPHAN,        //  peer_gone, but not may_lead
    BSTAR_IF_GONE,          //  peer_gone
    BSTAR_IF_HEARD          //  not peer_gone
} bstar_guard_t;

//  What a row does to the state.
typedef enum {
    BSTAR_STAY,
    BSTAR_GO_ACTIVE,
    BSTAR_GO_PASSIVE,
    BSTAR_GO_PENDING //  back to PRIMARY or BACKUP, as configured
} bstar_next_t;

//  A set of states or events: one bit each.
#define BSTAR_BIT(number) (1u << (number))

typedef struct {
    int number;       //  1, 2, 3 ... in the order of the table
    const char *name; //  for logs
    unsigned states;  //  set of bstar_state_t
    unsigned events;  //  set of bstar_event_t
    bstar_guard_t guard;
    bstar_next_t next;
    bstar_verdict_t verdict;
    const char *why;
} bstar_row_t;

//  Plain data; copy it as you like.
typedef struct {
    bstar_state_t home;  //  PRIMARY or BACKUP, as configured
    bstar_state_t state; //  now
} bstar_fsm_t;

//  A machine that has just started; `home` is BSTAR_PRIMARY or BSTAR_BACKUP.
bstar_fsm_t bstar_fsm (bstar_state_t home);

//  Takes one step.  Returns the row that was taken, which is never NULL and lives as long as the program; the new
//  state is in self->state.  An event or a state that isn't one of the enumeration is the caller's bug and asserts:
//  check what came from the network with bstar_event_of_peer.
const bstar_row_t *bstar_step (bstar_fsm_t *self, bstar_event_t event, const bstar_facts_t *facts);

//  The row that bstar_step would take, without taking it.
const bstar_row_t *bstar_peek (const bstar_fsm_t *self, bstar_event_t event, const bstar_facts_t *facts);

//  Puts the event for a state that a peer has named into *event and returns true; false if there is no such state.
bool bstar_event_of_peer (int state, bstar_event_t *event);

//  Neither active nor passive.
bool bstar_pending (const bstar_fsm_t *self);

//  The table, for tests and documentation.
const bstar_row_t *bstar_rows (size_t *count);
//  Whether these facts satisfy the guard.
bool bstar_guard_holds (bstar_guard_t guard, const bstar_facts_t *facts);

//  Words for logs: "primary" "backup" "active" "passive"; "peer primary" ... "client vote"; and so on.  "?" for a
//  number that is none of the enumeration.
const char *bstar_state_name (bstar_state_t state);
const char *bstar_event_name (bstar_event_t event);
const char *bstar_guard_name (bstar_guard_t guard);
const char *bstar_next_name (bstar_next_t next);
const char *bstar_verdict_name (bstar_verdict_t verdict);

#endif
