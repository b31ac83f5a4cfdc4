/*  =========================================================================
    upgrade - zbroker upgrade: the level of the store, and what is missing to raise it

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>

#include "commands.h"
#include "operate.h"

static const tool_option_t s_options[] = {
    {"finish", NULL, "raise the level; older versions than it takes can't be brought back then"},
    {"json", NULL, "print an object"},
    OPERATE_CONFIG,
    TOOL_BROKERS, TOOL_KEY,
    OPERATE_TIMEOUT,
    {NULL, NULL, NULL}};

//  What the active broker says.
typedef struct {
    size_t active;       //  the number of brokers if there is none
    int store, may_rise; //  levels; 0 = none
    const char *needs;   //  the version that the store takes
    char missing[400];   //  why it can't be raised now; "" if it can, or is at the highest
} upgrade_t;

static const json_t *s_levels (const operate_t *pair, size_t index)
{
    return json_object_get (pair->brokers.status[index], "levels");
}

static int s_read (const operate_t *pair, size_t index, size_t which)
{
    return (int) json_integer_value (json_array_get (json_object_get (s_levels (pair, index), "reads"), which));
}

static void s_look (upgrade_t *self, const operate_t *pair)
{
    *self = (upgrade_t){.active = pair->brokers.size, .needs = "?"};
    for (size_t index = 0; index < pair->brokers.size && self->active == pair->brokers.size; index++)
        if (streq (brokers_text (pair->brokers.status[index], "role"), "active"))
            self->active = index;
    if (self->active == pair->brokers.size) {
        snprintf (self->missing, sizeof self->missing, "no broker is active; see 'zbroker status'");
        return;
    }
    const json_t *levels = s_levels (pair, self->active);
    const char *needs = json_string_value (json_object_get (levels, "needs"));
    const char *missing = json_string_value (json_object_get (levels, "missing"));
    self->store = (int) json_integer_value (json_object_get (levels, "store"));
    self->may_rise = (int) json_integer_value (json_object_get (levels, "may_rise_to"));
    self->needs = needs ? needs : "?";
    if (!levels)
        missing = "the active broker is of zbroker 0.1, which knows no levels";
    snprintf (self->missing, sizeof self->missing, "%s", missing ? missing : "");
}

static void s_print (const upgrade_t *self, const operate_t *pair)
{
    if (self->store)
        printf ("The store is of level %d: it takes zbroker %s or later\n", self->store, self->needs);
    for (size_t index = 0; index < pair->brokers.size; index++)
        if (!pair->brokers.status[index])
            printf ("%s does not answer\n", pair->brokers.endpoint[index]);
        else
            printf ("%s is zbroker %s, %s, and reads levels %d to %d\n", pair->brokers.endpoint[index],
                    brokers_text (pair->brokers.status[index], "version"),
                    brokers_text (pair->brokers.status[index], "role"), s_read (pair, index, 0),
                    s_read (pair, index, 1));
    if (*self->missing)
        printf ("It can't be raised now: %s\n", self->missing);
    else if (self->may_rise)
        printf ("It can be raised to level %d: zbroker upgrade --finish\n", self->may_rise);
    else
        printf ("That is the highest level that %s reads\n", pair->brokers.endpoint[self->active]);
}

static json_t *s_level (int level)
{
    return level ? json_integer (level) : json_null ();
}

static void s_print_json (const upgrade_t *self, const operate_t *pair)
{
    json_t *object = json_object (), *brokers = json_array ();
    for (size_t index = 0; index < pair->brokers.size; index++) {
        bool answers = pair->brokers.status[index] && s_levels (pair, index);
        json_t *reads = answers ? json_pack ("[i,i]", s_read (pair, index, 0), s_read (pair, index, 1)) : json_null ();
        json_t *broker = json_pack ("{s:s,s:s,s:s,s:o}", "endpoint", pair->brokers.endpoint[index], "version",
                                    brokers_text (pair->brokers.status[index], "version"), "role",
                                    brokers_text (pair->brokers.status[index], "role"), "reads", reads);
        json_array_append_new (brokers, broker);
    }
    json_object_set_new (object, "store_level", s_level (self->store));
    json_object_set_new (object, "needs", self->store ? json_string (self->needs) : json_null ());
    json_object_set_new (object, "may_rise_to", s_level (self->may_rise));
    json_object_set_new (object, "missing", *self->missing ? json_string (self->missing) : json_null ());
    json_object_set_new (object, "brokers", brokers);
    char *text = json_dumps (object, JSON_INDENT (2) | JSON_PRESERVE_ORDER);
    puts (text);
    free (text);
    json_decref (object);
}

//  Has the active broker raise the level, if that is to be done.  Returns an exit code.
static int s_finish (const tool_t *tool, operate_t *pair, upgrade_t *self)
{
    if (*self->missing)
        return tool_fail (tool, self->active == pair->brokers.size ? TOOL_NO_ANSWER : TOOL_FAILED, "%s", self->missing);
    if (!self->may_rise)
        return TOOL_OK;
    if (!operate_ask (pair, self->active, ZB_UPGRADE, false))
        return operate_fail (pair, tool, self->active);
    for (size_t index = 0; index < pair->brokers.size; index++)
        operate_look (pair, index);
    s_look (self, pair);
    return TOOL_OK;
}

static int s_run (tool_t *tool)
{
    if (tool->size)
        return tool_misused (tool, "'%s': upgrade takes no arguments", tool->arguments[0]);
    operate_t pair;
    upgrade_t upgrade;
    int code = operate_open (&pair, tool, NULL, NULL);
    if (code == TOOL_OK) {
        s_look (&upgrade, &pair);
        bool finish = tool_option (tool, "finish") != NULL;
        code = finish ? s_finish (tool, &pair, &upgrade) : TOOL_OK;
        if (code == TOOL_OK && tool_option (tool, "json"))
            s_print_json (&upgrade, &pair);
        else if (code == TOOL_OK)
            s_print (&upgrade, &pair);
        if (code == TOOL_OK && *upgrade.missing && !finish)
            code = upgrade.active == pair.brokers.size ? TOOL_NO_ANSWER : TOOL_FAILED;
    }
    operate_close (&pair);
    return code;
}

const tool_command_t tool_upgrade = {
    .name = "upgrade",
    .arguments = "",
    .summary = "Tell the level of the store and what is missing to raise it; raise it",
    .text = "\n"
            "A pair is updated one machine after the other.  What is new in the later version can be used once\n"
            "both have it and --finish has raised the level of the store; until then the earlier version can\n"
            "be brought back.  Refused unless both brokers read the higher level and are in sync.  Takes the\n"
            "pair's name and secret from the config file, as an operator's proof.  Exit code 1: something is\n"
            "missing; the text says what.\n",
    .options = s_options,
    .run = s_run,
};
