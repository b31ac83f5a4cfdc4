/*  =========================================================================
    output - where and how a command writes the messages that it has taken

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================
*/

#ifndef ZB_OUTPUT_H_INCLUDED
#define ZB_OUTPUT_H_INCLUDED

#include "tool.h"

//  The options that output_open reads.
#define OUTPUT_OPTIONS                                                                                                 \
    {"null", NULL, "end each body with a zero byte, not a newline"},                                                   \
        {"json", NULL, "print an object for each: id, deliveries, properties, body (or body_base64)"},                 \
    {                                                                                                                  \
        "file-per-message", "DIR", "write each body to a file of its own, DIR/ID, and print its name"                  \
    }

typedef struct {
    const tool_t *tool;
    const char *folder; //  NULL = standard output
    bool json;
    char mark;
} output_t;

//  Returns 0; else prints what is wrong and returns an exit code.
int output_open (output_t *self, const tool_t *tool);

//  Writes the messages, so that they may be acknowledged: files are synced, with their folder.  A message that comes
//  again takes the place of its file.  Returns 0; else prints what is wrong and returns an exit code.
int output_write (output_t *self, const zb_messages_t *messages);

#endif
