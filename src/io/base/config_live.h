/*  =========================================================================
    config_live - what of a configuration may change while a broker runs

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The log's settings, and limits; but not those of connections, of how many bodies a request has, and of its bytes,
    which the ports have from their start.  Other threads read the rest of the config, which is left alone.
*/

#ifndef ZB_CONFIG_LIVE_H_INCLUDED
#define ZB_CONFIG_LIVE_H_INCLUDED

#include "io/base/config.h"

//  Takes from `fresh`, which was read for the same broker and is finished as well, what may change.  Returns 0; *changed
//  names those settings that differed and *kept those that differ still, each NULL if there are none.  Or -1, and nothing
//  was taken: *error says what does not fit together.  The texts are to be freed by the caller; no secret is in them.
int zb_config_take (zb_config_t *self, const zb_config_t *fresh, char **changed, char **kept, char **error);

#endif
