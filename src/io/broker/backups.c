/*  =========================================================================
    backups - BACKUP: one is asked for, and STATUS tells how it goes

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The store copies itself (io/store/copier); a broker makes one backup at a time.
*/

#include <assert.h>
#include <czmq.h>

#include "io/broker/broker_self.h"

void zb_broker_backup (zb_broker_t *self, const zb_request_t *request)
{
    zb_status_t *status = &self->status;
    bool busy = status->backup == ZB_BACKUP_COPYING || status->backup == ZB_BACKUP_FINISHING;
    char *folder = strndup (request->options.size ? (const char *) request->options.data : "", request->options.size);
    assert (folder);
    if (*folder && busy)
        zb_broker_refuse (self, request, ZB_NOT_READY, "a backup is being made already");
    else if (*folder && zb_engine_leads (self->engine) && status->stats.merging)
        zb_broker_refuse (self, request, ZB_NOT_READY,
                  "what the other broker has answered alone is being taken over: wait until that is done");
    else {
        if (*folder) {
            free (status->backup_folder);
            status->backup_folder = strdup (folder);
            freen (status->backup_why);
            status->backup = ZB_BACKUP_COPYING;
            status->backup_done = status->backup_total = 0;
            status->backup_serial++;
        }
        zb_store_backup (self->store, status->backup_serial, folder, request->max);
        char number[21];
        zb_number_format (status->backup_serial, number);
        zb_broker_ok (self, request, number);
    }
    free (folder);
}

void zb_broker_backed_up (zb_broker_t *self, zb_store_event_t *event)
{
    zb_status_t *status = &self->status;
    if (event->serial != status->backup_serial)
        return;
    status->backup = event->backup;
    status->backup_done = event->done;
    status->backup_total = event->total;
    free (status->backup_why);
    status->backup_why = event->text;
    event->text = NULL;
    if (status->backup == ZB_BACKUP_DONE)
        zb_log (ZB_LOG_NOTICE, "the backup %s is complete", status->backup_folder);
    else if (status->backup == ZB_BACKUP_FAILED)
        zb_log (ZB_LOG_WARNING, "the backup %s was given up: %s", status->backup_folder, status->backup_why);
}
