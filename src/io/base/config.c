/*  =========================================================================
    config - what an operator can set, from defaults, file and command line

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>

#include "core/rights/keyfile.h"
#include "io/base/config.h"
#include "io/base/nearest.h"

//  State exchange, log shipping and the admin page follow the clients' port.
#define STATE_PORT 1
#define SHIP_PORT 2
#define HTTP_PORT 3
#define PORT_MAX (65535 - HTTP_PORT)

//  Bytes of a configuration file; what is longer is none.
#define FILE_MAX (1 << 20)

#define DEFAULT_SINGLE "tcp://127.0.0.1:5560"
#define RESYNC_RATE (32 * MIB)
#define DEFAULT_PRIMARY "tcp://127.0.0.1:5560"
#define DEFAULT_BACKUP "tcp://127.0.0.1:5570"

static const char *const s_roles[] = {"single", "primary", "backup"};
#define ROLES (sizeof s_roles / sizeof *s_roles)

//  ---------------------------------------------------------------------------
//  What can be set

typedef enum { TEXT, NAME, KEY, ENDPOINT, BIND, HTTP, LOSS, BOOL, LEVEL, FORM, SIZE, COUNT, TIME } kind_t;

typedef struct {
    const char *path; //  section/key
    kind_t kind;
    size_t offset;  //  of the field in zb_config_t
    uint64_t least; //  bounds of SIZE (bytes), COUNT and TIME (ms)
    uint64_t most;
} setting_t;

_Static_assert(sizeof (zb_log_level_t) == sizeof (int) && sizeof (zb_logline_form_t) == sizeof (int), "enums are ints");
//  SIZE and COUNT fields are size_t or uint64_t, written alike.
_Static_assert(sizeof (size_t) == sizeof (uint64_t), "sizes have 64 bits");

#define FIELD(name) offsetof (zb_config_t, name)
#define KIB ((uint64_t) 1 << 10)
#define MIB ((uint64_t) 1 << 20)
#define GIB ((uint64_t) 1 << 30)
#define TIB ((uint64_t) 1 << 40)
#define MANY ((uint64_t) 10000000)
#define HOUR ((uint64_t) 3600000)
#define YEARS (24 * 365 * 10 * HOUR)

static const setting_t s_settings[] = {
    {"pair/name", NAME, FIELD (pair), 0, 0},
    {"pair/secret", TEXT, FIELD (secret), 0, 0},
    {"pair/witness", ENDPOINT, FIELD (witness), 0, 0},
    {"pair/peer-loss", LOSS, FIELD (peer_loss_wait), 0, 0},
    {"pair/heartbeat", TIME, FIELD (beat), 10, HOUR},
    {"pair/silence", TIME, FIELD (silence), 50, HOUR},
    {"pair/ack-limit", TIME, FIELD (ack_limit), 100, HOUR},
    {"pair/resync-rate", SIZE, FIELD (resync_rate), 64 * KIB, TIB},
    {"pair/turn-limit", TIME, FIELD (turn_limit), 100, HOUR},
    {"pair/disk-limit", TIME, FIELD (disk_limit), 100, HOUR},
    {"primary/endpoint", ENDPOINT, FIELD (host[ZB_PRIMARY].endpoint), 0, 0},
    {"primary/bind", BIND, FIELD (host[ZB_PRIMARY].bind), 0, 0},
    {"primary/state", ENDPOINT, FIELD (host[ZB_PRIMARY].state), 0, 0},
    {"primary/state-bind", BIND, FIELD (host[ZB_PRIMARY].state_bind), 0, 0},
    {"primary/ship", ENDPOINT, FIELD (host[ZB_PRIMARY].ship), 0, 0},
    {"primary/ship-bind", BIND, FIELD (host[ZB_PRIMARY].ship_bind), 0, 0},
    {"primary/http", HTTP, FIELD (host[ZB_PRIMARY].http), 0, 0},
    {"backup/endpoint", ENDPOINT, FIELD (host[ZB_BACKUP].endpoint), 0, 0},
    {"backup/bind", BIND, FIELD (host[ZB_BACKUP].bind), 0, 0},
    {"backup/state", ENDPOINT, FIELD (host[ZB_BACKUP].state), 0, 0},
    {"backup/state-bind", BIND, FIELD (host[ZB_BACKUP].state_bind), 0, 0},
    {"backup/ship", ENDPOINT, FIELD (host[ZB_BACKUP].ship), 0, 0},
    {"backup/ship-bind", BIND, FIELD (host[ZB_BACKUP].ship_bind), 0, 0},
    {"backup/http", HTTP, FIELD (host[ZB_BACKUP].http), 0, 0},
    {"single/endpoint", ENDPOINT, FIELD (host[ZB_SINGLE].endpoint), 0, 0},
    {"single/bind", BIND, FIELD (host[ZB_SINGLE].bind), 0, 0},
    {"single/http", HTTP, FIELD (host[ZB_SINGLE].http), 0, 0},
    {"keys/own", TEXT, FIELD (key_file), 0, 0},
    {"keys/primary", KEY, FIELD (public_key[ZB_PRIMARY]), 0, 0},
    {"keys/backup", KEY, FIELD (public_key[ZB_BACKUP]), 0, 0},
    {"keys/witness", KEY, FIELD (witness_key), 0, 0},
    {"keys/primary-other", KEY, FIELD (other_key[ZB_PRIMARY]), 0, 0},
    {"keys/backup-other", KEY, FIELD (other_key[ZB_BACKUP]), 0, 0},
    {"keys/witness-other", KEY, FIELD (other_key[ZB_SINGLE]), 0, 0},
    {"keys/insecure", BOOL, FIELD (insecure), 0, 0},
    {"http/login", TEXT, FIELD (http_login), 0, 0},
    {"store/folder", TEXT, FIELD (store), 0, 0},
    {"store/shared", BOOL, FIELD (shared), 0, 0},
    {"store/fence", TEXT, FIELD (fence), 0, 0},
    {"store/unfenced-ok", BOOL, FIELD (unfenced_ok), 0, 0},
    {"store/lease", TIME, FIELD (lease), 500, HOUR},
    {"store/cache", SIZE, FIELD (cache), MIB, TIB},
    {"store/log-file", SIZE, FIELD (log_file), 4 * MIB, GIB},
    {"store/log-keep", SIZE, FIELD (log_keep), 4 * MIB, TIB},
    {"hooks/role", TEXT, FIELD (hook_role), 0, 0},
    {"hooks/limit", TIME, FIELD (hook_limit), 100, HOUR},
    {"log/level", LEVEL, FIELD (log_level), 0, 0},
    {"log/format", FORM, FIELD (log_form), 0, 0},
    {"limits/body", SIZE, FIELD (limits.body), 1, GIB},
    {"limits/bodies", COUNT, FIELD (limits.bodies), 1, ZB_BODIES_MAX},
    {"limits/request", SIZE, FIELD (limits.request), KIB, 2 * GIB - 1},
    {"limits/reply", SIZE, FIELD (limits.reply), KIB, GIB},
    {"limits/properties", SIZE, FIELD (limits.properties), 0, MIB},
    {"limits/sessions", COUNT, FIELD (limits.sessions), 1, MANY},
    {"limits/parked", COUNT, FIELD (limits.parked), 1, MANY},
    {"limits/queues", COUNT, FIELD (limits.queues), 1, MANY},
    {"limits/producers", COUNT, FIELD (limits.producers), 1, MANY},
    {"limits/batch", SIZE, FIELD (limits.batch), KIB, GIB},
    {"limits/inflight", COUNT, FIELD (limits.inflight), 1, 1024},
    {"limits/window", SIZE, FIELD (limits.window), 64 * KIB, TIB},
    {"limits/windows", SIZE, FIELD (limits.windows), 64 * KIB, TIB},
    {"limits/waiting", SIZE, FIELD (limits.waiting), 64 * KIB, TIB},
    {"limits/output", SIZE, FIELD (limits.output), 64 * KIB, TIB},
    {"limits/outputs", SIZE, FIELD (limits.outputs), 64 * KIB, TIB},
    {"limits/session-idle", TIME, FIELD (limits.session_idle), 1000, YEARS},
    {"limits/producer-idle", TIME, FIELD (limits.producer_idle), 1000, YEARS},
    {"limits/lease", TIME, FIELD (limits.lease), 1, YEARS},
    {"limits/grace", TIME, FIELD (limits.grace), 1, YEARS},
    {"limits/queue-messages", COUNT, FIELD (limits.queue_messages), 0, (uint64_t) 1 << 62},
    {"limits/topic-bytes", SIZE, FIELD (limits.topic_bytes), 64 * KIB, TIB},
    {"limits/subscriptions", COUNT, FIELD (limits.subscriptions), 1, MANY},
    {"limits/connections", COUNT, FIELD (limits.connections), 0, (uint64_t) 1 << 20},
    {"limits/per-address", COUNT, FIELD (limits.per_address), 1, (uint64_t) 1 << 20},
    {"limits/memory", SIZE, FIELD (limits.memory), 16 * MIB, TIB},
};
#define SETTINGS (sizeof s_settings / sizeof *s_settings)

//  ---------------------------------------------------------------------------
//  Errors are texts

static int s_fail (char **error, const char *format, ...) CHECK_PRINTF (2);

static int s_fail (char **error, const char *format, ...)
{
    va_list arguments;
    va_start (arguments, format);
    *error = zsys_vprintf (format, arguments);
    va_end (arguments);
    return -1;
}

//  Puts `where` before the text of an error.
static int s_fail_in (char **error, const char *where)
{
    char *text = zsys_sprintf ("%s: %s", where, *error);
    free (*error);
    *error = text;
    return -1;
}

static int s_unknown (const char *path, char **error)
{
    const char *known[SETTINGS];
    for (size_t index = 0; index < SETTINGS; index++)
        known[index] = s_settings[index].path;
    return s_fail (error, "'%s' is unknown; the nearest known key is '%s'", path, zb_nearest (path, known, SETTINGS));
}

//  ---------------------------------------------------------------------------
//  Values

static void s_replace (char **field, const char *value)
{
    char *copy = strdup (value);
    assert (copy);
    free (*field);
    *field = copy;
}

//  Splits tcp://HOST:PORT.  Returns the port, or 0 if the endpoint is not of this form.  The host is the `*size` bytes
//  at *host; it is a name or an IPv4 address or, if `any`, "*".
static int s_split (const char *endpoint, bool any, const char **host, size_t *size)
{
    if (strncmp (endpoint, "tcp://", 6) != 0)
        return 0;
    *host = endpoint + 6;
    *size = strspn (*host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_");
    if (any && *size == 0 && **host == '*')
        *size = 1;
    const char *colon = *host + *size;
    if (*size == 0 || *size > 255 || *colon != ':')
        return 0;
    size_t digits = strspn (colon + 1, "0123456789");
    if (digits == 0 || digits > 5 || colon[1 + digits])
        return 0;
    int port = atoi (colon + 1);
    return port <= 65535 ? port : 0;
}

static int s_set_endpoint (char **field, const setting_t *setting, const char *value, char **error)
{
    const char *host;
    size_t size;
    bool any = setting->kind != ENDPOINT;
    if (!s_split (value, any, &host, &size))
        return s_fail (error, "%s = '%s' is not of the form tcp://HOST:PORT, with a port of 1 to 65535 and %s",
                       setting->path, value,
                       any ? "an IPv4 address, an interface or * as HOST" : "a name or an IPv4 address as HOST");
    s_replace (field, value);
    return 0;
}

//  Reads decimal digits and a unit.  Returns 0, or -1 if the value is no such number.
static int s_number (const char *value, kind_t kind, uint64_t *number)
{
    static const struct {
        kind_t kind;
        const char *name;
        uint64_t factor;
    } units[] = {{COUNT, "", 1},       {SIZE, "", 1},     {SIZE, "k", KIB},      {SIZE, "m", MIB},
                 {SIZE, "g", GIB},     {TIME, "", 1},     {TIME, "ms", 1},       {TIME, "s", 1000},
                 {TIME, "min", 60000}, {TIME, "h", HOUR}, {TIME, "d", 24 * HOUR}};

    size_t digits = strspn (value, "0123456789");
    if (digits == 0 || digits > 19)
        return -1;
    uint64_t units_of = strtoull (value, NULL, 10);
    const char *unit = value + digits;
    unit += strspn (unit, " ");
    for (size_t index = 0; index < sizeof units / sizeof *units; index++)
        if (units[index].kind == kind && strcasecmp (unit, units[index].name) == 0) {
            if (units_of > UINT64_MAX / units[index].factor)
                return -1;
            *number = units_of * units[index].factor;
            return 0;
        }
    return -1;
}

static int s_set_number (void *field, const setting_t *setting, const char *value, char **error)
{
    const char *units = setting->kind == SIZE   ? "bytes, or a number and k, m or g"
                        : setting->kind == TIME ? "milliseconds, or a number and ms, s, min, h or d"
                                                : "a number";
    uint64_t number;
    if (s_number (value, setting->kind, &number))
        return s_fail (error, "%s = '%s' is not valid: it takes %s", setting->path, value, units);
    if (number < setting->least || number > setting->most)
        return s_fail (error, "%s = '%s' is out of range: %" PRIu64 " to %" PRIu64 "%s", setting->path, value,
                       setting->least, setting->most,
                       setting->kind == SIZE   ? " bytes"
                       : setting->kind == TIME ? " ms"
                                               : "");
    memcpy (field, &number, sizeof number);
    return 0;
}

static bool s_is_name (const char *value)
{
    size_t size = strlen (value);
    for (const char *byte = value; *byte; byte++)
        if ((unsigned char) *byte <= ' ' || *byte == 127)
            return false;
    return size > 0 && size <= ZB_NAME_MAX;
}

static int s_set (zb_config_t *self, const char *path, const char *value, char **error)
{
    const setting_t *setting = s_settings;
    while (setting < s_settings + SETTINGS && !streq (setting->path, path))
        setting++;
    if (setting == s_settings + SETTINGS)
        return s_unknown (path, error);

    void *field = (char *) self + setting->offset;
    switch (setting->kind) {
    case TEXT:
        s_replace (field, value);
        return 0;
    case NAME:
        if (!s_is_name (value))
            return s_fail (error, "%s = '%s' is not a name: 1 to %d bytes without spaces and control characters", path,
                           value, ZB_NAME_MAX);
        s_replace (field, value);
        return 0;
    case KEY:
        if (!zb_key_is (value, strlen (value)))
            return s_fail (error, "%s = '%s' is no public key: 40 characters, as 'zbroker key make' prints them", path,
                           value);
        s_replace (field, value);
        return 0;
    case HTTP:
        if (streq (value, "none")) {
            s_replace (field, value);
            return 0;
        }
        return s_set_endpoint (field, setting, value, error);
    case ENDPOINT:
    case BIND:
        return s_set_endpoint (field, setting, value, error);
    case LOSS:
        if (!streq (value, "solo") && !streq (value, "wait"))
            return s_fail (error, "%s = '%s' is neither 'solo' nor 'wait'", path, value);
        *(bool *) field = streq (value, "wait");
        return 0;
    case BOOL:
        if (!streq (value, "yes") && !streq (value, "no"))
            return s_fail (error, "%s = '%s' is neither 'yes' nor 'no'", path, value);
        *(bool *) field = streq (value, "yes");
        return 0;
    case LEVEL:
        if (zb_log_level (value, field))
            return s_fail (error, "%s = '%s' is none of error, warning, notice, info, debug", path, value);
        return 0;
    case FORM:
        if (zb_logline_form (value, field))
            return s_fail (error, "%s = '%s' is neither 'lines' nor 'json'", path, value);
        return 0;
    case SIZE:
    case COUNT:
    case TIME:
        return s_set_number (field, setting, value, error);
    }
    assert (false);
    return -1;
}

//  ---------------------------------------------------------------------------
//  Class

zb_config_t *zb_config_new (void)
{
    zb_config_t *self = (zb_config_t *) zmalloc (sizeof *self);
    assert (self);
    s_replace (&self->pair, "zbroker");
    s_replace (&self->secret, "");
    self->cache = 64 * MIB;
    self->log_file = 16 * MIB;
    self->log_keep = GIB;
    self->lease = 10000;
    self->beat = 100;
    self->silence = 500;
    self->ack_limit = 1000;
    self->turn_limit = 1000;
    self->resync_rate = RESYNC_RATE;
    self->disk_limit = 5000;
    self->hook_limit = 30000;
    self->log_level = ZB_LOG_INFO;
    self->limits = (zb_limits_t) ZB_LIMITS_DEFAULT;
    return self;
}

void zb_config_destroy (zb_config_t **self_p)
{
    zb_config_t *self = *self_p;
    if (!self)
        return;
    for (size_t index = 0; index < ROLES; index++) {
        zb_host_t *host = &self->host[index];
        free (host->endpoint);
        free (host->bind);
        free (host->state);
        free (host->state_bind);
        free (host->ship);
        free (host->ship_bind);
        free (host->http);
    }
    free (self->pair);
    free (self->secret);
    free (self->witness);
    free (self->key_file);
    free (self->public_key[ZB_PRIMARY]);
    free (self->public_key[ZB_BACKUP]);
    free (self->witness_key);
    for (int host = ZB_SINGLE; host <= ZB_BACKUP; host++)
        free (self->other_key[host]);
    free (self->http_login);
    free (self->store);
    free (self->fence);
    free (self->hook_role);
    free (self);
    *self_p = NULL;
}

int zb_config_set (zb_config_t *self, const char *key, const char *value, char **error)
{
    *error = NULL;
    if (!streq (key, "as"))
        return s_set (self, key, value, error);
    for (int role = ZB_PRIMARY; role <= ZB_BACKUP; role++)
        if (streq (value, s_roles[role])) {
            self->as = role;
            return 0;
        }
    return s_fail (error, "'%s' is neither 'primary' nor 'backup'", value);
}

//  ---------------------------------------------------------------------------
//  The file

static bool s_is_section (const char *name)
{
    size_t size = strlen (name);
    for (size_t index = 0; index < SETTINGS; index++)
        if (strncmp (s_settings[index].path, name, size) == 0 && s_settings[index].path[size] == '/')
            return true;
    return false;
}

static const char *s_value (zconfig_t *item)
{
    return zconfig_value (item) ? zconfig_value (item) : "";
}

//  True if an elder sibling has the item's name: the later one would silently win.
static bool s_is_repeated (zconfig_t *parent, zconfig_t *item)
{
    for (zconfig_t *elder = zconfig_child (parent); elder != item; elder = zconfig_next (elder))
        if (streq (zconfig_name (elder), zconfig_name (item)))
            return true;
    return false;
}

static int s_load_section (zb_config_t *self, zconfig_t *section, char **error)
{
    for (zconfig_t *item = zconfig_child (section); item; item = zconfig_next (item)) {
        char *path = zsys_sprintf ("%s/%s", zconfig_name (section), zconfig_name (item));
        assert (path);
        int rc = 0;
        if (zconfig_child (item))
            rc = s_fail (error, "%s has keys of its own: sections don't nest", path);
        else if (s_is_repeated (section, item))
            rc = s_fail (error, "%s is set twice", path);
        else
            rc = s_set (self, path, s_value (item), error);
        free (path);
        if (rc)
            return rc;
    }
    return 0;
}

static int s_load (zb_config_t *self, zconfig_t *root, char **error)
{
    for (zconfig_t *section = zconfig_child (root); section; section = zconfig_next (section)) {
        const char *name = zconfig_name (section);
        if (streq (name, "as"))
            return s_fail (error, "'as' is not for the file, which is the same on both machines: say --as %s",
                           s_value (section));
        if (!s_is_section (name))
            return s_unknown (name, error);
        if (*s_value (section))
            return s_fail (error, "%s is a section: its keys go below it, indented by four spaces", name);
        if (s_is_repeated (root, section))
            return s_fail (error, "the section %s is there twice", name);
        if (s_load_section (self, section, error))
            return -1;
    }
    return 0;
}

//  Quotes that only look like such, as word processors make them.
static bool s_is_typographic (const char *text)
{
    static const char *const quotes[] = {"\u201c", "\u201d", "\u201e", "\u2018",
                                         "\u2019", "\u201a", "\u00ab", "\u00bb"};
    for (size_t index = 0; index < sizeof quotes / sizeof *quotes; index++)
        if (strncmp (text, quotes[index], strlen (quotes[index])) == 0)
            return true;
    return false;
}

//  Looks at a line for what ZPL would read otherwise than it is meant.  Returns 0, or -1 and *error.
static int s_check_line (const char *line, size_t size, size_t number, char **error)
{
    const char *end = line + size, *value = memchr (line, '=', size);
    const char *comment = memchr (line, '#', size);
    if (!value || (comment && comment < value))
        return 0;
    value++;
    value += strspn (value, " \t");
    if (value >= end || *value == '"' || *value == '\'')
        return 0;
    if (s_is_typographic (value))
        return s_fail (error, "line %zu: the quotes are typographic ones: write \" instead", number);
    const char *sharp = memchr (value, '#', (size_t) (end - value));
    if (sharp && sharp > value && sharp[-1] != ' ' && sharp[-1] != '\t')
        return s_fail (error,
                       "line %zu: # begins a comment, so the value would end before it: put the value in "
                       "double quotes, or a space before the comment",
                       number);
    return 0;
}

static int s_check_text (const char *text, char **error)
{
    int rc = 0;
    for (size_t number = 1; rc == 0 && *text; number++) {
        size_t size = strcspn (text, "\n");
        rc = s_check_line (text, size, number, error);
        text += size + (text[size] == '\n');
    }
    return rc;
}

int zb_config_load (zb_config_t *self, const char *file, char **error)
{
    *error = NULL;
    struct stat info;
    if (stat (file, &info) || access (file, R_OK))
        return s_fail (error, "%s: %s", file, strerror (errno));
    if (!S_ISREG (info.st_mode))
        return s_fail (error, "%s: not a regular file", file);
    //  Not zconfig_load, which leaks its file when it finds an error.
    zchunk_t *text = zchunk_slurp (file, FILE_MAX);
    assert (text);
    char *copy = strndup ((const char *) zchunk_data (text), zchunk_size (text));
    assert (copy);
    int odd = s_check_text (copy, error);
    free (copy);
    if (odd) {
        zchunk_destroy (&text);
        return s_fail_in (error, file);
    }
    zconfig_t *root = zchunk_size (text) < FILE_MAX ? zconfig_chunk_load (text) : NULL;
    zchunk_destroy (&text);
    self->exposed = self->exposed || (info.st_mode & (S_IROTH | S_IWOTH));
    if (!root)
        return s_fail (error,
                       "%s: not valid ZPL: sections begin their line, keys are indented by four spaces and "
                       "look like 'key = value'",
                       file);
    int rc = s_load (self, root, error);
    zconfig_destroy (&root);
    return rc ? s_fail_in (error, file) : 0;
}

//  ---------------------------------------------------------------------------
//  What follows from what was set

static bool s_is_localhost (const char *host, size_t size)
{
    return size == strlen ("localhost") && strncasecmp (host, "localhost", size) == 0;
}

static bool s_is_127 (const char *host, size_t size)
{
    return strspn (host, "0123456789.") == size && strncmp (host, "127.", 4) == 0;
}

bool zb_config_is_loopback (const char *endpoint)
{
    const char *host;
    size_t size;
    return s_split (endpoint, true, &host, &size) && (s_is_localhost (host, size) || s_is_127 (host, size));
}

char *zb_config_bind_for (const char *endpoint)
{
    const char *host;
    size_t size;
    int port = s_split (endpoint, false, &host, &size);
    if (s_is_localhost (host, size))
        return zsys_sprintf ("tcp://127.0.0.1:%d", port);
    if (s_is_127 (host, size))
        return strdup (endpoint);
    return zsys_sprintf ("tcp://*:%d", port);
}

//  ---------------------------------------------------------------------------
//  What is allowed, and worth a look

//  Whether anybody but this machine can reach what this broker listens for.
static bool s_is_open (const zb_config_t *self)
{
    const zb_host_t *own = &self->host[self->as];
    const char *const bind[] = {own->bind, self->as == ZB_SINGLE ? NULL : own->state_bind,
                                self->as == ZB_SINGLE || self->shared ? NULL : own->ship_bind};
    for (size_t index = 0; index < sizeof bind / sizeof *bind; index++)
        if (bind[index] && !zb_config_is_loopback (bind[index]))
            return true;
    return false;
}

char *zb_config_unkeyed_witness (const zb_config_t *self, const char *bind)
{
    if (self->key_file || self->insecure || zb_config_is_loopback (bind))
        return NULL;
    return zsys_sprintf (
        "this witness would listen beyond this machine at %s, and has no keys: whoever reaches that port could read "
        "what brokers ask, and, where pair/secret is not set, ask in their place.  Make a key on this machine with\n"
        "    zbroker key make /etc/zbroker/zbroker.key\n"
        "and name that file in the config file here, and the public keys of all three in that of the brokers, too:\n"
        "    keys\n"
        "        own = /etc/zbroker/zbroker.key\n"
        "        primary = \"...\"\n"
        "        backup = \"...\"\n"
        "        witness = \"...\"\n"
        "On a network that nobody else reaches, 'insecure = yes' in that section does without",
        bind);
}

char *zb_config_unkeyed (const zb_config_t *self)
{
    if (self->key_file || self->insecure || !s_is_open (self))
        return NULL;
    return zsys_sprintf (
        "this broker would listen beyond this machine, and has no keys: whoever reaches its ports could do "
        "everything.  Make a key on each machine with\n"
        "    zbroker key make /etc/zbroker/zbroker.key\n"
        "and name that file and the public keys it prints in the config file of both:\n"
        "    keys\n"
        "        own = /etc/zbroker/zbroker.key\n"
        "        primary = \"...\"\n"
        "        backup = \"...\"\n"
        "then let clients in with 'zbroker key new NAME'.  On a network that nobody else reaches, "
        "'insecure = yes' in that section does without");
}

size_t zb_config_cautions (const zb_config_t *self, char *text[ZB_CAUTIONS])
{
    size_t count = 0;
    size_t secret = strlen (self->secret);
    struct stat info;
    if (!secret && !self->key_file && s_is_open (self))
        text[count++] =
            zsys_sprintf ("no pair/secret, and this broker listens beyond this machine: whoever reaches its "
                          "ports can act as the other broker and as an operator");
    if (secret && secret < ZB_SECRET_LEAST)
        text[count++] = zsys_sprintf ("pair/secret has %zu letters: it can be guessed; %d random ones can't", secret,
                                      ZB_SECRET_LEAST);
    if (secret && self->exposed)
        text[count++] =
            zsys_sprintf ("others on this machine can read or write the config file with pair/secret in it: "
                          "chmod 600");
    if (self->store && stat (self->store, &info) == 0 && (info.st_mode & (S_IWGRP | S_IWOTH)))
        text[count++] = zsys_sprintf ("others on this machine can write the store's folder %s: chmod 700", self->store);
    return count;
}

//  The same host, the port moved up.
static char *s_neighbour (const char *endpoint, int distance)
{
    const char *host;
    size_t size;
    int port = s_split (endpoint, true, &host, &size);
    return zsys_sprintf ("tcp://%.*s:%d", (int) size, host, port + distance);
}

//  The address of `bind`, if one was set, with the port of `endpoint`; else what follows from the endpoint alone.
static char *s_bind_like (const char *bind, const char *endpoint)
{
    if (!bind)
        return zb_config_bind_for (endpoint);
    const char *host, *unused_host;
    size_t size, unused_size;
    s_split (bind, true, &host, &size);
    int port = s_split (endpoint, false, &unused_host, &unused_size);
    return zsys_sprintf ("tcp://%.*s:%d", (int) size, host, port);
}

static int s_finish_host (zb_host_t *self, const char *role, char **error)
{
    const char *host;
    size_t size;
    if (s_split (self->endpoint, false, &host, &size) > PORT_MAX)
        return s_fail (error, "%s/endpoint = '%s': the port is above %d, and the three that follow it are ours, too",
                       role, self->endpoint, PORT_MAX);
    if (!self->state)
        self->state = s_neighbour (self->endpoint, STATE_PORT);
    if (!self->ship)
        self->ship = s_neighbour (self->endpoint, SHIP_PORT);
    if (!self->state_bind)
        self->state_bind = s_bind_like (self->bind, self->state);
    if (!self->ship_bind)
        self->ship_bind = s_bind_like (self->bind, self->ship);
    if (!self->bind)
        self->bind = zb_config_bind_for (self->endpoint);
    return 0;
}

//  The page: for this machine alone, unless it is told otherwise.
static int s_finish_http (zb_config_t *self, char **error)
{
    zb_host_t *host = &self->host[self->as];
    const char *unused;
    size_t size;
    self->http_asked = host->http != NULL;
    if (!host->http)
        host->http = zsys_sprintf ("tcp://127.0.0.1:%d", s_split (host->endpoint, false, &unused, &size) + HTTP_PORT);
    if (!streq (host->http, "none") && !zb_config_is_loopback (host->http))
        return s_fail (error,
                       "%s/http = '%s': the page is for this machine alone, and is not encrypted: name 127.0.0.1, or none",
                       s_roles[self->as], host->http);
    return 0;
}

//  A pair needs both endpoints, and its six addresses must differ.
static int s_finish_pair (zb_config_t *self, char **error)
{
    zb_host_t *primary = &self->host[ZB_PRIMARY], *backup = &self->host[ZB_BACKUP];
    if (!primary->endpoint != !backup->endpoint)
        return s_fail (error, "%s/endpoint is set, %s/endpoint is not: a pair needs both",
                       s_roles[primary->endpoint ? ZB_PRIMARY : ZB_BACKUP],
                       s_roles[primary->endpoint ? ZB_BACKUP : ZB_PRIMARY]);
    if (!primary->endpoint) {
        s_replace (&primary->endpoint, DEFAULT_PRIMARY);
        s_replace (&backup->endpoint, DEFAULT_BACKUP);
    }
    if (s_finish_host (primary, s_roles[ZB_PRIMARY], error) || s_finish_host (backup, s_roles[ZB_BACKUP], error))
        return -1;
    const char *address[] = {primary->endpoint, primary->state, primary->ship,
                             backup->endpoint,  backup->state,  backup->ship};
    for (size_t one = 0; one < 6; one++)
        for (size_t other = one + 1; other < 6; other++)
            if (streq (address[one], address[other]))
                return s_fail (error,
                               "%s has two uses: state exchange takes the port after each broker's own, log "
                               "shipping the one after that",
                               address[one]);
    if (self->silence < 3 * self->beat)
        return s_fail (error,
                       "pair/silence = %" PRIi64 " ms must be at least three times pair/heartbeat = %" PRIi64
                       " ms, or one lost heartbeat looks like death",
                       self->silence, self->beat);
    return 0;
}

//  What makes no sense with a shared store, or without one.
static int s_finish_shared (zb_config_t *self, char **error)
{
    if (self->fence && !*self->fence) {
        free (self->fence);
        self->fence = NULL;
    }
    if (!self->shared)
        return self->fence ? s_fail (error, "store/fence is set, but the store is not shared: say --shared, or "
                                            "store/shared = yes")
                           : 0;
    if (self->as == ZB_SINGLE)
        return s_fail (error, "a shared store is a pair's: say which broker this is, --as primary or --as backup");
    if (!self->store || !*self->store)
        return s_fail (error, "--shared needs the folder that both brokers use: --store DIR, or store/folder");
    if (self->peer_loss_wait)
        return s_fail (error, "peer-loss = wait is for two copies; a shared store has one: leave it out");
    if (self->witness)
        return s_fail (error, "pair/witness is for two copies; of a shared store the lock decides: leave it out");
    return 0;
}

//  Keys: all that the pair needs, or none.
static int s_finish_keys (zb_config_t *self, char **error)
{
    const char *primary = self->public_key[ZB_PRIMARY], *backup = self->public_key[ZB_BACKUP];
    bool some = primary || backup || self->witness_key || self->other_key[ZB_PRIMARY] || self->other_key[ZB_BACKUP] ||
                self->other_key[ZB_SINGLE];
    if (!self->key_file)
        return some ? s_fail (error, "public keys are set, but no key of this broker: set keys/own to its file, as "
                                     "'zbroker key make FILE' makes it")
                    : 0;
    if (self->as != ZB_SINGLE && (!primary || !backup))
        return s_fail (error, "keys/own is set, keys/%s is not: a pair needs the public keys of both brokers",
                       primary ? "backup" : "primary");
    if (primary && backup && streq (primary, backup))
        return s_fail (error, "keys/primary and keys/backup are the same: each broker has a key of its own");
    if (self->as != ZB_SINGLE && self->witness && !self->witness_key)
        return s_fail (error, "keys/own and pair/witness are set, keys/witness is not: the witness has a key, too");
    return 0;
}

//  Limits of which one is in the other.
static int s_finish_limits (const zb_limits_t *limits, char **error)
{
    if (limits->request < limits->body + limits->properties)
        return s_fail (error, "limits/request = %zu is less than one body and its properties, %zu", limits->request,
                       limits->body + limits->properties);
    if (limits->window > limits->windows)
        return s_fail (error, "limits/window = %zu, of one queue, is more than limits/windows = %zu, of all",
                       limits->window, limits->windows);
    if (limits->output > limits->outputs)
        return s_fail (error, "limits/output = %zu, of one client, is more than limits/outputs = %zu, of all",
                       limits->output, limits->outputs);
    return 0;
}

int zb_config_finish (zb_config_t *self, char **error)
{
    *error = NULL;
    if (s_finish_shared (self, error) || s_finish_keys (self, error))
        return -1;
    if (self->as == ZB_SINGLE) {
        if (self->host[ZB_PRIMARY].endpoint || self->host[ZB_BACKUP].endpoint)
            return s_fail (error, "a pair is configured: say which broker this is, --as primary or --as backup");
        if (!self->host[ZB_SINGLE].endpoint)
            s_replace (&self->host[ZB_SINGLE].endpoint, DEFAULT_SINGLE);
        if (s_finish_host (&self->host[ZB_SINGLE], s_roles[ZB_SINGLE], error))
            return -1;
    }
    else if (s_finish_pair (self, error))
        return -1;
    if (s_finish_http (self, error))
        return -1;

    if (!self->store || !*self->store) {
        free (self->store);
        self->store = zsys_sprintf ("zbroker-%s", s_roles[self->as]);
        assert (self->store);
    }
    if (s_finish_limits (&self->limits, error))
        return -1;
    if (self->log_keep < self->log_file)
        return s_fail (error, "store/log-keep = %zu is less than one log file, store/log-file = %zu", self->log_keep,
                       self->log_file);
    return 0;
}

//  ---------------------------------------------------------------------------
//  What both brokers of a pair should have alike

static bool s_is_common (const char *path)
{
    static const char *const common[] = {"pair/witness",   "pair/peer-loss",  "pair/heartbeat", "pair/silence",
                                         "pair/ack-limit", "pair/turn-limit", "pair/disk-limit"};
    bool found = strncmp (path, "limits/", strlen ("limits/")) == 0;
    for (size_t index = 0; !found && index < sizeof common / sizeof *common; index++)
        found = streq (path, common[index]);
    return found;
}

//  A setting's value as it is in a file, numbers without a unit; to be freed by the caller.
static char *s_text (const zb_config_t *self, const setting_t *setting)
{
    static const char *const levels[] = {"error", "warning", "notice", "info", "debug"};
    const void *field = (const char *) self + setting->offset;
    switch (setting->kind) {
    case LOSS:
        return strdup (*(const bool *) field ? "wait" : "solo");
    case BOOL:
        return strdup (*(const bool *) field ? "yes" : "no");
    case SIZE:
    case COUNT:
    case TIME:
        return zsys_sprintf ("%" PRIu64, *(const uint64_t *) field);
    case LEVEL:
        return strdup (levels[*(const zb_log_level_t *) field]);
    case FORM:
        return strdup (*(const zb_logline_form_t *) field == ZB_LOGLINE_JSON ? "json" : "lines");
    default:
        return strdup (*(char *const *) field ? *(char *const *) field : "none");
    }
}

char *zb_config_tell (const zb_config_t *self)
{
    char *text = strdup ("");
    for (const setting_t *setting = s_settings; setting < s_settings + SETTINGS; setting++) {
        if (!s_is_common (setting->path))
            continue;
        char *value = s_text (self, setting);
        char *more = zsys_sprintf ("%s%s = %s\n", text, setting->path, value);
        assert (value && more);
        free (value);
        free (text);
        text = more;
    }
    return text;
}

//  The value in the line that begins with this name, and its size; NULL if there is none.
static const char *s_line (const char *text, const char *name, size_t name_size, size_t *size)
{
    while (*text) {
        size_t line = strcspn (text, "\n");
        if (line >= name_size && memcmp (text, name, name_size) == 0) {
            *size = line - name_size;
            return text + name_size;
        }
        text += line + (text[line] == '\n');
    }
    return NULL;
}

char *zb_config_differs (const char *own, const char *theirs)
{
    char *text = NULL;
    for (const char *line = own; *line; line += strcspn (line, "\n") + 1) {
        const char *sign = strstr (line, " = ");
        if (!sign)
            break;
        size_t name = (size_t) (sign - line), here = strcspn (sign + 3, "\n"), there;
        const char *other = s_line (theirs, line, name + 3, &there);
        if (!other || (here == there && memcmp (sign + 3, other, here) == 0))
            continue;
        char *more = zsys_sprintf ("%s%s%.*s is %.*s here and %.*s there", text ? text : "", text ? ", " : "",
                                   (int) name, line, (int) here, sign + 3, (int) there, other);
        assert (more);
        free (text);
        text = more;
    }
    return text;
}

//  ---------------------------------------------------------------------------
//  What may change while a broker runs

//  A port's bounds are fixed when it begins to listen.
static bool s_is_live (const char *path)
{
    static const char *const fixed[] = {"limits/bodies", "limits/request", "limits/connections", "limits/per-address",
                                        "limits/memory"};
    bool live = strncmp (path, "limits/", strlen ("limits/")) == 0 || strncmp (path, "log/", strlen ("log/")) == 0;
    for (size_t index = 0; live && index < sizeof fixed / sizeof *fixed; index++)
        live = !streq (path, fixed[index]);
    return live;
}

static void s_append (char **list, char *text)
{
    char *more = *list ? zsys_sprintf ("%s, %s", *list, text) : strdup (text);
    assert (more);
    free (*list);
    free (text);
    *list = more;
}

//  Others read at the same time what is not live.
static void s_copy_live (zb_config_t *self, const zb_config_t *from)
{
    for (const setting_t *setting = s_settings; setting < s_settings + SETTINGS; setting++)
        if (s_is_live (setting->path)) {
            size_t size = setting->kind == LEVEL || setting->kind == FORM ? sizeof (int) : sizeof (uint64_t);
            memcpy ((char *) self + setting->offset, (const char *) from + setting->offset, size);
        }
}

int zb_config_take (zb_config_t *self, const zb_config_t *fresh, char **changed, char **kept, char **error)
{
    assert (self->as == fresh->as);
    *changed = *kept = *error = NULL;
    zb_config_t next = *self;
    s_copy_live (&next, fresh);
    if (s_finish_limits (&next.limits, error))
        return s_fail_in (error, "with what takes a restart");
    for (const setting_t *setting = s_settings; setting < s_settings + SETTINGS; setting++) {
        char *now = s_text (self, setting), *then = s_text (fresh, setting);
        if (!streq (now, then) && !s_is_live (setting->path))
            s_append (kept, strdup (setting->path));
        else if (!streq (now, then))
            s_append (changed, zsys_sprintf ("%s = %s (it was %s)", setting->path, then, now));
        free (now);
        free (then);
    }
    s_copy_live (self, &next);
    return 0;
}
