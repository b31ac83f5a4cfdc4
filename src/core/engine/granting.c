/*  =========================================================================
    granting - what the engine does with KEY

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A change holds here as soon as it is made, and is answered when its commit is
    released.  So whoever is revoked is refused at once, and whoever was told that one is
    known finds it known by whichever broker leads.
*/

#include <stdlib.h>

#include "core/engine/engine_self.h"

#define DISMISSED "this principal has lost a right: say HELLO again"

static void s_tell (zb_engine_t *self, const zb_task_t *task)
{
    size_t size;
    char *text = zb_rights_encode (self->rights, &size);
    zb_frame_t frame = {text, size};
    zb_reply_t *reply = zb_reply_new (&task->request.from, ZB_REPLY_TEXTS, &frame, 1);
    free (text);
    zb_engine_give (self, &reply, self->rights_commit);
}

void zb_engine_write_rights (zb_engine_t *self)
{
    size_t size;
    char *row = zb_rights_encode (self->rights, &size);
    zb_commit_meta (self->fill, ZB_META_RIGHTS, row, size);
    self->fill->bytes += size;
    self->waiting += size;
    self->rights_commit = self->fill->number;
    free (row);
}

//  The newest commit that is on every disk that may lead from.
static uint64_t s_safe (const zb_engine_t *self)
{
    bool one = self->durable == ZB_DURABLE_SHARED || self->durable == ZB_DURABLE_SINGLE;
    return !one && self->there < self->here ? self->there : self->here;
}

zb_load_t *zb_engine_key (zb_engine_t *self, zb_task_t *task)
{
    const zb_request_t *request = &task->request;
    char text[ZB_LEVEL_TEXT], why[ZB_RIGHTS_WHY];
    const char *lacks = zb_level_lacks (self->store_level, zb_rights_level (request->options), text);
    if (!self->rights || lacks) {
        zb_engine_refuse (self, &request->from, ZB_NOT_READY, lacks ? lacks : "principals are not kept here", ZB_NOW);
        return NULL;
    }
    if (request->options.size == 0) {
        s_tell (self, task);
        return NULL;
    }
    zb_stamp_t stamp = {self->fill->epoch, self->fill->number, self->node};
    const char *wrong = zb_rights_change (self->rights, request->options, &stamp, s_safe (self), why);
    if (wrong) {
        zb_engine_refuse (self, &request->from, ZB_BAD_REQUEST, wrong, ZB_NOW);
        return NULL;
    }
    zb_engine_write_rights (self);
    zb_reply_t *reply = zb_reply_new (&request->from, ZB_REPLY_DURABLE, NULL, 0);
    reply->claims = true;
    zb_engine_give (self, &reply, self->rights_commit);
    return NULL;
}

void zb_engine_expel (zb_engine_t *self, zb_frame_t routing, int64_t now)
{
    self->now = now;
    zb_entry_t *entry = self->leads && !self->fault ? zb_map_find (&self->sessions, routing) : NULL;
    if (entry)
        zb_engine_forget_session (self, ZB_ITEM (entry, zb_session_t, entry));
}

void zb_engine_dismiss (zb_engine_t *self, zb_frame_t routing, int64_t now)
{
    zb_entry_t *entry = self->leads && !self->fault ? zb_map_find (&self->sessions, routing) : NULL;
    if (!entry)
        return;
    zb_session_t *session = ZB_ITEM (entry, zb_session_t, entry);
    zb_engine_refuse_gets (self, session, ZB_NO_HELLO, DISMISSED);
    ZB_RING_EACH (link, after, &session->tasks)
    {
        zb_task_t *task = ZB_ITEM (link, zb_task_t, ring);
        //  What was begun comes to its end, if it does without its connection.
        if (task->begun && zb_protocol (task->request.verb)->outlives)
            continue;
        bool open = task->begun || task->request.verb == ZB_HELLO;
        zb_engine_refuse (self, &task->request.from, open ? ZB_NOT_READY : ZB_NO_HELLO, DISMISSED, ZB_NOW);
        zb_ring_remove (&task->ring);
        self->waiting -= task->bytes;
        zb_task_destroy (&task);
    }
    if (zb_ring_empty (&session->tasks) && session->load) {
        zb_engine_waited (self, session);
        zb_ring_remove (&session->waits);
    }
    //  Others would wait for what it has pinned.
    if (zb_ring_empty (&session->tasks))
        zb_engine_unpin (self, session);
    zb_engine_gone (self, routing, now);
}
