/*  =========================================================================
    search - is there an order of operations in which each can be what it was?

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "search.h"

#define NONE SIZE_MAX

//  An operation in the order that is tried.
typedef struct {
    size_t op;
    int64_t newest; //  when the last of those before it was asked
} taken_t;

typedef struct {
    const op_t *op;
    size_t ops;
    const model_t *model;
    size_t most;
    size_t *next, *before; //  those that are not taken, by the time of their request; `ops` is the end of the ring
    uint64_t *mark;        //  a random number of each
    taken_t *taken;
    size_t depth, left; //  operations taken; those that have to be
    int64_t newest;     //  when the last of those taken was asked
    uint64_t set;       //  of the marks of those taken
    uint64_t *seen;
    size_t seen_size, seen_room;
    size_t best; //  fewest that were left at a dead end
    search_t result;
} self_t;

static uint64_t s_random (uint64_t *seed)
{
    uint64_t value = (*seed += 0x9e3779b97f4a7c15u);
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

static const op_t *s_sorted;

static int s_by_time (const void *one, const void *other)
{
    size_t a = *(const size_t *) one, b = *(const size_t *) other;
    if (s_sorted[a].from != s_sorted[b].from)
        return s_sorted[a].from < s_sorted[b].from ? -1 : 1;
    return a < b ? -1 : a > b;
}

static void s_open (self_t *self)
{
    size_t ops = self->ops;
    self->next = (size_t *) calloc (ops + 1, sizeof (size_t));
    self->before = (size_t *) calloc (ops + 1, sizeof (size_t));
    self->mark = (uint64_t *) calloc (ops + 1, sizeof (uint64_t));
    self->taken = (taken_t *) calloc (ops + 1, sizeof (taken_t));
    self->seen_room = 1024;
    self->seen = (uint64_t *) calloc (self->seen_room, sizeof (uint64_t));
    size_t *order = (size_t *) calloc (ops + 1, sizeof (size_t));
    assert (self->next && self->before && self->mark && self->taken && self->seen && order);
    uint64_t seed = 1;
    for (size_t index = 0; index < ops; index++) {
        order[index] = index;
        self->mark[index] = s_random (&seed);
        self->left += !self->op[index].optional;
    }
    order[ops] = ops;
    s_sorted = self->op;
    qsort (order, ops, sizeof (size_t), s_by_time);
    for (size_t index = 0; index <= ops; index++) {
        size_t after = order[index == ops ? 0 : index + 1];
        self->next[order[index]] = after;
        self->before[after] = order[index];
    }
    free (order);
    self->newest = INT64_MIN;
    self->best = SIZE_MAX;
}

static void s_close (self_t *self)
{
    free (self->next);
    free (self->before);
    free (self->mark);
    free (self->taken);
    free (self->seen);
}

//  False if it was seen before.
static bool s_remember (self_t *self, uint64_t what)
{
    what = what ? what : 1;
    if (2 * self->seen_size >= self->seen_room) {
        uint64_t *old = self->seen;
        size_t room = self->seen_room;
        self->seen_room *= 2;
        self->seen_size = 0;
        self->seen = (uint64_t *) calloc (self->seen_room, sizeof (uint64_t));
        assert (self->seen);
        for (size_t index = 0; index < room; index++)
            if (old[index])
                s_remember (self, old[index]);
        free (old);
    }
    size_t at = (size_t) (what % self->seen_room);
    while (self->seen[at] && self->seen[at] != what)
        at = (at + 1) % self->seen_room;
    if (self->seen[at])
        return false;
    self->seen[at] = what;
    self->seen_size++;
    return true;
}

static bool s_take (self_t *self, size_t index)
{
    const op_t *op = &self->op[index];
    self->result.steps++;
    char why[WHY_MAX];
    if (!self->model->apply (self->model->self, index, why))
        return false;
    self->taken[self->depth++] = (taken_t){index, self->newest};
    self->newest = op->from > self->newest ? op->from : self->newest;
    self->left -= !op->optional;
    self->set ^= self->mark[index];
    self->next[self->before[index]] = self->next[index];
    self->before[self->next[index]] = self->before[index];
    return true;
}

//  Takes back what was taken last; returns it.
static size_t s_give_back (self_t *self)
{
    taken_t *taken = &self->taken[--self->depth];
    size_t index = taken->op;
    self->model->undo (self->model->self);
    self->newest = taken->newest;
    self->left += !self->op[index].optional;
    self->set ^= self->mark[index];
    self->next[self->before[index]] = index;
    self->before[self->next[index]] = index;
    return index;
}

//  The first answer among those that are left: what was asked later has to come later.
static int64_t s_first_answer (const self_t *self, size_t *whose)
{
    int64_t first = NEVER;
    for (size_t at = self->next[self->ops]; at != self->ops && self->op[at].from <= first; at = self->next[at])
        if (!self->op[at].optional && self->op[at].to < first) {
            first = self->op[at].to;
            *whose = at;
        }
    return first;
}

//  Takes all that only looks, if it has seen what is there.
static void s_look (self_t *self)
{
    bool more = true;
    while (more) {
        more = false;
        size_t whose = NONE;
        int64_t first = s_first_answer (self, &whose);
        for (size_t at = self->next[self->ops]; at != self->ops && self->op[at].from <= first;) {
            size_t index = at;
            at = self->next[at];
            if (self->op[index].reads && s_take (self, index))
                more = true;
        }
    }
}

//  Which of two is tried first: what has to be, the sooner its answer came; then what may be.
static bool s_is_before (const self_t *self, size_t one, size_t other)
{
    const op_t *a = &self->op[one], *b = &self->op[other];
    if (a->optional != b->optional)
        return b->optional;
    if (a->to != b->to)
        return a->to < b->to;
    return one < other;
}

//  The next one that may come now, behind the one that was tried last; NONE if there is no other.
static size_t s_candidate (const self_t *self, size_t last)
{
    size_t whose = NONE, best = NONE;
    int64_t first = s_first_answer (self, &whose);
    for (size_t at = self->next[self->ops]; at != self->ops && self->op[at].from <= first; at = self->next[at]) {
        const op_t *op = &self->op[at];
        if (op->reads || (op->optional && op->to < self->newest))
            continue;
        if ((last == NONE || s_is_before (self, last, at)) && (best == NONE || s_is_before (self, at, best)))
            best = at;
    }
    return best;
}

//  Nothing can come now.
static void s_note_dead_end (self_t *self)
{
    if (self->left >= self->best)
        return;
    self->best = self->left;
    (void) s_first_answer (self, &self->result.stuck);
    if (self->model->apply (self->model->self, self->result.stuck, self->result.why)) {
        self->model->undo (self->model->self);
        snprintf (self->result.why, WHY_MAX, "and what was answered before it leaves no place for it");
    }
}

static bool s_step (self_t *self, size_t *last)
{
    for (;;) {
        size_t index = s_candidate (self, *last);
        if (index == NONE)
            return false;
        *last = index;
        if (s_take (self, index))
            return true;
    }
}

search_t search_run (const op_t *op, size_t ops, const model_t *model, size_t most)
{
    self_t self = {.op = op, .ops = ops, .model = model, .most = most};
    s_open (&self);
    size_t last = NONE;
    s_look (&self);
    while (self.left && self.result.steps < most) {
        if (s_step (&self, &last)) {
            s_look (&self);
            last = NONE;
            if (self.left == 0 || s_remember (&self, self.set ^ model->hash (model->self)))
                continue;
        }
        else
            s_note_dead_end (&self);
        size_t back = NONE;
        while (self.depth && (back == NONE || op[back].reads))
            back = s_give_back (&self);
        if (back == NONE || op[back].reads) {
            self.result.end = SEARCH_NONE;
            break;
        }
        last = back;
    }
    if (self.left && self.result.end == SEARCH_FOUND)
        self.result.end = SEARCH_UNDECIDED;
    s_close (&self);
    return self.result;
}
