/*  =========================================================================
    claimant - the broker's side of the witness

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    What the role wants said goes out, and again each interval until it is answered;
    only the answer to the newest counts.  What the witness wants to hear again, with the
    nonce that it gave, is said again at once.  While there is nothing to say the witness
    is looked at, so that its death is known before it is needed.  Nothing waits here.
    Thread: the core's.
*/

#ifndef ZB_CLAIMANT_H_INCLUDED
#define ZB_CLAIMANT_H_INCLUDED

#include "core/pair/claim.h"
#include "io/auth/keys.h"
#include "io/base/config.h"

typedef struct zb_claimant zb_claimant_t;

//  Connects to the witness that the configuration names, which need not be there yet.  Of a pair only.
zb_claimant_t *zb_claimant_new (const zb_config_t *config, const zb_keys_t *keys);
void zb_claimant_destroy (zb_claimant_t **self_p);
//  A ZeroMQ socket to poll for input.
void *zb_claimant_socket (zb_claimant_t *self);
//  Says this to the witness, in place of what was said before.  The same again is sent when the last try is `interval`
//  (200 ms) old.
void zb_claimant_say (zb_claimant_t *self, witness_event_t event, uint64_t epoch, int64_t now);
//  Nothing is to be said: looks at the witness, once a second.
void zb_claimant_look (zb_claimant_t *self, int64_t now);
//  The pair's id, as the store has it; zeros before.
void zb_claimant_name (zb_claimant_t *self, const uint8_t id[ZB_CLAIM_ID_SIZE]);
//  The operator's proof for zb_claimant_challenge, for the next FORCE: hexadecimal digits, else there is none.
void zb_claimant_prove (zb_claimant_t *self, const char *proof, size_t size);
//  What an operator's proof has to be for; "" if the witness has not answered yet.
const char *zb_claimant_challenge (zb_claimant_t *self);
//  When the witness was heard last, 0 if never; and what was wrong with it for us: a verdict that is not one of the record,
//  GRANTED if nothing.
int64_t zb_claimant_heard (const zb_claimant_t *self);
witness_verdict_t zb_claimant_verdict (const zb_claimant_t *self);
const char *zb_claimant_why (const zb_claimant_t *self);
//  The answer to what was said last; false if there is none.
bool zb_claimant_recv (zb_claimant_t *self, zb_ruling_t *ruling, int64_t now);

#endif
