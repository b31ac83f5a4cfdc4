/*  =========================================================================
    wire - ZB1 as values: requests parsed from frames, replies made into frames

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================
*/

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/wire.h"

//  Frames

zb_frame_t zb_frame (const char *text)
{
    assert (text);
    return (zb_frame_t){text, strlen (text)};
}

zb_frame_t zb_frame_copy (uint8_t **byte, zb_frame_t frame)
{
    zb_frame_t copy = {*byte, frame.size};
    if (frame.size)
        memcpy (*byte, frame.data, frame.size);
    *byte += frame.size;
    return copy;
}

bool zb_frame_is (zb_frame_t frame, const char *text)
{
    return zb_frame_eq (frame, zb_frame (text));
}

bool zb_frame_eq (zb_frame_t one, zb_frame_t other)
{
    return one.size == other.size && (one.size == 0 || memcmp (one.data, other.data, one.size) == 0);
}

//  The bytes of a frame from `first` to before `end`.
static zb_frame_t s_part (zb_frame_t frame, size_t first, size_t end)
{
    return (zb_frame_t){first ? (const char *) frame.data + first : frame.data, end - first};
}

//  The position of the byte in the frame at or after `start`; the frame's size if it is not there.
static size_t s_find (zb_frame_t frame, size_t start, char byte)
{
    if (start >= frame.size)
        return frame.size;
    const char *data = (const char *) frame.data;
    const char *found = (const char *) memchr (data + start, byte, frame.size - start);
    return found ? (size_t) (found - data) : frame.size;
}

//  Numbers

bool zb_number_parse (zb_frame_t text, uint64_t max, uint64_t *number)
{
    assert (number);
    const char *digit = (const char *) text.data;
    if (text.size == 0 || text.size > 20 || (digit[0] == '0' && text.size > 1))
        return false;
    uint64_t value = 0;
    for (size_t index = 0; index < text.size; index++) {
        if (digit[index] < '0' || digit[index] > '9')
            return false;
        unsigned units = (unsigned) (digit[index] - '0');
        if (value > (UINT64_MAX - units) / 10)
            return false;
        value = value * 10 + units;
    }
    if (value > max)
        return false;
    *number = value;
    return true;
}

size_t zb_number_format (uint64_t number, char text[21])
{
    char reversed[20];
    size_t size = 0;
    do {
        reversed[size++] = (char) ('0' + number % 10);
        number /= 10;
    } while (number);
    for (size_t index = 0; index < size; index++)
        text[index] = reversed[size - 1 - index];
    text[size] = 0;
    return size;
}

//  Text

//  Returns the bytes of the UTF-8 character that begins at `data`, 0 if there is none: what is cut, overlong, a
//  surrogate or beyond U+10FFFF is none.
static size_t s_utf8 (const uint8_t *data, size_t size, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    assert (size);
    size_t length = data[0] < 0x80 ? 1 : data[0] < 0xC0 ? 0 : data[0] < 0xE0 ? 2 : data[0] < 0xF0 ? 3 : 4;
    if (length == 1) {
        *code = data[0];
        return 1;
    }
    if (length == 0 || length > size || data[0] > 0xF4)
        return 0;
    uint32_t value = data[0] & (0x7FU >> length);
    for (size_t index = 1; index < length; index++) {
        if ((data[index] & 0xC0) != 0x80)
            return 0;
        value = value << 6 | (data[index] & 0x3FU);
    }
    if (value < least[length] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
        return 0;
    *code = value;
    return length;
}

static bool s_is_control (uint32_t code)
{
    return code < 0x20 || (code >= 0x7F && code <= 0x9F);
}

//  Unicode's white space that is not a control character.
static bool s_is_space (uint32_t code)
{
    return code == 0x20 || code == 0xA0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 ||
           code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

//  NULL if the text is UTF-8 without control characters, without white space unless `spaces`, and without the ASCII
//  characters in `reserved`; else what is wrong.
static const char *s_text_check (zb_frame_t text, bool spaces, const char *reserved)
{
    const uint8_t *data = (const uint8_t *) text.data;
    for (size_t index = 0; index < text.size;) {
        uint32_t code = 0;
        size_t length = s_utf8 (data + index, text.size - index, &code);
        if (length == 0)
            return "not UTF-8";
        if (s_is_control (code))
            return "a control character";
        if (!spaces && s_is_space (code))
            return "a space";
        if (code < 0x80 && strchr (reserved, (int) code))
            return "a reserved character";
        index += length;
    }
    return NULL;
}

static const char *s_name_check (zb_frame_t name, const char *reserved)
{
    if (name.size == 0)
        return "empty";
    if (name.size > ZB_NAME_MAX)
        return "longer than 255 bytes";
    if (*(const char *) name.data == '$')
        return "a leading '$' is reserved";
    return s_text_check (name, false, reserved);
}
_Static_assert(ZB_NAME_MAX == 255, "as the text says");

const char *zb_name_check (zb_frame_t name)
{
    return s_name_check (name, "/*>#");
}

const char *zb_pattern_check (zb_frame_t pattern)
{
    return s_name_check (pattern, "/>#");
}

bool zb_name_match (zb_frame_t pattern, zb_frame_t name)
{
    const uint8_t *want = (const uint8_t *) pattern.data;
    const uint8_t *have = (const uint8_t *) name.data;
    size_t at = 0, index = 0;
    size_t star = SIZE_MAX; //  where the pattern goes on after the last '*', and
    size_t taken = 0;       //  where the name goes on after what that one stands for
    if (pattern.size == 0)
        return true;
    while (index < name.size) {
        uint32_t code = 0;
        size_t length = s_utf8 (have + index, name.size - index, &code);
        assert (length);
        if (at < pattern.size && want[at] == '*') {
            star = ++at;
            taken = index;
        }
        else if (at < pattern.size && want[at] == '?') {
            at++;
            index += length;
        }
        else if (length <= pattern.size - at && memcmp (want + at, have + index, length) == 0) {
            at += length;
            index += length;
        }
        else if (star != SIZE_MAX) {
            taken += s_utf8 (have + taken, name.size - taken, &code);
            at = star;
            index = taken;
        }
        else
            return false;
    }
    while (at < pattern.size && want[at] == '*')
        at++;
    return at == pattern.size;
}

//  Lines

static size_t s_line_end (zb_frame_t lines, size_t start)
{
    size_t newline = s_find (lines, start, '\n');
    return s_find (s_part (lines, 0, newline), start, '\t');
}

//  NULL if the text is one name=value, else what is wrong.
static const char *s_pair_check (zb_frame_t pair)
{
    size_t equals = s_find (pair, 0, '=');
    if (pair.size == 0)
        return "an empty line";
    if (equals == pair.size)
        return "a line without '='";
    if (equals == 0)
        return "a line without a name";
    if (equals > ZB_NAME_MAX)
        return "a name longer than 255 bytes";
    const char *wrong = s_text_check (s_part (pair, 0, equals), false, "");
    return wrong ? wrong : s_text_check (s_part (pair, equals + 1, pair.size), true, "");
}

const char *zb_lines_check (zb_frame_t lines)
{
    for (size_t cursor = 0; cursor < lines.size;) {
        size_t end = s_find (lines, cursor, '\n');
        const char *wrong = s_pair_check (s_part (lines, cursor, end));
        if (wrong)
            return wrong;
        cursor = end + 1;
    }
    return NULL;
}

bool zb_lines_next (zb_frame_t lines, size_t *cursor, zb_frame_t *name, zb_frame_t *value)
{
    assert (cursor && name && value);
    if (*cursor >= lines.size)
        return false;
    size_t end = s_line_end (lines, *cursor);
    zb_frame_t line = s_part (lines, *cursor, end);
    size_t equals = s_find (line, 0, '=');
    *name = s_part (line, 0, equals);
    *value = s_part (line, equals < line.size ? equals + 1 : line.size, line.size);
    *cursor = end + 1;
    return true;
}

//  Acks

bool zb_acks_next (zb_frame_t acks, size_t *cursor, uint64_t *first, uint64_t *last, bool *bad)
{
    assert (cursor && first && last && bad);
    *bad = false;
    size_t start = *cursor;
    if (start >= acks.size)
        return false;
    //  The cursor stays on the space after an item, so that a space without an item behind it is seen.
    if (start > 0)
        start++;
    size_t end = s_find (acks, start, ' ');
    zb_frame_t item = s_part (acks, start, end);
    size_t dot = s_find (item, 0, '.');
    zb_frame_t from = s_part (item, 0, dot);
    zb_frame_t to = from;
    if (dot < item.size) {
        if (item.size - dot < 2 || ((const char *) item.data)[dot + 1] != '.')
            *bad = true;
        else
            to = s_part (item, dot + 2, item.size);
    }
    if (*bad || !zb_number_parse (from, UINT64_MAX, first) || !zb_number_parse (to, UINT64_MAX, last) || *first == 0 ||
        *first > *last) {
        *bad = true;
        return false;
    }
    *cursor = end;
    return true;
}

//  MSG's index

bool zb_index_next (zb_frame_t index, size_t *cursor, zb_index_t *line, bool *bad)
{
    assert (cursor && line && bad);
    *bad = false;
    size_t start = *cursor;
    if (start >= index.size)
        return false;
    if (start > 0)
        start++;
    size_t end = s_find (index, start, '\n');
    zb_frame_t text = s_part (index, start, end);
    size_t tab = s_find (text, 0, '\t');
    size_t space = s_find (s_part (text, 0, tab), 0, ' ');
    line->id = s_part (text, 0, space);
    line->properties = s_part (text, tab < text.size ? tab + 1 : tab, text.size);
    *bad = line->id.size == 0 || line->id.size > ZB_ID_MAX || s_text_check (line->id, false, "") || space == tab ||
           !zb_number_parse (s_part (text, space + 1, tab), UINT64_MAX, &line->deliveries) ||
           (tab < text.size && line->properties.size == 0);
    for (size_t at = 0; !*bad && at < line->properties.size;) {
        size_t next = s_find (line->properties, at, '\t');
        *bad = s_pair_check (s_part (line->properties, at, next)) != NULL || next + 1 == line->properties.size;
        at = next + 1;
    }
    if (*bad)
        return false;
    *cursor = end;
    return true;
}

size_t zb_index_format (uint64_t id, uint64_t deliveries, zb_frame_t properties, char *text)
{
    assert (text);
    size_t size = zb_number_format (id, text);
    text[size++] = ' ';
    size += zb_number_format (deliveries, text + size);
    zb_frame_t pairs = properties;
    if (pairs.size && ((const char *) pairs.data)[pairs.size - 1] == '\n')
        pairs.size--;
    if (pairs.size) {
        text[size++] = '\t';
        memcpy (text + size, pairs.data, pairs.size);
        for (size_t at = s_find (pairs, 0, '\n'); at < pairs.size; at = s_find (pairs, at + 1, '\n'))
            text[size + at] = '\t';
        size += pairs.size;
    }
    return size;
}

//  Requests

typedef struct {
    const char *name;
    size_t least; //  arguments after the id, at least
    size_t most;  //  and at most; the bodies of a PUT have limits of their own
    const char *form;
} s_verb_t;

static const s_verb_t s_verbs[ZB_VERBS] = {
    [ZB_HELLO] = {"HELLO", 0, 3, "HELLO id [name] [token] [instance]"},
    [ZB_PUT] = {"PUT", 3, SIZE_MAX, "PUT id queue properties body..."},
    [ZB_GET] = {"GET", 4, 4, "GET id queue max wait-ms acks"},
    [ZB_ACK] = {"ACK", 2, 2, "ACK id queue acks"},
    [ZB_NACK] = {"NACK", 2, 2, "NACK id queue acks"},
    [ZB_EXTEND] = {"EXTEND", 2, 2, "EXTEND id queue acks"},
    [ZB_QUEUE] = {"QUEUE", 2, 2, "QUEUE id queue options"},
    [ZB_LIST] = {"LIST", 0, 1, "LIST id [pattern]"},
    [ZB_PURGE] = {"PURGE", 1, 1, "PURGE id queue"},
    [ZB_DELETE] = {"DELETE", 1, 1, "DELETE id queue"},
    [ZB_STATUS] = {"STATUS", 0, 0, "STATUS id"},
    [ZB_PING] = {"PING", 0, 0, "PING id"},
    [ZB_SWITCHOVER] = {"SWITCHOVER", 1, 1, "SWITCHOVER id proof"},
    [ZB_PROMOTE] = {"PROMOTE", 1, 3, "PROMOTE id proof accept-loss [witness-proof]"},
    [ZB_REPLAY] = {"REPLAY", 2, 2, "REPLAY id item proof"},
};

const char *zb_verb_name (zb_verb_t verb)
{
    return verb < ZB_VERBS ? s_verbs[verb].name : "?";
}

//  "ZB" and the number of another version.
static bool s_other_version (zb_frame_t magic)
{
    uint64_t version = 0;
    return magic.size > 2 && memcmp (magic.data, "ZB", 2) == 0 &&
           zb_number_parse (s_part (magic, 2, magic.size), UINT32_MAX, &version) && version != 1;
}

static bool s_magic (zb_frame_t frame)
{
    return zb_frame_is (frame, "ZB1") || s_other_version (frame);
}

//  Looks for the protocol's frame, which is the first or follows the first empty one.  Returns its index; `count` if
//  there is none.  A first frame that looks like another version is believed last: REQ_CORRELATE puts four bytes
//  there that may be anything.
static size_t s_envelope (const zb_frame_t *frames, size_t count)
{
    if (count && zb_frame_is (frames[0], "ZB1"))
        return 0;
    size_t bytes = 0;
    for (size_t index = 0; index + 1 < count && index < ZB_ENVELOPE_MAX; index++) {
        bytes += frames[index].size;
        if (bytes > ZB_ENVELOPE_BYTES)
            break;
        if (frames[index].size == 0) {
            if (s_magic (frames[index + 1]))
                return index + 1;
            break;
        }
    }
    return count && s_magic (frames[0]) ? 0 : count;
}

//  Both put the text that goes with the error into the request.
static int s_bad (zb_request_t *self, const char *what, const char *wrong)
{
    snprintf (self->text, sizeof (self->text), "%s: %s", what, wrong);
    return ZB_BAD_REQUEST;
}

static int s_too_large (zb_request_t *self, const char *what, size_t size, size_t limit, const char *unit)
{
    snprintf (self->text, sizeof (self->text), "%s: %zu%s, the limit is %zu", what, size, unit, limit);
    return ZB_TOO_LARGE;
}

static int s_parse_hello (zb_request_t *self, const zb_frame_t *arg, size_t args)
{
    if (args > 0 && arg[0].size) {
        const char *wrong = zb_name_check (arg[0]);
        if (wrong)
            return s_bad (self, "name", wrong);
        self->name = arg[0];
    }
    if (args > 1) {
        if (arg[1].size > ZB_TOKEN_MAX)
            return s_too_large (self, "token", arg[1].size, ZB_TOKEN_MAX, " bytes");
        self->token = arg[1];
    }
    if (args > 2 && arg[2].size && !zb_number_parse (arg[2], INT64_MAX, &self->instance))
        return s_bad (self, "instance", "not a number of 0 to 2^63-1");
    return 0;
}

static int s_parse_lines (zb_request_t *self, const char *what, zb_frame_t lines, zb_frame_t *result)
{
    const char *wrong = zb_lines_check (lines);
    if (wrong)
        return s_bad (self, what, wrong);
    *result = lines;
    return 0;
}

//  The PUT is beyond a limit of this broker.
static void s_over (zb_request_t *self, const char *what, size_t size, size_t limit, const char *unit)
{
    if (size > limit && !self->over) {
        s_too_large (self, what, size, limit, unit);
        self->over = true;
    }
}

static int s_parse_acks (zb_request_t *self, zb_frame_t acks)
{
    if (acks.size > ZB_ACKS_MAX)
        return s_too_large (self, "acks", acks.size, ZB_ACKS_MAX, " bytes");
    if (acks.size == 0 && self->verb != ZB_GET)
        return s_bad (self, "acks", "empty");
    bool bad = false;
    uint64_t first = 0, last = 0;
    for (size_t cursor = 0; zb_acks_next (acks, &cursor, &first, &last, &bad);)
        ;
    if (bad)
        return s_bad (self, "acks", "not ids or ranges ID..ID with one space between");
    self->acks = acks;
    return 0;
}

static int s_parse_put (zb_request_t *self, const zb_frame_t *arg, size_t args, const zb_limits_t *limits)
{
    int result = s_parse_lines (self, "properties", arg[1], &self->properties);
    if (result)
        return result;
    self->body = arg + 2;
    self->bodies = args - 2;
    s_over (self, "bodies", self->bodies, limits->bodies, "");
    for (size_t index = 0; index < self->bodies; index++) {
        s_over (self, "body", self->body[index].size, limits->body, " bytes");
        self->body_bytes += self->body[index].size;
    }
    s_over (self, "properties", arg[1].size, limits->properties, " bytes");
    return 0;
}

static int s_parse_get (zb_request_t *self, const zb_frame_t *arg, const zb_limits_t *limits)
{
    if (!zb_number_parse (arg[1], UINT64_MAX, &self->max))
        return s_bad (self, "max", "not a number");
    if (!zb_number_parse (arg[2], UINT64_MAX, &self->wait))
        return s_bad (self, "wait-ms", "not a number");
    if (self->max > limits->bodies)
        self->max = limits->bodies;
    if (self->wait > ZB_WAIT_MAX)
        self->wait = ZB_WAIT_MAX;
    return s_parse_acks (self, arg[3]);
}

static int s_parse_operator (zb_request_t *self, const zb_frame_t *arg, size_t args)
{
    self->proof = arg[0];
    self->accept_loss = args > 1 && zb_frame_is (arg[1], "accept-loss");
    if (args > 2)
        self->witness_proof = arg[2];
    if (self->verb == ZB_PROMOTE && !self->accept_loss)
        return s_bad (self, "promote", "messages may be lost, and the word accept-loss is missing");
    return 0;
}

//  The arguments after the id; their number is right for the verb.
static int s_parse_args (zb_request_t *self, const zb_frame_t *arg, size_t args, const zb_limits_t *limits)
{
    if (self->verb == ZB_HELLO)
        return s_parse_hello (self, arg, args);
    if (self->verb == ZB_SWITCHOVER || self->verb == ZB_PROMOTE)
        return s_parse_operator (self, arg, args);
    if (self->verb == ZB_REPLAY) {
        self->body = arg;
        self->bodies = args;
        self->body_bytes = arg[0].size + arg[1].size;
        return 0;
    }
    if (args == 0 || (self->verb == ZB_LIST && arg[0].size == 0))
        return 0;
    const char *wrong = self->verb == ZB_LIST ? zb_pattern_check (arg[0]) : zb_name_check (arg[0]);
    if (wrong)
        return s_bad (self, self->verb == ZB_LIST ? "pattern" : "queue", wrong);
    self->queue = arg[0];
    switch (self->verb) {
    case ZB_PUT:
        return s_parse_put (self, arg, args, limits);
    case ZB_GET:
        return s_parse_get (self, arg, limits);
    case ZB_ACK:
    case ZB_NACK:
    case ZB_EXTEND:
        return s_parse_acks (self, arg[1]);
    case ZB_QUEUE:
        if (arg[1].size > ZB_OPTIONS_MAX)
            return s_too_large (self, "options", arg[1].size, ZB_OPTIONS_MAX, " bytes");
        return s_parse_lines (self, "options", arg[1], &self->options);
    default:
        return 0;
    }
}

//  From the protocol's frame on.
static int s_parse (zb_request_t *self, const zb_frame_t *frames, size_t count, const zb_limits_t *limits)
{
    if (count > 2 && frames[2].size && frames[2].size <= ZB_ID_MAX) {
        self->from.id = frames[2];
        if (!zb_number_parse (self->from.id, INT64_MAX, &self->number))
            self->number = 0;
    }
    if (!zb_frame_is (frames[0], "ZB1"))
        return s_bad (self, "version", "this broker speaks ZB1");
    if (count < 2)
        return s_bad (self, "request", "no verb");
    self->verb = ZB_HELLO;
    while (self->verb < ZB_VERBS && !zb_frame_is (frames[1], s_verbs[self->verb].name))
        self->verb++;
    if (self->verb == ZB_VERBS)
        return s_bad (self, "verb", "unknown");
    if (self->from.id.size == 0)
        return s_bad (self, "id", count < 3 || frames[2].size == 0 ? "missing" : "longer than 255 bytes");
    size_t args = count - 3;
    const s_verb_t *verb = &s_verbs[self->verb];
    if (args < verb->least || args > verb->most)
        return s_bad (self, "expected", verb->form);
    if (self->verb == ZB_PUT && args - 2 > limits->bodies && args - 2 > ZB_BODIES_MAX)
        return s_too_large (self, "bodies", args - 2, limits->bodies, "");
    return s_parse_args (self, frames + 3, args, limits);
}
_Static_assert(ZB_ID_MAX == 255, "as the text says");

int zb_wire_parse (zb_request_t *self, const zb_frame_t *frames, size_t count, const zb_limits_t *limits,
                   const char **why)
{
    assert (self && limits && why);
    assert (frames || count == 0);
    memset (self, 0, sizeof (zb_request_t));
    self->verb = ZB_VERBS;
    *why = self->text;
    size_t envelopes = s_envelope (frames, count);
    if (envelopes >= count)
        return -1;
    self->from.envelope = frames;
    self->from.envelopes = envelopes;
    int result = s_parse (self, frames + envelopes, count - envelopes, limits);
    if (result == 0) {
        size_t bytes = 0;
        for (size_t index = 0; index < count; index++)
            bytes += frames[index].size;
        if (self->verb == ZB_PUT)
            s_over (self, "request", bytes, limits->request, " bytes");
        else if (bytes > limits->request)
            result = s_too_large (self, "request", bytes, limits->request, " bytes");
    }
    return self->over && result == 0 ? ZB_TOO_LARGE : result;
}

//  The frames of a request that are not in a row.
#define S_ONES 10

static void s_ones (zb_request_t *self, zb_frame_t *one[S_ONES])
{
    zb_frame_t *const ones[S_ONES] = {&self->from.routing, &self->from.id,      &self->name,    &self->token,
                                      &self->queue,        &self->acks,         &self->options, &self->properties,
                                      &self->proof,        &self->witness_proof};
    memcpy (one, ones, sizeof ones);
}

size_t zb_request_bytes (const zb_request_t *self)
{
    zb_request_t same = *self;
    zb_frame_t *one[S_ONES];
    s_ones (&same, one);
    size_t bytes = (self->from.envelopes + self->bodies) * sizeof (zb_frame_t) + self->body_bytes;
    for (size_t index = 0; index < S_ONES; index++)
        bytes += one[index]->size;
    for (size_t index = 0; index < self->from.envelopes; index++)
        bytes += self->from.envelope[index].size;
    return bytes;
}

void zb_request_copy (zb_request_t *self, const zb_request_t *from, void *memory)
{
    *self = *from;
    zb_frame_t *frame = (zb_frame_t *) memory;
    uint8_t *byte = (uint8_t *) (frame + from->from.envelopes + from->bodies);
    zb_frame_t *one[S_ONES];
    s_ones (self, one);
    for (size_t index = 0; index < S_ONES; index++)
        *one[index] = zb_frame_copy (&byte, *one[index]);
    self->from.envelope = frame;
    for (size_t index = 0; index < from->from.envelopes; index++)
        *frame++ = zb_frame_copy (&byte, from->from.envelope[index]);
    self->body = frame;
    for (size_t index = 0; index < from->bodies; index++)
        *frame++ = zb_frame_copy (&byte, from->body[index]);
    assert (byte == (uint8_t *) memory + zb_request_bytes (from));
}

//  Replies

static const char *const s_durable[] = {
    [ZB_DURABLE_NONE] = "none",     [ZB_DURABLE_BOTH] = "both",     [ZB_DURABLE_SOLO] = "solo",
    [ZB_DURABLE_SHARED] = "shared", [ZB_DURABLE_SINGLE] = "single",
};

const char *zb_durable_name (zb_durable_t durable)
{
    return s_durable[durable <= ZB_DURABLE_SINGLE ? durable : ZB_DURABLE_NONE];
}

zb_durable_t zb_durable_parse (zb_frame_t word)
{
    for (zb_durable_t durable = ZB_DURABLE_BOTH; durable <= ZB_DURABLE_SINGLE; durable++)
        if (zb_frame_is (word, s_durable[durable]))
            return durable;
    return ZB_DURABLE_NONE;
}

//  The texts of the statuses, and the fewest arguments that each has.
static const struct {
    const char *name;
    size_t least;
} s_statuses[] = {
    [ZB_ANSWER_OK] = {"OK", 0},
    [ZB_ANSWER_MSG] = {"MSG", 3},
    [ZB_ANSWER_PASSIVE] = {"PASSIVE", 1},
    [ZB_ANSWER_ERR] = {"ERR", 2},
};

//  Whether the index is well formed and has one line for each body.
static bool s_index_fits (zb_frame_t index, size_t bodies)
{
    size_t lines = 0;
    bool bad = false;
    zb_index_t line;
    for (size_t cursor = 0; zb_index_next (index, &cursor, &line, &bad);)
        lines++;
    return !bad && lines == bodies;
}

int zb_wire_parse_reply (zb_answer_t *self, const zb_frame_t *frames, size_t count)
{
    assert (self);
    assert (frames || count == 0);
    memset (self, 0, sizeof (zb_answer_t));
    size_t envelope = s_envelope (frames, count);
    if (count < envelope + 4 || !zb_frame_is (frames[envelope], "ZB1"))
        return -1;
    const zb_frame_t *frame = frames + envelope;
    unsigned status = ZB_ANSWER_OK;
    while (status <= ZB_ANSWER_ERR && !zb_frame_is (frame[1], s_statuses[status].name))
        status++;
    size_t args = count - envelope - 4;
    if (status > ZB_ANSWER_ERR || frame[2].size > ZB_ID_MAX || frame[3].size > ZB_TOKEN_MAX ||
        args < s_statuses[status].least)
        return -1;
    self->status = (zb_answer_status_t) status;
    self->envelope = envelope;
    self->id = frame[2];
    self->token = frame[3];
    self->arg = frame + 4;
    self->args = args;
    if (status == ZB_ANSWER_MSG) {
        self->args = 3;
        self->body = self->arg + 3;
        self->bodies = args - 3;
        if (!s_index_fits (self->arg[2], self->bodies))
            return -1;
    }
    else if (status == ZB_ANSWER_ERR) {
        uint64_t code = 0;
        if (!zb_number_parse (self->arg[0], 599, &code) || code < 400)
            return -1;
        self->code = (unsigned) code;
    }
    return 0;
}
