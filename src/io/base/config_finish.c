/*  =========================================================================
    config_finish - what follows from what was set, and whether it fits together

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>

#include "io/base/config_finish.h"
#include "io/base/endpoint.h"
#include "io/base/failure.h"

//  State exchange, log shipping and the admin page follow the clients' port.
#define STATE_PORT 1
#define SHIP_PORT 2
#define HTTP_PORT 3
#define PORT_MAX (65535 - HTTP_PORT)

#define DEFAULT_SINGLE "tcp://127.0.0.1:5560"
#define DEFAULT_PRIMARY "tcp://127.0.0.1:5560"
#define DEFAULT_BACKUP "tcp://127.0.0.1:5570"

//  The same host, the port moved up.
static char *s_neighbour (const char *endpoint, int distance)
{
    const char *host;
    size_t size;
    return zb_endpoint_with_port (endpoint, zb_endpoint_split (endpoint, true, &host, &size) + distance);
}

//  The address of `bind`, if one was set, with the port of `endpoint`; else what follows from the endpoint alone.
static char *s_bind_like (const char *bind, const char *endpoint)
{
    if (!bind)
        return zb_endpoint_bind_for (endpoint);
    const char *host;
    size_t size;
    return zb_endpoint_with_port (bind, zb_endpoint_split (endpoint, false, &host, &size));
}

static int s_finish_host (zb_host_t *self, const char *role, char **error)
{
    const char *host;
    size_t size;
    if (zb_endpoint_split (self->endpoint, false, &host, &size) > PORT_MAX)
        return zb_failure (error,
                           "%s/endpoint = '%s': the port is above %d, and the three that follow it are ours, too", role,
                           self->endpoint, PORT_MAX);
    if (!self->state)
        self->state = s_neighbour (self->endpoint, STATE_PORT);
    if (!self->ship)
        self->ship = s_neighbour (self->endpoint, SHIP_PORT);
    if (!self->state_bind)
        self->state_bind = s_bind_like (self->bind, self->state);
    if (!self->ship_bind)
        self->ship_bind = s_bind_like (self->bind, self->ship);
    if (!self->bind)
        self->bind = zb_endpoint_bind_for (self->endpoint);
    return 0;
}

//  The page: for this machine alone, unless it is told otherwise; then by TLS, and to who has logged in.
static int s_finish_http (zb_config_t *self, char **error)
{
    zb_host_t *host = &self->host[self->as];
    const char *unused;
    size_t size;
    self->http_asked = host->http || self->http_certificate;
    if (!self->http_certificate != !self->http_key)
        return zb_failure (error, "http/%s is set, http/%s is not: TLS takes both, a certificate and its key",
                           self->http_key ? "key" : "certificate", self->http_key ? "certificate" : "key");
    if (!host->http)
        host->http =
            zsys_sprintf ("tcp://127.0.0.1:%d", zb_endpoint_split (host->endpoint, false, &unused, &size) + HTTP_PORT);
    if (!streq (host->http, "none") && !zb_endpoint_is_loopback (host->http) &&
        (!self->http_certificate || !self->http_login))
        return zb_failure (error,
                           "%s/http = '%s' is beyond this machine, where the page is served by TLS and to who has "
                           "logged in: set http/certificate, http/key and http/login; or name 127.0.0.1, or none",
                           zb_config_role (self->as), host->http);
    return 0;
}

//  A pair needs both endpoints, and its six addresses must differ.
static int s_finish_pair (zb_config_t *self, char **error)
{
    zb_host_t *primary = &self->host[ZB_PRIMARY], *backup = &self->host[ZB_BACKUP];
    if (!primary->endpoint != !backup->endpoint)
        return zb_failure (error, "%s/endpoint is set, %s/endpoint is not: a pair needs both",
                           zb_config_role (primary->endpoint ? ZB_PRIMARY : ZB_BACKUP),
                           zb_config_role (primary->endpoint ? ZB_BACKUP : ZB_PRIMARY));
    if (!primary->endpoint) {
        zb_config_replace (&primary->endpoint, DEFAULT_PRIMARY);
        zb_config_replace (&backup->endpoint, DEFAULT_BACKUP);
    }
    if (s_finish_host (primary, zb_config_role (ZB_PRIMARY), error) ||
        s_finish_host (backup, zb_config_role (ZB_BACKUP), error))
        return -1;
    const char *address[] = {primary->endpoint, primary->state, primary->ship,
                             backup->endpoint,  backup->state,  backup->ship};
    for (size_t one = 0; one < 6; one++)
        for (size_t other = one + 1; other < 6; other++)
            if (streq (address[one], address[other]))
                return zb_failure (error,
                                   "%s has two uses: state exchange takes the port after each broker's own, log "
                                   "shipping the one after that",
                                   address[one]);
    if (self->silence < 3 * self->beat)
        return zb_failure (error,
                           "pair/silence = %" PRIi64 " ms must be at least three times pair/heartbeat = %" PRIi64
                           " ms, or one lost heartbeat looks like death",
                           self->silence, self->beat);
    return 0;
}

//  What makes no sense with a shared store, or without one.
static int s_finish_shared (zb_config_t *self, char **error)
{
    if (self->fence && !*self->fence) {
        free (self->fence);
        self->fence = NULL;
    }
    if (!self->shared)
        return self->fence ? zb_failure (error, "store/fence is set, but the store is not shared: say --shared, or "
                                                "store/shared = yes")
                           : 0;
    if (self->as == ZB_SINGLE)
        return zb_failure (error, "a shared store is a pair's: say which broker this is, --as primary or --as backup");
    if (!self->store || !*self->store)
        return zb_failure (error, "--shared needs the folder that both brokers use: --store DIR, or store/folder");
    if (self->peer_loss_wait)
        return zb_failure (error, "peer-loss = wait is for two copies; a shared store has one: leave it out");
    if (self->witness)
        return zb_failure (error, "pair/witness is for two copies; of a shared store the lock decides: leave it out");
    return 0;
}

//  Keys: all that the pair needs, or none.
static int s_finish_keys (zb_config_t *self, char **error)
{
    const char *primary = self->public_key[ZB_PRIMARY], *backup = self->public_key[ZB_BACKUP];
    bool some = primary || backup || self->witness_key || self->other_key[ZB_PRIMARY] || self->other_key[ZB_BACKUP] ||
                self->other_key[ZB_SINGLE];
    if (!self->key_file)
        return some ? zb_failure (error, "public keys are set, but no key of this broker: set keys/own to its file, as "
                                         "'zbroker key make FILE' makes it")
                    : 0;
    if (self->as != ZB_SINGLE && (!primary || !backup))
        return zb_failure (error, "keys/own is set, keys/%s is not: a pair needs the public keys of both brokers",
                           primary ? "backup" : "primary");
    if (primary && backup && streq (primary, backup))
        return zb_failure (error, "keys/primary and keys/backup are the same: each broker has a key of its own");
    if (self->as != ZB_SINGLE && self->witness && !self->witness_key)
        return zb_failure (error, "keys/own and pair/witness are set, keys/witness is not: the witness has a key, too");
    return 0;
}

int zb_config_fits (const zb_limits_t *limits, char **error)
{
    if (limits->request < limits->body + limits->properties)
        return zb_failure (error, "limits/request = %zu is less than one body and its properties, %zu", limits->request,
                           limits->body + limits->properties);
    if (limits->window > limits->windows)
        return zb_failure (error, "limits/window = %zu, of one queue, is more than limits/windows = %zu, of all",
                           limits->window, limits->windows);
    if (limits->output > limits->outputs)
        return zb_failure (error, "limits/output = %zu, of one client, is more than limits/outputs = %zu, of all",
                           limits->output, limits->outputs);
    return 0;
}

int zb_config_finish (zb_config_t *self, char **error)
{
    *error = NULL;
    if (s_finish_shared (self, error) || s_finish_keys (self, error))
        return -1;
    if (self->as == ZB_SINGLE) {
        if (self->host[ZB_PRIMARY].endpoint || self->host[ZB_BACKUP].endpoint)
            return zb_failure (error, "a pair is configured: say which broker this is, --as primary or --as backup");
        if (!self->host[ZB_SINGLE].endpoint)
            zb_config_replace (&self->host[ZB_SINGLE].endpoint, DEFAULT_SINGLE);
        if (s_finish_host (&self->host[ZB_SINGLE], zb_config_role (ZB_SINGLE), error))
            return -1;
    }
    else if (s_finish_pair (self, error))
        return -1;
    if (s_finish_http (self, error))
        return -1;

    if (!self->store || !*self->store) {
        free (self->store);
        self->store = zsys_sprintf ("zbroker-%s", zb_config_role (self->as));
        assert (self->store);
    }
    if (zb_config_fits (&self->limits, error))
        return -1;
    //  Who keeps less than a file of the usual size has smaller ones.
    if (self->log_file == ZB_LOG_FILE && self->log_keep < self->log_file)
        self->log_file = self->log_keep;
    if (self->log_keep < self->log_file)
        return zb_failure (error, "store/log-keep = %zu is less than one log file, store/log-file = %zu",
                           self->log_keep, self->log_file);
    return 0;
}
