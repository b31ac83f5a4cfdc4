/*  =========================================================================
    producers - the numbers of each named producer

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    An operation is one try of a PUT, or a HELLO.  A try that got no answer may be done until the next HELLO of the name
    is answered, which ends what is in flight; unless the other broker holds it, and replays it after that.

    From a split until the brokers are one each of them has numbers of its own: a number is stored once by each.
*/

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "judge.h"

#define REMEMBERED 256 //  PUTs of a name that a broker compares

typedef enum { STORES, AGAIN, EXPECTS, REFUSES, TELLS } kind_t;

typedef struct {
    kind_t kind;
    const exchange_t *exchange;
    uint64_t number; //  of the PUT; that HELLO or 409 tells
    uint64_t told;
    uint64_t content;
    size_t slot;
    bool split;
} act_t;

//  A number that is stored.
typedef struct {
    uint64_t number, content, other; //  `other`: of the second side
    unsigned brokers;                //  that have answered; 0 = none, or not said
    bool stored, by_all;
} slot_t;

typedef struct {
    const exchange_t **hello; //  that were answered OK
    size_t hellos;
    act_t *act;
    op_t *op;
    size_t acts;
    slot_t *slot;
    size_t slots;
    uint64_t last;
    uint64_t hash;
    struct {
        size_t slot;
        slot_t was;
        uint64_t last, hash;
    } * done;
    size_t depth;
} self_t;

//  ---------------------------------------------------------------------------
//  What can be now

static unsigned s_side (const act_t *act)
{
    return act->exchange->broker == NOTHING ? 1u : 1u << (act->exchange->broker % 31);
}

static bool s_same (const slot_t *slot, const act_t *act)
{
    return slot->stored && (slot->content == act->content || slot->other == act->content);
}

static bool s_remembers (const self_t *self, const act_t *act)
{
    return act->number + REMEMBERED > self->last;
}

static bool s_may_store (const self_t *self, const act_t *act, char *why)
{
    const slot_t *slot = &self->slot[act->slot];
    if (act->split && (!slot->stored || (!slot->by_all && !(slot->brokers & s_side (act)))))
        return true;
    if (slot->stored)
        snprintf (why, WHY_MAX, "number %" PRIu64 " is stored already", act->number);
    else if (act->number == self->last + 1)
        return true;
    else
        snprintf (why, WHY_MAX, "the next number is %" PRIu64, self->last + 1);
    return false;
}

static bool s_may_be (const self_t *self, const act_t *act, char *why)
{
    const slot_t *slot = &self->slot[act->slot];
    switch (act->kind) {
    case AGAIN:
        if (s_same (slot, act))
            return true;
        snprintf (why, WHY_MAX, slot->stored ? "it is stored with other content" : "no try of it is stored");
        return false;
    case EXPECTS:
        snprintf (why, WHY_MAX, "the next number is %" PRIu64 "%s", self->last + 1,
                  slot->stored ? ", and it is stored with this content" : "");
        return act->split || (act->told == self->last + 1 && act->number != act->told &&
                              !(s_same (slot, act) && s_remembers (self, act)));
    case REFUSES:
        snprintf (why, WHY_MAX, "it is stored already");
        return act->split || !s_same (slot, act) || !s_remembers (self, act);
    default:
        snprintf (why, WHY_MAX, "the last number is %" PRIu64, self->last);
        return act->split || act->told == self->last;
    }
}

static uint64_t s_mix (uint64_t one, uint64_t other)
{
    return (one ^ other) * 0x9e3779b97f4a7c15u ^ (one >> 31);
}

static bool s_apply (void *arg, size_t index, char *why)
{
    self_t *self = (self_t *) arg;
    const act_t *act = &self->act[index];
    slot_t *slot = &self->slot[act->slot];
    bool can = act->kind == STORES ? s_may_store (self, act, why) : s_may_be (self, act, why);
    if (!can)
        return false;
    self->done[self->depth].slot = act->slot;
    self->done[self->depth].was = *slot;
    self->done[self->depth].last = self->last;
    self->done[self->depth++].hash = self->hash;
    if (act->kind != STORES)
        return true;
    slot->other = slot->stored ? act->content : slot->other;
    slot->content = slot->stored ? slot->content : act->content;
    slot->stored = true;
    slot->by_all = !act->split;
    slot->brokers |= s_side (act);
    self->last = act->number > self->last ? act->number : self->last;
    self->hash += s_mix (act->content, act->number);
    return true;
}

static void s_undo (void *arg)
{
    self_t *self = (self_t *) arg;
    self->depth--;
    self->slot[self->done[self->depth].slot] = self->done[self->depth].was;
    self->last = self->done[self->depth].last;
    self->hash = self->done[self->depth].hash;
}

static uint64_t s_state (const void *arg)
{
    //  What is stored follows from which operations were taken; not so what each number holds.
    const self_t *self = (const self_t *) arg;
    return self->hash;
}

//  ---------------------------------------------------------------------------
//  The operations of a name

static uint64_t s_content (const exchange_t *exchange)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t index = 0; index < exchange->arguments; index++)
        for (const char *at = exchange->argument[index];; at++) {
            hash = (hash ^ (uint8_t) *at) * 1099511628211u;
            if (!*at)
                break;
        }
    return hash;
}

//  Until when a try without an answer may be done: it is not behind what was asked after that.
static int64_t s_limit (const self_t *self, const reading_t *reading, const exchange_t *try)
{
    for (size_t index = 0; index < self->hellos; index++) {
        const exchange_t *hello = self->hello[index];
        if (hello->sent > try->sent && !reading_was_replayed (reading, try->sent, hello->heard))
            return hello->sent - 1;
    }
    return NEVER;
}

static size_t s_slot (self_t *self, uint64_t number)
{
    for (size_t index = self->slots; index-- > 0;)
        if (self->slot[index].number == number)
            return index;
    self->slot = (slot_t *) grow (self->slot, self->slots, sizeof *self->slot);
    self->slot[self->slots] = (slot_t){.number = number};
    return self->slots++;
}

static void s_add (self_t *self, const reading_t *reading, const exchange_t *exchange, kind_t kind, bool optional)
{
    self->act = (act_t *) grow (self->act, self->acts, sizeof *self->act);
    self->op = (op_t *) grow (self->op, self->acts, sizeof *self->op);
    bool told = kind == EXPECTS || kind == TELLS;
    uint64_t number = kind == TELLS ? 0 : strtoull (exchange->id, NULL, 10);
    int64_t to = optional ? s_limit (self, reading, exchange) : exchange->heard;
    self->act[self->acts] = (act_t){.kind = kind,
                                    .exchange = exchange,
                                    .number = number,
                                    .told = told ? strtoull (exchange->told[1], NULL, 10) : 0,
                                    .content = kind == TELLS ? 0 : s_content (exchange),
                                    .slot = s_slot (self, number),
                                    .split = reading_was_split (reading, exchange->sent, to)};
    self->op[self->acts++] = (op_t){exchange->sent, to, optional, kind != STORES};
}

static void s_add_put (self_t *self, const reading_t *reading, const exchange_t *exchange)
{
    if (reading_may_be_done (exchange))
        s_add (self, reading, exchange, STORES, true);
    else if (exchange->answer == OK)
        s_add (self, reading, exchange, exchange->tells > 3 ? AGAIN : STORES, false);
    else if (exchange->code == 409 && exchange->tells > 1 && strspn (exchange->told[1], "0123456789"))
        s_add (self, reading, exchange, EXPECTS, false);
    else if (exchange->code == 404 || exchange->code == 410 || exchange->code == 413 || exchange->code == 429 || exchange->code == 507)
        s_add (self, reading, exchange, REFUSES, false);
}

static void s_judge (judge_t *judge, const reading_t *reading, const char *name, size_t most)
{
    self_t self = {.acts = 0};
    (void) s_slot (&self, 0);
    for (size_t index = 0; index < reading->exchanges; index++) {
        const exchange_t *exchange = &reading->exchange[index];
        bool greets = exchange->verb == HELLO && exchange->answer == OK && exchange->arguments && exchange->tells > 1;
        if (!greets || strcmp (exchange->argument[0], name))
            continue;
        self.hello = (const exchange_t **) grow (self.hello, self.hellos, sizeof *self.hello);
        self.hello[self.hellos++] = exchange;
        s_add (&self, reading, exchange, TELLS, false);
    }
    for (size_t index = 0; index < reading->exchanges; index++) {
        const exchange_t *exchange = &reading->exchange[index];
        if (exchange->verb == PUT && strcmp (exchange->name, name) == 0)
            s_add_put (&self, reading, exchange);
    }
    self.done = calloc (self.acts + 1, sizeof *self.done);
    assert (self.done);
    model_t model = {&self, s_apply, s_undo, s_state};
    search_t search = search_run (self.op, self.acts, &model, most * (self.acts + 100));
    char what[80];
    snprintf (what, sizeof what, "producer %.60s", name);
    judge_take (judge, what, &search, self.acts, self.acts ? self.act[search.stuck].exchange : NULL);
    free (self.hello);
    free (self.act);
    free (self.op);
    free (self.slot);
    free (self.done);
}

void judge_producers (judge_t *self, const reading_t *reading, size_t most)
{
    words_t names = {0};
    for (size_t index = 0; index < reading->exchanges; index++) {
        const exchange_t *exchange = &reading->exchange[index];
        if (exchange->verb == PUT && *exchange->name)
            words_find (&names, exchange->name, true);
    }
    for (size_t index = 0; index < names.words; index++)
        s_judge (self, reading, names.word[index], most);
    free (names.word);
    free (names.table);
}
