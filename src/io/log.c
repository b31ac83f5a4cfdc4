/*  =========================================================================
    log - what the broker tells its operator, on standard error

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <pthread.h>

#include "io/log.h"

#define LINE_MAX_BYTES 1024
#define RATE_INTERVAL 1000

static zb_log_level_t s_level = ZB_LOG_INFO;
//  zsys makes the date in a place that all threads share.
static pthread_mutex_t s_guard = PTHREAD_MUTEX_INITIALIZER;

static const char *const s_names[] = {"error", "warning", "notice", "info", "debug"};

void zb_log_open (const char *identity, zb_log_level_t level)
{
    zsys_set_logstream (stderr);
    zsys_set_logident (identity);
    s_level = level;
}

int zb_log_level (const char *name, zb_log_level_t *level)
{
    for (size_t index = 0; index < sizeof s_names / sizeof *s_names; index++)
        if (streq (name, s_names[index])) {
            *level = (zb_log_level_t) index;
            return 0;
        }
    return -1;
}

static void s_write (zb_log_level_t level, const char *line)
{
    pthread_mutex_lock (&s_guard);
    switch (level) {
    case ZB_LOG_ERROR:
        zsys_error ("%s", line);
        break;
    case ZB_LOG_WARNING:
        zsys_warning ("%s", line);
        break;
    case ZB_LOG_NOTICE:
        zsys_notice ("%s", line);
        break;
    case ZB_LOG_INFO:
        zsys_info ("%s", line);
        break;
    case ZB_LOG_DEBUG:
        zsys_debug ("%s", line);
        break;
    }
    pthread_mutex_unlock (&s_guard);
}

void zb_log (zb_log_level_t level, const char *format, ...)
{
    if (level > s_level)
        return;
    char line[LINE_MAX_BYTES];
    va_list arguments;
    va_start (arguments, format);
    vsnprintf (line, sizeof line, format, arguments);
    va_end (arguments);
    s_write (level, line);
}

void zb_log_rated (zb_log_rate_t *self, int64_t now, zb_log_level_t level, const char *format, ...)
{
    if (level > s_level)
        return;
    if (now < self->next) {
        self->left_out++;
        return;
    }
    char line[LINE_MAX_BYTES];
    va_list arguments;
    va_start (arguments, format);
    int size = vsnprintf (line, sizeof line, format, arguments);
    va_end (arguments);
    if (self->left_out && size >= 0 && (size_t) size < sizeof line)
        snprintf (line + size, sizeof line - (size_t) size, " (and %" PRIu64 " more like this)", self->left_out);
    self->left_out = 0;
    self->next = now + (self->interval ? self->interval : RATE_INTERVAL);
    s_write (level, line);
}
