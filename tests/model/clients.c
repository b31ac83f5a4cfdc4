/*  =========================================================================
    clients - what clients and the loser of a split say, and what they are answered

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "split.h"

#define QUEUE "q"
#define NAME "till"
#define VOTES 4

static const zb_limits_t s_limits = ZB_LIMITS_DEFAULT;
//  The messages of each PUT.
static const uint8_t s_covers[SPLIT_PUTS + 1] = {0, 1, 2 | 4};
static const char *const s_text[SPLIT_BODIES] = {"a", "b", "c"};

//  ---------------------------------------------------------------------------
//  A conversation.  Each connection is a new one.

static void s_say (split_t *self, int at, unsigned client, const zb_frame_t *frame, size_t frames)
{
    zb_request_t request;
    zb_spans_t ids = {NULL, 0, 0};
    const char *why;
    char routing[16];
    snprintf (routing, sizeof routing, "%u", client);
    int rc = zb_request_parse (&request, &ids, frame, frames, &s_limits, &why);
    assert (rc == 0);
    self->said[0] = 0;
    self->talks = client;
    request.from.routing = zb_frame (routing);
    zb_engine_request (self->node[at].engine, &request, self->now);
    zb_spans_clear (&ids);
    split_quiesce (self);
    self->talks = 0;
}

static void s_say_words (split_t *self, int at, unsigned client, const char *const *word)
{
    zb_frame_t frame[12];
    size_t frames = 0;
    frame[frames++] = zb_frame ("ZB1");
    for (; *word; word++)
        frame[frames++] = zb_frame (*word);
    s_say (self, at, client, frame, frames);
}

#define SAY(...) s_say_words (self, at, client, (const char *const[]){__VA_ARGS__, NULL})

static bool s_is_ok (const split_t *self)
{
    return strcmp (self->said, "OK") == 0;
}

static void s_hang_up (split_t *self, int at, unsigned client)
{
    char routing[16];
    snprintf (routing, sizeof routing, "%u", client);
    if (self->node[at].engine && zb_engine_leads (self->node[at].engine))
        zb_engine_gone (self->node[at].engine, zb_frame (routing), self->now);
    split_quiesce (self);
}

bool split_is_stale (const zb_role_t *role)
{
    for (size_t index = 0; index < role->known.tail.size; index++) {
        const zb_epoch_t *epoch = &role->known.tail.epoch[index];
        if (!zb_lineage_has (&role->lineage, epoch->number, epoch->node))
            return true;
    }
    return false;
}

//  A vote, again while the broker is about to lead.
static zb_vote_t s_vote (split_t *self, int at, const char *token)
{
    node_t *node = &self->node[at];
    zb_frame_t text = zb_frame (token);
    zb_vote_t vote = ZB_VOTE_REFUSE;
    bool led = node->role.bstar.state == BSTAR_ACTIVE, stale = split_is_stale (&node->role);
    for (int tries = 0; tries < VOTES; tries++) {
        int code;
        const char *why;
        vote = zb_role_vote (&node->role, text.size ? &text : NULL, self->now, &code, &why);
        split_quiesce (self);
        if (vote != ZB_VOTE_LATER)
            break;
    }
    if (!led && stale && node->role.bstar.state == BSTAR_ACTIVE)
        split_fault (self, "leads although it knows that its peer has led in an epoch that it lacks");
    return vote;
}

//  The client waits for its answer: until the peer has acknowledged, or the broker goes on alone.
static void s_wait (split_t *self, int at, unsigned client, ask_t ask)
{
    int index = 0;
    while (index < SPLIT_ASKS && self->ask[index].kind)
        index++;
    if (index == SPLIT_ASKS) {
        self->over = true;
        return;
    }
    ask.at = (uint8_t) at;
    ask.client = client;
    self->ask[index] = ask;
    for (int each = 0; each < SPLIT_BODIES && ask.kind != ACT_PUT; each++)
        self->body[each].maybe = self->body[each].maybe || ask.covers & 1 << each;
}

//  A HELLO.  Returns the connection's number; 0 if it is not served, or *waits to be.
static unsigned s_hello (split_t *self, int at, bool named, bool *waits)
{
    *waits = false;
    node_t *node = &self->node[at];
    const char *token = named ? self->token : "";
    if (!node->alive || s_vote (self, at, token) != ZB_VOTE_SERVE || zb_role_withholds (&node->role, self->now))
        return 0;
    unsigned client = ++self->client;
    char instance[21] = "";
    if (named && self->instance)
        zb_number_format (self->instance, instance);
    SAY ("HELLO", "h", named ? NAME : "", token, instance);
    *waits = self->said[0] == 0;
    if (*waits)
        s_wait (self, at, client, (ask_t){.kind = ACT_VOTE});
    if (!s_is_ok (self))
        return 0;
    if (named && self->instance == 0)
        self->instance = strtoull (self->args, NULL, 10);
    return client;
}

//  ---------------------------------------------------------------------------
//  Answers

//  What was answered OK holds from now on.
static void s_answered (split_t *self, const ask_t *ask)
{
    for (int index = 0; index < SPLIT_BODIES; index++) {
        body_t *body = &self->body[index];
        bool covered = ask->covers & 1 << index;
        body->ok = body->ok || (covered && ask->kind == ACT_PUT);
        body->done = body->done || (covered && ask->kind != ACT_PUT);
        for (int which = 0; which < body->ids; which++)
            body->gone[which] = body->gone[which] || (covered && body->id[which] == ask->id[index]);
    }
}

//  The producer has heard that its PUT is stored.
static void s_advance (split_t *self, uint8_t put)
{
    if (put == self->next) {
        self->next++;
        snprintf (self->token, sizeof self->token, "%s", self->given);
    }
}

//  `both` is said of what both disks have.
static void s_check_level (split_t *self, unsigned kind, uint8_t covers)
{
    if (kind != ACT_PUT || strcmp (self->args, "both"))
        return;
    for (int at = 0; at < 2; at++) {
        content_t content;
        split_content (&self->node[at].tables, &content);
        for (int index = 0; index < SPLIT_BODIES; index++)
            if (covers & 1 << index && !content.count[index] && !self->body[index].done && !self->body[index].maybe)
                split_fault (self, "OK both, but not on both disks");
    }
}

//  An answer to a request that was given up or that still waits.
static void s_take_late (split_t *self, int at, const zb_answer_t *answer, unsigned client)
{
    for (int index = 0; index < SPLIT_ASKS; index++) {
        ask_t *ask = &self->ask[index];
        if (!ask->kind || ask->client != client || ask->at != at)
            continue;
        if (answer->status == ZB_ANSWER_OK) {
            s_answered (self, ask);
            if (ask->kind == ACT_PUT && !ask->deaf)
                s_advance (self, ask->put);
        }
        ask->kind = 0;
    }
}

static void s_copy_frame (char *text, size_t room, zb_frame_t frame)
{
    snprintf (text, room, "%.*s", (int) frame.size, (const char *) frame.data);
}

//  To the loser's carrier.
static void s_take_carried (split_t *self, node_t *loser, const zb_answer_t *answer)
{
    uint64_t n = 0;
    bool number = zb_number_parse (answer->id, UINT64_MAX, &n);
    assert (number);
    zb_replayer_next_t next = zb_replayer_answer (loser->replayer, n - 1, answer);
    loser->begun = next == ZB_REPLAYER_ON;
    snprintf (self->said, sizeof self->said, "%d", next);
}

//  To who waits for it now.
static void s_take_now (split_t *self, const zb_answer_t *answer)
{
    static const char *const words[] = {"OK", "MSG", "PASSIVE", "ERR"};
    bool err = answer->status == ZB_ANSWER_ERR;
    snprintf (self->said, sizeof self->said, "%s", words[answer->status]);
    if (answer->args)
        s_copy_frame (err ? self->said : self->args, err ? sizeof self->said : sizeof self->args, answer->arg[0]);
}

//  As it comes from the network.
static void s_take (split_t *self, int at, const zb_reply_t *reply)
{
    zb_frame_t frame[24];
    zb_frames_t frames;
    zb_answer_t answer;
    zb_frames_init (&frames, reply);
    assert (frames.frames <= 24);
    for (size_t index = 0; index < frames.frames; index++)
        frame[index] = zb_frames_at (&frames, index);
    int rc = zb_wire_parse_reply (&answer, frame, frames.frames);
    assert (rc == 0);
    unsigned client = 0;
    for (size_t index = 0; index < reply->to.routing.size; index++)
        client = client * 10 + ((const uint8_t *) reply->to.routing.data)[index] - '0';
    node_t *loser = &self->node[1 - at];
    s_copy_frame (self->given, sizeof self->given, answer.token);
    if (client == loser->carrier && loser->replayer)
        s_take_carried (self, loser, &answer);
    else if (client == self->talks)
        s_take_now (self, &answer);
    else
        s_take_late (self, at, &answer, client);
    zb_frames_clear (&frames);
}

void split_replies (split_t *self, int at)
{
    zb_reply_t *reply;
    while ((reply = zb_engine_reply (self->node[at].engine))) {
        s_take (self, at, reply);
        zb_reply_destroy (&reply);
    }
}

//  ---------------------------------------------------------------------------
//  Requests

//  What is to be done with what the broker has said; false if it has refused, and nothing has happened.
static bool s_conclude (split_t *self, int at, unsigned client, ask_t ask)
{
    if (self->said[0] == 0) {
        s_wait (self, at, client, ask);
        return true;
    }
    if (!s_is_ok (self))
        return false;
    s_check_level (self, ask.kind, ask.covers);
    s_answered (self, &ask);
    if (ask.kind == ACT_PUT && !ask.deaf)
        s_advance (self, ask.put);
    s_hang_up (self, at, client);
    return true;
}

static uint64_t s_epoch (const node_t *node)
{
    return zb_lineage_newest (&node->role.lineage).number;
}

static bool s_put (split_t *self, act_t act)
{
    int at = act.at;
    node_t *node = &self->node[at];
    uint8_t put = self->next;
    uint8_t *left = act.kind == ACT_DIE ? &self->left.dies : &self->left.puts;
    if (put > SPLIT_PUTS || *left == 0)
        return false;
    --*left;
    bool waits;
    unsigned client = s_hello (self, at, true, &waits);
    if (!client)
        return waits && act.kind != ACT_DIE;
    content_t content;
    split_content (&node->tables, &content);
    if (!content.queue) {
        SAY ("QUEUE", "q", QUEUE, "");
        if (!s_is_ok (self))
            return false;
    }
    node->asked_epoch = s_epoch (node);
    self->held = act.kind == ACT_DIE;
    uint8_t before = node->disk.size;
    if (put == 1)
        SAY ("PUT", "1", QUEUE, "", s_text[0]);
    else
        SAY ("PUT", "2", QUEUE, "", s_text[1], s_text[2]);
    self->held = false;
    if (act.kind == ACT_DIE) {
        //  Alone, or of what was stored already, it is answered: then it is any other death.
        bool hung = self->said[0] == 0 && node->disk.size > before;
        split_kill (self, at);
        return hung;
    }
    if (strcmp (self->said, "409") == 0)
        split_fault (self, "a PUT that is sent again is refused as another one");
    return s_conclude (self, at, client,
                       (ask_t){.kind = ACT_PUT, .covers = s_covers[put], .deaf = act.kind == ACT_DEAF, .put = put});
}

static bool s_ack (split_t *self, act_t act)
{
    int at = act.at;
    uint8_t index = act.arg / SPLIT_IDS, which = act.arg % SPLIT_IDS;
    const body_t *body = &self->body[index];
    if (self->left.acks == 0 || which >= body->ids || !body->known[which])
        return false;
    self->left.acks--;
    bool waits;
    unsigned client = s_hello (self, at, false, &waits);
    if (!client)
        return waits;
    char id[21];
    zb_number_format (body->id[which], id);
    self->node[at].asked_epoch = s_epoch (&self->node[at]);
    SAY ("ACK", "a", QUEUE, id);
    ask_t ask = {.kind = ACT_ACK, .covers = (uint8_t) (1 << index)};
    ask.id[index] = body->id[which];
    return s_conclude (self, at, client, ask);
}

//  PURGE and DELETE are about what is there.
static bool s_clear (split_t *self, act_t act)
{
    int at = act.at;
    uint8_t *left = act.kind == ACT_PURGE ? &self->left.purges : &self->left.deletes;
    if (*left == 0)
        return false;
    --*left;
    bool waits;
    unsigned client = s_hello (self, at, false, &waits);
    if (!client)
        return waits;
    content_t content;
    split_content (&self->node[at].tables, &content);
    ask_t ask = {.kind = act.kind};
    for (int index = 0; index < SPLIT_BODIES; index++) {
        ask.covers |= (uint8_t) (content.count[index] ? 1 << index : 0);
        ask.id[index] = content.id[index][0];
    }
    self->node[at].asked_epoch = s_epoch (&self->node[at]);
    SAY (act.kind == ACT_PURGE ? "PURGE" : "DELETE", "d", QUEUE);
    return s_conclude (self, at, client, ask);
}

bool split_client_act (split_t *self, act_t act)
{
    switch (act.kind) {
    case ACT_VOTE:
        if (!self->node[act.at].alive || self->node[act.at].role.bstar.state == BSTAR_ACTIVE)
            return false;
        s_vote (self, act.at, "");
        return true;
    case ACT_PUT:
    case ACT_DEAF:
    case ACT_DIE:
        return s_put (self, act);
    case ACT_ACK:
        return s_ack (self, act);
    default:
        return s_clear (self, act);
    }
}

//  ---------------------------------------------------------------------------
//  A replay: as io/pair/courier.c does it

void split_end_replay (split_t *self, int at)
{
    node_t *loser = &self->node[at];
    unsigned client = loser->carrier;
    zb_replayer_destroy (&loser->replayer);
    loser->carrier = 0;
    loser->begun = false;
    if (client)
        s_hang_up (self, 1 - at, client);
}

//  What the winner can't take goes into a file.
static void s_put_aside (split_t *self, node_t *loser)
{
    zb_aside_t aside;
    bool refused = zb_replayer_aside (loser->replayer, &aside);
    assert (refused);
    uint64_t messages = 0;
    for (size_t each = 0; each < aside.spans; each++)
        for (uint64_t id = aside.span[each].first; id <= aside.span[each].last; id++, messages++)
            for (int index = 0; index < SPLIT_BODIES; index++)
                for (int which = 0; which < self->body[index].ids; which++)
                    if (self->body[index].id[which] == id)
                        self->body[index].aside = true;
    zb_replayer_put_aside (loser->replayer, messages);
}

static const zb_row_t *s_item (node_t *loser, uint64_t *n, char proof[ZB_ITEM_MAC_SIZE])
{
    for (int idle = 0; idle < 3; idle++) {
        zb_read_t *read = zb_replayer_read (loser->replayer, -2);
        if (read) {
            fake_tables_read (&loser->tables, read);
            zb_replayer_found (loser->replayer, &read);
            idle = 0;
        }
        const zb_row_t *item = zb_replayer_item (loser->replayer, n, proof);
        if (item)
            return item;
    }
    return NULL;
}

bool split_replay (split_t *self, int at, bool begin_only)
{
    node_t *loser = &self->node[at], *winner = &self->node[1 - at];
    if (!loser->alive || !winner->alive || self->cut || !zb_role_replays (&loser->role, self->now) ||
        !zb_engine_leads (winner->engine))
        return false;
    if (!loser->replayer) {
        loser->replayer = zb_replayer_new (loser->role.secret, &loser->role.lineage);
        loser->carrier = ++self->client;
    }
    if (!loser->begun)
        zb_replayer_restart (loser->replayer);
    else if (begin_only)
        return false;
    char proof[ZB_ITEM_MAC_SIZE], id[21];
    uint64_t n = 0;
    const zb_row_t *item = s_item (loser, &n, proof);
    if (!item)
        return false;
    zb_number_format (n + 1, id);
    zb_frame_t frame[] = {
        zb_frame ("ZB1"), zb_frame ("REPLAY"), zb_frame (id), {item->data, item->size}, {proof, sizeof proof}};
    //  Its reply goes to the loser.
    split_taking = true;
    winner->begged = self->now;
    s_say (self, 1 - at, loser->carrier, frame, 5);
    split_taking = false;
    if (!loser->replayer)
        return true; //  it was cut short by what followed from it
    if (zb_replayer_fault (loser->replayer))
        split_fault (self, zb_replayer_fault (loser->replayer));
    int next = self->said[0] ? atoi (self->said) : -1;
    if (next == ZB_REPLAYER_ASIDE)
        s_put_aside (self, loser);
    else if (next == ZB_REPLAYER_DONE) {
        split_end_replay (self, at);
        zb_role_merged (&loser->role);
        split_quiesce (self);
    }
    return true;
}
