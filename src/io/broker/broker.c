/*  =========================================================================
    broker - one broker: the order of a turn, and the loop around it

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Each turn drains what is there, steps the values, and carries out what they
    want.  Nothing in here waits but the poll at the start of a turn.

    Those that this broker depends on are heard before clients: the peer, the witness, the
    store, the clock.  Under which rule commits are released is told to the engine anew before
    the store's reports, after the clock, and before anything is answered: what was learned
    in between may forbid an answer.
*/

#include <assert.h>
#include <unistd.h>
#include <sodium.h>
#include <czmq.h>

#include "io/base/gate.h"
#include "io/base/service.h"
#include "io/broker/broker_self.h"
#include "io/broker/settings.h"

//  Longest sleep, ms: the role watches the peer's acks and echoes.
#define TURN_PAIRED 20
#define TURN_SINGLE 100
//  And while the role is handed over, for which all clients wait.
#define TURN_DRAINING 1
//  A store that has not turned for so long stands still, ms: it turns at least every 50.
#define STORE_WELL 250

const zb_host_t *zb_broker_own (const zb_broker_t *self)
{
    return &self->config->host[self->config->as];
}

const char *zb_broker_peer_endpoint (const zb_broker_t *self)
{
    switch (self->config->as) {
    case ZB_PRIMARY:
        return self->config->host[ZB_BACKUP].endpoint;
    case ZB_BACKUP:
        return self->config->host[ZB_PRIMARY].endpoint;
    default:
        return "";
    }
}

const char *zb_broker_active (const zb_broker_t *self)
{
    return self->config->as != ZB_SINGLE && zb_role_peer_leads (&self->role, self->now) ? zb_broker_peer_endpoint (self) : "";
}

void zb_broker_die (int code, const char *text)
{
    zb_log (ZB_LOG_ERROR, "%s", text);
    zb_log_flush ();
    _exit (code);
}

//  Whether the store takes no commit now: the peer catches up, and must not be run from.  One commit at a time keeps what
//  clients wait for even.
static bool s_paced (const zb_broker_t *self)
{
    return self->status.pace && (self->now < self->resume || zlistx_size (self->batches) > 0);
}

//  What the engine answers.
static void s_answer (zb_broker_t *self)
{
    if (!zb_role_yields (&self->role, self->now))
        zb_broker_replies (self);
}

//  What the engine wants written and read, and what it answers.
static void s_engine (zb_broker_t *self)
{
    zb_broker_absorb (self);
    zb_batch_t *batch;
    //  Draining ends with the last answer: the engine's own housekeeping is not waited for.
    while ((!zb_role_drains (&self->role) || zb_engine_owes (self->engine)) && !s_paced (self)
           && (batch = zb_engine_batch (self->engine))) {
        zlistx_add_end (self->batches, batch);
        self->given[zb_batch_commit (batch) % GIVEN_MOST] = zclock_usecs ();
        zb_lag_add (&self->status.lag, zb_batch_commit (batch), batch);
        zb_role_closed (&self->role, zb_batch_commit (batch));
        zb_store_commit (self->store, batch);
    }
    zb_read_t *read;
    while ((read = zb_engine_read (self->engine)))
        zb_store_read (self->store, read);
    uint64_t question = zb_engine_question (self->engine);
    if (question)
        zb_ha_ask (self->ha, question);
    s_answer (self);
    const char *fault = zb_engine_fault (self->engine);
    if (fault)
        zb_broker_die (ZB_EXIT_DAMAGED, fault);
}

static bool s_client_waits (const zb_broker_t *self)
{
    return zb_role_drains (&self->role) ? zb_engine_owes (self->engine) : zb_engine_client_waits (self->engine);
}

//  Whether somebody waits and the peer may be to blame: not while our own store stands still, for then its acks are not
//  even read.
static bool s_waits_for_peer (const zb_broker_t *self)
{
    return zb_engine_leads (self->engine) && self->now - zb_store_alive (self->store) < STORE_WELL
           && (s_client_waits (self)
               || (zb_engine_loser_waits (self->engine) && !zb_role_peer_in_step (&self->role)));
}

//  While this broker must not answer, clients who say HELLO are told, also those who have said it before that was known.
static void s_withhold (zb_broker_t *self)
{
    zb_reason_t why = zb_role_withholds (&self->role, self->now);
    if (why && zb_engine_leads (self->engine))
        zb_engine_withhold (self->engine, zb_reason_row (why)->why);
}

//  What was read of the configuration since the last turn.
static void s_reload (zb_broker_t *self)
{
    zb_config_t *fresh = self->reloader ? zb_reloader_take (self->reloader) : NULL;
    if (!fresh)
        return;
    zb_settings_of_t of = {.engine = self->engine, .front = self->front, .links = self->links};
    zb_settings_take (self->config, fresh, &of);
    zb_config_destroy (&fresh);
}

static void s_turn (zb_broker_t *self)
{
    self->now = zclock_mono ();
    self->wall = zclock_time ();
    s_reload (self);
    zb_engine_time (self->engine, self->wall, self->now);
    zb_events_time (self->events, zb_lineage_newest (&self->role.lineage).number, self->wall, self->now);
    if (self->ha) {
        zb_ha_turned (self->ha, self->now);
        zb_role_unsent (&self->role, zb_ha_unsent (self->ha));
    }
    zb_broker_peer (self);
    zb_broker_hear_witness (self);
    zb_broker_apply_rule (self);
    zb_broker_store (self);
    zb_role_owes (&self->role, zb_engine_asks (self->engine));
    zb_role_tick (&self->role, s_waits_for_peer (self), self->now);
    zb_broker_carry_out (self);
    zb_broker_apply_rule (self);
    zb_broker_look_at_operator (self);
    zb_broker_hellos (self);
    zb_broker_clients (self);
    zb_broker_look_at_rights (self);
    zb_broker_watch_gate (self);
    zb_broker_watch_handshakes (self);
    zb_broker_apply_rule (self);
    s_withhold (self);
    s_engine (self);
    zb_broker_relieve (self);
    zb_broker_tell_witness (self);
    zb_broker_look_at_links (self);
    zb_broker_replay (self);
    zb_news_tick (&self->news, self->now);
    zb_broker_tell_peer (self, false);
    if (self->role.there >= self->role.closed)
        self->status.level_ms = self->now;
    zb_broker_post (self);
    zb_service_alive (self->now);
}

//  What time brings the engine to, and ms until it brings more.  It is answered by the rule of this turn, at once: after the
//  poll another broker may lead.
static int64_t s_tick (zb_broker_t *self)
{
    if (!zb_engine_leads (self->engine))
        return INT64_MAX;
    int64_t next = zb_engine_tick (self->engine, self->now) - self->now;
    s_answer (self);
    return next;
}

int zb_broker_run (zb_config_t *config, zb_board_t *board, zb_reloader_t *reloader)
{
    zsys_init ();
    if (sodium_init () == -1)
        return ZB_EXIT_USAGE;
    size_t files;
    size_t clients = zb_gate_open (&config->limits, &files);
    zb_log (ZB_LOG_INFO, "%zu connections of clients are let in, of %zu open files", clients, files);
    zb_broker_t broker = {.board = board, .reloader = reloader}, *self = &broker;
    int code = zb_broker_open (self, config);
    while (code == ZB_EXIT_OK && !zsys_interrupted) {
        int64_t next = s_tick (self);
        int64_t most = zb_role_drains (&self->role) ? TURN_DRAINING : self->ha ? TURN_PAIRED : TURN_SINGLE;
        int64_t pause = self->resume - self->now;
        if (pause > 0 && pause < most)
            most = pause;
        //  While the store has more than enough to do, clients wait in their sockets.
        zmq_pollitem_t items[] = { { zb_store_socket (self->store), 0, ZMQ_POLLIN, 0 },
                                   { zb_front_socket (self->front), 0, zb_broker_waits (self) ? 0 : ZMQ_POLLIN, 0 },
                                   { self->ha ? zb_ha_socket (self->ha) : NULL, 0, ZMQ_POLLIN, 0 },
                                   { NULL, 0, ZMQ_POLLIN, 0 },
                                   { NULL, 0, ZMQ_POLLIN, 0 } };
        int count = self->ha ? 3 : 2;
        if (self->claimant)
            items[count++].socket = zb_claimant_socket (self->claimant);
        if (self->courier)
            items[count++].socket = zb_courier_socket (self->courier);
        int rc = zmq_poll (items, count, (long) (next < 0 ? 0 : next < most ? next : most));
        assert (rc >= 0 || errno == EINTR);
        s_turn (self);
    }
    zb_broker_close (self);
    return code;
}
