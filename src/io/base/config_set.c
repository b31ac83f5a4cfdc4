/*  =========================================================================
    config_set - the settings, and their values as texts

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>

#include "core/rights/keyfile.h"
#include "io/base/config_set.h"
#include "io/base/endpoint.h"
#include "io/base/failure.h"
#include "io/base/nearest.h"

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
    {"http/certificate", TEXT, FIELD (http_certificate), 0, 0},
    {"http/key", TEXT, FIELD (http_key), 0, 0},
    {"http/names", TEXT, FIELD (http_names), 0, 0},
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

size_t zb_config_settings (void)
{
    return SETTINGS;
}

const char *zb_config_path (size_t index)
{
    return s_settings[index].path;
}

bool zb_config_is_section (const char *name)
{
    size_t size = strlen (name);
    for (size_t index = 0; index < SETTINGS; index++)
        if (strncmp (s_settings[index].path, name, size) == 0 && s_settings[index].path[size] == '/')
            return true;
    return false;
}

int zb_config_unknown (const char *path, char **error)
{
    const char *known[SETTINGS];
    for (size_t index = 0; index < SETTINGS; index++)
        known[index] = s_settings[index].path;
    return zb_failure (error, "'%s' is unknown; the nearest known key is '%s'", path,
                       zb_nearest (path, known, SETTINGS));
}

//  ---------------------------------------------------------------------------
//  From texts

static int s_set_endpoint (char **field, const setting_t *setting, const char *value, char **error)
{
    const char *host;
    size_t size;
    bool any = setting->kind != ENDPOINT;
    if (!zb_endpoint_split (value, any, &host, &size))
        return zb_failure (error, "%s = '%s' is not of the form tcp://HOST:PORT, with a port of 1 to 65535 and %s",
                           setting->path, value,
                           any ? "an IPv4 address, an interface or * as HOST" : "a name or an IPv4 address as HOST");
    zb_config_replace (field, value);
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
        return zb_failure (error, "%s = '%s' is not valid: it takes %s", setting->path, value, units);
    if (number < setting->least || number > setting->most)
        return zb_failure (error, "%s = '%s' is out of range: %" PRIu64 " to %" PRIu64 "%s", setting->path, value,
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
        return zb_config_unknown (path, error);

    void *field = (char *) self + setting->offset;
    switch (setting->kind) {
    case TEXT:
        zb_config_replace (field, value);
        return 0;
    case NAME:
        if (!s_is_name (value))
            return zb_failure (error, "%s = '%s' is not a name: 1 to %d bytes without spaces and control characters",
                               path, value, ZB_NAME_MAX);
        zb_config_replace (field, value);
        return 0;
    case KEY:
        if (!zb_key_is (value, strlen (value)))
            return zb_failure (error, "%s = '%s' is no public key: 40 characters, as 'zbroker key make' prints them",
                               path, value);
        zb_config_replace (field, value);
        return 0;
    case HTTP:
        if (streq (value, "none")) {
            zb_config_replace (field, value);
            return 0;
        }
        return s_set_endpoint (field, setting, value, error);
    case ENDPOINT:
    case BIND:
        return s_set_endpoint (field, setting, value, error);
    case LOSS:
        if (!streq (value, "solo") && !streq (value, "wait"))
            return zb_failure (error, "%s = '%s' is neither 'solo' nor 'wait'", path, value);
        *(bool *) field = streq (value, "wait");
        return 0;
    case BOOL:
        if (!streq (value, "yes") && !streq (value, "no"))
            return zb_failure (error, "%s = '%s' is neither 'yes' nor 'no'", path, value);
        *(bool *) field = streq (value, "yes");
        return 0;
    case LEVEL:
        if (zb_log_level (value, field))
            return zb_failure (error, "%s = '%s' is none of error, warning, notice, info, debug", path, value);
        return 0;
    case FORM:
        if (zb_logline_form (value, field))
            return zb_failure (error, "%s = '%s' is neither 'lines' nor 'json'", path, value);
        return 0;
    case SIZE:
    case COUNT:
    case TIME:
        if (s_set_number (field, setting, value, error))
            return -1;
        self->silence_set = self->silence_set || field == (void *) &self->silence;
        return 0;
    }
    assert (false);
    return -1;
}

int zb_config_set (zb_config_t *self, const char *key, const char *value, char **error)
{
    *error = NULL;
    if (!streq (key, "as"))
        return s_set (self, key, value, error);
    for (int role = ZB_PRIMARY; role <= ZB_BACKUP; role++)
        if (streq (value, zb_config_role (role))) {
            self->as = role;
            return 0;
        }
    return zb_failure (error, "'%s' is neither 'primary' nor 'backup'", value);
}

//  ---------------------------------------------------------------------------
//  To texts, and from one config to another

char *zb_config_text (const zb_config_t *self, size_t index)
{
    const setting_t *setting = &s_settings[index];
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

void zb_config_copy (zb_config_t *self, const zb_config_t *from, size_t index)
{
    const setting_t *setting = &s_settings[index];
    bool is_word = setting->kind == LEVEL || setting->kind == FORM;
    assert (is_word || setting->kind == SIZE || setting->kind == COUNT || setting->kind == TIME);
    size_t size = is_word ? sizeof (int) : sizeof (uint64_t);
    memcpy ((char *) self + setting->offset, (const char *) from + setting->offset, size);
}
