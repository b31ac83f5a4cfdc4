/*  =========================================================================
    read - zbroker read: messages of a topic, without a subscription

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <signal.h>
#include <stdio.h>

#include "commands.h"
#include "output.h"

#define AT_ONCE 500 //  messages of one request
#define FOLLOW_MS \
    2147483647 //  that one request waits: who begins with "new" has no other position until something comes

static const tool_option_t s_options[] = {
    {"from", "POSITION", "first (the default), new, behind a message id, or @MS: what was put then (ms since 1970)"},
    {"count", "N", "end when N messages were printed"},
    {"filter", "PATTERNS", "only subjects that fit: '*' is one word, '>' at the end one or more"},
    {"follow", NULL, "at the end wait for what comes"},
    OUTPUT_OPTIONS,
    TOOL_BROKERS,
    TOOL_KEY,
    TOOL_TIMEOUT,
    {NULL, NULL, NULL}};

//  Reads on until `count` (0: no limit) were printed, or the topic has no more.  Returns an exit code.
static int s_read (const tool_t *tool, zb_client_t *client, int64_t count, output_t *output)
{
    char position[64];
    const char *from = tool_option (tool, "from"), *topic = tool->arguments[0];
    int64_t wait = tool_option (tool, "follow") ? FOLLOW_MS : 0, done = 0;
    snprintf (position, sizeof position, "%s", from ? from : "first");
    while (count == 0 || done < count) {
        size_t max = count && count - done < AT_ONCE ? (size_t) (count - done) : AT_ONCE;
        zb_messages_t *messages = zb_client_read (client, topic, position, max, wait, tool_option (tool, "filter"));
        if (!messages)
            return tool_client_fail (tool, client, topic);
        size_t size = zb_messages_size (messages);
        int code = size ? output_write (output, messages) : TOOL_OK;
        if (size)
            snprintf (position, sizeof position, "%s", zb_messages_at (messages, size - 1)->id);
        zb_messages_destroy (&messages);
        if (code || fflush (stdout))
            return code ? code : tool_fail (tool, TOOL_FAILED, "standard output can't be written");
        if (size == 0 && wait == 0)
            break;
        done += (int64_t) size;
    }
    return TOOL_OK;
}

static int s_run (tool_t *tool)
{
    int64_t count = 0;
    if (tool->size != 1)
        return tool_misused (tool, tool->size ? "one topic at a time" : "which topic?");
    if (tool_number (tool, "count", 1, INT64_MAX, &count))
        return TOOL_USAGE;
    output_t output;
    int code = output_open (&output, tool);
    if (code)
        return code;
    zb_client_t *client = tool_client (tool);
    if (!client)
        return TOOL_USAGE;
    signal (SIGPIPE, SIG_IGN);
    code = s_read (tool, client, count, &output);
    zb_client_destroy (&client);
    return code;
}

const tool_command_t tool_read = {
    .name = "read",
    .arguments = "TOPIC",
    .summary = "Read a topic without a subscription: bodies to standard output, one a line",
    .text = "\n"
            "Nothing is taken: others get the messages as if nobody had read them.\n",
    .options = s_options,
    .run = s_run,
};
