/*  =========================================================================
    courier - carries a replay to the winner of a split

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The loser's core is a client of the winner: items go out on a DEALER to the winner's
    endpoint for clients, answers come back.  After a silence, or an answer that says
    "not now", it begins again; what to do next the winner knows (core/replay/replayer).

    Thread: the core's.  Nothing waits.
*/

#ifndef ZB_COURIER_H_INCLUDED
#define ZB_COURIER_H_INCLUDED

#include "core/replay/replayer.h"
#include "io/auth/keys.h"
#include "io/store/salvager.h"

typedef struct zb_courier zb_courier_t;

//  `dir` is the store's folder, `salvager` (borrowed) puts aside there what the winner can't take; `lineage` is the
//  loser's, this broker's own; `keys` (borrowed) are NULL without.  Copies all else that it is given.  NULL and errno
//  if the endpoint can't be used.
zb_courier_t *zb_courier_new (const char *endpoint, const char *dir, zb_salvager_t *salvager,
                              const uint8_t secret[ZB_SECRET_SIZE], const zb_lineage_t *lineage,
                              const zb_keys_t *keys);
//  What the loser's store says of principals, to be told, too; copied.
void zb_courier_rights (zb_courier_t *self, zb_frame_t rights);
void zb_courier_destroy (zb_courier_t **self_p);
//  Takes answers, sends items.  Returns true when the winner has everything on its disk.
bool zb_courier_turn (zb_courier_t *self, int64_t now);
//  The next read for the store, NULL if none; its result goes to zb_courier_found, which takes it.
zb_read_t *zb_courier_read (zb_courier_t *self, int purpose);
void zb_courier_found (zb_courier_t *self, zb_read_t **read_p);
//  To be polled for input.
void *zb_courier_socket (zb_courier_t *self);
void zb_courier_stats (const zb_courier_t *self, zb_replayer_stats_t *stats);
//  NULL, or what is wrong with the store.
const char *zb_courier_fault (const zb_courier_t *self);

#endif
