/*  =========================================================================
    courier - carries a replay to the winner of a split

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>

#include "core/wire/protocol.h"
#include "io/base/log.h"
#include "io/pair/courier.h"
#include "io/store/salvager.h"

#define SILENCE 3000 //  ms without an answer until the connection is made anew
#define LATER 250    //  ms until it is tried again
#define STILL 1000   //  ms without anything to send, until the winner is told that there may be more
#define FRAMES 16    //  of an answer

struct zb_courier {
    zb_replayer_t *replayer;
    zb_salvager_t *salvager; //  borrowed
    char *endpoint, *dir;
    zb_epoch_t loser;
    const zb_keys_t *keys;
    zsock_t *sock;
    int64_t heard;   //  ms: the newest answer, or the connection's beginning
    int64_t again;   //  ms: when to begin again; 0 = it has begun
    size_t waiting;  //  items that are not answered
    uint64_t number; //  of this courier, in the tags of its reads
    uint64_t job;    //  of the salvager: what is refused is being put aside; 0 = nothing is
    zb_log_rate_t noise;
};

static bool s_connect (zb_courier_t *self)
{
    zsock_destroy (&self->sock);
    self->sock = zsock_new (ZMQ_DEALER);
    assert (self->sock);
    zsock_set_linger (self->sock, 0);
    zb_keys_connect (self->keys, zsock_resolve (self->sock), self->keys ? self->keys->peer : "");
    return zsock_connect (self->sock, "%s", self->endpoint) == 0;
}

zb_courier_t *zb_courier_new (const char *endpoint, const char *dir, zb_salvager_t *salvager,
                              const uint8_t secret[ZB_SECRET_SIZE], const zb_lineage_t *lineage,
                              const zb_keys_t *keys)
{
    zb_courier_t *self = (zb_courier_t *) zmalloc (sizeof *self);
    self->keys = keys;
    self->endpoint = strdup (endpoint);
    self->dir = strdup (dir);
    self->salvager = salvager;
    assert (self->endpoint && self->dir);
    self->replayer = zb_replayer_new (secret, lineage);
    self->loser = zb_lineage_newest (lineage);
    static uint64_t couriers;
    self->number = ++couriers;
    self->again = 1;
    if (!s_connect (self))
        zb_courier_destroy (&self);
    return self;
}

void zb_courier_rights (zb_courier_t *self, zb_frame_t rights)
{
    zb_replayer_rights (self->replayer, rights);
}

void zb_courier_destroy (zb_courier_t **self_p)
{
    assert (self_p);
    zb_courier_t *self = *self_p;
    if (self) {
        zb_replayer_destroy (&self->replayer);
        zsock_destroy (&self->sock);
        free (self->endpoint);
        free (self->dir);
        free (self);
        *self_p = NULL;
    }
}

void *zb_courier_socket (zb_courier_t *self)
{
    return zsock_resolve (self->sock);
}

void zb_courier_stats (const zb_courier_t *self, zb_replayer_stats_t *stats)
{
    zb_replayer_stats (self->replayer, stats);
}

const char *zb_courier_fault (const zb_courier_t *self)
{
    return zb_replayer_fault (self->replayer);
}

zb_read_t *zb_courier_read (zb_courier_t *self, int purpose)
{
    zb_read_t *read = self->again ? NULL : zb_replayer_read (self->replayer, purpose);
    if (read)
        read->tag |= self->number << 32;
    return read;
}

void zb_courier_found (zb_courier_t *self, zb_read_t **read_p)
{
    //  One of an earlier courier may have waited in the store.
    if ((*read_p)->tag >> 32 != self->number) {
        zb_read_destroy (read_p);
        return;
    }
    (*read_p)->tag &= UINT32_MAX;
    zb_replayer_found (self->replayer, read_p);
}

static void s_later (zb_courier_t *self, int64_t now)
{
    self->again = now + LATER;
    self->waiting = 0;
    self->job = 0;
}

//  The winner has refused something: the salvager keeps it.
static void s_put_aside (zb_courier_t *self, int64_t now)
{
    zb_aside_t aside;
    bool refused = zb_replayer_aside (self->replayer, &aside);
    assert (refused);
    self->job = zb_salvager_give (self->salvager, self->loser, &aside);
    //  It still works for an earlier replay: this one begins again, and comes to the same refusal.
    if (!self->job)
        s_later (self, now);
}

//  It is on the disk, or can't be.  What is done for an earlier courier is of no interest here: it is found in the file.
static void s_was_put_aside (zb_courier_t *self, int64_t now)
{
    uint64_t job;
    int64_t messages;
    int error;
    if (!zb_salvager_done (self->salvager, &job, &messages, &error) || job != self->job)
        return;
    if (messages < 0) {
        zb_log_rated (&self->noise, now, ZB_LOG_ERROR, "can't write to the folder salvage, so the replay waits: %s",
                      strerror (error));
        s_later (self, now);
        return;
    }
    zb_aside_t aside;
    bool refused = zb_replayer_aside (self->replayer, &aside);
    assert (refused);
    self->job = 0;
    zb_log (ZB_LOG_WARNING, "%" PRId64 " messages of queue %.*s can't be replayed (%s): they are kept in %s/salvage, see zbroker salvage",
            messages, (int) aside.queue.size, (const char *) aside.queue.data, aside.word, self->dir);
    self->waiting = 0;
    zb_replayer_put_aside (self->replayer, (uint64_t) messages);
}

//  One answer; true if that was all.
static bool s_answer (zb_courier_t *self, zmsg_t *msg, int64_t now)
{
    zb_frame_t frame[FRAMES];
    size_t frames = 0;
    for (zframe_t *each = zmsg_first (msg); each && frames < FRAMES; each = zmsg_next (msg))
        frame[frames++] = (zb_frame_t){zframe_data (each), zframe_size (each)};
    zb_answer_t answer;
    uint64_t n = 0;
    if (zb_wire_parse_reply (&answer, frame, frames) || !zb_number_parse (answer.id, UINT64_MAX, &n) || self->again)
        return false;
    self->heard = now;
    self->waiting -= self->waiting ? 1 : 0;
    if (answer.code && answer.code != ZB_CONFLICT)
        zb_log_rated (&self->noise, now, ZB_LOG_WARNING, "the replay waits: the other broker says %.*s",
                      (int) answer.arg[1].size, (const char *) answer.arg[1].data);
    //  Ids are one more than the numbers: none may be 0.
    switch (zb_replayer_answer (self->replayer, n - 1, &answer)) {
    case ZB_REPLAYER_ON:
        return false;
    case ZB_REPLAYER_LATER:
        s_later (self, now);
        return false;
    case ZB_REPLAYER_ASIDE:
        s_put_aside (self, now);
        return false;
    default:
        return true;
    }
}

static void s_send (zb_courier_t *self, int64_t now)
{
    char mac[ZB_ITEM_MAC_SIZE], id[21];
    uint64_t n = 0;
    const zb_row_t *item;
    while (!self->again && (item = zb_replayer_item (self->replayer, &n, mac))) {
        zmsg_t *msg = zmsg_new ();
        zb_number_format (n + 1, id);
        zmsg_addstr (msg, "ZB1");
        zmsg_addstr (msg, zb_verb_name (ZB_REPLAY));
        zmsg_addstr (msg, id);
        zmsg_addmem (msg, item->data, item->size);
        zmsg_addmem (msg, mac, sizeof mac);
        if (self->waiting++ == 0)
            self->heard = now;
        if (zmsg_send (&msg, self->sock))
            zmsg_destroy (&msg);
    }
}

bool zb_courier_turn (zb_courier_t *self, int64_t now)
{
    bool done = false;
    while (!done && zsock_events (self->sock) & ZMQ_POLLIN) {
        zmsg_t *msg = zmsg_recv (self->sock);
        done = msg && s_answer (self, msg, now);
        zmsg_destroy (&msg);
    }
    if (done)
        return true;
    s_was_put_aside (self, now);
    if (self->job)
        return false;
    if (self->waiting && now - self->heard > SILENCE) {
        s_connect (self);
        s_later (self, now);
    }
    if (self->again && now >= self->again) {
        self->again = 0;
        self->heard = now;
        zb_replayer_restart (self->replayer);
    }
    if (!self->again && self->waiting == 0 && now - self->heard > STILL)
        zb_replayer_still (self->replayer);
    s_send (self, now);
    return false;
}
