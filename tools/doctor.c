/*  =========================================================================
    doctor - zbroker doctor: whether a folder is fit for a store, and what else a broker relies on

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <fcntl.h>
#include <jansson.h>
#include <netdb.h>
#include <poll.h>
#include <sodium.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/timex.h>

#include "client/client.h"
#include "commands.h"
#include "io/auth/keys.h"
#include "io/base/config_file.h"
#include "io/base/config_finish.h"
#include "io/base/config_open.h"
#include "io/base/config_set.h"
#include "io/store/home.h"
#include "io/store/lock.h"
#include "io/store/node.h"
#include "io/store/salvage.h"
#include "io/store/shared.h"
#include "operate.h"

#define SYNCS 50                 //  writes that are timed
#define SYNC_SLOW 50.0           //  ms, of the median: worth a warning
#define SPACE_LOW (1 << 30)      //  bytes: worth a warning
#define SPACE_RESERVE (64 << 20) //  bytes that a broker needs beside two log files
#define FILES_LOW 4096           //  open files: worth a warning
#define CONNECT_LONGEST 1000     //  ms
#define ANSWER_LONGEST 1000      //  ms, of a broker that can be reached
#define CLOCK_LEAST 1700000000   //  seconds: no clock that is right shows less

static const tool_option_t s_options[] = {
    {"store", "DIR", "the store's folder"},
    {"config", "FILE", "take the folder, and whether it is shared, from this file, see zbroker.conf(5)"},
    {"shared", NULL, "it shall hold a store that both brokers share"},
    TOOL_BROKERS,
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

//  A folder that is not there is made by the broker, if its parent is there.
static void s_no_folder (doctor_t *self)
{
    char *parent = strdup (self->dir);
    assert (parent);
    char *slash = strrchr (parent, '/');
    if (slash && slash > parent)
        *slash = 0;
    else
        strcpy (parent, slash ? "/" : ".");
    if (access (parent, W_OK | X_OK) == 0)
        s_find (self, "folder", GOOD, zsys_sprintf ("%s: none yet, a broker makes it", self->dir));
    else
        s_find (self, "folder", BAD, zsys_sprintf ("%s: none yet, and %s: %s", self->dir, parent, strerror (errno)));
    free (parent);
}

//  Returns whether the others make sense.
static bool s_folder (doctor_t *self)
{
    struct stat info;
    if (stat (self->dir, &info) != 0 && errno == ENOENT)
        s_no_folder (self);
    else if (stat (self->dir, &info) != 0)
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

//  The node's file, and what was put aside: each state that waits for an operator, with its way out.
static void s_state (doctor_t *self)
{
    zb_node_t node;
    const char *dir = self->dir;
    zb_node_state_t state = zb_node_load (&node, dir);
    char *aside = zsys_sprintf ("%s/damaged.1", dir);
    assert (aside);
    if (state == ZB_NODE_ERROR)
        s_find (self, "state", BAD, zsys_sprintf ("%s/node: %s", dir, strerror (errno)));
    else if (state == ZB_NODE_BEYOND)
        s_find (self, "state", BAD, zb_node_beyond (dir));
    else if (state == ZB_NODE_DAMAGED || (state == ZB_NODE_ABSENT && zb_home_holds_tables (dir)))
        s_find (self, "state", BAD,
                zsys_sprintf ("the file %s/node is %s: bring it back from a copy; or, if the other broker serves, keep "
                              "this folder under another name and start with an empty one; or zbroker adopt --store "
                              "%s --accept-loss",
                              dir, state == ZB_NODE_ABSENT ? "missing" : "damaged", dir));
    else if (state == ZB_NODE_FOUND && node.suspect && self->config->shared)
        s_find (self, "state", DOUBT, zsys_sprintf ("a sync failed: whoever opens the store next writes it again"));
    else if (state == ZB_NODE_FOUND && node.suspect)
        s_find (
            self, "state", DOUBT,
            zsys_sprintf ("not trusted, a sync failed or it was damaged: start the other broker, and all is fetched "
                          "from it; if that one is lost, zbroker adopt --store %s --accept-loss%s, then start this "
                          "one, and zbroker promote --accept-loss",
                          dir, node.current ? "" : " damaged.N"));
    else if (state == ZB_NODE_FOUND && node.alone)
        s_find (self, "state", GOOD,
                zsys_sprintf ("of the %s; it has answered alone: this may be the only copy of that",
                              zb_node_name (node.as)));
    else
        s_find (self, "state", GOOD,
                zsys_sprintf ("%s%s", state == ZB_NODE_FOUND && node.as ? "of the " : "new, or whole",
                              state == ZB_NODE_FOUND && node.as ? zb_node_name (node.as) : ""));
    zlistx_t *salvaged = zb_salvage_files (dir);
    if (zlistx_size (salvaged))
        s_find (
            self, "state", DOUBT,
            zsys_sprintf ("%zu files in %s/salvage hold messages that the winner of a split could not take: zbroker "
                          "salvage list, then zbroker salvage replay",
                          zlistx_size (salvaged), dir));
    zlistx_destroy (&salvaged);
    if (access (aside, F_OK) == 0)
        s_find (
            self, "state", DOUBT,
            zsys_sprintf ("%s was put aside: remove it when the pair is in sync; see WAYS OUT in zbroker(1)", aside));
    free (aside);
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
//  What is not the folder

static void s_cautions (doctor_t *self)
{
    char *text[ZB_CAUTIONS];
    size_t count = zb_config_cautions (self->config, text);
    for (size_t index = 0; index < count; index++)
        s_find (self, "config", DOUBT, text[index]);
}

//  Whose key this is by the config: NULL if another one is named for each.
static const char *s_key_of (const zb_config_t *config, const char *key)
{
    const char *const named[] = {
        config->public_key[ZB_PRIMARY], config->public_key[ZB_BACKUP], config->witness_key,
        config->other_key[ZB_PRIMARY],  config->other_key[ZB_BACKUP],  config->other_key[ZB_SINGLE]};
    static const char *const whose[] = {"the primary's", "the backup's", "the witness's",
                                        "the primary's", "the backup's", "the witness's"};
    for (size_t index = 0; index < sizeof named / sizeof *named; index++)
        if (named[index] && streq (named[index], key))
            return whose[index];
    return config->as == ZB_SINGLE ? "this broker's" : NULL;
}

//  What stands for one broker of the pair stands for the other, or for the witness, on its machine.
static void s_keys (doctor_t *self)
{
    const zb_config_t *config = self->config;
    char *unkeyed = zb_config_unkeyed (config), *error = NULL;
    zb_keyfile_t own;
    const char *whose;
    if (unkeyed)
        s_find (self, "keys", BAD, unkeyed);
    else if (!config->key_file && config->insecure)
        s_find (self, "keys", DOUBT,
                zsys_sprintf ("none, and keys/insecure is yes: whoever reaches the ports can do everything, and read "
                              "what goes over the network"));
    else if (!config->key_file)
        s_find (self, "keys", GOOD, zsys_sprintf ("none, and only this machine reaches the ports"));
    else if (zb_keys_read (&own, config->key_file, &error))
        s_find (self, "keys", BAD, error);
    else if (!*own.secret_key)
        s_find (self, "keys", BAD, zsys_sprintf ("%s: there is no secret-key in it", config->key_file));
    else if ((whose = s_key_of (config, own.public_key)) == NULL)
        s_find (self, "keys", BAD,
                zsys_sprintf ("%s has the public key %s, and the config names another one for each broker%s: set it "
                              "there, on all machines",
                              config->key_file, own.public_key, config->witness ? " and the witness" : ""));
    else
        s_find (self, "keys", GOOD, zsys_sprintf ("%s: %s", config->key_file, whose));
    sodium_memzero (&own, sizeof own);
}

static void s_files (doctor_t *self)
{
    struct rlimit limit;
    if (getrlimit (RLIMIT_NOFILE, &limit) != 0)
        return;
    unsigned long most = (unsigned long) limit.rlim_max;
    s_find (
        self, "open files",
        most < ZB_FILES_LEAST ? BAD
        : most < FILES_LOW    ? DOUBT
                              : GOOD,
        zsys_sprintf ("this user's processes may have %lu%s", most,
                      most < FILES_LOW ? "; each connection is one: raise the limit (ulimit -n, LimitNOFILE=)" : ""));
}

static void s_clock (doctor_t *self)
{
    struct timex clock = {.modes = 0};
    if (time (NULL) < CLOCK_LEAST)
        s_find (self, "clock", BAD, zsys_sprintf ("it shows a time that is long over: set it"));
    else if (adjtimex (&clock) == TIME_ERROR)
        s_find (self, "clock", DOUBT,
                zsys_sprintf ("nothing keeps it right; brokers don't rely on it, but whoever compares two logs does"));
    else
        s_find (self, "clock", GOOD, zsys_sprintf ("kept right"));
}

//  Connects to tcp://HOST:PORT.  Returns NULL, or why that is impossible.
static const char *s_connect (const char *endpoint)
{
    char host[256] = "", port[8] = "";
    if (sscanf (endpoint, "tcp://%255[^:]:%7s", host, port) != 2)
        return "it is no address";
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found = NULL;
    int rc = getaddrinfo (host, port, &hints, &found);
    if (rc)
        return gai_strerror (rc);
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error = errno;
    if (fd >= 0) {
        error = connect (fd, found->ai_addr, found->ai_addrlen) == 0 ? 0 : errno;
        if (error == EINPROGRESS) {
            socklen_t size = sizeof error;
            struct pollfd waits = {.fd = fd, .events = POLLOUT};
            if (poll (&waits, 1, CONNECT_LONGEST) != 1 || getsockopt (fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
                error = ETIMEDOUT;
        }
        close (fd);
    }
    freeaddrinfo (found);
    return error ? strerror (error) : NULL;
}

static void s_port (doctor_t *self, const char *whose, const char *what, const char *endpoint)
{
    const char *why = s_connect (endpoint);
    s_find (self, "port", why ? DOUBT : GOOD,
            zsys_sprintf ("%s, %s, %s: %s", whose, what, endpoint, why ? why : "reached from here"));
}

//  What a broker that answers is waited for, with the way out.
static void s_broker (doctor_t *self, zb_client_t *client, size_t index)
{
    const char *endpoint = zb_client_broker (client, index);
    //  Nobody waits for the answer of one that can't be reached.
    const char *text = s_connect (endpoint) ? NULL : zb_client_status (client, index, ANSWER_LONGEST);
    json_t *status = text ? json_loads (text, 0, NULL) : NULL, *ways = json_object_get (status, "way_out"), *one;
    const char *why = json_string_value (json_object_get (status, "why"));
    size_t which;
    if (why && json_array_size (ways) == 0)
        s_find (self, "broker", GOOD, zsys_sprintf ("%s: %s", endpoint, why));
    json_array_foreach (ways, which, one)
    {
        json_t *reason = json_object_get (one, "reason");
        json_t *finding =
            s_find (self, "broker", DOUBT,
                    zsys_sprintf ("%s: %s; way out: %s", endpoint, json_string_value (json_object_get (one, "why")),
                                  json_string_value (json_object_get (one, "text"))));
        json_object_set (finding, "reason", reason);
    }
    json_decref (status);
}

//  The brokers, as other commands find them; else those of the config file.  Returns an exit code.
static int s_brokers (doctor_t *self, const tool_t *tool)
{
    const zb_config_t *config = self->config;
    char *brokers = NULL;
    if (tool_option (tool, "config") && !tool_option (tool, "brokers") && !getenv ("ZBROKER"))
        brokers = config->as == ZB_SINGLE
                      ? zsys_sprintf ("%s", config->host[ZB_SINGLE].endpoint)
                      : zsys_sprintf ("%s,%s", config->host[ZB_PRIMARY].endpoint, config->host[ZB_BACKUP].endpoint);
    zb_client_t *client = brokers ? zb_client_new (brokers) : tool_client (tool);
    //  What is wrong with the key is a finding of its own.
    zb_keyfile_t own = {.brokers = 0};
    char *error = NULL;
    if (client && brokers && config->key_file && operate_key (&own, config, &error) == 0)
        zb_client_use_key (client, &own);
    free (error);
    sodium_memzero (&own, sizeof own);
    zstr_free (&brokers);
    for (size_t index = 0; client && index < zb_client_brokers (client); index++)
        s_broker (self, client, index);
    int code = client ? TOOL_OK : TOOL_USAGE;
    zb_client_destroy (&client);
    return code;
}

//  Who can be reached from here.
static void s_ports (doctor_t *self)
{
    static const char *const names[] = {"this broker", "the primary", "the backup"};
    bool single = self->config->as == ZB_SINGLE;
    for (int index = single ? ZB_SINGLE : ZB_PRIMARY; index <= (single ? ZB_SINGLE : ZB_BACKUP); index++) {
        const zb_host_t *host = &self->config->host[index];
        s_port (self, names[index], "for clients", host->endpoint);
        if (!single)
            s_port (self, names[index], "state", host->state);
        if (!single && !self->config->shared)
            s_port (self, names[index], "log shipping", host->ship);
    }
    if (self->config->witness)
        s_port (self, "the witness", "claims", self->config->witness);
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
        s_state (&self);
        s_sync (&self);
        s_space (&self);
    }
    s_cautions (&self);
    s_files (&self);
    s_clock (&self);
    if (tool_option (tool, "config")) {
        s_keys (&self);
        s_ports (&self);
    }
    int code = s_brokers (&self, tool);
    if (code == TOOL_OK && tool_option (tool, "json"))
        s_print_json (&self);
    else if (code == TOOL_OK)
        s_print (&self);
    json_decref (self.findings);
    return code != TOOL_OK ? code : self.worst == BAD ? TOOL_FAILED : TOOL_OK;
}

//  The file serves both brokers of a pair, or one without: either will do, to know all addresses.
static int s_finish (zb_config_t *config, char **error)
{
    bool single = config->host[ZB_SINGLE].endpoint && !config->host[ZB_PRIMARY].endpoint && !config->shared;
    if (!single && zb_config_set (config, "as", "primary", error))
        return -1;
    return zb_config_finish (config, error);
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
    else if (file && s_finish (config, &error)) {
        code = tool_misused (self, "%s", error);
        free (error);
    }
    else
        code = s_examine (self, config);
    zb_config_destroy (&config);
    return code;
}

const tool_command_t tool_doctor = {
    .name = "doctor",
    .arguments = "",
    .summary = "Look at what a broker relies on: folder, store, limits, clock, and with --config its peers",
    .text = "\n"
            "Tries what a broker relies on, on files of its own in that folder, which it removes; it opens no\n"
            "store and disturbs no broker.  Of a store, and of a broker that answers, it tells the way out if it\n"
            "waits for an operator.  With a config file it looks at the keys that this one names, and connects to\n"
            "each port of the pair and to the witness.\n"
            "Ends with 1 if something is bad, with 0 else.\n",
    .options = s_options,
    .run = s_run,
};
