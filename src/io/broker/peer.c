/*  =========================================================================
    peer - what the peer and the witness say, and what they are told

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Nothing is decided here: the role is told what is heard, and says what is sent.
*/

#include <czmq.h>

#include "io/broker/broker_self.h"

//  Between two looks at what the links are like, ms.
#define LINKS_EVERY 50

//  An epoch that is out of reach is not believed: somebody has lost his mind, or is not who he says he is.
static void s_beyond (zb_broker_t *self, const char *who, uint64_t epoch, uint64_t *count)
{
    ++*count;
    zb_log_rated (&self->noise, self->now, ZB_LOG_WARNING,
                  "%s names epoch %" PRIu64 ", which can't be: the newest here is %" PRIu64 ". It is not believed", who,
                  epoch, zb_lineage_newest (&self->role.lineage).number);
}

//  Of a broker of this pair.
static void s_hear_time (zb_broker_t *self, const zb_beat_t *beat)
{
    zb_beat_t own;
    zb_role_tell (&self->role, &own);
    if (beat->node != own.node && zb_beat_same_ids (&own, beat))
        zb_engine_peer_time (self->engine, beat->time, beat->wall, zclock_time ());
}

void zb_broker_peer (zb_broker_t *self)
{
    if (!self->ha)
        return;
    zb_beat_t beat;
    int64_t echoed;
    uint64_t answered;
    zb_ha_kind_t kind;
    while ((kind = zb_ha_recv (self->ha, &beat, &echoed, &answered)) != ZB_HA_NOTHING) {
        if (kind == ZB_HA_BEAT) {
            if (!zb_role_beat (&self->role, &beat, echoed, self->now))
                s_beyond (self, "the peer's heartbeat", zb_lineage_newest (&beat.tail).number,
                          &self->status.beats_beyond);
            if (self->role.beyond)
                zb_broker_die (ZB_EXIT_USAGE, self->role.misfit);
            s_hear_time (self, &beat);
        }
        else
            zb_role_dead (&self->role, self->now);
        zb_broker_carry_out (self);
        //  It follows, and has heard what was asked: all that it will answer is still to come.
        if (kind == ZB_HA_BEAT && beat.state == BSTAR_PASSIVE && zb_engine_leads (self->engine))
            zb_engine_answered (self->engine, answered, self->now);
    }
}

void zb_broker_look_at_links (zb_broker_t *self)
{
    if (!self->links || self->now - self->looked_ms < LINKS_EVERY)
        return;
    self->looked_ms = self->now;
    const zb_role_t *role = &self->role;
    int64_t limit = zb_patience_limit (&role->patience);
    if (limit != self->limit)
        zb_log (ZB_LOG_DEBUG, "the other broker may be silent for %" PRId64 " ms", limit);
    self->limit = limit;
    zb_beat_t own;
    zb_role_tell (role, &own);
    if (role->heard && !role->dead && *role->misfit)
        zb_links_refused (self->links, ZB_WAY_STATE_IN, role->misfit);
    else if (role->heard && !role->dead && !zb_beat_same_pair (&own, &role->peer))
        zb_links_refused (
            self->links, ZB_WAY_STATE_IN,
            "the other broker's store is that of another pair: look whether each has the right folder; the one "
            "that is to be copied anew is moved away");
    else if (role->heard && !role->dead && role->heard_ms > self->heard_ms) {
        self->heard_ms = role->heard_ms;
        zb_links_passed (self->links, ZB_WAY_STATE_IN, role->heard_ms);
    }
    if (role->echoed_ms > self->echoed_ms) {
        self->echoed_ms = role->echoed_ms;
        zb_links_passed (self->links, ZB_WAY_STATE_OUT, role->echoed_ms);
    }
    if (self->claimant && zb_claimant_verdict (self->claimant) != WITNESS_GRANTED)
        zb_links_refused (self->links, ZB_WAY_WITNESS, zb_claimant_why (self->claimant));
    else if (self->claimant && zb_claimant_heard (self->claimant))
        zb_links_passed (self->links, ZB_WAY_WITNESS, zb_claimant_heard (self->claimant));
    zb_links_look (self->links, self->now);
}

void zb_broker_hear_witness (zb_broker_t *self)
{
    zb_ruling_t ruling;
    while (self->claimant && zb_claimant_recv (self->claimant, &ruling, self->now))
        if (!zb_role_ruled (&self->role, ruling.verdict, &ruling.record))
            s_beyond (self, "the witness", ruling.record.epoch, &self->status.rulings_beyond);
}

void zb_broker_tell_witness (zb_broker_t *self)
{
    witness_event_t event;
    uint64_t epoch;
    if (!self->claimant)
        return;
    if (self->role.formed)
        zb_claimant_name (self->claimant, self->role.pair);
    if (zb_role_wish (&self->role, &event, &epoch))
        zb_claimant_say (self->claimant, event, epoch, self->now);
    else
        zb_claimant_look (self->claimant, self->now);
}
