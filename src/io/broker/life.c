/*  =========================================================================
    life - a broker's start and stop

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The order of a start: what the config says, who may come in, where clients connect, the
    store, the peer, the witness.  A stop ends those that use others first.
*/

#include <sodium.h>
#include <czmq.h>

#include "core/wire/seal.h"
#include "io/base/config_open.h"
#include "io/base/reach.h"
#include "io/base/service.h"
#include "io/broker/broker_self.h"
#include "io/store/moment.h"

static void s_batch_free (void **item_p)
{
    zb_batch_destroy ((zb_batch_t **) item_p);
}

static int s_listen_failed (const char *what, const char *endpoint)
{
    if (zb_moment_is (errno)) {
        zb_log (ZB_LOG_ERROR, "can't listen for %s at %s: %s", what, endpoint, zb_moment_text (errno));
        return ZB_EXIT_MOMENT;
    }
    zb_log (ZB_LOG_ERROR, "can't listen for %s at %s: %s%s", what, endpoint, zmq_strerror (errno),
            errno == EADDRINUSE ? "; stop the other process or choose another port" : "");
    return errno == EADDRINUSE ? ZB_EXIT_BUSY : ZB_EXIT_USAGE;
}

static zb_store_t *s_store_new (const zb_config_t *config, const zb_keys_t *keys, zb_links_t *links)
{
    bool paired = config->as != ZB_SINGLE && !config->shared;
    zb_store_args_t args = {
        .dir = config->store, .paired = paired, .shared = config->shared, .fence = config->fence,
        .endpoint = {config->host[ZB_PRIMARY].endpoint, config->host[ZB_BACKUP].endpoint},
        .unfenced_ok = config->unfenced_ok, .lease = config->lease, .node = config->as == ZB_BACKUP ? 2 : 1,
        .bind = paired ? config->host[config->as].ship_bind : NULL,
        .peer = paired ? config->host[config->as == ZB_PRIMARY ? ZB_BACKUP : ZB_PRIMARY].ship : NULL,
        .cache = config->cache, .log_file = config->log_file, .log_keep = config->log_keep,
        .resync_rate = config->resync_rate
    };
    args.links = links;
    args.keys = keys;
    zb_seal_key (args.key, config->pair, config->secret);
    return zb_store_new (&args);
}

//  Before anything listens: who may come in.
static int s_open_keys (zb_broker_t *self)
{
    const zb_config_t *config = self->config;
    char *error = NULL;
    if (zb_keys_load (&self->keys, config, &error)) {
        zb_log (ZB_LOG_ERROR, "%s", error);
        free (error);
        return ZB_EXIT_USAGE;
    }
    if (!self->keys)
        return ZB_EXIT_OK;
    uint8_t hash[ZB_MAP_KEY_SIZE];
    randombytes_buf (hash, sizeof hash);
    self->quota = zb_quota_new (hash);
    self->auth = zb_auth_new ();
    if (!self->auth) {
        zb_log (ZB_LOG_ERROR, "no thread for handshakes: %s", zb_moment_text (errno));
        return ZB_EXIT_MOMENT;
    }
    //  Each broker's key is good for an operator on its machine, and for the replay.
    const zb_keys_t *keys = self->keys;
    const char *own = config->as == ZB_BACKUP ? "$backup" : "$primary";
    const char *other = config->as == ZB_BACKUP ? "$primary" : "$backup";
    zb_rights_broker (self->rights, own, keys->own.public_key);
    if (*keys->own.other_public)
        zb_rights_broker (self->rights, own, keys->own.other_public);
    if (*keys->peer) {
        zb_rights_t *peer = zb_rights_new ();
        for (const char *key = keys->peer; key && *key; key = key == keys->peer ? keys->peer_other : NULL) {
            zb_rights_broker (self->rights, other, key);
            zb_rights_broker (peer, "$peer", key);
        }
        zb_auth_admit (self->auth, ZB_GATE_STATE, peer, true);
        zb_auth_admit (self->auth, ZB_GATE_SHIP, peer, true);
        zb_rights_destroy (&peer);
    }
    zb_broker_look_at_rights (self);
    return ZB_EXIT_OK;
}

int zb_broker_open (zb_broker_t *self, zb_config_t *config)
{
    bool paired = config->as != ZB_SINGLE;
    uint8_t entropy[ZB_PAIR_SIZE + ZB_SECRET_SIZE];
    self->config = config;
    self->status.config = config;
    self->status.role = &self->role;
    self->now = self->status.started = self->status.phase_since = zclock_mono ();
    self->status.cautions = zb_config_cautions (config, self->status.caution);
    for (size_t index = 0; index < self->status.cautions; index++)
        zb_log (ZB_LOG_WARNING, "%s", self->status.caution[index]);
    randombytes_buf (entropy, sizeof entropy);
    zb_role_init (&self->role, config->as == ZB_BACKUP ? 2 : 1, paired, config->peer_loss_wait, config->silence,
                  config->ack_limit, entropy);
    if (config->shared)
        zb_role_share (&self->role, config->lease);
    else if (paired && config->silence_set)
        zb_role_heartbeat (&self->role, config->beat);
    else if (paired)
        zb_role_adapt (&self->role, config->beat, config->silence_learn);
    self->events = self->audit.events = zb_events_new (zclock_time ());
    self->engine = zb_engine_new (&config->limits, self->role.node);
    self->rights = zb_rights_new ();
    zb_engine_rights (self->engine, self->rights);
    zb_engine_endpoints (self->engine, zb_broker_own (self)->endpoint, zb_broker_peer_endpoint (self));
    self->hellos = zb_hellos_new (HELLOS_MOST);
    self->operator = zb_operator_new (config);
    self->batches = zlistx_new ();
    zlistx_set_destructor (self->batches, s_batch_free);
    int code = s_open_keys (self);
    if (code)
        return code;
    char why[400];
    if (zb_reach_resolve (zb_broker_own (self)->endpoint, why, sizeof why)) {
        zb_log (ZB_LOG_ERROR, "nobody could reach this broker at %s: %s", zb_broker_own (self)->endpoint, why);
        return ZB_EXIT_USAGE;
    }
    self->front = zb_front_new (zb_broker_own (self)->bind, &config->limits, self->keys);
    if (!self->front)
        return s_listen_failed ("clients", zb_broker_own (self)->bind);
    self->links = self->status.links = paired ? zb_links_new (config) : NULL;
    self->store = s_store_new (config, self->keys, self->links);
    self->trimmer = zb_trimmer_new ();
    self->salvager = zb_salvager_new (config->store);
    bool hook = config->hook_role && *config->hook_role;
    if (hook && !(self->hooks = zb_hooks_new (config))) {
        zb_log (ZB_LOG_ERROR, "no thread for hooks: %s", zb_moment_text (errno));
        return ZB_EXIT_MOMENT;
    }
    if (paired) {
        self->ha = zb_ha_new (config, self->keys, self->auth, self->store, self->links);
        if (!self->ha)
            return s_listen_failed ("the peer's heartbeats", zb_broker_own (self)->state_bind);
        zb_broker_tell_peer (self, false);
        if (config->witness) {
            self->claimant = zb_claimant_new (config, self->keys);
            zb_role_bind (&self->role);
        }
    }
    return ZB_EXIT_OK;
}

void zb_broker_close (zb_broker_t *self)
{
    zb_service_stopping ();
    if (self->engine && zb_engine_leads (self->engine)) {
        zb_engine_stop (self->engine, "");
        zb_broker_replies (self);
    }
    zb_trimmer_destroy (&self->trimmer);
    zb_hooks_destroy (&self->hooks);
    zb_claimant_destroy (&self->claimant);
    zb_courier_destroy (&self->courier);
    zb_salvager_destroy (&self->salvager);
    zb_ha_destroy (&self->ha);
    zb_store_destroy (&self->store);
    zb_links_destroy (&self->links);
    zb_front_destroy (&self->front);
    zb_quota_destroy (&self->quota);
    zb_auth_destroy (&self->auth);
    zb_keys_destroy (&self->keys);
    zb_engine_destroy (&self->engine);
    zb_rights_destroy (&self->rights);
    zb_events_destroy (&self->events);
    zb_hellos_destroy (&self->hellos);
    zb_operator_destroy (&self->operator);
    zlistx_destroy (&self->batches);
    free (self->status.resync);
    zb_backups_clear (&self->status.backup);
    for (size_t index = 0; index < self->status.cautions; index++)
        free (self->status.caution[index]);
    free (self->holder);
    free (self->denied);
    zb_spans_clear (&self->ids);
}
