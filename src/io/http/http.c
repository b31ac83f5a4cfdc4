/*  =========================================================================
    http - what a broker shows to browsers and monitors

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <sodium.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <czmq.h>

#include "core/base/limits.h"
#include "io/base/endpoint.h"
#include "io/base/log.h"
#include "io/base/thread.h"
#include "io/http/api.h"
#include "io/http/exposition.h"
#include "io/http/files.h"
#include "io/http/http.h"
#include "io/http/tls.h"

#define BROWSER 6 //  connections that a browser makes to a host

struct zb_http {
    zb_site_t site;
    zb_keys_t *keys;
    zb_tls_t tls;
    int listener;
    unsigned most;    //  connections
    pthread_t thread; //  waits for the broker, then starts the daemon
    struct MHD_Daemon *daemon;
};

//  ---------------------------------------------------------------------------
//  What monitors ask for

static void s_live (zb_exchange_t *self)
{
    zb_exchange_say (self, MHD_HTTP_OK, "the broker turns");
}

static void s_ready (zb_exchange_t *self)
{
    bool active = streq (zb_exchange_text (self->status, "role"), "active");
    bool serves = active && !streq (zb_exchange_text (self->status, "level"), "hold");
    zb_exchange_say (self, serves ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, zb_exchange_text (self->status, "why"));
}

static void s_in_sync (zb_exchange_t *self)
{
    bool in_sync = json_is_true (json_object_get (self->status, "in_sync"));
    zb_exchange_say (self, in_sync ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE,
                     zb_exchange_text (self->status, "why"));
}

static void s_expose (zb_exchange_t *self, const json_t *queues)
{
    const char *accept = MHD_lookup_connection_value (self->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
    bool open = accept && strstr (accept, "application/openmetrics-text");
    self->code = MHD_HTTP_OK;
    self->type = open ? ZB_EXPOSITION_OPEN : ZB_EXPOSITION_TEXT;
    zb_exposed_t more = {.started = self->site->started, .wrong_passwords = zb_asker_wrong (self->site->asker)};
    self->text = zb_exposition (self->status, queues, open, more, &self->text_size);
}

static void s_listed (zb_exchange_t *self)
{
    json_t *page = zb_api_listed (self);
    if (page)
        s_expose (self, json_object_get (page, "queues"));
    json_decref (page);
}

//  Each queue only if asked, and only of the broker that serves them: the other one would double their sums.
static void s_metrics (zb_exchange_t *self)
{
    const char *pattern = MHD_lookup_connection_value (self->connection, MHD_GET_ARGUMENT_KIND, "queues");
    if (!pattern || !streq (zb_exchange_text (self->status, "role"), "active")) {
        s_expose (self, NULL);
        return;
    }
    self->argument[0] = zsys_sprintf ("%d", ZB_LIST_MAX);
    zb_api_look (self, ZB_LIST, pattern, "", self->argument[0], s_listed);
}

static const struct {
    const char *path;
    void (*function) (zb_exchange_t *self);
} s_routes[] = {
    {"/health/live", s_live}, {"/health/ready", s_ready}, {"/health/in-sync", s_in_sync}, {"/metrics", s_metrics}};

//  ---------------------------------------------------------------------------
//  Requests

//  Whether the request is meant for this host: where it listens, where clients reach it, and as http/names says.
static bool s_is_host (const zb_site_t *self, const char *host)
{
    if (!host)
        return false;
    size_t size = *host == '[' ? strcspn (host, "]") + 1 : strcspn (host, ":"), known_size;
    const char *known[] = {"localhost", "127.0.0.1", "[::1]", self->host}, *endpoint;
    for (size_t index = 0; index < sizeof known / sizeof *known; index++)
        if (strlen (known[index]) == size && strncasecmp (known[index], host, size) == 0)
            return true;
    const zb_config_t *config = self->config;
    if (zb_endpoint_split (config->host[config->as].endpoint, false, &endpoint, &known_size) && known_size == size &&
        strncasecmp (endpoint, host, size) == 0)
        return true;
    for (const char *name = config->http_names; name && *name; name += strcspn (name, " ")) {
        name += strspn (name, " ");
        if (size && strcspn (name, " ") == size && strncasecmp (name, host, size) == 0)
            return true;
    }
    return false;
}

//  The newest STATUS; NULL if there is none that is fresh.
static json_t *s_status (const zb_site_t *self)
{
    int64_t made;
    char *text = zb_board_read (self->board, &made);
    json_t *status = text && zclock_mono () - made <= ZB_HTTP_STALE ? json_loads (text, 0, NULL) : NULL;
    free (text);
    return status;
}

static void s_file (zb_exchange_t *self, const zb_file_t *file)
{
    self->code = MHD_HTTP_OK;
    self->type = file->type;
    self->text_size = (size_t) (file->end - file->data);
    self->text = (char *) zmalloc (self->text_size + 1);
    memcpy (self->text, file->data, self->text_size);
}

static void s_route (zb_exchange_t *self)
{
    if (!self->status)
        zb_exchange_say (self, MHD_HTTP_SERVICE_UNAVAILABLE, "the broker has not turned for some seconds");
    else
        self->route (self);
}

//  ---------------------------------------------------------------------------
//  Monitors have no page to log in: name and password come with each request, and are looked at once an hour

#define LOG_IN "log in first: the page does, and monitors send Authorization: Basic; see http/login in zbroker.conf(5)"

//  Whether it says by name and password who it is, and there are logins.
static bool s_offers (const zb_exchange_t *self)
{
    const char *said = MHD_lookup_connection_value (self->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
    return self->site->config->http_login && said && strncasecmp (said, "Basic ", strlen ("Basic ")) == 0;
}

//  The password was looked at.
static void s_known (zb_exchange_t *self)
{
    zb_question_t *question = &self->question;
    unsigned code = question->code;
    char cookie[ZB_COOKIE_SIZE + 1];
    zb_logins_name (self->site->secret, question->name, question->password, cookie);
    sodium_memzero (self->argument[1], strlen (self->argument[1]));
    if (!code && question->edition != self->site->edition) {
        zb_exchange_say (self, 503, ZB_CHANGED);
        return;
    }
    if (code) {
        zb_exchange_say (self, code == 403 ? 401 : code, question->texts ? question->text[0] : ZB_CROWDED);
        return;
    }
    //  Several requests at once may be its first.
    const zb_login_t *login = zb_logins_find (&self->site->logins, cookie, false, zclock_mono ());
    if (!login) {
        login = zb_logins_begin (&self->site->logins, cookie, question->name, question->found, zclock_mono ());
        question->found = NULL;
        zb_log (ZB_LOG_NOTICE, "page: %s has logged in, with a request", login->name);
    }
    zb_exchange_is (self, login);
    //  What is to be asked of a broker now is another question.
    zb_question_clear (question);
    memset (question, 0, sizeof *question);
    for (size_t index = 0; index < 2; index++) {
        free (self->argument[index]);
        self->argument[index] = NULL;
    }
    s_route (self);
}

static void s_know (zb_exchange_t *self)
{
    char *password = NULL, *name = MHD_basic_auth_get_username_password (self->connection, &password);
    char cookie[ZB_COOKIE_SIZE + 1];
    const zb_login_t *login = NULL;
    bool said = name && password && *name && strlen (name) <= ZB_LOGIN_NAME_MAX && !strpbrk (name, " \t\n");
    if (said) {
        zb_logins_name (self->site->secret, name, password, cookie);
        login = zb_logins_find (&self->site->logins, cookie, false, zclock_mono ());
    }
    if (login) {
        zb_exchange_is (self, login);
        s_route (self);
    }
    else if (!said)
        zb_exchange_say (self, MHD_HTTP_UNAUTHORIZED, LOG_IN);
    else {
        self->argument[0] = strdup (name);
        self->argument[1] = strdup (password);
        self->question.file = self->site->config->http_login;
        self->question.name = self->argument[0];
        self->question.password = self->argument[1];
        self->question.address = zb_exchange_address (self);
        self->finish = s_known;
    }
    if (password)
        sodium_memzero (password, strlen (password));
    MHD_free (name);
    MHD_free (password);
}

static void s_answer (zb_exchange_t *self, const char *path, const char *method)
{
    if (!s_is_host (self->site,
                    MHD_lookup_connection_value (self->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST))) {
        zb_exchange_say (self, MHD_HTTP_MISDIRECTED_REQUEST, "this is not the host that the request names");
        return;
    }
    self->status = s_status (self->site);
    if (strncmp (path, ZB_API, strlen (ZB_API)) == 0) {
        zb_api (self, path, method);
        return;
    }
    size_t index = 0, routes = sizeof s_routes / sizeof *s_routes;
    while (index < routes && !streq (s_routes[index].path, path))
        index++;
    const zb_file_t *file = zb_file_find (path);
    if (index == routes && !file)
        zb_exchange_say (self, MHD_HTTP_NOT_FOUND,
                         "there is /, /metrics, /health/live, /health/ready, /health/in-sync and /api/v1");
    else if (!streq (method, MHD_HTTP_METHOD_GET) && !streq (method, MHD_HTTP_METHOD_HEAD)) {
        self->allow = "GET, HEAD";
        zb_exchange_say (self, MHD_HTTP_METHOD_NOT_ALLOWED, "this can only be read");
    }
    else if (file)
        s_file (self, file);
    else {
        self->route = s_routes[index].function;
        if (!zb_api_login (self) && (self->site->beyond || s_offers (self)))
            s_know (self);
        else
            s_route (self);
    }
}

//  What no browser is to guess, keep, frame, or take from elsewhere.
static enum MHD_Result s_send (zb_exchange_t *self)
{
    static const struct {
        const char *name, *value;
    } headers[] = {
        {MHD_HTTP_HEADER_CACHE_CONTROL, "no-store"},
        {"Content-Security-Policy", "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
        {"Referrer-Policy", "no-referrer"},
        {"X-Content-Type-Options", "nosniff"},
        {"X-Frame-Options", "DENY"}};
    struct MHD_Response *response =
        MHD_create_response_from_buffer (self->text_size, self->text, MHD_RESPMEM_MUST_FREE);
    if (!response)
        return MHD_NO;
    self->text = NULL;
    MHD_add_response_header (response, MHD_HTTP_HEADER_CONTENT_TYPE, self->type);
    for (size_t index = 0; index < sizeof headers / sizeof *headers; index++)
        MHD_add_response_header (response, headers[index].name, headers[index].value);
    if (*self->cookie)
        MHD_add_response_header (response, MHD_HTTP_HEADER_SET_COOKIE, self->cookie);
    //  Of what monitors ask for.  The page has its own way, and a browser would ask beside it.
    if (self->code == MHD_HTTP_UNAUTHORIZED && self->route)
        MHD_add_response_header (response, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
                                 "Basic realm=\"zbroker\", charset=\"UTF-8\"");
    if (self->code == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header (response, MHD_HTTP_HEADER_ALLOW, self->allow);
    enum MHD_Result result = MHD_queue_response (self->connection, self->code, response);
    MHD_destroy_response (response);
    return result;
}

//  In the asker's thread.
static void s_done (void *context)
{
    MHD_resume_connection (((zb_exchange_t *) context)->connection);
}

//  Gives the question to the asker; the request is gone on with when it has the answer.
static enum MHD_Result s_ask (zb_exchange_t *self)
{
    self->asked = true;
    self->question.done = s_done;
    self->question.context = self;
    MHD_suspend_connection (self->connection);
    if (zb_asker_ask (self->site->asker, &self->question))
        return MHD_YES;
    self->question.code = MHD_HTTP_SERVICE_UNAVAILABLE;
    MHD_resume_connection (self->connection);
    return MHD_YES;
}

static void s_free (void *context, struct MHD_Connection *connection, void **seen, enum MHD_RequestTerminationCode why)
{
    (void) context;
    (void) connection;
    (void) why;
    zb_exchange_t *self = (zb_exchange_t *) *seen;
    if (!self)
        return;
    *seen = NULL;
    zb_question_clear (&self->question);
    for (size_t index = 0; index < ZB_QUESTION_ARGUMENTS; index++)
        free (self->argument[index]);
    json_decref (self->status);
    json_decref (self->said);
    free (self->key);
    free (self->text);
    sodium_memzero (self->body, self->size);
    free (self);
}

//  Whoever has logged in by another edition of the file of logins is to do so again.
static void s_renew (zb_site_t *site)
{
    uint64_t edition = zb_asker_edition (site->asker);
    if (edition == site->edition)
        return;
    zb_logins_clear (&site->logins);
    site->edition = edition;
}

//  Called once when the headers are there, for each part of the body, when all is there, and when the asker has the answer.
static enum MHD_Result s_handle (void *context, struct MHD_Connection *connection, const char *path, const char *method,
                                 const char *version, const char *data, size_t *size, void **seen)
{
    (void) version;
    zb_exchange_t *self = (zb_exchange_t *) *seen;
    if (!self) {
        *seen = self = (zb_exchange_t *) zmalloc (sizeof *self);
        self->site = &((zb_http_t *) context)->site;
        self->connection = connection;
        return MHD_YES;
    }
    if (*size) {
        size_t room = ZB_HTTP_BODY - self->size, part = *size < room ? *size : room;
        memcpy (self->body + self->size, data, part);
        self->size += part;
        self->beyond = self->beyond || part < *size;
        *size = 0;
        return MHD_YES;
    }
    s_renew (self->site);
    if (!self->asked)
        s_answer (self, path, method);
    else
        self->finish (self);
    return self->code ? s_send (self) : s_ask (self);
}

//  What clients do wrong is no news.
__attribute__ ((format (printf, 2, 0))) static void s_log (void *context, const char *format, va_list arguments)
{
    (void) context;
    char text[400];
    vsnprintf (text, sizeof text, format, arguments);
    text[strcspn (text, "\r\n")] = 0;
    zb_log (ZB_LOG_DEBUG, "page: %s", text);
}

//  ---------------------------------------------------------------------------
//  Life

//  Binds tcp://HOST:PORT.  Returns the socket, or -1 and errno.
static int s_listen (const char *endpoint, char *host, size_t host_size)
{
    const char *name = endpoint + strlen ("tcp://"), *port = strrchr (endpoint, ':') + 1;
    snprintf (host, host_size, "%.*s", (int) (port - 1 - name), name);
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
    if (getaddrinfo (streq (host, "*") ? NULL : host, port, &hints, &found)) {
        errno = EADDRNOTAVAIL;
        return -1;
    }
    int listener = socket (found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;
    if (listener != -1 && (setsockopt (listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) ||
                           bind (listener, found->ai_addr, found->ai_addrlen) || listen (listener, 64))) {
        int error = errno;
        close (listener);
        listener = -1;
        errno = error;
    }
    freeaddrinfo (found);
    return listener;
}

//  Connections of one address: an eighth, and what a browser takes.
static unsigned s_each (unsigned most)
{
    unsigned each = most / 8;
    return each < BROWSER ? BROWSER : each;
}

static void *s_run (void *context)
{
    zb_http_t *self = (zb_http_t *) context;
    if (!zb_board_wait (self->site.board))
        return NULL;
    //  poll, for epoll's functions are looked after for libzmq's sake (io/base/epoll).
    unsigned flags = MHD_USE_POLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    self->daemon = MHD_start_daemon (flags | (self->site.secure ? MHD_USE_TLS : 0), 0, NULL, NULL, s_handle, self,
                                     MHD_OPTION_EXTERNAL_LOGGER, s_log, NULL, MHD_OPTION_LISTEN_SOCKET, self->listener,
                                     MHD_OPTION_CONNECTION_LIMIT, self->most, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
                                     self->site.beyond ? s_each (self->most) : 0U, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                                     (size_t) ZB_HTTP_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned) ZB_HTTP_IDLE,
                                     MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_COMPLETED, s_free, NULL,
                                     MHD_OPTION_ARRAY, self->tls.option, MHD_OPTION_END);
    if (!self->daemon)
        zb_log (ZB_LOG_WARNING, "the page is not served: no thread, descriptor or memory for it");
    return NULL;
}

static void s_end (zb_http_t *self)
{
    zb_asker_destroy (&self->site.asker);
    zb_logins_clear (&self->site.logins);
    zb_sorted_clear (&self->site.sorted);
    zb_keys_destroy (&self->keys);
    zb_tls_clear (&self->tls);
    sodium_memzero (self->site.secret, sizeof self->site.secret);
    free (self);
}

zb_http_t *zb_http_new (const zb_config_t *config, zb_board_t *board)
{
    zb_http_t *self = (zb_http_t *) zmalloc (sizeof *self);
    self->site.config = config;
    self->site.board = board;
    self->site.started = (double) zclock_time () / 1000;
    struct rlimit files;
    getrlimit (RLIMIT_NOFILE, &files);
    self->most = files.rlim_cur / 16 < ZB_HTTP_CONNECTIONS ? (unsigned) (files.rlim_cur / 16) : ZB_HTTP_CONNECTIONS;
    //  What is wrong with them the broker says.
    char *wrong = NULL;
    if (zb_keys_load (&self->keys, config, &wrong))
        free (wrong);
    self->site.keyed = config->key_file != NULL;
    self->site.secure = config->http_certificate != NULL;
    self->site.beyond = !zb_endpoint_is_loopback (config->host[config->as].http);
    randombytes_buf (self->site.secret, sizeof self->site.secret);
    if (zb_tls_load (&self->tls, config, &wrong)) {
        zb_log (ZB_LOG_ERROR, "%s", wrong);
        free (wrong);
        s_end (self);
        errno = EKEYREJECTED;
        return NULL;
    }
    self->listener = s_listen (config->host[config->as].http, self->site.host, sizeof self->site.host);
    int error = errno;
    if (self->listener != -1 && (self->site.asker = zb_asker_new (config, self->keys, board)) &&
        (error = zb_thread_start (&self->thread, s_run, self)) == 0)
        return self;
    if (self->listener != -1)
        close (self->listener);
    s_end (self);
    errno = error;
    return NULL;
}

void zb_http_destroy (zb_http_t **self_p)
{
    assert (self_p);
    zb_http_t *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    zb_board_close (self->site.board);
    pthread_join (self->thread, NULL);
    //  Whatever waits for an answer has one before the daemon ends.
    zb_asker_close (self->site.asker);
    if (self->daemon)
        MHD_stop_daemon (self->daemon);
    else
        close (self->listener);
    s_end (self);
}
