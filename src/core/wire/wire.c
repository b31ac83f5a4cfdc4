/*  =========================================================================
    wire - the words and the lines of ZB1, and replies as clients read them

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================
*/

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/wire/wire.h"

//  Text

size_t zb_utf8 (const uint8_t *data, size_t size, uint32_t *code)
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
        size_t length = zb_utf8 (data + index, text.size - index, &code);
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

const char *zb_place_check (zb_frame_t name)
{
    size_t slash = zb_frame_find (name, 0, '/');
    if (slash == name.size)
        return zb_name_check (name);
    if (name.size > ZB_NAME_MAX)
        return "longer than 255 bytes";
    const char *wrong = zb_name_check (zb_frame_part (name, 0, slash));
    return wrong ? wrong : zb_name_check (zb_frame_part (name, slash + 1, name.size));
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
        size_t length = zb_utf8 (have + index, name.size - index, &code);
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
            taken += zb_utf8 (have + taken, name.size - taken, &code);
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
    size_t newline = zb_frame_find (lines, start, '\n');
    return zb_frame_find (zb_frame_part (lines, 0, newline), start, '\t');
}

//  NULL if the text is one name=value, else what is wrong.
static const char *s_pair_check (zb_frame_t pair)
{
    size_t equals = zb_frame_find (pair, 0, '=');
    if (pair.size == 0)
        return "an empty line";
    if (equals == pair.size)
        return "a line without '='";
    if (equals == 0)
        return "a line without a name";
    if (equals > ZB_NAME_MAX)
        return "a name longer than 255 bytes";
    const char *wrong = s_text_check (zb_frame_part (pair, 0, equals), false, "");
    return wrong ? wrong : s_text_check (zb_frame_part (pair, equals + 1, pair.size), true, "");
}

const char *zb_lines_check (zb_frame_t lines)
{
    for (size_t cursor = 0; cursor < lines.size;) {
        size_t end = zb_frame_find (lines, cursor, '\n');
        const char *wrong = s_pair_check (zb_frame_part (lines, cursor, end));
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
    zb_frame_t line = zb_frame_part (lines, *cursor, end);
    size_t equals = zb_frame_find (line, 0, '=');
    *name = zb_frame_part (line, 0, equals);
    *value = zb_frame_part (line, equals < line.size ? equals + 1 : line.size, line.size);
    *cursor = end + 1;
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
    size_t end = zb_frame_find (index, start, '\n');
    zb_frame_t text = zb_frame_part (index, start, end);
    size_t tab = zb_frame_find (text, 0, '\t');
    size_t space = zb_frame_find (zb_frame_part (text, 0, tab), 0, ' ');
    line->id = zb_frame_part (text, 0, space);
    line->properties = zb_frame_part (text, tab < text.size ? tab + 1 : tab, text.size);
    *bad = line->id.size == 0 || line->id.size > ZB_ID_MAX || s_text_check (line->id, false, "") || space == tab ||
           !zb_number_parse (zb_frame_part (text, space + 1, tab), UINT64_MAX, &line->deliveries) ||
           (tab < text.size && line->properties.size == 0);
    for (size_t at = 0; !*bad && at < line->properties.size;) {
        size_t next = zb_frame_find (line->properties, at, '\t');
        *bad = s_pair_check (zb_frame_part (line->properties, at, next)) != NULL || next + 1 == line->properties.size;
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
        for (size_t at = zb_frame_find (pairs, 0, '\n'); at < pairs.size; at = zb_frame_find (pairs, at + 1, '\n'))
            text[size + at] = '\t';
        size += pairs.size;
    }
    return size;
}

//  "ZB" and the number of another version.
static bool s_other_version (zb_frame_t magic)
{
    uint64_t version = 0;
    return magic.size > 2 && memcmp (magic.data, "ZB", 2) == 0 &&
           zb_number_parse (zb_frame_part (magic, 2, magic.size), UINT32_MAX, &version) && version != 1;
}

static bool s_magic (zb_frame_t frame)
{
    return zb_frame_is (frame, "ZB1") || s_other_version (frame);
}

size_t zb_wire_envelope (const zb_frame_t *frames, size_t count)
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

const char *zb_answer_word (zb_answer_status_t status)
{
    assert (status <= ZB_ANSWER_ERR);
    return s_statuses[status].name;
}

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
    size_t envelope = zb_wire_envelope (frames, count);
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
