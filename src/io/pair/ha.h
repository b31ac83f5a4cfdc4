/*  =========================================================================
    ha - this broker's heartbeats: a heart that carries beats under a seal

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The heart's thread publishes what the core told it last, as long as the core
    turns, the store answers, and whoever connects is let in (io/auth/auth), with the ages of
    the first two: a hung broker, or one whose disk stalls, falls silent beyond its limits, and its peer takes over.  Frames are sealed with the pair's key.
*/

#ifndef ZB_HA_H_INCLUDED
#define ZB_HA_H_INCLUDED

#include "core/pair/beat.h"
#include "io/auth/auth.h"
#include "io/auth/keys.h"
#include "io/base/config.h"
#include "io/base/links.h"
#include "io/store/store.h"

typedef struct zb_ha zb_ha_t;

typedef enum { ZB_HA_NOTHING, ZB_HA_BEAT, ZB_HA_DEAD } zb_ha_kind_t;

//  Listens and connects as the config says.  All it is given must outlive it; `keys` and `auth` are NULL
//  without keys, `links` may be NULL.  Returns NULL with errno set if it can't listen.
zb_ha_t *zb_ha_new (const zb_config_t *config, const zb_keys_t *keys, const zb_auth_t *auth, zb_store_t *store,
                    zb_links_t *links);
void zb_ha_destroy (zb_ha_t **self_p);
//  A ZeroMQ socket to poll for input.
void *zb_ha_socket (zb_ha_t *self);
//  The next news of the peer.  BEAT: *beat, when we sent our newest beat that the peer has *echoed (ms, zclock_mono), and
//  the newest question that this beat has *answered, 0 if none.  DEAD: its process is gone.
zb_ha_kind_t zb_ha_recv (zb_ha_t *self, zb_beat_t *beat, int64_t *echoed, uint64_t *answered);
//  From now on this is what we tell; published at once if `now`.
void zb_ha_tell (zb_ha_t *self, const zb_beat_t *beat, bool now);
//  Asks the peer for a beat at once, which answers this question, or whichever is the newest by then; numbers ascend.
void zb_ha_ask (zb_ha_t *self, uint64_t question);
//  The core has made a turn.
void zb_ha_turned (zb_ha_t *self, int64_t now);
//  For how long at most no heartbeat has left since the last call, ms.
int64_t zb_ha_unsent (zb_ha_t *self);
//  Frames that were dropped: malformed or not of this pair.
uint64_t zb_ha_dropped (zb_ha_t *self);

#endif
