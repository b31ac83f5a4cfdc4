/*  =========================================================================
    plain - a client that does what the protocol asks for, one request at a time

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#ifndef SIM_PLAIN_H_INCLUDED
#define SIM_PLAIN_H_INCLUDED

#include <string.h>
#include <zmq.h>

#include "history.h"
#include "ledger.h"

#define PATIENCE 1200 //  ms
#define FRAMES 64

typedef struct {
    int index; //  as a producer, or a consumer
    const char *name;
    int64_t until;
    //  A plain client's.
    int broker;
    void *socket;
    char token[160], old[160], instance[24];
    uint64_t number, serial;
    zmq_msg_t frame[FRAMES];
    int frames;
} client_t;

//  A frame to be sent.
typedef struct {
    const void *data;
    size_t size;
} frame_t;

#define TEXT(text)          \
    {                       \
        text, strlen (text) \
    }

//  Starts one as a process; fn gets the client.
void plain_start (const char *process, const char *name, int index, fiber_fn *fn, int64_t until);
void plain_nap (int64_t least, int64_t most);
//  Connects and says HELLO until a broker serves.
void plain_greet (client_t *self);
//  Sends the frames "ZB1" verb id ..., waits for its reply.  True: OK or MSG.
bool plain_ask (client_t *self, const frame_t *frame, size_t frames, int64_t patience);
//  Asks until it is OK.  A body is that of a PUT with this number; *twice once it was sent again, so that it may be stored
//  by both brokers.
void plain_do (client_t *self, const char *verb, const char *name, const char *argument, const char *body, int number,
               bool *twice);
//  A frame of the newest reply, as text.
const char *plain_text (client_t *self, int index);
//  Hangs up; the other broker is next.
void plain_leave (client_t *self);

#endif
