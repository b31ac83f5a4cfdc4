/*  =========================================================================
    witness - zbroker witness: a third machine's vote

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>

#include "io/base/config_file.h"
#include "io/base/config_open.h"
#include "io/base/config_set.h"
#include "io/base/endpoint.h"
#include "io/store/moment.h"
#include "io/pair/witness.h"
#include "commands.h"

#define DEFAULT_BIND "tcp://127.0.0.1:5580"
#define DEFAULT_FOLDER "zbroker-witness"

static const tool_option_t s_options[] = {
    {"bind", "EP", "listen here: tcp://HOST:PORT, or tcp://*:PORT (default: where the first file says)"},
    {"store", "DIR", "the folder of its records (default: " DEFAULT_FOLDER ")"},
    {"log-format", "lines|json", "what a line of the log looks like (default: where the first file says, or lines)"},
    {NULL, NULL, NULL}};

//  Reads the files of the pairs.  Returns 0, or -1 and *error.
static int s_load (const tool_t *self, zb_config_t **pair, size_t count, char **error)
{
    for (size_t index = 0; index < count; index++)
        if (index < self->size && zb_config_load (pair[index], self->arguments[index], error))
            return -1;
    for (size_t one = 0; one < count; one++)
        for (size_t other = one + 1; other < count; other++)
            if (streq (pair[one]->pair, pair[other]->pair)) {
                *error = zsys_sprintf ("%s and %s are both of the pair '%s': give each pair a name (pair/name)",
                                       self->arguments[one], self->arguments[other], pair[one]->pair);
                return -1;
            }
    return 0;
}

//  zbroker witness reset NAME...
static int s_reset (tool_t *self)
{
    const char *folder = tool_option (self, "store");
    if (self->size < 2)
        return tool_misused (self, "reset takes the name of a pair");
    zb_log_open ("zbroker/witness", ZB_LOG_INFO);
    int code = TOOL_OK;
    for (size_t index = 1; code == TOOL_OK && index < self->size; index++)
        code = zb_witness_reset (folder ? folder : DEFAULT_FOLDER, self->arguments[index]);
    return code;
}

//  Runs until it is told to end.  Returns an exit code.
static int s_serve (const tool_t *self, zb_config_t *const *pair, size_t count, const char *bind)
{
    const char *folder = tool_option (self, "store");
    char *unkeyed = zb_config_unkeyed_witness (pair[0], bind), *lacks = NULL;
    int code = TOOL_USAGE;
    if (unkeyed)
        tool_fail (self, TOOL_USAGE, "%s", unkeyed);
    else {
        zb_moment_watch ();
        zb_log_as (pair[0]->log_form);
        if (zb_log_open ("zbroker/witness", pair[0]->log_level))
            code = tool_fail (self, TOOL_FAILED, "no thread for the log: %s", strerror (errno));
        else if ((lacks = zb_moment_lacks ()) != NULL)
            code = tool_fail (self, ZB_EXIT_MOMENT, "%s", lacks);
        else
            code = zb_witness_run (bind, folder ? folder : DEFAULT_FOLDER, (const zb_config_t *const *) pair, count);
        zb_log_close ();
    }
    free (lacks);
    free (unkeyed);
    return code;
}

static int s_witness (tool_t *self)
{
    if (self->size && streq (self->arguments[0], "reset"))
        return s_reset (self);
    size_t count = self->size ? self->size : 1;
    zb_config_t **pair = (zb_config_t **) zmalloc (count * sizeof *pair);
    for (size_t index = 0; index < count; index++)
        pair[index] = zb_config_new ();
    char *error = NULL;
    int code = TOOL_USAGE;
    const char *given = tool_option (self, "bind"), *form = tool_option (self, "log-format");
    if ((given && zb_config_set (pair[0], "single/bind", given, &error)) || s_load (self, pair, count, &error) ||
        (form && zb_config_set (pair[0], "log/format", form, &error)))
        tool_misused (self, "%s", error);
    else {
        char *bind = given              ? strdup (given)
                     : pair[0]->witness ? zb_endpoint_bind_for (pair[0]->witness)
                                        : strdup (DEFAULT_BIND);
        code = s_serve (self, pair, count, bind);
        free (bind);
    }
    free (error);
    for (size_t index = 0; index < count; index++)
        zb_config_destroy (&pair[index]);
    free (pair);
    return code;
}

const tool_command_t tool_witness = {
    .name = "witness",
    .arguments = "[CONFIG...] | reset PAIR...",
    .summary = "Run a witness on a third machine until SIGTERM or SIGINT",
    .text = "\n"
            "Each CONFIG is the file of a pair, of which name, secret, pair/witness and keys are read; without\n"
            "one it serves the pair 'zbroker'.  Its own key, or insecure, is the first one's to say: without, it\n"
            "listens on loopback alone.  Of each pair it lets at most one broker go on without the\n"
            "other.  It holds no messages.  Prints READY when it listens; the log goes to standard error.\n"
            "\n"
            "'reset' makes it forget the record of a pair, by the pair's name: when another pair has the name\n"
            "now, or the record can't be true.  Stop the witness first, and do it while both brokers of the\n"
            "pair are in sync: they make themselves known again.\n",
    .options = s_options,
    .run = s_witness,
};
