/*  =========================================================================
    config_finish - what follows from what was set, and whether it fits together

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#ifndef ZB_CONFIG_FINISH_H_INCLUDED
#define ZB_CONFIG_FINISH_H_INCLUDED

#include "io/base/config.h"

//  Derives what was not set (endpoints, binds, ports + 1 and + 2, the store's folder) and checks that all fits
//  together.  Call once, after everything was set; the config is constant from then on, but for zb_config_take.  Returns
//  0; else -1 and *error is a text that names settings and remedy, to be freed by the caller.
//  A broker listens on the loopback address if its endpoint names it (127.x.y.z or localhost), else on all of them.
int zb_config_finish (zb_config_t *self, char **error);
//  Whether those limits fit together of which one is in the other.  Returns and errors as above.
int zb_config_fits (const zb_limits_t *limits, char **error);

#endif
