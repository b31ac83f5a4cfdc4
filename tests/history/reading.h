/*  =========================================================================
    reading - a history: requests, and what became of them

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    One line for each message that a client sent or heard, and for what an observer knows; lines in the order of their
    times, words between tabs:

        TIME CONNECTION + BROKER                        a connection, to this broker
        TIME CONNECTION > VERB ID ARGUMENT...           a request, as it is sent
        TIME CONNECTION < STATUS ID TOKEN ARGUMENT...   a reply, as it is heard
        TIME CONNECTION x                               nothing more will be heard on it
        TIME - one                                      the brokers are in sync: what one has answered both have
        TIME - split                                    since they were one, each may have answered without the other
        TIME - copy                                     the same, and one of them was set back to a copy made since then
        TIME - replay                                   since they were one, one holds what nobody has answered, and replays it
        TIME - stood BROKER                             its clocks have stood with it, and it goes on: nothing tells it that
                                                        what it knows is old, until it has been silent for too long
        TIME - aside BODY                               the loser of a split keeps this message for an operator

    TIME is in seconds, of one clock.  A connection is named once.  A body is told by a word of its own, which is the same
    only for the same body.  In all words, bytes that are not printable, and %, are %XX.
*/

#ifndef READING_H_INCLUDED
#define READING_H_INCLUDED

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "search.h"

#define NOTHING SIZE_MAX
#define SILENCE 500000 //  us: a broker's `silence`, for which it may go on without a word of the other one

//  Words, each with a number.
typedef struct {
    const char **word;
    size_t words;
    size_t *table, room;
} words_t;

//  Its number; `add`: given if it has none.  NOTHING if it has none.
size_t words_find (words_t *self, const char *word, bool add);
bool words_have (const words_t *self, const char *word);

//  Room for one more of an array of that many; returns where it is now.
void *grow (void *array, size_t count, size_t size);

typedef enum { HELLO, PUT, GET, ACK, REJECT, LIST, QUEUE, PURGE, DELETE, OTHER } verb_t;
typedef enum { NO_ANSWER, OK, MSG, PASSIVE, ERR } answer_t;

typedef struct {
    int64_t sent, heard; //  us; NEVER
    int64_t closed;      //  when its connection was
    size_t line;
    size_t connection;
    size_t broker;    //  words of `brokers`
    const char *name; //  of its session; "" = none
    verb_t verb;
    const char *verb_word, *id;
    char **argument;
    size_t arguments;
    answer_t answer;
    unsigned code; //  of ERR
    size_t
        epoch; //  of `epochs`: in which it was answered; if it was not, the one before that on its connection; NOTHING
    char **told; //  behind the token
    size_t tells;
} exchange_t;

typedef struct {
    size_t name; //  of `connections`
    size_t broker;
    const char *greeting, *session; //  the name of its last HELLO; of the last that was answered OK
    size_t epoch;                   //  of its last answer
    int64_t closed;
} connection_t;

typedef struct {
    int64_t from, to;
    bool divided, copied; //  else what nobody has answered was replayed
} span_t;

typedef struct {
    size_t broker;
    int64_t when;
} stood_t;

typedef struct {
    exchange_t *exchange;
    size_t exchanges;
    connection_t *connection;
    size_t connections;
    words_t names, brokers, epochs, aside;
    span_t *split; //  between two times at which the brokers were one, those in which they were not
    size_t splits;
    stood_t *stood;
    size_t stoods;
    int64_t one; //  since when they are one, or were
    bool divided, copied, replayed;
    size_t lines;
    int64_t newest; //  time of the last line: no two have the same
    char **memory;
    size_t memories;
    char wrong[512]; //  the first line that no history can have; "" = none
} reading_t;

reading_t *reading_new (void);
void reading_destroy (reading_t **self_p);
void reading_line (reading_t *self, const char *line);
//  All lines are read.
void reading_end (reading_t *self);
//  Whether it may have happened while the brokers were divided; `before`: or after that.
bool reading_was_split (const reading_t *self, int64_t from, int64_t to);
//  The same, with a copy.
bool reading_was_copied (const reading_t *self, int64_t from, int64_t to);
//  Whether what one broker lacked may have come to it from the other one meanwhile, after a split or not.
bool reading_was_replayed (const reading_t *self, int64_t from, int64_t to);
bool reading_split_before (const reading_t *self, int64_t to);
//  Whether the broker may have answered from what it knew before its clocks stood.
bool reading_is_old (const reading_t *self, const exchange_t *exchange);
//  A text for people: what was asked and answered, and where.
const char *reading_text (const exchange_t *exchange, char *text, size_t size);
//  The request was, or may have been, done.
bool reading_may_be_done (const exchange_t *exchange);

#endif
