/*  =========================================================================
    restore - zbroker restore: a store is made of a backup

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <sys/stat.h>

#include "commands.h"
#include "io/store/backup.h"
#include "progress.h"

static const tool_option_t s_options[] = {
    {"as", "primary|backup|single", "whose store it shall be (default: primary; single if it was)"},
    {NULL, NULL, NULL}};

static int s_restore (const tool_t *tool, const zb_backup_t *backup, const char *folder, const char *as)
{
    progress_t progress = {.what = "restore", .total = zb_backup_size (backup)};
    char *error = NULL;
    int code = zb_backup_restore (backup, folder, as, progress_show, &progress, &error);
    progress_end (&progress);
    if (code) {
        tool_fail (tool, code, "%s", error);
        free (error);
        return code;
    }
    printf ("%s is a store as it was at commit %" PRIu64 ", of the %s\n", folder, backup->commit,
            streq (as, "single") ? "broker without a pair" : as);
    return TOOL_OK;
}

static int s_run (tool_t *tool)
{
    if (tool->size != 2)
        return tool_misused (tool, "which backup, and into which folder? Say 'zbroker restore BACKUP FOLDER'");
    umask (077);
    progress_catch ();
    zb_backup_t *backup;
    char *error = NULL;
    int code = zb_backup_open (&backup, tool->arguments[0], &error);
    if (code) {
        tool_fail (tool, code, "%s", error);
        free (error);
        return code;
    }
    const char *as = tool_option (tool, "as");
    if (!as)
        as = streq (backup->as, "single") ? "single" : "primary";
    if (!streq (as, "primary") && !streq (as, "backup") && !streq (as, "single"))
        code = tool_misused (tool, "--as '%s' is none of primary, backup and single", as);
    else
        code = s_restore (tool, backup, tool->arguments[1], as);
    zb_backup_close (&backup);
    return code;
}

const tool_command_t tool_restore = {
    .name = "restore",
    .arguments = "BACKUP FOLDER",
    .summary = "Make a store of a backup",
    .text = "\n"
            "FOLDER is made, and is there when it is complete.  Start the broker with it, and the other one with\n"
            "an empty folder: that one copies all.  Stop both before: a broker of the old pair that still runs is\n"
            "refused as one of another pair.  What was answered OK after the backup is not there; clients are told\n"
            "by 403 'restored at commit N', and producers where they were then: see zbroker-operating(7).\n",
    .options = s_options,
    .run = s_run,
};
