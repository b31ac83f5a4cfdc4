/*  =========================================================================
    operate - what the commands that move the role have in common

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>

#include "client/client.h"
#include "core/wire/proof.h"
#include "core/wire/seal.h"
#include "io/auth/keys.h"
#include "io/base/config_file.h"
#include "io/base/config_finish.h"
#include "io/base/config_set.h"
#include "patterns/witness_fsm.h"
#include "operate.h"

#define LOOK_WAIT 2000 //  ms for the answer to a STATUS
#define LOOK_EVERY 10  //  ms

int operate_key (zb_keyfile_t *key, const zb_config_t *config, char **error)
{
    if (!config->key_file)
        return 0;
    if (zb_keys_read (key, config->key_file, error))
        return -1;
    key->brokers = 0;
    for (int host = ZB_SINGLE; host <= ZB_BACKUP; host++) {
        if ((host == ZB_SINGLE) != (config->as == ZB_SINGLE))
            continue;
        const char *public_key = host == ZB_SINGLE ? key->public_key : config->public_key[host];
        snprintf (key->broker[key->brokers].endpoint, ZB_KEYFILE_ENDPOINT + 1, "%s", config->host[host].endpoint);
        snprintf (key->broker[key->brokers++].key, ZB_KEY_SIZE + 1, "%s", public_key);
    }
    return 0;
}

//  Takes key and, where nothing else names them, endpoints (to be freed) from the config file, or what holds without one.
//  Returns an exit code.
static int s_configure (operate_t *self, const tool_t *tool, const char *file, char **brokers)
{
    zb_config_t *config = zb_config_new ();
    char *error = NULL;
    bool wrong = file && zb_config_load (config, file, &error);
    bool single = config->host[ZB_SINGLE].endpoint && !config->host[ZB_PRIMARY].endpoint;
    wrong = wrong || (!single && zb_config_set (config, "as", "primary", &error)) ||
            zb_config_finish (config, &error) || operate_key (&self->keys, config, &error);
    if (!wrong) {
        zb_seal_key (self->key, config->pair, config->secret);
        if (file && !*brokers && !tool_option (tool, "brokers") && !getenv ("ZBROKER"))
            *brokers =
                single ? strdup (config->host[ZB_SINGLE].endpoint)
                       : zsys_sprintf ("%s,%s", config->host[ZB_PRIMARY].endpoint, config->host[ZB_BACKUP].endpoint);
    }
    zb_config_destroy (&config);
    int code = wrong ? tool_misused (tool, "%s", error) : TOOL_OK;
    free (error);
    return code;
}

int operate_open (operate_t *self, const tool_t *tool, const char *own, const char *config)
{
    *self = (operate_t){.end = 0};
    int64_t timeout = 10000;
    char *brokers = own ? strdup (own) : NULL;
    if (tool_number (tool, "timeout", 1, 600000, &timeout))
        return TOOL_USAGE;
    self->end = zclock_mono () + timeout;
    int code = s_configure (self, tool, own ? config : tool_option (tool, "config"), &brokers);
    if (code)
        return code;
    code = brokers_take (&self->brokers, tool, brokers ? zb_client_new (brokers) : tool_client (tool));
    free (brokers);
    if (code)
        return code;
    zb_client_t *client = self->brokers.client;
    const char *key = own ? NULL : tool_option (tool, "key");
    if (!key && !own)
        key = getenv ("ZBROKER_KEY");
    if (key && zb_client_set_key (client, key))
        return tool_client_fail (tool, client, "key");
    if (!key && *self->keys.public_key && zb_client_use_key (client, &self->keys))
        return tool_client_fail (tool, client, "key");
    for (size_t index = 0; index < self->brokers.size; index++)
        operate_look (self, index);
    return TOOL_OK;
}

void operate_close (operate_t *self)
{
    brokers_close (&self->brokers);
}

//  What is left of the time, ms.
static int64_t s_left (const operate_t *self)
{
    int64_t left = self->end - zclock_mono ();
    return left > 0 ? left : 0;
}

bool operate_look (operate_t *self, size_t index)
{
    int64_t left = s_left (self);
    return brokers_look (&self->brokers, index, left < LOOK_WAIT ? left : LOOK_WAIT) && self->brokers.status[index];
}

const char *operate_ask (operate_t *self, size_t index, zb_verb_t verb, bool accept_loss)
{
    char proof[ZB_PROOF_SIZE + 1];
    zb_proof_make (proof, self->key, zb_verb_name (verb), brokers_text (self->brokers.status[index], "challenge"));
    //  A broker that has to ask a witness passes on the operator's word, and can't make it up.
    char word[ZB_PROOF_SIZE + 1];
    json_t *status = self->brokers.status[index];
    const char *challenge = json_string_value (brokers_member (status, "witness.challenge"));
    if (challenge)
        zb_proof_make (word, self->key, witness_event_name (WITNESS_FORCE), challenge);
    return zb_client_operate (self->brokers.client, index, verb, proof, accept_loss,
                              accept_loss && challenge ? word : NULL, s_left (self));
}

const char *operate_change (operate_t *self, size_t index, const char *change)
{
    char proof[ZB_PROOF_SIZE + 1];
    char *said = zsys_sprintf ("%s%s%s", zb_verb_name (ZB_KEY), *change ? " " : "", change);
    assert (said);
    zb_proof_make (proof, self->key, said, brokers_text (self->brokers.status[index], "challenge"));
    free (said);
    return zb_client_key (self->brokers.client, index, proof, change, s_left (self));
}

const char *operate_backup (operate_t *self, size_t index, const char *folder, const char *rate)
{
    char proof[ZB_PROOF_SIZE + 1];
    char *said = zsys_sprintf ("%s%s%s", zb_verb_name (ZB_COPY), *folder ? " " : "", folder);
    assert (said);
    zb_proof_make (proof, self->key, said, brokers_text (self->brokers.status[index], "challenge"));
    free (said);
    return zb_client_backup (self->brokers.client, index, proof, folder, rate, s_left (self));
}

int operate_fail (const operate_t *self, const tool_t *tool, size_t index)
{
    const zb_client_t *client = self->brokers.client;
    return tool_fail (tool, zb_client_error (client) == ZB_ERR_TIMEOUT ? TOOL_NO_ANSWER : TOOL_FAILED, "%s: %s",
                      self->brokers.endpoint[index], zb_client_error_text (client));
}

bool operate_is_active (const operate_t *self, size_t index)
{
    return streq (brokers_text (self->brokers.status[index], "role"), "active") &&
           !streq (brokers_text (self->brokers.status[index], "level"), "hold");
}

bool operate_wait_active (operate_t *self, size_t index)
{
    do {
        if (operate_look (self, index) && operate_is_active (self, index))
            return true;
        zclock_sleep (LOOK_EVERY);
    } while (s_left (self) && !zsys_interrupted);
    return false;
}

bool operate_wait_in_step (operate_t *self, size_t index)
{
    do {
        if (operate_look (self, index) && operate_is_active (self, index) &&
            brokers_true (self->brokers.status[index], "in_step"))
            return true;
        zclock_sleep (LOOK_EVERY);
    } while (s_left (self) && !zsys_interrupted);
    return false;
}
