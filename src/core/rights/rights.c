/*  =========================================================================
    rights - who may do what: principals, their keys, and their rules

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

#include "core/base/level.h"
#include "core/rights/rights.h"

#define HEAD ZB_RIGHTS_NOBODY
//  The words of a line of the row before its rules, and of a change.
#define LINE_WORDS 6
#define CHANGE_WORDS 4
//  Bytes of a line beside its name, key and rules.
#define LINE_MORE 64

struct zb_rights {
    zb_principal_t *one; //  by key, ascending
    size_t size, room;
    uint64_t serial;
};

static const char *const s_names[ZB_RIGHTS] = {
    [ZB_RIGHT_NONE] = "",     [ZB_RIGHT_PUT] = "put", [ZB_RIGHT_GET] = "get",         [ZB_RIGHT_MANAGE] = "manage",
    [ZB_RIGHT_LOOK] = "look", [ZB_RIGHT_AS] = "as",   [ZB_RIGHT_OPERATE] = "operate", [ZB_RIGHT_REPLAY] = ""};

static const char *const s_limits[ZB_LIMITS] = {
    [ZB_LIMIT_CONNECTIONS] = "connections", [ZB_LIMIT_REQUESTS] = "requests", [ZB_LIMIT_BYTES] = "bytes"};

const char *zb_right_name (zb_right_t right)
{
    assert (right < ZB_RIGHTS);
    return s_names[right];
}

//  ZB_RIGHTS if no rule has such a name.
static zb_right_t s_right (zb_frame_t word)
{
    zb_right_t right = ZB_RIGHT_NONE;
    while (right < ZB_RIGHTS && (!*s_names[right] || !zb_frame_is (word, s_names[right])))
        right++;
    return right;
}

//  ZB_LIMITS if none has such a name.
static zb_limit_t s_limit (zb_frame_t word)
{
    zb_limit_t limit = 0;
    while (limit < ZB_LIMITS && !zb_frame_is (word, s_limits[limit]))
        limit++;
    return limit;
}

static const char *s_wrong (char why[ZB_RIGHTS_WHY], const char *format, ...) __attribute__ ((format (printf, 2, 3)));

static const char *s_wrong (char why[ZB_RIGHTS_WHY], const char *format, ...)
{
    va_list arguments;
    va_start (arguments, format);
    vsnprintf (why, ZB_RIGHTS_WHY, format, arguments);
    va_end (arguments);
    return why;
}

//  ---------------------------------------------------------------------------------------------------------------
//  Words and patterns

//  Takes the part up to the letter, or to the end, off the text.
static zb_frame_t s_part (zb_frame_t *text, char letter)
{
    size_t end = zb_frame_find (*text, 0, letter);
    zb_frame_t part = zb_frame_part (*text, 0, end);
    *text = zb_frame_part (*text, end + (end < text->size), text->size);
    return part;
}

//  Splits at single spaces; returns how many words there are, `most` + 1 if there are more.
static size_t s_split (zb_frame_t line, zb_frame_t *word, size_t most)
{
    size_t count = 0;
    while (line.size && count < most)
        word[count++] = s_part (&line, ' ');
    return line.size ? most + 1 : count;
}

static bool s_has (zb_frame_t text, char letter)
{
    return zb_frame_find (text, 0, letter) < text.size;
}

//  NULL if it is a pattern: parts with '/' between, each as LIST takes it.
static const char *s_pattern_check (zb_frame_t pattern)
{
    const char *wrong = pattern.size > ZB_NAME_MAX ? "longer than 255 bytes" : NULL;
    bool open = pattern.size && ((const char *) pattern.data)[pattern.size - 1] == '/';
    do {
        zb_frame_t part = s_part (&pattern, '/');
        wrong = wrong ? wrong : zb_pattern_check (part);
    } while (pattern.size && !wrong);
    return !wrong && open ? "empty behind '/'" : wrong;
}

bool zb_rights_match (zb_frame_t pattern, zb_frame_t name)
{
    bool match = true;
    while (match && (pattern.size || name.size)) {
        zb_frame_t want = s_part (&pattern, '/'), have = s_part (&name, '/');
        //  A '*' of the name stands for any number of characters, which no '?' does.
        bool covers = zb_frame_eq (want, have) || !s_has (have, '*') || !s_has (want, '?');
        match = want.size && have.size && covers && zb_name_match (want, have);
    }
    return match;
}

//  ---------------------------------------------------------------------------------------------------------------
//  The class

zb_rights_t *zb_rights_new (void)
{
    zb_rights_t *self = (zb_rights_t *) calloc (1, sizeof (zb_rights_t));
    assert (self);
    self->serial = 1;
    return self;
}

static void s_clear (zb_rights_t *self)
{
    for (size_t index = 0; index < self->size; index++)
        free (self->one[index].rules);
    free (self->one);
    self->one = NULL;
    self->size = self->room = 0;
}

void zb_rights_destroy (zb_rights_t **self_p)
{
    assert (self_p);
    if (*self_p) {
        s_clear (*self_p);
        free (*self_p);
        *self_p = NULL;
    }
}

uint64_t zb_rights_serial (const zb_rights_t *self)
{
    return self->serial;
}

size_t zb_rights_size (const zb_rights_t *self)
{
    return self->size;
}

const zb_principal_t *zb_rights_at (const zb_rights_t *self, size_t index)
{
    assert (index < self->size);
    return &self->one[index];
}

//  Where the key is, or belongs.
static size_t s_place (const zb_rights_t *self, zb_frame_t key)
{
    size_t from = 0, to = self->size;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (memcmp (self->one[middle].key, key.data, ZB_KEY_SIZE) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static zb_principal_t *s_find (const zb_rights_t *self, zb_frame_t key)
{
    size_t place = key.size == ZB_KEY_SIZE ? s_place (self, key) : self->size;
    bool found = place < self->size && memcmp (self->one[place].key, key.data, ZB_KEY_SIZE) == 0;
    return found ? &self->one[place] : NULL;
}

const zb_principal_t *zb_rights_find (const zb_rights_t *self, zb_frame_t key)
{
    return s_find (self, key);
}

//  One that was revoked has no name any more, but for people to read.
static zb_principal_t *s_named (const zb_rights_t *self, zb_frame_t name)
{
    for (size_t index = 0; index < self->size; index++)
        if (!self->one[index].revoked && zb_frame_is (name, self->one[index].name))
            return &self->one[index];
    return NULL;
}

//  Of a key that nobody has.
static zb_principal_t *s_add (zb_rights_t *self, zb_frame_t name, zb_frame_t key)
{
    assert (name.size <= ZB_PRINCIPAL_NAME_MAX && key.size == ZB_KEY_SIZE);
    if (self->size == self->room) {
        self->room = self->room ? self->room * 2 : 16;
        self->one = (zb_principal_t *) realloc (self->one, self->room * sizeof *self->one);
        assert (self->one);
    }
    size_t place = s_place (self, key);
    zb_principal_t *added = &self->one[place];
    memmove (added + 1, added, (self->size - place) * sizeof *added);
    memset (added, 0, sizeof *added);
    memcpy (added->name, name.data, name.size);
    memcpy (added->key, key.data, key.size);
    self->size++;
    return added;
}

static void s_remove (zb_rights_t *self, zb_principal_t *one)
{
    size_t place = (size_t) (one - self->one);
    free (one->rules);
    self->size--;
    memmove (one, one + 1, (self->size - place) * sizeof *one);
}

void zb_rights_broker (zb_rights_t *self, const char *name, const char *key)
{
    zb_principal_t *one = s_find (self, zb_frame (key));
    if (one)
        s_remove (self, one);
    s_add (self, zb_frame (name), zb_frame (key))->broker = true;
    self->serial++;
}

//  ---------------------------------------------------------------------------------------------------------------
//  Rules

//  Takes the next rule off; false at the end.
static bool s_next_rule (zb_frame_t *rules, zb_frame_t *right, zb_frame_t *pattern)
{
    if (rules->size == 0)
        return false;
    *pattern = s_part (rules, ' ');
    *right = s_part (pattern, '=');
    return true;
}

//  Where this rule is among others, or the last one of this word if there is no pattern: NULL if it is not there.
static char *s_rule (const zb_principal_t *who, zb_frame_t name, zb_frame_t pattern, size_t *size, size_t *count)
{
    zb_frame_t rules = {who->rules, who->rules_size}, word, on;
    char *found = NULL;
    *count = 0;
    for (char *at = who->rules; s_next_rule (&rules, &word, &on); at = who->rules + who->rules_size - rules.size) {
        ++*count;
        if (zb_frame_eq (word, name) && (pattern.size == 0 || zb_frame_eq (on, pattern))) {
            found = at;
            *size = word.size + 1 + on.size;
        }
    }
    return found;
}

static void s_add_rule (zb_principal_t *who, zb_frame_t right, zb_frame_t pattern)
{
    size_t more = (who->rules_size != 0) + right.size + 1 + pattern.size;
    who->rules = (char *) realloc (who->rules, who->rules_size + more);
    assert (who->rules);
    uint8_t *byte = (uint8_t *) who->rules + who->rules_size;
    if (who->rules_size)
        *byte++ = ' ';
    zb_frame_copy (&byte, right);
    *byte++ = '=';
    zb_frame_copy (&byte, pattern);
    who->rules_size += more;
}

static void s_remove_rule (zb_principal_t *who, char *rule, size_t size)
{
    size_t behind = (size_t) (who->rules + who->rules_size - (rule + size));
    //  One space goes with it.
    size_t gone = size + (who->rules_size > size);
    if (behind)
        memmove (rule, rule + size + 1, behind - 1);
    who->rules_size -= gone;
}

//  Its limits, as its rules say.
static void s_look_up_limits (zb_principal_t *who)
{
    zb_frame_t rules = {who->rules, who->rules_size}, word, value;
    memset (who->limit, 0, sizeof who->limit);
    while (s_next_rule (&rules, &word, &value)) {
        zb_limit_t limit = s_limit (word);
        if (limit < ZB_LIMITS && !zb_number_parse (value, ZB_QUOTA_MOST, &who->limit[limit]))
            who->limit[limit] = 0;
    }
}

bool zb_rights_allow (const zb_principal_t *who, zb_right_t right, zb_frame_t name)
{
    zb_frame_t rules = {who->rules, who->rules_size}, word, pattern;
    bool allowed = right == ZB_RIGHT_NONE ||
                   (who->broker && (right == ZB_RIGHT_OPERATE || right == ZB_RIGHT_LOOK || right == ZB_RIGHT_REPLAY));
    while (!allowed && s_next_rule (&rules, &word, &pattern))
        allowed = *s_names[right] && zb_frame_is (word, s_names[right]) &&
                  (name.size == 0 || zb_rights_match (pattern, name));
    return allowed && !who->revoked;
}

const char *zb_rights_check (const zb_principal_t *who, const zb_request_t *request, char why[ZB_RIGHTS_WHY])
{
    zb_right_t right = zb_protocol (request->verb)->right;
    zb_frame_t name = request->verb == ZB_HELLO ? request->name : request->queue;
    //  A subscription is its subscriber's.
    if (right == ZB_RIGHT_MANAGE && s_has (name, '/'))
        right = ZB_RIGHT_GET;
    if (!who || who->revoked)
        return s_wrong (why, "this key is not, or no longer, known here");
    //  A nameless one needs no leave; LIST without a pattern is about all, and so are EVENTS and CLIENTS.
    if (request->verb == ZB_HELLO && name.size == 0)
        return NULL;
    if ((request->verb == ZB_LIST && name.size == 0) || request->verb == ZB_EVENTS || request->verb == ZB_CLIENTS)
        name = zb_frame ("*");
    bool allowed = zb_rights_allow (who, right, name);
    //  A PUT that acknowledges takes what an ACK takes, too.
    if (allowed && request->acked.size) {
        right = ZB_RIGHT_GET;
        name = request->acked;
        allowed = zb_rights_allow (who, right, name);
    }
    //  What goes to another queue is put there.
    if (allowed && request->target.size) {
        right = ZB_RIGHT_PUT;
        name = request->target;
        allowed = zb_rights_allow (who, right, name);
    }
    if (allowed)
        return NULL;
    if (right == ZB_RIGHT_REPLAY)
        return s_wrong (why, "this is between the two brokers");
    return s_wrong (why, "%s%s%.*s: %s has no such right", s_names[right], name.size ? "=" : "", (int) name.size,
                    name.size ? (const char *) name.data : "", who->name);
}

//  Whether one of these rules is not among the others.  A limit is no right.
static bool s_loses (const zb_principal_t *who, const zb_principal_t *then)
{
    zb_frame_t rules = {who->rules, who->rules_size}, word, pattern;
    size_t size, count;
    bool loses = then->revoked && !who->revoked;
    while (!loses && s_next_rule (&rules, &word, &pattern))
        loses = s_limit (word) == ZB_LIMITS && !s_rule (then, word, pattern, &size, &count);
    return loses;
}

//  ---------------------------------------------------------------------------------------------------------------
//  The row

char *zb_rights_encode (const zb_rights_t *self, size_t *size)
{
    size_t room = sizeof HEAD, at = sizeof HEAD - 1;
    for (size_t index = 0; index < self->size; index++)
        room += ZB_PRINCIPAL_NAME_MAX + ZB_KEY_SIZE + self->one[index].rules_size + LINE_MORE + 32;
    char *row = (char *) malloc (room);
    assert (row);
    memcpy (row, HEAD, sizeof HEAD);
    for (size_t index = 0; index < self->size; index++) {
        const zb_principal_t *one = &self->one[index];
        if (!one->broker)
            at += (size_t) snprintf (row + at, room - at, "%s %s %" PRIu64 " %" PRIu64 " %u %s%s%.*s\n", one->name,
                                     one->key, one->changed.epoch, one->changed.commit, one->changed.node,
                                     one->revoked ? "revoked" : "live", one->rules_size ? " " : "",
                                     (int) one->rules_size, one->rules_size ? one->rules : "");
    }
    *size = at;
    return row;
}

//  Reads a line; -1 if it is malformed.
static int s_decode_line (zb_rights_t *self, zb_frame_t line)
{
    zb_frame_t word[LINE_WORDS];
    size_t words = 0;
    while (line.size && words < LINE_WORDS)
        word[words++] = s_part (&line, ' ');
    uint64_t node = 0;
    zb_stamp_t stamp = {0};
    bool live = words == LINE_WORDS && zb_frame_is (word[LINE_WORDS - 1], "live");
    if (words < LINE_WORDS || zb_name_check (word[0]) || word[0].size > ZB_PRINCIPAL_NAME_MAX ||
        !zb_key_is (word[1].data, word[1].size) || (live && s_named (self, word[0])) || s_find (self, word[1]) ||
        self->size >= 2 * ZB_PRINCIPALS_MAX || !zb_number_parse (word[2], UINT64_MAX, &stamp.epoch) ||
        !zb_number_parse (word[3], UINT64_MAX, &stamp.commit) || !zb_number_parse (word[4], 2, &node))
        return -1;
    zb_principal_t *one = s_add (self, word[0], word[1]);
    stamp.node = (unsigned) node;
    one->changed = stamp;
    one->revoked = !live;
    zb_frame_t right, pattern;
    //  A rule of a later program gives nothing here, and is kept.
    while (s_next_rule (&line, &right, &pattern))
        s_add_rule (one, right, pattern);
    s_look_up_limits (one);
    return 0;
}

//  What was read takes the place of what was; the brokers stay.
static void s_replace (zb_rights_t *self, zb_rights_t **with_p)
{
    zb_rights_t *with = *with_p;
    for (size_t index = 0; index < self->size; index++)
        if (self->one[index].broker)
            zb_rights_broker (with, self->one[index].name, self->one[index].key);
    for (size_t index = 0; index < with->size; index++) {
        zb_principal_t *then = &with->one[index];
        const zb_principal_t *who = s_find (self, zb_frame (then->key));
        if (who)
            then->narrowed = s_loses (who, then) ? self->serial + 1 : who->narrowed;
    }
    s_clear (self);
    self->one = with->one;
    self->size = with->size;
    self->room = with->room;
    self->serial++;
    free (with);
    *with_p = NULL;
}

int zb_rights_decode (zb_rights_t *self, const void *row, size_t size)
{
    zb_frame_t rest = {row, size};
    zb_rights_t *read = zb_rights_new ();
    zb_frame_t head = s_part (&rest, '\n');
    bool bad = head.size != sizeof HEAD - 2 || memcmp (head.data, HEAD, head.size) != 0;
    while (!bad && rest.size) {
        zb_frame_t line = s_part (&rest, '\n');
        bad = s_decode_line (read, line) != 0;
    }
    if (bad)
        zb_rights_destroy (&read);
    else
        s_replace (self, &read);
    return bad ? -1 : 0;
}

//  ---------------------------------------------------------------------------------------------------------------
//  Changes

static const char *s_new (zb_rights_t *self, zb_frame_t name, zb_frame_t key, char why[ZB_RIGHTS_WHY])
{
    const char *wrong = zb_name_check (name);
    if (wrong)
        return s_wrong (why, "the principal's name: %s", wrong);
    if (name.size > ZB_PRINCIPAL_NAME_MAX)
        return s_wrong (why, "the principal's name: longer than %d bytes", ZB_PRINCIPAL_NAME_MAX);
    if (!zb_key_is (key.data, key.size))
        return s_wrong (why, "the key: not %d characters of Z85", ZB_KEY_SIZE);
    zb_principal_t *one = s_named (self, name), *other = s_find (self, key);
    //  Who asks again has not heard the answer.
    if (one && one == other && !one->broker)
        return NULL;
    if (one)
        return s_wrong (why, "there is a principal %s: revoke it first, or choose another name", one->name);
    if (other && other->broker)
        return s_wrong (why, "that is the key of a broker");
    if (other)
        return s_wrong (why, "that is the key of %s%s", other->name, other->revoked ? ", which was revoked" : "");
    if (self->size >= ZB_PRINCIPALS_MAX)
        return s_wrong (why,
                        "there are %d principals, revoked ones included, and no more are allowed: drop some of "
                        "those",
                        ZB_PRINCIPALS_MAX);
    s_add (self, name, key);
    return NULL;
}

static void s_revoke (zb_principal_t *who, const zb_stamp_t *stamp)
{
    who->revoked = true;
    who->rules_size = 0;
    who->changed = *stamp;
}

//  NULL if it is a rule: a right on a pattern, or a limit and its number.
static const char *s_rule_check (zb_frame_t word, zb_frame_t value, char why[ZB_RIGHTS_WHY])
{
    uint64_t number = 0;
    if (s_limit (word) < ZB_LIMITS) {
        bool good = zb_number_parse (value, ZB_QUOTA_MOST, &number) && number;
        return good ? NULL
                    : s_wrong (why, "%s: not a number of 1 to %" PRIu64, s_limits[s_limit (word)],
                               (uint64_t) ZB_QUOTA_MOST);
    }
    if (s_right (word) == ZB_RIGHTS)
        return s_wrong (why,
                        "'%.*s' is no right (put, get, manage, look, operate, as) and no limit (connections, requests, "
                        "bytes)",
                        (int) word.size, (const char *) word.data);
    const char *wrong = s_pattern_check (value);
    return wrong ? s_wrong (why, "the pattern: %s", wrong) : NULL;
}

static const char *s_allow (zb_principal_t *who, bool allow, zb_frame_t word, zb_frame_t pattern,
                            char why[ZB_RIGHTS_WHY])
{
    const char *wrong = s_rule_check (word, pattern, why);
    if (wrong)
        return wrong;
    bool limits = s_limit (word) < ZB_LIMITS;
    size_t size = 0, count;
    char *rule = s_rule (who, word, allow && limits ? zb_frame ("") : pattern, &size, &count);
    if (!allow && !rule)
        return s_wrong (why, "%s has no rule %.*s=%.*s", who->name, (int) word.size, (const char *) word.data,
                        (int) pattern.size, (const char *) pattern.data);
    if (allow && !rule && count >= ZB_RULES_MAX)
        return s_wrong (why, "%s has %d rules, and no more are allowed", who->name, ZB_RULES_MAX);
    if (rule && (!allow || limits))
        s_remove_rule (who, rule, size);
    if (allow && (!rule || limits))
        s_add_rule (who, word, pattern);
    s_look_up_limits (who);
    return NULL;
}

//  All that had the name and were revoked.
static const char *s_drop (zb_rights_t *self, zb_frame_t name, uint64_t safe, char why[ZB_RIGHTS_WHY])
{
    size_t found = 0;
    for (size_t index = 0; index < self->size; index++) {
        const zb_principal_t *one = &self->one[index];
        if (!one->revoked || !zb_frame_is (name, one->name))
            continue;
        if (one->changed.commit > safe)
            return s_wrong (why,
                            "the other broker's disk may not have the revocation of %s yet, and could let it in: "
                            "drop it when both are in sync",
                            one->name);
        found++;
    }
    if (!found)
        return s_wrong (why, "no principal %.*s was revoked: only those can be dropped", (int) name.size,
                        (const char *) name.data);
    for (size_t index = self->size; index > 0; index--)
        if (self->one[index - 1].revoked && zb_frame_is (name, self->one[index - 1].name))
            s_remove (self, &self->one[index - 1]);
    return NULL;
}

static const char *s_act (zb_rights_t *self, zb_frame_t line, const zb_stamp_t *stamp, uint64_t safe,
                          char why[ZB_RIGHTS_WHY])
{
    zb_frame_t word[CHANGE_WORDS];
    size_t words = s_split (line, word, CHANGE_WORDS);
    if (words == 2 && zb_frame_is (word[0], "drop"))
        return s_drop (self, word[1], safe, why);
    const char *wrong = NULL;
    bool is_new = words == 3 && zb_frame_is (word[0], "new");
    bool allows = words == 4 && zb_frame_is (word[0], "allow"), denies = words == 4 && zb_frame_is (word[0], "deny");
    bool revokes = words == 2 && zb_frame_is (word[0], "revoke");
    if (!is_new && !allows && !denies && !revokes)
        return s_wrong (why, "a change is: new NAME KEY; allow|deny NAME RIGHT PATTERN; revoke|drop NAME");
    if (is_new)
        wrong = s_new (self, word[1], word[2], why);
    zb_principal_t *who = wrong ? NULL : s_named (self, word[1]);
    if (!wrong && (!who || who->broker))
        return s_wrong (why, "there is no principal %.*s", (int) word[1].size, (const char *) word[1].data);
    if (!wrong && (allows || denies))
        wrong = s_allow (who, allows, word[2], word[3], why);
    if (wrong)
        return wrong;
    if (revokes)
        s_revoke (who, stamp);
    who->changed = *stamp;
    return NULL;
}

unsigned zb_rights_level (zb_frame_t change)
{
    unsigned level = ZB_LEVEL_RIGHTS;
    while (change.size) {
        zb_frame_t word[CHANGE_WORDS];
        size_t words = s_split (s_part (&change, '\n'), word, CHANGE_WORDS);
        if (words == CHANGE_WORDS && s_limit (word[2]) < ZB_LIMITS)
            level = ZB_LEVEL_LIMITS;
    }
    return level;
}

const char *zb_rights_change (zb_rights_t *self, zb_frame_t change, const zb_stamp_t *stamp, uint64_t safe,
                              char why[ZB_RIGHTS_WHY])
{
    size_t size;
    char *row = zb_rights_encode (self, &size);
    zb_rights_t *changed = zb_rights_new ();
    int rc = zb_rights_decode (changed, row, size);
    assert (rc == 0);
    free (row);
    for (size_t index = 0; index < self->size; index++)
        if (self->one[index].broker)
            zb_rights_broker (changed, self->one[index].name, self->one[index].key);
    const char *wrong = change.size ? NULL : s_wrong (why, "nothing is to be changed");
    while (!wrong && change.size) {
        zb_frame_t line = s_part (&change, '\n');
        wrong = s_act (changed, line, stamp, safe, why);
    }
    if (!wrong) {
        free (zb_rights_encode (changed, &size));
        if (size > ZB_RIGHTS_MAX)
            wrong = s_wrong (why, "principals and rules would take %zu bytes, and %d are allowed", size, ZB_RIGHTS_MAX);
    }
    if (wrong)
        zb_rights_destroy (&changed);
    else
        s_replace (self, &changed);
    return wrong;
}

//  ---------------------------------------------------------------------------------------------------------------
//  After a split

static void s_copy_rules (zb_principal_t *to, const zb_principal_t *from)
{
    free (to->rules);
    to->rules = (char *) malloc (from->rules_size + 1);
    assert (to->rules);
    if (from->rules_size)
        memcpy (to->rules, from->rules, from->rules_size);
    to->rules_size = from->rules_size;
    s_look_up_limits (to);
}

static bool s_same_rules (const zb_principal_t *one, const zb_principal_t *other)
{
    return one->rules_size == other->rules_size &&
           (one->rules_size == 0 || memcmp (one->rules, other->rules, one->rules_size) == 0);
}

//  What the loser says of one; whether that changes anything.
static bool s_merge_one (zb_rights_t *self, const zb_principal_t *theirs, const zb_stamp_t *stamp,
                         zb_rights_has_fn *has, void *context)
{
    zb_principal_t *ours = s_find (self, zb_frame (theirs->key));
    if (!ours) {
        bool taken = !theirs->revoked && s_named (self, zb_frame (theirs->name));
        //  A commit that made it known here as well, and yet it is not: it was dropped.
        bool dropped = !theirs->revoked && has (context, false, &theirs->changed);
        if (taken || dropped || self->size >= 2 * ZB_PRINCIPALS_MAX)
            return false;
        ours = s_add (self, zb_frame (theirs->name), zb_frame (theirs->key));
        ours->revoked = theirs->revoked;
        s_copy_rules (ours, theirs);
    }
    else if (ours->broker || ours->revoked)
        return false;
    else if (theirs->revoked)
        s_revoke (ours, stamp);
    else if (!s_same_rules (ours, theirs) && !has (context, false, &theirs->changed) &&
             has (context, true, &ours->changed)) {
        if (s_loses (ours, theirs))
            ours->narrowed = self->serial + 1;
        s_copy_rules (ours, theirs);
    }
    else
        return false;
    ours->changed = *stamp;
    return true;
}

bool zb_rights_merge (zb_rights_t *self, const zb_rights_t *loser, const zb_stamp_t *stamp, zb_rights_has_fn *has,
                      void *context)
{
    bool changed = false;
    for (size_t index = 0; index < self->size; index++) {
        zb_principal_t *ours = &self->one[index];
        bool dropped = !ours->broker && !ours->revoked && !s_find (loser, zb_frame (ours->key)) &&
                       has (context, true, &ours->changed);
        if (dropped)
            s_revoke (ours, stamp);
        changed = changed || dropped;
    }
    for (size_t index = 0; index < loser->size; index++)
        if (!loser->one[index].broker)
            changed = s_merge_one (self, &loser->one[index], stamp, has, context) || changed;
    self->serial += changed;
    return changed;
}
