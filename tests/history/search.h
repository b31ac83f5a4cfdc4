/*  =========================================================================
    search - is there an order of operations in which each can be what it was?

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    After Wing & Gong and Lowe: each operation has its effect at one moment between its request and its answer.  The search
    takes one after the other, none before another that was answered before it was asked, and goes back where it is stuck;
    what it has seen (which operations were taken, and the state that they led to) it does not look at again.

    An operation that has no effect, or one that only permits more, is taken as soon as it can be: no order is lost by
    that.  One that was not answered may have its effect until its limit, or never.
*/

#ifndef SEARCH_H_INCLUDED
#define SEARCH_H_INCLUDED

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NEVER INT64_MAX

typedef struct {
    int64_t from, to; //  it has its effect not before, and not after
    bool optional;    //  it may have none
    bool reads;       //  it has none that forbids anything
} op_t;

//  The object that operations are about.
typedef struct {
    void *self;
    //  Does it if it can be now; else returns false and says why in `why`, of WHY_MAX bytes.
    bool (*apply) (void *self, size_t op, char *why);
    //  Takes back the one that was done last.
    void (*undo) (void *self);
    uint64_t (*hash) (const void *self);
} model_t;

#define WHY_MAX 240

typedef enum { SEARCH_FOUND, SEARCH_NONE, SEARCH_UNDECIDED } search_end_t;

typedef struct {
    search_end_t end;
    size_t steps;
    size_t stuck; //  SEARCH_NONE: the operation that has no place where most of the others have one
    char why[WHY_MAX];
} search_t;

//  `most`: steps until it gives up.
search_t search_run (const op_t *op, size_t ops, const model_t *model, size_t most);

#endif
