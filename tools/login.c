/*  =========================================================================
    login - zbroker login: a line for the file of who may change something over HTTP

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "commands.h"

#define PASSWORD_LEAST 8
#define PASSWORD_MOST 200
#define NAME_MOST 64 //  as src/io/http/logins.h

//  Reads a line without showing it.  Returns false at the end of the input.
static bool s_read (char *password, size_t size)
{
    struct termios before;
    bool terminal = tcgetattr (STDIN_FILENO, &before) == 0;
    if (terminal) {
        struct termios hidden = before;
        hidden.c_lflag &= ~(tcflag_t) ECHO;
        fputs ("password: ", stderr);
        tcsetattr (STDIN_FILENO, TCSAFLUSH, &hidden);
    }
    bool read = fgets (password, (int) size, stdin) != NULL;
    if (terminal) {
        tcsetattr (STDIN_FILENO, TCSAFLUSH, &before);
        fputs ("\n", stderr);
    }
    password[read ? strcspn (password, "\n") : 0] = 0;
    return read;
}

static int s_login (tool_t *self)
{
    if (self->size < 1 || self->size > 2)
        return tool_misused (self, "login takes a name, and perhaps the file of a key");
    const char *name = self->arguments[0], *key = self->size == 2 ? self->arguments[1] : NULL;
    if (!*name || strlen (name) > NAME_MOST || strpbrk (name, " \t\n#") || (key && strpbrk (key, " \t\n")))
        return tool_misused (self, "'%s': a name has 1 to %d bytes without spaces and #, a file's name no spaces", name,
                             NAME_MOST);
    if (key && *key != '/')
        return tool_misused (self, "'%s': the key's file is named by its whole path, for the broker has another folder",
                             key);
    char password[PASSWORD_MOST + 2], hash[crypto_pwhash_STRBYTES];
    if (sodium_init () == -1 || !s_read (password, sizeof password) || strlen (password) < PASSWORD_LEAST ||
        strlen (password) > PASSWORD_MOST)
        return tool_fail (self, TOOL_USAGE, "a password has %d to %d bytes, on standard input", PASSWORD_LEAST,
                          PASSWORD_MOST);
    int rc = crypto_pwhash_str (hash, password, strlen (password), crypto_pwhash_OPSLIMIT_INTERACTIVE,
                                crypto_pwhash_MEMLIMIT_INTERACTIVE);
    sodium_memzero (password, sizeof password);
    if (rc)
        return tool_fail (self, TOOL_FAILED, "not enough memory to hash a password: it takes 64 MiB");
    printf ("%s %s%s%s\n", name, hash, key ? " " : "", key ? key : "");
    return TOOL_OK;
}

static const tool_option_t s_options[] = {{NULL, NULL, NULL}};

const tool_command_t tool_login = {
    .name = "login",
    .arguments = "NAME [KEYFILE]",
    .summary = "Print a line for the file of logins that http/login in zbroker.conf(5) names",
    .text = "\n"
            "Reads a password from standard input.  With keys on the login needs the file of a principal's key, whose\n"
            "rights it has.\n",
    .options = s_options,
    .run = s_login,
};
