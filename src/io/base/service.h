/*  =========================================================================
    service - what the system's service manager is told of this process

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    systemd's protocol of notify and watchdog, sd_notify(3): that the process serves, what it
    is at now (`systemctl status` shows it), and that it is not stuck.  Does nothing without
    a manager that listens ($NOTIFY_SOCKET), or where libsystemd was not there at build time.
    Never waits.  Thread: one only.
*/

#ifndef ZB_SERVICE_H_INCLUDED
#define ZB_SERVICE_H_INCLUDED

#include <stdint.h>

//  The process listens; from now on units that come after it are started.
void zb_service_ready (void);
//  What it is at, one line.
void zb_service_state (const char *line);
//  It is not stuck at this time, monotonic ms.  To be called more often than the unit's WatchdogSec says: what is too early
//  is not sent.  Who owns the watchdog is who must not stand still: a broker's core.
void zb_service_alive (int64_t now);
//  It ends by itself.
void zb_service_stopping (void);

#endif
