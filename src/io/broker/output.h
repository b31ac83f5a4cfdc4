/*  =========================================================================
    output - bytes of replies that wait for each client

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    libzmq bounds a pipe in messages, not in bytes, and refuses what is beyond: a
    reply would be lost.  So the pipes of replies have no bound, and this accounts
    for what is in them.  Whoever sends looks here first, so that a client that does
    not read is refused further work, and its memory stays within limits.output.

    What libzmq still holds it does not tell; but it frees a message when the bytes
    went to the system.  So the last frame of a reply now and then is a *mark*: its
    memory is ours, and when it is freed, all that was sent before it has left, too,
    since a pipe is in order.  A reply is marked if no mark is on its way, or if
    OUTPUT_STEP bytes were sent since the last one.  What a client has not read is
    therefore known to within OUTPUT_STEP bytes, and never too low.

    Accounts are found by routing id.  All functions belong to one thread, but for
    zb_output_freed.
*/

#ifndef ZB_OUTPUT_H_INCLUDED
#define ZB_OUTPUT_H_INCLUDED

#include "core/wire/wire.h"

#define ZB_OUTPUT_STEP 16384

typedef struct zb_output zb_output_t;
//  Of a client.  Valid until the next call of zb_output_account.
typedef struct zb_account zb_account_t;

zb_output_t *zb_output_new (void);
//  Marks may still be on their way.
void zb_output_destroy (zb_output_t **self_p);

//  Replies that belong together: those that were ready when the first of them is sent.
void zb_output_round (zb_output_t *self);
//  The account of the client with this routing id; a new one if there is none.
zb_account_t *zb_output_account (zb_output_t *self, zb_frame_t routing);
//  The routing id that it was made for.
zb_frame_t zb_account_routing (const zb_account_t *account);
//  The connection is to be closed.  Returns true once; when nothing waits any more, the account is as before.
bool zb_account_cut (zb_account_t *account);
//  Bytes that wait for the client.  At most ZB_OUTPUT_STEP of them may have left already.
size_t zb_output_waits (zb_output_t *self, zb_account_t *account);
//  Bytes that wait for all clients: what has left since an account was last looked at is still in it.
size_t zb_output_total (const zb_output_t *self);
//  Looks at some accounts, others each time.
void zb_output_look (zb_output_t *self);
//  Looks at all accounts, so that the total is true.  Returns the one for which most waits, NULL if there is none.
zb_account_t *zb_output_most (zb_output_t *self);

//  A reply could not be sent to the client, for want of room.  From here to the end of the round zb_output_passed says so:
//  no later message may go to it before that one.  And zb_output_full, until nothing waits for it: what would be made
//  for it meanwhile might be in vain, too.
void zb_output_pass (zb_output_t *self, zb_account_t *account);
bool zb_output_passed (const zb_output_t *self, const zb_account_t *account);
bool zb_output_full (zb_output_t *self, zb_account_t *account);

//  A reply of so many bytes goes to the client; returns whether its last frame is to be a mark.
bool zb_output_add (zb_output_t *self, zb_account_t *account, size_t bytes);
//  Memory for a mark with these bytes in it.  It is given to zmq_msg_init_data with zb_output_freed, and stands for all
//  that was added so far.
void *zb_output_mark (zb_account_t *account, zb_frame_t frame, void **hint);
//  A zmq_free_fn.  Any thread may call it, also after the end of the output.
void zb_output_freed (void *data, void *hint);

#endif
