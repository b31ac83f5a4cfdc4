/*  =========================================================================
    split - a model of a pair across splits, with what is in the stores

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include "split.h"

#include <assert.h>
#include <string.h>

#define MOST_STEPS 80 //  of time that passes until nothing changes

void split_fault (split_t *self, const char *fault)
{
    if (!self->fault)
        self->fault = fault;
}

//  ---------------------------------------------------------------------------
//  Disks

static void s_apply (fake_tables_t *tables, const zb_batch_t *batch)
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
    s_apply (&node->tables, self->batch[serial]);
}

//  The tables of a log that has become shorter.
void split_reread (split_t *self, node_t *node)
{
    fake_tables_clear (&node->tables);
    node->tables_mark = (mark_t){0, 0};
    for (int index = 0; index < node->disk.size; index++)
        s_apply (&node->tables, self->batch[node->disk.log[index]]);
}

void split_meta (split_t *self, int at)
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
//  What a role wants: as io/broker/effects.c does it

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
    return self->cut || (self->mute && !self->passes);
}

static bool s_flows (const split_t *self)
{
    return self->session && !self->ended && !s_is_broken (self) && self->node[0].alive && self->node[1].alive;
}

void split_end_session (split_t *self)
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
        split_end_session (self);
        //  What the other one has consented to was for the leadership before.
        self->node[1 - at].rollback = false;
        node->master = node->disk.complete = true;
        node->diverged = false;
        split_meta (self, at);
        zb_role_led (&node->role, self->now);
        break;
    case ZB_DO_FOLLOW:
        node->master = false;
        node->rollback = command.flag;
        node->diverged = node->disk.suspect && !command.flag;
        split_end_session (self);
        if (node->diverged) {
            split_meta (self, at);
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
        split_meta (self, at);
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
        split_reread (self, client);
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
        split_meta (self, 1 - at);
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
        zb_engine_durable (master->engine, master->disk.size, self->there, self->now);
    zb_role_durable (&master->role, master->disk.size, self->there, self->now);
    s_carry_out (self, at);
}

//  Whether one commit more comes through.
static bool s_passes (split_t *self)
{
    if (self->mute && !self->passes)
        return false;
    self->passes = self->mute ? self->passes - 1 : 0;
    return true;
}

//  Ships, syncs and acknowledges what is there, then what follows from that.
static bool s_ship (split_t *self, int at)
{
    node_t *master = &self->node[at], *client = &self->node[1 - at];
    if (s_master (self) != at || !s_flows (self) || self->held)
        return false;
    if (client->disk.size < master->disk.size || self->there < client->disk.size) {
        while (client->disk.size < master->disk.size && s_passes (self))
            s_append (self, client, master->disk.log[client->disk.size]);
        self->there = client->disk.size;
        if (self->live)
            s_acked (self, at);
    }
    else if (!self->live) {
        self->live = true;
        client->disk.complete = true;
        client->disk.suspect = false;
        split_meta (self, 1 - at);
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

void split_quiesce (split_t *self)
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
    split_quiesce (self);
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
        bool loser = zb_engine_loser_waits (node->engine) && !zb_role_peer_in_step (&node->role);
        bool waits = zb_engine_leads (node->engine) && (zb_engine_client_waits (node->engine) || loser);
        zb_role_tick (&node->role, waits, self->now);
        s_carry_out (self, at);
        split_quiesce (self);
        if (!node->begun)
            split_replay (self, at, true);
        split_quiesce (self);
    }
    return true;
}

bool split_is_patient (const split_t *self)
{
    return self->node[0].role.rejoin_ms > self->now || self->node[1].role.rejoin_ms > self->now;
}

bool split_rest (split_t *self)
{
    for (int step = 0; step < MOST_STEPS && !self->over; step++) {
        mark_t before = split_mark (self);
        split_time (self);
        mark_t after = split_mark (self);
        if (before.one == after.one && before.other == after.other && !split_is_patient (self))
            return true;
    }
    return true;
}
