/*  =========================================================================
    acts - what may happen to the model of a pair across splits

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <string.h>

#include "split.h"

#define SILENCE 600
#define ACK_LIMIT 1500
#define SPREAD_BITS 26

static const uint8_t s_entropy[ZB_PAIR_SIZE + ZB_SECRET_SIZE] = {1, 2, 3};
static const zb_limits_t s_limits = ZB_LIMITS_DEFAULT;

//  ---------------------------------------------------------------------------
//  Processes and disks

void split_kill (split_t *self, int at)
{
    node_t *node = &self->node[at];
    split_end_replay (self, at);
    split_end_replay (self, 1 - at);
    zb_engine_destroy (&node->engine);
    node->alive = node->master = node->diverged = node->rollback = false;
    node->todos = 0;
    node->heard_sent = self->node[1 - at].heard_sent = 0;
    node->begged = 0;
    memset (&node->role, 0, sizeof node->role);
    for (int index = 0; index < SPLIT_ASKS; index++)
        if (self->ask[index].kind && self->ask[index].at == at)
            self->ask[index].kind = 0;
    split_end_session (self);
}

//  Whether io starts a folder under this name (io/store/replica.c).
static bool s_may_start (const node_t *node, unsigned as)
{
    return split_old == OLD_NAME || !node->disk.as || node->disk.as == as;
}

static void s_start (split_t *self, int at, unsigned as)
{
    node_t *node = &self->node[at];
    node->alive = true;
    node->as = as;
    node->disk.as = node->disk.as ? node->disk.as : as;
    zb_role_init (&node->role, as, true, false, SILENCE, ACK_LIMIT, s_entropy);
    self->runs++;
    node->role.run = !self->copies ? 0 : self->left.spread ? (uint32_t) self->runs << SPREAD_BITS : self->runs;
    node->engine = zb_engine_new (&s_limits, as);
    zb_engine_endpoints (node->engine, "", "");
    split_meta (self, at);
    zb_role_opened (&node->role, node->disk.size == 0, node->disk.complete, node->disk.suspect, node->disk.alone,
                    node->disk.alone_from, self->now);
    zb_role_tick (&node->role, false, self->now);
    split_quiesce (self);
}

//  What was answered alone since the copy was made is gone with the disk; and what was done since is there again.
static void s_restore (split_t *self, int at)
{
    node_t *node = &self->node[at];
    content_t before, after, other;
    split_content (&node->tables, &before);
    unsigned as = node->disk.as;
    node->disk = node->copy;
    node->disk.as = as;
    node->copy.made = false;
    split_reread (self, node);
    split_content (&node->tables, &after);
    split_content (&self->node[1 - at].tables, &other);
    self->restored = true;
    for (int index = 0; index < SPLIT_BODIES; index++) {
        body_t *body = &self->body[index];
        if (before.count[index] && !after.count[index] && !other.count[index])
            body->ok = false;
        bool lost = after.count[index] || (other.count[index] && !before.count[index]);
        body->excused = body->excused || (lost && (body->done || body->maybe));
    }
}

//  README: what the other one has done of what it gave in its newest epoch is not known to one that has followed it in
//  a part of that.
static void s_excuse (split_t *self, int at)
{
    const fake_row_t *row = fake_tables_get (&self->node[1 - at].tables, ZB_META, "lineage", strlen ("lineage"));
    zb_lineage_t other = {0};
    content_t content;
    int rc = row ? zb_lineage_decode (&other, row->bytes + row->key_size, row->size) : 0;
    assert (rc == 0);
    zb_epoch_t newest = zb_lineage_newest (&other);
    split_content (&self->node[at].tables, &content);
    for (int index = 0; index < SPLIT_BODIES; index++) {
        uint64_t id = content.count[index] ? content.id[index][0] : 0;
        bool given =
            newest.node != at + 1u && zb_epoch_number (id) == newest.number && zb_epoch_node (id) == newest.node;
        self->body[index].excused = self->body[index].excused || given;
    }
}

static bool s_promote (split_t *self, int at)
{
    node_t *node = &self->node[at];
    int code;
    //  The first word may have to wait for a look at the store.
    const char *why = zb_role_promote (&node->role, self->now, &code);
    split_quiesce (self);
    if (why && zb_role_promote (&node->role, self->now, &code))
        return false;
    self->promoted = true;
    s_excuse (self, at);
    return true;
}

bool split_may_act (const split_t *self, act_t act)
{
    const node_t *node = &self->node[act.at];
    const bounds_t *left = &self->left;
    bool runs = node->alive, broken = self->cut || self->mute;
    switch (act.kind) {
    case ACT_TIME:
        return act.at == 0;
    case ACT_STEP:
        return act.at == 0 && left->steps;
    case ACT_REPLAY:
        return runs && node->role.diverged;
    case ACT_VOTE:
        return runs && node->role.bstar.state != BSTAR_ACTIVE;
    case ACT_PUT:
    case ACT_DEAF:
        return runs && left->puts && self->next <= SPLIT_PUTS;
    case ACT_ACK:
        return runs && left->acks && act.arg % SPLIT_IDS < self->body[act.arg / SPLIT_IDS].ids;
    case ACT_PURGE:
        return runs && left->purges;
    case ACT_DELETE:
        return runs && left->deletes;
    case ACT_DIE:
        return runs && left->dies && self->next <= SPLIT_PUTS;
    case ACT_KILL:
        return runs && left->kills;
    case ACT_START:
        return !runs;
    case ACT_WRONG:
        return !runs && left->wrongs && s_may_start (node, 2u - act.at);
    case ACT_CUT:
        return act.at == 0 && !broken && left->cuts;
    case ACT_MUTE:
        return act.at == 0 && !broken && left->mutes;
    case ACT_LAG:
        return act.at == 0 && !broken && left->lags;
    case ACT_HEAL:
        return act.at == 0 && broken;
    case ACT_COPY:
        return node->disk.size && left->copies;
    case ACT_RESTORE:
        return !runs && node->copy.made;
    default:
        return runs && left->promotes;
    }
}

static bool s_act (split_t *self, act_t act)
{
    node_t *node = &self->node[act.at];
    switch (act.kind) {
    case ACT_TIME:
        return split_rest (self);
    case ACT_STEP:
        self->left.steps--;
        return split_time (self);
    case ACT_REPLAY:
        return split_replay (self, act.at, false);
    case ACT_KILL:
        self->left.kills--;
        split_kill (self, act.at);
        return true;
    case ACT_START:
        s_start (self, act.at, act.at + 1u);
        return true;
    case ACT_WRONG:
        self->left.wrongs--;
        s_start (self, act.at, 2u - act.at);
        split_kill (self, act.at);
        return true;
    case ACT_CUT:
        self->left.cuts--;
        self->cut = true;
        return true;
    case ACT_MUTE:
        self->left.mutes--;
        self->mute = true;
        return true;
    case ACT_LAG:
        self->left.lags--;
        self->mute = true;
        self->passes = 1;
        return true;
    case ACT_HEAL:
        self->cut = self->mute = false;
        self->passes = 0;
        return true;
    case ACT_COPY:
        self->left.copies--;
        node->copy = node->disk;
        node->copy.made = true;
        return true;
    case ACT_RESTORE:
        s_restore (self, act.at);
        return true;
    case ACT_PROMOTE:
        self->left.promotes--;
        return s_promote (self, act.at);
    default:
        return split_client_act (self, act);
    }
}

bool split_act (split_t *self, act_t act)
{
    if (!split_may_act (self, act) || !s_act (self, act))
        return false;
    split_quiesce (self);
    split_check (self);
    return true;
}

const char *split_act_name (unsigned kind)
{
    static const char *const names[ACTS] = {"time",  "step",   "vote", "replay", "put",     "deaf",   "ack",
                                            "purge", "delete", "die",  "kill",   "start",   "wrong",  "cut",
                                            "mute",  "lag",    "heal", "copy",   "restore", "promote"};
    return names[kind];
}

void split_init (split_t *self, const bounds_t *bounds)
{
    memset (self, 0, sizeof *self);
    self->now = 1000 * SPLIT_STEP;
    self->next = 1;
    self->left = *bounds;
    self->copies = bounds->copies;
}
