/*  =========================================================================
    operate - what the commands that move the role have in common

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#ifndef ZB_OPERATE_H_INCLUDED
#define ZB_OPERATE_H_INCLUDED

#include "core/rights/keyfile.h"
#include "core/wire/protocol.h"
#include "brokers.h"

//  The brokers of a pair, asked for their status one by one, and the key that their config gives.
typedef struct {
    brokers_t brokers;
    uint8_t key[32];
    zb_keyfile_t keys; //  whom the brokers take this for by their config: a broker, with the public keys of both; no public
                       //  key: the config has none
    int64_t end;       //  ms, zclock_mono: when --timeout is over
} operate_t;

//  Options of these commands.
#define OPERATE_CONFIG                                                                              \
    {                                                                                               \
        "config", "FILE", "the brokers' config file: the pair's name and secret, and its endpoints" \
    }
#define OPERATE_TIMEOUT                                          \
    {                                                            \
        "timeout", "MS", "how long it may take (default: 10000)" \
    }

//  The key of the broker on this machine, and the brokers' endpoints and public keys, as their config says; `key` stays
//  as it is without keys in it.  Returns 0, or -1 and *error.
int operate_key (zb_keyfile_t *key, const zb_config_t *config, char **error);
//  Reads --config, --brokers and --timeout and asks the brokers.  A pair that the command has started itself: `own` names its
//  brokers, and `config` is the file of one of them, NULL if it has none; ZBROKER_KEY is not for it.  Else both are NULL.
//  Returns an exit code; it has printed what is wrong.
int operate_open (operate_t *self, const tool_t *tool, const char *own, const char *config);
void operate_close (operate_t *self);
//  Asks one broker again; whether it answers.
bool operate_look (operate_t *self, size_t index);
//  Sends the request with its proof.  Returns the text of the OK, NULL after a refusal: the client's error tells.
const char *operate_ask (operate_t *self, size_t index, zb_verb_t verb, bool accept_loss);
//  Sends a KEY with this change, or "" to be told all, with its proof.  Returns and errors as above.
const char *operate_change (operate_t *self, size_t index, const char *change);
//  Sends a BACKUP of this broker's store into a folder of its machine, "" to end the one that is being made; `rate` is
//  bytes a second as text.  Returns the backup's number as text, and errors as above.
const char *operate_backup (operate_t *self, size_t index, const char *folder, const char *rate);
//  Prints that the broker has refused what was asked last, or has not answered.  Returns an exit code.
int operate_fail (const operate_t *self, const tool_t *tool, size_t index);
//  Whether the broker is active and answers clients, by its last status.
bool operate_is_active (const operate_t *self, size_t index);
//  Waits until the broker is active and answers clients; false if it does not within the time.
bool operate_wait_active (operate_t *self, size_t index);
//  Waits until the active broker says that the pair is in sync, so that 'zbroker status' says so, too; false if the time is
//  over before.
bool operate_wait_in_step (operate_t *self, size_t index);

#endif
