/*  =========================================================================
    config_open - what of a configuration is open to others

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>

#include "io/base/config_open.h"
#include "io/base/endpoint.h"

//  Whether anybody but this machine can reach what this broker listens for.
static bool s_is_open (const zb_config_t *self)
{
    const zb_host_t *own = &self->host[self->as];
    const char *const bind[] = {own->bind, self->as == ZB_SINGLE ? NULL : own->state_bind,
                                self->as == ZB_SINGLE || self->shared ? NULL : own->ship_bind};
    for (size_t index = 0; index < sizeof bind / sizeof *bind; index++)
        if (bind[index] && !zb_endpoint_is_loopback (bind[index]))
            return true;
    return false;
}

char *zb_config_unkeyed_witness (const zb_config_t *self, const char *bind)
{
    if (self->key_file || self->insecure || zb_endpoint_is_loopback (bind))
        return NULL;
    return zsys_sprintf (
        "this witness would listen beyond this machine at %s, and has no keys: whoever reaches that port could read "
        "what brokers ask, and, where pair/secret is not set, ask in their place.  Make a key on this machine with\n"
        "    zbroker key make /etc/zbroker/zbroker.key\n"
        "and name that file in the config file here, and the public keys of all three in that of the brokers, too:\n"
        "    keys\n"
        "        own = /etc/zbroker/zbroker.key\n"
        "        primary = \"...\"\n"
        "        backup = \"...\"\n"
        "        witness = \"...\"\n"
        "On a network that nobody else reaches, 'insecure = yes' in that section does without",
        bind);
}

char *zb_config_unkeyed (const zb_config_t *self)
{
    if (self->key_file || self->insecure || !s_is_open (self))
        return NULL;
    return zsys_sprintf (
        "this broker would listen beyond this machine, and has no keys: whoever reaches its ports could do "
        "everything.  Make a key on each machine with\n"
        "    zbroker key make /etc/zbroker/zbroker.key\n"
        "and name that file and the public keys it prints in the config file of both:\n"
        "    keys\n"
        "        own = /etc/zbroker/zbroker.key\n"
        "        primary = \"...\"\n"
        "        backup = \"...\"\n"
        "then let clients in with 'zbroker key new NAME'.  On a network that nobody else reaches, "
        "'insecure = yes' in that section does without");
}

size_t zb_config_cautions (const zb_config_t *self, char *text[ZB_CAUTIONS])
{
    size_t count = 0;
    size_t secret = strlen (self->secret);
    struct stat info;
    if (!secret && !self->key_file && s_is_open (self))
        text[count++] =
            zsys_sprintf ("no pair/secret, and this broker listens beyond this machine: whoever reaches its "
                          "ports can act as the other broker and as an operator");
    if (secret && secret < ZB_SECRET_LEAST)
        text[count++] = zsys_sprintf ("pair/secret has %zu letters: it can be guessed; %d random ones can't", secret,
                                      ZB_SECRET_LEAST);
    if (secret && self->exposed)
        text[count++] =
            zsys_sprintf ("others on this machine can read or write the config file with pair/secret in it: "
                          "chmod 600");
    if (self->store && stat (self->store, &info) == 0 && (info.st_mode & (S_IWGRP | S_IWOTH)))
        text[count++] = zsys_sprintf ("others on this machine can write the store's folder %s: chmod 700", self->store);
    return count;
}
