/*  =========================================================================
    lag - how many bytes of commits the other broker lacks

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A plain value: how many bytes all commits up to some of them have together, the newest some
    hundred one by one, and the older they are the fewer of them.  All zero is empty.
*/

#ifndef ZB_LAG_H_INCLUDED
#define ZB_LAG_H_INCLUDED

#include <stddef.h>
#include <stdint.h>

#include "core/base/batch.h"

#define ZB_LAG_MOST 1024 //  commits that are known

typedef struct {
    uint64_t bytes; //  of all commits
    size_t size;
    struct {
        uint64_t commit;
        uint64_t bytes; //  up to this one
    } known[ZB_LAG_MOST];
} zb_lag_t;

//  A commit, of a larger number than those before; if not, it is the first one of another leadership.
void zb_lag_add (zb_lag_t *self, uint64_t commit, const zb_batch_t *batch);
//  Bytes of the commits above this one: not less than there are, and more by those between two that are known at most.
uint64_t zb_lag_behind (const zb_lag_t *self, uint64_t commit);

#endif
