/*  =========================================================================
    queue - zbroker queue, topic, sub: create, list, purge, delete

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "io/base/nearest.h"

static const tool_option_t s_options[] = {
    {"json", NULL, "list: as a JSON array"}, TOOL_BROKERS, TOOL_KEY, TOOL_TIMEOUT, {NULL, NULL, NULL}};

//  Prints how safe it is that a queue was changed.
static int s_changed (const tool_t *tool, const zb_client_t *client, int rc)
{
    if (rc)
        return tool_client_fail (tool, client, tool->arguments[1]);
    zb_level_t level = zb_client_level (client);
    printf ("OK%s%s\n", level == ZB_LEVEL_NONE ? "" : " ", level == ZB_LEVEL_NONE ? "" : zb_level_name (level));
    return TOOL_OK;
}

static int s_create (const tool_t *tool, zb_client_t *client)
{
    if (tool->size < 2)
        return tool_misused (tool, "create: which %s?", tool->command->name);
    size_t size = 1;
    for (size_t index = 2; index < tool->size; index++) {
        if (!strchr (tool->arguments[index], '=') || strchr (tool->arguments[index], '\n'))
            return tool_misused (tool, "create: '%s' is not of the form OPTION=VALUE", tool->arguments[index]);
        size += strlen (tool->arguments[index]) + 1;
    }
    char *options = (char *) calloc (1, size);
    assert (options);
    for (size_t index = 2; index < tool->size; index++) {
        if (*options)
            strcat (options, "\n");
        strcat (options, tool->arguments[index]);
    }
    int (*create) (zb_client_t *, const char *, const char *) = tool->command == &tool_topic ? zb_client_topic
                                                                : tool->command == &tool_sub ? zb_client_subscribe
                                                                                             : zb_client_create_queue;
    int code = s_changed (tool, client, create (client, tool->arguments[1], options));
    free (options);
    return code;
}

static int s_purge (const tool_t *tool, zb_client_t *client)
{
    if (tool->size != 2)
        return tool_misused (tool, "purge: which %s?", tool->command->name);
    return s_changed (tool, client, zb_client_purge_queue (client, tool->arguments[1]));
}

static int s_delete (const tool_t *tool, zb_client_t *client)
{
    if (tool->size != 2)
        return tool_misused (tool, "delete: which %s?", tool->command->name);
    return s_changed (tool, client, zb_client_delete_queue (client, tool->arguments[1]));
}

static int s_seek (const tool_t *tool, zb_client_t *client)
{
    if (tool->command != &tool_sub)
        return tool_misused (tool, "seek is for subscriptions: zbroker sub seek TOPIC/SUB POSITION");
    if (tool->size != 3)
        return tool_misused (tool, "seek: which subscription, and to where: first, an id, or @ and ms since 1970?");
    return s_changed (tool, client, zb_client_seek (client, tool->arguments[1], tool->arguments[2]));
}

//  The next "name=value" of lines.  Returns false at the end; the words are valid until the line is taken again.
static bool s_next_line (const char **lines, char *line, size_t room, char **value)
{
    if (!**lines)
        return false;
    size_t size = strcspn (*lines, "\n");
    snprintf (line, room, "%.*s", (int) size, *lines);
    *lines += size + ((*lines)[size] == '\n');
    *value = strchr (line, '=');
    if (*value)
        *(*value)++ = 0;
    return true;
}

static bool s_is_number (const char *text)
{
    return *text && strlen (text) < 19 && text[strspn (text, "0123456789")] == 0 && (*text != '0' || !text[1]);
}

//  Whether it is one of those that the command is about.
static bool s_is_listed (const tool_t *tool, const zb_queues_t *queues, size_t index)
{
    const char *kind = tool->command == &tool_topic ? "kind=topic" : "kind=subscription";
    return tool->command == &tool_queue || strstr (zb_queues_lines (queues, index), kind);
}

static void s_print_json (const tool_t *tool, const zb_queues_t *queues)
{
    json_t *list = json_array ();
    for (size_t index = 0; index < zb_queues_size (queues); index++) {
        if (!s_is_listed (tool, queues, index))
            continue;
        json_t *queue = json_object ();
        json_object_set_new (queue, "name", json_string (zb_queues_name (queues, index)));
        const char *lines = zb_queues_lines (queues, index);
        char line[1024], *value;
        while (s_next_line (&lines, line, sizeof line, &value))
            if (value)
                json_object_set_new (
                    queue, line, s_is_number (value) ? json_integer (strtoll (value, NULL, 10)) : json_string (value));
        json_array_append_new (list, queue);
    }
    json_dumpf (list, stdout, JSON_INDENT (2));
    putchar ('\n');
    json_decref (list);
}

static void s_print_table (const tool_t *tool, const zb_queues_t *queues)
{
    size_t width = 0;
    for (size_t index = 0; index < zb_queues_size (queues); index++)
        if (width < strlen (zb_queues_name (queues, index)))
            width = strlen (zb_queues_name (queues, index));
    for (size_t index = 0; index < zb_queues_size (queues); index++) {
        if (!s_is_listed (tool, queues, index))
            continue;
        printf ("%-*s", (int) width, zb_queues_name (queues, index));
        const char *lines = zb_queues_lines (queues, index);
        char line[1024], *value;
        while (s_next_line (&lines, line, sizeof line, &value))
            printf ("  %s%s%s", line, value ? "=" : "", value ? value : "");
        putchar ('\n');
    }
}

static int s_list (const tool_t *tool, zb_client_t *client)
{
    if (tool->size > 2)
        return tool_misused (tool, "list: one pattern at most");
    const char *pattern = tool->size == 2 ? tool->arguments[1] : NULL;
    zb_queues_t *queues = tool->command == &tool_queue ? zb_client_list_queues (client, pattern)
                                                       : zb_client_list_topics (client, pattern);
    if (!queues)
        return tool_client_fail (tool, client, "list");
    if (tool_option (tool, "json"))
        s_print_json (tool, queues);
    else
        s_print_table (tool, queues);
    zb_queues_destroy (&queues);
    return TOOL_OK;
}

static const struct {
    const char *name;
    int (*run) (const tool_t *tool, zb_client_t *client);
} s_actions[] = {{"create", s_create}, {"list", s_list}, {"purge", s_purge}, {"delete", s_delete}, {"seek", s_seek}};
#define ACTIONS (sizeof s_actions / sizeof *s_actions)

static int s_run (tool_t *tool)
{
    if (tool->size == 0)
        return tool_misused (tool, "create, list, purge or delete?");
    const char *known[ACTIONS];
    for (size_t index = 0; index < ACTIONS; index++) {
        known[index] = s_actions[index].name;
        if (strcmp (tool->arguments[0], known[index]) != 0)
            continue;
        zb_client_t *client = tool_client (tool);
        if (!client)
            return TOOL_USAGE;
        int code = s_actions[index].run (tool, client);
        zb_client_destroy (&client);
        return code;
    }
    return tool_misused (tool, "'%s' is unknown; the nearest known action is '%s'", tool->arguments[0],
                         zb_nearest (tool->arguments[0], known, ACTIONS));
}

const tool_command_t tool_queue = {
    .name = "queue",
    .arguments = "create QUEUE [OPTION=VALUE...] | list [PATTERN] | purge QUEUE | delete QUEUE",
    .summary = "Create or change, list, empty, delete queues",
    .text = "\n"
            "create sets the options given; it leaves an existing queue's messages and other options.\n"
            "list prints each queue with its options and counts.\n"
            "purge deletes the messages, delete the queue with its messages; neither asks back.\n",
    .options = s_options,
    .run = s_run,
};

const tool_command_t tool_topic = {
    .name = "topic",
    .arguments = "create TOPIC [OPTION=VALUE...] | list [PATTERN] | purge TOPIC | delete TOPIC",
    .summary = "Create or change, list, empty, delete topics",
    .text = "\n"
            "What is put into a topic goes to each of its subscriptions; see 'zbroker help sub'.\n"
            "create sets the options given.  list prints each topic with its options and counts.\n"
            "purge deletes the messages for all subscriptions, delete the topic with them; neither asks back.\n",
    .options = s_options,
    .run = s_run,
};

const tool_command_t tool_sub = {
    .name = "sub",
    .arguments = "create TOPIC/SUB [OPTION=VALUE...] | list [PATTERN] | seek TOPIC/SUB POSITION | purge TOPIC/SUB | "
                 "delete TOPIC/SUB",
    .summary = "Create or change, list, move, empty, delete subscriptions of topics",
    .text = "\n"
            "A subscription gets all that is put into its topic from then on; it is got from as a queue is:\n"
            "'zbroker get TOPIC/SUB'.  create sets the options given; from and filter are only for a new one.\n"
            "seek moves it to first, behind a message id, or to @ and ms since 1970; its leases end.  purge has it\n"
            "done with all that there is, delete ends it; neither asks back.\n",
    .options = s_options,
    .run = s_run,
};
