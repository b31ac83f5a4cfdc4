/*  =========================================================================
    clients - zbroker clients: who is there, what he has and waits for

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "brokers.h"
#include "commands.h"

static const tool_option_t s_options[] = {{"json", NULL, "as a JSON array"},
                                          BROKERS_WAIT,
                                          TOOL_BROKERS, TOOL_KEY,
                                          {NULL, NULL, NULL}};

//  Adds those of one broker.  Returns an exit code; that it does not answer is said.
static int s_ask (const tool_t *tool, const brokers_t *brokers, size_t index, int64_t wait, json_t *clients)
{
    char after[24] = "";
    do {
        const char *text =
            zb_client_clients (brokers->client, index, tool->size ? tool->arguments[0] : NULL, after, wait);
        if (!text) {
            int error = zb_client_error (brokers->client);
            return tool_fail (tool, error == ZB_ERR_TIMEOUT ? TOOL_NO_ANSWER : TOOL_FAILED, "%s: %s",
                              brokers->endpoint[index], zb_client_error_text (brokers->client));
        }
        json_t *page = json_loads (text, 0, NULL), *client;
        size_t place;
        json_array_foreach (json_object_get (page, "clients"), place, client)
        {
            json_object_set_new (client, "broker", json_string (brokers->endpoint[index]));
            json_array_append (clients, client);
        }
        long long next = brokers_number (page, "next");
        *after = 0;
        if (next > 0)
            snprintf (after, sizeof after, "%lld", next);
        json_decref (page);
    } while (*after);
    return TOOL_OK;
}

static const char *s_or_dash (json_t *client, const char *name)
{
    const char *text = brokers_text (client, name);
    return *text ? text : "-";
}

static void s_print (json_t *client)
{
    printf ("#%lld %s", brokers_number (client, "client"), s_or_dash (client, "name"));
    printf ("  principal=%s  address=%s", s_or_dash (client, "principal"), s_or_dash (client, "address"));
    printf ("  since=%llds  silent=%llds", brokers_number (client, "since_ms") / 1000,
            brokers_number (client, "silent_ms") / 1000);
    printf ("  gets=%lld  leased=%lld  puts=%lld%s\n", brokers_number (client, "gets"), brokers_number (client, "leased"),
            brokers_number (client, "puts"), brokers_true (client, "gone") ? "  gone" : "");
}

static int s_run (tool_t *tool)
{
    int64_t wait = 1000;
    if (tool->size > 1)
        return tool_misused (tool, "one pattern at most");
    if (tool_number (tool, "wait", 1, 600000, &wait))
        return TOOL_USAGE;
    brokers_t brokers;
    int code = brokers_open (&brokers, tool);
    json_t *clients = json_array ();
    size_t silent = 0, asked = code == TOOL_OK ? brokers.size : 0;
    for (size_t index = 0; index < asked; index++) {
        int answer = s_ask (tool, &brokers, index, wait, clients);
        silent += answer == TOOL_NO_ANSWER;
        code = answer == TOOL_OK ? code : TOOL_FAILED;
    }
    if (asked && silent == asked)
        code = TOOL_NO_ANSWER;
    if (tool_option (tool, "json") && asked) {
        json_dumpf (clients, stdout, JSON_INDENT (2));
        putchar ('\n');
    }
    size_t index;
    json_t *client;
    json_array_foreach (clients, index, client)
    if (!tool_option (tool, "json"))
        s_print (client);
    json_decref (clients);
    brokers_close (&brokers);
    return code;
}

const tool_command_t tool_clients = {
    .name = "clients",
    .arguments = "[PATTERN]",
    .summary = "Show who is there: name, principal, address, GETs that wait, leased messages, PUTs in flight",
    .text = "\n"
            "Sessions of the broker that serves, in the order in which they began, whose names fit the pattern.\n"
            "Ends with 1 if a broker does not answer, with 6 if none does.\n",
    .options = s_options,
    .run = s_run,
};
