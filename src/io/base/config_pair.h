/*  =========================================================================
    config_pair - what both brokers of a pair should have alike

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Each broker tells its own to the other one; what differs is named to operators and changes nothing.
*/

#ifndef ZB_CONFIG_PAIR_H_INCLUDED
#define ZB_CONFIG_PAIR_H_INCLUDED

#include "io/base/config.h"

//  The settings in which the two brokers of a pair should not differ, lines "path = value"; to be freed by the caller.
char *zb_config_tell (const zb_config_t *self);
//  A sentence that names what differs between two such texts; NULL if nothing does.  A path that one of them lacks is of
//  another version and not looked at.  To be freed by the caller.
char *zb_config_differs (const char *own, const char *theirs);

#endif
