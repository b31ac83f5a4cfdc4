/*  =========================================================================
    replies - replies of the engine, from what makes them to what they may say

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A reply waits for the commit that makes it true, on that commit's ring.  What depends on
    nothing, or on what is released, goes out at once.  Under the rule HOLD nothing goes out,
    and a reply that claims what the peer has not acked in this session of the link waits as well:
    these wait on the ring `withheld`.
*/

#include <assert.h>

#include "core/engine/engine_self.h"

void zb_engine_token (zb_engine_t *self)
{
    self->token_size = 0;
    if (self->leads && self->released_epoch) {
        zb_token_t token = {self->released_epoch, self->node, self->released, self->durable == ZB_DURABLE_SOLO};
        self->token_size = zb_token_format (&token, self->secret, self->token);
    }
}

//  The peer has not said yet, in this session of the link, that it has all that was released: it may have lost its disk
//  since it said so last.
static bool s_unacked (const zb_engine_t *self)
{
    return self->rule == ZB_RELEASE_BOTH && self->released > self->there;
}

//  What an OK says.  What is not acked is safe here alone, which may be said while `alone` is on the disk.
static zb_durable_t s_durable (const zb_engine_t *self)
{
    return s_unacked (self) && self->keep == ZB_KEEP_WRITE ? ZB_DURABLE_SOLO : self->durable;
}

//  Whether nothing that is true can be said now: the peer acks it soon, or this broker goes alone.
static bool s_must_wait (const zb_engine_t *self, const zb_reply_t *reply)
{
    return reply->claims && s_unacked (self) && self->keep != ZB_KEEP_WRITE;
}

bool zb_engine_may (const zb_engine_t *self, uint64_t commit)
{
    return self->rule != ZB_RELEASE_HOLD && self->released >= self->gate && self->released >= commit;
}

bool zb_engine_refuted (const zb_engine_t *self, const zb_reply_t *reply)
{
    return reply->foreign && self->keep == ZB_KEEP_WRITE;
}

void zb_engine_give_now (zb_engine_t *self, zb_reply_t **reply_p)
{
    zb_reply_t *reply = *reply_p;
    *reply_p = NULL;
    if (reply->producer)
        reply->producer->inflight--;
    reply->producer = NULL;
    if (zb_engine_refuted (self, reply)) {
        zb_reply_turn (&reply, ZB_REPLY_ERROR, ZB_NOT_READY, ZB_MERGING);
        self->stats.refused++;
    }
    zb_reply_finish (reply, s_durable (self), (zb_frame_t){self->token, self->token_size});
    //  What PEEK shows is delivered to nobody.
    size_t delivered = reply->kind == ZB_REPLY_MESSAGES ? reply->bodies : 0;
    self->stats.messages_out += delivered;
    for (size_t index = 0; index < delivered; index++)
        self->stats.redelivered += reply->body[index].deliveries > 1;
    self->outgoing += reply->large;
    zb_ring_append (&self->out, &reply->ring);
}

void zb_engine_give (zb_engine_t *self, zb_reply_t **reply_p, uint64_t commit)
{
    zb_reply_t *reply = *reply_p;
    if (zb_engine_may (self, commit) && !s_must_wait (self, reply)) {
        zb_engine_give_now (self, reply_p);
        return;
    }
    *reply_p = NULL;
    self->waits++;
    self->waiting += reply->bytes;
    bool held = self->released >= self->gate && self->released >= commit;
    zb_ring_append (held ? &self->withheld : &zb_engine_commit (self, commit)->replies, &reply->ring);
}

//  Takes the reply off the ring of those that wait.
static void s_waits_no_more (zb_engine_t *self, zb_reply_t *reply)
{
    zb_ring_remove (&reply->ring);
    self->waits--;
    self->waiting -= reply->bytes;
}

//  The next one of a ring; NULL if there is none.
static zb_reply_t *s_next_waiting (zb_engine_t *self, zb_ring_t *ring)
{
    zb_ring_t *link = zb_ring_pop (ring);
    if (!link)
        return NULL;
    zb_reply_t *reply = ZB_ITEM (link, zb_reply_t, ring);
    s_waits_no_more (self, reply);
    return reply;
}

void zb_engine_give_all (zb_engine_t *self, zb_ring_t *ring)
{
    for (zb_reply_t *reply = s_next_waiting (self, ring); reply; reply = s_next_waiting (self, ring))
        zb_engine_give_now (self, &reply);
}

void zb_engine_give_withheld (zb_engine_t *self)
{
    bool acked = !s_unacked (self) || self->keep == ZB_KEEP_WRITE;
    if (!zb_ring_empty (&self->withheld) && acked && zb_engine_may (self, 0))
        zb_engine_give_all (self, &self->withheld);
}

static void s_withhold (zb_engine_t *self, zb_ring_t *ring, const char *why)
{
    ZB_RING_EACH (link, after, ring)
    {
        zb_reply_t *reply = ZB_ITEM (link, zb_reply_t, ring);
        if (reply->kind != ZB_REPLY_WELCOME)
            continue;
        s_waits_no_more (self, reply);
        zb_reply_turn (&reply, ZB_REPLY_ERROR, ZB_NOT_READY, why);
        self->stats.refused++;
        zb_engine_give_now (self, &reply);
    }
}

void zb_engine_withhold (zb_engine_t *self, const char *why)
{
    assert (self->leads);
    s_withhold (self, &self->withheld, why);
    ZB_RING_EACH (link, after, &self->commits)
    s_withhold (self, &ZB_ITEM (link, zb_commit_t, ring)->replies, why);
    s_withhold (self, &self->fill->replies, why);
}

void zb_engine_turn_replies (zb_engine_t *self, zb_ring_t *ring, const char *active)
{
    for (zb_reply_t *reply = s_next_waiting (self, ring); reply; reply = s_next_waiting (self, ring)) {
        zb_reply_turn (&reply, ZB_REPLY_PASSIVE, 0, active);
        zb_engine_give_now (self, &reply);
    }
}

zb_reply_t *zb_engine_reply (zb_engine_t *self)
{
    if (zb_ring_empty (&self->out) && self->congested) {
        self->congested = false;
        zb_engine_serve_all (self);
    }
    zb_ring_t *link = zb_ring_pop (&self->out);
    if (!link)
        return NULL;
    zb_reply_t *reply = ZB_ITEM (link, zb_reply_t, ring);
    self->outgoing -= reply->large;
    return reply;
}
