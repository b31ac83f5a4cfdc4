/*  =========================================================================
    split - a model of a pair across splits, with what is in the stores

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include "split.h"

#include <assert.h>
#include <string.h>

#define SILENCE 600
#define ACK_LIMIT 1500
#define MOST_STEPS 24 //  of time that passes until nothing changes
#define SPREAD_BITS 26

static const uint8_t s_entropy[ZB_PAIR_SIZE + ZB_SECRET_SIZE] = {1, 2, 3};
static const zb_limits_t s_limits = ZB_LIMITS_DEFAULT;

void split_fault (split_t *self, const char *fault)
{
    if (!self->fault)
        self->fault = fault;
}

bool split_runs (const node_t *node)
{
    return node->alive;
}

//  ---------------------------------------------------------------------------
//  Disks

void split_apply (fake_tables_t *tables, const zb_batch_t *batch)
{
    for (size_t index = 0; index < zb_batch_size (batch); index++) {
        zb_op_t op = zb_batch_op (batch, index);
        if (op.erase)
            fake_tables_erase (tables, op.table, op.key, op.key_size);
        else
            fake_tables_put (tables, op.table, op.key, op.key_size, op.value, op.value_size);
    }
}

static void s_append (split_t *self, node_t *node, uint8_t serial)
{
    node->disk.log[node->disk.size++] = serial;
    node->tables_mark = (mark_t){0, 0};
    split_apply (&node->tables, self->batch[serial]);
}

//  The tables of a log that has become shorter.
static void s_reread (split_t *self, node_t *node)
{
    fake_tables_clear (&node->tables);
    node->tables_mark = (mark_t){0, 0};
    for (int index = 0; index < node->disk.size; index++)
        split_apply (&node->tables, self->batch[node->disk.log[index]]);
}

static void s_meta (split_t *self, int at)
{
    node_t *node = &self->node[at];
    zb_read_t *read = zb_read_new (-1, 0);
    zb_read_add (read, ZB_META, "", 0, 0, 100, 1 << 20);
    fake_tables_read (&node->tables, read);
    int rc = zb_role_meta (&node->role, read->found[0], read->count[0], self->now);
    assert (rc == 0);
    zb_read_destroy (&read);
}

//  ---------------------------------------------------------------------------
//  What a role wants: as io/broker.c does it

static void s_command (split_t *self, int at, zb_do_kind_t kind, bool flag, uint64_t number, uint64_t from)
{
    node_t *node = &self->node[at];
    assert (node->todos < SPLIT_TODO);
    node->todo[node->todos++] = (command_t){kind, flag, number, from};
}

static void s_meta_rows (node_t *node)
{
    uint8_t lineage[ZB_LINEAGE_MAX * ZB_EPOCH_SIZE];
    const char *key;
    const void *value;
    size_t size;
    for (size_t index = 0; zb_role_row (&node->role, index, lineage, &key, &value, &size); index++)
        zb_engine_meta (node->engine, key, value, size);
}

static void s_tell_engine (node_t *node)
{
    zb_engine_lineage (node->engine, &node->role.lineage);
    zb_engine_keep (node->engine, node->role.alone ? ZB_KEEP_WRITE : ZB_KEEP_NOTE);
}

static void s_carry_out (split_t *self, int at)
{
    node_t *node = &self->node[at];
    zb_do_t effect;
    while (zb_role_next (&node->role, &effect)) {
        switch (effect.kind) {
        case ZB_DO_START:
            zb_engine_lead (node->engine, effect.epoch, node->role.commit, node->role.secret);
            node->rule = ZB_RELEASE_HOLD;
            node->asked_epoch = 0;
            s_meta_rows (node);
            s_tell_engine (node);
            break;
        case ZB_DO_RAISE:
            zb_role_newest (&node->role, zb_engine_newest (node->engine));
            zb_engine_epoch (node->engine, effect.epoch);
            s_meta_rows (node);
            s_tell_engine (node);
            break;
        case ZB_DO_STOP:
            split_replies (self, at);
            if (zb_engine_leads (node->engine))
                zb_engine_stop (node->engine, "");
            split_replies (self, at);
            break;
        case ZB_DO_LEAD:
        case ZB_DO_READ:
            s_command (self, at, effect.kind, false, 0, 0);
            break;
        case ZB_DO_FOLLOW:
            s_command (self, at, effect.kind, effect.rollback, 0, 0);
            break;
        case ZB_DO_SAVE:
            s_command (self, at, effect.kind, effect.suspect, effect.alone, effect.alone_from);
            break;
        case ZB_DO_GRANT:
            s_command (self, at, effect.kind, false, effect.session, effect.epoch);
            break;
        default:
            break;
        }
    }
}

//  ---------------------------------------------------------------------------
//  Stores and their link

//  The node whose store leads, or could: -1 if not exactly one is a master.
static int s_master (const split_t *self)
{
    bool zero = self->node[0].alive && self->node[0].master, one = self->node[1].alive && self->node[1].master;
    return zero == one ? -1 : one;
}

static bool s_is_broken (const split_t *self)
{
    return self->cut || self->mute;
}

static bool s_flows (const split_t *self)
{
    return self->session && !self->ended && !s_is_broken (self) && self->node[0].alive && self->node[1].alive;
}

static void s_end_session (split_t *self)
{
    const node_t *owner = &self->node[self->owner];
    self->ended = self->session && owner->alive && owner->master;
    if (!self->ended)
        self->session = 0;
    self->live = self->grant = false;
}

static bool s_execute (split_t *self, int at)
{
    node_t *node = &self->node[at];
    if (!node->alive || node->todos == 0)
        return false;
    command_t command = node->todo[0];
    memmove (node->todo, node->todo + 1, sizeof *node->todo * --node->todos);
    switch (command.kind) {
    case ZB_DO_LEAD:
        s_end_session (self);
        //  What the other one has consented to was for the leadership before.
        self->node[1 - at].rollback = false;
        node->master = node->disk.complete = true;
        node->diverged = false;
        s_meta (self, at);
        zb_role_led (&node->role, self->now);
        break;
    case ZB_DO_FOLLOW:
        node->master = false;
        node->rollback = command.flag;
        node->diverged = node->disk.suspect && !command.flag;
        s_end_session (self);
        if (node->diverged) {
            s_meta (self, at);
            zb_role_diverged (&node->role, self->now);
        }
        break;
    case ZB_DO_SAVE:
        node->disk.alone = command.number;
        node->disk.alone_from = command.from;
        node->disk.suspect = command.flag;
        zb_role_saved (&node->role, self->now);
        if (zb_engine_leads (node->engine) && !node->role.alone)
            s_tell_engine (node);
        break;
    case ZB_DO_GRANT:
        self->grant = self->session == command.number && !self->ended && s_master (self) == at;
        self->grant_epoch = command.from;
        break;
    default:
        s_meta (self, at);
        break;
    }
    s_carry_out (self, at);
    return true;
}

//  What the client has and the master lacks goes, if it may.
static bool s_roll_back (split_t *self, node_t *client, const node_t *master)
{
    disk_t *disk = &client->disk;
    uint8_t common = 0;
    while (common < disk->size && common < master->disk.size && disk->log[common] == master->disk.log[common])
        common++;
    bool full = disk->suspect;
    if (!client->rollback && disk->complete && (full || common < disk->size))
        return false;
    if (disk->alone && (common < disk->size || full))
        split_fault (self, "rolled back a node with `alone` on its disk");
    if (full) {
        common = 0;
        disk->complete = false;
    }
    bool shorter = common < disk->size;
    disk->size = common;
    if (shorter)
        s_reread (self, client);
    return true;
}

//  A session begins, or the client asks first.
static bool s_link (split_t *self, int at)
{
    node_t *master = &self->node[at], *client = &self->node[1 - at];
    if (s_master (self) != at || !client->alive || s_is_broken (self) || (self->session && !self->ended) ||
        client->diverged)
        return false;
    if (!s_roll_back (self, client, master)) {
        client->diverged = true;
        s_meta (self, 1 - at);
        zb_role_diverged (&client->role, self->now);
        s_carry_out (self, 1 - at);
        return true;
    }
    uint64_t number = 1;
    while (number == self->session || number == master->role.session || number == master->role.granted)
        number++;
    self->session = number;
    self->owner = (uint8_t) at;
    self->there = 0;
    self->ended = self->live = self->grant = false;
    zb_role_granted (&client->role, false, 0);
    s_carry_out (self, 1 - at);
    zb_role_link (&master->role, false, number, self->now);
    s_carry_out (self, at);
    return true;
}

static void s_acked (split_t *self, int at)
{
    node_t *master = &self->node[at];
    if (zb_engine_leads (master->engine))
        zb_engine_synced (master->engine, master->disk.size, self->there, self->now);
    zb_role_synced (&master->role, master->disk.size, self->there, self->now);
    s_carry_out (self, at);
}

//  Ships, syncs and acknowledges what is there, then what follows from that.
static bool s_ship (split_t *self, int at)
{
    node_t *master = &self->node[at], *client = &self->node[1 - at];
    if (s_master (self) != at || !s_flows (self) || self->held)
        return false;
    if (client->disk.size < master->disk.size || self->there < client->disk.size) {
        while (client->disk.size < master->disk.size)
            s_append (self, client, master->disk.log[client->disk.size]);
        self->there = client->disk.size;
        if (self->live)
            s_acked (self, at);
    }
    else if (!self->live) {
        self->live = true;
        client->disk.complete = true;
        client->disk.suspect = false;
        s_meta (self, 1 - at);
        zb_role_complete (&client->role, self->now);
        s_carry_out (self, 1 - at);
        zb_role_link (&master->role, true, self->session, self->now);
        s_acked (self, at);
    }
    else if (self->grant) {
        self->grant = false;
        zb_role_granted (&client->role, true, self->grant_epoch);
        s_carry_out (self, 1 - at);
    }
    else
        return false;
    return true;
}

static bool s_drop (split_t *self)
{
    int at = self->owner;
    if (!self->node[at].alive || !self->session || !(s_is_broken (self) || self->ended))
        return false;
    self->session = 0;
    self->ended = self->live = self->grant = false;
    zb_role_link (&self->node[at].role, false, 0, self->now);
    s_carry_out (self, at);
    return true;
}

//  ---------------------------------------------------------------------------
//  Turns

static void s_apply_rule (split_t *self, int at)
{
    node_t *node = &self->node[at];
    zb_durable_t durable;
    zb_release_t rule = zb_role_release (&node->role, self->now, &durable);
    if (rule == node->rule && durable == node->durable)
        return;
    node->rule = rule;
    node->durable = durable;
    if (zb_engine_leads (node->engine))
        zb_engine_release (node->engine, rule, durable);
}

static void s_absorb (split_t *self, int at)
{
    node_t *node = &self->node[at];
    zb_lineage_t loser;
    if (!zb_engine_absorbs (node->engine, &loser))
        return;
    zb_role_absorb (&node->role, &loser);
    s_meta_rows (node);
    zb_engine_lineage (node->engine, &node->role.lineage);
    s_carry_out (self, at);
}

//  What the engine wants written, read and answered; false if nothing.
static bool s_pump (split_t *self, int at)
{
    node_t *node = &self->node[at];
    bool moved = false;
    if (!node->alive || !node->engine)
        return false;
    s_apply_rule (self, at);
    if (!zb_engine_leads (node->engine))
        return false;
    s_absorb (self, at);
    zb_batch_t *batch;
    while ((batch = zb_engine_batch (node->engine))) {
        if (self->batches + 1 == SPLIT_LOG) {
            self->over = true;
            zb_batch_destroy (&batch);
            return false;
        }
        assert (node->master && zb_batch_commit (batch) == node->disk.size + 1u);
        self->batch[++self->batches] = batch;
        zb_role_closed (&node->role, zb_batch_commit (batch));
        s_append (self, node, self->batches);
        moved = true;
    }
    zb_read_t *read;
    while ((read = zb_engine_read (node->engine))) {
        fake_tables_read (&node->tables, read);
        zb_engine_loaded (node->engine, &read, self->now);
        moved = true;
    }
    split_replies (self, at);
    if (moved)
        s_acked (self, at);
    if (zb_engine_fault (node->engine))
        split_fault (self, zb_engine_fault (node->engine));
    return zb_engine_leads (node->engine) && (zb_engine_tick (node->engine, self->now) <= self->now || moved);
}

void split_settle (split_t *self)
{
    for (bool more = true; more && !self->over;) {
        more = s_drop (self);
        for (int at = 0; at < 2; at++) {
            s_carry_out (self, at);
            more = s_execute (self, at) || more;
            more = s_pump (self, at) || more;
        }
        for (int at = 0; at < 2; at++)
            more = s_link (self, at) || s_ship (self, at) || more;
    }
    for (int at = 0; at < 2; at++) {
        node_t *node = &self->node[at];
        if (node->carrier &&
            (self->cut || !node->alive || !self->node[1 - at].alive || !zb_role_replays (&node->role, self->now)))
            split_end_replay (self, at);
    }
}

bool split_serves (const split_t *self, int at)
{
    const node_t *node = &self->node[at];
    zb_durable_t durable;
    return node->alive && zb_engine_leads (node->engine) &&
           zb_role_release (&node->role, self->now, &durable) != ZB_RELEASE_HOLD;
}

//  ---------------------------------------------------------------------------
//  Time

static void s_beat (split_t *self, int from)
{
    node_t *node = &self->node[from], *peer = &self->node[1 - from];
    zb_beat_t said, heard;
    uint8_t data[ZB_BEAT_MAX];
    zb_role_tell (&node->role, &said);
    int rc = zb_beat_decode (&heard, data, zb_beat_encode (&said, data));
    assert (rc == 0);
    peer->heard_sent = self->now;
    zb_role_beat (&peer->role, &heard, node->heard_sent, self->now);
    s_carry_out (self, 1 - from);
    split_settle (self);
}

bool split_time (split_t *self)
{
    self->now += SPLIT_STEP;
    for (int at = 0; at < 2; at++)
        if (self->node[at].alive)
            self->node[at].role.ticked_ms = self->now;
    bool heard = self->node[0].alive && self->node[1].alive && !self->cut;
    for (int round = 0; round < 4 && heard; round++)
        s_beat (self, round % 2);
    for (int at = 0; at < 2; at++) {
        node_t *node = &self->node[at];
        if (!node->alive)
            continue;
        bool waits = zb_engine_leads (node->engine) && zb_engine_client_waits (node->engine);
        zb_role_tick (&node->role, waits, self->now);
        s_carry_out (self, at);
        split_settle (self);
        if (!node->begun)
            split_replay (self, at, true);
        split_settle (self);
    }
    return true;
}

static bool s_rest (split_t *self)
{
    for (int step = 0; step < MOST_STEPS && !self->over; step++) {
        mark_t before = split_mark (self);
        split_time (self);
        mark_t after = split_mark (self);
        if (before.one == after.one && before.other == after.other)
            return true;
    }
    return true;
}

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
    s_end_session (self);
}

//  Whether io starts a folder under this name (io/replica.c).
static bool s_may_start (const node_t *node, unsigned as)
{
    return split_old == OLD_NAME || !node->disk.as || node->disk.as == as;
}

static bool s_start (split_t *self, int at, unsigned as)
{
    node_t *node = &self->node[at];
    if (node->alive || !s_may_start (node, as))
        return false;
    node->alive = true;
    node->as = as;
    node->disk.as = node->disk.as ? node->disk.as : as;
    zb_role_init (&node->role, as, true, false, SILENCE, ACK_LIMIT, s_entropy);
    self->runs++;
    node->role.run = !self->copies ? 0 : self->left.spread ? (uint32_t) self->runs << SPREAD_BITS : self->runs;
    node->engine = zb_engine_new (&s_limits, as);
    zb_engine_endpoints (node->engine, "", "");
    s_meta (self, at);
    zb_role_opened (&node->role, node->disk.size == 0, node->disk.complete, node->disk.suspect, node->disk.alone,
                    node->disk.alone_from, self->now);
    zb_role_tick (&node->role, false, self->now);
    s_carry_out (self, at);
    split_settle (self);
    return true;
}

//  What was answered alone since the copy was made is gone with the disk; and what was done since is there again.
static bool s_restore (split_t *self, int at)
{
    node_t *node = &self->node[at];
    if (node->alive || !node->copy.made)
        return false;
    content_t before, after, other;
    split_content (&node->tables, &before);
    unsigned as = node->disk.as;
    node->disk = node->copy;
    node->disk.as = as;
    node->copy.made = false;
    s_reread (self, node);
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
    return true;
}

static bool s_spend (uint8_t *left)
{
    if (*left == 0)
        return false;
    --*left;
    return true;
}

//  README: what the other one has done of what it gave in its newest epoch is not known to one that has followed it in a part of
//  that.
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
    if (!node->alive || !s_spend (&self->left.promotes))
        return false;
    //  The first word may have to wait for a look at the store.
    const char *why = zb_role_promote (&node->role, self->now, &code);
    split_settle (self);
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
    bool runs = node->alive, broken = s_is_broken (self);
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
        return act.at == 0 && s_rest (self);
    case ACT_STEP:
        return act.at == 0 && s_spend (&self->left.steps) && split_time (self);
    case ACT_REPLAY:
        return split_replay (self, act.at, false);
    case ACT_KILL:
        if (!node->alive || !s_spend (&self->left.kills))
            return false;
        split_kill (self, act.at);
        return true;
    case ACT_START:
        return s_start (self, act.at, act.at + 1u);
    case ACT_WRONG:
        if (!s_spend (&self->left.wrongs) || !s_start (self, act.at, 2u - act.at))
            return false;
        split_kill (self, act.at);
        return true;
    case ACT_CUT:
        if (act.at || self->cut || !s_spend (&self->left.cuts))
            return false;
        self->cut = true;
        return true;
    case ACT_MUTE:
        if (act.at || s_is_broken (self) || !s_spend (&self->left.mutes))
            return false;
        self->mute = true;
        return true;
    case ACT_HEAL:
        if (act.at || !s_is_broken (self))
            return false;
        self->cut = self->mute = false;
        return true;
    case ACT_COPY:
        if (!node->disk.size || !s_spend (&self->left.copies))
            return false;
        node->copy = node->disk;
        node->copy.made = true;
        return true;
    case ACT_RESTORE:
        return s_restore (self, act.at);
    case ACT_PROMOTE:
        return s_promote (self, act.at);
    default:
        return split_client_act (self, act);
    }
}

bool split_act (split_t *self, act_t act)
{
    if (!split_may_act (self, act) || !s_act (self, act))
        return false;
    split_settle (self);
    split_check (self);
    return true;
}

const char *split_act_name (unsigned kind)
{
    static const char *const names[ACTS] = {"time",  "step",   "vote", "replay",  "put",    "deaf",  "ack",
                                            "purge", "delete", "die",  "kill",    "start",  "wrong", "cut",
                                            "mute",  "heal",   "copy", "restore", "promote"};
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
