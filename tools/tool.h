/*  =========================================================================
    tool - what the commands of the program have in common

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A command is a constant: its words, its options, and a function.  Its help is
    printed from the same table that its options are read by.
*/

#ifndef ZB_TOOL_H_INCLUDED
#define ZB_TOOL_H_INCLUDED

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/base/config.h"
#include "io/base/exit_codes.h"
#include "zbroker.h"

//  Exit codes, beside those of a broker (io/base/exit_codes.h).
enum {
    TOOL_OK = ZB_EXIT_OK,
    TOOL_FAILED = 1, //  refused, or not wholly done; the text says what
    TOOL_USAGE = ZB_EXIT_USAGE,
    TOOL_NO_ANSWER = 6 //  no broker that serves was found in time; whether it was done is not known
};

typedef struct {
    const char *name;  //  without "--"; one letter: without "-"
    const char *value; //  what the help calls its value; NULL if it takes none
    const char *text;
} tool_option_t;

typedef struct tool tool_t;

typedef struct {
    const char *name;
    const char *arguments;        //  as the help shows them, without the options
    const char *summary;          //  one line
    const char *text;             //  more lines, each with its newline; "" if none
    const tool_option_t *options; //  ends with a NULL name
    int (*run) (tool_t *self);    //  returns an exit code
} tool_command_t;

//  An option as it was given.
typedef struct {
    const tool_option_t *option;
    const char *value;
} tool_given_t;

//  The command line of one command, read by its table.  Everything in it is borrowed from argv.
struct tool {
    const tool_command_t *command;
    const char *program;    //  argv [0]
    const char **arguments; //  what is no option
    size_t size;
    const char **values; //  one for each option: NULL = not given, "" = given and takes no value
    tool_given_t *given; //  each one, in the order of the line
    size_t givens;
};

//  Options of every command that talks to brokers.
#define TOOL_BROKERS                                                                              \
    {                                                                                             \
        "brokers", "EP[,EP]", "the brokers (default: $ZBROKER, else " ZBROKER_DEFAULT_BROKERS ")" \
    }
#define TOOL_KEY                                                                                              \
    {                                                                                                         \
        "key", "FILE", "whom the brokers take this for: what zbroker key new has written (default: $ZBROKER_KEY)" \
    }
#define TOOL_TIMEOUT                                                                       \
    {                                                                                      \
        "timeout", "MS", "how long to try until an active broker answers (default: 30000)" \
    }

//  Reads the command line behind the command's name and runs it; --help prints the help instead.  Returns an exit code.
int tool_main (const tool_command_t *command, const char *program, int argc, char *argv[]);
//  Prints the command's help to standard output.
void tool_help (const tool_command_t *command);

//  The value of an option: NULL = not given, "" = given and takes no value.
const char *tool_option (const tool_t *self, const char *name);
//  The next value of an option that may be given more than once; NULL after the last.  `cursor` begins at 0.
const char *tool_next (const tool_t *self, const char *name, size_t *cursor);
//  Reads an option's number into *number, which holds the default.  Returns 0; else prints what is wrong and returns -1.
int tool_number (const tool_t *self, const char *name, int64_t least, int64_t most, int64_t *number);
//  Prints one line to standard error behind the command's name.  Returns the exit code given.
int tool_fail (const tool_t *self, int code, const char *format, ...) __attribute__ ((format (printf, 3, 4)));
//  As tool_fail with TOOL_USAGE, and a hint at the help.
int tool_misused (const tool_t *self, const char *format, ...) __attribute__ ((format (printf, 2, 3)));

//  Raises the limit of open files to the most that the system allows this process: each connection is one.
void tool_raise_files (void);

//  Makes a client from --brokers and --timeout, with --name if the command has that option.  Returns NULL after it
//  has printed what is wrong with them.
zb_client_t *tool_client (const tool_t *self);
//  Prints why the client's last call failed.  Returns the exit code that tells.
int tool_client_fail (const tool_t *self, const zb_client_t *client, const char *what);
//  The exit code that tells of a ZB_ERR_* code.
int tool_code (int error);

#endif
