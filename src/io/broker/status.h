/*  =========================================================================
    status - what a broker says of itself, as JSON

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The answer to STATUS; the fields are listed in PROTOCOL.md.
*/

#ifndef ZB_STATUS_H_INCLUDED
#define ZB_STATUS_H_INCLUDED

#include "core/pair/role.h"
#include "core/replay/replayer.h"
#include "io/base/config.h"
#include "io/base/config_open.h"
#include "io/base/gate.h"
#include "io/base/links.h"
#include "io/broker/backups.h"
#include "io/broker/delays.h"
#include "io/broker/lag.h"
#include "io/store/lock.h"
#include "io/store/store.h"

//  Why a leadership began.
typedef enum {
    ZB_TAKEOVER_START,
    ZB_TAKEOVER_LOST,
    ZB_TAKEOVER_SWITCHOVER,
    ZB_TAKEOVER_PROMOTED,
    ZB_TAKEOVERS
} zb_takeover_t;

//  Codes of ERR that are counted.
typedef enum {
    ZB_ERRORS_400,
    ZB_ERRORS_401,
    ZB_ERRORS_403,
    ZB_ERRORS_404,
    ZB_ERRORS_409,
    ZB_ERRORS_413,
    ZB_ERRORS_429,
    ZB_ERRORS_503,
    ZB_ERRORS_507,
    ZB_ERRORS_OTHER,
    ZB_ERRORS
} zb_errors_t;

//  What is not in the role or the engine.
typedef struct {
    const zb_config_t *config;
    const zb_role_t *role;
    zb_engine_stats_t stats;
    int64_t now;
    int64_t started;           //  ms, as now
    int64_t phase_since;       //  ms: since when role and phase are what they are
    uint64_t not_zb1;          //  dropped messages: not ZB1 at all
    uint64_t unknown_keys;     //  handshakes that were turned away
    uint64_t crowded;          //  connections beyond the limit of their principal
    uint64_t paused;           //  requests that were done later, for what their principals had used
    uint64_t oversize;         //  cut and answered 413: over the limits in all
    uint64_t undeliverable;    //  replies whose client was gone
    uint64_t cut;              //  connections shut down by us: they did not read
    size_t output;             //  bytes of replies that wait for clients
    uint64_t errors[ZB_ERRORS]; //  replies with ERR, by code
    uint64_t takeovers[ZB_TAKEOVERS];
    uint64_t solo_ms;          //  in which clients were answered alone
    int64_t level_ms;          //  ms: when the peer had all commits last
    zb_delays_t sync;          //  of commits, on this disk
    zb_delays_t put;           //  of PUTs, from when they came until their OK
    zb_lag_t lag;              //  bytes of commits that this broker has made
    uint64_t refused;          //  answered 400, 413 or 429 before the engine
    uint64_t beats;            //  heartbeats that were not the peer's
    uint64_t beats_beyond;     //  that named an epoch out of reach,
    uint64_t rulings_beyond;   //  and answers of the witness that did
    zb_gate_stats_t gate;      //  connections
    bool full;                 //  the disk is below its low-water mark
    uint64_t space;            //  its free bytes, UINT64_MAX: not known
    bool replays;              //  this broker lost a split, and sends what it has:
    zb_replayer_stats_t replay;
    char *resync;              //  what a resync is doing, NULL if none
    uint64_t done, total;      //  bytes of it
    uint64_t pace;             //  bytes of log a second, while clients are slowed down for a peer that catches up; 0 = not
    int64_t resync_since;      //  ms: since when it is told of,
    uint64_t resync_gap;       //  and what was missing then
    zb_holder_t lock;          //  of a shared store: what the lock's file says
    bool held;                 //  somebody has the lock
    int64_t took;              //  ms that the takeover took, if this broker leads
    zb_links_t *links;         //  NULL without a pair
    const char *challenge;     //  for operators
    zb_backups_t backup;
    char *caution[ZB_CAUTIONS]; //  what the config has that an operator should look at
    size_t cautions;
    const char *witness_challenge; //  the same for a proof that the witness is to believe, "" if it has told none
    int64_t witness_heard;     //  ms: when it was heard last, 0 if never
} zb_status_t;

//  An ERR with this code was answered.
void zb_status_error (zb_status_t *self, unsigned code);
//  Returns the text, to be freed by the caller.
char *zb_status_json (const zb_status_t *self);
//  Which broker it is: single, primary or backup; and what it is now: active, passive or waiting.
const char *zb_status_node (const zb_config_t *config);
const char *zb_status_role (const zb_role_t *role);
//  The newest leadership, as far as this broker knows; of a shared store that is not open here the lock tells it.
uint64_t zb_status_epoch (const zb_role_t *role);
//  One line for an operator: "ACTIVE both epoch 3: active, the peer is in sync".  To be freed by the caller.
char *zb_status_line (const zb_role_t *role, int64_t now);

#endif
