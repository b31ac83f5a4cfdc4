/*  =========================================================================
    queue_model - the messages of a queue, as each operation finds and leaves them

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "queue_model.h"

static uint64_t s_mix (uint64_t one, uint64_t other)
{
    uint64_t value = one * 0x9e3779b97f4a7c15u + other;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    return value ^ (value >> 27);
}

//  What a message's state adds to all counts, or takes from them.
static void s_count (queue_model_t *self, const message_t *message, uint64_t one)
{
    self->now.in += message->place == IN ? one : 0;
    self->now.either += message->place == EITHER ? one : 0;
    self->now.hash ^= s_mix (message->id, (uint64_t) message->place * 2 + message->got);
}

static void s_change (queue_model_t *self, size_t index, place_t place, bool got)
{
    message_t *message = &self->message[index];
    if (message->place == IN && !message->got) {
        size_t last = self->unseen[--self->unseens];
        self->unseen[message->at] = last;
        self->message[last].at = message->at;
    }
    s_count (self, message, (uint64_t) -1);
    message->place = place;
    message->got = got;
    s_count (self, message, 1);
    if (message->place == IN && !message->got) {
        message->at = self->unseens;
        self->unseen[self->unseens++] = index;
    }
}

static void s_set (queue_model_t *self, size_t index, place_t place, bool got)
{
    self->note = grow (self->note, self->notes, sizeof *self->note);
    self->note[self->notes].message = index;
    self->note[self->notes].place = self->message[index].place;
    self->note[self->notes++].got = self->message[index].got;
    s_change (self, index, place, got);
}

static void s_undo (void *arg)
{
    queue_model_t *self = (queue_model_t *) arg;
    self->depth--;
    while (self->notes > self->was[self->depth].noted) {
        self->notes--;
        s_change (self, self->note[self->notes].message, self->note[self->notes].place, self->note[self->notes].got);
    }
    self->now = self->was[self->depth];
    self->taken[self->order[self->depth]] = false;
}

//  ---------------------------------------------------------------------------
//  How many messages there may be

static uint64_t s_most (const queue_model_t *self, const act_t *act)
{
    uint64_t most = self->now.in + self->now.either + act->ghosts;
    for (size_t index = 0; index < act->dirties; index++) {
        const act_t *other = &self->act[act->dirty[index]];
        if (other->kind == STORE && !self->taken[act->dirty[index]])
            most += other->messages;
    }
    return most;
}

//  A PURGE was seen that may be lost.
static bool s_may_be_purged (const queue_model_t *self, const act_t *act)
{
    for (size_t index = 0; index < act->dirties; index++)
        if (self->act[act->dirty[index]].kind == CLEAR && !self->taken[act->dirty[index]])
            return true;
    return false;
}

static uint64_t s_least (const queue_model_t *self, const act_t *act)
{
    //  What was delivered in an answer that nobody heard may have died.
    if (self->die)
        return 0;
    uint64_t gone = s_may_be_purged (self, act) ? self->now.in : 0;
    for (size_t index = 0; index < self->ghosts; index++) {
        const message_t *message = &self->message[self->ghost[index]];
        gone += message->place == IN && message->ghost <= act->exchange->heard;
    }
    for (size_t index = 0; index < act->dirties; index++) {
        const act_t *other = &self->act[act->dirty[index]];
        for (size_t at = 0; at < other->messages && other->kind == DONE && !self->taken[act->dirty[index]]; at++)
            gone += self->message[other->message[at]].place == IN;
    }
    return self->now.in > gone ? self->now.in - gone : 0;
}

//  ---------------------------------------------------------------------------
//  Operations

static bool s_store (queue_model_t *self, const act_t *act, char *why)
{
    if (act->after != NOTHING && !self->taken[act->after]) {
        snprintf (why, WHY_MAX, "a smaller id has to come before");
        return false;
    }
    if (!act->split && self->now.exists == ABSENT) {
        snprintf (why, WHY_MAX, "there is no such queue");
        return false;
    }
    if (!act->split && self->now.max_known && self->now.max && s_least (self, act) + act->messages > self->now.max) {
        snprintf (why, WHY_MAX, "there are %" PRIu64 " messages at least, of %" PRIu64, s_least (self, act),
                  self->now.max);
        return false;
    }
    for (size_t index = 0; index < act->messages; index++)
        s_set (self, act->message[index], self->vanish || self->message[act->message[index]].uncertain ? EITHER : IN,
               false);
    return true;
}

static bool s_done (queue_model_t *self, const act_t *act, char *why)
{
    for (size_t index = 0; index < act->messages && act->strict && !act->split; index++) {
        const message_t *message = &self->message[act->message[index]];
        if (message->place == NEW || message->place == OUT) {
            snprintf (why, WHY_MAX, "%" PRIu64 ", which its acks name, is %s", message->id,
                      message->place == NEW ? "not stored yet" : "settled already");
            return false;
        }
    }
    for (size_t index = 0; index < act->messages; index++) {
        const message_t *message = &self->message[act->message[index]];
        if (message->place == IN || message->place == EITHER)
            s_set (self, act->message[index], act->copied || act->unsure ? EITHER : OUT, message->got);
    }
    return true;
}

//  What the other side of a split has is there afterwards.
static bool s_clear (queue_model_t *self, const act_t *act, char *why)
{
    if (!act->split && self->now.exists == ABSENT && !self->op[act - self->act].optional) {
        snprintf (why, WHY_MAX, "there is no such queue");
        return false;
    }
    for (size_t index = 0; index < self->messages; index++) {
        const message_t *message = &self->message[index];
        if (message->place == IN || message->place == EITHER)
            s_set (self, index, act->split ? EITHER : OUT, message->got);
    }
    if (act->kind == DROP)
        self->now.exists = act->split ? UNKNOWN : ABSENT;
    if (act->kind == DROP)
        self->now.max_known = false;
    return true;
}

static bool s_make (queue_model_t *self, const act_t *act)
{
    if (self->now.exists == ABSENT && !act->split) {
        self->now.max = 0;
        self->now.max_known = true;
    }
    if (act->has_number) {
        self->now.max = act->number;
        self->now.max_known = true;
    }
    self->now.max_known = self->now.max_known && !act->split;
    self->now.exists = THERE;
    return true;
}

//  Nobody has got it, as far as anybody can know.
static bool s_is_unseen (const message_t *message, const act_t *act)
{
    return message->place == IN && !message->got && message->ghost > act->exchange->heard && message->put > act->veil;
}

//  One of the same producer before it, which has to be delivered before; NULL if there is none.
static const message_t *s_overtaken (const queue_model_t *self, const act_t *act, const message_t *message)
{
    for (size_t at = message->before; at != NOTHING; at = self->message[at].before) {
        const message_t *before = &self->message[at];
        if (self->was_split && before->id >> COUNT_BITS != message->id >> COUNT_BITS)
            return NULL;
        if (s_is_unseen (before, act))
            return before;
        if (before->place != NEW)
            return NULL;
    }
    return NULL;
}

static bool s_take (queue_model_t *self, const act_t *act, char *why)
{
    for (size_t index = 0; index < act->messages; index++) {
        const message_t *message = &self->message[act->message[index]];
        bool done = message->place == OUT && !act->split;
        if (message->place == NEW || done) {
            snprintf (why, WHY_MAX, "%" PRIu64 " is %s", message->id,
                      done ? "acknowledged, or purged" : "not stored yet");
            return false;
        }
        bool ordered = !act->split && !message->got && !self->delay && !self->keyed;
        const message_t *before = ordered ? s_overtaken (self, act, message) : NULL;
        if (before) {
            snprintf (why, WHY_MAX, "%" PRIu64 " was not delivered, and comes before %" PRIu64, before->id,
                      message->id);
            return false;
        }
        //  In a split it is there on one side.  The other side may have acknowledged or purged it, which is what is left.
        bool sure = message->place == EITHER && !act->split && !self->vanish;
        s_set (self, act->message[index], sure ? IN : message->place, true);
    }
    return true;
}

static bool s_find_nothing (const queue_model_t *self, const act_t *act, char *why)
{
    if (act->split || self->delay || self->held || s_may_be_purged (self, act))
        return true;
    for (size_t index = 0; index < self->unseens; index++) {
        const message_t *message = &self->message[self->unseen[index]];
        //  What is on its way to the disk counts, but is not delivered yet.
        if (message->told < act->exchange->sent && s_is_unseen (message, act)) {
            snprintf (why, WHY_MAX, "%" PRIu64 " is there, and nobody has got it", message->id);
            return false;
        }
    }
    return true;
}

static bool s_look (const queue_model_t *self, const act_t *act, char *why)
{
    if (act->split)
        return true;
    if (act->kind == MISS) {
        snprintf (why, WHY_MAX, "there is such a queue");
        return self->now.exists != THERE;
    }
    uint64_t most = s_most (self, act), least = s_least (self, act);
    snprintf (why, WHY_MAX, "there are %" PRIu64 " to %" PRIu64 " messages, and max-messages is %" PRIu64, least, most,
              self->now.max);
    bool known = self->now.max_known && (self->now.max || act->kind == REFUSE);
    if (act->kind == REFUSE)
        return !known || (self->now.max && most + act->number > self->now.max);
    if (act->old)
        return true;
    bool absent = self->now.exists == ABSENT;
    return !absent && least <= act->counted && act->counted <= most && (!known || self->now.max == act->number);
}

static bool s_do (queue_model_t *self, const act_t *act, char *why)
{
    switch (act->kind) {
    case STORE:
        return s_store (self, act, why);
    case DONE:
        return s_done (self, act, why);
    case CLEAR:
    case DROP:
        return s_clear (self, act, why);
    case MAKE:
        return s_make (self, act);
    case TAKE:
        return s_take (self, act, why);
    case FIND_NOTHING:
        return act->old || s_find_nothing (self, act, why);
    default:
        return s_look (self, act, why);
    }
}

static bool s_apply (void *arg, size_t index, char *why)
{
    queue_model_t *self = (queue_model_t *) arg;
    self->now.noted = self->notes;
    self->was[self->depth] = self->now;
    self->order[self->depth++] = index;
    self->taken[index] = true;
    if (s_do (self, &self->act[index], why))
        return true;
    s_undo (self);
    return false;
}

static uint64_t s_hash (const void *arg)
{
    const queue_model_t *self = (const queue_model_t *) arg;
    return self->now.hash ^ s_mix (self->now.max, (uint64_t) self->now.exists * 2 + self->now.max_known);
}

model_t queue_model (queue_model_t *self)
{
    self->was = calloc (self->acts + 1, sizeof *self->was);
    self->order = (size_t *) calloc (self->acts + 1, sizeof *self->order);
    self->taken = (bool *) calloc (self->acts + 1, sizeof *self->taken);
    self->unseen = (size_t *) calloc (self->messages + 1, sizeof *self->unseen);
    assert (self->was && self->order && self->taken && self->unseen);
    return (model_t){self, s_apply, s_undo, s_hash};
}
