/*  =========================================================================
    config - what an operator can set, and its defaults

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    From defaults to a broker's config, in this order: zb_config_new; zb_config_load (config_file) and zb_config_set
    (config_set) go over them; zb_config_finish (config_finish) derives the rest and checks.
*/

#ifndef ZB_CONFIG_H_INCLUDED
#define ZB_CONFIG_H_INCLUDED

#include <stdbool.h>
#include <stdint.h>

#include "core/base/limits.h"
#include "io/base/log.h"

//  Index of a node's endpoints.
enum { ZB_SINGLE = 0, ZB_PRIMARY = 1, ZB_BACKUP = 2 };

//  How one broker is reached and where it listens.  Strings are the config's.
typedef struct {
    char *endpoint; //  where clients connect: tcp://HOST:PORT
    char *bind;     //  where the broker listens for them
    char *state;    //  PORT+1: state exchange, as the peer connects to it
    char *state_bind;
    char *ship; //  PORT+2: log shipping, as the peer connects to it
    char *ship_bind;
    char *http; //  PORT+3: where the page listens; NULL or "none": nowhere
} zb_host_t;

#define ZB_LOG_FILE ((size_t) 32 << 20) //  bytes of one log file, unless it is set

typedef struct {
    int as;             //  ZB_SINGLE, ZB_PRIMARY or ZB_BACKUP: which of the hosts this broker is
    zb_host_t host[3];  //  [ZB_SINGLE] is used without a pair
    char *pair;         //  the pair's name, "zbroker"; a broker ignores brokers of other names
    char *secret;       //  shared by the two brokers, may be ""
    char *store;        //  the store's folder
    size_t cache;       //  bytes of the database's cache
    size_t log_file;    //  bytes of one log file: ZB_LOG_FILE, and no more than log_keep
    size_t log_keep;    //  bytes of log kept for a peer that is away
    size_t resync_rate; //  bytes/s with which a peer catches up
    bool shared;        //  both brokers use one store, in one folder
    char *fence;        //  shared: the command that is run before the place of a holder that died is taken; NULL = none
    bool unfenced_ok;   //  shared: do without one on a network file system
    int64_t lease;      //  ms: how long a shared store's lock counts since it was last seen to be ours: 10000
    char *key_file;     //  keys/own: the file with this broker's CURVE key; NULL = no keys
    char *public_key[3]; //  [ZB_PRIMARY] and [ZB_BACKUP]: the brokers' public keys; NULL = not set
    char *witness_key;   //  the witness's; NULL = not set
    char *other_key
        [3]; //  of each broker, and [ZB_SINGLE] of the witness: another one, while its key is changed; NULL = none
    bool insecure;       //  listen beyond this machine without keys
    char *witness;       //  pair/witness: tcp://HOST:PORT of the witness; NULL = none
    bool peer_loss_wait; //  peer-loss = wait: answer 503 rather than go on alone
    int64_t beat;        //  ms between heartbeats: 100
    int64_t silence;     //  ms without one until the peer is taken for dead: 500
    bool silence_set;    //  it was set, and stays as it is; else it is learned from there on (core/pair/patience.h),
    int64_t silence_learn; //  and falls after ms of good heartbeats
    int64_t ack_limit;   //  ms that clients wait for a peer whose acks make no progress, until it is left behind: 1000
    int64_t turn_limit;  //  ms without a turn of the core until its heartbeats stop: 1000
    int64_t disk_limit;  //  ms that a sync to disk may last until they stop: 5000
    char *http_login;    //  the file of who may change something over HTTP; NULL: nobody
    char *http_certificate, *http_key; //  files of the page's TLS, in PEM; NULL: it is not encrypted
    char *http_names;    //  by which this machine is asked for pages, beside its endpoint's, with spaces; NULL: none
    bool http_asked;     //  the page was asked for: it has to listen, or the broker does not start
    char *hook_role;     //  the command for changes of role; NULL = none
    int64_t hook_limit;  //  ms until it is ended: 30000
    zb_log_level_t log_level;
    zb_logline_form_t log_form;
    zb_limits_t limits;
    bool exposed; //  a file that was loaded can be read, or written, by others on this machine
} zb_config_t;

//  Returns the defaults.  Endpoints and the store's folder are NULL until zb_config_finish; owned by the caller.
zb_config_t *zb_config_new (void);
void zb_config_destroy (zb_config_t **self_p);
//  Puts a copy of the value into a field that is a text, and frees what was there.
void zb_config_replace (char **field, const char *value);
//  "single", "primary" or "backup".
const char *zb_config_role (int host);

#endif
