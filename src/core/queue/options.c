/*  =========================================================================
    options - the options of a queue, a row each

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/level.h"
#include "core/queue/options.h"
#include "core/queue/rank.h"

#define NONE SIZE_MAX

//  0 stands for the broker's default everywhere.
static const struct {
    const char *name;
    const char *what; //  it is, as an error says it
    uint64_t most;
    size_t value;    //  where it is in zb_queue_row_t,
    size_t standard; //  and its default in zb_limits_t: 8 bytes each; NONE: it is 0,
    size_t named;    //  and this bool of the row says that the option was named: only then it is told
    unsigned level;  //  that it takes; above 1 it came after the first release
} s_options[] = {
    {"lease", "a number of milliseconds", INT32_MAX, offsetof (zb_queue_row_t, lease), offsetof (zb_limits_t, lease),
     NONE, ZB_LEVEL_LEAST},
    {"grace", "a number of milliseconds", INT32_MAX, offsetof (zb_queue_row_t, grace), offsetof (zb_limits_t, grace),
     NONE, ZB_LEVEL_GRACE},
    {"max-messages", "a number", INT64_MAX, offsetof (zb_queue_row_t, max), offsetof (zb_limits_t, queue_messages),
     NONE, ZB_LEVEL_LEAST},
    {"max-bytes", "a number of bytes", INT64_MAX, offsetof (zb_queue_row_t, bytes), NONE,
     offsetof (zb_queue_row_t, sized), ZB_LEVEL_BYTES},
    {"expires", "a number of milliseconds", ZB_EXPIRES_MOST, offsetof (zb_queue_row_t, expires), NONE,
     offsetof (zb_queue_row_t, timed), ZB_LEVEL_EXPIRES},
    {"delay", "a number of milliseconds", ZB_DELAY_MOST, offsetof (zb_queue_row_t, delay), NONE,
     offsetof (zb_queue_row_t, delays), ZB_LEVEL_DELAY},
};
#define OPTIONS (sizeof s_options / sizeof *s_options)

static uint64_t *s_at (zb_queue_row_t *row, size_t option)
{
    return (uint64_t *) (void *) ((char *) row + s_options[option].value);
}

static uint64_t s_value (const zb_queue_row_t *row, size_t option)
{
    zb_queue_row_t copy = *row;
    return *s_at (&copy, option);
}

//  Whether it was named, of those for which that is kept; NULL for the others.
static bool *s_named (zb_queue_row_t *row, size_t option)
{
    return s_options[option].named == NONE ? NULL : (bool *) (void *) ((char *) row + s_options[option].named);
}

//  Whether it has a value of its own.
static bool s_is_told (const zb_queue_row_t *row, size_t option)
{
    zb_queue_row_t copy = *row;
    const bool *named = s_named (&copy, option);
    return s_value (row, option) || (named && *named);
}

static uint64_t s_standard (const zb_limits_t *limits, size_t option)
{
    uint64_t value;
    if (s_options[option].standard == NONE)
        return 0;
    memcpy (&value, (const char *) limits + s_options[option].standard, sizeof value);
    return value;
}
_Static_assert(sizeof ((zb_limits_t *) NULL)->lease == 8 && sizeof ((zb_limits_t *) NULL)->grace == 8 &&
                   sizeof ((zb_limits_t *) NULL)->queue_messages == 8,
               "as s_standard reads them");

//  All names, as a sentence has them.
static const char *s_names (char why[ZB_OPTION_WHY])
{
    size_t size = (size_t) snprintf (why, ZB_OPTION_WHY, "the options of a queue are ");
    for (size_t index = 0; index < OPTIONS; index++)
        size += (size_t) snprintf (why + size, ZB_OPTION_WHY - size, "%s%s", index ? ", " : "", s_options[index].name);
    size += (size_t) snprintf (why + size, ZB_OPTION_WHY - size,
                               ", " ZB_OPTION_PRIORITIES ", " ZB_OPTION_FULL ", " ZB_OPTION_MODE ", " ZB_OPTION_TRIES
                               ", " ZB_OPTION_RETRY ", " ZB_OPTION_DEDUPE ", " ZB_OPTION_UNUSED " and " ZB_OPTION_DEAD);
    assert (size < ZB_OPTION_WHY);
    return why;
}

const char *zb_options_set_retry (zb_queue_row_t *row, zb_frame_t value)
{
    static const char wrong[] =
        ZB_OPTION_RETRY " is a number of milliseconds, or two with .. between, the second one not smaller; 0 for none";
    size_t size = zb_frame_find (value, 0, '.');
    zb_frame_t first = {value.data, size};
    zb_frame_t most =
        size == value.size ? first : (zb_frame_t){(const char *) value.data + size + 2, value.size - size - 2};
    bool two = size + 2 < value.size && ((const char *) value.data)[size + 1] == '.';
    uint64_t from = 0, to = 0;
    if ((size < value.size && !two) || !zb_number_parse (first, INT32_MAX, &from) ||
        !zb_number_parse (most, INT32_MAX, &to) || from > to || (from == 0 && to))
        return wrong;
    row->retry = from;
    row->retry_most = to;
    return NULL;
}

size_t zb_options_format_retry (const zb_queue_row_t *row, char *text, size_t room)
{
    size_t size = 0;
    if (row->retry)
        size = (size_t) snprintf (text, room, ZB_OPTION_RETRY "=%" PRIu64, row->retry);
    if (row->retry_most > row->retry)
        size += (size_t) snprintf (text + size, room - size, "..%" PRIu64, row->retry_most);
    if (row->retry)
        size += (size_t) snprintf (text + size, room - size, "\n");
    assert (size < room);
    return size;
}

const char *zb_options_set_tries (zb_queue_row_t *row, zb_frame_t value)
{
    static const char wrong[] = ZB_OPTION_TRIES " is a number, 0 for no limit";
    return zb_number_parse (value, ZB_TRIES_MOST, &row->most_tries) ? NULL : wrong;
}

size_t zb_options_format_tries (const zb_queue_row_t *row, char *text, size_t room)
{
    size_t size =
        row->most_tries ? (size_t) snprintf (text, room, ZB_OPTION_TRIES "=%" PRIu64 "\n", row->most_tries) : 0;
    assert (size < room);
    return size;
}

const char *zb_options_set_unused (zb_queue_row_t *row, zb_frame_t value)
{
    static const char wrong[] = ZB_OPTION_UNUSED " is a number of milliseconds, 0 for never";
    return zb_number_parse (value, ZB_UNUSED_MOST, &row->unused) ? NULL : wrong;
}

size_t zb_options_format_unused (const zb_queue_row_t *row, char *text, size_t room)
{
    size_t size = row->unused ? (size_t) snprintf (text, room, ZB_OPTION_UNUSED "=%" PRIu64 "\n", row->unused) : 0;
    assert (size < room);
    return size;
}

static const char *const s_modes[] = {
    [ZB_MODE_SHARED] = "shared", [ZB_MODE_EXCLUSIVE] = "exclusive", [ZB_MODE_KEY] = "key"};

const char *zb_options_set_mode (zb_queue_row_t *row, zb_frame_t value)
{
    for (zb_mode_t mode = ZB_MODE_SHARED; mode <= ZB_MODE_KEY; mode++)
        if (zb_frame_is (value, s_modes[mode])) {
            row->mode = mode;
            if (mode != ZB_MODE_EXCLUSIVE)
                memset (row->holder, 0, sizeof row->holder);
            return NULL;
        }
    return ZB_OPTION_MODE " is shared, exclusive or key";
}

size_t zb_options_format_mode (const zb_queue_row_t *row, char *text, size_t room)
{
    size_t size = row->mode ? (size_t) snprintf (text, room, ZB_OPTION_MODE "=%s\n", s_modes[row->mode]) : 0;
    assert (size < room);
    return size;
}

const char *zb_options_wrong (const zb_queue_row_t *row, zb_frame_t name)
{
    if (zb_frame_eq (zb_queue_row_dead (row), name))
        return ZB_OPTION_DEAD " is another queue";
    if (row->ranks && row->mode == ZB_MODE_KEY)
        return ZB_OPTION_PRIORITIES " and " ZB_OPTION_MODE "=key don't go together: what has a higher priority would be given before others of its key";
    if (row->most_tries && row->dead_size == 0 && name.size + sizeof ZB_DEAD_SUFFIX - 1 > ZB_NAME_MAX)
        return ZB_OPTION_TRIES ": the name of the queue that dead letters go to would be too long: set " ZB_OPTION_DEAD;
    return NULL;
}

const char *zb_options_set_dead (zb_queue_row_t *row, zb_frame_t value)
{
    if (value.size && zb_name_check (value))
        return ZB_OPTION_DEAD " is the name of a queue, empty for the default";
    zb_queue_row_set_dead (row, value);
    return NULL;
}

size_t zb_options_format_dead (const zb_queue_row_t *row, char *text, size_t room)
{
    size_t size =
        row->dead_size ? (size_t) snprintf (text, room, ZB_OPTION_DEAD "=%.*s\n", row->dead_size, row->dead) : 0;
    assert (size < room);
    return size;
}

static const char *s_set_full (zb_queue_row_t *row, zb_frame_t value)
{
    bool drops = zb_frame_is (value, "drop-oldest");
    if (!drops && !zb_frame_is (value, "reject"))
        return ZB_OPTION_FULL " is reject or drop-oldest";
    row->drops = drops;
    return NULL;
}

static const char *s_set_priorities (zb_queue_row_t *row, zb_frame_t value)
{
    uint64_t ranks = 0;
    if (!zb_number_parse (value, ZB_RANKS_MOST, &ranks) || (ranks && ranks < ZB_RANKS_LEAST))
        return ZB_OPTION_PRIORITIES " is a number from 2 to 10, 0 for none";
    row->ranks = (unsigned) ranks;
    return NULL;
}
_Static_assert(ZB_RANKS_LEAST == 2 && ZB_RANKS_MOST == 10, "as the text says");

const char *zb_options_set (zb_queue_row_t *row, zb_frame_t name, zb_frame_t value, char why[ZB_OPTION_WHY])
{
    if (zb_frame_is (name, ZB_OPTION_DEAD))
        return zb_options_set_dead (row, value);
    if (zb_frame_is (name, ZB_OPTION_RETRY))
        return zb_options_set_retry (row, value);
    if (zb_frame_is (name, ZB_OPTION_TRIES))
        return zb_options_set_tries (row, value);
    if (zb_frame_is (name, ZB_OPTION_DEDUPE))
        return zb_number_parse (value, ZB_DEDUPE_MOST, &row->dedupe) ? NULL
                                                                     : ZB_OPTION_DEDUPE
                   " is a number of milliseconds, 0 for none";
    if (zb_frame_is (name, ZB_OPTION_UNUSED))
        return zb_options_set_unused (row, value);
    if (zb_frame_is (name, ZB_OPTION_MODE))
        return zb_options_set_mode (row, value);
    if (zb_frame_is (name, ZB_OPTION_FULL))
        return s_set_full (row, value);
    if (zb_frame_is (name, ZB_OPTION_PRIORITIES))
        return s_set_priorities (row, value);
    size_t option = 0;
    while (option < OPTIONS && !zb_frame_is (name, s_options[option].name))
        option++;
    if (option == OPTIONS)
        return s_names (why);
    if (zb_number_parse (value, s_options[option].most, s_at (row, option))) {
        bool *named = s_named (row, option);
        if (named)
            *named = true;
        return NULL;
    }
    snprintf (why, ZB_OPTION_WHY, "%s is %s, 0 for the default", s_options[option].name, s_options[option].what);
    return why;
}

unsigned zb_options_level (const zb_queue_row_t *row)
{
    unsigned level = row->drops        ? ZB_LEVEL_FULL
                     : row->ranks      ? ZB_LEVEL_PRIORITIES
                     : row->unused     ? ZB_LEVEL_UNUSED
                     : row->dedupe     ? ZB_LEVEL_DEDUPE
                     : row->mode       ? ZB_LEVEL_MODE
                     : row->most_tries ? ZB_LEVEL_TRIES
                     : row->dead_size  ? ZB_LEVEL_DEAD
                     : row->retry      ? ZB_LEVEL_RETRY
                                       : ZB_LEVEL_LEAST;
    for (size_t index = 0; index < OPTIONS; index++)
        if (s_is_told (row, index) && s_options[index].level > level)
            level = s_options[index].level;
    return level;
}

bool zb_options_same (const zb_queue_row_t *one, const zb_queue_row_t *other)
{
    bool same = one->timed == other->timed && one->delays == other->delays && one->sized == other->sized &&
                one->drops == other->drops && one->ranks == other->ranks && one->retry == other->retry &&
                one->retry_most == other->retry_most && one->most_tries == other->most_tries &&
                one->mode == other->mode && one->unused == other->unused && one->dedupe == other->dedupe &&
                zb_frame_eq (zb_queue_row_dead (one), zb_queue_row_dead (other));
    for (size_t index = 0; index < OPTIONS; index++)
        same = same && s_value (one, index) == s_value (other, index);
    return same;
}

size_t zb_options_format (const zb_queue_row_t *row, const zb_limits_t *limits, bool late, char *text, size_t room)
{
    size_t size = 0;
    for (size_t index = 0; index < OPTIONS; index++) {
        uint64_t value = s_value (row, index);
        bool shown = s_options[index].named == NONE || s_is_told (row, index);
        if ((s_options[index].level > ZB_LEVEL_LEAST) == late && shown)
            size += (size_t) snprintf (text + size, room - size, "%s=%" PRIu64 "\n", s_options[index].name,
                                       value ? value : s_standard (limits, index));
        assert (size < room);
    }
    if (!late)
        return size;
    if (row->ranks)
        size += (size_t) snprintf (text + size, room - size, ZB_OPTION_PRIORITIES "=%u\n", row->ranks);
    if (row->drops)
        size += (size_t) snprintf (text + size, room - size, ZB_OPTION_FULL "=drop-oldest\n");
    assert (size < room);
    size += zb_options_format_mode (row, text + size, room - size);
    size += zb_options_format_tries (row, text + size, room - size);
    size += zb_options_format_retry (row, text + size, room - size);
    if (row->dedupe)
        size += (size_t) snprintf (text + size, room - size, ZB_OPTION_DEDUPE "=%" PRIu64 "\n", row->dedupe);
    assert (size < room);
    size += zb_options_format_unused (row, text + size, room - size);
    return size + zb_options_format_dead (row, text + size, room - size);
}
