/*  =========================================================================
    message - libzmq's zmq_msg_t, in plain memory

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#ifndef SIM_MESSAGE_H_INCLUDED
#define SIM_MESSAGE_H_INCLUDED

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zmq.h>

#define MACHINE_MAX 10

typedef struct {
    unsigned refs;
    size_t size;
    uint8_t *data;
    zmq_free_fn *ffn;
    void *hint;
} buffer_t;

//  What is inside a zmq_msg_t.
typedef struct {
    buffer_t *buffer; //  NULL: no bytes
    bool more;
    uint8_t machine; //  where it came from; 0: this process
    int descriptor;  //  that it came over; 0: none
} message_t;

//  `data` may be NULL; one reference, the caller's.
buffer_t *buffer_new (const void *data, size_t size);
void buffer_unref (buffer_t *self);
message_t *message_of (zmq_msg_t *msg);

#endif
