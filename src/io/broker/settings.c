/*  =========================================================================
    settings - a configuration that was read again, as far as it can change at work

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <stdlib.h>

#include "io/base/config_live.h"
#include "io/base/log.h"
#include "io/broker/settings.h"

void zb_settings_take (zb_config_t *config, const zb_config_t *fresh, const zb_settings_of_t *of)
{
    char *changed, *kept, *error;
    if (zb_config_take (config, fresh, &changed, &kept, &error)) {
        zb_log (ZB_LOG_ERROR, "the configuration was read again, and nothing has changed: %s", error);
        free (error);
        return;
    }
    zb_log_up_to (config->log_level);
    zb_log_as (config->log_form);
    zb_engine_limits (of->engine, &config->limits);
    zb_front_limits (of->front, &config->limits);
    if (of->links)
        zb_links_tell (of->links, config);
    zb_log (ZB_LOG_NOTICE, "the configuration was read again: %s", changed ? changed : "nothing has changed");
    if (kept)
        zb_log (ZB_LOG_WARNING, "what has changed in the configuration as well waits for a restart: %s", kept);
    free (changed);
    free (kept);
}
