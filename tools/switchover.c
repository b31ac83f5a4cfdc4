/*  =========================================================================
    switchover - zbroker switchover: the passive broker becomes the active one

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>

#include "commands.h"
#include "operate.h"

static const tool_option_t s_options[] = {OPERATE_CONFIG, TOOL_BROKERS, TOOL_KEY, OPERATE_TIMEOUT, {NULL, NULL, NULL}};

//  The one broker that is active; the number of brokers if there is none, or more than one.
static size_t s_active (const operate_t *self)
{
    size_t active = self->brokers.size;
    for (size_t index = 0; index < self->brokers.size; index++) {
        if (!streq (brokers_text (self->brokers.status[index], "role"), "active"))
            continue;
        if (active < self->brokers.size)
            return self->brokers.size;
        active = index;
    }
    return active;
}

static int s_switch (tool_t *tool, operate_t *pair)
{
    size_t from = s_active (pair);
    if (from == pair->brokers.size)
        return tool_fail (tool, TOOL_NO_ANSWER, "not one broker is active; see 'zbroker status'");
    const char *to = operate_ask (pair, from, ZB_SWITCHOVER, false);
    if (!to)
        return operate_fail (pair, tool, from);
    size_t index = 0;
    while (index < pair->brokers.size && !streq (pair->brokers.endpoint[index], to))
        index++;
    if (index == pair->brokers.size) {
        printf ("%s leads; it is not one of the brokers that were named\n", to);
        return TOOL_OK;
    }
    if (!operate_wait_active (pair, index))
        return tool_fail (tool, TOOL_NO_ANSWER, "%s leads, but does not answer clients yet; see 'zbroker status'",
                          pair->brokers.endpoint[index]);
    if (!operate_wait_in_step (pair, index))
        return tool_fail (tool, TOOL_FAILED, "%s leads, but the pair is not in sync yet; see 'zbroker status'",
                          pair->brokers.endpoint[index]);
    printf ("%s leads, OK means %s; %s follows\n", pair->brokers.endpoint[index],
            brokers_text (pair->brokers.status[index], "level"), pair->brokers.endpoint[from]);
    return TOOL_OK;
}

static int s_run (tool_t *tool)
{
    if (tool->size)
        return tool_misused (tool, "'%s': switchover takes no arguments", tool->arguments[0]);
    operate_t pair;
    int code = operate_open (&pair, tool, NULL, NULL);
    if (code == TOOL_OK)
        code = s_switch (tool, &pair);
    operate_close (&pair);
    return code;
}

const tool_command_t tool_switchover = {
    .name = "switchover",
    .arguments = "",
    .summary = "Have the passive broker become the active one, without an error at any client",
    .text = "\n"
            "The active broker finishes what it has taken, hands the role over, and sends its clients to\n"
            "the other one.  Nothing is answered by one broker alone.  Refused unless the other broker is\n"
            "in sync; given up if that takes longer than the pair's ack-limit.  Takes the pair's name and\n"
            "secret from the config file, as an operator's proof.\n",
    .options = s_options,
    .run = s_run,
};
