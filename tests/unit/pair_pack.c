/*  =========================================================================
    pair_pack - the model of a pair as bytes, and back

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Two states whose bytes are equal behave alike from then on: that is what a walk
    knows a state by.
*/

#include "pair_model.h"

#include <assert.h>
#include <string.h>

#include "core/base/bytes.h"
#include "role_pack.h"

typedef struct {
    uint8_t *data;
    const uint8_t *from;
    size_t at;
    int64_t now;
} pack_t;

//  Ages in steps, clipped; 255 for never.
#define OLDEST 4
#define NEVER 255
#define LIVES 15
#define STILL 50 //  ms: a part of each time that is none of whole steps

static void s_put (pack_t *pack, uint64_t byte)
{
    assert (byte < 256);
    pack->data[pack->at++] = (uint8_t) byte;
}

static uint8_t s_get (pack_t *pack)
{
    return pack->from[pack->at++];
}

static void s_put_time (pack_t *pack, int64_t time)
{
    int64_t age = (pack->now - time) / MODEL_STEP;
    s_put (pack, time == 0 ? NEVER : age > OLDEST ? OLDEST : (uint64_t) age);
}

static int64_t s_get_time (pack_t *pack)
{
    uint8_t age = s_get (pack);
    return age == NEVER ? 0 : pack->now - age * MODEL_STEP;
}

static void s_put_lineage (pack_t *pack, const zb_lineage_t *lineage)
{
    s_put (pack, lineage->size);
    for (size_t i = 0; i < lineage->size; i++) {
        s_put (pack, lineage->epoch[i].number << 1 | (lineage->epoch[i].node - 1));
        s_put (pack, lineage->epoch[i].first);
        s_put (pack, lineage->epoch[i].run << 1 | lineage->epoch[i].heir);
    }
}

static void s_get_lineage (pack_t *pack, zb_lineage_t *lineage)
{
    lineage->size = s_get (pack);
    for (size_t i = 0; i < lineage->size; i++) {
        uint8_t byte = s_get (pack);
        lineage->epoch[i] = (zb_epoch_t){.number = byte >> 1, .first = s_get (pack), .node = (byte & 1) + 1u};
        byte = s_get (pack);
        lineage->epoch[i].run = byte >> 1;
        lineage->epoch[i].heir = byte & 1;
    }
}

//  The limits of silence that there are in this model; the last one stands for those of others.
static const int64_t s_limits[] = {0, 3 * MODEL_HEARTBEAT, MODEL_SILENCE, -1};

static uint64_t s_limit (int64_t limit)
{
    uint64_t at = 0;
    while (at < 3 && s_limits[at] != limit)
        at++;
    return at;
}

static void s_put_beat (pack_t *pack, const zb_beat_t *beat)
{
    s_put (pack, beat->node | (uint64_t) beat->state << 2 | (uint64_t) beat->serving << 5 |
                     (uint64_t) (beat->pair[0] != 0) << 6);
    s_put (pack, beat->settled | (uint64_t) beat->fresh << 1 | (uint64_t) beat->complete << 2 |
                     (uint64_t) beat->suspect << 3 | (uint64_t) beat->in_step << 4 | (uint64_t) beat->yields << 5);
    s_put (pack, beat->commit);
    s_put (pack, beat->alone);
    //  So many lives that one is not taken for another one soon.
    s_put (pack, s_limit (beat->patience) | (uint64_t) (beat->life & LIVES) << 2);
    s_put_lineage (pack, &beat->tail);
}

static void s_get_beat (pack_t *pack, zb_beat_t *beat)
{
    uint8_t byte = s_get (pack);
    beat->node = byte & 3;
    beat->state = (bstar_state_t) (byte >> 2 & 7);
    beat->serving = byte >> 5 & 1;
    if (byte >> 6 & 1)
        memcpy (beat->pair, model_entropy, ZB_PAIR_SIZE);
    byte = s_get (pack);
    beat->settled = byte & 1;
    beat->fresh = byte >> 1 & 1;
    beat->complete = byte >> 2 & 1;
    beat->suspect = byte >> 3 & 1;
    beat->in_step = byte >> 4 & 1;
    beat->yields = byte >> 5 & 1;
    beat->commit = s_get (pack);
    beat->alone = s_get (pack);
    byte = s_get (pack);
    beat->patience = (uint32_t) s_limits[byte & 3];
    beat->life = byte >> 2;
    s_get_lineage (pack, &beat->tail);
}

static void s_put_consent (pack_t *pack, const zb_consent_t *consent)
{
    s_put (pack, consent->word | (uint64_t) consent->sharing << 2 | (uint64_t) consent->follows << 3 |
                     (uint64_t) consent->refused << 4 | (uint64_t) consent->clean << 6);
    s_put (pack, consent->given);
    s_put (pack, consent->asked);
    s_put (pack, consent->seen);
    s_put_time (pack, consent->asked ? consent->asked_ms : 0);
}

static void s_get_consent (pack_t *pack, zb_consent_t *consent)
{
    uint8_t byte = s_get (pack);
    consent->word = (witness_event_t) (byte & 3);
    consent->sharing = byte >> 2 & 1;
    consent->follows = byte >> 3 & 1;
    consent->refused = (witness_verdict_t) (byte >> 4 & 3);
    consent->clean = byte >> 6 & 1;
    consent->given = s_get (pack);
    consent->asked = s_get (pack);
    consent->seen = s_get (pack);
    consent->asked_ms = s_get_time (pack);
    //  What is refreshed now and then is not looked at: a lost record is not in this model.
    consent->shared_ms = pack->now;
}

static void s_put_role (pack_t *pack, const zb_role_t *role)
{
    if (role->consent.needed)
        s_put_consent (pack, &role->consent);
    s_put (pack, role->bstar.state | (uint64_t) role->phase << 3 | (uint64_t) role->solo << 7);
    s_put (pack, role->opened | (uint64_t) role->fresh << 1 | (uint64_t) role->complete << 2 |
                     (uint64_t) role->suspect << 3 | (uint64_t) role->settled << 4 | (uint64_t) role->reading << 5 |
                     (uint64_t) role->diverged << 6 | (uint64_t) role->in_step << 7);
    s_put (pack, role->formed | (uint64_t) role->heard << 1 | (uint64_t) role->dead << 2 | (uint64_t) role->live << 3 |
                     (uint64_t) role->leads << 4 | (uint64_t) role->yields << 7);
    s_put (pack,
           role->step_known | (uint64_t) role->glance << 1 | (uint64_t) (role->step_known ? role->step.node : 0) << 2);
    s_put (pack, role->step_known ? role->step.number : 0);
    s_put (pack, role->in_step ? role->step_from : 0);
    s_put (pack, role->heir | (uint64_t) role->peer_lacks << 1);
    s_put (pack, role->run);
    s_put_time (pack, role->diverged && !role->peer_lacks ? role->diverged_ms : 0);
    s_put (pack, role->alone);
    s_put (pack, role->alone_from >> ZB_COUNT_BITS);
    s_put (pack, role->commit);
    s_put (pack, role->closed);
    s_put (pack, role->here);
    s_put (pack, role->there);
    s_put (pack, role->acked);
    s_put (pack, role->phase == ZB_PHASE_RAISING || role->phase == ZB_PHASE_SEVERING ? role->raising : 0);
    s_put (pack, role->mark);
    s_put (pack, role->session);
    s_put (pack, role->granted);
    s_put_time (pack, role->phase == ZB_PHASE_SEVERING ? role->alone_since : 0);
    s_put_time (pack, role->heard_ms);
    s_put_time (pack, role->echoed_ms);
    s_put_time (pack, role->progress_ms);
    s_put_time (pack, role->phase == ZB_PHASE_PROBING ? role->probe_ms : 0);
    s_put_time (pack, role->granted_ms);
    s_put_time (pack, role->phase == ZB_PHASE_DRAINING ? role->yield_ms : 0);
    s_put_time (pack, role->ticked_ms);
    s_put_time (pack, role->awake_ms);
    s_put (pack, role->still_ms / STILL > 255 ? 255 : (uint64_t) (role->still_ms / STILL));
    s_put_time (pack, role->woken_ms > role->ticked_ms ? role->woken_ms : 0);
    const zb_patience_t *patience = &role->patience;
    s_put (pack, s_limit (patience->limit) | s_limit (patience->told) << 2 | (uint64_t) (patience->since_ms > 0) << 4);
    s_put_time (pack, patience->told < patience->limit ? patience->told_ms : 0);
    s_put (pack, role->life & LIVES);
    s_put_time (pack, role->overtaken_ms);
    s_put (pack, role->stopped / MODEL_STEP > OLDEST ? OLDEST : (uint64_t) (role->stopped / MODEL_STEP));
    s_put_time (pack, role->stopped ? role->stopped_ms : 0);
    s_put_time (pack, role->bstar.state == BSTAR_ACTIVE ? 0 : role->changed_ms);
    int64_t rejoin = (role->rejoin_ms - pack->now) / MODEL_STEP;
    s_put (pack, rejoin < 0 ? 0 : rejoin > 2 ? 2 : (uint64_t) rejoin);
    s_put_lineage (pack, &role->lineage);
    if (role->heard)
        s_put_beat (pack, &role->peer);
    bool older = role->heard && !role->peer.tail.size && role->known.tail.size;
    s_put (pack, older);
    if (older)
        s_put_beat (pack, &role->known);
    assert (role->todo_size == 0);
}

static void s_get_role (pack_t *pack, zb_role_t *role)
{
    if (role->consent.needed)
        s_get_consent (pack, &role->consent);
    uint8_t byte = s_get (pack);
    role->bstar.state = (bstar_state_t) (byte & 7);
    role->phase = (zb_phase_t) (byte >> 3 & 15);
    role->solo = byte >> 7;
    byte = s_get (pack);
    role->opened = byte & 1;
    role->fresh = byte >> 1 & 1;
    role->complete = byte >> 2 & 1;
    role->suspect = byte >> 3 & 1;
    role->settled = byte >> 4 & 1;
    role->reading = byte >> 5 & 1;
    role->diverged = byte >> 6 & 1;
    role->in_step = byte >> 7 & 1;
    byte = s_get (pack);
    role->formed = byte & 1;
    role->heard = byte >> 1 & 1;
    role->dead = byte >> 2 & 1;
    role->live = byte >> 3 & 1;
    role->leads = byte >> 4 & 7;
    role->yields = byte >> 7;
    byte = s_get (pack);
    role->step_known = byte & 1;
    role->glance = byte >> 1 & 1;
    role->step = (zb_epoch_t){.node = byte >> 2};
    role->step.number = s_get (pack);
    role->step_from = s_get (pack);
    byte = s_get (pack);
    role->heir = byte & 1;
    role->peer_lacks = byte >> 1;
    role->run = s_get (pack);
    role->diverged_ms = s_get_time (pack);
    role->alone = s_get (pack);
    role->alone_from = (uint64_t) s_get (pack) << ZB_COUNT_BITS | (role->alone ? 1 : 0);
    role->commit = s_get (pack);
    role->closed = s_get (pack);
    role->here = s_get (pack);
    role->there = s_get (pack);
    role->acked = s_get (pack);
    role->raising = s_get (pack);
    role->mark = s_get (pack);
    role->session = s_get (pack);
    role->granted = s_get (pack);
    role->alone_since = s_get_time (pack);
    role->heard_ms = s_get_time (pack);
    role->echoed_ms = s_get_time (pack);
    role->progress_ms = s_get_time (pack);
    role->probe_ms = s_get_time (pack);
    role->granted_ms = s_get_time (pack);
    role->yield_ms = s_get_time (pack);
    role->ticked_ms = s_get_time (pack);
    role->awake_ms = s_get_time (pack);
    role->still_ms = s_get (pack) * STILL;
    role->woken_ms = s_get_time (pack);
    byte = s_get (pack);
    role->patience.limit = s_limits[byte & 3];
    role->patience.told = s_limits[byte >> 2 & 3];
    role->patience.since_ms = byte >> 4;
    role->patience.told_ms = s_get_time (pack);
    role->life = s_get (pack);
    role->overtaken_ms = s_get_time (pack);
    role->stopped = s_get (pack) * MODEL_STEP;
    role->stopped_ms = s_get_time (pack);
    role->changed_ms = s_get_time (pack);
    role->rejoin_ms = pack->now + s_get (pack) * MODEL_STEP;
    s_get_lineage (pack, &role->lineage);
    if (role->heard)
        s_get_beat (pack, &role->peer);
    if (s_get (pack))
        s_get_beat (pack, &role->known);
    else if (role->peer.tail.size)
        role->known = role->peer;
}

size_t role_pack (const zb_role_t *role, int64_t now, uint8_t data[ROLE_PACKED])
{
    pack_t pack = {.data = data, .now = now};
    s_put_role (&pack, role);
    return pack.at;
}

void model_pack_beat (uint8_t data[MODEL_BEAT], int64_t sent, int64_t echo, const zb_beat_t *beat)
{
    pack_t pack = {.data = data + 17};
    zb_put64 (data, (uint64_t) sent);
    zb_put64 (data + 8, (uint64_t) echo);
    s_put_beat (&pack, beat);
    assert (pack.at + 17 < MODEL_BEAT);
    data[16] = (uint8_t) pack.at;
}

void model_unpack_beat (const uint8_t *data, int64_t *sent, int64_t *echo, zb_beat_t *beat)
{
    pack_t pack = {.from = data + 17};
    *sent = (int64_t) zb_get64 (data);
    *echo = (int64_t) zb_get64 (data + 8);
    memset (beat, 0, sizeof *beat);
    s_get_beat (&pack, beat);
}

static void s_put_node (pack_t *pack, const node_t *node)
{
    s_put (pack, node->alive | (uint64_t) node->paused << 1 | (uint64_t) node->late << 2 |
                     (uint64_t) node->complete << 3 | (uint64_t) node->suspect << 4);
    s_put (pack, node->alone);
    s_put (pack, node->alone_from);
    s_put (pack, node->size);
    s_put (pack, node->synced);
    for (int i = 0; i < node->size; i++)
        s_put (pack, node->log[i]);
    s_put (pack, node->copy.made | (uint64_t) node->copy.complete << 1 | (uint64_t) node->copy.suspect << 2);
    if (node->copy.made) {
        s_put (pack, node->copy.alone);
        s_put (pack, node->copy.alone_from);
        s_put (pack, node->copy.size);
        for (int i = 0; i < node->copy.size; i++)
            s_put (pack, node->copy.log[i]);
    }
    s_put (pack, node->beats);
    for (int i = 0; i < node->beats; i++) {
        s_put_time (pack, (int64_t) zb_get64 (node->beat[i]));
        s_put_time (pack, (int64_t) zb_get64 (node->beat[i] + 8));
        s_put (pack, node->beat[i][16]);
        memcpy (pack->data + pack->at, node->beat[i] + 17, node->beat[i][16]);
        pack->at += node->beat[i][16];
    }
    if (!node->alive)
        return;
    s_put (pack, node->master | (uint64_t) node->diverged << 1 | (uint64_t) node->rollback << 2 |
                     (uint64_t) node->leads << 3);
    s_put (pack, node->leads ? node->epoch : 0);
    s_put (pack, node->waiting);
    s_put (pack, node->waiting ? node->serial : 0);
    s_put_time (pack, node->heard_sent);
    s_put (pack, node->queued);
    for (int i = 0; i < node->queued; i++) {
        s_put (pack, node->queue[i].verb | (uint64_t) node->queue[i].flag << 7);
        s_put (pack, node->queue[i].number);
        s_put (pack, node->queue[i].from);
    }
    s_put_role (pack, &node->role);
}

static void s_get_node (model_t *self, int at, pack_t *pack)
{
    node_t *node = &self->node[at];
    uint8_t byte = s_get (pack);
    node->alive = byte & 1;
    node->paused = byte >> 1 & 1;
    node->late = byte >> 2 & 1;
    node->complete = byte >> 3 & 1;
    node->suspect = byte >> 4 & 1;
    node->alone = s_get (pack);
    node->alone_from = s_get (pack);
    node->size = s_get (pack);
    node->synced = s_get (pack);
    for (int i = 0; i < node->size; i++)
        node->log[i] = s_get (pack);
    byte = s_get (pack);
    node->copy = (copy_t){.made = byte & 1, .complete = byte >> 1 & 1, .suspect = byte >> 2};
    if (node->copy.made) {
        node->copy.alone = s_get (pack);
        node->copy.alone_from = s_get (pack);
        node->copy.size = s_get (pack);
        for (int i = 0; i < node->copy.size; i++)
            node->copy.log[i] = s_get (pack);
    }
    node->beats = s_get (pack);
    for (int i = 0; i < node->beats; i++) {
        zb_put64 (node->beat[i], (uint64_t) s_get_time (pack));
        zb_put64 (node->beat[i] + 8, (uint64_t) s_get_time (pack));
        node->beat[i][16] = s_get (pack);
        memcpy (node->beat[i] + 17, pack->from + pack->at, node->beat[i][16]);
        pack->at += node->beat[i][16];
    }
    model_role_init (self, at);
    if (!node->alive)
        return;
    byte = s_get (pack);
    node->master = byte & 1;
    node->diverged = byte >> 1 & 1;
    node->rollback = byte >> 2 & 1;
    node->leads = byte >> 3 & 1;
    node->epoch = s_get (pack);
    node->waiting = s_get (pack);
    node->serial = s_get (pack);
    node->heard_sent = s_get_time (pack);
    node->queued = s_get (pack);
    for (int i = 0; i < node->queued; i++) {
        byte = s_get (pack);
        node->queue[i] = (command_t){.verb = byte & 127, .flag = byte >> 7, .number = s_get (pack)};
        node->queue[i].from = s_get (pack);
    }
    s_get_role (pack, &node->role);
}

size_t model_pack (const model_t *self, uint8_t data[MODEL_PACKED])
{
    pack_t pack = {.data = data, .now = self->now};
    s_put (&pack, self->wait | (uint64_t) self->cut << 1 | (uint64_t) self->ended << 2 | (uint64_t) self->live << 3 |
                      (uint64_t) self->strained << 4 | (uint64_t) self->replaced << 5 | (uint64_t) self->promoted << 6);
    s_put (&pack, self->witness | (uint64_t) self->record.state << 1 | (uint64_t) self->record.holder << 3);
    s_put (&pack, self->copies | (uint64_t) self->restored << 1 | (uint64_t) self->learns << 2);
    s_put (&pack, self->record.epoch);
    s_put (&pack, self->session | (uint64_t) self->owner << 4);
    s_put (&pack, self->there);
    s_put (&pack, self->grant_at);
    s_put (&pack, self->grant_at ? self->grant_epoch : 0);
    s_put (&pack, self->token);
    s_put (&pack, self->token_commit);
    memcpy (data + pack.at, &self->left, sizeof self->left);
    pack.at += sizeof self->left;
    s_put (&pack, self->serials);
    for (int i = 1; i <= self->serials; i++) {
        s_put (&pack, self->epoch[i]);
        s_put (&pack, self->writer[i] | (uint64_t) self->ok[i] << 1 | (uint64_t) self->raise[i] << 3 |
                          (uint64_t) self->absorb[i] << 4 | (uint64_t) self->heir[i] << 5);
        s_put (&pack, self->run[i]);
        s_put (&pack, self->origin[i]);
    }
    s_put_node (&pack, &self->node[0]);
    s_put_node (&pack, &self->node[1]);
    assert (pack.at <= MODEL_PACKED);
    return pack.at;
}

void model_unpack (model_t *self, const uint8_t *data)
{
    memset (self, 0, sizeof *self);
    self->now = 1000 * MODEL_STEP;
    pack_t pack = {.from = data, .now = self->now};
    uint8_t byte = s_get (&pack);
    self->wait = byte & 1;
    self->cut = byte >> 1 & 1;
    self->ended = byte >> 2 & 1;
    self->live = byte >> 3 & 1;
    self->strained = byte >> 4 & 1;
    self->promoted = byte >> 6 & 1;
    self->replaced = byte >> 5 & 1;
    byte = s_get (&pack);
    self->witness = byte & 1;
    self->record = (witness_record_t){.state = (witness_state_t) (byte >> 1 & 3), .holder = byte >> 3};
    byte = s_get (&pack);
    self->copies = byte & 1;
    self->restored = byte >> 1 & 1;
    self->learns = byte >> 2;
    self->record.epoch = s_get (&pack);
    self->session = s_get (&pack);
    self->owner = self->session >> 4;
    self->session &= 15;
    self->there = s_get (&pack);
    self->grant_at = s_get (&pack);
    self->grant_epoch = s_get (&pack);
    self->token = s_get (&pack);
    self->token_commit = s_get (&pack);
    memcpy (&self->left, data + pack.at, sizeof self->left);
    pack.at += sizeof self->left;
    self->serials = s_get (&pack);
    for (int i = 1; i <= self->serials; i++) {
        self->epoch[i] = s_get (&pack);
        byte = s_get (&pack);
        self->writer[i] = byte & 1;
        self->ok[i] = byte >> 1 & 3;
        self->raise[i] = byte >> 3 & 1;
        self->absorb[i] = byte >> 4 & 1;
        self->heir[i] = byte >> 5;
        self->run[i] = s_get (&pack);
        self->origin[i] = s_get (&pack);
    }
    s_get_node (self, 0, &pack);
    s_get_node (self, 1, &pack);
}
