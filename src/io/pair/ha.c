/*  =========================================================================
    ha - this broker's heartbeats: a heart that carries beats under a seal

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <czmq.h>

#include "core/wire/seal.h"
#include "io/base/gate.h"
#include "io/base/log.h"
#include "io/pair/ha.h"
#include "patterns/heart.h"

#define HA_KIND_BEAT 1

struct zb_ha {
    heart_t *heart;
    zb_store_t *store;
    const zb_keys_t *keys;
    const zb_auth_t *auth;
    zb_links_t *links;
    uint8_t node;
    int64_t turn_limit, disk_limit; //  ages in ms beyond which a heartbeat would be a lie
    uint8_t key[ZB_SEAL_KEY_SIZE];
    atomic_int_least64_t turned;
    uint64_t malformed;          //  beats inside good frames that made no sense
    pthread_mutex_t guard;       //  of the beat, which the heart's thread reads
    uint8_t beat[HEART_PAYLOAD_MAX];
    size_t size;                 //  0 until the core has told one
};

//  In the heart's thread.
static size_t s_fill (void *context, uint8_t *payload, size_t room)
{
    zb_ha_t *self = context;
    int64_t now = zclock_mono ();
    int64_t core = now - atomic_load (&self->turned), disk = now - zb_store_alive (self->store);
    int64_t auth = self->auth ? now - zb_auth_alive (self->auth) : 0;
    if (core > self->turn_limit || disk > self->disk_limit || auth > self->turn_limit)
        return 0;
    pthread_mutex_lock (&self->guard);
    assert (self->size <= room);
    size_t size = self->size;
    memcpy (payload, self->beat, size);
    if (size)
        zb_beat_age (payload, core, disk);
    pthread_mutex_unlock (&self->guard);
    return size;
}

static ssize_t s_seal (void *context, const uint8_t *in, size_t size, uint8_t *out, size_t room)
{
    zb_ha_t *self = context;
    if (room < size + ZB_SEAL_SIZE)
        return -1;
    //  Session and sequence are the heart's own and inside.
    zb_seal_t seal = { .kind = HA_KIND_BEAT, .node = self->node };
    zb_seal_write (&seal, self->key, out, in, size);
    memcpy (out + ZB_SEAL_SIZE, in, size);
    return (ssize_t) (size + ZB_SEAL_SIZE);
}

static ssize_t s_open (void *context, const uint8_t *in, size_t size, uint8_t *out, size_t room)
{
    zb_ha_t *self = context;
    zb_seal_t seal;
    const void *payload;
    size_t payload_size;
    const char *why;
    if (zb_seal_read (&seal, self->key, in, size, &payload, &payload_size, &why)) {
        if (self->links)
            zb_links_unsealed (self->links, ZB_WAY_STATE_IN, why);
        return -1;
    }
    if (seal.kind == HA_KIND_BEAT && seal.node == self->node && self->links)
        zb_links_refused (self->links, ZB_WAY_STATE_IN,
                          self->node == 1
                              ? "what is heard there is a primary, as this broker is: start one of the two with "
                                "--as backup, and look whether each endpoint is its own machine's"
                              : "what is heard there is a backup, as this broker is: start one of the two with "
                                "--as primary, and look whether each endpoint is its own machine's");
    if (seal.kind != HA_KIND_BEAT || seal.node == self->node || payload_size > room)
        return -1;
    memcpy (out, payload, payload_size);
    return (ssize_t) payload_size;
}

static void s_tune (void *context, void *socket, const char *to)
{
    const zb_ha_t *self = context;
    if (to)
        zb_keys_connect (self->keys, socket, self->keys ? self->keys->peer : "");
    else if (self->keys) {
        //  A handshake is longer than a subscription.
        int64_t most = ZB_HANDSHAKE_MAX;
        zmq_setsockopt (socket, ZMQ_MAXMSGSIZE, &most, sizeof most);
        zb_keys_serve (self->keys, socket, ZB_GATE_STATE);
    }
}

zb_ha_t *zb_ha_new (const zb_config_t *config, const zb_keys_t *keys, const zb_auth_t *auth, zb_store_t *store,
                    zb_links_t *links)
{
    const zb_host_t *own = &config->host[config->as];
    const zb_host_t *peer = &config->host[config->as == ZB_PRIMARY ? ZB_BACKUP : ZB_PRIMARY];
    zb_ha_t *self = (zb_ha_t *) zmalloc (sizeof *self);
    self->store = store;
    self->keys = keys;
    self->auth = auth;
    self->links = links;
    self->node = (uint8_t) config->as;
    self->turn_limit = config->turn_limit;
    self->disk_limit = config->disk_limit;
    zb_seal_key (self->key, config->pair, config->secret);
    pthread_mutex_init (&self->guard, NULL);
    atomic_init (&self->turned, zclock_mono ());
    const char *probes[] = { peer->endpoint, peer->state, peer->ship };
    heart_args_t args = {
        .name = "ha", .bind = own->state_bind, .peer = peer->state, .interval = config->beat,
        .silence = config->silence, .probe = probes, .probes = 3, .fill = s_fill, .seal = s_seal, .open = s_open, .tune = s_tune,
        .context = self
    };
    zb_gate_guard (ZB_GATE_STATE, own->state_bind);
    self->heart = heart_new (&args);
    if (!self->heart) {
        int error = errno;
        zb_ha_destroy (&self);
        errno = error;
    }
    return self;
}

void zb_ha_destroy (zb_ha_t **self_p)
{
    assert (self_p);
    zb_ha_t *self = *self_p;
    if (self) {
        heart_destroy (&self->heart);
        pthread_mutex_destroy (&self->guard);
        free (self);
        *self_p = NULL;
    }
}

void *zb_ha_socket (zb_ha_t *self)
{
    return zsock_resolve (heart_sock (self->heart));
}

//  Behind the beat: u16 bytes of settings, the settings, and what a later version adds.
static void s_take_settings (zb_ha_t *self, const heart_event_t *event)
{
    size_t at = zb_beat_size (event->payload);
    if (!self->links || event->size < at + 2)
        return;
    size_t size = (size_t) event->payload[at] << 8 | event->payload[at + 1];
    if (size <= event->size - at - 2)
        zb_links_settings (self->links, (const char *) event->payload + at + 2, size);
}

static size_t s_add_settings (const zb_ha_t *self, uint8_t *payload, size_t room)
{
    size_t most = room < 2 ? 0 : room - 2 < UINT16_MAX ? room - 2 : UINT16_MAX;
    size_t size = self->links && most ? zb_links_own (self->links, payload + 2, most) : 0;
    if (size == 0)
        return 0;
    payload[0] = (uint8_t) (size >> 8);
    payload[1] = (uint8_t) size;
    return size + 2;
}

zb_ha_kind_t zb_ha_recv (zb_ha_t *self, zb_beat_t *beat, int64_t *echoed, uint64_t *answered)
{
    const heart_event_t *event;
    while ((event = heart_recv (self->heart))) {
        if (event->paused_ms)
            zb_log (ZB_LOG_WARNING, "this process did not run for %" PRId64 " ms", event->paused_ms);
        if (event->kind == HEART_DEAD && heart_peer_gone (self->heart))
            return ZB_HA_DEAD;
        if (event->kind != HEART_BEAT)
            continue;
        if (zb_beat_decode (beat, event->payload, event->size)) {
            self->malformed++;
            if (self->links)
                zb_links_refused (self->links, ZB_WAY_STATE_IN,
                                  "the heartbeats make no sense here: update the older one of the two brokers");
            continue;
        }
        s_take_settings (self, event);
        *echoed = event->echoed_ms;
        *answered = event->answered;
        return ZB_HA_BEAT;
    }
    return ZB_HA_NOTHING;
}

void zb_ha_tell (zb_ha_t *self, const zb_beat_t *beat, bool now)
{
    pthread_mutex_lock (&self->guard);
    self->size = zb_beat_encode (beat, self->beat);
    self->size += s_add_settings (self, self->beat + self->size, sizeof self->beat - self->size);
    pthread_mutex_unlock (&self->guard);
    if (now)
        heart_update (self->heart);
}

void zb_ha_ask (zb_ha_t *self, uint64_t question)
{
    heart_ask (self->heart, question);
}

void zb_ha_turned (zb_ha_t *self, int64_t now)
{
    atomic_store (&self->turned, now);
}

int64_t zb_ha_unsent (zb_ha_t *self)
{
    return heart_unsent (self->heart);
}

uint64_t zb_ha_dropped (zb_ha_t *self)
{
    heart_counters_t counters = heart_counters (self->heart);
    return counters.malformed + counters.refused + counters.own + self->malformed;
}
