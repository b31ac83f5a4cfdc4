/*  =========================================================================
    topic_kit - what the tests of topics in the engine share

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The client "c" of a rig asks; a topic is t where nothing else is said.
*/

#ifndef TOPIC_KIT_H_INCLUDED
#define TOPIC_KIT_H_INCLUDED

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "core/queue/rows.h"
#include "rig.h"

static inline void kit_ok (rig_t *rig, const char *line)
{
    rig_skip (rig);
    rig_say (rig, "c", line);
    assert_int_equal (rig_last (rig)->answer.status, ZB_ANSWER_OK);
}

static inline void kit_refused (rig_t *rig, const char *line, unsigned code)
{
    rig_skip (rig);
    rig_say (rig, "c", line);
    assert_int_equal (rig_last (rig)->answer.status, ZB_ANSWER_ERR);
    assert_int_equal (rig_last (rig)->answer.code, code);
}

//  The request is answered with these bodies, in their order.
static inline void kit_answers (rig_t *rig, const char *client, const char *line, const char *bodies)
{
    char text[1024] = "";
    rig_skip (rig);
    rig_say (rig, client, line);
    const zb_answer_t *answer = &rig_last (rig)->answer;
    assert_int_equal (answer->status, ZB_ANSWER_MSG);
    for (size_t index = 0; index < answer->bodies; index++)
        snprintf (text + strlen (text), sizeof text - strlen (text), "%s%.*s", index ? "," : "",
                  (int) answer->body[index].size, (const char *) answer->body[index].data);
    if (strcmp (text, bodies))
        fail_msg ("%s: %s, not %s", line, text, bodies);
}

//  What a consumer on a new connection is given.
static inline void kit_gets (rig_t *rig, const char *sub, const char *bodies)
{
    static unsigned number;
    char client[16], line[96];
    snprintf (client, sizeof client, "r%u", ++number);
    rig_say (rig, client, "HELLO|h|reader||");
    snprintf (line, sizeof line, "GET|g|%s|1000|0|", sub);
    kit_answers (rig, client, line, bodies);
    rig_gone (rig, client);
}

//  A body of this size.
static inline void kit_put (rig_t *rig, const char *topic, size_t size)
{
    rig_skip (rig);
    rig_put (rig, "c", "1", topic, 1, size);
    rig_run (rig);
}

//  Rows of the table whose keys have this size, a second later.
static inline size_t kit_rows (rig_t *rig, zb_table_t table, size_t key_size)
{
    rig_wait (rig, 1000);
    zb_read_t *read = zb_read_new (0, 0);
    zb_read_add (read, table, "", 0, 0, 10000, SIZE_MAX);
    fake_store_read (rig->store, read);
    size_t rows = 0;
    for (size_t index = 0; index < read->count[0]; index++)
        rows += read->found[0][index].key_size == key_size;
    zb_read_destroy (&read);
    return rows;
}

static inline size_t kit_log_rows (rig_t *rig)
{
    return kit_rows (rig, ZB_LOG, ZB_LOG_KEY_SIZE);
}

static inline void kit_takeover (rig_t *rig)
{
    rig_takeover (rig);
    rig_say (rig, "c", "HELLO|h");
    rig_skip (rig);
}

//  The engine's clock goes on with the wall clock.
static inline void kit_pass (rig_t *rig, uint64_t *wall, int64_t ms)
{
    rig_wait (rig, ms);
    *wall += (uint64_t) ms;
    zb_engine_time (rig->engine, (int64_t) *wall, rig->now);
}

//  Messages with these numbers, each in a row of its own.
static inline void kit_put_numbers (rig_t *rig, int first, int last)
{
    for (char line[40]; first <= last; first++) {
        snprintf (line, sizeof line, "PUT|1|t||%d", first);
        kit_ok (rig, line);
    }
}

#endif
