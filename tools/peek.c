/*  =========================================================================
    peek - zbroker peek: what is in a queue, without taking anything

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "commands.h"
#include "output.h"

#define AT_ONCE 100   //  messages of one request
#define SHOWN 60      //  bytes of a body

static const tool_option_t s_options[] = {{"from", "ID", "begin behind the message with this id (default: with the first one)"},
                                          {"count", "N", "look at N messages (default: 10); 0 = at all"},
                                          {"json", NULL, "print an object for each: id, deliveries, properties, body (or body_base64)"},
                                          TOOL_BROKERS,
                                          TOOL_KEY,
                                          TOOL_TIMEOUT,
                                          {NULL, NULL, NULL}};

//  When it may go to others, by this machine's clock.
static void s_print_until (const char *text)
{
    time_t seconds = (time_t) (strtoll (text, NULL, 10) / 1000);
    char when[32];
    struct tm parts;
    strftime (when, sizeof when, "%H:%M:%S", localtime_r (&seconds, &parts));
    printf (" until %s", when);
}

//  The beginning of a body, of which a terminal takes nothing for a command.
static void s_print_body (const zb_message_t *message)
{
    const unsigned char *byte = (const unsigned char *) message->body;
    size_t shown = message->size < SHOWN ? message->size : SHOWN;
    for (size_t index = 0; index < shown; index++)
        putchar (byte[index] >= ' ' && byte[index] < 0x7F ? byte[index] : '.');
    if (shown < message->size)
        printf ("... (%zu bytes)", message->size);
}

static void s_print (const zb_message_t *message)
{
    char state[16] = "", by[256], until[24];
    zb_message_property (message, "zb-state", state, sizeof state);
    printf ("%s %s", message->id, state);
    bool ready = strcmp (state, "ready") == 0;
    if (strcmp (state, "leased") == 0 && zb_message_property (message, "zb-by", by, sizeof by))
        printf (" by %s", by);
    if (!ready && zb_message_property (message, "zb-until", until, sizeof until))
        s_print_until (until);
    printf (" x%u  ", message->deliveries);
    s_print_body (message);
    putchar ('\n');
}

//  Looks at `count` messages, 0 = all.  Returns an exit code.
static int s_peek (const tool_t *tool, zb_client_t *client, const char *from, int64_t count)
{
    output_t output = {tool, NULL, true, '\n'};
    char *position = from ? strdup (from) : NULL;
    int code = TOOL_OK;
    int64_t seen = 0;
    size_t size = 1;
    while (code == TOOL_OK && size && (count == 0 || seen < count)) {
        size_t max = count && count - seen < AT_ONCE ? (size_t) (count - seen) : AT_ONCE;
        zb_messages_t *messages = zb_client_peek (client, tool->arguments[0], position, max);
        if (!messages) {
            code = tool_client_fail (tool, client, tool->arguments[0]);
            break;
        }
        size = zb_messages_size (messages);
        seen += (int64_t) size;
        if (tool_option (tool, "json"))
            code = output_write (&output, messages);
        else
            for (size_t index = 0; index < size; index++)
                s_print (zb_messages_at (messages, index));
        if (size) {
            free (position);
            position = strdup (zb_messages_at (messages, size - 1)->id);
            assert (position);
        }
        zb_messages_destroy (&messages);
    }
    free (position);
    return code;
}

static int s_run (tool_t *tool)
{
    int64_t count = 10;
    if (tool->size != 1)
        return tool_misused (tool, tool->size ? "one queue at a time" : "which queue?");
    if (tool_number (tool, "count", 0, INT64_MAX, &count))
        return TOOL_USAGE;
    zb_client_t *client = tool_client (tool);
    if (!client)
        return TOOL_USAGE;
    int code = s_peek (tool, client, tool_option (tool, "from"), count);
    zb_client_destroy (&client);
    return code;
}

const tool_command_t tool_peek = {
    .name = "peek",
    .arguments = "QUEUE",
    .summary = "Show messages of a queue without taking them: id, who has it until when, body",
    .text = "\n"
            "Takes nothing, delays nobody, and counts as no delivery.  A line has the message's id, ready, leased,\n"
            "delayed, blocked or dying, by whom and until when, how often it was delivered, and the first 60 bytes of the body.\n",
    .options = s_options,
    .run = s_run,
};
