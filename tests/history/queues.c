/*  =========================================================================
    queues - the messages of each queue: operations, from what was asked and answered

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    All tries of a PUT are one operation for each time that it was stored: once, if it has a number; else as often as it was
    answered, and as ids are delivered that no answer has told.
*/

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue_model.h"

//  A GET is read this long after its connection was closed, at most: a broker may have been stopped.
#define LATE 10000000

//  All tries of a PUT, known by its bodies.
typedef struct {
    const exchange_t *first; //  that may be done
    char **body;
    size_t bodies;
    size_t unheard; //  tries that may be done, and were not answered OK
    size_t found;   //  of them, those whose ids were delivered
    size_t put;     //  a place where it is stored
} group_t;

//  A PUT that is stored.
typedef struct {
    size_t group, message; //  its first one; the others are behind it
    const exchange_t *exchange;
    int64_t from, to;
    bool split;
} put_t;

//  A GET whose answer nobody has heard.
typedef struct {
    int64_t sent, end;
} ghost_t;

typedef struct {
    judge_t *judge;
    const reading_t *reading;
    const char *queue;
    queue_model_t model;
    words_t bodies, ids;
    size_t *group_of, *index_of; //  of words of `bodies`
    group_t *group;
    size_t groups;
    put_t *put;
    size_t puts;
    size_t *put_of; //  of messages
    size_t *order;  //  messages by id
    ghost_t *ghost;
    size_t ghosts;
    char **memory;
    size_t memories;
} self_t;

static const char *s_argument (const exchange_t *exchange, size_t index)
{
    return index < exchange->arguments ? exchange->argument[index] : "";
}

//  The ids in a PUT's property acks, if they are of this queue; "" = none.
static const char *s_put_acks (const char *queue, const exchange_t *exchange)
{
    const char *line = s_argument (exchange, 1);
    while (line && strncmp (line, "acks=", 5))
        line = strchr (line, '\n') ? strchr (line, '\n') + 1 : NULL;
    size_t size = strlen (queue);
    bool fits = line && strncmp (line + 5, queue, size) == 0 && line[5 + size] == ' ';
    return fits ? line + 5 + size + 1 : "";
}

static const char *s_acks (const exchange_t *exchange)
{
    return s_argument (exchange, exchange->verb == GET ? 3 : 1);
}

static bool s_is_about (const self_t *self, const exchange_t *exchange)
{
    return exchange->verb != HELLO && exchange->verb != LIST && exchange->verb != OTHER &&
           strcmp (s_argument (exchange, 0), self->queue) == 0;
}

//  ---------------------------------------------------------------------------
//  What was put, and where it is stored

static void s_try (self_t *self, const exchange_t *exchange)
{
    if (exchange->arguments < 3 || (exchange->answer != OK && !reading_may_be_done (exchange)))
        return;
    size_t body = words_find (&self->bodies, exchange->argument[2], false);
    if (body == NOTHING) {
        group_t group = {.first = exchange, .body = exchange->argument + 2, .bodies = exchange->arguments - 2};
        for (size_t index = 0; index < group.bodies; index++) {
            body = words_find (&self->bodies, group.body[index], true);
            self->group_of = (size_t *) grow (self->group_of, body, sizeof *self->group_of);
            self->index_of = (size_t *) grow (self->index_of, body, sizeof *self->index_of);
            self->group_of[body] = self->groups;
            self->index_of[body] = index;
        }
        body = words_find (&self->bodies, exchange->argument[2], false);
        group.put = NOTHING;
        self->group = (group_t *) grow (self->group, self->groups, sizeof *self->group);
        self->group[self->groups++] = group;
    }
    self->group[self->group_of[body]].unheard += exchange->answer != OK;
}

static size_t s_new_message (self_t *self, uint64_t id, size_t group, size_t index, size_t put)
{
    char text[24], *copy;
    snprintf (text, sizeof text, "%" PRIu64, id);
    copy = strdup (text);
    assert (copy);
    self->memory = (char **) grow (self->memory, self->memories, sizeof *self->memory);
    self->memory[self->memories++] = copy;
    size_t number = words_find (&self->ids, copy, true);
    const exchange_t *first = self->group[group].first;
    self->model.message = (message_t *) grow (self->model.message, number, sizeof *self->model.message);
    self->put_of = (size_t *) grow (self->put_of, number, sizeof *self->put_of);
    self->put_of[number] = put;
    self->model.message[number] = (message_t){.id = id,
                                              .group = group,
                                              .index = index,
                                              .producer = first->name,
                                              .before = NOTHING,
                                              .put = first->sent,
                                              .ghost = NEVER};
    self->model.messages = self->ids.words;
    return number;
}

//  It is stored with these ids.
static void s_store (self_t *self, size_t number, uint64_t first, const exchange_t *exchange, int64_t from)
{
    group_t *group = &self->group[number];
    self->put = (put_t *) grow (self->put, self->puts, sizeof *self->put);
    self->put[self->puts] = (put_t){number, self->model.messages, exchange, from, exchange->heard, false};
    for (size_t index = 0; index < group->bodies; index++) {
        char text[24];
        snprintf (text, sizeof text, "%" PRIu64, first + index);
        if (words_find (&self->ids, text, false) != NOTHING)
            judge_find (self->judge, "queue %s: id %s is told for %s and for another message", self->queue, text,
                        group->body[index]);
        else
            s_new_message (self, first + index, number, index, self->puts);
    }
    bool twice = group->put != NOTHING;
    if (twice && *exchange->name && exchange->verb == PUT && !reading_split_before (self->reading, exchange->heard))
        judge_find (self->judge, "queue %s: %s has a number, and is stored at %" PRIu64 " and elsewhere", self->queue,
                    group->body[0], first);
    group->put = self->puts++;
}

//  OK level first last
static void s_answered (self_t *self, const exchange_t *exchange)
{
    if (exchange->answer != OK || exchange->tells < 3 || exchange->arguments < 3)
        return;
    uint64_t first = strtoull (exchange->told[1], NULL, 10), last = strtoull (exchange->told[2], NULL, 10);
    size_t number = self->group_of[words_find (&self->bodies, exchange->argument[2], false)];
    group_t *group = &self->group[number];
    if (!first)
        return;
    if (last - first + 1 != group->bodies)
        judge_find (self->judge, "queue %s: %zu bodies of %s are stored from %" PRIu64 " to %" PRIu64, self->queue,
                    group->bodies, group->body[0], first, last);
    size_t message = words_find (&self->ids, exchange->told[1], false);
    put_t *put = message == NOTHING ? NULL : &self->put[self->put_of[message]];
    if (!put || put->group != number || !*exchange->name)
        s_store (self, number, first, exchange, *exchange->name ? group->first->sent : exchange->sent);
    else if (exchange->heard < put->to) {
        put->to = exchange->heard;
        put->exchange = exchange;
    }
}

//  The id of a body in a MSG's index.
static const char *s_next_id (const char *line, char id[24])
{
    size_t size = strcspn (line, " \n");
    snprintf (id, 24, "%.*s", (int) size, line);
    line += strcspn (line, "\n");
    return line + (*line == '\n');
}

//  A message is delivered: its place is where this id says, and was told before that.
static void s_delivered (self_t *self, const exchange_t *exchange, const char *id, const char *word)
{
    size_t body = words_find (&self->bodies, word, false);
    size_t message = words_find (&self->ids, id, false);
    if (body == NOTHING) {
        judge_find (self->judge, "queue %s: %s is delivered as %s, and nobody has put it", self->queue, word, id);
        return;
    }
    size_t number = self->group_of[body], index = self->index_of[body];
    group_t *group = &self->group[number];
    if (message == NOTHING) {
        if (++group->found > group->unheard && !*group->first->name)
            judge_find (self->judge, "queue %s: %s is delivered as %s, too, and was not put so often", self->queue,
                        word, id);
        if (*group->first->name && group->put != NOTHING && !reading_split_before (self->reading, exchange->heard))
            judge_find (self->judge, "queue %s: %s has a number, and is delivered as %s, and stored elsewhere",
                        self->queue, word, id);
        s_store (self, number, strtoull (id, NULL, 10) - index, exchange, group->first->sent);
        return;
    }
    if (self->model.message[message].group != number || self->model.message[message].index != index)
        judge_find (self->judge, "queue %s: id %s is told for %s, and delivered with %s", self->queue, id,
                    self->group[self->model.message[message].group].body[self->model.message[message].index], word);
    put_t *put = &self->put[self->put_of[message]];
    put->to = exchange->heard < put->to ? exchange->heard : put->to;
}

//  MSG level queue index body...
static void s_got (self_t *self, const exchange_t *exchange)
{
    const char *line = exchange->tells > 2 ? exchange->told[2] : "";
    for (size_t index = 3; index < exchange->tells; index++) {
        char id[24];
        line = s_next_id (line, id);
        s_delivered (self, exchange, id, exchange->told[index]);
    }
}

//  ---------------------------------------------------------------------------
//  Operations

static act_t *s_add (self_t *self, kind_t kind, const exchange_t *exchange, int64_t from, int64_t to, bool optional)
{
    queue_model_t *model = &self->model;
    model->act = (act_t *) grow (model->act, model->acts, sizeof *model->act);
    model->op = (op_t *) grow (model->op, model->acts, sizeof *model->op);
    act_t *act = &model->act[model->acts];
    *act = (act_t){.kind = kind,
                   .exchange = exchange,
                   .split = reading_was_split (self->reading, from, to),
                   .copied = reading_was_copied (self->reading, from, to),
                   .old = reading_is_old (self->reading, exchange),
                   .after = NOTHING,
                   .veil = INT64_MIN};
    model->op[model->acts++] = (op_t){from, to, optional, kind >= TAKE};
    return act;
}

static void s_name (act_t *act, size_t message)
{
    act->message = (size_t *) grow (act->message, act->messages, sizeof *act->message);
    act->message[act->messages++] = message;
}

static const message_t *s_by_id;

static int s_compare (const void *one, const void *other)
{
    uint64_t a = s_by_id[*(const size_t *) one].id, b = s_by_id[*(const size_t *) other].id;
    return a < b ? -1 : a > b;
}

//  The first message in the order of ids that is not below this one.
static size_t s_not_below (const self_t *self, uint64_t id)
{
    size_t low = 0, high = self->model.messages;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (self->model.message[self->order[middle]].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

//  Messages in the order of their ids; of each producer, which one is before it; PUTs in their order.
static void s_sort (self_t *self)
{
    size_t count = self->model.messages;
    self->order = (size_t *) calloc (count + 1, sizeof *self->order);
    assert (self->order);
    for (size_t index = 0; index < count; index++)
        self->order[index] = index;
    s_by_id = self->model.message;
    if (count)
        qsort (self->order, count, sizeof *self->order, s_compare);
    words_t producers = {0};
    size_t *newest = NULL;
    for (size_t index = 0; index < count; index++) {
        message_t *message = &self->model.message[self->order[index]];
        if (!*message->producer)
            continue;
        size_t known = producers.words;
        size_t producer = words_find (&producers, message->producer, true);
        if (producer == known)
            newest = (size_t *) grow (newest, known, sizeof *newest);
        message->before = producer == known ? NOTHING : newest[producer];
        newest[producer] = self->order[index];
    }
    free (producers.word);
    free (producers.table);
    free (newest);
}

static void s_add_puts (self_t *self)
{
    for (size_t index = 0; index < self->puts; index++) {
        put_t *put = &self->put[index];
        group_t *group = &self->group[put->group];
        act_t *act = s_add (self, STORE, put->exchange, put->from, put->to, false);
        put->split = act->split;
        bool uncertain = group->put != index;
        for (size_t body = 0; body < group->bodies; body++) {
            s_name (act, put->message + body);
            self->model.message[put->message + body].told = put->to;
            uncertain = uncertain || words_have (&self->reading->aside, group->body[body]);
        }
        //  Of those that have a number one is left in the end.
        for (size_t at = 0; at < group->bodies && uncertain && *group->first->name; at++) {
            self->model.message[put->message + at].uncertain = true;
            self->model.message[self->put[group->put].message + at].uncertain = true;
        }
    }
}

//  PUTs that were told of are stored in the order of their ids.  What no answer has told, or none before a replay, may have
//  been on its way to one disk alone, and come from there later, as what was told in a split: of one leadership still in
//  this order.
static void s_order_puts (self_t *self)
{
    struct {
        uint64_t epoch;
        bool told;
        size_t last;
    } *chain = NULL;
    size_t chains = 0;
    for (size_t index = 0; index < self->model.messages; index++) {
        const put_t *put = &self->put[self->put_of[self->order[index]]];
        if (self->order[index] != put->message)
            continue;
        bool told = put->exchange->verb == PUT;
        bool late = put->split || reading_was_replayed (self->reading, put->from, put->to);
        uint64_t epoch = told && !late ? 0 : self->model.message[put->message].id >> COUNT_BITS;
        size_t at = 0;
        while (at < chains && (chain[at].epoch != epoch || chain[at].told != told))
            at++;
        if (at == chains) {
            chain = grow (chain, chains, sizeof *chain);
            chain[chains].epoch = epoch;
            chain[chains].told = told;
            chain[chains++].last = NOTHING;
        }
        //  Acts of PUTs are the first ones, in the order of `put`.
        self->model.act[put - self->put].after = chain[at].last;
        chain[at].last = (size_t) (put - self->put);
    }
    free (chain);
}

//  Calls for each message that acks name.
static void s_each_ack (self_t *self, const exchange_t *exchange, const char *at, act_t *act)
{
    while (*at && *at != '\n') {
        char *end;
        uint64_t first = strtoull (at, &end, 10), last = first;
        if (strncmp (end, "..", 2) == 0)
            last = strtoull (end + 2, &end, 10);
        for (size_t index = s_not_below (self, first); index < self->model.messages; index++) {
            message_t *message = &self->model.message[self->order[index]];
            if (message->id > last)
                break;
            if (act)
                s_name (act, self->order[index]);
            else if (exchange->sent < message->ghost)
                message->ghost = exchange->sent;
        }
        at = *end == ' ' ? end + 1 : end + strlen (end);
    }
}

static void s_add_acks (self_t *self, const exchange_t *exchange)
{
    if (!*s_acks (exchange))
        return;
    if (exchange->answer == OK || exchange->answer == MSG) {
        act_t *act = s_add (self, DONE, exchange, exchange->sent, exchange->heard, false);
        act->unsure = self->model.delay && strstr (s_acks (exchange), "..");
        s_each_ack (self, exchange, s_acks (exchange), act);
        return;
    }
    if (reading_may_be_done (exchange))
        s_each_ack (self, exchange, s_acks (exchange), NULL);
}

//  Whether both are tries of one PUT that has a number.
static bool s_is_same_put (const exchange_t *one, const exchange_t *other)
{
    if (one->verb != PUT || other->verb != PUT || !*one->name || strcmp (one->name, other->name) ||
        strcmp (one->id, other->id) || one->arguments != other->arguments)
        return false;
    for (size_t index = 0; index < one->arguments; index++)
        if (strcmp (one->argument[index], other->argument[index]))
            return false;
    return true;
}

//  What a PUT acknowledges is done with it: of all tries of one number once, since the first and before the first OK.
static void s_add_put_acks (self_t *self, size_t at)
{
    const exchange_t *exchange = &self->reading->exchange[at];
    const char *acks = s_put_acks (self->queue, exchange);
    if (exchange->verb != PUT || !*acks)
        return;
    if (exchange->answer != OK) {
        if (reading_may_be_done (exchange))
            s_each_ack (self, exchange, acks, NULL);
        return;
    }
    int64_t sent = exchange->sent;
    for (size_t other = 0; other < self->reading->exchanges; other++) {
        const exchange_t *try = &self->reading->exchange[other];
        if (other == at || !s_is_same_put (exchange, try))
            continue;
        if (try->answer == OK && try->heard < exchange->heard)
            return;
        sent = try->sent < sent ? try->sent : sent;
    }
    act_t *act = s_add (self, DONE, exchange, sent, exchange->heard, false);
    act->strict = true;
    s_each_ack (self, exchange, acks, act);
}

static void s_add_get (self_t *self, const exchange_t *exchange)
{
    uint64_t most = strtoull (s_argument (exchange, 1), NULL, 10);
    int64_t wait = (int64_t) strtoull (s_argument (exchange, 2), NULL, 10) * 1000;
    if (exchange->answer == MSG && exchange->tells > 3) {
        act_t *act = s_add (self, TAKE, exchange, exchange->sent, exchange->heard, false);
        const char *line = exchange->told[2];
        for (size_t index = 3; index < exchange->tells; index++) {
            char id[24];
            line = s_next_id (line, id);
            size_t message = words_find (&self->ids, id, false);
            if (message != NOTHING)
                s_name (act, message);
        }
    }
    else if (exchange->answer == MSG && most && !*s_acks (exchange) && exchange->heard - exchange->sent >= wait)
        s_add (self, FIND_NOTHING, exchange, exchange->sent, exchange->heard, false);
    else if (reading_may_be_done (exchange)) {
        self->ghost = (ghost_t *) grow (self->ghost, self->ghosts, sizeof *self->ghost);
        int64_t end = exchange->closed < NEVER - LATE ? exchange->closed + LATE : NEVER;
        self->ghost[self->ghosts++] = (ghost_t){exchange->sent, end};
    }
}

static bool s_max (const char *options, uint64_t *max)
{
    const char *at = strstr (options, "max-messages=");
    if (at)
        *max = strtoull (at + strlen ("max-messages="), NULL, 10);
    return at != NULL;
}

static void s_add_change (self_t *self, const exchange_t *exchange)
{
    kind_t kind = exchange->verb == QUEUE ? MAKE : exchange->verb == PURGE ? CLEAR : DROP;
    bool unheard = reading_may_be_done (exchange);
    //  Who makes it first finds none.
    if (kind == MAKE && self->model.now.exists == UNKNOWN)
        self->model.now.exists = ABSENT;
    if (exchange->answer != OK && !unheard)
        return;
    act_t *act = s_add (self, kind, exchange, exchange->sent, unheard ? NEVER : exchange->heard, unheard);
    if (kind == MAKE)
        act->has_number = s_max (s_argument (exchange, 1), &act->number);
}

static void s_add_refusal (self_t *self, const exchange_t *exchange)
{
    if (exchange->code == 404)
        s_add (self, MISS, exchange, exchange->sent, exchange->heard, false);
    else if (exchange->verb == PUT && exchange->tells > 1 && strcmp (exchange->told[1], "the queue is full") == 0)
        s_add (self, REFUSE, exchange, exchange->sent, exchange->heard, false)->number = exchange->arguments - 2;
}

//  OK (queue, lines)...
static void s_add_list (self_t *self, const exchange_t *exchange)
{
    const char *pattern = s_argument (exchange, 0);
    if (exchange->verb != LIST || exchange->answer != OK)
        return;
    for (size_t index = 0; index + 1 < exchange->tells; index += 2)
        if (strcmp (exchange->told[index], self->queue) == 0) {
            act_t *act = s_add (self, COUNT, exchange, exchange->sent, exchange->heard, false);
            const char *count = strstr (exchange->told[index + 1], "\nmessages=");
            act->counted = count ? strtoull (count + strlen ("\nmessages="), NULL, 10) : 0;
            act->has_number = s_max (exchange->told[index + 1], &act->number);
            return;
        }
    //  Of a page nobody can say what is not in it.
    if (exchange->arguments > 1)
        return;
    if (!*pattern || strcmp (pattern, "*") == 0 || strcmp (pattern, self->queue) == 0)
        s_add (self, MISS, exchange, exchange->sent, exchange->heard, false);
}

//  ---------------------------------------------------------------------------
//  What was under way

//  Messages that may be stored though no id of them was told.
static uint64_t s_ghosts (const self_t *self, int64_t until)
{
    uint64_t ghosts = 0;
    for (size_t index = 0; index < self->groups; index++) {
        const group_t *group = &self->group[index];
        size_t more = !*group->first->name
                          ? group->unheard - (group->found < group->unheard ? group->found : group->unheard)
                      : group->put == NOTHING ? group->unheard > 0
                                              : 0;
        if (group->first->sent <= until)
            ghosts += more * group->bodies;
    }
    return ghosts;
}

//  Whether the second one may be seen by the first one, and be lost: it was under way in another leadership; a PURGE
//  that was not answered, in the same one.  Of an acknowledgement of several that is under way a part may be seen.
static bool s_is_dirty (const act_t *act, const act_t *other)
{
    bool same = act->exchange->epoch != NOTHING && act->exchange->epoch == other->exchange->epoch;
    switch (other->kind) {
    case STORE:
        return act->kind == COUNT && !same;
    case DONE:
        return act->kind == COUNT && (!same || other->messages > 1);
    case CLEAR:
        return same && reading_may_be_done (other->exchange);
    default:
        return false;
    }
}

static void s_add_dirty (self_t *self, size_t index)
{
    queue_model_t *model = &self->model;
    act_t *act = &model->act[index];
    for (size_t other = 0; other < model->acts; other++)
        if (model->op[other].from <= model->op[index].to && model->op[other].to >= model->op[index].from &&
            s_is_dirty (act, &model->act[other])) {
            act->dirty = (size_t *) grow (act->dirty, act->dirties, sizeof *act->dirty);
            act->dirty[act->dirties++] = other;
        }
}

static void s_finish (self_t *self)
{
    queue_model_t *model = &self->model;
    for (size_t index = 0; index < model->acts; index++) {
        act_t *act = &model->act[index];
        if (act->kind == COUNT || act->kind == FIND_NOTHING)
            s_add_dirty (self, index);
        if (act->kind == COUNT || act->kind == REFUSE)
            act->ghosts = s_ghosts (self, act->exchange->heard);
        for (size_t ghost = 0; ghost < self->ghosts && (act->kind == TAKE || act->kind == FIND_NOTHING); ghost++)
            if (self->ghost[ghost].sent <= act->exchange->heard && self->ghost[ghost].end > act->veil)
                act->veil = self->ghost[ghost].end;
    }
    for (size_t index = 0; index < model->messages; index++)
        if (model->message[index].ghost < NEVER) {
            model->ghost = (size_t *) grow (model->ghost, model->ghosts, sizeof *model->ghost);
            model->ghost[model->ghosts++] = index;
        }
    model->was_split = self->reading->splits > 0;
}

//  ---------------------------------------------------------------------------

typedef void (each_fn) (self_t *self, const exchange_t *exchange);

static void s_each (self_t *self, verb_t verb, each_fn *fn)
{
    for (size_t index = 0; index < self->reading->exchanges; index++) {
        const exchange_t *exchange = &self->reading->exchange[index];
        if (exchange->verb == verb && (verb == LIST || s_is_about (self, exchange)))
            fn (self, exchange);
    }
}

static void s_add_rest (self_t *self)
{
    for (size_t index = 0; index < self->reading->exchanges; index++) {
        const exchange_t *exchange = &self->reading->exchange[index];
        s_add_put_acks (self, index);
        if (!s_is_about (self, exchange))
            continue;
        if (exchange->verb == GET || exchange->verb == ACK || exchange->verb == REJECT)
            s_add_acks (self, exchange);
        if (exchange->verb == GET)
            s_add_get (self, exchange);
        if (exchange->verb == QUEUE || exchange->verb == PURGE || exchange->verb == DELETE)
            s_add_change (self, exchange);
        if (exchange->answer == ERR)
            s_add_refusal (self, exchange);
    }
    s_each (self, LIST, s_add_list);
}

static void s_close (self_t *self)
{
    for (size_t index = 0; index < self->model.acts; index++) {
        free (self->model.act[index].message);
        free (self->model.act[index].dirty);
    }
    for (size_t index = 0; index < self->memories; index++)
        free (self->memory[index]);
    void *const all[] = {self->model.act,   self->model.op,     self->model.message,
                         self->model.ghost, self->model.was,    self->model.taken,
                         self->model.order, self->model.note,   self->model.unseen,
                         self->bodies.word, self->bodies.table, (void *) (uintptr_t) self->ids.word,
                         self->ids.table,   self->group_of,     self->index_of,
                         self->group,       self->put,          self->put_of,
                         self->order,       self->ghost,        self->memory};
    for (size_t index = 0; index < sizeof all / sizeof *all; index++)
        free (all[index]);
}

static void s_search (self_t *self, size_t most)
{
    s_sort (self);
    s_add_puts (self);
    s_order_puts (self);
    s_add_rest (self);
    s_finish (self);
    model_t model = queue_model (&self->model);
    search_t search = search_run (self->model.op, self->model.acts, &model, most * (self->model.acts + 100));
    char what[80];
    snprintf (what, sizeof what, "queue %.60s", self->queue);
    judge_take (self->judge, what, &search, self->model.acts,
                self->model.acts ? self->model.act[search.stuck].exchange : NULL);
}

//  Whether a line of these options begins so.
static bool s_names (const char *options, const char *line)
{
    for (const char *at = options; at; at = strchr (at, '\n'), at += at != NULL)
        if (strncmp (at, line, strlen (line)) == 0)
            return true;
    return false;
}

//  What its options allow the broker to do by itself.
static void s_look_at_options (self_t *self, const exchange_t *exchange)
{
    const char *options = s_argument (exchange, 1), *tries = strstr (options, "max-deliveries=");
    queue_model_t *model = &self->model;
    model->vanish = model->vanish || s_names (options, "full=drop-oldest") || s_names (options, "expires=");
    model->die = model->die || (tries && tries[sizeof "max-deliveries=" - 1] != '0');
    model->delay = model->delay || s_names (options, "delay=");
    model->held = model->held || s_names (options, "mode=exclusive") || s_names (options, "mode=key");
    model->keyed = model->keyed || s_names (options, "mode=key");
}

static void s_judge (judge_t *judge, const reading_t *reading, const char *queue, size_t most)
{
    self_t self = {.judge = judge, .reading = reading, .queue = queue};
    s_each (&self, QUEUE, s_look_at_options);
    s_each (&self, PUT, s_try);
    s_each (&self, PUT, s_answered);
    s_each (&self, GET, s_got);
    if (!*judge->finding)
        s_search (&self, most);
    s_close (&self);
}

//  What is in it was put there by the broker, in the place of what a REJECT has named, or what has died or was dropped; or by a MOVE,
//  or a MOVE has taken from it what nobody acknowledges.
static bool s_is_the_broker_s (const reading_t *reading, const char *queue)
{
    size_t size = strlen (queue);
    bool is = size > 5 && (strcmp (queue + size - 5, ".dead") == 0 || strcmp (queue + size - 5, ".lost") == 0);
    for (size_t index = 0; index < reading->exchanges && !is; index++) {
        const exchange_t *exchange = &reading->exchange[index];
        is = strcmp (exchange->verb_word, "MOVE") == 0 && exchange->arguments > 1 &&
             (strcmp (exchange->argument[0], queue) == 0 || strcmp (exchange->argument[1], queue) == 0);
        //  It does not give in the order of ids, deletes by itself, or tells that what was put is another PUT's.
        is = is || (exchange->verb == QUEUE && exchange->arguments > 1 && strcmp (exchange->argument[0], queue) == 0 &&
                    (s_names (exchange->argument[1], "priorities=") || s_names (exchange->argument[1], "dedupe=") ||
                     s_names (exchange->argument[1], "unused=")));
    }
    return is;
}

//  A topic, or a subscription, where what was put into a topic comes from.
static bool s_is_of_topics (const reading_t *reading, const char *queue)
{
    bool is = strchr (queue, '/') != NULL;
    for (size_t index = 0; index < reading->exchanges && !is; index++) {
        const exchange_t *exchange = &reading->exchange[index];
        is = strcmp (exchange->verb_word, "TOPIC") == 0 && strcmp (s_argument (exchange, 0), queue) == 0;
    }
    return is;
}

void judge_queues (judge_t *self, const reading_t *reading, size_t most)
{
    words_t names = {0};
    for (size_t index = 0; index < reading->exchanges; index++) {
        const exchange_t *exchange = &reading->exchange[index];
        if (exchange->verb != HELLO && exchange->verb != LIST && exchange->verb != OTHER && exchange->arguments)
            words_find (&names, exchange->argument[0], true);
    }
    for (size_t index = 0; index < names.words; index++)
        if (!s_is_the_broker_s (reading, names.word[index]) && !s_is_of_topics (reading, names.word[index]))
            s_judge (self, reading, names.word[index], most);
    free (names.word);
    free (names.table);
}
