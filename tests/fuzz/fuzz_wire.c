/*  =========================================================================
    fuzz_wire - any bytes through the codec of ZB1, of tokens and of seals

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The first byte of an input says what the rest is; README.md lists the letters.
    Messages are split into frames at '|'.  Each frame is an allocation of exactly
    its size, so that AddressSanitizer sees a read of one byte too many.  What the
    codec accepts must satisfy everything that the rest of the program relies on.
*/

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "core/queue/rank.h"
#include "core/queue/timing.h"
#include "core/wire/filter.h"
#include "core/wire/request.h"
#include "core/wire/seal.h"
#include "core/wire/token.h"
#include "core/wire/wire.h"
#include "tests/fuzz/fuzz.h"

#define FRAMES_MAX 4096

static const uint8_t s_secret[ZB_SECRET_SIZE] = "the secret of the fuzzer's pair";

typedef struct {
    zb_frame_t *frame;
    size_t count;
} s_message_t;

//  A copy of its own, exactly as large as the bytes are.
static zb_frame_t s_copy (const uint8_t *data, size_t size)
{
    void *copy = malloc (size);
    assert (copy || size == 0);
    if (size)
        memcpy (copy, data, size);
    return (zb_frame_t){copy, size};
}

static void s_free (zb_frame_t frame)
{
    free ((void *) (uintptr_t) frame.data);
}

static s_message_t s_message_new (const uint8_t *data, size_t size)
{
    s_message_t message = {NULL, 1};
    for (size_t index = 0; index < size; index++)
        message.count += data[index] == '|';
    if (message.count > FRAMES_MAX)
        message.count = FRAMES_MAX;
    message.frame = (zb_frame_t *) malloc (message.count * sizeof (zb_frame_t));
    assert (message.frame);
    size_t start = 0;
    for (size_t index = 0; index < message.count; index++) {
        const uint8_t *bar = start < size ? (const uint8_t *) memchr (data + start, '|', size - start) : NULL;
        size_t end = bar && index + 1 < message.count ? (size_t) (bar - data) : size;
        message.frame[index] = s_copy (data + start, end - start);
        start = end + 1;
    }
    return message;
}

static void s_message_free (s_message_t *message)
{
    for (size_t index = 0; index < message->count; index++)
        s_free (message->frame[index]);
    free (message->frame);
}

//  What a filter takes has a subject, and all that has one fits '>'.
static void s_try_filter (const s_message_t *message)
{
    if (message->count == 0)
        return;
    zb_frame_t filter = message->frame[0], lines = message->count > 1 ? message->frame[1] : zb_frame ("");
    if (zb_filter_check (filter) || zb_lines_check (lines))
        return;
    bool takes = zb_filter_takes (filter, lines);
    assert (!takes || zb_filter_takes (zb_frame (">"), lines));
    assert (zb_filter_takes (zb_frame (""), lines));
}

static void s_try_position (zb_frame_t text)
{
    zb_position_t position;
    if (zb_position_parse (&position, text))
        assert (position.how != ZB_AT_ID || position.number > 0);
}

static void s_try_acks (zb_frame_t acks)
{
    uint64_t first = 0, last = 0;
    size_t cursor = 0, items = 0;
    bool bad = false;
    while (zb_acks_next (acks, &cursor, &first, &last, &bad)) {
        assert (!bad && first > 0 && first <= last && cursor <= acks.size);
        items++;
    }
    assert (bad || cursor == acks.size);
    assert (items <= acks.size / 2 + 1);
}

static void s_try_lines (zb_frame_t lines)
{
    bool good = zb_lines_check (lines) == NULL;
    size_t cursor = 0;
    zb_frame_t name, value;
    while (zb_lines_next (lines, &cursor, &name, &value))
        if (good) {
            assert (name.size > 0 && name.size <= ZB_NAME_MAX);
            assert (!memchr (name.data, '=', name.size));
            assert (value.size == 0 || !memchr (value.data, '\n', value.size));
        }
    assert (cursor >= lines.size);
    zb_timing_t timing;
    const char *wrong = good ? zb_timing_read (&timing, lines) : NULL;
    if (good)
        assert ((!wrong || !timing.told) && (timing.told || timing.expires == 0) && timing.expires <= ZB_EXPIRES_MOST);
    zb_delay_t delay;
    wrong = good ? zb_delay_read (&delay, lines) : NULL;
    if (good)
        assert ((!wrong || !delay.told) && (delay.told || (delay.delay == 0 && delay.due == 0)) &&
                delay.delay <= ZB_DELAY_MOST && delay.due <= ZB_DUE_MOST && (delay.delay == 0 || delay.due == 0));
    unsigned rank = 0;
    wrong = good ? zb_rank_read (lines, ZB_RANKS_LEAST, &rank) : NULL;
    if (good)
        assert (rank < ZB_RANKS_LEAST && (rank == 0 || (!wrong && zb_rank_told (lines))));
    if (good) {
        //  What goes into an index comes out of it.
        char *text = (char *) malloc (ZB_INDEX_LINE_MAX + lines.size);
        assert (text);
        zb_frame_t index = {text, zb_index_format (UINT64_MAX, UINT64_MAX, lines, text)};
        assert (index.size <= ZB_INDEX_LINE_MAX + lines.size);
        zb_index_t line;
        bool bad = false;
        size_t at = 0, one = 0, two = 0;
        assert (zb_index_next (index, &at, &line, &bad) && line.deliveries == UINT64_MAX);
        zb_frame_t other_name, other_value;
        while (zb_lines_next (lines, &one, &name, &value)) {
            assert (zb_lines_next (line.properties, &two, &other_name, &other_value));
            assert (zb_frame_eq (name, other_name) && zb_frame_eq (value, other_value));
        }
        assert (!zb_lines_next (line.properties, &two, &other_name, &other_value));
        assert (!zb_index_next (index, &at, &line, &bad) && !bad);
        free (text);
    }
}

static void s_try_index (zb_frame_t index)
{
    zb_index_t line;
    bool bad = false;
    size_t cursor = 0;
    while (zb_index_next (index, &cursor, &line, &bad)) {
        assert (!bad && line.id.size > 0 && line.id.size <= ZB_ID_MAX && cursor <= index.size);
        size_t at = 0;
        zb_frame_t name, value;
        while (zb_lines_next (line.properties, &at, &name, &value))
            assert (name.size > 0 && name.size <= ZB_NAME_MAX);
    }
    assert (bad || cursor == index.size);
}

static void s_try_number (zb_frame_t text)
{
    uint64_t number = 0;
    char again[21];
    if (zb_number_parse (text, UINT64_MAX, &number)) {
        assert (zb_number_format (number, again) == text.size);
        assert (zb_frame_is (text, again));
    }
}

//  What zb_name_match should say, told as its definition is.
static bool s_match (const uint8_t *want, const uint8_t *want_end, const uint8_t *have, const uint8_t *have_end)
{
    if (want == want_end)
        return have == have_end;
    if (*want == '*')
        return s_match (want + 1, want_end, have, have_end) ||
               (have < have_end && s_match (want, want_end, have + 1, have_end));
    if (have == have_end)
        return false;
    if (*want != '?')
        return *want == *have && s_match (want + 1, want_end, have + 1, have_end);
    do
        have++;
    while (have < have_end && (*have & 0xC0) == 0x80);
    return s_match (want + 1, want_end, have, have_end);
}

static void s_try_names (const s_message_t *message)
{
    if (message->count != 2)
        return;
    zb_frame_t pattern = message->frame[0], name = message->frame[1];
    const char *wrong = zb_name_check (name);
    assert (!wrong || *wrong);
    if (zb_name_check (pattern) == NULL)
        assert (zb_pattern_check (pattern) == NULL);
    if (wrong || (pattern.size && zb_pattern_check (pattern)))
        return;
    bool fits = zb_name_match (pattern, name);
    assert (fits || pattern.size);
    //  The definition takes exponential time.
    if (pattern.size && pattern.size <= 12 && name.size <= 12) {
        const uint8_t *want = (const uint8_t *) pattern.data, *have = (const uint8_t *) name.data;
        assert (fits == s_match (want, want + pattern.size, have, have + name.size));
    }
}

static void s_check_spans (zb_span_t *span, size_t spans)
{
    assert (spans <= ZB_ACKS_MAX / 2 + 1);
    for (size_t index = 0; index < spans; index++)
        assert (span[index].first > 0 && span[index].first <= span[index].last);
    spans = zb_spans_join (span, spans);
    for (size_t index = 1; index < spans; index++)
        assert (span[index].first > span[index - 1].last + 1 && span[index - 1].last < UINT64_MAX);
}

static void s_check_request (const zb_request_t *request, const s_message_t *message, const zb_limits_t *limits)
{
    assert (request->verb < ZB_VERBS);
    assert (request->from.envelopes <= ZB_ENVELOPE_MAX && request->from.envelopes + 3 <= message->count);
    assert (zb_frame_is (message->frame[request->from.envelopes], "ZB1"));
    assert (zb_frame_is (message->frame[request->from.envelopes + 1], zb_verb_name (request->verb)));
    assert (request->from.id.size > 0 && request->from.id.size <= ZB_ID_MAX);
    bool pattern = request->verb == ZB_CLIENTS;
    assert (request->name.size == 0 || (pattern ? zb_pattern_check : zb_name_check) (request->name) == NULL);
    assert (request->token.size <= ZB_TOKEN_MAX);
    bool gets = request->verb == ZB_GET || request->verb == ZB_PEEK;
    assert ((!gets || request->max <= limits->bodies) && request->wait <= ZB_WAIT_MAX);
    assert (request->verb != ZB_EVENTS || (request->max > 0 && request->max <= ZB_EVENTS_PAGE));
    assert (request->options.size <= ZB_OPTIONS_MAX);
    assert (request->properties.size <= limits->properties && zb_lines_check (request->properties) == NULL);
    assert (zb_lines_check (request->options) == NULL);
    if (request->verb == ZB_LIST)
        assert (request->queue.size == 0 || zb_pattern_check (request->queue) == NULL);
    else if (zb_protocol (request->verb)->subs)
        assert (request->queue.size == 0 || zb_place_check (request->queue) == NULL);
    else
        assert (request->queue.size == 0 || zb_name_check (request->queue) == NULL);
    //  What is left when the instruction is taken out is properties, too; and what it names are ids, not ranges.
    if (request->acked.size) {
        assert (request->verb == ZB_PUT && zb_place_check (request->acked) == NULL && request->spans > 0);
        assert (request->spans <= ZB_PUT_ACKS_MAX && request->acks_at + request->acks_size <= request->properties.size);
        zb_frame_t before = zb_frame_part (request->properties, 0, request->acks_at);
        zb_frame_t behind =
            zb_frame_part (request->properties, request->acks_at + request->acks_size, request->properties.size);
        assert (zb_lines_check (before) == NULL && zb_lines_check (behind) == NULL);
        for (size_t index = 0; index < request->spans; index++)
            assert (request->span[index].first == request->span[index].last);
    }
    s_check_spans (request->span, request->spans);
    assert ((request->verb == ZB_PUT) == (request->bodies > 0));
    assert (request->bodies <= limits->bodies);
    size_t bytes = 0;
    for (size_t index = 0; index < request->bodies; index++) {
        assert (request->body[index].size <= limits->body);
        bytes += request->body[index].size;
    }
    assert (bytes == request->body_bytes && bytes <= limits->request);
}

static void s_try_request (const s_message_t *message, const zb_limits_t *limits)
{
    zb_request_t request;
    zb_spans_t ids = {NULL, 0, 0};
    const char *why = NULL;
    int result = zb_request_parse (&request, &ids, message->frame, message->count, limits, &why);
    if (result == 0)
        s_check_request (&request, message, limits);
    else if (result > 0) {
        assert (result == ZB_BAD_REQUEST || result == ZB_TOO_LARGE);
        assert (why && *why);
        for (const char *character = why; *character; character++)
            assert (*character >= ' ' && *character <= '~');
        assert (request.from.envelopes < message->count && request.from.id.size <= ZB_ID_MAX);
    }
    else
        assert (result == -1);
    zb_spans_clear (&ids);
}

static void s_try_reply (const s_message_t *message)
{
    zb_answer_t answer;
    if (zb_wire_parse_reply (&answer, message->frame, message->count) != 0)
        return;
    assert (answer.status <= ZB_ANSWER_ERR);
    assert (answer.envelope + 4 + answer.args + answer.bodies == message->count);
    assert (answer.id.size <= ZB_ID_MAX && answer.token.size <= ZB_TOKEN_MAX);
    assert ((answer.status == ZB_ANSWER_ERR) == (answer.code != 0));
    if (answer.status == ZB_ANSWER_MSG) {
        size_t lines = 0, cursor = 0;
        bool bad = false;
        zb_index_t line;
        while (zb_index_next (answer.arg[2], &cursor, &line, &bad))
            lines++;
        assert (!bad && lines == answer.bodies);
    }
}

//  `trusted` makes the signature fit, so that what is behind it is reached.
static void s_try_token (const uint8_t *data, size_t size, bool trusted)
{
    zb_token_t token;
    zb_frame_t text = s_copy (data, size);
    if (trusted) {
        uint8_t mac[16];
        char hex[33];
        crypto_generichash (mac, sizeof (mac), data, size, s_secret, ZB_SECRET_SIZE);
        sodium_bin2hex (hex, sizeof (hex), mac, sizeof (mac));
        s_free (text);
        uint8_t *signed_text = (uint8_t *) malloc (size + 33);
        assert (signed_text);
        memcpy (signed_text, data, size);
        signed_text[size] = '.';
        memcpy (signed_text + size + 1, hex, 32);
        text = (zb_frame_t){signed_text, size + 33};
    }
    if (zb_token_parse (&token, s_secret, text) == 0) {
        char again[ZB_TOKEN_MAX];
        assert (zb_token_format (&token, s_secret, again) == text.size);
        assert (zb_frame_is (text, again));
    }
    s_free (text);
}

//  `trusted` makes the checksum fit.
static void s_try_seal (const uint8_t *data, size_t size, bool trusted)
{
    uint8_t key[ZB_SEAL_KEY_SIZE];
    zb_seal_key (key, "pair", "secret");
    uint8_t *frame = (uint8_t *) malloc (size);
    assert (frame || size == 0);
    if (size)
        memcpy (frame, data, size);
    if (trusted && size >= ZB_SEAL_SIZE) {
        uint8_t outer[32];
        memcpy (outer, frame, 24);
        crypto_shorthash (outer + 24, frame + ZB_SEAL_SIZE, size - ZB_SEAL_SIZE, key);
        crypto_shorthash (frame + 24, outer, sizeof (outer), key + 16);
    }
    zb_seal_t seal;
    const void *payload = NULL;
    size_t payload_size = 0;
    const char *why = NULL;
    if (zb_seal_read (&seal, key, frame, size, &payload, &payload_size, &why) == 0) {
        assert (!why && payload_size == size - ZB_SEAL_SIZE);
        uint8_t header[ZB_SEAL_SIZE];
        zb_seal_write (&seal, key, header, payload, payload_size);
        assert (memcmp (header, frame, ZB_SEAL_SIZE) == 0);
    }
    else
        assert (why && *why);
    free (frame);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    static const zb_limits_t limits = ZB_LIMITS_DEFAULT;
    static const zb_limits_t small = {.body = 4, .bodies = 2, .request = 40, .properties = 8};
    if (size == 0)
        return 0;
    const uint8_t *rest = data + 1;
    size_t rest_size = size - 1;
    s_message_t message = s_message_new (rest, rest_size);
    zb_frame_t frame = s_copy (rest, rest_size);
    switch (data[0]) {
    case 'Q':
        s_try_request (&message, &limits);
        break;
    case 'q':
        s_try_request (&message, &small);
        break;
    case 'R':
        s_try_reply (&message);
        break;
    case 'A':
        s_try_acks (frame);
        break;
    case 'L':
        s_try_lines (frame);
        break;
    case 'I':
        s_try_index (frame);
        break;
    case 'M':
        s_try_names (&message);
        break;
    case 'F':
        s_try_filter (&message);
        break;
    case 'P':
        s_try_position (frame);
        break;
    case 'N':
        s_try_number (frame);
        break;
    case 'T':
    case 't':
        s_try_token (rest, rest_size, data[0] == 't');
        break;
    case 'S':
    case 's':
        s_try_seal (rest, rest_size, data[0] == 's');
        break;
    default:
        break;
    }
    s_free (frame);
    s_message_free (&message);
    return 0;
}
