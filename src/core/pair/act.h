/*  =========================================================================
    act - what an operator asks of the role, and the one answer to it

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    SWITCHOVER and UPGRADE take some time and need the peer; PROMOTE is over at once.  An act is
    asked for, and while its answer is ZB_ACT_ON it is looked at in every turn.  Whether
    the operator may ask at all is proven before (io/broker/operator), where the request waits, too.

    Pure functions of the role.
*/

#ifndef ZB_ACT_H_INCLUDED
#define ZB_ACT_H_INCLUDED

#include "core/pair/role.h"
#include "core/wire/request.h"

//  An act that is not over after this time (ms) has failed for the operator: he is told how things are.
#define ZB_ACT_LONGEST 5000
//  Bytes of an answer's text; a longer one is cut.
#define ZB_ACT_TEXT 1000

typedef enum {
    ZB_ACT_ON,     //  not over: look at it again
    ZB_ACT_DONE,   //  over: `text` is what the operator gets with OK
    ZB_ACT_REFUSED //  it can't be done, or was given up: `text` says why, `code` is that of ERR
} zb_act_state_t;

typedef struct {
    zb_act_state_t state;
    unsigned code; //  of a refusal: 403 it is never right here, 503 it may be later
    char text[ZB_ACT_TEXT];
} zb_act_t;

//  Asks the role for PROMOTE, SWITCHOVER or UPGRADE at `now` (ms).  What the role wants done then is to be carried out.
zb_act_t zb_act_ask (zb_role_t *role, zb_verb_t verb, int64_t now);
//  How the act stands that was asked for at `since`: SWITCHOVER or UPGRADE.  `peer` is where clients reach the other
//  broker, which is the answer to a switchover.
zb_act_t zb_act_look (const zb_role_t *role, zb_verb_t verb, const char *peer, int64_t since, int64_t now);

#endif
