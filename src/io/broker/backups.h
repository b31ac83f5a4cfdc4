/*  =========================================================================
    backups - the backup that was asked for last, and how it goes

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The store copies itself (io/store/copier), one folder at a time, and reports; STATUS tells
    it.  All zero is a valid start: none was asked for since the process began.
*/

#ifndef ZB_BACKUPS_H_INCLUDED
#define ZB_BACKUPS_H_INCLUDED

#include "core/base/frame.h"
#include "io/store/store.h"

typedef struct {
    zb_backup_state_t state;
    uint64_t serial;      //  which one: counted from 1
    char *folder;         //  NULL if there was none
    char *why;            //  it failed; else NULL
    uint64_t done, total; //  bytes of the store's files that were copied, and about how many there are
} zb_backups_t;

//  Asks the store to copy itself to this folder, at `rate` bytes a second (0: no limit); an empty one ends what is being
//  made.  Returns NULL, or why not now.
const char *zb_backups_ask (zb_backups_t *self, zb_store_t *store, zb_frame_t folder, uint64_t rate);
//  Takes the store's report (ZB_STORE_BACKUP).  Returns whether it has ended with that.
bool zb_backups_heard (zb_backups_t *self, zb_store_event_t *event);
void zb_backups_clear (zb_backups_t *self);

#endif
