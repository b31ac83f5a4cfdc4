/*  =========================================================================
    config - what an operator can set, from defaults, file and command line

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The file is ZPL (ZeroMQ RFC 4), read with CZMQ's zconfig; man page
    zbroker.conf(5).  One file serves both machines; the role says which one this is.
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

typedef struct {
    int as;              //  ZB_SINGLE, ZB_PRIMARY or ZB_BACKUP: which of the hosts this broker is
    zb_host_t host[3];   //  [ZB_SINGLE] is used without a pair
    char *pair;          //  the pair's name, "zbroker"; a broker ignores brokers of other names
    char *secret;        //  shared by the two brokers, may be ""
    char *store;         //  the store's folder
    size_t cache;        //  bytes of the database's cache
    size_t log_file;     //  bytes of one log file
    size_t log_keep;     //  bytes of log kept for a peer that is away
    size_t resync_rate;  //  bytes/s with which a peer catches up
    bool shared;         //  both brokers use one store, in one folder
    char *fence;         //  shared: the command that is run before the place of a holder that died is taken; NULL = none
    bool unfenced_ok;    //  shared: do without one on a network file system
    int64_t lease;       //  ms: how long a shared store's lock counts without a new proof: 10000
    char *key_file;      //  keys/own: the file with this broker's CURVE key; NULL = no keys
    char *public_key[3]; //  [ZB_PRIMARY] and [ZB_BACKUP]: the brokers' public keys; NULL = not set
    char *witness_key;   //  the witness's; NULL = not set
    char *other_key
        [3]; //  of each broker, and [ZB_SINGLE] of the witness: another one, while its key is changed; NULL = none
    bool insecure;       //  listen beyond this machine without keys
    char *witness;       //  pair/witness: tcp://HOST:PORT of the witness; NULL = none
    bool peer_loss_wait; //  peer-loss = wait: answer 503 rather than go on alone
    int64_t beat;        //  ms between heartbeats: 100
    int64_t silence;     //  ms without one until the peer is taken for dead: 500
    int64_t ack_limit;   //  ms that clients wait for a peer whose acks make no progress, until it is left behind: 1000
    int64_t turn_limit;  //  ms without a turn of the core until its heartbeats stop: 1000
    int64_t disk_limit;  //  ms that a sync to disk may last until they stop: 5000
    char *http_login;    //  the file of who may change something over HTTP; NULL: nobody
    bool http_asked;     //  the page was asked for: it has to listen, or the broker does not start
    char *hook_role;     //  the command for changes of role; NULL = none
    int64_t hook_limit;  //  ms until it is ended: 30000
    zb_log_level_t log_level;
    zb_logline_form_t log_form;
    zb_limits_t limits;
    bool exposed;        //  a file that was loaded can be read, or written, by others on this machine
} zb_config_t;

//  Returns the defaults.  Endpoints and the store's folder are NULL until zb_config_finish; owned by the caller.
zb_config_t *zb_config_new (void);
void zb_config_destroy (zb_config_t **self_p);
//  Reads a file over what is set.  Returns 0; else -1 and *error is a text that names file, key and remedy (and the
//  nearest known key), to be freed by the caller.  After an error part of the file may have been set.
int zb_config_load (zb_config_t *self, const char *file, char **error);
//  Sets one key, "section/key", as the command line does; the key "as" (primary or backup) is for it alone.  Returns
//  and errors as above.
int zb_config_set (zb_config_t *self, const char *key, const char *value, char **error);
//  Derives what was not set (endpoints, binds, ports + 1 and + 2, the store's folder) and checks that all fits
//  together.  Call once, after everything was set; the config is constant from then on, but for zb_config_take.  Returns
//  and errors as above.
//  A broker listens on the loopback address if its endpoint names it (127.x.y.z or localhost), else on all of them.
int zb_config_finish (zb_config_t *self, char **error);
//  NULL; or why a broker with this config, which is finished, does not start: it would listen beyond this machine
//  without keys.
//  The text names the remedy; to be freed by the caller.
char *zb_config_unkeyed (const zb_config_t *self);
//  The same of a witness that takes its keys from this config, which need not be finished, and would listen at `bind`.
char *zb_config_unkeyed_witness (const zb_config_t *self, const char *bind);
//  Takes from `fresh`, which was read for the same broker and is finished as well, the settings that may change while it
//  runs: the log's, and limits, but for those of connections, of how many bodies, and of a request's bytes.  Returns 0;
//  *changed names those that differed and *kept those that differ still, each NULL if there are none.  Or -1, and nothing
//  was taken: *error says what does not fit together.  The texts are to be freed by the caller; no secret is in them.
int zb_config_take (zb_config_t *self, const zb_config_t *fresh, char **changed, char **kept, char **error);
//  What an operator should look at, though it is allowed: a text for each, at most ZB_CAUTIONS, to be freed by the caller.
//  Looks at the store's folder, too, if it is there.  Returns how many.
#define ZB_CAUTIONS 8
size_t zb_config_cautions (const zb_config_t *self, char *text[ZB_CAUTIONS]);
//  Whether the endpoint is on the loopback address: 127.x.y.z or localhost.
bool zb_config_is_loopback (const char *endpoint);
//  The settings in which the two brokers of a pair should not differ, lines "name = value"; to be freed by the caller.
char *zb_config_tell (const zb_config_t *self);
//  A sentence that names what differs between two such texts; NULL if nothing does.  A name that one of them lacks is of
//  another version and not looked at.  To be freed by the caller.
char *zb_config_differs (const char *own, const char *theirs);
//  Where to listen for those who connect to this endpoint, which is of the form tcp://HOST:PORT: its own loopback address,
//  else all of them.  To be freed by the caller.
char *zb_config_bind_for (const char *endpoint);

#endif
