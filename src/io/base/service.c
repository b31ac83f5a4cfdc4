/*  =========================================================================
    service - what the system's service manager is told of this process

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include "io/base/service.h"

#ifdef HAVE_SYSTEMD

#include <systemd/sd-daemon.h>

#define EACH 3 //  notices in a watchdog's time: one may be late, and another one lost

static int64_t s_next; //  ms: no notice before

void zb_service_ready (void)
{
    sd_notify (0, "READY=1");
}

void zb_service_state (const char *line)
{
    sd_notifyf (0, "STATUS=%s", line);
}

void zb_service_alive (int64_t now)
{
    if (now < s_next)
        return;
    uint64_t limit = 0; //  microseconds
    if (sd_watchdog_enabled (0, &limit) <= 0) {
        s_next = INT64_MAX;
        return;
    }
    s_next = now + (int64_t) (limit / 1000 / EACH);
    sd_notify (0, "WATCHDOG=1");
}

void zb_service_stopping (void)
{
    sd_notify (0, "STOPPING=1");
}

#else

void zb_service_ready (void)
{
}

void zb_service_state (const char *line)
{
    (void) line;
}

void zb_service_alive (int64_t now)
{
    (void) now;
}

void zb_service_stopping (void)
{
}

#endif
