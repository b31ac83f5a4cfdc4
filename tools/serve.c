/*  =========================================================================
    serve - zbroker serve: one broker

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>

#include "commands.h"
#include "io/base/config_file.h"
#include "io/base/config_finish.h"
#include "io/base/config_open.h"
#include "io/base/config_set.h"
#include "io/base/log.h"
#include "io/base/reach.h"
#include "io/broker/broker.h"
#include "io/store/moment.h"
#ifdef HAVE_HTTP
#include "io/http/http.h"
#endif

static const tool_option_t s_options[] = {
    {"config", "FILE", "read this file first, see zbroker.conf(5)"},
    {"as", "primary|backup", "which broker of the pair this is (default: a broker without a pair)"},
    {"primary", "EP", "where clients and the backup reach the primary: tcp://HOST:PORT"},
    {"backup", "EP", "where clients and the primary reach the backup"},
    {"store", "DIR", "the store's folder (default: zbroker-primary, -backup or -single)"},
    {"peer-loss", "solo|wait", "without the other broker, go on alone or make clients wait (default: solo)"},
    {"shared", NULL, "both brokers use one store: --store names the same folder on a shared file system"},
    {"log-format", "lines|json", "what a line of the log looks like (default: lines)"},
    {"http", "EP|none",
     "where the page and /metrics are served (default: the port three after EP's, for this machine alone)"},
    {NULL, NULL, NULL}};

//  Options that are settings under another name.
static const struct {
    const char *option;
    const char *key;
} s_settings[] = {{"as", "as"},
                  {"primary", "primary/endpoint"},
                  {"backup", "backup/endpoint"},
                  {"store", "store/folder"},
                  {"peer-loss", "pair/peer-loss"},
                  {"log-format", "log/format"}};

//  As the file and the command line say.  Returns 0, or -1 and *error.
static int s_configure (const tool_t *self, zb_config_t *config, char **error)
{
    const char *file = tool_option (self, "config");
    if (file && zb_config_load (config, file, error))
        return -1;
    for (size_t index = 0; index < sizeof s_settings / sizeof *s_settings; index++) {
        const char *value = tool_option (self, s_settings[index].option);
        if (value && zb_config_set (config, s_settings[index].key, value, error))
            return -1;
    }
    if (tool_option (self, "shared") && zb_config_set (config, "store/shared", "yes", error))
        return -1;
    static const char *const http[] = {"single/http", "primary/http", "backup/http"};
    const char *page = tool_option (self, "http");
    if (page && zb_config_set (config, http[config->as], page, error))
        return -1;
    return zb_config_finish (config, error);
}

//  The same again, while the broker runs.
static zb_config_t *s_reload (const void *tool, char **error)
{
    const tool_t *self = (const tool_t *) tool;
    zb_config_t *config = zb_config_new ();
    if (s_configure (self, config, error))
        zb_config_destroy (&config);
    return config;
}

//  Serves, and the page beside it.  A page that nobody has asked for is no reason not to serve.
static int s_run (const tool_t *self, zb_config_t *config, zb_reloader_t *reloader)
{
    const char *endpoint = config->host[config->as].http;
    if (strcmp (endpoint, "none") == 0)
        return zb_broker_run (config, NULL, reloader);
#ifdef HAVE_HTTP
    zb_board_t *board = zb_board_new ();
    zb_http_t *http = zb_http_new (config, board);
    int code = TOOL_OK;
    if (!http && config->http_asked)
        code = tool_fail (self, errno == EADDRINUSE ? ZB_EXIT_BUSY : ZB_EXIT_USAGE, "can't serve the page at %s: %s",
                          endpoint, strerror (errno));
    else if (!http)
        zb_log (ZB_LOG_WARNING, "no page: can't listen for it at %s: %s.  Set http to another port, or to none",
                endpoint, strerror (errno));
    if (code == TOOL_OK)
        code = zb_broker_run (config, http ? board : NULL, reloader);
    zb_http_destroy (&http);
    zb_board_destroy (&board);
    return code;
#else
    if (config->http_asked)
        return tool_fail (self, TOOL_USAGE,
                          "this zbroker was built without the page (configure --without-http): http can only be none");
    return zb_broker_run (config, NULL, reloader);
#endif
}

static int s_serve (tool_t *self)
{
    if (self->size)
        return tool_misused (self, "'%s': serve takes no arguments", self->arguments[0]);

    zb_config_t *config = zb_config_new ();
    char *error = NULL;
    if (s_configure (self, config, &error)) {
        tool_misused (self, "%s", error);
        free (error);
        zb_config_destroy (&config);
        return TOOL_USAGE;
    }
    char *unkeyed = zb_config_unkeyed (config);
    if (unkeyed) {
        char why[400];
        const char *endpoint = config->host[config->as].endpoint;
        //  A name that is wrong is not a reason to make keys.
        int refused = zb_reach_resolve (endpoint, why, sizeof why)
                          ? tool_fail (self, TOOL_USAGE, "nobody could reach this broker at %s: %s", endpoint, why)
                          : tool_fail (self, TOOL_USAGE, "%s", unkeyed);
        free (unkeyed);
        zb_config_destroy (&config);
        return refused;
    }
    static const char *const identities[] = {"zbroker", "zbroker/primary", "zbroker/backup"};
    //  Without a file there is nothing to read again, and a terminal that is closed ends what runs in it.
    if (tool_option (self, "config"))
        zb_reloader_block ();
    zb_log_as (config->log_form);
    int code = zb_log_open (identities[config->as], config->log_level)
                   ? tool_fail (self, TOOL_FAILED, "no thread for the log: %s", strerror (errno))
                   : TOOL_OK;
    tool_raise_files ();
    char *lacks = zb_moment_lacks ();
    if (code == TOOL_OK && lacks)
        code = tool_fail (self, ZB_EXIT_MOMENT, "%s", lacks);
    free (lacks);
    zb_moment_watch ();
    zb_reloader_t *reloader = NULL;
    if (code == TOOL_OK && tool_option (self, "config") && !(reloader = zb_reloader_new (s_reload, self)))
        code = tool_fail (self, ZB_EXIT_MOMENT, "no thread that reads the configuration again: %s", strerror (errno));
    if (code == TOOL_OK)
        code = s_run (self, config, reloader);
    zb_reloader_destroy (&reloader);
    zb_log_close ();
    zb_config_destroy (&config);
    return code;
}

const tool_command_t tool_serve = {
    .name = "serve",
    .arguments = "",
    .summary = "Run one broker until SIGTERM or SIGINT",
    .text = "\n"
            "Prints READY when it listens, and each change of role, one line each; the log goes to\n"
            "standard error.  The two ports after EP's are the brokers' own, for state and for the log.\n"
            "Without --as it serves alone at tcp://127.0.0.1:5560.\n",
    .options = s_options,
    .run = s_serve,
};
