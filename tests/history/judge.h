/*  =========================================================================
    judge - is there an order of the requests in which every answer is right?

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A history is judged object by object, which is what a pair promises no less than a single broker would: the numbers of
    each producer (producers.c), and the messages of each queue (queues.c).  What a split may do is in the README.

    A producer's numbers:
        OK              the number is the next one, and no try of it was stored before
        OK duplicate    a try of it was stored before, with the same content
        409 N           N is the next one, and the PUT is another one, or was stored before with other content
        HELLO           its last-number was stored, and the one behind it was not
        410 413 429 507 the PUT was not stored before
    A queue's messages:
        OK FIRST LAST   ids in the order in which PUTs were stored, each for one message; it was not full.  With acks: what
                        they name was there, and is acknowledged
        MSG             what is delivered is stored, and not acknowledged, purged or deleted; of each producer the first
                        time in its order.  Nothing came: there was nothing that nobody had got before
        429             it was full
        404, LIST       there is no such queue; its options and its messages are what they are

    A LIST counts what is on its way to the disk, which is not delivered before it is there, and which may be lost, and be
    done again, if the leadership changes; of an acknowledgement of several that is on its way it may count a part.  What no
    answer told may be on one disk alone, and be replayed from there later.  While the brokers are divided, and of what was
    done then, only what the README keeps is asked for. After a pause that no clock has seen what is empty, and LIST, may be old for a while. What the options of a queue allow the broker by itself is allowed: what has a delay comes
    in no order, and is left by a range; what is the oldest of a full queue, or expires, is gone; what was delivered may be dead. A queue of dead
    letters, and what a MOVE is about, is left out, and so are topics and subscriptions.  Not looked at: leases, `leased` and `waiting`, delivery counts, instances.
*/

#ifndef JUDGE_H_INCLUDED
#define JUDGE_H_INCLUDED

#include "reading.h"

typedef struct {
    size_t objects;     //  producers and queues
    size_t operations;  //  of them
    size_t steps;       //  of the searches
    size_t undecided;   //  objects of which the search gave up
    char finding[1200]; //  the first; "" = none
    char doubt[1200];   //  what the first of those that are not decided was stuck at; "" = none
} judge_t;

void judge_find (judge_t *self, const char *format, ...) __attribute__ ((format (printf, 2, 3)));
//  An object was searched.
void judge_take (judge_t *self, const char *what, const search_t *search, size_t operations, const exchange_t *stuck);
//  `most`: steps for each operation until a search gives up.
judge_t judge_history (const reading_t *reading, size_t most);

void judge_producers (judge_t *self, const reading_t *reading, size_t most);
void judge_queues (judge_t *self, const reading_t *reading, size_t most);

#endif
