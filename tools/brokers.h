/*  =========================================================================
    brokers - what each broker says of itself (STATUS)

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#ifndef ZB_BROKERS_H_INCLUDED
#define ZB_BROKERS_H_INCLUDED

#include <jansson.h>

#include "tool.h"

#define BROKERS_MAX 8

typedef struct {
    zb_client_t *client;
    size_t size;
    const char *endpoint[BROKERS_MAX];
    json_t *status[BROKERS_MAX]; //  NULL: no answer
} brokers_t;

//  The option that says how long each may take.
#define BROKERS_WAIT                                                           \
    {                                                                          \
        "wait", "MS", "how long to wait for each broker's answer (default: 1000)" \
    }

//  Takes the client, NULL: there is none, which was said.  Returns an exit code; it has printed what else is wrong.
int brokers_take (brokers_t *self, const tool_t *tool, zb_client_t *client);
//  The same with a client from the command's options (tool_client).
int brokers_open (brokers_t *self, const tool_t *tool);
//  Asks each as long as BROKERS_WAIT says, also once more.  Returns an exit code as above; that nobody answers is none.
int brokers_ask (brokers_t *self, const tool_t *tool);
//  Asks one for so many ms; whether it answers.  What is no JSON is no status.
bool brokers_look (brokers_t *self, size_t index, int64_t wait);
void brokers_close (brokers_t *self);

//  How many answered; the first one that is active, NULL if none is.
size_t brokers_answers (const brokers_t *self);
json_t *brokers_active (const brokers_t *self);

//  A member of a broker's status at a path of names with dots: NULL, "", 0 or false if there is none.
json_t *brokers_member (json_t *status, const char *path);
const char *brokers_text (json_t *status, const char *path);
long long brokers_number (json_t *status, const char *path);
bool brokers_true (json_t *status, const char *path);
bool brokers_is_active (json_t *status);

#endif
