/*  =========================================================================
    config_open - what of a configuration is open to others

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    What is said is for an operator, with the remedy in it.
*/

#ifndef ZB_CONFIG_OPEN_H_INCLUDED
#define ZB_CONFIG_OPEN_H_INCLUDED

#include <stddef.h>

#include "io/base/config.h"

//  NULL; or why a broker with this config, which is finished, does not start: it would listen beyond this machine
//  without keys.  To be freed by the caller.
char *zb_config_unkeyed (const zb_config_t *self);
//  The same of a witness that takes its keys from this config, which need not be finished, and would listen at `bind`.
char *zb_config_unkeyed_witness (const zb_config_t *self, const char *bind);
//  What an operator should look at, though it is allowed: a text for each, at most ZB_CAUTIONS, to be freed by the caller.
//  Looks at the store's folder, too, if it is there.  Returns how many.
#define ZB_CAUTIONS 8
size_t zb_config_cautions (const zb_config_t *self, char *text[ZB_CAUTIONS]);

#endif
