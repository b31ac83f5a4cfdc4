/*  =========================================================================
    promote - zbroker promote: a broker that waits leads, on the operator's word

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>

#include "commands.h"
#include "operate.h"

#define READING_TRIES 20 //  the broker may have to read its store first
#define READING_PAUSE 100

static const tool_option_t s_options[] = {
    {"accept-loss", NULL, "yes: what the other broker has answered OK and this one lacks may be lost"},
    OPERATE_CONFIG,
    TOOL_BROKERS, TOOL_KEY,
    OPERATE_TIMEOUT,
    {NULL, NULL, NULL}};

//  Which broker is meant: the one that is named, else the only one that answers.  Returns an exit code.
static int s_choose (const tool_t *tool, const operate_t *pair, size_t *chosen)
{
    *chosen = pair->brokers.size;
    for (size_t index = 0; index < pair->brokers.size; index++) {
        bool meant = tool->size ? streq (tool->arguments[0], pair->brokers.endpoint[index])
                                : pair->brokers.status[index] != NULL;
        if (meant && *chosen < pair->brokers.size)
            return tool_misused (tool, "both brokers answer: name the one that shall lead, %s or %s",
                                 pair->brokers.endpoint[*chosen], pair->brokers.endpoint[index]);
        if (meant)
            *chosen = index;
    }
    if (*chosen == pair->brokers.size && tool->size)
        return tool_misused (tool, "'%s' is not one of the brokers", tool->arguments[0]);
    if (*chosen == pair->brokers.size || !pair->brokers.status[*chosen])
        return tool_fail (tool, TOOL_NO_ANSWER, "no broker answers");
    return TOOL_OK;
}

//  There is nothing to promote, and nothing to lose, where a broker answers clients.  Returns an exit code.
static int s_needed (const tool_t *tool, const operate_t *pair)
{
    for (size_t index = 0; index < pair->brokers.size; index++)
        if (operate_is_active (pair, index))
            return tool_fail (tool, TOOL_FAILED,
                              "it is not needed: %s is active and answers clients.  To change the roles, 'zbroker "
                              "switchover'",
                              pair->brokers.endpoint[index]);
    return TOOL_OK;
}

static int s_promote (const tool_t *tool, operate_t *pair, size_t index)
{
    const char *text = NULL;
    for (int tries = 0; !text && tries < READING_TRIES; tries++) {
        text = operate_ask (pair, index, ZB_PROMOTE, true);
        if (text || zb_client_error (pair->brokers.client) != ZB_ERR_NOT_READY)
            break;
        zclock_sleep (READING_PAUSE);
        //  One that was active already goes on as soon as the witness has heard the word.
        if (operate_look (pair, index) && operate_is_active (pair, index))
            text = "this broker goes on without the other one; what that one has answered OK meanwhile is not here";
    }
    if (!text)
        return operate_fail (pair, tool, index);
    printf ("%s: %s\n", pair->brokers.endpoint[index], text);
    if (!operate_wait_active (pair, index))
        return tool_fail (tool, TOOL_NO_ANSWER, "it does not answer clients yet; see 'zbroker status'");
    printf ("OK means %s\n", brokers_text (pair->brokers.status[index], "level"));
    return TOOL_OK;
}

static int s_run (tool_t *tool)
{
    if (tool->size > 1)
        return tool_misused (tool, "'%s': promote takes one endpoint", tool->arguments[1]);
    operate_t pair;
    size_t index;
    int code = operate_open (&pair, tool, NULL, NULL);
    if (code == TOOL_OK)
        code = s_needed (tool, &pair);
    if (code == TOOL_OK)
        code = s_choose (tool, &pair, &index);
    if (code == TOOL_OK && !tool_option (tool, "accept-loss"))
        code = tool_fail (
            tool, TOOL_FAILED,
            "%s holds everything up to commit %lld of epoch %lld; it says: %s.  What the other broker has "
            "answered OK since then may be lost.  If that is accepted, say --accept-loss",
            pair.brokers.endpoint[index], brokers_number (pair.brokers.status[index], "commit"),
            brokers_number (pair.brokers.status[index], "epoch"), brokers_text (pair.brokers.status[index], "why"));
    else if (code == TOOL_OK)
        code = s_promote (tool, &pair, index);
    operate_close (&pair);
    return code;
}

const tool_command_t tool_promote = {
    .name = "promote",
    .arguments = "[EP]",
    .summary = "Have a broker that waits for its peer lead without it, and accept what that loses",
    .text = "\n"
            "A broker waits when it can't know whether the other one has answered OK what it lacks: after\n"
            "both were down, or when it was not in sync.  If the other one is lost for good, or known to hold\n"
            "nothing newer, this is the operator's word for it.  Refused where it is not needed: there is an\n"
            "active broker, or this one leads by itself as soon as a client asks.  A client that remembers\n"
            "what is lost is told 503 until it is started anew.  Takes the pair's name and secret from the\n"
            "config file, as an operator's proof.\n",
    .options = s_options,
    .run = s_run,
};
