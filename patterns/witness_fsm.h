/*  =========================================================================
    witness_fsm - a third vote for pairs, as a pure value

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Two servers can't tell a dead peer from a cut link.  A witness on a third machine
    can: it holds no data, only one record a pair, and lets at most one of the two go
    on without the other.  This is that decision alone, without sockets, disk or
    clock: a table of numbered rows over a record.

    A node that leads together with its peer needs no witness: the peer's
    acknowledgements prove that nobody else leads.  Before it goes on alone it must
    hold the record:

      CLAIM   "I go on alone in this epoch; I was up to date until now."
      RESUME  "I go on alone in this epoch; I was alone last, and have restarted."
      SHARE   "I lead in this epoch, and my peer is up to date: it may claim."
      FORCE   an operator's word: the claim is granted whatever the record says.

    What it guarantees, if the record is on the disk before the answer leaves, a node
    goes on alone only when its claim was granted, and has given up being alone before
    it says SHARE: at most one of the two is alone, whatever messages are lost, late
    or said again.  Epochs are what makes late ones harmless: what names an older one
    than the record changes nothing.

    There is no time in it.  A lease that ends by a clock would let the peer go on
    after a while without asking; but a node that is alone holds what its peer lacks,
    so its peer must not lead however long it waits.

    What it does not guarantee: that a pair goes on when one of the two *and* the
    witness are gone.  Two of three must live and hear each other.
*/

#ifndef WITNESS_FSM_H_INCLUDED
#define WITNESS_FSM_H_INCLUDED

#include <stddef.h>
#include <stdint.h>

typedef enum {
    WITNESS_UNKNOWN, //  nothing was ever said of this pair
    WITNESS_SHARED,  //  both are up to date: the first claim is granted
    WITNESS_HELD     //  the holder may be alone, and nobody else may
} witness_state_t;

typedef enum { WITNESS_CLAIM, WITNESS_RESUME, WITNESS_SHARE, WITNESS_FORCE, WITNESS_EVENTS } witness_event_t;

typedef enum {
    WITNESS_GRANTED,
    WITNESS_STRANGER, //  refused: the pair is not known, and whoever claims was not alone last
    WITNESS_TAKEN,    //  refused: the other node may be alone
    WITNESS_LATE,     //  refused: the record has a newer epoch
    //  Not of a row: whoever carries what is said refuses it before it gets here.
    WITNESS_AGAIN,    //  it may have been recorded: it has to be said again with what comes with this verdict
    WITNESS_OTHER,    //  the record is that of another pair of this name
    WITNESS_UNPROVEN, //  an operator's word, and the operator has not proven that it is his
    WITNESS_BEYOND,   //  an epoch that nobody can have reached
    WITNESS_VERDICTS
} witness_verdict_t;

//  What a row asks for: who speaks, and of which epoch.
typedef enum {
    WITNESS_ALWAYS,
    WITNESS_IF_HOLDER,       //  the holder, of the record's epoch or a newer one
    WITNESS_IF_HOLDER_OLDER, //  the holder, of an older epoch
    WITNESS_IF_OTHER,        //  not the holder
    WITNESS_IF_NEWER,        //  an epoch newer than the record's
    WITNESS_IF_NOT_NEWER,    //  the same or an older one
    WITNESS_IF_NOT_OLDER,    //  the same or a newer one
    WITNESS_IF_OLDER         //  an older one
} witness_guard_t;

//  A pair's record; all zero for one of which nothing is known.  Plain data.
typedef struct {
    witness_state_t state;
    unsigned holder; //  who spoke last with success: 1 primary, 2 backup
    uint64_t epoch;  //  and of which epoch
} witness_record_t;

#define WITNESS_BIT(number) (1u << (number))

typedef struct {
    int number;       //  1, 2, 3 ... in the order of the table
    const char *name; //  for logs
    unsigned states;  //  set of witness_state_t
    unsigned events;  //  set of witness_event_t
    witness_guard_t guard;
    witness_state_t next;      //  of a row that grants
    witness_verdict_t verdict; //  a row that refuses changes nothing
    const char *why;
} witness_row_t;

//  Takes one step: `node` (1 or 2) says `event` of `epoch`.  Returns the row, which is never NULL and lives as long as
//  the program.  A granted step puts node and epoch into the record.  What is none of the enumeration asserts: check what
//  came from the network.
const witness_row_t *witness_step (witness_record_t *self, witness_event_t event, unsigned node, uint64_t epoch);

//  Whether the guard holds of this record and what was said.
int witness_guard_holds (const witness_record_t *self, witness_guard_t guard, unsigned node, uint64_t epoch);
//  The table, for tests and documentation.
const witness_row_t *witness_rows (size_t *count);

//  Words for logs and files: "unknown" "shared" "held"; "claim" "resume" "share" "force"; and so on.  "?" for a number
//  that is none of the enumeration.
const char *witness_state_name (witness_state_t state);
const char *witness_event_name (witness_event_t event);
const char *witness_guard_name (witness_guard_t guard);
const char *witness_verdict_name (witness_verdict_t verdict);

#endif
