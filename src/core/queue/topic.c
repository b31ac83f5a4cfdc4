/*  =========================================================================
    topic - the rows and the options of topics and subscriptions

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/queue/options.h"
#include "core/queue/topic.h"
#include "core/wire/filter.h"

size_t zb_topic_row_encode (const zb_queue_row_t *self, uint8_t value[ZB_TOPIC_ROW_MAX])
{
    assert (self->kind == ZB_KIND_TOPIC || self->kind == ZB_KIND_SUB);
    zb_put32 (value, 0);
    value[4] = (uint8_t) self->kind;
    zb_put32 (value + 5, self->id);
    zb_stamp_encode (&self->changed, value + 9);
    zb_put64 (value + 26, self->kind == ZB_KIND_TOPIC ? self->bytes : self->lease);
    if (self->kind == ZB_KIND_TOPIC)
        return ZB_TOPIC_ROW_SIZE + zb_more_encode (self, value + ZB_TOPIC_ROW_SIZE);
    zb_put64 (value + 34, self->grace);
    zb_put32 (value + 42, self->topic);
    zb_put64 (value + 46, self->birth);
    zb_put64 (value + 54, self->from);
    value[62] = (uint8_t) self->began.how;
    return ZB_SUB_ROW_SIZE + zb_more_encode (self, value + ZB_SUB_ROW_SIZE);
}

int zb_topic_row_decode (zb_queue_row_t *self, const zb_row_t *row)
{
    if (row->size < ZB_TOPIC_ROW_SIZE || row->data[4] < ZB_KIND_TOPIC || row->data[4] > ZB_KIND_SUB)
        return -1;
    *self = (zb_queue_row_t){.kind = (zb_queue_kind_t) row->data[4], .id = zb_get32 (row->data + 5)};
    zb_stamp_decode (&self->changed, row->data + 9);
    if (self->kind == ZB_KIND_TOPIC) {
        self->bytes = zb_get64 (row->data + 26);
        bool more = zb_more_decode (self, row->data + ZB_TOPIC_ROW_SIZE, row->size - ZB_TOPIC_ROW_SIZE);
        return !more && self->id && self->bytes <= INT64_MAX ? 0 : -1;
    }
    if (row->size < ZB_SUB_ROW_SIZE || zb_more_decode (self, row->data + ZB_SUB_ROW_SIZE, row->size - ZB_SUB_ROW_SIZE))
        return -1;
    self->lease = zb_get64 (row->data + 26);
    self->grace = zb_get64 (row->data + 34);
    self->topic = zb_get32 (row->data + 42);
    self->birth = zb_get64 (row->data + 46);
    self->from = zb_get64 (row->data + 54);
    self->began.how = (zb_at_t) row->data[62];
    bool good = self->id && self->topic && self->lease <= INT32_MAX && self->grace <= INT32_MAX;
    return good && self->birth && self->from < self->birth && row->data[62] <= ZB_AT_TIME ? 0 : -1;
}

int zb_topic_filter (zb_queue_row_t *self, zb_frame_t text, size_t size)
{
    if (size > text.size || size > ZB_FILTER_MAX)
        return -1;
    text.size = size;
    self->filter.size = (uint8_t) size;
    if (size)
        memcpy (self->filter.text, text.data, size);
    return size && zb_filter_check (text) ? -1 : 0;
}

zb_frame_t zb_topic_filter_of (const zb_queue_row_t *self)
{
    return (zb_frame_t){self->filter.text, self->filter.size};
}

bool zb_topic_split (zb_frame_t name, zb_frame_t *topic, zb_frame_t *own)
{
    size_t size = zb_frame_find (name, 0, '/');
    if (size == name.size)
        return false;
    *topic = (zb_frame_t){name.data, size};
    if (own)
        *own = (zb_frame_t){(const char *) name.data + size + 1, name.size - size - 1};
    return true;
}

static const char *s_number (zb_frame_t value, uint64_t most, uint64_t *number, const char *wrong)
{
    return zb_number_parse (value, most, number) ? NULL : wrong;
}

static const char *s_from (zb_queue_row_t *row, zb_frame_t value)
{
    zb_position_t position;
    if (!zb_position_parse (&position, value))
        return "from is new, first, a message id, or @ and ms since 1970";
    if (row->id && (position.how != row->began.how || position.number != row->began.number))
        return "where a subscription begins does not change: SEEK moves it, or make another one";
    row->began = position;
    return NULL;
}

static const char *s_filter (zb_queue_row_t *row, zb_frame_t value)
{
    const char *wrong = value.size ? zb_filter_check (value) : NULL;
    if (wrong)
        return wrong;
    if (row->id && !zb_frame_eq (value, zb_topic_filter_of (row)))
        return "a filter does not change: make another subscription, from=ID where this one is";
    return zb_topic_filter (row, value, value.size) ? "filter: malformed" : NULL;
}

const char *zb_topic_set (zb_queue_row_t *row, zb_frame_t name, zb_frame_t value)
{
    if (row->kind == ZB_KIND_TOPIC) {
        if (zb_frame_is (name, "max-bytes"))
            return s_number (value, INT64_MAX, &row->bytes, "max-bytes is a number of bytes, 0 for the default");
        if (zb_frame_is (name, "max-age"))
            return s_number (value, ZB_EXPIRES_MOST, &row->age, "max-age is a number of milliseconds, 0 for no limit");
        if (zb_frame_is (name, "keep-messages"))
            return s_number (value, INT64_MAX, &row->most, "keep-messages is a number, 0 for no limit");
        if (!zb_frame_is (name, "keep"))
            return "the options of a topic are keep, max-bytes, max-age and keep-messages";
        row->retains = zb_frame_is (value, "all");
        return row->retains || zb_frame_is (value, "subscribed") ? NULL : "keep is subscribed or all";
    }
    if (zb_frame_is (name, "lease"))
        return s_number (value, INT32_MAX, &row->lease, "lease is a number of milliseconds, 0 for the default");
    if (zb_frame_is (name, "grace"))
        return s_number (value, INT32_MAX, &row->grace, "grace is a number of milliseconds, 0 for the default");
    if (zb_frame_is (name, ZB_OPTION_DEAD))
        return zb_options_set_dead (row, value);
    if (zb_frame_is (name, ZB_OPTION_TRIES))
        return zb_options_set_tries (row, value);
    if (zb_frame_is (name, ZB_OPTION_MODE))
        return zb_options_set_mode (row, value);
    if (zb_frame_is (name, ZB_OPTION_RETRY))
        return zb_options_set_retry (row, value);
    if (zb_frame_is (name, ZB_OPTION_UNUSED))
        return zb_options_set_unused (row, value);
    if (zb_frame_is (name, "from"))
        return s_from (row, value);
    if (zb_frame_is (name, "filter"))
        return s_filter (row, value);
    return "the options of a subscription are lease, grace, mode, max-deliveries, retry-delay, unused, dead-letter, "
           "from and filter";
}

const char *zb_topic_wrong (const zb_queue_row_t *row)
{
    return !row->retains && (row->age || row->most) ? "max-age and keep-messages go with keep=all; else they are 0"
                                                    : NULL;
}

bool zb_topic_same (const zb_queue_row_t *one, const zb_queue_row_t *other)
{
    return one->bytes == other->bytes && one->retains == other->retains && one->age == other->age &&
           one->most == other->most && one->lease == other->lease && one->grace == other->grace &&
           one->retry == other->retry && one->retry_most == other->retry_most && one->most_tries == other->most_tries &&
            one->mode == other->mode && one->unused == other->unused &&
            zb_frame_eq (zb_queue_row_dead (one), zb_queue_row_dead (other));
}

size_t zb_topic_format (const zb_queue_row_t *row, const zb_limits_t *limits, char *text, size_t room)
{
    zb_frame_t filter = zb_topic_filter_of (row);
    int size = row->kind == ZB_KIND_TOPIC
                   ? snprintf (text, room, "keep=%s\nmax-bytes=%" PRIu64 "\n", row->retains ? "all" : "subscribed",
                               row->bytes ? row->bytes : limits->topic_bytes)
                   : snprintf (text, room, "lease=%" PRIu64 "\ngrace=%" PRIu64 "\n%s%.*s%s",
                               row->lease ? row->lease : (uint64_t) limits->lease,
                               row->grace ? row->grace : (uint64_t) limits->grace, filter.size ? "filter=" : "",
                               (int) filter.size, (const char *) filter.data, filter.size ? "\n" : "");
    assert (size > 0 && (size_t) size < room);
    if (row->retains)
        size += snprintf (text + size, room - (size_t) size, "max-age=%" PRIu64 "\nkeep-messages=%" PRIu64 "\n",
                          row->age, row->most);
    assert ((size_t) size < room);
    size += (int) zb_options_format_mode (row, text + size, room - (size_t) size);
    size += (int) zb_options_format_tries (row, text + size, room - (size_t) size);
    size += (int) zb_options_format_retry (row, text + size, room - (size_t) size);
    size += (int) zb_options_format_unused (row, text + size, room - (size_t) size);
    return (size_t) size + zb_options_format_dead (row, text + size, room - (size_t) size);
}
