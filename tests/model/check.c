/*  =========================================================================
    check - what must hold of the model of a pair across splits

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/queue/view.h"
#include "core/queue/rows.h"
#include "split.h"
#include "unit/role_pack.h"

#define QUEUE "q"
#define ROUNDS 120 //  a peer that was lost again and again is taken back after 30 seconds
#define ITEMS 60   //  of one replay, at most

//  ---------------------------------------------------------------------------
//  What is in a store

static zb_row_t *s_row (const fake_row_t *from)
{
    zb_row_t *row = zb_row_new (from->size + 1);
    memcpy (row->data, from->bytes + from->key_size, from->size);
    row->size = (uint32_t) from->size;
    return row;
}

static void s_count_row (const fake_tables_t *tables, const fake_row_t *found, uint64_t mark, content_t *content)
{
    uint64_t last = zb_get64 (found->bytes + 4);
    if (last <= mark)
        return;
    uint8_t key[ZB_ACKS_KEY_SIZE];
    zb_acks_key (zb_get32 (found->bytes), last, key);
    const fake_row_t *acks = fake_tables_get (tables, ZB_ACKS, key, sizeof key);
    zb_row_t *row = s_row (found), *bits = acks ? s_row (acks) : NULL;
    zb_view_t *view = zb_view_of (row, last, bits);
    assert (view);
    for (uint32_t index = 0; index < view->places->count; index++) {
        if (zb_view_is_done (view, index))
            continue;
        int body = *(const char *) zb_places_body (view->places, index).data - 'a';
        assert (body >= 0 && body < SPLIT_BODIES);
        if (content->count[body] < SPLIT_IDS)
            content->id[body][content->count[body]++] = zb_places_id (view->places, index);
    }
    zb_view_destroy (&view);
    zb_row_unref (&row);
    zb_row_unref (&bits);
}

void split_content (const fake_tables_t *tables, content_t *content)
{
    memset (content, 0, sizeof *content);
    const fake_row_t *queue = fake_tables_get (tables, ZB_QUEUES, QUEUE, 1);
    if (!queue)
        return;
    content->queue = true;
    zb_queue_row_t options;
    zb_row_t *row = s_row (queue);
    int rc = zb_queue_row_decode (&options, row);
    assert (rc == 0);
    zb_row_unref (&row);
    uint8_t key[ZB_TOMB_KEY_SIZE];
    zb_tomb_key (options.id, key);
    const fake_row_t *tomb = fake_tables_get (tables, ZB_QUEUES, key, sizeof key);
    uint64_t mark = tomb ? zb_get64 (tomb->bytes + tomb->key_size) : 0;
    for (size_t index = 0; index < tables->table[ZB_LOG].rows; index++) {
        const fake_row_t *found = tables->table[ZB_LOG].row[index];
        if (zb_get32 (found->bytes) == options.id)
            s_count_row (tables, found, mark, content);
    }
}

//  ---------------------------------------------------------------------------
//  In every state

//  Notes the ids of what is there, and which of them are delivered now.
static void s_note (split_t *self, int at, const content_t *content)
{
    const node_t *node = &self->node[at];
    bool given = split_serves (self, at) && (node->rule == ZB_RELEASE_HERE || node->role.there >= node->role.closed);
    for (int index = 0; index < SPLIT_BODIES; index++) {
        body_t *body = &self->body[index];
        for (int copy = 0; copy < content->count[index]; copy++) {
            int which = 0;
            while (which < body->ids && body->id[which] != content->id[index][copy])
                which++;
            if (which == SPLIT_IDS) {
                self->over = true;
                continue;
            }
            if (which == body->ids)
                body->id[body->ids++] = content->id[index][copy];
            body->known[which] = body->known[which] || given;
        }
    }
}

void split_check (split_t *self)
{
    for (int at = 0; at < 2; at++) {
        content_t content;
        split_content (&self->node[at].tables, &content);
        s_note (self, at, &content);
        for (int index = 0; index < SPLIT_BODIES; index++)
            if (content.count[index] > 1)
                split_fault (self, "a store has one numbered PUT twice");
    }
    //  What a disk that was set back has led in may be nowhere any more.
    for (int at = 0; at < 2 && !self->restored; at++)
        if (split_serves (self, at) && !self->node[at].disk.alone && split_is_stale (&self->node[at].role))
            split_fault (self, "serves, was not alone, and knows that its peer has led in an epoch that it lacks");
    if (split_serves (self, 0) && split_serves (self, 1)) {
        if (!self->node[0].disk.alone && !self->node[1].disk.alone)
            split_fault (self, "two serve, and none has `alone` on its disk");
    }
}

//  ---------------------------------------------------------------------------
//  At rest

static bool s_is_paired (const split_t *self)
{
    for (int at = 0; at < 2; at++) {
        const node_t *node = &self->node[at], *peer = &self->node[1 - at];
        if (split_serves (self, at) && !split_serves (self, 1 - at) && node->role.phase == ZB_PHASE_PAIRED &&
            peer->role.in_step && peer->disk.size == node->disk.size && self->there == node->disk.size)
            return true;
    }
    return false;
}

//  One serves, and the other one holds what it lacks.  A disk was set back, so that the two have raised one epoch
//  twice, and nothing can be replayed: the loser is told so, waits for an operator, and keeps what it has.
static bool s_needs_operator (const split_t *self)
{
    for (int at = 0; at < 2; at++) {
        const node_t *loser = &self->node[1 - at];
        if (!split_serves (self, at) || !loser->role.diverged || !loser->replayer ||
            zb_lineage_meets (&self->node[at].role.lineage, &loser->role.lineage))
            continue;
        zb_replayer_stats_t stats;
        zb_replayer_stats (loser->replayer, &stats);
        return self->restored && strstr (stats.waits, "operator");
    }
    return false;
}

//  Then nothing is lost: it is with one of the two.
static void s_check_kept (split_t *self)
{
    content_t content[2];
    for (int at = 0; at < 2; at++)
        split_content (&self->node[at].tables, &content[at]);
    for (int index = 0; index < SPLIT_BODIES; index++) {
        const body_t *body = &self->body[index];
        bool there = content[0].count[index] || content[1].count[index];
        if (body->ok && !there && !body->done && !body->maybe && !body->aside)
            split_fault (self, "what was answered OK is lost, while an operator is waited for");
    }
}

static bool s_are_equal (const fake_tables_t *one, const fake_tables_t *other)
{
    for (int table = 0; table < ZB_TABLES; table++) {
        if (one->table[table].rows != other->table[table].rows)
            return false;
        for (size_t index = 0; index < one->table[table].rows; index++) {
            const fake_row_t *row = one->table[table].row[index], *twin = other->table[table].row[index];
            if (row->key_size != twin->key_size || row->size != twin->size ||
                memcmp (row->bytes, twin->bytes, row->size + row->key_size))
                return false;
        }
    }
    return true;
}

//  A message whose copy of this id is there at rest was said to be done.  README: of one that was stored on both sides, the
//  copy that nobody has acknowledged may come.
static bool s_comes_back (const body_t *body, uint64_t id)
{
    if (!body->done || body->excused)
        return false;
    for (int which = 0; which < body->ids; which++)
        if (body->id[which] == id && body->gone[which])
            return true;
    return body->ids == 1;
}

//  All that was answered, and nothing else.
static void s_check_rest (split_t *self)
{
    if (!s_are_equal (&self->node[0].tables, &self->node[1].tables))
        split_fault (self, "a pair at rest, whose stores differ");
    content_t content;
    split_content (&self->node[0].tables, &content);
    for (int index = 0; index < SPLIT_BODIES; index++) {
        const body_t *body = &self->body[index];
        if (body->ok && !content.count[index] && !body->done && !body->maybe && !body->aside)
            split_fault (self, "what was answered OK is lost");
        if (content.count[index] && body->aside)
            split_fault (self, "a message is put aside, and stored");
        if (content.count[index] && s_comes_back (body, content.id[index][0]))
            split_fault (self, "what was acknowledged, purged or deleted is there again");
    }
    for (int index = 0; index < SPLIT_ASKS; index++)
        if (self->ask[index].kind && self->node[self->ask[index].at].role.phase == ZB_PHASE_PAIRED)
            split_fault (self, "a pair at rest, and a client waits for its answer");
}

static bool s_is_among (const mark_t *mark, size_t marks, mark_t one)
{
    for (size_t index = 0; index < marks; index++)
        if (mark[index].one == one.one && mark[index].other == one.other)
            return true;
    return false;
}

//  Half a second in which nothing breaks, clients ask, and a loser sends all that it has.
static void s_round (split_t *self)
{
    split_time (self);
    split_check (self);
    for (int at = 0; at < 2; at++) {
        split_act (self, (act_t){ACT_VOTE, (uint8_t) at, 0});
        for (int item = 0; item < ITEMS && split_replay (self, at, false) && self->node[at].begun; item++)
            split_check (self);
    }
}

static rest_t s_come_to_rest (split_t *self, bool talk, const rests_t *rests, mark_t path[ROUNDS], size_t *length)
{
    for (*length = 0; *length < ROUNDS && !self->over && !self->fault; ++*length) {
        path[*length] = split_mark (self);
        if (rests && rests->known (path[*length]))
            return REST_KNOWN;
        if (talk)
            split_print (self);
        if (s_is_paired (self)) {
            s_check_rest (self);
            return self->fault ? REST_FAULT : REST_PAIRED;
        }
        //  Nothing changes any more.
        if (!split_is_patient (self) && s_is_among (path, *length, path[*length]))
            break;
        s_round (self);
    }
    if (self->over)
        return REST_KNOWN;
    bool waits = !self->fault && s_needs_operator (self);
    if (waits)
        s_check_kept (self);
    else
        split_fault (self, "the pair does not come to rest, and waits for nobody");
    return self->fault ? REST_FAULT : REST_OPERATOR;
}

rest_t split_recover (split_t *self, bool talk, const rests_t *rests)
{
    mark_t path[ROUNDS];
    size_t length;
    self->left = (bounds_t){.spread = self->left.spread};
    self->cut = self->mute = false;
    for (int at = 0; at < 2; at++)
        split_act (self, (act_t){ACT_START, (uint8_t) at, 0});
    rest_t rest = s_come_to_rest (self, talk, rests, path, &length);
    for (size_t index = 0; rests && rest != REST_FAULT && !self->over && index < length; index++)
        rests->learn (path[index]);
    return rest;
}

//  ---------------------------------------------------------------------------
//  A state's hash

static void s_hash (mark_t *mark, const void *data, size_t size)
{
    const uint8_t *byte = data;
    for (size_t index = 0; index < size; index += 8) {
        uint64_t word = 0;
        memcpy (&word, byte + index, size - index < 8 ? size - index : 8);
        mark->one = (mark->one ^ word) * 0x9fb21c651e98df25u;
        mark->one ^= mark->one >> 29;
        mark->other = (mark->other + word + 1) * 0xff51afd7ed558ccdu;
        mark->other ^= mark->other >> 32;
    }
    mark->one = (mark->one ^ size) * 0x9fb21c651e98df25u;
}

static void s_hash_number (mark_t *mark, uint64_t number)
{
    s_hash (mark, &number, sizeof number);
}

//  Uptimes are not looked at: they decide which names are forgotten after days.
static void s_hash_tables (mark_t *mark, const fake_tables_t *tables)
{
    for (int table = 0; table < ZB_TABLES; table++) {
        s_hash_number (mark, tables->table[table].rows);
        for (size_t index = 0; index < tables->table[table].rows; index++) {
            const fake_row_t *row = tables->table[table].row[index];
            size_t size = row->key_size + row->size;
            bool uptime = table == ZB_META && row->key_size == strlen (ZB_META_UPTIME) &&
                          memcmp (row->bytes, ZB_META_UPTIME, row->key_size) == 0;
            bool name = table == ZB_PRODUCERS && row->size <= ZB_PRODUCER_ROW_SIZE;
            //  Instance and last number come before it.
            s_hash (mark, row->bytes, uptime ? row->key_size : name ? row->key_size + 16 : size);
            if (name && row->size > 24)
                s_hash (mark, row->bytes + row->key_size + 24, row->size - 24);
        }
    }
}

static uint8_t s_common (const disk_t *one, const disk_t *other)
{
    uint8_t common = 0;
    while (common < one->size && common < other->size && one->log[common] == other->log[common])
        common++;
    return common;
}

//  Runs as they are packed: small.
static void s_small_runs (zb_epoch_t *epoch, size_t size, unsigned shift)
{
    for (size_t index = 0; index < size; index++)
        epoch[index].run >>= shift;
}

static void s_hash_role (mark_t *mark, const split_t *self, const zb_role_t *from)
{
    static zb_role_t role;
    uint8_t data[ROLE_PACKED];
    unsigned shift = self->left.spread ? 26 : 0;
    role = *from;
    role.run >>= shift;
    s_small_runs (role.lineage.epoch, role.lineage.size, shift);
    s_small_runs (role.peer.tail.epoch, role.peer.tail.size, shift);
    s_small_runs (role.known.tail.epoch, role.known.tail.size, shift);
    s_hash (mark, data, role_pack (&role, self->now, data));
}

static uint64_t s_age (const split_t *self, int64_t time, int64_t most)
{
    int64_t age = (self->now - time) / SPLIT_STEP;
    return time == 0 ? 255 : (uint64_t) (age > most ? most : age);
}

static void s_hash_node (mark_t *mark, split_t *self, int at)
{
    node_t *node = &self->node[at];
    const node_t *peer = &self->node[1 - at];
    const disk_t *disk = &node->disk, *copy = &node->copy;
    uint64_t words[] = {
        node->alive,    node->as,         disk->size,        disk->complete,     disk->suspect,
        disk->alone,    disk->alone_from, disk->as,          node->master,       node->diverged,
        node->rollback, node->begun,      node->asked_epoch, node->carrier != 0, s_common (disk, &peer->disk)};
    s_hash (mark, words, sizeof words);
    if (node->tables_mark.one == 0)
        s_hash_tables (&node->tables_mark, &node->tables);
    s_hash (mark, &node->tables_mark, sizeof node->tables_mark);
    s_hash_number (mark, copy->made);
    if (copy->made) {
        uint64_t more[] = {copy->size, copy->complete, copy->suspect, copy->alone, copy->alone_from, copy->as};
        uint8_t own = s_common (copy, disk), other = s_common (copy, &peer->disk);
        s_hash (mark, more, sizeof more);
        s_hash_number (mark, own);
        s_hash_number (mark, other);
        uint8_t common = own > other ? own : other;
        s_hash (mark, copy->log + common, (size_t) (copy->size - common));
    }
    if (!node->alive)
        return;
    s_hash_role (mark, self, &node->role);
    //  The engine asks for five seconds whether the loser goes on.
    uint64_t live[] = {s_age (self, node->heard_sent, 4),
                       s_age (self, node->begged, 12),
                       node->todos,
                       zb_engine_leads (node->engine),
                       node->rule,
                       zb_engine_client_waits (node->engine),
                       zb_engine_loser_waits (node->engine)};
    s_hash (mark, live, sizeof live);
}

static void s_hash_clients (mark_t *mark, const split_t *self)
{
    uint64_t words[] = {self->next, self->instance, self->copies ? self->runs : 0, self->promoted, self->restored};
    s_hash (mark, words, sizeof words);
    s_hash (mark, self->token, strlen (self->token));
    for (int index = 0; index < SPLIT_ASKS; index++) {
        const ask_t *ask = &self->ask[index];
        uint64_t more[] = {ask->kind, ask->at, ask->covers, ask->deaf, ask->put, ask->id[0], ask->id[1], ask->id[2]};
        if (ask->kind)
            s_hash (mark, more, sizeof more);
    }
    for (int index = 0; index < SPLIT_BODIES; index++) {
        const body_t *body = &self->body[index];
        uint64_t more[] = {body->ok, body->done, body->maybe, body->excused, body->aside, body->ids};
        s_hash (mark, more, sizeof more);
        for (int which = 0; which < body->ids; which++) {
            uint64_t each[] = {body->id[which], body->known[which], body->gone[which]};
            s_hash (mark, each, sizeof each);
        }
    }
}

mark_t split_mark (split_t *self)
{
    mark_t mark = {0x9e3779b97f4a7c15u, 0xc2b2ae3d27d4eb4fu};
    s_hash_node (&mark, self, 0);
    s_hash_node (&mark, self, 1);
    s_hash_clients (&mark, self);
    uint64_t words[] = {self->cut,   self->mute, self->session, self->owner,
                        self->ended, self->live, self->there,   self->grant};
    s_hash (&mark, words, sizeof words);
    s_hash (&mark, &self->left, sizeof self->left);
    mark.one |= 1;
    return mark;
}

//  ---------------------------------------------------------------------------
//  A state, in lines

static void s_print_ids (const char *word, const body_t *body, const bool *flag)
{
    for (int which = 0; which < body->ids; which++)
        if (!flag || flag[which])
            printf (" %s%llu%c:%llu", word, (unsigned long long) zb_epoch_number (body->id[which]),
                    "?pb"[zb_epoch_node (body->id[which])],
                    (unsigned long long) (body->id[which] - zb_epoch_base (zb_epoch_number (body->id[which]),
                                                                           zb_epoch_node (body->id[which]))));
}

static void s_print_node (const split_t *self, int at)
{
    const node_t *node = &self->node[at];
    content_t content;
    split_content (&node->tables, &content);
    printf ("     %c %3d commits%s alone=%llu", "PB"[at], node -> disk.size, content.queue ? "," : ", no queue,",
            (unsigned long long) node->disk.alone);
    for (int index = 0; index < SPLIT_BODIES; index++)
        if (content.count[index])
            printf (" %c%s", 'a' + index, content.count[index] > 1 ? "(twice)" : "");
    if (!node->alive) {
        printf (" down\n");
        return;
    }
    const zb_role_t *role = &node->role;
    printf (" %s/%s%s%s%s%s lineage", bstar_state_name (role->bstar.state), zb_phase_name (role->phase),
            role->in_step ? " in-step" : "", role->diverged ? " diverged" : "",
            split_serves (self, at) ? " SERVES" : "", node->begun ? " replays" : "");
    for (size_t index = 0; index < role->lineage.size; index++)
        printf ("%c%llu%c%s", index ? ',' : '=', (unsigned long long) role->lineage.epoch[index].number,
                "?pb"[role->lineage.epoch[index].node], role -> lineage.epoch[index].first ? "" : "(absorbed)");
    printf ("\n");
}

void split_print (const split_t *self)
{
    s_print_node (self, 0);
    s_print_node (self, 1);
    printf ("     %snext PUT %d, token %.12s;",
            self->cut    ? "CUT, "
            : self->mute ? "MUTE, "
                         : "",
            self->next, self->token);
    for (int index = 0; index < SPLIT_BODIES; index++) {
        const body_t *body = &self->body[index];
        printf (" %c%s%s%s%s%s", 'a' + index, body->ok ? " OK" : "", body->done ? " done" : "",
                body->maybe ? " maybe" : "", body->excused ? " excused" : "", body->aside ? " aside" : "");
        s_print_ids ("", body, NULL);
        s_print_ids ("done ", body, body->gone);
        printf (";");
    }
    printf ("\n");
}
