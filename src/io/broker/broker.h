/*  =========================================================================
    broker - one broker: the core thread, and the actors around it

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#ifndef ZB_BROKER_H_INCLUDED
#define ZB_BROKER_H_INCLUDED

#include "io/base/config.h"
#include "io/base/exit_codes.h"
#include "io/base/reloader.h"
#include "io/broker/board.h"

//  Runs a broker in the calling thread until SIGTERM or SIGINT.  Prints READY and each change of role to standard
//  output, one line each, and logs (io/base/log.h).  Returns an exit code (io/base/exit_codes.h).  After a failure of
//  the store it does not return: the process exits at once, so that nothing is written after the failure.  What it is
//  at is posted on the board, unless that is NULL, from when it listens on.  What the reloader, unless that is NULL, has
//  read of the configuration is taken into it, as far as it can change at work.
int zb_broker_run (zb_config_t *config, zb_board_t *board, zb_reloader_t *reloader);

#endif
