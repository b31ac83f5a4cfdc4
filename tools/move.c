/*  =========================================================================
    move - zbroker move: messages from one queue to another

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <inttypes.h>
#include <stdio.h>

#include "commands.h"

static const tool_option_t s_options[] = {{"count", "N", "move N messages at most (default: 0, all that are there)"},
                                          TOOL_BROKERS,
                                          TOOL_KEY,
                                          TOOL_TIMEOUT,
                                          {NULL, NULL, NULL}};

static int s_run (tool_t *tool)
{
    if (tool->size != 2)
        return tool_misused (tool, "from which queue, and to which?");
    int64_t count = 0;
    if (tool_number (tool, "count", 0, INT64_MAX, &count))
        return TOOL_USAGE;
    zb_client_t *client = tool_client (tool);
    if (!client)
        return TOOL_USAGE;
    uint64_t moved = 0;
    int rc = zb_client_move (client, tool->arguments[0], tool->arguments[1], (uint64_t) count, &moved);
    if (moved || rc == 0)
        printf ("%" PRIu64 " moved\n", moved);
    int code = rc ? tool_client_fail (tool, client, tool->arguments[0]) : TOOL_OK;
    zb_client_destroy (&client);
    return code;
}

const tool_command_t tool_move = {
    .name = "move",
    .arguments = "FROM TO",
    .summary = "Move messages to another queue: dead letters back, or anywhere",
    .text = "\n"
            "The oldest first, of those that are there when it begins; what a consumer has stays.  Each message\n"
            "is in exactly one of the two queues, whatever dies meanwhile.  FROM may be a subscription.\n",
    .options = s_options,
    .run = s_run,
};
