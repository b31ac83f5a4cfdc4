/*  =========================================================================
    act - what an operator asks of the role, and the one answer to it

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================
*/

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "core/pair/act.h"

static zb_act_t s_refused (int code, const char *why, const char *more)
{
    zb_act_t act = {.state = ZB_ACT_REFUSED, .code = (unsigned) code};
    snprintf (act.text, sizeof act.text, "%s%s%s", why, *more ? "; " : "", more);
    return act;
}

//  The answer tells what may be lost: from where on this broker leads is known before it does.
static zb_act_t s_promote (zb_role_t *role, int64_t now)
{
    zb_act_t act = {.state = ZB_ACT_DONE};
    snprintf (act.text, sizeof act.text,
              "this broker leads from commit %" PRIu64 " of epoch %" PRIu64 " on; what the other one has answered OK after "
              "that is not here",
              role->commit, zb_lineage_newest (&role->lineage).number);
    int code;
    const char *why = zb_role_promote (role, now, &code);
    return why ? s_refused (code, why, "") : act;
}

zb_act_t zb_act_ask (zb_role_t *role, zb_verb_t verb, int64_t now)
{
    int code = ZB_NOT_READY;
    char lacks[ZB_LEVEL_TEXT];
    const char *why = NULL;
    switch (verb) {
    case ZB_PROMOTE:
        return s_promote (role, now);
    case ZB_SWITCHOVER:
        why = zb_role_yield (role, now, &code);
        break;
    case ZB_UPGRADE:
        why = zb_role_raise (role, now, lacks);
        break;
    default:
        assert (!"an act of the role");
    }
    return why ? s_refused (code, why, "") : (zb_act_t) {.state = ZB_ACT_ON};
}

//  Over when the peer leads: clients find an active broker from then on.
static zb_act_t s_switched (const zb_role_t *role, const char *peer, bool late, int64_t now)
{
    zb_act_t act = {.state = ZB_ACT_ON};
    if (role->bstar.state != BSTAR_ACTIVE && zb_role_peer_leads (role, now)) {
        act.state = ZB_ACT_DONE;
        snprintf (act.text, sizeof act.text, "%s", peer);
    }
    else if (!zb_role_drains (role) && (!role->yields || late))
        act = s_refused (ZB_NOT_READY, "the role was not handed over", zb_role_why (role, now));
    return act;
}

//  Over when the level is on each disk that there is.
static zb_act_t s_raised (const zb_role_t *role, bool late, int64_t now)
{
    zb_act_t act = {.state = ZB_ACT_ON};
    if (zb_role_risen (role)) {
        act.state = ZB_ACT_DONE;
        snprintf (act.text, sizeof act.text, "%u", role->level.store);
    }
    else if (late || role->bstar.state != BSTAR_ACTIVE || !(role->target || role->risen))
        act = s_refused (ZB_NOT_READY, "it is not known to have risen on both disks", zb_role_why (role, now));
    return act;
}

zb_act_t zb_act_look (const zb_role_t *role, zb_verb_t verb, const char *peer, int64_t since, int64_t now)
{
    bool late = now - since >= ZB_ACT_LONGEST;
    return verb == ZB_UPGRADE ? s_raised (role, late, now) : s_switched (role, peer, late, now);
}
