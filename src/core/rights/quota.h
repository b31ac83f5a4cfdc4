/*  =========================================================================
    quota - what a principal may use: connections, requests and bytes a second

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The limits are rules of the principal (core/rights/rights).  Each of the two rates is a bucket
    that holds what may be used in one second.  Nothing is refused for it: whoever has
    used more than there is owes the rest, and nothing of it is done before that is paid, whichever connections it comes
    over.  A limit that was changed begins with a full bucket.  A request counts once,
    and once more for each ZB_QUOTA_VISITS messages that it made the broker look at.

    Of the brokers' own keys, and of a principal without limits, nothing is counted.
*/

#ifndef ZB_QUOTA_H_INCLUDED
#define ZB_QUOTA_H_INCLUDED

#include "core/base/map.h"
#include "core/rights/rights.h"

typedef struct zb_quota zb_quota_t;

//  `key` is for the hash (ZB_MAP_KEY_SIZE bytes).
zb_quota_t *zb_quota_new (const uint8_t *key);
void zb_quota_destroy (zb_quota_t **self_p);

//  A connection of this principal, which is not NULL, has come; false if that is one too many.  It has to leave in
//  either case.
bool zb_quota_enter (zb_quota_t *self, const zb_principal_t *who);
void zb_quota_leave (zb_quota_t *self, zb_frame_t key, int64_t now);

//  For how many ms nothing of this principal is to be done; 0: go on.
int64_t zb_quota_owes (const zb_quota_t *self, const zb_principal_t *who, int64_t now);
//  It has used so much at `now` (ms), connected or not.  Returns what zb_quota_owes does then.
int64_t zb_quota_use (zb_quota_t *self, const zb_principal_t *who, size_t bytes, size_t visits, int64_t now);

#endif
