/*  =========================================================================
    salvage - zbroker salvage: what could not be replayed after a split

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <jansson.h>

#include "commands.h"
#include "io/base/nearest.h"
#include "io/store/salvage.h"

static const tool_option_t s_options[] = {{"store", "DIR", "the store's folder, of the broker that had lost (or name files)"},
                                          {"json", NULL, "list, show: as a JSON array"},
                                          TOOL_BROKERS, TOOL_KEY,
                                          TOOL_TIMEOUT,
                                          {NULL, NULL, NULL}};

//  Frames of a PUT in a file.
enum { WHY, PRODUCER, NUMBER, IDS, EMPTY, ZB1, PUT, ID, QUEUE, PROPERTIES, BODIES };

static zframe_t *s_frame (zmsg_t *put, size_t index)
{
    zframe_t *frame = zmsg_first (put);
    while (index--)
        frame = zmsg_next (put);
    return frame;
}

static char *s_text (zmsg_t *put, size_t index)
{
    char *text = zframe_strdup (s_frame (put, index));
    assert (text);
    return text;
}

static json_t *s_json_text (zmsg_t *put, size_t index)
{
    zframe_t *frame = s_frame (put, index);
    //  What is no text is shown in hex digits.
    json_t *text = json_stringn ((const char *) zframe_data (frame), zframe_size (frame));
    if (text)
        return text;
    char *hex = zframe_strhex (frame);
    text = json_string (hex);
    zstr_free (&hex);
    return text;
}

static json_t *s_json_put (zmsg_t *put, bool bodies)
{
    static const struct {
        const char *name;
        size_t index;
    } fields[] = {{"why", WHY},       {"producer", PRODUCER}, {"number", NUMBER},
                  {"ids", IDS},       {"queue", QUEUE},       {"properties", PROPERTIES}};
    json_t *object = json_object ();
    for (size_t index = 0; index < sizeof fields / sizeof *fields; index++)
        json_object_set_new (object, fields[index].name, s_json_text (put, fields[index].index));
    json_object_set_new (object, "messages", json_integer ((json_int_t) (zmsg_size (put) - BODIES)));
    if (bodies) {
        json_t *list = json_array ();
        for (size_t index = BODIES; index < zmsg_size (put); index++)
            json_array_append_new (list, s_json_text (put, index));
        json_object_set_new (object, "bodies", list);
    }
    return object;
}

//  One line a PUT; with its bodies one more line for each.
static void s_print_put (zmsg_t *put, bool bodies)
{
    char *why = s_text (put, WHY), *producer = s_text (put, PRODUCER), *number = s_text (put, NUMBER);
    char *queue = s_text (put, QUEUE), *ids = s_text (put, IDS);
    printf ("%s  %s  %zu messages  ids %s", queue, why, zmsg_size (put) - BODIES, ids);
    if (*producer)
        printf ("  producer %s number %s", producer, number);
    putchar ('\n');
    for (size_t index = BODIES; bodies && index < zmsg_size (put); index++) {
        fputs ("    ", stdout);
        fwrite (zframe_data (s_frame (put, index)), 1, zframe_size (s_frame (put, index)), stdout);
        putchar ('\n');
    }
    zstr_free (&why);
    zstr_free (&producer);
    zstr_free (&number);
    zstr_free (&queue);
    zstr_free (&ids);
}

//  Stores a file's PUTs.  They are numbered under the file's name, so that a replay that was interrupted goes on where it
//  was, and stores nothing twice.
static int s_replay_file (const tool_t *tool, const char *path, zlistx_t *puts)
{
    zb_client_t *client = tool_client (tool);
    if (!client)
        return TOOL_USAGE;
    char *name = zsys_sprintf ("salvage-%s", strrchr (path, '/') ? strrchr (path, '/') + 1 : path);
    int rc = zb_client_set_name (client, name);
    if (rc == 0)
        rc = zb_client_connect (client);
    uint64_t number = 0, messages = 0, last = rc ? 0 : zb_client_last_number (client);
    for (zmsg_t *put = rc ? NULL : zlistx_first (puts); put && rc == 0; put = zlistx_next (puts)) {
        if (++number <= last)
            continue;
        size_t count = zmsg_size (put) - BODIES;
        zb_body_t *body = zmalloc (count * sizeof *body);
        for (size_t index = 0; index < count; index++)
            body[index] = (zb_body_t){zframe_data (s_frame (put, BODIES + index)),
                                      zframe_size (s_frame (put, BODIES + index))};
        char *queue = s_text (put, QUEUE), *properties = s_text (put, PROPERTIES);
        rc = zb_client_put_many (client, queue, properties, body, count, NULL);
        messages += count;
        zstr_free (&queue);
        zstr_free (&properties);
        freen (body);
    }
    int code = rc ? tool_client_fail (tool, client, path) : TOOL_OK;
    zb_client_destroy (&client);
    zstr_free (&name);
    char *done = zsys_sprintf ("%s.replayed", path);
    if (code == TOOL_OK && rename (path, done) != 0)
        code = tool_fail (tool, TOOL_FAILED, "%s was replayed, but can't be renamed: %s", path, strerror (errno));
    if (code == TOOL_OK)
        printf ("%s: %" PRIu64 " messages stored; the file is %s now\n", path, messages, done);
    zstr_free (&done);
    return code;
}

typedef enum { LIST, SHOW, REPLAY, ACTIONS } action_t;

static int s_file (const tool_t *tool, action_t action, const char *path, json_t *list)
{
    zlistx_t *puts = zb_salvage_read (path);
    if (!puts)
        return tool_fail (tool, TOOL_FAILED, "%s: %s", path,
                          errno == EINVAL ? "not a file of salvaged messages, or damaged" : strerror (errno));
    int code = TOOL_OK;
    if (action == REPLAY)
        code = s_replay_file (tool, path, puts);
    else {
        if (!list)
            printf ("%s\n", path);
        for (zmsg_t *put = zlistx_first (puts); put; put = zlistx_next (puts)) {
            if (list)
                json_array_append_new (list, s_json_put (put, action == SHOW));
            else
                s_print_put (put, action == SHOW);
        }
    }
    zlistx_destroy (&puts);
    return code;
}

static int s_files (const tool_t *tool, action_t action)
{
    const char *store = tool_option (tool, "store");
    if (!store && tool->size < 2)
        return tool_misused (tool, "name the store with --store DIR, or files");
    if (store && access (store, R_OK | X_OK) != 0)
        return tool_misused (tool, "%s: %s", store, strerror (errno));
    zlistx_t *files = tool->size < 2 ? zb_salvage_files (store) : NULL;
    json_t *list = tool_option (tool, "json") && action != REPLAY ? json_array () : NULL;
    int code = TOOL_OK;
    for (size_t index = 1; index < tool->size && code == TOOL_OK; index++)
        code = s_file (tool, action, tool->arguments[index], list);
    for (const char *path = files ? zlistx_first (files) : NULL; path && code == TOOL_OK; path = zlistx_next (files))
        code = s_file (tool, action, path, list);
    if (files && zlistx_size (files) == 0 && !list)
        printf ("nothing was put aside\n");
    zlistx_destroy (&files);
    if (list) {
        json_dumpf (list, stdout, JSON_INDENT (2));
        putchar ('\n');
        json_decref (list);
    }
    return code;
}

static int s_run (tool_t *tool)
{
    static const char *const known[ACTIONS] = {"list", "show", "replay"};
    const char *names[ACTIONS] = {known[LIST], known[SHOW], known[REPLAY]};
    if (tool->size == 0)
        return tool_misused (tool, "list, show or replay?");
    for (action_t action = LIST; action < ACTIONS; action++)
        if (streq (tool->arguments[0], known[action]))
            return s_files (tool, action);
    return tool_misused (tool, "'%s' is unknown; the nearest known action is '%s'", tool->arguments[0],
                         zb_nearest (tool->arguments[0], names, ACTIONS));
}

const tool_command_t tool_salvage = {
    .name = "salvage",
    .arguments = "list [FILE...] | show [FILE...] | replay [FILE...]",
    .summary = "Messages that could not be replayed after a split",
    .text = "\n"
            "A broker that lost a split puts aside what the winner can't take: a message whose producer and number\n"
            "another message has there (conflict), or one whose queue can't be made there (absent).\n"
            "list prints what was put aside, show the bodies as well. replay stores the messages without their old\n"
            "numbers and renames each file to FILE.replayed; one that was interrupted goes on where it was.\n",
    .options = s_options,
    .run = s_run,
};
