/*  =========================================================================
    config_live - what of a configuration may change while a broker runs

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>

#include "io/base/config_finish.h"
#include "io/base/config_live.h"
#include "io/base/config_set.h"
#include "io/base/failure.h"

//  A port's bounds are fixed when it begins to listen.
static bool s_is_live (const char *path)
{
    static const char *const fixed[] = {"limits/bodies", "limits/request", "limits/connections", "limits/per-address",
                                        "limits/memory"};
    bool live = strncmp (path, "limits/", strlen ("limits/")) == 0 || strncmp (path, "log/", strlen ("log/")) == 0;
    for (size_t index = 0; live && index < sizeof fixed / sizeof *fixed; index++)
        live = !streq (path, fixed[index]);
    return live;
}

static void s_append (char **list, char *text)
{
    char *more = *list ? zsys_sprintf ("%s, %s", *list, text) : strdup (text);
    assert (more);
    free (*list);
    free (text);
    *list = more;
}

//  Others read at the same time what is not live.
static void s_copy_live (zb_config_t *self, const zb_config_t *from)
{
    for (size_t index = 0; index < zb_config_settings (); index++)
        if (s_is_live (zb_config_path (index)))
            zb_config_copy (self, from, index);
}

int zb_config_take (zb_config_t *self, const zb_config_t *fresh, char **changed, char **kept, char **error)
{
    assert (self->as == fresh->as);
    *changed = *kept = *error = NULL;
    zb_config_t next = *self;
    s_copy_live (&next, fresh);
    if (zb_config_fits (&next.limits, error))
        return zb_failure_in (error, "with what takes a restart");
    for (size_t index = 0; index < zb_config_settings (); index++) {
        const char *path = zb_config_path (index);
        char *now = zb_config_text (self, index), *then = zb_config_text (fresh, index);
        if (!streq (now, then) && !s_is_live (path))
            s_append (kept, strdup (path));
        else if (!streq (now, then))
            s_append (changed, zsys_sprintf ("%s = %s (it was %s)", path, then, now));
        free (now);
        free (then);
    }
    s_copy_live (self, &next);
    return 0;
}
