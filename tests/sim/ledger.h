/*  =========================================================================
    ledger - what became of each message

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Of those that producers have put, number by number: answered OK, handed out, acknowledged, put aside, lost with a disk.
    What must hold of them is H2 to H5 of history.h.
*/

#ifndef SIM_LEDGER_H_INCLUDED
#define SIM_LEDGER_H_INCLUDED

#include "sim.h"

#define PRODUCERS 8
#define PUTS 400
#define BODIES 3
#define BODY_MAX 110000

//  A body of a PUT: "<pPRODUCER.NUMBER.INDEX>" and what fills it up.  Returns its size.
size_t ledger_body (int producer, uint64_t number, int index, char body[BODY_MAX]);
int ledger_bodies (int producer, uint64_t number);

//  A producer is told OK for a PUT.  `named`: it numbers its PUTs.
void ledger_ok (int producer, uint64_t number, bool named, const char *level, const char *first, const char *last);
//  A consumer has got a message; has sent an acknowledgement of it; was told OK.
typedef struct ledger_message ledger_message_t;
ledger_message_t *ledger_got (const void *body, size_t size, const char *id, size_t id_size);
//  Who has got it asked then: what was acknowledged before that was not under way.
void ledger_asked (const ledger_message_t *message, const char *id, int64_t asked);
void ledger_acking (ledger_message_t *message);
void ledger_acked (ledger_message_t *message, const char *id);
//  The loser of a split has put this message aside, on its disk.
void ledger_aside (const void *body, size_t size, const char *why);
//  Messages that were answered OK, and of them neither acknowledged yet nor put aside.
size_t ledger_oks (void);
size_t ledger_open (void);
//  At the end: H2.  Returns the messages that are only on disks, where the pair waits for an operator.
size_t ledger_end (bool waits);
//  All PUTs of this producer are numbered.
void ledger_name (int producer);

//  What history tells of brokers.

//  A body leaves the queue for a consumer; `sent`: the consumer can get it.
void ledger_hand_out (const process_t *from, const void *body, size_t size, const char *id, bool sent);
//  The two are one: each holds what the other one does.
void ledger_one (void);
//  The two are in sync: what is on the passive one's disk is all that was answered OK, and not acknowledged.
void ledger_level (int passive);
//  A disk is about to be set back to a copy; was set back.
void ledger_back (int machine);
void ledger_was_back (int machine);
//  What this disk holds is old; it may come again from here on, since its broker leads.
void ledger_old (int machine);
void ledger_old_leads (void);

//  Figures of a run.
typedef struct {
    size_t oks, both, solo, duplicates, deliveries, redeliveries, stored_twice;
} ledger_stats_t;
extern ledger_stats_t ledger_stats;

#endif
