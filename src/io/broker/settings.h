/*  =========================================================================
    settings - a configuration that was read again, as far as it can change at work

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#ifndef ZB_SETTINGS_H_INCLUDED
#define ZB_SETTINGS_H_INCLUDED

#include "core/engine/engine.h"
#include "io/base/config.h"
#include "io/base/links.h"
#include "io/broker/front.h"

//  Whom a setting may concern while a broker runs.
typedef struct {
    zb_engine_t *engine;
    zb_front_t *front;
    zb_links_t *links; //  NULL without a pair
} zb_settings_of_t;

//  Takes what may change at work of `fresh`, which is finished, into `config`, and tells all that it concerns, and the log.
//  If it does not fit together with what can't change, nothing is taken, and the log says why.  Thread: the core's.
void zb_settings_take (zb_config_t *config, const zb_config_t *fresh, const zb_settings_of_t *of);

#endif
