/*  =========================================================================
    rig - an engine on a fake store, spoken to in lines

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <ctype.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/base/lineage.h"
#include "rig.h"

static const uint8_t s_secret[ZB_SECRET_SIZE] = "a secret of two brokers";

static void s_lead (rig_t *self)
{
    self->epoch++;
    zb_engine_lead (self->engine, self->epoch, fake_store_newest (self->store), s_secret);
    uint8_t epoch = (uint8_t) self->epoch;
    zb_engine_meta (self->engine, "lineage", &epoch, 1);
}

rig_t *rig_new (const zb_limits_t *limits)
{
    rig_t *self = (rig_t *) calloc (1, sizeof (rig_t));
    assert_non_null (self);
    self->limits = limits ? *limits : (zb_limits_t) ZB_LIMITS_DEFAULT;
    self->store = fake_store_new ();
    self->engine = zb_engine_new (&self->limits, 1);
    zb_engine_endpoints (self->engine, "tcp://a", "tcp://b");
    self->now = 1000;
    self->sync_here = self->sync_there = true;
    s_lead (self);
    rig_rule (self, ZB_RELEASE_BOTH);
    return self;
}

static void s_drop_replies (rig_t *self)
{
    for (size_t index = 0; index < self->count; index++) {
        free (self->replies[index].text);
        free (self->replies[index].token);
        free (self->replies[index].frame);
        zb_reply_destroy (&self->replies[index].reply);
    }
    self->count = self->next = 0;
}

static void s_drop_reads (rig_t *self)
{
    for (size_t index = 0; index < self->reads; index++)
        zb_read_destroy (&self->read[index]);
    self->reads = 0;
}

void rig_destroy (rig_t **self_p)
{
    rig_t *self = *self_p;
    s_drop_reads (self);
    s_drop_replies (self);
    zb_engine_destroy (&self->engine);
    fake_store_destroy (&self->store);
    free (self->replies);
    zb_spans_clear (&self->ids);
    free (self);
    *self_p = NULL;
}

//  EPOCH and COUNT of an id, or of an instance, which has one bit less.
static void s_print_id (FILE *file, uint64_t id, char point)
{
    uint64_t count = id - zb_epoch_base (zb_epoch_number (id), zb_epoch_node (id));
    fprintf (file, "%" PRIu64 "%s%c%" PRIu64, zb_epoch_number (id), zb_epoch_node (id) == 1 ? "" : "b", point,
             point == '.' ? count >> 1 : count);
}

//  Text, in which ids are seen: numbers of 2^40 and more.
static void s_print_text (FILE *file, zb_frame_t frame)
{
    const char *text = (const char *) frame.data;
    for (size_t index = 0; index < frame.size;) {
        size_t digits = 0;
        while (index + digits < frame.size && isdigit ((unsigned char) text[index + digits]))
            digits++;
        if (digits > 12) {
            char number[32] = "";
            memcpy (number, text + index, digits < 31 ? digits : 31);
            s_print_id (file, strtoull (number, NULL, 10), ':');
        }
        else if (digits)
            fprintf (file, "%.*s", (int) digits, text + index);
        else
            fputc (text[index], file);
        index += digits ? digits : 1;
    }
}

void rig_read (rig_reply_t *kept)
{
    zb_frames_t frames;
    zb_frames_init (&frames, kept->reply);
    free (kept->frame);
    kept->frame = (zb_frame_t *) malloc (frames.frames * sizeof (zb_frame_t) + frames.bytes);
    assert_non_null (kept->frame);
    uint8_t *byte = (uint8_t *) (kept->frame + frames.frames);
    for (size_t index = 0; index < frames.frames; index++)
        kept->frame[index] = zb_frame_copy (&byte, zb_frames_at (&frames, index));
    assert_int_equal (zb_wire_parse_reply (&kept->answer, kept->frame, frames.frames), 0);
    zb_frames_clear (&frames);
}

static void s_keep (rig_t *self, zb_reply_t *reply)
{
    if (self->count == self->room) {
        self->room = self->room ? self->room * 2 : 16;
        self->replies = (rig_reply_t *) realloc (self->replies, self->room * sizeof (rig_reply_t));
        assert_non_null (self->replies);
    }
    rig_reply_t *kept = &self->replies[self->count++];
    *kept = (rig_reply_t){.reply = reply};
    rig_read (kept);
    const zb_answer_t *answer = &kept->answer;
    const zb_frame_t *routing = &reply->to.routing, *status = &kept->frame[answer->envelope + 1];
    size_t size = 0;
    FILE *file = open_memstream (&kept->text, &size);
    fprintf (file, "%.*s> %.*s|%.*s", (int) routing->size, (const char *) routing->data, (int) status->size,
             (const char *) status->data, (int) answer->id.size, (const char *) answer->id.data);
    for (size_t index = 0; index < answer->args; index++) {
        uint64_t number = 0;
        fputc ('|', file);
        if (index == 0 && answer->args == 4 && zb_number_parse (answer->arg[0], INT64_MAX, &number) && number)
            s_print_id (file, number << 1, '.');
        else
            s_print_text (file, answer->arg[index]);
    }
    for (size_t index = 0; index < answer->bodies; index++) {
        fputc ('|', file);
        fwrite (answer->body[index].data, 1, answer->body[index].size, file);
    }
    fclose (file);
    kept->token = strndup ((const char *) answer->token.data, answer->token.size);
}

void rig_collect (rig_t *self)
{
    for (zb_reply_t *reply = zb_engine_reply (self->engine); reply; reply = zb_engine_reply (self->engine))
        s_keep (self, reply);
}

static bool s_turn (rig_t *self)
{
    bool moved = false;
    for (zb_batch_t *batch = zb_engine_batch (self->engine); batch; batch = zb_engine_batch (self->engine)) {
        self->batches++;
        if (zb_batch_size (batch) > self->most_ops)
            self->most_ops = zb_batch_size (batch);
        fake_store_commit (self->store, batch);
        moved = true;
    }
    for (zb_read_t *read = zb_engine_read (self->engine); read; read = zb_engine_read (self->engine)) {
        fake_store_read (self->store, read);
        self->read_count++;
        assert_true (self->reads < 64);
        self->read[self->reads++] = read;
    }
    rig_collect (self);
    uint64_t newest = fake_store_newest (self->store);
    if (self->sync_here)
        fake_store_sync_here (self->store, newest);
    if (self->sync_there)
        fake_store_sync_there (self->store, newest);
    if (moved)
        zb_engine_durable (self->engine, fake_store_here (self->store), fake_store_there (self->store), self->now);
    if (!self->stuck)
        for (; self->reads; moved = true) {
            zb_read_t *read = self->read[0];
            memmove (self->read, self->read + 1, --self->reads * sizeof read);
            zb_engine_loaded (self->engine, &read, self->now);
        }
    return zb_engine_tick (self->engine, self->now) <= self->now || moved;
}

void rig_run (rig_t *self)
{
    //  The end of a turn may have begun something.
    while (s_turn (self) || s_turn (self)) {
    }
    rig_collect (self);
}

void rig_wait (rig_t *self, int64_t ms)
{
    self->now += ms;
    rig_run (self);
}

void rig_sync (rig_t *self, bool here, bool there)
{
    if (here)
        fake_store_sync_here (self->store, fake_store_newest (self->store));
    if (there)
        fake_store_sync_there (self->store, fake_store_newest (self->store));
    zb_engine_durable (self->engine, fake_store_here (self->store), fake_store_there (self->store), self->now);
    rig_run (self);
}

void rig_rule (rig_t *self, zb_release_t rule)
{
    static const zb_durable_t durable[] = {ZB_DURABLE_NONE, ZB_DURABLE_BOTH, ZB_DURABLE_SOLO};
    zb_engine_release (self->engine, rule, durable[rule]);
    rig_run (self);
}

static void s_change (rig_t *self, void (*change) (fake_store_t *))
{
    zb_engine_stop (self->engine, "tcp://other");
    rig_collect (self);
    //  A read that is on its way comes back to the next lead.
    change (self->store);
    s_lead (self);
    rig_rule (self, ZB_RELEASE_BOTH);
}

void rig_takeover_with (rig_t *self, const zb_limits_t *limits)
{
    zb_engine_stop (self->engine, "tcp://other");
    rig_collect (self);
    zb_engine_destroy (&self->engine);
    self->limits = *limits;
    self->engine = zb_engine_new (&self->limits, 1);
    zb_engine_endpoints (self->engine, "tcp://a", "tcp://b");
    fake_store_takeover (self->store);
    s_lead (self);
    rig_rule (self, ZB_RELEASE_BOTH);
}

void rig_takeover (rig_t *self)
{
    s_change (self, fake_store_takeover);
}

void rig_restart (rig_t *self)
{
    s_change (self, fake_store_restart);
}

void rig_gone (rig_t *self, const char *client)
{
    zb_engine_gone (self->engine, zb_frame (client), self->now);
    rig_run (self);
}

//  Copies a line, ids of the form EPOCH:COUNT, or EPOCHb:COUNT of the backup's, and instances, made into numbers.
static char *s_ids (const char *line)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream (&text, &size);
    while (*line) {
        size_t digits = strspn (line, "0123456789");
        bool backup = digits && line[digits] == 'b';
        char point = line[digits + backup];
        if (digits && (point == ':' || point == '.') && isdigit ((unsigned char) line[digits + backup + 1])) {
            uint64_t base = zb_epoch_base (strtoull (line, NULL, 10), backup ? 2 : 1);
            uint64_t count = strtoull (line + digits + backup + 1, NULL, 10);
            fprintf (file, "%" PRIu64, (point == '.' ? base >> 1 : base) + count);
            line += digits + backup + 1;
            line += strspn (line, "0123456789");
        }
        else {
            size_t step = digits ? digits : 1;
            fwrite (line, 1, step, file);
            line += step;
        }
    }
    fclose (file);
    return text;
}

static void s_request (rig_t *self, const char *client, const zb_frame_t *frames, size_t count)
{
    zb_request_t request;
    const char *why = NULL;
    int code = zb_request_parse (&request, &self->ids, frames, count, &self->limits, &why);
    if (code && !request.over)
        fail_msg ("a test's request is malformed: %s", why);
    request.from.routing = zb_frame (client);
    zb_engine_request (self->engine, &request, self->now);
}

void rig_push (rig_t *self, const char *client, const char *line)
{
    char *text = s_ids (line);
    zb_frame_t frames[64] = {zb_frame ("ZB1")};
    size_t count = 1;
    for (char *at = text; at;) {
        char *end = strchr (at, '|');
        assert_true (count < 64);
        frames[count++] = (zb_frame_t){at, end ? (size_t) (end - at) : strlen (at)};
        at = end ? end + 1 : NULL;
    }
    s_request (self, client, frames, count);
    free (text);
}

void rig_say (rig_t *self, const char *client, const char *line)
{
    rig_push (self, client, line);
    rig_run (self);
}

void rig_put (rig_t *self, const char *client, const char *id, const char *queue, size_t count, size_t size)
{
    zb_frame_t *frames = (zb_frame_t *) calloc (count + 5, sizeof (zb_frame_t));
    uint8_t *bytes = (uint8_t *) calloc (1, size + 1);
    assert_non_null (frames);
    assert_non_null (bytes);
    memset (bytes, 'x', size);
    frames[0] = zb_frame ("ZB1");
    frames[1] = zb_frame ("PUT");
    frames[2] = zb_frame (id);
    frames[3] = zb_frame (queue);
    for (size_t index = 0; index < count; index++)
        frames[5 + index] = (zb_frame_t){bytes, size};
    s_request (self, client, frames, count + 5);
    free (frames);
    free (bytes);
}

void rig_expect_ (rig_t *self, const char *text, const char *file, int line)
{
    const char *have = self->next < self->count ? self->replies[self->next].text : NULL;
    size_t size = text ? strlen (text) : 0;
    bool open = size && text[size - 1] == '*';
    bool same = text && have ? (open ? strncmp (text, have, size - 1) == 0 : strcmp (text, have) == 0) : text == have;
    if (!same) {
        print_error ("expected: %s\n    have: %s\n", text ? text : "nothing", have ? have : "nothing");
        _fail (file, line);
    }
    if (have)
        self->next++;
}

const rig_reply_t *rig_last (rig_t *self)
{
    assert_true (self->count);
    return &self->replies[self->count - 1];
}

void rig_skip (rig_t *self)
{
    s_drop_replies (self);
}

rig_t *rig_ready (const zb_limits_t *limits)
{
    rig_t *self = rig_new (limits);
    rig_say (self, "c", "HELLO|h");
    rig_expect (self, "c> OK|h|0|0|tcp://a|tcp://b");
    rig_say (self, "c", "QUEUE|q|q|");
    rig_expect (self, "c> OK|q");
    return self;
}

zb_engine_stats_t rig_stats (const rig_t *self)
{
    zb_engine_stats_t stats;
    zb_engine_stats (self->engine, &stats);
    return stats;
}
