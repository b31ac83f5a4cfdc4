/*  =========================================================================
    rig - an engine on a fake store, spoken to in lines

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A request is its frames with '|' between them, without "ZB1": "PUT|1|q||body".  A
    reply comes back in the same form, without the token: "OK|1|both|1|1".  Message ids
    are written as EPOCH:COUNT both ways, and instances of producers as EPOCH.COUNT, so
    that a test can be read.
*/

#ifndef RIG_H_INCLUDED
#define RIG_H_INCLUDED

#include "core/engine/engine.h"
#include "fake_store.h"

typedef struct {
    char *text; //  "CLIENT> STATUS|id|..."
    char *token;
    zb_reply_t *reply;
    zb_frame_t *frame;  //  what goes over the wire,
    zb_answer_t answer; //  and what a client reads of it
} rig_reply_t;

typedef struct {
    zb_limits_t limits;
    zb_engine_t *engine;
    fake_store_t *store;
    int64_t now;
    uint64_t epoch;
    zb_spans_t ids;      //  of the newest request
    bool sync_here;      //  batches are durable here as soon as they are executed,
    bool sync_there;     //  and by the peer
    bool stuck;          //  reads don't come back
    zb_read_t *read[64]; //  that are stuck
    size_t reads;
    size_t read_count; //  reads ever made
    size_t batches;    //  batches ever made
    size_t most_ops;   //  of one batch
    rig_reply_t *replies;
    size_t count;
    size_t room;
    size_t next; //  of those that rig_expect has not seen
} rig_t;

//  A leading engine in epoch 1 on an empty store, rule BOTH, everything synced at once.  limits NULL: the defaults.
rig_t *rig_new (const zb_limits_t *limits);
void rig_destroy (rig_t **self_p);
//  The same, whose client "c" has said HELLO without a name and made the queue q.
rig_t *rig_ready (const zb_limits_t *limits);
//  A client's request; the engine's turn follows.
void rig_say (rig_t *self, const char *client, const char *line);
//  Several requests of a client without a turn between them: lines end with '\n' at the end of the string, too.
void rig_push (rig_t *self, const char *client, const char *line);
//  A PUT of `count` bodies of `size` bytes.
void rig_put (rig_t *self, const char *client, const char *id, const char *queue, size_t count, size_t size);
//  Takes the replies that are there.
void rig_collect (rig_t *self);
//  Turns until nothing moves any more.
void rig_run (rig_t *self);
//  Time passes.
void rig_wait (rig_t *self, int64_t ms);
//  What is durable here, and there: everything.
void rig_sync (rig_t *self, bool here, bool there);
//  The rule, and what an OK says under it.
void rig_rule (rig_t *self, zb_release_t rule);
//  Another broker leads with what the peer has, or this one after a restart with what it had synced.
void rig_takeover (rig_t *self);
void rig_restart (rig_t *self);
//  Another broker leads, whose limits differ.
void rig_takeover_with (rig_t *self, const zb_limits_t *limits);
//  The client hangs up.
void rig_gone (rig_t *self, const char *client);
//  The next reply is this text ("CLIENT> OK|..."), or there is none (NULL).  '*' at its end stands for anything.
#define rig_expect(self, text) rig_expect_ (self, text, __FILE__, __LINE__)
void rig_expect_ (rig_t *self, const char *text, const char *file, int line);
zb_engine_stats_t rig_stats (const rig_t *self);
//  The newest reply.
const rig_reply_t *rig_last (rig_t *self);
//  Encodes a reply, and reads it as a client does.
void rig_read (rig_reply_t *kept);
//  Forgets the replies that were not looked at.
void rig_skip (rig_t *self);

#endif
