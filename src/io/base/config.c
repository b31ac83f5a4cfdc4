/*  =========================================================================
    config - what an operator can set, and its defaults

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>

#include "core/pair/patience.h"
#include "io/base/config.h"

#define MIB ((size_t) 1 << 20)

static const char *const s_roles[] = {"single", "primary", "backup"};
#define HOSTS (sizeof s_roles / sizeof *s_roles)

void zb_config_replace (char **field, const char *value)
{
    char *copy = strdup (value);
    assert (copy);
    free (*field);
    *field = copy;
}

const char *zb_config_role (int host)
{
    return s_roles[host];
}

zb_config_t *zb_config_new (void)
{
    zb_config_t *self = (zb_config_t *) zmalloc (sizeof *self);
    assert (self);
    zb_config_replace (&self->pair, "zbroker");
    zb_config_replace (&self->secret, "");
    self->cache = 64 * MIB;
    self->log_file = ZB_LOG_FILE;
    self->log_keep = 1024 * MIB;
    self->lease = 10000;
    self->beat = 100;
    self->silence = 500;
    self->silence_learn = ZB_PATIENCE_LEARN;
    self->ack_limit = 1000;
    self->turn_limit = 1000;
    self->resync_rate = 32 * MIB;
    self->disk_limit = 5000;
    self->hook_limit = 30000;
    self->log_level = ZB_LOG_INFO;
    self->limits = (zb_limits_t) ZB_LIMITS_DEFAULT;
    return self;
}

void zb_config_destroy (zb_config_t **self_p)
{
    zb_config_t *self = *self_p;
    if (!self)
        return;
    for (size_t index = 0; index < HOSTS; index++) {
        zb_host_t *host = &self->host[index];
        free (host->endpoint);
        free (host->bind);
        free (host->state);
        free (host->state_bind);
        free (host->ship);
        free (host->ship_bind);
        free (host->http);
    }
    free (self->pair);
    free (self->secret);
    free (self->witness);
    free (self->key_file);
    free (self->public_key[ZB_PRIMARY]);
    free (self->public_key[ZB_BACKUP]);
    free (self->witness_key);
    for (int host = ZB_SINGLE; host <= ZB_BACKUP; host++)
        free (self->other_key[host]);
    free (self->http_login);
    free (self->http_certificate);
    free (self->http_key);
    free (self->http_names);
    free (self->store);
    free (self->fence);
    free (self->hook_role);
    free (self);
    *self_p = NULL;
}
