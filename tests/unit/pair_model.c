/*  =========================================================================
    pair_model - two roles and a small model of what is around them

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include "pair_model.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/base/bytes.h"

const uint8_t model_entropy[ZB_PAIR_SIZE + ZB_SECRET_SIZE] = {1, 2, 3};

static void s_fault (model_t *self, const char *fault)
{
    if (!self->fault)
        self->fault = fault;
}

#define CHECK(condition, fault)    \
    do {                           \
        if (!(condition))          \
            s_fault (self, fault); \
    } while (0)

//  ---------------------------------------------------------------------------
//  The table meta, as the log says

static void s_meta (model_t *self, int at)
{
    static zb_row_t *row[5];
    static const char *const key[5] = {"commit", "lineage", "secret", "pair", "format"};
    static uint64_t memory[5][256];
    node_t *node = &self->node[at];
    zb_found_t found[5];
    zb_lineage_t lineage = {0};
    for (int i = 0; i < node->size; i++) {
        uint8_t serial = node->log[i];
        if (self->raise[serial])
            lineage.epoch[lineage.size++] =
                (zb_epoch_t){.number = self->epoch[serial],
                             .first = (uint64_t) i + 1,
                             .node = self->writer[serial] + 1u,
                             .run = self->run[serial],
                             .heir = self->heir[serial]};
        for (int before = 0; self->absorb[serial] && before < i; before++) {
            uint8_t origin = self->origin[node->log[before]];
            if (origin)
                zb_lineage_absorb (&lineage, self->epoch[origin], self->writer[origin] + 1u, self->run[origin]);
        }
    }
    for (int i = 0; i < 5; i++) {
        row[i] = (zb_row_t *) memory[i];
        found[i].key_size = (uint16_t) strlen (key[i]);
        memcpy (found[i].key, key[i], found[i].key_size);
        found[i].row = row[i];
    }
    assert (lineage.size * ZB_EPOCH_SIZE < sizeof memory[1] - sizeof (zb_row_t));
    zb_put64 (row[0]->data, node->size);
    zb_put64 (row[0]->data + 8, 0);
    row[0]->size = 16;
    row[1]->size = (uint32_t) zb_lineage_encode (&lineage, row[1]->data);
    memcpy (row[2]->data, model_entropy + ZB_PAIR_SIZE, ZB_SECRET_SIZE);
    row[2]->size = ZB_SECRET_SIZE;
    memcpy (row[3]->data, model_entropy, ZB_PAIR_SIZE);
    row[3]->size = ZB_PAIR_SIZE;
    zb_put32 (row[4]->data, 1);
    row[4]->size = 4;
    int rc = zb_role_meta (&node->role, found, node->size ? 5 : 0, self->now);
    assert (rc == 0);
}

void model_role_init (model_t *self, int at)
{
    zb_role_init (&self->node[at].role, at + 1u, true, self->wait, MODEL_SILENCE, MODEL_ACK_LIMIT, model_entropy);
    if (self->witness)
        zb_role_bind (&self->node[at].role);
    self->node[at].role.run = self->copies ? self->serials + 1u : 0;
    if (self->learns)
        zb_role_adapt (&self->node[at].role, MODEL_HEARTBEAT, 0);
    self->node[at].role.life = 0;
    //  Levels are test_role_level's.
    self->node[at].role.noting = self->node[at].role.level.noted = ZB_LEVEL_MOST;
}

//  ---------------------------------------------------------------------------
//  What a role wants

static void s_command (model_t *self, int at, command_t command)
{
    node_t *node = &self->node[at];
    if (node->queued == MODEL_QUEUE) {
        self->over = true;
        return;
    }
    node->queue[node->queued++] = command;
}

//  Gives the store a commit; returns its serial, 0 if a bound was reached.
static uint8_t s_commit (model_t *self, int at)
{
    node_t *node = &self->node[at];
    if (self->serials + 1 >= MODEL_LOG || self->left.commits == 0) {
        self->over = true;
        return 0;
    }
    self->left.commits--;
    uint8_t serial = ++self->serials;
    self->epoch[serial] = node->epoch;
    self->writer[serial] = (uint8_t) at;
    self->raise[serial] = self->absorb[serial] = self->heir[serial] = false;
    self->run[serial] = (uint8_t) zb_lineage_newest (&node->role.lineage).run;
    self->origin[serial] = 0;
    zb_role_closed (&node->role, node->role.closed + 1);
    s_command (self, at, (command_t){.verb = ZB_DO_START, .number = serial});
    return serial;
}

static void s_write (model_t *self, int at, bool raise)
{
    node_t *node = &self->node[at];
    uint8_t serial = s_commit (self, at);
    if (!serial)
        return;
    self->raise[serial] = raise;
    self->heir[serial] = raise && zb_lineage_newest (&node->role.lineage).heir;
    node->serial = raise ? node->serial : serial;
    node->waiting = raise ? node->waiting : (uint8_t) node->role.closed;
}

static void s_carry_out (model_t *self, int at)
{
    node_t *node = &self->node[at];
    zb_do_t effect;
    while (zb_role_next (&node->role, &effect)) {
        command_t command = {.verb = (uint8_t) effect.kind};
        switch (effect.kind) {
        case ZB_DO_START:
        case ZB_DO_RAISE:
            if (effect.kind == ZB_DO_START)
                node->waiting = 0;
            node->leads = true;
            node->epoch = (uint8_t) effect.epoch;
            s_write (self, at, true);
            break;
        case ZB_DO_STOP:
            node->leads = false;
            node->waiting = 0;
            break;
        case ZB_DO_SAVE:
            command.number = (uint8_t) effect.alone;
            command.from = (uint8_t) (effect.alone_from >> ZB_COUNT_BITS);
            command.flag = effect.suspect;
            s_command (self, at, command);
            break;
        case ZB_DO_FOLLOW:
            command.flag = effect.rollback;
            s_command (self, at, command);
            break;
        case ZB_DO_GRANT:
            command.number = (uint8_t) effect.session;
            command.from = (uint8_t) effect.epoch;
            s_command (self, at, command);
            break;
        case ZB_DO_LEAD:
        case ZB_DO_READ:
            s_command (self, at, command);
            break;
        default:
            break;
        }
    }
}

//  ---------------------------------------------------------------------------
//  Stores and their link

static bool s_has (const node_t *node, uint8_t serial, bool synced)
{
    return memchr (node->log, serial, synced ? node->synced : node->size) != NULL;
}

//  Whether what is in the commit is in the log, be it as a replay.
static bool s_holds (const model_t *self, const node_t *node, uint8_t serial, bool synced)
{
    for (int i = 0; i < (synced ? node->synced : node->size); i++)
        if (node->log[i] == serial || self->origin[node->log[i]] == serial)
            return true;
    return false;
}

//  The node whose store leads the session, or could: -1 if not exactly one is a master.
static int s_master (const model_t *self)
{
    bool zero = self->node[0].alive && self->node[0].master, one = self->node[1].alive && self->node[1].master;
    return zero == one ? -1 : one;
}

static bool s_runs (const node_t *node)
{
    return node->alive && !node->paused;
}

//  Whether frames of the session pass.
static bool s_flows (const model_t *self)
{
    return self->session && !self->ended && !self->cut && s_runs (&self->node[0]) && s_runs (&self->node[1]);
}

static void s_end_session (model_t *self)
{
    const node_t *owner = &self->node[self->owner];
    self->ended = self->session && owner->alive && owner->master;
    if (!self->ended)
        self->session = 0;
    self->live = false;
    self->grant_at = 0;
}

static bool s_execute (model_t *self, int at)
{
    node_t *node = &self->node[at];
    if (!s_runs (node) || node->queued == 0)
        return false;
    command_t command = node->queue[0];
    memmove (node->queue, node->queue + 1, sizeof *node->queue * --node->queued);
    switch (command.verb) {
    case ZB_DO_LEAD:
        node->synced = node->size;
        s_end_session (self);
        //  Its generation is a new one: what the other one's consent was given for is over.
        self->node[1 - at].rollback = false;
        node->master = node->complete = true;
        node->diverged = false;
        s_meta (self, at);
        zb_role_led (&node->role, self->now);
        break;
    case ZB_DO_FOLLOW:
        node->synced = node->size;
        node->master = false;
        node->rollback = command.flag;
        node->diverged = node->suspect && !command.flag;
        s_end_session (self);
        if (node->diverged)
            s_meta (self, at);
        if (node->diverged)
            zb_role_diverged (&node->role, self->now);
        break;
    case ZB_DO_SAVE:
        node->alone = command.number;
        node->alone_from = command.from;
        node->suspect = command.flag;
        zb_role_saved (&node->role, self->now);
        break;
    case ZB_DO_START:
        assert (node->master);
        node->log[node->size++] = command.number;
        break;
    case ZB_DO_GRANT:
        if (self->session == command.number && !self->ended && s_master (self) == at) {
            self->grant_at = (uint8_t) (node->size + 1);
            self->grant_epoch = command.from;
        }
        break;
    case ZB_DO_READ:
        s_meta (self, at);
        break;
    default:
        assert (!"a command");
    }
    s_carry_out (self, at);
    return true;
}

//  What the client has and the master lacks goes, if it may; what was answered OK never does.
static bool s_roll_back (model_t *self, node_t *client, const node_t *master)
{
    uint8_t common = 0;
    while (common < client->size && common < master->size && client->log[common] == master->log[common])
        common++;
    bool full = client->suspect;
    if (!client->rollback && client->complete && (full || common < client->size))
        return false;
    CHECK (client->alone == 0 || (common == client->size && !full), "rolled back a node with `alone` on its disk");
    for (int i = full ? 0 : common; i < client->size; i++)
        CHECK (!self->ok[client->log[i]] || s_holds (self, master, client->log[i], false) || (full && self->restored),
               "rolled back what was answered OK");
    if (full) {
        common = 0;
        client->complete = false;
        self->replaced = true;
    }
    client->size = common;
    client->synced = common < client->synced ? common : client->synced;
    return true;
}

static bool s_link (model_t *self, int at)
{
    node_t *master = &self->node[at], *client = &self->node[1 - at];
    bool possible = s_master (self) == at && client->alive && !self->cut && s_runs (master) && s_runs (client);
    if (!possible || (self->session && !self->ended) || client->diverged)
        return false;
    if (!s_roll_back (self, client, master)) {
        client->diverged = true;
        s_meta (self, 1 - at);
        zb_role_diverged (&client->role, self->now);
        s_carry_out (self, 1 - at);
        return true;
    }
    uint8_t number = 1;
    while (number == self->session || number == master->role.session || number == master->role.granted)
        number++;
    self->session = number;
    self->owner = (uint8_t) at;
    self->there = self->grant_at = 0;
    self->ended = self->live = false;
    zb_role_granted (&client->role, false, 0);
    s_carry_out (self, 1 - at);
    zb_role_link (&master->role, false, number, self->now);
    s_carry_out (self, at);
    return true;
}

static bool s_ship (model_t *self, int at)
{
    node_t *master = &self->node[at], *client = &self->node[1 - at];
    if (s_master (self) != at || !s_flows (self) || client->size >= master->size)
        return false;
    client->log[client->size] = master->log[client->size];
    client->synced = ++client->size;
    return true;
}

static bool s_live (model_t *self, int at)
{
    node_t *master = &self->node[at], *client = &self->node[1 - at];
    if (s_master (self) != at || !s_flows (self) || client->size < master->size || self->live)
        return false;
    self->live = true;
    client->complete = true;
    client->suspect = false;
    s_meta (self, 1 - at);
    zb_role_complete (&client->role, self->now);
    s_carry_out (self, 1 - at);
    zb_role_link (&master->role, true, self->session, self->now);
    s_carry_out (self, at);
    return true;
}

static bool s_ack (model_t *self, int at)
{
    node_t *master = &self->node[at], *client = &self->node[1 - at];
    if (s_master (self) != at || !s_flows (self) || self->there >= client->synced)
        return false;
    self->there = client->synced;
    zb_role_durable (&master->role, master->synced, self->there, self->now);
    s_carry_out (self, at);
    return true;
}

static bool s_granted (model_t *self, int at)
{
    node_t *client = &self->node[1 - at];
    if (s_master (self) != at || !s_flows (self) || !self->live || !self->grant_at || client->size + 1 < self->grant_at)
        return false;
    self->grant_at = 0;
    zb_role_granted (&client->role, true, self->grant_epoch);
    s_carry_out (self, 1 - at);
    return true;
}

static bool s_drop (model_t *self, int at)
{
    if (self->owner != at || !s_runs (&self->node[at]) || !self->session || !(self->cut || self->ended))
        return false;
    self->session = 0;
    self->ended = self->live = false;
    self->grant_at = 0;
    zb_role_link (&self->node[at].role, false, 0, self->now);
    s_carry_out (self, at);
    return true;
}

static bool s_sync (model_t *self, int at)
{
    node_t *node = &self->node[at];
    if (!s_runs (node) || !node->master || node->synced == node->size)
        return false;
    node->synced = node->size;
    zb_role_durable (&node->role, node->synced, self->session ? self->there : 0, self->now);
    s_carry_out (self, at);
    return true;
}

//  ---------------------------------------------------------------------------
//  Heartbeats, time and clients

static bool s_send (model_t *self, int at, uint8_t room)
{
    node_t *node = &self->node[at], *peer = &self->node[1 - at];
    if (!s_runs (node) || !peer->alive || self->cut || peer->beats >= room)
        return false;
    zb_beat_t beat;
    zb_role_tell (&node->role, &beat);
    model_pack_beat (peer->beat[peer->beats++], self->now, node->heard_sent, &beat);
    return true;
}

static bool s_forget_beat (node_t *node)
{
    if (node->beats == 0)
        return false;
    memmove (node->beat, node->beat + 1, sizeof node->beat[0] * --node->beats);
    return true;
}

static bool s_hear (model_t *self, int at)
{
    node_t *node = &self->node[at];
    if (!s_runs (node) || node->beats == 0)
        return false;
    zb_beat_t beat;
    int64_t echo;
    model_unpack_beat (node->beat[0], &node->heard_sent, &echo, &beat);
    s_forget_beat (node);
    zb_role_beat (&node->role, &beat, echo, self->now);
    //  Steps of the clock are no gaps of the link.
    node->role.gap_ms = 0;
    memset (node->role.patience.need, 0, sizeof node->role.patience.need);
    s_carry_out (self, at);
    return true;
}

//  The other one has diverged, and waits for this one to go alone and take what it has.
static bool s_begged (const model_t *self, int at)
{
    const node_t *loser = &self->node[1 - at];
    return s_runs (loser) && !self->cut && loser->diverged && zb_role_replays (&loser->role, self->now) &&
           !self->node[at].role.alone;
}

static void s_tick (model_t *self, int at)
{
    node_t *node = &self->node[at];
    zb_role_tick (&node->role, node->leads && (node->waiting || s_begged (self, at)), self->now);
    s_carry_out (self, at);
}

//  Time passes.  Two that run and hear each other exchange heartbeats before their next turn, unless one is deaf to it.
static bool s_time (model_t *self, int deaf)
{
    self->now += MODEL_STEP;
    //  Whoever runs has turned many times meanwhile.
    for (int at = 0; at < 2; at++)
        if (s_runs (&self->node[at]) && !self->node[at].late)
            self->node[at].role.ticked_ms = self->now;
    bool heard = s_runs (&self->node[0]) && s_runs (&self->node[1]) && !self->cut;
    for (int round = 0; round < 4 && heard; round++) {
        int to = 1 - round % 2;
        while (s_hear (self, to))
            ;
        if (to != deaf && s_send (self, 1 - to, MODEL_ROOM))
            s_hear (self, to);
    }
    for (int at = 0; at < 2; at++)
        if (s_runs (&self->node[at]) && !self->node[at].late)
            s_tick (self, at);
    return true;
}

bool model_serves (const model_t *self, int at)
{
    const node_t *node = &self->node[at];
    zb_durable_t durable;
    return s_runs (node) && !node->late && node->leads &&
           zb_role_release (&node->role, self->now, &durable) != ZB_RELEASE_HOLD;
}

static bool s_hello (model_t *self, int at, bool with_token)
{
    node_t *node = &self->node[at];
    if (!s_runs (node) || node->late || (with_token && self->token == 0))
        return false;
    char text[ZB_TOKEN_MAX];
    zb_frame_t frame = {text, 0};
    if (with_token) {
        uint8_t serial = self->token;
        bool found = s_holds (self, &self->node[0], serial, false) || s_holds (self, &self->node[1], serial, false);
        CHECK (found, "a commit that was answered OK is on no disk");
        if (!found)
            return true;
        zb_token_t token = {self->epoch[serial], self->writer[serial] + 1u, self->token_commit,
                            self->ok[serial] == OK_SOLO};
        frame.size = zb_token_format (&token, model_entropy + ZB_PAIR_SIZE, text);
    }
    bool led = node->role.bstar.state == BSTAR_ACTIVE;
    zb_beat_t own;
    zb_role_tell (&node->role, &own);
    bool behind = node->role.heard && zb_beat_ahead (&node->role.peer, &own);
    int code;
    const char *why;
    zb_vote_t vote = zb_role_vote (&node->role, with_token ? &frame : NULL, self->now, &code, &why);
    if (vote == ZB_VOTE_SERVE && with_token)
        CHECK (s_holds (self, node, self->token, false), "serves a client whose commit it lacks");
    if (!led && node->role.bstar.state == BSTAR_ACTIVE) {
        CHECK (node->complete && !node->suspect, "leads with a store that is not whole");
        CHECK (!behind, "leads although it knows that the peer has answered what it lacks");
        CHECK (!self->wait, "goes alone under peer-loss = wait");
    }
    s_carry_out (self, at);
    return true;
}

static bool s_ok (model_t *self, int at)
{
    node_t *node = &self->node[at], *peer = &self->node[1 - at];
    if (!s_runs (node) || node->late || !node->leads || node->waiting == 0)
        return false;
    zb_durable_t durable;
    zb_release_t rule = zb_role_release (&node->role, self->now, &durable);
    uint64_t here = node->role.here, there = node->role.there;
    if (rule == ZB_RELEASE_HOLD || here < node->waiting || (rule == ZB_RELEASE_BOTH && there < node->waiting))
        return false;
    if (rule == ZB_RELEASE_BOTH)
        //  The peer's disk may have been set back since it confirmed.
        CHECK (s_has (node, node->serial, true) && (self->restored || s_has (peer, node->serial, true)),
               "OK both, but not on both disks");
    else {
        CHECK (s_has (node, node->serial, true), "OK solo, but not on the disk");
        CHECK (node->alone, "OK solo without `alone` on the disk");
        CHECK (!self->wait, "OK solo under peer-loss = wait");
        CHECK (!self->witness || self->promoted ||
                   (self->record.state == WITNESS_HELD && self->record.holder == at + 1u),
               "OK solo without the witness's consent");
    }
    self->ok[node->serial] = rule == ZB_RELEASE_BOTH ? OK_BOTH : OK_SOLO;
    self->token = node->serial;
    self->token_commit = node->waiting;
    node->waiting = 0;
    return true;
}

static bool s_ask (model_t *self, int at, bool heard)
{
    node_t *node = &self->node[at];
    witness_event_t event;
    uint64_t epoch;
    if (!s_runs (node) || node->late || !zb_role_wish (&node->role, &event, &epoch))
        return false;
    witness_record_t before = self->record;
    const witness_row_t *row = witness_step (&self->record, event, at + 1u, epoch);
    if (!heard)
        return before.state != self->record.state || before.epoch != self->record.epoch;
    zb_role_ruled (&node->role, row->verdict, &self->record);
    s_carry_out (self, at);
    return true;
}

static bool s_put_message (model_t *self, int at)
{
    node_t *node = &self->node[at];
    if (!s_runs (node) || node->late || !node->leads || node->waiting || self->left.puts == 0 ||
        zb_role_drains (&node->role))
        return false;
    self->left.puts--;
    s_write (self, at, false);
    return true;
}

//  The loser sends the next commit that the winner lacks; when all are on the winner's disk, its epochs are absorbed
//  there; when that is, too, the loser is told.
static bool s_replay (model_t *self, int at)
{
    node_t *loser = &self->node[at], *winner = &self->node[1 - at];
    bool talk = s_runs (loser) && !loser->late && s_runs (winner) && !winner->late && !self->cut;
    if (!talk || !loser->diverged || !zb_role_replays (&loser->role, self->now) || !winner->leads || !winner->alone ||
        !model_serves (self, 1 - at) || self->left.commits == 0 || winner->queued == MODEL_QUEUE)
        return false;
    //  What the loser has must not be above what the winner gives.
    zb_epoch_t above = zb_lineage_newest (&loser->role.lineage), own = zb_lineage_newest (&winner->role.lineage);
    if (zb_epoch_base (above.number, above.node) >= zb_epoch_base (own.number, own.node) ||
        !zb_lineage_meets (&winner->role.lineage, &loser->role.lineage))
        return false;
    bool synced = winner->queued == 0 && winner->synced == winner->size;
    for (int i = 0; i < loser->size; i++) {
        uint8_t serial = loser->log[i], origin = self->origin[serial] ? self->origin[serial] : serial;
        if (s_holds (self, winner, serial, false) || s_holds (self, winner, origin, false))
            continue;
        CHECK (!self->ok[serial] || !zb_lineage_holds (&winner->role.lineage, winner->role.closed, self->epoch[serial],
                                                       self->writer[serial] + 1u, (uint64_t) i + 1),
               "the winner takes for known what it has never had");
        if (winner->queued)
            return false;
        uint8_t copy = s_commit (self, 1 - at);
        if (copy)
            self->origin[copy] = origin;
        return copy != 0;
    }
    zb_epoch_t newest = zb_lineage_newest (&loser->role.lineage);
    if (!synced)
        return false;
    if (!zb_lineage_absorbed (&winner->role.lineage, newest.number, newest.node)) {
        uint8_t absorb = s_commit (self, 1 - at);
        if (absorb) {
            self->absorb[absorb] = true;
            zb_role_absorb (&winner->role, &loser->role.lineage);
            s_carry_out (self, 1 - at);
        }
        return absorb != 0;
    }
    zb_role_merged (&loser->role);
    s_carry_out (self, at);
    return true;
}

//  ---------------------------------------------------------------------------
//  Faults

static bool s_kill (model_t *self, int at)
{
    node_t *node = &self->node[at];
    if (!node->alive || self->left.kills == 0)
        return false;
    self->left.kills--;
    node_t disk = {.size = node->synced,
                   .synced = node->synced,
                   .complete = node->complete,
                   .suspect = node->suspect,
                   .alone = node->alone,
                   .alone_from = node->alone_from};
    memcpy (disk.log, node->log, node->synced);
    disk.copy = node->copy;
    *node = disk;
    model_role_init (self, at);
    self->node[1 - at].heard_sent = 0;
    s_end_session (self);
    return true;
}

static bool s_copy (model_t *self, int at)
{
    node_t *node = &self->node[at];
    if (self->left.copies == 0 || node->size == 0)
        return false;
    self->left.copies--;
    node->copy = (copy_t){.size = node->synced,
                          .made = true,
                          .complete = node->complete,
                          .suspect = node->suspect,
                          .alone = node->alone,
                          .alone_from = node->alone_from};
    memcpy (node->copy.log, node->log, node->synced);
    return true;
}

//  What was answered OK and is on no disk any more was lost by whoever set it back.
static bool s_restore (model_t *self, int at)
{
    node_t *node = &self->node[at];
    if (node->alive || !node->copy.made)
        return false;
    const copy_t *copy = &node->copy;
    memcpy (node->log, copy->log, copy->size);
    node->size = node->synced = copy->size;
    node->complete = copy->complete;
    node->suspect = copy->suspect;
    node->alone = copy->alone;
    node->alone_from = copy->alone_from;
    node->copy = (copy_t){.size = 0};
    self->strained = self->restored = true;
    for (uint8_t serial = 1; serial <= self->serials; serial++)
        if (!s_holds (self, &self->node[0], serial, true) && !s_holds (self, &self->node[1], serial, true)) {
            self->ok[serial] = OK_NOT;
            self->token = self->token == serial ? 0 : self->token;
        }
    return true;
}

static bool s_start (model_t *self, int at, bool suspect)
{
    node_t *node = &self->node[at];
    if (node->alive || (suspect && self->left.suspects == 0))
        return false;
    if (suspect) {
        self->left.suspects--;
        node->suspect = true;
    }
    node->alive = true;
    model_role_init (self, at);
    s_meta (self, at);
    zb_role_opened (&node->role, node->size == 0, node->complete, node->suspect, node->alone,
                    node->alone ? (uint64_t) node->alone_from << ZB_COUNT_BITS | 1 : 0, self->now);
    zb_role_tick (&node->role, false, self->now);
    s_carry_out (self, at);
    return true;
}

static bool s_spend (uint8_t *left, bool *flag, bool value)
{
    if (*flag == value || (value && *left == 0))
        return false;
    *left = (uint8_t) (*left - value);
    *flag = value;
    return true;
}

static bool s_cut (model_t *self, bool cut)
{
    if (!s_spend (&self->left.cuts, &self->cut, cut))
        return false;
    self->strained = true;
    if (cut)
        self->node[0].beats = self->node[1].beats = 0;
    return true;
}

static bool s_pause (model_t *self, int at, bool pause)
{
    node_t *node = &self->node[at];
    if (!node->alive || !s_spend (&self->left.pauses, &node->paused, pause))
        return false;
    self->strained = true;
    node->late = true;
    return true;
}

//  An operator's word: that this one shall not lead, or that it shall.
static bool s_operate (model_t *self, int at, bool promote)
{
    node_t *node = &self->node[at];
    uint8_t *left = promote ? &self->left.promotions : &self->left.yields;
    int code;
    if (!s_runs (node) || node->late || *left == 0)
        return false;
    const char *why =
        promote ? zb_role_promote (&node->role, self->now, &code) : zb_role_yield (&node->role, self->now, &code);
    //  Of a broker that has a witness, the first word is passed on to it, and the second one counts.
    bool passed =
        why && promote && self->witness && node->role.consent.word == WITNESS_FORCE && node->role.consent.asked;
    if (why && node->role.todo_size == 0 && !passed)
        return false;
    *left = (uint8_t) (*left - !passed);
    self->strained = self->strained || promote;
    self->promoted = self->promoted || promote;
    s_carry_out (self, at);
    return true;
}

static bool s_act (model_t *self, act_t act, int at)
{
    node_t *node = &self->node[at], *peer = &self->node[1 - at];
    switch (act) {
    case ACT_EXECUTE:
        return s_execute (self, at);
    case ACT_SYNC:
        return s_sync (self, at);
    case ACT_LINK:
        return s_link (self, at);
    case ACT_SHIP:
        return s_ship (self, at);
    case ACT_LIVE:
        return s_live (self, at);
    case ACT_ACK:
        return s_ack (self, at);
    case ACT_GRANTED:
        return s_granted (self, at);
    case ACT_DROP:
        return s_drop (self, at);
    case ACT_SEND:
        return s_send (self, at, self->left.room);
    case ACT_HEAR:
        return s_hear (self, at);
    case ACT_DEAD:
        if (!s_runs (node) || peer->alive || self->cut || node->role.dead || node->role.heard_ms == 0)
            return false;
        zb_role_dead (&node->role, self->now);
        s_carry_out (self, at);
        return true;
    case ACT_TURN:
        if (!s_runs (node) || !node->late)
            return false;
        node->late = false;
        s_tick (self, at);
        return true;
    case ACT_HELLO:
    case ACT_TOKEN:
        return s_hello (self, at, act == ACT_TOKEN);
    case ACT_PUT:
        return s_put_message (self, at);
    case ACT_OK:
        return s_ok (self, at);
    case ACT_ASK:
    case ACT_UNHEARD:
        return self->witness && s_ask (self, at, act == ACT_ASK);
    case ACT_REPLAY:
        return s_replay (self, at);
    case ACT_TIME:
        return at == 0 && !(node->late && s_runs (node)) && !(peer->late && s_runs (peer)) && s_time (self, -1);
    case ACT_KILL:
        return s_kill (self, at);
    case ACT_START:
    case ACT_SUSPECT:
        return s_start (self, at, act == ACT_SUSPECT);
    case ACT_PAUSE:
    case ACT_RESUME:
        return s_pause (self, at, act == ACT_PAUSE);
    case ACT_LOSE:
        if (self->left.losses == 0 || !s_forget_beat (node))
            return false;
        self->left.losses--;
        return true;
    case ACT_CUT:
    case ACT_HEAL:
        return at == 0 && s_cut (self, act == ACT_CUT);
    case ACT_DEAF:
        if (self->left.deafs == 0 || self->cut || !s_runs (node) || !s_runs (peer) || node->late || peer->late)
            return false;
        self->left.deafs--;
        self->strained = true;
        return s_time (self, 1 - at);
    case ACT_YIELD:
    case ACT_PROMOTE:
        return s_operate (self, at, act == ACT_PROMOTE);
    case ACT_COPY:
        return s_copy (self, at);
    case ACT_RESTORE:
        return s_restore (self, at);
    default:
        return false;
    }
}

//  ---------------------------------------------------------------------------
//  What must hold

static void s_check_disks (model_t *self)
{
    for (uint8_t serial = 1; serial <= self->serials; serial++) {
        bool zero = s_holds (self, &self->node[0], serial, true), one = s_holds (self, &self->node[1], serial, true);
        bool replayed = s_holds (self, &self->node[1 - self->writer[serial]], serial, true);
        bool mine = self->writer[serial] ? one : zero;
        if (self->ok[serial] == OK_BOTH)
            CHECK (self->replaced || self->restored ? zero || one : zero && one, "what was answered `both` has left a disk");
        if (self->ok[serial] == OK_SOLO)
            CHECK (mine || replayed, "what was answered `solo` has left its disk");
    }
}

void model_check (model_t *self)
{
    s_check_disks (self);
    //  An older copy of a disk may say that it was alone: then it was.
    CHECK (!self->witness || self->promoted || self->restored || !self->node[0].alone || !self->node[1].alone,
           "both are alone, beside a witness");
    bool serves[2] = {model_serves (self, 0), model_serves (self, 1)};
    for (int at = 0; at < 2; at++) {
        const node_t *node = &self->node[at];
        if (!node->alive)
            continue;
        zb_beat_t own;
        zb_role_tell (&node->role, &own);
        if (serves[at] && node->role.heard && zb_beat_ahead (&node->role.peer, &own))
            CHECK (zb_beat_ahead (&own, &node->role.peer), "serves although it knows that the peer has answered more");
        if (serves[at])
            CHECK (node->complete && !node->suspect, "serves from a store that is not whole");
        for (uint8_t serial = 1; serial <= self->serials && !self->strained; serial++) {
            if (self->ok[serial] && (serves[at] || node->role.in_step))
                CHECK (s_holds (self, node, serial, false),
                       serves[at] ? "serves without what was answered OK" : "may lead without what was answered OK");
        }
        if (!self->strained)
            CHECK (!node->role.diverged || node->suspect || !node->alone, "a split, but nothing was strained");
    }
    if (serves[0] && serves[1]) {
        CHECK (self->strained, "two serve, but nothing was strained");
        CHECK (self->node[0].alone || self->node[1].alone, "two serve, and none has `alone` on its disk");
        for (int at = 0; at < 2; at++)
            CHECK (self->node[at].role.phase != ZB_PHASE_ALONE || self->node[at].alone, "alone, but not on the disk");
    }
}

bool model_act (model_t *self, act_t act, int at)
{
    if (!s_act (self, act, at))
        return false;
    bool more = self->left.quick;
    while (more) {
        more = self->ended && (s_act (self, ACT_DROP, 0) || s_act (self, ACT_DROP, 1));
        for (act_t quick = ACT_EXECUTE; quick <= ACT_GRANTED; quick++)
            for (int node = 0; node < 2; node++)
                more = s_act (self, quick, node) || more;
    }
    return true;
}

const char *model_act_name (act_t act)
{
    static const char *const names[ACTS] = {
        "execute", "sync",  "link",   "ship", "live", "ack",  "granted", "drop",   "send",   "hear", "dead",
        "turn",    "hello", "token",  "put",  "ok",   "ask",  "unheard", "replay", "time",   "kill", "start",
        "suspect", "pause", "resume", "lose", "cut",  "heal", "deaf",    "yield",  "promote",
        "copy",    "restore"};
    return names[act];
}

static void s_print_node (const model_t *self, int at)
{
    const node_t *node = &self->node[at];
    printf ("   %c ", "PB"[at]);
    for (int i = 0; i < node->size; i++)
        printf ("%s%d:%d%c%s",
                i == node->synced ? "|"
                : i               ? ","
                                  : "",
                node->log[i], self->epoch[node->log[i]], "PB"[self->writer[node->log[i]]],
                self -> raise[node->log[i]] ? "^" : "");
    if (node->alone)
        printf (" alone=%d", node->alone);
    if (!node->alive) {
        printf (" down\n");
        return;
    }
    const zb_role_t *role = &node->role;
    printf (" %s/%s%s%s%s%s%s%s%s here=%d there=%d closed=%d mark=%d alone=%d lineage=",
            bstar_state_name (role->bstar.state), zb_phase_name (role->phase), node->master ? " master" : "",
            role->in_step ? " in-step" : "", role->settled ? " settled" : "", role->live ? " live" : "",
            node->diverged ? " diverged" : "", node->paused ? " paused" : "", model_serves (self, at) ? " SERVES" : "",
            (int) role->here, (int) role->there, (int) role->closed, (int) role->mark, (int) role->alone);
    for (size_t i = 0; i < role->lineage.size; i++)
        printf ("%s%d%c", i ? "," : "", (int) role->lineage.epoch[i].number, "?PB"[role->lineage.epoch[i].node]);
    printf (" queue=");
    for (int i = 0; i < node->queued; i++)
        printf ("%d(%d) ", node->queue[i].verb, node->queue[i].number);
    printf ("beats=%d consent=%s,%d,%d,%d\n", node->beats, zb_consent_name (&role->consent), (int) role->consent.given,
            (int) role->consent.asked, (int) role->consent.seen);
}

void model_print (const model_t *self)
{
    if (self->witness)
        printf ("     witness: %s %c %d\n", witness_state_name (self->record.state), "?PB"[self->record.holder],
                (int) self -> record.epoch);
    printf ("     %s session=%d%s%s there=%d grant=%d token=%d%s\n", self->cut ? "CUT" : "", self->session,
            self->ended ? " ended" : "", self->live ? " live" : "", self->there, self->grant_at, self->token,
            self->over ? " OVER" : "");
    s_print_node (self, 0);
    s_print_node (self, 1);
}

void model_init (model_t *self, const bounds_t *bounds, bool wait, bool witness)
{
    memset (self, 0, sizeof *self);
    self->now = 1000 * MODEL_STEP;
    self->wait = wait;
    self->witness = witness;
    self->left = *bounds;
    self->copies = bounds->copies;
    self->learns = bounds->learns;
    model_role_init (self, 0);
    model_role_init (self, 1);
}
