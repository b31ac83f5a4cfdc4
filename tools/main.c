/*  =========================================================================
    main - the program `zbroker`

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io/base/nearest.h"
#include "commands.h"

static const tool_command_t *const s_commands[] = {
    &tool_serve,  &tool_put,     &tool_get,  &tool_queue, &tool_status,  &tool_check, &tool_switchover, &tool_promote,
    &tool_doctor, &tool_salvage, &tool_demo, &tool_bench, &tool_witness, &tool_adopt, &tool_upgrade, &tool_key, &tool_login,
    &tool_topic,  &tool_sub,     &tool_backup, &tool_verify, &tool_restore, &tool_dump, &tool_load,
    &tool_events, &tool_clients, &tool_peek, &tool_read, &tool_move, NULL};

static const char s_more[] = "\n"
                             "'zbroker help COMMAND' and 'zbroker COMMAND --help' tell more; so do zbroker(1) and "
                             "zbroker.conf(5).\n"
                             "'zbroker version' prints the version.\n"
                             "\n"
                             "exit codes:\n"
                             "  0  done\n"
                             "  1  refused, or not wholly done\n"
                             "  2  the command line, the configuration, a permission, or this version is wrong\n"
                             "  3  serve: an address or the store is in use by another process\n"
                             "  4  serve: the store failed; restart it, the other broker takes over\n"
                             "  5  serve: the store is damaged; the text says what to do\n"
                             "  6  no broker that serves was found in time\n"
                             "  7  serve: the lock on the shared store was lost; another broker may have it\n"
                             "  8  serve: no descriptor, memory or thread was left; raise the limit that the text names\n";

static void s_help (FILE *out)
{
    fputs ("usage: zbroker COMMAND [options] [arguments]\n"
           "\n"
           "A message broker of two machines: put a message, lose a machine, get the message.\n"
           "\n"
           "commands:\n",
           out);
    for (size_t index = 0; s_commands[index]; index++)
        fprintf (out, "  %-10s %s\n", s_commands[index]->name, s_commands[index]->summary);
    fputs (s_more, out);
}

static const tool_command_t *s_find (const char *name)
{
    for (size_t index = 0; s_commands[index]; index++)
        if (strcmp (s_commands[index]->name, name) == 0)
            return s_commands[index];

    const char *known[sizeof s_commands / sizeof *s_commands + 1];
    size_t size = 0;
    for (; s_commands[size]; size++)
        known[size] = s_commands[size]->name;
    known[size++] = "help";
    known[size++] = "version";
    const char *nearest = zb_nearest (name, known, size);
    if (zb_nearest_is_near (name, nearest))
        fprintf (stderr, "zbroker: '%s' is no command; the nearest one is '%s'.\nSee 'zbroker help'.\n", name, nearest);
    else
        fprintf (stderr, "zbroker: '%s' is no command.\nSee 'zbroker help'.\n", name);
    return NULL;
}

static int s_main (int argc, char *argv[])
{
    const char *word = argc > 1 ? argv[1] : "";
    if (!*word) {
        s_help (stderr);
        return TOOL_USAGE;
    }
    if (strcmp (word, "version") == 0 || strcmp (word, "--version") == 0) {
        puts ("zbroker " PACKAGE_VERSION);
        return TOOL_OK;
    }
    bool help = strcmp (word, "help") == 0 || strcmp (word, "--help") == 0 || strcmp (word, "-h") == 0;
    if (help && argc == 2) {
        s_help (stdout);
        return TOOL_OK;
    }
    if (help && argc == 3 && (strcmp (argv[2], "help") == 0 || strcmp (argv[2], "version") == 0)) {
        s_help (stdout);
        return TOOL_OK;
    }
    const tool_command_t *command = s_find (help ? argv[2] : word);
    if (!command)
        return TOOL_USAGE;
    if (help) {
        tool_help (command);
        return TOOL_OK;
    }
    return tool_main (command, argv[0], argc - 2, argv + 2);
}

int main (int argc, char *argv[])
{
    int code = s_main (argc, argv);
    //  What was printed is part of what was asked for.
    if ((fflush (stdout) || ferror (stdout)) && code == TOOL_OK) {
        fprintf (stderr, "zbroker: standard output: %s\n", strerror (errno));
        code = TOOL_FAILED;
    }
    //  What Berkeley DB has of a damaged table can't be given back: its process ends with it.
    if (code == ZB_EXIT_DAMAGED)
        _exit (code);
    return code;
}
