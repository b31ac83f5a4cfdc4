/*  =========================================================================
    backup - zbroker backup: the store as it is at one commit, into a folder

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <jansson.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "io/store/backup.h"
#include "operate.h"
#include "progress.h"

#define RATE "33554432" //  bytes a second
#define LOOK_EVERY 100  //  ms between two looks at how far it is
#define SILENT 30000    //  ms without an answer until the broker is given up

static const tool_option_t s_options[] = {
    {"from", "passive|active|EP", "which broker makes it (default: the passive one)"},
    {"rate", "BYTES", "at most so many bytes a second; 0 = no limit (default: " RATE ")"},
    {"store", "DIR", "of a store that no broker uses, by this command itself"},
    {"json", NULL, "print what was made as JSON"},
    {"finish", NULL, "a broker's own: recover what it has copied into FOLDER.part, and put it in its place"},
    {"as", "NAME", "--finish: whose store it was"},
    OPERATE_CONFIG,
    TOOL_BROKERS,
    TOOL_KEY,
    OPERATE_TIMEOUT,
    {NULL, NULL, NULL}};

static int s_say (const tool_t *tool, int code, char *error)
{
    tool_fail (tool, code, "%s", error);
    free (error);
    return code;
}

//  The folder's whole path, to be freed: a broker has a working directory of its own.
static char *s_whole (const char *folder)
{
    char *here = *folder == '/' ? NULL : getcwd (NULL, 0);
    char *path = here ? zsys_sprintf ("%s/%s", here, folder) : strdup (folder);
    assert (path);
    for (size_t size = strlen (path); size > 1 && path[size - 1] == '/'; size--)
        path[size - 1] = 0;
    free (here);
    return path;
}

static int s_print (const tool_t *tool, const char *folder, const char *endpoint)
{
    zb_backup_t *backup = NULL;
    char *error = NULL;
    //  It may be on the broker's machine.
    bool here = access (folder, F_OK) == 0;
    int code = here ? zb_backup_open (&backup, folder, &error) : TOOL_OK;
    if (code)
        return s_say (tool, code, error);
    if (tool_option (tool, "json")) {
        json_t *object = json_pack ("{s:s, s:s?}", "folder", folder, "broker", endpoint);
        if (backup) {
            json_object_set_new (object, "commit", json_integer ((json_int_t) backup->commit));
            json_object_set_new (object, "epoch", json_integer ((json_int_t) backup->epoch));
            json_object_set_new (object, "bytes", json_integer ((json_int_t) zb_backup_size (backup)));
        }
        json_dumpf (object, stdout, JSON_PRESERVE_ORDER);
        putchar ('\n');
        json_decref (object);
    }
    else if (backup)
        printf ("%s: the store as it was at commit %" PRIu64 ", %" PRIu64 " bytes\n", folder, backup->commit,
                zb_backup_size (backup));
    else
        printf ("%s at %s\n", folder, endpoint);
    zb_backup_close (&backup);
    return TOOL_OK;
}

//  ---------------------------------------------------------------------------
//  By a broker

static bool s_serves (const operate_t *pair, size_t index)
{
    return streq (brokers_text (pair->brokers.status[index], "role"), "active");
}

//  The broker that --from names; the number of brokers, and *code, if there is none.
static size_t s_choose (const tool_t *tool, const operate_t *pair, int *code)
{
    const char *from = tool_option (tool, "from");
    size_t size = pair->brokers.size, index = 0;
    bool active = from && streq (from, "active");
    if (from && !active && !streq (from, "passive"))
        while (index < size && !streq (from, pair->brokers.endpoint[index]))
            index++;
    else {
        //  One store of two brokers is open at the active one; a broker without a pair is always that.
        for (size_t each = 0; each < size; each++) {
            json_t *status = pair->brokers.status[each];
            active =
                active ||
                (status && s_serves (pair, each) &&
                 (streq (brokers_text (status, "node"), "single") || json_is_object (brokers_member (status, "lock"))));
        }
        while (index < size &&
               !(pair->brokers.status[index] &&
                 (active ? s_serves (pair, index)
                         : !s_serves (pair, index) && brokers_true (pair->brokers.status[index], "in_step"))))
            index++;
    }
    if (index == size)
        *code =
            from && !active && !streq (from, "passive")
                ? tool_misused (tool, "--from '%s' is neither passive, active, nor one of the brokers", from)
                : tool_fail (tool, TOOL_NO_ANSWER,
                             active ? "no broker is active; see 'zbroker status'"
                                    : "no broker is passive and in sync; see 'zbroker status', or say --from active");
    return index;
}

//  Waits until backup NUMBER is done.  Returns an exit code.
static int s_follow (const tool_t *tool, operate_t *pair, size_t index, uint64_t number)
{
    progress_t progress = {.what = "backup"};
    int64_t heard = zclock_mono ();
    int code = -1;
    bool stopped = false;
    while (code == -1) {
        pair->end = zclock_mono () + SILENT;
        bool looked = operate_look (pair, index);
        json_t *status = pair->brokers.status[index];
        const char *state = looked ? json_string_value (brokers_member (status, "backup.state")) : NULL;
        json_int_t which = json_integer_value (brokers_member (status, "backup.number"));
        if (looked)
            heard = zclock_mono ();
        progress.total = state ? (uint64_t) json_integer_value (brokers_member (status, "backup.total")) : 0;
        if (looked && (!state || (uint64_t) which != number))
            code = tool_fail (tool, TOOL_FAILED,
                              "the broker was started again, or makes another backup: this one is not complete");
        else if (looked && streq (state, "done"))
            code = TOOL_OK;
        else if (looked && streq (state, "failed"))
            code = tool_fail (tool, TOOL_FAILED, "%s", brokers_text (status, "backup.why"));
        else if (!looked && zclock_mono () - heard >= SILENT)
            code = tool_fail (tool, TOOL_NO_ANSWER,
                              "the broker does not answer: whether the backup gets complete is not known");
        else if (!progress_show (&progress, (uint64_t) json_integer_value (brokers_member (status, "backup.done"))) &&
                 !stopped) {
            //  Told once; the broker then says that it failed.
            stopped = true;
            zsys_interrupted = 0;
            operate_backup (pair, index, "", "0");
        }
        if (code == -1)
            zclock_sleep (LOOK_EVERY);
    }
    progress_end (&progress);
    return code;
}

static int s_ask (tool_t *tool, const char *folder, const char *rate)
{
    operate_t pair;
    int code = operate_open (&pair, tool, NULL, NULL);
    size_t index = code == TOOL_OK ? s_choose (tool, &pair, &code) : 0;
    if (code == TOOL_OK) {
        const char *number = operate_backup (&pair, index, folder, rate);
        code = number ? s_follow (tool, &pair, index, strtoull (number, NULL, 10)) : operate_fail (&pair, tool, index);
    }
    if (code == TOOL_OK)
        code = s_print (tool, folder, pair.brokers.endpoint[index]);
    operate_close (&pair);
    return code;
}

//  ---------------------------------------------------------------------------
//  By itself

static int s_copy_store (const tool_t *tool, const char *store, const char *folder)
{
    progress_t progress = {.what = "backup"};
    char *error = NULL;
    int code = zb_backup_store (store, folder, progress_show, &progress, &error);
    progress_end (&progress);
    return code ? s_say (tool, code, error) : s_print (tool, folder, NULL);
}

//  Beside a broker that serves: its own work comes first.
static int s_finish (const tool_t *tool, const char *folder)
{
    const char *as = tool_option (tool, "as");
    char *error = NULL;
    setpriority (PRIO_PROCESS, 0, 10);
    int code = zb_backup_finish (folder, as ? as : "single", &error);
    return code ? s_say (tool, code, error) : TOOL_OK;
}

static int s_run (tool_t *tool)
{
    const char *store = tool_option (tool, "store"), *rate = tool_option (tool, "rate");
    int64_t number;
    if (tool->size != 1 || !*tool->arguments[0])
        return tool_misused (tool, "into which folder? It is made, and must not be there yet");
    if (tool_number (tool, "rate", 0, INT64_MAX, &number))
        return TOOL_USAGE;
    umask (077);
    progress_catch ();
    char *folder = s_whole (tool->arguments[0]);
    int code = tool_option (tool, "finish") ? s_finish (tool, folder)
               : store                      ? s_copy_store (tool, store, folder)
                                            : s_ask (tool, folder, rate ? rate : RATE);
    free (folder);
    return code;
}

const tool_command_t tool_backup = {
    .name = "backup",
    .arguments = "FOLDER",
    .summary = "Copy the store as it is at one commit, while the brokers serve",
    .text = "\n"
            "FOLDER is made on the machine of the broker that does it, by that broker, which needs to be able to\n"
            "write there; it is there when it is complete, and not before.  The broker serves, or follows,\n"
            "meanwhile.  Refused by a passive broker that is not in sync.  A change of the pair's roles ends it;\n"
            "so does ^C.  The backup holds the pair's secret, and all messages: keep it as you keep those.\n"
            "See also 'zbroker verify', 'restore' and 'dump'.\n",
    .options = s_options,
    .run = s_run,
};
