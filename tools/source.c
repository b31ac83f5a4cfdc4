/*  =========================================================================
    source - a backup that is read; or a store, by way of one

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <sys/stat.h>

#include "io/store/home.h"
#include "progress.h"
#include "source.h"

//  Whether it is a store's folder, and not a backup's.
static bool s_is_store (const char *folder)
{
    char *manifest = zsys_sprintf ("%s/MANIFEST", folder);
    bool backup = access (manifest, F_OK) == 0;
    free (manifest);
    return !backup && (zb_home_used (folder) || zb_home_holds_tables (folder));
}

static int s_copy (source_t *self, const char *folder, char **error)
{
    //  Beside the store itself, whatever it is called here: "." and links stand for it.
    char *whole = realpath (folder, NULL);
    if (!whole) {
        *error = zsys_sprintf ("%s: %s", folder, strerror (errno));
        return TOOL_USAGE;
    }
    char *copy = zsys_sprintf ("%s.read-%d", whole, (int) getpid ());
    umask (077);
    progress_catch ();
    progress_t progress = {.what = "read"};
    int code = zb_backup_store (folder, copy, progress_show, &progress, error);
    progress_end (&progress);
    //  One that could not be made is gone already, or another one's.
    if (code == TOOL_OK)
        self->copy = copy;
    else
        free (copy);
    free (whole);
    return code;
}

int source_open (source_t *self, const tool_t *tool, const char *folder)
{
    *self = (source_t){NULL, NULL};
    char *error = NULL;
    int code = s_is_store (folder) ? s_copy (self, folder, &error) : TOOL_OK;
    if (code == TOOL_OK)
        code = zb_backup_open (&self->backup, self->copy ? self->copy : folder, &error);
    if (code != TOOL_OK) {
        tool_fail (tool, code, "%s", error);
        free (error);
        source_close (self);
    }
    return code;
}

void source_close (source_t *self)
{
    zb_backup_close (&self->backup);
    zdir_t *copy = self->copy ? zdir_new (self->copy, NULL) : NULL;
    if (copy)
        zdir_remove (copy, true);
    zdir_destroy (&copy);
    free (self->copy);
    self->copy = NULL;
}
