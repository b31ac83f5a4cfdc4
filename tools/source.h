/*  =========================================================================
    source - a backup that is read; or a store, by way of one

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#ifndef ZB_SOURCE_H_INCLUDED
#define ZB_SOURCE_H_INCLUDED

#include "io/store/backup.h"
#include "tool.h"

typedef struct {
    zb_backup_t *backup;
    char *copy; //  its folder, if it was made here; else NULL
} source_t;

//  Opens FOLDER, a backup.  If it is a store that no broker uses, makes one of it beside it, FOLDER.read-PID, which is gone
//  with source_close.  SIGINT, SIGTERM and SIGHUP end that.  Returns an exit code, after it has printed what is wrong.
int source_open (source_t *self, const tool_t *tool, const char *folder);
void source_close (source_t *self);

#endif
