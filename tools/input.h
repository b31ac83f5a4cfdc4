/*  =========================================================================
    input - the messages that a command is given

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Words and files of the command line, or else standard input, whose messages end
    with a newline or a zero byte.  SIGTERM and SIGINT end it: what has come by then
    is still given, but not the beginning of a message whose end has not come.  One
    at a time: it has the process's signals while it lives.
*/

#ifndef ZB_INPUT_H_INCLUDED
#define ZB_INPUT_H_INCLUDED

#include "tool.h"

#define INPUT_MESSAGE_MAX (256 << 20) //  bytes of one message, so that memory has a bound

typedef enum {
    INPUT_MESSAGE,
    INPUT_PAUSE, //  none has come in time
    INPUT_END,
    INPUT_FAILED //  it can't be read, which was told
} input_event_t;

typedef struct input input_t;

//  Of the command's arguments from `first` on and its options --file; else of standard input, whose messages end as its
//  option --null says.
input_t *input_new (const tool_t *tool, size_t first);
void input_destroy (input_t **self_p);

//  The next message, valid until the next call.  Waits for it up to `wait` ms; -1 = until it comes.
input_event_t input_next (input_t *self, int wait, const char **data, size_t *size);

//  The signal that ends it; 0 if none came.
int input_signal (const input_t *self);

#endif
