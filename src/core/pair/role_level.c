/*  =========================================================================
    role_level - the level of the store, and how it rises

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Before a store is of a level, the file `node` of each node that may hold it names that
    level, so that no program that reads less opens it again, whatever breaks meanwhile:

      active                                  passive
      the operator's word: its file names N
      heartbeat: noted N  ------------------> its file names N
                          <------------------ heartbeat: noted N
      in sync: N in the next commit --------> the commit is applied

    Whoever follows notes what it hears before it follows, and what is new in N is written
    behind that commit, or in it.
*/

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/pair/role_self.h"

void zb_role_noted (zb_role_t *self, unsigned level)
{
    if (self->level.noted != level)
        zb_role_do (self, ZB_DO_BEAT);
    self->level.noted = level;
    if (self->noting < level)
        self->noting = level;
}

void zb_role_note (zb_role_t *self, unsigned level)
{
    bool opened = self->phase > ZB_PHASE_RISING || (self->phase == ZB_PHASE_RISING && !self->leads);
    if (level <= self->noting || (self->shared && !opened))
        return;
    self->noting = level;
    zb_role_save_node (self);
}

static void s_set (zb_role_t *self, unsigned level)
{
    self->level.store = level;
    snprintf (self->level.needs, sizeof self->level.needs, "%s", zb_level_version (level));
}

void zb_role_form_level (zb_role_t *self)
{
    if (!self->level.store)
        s_set (self, self->formed ? ZB_LEVEL_LEAST : zb_level_common (&self->level, &self->peer.level));
    zb_role_note (self, self->level.store);
}

bool zb_role_compare_levels (zb_role_t *self, const zb_beat_t *own)
{
    const zb_level_t *peer = &self->peer.level;
    *self->misfit = 0;
    self->beyond = false;
    if (!zb_beat_same_ids (own, &self->peer))
        return true;
    bool leads = self->bstar.state == BSTAR_ACTIVE;
    if (!zb_level_fits (&own->level, peer)) {
        zb_level_misfit (&own->level, peer, self->misfit);
        self->beyond = !leads && !zb_level_reads (&own->level, peer->store);
        return false;
    }
    zb_role_note (self, peer->store);
    if (zb_level_reads (&own->level, peer->noted))
        zb_role_note (self, peer->noted);
    //  After a split the loser's may be higher, and what it sends may be of that level.
    if (leads && peer->store > self->level.store && peer->store > self->target)
        self->target = peer->store;
    //  What has come over the link is looked at.
    if (self->bstar.state == BSTAR_PASSIVE && self->in_step && peer->store > self->level.store && !self->reading) {
        zb_role_do (self, ZB_DO_READ);
        self->reading = self->glance = true;
    }
    return true;
}

//  Both are here, the passive one has all, and both go on without a pause.
static bool s_in_sync (const zb_role_t *self)
{
    if (!self->paired)
        return self->phase == ZB_PHASE_SINGLE;
    return self->phase == (self->shared ? ZB_PHASE_SINGLE : ZB_PHASE_PAIRED) && self->heard && !self->dead &&
           self->peer.in_step;
}

void zb_role_rise (zb_role_t *self)
{
    bool serves = self->phase >= ZB_PHASE_SINGLE && self->phase != ZB_PHASE_DRAINING;
    bool theirs = self->heard && self->peer.level.store >= self->target;
    if (!theirs && !s_in_sync (self))
        self->target = 0;
    bool noted = self->level.noted >= self->target;
    bool ready = !self->paired || self->shared || theirs || self->peer.level.noted >= self->target;
    if (!self->target || !serves || !noted || !ready)
        return;
    s_set (self, self->target);
    self->target = 0;
    self->risen = self->closed + 1;
    zb_role_do (self, ZB_DO_LEVEL);
    zb_role_do (self, ZB_DO_BEAT);
}

const char *zb_role_lacks (const zb_role_t *self, int64_t now, char text[ZB_LEVEL_TEXT])
{
    const zb_level_t *peer = &self->peer.level;
    const char *lacks = NULL;
    if (!self->opened)
        lacks = "the store is being opened";
    else if (self->bstar.state != BSTAR_ACTIVE)
        lacks = "this broker is not active: the active one raises the level";
    else if (self->paired && (!self->heard || zb_role_peer_gone (self, now)))
        lacks = "the other broker is not heard";
    else if (*self->misfit)
        lacks = self->misfit;
    else if (self->paired && peer->most <= self->level.store && peer->most < self->level.most)
        snprintf (text, ZB_LEVEL_TEXT, "the other broker is zbroker %s, which reads levels up to %u: update it first",
                  peer->version, peer->most);
    else if (!s_in_sync (self))
        lacks = self->paired ? "the two brokers are not in sync" : "the store is not being served yet";
    else
        return NULL;
    if (lacks)
        snprintf (text, ZB_LEVEL_TEXT, "%s", lacks);
    return text;
}

const char *zb_role_raise (zb_role_t *self, int64_t now, char text[ZB_LEVEL_TEXT])
{
    if (zb_role_lacks (self, now, text))
        return text;
    unsigned target = zb_level_common (&self->level, &self->peer.level);
    if (target > self->level.store) {
        self->target = target;
        zb_role_note (self, target);
        zb_role_rise (self);
    }
    return NULL;
}

bool zb_role_risen (const zb_role_t *self)
{
    bool both = !self->paired || self->shared || self->there >= self->risen;
    return self->bstar.state == BSTAR_ACTIVE &&
           self->level.store == zb_level_common (&self->level, &self->peer.level) && self->here >= self->risen && both;
}
