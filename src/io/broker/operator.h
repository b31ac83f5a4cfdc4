/*  =========================================================================
    operator - an operator's requests: who may ask, and who waits for the end of it

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Owns the challenge that STATUS tells, and keeps the one SWITCHOVER or UPGRADE that is
    being answered when it is over.
*/

#ifndef ZB_OPERATOR_H_INCLUDED
#define ZB_OPERATOR_H_INCLUDED

#include "io/base/config.h"
#include "io/broker/hellos.h"

typedef struct zb_operator zb_operator_t;

zb_operator_t *zb_operator_new (const zb_config_t *config);
void zb_operator_destroy (zb_operator_t **self_p);
//  Whether the request has the right proof; if so, there is a new challenge from now on.
bool zb_operator_proven (zb_operator_t *self, const zb_request_t *request);
//  What the next request has to prove.
const char *zb_operator_challenge (const zb_operator_t *self);
//  Keeps a request until what it asks for is over; false if one waits already.
bool zb_operator_hold (zb_operator_t *self, const zb_request_t *request, int64_t now);
//  The verb of the one that waits.
zb_verb_t zb_operator_verb (const zb_operator_t *self);
//  Since when one waits, ms; 0 if none.
int64_t zb_operator_since (const zb_operator_t *self);
//  Takes it; valid until the next call.
const zb_hello_t *zb_operator_take (zb_operator_t *self);

#endif
