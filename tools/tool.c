/*  =========================================================================
    tool - what the commands of the program have in common

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <czmq.h>

#include "io/auth/keys.h"
#include "io/base/nearest.h"
#include "tool.h"

#define OPTIONS_MAX 32

static size_t s_options (const tool_command_t *command)
{
    size_t size = 0;
    while (command->options[size].name)
        size++;
    assert (size <= OPTIONS_MAX);
    return size;
}

void tool_help (const tool_command_t *command)
{
    size_t size = s_options (command);
    printf ("usage: zbroker %s%s%s%s\n\n%s.\n%s\noptions:\n", command->name, size ? " [options]" : "",
            *command->arguments ? " " : "", command->arguments, command->summary, command->text);
    for (size_t index = 0; index < size; index++) {
        const tool_option_t *option = &command->options[index];
        char left[64];
        snprintf (left, sizeof left, "%s%s%s%s", option->name[1] ? "--" : "-", option->name, option->value ? " " : "",
                  option->value ? option->value : "");
        printf ("  %-22s %s\n", left, option->text);
    }
    printf ("  %-22s %s\n", "--help", "print this");
}

static void s_print (const tool_t *self, const char *format, va_list arguments)
{
    fprintf (stderr, "zbroker %s: ", self->command->name);
    vfprintf (stderr, format, arguments);
    fputc ('\n', stderr);
}

int tool_fail (const tool_t *self, int code, const char *format, ...)
{
    va_list arguments;
    va_start (arguments, format);
    s_print (self, format, arguments);
    va_end (arguments);
    return code;
}

int tool_misused (const tool_t *self, const char *format, ...)
{
    va_list arguments;
    va_start (arguments, format);
    s_print (self, format, arguments);
    va_end (arguments);
    fprintf (stderr, "See 'zbroker %s --help'.\n", self->command->name);
    return TOOL_USAGE;
}

static int s_unknown (const tool_t *self, const char *word, size_t size)
{
    const char *known[OPTIONS_MAX + 1];
    size_t count = s_options (self->command);
    for (size_t index = 0; index < count; index++)
        known[index] = self->command->options[index].name;
    known[count++] = "help";
    char name[64];
    snprintf (name, sizeof name, "%.*s", (int) size, word);
    return tool_misused (self, "'--%s' is unknown; the nearest known option is '--%s'", name,
                         zb_nearest (name, known, count));
}

//  The number of the option of this name; that of the table's end if there is none.
static size_t s_which (const tool_t *self, const char *word, size_t size)
{
    const tool_option_t *options = self->command->options;
    size_t which = 0;
    while (options[which].name && (strncmp (options[which].name, word, size) != 0 || options[which].name[size]))
        which++;
    return which;
}

static void s_give (tool_t *self, size_t which, const char *value)
{
    self->values[which] = value;
    self->given[self->givens++] = (tool_given_t){&self->command->options[which], value};
}

//  Takes an option of one letter, at argv [*index], and moves *index to its last word.  Returns 0, or an exit code.
static int s_take_letter (tool_t *self, int argc, char *argv[], int *index)
{
    const char *word = argv[*index];
    size_t which = s_which (self, word + 1, 1);
    if (!self->command->options[which].name)
        return tool_misused (self, "'%s' is unknown; options begin with two dashes", word);
    if (!word[2] && *index + 1 == argc)
        return tool_misused (self, "%s needs a value: %s", word, self->command->options[which].value);
    s_give (self, which, word[2] ? word + 2 : argv[++*index]);
    return 0;
}

//  Takes one option, at argv [*index], and moves *index to its last word.  Returns 0, or an exit code.
static int s_take_option (tool_t *self, int argc, char *argv[], int *index)
{
    const char *word = argv[*index] + 2;
    size_t size = strcspn (word, "=");
    const tool_option_t *options = self->command->options;
    size_t which = s_which (self, word, size);
    if (!options[which].name || size == 1)
        return s_unknown (self, word, size);
    if (!options[which].value) {
        if (word[size])
            return tool_misused (self, "--%s takes no value", options[which].name);
        s_give (self, which, "");
        return 0;
    }
    if (word[size])
        s_give (self, which, word + size + 1);
    else if (*index + 1 < argc)
        s_give (self, which, argv[++*index]);
    else
        return tool_misused (self, "--%s needs a value: %s", options[which].name, options[which].value);
    return 0;
}

static int s_run (tool_t *self, int argc, char *argv[])
{
    bool options = true;
    for (int index = 0; index < argc; index++) {
        const char *word = argv[index];
        if (options && strcmp (word, "--") == 0)
            options = false;
        else if (options && (strcmp (word, "--help") == 0 || strcmp (word, "-h") == 0)) {
            tool_help (self->command);
            return TOOL_OK;
        }
        else if (options && strncmp (word, "--", 2) == 0) {
            int code = s_take_option (self, argc, argv, &index);
            if (code)
                return code;
        }
        else if (options && word[0] == '-' && word[1]) {
            int code = s_take_letter (self, argc, argv, &index);
            if (code)
                return code;
        }
        else
            self->arguments[self->size++] = word;
    }
    return self->command->run (self);
}

int tool_main (const tool_command_t *command, const char *program, int argc, char *argv[])
{
    const char *values[OPTIONS_MAX] = {NULL};
    tool_t self = {.command = command, .program = program, .values = values};
    self.arguments = (const char **) calloc ((size_t) argc + 1, sizeof *self.arguments);
    self.given = (tool_given_t *) calloc ((size_t) argc + 1, sizeof *self.given);
    assert (self.arguments && self.given);
    int code = s_run (&self, argc, argv);
    free (self.given);
    free (self.arguments);
    return code;
}

const char *tool_option (const tool_t *self, const char *name)
{
    for (size_t index = 0; self->command->options[index].name; index++)
        if (strcmp (self->command->options[index].name, name) == 0)
            return self->values[index];
    return NULL;
}

const char *tool_next (const tool_t *self, const char *name, size_t *cursor)
{
    while (*cursor < self->givens) {
        const tool_given_t *given = &self->given[(*cursor)++];
        if (strcmp (given->option->name, name) == 0)
            return given->value;
    }
    return NULL;
}

int tool_number (const tool_t *self, const char *name, int64_t least, int64_t most, int64_t *number)
{
    const char *value = tool_option (self, name);
    if (!value)
        return 0;
    char *end;
    errno = 0;
    long long read = strtoll (value, &end, 10);
    if (errno || end == value || *end || read < least || read > most) {
        tool_misused (self, "--%s '%s' is not a number from %lld to %lld", name, value, (long long) least,
                      (long long) most);
        return -1;
    }
    *number = read;
    return 0;
}

//  The brokers that a key's file names, "EP,EP", to be freed; NULL if there are none, or it can't be read.
static char *s_brokers_of (const char *key)
{
    zb_keyfile_t file;
    char *error = NULL, *brokers = NULL;
    if (zb_keys_read (&file, key, &error) == 0)
        for (size_t index = 0; index < file.brokers; index++) {
            char *more =
                zsys_sprintf ("%s%s%s", brokers ? brokers : "", brokers ? "," : "", file.broker[index].endpoint);
            free (brokers);
            brokers = more;
        }
    free (error);
    return brokers;
}

zb_client_t *tool_client (const tool_t *self)
{
    int64_t timeout = 30000;
    if (tool_number (self, "timeout", -1, INT64_MAX / 2, &timeout))
        return NULL;
    const char *brokers = tool_option (self, "brokers");
    if (brokers && !*brokers) {
        tool_misused (self, "--brokers is empty: name tcp://HOST:PORT[,tcp://HOST:PORT], or leave it out");
        return NULL;
    }
    const char *key = tool_option (self, "key");
    key = key ? key : getenv ("ZBROKER_KEY");
    char *named = key && *key && !brokers && !getenv ("ZBROKER") ? s_brokers_of (key) : NULL;
    zb_client_t *client = zb_client_new (named ? named : brokers);
    free (named);
    if (!client) {
        tool_misused (self, "the brokers are not of the form tcp://HOST:PORT[,tcp://HOST:PORT]");
        return NULL;
    }
    const char *name = tool_option (self, "name");
    if (key && *key && zb_client_set_key (client, key)) {
        tool_client_fail (self, client, "key");
        zb_client_destroy (&client);
        return NULL;
    }
    if (zb_client_set_timeout (client, timeout) || (name && zb_client_set_name (client, name))) {
        tool_client_fail (self, client, name ? name : "timeout");
        zb_client_destroy (&client);
    }
    return client;
}

int tool_code (int error)
{
    switch (error) {
    case ZB_ERR_NONE:
        return TOOL_OK;
    case ZB_ERR_ARGUMENT:
        return TOOL_USAGE;
    case ZB_ERR_TIMEOUT:
    case ZB_ERR_NOT_READY:
        return TOOL_NO_ANSWER;
    default:
        return TOOL_FAILED;
    }
}

int tool_client_fail (const tool_t *self, const zb_client_t *client, const char *what)
{
    return tool_fail (self, tool_code (zb_client_error (client)), "%s: %s", what, zb_client_error_text (client));
}

void tool_raise_files (void)
{
    struct rlimit limit;
    if (getrlimit (RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit (RLIMIT_NOFILE, &limit);
    }
}
