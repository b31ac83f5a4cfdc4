/*  =========================================================================
    backups - the backup that was asked for last, and how it goes

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================
*/

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "io/broker/backups.h"

const char *zb_backups_ask (zb_backups_t *self, zb_store_t *store, zb_frame_t folder, uint64_t rate)
{
    char *name = strndup (folder.size ? (const char *) folder.data : "", folder.size);
    assert (name);
    if (*name && (self->state == ZB_BACKUP_COPYING || self->state == ZB_BACKUP_FINISHING)) {
        free (name);
        return "a backup is being made already";
    }
    if (*name) {
        uint64_t serial = self->serial + 1;
        zb_backups_clear (self);
        self->serial = serial;
        self->state = ZB_BACKUP_COPYING;
        self->folder = strdup (name);
        assert (self->folder);
    }
    zb_store_backup (store, self->serial, name, rate);
    free (name);
    return NULL;
}

bool zb_backups_heard (zb_backups_t *self, zb_store_event_t *event)
{
    if (event->serial != self->serial)
        return false;
    self->state = event->backup;
    self->done = event->done;
    self->total = event->total;
    free (self->why);
    self->why = event->text;
    event->text = NULL;
    return self->state == ZB_BACKUP_DONE || self->state == ZB_BACKUP_FAILED;
}

void zb_backups_clear (zb_backups_t *self)
{
    free (self->folder);
    free (self->why);
    *self = (zb_backups_t) {0};
}
