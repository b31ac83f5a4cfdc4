/*  =========================================================================
    role_pack - a role as bytes

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Two roles whose bytes are equal behave alike from then on, if what their stores hold is equal, too.
*/

#ifndef ROLE_PACK_H_INCLUDED
#define ROLE_PACK_H_INCLUDED

#include "core/pair/role.h"

#define ROLE_PACKED 1024 //  bytes, at most

//  Times are relative to `now`, in steps of MODEL_STEP (pair_model.h).  Returns the size.
size_t role_pack (const zb_role_t *role, int64_t now, uint8_t data[ROLE_PACKED]);

#endif
