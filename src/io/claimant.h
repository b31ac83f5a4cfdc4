/*  =========================================================================
    claimant - the broker's side of the witness

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    What the role wants said goes out, and again each interval until it is answered;
    only the answer to the newest counts.  Nothing waits here.  Thread: the core's.
*/

#ifndef ZB_CLAIMANT_H_INCLUDED
#define ZB_CLAIMANT_H_INCLUDED

#include "core/claim.h"
#include "io/config.h"

typedef struct zb_claimant zb_claimant_t;

//  Connects to the witness that the configuration names, which need not be there yet.  Of a pair only.
zb_claimant_t *zb_claimant_new (const zb_config_t *config);
void zb_claimant_destroy (zb_claimant_t **self_p);
//  A ZeroMQ socket to poll for input.
void *zb_claimant_socket (zb_claimant_t *self);
//  Says this to the witness, in place of what was said before.  The same again is sent when the last try is `interval`
//  (200 ms) old.
void zb_claimant_say (zb_claimant_t *self, witness_event_t event, uint64_t epoch, int64_t now);
//  The answer to what was said last; false if there is none.
bool zb_claimant_recv (zb_claimant_t *self, zb_ruling_t *ruling);

#endif
