/*  =========================================================================
    queue_model - the messages of a queue, as each operation finds and leaves them

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A message is known by its id.  Where nobody can know, since a split, or a request that got no answer, lies between,
    it may be there or not: a count has to be one of those that are possible, and whoever gets it says that it was.
*/

#ifndef QUEUE_MODEL_H_INCLUDED
#define QUEUE_MODEL_H_INCLUDED

#include "judge.h"

#define COUNT_BITS 39 //  of an id; those above say in which leadership it was given

typedef enum { NEW, IN, OUT, EITHER } place_t;
typedef enum { STORE, DONE, CLEAR, DROP, MAKE, TAKE, FIND_NOTHING, COUNT, MISS, REFUSE } kind_t;

typedef struct {
    uint64_t id;
    size_t group, index; //  the PUT's bodies, and which one of them
    const char *producer;
    size_t before;  //  the message of this producer with the next smaller id; NOTHING
    int64_t put;    //  when it was sent first
    int64_t told;   //  when it was known to be stored
    int64_t ghost;  //  since when an acknowledgement that got no answer may have come; NEVER
    bool uncertain; //  it was stored twice, or is kept for an operator
    place_t place;
    bool got;  //  it was delivered
    size_t at; //  in `unseen`
} message_t;

typedef struct {
    kind_t kind;
    const exchange_t *exchange;
    bool split;      //  the brokers may have been divided
    bool copied;     //  by a store that was set back since then
    bool old;        //  FIND_NOTHING, COUNT: it may be told from before a pause that no clock has seen
    size_t *message; //  that it stores, has done, or delivers
    size_t messages;
    bool strict;     //  DONE: each of them is there
    bool unsure;     //  DONE: of these some may be left, as a range leaves what had a delay
    size_t after;    //  STORE: the one that has to come before; NOTHING
    uint64_t number; //  MAKE, COUNT: max-messages; REFUSE: bodies
    bool has_number;
    uint64_t counted;
    uint64_t ghosts; //  COUNT, REFUSE: messages that may have been stored without an answer
    int64_t veil;    //  what was put before may have been delivered in an answer that nobody heard
    //  At the same time, and of another leadership, or not answered: what this broker saw of them may be lost.
    size_t *dirty;
    size_t dirties;
} act_t;

typedef struct {
    act_t *act;
    op_t *op;
    size_t acts;
    message_t *message;
    size_t messages;
    size_t *ghost; //  messages with one
    size_t ghosts;
    bool was_split; //  ids of different leaderships have no common order
    //  By the options of the queue:
    bool vanish; //  a message may be gone of itself, be it that it was the oldest or that it was over
    bool die;    //  what was delivered may be
    bool delay;  //  what is there need not be due, and the order is that of time
    bool held;   //  what is there need not be for who asks,
    bool keyed;  //  and others go on

    //  What the operations change.
    struct {
        uint64_t in, either; //  messages
        enum { UNKNOWN, THERE, ABSENT } exists;
        uint64_t max;
        bool max_known;
        uint64_t hash;
        size_t noted;
    } now, *was;
    size_t depth;
    bool *taken; //  acts
    size_t *order;
    size_t *unseen; //  messages that are in, and were not delivered yet
    size_t unseens;
    struct {
        size_t message;
        place_t place;
        bool got;
    } * note;
    size_t notes;
} queue_model_t;

//  Allocates what the search needs; the rest is filled in.
model_t queue_model (queue_model_t *self);

#endif
