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
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <czmq.h>

#include "core/base/limits.h"
#include "io/base/log.h"
#include "io/base/thread.h"
#include "io/http/exposition.h"
#include "io/http/http.h"

struct zb_http {
    zb_board_t *board;
    int listener;
    char host[256];   //  where it listens, without the port
    double started;   //  s since 1970
    unsigned most;    //  connections
    pthread_t thread; //  waits for the broker, then starts the daemon
    struct MHD_Daemon *daemon;
};

//  ---------------------------------------------------------------------------
//  Answers

typedef struct {
    unsigned code;
    const char *type;
    char *text; //  to be freed
    size_t size;
} answer_t;

#define PLAIN "text/plain; charset=utf-8"

static answer_t s_say (unsigned code, const char *text)
{
    answer_t answer = {code, PLAIN, zsys_sprintf ("%s\n", text), 0};
    answer.size = strlen (answer.text);
    return answer;
}

//  What no browser is to guess, keep, frame, or take from elsewhere.
static enum MHD_Result s_send (struct MHD_Connection *connection, answer_t answer)
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
    struct MHD_Response *response = MHD_create_response_from_buffer (answer.size, answer.text, MHD_RESPMEM_MUST_FREE);
    if (!response) {
        free (answer.text);
        return MHD_NO;
    }
    MHD_add_response_header (response, MHD_HTTP_HEADER_CONTENT_TYPE, answer.type);
    for (size_t index = 0; index < sizeof headers / sizeof *headers; index++)
        MHD_add_response_header (response, headers[index].name, headers[index].value);
    if (answer.code == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header (response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result result = MHD_queue_response (connection, answer.code, response);
    MHD_destroy_response (response);
    return result;
}

//  ---------------------------------------------------------------------------
//  What there is

typedef struct {
    zb_http_t *http;
    struct MHD_Connection *connection;
    json_t *status; //  NULL: the board has nothing that is fresh
} request_t;

static const char *s_text (const json_t *object, const char *name)
{
    const char *text = json_string_value (json_object_get (object, name));
    return text ? text : "";
}

static answer_t s_live (const request_t *self)
{
    (void) self;
    return s_say (MHD_HTTP_OK, "the broker turns");
}

static answer_t s_ready (const request_t *self)
{
    bool active = streq (s_text (self->status, "role"), "active");
    bool serves = active && !streq (s_text (self->status, "level"), "hold");
    return s_say (serves ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, s_text (self->status, "why"));
}

static answer_t s_in_sync (const request_t *self)
{
    bool in_sync = json_is_true (json_object_get (self->status, "in_sync"));
    return s_say (in_sync ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, s_text (self->status, "why"));
}

static answer_t s_metrics (const request_t *self)
{
    const char *accept = MHD_lookup_connection_value (self->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
    bool open = accept && strstr (accept, "application/openmetrics-text");
    answer_t answer = {MHD_HTTP_OK, open ? ZB_EXPOSITION_OPEN : ZB_EXPOSITION_TEXT, NULL, 0};
    answer.text = zb_exposition (self->status, open, self->http->started, &answer.size);
    return answer;
}

static const struct {
    const char *path;
    answer_t (*answer) (const request_t *self);
} s_routes[] = {
    {"/health/live", s_live}, {"/health/ready", s_ready}, {"/health/in-sync", s_in_sync}, {"/metrics", s_metrics}};

//  ---------------------------------------------------------------------------
//  Requests

//  Whether the request is meant for this host.
static bool s_is_host (const zb_http_t *self, const char *host)
{
    if (!host)
        return false;
    size_t size = *host == '[' ? strcspn (host, "]") + 1 : strcspn (host, ":");
    const char *known[] = {"localhost", "127.0.0.1", "[::1]", self->host};
    for (size_t index = 0; index < sizeof known / sizeof *known; index++)
        if (strlen (known[index]) == size && strncasecmp (known[index], host, size) == 0)
            return true;
    return false;
}

//  The newest STATUS; NULL if there is none that is fresh.
static json_t *s_status (zb_http_t *self)
{
    int64_t made;
    char *text = zb_board_read (self->board, &made);
    json_t *status = text && zclock_mono () - made <= ZB_HTTP_STALE ? json_loads (text, 0, NULL) : NULL;
    free (text);
    return status;
}

static answer_t s_answer (zb_http_t *self, struct MHD_Connection *connection, const char *path, const char *method)
{
    if (!s_is_host (self, MHD_lookup_connection_value (connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST)))
        return s_say (MHD_HTTP_MISDIRECTED_REQUEST, "this is not the host that the request names");
    size_t index = 0, routes = sizeof s_routes / sizeof *s_routes;
    while (index < routes && !streq (s_routes[index].path, path))
        index++;
    if (index == routes)
        return s_say (MHD_HTTP_NOT_FOUND, "there is /metrics, /health/live, /health/ready and /health/in-sync");
    if (!streq (method, MHD_HTTP_METHOD_GET) && !streq (method, MHD_HTTP_METHOD_HEAD))
        return s_say (MHD_HTTP_METHOD_NOT_ALLOWED, "this can only be read");
    request_t request = {self, connection, s_status (self)};
    answer_t answer = request.status
                          ? s_routes[index].answer (&request)
                          : s_say (MHD_HTTP_SERVICE_UNAVAILABLE, "the broker has not turned for some seconds");
    json_decref (request.status);
    return answer;
}

//  Called once when the headers are there, then for the body, which nothing here takes.
static enum MHD_Result s_handle (void *context, struct MHD_Connection *connection, const char *path, const char *method,
                                 const char *version, const char *data, size_t *size, void **seen)
{
    (void) version;
    (void) data;
    if (!*seen) {
        *seen = context;
        return MHD_YES;
    }
    if (*size) {
        *size = 0;
        return MHD_YES;
    }
    return s_send (connection, s_answer ((zb_http_t *) context, connection, path, method));
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

static void *s_run (void *context)
{
    zb_http_t *self = (zb_http_t *) context;
    if (!zb_board_wait (self->board))
        return NULL;
    //  poll, for epoll's functions are looked after for libzmq's sake (io/base/epoll).
    self->daemon = MHD_start_daemon (
        MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_USE_ERROR_LOG, 0, NULL, NULL, s_handle, self,
        MHD_OPTION_EXTERNAL_LOGGER, s_log, NULL, MHD_OPTION_LISTEN_SOCKET, self->listener, MHD_OPTION_CONNECTION_LIMIT,
        self->most, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t) ZB_HTTP_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned) ZB_HTTP_IDLE, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    if (!self->daemon)
        zb_log (ZB_LOG_WARNING, "the page is not served: no thread, descriptor or memory for it");
    return NULL;
}

zb_http_t *zb_http_new (const zb_config_t *config, zb_board_t *board)
{
    zb_http_t *self = (zb_http_t *) zmalloc (sizeof *self);
    self->board = board;
    self->started = (double) zclock_time () / 1000;
    struct rlimit files;
    getrlimit (RLIMIT_NOFILE, &files);
    self->most = files.rlim_cur / 16 < ZB_HTTP_CONNECTIONS ? (unsigned) (files.rlim_cur / 16) : ZB_HTTP_CONNECTIONS;
    self->listener = s_listen (config->host[config->as].http, self->host, sizeof self->host);
    int error = errno;
    if (self->listener != -1 && (error = zb_thread_start (&self->thread, s_run, self)) == 0)
        return self;
    if (self->listener != -1)
        close (self->listener);
    free (self);
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
    zb_board_close (self->board);
    pthread_join (self->thread, NULL);
    if (self->daemon)
        MHD_stop_daemon (self->daemon);
    else
        close (self->listener);
    free (self);
}
