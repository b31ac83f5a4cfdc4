/*  =========================================================================
    reading - a history: requests, and what became of them

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reading.h"

static const char *const s_verb[] = {"HELLO", "PUT", "GET", "ACK", "REJECT", "LIST", "QUEUE", "PURGE", "DELETE"};
static const char *const s_status[] = {"", "OK", "MSG", "PASSIVE", "ERR"};

void *grow (void *array, size_t count, size_t size)
{
    if (count & (count - 1))
        return array;
    void *larger = realloc (array, (count ? 2 * count : 1) * size);
    assert (larger);
    return larger;
}

static uint64_t s_hash (const char *word)
{
    uint64_t hash = 14695981039346656037u;
    for (; *word; word++)
        hash = (hash ^ (uint8_t) *word) * 1099511628211u;
    return hash ^ (hash >> 29);
}

bool words_have (const words_t *self, const char *word)
{
    words_t copy = *self;
    return words_find (&copy, word, false) != NOTHING;
}

static void s_place (words_t *self, size_t number)
{
    size_t at = (size_t) (s_hash (self->word[number]) % self->room);
    while (self->table[at])
        at = (at + 1) % self->room;
    self->table[at] = number + 1;
}

size_t words_find (words_t *self, const char *word, bool add)
{
    for (size_t at = self->room ? (size_t) (s_hash (word) % self->room) : 0; self->room && self->table[at];
         at = (at + 1) % self->room)
        if (strcmp (self->word[self->table[at] - 1], word) == 0)
            return self->table[at] - 1;
    if (!add)
        return NOTHING;
    self->word = (const char **) grow (self->word, self->words, sizeof *self->word);
    self->word[self->words++] = word;
    if (2 * self->words <= self->room) {
        s_place (self, self->words - 1);
        return self->words - 1;
    }
    free (self->table);
    self->room = self->room ? 4 * self->room : 64;
    self->table = (size_t *) calloc (self->room, sizeof *self->table);
    assert (self->table);
    for (size_t number = 0; number < self->words; number++)
        s_place (self, number);
    return self->words - 1;
}

static void s_forget_words (words_t *self)
{
    free (self->word);
    free (self->table);
}

reading_t *reading_new (void)
{
    reading_t *self = (reading_t *) calloc (1, sizeof *self);
    assert (self);
    return self;
}

void reading_destroy (reading_t **self_p)
{
    reading_t *self = *self_p;
    if (!self)
        return;
    for (size_t index = 0; index < self->exchanges; index++) {
        free (self->exchange[index].argument);
        free (self->exchange[index].told);
    }
    for (size_t index = 0; index < self->memories; index++)
        free (self->memory[index]);
    s_forget_words (&self->names);
    s_forget_words (&self->brokers);
    s_forget_words (&self->epochs);
    s_forget_words (&self->aside);
    free (self->exchange);
    free (self->connection);
    free (self->split);
    free (self->stood);
    free (self->memory);
    free (self);
    *self_p = NULL;
}

static void s_wrong (reading_t *self, const char *format, ...) __attribute__ ((format (printf, 2, 3)));
static void s_wrong (reading_t *self, const char *format, ...)
{
    if (*self->wrong)
        return;
    int size = snprintf (self->wrong, sizeof self->wrong, "line %zu: ", self->lines);
    va_list list;
    va_start (list, format);
    vsnprintf (self->wrong + size, sizeof self->wrong - (size_t) size, format, list);
    va_end (list);
}

//  ---------------------------------------------------------------------------
//  Words of a line

static int s_hex (char letter)
{
    return letter >= '0' && letter <= '9' ? letter - '0' : letter >= 'A' && letter <= 'F' ? letter - 'A' + 10 : -1;
}

static void s_unescape (char *word)
{
    char *to = word;
    for (char *at = word; *at; at++) {
        int high = at[0] == '%' ? s_hex (at[1]) : -1;
        int low = high >= 0 ? s_hex (at[2]) : -1;
        bool told = low >= 0 && (high || low);
        *to++ = told ? (char) (high * 16 + low) : *at;
        at += told ? 2 : 0;
    }
    *to = 0;
}

//  Cuts a copy of the line into words; returns them, and a NULL behind them.
static char **s_cut (reading_t *self, const char *line, size_t *words)
{
    char *copy = strdup (line);
    assert (copy);
    self->memory = (char **) grow (self->memory, self->memories, sizeof *self->memory);
    self->memory[self->memories++] = copy;
    copy[strcspn (copy, "\n")] = 0;
    size_t count = 1;
    for (const char *at = copy; *at; at++)
        count += *at == '\t';
    char **word = (char **) calloc (count + 1, sizeof *word);
    assert (word);
    for (size_t index = 0; index < count; index++) {
        word[index] = copy;
        copy += strcspn (copy, "\t");
        if (*copy)
            *copy++ = 0;
        s_unescape (word[index]);
    }
    *words = count;
    return word;
}

//  What begins there, as an array of its own.
static char **s_behind (char **word, size_t words, size_t from, size_t *count)
{
    *count = words > from ? words - from : 0;
    char **copy = (char **) calloc (*count + 1, sizeof *copy);
    assert (copy);
    for (size_t index = 0; index < *count; index++)
        copy[index] = word[from + index];
    return copy;
}

static size_t s_index (const char *const *words, size_t count, const char *word)
{
    size_t index = 0;
    while (index < count && strcmp (words[index], word))
        index++;
    return index;
}

//  ---------------------------------------------------------------------------
//  What a line tells

static connection_t *s_connection (reading_t *self, const char *name)
{
    size_t number = words_find (&self->names, name, true);
    if (number == self->connections) {
        self->connection = (connection_t *) grow (self->connection, self->connections, sizeof *self->connection);
        self->connection[self->connections++] = (connection_t){
            .name = number, .broker = NOTHING, .epoch = NOTHING, .greeting = "", .session = "", .closed = NEVER};
    }
    return &self->connection[number];
}

static void s_ask (reading_t *self, connection_t *connection, int64_t when, char **word, size_t words)
{
    self->exchange = (exchange_t *) grow (self->exchange, self->exchanges, sizeof *self->exchange);
    exchange_t *exchange = &self->exchange[self->exchanges++];
    *exchange = (exchange_t){.sent = when,
                             .heard = NEVER,
                             .closed = NEVER,
                             .line = self->lines,
                             .connection = connection->name,
                             .broker = connection->broker,
                             .name = connection->session,
                             .verb = (verb_t) s_index (s_verb, sizeof s_verb / sizeof *s_verb, word[3]),
                             .verb_word = word[3],
                             .id = word[4],
                             .epoch = connection->epoch};
    exchange->argument = s_behind (word, words, 5, &exchange->arguments);
    if (exchange->verb == HELLO)
        connection->greeting = exchange->arguments ? exchange->argument[0] : "";
}

//  The newest request of this id that has no answer yet.  Requests of a connection are near to each other.
static exchange_t *s_asked (reading_t *self, const connection_t *connection, const char *id)
{
    for (size_t index = self->exchanges; index-- > 0;) {
        exchange_t *exchange = &self->exchange[index];
        if (exchange->connection == connection->name && strcmp (exchange->id, id) == 0)
            return exchange->answer == NO_ANSWER ? exchange : NULL;
    }
    return NULL;
}

//  The epoch is what is before the second point of a token.
static size_t s_epoch (reading_t *self, const char *token)
{
    const char *end = strchr (token, '.');
    end = end ? strchr (end + 1, '.') : NULL;
    if (!end)
        return NOTHING;
    char *text = strndup (token, (size_t) (end - token));
    assert (text);
    size_t found = words_find (&self->epochs, text, false);
    if (found != NOTHING) {
        free (text);
        return found;
    }
    self->memory = (char **) grow (self->memory, self->memories, sizeof *self->memory);
    self->memory[self->memories++] = text;
    return words_find (&self->epochs, text, true);
}

static void s_hear (reading_t *self, connection_t *connection, int64_t when, char **word, size_t words)
{
    exchange_t *exchange = s_asked (self, connection, word[4]);
    size_t status = s_index (s_status, sizeof s_status / sizeof *s_status, word[3]);
    if (!exchange) {
        if (*word[4])
            s_wrong (self, "an answer to %s, which waits for none", word[4]);
        return;
    }
    if (status > ERR) {
        s_wrong (self, "the answer is no answer: %s", word[3]);
        return;
    }
    size_t before = exchange->epoch;
    exchange->answer = (answer_t) status;
    exchange->heard = when;
    exchange->told = s_behind (word, words, 6, &exchange->tells);
    exchange->code = status == ERR && exchange->tells ? (unsigned) atoi (exchange->told[0]) : 0;
    exchange->epoch = s_epoch (self, word[5]);
    connection->epoch = exchange->epoch == NOTHING ? connection->epoch : exchange->epoch;
    exchange->epoch = reading_may_be_done (exchange) ? before : exchange->epoch;
    if (exchange->verb == HELLO && status == OK)
        connection->session = connection->greeting;
}

static void s_be_one (reading_t *self, int64_t when)
{
    if (self->divided || self->replayed) {
        self->split = (span_t *) grow (self->split, self->splits, sizeof *self->split);
        self->split[self->splits++] = (span_t){self->one, when, self->divided, self->copied};
    }
    self->divided = self->copied = self->replayed = false;
    self->one = when;
}

static void s_observe (reading_t *self, int64_t when, char **word, size_t words)
{
    if (strcmp (word[2], "one") == 0)
        s_be_one (self, when);
    else if (strcmp (word[2], "split") == 0)
        self->divided = true;
    else if (strcmp (word[2], "copy") == 0)
        self->divided = self->copied = true;
    else if (strcmp (word[2], "replay") == 0)
        self->replayed = true;
    else if (strcmp (word[2], "stood") == 0 && words > 3) {
        self->stood = (stood_t *) grow (self->stood, self->stoods, sizeof *self->stood);
        self->stood[self->stoods++] = (stood_t){words_find (&self->brokers, word[3], true), when};
    }
    else if (strcmp (word[2], "aside") == 0 && words > 3)
        words_find (&self->aside, word[3], true);
    else
        s_wrong (self, "%s is nothing that is observed", word[2]);
}

void reading_line (reading_t *self, const char *line)
{
    self->lines++;
    size_t words;
    char **word = s_cut (self, line, &words);
    char kind = words > 2 ? *word[2] : 0;
    int64_t when = (int64_t) ((strtod (word[0], NULL) * 1000000 + 0.5));
    self->newest = when > self->newest ? when : self->newest + 1;
    when = self->newest;
    if (words < 3 || (kind == '>' && words < 5) || (kind == '<' && words < 6) || (kind == '+' && words < 4))
        s_wrong (self, "too few words");
    else if (strcmp (word[1], "-") == 0)
        s_observe (self, when, word, words);
    else if (kind == '+')
        s_connection (self, word[1])->broker = words_find (&self->brokers, word[3], true);
    else if (kind == '>')
        s_ask (self, s_connection (self, word[1]), when, word, words);
    else if (kind == '<')
        s_hear (self, s_connection (self, word[1]), when, word, words);
    else if (kind == 'x')
        s_connection (self, word[1])->closed = when;
    else
        s_wrong (self, "%s is neither sent nor heard", word[2]);
    free (word);
}

void reading_end (reading_t *self)
{
    for (size_t index = 0; index < self->exchanges; index++)
        self->exchange[index].closed = self->connection[self->exchange[index].connection].closed;
    s_be_one (self, NEVER);
}

//  ---------------------------------------------------------------------------
//  Questions

bool reading_was_split (const reading_t *self, int64_t from, int64_t to)
{
    for (size_t index = 0; index < self->splits; index++)
        if (self->split[index].divided && self->split[index].from <= to && from <= self->split[index].to)
            return true;
    return false;
}

bool reading_was_copied (const reading_t *self, int64_t from, int64_t to)
{
    for (size_t index = 0; index < self->splits; index++)
        if (self->split[index].copied && self->split[index].from <= to && from <= self->split[index].to)
            return true;
    return false;
}

bool reading_was_replayed (const reading_t *self, int64_t from, int64_t to)
{
    for (size_t index = 0; index < self->splits; index++)
        if (self->split[index].from <= to && from <= self->split[index].to)
            return true;
    return false;
}

bool reading_split_before (const reading_t *self, int64_t to)
{
    return reading_was_split (self, INT64_MIN, to);
}

bool reading_may_be_done (const exchange_t *exchange)
{
    return exchange->answer == NO_ANSWER || exchange->answer == PASSIVE ||
           (exchange->answer == ERR && exchange->code == 503);
}

bool reading_is_old (const reading_t *self, const exchange_t *exchange)
{
    for (size_t index = 0; index < self->stoods; index++) {
        const stood_t *stood = &self->stood[index];
        if (stood->broker == exchange->broker && stood->when <= exchange->heard &&
            exchange->sent <= stood->when + SILENCE)
            return true;
    }
    return false;
}

const char *reading_text (const exchange_t *exchange, char *text, size_t size)
{
    int used = snprintf (text, size, "line %zu: %s%s%s", exchange->line, exchange->name, *exchange->name ? ": " : "",
                         exchange->verb_word);
    used += snprintf (text + used, size - (size_t) used, " %.20s", exchange->id);
    for (size_t index = 0; index < exchange->arguments && (size_t) used < size / 2; index++)
        used += snprintf (text + used, size - (size_t) used, " %.40s", exchange->argument[index]);
    used += snprintf (text + used, size - (size_t) used, " -> %s",
                      exchange->answer ? s_status[exchange->answer] : "no answer");
    for (size_t index = 0; index < exchange->tells && (size_t) used < size - 60; index++)
        used += snprintf (text + used, size - (size_t) used, " %.80s", exchange->told[index]);
    for (char *at = text; *at; at++)
        *at = *at == '\n' ? ',' : *at;
    return text;
}
