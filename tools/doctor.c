/*  =========================================================================
    doctor - zbroker doctor: whether a folder is fit for a store

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <fcntl.h>
#include <jansson.h>
#include <sys/statvfs.h>

#include "commands.h"
#include "io/lock.h"
#include "io/shared.h"

#define SYNCS 50                 //  writes that are timed
#define SYNC_SLOW 50.0           //  ms, of the median: worth a warning
#define SPACE_LOW (1 << 30)      //  bytes: worth a warning
#define SPACE_RESERVE (64 << 20) //  bytes that a broker needs beside two log files

static const tool_option_t s_options[] = {
    {"store", "DIR", "the store's folder"},
    {"config", "FILE", "take the folder, and whether it is shared, from this file, see zbroker.conf(5)"},
    {"shared", NULL, "it shall hold a store that both brokers share"},
    {"json", NULL, "as a JSON object"},
    {NULL, NULL, NULL}};

typedef enum { GOOD, DOUBT, BAD } verdict_t;

static const char *const s_verdicts[] = {"ok", "warning", "bad"};

typedef struct {
    const zb_config_t *config;
    const char *dir;
    json_t *findings; //  array of {check, verdict, text, ...}
    verdict_t worst;
} doctor_t;

//  Notes what a check has found; takes the text.  Returns the finding, for its numbers.
static json_t *s_find (doctor_t *self, const char *check, verdict_t verdict, char *text)
{
    assert (text);
    json_t *finding = json_pack ("{s:s, s:s, s:s}", "check", check, "verdict", s_verdicts[verdict], "text", text);
    assert (finding);
    free (text);
    json_array_append_new (self->findings, finding);
    if (self->worst < verdict)
        self->worst = verdict;
    return finding;
}

//  ---------------------------------------------------------------------------
//  The checks

//  Returns whether the others make sense.
static bool s_folder (doctor_t *self)
{
    struct stat info;
    if (stat (self->dir, &info) != 0)
        s_find (self, "folder", BAD,
                zsys_sprintf ("%s: %s; make it, or mount what it lies on", self->dir, strerror (errno)));
    else if (!S_ISDIR (info.st_mode))
        s_find (self, "folder", BAD, zsys_sprintf ("%s is not a folder", self->dir));
    else if (access (self->dir, R_OK | W_OK | X_OK) != 0)
        s_find (self, "folder", BAD, zsys_sprintf ("%s: %s, for this user", self->dir, strerror (errno)));
    else {
        s_find (self, "folder", GOOD, zsys_sprintf ("%s", self->dir));
        return true;
    }
    return false;
}

static void s_file_system (doctor_t *self)
{
    static const char *const means[] = {"a lock that is free means that its holder's process is gone",
                                        "a lock that is free means that its holder's machine is out",
                                        "a lock that is free does not mean that its holder writes no more"};
    const zb_config_t *config = self->config;
    zb_fs_t fs;
    if (zb_fs_look (&fs, self->dir) != 0) {
        s_find (self, "file system", BAD, zsys_sprintf ("can't be told: %s", strerror (errno)));
        return;
    }
    verdict_t verdict = GOOD;
    char *text;
    if (config->shared && fs.unfit) {
        verdict = BAD;
        text = zsys_sprintf ("%s can't hold a shared store: %s", fs.type, fs.unfit);
    }
    else if (!config->shared && fs.kind == ZB_FS_NETWORK) {
        verdict = DOUBT;
        text = zsys_sprintf ("%s, %s: a store that is not shared belongs on a local disk", fs.type,
                             zb_fs_class_name (fs.kind));
    }
    else if (config->shared && fs.kind == ZB_FS_NETWORK && !config->fence) {
        verdict = config->unfenced_ok ? DOUBT : BAD;
        text = zsys_sprintf ("%s, %s: %s, and there is no store/fence", fs.type, zb_fs_class_name (fs.kind),
                             means[fs.kind]);
    }
    else
        text = zsys_sprintf ("%s, %s: %s", fs.type, zb_fs_class_name (fs.kind), means[fs.kind]);
    json_t *finding = s_find (self, "file system", verdict, text);
    json_object_set_new (finding, "type", json_string (fs.type));
    json_object_set_new (finding, "class", json_string (zb_fs_class_name (fs.kind)));
    json_object_set_new (finding, "options", json_string (fs.options));
}

static void s_lock (doctor_t *self)
{
    char *lie = zb_shared_probe (self->dir);
    if (lie)
        s_find (self, "lock", BAD, lie);
    else
        s_find (self, "lock", GOOD, zsys_sprintf ("keeps out a second descriptor and a second process"));
}

//  Who uses the store; nothing to find in a folder without one.
static void s_holder (doctor_t *self)
{
    zb_lock_t *lock = zb_lock_new (self->dir);
    zb_holder_t holder;
    bool held;
    int rc = zb_lock_look (lock, &holder, &held);
    if (rc == 0) {
        char *who = zb_holder_text (&holder);
        bool wrong = self->config->shared != (holder.kind == ZB_KIND_SHARED);
        json_t *finding = s_find (self, "store", wrong ? BAD : GOOD,
                                  zsys_sprintf ("%s, epoch %" PRIu64 ": %s%s", zb_kind_name (holder.kind), holder.epoch,
                                                held ? "in use by " : "not in use", held ? who : ""));
        json_object_set_new (finding, "kind", json_string (zb_kind_name (holder.kind)));
        json_object_set_new (finding, "held", json_boolean (held));
        json_object_set_new (finding, "host", json_string (holder.host));
        json_object_set_new (finding, "pid", json_integer (holder.pid));
        json_object_set_new (finding, "since", json_integer (holder.since));
        free (who);
    }
    else if (errno == EBADMSG)
        s_find (self, "store", BAD, zsys_sprintf ("%s/LOCK is not what a broker has written", self->dir));
    else if (errno == ENOENT)
        s_find (self, "store", GOOD, zsys_sprintf ("none yet"));
    else
        s_find (self, "store", BAD, zsys_sprintf ("%s/LOCK: %s", self->dir, strerror (errno)));
    zb_lock_destroy (&lock);
}

static int s_compare (const void *one, const void *other)
{
    double a = *(const double *) one, b = *(const double *) other;
    return a < b ? -1 : a > b;
}

//  Times SYNCS writes of a page.  Returns 0 or -1.
static int s_time_syncs (int fd, double ms[SYNCS])
{
    static const char page[4096];
    for (int index = 0; index < SYNCS; index++) {
        int64_t begun = zclock_usecs ();
        if (pwrite (fd, page, sizeof page, (off_t) index * (off_t) sizeof page) != sizeof page || fdatasync (fd) != 0)
            return -1;
        ms[index] = (double) (zclock_usecs () - begun) / 1000;
    }
    qsort (ms, SYNCS, sizeof *ms, s_compare);
    return 0;
}

static void s_sync (doctor_t *self)
{
    double ms[SYNCS];
    char *path = zsys_sprintf ("%s/doctor.XXXXXX", self->dir);
    assert (path);
    int fd = mkostemp (path, O_CLOEXEC);
    if (fd < 0 || s_time_syncs (fd, ms) != 0)
        s_find (self, "fsync", BAD, zsys_sprintf ("%s: %s", path, strerror (errno)));
    else {
        double median = ms[SYNCS / 2], worst = ms[SYNCS - 1];
        json_t *finding =
            s_find (self, "fsync", median > SYNC_SLOW ? DOUBT : GOOD,
                    zsys_sprintf ("%.2f ms in the median, %.2f ms the longest, of %d", median, worst, SYNCS));
        json_object_set_new (finding, "median_ms", json_real (median));
        json_object_set_new (finding, "longest_ms", json_real (worst));
    }
    if (fd >= 0) {
        close (fd);
        unlink (path);
    }
    free (path);
}

static void s_space (doctor_t *self)
{
    struct statvfs disk;
    if (statvfs (self->dir, &disk) != 0) {
        s_find (self, "space", BAD, zsys_sprintf ("%s", strerror (errno)));
        return;
    }
    uint64_t space = (uint64_t) disk.f_bavail * disk.f_frsize, least = 2 * self->config->log_file + SPACE_RESERVE;
    json_t *finding = s_find (self, "space",
                              space < least       ? BAD
                              : space < SPACE_LOW ? DOUBT
                                                  : GOOD,
                              zsys_sprintf ("%.1f GiB free%s", (double) space / (1 << 30),
                                            space < least ? "; a broker would refuse each PUT" : ""));
    json_object_set_new (finding, "free", json_integer ((json_int_t) space));
}

//  ---------------------------------------------------------------------------
//  The whole

static void s_print (const doctor_t *self)
{
    size_t index;
    json_t *finding;
    json_array_foreach (self->findings, index, finding)
        printf ("%-12s %-8s %s\n", json_string_value (json_object_get (finding, "check")),
                json_string_value (json_object_get (finding, "verdict")),
                json_string_value (json_object_get (finding, "text")));
}

static void s_print_json (const doctor_t *self)
{
    json_t *whole = json_pack ("{s:s, s:b, s:s, s:O}", "folder", self->dir, "shared", self->config->shared, "verdict",
                               s_verdicts[self->worst], "findings", self->findings);
    json_dumpf (whole, stdout, JSON_INDENT (2));
    putchar ('\n');
    json_decref (whole);
}

static int s_examine (const tool_t *tool, const zb_config_t *config)
{
    doctor_t self = {.config = config, .dir = config->store, .findings = json_array ()};
    if (s_folder (&self)) {
        s_file_system (&self);
        s_lock (&self);
        s_holder (&self);
        s_sync (&self);
        s_space (&self);
    }
    if (tool_option (tool, "json"))
        s_print_json (&self);
    else
        s_print (&self);
    json_decref (self.findings);
    return self.worst == BAD ? TOOL_FAILED : TOOL_OK;
}

static int s_run (tool_t *self)
{
    if (self->size)
        return tool_misused (self, "'%s': doctor takes no arguments; the folder is --store DIR", self->arguments[0]);
    zb_config_t *config = zb_config_new ();
    const char *file = tool_option (self, "config"), *dir = tool_option (self, "store");
    char *error = NULL;
    int code;
    if ((file && zb_config_load (config, file, &error)) ||
        (dir && zb_config_set (config, "store/folder", dir, &error)) ||
        (tool_option (self, "shared") && zb_config_set (config, "store/shared", "yes", &error))) {
        code = tool_misused (self, "%s", error);
        free (error);
    }
    else if (!config->store || !*config->store)
        code = tool_misused (self, "which folder? Say --store DIR, or --config FILE with store/folder in it");
    else
        code = s_examine (self, config);
    zb_config_destroy (&config);
    return code;
}

const tool_command_t tool_doctor = {
    .name = "doctor",
    .arguments = "",
    .summary = "Look whether a folder is fit for a store: file system, lock, fsync, space",
    .text = "\n"
            "Tries what a broker relies on, on files of its own in that folder, which it removes; it opens no\n"
            "store and disturbs no broker.  Ends with 1 if something is bad, with 0 else.\n",
    .options = s_options,
    .run = s_run,
};
