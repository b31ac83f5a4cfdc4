/*  =========================================================================
    client - the object behind zbroker.h

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    client.c turns the wheel: connection, window of PUTs, and at most one other
    request, the call.  put.c, get.c and admin.c are the public functions on top.
*/

#ifndef ZB_CLIENT_H_INCLUDED
#define ZB_CLIENT_H_INCLUDED

#include <czmq.h>

#include "client/conn.h"
#include "client/messages.h"
#include "client/window.h"
#include "core/rights/keyfile.h"
#include "zbroker.h"

#define ZB_CALL_ARGS 5

//  The one request that is not a PUT.
typedef struct {
    bool active;
    bool sent;
    bool resent; //  to a second connection: the first may have done it
    bool done;
    bool interrupted; //  a signal has ended the waiting
    zb_verb_t verb;
    char id[24];
    zmq_msg_t arg[ZB_CALL_ARGS];
    size_t args;
    int64_t sent_at;
    int64_t until; //  GET: when the broker may stop to wait for messages
    int64_t wait;  //  GET: the same in ms, as it was sent
} zb_call_t;

struct zb_client {
    zb_conn_t *conn;
    zb_window_t *window;
    zb_call_t call;
    int64_t timeout;
    int64_t patience;
    size_t limit;        //  of the window
    uint64_t serial;     //  of calls
    uint64_t generation; //  of the connection that the last HELLO was answered on
    bool named;
    bool in_callback;
    int flush_error; //  the first failure of a PUT since the last flush
    char flush_text[256];
    int error;
    char error_text[512];
    zb_level_t level;
    char *status;
    zb_keyfile_t *key; //  NULL: none
};

//  Remembers why a call fails; returns -1.
int zb_client_fail (zb_client_t *self, int error, const char *format, ...) CHECK_PRINTF (3);
//  The broker's own words.
int zb_client_fail_frame (zb_client_t *self, int error, zb_frame_t text);
//  The same for time that ran out: what was asked, and what each broker said.
int zb_client_fail_late (zb_client_t *self, zb_verb_t verb);

//  Checks what every public function checks; returns 0 or -1.
int zb_client_may_wait (zb_client_t *self);
int zb_client_check_queue (zb_client_t *self, const char *queue);

//  When a call that begins now has to end.
int64_t zb_client_deadline (const zb_client_t *self, int64_t wait);

//  Turns the wheel once: sends what can be sent, waits until something happens or `until` comes, lets callbacks run.
//  Returns what happened; after ZB_CONN_REJECTED nothing will ever be sent again, and the error is set.
zb_conn_event_t zb_client_turn (zb_client_t *self, int64_t until);

//  Sends a request and waits for its answer, ERR included, which then is zb_conn_answer.  `wait`: ms that the broker
//  may wait before it answers a GET, whose third argument is set from it.  Returns -1 if there is none.
int zb_client_call (zb_client_t *self, zb_verb_t verb, const zb_frame_t *args, size_t count, int64_t wait,
                    int64_t deadline);
//  Both, for requests that are answered OK, with a level or without.
int zb_client_ask (zb_client_t *self, zb_verb_t verb, const zb_frame_t *args, size_t count);
//  Sends without waiting what can be sent.
void zb_client_send (zb_client_t *self);
//  An operator's request to this broker, outside of any session: sent once, answered within `wait` ms.  With accept_loss
//  there may be a proof for the witness, else it is NULL.  Returns the text
//  of its OK, valid until the next zb_client_status; or NULL and the error: ZB_ERR_TIMEOUT, or what the broker says.
const char *zb_client_operate (zb_client_t *self, size_t index, zb_verb_t verb, const char *proof, bool accept_loss,
                               const char *witness_proof, int64_t wait);
//  Uses this key, which is copied, as zb_client_set_key does.
int zb_client_use_key (zb_client_t *self, const zb_keyfile_t *key);
//  Sets the keys of a socket to this endpoint; the context is the client.
void zb_client_tune (void *context, void *socket, const char *endpoint);
//  Sends a BACKUP of a broker's store into a folder of its machine, "" to end the one that is being made; `rate` is bytes a
//  second as text.  Returns the backup's number as text; else NULL.
const char *zb_client_backup (zb_client_t *self, size_t index, const char *proof, const char *folder, const char *rate,
                              int64_t wait);
//  Tells who may do what, or makes this change; as zb_client_operate.
const char *zb_client_key (zb_client_t *self, size_t index, const char *proof, const char *change, int64_t wait);
//  Sets the error from an ERR and returns -1; returns 0 for OK and MSG.
int zb_client_answer (zb_client_t *self);

#endif
